# Contract: what is accepted as a file handle, and what is refused.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(EBADF);
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use IO::File;

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
my $illegal = qr{illegal fh argument, either not an OS file or read/write mode mismatch};

open my $fh, "+<", $file or die;
open FH, "<", $file or die;
open my $closed, "<", $file or die; close $closed;
opendir my $dh, $dir or die;
open my $mem, "<", \"in memory" or die;
@Sub::ISA = "IO::File";
my $obj = IO::File->new ($file, "<");
my $sub = bless IO::File->new ($file, "<"), "Sub";

# ---- accepted
for (
   ["a lexical handle"        => $fh],
   ["a glob"                  => *FH],
   ["a reference to a glob"   => \*FH],
   ["an IO::File"             => $obj],
   ["an object of a subclass" => $sub],
   ["a number"                => fileno $fh],
   ["a numeric string"        => "" . fileno $fh],
   ["a reference to a number" => \(my $n = fileno $fh)],
) {
   my ($name, $handle) = @$_;
   passes { aio_seek $handle, 3, SEEK_SET, $_[0] } 3, "aio_seek accepts $name";
   works { aio_fdatasync $handle, $_[0] } "aio_fdatasync accepts $name";
   passes { aio_read $handle, 1, 4, my $data, 0, $_[0] } 4, "aio_read accepts $name";
}

{
   package Tied;
   sub TIESCALAR { bless [$_[1]] }
   sub FETCH     { $_[0][0] }
}
for ($fh, fileno $fh, \*FH) {
   tie my $tied, "Tied", $_;
   passes { aio_seek $tied, 4, SEEK_SET, $_[0] } 4, "a tied scalar that holds one";
}

fails { aio_seek 999, 0, SEEK_SET, $_[0] } EBADF, "a number that is not open is the system's business";
fails { aio_fsync 0x7ffffffe, $_[0] } EBADF, "the largest number";

# ---- refused
my @bad = (
   ["a closed handle"       => $closed],
   ["a directory handle"    => $dh],
   ["an in-memory handle"   => $mem],
   ["a negative number"     => -1],
   ["2147483647"            => 0x7fffffff],
   ["a number beyond 32 bit" => 4294967296],
   ["a number beyond 64 bit" => 1e30],
   ["undef"                 => undef],
   ["a bare IO object"      => *FH{IO}],
   ["an array"              => []],
   ["a hash"                => {}],
   ["code"                  => sub { }],
   ["an object"             => (bless {}, "Thing")],
   ["a string that is no number" => "STDIN"],
   ["the empty string"      => ""],
   ["a number with a tail"  => fileno ($fh) . "x"],
   ["a reference to a negative number" => \-1],
);

$SIG{__WARN__} = sub { print STDERR @_ unless $_[0] =~ /^Use of uninitialized value|isn't numeric/ };

for (@bad) {
   my ($name, $handle) = @$_;
   my $data = "data";
   my $value = defined $handle ? quotemeta $handle : "";
   my $re = qr/^$value: $illegal/;

   refused { aio_seek $handle, 0, SEEK_SET, $_[0] } $re, "$name is refused by aio_seek, which names it";

   my %call = (
      aio_close           => sub { aio_close $handle, $_[0] },
      aio_read            => sub { aio_read $handle, 0, 1, $data, 0, $_[0] },
      aio_write           => sub { aio_write $handle, 0, 1, $data, 0, $_[0] },
      aio_readahead       => sub { aio_readahead $handle, 0, 1, $_[0] },
      "aio_sendfile, out" => sub { aio_sendfile $handle, $fh, 0, 1, $_[0] },
      "aio_sendfile, in"  => sub { aio_sendfile $fh, $handle, 0, 1, $_[0] },
      aio_allocate        => sub { aio_allocate $handle, 0, 0, 1, $_[0] },
      aio_fiemap          => sub { aio_fiemap $handle, 0, undef, 0, 1, $_[0] },
      aio_fsync           => sub { aio_fsync $handle, $_[0] },
      aio_fdatasync       => sub { aio_fdatasync $handle, $_[0] },
      aio_syncfs          => sub { aio_syncfs $handle, $_[0] },
      aio_sync_file_range => sub { aio_sync_file_range $handle, 0, 0, 0, $_[0] },
      aio_fcntl           => sub { aio_fcntl $handle, F_GETFD, 0, $_[0] },
      aio_ioctl           => sub { aio_ioctl $handle, 0, 0, $_[0] },
   );
   my $called = 0;
   my @accepted;
   for my $function (sort keys %call) {
      eval { $call{$function}->(sub { $called++ }); 1 } and push @accepted, $function;
      $@ =~ $illegal or push @accepted, "$function: $@";
   }
   is "@accepted", "", "$name is refused by all others";
   is IO::AIO::nreqs, 0, "... and nothing is queued";
   drain;
   is $called, 0, "... nor called back";
   is $data, "data", "... nor changed";
}

{
   no warnings "once";
   refused { aio_seek \*NEVER, 0, SEEK_SET, $_[0] } qr/^Bad filehandle: NEVER/, "a glob that was never opened is a bad filehandle";
   refused { aio_stat \*NEVER, $_[0] } qr/^Bad filehandle: NEVER/, "... for aio_stat, too";
}

# ---- the side that is needed
open my $ro, "<", $file or die;
open my $wo, ">", "$dir/out" or die;
refused { aio_write $ro, 0, 1, "x", 0, $_[0] }  $illegal, "aio_write refuses a handle opened for reading";
refused { aio_sendfile $ro, $fh, 0, 1, $_[0] }  $illegal, "aio_sendfile refuses one as its output";
fails { aio_write fileno $ro, 0, 1, "x", 0, $_[0] } EBADF, "of a number only the system knows the mode";
fails { aio_read $wo, 0, 1, my $d, 0, $_[0] }       EBADF, "reading from a handle opened for writing fails later";
fails { aio_sendfile $fh, $wo, 0, 1, $_[0] }        EBADF, "... also as the input of aio_sendfile";
is slurp ($file), "0123456789", "nothing was written";

# ---- handle or path
for (
   ["aio_stat"     => sub { aio_stat     $_[0], $_[1] }],
   ["aio_lstat"    => sub { aio_lstat    $_[0], $_[1] }],
   ["aio_utime"    => sub { aio_utime    $_[0], undef, undef, $_[1] }],
   ["aio_chown"    => sub { aio_chown    $_[0], -1, -1, $_[1] }],
   ["aio_chmod"    => sub { aio_chmod    $_[0], 0644, $_[1] }],
   ["aio_truncate" => sub { aio_truncate $_[0], 10, $_[1] }],
) {
   my ($name, $call) = @$_;
   works { $call->($fh, $_[0]) }       "$name takes a handle";
   works { $call->(*$fh, $_[0]) }      "... a glob";
   works { $call->(*$fh{IO}, $_[0]) }  "... an IO object";
   works { $call->($file, $_[0]) }     "... and a path";
   fails { $call->(fileno $fh, $_[0]) } Errno::ENOENT, "... but a number is a path";
   fails { $call->("STDIN", $_[0]) }    Errno::ENOENT, "... and so is the name of a handle";
   fails { $call->($closed, $_[0]) }    EBADF, "... a closed handle fails when executed";
   fails { $call->($mem, $_[0]) }       EBADF, "... an in-memory handle, too";
   fails { $call->($dh, $_[0]) }        EBADF, "... a directory handle, too";
   refused { $call->(\fileno $fh, $_[0]) } qr/pathname arguments must be/, "... a reference to a number is no path";
}
is ref +(run { aio_statvfs $fh, $_[0] })->{args}[0], "HASH", "aio_statvfs takes a handle";
is ref +(run { aio_statvfs $file, $_[0] })->{args}[0], "HASH", "... and a path";
fails_undef { aio_statvfs $closed, $_[0] } EBADF, "... a closed handle fails when executed";

# ---- handles are kept while needed, and only their descriptor is used
{
   my $before = nfds;
   hold;
   my $got;
   {
      open my $short, "<", $file or die;
      aio_read $short, 3, 4, my $data, 0, sub { $got = $_[0] };
   }
   is nfds, $before + 1, "a handle whose last reference goes stays open for its request";
   release;
   is $got, 4, "... which works";
   is nfds, $before, "... and closes it";
}
{
   open my $buffered, "+<", $file or die;
   is getc $buffered, "0", "perl has read ahead";
   passes { aio_seek $buffered, 0, SEEK_CUR, $_[0] } sysseek ($buffered, 0, SEEK_CUR) + 0, "the position is that of the descriptor";
   open my $layered, "<:utf8", $file or die;
   passes { aio_read $layered, 0, 4, my $data, 0, $_[0] } 4, "layers do not matter";
}

done_testing;
