# st_atime and its relatives read perl's stat cache, whoever filled it.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $dir = scratch;
spew "$dir/f", "x";
utime 1_000_000_000, 1_100_000_000, "$dir/f";
spew "$dir/g", "xy";
aio_utime "$dir/g", 1000.5, 2000.25, sub { };
drain;

stat "$dir/f" or die;
is IO::AIO::st_atime, 1_000_000_000, "access time, after perl's stat";
is IO::AIO::st_mtime, 1_100_000_000, "modification time";
cmp_ok abs (IO::AIO::st_ctime - (stat _)[10]), "<=", 1, "change time";
is IO::AIO::st_atimensec, 0, "nanoseconds";
is IO::AIO::st_mtimensec, 0, "nanoseconds";
like IO::AIO::st_ctimensec, qr/^\d{1,9}\z/, "nanoseconds";

{
   my @time = IO::AIO::st_xtime;
   my @nsec = IO::AIO::st_xtimensec;
   is @time, 4, "four times";
   is "@time[0, 1]", "1000000000 1100000000", "access, modification";
   is $time[2], IO::AIO::st_ctime, "change";
   is $time[3], IO::AIO::st_btime, "birth";
   is @nsec, 4, "four nanosecond parts";
   is $nsec[2], IO::AIO::st_ctimensec, "the same as alone";
}

SKIP: {
   $^O eq "linux" or skip "only Linux has no birth time in struct stat", 1;
   is join (" ", IO::AIO::st_btime, IO::AIO::st_btimesec, IO::AIO::st_btimensec, IO::AIO::st_gen), "0 0 0 0", "birth time and generation are 0";
}

{
   my @seen;
   aio_stat "$dir/g", sub { @seen = ($_[0], IO::AIO::st_atime, IO::AIO::st_mtime, IO::AIO::st_atimensec, IO::AIO::st_mtimensec, -s _) };
   drain;
   is "@seen", "0 1000.5 2000.25 500000000 250000000 2", "in the callback of aio_stat, with fractions";
   is IO::AIO::st_mtime, 2000.25, "and after it";
}

lstat "$dir/f";
is IO::AIO::st_mtime, 1_100_000_000, "after lstat";
ok -e "$dir/g", "a file test";
is IO::AIO::st_mtime, 2000.25, "fills the cache as well";
aio_lstat "$dir/f", sub { is IO::AIO::st_mtime, 1_100_000_000, "aio_lstat" };
drain;
open my $fh, "<", "$dir/g" or die;
aio_stat $fh, sub { is IO::AIO::st_mtime, 2000.25, "aio_stat of a handle" };
drain;
stat "$dir/f";
stat $fh;
is IO::AIO::st_mtime, 2000.25, "stat of a handle";
is join (" ", map { stat "$dir/$_"; IO::AIO::st_mtime } qw(f g f)), "1100000000 2000.25 1100000000", "in turn";

aio_utime "$dir/f", 3.75, 4.125, sub { };
drain;
stat "$dir/f";
is join (" ", IO::AIO::st_atime, IO::AIO::st_mtime, IO::AIO::st_atimensec, IO::AIO::st_mtimensec), "3.75 4.125 750000000 125000000", "times set by aio_utime";

{
   # Without callback, or cancelled, the cache is left alone.
   stat "$dir/g";
   aio_stat "$dir/f";
   (aio_stat "$dir/f", sub { })->cancel;
   drain;
   is IO::AIO::st_mtime, 2000.25, "a request without callback, or cancelled, leaves the cache alone";
}

{
   my @seen;
   my @name = map +(qw(f g))[$_ % 2], 1 .. 200;
   for my $name (@name) {
      aio_stat "$dir/$name", sub { push @seen, $name if IO::AIO::st_mtime != ($name eq "f" ? 4.125 : 2000.25) };
   }
   drain;
   is_deeply \@seen, [], "each of 200 callbacks finds its own result";
}

done_testing;
