# major, minor, makedev; get_fdlimit, min_fdlimit.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(:all);
use Config;
use POSIX ();
use Test::More;
use IO::AIO;

# ---- device numbers --------------------------------------------------------

my @pair = ([0, 0], [1, 3], [8, 1], [255, 255]);
push @pair, [259, 65536], [4095, 255], [4095, 1048575], [1, 256] if $^O eq "linux";
push @pair, [0x12345, 0x6789abcd], [0xfffff000, 0xff], [0xffffffff, 0xffffffff] if $^O eq "linux" && $Config{ivsize} >= 8;
for my $pair (@pair) {
   my $device = IO::AIO::makedev $pair->[0], $pair->[1];
   is join (" ", IO::AIO::major ($device), IO::AIO::minor ($device)), "@$pair", "makedev @$pair, and back";
}
SKIP: {
   $^O eq "linux" or skip "the encoding is that of Linux", 4;
   is IO::AIO::makedev (8, 1), 2049, "small numbers";
   is IO::AIO::makedev (259, 65536), 268501760, "large ones";
   is IO::AIO::makedev (4095, 1048575), 4294967295, "up to 32 bits";
   $Config{ivsize} >= 8 or skip "this perl has 32-bit integers", 1;
   is IO::AIO::makedev (0x12345, 0x6789abcd), 323774410081741, "and beyond";
}
for my $path ("/", "/dev", scratch) {
   my $device = (stat $path)[0];
   is IO::AIO::makedev (IO::AIO::major ($device), IO::AIO::minor ($device)), $device, "the device of $path" if defined $device;
}
{
   my $null = (stat "/dev/null")[6];
   is IO::AIO::major ($null) . " " . IO::AIO::minor ($null), "1 3", "/dev/null" if $^O eq "linux";
}

# ---- the descriptor limit --------------------------------------------------

my $limit = IO::AIO::get_fdlimit;
is $limit, POSIX::sysconf (POSIX::_SC_OPEN_MAX ()), "get_fdlimit is the soft limit";
ok +IO::AIO::min_fdlimit (10), "below it: true";
is IO::AIO::get_fdlimit, $limit, "never lowered";
ok +IO::AIO::min_fdlimit ($limit), "the limit itself: true";
is IO::AIO::get_fdlimit, $limit, "unchanged";

# A program that starts with low limits, set by the shell.
sub limited {
   my ($name, $program, $expect) = @_;
   my ($status, $output) = run_perl <<'OUTER', $program;
my $program = shift;
exec "sh", "-c", 'ulimit -Sn 200 && ulimit -Hn 1000 && exec "$@"', "sh", $^X, "-MIO::AIO", "-e", $program;
OUTER
   my $got = "$status: $output";
   ref $expect ? like $got, $expect, $name : is $got, $expect, $name;
}

my $show = 'print IO::AIO::get_fdlimit;';
SKIP: {
   my ($status, $output) = run_perl <<"OUTER";
exec "sh", "-c", 'ulimit -Sn 200 && ulimit -Hn 1000 && echo yes';
OUTER
   $output eq "yes\n" or skip "the shell cannot set limits of descriptors", 7;
   limited "the limit in such a program", $show, "exit 0: 200";
   limited "raised", 'print IO::AIO::min_fdlimit (600) ? "true " : "false ";' . $show, "exit 0: true 600";
   limited "up to the hard limit", 'print IO::AIO::min_fdlimit (1000) ? "true " : "false ";' . $show, "exit 0: true 1000";
   limited "never lowered", 'IO::AIO::min_fdlimit (700); IO::AIO::min_fdlimit (300);' . $show, "exit 0: 700";
   limited "more than there can be: undef, as far as possible", '$! = 0; my $r = IO::AIO::min_fdlimit (0x7fffffff); print defined $r ? "true " : $! ? "undef " : "no error "; print IO::AIO::get_fdlimit >= 1000 ? "enough" : "less"', qr/^exit 0: (?:undef|true) enough\z/;
   limited "by default as far as possible", 'IO::AIO::min_fdlimit; print IO::AIO::get_fdlimit >= 1000 ? "enough" : "less"', "exit 0: enough";
   limited "which can be used", 'IO::AIO::min_fdlimit (800); my @f; for (1 .. 700) { open my $f, "<", "/dev/null" or last; push @f, $f } print scalar @f', "exit 0: 700";
}

done_testing;
