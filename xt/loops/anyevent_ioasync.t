# AnyEvent on IO::Async, with the recipe of old.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libio-async-perl" => "IO::Async::Loop", "libanyevent-perl" => "AnyEvent";

anyevent_test ("IOAsync", "IO::Async $IO::Async::Loop::VERSION");
