# Groups against a model, in 100,000 steps; see AIOModel. Then nesting, which is
# limited by memory, not by the stack.
#
# AIO_STRESS multiplies the number of steps, AIO_SEED repeats a run,
# AIO_CHUNK runs one part of it only.
use strict;
use warnings;
use lib "t/lib";
use AIOModel;
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $seed   = $ENV{AIO_SEED} || time % 1_000_000;
my $stress = $ENV{AIO_STRESS} || 1;
my $chunks = 100 * $stress;
my $length = 1000;
diag "seed $seed";

my ($agree, $events, $calls) = (0, 0, 0);
for my $chunk (exists $ENV{AIO_CHUNK} ? $ENV{AIO_CHUNK} : 1 .. $chunks) {
   alarm 9 * patience;
   my ($difference, $n, $called) = AIOModel::differs ($seed * 1009 + $chunk, $length);
   $events += $n;
   $calls  += $called;
   if ($difference) {
      fail "part $chunk agrees with the model";
      diag "AIO_SEED=$seed AIO_CHUNK=$chunk repeats it\n$difference";
      last;
   }
   $agree++;
}
diag "$AIOModel::steps steps, $events events, $calls callbacks agree with the model (seed $seed)";
exists $ENV{AIO_CHUNK} or is $agree, $chunks, "the module agrees with the model in $chunks random programs of $length steps";
cmp_ok $AIOModel::seen{$_} || 0, ">", 0, "the programs saw: $_"
   for "add", "add refused", "cancel", "cancel_subs", "cb", "feed", "feed refused", "feeder", "limit", "limit refused",
       "poll", "poll inside", "poll with exception", "result", "result refused";

# ---- nesting is limited by memory, not by the stack ------------------------

# Callbacks are one sub: perl's own list of the closures of a package takes
# quadratic time.
my $depth = 100_000;
my $deep = <<"PROGRAM" . <<'PROGRAM';
my \$depth = $depth;
PROGRAM
my $n = 0;
my $count = sub { $n++ };
my ($top, $bottom);
sub build {
   my ($nop) = @_;
   $top = $bottom = aio_group $count;
   for (2 .. $depth) {
      my $group = aio_group $count;
      $group->add (aio_nop $count) if $nop;
      $bottom->add ($group);
      $bottom = $group;
   }
}
sub ended { drain; print "$n called, nreqs ", IO::AIO::nreqs }
PROGRAM

for my $case (
   ["built from the top, ends", 'build; ended', "$depth called, nreqs 0"],
   ["with a request in each, ends", 'build 1; ended', 2 * $depth - 1 . " called, nreqs 0"],
   ["built from the bottom, ends", '$top = aio_nop $count; for (1 .. $depth) { my $group = aio_group $count; $group->add ($top); $top = $group } ended',
      $depth + 1 . " called, nreqs 0"],
   ["whose objects are gone, ends", 'build; undef $_ for $top, $bottom; ended', "$depth called, nreqs 0"],
   ["can be cancelled", 'build 1; $top->cancel; ended', "0 called, nreqs 0"],
   ["has its members cancelled", 'build 1; $top->cancel_subs; ended', "1 called, nreqs 0"],
   ["is searched for cycles", 'build; print eval { $bottom->add ($top); 1 } ? "accepted " : "refused "; ended', "refused $depth called, nreqs 0"],
   ["may be left at exit", 'build; print "exits"; POSIX::close 1', "exits"],
   ["may be left by a callback that dies", 'build; aio_nop sub { print "dies "; die }; eval { IO::AIO::flush }; ended', "dies $depth called, nreqs 0"],
   ["whose objects are nested as well is freed", 'for (1 .. $depth) { my $group = aio_group; $group->{inner} = $top; $group->add ($top) if $top; $top = $group } undef $top; ended',
      "0 called, nreqs 0"],
   ["fed in a chain ends", 'my $left = $depth; $top = aio_group $count; $top->limit (1); $top->feed (sub { $_[0]->add (aio_nop $count) if $left-- > 0 }); ended',
      $depth + 1 . " called, nreqs 0"],
   ["that grows from its members' callbacks ends", 'my $left = $depth; $top = aio_group $count; my $add; $add = sub { $n++; $top->add (aio_nop $add) if $left-- > 0 }; $top->add (aio_nop $add); ended',
      $depth + 2 . " called, nreqs 0"],
   ["with as many members beside each other ends", '$top = aio_group $count; $top->add (aio_nop $count) for 1 .. $depth; ended', $depth + 1 . " called, nreqs 0"],
) {
   alarm 9 * patience;
   my ($name, $code, $expect) = @$case;
   my ($status, $output) = run_perl $deep . $code;
   is "$status: $output", "exit 0: $expect", "a group $depth deep $name";
}

# Polls inside callbacks nest on the stack of the C library. Where that ends
# there has to be an exception, or at least no crash.
{
   my ($status, $output) = run_perl <<'PROGRAM';
no warnings "recursion";
my ($n, $error) = (0, "");
my $poll; $poll = sub {
   return if $n++ >= 100_000;
   aio_nop $poll;
   eval { IO::AIO::poll; 1 } or $error ||= $@;
};
aio_nop $poll;
IO::AIO::flush;
print $n >= 100_000 ? "polled" : $error ? "refused" : "stopped";
PROGRAM
   like "$status: $output", qr/^exit 0: (?:polled|refused)\z/, "polls nested 100000 deep end in order or with an exception";
}

done_testing;
