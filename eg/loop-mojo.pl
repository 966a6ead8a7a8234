#!/usr/bin/perl
# Results delivered by Mojo::IOLoop. Stats the files given.
use strict;
use warnings;
use IO::AIO;
use Mojo::IOLoop;

open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
Mojo::IOLoop->singleton->reactor->io ($results => sub { IO::AIO::poll_cb })->watch ($results, 1, 0);

my $group = aio_group sub { Mojo::IOLoop->stop };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

Mojo::IOLoop->start;
