# Exceptions: what dies in a callback comes out of the poll, once, unchanged;
# nothing else does. exit, last and destructors are contained as well.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

{
   package False;
   use overload bool => sub { 0 }, '""' => sub { "" }, fallback => 1;
   sub new { bless { id => $_[1] }, $_[0] }
}
{
   package Dies;
   sub new { bless [$_[1]], $_[0] }
   sub DESTROY { die "$_[0][0]\n" }
}
{
   package DiesTied;
   sub TIESCALAR { bless [], $_[0] }
   sub FETCH { die "fetch\n" }
   sub STORE { die "store\n" }
}

my @log;
sub take { my @l = @log; @log = (); "@l" }

IO::AIO::max_parallel 1;   # results arrive in the order of submission

# ---- die -------------------------------------------------------------------

aio_nop sub { push @log, "first"; die "oops\n" };
aio_nop sub { push @log, "second" };
pending 2;
is error_of { IO::AIO::poll_cb }, "oops\n", "a callback's exception comes out of poll_cb";
is take, "first", "which it stopped";
is IO::AIO::npending, 1, "the rest stays pending";
is error_of { IO::AIO::poll_cb }, "", "the next poll";
is take, "second", "delivers it";

aio_nop sub { die "oops\n" };
is error_of { IO::AIO::poll }, "oops\n", "out of poll";
aio_nop sub { die "oops\n" };
is error_of { IO::AIO::flush }, "oops\n", "out of flush";

aio_nop sub { die "one\n" };
aio_nop sub { die "two\n" };
pending 2;
is error_of { IO::AIO::poll_cb }, "one\n", "one exception per poll: the first";
is error_of { IO::AIO::poll_cb }, "two\n", "then the second";
is IO::AIO::nreqs, 0, "none is left";

for my $object ([1], { a => 1 }, (bless {}, "Some::Class"), \"text", sub { }) {
   my $ref = ref $object;
   aio_nop sub { die $object };
   my $ok = eval { IO::AIO::flush; 1 };
   is $ok ? "lives" : ref $@ && $@ == $object ? "same" : "other: $@", "same", "an exception of type $ref arrives unchanged";
   $@ = "";
}

{
   my $false = False->new ("x");
   aio_nop sub { die $false };
   my $ok = eval { IO::AIO::flush; 1 };
   my $error = $@;
   ok !$ok, "an exception object that is false is an exception";
   is ref $error && $error->{id}, "x", "and arrives unchanged";
   $@ = "";
}

# ---- what is no exception --------------------------------------------------

aio_nop sub { eval { die "inner\n" }; push @log, "callback" };
is error_of { IO::AIO::flush }, "", "an eval in a callback is no exception";
is take, "callback", "the callback ran";

aio_nop sub { $@ = "text"; push @log, "callback" };
is error_of { IO::AIO::flush }, "", "text left in \$\@ by a callback is none";
take;

{
   my @kind = (
      ["a request without callback", sub { aio_nop }],
      ["a cancelled request",        sub { (aio_nop sub { })->cancel }],
      ["a group without callback",   sub { scalar aio_group }],
      ["a callback that succeeds",   sub { aio_nop sub { } }],
      ["a closed directory object",  sub { aio_wd scratch, sub { } }],
      ["a feeder whose eval failed", sub {
         my $group = aio_group;
         my $n = 0;
         feed $group sub { eval { die "feeder\n" }; add { $_[0] } aio_nop if $n++ < 3 };
      }],
   );
   for my $kind (@kind) {
      my ($name, $submit) = @$kind;
      $submit->();
      is eval { $@ = "leftover\n"; IO::AIO::flush; 1 } ? "lives" : "dies: $@", "lives", "text left in \$\@ before the poll: $name";
      $@ = "";
      error_of { drain };
   }
}

# ---- __DIE__ ---------------------------------------------------------------

{
   my $called = 0;
   local $SIG{__DIE__} = sub { $called++ };
   aio_nop sub { die "oops\n" };
   is error_of { IO::AIO::flush }, "oops\n", "an exception with a __DIE__ handler";
   is $called, 1, "which is called once";
}

{
   local $SIG{__DIE__} = sub { die "changed: $_[0]" };
   aio_nop sub { die "oops\n" };
   is error_of { IO::AIO::flush }, "changed: oops\n", "a __DIE__ handler may replace the exception";
}

# ---- destructors -----------------------------------------------------------

{
   my @warnings = warnings_of {
      { my $object = Dies->new ("destroyed"); aio_nop sub { push @log, "callback"; $object && 1 } }
      aio_nop sub { push @log, "next" };
      is error_of { IO::AIO::flush }, "", "a destructor that dies when the callback is released is no exception";
   };
   is take, "callback next", "the poll goes on";
   is @warnings, 1, "there is one warning";
   like $warnings[0], qr/\(in cleanup\) destroyed/, "that tells";
}

{
   my @warnings = warnings_of {
      { my $object = Dies->new ("destroyed"); aio_nop sub { $object && die "oops\n" } }
      is error_of { IO::AIO::flush }, "oops\n", "the callback's own exception survives a destructor that dies";
   };
   like "@warnings", qr/\(in cleanup\) destroyed/, "which is a warning";
}

{
   { my $object = bless [], "Evals"; sub Evals::DESTROY { eval { die "inner\n" } } aio_nop sub { $object && die "oops\n" } }
   is error_of { IO::AIO::flush }, "oops\n", "and one that uses eval";
}

{
   my @warnings = warnings_of {
      { my $object = Dies->new ("destroyed"); my $req = aio_nop; $req->{keep} = $object }
      is error_of { IO::AIO::flush }, "", "a destructor that dies when the request object is released";
   };
   like "@warnings", qr/\(in cleanup\) destroyed/, "is a warning";
}

# ---- exit ------------------------------------------------------------------

my $ends = 'END { print "END " }' . "\n";
for my $case (
   ["a callback", 'aio_nop sub { print "callback "; exit 7 }; IO::AIO::flush; print "not reached"'],
   ["a group's callback", 'my $g = aio_group sub { print "callback "; exit 7 }; add $g aio_nop; IO::AIO::flush; print "not reached"'],
   ["a feeder", 'my $g = aio_group; feed $g sub { print "callback "; exit 7 }; IO::AIO::flush; print "not reached"'],
   ["a feeder called by the poll", 'my $n; my $g = aio_group; limit $g 1; feed $g sub { if ($n++) { print "callback "; exit 7 } add $g aio_nop }; IO::AIO::flush; print "not reached"'],
   ["a nested poll", 'aio_nop sub { aio_nop sub { print "callback "; exit 7 }; IO::AIO::flush; print "not reached" }; IO::AIO::flush; print "not reached"'],
   ["a callback inside eval", 'aio_nop sub { eval { print "callback "; exit 7 } }; eval { IO::AIO::flush }; print "not reached"'],
) {
   my ($name, $code) = @$case;
   my ($status, $output) = run_perl $ends . $code;
   is "$status: $output", "exit 7: callback END ", "exit in $name ends the program, with its status and END blocks";
}

{
   # Perl may run a destructor that was left by exit once more at the very end.
   my ($status, $output) = run_perl $ends . <<'PROGRAM';
sub X::DESTROY { print "destructor "; exit 7 }
{ my $x = bless [], "X"; aio_nop sub { $x } }
IO::AIO::flush;
print "not reached";
PROGRAM
   is $status, "exit 7", "exit in a destructor ends the program, with its status";
   like $output, qr{^destructor END (?!not)}, "and END blocks";
}

{
   my ($status, $output) = run_perl $ends . <<'PROGRAM';
aio_nop sub { print "exits "; exit 3 };
aio_nop sub { print "later " } for 1 .. 3;
IO::AIO::poll_cb while 1;
PROGRAM
   is $status, "exit 3", "exit in a callback with more outstanding keeps the status";
   is join (" ", sort split " ", $output), "END exits later later later", "and the rest is delivered at the end";
}

# ---- last, next, redo, goto ------------------------------------------------

for my $leave (qw(last next redo)) {
   my ($status, $output) = run_perl <<"PROGRAM" . <<'PROGRAM';
my \$leave = sub { no warnings; $leave };
PROGRAM
my $turns = 0;
for (1 .. 3) {
   $turns++;
   last if $turns > 5;
   aio_nop $leave;
   print eval { IO::AIO::flush; 1 } ? "lives " : $@ =~ /outside a loop block/ ? "dies " : "other: $@ ";
   IO::AIO::flush;
}
aio_nop sub { print "works " };
IO::AIO::flush;
print "turns $turns";
PROGRAM
   is "$status: $output", "exit 0: dies dies dies works turns 3", "$leave out of a callback is an ordinary exception";
}

{
   my ($status, $output) = run_perl <<'PROGRAM';
OUTER: for (1 .. 2) {
   aio_nop sub { no warnings; last OUTER };
   print eval { IO::AIO::flush; 1 } ? "lives " : $@ =~ /Label not found/ ? "dies " : "other: $@ ";
}
print "end";
PROGRAM
   is "$status: $output", "exit 0: dies dies end", "also with a label";
}

# ---- groups ----------------------------------------------------------------

{
   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop sub { push @log, "one"; die "oops\n" };
   add $group aio_nop sub { push @log, "two" };
   is error_of { IO::AIO::flush }, "oops\n", "a member dies";
   drain;
   is take, "one two group", "which does not stop its group";
}

{
   my $group = aio_group sub { push @log, "group"; die "group\n" };
   add $group aio_nop sub { push @log, "member" };
   is error_of { IO::AIO::flush }, "group\n", "a group callback dies";
   drain;
   is take, "member group", "it is done, like any other";
   like error_of { add $group aio_nop }, qr/busy IO::AIO::REQ object expected/, "and finished";
   drain;
}

{
   my $object = [];
   my $group = aio_group sub { push @log, "group" };
   add $group aio_nop sub { die $object };
   my $ok = eval { IO::AIO::flush; 1 };
   is $ok ? "lives" : ref $@ && $@ == $object ? "same" : "other: $@", "same", "the last member dies, the group's callback succeeds: the exception is thrown, unchanged";
   $@ = "";
   drain;
   is take, "group", "the group was delivered";
}

{
   my $error;
   my @warnings = warnings_of {
      my $group = aio_group sub { die "group\n" };
      add $group aio_nop sub { die "member\n" };
      $error = error_of { IO::AIO::flush };
   };
   is $error, "member\n", "if both die, the first is thrown";
   like "@warnings", qr/group/, "the second becomes a warning";
   error_of { drain };
}

{
   my ($error, @warnings);
   @warnings = warnings_of {
      my $n = 0;
      my $group = aio_group sub { push @log, "group" };
      feed $group sub { $n++ and die "feeder\n"; add { $_[0] } aio_nop };
      $error = error_of { IO::AIO::flush };
   };
   is $error, "", "a feeder that dies does not end the poll";
   like "@warnings", qr/\(in cleanup\) feeder/, "it becomes a warning";
   is take, "group", "the group ends";
}

# ---- arguments that die ----------------------------------------------------

{
   tie my $tied, "DiesTied";
   my $released = 0;
   sub Released::DESTROY { $released++ }
   my @case = (
      ["a path",              sub { aio_stat $tied, $_[0] }],
      ["a handle",            sub { aio_fsync $tied, $_[0] }],
      ["a number",            sub { aio_mkdir scratch . "/never", $tied, $_[0] }],
      ["data",                sub { aio_write *STDERR, undef, 1, $tied, 0, $_[0] }],
      ["the second of a pair", sub { aio_stat [IO::AIO::CWD, $tied], $_[0] }],
      ["a later path",        sub { aio_rename "x", $tied, $_[0] }],
   );
   for my $case (@case) {
      my ($name, $code) = @$case;
      $released = 0;
      aioreq_pri (3);
      {
         my $guard = bless [], "Released";
         is error_of { $code->(sub { $guard }) }, "fetch\n", "$name that dies when read";
      }
      is IO::AIO::nreqs, 0, "nothing is queued";
      is aioreq_pri (0), 3, "the priority is kept";
      is $released, 1, "the callback is released";
   }
   is error_of { aio_nop $tied }, "fetch\n", "a callback that dies when read";
   is IO::AIO::nreqs, 0, "nothing is queued";
   ok !-e scratch . "/never", "nothing was executed";
}

# ---- still alive -----------------------------------------------------------

aio_nop sub { push @log, "alive" };
is error_of { drain }, "", "after all that";
is take, "alive", "requests still work";

done_testing;
