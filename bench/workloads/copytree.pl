# A tree of small files is copied with aio_scandir, aio_mkdir and aio_copy:
# directories as they are found, 64 files in flight.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($source, $copy) = (setting "small", setting ("scratch") . "/treecopy");
my ($files, $dirs, $failed, $active) = (0, 0, 0, 0);
my @waiting;

sub copy_some {
   while ($active < 64 and @waiting) {
      my $path = shift @waiting;
      ++$active;
      aio_copy "$source$path", "$copy$path", sub {
         --$active;
         $_[0] ? ++$failed : ++$files;
         copy_some ();
      };
   }
   return;
}

sub copy_dir {
   my ($path) = @_;
   aio_mkdir "$copy$path", 0777, sub {
      $_[0] ? ++$failed : ++$dirs;
      aio_scandir "$source$path", 0, sub {
         my ($subdirs, $entries) = @_;
         push @waiting, map "$path/$_", @$entries;
         copy_some ();
         copy_dir ("$path/$_") for @$subdirs;
      };
   };
   return;
}

timed {
   copy_dir ("");
   IO::AIO::flush;
};

my $bytes = 0;
$bytes += -s for glob "$copy/*/*";
report ops => $files, bytes => $bytes, check => "$files/$dirs/$failed/$bytes";
