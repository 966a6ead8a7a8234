#!/usr/bin/perl
# Results delivered by AnyEvent. Stats the files given.
use strict;
use warnings;
use AnyEvent;
use IO::AIO;

my $watcher = AnyEvent->io (fh => IO::AIO::poll_fileno, poll => "r", cb => \&IO::AIO::poll_cb);
my $end = AnyEvent->condvar;

my $group = aio_group sub { $end->send };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

$end->recv;
