# fork under load: the parent loses nothing and delivers nothing twice, each
# child starts clean, whatever was going on, wherever the fork came from.
#
# AIO_STRESS multiplies the number of forks, AIO_SEED repeats a run.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $seed   = $ENV{AIO_SEED} || time % 1_000_000;
my $stress = $ENV{AIO_STRESS} || 1;
diag "seed $seed";

my %figure;

# Each case is a program of its own; lines that begin with # are figures.
sub shows {
   my ($name, $expect, $program, @args) = @_;
   alarm 9 * patience;
   my ($status, $output) = run_perl <<'PRELUDE' . $program, $seed, $stress, @args;
my ($seed, $stress, @args) = @ARGV;
srand $seed;
my $top = $$;
my $fd = IO::AIO::poll_fileno;

# ---- the parent's side: numbered requests, each to be delivered once

my ($next, %called) = (0);
my $file = spew (scratch . "/file", "content" x 100);
open my $handle, "<", $file or die;
sub delivered {
   my ($owner, $id, $ok) = @_;
   $$ == $owner or POSIX::_exit (99);
   $ok or die "request $id failed: $!";
   $called{$id}++;
}
sub submit {
   my $id = ++$next;
   my $owner = $$;
   my $kind = int rand 7;
   my $done = sub { delivered ($owner, $id, $_[0]) };
   aioreq_pri (int (rand 9) - 4);
   if    ($kind == 0) { aio_nop sub { $done->(1) } }
   elsif ($kind == 1) { aio_stat $file, sub { $done->($_[0] == 0) } }
   elsif ($kind == 2) { my $b = ""; aio_read $handle, 0, 100, $b, 0, sub { $done->($b eq substr "content" x 100, 0, 100) } }
   elsif ($kind == 3) { aio_open $file, IO::AIO::O_RDONLY, 0, sub { $done->($_[0]) } }
   elsif ($kind == 4) { my $group = aio_group sub { $done->(1) }; $group->add (aio_nop, aio_stat $file) }
   elsif ($kind == 5) { aio_readdir scratch, sub { $done->($_[0] && @{ $_[0] }) } }
   else               { IO::AIO::aio_busy rand 0.0005, sub { $done->(1) } }
}
sub each_once {
   my @bad = grep +($called{$_} || 0) != 1, 1 .. $next;
   @bad ? scalar (@bad) . " of $next not delivered once" : "each delivered once"
}

# ---- the child's side

# Returns nothing if all is well.
sub child_fault {
   my ($how) = @_;
   IO::AIO::reinit if $how % 2;
   IO::AIO::nreqs || IO::AIO::nready || IO::AIO::npending and return "counters";
   IO::AIO::nthreads and return "workers";
   IO::AIO::poll_fileno == $fd or return "number";
   readable and return "readable at once";
   # The limit is the parent's.
   IO::AIO::min_parallel 1;
   my $n = 0;
   aio_stat $file, sub { $n++ if !$_[0] } for 1 .. 3;
   my $group = aio_group sub { $n += 10 };
   $group->add (aio_nop sub { $n += 100 });
   undef $group;
   while (IO::AIO::nreqs || $n != 113) {
      readable patience or return "quiet";
      IO::AIO::poll_cb;
   }
   readable and return "readable at the end";
   $n == 113 ? () : "served $n"
}

# Ways for a child to live and end; the status tells.
my $ways = 8;
sub child {
   my ($way) = @_;
   my $fault = eval { child_fault ($way) } // $@;
   if ($fault) { syswrite STDERR, "child: $fault\n"; POSIX::_exit (1) }
   $way = int $way / 2;
   if    ($way == 0) { POSIX::_exit (42) }
   elsif ($way == 1) { exec $^X, "-e", "exit 42" }
   elsif ($way == 2) { aio_nop sub { POSIX::_exit (42) }; exit 1 }
   else              { aio_stat $file for 1 .. 20; exit 42 }
}
my ($forks, $bad) = (0, 0);
my @pid;
sub split_off {
   my $pid = fork // die "fork: $!";
   child ($forks % $ways) if !$pid;
   $forks++;
   push @pid, $pid;
   reap (pop @pid) if @pid > 3;
}
sub reap { for (@_) { waitpid $_, 0; $? == 42 << 8 or $bad++, print "status $? " } }
sub all_reaped { reap (splice @pid); $bad ? "$bad of $forks children bad" : "children live" }
PRELUDE
   $figure{$1} += $2 while $output =~ s/^# (\w+) (\d+)\n//m;
   chomp $output;
   is "$status: $output", "exit 0: $expect", $name;
}

# ---- storms ----------------------------------------------------------------

shows "a storm of forks with hundreds of requests in flight", "children live, each delivered once", <<'PROGRAM';
$| = 1;
IO::AIO::min_parallel 16;
for my $round (1 .. 120 * $stress) {
   submit () while IO::AIO::nreqs < 400;
   split_off ();
   # A part is delivered now, a part stays pending for the next fork.
   IO::AIO::max_poll_reqs int rand 300;
   IO::AIO::poll_cb;
}
IO::AIO::max_poll_reqs 0;
drain;
print all_reaped, ", ", each_once;
print "\n# forks $forks\n# requests $next\n";
PROGRAM

shows "with workers that start and end all the time", "children live, each delivered once", <<'PROGRAM';
IO::AIO::max_idle 0;
IO::AIO::idle_timeout 0;
for my $round (1 .. 120 * $stress) {
   # The fork follows a submission that starts a worker, or one that has just
   # ended, or comes while results arrive.
   submit () for 1 .. 1 + rand 8;
   my $spin = rand 300;
   1 while $spin-- > 0;
   split_off ();
   drain if $round % 3;
}
drain;
print all_reaped, ", ", each_once;
print "\n# forks $forks\n# requests $next\n";
PROGRAM

shows "with the limit changing all the time", "children live, each delivered once", <<'PROGRAM';
for my $round (1 .. 80 * $stress) {
   IO::AIO::max_parallel int rand 4;
   submit () for 1 .. 30;
   split_off ();
   IO::AIO::min_parallel 1 + rand 12;
   IO::AIO::poll_cb;
}
drain;
print all_reaped, ", ", each_once;
print "\n# forks $forks\n# requests $next\n";
PROGRAM

# ---- places ----------------------------------------------------------------

# Code that perl runs on behalf of the module, in the middle of its work.
my %place = (
   "a callback"                     => 'aio_nop sub { split_off () }',
   "a callback that dies"           => 'aio_nop sub { split_off (); die "on purpose\n" }',
   "a group's callback"             => 'my $group = aio_group sub { split_off () }; $group->add (aio_nop)',
   "a member's callback"            => 'my $group = aio_group; $group->add (aio_nop sub { split_off () }, aio_nop)',
   "a feeder, called by feed"       => 'my $left = 3; my $group = aio_group; $group->feed (sub { split_off () if $left == 3; $_[0]->add (aio_nop) if $left-- > 0 })',
   "a feeder, called by a poll"     => 'my $left = 3; my $group = aio_group; $group->limit (1); $group->feed (sub { split_off () if $left == 2; $_[0]->add (aio_nop) if $left-- > 0 })',
   "the hook of a submission"       => 'IO::AIO::_on_next_submit (sub { split_off () }); submit ()',
   "an overloaded number"           => 'IO::AIO::aio_busy (bless ([], "Forking"), sub { })',
   "an overloaded callback"         => 'aio_nop (bless ([], "Forking"))',
   "a tied buffer"                  => 'tie my $buffer, "Buffer"; aio_write $null, 0, 1, $buffer, 0',
   "a callback's destructor"        => '{ my $guard = bless [], "Guard"; aio_nop sub { $guard && 1 } }',
   "a cancelled request's destructor" => 'my $req = do { my $guard = bless [], "Guard"; aio_nop sub { $guard && 1 } }; $req->cancel',
   "a group result's destructor"    => 'my $group = aio_group; $group->result (bless [], "Guard"); $group->result (1)',
   "a poll inside a callback"       => 'aio_nop sub { aio_nop sub { split_off () }; IO::AIO::poll }',
   "a signal handler during a wait" => 'IO::AIO::aio_busy 0.003; Time::HiRes::ualarm (1000); IO::AIO::flush',
   "a warning"                      => 'my $group = aio_group; $group->feed (sub { die "feeder\n" })',
);
for my $place (sort keys %place) {
   shows "forks in $place", "children live, each delivered once", <<'PRELUDE' . "for (1 .. 10 * \$stress) { submit () for 1 .. 20; $place{$place}; settle () }" . <<'PROGRAM';
{ package Forking; use overload '0+' => sub { main::split_off (); 0 }, '&{}' => sub { main::split_off (); sub { } }, fallback => 1; }
{ package Buffer; sub TIESCALAR { bless [] } sub FETCH { main::split_off () if !$_[0][0]++; "x" } sub STORE { } }
{ package Guard; my $home = $$; sub DESTROY { main::split_off () if $$ == $home } }
open my $null, ">", "/dev/null" or die;
$SIG{ALRM} = sub { split_off () };
$SIG{__WARN__} = sub { split_off () };
sub settle { eval { IO::AIO::poll_cb; 1 } || $@ eq "on purpose\n" or die $@ }
PRELUDE
until (IO::AIO::nreqs == 0) { eval { drain; 1 } || $@ eq "on purpose\n" or die $@ }
$forks >= 10 or print "only $forks forks ";
print all_reaped, ", ", each_once;
print "\n# forks $forks\n# requests $next\n";
PROGRAM
}

# ---- forks in forks --------------------------------------------------------

for my $reinit (0, 1) {
   shows "forks in forks, 8 deep, " . ($reinit ? "with reinit" : "without reinit"), "all well", <<'PROGRAM', $reinit;
# Each generation has requests of its own in flight when it forks, goes on while
# its child lives, and tells the faults of all below it by its status.
sub generation {
   my ($depth) = @_;
   IO::AIO::reinit if $args[0];
   IO::AIO::nreqs and return 1;
   %called = ();
   $next = 0;
   submit () for 1 .. 50;
   IO::AIO::poll_cb;
   my $pid;
   if ($depth) {
      $pid = fork // return 2;
      POSIX::_exit (generation ($depth - 1)) if !$pid;
   }
   submit () for 1 .. 50;
   drain;
   each_once eq "each delivered once" or return 3;
   if ($pid) { waitpid $pid, 0; return $? >> 8 || ($? && 4) }
   0
}
my $fault = 0;
for (1 .. 5 * $stress) { $fault ||= generation (8); $forks += 8 }
print $fault ? "fault $fault" : "all well";
print "\n# forks $forks\n";
PROGRAM
}

# ---- watchers --------------------------------------------------------------

for my $reinit (0, 1) {
   shows "a parent and four children watch the same number side by side, " . ($reinit ? "with reinit" : "without reinit"), "all served", <<'PROGRAM', $reinit;
# The only way to a result is the descriptor: whoever takes another's event
# leaves that one waiting. The handle is opened once, as event loops do.
open my $watch, "<&=", $fd or die "fdopen: $!";
my $total = 1500 * $stress;
sub serve {
   my ($sent, $done) = (0, 0);
   my $more; $more = sub { $done++; if ($sent < $total) { $sent++; aio_nop $more } };
   for (1 .. 5) { $sent++; aio_nop $more }
   while ($done < $total) {
      my $r = "";
      vec ($r, fileno $watch, 1) = 1;
      select $r, undef, undef, patience or return "no event after $done";
      IO::AIO::poll_cb;
   }
   undef $more;
   ""
}
my $warm = 0;
aio_nop sub { $warm++ } for 1 .. 10;
my @child = map {
   my $pid = fork // die "fork: $!";
   if (!$pid) {
      IO::AIO::reinit if $args[0];
      my $fault = serve ();
      syswrite STDERR, $fault;
      POSIX::_exit ($fault ? 1 : 0);
   }
   $pid
} 1 .. 4;
my $fault = serve ();
for (@child) { waitpid $_, 0; $fault .= "child $? " if $? }
$fault .= "warm $warm" if $warm != 10;
print $fault || "all served";
print "\n# forks 4\n# requests ", 5 * $total, "\n";
PROGRAM
}

# ---- programs --------------------------------------------------------------

shows "system, backticks, exec and pipes with hundreds of requests in flight", "0 wrong, same descriptors, each delivered once", <<'PROGRAM';
my $wrong = 0;
my $before = open_fds;
for my $round (1 .. 15 * $stress) {
   submit () while IO::AIO::nreqs < 300;
   system ("exit 7;") == 7 << 8 or $wrong++;
   submit () while IO::AIO::nreqs < 300;
   `echo out` eq "out\n" or $wrong++;
   open my $pipe, "-|", "echo", "piped" or die;
   submit () for 1 .. 10;
   <$pipe> eq "piped\n" or $wrong++;
   close $pipe or $wrong++;
   open $pipe, "|-", "cat >/dev/null" or die;
   print $pipe "x" x 1000;
   close $pipe or $wrong++;
   $forks += 5;
   # What a program inherits: no descriptor of the module's.
   `ls -l /proc/self/fd` =~ /eventfd/ and $wrong++;
   IO::AIO::poll_cb;
}
drain;
my $after = open_fds;
print "$wrong wrong, ", $after == $before ? "same" : "$before before, $after after", " descriptors, ", each_once;
print "\n# forks $forks\n# requests $next\n";
PROGRAM

diag join ", ", map "$_: $figure{$_}", sort keys %figure;
done_testing;
