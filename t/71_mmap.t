# mmap, munmap, mremap.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

IO::AIO::MAP_SHARED or plan skip_all => "this system has no mmap";

my $page  = IO::AIO::PAGESIZE;
my ($read, $write) = (IO::AIO::PROT_READ, IO::AIO::PROT_WRITE);
my $both  = $read | $write;
my $anon  = IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS;
my ($shared, $private) = (IO::AIO::MAP_SHARED, IO::AIO::MAP_PRIVATE);

my $text = join "", map chr 97 + $_ % 26, 0 .. 3 * $page - 1;
my $file = spew scratch . "/mapped", $text;
open my $in, "<", $file or die;
open my $rw, "+<", $file or die;

# How many mappings of the file the process has.
sub mappings {
   open my $maps, "<", "/proc/self/maps" or return;
   scalar grep m{/mapped$}, <$maps>
}
my $can_count = defined mappings;
sub maps_are { SKIP: { $can_count or skip "no /proc/self/maps to count mappings in", 1; is mappings, $_[0], $_[1] } }

# ---- reading ---------------------------------------------------------------

{
   my $map;
   ok +IO::AIO::mmap ($map, $page, $read, $shared, $in), "a shared mapping for reading";
   is length $map, $page, "has that length";
   ok $map eq substr ($text, 0, $page), "and the file's content";
   ok !utf8::is_utf8 ($map), "as a byte string";
   is index ($map, "xyz"), 23, "usable like any string";
   my $copy = $map;
   is length $copy, $page, "copies are plain";
   for my $change ([assigned => sub { $map = "x" }], [changed => sub { substr ($map, 0, 1) = "x" }], [appended => sub { $map .= "x" }], [upgraded => sub { $map =~ s/a/b/ }]) {
      like error_of { $change->[1]->() }, qr/^Modification of a read-only/, "it cannot be $change->[0]";
   }
   maps_are 1, "mapped once";
   is_deeply [IO::AIO::munmap $map], [], "munmap returns nothing";
   ok !defined $map, "the scalar is undefined then";
   maps_are 0, "unmapped";
   $map = "usable";
   is $map, "usable", "and usable";
   IO::AIO::munmap $map;
   is $map, "usable", "munmap of a scalar that is not mapped does nothing";
}

# ---- writing ---------------------------------------------------------------

{
   my $map;
   ok +IO::AIO::mmap ($map, 2 * $page, $both, $shared, $rw, $page), "a writable mapping at an offset";
   ok $map eq substr ($text, $page), "the right place";
   substr ($map, 0, 3) = "XYZ";
   vec ($map, 4, 8) = 65;
   is substr (slurp ($file), $page, 5), "XYZ" . substr ($text, $page + 3, 1) . "A", "changes are seen in the file";
   undef $map;
   maps_are 0, "undef unmaps";
   spew $file, $text;
}

{
   my $map;
   $map = "";
   ok eval { IO::AIO::mmap $map, $page, $both, $private, $in }, "a private writable mapping of a handle for reading";
   substr ($map, 0, 3) = "XYZ";
   is substr ($map, 0, 4), "XYZd", "can be written";
   is substr (slurp ($file), 0, 4), "abcd", "which the file does not see";
}
maps_are 0, "the end of the scope unmaps";

{
   my $map;
   ok +IO::AIO::mmap ($map, 100, $both, $anon), "an anonymous mapping, without handle";
   is $map, "\0" x 100, "zeros, and exactly as long as asked for";
   substr ($map, 10, 2) = "hi";
   is substr ($map, 9, 4), "\0hi\0", "writable";
   ok +IO::AIO::mmap ($map, 50, $read, $anon, undef, 0), "with undef as handle, over the old one";
   is length $map, 50, "the old mapping is replaced";
}

{
   open my $fh, "<", $file or die;
   my $map;
   IO::AIO::mmap $map, $page, $read, $shared, $fh;
   close $fh;
   is substr ($map, 0, 3), "abc", "closing the handle afterwards does not matter";
   ok +IO::AIO::mmap ($map, $page, $read, $shared, fileno $in), "a descriptor number will do";
}

# ---- errors ----------------------------------------------------------------

for my $case (
   ["length 0",                             "EINVAL", 0, $read, $shared, $in, 0],
   ["an offset off a page",                 "EINVAL", $page, $read, $shared, $in, 5],
   ["no sharing flag",                      "EINVAL", $page, $read, 0, $in, 0],
   ["a descriptor that is not open",        "EBADF", $page, $read, $shared, 999, 0],
   ["no handle",                            "EBADF", $page, $read, $shared, undef, 0],
   ["writing through a handle for reading", "EACCES", $page, $both, $shared, $in, 0],
) {
   my ($name, $error, @arg) = @$case;
   my $map = "before";
   $! = 0;
   my $result = IO::AIO::mmap $map, $arg[0], $arg[1], $arg[2], $arg[3], $arg[4];
   ok !$result && $!{$error}, "$name: false, $error" or diag "result ", $result // "undef", ", error $!";
   is $map, "before", "a plain scalar keeps its value";
}

{
   my $map;
   IO::AIO::mmap $map, $page, $read, $shared, $in;
   ok !IO::AIO::mmap ($map, 0, $read, $shared, $in), "a failing call on a mapped scalar";
   ok !defined $map, "the previous mapping goes first";
   maps_are 0, "unmapped";
}

{
   open my $closed, "<", $file or die;
   close $closed;
   like error_of { IO::AIO::mmap my $map, $page, $read, $shared, $closed }, qr/mode mismatch/, "a closed handle is refused";
   like error_of { IO::AIO::mmap "text", $page, $read, $shared, $in }, qr/read-only/, "a constant, too";
}

# ---- any scalar ------------------------------------------------------------

{
   my ($number, $string, %hash, @array) = (42, "a string");
   my $reference = \my $referent;
   my ($key) = keys %{{ shared => 1 }};
   $hash{old} = 1;
   my $utf8 = "\x{263a}";
   my @case = (
      ["a number", \$number], ["a string", \$string], ["a referent", $reference],
      ["a shared string", \$key], ["a wide string", \$utf8], ["an array element", \$array[3]], ["a hash element", \$hash{old}],
   );
   for my $case (@case) {
      my ($name, $scalar) = @$case;
      ok +IO::AIO::mmap ($$scalar, $page, $both, $private, $rw), $name;
      is substr ($$scalar, 0, 3), "abc", "is mapped";
      substr ($$scalar, 0, 1) = "A";
      is length $$scalar, $page, "and changed in place";
      IO::AIO::munmap $$scalar;
      ok !defined $$scalar, "and unmapped";
   }
   maps_are 0, "all unmapped";
   ok +IO::AIO::mmap ($hash{new}, $page, $read, $shared, $in), "an element that does not exist yet";
   is length $hash{new}, $page, "comes into being";
   delete $hash{new};
   maps_are 0, "deleting it unmaps";
}

# ---- assigned by the user --------------------------------------------------

{
   my ($status, $output) = in_child {
      {
         my $map;
         IO::AIO::mmap $map, $page, $both, $private, $rw;
         $map = "a new value";
         print "$map ";
         IO::AIO::munmap $map;
         print defined $map ? $map : "undef", " ";
      }
      {
         my $map;
         IO::AIO::mmap $map, $page, $both, $private, $rw;
         $map .= "grown" x 1000;
         print length ($map) - $page, " ";
      }
      {
         my $map;
         IO::AIO::mmap $map, $page, $both, $private, $rw;
         $map = "x" x (10 * $page);
      }
      print "mappings ", $can_count ? mappings : 0;
   };
   like "$status: $output", qr/^exit 0: a new value (?:a new value|undef) 5000 mappings 0\z/, "a mapped scalar that is assigned or grown is unmapped quietly";
}

{
   my $map;
   IO::AIO::mmap $map, $page, $read, $shared, $in;
   is error_of { undef $map }, "", "a read-only one can be undefined";
   ok !defined $map, "it is";
   maps_are 0, "and unmapped";
}

# ---- mremap ----------------------------------------------------------------

SKIP: {
   IO::AIO::MREMAP_MAYMOVE or skip "this system has no mremap", 14;
   my $map;
   IO::AIO::mmap $map, 4 * $page, $both, $anon;
   substr ($map, 0, 4) = "data";
   is IO::AIO::mremap ($map, $page), "0 but true", "shrinking leaves the memory in place";
   is length $map, $page, "the scalar is shorter";
   ok +IO::AIO::mremap ($map, 64 * $page, IO::AIO::MREMAP_MAYMOVE), "growing";
   is length $map, 64 * $page, "makes it longer";
   is substr ($map, 0, 4), "data", "with its content";
   is IO::AIO::mremap ($map, 64 * $page, 0), "0 but true", "the same size";
   for my $case (["to nothing", 0], ["with unknown flags", $page, 64]) {
      my ($name, @arg) = @$case;
      my ($result, $errno) = errno_of { @arg == 1 ? IO::AIO::mremap $map, $arg[0] : IO::AIO::mremap $map, $arg[0], $arg[1] };
      ok !$result, "$name: false";
      is $errno, 22, "EINVAL";
      is length $map, 64 * $page, "the mapping is left as it was";
   }
   IO::AIO::munmap $map;
   like error_of { IO::AIO::mremap $map, $page }, qr/not mapped by IO::AIO::mmap/, "a scalar no longer mapped is refused";

   for my $fresh (\my $undef, \(my $string = "text" x 5000), \(my $number = 5), \(my $reference = [1])) {
      my ($status, $output) = in_child {
         print error_of { IO::AIO::mremap $$fresh, $page } =~ /not mapped/ ? "refused" : "accepted";
      };
      is "$status: $output", "exit 0: refused", "a scalar that was never mapped is refused";
   }
}

done_testing;
