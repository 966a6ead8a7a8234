# The end of a program, many times over: however it ends and whatever is going
# on, its status is its own, END flushes what it should, and it never dies of a
# signal.
#
# Each case is a program of its own that splits into 30 children one after the
# other, each of which runs to its end; the requests are at another point in each.
# AIO_STRESS multiplies the rounds, AIO_SEED repeats a run.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $seed   = $ENV{AIO_SEED} || time % 1_000_000;
my $stress = $ENV{AIO_STRESS} || 1;
my $rounds = 30 * $stress;
diag "seed $seed";

my $ended = 0;

# What each child prints has to match; so has how it ends.
sub ends {
   my ($name, $program, $expect) = @_;
   alarm 9 * patience;
   my ($status, $output) = run_perl <<'PRELUDE' . $program, $rounds, $seed;
my ($rounds, $seed) = @ARGV;
our ($file, $round) = (scratch . "/file");
spew ($file, "content" x 1000);
{
   my %ended;
   for (1 .. $rounds) {
      pipe my $r, my $w or die;
      my $pid = fork // die "fork: $!";
      if (!$pid) {
         $round = $_;
         srand $seed + $round;
         close $r;
         open STDOUT, ">&", $w or die;
         open STDERR, ">&", $w or die;
         close $w;
         $| = 1;
         # A hang ends by this signal.
         alarm patience () * 0.8;
         last;
      }
      close $w;
      my $output = do { local $/; <$r> };
      waitpid $pid, 0;
      $ended{($? & 127 ? "signal " . ($? & 127) : "exit " . ($? >> 8)) . ": $output"}++;
   }
   if (!$round) {
      print map "$ended{$_} times $_\n", sort keys %ended;
      POSIX::_exit (0);
   }
}
our (@keep, @buffer);
open our $handle, "<", $file or die;
open our $zero, "<", "/dev/zero" or die;
our $served = 0;
# Requests of many kinds, which are somewhere on their way then.
sub busy {
   for my $n (1 .. 40) {
      my $kind = int rand 8;
      if    ($kind == 0) { aio_nop sub { $served++ } }
      elsif ($kind == 1) { push @keep, scalar aio_stat $file, sub { $served++ } }
      elsif ($kind == 2) { push @buffer, ""; aio_read $handle, 0, 7000, $buffer[-1], 0, sub { $served++ } }
      elsif ($kind == 3) { my $buffer = "x" x 100; aio_read $zero, 0, 200_000, $buffer, 50, sub { $served++; $buffer } }
      elsif ($kind == 4) { aio_open $file, IO::AIO::O_RDONLY, 0, sub { push @keep, $_[0]; $served++ } }
      elsif ($kind == 5) {
         my $left = 3;
         my $group; $group = aio_group sub { $served++; $group };
         $group->feed (sub { $_[0]->add (aio_stat $file) if $left-- > 0 });
         push @keep, $group;
      }
      elsif ($kind == 6) { aio_wd "/", sub { push @keep, $_[0]; $served++ } }
      else               { IO::AIO::aio_busy rand 0.002, sub { $served++ } }
   }
   my $spin = rand 500;
   1 while $spin-- > 0;
   if ($round % 3 == 0) { IO::AIO::max_poll_reqs 5; IO::AIO::poll_cb; IO::AIO::max_poll_reqs 0 }
}
# A request that goes on until something is written to $gate.
sub wait_for_it {
   pipe our $waiting, our $gate or die;
   aio_read $waiting, undef, 1, our $something, 0;
}
our $gate;
#line 1 "program"
PRELUDE
   chomp $output;
   $ended += $rounds;
   my $got = "$status: $output";
   ref $expect
      ? like $got, qr/^exit 0: (?:\d+ times $expect\n?)+\z/, $name
      : is $got, "exit 0: $rounds times $expect", $name;
}

my $all = 'END { IO::AIO::flush (); print $served == 40 ? "all served" : "served $served" }';

# ---- ways to end -----------------------------------------------------------

ends "falling off the end",         "$all busy ();",                              "exit 0: all served";
ends "exit",                        "$all busy (); exit 3;",                      "exit 3: all served";
ends "die",                         "$all busy (); \$! = 0; die qq(dead\\n);",             "exit 255: dead\nall served";
ends "die in an eval, then exit",   "$all busy (); eval { die }; exit 4;",        "exit 4: all served";
ends "exit in a sub in a sort",     "$all busy (); my \@x = sort { exit 5 } 1, 2;", "exit 5: all served";
ends "exit in a loop of polls",     "$all busy (); while (1) { IO::AIO::poll_cb; exit 6 if \$served > \$round }", "exit 6: all served";
ends "exec",                        'busy (); exec $^X, "-e", "print q(other); exit 7"',  "exit 7: other";
ends "exec of what does not exist", "$all busy (); { no warnings; exec '/nonexistent/program' } exit 8;", "exit 8: all served";
ends "POSIX::_exit",                'busy (); print "gone"; POSIX::_exit (9)',      "exit 9: gone";
ends "death by SIGKILL",            'busy (); kill KILL => $$; sleep 5',            "signal 9: ";
ends "death by SIGTERM",            'busy (); kill TERM => $$; sleep 5',            "signal 15: ";
ends "SIGTERM during a wait",       'busy (); my $pid = $$; if (!fork) { select undef, undef, undef, rand 0.002; kill TERM => $pid; POSIX::_exit (0) } open my $null, "<", "/dev/null"; 1 while IO::AIO::aio_busy (0.001), IO::AIO::flush, 1', "signal 15: ";
# The handler may run in a callback, before that has counted.
ends "a handler that exits during a wait", "$all busy (); wait_for_it (); \$SIG{ALRM} = sub { syswrite \$gate, 'x'; exit 10 }; Time::HiRes::ualarm (1000 + rand 3000); IO::AIO::flush while 1;", qr/exit 10: (?:all served|served 39)/;
ends "a handler that dies during a wait",  "$all aio_stat \$file, sub { \$served++ } for 1 .. 40; wait_for_it (); \$SIG{ALRM} = sub { syswrite \$gate, 'x'; \$! = 0; die qq(alarm\\n) }; Time::HiRes::ualarm (1000 + rand 3000); IO::AIO::flush while 1;", qr/exit 255: alarm\n(?:all served|served 39)/;

# ---- out of what the module calls ------------------------------------------

my %inside = (
   "a callback"                       => 'aio_nop sub { exit 11 }',
   "a callback of stat"               => 'aio_stat $file, sub { exit 11 }',
   "a group's callback"               => 'my $group = aio_group sub { exit 11 }; $group->add (aio_nop)',
   "a member's callback"              => 'my $group = aio_group; $group->add (aio_nop sub { exit 11 }); $group->add (aio_nop) for 1 .. 3',
   "a feeder in a poll"               => 'my $left = 3; my $group = aio_group; $group->limit (1); $group->feed (sub { exit 11 if !$left--; $_[0]->add (aio_nop) })',
   "a feeder in feed"                 => 'my $group = aio_group; $group->feed (sub { exit 11 })',
   "a poll inside a callback"         => 'aio_nop sub { aio_nop sub { exit 11 }; IO::AIO::flush }',
   "the hook of a submission"         => 'IO::AIO::_on_next_submit (sub { exit 11 }); aio_nop',
   "a callback's destructor"          => '{ my $guard = bless []; aio_nop sub { $guard } } sub DESTROY { exit 11 if $$ == $main::pid && !$main::once++ } BEGIN { our $pid; our $once = 0 } $main::pid = $$',
   "a warning handler"                => '$SIG{__WARN__} = sub { exit 11 }; my $group = aio_group; $group->feed (sub { die "feeder" })',
   "a __DIE__ handler in a callback"  => '$SIG{__DIE__} = sub { exit 11 }; aio_nop sub { die "x" }',
   "a sort in a callback"             => 'aio_nop sub { my @x = sort { exit 11 } 1, 2 }',
   "an eval in a callback"            => 'aio_nop sub { eval { exit 11 } }',
   "an overloaded argument"           => '{ package Over; use overload "0+" => sub { exit 11 }, fallback => 1 } IO::AIO::aio_busy (bless [], "Over")',
);
for my $place (sort keys %inside) {
   ends "exit in $place",                    "$all busy (); $inside{$place}; IO::AIO::flush; print 'not reached';", "exit 11: all served";
   ends "exit in $place, in the flush of END", "busy (); $inside{$place};", "exit 11: ";
}
ends "a callback that dies in the flush of END", 'busy (); aio_nop sub { die "dead\n" }', qr/exit (?:[1-9]\d*): [^\n]*dead[^\n]*\n(?:END failed[^\n]*\n)?/;

# ---- END blocks ------------------------------------------------------------

ends "an END block that submits",              'busy (); END { aio_stat $file, sub { print "end" } }',              "exit 0: end";
ends "an END block that submits after exit",   'busy (); END { aio_stat $file, sub { print "end" } } exit 12',      "exit 12: end";
ends "an END block that submits groups with feeders", 'busy (); END { my $left = 20; my $group = aio_group sub { print "end" }; $group->feed (sub { $_[0]->add (aio_stat $file) if $left-- > 0 }) }', "exit 0: end";
ends "an END block that exits",                'busy (); END { exit 13 }',                                           "exit 13: ";
ends "an END block that dies",                 'busy (); END { die "dead\n" }',                                      qr/exit [1-9]\d*: dead\n(?:END failed[^\n]*\n)?/;
ends "an END block that sets the status",      'busy (); END { $? = 14 }',                                           "exit 14: ";
ends "an END block that forks",                'busy (); END { if ($round) { my $pid = fork; if (!$pid) { $round = 0; exit 0 } waitpid $pid, 0; print $?; $? = 0 } }', "exit 0: 0";
ends "an END block with a limit of 0 workers", 'busy (); END { IO::AIO::max_parallel 0; aio_nop sub { print "end" } }', "exit 0: end";
ends "an END block that reinits",              'busy (); END { IO::AIO::reinit; aio_nop sub { print "end" } }',      "exit 0: end";

# ---- global destruction ----------------------------------------------------

ends "objects in globals",              'our @objects = (scalar (aio_nop), aio_group, scalar aio_stat $file); busy ();', "exit 0: ";
ends "objects in lexicals of the file", 'my @objects = (scalar (aio_nop), aio_group, scalar aio_stat $file); busy (); my $self = \@objects; $self = \$self;', "exit 0: ";
ends "objects in cycles",               'for (1 .. 5) { my $req; $req = aio_nop sub { $req }; $req->{me} = $req; my $group; $group = aio_group sub { $group }; $group->{me} = $group; $group->add ($req); aio_wd "/", sub { my $wd = { wd => $_[0] }; $wd->{me} = $wd } } busy ();', "exit 0: ";
ends "destructors that use objects",    'sub X::DESTROY { eval { $_[0]{req}->cancel }; eval { $_[0]{req}->cb (sub { }) }; eval { $_[0]{group}->add ($_[0]{req}) }; eval { $_[0]{group}->result (1) } } for (1 .. 5) { my $x = bless { req => scalar (aio_nop), group => aio_group }, "X"; $x->{me} = $x } busy ();', "exit 0: ";
ends "destructors that submit and poll", 'sub X::DESTROY { eval { aio_stat ("/", sub { }) }; eval { aio_group (sub { }) }; eval { IO::AIO::poll_cb () }; eval { IO::AIO::flush () } } our $x = bless [], "X"; my $y = bless [], "X"; push @$y, $y; busy ();', "exit 0: ";
ends "a destructor that exits",         'sub X::DESTROY { exit 15 if ${^GLOBAL_PHASE} ne "DESTRUCT" } { my $x = bless [], "X"; aio_nop sub { $x } } busy (); IO::AIO::flush', qr/exit 15: /;
ends "closures that hold their request and their group", 'for (1 .. 20) { my ($req, $group); $group = aio_group sub { $req }; $req = aio_stat $file, sub { $group }; $group->add ($req); $group->feed (sub { my $hold = $group; return }) } busy ();', "exit 0: ";
ends "directory objects everywhere",    'our ($wd, @wd); aio_wd "/", sub { $wd = $_[0]; @wd = ($_[0]) x 3; my $loop = [$_[0]]; push @$loop, $loop }; IO::AIO::flush; our $pair = [$wd, "tmp"]; aio_stat $pair, sub { }; busy ();', "exit 0: ";

# Requests that execute while the interpreter goes: END's flush is cut short.
my $cut = 'aioreq_pri (4); aio_nop sub { die "cut\n" };';
ends "large reads into globals execute while the interpreter goes", "IO::AIO::aio_busy 0.001; our (\@large); for (0 .. 7) { aio_read \$zero, 0, 3_000_000, \$large[\$_], 0 } $cut",
   qr/exit [1-9]\d*: [^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;
ends "into lexicals that nothing else holds", "for (0 .. 7) { my \$large = ''; aio_read \$zero, 0, 3_000_000, \$large, 0, sub { } } $cut",
   qr/exit [1-9]\d*: [^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;
ends "composites execute while the interpreter goes", "for (0 .. 3) { aio_load \$file, my \$data, sub { }; aio_scandir '/', 0, sub { }; aio_copy \$file, qq(\$file-\$\$-\$_), sub { } } $cut",
   qr/exit [1-9]\d*: [^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;
ends "many are still ready then", "IO::AIO::max_parallel 1; IO::AIO::aio_busy 0.002 for 1 .. 3; aio_stat \$file, sub { print 'called' } for 1 .. 2000; IO::AIO::aioreq_pri (4); aio_group sub { die qq(cut\\n) };",
   qr/exit [1-9]\d*: (?:called)*[^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;
ends "a read that nothing ends executes then", 'pipe our $pipe, our $other or die; our $data = ""; aio_read $pipe, undef, 1, $data, 0, sub { }; ' . $cut,
   qr/exit [1-9]\d*: [^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;

# ---- mapped memory ---------------------------------------------------------

my $map = 'our $map; IO::AIO::mmap ($map, 1 << 20, IO::AIO::PROT_READ () | IO::AIO::PROT_WRITE (), IO::AIO::MAP_PRIVATE () | IO::AIO::MAP_ANONYMOUS ()) or die "mmap: $!";';
ends "mapped scalars, global and lexical",     "$map; my \$lexical; IO::AIO::mmap (\$lexical, 8192, IO::AIO::PROT_READ (), IO::AIO::MAP_PRIVATE () | IO::AIO::MAP_ANONYMOUS ()) or die; my \$self = \\\$lexical; \$self = \\\$self; busy ();", "exit 0: ";
ends "a mapped scalar is read into at the end", "$map aio_read \$zero, 0, 1 << 20, \$map, 0, sub { print length \$map }; busy ();", "exit 0: 1048576";
ends "a mapped scalar is written from at the end", "$map open my \$null, '>', '/dev/null'; aio_write \$null, 0, 1 << 20, \$map, 0, sub { print \$_[0] }; busy ();", "exit 0: 1048576";
ends "a mapped scalar is read into while the interpreter goes", "$map aio_read \$zero, 0, 1 << 20, \$map, 0 for 1 .. 8; $cut", qr/exit [1-9]\d*: [^\n]*cut[^\n]*\n(?:END failed[^\n]*\n)?/;
ends "a mapped file is left by _exit while it is read into", "open my \$fh, '+<', \$file or die; our \$map; IO::AIO::mmap (\$map, 4096, IO::AIO::PROT_READ () | IO::AIO::PROT_WRITE (), IO::AIO::MAP_SHARED (), \$fh) or die; aio_read \$zero, 0, 4096, \$map, 0 for 1 .. 8; POSIX::_exit (16)", "exit 16: ";

diag "$ended programs ended";
done_testing;
