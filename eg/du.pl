#!/usr/bin/perl
# Adds up the disk space below a directory. Working directory objects spare the
# kernel the long paths, and keep the walk inside the tree even if somebody
# renames its directories meanwhile.
#
#    du.pl DIRECTORY
use strict;
use warnings;
use IO::AIO;

my ($root) = @ARGV
   or die "usage: $0 DIRECTORY\n";

my ($entries, $blocks, $errors) = (0, 0, 0);
my %seen;

sub failed {
   my ($path) = @_;
   warn "$path: $!\n";
   $errors++;
}

sub count {
   my ($dev, $inode, $nlink) = (lstat _)[0, 1, 3];
   return if $nlink > 1 && $seen{"$dev/$inode"}++;
   $entries++;
   $blocks += (lstat _)[12];
}

# Each working directory object holds a descriptor, so only a few directories
# are open at a time; the others wait in this list.
my @todo;

sub directory {
   my ($group, $base, $name, $path) = @_;

   $group->add (aio_wd [$base, $name], sub {
      my $wd = shift
         or return failed ($path);

      my $flags = IO::AIO::READDIR_DENTS | IO::AIO::READDIR_STAT_ORDER;
      $group->add (aio_readdirx $wd, $flags, sub {
         my $list = shift
            or return failed ($path);

         for my $entry (@$list) {
            my ($name, $type) = @$entry;
            $group->add (aio_lstat [$wd, $name], sub {
               return failed ("$path/$name") if $_[0];
               my $is_dir = -d _;
               count;
               push @todo, [$wd, $name, "$path/$name"] if $is_dir;
            });
         }
      });
   });
}

aio_lstat $root, sub {
   return failed ($root) if $_[0];
   my $is_dir = -d _;
   count;
   push @todo, [IO::AIO::CWD, $root, $root] if $is_dir;
};
IO::AIO::flush;

while (@todo) {
   my $group = aio_group;
   directory ($group, @$_) for splice @todo, @todo > 8 ? -8 : 0;
   IO::AIO::flush;
}

printf "%d KiB in %d entries\n", $blocks / 2, $entries;
exit ($errors ? 1 : 0);
