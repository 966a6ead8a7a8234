# Contract: the manual, IO::AIO::stats and IO_AIO_TRACE.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOTest;
use IO::AIO;

IO::AIO::max_parallel 1;
my $before = IO::AIO::stats;
is ref $before, "HASH", "a hash";
isnt $before, IO::AIO::stats, "a new one each time";
is $before->{$_}, 0, "$_ begins with 0" for qw(submitted delivered cancelled executed worker_starts queue_time execution_time);
is_deeply $before->{ops}, { }, "no function has been called";

aio_stat "/" for 1 .. 3;
aio_nop;
IO::AIO::flush;
IO::AIO::aio_busy 0.05;
IO::AIO::flush;
my $group = aio_group;
IO::AIO::max_parallel 0;
my $never = aio_nop;
add $group $never;
$never->cancel;
IO::AIO::min_parallel 1;
IO::AIO::flush;

my $after = IO::AIO::stats;
is $after->{submitted}, 7, "all submissions are counted, groups too";
is $after->{delivered}, 7, "and all that were taken";
is $after->{cancelled}, 1, "the cancelled one";
is $after->{executed}, 5, "what a worker executed: no group, nothing cancelled";
is_deeply $after->{ops}, { aio_stat => 3, aio_nop => 2, aio_busy => 1, aio_group => 1 }, "by function";
cmp_ok $after->{execution_time}, ">=", 0.05, "the time of execution is in seconds";
cmp_ok $after->{execution_time_max}, ">=", 0.05, "and so is the longest";
cmp_ok $after->{execution_time_max}, "<=", $after->{execution_time}, "which is part of the sum";
cmp_ok $after->{queue_time}, ">", 0, "and the time in the queue";
cmp_ok $after->{worker_starts}, ">=", 1, "a worker was started";
is $before->{submitted}, 0, "a hash from before stays what it was";

{
   local $ENV{IO_AIO_TRACE} = 1;
   my $code = 'use IO::AIO; open STDERR, ">&", \*STDOUT; aio_stat "/"; aio_stat "/no/such/file"; IO::AIO::flush; aio_nop; IO::AIO::max_parallel 0; aio_nop->cancel; IO::AIO::min_parallel 1; IO::AIO::flush';
   my @inc = map "-I$_", @INC;
   open my $pipe, "-|", $^X, @inc, "-e", $code or die "$^X: $!";
   my @lines = <$pipe>;
   close $pipe;
   is @lines, 4, "one line for each request" or diag @lines;
   my $line = qr/^IO::AIO: aio_\w+ #\d+ pri 0 ready [\d.]+ us, executed [\d.]+ us, pending [\d.]+ us, /;
   is grep (/$line/, @lines), 4, "each with its times";
   is grep (/aio_stat.*result 0$/, @lines), 1, "a result";
   is grep (/aio_stat.*errno 2$/, @lines), 1, "an error";
   is grep (/aio_nop.*cancelled$/, @lines), 1, "a cancelled one";
}

done_testing;
