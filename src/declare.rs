//! The requests: each declared once, read like a table.
//!
//! A declaration is the Perl name, its prototype, the names of its arguments, the op it becomes
//! and how the result is turned into callback arguments. Adding a request is a line here, an op
//! in the engine, a test and an entry in the manual.

use aio_engine::Op;

use crate::args::{Parse, Side};
use perl_xs::Result;

/// How a result becomes the arguments of a callback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// No arguments.
    Empty,
    /// The number the op returned.
    Status,
    /// A handle, or `undef`.
    Handle,
    /// A status, after perl's stat cache has been set.
    Stat,
    Lstat,
    /// A hash, or `undef`.
    Statvfs,
    /// A string, or no arguments.
    Text,
    /// An array of names, or `undef`.
    Names,
    /// Entries or `undef`, and the flags.
    Entries,
    /// Two arrays of names, or no arguments.
    Dirs,
    /// An array of extents or their number, or no arguments.
    Extents,
    /// A directory object, or `undef`.
    Wd,
    /// A count; the data scalar has been filled in place.
    Read,
    /// A count; the data scalar has been let go.
    Write,
    /// A count; the data scalar gets what was read.
    Slurp,
    /// A number; the argument scalar gets what the kernel wrote.
    Control,
    /// What `result` stored.
    Group,
}

impl Reply {
    /// The callback gets the number that the op returned, and nothing else.
    pub fn is_status(self) -> bool {
        use Reply::*;
        matches!(self, Status | Read | Write | Slurp | Control | Stat | Lstat)
    }
}

/// One request, declared.
pub struct Decl {
    /// With package.
    pub name: &'static str,
    pub proto: &'static str,
    /// Argument names as the usage message shows them.
    pub usage: &'static str,
    pub build: fn(&mut Parse) -> Result<Op>,
    pub reply: Reply,
    /// One job inside a group of its own.
    pub composite: bool,
    /// How many arguments must and may be given, the callback included.
    pub arity: (usize, usize),
}

macro_rules! requests {
    ($($name:ident ($proto:literal) $usage:literal $reply:ident $kind:ident |$p:ident| $op:expr;)*) => {
        /// Every request function, in the order of the manual.
        pub static REQUESTS: &[Decl] = &[$(Decl {
            name: concat!("IO::AIO::", stringify!($name)),
            proto: $proto,
            usage: $usage,
            build: |$p: &mut Parse| Ok($op),
            reply: Reply::$reply,
            composite: requests!(@$kind),
            arity: arity_of($proto.as_bytes()),
        }),*];
    };
    (@simple) => { false };
    (@composite) => { true };
}

requests! {
    aio_open ("$$$;$") "pathname, flags, mode, callback" Handle simple
        |p| Op::Open { path: p.path(0, "pathname")?, flags: p.int(1)?, mode: p.int(2)? as u32 };
    aio_close ("$;$") "fh, callback" Status simple
        |p| Op::Close { fd: p.input(0)? };
    aio_seek ("$$$;$") "fh, offset, whence, callback" Status simple
        |p| Op::Seek { fd: p.input(0)?, offset: p.long_or(1, 0)?, whence: p.int(2)? };
    aio_read ("$$$$$;$") "fh, offset, length, data, dataoffset, callback" Read simple
        |p| p.read()?;
    aio_write ("$$$$$;$") "fh, offset, length, data, dataoffset, callback" Write simple
        |p| p.write()?;
    aio_sendfile ("$$$$;$") "out_fh, in_fh, in_offset, length, callback" Status simple
        |p| {
            let (out, input) = (p.fd(0, Side::Output)?, p.input(1)?);
            let offset = p.long(2)?;
            match p.length(3, 0)? {
                Ok(len) => Op::Sendfile { out, input, offset, len },
                Err(errno) => Op::Fail { errno },
            }
        };
    aio_readahead ("$$$;$") "fh, offset, length, callback" Status simple
        |p| {
            let (fd, offset) = (p.input(0)?, p.long(1)?);
            match p.length(2, 0)? {
                Ok(len) => Op::Readahead { fd, offset, len: usize::try_from(len).unwrap_or(usize::MAX) },
                Err(errno) => Op::Fail { errno },
            }
        };

    aio_stat ("$;$") "fh_or_path, callback" Stat simple
        |p| Op::Stat { target: p.target(0)? };
    aio_lstat ("$;$") "fh_or_path, callback" Lstat simple
        |p| Op::Lstat { target: p.target(0)? };
    aio_statvfs ("$;$") "fh_or_path, callback" Statvfs simple
        |p| Op::Statvfs { target: p.target(0)? };
    aio_utime ("$$$;$") "fh_or_path, atime, mtime, callback" Status simple
        |p| {
            let target = p.target(0)?;
            let (atime, mtime) = (p.given_number(1)?.map(|sv| p.perl.float(sv)).transpose()?,
                                  p.given_number(2)?.map(|sv| p.perl.float(sv)).transpose()?);
            Op::Utime { target, times: times(atime, mtime) }
        };
    aio_chown ("$$$;$") "fh_or_path, uid, gid, callback" Status simple
        |p| Op::Chown { target: p.target(0)?, uid: p.long_or(1, -1)? as u32, gid: p.long_or(2, -1)? as u32 };
    aio_chmod ("$$;$") "fh_or_path, mode, callback" Status simple
        |p| Op::Chmod { target: p.target(0)?, mode: p.int(1)? as u32 };
    aio_truncate ("$$;$") "fh_or_path, length, callback" Status simple
        |p| Op::Truncate { target: p.target(0)?, len: p.long_or(1, -1)? };
    aio_allocate ("$$$$;$") "fh, mode, offset, length, callback" Status simple
        |p| Op::Allocate { fd: p.input(0)?, mode: p.int(1)?, offset: p.long(2)?, len: p.long(3)? };
    aio_fiemap ("$$$$$;$") "fh, start, length, flags, count, callback" Extents simple
        |p| {
            let (fd, start) = (p.input(0)?, p.long(1)? as u64);
            let len = p.long_or(2, -1)? as u64;
            let flags = p.int(3)? as u32;
            let count = p.long_or(4, -1)?;
            Op::Fiemap { fd, start, len, flags, count: u32::try_from(count).ok() }
        };

    aio_unlink ("$;$") "pathname, callback" Status simple
        |p| Op::Unlink { path: p.path(0, "pathname")? };
    aio_rmdir ("$;$") "pathname, callback" Status simple
        |p| Op::Rmdir { path: p.path(0, "pathname")? };
    aio_mkdir ("$$;$") "pathname, mode, callback" Status simple
        |p| Op::Mkdir { path: p.path(0, "pathname")?, mode: p.int(1)? as u32 };
    aio_mknod ("$$$;$") "pathname, mode, dev, callback" Status simple
        |p| Op::Mknod { path: p.path(0, "pathname")?, mode: p.int(1)? as u32, dev: p.long(2)? as u64 };
    aio_link ("$$;$") "oldpath, newpath, callback" Status simple
        |p| Op::Link { paths: p.paths("oldpath", "newpath")? };
    aio_symlink ("$$;$") "oldpath, newpath, callback" Status simple
        |p| p.symlink()?;
    aio_rename ("$$;$") "oldpath, newpath, callback" Status simple
        |p| Op::Rename { paths: p.paths("oldpath", "newpath")?, flags: 0 };
    aio_rename2 ("$$;$$") "oldpath, newpath, flags, callback" Status simple
        |p| Op::Rename { paths: p.paths("oldpath", "newpath")?, flags: p.int_or(2, 0)? as u32 };
    aio_readlink ("$;$") "pathname, callback" Text simple
        |p| Op::Readlink { path: p.path(0, "pathname")? };
    aio_realpath ("$;$") "pathname, callback" Text simple
        |p| Op::Realpath { path: p.path(0, "pathname")? };
    aio_wd ("$;$") "pathname, callback" Wd simple
        |p| Op::Wd { path: p.path(0, "pathname")? };
    aio_readdir ("$;$") "pathname, callback" Names simple
        |p| Op::Readdir { path: p.path(0, "pathname")?, flags: 0 };
    aio_readdirx ("$$;$") "pathname, flags, callback" Entries simple
        |p| Op::Readdir { path: p.path(0, "pathname")?, flags: p.int(1)? };

    aio_fcntl ("$$$;$") "fh, cmd, arg, callback" Control simple
        |p| Op::Fcntl { fd: p.input(0)?, cmd: p.int(1)?, arg: p.argument(2, 0)? };
    aio_ioctl ("$$$;$") "fh, request, buf, callback" Control simple
        |p| {
            let (fd, request) = (p.input(0)?, p.long(1)? as u64);
            Op::Ioctl { fd, request, arg: p.argument(2, ioctl_size(request))? }
        };

    aio_sync (";$") "callback" Status simple
        |p| { let _ = p; Op::Sync };
    aio_fsync ("$;$") "fh, callback" Status simple
        |p| Op::Fsync { fd: p.input(0)? };
    aio_fdatasync ("$;$") "fh, callback" Status simple
        |p| Op::Fdatasync { fd: p.input(0)? };
    aio_syncfs ("$;$") "fh, callback" Status simple
        |p| Op::Syncfs { fd: p.input(0)? };
    aio_sync_file_range ("$$$$;$") "fh, offset, nbytes, flags, callback" Status simple
        |p| Op::SyncFileRange { fd: p.input(0)?, offset: p.long(1)?, len: p.long(2)?, flags: p.int(3)? as u32 };

    aio_msync ("$;$$$$") "data, offset = 0, length = undef, flags = MS_SYNC, callback" Status simple
        |p| {
            let flags = Some(p.int_or(3, -1)?).filter(|&f| f >= 0).unwrap_or(libc::MS_SYNC);
            Op::Msync { buf: p.range()?, flags }
        };
    aio_mtouch ("$;$$$$") "data, offset = 0, length = undef, flags = 0, callback" Status simple
        |p| {
            let flags = Some(p.int_or(3, -1)?).filter(|&f| f >= 0).unwrap_or(0);
            Op::Mtouch { buf: p.range()?, flags }
        };
    aio_mlock ("$;$$$") "data, offset = 0, length = undef, callback" Status simple
        |p| Op::Mlock { buf: p.range()? };
    aio_mlockall ("$;$") "flags, callback" Status simple
        |p| Op::Mlockall { flags: p.int(0)? };

    aio_slurp ("$$$$;$") "pathname, offset, length, data, callback" Slurp simple
        |p| {
            let path = p.path_or_wide(0, || "Wide character in subroutine entry".into())?;
            let offset = p.long_or(1, 0)?;
            let len = p.length(2, 0)?;
            p.destination(3)?;
            match len {
                Ok(len) => Op::Slurp { path, offset, len },
                Err(errno) => Op::Fail { errno },
            }
        };

    aio_nop (";$") "callback" Empty simple
        |p| { let _ = p; Op::Nop };
    aio_busy ("$;$") "delay, callback" Empty simple
        |p| Op::Busy { seconds: p.float(0)? };

    aio_scandir ("$$;$") "pathname, maxreq, callback" Dirs composite
        |p| { p.long_or(1, 0)?; Op::Scandir { path: p.path(0, "pathname")? } };
    aio_load ("$$;$") "pathname, data, callback" Slurp composite
        |p| { let path = p.path(0, "pathname")?; p.destination(1)?; Op::Load { path } };
    aio_copy ("$$;$") "srcpath, dstpath, callback" Status composite
        |p| Op::Copy { paths: p.paths("pathname", "pathname")? };
    aio_move ("$$;$") "srcpath, dstpath, callback" Status composite
        |p| Op::Move { paths: p.paths("pathname", "pathname")? };
    aio_rmtree ("$;$") "pathname, callback" Status composite
        |p| Op::Rmtree { path: p.path(0, "pathname")? };
    aio_pathsync ("$;$") "pathname, callback" Status composite
        |p| Op::Pathsync { path: p.path(0, "pathname")? };
}

/// What an ioctl may write to its argument, where the number of the request tells: bits 16 to 29
/// by the usual convention (`_IOC_SIZE`, `IOCPARM_LEN`; some systems have a bit less).
fn ioctl_size(request: u64) -> usize {
    (request >> 16) as usize & 0x3fff
}

fn never(_: &mut Parse) -> Result<Op> {
    Ok(Op::Nop)
}

/// `aio_group`: no job of its own, never executed.
pub static GROUP: Decl = Decl {
    name: "IO::AIO::aio_group",
    proto: ";$",
    usage: "callback",
    build: never,
    reply: Reply::Group,
    composite: false,
    arity: (0, 0),
};

/// The request behind a directory object that is given up.
pub static CLOSE_WD: Decl = Decl {
    name: "IO::AIO::WD::DESTROY",
    proto: "$",
    usage: "self",
    build: never,
    reply: Reply::Empty,
    composite: false,
    arity: (0, 0),
};

/// How many arguments a prototype of scalars asks for and allows.
const fn arity_of(proto: &[u8]) -> (usize, usize) {
    let (mut min, mut max) = (0, 0);
    let mut optional = false;
    let mut i = 0;
    while i < proto.len() {
        match proto[i] {
            b';' => optional = true,
            _ => {
                max += 1;
                min += !optional as usize;
            }
        }
        i += 1;
    }
    (min, max)
}

/// Two times as `utimensat` takes them. Both absent, or both −1: now. One absent: the epoch.
/// Fractions round towards minus infinity, so that times before the epoch work.
fn times(atime: Option<f64>, mtime: Option<f64>) -> Option<Box<[libc::timespec; 2]>> {
    match (atime, mtime) {
        (None, None) => None,
        (Some(a), Some(m)) if a == -1.0 && m == -1.0 => None,
        (a, m) => Some(Box::new([
            timespec(a.unwrap_or(0.0)),
            timespec(m.unwrap_or(0.0)),
        ])),
    }
}

pub fn timespec(seconds: f64) -> libc::timespec {
    let whole = seconds.floor();
    let nsec = ((seconds - whole) * 1e9) as i64;
    // SAFETY: all zeroes is a valid timespec; some platforms have padding in it.
    let mut t: libc::timespec = unsafe { std::mem::zeroed() };
    t.tv_sec = whole as _;
    t.tv_nsec = nsec.clamp(0, 999_999_999) as _;
    t
}
