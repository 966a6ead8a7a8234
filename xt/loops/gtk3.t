# Gtk3, with a window. The recipe is that of Gtk2.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "xvfb" => "display", "libgtk3-perl" => "Gtk3";
use Gtk3;
use IO::AIO;

Gtk3::init ();
my $window = Gtk3::Window->new ("toplevel");
$window->show_all;

loop_test (
   version  => "Gtk3 $Gtk3::VERSION, library " . join (".", Gtk3::get_major_version (), Gtk3::get_minor_version (), Gtk3::get_micro_version ()),
   attach   => sub { add_watch Glib::IO IO::AIO::poll_fileno, in => sub { IO::AIO::poll_cb; 1 } },
   readable => sub { my ($fh, $cb) = @_; Glib::IO->add_watch (fileno $fh, in => sub { $cb->(); 1 }) },
   after    => sub { my ($seconds, $cb) = @_; Glib::Timeout->add (1000 * $seconds, sub { $cb->(); 0 }) },
   run      => sub { $_[0]->(); Gtk3::main () },
   stop     => sub { Gtk3::main_quit () },
);
