# nop or stat under the event loop EV: a watcher on poll_fileno calls poll_cb,
# each callback submits the next request.
use strict;
use warnings;
use EV;
use IO::AIO;
use AIOBench;

my ($n, $depth, $op) = (setting "n", setting "depth", setting "op");
my ($done, $size, $left) = (0, 0, $n - $depth);

my $watcher = EV::io IO::AIO::poll_fileno, EV::READ, \&IO::AIO::poll_cb;

my @path = $op eq "stat" ? file_paths setting "files", $n : ();
my %chain;
%chain = (
   nop => sub {
      ++$done;
      if ($left-- > 0)     { aio_nop $chain{nop} }
      elsif ($done == $n)  { EV::break }
   },
   stat => sub {
      $_[0] or $size += -s _;
      ++$done;
      if ($left-- > 0)     { aio_stat $path[$left], $chain{stat} }
      elsif ($done == $n)  { EV::break }
   },
);

timed {
   if ($op eq "stat") {
      aio_stat $path[$n - $_], $chain{stat} for 1 .. $depth;
   } else {
      aio_nop $chain{nop} for 1 .. $depth;
   }
   EV::run;
};

report ops => $n, check => "$done/$size";
