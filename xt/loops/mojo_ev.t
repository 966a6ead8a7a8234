# Mojo::IOLoop on Mojo::Reactor::EV, with the recipe of the manual.
use strict;
use warnings;
use lib "xt/lib";
BEGIN { $ENV{MOJO_REACTOR} = "Mojo::Reactor::EV" }
use LoopTest "libev-perl" => "EV", "libmojolicious-perl" => "Mojolicious", "libmojolicious-perl" => "Mojo::IOLoop";
use IO::AIO;
use Mojo::IOLoop;
use Test::More;

is ref Mojo::IOLoop->singleton->reactor, $ENV{MOJO_REACTOR}, "Mojo uses $ENV{MOJO_REACTOR}";

my $results;
loop_test (
   version  => "Mojolicious $Mojolicious::VERSION, EV $EV::VERSION",
   attach   => sub {
      open $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
      Mojo::IOLoop->singleton->reactor->io ($results => sub { IO::AIO::poll_cb })->watch ($results, 1, 0);
   },
   readable => sub { my ($fh, $cb) = @_; Mojo::IOLoop->singleton->reactor->io ($fh => $cb)->watch ($fh, 1, 0) },
   after    => sub { my ($seconds, $cb) = @_; Mojo::IOLoop->timer ($seconds => $cb) },
   run      => sub { $_[0]->(); Mojo::IOLoop->start },
   stop     => sub { Mojo::IOLoop->stop },
);
