#!/usr/bin/perl
# What IO::AIO::stats costs: queued requests that do nothing, in processes that never
# ask for it and in processes that have asked once, from when on times are taken.
#
#    perl -Mblib bench/stats.pl [PAIRS]
use strict;
use warnings;
use IO::AIO;
use Time::HiRes "time";

my $pairs = shift // 9;
my $n = 200_000;
defined &IO::AIO::stats or die "$0: this IO::AIO has no stats\n";

# Microseconds for a request, in a process of its own.
sub run {
   my ($asks) = @_;
   my $pid = open my $fh, "-|";
   defined $pid or die "fork: $!\n";
   if (!$pid) {
      IO::AIO::stats () if $asks;
      my $done = 0;
      my $count = sub { ++$done };
      my $start = time;
      aio_nop $count for 1 .. $n;
      IO::AIO::flush;
      printf "%.3f\n", (time - $start) / $n * 1e6;
      exit;
   }
   chomp (my $us = readline $fh);
   return $us;
}

my (@never, @asked, @again);
for (1 .. $pairs) {
   push @never, run (0);
   push @asked, run (1);
   push @again, run (0);
}
sub median { (sort { $a <=> $b } @_)[@_ / 2] }
my $ratio = sub { my ($x, $y) = @_; median (map $x->[$_] / $y->[$_], 0 .. $#$x) };
printf "never asked %.3f us, asked %.3f us: ratio %.2f; never asked beside never asked: %.2f\n",
   median (@never), median (@asked), $ratio->(\@asked, \@never), $ratio->(\@again, \@never);
