# pipe2, pipesize, splice, tee, sendfile, fadvise, accept4.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Fcntl qw(F_GETFD F_GETFL F_SETFL FD_CLOEXEC O_NONBLOCK O_APPEND);
use Socket;
use Test::More;
use IO::AIO;

my $mode = qr/illegal fh argument.*mode mismatch/;
my $file = spew scratch . "/in", "0123456789abcdef";
open my $in, "<", $file or die;
open my $closed, "<", $file or die;
close $closed;

# "result errno" of a call that fails, else the result
sub result (&) { my ($r, $e) = &errno_of; defined $r && $r >= 0 ? $r : join " ", $r // "undef", $e }
sub got { my ($fh, $max) = @_; my $n = sysread $fh, my $data, $max || 1000; defined $n ? $data : $!{EAGAIN} ? "EAGAIN" : "error $!" }

# ---- pipe2 -----------------------------------------------------------------

my ($r, $w) = IO::AIO::pipe2;
is ref \$r, "GLOB", "pipe2 gives two globs";
is ref \$w, "GLOB", "not references";
cmp_ok fileno $r, ">", 2, "with descriptors";
is syswrite ($w, "hello"), 5, "the second writes";
is got ($r), "hello", "the first reads";
{
   no warnings;
   ok !defined syswrite ($r, "x"), "not the other way";
   ok !defined sysread ($w, my $data, 1), "round";
}
ok +(fcntl $r, F_GETFD, 0) & FD_CLOEXEC, "close-on-exec, as with perl's own open";
{
   my ($nr, $nw) = IO::AIO::pipe2 IO::AIO::O_NONBLOCK;
   is got ($nr), "EAGAIN", "flags are heeded";
   my $copy = $nr;
   undef $nr;
   syswrite $nw, "x";
   is got ($copy), "x", "a copy of a handle works";
   my $before = open_fds;
   undef $copy;
   is open_fds, $before - 1, "dropping the last one closes it";
   undef $nw;
   is open_fds, $before - 2, "so does the other";
}
{
   $! = 0;
   my @none = IO::AIO::pipe2 O_APPEND;
   is_deeply \@none, [], "nothing on failure";
   ok $!{EINVAL}, "EINVAL";
}

# ---- pipesize --------------------------------------------------------------

SKIP: {
   my $size = IO::AIO::pipesize $r;
   $size > 0 or skip "this system does not tell the size of a pipe", 7;
   is IO::AIO::pipesize ($w), $size, "pipesize is the same on both ends";
   is IO::AIO::pipesize ($r, 8192), 8192, "setting it returns the new size";
   is IO::AIO::pipesize ($w), 8192, "which is set";
   cmp_ok IO::AIO::pipesize ($w, 5000), ">=", 5000, "rounded up";
   is IO::AIO::pipesize ($w, -1), IO::AIO::pipesize ($w), "a negative one only asks";
   is result { IO::AIO::pipesize $in }, "-1 9", "of a file: EBADF";
   like error_of { IO::AIO::pipesize $closed }, $mode, "a closed handle is refused";
}

# ---- splice, tee -----------------------------------------------------------

my ($probe) = result { IO::AIO::splice $in, 0, $w, undef, 8, 0 };
SKIP: {
   $probe eq "8" or skip "this system has no splice: $probe", 14;
   my ($r2, $w2) = IO::AIO::pipe2;
   is result { IO::AIO::tee $r, $w2, 5, 0 }, 5, "tee copies";
   is got ($r2), "01234", "to the other pipe";
   is got ($r), "01234567", "and leaves the first alone";
   is sysseek ($in, 0, 1) + 0, 0, "splice with an offset leaves the position alone";
   is result { IO::AIO::splice $in, 10, $w, undef, 100, IO::AIO::SPLICE_F_MOVE }, 6, "up to the end of the file";
   open my $to, "+>", scratch . "/out" or die;
   is result { IO::AIO::splice $r, undef, $to, 3, 100, 0 }, 6, "into a file at an offset";
   is slurp (scratch . "/out"), "\0\0\0abcdef", "where it arrives";
   sysseek $in, 4, 0;
   is result { IO::AIO::splice $in, undef, $w, undef, 3, 0 }, 3, "an undefined offset";
   is sysseek ($in, 0, 1), 7, "means the handle's own position";
   is got ($r), "456", "the right data";
   is result { IO::AIO::splice $in, 0, $to, 0, 5, 0 }, "-1 22", "without a pipe: EINVAL";
   is result { IO::AIO::splice $in, 0, $w, 0, 5, 0 }, "-1 29", "an offset on a pipe: ESPIPE";
   is result { IO::AIO::splice $r, undef, $w2, undef, 5, IO::AIO::SPLICE_F_NONBLOCK }, "-1 11", "an empty pipe, non-blocking: EAGAIN";
   is result { IO::AIO::tee $r, $w2, 5, IO::AIO::SPLICE_F_NONBLOCK }, "-1 11", "tee, too";
   is result { IO::AIO::tee $in, $w, 5, 0 }, "-1 22", "tee on a file: EINVAL";
   like error_of { IO::AIO::splice $closed, 0, $w, undef, 5, 0 }, $mode, "a closed handle is refused";
   close $w;
   is result { IO::AIO::splice $r, undef, $w2, undef, 10, 0 }, 0, "0 at the end";
}

# ---- sendfile --------------------------------------------------------------

{
   sysseek $in, 0, 0;
   open my $to, "+>", scratch . "/sent" or die;
   is result { IO::AIO::sendfile $to, $in, 2, 5 }, 5, "sendfile gives the bytes copied";
   is result { IO::AIO::sendfile $to, $in, 10, 100 }, 6, "up to the end";
   is slurp (scratch . "/sent"), "23456abcdef", "one after the other at the output's position";
   is result { IO::AIO::sendfile $to, $in, 0, 0 }, 0, "0 for count 0";
   is result { IO::AIO::sendfile $to, $in, 1000, 10 }, 0, "0 beyond the end";
   is sysseek ($in, 0, 1) + 0, 0, "the input position stays";
   is result { IO::AIO::sendfile fileno $to, fileno $in, 0, 3 }, 3, "descriptor numbers";
   pipe my $pr, my $pw or die;
   is result { IO::AIO::sendfile $pw, $in, 4, 6 }, 6, "into a pipe";
   is got ($pr), "456789", "arrives";
   socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
   is result { IO::AIO::sendfile $s1, $in, 0, 4 }, 4, "into a socket";
   is got ($s2), "0123", "arrives";
   open my $append, ">>", scratch . "/app" or die;
   syswrite $append, "start:";
   is result { IO::AIO::sendfile $append, $in, 0, 4 }, 4, "into a file open for appending";
   is slurp (scratch . "/app"), "start:0123", "which is appended";
   like error_of { IO::AIO::sendfile $in, $in, 0, 3 }, $mode, "an output for reading only is refused";
   like error_of { IO::AIO::sendfile $to, $closed, 0, 3 }, $mode, "a closed input, too";
   like error_of { IO::AIO::sendfile "STDOUT text", $in, 0, 3 }, $mode, "and text that is no number";
   is result { IO::AIO::sendfile 999, $in, 0, 3 }, "-1 9", "EBADF";
   is result { IO::AIO::sendfile $to, 999, 0, 3 }, "-1 9", "on both sides";
   is result { IO::AIO::sendfile $to, $in, -1, 3 }, "-1 22", "a negative offset: EINVAL";
}

# ---- fadvise ---------------------------------------------------------------

{
   local $! = 5;
   is IO::AIO::fadvise ($in, 0, 0, IO::AIO::FADV_SEQUENTIAL), 0, "fadvise returns 0";
   is IO::AIO::fadvise ($in, 4, 8, IO::AIO::FADV_WILLNEED), 0, "for a range";
   is IO::AIO::fadvise ($in, 0, 0, 77), 22, "or the error number";
   is IO::AIO::fadvise ($r, 0, 0, IO::AIO::FADV_NORMAL), 29, "ESPIPE on a pipe";
   is IO::AIO::fadvise (999, 0, 0, 0), 9, "EBADF";
   is $! + 0, 5, "and leaves \$! alone";
   like error_of { IO::AIO::fadvise -1, 0, 0, 0 }, $mode, "a negative number is refused";
}

# ---- accept4 ---------------------------------------------------------------

socket my $listen, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
SKIP: {
   bind $listen, pack_sockaddr_in 0, INADDR_LOOPBACK or skip "cannot bind to the loopback address: $!", 25;
   listen $listen, 5 or die "listen: $!";
   my $address = getsockname $listen;
   my $client = sub { socket my $c, AF_INET, SOCK_STREAM, 0; connect $c, $address or die "connect: $!"; $c };

   my $c = $client->();
   my $peer;
   my $s = IO::AIO::accept4 $listen, $peer, 128, IO::AIO::SOCK_CLOEXEC;
   defined $s or skip "this system has no accept4: $!", 25;
   is ref \$s, "GLOB", "accept4 gives a glob";
   my ($port, $ip) = sockaddr_in $peer;
   is inet_ntoa ($ip), "127.0.0.1", "the address is stored";
   is $port, (sockaddr_in getsockname $c)[0], "the port, too";
   syswrite $c, "ping";
   is got ($s), "ping", "it reads";
   syswrite $s, "pong";
   is got ($c), "pong", "and writes";
   ok +(fcntl $s, F_GETFD, 0) & FD_CLOEXEC, "close-on-exec";

   $c = $client->();
   my $untouched = "before";
   $s = IO::AIO::accept4 $listen, $untouched, 0, 0;
   is ref \$s, "GLOB", "with a maximum of 0";
   is $untouched, "before", "the variable is not touched";
   $c = $client->();
   $s = IO::AIO::accept4 $listen, undef, 0, 0;
   is ref \$s, "GLOB", "undef will do";
   $c = $client->();
   $s = IO::AIO::accept4 $listen, my $short, 4, 0;
   cmp_ok length $short, ">", 4, "too long an address shows as a string longer than the maximum";
   $c = $client->();
   my $old = "previous contents that are longer than an address";
   $s = IO::AIO::accept4 $listen, $old, 64, IO::AIO::O_NONBLOCK;
   is length $old, length $peer, "what was there is replaced";
   is got ($s), "EAGAIN", "flags are heeded";

   # Variables with a history.
   my $number = 5;
   my $both = "12"; my $sum = $both + 1;
   my $double = 1.5; my $text = "$double";
   my $ref = [1];
   my $wide = "\x{263a}";
   my %hash;
   for my $case (["a number", \$number], ["both number and text", \$both], ["a fraction used as text", \$double], ["a reference", \$ref], ["a wide string", \$wide], ["a hash element", \$hash{new}]) {
      my ($name, $var) = @$case;
      $c = $client->();
      my $s;
      is error_of { $s = IO::AIO::accept4 $listen, $$var, 64, 0 }, "", "an address variable that was $name";
      is eval { (sockaddr_in $$var)[0] }, (sockaddr_in getsockname $c)[0], "gets the address";
      # If the call died, the connection still waits; take it away.
      accept my $rest, $listen unless $s;
   }

   fcntl $listen, F_SETFL, O_NONBLOCK;
   my $none;
   is result { IO::AIO::accept4 $listen, $none, 64, 0 }, "undef 11", "nobody there: undef, EAGAIN";
   ok !defined $none, "the variable stays undefined";
   is result { IO::AIO::accept4 999, undef, 0, 0 }, "undef 9", "EBADF";
   is result { IO::AIO::accept4 $in, undef, 0, 0 }, "undef 88", "ENOTSOCK";
   $c = $client->();
   is result { IO::AIO::accept4 $listen, undef, 0, 0x12 }, "undef 22", "unknown flags: EINVAL";
}

done_testing;
