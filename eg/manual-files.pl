#!/usr/bin/perl
# The short examples of the manual about files and directories, in its order,
# each run to its end. They work in a directory of their own.
#
#    manual-files.pl
use strict;
use warnings;
use Cwd "getcwd";
use File::Temp "tempdir";
use IO::AIO;

$| = 1;
my $home = getcwd;
my $dir = tempdir (CLEANUP => 1);
chdir $dir or die "$dir: $!";
END { chdir $home if defined $home }

my $content = join "", map { sprintf "line %04d\n", $_ } 0 .. 499;
for (["data", $content], ["draft", "text\n"]) {
   open my $fh, ">", $_->[0] or die "$_->[0]: $!";
   print $fh $_->[1];
   close $fh or die "$_->[0]: $!";
}
mkdir $_ or die "$_: $!" for "elsewhere", "tree", "tree/branch";
my $elsewhere = "elsewhere";

open my $fh, "<", "data" or die "data: $!";
open my $out, ">", "out" or die "out: $!";

sub size { -s $_[0] // -1 }

aio_open "log", IO::AIO::O_WRONLY | IO::AIO::O_CREAT | IO::AIO::O_APPEND, 0666, sub {
   my $fh = shift
      or die "cannot open log: $!";
   aio_write $fh, undef, undef, "begun\n", 0, sub {
      $_[0] == 6 or die "cannot write log: $!";
   };
};
IO::AIO::flush;
print "log has ", size ("log"), " octets\n";

{
   open my $fh, "<", "data" or die "data: $!";
   aio_close $fh, sub {
      close $fh;
   };
   IO::AIO::flush;
   print "closed: ", defined fileno $fh ? "no" : "yes", "\n";
}

my $buffer = "read: ";
aio_read $fh, 1234, 20, $buffer, length $buffer, sub {
   $_[0] == 20 or die "short read: $!";
   print "$buffer\n";
};
IO::AIO::flush;

aio_readahead $fh, 0, 1 << 20, sub {
   $_[0] and die "readahead: $!";
   print "the first megabyte is cached\n";
};
IO::AIO::flush;

my $tail;
aio_slurp "data", -10, 0, $tail, sub {
   $_[0] >= 0 or die "data: $!";
   print "the file ends in $tail\n";
};
IO::AIO::flush;

my %content;
for my $name ("data", "log") {
   aio_load $name, $content{$name}, sub {
      $_[0] >= 0 or warn "$name: $!";
   };
}
IO::AIO::flush;
print "loaded ", (join " and ", map length, @content{"data", "log"}), " octets\n";

aio_truncate "log", 0, sub {
   $_[0] and warn "log: $!";
};
IO::AIO::flush;
print "log has ", size ("log"), " octets\n";

aio_allocate $out, IO::AIO::FALLOC_FL_KEEP_SIZE, 0, 10 << 20, sub {
   $_[0] and warn "cannot reserve space: $!";
};
IO::AIO::flush;
print "out has ", size ("out"), " octets\n";

my $flags = pack "l!", 0;
aio_ioctl $fh, IO::AIO::FS_IOC_GETFLAGS, $flags, sub {
   return print "no attributes: $!\n" if $_[0];
   print "immutable: ", unpack ("l", $flags) & IO::AIO::FS_IMMUTABLE_FL ? "yes" : "no", "\n";
};
IO::AIO::flush;

aio_stat "data", sub {
   $_[0] and die "data: $!";
   print "size is ", -s _, "\n";
};
IO::AIO::flush;

aio_statvfs ".", sub {
   my $fs = shift
      or die "statvfs: $!";
   printf "%.1f GB are free\n", $fs->{bavail} * $fs->{frsize} / 1e9;
   print "mounted read-only\n" if $fs->{flag} & IO::AIO::ST_RDONLY;
};
IO::AIO::flush;

utime 1, 1, "log" or die "log: $!";
aio_utime "log", undef, undef, sub {
   $_[0] and warn "log: $!";
};
IO::AIO::flush;
print "touched: ", (stat "log")[9] > 1e9 ? "yes" : "no", "\n";

aio_chown "log", undef, $) + 0, sub {
   $_[0] and warn "log: $!";
};
IO::AIO::flush;

aio_chmod "log", 0600, sub {
   $_[0] and warn "log: $!";
};
IO::AIO::flush;
printf "mode of log is %04o\n", (stat "log")[2] & 07777;

aio_mknod "fifo", IO::AIO::S_IFIFO | 0600, 0, sub {
   $_[0] and warn "fifo: $!";
};
IO::AIO::flush;
print "fifo: ", -p "fifo" ? "yes" : "no", "\n";

aio_link    "data", "hard", sub { $_[0] and warn "hard: $!" };
aio_symlink "data", "soft", sub { $_[0] and warn "soft: $!" };
IO::AIO::flush;
print "data has ", (stat "data")[3], " names\n";

aio_readlink "soft", sub {
   my ($target) = @_
      or die "readlink: $!";
   print "soft points to $target\n";
};
aio_realpath "soft", sub {
   my ($path) = @_
      or die "realpath: $!";
   print "which is $path\n";
};
IO::AIO::flush;

aio_rename2 "draft", "final", IO::AIO::RENAME_NOREPLACE, sub {
   $_[0] and warn "not moved: $!\n";
};
IO::AIO::flush;
print "final has ", size ("final"), " octets\n";

aio_mkdir "dir", 0777, sub {
   $_[0] and return warn "dir: $!";
   aio_rmdir "dir", sub { $_[0] and warn "dir: $!" };
};
IO::AIO::flush;
print "dir: ", -e "dir" ? "yes" : "no", "\n";

aio_readdir ".", sub {
   my $names = shift
      or die "readdir: $!";
   print "entries: @{[sort @$names]}\n";
};
IO::AIO::flush;

aio_copy "data", "data.bak", sub {
   $_[0] and warn "data.bak: $!";
};
IO::AIO::flush;
print "data.bak has ", size ("data.bak"), " octets\n";

aio_move "data.bak", "$elsewhere/data", sub {
   $_[0] and warn "not moved: $!";
};
IO::AIO::flush;
print "moved: ", -e "data.bak" ? "no" : size ("elsewhere/data"), "\n";

aio_rmtree "tree", sub {
   $_[0] and warn "tree: $!";
};
IO::AIO::flush;
print "tree: ", -e "tree" ? "yes" : "no", "\n";

aio_sync_file_range $out, 0, 0, IO::AIO::SYNC_FILE_RANGE_WRITE, sub {
   $_[0] and warn "sync_file_range: $!";
};
IO::AIO::flush;

aio_wd "/etc", sub {
   my $etc = shift
      or die "/etc: $!";

   aio_stat [$etc, "passwd"], sub {
      $_[0] and die "/etc/passwd: $!";
      print "there are users\n";
   };
};
IO::AIO::flush;

aio_wd "/nonexistent", sub {
   my $wd = shift || IO::AIO::INVALID_WD;
   aio_unlink [$wd, "file"], sub {
      print "no such directory\n" if $!{ENOENT};
   };
};
IO::AIO::flush;
