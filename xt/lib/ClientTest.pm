# Shared by the tests that run other people's modules on this one. Their Debian
# packages depend on the package of the reference, so each process of such a
# test has to be certain which IO::AIO it has: loading this module dies unless
# it is the one under test.
package ClientTest;

use strict;
use warnings;
use AIOTest ();

use Config;
use Cwd ();
use Exporter "import";
use File::Spec ();
use IO::AIO ();
use POSIX ();
use Test::More ();

our @EXPORT_OK = qw(need client each_loop start finish same_object @perl);

# ---- which module is tested ------------------------------------------------

my @inc = map File::Spec->rel2abs ($_), grep !ref, @INC;

# Where the module under test is: below what AIO_EXPECT names, else below the
# blib directory of @INC.
sub _top {
   my $top = $ENV{AIO_EXPECT};
   if (!defined $top) {
      ($top) = map m{\A(.*(?:\A|/)blib)/(?:lib|arch)/*\z}, @inc
         or die "no blib directory in \@INC; run this with prove -b, or set AIO_EXPECT\n";
   }
   Cwd::abs_path ($top) // die "$top: $!\n"
}

my $top = _top;

# A perl with the same @INC that makes sure of the module before anything else.
our @perl = ($^X, (map "-I$_", @inc), "-MClientTest");

# The shared objects of any IO::AIO that are in the memory of a process.
sub _mapped {
   my ($pid) = @_;
   my %object;
   open my $maps, "<", "/proc/$pid/maps" or die "/proc/$pid/maps: $!";
   while (my $line = <$maps>) {
      $object{$1} = 1 if $line =~ m{ (/.*/IO/AIO/AIO\.\Q$Config{dlext}\E)(?: \(deleted\))?$};
   }
   sort keys %object
}

# Dies unless what is loaded is the module under test; returns a line about it.
sub under_test () {
   my @file = (Cwd::abs_path ($INC{"IO/AIO.pm"}) // $INC{"IO/AIO.pm"}, $^O eq "linux" ? _mapped ("self") : ());
   $^O ne "linux" || @file == 2 or die "wrong IO::AIO: one shared object expected, mapped are: @file[1 .. $#file]\n";
   index ($_, "$top/") and die "wrong IO::AIO: $_ is not below $top\n" for @file;
   $IO::AIO::VERSION >= 5 or die "wrong IO::AIO: this is version $IO::AIO::VERSION\n";
   "IO::AIO $IO::AIO::VERSION from $file[0]"
}

under_test;

# Whether another process has the shared object of this one, and no other.
sub same_object {
   my ($pid) = @_;
   join (" ", _mapped ($pid)) eq join " ", _mapped ("self")
}

# ---- the modules that use it -----------------------------------------------

# need "Debian package", "Module" ...: skips the whole file if a module is not
# installed.
sub need {
   my ($package, @module) = @_;
   for my $module (@module) {
      installed ($module)
         or Test::More::plan (skip_all => "$module is not installed; on Debian it is in $package");
   }
}

# client "Module" ...: loads the modules and says which versions they are. What
# is installed and does not load is a failure.
sub client {
   my (@module) = @_;
   eval "require $_; 1" or die $@ for @module;
   Test::More::ok (1, "with @module the module under test is loaded") if under_test;
   Test::More::diag (join ", ", (map { my $v = $_->VERSION; defined $v ? "$_ $v" : () } @module), under_test);
}

sub installed {
   (my $file = "$_[0].pm") =~ s{::}{/}g;
   scalar grep -e "$_/$file", @inc
}

# Runs the file that calls this once for each of the named event loops of
# AnyEvent, in a process of its own, and ends. In those processes it returns the
# name of the loop. Those not installed are left out, and the reason is printed.
my %loop = (EV => "libev-perl", Event => "libevent-perl", Glib => "libglib-perl", POE => "libpoe-perl");

sub each_loop {
   my (@name) = @_;
   return $ENV{AIO_TEST_LOOP} if defined $ENV{AIO_TEST_LOOP};

   for my $name (@name) {
      SKIP: {
         !$loop{$name} || installed ($name)
            or Test::More::skip ("$name is not installed; on Debian it is in $loop{$name}", 1);
         local $ENV{AIO_TEST_LOOP}        = $name;
         local $ENV{PERL_ANYEVENT_MODEL} = $name;
         my ($status, $output) = finish (start (@perl, $0));
         my ($tests) = $output =~ /^1\.\.(\d+)/m;
         Test::More::diag (grep s/^# (?=.*IO::AIO [\d.]+ from)|^ok \d+ # (?=skip )//, map "$_\n", split /\n/, $output);
         Test::More::ok ($status eq "exit 0" && $tests, "$name: " . ($tests // "no") . " tests")
            or Test::More::diag ("$status\n", map "$_\n", grep !/^ok /, split /\n/, $output);
      }
   }
   Test::More::done_testing ();
   exit;
}

# ---- processes -------------------------------------------------------------

# Starts a command, with its standard output and error in a file.
my $files = 0;

sub start {
   my (@command) = @_;
   my $child = { output => AIOTest::scratch () . "/client-" . ++$files };
   defined ($child->{pid} = fork) or die "fork: $!";
   if (!$child->{pid}) {
      # kept across exec: what hangs does not outlive the test for long
      alarm 8 * AIOTest::patience ();
      delete $ENV{PERL5OPT};
      $ENV{PERL5LIB} = join $Config{path_sep}, @inc;
      open STDIN,  "<", "/dev/null"       or POSIX::_exit (254);
      open STDOUT, ">>", $child->{output} or POSIX::_exit (254);
      open STDERR, ">&", \*STDOUT         or POSIX::_exit (254);
      { no warnings "exec"; exec @command }
      POSIX::_exit (254);
   }
   $child
}

# Waits until what was started has ended, and kills it if it takes too long.
# Returns "exit N", "signal N" or "hangs", and what it printed.
sub finish {
   my ($child) = @_;
   my ($end, $gone) = time + 7 * AIOTest::patience ();
   until ($gone = waitpid $child->{pid}, POSIX::WNOHANG ()) {
      last if time > $end;
      select undef, undef, undef, 0.01;
   }
   my $status = $?;
   if (!$gone) {
      kill KILL => $child->{pid};
      waitpid $child->{pid}, 0;
   }
   (!$gone ? "hangs" : $status & 127 ? "signal " . ($status & 127) : "exit " . ($status >> 8), AIOTest::slurp ($child->{output}))
}

1
