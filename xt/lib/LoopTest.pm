# One scenario for every event loop.
#
#    use LoopTest "libev-perl" => "EV";
#
# loads the modules a loop needs, each after the name of the Debian package that
# has it, before the rest of the file is compiled. One that is not installed
# skips the file. "display" stands for an X server, started for this process.
# The first tests of the file are that IO::AIO is the one under test.
#
# loop_test then runs 2,000 requests in the loop, beside a timer and a socket,
# and ends the file. A loop is described by code:
#
#    version    what to print
#    attach     the recipe: lets the loop call IO::AIO::poll_cb
#    after      calls code once after some seconds
#    readable   calls code whenever a handle is readable, for ever
#    run        runs the loop, having called the code it gets as soon as the
#               functions above can be used
#    stop       makes run return
#    extra      optional: more to do in the loop once the requests are
#               delivered; calls the code it gets when it is done
package LoopTest;

use strict;
use warnings;
use lib "t/lib";

use AIOTest qw(patience scratch spew slurp readable);
use Cwd ();
use Fcntl ();
use List::Util qw(max min shuffle sum0);
use POSIX ();
use Socket ();
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);
use IO::AIO;

# ---- what a test file needs ------------------------------------------------

sub import {
   my ($class, @need) = @_;
   strict->import;
   warnings->import;

   while (my ($package, $module) = splice @need, 0, 2) {
      if ($module eq "display") {
         _display ($package);
         next;
      }
      (my $file = "$module.pm") =~ s{::}{/}g;
      next if eval { require $file };
      # One that is there and does not load is a failure, not a reason to skip.
      die $@ unless $@ =~ /^Can't locate \Q$file\E in \@INC/;
      plan skip_all => "$module is not installed; on Debian it is in $package";
   }

   # A module loaded above may have found another one.
   my ($blib) = map m{^(.*\bblib)/(?:lib|arch)/*\z}, grep !ref, @INC;
   $blib = Cwd::abs_path ($ENV{AIO_EXPECT} // $blib // "blib") // "blib";
   my $loaded = Cwd::abs_path ($INC{"IO/AIO.pm"});
   ok index ($loaded, "$blib/") == 0, "the IO::AIO loaded is the one that was built here"
      or BAIL_OUT "$loaded is not below $blib; run prove -b -r xt at the top of the distribution, after make";
   cmp_ok $IO::AIO::VERSION, ">=", 5, "... version 5 or later"
      or BAIL_OUT "$loaded is version $IO::AIO::VERSION";

   no strict "refs";
   *{caller () . "::$_"} = \&$_ for qw(loop_test anyevent_test);
}

my ($server, $owner);

# An X server of our own even where a display exists, so that the test neither
# depends on that one nor shows windows on it. It ends with its last client.
sub _display {
   my ($package) = @_;
   my ($xvfb) = grep -x, map "$_/Xvfb", split /:/, $ENV{PATH};
   plan skip_all => "there is no Xvfb; on Debian it is in $package" unless defined $xvfb;

   pipe my $r, my $w or die "pipe: $!";
   $owner = $$;
   $server = fork // die "fork: $!";
   if (!$server) {
      fcntl $w, Fcntl::F_SETFD (), 0;
      open STDIN, "<", "/dev/null";
      open $_, ">", scratch . "/xvfb" for \*STDOUT, \*STDERR;
      exec $xvfb, "-displayfd", fileno $w, "-screen", "0", "640x480x24", "-nolisten", "tcp", "-terminate"
         or POSIX::_exit (254);
   }
   close $w;
   my $display = <$r>;
   defined $display or die "Xvfb does not start: ", slurp (scratch . "/xvfb");
   chomp $display;
   $ENV{DISPLAY} = ":$display";
   delete $ENV{XAUTHORITY};
}

END {
   # $? is the status of the test.
   local $?;
   if ($server && $owner == $$) {
      kill TERM => $server;
      waitpid $server, 0;
   }
}

# ---- the clocks ------------------------------------------------------------

use constant {
   TICK    => 0.01,     # of the timer that has to keep firing
   GAP     => 0.05,     # what may be between two ticks
   CONTROL => 0.3,      # how long to watch the loop without requests
   IDLE    => 0.4,      # how long to watch it with nothing to do
   BUSY    => 0.05,     # the part of a processor that counts as busy
};

sub now () { clock_gettime (CLOCK_MONOTONIC) }
sub cpu () { clock_gettime (CLOCK_PROCESS_CPUTIME_ID) }

# What the machine did to this process, as Linux counts it. Elsewhere, nothing is
# known, and all delay counts as ours.
sub machine () {
   my %now;
   for my $file (glob "/proc/$$/task/*/schedstat") {
      # A worker may end at any time.
      open my $fh, "<", $file or next;
      # nanoseconds on a processor; and ready to run, but without one
      my ($ran, $waited) = map { ($_ // 0) / 1e9 } (split " ", <$fh> // "")[0, 1];
      my ($id) = $file =~ m{/(\d+)/schedstat\z};
      $now{waited}{$id} = $waited;
      $now{ran} = $ran if $id == $$;
   }
   if (open my $fh, "<", "/proc/stat") {
      my (undef, $user, $nice, $system, undef, undef, $irq, $softirq, $steal) = split " ", <$fh>;
      $now{others} = ($user + $nice + $system + $irq + $softirq + $steal) / POSIX::sysconf (POSIX::_SC_CLK_TCK) - cpu;
   }
   \%now
}

# The part of a gap between two moments that is our own doing. Not ours is the
# time the loop had to wait for a processor. Nor is that in which it waited for a
# lock that a worker had who waited for a processor. Nobody knows when that was, so
# the waits of all workers count, but only as much as other processes ran
# meanwhile. What the loop itself ran is ours in any case.
sub own {
   my ($gap, $from, $to) = @_;
   my %waited = map { $_ => $to->{waited}{$_} - ($from->{waited}{$_} // 0) } keys %{ $to->{waited} };
   my $loop   = delete $waited{$$} // 0;
   my $others = ($to->{others} // 0) - ($from->{others} // 0);
   max $gap - $loop - max (0, min $others, sum0 values %waited), ($to->{ran} // 0) - ($from->{ran} // 0)
}

# ---- the ledger ------------------------------------------------------------

my (@what, @seen, @wrong);
my $left = 0;

# A callback that has to be called exactly once. Its results go to $check, which
# may return a complaint.
sub once {
   my ($what, $check) = @_;
   my $n = @what;
   push @what, $what;
   push @seen, 0;
   $left++;
   sub {
      # before anything else can change it
      my $errno = $! + 0;
      $left-- unless $seen[$n]++;
      my $complaint = $check ? &$check : undef;
      push @wrong, "$what: $complaint (errno $errno)" if defined $complaint;
   }
}

# Callbacks that must not be called.
my $refused = 0;
sub never { my ($what) = @_; $refused++; sub { push @wrong, "$what was delivered" } }

# Two complaints for most requests
sub ok0    { $_[0] == 0 ? undef : "$_[0] in place of 0" }
sub errno  { my ($want) = @_; sub { $_[0] == -1 && $! == $want ? undef : "$_[0] in place of an error" } }
sub equals { my ($want) = @_; sub { my $got = join ",", map $_ // "undef", @_; $got eq $want ? undef : "$got in place of $want" } }

# ---- the requests ----------------------------------------------------------

use constant REQUESTS => 2000;

my ($dir, $journal, @slot, @copy);

sub prepare {
   $dir = scratch . "/loop";
   mkdir $_ or die "$_: $!" for $dir, map "$dir/$_", "few", "few/sub", "work";
   spew ("$dir/few/$_", "content of $_\n") for "a" .. "e";
   spew ("$dir/data", join "", map chr, 0 .. 255);
   open $journal, "+>", "$dir/journal" or die "journal: $!";
}

# Each makes some requests, under names that begin with $n.
my @kind = (
   sub {
      my ($n) = @_;
      aio_stat "$dir/data", once "$n stat", sub { !$_[0] && -s _ == 256 ? undef : "wrong size" };
   },
   sub {
      my ($n) = @_;
      aio_lstat "$dir/none", once "$n lstat of nothing", errno POSIX::ENOENT;
   },
   sub {
      my ($n) = @_;
      my ($opened, $read, $closed);
      my $buffer = "";
      my $close = once "$n close", \&ok0;
      my $got   = once "$n read", sub { $_[0] == 16 && $buffer eq join ("", map chr, 32 .. 47) ? undef : "wrong data" };
      aio_open "$dir/data", IO::AIO::O_RDONLY, 0, once "$n open", sub {
         my ($fh) = @_
            or return "not opened";
         aioreq_pri 2;
         aio_read $fh, 32, 16, $buffer, 0, sub { &$got; aio_close $fh, $close };
         undef
      };
   },
   sub {
      my ($n) = @_;
      my $line = sprintf "%-15s\n", $n;
      aio_write $journal, @slot * 16, 16, $line, 0, once "$n write", equals 16;
      push @slot, $line;
   },
   sub {
      my ($n) = @_;
      my $removed = once "$n rmdir", \&ok0;
      aio_mkdir "$dir/work/$n", 0700, once "$n mkdir", sub { aio_rmdir "$dir/work/$n", $removed; &ok0 };
   },
   sub {
      my ($n) = @_;
      my $path = "$dir/work/link$n";
      my $read = once "$n readlink", equals "to $n";
      my $gone = once "$n unlink", \&ok0;
      aio_symlink "to $n", $path, once "$n symlink", sub {
         aio_readlink $path, sub { &$read; aio_unlink $path, $gone };
         &ok0
      };
   },
   sub {
      my ($n) = @_;
      aio_readdir "$dir/few", once "$n readdir", sub { "@{[ sort @{ $_[0] } ]}" eq "a b c d e sub" ? undef : "wrong names" };
   },
   sub {
      my ($n) = @_;
      my $data;
      aio_load "$dir/few/b", $data, once "$n load", sub { $_[0] == 13 && $data eq "content of b\n" ? undef : "wrong data" };
   },
   sub {
      my ($n) = @_;
      aioreq_pri (-3);
      aio_nop once "$n nop", equals "";
   },
   # a group, its members of all priorities
   sub {
      my ($n) = @_;
      my $members = 0;
      my $group = aio_group once "$n group", sub { $members == 5 && "@_" eq "x y" ? undef : "$members members, @_" };
      for my $i (1 .. 5) {
         aioreq_pri $i - 3;
         add $group aio_nop once "$n member $i", sub { $members++; undef };
      }
      $group->result ("x", "y");
   },
   # a group in a group, and a member added by a member
   sub {
      my ($n) = @_;
      my $order = "";
      my $outer = aio_group once "$n outer group", sub { $order =~ /1.*2.*i/ ? undef : "order $order" };
      my $inner = aio_group once "$n inner group", sub { $order .= "i"; undef };
      add $outer $inner;
      my $second = once "$n second member", sub { $order .= "2"; undef };
      add $inner aio_stat "$dir/few", once "$n first member", sub { $order .= "1"; add $inner aio_nop $second; undef };
   },
   # a group that a feeder fills, two at a time
   sub {
      my ($n) = @_;
      my ($fed, $active) = (0, 0);
      my @member = map { once "$n fed $_", sub { $active--; $active <= 1 ? undef : "$active others active" } } 1 .. 6;
      my $group = aio_group once "$n fed group", sub { @member ? @member . " left" : undef };
      limit $group 2;
      feed $group sub {
         my ($group) = @_;
         my $member = shift @member or return;
         $active++;
         add $group aio_nop $member;
      };
   },
   sub {
      my ($n) = @_;
      aio_scandir "$dir/few", 0, once "$n scandir", sub {
         @_ == 2 && "@{ $_[0] }" eq "sub" && @{ $_[1] } == 5 ? undef : "wrong names"
      };
   },
   sub {
      my ($n) = @_;
      push @copy, "$dir/work/copy$n";
      aio_copy "$dir/data", $copy[-1], once "$n copy", \&ok0;
   },
   # keeps a worker from other requests; the loop must not notice
   sub {
      my ($n) = @_;
      IO::AIO::aio_busy 0.005, once "$n busy", equals "";
   },
   # one that is cancelled, in one way or another
   sub {
      my ($n) = @_;
      my $req = aio_nop never "$n cancelled request";
      my $group = aio_group never "$n cancelled group";
      add $group aio_nop never "$n member of a cancelled group";
      $_->cancel for $req, $group;
   },
);

my $made = 0;

# Makes requests, in all about as many, until there are REQUESTS.
sub requests {
   my ($n) = @_;
   my $to = min @what + $refused + $n, REQUESTS;
   while ((my $have = @what + $refused) < $to) {
      # the longest kind is 10
      my $kind = REQUESTS - $have < 10 ? 0 : $made % @kind;
      $kind[$kind]->($made++);
   }
   @what + $refused < REQUESTS
}

# ---- timers ----------------------------------------------------------------

# For loops written by hand, which have none
my @timer;

sub after {
   my ($seconds, $cb) = @_;
   @timer = sort { $a->[0] <=> $b->[0] } @timer, [now + $seconds, $cb];
}

# Runs those that are due. Returns the seconds until the next is.
sub timers {
   my $now = now;
   (shift @timer)->[1]->() while @timer && $timer[0][0] <= $now;
   @timer ? max 0, $timer[0][0] - now : undef
}

# ---- AnyEvent --------------------------------------------------------------

# The same for each of the loops AnyEvent knows. $version is of the loop below it.
sub anyevent_test {
   my ($model, $version, %more) = @_;
   $ENV{PERL_ANYEVENT_MODEL} = $model;
   is AnyEvent::detect (), "AnyEvent::Impl::$model", "AnyEvent uses $model";

   my (@watcher, $done);
   loop_test (
      version  => "AnyEvent $AnyEvent::VERSION on $version",
      attach   => sub { push @watcher, AnyEvent->io (fh => IO::AIO::poll_fileno, poll => 'r', cb => \&IO::AIO::poll_cb) },
      readable => sub { my ($fh, $cb) = @_; push @watcher, AnyEvent->io (fh => $fh, poll => "r", cb => $cb) },
      after    => sub { my ($seconds, $cb) = @_; my $w; $w = AnyEvent->timer (after => $seconds, cb => sub { undef $w; $cb->() }) },
      run      => sub { $done = AnyEvent->condvar; $_[0]->(); $done->recv },
      stop     => sub { $done->send },
      %more,
   );
}

# ---- the scenario ----------------------------------------------------------

sub loop_test {
   my (%loop) = @_;
   my ($after, $readable) = @loop{qw(after readable)};
   my @warnings;
   local $SIG{__WARN__} = sub { push @warnings, @_ };
   my $extra = $loop{extra} || sub { $_[0]->() };
   diag "$loop{version}; IO::AIO $IO::AIO::VERSION";
   prepare;

   my (%gap, %delay, $phase, $end, @order, @priorities, %idle, $buffer, $finished);

   # The timer that has to keep firing.
   my ($last, $before, $ticking);
   my $tick; $tick = sub {
      my ($now, $machine) = (now, machine);
      if ($last) {
         my $gap = $now - $last;
         $gap{$phase}   = max $gap{$phase}   // 0, own ($gap, $before, $machine);
         $delay{$phase} = max $delay{$phase} // 0, $gap;
      }
      ($last, $before) = ($now, $machine);
      $after->(TICK, $tick) if $ticking;
   };

   # The socket: one end sends back what arrives, the other sends the next number
   # when it has got the last one back, not before the next tick.
   socketpair my $near, my $far, Socket::AF_UNIX (), Socket::SOCK_STREAM (), 0 or die "socketpair: $!";
   $_->blocking (0) for $near, $far;
   my ($sent, $echoed, $talking) = (0, 0, 0);
   my $say = sub { syswrite $near, pack "N", ++$sent };
   my $echo = sub { my $got = ""; syswrite $far, $got if sysread $far, $got, 4096 };
   my $listen = sub {
      sysread $near, my $got, 4096 or return;
      push @wrong, "echo of " . unpack ("H*", $got) . " in place of $sent" if $got ne pack "N", $sent;
      $echoed++;
      $after->(TICK, $say) if $talking;
   };

   my %then;
   my $enter = sub {
      ($phase) = @_;
      $then{$phase}->();
   };

   # Looks after each tick whether the phase is over, and whether all has taken too long.
   my $deadline = now + patience;
   my $when; $when = sub {
      my ($over, $next) = @_;
      if ($over->()) {
         $enter->($next);
      } elsif (now > $deadline) {
         $loop{stop}->();
      } else {
         $after->(TICK, sub { $when->($over, $next) });
      }
   };

   %then = (
      # The loop as it is, for comparison
      control => sub {
         ($ticking, $talking) = (1, 1);
         $tick->();
         $say->();
         my $until = now + CONTROL;
         $when->(sub { now >= $until }, "order");
      },

      # With no worker nothing is executed, so what is queued is certain. With one,
      # execution is in order of priority, and so is delivery.
      order => sub {
         IO::AIO::max_parallel 0;
         my %number;
         for my $pri (shuffle map +($_) x 10, -4 .. 4) {
            my $name = sprintf "%+d/%d", $pri, ++$number{$pri};
            push @priorities, [$pri, $number{$pri}, $name];
            aioreq_pri $pri;
            aio_nop once "priority $name", sub { push @order, $name; undef };
         }
         my $req = aio_mkdir "$dir/never", 0700, never "request cancelled while ready";
         my $group = aio_group once "group whose members are cancelled", equals "";
         add $group aio_rmdir "$dir/few", never "member cancelled while ready" for 1 .. 5;
         $req->cancel;
         $group->cancel_subs;
         IO::AIO::min_parallel 1;
         aioreq_pri (-4);
         aio_nop once "last in order";
         $when->(sub { !$left }, "burst");
      },

      # Half of the requests at once. A burst of results is delivered in pieces of
      # this time, as the manual advises where a loop has to stay responsive. Event
      # comes back for the next piece after each single event of others, of which
      # there are up to five here.
      burst => sub {
         IO::AIO::min_parallel 8;
         IO::AIO::max_poll_time 0.005;
         requests REQUESTS / 2;
         $when->(sub { !$left }, "slices");
      },

      # The others a few at a time, with polls that always leave results behind:
      # the loop has to come back for them by itself.
      slices => sub {
         IO::AIO::max_poll_reqs 10;
         $when->(sub { !requests 50 }, "rest");
      },

      rest => sub {
         $when->(sub { !$left && !IO::AIO::nreqs }, "extra");
      },

      extra => sub {
         IO::AIO::max_poll_reqs 0;
         my $done;
         $extra->(sub { $done = 1 });
         $when->(sub { $done }, "quiet");
      },

      # Lets the timer, the socket and the workers come to rest.
      quiet => sub {
         ($ticking, $talking) = (0, 0);
         my $until = now + 5 * TICK;
         $when->(sub { now >= $until && $sent == $echoed }, "idle");
      },

      # Idle, with a request on a worker and a group that waits for it
      idle => sub {
         pipe my $r, my $w or die "pipe: $!";
         $buffer = "";
         my $group = aio_group once "group that waits", sub { $finished = now; undef };
         add $group aio_read $r, undef, 1, $buffer, 0, once "read from a pipe", equals 1;
         $idle{gate} = $w;
         # A group that has been looked at no longer counts.
         $when->(sub { IO::AIO::nreqs == 1 && !IO::AIO::nready && !IO::AIO::npending }, "waiting");
      },

      waiting => sub {
         $idle{early} = readable;
         @idle{"time", "cpu"} = (now, cpu);
         $after->(IDLE, sub {
            $_ = cpu - $_ for $idle{cpu};
            $_ = now - $_ for $idle{time};
            $idle{late} = readable;
            syswrite $idle{gate}, "x";
            $when->(sub { !$left && !IO::AIO::nreqs }, "end");
         });
      },

      end => sub { $end = 1; $loop{stop}->() },
   );

   $loop{run}->(sub {
      $loop{attach}->();
      $readable->($far,  $echo);
      $readable->($near, $listen);
      $enter->("control");
   });

   ok $end, "the scenario ends in time"
      or diag "in phase $phase, $sent numbers sent, $echoed echoed, $left of ", scalar @what, " not delivered";

   # ---- what came of it ----------------------------------------------------

   is @what + $refused, REQUESTS + 2, "2,000 requests, and two for the idle loop, $refused of them cancelled" if $end;
   my @missing = map $what[$_], grep !$seen[$_], 0 .. $#what;
   my @twice   = map $what[$_], grep $seen[$_] > 1, 0 .. $#what;
   is @missing, 0, "none is lost" or diag map "$_\n", @missing[0 .. min 9, $#missing];
   is @twice, 0, "none is delivered twice" or diag map "$_\n", @twice[0 .. min 9, $#twice];
   is @wrong, 0, "all results are right, what was cancelled is not delivered, and the socket echoes"
      or diag map "$_\n", @wrong[0 .. min 9, $#wrong];
   is_deeply \@order, [map $_->[2], sort { $b->[0] <=> $a->[0] || $a->[1] <=> $b->[1] } @priorities],
      "delivered in order of priority, and in that of submission within one";
   is slurp ("$dir/journal"), join ("", @slot), "what was written is in the file";
   is scalar (grep slurp ($_) ne slurp ("$dir/data"), @copy), 0, "copies are whole";
   is_deeply [sort glob "$dir/work/*"], [sort @copy], "nothing else is left behind";
   is IO::AIO::nreqs, 0, "no request is outstanding";

   is @warnings, 0, "no warnings" or diag map $warnings[$_], 0 .. min 9, $#warnings;

   cmp_ok $echoed, ">=", 20, "the socket was served all the time";
   $end or return done_testing;

   # A machine may be slower than that even without requests: a virtual one that
   # has to wait for its host does not know.
   my $control = $gap{control};
   my ($worst) = sort { $gap{$b} <=> $gap{$a} } grep $_ ne "control", keys %gap;
   my $allowed = max GAP, 2 * $control;
   my $ms = sub { sprintf "%.0f ms", 1000 * $_[0] };
   cmp_ok $gap{$worst}, "<=", $allowed, "the timer fires all the time";
   diag "largest gap of the timer ", $ms->($gap{$worst}), " ($worst), ", $ms->($control), " without requests; ",
      "with what the machine did to it ", $ms->(max map $delay{$_}, keys %delay);

   ok !$idle{early}, "idle, with a request on a worker: the descriptor is quiet";
   ok !$idle{late}, "... and stays so";
   cmp_ok $idle{cpu}, "<", BUSY * $idle{time}, "... the loop waits";
   diag sprintf "processor time in %.0f ms without results: %.1f ms", 1000 * $idle{time}, 1000 * $idle{cpu};
   ok $finished, "... and wakes up for the result";

   done_testing;
}

1
