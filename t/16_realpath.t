# Contract: aio_realpath.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Cwd ();
use Errno qw(ENOENT ENOTDIR ELOOP ENAMETOOLONG);
use IO::AIO;

my $dir = scratch;
mkdir "$dir/a"; mkdir "$dir/a/b"; spew "$dir/a/b/file"; mkdir "$dir/a/.hidden"; mkdir "$dir/a/..odd";
symlink "a/b", "$dir/to_b"; symlink "$dir/a", "$dir/absolute"; symlink "../..", "$dir/a/b/up"; symlink "to_b/file", "$dir/chain";
symlink "loop", "$dir/loop"; symlink "nothing", "$dir/dangling"; symlink "a//b/../b/", "$dir/messy"; symlink "/", "$dir/root";
chdir $dir or die;

sub real { my ($path) = @_; run { aio_realpath $path, $_[0] } }

for (
   ["a",                     "$dir/a"],
   [".",                     $dir],
   ["./a/./b/.",             "$dir/a/b"],
   ["a/b/..",                "$dir/a"],
   ["a//b///file",           "$dir/a/b/file"],
   ["a/b/",                  "$dir/a/b"],
   ["a/.hidden",             "$dir/a/.hidden"],
   ["a/..odd",               "$dir/a/..odd"],
   ["to_b",                  "$dir/a/b"],
   ["to_b/..",               "$dir/a"],
   ["to_b/file",             "$dir/a/b/file"],
   ["absolute/b",            "$dir/a/b"],
   ["a/b/up",                $dir],
   ["a/b/up/a/b/up/to_b",    "$dir/a/b"],
   ["chain",                 "$dir/a/b/file"],
   ["messy/file",            "$dir/a/b/file"],
   ["$dir/./to_b/../b/file", "$dir/a/b/file"],
   ["/",                     "/"],
   ["//",                    "/"],
   ["/..",                   "/"],
   ["/../..//.",             "/"],
   ["root",                  "/"],
   ["root/..",               "/"],
) {
   my ($path, $want) = @$_;
   my $r = real $path;
   is $r->{argc}, 1, "realpath $path";
   is $r->{args}[0], $want, "... is right";
}
is_deeply real ($_)->{args}, [Cwd::realpath ($_)], "realpath $_ agrees with Cwd" for "/etc", "/dev/fd", "/bin/sh", "/proc/self";

fails_empty { aio_realpath "none", $_[0] } ENOENT, "a missing last component: ENOENT";
fails_empty { aio_realpath "none/x", $_[0] } ENOENT, "a missing component: ENOENT";
fails_empty { aio_realpath "none/..", $_[0] } ENOENT, "a missing component before ..: ENOENT";
fails_empty { aio_realpath "", $_[0] } ENOENT, "nothing: ENOENT";
fails_empty { aio_realpath "dangling", $_[0] } ENOENT, "a dangling link: ENOENT";
fails_empty { aio_realpath "loop", $_[0] } ELOOP, "a loop: ELOOP";
fails_empty { aio_realpath "loop/x", $_[0] } ELOOP, "a loop on the way: ELOOP";
fails_empty { aio_realpath "a/b/file/x", $_[0] } ENOTDIR, "a file as directory: ENOTDIR";
fails_empty { aio_realpath "n" x 256, $_[0] } ENAMETOOLONG, "a long name: ENAMETOOLONG";

# directory objects
{
   my $wd = (run { aio_wd "to_b", $_[0] })->{args}[0];
   is real ($wd)->{args}[0], "$dir/a/b", "a directory object";
   is real ([$wd, "file"])->{args}[0], "$dir/a/b/file", "a pair";
   is real ([$wd, "up/to_b"])->{args}[0], "$dir/a/b", "a pair with links";
   is real ([$wd, "../.."])->{args}[0], $dir, "a pair going up";
   is real ([$wd, "/"])->{args}[0], "/", "a pair with an absolute path";
   is real (IO::AIO::CWD)->{args}[0], $dir, "CWD";
   is real ([IO::AIO::CWD, "to_b"])->{args}[0], "$dir/a/b", "a pair with CWD";
   my $root = (run { aio_wd "/", $_[0] })->{args}[0];
   is real ([$root, "dev"])->{args}[0], "/dev", "a pair with the root";
   rename "a/b", "a/c" or die;
   is real ($wd)->{args}[0], "$dir/a/b", "an object tells the path it had when made";
   rename "a/c", "a/b" or die;
}

# results are octets
{
   my $name = "a/" . join "", grep { $_ ne "/" } map { chr } 1 .. 255;
   mkdir $name or die;
   my $got = real ($name)->{args}[0];
   ok $got eq "$dir/$name" && !utf8::is_utf8 ($got), "names of all octets";
}

# as many links as the kernel follows
symlink "a", "l1";
symlink "l" . ($_ - 1), "l$_" for 2 .. 41;
ok -e "l40" && !-e "l41", "the kernel follows 40 links" or diag "other limits than on Linux";
is real ("l30")->{args}[0], "$dir/a", "30 links";
is real ("l40")->{args}[0], "$dir/a", "40 links";
fails_empty { aio_realpath "l41", $_[0] } ELOOP, "41 links: ELOOP";

# a directory that is no more
mkdir "gone"; chdir "gone" or die; rmdir "../gone" or die;
fails_empty { aio_realpath ".", $_[0] } ENOENT, "in a deleted directory: ENOENT";
fails_empty { aio_realpath "x", $_[0] } ENOENT, "... also for names in it";
is real ("/")->{args}[0], "/", "... absolute paths work";

done_testing;
