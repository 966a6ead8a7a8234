# One large directory is read again and again, with names and types.
# sorted=1 asks for directories first and the order best for stat.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $path) = (setting "n", setting "directory");
my $flags = IO::AIO::READDIR_DENTS;
$flags |= IO::AIO::READDIR_DIRS_FIRST | IO::AIO::READDIR_STAT_ORDER if setting "sorted";
my ($entries, $length, $types) = (0, 0, 0);
my $dents;

timed {
   for (1 .. $n) {
      aio_readdirx $path, $flags, sub { $dents = $_[0] };
      IO::AIO::flush;
      $entries += @$dents;
   }
};

$length += length $_->[0], $types += $_->[1] for @$dents;
report ops => $entries, check => "$entries/$length/$types";
