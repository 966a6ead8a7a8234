# Contract: aio_sendfile.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF ENOSPC EPIPE ESPIPE EAGAIN EINVAL EISDIR);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Socket;

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
open my $in, "<", $file or die;
open my $out, "+>", "$dir/out" or die;
sub again { truncate $out, 0; sysseek $out, 0, SEEK_SET }
sub pos_of { sysseek ($_[0], 0, SEEK_CUR) + 0 }

passes { aio_sendfile $out, $in, 2, 5, $_[0] } 5, "file to file";
is slurp ("$dir/out"), "23456", "... the right part";
is pos_of ($in), 0, "... the input's position stays";
is pos_of ($out), 5, "... the output's moves";
passes { aio_sendfile $out, $in, 0, 2, $_[0] } 2, "again";
is slurp ("$dir/out"), "2345601", "... goes on from there";
again;
passes { aio_sendfile $out, $in, 7, 100, $_[0] } 3, "over the end is short";
passes { aio_sendfile $out, $in, 10, 5, $_[0] } 0, "at the end gives 0";
passes { aio_sendfile $out, $in, 1e6, 5, $_[0] } 0, "beyond the end gives 0";
passes { aio_sendfile $out, $in, 0, 0, $_[0] } 0, "length 0 gives 0";
is slurp ("$dir/out"), "789", "... and nothing more was written";
passes { aio_sendfile 999, 998, 0, 0, $_[0] } 0, "length 0 touches nothing";

# pipes and sockets
pipe my $r, my $w or die;
passes { aio_sendfile $w, $in, 1, 4, $_[0] } 4, "file to pipe";
sysread $r, my $got, 100;
is $got, "1234", "... arrives";
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
passes { aio_sendfile $s1, $in, 3, 100, $_[0] } 7, "file to socket";
sysread $s2, $got, 100;
is $got, "3456789", "... arrives";

# non-blocking output
spew "$dir/large", "L" x 3_000_000;
open my $large, "<", "$dir/large" or die;
fcntl $s1, F_SETFL, O_RDWR | O_NONBLOCK or die;
{
   my $n = (run { aio_sendfile $s1, $large, 0, 3_000_000, $_[0] })->{args}[0];
   ok $n > 0 && $n < 3_000_000, "a non-blocking socket takes what fits";
   # the kernel may still find room for a little more
   my $last;
   for (1 .. 1000) {
      $last = run { aio_sendfile $s1, $large, 0, 3_000_000, $_[0] };
      last if $last->{args}[0] < 0;
   }
   ok $last->{args}[0] == -1 && $last->{errno} == EAGAIN, "... then EAGAIN";
}
again;
passes { aio_sendfile $out, $large, 0, 3_000_000, $_[0] } 3_000_000, "three million octets";
ok slurp ("$dir/out") eq "L" x 3_000_000, "... all of them";

# where the kernel does not want to
again;
syswrite $out, "old";
open my $append, ">>", "$dir/out" or die;
passes { aio_sendfile $append, $in, 2, 3, $_[0] } 3, "a handle that appends";
is slurp ("$dir/out"), "old234", "... appends";
passes { aio_sendfile $append, $large, 0, 200_000, $_[0] } 200_000, "... also much";
is -s "$dir/out", 200_006, "... completely";
SKIP: {
   open my $zero, "<", "/dev/zero" or skip "no /dev/zero here", 2;
   again;
   passes { aio_sendfile $out, $zero, 0, 100, $_[0] } 100, "a device as input";
   is slurp ("$dir/out"), "\0" x 100, "... gives what it gives";
}
open my $dirfh, "<", $dir or die;
fails { aio_sendfile $out, $dirfh, 0, 10, $_[0] } EISDIR, "a directory as input: EISDIR";

# errors
fails { aio_sendfile $out, $r, 0, 10, $_[0] } ESPIPE, "a pipe as input: ESPIPE";
fails { aio_sendfile $out, $s2, 0, 10, $_[0] } ESPIPE, "a socket as input: ESPIPE";
fails { aio_sendfile $out, $in, -1, 10, $_[0] } EINVAL, "a negative offset: EINVAL";
fails { aio_sendfile 999, $in, 0, 10, $_[0] } EBADF, "a closed output: EBADF";
fails { aio_sendfile $out, 999, 0, 10, $_[0] } EBADF, "a closed input: EBADF";
fails { aio_sendfile $out, fileno $append, 0, 10, $_[0] } EBADF, "a write-only input: EBADF";
fails { aio_sendfile fileno $in, $in, 0, 10, $_[0] } EBADF, "a read-only output: EBADF";
SKIP: {
   -e "/dev/full" && open my $full, ">", "/dev/full" or skip "no /dev/full here", 1;
   fails { aio_sendfile $full, $in, 0, 10, $_[0] } ENOSPC, "a full device: ENOSPC";
}
{
   my $signals = 0;
   local $SIG{PIPE} = sub { $signals++ };
   close $r;
   fails { aio_sendfile $w, $in, 0, 10, $_[0] } EPIPE, "a broken pipe: EPIPE";
   is $signals, 0, "... and no SIGPIPE";
}
is slurp ($file), "0123456789", "the input never changed";

done_testing;
