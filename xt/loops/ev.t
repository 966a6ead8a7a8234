# EV, with the recipe it always had.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libev-perl" => "EV";
use EV;
use IO::AIO;

my ($watcher, @watcher);
loop_test (
   version  => sprintf ("EV %s (backend %d)", $EV::VERSION, EV::backend),
   attach   => sub { $watcher = EV::io IO::AIO::poll_fileno, EV::READ, \&IO::AIO::poll_cb },
   readable => sub { my ($fh, $cb) = @_; push @watcher, EV::io $fh, EV::READ, $cb },
   after    => sub { my ($seconds, $cb) = @_; my $w; $w = EV::timer $seconds, 0, sub { undef $w; $cb->() } },
   run      => sub { $_[0]->(); EV::run },
   stop     => sub { EV::break },
);
