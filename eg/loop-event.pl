#!/usr/bin/perl
# Results delivered by Event. Stats the files given.
use strict;
use warnings;
use Event;
use IO::AIO;

my $watcher = Event->io (fd => IO::AIO::poll_fileno, poll => "r", cb => \&IO::AIO::poll_cb);

my $group = aio_group sub { Event::unloop };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

Event::loop;
