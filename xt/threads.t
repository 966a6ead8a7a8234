# Perl threads, many times over: a cloned interpreter gets a clear error from
# every entry, its copies of objects are inert, the original loses nothing, and
# neither a join nor an exit frees anything twice.
#
# AIO_STRESS multiplies the rounds.
use strict;
use warnings;
use Config;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

$Config{useithreads}
   or plan skip_all => "this perl is built without threads";

my $stress = $ENV{AIO_STRESS} || 1;
my %figure;

# Each case is a program of its own; a crash at its very end counts, too.
# "Attempt to free" and the like would be in the output.
sub shows {
   my ($name, $expect, $program, @args) = @_;
   alarm 9 * patience;
   my ($status, $output) = run_perl <<'PRELUDE' . $program, $stress, @args;
use threads;
my ($stress, @args) = @ARGV;
my $file = spew (scratch . "/file", "content" x 1000);
our ($next, %called) = (0);
open our $handle, "<", $file or die;
sub submit {
   my $id = ++$next;
   my $kind = int rand 6;
   my $done = sub { $called{$id}++ };
   if    ($kind == 0) { aio_nop $done }
   elsif ($kind == 1) { aio_stat $file, $done }
   elsif ($kind == 2) { my $b = ""; aio_read $handle, 0, 7000, $b, 0, sub { $done->() if length $b == 7000 } }
   elsif ($kind == 3) { my $group = aio_group $done; $group->add (aio_nop, aio_stat $file); $group }
   elsif ($kind == 4) { my $left = 2; my $group = aio_group $done; $group->feed (sub { $_[0]->add (aio_nop) if $left-- > 0 }); $group }
   else               { IO::AIO::aio_busy rand 0.001, $done }
}
sub each_once {
   my @bad = grep +($called{$_} || 0) != 1, 1 .. $next;
   @bad ? scalar (@bad) . " of $next not delivered once" : "each delivered once"
}
PRELUDE
   $figure{$1} += $2 while $output =~ s/^# (\w+) (\d+)\n//m;
   chomp $output;
   is "$status: $output", "exit 0: $expect", $name;
}

# ---- every entry -----------------------------------------------------------

# Each name of the package that is a function, called with arguments that would
# do in the original. What is done in no interpreter's name may work.
shows "every entry gives a clear error or does nothing in a cloned thread", "no crash, nothing happened, works", <<'PROGRAM';
aio_nop; drain;
# aio_block is no request: it calls its block.
my @name = grep $_ ne "aio_block" && /^(?:aio_|poll|flush|reinit|nreqs|nready|npending|nthreads|max_|min_|idle_|_on)/, sort keys %IO::AIO::;
@name = grep defined &{"IO::AIO::$_"}, @name;
my ($gate) = park 1;
my $before = join "/", IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending;
my $dir = scratch;
my $result = threads->create (sub {
   my ($clear, @other) = (0);
   for my $name (@name) {
      next if $name eq "min_fdlimit";
      my $code = \&{"IO::AIO::$name"};
      for my $args ([], ["$dir/new"], ["$dir/new", 0777], ["$dir/new", 0777, sub { }], [0, 0, 1, my $x = "", 0], [sub { }], [0]) {
         local $SIG{__WARN__} = sub { };
         if (eval { &$code (@$args); 1 }) { push @other, $name if $name =~ /^aio_|^poll|^flush/ && $name !~ /^aioreq|^poll_fileno/ }
         elsif ($@ =~ /thread|interpreter/i) { $clear++ }
         elsif ($@ !~ /^Usage|^Not enough|^Too many/) { push @other, "$name: $@" }
      }
   }
   join ",", $clear > 50 ? () : "clear $clear", @other
})->join;
my $after = join "/", IO::AIO::nreqs, IO::AIO::nready, IO::AIO::npending;
print $result eq "" ? "no crash, " : "other: $result, ";
print $before eq $after && !-e "$dir/new" ? "nothing happened, " : "$before, then $after, ";
release $gate;
IO::AIO::min_parallel 4;
aio_nop sub { print "works" };
drain;
PROGRAM

# ---- objects ---------------------------------------------------------------

shows "threads that come and go amid requests, with copies of all objects", "each delivered once", <<'PROGRAM';
my $made = 0;
for my $round (1 .. 40 * $stress) {
   my @req = map scalar submit (), 1 .. 20;
   my $wd;
   aio_wd "/", sub { $wd = $_[0] };
   my $thread = threads->create (sub {
      for (@req) {
         eval { $_->cancel };
         eval { $_->cb (sub { die }) };
         next if !$_->isa ("IO::AIO::GRP");
         eval { $_->cancel_subs };
         eval { $_->result (1) };
         eval { $_->add ($req[0]) };
         eval { $_->feed (sub { die }) };
         eval { $_->limit (100) };
      }
      eval { IO::AIO::poll_cb () };
      eval { IO::AIO::reinit () };
      @req = () if $round % 2;
      1
   });
   $made++;
   IO::AIO::poll_cb;
   # The copies outlive the originals, or the other way round.
   @req = () if $round % 3 == 0;
   undef $wd if $round % 5 == 0;
   drain if $round % 4 == 0;
   $thread->join;
}
drain;
print each_once, "\n# threads $made\n# requests $next\n";
PROGRAM

shows "several threads at once, and threads made by threads", "each delivered once", <<'PROGRAM';
my $made = 0;
for my $round (1 .. 8 * $stress) {
   my @req = map scalar submit (), 1 .. 50;
   my @thread = map threads->create (sub {
      my $inner = threads->create (sub { eval { $_->cancel } for @req; @req = (); 1 });
      eval { $_->cancel } for @req;
      $inner->join
   }), 1 .. 4;
   $made += 8;
   IO::AIO::poll_cb until IO::AIO::nreqs < 10;
   $_->join for @thread;
}
drain;
print each_once, "\n# threads $made\n# requests $next\n";
PROGRAM

shows "buffers that are read into are cloned", "all read", <<'PROGRAM';
my $read = 0;
for my $round (1 .. 20 * $stress) {
   my @buffer = ("old") x 10;
   pipe my $r, my $w or die;
   aio_read $r, undef, 4, $buffer[$_], 0, sub { } for 0 .. 9;
   executing 8;
   my $seen = threads->create (sub { my $n = length join "", @buffer; for (@buffer) { eval { $_ = "changed" }; undef $_ for my $copy = $_ } $n })->join;
   syswrite $w, "data" x 10;
   drain;
   $read += grep $_ eq "data", @buffer;
   $_ = "free" for @buffer;
}
print $read == 200 * $stress ? "all read" : "$read read";
PROGRAM

shows "directory objects keep their descriptor through any number of copies", "same descriptors, works", <<'PROGRAM';
my $wd;
aio_wd "/", sub { $wd = $_[0] };
drain;
threads->create (sub { 1 })->join;
my $before = open_fds;
for (1 .. 30 * $stress) { threads->create (sub { my $pair = [$wd, "tmp"]; eval { aio_stat ($pair, sub { }) }; undef $wd; 1 })->join }
drain;
print open_fds == $before ? "same descriptors, " : "leak, ";
aio_stat [$wd, "tmp/.."], sub { print $_[0] ? "fails" : "works" };
drain;
PROGRAM

# ---- ends ------------------------------------------------------------------

my %end = (
   "a thread that is still running"       => 'threads->create (sub { select undef, undef, undef, 5 })->detach;',
   "a thread that has ended, not joined"  => 'my $t = threads->create (sub { 1 }); until_true { !$t->is_running }; $t->detach;',
   "a thread that dies"                   => 'my $t = do { no warnings "threads"; threads->create (sub { no warnings "threads"; die "dead" }) }; $t->join;',
   "a joined thread with copies"          => 'threads->create (sub { my @copy = @req; @req })->join;',
   "a thread that returns objects"        => 'my @got = threads->create ({ context => "list" }, sub { @req })->join; eval { $_->cancel } for @got;',
   "a thread that forks"                  => 'threads->create (sub { my $pid = fork; if (!$pid) { eval { aio_nop () }; POSIX::_exit (0) } waitpid $pid, 0; $? })->join and print "child $? ";',
   "a fork after threads"                 => 'threads->create (sub { 1 })->join; my $pid = fork; if (!$pid) { my $n = 0; aio_nop sub { $n++ }; IO::AIO::flush; POSIX::_exit ($n == 1 ? 0 : 1) } waitpid $pid, 0; print "child $? " if $?;',
);
for my $case (sort keys %end) {
   for my $flushed (0, 1) {
      my $program = 'our @req = map scalar submit (), 1 .. 30; aio_wd "/", sub { push @req, $_[0] };' . ($flushed ? "IO::AIO::flush;" : "") . $end{$case} . ' END { IO::AIO::flush (); print each_once () }';
      shows "the end after $case, " . ($flushed ? "nothing outstanding" : "requests outstanding"), "each delivered once", $program for 1 .. 3 * $stress;
   }
}

shows "exit in a thread ends the program in order", "main", <<'PROGRAM';
my @gate = park 2;
my $req = aio_nop;
$| = 1;
print "main";
release @gate;
IO::AIO::flush;
# Only the thread's exit ends the program; perl warns of the thread itself.
close STDERR;
threads->create (sub { exit 0 })->join;
PROGRAM

{
   # Not the prelude: the main program must not load the module.
   my $script = spew (scratch . "/late.pl", <<'PROGRAM');
use strict; use warnings; use threads;
$| = 1;
print threads->create (sub {
   require IO::AIO;
   my $n = 0;
   IO::AIO::aio_stat ("/", sub { $n++ }) for 1 .. 20;
   IO::AIO::flush ();
   $n
})->join, " ";
require IO::AIO;
print eval { my $n = 0; IO::AIO::aio_nop (sub { $n++ }); IO::AIO::flush (); $n } // ($@ =~ /thread|interpreter/i ? "refused" : $@);
PROGRAM
   my ($status, $output) = run_perl 'exec $^X, (map "-I$_", grep !ref, @INC), @ARGV', $script;
   like "$status: $output", qr/^exit 0: 20 (?:1|refused)\z/, "the module loaded in a thread works there; later the main thread may use it or is refused";
}

diag join ", ", map "$_: $figure{$_}", sort keys %figure;
done_testing;
