//! Operations on names: making, removing, renaming and resolving them.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
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
    // A directory object has a path already, true or not.
    if let Some(recorded) = path.recorded() {
        return text(Ok(recorded.to_bytes().to_vec()));
    }
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
pub fn proc_name(fd: std::os::fd::RawFd) -> CString {
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

fn lookup(dir: &[u8], name: &[u8]) -> Res<sys::Stat> {
    let path = [dir, b"/", name].concat();
    let path = CString::new(path).map_err(|_| libc::ENOENT)?;
    sys::fstatat((libc::AT_FDCWD, &path), libc::AT_SYMLINK_NOFOLLOW)
}

fn parent(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|&c| c == b'/').unwrap_or(0);
    path.truncate(slash);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{symlink as ln, MetadataExt};

    use super::super::testing::{at, below, scratch, wd};
    use super::*;

    const ENOENT: i32 = libc::ENOENT;

    fn resolved(done: Done) -> Res<Vec<u8>> {
        match done.output {
            Output::Text(text) => Ok(text.into_vec()),
            Output::None => Err(done.errno),
            other => panic!("no text but {other:?}"),
        }
    }

    #[test]
    fn open_delivers_a_close_on_exec_descriptor_that_closes_itself() {
        let dir = scratch();
        let done = open(&at(&dir, "f"), libc::O_CREAT | libc::O_WRONLY, 0o640);
        let Output::Fd(fd) = done.output else {
            panic!("no descriptor but {:?}", done.output);
        };
        assert_eq!(done.result, fd.as_raw_fd().into());
        assert_eq!(sys::get_fd_flags(fd.as_raw_fd()), Ok(libc::FD_CLOEXEC));
        assert!(sys::fstat(fd.as_raw_fd()).is_ok());
        let errno = |name, flags| {
            let done = open(&at(&dir, name), flags, 0o600);
            assert_eq!(done.result, -1);
            done.errno
        };
        assert_eq!(errno("none", libc::O_RDONLY), ENOENT);
        assert_eq!(errno("f/x", libc::O_RDONLY), libc::ENOTDIR);
        assert_eq!(errno("f", libc::O_CREAT | libc::O_EXCL), libc::EEXIST);
        assert_eq!(errno("", libc::O_WRONLY), libc::EISDIR);
    }

    #[test]
    fn a_path_without_a_directory_is_enoent_everywhere() {
        let dir = scratch();
        let none = || below(&Arc::new(Wd::invalid()), "/");
        let nul = || Path::new(None, b"/tmp\0x");
        for bad in [none, nul] {
            assert_eq!(open(&bad(), 0, 0).errno, ENOENT);
            assert_eq!(unlink(&bad()), Err(ENOENT));
            assert_eq!(rmdir(&bad()), Err(ENOENT));
            assert_eq!(mkdir(&bad(), 0), Err(ENOENT));
            assert_eq!(mknod(&bad(), 0, 0), Err(ENOENT));
            assert_eq!(link(&[bad(), at(&dir, "x")]), Err(ENOENT));
            assert_eq!(link(&[at(&dir, ""), bad()]), Err(ENOENT));
            assert_eq!(symlink(c"x", &bad()), Err(ENOENT));
            assert_eq!(rename(&[bad(), at(&dir, "x")], 0), Err(ENOENT));
            assert_eq!(rename(&[at(&dir, ""), bad()], 1), Err(ENOENT));
            assert_eq!(readlink(&bad()).errno, ENOENT);
            assert_eq!(realpath(&bad()).errno, ENOENT);
            assert_eq!(super::wd(&bad()).errno, ENOENT);
        }
    }

    #[test]
    fn directories_are_made_and_removed() {
        let dir = scratch();
        assert_eq!(mkdir(&at(&dir, "d"), 0o700), Ok(()));
        assert_eq!(mkdir(&at(&dir, "d"), 0o700), Err(libc::EEXIST));
        fs::write(dir.path().join("d/f"), "").unwrap();
        ln("d", dir.path().join("l")).unwrap();
        assert_eq!(rmdir(&at(&dir, "d")), Err(libc::ENOTEMPTY));
        assert_eq!(rmdir(&at(&dir, "l")), Err(libc::ENOTDIR));
        assert_eq!(rmdir(&at(&dir, "d/f")), Err(libc::ENOTDIR));
        assert_eq!(rmdir(&at(&dir, "d/.")), Err(libc::EINVAL));
        assert_eq!(unlink(&at(&dir, "d")), Err(libc::EISDIR));
        assert_eq!(unlink(&at(&dir, "d/f")), Ok(()));
        assert_eq!(rmdir(&at(&dir, "d")), Ok(()));
        assert_eq!(rmdir(&at(&dir, "d")), Err(ENOENT));
    }

    #[test]
    fn a_directory_object_is_removed_and_renamed_by_its_recorded_path() {
        let dir = scratch();
        mkdir(&at(&dir, "a"), 0o700).unwrap();
        let a = wd(&at(&dir, "a"));
        assert_eq!(rename(&[below(&a, "."), at(&dir, "b")], 0), Ok(()));
        assert_eq!(mkdir(&below(&a, "still"), 0o700), Ok(()), "it is usable");
        assert!(dir.path().join("b/still").is_dir());
        assert_eq!(rmdir(&below(&a, ".")), Err(ENOENT), "the old path is gone");
        let still = wd(&at(&dir, "b/still"));
        assert_eq!(rmdir(&below(&still, ".")), Ok(()));
        assert!(!dir.path().join("b/still").exists());
    }

    #[test]
    fn special_files_and_links_are_made() {
        let dir = scratch();
        assert_eq!(mknod(&at(&dir, "p"), libc::S_IFIFO | 0o600, 0), Ok(()));
        assert_eq!(mknod(&at(&dir, "p"), libc::S_IFIFO, 0), Err(libc::EEXIST));
        assert_eq!(mknod(&at(&dir, "x"), 0o170000, 0), Err(libc::EINVAL));
        assert_eq!(symlink(c"any text", &at(&dir, "s")), Ok(()));
        assert_eq!(symlink(c"", &at(&dir, "e")), Err(ENOENT));
        assert_eq!(link(&[at(&dir, "s"), at(&dir, "s2")]), Ok(()));
        assert_eq!(resolved(readlink(&at(&dir, "s2"))).unwrap(), b"any text");
        assert_eq!(
            fs::symlink_metadata(dir.path().join("s")).unwrap().nlink(),
            2
        );
        assert_eq!(link(&[at(&dir, "p"), at(&dir, "s")]), Err(libc::EEXIST));
        assert_eq!(resolved(readlink(&at(&dir, "p"))), Err(libc::EINVAL));
        assert_eq!(resolved(readlink(&at(&dir, "none"))), Err(ENOENT));
        assert_eq!(resolved(readlink(&Path::new(None, b""))), Err(ENOENT));
        for n in [255, 256, 257, 512, 4000] {
            let text = CString::new(vec![b'y'; n]).unwrap();
            let name = at(&dir, &format!("long{n}"));
            assert_eq!(symlink(&text, &name), Ok(()));
            assert_eq!(resolved(readlink(&name)).unwrap(), text.to_bytes());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rename_knows_its_flags() {
        let dir = scratch();
        let fresh = || {
            fs::write(dir.path().join("a"), "A").unwrap();
            fs::write(dir.path().join("b"), "B").unwrap();
        };
        let pair = || [at(&dir, "a"), at(&dir, "b")];
        let read = |name| fs::read_to_string(dir.path().join(name)).ok();
        fresh();
        assert_eq!(rename(&pair(), libc::RENAME_NOREPLACE), Err(libc::EEXIST));
        assert_eq!(rename(&pair(), libc::RENAME_EXCHANGE), Ok(()));
        assert_eq!((read("a"), read("b")), (Some("B".into()), Some("A".into())));
        assert_eq!(rename(&pair(), 0x4000), Err(libc::EINVAL));
        assert_eq!(rename(&pair(), 3), Err(libc::EINVAL));
        fresh();
        assert_eq!(rename(&pair(), 0), Ok(()));
        assert_eq!((read("a"), read("b")), (None, Some("A".into())));
        assert_eq!(rename(&pair(), libc::RENAME_EXCHANGE), Err(ENOENT));
        assert_eq!(rename(&pair(), 0), Err(ENOENT));
    }

    /// Both ways of resolving must agree with the standard library's.
    #[test]
    fn paths_are_resolved_alike_by_the_kernel_and_by_walking() {
        let dir = scratch();
        let top = dir.path().to_str().unwrap().to_owned();
        fs::create_dir_all(dir.path().join("d/e")).unwrap();
        fs::write(dir.path().join("f"), "x").unwrap();
        for (text, name) in [
            ("f", "l1"),
            ("l1", "l2"),
            ("d/../d/./e", "le"),
            ("/", "top"),
            ("loop", "loop"),
            ("b", "a"),
            ("a", "b"),
            ("nothing", "dangling"),
            ("../f", "d/up"),
        ] {
            ln(text, dir.path().join(name)).unwrap();
        }
        ln(format!("{top}/d//"), dir.path().join("abs")).unwrap();

        for name in [
            "",
            "d",
            "//d///e//",
            "/./d/.././d/e/..",
            "/f",
            "/l1",
            "/l2",
            "/le",
            "/abs/e",
            "/d/up",
            "/top",
            "/top/top/..",
            "/le/..",
            "/none",
            "/none/f",
            "/none/..",
            "/f/x",
            "/f/",
            "/f/.",
            "/f/..",
            "/dangling",
            "/loop",
            "/a/x",
        ] {
            let path = format!("{top}{name}");
            let expected = fs::canonicalize(&path)
                .map(|p| p.as_os_str().as_bytes().to_vec())
                .map_err(|e| e.raw_os_error().unwrap());
            assert_eq!(canonical(path.as_bytes()), expected, "{name} by the kernel");
            assert_eq!(walk(path.as_bytes()), expected, "{name} by walking");
        }
        for path in ["/", "//", "/../..", "/."] {
            assert_eq!(canonical(path.as_bytes()).unwrap(), b"/", "{path}");
            assert_eq!(walk(path.as_bytes()).unwrap(), b"/", "{path}");
        }
        let here = sys::getcwd().unwrap();
        for path in [".", "./", "././."] {
            assert_eq!(canonical(path.as_bytes()).unwrap(), here);
            assert_eq!(walk(path.as_bytes()).unwrap(), here);
        }
        assert_eq!(walk(b".."), canonical(b".."));
    }

    #[test]
    fn forty_links_are_followed_and_no_more() {
        let dir = scratch();
        fs::write(dir.path().join("0"), "").unwrap();
        for n in 1..=41 {
            ln((n - 1).to_string(), dir.path().join(n.to_string())).unwrap();
        }
        let path = |n: &str| dir.path().join(n).to_str().unwrap().as_bytes().to_vec();
        let end = fs::canonicalize(dir.path().join("0")).unwrap();
        for resolve in [canonical, walk] {
            assert_eq!(resolve(&path("40")).unwrap(), end.as_os_str().as_bytes());
            assert_eq!(resolve(&path("41")), Err(libc::ELOOP));
        }
    }

    #[test]
    fn realpath_starts_at_the_recorded_path_of_an_object() {
        let dir = scratch();
        let real = fs::canonicalize(dir.path()).unwrap();
        let real = |name: &str| Ok(real.join(name).as_os_str().as_bytes().to_vec());
        fs::create_dir_all(dir.path().join("d/e")).unwrap();
        let e = wd(&at(&dir, "d/e"));
        assert_eq!(e.path().to_bytes(), real("d/e").unwrap());
        assert_eq!(resolved(realpath(&below(&e, "."))), real("d/e"));
        assert_eq!(resolved(realpath(&below(&e, ".."))), real("d"));
        assert_eq!(resolved(realpath(&below(&e, "/"))).unwrap(), b"/");
        assert_eq!(resolved(realpath(&below(&e, ""))), Err(ENOENT));
        let root = wd(&Path::new(None, b"/"));
        assert_eq!(resolved(realpath(&below(&root, "dev"))).unwrap(), b"/dev");
    }

    #[test]
    fn a_directory_object_is_a_directory_with_its_canonical_path() {
        let dir = scratch();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("f"), "").unwrap();
        ln("d", dir.path().join("l")).unwrap();
        ln("loop", dir.path().join("loop")).unwrap();
        let real = fs::canonicalize(dir.path().join("d")).unwrap();
        assert_eq!(
            wd(&at(&dir, "l/")).path().to_bytes(),
            real.as_os_str().as_bytes()
        );
        let d = wd(&at(&dir, "l"));
        assert_eq!(wd(&below(&d, ".")).path(), d.path(), "a second one");
        let errno = |path: &Path| super::wd(path).errno;
        assert_eq!(errno(&at(&dir, "f")), libc::ENOTDIR);
        assert_eq!(errno(&at(&dir, "f/x")), libc::ENOTDIR);
        assert_eq!(errno(&at(&dir, "none")), ENOENT);
        assert_eq!(errno(&at(&dir, "loop")), libc::ELOOP);
        assert_eq!(errno(&Path::new(None, b"")), ENOENT);
        rmdir(&at(&dir, "d")).unwrap();
        assert_eq!(errno(&below(&d, ".")), ENOENT, "it was removed");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_directory_object_needs_search_permission_only() {
        use std::os::unix::fs::PermissionsExt;

        let dir = scratch();
        let mode = |name: &str, mode| {
            let path = dir.path().join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir_all(dir.path().join("search/d")).unwrap();
        fs::create_dir(dir.path().join("closed")).unwrap();
        mode("", 0o755);
        mode("search", 0o111);
        mode("search/d", 0o755);
        mode("closed", 0);
        super::super::testing::unprivileged(|| {
            let search = wd(&at(&dir, "search"));
            assert_eq!(
                sys::fstatat(below(&search, "d").at().unwrap(), 0).err(),
                None
            );
            assert_eq!(super::wd(&at(&dir, "closed")).errno, libc::EACCES);
            assert_eq!(super::wd(&at(&dir, "closed/d")).errno, libc::EACCES);
            let path = dir.path().join("closed/..");
            let path = path.to_str().unwrap().as_bytes();
            assert_eq!(walk(path), Err(libc::EACCES));
            assert_eq!(canonical(path), Err(libc::EACCES));
        });
        mode("search", 0o755);
    }
}
