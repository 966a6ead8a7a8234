#!/usr/bin/perl
# Results delivered by IO::Async. Stats the files given.
use strict;
use warnings;
use IO::AIO;
use IO::Async::Loop;

open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
my $loop = IO::Async::Loop->new;
$loop->watch_io (handle => $results, on_read_ready => \&IO::AIO::poll_cb);

my $group = aio_group sub { $loop->stop };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

$loop->run;
