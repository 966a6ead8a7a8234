# Coro::AIO and Coro::EV: the scenario, then requests that look like plain calls,
# from a hundred coroutines.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libev-perl" => "EV", "libcoro-perl" => "Coro", "libanyevent-aio-perl" => "AnyEvent::AIO";
use IO::AIO ();
use Coro;
use Coro::EV;
use Coro::AIO;
use POSIX ();
use Test::More;

use constant COROUTINES => 100;

my $dir = LoopTest::scratch;
my (@watcher, $calls, @wrong);

sub wrong { push @wrong, "$_[0] (errno " . ($! + 0) . ")"; undef }

sub coroutine {
   my ($n) = @_;
   my ($path, $data) = ("$dir/coro$n", "coroutine $n\n" x $n);

   my $fh = aio_open $path, IO::AIO::O_RDWR | IO::AIO::O_CREAT, 0600
      or return wrong "$path: not opened";
   my $length = length $data;
   aio_write ($fh, 0, $length, $data, 0) == $length      or wrong "$path: not written";
   my $got = "";
   aio_read ($fh, 0, $length + 1, $got, 0) == $length    or wrong "$path: not read";
   $got eq $data                                         or wrong "$path: wrong data";
   aio_stat ($path) == 0 && -s _ == $length              or wrong "$path: wrong size";
   aio_stat ("$path.none") == -1 && $! == POSIX::ENOENT  or wrong "$path: wrong error";
   aio_close ($fh) == 0                                  or wrong "$path: not closed";
   aio_unlink ($path) == 0                               or wrong "$path: not removed";
   $calls += 7;
}

loop_test (
   version  => "Coro $Coro::VERSION, AnyEvent::AIO $AnyEvent::AIO::VERSION, EV $EV::VERSION",
   # AnyEvent::AIO does it when the first request is made
   attach   => sub { },
   readable => sub { my ($fh, $cb) = @_; push @watcher, EV::io $fh, EV::READ, $cb },
   after    => sub { my ($seconds, $cb) = @_; my $w; $w = EV::timer $seconds, 0, sub { undef $w; $cb->() } },
   run      => sub { $_[0]->(); EV::run },
   stop     => sub { EV::break },
   extra    => sub {
      my ($done) = @_;
      my @coro = map { my $n = $_; async { coroutine ($n) } } 1 .. COROUTINES;
      async {
         $_->join for @coro;
         is @wrong, 0, "Coro::AIO: results are right in each coroutine" or diag map "$_\n", @wrong;
         is $calls, 7 * COROUTINES, "... and all calls return";
         $done->();
      };
   },
);
