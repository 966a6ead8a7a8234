# AnyEvent::IO, unmodified, with its backend on this module: all its functions,
# as its documentation describes them.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp patience);
use ClientTest qw(need client each_loop);
use POSIX qw(ENOENT EEXIST ENOTDIR EISDIR EINVAL ENOTEMPTY EBADF);
use Test::More;

BEGIN { need "libanyevent-perl and libanyevent-aio-perl", qw(AnyEvent AnyEvent::AIO AnyEvent::IO) }
my $loop; BEGIN { $loop = each_loop qw(EV Perl) }
BEGIN { $ENV{PERL_ANYEVENT_IO_MODEL} = "IOAIO" }
BEGIN { client qw(AnyEvent AnyEvent::AIO AnyEvent::IO) }
BEGIN { AnyEvent::IO->import (":DEFAULT", ":flags") }

is $AnyEvent::IO::MODEL, "AnyEvent::IO::IOAIO", "the backend is the one of IO::AIO";
is AnyEvent::detect (), "AnyEvent::Impl::$loop", "the event loop is $loop";

my $top  = scratch;
my $data = join "", map chr ($_ % 253), 1 .. 50_000;
my $file = spew ("$top/file", $data);
my $none = "$top/none";

# Calls a function with a callback and returns what that gets. $! is that of the
# callback; a function gives no arguments when it fails.
my $errno;
sub call {
   my ($function, @args) = @_;
   my $cv = AnyEvent->condvar;
   my $timer = AnyEvent->timer (after => patience, cb => sub { $cv->croak ("no result\n") });
   no strict "refs";
   # by reference: that is how arguments can be passed as a list
   &{"AnyEvent::IO::aio_$function"} (@args, sub { $errno = $! + 0; $cv->send (@_) });
   $cv->recv
}

sub fails {
   my ($what, $expect, $function, @args) = @_;
   my @got = call ($function, @args);
   is @got, 0, "aio_$function, $what: no arguments";
   is $errno, $expect, "... and \$! is " . do { local $! = $expect; "$!" };
}

sub handle { my ($how, $path) = @_; open my $fh, $how, $path or die "$path: $!"; binmode $fh; $fh }

my %test = (
   load => sub {
      ok +(call load => $file)[0] eq $data, "a file";
      is_deeply [call load => spew ("$top/empty", "")], [""], "an empty one";
      fails "nothing there", ENOENT, load => $none;
      fails "a directory", EISDIR, load => $top;
   },
   open => sub {
      my ($fh) = call open => $file, O_RDONLY, 0;
      ok $fh, "a handle";
      ok -f $fh && -s _ == length $data, "... of the file";
      my $line = do { local $/ = \100; <$fh> };
      ok $line eq substr ($data, 0, 100), "... that can be read";
      ($fh) = call open => "$top/made", O_CREAT | O_EXCL | O_RDWR, 0600;
      is syswrite ($fh, "text"), 4, "one made can be written";
      is +(stat "$top/made")[2] & 0777, 0600, "... and has the mode";
      fails "it is there now", EEXIST, open => "$top/made", O_CREAT | O_EXCL | O_RDWR, 0600;
      fails "nothing there", ENOENT, open => $none, O_RDONLY, 0;
      ($fh) = call open => "$top/made", O_WRONLY | O_APPEND, 0;
      is syswrite ($fh, " more"), 5, "one opened for appending";
      is slurp ("$top/made"), "text more", "... appends";
      ($fh) = call open => "$top/made", O_WRONLY | O_TRUNC, 0;
      is -s "$top/made", 0, "one opened for truncating is empty";
   },
   close => sub {
      my ($fh) = call open => $file, O_RDONLY, 0;
      is_deeply [call close => $fh], [1], "a handle";
      ok !sysread ($fh, my $buffer, 1), "... from which nothing can be read then";
   },
   read => sub {
      my $fh = handle "<", $file;
      ok +(call read => $fh, 1000)[0] eq substr ($data, 0, 1000), "at the start";
      ok +(call read => $fh, 1000)[0] eq substr ($data, 1000, 1000), "... and where that ended";
      sysseek $fh, -10, 2;
      ok +(call read => $fh, 1000)[0] eq substr ($data, -10), "less than was asked for";
      is_deeply [call read => $fh, 1000], [""], "nothing, at the end";
      fails "a directory", EISDIR, read => handle ("<", $top), 10;
   },
   seek => sub {
      my $fh = handle "<", $file;
      is_deeply [call seek => $fh, 100, 0], [100], "from the start";
      is_deeply [call seek => $fh, -30, 1], [70], "from here";
      is_deeply [call seek => $fh, 0, 2], [length $data], "from the end";
      my @zero = call seek => $fh, 0, 0;
      is_deeply \@zero, [0], "to 0";
      is sysseek ($fh, 0, 1) + 0, 0, "... is where it is";
      fails "before the start", EINVAL, seek => $fh, -1, 0;
   },
   write => sub {
      my $fh = handle ">", "$top/written";
      is_deeply [call write => $fh, "some "], [5], "text";
      is_deeply [call write => $fh, $data], [length $data], "more";
      is_deeply [call write => $fh, ""], [0], "none";
      is_deeply [call write => $fh, "constant"], [8], "a constant";
      my ($left, $right) = ("le", "ft");
      is_deeply [call write => $fh, $left . $right], [4], "a temporary";
      is_deeply [call write => $fh, substr $left, 0, 1], [1], "part of a scalar";
      ok slurp ("$top/written") eq "some ${data}constantleftl", "it is all there";
      # the value goes away before the request is executed
      IO::AIO::max_parallel (0);
      my ($cv, $text) = (AnyEvent->condvar, "short-lived");
      AnyEvent::IO::aio_write ($fh, "a$text", sub { $cv->send (@_) });
      undef $text;
      IO::AIO::min_parallel (8);
      is_deeply [$cv->recv], [12], "a value that is gone when it is written";
      like slurp ("$top/written"), qr/ashort-lived\z/, "... is written";
   },
   truncate => sub {
      my $path = spew ("$top/truncate", $data);
      is_deeply [call truncate => $path, 1000], [1], "a path";
      is -s $path, 1000, "... has the size";
      is_deeply [call truncate => handle ("+<", $path), 10], [1], "a handle";
      is -s $path, 10, "... has the size";
      fails "nothing there", ENOENT, truncate => $none, 0;
   },
   utime => sub {
      is_deeply [call utime => $file, 1000, 2000], [1], "a path";
      is_deeply [(stat $file)[8, 9]], [1000, 2000], "... has the times";
      is_deeply [call utime => handle ("+<", $file), 3000, 4000], [1], "a handle";
      is_deeply [(stat $file)[8, 9]], [3000, 4000], "... has the times";
      my $now = time;
      is_deeply [call utime => $file, undef, undef], [1], "now";
      cmp_ok +(stat $file)[9], ">=", $now - 1, "... has the time";
      fails "nothing there", ENOENT, utime => $none, 1, 1;
   },
   chown => sub {
      my ($uid, $gid) = (stat $file)[4, 5];
      is_deeply [call chown => $file, $uid, $gid], [1], "a path";
      is_deeply [call chown => $file, undef, undef], [1], "no change";
      is_deeply [call chown => handle ("<", $file), undef, $gid], [1], "a handle";
      is_deeply [(stat $file)[4, 5]], [$uid, $gid], "... has the owner";
      fails "nothing there", ENOENT, chown => $none, undef, undef;
   },
   chmod => sub {
      is_deeply [call chmod => $file, 0640], [1], "a path";
      is +(stat $file)[2] & 07777, 0640, "... has the mode";
      is_deeply [call chmod => handle ("<", $file), 0600], [1], "a handle";
      is +(stat $file)[2] & 07777, 0600, "... has the mode";
      fails "nothing there", ENOENT, chmod => $none, 0600;
   },
   stat => sub {
      is_deeply [call stat => $file], [1], "a path";
      is -s _, length $data, "... the size";
      is_deeply [call stat => handle ("<", $top)], [1], "a handle";
      ok -d _, "... a directory";
      fails "nothing there", ENOENT, stat => $none;
   },
   lstat => sub {
      symlink "not there", "$top/lstat" or die $!;
      is_deeply [call lstat => "$top/lstat"], [1], "a link";
      ok -l _, "... is one";
      fails "nothing there", ENOENT, lstat => $none;
      fails "a link to nothing", ENOENT, stat => "$top/lstat";
   },
   link => sub {
      is_deeply [call link => $file, "$top/link"], [1], "a file";
      is +(stat "$top/link")[1], (stat $file)[1], "... is the same";
      fails "it is there now", EEXIST, link => $file, "$top/link";
   },
   symlink => sub {
      is_deeply [call symlink => "random data", "$top/slink"], [1], "any text";
      is readlink "$top/slink", "random data", "... is its target";
      fails "it is there now", EEXIST, symlink => "random data", "$top/slink";
   },
   readlink => sub {
      symlink "some text", "$top/rlink" or die $!;
      is_deeply [call readlink => "$top/rlink"], ["some text"], "a link";
      fails "a file", EINVAL, readlink => $file;
      fails "nothing there", ENOENT, readlink => $none;
   },
   rename => sub {
      my $old = spew ("$top/old", "old");
      is_deeply [call rename => $old, "$top/new"], [1], "a file";
      ok !-e $old && slurp ("$top/new") eq "old", "... has the other name";
      fails "nothing there", ENOENT, rename => $none, "$top/new";
   },
   unlink => sub {
      is_deeply [call unlink => spew ("$top/unlink", "")], [1], "a file";
      ok !-e "$top/unlink", "... is gone";
      fails "nothing there", ENOENT, unlink => $none;
   },
   mkdir => sub {
      is_deeply [call mkdir => "$top/dir", 0700], [1], "a directory";
      is +(stat "$top/dir")[2] & 0777, 0700, "... has the mode";
      fails "it is there now", EEXIST, mkdir => "$top/dir", 0700;
      fails "in a file", ENOTDIR, mkdir => "$file/dir", 0700;
   },
   rmdir => sub {
      mkdir "$top/rmdir" or die $!;
      is_deeply [call rmdir => "$top/rmdir"], [1], "a directory";
      ok !-e "$top/rmdir", "... is gone";
      fails "nothing there", ENOENT, rmdir => $none;
      fails "not empty", ENOTEMPTY, rmdir => $top;
   },
   readdir => sub {
      mkdir "$top/readdir" or die $!;
      is_deeply [call readdir => "$top/readdir"], [[]], "an empty directory";
      mkdir "$top/readdir/d$_" or die $! for 1 .. 3;
      spew ("$top/readdir/f$_", "") for 1 .. 300;
      my ($names) = call readdir => "$top/readdir";
      is_deeply [sort @$names], [sort map ("d$_", 1 .. 3), map ("f$_", 1 .. 300)], "all names";
      fails "a file", ENOTDIR, readdir => $file;
      fails "nothing there", ENOENT, readdir => $none;
   },
);

is_deeply [sort map "aio_$_", keys %test], [sort grep /^aio_/, @AnyEvent::IO::EXPORT], "the tests below are of all its functions";
for my $name (sort keys %test) {
   subtest "aio_$name" => $test{$name};
   is IO::AIO::nreqs (), 0, "aio_$name leaves nothing over";
}

# ---- many at a time --------------------------------------------------------

mkdir "$top/many" or die $!;
{
   my $cv = AnyEvent->condvar;
   my $timer = AnyEvent->timer (after => patience, cb => sub { $cv->croak ("no result\n") });
   my @wrong;
   $cv->begin;
   for my $i (1 .. 300) {
      my $path = "$top/many/$i";
      my $text = "$i\n" x $i;
      $cv->begin;
      aio_open $path, O_CREAT | O_EXCL | O_WRONLY, 0600, sub {
         my ($fh) = @_ or return push @wrong, "open: $!";
         aio_write $fh, $text, sub {
            push @wrong, "write $i: @_" if !@_ || $_[0] != length $text;
            aio_close $fh, sub {
               push @wrong, "close $i" if !@_;
               aio_load $path, sub {
                  push @wrong, "load $i" if !@_ || $_[0] ne $text;
                  aio_lstat $path, sub {
                     push @wrong, "lstat $i" if !@_ || !-f _ || -s _ != length $text;
                     aio_unlink $path, sub { push @wrong, "unlink $i" if !@_; $cv->end };
                  };
               };
            };
         };
      };
   }
   $cv->end;
   $cv->recv;
   is_deeply \@wrong, [], "300 files are written, read and removed at a time";
   is_deeply [glob "$top/many/*"], [], "... and none is left";
}

done_testing;
