# Contract: unlink, rmdir, mkdir, mknod, link, symlink, readlink, rename, rename2.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(:POSIX);
use Fcntl qw(:mode);
use File::Path qw(remove_tree);
use IO::AIO;

my $dir = scratch;

sub fresh {
   chdir "/";
   remove_tree ($dir, { keep_root => 1 });
   chdir $dir or die;
   spew "file", "content";
   mkdir "dir"; mkdir "full"; spew "full/x";
   symlink "file", "link"; symlink "dir", "dirlink"; symlink "loop", "loop"; symlink "nothing", "dangling";
}
sub mode { sprintf "%o", 07777 & (lstat $_[0])[2] }
fresh;

# ---- unlink
works { aio_unlink "link", $_[0] } "unlink a link";
ok -e "file" && !-l "link", "... which leaves its target";
works { aio_unlink "file", $_[0] } "unlink a file";
ok !-e "file", "... which goes";
works { aio_unlink "dangling", $_[0] } "unlink a dangling link";
fails { aio_unlink "file", $_[0] } ENOENT, "unlink: ENOENT";
fails { aio_unlink "dir", $_[0] } [EISDIR, EPERM], "unlink: EISDIR";
fails { aio_unlink "full/x/y", $_[0] } ENOTDIR, "unlink: ENOTDIR";
fails { aio_unlink "loop/x", $_[0] } ELOOP, "unlink: ELOOP";
fails { aio_unlink "n" x 256, $_[0] } ENAMETOOLONG, "unlink: ENAMETOOLONG";

# ---- mkdir
fresh;
works { aio_mkdir "new", 0777, $_[0] } "mkdir";
is mode ("new"), "755", "... with the mode cut by umask";
works { aio_mkdir "new/deep", 0700, $_[0] } "mkdir below";
is mode ("new/deep"), "700", "... with its mode";
works { aio_mkdir "sticky", 01777, $_[0] } "mkdir with the sticky bit";
is mode ("sticky"), "1755", "... which is kept";
for my $name (qw(file dir dangling)) {
   fails { aio_mkdir $name, 0777, $_[0] } EEXIST, "mkdir $name: EEXIST";
}
fails { aio_mkdir "none/x", 0777, $_[0] } ENOENT, "mkdir: ENOENT";
fails { aio_mkdir "file/x", 0777, $_[0] } ENOTDIR, "mkdir: ENOTDIR";

# ---- rmdir
fresh;
works { aio_rmdir "dir", $_[0] } "rmdir";
ok !-e "dir", "... removes";
fails { aio_rmdir "dir", $_[0] } ENOENT, "rmdir: ENOENT";
fails { aio_rmdir "full", $_[0] } [ENOTEMPTY, EEXIST], "rmdir: ENOTEMPTY";
fails { aio_rmdir "file", $_[0] } ENOTDIR, "rmdir of a file: ENOTDIR";
fails { aio_rmdir "dirlink", $_[0] } ENOTDIR, "rmdir of a link: ENOTDIR";
fails { aio_rmdir ".", $_[0] } EINVAL, "rmdir .: EINVAL";
fails { aio_rmdir "full/.", $_[0] } EINVAL, "rmdir full/.: EINVAL";
fails { aio_rmdir "/", $_[0] } [EBUSY, EISDIR, ENOTEMPTY, EACCES, EPERM], "rmdir /: an error";

# ---- mknod
fresh;
works { aio_mknod "fifo", S_IFIFO | 0666, 0, $_[0] } "mknod a fifo";
ok -p "fifo" && mode ("fifo") eq "644", "... with the mode cut by umask";
works { aio_mknod "plain", S_IFREG | 0600, 0, $_[0] } "mknod a file";
ok -f "plain" && mode ("plain") eq "600", "... of that mode";
works { aio_mknod "zero", 0640, 0, $_[0] } "mknod without a type";
ok -f "zero", "... makes a file";
works { aio_mknod "socket", S_IFSOCK | 0600, 0, $_[0] } "mknod a socket";
ok -S "socket", "... a socket";
for my $name (qw(file dir dangling)) {
   fails { aio_mknod $name, S_IFREG | 0600, 0, $_[0] } EEXIST, "mknod $name: EEXIST";
}
fails { aio_mknod "x", S_IFDIR | 0700, 0, $_[0] } EPERM, "mknod of a directory: EPERM";
fails { aio_mknod "x", 0170000, 0, $_[0] } EINVAL, "mknod of an unknown type: EINVAL";
SKIP: {
   my $dev = IO::AIO::makedev (1, 3);
   my $r = run { aio_mknod "null", S_IFCHR | 0600, $dev, $_[0] };
   skip "this user may not make devices here", 3 if $r->{args}[0] && $r->{errno} == EPERM;
   ok !$r->{args}[0] && -c "null", "mknod a character device";
   is +(stat "null")[6], $dev, "... of that number";
   my $large = IO::AIO::makedev (300, 70000);
   run { aio_mknod "large", S_IFBLK | 0600, $large, $_[0] };
   is +(stat "large")[6], $large, "numbers beyond 16 bits";
}

# ---- link
fresh;
works { aio_link "file", "hard", $_[0] } "link";
is +(stat "hard")[1], +(stat "file")[1], "... the same inode";
works { aio_link "link", "hardlink", $_[0] } "link of a symbolic link";
ok -l "hardlink", "... links the link";
fails { aio_link "file", "dir", $_[0] } EEXIST, "link: EEXIST";
fails { aio_link "file", "dangling", $_[0] } EEXIST, "link over a dangling link: EEXIST";
fails { aio_link "dir", "x", $_[0] } EPERM, "link of a directory: EPERM";
fails { aio_link "none", "x", $_[0] } ENOENT, "link of nothing: ENOENT";
fails { aio_link "file", "none/x", $_[0] } ENOENT, "link to nowhere: ENOENT";

# ---- symlink, readlink
fresh;
works { aio_symlink "any text\n", "text", $_[0] } "symlink";
is readlink "text", "any text\n", "... to any text";
{
   my $r = run { aio_readlink "text", $_[0] };
   is $r->{argc}, 1, "readlink passes one argument";
   is $r->{args}[0], "any text\n", "... the text";
   my $in;
   run { my $cb = $_[0]; aio_readlink "text", sub { $_[0] .= "!"; $in = $_[0] } };
   is $in, "any text\n!", "... which can be modified";
   my $every = join "", map { chr } 1 .. 255;
   works { aio_symlink $every, "every", $_[0] } "symlink with all octets";
   my $got = (run { aio_readlink "every", $_[0] })->{args}[0];
   ok $got eq $every && !utf8::is_utf8 ($got), "... and back";
   my $long = "a/" x 2000 . "b" x 95;
   works { aio_symlink $long, "long", $_[0] } "symlink with 4095 octets";
   is +(run { aio_readlink "long", $_[0] })->{args}[0], $long, "... and back";
}
fails { aio_symlink "x" x 4096, "longer", $_[0] } ENAMETOOLONG, "symlink: ENAMETOOLONG";
fails { aio_symlink "", "empty", $_[0] } ENOENT, "symlink of nothing: ENOENT";
fails { aio_symlink "x", "file", $_[0] } EEXIST, "symlink: EEXIST";
fails { aio_symlink "x", "none/x", $_[0] } ENOENT, "symlink: ENOENT";
fails { aio_symlink "x", "file/x", $_[0] } ENOTDIR, "symlink: ENOTDIR";
fails_empty { aio_readlink "file", $_[0] } EINVAL, "readlink of a file: EINVAL";
fails_empty { aio_readlink "none", $_[0] } ENOENT, "readlink of nothing: ENOENT";
fails_empty { aio_readlink "file/x", $_[0] } ENOTDIR, "readlink: ENOTDIR";
is +(run { aio_readlink "dirlink", $_[0] })->{args}[0], "dir", "readlink of a link to a directory";
fails_empty { aio_readlink "dirlink/", $_[0] } EINVAL, "readlink with a slash: EINVAL";

# ---- rename, rename2
for (
   ["rename"            => sub { aio_rename  $_[0], $_[1], $_[2] }],
   ["rename2, flags 0"  => sub { aio_rename2 $_[0], $_[1], 0, $_[2] }],
) {
   my ($name, $rename) = @$_;
   fresh;
   works { $rename->("file", "other", $_[0]) } "$name of a file";
   is slurp ("other"), "content", "... moves it";
   ok !-e "file", "... away";
   works { $rename->("link", "dir/moved", $_[0]) } "$name of a link";
   is readlink "dir/moved", "file", "... moves the link";
   spew "target", "old";
   works { $rename->("other", "target", $_[0]) } "$name over a file";
   is slurp ("target"), "content", "... replaces it";
   mkdir "empty";
   works { $rename->("dir", "empty", $_[0]) } "$name over an empty directory";
   ok -l "empty/moved", "... replaces it";
   fails { $rename->("none", "x", $_[0]) } ENOENT, "$name: ENOENT";
   fails { $rename->("target", "none/x", $_[0]) } ENOENT, "$name to nowhere: ENOENT";
   fails { $rename->("target", "full", $_[0]) } EISDIR, "$name of a file over a directory: EISDIR";
   fails { $rename->("full", "target", $_[0]) } ENOTDIR, "$name of a directory over a file: ENOTDIR";
   fails { $rename->("empty", "full", $_[0]) } [ENOTEMPTY, EEXIST], "$name over a full directory: ENOTEMPTY";
   fails { $rename->("full", "full/x/y", $_[0]) } [EINVAL, ENOTDIR], "$name into itself: an error";
   mkdir "full/d";
   fails { $rename->("full", "full/d/y", $_[0]) } EINVAL, "$name into itself: EINVAL";
   fails { $rename->(".", "x", $_[0]) } [EBUSY, EINVAL], "$name of .: EBUSY";
   fails { $rename->("full", ".", $_[0]) } [EBUSY, EINVAL], "$name to .: EBUSY";
   fails { $rename->("loop/x", "y", $_[0]) } ELOOP, "$name: ELOOP";
}

SKIP: {
   fresh;
   spew "other", "of the other";
   my $r = run { aio_rename2 "file", "other", IO::AIO::RENAME_NOREPLACE, $_[0] };
   skip "no renameat2 here", 13 if !IO::AIO::RENAME_NOREPLACE || $r->{errno} == ENOSYS || $r->{errno} == EINVAL;
   ok $r->{args}[0] == -1 && $r->{errno} == EEXIST, "RENAME_NOREPLACE: EEXIST";
   is slurp ("other"), "of the other", "... replaces nothing";
   works { aio_rename2 "file", "new", IO::AIO::RENAME_NOREPLACE, $_[0] } "RENAME_NOREPLACE to a free name";
   is slurp ("new"), "content", "... moves";
   works { aio_rename2 "new", "other", IO::AIO::RENAME_EXCHANGE, $_[0] } "RENAME_EXCHANGE";
   is slurp ("new") . slurp ("other"), "of the othercontent", "... exchanges";
   works { aio_rename2 "new", "full", IO::AIO::RENAME_EXCHANGE, $_[0] } "... also a file and a directory";
   ok -d "new" && -f "full", "... of them";
   fails { aio_rename2 "other", "none", IO::AIO::RENAME_EXCHANGE, $_[0] } ENOENT, "RENAME_EXCHANGE with nothing: ENOENT";
   fails { aio_rename2 "other", "none", IO::AIO::RENAME_EXCHANGE | IO::AIO::RENAME_NOREPLACE, $_[0] } EINVAL, "both flags: EINVAL";
   fails { aio_rename2 "other", "none", 0x4000, $_[0] } EINVAL, "an unknown flag: EINVAL";
   is slurp ("other"), "content", "nothing moved";
   drain;
   aio_rename2 "other", "default"; drain;
   is slurp ("default"), "content", "flags may be left out";
}

# another file system
SKIP: {
   my ($other) = grep { -d && -w && (stat)[0] != (stat $dir)[0] } "/dev/shm", "/tmp", "/var/tmp", "/run"
      or skip "no second file system to write to", 3;
   my $far = scratch $other;
   fresh;
   fails { aio_rename "file", "$far/x", $_[0] } EXDEV, "rename to another file system: EXDEV";
   fails { aio_link "file", "$far/x", $_[0] } EXDEV, "link to another file system: EXDEV";
   fails { aio_rename2 "file", "$far/x", 0, $_[0] } EXDEV, "rename2 to another file system: EXDEV";
}

done_testing;
