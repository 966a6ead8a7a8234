#!/usr/bin/perl
# Lists the parts of a file that hold data, and how the file system stores them
# where it tells.
#
#    holes.pl FILE
use strict;
use warnings;
use IO::AIO;

my ($path) = @ARGV
   or die "usage: $0 FILE\n";

open my $fh, "<", $path
   or die "$path: $!\n";

# The position is moved by each request, so they go one after the other.
sub part {
   my ($from) = @_;

   aio_seek $fh, $from, IO::AIO::SEEK_DATA, sub {
      my ($start) = @_;
      return extents () if $start < 0;    # ENXIO: no data beyond this point

      aio_seek $fh, $start, IO::AIO::SEEK_HOLE, sub {
         my ($end) = @_;
         $end < 0 and die "$path: $!\n";
         print "data from $start to $end\n";
         part ($end);
      };
   };
}

sub extents {
   aio_fiemap $fh, 0, undef, IO::AIO::FIEMAP_FLAG_SYNC, undef, sub {
      my ($extents) = @_
         or return print "extents: $!\n";
      printf "%d extents\n", scalar @$extents;
      printf "%d bytes at %d are stored at %d\n", @$_[2, 0, 1] for @$extents;
   };
}

part (0);
IO::AIO::flush;
