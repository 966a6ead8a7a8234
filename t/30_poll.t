# Delivery: which results poll_cb takes, in which order, and what a callback
# sees; poll_wait, poll and flush.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }

# ---- nothing to do ---------------------------------------------------------

is IO::AIO::poll_cb, 0, "poll_cb returns 0 when idle";
is IO::AIO::poll, 0, "poll returns at once when idle";
is_deeply [IO::AIO::poll_wait], [], "poll_wait returns at once, and nothing";
is_deeply [IO::AIO::flush], [], "flush returns at once, and nothing";

# ---- a result is delivered once --------------------------------------------

aio_nop sub { push @log, "nop(" . @_ . ")" };
pending 1;
is take, "", "no callback runs before a poll";
is IO::AIO::poll_cb, 0, "poll_cb returns 0 when nothing is left";
is take, "nop(0)", "the callback ran";
is IO::AIO::poll_cb, 0, "another poll";
is take, "", "delivers nothing twice";

aio_nop sub { push @log, "a" };
pending 1;
&IO::AIO::poll_cb ("any", "arguments");
is take, "a", "arguments are ignored when called with &";

my $poll = \&IO::AIO::poll_cb;
aio_nop sub { push @log, "b" };
pending 1;
$poll->(1, 2, 3);
is take, "b", "and through a reference, as event loops do";

{
   my %seen;
   for my $i (1 .. 3000) {
      aio_nop sub { $seen{$i}++ };
   }
   drain;
   is keys %seen, 3000, "3000 results arrive";
   is_deeply [grep $_ != 1, values %seen], [], "each of them once";
}

# ---- order -----------------------------------------------------------------

IO::AIO::max_parallel 1;
aio_nop;
drain;   # the one worker is there

{
   my ($gate) = park 1;
   for my $i (1 .. 3) {
      for my $pri (-1, 2, 0) {
         aioreq_pri ($pri);
         aio_nop sub { push @log, "$pri.$i" };
      }
   }
   release $gate;
   pending 10;
   IO::AIO::poll_cb;
   is take, "2.1 2.2 2.3 0.1 0.2 0.3 -1.1 -1.2 -1.3", "highest priority first, then in order of arrival";
}

# Arrival counts, not submission: the low one arrives first, but both are
# pending when the poll looks.
aioreq_pri (-4);
aio_nop sub { push @log, "low" };
pending 1;
aioreq_pri (4);
aio_nop sub { push @log, "high" };
pending 2;
IO::AIO::poll_cb;
is take, "high low", "the result lanes are ordered, too";

# ---- what a callback sees --------------------------------------------------

aio_nop sub { push @log, defined wantarray ? "not void" : "void"; "ignored" };
drain;
is take, "void", "callbacks run in void context";

for my $topic ("untouched") {
   local $_ = $topic;
   aio_nop sub { push @log, $_ };
   drain;
   is take, "untouched", "\$_ is the caller's";
   is $_, "untouched", "and stays so";
}

eval { die "leftover\n" };
aio_nop sub { push @log, "<$@>" };
IO::AIO::flush;
is take, "<>", "\$\@ is empty when a callback begins";
$@ = "";

{
   my @kept;
   my $dir = scratch;
   aio_stat $dir, sub { push @kept, \$_[0] };
   aio_stat "$dir/missing", sub { push @kept, \$_[0] };
   aio_readdir $dir, sub { push @kept, \$_[0] };
   IO::AIO::flush;
   aio_nop for 1 .. 100;
   aio_stat "$dir/missing", sub { } for 1 .. 10;
   IO::AIO::flush;
   my @sorted = sort map { ref $$_ ? "array" : $$_ } @kept;
   is "@sorted", "-1 0 array", "values in \@_ stay valid if references to them are kept";
}

aio_stat scratch . "/missing", sub { push @log, $!{ENOENT} ? "ENOENT" : "other" };
$! = 0;
drain;
is take, "ENOENT", "\$! is the error of a failed request";

aio_nop sub { push @log, IO::AIO::nreqs };
drain;
is take, "0", "the request whose callback runs is no longer outstanding";

# ---- requests submitted by callbacks ---------------------------------------

aio_nop sub {
   push @log, "outer";
   aio_nop sub { push @log, "inner"; aio_nop sub { push @log, "innermost" } };
};
IO::AIO::flush;
is take, "outer inner innermost", "flush serves what callbacks submit";

aio_nop sub { push @log, "outer"; aio_nop sub { push @log, "inner" }; pending 1 };
pending 1;
is IO::AIO::poll_cb, 0, "poll_cb";
is take, "outer inner", "serves them, too, if they are pending before it ends";

# ---- poll_wait, poll, flush ------------------------------------------------

aio_nop sub { push @log, "x" };
IO::AIO::poll_wait;
is take, "", "poll_wait delivers nothing";
is IO::AIO::npending, 1, "it returns when a result is pending";
ok readable 1, "and leaves the descriptor readable";
IO::AIO::poll_wait;
pass "it returns at once if a result is pending";
IO::AIO::poll_cb;
is take, "x", "the result is still to be had";

aio_nop sub { push @log, "x" };
is scalar IO::AIO::poll, 0, "poll waits, delivers, and returns what poll_cb returns";
is take, "x", "the result was delivered";

{
   my ($gate) = park 1, sub { push @log, "parked" };
   my $first = aio_nop sub { push @log, "after" };
   release $gate;
   IO::AIO::flush;
   is take, "parked after", "flush returns when nothing is outstanding";
   is IO::AIO::nreqs, 0, "nothing is";
}

IO::AIO::max_poll_reqs 1;
aio_nop sub { push @log, $_[0] // "nop" } for 1 .. 5;
pending 2;
is IO::AIO::poll, -1, "poll returns -1 if poll_cb stopped at a limit";
IO::AIO::flush;
is take, "nop nop nop nop nop", "flush is not cut short by max_poll_reqs";
IO::AIO::max_poll_reqs 0;

done_testing;
