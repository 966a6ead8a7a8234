# aio_write of 4 KiB blocks over a file whose blocks exist and are cached. What
# is written depends on the place alone, so the file's end state can be compared.
use strict;
use warnings;
use Fcntl;
use IO::AIO;
use AIOBench;

my ($n, $depth, $length, $span) = (setting "n", setting "depth", 4096, 16 << 20);
my $path = setting ("scratch") . "/written";
open my $fh, "+>", $path or die "$path: $!\n";
syswrite $fh, "\0" x $span or die "$path: $!\n";

my @data  = map chr (33 + $_) x $length, 0 .. 63;
my @block = blocks $n, $span / $length;
my ($done, $next) = (0, 0);

my $count = sub { $done += $_[0] };
my $chain;
$chain = sub {
   $done += $_[0];
   if ($next < $n) {
      my $block = $block[$next++];
      aio_write $fh, $block * $length, $length, $data[$block & 63], 0, $chain;
   }
};

timed {
   if ($depth == 1) {
      for (@block) {
         aio_write $fh, $_ * $length, $length, $data[$_ & 63], 0, $count;
         IO::AIO::flush;
      }
   } elsif ($depth) {
      for (1 .. $depth) {
         my $block = $block[$next++];
         aio_write $fh, $block * $length, $length, $data[$block & 63], 0, $chain;
      }
      IO::AIO::flush;
   } else {
      aio_write $fh, $_ * $length, $length, $data[$_ & 63], 0, $count for @block;
      IO::AIO::flush;
   }
};

sysseek $fh, 0, 0;
sysread $fh, my ($end), $span;
unlink $path;
report ops => $n, bytes => $done, check => "$done/" . unpack "%32N*", $end;
