# Nothing the reference has is missing: each function, method, prototype, export
# and constant of IO::AIO 4.80 is there. Both modules are loaded in a process of
# their own, which prints its symbol table.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew);
use ClientTest qw(start finish @perl);
use Test::More;

# These are 0 in the reference, which did not see the name when it was built.
# Headers of Linux that have it say:
my %modern = (
   FSCONFIG_CMD_CREATE      => 6,
   FSCONFIG_CMD_RECONFIGURE => 7,
   FSCONFIG_SET_BINARY      => 2,
   FSCONFIG_SET_FD          => 5,
   FSCONFIG_SET_PATH        => 3,
   FSCONFIG_SET_PATH_EMPTY  => 4,
   FSCONFIG_SET_STRING      => 1,
   MAP_UNINITIALIZED        => 0x4000000,
   MFD_HUGETLB_1GB          => 30 << 26,
   MFD_HUGETLB_2MB          => 21 << 26,
   P_PGID                   => 2,
   P_PID                    => 1,
   P_PIDFD                  => 3,
);

# ---- what a module has -----------------------------------------------------

# One line per fact. Subs a package has from elsewhere are no part of it. A
# constant is a sub in capitals, without arguments, that returns a number.
my $program = spew (scratch . "/symbols.pl", <<'PERL');
use strict;
use warnings;
use B ();

# Given a limit, loads the first IO::AIO in @INC with a version below it.
if (my $limit = shift) {
   require Module::Metadata;
   @INC = grep {
      my $meta = -e "$_/IO/AIO.pm" && Module::Metadata->new_from_file ("$_/IO/AIO.pm");
      !$meta || !$meta->version || $meta->version < $limit
   } grep !ref, @INC;
   eval { require IO::AIO } or do { print "none\n"; exit };
} else {
   require IO::AIO;
}

print "version\t$IO::AIO::VERSION\n";
no strict "refs";
my @package = ("IO::AIO", map /^(\w+)::\z/ ? "IO::AIO::$1" : (), sort keys %IO::AIO::);
for my $package (@package) {
   print "isa\t$package\t$_\n" for @{"${package}::ISA"};
   for my $name (sort keys %{"${package}::"}) {
      my $full = "${package}::$name";
      defined &$full && B::svref_2object (\&$full)->GV->STASH->NAME eq $package or next;
      my $proto = prototype $full;
      print "sub\t$full\t", defined $proto ? "($proto)" : "none", "\n";
      next unless defined $proto && $proto eq "" && $name =~ /^[A-Z][A-Z0-9_a-z]*\z/;
      my $value = &$full ();
      print "constant\t$name\t", defined $value ? ref $value || $value : "undef", "\n";
   }
}
for my $list (qw(EXPORT EXPORT_OK AIO_REQ)) {
   print "list\t$list\t$_\n" for @{"IO::AIO::$list"};
}
print "end\n";
PERL

sub parsed {
   my ($child) = @_;
   my ($status, $output) = finish ($child);
   my %has;
   for (split /\n/, $output) {
      my ($what, $name, $value) = split /\t/;
      if ($what eq "list" || $what eq "isa") { $has{"$what $name"}{$value}++ }
      elsif (defined $value)                 { $has{$what}{$name} = $value }
      else                                   { $has{$what} = $name // 1 }
   }
   $status eq "exit 0" && ($has{end} || $has{none}) or BAIL_OUT "a process that lists symbols: $status\n$output";
   \%has
}

# The second perl knows nothing of this build.
my $ours      = parsed (start (@perl, $program));

my $reference = parsed (start ("env", "-u", "PERL5LIB", $^X, $program, 5));
plan skip_all => "the reference is not installed; on Debian it is in libio-aio-perl" if $reference->{none};

cmp_ok $reference->{version}, "<", 5, "the reference is the reference";
cmp_ok $ours->{version}, ">=", 5, "... and this is not";
diag "IO::AIO $reference->{version} beside IO::AIO $ours->{version}";

# ---- the comparison --------------------------------------------------------

# So that an empty list cannot pass.
for (["sub", 450], ["constant", 300], ["list EXPORT", 50], ["list EXPORT_OK", 38], ["list AIO_REQ", 45]) {
   my ($what, $least) = @$_;
   cmp_ok scalar keys %{ $reference->{$what} }, ">=", $least, "the reference has at least $least: $what";
}

for my $full (sort keys %{ $reference->{sub} }) {
   next if $full =~ /^IO::AIO::(\w+)\z/ && exists $reference->{constant}{$1};
   is $ours->{sub}{$full} // "missing", $reference->{sub}{$full}, "prototype of $full";
}

for my $name (sort keys %{ $reference->{constant} }) {
   my ($is, $was) = map $_ // "missing", $ours->{constant}{$name}, $reference->{constant}{$name};
   if ($was eq "0" && exists $modern{$name} && $is ne "0") {
      is $is, $modern{$name}, "$name, 0 in the reference, has its true value";
   } else {
      is $is, $was, "$name is $was";
   }
   is $ours->{sub}{"IO::AIO::$name"}, "()", "... and has the empty prototype";
}

for my $what (grep /^(?:list|isa) /, sort keys %$reference) {
   is_deeply [grep !$ours->{$what}{$_}, sort keys %{ $reference->{$what} }], [], "$what: nothing is missing";
}
# aio_block was, in 2.x.
is_deeply [grep !$reference->{"list EXPORT"}{$_}, sort keys %{ $ours->{"list EXPORT"} }], ["aio_block"],
   "nothing more is exported unasked than ever was";

done_testing;
