# The module loads, is the one under test, and has every name with the right
# prototype and export status. The table at the end is the interface.
use strict;
use warnings;
use lib "t/lib";
use AIOTest;
use Test::More;
use IO::AIO;

diag "IO::AIO $IO::AIO::VERSION from $INC{'IO/AIO.pm'}, perl $], $^O";

ok eval { IO::AIO->VERSION (5); 1 }, "the version is 5 or above";
ok eval { IO::AIO->VERSION ($_); 1 }, "a program that asks for $_ is satisfied"
   for "0.2", "1.6", "2", "3.1", "4.13", "4.8", "4.80";
ok !eval { IO::AIO->VERSION (99); 1 }, "a version that does not exist is refused";

if (defined $ENV{AIO_EXPECT}) {
   like $INC{"IO/AIO.pm"}, qr{\Q$ENV{AIO_EXPECT}\E/}, "the module is the one AIO_EXPECT names";
} elsif (my ($blib) = grep !ref && m{(?:^|/)blib/}, @INC) {
   like $INC{"IO/AIO.pm"}, qr{blib/}, "the module is the one in blib";
}

# ---- names, prototypes, exports --------------------------------------------

my @row = map { chomp; my %r; @r{qw(name package exported prototype)} = split /\t/; \%r }
          grep /\S/, <DATA>;
is @row, 153, "the table is whole";

my %default = map +($_ => 1), @IO::AIO::EXPORT;
my %ok      = map +($_ => 1), @IO::AIO::EXPORT_OK;

for my $r (@row) {
   my $full = "$r->{package}::$r->{name}";
   no strict "refs";
   my $proto = prototype $full;
   my $got = join " ",
      defined &$full ? "defined" : "missing",
      defined $proto ? "($proto)" : "-",
      $r->{package} ne "IO::AIO" ? "no" : $default{$r->{name}} ? "default" : $ok{$r->{name}} ? "ok" : "no";
   is $got, "defined $r->{prototype} $r->{exported}", $full;
}

{ package AIOTest::Default; IO::AIO->import }
{ package AIOTest::One;     IO::AIO->import ("aio_stat") }
{ package AIOTest::Asked;   IO::AIO->import (@IO::AIO::EXPORT_OK) }
{ package AIOTest::None;    eval "use IO::AIO (); 1" or die $@ }

sub subs_of {
   my ($package) = @_;
   no strict "refs";
   join " ", grep defined &{"${package}::$_"}, sort keys %{"${package}::"}
}

is subs_of ("AIOTest::Default"), (join " ", sort @IO::AIO::EXPORT), "use IO::AIO brings the default exports";
is subs_of ("AIOTest::Asked"), (join " ", sort @IO::AIO::EXPORT_OK), "all optional names can be asked for";
is subs_of ("AIOTest::One"), "aio_stat", "one name asked for stops the defaults";
is subs_of ("AIOTest::None"), "", "an empty list brings nothing";
is \&AIOTest::Default::aio_stat, \&IO::AIO::aio_stat, "an export is the function itself";
is_deeply [grep $ok{$_}, @IO::AIO::EXPORT], [], "no name is exported both ways";

for my $name (qw(O_RDONLY CWD REQ poll nosuch)) {
   local $SIG{__WARN__} = sub { };
   ok !eval { package AIOTest::Two; IO::AIO->import ($name); 1 }, "$name cannot be imported";
}

# ---- what modules built on this one rely on --------------------------------

my %req = map +($_ => 1), @IO::AIO::AIO_REQ;
is keys %req, @IO::AIO::AIO_REQ, "\@AIO_REQ names nothing twice";
is_deeply [grep !$req{$_}, grep /^aio_/, map $_->{name}, @row], [], "\@AIO_REQ has every request function";
is_deeply [grep !/^aio_/ || !defined prototype "IO::AIO::$_", @IO::AIO::AIO_REQ], [], "\@AIO_REQ has nothing else";
is_deeply [grep { (my $p = prototype "IO::AIO::$_") =~ s/;//g; $p !~ /\$\z/ } @IO::AIO::AIO_REQ], [],
   "the last slot of each prototype is the callback's";
is_deeply [grep !defined prototype "IO::AIO::$_", @IO::AIO::EXPORT, @IO::AIO::EXPORT_OK], [],
   "every exported name has a prototype";

is "@IO::AIO::GRP::ISA", "IO::AIO::REQ", "a group is a request";
ok !IO::AIO::REQ->can ($_), "a request has no method $_" for qw(add result feed limit errno cancel_subs);
ok +IO::AIO::GRP->can ($_), "a group has the method $_" for qw(cancel cb add result feed limit errno cancel_subs);
ok +IO::AIO->isa ("Exporter"), "IO::AIO is an Exporter";
ok +IO::AIO->can ("aio_stat"), "functions are found by can";

# ---- nothing happens at load -----------------------------------------------

is IO::AIO::nreqs + IO::AIO::nready + IO::AIO::npending, 0, "nothing is outstanding after loading";
is IO::AIO::nthreads, 0, "no worker is started by loading";

done_testing;

__DATA__
_on_next_submit	IO::AIO	no	($)
accept4	IO::AIO	ok	($$$$)
aio_allocate	IO::AIO	default	($$$$;$)
aio_busy	IO::AIO	no	($;$)
aio_chmod	IO::AIO	default	($$;$)
aio_chown	IO::AIO	default	($$$;$)
aio_close	IO::AIO	default	($;$)
aio_copy	IO::AIO	default	($$;$)
aio_fcntl	IO::AIO	default	($$$;$)
aio_fdatasync	IO::AIO	default	($;$)
aio_fiemap	IO::AIO	default	($$$$$;$)
aio_fsync	IO::AIO	default	($;$)
aio_group	IO::AIO	default	(;$)
aio_ioctl	IO::AIO	default	($$$;$)
aio_link	IO::AIO	default	($$;$)
aio_load	IO::AIO	default	($$;$)
aio_lstat	IO::AIO	default	($;$)
aio_mkdir	IO::AIO	default	($$;$)
aio_mknod	IO::AIO	default	($$$;$)
aio_mlock	IO::AIO	default	($;$$$)
aio_mlockall	IO::AIO	default	($;$)
aio_move	IO::AIO	default	($$;$)
aio_msync	IO::AIO	default	($;$$$$)
aio_mtouch	IO::AIO	default	($;$$$$)
aio_nop	IO::AIO	default	(;$)
aio_open	IO::AIO	default	($$$;$)
aio_pathsync	IO::AIO	default	($;$)
aio_read	IO::AIO	default	($$$$$;$)
aio_readahead	IO::AIO	default	($$$;$)
aio_readdir	IO::AIO	default	($;$)
aio_readdirx	IO::AIO	default	($$;$)
aio_readlink	IO::AIO	default	($;$)
aio_realpath	IO::AIO	default	($;$)
aio_rename	IO::AIO	default	($$;$)
aio_rename2	IO::AIO	default	($$;$$)
aio_rmdir	IO::AIO	default	($;$)
aio_rmtree	IO::AIO	default	($;$)
aio_scandir	IO::AIO	default	($$;$)
aio_seek	IO::AIO	default	($$$;$)
aio_sendfile	IO::AIO	default	($$$$;$)
aio_slurp	IO::AIO	default	($$$$;$)
aio_stat	IO::AIO	default	($;$)
aio_statvfs	IO::AIO	default	($;$)
aio_symlink	IO::AIO	default	($$;$)
aio_sync	IO::AIO	default	(;$)
aio_sync_file_range	IO::AIO	default	($$$$;$)
aio_syncfs	IO::AIO	default	($;$)
aio_truncate	IO::AIO	default	($$;$)
aio_unlink	IO::AIO	default	($;$)
aio_utime	IO::AIO	default	($$$;$)
aio_wd	IO::AIO	default	($;$)
aio_write	IO::AIO	default	($$$$$;$)
aioreq_nice	IO::AIO	default	(;$)
aioreq_pri	IO::AIO	default	(;$)
bootstrap	IO::AIO	no	-
CWD	IO::AIO	no	()
eventfd	IO::AIO	ok	(;$$)
fadvise	IO::AIO	ok	($$$$)
fexecve	IO::AIO	ok	($$;$)
flush	IO::AIO	ok	()
get_fdlimit	IO::AIO	no	()
idle_timeout	IO::AIO	ok	($)
INVALID_WD	IO::AIO	no	()
madvise	IO::AIO	ok	($$;$$)
major	IO::AIO	no	($)
makedev	IO::AIO	no	($$)
max_idle	IO::AIO	ok	($)
max_outstanding	IO::AIO	no	($)
max_parallel	IO::AIO	ok	($)
max_poll_reqs	IO::AIO	ok	($)
max_poll_time	IO::AIO	ok	($)
memfd_create	IO::AIO	ok	($;$)
min_fdlimit	IO::AIO	no	(;$)
min_parallel	IO::AIO	ok	($)
minor	IO::AIO	no	($)
mlockall	IO::AIO	no	($;)
mmap	IO::AIO	ok	($$$$;$$)
mount	IO::AIO	ok	($$$;$$)
mprotect	IO::AIO	no	($$;$$)
mremap	IO::AIO	ok	($$;$$)
munlock	IO::AIO	ok	($;$$)
munlockall	IO::AIO	ok	()
munmap	IO::AIO	ok	($)
npending	IO::AIO	ok	()
nready	IO::AIO	ok	()
nreqs	IO::AIO	ok	()
nthreads	IO::AIO	ok	()
pidfd_getfd	IO::AIO	ok	($$;$)
pidfd_open	IO::AIO	ok	($;$)
pidfd_send_signal	IO::AIO	ok	($$;$$)
pipe2	IO::AIO	ok	(;$)
pipesize	IO::AIO	ok	($;$)
poll	IO::AIO	no	()
poll_cb	IO::AIO	ok	()
poll_fileno	IO::AIO	ok	()
poll_wait	IO::AIO	ok	()
reinit	IO::AIO	no	()
sendfile	IO::AIO	ok	($$$$)
splice	IO::AIO	ok	($$$$$$)
st_atime	IO::AIO	no	()
st_atimensec	IO::AIO	no	()
st_btime	IO::AIO	no	()
st_btimensec	IO::AIO	no	()
st_btimesec	IO::AIO	no	()
st_ctime	IO::AIO	no	()
st_ctimensec	IO::AIO	no	()
st_gen	IO::AIO	no	()
st_mtime	IO::AIO	no	()
st_mtimensec	IO::AIO	no	()
st_xtime	IO::AIO	no	()
st_xtimensec	IO::AIO	no	()
statx	IO::AIO	no	($$$)
stx_atime	IO::AIO	no	()
stx_atimensec	IO::AIO	no	()
stx_atimesec	IO::AIO	no	()
stx_attributes	IO::AIO	no	()
stx_attributes_mask	IO::AIO	no	()
stx_blksize	IO::AIO	no	()
stx_blocks	IO::AIO	no	()
stx_btime	IO::AIO	no	()
stx_btimensec	IO::AIO	no	()
stx_btimesec	IO::AIO	no	()
stx_ctime	IO::AIO	no	()
stx_ctimensec	IO::AIO	no	()
stx_ctimesec	IO::AIO	no	()
stx_dev_major	IO::AIO	no	()
stx_dev_minor	IO::AIO	no	()
stx_gid	IO::AIO	no	()
stx_ino	IO::AIO	no	()
stx_mask	IO::AIO	no	()
stx_mode	IO::AIO	no	()
stx_mtime	IO::AIO	no	()
stx_mtimensec	IO::AIO	no	()
stx_mtimesec	IO::AIO	no	()
stx_nlink	IO::AIO	no	()
stx_rdev_major	IO::AIO	no	()
stx_rdev_minor	IO::AIO	no	()
stx_size	IO::AIO	no	()
stx_uid	IO::AIO	no	()
tee	IO::AIO	ok	($$$$)
timerfd_create	IO::AIO	ok	($;$)
timerfd_gettime	IO::AIO	ok	($)
timerfd_settime	IO::AIO	ok	($$$$)
umount	IO::AIO	ok	($;$)
cancel	IO::AIO::REQ	no	-
cb	IO::AIO::REQ	no	-
add	IO::AIO::GRP	no	-
cancel_subs	IO::AIO::GRP	no	-
errno	IO::AIO::GRP	no	-
feed	IO::AIO::GRP	no	-
limit	IO::AIO::GRP	no	-
result	IO::AIO::GRP	no	-
DESTROY	IO::AIO::WD	no	-
