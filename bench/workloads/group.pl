# A group that a feeder keeps filled up to its limit with requests that do
# nothing.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $limit) = (setting "n", setting "limit");
my ($done, $left, $ended) = (0, $n, 0);
my $count = sub { ++$done };

timed {
   my $group = aio_group sub { ++$ended };
   limit $group $limit;
   feed $group sub {
      return if $left-- <= 0;
      add $group aio_nop $count;
   };
   IO::AIO::flush;
};

report ops => $n, check => "$done/$ended";
