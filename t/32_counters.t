# nreqs, nready, npending: who counts where.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

sub counts { join "/", IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending }

is counts, "0/0/0", "idle";

# ---- ready: nothing is executed with a limit of 0 workers ------------------

IO::AIO::max_parallel 0;
aio_nop for 1 .. 3;
is counts, "3/3/0", "ready";
is IO::AIO::poll_cb, 0, "poll_cb returns 0 with nothing pending";
is counts, "3/3/0", "and changes nothing";
is IO::AIO::nthreads, 0, "no worker exists";
IO::AIO::min_parallel 1;
aio_nop;
pending 4;
is counts, "4/0/4", "pending";
IO::AIO::poll_cb;
is counts, "0/0/0", "delivered";

# ---- executing -------------------------------------------------------------

{
   my ($gate) = park 1;
   is counts, "1/0/0", "executing: outstanding, but neither ready nor pending";
   aio_nop for 1 .. 4;
   is counts, "5/4/0", "the rest is ready, since there is one worker";
   release $gate;
   pending 5;
   is counts, "5/0/5", "all pending";
   IO::AIO::max_poll_reqs 2;
   IO::AIO::poll_cb;
   is counts, "3/0/3", "a bounded poll takes two";
   IO::AIO::max_poll_reqs 0;
   drain;
}

# ---- in the callback -------------------------------------------------------

{
   my @seen;
   aio_nop sub { push @seen, counts } for 1 .. 3;
   pending 3;
   IO::AIO::poll_cb;
   is "@seen", "2/0/2 1/0/1 0/0/0", "the request whose callback runs is out of all counters";
}

{
   my $seen;
   aio_nop sub { die "oops\n" };
   aio_nop sub { $seen = counts };
   pending 2;
   error_of { IO::AIO::poll_cb };
   is counts, "1/0/1", "one that died is done, too";
   drain;
   is $seen, "0/0/0", "the other is delivered later";
}

# ---- cancelled -------------------------------------------------------------

{
   my ($gate) = park 1;
   my @req = map scalar (aio_nop sub { }), 1 .. 3;
   $req[1]->cancel;
   is counts, "4/3/0", "a cancelled request stays counted";
   release $gate;
   pending 4;
   is counts, "4/0/4", "passes through the queues";
   $req[2]->cancel;
   is counts, "4/0/4", "also if cancelled late";
   IO::AIO::poll_cb;
   is counts, "0/0/0", "and leaves when a poll takes it";
}

# ---- groups ----------------------------------------------------------------

aio_group;
is counts, "1/0/1", "a group is pending from birth";
IO::AIO::poll_cb;
is counts, "0/0/0", "an empty one ends in the next poll";

{
   my ($gate) = park 1;
   my @seen;
   my $group = aio_group sub { push @seen, counts };
   add $group $gate->{req};
   is counts, "2/0/1", "a group and its member";
   IO::AIO::poll_cb;
   is counts, "1/0/0", "a group that has to wait leaves the counters when first looked at";
   release $gate;
   drain;
   is "@seen", "0/0/0", "and is not counted when it ends";
}

# ---- directory objects -----------------------------------------------------

{
   my $wd;
   aio_wd scratch, sub { $wd = $_[0] };
   drain;
   is ref $wd, "IO::AIO::WD", "have an object";
   undef $wd;
   is IO::AIO::nreqs, 1, "giving it up adds a request of its own";
   drain;
   is counts, "0/0/0", "which is taken by a poll";
}

# ---- never out of step -----------------------------------------------------

{
   IO::AIO::min_parallel 8;
   my ($bad, $n) = (0, 0);
   my $look = sub {
      my ($reqs, $ready, $pending) = (IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending);
      # Workers move requests on between the calls: ready to pending only.
      $bad++ if $ready < 0 || $pending < 0 || $ready > $reqs || IO::AIO::npending > IO::AIO::nreqs;
   };
   for (1 .. 500) {
      aio_nop sub { $n++; $look->() };
      $look->();
      IO::AIO::poll_cb if $_ % 7 == 0;
   }
   drain;
   is $n, 500, "500 results";
   is $bad, 0, "no counter was negative or above nreqs";
   is counts, "0/0/0", "all are 0 in the end";
}

done_testing;
