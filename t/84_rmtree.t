# Contract: aio_rmtree. It never leaves the tree through a symbolic link.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR ENOTEMPTY EINVAL EEXIST);
use IO::AIO;
use POSIX ();

my $top = scratch;
my $before = nfds;
mkdir "$top/outside"; spew "$top/outside/precious", "kept"; mkdir "$top/outside/dir"; spew "$top/outside/dir/deep", "kept";
sub outside_is_whole { is names ("$top/outside") . names ("$top/outside/dir"), "dir preciousdeep", "... and nothing outside was touched" }

sub tree {
   my ($root) = @_;
   mkdir $root or die "$root: $!";
   for my $i (1 .. 5) {
      mkdir "$root/d$i";
      spew "$root/d$i/f$_" for 1 .. 10;
      mkdir "$root/d$i/e"; mkdir "$root/d$i/e/f"; spew "$root/d$i/e/f/deep";
   }
   spew "$root/.hidden"; spew "$root/a b\n\xff\x01"; mkdir "$root/..odd"; spew "$root/..odd/x"; mkdir "$root/empty";
   POSIX::mkfifo ("$root/fifo", 0600);
   symlink "../outside", "$root/to_dir"; symlink "../outside/precious", "$root/to_file";
   symlink "$top/outside", "$root/d1/absolute"; symlink "loop", "$root/loop"; symlink "none", "$root/dangling"; symlink ".", "$root/self"; symlink "..", "$root/up";
   $root
}

tree "$top/tree";
works { aio_rmtree "$top/tree", $_[0] } "a tree";
ok !-e "$top/tree", "... is gone";
outside_is_whole;

mkdir "$top/empty";
works { aio_rmtree "$top/empty", $_[0] } "an empty directory";
ok !-e "$top/empty", "... is gone";

# what is no directory stays
spew "$top/file", "kept"; symlink "outside", "$top/link"; symlink "none", "$top/dangling"; symlink "loop", "$top/loop";
fails { aio_rmtree "$top/none", $_[0] } ENOENT, "nothing: ENOENT";
fails { aio_rmtree "$top/file", $_[0] } ENOTDIR, "a file: ENOTDIR";
fails { aio_rmtree "$top/dangling", $_[0] } ENOTDIR, "a dangling link: ENOTDIR";
fails { aio_rmtree "$top/loop", $_[0] } ENOTDIR, "a loop: ENOTDIR";
fails { aio_rmtree "$top/link", $_[0] } ENOTDIR, "a link to a directory: ENOTDIR";
is names ($top), "dangling file link loop outside", "... all stay";
outside_is_whole;

# forms of the path
tree "$top/t1";
works { aio_rmtree "$top/./t1/", $_[0] } "a path with a slash at the end";
ok !-e "$top/t1", "... is gone";
tree "$top/t2";
fails { aio_rmtree "$top/t2/.", $_[0] } EINVAL, "t2/.: EINVAL";
is names ("$top/t2"), "", "... but emptied";
tree "$top/t3";
chdir "$top/t3";
fails { aio_rmtree ".", $_[0] } EINVAL, ".: EINVAL";
is names ("$top/t3"), "", "... but emptied";
chdir $top;
tree "t4";
works { aio_rmtree "t4", $_[0] } "a relative path";
ok !-e "$top/t4", "... is gone";
chdir "/";
{
   my $wd = (run { aio_wd $top, $_[0] })->{args}[0];
   tree "$top/t5";
   works { aio_rmtree [$wd, "t5"], $_[0] } "a pair";
   ok !-e "$top/t5", "... is gone";
   tree "$top/t6";
   my $in = (run { aio_wd "$top/t6", $_[0] })->{args}[0];
   works { aio_rmtree $in, $_[0] } "a directory object";
   ok !-e "$top/t6", "... is gone";
}
outside_is_whole;

# deep, wide, many
{
   my $deep = "$top/deep";
   my $path = $deep;
   mkdir $path;
   for (1 .. 100) { $path .= "/d"; mkdir $path or die; spew "$path/f" }
   works { aio_rmtree $deep, $_[0] } "a hundred levels";
   ok !-e $deep, "... are gone";
   mkdir "$top/wide";
   spew "$top/wide/" . "w" x 100 . $_ for 1 .. 2000;
   works { aio_rmtree "$top/wide", $_[0] } "two thousand files";
   ok !-e "$top/wide", "... are gone";
   mkdir "$top/long";
   chdir "$top/long";
   my $name = "n" x 200;
   for (1 .. 30) { mkdir $name or die; chdir $name or die }
   chdir "/";
   works { aio_rmtree "$top/long", $_[0] } "a path longer than the system takes";
   ok !-e "$top/long", "... is gone";
}
{
   my $ok = 0;
   tree "$top/m$_" for 1 .. 5;
   aio_rmtree "$top/m$_", sub { $ok++ unless $_[0] } for 1 .. 5;
   drain;
   is $ok, 5, "five at a time";
   is names ($top), "dangling file link loop outside t2 t3", "... are gone";
   tree "$top/silent";
   is ref aio_rmtree ("$top/silent"), "IO::AIO::GRP", "aio_rmtree returns a group";
   drain;
   ok !-e "$top/silent", "... and works without callback";
}

# a directory that is swapped for a link while it is being removed
for my $round (1 .. 10) {
   my $root = "$top/swap";
   mkdir $root;
   mkdir "$root/d$_" for 1 .. 20;
   spew "$root/d$_/f" for 1 .. 20;
   my $done;
   aio_rmtree $root, sub { $done = 1 };
   until ($done) {
      for (1 .. 20) {
         rename "$root/d$_", "$top/away$_" and symlink "../outside", "$root/d$_";
      }
      IO::AIO::poll_cb;
   }
   drain;
   run { aio_rmtree $root, $_[0] };
   for (1 .. 20) { my $away = "$top/away$_"; run { aio_rmtree $away, $_[0] } }
}
is names ("$top/outside") . names ("$top/outside/dir"), "dir preciousdeep", "swapping directories for links: nothing outside was touched";
ok !-e "$top/swap", "... and all can be removed in the end";

is nfds, $before, "no descriptor is left";

done_testing;
