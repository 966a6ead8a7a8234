#!/usr/bin/perl
# Requests in coroutines: Coro::AIO makes each aio_ function wait for its own
# result, while the other coroutines go on. Counts the entries of each directory
# below the one given, with up to ten coroutines at work.
#
#    coro.pl DIRECTORY
use strict;
use warnings;
use Coro;
use Coro::AIO;
use Coro::Semaphore;

my ($root) = @ARGV
   or die "usage: $0 DIRECTORY\n";

my $slots = Coro::Semaphore->new (10);
my %entries;

sub look {
   my ($dir) = @_;

   my $guard = $slots->guard;
   my ($dirs, $others) = aio_scandir $dir, 0;
   if (!$dirs) {
      warn "$dir: $!\n";
      return;
   }
   $entries{$dir} = @$dirs + @$others;
   undef $guard;

   my @walker = map { my $sub = "$dir/$_"; async { look ($sub) } } @$dirs;
   $_->join for @walker;
}

look ($root);
print "$entries{$_} $_\n" for sort keys %entries;
