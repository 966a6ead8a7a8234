# POE, with the recipe of the manual.
use strict;
use warnings;
use lib "xt/lib";
use LoopTest "libpoe-perl" => "POE";
use IO::AIO;
use POE;

my $results;
loop_test (
   version  => "POE $POE::VERSION on " . POE::Kernel::poe_kernel_loop (),
   attach   => sub {
      open $results, "<&=", IO::AIO::poll_fileno or die "poll_fileno: $!";
      POE::Session->create (inline_states => {
         _start  => sub { $_[KERNEL]->select_read ($results, "results") },
         results => sub { IO::AIO::poll_cb },
      });
   },
   readable => sub { my ($fh, $cb) = @_; $poe_kernel->select_read ($fh, "readable", $cb) },
   after    => sub { my ($seconds, $cb) = @_; $poe_kernel->delay_set ("timer", $seconds, $cb) },
   run      => sub {
      my ($begin) = @_;
      POE::Session->create (inline_states => {
         _start   => sub { $begin->() },
         readable => sub { $_[ARG2]->() },
         timer    => sub { $_[ARG0]->() },
      });
      POE::Kernel->run;
   },
   stop     => sub { POE::Kernel->stop },
);
