//! Operations made of many calls: copy, move, remove a tree.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::crew;
use super::dir::{self, Entries};
use super::names;
use super::rw::{self, CHUNK};
use crate::job::Ctx;
use crate::path::Path;
use crate::sys::{self, At, Res};

/// Copies content, then times (whole seconds), mode and owner, ignoring errors of these. The
/// owner comes last, so that set-user-id bits do not survive.
///
/// Better than 4.8: a directory as source is refused before the destination is touched, as is a
/// file copied onto itself; what this call made is removed if it fails; attributes are set on
/// regular files only, so that copying to a device leaves the device as it is.
pub fn copy([from, to]: &[Path; 2], ctx: &Ctx) -> Res<()> {
    let src = sys::open_inner(from.at()?, libc::O_RDONLY)?;
    let st = sys::fstat(src.as_raw_fd())?;
    if sys::kind(&st) == libc::S_IFDIR {
        return Err(libc::EISDIR);
    }
    let at = to.at()?;
    let (dst, made) = open_destination(at)?;
    let there = sys::fstat(dst.as_raw_fd())?;
    let copied = fill(&src, &st, &dst, &there, made, ctx);
    if copied.is_err() && made == Made::BehindLink {
        if let Some(Ok(name)) = names::name_of(&dst).map(CString::new) {
            remove_if((libc::AT_FDCWD, &name), sys::identity(&there));
        }
    }
    // Some file systems tell only now that there was no room.
    let closed = sys::close(dst);
    let r = copied.and(closed);
    if r.is_err() && made == Made::Here {
        remove_if(at, sys::identity(&there));
    }
    r
}

/// renameat(2); where source and destination are on different file systems, a copy and unlink.
pub fn rename_or_copy(paths: &[Path; 2], ctx: &Ctx) -> Res<()> {
    match names::rename(paths, 0) {
        Err(libc::EXDEV) => {
            copy(paths, ctx)?;
            // The content is where it was wanted, whether the old name goes or not.
            let _ = names::unlink(&paths[0]);
            Ok(())
        }
        other => other,
    }
}

/// Who made the destination.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It was there.
    Before,
    /// This call.
    Here,
    /// This call, at the end of a link that led nowhere.
    BehindLink,
}

/// Opens the destination without truncating it, since it may be the source. A new one cannot be
/// read by anybody until its mode is set.
fn open_destination(at: At) -> Res<(OwnedFd, Made)> {
    const WRITE: i32 = libc::O_WRONLY | libc::O_CLOEXEC;
    const MODE: u32 = 0o200;

    match sys::openat(at, WRITE | libc::O_CREAT | libc::O_EXCL, MODE) {
        Ok(fd) => return Ok((fd, Made::Here)),
        Err(libc::EEXIST) => {}
        Err(e) => return Err(e),
    }
    match sys::openat(at, WRITE, 0) {
        Ok(fd) => Ok((fd, Made::Before)),
        Err(libc::ENOENT) => {
            let fd = sys::openat(at, WRITE | libc::O_CREAT, MODE)?;
            Ok((fd, Made::BehindLink))
        }
        Err(e) => Err(e),
    }
}

/// Removes the name if it still stands for this file.
fn remove_if(at: At, identity: (u64, u64)) {
    if let Ok(st) = sys::fstatat(at, libc::AT_SYMLINK_NOFOLLOW) {
        if sys::identity(&st) == identity {
            let _ = sys::unlinkat(at, 0);
        }
    }
}

fn fill(
    src: &OwnedFd,
    st: &sys::Stat,
    dst: &OwnedFd,
    there: &sys::Stat,
    made: Made,
    ctx: &Ctx,
) -> Res<()> {
    let (from, to) = (src.as_raw_fd(), dst.as_raw_fd());
    let regular = sys::kind(there) == libc::S_IFREG;
    if regular && made == Made::Before {
        if sys::identity(there) == sys::identity(st) {
            return Err(libc::EINVAL);
        }
        sys::ftruncate(to, 0)?;
    }

    copy_content(from, st, to, ctx)?;

    if regular {
        let seconds = |tv_sec| {
            // Not a literal: some systems pad the structure.
            // SAFETY: the structure consists of integers; all zeros is a value of it.
            let mut t: libc::timespec = unsafe { std::mem::zeroed() };
            t.tv_sec = tv_sec;
            t
        };
        let _ = sys::futimens(to, Some(&[seconds(st.st_atime), seconds(st.st_mtime)]));
        let _ = sys::fchmod(to, sys::mode(st) & 0o7777);
        let _ = sys::fchown(to, st.st_uid, st.st_gid);
    }
    Ok(())
}

/// The ways to copy, the best first. All use and move both file positions, so one can go on
/// where another gave up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Range,
    Sendfile,
    Plain,
}

/// As many octets as the source had when it was opened. A regular file without size, as in
/// `/proc`, is copied to its end.
fn copy_content(from: RawFd, st: &sys::Stat, to: RawFd, ctx: &Ctx) -> Res<()> {
    let mut left = u64::try_from(st.st_size).unwrap_or(0);
    let mut how = How::Range;
    if left == 0 {
        if sys::kind(st) != libc::S_IFREG {
            return Ok(());
        }
        left = u64::MAX;
        how = How::Plain;
    } else if sys::clone_file(from, to).is_ok() {
        return Ok(());
    }
    // Below that the kernel reads ahead all of it anyway.
    if left > 128 * 1024 {
        sys::will_read_all(from);
    }
    while left > 0 {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        let want = left.min(CHUNK as u64) as usize;
        let copied = match how {
            How::Range => sys::copy_file_range(from, to, want),
            How::Sendfile => sys::sendfile(to, from, None, want),
            How::Plain => copy_plain(from, to, want),
        };
        match (copied, how) {
            // Files that are made up on reading can seem empty to the first two.
            (Ok(0), How::Range) => how = How::Sendfile,
            (Ok(0), How::Sendfile) => how = How::Plain,
            (Ok(0), How::Plain) => break,
            (Ok(n), _) => left -= n as u64,
            (Err(e), How::Range) if refused(e) => how = How::Sendfile,
            (Err(e), How::Sendfile) if refused(e) => how = How::Plain,
            (Err(e), _) => return Err(e),
        }
    }
    Ok(())
}

/// Not possible between these two files in this way.
fn refused(errno: i32) -> bool {
    matches!(errno, libc::EXDEV | libc::EPERM) || rw::refused(errno)
}

/// One buffer full.
fn copy_plain(from: RawFd, to: RawFd, want: usize) -> Res<usize> {
    sys::with_scratch(|buf| {
        let want = want.min(buf.len());
        let n = sys::read(from, None, &mut buf[..want])?;
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            match sys::write(to, rest)? {
                0 => return Err(libc::EIO),
                n => rest = &rest[n..],
            }
        }
        Ok(n)
    })
}

/// Removes a directory and all that is below it. What cannot be removed below shows as
/// ENOTEMPTY of the last step, which alone is reported.
///
/// Better than 4.8: it goes down by descriptors and never through links, so nobody can lead it
/// elsewhere by exchanging a directory for a link; a link to a directory is left alone.
pub fn rmtree(path: &Path, ctx: &Ctx) -> Res<()> {
    let (fd, text) = path.at()?;
    // With a slash behind it, a link would be followed.
    let bytes = text.to_bytes();
    let end = bytes
        .iter()
        .rposition(|&c| c != b'/')
        .map_or(bytes.len().min(1), |n| n + 1);
    let name = CString::new(&bytes[..end]).map_err(|_| libc::ENOENT)?;
    // What cannot be opened, a file for example, fails in the last step, too; or is an empty
    // directory that may not be read.
    if let Ok(top) = open_below((fd, &name)) {
        crew::clear(top, ctx)?;
    }
    if ctx.cancelled() {
        return Err(libc::ECANCELED);
    }
    names::rmdir(path)
}

pub(super) fn open_below(at: At) -> Res<OwnedFd> {
    dir::open(at, libc::O_NOFOLLOW)
}

/// A directory on the way down.
struct Level {
    /// `None`: closed to save descriptors, and to be found again as `..` of the one below.
    fd: Option<OwnedFd>,
    /// Device and inode number; known once the descriptor is closed.
    identity: (u64, u64),
    /// Subdirectories, those before `next` having had their turn.
    dirs: Entries,
    next: usize,
}

/// Ancestors that stay open on the way down.
const KEEP_OPEN: usize = 32;

/// Empties an open directory, alone, however deep it is.
pub(super) fn clear(top: OwnedFd, ctx: &Ctx) -> Res<()> {
    let mut stack = vec![enter(top, ctx)?];
    while let Some(level) = stack.last_mut() {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        if level.next < level.dirs.len() {
            level.next += 1;
            descend(&mut stack, ctx)?;
        } else {
            ascend(&mut stack);
        }
    }
    Ok(())
}

fn enter(fd: OwnedFd, ctx: &Ctx) -> Res<Level> {
    let dirs = remove_files(&fd, ctx)?;
    Ok(Level {
        fd: Some(fd),
        identity: (0, 0),
        dirs,
        next: 0,
    })
}

/// Removes all but the directories, and lists these.
pub(super) fn remove_files(fd: &OwnedFd, ctx: &Ctx) -> Res<Entries> {
    let mut dirs = match dir::list(fd, ctx) {
        Err(libc::ECANCELED) => return Err(libc::ECANCELED),
        // Then it will not be empty in the end.
        other => other.unwrap_or_default(),
    };
    let mut cancelled = false;
    dirs.retain(|name, kind| {
        cancelled = cancelled || ctx.cancelled();
        if cancelled || kind == libc::DT_DIR {
            return true;
        }
        // EISDIR, elsewhere EPERM: a directory whose type was not known.
        matches!(
            sys::unlinkat((fd.as_raw_fd(), name), 0),
            Err(libc::EISDIR | libc::EPERM)
        )
    });
    match cancelled {
        true => Err(libc::ECANCELED),
        false => Ok(dirs),
    }
}

impl Level {
    /// The subdirectory whose turn it is, if this level is open.
    fn current(&self) -> Option<At<'_>> {
        let fd = self.fd.as_ref()?.as_raw_fd();
        Some((fd, self.dirs.name(self.next.checked_sub(1)?)?))
    }

    /// Closes the descriptor, if it can be told afterwards which directory it was.
    fn rest(&mut self) {
        if let Some(fd) = &self.fd {
            if let Ok(st) = sys::fstat(fd.as_raw_fd()) {
                self.identity = sys::identity(&st);
                self.fd = None;
            }
        }
    }
}

/// Goes into the subdirectory whose turn it is, or removes it if it cannot be listed.
fn descend(stack: &mut Vec<Level>, ctx: &Ctx) -> Res<()> {
    let depth = stack.len();
    let Some(at) = stack[depth - 1].current() else {
        return Ok(());
    };
    let mut opened = open_below(at);
    if matches!(opened, Err(libc::EMFILE | libc::ENFILE)) {
        for level in stack.iter_mut().take(depth - 1).skip(1) {
            level.rest();
        }
        if let Some(at) = stack[depth - 1].current() {
            opened = open_below(at);
        }
    }
    match opened {
        Ok(fd) => {
            stack.push(enter(fd, ctx)?);
            // The top stays open whatever happens: it is what a lost way begins at again.
            if depth > KEEP_OPEN {
                stack[depth - KEEP_OPEN].rest();
            }
        }
        Err(_) => {
            // Empty, perhaps.
            if let Some(at) = stack[depth - 1].current() {
                let _ = sys::unlinkat(at, libc::AT_REMOVEDIR);
            }
        }
    }
    Ok(())
}

/// Leaves a directory that is as empty as it gets, and removes it.
fn ascend(stack: &mut Vec<Level>) {
    let child = stack.pop();
    let Some(parent) = stack.last_mut() else {
        return;
    };
    if parent.fd.is_none() {
        let fd = child.and_then(|level| level.fd);
        match fd.map(|fd| reopen(&fd, parent.identity)) {
            Some(Ok(fd)) => parent.fd = Some(fd),
            // Somebody moved it while we were below, and the way back with it.
            _ => {
                stack.truncate(1);
                return;
            }
        }
    }
    if let Some(at) = parent.current() {
        let _ = sys::unlinkat(at, libc::AT_REMOVEDIR);
    }
}

/// The parent of `child`, provided it is the directory that was left there.
fn reopen(child: &OwnedFd, identity: (u64, u64)) -> Res<OwnedFd> {
    const UP: &CStr = c"..";

    let fd = sys::open_inner(
        (child.as_raw_fd(), UP),
        sys::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW,
    )?;
    match sys::identity(&sys::fstat(fd.as_raw_fd())?) == identity {
        true => Ok(fd),
        false => Err(libc::ESTALE),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
    use std::path::Path as StdPath;

    use super::super::testing::{at, below, cancelled, ctx, make_fifo, scratch, wd};
    use super::*;

    type Dir = tempfile::TempDir;

    fn cp(dir: &Dir, from: &str, to: &str) -> Res<()> {
        copy(&[at(dir, from), at(dir, to)], &ctx())
    }

    fn mode(path: &StdPath) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn copy_takes_content_times_and_mode() {
        let dir = scratch();
        let (f, new) = (dir.path().join("f"), dir.path().join("new"));
        fs::write(&f, "0123456789").unwrap();
        fs::set_permissions(&f, fs::Permissions::from_mode(0o426)).unwrap();
        // SAFETY: the structure consists of integers; all zeros is a value of it.
        let mut times: [libc::timespec; 2] = unsafe { std::mem::zeroed() };
        (times[0].tv_sec, times[1].tv_sec) = (1000, 2000);
        times[1].tv_nsec = 5;
        sys::utimensat(at(&dir, "f").at().unwrap(), Some(&times)).unwrap();
        assert_eq!(cp(&dir, "f", "new"), Ok(()));
        assert_eq!(mode(&new), 0o426);
        let meta = fs::metadata(&new).unwrap();
        assert_eq!(
            (meta.atime(), meta.mtime(), meta.mtime_nsec()),
            (1000, 2000, 0)
        );
        // Not earlier, as it changes the access time.
        assert_eq!(fs::read(&new).unwrap(), b"0123456789");

        fs::write(&new, "a longer content that has to go").unwrap();
        let ino = fs::metadata(&new).unwrap().ino();
        assert_eq!(cp(&dir, "f", "new"), Ok(()));
        assert_eq!(fs::read(&new).unwrap(), b"0123456789");
        assert_eq!(fs::metadata(&new).unwrap().ino(), ino);
    }

    #[test]
    fn copy_follows_links_on_both_sides() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "x").unwrap();
        symlink("f", dir.path().join("from")).unwrap();
        symlink("real", dir.path().join("to")).unwrap();
        assert_eq!(cp(&dir, "from", "to"), Ok(()));
        assert_eq!(fs::read(dir.path().join("real")).unwrap(), b"x");
        let top = wd(&at(&dir, ""));
        let paths = [below(&top, "f"), below(&top, "g")];
        assert_eq!(copy(&paths, &ctx()), Ok(()));
        assert_eq!(fs::read(dir.path().join("g")).unwrap(), b"x");
    }

    #[test]
    fn a_file_copied_onto_itself_is_unharmed() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "precious").unwrap();
        fs::hard_link(dir.path().join("f"), dir.path().join("h")).unwrap();
        symlink("f", dir.path().join("s")).unwrap();
        for to in ["f", "h", "s"] {
            assert_eq!(cp(&dir, "f", to), Err(libc::EINVAL));
            assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"precious");
        }
        let paths = || [at(&dir, "f"), at(&dir, "h")];
        assert_eq!(rename_or_copy(&paths(), &ctx()), Ok(()), "as rename(2)");
        assert!(dir.path().join("f").exists());
    }

    #[test]
    fn a_failing_copy_leaves_nothing_new_and_nothing_old_changed() {
        let dir = scratch();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("f"), "x").unwrap();
        fs::write(dir.path().join("keep"), "keep").unwrap();
        let kept = || fs::read(dir.path().join("keep")).unwrap() == b"keep";
        assert_eq!(cp(&dir, "none", "keep"), Err(libc::ENOENT));
        assert!(kept());
        assert_eq!(cp(&dir, "d", "keep"), Err(libc::EISDIR));
        assert!(kept());
        assert_eq!(cp(&dir, "d", "new"), Err(libc::EISDIR));
        assert_eq!(cp(&dir, "none", "new"), Err(libc::ENOENT));
        assert!(!dir.path().join("new").exists());
        assert_eq!(cp(&dir, "f", "d"), Err(libc::EISDIR));
        assert_eq!(cp(&dir, "f", "f/x"), Err(libc::ENOTDIR));
        assert_eq!(cp(&dir, "f", "x/y"), Err(libc::ENOENT));
        assert_eq!(cp(&dir, "f", "/dev/full"), Err(libc::ENOSPC));
        assert!(
            StdPath::new("/dev/full").exists(),
            "only what was made goes"
        );
        let paths = [at(&dir, "f"), Path::invalid()];
        assert_eq!(copy(&paths, &ctx()), Err(libc::ENOENT));
    }

    #[test]
    fn a_cancelled_copy_removes_what_it_made() {
        let dir = scratch();
        // Made up on reading, so there is no way to clone it in one step.
        let paths = |to| [at(&dir, "/proc/self/status"), at(&dir, to)];
        fs::write(dir.path().join("old"), "x").unwrap();
        symlink("behind", dir.path().join("link")).unwrap();
        for to in ["new", "old", "link"] {
            assert_eq!(copy(&paths(to), &cancelled()), Err(libc::ECANCELED));
        }
        assert!(!dir.path().join("new").exists());
        assert!(dir.path().join("old").exists());
        // Elsewhere nobody tells where the link led.
        let behind = dir.path().join("behind");
        assert_eq!(behind.exists(), !cfg!(target_os = "linux"));
        assert!(dir.path().join("link").is_symlink());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn files_without_size_are_copied_to_their_end_and_devices_not_at_all() {
        let dir = scratch();
        assert_eq!(cp(&dir, "/proc/self/smaps", "maps"), Ok(()));
        assert!(fs::metadata(dir.path().join("maps")).unwrap().len() > 4096);
        assert_eq!(cp(&dir, "/dev/null", "null"), Ok(()));
        assert_eq!(fs::metadata(dir.path().join("null")).unwrap().len(), 0);
        let before = mode(StdPath::new("/dev/null"));
        assert_eq!(cp(&dir, "maps", "/dev/null"), Ok(()));
        assert_eq!(mode(StdPath::new("/dev/null")), before);
    }

    /// Every way must copy alike, and one must be able to go on where another stopped.
    #[test]
    fn all_ways_of_copying_make_the_same_file() {
        let dir = scratch();
        let data: Vec<u8> = (0..300_000u32).map(|n| (n / 7) as u8).collect();
        fs::write(dir.path().join("f"), &data).unwrap();
        let src = File::open(dir.path().join("f")).unwrap();
        let dst = File::create_new(dir.path().join("g")).unwrap();
        let (from, to) = (src.as_raw_fd(), dst.as_raw_fd());
        let mut n = 0;
        if cfg!(target_os = "linux") {
            n += sys::copy_file_range(from, to, 1000).unwrap();
            n += sys::sendfile(to, from, None, 2000).unwrap();
        }
        while n < data.len() {
            n += copy_plain(from, to, data.len() - n).unwrap();
        }
        assert_eq!(fs::read(dir.path().join("g")).unwrap(), data);
        assert_eq!(cp(&dir, "f", "h"), Ok(()));
        assert_eq!(fs::read(dir.path().join("h")).unwrap(), data);
    }

    #[test]
    fn move_renames_or_copies() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "content").unwrap();
        let mv = |from: Path, to: Path| rename_or_copy(&[from, to], &ctx());
        let ino = fs::metadata(dir.path().join("f")).unwrap().ino();
        assert_eq!(mv(at(&dir, "f"), at(&dir, "g")), Ok(()));
        assert_eq!(fs::metadata(dir.path().join("g")).unwrap().ino(), ino);
        assert_eq!(mv(at(&dir, "f"), at(&dir, "g")), Err(libc::ENOENT));

        let shm = StdPath::new("/dev/shm");
        let other = tempfile::tempdir_in(if shm.is_dir() { shm } else { dir.path() }).unwrap();
        let dev = |dir: &Dir| fs::metadata(dir.path()).unwrap().dev();
        if dev(&other) == dev(&dir) {
            println!("skipped: no second file system");
            return;
        }
        assert_eq!(mv(at(&dir, "g"), at(&other, "h")), Ok(()));
        assert_eq!(fs::read(other.path().join("h")).unwrap(), b"content");
        assert!(!dir.path().join("g").exists());
        assert_eq!(mv(at(&other, "h"), at(&dir, "x/y")), Err(libc::ENOENT));
        assert!(other.path().join("h").exists(), "the source stays");
        fs::create_dir(other.path().join("d")).unwrap();
        assert_eq!(mv(at(&other, "d"), at(&dir, "d")), Err(libc::EISDIR));
        assert!(!dir.path().join("d").exists());
    }

    fn make_tree(dir: &Dir) {
        let t = dir.path().join("t");
        for name in ["a/b/c", "d", ".e"] {
            fs::create_dir_all(t.join(name)).unwrap();
        }
        for name in ["1", ".2", "a/3", "a/b/4", "a/b/c/5", ".e/6"] {
            fs::write(t.join(name), "x").unwrap();
        }
        fs::create_dir_all(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/precious"), "x").unwrap();
        symlink("nothing", t.join("dangling")).unwrap();
        symlink("../outside", t.join("out")).unwrap();
        make_fifo(&at(dir, "t/fifo"));
    }

    fn left(dir: &Dir) -> bool {
        assert!(dir.path().join("outside/precious").exists());
        dir.path().join("t").exists()
    }

    #[test]
    fn rmtree_removes_all_and_follows_nothing() {
        let dir = scratch();
        for name in ["t", "t/", "t//", "./t", "outside/../t"] {
            make_tree(&dir);
            assert_eq!(rmtree(&at(&dir, name), &ctx()), Ok(()), "{name}");
            assert!(!left(&dir), "{name}");
        }
    }

    #[test]
    fn rmtree_works_for_directory_objects_and_pairs() {
        let dir = scratch();
        make_tree(&dir);
        let t = wd(&at(&dir, "t"));
        assert_eq!(rmtree(&below(&t, "a/"), &ctx()), Ok(()));
        assert!(!dir.path().join("t/a").exists());
        assert_eq!(rmtree(&below(&t, "."), &ctx()), Ok(()));
        assert!(!left(&dir));
    }

    #[test]
    fn rmtree_reports_what_the_last_step_says() {
        let dir = scratch();
        make_tree(&dir);
        symlink("t", dir.path().join("l")).unwrap();
        symlink("nothing", dir.path().join("dl")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        for name in ["l", "l/", "dl", "loop", "t/1"] {
            assert_eq!(
                rmtree(&at(&dir, name), &ctx()),
                Err(libc::ENOTDIR),
                "{name}"
            );
        }
        assert!(dir.path().join("t/a/b/c/5").exists(), "nothing was touched");
        assert_eq!(rmtree(&at(&dir, "none"), &ctx()), Err(libc::ENOENT));
        assert_eq!(rmtree(&Path::new(None, b""), &ctx()), Err(libc::ENOENT));
        assert_eq!(rmtree(&Path::invalid(), &ctx()), Err(libc::ENOENT));
        // Not through join, which would drop the dot.
        let dot = format!("{}/t/.", dir.path().to_str().unwrap());
        let dot = Path::new(None, dot.as_bytes());
        assert_eq!(rmtree(&dot, &cancelled()), Err(libc::ECANCELED));
        assert!(dir.path().join("t/a/b/c/5").exists(), "cancelled in time");
        assert_eq!(rmtree(&dot, &ctx()), Err(libc::EINVAL));
        assert_eq!(fs::read_dir(dir.path().join("t")).unwrap().count(), 0);
        assert!(left(&dir));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rmtree_goes_on_past_what_cannot_be_removed() {
        let dir = scratch();
        make_tree(&dir);
        let mode = |name: &str, mode| {
            let path = dir.path().join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode("", 0o777);
        mode("t", 0o777);
        mode("t/a", 0o777);
        mode("t/a/b", 0o555);
        mode("t/d", 0);
        super::super::testing::unprivileged(|| {
            assert_eq!(rmtree(&at(&dir, "t"), &ctx()), Err(libc::ENOTEMPTY));
            assert!(dir.path().join("t/a/b/4").exists());
            assert!(!dir.path().join("t/a/3").exists());
            assert!(!dir.path().join("t/d").exists(), "unreadable, but empty");
        });
        mode("t/a/b", 0o755);
    }

    fn depth_of(dir: &Dir, depth: usize) {
        let path = at(dir, "t");
        names::mkdir(&path, 0o700).unwrap();
        let mut fd = open_below(path.at().unwrap()).unwrap();
        for _ in 0..depth {
            let at = (fd.as_raw_fd(), c"n");
            sys::mkdirat(at, 0o700).unwrap();
            let next = open_below(at).unwrap();
            sys::mkdirat((fd.as_raw_fd(), c"m"), 0o700).unwrap();
            fd = next;
        }
    }

    #[test]
    fn deep_trees_need_few_descriptors_and_little_stack() {
        let dir = scratch();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/precious"), "x").unwrap();
        // The path of the lowest is longer than any system call would take.
        depth_of(&dir, 2500);
        let path = at(&dir, "t");
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(128 * 1024)
                .spawn_scoped(scope, || assert_eq!(rmtree(&path, &ctx()), Ok(())))
                .unwrap();
        });
        assert!(!left(&dir));
    }

    /// The tree is pulled apart while the walk is below: it must not go on elsewhere.
    #[test]
    fn a_way_back_that_was_moved_is_not_taken() {
        let dir = scratch();
        depth_of(&dir, KEEP_OPEN + 10);
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::create_dir(dir.path().join("elsewhere/m")).unwrap();
        let mut stack =
            vec![enter(open_below(at(&dir, "t").at().unwrap()).unwrap(), &ctx()).unwrap()];
        // "n" first, so that the walk goes straight down.
        while stack.len() < KEEP_OPEN + 5 {
            let depth = stack.len();
            let level = &mut stack[depth - 1];
            let n = (0..level.dirs.len())
                .find(|&n| level.dirs.name(n) == Some(c"n"))
                .unwrap();
            level.next = n + 1;
            descend(&mut stack, &ctx()).unwrap();
        }
        let open = stack.iter().filter(|level| level.fd.is_some()).count();
        assert_eq!(open, KEEP_OPEN + 1, "the top and the nearest");
        let closed = stack.iter().rposition(|level| level.fd.is_none()).unwrap();
        let moved = dir.path().join("t").join(vec!["n"; closed + 1].join("/"));
        fs::rename(moved, dir.path().join("elsewhere/n")).unwrap();
        while stack.len() > closed + 1 {
            ascend(&mut stack);
            if stack.len() == 1 {
                break;
            }
        }
        assert_eq!(stack.len(), 1, "begins at the top again");
        assert!(dir.path().join("elsewhere/m").exists());
        assert_eq!(rmtree(&at(&dir, "t"), &ctx()), Ok(()));
        assert!(dir.path().join("elsewhere/m").exists());
    }
}
