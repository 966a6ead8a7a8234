# The engine's own tests under ThreadSanitizer, which knows the orderings of
# atomics (helgrind and DRD take every one for a race). The standard library is
# built with it, so that its locks are seen, too: that wants a nightly compiler
# with its rust-src component.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew);
use File::Spec ();
use Test::More;
use Time::HiRes "time";
use Trust qw(slow figure bounded cargo_nightly);

-e "crates/aio-engine/Cargo.toml" or BAIL_OUT "run this from the top of the distribution";
alarm 2400;

my ($nightly, $why, $host) = cargo_nightly "rust-src";
defined $nightly or plan skip_all => $why;

my $target = File::Spec->rel2abs (($ENV{CARGO_TARGET_DIR} || "target") . "/tsan");
# Building the standard library takes some minutes the first time.
-d $target || slow or plan skip_all => "the first build takes some minutes; AIO_XT_SLOW=1 makes it, in $target";

# Which tests, and what is left out of them.
my @test = (
   # The memory tests expect an address to be free that the sanitizer has for itself.
   ["--lib", "--skip", "ops::memory"],
   ["--test=life"],
   ["--test=order"],
   ["--test=idle"],
   # tests/fork.rs is not among them: the sanitizer cannot start threads in a forked child.
);

local $ENV{CARGO_TARGET_DIR} = $target;
local $ENV{RUSTFLAGS} = "-Zsanitizer=thread";
local $ENV{TSAN_OPTIONS} = "exitcode=66";
my @cargo = (@$nightly, "test", "-Zbuild-std", "--locked", "--target", $host, "-p", "aio-engine");
my ($end, $output) = bounded 1500, @cargo, "--no-run";
if ($end ne "exit 0" && $output =~ /failed to (?:download|get|fetch)|could not connect|offline/i) {
   plan skip_all => "what the standard library is built from cannot be fetched here";
}
is $end, "exit 0", "the tests build" or diag $output;

my ($start, $passed) = (time, 0);
for (@test) {
   my ($which, @arguments) = @$_;
   my ($end, $output) = bounded 300, @cargo, $which, "--", @arguments;
   is $end, "exit 0", "$which: passes" or diag substr $output, 0, 6000;
   unlike $output, qr/WARNING: ThreadSanitizer/, "... without a race";
   my ($n) = $output =~ /^test result: \S+ (\d+) passed/m;
   cmp_ok $n // 0, ">", 0, "... and it ran";
   $passed += $n // 0;
}
figure sprintf "ThreadSanitizer: %d tests of the engine in %.0f s", $passed, time - $start;

done_testing;
