# Coverage-guided fuzzing of the parser of directory records, with an address
# sanitizer: libFuzzer looks for octets that are read otherwise than a second
# reading of the format says, or that make it step outside of the buffer.
# crates/aio-engine/fuzz has the target; it wants a nightly compiler.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch);
use Cwd ();
use File::Spec ();
use Test::More;
use Trust qw(seed stress figure bounded cargo_nightly);

my $crate = File::Spec->rel2abs ("crates/aio-engine/fuzz");
-e "$crate/Cargo.toml" or BAIL_OUT "run this from the top of the distribution";
alarm 900 + 60 * stress;

my ($nightly, $why, $host) = cargo_nightly;
defined $nightly or plan skip_all => $why;

my $target = File::Spec->rel2abs (($ENV{CARGO_TARGET_DIR} || "target") . "/fuzz");
local $ENV{CARGO_TARGET_DIR} = $target;
# what `cargo fuzz build` passes
local $ENV{RUSTFLAGS} = join " ", "-Cpasses=sancov-module", "-Cllvm-args=-sanitizer-coverage-level=4",
   "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters", "-Cllvm-args=-sanitizer-coverage-pc-table",
   "-Cllvm-args=-sanitizer-coverage-trace-compares", "-Zsanitizer=address", "--cfg fuzzing", "-Ccodegen-units=1";
my ($end, $output) = bounded 600, @$nightly, "build", "--release", "--locked", "--target", $host, "--manifest-path", "$crate/Cargo.toml", "--bin", "dirent";
if ($end ne "exit 0" && $output =~ /failed to (?:download|get|fetch)|could not connect|offline/i) {
   plan skip_all => "libfuzzer-sys cannot be fetched here";
}
is $end, "exit 0", "the fuzz target builds" or diag $output;

my $seed = seed;
my $corpus = scratch . "/corpus";
mkdir $corpus or die $!;
($end, $output) = bounded 60 + 40 * stress, "$target/$host/release/dirent", "-seed=$seed", "-max_total_time=" . 15 * stress,
   "-max_len=4096", "-artifact_prefix=" . scratch . "/", $corpus;
is $end, "exit 0", "nothing is read otherwise, and nothing outside" or diag substr $output, -4000;
my ($runs) = $output =~ /^Done (\d+) runs/m;
my @cov = $output =~ /\bcov: (\d+)/g;
cmp_ok $runs // 0, ">", 1000, "... in many runs";
cmp_ok $cov[-1] // 0, ">", $cov[0] // 0, "... that found their way in";
figure sprintf "coverage-guided fuzzing of directory records: %d inputs, %d edges covered", $runs // 0, $cov[-1] // 0;

done_testing;
