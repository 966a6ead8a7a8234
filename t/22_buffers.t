# Contract: the scalars that data is read into and written from, of every kind,
# before, while and after a request uses them.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use B ();
use Fcntl qw(:DEFAULT :seek);
use IO::AIO;
use POSIX ();

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
open my $fh, "+<", $file or die;
my $readonly = qr/^Modification of a read-only value attempted/;

# ---- read-only while in flight
for (
   ["aio_read"  => sub { aio_read  $fh, 0, 4, $_[0], 0, $_[1] }],
   ["aio_write" => sub { aio_write $fh, 0, 4, $_[0], 0, $_[1] }],
   ["aio_slurp" => sub { aio_slurp $file, 0, 4, $_[0], $_[1] }],
) {
   my ($name, $call) = @$_;
   my $data = "0123";
   hold;
   my $in;
   $call->($data, sub { $in = eval { $data .= "x"; 1 } ? "writable" : $@ });
   ok !eval { $data = "other"; 1 } && $@ =~ $readonly, "$name: the scalar is read-only in flight";
   ok !eval { substr ($data, 0, 1) = "x"; 1 }, "... in place, too";
   ok !eval { undef $data; 1 }, "... and cannot be undefined";
   release;
   is $in, "writable", "... writable in the callback";
   is $data, "0123x", "... with the data";

   $data = "0123";
   hold;
   $call->($data, undef);
   ok !eval { $data = "other"; 1 }, "... without callback: read-only";
   release;
   ok eval { $data = "other"; 1 }, "... then writable";

   $data = "0123";
   hold;
   my $req = $call->($data, sub { fail "a cancelled request called back" });
   $req->cancel;
   ok !eval { $data = "other"; 1 }, "... cancelled: read-only";
   release;
   ok eval { $data .= "!"; 1 }, "... until it has been polled away";
   is $data, "0123!", "... untouched";
}

# a scalar that was read-only stays so
{
   my $const = "0123";
   Internals::SvREADONLY ($const, 1);
   works { aio_fsync $fh, $_[0] } "a file";
   passes { aio_write $fh, 0, 4, $const, 0, $_[0] } 4, "a constant can be written from";
   ok Internals::SvREADONLY ($const), "... and stays read-only";
   refused { aio_read $fh, 0, 4, $const, 0, $_[0] } $readonly, "... but not read into";
   refused { aio_read $fh, 0, 4, "lit", 0, $_[0] } $readonly, "nor can a literal";
   refused { aio_read $fh, 0, 1, undef, 0, $_[0] } $readonly, "nor can undef";
   refused { aio_slurp $file, 0, 0, $const, $_[0] } $readonly, "aio_slurp refuses, too";
   is $const, "0123", "... and nothing changed";
}

# ---- where the scalar lives
{
   my (@array, %hash, $ref);
   passes { aio_read $fh, 0, 3, $array[2], 0, $_[0] } 3, "an array element that does not exist";
   is_deeply \@array, [undef, undef, "012"], "... is made";
   passes { aio_read $fh, 0, 3, $hash{key}, 0, $_[0] } 3, "a hash element that does not exist";
   is_deeply \%hash, { key => "012" }, "... is made";
   passes { aio_read $fh, 3, 3, $hash{key}, 3, $_[0] } 3, "a hash element that exists";
   is $hash{key}, "012345", "... is filled";
   passes { aio_read $fh, 0, 3, $$ref, 0, $_[0] } 3, "a referent that does not exist";
   is $$ref, "012", "... is made";
   passes { aio_read $fh, 0, 3, $hash{a}{b}[1], 0, $_[0] } 3, "a deep element";
   is $hash{a}{b}[1], "012", "... is made";
   our $global = "x";
   passes { aio_read $fh, 0, 3, $global, 1, $_[0] } 3, "a package variable";
   is $global, "x012", "... is filled";
   local $global;
   passes { aio_read $fh, 0, 3, $global, 0, $_[0] } 3, "a localised one";
   is $global, "012", "... is filled";
   for my $alias (my $original = "abc") {
      passes { aio_read $fh, 0, 3, $alias, 0, $_[0] } 3, "an alias";
   }
   my @list = ("a", "b");
   sub fill { aio_read $fh, 0, 2, $_[1], 0, $_[0] }
   passes { fill ($_[0], $list[1]) } 2, "an argument of a sub";
   is "@list", "a 01", "... is filled";
   delete local $hash{key};
   $hash{short} = $array[0] = "x";
   hold;
   aio_read $fh, 0, 3, $hash{short}, 0;
   aio_read $fh, 0, 3, $array[0], 0;
   delete $hash{short};
   @array = ();
   release;
   ok !exists $hash{short} && !@array, "elements may be deleted in flight";
}
{
   my $got;
   hold;
   { my $short = "abc"; my $r = \$short; aio_read $fh, 4, 3, $short, 3, sub { $got = $$r } }
   { my $lost = "x" x 5000; aio_read $fh, 0, 3, $lost, 0; aio_write $fh, 0, 1, $lost =~ s/x.*/0/r, 0 }
   release;
   is $got, "abc456", "a scalar that goes out of scope lives as long as its request";
   is slurp ($file), "0123456789", "... for writing, too";
}

# ---- tied
{
   package Tied;
   sub TIESCALAR { bless { value => $_[1], log => "" }, $_[0] }
   sub FETCH     { $_[0]{log} .= "F"; $_[0]{value} }
   sub STORE     { $_[0]{log} .= "S"; $_[0]{value} = $_[1] }
}
{
   my $object = tie my $tied, "Tied", "abcdef";
   my $in;
   hold;
   aio_read $fh, 0, 3, $tied, 2, sub { $in = $object->{value} };
   is $object->{log} =~ tr/S//, 0, "a tied scalar is not stored to while a request runs";
   release;
   is $in, "ab012", "... but before the callback";
   is $object->{log} =~ tr/S//, 1, "... once";
   is $tied, "ab012", "... with what was read";
   passes { aio_write $fh, 0, 2, $tied, 2, $_[0] } 2, "a tied scalar can be written from";
   is slurp ($file), "0123456789", "... from where it says";

   { package Tied::Dies; our @ISA = "Tied"; sub FETCH { die "no fetch\n" } }
   tie my $dies, "Tied::Dies", "";
   refused { aio_write $fh, 0, 1, $dies, 0, $_[0] } qr/^no fetch/, "an exception of FETCH comes out of the call";

   # STORE runs before the callback; what it throws is an exception of the poll
   { package Tied::NoStore; our @ISA = "Tied"; sub STORE { die "no store\n" } }
   tie my $nostore, "Tied::NoStore", "";
   my $outcome = eval { aio_read $fh, 0, 1, $nostore, 0, sub { }; drain; 1 } ? "none" : $@;
   like $outcome, qr/^(?:no store|none)$/, "an exception of STORE stays within perl";
   drain;
   works { aio_fsync $fh, $_[0] } "... and requests go on";
}

# ---- encodings
{
   my $text = "\xe9\xe8\xe7";
   utf8::upgrade $text;
   passes { aio_read $fh, 0, 2, $text, 1, $_[0] } 2, "reading into an upgraded string";
   is $text, "\xe901", "... counts characters";
   ok !utf8::is_utf8 ($text), "... and makes it octets";
   my $wide = "\x{100}";
   refused { aio_read $fh, 0, 2, $wide, 0, $_[0] } qr/^"data" argument must be byte\/octet-encoded/, "a wide string is refused";
   is $wide, "\x{100}", "... and unchanged";
   my $number = 12345;
   passes { aio_read $fh, 0, 2, $number, 3, $_[0] } 2, "reading into a number";
   is $number, "12301", "... takes its text";
   cmp_ok $number, "==", 12301, "... and makes a new one";
   my $ref = [];
   passes { aio_read $fh, 0, 2, $ref, 0, $_[0] } 2, "reading over a reference";
   is $ref, "01", "... replaces it";
   my $version = v1.2.3;
   passes { aio_read $fh, 0, 2, $version, 1, $_[0] } 2, "reading into a v-string";
   is $version, "\x{1}01", "... makes it a string";
   my $regexp = "abc";
   $regexp =~ /b/g;
   passes { aio_read $fh, 0, 3, $regexp, 0, $_[0] } 3, "reading into a string with a match position";
   is $regexp, "012", "... works";
}
{
   # perl may be asked to re-encode a string although it is read-only
   my $data = "\xe9" x 100;
   hold;
   my $got;
   aio_read $fh, 0, 10, $data, 0, sub { $got = $data };
   my $copy = $data;
   eval { utf8::upgrade $data };
   release;
   is $got, "0123456789", "utf8::upgrade in flight does not lose the data";
   is $copy, "\xe9" x 100, "... nor change a copy";
   $data = "\xe9" x 10;
   hold;
   aio_write $fh, 0, 10, $data, 0, sub { };
   eval { utf8::upgrade $data };
   release;
   is slurp ($file), "\xe9" x 10, "... nor what is written";
   spew $file, "0123456789";
   open $fh, "+<", $file or die;
}

# ---- buffers that others share
{
   my $original = "shared " x 200;
   my $copy = $original;
   my @copies = ($original) x 3;
   passes { aio_read $fh, 0, 10, $copy, 0, $_[0] } 10, "reading into a copy";
   is $original, "shared " x 200, "... leaves the original alone";
   is "@copies[1, 2]", join (" ", ("shared " x 200) x 2), "... and other copies";
   hold;
   my $data = "mine" x 300;
   aio_read $fh, 0, 4, $data, 0, sub { };
   my $taken = $data;
   release;
   is $taken, "mine" x 300, "a copy taken in flight keeps the old data";
   is $data, "0123", "... the scalar has the new";
   sub constant { "literal" x 100 }
   my $literal = constant;
   passes { aio_read $fh, 0, 10, $literal, 0, $_[0] } 10, "reading into a copy of a constant";
   is constant, "literal" x 100, "... leaves the constant alone";

   my %h = (key_of_a_hash => 1);
   my ($key) = keys %h;
   passes { aio_read $fh, 0, 3, $key, 0, $_[0] } 3, "reading into a copy of a hash key";
   is join (",", keys %h), "key_of_a_hash", "... leaves the key alone";
   is $h{key_of_a_hash}, 1, "... which is found";
   my $method = __PACKAGE__;
   passes { aio_read $fh, 0, 3, $method, 4, $_[0] } 3, "reading into a copy of the package's name";
   is __PACKAGE__ . ",$method", "main,main012", "... leaves that alone";
}

# ---- globs, whose names are their data
{
   no strict "refs";
   my ($wide, $latin) = ("\x{100}", "\x{e4}");
   utf8::upgrade $latin;
   refused { aio_write $fh, 0, undef, *$wide, 0, $_[0] } qr/^"data" argument must be byte\/octet-encoded/, "a wide name is refused";
   passes { aio_write $fh, 0, undef, *$latin, 0, $_[0] } 8, "one that fits is written";
   is substr (slurp ($file), 0, 8), "*main::\xe4", "... in octets";
   spew $file, "0123456789";
}

# ---- substr and friends as lvalues
{
   my $data = "abcdefgh";
   my $r = run { aio_write $fh, 0, undef, substr ($data, 2, 3), 0, $_[0] };
   is $r->{args}[0], 3, "writing from a substr";
   is slurp ($file), "cde3456789", "... writes that part";
   $r = run { aio_read $fh, 0, 3, substr ($data, 2, 3), 0, $_[0] };
   is $data, "abcdefgh", "reading into a substr with the same octets" if !$r->{died} && $data eq "abcdefgh";
   ok defined $r->{died} || $r->{args}[0] == 3, "reading into a substr works or is refused";
   my $vec = "\0" x 4;
   local $SIG{__WARN__} = sub { warn @_ if $_[0] !~ /^Argument "c" isn't numeric/ };    # what vec says of letters
   $r = run { aio_read $fh, 0, 1, vec ($vec, 0, 8), 0, $_[0] };
   ok defined $r->{died} || $r->{called} == 1, "reading into a vec works or is refused";
   is length $data, 8, "... and nothing else changed";
   spew $file, "0123456789";
}

# ---- sizes
for my $size (1, 15, 16, 17, 4095, 4096, 4097, 100_000) {
   my $data = "d" x $size;
   my $want = $data;
   my $r = run { aio_read $fh, 0, 10, $data, $size, $_[0] };
   is $data, $want . "0123456789", "reading after $size octets";
}
{
   # a string with leading octets chopped off
   my $data = "x" x 5000;
   substr $data, 0, 1000, "" for 1 .. 4;
   passes { aio_read $fh, 0, 10, $data, 5, $_[0] } 10, "a chopped string";
   is $data, "xxxxx0123456789", "... is filled at the right place";
   ok eval { $data .= "y" x 10_000; 1 }, "... and can grow";
}
{
   my $data = "";
   passes { aio_read $fh, 0, 10, $data, 0, $_[0] } 10, "perl knows the length";
   my $cv = B::svref_2object (\$data);
   is $cv->CUR, 10, "... which is set";
   cmp_ok $cv->LEN, ">", 10, "... with room for the final NUL";
   is join ("", map { chr } unpack "C*", $data), "0123456789", "... and the octets";
}

# ---- mapped memory
SKIP: {
   my $map;
   spew "$dir/map", "m" x 4096;
   open my $mapfh, "+<", "$dir/map" or die;
   IO::AIO::mmap ($map, 4096, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_SHARED, $mapfh)
      or skip "no shared mapping of files here: $!", 8;
   passes { aio_read $fh, 0, 10, $map, 100, $_[0] } 10, "reading into mapped memory";
   is length $map, 4096, "... keeps its length";
   ok slurp ("$dir/map") eq "m" x 100 . "0123456789" . "m" x 3986, "... and writes nothing else";
   passes { aio_read $fh, 0, 10, $map, 4086, $_[0] } 10, "to its last octet";
   is substr ($map, -16), "mmmmmm0123456789", "... works";
   refused { aio_read $fh, 0, 11, $map, 4086, $_[0] } qr/^length \+ dataoffset outside of scalar, and cannot grow/, "beyond it is refused";
   passes { aio_write $fh, 0, 10, $map, 4086, $_[0] } 10, "writing from mapped memory";
   IO::AIO::munmap ($map);
   is slurp ($file), "0123456789", "... works";
}

# ---- two requests at a time
{
   my $data = "x" x 20;
   hold;
   my @r = map { my $n = $_; eval { aio_read $fh, 0, 5, $data, $n * 5, sub { }; 1 } ? "taken" : $@ } 0, 1;
   release 1;
   is $r[0], "taken", "a scalar in use";
   ok $r[1] eq "taken" || $r[1] =~ $readonly, "... may be used or refused for another request";
   ok eval { $data = "writable"; 1 }, "... and is writable when both are done";
   my $shared = "written twice";
   hold;
   my $done = 0;
   aio_write $fh, 0, 5, $shared, 0, sub { $done++ } for 1 .. 2;
   release;
   is $done, 2, "two writes from one scalar";
   ok eval { $shared .= "!"; 1 }, "... which is writable then";
}

# ---- many writes from one scalar: none copies it
sub resident {
   open my $statm, "<", "/proc/self/statm" or return;
   my (undef, $pages) = split " ", <$statm>;
   return $pages * POSIX::sysconf (POSIX::_SC_PAGESIZE ());
}
for my $kind ("a string", "a copy-on-write string") {
   my $data = join "", map chr (32 + $_ % 95), 1 .. 1 << 20;
   my $copy = $data if $kind =~ /copy/;
   my $cow  = B::svref_2object (\$data)->FLAGS & 0x1000_0000;   # SVf_IsCOW
   is !!$cow, $kind =~ /copy/, "$kind is what it is called";
   my $before = resident;
   my %got;
   hold;
   my @reqs = map { my $n = $_; aio_write $fh, $n * 4, 4, $data, $n * 4, sub { $got{ $_[0] }++ } } 0 .. 299;
   SKIP: {
      my $now = resident;
      defined $now or skip "no /proc/self/statm to learn the memory in use from", 1;
      cmp_ok $now - $before, "<", 30 << 20, "$kind: 300 writes of 1 MiB take no copies";
   }
   # The first, which began the use, goes before the others.
   $reqs[0]->cancel;
   undef @reqs;
   IO::AIO::min_parallel 4;
   IO::AIO::max_poll_reqs 20;
   IO::AIO::poll;
   IO::AIO::max_poll_reqs 0;
   cmp_ok $got{4}, "<", 299, "... some are done";
   ok !eval { $data .= "x"; 1 }, "... but it is read-only until the last is";
   drain;
   is_deeply \%got, { 4 => 299 }, "... each but a cancelled one writes";
   is substr (slurp ($file), 4, 1196), substr ($data, 4, 1196), "... the octets";
   ok eval { $data .= "x"; 1 }, "... and the scalar is writable";
   is length $data, (1 << 20) + 1, "... with its value";
   truncate $fh, 10;
}
# perl gives even a read-only scalar another buffer to upgrade it
{
   my $data = "\xe9" x 100;
   hold;
   my $done = 0;
   aio_write $fh, 0, 100, $data, 0, sub { $done += $_[0] } for 1 .. 3;
   utf8::upgrade ($data);
   aio_write $fh, 100, 100, $data, 0, sub { $done += $_[0] } for 1 .. 2;
   release;
   is $done, 500, "writes from a scalar that is upgraded meanwhile";
   is slurp ($file), "\xe9" x 200, "... write what it was, and what it is";
   ok eval { $data .= "!"; 1 }, "... and it is writable then";
   truncate $fh, 10;
}

# ---- scalars that one request uses each, and another then wants
{
   spew $file, join "", map chr (97 + $_ % 26), 0 .. 99;
   my @data = map "." x 10, 0 .. 49;
   my (@got, @state);
   hold;
   for my $n (0 .. 49) {
      aio_read $fh, $n, 5, $data[$n], 2, sub {
         $got[$n] = $_[0];
         $state[$n] = Internals::SvREADONLY ($data[$n]) ? "held" : "free";
      };
   }
   ok eval { aio_write $fh, 200, 3, $data[7], 0, sub { push @got, "write $_[0]" }; 1 }, "a write from a scalar that is read into";
   ok eval { aio_read $fh, 50, 4, $data[8], 0, sub { push @got, "read $_[0]" }; 1 }, "a second read into another";
   is scalar (grep Internals::SvREADONLY ($_), @data), 50, "all are read-only";
   # They are told apart from what was read-only before.
   my $const = "." x 10;
   Internals::SvREADONLY ($const, 1);
   ok !eval { aio_read $fh, 0, 4, $const, 0; 1 } && $@ =~ $readonly, "a scalar that was read-only is not read into";
   release 1;   # one by one, in order
   is_deeply \@got, [(5) x 50, "write 3", "read 4"], "all are done";
   is_deeply [@data[0 .. 7, 9 .. 49]], [map { my $n = $_; "..@{[ join '', map chr (97 + ($n + $_) % 26), 0 .. 4 ]}" } 0 .. 7, 9 .. 49], "... with what was read";
   is $data[8], "yzab", "... the second one too";
   is slurp ($file), join ("", map chr (97 + $_ % 26), 0 .. 99) . ("\0" x 100) . "...", "... and what was written is the value before";
   is_deeply \@state, [("free") x 7, "held", "held", ("free") x 41], "a scalar is free again when its last request is done";
   is scalar (grep Internals::SvREADONLY ($_), @data), 0, "... all of them in the end";
   ok eval { $_ .= "!" for @data; 1 }, "... and can be changed";
}

# ---- a program that makes a scalar writable which is in use
for my $then (
   ["leaves it", sub { }],
   ["assigns to it", sub { $_[0] = "assigned" x 3 }],
   ["undefines it", sub { undef $_[0] }],
   ["makes it a reference", sub { $_[0] = [] }],
   ["appends to it", sub { $_[0] .= "x" x 1000 }],
   ["chops its beginning off", sub { substr ($_[0], 0, 3) = "" }],
) {
   my ($name, $change) = @$then;
   spew $file, "0123456789";
   my $data = "." x 100;
   my (@got, $first, $held);
   hold;
   aio_read $fh, 0, 10, $data, 0, sub { push @got, $_[0]; $first = $data; $held = Internals::SvREADONLY ($data) };
   Internals::SvREADONLY ($data, 0);
   $change->($data);
   # Two more, the second of which finds two buffers in use.
   Internals::SvREADONLY ($data, 0);
   eval { aio_read $fh, 1, 8, $data, 0, sub { push @got, $_[0] }; 1 } or diag $@;
   Internals::SvREADONLY ($data, 0);
   $change->($data);
   eval { aio_read $fh, 2, 6, $data, 0, sub { push @got, $_[0] }; 1 } or diag $@;
   eval { aio_write $fh, 20, 1, "x", 0, sub { push @got, "written" }; 1 } or diag $@;
   eval { aio_write $fh, 2000, 1, $data, 0, sub { push @got, "written" }; 1 } or diag $@;
   release 1;   # one by one, in order
   is_deeply \@got, [10, 8, 6, "written", "written"], "a program that makes a scalar writable and $name: all is done";
   is $first, "0123456789", "... the first read was the value when it was done";
   ok $held, "... and the next ones held the scalar" if $name eq "leaves it";
   is substr ($data, 0, 6), "234567", "... the last read is the value";
   ok eval { $data = "mine"; $data .= "!"; 1 }, "... and the scalar is free";
   is $data, "mine!", "... to be used";
   truncate $fh, 10;
}

done_testing;
