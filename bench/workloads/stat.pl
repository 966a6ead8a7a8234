# aio_stat over real files, each path once. The sizes are summed up, so the
# stat cache is filled and read for each.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $depth) = (setting "n", setting "depth");
my @path = file_paths setting "files", $n;
my ($done, $size, $next) = (0, 0, 0);

my $count = sub {
   $_[0] or ++$done, $size += -s _;
};
my $chain;
$chain = sub {
   $_[0] or ++$done, $size += -s _;
   aio_stat $path[$next++], $chain if $next < $n;
};

timed {
   if ($depth == 1) {
      for (@path) {
         aio_stat $_, $count;
         IO::AIO::flush;
      }
   } elsif ($depth) {
      aio_stat $path[$next++], $chain for 1 .. $depth;
      IO::AIO::flush;
   } else {
      aio_stat $_, $count for @path;
      IO::AIO::flush;
   }
};

report ops => $n, check => "$done/$size";
