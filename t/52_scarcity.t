# No descriptor is free, memory is limited: an error or service, never a hang or
# a crash. Limits of threads and more of these: xt/scarcity.t.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

# Runs a program under a limit that the shell sets.
my $count = 0;
sub limited {
   my ($limit, $program) = @_;
   my $file = spew (scratch . "/limited-" . ++$count . ".pl", <<'PRELUDE' . $program);
use strict; use warnings;
use AIOTest qw(:all); use IO::AIO; use Errno;
$| = 1;
our @taken;
sub take_descriptors {
   while (open my $fh, "<", "/dev/null") { push @taken, $fh }
   $!{EMFILE} or die "not EMFILE: $!";
}
PRELUDE
   my ($status, $output) = run_perl 'exec "/bin/sh", "-c", "ulimit $ARGV[0] 2>/dev/null || exit 99; exec \"\$@\"", @ARGV',
      $limit, $^X, (map "-I$_", grep !ref, @INC), $file;
   "$status: $output"
}

SKIP: {
   limited ("-n 64", 'take_descriptors; print "limited"') eq "exit 0: limited" or skip "the shell sets no limit of descriptors", 5;

   is limited ("-n 64", 'take_descriptors; my $n = 0; my $ok = eval { aio_nop sub { $n++ }; IO::AIO::flush; $n == 1 }; print $ok || $@ ? "served or refused, " : "neither, "; @taken = (); $n = 0; aio_nop sub { $n = 1 }; drain; print "later $n"'),
      "exit 0: served or refused, later 1", "no descriptor is free at the first request";
   is limited ("-n 64", 'IO::AIO::poll_fileno; take_descriptors; aio_open "/dev/null", IO::AIO::O_RDONLY, 0, sub { print defined $_[0] ? "opened, " : $!{EMFILE} ? "EMFILE, " : "$!, " }; drain; aio_stat "/", sub { print "stat $_[0]" }; drain'),
      "exit 0: EMFILE, stat 0", "a request that needs one fails, others work";
   is limited ("-n 64", 'IO::AIO::poll_fileno; take_descriptors; my @got; aio_scandir "/", 0, sub { push @got, $!{EMFILE} ? "EMFILE" : "other" }; aio_load $^X, my $data, sub { push @got, $!{EMFILE} ? "EMFILE" : "other" }; drain; print "@got"'),
      "exit 0: EMFILE EMFILE", "so do composites";
   for my $reinit ("", "IO::AIO::reinit;") {
      is limited ("-n 64", "sub again { $reinit }" . 'my $n = 0; aio_nop sub { $n++ }; pending 1; take_descriptors; my $fd = IO::AIO::poll_fileno; my $pid = fork // die; if (!$pid) { again; my $m = 0; readable and POSIX::_exit (1); aio_nop sub { $m++ }; readable patience or POSIX::_exit (2); IO::AIO::poll_cb; POSIX::_exit ($m == 1 && $fd == IO::AIO::poll_fileno ? 0 : 3) } waitpid $pid, 0; print "child $?, "; readable or print "event lost, "; drain; print "parent $n"'),
         "exit 0: child 0, parent 1", "fork with a full descriptor table" . ($reinit ? ", with reinit" : "");
   }
}

SKIP: {
   limited ("-v 400000", 'my $x = eval { "x" x 300_000_000 }; print "limited"') =~ /^exit (?:1|0): / or skip "the shell sets no limit of memory", 1;
   limited ("-v 200000", 'open my $fh, "<", "/proc/self/status" or exit; print grep /^VmSize/, <$fh>') =~ /VmSize:\s*(\d+)/ && $1 < 100_000
      or skip "the size of this perl does not allow for the limit", 1;
   is limited ("-v 200000", 'open my $zero, "<", "/dev/zero" or die; for my $length (1 << 30, 1 << 40, 1 << 62, ~0, 9e30) { my $buffer = ""; my $result; my $ok = eval { aio_read $zero, 0, $length, $buffer, 0, sub { $result = $_[0] }; drain; 1 }; print !$ok || $result < 0 ? "no " : "read " } aio_nop sub { print "served" }; drain'),
      "exit 0: no no no no no served", "lengths that no memory is enough for are errors";
}

done_testing;
