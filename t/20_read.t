# Contract: aio_read and aio_readahead.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF EISDIR ESPIPE EAGAIN EINVAL);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Socket;

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
open my $fh, "<", $file or die;
my $data;
sub pos_is { my ($want, $name) = @_; local $Test::Builder::Level = 2; is sysseek ($fh, 0, SEEK_CUR) + 0, $want, $name }

# ---- offset
passes { aio_read $fh, 0, 4, $data, 0, $_[0] } 4, "a read at an offset";
is $data, "0123", "... replaces an undefined scalar";
pos_is 0, "... and leaves the position alone";
passes { aio_read $fh, 7, 10, $data, 0, $_[0] } 3, "a read over the end is short";
is $data, "789", "... the scalar shrinks";
passes { aio_read $fh, 10, 5, $data, 0, $_[0] } 0, "a read at the end gives 0";
is $data, "", "... and nothing";
passes { aio_read $fh, undef, 3, $data, 0, $_[0] } 3, "an undefined offset is the position";
pos_is 3, "... which moves";
passes { aio_read $fh, undef, 3, $data, 0, $_[0] } 3, "... on";
is $data, "345", "... from there";
passes { aio_read $fh, -1, 2, $data, 0, $_[0] } 2, "so is a negative one";
is $data, "67", "... from the position";
pos_is 8, "... which moves";
passes { aio_read $fh, 2 ** 40, 2, $data, 0, $_[0] } 0, "far beyond the end";
passes { aio_read $fh, 2.9, 1.9, $data, 0, $_[0] } 1, "fractions are cut";
is $data, "2", "... off";
passes { aio_read $fh, "3", "2", $data, "0", $_[0] } 2, "numbers may be strings";
is $data, "34", "... of digits";

# ---- position in the scalar
for (
   ["at the start",          "abcdef", 0,  3, "012"],
   ["inside",                "abcdef", 2,  3, "ab012"],
   ["at the end",            "abcdef", 6,  3, "abcdef012"],
   ["growing",               "abc",    1, 10, "a0123456789"],
   ["one before the end",    "abcdef", -1, 3, "abcde012"],
   ["at minus the length",   "abcdef", -6, 3, "012"],
   ["nothing",               "abcdef", 2,  0, "ab"],
   ["an empty scalar",       "",       0,  3, "012"],
) {
   my ($name, $before, $offset, $length, $after) = @$_;
   $data = $before;
   passes { aio_read $fh, 0, $length, $data, $offset, $_[0] } $length, "$name: count";
   is $data, $after, "$name: data";
}
for (["beyond the end", "abc", 4], ["before the start", "abc", -4], ["of an undefined scalar", undef, 1]) {
   my ($name, $before, $offset) = @$_;
   $data = $before;
   refused { aio_read $fh, 0, 1, $data, $offset, $_[0] } qr/^dataoffset outside of data scalar/, "a position $name is refused";
   is $data, $before, "... and nothing changed";
}
$data = "abc";
{
   no warnings "uninitialized";
   passes { aio_read $fh, 0, undef, $data, 0, $_[0] } 0, "an undefined length is 0";
}
is $data, "", "... which cuts the scalar";

# ---- failures cut the scalar to the position
open my $dirfh, "<", $dir or die;
pipe my $r, my $w or die;
open my $wo, ">", "$dir/out" or die;
for (
   ["a directory"         => $dirfh, 0,     EISDIR],
   ["a pipe at an offset" => $r,     0,     ESPIPE],
   ["a write-only handle" => $wo,    undef, EBADF],
   ["a closed number"     => 999,    undef, EBADF],
) {
   my ($name, $from, $offset, $errno) = @$_;
   $data = "abcdef";
   fails { aio_read $from, $offset, 3, $data, 2, $_[0] } $errno, "$name: " . errno_name $errno;
   is $data, "ab", "... and the scalar is cut";
}

# ---- pipes and sockets
fcntl $r, F_SETFL, O_RDONLY | O_NONBLOCK or die;
fails { aio_read $r, undef, 3, $data, 0, $_[0] } EAGAIN, "an empty non-blocking pipe: EAGAIN";
syswrite $w, "abc";
passes { aio_read $r, undef, 100, $data, 0, $_[0] } 3, "a short count from a pipe";
is $data, "abc", "... of what is there";
fcntl $r, F_SETFL, O_RDONLY or die;
{
   my $got;
   aio_read $r, undef, 100, $data, 0, sub { $got = $_[0] };
   is IO::AIO::nreqs, 1, "a read from an empty pipe waits";
   syswrite $w, "late";
   drain;
   is "$got $data", "4 late", "... for data";
}
close $w;
passes { aio_read $r, undef, 100, $data, 0, $_[0] } 0, "the end of a pipe";
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
syswrite $s2, "hello";
passes { aio_read $s1, undef, 3, $data, 0, $_[0] } 3, "a socket";
is $data, "hel", "... gives what is asked for";
fails { aio_read $s1, 5, 3, $data, 0, $_[0] } ESPIPE, "a socket at an offset: ESPIPE";

# ---- large
{
   my $large = join "", map { pack "N", $_ } 1 .. 300_000;
   spew "$dir/large", $large;
   open my $lf, "<", "$dir/large" or die;
   my $buffer = "";
   passes { aio_read $lf, 0, length $large, $buffer, 0, $_[0] } length $large, "1.2 MB in one read";
   ok $buffer eq $large, "... all right";
   my @parts = ("") x 100;
   for my $i (0 .. 99) { aio_read $lf, $i * 12000, 12000, $parts[$i], 0, sub { } }
   drain;
   ok join ("", @parts) eq $large, "a hundred reads at a time";
   my $sparse = "$dir/sparse";
   open my $sp, "+>", $sparse or die "$sparse: $!";
   sysseek $sp, 5 * 2 ** 30, SEEK_SET; syswrite $sp, "far";
   passes { aio_read $sp, 5 * 2 ** 30, 10, $buffer, 0, $_[0] } 3, "beyond 4 GiB";
   is $buffer, "far", "... the right octets";
}
# with one worker, requests at the position are done in order
{
   IO::AIO::max_parallel 1;
   sysseek $fh, 0, SEEK_SET;
   my @got = ("") x 5;
   aio_read $fh, undef, 2, $got[$_], 0, sub { } for 0 .. 4;
   drain;
   is "@got", "01 23 45 67 89", "one worker: in order of submission";
   IO::AIO::min_parallel 8;
}

# ---- aio_readahead
sysseek $fh, 4, SEEK_SET;
works { aio_readahead $fh, 0, 5, $_[0] } "readahead";
works { aio_readahead $fh, 0, 1e6, $_[0] } "... more than there is";
works { aio_readahead $fh, 1e9, 1e6, $_[0] } "... beyond the end";
pos_is 4, "... leaves the position alone";
fails { aio_readahead $r, 0, 5, $_[0] } EINVAL, "readahead of a pipe: EINVAL";
fails { aio_readahead $s1, 0, 5, $_[0] } EINVAL, "... of a socket: EINVAL";
fails { aio_readahead $dirfh, 0, 5, $_[0] } EINVAL, "... of a directory: EINVAL";
fails { aio_readahead $wo, 0, 5, $_[0] } EBADF, "... of a write-only handle: EBADF";
fails { aio_readahead 999, 0, 5, $_[0] } EBADF, "... of a closed number: EBADF";

done_testing;
