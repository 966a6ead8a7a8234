# Shared by the tests that build the distribution somewhere else.
package DistTest;

use strict;
use warnings;

use Cwd ();
use Exporter "import";
use ExtUtils::Manifest ();
use File::Spec ();
use File::Temp ();
use Test::More;

our @EXPORT_OK = qw(home scratch copy_to run works slurp);

my $home = Cwd::getcwd ();
-e "MANIFEST" && -e "$home/blib/arch/auto/IO/AIO" or BAIL_OUT "run this from the top of the distribution, after make";

my $scratch = File::Temp::tempdir ("aio-dist-XXXXXXXX", TMPDIR => 1, CLEANUP => 1);
END { chdir "/" }

# What prove -b and make leave in the environment is about this directory.
delete @ENV{grep /^(?:PERL5LIB|PERL5OPT|HARNESS_.*|TEST_.*|AIO_EXPECT|MAKEFLAGS|MFLAGS|MAKELEVEL|DESTDIR)\z/, keys %ENV};

# What cargo builds is apart from the build of this directory, and is kept from
# run to run.
$ENV{CARGO_TARGET_DIR} = File::Spec->rel2abs (($ENV{CARGO_TARGET_DIR} || "target") . "/dist-test");

sub home    () { $home }
sub scratch () { $scratch }

sub slurp {
   my ($path) = @_;
   open my $fh, "<:raw", $path or die "$path: $!";
   local $/;
   scalar <$fh>
}

# Copies the distribution, as MANIFEST names it.
sub copy_to {
   my ($dir) = @_;
   mkdir $dir or die "$dir: $!";
   my $here = Cwd::getcwd ();
   chdir $home or die "$home: $!";
   local $ExtUtils::Manifest::Quiet = 1;
   ExtUtils::Manifest::manicopy (ExtUtils::Manifest::maniread (), $dir, "cp");
   chdir $here or die "$here: $!";
}

# Status and output, standard error included, of a command.
sub run {
   my (@command) = @_;
   my $file = "$scratch/output";
   defined (my $pid = fork) or die "fork: $!";
   if (!$pid) {
      open STDIN,  "<", "/dev/null" or die;
      open STDOUT, ">", $file or die;
      open STDERR, ">&", \*STDOUT or die;
      { no warnings "exec"; exec @command }
      print STDERR "$command[0]: $!\n";
      require POSIX;
      POSIX::_exit (127);
   }
   waitpid $pid, 0;
   ($?, slurp ($file))
}

# Tests that a command succeeds, and returns its output.
sub works {
   my ($what, @command) = @_;
   my ($status, $output) = run (@command);
   is $status, 0, $what or diag $output;
   $output
}

1
