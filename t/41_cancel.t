# Cancelling: no callback, no system call if it has not begun, everything
# released, nothing lost.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Fcntl qw(O_RDONLY);
use Test::More;
use IO::AIO;

my $dir = scratch;
my $freed = 0;
sub Guard::DESTROY { $freed++ }
sub guard { bless [], "Guard" }
sub never { fail "a cancelled request called back" }

# ---- ready -----------------------------------------------------------------

{
   IO::AIO::max_parallel 0;
   my $req;
   { my $guard = guard; $req = aio_mkdir "$dir/never", 0700, sub { never $guard } }
   is IO::AIO::nready, 1, "an unexecuted request counts as ready";
   is_deeply [$req->cancel], [], "cancel returns nothing";
   is IO::AIO::nreqs, 1, "the request stays counted";
   IO::AIO::min_parallel 1;
   drain;
   ok !-e "$dir/never", "its system call was skipped";
   is IO::AIO::nreqs, 0, "it is no longer outstanding";
   is $freed, 1, "its callback was released";
   $req->cancel;
   pass "cancelling again does nothing";
}

# ---- executing -------------------------------------------------------------

# A worker that has taken a request and lost its processor before the call makes
# no call when it is back, so this may take some tries.
{
   my $rest;
   for (1 .. 20) {
      pipe my $r, my $w or die;
      my $buffer = "old";
      my $req = aio_read $r, undef, 4, $buffer, 0, sub { never };
      executing 1;
      $req->cancel;
      is IO::AIO::nreqs, 1, "a request that executes runs to its end";
      syswrite $w, "data";
      pending 1;
      drain;
      is error_of { $buffer = "x" }, "", "the buffer of a cancelled read is writable again";
      syswrite $w, "more";
      sysread $r, $rest, 10;
      last if $rest eq "more";
   }
   is $rest, "more", "the call had been made: only later data is left";
}

# ---- pending ---------------------------------------------------------------

{
   my $req = aio_mkdir "$dir/made", 0700, sub { never };
   pending 1;
   $req->cancel;
   drain;
   ok -d "$dir/made", "a pending request has been executed";
   is IO::AIO::nreqs, 0, "its result is dropped";
}

# ---- in callbacks ----------------------------------------------------------

{
   my ($n, $req) = (0);
   $req = aio_nop sub { $req->cancel; $n++ };
   drain;
   is $n, 1, "cancelling in the own callback does nothing";
   undef $req;
   my @req;
   @req = map scalar (aio_nop sub { $n++; $_->cancel for @req }), 1 .. 5;
   $n = 0;
   pending 5;
   drain;
   is $n, 1, "a callback can cancel other pending requests";
   @req = ();
}

{
   my $req = aio_nop sub { never };
   $req->cancel;
   $req->cb (sub { never });
   drain;
   pass "a new cb does not revive a cancelled request";
}

# ---- what it holds ---------------------------------------------------------

{
   IO::AIO::max_parallel 0;
   spew "$dir/f", "content";
   my $before = open_fds;
   my ($req, $buffer) = (undef, "old");
   {
      open my $fh, "<", "$dir/f" or die;
      $req = aio_read $fh, 0, 7, $buffer, 0, sub { never };
   }
   is open_fds, $before + 1, "the handle is held";
   like error_of { $buffer = "x" }, qr/read-only/, "the buffer is held";
   $req->cancel;
   IO::AIO::min_parallel 1;
   drain;
   is open_fds, $before, "the handle is released";
   is $buffer, "old", "the buffer was not touched";
   is error_of { $buffer = "x" }, "", "and is writable";
}

{
   my $before = open_fds;
   IO::AIO::max_parallel 0;
   $_->cancel for map scalar (aio_open "$dir/f", O_RDONLY, 0, sub { never }), 1 .. 10;
   IO::AIO::min_parallel 1;
   drain;
   is open_fds, $before, "opens cancelled before execution open nothing";
   my @req = map scalar (aio_open "$dir/f", O_RDONLY, 0, sub { never }), 1 .. 10;
   pending 10;
   $_->cancel for @req;
   drain;
   is open_fds, $before, "opens cancelled after execution close what they opened";
}

# ---- many ------------------------------------------------------------------

{
   IO::AIO::min_parallel 4;
   srand 1;
   my (@req, %called, %cancelled);
   for my $i (1 .. 2000) {
      push @req, [$i, scalar aio_nop sub { $called{$i}++ }];
      if (rand > 0.5) {
         my $which = $req[rand @req];
         # Only what has not called back yet can be cancelled.
         $cancelled{$which->[0]} = 1 unless $called{$which->[0]};
         $which->[1]->cancel;
      }
      IO::AIO::poll_cb if rand > 0.9;
   }
   drain;
   is scalar (grep $cancelled{$_}, keys %called), 0, "of 2000 requests no cancelled one called back";
   is keys (%called) + keys (%cancelled), 2000, "each other one did";
   is scalar (grep $_ != 1, values %called), 0, "once";
}

# ---- groups and their members ----------------------------------------------

{
   IO::AIO::max_parallel 0;
   my $n = 0;
   my $group = aio_group sub { $n++ };
   my $req = aio_nop sub { never };
   add $group $req;
   $req->cancel;
   IO::AIO::poll_cb;
   is $n, 0, "a cancelled member keeps its place in the group";
   IO::AIO::min_parallel 1;
   drain;
   is $n, 1, "until it has passed through the queues";
}

done_testing;
