# max_poll_reqs, max_poll_time and max_outstanding.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use Time::HiRes qw(time);
use IO::AIO;

my $n = 0;
sub took { my $result = $n; $n = 0; $result }

# poll_cb's result, with the error if it is -1
sub poll_result {
   $! = 0;
   my $result = IO::AIO::poll_cb;
   $result ? "$result " . ($!{EAGAIN} ? "EAGAIN" : $! + 0) : $result
}

# ---- what comes while a poll is at it ----------------------------------------

# Callbacks that submit, and workers that are quick: the next result is there at
# once, and still no limit is passed.
for my $limit ([max_poll_reqs => 1], [max_poll_time => 1e-9]) {
   my ($name, $value) = @$limit;
   my ($most, $left) = (0, 3000);
   my $again;
   $again = sub { $n++; aio_nop $again if $left-- > 0 };
   aio_nop $again;
   IO::AIO->can ($name)->($value);
   while (IO::AIO::nreqs) {
      IO::AIO::poll_wait;
      IO::AIO::poll_cb;
      my $took = took;
      $most = $took if $took > $most;
   }
   IO::AIO->can ($name)->(0);
   is $most, 1, "$name $value: no poll takes more than one";
}

# ---- no limit ----------------------------------------------------------------

# Each callback leaves a result behind, so there is never nothing left.
{
   my ($served, $go) = (0, 1);
   my $again;
   $again = sub {
      ++$served;
      return unless $go;
      aio_nop $again;
      IO::AIO::poll_wait;
   };
   aio_nop $again;
   local $SIG{ALRM} = sub { $go = 0 };
   alarm 20;
   pending 1;
   is poll_result, "-1 EAGAIN", "a poll ends though its callbacks keep it busy";
   ok $go, "... by itself";
   cmp_ok $served, ">", 1, "... after what came while it was at it";
   ok readable, "... and the descriptor tells that something is left";
   alarm 0;
   $go = 0;
   drain;

   # What waits when the poll begins is served by it, however long that takes.
   $served = 0;
   aio_nop sub { ++$served; select undef, undef, undef, 0.0002 } for 1 .. 200;
   pending 200;
   is poll_result, 0, "a long poll serves all that waited";
   is $served, 200, "... to the last";
}

# ---- max_poll_reqs ---------------------------------------------------------

is_deeply [IO::AIO::max_poll_reqs 2], [], "max_poll_reqs returns nothing";
aio_nop sub { $n++ } for 1 .. 5;
pending 5;
is poll_result, "-1 EAGAIN", "a poll that stopped at the limit";
is took, 2, "took as many as allowed";
is poll_result, "-1 EAGAIN", "again";
is took, 2, "the next two";
is poll_result, 0, "0 when nothing is left below the limit";
is took, 1, "the last one";

{
   my @req = map scalar (aio_nop sub { $n++ }), 1 .. 4;
   $_->cancel for @req[0, 1];
   aio_nop for 1 .. 2;
   pending 6;
   IO::AIO::poll_cb;
   is IO::AIO::npending, 4, "cancelled requests count";
   drain;
   is took, 2, "the others were delivered";
}

aio_nop for 1 .. 5;
pending 5;
IO::AIO::poll_cb;
is IO::AIO::npending, 3, "requests without callback count";
drain;

{
   # One worker, parked: two groups wait, and have been looked at.
   IO::AIO::max_poll_reqs 0;
   IO::AIO::max_parallel 1;
   my ($gate) = park 1;
   my @log;
   for my $i (1 .. 2) {
      my $group = aio_group sub { push @log, "group $i" };
      add $group aio_nop sub { push @log, "member $i" };
   }
   IO::AIO::poll_cb;
   release $gate;
   pending 3;
   IO::AIO::max_poll_reqs 2;
   IO::AIO::poll_cb;
   is "@log", "member 1 group 1", "a member and the group it ends count once";
   drain;
   is "@log", "member 1 group 1 member 2 group 2", "the rest in the next poll";
   IO::AIO::min_parallel 8;
}

{
   # A group that waits for members counts for no limit.
   IO::AIO::max_poll_reqs 1;
   my ($gate) = park 1;
   aioreq_pri (4);
   my $group = aio_group sub { $n += 100 };
   add $group $gate->{req};
   aio_nop sub { $n++ };
   pending 2;
   IO::AIO::poll_cb;
   is took, 1, "a waiting group is skipped and does not count";
   release $gate;
   drain;
   is took, 100, "it ends later";
}

IO::AIO::max_poll_reqs 0;
aio_nop sub { $n++ } for 1 .. 50;
pending 50;
is IO::AIO::poll_cb, 0, "0 is no limit";
is took, 50, "all taken";

# ---- max_poll_time ---------------------------------------------------------

is_deeply [IO::AIO::max_poll_time 0.01], [], "max_poll_time returns nothing";
aio_nop sub { $n++; select undef, undef, undef, 0.02 } for 1 .. 3;
pending 3;
is poll_result, "-1 EAGAIN", "a callback longer than the limit";
is took, 1, "ends the poll after itself";
is poll_result, "-1 EAGAIN", "again";
is took, 1, "and again";
drain;
took;

IO::AIO::max_poll_time 1000;
aio_nop sub { $n++ } for 1 .. 20;
pending 20;
is IO::AIO::poll_cb, 0, "a limit that is not reached";
is took, 20, "does nothing";

IO::AIO::max_poll_time 0;
aio_nop sub { $n++; select undef, undef, undef, 0.002 } for 1 .. 5;
pending 5;
is IO::AIO::poll_cb, 0, "0 is no limit";
is took, 5, "all taken";

# ---- max_outstanding -------------------------------------------------------

is_deeply [IO::AIO::max_outstanding 1], [], "max_outstanding returns nothing";
IO::AIO::aio_busy 0.01, sub { $n++ } for 1 .. 10;
is IO::AIO::nreqs, 10, "submission is never refused and never waits";
is IO::AIO::poll_cb, 0, "poll_cb with max_outstanding 1";
is took, 10, "waits until nothing is outstanding";
is IO::AIO::nreqs, 0, "nothing is";

{
   IO::AIO::max_outstanding 3;
   my @gate = park 2, sub { $n++ };
   IO::AIO::aio_busy 0.01, sub { $n++ } for 1 .. 5;
   IO::AIO::poll_cb;
   is took, 5, "with 3 it goes on";
   is IO::AIO::nreqs, 2, "until fewer than 3 are outstanding";
   release @gate;
   IO::AIO::max_outstanding 0;
   drain;
   is took, 2, "the others later";
}

{
   IO::AIO::max_outstanding 1;
   my ($gate) = park 1, sub { $n++ };
   aio_nop sub { $n++; IO::AIO::max_outstanding 0 };
   pending 1;
   IO::AIO::poll_cb;
   is took, 1, "changing it in a callback has effect at once";
   is IO::AIO::nreqs, 1, "the poll did not wait for the rest";

   IO::AIO::max_outstanding 1;
   aio_nop sub { die "oops\n" };
   pending 1;
   is error_of { IO::AIO::poll_cb }, "oops\n", "an exception ends the waiting";
   IO::AIO::max_outstanding 0;
   release $gate;
   drain;
   is took, 1, "nothing was lost";
}

{
   my ($gate) = park 1;
   my $start = time;
   IO::AIO::poll_cb;
   is IO::AIO::nreqs, 1, "off by default: poll_cb does not wait";
   release $gate;
   drain;
}

done_testing;
