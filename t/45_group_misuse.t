# Group methods on what is no open group: exceptions, never harm.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my $expected = qr/object of class IO::AIO::REQ expected/;
my $busy     = qr/busy IO::AIO::REQ object expected/;

my @method = (
   [add         => sub { IO::AIO::GRP::add ($_[0], scalar aio_nop) }],
   [result      => sub { IO::AIO::GRP::result ($_[0], 1) }],
   [errno       => sub { IO::AIO::GRP::errno ($_[0], 1) }],
   [limit       => sub { IO::AIO::GRP::limit ($_[0], 1) }],
   [feed        => sub { IO::AIO::GRP::feed ($_[0], sub { }) }],
   [cancel_subs => sub { IO::AIO::GRP::cancel_subs ($_[0]) }],
);

# ---- not an object ---------------------------------------------------------

for my $bad (undef, "", "text", 5, [], {}, \"text", sub { }, *STDOUT, bless ([], "Other"), bless ({}, "Other")) {
   my $name = defined $bad ? ref $bad || "'$bad'" : "undef";
   like error_of { $_->[1]->($bad) }, $expected, "$_->[0] of $name" for @method;
}
drain;

# ---- a request that is no group --------------------------------------------

{
   IO::AIO::max_parallel 0;
   my $called = 0;
   my $req = aio_nop sub { $called++ };
   for (@method) {
      my ($name, $code) = @$_;
      ok error_of { $code->($req) } ne "", "$name of a plain request dies";
   }
   IO::AIO::min_parallel 1;
   drain;
   is $called, 1, "the request is not harmed";
}

# ---- done ------------------------------------------------------------------

{
   my $group = aio_group;
   drain;
   like error_of { $_->[1]->($group) }, $busy, "$_->[0] of a finished group" for grep $_->[0] ne "cancel_subs", @method;
   drain;
   is_deeply [$group->cancel_subs], [], "cancel_subs of a finished group does nothing";
   is_deeply [$group->cancel], [], "nor does cancel";
   is_deeply [$group->cb (sub { })], [], "nor does cb";
}

# ---- what is added ---------------------------------------------------------

{
   my @log;
   my $group = aio_group sub { push @log, "group" };
   for my $bad (undef, "", "text", 5, [], {}, \"text", sub { }, bless ({}, "Other"), IO::AIO::CWD) {
      my $name = defined $bad ? ref $bad || "'$bad'" : "undef";
      like error_of { add $group $bad }, $expected, "adding $name is refused";
   }
   my $before = aio_nop sub { push @log, "before" };
   my $after  = aio_nop sub { push @log, "after" };
   IO::AIO::max_parallel 1;
   ok error_of { add $group $before, "text", $after } ne "", "a list with something else in it is refused";
   pending 2;
   drain;
   like "@log", qr/before.*group/, "what stood before it has been added";
   is_deeply [sort @log], [qw(after before group)], "all ended, once";
}

{
   my $group = aio_group;
   is_deeply [add $group], [], "adding nothing is allowed";
   drain;
}

# ---- forged ----------------------------------------------------------------

for my $forged (bless ({}, "IO::AIO::REQ"), bless ({}, "IO::AIO::GRP"), bless ([], "IO::AIO::GRP"), bless (\my $scalar, "IO::AIO::GRP"), bless (sub { }, "IO::AIO::REQ")) {
   my ($type) = "$forged" =~ /=(\w+)/;
   my ($status, $output) = in_child {
      IO::AIO::reinit;
      error_of { $_->[1]->($forged) } for @method;
      error_of { $forged->cancel };
      error_of { $forged->cb };
      my $n = 0;
      my $group = aio_group sub { $n++ };
      error_of { add $group $forged };
      drain;
      print "group ended: $n";
   };
   is "$status: $output", "exit 0: group ended: 1", "a forged object of class " . (ref $forged) . ", made from $type, does no harm";
}

# ---- arguments -------------------------------------------------------------

{
   my $group = aio_group sub { };
   for my $call (
      ["limit without a number",     sub { IO::AIO::GRP::limit ($group) }],
      ["limit with two",             sub { IO::AIO::GRP::limit ($group, 1, 2) }],
      ["feed with two callbacks",    sub { IO::AIO::GRP::feed ($group, sub { }, sub { }) }],
      ["cancel_subs with arguments", sub { IO::AIO::GRP::cancel_subs ($group, 1) }],
      ["errno with two numbers",     sub { IO::AIO::GRP::errno ($group, 1, 2) }],
      ["add without a group",        sub { IO::AIO::GRP::add () }],
   ) {
      like error_of { $call->[1]->() }, qr/^Usage: /, "$call->[0]: usage";
   }
   drain;
}

{
   my $n = 0;
   my $group = aio_group sub { $n++ };
   my @warnings = warnings_of {
      error_of { $group->feed ("no_such_sub_at_all") };
      drain;
   };
   is $n, 1, "a feeder that does not exist does not keep the group from ending";
}

done_testing;
