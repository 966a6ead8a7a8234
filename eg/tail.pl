#!/usr/bin/perl
# Follows many files at once, as "tail -F" does: prints the lines that are
# appended, notices truncated and replaced files, waits for missing ones.
# However slow one of the files is, the others go on.
#
#    tail.pl [--all] [--interval=SECONDS] [--until=LINE] FILE...
#
# --all begins at the start of each file instead of its end, --until makes the
# program end when this line comes up in any of them.
use strict;
use warnings;
use Getopt::Long;
use IO::AIO;
use Time::HiRes "time";

my $interval = 0.2;
GetOptions ("all" => \my $all, "interval=f" => \$interval, "until=s" => \my $until) && @ARGV
   or die "usage: $0 [--all] [--interval=SECONDS] [--until=LINE] FILE...\n";

$| = 1;
my $finished;
my @file = map { { path => $_, inode => 0, pos => $all ? 0 : undef, rest => "" } } @ARGV;

# Reads what is new in the file, block by block.
sub follow {
   my ($file, $fh) = @_;
   my $data = "";

   aio_read $fh, $file->{pos}, 65536, $data, 0, sub {
      if ($_[0] <= 0) {
         $file->{busy} = 0;
         return;
      }
      $file->{pos} += $_[0];

      $file->{rest} .= $data;
      while ($file->{rest} =~ s/^(.*)\n//) {
         print "$file->{path}: $1\n";
         $finished ||= defined $until && $1 eq $until;
      }

      follow ($file, $fh);
   };
}

# Opens the path again each time: it may name another file by now.
sub look {
   my ($file) = @_;
   $file->{busy} = 1;

   aio_open $file->{path}, IO::AIO::O_RDONLY | IO::AIO::O_NONBLOCK, 0, sub {
      my $fh = shift;
      if (!$fh) {
         # there is nothing to skip in a file that appears later
         $file->{pos} //= 0;
         $file->{busy} = 0;
         return;
      }
      aio_stat $fh, sub {
         my ($inode, $size) = (stat _)[1, 7];
         $file->{pos} //= $size;
         if ($file->{inode} && $file->{inode} != $inode || $size < $file->{pos}) {
            $file->{pos}  = 0;
            $file->{rest} = "";
         }
         $file->{inode} = $inode;
         follow ($file, $fh);
      };
   };
}

my $next = 0;
until ($finished) {
   if (time >= $next) {
      $_->{busy} or look ($_) for @file;
      $next = time + $interval;
   }

   vec (my $readable = "", IO::AIO::poll_fileno, 1) = 1;
   my $wait = $next - time;
   select $readable, undef, undef, $wait > 0 ? $wait : 0;
   IO::AIO::poll_cb;
}
