# Contract: working directory objects, with every function that takes a path.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR EINVAL ENOTEMPTY);
use Fcntl;
use File::Path qw(remove_tree);
use IO::AIO;

my $top = scratch;
chdir "/" or die;
my $before = nfds;

# ---- making them
my $wd = (run { aio_wd $top, $_[0] })->{args}[0];
is ref $wd, "IO::AIO::WD", "an object";
is nfds, $before + 1, "... costs one descriptor";
fails_undef { aio_wd "$top/none", $_[0] } ENOENT, "a missing directory: undef, ENOENT";
spew "$top/plain", "x";
fails_undef { aio_wd "$top/plain", $_[0] } ENOTDIR, "a file: undef, ENOTDIR";
fails_undef { aio_wd "", $_[0] } ENOENT, "the empty path: undef, ENOENT";
is ref IO::AIO::CWD, "IO::AIO::WD", "CWD is one";
is ref IO::AIO::INVALID_WD, "IO::AIO::WD", "INVALID_WD is one";
{
   my $second = (run { aio_wd $wd, $_[0] })->{args}[0];
   is nfds, $before + 2, "aio_wd of an object makes another";
   works { aio_stat [$second, "plain"], $_[0] } "... of the same directory";
}
drain;
is nfds, $before + 1, "the descriptor goes with the object";
if (opendir my $fds, "/proc/self/fd") {
   my ($fd) = grep { (readlink "/proc/self/fd/$_" || "") eq $top } readdir $fds;
   closedir $fds;
   SKIP: {
      open my $info, "<", "/proc/self/fdinfo/$fd" or skip "no /proc/self/fdinfo here", 1;
      my ($flags) = map { /^flags:\s*(\d+)/ ? oct $1 : () } <$info>;
      ok $flags & (IO::AIO::O_CLOEXEC () || 02000000), "the descriptor is close-on-exec";
   }
}

# ---- every function, below the directory and below another one
sub setup {
   remove_tree ("$top/in");
   mkdir "$top/in" or die;
   spew "$top/in/file", "content";
   spew "$top/in/other", "of the other";
   mkdir "$top/in/empty";
   mkdir "$top/in/full"; mkdir "$top/in/full/d"; spew "$top/in/full/$_" for qw(d/x y);
   symlink "file", "$top/in/link";
}
setup;
my $in = (run { aio_wd [$wd, "in"], $_[0] })->{args}[0];
is ref $in, "IO::AIO::WD", "an object below another";

my ($data, @got);
sub got { my $cb = $_[0]; sub { @got = @_; goto &$cb } }

for my $how (["the directory" => sub { setup; $in = (run { aio_wd [$wd, "in"], $_[0] })->{args}[0]; sub { [$in, $_[0]] } }],
             ["its parent"    => sub { setup; sub { [$wd, "in/$_[0]"] } }],
             ["CWD"           => sub { setup; chdir "$top/in"; sub { [IO::AIO::CWD, $_[0]] } }]) {
   my ($name, $prepare) = @$how;
   my $p = $prepare->();
   my $at = sub { "$top/in/$_[0]" };
   @got = ();
   run { aio_open $p->("file"), O_RDONLY, 0, got $_[0] };
   is readline $got[0], "content", "$name: aio_open";
   @got = ();
   works { my $cb = $_[0]; aio_stat $p->("file"), sub { @got = -s _; &$cb } } "$name: aio_stat";
   is $got[0], 7, "... that file";
   works { my $cb = $_[0]; aio_lstat $p->("link"), sub { @got = -l _; &$cb } } "$name: aio_lstat";
   ok $got[0], "... that link";
   is ref +(run { aio_statvfs $p->("file"), $_[0] })->{args}[0], "HASH", "$name: aio_statvfs";
   works { aio_utime $p->("file"), 100, 200, $_[0] } "$name: aio_utime";
   is +(stat $at->("file"))[9], 200, "... that file";
   works { aio_chown $p->("file"), -1, -1, $_[0] } "$name: aio_chown";
   works { aio_chmod $p->("file"), 0600, $_[0] } "$name: aio_chmod";
   is +(stat $at->("file"))[2] & 07777, 0600, "... that file";
   works { aio_truncate $p->("file"), 4, $_[0] } "$name: aio_truncate";
   is slurp ($at->("file")), "cont", "... that file";
   works { aio_mkdir $p->("new"), 0755, $_[0] } "$name: aio_mkdir";
   ok -d $at->("new"), "... there";
   works { aio_mknod $p->("node"), 0644, 0, $_[0] } "$name: aio_mknod";
   ok -f $at->("node"), "... there";
   works { aio_link $p->("file"), $p->("hard"), $_[0] } "$name: aio_link";
   is +(stat $at->("hard"))[3], 2, "... there";
   works { aio_symlink "text", $p->("sym"), $_[0] } "$name: aio_symlink";
   is +(run { aio_readlink $p->("sym"), $_[0] })->{args}[0], "text", "$name: aio_readlink";
   is +(run { aio_realpath $p->("link"), $_[0] })->{args}[0], $at->("file"), "$name: aio_realpath";
   works { aio_rename $p->("hard"), $p->("renamed"), $_[0] } "$name: aio_rename";
   ok -e $at->("renamed"), "... there";
   works { aio_rename2 $p->("renamed"), $p->("node"), 0, $_[0] } "$name: aio_rename2";
   ok !-e $at->("renamed"), "... there";
   works { aio_unlink $p->("node"), $_[0] } "$name: aio_unlink";
   ok !-e $at->("node"), "... there";
   works { aio_rmdir $p->("new"), $_[0] } "$name: aio_rmdir";
   ok !-e $at->("new"), "... there";
   is "@{[sort @{ (run { aio_readdir $p->('full'), $_[0] })->{args}[0] }]}", "d y", "$name: aio_readdir";
   is "@{[sort @{ (run { aio_readdirx $p->('full'), 0, $_[0] })->{args}[0] }]}", "d y", "$name: aio_readdirx";
   passes { aio_slurp $p->("file"), 0, 0, $data, $_[0] } 4, "$name: aio_slurp";
   is $data, "cont", "... that file";
   is_deeply +(run { aio_scandir $p->("full"), 0, $_[0] })->{args}, [["d"], ["y"]], "$name: aio_scandir";
   passes { aio_load $p->("other"), $data, $_[0] } 12, "$name: aio_load";
   is $data, "of the other", "... that file";
   works { aio_copy $p->("other"), $p->("copy"), $_[0] } "$name: aio_copy";
   is slurp ($at->("copy")), "of the other", "... there";
   works { aio_move $p->("copy"), $p->("moved"), $_[0] } "$name: aio_move";
   ok !-e $at->("copy") && -e $at->("moved"), "... there";
   works { aio_pathsync $p->("moved"), $_[0] } "$name: aio_pathsync";
   works { aio_rmtree $p->("full"), $_[0] } "$name: aio_rmtree";
   ok !-e $at->("full"), "... there";
   is names ("$top/in"), "empty file link moved other sym", "$name: nothing else";
   chdir "/";
}

# two directories in one request
setup; mkdir "$top/two" or die;
$in = (run { aio_wd "$top/in", $_[0] })->{args}[0];
my $two = (run { aio_wd "$top/two", $_[0] })->{args}[0];
for (
   ["aio_rename"  => sub { aio_rename  [$in, "file"], [$two, "file"], $_[0] }, "file"],
   ["aio_rename2" => sub { aio_rename2 [$in, "other"], [$two, "other"], 0, $_[0] }, "file other"],
   ["aio_link"    => sub { aio_link    [$in, "link"], [$two, "link"], $_[0] }, "file link other"],
   ["aio_copy"    => sub { aio_copy    [$two, "file"], [$two, "copy"], $_[0] }, "copy file link other"],
   ["aio_move"    => sub { aio_move    [$in, "empty"], [$two, "empty"], $_[0] }, "copy empty file link other"],
) {
   my ($name, $call, $want) = @$_;
   works { $call->($_[0]) } "$name from one directory to another";
   is names ("$top/two"), $want, "... arrives";
}

# ---- the directory itself
setup;
$in = (run { aio_wd "$top/in", $_[0] })->{args}[0];
for (["the object" => sub { $in }], ["a pair with ." => sub { [$in, "."] }]) {
   my ($name, $self) = @$_;
   works { my $cb = $_[0]; aio_stat $self->(), sub { @got = -d _; &$cb } } "aio_stat of $name";
   is join (" ", sort @{ (run { aio_readdir $self->(), $_[0] })->{args}[0] }), "empty file full link other", "aio_readdir of $name";
   works { aio_pathsync $self->(), $_[0] } "aio_pathsync of $name";
   works { aio_chmod $self->(), 0750, $_[0] } "aio_chmod of $name";
   is ref +(run { aio_open $self->(), O_RDONLY, 0, $_[0] })->{args}[0], "", "aio_open of $name";
   is scalar @{ (run { aio_scandir $self->(), 0, $_[0] })->{args}[0] }, 2, "aio_scandir of $name";
   my $doomed = (run { aio_wd [$in, "empty"], $_[0] })->{args}[0];
   works { aio_rmdir $name =~ /pair/ ? [$doomed, "."] : $doomed, $_[0] } "aio_rmdir of $name";
   ok !-e "$top/in/empty", "... removes the directory";
   fails { aio_stat [$doomed, "x"], $_[0] } ENOENT, "... in which nothing is any more";
   mkdir "$top/in/empty";
   my $moved = (run { aio_wd [$in, "empty"], $_[0] })->{args}[0];
   works { aio_rename $name =~ /pair/ ? [$moved, "."] : $moved, "$top/in/renamed", $_[0] } "aio_rename of $name";
   ok -d "$top/in/renamed", "... renames the directory";
   works { aio_mkdir [$moved, "below"], 0755, $_[0] } "... and the object follows it";
   ok -d "$top/in/renamed/below", "... to its new place";
   is +(run { aio_realpath $moved, $_[0] })->{args}[0], "$top/in/empty", "... while aio_realpath tells the old one";
   remove_tree ("$top/in/renamed"); mkdir "$top/in/empty";
   my $tree = (run { aio_wd [$in, "full"], $_[0] })->{args}[0];
   works { aio_rmtree $name =~ /pair/ ? [$tree, "."] : $tree, $_[0] } "aio_rmtree of $name" if $name !~ /pair/;
   ok !-e "$top/in/full", "... removes the directory" if $name !~ /pair/;
   mkdir "$top/in/full";
}
chdir "$top/in" or die;
fails { aio_rmdir [IO::AIO::CWD, "."], $_[0] } EINVAL, "aio_rmdir of CWD: EINVAL";
chdir "/";

# an object sees its directory wherever it goes
rename "$top/in", "$top/out" or die;
works { aio_stat [$in, "file"], $_[0] } "an object follows a directory that is renamed";
rename "$top/out", "$top/in" or die;

# ---- life
{
   hold;
   my @sizes;
   my $short = $in;
   aio_stat [$short, "file"], sub { push @sizes, -s _ } for 1 .. 3;
   undef $short;
   my $n = nfds;
   undef $in;
   is nfds, $n, "queued requests keep the directory";
   release;
   is "@sizes", "7 7 7", "... and find it";
   drain;
   cmp_ok nfds, "<", $n, "... then it is closed";
}
{
   my @wd;
   aio_wd $top, sub { push @wd, @_ } for 1 .. 20;
   drain;
   is scalar (grep { ref eq "IO::AIO::WD" } @wd), 20, "20 objects";
   my $n = nfds;
   aioreq_pri 3;
   @wd = ();
   is aioreq_pri (0), 3, "giving up objects leaves the priority alone";
   drain;
   is nfds, $n - 20, "... and closes all";
}
undef $_ for $wd, $two, $in;
drain;
is nfds, $before, "all descriptors are closed";

done_testing;
