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

# All files below a directory, but for the two that record installations.
sub installed {
   my ($dir) = @_;
   my @files;
   File::Find::find ({ no_chdir => 1, wanted => sub { push @files, $_ if -f && !m{/perllocal\.pod\z} } }, $dir) if -d $dir;
   sort @files
}

# That what was installed there works, and that removing what its packing list
# names leaves nothing but that list. $remove does that.
sub lives_and_goes {
   my ($dir, $remove) = @_;
   my @files      = installed $dir;
   my ($pm)       = grep m{/IO/AIO\.pm\z}, @files;
   my ($packlist) = grep m{/\.packlist\z}, @files;
   my ($treescan) = grep m{/bin/treescan\z}, @files;
   ok defined $pm && defined $packlist && defined $treescan, "... installs module, program and packing list"
      or do { diag $_ for @files; return };

   (my $lib = $pm) =~ s{/IO/AIO\.pm\z}{};
   is works ("it works from there", $^X, "-I$lib", "-MIO::AIO", "-e",
             'aio_stat "/", sub { print $INC{"IO/AIO.pm"} if !$_[0] && -d _ }; IO::AIO::flush'), $pm, "... and is the one loaded";
   is works ("so does treescan", "env", "PERL5LIB=$lib", $^X, $treescan, "-f", "-g", "AIO\\.pm", $lib), "$pm\n",
      "... which finds the module";

   $remove->($packlist);
   is_deeply [grep $_ ne $packlist, installed $dir], [], "... so that removing it leaves nothing";
}

# Removes what a packing list names. ExtUtils::Install 2.20 writes names with the
# DESTDIR in front; a package manager would want them without.
sub by_packlist {
   my ($destdir) = @_;
   sub {
      my ($packlist) = @_;
      my @listed = map { index ($_, $destdir) ? "$destdir$_" : $_ } keys %{ ExtUtils::Packlist->new ($packlist) };
      is scalar (grep -f, @listed), scalar @listed, "the packing list names files that are there";
      unlink @listed;
   }
}

# A root that installs need not have a cargo.
works "make install, to an INSTALL_BASE", @alone, $make, "install", "CARGO=false";
lives_and_goes "$scratch/base", by_packlist "";

works "perl Makefile.PL with a PREFIX", @alone, $^X, "Makefile.PL", "PREFIX=$scratch/prefix";
works "make", @alone, $make;
works "make install, to a PREFIX", @alone, $make, "install", "CARGO=false";
lives_and_goes "$scratch/prefix", by_packlist "";
works "make install, to a DESTDIR", @alone, $make, "install", "DESTDIR=$scratch/destdir", "CARGO=false";
is_deeply [installed "$scratch/prefix"], [grep m{/\.packlist\z}, installed "$scratch/prefix"], "... writes nothing to the PREFIX";
is_deeply [grep !m{^\Q$scratch/destdir$scratch/prefix/\E}, installed "$scratch/destdir"], [], "... and all of it below both";
lives_and_goes "$scratch/destdir", by_packlist "$scratch/destdir";

SKIP: {
   my ($cpanm) = grep -x, map "$_/cpanm", split /:/, $ENV{PATH};
   $cpanm or skip "cpanm is not installed (Debian package cpanminus)", 6;
   local $ENV{PERL_CPANM_HOME} = "$scratch/cpanm";
   my @cpanm = (@alone, $cpanm, "--quiet", "--local-lib", "$scratch/cpan");
   works "cpanm, which asks META.json what is needed", @cpanm, "--notest", ".";
   lives_and_goes "$scratch/cpan", sub {
      my ($packlist) = @_;
      works "cpanm removes it again", @cpanm, "--uninstall", "--force", "IO::AIO";
      ok !-e $packlist, "... and its packing list";
   };
}

# ---- cleaning --------------------------------------------------------------

works "make realclean", $make, "realclean";
require ExtUtils::Manifest;
$ExtUtils::Manifest::Quiet = 1;
is_deeply [ExtUtils::Manifest::filecheck ()], [], "make realclean leaves what was in the archive";
is_deeply [ExtUtils::Manifest::manicheck ()], [], "... all of it";

done_testing;
