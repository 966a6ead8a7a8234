# statx and the functions that read its result.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

sub result (&) { my ($r, $e) = &errno_of; $r == -1 ? "-1 $e" : $r }

my $dir = scratch;
spew "$dir/f", "hello";
chmod 0640, "$dir/f";
utime 1_000_000_000, 1_100_000_000, "$dir/f";
link "$dir/f", "$dir/second";
symlink "f", "$dir/link";
my @st = stat "$dir/f";
my $all = IO::AIO::STATX_ALL;

my ($probe) = result { IO::AIO::statx "$dir/f", 0, $all };
$probe eq "-1 38" and plan skip_all => "this system has no statx";

is $probe, 0, "statx";
is IO::AIO::stx_mode, $st[2], "mode";
is IO::AIO::stx_nlink, 2, "links";
is IO::AIO::stx_uid, $st[4], "owner";
is IO::AIO::stx_gid, $st[5], "group";
is IO::AIO::stx_size, 5, "size";
is IO::AIO::stx_blocks, $st[12], "blocks";
is IO::AIO::stx_blksize, $st[11], "block size";
is IO::AIO::stx_ino, $st[1], "inode";
is IO::AIO::makedev (IO::AIO::stx_dev_major, IO::AIO::stx_dev_minor), $st[0], "device";
is IO::AIO::stx_atime, 1_000_000_000, "access time";
is IO::AIO::stx_mtime, 1_100_000_000, "modification time";
cmp_ok abs (IO::AIO::stx_ctime - $st[10]), "<=", 1, "change time";
is IO::AIO::stx_atimesec, 1_000_000_000, "whole seconds";
is IO::AIO::stx_mtimesec, 1_100_000_000, "whole seconds";
is IO::AIO::stx_ctimesec, $st[10], "whole seconds";
is IO::AIO::stx_atimensec, 0, "nanoseconds";
is IO::AIO::stx_mtimensec, 0, "nanoseconds";
cmp_ok IO::AIO::stx_ctimensec, "<", 1e9, "nanoseconds";
is IO::AIO::stx_mask & IO::AIO::STATX_BASIC_STATS, IO::AIO::STATX_BASIC_STATS, "the mask tells what is valid";
is IO::AIO::stx_attributes & IO::AIO::STATX_ATTR_IMMUTABLE, 0, "attributes";
like IO::AIO::stx_attributes_mask, qr/^\d+\z/, "attributes the file system knows";
SKIP: {
   IO::AIO::stx_mask & IO::AIO::STATX_BTIME or skip "this file system keeps no birth times", 3;
   cmp_ok IO::AIO::stx_btimesec, ">", 0, "birth time";
   cmp_ok IO::AIO::stx_btimensec, "<", 1e9, "nanoseconds";
   cmp_ok abs (IO::AIO::stx_btime - IO::AIO::stx_btimesec - IO::AIO::stx_btimensec / 1e9), "<", 1e-3, "both in one number";
}

# ---- fractions, before 1970 ------------------------------------------------

aio_utime "$dir/f", 1000.5, -2000, sub { };
drain;
is IO::AIO::statx ("$dir/f", 0, $all), 0, "times with fractions";
is IO::AIO::stx_atime, 1000.5, "access";
is IO::AIO::stx_atimensec, 500_000_000, "nanoseconds";
is IO::AIO::stx_mtimesec * 1e9 + IO::AIO::stx_mtimensec, -2000e9, "before 1970";
cmp_ok IO::AIO::stx_mtimesec, "<", 0, "with negative seconds";

# ---- links, devices, flags -------------------------------------------------

is result { IO::AIO::statx "$dir/link", IO::AIO::AT_SYMLINK_NOFOLLOW, $all }, 0, "a link itself";
is IO::AIO::stx_mode & IO::AIO::S_IFMT, IO::AIO::S_IFLNK, "is a link";
is result { IO::AIO::statx "$dir/link", 0, $all }, 0, "through it";
is IO::AIO::stx_mode & IO::AIO::S_IFMT, IO::AIO::S_IFREG, "is the file";
is result { IO::AIO::statx "/dev/null", 0, $all }, 0, "a device";
is IO::AIO::makedev (IO::AIO::stx_rdev_major, IO::AIO::stx_rdev_minor), (stat "/dev/null")[6], "has a device number";
is result { IO::AIO::statx "$dir/f", 0, 0x7fffffff }, 0, "the mask is limited to STATX_ALL";

# ---- errors ----------------------------------------------------------------

is result { IO::AIO::statx "$dir/f", 0, $all }, 0, "a good one";
is result { IO::AIO::statx "$dir/missing", 0, $all }, "-1 2", "missing: ENOENT";
is IO::AIO::stx_size, 5, "a failure keeps the result before";
is result { IO::AIO::statx "", 0, $all }, "-1 2", "an empty path: ENOENT";
is result { IO::AIO::statx "$dir/f/x", 0, $all }, "-1 20", "ENOTDIR";
is result { IO::AIO::statx "$dir/f", 0x80000000, $all }, "-1 22", "unknown flags: EINVAL";
like error_of { IO::AIO::statx {}, 0, $all }, qr/pathname arguments must be/, "a hash is refused";
like error_of { IO::AIO::statx "\x{263a}", 0, $all }, qr/byte|octet|Wide/, "a wide path, too";
like error_of { &IO::AIO::statx ("x") }, qr/^Usage: /, "usage";

# ---- all forms of paths ----------------------------------------------------

{
   my $wd;
   aio_wd $dir, sub { $wd = $_[0] };
   drain;
   is result { IO::AIO::statx $wd, 0, $all }, 0, "a directory object";
   is IO::AIO::stx_mode & IO::AIO::S_IFMT, IO::AIO::S_IFDIR, "is a directory";
   is result { IO::AIO::statx [$wd, "f"], 0, $all }, 0, "a pair";
   is IO::AIO::stx_size, 5, "is the file in it";
   is result { IO::AIO::statx [IO::AIO::CWD, "$dir/f"], 0, $all }, 0, "a pair with CWD";
   is result { IO::AIO::statx IO::AIO::CWD, 0, $all }, 0, "CWD alone";
}
for my $path (["[undef, path]", [undef, "$dir/f"]], ["[INVALID_WD, path]", [IO::AIO::INVALID_WD, "$dir/f"]], ["INVALID_WD", IO::AIO::INVALID_WD]) {
   my ($status, $output) = in_child { print result { IO::AIO::statx $path->[1], 0, $all } };
   is "$status: $output", "exit 0: -1 2", "$path->[0]: ENOENT";
}

# ---- a memory of its own ---------------------------------------------------

is result { IO::AIO::statx "$dir/f", 0, $all }, 0, "statx";
stat $dir;
aio_stat "/", sub { };
drain;
is IO::AIO::stx_size, 5, "perl's stat and aio_stat leave its result alone";
stat "$dir/f";
IO::AIO::statx $dir, 0, $all;
is -s _, 5, "and it leaves perl's stat cache alone";

done_testing;
