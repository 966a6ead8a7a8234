# Feeders: generators of members, called while a group has fewer than limit.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }
sub logs { my @words = @_; sub { push @log, @words } }

my $freed = 0;
sub Guard::DESTROY { $freed++ }
sub freed { my $result = $freed; $freed = 0; $result }

IO::AIO::max_parallel 1;

# A feeder that adds $max requests, one a call, and counts its calls.
sub feeder {
   my ($max, $calls) = @_;
   my $n = 0;
   sub {
      $$calls++;
      return if $n >= $max;
      my $i = ++$n;
      add { $_[0] } aio_nop logs $i;
   }
}

# ---- when it is called -----------------------------------------------------

{
   my $calls = 0;
   my $group = aio_group logs "group";
   is_deeply [$group->feed (feeder (5, \$calls))], [], "feed returns nothing";
   is $calls, 2, "the limit becomes 2: two calls in feed itself";
   is IO::AIO::nreqs, 3, "two members";
   drain;
   is take, "1 2 3 4 5 group", "the feeder is called whenever a member has left";
   is $calls, 6, "and forgotten when it adds nothing";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   is_deeply [$group->limit (3)], [], "limit returns nothing";
   feed $group feeder (100, \$calls);
   is $calls, 3, "a limit set before";
   limit $group 7;
   is $calls, 7, "raising it calls the feeder at once";
   limit $group 2;
   is $calls, 7, "lowering it does not";
   drain;
   is scalar (split " ", take), 101, "all were delivered";
   is $calls, 101, "one call each, and one that adds nothing";
}

{
   my ($calls, $most) = (0, 0);
   my $group = aio_group;
   limit $group 4;
   my ($active, $n) = (0, 0);
   feed $group sub {
      return if $n++ >= 50;
      $most = $active if ++$active > $most;
      add { $_[0] } aio_nop sub { $active-- };
   };
   drain;
   is $most, 4, "never more members than the limit allows";
   is $active, 0, "all ended";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   add $group (aio_nop logs "a"), (aio_nop logs "b");
   feed $group feeder (2, \$calls);
   is $calls, 0, "members from before count";
   drain;
   is take, "a b 1 2 group", "it is called when they have left";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group sub { return if $calls++ >= 2; add { $_[0] } map scalar (aio_nop logs "m"), 1 .. 5 };
   is $calls, 1, "a feeder may add many; the limit is exceeded then";
   drain;
   is take, "m m m m m m m m m m group", "all of them members";
}

{
   my @seen;
   my $group = aio_group;
   feed $group sub { push @seen, scalar @_, $_[0] == $group ? "same" : "other", defined wantarray ? "value" : "void" };
   is "@seen", "1 same void", "it is called with the group object, in void context";
   drain;
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group sub { $calls++ };
   is $calls, 1, "a feeder that adds nothing is called once";
   add $group aio_nop;
   limit $group 10;
   drain;
   is $calls, 1, "and forgotten";
   is take, "group", "the group ends";
}

{
   my $calls = 0;
   my $done = aio_nop;
   drain;
   my $group = aio_group logs "group";
   feed $group sub { add { $_[0] } $done if $calls++ < 10 };
   is $calls, 1, "one that adds only requests that are done is forgotten, too";
   drain;
   is take, "group", "the group ends";
}

{
   my $calls = 0;
   my $group = aio_group;
   feed $group feeder (0, \$calls);
   is $calls, 1, "forgotten";
   feed $group feeder (2, \$calls);
   is $calls, 3, "feed brings a new one";
   drain;
   is take, "1 2", "which is used";
}

# ---- limit 0 ---------------------------------------------------------------

for my $limit (0, -1) {
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group feeder (100, \$calls);
   limit $group $limit;
   drain;
   is $calls, 2, "limit $limit pauses the feeder";
   is take, "1 2 group", "the group ends when the last member has gone";
}

{
   my $calls = 0;
   my ($gate) = park 1;
   my $group = aio_group logs "group";
   feed $group feeder (4, \$calls);
   limit $group 0;
   IO::AIO::poll_cb;
   limit $group 3;
   is $calls, 3, "raising it resumes at once";
   release $gate;
   drain;
   is take, "1 2 3 4 group", "and it goes on";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   limit $group -5;
   feed $group feeder (3, \$calls);
   is $calls, 2, "feed makes 2 of a limit of 0 or less";
   drain;
   take;
}

# ---- removing and replacing ------------------------------------------------

for my $how (["undef", sub { $_[0]->feed (undef) }], ["nothing", sub { $_[0]->feed }]) {
   my ($name, $remove) = @$how;
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group feeder (100, \$calls);
   $remove->($group);
   drain;
   is "$calls: " . take, "2: 1 2 group", "feed with $name removes the feeder";
}

{
   my ($first, $second) = (0, 0);
   my $group = aio_group logs "group";
   feed $group feeder (100, \$first);
   feed $group feeder (3, \$second);
   drain;
   is $first, 2, "feed replaces a feeder";
   is $second, 4, "by another";
   is take, "1 2 1 2 3 group", "which goes on";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group feeder (100, \$calls);
   $group->cancel_subs;
   drain;
   is "$calls: " . take, "2: group", "cancel_subs drops the feeder";
}

{
   my $calls = 0;
   my $group = aio_group logs "group";
   feed $group feeder (100, \$calls);
   $group->cancel;
   drain;
   is "$calls: " . take, "2: ", "a cancelled group does not call its feeder";
}

# ---- what a feeder may do --------------------------------------------------

{
   my $n = 0;
   my $group = aio_group sub { push @log, "group(@_)" };
   feed $group sub { ++$n > 3 ? $_[0]->result ("done", $n) : add { $_[0] } aio_nop logs $n };
   drain;
   is take, "1 2 3 group(done 4)", "set the result";
}

{
   my $n = 0;
   my $group = aio_group logs "group";
   feed $group sub { return if $n++ >= 20; add { $_[0] } aio_nop; $_[0]->limit (5) if $n == 1 };
   is $n, 5, "raise the limit";
   drain;
   take;
}

{
   my $n = 0;
   my $group = aio_group logs "group";
   feed $group sub { add { $_[0] } aio_nop logs ++$n; $_[0]->limit (0) if $n == 2 };
   drain;
   is take, "1 2 group", "pause itself";
}

{
   my $n = 0;
   my $group = aio_group logs "group";
   feed $group sub { add { $_[0] } aio_nop logs ++$n; $_[0]->cancel if $n == 2 };
   drain;
   is $n, 2, "cancel its group";
   is take, "", "which then reports nothing";
}

{
   my $n = 0;
   my $group = aio_group logs "group";
   feed $group sub { add { $_[0] } aio_nop logs ++$n; $_[0]->cancel_subs if $n == 4 };
   drain;
   is $n, 4, "cancel the members, itself included";
   like take, qr/^1 2 (?:3 )?group\z/, "the group ends";
}

{
   my ($first, $second) = (0, 0);
   my $group = aio_group logs "group";
   my $other = feeder (2, \$second);
   feed $group sub { $first++; add { $_[0] } aio_nop logs "first"; $_[0]->feed ($other) };
   drain;
   is $first, 1, "replace itself";
   is take, "first 1 2 group", "by another that goes on";
}

{
   my $n = 0;
   my $group = aio_group logs "outer";
   feed $group sub {
      return if $n++ >= 3;
      my $i = $n;
      my $inner = aio_group logs "inner$i";
      add { $_[0] } $inner;
      add $inner aio_nop logs "m$i";
   };
   drain;
   is take, "m1 inner1 m2 inner2 m3 inner3 outer", "add groups";
}

{
   my ($n, $k) = (0, 0);
   my $group = aio_group logs "group";
   feed $group sub {
      return if $n++ >= 2;
      my $inner = aio_group;
      add { $_[0] } $inner;
      my $m = 0;
      feed $inner sub { add { $_[0] } aio_nop sub { $k++ } if $m++ < 10 };
   };
   drain;
   is $k, 20, "even with feeders of their own";
   is take, "group", "the outer ends once";
}

{
   my $group = aio_group logs "group";
   our $named = 0;
   sub named_feeder { add { $_[0] } aio_nop if $named++ < 3 }
   $group->feed ("main::named_feeder");
   drain;
   is $named, 4, "a feeder may be given by name";
   take;
}

# ---- exceptions ------------------------------------------------------------

{
   my ($n, $error) = (0);
   my $group;
   my @warnings = warnings_of {
      $group = aio_group logs "group";
      $error = error_of { feed $group sub { $n++; die "oops\n" } };
   };
   is $error, "", "a feeder that dies: feed goes on";
   like "@warnings", qr/\(in cleanup\) oops/, "the exception becomes a warning";
   is $n, 1, "it had added nothing and is forgotten";
   drain;
   is take, "group", "the group ends";
}

{
   my ($n, $error) = (0);
   my @warnings = warnings_of {
      my $group = aio_group logs "group";
      $error = error_of {
         feed $group sub { return if $n >= 4; add { $_[0] } aio_nop logs ++$n; die "oops\n" };
         drain;
      };
   };
   is $error, "", "so does the poll";
   is scalar @warnings, 4, "a warning for each";
   is take, "1 2 3 4 group", "one that had added something is called again";
}

{
   my @warnings = warnings_of {
      my $group = aio_group logs "group";
      my $n = 0;
      limit $group 1;
      feed $group sub { $n++ ? die "oops\n" : add { $_[0] } aio_nop };
      is error_of { limit $group 3 }, "", "and limit";
   };
   like "@warnings", qr/\(in cleanup\) oops/, "with a warning";
   drain;
   take;
}

{
   my ($n, $seen) = (0, "");
   my $group = aio_group;
   eval { die "before\n" };
   feed $group sub { $seen .= "<$@>"; eval { die "inner\n" }; add { $_[0] } aio_nop if $n++ < 3 };
   is error_of { drain }, "", "an eval in a feeder is no exception";
   $@ = "";
}

# ---- released --------------------------------------------------------------

{
   my $make = sub { my ($max) = @_; my $guard = bless [], "Guard"; my $n = 0; sub { my $keep = $guard; add { $_[0] } aio_nop if $n++ < $max } };

   my $group = aio_group;
   feed $group $make->(100);
   feed $group $make->(100);
   is freed, 1, "a feeder is released when replaced";
   $group->cancel_subs;
   is freed, 1, "by cancel_subs";
   drain;

   $group = aio_group;
   feed $group $make->(2);
   drain;
   is freed, 1, "with the group, even if the object is kept";

   $group = aio_group;
   feed $group $make->(100);
   feed $group undef;
   is freed, 1, "when removed";
   drain;

   {
      my $cycle = aio_group;
      my $guard = bless [], "Guard";
      my $n = 0;
      feed $cycle sub { my $keep = $guard; add $cycle aio_nop if $n++ < 3 };
   }
   drain;
   is freed, 1, "a feeder that refers to its own group is no leak";
}

# ---- large -----------------------------------------------------------------

{
   IO::AIO::min_parallel 4;
   my ($n, $k) = (0, 0);
   my $group = aio_group sub { push @log, "group" };
   limit $group 30;
   feed $group sub { return if $n >= 5000; $n++; add { $_[0] } aio_nop sub { $k++ } };
   drain;
   is $k, 5000, "5000 members, 30 at a time";
   is take, "group", "and one end";
}

done_testing;
