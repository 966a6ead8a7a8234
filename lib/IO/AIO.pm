package IO::AIO;

# The loader. Everything that does something is in the shared object; the manual is below.

use strict;
use warnings;

BEGIN {
   our $VERSION = '5.0';

   # Request functions: Coro::AIO walks this list and reads each prototype.
   our @AIO_REQ = qw(
      aio_sendfile aio_seek aio_read aio_write aio_open aio_close
      aio_stat aio_lstat aio_unlink aio_rmdir aio_readdir aio_readdirx
      aio_scandir aio_symlink aio_readlink aio_realpath aio_fcntl aio_ioctl
      aio_sync aio_fsync aio_syncfs aio_fdatasync aio_sync_file_range
      aio_pathsync aio_readahead aio_fiemap aio_allocate
      aio_rename aio_rename2 aio_link aio_move aio_copy aio_group
      aio_nop aio_mknod aio_load aio_rmtree aio_mkdir aio_chown
      aio_chmod aio_utime aio_truncate
      aio_msync aio_mtouch aio_mlock aio_mlockall
      aio_statvfs
      aio_slurp
      aio_wd
      aio_busy
   );

   our @EXPORT = ((grep $_ ne "aio_busy", @AIO_REQ), qw(aioreq_pri aioreq_nice aio_block));

   our @EXPORT_OK = qw(
      poll_fileno poll_cb poll_wait flush
      min_parallel max_parallel max_idle idle_timeout
      nreqs nready npending nthreads
      max_poll_time max_poll_reqs
      sendfile fadvise madvise
      mmap munmap mremap munlock munlockall
      accept4 tee splice pipe2 pipesize
      fexecve mount umount memfd_create eventfd
      timerfd_create timerfd_settime timerfd_gettime
      pidfd_open pidfd_send_signal pidfd_getfd
   );

   our @ISA = qw(Exporter);
   @IO::AIO::GRP::ISA = qw(IO::AIO::REQ);

   require Exporter;
   require XSLoader;
   XSLoader::load ("IO::AIO", $VERSION);
   _boot ();
}

# Names of older versions.

*aio_sleep = \&aio_busy;                    # 2.0

# 2.2 to 2.62: runs a block that no callback may interrupt. Callbacks run in poll functions only,
# so none does.
sub aio_block (&) {
   my ($block) = @_;
   &$block ()
}

# What is outstanding is executed and reported before the program ends, also where it left no
# worker to do it.
END {
   min_parallel (1);
   flush ();
}

1;
