# What `make dist` makes is whole: it builds and passes its tests where there is
# no network and where cargo has never fetched anything, installs, works from
# where it was installed, and its packing list names all that was installed.
use strict;
use warnings;
use lib "xt/lib";

use Config;
use DistTest qw(scratch copy_to run works slurp);
use ExtUtils::Packlist ();
use File::Find ();
use JSON::PP ();
use Test::More;

my $scratch = scratch;
my $make    = $Config{make};

copy_to "$scratch/source";
chdir "$scratch/source" or die "$scratch/source: $!";

works "Makefile.PL, for the archive", $^X, "Makefile.PL";
works "make dist", $make, "dist";
my ($archive) = glob "IO-AIO-*.tar.gz";
ok defined $archive, "there is an archive" or BAIL_OUT "make dist made no archive";

mkdir "$scratch/unpacked" or die $!;
chdir "$scratch/unpacked" or die $!;
works "it can be unpacked", "tar", "xzf", "$scratch/source/$archive";
my ($dir) = glob "*";
is "$dir.tar.gz", $archive, "... into a folder of its name";
chdir $dir or die "$dir: $!";

# ---- what it says of itself ------------------------------------------------

my $meta = JSON::PP::decode_json (slurp ("META.json"));
is "$meta->{name}-$meta->{version}", $dir, "META.json has name and version";
is_deeply $meta->{license}, ["perl_5"], "... and licence";
is $meta->{prereqs}{runtime}{requires}{perl}, "5.020", "... and the oldest perl";
ok exists $meta->{prereqs}{configure}{requires}{"ExtUtils::MakeMaker"}, "... what configuring needs";
ok exists $meta->{prereqs}{test}{requires}{"Test::More"}, "... what testing needs";

# Everything it asks for comes with perl.
require Module::CoreList;
for my $phase (sort keys %{ $meta->{prereqs} }) {
   ok $_ eq "perl" || Module::CoreList::is_core ($_, undef, "5.020000"), "... $_ ($phase) comes with perl 5.20"
      for sort keys %{ $meta->{prereqs}{$phase}{requires} };
}

# ---- build, test, install --------------------------------------------------

# Without a network, where the system lets us have none; in any case with a
# cargo that has no store of its own and is told not to ask.
$ENV{CARGO_HOME} = "$scratch/cargo-home";
$ENV{RUSTUP_HOME} //= "$ENV{HOME}/.rustup" if defined $ENV{HOME} && -d "$ENV{HOME}/.rustup";
$ENV{PATH} .= ":$ENV{HOME}/.cargo/bin" if defined $ENV{HOME};
$ENV{CARGO_NET_OFFLINE} = "true";
my @alone = (run ("unshare", "--net", "true"))[0] ? () : ("unshare", "--net");
diag "no network namespace to be had here; cargo is only told to keep offline" unless @alone;

works "perl Makefile.PL", @alone, $^X, "Makefile.PL", "INSTALL_BASE=$scratch/base";
works "make -j4", @alone, $make, "-j4";
# The tests use the loopback interface, which a new network namespace has switched off.
my $output = works "make test", $make, "test";
like $output, qr/^Files=[1-9]\d*, Tests=[1-9].*\nResult: PASS$/m, "... has tests, and they pass";

my $object = "blib/arch/auto/IO/AIO/AIO.$Config{dlext}";
my $before = (stat $object)[9];
$output = works "make, once more", @alone, $make;
unlike $output, qr/cargo build/, "... calls no cargo";
is +(stat $object)[9], $before, "... and leaves the object as it is";

# A root that installs need not have a cargo.
works "make install", @alone, $make, "install", "CARGO=false";
my @installed;
File::Find::find ({ no_chdir => 1, wanted => sub { push @installed, $_ if -f } }, "$scratch/base");
my ($pm)       = grep m{/IO/AIO\.pm\z}, @installed;
my ($packlist) = grep m{/\.packlist\z}, @installed;
ok defined $pm && defined $packlist, "the module was installed, with a packing list" or BAIL_OUT "make install installed no module";

(my $lib = $pm) =~ s{/IO/AIO\.pm\z}{};
is works ("it works from there", $^X, "-I$lib", "-MIO::AIO", "-e",
          'aio_stat "/", sub { print $INC{"IO/AIO.pm"} if !$_[0] && -d _ }; IO::AIO::flush'), $pm, "... and is the one loaded";
is works ("so does treescan", "env", "PERL5LIB=$lib", $^X, "$scratch/base/bin/treescan", "-f", "-g", "AIO\\.pm", $lib), "$pm\n",
   "... which finds the module";

my %listed = map +($_ => 1), keys %{ ExtUtils::Packlist->new ($packlist) };
is_deeply [grep !$listed{$_} && !m{/(?:\.packlist|perllocal\.pod)\z}, @installed], [],
   "the packing list names every file";
unlink keys %listed;
my @left;
File::Find::find ({ no_chdir => 1, wanted => sub { push @left, $_ if -f && !m{/(?:\.packlist|perllocal\.pod)\z} } }, "$scratch/base");
is_deeply \@left, [], "... so that removing what it names leaves nothing";

# ---- cleaning --------------------------------------------------------------

works "make realclean", $make, "realclean";
require ExtUtils::Manifest;
$ExtUtils::Manifest::Quiet = 1;
is_deeply [ExtUtils::Manifest::filecheck ()], [], "make realclean leaves what was in the archive";
is_deeply [ExtUtils::Manifest::manicheck ()], [], "... all of it";

done_testing;
