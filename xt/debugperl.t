# t/ under a perl built with -DDEBUGGING, Debian's debugperl, whose assertions
# find what a usual perl overlooks. The module is built for it with the same
# definition, so that the macros of perl.h look after themselves in our C file.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest ();
use Cwd ();
use File::Spec ();
use Test::More;
use Time::HiRes "time";
use Trust qw(figure bounded build_for);

-e "Makefile.PL" or BAIL_OUT "run this from the top of the distribution";
my ($perl) = grep -x, map "$_/debugperl", File::Spec->path;
defined $perl or plan skip_all => "there is no debugperl; on Debian it is in perl-debug";
alarm 900;

my $start = time;
my $dir = eval { build_for ($perl, "debugperl", 400, "OPTIMIZE=-g -O1 -DDEBUGGING") };
ok $dir, "it builds for debugperl" or BAIL_OUT $@;
chdir $dir or die "$dir: $!";
delete @ENV{qw(PERL5LIB PERL5OPT AIO_EXPECT), grep /^HARNESS_/, keys %ENV};
$ENV{AIO_TEST_PATIENCE} = 4;
# most of the time a test waits
$ENV{HARNESS_OPTIONS} = "j3";
my ($end, $output) = bounded 400, $perl, "-MExtUtils::Command::MM", "-e",
   'test_harness (0, "blib/lib", "blib/arch")', grep $_ ne "t/01_manifest.t", glob "t/*.t";
is $end, "exit 0", "its tests pass" or diag $output;
like $output, qr/^Files=[1-9]\d*, Tests=[1-9].*\nResult: PASS$/m, "... and there were some";
unlike $output, qr/Assertion|panic:|unreferenced scalar/, "... and no assertion fails";
my ($files, $tests) = $output =~ /^Files=(\d+), Tests=(\d+)/m;
figure sprintf "debugperl: %d files, %d tests of t/ with perl's assertions, in %.0f s", $files // 0, $tests // 0, time - $start;
chdir "/";

done_testing;
