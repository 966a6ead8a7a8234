#!/usr/bin/perl
# Results delivered by Glib, as Gtk uses it. Stats the files given.
use strict;
use warnings;
use Glib;
use IO::AIO;

my $watcher = Glib::IO->add_watch (IO::AIO::poll_fileno, in => sub { IO::AIO::poll_cb; 1 });
my $loop = Glib::MainLoop->new;

my $group = aio_group sub { $loop->quit };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

$loop->run;
