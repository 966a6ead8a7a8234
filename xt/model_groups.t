# Groups against a model: random trees of requests, with random cancelling,
# limits, feeders, exceptions and polls inside callbacks. The model is the
# contract written down as plainly as possible. The module and the model run the
# same random program, and every call they make and every counter they show
# must agree, so order, exactly-once and counting are all exact.
#
# Requests become ready while the limit is 0, then a single worker executes them
# in order, then the limit is 0 again while results are delivered. So the order
# of everything is certain.
#
# AIO_STRESS multiplies the number of steps, AIO_SEED repeats a run,
# AIO_CHUNK runs one part of it only.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use Time::HiRes ();
use IO::AIO;

my $seed   = $ENV{AIO_SEED} || time % 1_000_000;
my $stress = $ENV{AIO_STRESS} || 1;
my $chunks = 100 * $stress;
my $length = 1000;
note "seed $seed";

# Warnings of exceptions that have no other place to go, from both sides.
my $trace;
$SIG{__WARN__} = sub { push @$trace, "warning " . ($_[0] =~ /(dies \d+)/ ? $1 : "unexpected: $_[0]") };

# ---- the model -------------------------------------------------------------

my (@ready, @pending, %count, $max);

package Model::REQ {
   # state: ready, pending, waiting (a group that was looked at), result, done

   sub reset { @ready = map [], -4 .. 4; @pending = map [], -4 .. 4; %count = (nreqs => 0, nready => 0, npending => 0); $max = 0 }
   sub counts { "$count{nreqs}/$count{nready}/$count{npending}" }
   sub max_poll_reqs { $max = $_[0] }

   sub nop {
      my ($class, $pri, $cb) = @_;
      my $req = bless { pri => $pri, cb => $cb, state => "ready" }, "Model::REQ";
      push @{ $ready[$pri + 4] }, $req;
      $count{nreqs}++;
      $count{nready}++;
      $req
   }

   sub _put {
      my ($req) = @_;
      $req->{state} = "pending";
      push @{ $pending[$req->{pri} + 4] }, $req;
      $count{npending}++;
   }

   sub group {
      my ($class, $pri, $cb) = @_;
      my $group = bless { pri => $pri, cb => $cb, members => {}, limit => 0, values => [], errno => 0 }, "Model::GRP";
      $count{nreqs}++;
      $group->_put;
      $group
   }

   sub execute {
      for my $lane (reverse @ready) {
         while (my $req = shift @$lane) {
            $count{nready}--;
            $req->_put;
         }
      }
   }

   sub poll_cb {
      my $limit = $max;
      my $taken = 0;
      while (1) {
         my ($lane) = grep @$_, reverse @pending;
         $lane or return 0;
         my $req = shift @$lane;
         $count{nreqs}--;
         $count{npending}--;
         if ($req->{members}) {
            $req->{seen} = 1;
            # While its feeder runs a group cannot end, whatever the feeder polls.
            if (%{ $req->{members} } || $req->{feeding}) {
               $req->{state} = "waiting";
               next;
            }
         }
         my @died;
         while ($req) {
            $req->{state} = "result";
            if ($req->{cb} && !$req->{cancelled}) {
               # The error number of a success, or what the group was told.
               local $@ = "";
               $! = $req->{errno} || 0;
               eval { $req->{cb}->(@{ $req->{values} || [] }); 1 } or push @died, $@;
            }
            my $group = delete $req->{group};
            if ($group) {
               delete $group->{members}{0 + $req};
               $group->_feed;
            }
            $req->{state} = "done";
            delete @$req{qw(cb feeder values)};
            $req = $group && $group->{seen} && !%{ $group->{members} } && $group->{state} eq "waiting" && !$group->{feeding} && $group;
         }
         warn $died[1] if @died > 1;
         die $died[0] if @died;
         return -1 if $limit && ++$taken >= $limit;
      }
   }

   sub cancel {
      my ($req) = @_;
      return if $req->{state} =~ /^(?:result|done)\z/;
      $req->{cancelled} = 1;
      if ($req->{members}) { $_->cancel for values %{ $req->{members} } }
      return;
   }

   sub cb {
      my ($req, @new) = @_;
      return if $req->{state} eq "done";
      my $old = $req->{cb};
      $req->{cb} = $new[0] if @new;
      $old
   }
}

package Model::GRP {
   our @ISA = "Model::REQ";

   sub _open { $_[0]{state} eq "done" and die "busy\n" }

   sub add {
      my ($group, @reqs) = @_;
      $group->_open;
      $group->{state} eq "result" and die "finished\n";
      for my $req (@reqs) {
         next if $req->{state} =~ /^(?:result|done)\z/;
         $req->{group} and die "already\n";
         for (my $g = $group; $g; $g = $g->{group}) { $g == $req and die "cycle\n" }
         $req->{group} = $group;
         $group->{members}{0 + $req} = $req;
         $group->{fresh}++;
      }
      @reqs
   }

   sub _feed {
      my ($group) = @_;
      while ($group->{feeder} && !$group->{feeding} && !$group->{cancelled}
         && $group->{state} !~ /^(?:result|done)\z/ && keys %{ $group->{members} } < $group->{limit}) {
         my $feeder = $group->{feeder};
         $group->{fresh} = 0;
         $group->{feeding} = 1;
         eval { $feeder->($group); 1 } or warn $@;
         $group->{feeding} = 0;
         delete $group->{feeder} if !$group->{fresh} && $group->{feeder} && $group->{feeder} == $feeder;
      }
   }

   # Emptied by a poll inside the feeder: it is looked at again.
   sub _feed_outside {
      my ($group) = @_;
      $group->_feed;
      if ($group->{state} eq "waiting" && !%{ $group->{members} } && !$group->{feeding}) {
         $count{nreqs}++;
         $group->_put;
      }
      return;
   }

   sub cancel_subs {
      my ($group) = @_;
      return if $group->{state} eq "done";
      $_->cancel for values %{ $group->{members} };
      delete $group->{feeder};
      return;
   }

   sub result { my ($group, @values) = @_; $group->{errno} = $! + 0; $group->_open; $group->{values} = \@values; return }
   sub errno  { my ($group, $errno) = @_; $group->_open; $group->{errno} = $errno; return }
   sub limit  { my ($group, $n) = @_; $group->_open; $group->{limit} = $n; $group->_feed_outside }
   sub feed {
      my ($group, $cb) = @_;
      $group->_open;
      $group->{limit} = 2 if $group->{limit} <= 0;
      $group->{feeder} = $cb;
      $group->_feed_outside;
   }
}

package main;

# ---- the module, by the same names -----------------------------------------

package Real {
   sub reset { IO::AIO::max_parallel (0); IO::AIO::max_poll_reqs (0) }
   sub counts { join "/", IO::AIO::nreqs (), IO::AIO::nready (), IO::AIO::npending () }
   sub max_poll_reqs { IO::AIO::max_poll_reqs ($_[0]) }
   sub nop   { IO::AIO::aioreq_pri ($_[1]); IO::AIO::aio_nop ($_[2]) }
   sub group { IO::AIO::aioreq_pri ($_[1]); IO::AIO::aio_group ($_[2]) }
   sub poll_cb { IO::AIO::poll_cb () }
   sub execute {
      return if !IO::AIO::nready ();
      IO::AIO::min_parallel (1);
      # Only a submission or a poll is sure to start a worker.
      IO::AIO::aioreq_pri (-4);
      IO::AIO::aio_nop ();
      my $end = Time::HiRes::time () + AIOTest::patience ();
      until (IO::AIO::npending () == IO::AIO::nreqs ()) {
         Time::HiRes::time () > $end and die "not executed: " . counts () . "\n";
         select undef, undef, undef, 0.00002;
      }
      IO::AIO::max_parallel (0);
   }
}

package main;

# ---- the program both run --------------------------------------------------

my %seen;    # what happened, so that a run that tests little is noticed
my $steps;

sub program {
   my ($api, $seed, $length) = @_;
   my $state = $seed * 7919 + 1;
   my $random = sub {
      $state = ($state * 1103515245 + 12345) % 2147483648;
      int ($state / 65536) % $_[0]
   };
   my ($id, $quiet) = (0, 0);
   my %in = (depth => 0);
   my (%obj, %running, %called, $act);
   my $call = sub { $api->can ($_[0]) };
   my $log = sub { push @$trace, $_[0] };

   my $pick = sub {
      my @id = sort { $a <=> $b } grep $_[0] ne "group" || $obj{$_}[1], keys %obj;
      @id ? $id[$random->(scalar @id)] : 0
   };
   my $cb = sub {
      my ($id, $what) = @_;
      sub {
         $log->("$what $id (@_) " . ($! + 0) . ($@ eq "" ? "" : " \$\@ $@"));
         $called{$id}++ and $log->("called again");
         return if $quiet;
         local $running{$id} = 1;
         local $in{depth} = $in{depth} + 1;
         $act->() for 1 .. $random->(3) && $random->(3);
         die "dies $id\n" if !$random->(25);
      }
   };
   my $make = sub {
      my ($group) = @_;
      my $n = ++$id;
      my $pri = $random->(9) - 4;
      my $code = $random->(6) ? $cb->($n, $group ? "group" : "nop") : undef;
      my $what = $group ? "group" : "nop";
      my $obj = $group ? $call->("group")->($api, $pri, $code) : $call->("nop")->($api, $pri, $code);
      $obj{$n} = [$obj, $group];
      $log->("$what $n pri $pri" . ($code ? "" : " no callback"));
      $n
   };
   my $method = sub {
      my ($what, $n, @args) = @_;
      my @got;
      my $ok = eval { @got = $obj{$n}[0]->$what (map ref $_ eq "ARRAY" ? $obj{$_->[0]}[0] : $_, @args); 1 };
      my $args = join " ", map ref $_ eq "ARRAY" ? $_->[0] : ref $_ || (defined $_ ? $_ : "undef"), @args;
      $log->("$what $n ($args): " . ($ok ? scalar @got . " returned" : "refused"));
      $seen{$ok ? $what : "$what refused"}++;
      $ok
   };
   my $feeder = sub {
      my ($n) = @_;
      sub {
         my ($group) = @_;
         $log->("feeder $n");
         $seen{feeder}++;
         return if $quiet;
         local $in{depth} = $in{depth} + 1;
         if ($random->(10) < 8) {
            for (0 .. $random->(2)) {
               my $m = $make->(!$random->(5));
               $group->add ($obj{$m}[0]);
               $log->("fed $m");
            }
         }
         $act->() if !$random->(4);
         die "dies $n\n" if !$random->(20);
      }
   };
   my $poll = sub {
      # What is left tells what the poll may return.
      my $rc = eval { $call->("poll_cb")->() };
      my $error = $@;
      my $counts = $call->("counts")->();
      $log->(!defined $rc ? "poll $error" : $counts =~ m{/0\z} ? "poll, nothing is left" : "poll $rc");
      $seen{defined $rc ? "poll" : "poll with exception"}++;
      $error = "";
   };

   $act = sub {
      my $n;
      my $what = $random->(100);
      $steps++;
      if ($what < 28) {
         my $m = $make->(0);
         $n = $pick->("group") and $random->(3) and $method->("add", $n, [$m]);
      } elsif ($what < 38) {
         my $m = $make->(1);
         $n = $pick->("group") and $random->(3) and $method->("add", $n, [$m]);
      } elsif ($what < 46) {
         $n = $pick->("any") or return;
         return if $obj{$n}[1] && $random->(3);
         $method->("cancel", $n);
      } elsif ($what < 49) {
         $n = $pick->("group") and $method->("cancel_subs", $n);
      } elsif ($what < 56) {
         my @m = map [$pick->("any")], 0 .. $random->(3);
         $n = $pick->("group") and $method->("add", $n, @m);
      } elsif ($what < 60) {
         $n = $pick->("group") or return;
         $! = $random->(40);
         $method->("result", $n, map $random->(100), 1 .. $random->(4));
      } elsif ($what < 62) {
         $n = $pick->("group") and $method->("errno", $n, $random->(40));
      } elsif ($what < 68) {
         $n = $pick->("group") and $method->("limit", $n, $random->(7) - 1);
      } elsif ($what < 74) {
         $n = $pick->("group") and $method->("feed", $n, $random->(8) ? $feeder->($n) : undef);
      } elsif ($what < 79) {
         $n = $pick->("any") or return;
         return if $running{$n};
         $method->("cb", $n, !$random->(3) ? () : $random->(4) ? $cb->($n, "replaced") : undef);
      } elsif ($what < 88) {
         $n = $pick->("any") and $log->("drop $n"), delete $obj{$n};
      } elsif ($what < 90) {
         my $max = $random->(3) ? 0 : 1 + $random->(5);
         $log->("max_poll_reqs $max");
         $call->("max_poll_reqs")->($max);
      } elsif ($in{depth}) {
         $seen{"poll inside"}++, $poll->() if $in{depth} < 5;
      } else {
         $call->("execute")->() if $random->(5);
         $poll->();
      }
      delete $obj{$pick->("any")} while keys %obj > 40;
   };

   $call->("reset")->();
   for (1 .. $length) {
      $act->();
      # The callbacks of the two sides must not differ in what they find here.
      $@ = "";
      $log->("counts " . $call->("counts")->()) unless $in{depth};
   }
   $quiet = 1;
   $call->("max_poll_reqs")->(0);
   %obj = ();
   for (1 .. 1000) {
      last if $call->("counts")->() eq "0/0/0";
      $call->("execute")->();
      $poll->();
   }
   $log->("in the end " . $call->("counts")->());
   scalar keys %called
}

# The request that starts the worker, in the model as well.
{
   no warnings "redefine";
   my $execute = \&Model::REQ::execute;
   *Model::REQ::execute = sub {
      return if Model::REQ::counts () =~ m{/0/};
      Model::REQ->nop (-4);
      $execute->();
   };
}

my ($agree, $events, $calls) = (0, 0, 0);
for my $chunk (exists $ENV{AIO_CHUNK} ? $ENV{AIO_CHUNK} : 1 .. $chunks) {
   alarm 9 * patience;
   my (@model, @real);
   $trace = \@model;
   my $before = $steps || 0;
   $calls += program ("Model::REQ", $seed * 1009 + $chunk, $length);
   my $model_steps = $steps - $before;
   $trace = \@real;
   program ("Real", $seed * 1009 + $chunk, $length);
   $steps = $before + $model_steps;
   $events += @model;
   my ($differ) = grep +($model[$_] // "nothing") ne ($real[$_] // "nothing"), 0 .. (@model > @real ? $#model : $#real);
   if (defined $differ) {
      fail "part $chunk agrees with the model";
      diag "AIO_SEED=$seed AIO_CHUNK=$chunk repeats it; line $differ of ", scalar @model;
      diag "   both:   $model[$_]" for ($differ < 25 ? 0 : $differ - 25) .. $differ - 1;
      diag "   model:  ", $model[$_] // "nothing" for $differ .. $differ + 2;
      diag "   module: ", $real[$_] // "nothing" for $differ .. $differ + 2;
      last;
   }
   $agree++;
}
IO::AIO::min_parallel 8;
diag "$steps steps, $events events, $calls callbacks agree with the model (seed $seed)";
exists $ENV{AIO_CHUNK} or is $agree, $chunks, "the module agrees with the model in $chunks random programs of $length steps";
cmp_ok $seen{$_} || 0, ">", 0, "the programs saw: $_"
   for "add", "add refused", "cancel", "cancel_subs", "cb", "feed", "feed refused", "feeder", "limit", "limit refused",
       "poll", "poll inside", "poll with exception", "result", "result refused";

# ---- nesting is limited by memory, not by the stack ------------------------

# Callbacks are one sub: perl's own list of the closures of a package takes
# quadratic time.
my $depth = 100_000;
my $deep = <<"PROGRAM" . <<'PROGRAM';
my \$depth = $depth;
PROGRAM
my $n = 0;
my $count = sub { $n++ };
my ($top, $bottom);
sub build {
   my ($nop) = @_;
   $top = $bottom = aio_group $count;
   for (2 .. $depth) {
      my $group = aio_group $count;
      $group->add (aio_nop $count) if $nop;
      $bottom->add ($group);
      $bottom = $group;
   }
}
sub ended { drain; print "$n called, nreqs ", IO::AIO::nreqs }
PROGRAM

for my $case (
   ["built from the top, ends", 'build; ended', "$depth called, nreqs 0"],
   ["with a request in each, ends", 'build 1; ended', 2 * $depth - 1 . " called, nreqs 0"],
   ["built from the bottom, ends", '$top = aio_nop $count; for (1 .. $depth) { my $group = aio_group $count; $group->add ($top); $top = $group } ended',
      $depth + 1 . " called, nreqs 0"],
   ["whose objects are gone, ends", 'build; undef $_ for $top, $bottom; ended', "$depth called, nreqs 0"],
   ["can be cancelled", 'build 1; $top->cancel; ended', "0 called, nreqs 0"],
   ["has its members cancelled", 'build 1; $top->cancel_subs; ended', "1 called, nreqs 0"],
   ["is searched for cycles", 'build; print eval { $bottom->add ($top); 1 } ? "accepted " : "refused "; ended', "refused $depth called, nreqs 0"],
   ["may be left at exit", 'build; print "exits"; POSIX::close 1', "exits"],
   ["may be left by a callback that dies", 'build; aio_nop sub { print "dies "; die }; eval { IO::AIO::flush }; ended', "dies $depth called, nreqs 0"],
   ["whose objects are nested as well is freed", 'for (1 .. $depth) { my $group = aio_group; $group->{inner} = $top; $group->add ($top) if $top; $top = $group } undef $top; ended',
      "0 called, nreqs 0"],
   ["fed in a chain ends", 'my $left = $depth; $top = aio_group $count; $top->limit (1); $top->feed (sub { $_[0]->add (aio_nop $count) if $left-- > 0 }); ended',
      $depth + 1 . " called, nreqs 0"],
   ["that grows from its members' callbacks ends", 'my $left = $depth; $top = aio_group $count; my $add; $add = sub { $n++; $top->add (aio_nop $add) if $left-- > 0 }; $top->add (aio_nop $add); ended',
      $depth + 2 . " called, nreqs 0"],
   ["with as many members beside each other ends", '$top = aio_group $count; $top->add (aio_nop $count) for 1 .. $depth; ended', $depth + 1 . " called, nreqs 0"],
) {
   alarm 9 * patience;
   my ($name, $code, $expect) = @$case;
   my ($status, $output) = run_perl $deep . $code;
   is "$status: $output", "exit 0: $expect", "a group $depth deep $name";
}

# Polls inside callbacks nest on the stack of the C library. Where that ends
# there has to be an exception, or at least no crash.
{
   my ($status, $output) = run_perl <<'PROGRAM';
no warnings "recursion";
my ($n, $error) = (0, "");
my $poll; $poll = sub {
   return if $n++ >= 100_000;
   aio_nop $poll;
   eval { IO::AIO::poll; 1 } or $error ||= $@;
};
aio_nop $poll;
IO::AIO::flush;
print $n >= 100_000 ? "polled" : $error ? "refused" : "stopped";
PROGRAM
   like "$status: $output", qr/^exit 0: (?:polled|refused)\z/, "polls nested 100000 deep end in order or with an exception";
}

done_testing;
