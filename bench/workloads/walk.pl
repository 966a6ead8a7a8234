# A tree is walked with aio_scandir, all directories found at once.
use strict;
use warnings;
use IO::AIO;
use AIOBench;

my ($dirs, $others, $failed) = (0, 0, 0);

sub walk {
   my ($path) = @_;
   aio_scandir $path, 0, sub {
      my ($subdirs, $entries) = @_;
      $subdirs or return ++$failed;
      $dirs   += @$subdirs;
      $others += @$entries;
      walk ("$path/$_") for @$subdirs;
   };
   return;
}

timed {
   walk setting "tree";
   IO::AIO::flush;
};

report ops => $dirs + $others, check => "$dirs/$others/$failed";
