//! Operations made of many calls: copy, move, remove a tree.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

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
    match fill(&src, &st, &dst, made, ctx) {
        Ok(()) => {
            let identity = sys::fstat(dst.as_raw_fd()).map(|st| sys::identity(&st));
            sys::close(dst).inspect_err(|_| {
                if let (Made::Here, Ok(identity)) = (made, identity) {
                    remove_if(at, identity);
                }
            })
        }
        Err(e) => {
            remove_made(at, &dst, made);
            Err(e)
        }
    }
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

fn remove_made(at: At, dst: &OwnedFd, made: Made) {
    let Ok(st) = sys::fstat(dst.as_raw_fd()) else {
        return;
    };
    match made {
        Made::Before => {}
        Made::Here => remove_if(at, sys::identity(&st)),
        Made::BehindLink => {
            if let Some(Ok(name)) = names::name_of(dst).map(CString::new) {
                remove_if((libc::AT_FDCWD, &name), sys::identity(&st));
            }
        }
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

fn fill(src: &OwnedFd, st: &libc::stat, dst: &OwnedFd, made: Made, ctx: &Ctx) -> Res<()> {
    let (from, to) = (src.as_raw_fd(), dst.as_raw_fd());
    let there = sys::fstat(to)?;
    let regular = sys::kind(&there) == libc::S_IFREG;
    if regular && made == Made::Before {
        if sys::identity(&there) == sys::identity(st) {
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
fn copy_content(from: RawFd, st: &libc::stat, to: RawFd, ctx: &Ctx) -> Res<()> {
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
        clear(top, ctx)?;
    }
    if ctx.cancelled() {
        return Err(libc::ECANCELED);
    }
    names::rmdir(path)
}

fn open_below(at: At) -> Res<OwnedFd> {
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

/// Empties an open directory. Knows nothing of how it was reached, so subdirectories can be
/// handed to other workers in the same way.
fn clear(top: OwnedFd, ctx: &Ctx) -> Res<()> {
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

/// Removes all but the directories, and lists these.
fn enter(fd: OwnedFd, ctx: &Ctx) -> Res<Level> {
    let mut dirs = match dir::list(&fd, ctx) {
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
    if cancelled {
        return Err(libc::ECANCELED);
    }
    Ok(Level {
        fd: Some(fd),
        identity: (0, 0),
        dirs,
        next: 0,
    })
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
            if depth > KEEP_OPEN + 1 {
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
