#!/usr/bin/perl
# A bounded queue: however many paths come in, at most N requests exist at a
# time. Here each path is looked at, and the sizes are added up.
#
#    queue.pl [--limit=N] [PATH...]      paths from standard input if none given
use strict;
use warnings;
use Getopt::Long;
use IO::AIO;

my $limit = 10;
GetOptions ("limit=i" => \$limit)
   or die "usage: $0 [--limit=N] [PATH...]\n";

my @given = @ARGV;
sub next_path {
   return shift @given if @ARGV;
   my $line = <STDIN>;
   chomp $line if defined $line;
   $line
}

my ($active, $most, $paths, $missing, $bytes) = (0) x 5;

my $queue = aio_group sub {
   print "$paths paths, $missing missing, $bytes bytes, at most $most at a time\n";
};

$queue->limit ($limit);

# Called whenever there is room. Adding nothing ends the queue.
$queue->feed (sub {
   my ($queue) = @_;
   my $path = next_path;
   return unless defined $path;

   $most = $active if ++$active > $most;
   $queue->add (aio_stat $path, sub {
      $active--;
      $paths++;
      $_[0] ? $missing++ : ($bytes += -s _);
   });
});

IO::AIO::flush;
