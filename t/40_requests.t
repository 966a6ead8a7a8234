# Submission and request objects: what is accepted, what an object is, cb.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Test::More;
use IO::AIO;

my @log;
sub take { my @l = @log; @log = (); "@l" }
sub named { push @log, "named" }

my $freed = 0;
sub Guard::DESTROY { $freed++ }
sub freed { my $result = $freed; $freed = 0; $result }
sub guard { bless [], "Guard" }

# ---- the object ------------------------------------------------------------

my $req = aio_nop;
my @list = aio_nop;
is ref $req, "IO::AIO::REQ", "a request in scalar context returns its object";
is @list, 1, "in list context as well";
isnt $req, $list[0], "two calls, two objects";
is_deeply { %$req }, {}, "a hash, empty and free for the user";
is ref aio_group, "IO::AIO::GRP", "a group returns an object of class IO::AIO::GRP";
isa_ok scalar aio_group, "IO::AIO::REQ";
drain;
is ref (aio_scandir (scratch, 0)), "IO::AIO::GRP", "a composite returns a group";
drain;

{
   @My::REQ::ISA = "IO::AIO::REQ";
   my $sub = bless aio_nop (sub { push @log, "reblessed" }), "My::REQ";
   is ref $sub->cb, "CODE", "methods work on a subclass";
   my $group = aio_group;
   is error_of { add $group $sub }, "", "also for add";
   drain;
   is take, "reblessed", "reblessing changes nothing else";
}

aio_nop sub { push @log, "callback" };
{ my $dropped = aio_nop sub { push @log, "dropped" } }
drain;
is join (" ", sort split " ", take), "callback dropped", "dropping the object does not cancel";

{
   { my $kept = aio_nop; $kept->{guard} = guard }
   is freed, 0, "the hash lives as long as the request needs it";
   drain;
   is freed, 1, "and goes with it";
   my $kept = aio_nop;
   $kept->{guard} = guard;
   drain;
   is freed, 0, "or as long as the user does";
   is_deeply [keys %$kept], ["guard"], "its contents stay";
   undef $kept;
   is freed, 1, "then goes";
}

{
   { my $guard = guard; aio_nop sub { $guard && 1 } }
   is freed, 0, "a callback is kept until it has run";
   drain;
   is freed, 1, "then released";
   my $own;
   { my $guard = guard; $own = aio_nop sub { $guard && 1 } }
   drain;
   is freed, 1, "even if the object is kept";
}

# ---- callbacks accepted ----------------------------------------------------

{
   package Callable;
   our $asked = 0;
   sub new { bless {}, shift }
   use overload "&{}" => sub { $asked++; sub { push @log, "overloaded" } }, fallback => 1;
}
{
   package Textual;
   use overload '""' => sub { "main::named" }, fallback => 1;
}
{
   package TiedCode;
   sub TIESCALAR { bless [$_[1]], $_[0] }
   sub FETCH { $_[0][0] }
}
{
   package Elsewhere;
   sub local_name { push @log, "elsewhere" }
   sub submit { IO::AIO::aio_nop "local_name" }
}

tie my $tied, "TiedCode", \&named;
sub declared;
for my $form (
   ["a code reference", \&named],
   ["a blessed code reference", (bless sub { push @log, "named" }, "Blessed")],
   ["a glob", *named],
   ["a reference to a glob", \*named],
   ["a name", "named"],
   ["a qualified name", "main::named"],
   ["a tied scalar", $tied],
) {
   my ($name, $code) = @$form;
   aio_nop $code;
   drain;
   is take, "named", "$name is accepted";
}

aio_nop $tied;
drain;
is take, "named", "also directly";
Elsewhere::submit ();
drain;
is take, "elsewhere", "a name is relative to the package of the calling code";

{
   my $object = Callable->new;
   $Callable::asked = 0;
   aio_nop $object;
   is $Callable::asked, 1, "an overloaded object is asked once, at submission";
   drain;
   is take, "overloaded", "and called";
   is $Callable::asked, 1, "not asked again";
}

aio_nop undef;
is error_of { drain }, "", "undef is no callback";
aio_nop \&declared;
like error_of { drain }, qr/Undefined subroutine/, "a sub without body fails when called";

{
   my $code = sub { push @log, "old" };
   aio_nop $code;
   $code = sub { push @log, "new" };
   drain;
   is take, "old", "the callback is taken at submission";
   no warnings "redefine";
   local *named = \&named;
   aio_nop "named";
   { no strict "refs"; *{"main::named"} = sub { push @log, "redefined" } }
   drain;
   is take, "named", "a name is looked up at submission";
}

# ---- and refused -----------------------------------------------------------

for my $form (
   ["an array reference", [], qr/Not a subroutine reference/],
   ["a hash reference", {}, qr/Not a subroutine reference/],
   ["a scalar reference", \1, qr/Not a subroutine reference/],
   ["a regexp", qr/x/, qr/Not a subroutine reference/],
   ["an object with string overloading", (bless {}, "Textual"), qr/Not a subroutine reference/],
   ["a name that is no sub", "no_such_sub", qr/callback must be a CODE reference/],
   ["an empty string", "", qr/callback must be a CODE reference/],
   ["a number", 5, qr/callback must be a CODE reference/],
   ["zero", 0, qr/callback must be a CODE reference/],
   ["a glob without code", *STDOUT, qr/callback must be a CODE reference/],
) {
   my ($name, $code, $message) = @$form;
   like error_of { aio_nop $code }, $message, "$name is refused";
   is IO::AIO::nreqs, 0, "nothing is queued";
   like error_of { aio_group $code }, $message, "for a group, too";
   is IO::AIO::nreqs, 0, "nothing is queued";
}

for my $case (["aio_nop", 1, 2], ["aio_stat", 0], ["aio_stat", "/", undef, 1], ["aio_open", "x"], ["aio_group", undef, 1], ["aio_busy"]) {
   my ($name, @arg) = @$case;
   @arg = () if $name eq "aio_stat" && @arg == 1;
   like error_of { IO::AIO->can ($name)->(@arg) }, qr/^Usage: /, "$name with " . @arg . " arguments: usage";
}
is IO::AIO::nreqs, 0, "nothing is queued";

# ---- what a request keeps --------------------------------------------------

spew scratch . "/data", "0123456789";
{
   my ($gate) = park 1;   # not needed for the promise, but makes it last
   my ($fd, $size);
   {
      open my $fh, "<", scratch . "/data" or die;
      $fd = fileno $fh;
      my $buffer = "";
      aio_read $fh, 0, 10, $buffer, 0, sub { $size = $_[0] };
   }
   release $gate;
   drain;
   is $size, 10, "a handle and a buffer that go out of scope are kept";
}
{
   IO::AIO::max_parallel 0;
   open my $fh, "<", scratch . "/data" or die;
   my $buffer = "old";
   aio_read $fh, 0, 10, $buffer, 0, sub { };
   like error_of { $buffer = "x" }, qr/^Modification of a read-only value/, "a buffer is read-only while its request is outstanding";
   is $buffer, "old", "and readable";
   IO::AIO::min_parallel 8;
   drain;
   is $buffer, "0123456789", "it is filled";
   is error_of { $buffer = "x" }, "", "and writable afterwards";
}
{
   IO::AIO::max_parallel 0;
   my $path = scratch . "/data";
   my @pair = (IO::AIO::CWD, $path);
   my @result;
   aio_stat $path, sub { push @result, $_[0] };
   aio_stat \@pair, sub { push @result, $_[0] };
   $path = "changed";
   @pair = ();
   IO::AIO::min_parallel 8;
   drain;
   is "@result", "0 0", "strings and pairs may be changed after the call";
}

# ---- cb --------------------------------------------------------------------

IO::AIO::max_parallel 1;
{
   my $code = sub { push @log, "code" };
   my $req = aio_nop $code;
   is $req->cb, $code, "cb returns the callback";
   my $other = sub { push @log, "other" };
   is $req->cb ($other), $code, "with an argument it returns the old one";
   is $req->cb, $other, "and sets the new";
   is_deeply [$req->cb (undef)], [$other], "undef removes it";
   is_deeply [$req->cb], [undef], "which shows as undef";
   $req->cb ($code);
   pending 1;
   is $req->cb, $code, "it works for pending requests";
   $req->cb (sub { push @log, "late" });
   drain;
   is take, "late", "the callback at delivery counts";
   is_deeply [$req->cb], [], "done: an empty list";
   is_deeply [$req->cb ($code)], [], "done: nothing is set";
   is_deeply [$req->cancel], [], "done: cancel returns nothing";
}
{
   my $req = aio_nop;
   is_deeply [$req->cb], [undef], "no callback shows as undef";
   my $blessed = bless sub { push @log, "blessed" }, "Blessed";
   $req->cb ($blessed);
   is ref $req->cb, "Blessed", "a blessed callback stays blessed";
   $req->cb (Callable->new);
   is ref $req->cb, "CODE", "an overloaded object has become code";
   for my $bad ([], "no_such_sub", 7, "") {
      ok error_of { $req->cb ($bad) } ne "", "cb refuses what submission refuses";
   }
   is ref $req->cb, "CODE", "which changes nothing";
   $req->cb ("Elsewhere::local_name");
   drain;
   is take, "elsewhere", "a name is accepted";
}
{
   my $req;
   { my $guard = guard; $req = aio_nop sub { $guard && 1 } }
   $req->cb (undef);
   is freed, 1, "the old callback is released at once";
   drain;
}
{
   my $group = aio_group sub { push @log, "old" };
   $group->cb (sub { push @log, "new" });
   drain;
   is take, "new", "cb of a group";
}
{
   my $req; $req = aio_nop sub { push @log, scalar (() = $req->cb), scalar (() = $req->cb (sub { })) };
   drain;
   cmp_ok scalar (split " ", take), "<=", 2, "cb in the request's own callback does no harm";
}
{
   my $req = aio_nop sub { push @log, "old" };
   is IO::AIO::REQ::cb ($req, \&named) && ref $req->cb, "CODE", "cb works as a function";
   IO::AIO::REQ::cancel ($req);
   drain;
   is take, "", "cancel, too";
}

# ---- anything else ---------------------------------------------------------

for my $bad (undef, "", "text", 5, [], {}, \1, sub { }, *STDOUT, (bless [], "Other")) {
   my $name = defined $bad ? ref $bad || "'$bad'" : "undef";
   like error_of { IO::AIO::REQ::cb ($bad) }, qr/object of class IO::AIO::REQ expected/, "cb of $name";
   like error_of { IO::AIO::REQ::cancel ($bad) }, qr/object of class IO::AIO::REQ expected/, "cancel of $name";
}

{
   my $forged = bless {}, "IO::AIO::REQ";
   is error_of { $forged->cancel }, "", "a forged object counts as done: cancel";
   is_deeply [eval { $forged->cb (sub { }) }], [], "and cb";
   $forged = bless {}, "IO::AIO::GRP";
   is error_of { $forged->cancel }, "", "a forged group, too";
   ok error_of { $forged->result (1) } ne "", "result on it dies";
}

done_testing;
