# Workers: started on demand, never more than the limit, ended when idle.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

sub executing_now { IO::AIO::nreqs - IO::AIO::nready - IO::AIO::npending }

# ---- on demand -------------------------------------------------------------

is IO::AIO::nthreads, 0, "none at the start";
IO::AIO::poll_cb;
is IO::AIO::nthreads, 0, "none is started by polling";
aio_nop;
drain;
is IO::AIO::nthreads, 1, "the first request starts one";
for (1 .. 20) {
   aio_nop;
   drain;
}
cmp_ok IO::AIO::nthreads, "<=", 2, "one at a time needs no more";

{
   my @gate = park 3;
   is executing_now, 3, "long requests run side by side";
   cmp_ok IO::AIO::nthreads, ">=", 3, "each on a worker";
   my $done = 0;
   aio_nop sub { $done++ };
   pending 1;
   IO::AIO::poll_cb;
   is $done, 1, "a request that finds no free worker gets a new one";
   release @gate;
   drain;
}

# ---- limits ----------------------------------------------------------------

{
   my @gate = park 8;
   is executing_now, 8, "8 run side by side by default";
   aio_nop for 1 .. 3;
   IO::AIO::poll_cb;
   is IO::AIO::nthreads, 8, "8 workers is the limit";
   is IO::AIO::nready, 3, "the rest waits";

   is_deeply [IO::AIO::min_parallel 4], [], "min_parallel returns nothing";
   is IO::AIO::nready, 3, "a lower one does nothing";
   IO::AIO::min_parallel 9;
   aio_nop;
   pending 4;
   is IO::AIO::nthreads, 9, "a higher one raises the limit";
   drain_pending ();

   is_deeply [IO::AIO::max_parallel 20], [], "max_parallel returns nothing";
   push @gate, park 1;
   aio_nop;
   IO::AIO::poll_cb;
   is IO::AIO::nready, 1, "a higher one does nothing";

   IO::AIO::max_parallel 2;
   until_true { IO::AIO::nthreads == 2 } "surplus workers told to end";
   pass "max_parallel tells surplus workers to end";
   is executing_now, 9, "they finish what they execute";
   release @gate;
   drain;
   is IO::AIO::nreqs, 0, "nothing is lost";
   is IO::AIO::nthreads, 2, "two are left";

   @gate = park 2;
   aio_nop;
   IO::AIO::poll_cb;
   is IO::AIO::nready, 1, "never more than two from then on";
   release @gate;
   drain;
}

sub drain_pending { until_true { IO::AIO::poll_cb; IO::AIO::npending == 0 && IO::AIO::nready == 0 } }

# ---- a limit of 0 ----------------------------------------------------------

{
   IO::AIO::max_parallel 0;
   until_true { IO::AIO::nthreads == 0 } "workers told to end";
   my $done = 0;
   aio_nop sub { $done++ } for 1 .. 5;
   is IO::AIO::poll_cb, 0, "with a limit of 0 poll_cb returns 0";
   is IO::AIO::nready, 5, "requests are queued and not executed";
   is IO::AIO::nthreads, 0, "no worker is started";
   IO::AIO::min_parallel 1;
   until_true { IO::AIO::poll_cb; $done >= 5 } "not resumed";
   is $done, 5, "min_parallel 1 and a poll resume";

   IO::AIO::max_parallel 0;
   aio_nop sub { $done++ };
   IO::AIO::min_parallel 1;
   aio_nop sub { $done++ };
   pending 2;
   drain;
   is $done, 7, "or the next submission";
}

{
   IO::AIO::max_parallel 0;
   my $done = 0;
   aio_nop sub { $done++ };
   IO::AIO::min_parallel 3;
   IO::AIO::flush;
   is $done, 1, "or flush";
}

# ---- idle workers ----------------------------------------------------------

is_deeply [IO::AIO::max_idle 2], [], "max_idle returns nothing";
is_deeply [IO::AIO::idle_timeout 0], [], "idle_timeout returns nothing";
IO::AIO::min_parallel 8;
{
   my @gate = park 6;
   cmp_ok IO::AIO::nthreads, ">=", 6, "6 busy workers";
   release @gate;
   drain;
   until_true { IO::AIO::nthreads <= 2 } "idle workers above max_idle did not end";
   is IO::AIO::nthreads, 2, "up to max_idle idle ones stay, further ones end after idle_timeout";
   select undef, undef, undef, 0.05;
   is IO::AIO::nthreads, 2, "those for ever";
}
IO::AIO::max_idle 0;
aio_nop for 1 .. 5;
drain;
until_true { IO::AIO::nthreads == 0 } "idle workers did not end";
pass "max_idle 0: all end";
{
   my $done = 0;
   aio_nop sub { $done++ };
   drain;
   is $done, 1, "and are started again on demand";
}
IO::AIO::idle_timeout 3600;
{
   my @gate = park 5;
   release @gate;
   drain;
   cmp_ok IO::AIO::nthreads, ">=", 5, "a long idle_timeout keeps them meanwhile";
}

# ---- many ------------------------------------------------------------------

{
   IO::AIO::min_parallel 64;
   my @gate = park 64;
   is executing_now, 64, "64 at once";
   release @gate;
   drain;
   IO::AIO::max_parallel 4;
   until_true { IO::AIO::nthreads <= 4 } "surplus workers did not end";
   my $done = 0;
   aio_nop sub { $done++ } for 1 .. 1000;
   drain;
   is $done, 1000, "4 of them serve 1000";
}

{
   # Changing the limit all the time loses and repeats nothing.
   my $done = 0;
   for (1 .. 300) {
      IO::AIO::max_parallel $_ % 3;
      aio_nop sub { $done++ };
      IO::AIO::min_parallel 1 + $_ % 5;
      IO::AIO::poll_cb if $_ % 10 == 0;
   }
   drain;
   is $done, 300, "limits that change with each request";
   cmp_ok IO::AIO::nready, "==", 0, "nothing is left ready";
}

# ---- names -----------------------------------------------------------------

SKIP: {
   -r "/proc/self/task/$$/comm" or skip "no /proc/self/task to read thread names from", 1;
   my @gate = park 1;
   chomp (my $own = slurp "/proc/self/task/$$/comm");
   my %name;
   for my $task (glob "/proc/self/task/*/comm") {
      next if $task =~ m{/$$/};
      # A worker that is just ending takes its file along.
      open my $fh, "<", $task or next;
      chomp (my $name = <$fh> // next);
      $name{$name}++;
   }
   is join (",", sort keys %name), (substr "$own/eio", 0, 15), "workers carry the process name plus /eio";
   release @gate;
   drain;
}

done_testing;
