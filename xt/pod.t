# The manual is whole: its syntax is right, every name that can be called has
# an entry, and every entry can be called.
use strict;
use warnings;
use lib "t/lib";
use AIOTest;
use Pod::Checker ();
use Test::More;
use IO::AIO;

-e "lib/IO/AIO.pm" or BAIL_OUT "no lib/IO/AIO.pm; run the tests from the top of the distribution";

# ---- syntax ----------------------------------------------------------------

for my $file ("lib/IO/AIO.pm", grep { -f && slurp_has_pod ($_) } glob "bin/*") {
   my $checker = Pod::Checker->new (-warnings => 1);
   open my $report, ">", \my $text;
   $checker->parse_from_file ($file, $report);
   is $checker->num_errors, 0, "$file: no errors";
   is $checker->num_warnings, 0, "$file: no warnings" or diag $text;
}

sub slurp_has_pod {
   my ($file) = @_;
   open my $fh, "<", $file or die "$file: $!";
   scalar grep /^=head1/, <$fh>
}

# ---- the names the manual has ----------------------------------------------

# The entries are the items of the outermost lists in FUNCTIONS. Lists inside
# entries, the notes on arguments, and the list of constants are read otherwise.
my (%entry, %overview, %head);
{
   my %class = (req => "REQ", group => "GRP", wd => "WD");
   my ($head1, $head2, $head3, $depth, $said) = ("", "", "", 0, "");

   open my $fh, "<", "lib/IO/AIO.pm" or die "lib/IO/AIO.pm: $!";
   local $/ = "";
   while (my $para = <$fh>) {
      $para =~ s/\s+\z//;

      if ($para =~ /^   /) {
         if ($said eq "constants") {
            $entry{"IO::AIO::$_"}++ for split " ", $para;
         } elsif ($said eq "overview") {
            /^     (?:\$\w+->|IO::AIO::)?(\w+)/ and $overview{$1}++ for split /\n/, $para;
         }
         next;
      }

      $said = $para =~ /^=for (\w+)/ ? $1 : "";
      if    ($para =~ /^=head1 (.*)/) { $head{$head1 = $1}++; $head2 = $head3 = "" }
      elsif ($para =~ /^=head2 (.*)/) { $head2 = $1; $head3 = "" }
      elsif ($para =~ /^=head3 (.*)/) { $head3 = $1 }
      elsif ($para =~ /^=over/)       { $depth++ }
      elsif ($para =~ /^=back/)       { $depth-- }
      elsif ($para =~ /^=item (.*)/ && $head1 eq "FUNCTIONS" && $depth == 1
             && $head2 ne "ARGUMENTS, RESULTS AND ERRORS" && $head3 ne "Constants") {
         # what stands before "=" is what is returned
         (my $signature = $1) =~ s/^[^=>]+ = //;
         if ($signature =~ /^\$(req|group|wd)->(\w+)(?: |\z)/) {
            $entry{"IO::AIO::$class{$1}::$2"}++;
         } elsif ($signature =~ /^(?:IO::AIO::)?(\w+)(?: |\z)/) {
            $entry{"IO::AIO::$1"}++;
         } else {
            fail "entry is understood: $signature";
         }
      }
   }
}

# ---- the names that can be called ------------------------------------------

my %callable;
for my $package ("IO::AIO", "IO::AIO::REQ", "IO::AIO::GRP", "IO::AIO::WD") {
   no strict "refs";
   for my $name (keys %{"${package}::"}) {
      $callable{"${package}::$name"}++ if defined &{"${package}::$name"};
   }
}

cmp_ok scalar keys %callable, ">", 450, "the module has names";
is join (" ", grep !$entry{$_}, sort keys %callable), "", "every callable name has an entry";

# A class can inherit a method it has an entry for.
is join (" ", grep { !$callable{$_} && !(/^(.*)::(\w+)\z/ && $1->can ($2)) } sort keys %entry), "", "every entry can be called";
is join (" ", grep $entry{$_} > 1, grep $_ ne "IO::AIO::REQ::cb", sort keys %entry), "", "no entry is there twice";
is $entry{"IO::AIO::REQ::cb"}, 2, "cb has two forms";
is join (" ", grep !$callable{"IO::AIO::$_"}, @IO::AIO::EXPORT, @IO::AIO::EXPORT_OK), "", "exported names exist";

# ---- the overview ----------------------------------------------------------

my %constant = map +($_ => 1), grep /^IO::AIO::[A-Z][A-Z0-9_]*\z/, keys %entry;
my %short = map { (/(\w+)\z/)[0] => 1 } grep !$constant{$_}, keys %entry;

# Accessors, and what is not for programs.
delete $short{$_} for grep /^stx?_[a-z]/, keys %short;
delete @short{qw(bootstrap _boot DESTROY _on_next_submit)};

is join (" ", grep !$overview{$_}, sort keys %short), "", "the overview has every function and method";
is join (" ", grep !$short{$_}, sort keys %overview), "", "and nothing else";

# ---- the chapters ----------------------------------------------------------

is join (" ", grep !$head{$_}, "NAME", "SYNOPSIS", "DESCRIPTION", "REQUEST ANATOMY AND LIFETIME", "FUNCTIONS",
   "EVENT LOOP INTEGRATION", "FORK BEHAVIOUR", "THREADS", "SIGNALS", "MEMORY USAGE", "DIFFERENCES FROM 4.80",
   "KNOWN ISSUES", "SEE ALSO", "AUTHOR", "LICENSE"), "", "all chapters are there";

# ---- what it says about exports is true ------------------------------------

{
   open my $fh, "<", "lib/IO/AIO.pm" or die "lib/IO/AIO.pm: $!";
   my (%marked, %default);
   while (<$fh>) {
      $marked{$1}++  if /^     (\w+).* \*$/;
      $default{$1}++ if /^     (aio\w+)\b(?!::)/;
   }
   is_deeply [sort keys %marked], [sort @IO::AIO::EXPORT_OK], "names exported on request are marked so";
   is_deeply [sort keys %default], [sort @IO::AIO::EXPORT], "request functions are exported";
}

done_testing;
