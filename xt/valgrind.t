# t/ under memcheck: no error, and nothing of ours definitely lost.
#
# A usual run takes the files that exercise data, results, objects and exceptions
# most; AIO_XT_SLOW=1 takes all of t/, but those that cannot run here, which are
# named with the reason.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch slurp);
use Config;
use Cwd ();
use IO::AIO;
use POSIX ();
use Test::More;
use Time::HiRes "time";
use Trust qw(slow figure bounded perl_command valgrind_command valgrind_says);

my $home = Cwd::getcwd ();
-e "t/00_load.t" or BAIL_OUT "run this from the top of the distribution";

my @valgrind = valgrind_command (
   "-q", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
   # Children of the tests are perls of their own, and some of them end by signals on purpose;
   # forked ones that go on by _exit still have the parent's memory.
   "--child-silent-after-fork=yes", "--trace-children=no",
) or plan skip_all => "valgrind is not installed";

my %not = (
   "t/01_manifest.t"   => "runs no request",
   "t/34_signals.t"    => "looks at how promptly handlers run, and valgrind runs one thread at a time",
   "t/51_workers.t"    => "counts threads and the time they take",
   "t/62_threads.t"    => "an interpreter cloned under PERL_DESTRUCT_LEVEL is perl's own noise",
   "t/95_examples.t"   => "runs other programs",
   "t/96_pod_examples.t" => "runs other programs",
);
my @usual = qw(
   t/13_open_close.t t/18_wd.t t/20_read.t t/21_write.t t/22_buffers.t t/28_fcntl_ioctl.t t/35_exceptions.t
   t/40_requests.t t/44_feeders.t t/71_mmap.t t/81_load_slurp.t
);
my @files = slow ? grep (!$not{$_}, sort glob "t/*.t") : grep -e, @usual;
if (slow) { diag "left out: $_: $not{$_}" for grep -e, sort keys %not }

# Deadlines in the tests are for a machine of its own speed.
$ENV{AIO_TEST_PATIENCE} = 10;
# With its own sub-allocator perl would hide what is lost.
$ENV{PERL_DESTRUCT_LEVEL} = 2;
alarm 1200 + 4000 * slow;

my $start = time;
my (%result, %running);

# Two at a time.
sub start_file {
   my ($file) = @_;
   (my $name = $file) =~ s{\W}{_}g;
   my $out = scratch . "/$name";
   defined (my $pid = fork) or die "fork: $!";
   if (!$pid) {
      setpgrp 0, 0;
      alarm 900;      # kept across exec
      open STDIN,  "<", "/dev/null" or POSIX::_exit (254);
      open STDOUT, ">", "$out.tap"  or POSIX::_exit (254);
      open STDERR, ">", "$out.err"  or POSIX::_exit (254);
      exec @valgrind, "--log-file=$out.log", perl_command ($file) or POSIX::_exit (254);
   }
   $running{$pid} = [$file, $out];
}

my @todo = @files;
while (@todo || %running) {
   start_file (shift @todo) while @todo && keys %running < 2;
   my $pid = wait;
   my ($file, $out) = @{ delete $running{$pid} or next };
   my $said = valgrind_says (slurp ("$out.log"));
   is $said, "", "$file: memcheck has nothing to say";
   my $tap = slurp ("$out.tap");
   # Whether its tests pass is seen without valgrind; here, that it got to its end.
   my ($last) = $tap =~ /^1\.\.(\d+)/m;
   my $ran = () = $tap =~ /^(?:not )?ok /mg;
   ok defined $last && $last == $ran || $tap =~ /^1\.\.0 # SKIP/m, "... all the way" or diag slurp ("$out.err");
}
figure sprintf "valgrind: %d files of t/ in %.0f s", scalar @files, time - $start;

done_testing;
