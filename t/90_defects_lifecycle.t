# What version 4.80 got wrong outside the individual requests, one subtest
# each, in the order of the list kept with the interface description. Each
# shows the right behaviour. Whatever crashed or hung runs in a child.
use strict;
use warnings;
use Config;
use Cwd ();
use Fcntl qw(F_GETFD FD_CLOEXEC O_RDONLY);
use POSIX ();
use Socket;
use Time::HiRes ();
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $page = IO::AIO::PAGESIZE;
my $both = IO::AIO::PROT_READ | IO::AIO::PROT_WRITE;
my $anon = IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS;
my $file = spew scratch . "/file", "0123456789";

my $number = 0;
sub defect { my ($name, $code) = @_; subtest sprintf ("%02d %s", ++$number, $name) => $code }

# A program that has to end with exit 0 and this output.
sub prints {
   my ($name, $expect, $program, @args) = @_;
   my ($status, $output) = run_perl $program, @args;
   my $got = "$status: $output";
   ref $expect ? like $got, $expect, $name : is $got, "exit 0: $expect", $name;
}

my $freed = 0;
sub Guard::DESTROY { $freed++ }
sub guard { $freed = 0; bless [], "Guard" }

# ---- crashes and corruption ------------------------------------------------

defect "mremap of a scalar that was never mapped" => sub {
   prints "a fresh lexical", "refused", <<'PROGRAM';
print eval { IO::AIO::mremap my $fresh, 4096; 1 } ? "accepted" : $@ =~ /not mapped/ ? "refused" : $@;
PROGRAM
   prints "a string", "refused", <<'PROGRAM';
my $string = "x" x 5000;
print eval { IO::AIO::mremap $string, 4096; 1 } ? "accepted" : $@ =~ /not mapped/ ? "refused" : $@;
PROGRAM
   prints "a scalar with magic of another kind", "refused", <<'PROGRAM';
my $string = "x" x 5000; $string =~ /x/g; pos ($string) = 5;
print eval { IO::AIO::mremap $string, 4096; 1 } ? "accepted" : $@ =~ /not mapped/ ? "refused" : $@;
PROGRAM
};

defect "statx with an invalid directory" => sub {
   for my $path ('[undef, "/"]', '[IO::AIO::INVALID_WD, "/"]', 'IO::AIO::INVALID_WD') {
      prints $path, "-1 ENOENT", "print IO::AIO::statx ($path, 0, IO::AIO::STATX_ALL), \$!{ENOENT} ? ' ENOENT' : \" \$!\"";
   }
};

defect "request methods on a reference to a plain scalar" => sub {
   for my $call ('REQ::cancel (\my $x)', 'REQ::cb (\my $x)', 'REQ::cb (\my $x, sub { })', 'GRP::cancel_subs (\my $x)', 'GRP::add (\my $x)', 'GRP::result (\my $x)', 'REQ::cancel (\"text")', 'REQ::cancel (\\\\1)') {
      prints $call, "refused", "print eval { IO::AIO::$call; 1 } ? 'accepted' : \$@ =~ /object of class/ ? 'refused' : \$@";
   }
};

defect "forged objects" => sub {
   for my $forged ('\my $x', '\(my $x = 5)', '\(my $x = 1 << 40)', '{}', '[]', 'sub { }') {
      my $bless = "bless ($forged, 'IO::AIO::WD')";
      prints "directory object made of $forged", "refused", <<"PROGRAM";
my \$wd = $bless;
print eval { aio_stat \$wd, sub { }; 1 } || eval { aio_stat [\$wd, "x"], sub { }; 1 } || eval { IO::AIO::statx \$wd, 0, 1; 1 } ? "accepted" : "refused";
die "queued" if IO::AIO::nreqs;
{ local \$SIG{__WARN__} = sub { }; undef \$wd; IO::AIO::flush }
PROGRAM
   }
   prints "request object", "done", <<'PROGRAM';
my $req = bless {}, "IO::AIO::REQ";
$req->cancel;
print +(() = $req->cb) ? "not done" : "done";
PROGRAM
   for my $forged ('\my $x', '[]', 'sub { }') {
      prints "request object made of $forged", "alive", <<"PROGRAM";
my \$req = bless $forged, "IO::AIO::GRP";
for my \$method (qw(cancel cb cancel_subs result limit feed add)) { eval { \$req->\$method (1) } }
print "alive";
PROGRAM
   }
};

defect "a group added to itself, or into a cycle" => sub {
   prints "itself", "refused group", <<'PROGRAM';
my $group = aio_group sub { print "group" };
print eval { add $group $group; 1 } ? "accepted " : "refused ";
drain;
PROGRAM
   prints "a cycle of three, cancelled afterwards", "refused 0", <<'PROGRAM';
my @group = map scalar aio_group (sub { print "group " }), 1 .. 3;
add { $group[0] } $group[1]; add { $group[1] } $group[2];
print eval { add { $group[2] } $group[0]; 1 } ? "accepted " : "refused ";
$group[0]->cancel;
drain;
print IO::AIO::nreqs;
PROGRAM
};

defect "a request added to two groups, or twice to one" => sub {
   prints "two groups", "refused member first second", <<'PROGRAM';
my @group = map { my $name = $_; scalar aio_group (sub { print " $name" }) } "first", "second";
my $req = aio_nop sub { print "member" };
add { $group[0] } $req;
print eval { add { $group[1] } $req; 1 } ? "accepted " : $@ =~ /already in a group/ ? "refused " : $@;
add { $group[1] } $group[0];
drain;
PROGRAM
   prints "twice to one", "refused member group", <<'PROGRAM';
my $group = aio_group sub { print "group" };
my $req = aio_nop sub { print "member " };
print eval { add $group $req, $req; 1 } ? "accepted " : $@ =~ /already in a group/ ? "refused " : $@;
drain;
PROGRAM
};

defect "group methods on a plain request" => sub {
   for my $call ('add ($req, scalar aio_nop)', 'result ($req, 1)', 'errno ($req, 1)', 'limit ($req, 1)', 'feed ($req, sub { })', 'cancel_subs ($req)') {
      prints $call, "refused callback", "my \$req = aio_nop sub { print ' callback' }; print eval { IO::AIO::GRP::$call; 1 } ? 'accepted' : 'refused'; drain";
   }
};

defect "last or next out of a callback" => sub {
   for my $leave (qw(last next)) {
      prints $leave, "exception exception works", <<"PROGRAM" . <<'PROGRAM';
my \$leave = sub { no warnings; $leave };
PROGRAM
for (1 .. 2) {
   aio_nop $leave;
   print eval { IO::AIO::flush; 1 } ? "lives " : "exception ";
}
aio_nop sub { print "works" };
IO::AIO::flush;
PROGRAM
   }
};

defect "objects copied into a cloned thread" => sub {
   $Config{useithreads} or plan skip_all => "this perl is built without threads";
   prints "requests", "callback group", <<'PROGRAM';
use threads;
aioreq_pri (1);
my $req = aio_nop sub { print "callback " };
my $group = aio_group sub { print "group" };
pending 2;
threads->create (sub { eval { $req->cancel }; eval { $group->cancel }; 1 })->join;
IO::AIO::flush;
PROGRAM
   prints "directory objects", "0 -1 0", <<'PROGRAM';
use threads;
my $wd;
aio_wd "/", sub { $wd = $_[0] };
IO::AIO::flush;
threads->create (sub { undef $wd; 1 })->join for 1 .. 2;
print IO::AIO::nreqs;
aio_stat [$wd, "no such file"], sub { print " $_[0]" };
aio_stat $wd, sub { print " $_[0]" };
IO::AIO::max_parallel 1;
IO::AIO::flush;
PROGRAM
};

# ---- lost or spurious exceptions -------------------------------------------

defect "leftover text in \$\@ is no exception" => sub {
   prints "a request without callback", "lives", 'aio_nop; print eval { $@ = "x\n"; IO::AIO::flush; 1 } ? "lives" : "dies"; $@ = ""';
   prints "a cancelled request", "lives", 'my $r = aio_nop sub { }; $r->cancel; print eval { $@ = "x\n"; IO::AIO::flush; 1 } ? "lives" : "dies"; $@ = ""';
   prints "in the END block", "lives", 'aio_nop; $@ = "x\n"; print "lives"';
   prints "a directory object given up", "lives", 'aio_wd "/", sub { }; IO::AIO::poll_wait; IO::AIO::poll_cb; $@ = "x\n"; IO::AIO::flush; print "lives"; $@ = ""';
   prints "an eval that failed in a feeder", "lives", 'my $n = 0; my $g = aio_group; feed $g sub { eval { die "x\n" }; add { $_[0] } aio_nop if $n++ < 3 }; print eval { IO::AIO::flush; 1 } ? "lives" : "dies"; $@ = ""';
};

defect "exceptions of the last member and of its group" => sub {
   my $object = [];
   my $group = aio_group sub { };
   add $group aio_nop sub { die $object };
   my $lives = eval { IO::AIO::flush; 1 };
   my $error = $@;
   ok !$lives && ref $error && $error == $object, "the member's exception is thrown, unchanged";
   $@ = "";
   drain;

   my @warnings = warnings_of {
      $group = aio_group sub { die "group\n" };
      add $group aio_nop sub { die "member\n" };
      is error_of { IO::AIO::flush }, "member\n", "if both die, the first is thrown";
      error_of { drain };
   };
   like "@warnings", qr/group/, "the second becomes a warning";
};

defect "an exception object that is false" => sub {
   { package False; use overload bool => sub { 0 }, '""' => sub { "" }, fallback => 1; }
   my $object = bless [], "False";
   aio_nop sub { die $object };
   my $lives = eval { IO::AIO::flush; 1 };
   my $error = $@;
   ok !$lives, "it is an exception";
   is ref $error, "False", "and arrives";
   $@ = "";
   drain;
};

defect "__DIE__ is called once" => sub {
   my $called = 0;
   local $SIG{__DIE__} = sub { $called++ };
   aio_nop sub { die "oops\n" };
   eval { IO::AIO::flush };
   is $@, "oops\n", "the exception";
   is $called, 1, "one call";
   $@ = "";
   drain;
};

# ---- hangs -----------------------------------------------------------------

defect "END with a limit of 0 workers" => sub {
   prints "set in an END block", "callback", 'END { IO::AIO::max_parallel 0 } aio_nop sub { print "callback" }';
   prints "set before", "callback", 'IO::AIO::max_parallel 0; aio_nop sub { print "callback" }';
};

defect "a forked child without reinit" => sub {
   my $program = <<'PROGRAM';
sub child {
   my $n = 0;
   aio_nop sub { $n++ };
   print readable (patience) ? "event " : "no event ";
   IO::AIO::flush;
   print "$n ";
}
sub both {
   my $pid = fork;
   if (!$pid) { child (); exit 0 }
   waitpid $pid, 0;
   print $? ? "child failed " : "child ended ";
}
PROGRAM
   prints "of a parent with idle workers", "event 1 child ended ", $program . 'aio_nop for 1 .. 5; drain; both';
   prints "of one whose requests execute", "event 1 child ended parent", $program . 'my @gate = park 1, sub { print "parent" }; both; release @gate';
   prints "of one with pending results", "event 1 child ended readable parent", $program . 'aio_nop sub { print "parent" }; pending 1; both; print readable () ? "readable " : "quiet "';
   prints "of one with ready requests", "event 1 child ended parent", $program . 'IO::AIO::max_parallel 0; aio_nop sub { print "parent" }; my $pid = fork; if (!$pid) { IO::AIO::min_parallel 1; child; exit } waitpid $pid, 0; print $? ? "child failed " : "child ended "; IO::AIO::min_parallel 1';
   prints "which exits at once", "ended parent", 'my @gate = park 1, sub { print "parent" }; aio_nop; pending 1; my $pid = fork; exit if !$pid; waitpid $pid, 0; print $? ? "failed " : "ended "; release @gate';
   prints "which leaves the parent's event alone", "readable", 'aio_nop; pending 1; my $pid = fork; if (!$pid) { IO::AIO::poll_cb; IO::AIO::flush; exit } waitpid $pid, 0; print readable () ? "readable" : "quiet"';
};

defect "no thread can be created" => sub {
   # A limit of one process holds only without privilege, so it is given up
   # after everything is loaded.
   my $limited = sub {
      my ($program) = @_;
      my $script = spew scratch . "/limited.pl", <<'PRELUDE' . $program;
use strict; use warnings; use AIOTest qw(:all); use IO::AIO;
$| = 1;
if ($> == 0) { $( = 65534; $) = "65534 65534"; $< = 65534; $> = 65534 }
if (defined (my $pid = fork)) { POSIX::_exit (0) if !$pid; waitpid $pid, 0; print "no limit"; POSIX::_exit (0) }
PRELUDE
      run_perl <<'OUTER', $script;
exec "sh", "-c", '(ulimit -u 1 2>/dev/null || ulimit -p 1) 2>/dev/null || { echo no limit; exit; }; ulimit -u 1 2>/dev/null || ulimit -p 1; exec "$@"', "sh", $^X, @ARGV;
OUTER
   };
   my ($status, $output) = $limited->(<<'PROGRAM');
aio_stat "/", sub { print $_[0] == 0 || $_[0] == -1 && $!{EAGAIN} ? "answered " : "other: $_[0] $! " };
IO::AIO::flush;
print IO::AIO::nreqs;
PROGRAM
   $output =~ /no limit/ and plan skip_all => "cannot limit the number of processes";
   is "$status: $output", "exit 0: answered 0", "flush comes to an end";

   ($status, $output) = $limited->(<<'PROGRAM');
aio_stat "/", sub { print $_[0] == 0 || $_[0] == -1 && $!{EAGAIN} ? "answered " : "other: $_[0] $! " } for 1 .. 3;
my $end = time + patience;
while (IO::AIO::nreqs && time < $end) { readable 1 and IO::AIO::poll_cb }
print IO::AIO::nreqs;
POSIX::_exit (0);
PROGRAM
   is "$status: $output", "exit 0: answered answered answered 0", "a program that only watches the descriptor gets its results";

   ($status, $output) = $limited->('aio_nop sub { print "callback" }');
   is "$status: $output", "exit 0: callback", "so does the END block";
};

defect "signal handlers run while a poll waits" => sub {
   for my $wait (qw(flush poll_wait poll)) {
      my ($status, $output) = in_child {
         IO::AIO::reinit;
         my @gate = park 1;
         local $SIG{ALRM} = sub { die "timeout\n" };
         Time::HiRes::ualarm 20_000;
         print eval { IO::AIO->can ($wait)->(); 1 } ? "returns" : $@;
      };
      is "$status: $output", "exit 0: timeout\n", "alarm with die ends $wait";
   }
};

# ---- leaks -----------------------------------------------------------------

defect "descriptors of cancelled opens" => sub {
   my $dir = scratch;
   drain;
   my $before = open_fds;
   aio_open $file, O_RDONLY, 0 for 1 .. 5;
   aio_wd $dir for 1 .. 5;
   drain;
   is open_fds, $before, "opens without callback close what they opened";
   my @req = ((map scalar (aio_open $file, O_RDONLY, 0, sub { }), 1 .. 5), (map scalar (aio_wd $dir, sub { }), 1 .. 5));
   pending 10;
   $_->cancel for @req;
   drain;
   is open_fds, $before, "so do those cancelled after execution";
};

defect "memory of times and refused arguments" => sub {
   for my $case (
      ["a path that is none", sub { aio_stat {}, $_[0] }],
      ["the second path of two", sub { aio_rename "x", {}, $_[0] }],
      ["a pair of three", sub { aio_stat [undef, "x", "y"], $_[0] }],
      ["a wide path", sub { aio_stat "\x{263a}", $_[0] }],
      ["a handle that is none", sub { aio_fsync -1, $_[0] }],
   ) {
      my ($name, $code) = @$case;
      { my $guard = guard; ok error_of { $code->(sub { $guard }) } ne "", "$name is refused" }
      is $freed, 1, "and the callback released";
   }
   is IO::AIO::nreqs, 0, "nothing is queued";

   SKIP: {
      -r "/proc/self/statm" or skip "no /proc/self/statm to read the memory from", 2;
      my $pages = sub { (split " ", slurp "/proc/self/statm")[5] };
      my $grows = sub {
         my ($code) = @_;
         $code->() for 1 .. 3_000;
         my $before = $pages->();
         $code->() for 1 .. 30_000;
         ($pages->() - $before) * $page / 1024
      };
      stat $file;
      cmp_ok $grows->(sub { IO::AIO::st_atime; IO::AIO::st_mtime; IO::AIO::st_ctime; my @t = IO::AIO::st_xtime }), "<", 1024, "the st_ functions: less than 1 MiB in 30000 rounds";
      my $timer = IO::AIO::timerfd_create IO::AIO::CLOCK_MONOTONIC;
      defined $timer or skip "this system has no timerfd", 1;
      cmp_ok $grows->(sub { my @t = IO::AIO::timerfd_gettime $timer; @t = IO::AIO::timerfd_settime $timer, 0, 0, 1000 }), "<", 1024, "the timerfd functions as well";
   }
};

# ---- wrong results ---------------------------------------------------------

defect "\$! is 0 in the callback of a successful request" => sub {
   my @seen;
   for my $submit (
      sub { aio_nop $_[0] }, sub { aio_stat "/", $_[0] }, sub { aio_open $file, O_RDONLY, 0, $_[0] },
      sub { aio_readdir scratch, $_[0] }, sub { aio_mkdir scratch . "/d" . @seen, 0700, $_[0] },
   ) {
      aio_stat scratch . "/missing", sub { } for 1 .. 8;
      drain;
      $! = 5;
      $submit->(sub { push @seen, $! + 0 });
      $! = 5;
      drain;
   }
   is "@seen", "0 0 0 0 0", "after failures on the same workers";
};

defect "nready counts" => sub {
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      my @gate = park 4;
      release @gate;
      drain;
      IO::AIO::max_parallel 0;
      until_true { IO::AIO::nthreads == 0 } "workers told to end";
      aio_nop for 1 .. 3;
      print IO::AIO::nready, " ";
      IO::AIO::min_parallel 1;
      drain;
      print IO::AIO::nready;
   };
   is "$status: $output", "exit 0: 3 0", "after max_parallel has ended workers";
};

defect "reads without callback finish their buffer" => sub {
   open my $fh, "<", $file or die;
   my $buffer = "";
   aio_read $fh, 0, 5, $buffer, 0;
   drain;
   is $buffer, "01234", "aio_read";
   $buffer = "a longer string than what is read";
   aio_read $fh, 0, 5, $buffer, 2;
   drain;
   is $buffer, "a 01234", "into a string that shrinks";
   my $slurped = "";
   aio_slurp $file, 0, 0, $slurped;
   drain;
   is $slurped, "0123456789", "aio_slurp";
   aio_slurp $file, 2, 3, $slurped;
   drain;
   is $slurped, "234", "with offset and length";
};

defect "a private writable mapping of a handle for reading" => sub {
   open my $fh, "<", $file or die;
   my $map;
   ok eval { IO::AIO::mmap $map, 10, $both, IO::AIO::MAP_PRIVATE, $fh }, "is made" or return;
   substr ($map, 0, 3) = "XYZ";
   is $map, "XYZ3456789", "and writable";
   is slurp ($file), "0123456789", "the file stays";
};

defect "pidfd_send_signal with information sets the signal number" => sub {
   my $self = IO::AIO::pidfd_open $$;
   defined $self or plan skip_all => "this system has no pidfd_open: $!";
   my $seen;
   local $SIG{USR1} = sub { $seen = $_[0] };
   is IO::AIO::pidfd_send_signal ($self, POSIX::SIGUSR1 (), { code => -1, value_int => 5 }), 0, "the kernel takes it";
   until_true { $seen } "no signal arrived" if IO::AIO::pidfd_send_signal ($self, POSIX::SIGUSR1 (), { code => -1 }) == 0;
   is $seen, "USR1", "and it arrives";
};

defect "aio_symlink resolves the link below its own directory" => sub {
   my $dir = scratch;
   mkdir "$dir/$_" for "one", "two";
   # A link made in the wrong place must not stay in the source tree.
   my $cwd = Cwd::getcwd ();
   chdir $dir or die "chdir: $!";
   my %wd;
   for my $name ("one", "two") {
      aio_wd "$dir/$name", sub { $wd{$name} = $_[0] };
   }
   drain;
   my @result;
   aio_symlink "target", [$wd{two}, "plain"], sub { push @result, $_[0] };
   aio_symlink [$wd{one}, "target"], [$wd{two}, "both"], sub { push @result, $_[0] };
   aio_symlink [$wd{one}, "target"], "first", sub { push @result, $_[0] };
   drain;
   chdir $cwd or die "chdir: $!";
   is "@result", "0 0 0", "all are made";
   is readlink "$dir/two/plain", "target", "text, below the second's directory";
   is readlink "$dir/two/both", "target", "a pair: its string, below the second's";
   is readlink "$dir/one/first", "target", "only the first has one: below that";
};

defect "accept4 takes any variable for the address" => sub {
   socket my $listen, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
   bind $listen, pack_sockaddr_in 0, INADDR_LOOPBACK or plan skip_all => "cannot bind to the loopback address: $!";
   listen $listen, 3;
   my $both = 12; my $text = "$both"; my $sum = $both + 1;
   my $double = 1.5; $text = "$double";
   for my $var (\$both, \$double) {
      socket my $client, AF_INET, SOCK_STREAM, 0;
      connect $client, getsockname $listen or die "connect: $!";
      my $handle = eval { IO::AIO::accept4 $listen, $$var, 64, 0 };
      ok defined $handle, "one used as number and text" or do { diag $@; accept my $rest, $listen };
      is eval { (sockaddr_in $$var)[0] }, (sockaddr_in getsockname $client)[0], "gets the address";
   }
};

defect "munlockall hands on the result" => sub {
   my $result = IO::AIO::munlockall;
   ok defined $result && ($result eq "0" || $result eq "-1"), "0 or -1";
};

defect "madvise and mprotect with too few arguments, or a negative length" => sub {
   for my $call ('madvise $m, 0', '&IO::AIO::madvise ($m, 0, 4096)', 'mprotect $m, 0', '&IO::AIO::mprotect ($m, 0, 4096)') {
      my $code = $call =~ /^&/ ? $call : "IO::AIO::$call";
      prints $code, "usage", 'IO::AIO::mmap my $m, 8192, 3, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS; print eval { ' . $code . '; 1 } ? "accepted" : $@ =~ /^Usage: / ? "usage" : $@';
   }
   IO::AIO::mmap my $map, 4 * $page, $both, $anon or die "mmap: $!";
   is IO::AIO::madvise ($map, $page, -1, IO::AIO::MADV_NORMAL), 0, "madvise: a negative length is the rest";
   is IO::AIO::mprotect ($map, $page, -1, $both), 0, "mprotect, too";
   is IO::AIO::mprotect ($map, $page, -5 * $page, $both), 0, "however negative";
};

defect "a negative limit is like 0" => sub {
   my ($calls, $ended) = (0, 0);
   my $group = aio_group sub { $ended++ };
   feed $group sub { add { $_[0] } aio_nop if $calls++ < 50 };
   limit $group -1;
   drain;
   is $calls, 2, "the feeder is not called when members leave";
   is $ended, 1, "the group ends";
};

defect "reinit keeps close-on-exec and the limits, releases what requests held" => sub {
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      open my $handle, "<&=", IO::AIO::poll_fileno or die;
      print +(fcntl $handle, F_GETFD, 0) & FD_CLOEXEC ? "close-on-exec " : "inherited ";
      POSIX::_exit (0);
   };
   is "$status: $output", "exit 0: close-on-exec ", "the flag";
   for my $case (["a lower limit", "IO::AIO::max_parallel 2", 2], ["the default", "1", 8], ["a higher limit", "IO::AIO::min_parallel 11", 11]) {
      my ($name, $code, $expect) = @$case;
      prints $name, "$expect", "$code; my \$expect = $expect;" . <<'PROGRAM';
IO::AIO::reinit;
my @gate = park $expect;
aio_nop;
my $end = Time::HiRes::time () + 0.2;
until_true { IO::AIO::nready == 0 || Time::HiRes::time () > $end };
print IO::AIO::nreqs - IO::AIO::nready - IO::AIO::npending;
POSIX::_exit (0);
PROGRAM
   }
   ($status, $output) = in_child {
      IO::AIO::reinit;
      IO::AIO::max_parallel 0;
      open my $fh, "<", $file or die;
      my $buffer = "old";
      { my $guard = guard; aio_read $fh, 0, 5, $buffer, 0, sub { $guard } }
      IO::AIO::reinit;
      print error_of { $buffer = "x" } eq "" ? "writable" : "read-only", ", $freed released";
   };
   is "$status: $output", "exit 0: writable, 1 released", "what dropped requests held";
};

defect "undefined arguments that mean a default give no warning" => sub {
   open my $fh, "+<", spew scratch . "/undefined", "content" or die;
   my @warnings = warnings_of {
      aio_write $fh, 0, undef, "data", 0, sub { };
      aio_write $fh, undef, undef, "data", 0, sub { };
      aio_read $fh, 0, 4, my $undefined, 0, sub { };
      drain;
      IO::AIO::mmap my ($map), $page, $both, $anon;
      aio_msync $map, undef, undef, undef, sub { };
      aio_mtouch $map, undef, undef, undef, sub { };
      aio_mlock $map, undef, undef, sub { };
      IO::AIO::madvise $map, 0, undef, IO::AIO::MADV_NORMAL;
      IO::AIO::munlock $map, 0, undef;
      drain;
   };
   is_deeply \@warnings, [], "none";
};

defect "text that is no number is no descriptor" => sub {
   my $refused = qr/mode mismatch/;
   my @warnings = warnings_of {
      for my $text ("STDERR", "text", "", " ", "1x", "x1") {
         like error_of { aio_fsync $text, sub { } }, $refused, "aio_fsync of '$text'";
         like error_of { IO::AIO::fadvise $text, 0, 0, 0 }, $refused, "fadvise of '$text'";
      }
   };
   is IO::AIO::nreqs, 0, "nothing is queued";
   drain;
   my $status;
   is error_of { aio_fsync "1", sub { $status = $_[0] } }, "", "a number as text is one";
   drain;
   ok defined $status, "and is used";
};

defect "a mapped scalar may be changed in any way" => sub {
   my ($status, $output) = in_child {
      {
         IO::AIO::mmap my ($map), $page, $both, $anon;
         $map = "assigned";
         print "$map ";
      }
      {
         IO::AIO::mmap my ($map), $page, $both, $anon;
         $map .= "grown";
         print length ($map) - $page, " ";
      }
      {
         IO::AIO::mmap my ($map), $page, IO::AIO::PROT_READ, $anon;
         undef $map;
         print defined $map ? "defined" : "undefined", " ";
      }
      print "end";
   };
   is "$status: $output", "exit 0: assigned 5 undefined end", "it is unmapped quietly, and keeps what the user assigned";
};

defect "constants that Linux has" => sub {
   $^O eq "linux" && $Config{archname} =~ /^x86_64/ or plan skip_all => "the values are those of Linux on x86_64";
   my %value = (
      FSCONFIG_SET_FLAG => 0, FSCONFIG_SET_STRING => 1, FSCONFIG_SET_BINARY => 2, FSCONFIG_SET_PATH => 3, FSCONFIG_SET_PATH_EMPTY => 4,
      FSCONFIG_SET_FD => 5, FSCONFIG_CMD_CREATE => 6, FSCONFIG_CMD_RECONFIGURE => 7,
      MAP_UNINITIALIZED => 67108864, MFD_HUGETLB_1GB => 2013265920, MFD_HUGETLB_2MB => 1409286144,
      P_ALL => 0, P_PID => 1, P_PGID => 2, P_PIDFD => 3, AT_STATX_AS_STAT => 0,
   );
   no strict "refs";
   is &{"IO::AIO::$_"} (), $value{$_}, $_ for sort keys %value;
};

defect "nothing is submitted at the end of the interpreter" => sub {
   prints "for the constant objects", "main", 'aio_nop; IO::AIO::flush; IO::AIO::_on_next_submit (sub { print " submitted" }); print "main"';
   prints "for an object in a global", "IO::AIO::WD", 'our $wd; aio_wd "/", sub { $wd = $_[0] }; IO::AIO::flush; IO::AIO::_on_next_submit (sub { print " submitted" }); print ref $wd';
   prints "for one in a cycle", "IO::AIO::WD", 'aio_wd "/", sub { my $cycle = { wd => $_[0] }; $cycle->{self} = $cycle; print ref $_[0] }; IO::AIO::flush; IO::AIO::_on_next_submit (sub { print " submitted" })';
};

is $number, 35, "all 35 of them";
done_testing;
