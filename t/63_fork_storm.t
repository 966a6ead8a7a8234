# Children forked from everywhere perl runs code for the module, while requests
# are in flight: they start clean, end with their own status, and the parent
# loses nothing. In greater number: xt/stress_fork.t.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $prelude = <<'PRELUDE';
my ($served, $sent, $forks, $bad, $top) = (0, 0, 0, 0, $$);
sub submit { $sent++; aio_stat "/", sub { $$ == $top or POSIX::_exit (99); $served++ } }
sub child {
   my ($way) = @_;
   IO::AIO::reinit if $way % 2;
   IO::AIO::nreqs and POSIX::_exit (1);
   readable and POSIX::_exit (2);
   my $n = 0;
   aio_nop sub { $n++ };
   readable patience or POSIX::_exit (3);
   IO::AIO::poll_cb;
   $n == 1 or POSIX::_exit (4);
   # By exit, with a request for the flush of END, and at once.
   aio_nop sub { POSIX::_exit (42) } if $way & 2;
   $way & 2 ? exit 5 : exit 42;
}
sub split_off {
   my $pid = fork // die "fork: $!";
   child ($forks) if !$pid;
   $forks++;
   waitpid $pid, 0;
   $bad++, print "status $?, " if $? != 42 << 8;
}
sub finish {
   drain;
   print "$forks forks, $bad bad, ", $served == $sent ? "each served" : "$served of $sent served";
}
PRELUDE

sub shows {
   my ($name, $forks, $program) = @_;
   my ($status, $output) = run_perl "$prelude\n$program\nfinish;";
   is "$status: $output", "exit 0: $forks forks, 0 bad, each served", $name;
}

shows "a busy parent", 12, 'for (1 .. 12) { submit for 1 .. 100; split_off; IO::AIO::poll_cb if $_ % 3 }';
shows "workers that come and go", 12, 'IO::AIO::max_idle 0; IO::AIO::idle_timeout 0; for (1 .. 12) { submit; split_off; drain if $_ % 2 }';

my %place = (
   "a callback"                 => 'aio_nop sub { split_off }',
   "a poll inside a callback"   => 'aio_nop sub { aio_nop sub { split_off }; IO::AIO::poll }',
   "a group's callback"         => 'my $group = aio_group sub { split_off }; $group->add (aio_nop)',
   "a member's callback"        => 'my $group = aio_group; $group->add (aio_nop sub { split_off })',
   "a feeder"                   => 'my $left = 2; my $group = aio_group; $group->limit (1); $group->feed (sub { split_off if $left == 1; $_[0]->add (aio_nop) if $left-- > 0 })',
   "a callback's destructor"    => '{ my $guard = bless [], "Guard"; aio_nop sub { $guard } } sub Guard::DESTROY { main::split_off if $$ == $top }',
   "the hook of a submission"   => 'IO::AIO::_on_next_submit (sub { split_off }); submit',
   "a handler during a wait"    => 'my ($gate) = park 1; $SIG{ALRM} = sub { split_off; release $gate }; Time::HiRes::ualarm (1000); IO::AIO::poll until $forks % 4 == 0',
);
for my $place (sort keys %place) {
   # Four ways for the child to live and end.
   my $times = $place =~ /handler/ ? 'for (1 .. 4) { submit for 1 .. 10; my $until = $forks + 1; ' . ($place{$place} =~ s/until .*/until \$forks == \$until/r) . '; drain }'
                                   : 'for (1 .. 4) { submit for 1 .. 10; ' . $place{$place} . '; IO::AIO::flush }';
   shows "from $place", 4, $times;
}

shows "system and backticks", 0, 'for (1 .. 5) { submit for 1 .. 100; system ("exit 7;") == 7 << 8 or $bad++; `echo x` eq "x\n" or $bad++; IO::AIO::poll_cb }';

done_testing;
