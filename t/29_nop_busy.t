# Contract: aio_nop and aio_busy, and what all requests have in common.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use IO::AIO;
use Time::HiRes qw(time);

{
   my $r = run { aio_nop $_[0] };
   is "$r->{called} $r->{argc}", "1 0", "aio_nop passes nothing";
   my ($context, $topic);
   local $_ = "kept";
   run { aio_nop sub { $context = wantarray; $topic = $_; 1 } };
   is $context, undef, "a callback is called in void context";
   is "$topic $_", "kept kept", "... and \$_ is untouched";

   my $called = 0;
   my $req = aio_nop sub { $called++ };
   is $called, 0, "a callback is never called by the submission";
   is ref $req, "IO::AIO::REQ", "a request in scalar context is an object";
   $req->{mine} = 1;
   is join (",", %$req), "mine,1", "... a hash for the user";
   my @list = aio_nop;
   is "@{[map ref, @list]}", "IO::AIO::REQ", "... in list context, too";
   drain;
   is $called, 1, "... and called once";

   hold;
   aio_nop;
   is IO::AIO::nready, 1, "a nop passes through a worker";
   release;
}
{
   my $before = time;
   my $r = run { IO::AIO::aio_busy (0.2, $_[0]) };
   cmp_ok time - $before, ">=", 0.19, "aio_busy takes its time";
   is "$r->{called} $r->{argc}", "1 0", "... and passes nothing";
   is +(run { IO::AIO::aio_busy (-1, $_[0]) })->{called}, 1, "a negative time is 0";
   is +(run { IO::AIO::aio_busy (0, $_[0]) })->{called}, 1, "no time";

   IO::AIO::max_parallel 1;
   my @order;
   IO::AIO::aio_busy (0.05, sub { push @order, "busy" });
   aio_nop sub { push @order, "nop" };
   drain;
   is "@order", "busy nop", "aio_busy occupies a worker";
   IO::AIO::min_parallel 8;
   ok !defined &aio_busy, "aio_busy is not exported";
}

# callbacks in all forms
{
   package Callable;
   our $overloads = 0;
   use overload '&{}' => sub { $overloads++; my $s = shift; sub { $$s = "called" } }, fallback => 1;
}
{
   our $seen = "";
   no warnings "once";
   sub named { $seen = "named" }
   sub Other::named { $seen = "other" }
   *glob = sub { $seen = "glob" };
   for (
      ["a code reference"        => sub { $seen = "code" }, "code"],
      ["a blessed one"           => (bless sub { $seen = "blessed" }, "Thing"), "blessed"],
      ["a name"                  => "named", "named"],
      ["a qualified name"        => "Other::named", "other"],
      ["a glob"                  => *glob, "glob"],
      ["a reference to a glob"   => \*glob, "glob"],
   ) {
      my ($name, $cb, $want) = @$_;
      $seen = "";
      aio_nop $cb;
      drain;
      is $seen, $want, "callback: $name";
   }
   my $text = "";
   aio_nop bless \$text, "Callable";
   is $Callable::overloads, 1, "callback: an object is asked for its code at submission";
   drain;
   is "$text $Callable::overloads", "called 1", "... once";
   aio_nop undef;
   is IO::AIO::nreqs, 1, "callback: undef is none";
   drain;
   hold;
   aio_nop "named";
   { no warnings "redefine"; *named = sub { $seen = "redefined" } }
   release;
   is $seen, "named", "a name is resolved at submission";
}
{
   my $freed = 0;
   my $guard = guard $freed;
   aio_nop do { my $g = $guard; sub { $g } };
   undef $guard;
   is $freed, 0, "a callback lives until it is called";
   drain;
   is $freed, 1, "... and no longer";
   my $again = 0;
   my $g2 = guard $again;
   my $req = aio_nop do { my $g = $g2; sub { $g } };
   undef $g2;
   $req->cancel;
   drain;
   is $again, 1, "a cancelled one is released, too, although the object lives";
}

done_testing;
