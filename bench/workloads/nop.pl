# Requests that do nothing: the price of the machinery alone.
# depth=1: one at a time, each flushed; depth=0: all queued, then flushed.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $depth) = (setting "n", setting "depth");
my ($done, $left) = (0, $n);

my $count = sub { ++$done };
my $chain;
$chain = sub {
   ++$done;
   aio_nop $chain if $left-- > 0;
};

timed {
   if ($depth == 1) {
      for (1 .. $n) {
         aio_nop $count;
         IO::AIO::flush;
      }
   } elsif ($depth) {
      $left -= $depth;
      aio_nop $chain for 1 .. $depth;
      IO::AIO::flush;
   } else {
      aio_nop $count for 1 .. $n;
      IO::AIO::flush;
   }
};

report ops => $n, check => $done;
