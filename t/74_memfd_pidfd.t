# memfd_create; pidfd_open, pidfd_send_signal, pidfd_getfd.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Config;
use Fcntl qw(F_GETFD FD_CLOEXEC);
use POSIX ();
use Test::More;
use IO::AIO;

sub result (&) { my ($r, $e) = &errno_of; defined $r && $r ne "-1" ? ref \$r eq "GLOB" ? "glob" : $r : ($r // "undef") . " $e" }
my $mode = qr/mode mismatch/;

# ---- memfd_create ----------------------------------------------------------

my $mem = IO::AIO::memfd_create "test", IO::AIO::MFD_CLOEXEC | IO::AIO::MFD_ALLOW_SEALING;
SKIP: {
   defined $mem or skip "this system has no memfd_create: $!", 14;
   is ref \$mem, "GLOB", "memfd_create gives a glob";
   is -s $mem, 0, "of an empty file";
   is syswrite ($mem, "hello"), 5, "writable";
   sysseek $mem, 1, 0;
   sysread $mem, my $data, 10;
   is $data, "ello", "and readable";
   SKIP: {
      my $name = readlink "/proc/self/fd/" . fileno $mem;
      defined $name or skip "no /proc/self/fd to read names from", 1;
      like $name, qr/memfd:test/, "it has that name";
   }
   ok +fcntl ($mem, IO::AIO::F_ADD_SEALS, IO::AIO::F_SEAL_GROW | IO::AIO::F_SEAL_WRITE), "it can be sealed";
   is fcntl ($mem, IO::AIO::F_GET_SEALS, 0), IO::AIO::F_SEAL_GROW | IO::AIO::F_SEAL_WRITE, "the seals are there";
   is result { syswrite $mem, "x" }, "undef 1", "and heeded";
   is fcntl (IO::AIO::memfd_create ("default"), IO::AIO::F_GET_SEALS, 0), IO::AIO::F_SEAL_SEAL, "flags default to 0: no sealing";
   is result { IO::AIO::memfd_create "x", 0x4000 }, "undef 22", "unknown flags: undef, EINVAL";
   is result { IO::AIO::memfd_create "x" x 300 }, "undef 22", "a name too long";
   like error_of { IO::AIO::memfd_create "\x{263a}" }, qr/Wide character|byte|octet/, "a wide name is refused";
   my $before = open_fds;
   undef $mem;
   is open_fds, $before - 1, "dropping the handle closes it";
}

# ---- pidfd -----------------------------------------------------------------

my $self = IO::AIO::pidfd_open $$;
SKIP: {
   defined $self or skip "this system has no pidfd_open: $!", 31;
   is ref \$self, "GLOB", "pidfd_open gives a glob";
   ok +(fcntl $self, F_GETFD, 0) & FD_CLOEXEC, "close-on-exec";
   is result { IO::AIO::pidfd_open 0x7ffffff0 }, "undef 3", "no such process: undef, ESRCH";
   is result { IO::AIO::pidfd_open $$, 4 }, "undef 22", "unknown flags: EINVAL";

   pipe my $hold, my $let_go or die;
   my $pid = fork;
   if (!$pid) {
      close $let_go;
      sysread $hold, my $never, 1;
      POSIX::_exit (0);
   }
   close $hold;
   my $child = IO::AIO::pidfd_open $pid;
   my $ended = sub { my $r = ""; vec ($r, fileno $child, 1) = 1; scalar select $r, undef, undef, $_[0] };
   my ($probe) = result { IO::AIO::pidfd_send_signal $child, 0 };
   $probe eq "0" or skip "this system has no pidfd_send_signal: $probe", 21;
   is $probe, 0, "pidfd_send_signal with signal 0 asks";
   is result { IO::AIO::pidfd_send_signal $child, 0, undef }, 0, "undef as information";
   is result { IO::AIO::pidfd_send_signal $child, 0, undef, 0 }, 0, "and flags";
   is $ended->(0), 0, "the process runs";
   is result { IO::AIO::pidfd_send_signal $child, 999 }, "-1 22", "an unknown signal: -1, EINVAL";
   is result { IO::AIO::pidfd_send_signal $child, 0, undef, 0x100 }, "-1 22", "unknown flags: -1, EINVAL";
   for my $bad ([], 5, "text", \1, sub { }) {
      like error_of { IO::AIO::pidfd_send_signal $child, 0, $bad }, qr/must be a hashref/, "information that is a " . (ref $bad || "scalar") . " is refused";
   }
   is result { IO::AIO::pidfd_send_signal $child, 15 }, 0, "a signal is sent";
   is $ended->(patience), 1, "the descriptor becomes readable";
   waitpid $pid, 0;
   is $? & 127, 15, "the process ended by it";
   is result { IO::AIO::pidfd_send_signal $child, 0 }, "-1 3", "gone: -1, ESRCH";

   open my $null, "<", "/dev/null" or die;
   is result { IO::AIO::pidfd_send_signal $null, 0 }, "-1 9", "no pidfd: -1, EBADF";
   like error_of { IO::AIO::pidfd_send_signal -1, 0 }, $mode, "a negative number is refused";

   # ---- pidfd_getfd
   SKIP: {
      pipe my $r, my $w or die;
      my $copy = IO::AIO::pidfd_getfd $self, fileno $w;
      defined $copy or skip "this system has no pidfd_getfd, or forbids it: $!", 6;
      is ref \$copy, "GLOB", "pidfd_getfd gives a glob";
      isnt fileno $copy, fileno $w, "of a descriptor of its own";
      syswrite $copy, "through";
      sysread $r, my $data, 20;
      is $data, "through", "for the same file";
      is result { IO::AIO::pidfd_getfd $self, 999 }, "undef 9", "no such descriptor: undef, EBADF";
      is result { IO::AIO::pidfd_getfd $self, 0, 1 }, "undef 22", "unknown flags: EINVAL";
      is result { IO::AIO::pidfd_getfd $null, 0 }, "undef 9", "no pidfd: EBADF";
   }

   # ---- with information
   my @seen;
   my $queued = -1;   # SI_QUEUE
   my $pointer = 0x12345678 * 16;
   POSIX::sigaction (POSIX::SIGUSR1 (), POSIX::SigAction->new (sub { push @seen, [@_] }, POSIX::SigSet->new, POSIX::SA_SIGINFO ()))
      or die "sigaction: $!";
   is result { IO::AIO::pidfd_send_signal $self, POSIX::SIGUSR1 (), { code => $queued, pid => 1234, uid => 55, value_int => 42 } }, 0,
      "a signal with information";
   until_true { @seen } "no signal arrived";
   my ($name, $info, $raw) = @{ $seen[0] };
   is $info->{code}, $queued, "its code arrives";
   is $info->{signo}, POSIX::SIGUSR1 (), "so does the signal number";
   SKIP: {
      defined $info->{pid} or skip "this perl does not show the sender", 2;
      is $info->{pid}, 1234, "the pid";
      is $info->{uid}, 55, "the uid";
   }
   SKIP: {
      $^O eq "linux" && $Config{ptrsize} == 8 && defined $raw && length $raw >= 32 or skip "the layout of the information is not known here", 2;
      is unpack ("l", substr $raw, 24, 4), 42, "the integer";
      @seen = ();
      IO::AIO::pidfd_send_signal $self, POSIX::SIGUSR1 (), { code => $queued, value_ptr => $pointer };
      until_true { @seen } "no signal arrived";
      is unpack ("Q", substr $seen[0][2], 24, 8), $pointer, "or the pointer";
   }
   @seen = ();
   is result { IO::AIO::pidfd_send_signal $self, POSIX::SIGUSR1 (), { code => $queued } }, 0, "only part of it";
   until_true { @seen } "no signal arrived";
   is $seen[0][1]{code}, $queued, "arrives, too";
   POSIX::sigaction (POSIX::SIGUSR1 (), POSIX::SigAction->new ("DEFAULT"));
}

done_testing;
