# What "use IO::AIO" adds to the life of a program: whole processes that load it
# and end, less as many that load nothing, one of each in turn.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use IO::AIO ();
use AIOBench;

my $n = setting "n";
my @perl = ($^X, map "-I$_", split /:/, setting "inc");
my ($wall, $failed) = (0, 0);

sub life {
   my $t0 = clock_gettime CLOCK_MONOTONIC;
   system @perl, "-e", $_[0];
   $failed += $? != 0;
   return clock_gettime (CLOCK_MONOTONIC) - $t0;
}

my @cpu0 = times;
for (1 .. $n) {
   $wall += life "use IO::AIO";
   $wall -= life "1";
}
my @cpu1 = times;

# The processor time is that of all the processes: times() is too coarse for
# the difference of two short lives.
report ops => $n, wall => $wall, cpu => $cpu1[2] + $cpu1[3] - $cpu0[2] - $cpu0[3], check => $failed;
