# fexecve, mount, umount.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

sub result (&) { my ($r, $e) = &errno_of; $r == -1 ? "-1 $e" : $r }

# ---- fexecve ---------------------------------------------------------------

open our $sh, "<", "/bin/sh" or plan skip_all => "no /bin/sh to run: $!";
open our $null, "<", "/dev/null" or die;
$ENV{AIO_TEST} = "inherited";
delete $ENV{AIO_OTHER};

# Runs it in a child, which only goes on if the call fails.
sub runs {
   my ($name, $expect, $code) = @_;
   my ($status, $output) = in_child {
      $! = 0;
      my $result = eval { $code->() };
      print defined $result ? "returns $result, errno " . ($! + 0) : "dies: $@";
      POSIX::_exit (9);
   };
   my $got = "$status: $output";
   ref $expect ? like $got, $expect, $name : is $got, $expect, $name;
}

my $show = 'printf "[%s]" "$AIO_TEST" "$AIO_OTHER"';
runs "arguments", "exit 5: zero one two words", sub { IO::AIO::fexecve $sh, ["sh", "-c", 'printf "%s" "$0 $1 $2"; exit 5', "zero", "one", "two words"] };
runs "the environment is inherited", "exit 0: [inherited][]", sub { IO::AIO::fexecve $sh, ["sh", "-c", $show] };
runs "with undef, too", "exit 0: [inherited][]", sub { IO::AIO::fexecve $sh, ["sh", "-c", $show], undef };
runs "changes of %ENV included", "exit 0: [changed][new]", sub { $ENV{AIO_TEST} = "changed"; $ENV{AIO_OTHER} = "new"; IO::AIO::fexecve $sh, ["sh", "-c", $show] };
runs "an environment of its own", "exit 0: [][mine]", sub { IO::AIO::fexecve $sh, ["sh", "-c", $show], ["AIO_OTHER=mine"] };
runs "an empty one", "exit 0: [][]", sub { IO::AIO::fexecve $sh, ["sh", "-c", $show], [] };
runs "numbers are turned into text", "exit 0: 1.5 42", sub { IO::AIO::fexecve $sh, ["sh", "-c", 'printf "%s" "$1 $2"', "sh", 1.5, 42] };
runs "missing elements are empty strings", "exit 0: [][x]", sub { my @arg = ("sh", "-c", 'printf "[%s]" "$1" "$2"', "sh"); $arg[5] = "x"; IO::AIO::fexecve $sh, \@arg };
runs "bytes", "exit 0: \xe4", sub { IO::AIO::fexecve $sh, ["sh", "-c", 'printf "%s" "$1"', "sh", "\xe4"] };
runs "a file that is no program", "exit 9: returns -1, errno 13", sub { IO::AIO::fexecve $null, ["x"] };
runs "arguments that are no array", qr/^exit 9: dies: .*array of strings/, sub { IO::AIO::fexecve $sh, "x" };
runs "a hash", qr/^exit 9: dies: .*array of strings/, sub { IO::AIO::fexecve $sh, {} };
runs "an environment that is no array", qr/^exit 9: dies: .*array of strings/, sub { IO::AIO::fexecve $sh, ["x"], "y" };
runs "wide characters", qr/^exit 9: dies: (?:.*Wide character|.*byte|.*octet)/, sub { IO::AIO::fexecve $sh, ["\x{263a}"] };
runs "a closed handle", qr{^exit 9: (?:dies: .*mode mismatch|returns -1)}, sub { close $sh; IO::AIO::fexecve $sh, ["x"] };

# ---- mount, umount ---------------------------------------------------------

my $dir = scratch . "/m";
mkdir $dir or die;

# Without privilege it depends on the kernel which of the two is noticed first.
like result { IO::AIO::umount scratch . "/missing" }, $> ? qr{^-1 (?:1|2)\z} : qr{^-1 2\z}, "umount of nothing: ENOENT, or EPERM without privilege";

# A mount namespace of its own for a child: unshare(CLONE_NEWNS).
my ($ns) = in_child {
   require Config;
   my $call = { "x86_64-linux" => 272, "aarch64-linux" => 97 }->{ join "-", $Config::Config{archname} =~ /^(x86_64|aarch64)-(linux)/ };
   POSIX::_exit ($call && syscall ($call, 0x20000) == 0 ? 0 : 1);
};

SKIP: {
   $ns eq "exit 0" or skip "cannot make a mount namespace of its own", 9;
   require Config;
   my $call = $Config::Config{archname} =~ /^x86_64/ ? 272 : 97;

   is result { IO::AIO::mount "none", $dir, "nosuchfs" }, "-1 19", "an unknown file system: ENODEV";
   is result { IO::AIO::mount "none", "$dir/missing", "tmpfs" }, "-1 2", "no such directory: ENOENT";
   is result { IO::AIO::umount $dir }, "-1 22", "not mounted: EINVAL";
   is result { IO::AIO::umount $dir, IO::AIO::MNT_DETACH }, "-1 22", "with flags, too";

   my $apart = sub {
      my ($name, $expect, $code) = @_;
      my ($status, $output) = in_child {
         syscall ($call, 0x20000) == 0 or die "unshare: $!";
         IO::AIO::mount "none", "/", "none", IO::AIO::MS_REC | IO::AIO::MS_PRIVATE;
         print join " ", $code->();
      };
      is "$status: $output", "exit 0: $expect", $name;
   };

   $apart->("mount with flags and data, umount", "0 options there 0 gone", sub {
      my @r = IO::AIO::mount "test", $dir, "tmpfs", IO::AIO::MS_NOSUID, "size=64k";
      my ($line) = grep m{ \Q$dir\E }, split /^/, slurp "/proc/self/mounts";
      push @r, $line =~ /nosuid/ && $line =~ /size=64k/ ? "options" : $line;
      spew "$dir/file", "x";
      push @r, -e "$dir/file" ? "there" : "gone", IO::AIO::umount ($dir), -e "$dir/file" ? "there" : "gone";
      @r
   });
   $apart->("without data, or undef", "0 0 0 0", sub {
      (IO::AIO::mount ("test", $dir, "tmpfs", 0, undef)), (IO::AIO::mount "test", $dir, "tmpfs"), (IO::AIO::umount $dir), (IO::AIO::umount $dir)
   });
   $apart->("a bind mount, made read-only", "0 0 EROFS 0", sub {
      my @r = IO::AIO::mount scratch, $dir, "", IO::AIO::MS_BIND;
      push @r, IO::AIO::mount "none", $dir, "", IO::AIO::MS_REMOUNT | IO::AIO::MS_BIND | IO::AIO::MS_RDONLY;
      push @r, open (my $fh, ">", "$dir/x") ? "writable" : $!{EROFS} ? "EROFS" : "$!";
      @r, IO::AIO::umount $dir
   });
   $apart->("one that is busy, then detached", "0 -1 16 0 detached", sub {
      my @r = IO::AIO::mount "test", $dir, "tmpfs";
      open my $fh, ">", "$dir/held" or die;
      push @r, result { IO::AIO::umount $dir };
      @r, IO::AIO::umount ($dir, IO::AIO::MNT_DETACH), -e "$dir/held" ? "there" : "detached"
   });
   ok !-e "$dir/file", "outside nothing changed";
}

done_testing;
