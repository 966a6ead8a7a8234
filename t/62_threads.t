# Perl threads: the module belongs to the interpreter that loaded it. A cloned
# one gets a clear error and inert copies; the original is not harmed.
use strict;
use warnings;
use Config;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

$Config{useithreads}
   or plan skip_all => "this perl is built without threads";

# Each case is a program of its own; a crash at its very end counts, too.
sub threads_do {
   my ($name, $program, $expect) = @_;
   my ($status, $output) = run_perl "use threads;\n$program";
   is "$status: $output", "exit 0: $expect", $name;
}

# ---- the error -------------------------------------------------------------

my @entry = (
   "IO::AIO::aio_nop (sub { })", "IO::AIO::aio_stat ('/', sub { })", "IO::AIO::aio_group ()", "IO::AIO::poll_cb ()",
   "IO::AIO::poll ()", "IO::AIO::poll_wait ()", "IO::AIO::flush ()", "IO::AIO::aio_scandir ('/', 0)",
);
for my $entry (@entry) {
   threads_do "a clear error in a cloned thread: $entry", <<PROGRAM . <<'PROGRAM', "clear, callback";
sub entry { $entry }
PROGRAM
aio_nop; IO::AIO::flush;
print threads->create (sub { eval { entry (); 1 } ? "lives" : $@ =~ /thread|interpreter/i ? "clear" : "other: $@" })->join, ", ";
aio_nop sub { print "callback" };
IO::AIO::flush;
PROGRAM
}

# ---- requests --------------------------------------------------------------

threads_do "a request that is outstanding while a thread comes and goes", <<'PROGRAM', "1 callback, nreqs 0";
my $n = 0;
my ($gate) = park 1, sub { $n++ };
threads->create (sub { 1 })->join;
release $gate;
drain;
print "$n callback, nreqs ", IO::AIO::nreqs;
PROGRAM

threads_do "a pending one", <<'PROGRAM', "1 callback";
my $n = 0;
aio_nop sub { $n++ };
pending 1;
threads->create (sub { eval { IO::AIO::poll_cb () }; 1 })->join;
drain;
print "$n callback";
PROGRAM

threads_do "copies of request objects are inert: cancel", <<'PROGRAM', "callback group";
aioreq_pri (1);
my $req = aio_nop sub { print "callback " };
my $group = aio_group sub { print "group" };
add $group aio_nop;
pending 3;
threads->create (sub {
   eval { $req->cancel };
   eval { $group->cancel };
   eval { $group->cancel_subs };
   1
})->join;
IO::AIO::max_poll_reqs 0;
drain;
PROGRAM

threads_do "cb, result, add, feed", <<'PROGRAM', "callback group(right)";
aioreq_pri (1);
my $req = aio_nop sub { print "callback " };
my $group = aio_group sub { print "group(@_)" };
$group->result ("right");
my $member = aio_nop;
pending 3;
threads->create (sub {
   eval { $req->cb (sub { print "wrong" }) };
   eval { $group->result ("wrong") };
   eval { $group->add ($member) };
   eval { $group->limit (5) };
   eval { $group->feed (sub { print "wrong" }) };
   1
})->join;
drain;
PROGRAM

threads_do "copies that live longer than the original", <<'PROGRAM', "callback joined";
my $req = aio_nop sub { print "callback " };
pipe my $r, my $w or die;
my $thread = threads->create (sub { sysread $r, my $go, 1; eval { $req->cancel }; undef $req; 1 });
drain;
undef $req;
syswrite $w, "x";
$thread->join;
print "joined";
PROGRAM

threads_do "a buffer that is read into", <<'PROGRAM', "data, writable";
pipe my $r, my $w or die;
my $buffer = "old";
aio_read $r, undef, 4, $buffer, 0, sub { };
executing 1;
threads->create (sub { my $length = length $buffer; 1 })->join;
syswrite $w, "data";
drain;
print $buffer, ", ";
$buffer = "x";
print "writable";
PROGRAM

threads_do "its copy is the thread's own", <<'PROGRAM', "read-only, old!, data";
pipe my $r, my $w or die;
my $buffer = "old" . "." x 100;
aio_read $r, undef, 4, $buffer, 0, sub { };
executing 1;
print threads->create (sub { substr ($buffer, 3) = "!"; $buffer })->join ? "" : "nothing";
print Internals::SvREADONLY ($buffer) ? "read-only, " : "writable, ";
print threads->create (sub { substr ($buffer, 3) = "!"; $buffer })->join, ", ";
syswrite $w, "data";
drain;
print $buffer;
PROGRAM

# perl asks all packages before it clones, in an order that nobody knows.
threads_do "other packages cannot change it before the thread is made", join ("", map "sub Other${_}::CLONE_SKIP { main::change () } ", 1 .. 60) . <<'PROGRAM', "60 of 60 refused, in the thread: writable, data 4";
pipe my $r, my $w or die;
my ($buffer, $refused) = ("old" . "." x 5997, 0);
sub change { $refused++ if !eval { $buffer .= "y" x 100_000; 1 }; 0 }
aio_read $r, undef, 4, $buffer, 0, sub { };
executing 1;
my $thread = threads->create (sub { eval { $buffer .= "z"; 1 } ? "writable" : $@ });
print "$refused of 60 refused, in the thread: ", $thread->join, ", ";
my @fill = map "f" x (4000 + 8 * $_), 1 .. 400;
syswrite $w, "data";
drain;
print substr ($buffer, 0, 4), " ", length $buffer;
PROGRAM

# ---- directory objects, mapped memory --------------------------------------

threads_do "a directory object survives the end of its copy", <<'PROGRAM', "0 0";
my $wd;
aio_wd "/", sub { $wd = $_[0] };
drain;
threads->create (sub { undef $wd; 1 })->join for 1 .. 3;
print IO::AIO::nreqs;
aio_stat [$wd, "tmp/.."], sub { print " $_[0]" };
drain;
PROGRAM

threads_do "the copy of one is not closed twice", <<'PROGRAM', "same";
my $wd;
aio_wd "/", sub { $wd = $_[0] };
drain;
my $before = open_fds;
threads->create (sub { my $copy = $wd; 1 })->join for 1 .. 3;
drain;
print open_fds == $before ? "same" : "other";
PROGRAM

threads_do "mapped memory", <<'PROGRAM', "content content";
my $file = scratch . "/file";
open my $fh, "+>", $file or die;
syswrite $fh, "content" . "x" x 5000;
my $map;
IO::AIO::mmap $map, 4096, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_SHARED, $fh or die;
print threads->create (sub { my $seen = substr $map, 0, 7; eval { IO::AIO::munmap ($map) }; undef $map; $seen })->join, " ";
print substr $map, 0, 7;
PROGRAM

# ---- the end ---------------------------------------------------------------

threads_do "the end of a thread flushes nothing", <<'PROGRAM', "joined callback";
my ($gate) = park 1, sub { print "callback" };
threads->create (sub { 1 })->join;
print "joined ";
release $gate;
PROGRAM

threads_do "a program that ends with objects in a thread that was detached", <<'PROGRAM', "main";
my $req = aio_nop;
my $wd;
aio_wd "/", sub { $wd = $_[0] };
IO::AIO::flush;
pipe my $r, my $w or die;
threads->create (sub { syswrite $w, "x"; 1 })->detach;
sysread $r, my $go, 1;
until_true { !grep $_->is_running, threads->list } "thread still runs";
print "main";
PROGRAM

threads_do "many threads beside many requests", <<'PROGRAM', "500";
my $n = 0;
my @thread;
for (1 .. 5) {
   aio_stat "/", sub { $n++ } for 1 .. 100;
   push @thread, threads->create (sub { my $x = 0; $x += $_ for 1 .. 1000; $x });
   IO::AIO::poll_cb;
}
$_->join for @thread;
drain;
print $n;
PROGRAM

done_testing;
