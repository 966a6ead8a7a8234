# Signals: a handler runs within half a second while a poll waits, also for a
# signal that arrives at the very moment the wait begins; one that dies leaves
# cleanly; workers never run one.
#
# A helper process sends the signals, at times that differ from round to round.
# AIO_STRESS multiplies the rounds, AIO_SEED repeats the times.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use Time::HiRes ();
use IO::AIO;

my $seed   = $ENV{AIO_SEED} || time % 1_000_000;
my $stress = $ENV{AIO_STRESS} || 1;
diag "seed $seed";

# Each case is a program of its own. What it prints is the result; a line that
# begins with # is a figure.
sub shows {
   my ($name, $expect, $program, @args) = @_;
   alarm 9 * patience;
   my ($status, $output) = run_perl <<'PRELUDE' . $program, $seed, $stress, @args;
my ($seed, $stress, @args) = @ARGV;
srand $seed;
# A process that sends a signal at each point in time that it reads.
sub helper {
   my ($signal, $to) = @_;
   pipe my $r, my $w or die;
   my $pid = fork // die "fork: $!";
   if (!$pid) {
      close $w;
      while (8 == sysread $r, my $time, 8) {
         my $until = unpack "d", $time;
         # Spins, since a sleep is not exact enough.
         1 while now () < $until;
         kill $signal => $to;
      }
      POSIX::_exit (0);
   }
   close $r;
   ($w, $pid)
}
sub send_in { my ($w, $microseconds) = @_; my $time = now () + $microseconds / 1e6; syswrite $w, pack "d", $time; $time }
sub now { Time::HiRes::clock_gettime (Time::HiRes::CLOCK_MONOTONIC ()) }
PRELUDE
   diag "$name: $1" while $output =~ s/^# (.*)\n//m;
   is "$status: $output", "exit 0: $expect", $name;
}

# ---- the moment the wait begins --------------------------------------------

# A worker is parked for the whole round, so nothing but the signal can end the
# wait. A signal that is missed shows as a round of the length of the alarm.
for my $wait (qw(poll_wait poll flush poll_cb)) {
   shows "$wait is ended by a signal at any moment", "0 late, nothing lost", <<'PROGRAM', $wait;
my $wait = IO::AIO->can ($args[0]);
IO::AIO::max_outstanding 1 if $args[0] eq "poll_cb";
my ($w, $helper) = helper (USR1 => $$);
my ($late, $longest, $rounds, $delivered) = (0, 0, 700 * $stress, 0);
my ($armed, $sent);
$SIG{USR1} = sub { die "usr1\n" };
$SIG{ALRM} = sub { die "late\n" };
my ($gate) = park 1, sub { $delivered++ };
for my $round (1 .. $rounds) {
   my $start;
   eval {
      eval {
         Time::HiRes::ualarm (500_000 * patience () / 20);
         $start = now;
         aio_nop if $round % 3 == 0;
         # Both sides spin until the moment of the signal, give or take some
         # microseconds: it comes right before, in, or right after the start
         # of the wait.
         my $until = send_in ($w, 150) + (rand (30) - 20) / 1e6;
         1 while now () < $until;
         $wait->() while 1;
      };
      Time::HiRes::ualarm (0);
      die $@;
   };
   my $time = now () - $start;
   $longest = $time if $time > $longest;
   $late++ if $time > 0.4 * patience () / 20 || $@ ne "usr1\n";
   IO::AIO::max_outstanding 0;
   IO::AIO::poll_cb;
   IO::AIO::max_outstanding 1 if $args[0] eq "poll_cb";
}
printf "# %d rounds, longest %.4f s\n", $rounds, $longest;
IO::AIO::max_outstanding 0;
close $w;
waitpid $helper, 0;
release $gate;
drain;
print "$late late, ", $delivered == 1 ? "nothing lost" : "delivered $delivered";
PROGRAM
}

# The same with certainty: a library that is loaded before all others sends the
# signal at the start of the very system call that waits. An engine that looked
# for signals before and did not block them from then on waits for ever.
SKIP: {
   require Config;
   my $cc = $Config::Config{cc};
   my $source = spew (scratch . "/raise.c", <<'SOURCE');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>
#include <sys/syscall.h>
static void now (void)
{
  const char *armed = getenv ("RAISE");
  if (armed && *armed == '1' && syscall (SYS_gettid) == getpid ())
    {
      int error = errno;
      setenv ("RAISE", "0", 1);
      kill (getpid (), SIGUSR1);
      errno = error;
    }
}
#define NEXT(name) __typeof__ (&name) next = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name)
int poll (struct pollfd *f, nfds_t n, int t) { NEXT (poll); if (t) now (); return next (f, n, t); }
int ppoll (struct pollfd *f, nfds_t n, const struct timespec *t, const sigset_t *m)
{ NEXT (ppoll); if (!t || t->tv_sec || t->tv_nsec) now (); return next (f, n, t, m); }
int select (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t)
{ NEXT (select); if (!t || t->tv_sec || t->tv_usec) now (); return next (n, r, w, e, t); }
int pselect (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *m)
{ NEXT (pselect); if (!t || t->tv_sec || t->tv_nsec) now (); return next (n, r, w, e, t, m); }
int epoll_pwait (int p, struct epoll_event *e, int n, int t, const sigset_t *m)
{ NEXT (epoll_pwait); if (t) now (); return next (p, e, n, t, m); }
SOURCE
   my $library = scratch . "/raise.so";
   system ("$cc -shared -fPIC -o '$library' '$source' -ldl 2>'$library.log'") == 0
      or skip "$cc makes no shared library here: " . slurp ("$library.log"), 5;

   my $program = <<'PROGRAM';
my ($wait) = @args;
my $perl_select = $wait eq "perl's select";
my $code = $perl_select ? sub { my $r = ""; vec ($r, IO::AIO::poll_fileno (), 1) = 1; select $r, undef, undef, undef } : IO::AIO->can ($wait);
my ($gate) = park 1;
IO::AIO::max_outstanding 1 if $wait eq "poll_cb";
$SIG{USR1} = sub { die "usr1\n" };
my ($ended, $raised, $rounds) = (0, 0, 50);
for (1 .. $rounds) {
   my $start;
   eval {
      # Only for the case that nothing else ends the wait.
      local $SIG{ALRM} = sub { die "late\n" };
      Time::HiRes::ualarm ($perl_select ? 10_000 : 900_000);
      $start = now;
      $ENV{RAISE} = "1";
      $code->() while 1;
   };
   Time::HiRes::ualarm (0);
   # What the library set; %ENV does not follow.
   $raised++ if `printenv RAISE` eq "0\n";
   $ended++ if now () - $start < ($perl_select ? 0.01 : 0.5);
}
print "$raised of $rounds raised, $ended ended";
PROGRAM
   local $ENV{LD_PRELOAD} = $library;
   for my $wait (qw(poll_wait poll flush poll_cb)) {
      shows "$wait is ended by a signal at the start of its system call", "50 of 50 raised, 50 ended", $program, $wait;
   }
   # Perl's own select has that gap, which shows that the library finds it.
   shows "a wait that does not block signals first is not", "50 of 50 raised, 0 ended", $program, "perl's select";
}

# Handlers that return: the wait goes on, and is not ended by them.
for my $wait (qw(poll_wait poll flush)) {
   shows "$wait lets handlers run while it waits", "handled in time, result 1", <<'PROGRAM', $wait;
my $wait = IO::AIO->can ($args[0]);
my ($w, $helper) = helper (USR1 => $$);
my ($seen, $slow, $longest, $delivered, $last) = (0, 0, 0, 0);
my $signals = 300 * $stress;
my ($gate) = park 1, sub { $delivered++ };
my $sent;
$SIG{USR1} = sub {
   my $time = now () - $sent;
   $longest = $time if $time > $longest;
   $slow++ if $time > 0.5 * patience () / 20;
   if (++$seen == $signals) { release $gate }
   else { $sent = now; send_in ($w, int rand 300) }
};
$sent = now;
send_in ($w, 0);
$wait->();
IO::AIO::poll_cb;
printf "# %d signals, longest %.4f s\n", $seen, $longest;
close $w;
waitpid $helper, 0;
print $seen == $signals && !$slow ? "handled in time" : "$slow of $seen slow", ", result $delivered";
PROGRAM
}

# ---- handlers that die, in a stream of requests ----------------------------

shows "exceptions of handlers in a stream of requests", "each delivered once", <<'PROGRAM';
my ($w, $helper) = helper (USR1 => $$);
my ($died, $inside, %called) = (0, 0);
my $end = 400 * $stress;
my $n = 0;
my $safe = 0;
my $pending = 0;
# In a callback the exception would be that of the callback, even before the
# first statement of it; this is about all other moments.
sub handler {
   $pending = 0;
   return if $safe;
   for (my $i = 1; my $sub = (caller $i)[3]; $i++) { return if $sub eq "main::__ANON__" }
   die "usr1\n";
}
$SIG{USR1} = \&handler;
while ($died < $end) {
   my $left = 0;
   $safe = 1;
   for (1 .. 20) {
      my $id = ++$n;
      aio_stat "/", sub { $called{$id}++ };
   }
   send_in ($w, int rand 400) if !$pending++;
   eval {
      $safe = 0;
      IO::AIO::poll while IO::AIO::nreqs () > 30;
      $safe = 1;
   } or $died += $@ eq "usr1\n" ? 1 : die $@;
   $safe = 1;
}
close $w;
waitpid $helper, 0;
drain;
my $bad = grep +($called{$_} || 0) != 1, 1 .. $n;
print "# $n requests, $died exceptions\n";
print $bad ? "$bad of $n wrong" : "each delivered once";
PROGRAM

# ---- handlers that perl runs at once ----------------------------------------

# Such a handler may die only while a poll waits. An owner that waits for a batch
# has asked not to be told of a single result; where it has gone, it has to be.
# Now and then the handler strikes between two sleeps, where it does harm.
shows "a wait that such a handler ends leaves the descriptor telling", "told", <<'PROGRAM';
my $told = 0;
for (1 .. 20) {
   # It may strike before the wait, or after it, which ends the child.
   for (1 .. 50) {
      my $pid = fork // die "fork: $!";
      if (!$pid) {
         open STDERR, ">", "/dev/null";
         pipe my $r, my $w or die;
         my @data = ("") x 60;
         aio_read $r, undef, 1, $_, 0 for @data;
         my $action = POSIX::SigAction->new (sub { die "at once\n" });
         $action->safe (0);
         POSIX::sigaction (POSIX::SIGALRM (), $action) or die;
         eval { Time::HiRes::ualarm (300 + int rand 2500); IO::AIO::flush };
         $@ eq "at once\n" or POSIX::_exit (2);
         syswrite $w, "x";
         POSIX::_exit (readable (patience / 20) ? 0 : 1);
      }
      waitpid $pid, 0;
      last if $? == 0 || $? == 1 << 8;
   }
   $told += $? == 0;
}
print "# told in $told of 20\n", $told > 10 ? "told" : "quiet";
PROGRAM

# ---- workers never run one -------------------------------------------------

shows "signals to the process are run by perl's thread and disturb no request", "2000 read, handler in the main thread only", <<'PROGRAM';
# SYS_gettid is not known to perl; /proc/thread-self is.
my %thread;
my $seen = 0;
my $thread = readlink "/proc/thread-self" // "one";
$SIG{$_} = sub { $thread{readlink "/proc/thread-self" // "one"}++; $seen++ } for qw(USR1 USR2 HUP TERM INT WINCH);
my @helper = map { my ($w, $pid) = helper ($_ => $$); [$w, $pid] } qw(USR1 USR2 HUP TERM INT WINCH);
my $read = 0;
pipe my $r, my $w or die;
for my $round (1 .. 200) {
   send_in ($_->[0], int rand 200) for @helper;
   my @buffer = ("") x 10;
   aio_read $r, undef, 1, $buffer[$_], 0, sub { $read++ if $_[0] == 1 } for 0 .. 9;
   syswrite $w, "x" for 1 .. 10;
   drain;
}
close $_->[0] for @helper;
waitpid $_->[1], 0 for @helper;
print "# $seen handled\n";
print "$read read, handler in ", join (",", keys %thread) eq $thread ? "the main thread only" : "other threads: " . join ",", sort keys %thread;
PROGRAM

shows "job control: stopped and continued while polling", "50 of 50", <<'PROGRAM';
my $pid = $$;
my $helper = fork // die "fork: $!";
if (!$helper) {
   for (1 .. 20 * $stress) {
      kill STOP => $pid;
      select undef, undef, undef, rand 0.003;
      kill CONT => $pid;
      select undef, undef, undef, rand 0.003;
   }
   POSIX::_exit (0);
}
my $n = 0;
until (waitpid ($helper, POSIX::WNOHANG ())) {
   $n = 0;
   IO::AIO::aio_busy 0.0002, sub { $n++ } for 1 .. 50;
   IO::AIO::flush;
   last if $n != 50;
}
print "$n of 50";
PROGRAM

done_testing;
