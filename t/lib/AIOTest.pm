# Shared helper of the test files.
#
# Loading it loads IO::AIO and dies unless that is the module under test: the
# one below $ENV{AIO_EXPECT} if that is set, else the one in blib if a blib
# directory is in @INC. An installed IO::AIO can therefore never make the
# tests pass by accident.
#
# Every wait has a deadline. A test file that hangs is ended by SIGALRM, and
# children are killed, so a hang shows as a failure. AIO_TEST_PATIENCE
# multiplies all deadlines, for runs under valgrind and the like.
package AIOTest;

use strict;
use warnings;

use Carp ();
use Exporter "import";
use File::Spec ();
use File::Temp ();
use POSIX ();
use Time::HiRes ();

our @EXPORT_OK = qw(
   patience watchdog scratch spew slurp
   pending executing drain until_true readable park release
   in_child run_perl prints_with open_fds errno_of error_of warnings_of
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

# The paths have to survive a chdir, and so do the ones children get.
my @inc = map File::Spec->rel2abs ($_), grep !ref, @INC;
my $lib = (grep -e "$_/AIOTest.pm", @inc)[0];

# ---- deadlines -------------------------------------------------------------

# Seconds a single wait may take.
sub patience () { 20 * ($ENV{AIO_TEST_PATIENCE} || 1) }

# Ends the process if the whole file does not finish. The default action of
# the signal is used on purpose: it works even if no Perl code can run.
sub watchdog {
   $SIG{ALRM} = "DEFAULT";
   alarm 9 * patience;
}

# Calls the code until it returns true, and dies with $what after the deadline.
sub until_true (&;$) {
   my ($code, $what) = @_;
   my $end = Time::HiRes::time () + patience;
   until ($code->()) {
      Carp::croak (($what || "condition not met") . " in " . patience . " seconds")
         if Time::HiRes::time () > $end;
      select undef, undef, undef, 0.002;
   }
   1
}

# ---- which module is tested ------------------------------------------------

sub _check_module {
   require IO::AIO;

   my $expect = $ENV{AIO_EXPECT};
   if (!defined $expect) {
      my ($blib) = grep m{(?:^|/)blib/(?:lib|arch)/*\z}, @inc
         or return;
      ($expect = $blib) =~ s{/(?:lib|arch)/*\z}{};
   }
   require Cwd;
   $expect = Cwd::abs_path ($expect)
      // Carp::croak ("AIO_EXPECT: no such directory");

   require DynaLoader;
   my @objects = grep m{/AIO\.[^/]+\z}, @DynaLoader::dl_shared_objects;
   for my $file ($INC{"IO/AIO.pm"}, @objects) {
      my $path = Cwd::abs_path ($file) // $file;
      index ($path, "$expect/") == 0
         or Carp::croak ("wrong IO::AIO under test: $path is not below $expect");
   }
   @objects == 1
      or Carp::croak ("wrong IO::AIO under test: shared objects loaded: @objects");
}

# ---- files -----------------------------------------------------------------

my $scratch;

# A directory that goes away with the process that asked first. Its forked
# children share it.
sub scratch () {
   $scratch ||= File::Temp::tempdir ("aio-test-XXXXXXXX", TMPDIR => 1, CLEANUP => 1)
}

sub spew {
   my ($path, $data) = @_;
   open my $fh, ">:raw", $path or die "$path: $!";
   print $fh $data;
   close $fh or die "$path: $!";
   $path
}

sub slurp {
   my ($path) = @_;
   open my $fh, "<:raw", $path or die "$path: $!";
   local $/;
   my $data = <$fh>;
   defined $data ? $data : ""
}

# How many descriptors the process has open. The directory handle that looks
# is itself in the list, always, so differences are true.
sub open_fds () {
   for my $dir ("/proc/self/fd", "/dev/fd") {
      opendir my $dh, $dir or next;
      my $n = grep /^\d+\z/, readdir $dh;
      # A static /dev/fd lists three names whatever is open.
      return $n if $dir ne "/dev/fd" || $n > 3;
   }
   my $max = POSIX::sysconf (POSIX::_SC_OPEN_MAX ()) || 256;
   $max = 1024 if $max > 1024;
   scalar grep { defined POSIX::lseek ($_, 0, 1) || $! != POSIX::EBADF () } 0 .. $max - 1
}

# ---- waiting for requests --------------------------------------------------

sub _counts { join "/", IO::AIO::nreqs (), IO::AIO::nready (), IO::AIO::npending () }

# Waits until at least $n results are pending. Takes none of them.
sub pending {
   my ($n) = @_;
   until_true { IO::AIO::npending () >= $n } "not $n pending (nreqs/nready/npending " . _counts () . ")";
}

# Waits until exactly $n requests are on a worker.
sub executing {
   my ($n) = @_;
   until_true { IO::AIO::nreqs () - IO::AIO::nready () - IO::AIO::npending () == $n } "not $n executing";
}

# Whether the descriptor is readable, within the given time (default: now).
sub readable (;$) {
   my ($seconds) = @_;
   my $r = "";
   vec ($r, IO::AIO::poll_fileno (), 1) = 1;
   scalar select $r, undef, undef, $seconds || 0
}

# Polls until nothing is outstanding. The way an event loop does it: wait for
# the descriptor, then poll_cb. Exceptions of callbacks pass through.
sub drain () {
   my $end = Time::HiRes::time () + patience;
   while (IO::AIO::nreqs ()) {
      my $left = $end - Time::HiRes::time ();
      Carp::croak ("requests still outstanding (nreqs/nready/npending " . _counts () . ")")
         if $left <= 0;
      # A group that waits for members, or requests held by a limit of 0
      # workers, leave the descriptor quiet; look again now and then.
      readable ($left < 0.2 ? $left : 0.2);
      IO::AIO::poll_cb ();
   }
}

# Parks $n workers on a pipe each and returns once they are there. The gates
# are opened by release. Each parked request runs the callback, if given.
sub park {
   my ($n, $cb) = @_;
   # Gates that nobody holds would open at once.
   defined wantarray or Carp::croak ("park needs its gates to be kept");
   my @gate = map {
      pipe my $r, my $w or die "pipe: $!";
      my $buffer = "";
      my $gate = { r => $r, w => $w };
      $gate->{req} = IO::AIO::aio_read ($r, undef, 1, $buffer, 0, $cb);
      $gate
   } 1 .. $n;
   # What was submitted before them may end meanwhile, so they cannot be told by the number that
   # executes: when nothing is ready any more, all of them do.
   until_true { !IO::AIO::nready () && IO::AIO::nreqs () - IO::AIO::npending () >= $n };
   @gate
}

sub release { syswrite $_->{w}, "x" for @_ }

# ---- children --------------------------------------------------------------

sub _status {
   my ($status) = @_;
   $status & 127 ? "signal " . ($status & 127) : "exit " . ($status >> 8)
}

sub _wait_child {
   my ($pid, $file) = @_;
   my $end = Time::HiRes::time () + patience;
   my $pause = 0.001;
   my $result;
   until (defined $result) {
      my $got = waitpid $pid, POSIX::WNOHANG ();
      if ($got == $pid) {
         $result = _status ($?);
      } elsif ($got < 0) {
         die "waitpid: $!";
      } elsif (Time::HiRes::time () > $end) {
         kill KILL => $pid;
         waitpid $pid, 0;
         $result = "hangs";
      } else {
         select undef, undef, undef, $pause;
         $pause *= 1.5 if $pause < 0.05;
      }
   }
   my $output = slurp ($file);
   unlink $file;
   ($result, $output)
}

my $files = 0;

sub _redirect {
   my ($file) = @_;
   open STDOUT, ">>", $file or POSIX::_exit (254);
   open STDERR, ">&", \*STDOUT or POSIX::_exit (254);
   select STDERR; $| = 1;
   select STDOUT; $| = 1;
}

# Runs the code in a forked child. Returns how it ended ("exit N", "signal N",
# "hangs") and what it printed, standard error included. The child ends by
# _exit after the code, so END blocks run only if the code calls exit itself.
# An exception is printed and gives exit 255. Do not test inside: print.
sub in_child (&) {
   my ($code) = @_;
   my $file = scratch . "/child-" . ++$files;
   my $pid = fork;
   defined $pid or die "fork: $!";
   if (!$pid) {
      _redirect ($file);
      eval { $code->(); 1 } or do {
         print "died: $@";
         POSIX::_exit (255);
      };
      POSIX::_exit (0);
   }
   _wait_child ($pid, $file)
}

# Runs a program in a perl of its own, with the same @INC, with strict,
# warnings, unbuffered output and IO::AIO loaded, and AIOTest's functions at
# hand. Returns the same as in_child. It ends in perl's normal way.
sub run_perl {
   my ($program, @args) = @_;
   my $file = scratch . "/perl-" . ++$files;
   my $script = spew ("$file.pl", <<PRELUDE . $program);
use strict; use warnings;
use AIOTest qw(:all); use IO::AIO;
\$| = 1; select STDERR; \$| = 1; select STDOUT;
#line 1 "program"
PRELUDE
   my $pid = fork;
   defined $pid or die "fork: $!";
   if (!$pid) {
      _redirect ($file);
      $ENV{PERL5LIB} = join ":", @inc;
      delete $ENV{PERL5OPT};
      exec $^X, (map "-I$_", @inc), $script, @args or POSIX::_exit (254);
   }
   my @result = _wait_child ($pid, $file);
   unlink $script;
   @result
}

# A test: a program, behind a head that it shares with others, ends with exit 0 and
# prints this, or with what a pattern for both says.
sub prints_with {
   my ($head, $name, $expect, $program, @args) = @_;
   my ($status, $output) = run_perl ($head . $program, @args);
   my $got = "$status: $output";
   local $Test::Builder::Level = $Test::Builder::Level + 2;
   ref $expect ? Test::More::like ($got, $expect, $name) : Test::More::is ($got, "exit 0: $expect", $name);
}

# ---- small things ----------------------------------------------------------

# What the code returns, and the error number it leaves in $!.
sub errno_of (&) {
   my ($code) = @_;
   $! = 0;
   my $result = $code->();
   ($result, $! + 0)
}

# The message the code dies with, or the empty string.
sub error_of (&) {
   my ($code) = @_;
   local $@;
   eval { $code->(); 1 } ? "" : "$@" || "(empty message)"
}

# The warnings the code gives.
sub warnings_of (&) {
   my ($code) = @_;
   my @warnings;
   local $SIG{__WARN__} = sub { push @warnings, $_[0] };
   $code->();
   @warnings
}

_check_module ();
watchdog ();

1
