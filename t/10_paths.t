# Contract: the ways to name a file, and what is refused.
# Every place where a function takes a path is tried with every kind of path.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use Errno qw(ENOENT);
use IO::AIO;

my $dir = scratch;
chdir $dir or die;
spew "other", "of the other";
my @slots = path_slots "$dir/other";

# what a slot passed to say "no such file"
sub says_enoent {
   my ($how, $r) = @_;
   return 0 if defined $r->{died} || $r->{called} != 1 || $r->{errno} != ENOENT;
   return $r->{argc} == 0                                                       if $how eq "empty";
   return $r->{argc} == 1 && !defined $r->{args}[0]                             if $how eq "undef";
   return $r->{argc} == 2 && !defined $r->{args}[0]                             if $how eq "readdirx";
   $r->{argc} == 1 && defined $r->{args}[0] && $r->{args}[0] eq "-1"
}

sub each_slot {
   my ($name, $path, $judge) = @_;
   my @bad;
   for (@slots) {
      my ($slot, $arg, $how, $call) = @$_;
      spew "other", "of the other";
      my $r = run { $call->($path, $_[0]) };
      push @bad, "$slot: " . AIOPaths::told ($r) unless $judge->($how, $r, $arg);
   }
   ok !@bad, $name or diag join "\n", @bad;
   is names ($dir), "other", "... and nothing was touched";
}

my $wd = (run { aio_wd $dir, $_[0] })->{args}[0];
isa_ok $wd, "IO::AIO::WD", "what aio_wd passes";

# perl warns about some undefined names, which is no part of the promise
$SIG{__WARN__} = sub { print STDERR @_ unless $_[0] =~ /^Use of uninitialized value/ };

each_slot "undef is the empty string: ENOENT",         undef, \&says_enoent;
each_slot "the empty string: ENOENT",                  "", \&says_enoent;
each_slot "a pair with the empty string: ENOENT",      [$wd, ""], \&says_enoent;
each_slot "a pair with an undefined path: ENOENT",     [$wd, undef], \&says_enoent;
each_slot "no directory: ENOENT",                      [undef, "other"], \&says_enoent;
each_slot "no directory, absolute path: ENOENT",       [undef, "$dir/other"], \&says_enoent;
each_slot "INVALID_WD: ENOENT",                        [IO::AIO::INVALID_WD, "other"], \&says_enoent;
each_slot "INVALID_WD, absolute path: ENOENT",         [IO::AIO::INVALID_WD, "$dir/other"], \&says_enoent;
each_slot "INVALID_WD alone: ENOENT",                  IO::AIO::INVALID_WD, \&says_enoent;
each_slot "a path with a NUL: ENOENT, not cut there",  "other\0x", \&says_enoent;
each_slot "a pair with a NUL: ENOENT",                 [$wd, "other\0"], \&says_enoent;

{
   my @half; $#half = 1;
   each_slot "a pair of missing elements: as undef", \@half, \&says_enoent;
   $half[0] = $wd;
   each_slot "a pair with a missing path: as undef", \@half, \&says_enoent;
}

my $shape = qr/^IO::AIO: pathname arguments must be specified as a string, an IO::AIO::WD object or a \[IO::AIO::WD, path\] pair/;
sub dies_with { my ($re) = @_; sub { my ($how, $r) = @_; defined $r->{died} && $r->{died} =~ $re && !$r->{called} } }

{
   package Textual;
   use overload '""' => sub { $dir }, fallback => 1;
}

each_slot "an empty array is refused",             [],                        dies_with $shape;
each_slot "an array of one is refused",            ["other"],                 dies_with $shape;
each_slot "an array of three is refused",          [$wd, "other", 1],         dies_with $shape;
each_slot "a hash is refused",                     {},                        dies_with $shape;
each_slot "code is refused",                       sub { },                   dies_with $shape;
each_slot "a reference to a string is refused",    \"other",                  dies_with $shape;
each_slot "an object is refused",                  (bless {}, "Textual"),     dies_with $shape;

my $object = qr/^IO::AIO: expected a working directory object as returned by aio_wd/;
@Derived::ISA = "IO::AIO::WD";
each_slot "a string as directory is refused",      [$dir, "other"],                      dies_with $object;
each_slot "another object as directory is refused", [(bless {}, "Textual"), "other"],    dies_with $object;
each_slot "a subclass as directory is refused",    [(bless \(my $d1 = 1), "Derived"), "other"], dies_with $object;

sub wide {
   my ($how, $r, $arg) = @_;
   my $re = $arg eq "wide"      ? qr/^Wide character in /
          : $arg eq "composite" ? qr/^"(?:pathname|oldpath|newpath)" argument must be byte\/octet-encoded|^Wide character in /
          :                       qr/^"$arg" argument must be byte\/octet-encoded/;
   dies_with ($re)->($how, $r)
}
each_slot "a character above 255 is refused", "other\x{100}", \&wide;
each_slot "... also in a pair", [$wd, "other\x{100}"], dies_with qr/^Wide character in |must be byte\/octet-encoded/;

{
   # fetching a path can die: nothing may have begun
   package Fatal;
   sub TIESCALAR { bless [] }
   sub FETCH     { die "no path today\n" }
}
{
   tie my $tied, "Fatal";
   my @bad;
   for (@slots) {
      my $r = run { $_->[3]->($tied, $_[0]) };
      push @bad, $_->[0] unless defined $r->{died} && $r->{died} eq "no path today\n" && !$r->{called};
   }
   is "@bad", "", "an exception of a tied path comes out of the call";
}

# ---- what the accepted forms mean
mkdir "sub"; spew "sub/file", "12345"; spew "file", "1"; mkdir "elsewhere";

my $size;
sub size { my ($path) = @_; run { aio_stat $path, sub { $size = $_[0] ? "$!" : -s _ } }; $size }

my $sub = (run { aio_wd [$wd, "sub"], $_[0] })->{args}[0];
is ref $sub, "IO::AIO::WD", "a directory object below another";
is size ("sub/file"), 5,               "a relative path";
is size ([$wd, "sub/file"]), 5,        "a pair";
is size ([$sub, "../file"]), 1,        "a pair going up";
is size ([$sub, "$dir/file"]), 1,      "an absolute path ignores the directory";
is size ([IO::AIO::CWD, "file"]), 1,   "CWD is the process's directory";
is size ((bless [$sub, "file"], "Textual")), 5, "a blessed pair is a pair";
ok !(run { aio_stat $sub, $_[0] })->{args}[0] && -d _, "an object alone is the directory itself";

{
   hold;
   my $pair = [$sub, "file"];
   my $path = "file";
   my @got;
   aio_stat $pair, sub { $got[0] = -s _ };
   aio_stat $path, sub { $got[1] = -s _ };
   aio_stat [IO::AIO::CWD, "file"], sub { $got[2] = $_[0] };
   aio_mkdir "elsewhere/made", 0777, sub { $got[3] = $_[0] };
   @$pair = ("gone", "gone");
   undef $pair;
   undef $sub;
   $path = "gone";
   chdir "elsewhere" or die;
   umask 077;
   release;
   chdir $dir or die;
   umask 022;
   is $got[0], 5, "pair and object may go while the request is queued";
   is $got[1], undef, "relative paths are resolved when the request is executed ...";
   is $got[2], -1, "... and so is CWD";
   is $got[3], -1, "... in the directory of that time";
   chdir "elsewhere"; mkdir "elsewhere";
   hold;
   aio_mkdir "made", 0777, sub { $got[4] = $_[0] };
   umask 077;
   release;
   is sprintf ("%o", 07777 & (stat "made")[2]), "700", "umask is that of the execution";
   umask 022;
   chdir $dir or die;
}

# octets and characters
{
   my $name   = "caf\xe9";
   my $octets = spew $name, "abc";
   utf8::upgrade (my $upgraded = $name);
   is size ($name), 3,              "octets";
   is size ($upgraded), 3,          "an upgraded string means its characters";
   is size ([$wd, $upgraded]), 3,   "... in a pair, too";
   my @seen = @{ (run { aio_readdir $dir, $_[0] })->{args}[0] };
   my ($seen) = grep { $_ eq $name } @seen;
   ok defined $seen && !utf8::is_utf8 ($seen), "names are delivered as octets";

   my $every = join "", grep { $_ ne "/" } map { chr } 1 .. 255;
   works { aio_mkdir "$dir/$every", 0755, $_[0] } "a name of all octets";
   ok -d "$dir/$every", "... is made as it is";
   works { aio_rmdir [$wd, $every], $_[0] } "... and removed";
}

# numbers, globs, tied scalars
spew "12345678", "ab";
is size (12345678), 2, "a number is the name of a file";
spew "*main::GLOBAL", "abcd";
{
   no warnings "once";
   works { aio_unlink *GLOBAL, $_[0] } "a glob is a string where no handle is taken";
   ok !-e "*main::GLOBAL", "... and names the file of that name";
}
{
   package Count;
   sub TIESCALAR { bless [$_[1], 0] }
   sub FETCH     { $_[0][1]++; $_[0][0] }
   package main;
   tie my $tied, "Count", "file";
   hold;
   my $got;
   aio_stat $tied, sub { $got = -s _ };
   (tied $tied)->[0] = "gone";
   release;
   is $got, 1, "a tied scalar is fetched at submission";
   is +(tied $tied)->[1], 1, "... and once";
}

done_testing;
