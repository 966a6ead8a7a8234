# t/ under a perl built with -DDEBUGGING, Debian's debugperl, whose assertions
# find what a usual perl overlooks. The module is built for it with the same
# definition, so that the macros of perl.h look after themselves in our C file.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest ();
use File::Spec ();
use Test::More;
use Trust qw(build_for passes_t);

-e "Makefile.PL" or BAIL_OUT "run this from the top of the distribution";
my ($perl) = grep -x, map "$_/debugperl", File::Spec->path;
defined $perl or plan skip_all => "there is no debugperl; on Debian it is in perl-debug";
alarm 900;

my $dir = eval { build_for ($perl, "debugperl", 400, "OPTIMIZE=-g -O1 -DDEBUGGING") };
ok $dir, "it builds for debugperl" or BAIL_OUT $@;
my $output = passes_t $perl, "debugperl, with perl's assertions", $dir, 400;
unlike $output, qr/Assertion|panic:|unreferenced scalar/, "... and no assertion fails";

done_testing;
