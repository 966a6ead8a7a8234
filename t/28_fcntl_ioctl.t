# Contract: aio_fcntl and aio_ioctl.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF EINVAL EFAULT ENOTTY EAGAIN EACCES);
use Fcntl qw(:DEFAULT :seek F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_WRLCK FD_CLOEXEC);
use IO::AIO;
use POSIX ();

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
open my $fh, "+<", $file or die;
pipe my $r, my $w or die;
sub cloexec { fcntl ($fh, F_GETFD, 0) & FD_CLOEXEC ? 1 : 0 }

# ---- by value
passes { aio_fcntl $fh, F_GETFD, 0, $_[0] } 1, "fcntl passes the call's value";
passes { aio_fcntl $fh, F_SETFD, 0, $_[0] } 0, "... a plain 0 where it is 0";
is cloexec, 0, "... and is done";
passes { aio_fcntl $fh, F_GETFD, 0, $_[0] } 0, "... seen by fcntl";
passes { aio_fcntl $fh, F_SETFD, FD_CLOEXEC, $_[0] } 0, "... and back";
is cloexec, 1, "... again";
passes { aio_fcntl $fh, F_GETFL, 0, $_[0] } fcntl ($fh, F_GETFL, 0), "F_GETFL is the same as perl's";
passes { aio_fcntl $w, F_SETFL, O_NONBLOCK, $_[0] } 0, "F_SETFL";
ok fcntl ($w, F_GETFL, 0) & O_NONBLOCK, "... is done";
{
   my $fd = (run { aio_fcntl $fh, F_DUPFD, 100, $_[0] })->{args}[0];
   cmp_ok $fd, ">=", 100, "F_DUPFD gives a number";
   ok POSIX::close ($fd), "... that is open";
   my $command = "" . F_GETFD;
   passes { aio_fcntl $fh, $command, 0, $_[0] } 1, "numbers may be text";
}
fails { aio_fcntl $fh, 99999, 0, $_[0] } EINVAL, "an unknown command: EINVAL";
fails { aio_fcntl $fh, F_DUPFD, -1, $_[0] } EINVAL, "a bad argument: EINVAL";
fails { aio_fcntl 999, F_GETFD, 0, $_[0] } EBADF, "a closed number: EBADF";
fails { aio_ioctl $fh, 0x12345678, 0, $_[0] } ENOTTY, "an unknown ioctl: ENOTTY";
fails { aio_ioctl 999, 0x541b, 0, $_[0] } EBADF, "a closed number: EBADF";
refused { aio_fcntl $fh, F_GETFD, "\x{100}", $_[0] } qr/^"arg" argument must be byte\/octet-encoded/, "fcntl refuses wide characters";
refused { aio_ioctl $fh, 0x541b, "\x{100}", $_[0] } qr/^"arg" argument must be byte\/octet-encoded/, "ioctl refuses wide characters";

# ---- buffers
SKIP: {
   $^O eq "linux" or skip "the numbers of these calls are those of Linux", 12;
   my $FIONREAD = 0x541b;
   syswrite $w, "hello";
   my $buffer = pack "i", 0;
   works { aio_ioctl $r, $FIONREAD, $buffer, $_[0] } "ioctl with a buffer";
   is unpack ("i", $buffer), 5, "... is filled in place";
   is length $buffer, 4, "... and keeps its length";
   $buffer = pack "i a4", -1, "tail";
   works { aio_ioctl $r, $FIONREAD, $buffer, $_[0] } "a longer buffer";
   is join (",", unpack "i a*", $buffer), "5,tail", "... keeps its tail";
   works { aio_ioctl $r, $FIONREAD, "", $_[0] } "a literal has room enough";
   fails { aio_ioctl $r, $FIONREAD, 0, $_[0] } EFAULT, "a number is passed by value: EFAULT";
   my $text = "" . 0;
   works { aio_ioctl $r, $FIONREAD, $text, $_[0] } "... a string of digits is a buffer";
   fails { aio_ioctl $fh, 0x5401, "x" x 100, $_[0] } ENOTTY, "TCGETS of a file: ENOTTY";
   works { aio_ioctl $fh, 0x5450, 0, $_[0] } "FIONCLEX";
   is cloexec, 0, "... is done";

   hold;
   my $got;
   {
      my $short = pack "i", -1;
      my $kept = \$short;
      aio_ioctl $r, $FIONREAD, $short, sub { $got = unpack "i", $$kept };
      ok !Internals::SvREADONLY ($short), "the argument is not made read-only";
   }
   {
      my $lost = pack "i", -1;
      aio_ioctl $r, $FIONREAD, $lost, sub { $got .= " $_[0]" };
   }
   release 1;
   is $got, "5 0", "... and kept alive";

   # a copy that shares the buffer must not see what the kernel writes
   my $original = "\xff" x 300;
   my $copy = $original;
   works { aio_ioctl $r, $FIONREAD, $copy, $_[0] } "a copy as buffer";
   ok $original eq "\xff" x 300, "... leaves the original alone";
}
SKIP: {
   my ($set, $get) = (IO::AIO::F_OFD_SETLK (), IO::AIO::F_OFD_GETLK ());
   $^O eq "linux" && $set && length pack ("q", 0) == 8 or skip "no locks of open files here", 4;
   my $struct = "s s x4 q q i x4";
   my $lock = pack $struct, F_WRLCK, SEEK_SET, 2, 3, 0;
   works { aio_fcntl $fh, $set, $lock, $_[0] } "a lock";
   open my $other, "+<", $file or die;
   fails { aio_fcntl $other, $set, $lock, $_[0] } [EAGAIN, EACCES], "... is in the way of another";
   my $query = pack $struct, F_WRLCK, SEEK_SET, 0, 0, 0;
   works { aio_fcntl $other, $get, $query, $_[0] } "... and can be asked for";
   is join (",", (unpack $struct, $query)[0 .. 3]), F_WRLCK . ",0,2,3", "... in place";
}

done_testing;
