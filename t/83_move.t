# Contract: aio_move.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(:POSIX);
use IO::AIO;

my $dir = scratch;
my $n = 0;
sub fresh { my $d = "$dir/" . ++$n; mkdir $d or die; spew "$d/src", "content"; utime 1000, 2000, "$d/src"; chmod 0640, "$d/src"; $d }
my $before = nfds;

{
   my $d = fresh;
   my $ino = (stat "$d/src")[1];
   works { aio_move "$d/src", "$d/dst", $_[0] } "a move within a file system";
   is +(stat "$d/dst")[1], $ino, "... is a rename";
   ok !-e "$d/src", "... the source is gone";
   spew "$d/src", "other";
   works { aio_move "$d/src", "$d/dst", $_[0] } "over a file";
   is slurp ("$d/dst"), "other", "... replaces it";
   mkdir "$d/dir"; spew "$d/dir/x", "x"; symlink "dst", "$d/link";
   works { aio_move "$d/dir", "$d/dir2", $_[0] } "a directory";
   is slurp ("$d/dir2/x"), "x", "... moves as a whole";
   works { aio_move "$d/link", "$d/link2", $_[0] } "a link";
   is readlink "$d/link2", "dst", "... moves as a link";
   fails { aio_move "$d/none", "$d/x", $_[0] } ENOENT, "a missing source: ENOENT";
   fails { aio_move "$d/dst", "$d/none/x", $_[0] } ENOENT, "a missing directory: ENOENT";
   fails { aio_move "$d/dst", "$d/dir2", $_[0] } EISDIR, "a file over a directory: EISDIR";
   fails { aio_move "$d/dir2", "$d/dst", $_[0] } ENOTDIR, "a directory over a file: ENOTDIR";
   is names ($d), "dir2 dst link2", "... which change nothing";
   is ref aio_move ("$d/dst", "$d/end"), "IO::AIO::GRP", "aio_move returns a group";
   drain;
   ok -e "$d/end", "... and works without callback";
}

SKIP: {
   my ($other) = grep { -d && -w && (stat)[0] != (stat $dir)[0] } "/dev/shm", "/tmp", "/var/tmp", "/run"
      or skip "no second file system to write to", 20;
   my $far = scratch $other;
   my $d = fresh;
   works { aio_move "$d/src", "$far/dst", $_[0] } "a move to another file system";
   is join (",", (stat "$far/dst")[8, 9], sprintf "%o", 07777 & (stat _)[2]), "1000,2000,640", "... brings times and mode";
   is slurp ("$far/dst"), "content", "... and the content";
   ok !-e "$d/src", "... the source is gone";

   $d = fresh;
   symlink "src", "$d/link";
   works { aio_move "$d/link", "$far/link", $_[0] } "a link to a file";
   ok -f "$far/link" && !-l "$far/link", "... arrives as a file";
   ok !-l "$d/link", "... the link is gone";
   is slurp ("$d/src"), "content", "... its target stays";

   mkdir "$d/dir"; spew "$d/dir/x";
   my $r = run { aio_move "$d/dir", "$far/dir", $_[0] };
   ok AIOPaths::once ($r) && $r->{args}[0] == -1 && $r->{errno} == EISDIR, "a directory: -1 EISDIR" or diag AIOPaths::told ($r);
   ok -d "$d/dir" && !-e "$far/dir", "... stays, and nothing arrives";
   fails { aio_move "$d/src", "$far/none/x", $_[0] } ENOENT, "a missing directory: ENOENT";
   mkdir "$far/here";
   fails { aio_move "$d/src", "$far/here", $_[0] } [EISDIR, EXDEV], "a directory as destination: EISDIR";
   is slurp ("$d/src"), "content", "... the source stays";
   spew "$d/large", "L" x 2_000_000;
   works { aio_move "$d/large", "$far/large", $_[0] } "two megabytes";
   is -s "$far/large", 2_000_000, "... arrive";
}
is nfds, $before, "no descriptor is left";

done_testing;
