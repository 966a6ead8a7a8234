# Contract: aio_copy.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(:POSIX);
use Fcntl;
use IO::AIO;
use POSIX ();

my $dir = scratch;
my $n = 0;
sub fresh { my $d = "$dir/" . ++$n; mkdir $d or die; spew "$d/src", "content of the source"; utime 1000.75, 2000.25, "$d/src"; chmod 0640, "$d/src"; $d }
sub mode { sprintf "%o", 07777 & (stat $_[0])[2] }
my $before = nfds;

{
   my $d = fresh;
   works { aio_copy "$d/src", "$d/dst", $_[0] } "a copy";
   # before anybody reads it
   is join (",", (stat "$d/dst")[8, 9]), "1000,2000", "... has the times in whole seconds";
   is mode ("$d/dst"), "640", "... the mode";
   is slurp ("$d/dst"), "content of the source", "... the content";
   is join (",", (stat "$d/dst")[4, 5]), join (",", (stat "$d/src")[4, 5]), "... owner and group";
   is slurp ("$d/src"), "content of the source", "the source stays";
   umask 077;
   chmod 0666, "$d/src";
   works { aio_copy "$d/src", "$d/dst2", $_[0] } "with another umask";
   is mode ("$d/dst2"), "666", "... the mode does not depend on it";
   umask 022;
   chmod 06755, "$d/src";
   works { aio_copy "$d/src", "$d/suid", $_[0] } "a set-user-id file";
   is mode ("$d/suid"), "755", "... is not set-user-id any more";
   is ref aio_copy ("$d/src", "$d/x"), "IO::AIO::GRP", "aio_copy returns a group";
   drain;
   ok -e "$d/x", "... and works without callback";
}
for my $size (0, 1, 4096, 65536, 65537, 3_000_000) {
   my $d = fresh;
   my $text = substr +(join "", map { pack "N", $_ } 1 .. $size / 4 + 1), 0, $size;
   spew "$d/src", $text;
   works { aio_copy "$d/src", "$d/dst", $_[0] } "$size octets";
   ok slurp ("$d/dst") eq $text, "... all right";
}

# existing destinations
{
   my $d = fresh;
   spew "$d/dst", "old and much longer than the source is, by far";
   link "$d/dst", "$d/hard" or die;
   open my $fh, "<", "$d/dst" or die;
   my $ino = (stat "$d/dst")[1];
   works { aio_copy "$d/src", "$d/dst", $_[0] } "over a file";
   is +(stat "$d/dst")[1], $ino, "... keeps the inode";
   is slurp ("$d/hard"), "content of the source", "... its other links see the change";
   is readline $fh, "content of the source", "... and so do handles";
}
{
   my $d = fresh;
   symlink "src", "$d/from"; symlink "target", "$d/to";
   works { aio_copy "$d/from", "$d/to", $_[0] } "links are followed on both sides";
   ok -l "$d/to" && -f "$d/target" && !-l "$d/target", "... and stay";
   is slurp ("$d/target"), "content of the source", "... the content arrives";
}
SKIP: {
   skip "only root may give files away", 2 if $>;
   my $d = fresh;
   chown 1234, 2345, "$d/src";
   works { aio_copy "$d/src", "$d/dst", $_[0] } "another's file";
   is join (",", (stat "$d/dst")[4, 5]), "1234,2345", "... keeps owner and group";
}

# failures
{
   my $d = fresh;
   spew "$d/dst", "untouched"; mkdir "$d/dir"; symlink "loop", "$d/loop";
   for (
      ["a missing source",       "none",    "dst",      ENOENT],
      ["a file as directory",    "src/x",   "dst",      ENOTDIR],
      ["a loop as source",       "loop",    "dst",      ELOOP],
      ["a missing directory",    "src",     "none/dst", ENOENT],
      ["a directory as destination", "src", "dir",      EISDIR],
      ["a loop as destination",  "src",     "loop",     ELOOP],
   ) {
      my ($name, $src, $dst, $errno) = @$_;
      fails { aio_copy "$d/$src", "$d/$dst", $_[0] } $errno, "$name: " . errno_name $errno;
   }
   is slurp ("$d/dst"), "untouched", "nothing was truncated";
   fails { aio_copy "$d/none", "$d/new", $_[0] } ENOENT, "a missing source";
   is names ($d), "dir dst loop src", "... makes no destination";
   fails { aio_copy "$d/dir", "$d/new", $_[0] } EISDIR, "a directory as source: EISDIR";
   ok !-e "$d/new", "... leaves no destination";
   fails { aio_copy "$d/dir", "$d/dst", $_[0] } EISDIR, "... over a file";
   my $r = run { aio_copy "$d/src", "$d/src", $_[0] };
   ok AIOPaths::once ($r), "a file onto itself";
   is slurp ("$d/src"), "content of the source", "... does no harm";
   link "$d/src", "$d/hard" or die;
   $r = run { aio_copy "$d/src", "$d/hard", $_[0] };
   ok AIOPaths::once ($r), "... nor onto a link of its own";
   is slurp ("$d/hard"), "content of the source", "... no harm either";
}
SKIP: {
   # for root, an implementation that fails this would remove the device
   $> && -w "/dev/full" or skip "needs /dev/full, and a user who cannot remove it", 2;
   my $d = fresh;
   fails { aio_copy "$d/src", "/dev/full", $_[0] } ENOSPC, "a full device: ENOSPC";
   ok -e "/dev/full", "... which stays";
}
{
   # a file size limit makes the copy itself fail
   my $d = fresh;
   spew "$d/src", "x" x 200_000;
   my $shell = qx{/bin/sh -c 'ulimit -f 64 && echo yes' 2>/dev/null};
   SKIP: {
      $shell && $shell =~ /yes/ or skip "this system's shell has no file size limit", 3;
      for (["a new file", "new"], ["an old file", "old"]) {
         my ($name, $dst) = @$_;
         spew "$d/old", "was here";
         open my $out, "-|", "/bin/sh", "-c", 'ulimit -f 64; exec "$@"', "sh", $^X, (map { "-I$_" } grep { !ref } @INC), "-e", <<'CHILD', "$d/src", "$d/$dst" or die;
            use IO::AIO;
            alarm 60;
            aio_copy $ARGV[0], $ARGV[1], sub { print "$_[0] ", $!{EFBIG} ? "EFBIG" : $! };
            IO::AIO::flush;
CHILD
         local $/;
         my $said = <$out>;
         close $out;
         is "$said $?", "-1 EFBIG 0", "a copy that fails half way, $name: EFBIG";
      }
      ok !-e "$d/new", "... a destination made by it is removed";
   }
}
is nfds, $before, "no descriptor is left";

# permissions are never wider on the way
{
   my $d = fresh;
   spew "$d/src", "secret " x 300_000;
   chmod 0600, "$d/src";
   my $seen = 0;
   my $done;
   aio_copy "$d/src", "$d/dst", sub { $done = $_[0] };
   until (defined $done) {
      my @st = stat "$d/dst";
      $seen |= $st[2] if @st;
      IO::AIO::poll_cb;
   }
   is sprintf ("%o", $seen & 077), "0", "a copy is never open to others on the way";
}

done_testing;
