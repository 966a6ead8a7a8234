# Invariant: the shared object stays mapped. perl may unload its extensions when it ends, while
# workers still sleep in this one.
use strict;
use warnings;
use lib "t/lib";
use Test::More tests => 3;
use AIOTest qw(in_child);
use IO::AIO;
use DynaLoader ();

my ($status, $output) = in_child {
   IO::AIO::aio_busy 0.01 for 1 .. 4;
   IO::AIO::flush;
   my ($ours) = grep $DynaLoader::dl_shared_objects[$_] =~ m{/IO/AIO/AIO\.}, 0 .. $#DynaLoader::dl_shared_objects;
   print "unloaded\n" if DynaLoader::dl_unload_file ($DynaLoader::dl_librefs[$ours]);
   aio_nop sub { print "served\n" };
   IO::AIO::flush;
};
is $status, "exit 0", "a program whose extensions were unloaded ends normally";
like $output, qr/^unloaded$/m, "perl was asked to unload them";
like $output, qr/^served$/m, "and requests are still served";
