# IO::Async on poll, with the recipe of the manual.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libio-async-perl" => "IO::Async::Loop::Poll";
use IO::AIO;
use IO::Async::Loop::Poll;

my $loop = IO::Async::Loop::Poll->new;
my $results;
loop_test (
   version  => "IO::Async $IO::Async::Loop::VERSION, " . ref $loop,
   attach   => sub {
      open $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
      $loop->watch_io (handle => $results, on_read_ready => \&IO::AIO::poll_cb);
   },
   readable => sub { my ($fh, $cb) = @_; $loop->watch_io (handle => $fh, on_read_ready => $cb) },
   after    => sub { my ($seconds, $cb) = @_; $loop->watch_time (after => $seconds, code => $cb) },
   run      => sub { $_[0]->(); $loop->run },
   stop     => sub { $loop->stop },
);
