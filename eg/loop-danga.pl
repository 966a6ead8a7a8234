#!/usr/bin/perl
# Results delivered by Danga::Socket, as Perlbal uses it. Stats the files given.
use strict;
use warnings;
use Danga::Socket;
use IO::AIO;

Danga::Socket->AddOtherFds (IO::AIO::poll_fileno () => \&IO::AIO::poll_cb);
my $running = 1;
Danga::Socket->SetPostLoopCallback (sub { $running });

my $group = aio_group sub { $running = 0 };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

Danga::Socket->EventLoop;
