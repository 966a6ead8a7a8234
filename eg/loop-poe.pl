#!/usr/bin/perl
# Results delivered by POE. Stats the files given.
use strict;
use warnings;
use IO::AIO;
use POE;

open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
POE::Session->create (inline_states => {
   _start  => sub { $_[KERNEL]->select_read ($results, "results") },
   results => sub { IO::AIO::poll_cb },
});

my $group = aio_group sub { POE::Kernel->stop };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

POE::Kernel->run;
