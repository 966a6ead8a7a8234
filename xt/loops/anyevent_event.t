# AnyEvent on Event, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libevent-perl" => "Event", "libanyevent-perl" => "AnyEvent";

anyevent_test ("Event", "Event $Event::VERSION");
