//! Operations on attributes, by handle or by path.

use std::os::fd::AsRawFd;

use crate::job::{Done, Output};
use crate::path::{Path, Target};
use crate::sys::{self, Res};

/// fstatat(2), fstat(2)
pub fn stat(target: &Target) -> Done {
    stat_by(target, 0)
}

/// fstatat(2) that does not follow a link; fstat(2) for a handle.
pub fn lstat(target: &Target) -> Done {
    stat_by(target, libc::AT_SYMLINK_NOFOLLOW)
}

fn stat_by(target: &Target, flags: i32) -> Done {
    let r = match target {
        Target::Fd(fd) => sys::fstat(*fd),
        Target::Path(path) => path.at().and_then(|at| sys::fstatat(at, flags)),
    };
    match r {
        Ok(st) => Done::with(0, Output::Stat(Box::new(st))),
        Err(e) => Done::fail(e),
    }
}

/// statvfs(3), fstatvfs(3)
pub fn statvfs(target: &Target) -> Done {
    let r = match target {
        Target::Fd(fd) => sys::fstatvfs(*fd),
        Target::Path(path) => statvfs_path(path),
    };
    match r {
        Ok(st) => Done::with(0, Output::Statvfs(Box::new(st))),
        Err(e) => Done::fail(e),
    }
}

/// There is no call that starts from a directory. A descriptor that only names the file serves
/// as well, since it takes no permission and does not wait for a fifo's other end.
fn statvfs_path(path: &Path) -> Res<libc::statvfs> {
    match path.at()? {
        (libc::AT_FDCWD, text) => sys::statvfs(text),
        (_, text) if text.to_bytes().starts_with(b"/") => sys::statvfs(text),
        at => {
            let fd = sys::open_inner(at, sys::O_PATH | libc::O_NONBLOCK)?;
            sys::fstatvfs(fd.as_raw_fd())
        }
    }
}

/// utimensat(2), futimens(3); `None` is the current time.
pub fn utime(target: &Target, times: Option<&[libc::timespec; 2]>) -> Res<()> {
    match target {
        Target::Fd(fd) => sys::futimens(*fd, times),
        Target::Path(path) => sys::utimensat(path.at()?, times),
    }
}

/// fchownat(2), fchown(2); all bits set leaves an id as it is.
pub fn chown(target: &Target, uid: u32, gid: u32) -> Res<()> {
    match target {
        Target::Fd(fd) => sys::fchown(*fd, uid, gid),
        Target::Path(path) => sys::fchownat(path.at()?, uid, gid),
    }
}

/// fchmodat(2), fchmod(2); bits above 07777 do not count.
pub fn chmod(target: &Target, mode: u32) -> Res<()> {
    let mode = mode & 0o7777;
    match target {
        Target::Fd(fd) => sys::fchmod(*fd, mode),
        Target::Path(path) => sys::fchmodat(path.at()?, mode),
    }
}

/// truncate(2), ftruncate(2)
pub fn truncate(target: &Target, len: i64) -> Res<()> {
    match target {
        Target::Fd(fd) => sys::ftruncate(*fd, len),
        Target::Path(path) => truncate_path(path, len),
    }
}

/// There is no call that starts from a directory.
fn truncate_path(path: &Path, len: i64) -> Res<()> {
    match path.at()? {
        (libc::AT_FDCWD, text) => sys::truncate(text, len),
        (_, text) if text.to_bytes().starts_with(b"/") => sys::truncate(text, len),
        at => {
            if len < 0 {
                return Err(libc::EINVAL);
            }
            #[cfg(target_os = "linux")]
            {
                let fd = sys::open_inner(at, sys::O_PATH)?;
                match sys::truncate(&super::names::proc_name(fd.as_raw_fd()), len) {
                    // The file is there, so it is /proc that is not.
                    Err(libc::ENOENT | libc::ENOTDIR) => truncate_opened(at, len),
                    other => other,
                }
            }
            #[cfg(not(target_os = "linux"))]
            truncate_opened(at, len)
        }
    }
}

/// truncate(2) by opening the file, with the errors truncate(2) would give.
fn truncate_opened(at: sys::At, len: i64) -> Res<()> {
    match sys::kind(&sys::fstatat(at, 0)?) {
        libc::S_IFREG => {
            let fd = sys::open_inner(at, libc::O_WRONLY | libc::O_NONBLOCK)?;
            sys::ftruncate(fd.as_raw_fd(), len)
        }
        libc::S_IFDIR => Err(libc::EISDIR),
        _ => Err(libc::EINVAL),
    }
}
