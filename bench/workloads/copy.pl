# aio_copy of one large file. Blocks begin with their number: a sample of them
# is read back from the copy.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($source, $copy) = (setting "data", setting ("scratch") . "/copy");
my $status = -1;

timed {
   aio_copy $source, $copy, sub { $status = $_[0] };
   IO::AIO::flush;
};

my ($size, $sum) = (-s $copy, 0);
open my $fh, "<", $copy or die "$copy: $!\n";
for my $block (blocks 1000, $size / 4096) {
   sysseek $fh, $block * 4096, 0;
   sysread $fh, my ($number), 4;
   $sum += unpack "N", $number;
}

unlink $copy;
report ops => 1, bytes => $size, check => "$status/$size/$sum";
