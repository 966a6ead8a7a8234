# The programs in eg/ that need modules beyond core Perl. A module that is not
# installed skips its programs, and the reason names the Debian package.
use strict;
use warnings;
use lib "t/lib";
use AIOTest qw(scratch spew patience);
use Config;
use File::Spec ();
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes "time";
use IO::AIO;

my $eg = File::Spec->rel2abs ("eg");
-e "$eg/httpd.pl" or BAIL_OUT "no eg/ in the current directory; run the tests from the top of the distribution";

my @inc = map File::Spec->rel2abs ($_), grep !ref, @INC;
my $top = scratch;

# Starts a command and returns its process and a handle on what it prints,
# standard error included. The watchdog of AIOTest ends a test that hangs.
sub start {
   my (@command) = @_;
   pipe my $r, my $w or die "pipe: $!";
   my $pid = fork;
   defined $pid or die "fork: $!";
   if (!$pid) {
      # kept across exec: a program that hangs does not outlive the test for long
      alarm 5 * patience;
      $ENV{PERL5LIB} = join $Config{path_sep}, @inc;
      delete $ENV{PERL5OPT};
      open STDOUT, ">&", $w or POSIX::_exit (254);
      open STDERR, ">&", $w or POSIX::_exit (254);
      exec @command or POSIX::_exit (254);
   }
   close $w;
   ($pid, $r)
}

sub run {
   my ($pid, $r) = start (@_);
   my $output = do { local $/; <$r> } // "";
   waitpid $pid, 0;
   ($?, $output)
}

# Whether the modules are there, asked in a process of its own. They may load
# IO::AIO, which has to be the one under test.
my $under_test = File::Spec->rel2abs ($INC{"IO/AIO.pm"});

sub need {
   my ($package, @module) = @_;
   for my $module (@module) {
      my ($status) = run ($^X, "-M$module", "-e1");
      skip "$module is not installed; on Debian it is in $package", 1 if $status;
   }
   my ($status, $output) = run ($^X, map ("-M$_", @module), "-e", 'require IO::AIO; print "$INC{q{IO/AIO.pm}} $' . "$module[0]::VERSION\"");
   my ($loaded, $version) = split / /, $output, 2;
   is (File::Spec->rel2abs ($loaded), $under_test, "with $module[0] $version the module under test is loaded");
}

my %ran;
sub program {
   my ($name) = @_;
   $ran{$name}++;
   "$eg/$name.pl"
}

my $one = spew ("$top/one", "three short words\n");
my $two = spew ("$top/two", "two words\n" x 1000);

# ---- event loops -----------------------------------------------------------

for (
   [anyevent   => "libanyevent-perl",      "AnyEvent"],
   [danga      => "libdanga-socket-perl",  "Danga::Socket"],
   [ev         => "libev-perl",            "EV"],
   [event      => "libevent-perl",         "Event"],
   [glib       => "libglib-perl",          "Glib"],
   ["io-async" => "libio-async-perl",      "IO::Async::Loop"],
   [mojo       => "libmojolicious-perl",   "Mojolicious", "Mojo::IOLoop"],
   [poe        => "libpoe-perl",           "POE"],
   [tk         => "perl-tk",               "Tk"],
) {
   my ($name, $package, @module) = @$_;
   my $program = program ("loop-$name");
   SKIP: {
      need ($package, @module);
      my @command = ($^X, $program, $one, "$top/nosuch");
      if ($name eq "tk" && !defined $ENV{DISPLAY}) {
         my ($xvfb) = grep -x, map "$_/xvfb-run", File::Spec->path;
         skip "no display, and no xvfb-run; on Debian it is in xvfb (with xauth)", 1 unless defined $xvfb;
         unshift @command, $xvfb, "-a";
      }
      my ($status, $output) = run (@command);
      is $status, 0, "loop-$name" or diag $output;
      is_deeply [sort split /\n/, $output], ["$top/nosuch: " . do { local $! = POSIX::ENOENT (); "$!" }, "$one: 18"],
         "loop-$name: both results, and then it ends";
   }
}

# ---- programs --------------------------------------------------------------

my $program = program ("async-await");
SKIP: {
   need ("libfuture-asyncawait-perl and libio-async-perl", "Future::AsyncAwait", "IO::Async::Loop");
   my ($status, $output) = run ($^X, $program, $one, $two, "$top/nosuch");
   is $status, 0, "async-await" or diag $output;
   my @line = sort split /\n/, $output;
   is @line, 3, "async-await: a line each" or diag $output;
   like $line[0], qr{^\Q$top\E/nosuch: error: \w}, "async-await: the error is an exception";
   is_deeply [@line[1, 2]], ["$one: 3 words", "$two: 2000 words"], "async-await: words";
}

$program = program ("mojo-promise");
SKIP: {
   need ("libmojolicious-perl", "Mojolicious", "Mojo::Promise");
   my ($status, $output) = run ($^X, $program, $one, $two);
   is $status, 0, "mojo-promise" or diag $output;
   is_deeply [sort split /\n/, $output], ["$one: 18 bytes", "$two: 10000 bytes", "total: 10018 bytes"], "mojo-promise: sizes";

   ($status, $output) = run ($^X, $program, "$top/nosuch");
   is $status, 0, "mojo-promise with a missing file";
   like $output, qr{^failed: \Q$top\E/nosuch: \w}, "mojo-promise: the promise is rejected";
}

$program = program ("coro");
SKIP: {
   need ("libcoro-perl and libanyevent-aio-perl", "Coro::AIO");
   mkdir $_ or die "$_: $!" for map "$top/tree$_", "", "/a", "/a/b", map "/d$_", 1 .. 30;
   spew ("$top/tree/a/$_", "") for 1 .. 50;
   my ($status, $output) = run ($^X, $program, "$top/tree");
   is $status, 0, "coro" or diag $output;
   my @expect = ("31 $top/tree", "51 $top/tree/a", "0 $top/tree/a/b", map "0 $top/tree/d$_", 1 .. 30);
   is_deeply [sort split /\n/, $output], [sort @expect], "coro: counts the entries";
}

$program = program ("httpd");
SKIP: {
   need ("libev-perl", "EV");
   mkdir "$top/root" or die "mkdir: $!";
   my $big = join "", map pack ("N", $_), 1 .. 1_000_000;
   spew ("$top/root/big", $big);
   spew ("$top/root/index.html", "<p>hello\n");
   my ($pid, $r) = start ($^X, $program, "--requests=26", "$top/root");
   my ($port) = (my $url = <$r> // "") =~ m{:(\d+)/$};
   ok $port, "httpd: says where it is" or diag $url;

   my $connect = sub {
      my ($path, $method) = @_;
      my $s = IO::Socket::INET->new (PeerAddr => "127.0.0.1", PeerPort => $port) or die "connect: $!";
      print $s +($method || "GET"), " $path HTTP/1.0\r\nHost: x\r\n\r\n";
      $s->flush;
      $s
   };
   my $answer = sub { my ($s) = @_; local $/; scalar <$s> };
   my $get = sub { $answer->($connect->(@_)) };

   like $get->("/"), qr{^HTTP/1\.0 200 OK\r\n(?:.*\r\n)*Content-Type: text/html\r\n(?:.*\r\n)*\r\n<p>hello\n\z}, "httpd: a page";
   like $get->("/index.html", "HEAD"), qr{^HTTP/1\.0 200 OK\r\n(?:.*\r\n)*Content-Length: 9\r\n\r\n\z}, "httpd: a head";
   like $get->("/nosuch"), qr{^HTTP/1\.0 404 }, "httpd: nothing there";
   like $get->("/../one"), qr{^HTTP/1\.0 403 }, "httpd: not out of its root";
   like $get->("/%2e%2e/one"), qr{^HTTP/1\.0 403 }, "httpd: nor in other words";

   # A client that does not read must not hold up the others.
   my $slow = $connect->("/big");
   my @client = map $connect->("/big"), 1 .. 19;
   my @wrong = grep { $answer->($_) !~ /\r\n\r\n\Q$big\E\z/s } @client;
   is @wrong, 0, "httpd: 4 megabytes to 19 clients, beside one that does not read";
   ok $answer->($slow) =~ /\r\n\r\n\Q$big\E\z/s, "httpd: and to that one in the end";

   like $get->("/big?x", "HEAD"), qr{Content-Length: 4000000\r\n}, "httpd: the last request";
   waitpid $pid, 0;
   is $?, 0, "httpd: ends after as many requests as it was told";
}

# ---- none is left out ------------------------------------------------------

my $core = do { open my $fh, "<", "t/95_examples.t" or die "t/95_examples.t: $!"; local $/; <$fh> };
my ($list) = $core =~ /%elsewhere = .*?qw\((.*?)\)/s or die "no list of programs in t/95_examples.t";
is_deeply [sort keys %ran], [sort split " ", $list], "the programs t/95_examples.t leaves out are run here";

done_testing;
