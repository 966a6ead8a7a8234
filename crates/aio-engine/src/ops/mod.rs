//! What a job executes: every operation with its inputs, and the one dispatcher.
//!
//! O1  An operation takes its errno right after the failing call; cleanup cannot disturb it.
//! O2  `EINTR` is retried in `sys.rs` and nowhere else; workers block all signals, so it is rare.
//! O3  A composite looks at `ctx.cancelled()` between steps and then stops, leaving nothing
//!     open; copy and move remove a destination they made.
//! O4  Nothing here recurses or keeps large arrays on the stack: workers have small ones.

pub mod crew;
pub mod dir;
pub mod extents;
pub mod memory;
pub mod names;
pub mod rw;
pub mod stat;
pub mod sync;
pub mod tree;

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use self::crew::Crew;
use crate::job::{Arg, Buffer, Ctx, Done};
use crate::path::{Path, Target, Wd};
use crate::sys;

/// An operation and its inputs. Two paths are boxed to keep jobs small.
#[derive(Debug)]
pub enum Op {
    /// Does nothing. Also what the Perl half uses for requests that never execute.
    Nop,
    /// Fails: what the arguments asked for cannot be had, and the callback has to hear of it.
    Fail {
        errno: i32,
    },
    /// Sleeps for so many seconds.
    Busy {
        seconds: f64,
    },

    // names
    Open {
        path: Path,
        flags: i32,
        mode: u32,
    },
    Unlink {
        path: Path,
    },
    Rmdir {
        path: Path,
    },
    Mkdir {
        path: Path,
        mode: u32,
    },
    Mknod {
        path: Path,
        mode: u32,
        dev: u64,
    },
    Link {
        paths: Box<[Path; 2]>,
    },
    Symlink {
        text: Box<CStr>,
        path: Path,
    },
    Rename {
        paths: Box<[Path; 2]>,
        flags: u32,
    },
    Readlink {
        path: Path,
    },
    Realpath {
        path: Path,
    },
    Wd {
        path: Path,
    },
    /// Drops a directory object on a worker: closing may block.
    CloseWd {
        wd: Option<Arc<Wd>>,
    },

    // data
    Close {
        fd: RawFd,
    },
    Seek {
        fd: RawFd,
        offset: i64,
        whence: i32,
    },
    Fcntl {
        fd: RawFd,
        cmd: i32,
        arg: Arg,
    },
    Ioctl {
        fd: RawFd,
        request: u64,
        arg: Arg,
    },
    /// `offset` `None`: at the file position.
    Read {
        fd: RawFd,
        offset: Option<i64>,
        buf: Buffer,
    },
    Write {
        fd: RawFd,
        offset: Option<i64>,
        buf: Buffer,
    },
    Sendfile {
        out: RawFd,
        input: RawFd,
        offset: i64,
        len: u64,
    },
    Readahead {
        fd: RawFd,
        offset: i64,
        len: usize,
    },
    Allocate {
        fd: RawFd,
        mode: i32,
        offset: i64,
        len: i64,
    },
    /// `count` `None`: all extents.
    Fiemap {
        fd: RawFd,
        start: u64,
        len: u64,
        flags: u32,
        count: Option<u32>,
    },
    /// `offset` below 0 counts from the end, `len` 0 is everything from there on.
    Slurp {
        path: Path,
        offset: i64,
        len: u64,
    },
    Load {
        path: Path,
    },

    // attributes
    Stat {
        target: Target,
    },
    Lstat {
        target: Target,
    },
    Statvfs {
        target: Target,
    },
    /// `None` twice: now.
    Utime {
        target: Target,
        times: Option<Box<[libc::timespec; 2]>>,
    },
    Chown {
        target: Target,
        uid: u32,
        gid: u32,
    },
    Chmod {
        target: Target,
        mode: u32,
    },
    Truncate {
        target: Target,
        len: i64,
    },

    // directories and trees
    Readdir {
        path: Path,
        flags: i32,
    },
    Scandir {
        path: Path,
    },
    Copy {
        paths: Box<[Path; 2]>,
    },
    Move {
        paths: Box<[Path; 2]>,
    },
    Rmtree {
        path: Path,
    },
    /// A part of a removal that a second worker does. Has no result of its own.
    Help {
        crew: Arc<Crew>,
    },
    Pathsync {
        path: Path,
    },

    // synchronisation
    Sync,
    Fsync {
        fd: RawFd,
    },
    Fdatasync {
        fd: RawFd,
    },
    Syncfs {
        fd: RawFd,
    },
    SyncFileRange {
        fd: RawFd,
        offset: i64,
        len: i64,
        flags: u32,
    },

    // memory
    Msync {
        buf: Buffer,
        flags: i32,
    },
    Mtouch {
        buf: Buffer,
        flags: i32,
    },
    Mlock {
        buf: Buffer,
    },
    Mlockall {
        flags: i32,
    },
}

/// Might [`run_at_once`] do it? To be asked often: no system call is made.
pub fn is_quick(op: &Op) -> bool {
    matches!(op, Op::Read { offset, buf, .. } if rw::is_quick_read(*offset, buf))
}

/// Executes `op` if it takes microseconds and waits for nothing, neither a disk nor a process.
/// `None`: nobody knows, and it is as if nothing had been tried. `known` is for the next ones of
/// the same turn, in which nobody closes a descriptor that one of them uses.
pub fn run_at_once(op: &Op, known: &mut Option<RawFd>) -> Option<Done> {
    match op {
        Op::Read { fd, offset, buf } => rw::read_at_once(*fd, *offset, buf, known).map(Done::ok),
        _ => None,
    }
}

/// Might `op` have to wait for another thread or process? Asked before an operation runs on a
/// thread that nobody can wait for: where no worker can be had.
pub fn would_wait(op: &Op) -> bool {
    let regular = |mode: libc::mode_t| mode & libc::S_IFMT == libc::S_IFREG;
    let blocks = |fd: RawFd, events| {
        let file = sys::fstat(fd).is_ok_and(|st| regular(st.st_mode));
        !file && !sys::is_ready(fd, events)
    };
    let fifo = |path: &Path| {
        let st = path.at().and_then(|at| sys::fstatat(at, 0));
        st.is_ok_and(|st| st.st_mode & libc::S_IFMT == libc::S_IFIFO)
    };
    match op {
        Op::Read { fd, .. } => blocks(*fd, libc::POLLIN),
        Op::Write { fd, .. } => blocks(*fd, libc::POLLOUT),
        Op::Sendfile { out, input, .. } => {
            blocks(*out, libc::POLLOUT) || blocks(*input, libc::POLLIN)
        }
        Op::Open { path, flags, .. } => flags & libc::O_NONBLOCK == 0 && fifo(path),
        Op::Slurp { path, .. } | Op::Load { path } => fifo(path),
        Op::Copy { paths } | Op::Move { paths } => paths.iter().any(fifo),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Op::Fcntl { cmd, .. } => matches!(*cmd, libc::F_SETLKW | libc::F_OFD_SETLKW),
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Op::Fcntl { cmd, .. } => *cmd == libc::F_SETLKW,
        _ => false,
    }
}

/// How many workers have work in `op`.
pub fn crew_of(op: &Op) -> usize {
    match op {
        Op::Rmtree { .. } => 1 + crew::helpers(),
        _ => 1,
    }
}

/// Executes `op`. Never panics on bad input: whatever the kernel refuses is an errno.
pub fn run(op: &mut Op, ctx: &Ctx) -> Done {
    match op {
        Op::Fail { errno } => Done::fail(*errno),
        Op::Nop => Done::ok(0),
        Op::Busy { seconds } => busy(*seconds),

        Op::Open { path, flags, mode } => names::open(path, *flags, *mode),
        Op::Unlink { path } => names::unlink(path).into(),
        Op::Rmdir { path } => names::rmdir(path).into(),
        Op::Mkdir { path, mode } => names::mkdir(path, *mode).into(),
        Op::Mknod { path, mode, dev } => names::mknod(path, *mode, *dev).into(),
        Op::Link { paths } => names::link(paths).into(),
        Op::Symlink { text, path } => names::symlink(text, path).into(),
        Op::Rename { paths, flags } => names::rename(paths, *flags).into(),
        Op::Readlink { path } => names::readlink(path),
        Op::Realpath { path } => names::realpath(path),
        Op::Wd { path } => names::wd(path),
        Op::CloseWd { wd } => {
            drop(wd.take());
            Done::ok(0)
        }

        Op::Close { fd } => rw::close(*fd).into(),
        Op::Seek { fd, offset, whence } => rw::seek(*fd, *offset, *whence).into(),
        Op::Fcntl { fd, cmd, arg } => rw::fcntl(*fd, *cmd, arg).into(),
        Op::Ioctl { fd, request, arg } => rw::ioctl(*fd, *request, arg).into(),
        Op::Read { fd, offset, buf } => rw::read(*fd, *offset, buf).into(),
        Op::Write { fd, offset, buf } => rw::write(*fd, *offset, buf).into(),
        Op::Sendfile {
            out,
            input,
            offset,
            len,
        } => rw::sendfile(*out, *input, *offset, *len).into(),
        Op::Readahead { fd, offset, len } => rw::readahead(*fd, *offset, *len).into(),
        Op::Allocate {
            fd,
            mode,
            offset,
            len,
        } => rw::allocate(*fd, *mode, *offset, *len).into(),
        Op::Fiemap {
            fd,
            start,
            len,
            flags,
            count,
        } => extents::fiemap(*fd, *start, *len, *flags, *count, ctx),
        Op::Slurp { path, offset, len } => rw::slurp(path, *offset, *len, ctx),
        Op::Load { path } => rw::load(path, ctx),

        Op::Stat { target } => stat::stat(target),
        Op::Lstat { target } => stat::lstat(target),
        Op::Statvfs { target } => stat::statvfs(target),
        Op::Utime { target, times } => stat::utime(target, times.as_deref()).into(),
        Op::Chown { target, uid, gid } => stat::chown(target, *uid, *gid).into(),
        Op::Chmod { target, mode } => stat::chmod(target, *mode).into(),
        Op::Truncate { target, len } => stat::truncate(target, *len).into(),

        Op::Readdir { path, flags } => dir::readdir(path, *flags, ctx),
        Op::Scandir { path } => dir::scandir(path, ctx),
        Op::Copy { paths } => tree::copy(paths, ctx).into(),
        Op::Move { paths } => tree::rename_or_copy(paths, ctx).into(),
        Op::Rmtree { path } => tree::rmtree(path, ctx).into(),
        Op::Help { crew } => crew::help(crew, ctx).into(),
        Op::Pathsync { path } => sync::pathsync(path).into(),

        Op::Sync => sync::sync().into(),
        Op::Fsync { fd } => sync::fsync(*fd).into(),
        Op::Fdatasync { fd } => sync::fdatasync(*fd).into(),
        Op::Syncfs { fd } => sync::syncfs(*fd).into(),
        Op::SyncFileRange {
            fd,
            offset,
            len,
            flags,
        } => sync::sync_file_range(*fd, *offset, *len, *flags).into(),

        Op::Msync { buf, flags } => memory::msync(buf, *flags).into(),
        Op::Mtouch { buf, flags } => memory::mtouch(buf, *flags).into(),
        Op::Mlock { buf } => memory::mlock(buf).into(),
        Op::Mlockall { flags } => memory::mlockall(*flags).into(),
    }
}

/// Keeps a worker occupied. Negative and NaN are no time at all.
fn busy(seconds: f64) -> Done {
    // More than any clock can count: for ever, in practice.
    const LONGEST: f64 = 1e9;
    if seconds > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(LONGEST)));
    }
    Done::ok(0)
}

/// What the tests of all operations share.
#[cfg(test)]
mod testing {
    use std::sync::atomic::AtomicU8;
    use std::sync::Arc;

    use crate::job::{Ctx, Output};
    use crate::path::{Path, Wd};

    static CALM: AtomicU8 = AtomicU8::new(0);
    static CANCELLED: AtomicU8 = AtomicU8::new(1);

    pub fn ctx() -> Ctx<'static> {
        Ctx::new(&CALM)
    }

    pub fn cancelled() -> Ctx<'static> {
        Ctx::new(&CANCELLED)
    }

    pub fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("no scratch directory")
    }

    /// `name` in the scratch directory; an absolute name is itself.
    pub fn at(dir: &tempfile::TempDir, name: &str) -> Path {
        let path = dir.path().join(name);
        Path::new(None, path.to_str().expect("not UTF-8").as_bytes())
    }

    pub fn wd(path: &Path) -> Arc<Wd> {
        match super::names::wd(path).output {
            Output::Wd(wd) => wd,
            other => panic!("no directory but {other:?}"),
        }
    }

    pub fn make_fifo(path: &Path) {
        super::names::mknod(path, libc::S_IFIFO | 0o600, 0).expect("no fifo");
    }

    /// Runs `f` on a thread without privileges, whoever runs the tests.
    #[cfg(target_os = "linux")]
    pub fn unprivileged(f: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The plain system call changes the calling thread alone.
                // SAFETY: no memory is involved.
                unsafe {
                    if libc::geteuid() == 0 {
                        assert_eq!(libc::syscall(libc::SYS_setresuid, -1, 65534, -1), 0);
                    }
                }
                f()
            });
        });
    }

    /// `name` below a directory object.
    pub fn below(wd: &Arc<Wd>, name: &str) -> Path {
        Path::new(Some(wd.clone()), name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::testing::{at, ctx, scratch};
    use super::*;
    use crate::job::Output;

    #[test]
    fn a_job_stays_small() {
        let size = std::mem::size_of::<Op>();
        assert!(size <= 48, "{size}");
        // With the allocator's word, a multiple of 16: 112 in all.
        let size = std::mem::size_of::<crate::job::Job>();
        assert!(size <= 104, "{size}");
    }

    #[test]
    fn nop_and_busy_succeed() {
        assert_eq!(run(&mut Op::Nop, &ctx()).result, 0);
        for seconds in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(run(&mut Op::Busy { seconds }, &ctx()).result, 0);
        }
        let before = Instant::now();
        run(&mut Op::Busy { seconds: 0.02 }, &ctx());
        assert!(before.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_status_and_an_output_come_through_the_dispatcher() {
        let dir = scratch();
        let path = || at(&dir, "d");
        let done = run(
            &mut Op::Mkdir {
                path: path(),
                mode: 0o700,
            },
            &ctx(),
        );
        assert_eq!((done.result, done.errno), (0, 0));
        let done = run(&mut Op::Wd { path: path() }, &ctx());
        let Output::Wd(wd) = done.output else {
            panic!("no directory but {:?}", done.output);
        };
        let counted = Arc::downgrade(&wd);
        let mut op = Op::CloseWd { wd: Some(wd) };
        run(&mut op, &ctx());
        assert!(counted.upgrade().is_none(), "closed on the worker");
        let done = run(&mut Op::Unlink { path: path() }, &ctx());
        assert_eq!((done.result, done.errno), (-1, libc::EISDIR));
    }
}
