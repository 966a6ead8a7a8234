# O_DIRECT reads of 4 KiB in random order, 64 in flight, past the page cache.
# Such reads need aligned memory: the buffers are mapped pages. Each has a page
# more than is read, as IO::AIO 4.80 writes a byte behind the data.
# threads=0 leaves the number of workers at its default.
use strict;
use warnings;
use Fcntl;
use IO::AIO;
use AIOBench;

my ($n, $threads, $length) = (setting "n", setting "threads", 4096);
my $path = setting "data";
sysopen my $fh, $path, O_RDONLY | IO::AIO::O_DIRECT or die "$path, O_DIRECT: $!\n";
my @offset = map $_ * $length, blocks $n, (-s $fh) / $length;
my ($done, $sum, $next) = (0, 0, 0);

IO::AIO::min_parallel $threads if $threads;

my @buffer = (undef) x 64;
my @chain;
for my $slot (0 .. $#buffer) {
   IO::AIO::mmap $buffer[$slot], 2 * $length, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE,
      IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS
      or die "mmap: $!\n";
   my $buffer = \$buffer[$slot];
   $chain[$slot] = sub {
      $_[0] == $length or die "O_DIRECT read: $!\n";
      $done += $_[0];
      $sum  += vec $$buffer, 0, 32;
      aio_read $fh, $offset[$next++], $length, $$buffer, 0, $chain[$slot] if $next < $n;
   };
}

timed {
   aio_read $fh, $offset[$next++], $length, $buffer[$_], 0, $chain[$_] for 0 .. $#buffer;
   IO::AIO::flush;
};

report ops => $n, bytes => $done, check => "$done/$sum";
