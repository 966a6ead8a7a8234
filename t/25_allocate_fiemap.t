# Contract: aio_allocate and aio_fiemap.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF EINVAL ESPIPE ENODEV EFBIG EOPNOTSUPP ENOSYS EISDIR);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use Socket;

my $dir = scratch;
my $file = spew "$dir/file", "0123456789" x 1000;
open my $fh, "+<", $file or die;
open my $ro, "<", $file or die;
pipe my $r, my $w or die;
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, 0 or die;
my ($KEEP, $PUNCH) = (IO::AIO::FALLOC_FL_KEEP_SIZE (), IO::AIO::FALLOC_FL_PUNCH_HOLE ());

# ---- aio_allocate
SKIP: {
   my $r1 = run { aio_allocate $fh, 0, 0, 20000, $_[0] };
   is $r1->{argc}, 1, "aio_allocate passes its status";
   skip "fallocate is not supported on this file system: " . errno_name $r1->{errno}, 22
      if $r1->{args}[0] < 0 && grep { $r1->{errno} == $_ } EOPNOTSUPP, ENOSYS;
   is $r1->{args}[0], 0, "mode 0";
   is -s $file, 20000, "... extends the size";
   is substr (slurp ($file), 9990, 20), "0123456789" . "\0" x 10, "... with zeroes";
   works { aio_allocate $fh, 0, 100, 10, $_[0] } "mode 0 inside";
   is -s $file, 20000, "... leaves the size";
   SKIP: {
      $KEEP or skip "no FALLOC_FL_KEEP_SIZE here", 2;
      works { aio_allocate $fh, $KEEP, 0, 100_000, $_[0] } "FALLOC_FL_KEEP_SIZE";
      is -s $file, 20000, "... leaves the size";
   }
   SKIP: {
      my $r2 = $PUNCH ? run { aio_allocate $fh, $PUNCH | $KEEP, 0, 4096, $_[0] } : undef;
      skip "this file system cannot punch holes", 2 if !$r2 || $r2->{args}[0] < 0 && $r2->{errno} == EOPNOTSUPP;
      is $r2->{args}[0], 0, "FALLOC_FL_PUNCH_HOLE";
      is substr (slurp ($file), 4090, 10), "\0\0\0\0\0\0" . "6789", "... zeroes";
      fails { aio_allocate $fh, $PUNCH, 0, 4096, $_[0] } [EOPNOTSUPP, EINVAL], "... alone: EOPNOTSUPP";
   }
   fails { aio_allocate $fh, 0x4000, 0, 100, $_[0] } [EOPNOTSUPP, EINVAL], "an unknown mode: EOPNOTSUPP";
   fails { aio_allocate $fh, 0, 0, 0, $_[0] } EINVAL, "no length: EINVAL";
   fails { aio_allocate $fh, 0, 0, -1, $_[0] } EINVAL, "a negative length: EINVAL";
   fails { aio_allocate $fh, 0, -1, 10, $_[0] } EINVAL, "a negative offset: EINVAL";
   fails { aio_allocate $fh, 0, 2 ** 62, 2 ** 62, $_[0] } EFBIG, "too far: EFBIG";
   fails { aio_allocate $ro, 0, 0, 10, $_[0] } EBADF, "a read-only handle: EBADF";
   fails { aio_allocate 999, 0, 0, 10, $_[0] } EBADF, "a closed number: EBADF";
   fails { aio_allocate $w, 0, 0, 10, $_[0] } ESPIPE, "a pipe: ESPIPE";
   fails { aio_allocate $s1, 0, 0, 10, $_[0] } [ENODEV, ESPIPE], "a socket: ENODEV";
   is -s $file, 20000, "failures change nothing";
}

# ---- aio_fiemap
fails_empty { aio_fiemap 999, 0, undef, 0, undef, $_[0] } EBADF, "fiemap of a closed number: no arguments, EBADF";
SKIP: {
   # blocks with holes between them
   open my $frag, "+>", "$dir/frag" or die;
   for my $i (0 .. 19) { sysseek $frag, $i * 16384, SEEK_SET; syswrite $frag, "x" x 4096 }
   drain;
   works { aio_fsync $frag, $_[0] } "a file with holes";
   my $all = run { aio_fiemap $frag, 0, undef, IO::AIO::FIEMAP_FLAG_SYNC (), undef, $_[0] };
   skip "this file system does not tell extents: " . errno_name $all->{errno}, 20 unless $all->{argc};
   is $all->{argc}, 1, "aio_fiemap passes one argument";
   my $extents = $all->{args}[0];
   is ref $extents, "ARRAY", "... an array";
   is scalar (grep { ref eq "ARRAY" && @$_ == 4 } @$extents), scalar @$extents, "... of extents with four numbers";
   my $covered = grep { my $o = $_ * 16384; grep { $_->[0] <= $o && $o < $_->[0] + $_->[2] } @$extents } 0 .. 19;
   is $covered, 20, "... that cover the data";
   ok $extents->[-1][3] & IO::AIO::FIEMAP_EXTENT_LAST (), "... the last one says so";
   my $n = @$extents;
   passes { aio_fiemap $frag, 0, undef, 0, 0, $_[0] } $n, "count 0 gives their number";
   is_deeply +(run { aio_fiemap $frag, 0, undef, 0, -1, $_[0] })->{args}[0], $extents, "a negative count gives all";
   is_deeply +(run { aio_fiemap $frag, 0, undef, 0, 1000, $_[0] })->{args}[0], $extents, "a large count gives all";
   is_deeply +(run { aio_fiemap $frag, 0, undef, 0, 3, $_[0] })->{args}[0], [@$extents[0 .. ($n > 3 ? 2 : $n - 1)]], "count 3 gives three at most";
   my $middle = (run { aio_fiemap $frag, 5 * 16384, 4096, 0, undef, $_[0] })->{args}[0];
   is scalar @$middle, 1, "a range gives its extents";
   ok $middle->[0][0] <= 5 * 16384 && $middle->[0][0] + $middle->[0][2] >= 5 * 16384 + 4096, "... those";
   is_deeply +(run { aio_fiemap $frag, 1e12, undef, 0, undef, $_[0] })->{args}[0], [], "beyond the end there are none";
   open my $empty, "+>", "$dir/empty" or die;
   is_deeply +(run { aio_fiemap $empty, 0, undef, 0, undef, $_[0] })->{args}[0], [], "an empty file has none";
   passes { aio_fiemap $empty, 0, undef, 0, 0, $_[0] } 0, "... 0 of them";
   fails_empty { aio_fiemap $frag, 0, undef, 0x100, undef, $_[0] } IO::AIO::EBADR (), "unknown flags: EBADR";
   fails_empty { aio_fiemap $frag, 0, 0, 0, undef, $_[0] } EINVAL, "length 0: EINVAL";
   fails_empty { aio_fiemap $frag, -1, undef, 0, undef, $_[0] } EFBIG, "a negative start: EFBIG";
   fails_empty { aio_fiemap $r, 0, undef, 0, undef, $_[0] } [EOPNOTSUPP, Errno::ENOTTY ()], "a pipe: EOPNOTSUPP";

   # more extents than one call to the kernel delivers
   open my $many, "+>", "$dir/many" or die;
   for my $i (0 .. 599) { sysseek $many, $i * 16384, SEEK_SET; syswrite $many, "x" x 4096 }
   works { aio_fsync $many, $_[0] } "a file with many holes";
   my $found = (run { aio_fiemap $many, 0, undef, 0, undef, $_[0] })->{args}[0];
   passes { aio_fiemap $many, 0, undef, 0, 0, $_[0] } scalar @$found, "all extents are delivered";
   is scalar (grep { $found->[$_][0] >= $found->[$_ - 1][0] + $found->[$_ - 1][2] } 1 .. $#$found), $#$found, "... once each";
}

done_testing;
