# The border between Perl and the module: what requests take from Perl and give
# back stays intact whatever Perl code runs meanwhile, in a tied argument, a
# warning handler, a destructor, a thread. Each case is a program of its own,
# so that a crash is a failure of that case. Code that leaves a callback in
# unusual ways is in t/93_reentrancy.t.
use strict;
use warnings;
use Config;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

# glibc then overwrites what is freed, so that a use of it shows.
$ENV{MALLOC_PERTURB_} = 165;

my $head = <<'HEAD';
{ package Fetch; sub TIESCALAR { bless [@_[1, 2]], $_[0] } sub FETCH { $_[0][0]->() } sub STORE { $_[0][1] and $_[0][1]->($_[1]) } }
{ package Guard; sub new { bless [$_[1]], $_[0] } sub DESTROY { $_[0][0]->() } }
{ package Code; use overload '&{}' => sub { my $self = shift; $$self->() }; sub new { bless \$_[1], $_[0] } }
# a pipe that is full, so that a write parks a worker
sub full { pipe my $r, my $w or die; $w->blocking (0); my $n = 0; while (my $more = syswrite $w, "." x 4096) { $n += $more } $w->blocking (1); ($r, $w, $n) }
sub left { my ($r, $n) = @_; my $all = ""; while (length $all < $n) { sysread $r, $all, 65536, length $all or last } $all =~ s/^\.+//; $all }
use IO::Handle;
#line 1 "program"
HEAD

# A program that has to end with exit 0 and this output.
sub prints { prints_with $head, @_ }

my $file = spew scratch . "/file", join "", map { sprintf "%09d\n", $_ } 1 .. 100;
my $out  = scratch . "/out";

# ---- data of a write -------------------------------------------------------

# The data is replaced by something shorter while the arguments are read. What
# was allocated before must not get into the file.
for my $case (
   ["the file offset is read",    'tie my $t, "Fetch", sub { $swap->(); 0 };     aio_write $fh, $t, undef, $x, 0, $cb'],
   ["the length is read",         'tie my $t, "Fetch", sub { $swap->(); 20000 }; aio_write $fh, 0, $t, $x, 0, $cb'],
   ["the data offset is read",    'tie my $t, "Fetch", sub { $swap->(); 0 };     aio_write $fh, 0, undef, $x, $t, $cb'],
   ["the length of a part, then its offset, are read",
                                  'tie my $t, "Fetch", sub { $swap->(); 0 };     aio_write $fh, 0, 15000, $x, $t, $cb'],
   ["a warning about the data offset is given",
                                  'local $SIG{__WARN__} = $swap;                 aio_write $fh, 0, undef, $x, "0 but no number", $cb'],
   ["a warning about the length is given",
                                  'local $SIG{__WARN__} = $swap;                 aio_write $fh, 0, "20000 octets", $x, 0, $cb'],
   ["a warning about the file offset is given",
                                  'local $SIG{__WARN__} = $swap;                 aio_write $fh, "0 but no number", undef, $x, 0, $cb'],
) {
   my ($name, $submit) = @$case;
   prints "a write takes its data as it is after $name", "4 in the file: tiny", <<'PROGRAM' . "$submit;\n" . <<'PROGRAM', $out;
my ($path) = @ARGV;
open my $fh, "+>", $path or die;
my @others = map "memory of others $_;" x 100, 1 .. 20;
my $x = "x" x 20000;
my $swap = sub { undef $x; $x = "tiny" };
my $cb = sub { print "$_[0] in the file: ", substr slurp ($path), 0, 100 };
PROGRAM
IO::AIO::flush;
PROGRAM
}

prints "a callback that replaces the data as it is looked up either comes too late or in time, never halfway", qr/^exit 0: (?:20000|4), (?:whole|tiny)$/, <<'PROGRAM', $out;
my ($path) = @ARGV;
open my $fh, "+>", $path or die;
my $x = "x" x 20000;
my $code = Code->new (sub { eval { undef $x; $x = "tiny" }; sub { print "$_[0], " } });
aio_write $fh, 0, undef, $x, 0, $code;
IO::AIO::flush;
my $got = slurp $path;
print $got eq "x" x 20000 ? "whole" : $got;
PROGRAM

prints "a data offset that shortens the data below itself is refused, and nothing is queued", "refused, nreqs 0, 0 in the file", <<'PROGRAM', $out;
my ($path) = @ARGV;
open my $fh, ">", $path or die;
my $x = "x" x 20000;
tie my $t, "Fetch", sub { undef $x; $x = "tiny"; 10000 };
print eval { aio_write $fh, 0, undef, $x, $t, sub { print "wrote $_[0], " }; 1 } ? "accepted, " : "refused, ";
print "nreqs ", IO::AIO::nreqs, ", ";
IO::AIO::flush;
print -s $path, " in the file";
PROGRAM

prints "a range of memory is taken as it is after its offset is read", qr/^exit 0: (?:refused|-?\d+) end$/, <<'PROGRAM';
my $x = "x" x 1000000;
tie my $t, "Fetch", sub { undef $x; $x = "tiny"; 900000 };
eval { aio_mtouch $x, $t, 50000, 0, sub { print "$_[0] " }; 1 } or print "refused ";
IO::AIO::flush;
print "end";
PROGRAM

# ---- chopped strings -------------------------------------------------------

# Perl chops a string at the front by moving its start inside its memory.
my $chop = 'my $x = "y" x 1000; substr $x, 0, 100, ""; ';

prints "a chopped string stays whole while it is written, though another request fills the scalar first", "filled 50, wrote 900, yes, 50 5050", <<'PROGRAM', $file;
my ($r, $w, $full) = full;
my $x = "y" x 1000; substr $x, 0, 100, "";
my $filled;
aio_write $w, undef, undef, $x, 0, sub { print "wrote $_[0], " };
executing 1;
aio_slurp $ARGV[0], 0, 50, $x, sub { print "filled $_[0], "; $filled++ };
until_true { IO::AIO::poll_cb; $filled };
my $got = left $r, $full + 900;
IO::AIO::flush;
print $got eq "y" x 900 ? "yes, " : "no, ", length $x;
$x .= "z" x 5010; substr $x, 0, 10, "";
print " ", length $x;
PROGRAM

prints "a chopped string stays whole while it is written, though it gets another encoding", "wrote 900, yes, 10900 ", <<'PROGRAM';
my ($r, $w, $full) = full;
my $x = "\xff" x 1000; substr $x, 0, 100, "";
aio_write $w, undef, undef, $x, 0, sub { print "wrote $_[0], " };
executing 1;
utf8::upgrade ($x);
my @others = map "o" x 1000, 1 .. 20;
my $got = left $r, $full + 900;
IO::AIO::flush;
print $got eq "\xff" x 900 ? "yes, " : "no, ";
$x .= "a" x 10000;
print length $x, " ", grep $_ ne "o" x 1000, @others;
undef $x;
PROGRAM

prints "a buffer that is chopped after each write is written in full", "100000 octets, yes", <<'PROGRAM', $out;
my ($path) = @ARGV;
open my $fh, ">", $path or die;
my $all = join "", map chr 33 + $_ % 90, 1 .. 100000;
my $left = $all;
my $next; $next = sub {
   substr $left, 0, $_[0], "";
   aio_write $fh, undef, (length $left < 4321 ? length $left : 4321), $left, 0, $next if length $left;
};
$next->(0);
IO::AIO::flush;
my $got = slurp $path;
print length $got, " octets, ", $got eq $all ? "yes" : "no";
PROGRAM

prints "every request that uses a scalar's memory takes a chopped one, and leaves one that Perl can use", "read 910 slurp 1000 load 1000 fcntl 900 mtouch 900 mlock 900 ", <<'PROGRAM', $file;
open my $fh, "<", $ARGV[0] or die;
for my $case (
   [read   => sub { aio_read $fh, 0, 900, $_[0], 10 }],
   [slurp  => sub { aio_slurp $ARGV[0], 0, 0, $_[0] }],
   [load   => sub { aio_load $ARGV[0], $_[0] }],
   [fcntl  => sub { aio_fcntl $fh, 99999, $_[0] }],
   [mtouch => sub { aio_mtouch $_[0], 0, undef, 0 }],
   [mlock  => sub { aio_mlock $_[0], 0, undef }],
) {
   my ($name, $submit) = @$case;
   my $x = "y" x 1000; substr $x, 0, 100, "";
   $submit->($x);
   IO::AIO::flush;
   print "$name ", length $x, " ";
   $x .= "z" x 10000; substr $x, 0, 5, ""; $x = reverse $x; undef $x;
}
PROGRAM

# ---- arguments that go away ------------------------------------------------

# The list is called as it is, so its elements belong to nobody else; the code
# that runs while it is read frees them and makes others in their place.
my @call = (
   [aio_read     => '($fh, 0, "10x", "d" x 100, 0, $cb)'],
   [aio_read     => '($fh, "0x", 10, "d" x 100, 0, $cb)'],
   [aio_read     => '($fh, 0, 10, "d" x 100, "0x", $cb)'],
   [aio_write    => '($fh, 0, "3x", "d" x 100, 0, $cb)'],
   [aio_write    => '($fh, 0, 3, "d" x 100, "0x", $cb)'],
   [aio_slurp    => '($path, "0x", 10, "d" x 100, $cb)'],
   [aio_slurp    => '($path, 0, "10x", "d" x 100, $cb)'],
   [aio_sendfile => '($fh, $fh, "0x", "1x", $cb)'],
   [aio_mkdir    => '("$path/none", "0x", $cb)'],
   [aio_utime    => '($path, "1x", "2x", $cb)'],
   [aio_chown    => '("$path/none", "1x", "1x", $cb)'],
   [aio_fcntl    => '($fh, "1x", "d" x 100, $cb)'],
   [aio_mtouch   => '("d" x 10000, "0x", "10x", "0x", $cb)'],
   [aio_busy     => '("0x", $cb)'],
   [sendfile     => '($fh, $fh, "0x", "1x")'],
   [fadvise      => '($fh, "0x", "1x", "0x")'],
   [madvise      => '("d" x 10000, "0x", "1x", "0x")'],
   [mmap         => '("d" x 10000, "4096x", "3x", IO::AIO::MAP_PRIVATE | IO::AIO::MAP_ANONYMOUS)'],
   [statx        => '($path, "0x", "1x")'],
   [splice       => '($fh, "0x", $fh, "0x", "1x", "0x")'],
);
prints "arguments that a warning handler frees are not used after that: $_->[0] $_->[1]", "warned, 30 new values are intact", <<'PROGRAM' . <<PROGRAM . <<'PROGRAM', spew ($out, "0123456789") for @call;
our $path = $ARGV[0];
open our $fh, "+<", $path or die;
our $cb = sub { };
our (@args, @new, $warned);
$SIG{__WARN__} = sub { $warned ||= print "warned, "; @args = (); push @new, map "new value number $_", 1 .. 30 - @new };
PROGRAM
\@args = $_->[1];
eval { \&IO::AIO::$_->[0] (\@args); 1 } or print "refused: \$@";
PROGRAM
IO::AIO::flush;
my $good = grep $new[$_] eq "new value number " . ($_ + 1), 0 .. $#new;
for (@new) { eval { $_ = "assigned" } or print "read-only: $@" }
print "$good new values are intact";
PROGRAM

prints "arguments that a tied one frees are not used after that", "read 10, 30 new values are intact", <<'PROGRAM', $file;
open my $fh, "<", $ARGV[0] or die;
our (@args, @new);
@args = ($fh, 0, 0, "d" x 100, 0, sub { print "read $_[0], " });
tie $args[2], "Fetch", sub { @args = (); @new = map "new value number $_", 1 .. 30; 10 };
&aio_read (@args);
IO::AIO::flush;
print scalar (grep $new[$_] eq "new value number " . ($_ + 1), 0 .. $#new), " new values are intact";
PROGRAM

# Other Perl code that comes before an argument has been used.
for my $case (
   ["a tied number behind a reference", 'tie my $fd, "Fetch", sub { drop_all (); fileno $fh }; @args = (\$fd, 0, 10, "d" x 100, 0, $cb)'],
   ["a tied number behind a reference, refused", 'tie my $fd, "Fetch", sub { drop_all (); "none" }; @args = (\$fd, 0, 10, "d" x 100, 0, $cb)'],
   ["an overloaded number",             '@args = ($fh, 0, Number->new (sub { drop_all (); 10 }), "d" x 100, 0, $cb)'],
   ["a layer written in Perl",          'open my $via, "<:via(Via)", $path or die; $Via::fileno = sub { drop_all (); fileno $fh }; @args = ($via, 0, 10, "d" x 100, 0, $cb)'],
) {
   my ($what, $args) = @$case;
   my $expect = $what =~ /refused/ ? "refused: SCALAR" : "read 10";
   prints "arguments that $what frees are not used after that", "$expect, 30 new values are intact", <<'PROGRAM' . "$args;\n" . <<'PROGRAM', $file;
{ package Number; use overload "0+" => sub { ${ $_[0] }->() }, fallback => 1; sub new { bless \$_[1], $_[0] } }
{ package Via; our $fileno; BEGIN { $INC{"Via.pm"} = 1 } sub PUSHED { bless [], $_[0] } sub FILL { undef } sub FILENO { $fileno ? $fileno->() : 0 } }
our $path = $ARGV[0];
open our $fh, "<", $path or die;
our (@args, @new);
our $cb = sub { print "read $_[0], " };
sub drop_all { @args = (); @new = map "new value number $_", 1 .. 30 }
PROGRAM
eval { &aio_read (@args); 1 } or print $@ =~ /^SCALAR\(0x\w+\): illegal fh/ ? "refused: SCALAR, " : "refused: $@";
IO::AIO::flush;
print scalar (grep $new[$_] eq "new value number " . ($_ + 1), 0 .. $#new), " new values are intact";
PROGRAM
}

prints "arguments that a tied part of a pair frees are not used after that", "symlink 0, name", <<'PROGRAM', scratch;
my $dir = "$ARGV[0]/named";
mkdir $dir or die;
our (@args, @new);
tie my $text, "Fetch", sub { @args = (); @new = map "$dir/new$_", 1 .. 50; "text" };
@args = ([IO::AIO::CWD, undef], "$dir/name", sub { print "symlink $_[0], " });
tie $args[0][1], "Fetch", sub { @args = (); @new = map "$dir/new$_", 1 .. 50; "text" };
&aio_symlink (@args);
IO::AIO::flush;
opendir my $dh, $dir or die;
print grep !/^\./, readdir $dh;
PROGRAM

# The first call in a forked child releases the callbacks of the parent.
for my $case (
   ["a request",             '@args = ("/")',                         'aio_stat $args[0], sub { print "stat $_[0], " }'],
   ["a request, all",        '@args = ("/", sub { print "stat $_[0], " })', '&aio_stat (@args)'],
   ["a method",              '@args = (scalar aio_nop)',              '&IO::AIO::REQ::cancel (@args); print "stat 0, "'],
   ["the adding to a group", '@args = (scalar aio_group)',            'eval { &IO::AIO::GRP::add (@args, @args) }; print "stat 0, "'],
   ["a priority",            '@args = ("3")',                         'aioreq_pri $args[0]; print "stat 0, " if 3 == aioreq_pri'],
) {
   my ($what, $make, $use) = @$case;
   prints "arguments of $what that a forked child frees are not used after that", "child stat 0, 50 intact, 0", <<'PROGRAM' . "$make;\n" . <<'PROGRAM' . "$use;\n" . <<'PROGRAM';
our (@args, @new);
my ($gate, $key);
pipe $gate, $key or die;
PROGRAM
{
   my $guard = Guard->new (sub { @args = (); @new = map "new value number $_", 1 .. 50 });
   aio_read $gate, undef, 1, my $octet, 0, sub { $guard };
}
my $pid = fork // die "fork: $!";
if (!$pid) {
   $| = 1;
   print "child ";
PROGRAM
   IO::AIO::flush;
   print scalar (grep $new[$_] eq "new value number " . ($_ + 1), 0 .. $#new), " intact, ";
   POSIX::_exit (0);
}
waitpid $pid, 0;
print $?;
syswrite $key, "x";
IO::AIO::flush;
PROGRAM
}

prints "a path that an overloaded one frees is still the path", "link -1, 1 ENOENT", <<'PROGRAM';
{ package Path; use overload '""' => sub { @main::args = (); @main::new = map "new value number $_", 1 .. 30; "/nonexistent/y" } }
our (@args, @new);
@args = ("/nonexistent/" . "x" x 50, bless ([], "Path"), sub { print "link $_[0], ", $!{ENOENT} ? "1 ENOENT" : "$!" });
eval { &aio_link (@args); 1 } or print "link -1, 1 ENOENT";
IO::AIO::flush;
PROGRAM

prints "the directory object of a pair lives as long as the pair is read", "stat 0, done, 2000 values are intact", <<'PROGRAM', scratch;
aio_wd $ARGV[0], sub { our $wd = $_[0] };
IO::AIO::flush;
my $pair = [our $wd, undef];
undef $wd;
my @live;
tie $pair->[1], "Fetch", sub { $pair->[0] = 1; @live = map "v$_", 1 .. 2000; "file" };
aio_stat $pair, sub { print "stat $_[0], " };
IO::AIO::flush;
print "done, ", scalar (grep $live[$_] eq "v" . ($_ + 1), 0 .. $#live), " values are intact";
PROGRAM

prints "also while the other path of the request is read", "link 0, inside the directory, stat 0", <<'PROGRAM', scratch;
my $dir = $ARGV[0];
mkdir "$dir/pairs" or die;
aio_wd "$dir/pairs", sub { our $wd = $_[0] };
IO::AIO::flush;
my $pair = [our $wd, "text"];
undef $wd;
tie my $second, "Fetch", sub { @$pair = (); my @fill = map [$_], 1 .. 1000; "link" };
aio_symlink $pair, $second, sub { print "link $_[0], " };
IO::AIO::flush;
print -l "$dir/pairs/link" ? "inside the directory, " : "elsewhere, ";
aio_stat $dir, sub { print "stat $_[0]" };
IO::AIO::flush;
PROGRAM

prints "and a tied pair may drop it, too", "stat 0", <<'PROGRAM', scratch;
{ package Pair; sub TIEARRAY { bless [$_[1]], $_[0] } sub FETCHSIZE { 2 } sub FETCH { my ($self, $n) = @_; $n or return $self->[0]; $self->[0] = 1; my @fill = map [$_], 1 .. 1000; "file" } }
aio_wd $ARGV[0], sub { our $wd = $_[0] };
IO::AIO::flush;
our $wd;
tie my @both, "Pair", $wd;
undef $wd;
aio_stat \@both, sub { print "stat $_[0]" };
IO::AIO::flush;
PROGRAM

# ---- data that becomes a string --------------------------------------------

# At its first, second or third time it reads into the variable that it is in.
for my $time (1 .. 3) {
   prints "an object that reads into itself while it is made a string, time $time", "outer 5000, 5000 W", <<'PROGRAM', $file, $time;
{ package Reads; use overload '""' => sub {
   if (!$main::inside) {
      local $main::inside = 1;
      IO::AIO::aio_read ($main::fh, 0, 8, $main::data, 0, sub { }) if ++$main::asked == $ARGV[1];
   }
   "abc"
} }
open our $fh, "<", $ARGV[0] or die;
pipe my $r, my $w or die;
our ($data, $inside, $asked) = bless [], "Reads";
aio_read $r, undef, 5000, $data, 0, sub { print "outer $_[0], " };
IO::AIO::poll while IO::AIO::nreqs > 1;
my @fill = map "f" x (4000 + $_ * 8), 1 .. 200;
syswrite $w, "W" x 5000;
IO::AIO::flush;
print $data =~ tr/W//, " W", grep tr/W//, @fill;
PROGRAM
}

for my $how ('my $data = bless [], "Shorter"', 'tie my $data, "Fetch", sub { bless [], "Shorter" }, sub { our $stored = $_[0] }') {
   prints "an object is made a string once, and that is what stays in front: $how", "asked 1, 203 octets, the right ones", <<'PROGRAM' . "$how;\n" . <<'PROGRAM', $file;
{ package Shorter; use overload '""' => sub { $main::asked++ ? "" : "x" x 200 } }
our ($stored, $asked);
open my $fh, "<", $ARGV[0] or die;
PROGRAM
aio_read $fh, 0, 3, $data, 200;
IO::AIO::flush;
print "asked $asked, ";
my $got = $stored // $data;
print length $got, " octets, ", $got eq "x" x 200 . "000" ? "the right ones" : "others";
PROGRAM
}

prints "an object that becomes a short string while it is made a long one is written as that", "write 9000, 9000 L", <<'PROGRAM', "$out.long";
{ package Turns; use overload '""' => sub { $main::data = "short"; "L" x 9000 } }
open my $fh, "+>", $ARGV[0] or die;
our $data = bless [], "Turns";
aio_write $fh, 0, undef, $data, 0, sub { print "write $_[0], " };
IO::AIO::flush;
print do { local $/; readline $fh } =~ tr/L//, " L";
PROGRAM

# ---- several requests, one scalar ------------------------------------------

# What a read has got stands at its offset and ends the scalar; what was before
# the offset at that time stays.
for my $case (["first", "a" x 50 . "b" x 50], ["second", "a" x 50]) {
   my ($order, $expect) = @$case;
   prints "of two reads into one scalar neither wipes out what stands before its data, the $order delivered first", "50 50 $expect", <<'PROGRAM', $order;
my @pipe = map { pipe my $r, my $w or die; [$r, $w] } 1, 2;
my $x = "-" x 100;
my $done = 0;
aio_read $pipe[0][0], undef, 50, $x,  0, sub { print "$_[0] "; $done++ };
aio_read $pipe[1][0], undef, 50, $x, 50, sub { print "$_[0] "; $done++ };
executing 2;
for my $n ($ARGV[0] eq "first" ? (0, 1) : (1, 0)) {
   my $before = $done;
   syswrite $pipe[$n][1], $n ? "b" x 50 : "a" x 50;
   until_true { IO::AIO::poll_cb; $done > $before };
}
print $x;
PROGRAM
}

prints "a file read in pieces, one after the other, into one scalar is complete", "yes yes ", <<'PROGRAM', $file;
IO::AIO::max_parallel 1;
open my $fh, "<", $ARGV[0] or die;
for my $length (900, 2000) {
   my $x = "-" x $length;
   aio_read $fh, $_ * 100, 100, $x, $_ * 100 for 0 .. 9;
   IO::AIO::flush;
   print $x eq slurp ($ARGV[0]) ? "yes " : "no: $x";
}
PROGRAM

prints "of two requests that replace a scalar each leaves a whole result, and the scalar usable", "slurp 1000 ok, load 1000 ok, ", <<'PROGRAM', $file;
for my $case ([slurp => sub { aio_slurp $ARGV[0], 0, 0, $_[0] }], [load => sub { aio_load $ARGV[0], $_[0] }]) {
   my $x = "";
   $case->[1]->($x) for 1 .. 3;
   IO::AIO::flush;
   print "$case->[0] ", length $x, $x eq slurp ($ARGV[0]) ? " ok, " : " broken, ";
   $x .= "assigned";
}
PROGRAM

prints "a read fills the memory it was given, though a second request and another encoding came meanwhile", "wrote 1, read 4000, 4000 D, end", <<'PROGRAM';
my ($fr, $fw, $full) = full;
pipe my $r, my $w or die;
my $x = "\xff";
my $read;
aio_read $r, undef, 4000, $x, 0, sub { $read = "read $_[0], " };
aio_write $fw, undef, undef, $x, 0, sub { print "wrote $_[0], " };
executing 2;
utf8::upgrade ($x);
my @others = map "o" x 1000, 1 .. 20;
syswrite $w, "D" x 4000;
until_true { IO::AIO::poll_cb; $read };
left $fr, $full;
IO::AIO::flush;
print $read, length $x, $x eq "D" x 4000 ? " D, " : " no, ", (grep $_ ne "o" x 1000, @others), "end";
PROGRAM

prints "of a scalar whose encoding was changed back and forth between two reads, no freed memory is filled", "1000, 1000, 1000 B, 0 damaged", <<'PROGRAM';
pipe my $r, my $w or die;
my $x = "\xff" x 1000;
aio_read $r, undef, 1000, $x, 0, sub { print "$_[0], " };
executing 1;
utf8::upgrade ($x); utf8::downgrade ($x);
pipe my $r2, my $w2 or die;
aio_read $r2, undef, 1000, $x, 0, sub { print "$_[0], " };
executing 2;
utf8::upgrade ($x);
my @others = map "o" x 1000, 1 .. 20;
syswrite $w, "A" x 1000;
until_true { IO::AIO::poll_cb; IO::AIO::nreqs () == 1 };
syswrite $w2, "B" x 1000;
IO::AIO::flush;
print length $x, $x eq "B" x 1000 ? " B, " : " no, ", scalar (grep $_ ne "o" x 1000, @others), " damaged";
PROGRAM

prints "a destructor that reads into the very scalar which is being taken for a read", qr/^exit 0: (?:refused |inner \d+ |outer \d+ )+usable$/, <<'PROGRAM';
pipe my $r, my $w or die;
my $x; $x = Guard->new (sub { eval { aio_read $r, undef, 1000, $x, 0, sub { print "inner $_[0] " }; 1 } or print "refused " });
eval { aio_read $r, undef, 4000, $x, 0, sub { print "outer $_[0] " }; 1 } or print "refused ";
syswrite $w, "A" x 5000;
close $w;
IO::AIO::flush;
undef $x; $x = "usable";
print $x;
PROGRAM

# The protection of a buffer can be taken away by force; memory stays intact.
for my $case (
   ["chopped and extended", 'substr $x, 0, 3, ""; $x .= "b" x 1000'],
   ["undefined, then a reference", 'undef $x; $x = \1'],
   ["a regexp", '$x = qr/x/'],
   ["a glob", 'no warnings "once"; $x = *FOO'],
   ["tied", 'tie $x, "Fetch", sub { "" }'],
   ["copied and assigned", 'my $y = $x; my $z = $y; $x = $y'],
) {
   my ($name, $code) = @$case;
   prints "a buffer made writable by force and then $name does no harm", "read 4, 0 damaged, usable", <<'PROGRAM' . "$code;\n" . <<'PROGRAM';
pipe my $r, my $w or die;
my $x = "x" x 1000;
aio_read $r, undef, 4, $x, 0, sub { print "read $_[0], " };
executing 1;
Internals::SvREADONLY ($x, 0);
PROGRAM
my @others = map "o" x 1000, 1 .. 20;
syswrite $w, "read";
IO::AIO::flush;
untie $x; undef $x; $x = "usable";
print scalar (grep $_ ne "o" x 1000, @others), " damaged, $x";
PROGRAM
}

prints "truth values and literals may be written several times at once, and keep their values", "1 1 1 3 3 1", <<'PROGRAM', $out;
open my $fh, ">", $ARGV[0] or die;
IO::AIO::max_parallel 1;
aio_write $fh, 0, 1, !!1, 0, sub { print "$_[0] " } for 1 .. 3;
aio_write $fh, 0, 3, "abc", 0, sub { print "$_[0] " } for 1, 2;
IO::AIO::flush;
print !!1;
PROGRAM

# ---- threads ---------------------------------------------------------------

SKIP: {
   skip "this perl is built without threads", 3 unless $Config{useithreads};

   prints "a thread that fails to load the module takes nothing from the one that has it", "refused, stored 10, read 10, end", <<'PROGRAM', $file;
use threads; use threads::shared;
# the prelude has loaded the module here; the second thread loads it afresh
open my $fh, "<", $ARGV[0] or die;
threads->create (sub {
   delete $INC{"IO/AIO.pm"};
   local $SIG{__WARN__} = sub { };
   print eval { require IO::AIO; 1 } ? "loaded, " : "refused, ";
})->join;
my @fill = map [$_], 1 .. 1000;
tie my $x, "Fetch", sub { "" }, sub { print "stored ", length $_[0], ", " };
aio_read $fh, 0, 10, $x, 0, sub { print "read $_[0], " };
IO::AIO::flush;
print "end";
PROGRAM

   # The module is loaded by a thread, and refused to the next one, in a
   # program that does not have it itself.
   my $program = spew scratch . "/threads.pl", <<'PROGRAM';
use strict; use warnings; use threads; use threads::shared;
$| = 1;
{ package Store; sub TIESCALAR { bless [], $_[0] } sub FETCH { "" } sub STORE { print "stored ", length $_[1], ", " } }
my $step : shared = 0;
my $path = shift;
my $owner = threads->create (sub {
   require IO::AIO;
   { lock $step; $step = 1; cond_broadcast $step }
   { lock $step; cond_wait $step until $step == 2 }
   tie my $x, "Store";
   open my $fh, "<", $path or die;
   my @fill = map [$_], 1 .. 1000;
   &IO::AIO::aio_read ($fh, 0, 10, $x, 0, sub { print "read $_[0], " });
   &IO::AIO::flush ();
});
{ lock $step; cond_wait $step until $step == 1 }
threads->create (sub { print eval { require IO::AIO; 1 } ? "loaded, " : "refused, " })->join;
{ lock $step; $step = 2; cond_broadcast $step }
$owner->join;
print "end";
PROGRAM
   prints "also where the owner is a thread itself", "refused, stored 10, read 10, end", 'exec $^X, (map "-I$_", grep !ref, @INC), @ARGV', $program, $file;

   prints "a thread made while a request holds a scalar has a copy of its own", "read 10, the clone has its 100000 z", <<'PROGRAM';
use threads; use threads::shared;
pipe my $r, my $w or die;
my $x = "z" x 100000;
my $go : shared = 0;
aio_read $r, undef, 100000, $x, 0, sub { print "read $_[0], " };
executing 1;
my $clone = threads->create (sub {
   { lock $go; cond_wait $go until $go }
   print "the clone has its ", length $x, $x eq "z" x 100000 ? " z" : " other octets: " . substr $x, 0, 20;
});
syswrite $w, "W" x 10;
close $w;
IO::AIO::flush;
undef $x;
my @others = map "F" x 100000, 1 .. 3;
{ lock $go; $go = 1; cond_broadcast $go }
$clone->join;
PROGRAM
}

# ---- memory and temporaries ------------------------------------------------

SKIP: {
   open my $statm, "<", "/proc/self/statm" or skip "no /proc/self/statm to see the memory used", 3;
   my $rss = 'require POSIX; sub used { open my $f, "<", "/proc/self/statm" or die; (split " ", <$f>)[1] * POSIX::sysconf (POSIX::_SC_PAGESIZE ()) } ';
   my $big = spew scratch . "/big", "x" x 2_000_000;
   for my $request ('aio_slurp $file, 0, 0, $x, $next', 'aio_load $file, $x, $next') {
      prints "40 times $request within one flush need the memory of a few", "40 times, within 20 MB", $rss . <<'PROGRAM' . "   $request;\n" . <<'PROGRAM', $big;
IO::AIO::max_parallel 1;   # each worker may keep memory for its next request
my $file = $ARGV[0];
my ($n, $x, $most, $before) = (0, "", 0);
my $next; $next = sub {
   $before = used if $n == 2;
   $most = used if $n >= 2 && used > $most;
   return if $n++ >= 40;
PROGRAM
};
$next->();
IO::AIO::flush;
my $grown = ($most - $before) / 1e6;
print $n - 1, " times, ", $grown < 20 ? "within 20 MB" : "$grown MB";
PROGRAM
   }
   prints "100000 calls of a feeder within one flush leave no memory in use", "within 1 MB", $rss . <<'PROGRAM';
IO::AIO::max_parallel 1;
my $n = 0;
my $before;
my $group = aio_group;
limit $group 100;
feed $group sub {
   $before = used if $n == 20000;
   $n++ < 100000 or return;
   add { $_[0] } aio_nop sub { };
};
IO::AIO::flush;
my $grown = (used () - $before) / 1e6;
print $grown < 1 ? "within 1 MB" : "$grown MB";
PROGRAM
}

prints "what a group's object holds is released when the group is done, not at the end of the flush", "member member member released later flushed", <<'PROGRAM';
IO::AIO::max_parallel 2;
my @gate = park 1, sub { print "later " };
my $n = 0;
my $group = aio_group sub { release @gate };
$group->{guard} = Guard->new (sub { print "released " });
limit $group 1;
feed $group sub { return if $n++ >= 3; add { $_[0] } aio_nop sub { print "member " } };
undef $group;
IO::AIO::flush;
print "flushed";
PROGRAM

prints "what a callback, a feeder and an overloaded callback return is gone before the next callback", "callback gone next gone feeder gone flushed", <<'PROGRAM';
IO::AIO::max_parallel 1;
aio_nop sub { print "callback "; Guard->new (sub { print "gone " }) };
aio_nop sub { print "next "; (1, Guard->new (sub { print "gone " })) };
IO::AIO::flush;
my $group = aio_group;
feed $group sub { print "feeder "; Guard->new (sub { print "gone " }) };
IO::AIO::flush;
print "flushed";
PROGRAM

# ---- objects ---------------------------------------------------------------

for my $case (
   ["of a request", 'IO::AIO::WD::DESTROY ($req)'],
   ["of CWD", 'IO::AIO::CWD->DESTROY'],
   ["of CWD, twice", 'IO::AIO::CWD->DESTROY; IO::AIO::CWD->DESTROY'],
   ["of a request, three times", 'eval { IO::AIO::WD::DESTROY ($req) } for 1 .. 3'],
   ["of text", 'IO::AIO::WD::DESTROY ("text")'],
   ["of nothing", 'IO::AIO::WD::DESTROY (undef)'],
   ["of a hash", 'IO::AIO::WD::DESTROY ({})'],
) {
   my ($name, $code) = @$case;
   prints "the destructor of directory objects, called by hand with the object $name, harms nothing", "callback kept, done, CWD 0, pair 0, ", <<'PROGRAM' . "eval { $code };\n" . <<'PROGRAM';
IO::AIO::max_parallel 1;
my @gate = park 1;
my $req = aio_nop sub { print "done, " };
PROGRAM
print $req->cb ? "callback kept, " : "callback lost, ";
aio_stat IO::AIO::CWD, sub { print "CWD $_[0], " };
aio_stat [IO::AIO::CWD, "/"], sub { print "pair $_[0], " };
release @gate;
IO::AIO::flush;
PROGRAM
}

prints "a directory object destroyed by hand may be destroyed again by perl", "stat -1 or refused, CWD 0, end", <<'PROGRAM', scratch;
aio_wd $ARGV[0], sub { our $wd = $_[0] };
IO::AIO::flush;
our $wd;
$wd->DESTROY; $wd->DESTROY;
my $got;
eval { aio_stat [$wd, "file"], sub { $got = $_[0] }; IO::AIO::flush; 1 };
print defined $got && $got == 0 ? "stat 0, " : "stat -1 or refused, ";
undef $wd;
IO::AIO::flush;
aio_stat IO::AIO::CWD, sub { print "CWD $_[0], " };
IO::AIO::flush;
print "end";
PROGRAM

for my $case (
   ["a request", 'my $fake = IO::AIO::aio_busy 0.01'],
   ["a request that is done", 'my $fake = aio_nop; IO::AIO::flush'],
   ["a group", 'my $fake = aio_group'],
   ["an empty scalar", 'my $fake = do { my $x; \$x }'],
   ["a number", 'my $fake = \(my $x = 1)'],
   ["a hash", 'my $fake = {}'],
) {
   my ($name, $make) = @$case;
   prints "$name blessed into the class of directory objects is none", "refused refused refused end", <<"PROGRAM" . <<'PROGRAM';
$make; bless \$fake, "IO::AIO::WD";
PROGRAM
for my $path ($fake, [$fake, "/"], [$fake, "."]) {
   print eval { aio_stat $path, sub { print "stat $_[0] " }; 1 } ? "accepted " : "refused ";
}
undef $fake;
IO::AIO::flush;
print "end";
PROGRAM
}

prints "group methods refuse whatever is no group, and still work on groups after that", qr/^exit 0: 0 accepted, group a b$/, <<'PROGRAM';
my $nop = aio_nop;
my $accepted = 0;
for my $method (qw(add result errno limit feed cancel_subs)) {
   my $code = IO::AIO::GRP->can ($method);
   for my $object ({}, \"x", "IO::AIO::GRP", undef, 1, $nop, IO::AIO::CWD, sub { }, qr/x/, \*STDOUT, bless ([], "IO::AIO::GRP"), bless (sub { }, "IO::AIO::GRP"), bless (do { my $x; \$x }, "IO::AIO::WD")) {
      eval { $code->($object, $method eq "limit" ? 1 : ()); $accepted++ };
   }
}
print "$accepted accepted, ";
my $group = aio_group sub { print "group @_" };
$group->result ("a", "b");
IO::AIO::flush;
PROGRAM

# ---- numbers ---------------------------------------------------------------

prints "no number, however strange, in any numeric argument hangs a request or breaks the module", "survived", <<'PROGRAM', $file, $out;
my ($path, $other) = @ARGV;
no warnings;
open my $fh, "<", $path or die;
open my $o, "+>", $other or die;
my @strange = ("nan", "inf", "-inf", 9**9**9, -9**9**9, -sin (9**9**9), 2**63, 2**64, -2**63, 18446744073709551615, 9223372036854775807, -1, "1e300", "abc", 2**31, 2**32, 0.5, "0x10", "");
for my $n (@strange) {
   my $x = "abc";
   for my $code (
      sub { aio_read $fh, $n, 2, $x, 0, $_[0] }, sub { aio_read $fh, 0, 2, $x, -4 + ($n & 7), $_[0] },
      sub { aio_write $o, 0, $n, "abc", 0, $_[0] }, sub { aio_write $o, 0, 2, "abc", $n, $_[0] },
      sub { aio_slurp $path, $n, 10, $x, $_[0] },
      sub { aio_sendfile $o, $fh, $n, 10, $_[0] }, sub { aio_readahead $fh, $n, $n, $_[0] },
      sub { aio_utime $other, $n, $n, $_[0] }, sub { aio_fiemap $fh, $n, $n, 0, 1, $_[0] },
      sub { aio_msync $x, $n, $n, 0, $_[0] }, sub { aio_mtouch $x, 0, $n, 0, $_[0] }, sub { aio_mlock $x, 0, $n, $_[0] },
      sub { aio_fcntl $fh, 3, $n, $_[0] }, sub { aio_seek $fh, $n, 0, $_[0] }, sub { aio_fsync $n, $_[0] if $n > 2 ** 30 || $n < 0 },
      sub { aioreq_pri $n; aioreq_nice $n; aio_nop $_[0] },
      sub { my $g = aio_group $_[0]; $g->limit ($n); $g->errno ($n) },
      sub { aio_mknod "$path/none", $n, $n, $_[0] },
      sub { IO::AIO::max_poll_time $n; IO::AIO::max_poll_reqs $n; IO::AIO::idle_timeout $n; IO::AIO::max_poll_time 0; IO::AIO::max_poll_reqs 0; IO::AIO::idle_timeout 10 },
      sub { IO::AIO::madvise $x, $n, $n, 0 }, sub { IO::AIO::fadvise $fh, $n, $n, 0 },
      sub { IO::AIO::major $n; IO::AIO::minor $n; IO::AIO::makedev $n, $n },
      sub { IO::AIO::mmap my $m, $n, 1, 2, $fh, $n },
   ) {
      eval { $code->(sub { }); 1 } or $@ !~ /internal error/ or print "$n: $@";
      eval { IO::AIO::flush; 1 } or print "$n, flush: $@";
   }
}
print "survived";
PROGRAM

# ---- messages --------------------------------------------------------------

prints "an error names the text it refuses, whatever characters are in it", "wide nul ", <<'PROGRAM';
eval { aio_stat "/", "\x{263a}nosuch" };
print $@ =~ /^\x{263a}nosuch: callback must be/ ? "wide " : "other: $@";
eval { aio_stat "/", "no\0such" };
print $@ =~ /^no\0such: callback must be/ ? "nul " : "other: $@";
PROGRAM

prints "an exception of wide characters arrives as such", "2 characters, 1 decoded", <<'PROGRAM';
aio_nop sub { die "\x{263a}\n" };
eval { IO::AIO::flush };
print length $@, " characters, ", utf8::is_utf8 ($@) ? 1 : 0, " decoded";
PROGRAM

# ---- depth -----------------------------------------------------------------

for my $case (
   ["end from the inside out", 'undef $group; IO::AIO::flush; print "$ended ended"', "20001 ended"],
   ["may be cancelled as a whole", '$group->cancel; undef $group; IO::AIO::flush; print "$ended ended"', "0 ended"],
   ["may be dropped by reinit", 'undef $group; IO::AIO::reinit; IO::AIO::flush; print "$ended ended"', "0 ended"],
) {
   my ($name, $code, $expect) = @$case;
   prints "20000 groups, each in the next, $name", $expect, <<'PROGRAM' . $code;
my $ended = 0;
my $group = aio_group sub { $ended++ };
for (1 .. 20000) { my $outer = aio_group sub { $ended++ }; add $outer $group; $group = $outer }
PROGRAM
}

# ---- the end ---------------------------------------------------------------

prints "objects destroyed at the very end may use the module without harm", qr/^exit 0: (?:cb |refused )?end $/, <<'PROGRAM';
our $keep = Guard->new (sub { eval { IO::AIO::aio_stat ("/", sub { print "cb " }); IO::AIO::flush (); 1 } or print "refused "; print "end " });
our $req = aio_stat "/";
our $group = aio_group;
aio_wd "/", sub { our $wd = $_[0] };
PROGRAM

prints "requests in flight when the last callback dies do not touch freed memory", qr/^exit [1-9]\d*: in END\nEND failed/, <<'PROGRAM', $file;
pipe our $r, our $w or die;
open my $fh, "<", $ARGV[0] or die;
our @b = map "x" x 100000, 1 .. 50;
aio_nop sub { die "in END\n" };
aio_read $fh, 0, 1000, $_, 0, sub { } for @b;
PROGRAM

done_testing;
