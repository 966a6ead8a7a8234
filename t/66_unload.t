# Invariant: the shared object stays mapped. perl may unload its extensions when it ends, while
# workers still sleep in this one.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOTest qw(in_child);
use IO::AIO;
use DynaLoader ();

plan skip_all => "this system does not tell what is mapped (no /proc/self/maps)"
   unless -r "/proc/self/maps";
plan tests => 3;

sub mapped {
   open my $maps, "<", "/proc/self/maps" or die $!;
   scalar grep m{/IO/AIO/AIO\.}, <$maps>;
}

my ($status, $output) = in_child {
   my ($ours) = grep $DynaLoader::dl_shared_objects[$_] =~ m{/IO/AIO/AIO\.}, 0 .. $#DynaLoader::dl_shared_objects;
   print "unloaded\n" if mapped && DynaLoader::dl_unload_file ($DynaLoader::dl_librefs[$ours]);
   print mapped () ? "mapped\n" : "gone\n";
};
is $status, "exit 0", "a program whose extensions were unloaded ends normally";
like $output, qr/^unloaded$/m, "perl was asked to unload the object";
like $output, qr/^mapped$/m, "it stays mapped";
