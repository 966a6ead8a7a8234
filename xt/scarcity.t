# Scarcity: no thread can be started, or only one; no descriptor is free; memory
# is limited. The program gets an error or slower service, never a hang, an
# abort or a crash.
#
# The limit of threads counts all of a user and does not hold for root, so these
# programs become a user id of their own where they may.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $stress = $ENV{AIO_STRESS} || 1;

my ($prlimit) = grep -x, map "$_/prlimit", split /:/, $ENV{PATH};
$prlimit or plan skip_all => "no prlimit program, which sets the limits";

my %outcome;

# Runs a program under limits, as one of run_perl. The limits hold from its
# first instruction.
my $count = 0;
sub limited {
   my ($limits, $program, @args) = @_;
   my $file = spew (scratch . "/limited-" . ++$count . ".pl", <<'PRELUDE' . $program);
use strict; use warnings;
use AIOTest qw(:all); use IO::AIO; use Errno; use Time::HiRes;
$| = 1; select STDERR; $| = 1; select STDOUT;
# Ids above 60000 and below 100000 are nobody's; one for each process, since
# the limit counts all of a user.
sub become_nobody {
   return if $>;
   POSIX::setgid (65534);
   POSIX::setuid (60_100 + $$ % 39_000) or die "setuid: $!";
}
# Leaves no descriptor.
our @taken;
sub take_descriptors {
   while (open my $fh, "<", "/dev/null") { push @taken, $fh }
   $!{EMFILE} or die "not EMFILE: $!";
}
#line 1 "program"
PRELUDE
   local $ENV{PERL5LIB} = "";
   my @got = run_perl 'exec @ARGV or die "exec: $!"', $prlimit, @$limits, $^X, (map "-I$_", grep !ref, @INC), $file, @args;
   unlink $file;
   $outcome{$got[0]}++;
   join ": ", @got
}

# ---- no thread -------------------------------------------------------------

my @none = ("--nproc=1");
my $probe = limited \@none, 'become_nobody; aio_nop; drain; print IO::AIO::nthreads';

SKIP: {
   $probe =~ /^exit 0: 0\z/ or skip "this system starts threads under a limit of one ($probe)", 1;
   pass "without a thread a request is served";

   is limited (\@none, 'become_nobody; my $n = 0; aio_stat "/", sub { $n++ if !$_[0] } for 1 .. 1000; IO::AIO::flush; print $n'),
      "exit 0: 1000", "no thread: 1000 requests are served by flush";
   is limited (\@none, 'become_nobody; my $n = 0; aio_stat "/", sub { $n++ } for 1 .. 100; while ($n < 100) { IO::AIO::poll_wait; IO::AIO::poll_cb } print $n'),
      "exit 0: 100", "no thread: by poll_wait and poll_cb";
   is limited (\@none, 'become_nobody; my $n = 0; aio_stat "/", sub { $n++; aio_nop sub { $n++ } } for 1 .. 100; while ($n < 200) { readable patience or die "quiet"; IO::AIO::poll_cb } print "$n ", readable () + 0'),
      "exit 0: 200 0", "no thread: the descriptor tells a program that only watches it";
   is limited (\@none, 'become_nobody; aio_nop sub { print "end" }; print "main "'),
      "exit 0: main end", "no thread: END flushes";
   is limited (\@none, <<'PROGRAM'), "exit 0: 30 group", "no thread: groups and feeders";
become_nobody;
my ($left, $n) = (30, 0);
my $group = aio_group sub { print "$n group" };
$group->limit (4);
$group->feed (sub { $_[0]->add (aio_stat "/", sub { $n++ }) if $left-- > 0 });
drain;
PROGRAM
   is limited (\@none, <<'PROGRAM'), "exit 0: cancelled, kept 1", "no thread: cancelling";
become_nobody;
IO::AIO::max_parallel 0;
my $n = 0;
my $req = aio_nop sub { $n += 100 };
aio_nop sub { $n++ };
$req->cancel;
IO::AIO::min_parallel 4;
drain;
print "cancelled, kept $n";
PROGRAM
   is limited (\@none, 'become_nobody; my $n = 0; aio_nop sub { die "dies\n" }; aio_nop sub { $n++ }; eval { IO::AIO::flush }; print $@ eq "dies\n" ? "died " : "lives "; drain; print $n'),
      "exit 0: died 1", "no thread: a callback that dies";
   like limited (\@none, 'become_nobody; my $n = 0; aio_scandir "/", 0, sub { $n = @{ $_[0] } + @{ $_[1] } }; aio_load "/etc/passwd", my $data, sub { print $_[0] > 0 ? "loaded" : "not loaded" }; drain; print " scanned" if $n'),
      qr/^exit 0: loaded scanned\z/, "no thread: composites";

   # A read that has to wait for what this very program does next.
   like limited (\@none, <<'PROGRAM'), qr/^exit 0: (?:read 1|error) nreqs 0\z/, "no thread: a read that waits for the program itself is no deadlock";
become_nobody;
alarm 5;
pipe my $r, my $w or die;
my $buffer = "";
aio_read $r, undef, 1, $buffer, 0, sub { print $_[0] == 1 ? "read 1" : "error" };
IO::AIO::poll_cb;
syswrite $w, "x";
drain;
print " nreqs ", IO::AIO::nreqs;
PROGRAM
   like limited (\@none, <<'PROGRAM'), qr/^exit 0: (?:timeout|error)\z/, "no thread: a handler that dies ends the wait for a blocking read";
become_nobody;
alarm 5;
local $SIG{USR1} = sub { die "timeout" };
pipe my $r, my $w or die;
my $pid = $$;
# The limit does not permit a helper process: a timer sends the signal.
require POSIX;
my $buffer = "";
$SIG{ALRM} = sub { die "timeout" };
Time::HiRes::ualarm (100_000);
my $error;
eval { aio_read $r, undef, 1, $buffer, 0, sub { $error = 1 if $_[0] < 0 }; IO::AIO::flush };
print $error ? "error" : $@ =~ /timeout/ ? "timeout" : "else: $@";
POSIX::_exit (0);
PROGRAM

   is limited (["--nproc=4"], <<'PROGRAM'), "exit 0: 10 without, 20 with", "no thread at first: once there can be one, there is";
become_nobody;
pipe my $r, my $w or die;
my @pid = map {
   my $pid = fork // die "fork: $!";
   if (!$pid) { close $w; sysread $r, my $end, 1; POSIX::_exit (0) }
   $pid
} 1 .. 3;
my $n = 0;
aio_nop sub { $n++ } for 1 .. 10;
drain;
print $n, IO::AIO::nthreads () ? " with, " : " without, ";
close $w;
waitpid $_, 0 for @pid;
until_true { aio_nop; drain; IO::AIO::nthreads () > 0 } "no thread";
aio_nop sub { $n++ } for 1 .. 10;
drain;
print $n, IO::AIO::nthreads () ? " with" : " without";
PROGRAM
}

# ---- one thread ------------------------------------------------------------

SKIP: {
   my @one = ("--nproc=2");
   limited (\@one, 'become_nobody; my @gate = park 1; print IO::AIO::nthreads; release @gate; drain') eq "exit 0: 1"
      or skip "this system has no limit of two threads", 1;
   is limited (\@one, 'become_nobody; my $n = 0; my ($gate) = park 1, sub { $n++ }; aio_nop sub { $n++ } for 1 .. 50; IO::AIO::poll_cb; print "$n ", IO::AIO::nthreads, " "; release $gate; drain; print $n'),
      "exit 0: 0 1 51", "one thread: the others wait for it, nothing is lost";
   is limited (\@one, 'become_nobody; my $n = 0; aio_stat "/", sub { $n++; aio_nop sub { $n++ } } for 1 .. 500; IO::AIO::flush; print "$n ", IO::AIO::nthreads'),
      "exit 0: 1000 1", "one thread: serves 1000";
   is limited (\@one, <<'PROGRAM'), "exit 0: 20 served", "one thread: ended and started again and again";
become_nobody;
IO::AIO::max_idle 0;
IO::AIO::idle_timeout 0;
my $n = 0;
for (1 .. 20) {
   aio_nop sub { $n++ };
   drain;
   until_true { IO::AIO::nthreads () == 0 } "worker stays";
}
print "$n served";
PROGRAM
}

# The one worker waits for what a second one would do, as soon as there can be one.
SKIP: {
   my @limit = ("--nproc=4");
   my $program = <<'PROGRAM';
become_nobody;
$SIG{CHLD} = "IGNORE";
pipe my $r, my $w or die;
pipe my $gate, my $key or die;
my ($data, $octet, $read) = ("", "x");
aio_read $r, undef, 1, $data, 0, sub { $read = $_[0] };
executing 1;
for (1 .. 2) {
   next if fork // die "fork: $!";
   close $key;
   sysread $gate, my $end, 1;
   select undef, undef, undef, 0.3;
   POSIX::_exit (0);
}
aio_write $w, undef, 1, $octet, 0;
print IO::AIO::nthreads, " worker";
close $key;
$SIG{ALRM} = sub { print ", hangs"; POSIX::_exit (0) };
alarm patience / 2;
IO::AIO::flush;
print ", read $read";
PROGRAM
   limited (\@limit, $program) =~ /^exit 0: 2 worker/ and skip "this system starts threads under a limit", 1;
   is limited (\@limit, $program), "exit 0: 1 worker, read 1", "a wait tries to start a worker again though there is one";
}

# ---- no descriptor ---------------------------------------------------------

my @files = ("--nofile=64");

for my $used (0, 1) {
   my $how = $used ? "a module in use" : "a module not yet used";
   my $use = $used ? "IO::AIO::poll_fileno; aio_nop; drain;" : "";
   is limited (\@files, "$use take_descriptors;" . <<'PROGRAM'), "exit 0: served, later served", "no descriptor, $how: an error or service, and later service";
my $n = 0;
my $served = eval { aio_nop sub { $n++ } for 1 .. 20; IO::AIO::flush; 1 };
print $served && $n == 20 ? "served" : !$served && $@ ? "served" : "neither";
@taken = ();
$n = 0;
aio_nop sub { $n++ } for 1 .. 20;
drain;
readable () and die "still readable";
print $n >= 20 ? ", later served" : ", later $n";
PROGRAM

   for my $reinit ("", "IO::AIO::reinit;") {
      is limited (\@files, "$use take_descriptors; sub again { $reinit }" . <<'PROGRAM'),
my $n = 0;
aio_nop sub { $n++ };
my $fd = eval { IO::AIO::poll_fileno } // -1;
for my $inner (0, 1) {
   my $pid = fork // die "fork: $!";
   if (!$pid) {
      again;
      if ($inner) {
         my $pid = fork // die "fork: $!";
         if ($pid) { waitpid $pid, 0; POSIX::_exit ($? && 1) }
         again;
      }
      my $m = 0;
      aio_nop sub { $m++ };
      if ($fd >= 0) {
         readable patience or POSIX::_exit (2);
         IO::AIO::poll_fileno == $fd or POSIX::_exit (3);
      }
      IO::AIO::flush;
      readable () and POSIX::_exit (4);
      POSIX::_exit ($m == 1 ? 0 : 5);
   }
   waitpid $pid, 0;
   print $? ? "child $?, " : "child lives, ";
}
IO::AIO::flush;
print "parent $n";
PROGRAM
         "exit 0: child lives, child lives, parent 1", "no descriptor, $how: forks" . ($reinit ? " with reinit" : "");
   }
}

{
   my $dir = scratch . "/tree";
   mkdir $dir;
   mkdir "$dir/sub";
   spew "$dir/sub/file", "content";
   # The status of an rmtree is that of its last rmdir.
   my $got = limited \@files, 'my ($dir) = @ARGV; IO::AIO::poll_fileno; take_descriptors;' . <<'PROGRAM', $dir;
my $log = sub { my $name = shift; sub { printf "%s %s %s\n", $name, (defined $_[0] ? $_[0] : "undef"), $!{EMFILE} ? "EMFILE" : $!{ENOTEMPTY} ? "ENOTEMPTY" : $! + 0 } };
my ($data, $slurp);
aioreq_pri (4); aio_open "$dir/sub/file", IO::AIO::O_RDONLY, 0, $log->("open");
aioreq_pri (4); aio_load "$dir/sub/file", $data, $log->("load");
aioreq_pri (4); aio_slurp "$dir/sub/file", 0, 0, $slurp, $log->("slurp");
aioreq_pri (4); aio_scandir $dir, 0, $log->("scandir");
aioreq_pri (4); aio_readdir $dir, $log->("readdir");
aioreq_pri (4); aio_wd $dir, $log->("wd");
aioreq_pri (4); aio_copy "$dir/sub/file", "$dir/copy", $log->("copy");
aioreq_pri (4); aio_pathsync $dir, $log->("pathsync");
aioreq_pri (4); aio_rmtree $dir, $log->("rmtree");
drain;
aio_stat "$dir/sub/file", $log->("stat");
drain;
@taken = ();
aio_load "$dir/sub/file", $data, $log->("load");
drain;
PROGRAM
   is join ("\n", sort split /\n/, $got), join ("\n", sort split /\n/, <<'EXPECT'), "no descriptor: requests that need one fail with EMFILE, others work; later all do";
exit 0: open undef EMFILE
load -1 EMFILE
slurp -1 EMFILE
scandir undef EMFILE
readdir undef EMFILE
wd undef EMFILE
copy -1 EMFILE
pathsync -1 EMFILE
rmtree -1 ENOTEMPTY
stat 0 0
load 7 0
EXPECT
   ok !-e "$dir/copy", "a copy that could not begin leaves nothing";
   is slurp ("$dir/sub/file"), "content", "a tree that could not be read is left alone";
}

{
   # Descriptors run out at every point of a composite, one after the other.
   my $dir = scratch . "/points";
   mkdir $dir;
   spew "$dir/source", "x" x 10_000;
   my %seen;
   for my $free (0 .. 4 + 4 * $stress) {
      my $got = limited \@files, 'my ($dir, $free) = @ARGV; IO::AIO::poll_fileno; take_descriptors; splice @taken, 0, $free;' . <<'PROGRAM', $dir, $free;
my ($copied, $removed, $scanned);
aio_copy "$dir/source", "$dir/target", sub { $copied = $_[0] < 0 ? $!{EMFILE} ? "none" : "error $!" : "copied" };
drain;
mkdir "$dir/tree";
mkdir "$dir/tree/$_" for 1 .. 3;
mkdir "$dir/tree/1/1";
aio_scandir "$dir/tree", 0, sub { $scanned = $_[0] ? scalar @{ $_[0] } : $!{EMFILE} ? "none" : "error $!" };
drain;
aio_rmtree "$dir/tree", sub { $removed = $_[0] < 0 ? $!{EMFILE} || $!{ENOTEMPTY} ? "none" : "error $!" : -e "$dir/tree" ? "left" : "removed" };
drain;
push @taken, undef;
my $before = open_fds_left ();
print "$copied $scanned $removed ", -e "$dir/target" ? -s _ : "no", " target";
sub open_fds_left { my $n = 0; while (open my $fh, "<", "/dev/null") { push @taken, $fh; $n++ } $n }
print $before == $free ? "" : " leaks: $before of $free";
PROGRAM
      $seen{$got}++;
      unlink "$dir/target";
      system "rm", "-rf", "$dir/tree";
   }
   my @bad = grep !/^exit 0: (?:none none none no target|(?:none|copied) (?:none|3) (?:none|removed) (?:no|10000) target)\z/, sort keys %seen;
   is_deeply \@bad, [], "descriptors that run out in the middle of a composite: an error, and nothing is left open";
   cmp_ok $seen{"exit 0: copied 3 removed 10000 target"} || 0, ">", 0, "with enough of them all is done";
}

# ---- memory ----------------------------------------------------------------

SKIP: {
   -r "/proc/self/status" or skip "no /proc/self/status to see how much memory a program has", 1;
   my $size = limited ["--core=0"], 'my ($kb) = slurp ("/proc/self/status") =~ /VmSize:\s*(\d+)/; print $kb * 1024';
   my ($base) = $size =~ /^exit 0: (\d+)\z/ or die "no size: $size";

   my $mb = 1 << 20;
   # exit 1 with perl's message is how perl ends when it finds no memory itself.
   my $in_order = qr/^exit 0: served\z|^exit 1: .*Out of memory/s;

   my %bad;
   my $rounds = 0;
   for (my $more = 0.5; $more < 130; $more *= $stress > 1 ? 1.1 : 1.5) {
      my $got = limited ["--as=" . int ($base + $more * $mb)], <<'PROGRAM';
IO::AIO::min_parallel 20;
my $n = 0;
aio_stat "/", sub { $n++ } for 1 .. 300;
my $served = eval { IO::AIO::flush; 1 };
print $served && $n == 300 ? "served" : "n $n $@";
PROGRAM
      $rounds++;
      $bad{"$more MB: $got"}++ if $got !~ $in_order;
   }
   is_deeply [sort keys %bad], [], "20 workers in $rounds sizes of memory from 0.5 to 130 MB: service or perl's own error";

   my $some = ["--as=" . ($base + 80 * $mb)];
   is limited ($some, <<'PROGRAM'), "exit 0: " . ("no " x 7) . "served", "lengths that no memory is enough for are errors";
open my $zero, "<", "/dev/zero" or die;
for my $length (1 << 30, 1 << 34, 1 << 40, 1 << 62, ~0, 9e30, 1e300) {
   my $buffer = "";
   my $result;
   my $ok = eval { aio_read $zero, 0, $length, $buffer, 0, sub { $result = $_[0] }; drain; 1 };
   print !$ok || $result < 0 ? "no " : "read $result ";
}
aio_nop sub { print "served" };
drain;
PROGRAM

   {
      my $sparse = scratch . "/sparse";
      open my $fh, ">", $sparse or die;
      truncate $fh, 1 << 33 or die "truncate: $!";
      close $fh;
      is limited ($some, <<'PROGRAM', $sparse), "exit 0: -1 ENOMEM, -1 ENOMEM, undef ENOMEM, served", "a file that is larger than memory can be neither loaded nor mapped";
my ($file) = @ARGV;
aio_load $file, my $data, sub { print "$_[0] ", $!{ENOMEM} ? "ENOMEM, " : "$!, " };
drain;
aio_slurp $file, 0, 0, my $slurp, sub { print "$_[0] ", $!{ENOMEM} ? "ENOMEM, " : "$!, " };
drain;
open my $fh, "<", $file or die;
my $map;
print IO::AIO::mmap ($map, 1 << 33, IO::AIO::PROT_READ, IO::AIO::MAP_SHARED, $fh) ? "mapped " : "undef ", $!{ENOMEM} ? "ENOMEM, " : "$!, ";
aio_nop sub { print "served" };
drain;
PROGRAM
      unlink $sparse;
   }

   # Requests without end: perl's own message, or an exception.
   my %endless = (
      "requests"                => 'IO::AIO::max_parallel 0; while (1) { aio_nop $sub }',
      "requests with paths"     => 'IO::AIO::max_parallel 0; while (1) { aio_stat $path, $sub }',
      "results"                 => 'while (1) { aio_stat $path, $sub }',
      "groups"                  => 'while (1) { aio_group $sub }',
      "members"                 => 'my $group = aio_group; while (1) { $group->add (aio_group) }',
      "results of groups"       => 'my @group; while (1) { push @group, my $group = aio_group; $group->result (1 .. 1000) }',
      "reads"                   => 'open my $zero, "<", "/dev/zero"; my @b; while (1) { push @b, ""; aio_read $zero, 0, 1_000_000, $b[-1], 0, $sub }',
   );
   for my $what (sort keys %endless) {
      my $got = limited ["--as=" . ($base + 40 * $mb)], 'my $sub = sub { }; my $path = "x" x 3000;' . <<PROGRAM . 'print "exception: $@"; POSIX::_exit (3);';
eval { $endless{$what} };
PROGRAM
      like $got, qr/^exit 1: .*Out of memory|^exit 3: exception: /s, "endless $what: perl's error or an exception";
   }
}

diag join ", ", (map "$outcome{$_} programs: $_", sort keys %outcome);
done_testing;
