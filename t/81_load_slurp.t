# Contract: aio_load and aio_slurp.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT ENOTDIR EISDIR EINVAL);
use IO::AIO;

my $dir  = scratch;
my $text = "0123456789";
my $file = spew "$dir/file", $text;
my $large = join "", map { pack "N", $_ } 1 .. 500_000;
spew "$dir/large", $large; spew "$dir/empty"; symlink "file", "$dir/link";
my $before = nfds;

# ---- aio_load
{
   my $data = "old";
   passes { aio_load $file, $data, $_[0] } 10, "aio_load";
   is $data, $text, "... the file";
   passes { aio_load "$dir/link", $data, $_[0] } 10, "... through a link";
   passes { aio_load "$dir/empty", $data, $_[0] } 0, "... an empty file";
   is $data, "", "... the empty string";
   passes { aio_load "$dir/large", $data, $_[0] } length $large, "... two megabytes";
   ok $data eq $large, "... all right";
   my (%hash, @array, $fresh);
   passes { aio_load $file, $hash{x}, $_[0] } 10, "... into a hash element";
   passes { aio_load $file, $array[1], $_[0] } 10, "... into an array element";
   passes { aio_load $file, $$fresh, $_[0] } 10, "... into a referent";
   is "$hash{x} $array[1] $$fresh", "$text $text $text", "... which are made";
   $data = "old";
   fails { aio_load "$dir/none", $data, $_[0] } ENOENT, "... a missing file: ENOENT";
   fails { aio_load "$file/x", $data, $_[0] } ENOTDIR, "... ENOTDIR";
   is $data, "old", "... leaves the scalar alone";
   fails { aio_load $dir, $data, $_[0] } EISDIR, "... a directory: EISDIR";
   is $data, "", "... empties the scalar";
   is ref aio_load ($file, $data), "IO::AIO::GRP", "... returns a group";
   drain;
   is $data, $text, "... works without callback";
   my $text2 = "\x{e9}" x 5;
   utf8::upgrade $text2;
   passes { aio_load $file, $text2, $_[0] } 10, "... over an upgraded string";
   ok $text2 eq $text && !utf8::is_utf8 ($text2), "... makes octets";
   my @many;
   aio_load $file, $many[$_], sub { } for 0 .. 49;
   drain;
   is "@many", join (" ", ($text) x 50), "... fifty at a time";
   ok eval { $data .= "more"; $data = "other"; undef $data; 1 }, "... the scalar is an ordinary one";
   my $original = "o" x 2000;
   my $copy = $original;
   passes { aio_load $file, $copy, $_[0] } 10, "... into a copy";
   ok $original eq "o" x 2000, "... leaves the original alone";
   my $const = "c"; Internals::SvREADONLY ($const, 1);
   refused { aio_load $file, $const, $_[0] } qr/^Modification of a read-only value/, "... refuses a constant";
}
is nfds, $before, "no descriptor is left";

# ---- aio_slurp
for (
   ["the whole file",        0,    0,   $text],
   ["from an offset",        3,    0,   "3456789"],
   ["a part",                2,    3,   "234"],
   ["over the end",          8,    5,   "89"],
   ["at the end",            10,   5,   ""],
   ["beyond the end",        20,   5,   ""],
   ["from before the end",   -3,   0,   "789"],
   ["a part from there",     -5,   2,   "56"],
   ["from minus the size",   -10,  0,   $text],
   ["all, beyond the end",   20,   0,   ""],
   ["all, at the end",       10,   0,   ""],
) {
   my ($name, $offset, $length, $want) = @$_;
   for my $start (undef, "old", "x" x 10000) {
      my $data = $start;
      passes { aio_slurp $file, $offset, $length, $data, $_[0] } length $want, "aio_slurp: $name: count";
      ok defined $data && $data eq $want, "... data";
   }
}
{
   my $data = "old";
   fails { aio_slurp $file, -11, 0, $data, $_[0] } EINVAL, "before the start: EINVAL";
   fails { aio_slurp "$dir/none", 0, 0, $data, $_[0] } ENOENT, "a missing file: ENOENT";
   fails { aio_slurp "$file/x", 0, 0, $data, $_[0] } ENOTDIR, "ENOTDIR";
   fails { aio_slurp $dir, 0, 5, $data, $_[0] } EISDIR, "a directory: EISDIR";
   is $data, "old", "... leave the scalar alone";
   my $undef;
   fails { aio_slurp "$dir/none", 0, 0, $undef, $_[0] } ENOENT, "a missing file";
   is $undef, undef, "... leaves undef undef";
   passes { aio_slurp "$dir/empty", 0, 0, $undef, $_[0] } 0, "an empty file";
   is $undef, "", "... is the empty string, defined";
   passes { aio_slurp "$dir/large", 0, 0, $data, $_[0] } length $large, "two megabytes";
   ok $data eq $large, "... all right";
   passes { aio_slurp $file, 0, 0, $data, $_[0] } 10, "again into the same scalar";
   passes { aio_slurp $file, 1, 0, $data, $_[0] } 9, "... and again";
   ok eval { $data .= "more"; $data = "other"; undef $data; 1 }, "... which is an ordinary one";
   my (%hash, @array);
   passes { aio_slurp $file, 0, 2, $hash{a}, $_[0] } 2, "a hash element";
   passes { aio_slurp $file, 0, 0, $array[2], $_[0] } 10, "an array element";
   is_deeply [\%hash, \@array], [{ a => "01" }, [undef, undef, $text]], "... are made";
   aio_slurp $file, 0, 4, $data;
   drain;
   is $data, "0123", "without callback";
   fails { aio_slurp "\0", 0, 4, $data, $_[0] } ENOENT, "a NUL: ENOENT";
   is ref aio_slurp ($file, 0, 0, $data), "IO::AIO::REQ", "aio_slurp returns a request";
   drain;
}
{
   my $map;
   IO::AIO::mmap ($map, 4096, IO::AIO::PROT_READ () | IO::AIO::PROT_WRITE (), IO::AIO::MAP_PRIVATE () | IO::AIO::MAP_ANONYMOUS ())
      or die "mmap: $!";
   passes { aio_slurp $file, 0, 0, $map, $_[0] } 10, "a mapped scalar is unmapped";
   is $map, $text, "... and filled";
}
is nfds, $before, "no descriptor is left";

done_testing;
