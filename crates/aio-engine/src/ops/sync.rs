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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::super::testing::{at, make_fifo, scratch};
    use super::*;
    use crate::path::Path;

    #[test]
    fn files_and_directories_can_be_synced_but_pipes_cannot() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "x").unwrap();
        let file = File::open(dir.path().join("f")).unwrap();
        let directory = File::open(dir.path()).unwrap();
        let (r, _w) = sys::pipe().unwrap();
        for f in [fsync, fdatasync] {
            assert_eq!(f(file.as_raw_fd()), Ok(()));
            assert_eq!(f(directory.as_raw_fd()), Ok(()));
            assert_eq!(f(r.as_raw_fd()), Err(libc::EINVAL));
            assert_eq!(f(-1), Err(libc::EBADF));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn file_systems_and_ranges_can_be_synced() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "x").unwrap();
        let file = File::open(dir.path().join("f")).unwrap();
        let fd = file.as_raw_fd();
        assert_eq!(syncfs(fd), Ok(()));
        assert_eq!(syncfs(-1), Err(libc::EBADF));
        assert_eq!(sync_file_range(fd, 0, 0, 7), Ok(()));
        assert_eq!(sync_file_range(fd, 0, 0, 8), Err(libc::EINVAL));
        assert_eq!(sync_file_range(fd, -1, 0, 2), Err(libc::EINVAL));
        let (r, _w) = sys::pipe().unwrap();
        assert_eq!(sync_file_range(r.as_raw_fd(), 0, 0, 2), Err(libc::ESPIPE));
    }

    #[test]
    fn pathsync_opens_what_it_is_given() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "x").unwrap();
        assert_eq!(pathsync(&at(&dir, "f")), Ok(()));
        assert_eq!(pathsync(&at(&dir, "")), Ok(()));
        assert_eq!(pathsync(&at(&dir, "none")), Err(libc::ENOENT));
        assert_eq!(pathsync(&at(&dir, "/dev/null")), Err(libc::EINVAL));
        assert_eq!(pathsync(&Path::invalid()), Err(libc::ENOENT));
        make_fifo(&at(&dir, "p"));
        assert_eq!(
            pathsync(&at(&dir, "p")),
            Err(libc::EINVAL),
            "without waiting"
        );
    }
}
