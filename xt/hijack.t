# A process swaps directories for symbolic links in a tight loop while rmtree,
# scandir, copy, move, load and pathsync go through them: nothing outside is
# removed or changed. And a copy is never readable for more people than its
# source, at any moment.
use strict;
use warnings;
use lib "t/lib", "xt/lib";
use AIOTest qw(scratch spew slurp drain);
use Fcntl;
use File::Path ();
use IO::AIO;
use POSIX ();
use Test::More;
use Time::HiRes "time";
use Trust qw(seed stress figure);

seed;
my $dir     = scratch;
my $seconds = 8 * stress;
alarm 60 + 4 * $seconds;

my $outside = "$dir/outside";
my @precious = ("precious", "d/precious", "d/e/precious", "x/0", "x/d/0");

sub make_outside {
   File::Path::make_path ("$outside/d/e", "$outside/x/d");
   spew "$outside/$_", "untouched" for @precious;
   chmod 0751, $outside, "$outside/d";
}

# What is wrong outside.
sub harm {
   my @wrong = grep !-e "$outside/$_" || slurp ("$outside/$_") ne "untouched", @precious;
   opendir my $dh, $outside or return "outside itself";
   push @wrong, "and more names" if 3 + 2 != grep $_ ne "", readdir $dh;
   push @wrong, "its mode" if (stat $outside)[2] & 07777 ^ 0751;
   @wrong
}

# Runs the code, which tells how often it swapped, in a child until it is stopped.
# Returns what stops it and tells how often it was.
sub attacker {
   my ($code) = @_;
   pipe my $r, my $w or die "pipe: $!";
   my ($stop_r, $stop_w);
   pipe $stop_r, $stop_w or die "pipe: $!";
   defined (my $pid = fork) or die "fork: $!";
   if (!$pid) {
      close $stop_w;
      $stop_r->blocking (0);
      my $n = 0;
      until (defined sysread $stop_r, my $x, 1) {
         $n += $code->();
      }
      syswrite $w, "$n\n";
      POSIX::_exit (0);
   }
   close $w;
   sub {
      close $stop_w;
      my $n = <$r>;
      waitpid $pid, 0;
      defined $n && $n =~ /^(\d+)$/ ? $1 : 0
   }
}

# ---- rmtree ------------------------------------------------------------------

# Every level is swapped for a link to its like outside, and back.
{
   make_outside;
   my $tree = "$dir/tree";
   my @level = ("$tree", "$tree/x", "$tree/x/d");
   my @to    = ($outside, "$outside/x", "$outside/x/d");
   my $stop  = attacker (sub {
      my $swapped = 0;
      for (0 .. 2) {
         # another name each time, as one that could not go back is in the way
         my $aside = "$dir/aside" . int rand 200;
         if (rename $level[$_], $aside) {
            $swapped += symlink $to[$_], $level[$_];
            unlink $level[$_];
            rename $aside, $level[$_];
         }
      }
      $swapped
   });

   my ($rounds, %status, @harm) = (0);
   my $end = time + $seconds;
   while (time < $end && !@harm) {
      # some of these fail, as the directory above is a link just now
      for (1 .. 8) {
         mkdir $level[0]; mkdir $level[1]; mkdir $level[2];
         for my $f ("$level[0]/0", "$level[1]/1", "$level[2]/2") {
            # never through a link: what this test makes is not to look like harm
            sysopen my $fh, $f, O_WRONLY | O_CREAT | O_EXCL;
         }
         unlink map "$outside/$_", "x/1", "x/d/2";
         rmdir "$outside/x/x";
         aio_rmtree $tree, sub { $status{ $_[0] ? $! + 0 : 0 }++ };
      }
      aio_rmtree $_ for glob "$dir/aside*";
      drain;
      unlink "$outside/0";
      $rounds += 8;
      @harm = harm;
   }
   my $swaps = $stop->();
   is_deeply \@harm, [], "rmtree against a process that swaps directories for links: nothing outside is touched";
   cmp_ok $swaps, ">", 20, "... while it swapped";
   cmp_ok $status{0} // 0, ">", 10, "... and trees were removed";
   figure sprintf "rmtree hijack: %d removals against %d swaps of three levels", $rounds, $swaps;
   File::Path::remove_tree ($tree, glob "$dir/aside*");
}

# ---- a wide tree, swapped below its top ----------------------------------------

{
   File::Path::remove_tree ($outside);
   make_outside;
   my $tree = "$dir/wide";
   my @sub = map "$tree/$_", 1 .. 40;
   my $stop = attacker (sub {
      my $victim = $sub[rand @sub];
      rename ($victim, "$dir/aside" . int rand 200) ? symlink $outside, $victim : 0
   });
   my ($rounds, @harm) = (0);
   my $end = time + $seconds;
   while (time < $end && !@harm) {
      mkdir $tree;
      for (@sub) { mkdir $_; mkdir "$_/x"; sysopen my $fh, "$_/x/0", O_WRONLY | O_CREAT | O_EXCL }
      aio_rmtree $tree;
      aio_rmtree $_ for glob "$dir/aside*";
      drain;
      $rounds++;
      @harm = harm;
   }
   my $swaps = $stop->();
   is_deeply \@harm, [], "a wide tree whose directories become links: nothing outside is touched";
   cmp_ok $swaps, ">", 20, "... while they did";
   figure sprintf "wide rmtree hijack: %d trees of %d directories against %d swaps", $rounds, scalar @sub, $swaps;
   File::Path::remove_tree ($tree, glob "$dir/aside*");
}

# ---- requests relative to a directory object -----------------------------------

{
   File::Path::remove_tree ($outside);
   make_outside;
   my $top = "$dir/top";
   mkdir $top or die;
   my $wd;
   aio_wd $top, sub { $wd = $_[0] };
   drain;
   my $stop = attacker (sub {
      rename ($top, "$dir/moved") or return 0;
      my $swapped = symlink $outside, $top;
      unlink $top;
      rename "$dir/moved", $top;
      $swapped
   });
   my ($rounds, @harm, @failed) = (0);
   spew "$dir/source", "copied" x 1000;
   my $end = time + $seconds / 2;
   while (time < $end && !@harm && !@failed) {
      my $ok = sub { push @failed, "$_[0]: $!" if $_[1] };
      my $grp = aio_group;
      aio_mkdir [$wd, "new"], 0700, sub {
         $ok->(mkdir => $_[0]);
         aio_copy "$dir/source", [$wd, "new/precious"], sub {
            $ok->(copy => $_[0]);
            aio_move [$wd, "new/precious"], [$wd, "new/moved"], sub {
               $ok->(move => $_[0]);
               aio_load [$wd, "new/moved"], my $data, sub {
                  $ok->(load => $_[0] != 6000);
                  aio_pathsync [$wd, "new"], sub {
                     $ok->(pathsync => $_[0]);
                     aio_rmtree [$wd, "new"], sub { $ok->(rmtree => $_[0]) };
                  };
               };
            };
         };
      };
      drain;
      $rounds++;
      @harm = harm;
   }
   my $swaps = $stop->();
   is_deeply \@failed, [], "below a directory object the composites work whatever happens to its name";
   is_deeply \@harm, [], "... and nothing outside is touched";
   figure sprintf "composites below a directory object: %d rounds of mkdir, copy, move, load, pathsync, rmtree against %d swaps", $rounds, $swaps;
   File::Path::remove_tree ($top);
}

# ---- permissions of copies -------------------------------------------------------

# A watcher looks at the destination all the time. The source is private; the
# umask would allow everything.
{
   umask 0;
   my $from = spew "$dir/secret", "secret" x 500_000;
   chmod 0600, $from;
   my $to = "$dir/copies/to";
   mkdir "$dir/copies";
   my @seen;
   my $watcher = sub {
      my ($r, $w, $stop_r, $stop_w);
      pipe $r, $w or die; pipe $stop_r, $stop_w or die;
      defined (my $pid = fork) or die "fork: $!";
      if (!$pid) {
         close $stop_w;
         $stop_r->blocking (0);
         my (%mode, $n);
         syswrite $w, ".";
         until (defined sysread $stop_r, my $x, 1) {
            my @st = lstat $to or next;
            $mode{ sprintf "%04o", $st[2] & 07777 }++;
            $n++;
         }
         syswrite $w, join (" ", $n // 0, sort keys %mode) . "\n";
         POSIX::_exit (0);
      }
      close $w;
      sysread $r, my $first, 1;
      sub { close $stop_w; my $line = <$r>; waitpid $pid, 0; split " ", $line // "0" }
   };

   for my $how ("aio_copy", "aio_move, to another file system") {
      my $source = $from;
      if ($how =~ /move/) {
         my ($shm) = grep { -d && -w _ && (stat _)[0] != (stat $dir)[0] } "/dev/shm", "/tmp", "/var/tmp";
         defined $shm or do {
            SKIP: { skip "there is no second file system to move from", 2 }
            next;
         };
         $source = "$shm/aio-hijack-$$";
      }
      my $stop = $watcher->();
      my ($copies, $failed) = (0, 0);
      my $end = time + $seconds / 4;
      while (time < $end) {
         if ($how =~ /move/) {
            spew $source, "secret" x 100_000;
            chmod 0600, $source;
            aio_move $source, $to, sub { $copies++; $failed++ if $_[0] };
         } else {
            aio_copy $source, $to, sub { $copies++; $failed++ if $_[0] };
         }
         drain;
         unlink $to;
      }
      unlink $source if $how =~ /move/;
      my ($looks, @mode) = $stop->();
      is $failed, 0, "$how: all succeed";
      is_deeply [grep oct ($_) & 0177, @mode], [], "... and never is the copy open to others, nor executable";
      cmp_ok $looks, ">", 100, "... while somebody looked";
      figure "$how of a private file: $copies copies, $looks looks at the destination, modes seen: @mode";
   }
}

done_testing;
