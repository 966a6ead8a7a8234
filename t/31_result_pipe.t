# The descriptor behind poll_fileno: readable exactly while results wait.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Fcntl qw(F_GETFD F_GETFL FD_CLOEXEC O_NONBLOCK);
use Test::More;
use IO::AIO;

my $fd = IO::AIO::poll_fileno;
like $fd, qr/^\d+\z/, "poll_fileno is a number";
cmp_ok $fd, ">", 2, "above the standard descriptors";
ok !readable, "quiet before anything is submitted";

# The handle is kept to the end: closing it would close the descriptor.
open our $handle, "+<&=", $fd or die "fdopen: $!";
is fileno $handle, $fd, "a handle can be made of it";
ok +(fcntl $handle, F_GETFL, 0) & O_NONBLOCK, "non-blocking";
ok +(fcntl $handle, F_GETFD, 0) & FD_CLOEXEC, "close-on-exec";

SKIP: {
   $^O eq "linux" && -d "/proc/self/fd" or skip "no /proc/self/fd to look into", 1;
   like readlink "/proc/self/fd/$fd", qr/eventfd/, "an eventfd";
}

{
   my $n = sysread $handle, my $data, 8;
   ok !defined $n && $!{EAGAIN}, "reading the quiet descriptor gives EAGAIN";
}

# ---- both edges ------------------------------------------------------------

aio_nop;
pending 1;
ok readable 5, "readable when a result is pending";
ok readable, "and stays so";
IO::AIO::poll_cb;
ok !readable, "quiet when the last one is taken";

aio_nop for 1 .. 5;
pending 5;
ok readable 5, "readable";
IO::AIO::poll_cb;
ok !readable, "quiet after a full drain";

{
   my ($early, $late) = (0, 0);
   for (1 .. 300) {
      aio_nop;
      readable 10 or $late++;
      IO::AIO::poll_cb;
      $early++ if IO::AIO::npending == 0 && readable;
   }
   drain;
   is $late, 0, "each of 300 lone results makes it readable";
   is $early, 0, "each poll makes it quiet";
}

# ---- polls cut short -------------------------------------------------------

IO::AIO::max_poll_reqs 2;
aio_nop for 1 .. 5;
pending 5;
IO::AIO::poll_cb;
ok readable, "readable after a poll that stopped at max_poll_reqs";
IO::AIO::max_poll_reqs 0;
IO::AIO::poll_cb;
ok !readable, "quiet after the rest";

IO::AIO::max_poll_time 0.005;
aio_nop sub { select undef, undef, undef, 0.02 } for 1 .. 3;
pending 3;
IO::AIO::poll_cb;
ok readable, "readable after a poll that stopped at max_poll_time";
IO::AIO::max_poll_time 0;
drain;

aioreq_pri (1);
aio_nop sub { die "oops\n" };
aio_nop sub { };
pending 2;
is error_of { IO::AIO::poll_cb }, "oops\n", "a callback dies";
is IO::AIO::npending, 1, "while another result waits";
ok readable, "readable after that";
drain;
ok !readable, "quiet after the rest";

aio_nop sub { die "oops\n" };
pending 1;
error_of { IO::AIO::poll_cb };
ok !readable, "quiet if the one that died was the last";

# ---- poll_wait spares the worker a write, not the program an event ---------

{
   my $bad = 0;
   for (1 .. 100) {
      aio_nop;
      IO::AIO::poll_wait;
      readable 10 or $bad++;
      IO::AIO::poll_cb;
   }
   drain;
   is $bad, 0, "readable after poll_wait, 100 times";
}

# ---- what else makes it readable -------------------------------------------

{
   my $req = aio_nop sub { fail "a cancelled request called back" };
   $req->cancel;
   pending 1;
   ok readable 5, "a cancelled request makes it readable";
   IO::AIO::poll_cb;
   ok !readable, "quiet again";
}

aio_group sub { };
ok readable 5, "a new group makes it readable";
IO::AIO::poll_cb;
ok !readable, "quiet again";

{
   my $done = 0;
   my ($gate) = park 1;
   my $group = aio_group sub { $done++ };
   add $group $gate->{req};
   IO::AIO::poll_cb;
   ok !readable 0.05, "a group that waits for members does not";
   release $gate;
   ok readable 10, "its member does";
   drain;
   is $done, 1, "both were delivered";
}

{
   my $wd;
   aio_wd scratch, sub { $wd = $_[0] };
   drain;
   ok !readable, "quiet with a directory object at hand";
   undef $wd;
   ok readable 10, "giving it up makes the descriptor readable";
   drain;
}

# ---- the number ------------------------------------------------------------

{
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      print IO::AIO::poll_fileno, " ";
      IO::AIO::reinit;
      print IO::AIO::poll_fileno, " ";
      print +(fcntl $handle, F_GETFL, 0) & O_NONBLOCK ? "non-blocking" : "blocking";
   };
   is "$status: $output", "exit 0: $fd $fd non-blocking", "reinit keeps the number";
}

IO::AIO::max_parallel 0;
IO::AIO::min_parallel 3;
aio_nop for 1 .. 20;
drain;
is IO::AIO::poll_fileno, $fd, "the number never changes";

{
   # Standard descriptors that are closed must not be taken by accident: a
   # program may open them later, in the usual way.
   my ($status, $output) = run_perl <<'PROGRAM';
aio_nop sub { print "delivered " };
my $r = ""; vec ($r, IO::AIO::poll_fileno, 1) = 1;
print scalar (select $r, undef, undef, 10), " ";
IO::AIO::poll_cb;
system $^X, "-e", 'exit (open (my $fh, "<&=", shift) && readlink ("/proc/self/fd/" . fileno $fh) =~ /eventfd/ ? 1 : 0)', IO::AIO::poll_fileno;
print $? >> 8;
PROGRAM
   is "$status: $output", "exit 0: 1 delivered 0", "a program that is run does not inherit it";
}

done_testing;
