#!/usr/bin/perl
# The short examples of the manual about groups, polling and workers, in its
# order. They work in a directory of their own.
#
#    manual-groups.pl
use strict;
use warnings;
use Cwd "getcwd";
use File::Temp "tempdir";
use IO::AIO;
use Time::HiRes "time";

$| = 1;
my $home = getcwd;
my $dir = tempdir (CLEANUP => 1);
chdir $dir or die "$dir: $!";
END { chdir $home if defined $home }

for ("file", "one", "two", "three", "urgent") {
   open my $fh, ">", $_ or die "$_: $!";
   print $fh "contents of $_\n";
   close $fh or die "$_: $!";
}

{
   # nothing is executed yet, so that the order is certain
   IO::AIO::max_parallel 0;
   aio_nop sub { print "second\n" };
   aioreq_pri 4;
   aio_stat "urgent", sub { print "first\n" };
   IO::AIO::min_parallel 1;
   IO::AIO::flush;
   IO::AIO::min_parallel 8;
}

{
   my $begin = time;
   aio_nop sub {
      printf "a request took %.6f seconds\n", time - $begin;
   };
   IO::AIO::flush;
}

IO::AIO::aio_busy 0.5, sub { print "half a second has passed\n" };
IO::AIO::flush;

aio_block {
   aio_stat $_ for "one", "two", "three";
};
print IO::AIO::nreqs, " requests after the block\n";
IO::AIO::flush;

{
   IO::AIO::max_parallel 0;
   my $req = aio_nop sub { print "one callback\n" };
   $req->cb (sub { print "another callback\n" });
   my $other = aio_nop sub { print "no callback\n" };
   $other->cancel;
   IO::AIO::min_parallel 8;
   IO::AIO::flush;
}

{
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
   IO::AIO::flush;
}

{
   my $grp = aio_group sub {
      print "the group failed: $!\n" if $!;
   };
   $grp->add (aio_stat "nonexistent", sub {
      $grp->errno ($!) if $_[0];
   });
   IO::AIO::flush;
}

{
   my $found;
   aio_stat "file", sub { $found = $_[0] == 0 ? "yes" : "no" };
   IO::AIO::poll until defined $found;
   print "found: $found\n";
}

IO::AIO::max_poll_time 0.1;
IO::AIO::max_parallel 1;
{
   my @order;
   for my $n (1 .. 5) {
      aio_nop sub { push @order, $n };
   }
   IO::AIO::flush;
   print "in order: @order\n";
}

IO::AIO::aio_busy 2;
eval {
   local $SIG{ALRM} = sub { die "too late\n" };
   alarm 1;
   IO::AIO::flush;
   alarm 0;
};
print "flush: $@" if $@;
IO::AIO::flush;
print IO::AIO::nreqs, " requests at the end\n";
