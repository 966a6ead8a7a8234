# Build and t/ with a perl without threads, made from the source package of the
# perl that Debian has. It is made once, in some minutes, and kept in
# $IO_AIO_CACHE, or ~/.cache/io-aio; AIO_XT_SLOW=1 asks for that.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch slurp spew);
use Config;
use Cwd ();
use File::Path ();
use File::Spec ();
use Test::More;
use Trust qw(slow bounded build_for passes_t cache);

-e "Makefile.PL" or BAIL_OUT "run this from the top of the distribution";
alarm 3000;

my $cache = cache;
my $base  = "$cache/perl-unthreaded";
my $perl;

if (!$Config{usethreads}) {
   $perl = $^X;
   diag "the perl that runs this has no threads itself";
} else {
   $perl = (grep -x, glob "$base/bin/perl $base/bin/perl5*")[0];
   if (!defined $perl) {
      slow or plan skip_all => "there is no perl without threads in $base; AIO_XT_SLOW=1 makes one, which takes some minutes";
      my $why = make_perl ();
      plan skip_all => "a perl without threads cannot be made here: $why" if defined $why;
      $perl = (grep -x, glob "$base/bin/perl $base/bin/perl5*")[0] // die "no perl in $base";
   }
}

# Fetches the source package from where apt has its packages, without changing
# anything of the system's, and builds it. Returns why not, if not.
sub make_perl {
   for my $tool ("apt-get", "apt-cache", "dpkg-source", "make") {
      return "there is no $tool" unless grep -x, map "$_/$tool", File::Spec->path;
   }
   # The sources of packages, at the places that the system names for packages.
   my @source;
   for my $file ("/etc/apt/sources.list", glob "/etc/apt/sources.list.d/*.list") {
      open my $fh, "<", $file or next;
      push @source, map { s/^deb /deb-src /r } grep /^deb .*debian/, <$fh>;
   }
   my $deb822 = join "\n", map { my $s = slurp $_; grep /^URIs:.*debian/m, split /\n{2,}/, $s } glob "/etc/apt/sources.list.d/*.sources";
   @source || length $deb822 or return "apt names no place that has Debian's packages";

   my $dir = "$base-source";
   File::Path::remove_tree ($dir);
   File::Path::make_path (map "$dir/$_", "parts", "lists/partial", "archives/partial");
   spew "$dir/parts/a.list", join "", @source if @source;
   if (length $deb822) {
      $deb822 =~ s/^Types:.*/Types: deb-src/mg;
      $deb822 =~ s/\n(?=Types:)/\n\n/g;
      spew "$dir/parts/b.sources", "$deb822\n";
   }
   my @apt = ("-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=$dir/parts", "-o", "Dir::State::Lists=$dir/lists",
      "-o", "Dir::Cache=$dir/archives", "-o", "APT::Sandbox::User=root");
   my $here = Cwd::getcwd ();
   chdir $dir or die "$dir: $!";
   my $why = sub {
      my ($end, $output) = bounded 120, "apt-get", @apt, "update";
      $end eq "exit 0" or return "apt-get update: $output";
      ($end, $output) = bounded 60, "apt-cache", @apt, "showsrc", "perl";
      # An old version may be named and gone.
      my %seen;
      my @version = grep !$seen{$_}++, $output =~ /^Version: (\S+)/mg;
      @version or return "no source package of perl is known";
      for my $version (@version) {
         ($end, $output) = bounded 300, "apt-get", @apt, "source", "--download-only", "perl=$version";
         last if $end eq "exit 0";
      }
      $end eq "exit 0" or return "apt-get source: $output";
      my ($dsc) = glob "perl_*.dsc";
      ($end, $output) = bounded 120, "dpkg-source", "--no-check", "-x", $dsc, "perl";
      $end eq "exit 0" or return "dpkg-source: $output";
      chdir "perl" or die $!;
      # into a folder of its own, so that half a perl is none
      for my $step (
         ["sh", "Configure", "-des", "-Uusethreads", "-Dprefix=$base", "-Dman1dir=none", "-Dman3dir=none", "-Doptimize=-O1"],
         ["make", "-j2"], ["make", "install.perl", "DESTDIR=$dir/installed"],
      ) {
         delete local @ENV{qw(PERL5LIB PERL5OPT MAKEFLAGS MFLAGS MAKELEVEL)};
         ($end, $output) = bounded 1500, @$step;
         $end eq "exit 0" or return "@$step: " . substr $output, -2000;
      }
      rename "$dir/installed$base", $base or return "rename: $!";
      undef
   }->();
   chdir $here or die $!;
   File::Path::remove_tree ($dir);
   $why
}

is +(bounded 20, $perl, "-MConfig", "-e", 'print $Config{usethreads} // "none"')[1], "none", "$perl has no threads";
my $dir = eval { build_for ($perl, "unthreaded", 600) };
ok $dir, "the module builds for it" or BAIL_OUT $@;
passes_t $perl, "unthreaded perl " . (bounded 20, $perl, "-e", 'print $]')[1], $dir, 600;

done_testing;
