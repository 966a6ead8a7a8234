# The end of the program: END flushes, statuses are kept, nothing crashes.
# Each case is a program of its own; what it prints and how it ends is checked.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

sub ends {
   my ($name, $program, $expect) = @_;
   my ($status, $output) = run_perl $program;
   my $got = "$status: $output";
   ref $expect ? like $got, $expect, $name : is $got, $expect, $name;
}

# ---- flush -----------------------------------------------------------------

ends "nothing was submitted", 'print "main"', "exit 0: main";
ends "what is outstanding is reported after the main program",
   'aio_nop sub { print "callback" }; print "main "', "exit 0: main callback";
ends "also what callbacks submit then",
   'aio_nop sub { print "one "; aio_nop sub { print "two " } }; print "main "', "exit 0: main one two ";
ends "and groups with feeders",
   'my $n = 0; my $g = aio_group sub { print "group" }; feed $g sub { add { $_[0] } aio_nop sub { print "m " } if $n++ < 3 }',
   "exit 0: m m m group";
ends "what executes is waited for",
   'IO::AIO::aio_busy 0.1, sub { print "busy" }; print "main "', "exit 0: main busy";
ends "after exit, whose status is kept",
   'aio_nop sub { print "callback" }; exit 5', "exit 5: callback";
ends "after die, too",
   'aio_nop sub { print "callback" }; die "message\n"', "exit 255: message\ncallback";

# ---- END blocks ------------------------------------------------------------

ends "END blocks compiled later run before the flush and may submit",
   'END { print "END "; aio_nop sub { print "callback" } }', "exit 0: END callback";
ends "also after exit",
   'END { print "END "; aio_nop sub { print "callback" } } exit 4', "exit 4: END callback";
ends "an END block that polls itself",
   'END { print "END "; IO::AIO::flush } aio_nop sub { print "callback " }', "exit 0: END callback ";
ends "a limit of 0 workers in an END block does not keep the flush from its work",
   'END { IO::AIO::max_parallel 0 } aio_nop sub { print "callback" } for 1 .. 2', "exit 0: callbackcallback";
ends "nor one in the main program",
   'IO::AIO::max_parallel 0; aio_nop sub { print "callback" }', "exit 0: callback";
ends "a callback that dies there is reported",
   'aio_nop sub { die "oops\n" }', qr/^exit [1-9]\d*: .*oops/s;
ends "limits of the poll do not cut the flush short",
   'IO::AIO::max_poll_reqs 1; IO::AIO::max_poll_time 0.001; aio_nop sub { print "x" } for 1 .. 5', "exit 0: xxxxx";
ends "a next-submit hook is left alone",
   'IO::AIO::_on_next_submit (sub { print "hook " }); print "main"', "exit 0: main";

# ---- exit in callbacks during the flush ------------------------------------

ends "exit in a callback that runs at the end",
   'aio_nop sub { print "callback "; exit 6 }', "exit 6: callback ";

# ---- ways out without flush ------------------------------------------------

ends "POSIX::_exit flushes nothing",
   'aio_nop sub { print "callback" }; print "main"; POSIX::_exit (3)', "exit 3: main";
ends "exec flushes nothing",
   'aio_nop sub { print "callback" }; exec $^X, "-e", q(print "other"; exit 2)', "exit 2: other";
ends "death by signal flushes nothing",
   'aio_nop sub { print "callback" }; kill KILL => $$; sleep 20', "signal 9: ";
ends "_exit while workers are busy",
   'my @gate = park 4; print "main"; POSIX::_exit (0)', "exit 0: main";
ends "exec while workers are busy",
   'my @gate = park 4; exec $^X, "-e", q(print "other")', "exit 0: other";

# ---- global destruction ----------------------------------------------------

ends "requests, groups and directory objects in globals",
   'our ($req, $group, $wd) = (scalar aio_nop, scalar aio_group); aio_wd "/", sub { $wd = $_[0] }; IO::AIO::flush; print ref $wd', "exit 0: IO::AIO::WD";
ends "the same, outstanding",
   'our ($req, $group) = (scalar aio_nop, scalar aio_group); add $group aio_nop; our $wd; aio_wd "/", sub { $wd = $_[0] }', "exit 0: ";
ends "objects in cycles",
   'my $req; $req = aio_nop sub { $req }; $req->{self} = $req; my $group; $group = aio_group sub { $group }; $group->{self} = $group; aio_wd "/", sub { my $wd = { wd => $_[0] }; $wd->{self} = $wd }', "exit 0: ";
ends "objects in cycles with a destructor that uses them",
   'sub X::DESTROY { eval { $_[0]{req}->cancel }; eval { $_[0]{req}->cb } } my $x = bless { req => scalar aio_nop }, "X"; $x->{self} = $x; IO::AIO::flush', "exit 0: ";
ends "a destructor that submits at the very end",
   'sub X::DESTROY { eval { IO::AIO::aio_nop (sub { }) } } our $x = bless {}, "X"; our $self = $x; $x->{self} = $x', "exit 0: ";
ends "a destructor that polls at the very end",
   'sub X::DESTROY { eval { IO::AIO::poll_cb () }; eval { IO::AIO::flush () } } our $x = bless {}, "X"; $x->{self} = $x', "exit 0: ";
ends "a mapped scalar in a global",
   'our $map; IO::AIO::mmap $map, 8192, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS or die; substr ($map, 0, 1) = "x"; print length $map', "exit 0: 8192";
ends "a lexical one of the file",
   'my $map; IO::AIO::mmap $map, 8192, IO::AIO::PROT_READ, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS or die; my $self = \$map; $self = \$self; print length $map', "exit 0: 8192";
ends "a callback that dies at the end while others execute",
   'my $buffer = "x" x 100_000; IO::AIO::aio_busy 0.05, sub { $buffer }; aio_nop sub { die "oops\n" }; IO::AIO::aio_busy 0.1, sub { $buffer } for 1 .. 3',
   qr/^exit [1-9]\d*: .*oops/s;
ends "a read into a global that executes when the interpreter goes",
   'open my $zero, "<", "/dev/zero" or die; aio_read $zero, undef, 50_000_000, our $large, 0; aio_nop sub { die "oops\n" }; pending 1',
   qr/^exit [1-9]\d*: .*oops/s;

# ---- many times ------------------------------------------------------------

{
   # Exits at different moments of a busy pool.
   my %seen;
   for my $round (1 .. 8) {
      my ($status, $output) = run_perl <<'PROGRAM', $round;
my $round = shift;
my $n = 0;
aio_stat "/", sub { $n++; exit 9 if $n == $round * 20 } for 1 .. 200;
aio_nop sub { $n++ } for 1 .. $round * 10;
IO::AIO::poll_cb for 1 .. $round;
exit 9;
PROGRAM
      $seen{"$status: $output"}++;
   }
   is_deeply \%seen, { "exit 9: " => 8 }, "exit at different moments of a busy pool";
}

done_testing;
