# bin/treescan, as its man page promises it: what it lists, in which form, what
# it says about errors, how it ends. TREESCAN names another copy to test.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(scratch spew slurp until_true);
use Test::More;
use Errno ();
use Fcntl qw(O_RDWR);
use File::Find ();
use File::Spec ();
use JSON::PP ();
use POSIX ();
use Time::HiRes ();

my $program = File::Spec->rel2abs ($ENV{TREESCAN} || "bin/treescan");
my @perl    = ($^X, map "-I" . File::Spec->rel2abs ($_), grep !ref, @INC);
my $dir     = scratch;
my $tree    = "$dir/tree";

# Starts treescan in $dir, after calling $prepare in the child.
sub start {
   my ($prepare, @args) = @_;
   my $pid = fork;
   defined $pid or die "fork: $!";
   if (!$pid) {
      chdir $dir or POSIX::_exit (254);
      open STDIN, "<", File::Spec->devnull or POSIX::_exit (254);
      # A shell that runs the tests in the background has them ignore some.
      $SIG{$_} = "DEFAULT" for qw(INT TERM HUP PIPE);
      $prepare->();
      { no warnings "exec"; exec @perl, $program, @args }
      POSIX::_exit (254);
   }
   return $pid;
}

# How a child ended. The watchdog of AIOTest ends a wait that takes too long.
sub ending {
   my ($pid) = @_;
   waitpid ($pid, 0) == $pid or die "waitpid: $!";
   return $? & 127 ? "signal " . ($? & 127) : "exit " . ($? >> 8);
}

# Runs treescan to its end: how it ended, standard output, standard error.
sub run_with {
   my ($prepare, @args) = @_;
   my ($out, $err) = ("$dir/stdout", "$dir/stderr");
   my $pid = start (sub {
      open STDOUT, ">", $out or POSIX::_exit (254);
      open STDERR, ">", $err or POSIX::_exit (254);
      $prepare->();
   }, @args);
   return (ending ($pid), slurp ($out), slurp ($err));
}

sub run { run_with (sub {}, @_) }

sub stdin_is {
   my $file = spew "$dir/stdin", $_[0];
   return sub { open STDIN, "<", $file or POSIX::_exit (254) };
}

# The output of a run that has to end well and without a word.
sub listing {
   my ($end, $out, $err) = run (@_);
   diag "treescan @_: $end\n$err" if $end ne "exit 0" || $err ne "";
   return $end eq "exit 0" && $err eq "" ? $out : "failed";
}

sub lines { join " ", sort split /\n/, $_[0] }

sub objects {
   map { eval { JSON::PP->new->utf8->decode ($_) } || { path => "no JSON: $_" } } split /\n/, $_[0]
}


# What the man page says about getting at the bytes of a path.
sub bytes_of {
   my ($object) = @_;
   return pack "H*", $object->{path_hex} if exists $object->{path_hex};
   utf8::encode (my $bytes = $object->{path});
   return $bytes;
}

mkdir $_ or die "$_: $!" for $tree, "$tree/a", "$tree/a/b", "$tree/c", "$dir/empty";
spew "$tree/$_", "" for "f", "a/g", "a/b/h";
symlink "..", "$tree/c/up" or die;
symlink "tree", "$dir/link" or die;

# ---- what is listed --------------------------------------------------------

my $all = "tree/ tree/a/ tree/a/b/ tree/a/b/h tree/a/g tree/c/ tree/c/up tree/f";

is lines (listing "tree"), $all,
   "every entry once, slashes after directories, links not followed";
is lines (listing "tree///"), $all, "slashes after an argument make no difference";
is lines (listing "-d", "tree"), "tree/ tree/a/ tree/a/b/ tree/c/", "--dirs";
is lines (listing "-f", "tree"), "tree/a/b/h tree/a/g tree/c/up tree/f", "--files";
is listing ("-q", "tree"), "", "--quiet";
is lines (listing "-s", "tree"), $all, "--stat does not change the list";
is lines (listing "-s", "link"), $all =~ s/tree/link/gr, "an argument may be a link to a directory";
is lines (listing "tree/c/up"), $all =~ s{tree}{tree/c/up}gr, "also one that leads up";
is listing ("empty"), "empty/\n", "an empty directory";
is lines (listing "empty", "tree", "empty"), "empty/ empty/ $all", "several arguments, one twice";
like lines (listing), qr{^\./ .*\./link .*\./tree/a/g }, "the current directory by default";
like lines (listing "tree/..//tree/a/b"), qr{^tree/\.\.//tree/a/b/ tree/\.\.//tree/a/b/h\z}, "arguments are not rewritten";

my @order = split /\n/, listing "tree";
my %position;
@position{@order} = 0 .. $#order;
is_deeply [grep { m{^(.+/)[^/]+/?\z} && $position{$1} > $position{$_} } @order], [],
   "directories come before what is in them";

is join (" ", sort split /\0/, listing "-0", "tree"), $all, "--print0";
unlike listing ("--print0", "tree"), qr/\n/, "--print0 leaves no newline";

# A tree of some size that somebody else counts.
my %found;
for my $i (1 .. 40) {
   mkdir "$dir/big" if $i == 1;
   mkdir "$dir/big/$i" or die;
   for my $j (1 .. 40) {
      mkdir "$dir/big/$i/$j" or die;
      spew "$dir/big/$i/$j/$_", "" for 1, 2;
   }
}
File::Find::find ({ no_chdir => 1, wanted => sub { $found{$_}++ } }, "$dir/big");
my %listed;
$listed{ s{/\z}{}r }++ for split /\n/, listing "$dir/big";
is_deeply \%listed, \%found, "the same " . keys (%found) . " entries as File::Find";
is_deeply [sort map bytes_of ($_), objects listing "--json", "--stat", "$dir/big"], [sort keys %found],
   "and with --json --stat";

# ---- --grep ----------------------------------------------------------------

is lines (listing "-g", '/$', "tree"), "tree/ tree/a/ tree/a/b/ tree/c/", "--grep sees the slash";
is lines (listing "--grep=^tree/a/g", "tree"), "tree/a/g", "--grep sees the whole path";
is lines (listing "-g", "[gh]", "tree"), "tree/a/b/h tree/a/g", "--grep does not limit the walk";
is lines (listing "-f", "-g", "a", "tree"), "tree/a/b/h tree/a/g", "--grep with --files";
is listing ("-g", "nowhere", "tree"), "", "--grep that matches nothing";
is join ("", map $_->{path}, objects listing "--json", "-g", "b/\$", "tree"), "tree/a/b",
   "--grep sees the slash with --json too";

# ---- names -----------------------------------------------------------------

mkdir "$dir/$_" or die for "-", "-x", "names";
spew "$dir/-/minus", "";
spew "$dir/-x/ex", "";

is lines (listing "./-"), "./-/ ./-/minus", "a directory whose name is -";
is lines (listing "--", "-x"), "-x/ -x/ex", "a directory whose name begins with -, after --";

my @names = (
   (map chr, 1 .. 45, 47 + 1 .. 255), "-", "--json", "a\nb", "two  words", '"\\"', "*?[]", '$x @y %z',
   "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xaa", "\xf4\x8f\xbf\xbf",             # valid UTF-8
   "\xed\xa0\x80", "\xc0\x80", "\xe0\x80\xaf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",  # not valid
   "\xc3", "x\xe2\x82", "\xe2\x82\xc3\xa4", "\xef\xbf\xbd", "\xef\xbf\xbd\xff",
);
my %valid = map { ($_ => 1) } "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xaa", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbd";
my %names = map { ($_ => 1) } grep $_ ne ".", @names;

SKIP: {
   for my $name (keys %names) {
      open my $fh, ">", "$dir/names/$name"
         or skip "this file system refuses some names: $!", 8;
   }
   my @paths = sort "names/", map "names/$_", keys %names;

   is_deeply [sort split /\0/, listing "-0", "names"], \@paths, "names of any bytes, with --print0";
   is listing ("-f", "-g", 'a.b\z', "names"), "names/a\nb\n", "a dot in --grep matches a newline";

   my @objects = objects listing "--json", "names";
   s{/\z}{} for @paths;
   is_deeply [sort map bytes_of ($_), @objects], \@paths, "--json: no byte is lost";
   is_deeply [sort map bytes_of ($_), grep !exists $_->{path_hex}, @objects],
      [sort grep !/[\x80-\xff]/ || $valid{ s{^names/}{}r }, @paths],
      "--json: path_hex is there where the name is not UTF-8, and only there";
   is_deeply [map $_->{path}, grep bytes_of ($_) eq "names/x\xe2\x82", @objects], ["names/x\x{fffd}\x{fffd}"],
      "--json: path then has U+FFFD for each byte";
   is_deeply [sort map bytes_of ($_), objects listing "--json", "-s", "names"], \@paths, "and with --stat";

   # The bytes of the directory count for what is in it.
   mkdir "$dir/\xff" or skip "this file system refuses some names: $!", 2;
   spew "$dir/\xff/plain", "";
   is_deeply [sort map bytes_of ($_), objects listing "--json", "\xff"], ["\xff", "\xff/plain"],
      "--json: a directory that is not UTF-8";

   local $ENV{PERL_UNICODE} = "SDAL";
   local $ENV{LC_ALL} = "C.UTF-8";
   is lines (listing "\xff", "names", "-g", "\\A\xff"), "\xff/ \xff/plain", "PERL_UNICODE makes no difference";
}

# ---- paths from standard input ---------------------------------------------

my ($end, $out, $err) = run_with stdin_is ("tree/a\n\n-\n-x"), "-";
is_deeply [$end, lines ($out), $err],
   ["exit 0", "-/ -/minus -x/ -x/ex tree/a/ tree/a/b/ tree/a/b/h tree/a/g", ""],
   "- reads lines from standard input, empty ones are ignored";
mkdir "$dir/new\nline" or die;
is_deeply [run_with stdin_is ("new\nline\0"), "-"], ["exit 0", "new\nline/\n", ""],
   "or names that end in null characters";
is_deeply [run_with stdin_is (""), "-"], ["exit 0", "", ""], "an empty list is no error";
is_deeply [run_with stdin_is ("empty\n"), "-", "-"], ["exit 0", "empty/\n", ""], "the second - finds nothing more";
is_deeply [run_with sub { open STDIN, "<", "." or POSIX::_exit (254) }, "-"],
   ["exit 1", "", "treescan: standard input: " . errno_text ("EISDIR") . "\n"], "standard input that cannot be read";

sub errno_text { local $! = Errno->can ($_[0])->(); "$!" }

# ---- --json ----------------------------------------------------------------

is_deeply { map { ($_->{path} => $_->{type}) } objects listing "--json", "tree" },
   { map { (s{/\z}{}r => m{/\z} ? "directory" : "nondirectory") } split / /, $all },
   "--json: path and type";
is_deeply [grep keys %$_ != 2, objects listing "--json", "tree"], [], "--json: nothing else without --stat";
is lines (join "\n", map $_->{path}, objects listing "--json", "-s", "-d", "tree"),
   "tree tree/a tree/a/b tree/c", "--json --stat --dirs";
is listing ("--json", "--stat", "-q", "tree"), "", "--json --stat --quiet";

mkdir "$dir/types" or die;
spew "$dir/types/file", "x" x 1234;
chmod 04640, "$dir/types/file" or die;
utime 1, 1_000_000_000, "$dir/types/file" or die;
spew "$dir/types/old", "";
utime 1, -5, "$dir/types/old" or die;
symlink "nowhere", "$dir/types/symlink" or die;
POSIX::mkfifo ("$dir/types/fifo", 0600) or die;
my %object = map { ($_->{path} => $_) } objects listing "--json", "--stat", "types";

is $object{"types/file"}{type},    "file",      "--stat: type of a file";
is $object{"types"}{type},         "directory", "of a directory";
is $object{"types/symlink"}{type}, "symlink",   "of a symbolic link";
is $object{"types/fifo"}{type},    "fifo",      "of a fifo";
is join (" ", map "$_->{path} $_->{type}", objects listing "--json", "-s", "-g", "^link/\\z", "link"),
   "link directory", "of an argument that is a link to one";
is $object{"types/file"}{size}, 1234, "size";
is $object{"types/file"}{mode}, "4640", "mode";
is $object{"types/fifo"}{mode}, "0600", "mode, with four digits";
is $object{"types/file"}{mtime}, 1_000_000_000, "mtime";

SKIP: {
   skip "this file system knows no time before 1970", 1 if (stat "$dir/types/old")[9] != -5;
   is $object{"types/old"}{mtime}, -5, "mtime before 1970";
}

# ---- --sync ----------------------------------------------------------------

is lines (listing "--sync", "tree"), $all, "--sync does not change the list";
is lines (listing "--sync", "-f", "types"), "types/fifo types/file types/old types/symlink",
   "--sync does not wait for the other end of a fifo";
is listing ("--sync", "-q", "link"), "", "--sync --quiet, by a link";

# ---- errors ----------------------------------------------------------------

my $enoent = errno_text "ENOENT";

is_deeply [run "missing"], ["exit 1", "", "treescan: missing: $enoent\n"], "a missing argument is named and counted";
is_deeply [run "tree/f"], ["exit 1", "", "treescan: tree/f: " . errno_text ("ENOTDIR") . "\n"], "so is a file";
is_deeply [run ""], ["exit 1", "", qq(treescan: "": $enoent\n)], "so is an empty name";
is_deeply [run "a\n\e[2J\\b"], ["exit 1", "", "treescan: a\\x0a\\x1b[2J\\\\b: $enoent\n"],
   "control characters do not get into messages";
symlink "loop", "$dir/loop" or die;
is_deeply [run "loop"], ["exit 1", "", "treescan: loop: " . errno_text ("ELOOP") . "\n"], "so is a link to itself";

($end, $out, $err) = run "missing", "tree", "other";
is $end, "exit 2", "each error counts";
is lines ($out), $all, "and what can be read is listed";
is lines ($err), "treescan: missing: $enoent treescan: other: $enoent", "and named";

is +(run map "missing$_", 1 .. 124)[0], "exit 124", "124 errors";
is +(run map "missing$_", 1 .. 300)[0], "exit 124", "300 errors";

# A path of more than the system takes: made in steps, and found in steps.
my $step = "d" x 200;
my $depth = 0;
my $back = POSIX::getcwd ();
mkdir "$dir/deep" or die;
chdir "$dir/deep" or die;
while ($depth * 201 < 6000) {
   mkdir $step or die "mkdir: $!";
   chdir $step or die "chdir: $!";
   $depth++;
}
chdir $back or die;

SKIP: {
   my $max = POSIX::pathconf ($dir, POSIX::_PC_PATH_MAX ());
   skip "paths have no limit of 4096 here", 4 if !defined $max || $max != 4096;

   # "deep/" and 20 steps with their slashes are 4025 bytes; the next is too much.
   ($end, $out, $err) = run "deep";
   my $last = "deep/" . join "/", ($step) x 21;
   is $end, "exit 1", "a directory below that cannot be read is counted";
   is $err, "treescan: $last: " . errno_text ("ENAMETOOLONG") . "\n", "and named";
   is +(split /\n/, $out)[-1], "$last/", "and listed, as its parent has it";

   ($end, $out, $err) = run "--json", "--stat", "deep";
   is_deeply [$end, [grep !exists $_->{size}, objects $out]],
      ["exit 2", [{ path => $last, type => "directory" }]],
      "an entry whose status cannot be had is counted, and listed without it";
}

# As somebody who may not read everything.
SKIP: {
   my $drop = sub { };
   if ($> == 0) {
      $drop = sub {
         $( = 65534;
         $) = "65534 65534";
         $< = $> = 65534;
         POSIX::_exit (254) if $> == 0;
      };
   }
   mkdir "$dir/mine" or die;
   mkdir "$dir/mine/closed" or die;
   spew "$dir/mine/secret", "";
   chmod 0755, $dir, "$dir/mine" or die;
   chmod 0, "$dir/mine/closed", "$dir/mine/secret" or die;
   chown 65534, 65534, "$dir/mine" if $> == 0;
   ($end, $out) = run_with $drop, "--version";
   skip "another user may not run this copy of treescan ($end)", 4 if $end ne "exit 0";

   my $eacces = errno_text "EACCES";
   ($end, $out, $err) = run_with $drop, "mine";
   is_deeply [$end, lines ($out), $err],
      ["exit 1", "mine/ mine/closed/ mine/secret", "treescan: mine/closed: $eacces\n"],
      "a directory without permission is listed, named and counted";
   is_deeply [run_with $drop, "mine/closed"], ["exit 1", "mine/closed/\n", "treescan: mine/closed: $eacces\n"],
      "as an argument, too";

   ($end, $out, $err) = run_with $drop, "--sync", "-q", "mine";
   is $end, "exit 3", "--sync: files that cannot be opened are counted";
   is lines ($err), join (" ", ("treescan: mine/closed: $eacces") x 2, "treescan: mine/secret: $eacces"),
      "and named";
}

# ---- wrong use, help -------------------------------------------------------

for my $case (
   [["--nosuch"],            qr/nosuch/],
   [["-d", "-f"],            qr/--dirs and --files exclude each other/],
   [["--json", "-0"],        qr/--print0 and --json exclude each other/],
   [["-g", "("],             qr/--grep: Unmatched \( in regex/],
   [["-g", "(?{ print 1 })"], qr/--grep: Eval-group not allowed/],
   [["-g"],                  qr/requires an argument/],
) {
   my ($args, $message) = @$case;
   ($end, $out, $err) = run @$args;
   is "$end, $out", "exit 125, ", "@$args: status 125, nothing listed";
   like $err, qr/$message.*try 'treescan --help'/s, "@$args: says why";
}

($end, $out, $err) = run "--help";
is "$end, $err", "exit 0, ", "--help";
like $out, qr/\[OPTION\.\.\.\] \[PATH\.\.\.\]/, "--help shows the usage";
like $out, qr/\s$_\b/, "--help shows $_"
   for qw(--quiet --print0 --stat --dirs --files --grep --progress --sync --json --version);
is_deeply [run "--version"], ["exit 0", "treescan (IO::AIO $IO::AIO::VERSION)\n", ""], "--version";

# ---- output that cannot be written -----------------------------------------

is_deeply [(run_with sub { close STDOUT }, "tree")[0, 2]], ["exit 125", ""],
   "standard output closed from the start: status 125, no message";
is_deeply [(run_with sub { close STDIN; close STDOUT }, "tree")[0, 2]], ["exit 125", ""],
   "the same without standard input";
is_deeply [(run_with sub { close STDOUT }, "-q", "tree")[0, 2]], ["exit 0", ""],
   "which does not matter with --quiet";

SKIP: {
   skip "no /dev/full here", 1 if !-c "/dev/full";
   is_deeply [(run_with sub { open STDOUT, ">", "/dev/full" }, "tree")[0, 2]],
      ["exit 125", "treescan: standard output: " . errno_text ("ENOSPC") . "\n"], "a full disk is named";
}

# The gate: directory w1 has more names than a pipe takes. Once the first of them
# has been read, treescan is in the middle of listing w1, and has not yet asked
# for w2.
mkdir "$dir/$_" or die for "wide", "wide/w1", "wide/w1/w2";
spew "$dir/wide/w1/w2/last", "";
spew sprintf ("$dir/wide/w1/%0200d", $_), "" for 1 .. 2000;

# Starts treescan with a pipe as output, reads up to a line that matches, and
# returns the process, the pipe and the lines.
sub start_until {
   my ($last, $prepare, @args) = @_;
   pipe my $r, my $w or die;
   my $pid = start (sub {
      open STDOUT, ">&", $w or POSIX::_exit (254);
      open STDERR, ">", "$dir/stderr" or POSIX::_exit (254);
      close $r;
      $prepare->();
   }, @args);
   close $w;
   my @lines;
   while (defined (my $line = readline $r)) {
      push @lines, $line;
      last if $line =~ $last;
   }
   return ($pid, $r, @lines);
}

sub start_gated { start_until (qr/\d{200}$/, @_) }

my ($pid, $r, @first) = start_gated (sub { }, "wide");
close $r;
is ending ($pid), "signal " . POSIX::SIGPIPE, "a reader that has gone: ends by SIGPIPE";
is slurp ("$dir/stderr"), "", "without a message";

($pid, $r) = start_gated (sub { $SIG{PIPE} = "IGNORE" }, "wide");
close $r;
is ending ($pid), "exit 125", "with SIGPIPE ignored: status 125";
is slurp ("$dir/stderr"), "", "without a message";

# The tree below / is too much for a test, its first line is not.
for my $case ([[], "/\n"], [["--json"], qq({"path":"/","type":"directory"}\n)]) {
   ($pid, $r, @first) = start_until (qr/^/, sub { }, @{ $case->[0] }, "/");
   kill TERM => $pid;
   close $r;
   ending ($pid);
   is $first[0], $case->[1], "@{ $case->[0] } /: one slash";
}

# Somebody else may have made the pipe non-blocking.
($pid, $r, @first) = start_gated (sub {
   require Fcntl;
   fcntl STDOUT, Fcntl::F_SETFL (), Fcntl::O_NONBLOCK () | fcntl (STDOUT, Fcntl::F_GETFL (), 0)
      or POSIX::_exit (254);
}, "wide");
my @rest = readline $r;
is ending ($pid), "exit 0", "a pipe that does not block";
is @first + @rest, 2004, "gets everything";

# ---- signals ---------------------------------------------------------------

for my $signal (qw(INT TERM HUP)) {
   ($pid, $r, @first) = start_gated (sub { }, "-p", "wide");
   kill $signal => $pid;
   @rest = readline $r;
   is ending ($pid), "signal " . POSIX->can ("SIG$signal")->(), "SIG$signal: ends by the signal";
   is @first + @rest, 2003, "and lists what it has found, but goes no further";
   is_deeply [grep !m{^wide/(?:w1/(?:w2/|\d{200})?)?\n\z}, @first, @rest], [], "in whole lines";
   like slurp ("$dir/stderr"), qr/^treescan: interrupted: 2003 entries, 3 directories, 0 errors/m, "with a summary";
}

($pid, $r, @first) = start_gated (sub { $SIG{HUP} = "IGNORE" }, "wide");
kill HUP => $pid;
@rest = readline $r;
is ending ($pid), "exit 0", "a signal that was ignored from the start stays so";
is @first + @rest, 2004, "and everything is listed";

# ---- --progress ------------------------------------------------------------

($end, $out, $err) = run "-p", "tree", "missing";
is "$end, " . lines ($out), "exit 1, $all", "--progress does not change list and status";
like $err, qr{^treescan: 8 entries, 4 directories, 1 errors, \d+\.\d\d s, \d+/s, \d+ requests on \d+ workers$}m, "--progress ends with a summary";
is +(run "-q", "tree")[2], "", "no summary without it";
like +(run "-p", "-q", "-f", "-g", "x", "tree")[2], qr/^treescan: 8 entries, 4 directories/,
   "it counts what is found, not what is listed";

my $line = qr{\d+ entries, \d+/s, \d+ directories open};
($pid, $r) = start_gated (sub { }, "-p", "wide");
my $begin = Time::HiRes::time;
until_true { Time::HiRes::time > $begin + 1 };
@rest = readline $r;
ending ($pid);
like slurp ("$dir/stderr"), qr{\A(?:treescan: $line\n)+treescan: 2004 entries, 3 dir[^\n]+\n\z},
   "after a second there is a line of progress";

# A terminal, by the means of Linux, since perl has none of its own.
sub terminal {
   sysopen my $master, "/dev/ptmx", O_RDWR or return;
   ioctl $master, 0x40045431, my $unlock = pack "i", 0 or return;
   ioctl $master, 0x80045430, my $number = pack "i", 0 or return;
   sysopen my $slave, "/dev/pts/" . unpack ("i", $number), O_RDWR | POSIX::O_NOCTTY () or return;
   return ($master, $slave);
}

SKIP: {
   my ($master, $slave) = $^O eq "linux" ? terminal : ();
   skip "no terminal to be had through /dev/ptmx", 2 if !$slave;

   ($pid, $r) = start_gated (sub { open STDERR, ">&", $slave or POSIX::_exit (254) }, "-p", "wide");
   $begin = Time::HiRes::time;
   until_true { Time::HiRes::time > $begin + 0.2 };
   @rest = readline $r;
   ending ($pid);
   # What a process wrote may reach the other side after the process has ended.
   my $screen = "";
   1 while $screen !~ /treescan: 2004 .*\n\z/ && sysread $master, $screen, 65536, length $screen;
   like $screen, qr{\A(?:\r$line\e\[K)+\r\e\[Ktreescan: 2004 entries[^\n]+\n\z},
      "on a terminal one line is redrawn, and gives way to the summary";

   # Both on the terminal, which nobody reads for a while: another gate. Then the
   # progress is drawn after w1 was listed, and has to be erased before w2 is.
   $pid = start (sub {
      open $_, ">&", $slave or POSIX::_exit (254) for *STDOUT, *STDERR;
   }, "-p", "wide");
   close $slave;
   sysread $master, $screen, 1;
   $begin = Time::HiRes::time;
   until_true { Time::HiRes::time > $begin + 0.2 };
   1 while sysread $master, $screen, 65536, length $screen;
   ending ($pid);
   like $screen, qr{\r$line\e\[K\r\e\[Kwide/w1/w2/last\r\n},
      "output on the same terminal: the line is erased before";
}

# ---- the man page ----------------------------------------------------------

require Pod::Checker;
my $checker = Pod::Checker->new (-warnings => 1);
open my $sink, ">", \my $complaints or die;
$checker->parse_from_file ($program, $sink);
is $checker->num_errors + $checker->num_warnings, 0, "the man page is correct POD" or diag $complaints;

done_testing;
