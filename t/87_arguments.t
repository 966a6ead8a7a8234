# Contract: prototypes, and calls that are refused: they queue nothing, change
# nothing, leak nothing and leave the pending priority alone.
use strict;
use warnings;
use lib "t/lib";
use Test::More;
use AIOPaths;
use IO::AIO;

my $dir  = scratch;
my $file = spew "$dir/file", "0123456789";
open my $fh, "+<", $file or die;
open my $closed, "<", $file or die; close $closed;
my $data = "data";

# name, prototype, arguments without callback, places of handles, of octets, of paths
my @functions = (
   [aio_nop             => ';$',       sub { () }],
   [aio_sync            => ';$',       sub { () }],
   [aio_wd              => '$;$',      sub { $dir },                   "", 0, 0],
   [aio_close           => '$;$',      sub { $fh },                    0],
   [aio_stat            => '$;$',      sub { $file },                  "", 0, 0],
   [aio_lstat           => '$;$',      sub { $file },                  "", 0, 0],
   [aio_statvfs         => '$;$',      sub { $file },                  "", 0, 0],
   [aio_unlink          => '$;$',      sub { "$dir/none" },            "", 0, 0],
   [aio_readlink        => '$;$',      sub { $file },                  "", 0, 0],
   [aio_realpath        => '$;$',      sub { $file },                  "", 0, 0],
   [aio_rmdir           => '$;$',      sub { "$dir/none" },            "", 0, 0],
   [aio_readdir         => '$;$',      sub { $dir },                   "", 0, 0],
   [aio_rmtree          => '$;$',      sub { "$dir/none" },            "", 0, 0],
   [aio_fsync           => '$;$',      sub { $fh },                    0],
   [aio_fdatasync       => '$;$',      sub { $fh },                    0],
   [aio_syncfs          => '$;$',      sub { $fh },                    0],
   [aio_pathsync        => '$;$',      sub { $file },                  "", 0, 0],
   [aio_mlockall        => '$;$',      sub { 0 }],
   [aio_busy            => '$;$',      sub { 0 }],
   [aio_truncate        => '$$;$',     sub { $file, 10 },              "", 0, 0],
   [aio_chmod           => '$$;$',     sub { $file, 0644 },            "", 0, 0],
   [aio_link            => '$$;$',     sub { "$dir/none", "$dir/x" },  "", "0 1", "0 1"],
   [aio_symlink         => '$$;$',     sub { "text", "$dir/none/x" },  "", "0 1", "1"],
   [aio_rename          => '$$;$',     sub { "$dir/none", "$dir/x" },  "", "0 1", "0 1"],
   [aio_mkdir           => '$$;$',     sub { "$dir/none/x", 0700 },    "", 0, 0],
   [aio_readdirx        => '$$;$',     sub { $dir, 0 },                "", 0, 0],
   [aio_scandir         => '$$;$',     sub { $dir, 0 },                "", 0, 0],
   [aio_load            => '$$;$',     sub { $file, my $d },           "", 0, 0],
   [aio_copy            => '$$;$',     sub { "$dir/none", "$dir/x" },  "", "0 1", "0 1"],
   [aio_move            => '$$;$',     sub { "$dir/none", "$dir/x" },  "", "0 1", "0 1"],
   [aio_rename2         => '$$;$$',    sub { "$dir/none", "$dir/x", 0 }, "", "0 1", "0 1"],
   [aio_open            => '$$$;$',    sub { $file, 0, 0 },            "", 0, 0],
   [aio_seek            => '$$$;$',    sub { $fh, 0, 0 },              0],
   [aio_readahead       => '$$$;$',    sub { $fh, 0, 1 },              0],
   [aio_utime           => '$$$;$',    sub { $file, 1, 1 },            "", 0, 0],
   [aio_chown           => '$$$;$',    sub { $file, -1, -1 },          "", 0, 0],
   [aio_mknod           => '$$$;$',    sub { "$dir/none/x", 0600, 0 }, "", 0, 0],
   [aio_fcntl           => '$$$;$',    sub { $fh, 99999, 0 },          0, 2],
   [aio_ioctl           => '$$$;$',    sub { $fh, 99999, 0 },          0, 2],
   [aio_sendfile        => '$$$$;$',   sub { $fh, $fh, 0, 0 },         "0 1"],
   [aio_allocate        => '$$$$;$',   sub { $fh, 0, 0, 1 },           0],
   [aio_slurp           => '$$$$;$',   sub { $file, 0, 4, my $d },     "", 0, 0],
   [aio_sync_file_range => '$$$$;$',   sub { $fh, 0, 0, 0 },           0],
   [aio_read            => '$$$$$;$',  sub { $fh, 0, 4, my $d = "x", 0 }, 0, 3],
   [aio_write           => '$$$$$;$',  sub { $fh, 0, 0, $data, 0 },    0, 3],
   [aio_fiemap          => '$$$$$;$',  sub { $fh, 0, undef, 0, 0 },    0],
   [aio_mlock           => '$;$$$',    sub { $data, 0, 1 },            "", 0],
   [aio_msync           => '$;$$$$',   sub { $data, 0, 1, 1 },         "", 0],
   [aio_mtouch          => '$;$$$$',   sub { $data, 0, 1, 0 },         "", 0],
   [aio_group           => ';$',       sub { () }],
);
my %composite = map { $_ => 1 } qw(aio_scandir aio_load aio_copy aio_move aio_rmtree aio_pathsync);

my @warnings;
$SIG{__WARN__} = sub { push @warnings, @_ };

drain;
my $before = nfds;

# Calls it in a way that must be refused. Returns what is wrong, if anything.
sub refuses {
   my ($name, $re, @args) = @_;
   my $code = do { no strict "refs"; \&{"IO::AIO::$name"} };
   my @wrong;
   my ($called, $freed) = (0, 0);
   my $has_cb = grep { defined && ref eq "AIOPaths::WithGuard" } @args;
   my @copy = map { ref eq "AIOPaths::WithGuard" ? do { my $g = guard $freed; sub { $called++; $g } } : $_ } @args;
   my $nreqs = IO::AIO::nreqs;
   aioreq_pri 3;
   my $lived = eval { &$code (@copy); 1 };
   my $error = $@;
   push @wrong, "accepted"                              if $lived;
   push @wrong, "died: $error"                          if !$lived && $error !~ $re;
   push @wrong, (IO::AIO::nreqs () - $nreqs) . " queued" if IO::AIO::nreqs () != $nreqs;
   my $pri = aioreq_pri 0;
   push @wrong, "priority now $pri"                     if $pri != 3;
   @copy = ();
   push @wrong, "callback not released"                 if $has_cb && !$freed;
   eval { drain; 1 } or push @wrong, "poll died: $@";
   push @wrong, "called back"                           if $called;
   @wrong ? "$name: " . join ", ", @wrong : ()
}
my $CB = bless [], "AIOPaths::WithGuard";

# all of one kind, in one test
sub all_refuse {
   my ($what, @problems) = @_;
   ok !@problems, $what or diag join "\n", @problems;
   is nfds, $before, "... and no descriptor is left";
   is "@warnings", "", "... no warning given";
   @warnings = ();
}

# ---- prototypes
is_deeply
   { map { $_->[0] => prototype "IO::AIO::$_->[0]" } @functions },
   { map { $_->[0] => $_->[1] } @functions },
   "prototypes";
is_deeply [grep { !main->can ($_) } map { $_->[0] } @functions], ["aio_busy"], "all but aio_busy are exported by default";

# ---- numbers of arguments
{
   my (@few, @many);
   for (@functions) {
      my ($name, $proto, $args) = @$_;
      next if $composite{$name} || $name eq "aio_group";
      my ($needed, $optional) = map { tr/$// } split /;/, "$proto;", 2;
      my $usage = qr/^Usage: IO::AIO::$name\s*\(/;
      push @few, refuses ($name, $usage, ($args->())[0 .. $needed - 2]) if $needed > 1;
      push @few, refuses ($name, $usage) if $needed;
      push @many, refuses ($name, $usage, ($args->(), (undef) x 9)[0 .. $needed + $optional - 1], $CB);
   }
   all_refuse "too few arguments: Usage", @few;
   all_refuse "too many arguments: Usage", @many;
}

# ---- callbacks
our ($scalar_only, %hash_only);
$scalar_only = 1;
{ package Textual; use overload '""' => sub { "main::named" }, fallback => 1 }
{ package Broken; use overload '&{}' => sub { die "no code today\n" }, fallback => 1 }
for (
   ["a name of no sub"        => "no_such_sub",        qr/^no_such_sub: callback must be a CODE reference or another callable object/],
   ["the empty string"        => "",                   qr/^: callback must be a CODE reference or another callable object/],
   ["a number"                => 5,                    qr/^5: callback must be a CODE reference or another callable object/],
   ["a glob without code"     => *scalar_only,         qr/callback must be a CODE reference or another callable object/],
   ["an array"                => [],                   qr/^Not a subroutine reference/],
   ["a hash"                  => {},                   qr/^Not a subroutine reference/],
   ["a reference to a string" => \"main::named",       qr/^Not a subroutine reference/],
   ["a regexp"                => qr/x/,                qr/^Not a subroutine reference/],
   ["an object"               => (bless [], "Thing"),  qr/^Not a subroutine reference/],
   ["an object that is text"  => (bless [], "Textual"), qr/^Not a subroutine reference/],
   ["an object whose overload dies" => (bless [], "Broken"), qr/^no code today/],
) {
   my ($what, $cb, $re) = @$_;
   all_refuse "callback refused: $what", map { refuses ($_->[0], $re, $_->[2]->(), $cb) } @functions;
}

# ---- handles
for (["a closed handle" => $closed], ["undef" => undef], ["text" => "STDIN"], ["an array" => []], ["-1" => -1]) {
   my ($what, $handle) = @$_;
   my @problems;
   for (@functions) {
      my ($name, $proto, $args, $places) = @$_;
      for my $place (split / /, defined $places ? $places : "") {
         my @args = $args->();
         $args[$place] = $handle;
         push @problems, refuses ($name, qr/illegal fh argument/, @args, $CB);
      }
   }
   @warnings = () unless defined $handle;
   all_refuse "handle refused: $what", @problems;
}

# ---- octets
{
   my @problems;
   for (@functions) {
      my ($name, $proto, $args, undef, $places) = @$_;
      for my $place (split / /, defined $places ? $places : "") {
         my @args = $args->();
         $args[$place] = "wide\x{100}";
         push @problems, refuses ($name, qr/must be byte\/octet-encoded|^Wide character in/, @args, $CB);
      }
   }
   all_refuse "wide characters are refused", @problems;
}

# ---- paths
my $wd = (run { aio_wd $dir, $_[0] })->{args}[0];
$before = nfds;
for (
   ["a reference to text"   => \"x",                        qr/pathname arguments must be/],
   ["a hash"                => {},                          qr/pathname arguments must be/],
   ["an empty array"        => [],                          qr/pathname arguments must be/],
   ["an array of three"     => [$wd, "x", "y"],             qr/pathname arguments must be/],
   ["text as directory"     => [$dir, "x"],                 qr/expected a working directory object/],
   ["an object as directory" => [(bless [], "Thing"), "x"], qr/expected a working directory object/],
   ["a wide pair"           => [$wd, "\x{100}"],            qr/must be byte\/octet-encoded|^Wide character in/],
) {
   my ($what, $path, $re) = @$_;
   my @problems;
   for (@functions) {
      my ($name, $proto, $args, undef, undef, $places) = @$_;
      for my $place (split / /, defined $places ? $places : "") {
         my @args = $args->();
         $args[$place] = $path;
         push @problems, refuses ($name, $re, @args, $CB);
      }
   }
   all_refuse "path refused: $what", @problems;
}

# ---- positions in data
{
   my $short = "abc";
   my @problems = (
      (map { refuses ("aio_read",  qr/^dataoffset outside/, $fh, 0, 1, $short, $_, $CB) } 4, -4),
      (map { refuses ("aio_write", qr/^dataoffset outside/, $fh, 0, 1, $short, $_, $CB) } 4, -4),
      (map { refuses ("aio_msync", qr/^offset outside of scalar/, $short, $_, 1, 1, $CB) } 4, -4),
      (map { refuses ("aio_mtouch", qr/^offset outside of scalar/, $short, $_, 1, 0, $CB) } 4, -4),
      (map { refuses ("aio_mlock", qr/^offset outside of scalar/, $short, $_, 1, $CB) } 4, -4),
   );
   all_refuse "positions outside of the data are refused", @problems;
   is $short, "abc", "... which stays";
   ok !Internals::SvREADONLY ($short), "... writable";
}
is slurp ($file), "0123456789", "the file stays as it was";

# ---- calls that are fine use up the priority, and return what they should
{
   hold;
   my @problems;
   for (@functions) {
      my ($name, $proto, $args) = @$_;
      next if $name eq "aio_close";
      my $code = do { no strict "refs"; \&{"IO::AIO::$name"} };
      for my $context ("void", "scalar", "list") {
         my $queued = IO::AIO::nreqs;
         aioreq_pri 2;
         my @got;
         if ($context eq "void") { $code->($args->(), undef) }
         elsif ($context eq "scalar") { $got[0] = $code->($args->(), undef) }
         else { @got = $code->($args->(), undef) }
         my $pri = aioreq_pri 0;
         my $class = $composite{$name} || $name eq "aio_group" ? "IO::AIO::GRP" : "IO::AIO::REQ";
         push @problems, "$name, $context: priority stays $pri" if $pri;
         push @problems, "$name, $context: nothing queued" unless IO::AIO::nreqs () > $queued;
         push @problems, "$name, $context: returns @got" unless $context eq "void" || @got == 1 && ref $got[0] eq $class;
      }
   }
   release;
   is join ("\n", @problems), "", "calls that are accepted: queued, the priority used up, an object returned";
}

done_testing;
