# The code in the manual is code that runs: each piece of it is found, word for
# word, in a program in eg/, and 95_examples.t and xt/examples.t run those.
#
# In the POD a line "=for example FILE" says where the following text is taken
# from, "=for program FILE" that it is the whole of a program but for the
# comment at its top. "=for overview" and "=for constants" mark text that is
# set like code and is none.
use strict;
use warnings;
use Test::More;

my $manual = "lib/IO/AIO.pm";

sub lines_of {
   my ($file) = @_;
   open my $fh, "<", $file or return;
   map { s/[\r\n]+\z//; $_ } <$fh>
}

my @line = lines_of ($manual) or BAIL_OUT "$manual: $!; run the tests from the top of the distribution";

# ---- take the verbatim text out of the POD ---------------------------------

my @block;              # [line number, what it is said to be, lines]
my ($pod, $said, $blank) = (0, undef, 1);
for my $n (1 .. @line) {
   my $line = $line[$n - 1];
   if ($line =~ /^=(\w+)\s*(.*?)\s*\z/) {
      $pod  = $1 ne "cut";
      $said = $1 eq "for" ? $2 : undef;
   } elsif (!$pod) {
      next;
   } elsif ($line =~ /^\s+\S/ && ($blank || @block && $block[-1][3])) {
      push @block, [$n, $said, [], 1] unless @block && $block[-1][3];
      push @{ $block[-1][2] }, $line;
   } elsif ($line eq "") {
      push @{ $block[-1][2] }, "" if @block && $block[-1][3];
   } else {
      # ordinary text
      undef $said;
      $block[-1][3] = 0 if @block;
   }
   $block[-1][3] = 0 if @block && $line =~ /^=/;
   $blank = $line eq "";
}

for my $block (@block) {
   my $text = $block->[2];
   pop @$text while @$text && $text->[-1] eq "";
   my ($indent) = sort { $a <=> $b } map { /^( +)\S/ ? length $1 : () } @$text;
   substr $_, 0, $indent, "" for grep $_ ne "", @$text;
}

cmp_ok scalar @block, ">", 50, "the manual has examples";

# ---- look each up ----------------------------------------------------------

# The place of the lines in the file, whatever they are indented by there.
sub found {
   my ($text, $file) = @_;
   START: for my $start (0 .. @$file - @$text) {
      my ($indent) = $file->[$start] =~ /^( *)/;
      my ($less)   = $text->[0] =~ /^( *)/;
      $indent = substr $indent, length $less;
      for my $i (0 .. $#$text) {
         my $want = $text->[$i] eq "" ? "" : $indent . $text->[$i];
         next START if $file->[$start + $i] ne $want;
      }
      return 1;
   }
   0
}

my %used;
for (@block) {
   my ($n, $said, $text) = @$_;
   if (!defined $said) {
      fail "line $n: it is said where this text is from";
      diag $text->[0];
      next;
   }
   next if $said =~ /^(?:overview|constants)\z/;

   my ($kind, $name) = $said =~ m{^(example|program)\s+(eg/\S+)\z}
      or do { fail "line $n: =for $said is known"; next };
   $used{$name}++;
   my @file = lines_of ($name);
   if ($kind eq "program") {
      shift @file while @file && $file[0] =~ /^#/;
      is_deeply $text, \@file, "line $n: the text is the program $name";
   } else {
      ok found ($text, \@file), "line $n: the text is in $name"
         or diag join "\n", @$text;
   }
}

# ---- the same the other way round ------------------------------------------

# Programs named in the running text exist, and every program is named.
my $all = join "\n", @line;
my %named = (%used, map +($_ => 1), $all =~ m{F<(eg/[\w-]+\.pl)>}g);
is_deeply [grep !-e, sort keys %named], [], "programs named in the manual exist";

is_deeply [grep !$named{$_}, sort glob "eg/*.pl"], [], "every program is named in the manual";

done_testing;
