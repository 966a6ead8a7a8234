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
    const BATCH: usize = 256;

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
            list.try_reserve(got).map_err(|_| libc::ENOMEM)?;
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
