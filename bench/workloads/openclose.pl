# aio_open of an existing file, then aio_close of the handle. An operation is
# such a pair. depth=0 queues as many opens as there may be descriptors (at most
# 20,000), flushes, and begins anew.
use strict;
use warnings;
use Fcntl;
use IO::AIO;
use AIOBench;

my ($n, $depth) = (setting "n", setting "depth");
my @path = file_paths setting "files", $n;
my ($done, $next) = (0, 0);

IO::AIO::min_fdlimit 20_100;
my $wave = IO::AIO::get_fdlimit - 100;
$wave = 20_000 if $wave > 20_000;

my $closed = sub { $_[0] or ++$done };
my $opened = sub { aio_close $_[0], $closed if $_[0] };
my ($chain_closed, $chain_opened);
$chain_closed = sub {
   $_[0] or ++$done;
   aio_open $path[$next++], O_RDONLY, 0, $chain_opened if $next < $n;
};
$chain_opened = sub { aio_close $_[0], $chain_closed if $_[0] };

timed {
   if ($depth == 1) {
      for (@path) {
         aio_open $_, O_RDONLY, 0, $opened;
         IO::AIO::flush;
      }
   } elsif ($depth) {
      aio_open $path[$next++], O_RDONLY, 0, $chain_opened for 1 .. $depth;
      IO::AIO::flush;
   } else {
      while ($next < $n) {
         my $last = $next + $wave < $n ? $next + $wave : $n;
         aio_open $path[$next++], O_RDONLY, 0, $opened while $next < $last;
         IO::AIO::flush;
      }
   }
};

report ops => $n, check => $done;
