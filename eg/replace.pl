#!/usr/bin/perl
# Replaces a file by what comes from standard input, so that at every moment,
# a power failure included, the name stands for either the whole old or the
# whole new contents.
#
#    replace.pl FILE <NEW-CONTENTS
use strict;
use warnings;
use File::Basename "dirname";
use IO::AIO;

my ($path) = @ARGV
   or die "usage: $0 FILE <NEW-CONTENTS\n";

binmode STDIN;
my $data = do { local $/; <STDIN> } // "";

# A new file in the same directory, since rename does not cross file systems.
my $new = "$path.new$$";

sub failed {
   my ($what) = @_;
   my $error = "$what: $!\n";
   aio_unlink $new;
   IO::AIO::flush;
   die $error;
}

sub write_all {
   my ($fh, $offset, $done) = @_;
   return $done->() if $offset == length $data;

   aio_write $fh, $offset, undef, $data, $offset, sub {
      $_[0] > 0 or failed ("write $new");
      write_all ($fh, $offset + $_[0], $done);
   };
}

aio_open $new, IO::AIO::O_WRONLY | IO::AIO::O_CREAT | IO::AIO::O_EXCL, 0666, sub {
   my $fh = shift
      or die "create $new: $!\n";

   write_all ($fh, 0, sub {
      aio_fsync $fh, sub {
         $_[0] and failed ("fsync $new");
         close $fh or failed ("close $new");

         aio_rename $new, $path, sub {
            $_[0] and failed ("rename $new to $path");

            # the rename itself lasts once the directory is on disk
            aio_pathsync dirname ($path), sub {
               $_[0] and die "sync of the directory of $path: $!\n";
               print "replaced $path: ", length $data, " bytes\n";
            };
         };
      };
   });
};

IO::AIO::flush;
