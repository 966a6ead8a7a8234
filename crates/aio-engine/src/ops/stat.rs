//! Operations on attributes, by handle or by path.

use std::cell::RefCell;
use std::os::fd::AsRawFd;

use crate::job::{Done, Output};
use crate::path::{Path, Target};
use crate::slab::Slab;
use crate::sys::{self, Res};

thread_local! {
    static RESULTS: RefCell<Slab<sys::Stat>> = const { RefCell::new(Slab::new()) };
}

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
        Ok(st) => {
            let st = RESULTS.with_borrow_mut(|results| results.put(st));
            Done::with(0, Output::Stat(st))
        }
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
fn statvfs_path(path: &Path) -> Res<sys::Statvfs> {
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

    use super::super::testing::{at, below, make_fifo, scratch, wd};
    use super::*;

    fn on(path: Path) -> Target {
        Target::Path(path)
    }

    fn found(done: Done) -> Res<sys::Stat> {
        match done.output {
            Output::Stat(st) => Ok(*st),
            Output::None => Err(done.errno),
            other => panic!("no stat but {other:?}"),
        }
    }

    #[test]
    fn stat_follows_links_and_lstat_does_not() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "12345").unwrap();
        symlink("f", dir.path().join("l")).unwrap();
        let file = File::open(dir.path().join("f")).unwrap();
        let handle = || Target::Fd(file.as_raw_fd());
        let ino = file.metadata().unwrap().ino();
        for st in [
            stat(&on(at(&dir, "f"))),
            stat(&on(at(&dir, "l"))),
            stat(&handle()),
            lstat(&handle()),
            lstat(&on(below(&wd(&at(&dir, "")), "f"))),
        ] {
            let st = found(st).unwrap();
            assert_eq!((sys::identity(&st).1, st.st_size), (ino, 5));
        }
        let st = found(lstat(&on(at(&dir, "l")))).unwrap();
        assert_eq!(sys::kind(&st), libc::S_IFLNK);
        assert_eq!(found(stat(&on(at(&dir, "x")))).err(), Some(libc::ENOENT));
        assert_eq!(found(stat(&on(at(&dir, "f/x")))).err(), Some(libc::ENOTDIR));
        assert_eq!(
            found(stat(&on(Path::new(None, b"")))).err(),
            Some(libc::ENOENT)
        );
        assert_eq!(found(stat(&on(Path::invalid()))).err(), Some(libc::ENOENT));
        assert_eq!(found(stat(&Target::Fd(-1))).err(), Some(libc::EBADF));
    }

    #[test]
    fn statvfs_needs_no_permission_and_no_reader() {
        let dir = scratch();
        make_fifo(&at(&dir, "fifo"));
        let file = File::open(dir.path()).unwrap();
        let top = wd(&at(&dir, ""));
        let get = |target: &Target| match statvfs(target).output {
            Output::Statvfs(st) => st.f_namemax,
            other => panic!("no statvfs but {other:?}"),
        };
        let expected = get(&Target::Fd(file.as_raw_fd()));
        assert!(expected >= 14, "{expected}");
        assert_eq!(get(&on(at(&dir, "fifo"))), expected);
        assert_eq!(get(&on(below(&top, "fifo"))), expected);
        assert_eq!(get(&on(below(&top, "."))), expected);
        assert_eq!(get(&on(below(&top, "/"))), get(&on(Path::new(None, b"/"))));
        for path in [at(&dir, "x"), below(&top, "x"), Path::invalid()] {
            assert_eq!(statvfs(&on(path)).errno, libc::ENOENT);
        }
        assert_eq!(statvfs(&Target::Fd(-1)).errno, libc::EBADF);
    }

    #[test]
    fn times_modes_and_owners_are_set() {
        let dir = scratch();
        let name = dir.path().join("f");
        let file = File::create_new(&name).unwrap();
        let targets = || [on(at(&dir, "f")), Target::Fd(file.as_raw_fd())];
        for (n, target) in targets().iter().enumerate() {
            // SAFETY: the structure consists of integers; all zeros is a value of it.
            let mut times: [libc::timespec; 2] = unsafe { std::mem::zeroed() };
            times[0].tv_sec = 1000;
            times[1].tv_sec = -5;
            times[1].tv_nsec = 250_000_000 + n as libc::c_long;
            assert_eq!(utime(target, Some(&times)), Ok(()));
            let meta = fs::metadata(&name).unwrap();
            assert_eq!((meta.atime(), meta.mtime()), (1000, -5));
            assert_eq!(meta.mtime_nsec(), 250_000_000 + n as i64);
            assert_eq!(utime(target, None), Ok(()));
            assert!(fs::metadata(&name).unwrap().mtime() > 1_000_000_000);

            assert_eq!(chmod(target, 0o7770640), Ok(()));
            let mode = fs::metadata(&name).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);

            let (uid, gid) = (meta.uid(), meta.gid());
            assert_eq!(chown(target, u32::MAX, u32::MAX), Ok(()));
            assert_eq!(chown(target, uid, gid), Ok(()));
            let meta = fs::metadata(&name).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (uid, gid));
        }
        for (target, errno) in [
            (Target::Fd(-1), libc::EBADF),
            (on(at(&dir, "none")), libc::ENOENT),
            (on(Path::invalid()), libc::ENOENT),
        ] {
            assert_eq!(utime(&target, None), Err(errno));
            assert_eq!(chmod(&target, 0o600), Err(errno));
            assert_eq!(chown(&target, u32::MAX, u32::MAX), Err(errno));
        }
    }

    /// By path, by a directory object's path, and by opening: always as truncate(2).
    #[test]
    fn truncate_gives_the_errors_of_the_system_call() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "0123456789").unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        symlink("f", dir.path().join("l")).unwrap();
        make_fifo(&at(&dir, "fifo"));
        let top = wd(&at(&dir, ""));
        let by_path = |name: &str, len| truncate(&on(at(&dir, name)), len);
        let by_object = |name: &str, len| truncate(&on(below(&top, name)), len);
        let by_opening = |name: &str, len| truncate_opened(below(&top, name).at()?, len);
        type Way<'a> = &'a dyn Fn(&str, i64) -> Res<()>;
        let ways: [Way; 3] = [&by_path, &by_object, &by_opening];
        for (n, way) in ways.iter().enumerate() {
            let size = || fs::metadata(dir.path().join("f")).unwrap().len();
            assert_eq!(way("f", 4 + n as i64), Ok(()));
            assert_eq!(size(), 4 + n as u64);
            assert_eq!(way("l", 6_000_000_000), Ok(()));
            assert_eq!(size(), 6_000_000_000);
            assert_eq!(way("f", -1), Err(libc::EINVAL));
            assert_eq!(way("f", i64::MAX), Err(libc::EFBIG));
            assert_eq!(way("d", 1), Err(libc::EISDIR));
            assert_eq!(way("fifo", 1), Err(libc::EINVAL));
            assert_eq!(way("none", 1), Err(libc::ENOENT));
            assert_eq!(way("f/", 1), Err(libc::ENOTDIR));
        }
        assert_eq!(truncate(&on(Path::invalid()), 1), Err(libc::ENOENT));
        assert_eq!(
            truncate(&on(below(&top, "/dev/null")), 1),
            Err(libc::EINVAL)
        );
        let file = File::open(dir.path().join("f")).unwrap();
        assert_eq!(
            truncate(&Target::Fd(file.as_raw_fd()), 1),
            Err(libc::EINVAL),
            "not open for writing"
        );
        assert_eq!(truncate(&Target::Fd(-1), 1), Err(libc::EBADF));
    }
}
