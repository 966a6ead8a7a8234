package AIOBench;

# What every workload needs: its settings, a clock around the timed section,
# and the one line of figures that bench/run reads.
#
# Nothing here runs inside a timed section, so the two implementations are
# compared on the workload's own loop and on nothing else.

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);

our @EXPORT = qw(setting timed report file_paths blocks statm_bytes cpu_now);

my %setting;
for (@ARGV) {
   my ($key, $value) = /^(\w+)=(.*)$/s
      or die "usage: $0 key=value...\n";
   $setting{$key} = $value;
}

sub setting($) {
   my ($key) = @_;
   defined $setting{$key} or die "$0: needs the setting $key=...\n";
   return $setting{$key};
}

# User and system time of all threads, ended ones included. The figure is the
# sum that getrusage splits in two, without the 10 ms steps of times().
sub cpu_now() {
   return clock_gettime CLOCK_PROCESS_CPUTIME_ID;
}

my ($wall, $cpu);

sub timed(&) {
   my ($section) = @_;
   my ($wall0, $cpu0) = (clock_gettime (CLOCK_MONOTONIC), cpu_now);
   $section->();
   ($wall, $cpu) = (clock_gettime (CLOCK_MONOTONIC) - $wall0, cpu_now () - $cpu0);
   return;
}

# report ops => operations, check => what must be equal on both sides, ...
# A workload that measures by other means passes wall and cpu itself.
sub report {
   my %figure = (wall => $wall, cpu => $cpu, @_);
   $figure{$_} = sprintf "%.6f", $figure{$_} for qw(wall cpu);

   my ($object) = grep m{/IO/AIO/AIO\.\w+\z}, @DynaLoader::dl_shared_objects;
   my %module = (
      version => IO::AIO->VERSION,
      module  => $INC{"IO/AIO.pm"},
      object  => $object // "",
   );

   local $| = 1;
   print join ("\t", map "$_->[0]=$_->[1]",
      (map [$_, $figure{$_}], sort keys %figure),
      (map [$_, $module{$_}], sort keys %module)), "\n";
   return;
}

# The layout of the tree of many files: 1,000 per directory.
sub file_paths {
   my ($root, $n) = @_;
   return map { sprintf "%s/d%03d/f%03d", $root, $_ / 1000, $_ % 1000 } 0 .. $n - 1;
}

# N block numbers below LIMIT in an order that looks random and is the same in
# every run.
sub blocks {
   my ($n, $limit) = @_;
   my $state = 12345;
   return map {
      $state = ($state * 1103515245 + 12345) & 0x7fffffff;
      ($state >> 8) % $limit
   } 1 .. $n;
}

# Resident memory of this process.
sub statm_bytes() {
   require POSIX;
   open my $fh, "<", "/proc/self/statm" or die "/proc/self/statm: $!\n";
   my (undef, $resident) = split " ", <$fh>;
   return $resident * POSIX::sysconf (POSIX::_SC_PAGESIZE ());
}

1;
