#!/usr/bin/perl
# Prints the SHA-256 sums of all files below a directory, in the format of
# sha256sum, reading many files at a time. A progress bar goes to standard
# error if that is a terminal.
#
#    checksum.pl [--jobs=N] [--progress] DIRECTORY
use strict;
use warnings;
use Digest::SHA;
use Getopt::Long;
use IO::AIO;

my $jobs = 8;
my $progress = -t STDERR;
GetOptions ("jobs=i" => \$jobs, "progress!" => \$progress) && @ARGV == 1
   or die "usage: $0 [--jobs=N] [--progress] DIRECTORY\n";

my (@file, %sum);
my ($total, $bytes, $errors) = (0, 0, 0);

sub failed {
   my ($path) = @_;
   warn "$path: $!\n";
   $errors++;
}

my $drawn = -1;
sub bar {
   my $percent = $total ? int 100 * $bytes / $total : 100;
   return if !$progress || $percent == $drawn;
   $drawn = $percent;
   printf STDERR "\r[%-50s] %3d%%", "#" x ($percent / 2), $percent;
}

# First walk the tree. Everything is added to one group, so that its callback
# comes when there is nothing left to look at.
sub walk {
   my ($group, $dir) = @_;

   $group->add (aio_scandir $dir, 0, sub {
      my ($dirs, $others) = @_
         or return failed ($dir);

      walk ($group, "$dir/$_") for @$dirs;
      for my $path (map "$dir/$_", @$others) {
         $group->add (aio_lstat $path, sub {
            return failed ($path) if $_[0];
            return unless -f _;
            push @file, $path;
            $total += -s _;
         });
      }
   });
}

# Reads a file block by block. Each request of the sequence is added to the
# group before its predecessor leaves it, so the file counts as one.
sub checksum {
   my ($group, $path) = @_;
   my $sha = Digest::SHA->new (256);

   $group->add (aio_open $path, IO::AIO::O_RDONLY, 0, sub {
      my $fh = shift
         or return failed ($path);

      my $data = "";
      my $read;
      $read = sub {
         $group->add (aio_read $fh, undef, 1 << 20, $data, 0, sub {
            if ($_[0] > 0) {
               $sha->add ($data);
               $bytes += $_[0];
               bar;
               return $read->();
            }
            undef $read;
            return failed ($path) if $_[0] < 0;
            $sum{$path} = $sha->hexdigest;
         });
      };
      $read->();
   });
}

walk (my $walk = aio_group, $ARGV[0]);
IO::AIO::flush;

my $group = aio_group;
my @todo = @file;
$group->limit ($jobs);
$group->feed (sub {
   my $path = shift @todo;
   checksum ($group, $path) if defined $path;
});
IO::AIO::flush;

print STDERR "\n" if $progress && $drawn >= 0;
print "$sum{$_}  $_\n" for sort keys %sum;
exit ($errors ? 1 : 0);
