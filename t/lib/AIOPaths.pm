package AIOPaths;

# Helpers of the tests of the request functions (1x, 2x, 8x and 91).
#
# Every wait here has a deadline: a request that never completes makes a test
# fail, and never makes it hang.

use strict;
use warnings;

use Errno ();
use Exporter qw(import);
use Fcntl qw(O_RDONLY);
use File::Spec ();
use File::Temp ();
use POSIX ();
use Test::More ();
use Time::HiRes ();

use AIOTest ();   # sees to it that the module loaded is the one under test
use IO::AIO;

our @EXPORT = qw(
   scratch spew slurp names nfds errno_name
   drain settle run hold release guard
   works passes fails fails_undef fails_empty refused
   perl_child child_prints path_slots
);

our $DEADLINE = 60 * ($ENV{AIO_TEST_PATIENCE} || 1);   # seconds until a wait is given up

my @inc = map { ref () ? $_ : File::Spec->rel2abs ($_) } @INC;

# The end for a test that hangs outside the waits below.
alarm 10 * $DEADLINE;
umask 022;

# ---- files and descriptors ---------------------------------------------------

my @keep;

# a fresh directory below DIR (default: the system's), removed at the end
sub scratch {
   my ($dir) = @_;
   my $tmp = File::Temp->newdir ("aio-test-XXXXXXXX", defined $dir ? (DIR => $dir) : (TMPDIR => 1));
   push @keep, $tmp;
   POSIX::access ("$tmp", POSIX::W_OK ()) or die "$tmp: $!";
   # symbolic links on the way, like /tmp on some systems, would confuse comparisons
   require Cwd;
   Cwd::realpath ("$tmp")
}

sub spew {
   my ($path, $data) = @_;
   open my $fh, ">:raw", $path or die "$path: $!";
   print $fh $data if defined $data;
   close $fh or die "$path: $!";
   $path
}

sub slurp {
   my ($path) = @_;
   open my $fh, "<:raw", $path or return undef;
   local $/;
   my $data = <$fh>;
   defined $data ? $data : ""
}

# the names in a directory, sorted and joined by spaces
sub names {
   my ($dir) = @_;
   opendir my $dh, $dir or return "cannot read: $!";
   join " ", sort grep { $_ ne "." && $_ ne ".." } readdir $dh
}

END { chdir "/" }   # a directory to be removed must not be the current one

# the number of descriptors in use
sub nfds {
   IO::AIO::poll_fileno ();
   return scalar grep { defined ((POSIX::fstat ($_))[0]) } 0 .. 255
      unless opendir my $dh, "/proc/self/fd";
   scalar (() = grep { /^\d+$/ } readdir $dh) - 1
}

sub errno_name {
   my $e = 0 + $_[0]
      or return "success";
   no strict "refs";
   my ($name) = sort grep { exists &{"Errno::$_"} && &{"Errno::$_"} () == $e } keys %!;
   defined $name ? $name : "errno $e"
}

# ---- running requests ----------------------------------------------------------

# polls until nothing is outstanding
sub drain {
   my $until = Time::HiRes::time () + $DEADLINE;
   local $@;

   while (IO::AIO::nreqs ()) {
      Time::HiRes::time () < $until
         or die "requests still outstanding after $DEADLINE seconds: " . IO::AIO::nreqs () . "\n";
      # first of all: this is what resumes requests that were held
      IO::AIO::poll_cb ();
      last unless IO::AIO::nreqs ();
      my $rin = "";
      vec ($rin, IO::AIO::poll_fileno (), 1) = 1;
      select $rin, undef, undef, 0.5;
   }
}

# waits until CODE is true, without polling
sub settle (&) {
   my ($code) = @_;
   my $until = Time::HiRes::time () + $DEADLINE;

   until ($code->()) {
      Time::HiRes::time () < $until or return 0;
      select undef, undef, undef, 0.005;
   }

   1
}

# no worker runs from here on: requests stay ready, until release
sub hold    { IO::AIO::max_parallel (0) }
sub release { IO::AIO::min_parallel (@_ ? $_[0] : 4); drain () }

# passes a callback to CODE and runs what it submits to its end. Returns how
# often the callback was called, the number of its arguments, copies of them, $!
# as the callback found it, and the exception of the submission, if any.
sub run (&) {
   my ($code) = @_;
   my $r = { called => 0, argc => 0, args => [] };

   my $cb = sub {
      $r->{errno}  = 0 + $!;
      $r->{argc}   = @_;
      $r->{args}   = [@_];
      $r->{called}++;
   };

   eval { $code->($cb); 1 }
      or $r->{died} = $@;
   # an exception of the poll is a failure of its own: polling goes on after it
   until (eval { drain (); 1 }) {
      $r->{poll} = $@;
      last if $@ =~ /still outstanding/;
   }
   $r
}

sub told {
   my ($r) = @_;
   defined $r->{died} ? "the call died: $r->{died}"
      : defined $r->{poll} ? "the poll died: $r->{poll}"
      : !$r->{called} ? "the callback was not called"
      : "called $r->{called} times, with " . (@{ $r->{args} } ? "" : "nothing")
         . (join ", ", map { defined () ? $_ : "undef" } @{ $r->{args} })
         . "; errno " . errno_name $r->{errno}
}

sub judge {
   my ($ok, $r, $name) = @_;
   local $Test::Builder::Level = $Test::Builder::Level + 2;
   Test::More::ok ($ok, $name)
      or Test::More::diag (told $r);
   $ok
}

sub once { my ($r) = @_; !defined $r->{died} && !defined $r->{poll} && $r->{called} == 1 }

# CODE's callback gets exactly VALUE (a number)
sub passes (&$$) {
   my ($code, $want, $name) = @_;
   my $r = &run ($code);
   judge (once ($r) && $r->{argc} == 1 && defined $r->{args}[0] && $r->{args}[0] eq $want, $r, $name)
}

# CODE's callback gets status 0
sub works (&$) {
   my ($code, $name) = @_;
   my $r = &run ($code);
   judge (once ($r) && $r->{argc} == 1 && defined $r->{args}[0] && $r->{args}[0] eq "0", $r, $name)
}

# The three ways to fail: -1, undef, or no argument at all, with the error in $!.
# ERROR is a number, or a reference to an array of those allowed.
sub in_list { my ($e, $want) = @_; scalar grep { defined $e && $e == $_ } ref $want ? @$want : $want }

sub fails (&$$) {
   my ($code, $errno, $name) = @_;
   my $r = &run ($code);
   judge (once ($r) && $r->{argc} == 1 && defined $r->{args}[0] && $r->{args}[0] eq "-1" && in_list ($r->{errno}, $errno), $r, $name)
}

sub fails_undef (&$$) {
   my ($code, $errno, $name) = @_;
   my $r = &run ($code);
   judge (once ($r) && $r->{argc} == 1 && !defined $r->{args}[0] && in_list ($r->{errno}, $errno), $r, $name)
}

sub fails_empty (&$$) {
   my ($code, $errno, $name) = @_;
   my $r = &run ($code);
   judge (once ($r) && $r->{argc} == 0 && in_list ($r->{errno}, $errno), $r, $name)
}

# CODE dies with a matching message, queues nothing and never calls back
sub refused (&$$) {
   my ($code, $re, $name) = @_;
   my $called = 0;
   my $before = IO::AIO::nreqs ();
   my $lived  = eval { $code->(sub { ++$called }); 1 };
   my $error  = $@;
   my $queued = IO::AIO::nreqs () - $before;
   my $polled = eval { drain (); 1 } ? "" : ", the poll died: $@";
   local $Test::Builder::Level = $Test::Builder::Level + 1;
   Test::More::ok (!$lived && $error =~ $re && !$queued && !$called && !$polled, $name)
      or Test::More::diag (($lived ? "accepted" : "died: $error") . ", $queued queued, $called callbacks$polled");
}

# an object that counts up VARIABLE when it goes
sub guard (\$) { bless [$_[0]], "AIOPaths::Guard" }
sub AIOPaths::Guard::DESTROY { ${ $_[0][0] }++ }

# ---- other processes -------------------------------------------------------------

# Runs CODE, which is text, in a perl of its own, with IO::AIO and these helpers
# loaded and the arguments in @ARGV. Returns signal, exit status and output. A
# child that hangs ends by SIGALRM.
sub perl_child {
   my ($code, @args) = @_;

   my $file = File::Temp->new (SUFFIX => ".pl");
   print $file "use strict; use warnings;\n",
               "BEGIN { open STDERR, '>&', \\*STDOUT; \$| = 1 }\n",
               "use IO::AIO; use AIOPaths; use Fcntl; alarm $DEADLINE;\n",
               "#line 1 \"child\"\n", $code, "\n";
   close $file or die;

   my $pid = open my $out, "-|", $^X, (map { "-I$_" } grep { !ref } @inc), "$file", @args
      or die "cannot run $^X: $!";
   local $/;
   my $said = <$out>;
   close $out;
   ($? & 127, $? >> 8, defined $said ? $said : "")
}

# the child prints exactly TEXT and ends normally
sub child_prints {
   my ($code, $text, $name, @args) = @_;
   my ($signal, $status, $said) = perl_child ($code, @args);
   local $Test::Builder::Level = $Test::Builder::Level + 1;
   Test::More::is (
      $said . ($signal ? " [signal $signal]" : "") . ($status ? " [exit $status]" : ""), $text, $name
   )
}

# ---- all functions that take a path ------------------------------------------------

# Every place of every function that takes a path: a label, the name of the
# argument in messages, how failure is told, and a call with path and callback.
# OTHER is the path used for the function's other argument.
sub path_slots {
   my ($other) = @_;
   my $data;
   (
      [aio_open      => "pathname",   "undef",    sub { aio_open      $_[0], O_RDONLY, 0, $_[1] }],
      [aio_wd        => "pathname",   "undef",    sub { aio_wd        $_[0], $_[1] }],
      [aio_stat      => "fh_or_path", "status",   sub { aio_stat      $_[0], $_[1] }],
      [aio_lstat     => "fh_or_path", "status",   sub { aio_lstat     $_[0], $_[1] }],
      [aio_statvfs   => "fh_or_path", "undef",    sub { aio_statvfs   $_[0], $_[1] }],
      [aio_utime     => "fh_or_path", "status",   sub { aio_utime     $_[0], 5, 5, $_[1] }],
      [aio_chown     => "fh_or_path", "status",   sub { aio_chown     $_[0], -1, -1, $_[1] }],
      [aio_chmod     => "fh_or_path", "status",   sub { aio_chmod     $_[0], 0755, $_[1] }],
      [aio_truncate  => "fh_or_path", "status",   sub { aio_truncate  $_[0], 3, $_[1] }],
      [aio_unlink    => "pathname",   "status",   sub { aio_unlink    $_[0], $_[1] }],
      [aio_rmdir     => "pathname",   "status",   sub { aio_rmdir     $_[0], $_[1] }],
      [aio_mkdir     => "pathname",   "status",   sub { aio_mkdir     $_[0], 0755, $_[1] }],
      [aio_mknod     => "pathname",   "status",   sub { aio_mknod     $_[0], 0644, 0, $_[1] }],
      [aio_readlink  => "pathname",   "empty",    sub { aio_readlink  $_[0], $_[1] }],
      [aio_realpath  => "pathname",   "empty",    sub { aio_realpath  $_[0], $_[1] }],
      [aio_readdir   => "pathname",   "undef",    sub { aio_readdir   $_[0], $_[1] }],
      [aio_readdirx  => "pathname",   "readdirx", sub { aio_readdirx  $_[0], 0, $_[1] }],
      ["aio_link, old"    => "oldpath", "status", sub { aio_link    $_[0], $other, $_[1] }],
      ["aio_link, new"    => "newpath", "status", sub { aio_link    $other, $_[0], $_[1] }],
      ["aio_symlink, new" => "newpath", "status", sub { aio_symlink "text", $_[0], $_[1] }],
      ["aio_rename, old"  => "oldpath", "status", sub { aio_rename  $_[0], $other, $_[1] }],
      ["aio_rename, new"  => "newpath", "status", sub { aio_rename  $other, $_[0], $_[1] }],
      ["aio_rename2, old" => "oldpath", "status", sub { aio_rename2 $_[0], $other, 0, $_[1] }],
      ["aio_rename2, new" => "newpath", "status", sub { aio_rename2 $other, $_[0], 0, $_[1] }],
      [aio_slurp     => "wide",       "status",   sub { aio_slurp     $_[0], 0, 0, $data, $_[1] }],
      [aio_scandir   => "composite",  "empty",    sub { aio_scandir   $_[0], 0, $_[1] }],
      [aio_load      => "composite",  "status",   sub { aio_load      $_[0], $data, $_[1] }],
      ["aio_copy, source"      => "composite", "status", sub { aio_copy $_[0], $other, $_[1] }],
      ["aio_copy, destination" => "composite", "status", sub { aio_copy $other, $_[0], $_[1] }],
      ["aio_move, source"      => "composite", "status", sub { aio_move $_[0], $other, $_[1] }],
      ["aio_move, destination" => "composite", "status", sub { aio_move $other, $_[0], $_[1] }],
      [aio_rmtree    => "composite",  "status",   sub { aio_rmtree    $_[0], $_[1] }],
      [aio_pathsync  => "composite",  "status",   sub { aio_pathsync  $_[0], $_[1] }],
   )
}

1
