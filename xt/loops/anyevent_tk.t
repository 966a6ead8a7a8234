# AnyEvent on Tk, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "xvfb" => "display", "perl-tk" => "Tk", "libanyevent-perl" => "AnyEvent";

anyevent_test ("Tk", "Tk $Tk::VERSION");
