# Disks that are full or broken, offsets of 4 GiB and more, names of all octets.
# Faults come from /dev/full, a tmpfs of one megabyte where mounting is allowed,
# and a library that is put in front of the C library's calls and fails, shortens
# or interrupts some of them.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp drain);
use Config;
use Errno qw(EIO ENOSPC EFBIG EINTR ENOENT EOVERFLOW EINVAL EEXIST);
use Fcntl;
use File::Spec ();
use IO::AIO;
use Test::More;
use Trust qw(seed stress figure bounded perl_command);

my $dir = scratch;
alarm 240 * stress;

# Runs one request: its status, or -1, and the errno.
sub one (&) {
   my ($submit) = @_;
   my ($status, $errno);
   $submit->(sub { ($status, $errno) = ($_[0], $! + 0) });
   drain;
   defined $status && $status >= 0 ? ($status, 0) : ($status, $errno)
}

sub gives (&$$) {
   my ($submit, $want, $name) = @_;
   local $Test::Builder::Level = $Test::Builder::Level + 1;
   is_deeply [&one ($submit)], $want, $name;
}

# ---- the program under faults --------------------------------------------------

# Does a bit of everything, over and over, and checks that what succeeds is true
# and what fails says so: a request that reports success has done its work.
if (@ARGV && $ARGV[0] eq "faulty") {
   my (undef, $where, $rounds, $seed) = @ARGV;
   srand $seed;
   my %got;
   my $data = join "", map chr rand 256, 1 .. 150_000;
   my $check = sub {
      my ($what, $ok, $true) = @_;
      my $errno = $! + 0;
      $got{$what}{ $ok ? "ok" : "failed" }++;
      print "$what: reports success, and it is not so\n" if $ok && !$true->();
      print "$what: fails without an errno\n" if !$ok && !$errno;
   };
   # perl's own calls are left alone
   my $perl_reads = sub { open my $fh, "<:raw", $_[0] or return "(none)"; local $/; local $ENV{AIO_FAULTS} = 0; <$fh> // "" };
   for my $n (1 .. $rounds) {
      my $base = "$where/$n";
      sysopen my $fh, "$base.f", O_RDWR | O_CREAT or die "$base.f: $!";
      my ($piece, $wrote) = (substr $data, 0, 1 + rand 100_000);
      aio_write $fh, 0, undef, $piece, 0, sub {
         $wrote = $_[0];
         $check->(write => $wrote >= 0, sub { $wrote <= length $piece });
      };
      drain;
      $wrote = 0 if $wrote < 0;
      aio_fsync $fh, sub { $check->(fsync => !$_[0], sub { 1 }) };
      my $got = "before";
      aio_read $fh, 0, 200_000, $got, 6, sub {
         my $n = $_[0];
         $check->(read => $n >= 0, sub { $n <= $wrote && $got eq "before" . substr $piece, 0, $n });
         print "read: fails and leaves ", length $got, " octets\n" if $n < 0 && $got ne "before";
      };
      my ($slurped, $loaded);
      aio_slurp "$base.f", 0, 0, $slurped, sub {
         my $n = $_[0];
         $check->(slurp => $n >= 0, sub { $n == $wrote && $slurped eq substr $piece, 0, $wrote });
      };
      aio_load "$base.f", $loaded, sub {
         my $n = $_[0];
         $check->(load => $n >= 0, sub { $n <= $wrote && $loaded eq substr $piece, 0, $n });
      };
      aio_copy "$base.f", "$base.copy", sub {
         my $ok = !$_[0];
         $check->(copy => $ok, sub { -s "$base.copy" == $wrote && $perl_reads->("$base.copy") eq substr $piece, 0, $wrote });
      };
      sysopen my $to, "$base.to", O_RDWR | O_CREAT or die $!;
      aio_sendfile $to, $fh, 0, $wrote, sub {
         my $n = $_[0];
         $check->(sendfile => $n >= 0, sub { $n <= $wrote && $perl_reads->("$base.to") eq substr $piece, 0, $n });
      };
      aio_stat "$base.f", sub { my $bad = $_[0]; $check->(stat => !$bad, sub { -s _ == $wrote }) };
      aio_open "$base.f", O_RDONLY, 0, sub { my $h = $_[0]; $check->(open => !!$h, sub { defined fileno $h }) };
      aio_readdir $where, sub { my $l = $_[0]; $check->(readdir => !!$l, sub { grep $_ eq "$n.f", @$l }) };
      aio_scandir $where, 0, sub { my ($d, $o) = @_; $check->(scandir => !!$o, sub { grep $_ eq "$n.f", @$o }) };
      drain;
      mkdir "$base.d"; mkdir "$base.d/e"; spew ("$base.d/e/f", "x");
      aio_rmtree "$base.d", sub { my $bad = $_[0]; $check->(rmtree => !$bad, sub { !-e "$base.d" }) };
      aio_move "$base.f", "$base.moved", sub { my $bad = $_[0]; $check->(move => !$bad, sub { !-e "$base.f" && -e "$base.moved" }) };
      aio_pathsync $where, sub { $check->(pathsync => !$_[0], sub { 1 }) };
      drain;
      system "rm", "-rf", glob "$base.*";
      print "requests left over\n" if IO::AIO::nreqs;
   }
   print "figure $_ ", $got{$_}{ok} // 0, " ", $got{$_}{failed} // 0, "\n" for sort keys %got;
   exit 0;
}

# ---- /dev/full -----------------------------------------------------------------

my $seed = seed;

SKIP: {
   -c "/dev/full" or skip "there is no /dev/full", 1;
   open my $full, ">:raw", "/dev/full" or die $!;
   spew "$dir/source", "x" x 200_000;
   open my $in, "<:raw", "$dir/source" or die $!;
   gives { aio_write $full, undef, undef, "text", 0, $_[0] } [-1, ENOSPC], "aio_write to a full device fails with ENOSPC";
   gives { aio_write $full, 0, undef, "x" x 1e6, 0, $_[0] } [-1, ENOSPC], "... a lot, too";
   gives { aio_sendfile $full, $in, 0, 200_000, $_[0] } [-1, ENOSPC], "so does aio_sendfile";
   gives { aio_copy "$dir/source", "/dev/full", $_[0] } [-1, ENOSPC], "so does aio_copy";
   ok -c "/dev/full", "... which leaves the device";
   gives { aio_move "$dir/source", "/dev/full/x", $_[0] } [-1, Errno::ENOTDIR], "a move to below it fails";
   is -s "$dir/source", 200_000, "... and keeps the source";
}

# ---- a file size limit, and a small file system --------------------------------------

my ($end, $output) = bounded 60, "sh", "-c", 'ulimit -f 128; exec "$@"', "sh", perl_command "-MIO::AIO", "-e", <<'PROGRAM', $dir;
   use strict;
   my ($dir) = @ARGV;
   $SIG{XFSZ} = "DEFAULT";     # would end the program if a worker got it
   open my $fh, "+>", "$dir/limited" or die;
   my $big = "x" x 300_000;
   aio_write $fh, 0, undef, $big, 0, sub { print "write ", $_[0] < 0 ? $! + 0 : $_[0], "\n" }; IO::AIO::flush;
   aio_write $fh, 200_000, undef, $big, 0, sub { print "beyond ", $_[0] < 0 ? $! + 0 : $_[0], "\n" }; IO::AIO::flush;
   aio_truncate $fh, 300_000, sub { print "truncate ", $_[0] < 0 ? $! + 0 : $_[0], "\n" }; IO::AIO::flush;
   aio_allocate $fh, 0, 0, 300_000, sub { print "allocate ", $_[0] < 0 ? $! + 0 : $_[0], "\n" }; IO::AIO::flush;
PROGRAM
is $end, "exit 0", "at a file size limit no signal comes" or diag $output;
my $limit = ($output =~ /^write (\d+)/)[0] // 0;
is $output, "write $limit\nbeyond ${\EFBIG}\ntruncate ${\EFBIG}\nallocate ${\EFBIG}\n", "... and beyond it requests fail with EFBIG";

SKIP: {
   my $small = "$dir/small";
   mkdir $small or die;
   my $mounted = !IO::AIO::mount ("none", $small, "tmpfs", 0, "size=1m");
   $mounted or skip "mounting is not permitted here ($!)", 1;
   my $unmount = sub { IO::AIO::umount ($small) if $mounted; $mounted = 0 };
   eval {
      open my $fh, "+>:raw", "$small/f" or die $!;
      my $data = "x" x 3_000_000;
      my ($n) = one { aio_write $fh, 0, undef, $data, 0, $_[0] };
      cmp_ok $n, ">", 500_000, "a write to a small file system is short";
      cmp_ok $n, "<", 1_100_000, "... by what has no room";
      gives { aio_write $fh, $n, undef, $data, 0, $_[0] } [-1, ENOSPC], "... and the next fails with ENOSPC";
      gives { aio_allocate $fh, 0, 0, 3_000_000, $_[0] } [-1, ENOSPC], "aio_allocate, too";
      spew "$dir/large", $data;
      gives { aio_copy "$dir/large", "$small/copy", $_[0] } [-1, ENOSPC], "aio_copy fails";
      ok !-e "$small/copy", "... and removes what it made";
      gives { aio_move "$dir/large", "$small/moved", $_[0] } [-1, ENOSPC], "aio_move fails";
      ok !-e "$small/moved", "... and removes what it made";
      is -s "$dir/large", 3_000_000, "... and keeps the source";
      unlink "$small/f";
      close $fh;
      gives { aio_copy "$dir/source", "$small/copy", $_[0] } [0, 0], "once there is room, it works";
      my $made = 0;
      1 while sysopen my $h, "$small/n" . $made++, O_WRONLY | O_CREAT and $made < 100;
      1
   } or fail "small file system: $@";
   $unmount->();
}

# ---- 4 GiB and more --------------------------------------------------------------------

{
   my $path = "$dir/sparse";
   open my $fh, "+>:raw", $path or die $!;
   my $base = 2**32;
   for my $offset ($base - 3, $base, $base + 5, 5 * 2**30, 2**40) {
      my $text = "at $offset";
      gives { aio_write $fh, $offset, undef, $text, 0, $_[0] } [length $text, 0], "aio_write at $offset";
      my $got = "";
      gives { aio_read $fh, $offset, 100, $got, 0, $_[0] } [length $text, 0], "... aio_read";
      is $got, $text, "... the same";
      gives { aio_seek $fh, $offset, 0, $_[0] } [$offset, 0], "... aio_seek";
      my $slurped;
      gives { aio_slurp $path, $offset, 50, $slurped, $_[0] } [length $text, 0], "... aio_slurp";
      is $slurped, $text, "... the same";
      gives { aio_slurp $path, -length $text, 0, $slurped, $_[0] } [length $text, 0], "... aio_slurp from the end";
      is $slurped, $text, "... the same";
      open my $out, "+>:raw", "$dir/out" or die;
      gives { aio_sendfile $out, $fh, $offset, 1000, $_[0] } [length $text, 0], "... aio_sendfile";
      is slurp ("$dir/out"), $text, "... the same";
      gives { aio_readahead $fh, $offset, 4096, $_[0] } [0, 0], "... aio_readahead";
      gives { aio_sync_file_range $fh, $offset, 10, IO::AIO::SYNC_FILE_RANGE_WRITE, $_[0] } [0, 0], "... aio_sync_file_range";
      my $size = -1;
      aio_stat $path, sub { $size = -s _ };
      drain;
      is $size, $offset + length $text, "... aio_stat";
      my $extents;
      aio_fiemap $fh, $offset, 1, 0, undef, sub { $extents = $_[0] };
      drain;
      ok !ref $extents || !grep ($_->[0] < 0, @$extents), "... aio_fiemap";
      gives { aio_truncate $fh, $offset, $_[0] } [0, 0], "... aio_truncate";
      is -s $path, $offset, "... to there";
   }
   for my $far (9223372036854775807, 9223372036854771712) {
      my ($status, $errno) = one { aio_write $fh, $far, undef, "x", 0, $_[0] };
      is $status, -1, "a write at $far fails";
      ok scalar (grep $errno == $_, EFBIG, EINVAL, EOVERFLOW), "... with an errno that says so" or diag "errno $errno";
   }
   my ($status) = one { aio_truncate $fh, -1, $_[0] };
   is $status, -1, "a negative length fails";
}

# ---- names --------------------------------------------------------------------------------

{
   my $here = "$dir/names";
   mkdir $here or die;
   my @name = map chr, grep $_ != ord "/" && $_ != ord ".", 1 .. 255;
   push @name, map ("$_$_.$_", @name), join ("", map chr, grep $_ != ord "/", 1 .. 127), join ("", map chr, 128 .. 255),
      map join ("", map chr ((grep $_ != 47, 1 .. 255)[rand 254]), 1 .. 1 + rand 254) . "x", 1 .. 300 * stress;
   my %seen;
   @name = grep !$seen{$_}++, @name;
   my %failed;
   my $note = sub { $failed{"$_[0]: $!"}++ if $_[1] };

   my ($wd, %file);
   aio_wd $here, sub { $wd = $_[0] };
   drain;
   for my $name (@name) {
      # the same octets in perl's other representation name the same file
      my $path = $name;
      utf8::upgrade ($path) if rand () < 0.3;
      aio_open rand () < 0.5 ? "$here/$path" : [$wd, $path], O_WRONLY | O_CREAT | O_EXCL, 0600, sub { $note->(open => !$_[0]) };
   }
   drain;
   opendir my $dh, $here or die;
   is_deeply [sort grep !/^\.\.?\z/, readdir $dh], [sort @name], "every octet but / and NUL can be in a name that aio_open makes";
   for my $how (sub { aio_readdir $here, $_[0] }, sub { aio_readdirx $here, IO::AIO::READDIR_STAT_ORDER, $_[0] }, sub { my $cb = $_[0]; aio_scandir $here, 0, sub { $cb->($_[1]) } }) {
      my $list;
      $how->(sub { $list = $_[0] });
      drain;
      is_deeply [sort @{ $list || [] }], [sort @name], "... and is in lists";
   }
   for my $name (@name) {
      my $new = "$here/$name";
      aio_stat $new, sub { $note->(stat => $_[0]) };
      aio_symlink $name, [$wd, "link-" . unpack "H20", $name], sub { };
      aio_mkdir "$here-d/$name", 0700, sub { };
   }
   drain;
   mkdir "$here-d" or die;
   my $told = 0;
   for my $name (@name) {
      aio_rename [$wd, $name], "$here-d/$name", sub {
         $note->(rename => $_[0]);
         aio_link "$here-d/$name", [$wd, $name], sub { $note->(link => $_[0]) };
         aio_symlink $name, "$here-d/link", sub {
            aio_realpath "$here-d/$name", sub { $told += @_ && $_[0] =~ /\Q$name\E\z/ };
         };
      };
   }
   drain;
   is $told, @name, "... and comes back from aio_realpath";
   is_deeply \%failed, {}, "... and works in aio_stat, aio_rename, aio_link";
   gives { aio_rmtree "$here-d", $_[0] } [0, 0], "aio_rmtree removes them all";
   gives { aio_rmtree $here, $_[0] } [0, 0], "... whatever their links are called";
   figure scalar (@name) . " names of all octet values";
}

# ---- injected faults -------------------------------------------------------------------------

SKIP: {
   my $library = File::Spec->rel2abs ("$dir/faults.so");
   spew "$dir/faults.c", <<'C';
/* Put in front of the C library. In a worker thread, every so many-th call of those below fails
 * (EIO, ENOSPC, EINTR...), or does only a part of what was asked. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long every = -1;
static unsigned long calls, faults;

/* 0: no fault; 1: fail; 2: be short */
static int
fault (void)
{
  unsigned long n;
  if (every < 0)
    every = getenv ("AIO_FAULTS") ? atol (getenv ("AIO_FAULTS")) : 0;
  if (!every || syscall (SYS_gettid) == getpid ())
    return 0;
  /* scattered, so that a regular program does not meet the same ones each time */
  n = __sync_add_and_fetch (&calls, 1) * 0x9e3779b97f4a7c15UL;
  n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9UL >> 32;
  if (n % every)
    return 0;
  __sync_add_and_fetch (&faults, 1);
  return n / every % 3 ? 1 : 2;
}

static int
wrong (void)
{
  static const int with[] = { EIO, ENOSPC, EINTR, EIO, ENOMEM, EDQUOT };
  errno = with[calls % 6];
  return -1;
}

#define REAL(type, name, args) static type (*real) args; if (!real) real = (type (*) args) dlsym (RTLD_NEXT, name)

#define RW(name, type, args, pass, shortened)                   \
  ssize_t name args                                             \
  {                                                             \
    REAL (ssize_t, #name, args);                                \
    switch (fault ())                                           \
      {                                                         \
        case 1: return wrong ();                                \
        case 2: if (count > 1) return real shortened;           \
      }                                                         \
    return real pass;                                           \
  }

RW (pread64, void *, (int fd, void *buf, size_t count, off64_t at), (fd, buf, count, at), (fd, buf, count / 2, at))
RW (pwrite64, const void *, (int fd, const void *buf, size_t count, off64_t at), (fd, buf, count, at), (fd, buf, count / 2, at))
RW (pread, void *, (int fd, void *buf, size_t count, off_t at), (fd, buf, count, at), (fd, buf, count / 2, at))
RW (pwrite, const void *, (int fd, const void *buf, size_t count, off_t at), (fd, buf, count, at), (fd, buf, count / 2, at))
RW (read, void *, (int fd, void *buf, size_t count), (fd, buf, count), (fd, buf, count / 2))
RW (sendfile, void, (int out, int in, off_t *at, size_t count), (out, in, at, count), (out, in, at, count / 2))
RW (sendfile64, void, (int out, int in, off64_t *at, size_t count), (out, in, at, count), (out, in, at, count / 2))
RW (copy_file_range, void, (int in, off64_t *a, int out, off64_t *b, size_t count, unsigned flags), (in, a, out, b, count, flags), (in, a, out, b, count / 2, flags))

/* not of the 8 octets that announce a result */
ssize_t
write (int fd, const void *buf, size_t count)
{
  REAL (ssize_t, "write", (int, const void *, size_t));
  if (count != 8)
    switch (fault ())
      {
        case 1: return wrong ();
        case 2: if (count > 1) return real (fd, buf, count / 2);
      }
  return real (fd, buf, count);
}

#define FAILING(name, args, pass) int name args { REAL (int, #name, args); return fault () ? wrong () : real pass; }

FAILING (fsync, (int fd), (fd))
FAILING (ftruncate64, (int fd, off64_t size), (fd, size))
FAILING (ftruncate, (int fd, off_t size), (fd, size))
FAILING (fstat64, (int fd, struct stat64 *st), (fd, st))
FAILING (fstat, (int fd, struct stat *st), (fd, st))
FAILING (fstatat64, (int fd, const char *path, struct stat64 *st, int flags), (fd, path, st, flags))
FAILING (fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags))
FAILING (unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
FAILING (renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))

int
openat64 (int fd, const char *path, int flags, ...)
{
  va_list list;
  mode_t mode;
  REAL (int, "openat64", (int, const char *, int, ...));
  va_start (list, flags);
  mode = flags & O_CREAT ? va_arg (list, mode_t) : 0;
  va_end (list);
  return fault () ? wrong () : real (fd, path, flags, mode);
}

int
openat (int fd, const char *path, int flags, ...)
{
  va_list list;
  mode_t mode;
  REAL (int, "openat", (int, const char *, int, ...));
  va_start (list, flags);
  mode = flags & O_CREAT ? va_arg (list, mode_t) : 0;
  va_end (list);
  return fault () ? wrong () : real (fd, path, flags, mode);
}

static void tell (void) __attribute__ ((destructor));
static void tell (void) { if (faults) printf ("faults %lu of %lu calls\n", faults, calls); }
C
   my ($end, $output) = bounded 60, $Config{cc}, "-shared", "-fPIC", "-O1", "-w", "-o", $library, "$dir/faults.c", "-ldl";
   $end eq "exit 0" or skip "the fault injector cannot be built here: $output", 1;
   mkdir "$dir/faulty" or die;
   my (%sum, $injected);
   for my $every (5, 30, 300) {
      my ($end, $output) = bounded 100 * stress, "env", "LD_PRELOAD=$library", "AIO_FAULTS=$every",
         perl_command (File::Spec->rel2abs ($0), "faulty", "$dir/faulty", 100 * stress, $seed);
      is $end, "exit 0", "one call in $every of the workers fails or is short: the program goes on" or diag $output;
      my ($n) = $output =~ s/^faults (\d+) of \d+ calls\n//m ? $1 : 0;
      $injected += $n;
      cmp_ok $n, ">", 0, "... and there were some";
      $output =~ s/^figure (\S+) (\d+) (\d+)\n/$sum{$1}[0] += $2; $sum{$1}[1] += $3; ""/gme;
      is $output, "", "... and every request tells the truth";
   }
   my @untried = grep !$sum{$_}[0] || !$sum{$_}[1], keys %sum;
   is_deeply \@untried, [], "each kind succeeded, and each failed";
   figure "$injected faults injected: " . join ", ", map "$_ $sum{$_}[0] good $sum{$_}[1] failed", sort keys %sum;
}

done_testing;
