//! Operations on descriptors and on file content.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::job::{Arg, Buffer, Ctx, Done, Heap, Output};
use crate::path::Path;
use crate::sys::{self, Res};

/// Between two looks at the cancel mark.
pub(super) const CHUNK: usize = 64 << 20;

/// The reading end that closed descriptors are replaced by.
struct End {
    fd: RawFd,
    identity: (u64, u64),
}

/// Not behind a lock, because a fork may copy a lock that is held. Never freed once it is here.
static END: AtomicPtr<End> = AtomicPtr::new(std::ptr::null_mut());

/// dup3(2) over the descriptor, so that its file is released while the number stays taken until
/// its owner closes it. What takes its place reads as empty. Its close-on-exec flag stays.
pub fn close(fd: RawFd) -> Res<()> {
    // A number that is not open must not become open by this.
    let flags = sys::get_fd_flags(fd)?;
    sys::replace(end()?, fd, flags & libc::FD_CLOEXEC != 0)
}

/// A descriptor that is always at its end of file.
fn end() -> Res<RawFd> {
    loop {
        let known = END.load(Ordering::Acquire);
        // SAFETY: null, or leaked on purpose below.
        if let Some(end) = unsafe { known.as_ref() } {
            // A program may close descriptors that it does not know, for example to become a
            // daemon. Then the number is free, or another file's.
            if sys::fstat(end.fd).map(|st| sys::identity(&st)) == Ok(end.identity) {
                return Ok(end.fd);
            }
        }
        let (fd, writing_end) = sys::pipe()?;
        drop(writing_end);
        let new = Box::into_raw(Box::new(End {
            fd: fd.as_raw_fd(),
            identity: sys::identity(&sys::fstat(fd.as_raw_fd())?),
        }));
        match END.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok(fd.into_raw_fd()),
            // Another worker was faster.
            // SAFETY: made above, and nobody else has seen it.
            Err(_) => drop(unsafe { Box::from_raw(new) }),
        }
    }
}

/// lseek(2)
pub fn seek(fd: RawFd, offset: i64, whence: i32) -> Res<i64> {
    sys::lseek(fd, offset, whence)
}

/// fcntl(2)
pub fn fcntl(fd: RawFd, cmd: i32, arg: &Arg) -> Res<i64> {
    sys::fcntl(fd, cmd, arg)
}

/// ioctl(2)
pub fn ioctl(fd: RawFd, request: u64, arg: &Arg) -> Res<i64> {
    sys::ioctl(fd, request, arg)
}

/// read(2), pread(2)
pub fn read(fd: RawFd, offset: Option<i64>, buf: &Buffer) -> Res<i64> {
    sys::read_buffer(fd, offset, buf).map(|n| n as i64)
}

/// write(2), pwrite(2)
pub fn write(fd: RawFd, offset: Option<i64>, buf: &Buffer) -> Res<i64> {
    sys::write_buffer(fd, offset, buf).map(|n| n as i64)
}

/// sendfile(2), as often as it takes; copied through user space where the kernel will not.
pub fn sendfile(out: RawFd, input: RawFd, offset: i64, len: u64) -> Res<i64> {
    let sent = counted(len, |sent, left| {
        let want = left.min(sys::CALL_MAX as u64) as usize;
        sys::sendfile(out, input, Some(position(offset, sent)?), want)
    });
    match sent {
        Err((sent, e)) if refused(e) => {
            let rest = send_through(out, input, position(offset, sent)?, len - sent);
            short(rest.map(|n| sent as i64 + n).map_err(|e| (sent, e)))
        }
        sent => short(sent),
    }
}

/// The kernel does not do this between these two files.
pub(super) fn refused(errno: i32) -> bool {
    [
        libc::ENOSYS,
        libc::EINVAL,
        libc::ENOTSOCK,
        libc::ENOTSUP,
        libc::EOPNOTSUPP,
    ]
    .contains(&errno)
}

/// readahead(2); elsewhere the data is read and thrown away.
pub fn readahead(fd: RawFd, offset: i64, len: usize) -> Res<()> {
    match sys::readahead(fd, offset, len) {
        Err(libc::ENOSYS) => read_through(fd, offset, len),
        other => other,
    }
}

/// fallocate(2)
pub fn allocate(fd: RawFd, mode: i32, offset: i64, len: i64) -> Res<()> {
    sys::fallocate(fd, mode, offset, len)
}

/// Part of a file: open, read, close. `offset` below 0 counts from the end, `len` 0 is
/// everything from there on.
pub fn slurp(path: &Path, offset: i64, len: u64, ctx: &Ctx) -> Done {
    let content = open(path).and_then(|fd| content(&fd, offset, len, ctx));
    match content {
        Ok(heap) => Done::with(heap.len() as i64, Output::Bytes(heap)),
        Err(e) => Done::fail(e),
    }
}

/// A whole file. Its reader wants to tell a file that cannot be opened (no output) from one
/// that cannot be read (empty output).
pub fn load(path: &Path, ctx: &Ctx) -> Done {
    let fd = match open(path) {
        Ok(fd) => fd,
        Err(e) => return Done::fail(e),
    };
    match content(&fd, 0, 0, ctx) {
        Ok(heap) => Done::with(heap.len() as i64, Output::Bytes(heap)),
        Err(errno) => Done {
            result: -1,
            errno,
            output: Heap::with_capacity(1).map_or(Output::None, Output::Bytes),
        },
    }
}

fn open(path: &Path) -> Res<OwnedFd> {
    sys::open_inner(path.at()?, libc::O_RDONLY)
}

fn content(fd: &OwnedFd, offset: i64, len: u64, ctx: &Ctx) -> Res<Heap> {
    let fd = fd.as_raw_fd();
    let st = sys::fstat(fd)?;
    let kind = sys::kind(&st);
    if kind == libc::S_IFDIR {
        return Err(libc::EISDIR);
    }
    #[allow(clippy::useless_conversion)]
    let size = i64::from(st.st_size);
    let start = match offset {
        0.. => offset,
        _ => size
            .checked_add(offset)
            .filter(|&n| n >= 0)
            .ok_or(libc::EINVAL)?,
    };
    let most = if len == 0 { u64::MAX } else { len };
    if kind == libc::S_IFREG && size > 0 {
        let there = u64::try_from(size - start).unwrap_or(0);
        return read_known(fd, start, there.min(most), ctx);
    }
    // A pipe can be read, but not at an offset.
    let start = match (kind, start) {
        (libc::S_IFREG, _) => Some(start),
        (_, 0) => None,
        _ => Some(start),
    };
    let once = len != 0 && kind != libc::S_IFREG;
    read_unknown(fd, start, most, once, ctx)
}

/// Room for `len` bytes and one more, for whoever wants a NUL behind them.
fn room(len: u64) -> Res<usize> {
    usize::try_from(len)
        .ok()
        .and_then(|n| n.checked_add(1))
        .ok_or(libc::ENOMEM)
}

/// Reads `len` bytes, or fewer if the file has shrunk.
fn read_known(fd: RawFd, start: i64, len: u64, ctx: &Ctx) -> Res<Heap> {
    let cap = room(len)?;
    let mut heap = Heap::with_capacity(cap)?;
    while heap.len() < cap - 1 {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        let at = position(start, heap.len() as u64)?;
        let want = (cap - 1 - heap.len()).min(CHUNK);
        if sys::read_heap(fd, Some(at), &mut heap, want)? == 0 {
            break;
        }
    }
    Ok(heap)
}

/// Reads until the end, or `most` bytes, from a file that does not tell its size; only once if
/// another read might wait for data that was not asked for.
fn read_unknown(fd: RawFd, start: Option<i64>, most: u64, once: bool, ctx: &Ctx) -> Res<Heap> {
    let first = if once { most } else { most.min(4095) };
    let mut heap = Heap::with_capacity(room(first)?)?;
    loop {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        if heap.len() + 1 >= heap.capacity() {
            heap.grow(heap.capacity().saturating_mul(2))?;
        }
        let at = match start {
            Some(start) => Some(position(start, heap.len() as u64)?),
            None => None,
        };
        let left = most - heap.len() as u64;
        let space = heap.capacity() - 1 - heap.len();
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(space);
        let n = sys::read_heap(fd, at, &mut heap, want)?;
        if n == 0 || once || heap.len() as u64 >= most {
            return Ok(heap);
        }
    }
}

fn position(start: i64, done: u64) -> Res<i64> {
    i64::try_from(done)
        .ok()
        .and_then(|done| start.checked_add(done))
        .ok_or(libc::EINVAL)
}

/// Calls `step` with what is done and what is left until nothing is, or it moves nothing. An
/// error comes with what was done before.
fn counted(len: u64, mut step: impl FnMut(u64, u64) -> Res<usize>) -> Result<i64, (u64, i32)> {
    let mut done = 0;
    while done < len {
        match step(done, len - done) {
            Ok(0) => break,
            Ok(n) => done += n as u64,
            Err(e) => return Err((done, e)),
        }
    }
    Ok(done as i64)
}

/// sendfile(2) by hand. What could not be written was not counted, and is not lost, since the
/// input's position does not move.
fn send_through(out: RawFd, input: RawFd, offset: i64, len: u64) -> Res<i64> {
    sys::with_scratch(|buf| {
        let sent = counted(len, |sent, left| {
            let want = left.min(buf.len() as u64) as usize;
            let n = sys::read(input, Some(position(offset, sent)?), &mut buf[..want])?;
            match n {
                0 => Ok(0),
                n => sys::write(out, &buf[..n]),
            }
        });
        short(sent)
    })
}

/// An error after some data is a short count.
fn short(r: Result<i64, (u64, i32)>) -> Res<i64> {
    r.or_else(|(done, e)| match done {
        0 => Err(e),
        _ => Ok(done as i64),
    })
}

fn read_through(fd: RawFd, offset: i64, len: usize) -> Res<()> {
    sys::with_scratch(|buf| {
        let read = counted(len as u64, |done, left| {
            let want = left.min(buf.len() as u64) as usize;
            sys::read(fd, Some(position(offset, done)?), &mut buf[..want])
        });
        short(read).map(|_| ())
    })
}
