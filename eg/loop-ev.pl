#!/usr/bin/perl
# Results delivered by EV. Stats the files given.
use strict;
use warnings;
use EV;
use IO::AIO;

my $watcher = EV::io IO::AIO::poll_fileno, EV::READ, \&IO::AIO::poll_cb;

my $group = aio_group sub { EV::break };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

EV::run;
