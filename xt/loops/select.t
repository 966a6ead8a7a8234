# A loop around select.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest;
use IO::AIO;

my (%reader, $running);
loop_test (
   version  => "select of perl $^V",
   attach   => sub { $reader{+IO::AIO::poll_fileno} = \&IO::AIO::poll_cb },
   readable => sub { my ($fh, $cb) = @_; $reader{fileno $fh} = $cb },
   after    => \&LoopTest::after,
   run      => sub {
      $_[0]->();
      $running = 1;
      while (1) {
         my $wait = LoopTest::timers;
         $running or last;
         my $set = "";
         vec ($set, $_, 1) = 1 for keys %reader;
         select $set, undef, undef, $wait;
         vec ($set, $_, 1) and $reader{$_}->() for keys %reader;
      }
   },
   stop     => sub { $running = 0 },
);
