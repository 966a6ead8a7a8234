#!/usr/bin/perl
# Requests in parent and child: the child starts afresh, the parent keeps what
# it has begun.
#
#    fork.pl
use strict;
use warnings;
use IO::AIO;

$| = 1;
aio_stat $0, sub { print "parent: my request was answered\n" };

my $pid = fork;
defined $pid or die "fork: $!\n";

if (!$pid) {
   # the parent's request is not here
   print "child: ", IO::AIO::nreqs, " requests at the start\n";
   aio_stat $0, sub { print "child: my request was answered\n" };
   IO::AIO::flush;
   exit 0;
}

waitpid $pid, 0;
IO::AIO::flush;
print "parent: the child ended with status ", $? >> 8, "\n";
