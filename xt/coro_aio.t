# Coro::AIO, unmodified. It wraps each request function by its prototype, hands
# it an XS closure, and reads $! and perl's stat cache when that is called.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp until_true);
use ClientTest qw(need client each_loop);
use Cwd ();
use Fcntl ();
use POSIX qw(ENOENT EEXIST ENOTDIR EISDIR EINVAL ENOTEMPTY);
use Test::More;

BEGIN { need "libcoro-perl and libanyevent-aio-perl", qw(Coro Coro::AIO AnyEvent::AIO AnyEvent) }
my $loop; BEGIN { $loop = each_loop qw(EV Perl) }
BEGIN { client qw(Coro Coro::AIO AnyEvent::AIO AnyEvent) }
BEGIN { Coro->import; Coro::AIO->import }

is AnyEvent::detect (), "AnyEvent::Impl::$loop", "the event loop is $loop";

my $top = scratch;

# Runs the code in that many coroutines and waits for them all. An exception in
# one is a failure of the test named.
sub coros {
   my ($what, $n, $code) = @_;
   my @bad;
   my @coro = map {
      my $i = $_;
      async { eval { $code->($i); 1 } or push @bad, "$i: $@" }
   } 1 .. $n;
   $_->join for @coro;
   is_deeply \@bad, [], "$what, in $n coroutines" or diag scalar @bad;
   is IO::AIO::nreqs (), 0, "... and nothing is left over";
}

sub check {
   my ($got, $expect, $what) = @_;
   $got   = "undef" unless defined $got;
   $got eq $expect or die "$what: $got, not $expect\n";
}

# Waits until nothing is outstanding. A request is made each time, so that the
# loop looks at the descriptor. Returns the number of requests left.
sub settle {
   until_true { (async { aio_nop () })->join; !IO::AIO::nreqs () } "requests are left over";
   IO::AIO::nreqs ()
}

# ---- every function that is wrapped ----------------------------------------

my $data  = join "", map chr ($_ % 251), 1 .. 20_000;
my $file  = spew ("$top/file", $data);
my $other = spew ("$top/other", "");

sub handle { my ($how, $path) = @_; open my $fh, $how, $path or die "$path: $!"; binmode $fh; $fh }

my %call = (
   aio_allocate => sub { my $fh = handle "+>", "$top/$_[0]"; is aio_allocate ($fh, 0, 0, 8192), 0, $_[0]; is -s $fh, 8192, "... the size" },
   aio_busy     => sub { my $t = AnyEvent->time; my @got = Coro::AIO::aio_busy (0.05); is_deeply \@got, [], $_[0]; cmp_ok (AnyEvent->time - $t, ">=", 0.049, "... it took its time") },
   aio_chmod    => sub { is aio_chmod ($other, 0640), 0, $_[0]; is +(stat $other)[2] & 07777, 0640, "... the mode" },
   aio_chown    => sub { is aio_chown ($other, -1, (split " ", $))[0]), 0, $_[0] },
   aio_close    => sub { my $fh = handle "<", $file; my $fd = fileno $fh; is aio_close ($fh), 0, $_[0] },
   aio_copy     => sub { is aio_copy ($file, "$top/$_[0]"), 0, $_[0]; ok slurp ("$top/$_[0]") eq $data, "... the data" },
   aio_fcntl    => sub { my $fh = handle "<", $file; is aio_fcntl ($fh, Fcntl::F_GETFD (), 0), Fcntl::FD_CLOEXEC (), $_[0] },
   aio_fdatasync => sub { my $fh = handle "+<", $file; is aio_fdatasync ($fh), 0, $_[0] },
   aio_fiemap   => sub {
      my $fh = handle "<", $file;
      $! = 0;
      my $extents = aio_fiemap ($fh, 0, undef, 0, 10);
      ok ref $extents eq "ARRAY" || (!defined $extents && $!), "$_[0]: extents, or an error";
   },
   aio_fsync    => sub { my $fh = handle "+<", $file; is aio_fsync ($fh), 0, $_[0] },
   aio_group    => sub { is_deeply [aio_group ()], [], "$_[0]: an empty group ends" },
   aio_ioctl    => sub {
      pipe my $r, my $w or die;
      syswrite $w, "12345";
      my $n = pack "i", 0;
      is aio_ioctl ($r, 0x541b, $n), 0, "$_[0]: FIONREAD";
      is unpack ("i", $n), 5, "... the buffer";
   },
   aio_link     => sub { is aio_link ($file, "$top/$_[0]"), 0, $_[0]; is +(stat $file)[1], (stat "$top/$_[0]")[1], "... the same file" },
   aio_load     => sub { my $got = ""; is aio_load ($file, $got), length $data, $_[0]; ok $got eq $data, "... the data" },
   aio_lstat    => sub {
      symlink $file, "$top/$_[0]" or die $!;
      is aio_lstat ("$top/$_[0]"), 0, $_[0];
      ok -l _, "... a link";
      is +(lstat _)[7], length $file, "... its size";
   },
   aio_mkdir    => sub { is aio_mkdir ("$top/$_[0]", 0700), 0, $_[0]; ok -d "$top/$_[0]", "... is there" },
   aio_mknod    => sub { is aio_mknod ("$top/$_[0]", IO::AIO::S_IFIFO () | 0600, 0), 0, $_[0]; ok -p "$top/$_[0]", "... is there" },
   aio_mlock    => sub { my $page = "x" x 8192; like aio_mlock ($page, 0, 4096), qr/^(?:0|-1)\z/, $_[0]; IO::AIO::munlock ($page) },
   aio_mlockall => sub { is aio_mlockall (0), -1, "$_[0]: no flags"; is $!+0, EINVAL, "... \$!" },
   aio_move     => sub { spew ("$top/from", "moved"); is aio_move ("$top/from", "$top/$_[0]"), 0, $_[0]; is slurp ("$top/$_[0]"), "moved", "... the data"; ok !-e "$top/from", "... and it is gone" },
   aio_msync    => sub {
      my $fh = handle "+<", spew ("$top/$_[0]", "x" x 8192);
      IO::AIO::mmap (my $map, 8192, IO::AIO::PROT_READ () | IO::AIO::PROT_WRITE (), IO::AIO::MAP_SHARED (), $fh) or die "mmap: $!";
      substr $map, 0, 3, "abc";
      is aio_msync ($map, 0, undef, IO::AIO::MS_SYNC ()), 0, $_[0];
      like slurp ("$top/$_[0]"), qr/^abcxxx/, "... the data";
   },
   aio_mtouch   => sub {
      my $fh = handle "<", $file;
      IO::AIO::mmap (my $map, 8192, IO::AIO::PROT_READ (), IO::AIO::MAP_SHARED (), $fh) or die "mmap: $!";
      is aio_mtouch ($map, 0, undef, 0), 0, $_[0];
   },
   aio_nop      => sub { is_deeply [aio_nop ()], [], $_[0] },
   aio_open     => sub {
      my $fh = aio_open ($file, IO::AIO::O_RDONLY (), 0) or die $!;
      is sysread ($fh, my $got, 100), 100, $_[0];
      ok $got eq substr ($data, 0, 100), "... the data";
   },
   aio_pathsync => sub { is aio_pathsync ($top), 0, $_[0] },
   aio_read     => sub {
      my $fh = handle "<", $file;
      my $got = "ab";
      is aio_read ($fh, 100, 50, $got, 2), 50, $_[0];
      ok $got eq "ab" . substr ($data, 100, 50), "... the data";
   },
   aio_readahead => sub { my $fh = handle "<", $file; is aio_readahead ($fh, 0, 100), 0, $_[0] },
   aio_readdir  => sub { mkdir "$top/$_[0]" or die; spew ("$top/$_[0]/$_", "") for 1 .. 3; is_deeply [sort @{ aio_readdir ("$top/$_[0]") }], [1 .. 3], $_[0] },
   aio_readdirx => sub {
      mkdir "$top/$_[0]" or die; mkdir "$top/$_[0]/d" or die; spew ("$top/$_[0]/f", "");
      my ($names, $flags) = aio_readdirx ("$top/$_[0]", IO::AIO::READDIR_DIRS_FIRST () | IO::AIO::READDIR_DENTS ());
      is_deeply [map $_->[0], @$names], [qw(d f)], $_[0];
      ok $flags & IO::AIO::READDIR_DENTS (), "... the flags";
   },
   aio_readlink => sub { symlink "target of $_[0]", "$top/$_[0]" or die; is aio_readlink ("$top/$_[0]"), "target of $_[0]", $_[0] },
   aio_realpath => sub { symlink "file", "$top/$_[0]" or die; is aio_realpath ("$top/$_[0]"), Cwd::abs_path ($file), $_[0] },
   aio_rename   => sub { spew ("$top/from", 1); is aio_rename ("$top/from", "$top/$_[0]"), 0, $_[0]; ok -e "$top/$_[0]", "... is there" },
   aio_rename2  => sub { spew ("$top/from", 2); is aio_rename2 ("$top/from", "$top/$_[0]", 0), 0, $_[0]; is slurp ("$top/$_[0]"), 2, "... is there" },
   aio_rmdir    => sub { mkdir "$top/$_[0]" or die; is aio_rmdir ("$top/$_[0]"), 0, $_[0]; ok !-e "$top/$_[0]", "... is gone" },
   aio_rmtree   => sub { mkdir "$top/$_[0]" or die; mkdir "$top/$_[0]/$_" or die for 1, 2; spew ("$top/$_[0]/1/f", ""); is aio_rmtree ("$top/$_[0]"), 0, $_[0]; ok !-e "$top/$_[0]", "... is gone" },
   aio_scandir  => sub {
      mkdir "$top/$_[0]" or die; mkdir "$top/$_[0]/d$_" or die for 1, 2; spew ("$top/$_[0]/f$_", "") for 1, 2;
      my ($dirs, $others) = aio_scandir ("$top/$_[0]", 0);
      is_deeply [[sort @$dirs], [sort @$others]], [[qw(d1 d2)], [qw(f1 f2)]], $_[0];
   },
   aio_seek     => sub { my $fh = handle "<", $file; is aio_seek ($fh, -5, 2), length ($data) - 5, $_[0]; is sysseek ($fh, 0, 1), length ($data) - 5, "... the position" },
   aio_sendfile => sub {
      my ($in, $out) = (handle ("<", $file), handle ("+>", "$top/$_[0]"));
      is aio_sendfile ($out, $in, 10, 1000), 1000, $_[0];
      ok slurp ("$top/$_[0]") eq substr ($data, 10, 1000), "... the data";
   },
   aio_slurp    => sub { my $got = ""; is aio_slurp ($file, 10, 20, $got), 20, $_[0]; ok $got eq substr ($data, 10, 20), "... the data" },
   aio_stat     => sub { is aio_stat ($file), 0, $_[0]; is -s _, length $data, "... the size" },
   aio_statvfs  => sub { my $fs = aio_statvfs ($top); is ref $fs, "HASH", $_[0]; cmp_ok $fs->{bsize}, ">", 0, "... block size" },
   aio_symlink  => sub { is aio_symlink ("nowhere", "$top/$_[0]"), 0, $_[0]; is readlink "$top/$_[0]", "nowhere", "... the target" },
   aio_sync     => sub { is_deeply [aio_sync ()], [0], $_[0] },
   aio_sync_file_range => sub { my $fh = handle "+<", $file; is aio_sync_file_range ($fh, 0, 4096, IO::AIO::SYNC_FILE_RANGE_WRITE ()), 0, $_[0] },
   aio_syncfs   => sub { my $fh = handle "<", $top; is aio_syncfs ($fh), 0, $_[0] },
   aio_truncate => sub { spew ("$top/$_[0]", "x" x 100); is aio_truncate ("$top/$_[0]", 42), 0, $_[0]; is -s "$top/$_[0]", 42, "... the size" },
   aio_unlink   => sub { spew ("$top/$_[0]", ""); is aio_unlink ("$top/$_[0]"), 0, $_[0]; ok !-e "$top/$_[0]", "... is gone" },
   aio_utime    => sub { is aio_utime ($other, 1000.5, 2000), 0, $_[0]; is_deeply [(stat $other)[8, 9]], [1000, 2000], "... the times" },
   aio_wd       => sub {
      my $wd = aio_wd ($top);
      isa_ok $wd, "IO::AIO::WD", $_[0];
      is aio_stat ([$wd, "file"]), 0, "... and it can be used";
      is -s _, length $data, "... and finds the file";
   },
   aio_write    => sub { my $fh = handle "+>", "$top/$_[0]"; is aio_write ($fh, 3, 4, "0123456789", 2), 4, $_[0]; is slurp ("$top/$_[0]"), "\0\0\0" . "2345", "... the data" },
);

is_deeply [sort keys %call], [sort @IO::AIO::AIO_REQ], "the tests below are of all functions that are wrapped";
for my $name (sort keys %call) {
   (my $expect = prototype "IO::AIO::$name") =~ s/;//g;
   $expect =~ s/\$\z/;/;
   is prototype "Coro::AIO::$name", $expect, "$name: the prototype is that without a callback";
   my $coro = async { eval { $call{$name}->($name); 1 } or fail "$name: $@" };
   $coro->join;
}
# giving up the directory object is a request, too
is settle (), 0, "nothing is left over";

# ---- the names it passes on ------------------------------------------------

is_deeply [grep !exists &$_, @IO::AIO::EXPORT], [], "all that IO::AIO exports is here";
is join (",", aioreq_pri (2), aioreq_pri (0)), "0,2", "functions that take no callback are handed on";
is Coro::AIO::nreqs (), 0, "so are those that are not exported by default";
is Coro::AIO::O_CREAT (), Fcntl::O_CREAT (), "so are constants";

# ---- hundreds of coroutines ------------------------------------------------

mkdir "$top/n" or die $!;
my @size = map $_ * 37 % 1009, 0 .. 400;
spew ("$top/n/$_", "x" x $size[$_]) for 1 .. 400;
symlink "y" x (1 + $_ % 200), "$top/n/l$_" or die for 1 .. 400;

coros "the stat cache is the one of the last request", 400, sub {
   my ($i) = @_;
   for my $k (map $_ % 400 + 1, $i .. $i + 4) {
      check aio_stat ("$top/n/$k"), 0, "stat";
      check -s _ || 0, $size[$k], "size of $k";
      check -l "$top/n/l$k" ? 1 : 0, 1, "lstat by perl";
      check aio_lstat ("$top/n/l$k"), 0, "lstat";
      check -l _ ? 1 : 0, 1, "link $k";
      check +(lstat _)[7], 1 + $k % 200, "size of link $k";
      check aio_stat ("$top/n/none$k"), -1, "stat of nothing";
      check scalar (my @nothing = stat _), 0, "stat after a failure";
   }
};

my @error = (
   [ENOENT,    sub { aio_open ("$top/none", IO::AIO::O_RDONLY (), 0) }],
   [EISDIR,    sub { aio_open ($top, IO::AIO::O_WRONLY (), 0) }],
   [ENOTDIR,   sub { aio_readdir ($file) }],
   [EEXIST,    sub { aio_mkdir ($top, 0777) }],
   [ENOTEMPTY, sub { aio_rmdir ($top) }],
   [EINVAL,    sub { aio_readlink ($file) }],
   [ENOTDIR,   sub { aio_stat ("$file/x") }],
   [ENOENT,    sub { aio_rename ("$top/none", "$top/none2") }],
   [ENOENT,    sub { aio_load ("$top/none", my $data) }],
   [ENOENT,    sub { aio_realpath ("$top/none") }],
   [EINVAL,    sub { my $fh = handle "<", $file; aio_seek ($fh, -1, 0) }],
   [ENOENT,    sub { aio_copy ("$top/none", "$top/none2") }],
   [ENOENT,    sub { aio_scandir ("$top/none", 0); $! }],
);
coros "\$! is that of the request", 390, sub {
   my ($i) = @_;
   for my $k ($i .. $i + 3) {
      my ($errno, $code) = @{ $error[$k % @error] };
      $! = 0;
      $code->();
      check $! + 0, $errno, "error " . $k % @error;
   }
};

coros "data comes to whom it belongs", 500, sub {
   my ($i) = @_;
   my $fh = aio_open ($file, IO::AIO::O_RDONLY (), 0) or die "open: $!\n";
   for my $offset (map $_ * 39 % 19_000, $i .. $i + 3) {
      my $buffer = "abc";
      check aio_read ($fh, $offset, 1000, $buffer, -1), 1000, "read";
      $buffer eq "ab" . substr $data, $offset, 1000 or die "wrong data\n";
   }
   check aio_close ($fh), 0, "close";
};

mkdir "$top/w" or die $!;
coros "a file is made, renamed, read and removed", 300, sub {
   my ($i) = @_;
   my ($path, $text) = ("$top/w/$i", "text $i\n" x $i);
   my $fh = aio_open ($path, IO::AIO::O_WRONLY () | IO::AIO::O_CREAT () | IO::AIO::O_EXCL (), 0600) or die "open: $!\n";
   check aio_write ($fh, 0, undef, $text, 0), length $text, "write";
   check aio_fsync ($fh), 0, "fsync" if $i % 50 == 0;
   check aio_close ($fh), 0, "close";
   check aio_rename ($path, "$path.new"), 0, "rename";
   my $got = "";
   check aio_load ("$path.new", $got), length $text, "load";
   $got eq $text or die "wrong data\n";
   check aio_unlink ("$path.new"), 0, "unlink";
};
is_deeply [glob "$top/w/*"], [], "... and none is left";

coros "directories are scanned while others are made", 60, sub {
   my ($i) = @_;
   my $dir = "$top/w/d$i";
   check aio_mkdir ($dir, 0700), 0, "mkdir";
   check aio_mkdir ("$dir/$_", 0700), 0, "mkdir" for 1 .. 4;
   aio_open ("$dir/f$_", IO::AIO::O_CREAT () | IO::AIO::O_WRONLY (), 0600) or die "open: $!\n" for 1 .. 4;
   my ($dirs, $others) = aio_scandir ($dir, 0);
   check "@{[sort @$dirs]} @{[sort @$others]}", "1 2 3 4 f1 f2 f3 f4", "scandir";
   check aio_rmtree ($dir), 0, "rmtree";
};

# ---- groups ----------------------------------------------------------------

coros "groups are waited for", 100, sub {
   my ($i) = @_;
   my $sum = 0;
   my $group = IO::AIO::aio_group ();
   for my $k (map $_ % 400 + 1, $i .. $i + 9) {
      add $group IO::AIO::aio_stat ("$top/n/$k", sub { $sum += (-s _) || 0; $group->result ($sum, $i) });
   }
   my @result = Coro::AIO::aio_wait ($group);
   my $expect = 0;
   $expect += $size[$_ % 400 + 1] for $i .. $i + 9;
   check "@result", "$expect $i", "result";
};

# ---- priorities ------------------------------------------------------------

# With one worker that starts late, requests run in the order of their
# priorities, and that of a coroutine is that of its requests.
sub order {
   my (@pri) = @_;
   IO::AIO::max_parallel (0);
   my $path = spew ("$top/order", "");
   open my $fh, ">>", $path or die;
   my @coro = map {
      my ($coro, $request, $tag) = @$_;
      my $c = async {
         aioreq_pri ($request) if defined $request;
         aio_write ($fh, undef, 1, $tag, 0) == 1 or die "write: $!";
      };
      $c->prio ($coro);
      $c
   } @pri;
   until_true { Coro::cede (); IO::AIO::nready () == @pri } "not all requests are ready";
   IO::AIO::min_parallel (1);
   $_->join for @coro;
   IO::AIO::min_parallel (8);
   slurp ($path)
}

is order ([-4, undef, "a"], [3, undef, "b"], [0, undef, "c"], [1, undef, "d"], [-1, undef, "e"], [3, undef, "f"]), "bfdcea",
   "a request has the priority of its coroutine";
is order ([0, -2, "a"], [0, 4, "b"], [0, undef, "c"], [0, 1, "d"]), "bdca", "aioreq_pri works in a coroutine of priority 0";
is aioreq_pri (), 0, "nothing of it is left";

# ---- cancelling ------------------------------------------------------------

# Coroutines that are waiting are cancelled: before their request ran, when it
# waits for delivery, and at any time.
for (
   ["ready",   sub { Coro::cede () until IO::AIO::nready () == 100 }],
   ["pending", sub { IO::AIO::min_parallel (8); until_true { IO::AIO::npending () == 100 } "not all are pending" }],
) {
   my ($state, $reach) = @$_;
   IO::AIO::max_parallel (0);
   my ($returned, $left) = (0, 0);
   my @coro = map {
      my $i = $_;
      async {
         my $guard = bless [\$left], "Left";
         aio_stat ("$top/n/$i");
         $returned++;
      }
   } 1 .. 100;
   # all of them are in their request before one is cancelled
   Coro::cede () until IO::AIO::nready () == 100;
   $reach->();
   $_->cancel for @coro[grep $_ % 2, 0 .. 99];
   is $left, 50, "cancelled while requests are $state: what the coroutine held is released at once";
   IO::AIO::min_parallel (8);
   $_->join for @coro[grep !($_ % 2), 0 .. 99];
   is "$returned $left", "50 100", "... and the others return";
   is settle (), 0, "... and no request is left over";
}

{
   my $buffer = "before";
   my $fh = handle "<", $file;
   IO::AIO::max_parallel (0);
   my $coro = async { aio_read ($fh, 0, 10, $buffer, 0) };
   Coro::cede () until IO::AIO::nready () == 1;
   ok !eval { $buffer = "x"; 1 }, "the buffer of a read is read-only while it runs";
   $coro->cancel;
   IO::AIO::min_parallel (8);
   settle ();
   ok eval { $buffer = "x"; 1 }, "... and writable after the coroutine was cancelled and the request is done";
}

# A request is cancelled: the coroutine that waits for its group goes on.
{
   IO::AIO::max_parallel (0);
   my $group = IO::AIO::aio_group ();
   my $ran = 0;
   my @req = map IO::AIO::aio_stat ("$top/n/$_", sub { $ran++; $group->result ($ran) }), 1 .. 10;
   $group->add (@req);
   my $coro = async { Coro::AIO::aio_wait ($group) };
   Coro::cede ();
   $_->cancel for @req[0 .. 4];
   IO::AIO::min_parallel (8);
   is_deeply [$coro->join], [5], "requests of a group are cancelled: the coroutine that waits for it gets the result of the others";
}

# An exception thrown into a coroutine that waits.
{
   IO::AIO::max_parallel (0);
   my $coro = async { eval { aio_stat ($file); 1 } ? "returned" : $@ };
   Coro::cede () until IO::AIO::nready () == 1;
   $coro->throw ("thrown\n");
   IO::AIO::min_parallel (8);
   is_deeply [$coro->join], ["thrown\n"], "an exception thrown into a coroutine that waits";
   settle ();
}

# ---- poll_cb in coroutines -------------------------------------------------

# The callback of a request is suspended while another coroutine polls.
{
   my @log;
   my $signal = Coro::Signal->new;
   my $waiting = async {
      my $done = 0;
      IO::AIO::aio_stat ($file, sub { push @log, "in"; $signal->wait; push @log, "out @_"; $done = 1 });
      until_true { IO::AIO::poll_cb (); Coro::cede (); $done } "the callback has not ended";
   };
   until_true { Coro::cede (); @log } "the callback has not begun";
   my @got;
   IO::AIO::aio_stat ("$top/n/$_", do { my $i = $_; sub { push @got, $i } }) for 1 .. 50;
   until_true { IO::AIO::poll_cb (); @got == 50 } "results are held up";
   is_deeply \@log, ["in"], "results are delivered while a callback is suspended";
   $signal->send;
   $waiting->join;
   is_deeply \@log, ["in", "out 0"], "... which goes on with its arguments";
}

is IO::AIO::nreqs (), 0, "nothing is left over in the end";
done_testing;

package Left;
sub DESTROY { ${ $_[0][0] }++ }
