# Groups: members, results, errno, cancelling.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = map { defined $_ ? $_ : "undef" } @log; @log = (); "@l" }
sub logs { my @words = @_; sub { push @log, @words } }

IO::AIO::max_parallel 1;

# ---- the end ---------------------------------------------------------------

aio_group sub { push @log, "group(" . @_ . ")", $! + 0 };
is take, "", "an empty group does not end at once";
is IO::AIO::poll_cb, 0, "but in the next poll";
is take, "group(0) 0", "without arguments, errno 0";

{
   my $group = aio_group logs "group";
   my @added = add $group (aio_nop logs "one"), (aio_nop logs "two");
   is "@added" =~ tr/=//, 2, "add returns its arguments";
   add $group $_ for aio_nop logs "three";
   IO::AIO::flush;
   is take, "one two three group", "a group ends after its members";
}

{
   my $group = aio_group logs "group";
   add $group aio_nop logs "member";
   aio_nop logs "other";
   pending 3;
   IO::AIO::poll_cb;
   is take, "member group other", "directly after the last, before any other result";
}

{
   my $group = aio_group logs "group";
   my $req = aio_nop logs "pending";
   pending 2;
   add $group $req;
   my $done = aio_nop;
   aio_nop;
   my $later = aio_group logs "later";
   add $later $group;
   drain;
   is take, "pending group later", "a pending request can be added";
   is error_of { my $g = aio_group; add $g $done; drain }, "", "one that is done is ignored";
}

{
   my $group;
   $group = aio_group logs "group";
   add $group aio_nop sub {
      push @log, "one";
      add $group aio_nop sub {
         push @log, "two";
         add $group aio_nop logs "three";
      };
   };
   drain;
   is take, "one two three group", "members' callbacks may add: a sequence";
}

{
   my ($group, $other);
   $group = aio_group logs "group";
   add $group aio_nop;
   $group->{other} = $other = aio_nop logs "other";
   drain;
   is join (" ", sort split " ", take), "group other", "a request that is not added does not matter";
}

{
   my $group = aio_group;
   add $group aio_nop logs "member";
   undef $group;
   drain;
   is take, "member", "a group without callback whose object was dropped";
}

{
   { my $group = aio_group logs "group"; add $group aio_nop logs "member" }
   drain;
   is take, "member group", "dropping the object does not end a group";
}

# ---- result and errno ------------------------------------------------------

{
   my $group = aio_group sub { push @log, @_ };
   is_deeply [$group->result (1, "two")], [], "result returns nothing";
   $group->result ("replaced", undef, "last");
   drain;
   is take, "replaced undef last", "the last result counts";
}

{
   my @values = (1, [2], "three");
   my $group = aio_group sub { $_[0]++; $_[2] .= "!"; push @log, "$_[0] $_[1][0] $_[2]" };
   $group->result (@values);
   $values[0] = 100;
   drain;
   is take, "2 2 three!", "results are copies and may be modified";
   is "$values[0] $values[2]", "100 three", "the originals stay";
   $group = aio_group sub { $_[0] .= "!"; push @log, $_[0] };
   $group->result ("constant");
   drain;
   is take, "constant!", "even those of constants";
}

{
   my $group = aio_group sub { push @log, $! + 0, @_ };
   { local $! = 5; $group->result ("r") }
   drain;
   is take, "5 r", "result takes the current \$! along";

   $group = aio_group sub { push @log, $! + 0 };
   is_deeply [$group->errno (7)], [], "errno returns nothing";
   drain;
   is take, 7, "errno sets the error";

   $group = aio_group sub { push @log, $! + 0 };
   { local $! = 11; $group->errno }
   drain;
   is take, 11, "by default the current one";

   $group = aio_group sub { push @log, $! + 0, @_ };
   $! = 3;
   $group->result ("r");
   $group->errno (9);
   drain;
   is take, "9 r", "what was stored last counts";

   $group = aio_group sub { push @log, $! + 0 };
   add $group aio_stat scratch . "/missing", sub { push @log, $!{ENOENT} ? "ENOENT" : "other" };
   $! = 4;
   drain;
   is take, "ENOENT 0", "members do not disturb it";

   $group = aio_group sub { push @log, $! + 0, @_ };
   add $group aio_stat scratch . "/missing", sub { $group->result ("failed") };
   drain;
   is take, "2 failed", "a member's callback may hand on its error";
}

# ---- priority --------------------------------------------------------------

{
   my ($gate) = park 1;
   aioreq_pri (4);
   my $group = aio_group logs "group";
   is aioreq_pri, 0, "a group uses up the priority";
   add $group aio_nop logs "member";
   aioreq_pri (1);
   aio_nop logs "other";
   release $gate;
   pending 4;
   IO::AIO::poll_cb;
   is take, "other member group", "the members keep theirs";
   aioreq_pri (4);
   aio_group logs "high";
   aioreq_pri (0);
   aioreq_pri (-4);
   aio_group logs "low";
   aio_group logs "middle";
   IO::AIO::poll_cb;
   is take, "high middle low", "the priority of a group orders its own first look";
}

# ---- cancel ----------------------------------------------------------------

{
   IO::AIO::max_parallel 0;
   my $dir = scratch;
   my $group = aio_group sub { push @log, "group" };
   add $group aio_mkdir "$dir/never", 0700, sub { push @log, "member" };
   aio_mkdir "$dir/other", 0700, sub { push @log, "other" };
   is_deeply [$group->cancel], [], "cancel returns nothing";
   is IO::AIO::nreqs, 3, "all stay counted";
   IO::AIO::min_parallel 1;
   drain;
   is take, "other", "no callback of a cancelled group or its members is called";
   ok !-e "$dir/never", "members not yet executed are skipped";
   ok -d "$dir/other", "others are not";
   is IO::AIO::nreqs, 0, "nothing is left";
}

{
   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop logs "cancelled";
   $group->cancel;
   is error_of { add $group aio_nop logs "added later" }, "", "adding to a cancelled group is allowed";
   drain;
   is take, "added later", "what is added runs and reports normally";
}

{
   IO::AIO::max_parallel 0;
   my $group = aio_group sub { push @log, "group", @_ };
   my $inner = aio_group logs "inner";
   add $group $inner, aio_nop logs "member";
   add $inner aio_nop logs "inner member";
   $group->result ("r");
   is_deeply [$group->cancel_subs], [], "cancel_subs returns nothing";
   IO::AIO::min_parallel 1;
   drain;
   is take, "group r", "cancel_subs cancels the members, recursively; the group ends with its result";
}

{
   my $group = aio_group logs "group";
   add $group aio_nop logs "cancelled";
   $group->cancel_subs;
   add $group aio_nop logs "member";
   drain;
   is take, "member group", "after cancel_subs it is still open";
}

{
   my $group = aio_group sub { push @log, "group", $! + 0, @_ };
   add $group map scalar (aio_nop logs "sibling"), 1 .. 3;
   add $group aio_stat scratch . "/missing", sub { $group->cancel_subs; $group->errno ($!); $group->result ("failed") };
   aioreq_pri (0);
   pending 4;
   drain;
   like take, qr/^(?:sibling )*group 2 failed\z/, "a member's callback may cancel the others and set errno and result";
}

# ---- in its own callback ---------------------------------------------------

{
   my $group; $group = aio_group sub {
      my $req = aio_nop logs "not added";
      push @log, error_of { add $group $req } =~ /after the group finished/ ? "add dies" : "add does not die";
      error_of { $group->result (1) };
      error_of { $group->cancel_subs };
      error_of { $group->cancel };
      push @log, "end";
   };
   drain;
   is take, "add dies end not added", "in its own callback a group is finished; the rest does no harm";
}

# ---- released --------------------------------------------------------------

{
   my $freed = 0;
   sub Guard::DESTROY { $freed++ }
   {
      my $guard = bless [], "Guard";
      my $group = aio_group sub { $guard };
      $group->result (bless [], "Guard");
      $group->{guard} = bless [], "Guard";
      add $group aio_nop;
   }
   is $freed, 0, "a group keeps callback, results and hash";
   drain;
   is $freed, 3, "and releases them when it is done";
}

{
   my $n = 0;
   my $group = aio_group sub { push @log, "group" };
   add $group map scalar (aio_nop sub { $n++ }), 1 .. 2000;
   drain;
   is $n, 2000, "a group of 2000";
   is take, "group", "ends once";
}

done_testing;
