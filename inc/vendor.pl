# Makes the folder of a release self-contained: `make dist` calls
#
#   perl inc/vendor.pl DIR
#
# once DIR holds all files of MANIFEST. It adds the sources of the crates the
# module is built from, the configuration that makes cargo use them, and their
# names in MANIFEST.
#
# What only the Rust tests and benchmarks use stays out: it is many times the
# size of the rest, and nobody needs it to build, test and install the module.
# Since cargo --locked insists that Cargo.lock fits the manifests, the release
# has neither in it.
use strict;
use warnings;

use ExtUtils::Manifest ();
use File::Find ();

@ARGV == 1 or die "usage: $0 DIR\n";
my ($dir) = @ARGV;
my $cargo = $ENV{CARGO} || "cargo";
chdir $dir or die "$dir: $!\n";

sub slurp {
   my ($path) = @_;
   open my $fh, "<:raw", $path or die "$dir/$path: $!\n";
   local $/;
   scalar <$fh>
}

sub spew {
   my ($path, $data) = @_;
   # The files of the folder may be hard links to those of the checkout.
   unlink $path;
   open my $fh, ">:raw", $path or die "$dir/$path: $!\n";
   print $fh $data;
   close $fh or die "$dir/$path: $!\n";
}

# What Cargo.lock pins, each as "name version checksum".
sub pinned {
   my ($lock) = @_;
   map {
      my %field = /^(name|version|checksum) = "(.*)"$/mg;
      join " ", map $_ // "-", @field{qw(name version checksum)}
   } grep /^name = /m, split /^\[\[package\]\]\n/m, $lock
}

# ---- leave out what only tests and benchmarks use --------------------------

my @manifests;
File::Find::find ({ no_chdir => 1, wanted => sub { push @manifests, $_ if m{(?:^|/)Cargo\.toml\z} } }, ".");
for my $path (@manifests) {
   my $text = slurp ($path);
   $text =~ s/^\[(?:(?:target\..+\.)?dev-dependencies|target\.'cfg\(loom\)'\.dependencies)(?:\.[^\]]+)?\][ \t]*\n(?:(?!\[).*\n)*//mg;
   spew ($path, $text);
}

# ---- fetch the rest --------------------------------------------------------

my %before = map +($_ => 1), pinned (slurp ("Cargo.lock"));
spew ("Cargo.lock", slurp ("Cargo.lock"));

my @vendor = ($cargo, "vendor", "--quiet", "--versioned-dirs", "vendor");
system (@vendor) == 0 or die <<MESSAGE;
"@vendor" failed. It fetches the sources of the crates, over the network if
they are not in cargo's cache. `make dist VENDOR=no` makes an archive without them.
MESSAGE

my @new = grep !$before{$_}, pinned (slurp ("Cargo.lock"));
@new and die "Cargo.lock of the release pins what that of the checkout does not: @new\n";

spew (".cargo/config.toml", slurp (".cargo/config.toml") . <<'CONFIG');

# The sources of all crates are in this archive.
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
CONFIG

# ---- and name it in MANIFEST -----------------------------------------------

chmod 0644, "MANIFEST";
my @vendored;
File::Find::find ({ no_chdir => 1, wanted => sub { push @vendored, $_ if -f } }, "vendor");
ExtUtils::Manifest::maniadd ({ map +($_ => ""), @vendored });
print scalar (@vendored), " files of the crates added to $dir\n";
