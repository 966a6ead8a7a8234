# AnyEvent on Glib, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libglib-perl" => "Glib", "libanyevent-perl" => "AnyEvent";

anyevent_test ("Glib", "Glib $Glib::VERSION");
