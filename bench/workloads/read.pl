# aio_read of blocks in random order from a cached file. Each block begins with
# its number; the numbers read are summed up. depth=0 queues `wave` reads, each
# with a buffer of its own, flushes, and begins anew.
use strict;
use warnings;
use Fcntl;
use IO::AIO;
use AIOBench;

my ($n, $depth, $length) = (setting "n", setting "depth", setting "length");
open my $fh, "<", setting "data" or die setting ("data") . ": $!\n";
my @offset = map $_ * $length, blocks $n, (setting "span") / $length;
my ($done, $sum, $next) = (0, 0, 0);

# The whole span is read once, so that all of it is cached.
my $span = setting "span";
sysread $fh, my ($warm), 1 << 20 or last while ($span -= 1 << 20) >= 0;

# Buffers exist, at full size, before the clock starts.
my @buffer = map "\0" x $length, 1 .. ($depth || setting "wave");

my @chain;
for my $slot (0 .. ($depth > 1 ? $depth : 0) - 1) {
   my $buffer = \$buffer[$slot];
   $chain[$slot] = sub {
      $done += $_[0];
      $sum  += vec $$buffer, 0, 32;
      aio_read $fh, $offset[$next++], $length, $$buffer, 0, $chain[$slot] if $next < $n;
   };
}

timed {
   if ($depth == 1) {
      my $buffer = \$buffer[0];
      my $count = sub {
         $done += $_[0];
         $sum  += vec $$buffer, 0, 32;
      };
      for (@offset) {
         aio_read $fh, $_, $length, $$buffer, 0, $count;
         IO::AIO::flush;
      }
   } elsif ($depth) {
      aio_read $fh, $offset[$next++], $length, $buffer[$_], 0, $chain[$_] for 0 .. $depth - 1;
      IO::AIO::flush;
   } else {
      my $count = sub { $done += $_[0] };
      while ($next < $n) {
         my $wave = $n - $next < @buffer ? $n - $next : @buffer;
         aio_read $fh, $offset[$next++], $length, $buffer[$_], 0, $count for 0 .. $wave - 1;
         IO::AIO::flush;
         $sum += vec $buffer[$_], 0, 32 for 0 .. $wave - 1;
      }
   }
};

report ops => $n, bytes => $done, check => "$done/$sum";
