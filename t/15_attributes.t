# Contract: chmod, chown, utime, truncate, by path and by handle.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(:POSIX);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Time::HiRes ();

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
symlink "file", "$dir/link"; symlink "loop", "$dir/loop"; symlink "none", "$dir/dangling"; mkdir "$dir/dir";
open my $fh, "+<", $file or die;
open my $ro, "<", $file or die;
pipe my $r, my $w or die;
sub mode { sprintf "%o", 07777 & (stat $_[0])[2] }

# ---- the errors they share
for (
   ["aio_chmod"    => sub { aio_chmod $_[0], 0600, $_[1] }],
   ["aio_chown"    => sub { aio_chown $_[0], -1, -1, $_[1] }],
   ["aio_utime"    => sub { aio_utime $_[0], 1, 1, $_[1] }],
   ["aio_truncate" => sub { aio_truncate $_[0], 10, $_[1] }],
) {
   my ($name, $call) = @$_;
   fails { $call->("$dir/none", $_[0]) } ENOENT, "$name: ENOENT";
   fails { $call->("$dir/dangling", $_[0]) } ENOENT, "$name of a dangling link: ENOENT";
   fails { $call->("$dir/file/x", $_[0]) } ENOTDIR, "$name: ENOTDIR";
   fails { $call->("$dir/loop", $_[0]) } ELOOP, "$name: ELOOP";
   fails { $call->("$dir/" . "n" x 256, $_[0]) } ENAMETOOLONG, "$name: ENAMETOOLONG";
}

# ---- chmod
for ([path => $file], [link => "$dir/link"], [handle => $fh], ["read-only handle" => $ro]) {
   my ($how, $what) = @$_;
   chmod 0644, $file;
   works { aio_chmod $what, 0751, $_[0] } "chmod by $how";
   is mode ($file), "751", "... sets the mode";
}
works { aio_chmod $file, 0106754, $_[0] } "chmod with bits above 07777";
is mode ($file), "6754", "... ignores them";
works { aio_chmod $file, 0644, $_[0] } "and back";

# ---- chown
{
   my ($uid, $gid) = (stat $file)[4, 5];
   for ([path => $file], [handle => $ro]) {
      my ($how, $what) = @$_;
      works { aio_chown $what, $uid, $gid, $_[0] } "chown by $how to what it is";
      works { aio_chown $what, undef, undef, $_[0] } "undef is unchanged";
      works { aio_chown $what, -1, -1, $_[0] } "-1 is unchanged";
      is join (",", (stat $file)[4, 5]), "$uid,$gid", "... indeed";
   }
   SKIP: {
      skip "only root may give files away", 6 if $>;
      works { aio_chown $file, 1234, 2345, $_[0] } "chown";
      is join (",", (stat $file)[4, 5]), "1234,2345", "... user and group";
      works { aio_chown "$dir/link", 12, undef, $_[0] } "chown of a link, user only";
      is join (",", (stat $file)[4, 5]), "12,2345", "... changes its target";
      is +(lstat "$dir/link")[4], $>, "... and not the link";
      works { aio_chown $fh, undef, 0, $_[0] } "chown of a handle, group only";
      is join (",", (stat $file)[4, 5]), "12,0", "... changes the group";
      chown $uid, $gid, $file;
   }
}

# ---- utime
sub stamps { join ",", map { $_ + 0 } (Time::HiRes::stat ($_[0]))[8, 9] }
for ([path => $file], [link => "$dir/link"], [handle => $fh], ["read-only handle" => $ro]) {
   my ($how, $what) = @$_;
   works { aio_utime $what, 1000, 2000, $_[0] } "utime by $how";
   is stamps ($file), "1000,2000", "... sets both times";
   works { aio_utime $what, 3000.25, 4000.5, $_[0] } "... with fractions";
   is stamps ($file), "3000.25,4000.5", "... to the fraction";
}
works { aio_utime $file, 1000000000.123456, 1, $_[0] } "microseconds";
run { aio_stat $file, $_[0] };
cmp_ok abs (IO::AIO::st_atimensec () - 123456000), "<=", 200, "... as far as a double holds them";
works { aio_utime $file, -5, -86400, $_[0] } "before the epoch";
is join (",", (stat $file)[8, 9]), "-5,-86400", "... whole seconds";
for (["undef" => undef, undef], ["-1" => -1, -1]) {
   my ($name, @times) = @$_;
   utime 5, 5, $file;
   my $before = time;
   works { aio_utime $file, $times[0], $times[1], $_[0] } "both times $name";
   my ($atime, $mtime) = (stat $file)[8, 9];
   # the kernel's clock for files may lag by a tick
   ok $atime >= $before - 1 && $atime <= time && $mtime >= $before - 1 && $mtime <= time, "... is now";
}
works { aio_utime "$dir/dir", 7, 8, $_[0] } "utime of a directory";
is stamps ("$dir/dir"), "7,8", "... sets them";

# ---- truncate
for ([path => $file], [link => "$dir/link"], [handle => $fh]) {
   my ($how, $what) = @$_;
   spew $file, "0123456789";
   sysseek $fh, 7, SEEK_SET;
   works { aio_truncate $what, 4, $_[0] } "truncate by $how";
   is slurp ($file), "0123", "... cuts";
   works { aio_truncate $what, 6, $_[0] } "... to a larger length";
   is slurp ($file), "0123\0\0", "... extends";
   is sysseek ($fh, 0, SEEK_CUR), 7, "... and leaves positions alone";
   works { aio_truncate $what, 0, $_[0] } "... to nothing";
   is -s $file, 0, "... empties";
}
works { aio_truncate $file, 5 * 2 ** 30, $_[0] } "truncate beyond 4 GiB";
is -s $file, 5 * 2 ** 30, "... gives that size";
works { aio_truncate $file, 3.9, $_[0] } "fractions are cut";
is -s $file, 3, "... off";
fails { aio_truncate $file, -1, $_[0] } EINVAL, "a negative length: EINVAL";
fails { aio_truncate $file, undef, $_[0] } EINVAL, "an undefined length is -1: EINVAL";
fails { aio_truncate $fh, undef, $_[0] } EINVAL, "... by handle, too";
fails { aio_truncate $ro, 0, $_[0] } [EINVAL, EBADF], "a handle that is not open for writing: EINVAL";
fails { aio_truncate $w, 0, $_[0] } EINVAL, "a pipe: EINVAL";
fails { aio_truncate "/dev/null", 0, $_[0] } EINVAL, "a device: EINVAL";
fails { aio_truncate "$dir/dir", 0, $_[0] } EISDIR, "a directory: EISDIR";
is -s $file, 3, "nothing changed";

done_testing;
