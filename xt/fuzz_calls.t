# Every function and method, with random arguments of every kind, 200,000 calls:
# none ends the process, hangs, panics or upsets perl's reference counts. What
# it does otherwise is up to it. A part of the calls runs under memcheck.
#
# The children run without privileges, in a directory of their own, with names
# that lead nowhere else, no right to lock memory and little room for files, so
# the calls that could harm the machine cannot. Arguments that are asking for
# a signal are left out, see `tame`.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp);
use Fcntl;
use IO::AIO;
use POSIX ();
use Scalar::Util ();
use Socket ();
use Test::More;

package FuzzTied { sub TIESCALAR { bless [$_[1]] } sub FETCH { $_[0][0] } sub STORE { $_[0][0] = $_[1] } }
package FuzzMortal { sub TIESCALAR { bless [] } sub FETCH { die "fetch\n" } sub STORE { die "store\n" } }
package FuzzObject { use overload '""' => sub { "dir/a" }, '0+' => sub { 1 }, '&{}' => sub { sub { } }, fallback => 1 }
package FuzzDying { use overload '""' => sub { die "string\n" }, '0+' => sub { die "number\n" }, '&{}' => sub { die "code\n" }, '==' => sub { 0 }, bool => sub { 1 } }

my @function = sort grep {
   no strict "refs";
   defined &{"IO::AIO::$_"} && !/^(?:bootstrap|BEGIN|import|unimport|AUTOLOAD|dl_load_flags|a|b)\z/
} keys %IO::AIO::;
my @method = (
   (map "REQ::$_", qw(cancel cb DESTROY)), (map "GRP::$_", qw(add cancel_subs errno feed limit result cancel cb DESTROY)), "WD::DESTROY",
);
@method = grep { no strict "refs"; defined &{"IO::AIO::$_"} } @method;

# Numeric constants have nothing to try; one of them stands for all.
my @constant = grep { /^[A-Z0-9_]+\z/ && $_ ne "CWD" && $_ ne "INVALID_WD" } @function;
my %constant = map +($_ => 1), @constant[1 .. $#constant];
my @name = ((grep !$constant{$_}, @function), @method);

# ---- arguments ---------------------------------------------------------------

my (@handle, @object, @wd, @code, $trace);

sub pick { $_[rand @_] }

# Descriptor numbers in use above 2 are the module's own, or perl's: none of these.
my @number = (0, 0, 1, 2, -1, -2, 700, 4095, 4096, 65536, 100_000, 2**31 - 1, 2**31, 2**32, 2**53, 9223372036854775807, -9223372036854775807 - 1,
   18446744073709551615, 1e300, -1e300, 9**9**9, -9**9**9, -sin 9**9**9, 0.5, 1.999, -0.5, 0777, 0644, 01777);
my @string = ("", "a", "b", "dir", "dir/a", "dir/b", "link", "loop", "none", "none/x", "a/x", "sub/sub", "x" x 255, "x" x 256, "d/" x 3000,
   "a\0b", "\0", "\xff\xfe", "new\nline", "0 but true", "12abc", "0x10", "inf", " 700 ", "STDIN", "main::", "x" x 70_000);

sub bytes { join "", map chr (pick (32 .. 45, 48 .. 255)), 1 .. rand 30 }

my @kind = (
   sub { undef },
   sub { pick @number }, sub { pick @number }, sub { int rand 256 & ~0x7c }, sub { 1 << int rand 63 }, sub { pick (@number) . "" },
   sub { rand () * 1e3 + 1000 },
   sub { pick @string }, sub { pick @string }, sub { pick @string }, sub { bytes },
   sub { my $s = pick (@string) . "\xe9"; utf8::upgrade ($s); $s },
   sub { pick (@string) . "\x{263a}" },
   sub { pick @handle }, sub { pick @handle }, sub { pick @handle },
   sub { *{ +pick grep defined, @handle }{IO} },
   sub { \*UNOPENED }, sub { *UNOPENED }, sub { no strict "refs"; \*{"Fuzz::made_up"} },
   sub { [pick (@wd), pick @string] }, sub { [pick (@wd, undef, 1, {}), pick @string] }, sub { [] }, sub { my @p; $#p = int rand 4; \@p },
   sub { [map pick (@string), 1 .. rand 4] },
   sub { pick @wd }, sub { IO::AIO::CWD () }, sub { IO::AIO::INVALID_WD () },
   sub { {} }, sub { { code => 5, pid => $$, uid => 1, value_int => 7 } }, sub { \my $x }, sub { \pick @string }, sub { \\"x" }, sub { \(pick @number) },
   sub { pick @code }, sub { pick @code }, sub { pick @code }, sub { sub { die "callback\n" } }, sub { sub { IO::AIO::poll_cb () } },
   sub { sub { $_[0] = 1 if @_ } }, sub { "main::bytes" }, sub { \&undefined },
   sub { qr/x/ }, sub { bless [], "FuzzObject" }, sub { bless {}, "FuzzDying" }, sub { bless [], "IO::AIO::REQ" }, sub { bless {}, "IO::AIO::GRP" },
   sub { bless \my $x, "IO::AIO::WD" }, sub { bless {}, "IO::AIO::REQ" },
   sub { pick @object, undef }, sub { pick @object, undef }, sub { v1.22.333 }, sub { Scalar::Util::dualvar (700, "dir/a") }, sub { !!rand 2 },
   sub { "IO::AIO::GRP" }, sub { Socket::pack_sockaddr_un ("sock") },
);

my %like_handle = map +($_ => 1), qw(
   aio_close aio_seek aio_read aio_write aio_sendfile aio_readahead aio_fcntl aio_ioctl aio_sync_file_range aio_allocate aio_fiemap aio_fsync
   aio_fdatasync aio_syncfs accept4 fadvise sendfile splice tee pipesize timerfd_gettime timerfd_settime
);

# The number of arguments a name wants, from its prototype.
sub wanted {
   my ($name) = @_;
   my $p = prototype "IO::AIO::$name";
   return (0, 3) unless defined $p;
   my ($least, $most) = $p =~ /^([^;]*);?(.*)\z/;
   (length $least, length ($least) + length $most)
}

# Arguments that are the caller's wish to be hurt, or to wait for ever.
sub tame {
   my ($name, $args) = @_;
   if ($name =~ /^aio_(?:busy|sleep)\z/) {
      # would take as long as it says
      $args->[0] = pick (-1, 0, 0.001, undef, "x") if @$args;
   } elsif ($name =~ /^(?:aio_sync|aio_syncfs)\z/) {
      # the disks of the whole machine
      return 0 if rand () < 0.9;
   } elsif ($name eq "fexecve" || $name =~ /^pidfd_(?:send_signal|getfd)\z/) {
      # Success would replace, or end, the process.
      $args->[0] = pick (undef, "x", 700, -1, [], "STDIN");
   } elsif ($name eq "aio_mknod") {
      # A fifo would be opened by another call, and that waits.
      $args->[1] = pick (0, 0600, 0100600, 0140600, 0040700, 0060600, 0020600, undef, "x", 2**40) if @$args > 1;
   } elsif ($name eq "aio_fcntl" || $name eq "aio_ioctl") {
      # Other numbers are locks that wait, leases, or a new event descriptor.
      $args->[1] = pick (0, 1, 3, 5, 99999, -1, 1030, 1032, 1034, 2**32, undef, "x", 0x5421, 0x541b) if @$args > 1;
      # What is a number goes to the kernel as an address.
      $args->[2] = pick ("", "x" x 50, undef, \"x", [], "\x{263a}", bless [], "FuzzObject") if @$args > 2;
   } elsif ($name eq "mprotect" || $name eq "madvise") {
      # The page of a string has others in it, whose content must stay and be accessible.
      $args->[3] = pick ($name eq "mprotect" ? (3, 7) : (0 .. 3, -1, 1 << 20, undef, "x")) if @$args > 3;
   } elsif ($name eq "mremap") {
      # a fixed address would be mapped over whatever is there
      $args->[2] = pick (0, 1, undef) if @$args > 2;
      splice @$args, 3;
   } elsif ($name eq "min_parallel") {
      # as many threads as that
      $args->[0] = pick (-1, 0, 1, 5, 20, undef, "x") if @$args;
   } elsif ($name eq "poll_wait" || $name eq "flush" || $name eq "poll") {
      return 0 if rand () < 0.5;
   }
   1
}

sub describe {
   my ($v) = @_;
   no warnings;
   !defined $v ? "undef" : ref $v ? Scalar::Util::reftype ($v) . (Scalar::Util::blessed ($v) ? " of " . Scalar::Util::blessed ($v) : "")
      : do { my $s = substr $v, 0, 40; $s =~ s/([^ -~])/sprintf "\\x{%x}", ord $1/ge; "\"$s\"" . (length $v > 40 ? "..." : "") }
}

sub furnish {
   # without files a run would see only ENOENT
   mkdir $_ for "dir", "sub", "sub/sub";
   chmod 0700, ".", "dir", "sub", "sub/sub";
   for my $file ("a", "b", "dir/a", "dir/b", "sub/sub/c") {
      open my $fh, ">", $file or next;
      print $fh $file x 500;
   }
   symlink "a", "link";
   symlink "loop", "loop";
   @handle = grep defined, map {
      my ($path, $flags) = @$_;
      my $fh;
      sysopen ($fh, $path, $flags) ? $fh : undef
   } ["a", O_RDWR], ["b", O_RDONLY], ["dir/b", O_WRONLY | O_APPEND], ["dir", O_RDONLY], ["/dev/null", O_RDWR], ["/dev/zero", O_RDONLY];
   push @handle, grep defined, IO::AIO::pipe2 (O_NONBLOCK);
   socketpair my $s, my $t, Socket::AF_UNIX (), Socket::SOCK_STREAM (), 0 or die $!;
   $_->blocking (0) for $s, $t;
   opendir my $d, "." or 1;
   open my $memory, "<", \"memory";
   open my $closed, "<", "a";
   close $closed if $closed;
   push @handle, $s, $t, grep defined, $d, $memory, $closed, IO::AIO::eventfd (1, IO::AIO::EFD_NONBLOCK ()),
      IO::AIO::timerfd_create (1, IO::AIO::TFD_NONBLOCK ()), IO::AIO::memfd_create ("fuzz");
   push @handle, IO::AIO::eventfd (0, IO::AIO::EFD_NONBLOCK ()) while @handle < 3;
}

# Callbacks may die.
sub finish { until (eval { IO::AIO::flush (); 1 }) { } }

# ---- the child ---------------------------------------------------------------

sub child {
   my ($seed, $calls, $log, $patience) = @_;
   if (!$>) {
      my ($uid, $gid) = (getpwnam "nobody")[2, 3];
      ($uid, $gid) = (65534, 65534) unless $uid;
      POSIX::setgid ($gid);
      POSIX::setuid ($uid);
      die "still privileged\n" unless $> && $<;
   }
   umask 0;
   srand $seed;
   $SIG{$_} = "IGNORE" for qw(PIPE XFSZ IO USR1 USR2);
   my (%called, @bad, $lived);
   $SIG{__WARN__} = sub { push @bad, "warning: $_[0]" if $_[0] =~ /unreferenced|Attempt to|panic|corrupt|semi-/i };
   open $trace, ">>", "$log.trace" or die if $ENV{AIO_FUZZ_TRACE};
   my ($calls_back) = 0;
   @code = (sub { $calls_back++ }) x 3;

   for my $n (1 .. $calls) {
      if ($n % 250 == 1) {
         alarm $patience;
         # No worker may be in the middle of something that needs them.
         finish ();
         @object = ();
         @wd     = ();
         @handle = ();
         furnish ();
         aio_wd $_, sub { push @wd, $_[0] if $_[0] } for ".", "dir", "sub";
         finish ();
      }
      my $name = pick @name;
      my ($least, $most) = wanted ($name);
      my $count = rand () < 0.05 ? int rand 8 : $least + int rand $most - $least + 1;
      my @args = map scalar (pick (@kind)->()), 1 .. $count;
      $args[0] = pick @handle if @args && $like_handle{$name} && rand () < 0.6;
      $args[-1] = pick @code if @args > $least && $name =~ /^aio_/ && rand () < 0.6;
      $args[0] = pick @object if @args && @object && $name =~ /::/ && rand () < 0.7;
      tame $name, \@args or next;
      syswrite $trace, "$n $name " . (join ", ", map describe ($_), @args) . "\n" if $trace;
      for (@args) {
         my $how = rand;
         no warnings;
         if ($how < 0.02) { my $v = $_; tie $_, "FuzzTied", $v }
         elsif ($how < 0.03 && $name !~ /^(?:fexecve|pidfd|aio_busy|aio_sleep|aio_mknod|aio_fcntl|aio_ioctl|mremap|mprotect|madvise|min_parallel)/) { tie $_, "FuzzMortal" }
         elsif ($how < 0.04) { Internals::SvREADONLY ($_, 1) }
      }
      $called{$name}++;
      my @got;
      {
         no strict "refs";
         no warnings;
         my $function = \&{"IO::AIO::$name"};
         my $context = rand;
         if ($context < 0.3)    { $lived += eval { &$function (@args); 1 } || 0 }
         elsif ($context < 0.8) { $lived += eval { $got[0] = &$function (@args); 1 } || 0 }
         else                   { $lived += eval { @got = &$function (@args); 1 } || 0 }
      }
      push @bad, "$n $name: $@" if $@ && !ref $@ && $@ =~ /internal error|panic|Out of memory/;
      push @object, grep Scalar::Util::blessed ($_) && Scalar::Util::reftype ($_) eq "HASH" && $_->isa ("IO::AIO::REQ"), @got;
      shift @object while @object > 20;
      for (@args) { untie $_ if tied $_ }
      # So that a limit that was set does not make all that follows wait.
      IO::AIO::max_outstanding (0);
      IO::AIO::min_parallel (4);
      eval { IO::AIO::max_poll_time (0); IO::AIO::max_poll_reqs (0); IO::AIO::poll_cb () } if $n % 8 == 0;
      push @bad, "$n, poll: $@" if $@ && !ref $@ && $@ =~ /internal error|panic/;
   }
   alarm $patience;
   undef $_ for @object;
   finish ();
   push @bad, "requests left: " . IO::AIO::nreqs () if IO::AIO::nreqs ();
   open my $fh, ">", $log or die "$log: $!";
   print $fh "calls $calls lived ", $lived // 0, " callbacks $calls_back\n", map ("called $_ $called{$_}\n", sort keys %called), map "bad $_\n", @bad;
   close $fh or die;
}

if (@ARGV && $ARGV[0] eq "child") {
   my (undef, $seed, $calls, $dir, $patience) = @ARGV;
   chdir "$dir/in" or die "$dir: $!";
   child ($seed, $calls, "$dir/log", $patience);
   exit 0;
}

# ---- the tests ---------------------------------------------------------------

require Trust;
my $seed     = Trust::seed ();
my $total    = $ENV{AIO_FUZZ_CALLS} || 200_000 * Trust::stress ();
my $each     = 5_000;
my $checked  = 1_500 * Trust::stress ();
my $scratch  = scratch;
my (%called, $calls, $lived, $callbacks);
alarm 400 * Trust::stress () + 200;
chmod 0755, $scratch;

my @program = Trust::perl_command (File::Spec->rel2abs ($0));

# One child: its complaints, or nothing.
sub try_child {
   my ($seed, $n, $patience, @before) = @_;
   my $dir = "$scratch/$seed";
   mkdir $_ or die "$_: $!" for $dir, "$dir/in";
   chmod 0777, $_ for $dir, "$dir/in";
   my @shell = ("sh", "-c", 'ulimit -l 0; ulimit -f 65536; ulimit -n 400; ulimit -c 0; ' . (@before ? "" : "ulimit -v 8000000; ") . 'exec "$@"', "sh");
   my ($end, $output) = Trust::bounded ($patience * ($n / 250 + 1), @shell, @before, @program, "child", $seed, $n, $dir, $patience);
   my $log = -e "$dir/log" ? slurp ("$dir/log") : "";
   my @bad = $log =~ /^bad (.*)/mg;
   push @bad, $end if $end ne "exit 0" || $log eq "";
   push @bad, $output if $output =~ /panicked|internal error|Sanitizer|unreferenced|Out of memory|corrupt/;
   my $said = Trust::valgrind_says ($output);
   push @bad, $said if length $said;
   $calls     += $1 if $log =~ /^calls (\d+)/m;
   $lived     += $1 if $log =~ /lived (\d+)/;
   $callbacks += $1 if $log =~ /callbacks (\d+)/;
   $called{$1} += $2 while $log =~ /^called (\S+) (\d+)/mg;
   my $last = -e "$dir/log.trace" ? join "", grep defined, (split /^/, slurp ("$dir/log.trace"))[-12 .. -1] : "";
   system "chmod", "-R", "u+rwx", $dir;
   system "rm", "-rf", $dir;
   (\@bad, $last, $output)
}

sub judge {
   my ($what, $seed, $n, $patience, @before) = @_;
   my ($bad, undef, $output) = try_child ($seed, $n, $patience, @before);
   return 1 unless @$bad;
   fail "$what, seed $seed";
   diag join "\n", @$bad;
   # Again, with a list of the calls.
   local $ENV{AIO_FUZZ_TRACE} = 1;
   my ($again, $last, $said) = try_child ($seed, $n, $patience, @before);
   diag @$again ? "the last calls:\n" . ($last // "") : "once more, it passed";
   diag substr $said || $output, -3000;
   0
}

my $failed = 0;
for my $n (1 .. $total / $each || 1) {
   judge "calls with random arguments", $seed + $n, $each, 30 or ++$failed > 2 and last;
}
ok !$failed, "no signal, no hang, no panic in any of them";
my @never = grep !$called{$_}, @name;
is_deeply \@never, [], "every function and method was called";
cmp_ok $calls // 0, ">=", $failed ? 0 : int ($total / $each) * $each, "as often as asked for";
cmp_ok $lived // 0, ">", 0.2 * $calls, "many of them were accepted";
cmp_ok $callbacks // 0, ">", 0.02 * $calls, "many had their callback called";
Trust::figure ("fuzz: $calls calls of " . (keys %called) . " functions and methods, $lived accepted, $callbacks callbacks") if $calls;

SKIP: {
   my @valgrind = Trust::valgrind_command ("-q")
      or skip "valgrind is not installed", 1;
   ok judge ("under memcheck", $seed, $checked, 150, @valgrind), "memcheck has nothing to say about $checked more";
   Trust::figure ("fuzz under memcheck: $checked calls");
}

done_testing;
