# AnyEvent::AIO, unmodified, on the event loops of AnyEvent. It watches the
# number of the descriptor with poll_cb itself as the callback, once the first
# request has been submitted.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew patience park release in_child);
use ClientTest qw(need client each_loop);
use POSIX qw(ENOENT);
use Test::More;

BEGIN { need "libanyevent-perl and libanyevent-aio-perl", qw(AnyEvent AnyEvent::AIO) }
my $loop; BEGIN { $loop = each_loop qw(EV Event Glib POE Perl) }
BEGIN { client qw(AnyEvent AnyEvent::AIO) }
use IO::AIO;

my $top  = scratch;
my @size = map $_ * 31 % 997, 0 .. 500;
spew ("$top/$_", "x" x $size[$_]) for 1 .. 500;

# A condition variable that is awaited for as long as a test has patience.
sub condvar {
   my $cv = AnyEvent->condvar;
   my $timer; $timer = AnyEvent->timer (after => patience, cb => sub { undef $timer; $cv->croak ("not in " . patience . " seconds\n") });
   $cv->cb (sub { undef $timer });
   $cv
}

# Runs the loop until nothing is outstanding.
sub settle {
   my $cv = condvar;
   my $timer = AnyEvent->timer (after => 0, interval => 0.01, cb => sub { $cv->send if !IO::AIO::nreqs });
   $cv->recv;
}

# ---- the first request -----------------------------------------------------

is $AnyEvent::MODEL, undef, "no event loop was chosen by loading";
{
   my @got;
   aio_nop sub { @got = ("done", @_) };
   is $AnyEvent::MODEL, "AnyEvent::Impl::$loop", "the first request chooses it: $loop";
   ok ref $AnyEvent::AIO::WATCHER, "... and the descriptor is watched";
   my $cv = condvar;
   my $timer = AnyEvent->timer (after => 0, interval => 0.01, cb => sub { $cv->send if @got });
   $cv->recv;
   is "@got", "done", "... and it is delivered";
}

# ---- many requests ---------------------------------------------------------

{
   my ($cv, @wrong) = condvar;
   for my $i (1 .. 500) {
      $cv->begin;
      aio_stat "$top/$i", sub {
         push @wrong, "stat $i" if $_[0] || (-s _ || 0) != $size[$i];
         aio_open "$top/$i", IO::AIO::O_RDONLY, 0, sub {
            my $fh = shift or return push @wrong, "open $i: $!";
            my $data = "";
            aio_read $fh, 0, 2000, $data, 0, sub {
               push @wrong, "read $i" if $_[0] != $size[$i] || length $data != $size[$i];
               aio_close $fh, sub {
                  push @wrong, "close $i" if $_[0];
                  aio_stat "$top/none$i", sub {
                     push @wrong, "none $i" if $_[0] != -1 || $! != ENOENT;
                     $cv->end;
                  };
               };
            };
         };
      };
   }
   $cv->recv;
   is_deeply \@wrong, [], "500 chains of 5 requests, 500 at a time";
   settle;
}

# A chain of single requests: each is waited for by the loop alone.
{
   my ($cv, $n) = (condvar, 0);
   my $next; $next = sub { ++$n == 1000 ? $cv->send : aio_nop $next };
   aio_nop $next;
   $cv->recv;
   is $n, 1000, "1000 requests, one after the other";
   undef $next;
}

{
   my ($cv, $sum) = (condvar, 0);
   my $i = 0;
   my $group = aio_group sub { $cv->send ("@_") };
   $group->limit (4);
   $group->feed (sub { return if $i >= 300; my $n = ++$i; add $group aio_stat "$top/$n", sub { $sum += (-s _) || 0; $group->result ($sum) } });
   my $expect = 0;
   $expect += $_ for @size[1 .. 300];
   is $cv->recv, $expect, "a group with a feeder";
}

# ---- with other events -----------------------------------------------------

{
   my $ticks = 0;
   my $cv    = condvar;
   my @gate  = park 1, sub { $cv->send };
   my $timer = AnyEvent->timer (after => 0, interval => 0.01, cb => sub { release @gate if ++$ticks == 5 });
   $cv->recv;
   cmp_ok $ticks, ">=", 5, "timers go on while a request executes";
}

# poll_cb that takes one result at a time leaves the rest to the next round.
{
   my ($cv, $got) = (condvar, 0);
   IO::AIO::max_poll_reqs 1;
   aio_nop sub { $cv->send if ++$got == 200 } for 1 .. 200;
   $cv->recv;
   IO::AIO::max_poll_reqs 0;
   is $got, 200, "max_poll_reqs 1: all results are delivered, a round each";
}

{
   my ($cv, $n) = (condvar, 0);
   IO::AIO::max_poll_time 0.001;
   aio_nop sub { select undef, undef, undef, 0.0005; $cv->send if ++$n == 100 } for 1 .. 100;
   $cv->recv;
   IO::AIO::max_poll_time 0;
   is $n, 100, "max_poll_time: all results are delivered";
}

# Requests without a callback, and cancelled ones, keep no loop busy.
{
   IO::AIO::max_parallel 0;
   my @req = map +(aio_stat "$top/$_", sub { fail "a cancelled request called back" }), 1 .. 20;
   aio_stat "$top/1" for 1 .. 20;
   $_->cancel for @req;
   IO::AIO::min_parallel 8;
   settle;
   is IO::AIO::nreqs, 0, "cancelled requests, and those without callback, are done";
   ok !AIOTest::readable (), "... and the descriptor is quiet";
}

# An exception in a callback: what the loop makes of it is its own affair, yet
# the other results come.
SKIP: {
   $loop eq "Glib" || $loop eq "POE" and skip "$loop drops a watcher whose callback dies", 1;
   my ($cv, $got) = (condvar, 0);
   local $SIG{__WARN__} = sub { };
   { no warnings "once"; $EV::DIED = sub { } if $loop eq "EV"; $Event::DIED = sub { } if $loop eq "Event" }
   for my $i (1 .. 20) {
      aio_nop sub { ++$got == 20 and $cv->send; die "exception $i\n" if $i % 5 == 0 };
   }
   my $end = AnyEvent->time + patience;
   my $tries = 0;
   until ($cv->ready) {
      last if AnyEvent->time > $end || ++$tries > 100;
      eval { $cv->recv };
   }
   is $got, 20, "results are delivered when callbacks die";
}

# ---- fork ------------------------------------------------------------------

# The child has its own descriptor under the number that is watched. The other
# loops are not made to be used on both sides of a fork.
if ($loop eq "EV" || $loop eq "Perl") {
   my @gate = park 4;
   my ($cv, $got) = (condvar, 0);
   $cv->begin;
   for my $i (1 .. 100) {
      $cv->begin;
      aio_stat "$top/$i", sub { $got++; $cv->end };
   }
   for my $reinit (0, 1) {
      my ($status, $output) = in_child {
         $SIG{__WARN__} = sub { };
         IO::AIO::reinit if $reinit;
         my ($cv, $n) = (condvar, 0);
         for my $i (1 .. 50) {
            aio_stat "$top/$i", sub { $n += -s _ || 0; $cv->end };
            $cv->begin;
         }
         $cv->recv;
         my $expect = 0;
         $expect += $_ for @size[1 .. 50];
         print $n == $expect && $got == 0 && !IO::AIO::nreqs () ? "right" : "$n $expect $got";
      };
      is "$status $output", "exit 0 right", "a child " . ($reinit ? "that calls reinit" : "") . " gets its results, and only its own";
   }
   release @gate;
   $cv->end;
   $cv->recv;
   is $got, 100, "the parent gets all of its";
   settle;
}

# ---- without the watcher ---------------------------------------------------

{
   undef $AnyEvent::AIO::WATCHER;
   my $got = 0;
   aio_nop sub { $got++ };
   my $cv = condvar;
   AIOTest::pending (1);
   my $timer = AnyEvent->timer (after => 0.05, cb => sub { $cv->send });
   $cv->recv;
   is $got, 0, "without the watcher nothing is delivered by the loop";
   IO::AIO::flush;
   is $got, 1, "... but by flush";
}

done_testing;
