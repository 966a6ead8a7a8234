#!/usr/bin/perl
# Requests as promises of Mojolicious, on Mojo::IOLoop. Prints the size of each
# file given and the sum, or the first error.
#
#    mojo-promise.pl FILE...
use strict;
use warnings;
use IO::AIO 5;
use Mojo::IOLoop;
use Mojo::Promise;

open my $results, "<&=", IO::AIO::poll_fileno
   or die "poll_fileno: $!";
Mojo::IOLoop->singleton->reactor->io ($results => sub { IO::AIO::poll_cb })->watch ($results, 1, 0);

# aio NAME, ARGUMENTS...: a promise for the values aio_NAME passes to its
# callback, rejected with the error where the request fails.
sub aio {
   my $code = IO::AIO->can ("aio_" . shift);
   my $promise = Mojo::Promise->new;
   &$code (@_, sub { $! ? $promise->reject ("$!") : $promise->resolve (@_) });
   $promise
}

my $total = 0;

sub add_size {
   my ($path) = @_;
   my $data = "";
   aio (load => $path, $data)->then (sub {
      my ($size) = @_;
      print "$path: $size bytes\n";
      $total += $size;
   }, sub {
      die "$path: $_[0]\n";
   });
}

Mojo::Promise->all (map add_size ($_), @ARGV)->then (
   sub { print "total: $total bytes\n" },
   sub { print "failed: $_[0]" },
)->wait;
