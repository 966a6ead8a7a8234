# A loop around IO::Poll.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest;
use IO::AIO;
use IO::Poll qw(POLLIN);

my $poll = IO::Poll->new;
my (@reader, $results, $running);
loop_test (
   version  => "IO::Poll $IO::Poll::VERSION",
   attach   => sub {
      open $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
      $poll->mask ($results => POLLIN);
   },
   readable => sub { my ($fh, $cb) = @_; $poll->mask ($fh => POLLIN); push @reader, [$fh, $cb] },
   after    => \&LoopTest::after,
   run      => sub {
      $_[0]->();
      $running = 1;
      while (1) {
         my $wait = LoopTest::timers;
         $running or last;
         $poll->poll ($wait);
         IO::AIO::poll_cb if $poll->events ($results);
         $poll->events ($_->[0]) and $_->[1]->() for @reader;
      }
   },
   stop     => sub { $running = 0 },
);
