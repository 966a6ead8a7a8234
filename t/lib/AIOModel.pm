# Groups against a model: a random program of requests, groups, cancelling,
# limits, feeders, exceptions and polls inside callbacks is run by the module and
# by a model, which is the contract written down as plainly as possible. Every
# call the two make and every counter they show has to agree, so order,
# exactly-once and counting are all exact.
#
# Requests become ready while the limit is 0, then a single worker executes them
# in order, then the limit is 0 again while results are delivered. So the order
# of everything is certain.
package AIOModel;

use strict;
use warnings;

use AIOTest ();
use IO::AIO ();
use Time::HiRes ();

my $trace;
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
         warn $_ for @died[1 .. $#died];
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
      return if $req->{state} =~ /^(?:result|done)\z/;
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

package AIOModel;

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

package AIOModel;

# ---- the program both run --------------------------------------------------

# What happened, so that a run that tests little is noticed.
our %seen;
our $steps = 0;

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

# Runs the program of a seed on both sides. Returns a description of the first
# difference, or nothing; the number of events, and that of callbacks.
sub differs {
   my ($seed, $length) = @_;
   # Exceptions that have no other place to go end as warnings, on both sides.
   local $SIG{__WARN__} = sub { push @$trace, "warning " . ($_[0] =~ /(dies \d+)/ ? $1 : "unexpected: $_[0]") };
   my $before = $steps;
   $trace = \my @model;
   my $calls = program ("Model::REQ", $seed, $length);
   my $after = $steps;
   $trace = \my @real;
   program ("Real", $seed, $length);
   $steps = $after;
   IO::AIO::min_parallel (8);
   my $difference = "";
   my ($at) = grep +($model[$_] // "nothing") ne ($real[$_] // "nothing"), 0 .. (@model > @real ? $#model : $#real);
   if (defined $at) {
      $difference = join "\n", "line $at of " . @model . " for seed $seed",
         (map "   both:   $model[$_]", ($at < 25 ? 0 : $at - 25) .. $at - 1),
         (map "   model:  " . ($model[$_] // "nothing"), $at .. $at + 2),
         (map "   module: " . ($real[$_] // "nothing"), $at .. $at + 2);
   }
   ($difference, scalar @model, $calls)
}

1
