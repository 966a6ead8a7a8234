#!/usr/bin/perl
# A static file server on the loopback interface, for HTTP/1.0 GET and HEAD.
# It is one process, yet no client waits for the disk on behalf of another: the
# event loop is EV, files are opened, looked at and sent by requests.
#
#    httpd.pl [--port=N] [--requests=N] DIRECTORY
#
# Port 0, the default, takes a free one and prints it. With --requests the
# server ends after that many answers.
use strict;
use warnings;
use EV;
use Getopt::Long;
use IO::AIO;
use IO::Socket::INET;

my $port = 0;
GetOptions ("port=i" => \$port, "requests=i" => \my $requests) && @ARGV == 1
   or die "usage: $0 [--port=N] [--requests=N] DIRECTORY\n";

my %type = (html => "text/html", txt => "text/plain", css => "text/css", png => "image/png");

$| = 1;
$SIG{PIPE} = "IGNORE";

my $aio = EV::io IO::AIO::poll_fileno, EV::READ, \&IO::AIO::poll_cb;

# All paths are taken relative to this directory.
my $root;
aio_wd $ARGV[0], sub {
   $root = shift
      or die "$ARGV[0]: $!\n";
};
IO::AIO::flush;

my $listen = IO::Socket::INET->new (LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 64, ReuseAddr => 1, Blocking => 0)
   or die "listen: $!\n";
print "http://127.0.0.1:", $listen->sockport, "/\n";

my $accept = EV::io fileno $listen, EV::READ, sub {
   while (my $client = $listen->accept) {
      $client->blocking (0);
      receive ({ fh => $client, in => "" });
   }
};

# Calls the code whenever the client can be read from or written to.
sub watch {
   my ($c, $events, $code) = @_;
   $c->{watcher} = EV::io fileno $c->{fh}, $events, $code;
}

sub receive {
   my ($c) = @_;
   watch ($c, EV::READ, sub {
      my $n = sysread $c->{fh}, $c->{in}, 8192, length $c->{in};
      return if !defined $n && ($!{EAGAIN} || $!{EINTR});
      return finish ($c) if !$n || length $c->{in} > 65536;

      if ($c->{in} =~ /^(GET|HEAD) ([^ \r\n]+)[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n/) {
         delete $c->{watcher};
         serve ($c, $1, $2);
      } elsif ($c->{in} =~ /\n\r?\n/) {
         fail ($c, "400 Bad Request");
      }
   });
}

sub serve {
   my ($c, $method, $path) = @_;

   $path =~ s/[?#].*//;
   $path =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
   return fail ($c, "403 Forbidden") if grep $_ eq "..", split m{/}, $path;
   $path =~ s{^/+}{};
   $path .= "index.html" if $path =~ m{(?:^|/)\z};

   aio_open [$root, $path], IO::AIO::O_RDONLY | IO::AIO::O_NONBLOCK, 0, sub {
      my $file = shift
         or return fail ($c, $!{EACCES} ? "403 Forbidden" : "404 Not Found");

      aio_stat $file, sub {
         return fail ($c, "404 Not Found") if $_[0] || !-f _;
         my $size = -s _;
         my ($ext) = $path =~ /\.(\w+)\z/;
         my $type = $type{$ext // ""} || "application/octet-stream";
         head ($c, "200 OK", "Content-Type: $type\r\nContent-Length: $size\r\n", sub {
            $method eq "HEAD" ? finish ($c) : body ($c, $file, 0, $size);
         });
      };
   };
}

# The head is small: it goes into the socket's buffer in one piece, or the
# client is not worth waiting for.
sub head {
   my ($c, $status, $fields, $then) = @_;
   my $head = "HTTP/1.0 $status\r\nConnection: close\r\n$fields\r\n";
   my $n = syswrite $c->{fh}, $head;
   defined $n && $n == length $head ? $then->() : finish ($c);
}

# Sends the file, as much as the client takes at a time.
sub body {
   my ($c, $file, $offset, $size) = @_;
   return finish ($c) if $offset >= $size;

   aio_sendfile $c->{fh}, $file, $offset, $size - $offset, sub {
      my ($n) = @_;
      if ($n > 0) {
         body ($c, $file, $offset + $n, $size);
      } elsif ($n < 0 && $!{EAGAIN}) {
         watch ($c, EV::WRITE, sub {
            delete $c->{watcher};
            body ($c, $file, $offset, $size);
         });
      } else {
         finish ($c);
      }
   };
}

sub fail {
   my ($c, $status) = @_;
   head ($c, $status, "", sub { finish ($c) });
}

sub finish {
   my ($c) = @_;
   delete $c->{watcher};
   close $c->{fh};
   EV::break if $requests && !--$requests;
}

EV::run;
