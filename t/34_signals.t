# Signals: handlers run in perl only, and they run while a poll waits.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use Time::HiRes qw(ualarm time);
use IO::AIO;

# ---- requests are not disturbed --------------------------------------------

{
   my ($seen, $done) = (0, 0);
   local $SIG{USR1} = sub { $seen++ };
   my @gate = park 3, sub { $done++ if $_[0] == 1 };
   for (1 .. 20) {
      kill USR1 => $$;
      select undef, undef, undef, 0.001;
   }
   cmp_ok $seen, ">=", 1, "the handler runs in the program";
   is IO::AIO::npending, 0, "no blocked read was interrupted";
   release @gate;
   drain;
   is $done, 3, "each ended normally";
}

SKIP: {
   -d "/proc/self/task" or skip "no /proc/self/task to look at the workers", 2;
   my @gate = park 2;
   my ($workers, $open) = (0, 0);
   for my $task (glob "/proc/self/task/*") {
      next if $task =~ m{/$$\z};
      my $status = slurp ("$task/status");
      $workers++;
      my ($mask) = $status =~ /^SigBlk:\s*([0-9a-f]+)/mi or next;
      # Signals 32 and 33 belong to the C library; KILL and STOP are never blocked.
      for my $sig (1, 2, 3, 10, 12 .. 15, 17, 20 .. 31) {
         my $digit = hex substr $mask, -1 - int (($sig - 1) / 4), 1;
         $open++ unless $digit & 1 << ($sig - 1) % 4;
      }
   }
   cmp_ok $workers, ">=", 2, "there are worker threads";
   is $open, 0, "they block all signals";
   release @gate;
   drain;
}

{
   pipe my $r, my $w or die;
   close $r;
   my @result;
   local $SIG{PIPE} = "DEFAULT";
   aio_write $w, undef, 5, "hello", 0, sub { @result = ($_[0], $!{EPIPE} ? "EPIPE" : $! + 0) };
   drain;
   is "@result", "-1 EPIPE", "a broken pipe is an error and no signal";
}

# ---- handlers that die, submit and poll ------------------------------------

{
   my @log;
   local $SIG{USR2} = sub { die "signal\n" };
   aioreq_pri (1);
   aio_nop sub { push @log, "before"; kill USR2 => $$; select undef, undef, undef, 5; push @log, "after" };
   aio_nop sub { push @log, "next" };
   pending 2;
   is error_of { IO::AIO::poll_cb }, "signal\n", "a handler that dies in a callback: an exception of that callback";
   is "@log", "before", "which it ended";
   drain;
   is "@log", "before next", "the rest follows";
}

{
   my @log;
   local $SIG{USR1} = sub {
      aio_nop sub { push @log, "from the handler" };
      IO::AIO::flush;
   };
   aio_nop sub { kill USR1 => $$; select undef, undef, undef, 0.001 until @log; push @log, "callback" };
   drain;
   is "@log", "from the handler callback", "a handler may submit and poll";
}

# ---- while a poll waits ----------------------------------------------------

# The callback is parked, so only a handler that runs during the wait can
# open the gate: where none runs, the child hangs.
for my $wait (qw(poll_wait poll flush)) {
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      my ($ticks, $done) = (0, 0);
      my ($gate) = park 1, sub { $done++ };
      local $SIG{ALRM} = sub { release $gate if ++$ticks == 3 };
      ualarm 10_000, 10_000;
      IO::AIO->can ($wait)->();
      ualarm 0;
      print "waited for the result: ", $done + IO::AIO::npending, ", ", $ticks >= 3 ? "handlers ran" : "no handlers";
   };
   is "$status: $output", "exit 0: waited for the result: 1, handlers ran", "$wait lets handlers run and goes on waiting";
}

for my $wait (qw(poll_wait poll flush)) {
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      my $done = 0;
      my ($gate) = park 1, sub { $done++ };
      local $SIG{ALRM} = sub { die "timeout\n" };
      ualarm 20_000;
      print eval { IO::AIO->can ($wait)->(); 1 } ? "returns" : "dies: $@";
      print "outstanding: ", IO::AIO::nreqs, ", ";
      release $gate;
      drain;
      print "done: $done";
   };
   is "$status: $output", "exit 0: dies: timeout\noutstanding: 1, done: 1", "$wait is ended by a handler that dies, nothing is lost";
}

{
   # max_outstanding makes poll_cb wait, too.
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      IO::AIO::max_outstanding 1;
      my ($gate) = park 1;
      local $SIG{ALRM} = sub { die "timeout\n" };
      ualarm 20_000;
      print eval { IO::AIO::poll_cb; 1 } ? "returns" : "dies: $@";
   };
   is "$status: $output", "exit 0: dies: timeout\n", "poll_cb with max_outstanding is ended, too";
}

{
   # A signal that arrives right before the wait must not be late by the wait.
   # It is sent by another process, at a different moment in each round.
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      local $SIG{USR1} = sub { die "usr1\n" };
      my $parent = $$;
      my $missed = 0;
      for my $round (1 .. 40) {
         pipe my $r, my $w or die;
         my $pid = fork;
         if (!$pid) {
            sysread $r, my $go, 1;
            for (my $i = 0; $i < $round * 50; $i++) { }
            kill USR1 => $parent;
            POSIX::_exit (0);
         }
         my ($gate) = eval { park 1 } or die "not parked: $@";
         my $end = time;
         eval {
            syswrite $w, "x";
            IO::AIO::poll_wait;
            $missed++;
         };
         eval { waitpid $pid, 0; 1 } or waitpid $pid, 0;
         release $gate;
         eval { drain; 1 } or drain;
      }
      print "missed: $missed";
   };
   is "$status: $output", "exit 0: missed: 0", "a signal just before the wait ends it";
}

{
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      my ($reaped, $done) = (0, 0);
      local $SIG{CHLD} = sub { $reaped++ while waitpid (-1, POSIX::WNOHANG ()) > 0 };
      for (1 .. 3) {
         my $pid = fork;
         POSIX::_exit (0) if !$pid;
      }
      IO::AIO::aio_busy 0.01, sub { $done++ } for 1 .. 10;
      IO::AIO::flush;
      until_true { $reaped == 3 } "children not reaped";
      print "$done done, $reaped reaped";
   };
   is "$status: $output", "exit 0: 10 done, 3 reaped", "children that end meanwhile";
}

done_testing;
