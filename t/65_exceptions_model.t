# Random programs of groups, feeders, cancelling, exceptions and polls inside
# callbacks agree with a model of the contract; see AIOModel. A few thousand
# steps here, with seeds that differ from run to run: AIO_SEED repeats one.
use strict;
use warnings;
use lib "t/lib";
use AIOModel;
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $seed = $ENV{AIO_SEED} || time % 1_000_000;
note "seed $seed";

for my $part (1 .. 10) {
   my ($difference, $events, $calls) = AIOModel::differs ($seed * 1009 + $part, 250);
   is $difference, "", "part $part, $calls callbacks among $events events" or diag "AIO_SEED=$seed repeats it";
}
cmp_ok $AIOModel::seen{$_} || 0, ">", 0, "the programs saw: $_"
   for "add", "add refused", "cancel", "cancel_subs", "feeder", "limit", "poll", "poll inside", "poll with exception";

done_testing;
