//! Operations that wait until data is on the disk.

use std::os::fd::{AsRawFd, RawFd};

use crate::path::Path;
use crate::sys::{self, Res};

/// sync(2)
pub fn sync() -> Res<()> {
    sys::sync();
    Ok(())
}

/// fsync(2)
pub fn fsync(fd: RawFd) -> Res<()> {
    sys::fsync(fd)
}

/// fdatasync(2)
pub fn fdatasync(fd: RawFd) -> Res<()> {
    sys::fdatasync(fd)
}

/// syncfs(2). Without it everything is synced, and ENOSYS says that more was done than asked.
pub fn syncfs(fd: RawFd) -> Res<()> {
    let r = sys::syncfs(fd);
    if r == Err(libc::ENOSYS) {
        sys::sync();
    }
    r
}

/// sync_file_range(2), fdatasync(2) without it.
pub fn sync_file_range(fd: RawFd, offset: i64, len: i64, flags: u32) -> Res<()> {
    match sys::sync_file_range(fd, offset, len, flags) {
        Err(libc::ENOSYS) => sys::fdatasync(fd),
        other => other,
    }
}

/// Opens read-only, syncs, closes. Does not wait for a fifo's writer: a fifo cannot be synced.
pub fn pathsync(path: &Path) -> Res<()> {
    let at = path.at()?;
    let fd = match sys::open_inner(at, libc::O_RDONLY | libc::O_NONBLOCK) {
        // A lease on the file has to be broken first, which takes waiting.
        Err(libc::EWOULDBLOCK) => sys::open_inner(at, libc::O_RDONLY),
        other => other,
    }?;
    sys::fsync(fd.as_raw_fd())
}
