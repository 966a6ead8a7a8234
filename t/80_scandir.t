# Contract: aio_scandir.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR ELOOP ENAMETOOLONG);
use IO::AIO;
use POSIX ();

my $top = scratch;
my $dir = "$top/dir";
mkdir $dir; mkdir "$top/empty"; spew "$top/file"; symlink "dir", "$top/link"; symlink "loop", "$top/loop";
mkdir "$dir/d$_" for 1 .. 40; spew "$dir/f$_" for 1 .. 60;
symlink "d1", "$dir/dirlink"; symlink "f1", "$dir/filelink"; symlink "none", "$dir/dangling"; symlink "loop", "$dir/loop";
POSIX::mkfifo ("$dir/fifo", 0600); mkdir "$dir/.hidden"; spew "$dir/.file"; mkdir "$dir/..d"; spew "$dir/a b\n\xff";

opendir my $dh, $dir or die;
my @all = grep { $_ ne "." && $_ ne ".." } readdir $dh;
my @dirs    = sort grep { lstat "$dir/$_"; -d _ } @all;
my @nondirs = sort grep { lstat "$dir/$_"; !-d _ } @all;

sub scans {
   my ($path, $max, $name) = @_;
   my $r = run { aio_scandir $path, $max, $_[0] };
   is $r->{argc}, 2, "$name: two arguments";
   is_deeply [map { [sort @{ $_ || [] }] } @{ $r->{args} }[0, 1]], [\@dirs, \@nondirs], "$name: directories, and everything else";
}
scans $dir, 0, "a directory";
scans "$top/link", 0, "a link to a directory";
scans $dir, $_, "parallelism $_" for 1, 2, 100, -1;
{ no warnings; scans $dir, undef, "parallelism undef" }
scans +(run { aio_wd $dir, $_[0] })->{args}[0], 0, "a directory object";
scans [(run { aio_wd $top, $_[0] })->{args}[0], "dir"], 0, "a pair";
is_deeply +(run { aio_scandir "$top/empty", 0, $_[0] })->{args}, [[], []], "an empty directory";

for (["none", ENOENT], ["file", ENOTDIR], ["file/x", ENOTDIR], ["loop", ELOOP], ["n" x 256, ENAMETOOLONG]) {
   my ($path, $errno) = @$_;
   fails_empty { aio_scandir "$top/$path", 0, $_[0] } $errno, "failure passes nothing: " . errno_name $errno;
}

# the group
{
   my $before = nfds;
   my ($done, $member) = (0, 0);
   my $grp = aio_scandir $dir, 0, sub { $done++; is $member, 1, "... which ends before the callback" };
   is ref $grp, "IO::AIO::GRP", "aio_scandir returns a group";
   isa_ok $grp, "IO::AIO::REQ", "... which";
   my $lived = eval { $grp->add (aio_nop sub { $member++ }); 1 };
   ok $lived, "... takes other requests";
   drain;
   is $done, 1, "... and calls back once";
   aio_scandir $dir, 0 for 1 .. 5;
   drain;
   is nfds, $before, "no descriptor is left, without callback";
}
{
   my $n = 0;
   my %seen;
   my @todo = $top;
   my $walk;
   $walk = sub {
      my ($path) = @_;
      aio_scandir $path, 0, sub {
         my ($d, $f) = @_;
         $n += @$d + @$f;
         $walk->("$path/$_") for @$d;
      };
   };
   $walk->($top);
   drain;
   undef $walk;
   is $n, @all + 5, "a walk sees everything once";
}
{
   my @results;
   aio_scandir $dir, 0, sub { push @results, scalar @{ $_[0] } } for 1 .. 30;
   drain;
   is "@results", join (" ", (scalar @dirs) x 30), "thirty at a time";
}

done_testing;
