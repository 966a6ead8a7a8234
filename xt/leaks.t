# Descriptors, memory and scalars stay constant over 100,000 requests of each
# kind: with a callback, without one, cancelled before they run, and cancelled at
# any moment of their life.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew open_fds drain park release executing patience);
use Fcntl;
use IO::AIO;
use POSIX ();
use Test::More;
use Time::HiRes "time";
use Trust qw(seed stress figure);

seed;
-r "/proc/self/statm" or plan skip_all => "there is no /proc/self/statm to take the memory in use from";
eval { require Test::LeakTrace; 1 } or plan skip_all => "Test::LeakTrace is not installed; on Debian it is in libtest-leaktrace-perl";

my $dir = scratch;
my $file = spew "$dir/file", "0123456789" x 100;
mkdir "$dir/sub"; spew "$dir/sub/$_", "x" for 1 .. 5;
symlink "file", "$dir/link";
spew "$dir/empty", "";
my $wd; aio_wd $dir, sub { $wd = $_[0] }; drain;
open my $fh, "+<", $file or die;
open my $null, "+<", "/dev/null" or die;
pipe my $pipe_r, my $pipe_w or die;

# The kinds.
my %call = (
   nop      => sub { aio_nop $_[0] },
   busy     => sub { IO::AIO::aio_busy 0, $_[0] },
   group    => sub { aio_group $_[0] },
   "group of two" => sub { my $g = aio_group $_[0]; add $g aio_nop; add $g aio_nop; result $g 1, 2; $g },
   "fed group" => sub { my $g = aio_group $_[0]; my $n = 0; limit $g 2; feed $g sub { add { $_[0] } aio_nop if $n++ < 2 }; $g },
   open     => sub { aio_open $file, O_RDONLY, 0, $_[0] },
   "open, failing" => sub { aio_open "$dir/none", O_RDONLY, 0, $_[0] },
   close    => sub { open my $h, "<", $file or die; aio_close $h, $_[0] },
   wd       => sub { aio_wd [$wd, "sub"], $_[0] },
   stat     => sub { aio_stat [$wd, "file"], $_[0] },
   lstat    => sub { aio_lstat $fh, $_[0] },
   statvfs  => sub { aio_statvfs $file, $_[0] },
   utime    => sub { aio_utime $file, 1, 1, $_[0] },
   chown    => sub { aio_chown $file, -1, -1, $_[0] },
   chmod    => sub { aio_chmod $fh, 0644, $_[0] },
   truncate => sub { aio_truncate $file, 1000, $_[0] },
   unlink   => sub { aio_unlink "$dir/none", $_[0] },
   rmdir    => sub { aio_rmdir [$wd, "none"], $_[0] },
   mkdir    => sub { aio_mkdir $dir, 0755, $_[0] },
   mknod    => sub { aio_mknod $file, 0600, 0, $_[0] },
   readlink => sub { aio_readlink "$dir/link", $_[0] },
   realpath => sub { aio_realpath [$wd, "link"], $_[0] },
   readdir  => sub { aio_readdir "$dir/sub", $_[0] },
   readdirx => sub { aio_readdirx "$dir/sub", 7, $_[0] },
   link     => sub { aio_link [$wd, "none"], [$wd, "x"], $_[0] },
   symlink  => sub { aio_symlink "x", $file, $_[0] },
   rename   => sub { aio_rename $file, $file, $_[0] },
   rename2  => sub { aio_rename2 $file, $file, 0, $_[0] },
   seek     => sub { aio_seek $fh, 0, 0, $_[0] },
   fcntl    => sub { my $b = "x" x 50; aio_fcntl $fh, 99999, $b, $_[0] },
   ioctl    => sub { my $b = "x" x 50; aio_ioctl $fh, 99999, $b, $_[0] },
   read     => sub { my $d = "old"; aio_read $fh, 0, 100, $d, 0, $_[0] },
   "read, failing" => sub { my $d = "old"; aio_read $pipe_w, 0, 100, $d, 0, $_[0] },
   write    => sub { my $d = "0123456789"; aio_write $null, undef, 10, $d, 0, $_[0] },
   "write of a temporary" => sub { aio_write $null, undef, undef, "x" . $$, 0, $_[0] },
   slurp    => sub { my $d; aio_slurp $file, 0, 0, $d, $_[0] },
   "slurp, failing" => sub { my $d; aio_slurp $dir, 0, 0, $d, $_[0] },
   sendfile => sub { aio_sendfile $null, $fh, 0, 10, $_[0] },
   readahead => sub { aio_readahead $fh, 0, 100, $_[0] },
   allocate => sub { aio_allocate $fh, 0, 0, 1000, $_[0] },
   fiemap   => sub { aio_fiemap $fh, 0, undef, 0, undef, $_[0] },
   fsync    => sub { aio_fsync $pipe_r, $_[0] },
   fdatasync => sub { aio_fdatasync $pipe_r, $_[0] },
   syncfs   => sub { aio_syncfs $pipe_r, $_[0] },
   sync_file_range => sub { aio_sync_file_range $fh, 0, 0, 0, $_[0] },
   pathsync => sub { aio_pathsync "/dev/null", $_[0] },
   msync    => sub { my $d = "x" x 100; aio_msync $d, 0, undef, 1, $_[0] },
   mtouch   => sub { my $d = "x" x 100; aio_mtouch $d, 0, undef, 0, $_[0] },
   mlock    => sub { aio_mlock $dir, 0, undef, $_[0] },
   mlockall => sub { aio_mlockall 0, $_[0] },
   scandir  => sub { aio_scandir $dir, 0, $_[0] },
   "scandir, failing" => sub { aio_scandir $file, 0, $_[0] },
   load     => sub { my $d; aio_load $file, $d, $_[0] },
   "load, failing" => sub { my $d; aio_load $dir, $d, $_[0] },
   copy     => sub { aio_copy "$dir/empty", "$dir/copy", $_[0] },
   "copy, failing" => sub { aio_copy $file, "$dir/sub", $_[0] },
   move     => sub { aio_move [$wd, "file"], [$wd, "file"], $_[0] },
   rmtree   => sub { mkdir "$dir/tree"; aio_rmtree "$dir/tree", $_[0] },
   "a refused path" => sub { eval { aio_stat [1, 2, 3], $_[0] }; undef },
   "a refused handle" => sub { eval { aio_fsync "none", $_[0] }; undef },
   "a refused callback" => sub { eval { aio_stat $file, "none" }; undef },
   "refused data" => sub { my $d = "\x{263a}"; eval { aio_write $fh, 0, undef, $d, 0, $_[0] }; undef },
);

# Every name has its line above.
{
   my %tried = map +((/^(\S+?)(?:,|\z)/ ? $1 : "") => 1), keys %call;
   my @request = map /^aio_(\w+)/, do { no strict "refs"; @IO::AIO::AIO_REQ };
   cmp_ok scalar @request, ">", 40, "there is a list of the requests";
   is_deeply [grep !$tried{$_} && $_ ne "sync", @request], [], "every request is tried (aio_sync, of all disks, is not)";
}

sub rss { open my $fh, "<", "/proc/self/statm" or die $!; (split " ", <$fh>)[1] * POSIX::sysconf (POSIX::_SC_PAGESIZE ()) / 1024 }

my $callback = sub { };

# Polls, and lets no more than 500 requests pile up, for these would be memory, too.
sub keep_up { $_[0] % 500 ? IO::AIO::poll_cb : drain }

my %way = (
   "with a callback"    => sub { my ($call, $n) = @_; for (1 .. $n) { $call->($callback); $_ % 50 or keep_up $_ } },
   "without"            => sub { my ($call, $n) = @_; for (1 .. $n) { $call->(undef); $_ % 50 or keep_up $_ } },
   "cancelled before"   => sub {
      my ($call, $n) = @_;
      for (1 .. $n / 50) {
         IO::AIO::max_parallel 0;
         $_ && $_->cancel for map scalar $call->($callback), 1 .. 50;
         IO::AIO::min_parallel 4;
         drain;
      }
   },
   "cancelled any time" => sub {
      my ($call, $n) = @_;
      for (1 .. $n / 50) {
         my @req = map scalar $call->($callback), 1 .. 50;
         IO::AIO::poll_cb if rand () < 0.5;
         # some run, some are done, some wait
         select undef, undef, undef, rand () * 1e-4 if rand () < 0.2;
         $_ && $_->cancel for @req;
         keep_up 50 * $_;
      }
   },
);

# So many of each kind, over all the ways.
my $each = 100_000 * stress;
my ($requests, @bad) = (0);
my $start = time;
alarm 600 * stress;

for my $name (sort keys %call) {
   my $call = $call{$name};
   my $n = int $each / keys %way;
   # aio_close keeps a descriptor for all its calls
   $way{"with a callback"}->($call, 100);
   for my $way (sort keys %way) {
      my $round = sub { $way{$way}->($call, $_[0]); drain; drain; IO::AIO::poll_cb };
      $round->(100);
      my $fds = open_fds;
      # Tables and the allocator's arenas grow once, with the deepest burst so far. A leak grows
      # every time: it is one if it does so four times by 8 octets for each request.
      my $more;
      for (1 .. 4) {
         my $rss = rss;
         $round->($n);
         $requests += $n;
         $more = rss () - $rss;
         last if $more <= 64 || $more <= $n * 8 / 1024;
      }
      push @bad, "$name, $way: $more KiB more after $n requests" if $more > 64 && $more > $n * 8 / 1024;
      $fds = open_fds () - $fds;
      push @bad, "$name, $way: $fds descriptors more" if $fds;
   }
}
is_deeply \@bad, [], "descriptors and memory stay as they are";

# Scalars, one by one: any that is left is told with its line.
my @left;
for my $name (sort keys %call) {
   my $call = $call{$name};
   for my $way (sort keys %way) {
      my $n;
      # what is made once is made in the first
      for (1 .. 2) {
         $n = Test::LeakTrace::leaked_count (sub { $way{$way}->($call, 50); drain; drain });
      }
      push @left, "$name, $way: $n scalars left of 50 requests" if $n > 2;
   }
}
is_deeply \@left, [], "no request leaves a scalar";
figure sprintf "leaks: %d requests of %d kinds, each in %d ways, and 50 of each with every scalar traced, in %.0f s",
   $requests, scalar keys %call, scalar keys %way, time - $start;

# ---- cancelled after it opened ---------------------------------------------------

# The request is parked in open(2) of a fifo, cancelled there, and let go: it
# opens, and nobody wants the descriptor.
{
   POSIX::mkfifo ("$dir/fifo", 0600) or die $!;
   my $fds = open_fds;
   for (1 .. 20) {
      my $called = 0;
      my $before = IO::AIO::nreqs;
      my $req = aio_open "$dir/fifo", O_RDONLY, 0, sub { $called++ };
      executing 1;
      $req->cancel;
      sysopen my $w, "$dir/fifo", O_WRONLY or die $!;     # waits for the reader, so it has opened
      drain;
      $called and push @bad, "called back";
   }
   drain;
   is open_fds, $fds, "an open that was cancelled while it opened closes its descriptor";

   # ... and when it is done, but not delivered
   for (1 .. 20) {
      my $req = aio_open $file, O_RDONLY, 0, sub { push @bad, "called back" };
      my $dir_req = aio_wd $dir, sub { push @bad, "called back" };
      AIOTest::pending 2;
      $_->cancel for $req, $dir_req;
      drain;
   }
   drain;
   is open_fds, $fds, "so do an open and a directory object that were cancelled when they were done";
   is_deeply [grep $_ eq "called back", @bad], [], "... and nothing is called back";
}

done_testing;
