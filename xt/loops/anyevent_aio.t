# AnyEvent::AIO: no recipe at all. The first request that is made lets it find
# the loop.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libanyevent-perl" => "AnyEvent", "libanyevent-aio-perl" => "AnyEvent::AIO";

anyevent_test ("Perl", "its own loop, AnyEvent::AIO $AnyEvent::AIO::VERSION", attach => sub { });
