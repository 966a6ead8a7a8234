# Contract: aio_seek.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF EINVAL ESPIPE ENXIO);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Socket;

my $dir = scratch;
open my $fh, "+<", spew "$dir/file", "0123456789" or die;
sub pos_is { my ($want, $name) = @_; local $Test::Builder::Level = 2; is sysseek ($fh, 0, SEEK_CUR) + 0, $want, $name }

passes { aio_seek $fh, 4, SEEK_SET, $_[0] } 4, "SEEK_SET";
pos_is 4, "... moves the position";
passes { aio_seek $fh, 2, SEEK_CUR, $_[0] } 6, "SEEK_CUR";
passes { aio_seek $fh, -3, SEEK_CUR, $_[0] } 3, "SEEK_CUR, backwards";
passes { aio_seek $fh, -1, SEEK_END, $_[0] } 9, "SEEK_END";
passes { aio_seek $fh, 5, SEEK_END, $_[0] } 15, "SEEK_END, beyond";
passes { aio_seek $fh, 2 ** 40, SEEK_SET, $_[0] } 2 ** 40, "beyond 4 GiB";
passes { aio_seek $fh, 0, SEEK_SET, $_[0] } 0, "the start is a plain 0";
is +(run { aio_seek $fh, 0, SEEK_SET, $_[0] })->{args}[0], "0", "... and not 0 but true";
passes { aio_seek $fh, 7.9, "0", $_[0] } 7, "fractions are cut";
passes { no warnings; aio_seek $fh, undef, SEEK_SET, $_[0] } 0, "an undefined offset is 0";
passes { aio_seek $fh, 3, SEEK_SET, $_[0] } 3, "and on";

fails { aio_seek $fh, -1, SEEK_SET, $_[0] } EINVAL, "a negative position: EINVAL";
fails { aio_seek $fh, -99, SEEK_CUR, $_[0] } EINVAL, "... by SEEK_CUR: EINVAL";
fails { aio_seek $fh, 0, 99, $_[0] } EINVAL, "an unknown whence: EINVAL";
fails { aio_seek $fh, 0, -1, $_[0] } EINVAL, "a negative whence: EINVAL";
fails { aio_seek 999, 0, SEEK_SET, $_[0] } EBADF, "a closed number: EBADF";
pipe my $r, my $w or die;
fails { aio_seek $r, 0, SEEK_SET, $_[0] } ESPIPE, "a pipe: ESPIPE";
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
fails { aio_seek $s1, 0, SEEK_SET, $_[0] } ESPIPE, "a socket: ESPIPE";
pos_is 3, "failures leave the position alone";

SKIP: {
   my ($sdata, $shole) = (IO::AIO::SEEK_DATA (), IO::AIO::SEEK_HOLE ());
   $shole or skip "no SEEK_DATA and SEEK_HOLE here", 5;
   passes { aio_seek $fh, 0, $sdata, $_[0] } 0, "SEEK_DATA";
   passes { aio_seek $fh, 0, $shole, $_[0] } 10, "SEEK_HOLE finds the end";
   fails { aio_seek $fh, 10, $sdata, $_[0] } ENXIO, "SEEK_DATA past the end: ENXIO";
   fails { aio_seek $fh, 11, $shole, $_[0] } ENXIO, "SEEK_HOLE past the end: ENXIO";
   open my $sparse, "+>", "$dir/sparse" or die;
   sysseek $sparse, 1 << 20, SEEK_SET; syswrite $sparse, "data";
   sysseek $sparse, 0, $sdata or die;
   my $want = sysseek ($sparse, 0, SEEK_CUR);
   passes { aio_seek $sparse, 0, $sdata, $_[0] } $want + 0, "SEEK_DATA skips a hole as perl's sysseek does";
}

# the descriptor is moved, perl's buffer is not told
open my $buffered, "<", "$dir/file" or die;
getc $buffered;
passes { aio_seek $buffered, 8, SEEK_SET, $_[0] } 8, "a handle with a buffer";
is getc $buffered, "1", "... still has it";

done_testing;
