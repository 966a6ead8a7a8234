# Perlbal, unmodified, with aio_mode ioaio: serves, takes, deletes and proxies
# files on the loopback interface. It watches the descriptor in a loop of its
# own, forks with max_parallel 0, and says max_parallel 0 again as it ends.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp patience until_true);
use ClientTest qw(need start finish same_object @perl);
use Digest::MD5 qw(md5_base64);
use File::Spec ();
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);
use Test::More;

need "libperlbal-perl", "Perlbal";
my ($script) = grep -x, map "$_/perlbal", File::Spec->path;
defined $script or plan skip_all => "the program perlbal is not installed; on Debian it is in perlbal";
$^O eq "linux"  or plan skip_all => "what Perlbal has in memory is looked up in /proc";

my ($status, $output) = finish (start (@perl, "-MPerlbal", "-e", 'print join ", ",
   (map "$_ " . $_->VERSION, qw(Perlbal Danga::Socket)), ClientTest::under_test ()'));
is $status, "exit 0", "with Perlbal the module under test is loaded" or BAIL_OUT $output;
diag $output;

$SIG{PIPE} = "IGNORE";

# ---- files -----------------------------------------------------------------

my $top = scratch;
mkdir "$top/$_" or die "$_: $!" for qw(doc doc/sub doc/put hidden uploads);

# Text that tells where it is from, so that no two files have the same.
sub text { my ($id, $size) = @_; substr join ("", map "$id/$_" . "." x 40, 0 .. $size / 42), 0, $size }

my %file = map { my $size = $_ < 8 ? 1 + $_ : $_ * $_ * 83; ("/f$_" => text ("f$_", $size)) } 0 .. 59;
spew ("$top/doc$_", $file{$_}) for keys %file;
spew ("$top/doc/sub/index.html", "<p>index\n");
my $big = text ("big", 24_000_000);
spew ("$top/doc/big", $big);
spew ("$top/hidden/$_", text ("hidden$_", 1 + $_ * 997)) for 0 .. 49;

# ---- the server ------------------------------------------------------------

# Ports nobody listens on now.
sub free_ports {
   my ($n) = @_;
   my @socket = map { IO::Socket::INET->new (Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0) || die "listen: $@" } 1 .. $n;
   map $_->sockport, @socket
}

# A connection that gives up when nothing happens for too long.
sub open_to {
   my ($port) = @_;
   my $s = IO::Socket::INET->new (PeerAddr => "127.0.0.1", PeerPort => $port, Timeout => patience) or return;
   setsockopt $s, SOL_SOCKET, $_, pack "l!l!", patience, 0 or die "setsockopt: $!" for SO_RCVTIMEO, SO_SNDTIMEO;
   $s
}

# What is still running should the test die.
my %running;
my $test; BEGIN { $test = $$ }
END { if ($$ == $test) { my $status = $?; kill KILL => keys %running; $? = $status } }

# Starts Perlbal. The ports are free when it is told of them; should another
# program take one of them, others are tried.
sub serve {
   my (@argument) = @_;
   for my $try (1 .. 5) {
      my %server;
      @server{qw(web proxy reproxy manage backend)} = free_ports 5;
      spew ("$top/nodes", "127.0.0.1:$server{web}\n");
      my $config = spew ("$top/perlbal.conf", <<CONFIG);
SERVER aio_mode = ioaio
SERVER aio_threads = 6
SERVER pidfile = $top/pid

CREATE POOL file
  SET nodefile = $top/nodes

CREATE POOL backend
  POOL backend ADD 127.0.0.1:$server{backend}

CREATE SERVICE web
  SET role = web_server
  SET listen = 127.0.0.1:$server{web}
  SET docroot = $top/doc
  SET dirindexing = 0
  SET persist_client = on
  SET enable_put = on
  SET enable_delete = on
  SET enable_md5 = on
  SET min_put_directory = 1
  SET max_put_size = 100m
ENABLE web

CREATE SERVICE proxy
  SET role = reverse_proxy
  SET listen = 127.0.0.1:$server{proxy}
  SET pool = file
  SET persist_client = on
  SET persist_backend = on
  SET buffer_uploads = on
  SET buffer_uploads_path = $top/uploads
  SET buffer_upload_threshold_size = 50k
ENABLE proxy

CREATE SERVICE reproxy
  SET role = reverse_proxy
  SET listen = 127.0.0.1:$server{reproxy}
  SET pool = backend
  SET persist_client = on
  SET enable_reproxy = on
ENABLE reproxy

CREATE SERVICE manage
  SET role = management
  SET listen = 127.0.0.1:$server{manage}
ENABLE manage
CONFIG
      unlink "$top/pid";
      $server{child} = start (@perl, $script, "--config=$config", @argument);
      # the management service is enabled last
      my $end = time + patience;
      until (-s "$top/pid" && open_to ($server{manage})) {
         last if time > $end || (!@argument && waitpid $server{child}{pid}, 1);
         select undef, undef, undef, 0.02;
      }
      ($server{pid}) = -s "$top/pid" ? slurp ("$top/pid") =~ /^(\d+)/ : ();
      $running{$server{pid}} = 1, return \%server if defined $server{pid};
      my $output = slurp ($server{child}{output});
      $output =~ /address already in use/i or BAIL_OUT "Perlbal does not start: $output";
   }
   BAIL_OUT "five times, no port was free";
}

# Gives a command to the management service. It answers some; nobody reads that.
sub manage {
   my ($server, $command) = @_;
   my $s = open_to ($server->{manage}) or die "connect: $@";
   print $s "$command\r\n";
   $s->flush;
}

sub fds { my ($server) = @_; my @fd = glob "/proc/$server->{pid}/fd/*"; scalar @fd }

# ---- the clients -----------------------------------------------------------

# A connection stays as long as the server wants it.
sub connection { my ($port) = @_; { port => $port, buffer => "" } }

sub ask {
   my ($c, $method, $path, $body, %header) = @_;
   $c->{socket} ||= open_to ($c->{port}) || die "connect: $@\n";
   $header{"Content-Length"} //= length $body if defined $body;
   $c->{method} = $method;
   my $s = $c->{socket};
   print $s "$method $path HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n", (map "$_: $header{$_}\r\n", sort keys %header),
            "\r\n", $body // "";
   $s->flush;
}

# The status, the body, and the header as a hash.
sub answer {
   my ($c) = @_;
   my $s = $c->{socket};
   my $more = sub { sysread ($s, $c->{buffer}, 1 << 17, length $c->{buffer}) // die "$c->{method}: no answer: $!\n" };
   until ($c->{buffer} =~ /\r\n\r\n/) { $more->() or return ("closed", $c->{buffer}, {}) }
   $c->{buffer} =~ s/\A(.*?)\r\n\r\n//s;
   my ($first, @line) = split /\r\n/, $1;
   my ($status) = $first =~ m{\AHTTP/1\.\d (\d+)};
   my %header = map /^([^:]+):\s*(.*)/ ? (lc $1, $2) : (), @line;
   my $length = $c->{method} eq "HEAD" || $status == 304 || $status == 204 ? 0 : $header{"content-length"};
   while (!defined $length || length $c->{buffer} < $length) { $more->() or last }
   my $body = substr $c->{buffer}, 0, $length // length $c->{buffer}, "";
   if (($header{connection} // "close") !~ /keep-alive/i || !defined $length) {
      delete $c->{socket};
      $c->{buffer} = "";
   }
   ($status, $body, \%header)
}

sub once { my $c = connection (shift); ask ($c, @_); answer ($c) }

# Has each of the requests answered, $n at a time. A request is the arguments
# of ask; the code gets it and the answer, and returns what is wrong with that.
sub many {
   my ($what, $port, $n, $requests, $code) = @_;
   my @queue = @$requests;
   my @c     = map connection ($port), 1 .. $n;
   my @wrong;
   while (@queue) {
      my @now = splice @queue, 0, $n;
      ask ($c[$_], @{ $now[$_] }) for 0 .. $#now;
      for (0 .. $#now) {
         my @answer = answer ($c[$_]);
         my $bad = $code->($now[$_], @answer);
         push @wrong, "$now[$_][0] $now[$_][1]: $answer[0], $bad" if $bad;
      }
   }
   is_deeply \@wrong, [], scalar @$requests . " $what, $n at a time" or diag scalar @wrong;
}

sub is_file {
   my ($request, $status, $body) = @_;
   $status ne 200 ? "status" : $body ne $file{$request->[1]} ? "content" : undef
}

# ---- serving ---------------------------------------------------------------

my $server = serve;
ok same_object ($server->{pid}), "Perlbal has the module under test in memory" or BAIL_OUT "it would be the reference that is tested";
is $server->{pid}, $server->{child}{pid}, "... and is the process that was started";
my $fds = fds ($server);

my @path = sort keys %file;
many ("files", $server->{web}, 20, [map ["GET", $path[$_ * 7 % @path]], 1 .. 600], \&is_file);

many ("files, each on a new connection", $server->{web}, 10, [map ["GET", $_, undef, Connection => "close"], (@path) x 2], \&is_file);

many ("files and missing ones", $server->{web}, 20, [map ["GET", $_ % 3 ? "/none$_" : $path[$_ % @path]], 1 .. 300], sub {
   my ($request, $status, $body) = @_;
   $request->[1] =~ /none/ ? $status ne 404 && "status" : is_file (@_)
});

many ("headers", $server->{web}, 10, [map ["HEAD", $_], @path], sub {
   my ($request, $status, $body, $header) = @_;
   $status ne 200 ? "status" : $header->{"content-length"} != length $file{$request->[1]} && "length"
});

many ("parts of a file", $server->{web}, 10, [map ["GET", "/f59", undef, Range => "bytes=" . $_ * 911 . "-" . $_ * 1013], 1 .. 100], sub {
   my ($request, $status, $body) = @_;
   my ($from, $to) = $request->[4] =~ /(\d+)-(\d+)/;
   $status ne 206 ? "status" : $body ne substr ($file{"/f59"}, $from, $to - $from + 1) && "content"
});

is_deeply [(once ($server->{web}, "GET", "/sub/"))[0, 1]], [200, "<p>index\n"], "the index of a directory";
is +(once ($server->{web}, "GET", "/../hidden/1"))[0], 403, "nothing outside of the directory it serves";
{
   my (undef, undef, $header) = once ($server->{web}, "HEAD", "/f1");
   is +(once ($server->{web}, "GET", "/f1", undef, "If-Modified-Since" => $header->{"last-modified"}))[0], 304, "a file that has not changed";
}

{
   my ($slow, @c) = map connection ($server->{web}), 0 .. 5;
   ask ($_, "GET", "/big") for $slow, @c;
   my @wrong = grep { my ($status, $body) = answer ($_); $status ne 200 || $body ne $big } @c;
   is @wrong, 0, "24 megabytes to 5 clients, beside one that does not read";
   my ($status, $body) = answer ($slow);
   ok $status eq 200 && $body eq $big, "... and to that one in the end";
}

# A client that leaves in the middle harms nobody.
for (1 .. 20) {
   my $c = connection ($server->{web});
   ask ($c, "GET", "/big");
   sysread $c->{socket}, my $start, 1000;
   close $c->{socket};
}
is +(once ($server->{web}, "GET", "/f20"))[1], $file{"/f20"}, "clients that leave in the middle harm nobody";

# ---- putting and deleting --------------------------------------------------

my %put = map { ("/put/d" . $_ % 7 . "/p$_" => text ("p$_", $_ * $_ * 11)) } 1 .. 200;
sub is_put { my ($request, $status) = @_; $status ne 200 && $status ne 201 ? "status" : slurp ("$top/doc$request->[1]") ne $request->[2] && "content" }

many ("files are put", $server->{web}, 20, [map ["PUT", $_, $put{$_}], sort keys %put], \&is_put);
many ("are replaced", $server->{web}, 20, [map ["PUT", $_, scalar reverse $put{$_}], (sort keys %put)[0 .. 59]], \&is_put);
many ("are put with their checksum", $server->{web}, 10, [map ["PUT", $_, $put{$_}, "Content-MD5" => md5_base64 ($put{$_}) . "=="], (sort keys %put)[0 .. 59]], \&is_put);
is_deeply [grep !$put{substr $_, length "$top/doc"}, glob "$top/doc/put/d*/*"], [], "... and leave no other files";
%file = (%file, %put);
many ("that were put are fetched", $server->{web}, 20, [map ["GET", $_], sort keys %put], \&is_file);

is +(once ($server->{web}, "PUT", "/put/wrong", "data", "Content-MD5" => md5_base64 ("other") . "=="))[0], 400, "a wrong checksum is refused";
is_deeply [glob "$top/doc/put/wrong*"], [], "... and leaves nothing";
is +(once ($server->{web}, "PUT", "/nosuchdir/x", "data"))[0], 404, "a directory that has to exist";
ok !-e "$top/doc/nosuchdir", "... is not made";
is +(once ($server->{web}, "PUT", "/put/empty", ""))[0], 200, "an empty file";
ok -e "$top/doc/put/empty" && !-s _, "... is empty";
is +(once ($server->{web}, "PUT", "/put/big", $big))[0], 200, "24 megabytes are put";
ok slurp ("$top/doc/put/big") eq $big, "... and are there";

many ("files are deleted", $server->{web}, 20, [map ["DELETE", $_], sort keys %put], sub {
   my ($request, $status) = @_;
   $status ne 204 ? "status" : -e "$top/doc$request->[1]" && "still there"
});
many ("that are gone cannot be", $server->{web}, 20, [map ["DELETE", $_], (sort keys %put)[0 .. 59]], sub { $_[1] ne 404 && "status" });
is +(once ($server->{web}, "DELETE", "/sub"))[0], 400, "nor can a directory";

# ---- proxying --------------------------------------------------------------

delete @file{keys %put};
many ("files through the proxy", $server->{proxy}, 20, [map ["GET", $path[$_ * 11 % @path]], 1 .. 300], \&is_file);
many ("missing files through the proxy", $server->{proxy}, 10, [map ["GET", "/none$_"], 1 .. 50], sub { $_[1] ne 404 && "status" });
ok +(once ($server->{proxy}, "GET", "/big"))[1] eq $big, "24 megabytes through the proxy";

# Uploads are written to disk first.
my %upload = map { ("/put/u$_" => text ("u$_", 40_000 + $_ * 9000)) } 1 .. 40;
many ("files are put through the proxy", $server->{proxy}, 8, [map ["PUT", $_, $upload{$_}], sort keys %upload], \&is_put);
is +(once ($server->{proxy}, "PUT", "/put/proxied", $big))[0], 200, "24 megabytes are put through the proxy";
ok slurp ("$top/doc/put/proxied") eq $big, "... and are there";
ok eval { until_true { my @left = glob "$top/uploads/*"; !@left } }, "... and what was on disk meanwhile is gone";

# A backend that names the file to send. It takes one request at a time.
my $listen = IO::Socket::INET->new (Listen => 64, LocalAddr => "127.0.0.1", LocalPort => $server->{backend}, ReuseAddr => 1)
   or BAIL_OUT "listen: $@";
my $backend = fork // die "fork: $!";
$running{$backend} = 1;
if (!$backend) {
   # ends with the test at the latest
   alarm 9 * patience;
   while (my $s = $listen->accept) {
      my ($path) = (<$s> // "") =~ m{^\w+ (\S+)};
      while (defined (my $line = <$s>)) { last if $line eq "\r\n" }
      my $file = ($path // "") =~ m{^/h(\d+)} ? "hidden/$1" : ($path // "") eq "/big" ? "doc/big" : "none";
      print $s "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nX-REPROXY-FILE: $top/$file\r\n\r\n";
      close $s;
   }
   POSIX::_exit (0);
}
close $listen;

my @hidden = map slurp ("$top/hidden/$_"), 0 .. 49;
many ("files a backend names", $server->{reproxy}, 10, [map ["GET", "/h" . $_ % 50], 1 .. 300], sub {
   my ($request, $status, $body) = @_;
   $status ne 200 ? "status" : $body ne $hidden[substr $request->[1], 2] && "content"
});
many ("files a backend names and that are missing", $server->{reproxy}, 10, [map ["GET", "/x$_"], 1 .. 50], sub { $_[1] ne 404 && "status" });
many ("parts of files a backend names", $server->{reproxy}, 10, [map ["GET", "/h49", undef, Range => "bytes=" . $_ * 91 . "-" . $_ * 103], 1 .. 50], sub {
   my ($request, $status, $body) = @_;
   my ($from, $to) = $request->[4] =~ /(\d+)-(\d+)/;
   $status ne 206 ? "status" : $body ne substr ($hidden[49], $from, $to - $from + 1) && "content"
});
ok +(once ($server->{reproxy}, "GET", "/big"))[1] eq $big, "24 megabytes a backend names";

# ---- the end ---------------------------------------------------------------

# Connections to backends that are kept are not the module's.
ok eval { until_true { fds ($server) <= $fds + 4 } }, "no descriptors are left over" or diag fds ($server) . ", $fds before";
like slurp ("/proc/$server->{pid}/status"), qr/^Threads:\s+([2-9]|\d\d)$/m, "there are workers, so requests were executed by them";

{
   my $c = connection ($server->{web});
   ask ($c, "GET", "/big");
   sysread $c->{socket}, $c->{buffer}, 1000;
   manage ($server, "shutdown graceful");
   my ($status, $body) = answer ($c);
   ok $status eq 200 && $body eq $big, "a download that is under way is completed";
}
my ($ended, $printed) = finish ($server->{child});
delete $running{$server->{pid}};
is $ended, "exit 0", "... and then Perlbal ends";
unlike $printed, qr/error|die|crash|at \S+ line \d+/i, "... without a complaint";
kill TERM => $backend;
waitpid $backend, 0;
delete $running{$backend};

$server = serve;
{
   my @c = map connection ($server->{web}), 1 .. 8;
   ask ($_, "GET", "/big") for @c;
   sysread $_->{socket}, $_->{buffer}, 1000 for @c;
   manage ($server, "shutdown");
   my ($ended) = finish ($server->{child});
   delete $running{$server->{pid}};
   is $ended, "exit 0", "told to end at once it does, downloads or not";
}

# ---- in the background -----------------------------------------------------

# It says max_parallel 0, forks, and goes on in the child without reinit. The
# pipe stays open until the last process is gone.
{
   pipe my $alive, my $held or die "pipe: $!";
   require Fcntl;
   fcntl $held, Fcntl::F_SETFD (), 0 or die "fcntl: $!";
   my $server = serve "--daemon";
   close $held;
   is +(finish ($server->{child}))[0], "exit 0", "in the background: what was started ends";
   isnt $server->{pid}, $server->{child}{pid}, "... and another process serves";
   ok same_object ($server->{pid}), "... with the module under test";
   many ("files", $server->{web}, 10, [map ["GET", $path[$_ % @path]], 1 .. 200], \&is_file);
   many ("files are put", $server->{web}, 10, [map ["PUT", $_, $put{$_}], (sort keys %put)[0 .. 39]], \&is_put);
   manage ($server, "shutdown");
   my $end = "";
   vec ($end, fileno $alive, 1) = 1;
   ok select ($end, undef, undef, patience) && !sysread ($alive, my $byte, 1), "... until it is told to end"
      and delete $running{$server->{pid}};
}

done_testing;
