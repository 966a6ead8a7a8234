# aio_rmtree of a tree that bench/run has made for this run.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($n, $tree) = (setting "n", setting ("scratch") . "/rmtree");
my $status = -1;
-e sprintf "%s/d%03d/f%03d", $tree, ($n - 1) / 100, ($n - 1) % 100
   or die "$tree: not a tree of $n files\n";

timed {
   aio_rmtree $tree, sub { $status = $_[0] };
   IO::AIO::flush;
};

report ops => $n, check => $status . (-e $tree ? "/left" : "/gone");
