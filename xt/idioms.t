# Three modules that are not in Debian use this one in ways that others do not:
# IO::AIO::Util, IO::AIO::LoadLimited and IO::AIO::Promiser. What they rely on is
# written down here, with programs of the same kind.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew drain open_fds);
use ClientTest;
use POSIX qw(EEXIST ENOENT ENOTDIR);
use Test::More;
use IO::AIO;

diag "IO::AIO $IO::AIO::VERSION from $INC{'IO/AIO.pm'}";
my $top = scratch;

# ---- as IO::AIO::Util: one request made of others --------------------------

# Makes a directory and those above it. A request to its users: it has the
# pending priority, an object to cancel, and passes 0, or -1 with $!.
sub mkpath {
   my ($path, $mode, $cb) = @_;
   my $pri   = aioreq_pri;
   my $group = aio_group $cb;
   # aio_group has used the priority up
   aioreq_pri $pri;
   my @missing;
   my ($up, $down);
   $up = sub {
      my ($dir) = @_;
      aioreq_pri $pri;
      add $group aio_stat $dir, sub {
         if (!$_[0]) {
            return &$down if -d _;
            local $! = ENOTDIR;
            $group->cancel_subs;
            $group->errno ($!);
            return $group->result (-1);
         }
         if ($! != ENOENT) {
            $group->cancel_subs;
            $group->errno ($!);
            return $group->result (-1);
         }
         push @missing, $dir;
         (my $parent = $dir) =~ s{/[^/]*\z}{};
         $up->($parent);
      };
   };
   $down = sub {
      my $dir = pop @missing;
      if (!defined $dir) {
         local $! = 0;
         return $group->result (0);
      }
      aioreq_pri $pri;
      add $group aio_mkdir $dir, $mode, sub {
         return &$down if !$_[0] || $! == EEXIST;
         $group->cancel_subs;
         $group->errno ($!);
         $group->result (-1);
      };
   };
   $up->($path);
   $group
}

{
   my @got;
   mkpath "$top/a/b/c/d", 0700, sub { @got = (@_, $! + 0) };
   drain;
   is "@got", "0 0", "mkpath: directories are made, and \$! is 0";
   ok -d "$top/a/b/c/d", "... all of them";

   @got = ();
   mkpath "$top/a/b/c/d", 0700, sub { @got = (@_, $! + 0) };
   drain;
   is "@got", "0 0", "mkpath: there already, and \$! is 0 though requests failed before";

   spew ("$top/file", "");
   mkpath "$top/file/x/y", 0700, sub { @got = (@_, $! + 0) };
   drain;
   is "@got", "-1 " . ENOTDIR, "mkpath: below a file: -1 and \$!, from a member's callback by cancel_subs, errno, result";
   mkpath "$top/file", 0700, sub { @got = (@_, $! + 0) };
   drain;
   is "@got", "-1 " . ENOTDIR, "mkpath: a file: -1 and a \$! of its own";
}

{
   my @n = (0) x 2;
   for my $i (1 .. 100) {
      mkpath "$top/many/" . join ("/", split //, $i), 0700, sub { $n[!!$_[0]]++ };
   }
   drain;
   is "@n", "100 0", "mkpath: a hundred at a time, in each other's way";
   is +(grep -d "$top/many/" . join ("/", split //, $_), 1 .. 100), 100, "... all of them are there";
}

{
   $! = ENOENT;
   my $errno;
   aio_mkdir "$top/one", 0700, sub { $errno = $! + 0 };
   drain;
   is $errno, 0, "\$! is 0 in the callback of an aio_mkdir that succeeded";
}

{
   my ($errno, @result);
   my $group = aio_group sub { $errno = $! + 0; @result = @_ };
   add $group aio_stat "$top/none", sub {
      is $! + 0, ENOENT, "a member fails";
      local $! = 0;
      $group->result (0);
   };
   drain;
   is "$errno @result", "0 0", "local \$! before result: that is the \$! of the group";
}

# Of directories that are there: a single request each, so that the order of
# execution is certain.
{
   my $order = "";
   IO::AIO::max_parallel 0;
   aioreq_pri (-3);
   mkpath "$top/a", 0700, sub { $order .= "low " };
   aio_stat $top, sub { $order .= "plain " };
   aioreq_pri (3);
   mkpath "$top/a", 0700, sub { $order .= "high " };
   is aioreq_pri, 0, "the priority is used up";
   IO::AIO::min_parallel 1;
   drain;
   IO::AIO::min_parallel 8;
   is $order, "high plain low ", "requests made of others have the priority given before";
}

{
   my $called = 0;
   IO::AIO::max_parallel 0;
   my $group = mkpath "$top/not/made", 0700, sub { $called++ };
   $group->cancel;
   IO::AIO::min_parallel 8;
   drain;
   is $called, 0, "mkpath: cancelled, it does not report";
   ok !-e "$top/not", "... and makes nothing";
}

# ---- as IO::AIO::LoadLimited: many files, a few at a time ------------------

# Loads files into a hash, no more than $limit at a time.
my $most = 0;

sub load_all {
   my ($paths, $limit, $data, $cb) = @_;
   my @queue   = @$paths;
   my $running = 0;
   my $group   = aio_group $cb;
   ref $group eq "IO::AIO::GRP" or die "a group is a " . ref $group;
   $group->limit ($limit);
   $group->feed (sub {
      my ($group) = @_;
      my $path = shift @queue;
      defined $path or return $group->result (1);
      $most = $running if ++$running > $most;
      my $load = aio_group sub { $running-- };
      add $group $load;
      add $load aio_stat $path, sub {
         $_[0] >= 0 or return $data->{$path} = undef;
         my $size = -s _;
         add $load aio_open $path, IO::AIO::O_RDONLY, 0, sub {
            my $fh = shift or return $data->{$path} = undef;
            add $load aio_read $fh, 0, $size, $data->{$path}, 0, sub {
               $_[0] >= 0 or $data->{$path} = undef;
               add $load aio_close $fh;
            };
         };
      };
   });
   $group
}

mkdir "$top/load" or die $!;
my %text = map { ("$top/load/$_" => "text $_\n" x $_) } 1 .. 200;
spew ($_, $text{$_}) for keys %text;

for my $limit (1, 4, 30) {
   my (%data, @got);
   $most = 0;
   load_all [sort keys %text], $limit, \%data, sub { push @got, "@_" };
   drain;
   is_deeply \@got, [1], "load: limit $limit: reported once, with what the feeder left as the result";
   is_deeply \%data, \%text, "... and all is loaded";
   is $most, $limit, "... as many at a time as the limit says";
}

{
   my (%data, @got);
   load_all [], 4, \%data, sub { push @got, "@_" };
   drain;
   is_deeply \@got, [1], "load: nothing to load";
   @got = ();
   load_all ["$top/none", (sort keys %text)[0], "$top/load"], 2, \%data, sub { push @got, "@_" };
   drain;
   is_deeply \@got, [1], "load: some files cannot be";
   is_deeply [map defined $data{$_} ? 1 : 0, "$top/none", (sort keys %text)[0], "$top/load"], [0, 1, 0], "... and the others are";
}

{
   my (%data, $called);
   my $group = load_all [sort keys %text], 4, \%data, sub { $called++ };
   aio_nop sub { $group->cancel };
   drain;
   ok !$called, "load: cancelled, it does not report";
   cmp_ok scalar keys %data, "<", 200, "... and does not go on";
}

# ---- as IO::AIO::Promiser: functions by name, arguments as a list ----------

# Calls a request function by its name. The promise is settled in its callback.
sub promise {
   my $name = shift;
   my $self = bless { state => "pending", then => [] }, "Promise";
   my $code = IO::AIO->can ("aio_$name") or die "no aio_$name";
   # aliases go along, so a buffer can be filled
   $code->(@_, sub {
      my @result = @_;
      # text and number, for they are looked at later
      my $error = $!;
      $self->settle (@result && defined $result[0] && $result[0] !~ /^-/ ? ("kept", @result) : ("broken", $error + 0, "$error"));
   });
   $self
}

{
   package Promise;

   sub settle {
      my ($self, $state, @value) = @_;
      @$self{qw(state value)} = ($state, \@value);
      $_->($self) for splice @{ $self->{then} };
   }

   sub then {
      my ($self, $code) = @_;
      my $next = bless { state => "pending", then => [] }, "Promise";
      my $step = sub {
         my ($done) = @_;
         return $next->settle ("broken", @{ $done->{value} }) if $done->{state} eq "broken";
         my @value = eval { $code->(@{ $done->{value} }) };
         return $next->settle ("broken", $@) if $@;
         return $next->settle ("kept", @value) unless ref $value[0] && ref $value[0] eq "Promise";
         my $inner = $value[0];
         my $pass = sub { $next->settle ($_[0]{state}, @{ $_[0]{value} }) };
         $inner->{state} eq "pending" ? push @{ $inner->{then} }, $pass : $pass->($inner);
      };
      $self->{state} eq "pending" ? push @{ $self->{then} }, $step : $step->($self);
      $next
   }
}

sub outcome { my ($p) = @_; drain; join " ", $p->{state}, map defined $_ ? $_ : "undef", @{ $p->{value} || [] } }

{
   my ($handle, $data);
   my $p = promise (open => "$top/load/50", IO::AIO::O_RDONLY, 0)
      ->then (sub { ($handle) = @_; promise (stat => $handle) })
      ->then (sub { promise (read => $handle, 0, -s _, $data, 0) })
      ->then (sub { my ($n) = @_; promise (close => $handle)->then (sub { $n }) });
   is outcome ($p), "kept " . length $text{"$top/load/50"}, "promises: open, stat, read, close";
   is $data, $text{"$top/load/50"}, "... the data";
   is ref \$handle, "GLOB", "... the handle is a glob, not a reference to one";
}

{
   my ($first, @copy);
   drain;
   my $p = promise (open => "$top/load/3", IO::AIO::O_RDONLY, 0)->then (sub { $first = $_[0]; @copy = ($first) x 2; 1 });
   outcome ($p);
   undef $first;
   ok sysread ($copy[0], my $data, 100), "the handle survives in a copy";
   is $data, $text{"$top/load/3"}, "... which can be read";
   my $open = open_fds;
   shift @copy;
   is open_fds, $open, "... stays open while there is another";
   @copy = ();
   is open_fds, $open - 1, "... and closes with the last one";
}

for (
   ["open",    "$top/none", IO::AIO::O_RDONLY, 0],
   ["readdir", "$top/none"],
   ["slurp",   "$top/none", 0, 0, my $data],
   ["rename",  "$top/none", "$top/none2"],
   ["copy",    "$top/none", "$top/none2"],
   ["rmdir",   "$top/none"],
) {
   my ($name, @args) = @$_;
   my $p = promise ($name, @args);
   is outcome ($p), "broken " . ENOENT . " " . do { local $! = ENOENT; "$!" }, "$name: the error is kept as a number and a text";
}

{
   my @p = map promise (mkdir => "$top/p$_", 0700)
                  ->then (sub { promise (rmdir => $_[0] ? "" : "$top/load") })
                  ->then (sub { 1 }), 1 .. 50;
   drain;
   is +(grep $_->{state} eq "broken", @p), 50, "50 chains of promises, each broken in its second step";
   is +(grep -d "$top/p$_", 1 .. 50), 50, "... and not in its first";
}

done_testing;
