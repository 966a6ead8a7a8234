# Random reads, writes, appends and truncates of many files, 64 in flight, each
# checked against a model in memory. Every file has one request at a time, so
# what the model says is certain.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch slurp);
use Fcntl;
use IO::AIO;
use Test::More;
use Time::HiRes "time";
use Trust qw(seed stress figure);

my $steps = 1_000_000 * stress;
my $depth = 64;
my $most  = 8192;          # octets in a file
alarm 120 * stress;

seed;
my $dir   = scratch;
my $start = time;

# Content to take pieces of; no two places look alike.
my $stuff = join "", map chr rand 256, 1 .. 65536 + $most;

my (%done, @bad);
my $submitted = 0;
my ($octets_in, $octets_out) = (0, 0);

sub bad { push @bad, "@_" if @bad < 10 }

# A file: handle, handle for appending, path, model, a scalar for data.
my @file = map {
   my $path = "$dir/f$_";
   sysopen my $fh, $path, O_RDWR | O_CREAT, 0600 or die "$path: $!";
   sysopen my $append, $path, O_WRONLY | O_APPEND or die "$path: $!";
   { fh => $fh, append => $append, path => $path, model => "", data => "", id => $_ }
} 1 .. $depth;

sub step;

sub check {
   my ($file, $what, $got, $want) = @_;
   $done{$what}++;
   bad "$what of file $file->{id}: " . ($got // "undef") . " for $want, $!" unless defined $got && $got == $want;
   step $file;
}

my %op = (
   read => sub {
      my ($f) = @_;
      my $offset = int rand length ($f->{model}) + 100;
      my $length = int rand rand 4096;
      my $before = int rand 1 + length $f->{data};
      my $want   = substr ($f->{data}, 0, $before) . ($offset < length $f->{model} ? substr $f->{model}, $offset, $length : "");
      aio_read $f->{fh}, $offset, $length, $f->{data}, $before, sub {
         $octets_in += $_[0];
         bad "read of file $f->{id} at $offset, $length: wrong data" if $f->{data} ne $want;
         $f->{data} = "" if length $f->{data} > 20_000;
         check $f, read => $_[0], length ($want) - $before;
      };
   },
   write => sub {
      my ($f) = @_;
      my $offset = int rand length ($f->{model}) + 50;
      my $length = int rand rand ($most / 2);
      $offset = $most if $offset > $most;
      $length = $most - $offset if $offset + $length > $most;
      my $data = substr $stuff, rand 65536, $length + 10;
      $f->{model} .= "\0" x ($offset - length $f->{model}) if $offset > length $f->{model} && $length;
      substr $f->{model}, $offset, $length, substr $data, 5, $length if $length;
      aio_write $f->{fh}, $offset, $length, $data, 5, sub { $octets_out += $_[0]; check $f, write => $_[0], $length };
   },
   append => sub {
      my ($f) = @_;
      # full: another request instead
      return --$submitted, step $f if length $f->{model} > $most - 500;
      my $data = substr $stuff, rand 65536, rand 500;
      $f->{model} .= $data;
      aio_write $f->{append}, 0, undef, $data, 0, sub { $octets_out += $_[0]; check $f, append => $_[0], length $data };
   },
   truncate => sub {
      my ($f) = @_;
      my $length = int rand 1.2 * length $f->{model};
      $length = $most if $length > $most;
      $f->{model} = substr $f->{model} . "\0" x ($length - length ($f->{model}) > 0 ? $length - length $f->{model} : 0), 0, $length;
      aio_truncate rand () < 0.5 ? $f->{fh} : $f->{path}, $length, sub { check $f, truncate => $_[0], 0 };
   },
   size => sub {
      my ($f) = @_;
      my $size = length $f->{model};
      aio_stat rand () < 0.5 ? $f->{fh} : $f->{path}, sub { check $f, size => $_[0] ? -1 : -s _, $size };
   },
   slurp => sub {
      my ($f) = @_;
      my $got;
      aio_slurp $f->{path}, 0, 0, $got, sub {
         $octets_in += $_[0];
         bad "slurp of file $f->{id}: wrong data" if ($got // "undef") ne $f->{model};
         check $f, slurp => $_[0], length $f->{model};
      };
   },
);

# reads and writes most of all
my @mix = (("read") x 8, ("write") x 6, ("append") x 3, "truncate", "size", "slurp");

my %retry;
sub step {
   my ($f) = @_;
   return if $submitted++ >= $steps || @bad;
   $op{ $mix[rand @mix] }->($f);
}

step $_ for @file;
IO::AIO::poll while IO::AIO::nreqs;

is_deeply \@bad, [], "every result and every octet is what the model says";
my $done = 0;
$done += $_ for values %done;
is $done, $steps, "all of them ran";
my @differ = grep slurp ($_->{path}) ne $_->{model}, @file;
is_deeply [map $_->{id}, @differ], [], "in the end perl reads in each file what the model holds";

my $took = time - $start;
figure sprintf "data model: %d requests at depth %d checked (%s) in %.1f s, %.0f MB read, %.0f MB written",
   $done, $depth, join (", ", map "$done{$_} $_", sort keys %done), $took, $octets_in / 1e6, $octets_out / 1e6;

done_testing;
