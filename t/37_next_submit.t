# The hook that runs once, at the next submission.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }
my $hook = \&IO::AIO::_on_next_submit;

is_deeply [IO::AIO::_on_next_submit (sub { push @log, "hook(" . @_ . ") nreqs " . IO::AIO::nreqs })], [], "setting it returns nothing";
is take, "", "it does not run then";
aio_nop sub { push @log, "callback" };
push @log, "submitted";
drain;
is take, "hook(0) nreqs 1 submitted callback", "it runs without arguments, after the request is queued, before its function returns";
aio_nop;
drain;
is take, "", "once";

$hook->(sub { push @log, "first" });
$hook->(sub { push @log, "second" });
aio_nop;
is take, "second", "the last one set counts";

$hook->(sub { push @log, "wrong" });
$hook->(undef);
aio_nop;
is take, "", "undef removes it";

$hook->(sub { push @log, "hook" });
my $group = aio_group;
is take, "hook", "a group triggers it";
drain;

for my $composite (
   [scandir  => sub { aio_scandir scratch, 0, sub { } }],
   [load     => sub { aio_load scratch . "/none", my $data, sub { } }],
   [pathsync => sub { aio_pathsync scratch, sub { } }],
) {
   my ($name, $submit) = @$composite;
   my $n = 0;
   $hook->(sub { $n++ });
   $submit->();
   is $n, 1, "aio_$name triggers it, once";
   drain;
   is $n, 1, "its parts do not";
}

# ---- inside ----------------------------------------------------------------

$hook->(sub { push @log, "hook"; aio_nop sub { push @log, "inner" } });
aio_nop sub { push @log, "outer" };
is IO::AIO::nreqs, 2, "it may submit";
drain;
is join (" ", sort split " ", take), "hook inner outer", "which does not trigger it";

{
   my $n = 0;
   my $again; $again = sub { push @log, ++$n; $hook->($again) if $n < 3 };
   $hook->($again);
   my @count = map { aio_nop; scalar @log } 1 .. 5;
   is "@count", "1 2 3 3 3", "set again inside, it fires for the next request";
   take;
   drain;
}

{
   my $error;
   my @warnings = warnings_of {
      $hook->(sub { push @log, "hook"; die "oops\n" });
      $error = error_of { aio_nop sub { push @log, "callback" } };
   };
   is $error, "", "its exceptions are ignored";
   is error_of { drain }, "", "by the next poll, too";
   is take, "hook callback", "the request is queued as usual";
}

# ---- forms -----------------------------------------------------------------

sub named { push @log, "named" }
{
   package Callable;
   use overload "&{}" => sub { my $self = shift; sub { push @log, "overloaded" } }, fallback => 1;
}
for my $form (["a code reference", \&named], ["a name", "main::named"], ["a short name", "named"], ["a glob", *named]) {
   my ($name, $code) = @$form;
   $hook->($code);
   aio_nop;
   is take, "named", "$name";
}
$hook->(bless {}, "Callable");
aio_nop;
is take, "overloaded", "an object with overloaded call";
drain;

# ---- what does not trigger it ----------------------------------------------

$hook->(\&named);
IO::AIO::poll_cb;
IO::AIO::flush;
is take, "", "polling does not trigger it";
error_of { aio_stat {}, sub { } };
error_of { aio_nop "no such sub" };
is take, "", "nor does a refused request";
is aioreq_pri (2), 0, "setting a priority neither";
is take, "", "not at all";
aio_nop;
is take, "named", "the next request does";
is aioreq_pri, 0, "and uses the priority";
drain;

{
   aioreq_pri (0);
   $hook->(sub { push @log, "pri " . aioreq_pri; aioreq_pri (3) });
   aioreq_pri (2);
   aio_nop;
   is take, "pri 0", "the priority is used up when it runs";
   is aioreq_pri (0), 3, "and what it sets is for the next request";
   drain;
}

{
   my $freed = 0;
   sub Freed::DESTROY { $freed++ }
   { my $guard = bless [], "Freed"; $hook->(sub { $guard }) }
   is $freed, 0, "a hook is kept";
   aio_nop;
   is $freed, 1, "until it has run";
   { my $guard = bless [], "Freed"; $hook->(sub { $guard }) }
   $hook->(undef);
   is $freed, 2, "or is removed";
   drain;
}

done_testing;
