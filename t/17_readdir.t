# Contract: aio_readdir and aio_readdirx.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR ELOOP ENAMETOOLONG);
use IO::AIO qw(:DEFAULT);
use POSIX ();
use Socket;

use constant { DENTS => IO::AIO::READDIR_DENTS (), DIRS => IO::AIO::READDIR_DIRS_FIRST (),
               ORDER => IO::AIO::READDIR_STAT_ORDER (), UNKNOWN => IO::AIO::READDIR_FOUND_UNKNOWN () };

my $top = scratch;
my $dir = "$top/dir";
mkdir $dir or die;
mkdir "$top/empty" or die;
symlink "dir", "$top/link"; symlink "loop", "$top/loop"; spew "$top/file";
is_deeply +(run { aio_readdir "$top/empty", $_[0] })->{args}, [[]], "an empty directory";

spew "$dir/f$_" for 1 .. 30; mkdir "$dir/d$_" for 1 .. 20;
symlink "f1", "$dir/link"; symlink "d1", "$dir/dirlink"; POSIX::mkfifo ("$dir/fifo", 0600);
spew "$dir/.hidden"; spew "$dir/..dots"; spew "$dir/a b\n\xff"; mkdir "$dir/.hd";
socket my $s, AF_UNIX, SOCK_STREAM, 0 or die;
chdir $dir; bind $s, sockaddr_un "socket" or die; chdir "/";
my $all = names $dir;
my %ino = map { $_ => (lstat "$dir/$_")[1] } split / (?!b)/, $all;
my $count = keys %ino;

{
   my $r = run { aio_readdir $dir, $_[0] };
   is $r->{argc}, 1, "aio_readdir passes one argument";
   is join (" ", sort @{ $r->{args}[0] }), $all, "... all names but . and ..";
   push @{ $r->{args}[0] }, "x";
   is $r->{args}[0][-1], "x", "... which the user may change";
   is join (" ", sort @{ (run { aio_readdir "$top/link", $_[0] })->{args}[0] }), $all, "a link to a directory is followed";
}
fails_undef { aio_readdir "$top/none", $_[0] } ENOENT, "ENOENT";
fails_undef { aio_readdir "$top/file", $_[0] } ENOTDIR, "ENOTDIR";
fails_undef { aio_readdir "$top/loop", $_[0] } ELOOP, "ELOOP";
fails_undef { aio_readdir "$top/" . "n" x 256, $_[0] } ENAMETOOLONG, "ENAMETOOLONG";

# types where the file system tells them
sub type_of {
   my ($name) = @_;
   lstat "$dir/$name";
   -l _ ? IO::AIO::DT_LNK () : -d _ ? IO::AIO::DT_DIR () : -f _ ? IO::AIO::DT_REG () : -p _ ? IO::AIO::DT_FIFO () : -S _ ? IO::AIO::DT_SOCK () : -1
}
for my $flags (0 .. 7) {
   next if $flags & 2 and !(DIRS & 2);
   my $r = run { aio_readdirx $dir, $flags, $_[0] };
   my ($entries, $told) = @{ $r->{args} };
   my $what = "flags $flags";
   is $r->{argc}, 2, "$what: two arguments";
   is $told & ~UNKNOWN, $flags | DENTS, "... the second is the flags, and READDIR_DENTS";
   my $typed = !($told & UNKNOWN);
   my @names = $flags & DENTS ? map { $_->[0] } @$entries : @$entries;
   is join (" ", sort @names), $all, "... all names are there";
   if ($flags & DENTS) {
      is scalar (grep { @$_ == 3 && $_->[2] == $ino{ $_->[0] } } @$entries), $count, "... each as name, type and inode";
      is scalar (grep { $_->[1] == type_of ($_->[0]) || !$_->[1] && !$typed } @$entries), $count, "... types are right";
   } else {
      is scalar (grep { ref } @$entries), 0, "... as plain names";
   }
   SKIP: {
      skip "this file system does not tell types", 2 unless $typed;
      my @ino = map { $ino{$_} } @names;
      if ($flags & DIRS) {
         my $n = grep { type_of ($_) == IO::AIO::DT_DIR () } @names;
         is scalar (grep { type_of ($_) == IO::AIO::DT_DIR () } @names[0 .. $n - 1]), $n, "... directories first";
         is "@ino[0 .. $n - 1]", join (" ", sort { $a <=> $b } @ino[0 .. $n - 1]), "... by inode";
         is "@ino[$n .. $#ino]", join (" ", sort { $a <=> $b } @ino[$n .. $#ino]), "... the rest, too" if $flags & ORDER;
      } elsif ($flags & ORDER) {
         is "@ino", join (" ", sort { $a <=> $b } @ino), "... by inode";
      }
   }
}

# failures
for (["none", ENOENT], ["file", ENOTDIR], ["loop", ELOOP]) {
   my ($name, $errno) = @$_;
   my $r = run { aio_readdirx "$top/$name", DIRS, $_[0] };
   is $r->{argc}, 2, "aio_readdirx of a $name passes two arguments";
   is $r->{args}[0], undef, "... undef";
   is $r->{args}[1], DIRS | DENTS, "... and the flags";
   is $r->{errno}, $errno, "... with " . errno_name $errno;
}

# many entries, more than one call to the kernel delivers
{
   my $many = scratch;
   my @want = map { sprintf "%04d-%s", $_, "n" x 60 } 1 .. 2000;
   spew "$many/$_" for @want;
   my $before = nfds;
   my $r = run { aio_readdir $many, $_[0] };
   is join (" ", sort @{ $r->{args}[0] }), join (" ", @want), "2000 entries";
   my $x = (run { aio_readdirx $many, DENTS | DIRS | ORDER, $_[0] })->{args}[0];
   my @ino = map { $_->[2] } @$x;
   is "@ino", join (" ", sort { $a <=> $b } @ino), "... sorted";
   is scalar @$x, 2000, "... and complete";
   is nfds, $before, "no descriptor is left";
}

done_testing;
