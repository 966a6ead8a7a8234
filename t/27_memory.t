# Contract: msync, mtouch, mlock, mlockall.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EINVAL ENOMEM EAGAIN EPERM);
use IO::AIO;

my $dir  = scratch;
my $size = 5 * IO::AIO::PAGESIZE ();
spew "$dir/file", "x" x $size;
open my $fh, "+<", "$dir/file" or die;
my $map;
IO::AIO::mmap ($map, $size, IO::AIO::PROT_READ () | IO::AIO::PROT_WRITE (), IO::AIO::MAP_SHARED (), $fh)
   or plan skip_all => "no shared mapping of files here: $!";
my $string = "s" x 10000;
my ($SYNC, $ASYNC, $INVALIDATE) = (IO::AIO::MS_SYNC (), IO::AIO::MS_ASYNC (), IO::AIO::MS_INVALIDATE ());

substr $map, 5, 3, "abc";
works { aio_msync $map, 0, undef, $SYNC, $_[0] } "msync";
is substr (slurp ("$dir/file"), 0, 10), "xxxxxabcxx", "... the file has it";
works { aio_msync $map, 0, undef, $ASYNC, $_[0] } "msync, MS_ASYNC";
works { aio_msync $map, 0, undef, $SYNC | $INVALIDATE, $_[0] } "msync, MS_INVALIDATE";
works { aio_msync $map, 0, undef, -1, $_[0] } "msync, negative flags mean the default";
works { aio_msync $map, 5000, 100, $SYNC, $_[0] } "msync of a part";
works { aio_msync $map, -100, undef, $SYNC, $_[0] } "msync from before the end";
works { aio_msync $map, $size, undef, $SYNC, $_[0] } "msync at the end";
works { aio_msync $map, 0, 2 * $size, $SYNC, $_[0] } "msync of more than there is";
works { aio_msync $string, 0, undef, $ASYNC, $_[0] } "msync of an ordinary string";
fails { aio_msync $map, 0, undef, $SYNC | $ASYNC, $_[0] } EINVAL, "both kinds: EINVAL";

works { aio_mtouch $map, 0, undef, 0, $_[0] } "mtouch";
works { aio_mtouch $map, 0, undef, IO::AIO::MT_MODIFY (), $_[0] } "mtouch, MT_MODIFY";
ok $map eq "xxxxxabc" . "x" x ($size - 8), "... changes nothing";
works { aio_mtouch $map, 4096, 1, 0, $_[0] } "mtouch of a part";
works { aio_mtouch $map, 0, 0, 0, $_[0] } "mtouch of nothing";
works { aio_mtouch $map, -1, undef, -1, $_[0] } "mtouch with negative flags";
works { aio_mtouch $string, -10, 100, 0, $_[0] } "mtouch of an ordinary string";
works { aio_mtouch $string, 0, undef, IO::AIO::MT_MODIFY (), $_[0] } "... MT_MODIFY";
ok $string eq "s" x 10000, "... changes nothing";

SKIP: {
   my $r = run { aio_mlock $map, 0, undef, $_[0] };
   is $r->{argc}, 1, "mlock passes its status";
   skip "this user may not lock memory", 4 if $r->{args}[0] && grep { $r->{errno} == $_ } EPERM, ENOMEM, EAGAIN;
   is $r->{args}[0], 0, "mlock";
   is IO::AIO::munlock ($map), 0, "... and unlock";
   works { aio_mlock $map, 5000, 10, $_[0] } "mlock of a part";
   is IO::AIO::munlock ($map, 5000, 10), 0, "... and unlock";
   works { aio_mlock $string, 0, 100, $_[0] } "mlock of an ordinary string";
   IO::AIO::munlockall ();
}
for my $flags (0, 64, IO::AIO::MCL_ONFAULT () || 128) {
   fails { aio_mlockall $flags, $_[0] } EINVAL, "mlockall with flags $flags: EINVAL";
}
{
   # a small process of its own, since everything is locked
   my ($signal, $status, $said) = perl_child 'run { aio_mlockall IO::AIO::MCL_CURRENT, sub { print $_[0] == 0 ? "locked" : errno_name $! } }; IO::AIO::munlockall ();';
   like "$said$signal$status", qr/^(?:locked|ENOMEM|EPERM|EAGAIN)00$/, "mlockall locks, or says why not";
}

# offsets
for (
   ["aio_msync"  => sub { aio_msync  $map, $_[0], undef, $SYNC, $_[1] }],
   ["aio_mtouch" => sub { aio_mtouch $map, $_[0], undef, 0, $_[1] }],
   ["aio_mlock"  => sub { aio_mlock  $map, $_[0], undef, $_[1] }],
) {
   my ($name, $call) = @$_;
   refused { $call->($size + 1, $_[0]) }  qr/^offset outside of scalar/, "$name: an offset beyond the end is refused";
   refused { $call->(-$size - 1, $_[0]) } qr/^offset outside of scalar/, "$name: an offset before the start is refused";
}
my $wide = "\x{100}" x 10;
refused { aio_msync  $wide, 0, undef, $SYNC, $_[0] } qr/^"data" argument must be byte\/octet-encoded/, "msync refuses wide characters";
refused { aio_mtouch $wide, 0, undef, 0, $_[0] }     qr/^"data" argument must be byte\/octet-encoded/, "mtouch refuses wide characters";
refused { aio_mlock  $wide, 0, undef, $_[0] }        qr/^"data" argument must be byte\/octet-encoded/, "mlock refuses wide characters";

# arguments may be left out
{
   my @warnings;
   local $SIG{__WARN__} = sub { push @warnings, @_ };
   aio_msync $map; aio_msync $map, 0; aio_msync $map, 0, 100;
   aio_mtouch $map; aio_mtouch $map, 0; aio_mtouch $map, 0, 100;
   is IO::AIO::nreqs, 6, "all arguments but the first may be left out";
   drain;
   is "@warnings", "", "... without a warning";
}

# the scalar is kept, and not protected
{
   my $done;
   hold;
   {
      my $short = "y" x 10000;
      aio_mtouch $short, 0, undef, 0, sub { $done = $_[0] };
      ok eval { substr ($short, 0, 1) = "z"; 1 }, "the scalar may be changed in place meanwhile";
   }
   release;
   is $done, 0, "... and is kept alive";
}
{
   open my $fh2, "+<", "$dir/file" or die;
   my $gone;
   IO::AIO::mmap ($gone, $size, IO::AIO::PROT_READ (), IO::AIO::MAP_SHARED (), $fh2) or die;
   my $ref = \$gone;
   works { aio_mtouch $$ref, 0, undef, 0, $_[0] } "a mapped scalar by reference";
   works { aio_msync $gone, 0, undef, $SYNC, $_[0] } "msync of a read-only mapping";
}

done_testing;
