# Glib, with the recipe of old, which is that of Gtk2, too.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libglib-perl" => "Glib";
use Glib;
use IO::AIO;

my $loop = Glib::MainLoop->new;
loop_test (
   version  => "Glib $Glib::VERSION, library " . join (".", Glib::major_version, Glib::minor_version, Glib::micro_version),
   attach   => sub { add_watch Glib::IO IO::AIO::poll_fileno, in => sub { IO::AIO::poll_cb; 1 } },
   readable => sub { my ($fh, $cb) = @_; Glib::IO->add_watch (fileno $fh, in => sub { $cb->(); 1 }) },
   after    => sub { my ($seconds, $cb) = @_; Glib::Timeout->add (1000 * $seconds, sub { $cb->(); 0 }) },
   run      => sub { $_[0]->(); $loop->run },
   stop     => sub { $loop->quit },
);
