#!/usr/bin/perl
# The short examples of the manual about mapped memory and the calls that are
# made at once. They work in a directory of their own. The last one replaces the program.
#
#    manual-direct.pl
use strict;
use warnings;
use Cwd "getcwd";
use File::Temp "tempdir";
use IO::AIO;
use IO::Socket::INET;

$| = 1;
my $home = getcwd;
my $dir = tempdir (CLEANUP => 1);
chdir $dir or die "$dir: $!";
END { chdir $home if defined $home }

open my $file, "+>", "file" or die "file: $!";
syswrite $file, "hello world\n" . "x" x 9000 or die "file: $!";

IO::AIO::mmap my $map, 4096, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE, IO::AIO::MAP_SHARED, $file
   or die "mmap: $!";
substr $map, 0, 5, "HELLO";
aio_msync $map, 0, 5, IO::AIO::MS_SYNC, sub {
   $_[0] and die "msync: $!";
   print "it is on disk\n";
};
IO::AIO::flush;
sysseek $file, 0, 0;
sysread $file, my $head, 11;
print "the file begins with $head\n";

{
   my $secret = "secret";
   aio_mlock $secret, 0, undef, sub {
      $_[0] and warn "may be swapped out: $!";
   };
   IO::AIO::flush;
}

my ($r, $w) = IO::AIO::pipe2 IO::AIO::O_NONBLOCK
   or die "pipe2: $!";
print "room for ", IO::AIO::pipesize ($w, 100_000), " octets\n";

syswrite $w, "12345" or die "write: $!";
my ($copy_r, $copy_w) = IO::AIO::pipe2
   or die "pipe2: $!";
print "copied: ", IO::AIO::tee ($r, $copy_w, 5, 0), "\n";
print "moved: ", IO::AIO::splice ($r, undef, $file, 0, 5, IO::AIO::SPLICE_F_MOVE), "\n";

IO::AIO::fadvise $file, 0, 0, IO::AIO::FADV_SEQUENTIAL;

IO::AIO::mremap $map, 8192 or die "mremap: $!";
IO::AIO::madvise $map, 0, undef, IO::AIO::MADV_RANDOM;
IO::AIO::mprotect $map, 0, undef, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE;
IO::AIO::munlock $map;
IO::AIO::munmap $map;
print "unmapped: ", defined $map ? "no" : "yes", "\n";

{
   my $listen = IO::Socket::INET->new (LocalAddr => "127.0.0.1", Listen => 1) or die "listen: $!";
   my $peer = IO::Socket::INET->new (PeerAddr => $listen->sockhost, PeerPort => $listen->sockport) or die "connect: $!";
   my $client = IO::AIO::accept4 $listen, my $sockaddr, 128, IO::AIO::O_NONBLOCK
      or die "accept4: $!";
   my ($port) = Socket::unpack_sockaddr_in ($sockaddr);
   print "accepted the right one: ", $port == $peer->sockport ? "yes" : "no", "\n";
}

{
   my $counter = IO::AIO::eventfd 3, IO::AIO::EFD_CLOEXEC
      or die "eventfd: $!";
   syswrite $counter, pack "Q", 4;
   sysread $counter, my $sum, 8;
   print "counted ", unpack ("Q", $sum), "\n";
}

{
   my $memory = IO::AIO::memfd_create "example", IO::AIO::MFD_CLOEXEC | IO::AIO::MFD_ALLOW_SEALING
      or die "memfd_create: $!";
   syswrite $memory, "contents";
   aio_fcntl $memory, IO::AIO::F_ADD_SEALS, IO::AIO::F_SEAL_WRITE, sub {
      $_[0] and die "F_ADD_SEALS: $!";
      defined syswrite $memory, "more"
         or print "cannot be changed: $!\n";
   };
   IO::AIO::flush;
}

IO::AIO::statx "file", 0, IO::AIO::STATX_BTIME
   and die "file: $!";
print "made at ", scalar localtime IO::AIO::stx_btime, "\n"
   if IO::AIO::stx_mask & IO::AIO::STATX_BTIME;

aio_stat "file", sub {
   $_[0] and die "file: $!";
   printf "changed at %d.%09d\n", (stat _)[9], IO::AIO::st_mtimensec;
};
IO::AIO::flush;

IO::AIO::min_fdlimit 4096
   or warn "only ", IO::AIO::get_fdlimit, " descriptors: $!\n";

my $dev = (stat "file")[0];
print "on device ", IO::AIO::major $dev, ":", IO::AIO::minor $dev, "\n";

# no END blocks run any more
chdir $home;
File::Temp::cleanup ();
open my $program, "<", "/bin/sh" or die "/bin/sh: $!";
IO::AIO::fexecve $program, ["sh", "-c", 'echo "$GREETING"'], ["GREETING=hello"];
die "fexecve: $!";
