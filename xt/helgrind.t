# The engine's tests of its life and of the order of results under helgrind.
#
# It follows the C library's locks, so the engine is built with those
# (`--cfg helgrind`, pthread.rs) and without its hand-over past the queues. What is
# left are locks, queues and wake-ups as they are. Atomics it takes for races:
# xt/helgrind.supp names each kind that is left out, with the reason; their orderings
# are tried by loom (tests/loom.rs) and xt/tsan.t.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest;
use Cwd ();
use File::Spec ();
use Test::More;
use Time::HiRes "time";
use Trust qw(figure bounded valgrind_command);

my $home = Cwd::getcwd ();
-e "crates/aio-engine/Cargo.toml" or BAIL_OUT "run this from the top of the distribution";
alarm 900;

my @helgrind = valgrind_command (
   "--tool=helgrind", "--history-level=none", "--num-callers=14", "--error-exitcode=66",
   "--suppressions=$home/xt/helgrind.supp",
) or plan skip_all => "valgrind is not installed";

my $target = File::Spec->rel2abs (($ENV{CARGO_TARGET_DIR} || "target") . "/helgrind");
my @test   = qw(life order);
my %binary;
{
   local $ENV{CARGO_TARGET_DIR} = $target;
   local $ENV{RUSTFLAGS} = "--cfg helgrind";
   my ($end, $output) = bounded 600, "cargo", "test", "--locked", "-p", "aio-engine", "--no-run", map "--test=$_", @test;
   is $end, "exit 0", "the tests build" or diag $output;
   %binary = $output =~ m{tests/(\w+)\.rs \((\S+)\)}g;
}

my ($start, $passed, $left_out) = (time, 0, 0);
chdir "crates/aio-engine" or die "crates/aio-engine: $!";
for my $test (@test) {
   ok $binary{$test}, "$test: has been built" or next;
   # One at a time: the harness has no threads of its own then.
   my ($end, $output) = bounded 400, @helgrind, File::Spec->rel2abs ($binary{$test}, $home), "--test-threads=1";
   is $end, "exit 0", "$test: passes, without a race" or diag substr $output, 0, 6000;
   my ($errors, $suppressed) = $output =~ /^==\d+== ERROR SUMMARY: (\d+) errors.*suppressed: (\d+)/m;
   is $errors, 0, "... says helgrind";
   $left_out += $suppressed // 0;
   my ($n) = $output =~ /^test result: ok\. (\d+) passed/m;
   cmp_ok $n // 0, ">", 0, "... and it ran";
   $passed += $n // 0;
}
figure sprintf "helgrind: %d tests of the engine in %.0f s", $passed, time - $start;

done_testing;
