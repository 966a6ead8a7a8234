# Event, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libevent-perl" => "Event";
use Event;
use IO::AIO;

loop_test (
   version  => "Event $Event::VERSION",
   attach   => sub { Event->io (fd => IO::AIO::poll_fileno, poll => 'r', async => 1, cb => \&IO::AIO::poll_cb) },
   readable => sub { my ($fh, $cb) = @_; Event->io (fd => $fh, poll => "r", cb => sub { $cb->() }) },
   after    => sub { my ($seconds, $cb) = @_; Event->timer (after => $seconds, cb => sub { $cb->() }) },
   run      => sub { $_[0]->(); Event::loop () },
   stop     => sub { Event::unloop () },
);
