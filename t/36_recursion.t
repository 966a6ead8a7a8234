# Polling in callbacks and feeders, to any depth.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }

IO::AIO::max_parallel 1;

# ---- the inner poll serves the others --------------------------------------

aio_nop sub { push @log, "a("; IO::AIO::poll_cb; push @log, ")a" };
aio_nop sub { push @log, "b" };
aio_nop sub { push @log, "c" };
pending 3;
IO::AIO::poll_cb;
is take, "a( b c )a", "poll_cb in a callback serves what is pending, but not the callback in progress";

aio_nop sub { push @log, "a("; IO::AIO::flush; push @log, ")a" };
aio_nop sub { push @log, "b" };
IO::AIO::flush;
is take, "a( b )a", "flush in a callback, too";

aio_nop sub { IO::AIO::flush; push @log, "alone" };
IO::AIO::flush;
is take, "alone", "and returns at once if only the callback in progress is left";

aio_nop sub { IO::AIO::poll_wait; push @log, IO::AIO::nreqs };
IO::AIO::flush;
is take, "0", "so does poll_wait";

aio_nop sub {
   aio_nop sub { push @log, "inner" };
   IO::AIO::poll_wait;
   push @log, "pending " . IO::AIO::npending;
   push @log, "poll " . IO::AIO::poll;
};
IO::AIO::flush;
is take, "pending 1 inner poll 0", "poll_wait and poll see what the callback submits";

{
   my $depth = 0;
   my $deepest = 0;
   my $ended = 0;
   no warnings "recursion";
   my $callback; $callback = sub {
      $deepest = $depth if ++$depth > $deepest;
      aio_nop $callback if $deepest < 200;
      IO::AIO::flush;
      $depth--;
      $ended++;
   };
   aio_nop $callback;
   IO::AIO::flush;
   is $deepest, 200, "200 polls, one inside the other";
   is $ended, 200, "all callbacks came to their end";
   undef $callback;
}

{
   # Too deep is an exception in the innermost poll, and none of its results is lost.
   my @bad = grep $_ ne "exit 0: too deep, told", map {
      my ($status, $output) = in_child {
         IO::AIO::reinit;
         no warnings "recursion";
         my $callback; $callback = sub { aio_nop $callback; IO::AIO::poll };
         aio_nop $callback;
         eval { IO::AIO::poll };
         print $@ =~ /^IO::AIO: polls and feeders are nested too deeply/ ? "too deep" : "died: $@";
         $callback = sub { };
         print readable (patience / 20) ? ", told" : ", quiet";
      };
      "$status: $output"
   } 1 .. 10;
   is "@bad", "", "polls nested too deeply leave the descriptor telling";
}

# ---- arguments -------------------------------------------------------------

{
   my $dir = scratch;
   spew "$dir/a", "12345";
   my @seen;
   aio_stat "$dir/a", sub {
      my $before = join ",", @_;
      aio_stat "$dir/missing", sub { };
      aio_readdir $dir, sub { };
      aio_nop sub { } for 1 .. 50;
      IO::AIO::flush;
      push @seen, $before, join ",", @_;
   };
   IO::AIO::flush;
   is "@seen", "0 0", "arguments stay valid while an inner poll runs";
}

{
   my @seen;
   my $group = aio_group sub {
      my @kept = map \$_, @_;
      my $other = aio_group sub { };
      $other->result (7, 8, 9);
      IO::AIO::flush;
      @seen = map $$_, @kept;
   };
   $group->result (1, "two", [3]);
   IO::AIO::flush;
   is "@seen[0, 1] $seen[2][0]", "1 two 3", "a group's arguments, too";
}

# ---- groups ----------------------------------------------------------------

{
   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop sub { push @log, "member("; IO::AIO::flush; IO::AIO::poll_cb; push @log, ")member" };
   aio_nop sub { push @log, "other" };
   IO::AIO::flush;
   is take, "member( other )member group", "a group does not end before its member's callback has returned";
}

{
   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop sub { IO::AIO::flush; push @log, "first" };
   add $group aio_nop sub { push @log, "second" };
   IO::AIO::flush;
   is take, "second first group", "whatever is polled inside";
}

{
   my $outer = aio_group sub { push @log, "outer" };
   my $inner = aio_group sub { push @log, "inner("; IO::AIO::flush; push @log, ")inner" };
   add $outer $inner;
   add $inner aio_nop sub { push @log, "member" };
   IO::AIO::flush;
   is take, "member inner( )inner outer", "nor a group before the callback of a group in it";
}

{
   my $n = 0;
   my $group = aio_group sub { push @log, "group" };
   limit $group 2;
   feed $group sub {
      return if $n++ >= 5;
      my $i = $n;
      add { $_[0] } aio_nop sub { push @log, $i };
      IO::AIO::poll_cb;
   };
   IO::AIO::flush;
   my @took = split " ", take;
   is pop @took, "group", "a feeder that polls: the group ends last";
   is join (" ", sort @took), "1 2 3 4 5", "after all members, each once";
}

{
   # The flush inside may end the group that the feeder is called for.
   my ($status, $output) = run_perl <<'PROGRAM';
my @log;
{
   my $n = 0;
   my $group = aio_group sub { push @log, "group" };
   limit $group 1;
   feed $group sub {
      return if $n++ >= 4;
      my $i = $n;
      add { $_[0] } aio_nop sub { push @log, $i };
      IO::AIO::flush;
   };
}
drain;
aio_nop sub { push @log, "still works" };
drain;
print join " ", @log;
PROGRAM
   is "$status: $output", "exit 0: 1 2 3 4 group still works", "a feeder that flushes sees its members end, each once, and the group, once";
}

# ---- exceptions ------------------------------------------------------------

aio_nop sub {
   aio_nop sub { die "inner\n" };
   push @log, error_of { IO::AIO::flush };
   push @log, "goes on";
};
is error_of { IO::AIO::flush }, "", "the outer poll has no exception";
is take, "inner\n goes on", "an exception of the inner poll surfaces in the callback that polls";

aio_nop sub { aio_nop sub { die "inner\n" }; IO::AIO::flush; push @log, "not reached" };
is error_of { IO::AIO::flush }, "inner\n", "and goes through it if not caught";
is take, "", "the callback was left";

# ---- limits ----------------------------------------------------------------

IO::AIO::max_poll_reqs 1;
aio_nop sub { push @log, "a("; IO::AIO::poll_cb; push @log, ")a" };
aio_nop sub { push @log, $_[0] // "n" } for 1 .. 3;
pending 4;
IO::AIO::poll_cb;
is take, "a( n )a", "the inner poll has a limit of its own";
IO::AIO::max_poll_reqs 0;
drain;
take;

# ---- cancelling and dropping inside ----------------------------------------

{
   my @req;
   $req[0] = aio_nop sub { $req[1]->cancel; $req[0]->cancel; IO::AIO::flush; push @log, "first" };
   $req[1] = aio_nop sub { push @log, "cancelled" };
   $req[2] = aio_nop sub { push @log, "third" };
   pending 3;
   IO::AIO::poll_cb;
   is take, "third first", "a callback that cancels another, and itself, then polls";
   @req = ();
}

{
   my $n = 0;
   for (1 .. 1000) {
      aio_nop sub { $n++; IO::AIO::poll_cb if $n % 3 == 0 };
   }
   drain;
   is $n, 1000, "each of 1000 results is delivered once, with inner polls in between";
   is IO::AIO::nreqs, 0, "nothing is left";
}

done_testing;
