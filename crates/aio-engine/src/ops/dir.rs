//! Operations that read directories.
//!
//! D1  A list is whole or there is none: a failure in the middle is an errno.
//! D2  `.` and `..` are never in it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::job::{Ctx, Done, Output};
use crate::path::Path;
use crate::sys::{self, At, Res};

/// Deliver type and inode number, too.
pub const READDIR_DENTS: i32 = 0x01;
/// Directories first, by inode number.
pub const READDIR_DIRS_FIRST: i32 = 0x02;
/// By inode number, the order in which `stat` is cheapest.
pub const READDIR_STAT_ORDER: i32 = 0x04;
/// Result only: the type of an entry was not known.
pub const READDIR_FOUND_UNKNOWN: i32 = 0x80;

/// The content of a directory.
#[derive(Debug, Default)]
pub struct Entries {
    /// The names, each with its NUL, one after the other.
    names: Vec<u8>,
    list: Vec<Entry>,
    dirs: usize,
    flags: i32,
}

/// 16 bytes, because directories can be large.
#[derive(Debug, Clone, Copy)]
struct Entry {
    ino: u64,
    offset: u32,
    len: u16,
    kind: u8,
}

impl Entries {
    /// Name, type (`DT_*`) and inode number of each entry.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u8, u64)> + '_ {
        self.list
            .iter()
            .map(|e| (bytes(&self.names, e), e.kind, e.ino))
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `aio_scandir`: so many of the first entries are the directories.
    pub fn dirs(&self) -> usize {
        self.dirs
    }

    /// `aio_readdirx`: the flags to report.
    pub fn flags(&self) -> i32 {
        self.flags
    }

    /// The entry's name as system calls take it.
    pub(super) fn name(&self, n: usize) -> Option<&CStr> {
        let e = self.list.get(n)?;
        let from = e.offset as usize;
        CStr::from_bytes_with_nul(&self.names[from..=from + e.len as usize]).ok()
    }

    fn push(&mut self, name: &CStr, kind: u8, ino: u64) -> Res<()> {
        let name = name.to_bytes_with_nul();
        let offset = u32::try_from(self.names.len()).map_err(|_| libc::EOVERFLOW)?;
        let len = u16::try_from(name.len() - 1).map_err(|_| libc::ENAMETOOLONG)?;
        let full = |_| libc::ENOMEM;
        self.names.try_reserve(name.len()).map_err(full)?;
        self.list.try_reserve(1).map_err(full)?;
        self.names.extend_from_slice(name);
        self.list.push(Entry {
            ino,
            offset,
            len,
            kind,
        });
        Ok(())
    }

    /// Drops the entries `keep` does not want. The names stay, as they share one allocation.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&CStr, u8) -> bool) {
        let names = &self.names;
        self.list.retain(|e| {
            let from = e.offset as usize;
            match CStr::from_bytes_with_nul(&names[from..=from + e.len as usize]) {
                Ok(name) => keep(name, e.kind),
                Err(_) => false,
            }
        });
    }

    /// Puts the entries into the order that `flags` asks for, and notes the flags to report.
    fn sort(&mut self, flags: i32) {
        let unknown = self.list.iter().any(|e| e.kind == libc::DT_UNKNOWN);
        self.flags = flags | READDIR_DENTS;
        if unknown {
            self.flags |= READDIR_FOUND_UNKNOWN;
        }
        let mut rest = &mut self.list[..];
        if flags & READDIR_DIRS_FIRST != 0 {
            let n = gather(rest, |e| e.kind == libc::DT_DIR);
            let (dirs, others) = rest.split_at_mut(n);
            dirs.sort_unstable_by_key(|e| e.ino);
            if unknown {
                let names = &self.names;
                others.sort_unstable_by_key(|e| (likely_dir(e.kind, bytes(names, e)), e.ino));
                return;
            }
            rest = others;
        }
        if flags & READDIR_STAT_ORDER != 0 {
            rest.sort_unstable_by_key(|e| e.ino);
        }
    }
}

fn bytes<'a>(names: &'a [u8], e: &Entry) -> &'a [u8] {
    let from = e.offset as usize;
    &names[from..from + e.len as usize]
}

/// Swaps those that are `first` to the front and says how many they are.
fn gather(list: &mut [Entry], first: impl Fn(&Entry) -> bool) -> usize {
    let mut n = 0;
    for i in 0..list.len() {
        if first(&list[i]) {
            list.swap(n, i);
            n += 1;
        }
    }
    n
}

/// A guess from the name for file systems that report no types; lower is more likely. Hidden
/// names often are directories, names with an extension seldom are, and short ones more often
/// than long ones.
fn likely_dir(kind: u8, name: &[u8]) -> u32 {
    if kind != libc::DT_UNKNOWN {
        u32::MAX
    } else if name.starts_with(b".") {
        0
    } else if name.contains(&b'.') {
        u32::MAX - 1
    } else {
        name.len() as u32
    }
}

/// A record as the kernel writes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Dirent<'a> {
    pub ino: u64,
    pub kind: u8,
    pub name: &'a CStr,
}

/// A record that does not follow the format.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Takes the first record off a buffer that `getdents64` filled: the entry and what follows it,
/// or `None` at the end.
pub fn next_dirent(buf: &[u8]) -> Result<Option<(Dirent<'_>, &[u8])>, Malformed> {
    // u64 inode, i64 position, u16 length of the record, u8 type, name with its NUL, padding.
    const NAME: usize = 19;

    if buf.is_empty() {
        return Ok(None);
    }
    let fixed: &[u8; NAME] = buf
        .get(..NAME)
        .and_then(|b| b.try_into().ok())
        .ok_or(Malformed)?;
    let ino = u64::from_ne_bytes([
        fixed[0], fixed[1], fixed[2], fixed[3], fixed[4], fixed[5], fixed[6], fixed[7],
    ]);
    let len = usize::from(u16::from_ne_bytes([fixed[16], fixed[17]]));
    let name = buf.get(NAME..len).ok_or(Malformed)?;
    let name = CStr::from_bytes_until_nul(name).map_err(|_| Malformed)?;
    let entry = Dirent {
        ino,
        kind: fixed[18],
        name,
    };
    Ok(Some((entry, &buf[len..])))
}

/// Opens a directory to list it.
pub(super) fn open(at: At, flags: i32) -> Res<OwnedFd> {
    sys::open_inner(at, libc::O_RDONLY | libc::O_DIRECTORY | flags)
}

/// The entries of an open directory, in the order in which they come.
#[cfg(target_os = "linux")]
pub(super) fn list(fd: &OwnedFd, ctx: &Ctx) -> Res<Entries> {
    let mut entries = Entries::default();
    sys::with_scratch(|buf| loop {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        let n = match sys::getdents(fd.as_raw_fd(), buf) {
            // The directory was removed after it had been opened: it has no entries.
            Err(libc::ENOENT) => 0,
            other => other?,
        };
        if n == 0 {
            return Ok(());
        }
        let mut rest = &buf[..n];
        while let Some((e, more)) = next_dirent(rest).map_err(|Malformed| libc::EIO)? {
            if !matches!(e.name.to_bytes(), b"." | b"..") {
                entries.push(e.name, e.kind, e.ino)?;
            }
            rest = more;
        }
    })?;
    Ok(entries)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn list(fd: &OwnedFd, ctx: &Ctx) -> Res<Entries> {
    let mut entries = Entries::default();
    let stream = fd
        .try_clone()
        .map_err(|e| e.raw_os_error().unwrap_or(libc::EMFILE))?;
    sys::each_entry(stream, |name, kind, ino| {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        match name.to_bytes() {
            b"." | b".." => Ok(()),
            _ => entries.push(name, kind, ino),
        }
    })?;
    Ok(entries)
}

fn deliver(r: Res<Entries>) -> Done {
    match r {
        Ok(entries) => Done::with(0, Output::Entries(Box::new(entries))),
        Err(e) => Done::fail(e),
    }
}

/// All entries, ordered as the flags ask.
pub fn readdir(path: &Path, flags: i32, ctx: &Ctx) -> Done {
    let read = || {
        let fd = open(path.at()?, 0)?;
        let mut entries = list(&fd, ctx)?;
        entries.sort(flags);
        Ok(entries)
    };
    deliver(read())
}

/// All entries, the directories first. Links to directories are not directories.
pub fn scandir(path: &Path, ctx: &Ctx) -> Done {
    let scan = || {
        let fd = open(path.at()?, 0)?;
        let mut entries = list(&fd, ctx)?;
        find_types(&fd, &mut entries, ctx)?;
        entries.dirs = gather(&mut entries.list, |e| e.kind == libc::DT_DIR);
        entries.flags = READDIR_DENTS;
        Ok(entries)
    };
    deliver(scan())
}

/// Asks for the types that the file system did not report. What has vanished meanwhile, or may
/// not be looked at, stays unknown.
fn find_types(fd: &OwnedFd, entries: &mut Entries, ctx: &Ctx) -> Res<()> {
    for n in 0..entries.list.len() {
        if entries.list[n].kind != libc::DT_UNKNOWN {
            continue;
        }
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        let Some(name) = entries.name(n) else {
            continue;
        };
        if let Ok(st) = sys::fstatat((fd.as_raw_fd(), name), libc::AT_SYMLINK_NOFOLLOW) {
            entries.list[n].kind = dt(sys::kind(&st));
        }
    }
    Ok(())
}

fn dt(kind: libc::mode_t) -> u8 {
    match kind {
        libc::S_IFDIR => libc::DT_DIR,
        libc::S_IFREG => libc::DT_REG,
        libc::S_IFLNK => libc::DT_LNK,
        libc::S_IFIFO => libc::DT_FIFO,
        libc::S_IFSOCK => libc::DT_SOCK,
        libc::S_IFCHR => libc::DT_CHR,
        libc::S_IFBLK => libc::DT_BLK,
        _ => libc::DT_UNKNOWN,
    }
}
