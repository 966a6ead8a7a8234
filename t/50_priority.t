# aioreq_pri, aioreq_nice, and what priorities order.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }
sub logs { my @words = @_; sub { push @log, @words } }

# ---- the pending priority --------------------------------------------------

is aioreq_pri, 0, "0 at the start";
is aioreq_pri (3), 0, "setting returns the one before";
is aioreq_pri, 3, "reading does not change it";
is aioreq_pri (100), 3, "too high";
is aioreq_pri (-100), 4, "is clamped to 4";
is aioreq_pri (0), -4, "too low, to -4";
aioreq_pri (2.9);
is aioreq_pri, 2, "fractions are cut";
aioreq_pri (-1.9);
is aioreq_pri, -1, "towards 0";
aioreq_pri (0);

is_deeply [aioreq_nice 1], [], "aioreq_nice returns nothing";
is aioreq_pri, -1, "and lowers the priority";
aioreq_nice (-3);
is aioreq_pri, 2, "negative raises it";
aioreq_nice 100;
is aioreq_pri, -4, "clamped";
aioreq_nice (-100);
is aioreq_pri, 4, "on both sides";
aioreq_nice;
is aioreq_pri, 4, "0 by default";
aioreq_pri (0);

# ---- used up by ------------------------------------------------------------

for my $case (
   ["a request", sub { aio_nop }],
   ["a group", sub { my $g = aio_group }],
   ["aio_scandir", sub { aio_scandir scratch, 0 }],
   ["aio_load", sub { aio_load scratch . "/none", my $data }],
   ["aio_rmtree", sub { aio_rmtree scratch . "/none" }],
   ["aio_busy", sub { IO::AIO::aio_busy 0 }],
) {
   my ($name, $code) = @$case;
   aioreq_pri (3);
   $code->();
   is aioreq_pri (0), 0, "$name uses it up";
   drain;
}

# ---- not used up by --------------------------------------------------------

{
   my $wd;
   aio_wd scratch, sub { $wd = $_[0] };
   drain;
   my $req = aio_nop;
   my $group = aio_group;
   aioreq_pri (3);
   $req->cb (sub { });
   $req->cancel;
   $group->limit (1);
   $group->result (1);
   add $group $req;
   IO::AIO::poll_cb;
   IO::AIO::poll_wait;
   drain;
   IO::AIO::max_poll_reqs 0;
   undef $wd;
   drain;
   is aioreq_pri (0), 3, "methods, polls and a directory object given up do not";
}

for my $case (
   ["a callback that is none", sub { aio_nop [] }],
   ["a path that is none", sub { aio_stat {} }],
   ["a wide path", sub { aio_stat "\x{263a}" }],
   ["a closed handle", sub { open my $fh, "<", $0 or die; close $fh; aio_fsync $fh }],
   ["too many arguments", sub { &aio_nop (1, 2, 3) }],
   ["a refused group", sub { my $g = aio_group "no_such_sub" }],
) {
   my ($name, $code) = @$case;
   aioreq_pri (3);
   ok error_of { $code->() } ne "", "$name is refused";
   is aioreq_pri (0), 3, "and keeps the priority";
}
is IO::AIO::nreqs, 0, "nothing was queued";

# ---- in callbacks ----------------------------------------------------------

aioreq_pri (4);
aio_nop sub { push @log, aioreq_pri };
drain;
is take, "0", "a request does not hand its priority on";

aio_nop sub { push @log, aioreq_pri };
aioreq_pri (2);
drain;
is take, "2", "a callback starts with what was set before";
is aioreq_pri (0), 2, "and leaves it";

{
   my $saved = aioreq_pri (1);
   my $group = aio_group;
   aioreq_pri ($saved);
   is aioreq_pri, 0, "saving and restoring around a group";
   drain;
}

# ---- order of execution ----------------------------------------------------

IO::AIO::max_parallel 1;
{
   my ($gate) = park 1;
   my $file = spew scratch . "/order", "";
   open my $fh, ">>", $file or die;
   for my $pri (-4 .. 4, -4 .. 4) {
      aioreq_pri ($pri);
      aio_write $fh, undef, 1, $pri + 4, 0;
   }
   release $gate;
   drain;
   is slurp ($file), "887766554433221100", "ready requests are executed by priority, highest first, in order of submission within one";
}

{
   # The same with a queue that changes while it is worked on.
   my ($gate) = park 1;
   aio_nop logs "a";
   aioreq_pri (-1);
   aio_nop logs "d";
   aioreq_pri (2);
   aio_nop sub { push @log, "first"; aioreq_pri (1); aio_nop logs "b"; pending 5 };
   aio_nop logs "c";
   release $gate;
   pending 5;
   drain;
   is take, "first b a c d", "a result that arrives during a poll is taken in its place";
}

{
   my ($gate) = park 1;
   aioreq_nice 1;
   aio_nop logs "nice";
   aioreq_pri (1);
   aioreq_nice 1;
   aio_nop logs "normal";
   release $gate;
   pending 3;
   drain;
   is take, "normal nice", "nice requests come last";
}

{
   mkdir scratch . "/dir";
   spew scratch . "/dir/$_", "x" for 1 .. 5;
   my ($gate) = park 1;
   aioreq_pri (-2);
   aio_scandir scratch . "/dir", 1, logs "scandir";
   aioreq_pri (-1);
   aio_nop logs "nop";
   release $gate;
   pending 2;
   drain;
   is take, "nop scandir", "composites have a priority, too";
}

done_testing;
