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

__END__

=head1 NAME

IO::AIO - asynchronous file and directory operations

=head1 SYNOPSIS

=for example eg/synopsis.pl

   use IO::AIO;

   # one request after the other: open a file, then read from it
   aio_open $path, IO::AIO::O_RDONLY, 0, sub {
      my $fh = shift
         or die "$path: $!";

      my $buffer = "";
      aio_read $fh, 0, 1024, $buffer, 0, sub {
         $_[0] >= 0
            or die "$path: $!";
         print "the first $_[0] bytes are: $buffer\n";
      };
   };

   # many requests at once, and one callback at the end: a group
   my $group = aio_group sub { print "all gone\n" };
   for my $file (@remove) {
      $group->add (aio_unlink $file, sub {
         $_[0] and warn "$file: $!\n";
      });
   }

   # without an event loop: wait until everything is done
   IO::AIO::flush;

With an event loop, one line (two with some) connects the module to it.
Results then arrive whenever the loop runs. There are programs for more loops
in the F<eg/> directory of the distribution; see L</EVENT LOOP INTEGRATION>.

AnyEvent:

=for example eg/loop-anyevent.pl

   my $watcher = AnyEvent->io (fh => IO::AIO::poll_fileno, poll => "r", cb => \&IO::AIO::poll_cb);

EV:

=for example eg/loop-ev.pl

   my $watcher = EV::io IO::AIO::poll_fileno, EV::READ, \&IO::AIO::poll_cb;

Event:

=for example eg/loop-event.pl

   my $watcher = Event->io (fd => IO::AIO::poll_fileno, poll => "r", cb => \&IO::AIO::poll_cb);

Glib, and so Gtk2 and Gtk3:

=for example eg/loop-glib.pl

   my $watcher = Glib::IO->add_watch (IO::AIO::poll_fileno, in => sub { IO::AIO::poll_cb; 1 });

Tk, where C<$window> is any widget:

=for example eg/loop-tk.pl

   open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
   $window->fileevent ($results, readable => sub { IO::AIO::poll_cb });

Danga::Socket:

=for example eg/loop-danga.pl

   Danga::Socket->AddOtherFds (IO::AIO::poll_fileno () => \&IO::AIO::poll_cb);

=head1 DESCRIPTION

Most systems let a program wait for many sockets at once, but not for the
disk: C<open>, C<stat>, C<read> and all their relatives stop the whole process
until the answer is there, be it in microseconds from memory or in seconds
from a busy network file system. This module runs such calls in worker
threads. A function like C<aio_stat> returns at once; when the call has
finished, its result is handed to a callback.

The workers never run Perl code. Callbacks run in the thread of the program
that asked, and only inside the functions that poll for results, such as
C<poll_cb> and C<flush>. So a program needs no locks: nothing but the buffers
it has given to requests changes between two statements.

The engine below is written in Rust. It starts workers on demand, up to a
limit (see C<min_parallel> and C<max_parallel>), executes requests in the
order of their priority, and makes a file descriptor readable while results
wait, so that every event loop can be told to fetch them.

Use it where disk accesses would hold up something else (a server, a user
interface), and where many accesses gain from being made at the same time: a
disk with a queue, a RAID or a file server answers eight questions at a time
sooner than eight times one. A single pass over one cached file is not such a
case: plain C<read> is faster there.

Programs written for any earlier version run unchanged;
L</DIFFERENCES FROM 4.80> tells what was put right. Nothing but core Perl is
needed at run time.

=head1 REQUEST ANATOMY AND LIFETIME

Every C<aio_*> function makes a I<request>. In scalar and list context it
returns an object that stands for the request, of class C<IO::AIO::REQ>; in
void context no object is made. The object is not needed for the request to go
on, and dropping it cancels nothing. Use it to cancel the request, to change
its callback, or to make it a member of a group.

The object is a reference to an empty hash, whose elements are free for your
own data. What you store there is released when neither you nor the request
needs the object any more.

A request is in one of five states:

=over 4

=item ready

It waits for a worker. Requests of higher priority are executed first, those
of the same priority in the order in which they were made.

=item execute

A worker executes it. This can no longer be stopped, but its result can be
ignored: see C<cancel>. A request made of many system calls, such as
C<aio_rmtree>, stops at its next step when it is cancelled.

=item pending

It has been executed, and its result waits for the program to poll. The
descriptor is readable exactly while there are pending requests.

=item result

Its callback is running.

=item done

All is over. Callback, buffers and handles have been released; the object, if
it still exists, no longer refers to a request, and C<cancel> and C<cb> do
nothing.

=back

C<nreqs> counts the requests in the states ready, execute and pending, which
are called I<outstanding>; C<nready> and C<npending> count the two states they
are named after.

A I<group> is a request that is never executed. It contains other requests and
reaches its callback when all of them are done: see L</IO::AIO::GRP CLASS>.

When the program ends, an C<END> block calls C<flush>: what is outstanding is
executed and delivered first, after C<exit> and C<die>, too. C<POSIX::_exit>,
C<exec> and death by a signal end everything at once.

=head1 FUNCTIONS

=head2 QUICK OVERVIEW

The arguments in brackets may be left out. Every callback may be left out,
too. Request functions and the two priority functions are exported by default,
those marked C<*> on request. All others are called with their full name,
C<IO::AIO::> and the name given here.

=for overview

   making and ending requests on handles
     aio_open $pathname, $flags, $mode, $callback->($fh)
     aio_close $fh, $callback->($status)
     aio_seek $fh, $offset, $whence, $callback->($position)
     aio_read $fh, $offset, $length, $data, $dataoffset, $callback->($count)
     aio_write $fh, $offset, $length, $data, $dataoffset, $callback->($count)
     aio_sendfile $out_fh, $in_fh, $in_offset, $length, $callback->($count)
     aio_readahead $fh, $offset, $length, $callback->($status)
     aio_slurp $pathname, $offset, $length, $data, $callback->($count)
     aio_load $pathname, $data, $callback->($count)
     aio_truncate $fh_or_path, $length, $callback->($status)
     aio_allocate $fh, $mode, $offset, $length, $callback->($status)
     aio_fiemap $fh, $start, $length, $flags, $count, $callback->(\@extents)
     aio_fcntl $fh, $command, $argument, $callback->($result)
     aio_ioctl $fh, $request, $buffer, $callback->($result)

   attributes
     aio_stat $fh_or_path, $callback->($status)
     aio_lstat $fh_or_path, $callback->($status)
     aio_statvfs $fh_or_path, $callback->(\%statvfs)
     aio_utime $fh_or_path, $atime, $mtime, $callback->($status)
     aio_chown $fh_or_path, $uid, $gid, $callback->($status)
     aio_chmod $fh_or_path, $mode, $callback->($status)

   names
     aio_unlink $pathname, $callback->($status)
     aio_mknod $pathname, $mode, $device, $callback->($status)
     aio_link $oldpath, $newpath, $callback->($status)
     aio_symlink $target, $newpath, $callback->($status)
     aio_readlink $pathname, $callback->($target)
     aio_realpath $pathname, $callback->($path)
     aio_rename $oldpath, $newpath, $callback->($status)
     aio_rename2 $oldpath, $newpath, [$flags, $callback->($status)]
     aio_mkdir $pathname, $mode, $callback->($status)
     aio_rmdir $pathname, $callback->($status)
     aio_wd $pathname, $callback->($wd)

   directories and trees
     aio_readdir $pathname, $callback->(\@names)
     aio_readdirx $pathname, $flags, $callback->(\@entries, $flags)
     aio_scandir $pathname, $maxreq, $callback->(\@dirs, \@others)
     aio_copy $srcpath, $dstpath, $callback->($status)
     aio_move $srcpath, $dstpath, $callback->($status)
     aio_rmtree $pathname, $callback->($status)

   getting data to disk
     aio_sync $callback->($status)
     aio_fsync $fh, $callback->($status)
     aio_fdatasync $fh, $callback->($status)
     aio_syncfs $fh, $callback->($status)
     aio_sync_file_range $fh, $offset, $length, $flags, $callback->($status)
     aio_pathsync $pathname, $callback->($status)

   memory
     aio_msync $data, [$offset, $length, $flags, $callback->($status)]
     aio_mtouch $data, [$offset, $length, $flags, $callback->($status)]
     aio_mlock $data, [$offset, $length, $callback->($status)]
     aio_mlockall $flags, $callback->($status)

   groups, priority, and requests that do nothing
     aio_group $callback->(@results)
     aioreq_pri [$priority]
     aioreq_nice [$decrement]
     aio_nop $callback->()
     IO::AIO::aio_busy $seconds, $callback->()
     IO::AIO::aio_sleep $seconds, $callback->()
     aio_block BLOCK

   objects
     $req->cancel
     $req->cb ([$callback])
     $group->add (@requests)
     $group->cancel_subs
     $group->result (@values)
     $group->errno ([$errno])
     $group->feed ($callback->($group))
     $group->limit ($n)
     $group->feed_limit ($n)

   polling
     poll_fileno *
     poll_cb *
     poll_wait *
     poll
     flush *
     max_poll_reqs $n *
     max_poll_time $seconds *
     max_outstanding $n

   workers and counters
     min_parallel $n *
     max_parallel $n *
     max_idle $n *
     idle_timeout $seconds *
     nreqs *
     nready *
     npending *
     nthreads *
     stats
     reinit

   calls that are made at once
     sendfile $out_fh, $in_fh, $in_offset, $count *
     splice $in_fh, $in_offset, $out_fh, $out_offset, $length, $flags *
     tee $in_fh, $out_fh, $length, $flags *
     fadvise $fh, $offset, $length, $advice *
     mmap $data, $length, $protection, $flags, [$fh, $offset] *
     munmap $data *
     mremap $data, $length, [$flags, $address] *
     madvise $data, $offset, $length, $advice *
     mprotect $data, $offset, $length, $protection
     munlock $data, [$offset, $length] *
     mlockall $flags
     munlockall *
     pipe2 [$flags] *
     pipesize $fh, [$size] *
     accept4 $fh, $sockaddr, $length, $flags *
     eventfd [$value, $flags] *
     timerfd_create $clock, [$flags] *
     timerfd_settime $fh, $flags, $interval, $value *
     timerfd_gettime $fh *
     memfd_create $name, [$flags] *
     pidfd_open $pid, [$flags] *
     pidfd_send_signal $pidfd, $signal, [$siginfo, $flags] *
     pidfd_getfd $pidfd, $fd, [$flags] *
     fexecve $fh, \@arguments, [\@environment] *
     mount $source, $path, $type, [$flags, $data] *
     umount $path, [$flags] *
     statx $pathname, $flags, $mask
     get_fdlimit
     min_fdlimit [$n]
     major $device
     minor $device
     makedev $major, $minor

=head2 ARGUMENTS, RESULTS AND ERRORS

What follows holds for all requests, so that their entries need not repeat it.

=over 4

=item $callback->(...)

The last argument is the callback. It may be missing or C<undef>. Otherwise it
is anything that can be called: a code reference, an object with overloaded
C<&{}>, a glob (or a reference to one) with a sub in it, or the name of a sub.
Names are looked up once, when the request is made, in the package of the
calling code.

It is called once, in void context, from a polling function, never from inside
the function that makes the request. A cancelled request does not call it. It
may do whatever Perl code can do: make requests, cancel some, poll, die. See
C<poll_cb> for exceptions.

In the signatures below C<< $callback->($status) >> shows what is passed. A
I<status> is C<0> on success and C<-1> on failure.

=item Errors

A system call that fails is reported to the callback, with the error in C<$!>.
In the callback of a request that succeeded C<$!> is C<0>.

Arguments that make no sense (a closed handle, a callback that cannot be
called, characters above 255 in a path) make the function die at once. Nothing
is queued then, no argument is changed, and the pending priority is kept.

=item $pathname

A path is one of these three:

=over 4

=item a string

A string of octets. If relative, it is resolved in the directory the process
is in when the request is executed. So do not change directories while
requests with relative paths are outstanding; or use one of the other forms. A
string that perl keeps in UTF-8 counts by its characters, which must not be
above 255: encode names with other characters first. A path that contains a
NUL character fails with C<ENOENT>.

=item a working directory object

As made by C<aio_wd>; it stands for the directory itself.

=item a pair [$wd, $string]

A reference to an array of two elements: a working directory object and a
string that is resolved there. An absolute string ignores the directory. If
C<$wd> is C<undef>, or C<IO::AIO::INVALID_WD>, the request fails with
C<ENOENT>; C<IO::AIO::CWD> stands for the directory of the process.

=back

Anything else makes the function die. All functions that take a path take all
three forms.

=item $fh

A file handle: a glob, a reference to one, an object made of one, such as
those of L<IO::File> and L<IO::Socket>, or the number of a descriptor. Handles
that are closed, or have no descriptor, or are opened for reading only where
data is to be written, make the function die.

The request keeps the handle until it is done, so a handle whose last
reference goes away stays open as long as needed. Closing it explicitly while
a request uses it is an error of the program: the descriptor may already stand
for another file when the request is executed.

Only the descriptor is used. Neither perl's buffers nor layers play a role, so
do not mix these functions with C<print>, C<readline> and the like on one
handle.

=item $fh_or_path

A glob, a reference to one, or an IO object is a handle; everything else is a
path, numbers included. A handle without a descriptor is not refused here: the
request fails with C<EBADF>.

=item $data

A scalar that is filled, or written from, while the program goes on. Until the
callback is called it is read-only: an attempt to change it dies with
"Modification of a read-only value attempted". It is writable again in the
callback, and stays so. The request keeps it alive.

=item numbers

Flags, modes and the like are C<int>s, offsets and lengths are 64-bit
integers. Offsets of C<undef> mean the current position where the entry says
so.

=item results

File names, link texts and data are octets. What is passed to a callback
belongs to the program and may be kept.

=back

=head2 REQUESTS

=head3 Handles and data

=over 4

=item aio_open $pathname, $flags, $mode, $callback->($fh)

Opens a file, or creates it. C<$flags> are the C<IO::AIO::O_*> constants, or
those of L<Fcntl>, which are the same; C<$mode> gives the permissions of a new
file, less the process's umask, and plays no role without C<O_CREAT> or
C<O_TMPFILE>.

Passes a handle, or C<undef> with C<$!> set. The handle is a glob; copy and
store it as you like, the descriptor is closed with the last copy. It is
opened for reading, writing or both as C<$flags> say, and is close-on-exec
from the beginning unless its number is not above C<$^F>.

A request that is cancelled, or has no callback, closes what it opened.

Example: append to a file, making it where it is missing.

=for example eg/manual-files.pl

   aio_open "log", IO::AIO::O_WRONLY | IO::AIO::O_CREAT | IO::AIO::O_APPEND, 0666, sub {
      my $fh = shift
         or die "cannot open log: $!";
      aio_write $fh, undef, undef, "begun\n", 0, sub {
         $_[0] == 6 or die "cannot write log: $!";
      };
   };

Opening a fifo waits for the other side, and keeps a worker busy meanwhile;
C<O_NONBLOCK> avoids this.

=item aio_close $fh, $callback->($status)

Releases the file behind the handle in a worker, since closing can take long:
it may write data to a server, or free the blocks of a large deleted file.
Passes C<0>, or C<-1> with C<$!> set; C<EBADF> if the descriptor is not open.

The descriptor itself is not closed, because perl owns it. It is replaced by
one end of a broken pipe: reading gives end of file, writing fails. Perl's
C<close>, or the end of the handle's life, then frees the number. Data in
perl's own buffer of that handle is lost; flush it first if the handle was
used with C<print>.

Example: close a large file without waiting for it.

=for example eg/manual-files.pl

   aio_close $fh, sub {
      close $fh;
   };

The kernel's error at closing, if any, does not come to light this way: use
C<aio_fsync> before.

=item aio_seek $fh, $offset, $whence, $callback->($position)

Moves the file position. C<$whence> is C<IO::AIO::SEEK_SET> (0), C<SEEK_CUR>
(1), C<SEEK_END> (2), or, where the system has them, C<SEEK_DATA> and
C<SEEK_HOLE>. Passes the new position counted from the beginning of the file,
or C<-1> with C<$!> set: C<EINVAL> if it were negative, C<ESPIPE> on pipes and
sockets, C<ENXIO> when there is no data, or no hole, behind C<$offset>.

Example: see F<eg/holes.pl>, which lists the parts of a file that hold data.

=for example eg/holes.pl

   aio_seek $fh, $from, IO::AIO::SEEK_DATA, sub {
      my ($start) = @_;
      return extents () if $start < 0;    # ENXIO: no data beyond this point

=item aio_read $fh, $offset, $length, $data, $dataoffset, $callback->($count)

Reads up to C<$length> octets from C<$offset> of the file into C<$data>,
beginning at C<$dataoffset> of the scalar. If C<$offset> is C<undef>, the read
begins at the file position and moves it; otherwise the position plays no role
and stays.

Passes the number of octets read, which can be smaller than C<$length> (end of
file, pipes, sockets), C<0> at the end of the file, or C<-1> with C<$!> set.

When the callback is called, C<$data> is its first C<$dataoffset> octets and
what was read, nothing else: it shrinks or grows. After an error it ends at
C<$dataoffset>. A negative C<$dataoffset> counts from the end of the scalar;
one outside of it makes the function die. A scalar mapped by C<IO::AIO::mmap>
cannot grow and does not shrink: it must be long enough, and is filled in
place.

Example: read 20 octets from position 1234, append them to C<$buffer>.

=for example eg/manual-files.pl

   my $buffer = "read: ";
   aio_read $fh, 1234, 20, $buffer, length $buffer, sub {
      $_[0] == 20 or die "short read: $!";
      print "$buffer\n";
   };

=item aio_write $fh, $offset, $length, $data, $dataoffset, $callback->($count)

Writes C<$length> octets of C<$data>, beginning at its C<$dataoffset>, to
C<$offset> of the file; C<undef> or too large a C<$length> means the rest of
C<$data>. If C<$offset> is C<undef>, the write goes to the file position and
moves it. On a handle opened with C<O_APPEND> data always goes to the end.

Passes the number of octets written, which can be smaller than asked for, or
C<-1> with C<$!> set. Writing to a broken pipe is C<EPIPE>; no C<SIGPIPE> is
sent.

C<$data> can be a constant. An object with overloaded stringification is
turned into a string when the request is made. A negative C<$dataoffset>
counts from the end; one outside of C<$data> makes the function die.

Example: see F<eg/replace.pl>, which writes all of a string.

=for example eg/replace.pl

   sub write_all {
      my ($fh, $offset, $done) = @_;
      return $done->() if $offset == length $data;

      aio_write $fh, $offset, undef, $data, $offset, sub {
         $_[0] > 0 or failed ("write $new");
         write_all ($fh, $offset + $_[0], $done);
      };
   }

=item aio_sendfile $out_fh, $in_fh, $in_offset, $length, $callback->($count)

Copies C<$length> octets of C<$in_fh>, from C<$in_offset> on, to C<$out_fh>,
where the system can without bringing them into the process. The position of
C<$in_fh> plays no role and stays; that of C<$out_fh> is where the data goes,
and moves.

Passes the number of octets copied, or C<-1> with C<$!> set. The number is
smaller than C<$length> at the end of the input, and when a non-blocking
output is full; if nothing at all fits, the request fails with C<EAGAIN>. An
error after some data shows as a smaller number; it turns up at the next
attempt. Pairs of handles for which the kernel has no such call are copied by
reading and writing. The input cannot be a pipe or a socket (C<ESPIPE>).

Example: see F<eg/httpd.pl>, which sends files to clients of different speed.

=for example eg/httpd.pl

   aio_sendfile $c->{fh}, $file, $offset, $size - $offset, sub {
      my ($n) = @_;
      if ($n > 0) {
         body ($c, $file, $offset + $n, $size);
      } elsif ($n < 0 && $!{EAGAIN}) {
         watch ($c, EV::WRITE, sub {
            delete $c->{watcher};
            body ($c, $file, $offset, $size);
         });
      } else {
         finish ($c);
      }
   };

A large C<$length> to a slow, blocking socket keeps one worker busy until the
client has taken everything.

=item aio_readahead $fh, $offset, $length, $callback->($status)

Brings a part of the file into the system's cache, so that later reads need
not wait for the disk. The file position stays. Passes C<0>, also beyond the
end of the file, or C<-1> with C<$!> set: C<EINVAL> for what is no regular
file, C<EBADF> for a handle that cannot be read from. Where the system has no
such call, the data is read and thrown away.

Example: prepare the first megabyte.

=for example eg/manual-files.pl

   aio_readahead $fh, 0, 1 << 20, sub {
      $_[0] and die "readahead: $!";
      print "the first megabyte is cached\n";
   };

=item aio_slurp $pathname, $offset, $length, $data, $callback->($count)

Opens the file, reads from C<$offset> into C<$data>, and closes it, in one
request. A negative C<$offset> counts from the end of the file. If C<$length>
is C<0>, everything from C<$offset> on is read, also from files that do not
tell their size, such as those in F</proc>; otherwise at most C<$length>
octets are, in a single read.

Passes the number of octets; C<$data> then is exactly these. Beyond the end of
the file that is C<0> and the empty string. On failure passes C<-1> with C<$!>
set and leaves C<$data> as it was; C<EINVAL> if a negative C<$offset> lies
before the beginning.

A scalar mapped by C<IO::AIO::mmap> is unmapped first, when the request is
made.

Example: get the last 10 octets of a file.

=for example eg/manual-files.pl

   my $tail;
   aio_slurp "data", -10, 0, $tail, sub {
      $_[0] >= 0 or die "data: $!";
      print "the file ends in $tail\n";
   };

=item aio_load $pathname, $data, $callback->($count)

Reads a whole file into C<$data>. Passes its length in octets, or C<-1> with
C<$!> set. If the file cannot be opened, C<$data> stays as it was; if it
cannot be read (a directory: C<EISDIR>), C<$data> becomes empty. A composite
request: the object returned is a group.

Example: load some files at once.

=for example eg/manual-files.pl

   my %content;
   for my $name ("data", "log") {
      aio_load $name, $content{$name}, sub {
         $_[0] >= 0 or warn "$name: $!";
      };
   }

=item aio_truncate $fh_or_path, $length, $callback->($status)

Makes the file C<$length> octets long: cuts it, or lets it grow by a hole.
File positions stay. Symbolic links are followed. Passes C<0>, or C<-1> with
C<$!> set; C<EINVAL> for a negative length (C<undef> counts as -1), what is no
regular file, or a handle not opened for writing.

Example: empty a file.

=for example eg/manual-files.pl

   aio_truncate "log", 0, sub {
      $_[0] and warn "log: $!";
   };

=item aio_allocate $fh, $mode, $offset, $length, $callback->($status)

Manages the blocks of a part of the file, by L<fallocate(2)>. With C<$mode> 0
they are allocated, so that later writes do not fail for lack of space, and
the file grows if need be. C<FALLOC_FL_KEEP_SIZE> keeps its size,
C<FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE> frees the blocks and leaves
zeroes; the other constants are C<FALLOC_FL_COLLAPSE_RANGE>,
C<FALLOC_FL_INSERT_RANGE>, C<FALLOC_FL_ZERO_RANGE> and
C<FALLOC_FL_UNSHARE_RANGE>.

Passes C<0>, or C<-1> with C<$!> set; C<EOPNOTSUPP> if the file system cannot
do it. There is no emulation: where the system has no such call, it fails with
C<ENOSYS>.

Example: reserve ten megabytes without changing the size.

=for example eg/manual-files.pl

   aio_allocate $out, IO::AIO::FALLOC_FL_KEEP_SIZE, 0, 10 << 20, sub {
      $_[0] and warn "cannot reserve space: $!";
   };

=item aio_fiemap $fh, $start, $length, $flags, $count, $callback->(\@extents)

Asks how the part of the file from C<$start> on is stored. C<undef> as
C<$length> means to the end. C<$flags> are C<FIEMAP_FLAG_SYNC>, to write the
file out first, and C<FIEMAP_FLAG_XATTR>, or 0.

Passes a reference to an array of C<[$logical, $physical, $length, $flags]>,
all in octets, the flags being C<FIEMAP_EXTENT_*> constants. If C<$count> is
C<undef> or negative, all extents are passed, otherwise at most C<$count>. If
it is C<0>, only their number is passed, as a plain number.

On failure passes nothing and sets C<$!>: C<EOPNOTSUPP> on file systems that
do not tell, C<EBADR> for unknown flags. On systems other than Linux it fails
with C<ENOSYS>.

Example: from F<eg/holes.pl>.

=for example eg/holes.pl

   aio_fiemap $fh, 0, undef, IO::AIO::FIEMAP_FLAG_SYNC, undef, sub {
      my ($extents) = @_
         or return print "extents: $!\n";
      printf "%d extents\n", scalar @$extents;
      printf "%d bytes at %d are stored at %d\n", @$_[2, 0, 1] for @$extents;
   };

=item aio_fcntl $fh, $command, $argument, $callback->($result)

=item aio_ioctl $fh, $request, $buffer, $callback->($result)

The system calls of the same name. Pass the plain number the call returns, or
C<-1> with C<$!> set.

An argument that is a number (and not a string) is passed as that number. A
string is passed as a pointer to its octets, with room for at least 256, and for
as many as the number of an ioctl says (C<_IOC_SIZE>), which the kernel may
change in place; its length stays. The scalar is kept alive but
not read-only: leave it alone until the callback is called. C<undef> is an
empty buffer.

Example: ask for the attributes of a file, where its file system has them.

=for example eg/manual-files.pl

   my $flags = pack "l!", 0;
   aio_ioctl $fh, IO::AIO::FS_IOC_GETFLAGS, $flags, sub {
      return print "no attributes: $!\n" if $_[0];
      print "immutable: ", unpack ("l", $flags) & IO::AIO::FS_IMMUTABLE_FL ? "yes" : "no", "\n";
   };

=back

=head3 Attributes

=over 4

=item aio_stat $fh_or_path, $callback->($status)

=item aio_lstat $fh_or_path, $callback->($status)

Look a file up. C<aio_stat> follows a symbolic link, C<aio_lstat> describes
the link itself. Pass C<0>, or C<-1> with C<$!> set.

The result is in perl's own cache: C<stat _>, C<-s _>, C<-d _> and so on
describe it, in the callback and until something else is looked up. After
C<aio_lstat> of a path C<lstat _> and C<-l _> may be used, too. After a
failure C<stat _> is empty. C<-T _> and C<-B _> do not work. A request without
callback leaves the cache alone. Times with fractions are returned by
C<IO::AIO::st_mtime> and its relatives.

Example: print the size of a file.

=for example eg/manual-files.pl

   aio_stat "data", sub {
      $_[0] and die "data: $!";
      print "size is ", -s _, "\n";
   };

=item aio_statvfs $fh_or_path, $callback->(\%statvfs)

Describes the file system a file is on. Passes a reference to a hash with the
elements of L<statvfs(3)>: C<bsize>, C<frsize>, C<blocks>, C<bfree>,
C<bavail>, C<files>, C<ffree>, C<favail>, C<fsid>, C<flag> and C<namemax>. On
failure passes C<undef> with C<$!> set. C<flag> is made of the
C<IO::AIO::ST_*> constants.

Example: print the space left.

=for example eg/manual-files.pl

   aio_statvfs ".", sub {
      my $fs = shift
         or die "statvfs: $!";
      printf "%.1f GB are free\n", $fs->{bavail} * $fs->{frsize} / 1e9;
      print "mounted read-only\n" if $fs->{flag} & IO::AIO::ST_RDONLY;
   };

=item aio_utime $fh_or_path, $atime, $mtime, $callback->($status)

Sets the times of last access and modification, in seconds since the epoch,
with fractions. If both are C<undef>, or both are -1, they become the current
time; one that is C<undef> alone counts as C<0>. Links are followed. Passes
C<0>, or C<-1> with C<$!> set.

Example: C<touch>.

=for example eg/manual-files.pl

   aio_utime "log", undef, undef, sub {
      $_[0] and warn "log: $!";
   };

=item aio_chown $fh_or_path, $uid, $gid, $callback->($status)

Sets owner and group; C<undef> or -1 leaves one as it is. Links are followed.
Passes C<0>, or C<-1> with C<$!> set.

Example: give a file to our own group, whoever owns it.

=for example eg/manual-files.pl

   aio_chown "log", undef, $) + 0, sub {
      $_[0] and warn "log: $!";
   };

=item aio_chmod $fh_or_path, $mode, $callback->($status)

Sets the permissions. Bits above 07777 are ignored. Links are followed. Passes
C<0>, or C<-1> with C<$!> set.

Example: make a file private.

=for example eg/manual-files.pl

   aio_chmod "log", 0600, sub {
      $_[0] and warn "log: $!";
   };

=back

=head3 Names

=over 4

=item aio_unlink $pathname, $callback->($status)

Removes a name, and the file, if it was the last name and the file is not in
use. Passes C<0>, or C<-1> with C<$!> set; C<EISDIR> for a directory. Freeing
a large file takes time, which is why this is a request.

Example: from L</SYNOPSIS>.

=for example eg/synopsis.pl

   $group->add (aio_unlink $file, sub {
      $_[0] and warn "$file: $!\n";
   });

=item aio_mknod $pathname, $mode, $device, $callback->($status)

Makes a node: a fifo (C<IO::AIO::S_IFIFO | 0600> as C<$mode>), socket, regular
file or device. C<$device> is a number as made by C<IO::AIO::makedev>, or 0.
The umask applies. Passes C<0>, or C<-1> with C<$!> set; C<EPERM> for devices
without privilege.

Example: make a fifo.

=for example eg/manual-files.pl

   aio_mknod "fifo", IO::AIO::S_IFIFO | 0600, 0, sub {
      $_[0] and warn "fifo: $!";
   };

=item aio_link $oldpath, $newpath, $callback->($status)

Gives an existing file another name. If C<$oldpath> is a symbolic link, the
link itself gets the name. Passes C<0>, or C<-1> with C<$!> set; C<EEXIST> if
C<$newpath> exists, C<EXDEV> if it is on another file system.

=item aio_symlink $target, $newpath, $callback->($status)

Makes a symbolic link with the text C<$target>, which need not name anything.
C<$newpath> is a path in any form. Passes C<0>, or C<-1> with C<$!> set.

C<$target> is plain text. If it is a pair, its string is used; its directory
object matters only if C<$newpath> has none: C<$newpath> is then taken
relative to it, as in earlier versions.

Example: give a file two more names.

=for example eg/manual-files.pl

   aio_link    "data", "hard", sub { $_[0] and warn "hard: $!" };
   aio_symlink "data", "soft", sub { $_[0] and warn "soft: $!" };

=item aio_readlink $pathname, $callback->($target)

Reads the text of a symbolic link. Passes it, or nothing on failure, with
C<$!> set; C<EINVAL> if C<$pathname> is no link.

=item aio_realpath $pathname, $callback->($path)

Finds the absolute path without symbolic links, C<.>, C<..> and doubled
slashes. Passes it, or nothing on failure, with C<$!> set. All parts must
exist, the last one too.

For a working directory object this is the path it had when it was made.

Example: resolve a link by one step, and all the way.

=for example eg/manual-files.pl

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

=item aio_rename $oldpath, $newpath, $callback->($status)

Renames a file or directory, replacing what C<$newpath> named: at each moment,
the name stands for either the old or the new file. Passes C<0>, or C<-1> with
C<$!> set; C<EXDEV> across file systems, where C<aio_move> helps.

Example: see F<eg/replace.pl>.

=for example eg/replace.pl

   aio_rename $new, $path, sub {
      $_[0] and failed ("rename $new to $path");

      # the rename itself lasts once the directory is on disk
      aio_pathsync dirname ($path), sub {
         $_[0] and die "sync of the directory of $path: $!\n";
         print "replaced $path: ", length $data, " bytes\n";
      };
   };

=item aio_rename2 $oldpath, $newpath, $flags, $callback->($status)

Renames like C<aio_rename>, with C<$flags> deciding what may happen to an
existing C<$newpath>: C<IO::AIO::RENAME_NOREPLACE> makes it fail with
C<EEXIST>, C<IO::AIO::RENAME_EXCHANGE> exchanges the two,
C<IO::AIO::RENAME_WHITEOUT> leaves a whiteout behind. C<$flags> is 0 if left
out. Passes C<0>, or C<-1> with C<$!> set. Where the system has no such call,
any flag but C<0> fails with C<ENOSYS>.

The third argument is always the flags: to give a callback, give flags as
well.

Example: move a file only if nobody else took the name.

=for example eg/manual-files.pl

   aio_rename2 "draft", "final", IO::AIO::RENAME_NOREPLACE, sub {
      $_[0] and warn "not moved: $!\n";
   };

=item aio_mkdir $pathname, $mode, $callback->($status)

Makes a directory with the permissions C<$mode>, less the umask. Passes C<0>,
or C<-1> with C<$!> set; C<EEXIST> if there is something of that name.

=item aio_rmdir $pathname, $callback->($status)

Removes an empty directory. Passes C<0>, or C<-1> with C<$!> set; C<ENOTEMPTY>
if it is not empty, C<ENOTDIR> for a link to a directory. For a working
directory object the path it had when it was made is used.

Example: make a directory and remove it.

=for example eg/manual-files.pl

   aio_mkdir "dir", 0777, sub {
      $_[0] and return warn "dir: $!";
      aio_rmdir "dir", sub { $_[0] and warn "dir: $!" };
   };

=item aio_wd $pathname, $callback->($wd)

Opens a directory and passes an object that stands for it, to be used in
paths: see L</IO::AIO::WD CLASS>. On failure passes C<undef> with C<$!> set:
C<ENOTDIR> if it is no directory. C<undef> in a path makes the request fail
with C<ENOENT>, so the error may be left to whoever uses it.

=back

=head3 Directories and trees

Requests that are made of many steps are called I<composite>: C<aio_scandir>,
C<aio_copy>, C<aio_move>, C<aio_rmtree>, C<aio_load> and C<aio_pathsync>. Each
runs in the workers as a whole. The object they return is a group, to which
you may add requests of your own. Their priority applies to all they do. When
one is cancelled it stops at the next step.

=over 4

=item aio_readdir $pathname, $callback->(\@names)

Reads a directory. Passes a reference to an array of all names but C<.> and
C<..>, in no order, or C<undef> with C<$!> set.

Example: list a directory.

=for example eg/manual-files.pl

   aio_readdir ".", sub {
      my $names = shift
         or die "readdir: $!";
      print "entries: @{[sort @$names]}\n";
   };

=item aio_readdirx $pathname, $flags, $callback->(\@entries, $flags)

Reads a directory with more control. C<$flags> is 0 or made of these
constants:

=over 4

=item IO::AIO::READDIR_DENTS

Each entry is C<[$name, $type, $inode]> instead of a name. C<$type> is one of
the C<IO::AIO::DT_*> constants; C<DT_UNKNOWN> (0) if the file system does not
say.

=item IO::AIO::READDIR_DIRS_FIRST

Directories come first, in ascending order of inode numbers. Where the file
system has no types, names that look like directories do: those with a leading
dot, then those without any dot, from short to long.

=item IO::AIO::READDIR_STAT_ORDER

Entries come in ascending order of inode numbers, in which many file systems
look them up fastest. With both, directories come first, then the others, each
in that order.

=back

Passes two arguments: the entries, and a number of flags which has
C<READDIR_DENTS> set, the flags asked for, and
C<IO::AIO::READDIR_FOUND_UNKNOWN> if any entry had no type. On failure the
first is C<undef> and C<$!> is set.

Example: see F<eg/du.pl>.

=for example eg/du.pl

   my $flags = IO::AIO::READDIR_DENTS | IO::AIO::READDIR_STAT_ORDER;
   $group->add (aio_readdirx $wd, $flags, sub {
      my $list = shift
         or return failed ($path);

=item aio_scandir $pathname, $maxreq, $callback->(\@dirs, \@others)

Reads a directory and tells directories from everything else. Passes
references to two arrays of names, without C<.> and C<..>, in no order: real
directories, and the others, links to directories included. On failure passes
nothing and sets C<$!>.

C<$maxreq> limits how many lookups go on at the same time where the file
system does not tell types; 0 or C<undef> is a good choice.

Example: walk a tree. The whole program is F<eg/checksum.pl>.

=for example eg/checksum.pl

   # First walk the tree. Everything is added to one group, so that its callback
   # comes when there is nothing left to look at.
   sub walk {
      my ($group, $dir) = @_;

      $group->add (aio_scandir $dir, 0, sub {
         my ($dirs, $others) = @_
            or return failed ($dir);

         walk ($group, "$dir/$_") for @$dirs;

=item aio_copy $srcpath, $dstpath, $callback->($status)

Copies a file. An existing destination keeps its inode and gets the new
contents; links are followed on both sides. Then the times (whole seconds),
the permissions and, where allowed, owner and group are copied, too. While it
is written, a new file is accessible to nobody else. Passes C<0>, or C<-1>
with C<$!> set.

If it fails, a destination that this request made is removed. If the source
cannot be opened, nothing happens to the destination. A file copied onto
itself fails and is not harmed. Directories are not copied: see
F<eg/copytree.pl> for that.

Example: copy a file.

=for example eg/manual-files.pl

   aio_copy "data", "data.bak", sub {
      $_[0] and warn "data.bak: $!";
   };

=item aio_move $srcpath, $dstpath, $callback->($status)

Renames C<$srcpath>, or, if that fails because C<$dstpath> is on another file
system, copies it as C<aio_copy> does and removes the source. Passes C<0>, or
C<-1> with C<$!> set. If the copy fails, the source stays.

Across file systems only what C<aio_copy> can copy is moved, and a symbolic
link becomes the file it points to.

Example: move a file to wherever it belongs.

=for example eg/manual-files.pl

   aio_move "data.bak", "$elsewhere/data", sub {
      $_[0] and warn "not moved: $!";
   };

=item aio_rmtree $pathname, $callback->($status)

Removes a directory and everything below it. Symbolic links are removed and
never followed, even if somebody exchanges directories for links meanwhile.

Passes the status of the last step, the removal of the directory itself: C<0>,
or C<-1> with C<$!> set. If something below could not be removed this is
C<ENOTEMPTY>. A file, or a link to a directory, fails with C<ENOTDIR> and
stays.

Example: remove a directory tree.

=for example eg/manual-files.pl

   aio_rmtree "tree", sub {
      $_[0] and warn "tree: $!";
   };

=back

=head3 Getting data to disk

=over 4

=item aio_sync $callback->($status)

Writes everything the system has in its buffers to disk. Passes C<0>.

=item aio_fsync $fh, $callback->($status)

=item aio_fdatasync $fh, $callback->($status)

Write the data of a file to disk: C<aio_fsync> with its attributes,
C<aio_fdatasync> only with those needed to read it. Pass C<0>, or C<-1> with
C<$!> set; C<EINVAL> for pipes and sockets.

Example: see F<eg/replace.pl>.

=for example eg/replace.pl

   aio_fsync $fh, sub {
      $_[0] and failed ("fsync $new");

=item aio_syncfs $fh, $callback->($status)

Writes out the file system the file is on. Passes C<0>, or C<-1> with C<$!>
set. Where the system has no such call, everything is written as by
C<aio_sync>, and the request fails with C<ENOSYS> nevertheless.

=item aio_sync_file_range $fh, $offset, $length, $flags, $callback->($status)

Starts writing a part of a file to disk, or waits for it, without its
attributes. C<$flags> is made of C<IO::AIO::SYNC_FILE_RANGE_WAIT_BEFORE>,
C<SYNC_FILE_RANGE_WRITE> and C<SYNC_FILE_RANGE_WAIT_AFTER>; a C<$length> of 0
means to the end. Passes C<0>, or C<-1> with C<$!> set. Where the system has
no such call C<fdatasync> is used. It does not make data safe against power
failure.

Example: begin to write what we have so far.

=for example eg/manual-files.pl

   aio_sync_file_range $out, 0, 0, IO::AIO::SYNC_FILE_RANGE_WRITE, sub {
      $_[0] and warn "sync_file_range: $!";
   };

=item aio_pathsync $pathname, $callback->($status)

Opens a file or directory, calls C<fsync>, and closes it. For directories this
makes the names in it permanent. Passes C<0>, or C<-1> with C<$!> set. A
composite request: the object returned is a group.

Example: see C<aio_rename> above.

=back

=head3 Memory

These work on the memory of a scalar, which is useful above all with scalars
mapped by C<IO::AIO::mmap>. C<$offset> is 0 if left out, and counts from the
end of the scalar if negative; one outside of it makes the function die. A
C<$length> that is left out, C<undef> or too large means the rest. The range
is widened to whole pages. The scalar is kept alive, but is not read-only
meanwhile. To give a callback, give the arguments before it, too.

=over 4

=item aio_msync $data, $offset, $length, $flags, $callback->($status)

Writes changed pages of a mapping back to their file. C<$flags> is
C<IO::AIO::MS_SYNC>, the default, which waits, or C<IO::AIO::MS_ASYNC>, with
or without C<IO::AIO::MS_INVALIDATE>. Passes C<0>, or C<-1> with C<$!> set.

Example: change a file in place, and wait until it is on disk.

=for example eg/manual-direct.pl

   substr $map, 0, 5, "HELLO";
   aio_msync $map, 0, 5, IO::AIO::MS_SYNC, sub {
      $_[0] and die "msync: $!";
      print "it is on disk\n";
   };

=item aio_mtouch $data, $offset, $length, $flags, $callback->($status)

Touches each page, so that it is in memory when the program needs it. With the
flag C<IO::AIO::MT_MODIFY> pages are made ready for writing as well, without
changing them. Passes C<0>, or C<-1> with C<$!> set. The default of C<$flags>
is 0.

Example: see F<eg/mmap.pl>.

=for example eg/mmap.pl

   aio_mtouch $data, 0, undef, 0, sub {
      print "$path: ", ($data =~ tr/\n//), " lines\n";
      IO::AIO::munmap $data;
   };

=item aio_mlock $data, $offset, $length, $callback->($status)

Keeps the pages in memory until they are unlocked by C<IO::AIO::munlock> or
unmapped. Passes C<0>, or C<-1> with C<$!> set; C<ENOMEM> or C<EPERM> if that
is more than the process may lock.

Example: keep a secret from being swapped out.

=for example eg/manual-direct.pl

   aio_mlock $secret, 0, undef, sub {
      $_[0] and warn "may be swapped out: $!";
   };

=item aio_mlockall $flags, $callback->($status)

Keeps all memory of the process, the present (C<IO::AIO::MCL_CURRENT>), the
future (C<IO::AIO::MCL_FUTURE>), or both. C<IO::AIO::MCL_ONFAULT>, added to
these, waits until a page is used. Passes C<0>, or C<-1> with C<$!> set.
C<IO::AIO::munlockall> ends it.

=back

=head3 Groups, priority, and requests that do nothing

=over 4

=item aio_group $callback->(@results)

Makes a group, an object of class C<IO::AIO::GRP>: see L</IO::AIO::GRP CLASS>.
It is returned in every context. The callback gets what C<result> has stored.

=item aioreq_pri [$priority]

Returns the priority the next request will get. With an argument sets it, and
returns the one set before. Priorities go from 4, executed and delivered
first, to -4; others are moved to the nearest of these. Each request function
that makes a request sets it back to 0. A call that dies does not.

Example: put a request before all others. See also F<eg/first.pl>.

=for example eg/manual-groups.pl

   aioreq_pri 4;
   aio_stat "urgent", sub { print "first\n" };

=item aioreq_nice [$decrement]

Lowers the priority the next request will get by C<$decrement>, 0 if left out.
Returns nothing.

=item aio_nop $callback->()

Does nothing, on a worker. Passes nothing. It takes the way all requests take,
so it can be used to measure that way, or to have something called after what
is outstanding at the same priority with a single worker.

Example: measure how long a request takes.

=for example eg/manual-groups.pl

   my $begin = time;
   aio_nop sub {
      printf "a request took %.6f seconds\n", time - $begin;
   };

=item IO::AIO::aio_busy $seconds, $callback->()

=item IO::AIO::aio_sleep $seconds, $callback->()

Keeps a worker busy for that time, with fractions, doing nothing. Passes
nothing. Useful in tests. Not exported. C<aio_sleep> is the name version 2.0
had.

Example: half a second.

=for example eg/manual-groups.pl

   IO::AIO::aio_busy 0.5, sub { print "half a second has passed\n" };

=item aio_block { ... }

Runs the block, and waits until all requests made within it are done. Results
of other requests may be delivered meanwhile. The name is from versions 2.2 to
2.62.

Example: wait for three files.

=for example eg/manual-groups.pl

   aio_block {
      aio_stat $_ for "one", "two", "three";
   };

It waits, so it has no place in the callbacks of an event loop. A group does
the same without waiting.

=back

=head2 IO::AIO::WD CLASS

A path is usually resolved from the root or from the directory of the process,
component by component, each time. A I<working directory object> is a
directory that has been resolved once. Paths relative to it are shorter for
the kernel, they do not depend on C<chdir>, and they stay in that directory
even if it is renamed.

Example: look at all entries of a directory. F<eg/du.pl> does so for a tree.

=for example eg/manual-files.pl

   aio_wd "/etc", sub {
      my $etc = shift
         or die "/etc: $!";

      aio_stat [$etc, "passwd"], sub {
         $_[0] and die "/etc/passwd: $!";
         print "there are users\n";
      };
   };

Objects are made by C<aio_wd>. They are accepted wherever a path is: alone,
when they mean the directory itself, or as the first element of a pair. Where
a request takes two paths, each has its own directory. An empty string in a
pair gives C<ENOENT>.

Each object holds a descriptor, close-on-exec, until its last reference is
gone; requests that use it hold one, too. C<aio_realpath> of an object is the
path the directory had when the object was made; C<aio_rmdir> and
C<aio_rename> of the object itself use that path, since system calls refuse to
do so to a C<.>.

Objects of other classes, subclasses included, are refused.

=over 4

=item IO::AIO::CWD

An object that stands for the directory the process is in when the request is
executed. C<[IO::AIO::CWD, "x"]> is the same as C<"x">.

=item IO::AIO::INVALID_WD

An object with which all requests fail with C<ENOENT>, absolute paths
included. C<undef> in a pair does the same.

Example: use the result of C<aio_wd> without looking at it.

=for example eg/manual-files.pl

   aio_wd "/nonexistent", sub {
      my $wd = shift || IO::AIO::INVALID_WD;
      aio_unlink [$wd, "file"], sub {
         print "no such directory\n" if $!{ENOENT};
      };
   };

=item $wd->DESTROY

Called by perl when the last reference goes. Closes the descriptor through a
request of its own, which is counted by C<nreqs>, and has the highest
priority. Not to be called by programs.

=back

=head2 IO::AIO::REQ CLASS

Objects of this class stand for requests. Once the request is done its methods
do nothing and return an empty list.

=over 4

=item $req->cancel

Cancels the request. If it has not been executed it never will be; if it is
being executed, its result is dropped, and what it opened is closed again. In
no case its callback is called, not even if a new one is set afterwards.
Returns nothing.

The request counts as outstanding until a poll has taken it; its scalars
become writable then. It remains in its group until then.

=item $callback = $req->cb

=item $callback = $req->cb ($new_callback)

Returns the callback, as a code reference, or C<undef> if there is none. With
an argument it replaces the callback, in any form that request functions
accept; C<undef> removes it. This works until the result is delivered.

Example: change your mind, twice.

=for example eg/manual-groups.pl

   my $req = aio_nop sub { print "one callback\n" };
   $req->cb (sub { print "another callback\n" });
   my $other = aio_nop sub { print "no callback\n" };
   $other->cancel;

=back

=head2 IO::AIO::GRP CLASS

Objects of this class are groups, made by C<aio_group> and by composite
requests. The class inherits from C<IO::AIO::REQ>: groups are requests, with a
callback, and can be members of other groups.

A group ends, and its callback is called, when a poll has looked at it and it
has no members. Its callback follows directly on that of its last member. A
group without any members ends in the next poll. Until its callback begins,
members can be added, also by the callbacks of its members. That is how
sequences are written:

Example: open a file, read from it and close it, as one group.

=for example eg/manual-groups.pl

   my $grp = aio_group sub {
      print "the head is: $_[0]\n";
   };

   $grp->add (aio_open "file", IO::AIO::O_RDONLY, 0, sub {
      my $fh = shift
         or return;

      my $head = "";
      $grp->add (aio_read $fh, 0, 10, $head, 0, sub {
         $grp->result ($head);
         $grp->add (aio_close $fh);
      });
   });

A group whose callback refers to the group itself is no leak: both are
released when the group is done.

The priority of a group says when a poll looks at it for the first time,
nothing else: members have their own. Groups may be nested as deep as memory
allows.

Methods of a group that is done: C<add>, C<result>, C<errno>, C<limit>,
C<feed> and C<feed_limit> die with "busy IO::AIO::REQ object expected";
C<cancel>, C<cancel_subs> and C<cb> do nothing. In its own callback a group is
finished already, and C<add> dies.

=over 4

=item $group->add (@requests)

Makes the requests members of the group, and returns them. They can be in any
state; those that are done are ignored. A request can be a member of one group
only, once; adding it again dies, as does adding a group to itself or to one
of its members, and adding what is no request. The requests before it in the
list are members then.

=item $group->cancel

Cancels the group and, recursively, all its present members. No callback of
theirs is called. Members added later run normally.

=item $group->cancel_subs

Cancels the members, recursively, and removes the feeder. The group itself
goes on, and ends as soon as the cancelled members have been taken by polls.
Returns nothing.

Example: the first answer is enough. The whole program is F<eg/first.pl>.

=for example eg/first.pl

   $search->add (aio_lstat $path, sub {
      return if $_[0];
      $search->result ($path);
      $search->cancel_subs;
   });

=item $group->result (@values)

Stores copies of the values, which the group's callback gets as arguments. The
last call counts; without any, there are no arguments. The current value of
C<$!> is stored, too, as by C<errno>. Returns nothing.

=item $group->errno ([$errno])

Stores the value C<$!> will have in the group's callback; the current value of
C<$!> if there is no argument. Without a call of C<errno> or C<result> it is
0. Returns nothing.

Example: hand an error of a member on.

=for example eg/manual-groups.pl

   my $grp = aio_group sub {
      print "the group failed: $!\n" if $!;
   };
   $grp->add (aio_stat "nonexistent", sub {
      $grp->errno ($!) if $_[0];
   });

=item $group->feed ($callback->($group))

Installs a feeder, a generator of members, and replaces the one before.
Whenever the group has fewer members than its limit, the feeder is called with
the group, and adds the next request or requests. When it has added nothing it
is forgotten, and the group ends after the last member. A limit of 0 or less
becomes 2. The feeder is called the first time by C<feed> itself. C<feed> with
C<undef> or nothing removes the feeder. Returns nothing.

So any number of requests can be worked off with few in memory at a time.

Example: look at many paths, as many at a time as the limit says. The whole
program is F<eg/queue.pl>.

=for example eg/queue.pl

   $queue->limit ($limit);

   # Called whenever there is room. Adding nothing ends the queue.
   $queue->feed (sub {
      my ($queue) = @_;
      my $path = next_path;
      return unless defined $path;

      $most = $active if ++$active > $most;
      $queue->add (aio_stat $path, sub {
         $active--;
         $paths++;
         $_[0] ? $missing++ : ($bytes += -s _);
      });
   });

A feeder that dies gives a warning ("(in cleanup) ..."), nothing else. If it
had added something it is called again, otherwise it is forgotten.

=item $group->limit ($n)

Sets the limit up to which the feeder is called: 0 by default, 2 after C<feed>
if not set. With 0 or less the feeder pauses, and if all members leave
meanwhile the group ends. Raising the limit before that calls the feeder at
once. The limit does not keep C<add> from adding more. Returns nothing.

=item $group->feed_limit ($n)

The name C<limit> had in beta versions of 2.0.

=back

=head2 SUPPORT FUNCTIONS

=head3 Polling

=over 4

=item $fileno = IO::AIO::poll_fileno

Returns the number of a descriptor that is readable exactly while results wait
to be delivered. Wait for that in an event loop, then call C<poll_cb>. Do not
read from it and do not close it. It never changes during the life of the
process. See L</EVENT LOOP INTEGRATION>.

=item $status = IO::AIO::poll_cb

Takes results and calls their callbacks, until there are none left, or until a
limit set by C<max_poll_reqs> or C<max_poll_time> is reached. Returns 0 if
none is left, -1 if it stopped early, which means that it should be called
again; the descriptor stays readable then. Does not wait for anything, unless
C<max_outstanding> is set. Results that come while it is at it are delivered,
too, and if they keep coming it looks for them up to 0.2 milliseconds longer;
after 5 milliseconds it delivers what waits at that moment and returns, so that
an event loop gets to its other work. Can be used as a callback itself: arguments are
ignored.

Results of higher priority are delivered first, those of the same priority in
the order in which the requests were executed.

When a callback dies, C<poll_cb> dies with that exception, unchanged. Nothing
is lost by that: the next poll goes on with the next result. If the callback
of a group dies after one of its last member did, the first exception counts,
the second becomes a warning. C<exit> in a callback ends the program in the
normal way. Leaving a callback by C<last> or C<next> is an exception like
others.

All polling functions may be called in callbacks, to any depth.

Example: C<poll_cb> in a loop around C<select>.

=for example eg/loop-select.pl

   while ($running) {
      my $readable = "";
      vec ($readable, IO::AIO::poll_fileno, 1) = 1;

      if (0 < select $readable, undef, undef, 1) {
         IO::AIO::poll_cb;
      }
      # other descriptors, timers and so on
   }

=item IO::AIO::poll_wait

Waits until there is a result, or nothing is outstanding. Delivers nothing and
returns nothing. Signal handlers run meanwhile.

=item $status = IO::AIO::poll

The same as C<poll_wait> followed by C<poll_cb>: delivers at least one result
if anything is outstanding. Returns what C<poll_cb> returns.

Example: wait for one particular thing.

=for example eg/manual-groups.pl

   my $found;
   aio_stat "file", sub { $found = $_[0] == 0 ? "yes" : "no" };
   IO::AIO::poll until defined $found;
   print "found: $found\n";

=item IO::AIO::flush

Polls until nothing is outstanding, requests made by callbacks meanwhile
included. Returns nothing. The module calls it at the end of the program.

=item IO::AIO::max_poll_reqs $n

How many results one C<poll_cb> delivers at most. 0, the default, means no
limit. Cancelled requests and those without callback count; a group that ends
together with its last member does not count.

=item IO::AIO::max_poll_time $seconds

After how many seconds, with fractions, C<poll_cb> delivers no further
results. 0, the default, means no limit. A callback that takes longer is not
interrupted.

Example: give the event loop a chance every tenth of a second.

=for example eg/manual-groups.pl

   IO::AIO::max_poll_time 0.1;

=item IO::AIO::max_outstanding $n

While C<$n> or more requests are outstanding, C<poll_cb> waits and delivers
instead of returning. 0, the default, means that it never waits. Making
requests is never refused. A brake for programs that make more requests than
can be executed; a group with a feeder is usually better, as it does not stop
the program.

=back

=head3 Workers

=over 4

=item IO::AIO::min_parallel $n

Raises the number of workers that may exist to C<$n>, if it is lower. It is 8
at the start. Workers are started only when a request finds none that is free.
Returns nothing.

How many are useful depends on what the requests wait for: some ten for a
disk, more for file systems on a network, and as many as there are requests at
a time that wait for something for long, such as C<aio_open> of a fifo.

=item IO::AIO::max_parallel $n

Lowers the number of workers that may exist to C<$n>, if it is higher. Workers
that are too many finish what they do and end. With 0, requests stay ready
until C<min_parallel> allows for workers again. Returns nothing.

Example: make things happen one after the other, in order.

=for example eg/manual-groups.pl

   IO::AIO::max_parallel 1;

=item IO::AIO::max_idle $n

How many workers without work stay for ever; 4 by default. Returns nothing.

=item IO::AIO::idle_timeout $seconds

After how many seconds without work other workers end; 10 by default. An
integer. Returns nothing.

=item $n = IO::AIO::nreqs

The number of outstanding requests: ready, executed at the moment, or pending.
Groups count until a poll has looked at them for the first time.

=item $n = IO::AIO::nready

The number of requests that wait for a worker.

=item $n = IO::AIO::npending

The number of requests whose results wait for a poll.

=item $n = IO::AIO::nthreads

The number of workers.

=item $hashref = IO::AIO::stats

What the module did in this process since it was loaded, as a new hash:

=over 4

=item submitted, delivered, cancelled, executed

Numbers of requests, groups included: queued; taken by a poll, the cancelled
ones among them; and of those that were not cancelled, those that a worker had,
so without groups.

=item ops

A hash with the number of submissions by the name of the function.

=item queue_time, queue_time_max, execution_time, execution_time_max

Sum and maximum, in seconds: from submission until a worker took the request,
and of the execution itself. A cancelled request and a group add nothing.

=item worker_starts, wakeups, lingers

How often a worker was started, a sleeping one was woken, and one looked for
more work for some microseconds before it slept.

=back

Times and C<ops> are taken from the first call of C<stats> on, because the clock
costs more than the counting: call it once before what you want to know about.
A forked child goes on counting from its parent's numbers.

With the environment variable C<IO_AIO_TRACE> set to something true when the
module is loaded, each request leaves a line on standard error when its result
is taken: its function, key, priority, the microseconds it was ready, executed
and pending, and its result, C<errno> or C<cancelled>.

=item IO::AIO::reinit

Forgets all requests, without calling their callbacks, and all workers. The
descriptor keeps its number, all settings are kept. Needed by no program since
a forked child starts afresh by itself, but harmless: see L</FORK BEHAVIOUR>.
Returns nothing.

=item IO::AIO::_on_next_submit $callback

Calls the callback once, without arguments, right after the next request has
been queued. The last one set counts; C<undef> removes it. Its exceptions and
return value are ignored. Meant for modules that connect event loops, which
load the loop as late as possible; L<AnyEvent::AIO> does so.

=item IO::AIO::bootstrap

=item IO::AIO::_boot

=item IO::AIO::CLONE_SKIP

=item IO::AIO::CLONE

What perl's L<XSLoader> and the module itself call to set the module up when
it is loaded, and what perl calls before and after an interpreter is cloned for
a thread. Not to be called by programs.

=back

=head2 CALLS THAT ARE MADE AT ONCE

These are system calls that perl has no functions for. They are made in the
program's thread, and none of them waits for a worker. Unless something else
is said, they return -1 on failure and set C<$!>, and where the system has no
such call they fail with C<ENOSYS>. Handles are given as to requests. Those
that are returned are globs, which close their descriptor with the last copy,
and are close-on-exec unless the number is not above C<$^F>. Functions that
return a handle return C<undef> on failure.

=head3 Copying and advice

=over 4

=item $count = IO::AIO::sendfile $out_fh, $in_fh, $in_offset, $count

The call behind C<aio_sendfile>. Returns the number of octets copied, 0 at the
end of the input.

=item $count = IO::AIO::splice $in_fh, $in_offset, $out_fh, $out_offset, $length, $flags

Moves data between two handles, one of which is a pipe: see L<splice(2)>. An
offset of C<undef> is the position of the handle. C<$flags> is made of
C<IO::AIO::SPLICE_F_*> constants. Returns the number of octets.

=item $count = IO::AIO::tee $in_fh, $out_fh, $length, $flags

Copies data from one pipe to another without taking it from the first: see
L<tee(2)>. Returns the number of octets.

Example: copy what is in a pipe, then move it to a file.

=for example eg/manual-direct.pl

   my ($copy_r, $copy_w) = IO::AIO::pipe2
      or die "pipe2: $!";
   print "copied: ", IO::AIO::tee ($r, $copy_w, 5, 0), "\n";
   print "moved: ", IO::AIO::splice ($r, undef, $file, 0, 5, IO::AIO::SPLICE_F_MOVE), "\n";

=item $errno = IO::AIO::fadvise $fh, $offset, $length, $advice

Tells the system how a part of a file will be used, by one of the
C<IO::AIO::FADV_*> constants: see L<posix_fadvise(2)>. Returns 0 or an error
I<number>, and leaves C<$!> alone.

Example: read from the beginning to the end.

=for example eg/manual-direct.pl

   IO::AIO::fadvise $file, 0, 0, IO::AIO::FADV_SEQUENTIAL;

=back

=head3 Mapped memory

The range of pages is given as to L<aio_msync|/Memory>.

=over 4

=item $success = IO::AIO::mmap $data, $length, $protection, $flags, [$fh, $offset]

Maps a part of a file, or memory of its own (C<IO::AIO::MAP_ANONYMOUS>), into
the scalar: see L<mmap(2)>. C<$protection> is made of C<IO::AIO::PROT_*>,
C<$flags> of C<IO::AIO::MAP_*> constants. Returns true, or false with C<$!>
set.

C<$data> then is a string of C<$length> octets. Without C<PROT_WRITE> it is
read-only. Otherwise it may be changed in place, by C<substr>, C<vec>,
C<aio_read> and so on, as long as its length stays. Assigning to it ends the
mapping, and the scalar keeps the assigned value. A mapping also ends by
C<munmap>, by C<undef>, by another C<mmap>, and with the life of the scalar.
The handle may be closed before.

Access to pages that the file does not have any more kills the process with
C<SIGBUS>, so map only files that nobody makes shorter.

Example: see F<eg/mmap.pl>.

=for example eg/mmap.pl

   my $data;
   IO::AIO::mmap $data, -s $fh, IO::AIO::PROT_READ, IO::AIO::MAP_SHARED, $fh
      or die "$path: $!\n";

=item IO::AIO::munmap $data

Ends the mapping. The scalar is undefined then. Does nothing to a scalar that
is not mapped.

=item $success = IO::AIO::mremap $data, $length, [$flags, $address]

Changes the length of a mapping: see L<mremap(2)>. C<$flags> is
C<IO::AIO::MREMAP_MAYMOVE> if left out. Returns "0 but true" if the memory has
stayed where it was, 1 if it has moved, false with C<$!> set on failure, which
leaves the mapping alone. Dies if the scalar is not mapped by C<mmap>.

=item $errno = IO::AIO::madvise $data, $offset, $length, $advice

Tells the system how memory will be used, by one of the C<IO::AIO::MADV_*>
constants: see L<posix_madvise(3)>. Returns 0 or an error I<number>.

=item $status = IO::AIO::mprotect $data, $offset, $length, $protection

Changes what may be done with the pages: see L<mprotect(2)>. Perl does not get
to know: writing to pages that have become read-only kills the process.

=item $status = IO::AIO::munlock $data, [$offset, $length]

=item $status = IO::AIO::mlockall $flags

=item $status = IO::AIO::munlockall

C<munlock> and C<munlockall> end what C<aio_mlock>, C<aio_mlockall> and
C<mlockall> have begun; C<mlockall> is C<aio_mlockall> without a worker, and
may take long. Return 0 or -1.

Example: C<mremap>, C<madvise> and the rest.

=for example eg/manual-direct.pl

   IO::AIO::mremap $map, 8192 or die "mremap: $!";
   IO::AIO::madvise $map, 0, undef, IO::AIO::MADV_RANDOM;
   IO::AIO::mprotect $map, 0, undef, IO::AIO::PROT_READ | IO::AIO::PROT_WRITE;
   IO::AIO::munlock $map;
   IO::AIO::munmap $map;

=back

=head3 Handles for all kinds of things

=over 4

=item ($read_fh, $write_fh) = IO::AIO::pipe2 [$flags]

Makes a pipe. C<$flags> is 0 or made of C<IO::AIO::O_CLOEXEC>, C<O_NONBLOCK>
and C<O_DIRECT>. Returns two handles, or nothing with C<$!> set.

=item $size = IO::AIO::pipesize $fh, [$size]

Returns how many octets a pipe holds. With a second argument of 0 or more sets
it first; the kernel rounds up.

Example: a larger pipe.

=for example eg/manual-direct.pl

   my ($r, $w) = IO::AIO::pipe2 IO::AIO::O_NONBLOCK
      or die "pipe2: $!";
   print "room for ", IO::AIO::pipesize ($w, 100_000), " octets\n";

=item $fh = IO::AIO::accept4 $listen_fh, $sockaddr, $length, $flags

Accepts a connection: see L<accept4(2)>. C<$flags> is made of
C<IO::AIO::SOCK_CLOEXEC> and C<IO::AIO::O_NONBLOCK>. The address, of
C<$length> octets at most, is stored in C<$sockaddr>; with a C<$length> of 0
that is not touched. An address that is longer makes C<$sockaddr> longer than
C<$length>.

Example: accept a non-blocking connection.

=for example eg/manual-direct.pl

   my $client = IO::AIO::accept4 $listen, my $sockaddr, 128, IO::AIO::O_NONBLOCK
      or die "accept4: $!";

=item $fh = IO::AIO::eventfd [$value, $flags]

Makes a handle for events: see L<eventfd(2)>. C<$flags> is made of
C<IO::AIO::EFD_*> constants.

Example: write and read a counter.

=for example eg/manual-direct.pl

   my $counter = IO::AIO::eventfd 3, IO::AIO::EFD_CLOEXEC
      or die "eventfd: $!";
   syswrite $counter, pack "Q", 4;
   sysread $counter, my $sum, 8;
   print "counted ", unpack ("Q", $sum), "\n";

=item $fh = IO::AIO::timerfd_create $clock, [$flags]

Makes a handle that is readable when a timer has expired: see
L<timerfd_create(2)>. C<$clock> is one of the C<IO::AIO::CLOCK_*> constants,
C<$flags> made of C<IO::AIO::TFD_CLOEXEC> and C<TFD_NONBLOCK>.

=item ($interval, $value) = IO::AIO::timerfd_settime $fh, $flags, $new_interval, $new_value

Sets the timer to expire in C<$new_value> seconds, then every C<$new_interval>
seconds, 0 meaning never. Both may have fractions. C<$flags> is 0,
C<IO::AIO::TFD_TIMER_ABSTIME>, or that with C<TFD_TIMER_CANCEL_ON_SET>.
Returns what was set before, or nothing with C<$!> set. So look for failure in
list context.

Example: see F<eg/children.pl>.

=for example eg/children.pl

   my $timer = IO::AIO::timerfd_create IO::AIO::CLOCK_MONOTONIC
      or die "timerfd_create: $!\n";
   my @previous = IO::AIO::timerfd_settime $timer, 0, 0, $seconds
      or die "timerfd_settime: $!\n";

=item ($interval, $value) = IO::AIO::timerfd_gettime $fh

Returns the interval, and the time left until the timer expires, or nothing
with C<$!> set.

=item $fh = IO::AIO::memfd_create $name, [$flags]

Makes a file in memory: see L<memfd_create(2)>. The name is for debugging.
C<$flags> is made of C<IO::AIO::MFD_*> constants.

Example: a file that cannot be changed any more.

=for example eg/manual-direct.pl

   my $memory = IO::AIO::memfd_create "example", IO::AIO::MFD_CLOEXEC | IO::AIO::MFD_ALLOW_SEALING
      or die "memfd_create: $!";
   syswrite $memory, "contents";
   aio_fcntl $memory, IO::AIO::F_ADD_SEALS, IO::AIO::F_SEAL_WRITE, sub {
      $_[0] and die "F_ADD_SEALS: $!";
      defined syswrite $memory, "more"
         or print "cannot be changed: $!\n";
   };

=item $fh = IO::AIO::pidfd_open $pid, [$flags]

Makes a handle for a process, which is readable once the process has ended:
see L<pidfd_open(2)>.

=item $status = IO::AIO::pidfd_send_signal $pidfd, $signal, [$siginfo, $flags]

Sends a signal, for certain to that process. C<$siginfo> is C<undef> or a
reference to a hash with the elements C<code>, C<pid>, C<uid>, and
C<value_int> or C<value_ptr>; anything else makes it die. The kernel accepts
such data for signals a process sends to itself, and codes below zero.

=item $fh = IO::AIO::pidfd_getfd $pidfd, $fd, [$flags]

Makes a handle for descriptor C<$fd> of the other process: see
L<pidfd_getfd(2)>.

Example: see F<eg/children.pl>.

=for example eg/children.pl

   my $pidfd = IO::AIO::pidfd_open $pid
      or die "pidfd_open: $!\n";
   $child{fileno $pidfd} = { pid => $pid, fh => $pidfd, command => $command };

=item $status = IO::AIO::fexecve $fh, \@arguments, [\@environment]

Replaces the process by the program that the handle is open on: see
L<fexecve(3)>. The first argument is the name of the program as it sees it.
Each element of the environment is C<NAME=VALUE>; if it is left out, or
C<undef>, it is that of the process. Returns only on failure, -1. Nothing is
flushed before.

Example: run a program that has been opened before.

=for example eg/manual-direct.pl

   open my $program, "<", "/bin/sh" or die "/bin/sh: $!";
   IO::AIO::fexecve $program, ["sh", "-c", 'echo "$GREETING"'], ["GREETING=hello"];
   die "fexecve: $!";

=back

=head3 File systems

=over 4

=item $status = IO::AIO::mount $source, $path, $type, [$flags, $data]

=item $status = IO::AIO::umount $path, [$flags]

See L<mount(2)> and L<umount(2)>. C<$flags> is made of the C<IO::AIO::MS_*>
constants for C<mount>, C<IO::AIO::MNT_*> and C<IO::AIO::UMOUNT_NOFOLLOW> for
C<umount>. C<$data> may be C<undef>.

=item $status = IO::AIO::statx $pathname, $flags, $mask

Looks a file up: see L<statx(2)>. C<$flags> is made of C<IO::AIO::AT_*>,
C<$mask> of C<IO::AIO::STATX_*> constants; of the mask only what is in
C<STATX_ALL> counts. The result is read by the functions below, and stays
until the next successful call.

Example: print when a file was made.

=for example eg/manual-direct.pl

   IO::AIO::statx "file", 0, IO::AIO::STATX_BTIME
      and die "file: $!";
   print "made at ", scalar localtime IO::AIO::stx_btime, "\n"
      if IO::AIO::stx_mask & IO::AIO::STATX_BTIME;

=item IO::AIO::stx_mask

=item IO::AIO::stx_mode

=item IO::AIO::stx_nlink

=item IO::AIO::stx_uid

=item IO::AIO::stx_gid

=item IO::AIO::stx_ino

=item IO::AIO::stx_size

=item IO::AIO::stx_blocks

=item IO::AIO::stx_blksize

=item IO::AIO::stx_attributes

=item IO::AIO::stx_attributes_mask

=item IO::AIO::stx_dev_major

=item IO::AIO::stx_dev_minor

=item IO::AIO::stx_rdev_major

=item IO::AIO::stx_rdev_minor

Return the fields of the last successful C<statx>. C<stx_mask> tells which of
them are valid, C<stx_attributes_mask> which of the attribute bits
(C<IO::AIO::STATX_ATTR_*>) the file system has. C<stx_blocks> counts units of
512 octets.

=item IO::AIO::stx_atime

=item IO::AIO::stx_mtime

=item IO::AIO::stx_ctime

=item IO::AIO::stx_btime

=item IO::AIO::stx_atimesec

=item IO::AIO::stx_mtimesec

=item IO::AIO::stx_ctimesec

=item IO::AIO::stx_btimesec

=item IO::AIO::stx_atimensec

=item IO::AIO::stx_mtimensec

=item IO::AIO::stx_ctimensec

=item IO::AIO::stx_btimensec

Return times of access, modification, change of attributes, and birth of the
last successful C<statx>: in seconds with fraction, as whole seconds, and the
nanoseconds alone.

=item IO::AIO::st_atime

=item IO::AIO::st_mtime

=item IO::AIO::st_ctime

=item IO::AIO::st_btime

=item IO::AIO::st_btimesec

=item IO::AIO::st_atimensec

=item IO::AIO::st_mtimensec

=item IO::AIO::st_ctimensec

=item IO::AIO::st_btimensec

=item IO::AIO::st_xtime

=item IO::AIO::st_xtimensec

=item IO::AIO::st_gen

Return the times in perl's stat cache, the one that C<_> stands for, after
C<aio_stat> as well as after C<stat>: in seconds with fraction, and the
nanoseconds alone. C<st_xtime> and C<st_xtimensec> return all four: access,
modification, change, birth. C<st_gen> is the generation number. Birth times
and generation are 0 where the system's C<stat> does not have them, such as on
Linux.

Example: the time of modification as exactly as it is known.

=for example eg/manual-direct.pl

   aio_stat "file", sub {
      $_[0] and die "file: $!";
      printf "changed at %d.%09d\n", (stat _)[9], IO::AIO::st_mtimensec;
   };

=item $limit = IO::AIO::get_fdlimit

Returns how many descriptors the process may have, or C<undef> with C<$!> set.

=item $success = IO::AIO::min_fdlimit [$n]

Raises that limit to C<$n>, if it is lower; as far as possible without an
argument. Returns true if the limit is at least C<$n> now, C<undef> with C<$!>
set if not; it has been raised as far as allowed then.

Example: as many as we can get.

=for example eg/manual-direct.pl

   IO::AIO::min_fdlimit 4096
      or warn "only ", IO::AIO::get_fdlimit, " descriptors: $!\n";

=item $major = IO::AIO::major $device

=item $minor = IO::AIO::minor $device

=item $device = IO::AIO::makedev $major, $minor

Take device numbers apart, and make them.

Example: tell what device a file is on.

=for example eg/manual-direct.pl

   my $dev = (stat "file")[0];
   print "on device ", IO::AIO::major $dev, ":", IO::AIO::minor $dev, "\n";

=back

=head3 Constants

Constants are functions in the package C<IO::AIO>, called with their full
name, as in C<IO::AIO::O_RDONLY>. They are never exported. Each has the value
of the system's headers; one the system does not have is C<0>, so that flags
can be combined without asking first.

=over 4

=item Error numbers

For comparison with C<$!>, for perls whose L<Errno> lacks them.

=for constants

   EBADR ENOSYS EXDEV

=item Opening: C<aio_open>, C<pipe2>

C<O_ACCMODE> is the mask of reading and writing.

=for constants

   O_ACCMODE O_APPEND O_ASYNC O_CLOEXEC O_CREAT O_DIRECT O_DIRECTORY O_DSYNC
   O_EXCL O_EXEC O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_RDONLY
   O_RDWR O_RSYNC O_SEARCH O_SYNC O_TMPFILE O_TRUNC O_TTY_INIT O_WRONLY

=item Positions: C<aio_seek>

=for constants

   SEEK_CUR SEEK_DATA SEEK_END SEEK_HOLE SEEK_SET

=item Types and permissions: C<aio_mknod>, C<stat>

=for constants

   S_IFBLK S_IFCHR S_IFDIR S_IFIFO S_IFLNK S_IFMT S_IFREG S_IFSOCK S_IFWHT

=item Types of directory entries: C<aio_readdirx>

=for constants

   DT_BLK DT_CHR DT_DIR DT_FIFO DT_LNK DT_REG DT_SOCK DT_UNKNOWN DT_WHT

=item Reading directories: C<aio_readdirx>

=for constants

   READDIR_DENTS READDIR_DIRS_FIRST READDIR_FOUND_UNKNOWN READDIR_STAT_ORDER

=item Renaming: C<aio_rename2>

=for constants

   RENAME_EXCHANGE RENAME_NOREPLACE RENAME_WHITEOUT

=item Mounted file systems: C<aio_statvfs>

=for constants

   ST_APPEND ST_IMMUTABLE ST_MANDLOCK ST_NOATIME ST_NODEV ST_NODIRATIME
   ST_NOEXEC ST_NOSUID ST_RDONLY ST_RELATIME ST_SYNCHRONOUS ST_WRITE

=item Paths and lookups: C<statx>

=for constants

   AT_EACCESS AT_EMPTY_PATH AT_FDCWD AT_NO_AUTOMOUNT AT_RECURSIVE
   AT_REMOVEDIR AT_STATX_AS_STAT AT_STATX_DONT_SYNC AT_STATX_FORCE_SYNC
   AT_STATX_SYNC_TYPE AT_SYMLINK_FOLLOW AT_SYMLINK_NOFOLLOW

=item Fields and attributes: C<statx>

=for constants

   STATX_ALL STATX_ATIME STATX_ATTR_APPEND STATX_ATTR_AUTOMOUNT
   STATX_ATTR_COMPRESSED STATX_ATTR_ENCRYPTED STATX_ATTR_IMMUTABLE
   STATX_ATTR_NODUMP STATX_BASIC_STATS STATX_BLOCKS STATX_BTIME STATX_CTIME
   STATX_GID STATX_INO STATX_MODE STATX_MTIME STATX_NLINK STATX_SIZE
   STATX_TYPE STATX_UID

=item Allocation: C<aio_allocate>

=for constants

   FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_KEEP_SIZE
   FALLOC_FL_PUNCH_HOLE FALLOC_FL_UNSHARE_RANGE FALLOC_FL_ZERO_RANGE

=item Extents: C<aio_fiemap>

=for constants

   FIEMAP_EXTENT_DATA_ENCRYPTED FIEMAP_EXTENT_DATA_INLINE
   FIEMAP_EXTENT_DATA_TAIL FIEMAP_EXTENT_DELALLOC FIEMAP_EXTENT_ENCODED
   FIEMAP_EXTENT_LAST FIEMAP_EXTENT_MERGED FIEMAP_EXTENT_NOT_ALIGNED
   FIEMAP_EXTENT_SHARED FIEMAP_EXTENT_UNKNOWN FIEMAP_EXTENT_UNWRITTEN
   FIEMAP_FLAGS_COMPAT FIEMAP_FLAG_SYNC FIEMAP_FLAG_XATTR

=item Advice on files: C<fadvise>

=for constants

   FADV_DONTNEED FADV_NOREUSE FADV_NORMAL FADV_RANDOM FADV_SEQUENTIAL
   FADV_WILLNEED

=item Writing parts of files: C<aio_sync_file_range>

=for constants

   SYNC_FILE_RANGE_WAIT_AFTER SYNC_FILE_RANGE_WAIT_BEFORE
   SYNC_FILE_RANGE_WRITE

=item Commands of C<aio_fcntl>

Open file description locks, seals, and duplicating.

=for constants

   F_ADD_SEALS F_DUPFD_CLOEXEC F_GET_SEALS F_OFD_GETLK F_OFD_GETLKW
   F_OFD_SETLK F_SEAL_GROW F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_WRITE

=item Requests of C<aio_ioctl> for file systems

Cloning, freezing, trimming, attributes, encryption.

=for constants

   FICLONE FICLONERANGE FIDEDUPERANGE FIFREEZE FITHAW FITRIM FS_IOC_FIEMAP
   FS_IOC_FSGETXATTR FS_IOC_FSSETXATTR FS_IOC_GETFLAGS FS_IOC_GETVERSION
   FS_IOC_GET_ENCRYPTION_POLICY FS_IOC_GET_ENCRYPTION_PWSALT FS_IOC_SETFLAGS
   FS_IOC_SETVERSION FS_IOC_SET_ENCRYPTION_POLICY

=item Values of these

Attributes as in C<FS_IOC_GETFLAGS> and C<FS_IOC_FSGETXATTR>.

=for constants

   FS_APPEND_FL FS_BTREE_FL FS_COMPRBLK_FL FS_COMPR_FL FS_DIRSYNC_FL
   FS_DIRTY_FL FS_ENCRYPT_FL FS_FL_USER_MODIFIABLE FS_IMMUTABLE_FL
   FS_INDEX_FL FS_JOURNAL_DATA_FL FS_KEY_DESCRIPTOR_SIZE FS_NOATIME_FL
   FS_NOCOMP_FL FS_NODUMP_FL FS_NOTAIL_FL FS_SECRM_FL FS_SYNC_FL
   FS_TOPDIR_FL FS_UNRM_FL FS_XFLAG_APPEND FS_XFLAG_DAX FS_XFLAG_EXTSIZE
   FS_XFLAG_EXTSZINHERIT FS_XFLAG_FILESTREAM FS_XFLAG_HASATTR
   FS_XFLAG_IMMUTABLE FS_XFLAG_NOATIME FS_XFLAG_NODEFRAG FS_XFLAG_NODUMP
   FS_XFLAG_NOSYMLINKS FS_XFLAG_PREALLOC FS_XFLAG_PROJINHERIT
   FS_XFLAG_REALTIME FS_XFLAG_RTINHERIT FS_XFLAG_SYNC

=item Requests of C<aio_ioctl> for block devices

=for constants

   BLKBSZGET BLKBSZSET BLKFLSBUF BLKFRAGET BLKFRASET BLKGETSIZE BLKGETSIZE64
   BLKRAGET BLKRASET BLKROGET BLKROSET BLKRRPART BLKSECTGET BLKSECTSET
   BLKSSZGET

=item Mapping memory: C<mmap>, C<mprotect>

C<PAGESIZE> is the size of a page in octets.

=for constants

   MAP_32BIT MAP_ANONYMOUS MAP_FIXED MAP_FIXED_NOREPLACE MAP_GROWSDOWN
   MAP_HUGETLB MAP_LOCKED MAP_NONBLOCK MAP_NORESERVE MAP_POPULATE
   MAP_PRIVATE MAP_SHARED MAP_SHARED_VALIDATE MAP_STACK MAP_SYNC
   MAP_UNINITIALIZED PAGESIZE PROT_EXEC PROT_NONE PROT_READ PROT_WRITE

=item Remapping: C<mremap>

=for constants

   MREMAP_FIXED MREMAP_MAYMOVE

=item Advice on memory: C<madvise>

=for constants

   MADV_DONTNEED MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED

=item Getting memory to disk, touching and locking it: C<aio_msync>, C<aio_mtouch>, C<aio_mlockall>, C<mlockall>

=for constants

   MCL_CURRENT MCL_FUTURE MCL_ONFAULT MS_ASYNC MS_INVALIDATE MS_SYNC
   MT_MODIFY

=item Moving data between pipes: C<splice>, C<tee>

=for constants

   SPLICE_F_GIFT SPLICE_F_MORE SPLICE_F_MOVE SPLICE_F_NONBLOCK

=item Sockets: C<accept4>

C<MSG_CMSG_CLOEXEC> is a flag of L<recvmsg(2)>.

=for constants

   MSG_CMSG_CLOEXEC SOCK_CLOEXEC

=item Events: C<eventfd>

=for constants

   EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE

=item Clocks and timers: C<timerfd_create>, C<timerfd_settime>

=for constants

   CLOCK_BOOTTIME CLOCK_BOOTTIME_ALARM CLOCK_MONOTONIC CLOCK_REALTIME
   CLOCK_REALTIME_ALARM TFD_CLOEXEC TFD_NONBLOCK TFD_TIMER_ABSTIME
   TFD_TIMER_CANCEL_ON_SET

=item Files in memory: C<memfd_create>

=for constants

   MFD_ALLOW_SEALING MFD_CLOEXEC MFD_HUGETLB MFD_HUGETLB_1GB MFD_HUGETLB_2MB

=item Processes

What L<waitid(2)> waits for.

=for constants

   P_ALL P_PGID P_PID P_PIDFD

=item Mounting: C<mount>

=for constants

   MS_ACTIVE MS_BIND MS_DIRSYNC MS_I_VERSION MS_KERNMOUNT MS_LAZYTIME
   MS_MANDLOCK MS_MGC_MSK MS_MGC_VAL MS_MOVE MS_NOATIME MS_NODEV
   MS_NODIRATIME MS_NOEXEC MS_NOSUID MS_NOUSER MS_POSIXACL MS_PRIVATE
   MS_RDONLY MS_REC MS_RELATIME MS_REMOUNT MS_RMT_MASK MS_SHARED MS_SILENT
   MS_SLAVE MS_STRICTATIME MS_SYNCHRONOUS MS_UNBINDABLE

=item Unmounting: C<umount>

=for constants

   MNT_DETACH MNT_EXPIRE MNT_FORCE UMOUNT_NOFOLLOW

=item The new calls for mounting

For programs that make these calls by C<syscall>.

=for constants

   FSCONFIG_CMD_CREATE FSCONFIG_CMD_RECONFIGURE FSCONFIG_SET_BINARY
   FSCONFIG_SET_FD FSCONFIG_SET_FLAG FSCONFIG_SET_PATH
   FSCONFIG_SET_PATH_EMPTY FSCONFIG_SET_STRING FSOPEN_CLOEXEC FSPICK_CLOEXEC
   FSPICK_EMPTY_PATH FSPICK_NO_AUTOMOUNT FSPICK_SYMLINK_NOFOLLOW
   MOUNT_ATTR_NOATIME MOUNT_ATTR_NODEV MOUNT_ATTR_NODIRATIME
   MOUNT_ATTR_NOEXEC MOUNT_ATTR_NOSUID MOUNT_ATTR_RDONLY MOUNT_ATTR_RELATIME
   MOUNT_ATTR_STRICTATIME MOUNT_ATTR__ATIME MOVE_MOUNT_F_AUTOMOUNTS
   MOVE_MOUNT_F_EMPTY_PATH MOVE_MOUNT_F_SYMLINKS MOVE_MOUNT_T_AUTOMOUNTS
   MOVE_MOUNT_T_EMPTY_PATH MOVE_MOUNT_T_SYMLINKS OPEN_TREE_CLONE

=back

=head1 EVENT LOOP INTEGRATION

An event loop has to do one thing: call C<IO::AIO::poll_cb> when the
descriptor C<IO::AIO::poll_fileno> is readable. L</SYNOPSIS> shows how for
some loops; here are others. The whole programs are in F<eg/>, called
F<eg/loop-*.pl>.

Loops that want a handle get one that shares the descriptor. Keep it as long
as the loop runs, since perl closes the descriptor with the handle.

IO::Async:

=for example eg/loop-io-async.pl

   open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
   my $loop = IO::Async::Loop->new;
   $loop->watch_io (handle => $results, on_read_ready => \&IO::AIO::poll_cb);

Mojo::IOLoop:

=for example eg/loop-mojo.pl

   open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
   Mojo::IOLoop->singleton->reactor->io ($results => sub { IO::AIO::poll_cb })->watch ($results, 1, 0);

POE:

=for example eg/loop-poe.pl

   open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
   POE::Session->create (inline_states => {
      _start  => sub { $_[KERNEL]->select_read ($results, "results") },
      results => sub { IO::AIO::poll_cb },
   });

IO::Poll:

=for example eg/loop-poll.pl

   open my $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
   my $poll = IO::Poll->new;
   $poll->mask ($results => POLLIN);

   while ($running) {
      $poll->poll (1);
      IO::AIO::poll_cb if $poll->events ($results);
   }

The descriptor is level-triggered: it stays readable while results wait, also
after a C<poll_cb> that stopped at a limit or died. To keep a loop responsive
however many results come in, set C<max_poll_time>. What becomes of an
exception of a callback is decided by the loop, since it is the loop that has
called C<poll_cb>; many print it and go on.

L<Coro::AIO> makes each request wait in its own coroutine; L<AnyEvent::AIO>
finds the loop by itself. See F<eg/coro.pl>. Futures and promises need an
adapter of a few lines.

With L<IO::Async> and L<Future::AsyncAwait> (F<eg/async-await.pl>):

=for example eg/async-await.pl

   sub aio {
      my $code = IO::AIO->can ("aio_" . shift);
      my $future = $loop->new_future;
      my $request = &$code (@_, sub {
         $! ? $future->fail ("$!", errno => $! + 0) : $future->done (@_);
      });
      $future->on_cancel (sub { $request->cancel });
      $future
   }

   async sub words {
      my ($path) = @_;

      my $fh = await aio (open => $path, IO::AIO::O_RDONLY, 0);

With L<Mojo::Promise> (F<eg/mojo-promise.pl>):

=for example eg/mojo-promise.pl

   sub aio {
      my $code = IO::AIO->can ("aio_" . shift);
      my $promise = Mojo::Promise->new;
      &$code (@_, sub { $! ? $promise->reject ("$!") : $promise->resolve (@_) });
      $promise
   }

=head1 FORK BEHAVIOUR

A child made by C<fork> starts afresh, as if the module had just been loaded:
no requests, no workers, counters at 0. It has its own descriptor, with the
same number, so a watcher in an event loop stays right. Requests of the parent
are not executed again, and their callbacks are not called; objects that stand
for them do nothing. Settings, working directory objects and mapped memory
stay as they were. The parent is not affected at all.

Nothing has to be called for this. C<IO::AIO::reinit>, which version 4 wants
to be called in the child, is harmless.

=for program eg/fork.pl

   use strict;
   use warnings;
   use IO::AIO;

   $| = 1;
   aio_stat $0, sub { print "parent: my request was answered\n" };

   my $pid = fork;
   defined $pid or die "fork: $!\n";

   if (!$pid) {
      # the parent's request is not here
      print "child: ", IO::AIO::nreqs, " requests at the start\n";
      aio_stat $0, sub { print "child: my request was answered\n" };
      IO::AIO::flush;
      exit 0;
   }

   waitpid $pid, 0;
   IO::AIO::flush;
   print "parent: the child ended with status ", $? >> 8, "\n";

C<system>, backticks and C<exec> need no care. A child shares the positions of
open files with its parent, as always: use explicit offsets.

=head1 THREADS

The module belongs to the perl interpreter that loaded it. In an interpreter
made by perl's own threads (ithreads) its functions die with a message that
says so, and the copies of request, group and working directory objects there
do nothing. The interpreter that loaded it, and its requests, are not
affected. Threads made by C libraries are of no importance.

Workers are threads of the system, not of perl. They never run Perl code.

What the program's own thread does of their work, on Linux, is to read what is
in memory anyway: with 16 and more requests ready, the functions that poll do
C<aio_read>s of up to 16 KiB at an offset of a regular file that the kernel has
in its cache (F<preadv2(2)>, C<RWF_NOWAIT>), for a tenth of a millisecond at a
time, before they wait for others. Not of files opened with C<O_DIRECT>, and
not if C<max_parallel> is 1.

=head1 SIGNALS

Workers block all signals, so signals are handled where perl runs. A request
is never interrupted. Writing into a broken pipe, or beyond the limit of the
size of files, fails with C<EPIPE> or C<EFBIG>, and no C<SIGPIPE> or
C<SIGXFSZ> is sent.

Handlers run while C<poll_wait>, C<poll> and C<flush> wait. They may make
requests, poll, and die: the exception leaves the function that waits, and
nothing is lost. So C<alarm> can put a limit to waiting.

Example: wait no longer than a second.

=for example eg/manual-groups.pl

   eval {
      local $SIG{ALRM} = sub { die "too late\n" };
      alarm 1;
      IO::AIO::flush;
      alarm 0;
   };
   print "flush: $@" if $@;

=head1 MEMORY USAGE

A request takes some hundred octets while it is outstanding, plus copies of
its paths, plus what the callback closes over. A request object adds the size
of a perl hash, but only if you ask for one. Data is read into, and written
from, the scalars themselves and not copied, save where the scalar has no
buffer that could be used (objects with overloaded stringification, for
instance).

Each worker has a stack, whose unused part takes address space only. Requests
that copy without help from the kernel use a buffer while they run.

The results of C<aio_readdir> and its relatives are in memory as a whole, as
are the files that C<aio_load> and C<aio_slurp> read.

If a program makes requests faster than they are executed their number grows
without limit. Use a group with a feeder to work off long lists.

=head1 DIFFERENCES FROM 4.80

Programs written for 4.80 run unchanged. What was wrong there (crashes, hangs,
leaks and wrong results) is right here; F<MIGRATING.md> in the distribution
lists each difference a program could notice, with its reason. These are the
most important:

=over 4

=item *

A forked child needs no C<reinit>.

=item *

C<$!> is 0 in the callback of a request that succeeded.

=item *

Signal handlers run while polling functions wait.

=item *

Composite requests take paths in every form, and leave nothing half written
when they fail.

=item *

C<aio_rmtree> never follows a symbolic link.

=item *

Handles that nobody gets, because the request was cancelled or had no
callback, are closed.

=item *

A request can be a member of one group only, and groups cannot contain
themselves.

=item *

C<aio_block>, C<aio_sleep> and C<feed_limit>, names of older versions, work
again.

=back

=head1 KNOWN ISSUES

=over 4

=item *

An executing system call cannot be interrupted. A request that hangs, on a
dead network file system for instance, keeps its worker, and holds up the end
of the program.

=item *

C<aio_close> does not report errors of the kernel's C<close>.

=item *

C<-T _> and C<-B _> cannot be used on results of C<aio_stat>.

=item *

Closing a handle explicitly while a request uses it may let that request act
on another file that got the same number.

=item *

Exceptions of feeders become warnings.

=item *

Memory mapped beyond the end of its file, or made read-only by C<mprotect>,
kills the process when it is used.

=item *

C<IO::AIO::mmap> shows perl memory it has not allocated. Code that takes the
buffer of a string away, as some XS modules do, must not be let near such a
scalar.

=item *

Only the interpreter that loaded the module can use it: see L</THREADS>.

=back

=head1 SEE ALSO

L<Coro::AIO>, L<AnyEvent::AIO> and L<AnyEvent::IO> build on this module.
L<treescan>, a command that comes with it, walks directory trees.
F<MIGRATING.md> is about coming from other versions.

The programs in F<eg/>, apart from those of L</EVENT LOOP INTEGRATION>:
F<eg/tail.pl> follows many files, F<eg/checksum.pl> and F<eg/copytree.pl> read
and copy trees with a progress display, F<eg/du.pl> adds up disk space,
F<eg/replace.pl> replaces a file in one step, F<eg/queue.pl> is a bounded
queue, F<eg/first.pl> takes the first of many answers, F<eg/mmap.pl> and
F<eg/holes.pl> look into files, F<eg/children.pl> waits for processes,
F<eg/fork.pl> shows what a child has, F<eg/httpd.pl> is a file server on EV.
F<eg/synopsis.pl>, F<eg/manual-files.pl>, F<eg/manual-groups.pl> and
F<eg/manual-direct.pl> hold the short examples of this manual.

L<Fcntl>, L<POSIX>, L<EV>, L<Event>, L<IO::Async>, L<Mojo::IOLoop>, L<POE>.

=head1 AUTHOR

Marc Lehmann designed this interface in the original IO::AIO. This
implementation was written anew from a description of its behaviour, by the
contributors to this distribution.

=head1 LICENSE

This library is free software. You can redistribute it and modify it under the
same terms as Perl itself.

=cut
