#!/usr/bin/perl
# Waits for child processes without SIGCHLD: a pidfd is readable once its
# process has ended. A timerfd gives the deadline. Both go into the same select
# as the results of requests.
#
#    children.pl SECONDS COMMAND...      each command is run by the shell
use strict;
use warnings;
use IO::AIO;

my ($seconds, @command) = @ARGV;
@command or die "usage: $0 SECONDS COMMAND...\n";

my %child;
for my $command (@command) {
   my $pid = fork;
   defined $pid or die "fork: $!\n";
   $pid or exec "/bin/sh", "-c", $command or die "exec: $!\n";

   my $pidfd = IO::AIO::pidfd_open $pid
      or die "pidfd_open: $!\n";
   $child{fileno $pidfd} = { pid => $pid, fh => $pidfd, command => $command };
}

my $timer = IO::AIO::timerfd_create IO::AIO::CLOCK_MONOTONIC
   or die "timerfd_create: $!\n";
my @previous = IO::AIO::timerfd_settime $timer, 0, 0, $seconds
   or die "timerfd_settime: $!\n";

while (%child) {
   my $readable = "";
   vec ($readable, $_, 1) = 1 for keys %child, fileno $timer, IO::AIO::poll_fileno;
   select $readable, undef, undef, undef;

   IO::AIO::poll_cb;

   for my $fd (grep vec ($readable, $_, 1), keys %child) {
      my $child = delete $child{$fd};
      waitpid $child->{pid}, 0;
      my $status = $?;
      # an answer that takes a disk access does not hold up the loop
      aio_stat "/", sub {
         print "$child->{command}: ", $status & 127 ? "signal " . ($status & 127) : "status " . ($status >> 8), "\n";
      };
   }

   if (vec $readable, fileno $timer, 1) {
      sysread $timer, my $expirations, 8;
      IO::AIO::pidfd_send_signal $_->{fh}, 15 for values %child;
   }
}
IO::AIO::flush;
