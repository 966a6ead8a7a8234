# Contract: sync, fsync, fdatasync, syncfs, sync_file_range, pathsync.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF EINVAL ESPIPE ENOENT ENOTDIR ENOSYS ELOOP EROFS);
use Fcntl;
use IO::AIO;
use Socket;

my $dir = scratch;
my $file = spew "$dir/file", "0123456789";
symlink "file", "$dir/link"; symlink "loop", "$dir/loop"; mkdir "$dir/sub"; symlink "sub", "$dir/dirlink";
open my $fh, "+<", $file or die;
open my $ro, "<", $file or die;
open my $dirfh, "<", $dir or die;
open my $null, "+<", "/dev/null" or die;
pipe my $r, my $w or die;
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;

works { aio_sync $_[0] } "sync";

for (["fsync" => sub { aio_fsync $_[0], $_[1] }], ["fdatasync" => sub { aio_fdatasync $_[0], $_[1] }]) {
   my ($name, $call) = @$_;
   works { $call->($fh, $_[0]) } "$name";
   works { $call->($ro, $_[0]) } "$name of a read-only handle";
   works { $call->($dirfh, $_[0]) } "$name of a directory";
   fails { $call->($w, $_[0]) } EINVAL, "$name of a pipe: EINVAL";
   fails { $call->($s1, $_[0]) } EINVAL, "$name of a socket: EINVAL";
   fails { $call->($null, $_[0]) } EINVAL, "$name of a device: EINVAL";
   fails { $call->(999, $_[0]) } EBADF, "$name of a closed number: EBADF";
}

SKIP: {
   my $status = run { aio_syncfs $fh, $_[0] };
   is $status->{argc}, 1, "syncfs passes its status";
   skip "no syncfs here", 5 if $status->{errno} == ENOSYS && $status->{args}[0];
   is $status->{args}[0], 0, "syncfs";
   works { aio_syncfs $ro, $_[0] } "syncfs of a read-only handle";
   works { aio_syncfs $dirfh, $_[0] } "syncfs of a directory";
   works { aio_syncfs $r, $_[0] } "syncfs of a pipe";
   fails { aio_syncfs 999, $_[0] } EBADF, "syncfs of a closed number: EBADF";
}

SKIP: {
   IO::AIO::SYNC_FILE_RANGE_WRITE () or skip "no sync_file_range here", 14;
   for my $flags (0 .. 7) {
      works { aio_sync_file_range $fh, 0, 5, $flags, $_[0] } "sync_file_range with flags $flags";
   }
   works { aio_sync_file_range $fh, 5, 0, 2, $_[0] } "... to the end";
   works { aio_sync_file_range $dirfh, 0, 0, 2, $_[0] } "... of a directory";
   fails { aio_sync_file_range $fh, 0, 5, 8, $_[0] } EINVAL, "... with an unknown flag: EINVAL";
   fails { aio_sync_file_range $fh, -1, 5, 2, $_[0] } EINVAL, "... with a negative offset: EINVAL";
   fails { aio_sync_file_range $fh, 0, -1, 2, $_[0] } EINVAL, "... with a negative length: EINVAL";
   fails { aio_sync_file_range $w, 0, 5, 2, $_[0] } ESPIPE, "... of a pipe: ESPIPE";
   fails { aio_sync_file_range $s1, 0, 5, 2, $_[0] } ESPIPE, "... of a socket: ESPIPE";
   fails { aio_sync_file_range $null, 0, 5, 2, $_[0] } ESPIPE, "... of a device: ESPIPE";
   fails { aio_sync_file_range 999, 0, 5, 2, $_[0] } EBADF, "... of a closed number: EBADF";
}

my $before = nfds;
works { aio_pathsync $file, $_[0] } "pathsync of a file";
works { aio_pathsync "$dir/link", $_[0] } "... of a link";
works { aio_pathsync $dir, $_[0] } "... of a directory";
works { aio_pathsync "$dir/dirlink", $_[0] } "... of a link to a directory";
chmod 0400, $file;
works { aio_pathsync $file, $_[0] } "... of a read-only file";
fails { aio_pathsync "$dir/none", $_[0] } ENOENT, "... of nothing: ENOENT";
fails { aio_pathsync "$dir/file/x", $_[0] } ENOTDIR, "... ENOTDIR";
fails { aio_pathsync "$dir/loop", $_[0] } ELOOP, "... ELOOP";
fails { aio_pathsync "/dev/null", $_[0] } EINVAL, "... of a device: EINVAL, from fsync";
isa_ok aio_pathsync ($file), "IO::AIO::GRP", "what aio_pathsync returns";
drain;
is nfds, $before, "no descriptor is left";

done_testing;
