# Every kind of scalar as $data, in every request that takes one, left alone and
# pulled about while the request is in flight: it works or is an error that Perl
# can catch, bystanders keep their value, and memcheck sees no bad access.
#
# The same program runs twice: natively, and under valgrind.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp drain patience);
use Errno ();
use IO::AIO;
use Scalar::Util ();
use Test::More;

# ---- the program -------------------------------------------------------------

my $text = join "", map chr 33 + $_ % 90, 0 .. 9999;

package Tied { sub TIESCALAR { my $v = $_[1]; bless \$v } sub FETCH { ${ $_[0] } } sub STORE { ${ $_[0] } = $_[1] } }
package TiedElements {
   sub TIEARRAY { bless { 0 => $_[1] } } sub TIEHASH { bless { k => $_[1] } }
   sub FETCH { $_[0]{ $_[1] } } sub STORE { $_[0]{ $_[1] } = $_[2] } sub FETCHSIZE { 1 } sub EXISTS { exists $_[0]{ $_[1] } }
}
package Stringy { use overload '""' => sub { "the string of an object" }, fallback => 1; }

our $package = "0123456789";
our @package = ("0123456789");
use constant CONSTANT => "a constant string";

sub same { bless [@_], "Same" }

# Each calls $_[0] with the scalar as its argument, and returns what has to be
# kept, with `same` around what must not change: a name, a reference, the value.
my %kind = (
   "lexical"              => sub { my $x = "0123456789"; $_[0]->($x); \$x },
   "undefined"            => sub { my $x; $_[0]->($x); \$x },
   "empty string"         => sub { my $x = ""; $_[0]->($x); \$x },
   "long string"          => sub { my $x = "x" x 100_000; $_[0]->($x); \$x },
   "integer"              => sub { my $x = 1234567890; $_[0]->($x); \$x },
   "float"                => sub { my $x = 1.5; $_[0]->($x); \$x },
   "dualvar"              => sub { my $x = Scalar::Util::dualvar (5, "five"); $_[0]->($x); \$x },
   "boolean"              => sub { my $x = !!1; $_[0]->($x); \$x },
   "immortal"             => sub { $_[0]->(!!0); () },
   "literal undef"        => sub { $_[0]->(undef); () },
   "package variable"     => sub { $package = "0123456789"; $_[0]->($package); () },
   "localised element"    => sub { local $package[0] = "0123456789"; $_[0]->($package[0]); () },
   "utf8, narrow"         => sub { my $x = "0123456789\xe9"; utf8::upgrade ($x); $_[0]->($x); \$x },
   "utf8, wide"           => sub { my $x = "0123456789\x{263a}"; $_[0]->($x); \$x },
   "copy on write"        => sub { my $y = my $x = "0123456789" x 30; $_[0]->($x); (\$x, same ("the copy", \$y, "0123456789" x 30)) },
   "copied from a literal" => sub { my $x = "a literal of more than a few octets"; $_[0]->($x); \$x },
   "literal"              => sub { $_[0]->("a literal of more than a few octets"); () },
   "constant"             => sub { $_[0]->(CONSTANT); same ("the constant", \CONSTANT, "a constant string") },
   "temporary"            => sub { $_[0]->("a" . "b" x rand 10); () },
   "hash key"             => sub { my %h = (some_key => 1); $_[0]->($_) for keys %h; (\%h, same ("the key", \(keys %h)[0], "some_key")) },
   "copied hash key"      => sub { my %h = (some_key => 1); my ($x) = keys %h; $_[0]->($x); (\%h, \$x, same ("the key", \(keys %h)[0], "some_key")) },
   "substr"               => sub { my $x = "0123456789" x 3; $_[0]->(substr $x, 2, 15); \$x },
   "4-argument result"    => sub { my $x = "0123456789" x 3; $_[0]->(substr $x, 2, 15, ""); \$x },
   "substr reference"     => sub { my $x = "0123456789" x 3; my $r = \substr $x, 2, 15; $_[0]->($$r); ($r, \$x) },
   "vec"                  => sub { my $x = "0123456789"; $_[0]->(vec $x, 0, 8); \$x },
   "pos"                  => sub { my $x = "0123456789"; pos ($x) = 3; $_[0]->(pos $x); \$x },
   "array length"         => sub { my @x = 1 .. 3; $_[0]->($#x); \@x },
   "array element"        => sub { my @x = ("0123456789") x 3; $_[0]->($x[1]); (\@x, same ("the neighbour", \$x[2], "0123456789")) },
   "missing array element" => sub { my @x; $_[0]->($x[1]); \@x },
   "hash element"         => sub { my %x = (k => "0123456789"); $_[0]->($x{k}); \%x },
   "missing hash element" => sub { my %x; $_[0]->($x{k}); \%x },
   "environment"          => sub { local $ENV{AIO_BUFFER} = "0123456789"; $_[0]->($ENV{AIO_BUFFER}); () },
   "signal slot"          => sub { local $SIG{USR2} = "IGNORE"; $_[0]->($SIG{USR2}); () },
   "capture"              => sub { "xx0123456789xx" =~ /x(\d+)x/; $_[0]->($1); () },
   "match"                => sub { "xx0123456789xx" =~ /\d+/; $_[0]->($&); () },
   "program name"         => sub { local $0 = "0123456789"; $_[0]->($0); () },
   "error number"         => sub { local $! = 2; $_[0]->($!); () },
   "output separator"     => sub { local $, = "0123456789"; $_[0]->($,); () },
   "input separator"      => sub { local $/ = "0123456789"; $_[0]->($/); () },
   "accumulator"          => sub { local $^A = "0123456789"; $_[0]->($^A); () },
   "topic"                => sub { local $_ = "0123456789"; $_[0]->($_); () },
   "tied"                 => sub { tie my $x, "Tied", "0123456789"; $_[0]->($x); \$x },
   "tied, wide"           => sub { tie my $x, "Tied", "\x{263a}"; $_[0]->($x); \$x },
   "tied array element"   => sub { tie my @x, "TiedElements", "0123456789"; $_[0]->($x[0]); \@x },
   "tied hash element"    => sub { tie my %x, "TiedElements", "0123456789"; $_[0]->($x{k}); \%x },
   "version string"       => sub { my $x = v49.50.51; $_[0]->($x); \$x },
   "version literal"      => sub { $_[0]->(v49.50.51); () },
   "glob"                 => sub { $_[0]->(*GLOB); () },
   "copied glob"          => sub { my $x = *GLOB; $_[0]->($x); \$x },
   "glob reference"       => sub { my $x = \*GLOB; $_[0]->($x); \$x },
   "glob slot"            => sub { no warnings "once"; *slot = \my $x; our $slot = "0123456789"; $_[0]->($slot); \$x },
   "format"               => sub { $_[0]->(*STDOUT{IO}); () },
   "reference"            => sub { my $x = [1]; $_[0]->($x); \$x },
   "weak reference"       => sub { my $y = [1]; Scalar::Util::weaken (my $x = $y); $_[0]->($x); (\$x, $y) },
   "code reference"       => sub { my $x = sub { }; $_[0]->($x); \$x },
   "object"               => sub { my $x = bless [], "Plain"; $_[0]->($x); \$x },
   "overloaded object"    => sub { my $x = bless [], "Stringy"; $_[0]->($x); \$x },
   "blessed scalar"       => sub { my $x = "0123456789"; my $o = bless \$x, "Stringy"; $_[0]->($x); $o },
   "pattern"              => sub { my $x = qr/0123456789/; $_[0]->($x); \$x },
   "body of a pattern"    => sub { my $x = ${ qr/0123456789/ }; $_[0]->($x); \$x },
   "read-only"            => sub { my $x = "0123456789"; Internals::SvREADONLY ($x, 1); $_[0]->($x); same ("the value", \$x, "0123456789") },
   "cut at the front"     => sub { my $x = "abc0123456789"; $x =~ s/^abc//; $_[0]->($x); \$x },
   "chopped to nothing"   => sub { my $x = "abc"; substr $x, 0, 3, ""; $_[0]->($x); \$x },
   "study'd, with pos"    => sub { my $x = "0123456789"; $x =~ /5/g; $_[0]->($x); \$x },
   "in-memory file"       => sub { open my $m, "+<", \(my $x = "0123456789") or die; $_[0]->($x); ($m, \$x) },
   "foreach alias"        => sub { for my $x (my $y = "0123456789") { $_[0]->($x) } () },
   "map alias of literals" => sub { () = map { $_[0]->($_) } "0123456789"; () },
   "number literal"       => sub { $_[0]->(12345); () },
   "mapped, writable"     => sub {
      IO::AIO::mmap (my $x, 8192, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS, undef)
         or die "mmap: $!";
      $_[0]->($x);
      \$x
   },
   "mapped file, read-only" => sub {
      open my $fh, "<", "in" or die;
      IO::AIO::mmap (my $x, 8192, IO::AIO::PROT_READ, IO::AIO::MAP_SHARED, $fh) or die "mmap: $!";
      $_[0]->($x);
      \$x
   },
);

# Kinds whose value after a read is the business of their magic, or whose change is the
# change of a temporary that nobody sees.
my %own_mind = map +($_ => 1), "vec", "pos", "array length", "error number", "capture", "match", "substr",
   "substr reference", "signal slot", "program name", "glob", "temporary", "mapped, writable", "mapped file, read-only",
   "in-memory file", "input separator", "environment", "glob slot", "glob reference", "4-argument result", "topic";

my ($in, $out, $cb);
my %call = (
   "read"           => sub { aio_read $in, 0, 10, $_[0], 0, $cb },
   "read at an end" => sub { aio_read $in, 5, 3000, $_[0], length ($_[0] // ""), $cb },
   "read a lot"     => sub { aio_read $in, 0, 9000, $_[0], 0, $cb },
   "read nothing"   => sub { aio_read $in, 1e6, 500, $_[0], 0, $cb },
   "write"          => sub { aio_write $out, 0, undef, $_[0], 0, $cb },
   "write the last" => sub { aio_write $out, 0, undef, $_[0], -1, $cb },
   "slurp"          => sub { aio_slurp "in", 0, 0, $_[0], $cb },
   "slurp some"     => sub { aio_slurp "in", 5, 100, $_[0], $cb },
   "slurp nothing"  => sub { aio_slurp "none", 0, 0, $_[0], $cb },
   "load"           => sub { aio_load "in", $_[0], $cb },
   "fcntl"          => sub { aio_fcntl $in, 99999, $_[0], $cb },
   "ioctl"          => sub { aio_ioctl $in, 99999, $_[0], $cb },
   "msync"          => sub { aio_msync $_[0], 0, undef, IO::AIO::MS_ASYNC, $cb },
   "mtouch"         => sub { aio_mtouch $_[0], 0, undef, 0, $cb },
   "mtouch, modify" => sub { aio_mtouch $_[0], 0, undef, IO::AIO::MT_MODIFY, $cb },
   "mlock"          => sub { aio_mlock $_[0], 0, undef, $cb },
);

# What happens to the scalar between submission and execution.
my %meddle = (
   "left alone"     => sub { },
   "undef"          => sub { undef $_[0] },
   "assigned"       => sub { $_[0] = "another value, " x 20 },
   "assigned undef" => sub { $_[0] = undef },
   "made a number"  => sub { $_[0]++ },
   "made a reference" => sub { $_[0] = [] },
   "made a glob"    => sub { $_[0] = *GLOB },
   "grown"          => sub { $_[0] .= "x" x 50_000 },
   "cut"            => sub { substr ($_[0], 0, 5) = "" },
   "cut by 4 arguments" => sub { substr $_[0], 0, 5, "" },
   "chopped"        => sub { chop $_[0] },
   "translated"     => sub { $_[0] =~ tr/0-9/a-j/ },
   "substituted"    => sub { $_[0] =~ s/./xxxxxxxx/gs },
   "upgraded"       => sub { utf8::upgrade ($_[0]) },
   "encoded"        => sub { utf8::encode ($_[0]) },
   "decoded"        => sub { utf8::decode ($_[0]) },
   "matched"        => sub { $_[0] =~ /5/g },
   "copied"         => sub { my $copy = $_[0]; $copy .= "x" },
   "read by perl"   => sub { sysread $in, $_[0], 100 },
   "printed into"   => sub { open my $m, ">", \$_[0] or die $!; print $m "x" x 5000; close $m },
   "a bit set"      => sub { vec ($_[0], 100_000, 1) = 1 },
   "tied"           => sub { tie $_[0], "Tied", "x" },
   "blessed"        => sub { bless \$_[0], "Plain" },
   "swapped out"    => sub { local $_ = $_[0]; $_[0] = $_ },
   "used again"     => sub { aio_read $in, 0, 5, $_[0], 0, sub { } },
   "written as well" => sub { aio_write $out, 20_000, undef, $_[0], 0, sub { } },
   "slurped over"   => sub { aio_slurp "in", 0, 0, $_[0], sub { } },
   "unmapped"       => sub { IO::AIO::munmap $_[0] },
   "mapped over"    => sub { IO::AIO::mmap $_[0], 4096, IO::AIO::PROT_READ, IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS, undef or die $! },
   "remapped"       => sub { IO::AIO::mremap $_[0], 16384 or die $! },
   "request dropped" => sub { },
   "cancelled"      => sub { $_[1]->cancel if $_[1] },
);

sub child {
   my ($dir, $every, $only) = @_;
   chdir $dir or die;
   open $in,  "<:raw",  "in" or die;
   open $out, "+>:raw", "out" or die;
   $SIG{ALRM} = "DEFAULT";
   my ($tried, $died, $n) = (0, 0, 0);
   local $SIG{__WARN__} = sub { };

   for my $meddle (sort keys %meddle) {
      for my $kind (sort keys %kind) {
         for my $call (sort keys %call) {
            # All with the scalar left alone; of the others each so many-th, and each once in a while.
            next if $meddle ne "left alone" && $n++ % $every;
            # what it is made would be a length, and an address needs more than there is
            next if $meddle ne "left alone" && $kind eq "array length";
            next if defined $only && "$kind, $call, $meddle" !~ $only;
            $tried++;
            my ($called, $status, $errno, $ref, $before, $req) = (0);
            $cb = sub { $called++; $status = $_[0]; $errno = $! + 0 };
            truncate $out, 0;
            IO::AIO::max_parallel 0;

            my (@kept, @same);
            my $lived = eval {
               (@kept) = $kind{$kind}->(sub {
                  $ref = \$_[0];
                  $before = eval { no warnings; "$_[0]" } // "";
                  $req = $call{$call}->($_[0]);
                  eval { $meddle{$meddle}->($_[0], $req) };
                  undef $req if $meddle eq "request dropped";
                  ()
               });
               1
            };
            $died++ unless $lived;
            my $name = "$kind, $call, $meddle";
            @same = grep ref eq "Same", @kept;
            # The scalar itself may be gone before the request runs.
            undef @kept if $n % 3 == 0 && $meddle ne "left alone";
            if ($meddle ne "left alone") { undef $ref if $n % 2; undef $req }

            IO::AIO::min_parallel 4;
            # Captures look writable until the result is stored, and what became read-only
            # memory meanwhile cannot take it.
            until (eval { drain; 1 }) {
               print "$name: $@"
                  if $@ !~ /^Modification of a read-only value/ || $kind !~ /^(?:capture|match)\z/ && $meddle ne "mapped over";
               last if $@ =~ /still outstanding/;
            }

            print "$name: $$_[0] became ${ $_->[1] }\n" for grep ${ $_->[1] } ne $_->[2], @same;
            if (!$lived) {
               print "$name: $called callbacks of a call that died\n" if $called;
               next;
            }
            $called <= 1 or print "$name: called $called times\n";
            $called or $meddle eq "cancelled" or print "$name: not called\n";
            next if $meddle ne "left alone" || $kind =~ /^mapped/ && $call =~ /read|slurp|load/;

            # What was read is in the scalar, and what was written is its string.
            next unless defined $status;
            if ($call eq "write") {
               my $want = $before;
               utf8::downgrade ($want, 1);
               my $got = slurp ("out");
               print "$name: wrote ", length $got, " octets for ", length $want, "\n" if $status < 0 || $got ne $want;
            } elsif ($call =~ /^(?:read|read a lot|slurp some|slurp|load)\z/ && !$own_mind{$kind}) {
               my $want = $call eq "read" ? substr $text, 0, 10 : $call eq "read a lot" ? substr $text, 0, 9000
                        : $call eq "slurp some" ? substr $text, 5, 100 : $text;
               print "$name: status $status, errno $errno, has ", substr ($$ref // "undef", 0, 20), "\n"
                  if $status != length $want || !defined $$ref || $$ref ne $want;
            }
         }
      }
   }
   IO::AIO::munlockall ();
   print "tried $tried, refused $died\n";
}

if (@ARGV && $ARGV[0] eq "child") {
   # a third argument, a pattern, picks the uses to try
   child @ARGV[1 .. $#ARGV];
   exit 0;
}

# ---- the tests ---------------------------------------------------------------

require Trust;
my $dir = scratch;
spew "$dir/in", $text;
spew "$dir/out", "";
alarm 900;

# Prints the figure and returns the complaints.
sub outcome {
   my ($name, $end, $output) = @_;
   is $end, "exit 0", "$name: the program ends normally";
   my ($tried, $refused) = $output =~ /^tried (\d+), refused (\d+)$/m;
   cmp_ok $tried // 0, ">", 800, "$name: it tried what there is";
   $output =~ s/^tried .*\n//m;
   Trust::figure ("buffers, $name: $tried uses of a data scalar, $refused of them refused with a Perl error") if $tried;
   $output =~ s/^==\d+==.*\n//mg;
   is $output, "", "$name: each works or is refused, and nothing else changes";
}

outcome "native", Trust::bounded (200, Trust::perl_command ($0, "child", $dir, 1));

SKIP: {
   my @valgrind = Trust::valgrind_command ("-q")
      or skip "valgrind is not installed", 1;
   # Under memcheck a program takes some thirty times as long.
   my $every = int 12 / Trust::stress ();
   my ($end, $output) = Trust::bounded (600, @valgrind, Trust::perl_command ($0, "child", $dir, $every < 1 ? 1 : $every));
   is Trust::valgrind_says ($output), "", "memcheck has nothing to say";
   outcome "valgrind", $end, $output;
}

done_testing;
