#!/usr/bin/perl
# Results delivered by a loop around select, beside a timer. Stats the files
# given.
use strict;
use warnings;
use IO::AIO;

my $running = 1;
my $group = aio_group sub { $running = 0 };
for my $path (@ARGV) {
   $group->add (aio_stat $path, sub { print "$path: ", $_[0] ? $! : -s _, "\n" });
}

while ($running) {
   my $readable = "";
   vec ($readable, IO::AIO::poll_fileno, 1) = 1;

   if (0 < select $readable, undef, undef, 1) {
      IO::AIO::poll_cb;
   }
   # other descriptors, timers and so on
}
