# What the process uses while it sleeps after work.
use strict;
use warnings;
use Time::HiRes qw(sleep);
use IO::AIO;
use AIOBench;

my ($n, $seconds, $done) = (setting "n", setting "seconds", 0);

# Voluntary context switches of all threads: each is one wake-up.
sub switches {
   my $sum = 0;
   for my $status (glob "/proc/self/task/*/status") {
      open my $fh, "<", $status or next;
      /^voluntary_ctxt_switches:\s+(\d+)/ and $sum += $1 while <$fh>;
   }
   return $sum;
}

aio_stat "/", sub { $_[0] or ++$done } for 1 .. $n;
IO::AIO::flush;
sleep 0.05;

my $wakeups = switches;
timed { sleep $seconds };

report ops => $seconds, wakeups => switches () - $wakeups, check => $done;
