#!/usr/bin/perl
# Copies a directory tree, many files at a time: files, directories and
# symbolic links, with permissions and times. Prints its progress once a second
# and a summary at the end. The destination must not exist.
#
#    copytree.pl [--jobs=N] SOURCE DESTINATION
use strict;
use warnings;
use Errno "ENOTDIR";
use Getopt::Long;
use IO::AIO;

my $jobs = 8;
GetOptions ("jobs=i" => \$jobs) && @ARGV == 2
   or die "usage: $0 [--jobs=N] SOURCE DESTINATION\n";
my ($source, $destination) = @ARGV;

my %count = (files => 0, directories => 0, links => 0, bytes => 0, errors => 0);
my $shown = time;

sub report {
   print "$_[0]: ", (join ", ", map "$count{$_} $_", qw(directories files links bytes errors)), "\n";
   $shown = time;
}

sub failed {
   my ($path) = @_;
   warn "$path: $!\n";
   $count{errors}++;
}

# What is left to do, directories last in, first out: the list stays short.
my @todo = ([\&directory, $source, $destination]);
# Attributes of directories, set at the end when nothing is written any more.
my @attributes;

sub directory {
   my ($group, $from, $to) = @_;

   $group->add (aio_lstat $from, sub {
      return failed ($from) if $_[0];
      unless (-d _) {
         $! = ENOTDIR;
         return failed ($from);
      }
      my ($mode, $atime, $mtime) = (stat _)[2, 8, 9];

      $group->add (aio_mkdir $to, 0700, sub {
         return failed ($to) if $_[0];
         $count{directories}++;
         push @attributes, [$to, $mode & 07777, $atime, $mtime];

         $group->add (aio_scandir $from, 0, sub {
            my ($dirs, $others) = @_
               or return failed ($from);
            push @todo, map [\&directory, "$from/$_", "$to/$_"], @$dirs;
            push @todo, map [\&other, "$from/$_", "$to/$_"], @$others;
         });
      });
   });
}

sub other {
   my ($group, $from, $to) = @_;

   $group->add (aio_lstat $from, sub {
      return failed ($from) if $_[0];

      if (-l _) {
         $group->add (aio_readlink $from, sub {
            my ($text) = @_
               or return failed ($from);
            $group->add (aio_symlink $text, $to, sub {
               $_[0] ? failed ($to) : $count{links}++;
            });
         });
      } elsif (-f _) {
         my $size = -s _;
         $group->add (aio_copy $from, $to, sub {
            return failed ("$from -> $to") if $_[0];
            $count{files}++;
            $count{bytes} += $size;
         });
      } else {
         warn "$from: neither file, directory nor link, left out\n";
         $count{errors}++;
      }

      report ("copying") if time > $shown;
   });
}

# The feeder may find nothing to do while a directory is still being read. The
# group forgets it then, so it is installed again as long as work turns up.
while (@todo) {
   my $group = aio_group;
   $group->limit ($jobs);
   $group->feed (sub {
      my $todo = pop @todo
         or return;
      my ($code, @path) = @$todo;
      $code->($group, @path);
   });
   IO::AIO::flush;
}

for (reverse @attributes) {
   my ($path, $mode, $atime, $mtime) = @$_;
   aio_utime $path, $atime, $mtime, sub { failed ($path) if $_[0] };
   aio_chmod $path, $mode, sub { failed ($path) if $_[0] };
}
IO::AIO::flush;

report ("copied");
exit ($count{errors} ? 1 : 0);
