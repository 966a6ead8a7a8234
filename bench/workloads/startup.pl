# What "use IO::AIO" adds to the life of a program: whole processes that load it
# and end, less processes that load nothing, one of each in turn. Medians are
# taken of both, as one slow start would outweigh the difference.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use IO::AIO ();
use AIOBench;

my $n = setting "n";
my @perl = ($^X, map "-I$_", split /:/, setting "inc");
my (@with, @without);
my $failed = 0;

sub life {
   my $t0 = clock_gettime CLOCK_MONOTONIC;
   system @perl, "-e", $_[0];
   $failed += $? != 0;
   return clock_gettime (CLOCK_MONOTONIC) - $t0;
}

my @cpu0 = times;
for (1 .. $n) {
   push @with,    life "use IO::AIO";
   push @without, life "1";
}
my @cpu1 = times;

sub median { (sort { $a <=> $b } @_)[$#_ / 2] }

# The processor time is that of all the processes: times() is too coarse for
# the difference of two short lives.
report ops => $n, wall => $n * (median (@with) - median (@without)), cpu => $cpu1[2] + $cpu1[3] - $cpu0[2] - $cpu0[3], check => $failed;
