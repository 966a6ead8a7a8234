# AnyEvent on EV, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libev-perl" => "EV", "libanyevent-perl" => "AnyEvent";

anyevent_test ("EV", "EV $EV::VERSION");
