#!/usr/bin/perl
# Asks many places at once, takes the first answer and cancels the rest:
# finds a directory of a list that has an entry of the given name. Earlier
# directories get a higher priority.
#
#    first.pl NAME DIRECTORY...
use strict;
use warnings;
use IO::AIO;

my ($name, @dir) = @ARGV;
@dir or die "usage: $0 NAME DIRECTORY...\n";

my $search = aio_group sub {
   print @_ ? "found: $_[0]\n" : "not found\n";
};

my $pri = 4;
for my $path (map "$_/$name", @dir) {
   aioreq_pri $pri--;
   $search->add (aio_lstat $path, sub {
      return if $_[0];
      $search->result ($path);
      $search->cancel_subs;
   });
}

IO::AIO::flush;
