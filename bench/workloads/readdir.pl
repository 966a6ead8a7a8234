# One large directory is read again and again.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $path) = (setting "n", setting "directory");
my ($entries, $length) = (0, 0);
my $names;

timed {
   for (1 .. $n) {
      aio_readdir $path, sub { $names = $_[0] };
      IO::AIO::flush;
      $entries += @$names;
   }
};

$length += length for @$names;
report ops => $entries, check => "$entries/$length";
