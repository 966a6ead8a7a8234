#!/usr/bin/perl
# The SYNOPSIS of the manual as a program: reads the head of a file, then
# removes a few files as one group.
#
#    synopsis.pl FILE [FILE-TO-REMOVE...]
use strict;
use warnings;

my ($path, @remove) = @ARGV
   or die "usage: $0 FILE [FILE-TO-REMOVE...]\n";

use IO::AIO;

# one request after the other: open a file, then read from it
aio_open $path, IO::AIO::O_RDONLY, 0, sub {
   my $fh = shift
      or die "$path: $!";

   my $buffer = "";
   aio_read $fh, 0, 1024, $buffer, 0, sub {
      $_[0] >= 0
         or die "$path: $!";
      print "the first $_[0] bytes are: $buffer\n";
   };
};

# many requests at once, and one callback at the end: a group
my $group = aio_group sub { print "all gone\n" };
for my $file (@remove) {
   $group->add (aio_unlink $file, sub {
      $_[0] and warn "$file: $!\n";
   });
}

# without an event loop: wait until everything is done
IO::AIO::flush;
