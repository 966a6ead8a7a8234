# Contract: requests keep nothing when they are done: no descriptor, no callback,
# no handle, no data, no result. Hundreds of each kind: with a callback, without
# one, cancelled before and cancelled while they run.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use B ();
use IO::AIO;
use Scalar::Util qw(weaken);

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789" x 100;
mkdir "$dir/sub"; spew "$dir/sub/f$_" for 1 .. 5; symlink "file", "$dir/link"; spew "$dir/empty";
my $wd = (run { aio_wd $dir, $_[0] })->{args}[0];
open my $fh, "+<", $file or die;
pipe my $pipe_r, my $pipe_w or die;
# aio_close may keep a descriptor for all its calls
{ open my $first, "<", $file or die; run { aio_close $first, $_[0] } }
my $io = B::svref_2object (*$fh{IO})->REFCNT;

# Values that are gone when their last reference is: watched ones must go.
my (@watched, $released, $made);
sub watch { weaken ($watched[@watched] = $_[0]); $_[0] }

# name, requests at a time (100 unless told), the call
my @calls = (
   [aio_nop      => 100, sub { aio_nop $_[0] }],
   [aio_busy     => 100, sub { IO::AIO::aio_busy 0, $_[0] }],
   [aio_group    => 100, sub { aio_group $_[0] }],
   [aio_open     => 100, sub { aio_open $file, 0, 0, $_[0] }],
   ["aio_open, failing" => 100, sub { aio_open "$dir/none", 0, 0, $_[0] }],
   [aio_close    => 100, sub { open my $h, "<", $file or die; aio_close $h, $_[0] }],
   [aio_wd       => 100, sub { aio_wd [$wd, "sub"], $_[0] }],
   [aio_stat     => 100, sub { aio_stat [$wd, "file"], $_[0] }],
   [aio_lstat    => 100, sub { aio_lstat $fh, $_[0] }],
   [aio_statvfs  => 100, sub { aio_statvfs $file, $_[0] }],
   [aio_utime    => 100, sub { aio_utime $file, 1, 1, $_[0] }],
   [aio_chown    => 100, sub { aio_chown $file, -1, -1, $_[0] }],
   [aio_chmod    => 100, sub { aio_chmod $fh, 0644, $_[0] }],
   [aio_truncate => 100, sub { aio_truncate $file, 1000, $_[0] }],
   [aio_unlink   => 100, sub { aio_unlink "$dir/none", $_[0] }],
   [aio_rmdir    => 100, sub { aio_rmdir [$wd, "none"], $_[0] }],
   [aio_mkdir    => 100, sub { aio_mkdir $dir, 0755, $_[0] }],
   [aio_mknod    => 100, sub { aio_mknod $file, 0600, 0, $_[0] }],
   [aio_readlink => 100, sub { aio_readlink "$dir/link", $_[0] }],
   [aio_realpath => 100, sub { aio_realpath [$wd, "link"], $_[0] }],
   [aio_readdir  => 100, sub { aio_readdir "$dir/sub", $_[0] }],
   [aio_readdirx => 100, sub { aio_readdirx "$dir/sub", 7, $_[0] }],
   [aio_link     => 100, sub { aio_link [$wd, "none"], [$wd, "x"], $_[0] }],
   [aio_symlink  => 100, sub { aio_symlink "x", $file, $_[0] }],
   [aio_rename   => 100, sub { aio_rename $file, $file, $_[0] }],
   [aio_rename2  => 100, sub { aio_rename2 $file, $file, 0, $_[0] }],
   [aio_seek     => 100, sub { aio_seek $fh, 0, 0, $_[0] }],
   [aio_fcntl    => 100, sub { my $b = "x" x 50; aio_fcntl $fh, 99999, $b, $_[0] }],
   [aio_ioctl    => 100, sub { my $b = "x" x 50; aio_ioctl $fh, 99999, $b, $_[0] }],
   [aio_read     => 100, sub { my $d = "old"; aio_read $fh, 0, 100, ${ watch \$d }, 0, $_[0] }],
   [aio_write    => 100, sub { my $d = "0123456789"; aio_write $fh, 0, 10, ${ watch \$d }, 0, $_[0] }],
   [aio_slurp    => 100, sub { my $d; aio_slurp $file, 0, 0, ${ watch \$d }, $_[0] }],
   ["aio_slurp, failing" => 100, sub { my $d; aio_slurp $dir, 0, 0, ${ watch \$d }, $_[0] }],
   ["aio_slurp, beyond the end" => 100, sub { my $d; aio_slurp $file, 1e6, 0, ${ watch \$d }, $_[0] }],
   [aio_sendfile => 100, sub { aio_sendfile $fh, $fh, 0, 0, $_[0] }],
   [aio_readahead => 100, sub { aio_readahead $fh, 0, 100, $_[0] }],
   [aio_allocate => 100, sub { aio_allocate $fh, 0, 0, 1000, $_[0] }],
   [aio_fiemap   => 100, sub { aio_fiemap $fh, 0, undef, 0, undef, $_[0] }],
   # of what needs no disk, which may be slow
   [aio_fsync    => 100, sub { aio_fsync $pipe_r, $_[0] }],
   [aio_fdatasync => 100, sub { aio_fdatasync $pipe_r, $_[0] }],
   [aio_syncfs   => 100, sub { aio_syncfs $pipe_r, $_[0] }],
   [aio_sync_file_range => 100, sub { aio_sync_file_range $fh, 0, 0, 0, $_[0] }],
   [aio_pathsync => 100, sub { aio_pathsync "$dir/none", $_[0] }],
   ["aio_pathsync, failing" => 100, sub { aio_pathsync "/dev/null", $_[0] }],
   [aio_msync    => 100, sub { my $d = "x" x 100; aio_msync ${ watch \$d }, 0, undef, 1, $_[0] }],
   [aio_mtouch   => 100, sub { my $d = "x" x 100; aio_mtouch ${ watch \$d }, 0, undef, 0, $_[0] }],
   [aio_mlockall => 100, sub { aio_mlockall 0, $_[0] }],
   [aio_scandir  => 100, sub { aio_scandir $dir, 0, $_[0] }],
   ["aio_scandir, failing" => 100, sub { aio_scandir $file, 0, $_[0] }],
   [aio_load     => 100, sub { my $d; aio_load $file, ${ watch \$d }, $_[0] }],
   ["aio_load, failing" => 100, sub { my $d; aio_load $dir, ${ watch \$d }, $_[0] }],
   [aio_copy     => 30,  sub { aio_copy $file, "$dir/copy", $_[0] }],
   ["aio_copy, failing" => 100, sub { aio_copy $file, "$dir/sub", $_[0] }],
   [aio_move     => 30,  sub { aio_move [$wd, "file"], [$wd, "file"], $_[0] }],
   [aio_rmtree   => 30,  sub { my $t = "$dir/tree" . ++$made; mkdir $t; mkdir "$t/d"; spew "$t/d/f"; aio_rmtree $t, $_[0] }],
);

my %modes = (
   "with a callback"    => sub { my ($call, $cb) = @_; $call->($cb); () },
   "without a callback" => sub { my ($call, $cb) = @_; $call->(undef); () },
   "cancelled before"   => sub { my ($call, $cb) = @_; my $r = $call->($cb); $r->cancel; () },
   "cancelled later"    => sub { my ($call, $cb) = @_; my $r = $call->($cb); $r },
);

for my $mode (sort keys %modes) {
   my $submit = $modes{$mode};
   my @bad;

   for (@calls) {
      my ($name, $count, $call) = @$_;
      @watched = ();
      drain;
      my $fds = nfds;
      $released = 0;
      my @later;
      hold if $mode eq "cancelled before";

      for my $i (1 .. $count) {
         my $guard = guard $released;
         my $cb = sub {
            my $keep = $guard;
            # what is handed to the callback goes with it
            watch $_ for grep { ref } @_;
         };
         my @req = $submit->($call, $cb);
         watch $_ for @req;
         push @later, @req;
         if ($i % 10 == 0) {
            $_->cancel for splice @later;
            IO::AIO::poll_cb if $mode ne "cancelled before";
         }
      }

      @later = ();
      if ($mode eq "cancelled before") { release 4 }
      drain;
      # objects of directories are given up by requests of their own
      drain;

      push @bad, "$name: " . (nfds - $fds) . " descriptors left" if nfds != $fds;
      push @bad, "$name: $released of $count callbacks released" if $released != $count;
      my $alive = grep { defined } @watched;
      push @bad, "$name: $alive values left" if $alive;
   }

   is join ("\n", @bad), "", "$mode: all is released";
}

# what all of them used is not referenced more than before
is B::svref_2object ($wd)->REFCNT, 1, "the directory object has one reference";
is B::svref_2object (*$fh{IO})->REFCNT, $io, "the handle has as many as before";

done_testing;
