#!/usr/bin/perl
# Results delivered by IO::Poll. Stats the files given.
use strict;
use warnings;
use IO::AIO;
use IO::Poll "POLLIN";

my $running = 1;
my $group = aio_group sub { $running = 0 };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
my $poll = IO::Poll->new;
$poll->mask ($results => POLLIN);

while ($running) {
   $poll->poll (1);
   IO::AIO::poll_cb if $poll->events ($results);
}
