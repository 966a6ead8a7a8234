# AnyEvent on its own loop, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libanyevent-perl" => "AnyEvent";

anyevent_test ("Perl", "its own loop");
