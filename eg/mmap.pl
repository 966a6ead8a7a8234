#!/usr/bin/perl
# Counts the lines of a file in mapped memory. The pages are brought in by a
# request first, so the program does not stop for the disk while it counts.
#
#    mmap.pl FILE
use strict;
use warnings;
use IO::AIO;

my ($path) = @ARGV
   or die "usage: $0 FILE\n";

open my $fh, "<", $path
   or die "$path: $!\n";

my $data;
IO::AIO::mmap $data, -s $fh, IO::AIO::PROT_READ, IO::AIO::MAP_SHARED, $fh
   or die "$path: $!\n";

aio_mtouch $data, 0, undef, 0, sub {
   print "$path: ", ($data =~ tr/\n//), " lines\n";
   IO::AIO::munmap $data;
};

IO::AIO::flush;
