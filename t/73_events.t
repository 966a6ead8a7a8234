# eventfd, timerfd_create, timerfd_settime, timerfd_gettime.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Fcntl qw(F_GETFD FD_CLOEXEC);
use Test::More;
use IO::AIO;

sub value { my ($fh) = @_; my $n = sysread $fh, my $data, 8; defined $n ? unpack "Q", $data : $!{EAGAIN} ? "EAGAIN" : "error $!" }
sub result (&) { my ($r, $e) = &errno_of; defined $r ? $r : "undef $e" }
sub nothing (&) { my ($code) = @_; $! = 0; my @r = $code->(); (scalar @r) . " " . ($! + 0) }

# ---- eventfd ---------------------------------------------------------------

my $event = IO::AIO::eventfd 5;
SKIP: {
   defined $event or skip "this system has no eventfd: $!", 11;
   is ref \$event, "GLOB", "eventfd gives a glob";
   is value ($event), 5, "with its initial value";
   syswrite $event, pack "Q", $_ for 3, 4;
   is value ($event), 7, "it adds up";
   ok +(fcntl $event, F_GETFD, 0) & FD_CLOEXEC, "close-on-exec";
   is value (IO::AIO::eventfd 0, IO::AIO::EFD_NONBLOCK), "EAGAIN", "non-blocking";
   my $semaphore = IO::AIO::eventfd 2, IO::AIO::EFD_SEMAPHORE | IO::AIO::EFD_NONBLOCK;
   is join (" ", map value ($semaphore), 1 .. 3), "1 1 EAGAIN", "a semaphore";
   my $default = IO::AIO::eventfd;
   syswrite $default, pack "Q", 1;
   is value ($default), 1, "0 and no flags by default";
   is result { IO::AIO::eventfd 0, 0x1234 }, "undef 22", "unknown flags: undef, EINVAL";
   my $before = open_fds;
   my $copy = $event;
   undef $event;
   is open_fds, $before, "a copy keeps it open";
   ok close $copy, "it can be closed";
   is open_fds, $before - 1, "which frees the descriptor";
}

# ---- timerfd ---------------------------------------------------------------

my $timer = IO::AIO::timerfd_create IO::AIO::CLOCK_MONOTONIC, IO::AIO::TFD_NONBLOCK | IO::AIO::TFD_CLOEXEC;
SKIP: {
   defined $timer or skip "this system has no timerfd: $!", 20;
   is ref \$timer, "GLOB", "timerfd_create gives a glob";
   is join (" ", IO::AIO::timerfd_gettime $timer), "0 0", "a new timer is off";
   is join (" ", IO::AIO::timerfd_settime $timer, 0, 0, 10_000), "0 0", "settime gives what was before";
   my @now = IO::AIO::timerfd_gettime $timer;
   is $now[0], 0, "no interval";
   ok $now[1] > 9_000 && $now[1] <= 10_000, "and the time left";
   my @before = IO::AIO::timerfd_settime $timer, 0, 2.5, 0.01;
   is $before[0], 0, "set again: the old interval";
   ok $before[1] > 9_000 && $before[1] <= 10_000, "and the old time left";
   my $r = "";
   vec ($r, fileno $timer, 1) = 1;
   is scalar (select $r, undef, undef, patience), 1, "it expires";
   cmp_ok value ($timer), ">=", 1, "and counts that";
   is +(IO::AIO::timerfd_gettime $timer)[0], 2.5, "the interval has a fraction";
   is +(IO::AIO::timerfd_settime $timer, 0, 0, 0)[0], 2.5, "switching it off";
   is join (" ", IO::AIO::timerfd_gettime $timer), "0 0", "it is off";
   is join (" ", IO::AIO::timerfd_settime $timer, IO::AIO::TFD_TIMER_ABSTIME, 0, 0.001), "0 0", "an absolute time in the past";
   $r = "";
   vec ($r, fileno $timer, 1) = 1;
   is scalar (select $r, undef, undef, patience), 1, "expires at once";
   is value ($timer), 1, "once";
   is nothing { IO::AIO::timerfd_settime $timer, 0, 0, -1 }, "0 22", "a negative time: nothing, EINVAL";
   is result { IO::AIO::timerfd_create 99 }, "undef 22", "an unknown clock: undef, EINVAL";
   open my $file, "<", $0 or die;
   is nothing { IO::AIO::timerfd_gettime $file }, "0 22", "gettime of a file: nothing, EINVAL";
   is nothing { IO::AIO::timerfd_settime $file, 0, 1, 1 }, "0 22", "settime, too";
   is nothing { IO::AIO::timerfd_gettime 999 }, "0 9", "EBADF";
   like error_of { IO::AIO::timerfd_gettime -1 }, qr/mode mismatch/, "a negative number is refused";
   like error_of { IO::AIO::timerfd_settime "text", 0, 0, 1 }, qr/mode mismatch/, "so is text that is no number";
   is scalar (() = warnings_of { IO::AIO::timerfd_create IO::AIO::CLOCK_REALTIME }), 0, "flags default to 0";
}

done_testing;
