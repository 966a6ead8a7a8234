# Contract: aio_stat and aio_lstat, and perl's stat cache.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR ELOOP ENAMETOOLONG EBADF);
use IO::AIO;

my $dir = scratch;
spew "$dir/file", "12345";
mkdir "$dir/dir";
symlink "file", "$dir/link" or die;
symlink "loop", "$dir/loop" or die;
symlink "nothing", "$dir/dangling" or die;
utime 1000, 2000, "$dir/file";
open my $fh, "<", "$dir/file" or die;

# every field equals perl's own
for (["file"], ["link"], ["dir"]) {
   my ($name) = @$_;
   my (@stat, @lstat);
   works { my $cb = $_[0]; aio_stat  "$dir/$name", sub { @stat  = stat _; &$cb } } "aio_stat of a $name";
   works { my $cb = $_[0]; aio_lstat "$dir/$name", sub { @lstat = stat _; &$cb } } "aio_lstat of a $name";
   is "@stat",  join (" ", stat "$dir/$name"),  "... the same 13 fields as stat";
   is "@lstat", join (" ", lstat "$dir/$name"), "... the same 13 fields as lstat";
}
for my $call (["aio_stat" => sub { aio_stat $fh, $_[0] }], ["aio_lstat" => sub { aio_lstat $fh, $_[0] }]) {
   my @got;
   works { my $cb = $_[0]; $call->[1]->(sub { @got = stat _; &$cb }) } "$call->[0] of a handle";
   is "@got", join (" ", stat $fh), "... the same 13 fields as stat";
}

# the cache keeps the last result
works { aio_stat "$dir/file", $_[0] } "a file";
is -s _, 5, "-s _ after the callback";
ok -f _ && !-d _, "-f _ and -d _";
is "" . -M _, "" . (($^T - 2000) / 86400), "-M _";
is +(stat _)[9], 2000, "stat _";

# which of the two it was
sub can_lstat { eval { my $x = -l _; 1 } && eval { my @x = lstat _; 1 } ? "allowed" : "dies" }
sub after { my ($call) = @_; my $in; run { $call->(sub { $in = can_lstat }) }; "$in, " . can_lstat }

is after (sub { aio_stat  "$dir/file", $_[0] }), "dies, dies",       "-l _ and lstat _ die after aio_stat";
is after (sub { aio_lstat "$dir/link", $_[0] }), "allowed, allowed", "... but not after aio_lstat";
ok -l _, "-l _ is true for a link";
is after (sub { aio_stat  $fh, $_[0] }), "dies, dies", "they die after aio_stat of a handle";
is after (sub { aio_lstat $fh, $_[0] }), "dies, dies", "... and after aio_lstat of a handle";

# failures
fails { aio_stat "$dir/none", $_[0] } ENOENT, "a missing file";
ok !-e _, "-e _ is false after a failure";
is scalar (() = stat _), 0, "stat _ is empty";
fails { aio_stat "$dir/dangling", $_[0] } ENOENT, "a dangling link";
works { aio_lstat "$dir/dangling", $_[0] } "... which aio_lstat finds";
fails { aio_stat "$dir/loop", $_[0] } ELOOP, "a loop";
works { aio_lstat "$dir/loop", $_[0] } "... which aio_lstat finds";
fails { aio_stat "$dir/file/x", $_[0] } ENOTDIR, "a file used as directory";
fails { aio_stat "$dir/file/", $_[0] } ENOTDIR, "a file with a slash";
fails { aio_stat "$dir/" . "n" x 256, $_[0] } ENAMETOOLONG, "a long name";
fails { aio_lstat "$dir/" . "./" x 2100, $_[0] } ENAMETOOLONG, "a long path";
{
   open my $closed, "<", "$dir/file" or die; close $closed;
   fails { aio_stat $closed, $_[0] } EBADF, "a closed handle";
   ok !-e _, "-e _ is false after that";
}

# who leaves the cache alone
stat "$dir/dir";
run { aio_stat "$dir/file" };
ok -d _, "a request without callback leaves the cache alone";
{
   hold;
   my $req = aio_stat "$dir/file", sub { fail "a cancelled request called back" };
   $req->cancel;
   release;
   ok -d _, "a cancelled request leaves the cache alone";
}
run { aio_nop $_[0] };
run { aio_mkdir "$dir/new", 0700, $_[0] };
run { aio_rmdir "$dir/new", $_[0] };
run { aio_open "$dir/file", 0, 0, $_[0] };
run { aio_readdir $dir, $_[0] };
run { aio_chmod "$dir/file", 0600, $_[0] };
run { aio_statvfs $dir, $_[0] };
ok -d _, "other requests leave the cache alone";

# many at a time
{
   my $wrong = 0;
   my $n = 0;
   spew "$dir/size$_", "x" x $_ for 1 .. 40;
   for my $i (map { ($_) x 5 } 1 .. 40) {
      aio_stat "$dir/size$i", sub { $n++; $wrong++ unless !$_[0] && -s _ == $i };
   }
   drain;
   is $n, 200, "200 requests at a time";
   is $wrong, 0, "... each callback finds its own result";
}
is_deeply [map { -s "$dir/size$_" } 1, 40], [1, 40], "perl's own tests work as before";

# times to the nanosecond
works { aio_utime "$dir/file", 1.5, 2.25, $_[0] } "times with fractions";
works { aio_stat "$dir/file", $_[0] } "...";
is IO::AIO::st_mtime (), 2.25, "... as st_mtime tells them";
is IO::AIO::st_atimensec (), 500000000, "... and st_atimensec";

# aio_statvfs
{
   my $r = run { aio_statvfs $dir, $_[0] };
   my $fs = $r->{args}[0];
   is $r->{argc}, 1, "aio_statvfs passes one argument";
   is join (" ", sort keys %$fs), "bavail bfree blocks bsize favail ffree files flag frsize fsid namemax", "... a hash with these keys";
   is scalar (grep { !/^-?\d+$/ } values %$fs), 0, "... all integers";
   cmp_ok $fs->{namemax}, ">=", 255, "... namemax is plausible";
   isnt $fs, +(run { aio_statvfs $fh, $_[0] })->{args}[0], "... a fresh hash each time";
   fails_undef { aio_statvfs "$dir/none", $_[0] } ENOENT, "... undef for a missing file";
   fails_undef { aio_statvfs "$dir/file/x", $_[0] } ENOTDIR, "... and for a file used as directory";
   fails_undef { aio_statvfs "$dir/loop", $_[0] } ELOOP, "... and for a loop";
}

done_testing;
