# What README.md shows works as it stands there: the commands in a copy of the
# distribution, the programs with the module in blib. Only `make install` is led
# elsewhere, and `make test` runs few of the tests, by what they get through MAKEFLAGS.
use strict;
use warnings;

use lib "xt/lib";

use DistTest qw(home scratch copy_to run works slurp);
use File::Find ();
use Test::More;

my $home    = home;
my $scratch = scratch;

my $readme = slurp ("README.md");
my @block;
push @block, { kind => $1, text => $2 } while $readme =~ /^```(\w+)\n(.*?)^```$/msg;
my @sh   = map [split /\n/, $_->{text}], grep $_->{kind} eq "sh",   @block;
my @perl = map $_->{text},               grep $_->{kind} eq "perl", @block;
is_deeply [sort map $_->{kind}, @block], [sort +("sh") x @sh, ("perl") x @perl],
   "every code block is of a kind that this test runs";

# ---- the programs ----------------------------------------------------------

is @perl, 2, "there are two programs";
my @perl_with = ($^X, "-I$home/blib/lib", "-I$home/blib/arch");

sub program {
   my ($name, $text) = @_;
   open my $fh, ">", "$scratch/$name" or die "$name: $!";
   print $fh $text;
   close $fh or die "$name: $!";
   "$scratch/$name"
}

{
   my $dir = "$scratch/example";
   mkdir $dir or die "$dir: $!";
   for my $n (1 .. 20) {
      open my $fh, ">", "$dir/file$n" or die $!;
      print $fh "x" x $n;
   }
   symlink "nowhere", "$dir/link" or die "symlink: $!";
   my $file = program ("sizes.pl", $perl[0]);

   my $output = works ("the example runs", @perl_with, $file, $dir);
   my %size = map { /^ *(\d+) (.+)$/ ? ($2 => $1) : (bad => $_) } split /\n/, $output;
   is_deeply \%size, { link => length "nowhere", map +("file$_" => $_), 1 .. 20 }, "... and lists every entry with its size";

   opendir my $dh, "/etc" or die "/etc: $!";
   my $entries = grep !/^\.\.?\z/, readdir $dh;
   $output = works ("... without an argument too", @perl_with, $file);
   is scalar (() = $output =~ /\n/g), $entries, "... where it lists /etc";

   my ($status, $said) = run (@perl_with, $file, "$scratch/nowhere");
   ok $status, "... and fails where there is no directory";
   like $said, qr/nowhere: No such file/, "... saying so";
}

SKIP: {
   eval { require EV } or skip "the EV module is not installed", 1;
   my $file = program ("ev.pl", "$perl[1]\naio_nop sub { print 'done'; EV::break () };\nEV::run ();\n");
   is works ("the program for EV runs", @perl_with, $file), "done", "... and its watcher delivers";
}

# ---- the commands ----------------------------------------------------------

is_deeply $sh[0], ["./dev demo", "./dev test"], "the first two commands are those of dev";
is_deeply $sh[1], ["perl Makefile.PL", "make", "make test", "make install"], "the installation is the usual one";

copy_to "$scratch/copy";
chdir "$scratch/copy" or die "$scratch/copy: $!";

for my $command (@{ $sh[0] }) {
   my $output = works ($command, "sh", "-c", $command);
   like $output, qr/[1-9]\d{3,}/, "... counts what it finds" if $command =~ /demo/;
   like $output, qr/^Files=[1-9]\d*, Tests=[1-9].*\nResult: PASS$/m, "... runs tests" if $command =~ /test/;
}

{
   # All tests have been run by ./dev test.
   local $ENV{MAKEFLAGS} = "DESTDIR=$scratch/root TEST_FILES=t/0*.t";
   for my $command (@{ $sh[1] }) {
      my $output = works ($command, "sh", "-c", $command);
      like $output, qr/^Result: PASS$/m, "... passes" if $command =~ /test/;
   }
}

my %installed;
File::Find::find (sub { $installed{$_} = $File::Find::name if -f }, "$scratch/root");
ok $installed{$_}, "$_ was installed" for "AIO.pm", "treescan";
SKIP: {
   $installed{"AIO.pm"} or skip "nothing was installed", 2;
   (my $lib = $installed{"AIO.pm"}) =~ s{/IO/AIO\.pm\z}{};
   my $output = works ("the installed module is used from there", $^X, "-I$lib", "-MIO::AIO", "-e",
                       'aio_nop sub { print $INC{"IO/AIO.pm"} }; IO::AIO::flush');
   is $output, $installed{"AIO.pm"}, "... and no other";
}

# ---- the links -------------------------------------------------------------

# bench/results.* are written by ./dev bench and need no check here.
for my $link (grep !m{^(?:https?:|bench/results\.)}, $readme =~ /\]\(([^)]+)\)/g) {
   ok -e "$home/$link", "the link to $link leads somewhere";
}

done_testing;
