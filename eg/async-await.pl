#!/usr/bin/perl
# Requests with async and await: Future::AsyncAwait on the loop of IO::Async.
# Counts the words of the files given, all files at the same time.
#
#    async-await.pl FILE...
use strict;
use warnings;
use Future::AsyncAwait;
use IO::AIO 5;
use IO::Async::Loop;

my $loop = IO::Async::Loop->new;

open my $results, "<&=", IO::AIO::poll_fileno
   or die "poll_fileno: $!";
$loop->watch_io (handle => $results, on_read_ready => \&IO::AIO::poll_cb);

# aio NAME, ARGUMENTS...: a future for the values aio_NAME passes to its
# callback. It fails where the request fails; cancelling it cancels the request.
# The arguments are handed on as they are, so that buffers can be filled.
sub aio {
   my $code = IO::AIO->can ("aio_" . shift);
   my $future = $loop->new_future;
   my $request = &$code (@_, sub {
      $! ? $future->fail ("$!", errno => $! + 0) : $future->done (@_);
   });
   $future->on_cancel (sub { $request->cancel });
   $future
}

async sub words {
   my ($path) = @_;

   my $fh = await aio (open => $path, IO::AIO::O_RDONLY, 0);
   await aio (stat => $fh);
   my $size = -s _;

   my $buffer = "";
   await aio (read => $fh, 0, $size, $buffer, 0);
   await aio (close => $fh);

   my $words = () = $buffer =~ /\S+/g;
   return $words;
}

async sub report {
   my ($path) = @_;
   my $words = eval { await words ($path) };
   print "$path: ", defined $words ? "$words words" : "error: $@", "\n";
}

Future->needs_all (map report ($_), @ARGV)->get;
