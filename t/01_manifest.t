# MANIFEST names every file of the distribution, and nothing that is missing.
use strict;
use warnings;
use ExtUtils::Manifest ();
use Test::More;

if (!-e "MANIFEST") {
   fail "MANIFEST is in the current directory (run the tests from the top of the distribution)";
   done_testing;
   exit;
}

$ExtUtils::Manifest::Quiet = 1;

my $manifest = ExtUtils::Manifest::maniread ();
cmp_ok scalar keys %$manifest, ">", 0, "MANIFEST is not empty";

my @missing = ExtUtils::Manifest::manicheck ();
is_deeply \@missing, [], "every file in MANIFEST is there";

# In a checkout, what git tracks is the distribution. An unpacked archive has
# no such list; there the files present are compared, except what a build and
# a test run leave behind.
my @tracked;
if (-e ".git" && open my $git, "-|", "git ls-files -z 2>/dev/null") {
   local $/ = "\0";
   chomp (@tracked = <$git>);
   close $git;
}

my ($source, @extra);
if (@tracked) {
   $source = "tracked by git";
   my $skip = ExtUtils::Manifest::maniskip ();
   @extra = grep !exists $manifest->{$_} && !$skip->($_) && -e, @tracked;
} else {
   $source = "present";
   @extra = ExtUtils::Manifest::filecheck ();
   @extra = grep !m{^(?:target/|MYMETA\.|pm_to_blib\z|Makefile(?:\.old)?\z|blib/|META\.)}, @extra;
}
is_deeply [sort @extra], [], "every file that is $source is in MANIFEST";

my %seen;
open my $fh, "<", "MANIFEST" or die "MANIFEST: $!";
my @twice = grep $seen{$_}++, map /^([^#\s]\S*)/ ? $1 : (), <$fh>;
is_deeply \@twice, [], "no file is named twice";

ok exists $manifest->{$_}, "MANIFEST has $_" for "MANIFEST", "Makefile.PL", "lib/IO/AIO.pm", "t/lib/AIOTest.pm";

done_testing;
