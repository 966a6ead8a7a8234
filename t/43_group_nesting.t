# Groups in groups: order, refused cycles, and depth limited by memory only.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }
sub logs { my @words = @_; sub { push @log, @words } }

IO::AIO::max_parallel 1;

# ---- order -----------------------------------------------------------------

{
   my $outer = aio_group logs "outer";
   my $middle = aio_group logs "middle";
   my $inner = aio_group logs "inner";
   add $outer $middle;
   add $middle $inner;
   add $inner aio_nop logs "member";
   drain;
   is take, "member inner middle outer", "nested groups end from the inside out";
}

{
   my $outer = aio_group logs "outer";
   for my $i (1 .. 3) {
      my $inner = aio_group logs "inner$i";
      add $outer $inner;
      add $inner aio_nop logs "member$i";
   }
   aio_nop logs "other";
   pending 8;
   IO::AIO::poll_cb;
   is take, "member1 inner1 member2 inner2 member3 inner3 outer other", "a group directly follows its last member, at each level";
}

{
   my $outer = aio_group logs "outer";
   add $outer aio_group logs "empty";
   drain;
   is take, "empty outer", "an empty group as a member";
}

{
   my $outer; $outer = aio_group logs "outer";
   add $outer aio_nop sub {
      my $inner = aio_group logs "inner";
      add $outer $inner;
      add $inner aio_nop logs "member";
   };
   drain;
   is take, "member inner outer", "a group added by a member's callback";
}

{
   my $outer = aio_group logs "outer";
   my $inner = aio_group logs "inner";
   add $outer $inner;
   add $inner aio_nop logs "member";
   $outer->cancel;
   aio_nop logs "other";
   drain;
   is take, "other", "cancel is recursive";
   is IO::AIO::nreqs, 0, "and leaves nothing";
}

{
   my $outer = aio_group logs "outer";
   my $inner = aio_group logs "inner";
   add $outer $inner, aio_nop logs "member";
   add $inner aio_nop logs "inner member";
   $inner->cancel;
   drain;
   is take, "member outer", "cancelling a member group leaves the outer one alone";
}

# ---- refused ---------------------------------------------------------------

{
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      my @log;
      my $group = aio_group sub { push @log, "group" };
      print error_of { add $group $group } eq "" ? "accepted " : "refused ";
      print error_of { add $group aio_nop sub { push @log, "member" } } eq "" ? "usable " : "unusable ";
      drain;
      print "@log";
   };
   is "$status: $output", "exit 0: refused usable member group", "a group added to itself is refused, and stays usable";
}

for my $length (2, 3, 50) {
   my ($status, $output) = run_perl <<'PROGRAM', $length;
my $n = shift;
my @log;
my @group = map { my $i = $_; scalar aio_group sub { push @log, $i } } 1 .. $n;
add { $group[$_] } $group[$_ + 1] for 0 .. $n - 2;
print error_of { add { $group[-1] } $group[0] } eq "" ? "accepted " : "refused ";
add { $group[-1] } aio_nop;
drain;
print "@log" eq join (" ", reverse 1 .. $n) ? "all end, inside out" : "@log";
PROGRAM
   is "$status: $output", "exit 0: refused all end, inside out", "a cycle of $length groups is refused";
}

{
   my ($status, $output) = run_perl <<'PROGRAM';
my @group = map scalar aio_group, 1 .. 3;
add { $group[$_] } $group[$_ + 1] for 0 .. 1;
error_of { add { $group[2] } $group[0] };
$group[0]->cancel;
drain;
print "nreqs ", IO::AIO::nreqs;
PROGRAM
   is "$status: $output", "exit 0: nreqs 0", "cancelling after a refused cycle comes to an end";
}

{
   my ($status, $output) = run_perl <<'PROGRAM';
my @log;
my @group = map { my $name = $_; scalar aio_group sub { push @log, $name } } "a", "b";
my $req = aio_nop sub { push @log, "member" };
add { $group[0] } $req;
print error_of { add { $group[1] } $req } =~ /already in a group/ ? "refused " : "accepted ";
print error_of { add { $group[0] } $req } =~ /already in a group/ ? "refused " : "accepted ";
print error_of { my $x = aio_nop; add { $group[1] } $x, $x } =~ /already in a group/ ? "refused " : "accepted ";
drain;
print join " ", sort @log;
PROGRAM
   is "$status: $output", "exit 0: refused refused refused a b member", "a request that is in a group is refused by others, and by the same; both groups end";
}

{
   my ($first, $second, $req);
   $first = aio_group logs "first";
   $req = aio_nop sub { push @log, "member" };
   add $first $req;
   drain;
   $second = aio_group logs "second";
   is error_of { add $second $req }, "", "a request that is done is no longer in a group";
   drain;
   is take, "member first second", "all ended";
}

# ---- deep ------------------------------------------------------------------

my $deep = <<'PROGRAM';
no warnings "recursion";
my $depth = 10_000;
my ($n, $wrong) = (0, 0);
my @group = map { my $i = $_; scalar aio_group sub { $wrong++ if $depth - ++$n != $i } } 0 .. $depth - 1;
add { $group[$_] } $group[$_ + 1] for 0 .. $depth - 2;
PROGRAM

for my $case (
   ["ends, inside out", 'add { $group[-1] } aio_nop; drain; print "$n ended, $wrong out of order"', "10000 ended, 0 out of order"],
   ["ends with the objects dropped", 'add { $group[-1] } aio_nop; @group = (); drain; print "$n ended"', "10000 ended"],
   ["can be cancelled", 'add { $group[-1] } aio_nop; $group[0]->cancel; drain; print "$n ended, nreqs ", IO::AIO::nreqs', "0 ended, nreqs 0"],
   ["has its members cancelled", 'add { $group[-1] } aio_nop; $group[0]->cancel_subs; drain; print "$n ended, nreqs ", IO::AIO::nreqs', "1 ended, nreqs 0"],
   ["is searched for cycles", 'print error_of { add { $group[-1] } $group[0] } ne "" ? "refused, " : "accepted, "; drain; print "$n ended"', "refused, 10000 ended"],
   ["may be left at exit", 'print "exits"', "exits"],
) {
   my ($name, $code, $expect) = @$case;
   my ($status, $output) = run_perl $deep . $code;
   is "$status: $output", "exit 0: $expect", "a group 10000 deep $name";
}

{
   # Built from the inside out, so that each add makes a new top.
   my ($status, $output) = run_perl <<'PROGRAM';
my $n = 0;
my $top = aio_nop;
for (1 .. 10_000) {
   my $group = aio_group sub { $n++ };
   add $group $top;
   $top = $group;
}
drain;
print "$n ended";
PROGRAM
   is "$status: $output", "exit 0: 10000 ended", "built from the inside out";
}

done_testing;
