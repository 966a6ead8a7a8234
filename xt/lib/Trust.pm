# Shared by the tests that try to break the module: seeds, scale, bounded
# commands, valgrind, and builds for another perl.
package Trust;

use strict;
use warnings;

use AIOTest ();   # sees to it that the module under test is the one loaded
use Cwd ();
use Exporter "import";
use File::Spec ();
use POSIX ();
use Test::More ();
use Time::HiRes "time";

our @EXPORT_OK = qw(
   seed stress slow figure pick chance
   bounded perl_command valgrind_command valgrind_says cache build_for passes_t cargo_nightly
);

# AIO_STRESS multiplies the amount of work; AIO_XT_SLOW=1 asks for what takes
# longer than a usual run should.
sub stress () { $ENV{AIO_STRESS} || 1 }
sub slow ()   { $ENV{AIO_XT_SLOW} || stress > 1 }

# A seed for rand, printed so that AIO_SEED can repeat the run.
sub seed () {
   my $seed = $ENV{AIO_SEED} // int 1e9 * (time - int time) ^ $$ << 8;
   $seed &= 0x7fffffff;
   Test::More::diag ("seed: AIO_SEED=$seed");
   srand $seed;
   $seed
}

# What the run did, in words that RELIABILITY.md can quote.
sub figure { Test::More::diag ("figure: @_") }

sub pick   { $_[rand @_] }
sub chance { rand () < $_[0] }

# ---- commands --------------------------------------------------------------

# Runs a command in a process group of its own, which is ended after so many
# seconds. Returns how it ended ("exit N", "signal N", "hangs") and what it
# printed, standard error included.
sub bounded {
   my ($seconds, @command) = @_;
   my $file = AIOTest::scratch () . "/bounded";
   defined (my $pid = fork) or die "fork: $!";
   if (!$pid) {
      setpgrp 0, 0;
      open STDIN,  "<", "/dev/null" or POSIX::_exit (254);
      open STDOUT, ">", $file       or POSIX::_exit (254);
      open STDERR, ">&", \*STDOUT   or POSIX::_exit (254);
      { no warnings "exec"; exec @command }
      print STDERR "$command[0]: $!\n";
      POSIX::_exit (127);
   }
   my $end  = time + $seconds;
   my $hangs;
   while (waitpid ($pid, POSIX::WNOHANG ()) != $pid) {
      if (time > $end) {
         $hangs = kill KILL => -$pid;
         waitpid $pid, 0;
         last;
      }
      select undef, undef, undef, 0.02;
   }
   my $status = $?;
   (
      $hangs ? "hangs" : $status & 127 ? "signal " . ($status & 127) : "exit " . ($status >> 8),
      AIOTest::slurp ($file)
   )
}

my @inc = map File::Spec->rel2abs ($_), "xt/lib", "t/lib", grep !ref, @INC;

# A perl that finds the same modules.
sub perl_command { ($^X, map ("-I$_", @inc), @_) }

# ---- valgrind --------------------------------------------------------------

my $suppressions = File::Spec->rel2abs ("xt/valgrind.supp");

# The command that runs a perl under memcheck, or nothing if there is none. An
# error is status 99. PERL_DESTRUCT_LEVEL 2 makes perl free what it owns, so
# that what is left is lost.
sub valgrind_command {
   my (@arguments) = @_;
   my ($there) = grep -x, map "$_/valgrind", File::Spec->path;
   return unless $there;
   (
      "env", "PERL_DESTRUCT_LEVEL=2", "PERL_HASH_SEED=0", $there, "--error-exitcode=99", "--num-callers=30",
      "--suppressions=$suppressions", "--fair-sched=yes", "--vgdb=no", @arguments
   )
}

# Its complaints among the output, of a run with -q: whatever stands in lines that
# begin ==PID==, but remarks on system calls whose numbers it does not know.
sub valgrind_says {
   my ($output) = @_;
   join "", grep !/^==\d+== +(?:Warning: (?:unimplemented fcntl|noted but unhandled ioctl|set address range perms)|This could cause spurious|See README_MISSING)/,
      $output =~ /^(==\d+==.*\n)/mg
}

# ---- other builds ----------------------------------------------------------

# Where things are kept that take long to make.
sub cache {
   my $dir = $ENV{IO_AIO_CACHE} // (defined $ENV{HOME} ? "$ENV{HOME}/.cache/io-aio" : AIOTest::scratch () . "/cache");
   require File::Path;
   File::Path::make_path ($dir);
   $dir
}

# The command of a nightly cargo, undef and the host; or undef and what is missing.
# It may have to have a component.
sub cargo_nightly {
   my ($component) = @_;
   my @path = (File::Spec->path, map "$_/.cargo/bin", $ENV{HOME} // ());
   my ($rustup) = grep -x, map "$_/rustup", @path;
   defined $rustup or return (undef, "there is no rustup, and so no nightly compiler");
   my ($end, $version) = bounded (60, $rustup, "run", "nightly", "rustc", "-vV");
   $end eq "exit 0" or return (undef, "there is no nightly compiler; `rustup toolchain install nightly` installs one");
   if (defined $component) {
      my (undef, $list) = bounded (60, $rustup, "component", "list", "--toolchain", "nightly", "--installed");
      $list =~ /^\Q$component\E/m
         or return (undef, "the nightly compiler has no $component; `rustup component add $component --toolchain nightly` adds it");
   }
   ([$rustup, "run", "nightly", "cargo"], undef, $version =~ /^host: (\S+)/m)
}

# Copies the distribution, what git tracks or else what MANIFEST names, and builds
# it there with the given perl. Returns the folder; dies with the output of a step
# that fails.
sub build_for {
   my ($perl, $name, $seconds, @options) = @_;
   require ExtUtils::Manifest;
   my $dir = AIOTest::scratch () . "/$name";
   mkdir $dir or die "$dir: $!";
   local $ExtUtils::Manifest::Quiet = 1;
   my $files = ExtUtils::Manifest::maniread ();
   if (-e ".git" && open my $git, "-|", "git ls-files -z 2>/dev/null") {
      local $/ = "\0";
      chomp (my @tracked = <$git>);
      $files = { map +($_ => ""), grep -e, @tracked } if @tracked;
   }
   ExtUtils::Manifest::manicopy ($files, $dir, "cp");
   my $home = Cwd::getcwd ();

   # What prove -b and make leave in the environment is about this directory.
   local @ENV{qw(PERL5LIB PERL5OPT MAKEFLAGS MFLAGS MAKELEVEL AIO_EXPECT)};
   delete @ENV{qw(PERL5LIB PERL5OPT MAKEFLAGS MFLAGS MAKELEVEL AIO_EXPECT)};
   # apart from the build of this directory, and kept from run to run
   local $ENV{CARGO_TARGET_DIR} = File::Spec->rel2abs (($ENV{CARGO_TARGET_DIR} || "target") . "/$name");
   local $ENV{PATH} = $ENV{PATH} . (defined $ENV{HOME} ? ":$ENV{HOME}/.cargo/bin" : "");

   chdir $dir or die "$dir: $!";
   for my $command ([$perl, "Makefile.PL", @options], ["make"]) {
      my ($end, $output) = bounded ($seconds, @$command);
      next if $end eq "exit 0";
      chdir $home;
      die "@$command: $end\n$output";
   }
   chdir $home or die "$home: $!";
   $dir
}

# Tests that t/ passes in a folder that build_for made; tells what was printed.
sub passes_t {
   my ($perl, $what, $dir, $seconds) = @_;
   my $start = time;
   my $home = Cwd::getcwd ();
   chdir $dir or die "$dir: $!";
   local %ENV = %ENV;
   delete @ENV{qw(PERL5LIB PERL5OPT AIO_EXPECT MAKEFLAGS MFLAGS MAKELEVEL), grep /^HARNESS_/, keys %ENV};
   $ENV{AIO_TEST_PATIENCE} = 4;
   # most of the time a test waits
   $ENV{HARNESS_OPTIONS} = "j3";
   my ($end, $output) = bounded ($seconds, $perl, "-MExtUtils::Command::MM", "-e",
      'test_harness (0, "blib/lib", "blib/arch")', grep $_ ne "t/01_manifest.t", glob "t/*.t");
   chdir $home or die "$home: $!";
   Test::More::is ($end, "exit 0", "its tests pass") or Test::More::diag ($output);
   Test::More::like ($output, qr/^Files=[1-9]\d*, Tests=[1-9].*\nResult: PASS$/m, "... and there were some");
   my ($files, $tests) = $output =~ /^Files=(\d+), Tests=(\d+)/m;
   figure (sprintf "%s: %d files, %d tests of t/, in %.0f s", $what, $files // 0, $tests // 0, time - $start);
   $output
}

1
