# Danga::Socket, with the recipe of old, and sockets of its own kind beside it.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libdanga-socket-perl" => "Danga::Socket";
use Danga::Socket;
use IO::AIO;

{
   package Reader;
   use base "Danga::Socket";
   use fields "cb";

   sub new {
      my ($self, $fh, $cb) = @_;
      $self = fields::new ($self);
      $self->SUPER::new ($fh);
      $self->{cb} = $cb;
      $self->watch_read (1);
      $self
   }
   sub event_read { $_[0]{cb}->() }
}

my $running = 1;
Danga::Socket->SetPostLoopCallback (sub { $running });
loop_test (
   version  => "Danga::Socket " . Danga::Socket->VERSION . (Danga::Socket->HaveEpoll ? ", epoll" : ", poll"),
   attach   => sub { Danga::Socket->AddOtherFds (IO::AIO::poll_fileno => \&IO::AIO::poll_cb) },
   readable => sub { my ($fh, $cb) = @_; Reader->new ($fh, $cb) },
   after    => sub { my ($seconds, $cb) = @_; Danga::Socket->AddTimer ($seconds, $cb) },
   run      => sub { $_[0]->(); Danga::Socket->EventLoop },
   stop     => sub { $running = 0; Danga::Socket->SetLoopTimeout (0) },
);
