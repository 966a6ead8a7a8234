# debian/ makes a package: from a release archive, without a network, with what
# the packager has. It ships the module, treescan, their manual pages and
# documents, and nothing else; it works from where it is unpacked; it takes the
# place of libio-aio-perl for dpkg and for those who depend on that; and removing
# it leaves nothing.
use strict;
use warnings;

use lib "xt/lib";

use Config;
use DistTest qw(scratch copy_to run works slurp);
use File::Find ();
use File::Path ();
use Test::More;

# dpkg calls programs of the superuser's.
$ENV{PATH} .= ":/usr/sbin:/sbin";

for my $need (["dpkg", "dpkg (this is not Debian)"], ["dpkg-buildpackage", "dpkg-dev"], ["dh", "debhelper"],
              $> ? ["fakeroot", "fakeroot"] : ()) {
   my ($program, $package) = @$need;
   grep -x "$_/$program", split /:/, $ENV{PATH}
      or plan skip_all => "$program is not installed; Debian package: $package";
}

my $scratch = scratch;
my $make    = $Config{make};
my $name    = "libio-aio-rust-perl";

# ---- building --------------------------------------------------------------

copy_to "$scratch/source";
chdir "$scratch/source" or die "$scratch/source: $!";
works "Makefile.PL, for the archive", $^X, "Makefile.PL";
works "make dist", $make, "dist";
my ($archive) = glob "IO-AIO-*.tar.gz";
ok defined $archive, "there is an archive" or BAIL_OUT "make dist made no archive";
my ($version) = $archive =~ /^IO-AIO-(.+)\.tar\.gz\z/;

mkdir "$scratch/build" or die $!;
chdir "$scratch/build" or die $!;
works "it can be unpacked", "tar", "xzf", "$scratch/source/$archive";
chdir "IO-AIO-$version" or BAIL_OUT "IO-AIO-$version: $!";
is +(works "the changelog can be read", "dpkg-parsechangelog", "-S", "Version") =~ s/-[^-]*\n\z//r, $version,
   "... and its version is that of the module";

# The tests of the archive have run in xt/dist.t. What a build needs is not
# asked of dpkg: perl and cargo may be other ones than Debian's.
$ENV{CARGO_HOME} = "$scratch/cargo-home";
$ENV{RUSTUP_HOME} //= "$ENV{HOME}/.rustup" if defined $ENV{HOME} && -d "$ENV{HOME}/.rustup";
$ENV{PATH} .= ":$ENV{HOME}/.cargo/bin" if defined $ENV{HOME};
$ENV{CARGO_NET_OFFLINE} = "true";
{
   local $ENV{DEB_BUILD_OPTIONS} = "nocheck noautodbgsym";
   works "dpkg-buildpackage", "dpkg-buildpackage", "-us", "-uc", "-b", "-d";
}
my ($deb) = my @debs = glob "$scratch/build/*.deb";
is scalar @debs, 1, "... makes one package" or BAIL_OUT "no package to look at: @debs";

sub field {
   my ($field) = @_;
   my ($status, $value) = run ("dpkg-deb", "-f", $deb, $field);
   chomp $value;
   $value
}

is field ("Package"),   $name, "it has the right name";
is field ("Version") =~ s/-[^-]*\z//r, $version, "... and version";
isnt field ("Architecture"), "all", "... and is for one architecture";

# ---- what it declares ------------------------------------------------------

is field ("Provides"),  "libio-aio-perl (= $version)", "it provides libio-aio-perl, in a version that is later than the reference's";
is field ("Conflicts"), "libio-aio-perl", "... conflicts with it";
is field ("Replaces"),  "libio-aio-perl", "... and replaces it";

my @depends = split /, */, field ("Depends");
like "@depends", qr/\bperlapi-\S/, "it depends on the binary interface of perl";
like "@depends", qr/\bperl\b[ :]/, "... on perl";
is_deeply [grep !/^(?:perl|perl:any|perlapi-\S+|libc6|libgcc-s1|libc6\.1)(?: |\z)/, @depends], [],
   "... on the C library and the compiler's, and on nothing else";

# ---- what it ships ---------------------------------------------------------

my $root = "$scratch/unpacked";
works "it can be unpacked", "dpkg-deb", "-x", $deb, $root;

sub files_below {
   my ($dir) = @_;
   my @files;
   File::Find::find ({ no_chdir => 1, wanted => sub { push @files, substr $_, length $dir if -l || !-d } }, $dir);
   sort @files
}

my $doc     = "/usr/share/doc/$name";
my $lib     = $Config{vendorarch};
my @shipped = files_below $root;
my ($man1, $man3) = @Config{qw(vendorman1dir vendorman3dir)};
is_deeply [grep !m{^\Q$doc\E/}, @shipped],
   [sort "/usr/bin/treescan", "$lib/IO/AIO.pm", "$lib/auto/IO/AIO/AIO.$Config{dlext}",
         "$man1/treescan.$Config{man1ext}.gz", "$man3/IO::AIO.$Config{man3ext}.gz"],
   "it has the module, the program and two manual pages";
is_deeply [grep m{^\Q$doc\E/} && !m{^\Q$doc\E/examples/}, @shipped],
   [map "$doc/$_", sort qw(MIGRATING.md.gz README.md.gz changelog.Debian.gz changelog.gz copyright)],
   "... documents";
is_deeply [map m{^\Q$doc\E/examples/(.+?)(?:\.gz)?\z}, @shipped],
   [map m{^eg/(.+)}, sort glob "eg/*"], "... the examples, and nothing else";

SKIP: {
   my ($status, $list) = run ("dpkg", "-L", "libio-aio-perl");
   $status and skip "the package libio-aio-perl is not installed", 1;
   my %ours = map +($_ => 1), @shipped;
   is_deeply [grep -f && !m{^/usr/share/doc/} && !$ours{$_}, split /\n/, $list], [],
      "what libio-aio-perl ships is there, under the same names";
}

my $object = slurp ("$root$lib/auto/IO/AIO/AIO.$Config{dlext}");
is index ($object, $scratch), -1, "the object does not tell where it was built";

# ---- using it --------------------------------------------------------------

is works ("a program uses the module from there", $^X, "-I$root$lib", "-MIO::AIO", "-e",
          'aio_stat "/", sub { print "$INC{q(IO/AIO.pm)} $IO::AIO::VERSION" if !$_[0] && -d _ }; IO::AIO::flush'),
   "$root$lib/IO/AIO.pm $version", "... and no other";
is works ("so does treescan", "env", "PERL5LIB=$root$lib", $^X, "$root/usr/bin/treescan", "-f", "-g", "AIO\\.pm", "$root$lib"),
   "$root$lib/IO/AIO.pm\n", "... which finds the module";

# ---- installing and removing it --------------------------------------------

# A system of three packages: one that has all that ours depends on, one that
# stands for libio-aio-perl, and one that depends on that.
sub dummy {
   my ($package, $fields, @files) = @_;
   my $dir = "$scratch/dummy-$package";
   File::Path::make_path ("$dir/DEBIAN");
   for my $file (@files) {
      File::Path::make_path ("$dir$file" =~ s{/[^/]*\z}{}r);
      open my $fh, ">", "$dir$file" or die "$dir$file: $!";
      print $fh "of $package\n";
      close $fh or die "$dir$file: $!";
   }
   open my $fh, ">", "$dir/DEBIAN/control" or die $!;
   print $fh map "$_\n", "Package: $package", @$fields, "Architecture: all", "Maintainer: nobody <nobody\@example.org>",
                         "Description: stands in for another package";
   close $fh or die $!;
   works "a package to stand for $package", "dpkg-deb", "--root-owner-group", "--build", $dir, "$dir.deb";
   "$dir.deb"
}

my $base = dummy "base", ["Version: 1", "Provides: " . join ", ",
   map { my ($p, $v) = /^([^ :]+)(?::any)?(?: \([<>=]+ ([^)]+)\))?/; $p . ($v ? " (= $v)" : "") } @depends];
my $old    = dummy "libio-aio-perl", ["Version: 4.80-1"], "/usr/bin/treescan", "$lib/IO/AIO.pm", "$lib/IO/AIO-only-in-the-old-one";
my $client = dummy "client", ["Version: 1", "Depends: libio-aio-perl (>= 4.80)"];

my $system = "$scratch/system";
File::Path::make_path (map "$system/var/lib/dpkg/$_", "", qw(info updates triggers));
for my $file (qw(status available)) {
   open my $fh, ">", "$system/var/lib/dpkg/$file" or die "$file: $!";
}

my @dpkg = ($> ? ("fakeroot") : (), "dpkg", "--root=$system", "--log=/dev/null");
push @dpkg, "--force-not-root" if $>;
sub installed {
   my (undef, $list) = run ("dpkg-query", "--admindir=$system/var/lib/dpkg", "-W", "-f", '${db:Status-Status} ${Package}\n');
   join " ", sort map /^installed (\S+)$/, split /\n/, $list
}
sub installed_files { grep !m{^/var/lib/dpkg/}, files_below $system }

works "a system with libio-aio-perl and a package that depends on it", @dpkg, "--install", $base, $old, $client;
is installed, "base client libio-aio-perl", "... has what it should";
works "the package is installed", @dpkg, "--install", $deb;
is installed, "base client $name", "... in place of libio-aio-perl, and who depends on that stays";
is works ("the system is checked", @dpkg, "--audit"), "", "... and in order";
is_deeply [installed_files], \@shipped, "its files are there, and none of the old ones";

works "it is removed", @dpkg, "--purge", "client", $name;
is installed, "base", "... it is no longer there";
is_deeply [installed_files], [], "... nor are its files";
ok !-e "$system/usr", "... nor a directory of it";

done_testing;
