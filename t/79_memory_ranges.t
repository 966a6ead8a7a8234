# madvise, mprotect, munlock, mlockall, munlockall: ranges of a scalar.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

IO::AIO::MAP_ANONYMOUS or plan skip_all => "this system has no anonymous mappings";

my $page    = IO::AIO::PAGESIZE;
my ($read, $both) = (IO::AIO::PROT_READ, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE);
my $outside = qr/outside of scalar/;
my ($normal, $dontneed) = (IO::AIO::MADV_NORMAL, IO::AIO::MADV_DONTNEED);
sub result (&) { my ($r, $e) = &errno_of; $r == -1 ? "-1 $e" : $r }

IO::AIO::mmap my $map, 4 * $page, $both, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS or die "mmap: $!";

# ---- ranges ----------------------------------------------------------------

{
   local $! = 5;
   is IO::AIO::madvise ($map, 0, 4 * $page, IO::AIO::MADV_SEQUENTIAL), 0, "madvise returns 0";
   is IO::AIO::madvise ($map, $page, $page, IO::AIO::MADV_WILLNEED), 0, "for a range";
   is IO::AIO::madvise ($map, 0, $page, 77), 22, "or the error number";
   is $! + 0, 5, "and leaves \$! alone";
}

for my $call (
   ["madvise", sub { IO::AIO::madvise $map, $_[0], $_[1], $normal }],
   ["mprotect", sub { IO::AIO::mprotect $map, $_[0], $_[1], $both }],
   ["munlock", sub { IO::AIO::munlock $map, $_[0], $_[1] }],
) {
   my ($name, $code) = @$call;
   my $run = sub { my @arg = @_; sub { $code->(@arg) } };
   is $code->(0, $page), 0, "$name of a page";
   is $code->(-$page, $page), 0, "$name: a negative offset counts from the end";
   is $code->(-$page, undef), 0, "$name: an undefined length means the rest";
   is $code->($page, 100 * $page), 0, "$name: so does one too large";
   is $code->($page, -1), 0, "$name: and a negative one";
   is $code->(0, -1), 0, "$name: also from the start";
   is $code->(4 * $page, 0), 0, "$name: the length itself is a legal offset";
   is $code->(5, 1), 0, "$name: the range is widened to whole pages";
   like error_of { $code->(4 * $page + 1, 1) }, $outside, "$name: an offset beyond the end dies";
   like error_of { $code->(-4 * $page - 1, 1) }, $outside, "$name: one before the start, too";
}

# ---- madvise ---------------------------------------------------------------

substr ($map, 0, 4) = "kept";
is IO::AIO::madvise ($map, 0, 4 * $page, $dontneed), 0, "MADV_DONTNEED";
is substr ($map, 0, 4), "kept", "keeps the data";

# ---- mprotect --------------------------------------------------------------

is result { IO::AIO::mprotect $map, 0, $page, $read }, 0, "mprotect";
is substr ($map, 0, 4), "kept", "the page can be read";
substr ($map, $page, 2) = "ok";
is substr ($map, $page, 2), "ok", "the others can be written";
{
   my ($status) = in_child { substr ($map, 0, 1) = "x" };
   like $status, qr/^signal \d+\z/, "writing to it is a fault";
}
is result { IO::AIO::mprotect $map, 0, $page, $both }, 0, "back again";
substr ($map, 0, 4) = "more";
is substr ($map, 0, 4), "more", "it can be written";
is result { IO::AIO::mprotect $map, 0, $page, 0x7000 }, "-1 22", "unknown protection: -1, EINVAL";

# ---- munlock, mlockall, munlockall -----------------------------------------

{
   my $status;
   aio_mlock $map, 0, $page, sub { $status = $_[0] };
   drain;
   SKIP: {
      $status == 0 or skip "cannot lock a page: $!", 3;
      is result { IO::AIO::munlock $map, 0, $page }, 0, "munlock";
      is result { IO::AIO::munlock $map }, 0, "offset and length may be omitted";
      is result { IO::AIO::munlock $map, -$page }, 0, "or the length alone";
   }
}
{
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      print result { IO::AIO::mlockall 0 };
      print ", ", result { IO::AIO::mlockall 0x4000 };
      my $locked = result { IO::AIO::mlockall IO::AIO::MCL_CURRENT };
      print ", ", $locked =~ /^(?:0|-1 (?:1|11|12))\z/ ? "0 or not permitted" : $locked;
      print ", ", result { IO::AIO::munlockall };
   };
   is "$status: $output", "exit 0: -1 22, -1 22, 0 or not permitted, 0", "mlockall: flags 0 or unknown are EINVAL; munlockall";
}

# ---- too few arguments ------------------------------------------------------

# The prototypes allow them, and what stands beyond the list must not be used.
for my $case (
   ["madvise with one argument",  sub { &IO::AIO::madvise ($map) }],
   ["madvise with two",           sub { IO::AIO::madvise $map, 0 }],
   ["madvise with three",         sub { IO::AIO::madvise $map, 0, $page }],
   ["mprotect with one argument", sub { &IO::AIO::mprotect ($map) }],
   ["mprotect with two",          sub { IO::AIO::mprotect $map, 0 }],
   ["mprotect with three",        sub { IO::AIO::mprotect $map, 0, $page }],
) {
   my ($name, $code) = @$case;
   my ($status, $output) = in_child { print error_of { $code->() } =~ m{^Usage: } ? "usage" : "other" };
   is "$status: $output", "exit 0: usage", "$name: usage";
}

# ---- ordinary scalars ------------------------------------------------------

{
   my $string = "x" x (3 * $page);
   is IO::AIO::madvise ($string, 0, undef, IO::AIO::MADV_WILLNEED), 0, "madvise of an ordinary string";
   is result { IO::AIO::munlock $string }, 0, "munlock of one";
   my $empty = "";
   is error_of { IO::AIO::madvise $empty, 0, 0, $normal }, "", "an empty one";
   is scalar (() = warnings_of { IO::AIO::madvise $string, 0, undef, $normal; IO::AIO::munlock $string, 0, undef }), 0, "an undefined length gives no warning";
   like error_of { IO::AIO::madvise "\x{263a}" x 10, 0, 1, $normal }, qr/byte|octet|Wide/, "wide characters are refused";
}

done_testing;
