# Contract: composite requests, cancelled: they stop at the next step, call no
# callback and keep nothing.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use IO::AIO;

my $top = scratch;
spew "$top/file", "content"; mkdir "$top/dir"; spew "$top/dir/f$_" for 1 .. 20;
my ($data, $called) = ("old", 0);
my $before = nfds;

my @calls = (
   ["aio_scandir"  => sub { aio_scandir "$top/dir", 0, $_[0] }],
   ["aio_load"     => sub { aio_load "$top/file", $data, $_[0] }],
   ["aio_copy"     => sub { aio_copy "$top/file", "$top/new", $_[0] }],
   ["aio_move"     => sub { aio_move "$top/file", "$top/new", $_[0] }],
   ["aio_rmtree"   => sub { aio_rmtree "$top/dir", $_[0] }],
   ["aio_pathsync" => sub { aio_pathsync "$top/file", $_[0] }],
);

for (@calls) {
   my ($name, $call) = @$_;
   my $freed = 0;
   hold;
   my $grp = do { my $g = guard $freed; $call->(sub { $called++; $g }) };
   $grp->cancel;
   is $freed, 0, "$name, cancelled while ready: keeps its callback until polled";
   release;
   is $freed, 1, "... then releases it";
   is $called, 0, "... uncalled";
   is names ($top) . " " . names ("$top/dir"), "dir file " . join (" ", sort map { "f$_" } 1 .. 20), "... and did nothing";
   is $data, "old", "... to any data";
   ok eval { $data .= ""; 1 }, "... which is writable";
   is nfds, $before, "... no descriptor is left";
   is ref $grp, "IO::AIO::GRP", "... the object stays";
   ok eval { $grp->cancel; 1 }, "... and may be cancelled again";
}

# as a member of a group
{
   my $ended = 0;
   hold;
   my $grp = aio_group sub { $ended++ };
   $grp->add (map { $_->[1]->(sub { $called++ }) } @calls);
   $grp->cancel_subs;
   release;
   is "$ended $called", "1 0", "members that are cancelled end their group";
   is names ($top), "dir file", "... and do nothing";
   my $other = 0;
   $grp = aio_group sub { $other++ };
   $grp->add (aio_scandir "$top/dir", 0, sub { $called++ });
   $grp->cancel;
   drain;
   is "$other $called", "0 0", "a group that is cancelled takes its members along";
}

# cancelled at any time: whatever was done, nothing is left over and nothing calls
{
   mkdir "$top/big";
   my $late = 0;
   for my $round (1 .. 40) {
      mkdir "$top/t$round";
      spew "$top/t$round/f$_" for 1 .. 20;
      my ($over, @grps) = (0);
      @grps = (
         aio_rmtree ("$top/t$round", sub { $late++ if $over }),
         aio_copy ("$top/file", "$top/big/c$round", sub { $late++ if $over }),
         aio_scandir ("$top/dir", 0, sub { $late++ if $over }),
         aio_load ("$top/file", (my $d), sub { $late++ if $over }),
      );
      IO::AIO::poll_cb for 1 .. $round % 7;
      $over = 1;
      $_->cancel for @grps;
      drain;
   }
   is $late, 0, "no callback comes after cancel";
   is IO::AIO::nreqs, 0, "nothing is outstanding";
   is nfds, $before, "no descriptor is left";
}

# the others go on
{
   hold;
   my @done;
   my @grp = map { my $n = $_; aio_scandir "$top/dir", 0, sub { push @done, $n } } 1 .. 9;
   $_->cancel for @grp[0, 4, 8];
   release;
   is join (" ", sort @done), "2 3 4 6 7 8", "others in the queue are not affected";
}

done_testing;
