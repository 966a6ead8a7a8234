//! Operations that read directories.
//!
//! D1  A list is whole or there is none: a failure in the middle is an errno.
//! D2  `.` and `..` are never in it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::job::{Ctx, Done, Output};
use crate::path::Path;
use crate::room::reserve;
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

    /// All names in one piece of memory, and where in it each of them is: offset and length.
    pub fn spans(&self) -> (&[u8], impl ExactSizeIterator<Item = [usize; 2]> + '_) {
        let span = |e: &Entry| [e.offset as usize, e.len as usize];
        (&self.names, self.list.iter().map(span))
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
        reserve(&mut self.names, name.len())?;
        reserve(&mut self.list, 1)?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::{symlink, MetadataExt};

    use proptest::prelude::*;

    use super::super::testing::{at, below, cancelled, ctx, make_fifo, scratch, wd};
    use super::*;

    fn entries(done: Done) -> Entries {
        match done.output {
            Output::Entries(entries) => *entries,
            other => panic!("no entries but {other:?}, errno {}", done.errno),
        }
    }

    fn names(e: &Entries) -> Vec<String> {
        e.iter()
            .map(|(name, _, _)| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    fn sorted(mut v: Vec<String>) -> Vec<String> {
        v.sort();
        v
    }

    fn ascends(inos: &[u64]) -> bool {
        inos.windows(2).all(|w| w[0] <= w[1])
    }

    fn tree() -> tempfile::TempDir {
        let dir = scratch();
        for name in ["b", ".a", "c.d"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["file", "...", "new\nline", ".hidden"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        symlink("b", dir.path().join("link")).unwrap();
        dir
    }

    const ALL: [&str; 8] = [
        "...",
        ".a",
        ".hidden",
        "b",
        "c.d",
        "file",
        "link",
        "new\nline",
    ];

    #[test]
    fn readdir_lists_everything_but_dots() {
        let dir = tree();
        let e = entries(readdir(&at(&dir, ""), 0, &ctx()));
        assert_eq!(sorted(names(&e)), ALL);
        assert_eq!(e.flags(), READDIR_DENTS, "always reported");
        for (name, kind, ino) in e.iter() {
            let name = dir.path().join(String::from_utf8_lossy(name).as_ref());
            let meta = fs::symlink_metadata(name).unwrap();
            assert_eq!(ino, meta.ino());
            if kind != libc::DT_UNKNOWN {
                assert_eq!(u32::from(kind), meta.mode() >> 12);
            }
        }
        let top = wd(&at(&dir, ""));
        let e = entries(readdir(&below(&top, "."), 0, &ctx()));
        assert_eq!(sorted(names(&e)), ALL);
        let e = entries(readdir(&at(&dir, "link/"), 0, &ctx()));
        assert!(e.is_empty());
    }

    #[test]
    fn directories_come_first_and_inodes_ascend() {
        let dir = tree();
        let inos = |e: &Entries| e.iter().map(|(_, _, ino)| ino).collect::<Vec<_>>();
        let e = entries(readdir(&at(&dir, ""), READDIR_STAT_ORDER, &ctx()));
        assert!(ascends(&inos(&e)));
        let flags = READDIR_STAT_ORDER | READDIR_DIRS_FIRST;
        let e = entries(readdir(&at(&dir, ""), flags, &ctx()));
        if e.flags() & READDIR_FOUND_UNKNOWN != 0 {
            println!("skipped: the file system of the scratch directory reports no types");
            return;
        }
        assert_eq!(e.flags(), flags | READDIR_DENTS);
        assert_eq!(sorted(names(&e)[..3].to_vec()), [".a", "b", "c.d"]);
        assert!(ascends(&inos(&e)[..3]) && ascends(&inos(&e)[3..]));
    }

    #[test]
    fn without_types_names_decide() {
        let mut e = Entries::default();
        for (n, name) in [c"longer", c"x.c", c"ab", c".z", c"f", c"a.c", c"cd", c".b"]
            .iter()
            .enumerate()
        {
            e.push(name, libc::DT_UNKNOWN, 100 - n as u64).unwrap();
        }
        e.push(c"file", libc::DT_REG, 1).unwrap();
        e.push(c"dir", libc::DT_DIR, 999).unwrap();
        e.sort(READDIR_DIRS_FIRST);
        assert_eq!(
            e.flags(),
            READDIR_DIRS_FIRST | READDIR_DENTS | READDIR_FOUND_UNKNOWN
        );
        assert_eq!(
            names(&e),
            ["dir", ".b", ".z", "f", "cd", "ab", "longer", "a.c", "x.c", "file"]
        );
    }

    #[test]
    fn scandir_splits_real_directories_off() {
        let dir = tree();
        let e = entries(scandir(&at(&dir, ""), &ctx()));
        assert_eq!((e.len(), e.dirs()), (8, 3));
        assert_eq!(sorted(names(&e)[..3].to_vec()), [".a", "b", "c.d"]);
        assert_eq!(sorted(names(&e)), ALL);
    }

    #[test]
    fn scandir_asks_for_types_that_were_not_reported() {
        let dir = tree();
        let fd = open(at(&dir, "").at().unwrap(), 0).unwrap();
        let mut e = list(&fd, &ctx()).unwrap();
        e.list.iter_mut().for_each(|e| e.kind = libc::DT_UNKNOWN);
        e.push(c"vanished", libc::DT_UNKNOWN, 1).unwrap();
        find_types(&fd, &mut e, &ctx()).unwrap();
        let kinds: BTreeMap<_, _> = e.iter().map(|(n, k, _)| (n.to_vec(), k)).collect();
        assert_eq!(kinds[&b".a"[..]], libc::DT_DIR);
        assert_eq!(kinds[&b"file"[..]], libc::DT_REG);
        assert_eq!(kinds[&b"link"[..]], libc::DT_LNK);
        assert_eq!(kinds[&b"vanished"[..]], libc::DT_UNKNOWN);
    }

    #[test]
    fn large_directories_take_several_buffers() {
        let dir = scratch();
        for n in 0..3000 {
            fs::write(dir.path().join(format!("{n:0>40}")), "").unwrap();
        }
        let e = entries(readdir(&at(&dir, ""), 0, &ctx()));
        let expected: Vec<_> = (0..3000).map(|n| format!("{n:0>40}")).collect();
        assert_eq!(sorted(names(&e)), expected);
    }

    #[test]
    fn failures_are_an_errno_and_no_list() {
        let dir = tree();
        let fifo = at(&dir, "fifo");
        make_fifo(&fifo);
        for (path, errno) in [
            (at(&dir, "none"), libc::ENOENT),
            (at(&dir, "file"), libc::ENOTDIR),
            (fifo, libc::ENOTDIR),
            (Path::new(None, b""), libc::ENOENT),
            (Path::invalid(), libc::ENOENT),
        ] {
            for done in [readdir(&path, 0, &ctx()), scandir(&path, &ctx())] {
                assert_eq!((done.result, done.errno), (-1, errno));
                assert!(matches!(done.output, Output::None));
            }
        }
        let done = readdir(&at(&dir, ""), 0, &cancelled());
        assert_eq!(done.errno, libc::ECANCELED);
    }

    #[test]
    fn a_removed_directory_is_empty() {
        let dir = tree();
        let b = wd(&at(&dir, "b"));
        fs::remove_dir(dir.path().join("b")).unwrap();
        assert!(entries(readdir(&below(&b, "."), 0, &ctx())).is_empty());
    }

    fn record(ino: u64, kind: u8, name: &[u8], padding: usize) -> Vec<u8> {
        let len = 19 + name.len() + 1 + padding;
        let mut v = ino.to_ne_bytes().to_vec();
        v.extend([0; 8]);
        v.extend((len as u16).to_ne_bytes());
        v.push(kind);
        v.extend(name);
        v.extend(vec![0; 1 + padding]);
        v
    }

    /// Walks over the whole buffer; how many records there were.
    fn walk(mut buf: &[u8]) -> Result<usize, Malformed> {
        let mut n = 0;
        while let Some((_, rest)) = next_dirent(buf)? {
            assert!(rest.len() + 20 <= buf.len(), "no progress");
            buf = rest;
            n += 1;
        }
        Ok(n)
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(buf in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = walk(&buf);
        }

        #[test]
        fn records_come_back_as_they_were(
            list in proptest::collection::vec(
                (any::<u64>(), any::<u8>(), proptest::collection::vec(1u8.., 0..300), 0usize..9),
                0..20,
            ),
            cut in 1usize..20,
        ) {
            let buf: Vec<u8> = list
                .iter()
                .flat_map(|(ino, kind, name, padding)| record(*ino, *kind, name, *padding))
                .collect();
            let mut rest = &buf[..];
            for (ino, kind, name, _) in &list {
                let (e, more) = next_dirent(rest).unwrap().unwrap();
                prop_assert_eq!((e.ino, e.kind, e.name.to_bytes()), (*ino, *kind, &name[..]));
                rest = more;
            }
            prop_assert_eq!(next_dirent(rest), Ok(None));
            if buf.len() >= cut {
                prop_assert_eq!(walk(&buf[..buf.len() - cut]), Err(Malformed));
            }
        }

        #[test]
        fn damaged_records_never_leave_the_buffer(
            name in proptest::collection::vec(1u8.., 0..40),
            at in 0usize..60,
            with in any::<u8>(),
        ) {
            let mut buf = [record(1, 4, &name, 3), record(2, 8, b"second", 0)].concat();
            let at = at % buf.len();
            buf[at] = with;
            if let Ok(n) = walk(&buf) {
                prop_assert!(n <= buf.len() / 20);
            }
        }
    }
}
