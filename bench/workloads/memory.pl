# Memory of a queued request: aio_stat requests are queued while no worker may
# run. They are executed afterwards, outside the figures, to see that all were there.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $path, $done) = (setting "n", setting "path", 0);
my $count = sub { $_[0] or ++$done };

# Whatever the first requests set up once is not counted.
aio_stat $path, $count for 1 .. 100;
IO::AIO::flush;
IO::AIO::max_parallel 0;

my $before = statm_bytes;
timed {
   aio_stat $path, $count for 1 .. $n;
};
my $bytes = (statm_bytes () - $before) / $n;

my $queued = IO::AIO::nready;
IO::AIO::min_parallel 8;
IO::AIO::flush;

report ops => $n, bytes_per_request => sprintf ("%.1f", $bytes), check => $done;
