# Contract: what an ordinary user is refused: EACCES, EPERM.
# Run by root, the tests are done by a child that has given up its privileges.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EACCES EPERM EROFS);
use Fcntl qw(:DEFAULT :mode);
use File::Temp ();
use IO::AIO;
use POSIX ();

plan skip_all => "needs root, to make what another user is refused" if $>;

# not by scratch: the child must be able to enter, and must not remove it
my $dir = File::Temp::tempdir ("aio-test-XXXXXXXX", TMPDIR => 1);
my ($uid, $gid) = (65534, 65534);
chmod 0755, $dir;
mkdir "$dir/mine"; chown $uid, $gid, "$dir/mine";
mkdir "$dir/sticky"; chmod 01777, "$dir/sticky"; spew "$dir/sticky/f", "x";
mkdir "$dir/closed"; chmod 0700, "$dir/closed"; spew "$dir/closed/f", "x"; symlink "f", "$dir/closed/l";
mkdir "$dir/list"; chmod 0744, "$dir/list"; spew "$dir/list/f", "x";
my $root   = spew "$dir/root", "of root"; chmod 0644, $root;
my $secret = spew "$dir/secret", "secret"; chmod 0600, $secret;
my $open   = spew "$dir/open", "for all"; chmod 0666, $open;

my $pid = fork;
defined $pid or die "fork: $!";

if ($pid) {
   waitpid $pid, 0;
   my $status = $?;
   require File::Path;
   File::Path::remove_tree ($dir);
   POSIX::_exit ($status & 127 ? 255 : $status >> 8);
}

$) = "$gid $gid";
POSIX::setgid ($gid);
POSIX::setuid ($uid);
BAIL_OUT "still root" unless $> && $<;
open my $fh, "<", $root or die "$root: $!";

fails_undef { aio_open $root, O_WRONLY, 0, $_[0] }                        EACCES, "open for writing";
fails_undef { aio_open $secret, O_RDONLY, 0, $_[0] }                      EACCES, "open of a secret";
fails_undef { aio_open "$dir/closed/f", O_RDONLY, 0, $_[0] }              EACCES, "open in a closed directory";
fails_undef { aio_open "$dir/closed/n", O_CREAT | O_RDWR, 0600, $_[0] }   EACCES, "create in a closed directory";
fails_undef { aio_open $root, O_RDONLY | IO::AIO::O_NOATIME, 0, $_[0] }   EPERM,  "O_NOATIME on another's file" if IO::AIO::O_NOATIME;
ok defined +(run { aio_open $open, O_RDWR, 0, $_[0] })->{args}[0], "what is open to all can be opened";
fails { aio_stat "$dir/closed/f", $_[0] }            EACCES, "stat in a closed directory";
ok !-e _, "... leaves a failed cache";
fails { aio_lstat "$dir/closed/l", $_[0] }           EACCES, "lstat in a closed directory";
works { aio_stat $secret, $_[0] } "stat of a secret works";
fails { aio_stat "$dir/list/f", $_[0] }              EACCES, "stat in a directory that can only be listed";
fails_undef { aio_statvfs "$dir/closed/f", $_[0] }   EACCES, "statvfs in a closed directory";
is_deeply +(run { aio_readdir "$dir/list", $_[0] })->{args}, [["f"]], "readdir of it works";
fails_undef { aio_readdir "$dir/closed", $_[0] }     EACCES, "readdir of a closed directory";
{
   my $r = run { aio_readdirx "$dir/closed", 0, $_[0] };
   ok $r->{argc} == 2 && !defined $r->{args}[0] && $r->{errno} == EACCES, "readdirx of a closed directory";
}
fails_empty { aio_scandir "$dir/closed", 0, $_[0] }  EACCES, "scandir of a closed directory";
fails_undef { aio_wd "$dir/closed", $_[0] }          EACCES, "wd of a closed directory";
fails_empty { aio_realpath "$dir/closed/f", $_[0] }  EACCES, "realpath in a closed directory";
fails_empty { aio_readlink "$dir/closed/l", $_[0] }  EACCES, "readlink in a closed directory";
fails { aio_unlink "$dir/root", $_[0] }              EACCES, "unlink in another's directory";
fails { aio_unlink "$dir/sticky/f", $_[0] }          EPERM,  "unlink in a sticky directory";
fails { aio_rename "$dir/sticky/f", "$dir/sticky/g", $_[0] } EPERM, "rename in a sticky directory";
fails { aio_rename2 "$dir/sticky/f", "$dir/mine/f", 0, $_[0] } EPERM, "rename2 out of a sticky directory";
fails { aio_mkdir "$dir/d", 0700, $_[0] }            EACCES, "mkdir in another's directory";
works { aio_mkdir "$dir/mine/d", 0700, $_[0] } "mkdir in one's own";
fails { aio_rmdir "$dir/list", $_[0] }               EACCES, "rmdir in another's directory";
fails { aio_symlink "x", "$dir/l", $_[0] }           EACCES, "symlink in another's directory";
fails { aio_link $open, "$dir/l", $_[0] }            EACCES, "link in another's directory";
fails { aio_mknod "$dir/f", S_IFIFO | 0600, 0, $_[0] } EACCES, "mknod in another's directory";
works { aio_mknod "$dir/mine/fifo", S_IFIFO | 0600, 0, $_[0] } "mknod of a fifo in one's own";
fails { aio_mknod "$dir/mine/dev", S_IFBLK | 0600, IO::AIO::makedev (7, 0), $_[0] } EPERM, "mknod of a device";
fails { aio_chmod $root, 0666, $_[0] }               EPERM,  "chmod of another's file";
fails { aio_chmod $fh, 0666, $_[0] }                 EPERM,  "chmod of a handle";
fails { aio_chown $root, $uid, $gid, $_[0] }         EPERM,  "chown of another's file";
fails { aio_chown $fh, $uid, -1, $_[0] }             EPERM,  "chown of a handle";
fails { aio_utime $root, 1, 1, $_[0] }               EPERM,  "utime of another's file";
works { aio_utime $open, undef, undef, $_[0] } "utime to now where one may write";
fails { aio_utime $open, 5, 5, $_[0] }               EPERM,  "utime to another time where one may only write";
fails { aio_utime $root, undef, undef, $_[0] }       EACCES, "utime to now where one may not write";
fails { aio_truncate $root, 0, $_[0] }               EACCES, "truncate of another's file";
fails { aio_truncate "$dir/closed/f", 0, $_[0] }     EACCES, "truncate in a closed directory";
fails { my $d; aio_slurp $secret, 0, 1, $d, $_[0] }  EACCES, "slurp of a secret";
{
   my $d = "as it was";
   fails { aio_load $secret, $d, $_[0] }             EACCES, "load of a secret";
   is $d, "as it was", "... leaves the scalar alone";
}
fails { aio_copy $secret, "$dir/mine/c", $_[0] }     EACCES, "copy of a secret";
ok !-e "$dir/mine/c", "... makes no file";
fails { aio_copy $open, $root, $_[0] }               EACCES, "copy over another's file";
fails { aio_copy $open, "$dir/new", $_[0] }          EACCES, "copy into another's directory";
works { aio_copy $root, "$dir/mine/c", $_[0] } "copy of another's file";
is join (",", slurp ("$dir/mine/c"), (stat "$dir/mine/c")[4, 5]), "of root,$uid,$gid", "... is one's own";
fails { aio_move "$dir/sticky/f", "$dir/mine/m", $_[0] } EPERM, "move out of a sticky directory";
fails { aio_rmtree "$dir/closed", $_[0] }            EACCES, "rmtree of a closed directory";
fails { aio_rmtree "$dir/sticky", $_[0] }            EACCES, "rmtree of a sticky directory";
fails { aio_pathsync $secret, $_[0] }                EACCES, "pathsync of a secret";

is slurp ($root), "of root", "nothing was written";
is names ("$dir/sticky") . names ("$dir/list"), "ff", "nothing was removed";
is names ($dir), "closed list mine open root secret sticky", "nothing was made";

done_testing;
