# AnyEvent on POE, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libpoe-perl" => "POE", "libanyevent-perl" => "AnyEvent";

anyevent_test ("POE", "POE $POE::VERSION");
