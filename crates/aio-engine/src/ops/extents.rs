//! The extent map of a file.

use std::os::fd::RawFd;

use crate::job::{Ctx, Done};

/// The ioctl FS_IOC_FIEMAP. `count` `None` is all extents, however often the kernel must be
/// asked; 0 only counts them.
#[cfg(target_os = "linux")]
pub fn fiemap(fd: RawFd, start: u64, len: u64, flags: u32, count: Option<u32>, ctx: &Ctx) -> Done {
    use crate::job::Output;

    if count == Some(0) {
        return linux::count(fd, start, len, flags).into();
    }
    match linux::list(fd, start, len, flags, count, ctx) {
        Ok(list) => Done::with(0, Output::Extents(Box::new(list))),
        Err(e) => Done::fail(e),
    }
}

/// Only Linux has it.
#[cfg(not(target_os = "linux"))]
pub fn fiemap(
    _fd: RawFd,
    _start: u64,
    _len: u64,
    _flags: u32,
    _count: Option<u32>,
    _ctx: &Ctx,
) -> Done {
    Done::fail(libc::ENOSYS)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::RawFd;

    use crate::job::{Arg, Buffer, Ctx};
    use crate::sys::{self, Res};

    const FS_IOC_FIEMAP: u64 = 0xc020_660b;
    const FLAG_SYNC: u32 = 1;
    const EXTENT_LAST: u32 = 1;
    /// Extents asked for at a time.
    const BATCH: usize = 128;

    /// `struct fiemap` without its extents.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Head {
        start: u64,
        length: u64,
        flags: u32,
        mapped: u32,
        count: u32,
        reserved: u32,
    }

    /// `struct fiemap_extent`
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Extent {
        logical: u64,
        physical: u64,
        length: u64,
        reserved64: [u64; 2],
        flags: u32,
        reserved: [u32; 3],
    }

    /// What the ioctl reads and fills.
    #[repr(C)]
    struct Request {
        head: Head,
        extents: [Extent; BATCH],
    }

    fn ask(fd: RawFd, request: &mut Request, head: Head) -> Res<u32> {
        debug_assert!(head.count as usize <= BATCH, "{} > {BATCH}", head.count);
        request.head = head;
        let at: *mut Request = request;
        // SAFETY: the buffer is `request`, borrowed for longer than the call, with room for all
        // extents that are asked for; any bytes are a value of it.
        let buf = unsafe { Buffer::new(at.cast(), std::mem::size_of::<Request>()) };
        sys::ioctl(fd, FS_IOC_FIEMAP, &Arg::Pointer(buf))?;
        Ok(request.head.mapped)
    }

    fn request() -> Box<Request> {
        Box::new(Request {
            head: Head::default(),
            extents: [Extent::default(); BATCH],
        })
    }

    pub fn count(fd: RawFd, start: u64, len: u64, flags: u32) -> Res<i64> {
        let head = Head {
            start,
            length: len,
            flags,
            ..Head::default()
        };
        ask(fd, &mut request(), head).map(i64::from)
    }

    pub fn list(
        fd: RawFd,
        start: u64,
        len: u64,
        flags: u32,
        count: Option<u32>,
        ctx: &Ctx,
    ) -> Res<Vec<[u64; 4]>> {
        let end = start.saturating_add(len);
        let most = count.map_or(usize::MAX, |n| n as usize);
        let mut request = request();
        let mut list: Vec<[u64; 4]> = Vec::new();
        let mut from = start;
        let mut flags = flags;
        loop {
            if ctx.cancelled() {
                return Err(libc::ECANCELED);
            }
            let want = BATCH.min(most - list.len());
            let head = Head {
                start: from,
                length: if from == start { len } else { end - from },
                flags,
                count: want as u32,
                ..Head::default()
            };
            let got = (ask(fd, &mut request, head)? as usize).min(want);
            crate::room::reserve(&mut list, got)?;
            list.extend(
                request.extents[..got]
                    .iter()
                    .map(|e| [e.logical, e.physical, e.length, e.flags.into()]),
            );
            let Some(last) = request.extents[..got].last() else {
                return Ok(list);
            };
            let next = last.logical.saturating_add(last.length);
            let all = got < want || last.flags & EXTENT_LAST != 0;
            // An extent that does not lead on would be reported for ever.
            if all || list.len() >= most || next >= end || next <= from {
                return Ok(list);
            }
            from = next;
            // Once is enough.
            flags &= !FLAG_SYNC;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use super::super::testing::{cancelled, ctx, scratch};
    use super::fiemap;
    use crate::job::Output;

    const ALL: u64 = u64::MAX;
    const SYNC: u32 = 1;

    fn list(output: Output) -> Vec<[u64; 4]> {
        match output {
            Output::Extents(list) => *list,
            other => panic!("no extents but {other:?}"),
        }
    }

    #[test]
    fn all_extents_are_found_in_several_batches() {
        let dir = scratch();
        let file = std::fs::File::create(dir.path().join("f")).unwrap();
        for n in 0..300 {
            file.write_all_at(&[1; 4096], n * 16384).unwrap();
        }
        let fd = file.as_raw_fd();
        let done = fiemap(fd, 0, ALL, SYNC, Some(0), &ctx());
        if done.errno == libc::EOPNOTSUPP {
            println!("skipped: the file system of the scratch directory has no extent maps");
            return;
        }
        assert_eq!((done.result, done.errno), (300, 0));

        let all = list(fiemap(fd, 0, ALL, 0, None, &ctx()).output);
        assert_eq!(all.len(), 300);
        for (n, e) in all.iter().enumerate() {
            assert_eq!((e[0], e[2]), (n as u64 * 16384, 4096));
        }
        assert_eq!(all[299][3] & 1, 1, "the last one is marked");

        let some = list(fiemap(fd, 0, ALL, 0, Some(200), &ctx()).output);
        assert_eq!(some, all[..200]);
        let range = list(fiemap(fd, 16384, 5 * 16384, 0, None, &ctx()).output);
        // Without the flags: ext4 marks the last of the range, too.
        let places = |list: &[[u64; 4]]| list.iter().map(|e| e[..3].to_vec()).collect::<Vec<_>>();
        assert_eq!(places(&range), places(&all[1..6]));

        assert_eq!(fiemap(fd, 0, 0, 0, None, &ctx()).errno, libc::EINVAL);
        assert_eq!(fiemap(fd, 0, ALL, 0x100, None, &ctx()).errno, libc::EBADR);
        assert_eq!(
            fiemap(fd, -5i64 as u64, 5, 0, None, &ctx()).errno,
            libc::EFBIG
        );
        assert_eq!(
            fiemap(fd, 0, ALL, 0, None, &cancelled()).errno,
            libc::ECANCELED
        );

        file.set_len(0).unwrap();
        assert!(list(fiemap(fd, 0, ALL, SYNC, None, &ctx()).output).is_empty());
    }

    #[test]
    fn what_is_no_file_has_no_extents() {
        let (r, _w) = crate::sys::pipe().unwrap();
        let done = fiemap(r.as_raw_fd(), 0, ALL, 0, None, &ctx());
        assert_eq!((done.result, done.errno), (-1, libc::EOPNOTSUPP));
        assert_eq!(fiemap(-1, 0, ALL, 0, None, &ctx()).errno, libc::EBADF);
    }
}
