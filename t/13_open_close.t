# Contract: aio_open and aio_close.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(:POSIX);
use Fcntl qw(:DEFAULT :seek :flock F_GETFD FD_CLOEXEC);
use IO::AIO;
use POSIX ();
use Socket;

my $dir = scratch;
spew "$dir/file", "0123456789";
mkdir "$dir/dir";
symlink "file", "$dir/link" or die;
symlink "loop", "$dir/loop" or die;
symlink "nothing", "$dir/dangling" or die;

# aio_close may keep a descriptor for all its calls
open my $first, "<", "$dir/file" or die;
works { aio_close $first, $_[0] } "the first aio_close";
close $first;
my $before = nfds;

sub open_ok {
   my ($path, $flags, $mode) = @_;
   no warnings qw(uninitialized numeric);    # some of them are
   my $r = run { aio_open $path, $flags, $mode, $_[0] };
   AIOPaths::once ($r) && $r->{argc} == 1 or diag AIOPaths::told ($r);
   my ($fh) = @{ delete $r->{args} };
   $fh
}

# ---- the handle
{
   my $fh = open_ok "$dir/file", O_RDONLY, 0;
   is ref $fh, "", "a handle is no reference";
   is ref \$fh, "GLOB", "... but a glob";
   is "$fh", "*IO::AIO::fd#" . fileno ($fh), "... that is called by its descriptor";
   ok !exists $IO::AIO::{ "fd#" . fileno $fh }, "... and not in the symbol table";
   ok fcntl ($fh, F_GETFD, 0) & FD_CLOEXEC, "... close-on-exec";
   is readline $fh, "0123456789", "... and readable";
   ok !do { no warnings; print {$fh} "x" }, "... but not writable";
   my $copy = $fh;
   my @list = ($fh);
   undef $fh;
   is nfds, $before + 1, "a copy keeps the descriptor";
   ok seek ($copy, 0, 0) && getc $list[0] eq "0", "... and works";
}
is nfds, $before, "the descriptor goes with the last copy";

{
   my $fh = open_ok "$dir/new", O_WRONLY | O_CREAT, 0666;
   ok +(print {$fh} "written"), "O_WRONLY can be printed to";
   ok close $fh, "... and closed";
   is slurp ("$dir/new"), "written", "... with the data in place";
   is sprintf ("%o", 07777 & (stat "$dir/new")[2]), "644", "the mode of a new file is cut by umask";

   $fh = open_ok "$dir/new", O_RDWR, 0;
   ok +(print {$fh} "WR") && seek ($fh, 0, SEEK_SET), "O_RDWR can be printed to";
   is readline $fh, "WRitten", "... and read";

   $fh = open_ok "$dir/new", O_WRONLY | O_APPEND, 0;
   syswrite $fh, "!";
   is slurp ("$dir/new"), "WRitten!", "O_APPEND";
   $fh = open_ok "$dir/new", O_WRONLY | O_TRUNC, 0;
   is -s "$dir/new", 0, "O_TRUNC";
   $fh = open_ok "$dir/excl", O_CREAT | O_EXCL | O_RDWR, 0600;
   ok defined $fh && -e "$dir/excl", "O_EXCL";
   $fh = open_ok "$dir/dir", O_RDONLY, 0;
   ok -d $fh, "a directory can be opened";
   SKIP: {
      IO::AIO::O_PATH () or skip "no O_PATH here", 1;
      $fh = open_ok "$dir/file", IO::AIO::O_PATH (), 0;
      is +(stat $fh)[7], 10, "an O_PATH descriptor is a handle";
   }
}
is nfds, $before, "no descriptor is left";

# ---- failures
for (
   ["a missing file",          "none",        O_RDONLY,                 ENOENT],
   ["a missing directory",     "none/x",      O_CREAT | O_RDWR,         ENOENT],
   ["a dangling link",         "dangling",    O_RDONLY,                 ENOENT],
   ["a file as directory",     "file/x",      O_RDONLY,                 ENOTDIR],
   ["a file with a slash",     "file/",       O_RDONLY,                 ENOTDIR],
   ["O_DIRECTORY on a file",   "file",        O_DIRECTORY,              ENOTDIR],
   ["O_EXCL on a file",        "file",        O_CREAT | O_EXCL,         EEXIST],
   ["O_EXCL on a dangling link", "dangling",  O_CREAT | O_EXCL,         EEXIST],
   ["a directory for writing", "dir",         O_WRONLY,                 EISDIR],
   ["a loop",                  "loop",        O_RDONLY,                 ELOOP],
   ["O_NOFOLLOW on a link",    "link",        O_NOFOLLOW,               [ELOOP, EMLINK]],
   ["a long name",             "n" x 256,     O_CREAT | O_RDWR,         ENAMETOOLONG],
   ["a long path",             "./" x 2100 . "file", O_RDONLY,          ENAMETOOLONG],
) {
   my ($name, $path, $flags, $errno) = @$_;
   fails_undef { aio_open "$dir/$path", $flags, 0600, $_[0] } $errno, "$name: " . errno_name ref $errno ? $errno->[0] : $errno;
}
POSIX::mkfifo ("$dir/fifo", 0600) or die;
fails_undef { aio_open "$dir/fifo", O_WRONLY | O_NONBLOCK, 0, $_[0] } ENXIO, "a fifo without reader: ENXIO";
{
   my $fh = open_ok "$dir/fifo", O_RDONLY | O_NONBLOCK, 0;
   ok -p $fh, "a fifo for reading";
}
is names ($dir), "dangling dir excl fifo file link loop new", "failures created nothing";
is nfds, $before, "... and opened nothing";

{
   my $fh = open_ok "$dir/file", undef, undef;
   is readline $fh, "0123456789", "undefined flags and mode are 0";
   $fh = open_ok "$dir/file", "0.9", "junk";
   is readline $fh, "0123456789", "numbers convert as perl does it";
}

# ---- aio_close
{
   open my $fh, "+<", "$dir/file" or die;
   open my $dup, "+<&", $fh or die;
   my $fd = fileno $fh;
   works { aio_close $fh, $_[0] } "aio_close";
   is fileno $fh, $fd, "the number stays allocated";
   is nfds, $before + 2, "... as a descriptor";
   is sysread ($fh, my $data, 1), 0, "reading it gives end of file";
   fails { aio_write $fd, undef, 1, "x", 0, $_[0] } EBADF, "writing it gives EBADF";
   fails { aio_seek $fh, 0, SEEK_SET, $_[0] } ESPIPE, "seeking it gives ESPIPE";
   ok !-f $fh, "it is no file any more";
   is sysread ($dup, $data, 3), 3, "a duplicate is not affected";
   works { aio_close $fh, $_[0] } "closing it again works";
   works { aio_close $fd, $_[0] } "... by number, too";
   ok close $fh, "perl's own close then works";
}
is nfds, $before, "and frees the number";
{
   pipe my $r, my $w or die;
   works { aio_close $w, $_[0] } "closing one end of a pipe";
   passes { aio_read $r, undef, 1, my $data, 0, $_[0] } 0, "... is end of file at the other";
   socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
   works { aio_close $s1, $_[0] } "closing one end of a socket";
   passes { aio_read $s2, undef, 1, my $data, 0, $_[0] } 0, "... is end of file at the other";
   open my $a, "<", "$dir/file" or die;
   open my $b, "<", "$dir/file" or die;
   flock $a, LOCK_EX or die;
   ok !flock ($b, LOCK_EX | LOCK_NB), "a lock";
   works { aio_close $a, $_[0] } "... goes with aio_close";
   ok flock ($b, LOCK_EX | LOCK_NB), "... for others to take";
}
{
   open my $fh, ">", "$dir/buffered" or die;
   print $fh "lost";
   works { aio_close $fh, $_[0] } "data in perl's buffer";
   ok !close $fh, "... cannot be written any more";
   is 0 + $!, EBADF, "... which perl's close tells";
   is -s "$dir/buffered", 0, "... and is lost";
}
is nfds, $before, "no descriptor is left";

done_testing;
