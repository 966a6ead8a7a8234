# The programs in eg/ that need nothing but core Perl do what they say. The
# others, which need event loops and the like, are run by xt/examples.t.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(patience scratch spew slurp);
use Config;
use Digest::SHA ();
use File::Find ();
use File::Spec ();
use POSIX ();
use Test::More;
use IO::AIO;

my $eg = File::Spec->rel2abs ("eg");
-e "$eg/synopsis.pl" or BAIL_OUT "no eg/ in the current directory; run the tests from the top of the distribution";

my @inc = map File::Spec->rel2abs ($_), grep !ref, @INC;

# Starts a program and returns its process and a handle on what it prints,
# standard error included. The watchdog of AIOTest ends a test that hangs.
sub start {
   my ($input, $name, @args) = @_;
   my $file = spew (scratch . "/input", $input);
   pipe my $r, my $w or die "pipe: $!";
   my $pid = fork;
   defined $pid or die "fork: $!";
   if (!$pid) {
      # kept across exec: a program that hangs does not outlive the test for long
      alarm 5 * patience;
      $ENV{PERL5LIB} = join $Config{path_sep}, @inc;
      delete $ENV{PERL5OPT};
      open STDIN,  "<",  $file or POSIX::_exit (254);
      open STDOUT, ">&", $w or POSIX::_exit (254);
      open STDERR, ">&", $w or POSIX::_exit (254);
      exec $^X, "$eg/$name.pl", @args or POSIX::_exit (254);
   }
   close $w;
   ($pid, $r)
}

my %ran;
sub run_with {
   my ($input, $name, @args) = @_;
   $ran{$name}++;
   my ($pid, $r) = start ($input, $name, @args);
   my $output = do { local $/; <$r> } // "";
   waitpid $pid, 0;
   ($?, $output)
}

sub run { run_with ("", @_) }

sub sorted { join "", map "$_\n", sort split /\n/, $_[0] }

# ---- a tree to work on -----------------------------------------------------

my $top  = scratch;
my $tree = "$top/tree";
mkdir $_ or die "$_: $!" for $tree, "$tree/a", "$tree/a/b", "$tree/empty";
spew ("$tree/one", "one\n");
spew ("$tree/a/lines", join "", map "$_\n", 1 .. 100_000);
spew ("$tree/a/b/nothing", "");
spew ("$tree/a/b/odd name\xff", "bytes \x00\xff\n");
symlink "../one", "$tree/a/link" or die "symlink: $!";
link "$tree/one", "$tree/a/again" or die "link: $!";
chmod 0750, "$tree/a/b" or die "chmod: $!";
utime 1_000_000_000, 1_100_000_000, "$tree/one", "$tree/a/b" or die "utime: $!";

my (@all, @files);
File::Find::find ({ no_chdir => 1, wanted => sub {
   push @all, $_;
   push @files, $_ if !-l && -f _;
} }, $tree);

# ---- the programs ----------------------------------------------------------

{
   spew ("$top/$_", "x") for "r1", "r2";
   my ($status, $output) = run (synopsis => "$tree/one", "$top/r1", "$top/r2", "$top/r3");
   is $status, 0, "synopsis";
   like $output, qr/^the first 4 bytes are: one\n/m, "synopsis: reads";
   like $output, qr/^all gone$/m, "synopsis: the group ends";
   like $output, qr{^\Q$top\E/r3: }m, "synopsis: names what could not be removed";
   ok !-e "$top/r1" && !-e "$top/r2", "synopsis: removes";
}

{
   my ($one, $two) = ("$top/log1", "$top/log2");
   spew ($one, "old\n");
   my ($pid, $r) = start ("", "tail", "--interval=0.02", "--all", "--until=the end", $one, $two);
   $ran{tail}++;

   my $append = sub {
      my ($path, $text) = @_;
      open my $fh, ">>", $path or die "$path: $!";
      print $fh $text;
      close $fh or die "$path: $!";
   };
   is scalar <$r>, "$one: old\n", "tail: what is there";
   $append->($one, "new\nhalf");
   is scalar <$r>, "$one: new\n", "tail: what is appended";
   $append->($two, "late\n");
   is scalar <$r>, "$two: late\n", "tail: a file that comes into being";
   $append->($one, " a line\n");
   is scalar <$r>, "$one: half a line\n", "tail: a line in two parts";
   rename spew ("$top/log3", "another file\n"), $one or die "rename: $!";
   is scalar <$r>, "$one: another file\n", "tail: a file that was replaced";
   $append->($two, "the end\n");
   is scalar <$r>, "$two: the end\n", "tail: the last line";
   is scalar <$r>, undef, "tail: nothing more";
   waitpid $pid, 0;
   is $?, 0, "tail";
}

{
   my $expect = join "", map { Digest::SHA->new (256)->addfile ($_, "b")->hexdigest . "  $_\n" } sort @files;
   my ($status, $output) = run (checksum => "--jobs=3", "--noprogress", $tree);
   is $status, 0, "checksum";
   is $output, $expect, "checksum: as Digest::SHA says";

   ($status, $output) = run (checksum => "--progress", $tree);
   is $status, 0, "checksum with a bar";
   like $output, qr/\r\[#{50}\] 100%\n/, "checksum: the bar reaches its end";

   ($status, $output) = run (checksum => "$top/nosuch");
   is $status >> 8, 1, "checksum: an error shows in the status";
   like $output, qr{^\Q$top\E/nosuch: }, "checksum: and is named";
}

{
   my $copy = "$top/copy";
   my ($status, $output) = run (copytree => "--jobs=4", $tree, $copy);
   is $status, 0, "copytree";
   my $bytes = 0;
   $bytes += -s for @files;
   like $output, qr/^copied: 4 directories, @{[scalar @files]} files, 1 links, $bytes bytes, 0 errors$/m, "copytree: counts";

   my @wrong;
   for my $path (@all) {
      (my $other = $path) =~ s/^\Q$tree\E/$copy/;
      my ($was, $is) = map [lstat], $path, $other;
      push @wrong, "$other is missing" and next unless @$is;
      push @wrong, "$other: mode" if $was->[2] != $is->[2];
      push @wrong, "$other: contents" if -f $path && !-l $path && slurp ($path) ne slurp ($other);
      push @wrong, "$other: target" if -l $path && readlink ($path) ne readlink $other;
      push @wrong, "$other: time" if !-l $path && $was->[9] != $is->[9];
   }
   is_deeply \@wrong, [], "copytree: the copy is the same";

   ($status, $output) = run (copytree => $tree, $copy);
   is $status >> 8, 1, "copytree: refuses an existing destination";
}

{
   my $path = spew ("$top/config", "old contents");
   my ($status, $output) = run_with ("new contents\n", replace => $path);
   is $status, 0, "replace";
   is $output, "replaced $path: 13 bytes\n", "replace: says so";
   is slurp ($path), "new contents\n", "replace: the new contents";
   is_deeply [glob "$path.*"], [], "replace: leaves nothing behind";

   ($status, $output) = run_with ("x", replace => "$top/nosuch/config");
   isnt $status, 0, "replace: fails in a missing directory";
}

{
   my @paths = (@files, "$top/nosuch");
   my $bytes = 0;
   $bytes += -s for @files;
   my $expect = @paths . " paths, 1 missing, $bytes bytes, at most 2 at a time\n";
   my ($status, $output) = run_with ((join "", map "$_\n", @paths), queue => "--limit=2");
   is $status, 0, "queue";
   is $output, $expect, "queue: from standard input";
   is +(run (queue => "--limit=2", @paths))[1], $expect, "queue: from the command line";
}

{
   my ($status, $output) = run (first => "lines", "$tree/empty", "$tree/a", "$tree/a/b");
   is $status, 0, "first";
   is $output, "found: $tree/a/lines\n", "first: finds";
   is +(run (first => "nosuch", $tree, "$tree/a"))[1], "not found\n", "first: finds nothing";
}

{
   my (%seen, $entries, $blocks);
   for (@all) {
      my @s = lstat;
      next if $seen{"$s[0]/$s[1]"}++;
      $entries++;
      $blocks += $s[12];
   }
   my ($status, $output) = run (du => $tree);
   is $status, 0, "du";
   is $output, int ($blocks / 2) . " KiB in $entries entries\n", "du: the right sum";
}

SKIP: {
   skip "no mmap on this system", 2 unless IO::AIO::MAP_SHARED;
   my ($status, $output) = run (mmap => "$tree/a/lines");
   is $status, 0, "mmap";
   is $output, "$tree/a/lines: 100000 lines\n", "mmap: counts";
}

SKIP: {
   skip "no SEEK_DATA on this system", 3 unless IO::AIO::SEEK_DATA;
   my $path = spew ("$top/sparse", "");
   open my $fh, "+<", $path or die "$path: $!";
   truncate $fh, 1 << 22 or die "truncate: $!";
   sysseek $fh, 1 << 20, 0;
   syswrite $fh, "x" x 4096;
   close $fh;
   my ($status, $output) = run (holes => $path);
   is $status, 0, "holes";
   my @part = $output =~ /^data from (\d+) to (\d+)$/mg;
   ok @part && $part[0] <= 1 << 20 && $part[1] >= (1 << 20) + 4096, "holes: finds the data" or diag $output;
   like $output, qr/^\d+ extents$|^extents: /m, "holes: tells the extents, or why not";
}

SKIP: {
   skip "no pidfd_open here: $!", 2 unless IO::AIO::pidfd_open $$;
   my ($status, $output) = run (children => patience / 10, "exit 3", "kill -9 \$\$", "exec sleep 100");
   is $status, 0, "children";
   is sorted ($output), "exec sleep 100: signal 15\nexit 3: status 3\nkill -9 \$\$: signal 9\n", "children: how each ended";
}

{
   my ($status, $output) = run ("fork");
   is $status, 0, "fork";
   is $output, "child: 0 requests at the start\nchild: my request was answered\n"
             . "parent: my request was answered\nparent: the child ended with status 0\n",
      "fork: each has its own requests";
}

for my $name ("loop-select", "loop-poll") {
   my ($status, $output) = run ($name => "$tree/one", "$top/nosuch");
   is $status, 0, $name;
   like $output, qr{^\Q$tree\E/one: 4$}m, "$name: a result";
   like $output, qr{^\Q$top\E/nosuch: \D+$}m, "$name: an error";
}

# ---- the short examples of the manual --------------------------------------

# What a program prints is a list of lines; each must match, in any order
# among those that are made at the same time.
sub prints {
   my ($name, @expect) = @_;
   my ($status, $output) = run ($name);
   is $status, 0, "$name ends normally" or diag $output;
   for my $re (@expect) {
      ok $output =~ s/^$re\n//m, "$name: $re" or diag $output;
   }
   is $output, "", "$name: prints nothing else";
}

prints "manual-files",
   qr/log has 6 octets/, qr/closed: yes/, qr/read:  0123\nline 0124\nline/, qr/the first megabyte is cached/,
   qr/the file ends in line 0499\n/, qr/loaded 5000 and 6 octets/, qr/log has 0 octets/, qr/out has 0 octets/,
   qr/(?:immutable: no|no attributes: .*)/, qr/size is 5000/, qr/[\d.]+ GB are free/, qr/touched: yes/,
   qr/mode of log is 0600/, qr/fifo: yes/, qr/data has 2 names/, qr/soft points to data/, qr{which is /.*/data},
   qr/final has 5 octets/, qr/dir: no/, qr/entries: data elsewhere fifo final hard log out soft tree/,
   qr/data.bak has 5000 octets/, qr/moved: 5000/, qr/tree: no/, qr/there are users/, qr/no such directory/;

prints "manual-groups",
   qr/first\nsecond/, qr/a request took \d\.\d{6} seconds/, qr/half a second has passed/, qr/3 requests after the block/,
   qr/another callback/, qr/the head is: contents o/, qr/the group failed: .+/, qr/found: yes/, qr/in order: 1 2 3 4 5/,
   qr/flush: too late/, qr/0 requests at the end/;

SKIP: {
   skip "manual-direct shows calls only Linux has", 1 unless $^O eq "linux";
   prints "manual-direct",
      qr/it is on disk/, qr/the file begins with HELLO world/, qr/room for \d+ octets/, qr/copied: 5/, qr/moved: 5/,
      qr/unmapped: yes/, qr/accepted the right one: yes/, qr/counted 7/, qr/cannot be changed: .+/,
      qr/(?:made at .+)?/, qr/changed at \d+\.\d{9}/, qr/on device \d+:\d+/, qr/hello/;
}

# ---- none is left out ------------------------------------------------------

my %elsewhere = map +($_ => 1), qw(
   async-await coro httpd mojo-promise
   loop-anyevent loop-danga loop-ev loop-event loop-glib loop-io-async loop-mojo loop-poe loop-tk
);
$elsewhere{"manual-direct"} = 1 if $^O ne "linux";
is_deeply [grep !$ran{$_} && !$elsewhere{$_}, map { s{^eg/}{}; s/\.pl\z//; $_ } glob "eg/*.pl"], [],
   "every program is run here or by xt/examples.t";

done_testing;
