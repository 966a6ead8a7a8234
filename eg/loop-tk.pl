#!/usr/bin/perl
# Results delivered by Tk. Stats the files given.
use strict;
use warnings;
use IO::AIO;
use Tk;

my $window = MainWindow->new;
open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
$window->fileevent ($results, readable => sub { IO::AIO::poll_cb });

my $group = aio_group sub { $window->destroy };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

MainLoop;
