//! Operations on names: making, removing, renaming and resolving them.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::job::{Done, Output};
use crate::path::{Path, Wd};
use crate::sys::{self, At, Res};

/// The kernel's limit, too.
const MAX_LINKS: u32 = 40;

/// openat(2), always with close-on-exec, so that a fork and exec cannot inherit the descriptor
/// before the program knows of it.
pub fn open(path: &Path, flags: i32, mode: u32) -> Done {
    let opened = path
        .at()
        .and_then(|at| sys::openat(at, flags | libc::O_CLOEXEC, mode));
    match opened {
        Ok(fd) => Done::with(fd.as_raw_fd().into(), Output::Fd(fd)),
        Err(e) => Done::fail(e),
    }
}

/// unlinkat(2)
pub fn unlink(path: &Path) -> Res<()> {
    sys::unlinkat(path.at()?, 0)
}

/// unlinkat(2) with AT_REMOVEDIR, which refuses `.`: a directory object is removed by the path
/// it was recorded with.
pub fn rmdir(path: &Path) -> Res<()> {
    sys::unlinkat(by_name(path)?, libc::AT_REMOVEDIR)
}

/// mkdirat(2)
pub fn mkdir(path: &Path, mode: u32) -> Res<()> {
    sys::mkdirat(path.at()?, mode)
}

/// mknodat(2)
pub fn mknod(path: &Path, mode: u32, dev: u64) -> Res<()> {
    sys::mknodat(path.at()?, mode, dev)
}

/// linkat(2); a symbolic link is not followed but linked.
pub fn link([old, new]: &[Path; 2]) -> Res<()> {
    sys::linkat(old.at()?, new.at()?)
}

/// symlinkat(2)
pub fn symlink(text: &CStr, path: &Path) -> Res<()> {
    sys::symlinkat(text, path.at()?)
}

/// renameat2(2), renameat(2) without flags. Both refuse `.`, so the old name of a directory
/// object is its recorded path.
pub fn rename([old, new]: &[Path; 2], flags: u32) -> Res<()> {
    let (old, new) = (by_name(old)?, new.at()?);
    match flags {
        0 => sys::renameat(old, new),
        _ => sys::renameat2(old, new, flags),
    }
}

fn by_name(path: &Path) -> Res<At<'_>> {
    match path.recorded() {
        Some(path) => Ok((libc::AT_FDCWD, path)),
        None => path.at(),
    }
}

/// readlinkat(2)
pub fn readlink(path: &Path) -> Done {
    text(path.at().and_then(|at| match at.1.to_bytes() {
        // Linux takes an empty name for the descriptor itself.
        b"" => Err(libc::ENOENT),
        _ => sys::readlinkat(at),
    }))
}

/// The absolute path without links, `.` and `..`. A directory object counts as the path it was
/// recorded with, whether that is still true or not.
pub fn realpath(path: &Path) -> Done {
    text(spelled(path).and_then(|path| canonical(&path)))
}

/// Opens a directory to start from, and records its canonical path.
pub fn wd(path: &Path) -> Done {
    match open_wd(path) {
        Ok(wd) => Done::with(0, Output::Wd(Arc::new(wd))),
        Err(e) => Done::fail(e),
    }
}

fn text(r: Res<Vec<u8>>) -> Done {
    match r {
        Ok(text) => Done::with(0, Output::Text(text.into_boxed_slice())),
        Err(e) => Done::fail(e),
    }
}

fn open_wd(path: &Path) -> Res<Wd> {
    const DIR: i32 = libc::O_DIRECTORY;

    let at = path.at()?;
    let fd = match sys::open_inner(at, libc::O_RDONLY | DIR) {
        // Not to be listed, but perhaps to be passed through. Asking for `.` in it tells.
        Err(libc::EACCES) => {
            let fd = sys::open_inner(at, sys::O_PATH | DIR)?;
            sys::fstatat((fd.as_raw_fd(), c"."), 0)?;
            fd
        }
        other => other?,
    };
    let name = match name_of(&fd) {
        Some(name) => name,
        None => walk(&spelled(path)?)?,
    };
    Ok(Wd::new(fd, CString::new(name).map_err(|_| libc::ENOENT)?))
}

/// The path as one string: the recorded path of its directory in front, if it is relative.
fn spelled(path: &Path) -> Res<Vec<u8>> {
    // An unusable directory is ENOENT whatever the string says.
    path.at()?;
    let text = path.text().to_bytes();
    if text.is_empty() {
        return Err(libc::ENOENT);
    }
    let mut whole = Vec::new();
    if let (Some(wd), false) = (path.wd(), text.starts_with(b"/")) {
        whole.extend_from_slice(wd.path().to_bytes());
        whole.push(b'/');
    }
    whole.extend_from_slice(text);
    Ok(whole)
}

/// `path` without links, by asking the kernel if possible, step by step otherwise.
fn canonical(path: &[u8]) -> Res<Vec<u8>> {
    let name = CString::new(path).map_err(|_| libc::ENOENT)?;
    if cfg!(target_os = "linux") {
        match sys::open_inner((libc::AT_FDCWD, &name), sys::O_PATH) {
            Ok(fd) => {
                if let Some(name) = name_of(&fd) {
                    return Ok(name);
                }
            }
            // No descriptor to be had, or a directory object's path and a relative one that
            // are too long only when joined: the walk needs neither.
            Err(libc::EMFILE | libc::ENFILE | libc::ENAMETOOLONG) => {}
            Err(e) => return Err(e),
        }
    }
    walk(path)
}

/// The canonical path of an open file, if the kernel tells it and the same file is found there.
/// It is not for files that were removed or lie outside the process's root, and without `/proc`.
#[cfg(target_os = "linux")]
pub fn name_of(fd: &OwnedFd) -> Option<Vec<u8>> {
    let name = sys::readlinkat((libc::AT_FDCWD, &proc_name(fd.as_raw_fd()))).ok()?;
    if !name.starts_with(b"/") {
        return None;
    }
    let at = CString::new(name).ok()?;
    let there = sys::fstatat((libc::AT_FDCWD, &at), libc::AT_SYMLINK_NOFOLLOW).ok()?;
    let here = sys::fstat(fd.as_raw_fd()).ok()?;
    (sys::identity(&here) == sys::identity(&there)).then(|| at.into_bytes())
}

#[cfg(not(target_os = "linux"))]
pub fn name_of(_fd: &OwnedFd) -> Option<Vec<u8>> {
    None
}

/// A name that leads to the file behind a descriptor, where `/proc` is mounted.
#[cfg(target_os = "linux")]
pub fn proc_name(fd: RawFd) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}

/// Resolves `path` component by component.
fn walk(path: &[u8]) -> Res<Vec<u8>> {
    // What is resolved, without a slash at its end; empty for the root.
    let mut done: Vec<u8> = Vec::new();
    if !path.starts_with(b"/") {
        done = sys::getcwd()?;
        if !done.starts_with(b"/") {
            return Err(libc::ENOENT);
        }
        if done == b"/" {
            done.clear();
        }
    }
    let mut todo = path.to_vec();
    let mut pos = 0;
    let mut links = 0;
    loop {
        while todo.get(pos) == Some(&b'/') {
            pos += 1;
        }
        if pos >= todo.len() {
            break;
        }
        let end = todo[pos..]
            .iter()
            .position(|&c| c == b'/')
            .map_or(todo.len(), |n| pos + n);
        let name = &todo[pos..end];
        if name == b"." || name == b".." {
            // As the kernel would, look whether this directory may be passed.
            lookup(&done, b".")?;
            if name == b".." {
                parent(&mut done);
            }
            pos = end;
            continue;
        }
        let st = lookup(&done, name)?;
        done.push(b'/');
        done.extend_from_slice(name);
        pos = end;
        match sys::kind(&st) {
            libc::S_IFLNK => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(libc::ELOOP);
                }
                let at = CString::new(&done[..]).map_err(|_| libc::ENOENT)?;
                let mut target = sys::readlinkat((libc::AT_FDCWD, &at))?;
                if target.starts_with(b"/") {
                    done.clear();
                } else {
                    parent(&mut done);
                }
                target.extend_from_slice(&todo[pos..]);
                todo = target;
                pos = 0;
            }
            libc::S_IFDIR => {}
            // Only a directory may have a slash behind it.
            _ if pos < todo.len() => return Err(libc::ENOTDIR),
            _ => {}
        }
    }
    if done.is_empty() {
        done.push(b'/');
    }
    Ok(done)
}

fn lookup(dir: &[u8], name: &[u8]) -> Res<libc::stat> {
    let path = [dir, b"/", name].concat();
    let path = CString::new(path).map_err(|_| libc::ENOENT)?;
    sys::fstatat((libc::AT_FDCWD, &path), libc::AT_SYMLINK_NOFOLLOW)
}

fn parent(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|&c| c == b'/').unwrap_or(0);
    path.truncate(slash);
}
