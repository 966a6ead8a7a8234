# Contract: aio_write.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF ENOSPC EPIPE ESPIPE EFBIG EAGAIN EPERM);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Socket;

my $dir  = scratch;
my $file = spew "$dir/file", "..........";
open my $fh, "+<", $file or die;
sub again { sysseek $fh, 0, SEEK_SET; truncate $fh, 0; syswrite $fh, ".........."; sysseek $fh, $_[0] || 0, SEEK_SET }
sub content { my ($want, $name) = @_; local $Test::Builder::Level = 2; is slurp ($file), $want, $name }
my $data = "abcdef";

# ---- offset
passes { aio_write $fh, 2, 3, $data, 0, $_[0] } 3, "a write at an offset";
content "..abc.....", "... goes there";
is sysseek ($fh, 0, SEEK_CUR) + 0, 0, "... and leaves the position alone";
again 4;
passes { aio_write $fh, undef, 3, $data, 0, $_[0] } 3, "an undefined offset is the position";
content "....abc...", "... goes there";
is sysseek ($fh, 0, SEEK_CUR), 7, "... and moves it";
passes { aio_write $fh, -1, 1, $data, 0, $_[0] } 1, "so is a negative one";
content "....abca..", "... goes to the position";
passes { aio_write $fh, 12, 1, $data, 0, $_[0] } 1, "beyond the end";
content "....abca..\0\0a", "... leaves a hole";
again;

# ---- length, position in the data
for (
   ["a length",                     3,     0,  "abc......."],
   ["an undefined length is all",   undef, 0,  "abcdef...."],
   ["more than is there is all",    99,    0,  "abcdef...."],
   ["from the middle",              2,     3,  "de........"],
   ["the rest from the middle",     undef, 3,  "def......."],
   ["more than the rest",           99,    4,  "ef........"],
   ["from before the end",          undef, -2, "ef........"],
   ["from minus the length",        1,     -6, "a........."],
   ["nothing at the end",           undef, 6,  ".........."],
   ["nothing",                      0,     0,  ".........."],
) {
   my ($name, $length, $offset, $want) = @$_;
   again;
   my $n = () = $want =~ /[a-f]/g;
   passes { aio_write $fh, 0, $length, $data, $offset, $_[0] } $n, "$name: count";
   content $want, "$name: data";
   is $data, "abcdef", "$name: the scalar is not changed";
}
refused { aio_write $fh, 0, 1, $data, 7, $_[0] }  qr/^dataoffset outside of data scalar/, "a position beyond the end is refused";
refused { aio_write $fh, 0, 1, $data, -7, $_[0] } qr/^dataoffset outside of data scalar/, "a position before the start is refused";
refused { aio_write $fh, 0, 1, undef, 1, $_[0] }  qr/^dataoffset outside of data scalar/, "undef has length 0";
refused { aio_write $fh, 0, 1, "\x{100}", 0, $_[0] } qr/^"data" argument must be byte\/octet-encoded/, "wide characters are refused";
content "..........", "... and nothing written";

# ---- kinds of data
for (
   ["a constant",         sub { aio_write $fh, 0, undef, "const", 0, $_[0] }, "const....."],
   ["an integer",         sub { aio_write $fh, 0, undef, 12345, 0, $_[0] },   "12345....."],
   ["a fraction",         sub { aio_write $fh, 0, undef, 1.5, 0, $_[0] },     "1.5......."],
   ["undef",              sub { no warnings; aio_write $fh, 0, undef, undef, 0, $_[0] }, ".........."],
   ["a result",           sub { aio_write $fh, 0, undef, "x" . "y" x 2, 0, $_[0] }, "xyy......."],
   ["a substr",           sub { aio_write $fh, 0, undef, (substr $data, 1, 2), 0, $_[0] }, "bc........"],
   ["octets with NUL",    sub { aio_write $fh, 0, undef, "\0\xff\0", 0, $_[0] }, "\0\xff\0......."],
) {
   my ($name, $call, $want) = @$_;
   again;
   run { $call->($_[0]) };
   content $want, "$name";
}
{
   again;
   my $number = 77;
   run { aio_write $fh, 0, undef, $number, 0, $_[0] };
   content "77........", "a number is written as its text";
   is $number + 1, 78, "... and stays one";
   my $text = "caf\xe9";
   utf8::upgrade $text;
   run { aio_write $fh, 0, undef, $text, 0, $_[0] };
   content "caf\xe9......", "an upgraded string is written as octets";
   is $text, "caf\xe9", "... and stays the same";
   my $fresh;
   passes { no warnings; aio_write $fh, 0, undef, $fresh, 0, $_[0] } 0, "an undefined scalar is nothing";
   is $fresh, undef, "... and stays undefined";
}
{
   again;
   hold;
   {
      my $gone = "gone soon";
      aio_write $fh, 0, undef, $gone, 0;
      my $later = "!";
      aio_write $fh, 9, 1, $later, 0;
   }
   release 1;
   content "gone soon!", "data whose scalar goes is written";
}

# ---- append
open my $append, ">>", $file or die;
again;
passes { aio_write $append, 0, 3, $data, 0, $_[0] } 3, "a handle that appends";
content "..........abc", "... appends whatever the offset";

# ---- errors
open my $ro, "<", $file or die;
fails { aio_write fileno $ro, 0, 3, $data, 0, $_[0] } EBADF, "a read-only number: EBADF";
pipe my $r, my $w or die;
fails { aio_write $w, 0, 3, $data, 0, $_[0] } ESPIPE, "a pipe at an offset: ESPIPE";
passes { aio_write $w, undef, 3, $data, 0, $_[0] } 3, "a pipe";
is sysread ($r, my $got, 10), 3, "... gets it";
fcntl $w, F_SETFL, O_WRONLY | O_NONBLOCK or die;
{
   my $big = "x" x 2_000_000;
   my $n = (run { aio_write $w, undef, undef, $big, 0, $_[0] })->{args}[0];
   ok $n > 0 && $n < length $big, "a non-blocking pipe takes what fits";
   fails { aio_write $w, undef, undef, $big, 0, $_[0] } EAGAIN, "... then EAGAIN";
}
{
   my $signals = 0;
   local $SIG{PIPE} = sub { $signals++ };
   local $SIG{XFSZ} = sub { $signals++ };
   close $r;
   fails { aio_write $w, undef, 3, $data, 0, $_[0] } EPIPE, "a broken pipe: EPIPE";
   is $signals, 0, "... and no SIGPIPE";
   socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
   passes { aio_write $s1, undef, 3, $data, 0, $_[0] } 3, "a socket";
   close $s2;
   fails { aio_write $s1, undef, 3, $data, 0, $_[0] } EPIPE, "... without peer: EPIPE";
   is $signals, 0, "... and no SIGPIPE";
}
SKIP: {
   -e "/dev/full" && open my $full, ">", "/dev/full" or skip "no /dev/full here", 1;
   fails { aio_write $full, undef, 3, $data, 0, $_[0] } ENOSPC, "a full device: ENOSPC";
}
SKIP: {
   my $mem = IO::AIO::MFD_ALLOW_SEALING () ? IO::AIO::memfd_create ("sealed", IO::AIO::MFD_ALLOW_SEALING ()) : undef;
   $mem or skip "no memory files that can be sealed here", 3;
   truncate $mem, 10;
   passes { aio_fcntl $mem, IO::AIO::F_ADD_SEALS (), IO::AIO::F_SEAL_WRITE () | IO::AIO::F_SEAL_SHRINK (), $_[0] } 0, "sealing a memory file";
   fails { aio_write $mem, 0, 3, $data, 0, $_[0] } EPERM, "... makes writing EPERM";
   fails { aio_truncate $mem, 0, $_[0] } EPERM, "... and shrinking";
}
{
   # the limit holds for a whole process
   my $shell = qx{/bin/sh -c 'ulimit -f 1 && echo yes' 2>/dev/null};
   SKIP: {
      $shell && $shell =~ /yes/ or skip "this system's shell has no file size limit", 1;
      open my $out, "-|", "/bin/sh", "-c", 'ulimit -f 1; exec "$@"', "sh", $^X, (map { "-I$_" } grep { !ref } @INC), "-e", <<'CHILD', "$dir/limited" or die;
         use IO::AIO;
         open my $fh, "+>", $ARGV[0] or die;
         alarm 60;
         my $data = "x" x 4096;
         aio_write $fh, 1 << 20, undef, $data, 0, sub { print "$_[0] ", $!{EFBIG} ? "EFBIG" : $! };
         IO::AIO::flush;
CHILD
      local $/;
      my $said = <$out>;
      close $out;
      is "$said $?", "-1 EFBIG 0", "a file beyond its limit: EFBIG, and no SIGXFSZ";
   }
}

done_testing;
