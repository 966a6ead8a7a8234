//! What a job executes: every operation with its inputs, and the one dispatcher.
//!
//! O1  An operation takes its errno right after the failing call; cleanup cannot disturb it.
//! O2  `EINTR` is retried here and nowhere else; workers block all signals, so it is rare.
//! O3  A composite looks at `ctx.cancelled()` between steps and then stops, leaving nothing
//!     open; copy and move remove a destination they made.

pub mod dir;
pub mod memory;
pub mod names;
pub mod rw;
pub mod stat;
pub mod sync;
pub mod tree;

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::job::{Arg, Buffer, Ctx, Done};
use crate::path::{Path, Target, Wd};

/// An operation and its inputs. Two paths are boxed to keep jobs small.
#[derive(Debug)]
pub enum Op {
    /// Does nothing. Also what the Perl half uses for requests that never execute.
    Nop,
    /// Sleeps for so many seconds.
    Busy { seconds: f64 },

    // names
    Open { path: Path, flags: i32, mode: u32 },
    Unlink { path: Path },
    Rmdir { path: Path },
    Mkdir { path: Path, mode: u32 },
    Mknod { path: Path, mode: u32, dev: u64 },
    Link { paths: Box<[Path; 2]> },
    Symlink { text: Box<CStr>, path: Path },
    Rename { paths: Box<[Path; 2]>, flags: u32 },
    Readlink { path: Path },
    Realpath { path: Path },
    Wd { path: Path },
    /// Drops a directory object on a worker: closing may block.
    CloseWd { wd: Option<Arc<Wd>> },

    // data
    Close { fd: RawFd },
    Seek { fd: RawFd, offset: i64, whence: i32 },
    Fcntl { fd: RawFd, cmd: i32, arg: Arg },
    Ioctl { fd: RawFd, request: u64, arg: Arg },
    /// `offset` `None`: at the file position.
    Read { fd: RawFd, offset: Option<i64>, buf: Buffer },
    Write { fd: RawFd, offset: Option<i64>, buf: Buffer },
    Sendfile { out: RawFd, input: RawFd, offset: i64, len: u64 },
    Readahead { fd: RawFd, offset: i64, len: usize },
    Allocate { fd: RawFd, mode: i32, offset: i64, len: i64 },
    /// `count` `None`: all extents.
    Fiemap { fd: RawFd, start: u64, len: u64, flags: u32, count: Option<u32> },
    /// `offset` below 0 counts from the end, `len` 0 is everything from there on.
    Slurp { path: Path, offset: i64, len: u64 },
    Load { path: Path },

    // attributes
    Stat { target: Target },
    Lstat { target: Target },
    Statvfs { target: Target },
    /// `None` twice: now.
    Utime { target: Target, times: Option<Box<[libc::timespec; 2]>> },
    Chown { target: Target, uid: u32, gid: u32 },
    Chmod { target: Target, mode: u32 },
    Truncate { target: Target, len: i64 },

    // directories and trees
    Readdir { path: Path, flags: i32 },
    Scandir { path: Path },
    Copy { paths: Box<[Path; 2]> },
    Move { paths: Box<[Path; 2]> },
    Rmtree { path: Path },
    Pathsync { path: Path },

    // synchronisation
    Sync,
    Fsync { fd: RawFd },
    Fdatasync { fd: RawFd },
    Syncfs { fd: RawFd },
    SyncFileRange { fd: RawFd, offset: i64, len: i64, flags: u32 },

    // memory
    Msync { buf: Buffer, flags: i32 },
    Mtouch { buf: Buffer, flags: i32 },
    Mlock { buf: Buffer },
    Mlockall { flags: i32 },
}
