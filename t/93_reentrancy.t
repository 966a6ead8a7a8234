# Perl code that leaves, forks, polls or starts afresh in the middle of a call:
# in callbacks, feeders, destructors, tied arguments, handlers. Whatever it does,
# the books balance afterwards: no request outstanding, no descriptor open, and
# what requests held released, once. The programs run in perls of their own.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

# glibc then overwrites what is freed, so that a use of it shows.
$ENV{MALLOC_PERTURB_} = 165;

my $file = spew scratch . "/file", "0123456789" x 10;

# ---- places that run Perl code ---------------------------------------------

# Each calls leave () somewhere. $g and $h are guards; what holds them is
# released when the place is over.
my @place = (
   ["a callback", 'aio_nop sub { $g; leave () }'],
   ["a callback that has a handle as its argument", 'aio_open $file, 0, 0, sub { $g; leave () }'],
   ["a callback of a read", 'my $x = ""; aio_read handle (), 0, 10, $x, 0, sub { $g; leave () }'],
   ["a callback of a stat", 'my $r = aio_stat $file, sub { $g; leave () }; $r->{guard} = $h'],
   ["a callback of aio_readdir", 'aio_readdir "/", sub { $g; my $names = $_[0]; leave () }'],
   ["a callback of aio_wd", 'aio_wd "/", sub { $g; my $wd = $_[0]; leave () }'],
   ["a member's callback", 'my $o = aio_group sub { $g }; $o->{guard} = $h; add $o aio_nop sub { $h; leave () }; add $o aio_open $file, 0, 0, sub { $h }'],
   ["a group's callback", 'my $o = aio_group sub { $g; leave () }; $o->{guard} = $h; add $o aio_nop; result $o $h, $g'],
   ["a feeder, in feed", 'my $o = aio_group sub { $g }; my $n; feed $o sub { $h; return if $n++; leave () }'],
   ["a feeder, in limit", 'my $o = aio_group sub { $g }; my $n; add $o aio_nop; feed $o sub { $h; return if $n > 3; $n++ and leave (); add { $_[0] } aio_nop; limit { $_[0] } 0 if $n == 1 }; limit $o 9'],
   ["a feeder, in a poll", 'my $o = aio_group sub { $g }; my $n; limit $o 1; feed $o sub { $h; return if $n++ > 1; leave () if $n == 2; add { $_[0] } aio_nop sub { $h } }'],
   ["a callback inside another poll", 'aio_nop sub { $h; aio_nop sub { $g; leave () }; IO::AIO::flush }'],
   ["a sort block in a callback", 'aio_nop sub { $g; my @l = sort { leave (); 0 } 2, 1 }'],
   ["a map block in a callback", 'aio_nop sub { $g; my @l = map { leave () } 1 .. 10 }'],
   ["a sort block that polls", 'aio_nop sub { $g; leave () }; my @l = sort { IO::AIO::flush; 0 } 2, 1'],
   ["the assignment of a read's data to a tied scalar", 'tie my $x, "Tied", sub { "" }, sub { leave () }; aio_read handle (), 0, 10, $x, 0, sub { $g }'],
   ["the assignment of aio_slurp's data to a tied scalar", 'tie my $x, "Tied", sub { "" }, sub { leave () }; my $r = aio_slurp $file, 0, 10, $x, sub { $g }; $r->{guard} = $h'],
   ["a tied path", 'tie my $x, "Tied", sub { $g; leave (); "/" }; aio_stat $x, sub { $h }'],
   ["a tied path of a pair", 'tie my $x, "Tied", sub { $g; leave (); "/" }; aio_stat [IO::AIO::CWD, $x], sub { $h }'],
   ["a later tied path", 'tie my $x, "Tied", sub { $g; leave (); "/none" }; aio_rename "/none", $x, sub { $h }'],
   ["a tied number", 'tie my $x, "Tied", sub { $g; leave (); 5 }; my $b = ""; aio_read handle (), 0, $x, $b, 0, sub { $h }'],
   ["a tied data offset of a write", 'tie my $x, "Tied", sub { $g; leave (); 0 }; aio_write handle ("+<"), 0, 3, "012", $x, sub { $h }'],
   ["tied data", 'tie my $x, "Tied", sub { $g; leave (); "012" }; aio_write handle ("+<"), 0, 3, $x, 0, sub { $h }'],
   ["a tied buffer", 'tie my $x, "Tied", sub { $g; leave (); "012" }; aio_read handle (), 0, 3, $x, 0, sub { $h }'],
   ["a tied handle argument", 'my $f = handle (); tie my $x, "Tied", sub { $g; leave (); $f }; aio_fsync $x, sub { $h }'],
   ["a tied callback", 'tie my $x, "Tied", sub { $g; leave (); sub { $h } }; aio_stat "/", $x'],
   ["an overloaded callback", 'aio_nop (Over->new (sub { $g; leave (); sub { $h } }))'],
   ["an overloaded callback given to cb", 'my $r = aio_nop sub { $h }; $r->cb (Over->new (sub { $g; leave (); sub { $h } }))'],
   ["overloaded data", 'aio_write handle ("+<"), 0, 1, Over->new (sub { $g; leave (); "0" }), 0, sub { $h }'],
   ["an overloaded number", 'aio_seek handle (), Over->new (sub { $g; leave (); 1 }), 0, sub { $h }'],
   ["a tied member", 'my $r = aio_nop sub { $h }; tie my $x, "Tied", sub { leave (); $r }; my $o = aio_group sub { $g }; add $o $x'],
   ["a tied result", 'tie my $x, "Tied", sub { $h; leave (); 1 }; my $o = aio_group sub { $g }; result $o 1, $h, $x'],
   ["a tied limit", 'tie my $x, "Tied", sub { $h; leave (); 1 }; my $o = aio_group sub { $g }; limit $o $x'],
   ["a __WARN__ handler, for an argument", 'local $SIG{__WARN__} = sub { $g; leave () }; aio_seek handle (), "${made}x", 0, sub { $h }'],
   ["a __WARN__ handler, for a buffer", 'local $SIG{__WARN__} = sub { $g; leave () }; my $x = "x"; aio_read handle (), 0, "${made}x", $x, 0, sub { $h }'],
   ["a __WARN__ handler, for a feeder that died", 'local $SIG{__WARN__} = sub { leave () }; my $o = aio_group sub { $g }; feed $o sub { $h; die "feeder\n" }'],
   ["a __WARN__ handler, for a feeder that died in a poll", 'local $SIG{__WARN__} = sub { leave () }; my $n; my $o = aio_group sub { $g }; limit $o 1; feed $o sub { $h; die "feeder\n" if $n++; add { $_[0] } aio_nop }'],
   ["a __WARN__ handler, for a destructor that died", 'local $SIG{__WARN__} = sub { leave () }; { my $d = Guard->new (sub { die "destroyed\n" }); aio_nop sub { $g; $d } }'],
   ["a __WARN__ handler, for a group's second exception", 'local $SIG{__WARN__} = sub { leave () }; my $o = aio_group sub { $g; die "group\n" }; add $o aio_nop sub { $h; die "member\n" }'],
   ["a __DIE__ handler", 'local $SIG{__DIE__} = sub { leave () }; aio_nop sub { $g; eval { die "inner\n" } }'],
   ["a destructor of what a callback holds", '{ my $d = Guard->new (sub { $g; leave () }); aio_nop sub { $h; $d } }'],
   ["a destructor of what a request object holds", '{ my $r = aio_nop sub { $h }; $r->{d} = Guard->new (sub { $g; leave () }) }'],
   ["a destructor of what a cancelled request held", '{ my $d = Guard->new (sub { $g; leave () }); my $r = aio_open $file, 0, 0, sub { $d }; $r->{guard} = $h; $r->cancel }'],
   ["a destructor of what a member holds", '{ my $d = Guard->new (sub { $g; leave () }); my $o = aio_group sub { $h }; add $o aio_nop sub { $d } }'],
   ["a destructor of a group's result", '{ my $o = aio_group sub { $h }; result $o Guard->new (sub { $g; leave () }) }'],
   ["a destructor of a group's replaced result", 'my $o = aio_group sub { $h }; result $o Guard->new (sub { $g; leave () }); result $o $h'],
   ["a destructor of what a feeder holds", '{ my $d = Guard->new (sub { $g; leave () }); my $o = aio_group sub { $h }; feed $o sub { $d; () } }'],
   ["a destructor of a replaced callback", '{ my $r = do { my $d = Guard->new (sub { $g; leave () }); aio_nop sub { $d } }; $r->cb (sub { $h }) }'],
   ["a destructor of what a callback returns", 'aio_nop sub { $h; Guard->new (sub { $g; leave () }) }'],
   ["a destructor of what a buffer held", 'my $x = Guard->new (sub { $g; leave () }); aio_read handle (), 0, 3, $x, 0, sub { $h }'],
   ["a destructor of a callback's argument", 'aio_readdir "/", sub { $h; @{$_[0]} = sub { $g; leave () }; bless $_[0], "Guard" }'],
   ["the next-submit hook", 'IO::AIO::_on_next_submit (sub { $g; leave () }); aio_nop sub { $h }; IO::AIO::_on_next_submit (undef)'],
   ["a signal handler, in a callback", 'local $SIG{USR1} = sub { $g; leave () }; aio_nop sub { $h; kill USR1 => $$; 1 }'],
   ["a signal handler, while flush waits", 'pipe my $r, my $w or die; local $SIG{ALRM} = sub { $g; syswrite $w, "x"; leave () }; my $x = ""; aio_read $r, undef, 1, $x, 0, sub { $h }; Time::HiRes::ualarm (20000)'],
);

# The script: an END block that is compiled before the module's runs after it,
# and so sees the books when all is flushed.
my $script = spew scratch . "/script.pl", <<'SCRIPT' . join "", map { my ($name, $code) = @$_; "[q<$name>, sub { my (\$g, \$h) = (guard (), guard ()); $code; IO::AIO::flush }],\n" } @place;
use strict; use warnings;
no warnings "void";   # a guard is named in a sub to be held by it
our ($report, $fds);
END { print $report->() if $report }
use AIOTest qw(:all); use IO::AIO; use POSIX (); use Time::HiRes ();
$| = 1;
$SIG{__WARN__} = sub { };
{ package Tied; sub TIESCALAR { bless [@_[1, 2]], $_[0] } sub FETCH { $_[0][0]->() } sub STORE { $_[0][1] and $_[0][1]->($_[1]) } }
{ package Guard; sub new { bless [$_[1]], $_[0] } sub DESTROY { $_[0][0]->() } }
{ package Over; use overload map { $_ => sub { my $self = shift; $$self->() } } '&{}', '""', '0+'; sub new { bless \$_[1], $_[0] } }
our ($made, %gone) = 0;
sub guard { my $id = ++$made; Guard->new (sub { $gone{$id}++ }) }
our $file = shift @ARGV;
sub handle { open my $fh, $_[0] || "<", $file or die "$file: $!"; $fh }
sub settle { for (1 .. 50) { IO::AIO::nreqs or last; eval { IO::AIO::flush } } }
sub books {
   my @wrong;
   push @wrong, "nreqs/nready/npending " . join "/", IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending if IO::AIO::nreqs || IO::AIO::nready || IO::AIO::npending;
   push @wrong, open_fds () - $fds . " descriptors" if open_fds () != $fds;
   push @wrong, $made - keys (%gone) . " of $made guards left" if $made != keys %gone;
   push @wrong, "guards destroyed twice" if grep $_ != 1, values %gone;
   ($made, %gone) = 0;
   @wrong ? join ", ", @wrong : "balanced"
}
sub leave;
our $armed = 0;
our $kind = shift @ARGV;
our @place;
sub init { IO::AIO::poll_fileno; aio_nop; IO::AIO::flush; $fds = open_fds }

# Kinds of leaving that the process survives: several rounds of each place.
sub rounds {
   my ($how) = @_;
   no warnings "redefine";
   *leave = sub { $armed-- > 0 ? goto &$how : 0 };
   init;
   for my $place (@place) {
      my ($name, $code) = @$place;
      my $rounds = my $left = 0;
      for my $round (1 .. 5) {
         $armed = 1;
         eval { $code->(); 1 } or $@ !~ /internal error/ or print "$name: $@";
         settle;
         $left++ if $armed <= 0;
         $rounds++;
      }
      print "$name: left $left times in $rounds rounds, ", books, "\n";
   }
}

# Kinds that the process does not survive: a child for each place.
sub ends {
   my ($how) = @_;
   for my $place (@place) {
      my ($name, $code) = @$place;
      my $pid = fork;
      defined $pid or die "fork: $!";
      if (!$pid) {
         no warnings "redefine";
         *leave = sub { $armed-- > 0 ? goto &$how : 0 };
         $armed = 1;
         init;
         $report = sub { "$name: END, status $?, " . books () . "\n" };
         eval { $code->() };
         print "$name: not left\n";
         POSIX::_exit (0);
      }
      waitpid $pid, 0;
      print "$name: ", $? & 127 ? "signal " . ($? & 127) : "exit " . ($? >> 8), "\n";
   }
}

# A child made inside each place, which goes on in one of several ways.
sub forks {
   my ($kind) = @_;
   my %how = (
      "exit" => sub { exit 7 },
      "reinit, exit" => sub { IO::AIO::reinit; exit 7 },
      "poll, exit" => sub { aio_stat "/", sub { exit 7 }; IO::AIO::flush; exit 8 },
      "reinit, poll, exit" => sub { IO::AIO::reinit; aio_stat "/", sub { exit 7 }; IO::AIO::flush; exit 8 },
      "reinit, go on" => sub { IO::AIO::reinit; 1 },
      "go on" => sub { 1 },
      "reinit, die" => sub { IO::AIO::reinit; die "child\n" },
   );
   my $how = $how{$kind} or die $kind;
   my $top = $$;
   my $status;
   no warnings "redefine";
   *leave = sub {
      $armed-- > 0 or return 0;
      my $pid = fork;
      defined $pid or die "fork: $!";
      goto &$how if !$pid;
      waitpid $pid, 0;
      $status = $? & 127 ? "signal " . ($? & 127) : "exit " . ($? >> 8);
      1
   };
   init;
   for my $place (@place) {
      my ($name, $code) = @$place;
      $armed = 1;
      $status = "never left";
      eval { $code->(); 1 } or $@ !~ /internal error/ or print "$name: $@";
      if ($$ != $top) {
         # the child is in working order, and ends in perl's normal way
         settle;
         aio_stat "/", sub { exit 7 if !$_[0] };
         IO::AIO::flush;
         exit 9;
      }
      settle;
      print "$name: $status, ", books, "\n";
   }
}

sub run {
   $kind eq "die"    ? rounds (sub { die "left\n" })
 : $kind eq "object" ? rounds (sub { die Guard->new (sub { eval { die "inner\n" }; 1 }) })
 : $kind eq "last"   ? rounds (sub { no warnings; last })
 : $kind eq "next"   ? rounds (sub { no warnings; next })
 : $kind eq "goto"   ? rounds (sub { no warnings; goto NOWHERE })
 : $kind eq "reinit" ? rounds (sub { IO::AIO::reinit; 1 })
 : $kind eq "reinit and die" ? rounds (sub { IO::AIO::reinit; die "left\n" })
 : $kind eq "poll"   ? rounds (sub { aio_nop; aio_open $file, 0, 0, sub { }; IO::AIO::flush; 1 })
 : $kind eq "cancel" ? rounds (sub { my $o = aio_group; add $o aio_nop; $o->cancel; 1 })
 : $kind eq "exit"   ? ends (sub { exit 7 })
 : $kind eq "exit in eval" ? ends (sub { eval { exit 7 } })
 : $kind eq "reinit and exit" ? ends (sub { IO::AIO::reinit; exit 7 })
 : forks ($kind =~ /^fork, (.*)/);
}
@place = (
SCRIPT
{ open my $fh, ">>", $script or die; print $fh ");\nrun ();\n"; close $fh or die }

# What the script printed for one kind, by place; and how it ended. Perl itself
# reports what a __WARN__ handler throws into a destructor.
sub kind {
   my ($kind) = @_;
   my ($status, $output) = run_perl 'exec $^X, (map "-I$_", grep !ref, @INC), @ARGV', $script, $file, $kind;
   my %by;
   for (split /^/, $output) { chomp; /^(.*?): (.*)/ && (grep $_->[0] eq $1, @place) ? push @{$by{$1}}, $2 : /^\t\(in cleanup\)/ || push @{$by{""}}, $_ }
   ($status, \%by)
}

sub each_place {
   my ($kind, $name, $expect) = @_;
   my ($status, $by) = kind $kind;
   subtest $name => sub {
      for (@place) {
         my $got = join "; ", @{$by->{$_->[0]} || ["nothing"]};
         my $want = ref $expect ? $expect->($_->[0]) : $expect;
         ref $want ? like $got, $want, $_->[0] : is $got, $want, $_->[0];
      }
      is $status, "exit 0", "the program ends well";
      is join ("\n", @{$by->{""} || []}), "", "and prints nothing else";
   };
}

each_place "die", "after an exception nothing is left over", "left 5 times in 5 rounds, balanced";
each_place "object", "after an exception object whose destructor uses eval nothing is left over", "left 5 times in 5 rounds, balanced";
each_place $_, "$_ does not leave through the module, and nothing is left over", "left 5 times in 5 rounds, balanced" for "last", "next", "goto";
each_place "poll", "a poll in the middle leaves nothing over", "left 5 times in 5 rounds, balanced";
each_place "cancel", "a group submitted and cancelled in the middle leaves nothing over", "left 5 times in 5 rounds, balanced";
each_place "reinit", "reinit in the middle leaves nothing over", "left 5 times in 5 rounds, balanced";
each_place "reinit and die", "reinit and an exception in the middle leave nothing over", "left 5 times in 5 rounds, balanced";
# What a destructor that exits was taking apart perl keeps to the very end.
sub ended { $_[0] =~ /destructor/ ? qr/^END, status 7, (?:balanced|[12] of 2 guards left); exit 7\z/ : "END, status 7, balanced; exit 7" }
each_place "exit", "exit keeps its status, runs END blocks, and nothing is left over", \&ended;
each_place "exit in eval", "exit inside eval as well", \&ended;
each_place "reinit and exit", "exit after reinit as well", \&ended;
for my $case (
   ["exit",               "exits"],
   ["reinit, exit",       "calls reinit and exits"],
   ["poll, exit",         "submits, polls and exits in a callback"],
   ["reinit, poll, exit", "calls reinit, submits, polls and exits in a callback"],
   ["go on",              "returns"],
   ["reinit, go on",      "calls reinit and returns"],
   ["reinit, die",        "calls reinit and dies"],
) {
   my ($how, $name) = @$case;
   each_place "fork, $how", "a child made in the middle that $name ends as it wants to, and the parent goes on", "exit 7, balanced";
}

# ---- groups that end while they are used -----------------------------------

my $head = <<'HEAD';
no warnings "void";
{ package Tied; sub TIESCALAR { bless [$_[1]], $_[0] } sub FETCH { $_[0][0]->() } }
{ package Guard; sub new { bless [$_[1]], $_[0] } sub DESTROY { $_[0][0]->() } }
#line 1 "program"
HEAD

sub prints { prints_with $head, @_ }

# While an argument is read, the group ends and another one begins, in the very
# place of the first; or so many end that the place is no more.
for my $case (
   ["result", 'tie my $t, "Tied", sub { $turn->(); "stray" }; $group->result ($t)'],
   ["a later result", 'tie my $t, "Tied", sub { $turn->(); "stray" }; $group->result (1, 2, $t)'],
   ["errno",  'tie my $t, "Tied", sub { $turn->(); 2 }; $group->errno ($t)'],
   ["limit",  'tie my $t, "Tied", sub { $turn->(); 3 }; $group->limit ($t)'],
   ["feed",   'tie my $t, "Tied", sub { $turn->(); sub { print "stray feeder, " } }; $group->feed ($t)'],
   ["add",    'tie my $t, "Tied", sub { $turn->(); $member }; $group->add ($t)'],
   ["a later add", 'tie my $t, "Tied", sub { $turn->(); $member }; $group->add ($done, $t)'],
) {
   my ($name, $code) = @$case;
   for my $many (0, 5000) {
      prints "$name whose argument ends the group leaves the next group alone" . ($many ? ", after many requests" : ""),
         qr/^exit 0: (?:first, )*(?:refused, )?second: 0, 0 outstanding$/, <<'PROGRAM' . "eval { $code; 1 } or print \$\@ =~ /busy IO::AIO::REQ object expected/ ? 'refused, ' : \"other: \$\@\";" . <<'PROGRAM', $many;
my $done = aio_nop;
IO::AIO::flush;
my $group = aio_group sub { print "first, " };
aio_nop for 1 .. $ARGV[0];
my ($second, $member, @gate);
my $ended;
my $turn = sub {
   return if $second;
   IO::AIO::flush;
   $second = aio_group sub { print "second: ", join (" ", @_, $! + 0), ", "; $ended++ };
   IO::AIO::max_parallel 1;
   @gate = park 1;
   $member = aio_nop;
};
PROGRAM
# the group has no member, so it ends though the gate is closed
until_true { IO::AIO::poll_cb; $ended };
release @gate;
IO::AIO::flush;
print IO::AIO::nreqs, " outstanding";
PROGRAM
   }
}

for my $many (0, 5000) {
   prints "a destructor may add to the group of the member that is just released, and flush" . ($many ? ", after many requests" : ""),
      qr/^exit 0: (?:group, over|over, group), 0 outstanding$/, <<'PROGRAM', $many;
my @log;
my $group = aio_group sub { push @log, "group" };
{
   my $member = aio_nop;
   $member->{guard} = Guard->new (sub { eval { $group->add (aio_nop) }; IO::AIO::flush; push @log, "over" });
   $group->add ($member);
}
if ($ARGV[0]) { aioreq_pri (4); aio_nop for 1 .. $ARGV[0] }
IO::AIO::flush;
print join (", ", @log), ", ", IO::AIO::nreqs, " outstanding";
PROGRAM

   prints "so may the destructor of a feeder" . ($many ? ", after many requests" : ""), qr/^exit 0: (?:group, over|over, group), 0 outstanding$/, <<'PROGRAM', $many;
my @log;
my $group = aio_group sub { push @log, "group" };
aio_nop for 1 .. $ARGV[0];
$group->add (aio_nop);
my $n = 0;
{
   my $guard = Guard->new (sub { eval { $group->add (aio_nop) }; IO::AIO::flush; push @log, "over" });
   $group->feed (sub { $guard; return if $n++; $group->add (aio_nop) });
}
IO::AIO::flush;
print join (", ", @log), ", ", IO::AIO::nreqs, " outstanding";
PROGRAM
}

# ---- exceptions ------------------------------------------------------------

for my $case (
   ["of what it returns", 'aio_nop sub { Guard->new ($inner) }', ""],
   ["of what it closes over", '{ my $guard = Guard->new ($inner); aio_nop sub { $guard; 1 } }', ""],
   ["of an argument of its last call, though it dies", 'aio_nop sub { sub { die "real\n" }->(Guard->new ($inner)) }', "real"],
   ["that succeeds, though it dies", 'aio_nop sub { sub { die "real\n" }->(Guard->new (sub { eval { 1 } })) }', "real"],
) {
   my ($name, $code, $expect) = @$case;
   prints "only what a callback throws is its exception, whatever an eval in a destructor $name catches", "[$expect]", <<'PROGRAM' . "$code;" . <<'PROGRAM';
my $inner = sub { eval { die "inner\n" } };
PROGRAM
print eval { IO::AIO::flush; 1 } ? "[]" : "[" . ($@ =~ s/\n//r) . "]";
PROGRAM
}

prints "an exception arrives though \$\@ is tied and dies when read", "an exception, nreqs 0", <<'PROGRAM';
tie $@, "Tied", sub { die "read\n" };
{ no warnings; sub Tied::STORE { } }
aio_nop sub { die "real\n" };
my $ok = eval { IO::AIO::flush; 1 };
untie $@;
print $ok ? "none" : "an exception", ", nreqs ", IO::AIO::nreqs;
PROGRAM

prints "a feeder that dies is released, though the warning of it dies as well", "released once, group", <<'PROGRAM';
my $gone = 0;
my $group = aio_group sub { print ", group" };
{
   local $SIG{__WARN__} = sub { die "warning\n" };
   my $guard = Guard->new (sub { $gone++ });
   eval { $group->feed (sub { $guard; die "feeder\n" }) };
}
print $gone == 1 ? "released once" : "released $gone times";
IO::AIO::flush;
PROGRAM

prints "a poll that has to wait because of max_outstanding is ended by exceptions, one at a time", "a b ok 0", <<'PROGRAM';
IO::AIO::max_parallel 1;
IO::AIO::max_outstanding 2;
aio_nop sub { die "a\n" };
aio_nop sub { aio_nop for 1 .. 3; IO::AIO::poll_cb; die "b\n" };
aio_nop;
for (1 .. 10) { eval { IO::AIO::poll_cb; 1 } and last; print $@ =~ s/\n/ /r }
IO::AIO::flush;
print "ok ", IO::AIO::nreqs;
PROGRAM

prints "a callback that polls with max_outstanding 1 does not wait for itself", "inner 0, outer 0, 0 outstanding", <<'PROGRAM';
IO::AIO::max_outstanding 1;
aio_nop sub { print "inner ", IO::AIO::poll_cb, ", " };
aio_nop for 1, 2;
print "outer ", IO::AIO::poll_cb, ", ", IO::AIO::nreqs, " outstanding";
PROGRAM

# ---- arguments that fork ---------------------------------------------------

prints "an argument that forks submits in both processes, and each calls back once", "child: stat 0, exit 7; parent: stat 0, nreqs 0", <<'PROGRAM';
my $top = $$;
my @gate = park 1;
tie my $path, "Tied", sub {
   if (my $pid = fork) { waitpid $pid, 0; print $? & 127 ? "signal" : "exit " . ($? >> 8), "; " }
   "/"
};
aio_stat $path, sub { print $$ == $top ? "parent" : "child", ": stat $_[0], " };
if ($$ != $top) { IO::AIO::flush; exit 7 }
release @gate;
IO::AIO::flush;
print "nreqs ", IO::AIO::nreqs;
PROGRAM

# ---- handlers that perl calls at once --------------------------------------

# Such a handler may run anywhere. In a wait it may die: the wait ends, the mask
# of signals is what it was, and what is outstanding arrives later.
prints "a handler set by POSIX::sigaction that dies ends a wait, and harms nothing else", "alarm, mask kept, 1 outstanding, read 1, stat 0, 0 outstanding, balanced", <<'PROGRAM';
use POSIX (); use Time::HiRes ();
my @mask = map POSIX::SigSet->new, 1, 2;
aio_nop; IO::AIO::flush;
my $fds = open_fds;
{
   my @gate = park 1, sub { print "read $_[0], " };
   POSIX::sigprocmask (POSIX::SIG_BLOCK (), POSIX::SigSet->new, $mask[0]);
   POSIX::sigaction (POSIX::SIGALRM (), POSIX::SigAction->new (sub { die "alarm\n" })) or die;
   eval { Time::HiRes::ualarm (200_000); IO::AIO::flush; 1 } and print "not interrupted ";
   print $@ =~ s/\n/, /r;
   POSIX::sigprocmask (POSIX::SIG_BLOCK (), POSIX::SigSet->new, $mask[1]);
   print join (",", map $mask[0]->ismember ($_), 1 .. 31) eq join (",", map $mask[1]->ismember ($_), 1 .. 31) ? "mask kept, " : "mask changed, ";
   print IO::AIO::nreqs, " outstanding, ";
   release @gate;
   IO::AIO::flush;
}
aio_stat "/", sub { print "stat $_[0], " };
IO::AIO::flush;
print IO::AIO::nreqs, " outstanding, ", open_fds () == $fds ? "balanced" : "descriptors left";
PROGRAM

done_testing;
