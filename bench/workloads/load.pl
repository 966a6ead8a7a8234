# aio_load of small files, 64 in flight.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $files) = (setting "n", setting "files");
my @path = map { sprintf "%s/d%03d/f%03d", setting ("small"), $_ / 100, $_ % 100 } 0 .. $files - 1;
my ($bytes, $sum, $next) = (0, 0, 0);

my @chain;
for my $slot (0 .. 63) {
   my $data;
   $chain[$slot] = sub {
      if (@_) {
         $bytes += $_[0];
         $sum   += vec $data, 0, 32;
      }
      aio_load $path[$next++ % $files], $data, $chain[$slot] if $next < $n;
   };
}

timed {
   $_->() for @chain;
   IO::AIO::flush;
};

report ops => $n, bytes => $bytes, check => "$bytes/$sum";
