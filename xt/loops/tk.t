# Tk, with the recipe of the manual. The one of old, which gave Tk the bare
# number and an empty mode, is refused by Tk itself, and was before.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "xvfb" => "display", "perl-tk" => "Tk";
use IO::AIO;
use Test::More;
use Tk;
use Tk::Event::IO;

my $window = MainWindow->new;

ok !eval { Tk::Event::IO->fileevent (IO::AIO::poll_fileno, "", readable => \&IO::AIO::poll_cb); 1 }, "a recipe of old is none";
like $@, qr/^Invalid handler type ''/, "... because of Tk";

my $results;
loop_test (
   version  => "Tk $Tk::VERSION, library $Tk::patchLevel",
   attach   => sub {
      open $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
      $window->fileevent ($results, readable => sub { IO::AIO::poll_cb });
   },
   readable => sub { my ($fh, $cb) = @_; $window->fileevent ($fh, readable => sub { $cb->() }) },
   after    => sub { my ($seconds, $cb) = @_; $window->after (1000 * $seconds, sub { $cb->() }) },
   run      => sub { $_[0]->(); MainLoop },
   stop     => sub { $window->destroy },
);
