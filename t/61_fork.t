# fork: the parent loses nothing, the child starts fresh, with reinit and
# without, and each has its own descriptor under the same number.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $fd = IO::AIO::poll_fileno;
my @log;
sub take { my @l = @log; @log = (); "@l" }
sub counts { join "/", IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending }

# What every child must be able to do, whatever its parent was doing.
sub lives {
   my $n = 0;
   aio_nop sub { $n++ };
   readable patience or print "no event ";
   IO::AIO::poll_cb while $n == 0 && IO::AIO::nreqs;
   aio_stat "/", sub { $n += 10 if $_[0] == 0 };
   IO::AIO::flush;
   my $group = aio_group sub { $n += 100 };
   add $group aio_nop;
   drain;
   print $n == 111 ? "works" : "n $n";
}

# The child, once with reinit and once without.
sub both {
   my ($name, $expect, $code) = @_;
   for my $reinit (0, 1) {
      my ($status, $output) = in_child {
         IO::AIO::reinit if $reinit;
         $code->();
      };
      is "$status: $output", "exit 0: $expect", $name . ($reinit ? ", with reinit" : ", without reinit");
   }
}

sub fresh { print counts, " ", IO::AIO::nthreads, " "; lives }

# ---- states of the parent --------------------------------------------------

both "unused parent", "0/0/0 0 works", \&fresh;

{
   my @gate = park 3;
   release @gate;
   drain;
}
both "idle workers in the parent", "0/0/0 0 works", \&fresh;

{
   my @gate = park 2, sub { push @log, "parked" };
   both "executing in the parent", "0/0/0 0 works", \&fresh;
   is IO::AIO::nreqs, 2, "the parent's requests go on";
   release @gate;
   drain;
   is take, "parked parked", "and are delivered there";
}

{
   aio_nop sub { push @log, "result" };
   pending 1;
   both "pending in the parent", "0 0/0/0 0 works", sub { print IO::AIO::poll_cb, @log, " "; fresh };
   is counts, "1/0/1", "the result is still pending in the parent";
   ok readable, "its descriptor is readable";
   drain;
   is take, "result", "it is delivered there, once";
   ok !readable, "then the descriptor is quiet";
}

{
   IO::AIO::max_parallel 0;
   mkdir scratch . "/dir";
   aio_mkdir scratch . "/dir/new", 0700, sub { push @log, $_[0] };
   both "ready in the parent, limit 0", "0/0/0 0 works", sub { IO::AIO::min_parallel 2; fresh };
   ok !-d scratch . "/dir/new", "nothing of the parent's was executed in a child";
   IO::AIO::min_parallel 8;
   drain;
   is take, "0", "it is executed in the parent";
}

{
   my ($gate) = park 1;
   my $group = aio_group sub { push @log, "group" };
   add $group $gate->{req};
   my $n = 0;
   feed $group sub { add { $_[0] } aio_nop sub { push @log, "fed" } if $n++ < 3 };
   IO::AIO::poll_cb;
   both "a group with members and a feeder in the parent", "0/0/0 0 works", \&fresh;
   release $gate;
   drain;
   is take, "fed fed fed group", "which ends in the parent";
}

# ---- the descriptor --------------------------------------------------------

both "the descriptor's number", "$fd", sub { print IO::AIO::poll_fileno };

{
   both "the child's descriptor is its own", "quiet readable quiet", sub {
      print readable () ? "readable " : "quiet ";
      aio_nop;
      print readable (patience) ? "readable " : "quiet ";
      drain;
      print readable () ? "readable" : "quiet";
   };
   ok !readable, "the child's results do not wake the parent";

   # The child's own results and polls must not eat the parent's event.
   aio_nop sub { push @log, "x" };
   pending 1;
   both "with an event waiting in the parent", "quiet works", sub {
      print readable () ? "readable " : "quiet ";
      lives;
   };
   ok readable 5, "the parent's event is still there";
   drain;
   take;
}

{
   # A handle made in the parent, as event loops do, serves both.
   open our $handle, "<&=", $fd or die "fdopen: $!";
   both "an event loop's handle", "1 works", sub {
      aio_nop;
      my $r = "";
      vec ($r, fileno $handle, 1) = 1;
      print scalar (select $r, undef, undef, patience), " ";
      drain;
      lives;
   };
}

{
   my $before = open_fds;
   both "no descriptor is lost", "same", sub {
      aio_nop;
      drain;
      my $after = open_fds;
      # The child's output file stands in for its standard output.
      print $after == $before ? "same" : "$before before, $after after";
   };
}

# ---- the end of the child --------------------------------------------------

for my $reinit ("", "IO::AIO::reinit; ") {
   my $how = $reinit ? "with reinit" : "without reinit";
   my ($status, $output) = run_perl <<"PROGRAM" . <<'PROGRAM';
sub child { $reinit }
PROGRAM
my @gate = park 1, sub { print "parent " };
aio_nop sub { print "pending " };
pending 1;
my $pid = fork;
if (!$pid) {
   child ();
   aio_nop sub { print "child " };
   exit 3;
}
waitpid $pid, 0;
print $? >> 8, " ";
release @gate;
IO::AIO::max_parallel 1;
PROGRAM
   is "$status: " . (join " ", sort split " ", $output), "exit 0: 3 child parent pending", "a child that exits, $how: END flushes what the child submitted, and only that";

   ($status, $output) = run_perl <<"PROGRAM" . <<'PROGRAM';
sub child { $reinit }
PROGRAM
my @gate = park 2, sub { print "parent " };
my $pid = fork;
if (!$pid) { child (); exit 4 }
waitpid $pid, 0;
print $? >> 8, " ";
release @gate;
PROGRAM
   is "$status: $output", "exit 0: 4 parent parent ", "a child that exits at once, $how, does not hang";
}

{
   my @gate = park 2, sub { push @log, "x" };
   my ($status) = in_child { POSIX::_exit (7) };
   is $status, "exit 7", "a child that ends by _exit";
   ($status, my $output) = in_child { exec $^X, "-e", "print 'exec'" };
   is "$status: $output", "exit 0: exec", "a child that executes a program";
   is system ($^X, "-e", "exit 5") >> 8, 5, "system";
   is `$^X -e "print 6 * 7"`, "42", "backticks";
   release @gate;
   drain;
   is take, "x x", "the parent goes on";
}

# ---- settings --------------------------------------------------------------

{
   IO::AIO::max_poll_reqs 2;
   aioreq_pri (3);
   IO::AIO::_on_next_submit (sub { print "hook " });
   both "poll limits, priority and hook are kept", "3 hook -1", sub {
      print aioreq_pri, " ";
      aio_nop for 1 .. 5;
      pending 5;
      print IO::AIO::poll_cb;
   };
   IO::AIO::_on_next_submit (undef);
   aioreq_pri (0);
   IO::AIO::max_poll_reqs 0;
}

# ---- what the child holds of the parent ------------------------------------

{
   my $req = aio_nop sub { push @log, "req" };
   my ($gate) = park 1;
   my $group = aio_group sub { push @log, "group" };
   add $group $gate->{req};
   pending 2;
   both "the parent's objects are inert", "no harm works", sub {
      error_of { $req->cancel };
      error_of { $req->cb (sub { print "wrong" }) };
      error_of { $group->cancel };
      error_of { $group->cancel_subs };
      error_of { $group->result (1) };
      error_of { $group->limit (1) };
      error_of { $group->feed (sub { print "wrong" }) };
      error_of { add $group $req };
      error_of { my $own = aio_group; add $own $req, $group };
      undef $req;
      undef $group;
      IO::AIO::flush;
      print "no harm ";
      lives;
   };
   release $gate;
   drain;
   is take, "req group", "the parent's are not";
}

{
   spew scratch . "/file", "content";
   my $wd;
   aio_wd scratch, sub { $wd = $_[0] };
   drain;
   both "directory objects stay usable", "7 0", sub {
      aio_stat [$wd, "file"], sub { print -s _, " " };
      drain;
      undef $wd;
      drain;
      print IO::AIO::nreqs;
   };
   aio_stat [$wd, "file"], sub { push @log, -s _ };
   drain;
   is take, "7", "in the parent, too";
}

{
   my $map;
   IO::AIO::mmap $map, 4096, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_SHARED | IO::AIO::MAP_ANONYMOUS or die "mmap: $!";
   both "mapped memory stays usable", "written", sub { substr ($map, 0, 5) = "child"; IO::AIO::munmap $map; print "written" };
   is substr ($map, 0, 5), "child", "in the parent, too";
}

{
   my ($freed, $buffer) = (0, "old");
   sub Guard::DESTROY { $freed++ }
   pipe my $r, my $w or die;
   { my $guard = bless [], "Guard"; aio_read $r, undef, 4, $buffer, 0, sub { push @log, $guard && $buffer } }
   executing 1;
   both "what the parent's requests held is released", "1 writable", sub {
      IO::AIO::poll_cb;
      print $freed, " ", error_of { $buffer = "x" } eq "" ? "writable" : "read-only";
   };
   is $freed, 0, "but not in the parent";
   syswrite $w, "data";
   drain;
   is take, "data", "whose request ends normally";
}

# ---- forks in callbacks, members, feeders, forks ---------------------------

for my $reinit (0, 1) {
   my $how = $reinit ? "with reinit" : "without reinit";
   my $result;
   my $fork = sub {
      my ($status, $output) = in_child {
         IO::AIO::reinit if $reinit;
         lives;
      };
      $result = "$status: $output";
   };

   aio_nop sub { $fork->(); push @log, "callback" };
   aio_nop sub { push @log, "other" };
   pending 2;
   drain;
   is $result, "exit 0: works", "fork in a callback, $how";
   is join (" ", sort split " ", take), "callback other", "the parent's poll goes on";

   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop sub { $fork->(); push @log, "member" };
   drain;
   is $result, "exit 0: works", "fork in a member's callback, $how";
   is take, "member group", "its group ends";

   my $n = 0;
   $group = aio_group sub { push @log, "group" };
   feed $group sub { return if $n++ >= 3; $fork->() if $n == 2; add { $_[0] } aio_nop sub { push @log, "m" } };
   drain;
   is $result, "exit 0: works", "fork in a feeder, $how";
   is take, "m m m group", "its group ends";

   my ($status, $output) = in_child {
      IO::AIO::reinit if $reinit;
      my $own = 0;
      my ($gate) = park 1, sub { $own++ };
      my ($status, $output) = in_child {
         IO::AIO::reinit if $reinit;
         my @gate = park 1;
         my ($status, $output) = in_child {
            IO::AIO::reinit if $reinit;
            lives;
         };
         print "$status: $output, ";
         release @gate;
         lives;
      };
      print "$status: $output, ";
      release $gate;
      drain;
      print "own $own";
   };
   is "$status: $output", "exit 0: exit 0: exit 0: works, works, own 1", "forks in forks, $how";
}

{
   # The child leaves the callback and goes on with its copy of the poll.
   my ($status, $output) = run_perl <<'PROGRAM';
my $parent = $$;
my $pid;
aioreq_pri (1);
aio_nop sub { $pid = fork };
aio_nop sub { print $$ == $parent ? "parent " : "child " } for 1 .. 3;
pending 4;
IO::AIO::poll_cb;
if (!$pid) {
   print "[", IO::AIO::nreqs, "] ";
   aio_nop sub { print "own " };
   exit 2;
}
waitpid $pid, 0;
print $? >> 8;
PROGRAM
   is join (" ", sort split " ", $output), "2 [0] own parent parent parent", "a child that returns from the callback it was born in";
   is $status, "exit 0", "and both end normally";
}

# ---- reinit elsewhere ------------------------------------------------------

{
   my ($status, $output) = in_child {
      my @nothing = IO::AIO::reinit;
      print "not empty " if @nothing;
      IO::AIO::max_parallel 0;
      my $buffer = "old";
      open my $fh, "<", scratch . "/file" or die;
      aio_read $fh, 0, 7, $buffer, 0, sub { print "wrong " };
      aio_nop sub { print "wrong " };
      IO::AIO::reinit;
      print counts, " ", error_of { $buffer = "x" } eq "" ? "writable " : "read-only ";
      IO::AIO::min_parallel 4;
      IO::AIO::reinit for 1 .. 3;
      lives;
   };
   is "$status: $output", "exit 0: 0/0/0 writable works", "reinit drops requests without reporting; repeating it is harmless";
}

# ---- storms ----------------------------------------------------------------

for my $reinit (0, 1) {
   my $how = $reinit ? "with reinit" : "without reinit";
   my ($done, %status) = (0);
   for my $round (1 .. 12) {
      aio_stat "/", sub { $done++ } for 1 .. 50;
      my ($status, $output) = in_child {
         IO::AIO::reinit if $reinit;
         lives;
      };
      $status{"$status: $output"}++;
      IO::AIO::poll_cb if $round % 2;
   }
   drain;
   is_deeply \%status, { "exit 0: works" => 12 }, "12 children of a busy parent, $how";
   is $done, 600, "which loses nothing";
}

# ---- limits ----------------------------------------------------------------

{
   my $want = 3;
   my $limit = sub {
      # Requests that find no worker stay ready.
      my @r = map { pipe my $r, my $w or die; push @log, $w; aio_read $r, undef, 1, my $data = "", 0; $r } 1 .. 12;
      # As many as wanted, and then for a while no more.
      my ($seen, $end) = 0;
      until_true {
         my $executing = IO::AIO::nreqs - IO::AIO::nready - IO::AIO::npending;
         $seen = $executing if $executing > $seen;
         $end ||= Time::HiRes::time () + 0.2 if $seen >= $want;
         $end && Time::HiRes::time () > $end
      };
      print $seen;
   };
   IO::AIO::max_parallel 3;
   both "the worker limit is the parent's", "3", $limit;
   IO::AIO::min_parallel ($want = 8);
   both "the default limit", "8", $limit;
   @log = ();
}

done_testing;
