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

/// A read of so much takes no longer than other things that the owner does at a time.
const QUICK: usize = 16 << 10;

/// Might [`read_at_once`] do it?
pub fn is_quick_read(offset: Option<i64>, buf: &Buffer) -> bool {
    offset.is_some() && buf.len() <= QUICK
}

/// A read that need not wait: all of it is in the page cache. `None`: it might have to, and a
/// common read is needed, which also tells the end of a file and errors. `known` is a descriptor
/// that has passed the first look before.
pub fn read_at_once(
    fd: RawFd,
    offset: Option<i64>,
    buf: &Buffer,
    known: &mut Option<RawFd>,
) -> Option<i64> {
    let offset = offset.filter(|&offset| offset >= 0)?;
    if *known != Some(fd) {
        *known = is_read_through_cache(fd).then_some(fd);
        (*known)?;
    }
    let n = sys::read_cached(fd, offset, buf).ok()?;
    (n == buf.len()).then_some(n as i64)
}

/// Nothing is lost by a read of a regular file whose result is thrown away; a device may hand out
/// what it has once only. With O_DIRECT a read waits for the disk whatever it is told.
fn is_read_through_cache(fd: RawFd) -> bool {
    sys::fstat(fd).is_ok_and(|st| sys::kind(&st) == libc::S_IFREG)
        && sys::fcntl(fd, libc::F_GETFL, &Arg::Value(0))
            .is_ok_and(|flags| flags & i64::from(sys::O_DIRECT) == 0)
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
        Ok(heap) => Done::with(heap.len() as i64, Output::Bytes(Box::new(heap))),
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
        Ok(heap) => Done::with(heap.len() as i64, Output::Bytes(Box::new(heap))),
        Err(errno) => Done {
            result: -1,
            errno,
            output: Heap::with_capacity(1)
                .map_or(Output::None, |heap| Output::Bytes(Box::new(heap))),
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
    let first = most.min(if once { CHUNK as u64 } else { 4095 });
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::fd::AsRawFd;

    use super::super::testing::{at, cancelled, ctx, make_fifo, scratch};
    use super::*;

    fn bytes(output: &Output) -> Vec<u8> {
        match output {
            Output::Bytes(heap) => {
                assert!(heap.capacity() > heap.len(), "no room for a NUL");
                // SAFETY: a Heap's first `len` bytes are written.
                unsafe { std::slice::from_raw_parts(heap.as_ptr(), heap.len()) }.to_vec()
            }
            other => panic!("no bytes but {other:?}"),
        }
    }

    fn buffer(v: &mut [u8]) -> Buffer {
        // SAFETY: used up before `v` goes.
        unsafe { Buffer::new(v.as_mut_ptr(), v.len()) }
    }

    #[test]
    fn close_puts_an_ended_pipe_in_place_of_the_file() {
        let dir = scratch();
        let mut file = File::create_new(dir.path().join("f")).unwrap();
        let fd = file.as_raw_fd();
        assert_eq!(close(fd), Ok(()));
        assert_eq!(
            file.write(b"x").unwrap_err().raw_os_error(),
            Some(libc::EBADF)
        );
        assert_eq!(file.read(&mut [0; 4]).unwrap(), 0);
        assert_eq!(
            file.stream_position().unwrap_err().raw_os_error(),
            Some(libc::ESPIPE)
        );
        assert_eq!(
            sys::get_fd_flags(fd),
            Ok(libc::FD_CLOEXEC),
            "the flag stays"
        );
        assert_eq!(close(fd), Ok(()), "again");
    }

    #[test]
    fn close_lets_peers_see_the_end_and_keeps_an_inherited_descriptor_inherited() {
        let (r, w) = sys::pipe().unwrap();
        let arg = Arg::Value(0);
        assert_eq!(fcntl(w.as_raw_fd(), libc::F_SETFD, &arg), Ok(0));
        assert_eq!(close(w.as_raw_fd()), Ok(()));
        assert_eq!(sys::get_fd_flags(w.as_raw_fd()), Ok(0));
        assert_eq!(sys::read(r.as_raw_fd(), None, &mut [0; 4]), Ok(0));
    }

    #[test]
    fn close_of_a_number_that_is_not_open_fails() {
        // Numbers of this size are far from what tests open.
        assert_eq!(close(100_000_000), Err(libc::EBADF));
        assert_eq!(close(-1), Err(libc::EBADF));
    }

    #[test]
    fn close_of_the_replacement_itself_keeps_it_usable() {
        let fd = end().unwrap();
        assert_eq!(close(fd), Ok(()));
        assert_eq!(sys::read(fd, None, &mut [0; 4]), Ok(0));
    }

    #[test]
    fn reading_and_writing_with_and_without_position() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "0123456789").unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.path().join("f"))
            .unwrap();
        let fd = file.as_raw_fd();
        let mut v = [0; 4];
        assert_eq!(read(fd, Some(2), &buffer(&mut v)), Ok(4));
        assert_eq!(&v, b"2345");
        assert_eq!(read(fd, None, &buffer(&mut v)), Ok(4));
        assert_eq!(&v, b"0123", "pread has not moved the position");
        assert_eq!(read(fd, Some(8), &buffer(&mut v)), Ok(2));
        assert_eq!(read(fd, Some(10), &buffer(&mut v)), Ok(0));
        assert_eq!(write(fd, Some(12), &buffer(&mut b"ab".to_vec())), Ok(2));
        assert_eq!(write(fd, None, &buffer(&mut b"X".to_vec())), Ok(1));
        assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"0123X56789\0\0ab");
        assert_eq!(seek(fd, 0, libc::SEEK_CUR), Ok(5));
        assert_eq!(seek(fd, -3, libc::SEEK_END), Ok(11));
        assert_eq!(seek(fd, -1, libc::SEEK_SET), Err(libc::EINVAL));
        assert_eq!(seek(fd, 0, 77), Err(libc::EINVAL));
        assert_eq!(read(-1, None, &buffer(&mut v)), Err(libc::EBADF));
        assert_eq!(write(-1, Some(0), &buffer(&mut v)), Err(libc::EBADF));
    }

    #[test]
    fn pipes_have_no_position() {
        let (r, w) = sys::pipe().unwrap();
        let (r, w) = (r.as_raw_fd(), w.as_raw_fd());
        let mut v = [0; 8];
        assert_eq!(read(r, Some(0), &buffer(&mut v)), Err(libc::ESPIPE));
        assert_eq!(write(w, Some(0), &buffer(&mut v)), Err(libc::ESPIPE));
        assert_eq!(seek(r, 0, 0), Err(libc::ESPIPE));
        assert_eq!(
            fcntl(r, libc::F_SETFL, &Arg::Value(libc::O_NONBLOCK.into())),
            Ok(0)
        );
        assert_eq!(read(r, None, &buffer(&mut v)), Err(libc::EAGAIN));
        assert_eq!(write(w, None, &buffer(&mut b"abc".to_vec())), Ok(3));
        let mut n = 0i32.to_ne_bytes();
        assert_eq!(
            ioctl(r, libc::FIONREAD as _, &Arg::Pointer(buffer(&mut n))),
            Ok(0)
        );
        assert_eq!(i32::from_ne_bytes(n), 3);
        assert_eq!(
            ioctl(r, libc::FIONREAD as _, &Arg::Value(0)),
            Err(libc::EFAULT)
        );
        assert_eq!(read(r, None, &buffer(&mut v)), Ok(3));
        assert_eq!(fcntl(-1, libc::F_GETFD, &Arg::Value(0)), Err(libc::EBADF));
    }

    #[test]
    fn sendfile_copies_from_an_offset() {
        let dir = scratch();
        fs::write(dir.path().join("in"), "0123456789").unwrap();
        let input = File::open(dir.path().join("in")).unwrap();
        let out = File::create_new(dir.path().join("out")).unwrap();
        let (i, o) = (input.as_raw_fd(), out.as_raw_fd());
        assert_eq!(sendfile(o, i, 2, 5), Ok(5));
        assert_eq!(sendfile(o, i, 8, 100), Ok(2));
        assert_eq!(sendfile(o, i, 80, 100), Ok(0));
        assert_eq!(sendfile(-1, -1, 0, 0), Ok(0), "nothing is touched");
        assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"2345689");
        assert_eq!((&input).stream_position().unwrap(), 0);
        assert_eq!(sendfile(o, i, -1, 3), Err(libc::EINVAL));
        assert_eq!(sendfile(-1, i, 0, 3), Err(libc::EBADF));
        assert_eq!(sendfile(o, -1, 0, 3), Err(libc::EBADF));
        let (r, _w) = sys::pipe().unwrap();
        assert_eq!(sendfile(o, r.as_raw_fd(), 0, 3), Err(libc::ESPIPE));
        let directory = File::open(dir.path()).unwrap();
        assert_eq!(sendfile(o, directory.as_raw_fd(), 0, 3), Err(libc::EISDIR));
    }

    #[test]
    fn sendfile_is_emulated_for_an_appending_output() {
        let dir = scratch();
        let data: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        fs::write(dir.path().join("in"), &data).unwrap();
        fs::write(dir.path().join("out"), "x").unwrap();
        let input = File::open(dir.path().join("in")).unwrap();
        let out = OpenOptions::new()
            .append(true)
            .open(dir.path().join("out"))
            .unwrap();
        let sent = sendfile(out.as_raw_fd(), input.as_raw_fd(), 1, u64::MAX);
        assert_eq!(sent, Ok(199_999));
        assert_eq!(fs::read(dir.path().join("out")).unwrap()[1..], data[1..]);
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        assert_eq!(
            sendfile(full.as_raw_fd(), input.as_raw_fd(), 0, 10),
            Err(libc::ENOSPC)
        );
    }

    #[test]
    fn a_full_output_makes_a_short_count() {
        let dir = scratch();
        fs::write(dir.path().join("in"), vec![7; 1 << 20]).unwrap();
        let input = File::open(dir.path().join("in")).unwrap();
        let (r, w) = sys::pipe().unwrap();
        fcntl(
            w.as_raw_fd(),
            libc::F_SETFL,
            &Arg::Value(libc::O_NONBLOCK.into()),
        )
        .unwrap();
        for send in [sendfile, send_through] {
            let n = send(w.as_raw_fd(), input.as_raw_fd(), 0, 1 << 20).unwrap();
            assert!(n > 0 && n < 1 << 20, "{n}");
            let again = send(w.as_raw_fd(), input.as_raw_fd(), 0, 1);
            assert_eq!(again, Err(libc::EAGAIN));
            let mut left = n as usize;
            while left > 0 {
                left -= sys::read(r.as_raw_fd(), None, &mut vec![0; left]).unwrap();
            }
        }
    }

    fn sl(dir: &tempfile::TempDir, name: &str, offset: i64, len: u64) -> Result<Vec<u8>, i32> {
        let done = slurp(&at(dir, name), offset, len, &ctx());
        if done.result < 0 {
            assert!(matches!(done.output, Output::None));
            return Err(done.errno);
        }
        let v = bytes(&done.output);
        assert_eq!(done.result, v.len() as i64);
        Ok(v)
    }

    #[test]
    fn slurp_takes_the_part_that_was_asked_for() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "0123456789").unwrap();
        fs::write(dir.path().join("e"), "").unwrap();
        let ok = |s: &str| Ok(s.as_bytes().to_vec());
        assert_eq!(sl(&dir, "f", 0, 0), ok("0123456789"));
        assert_eq!(sl(&dir, "f", 4, 0), ok("456789"));
        assert_eq!(sl(&dir, "f", 2, 3), ok("234"));
        assert_eq!(sl(&dir, "f", 6, 100), ok("6789"));
        assert_eq!(sl(&dir, "f", 0, u64::MAX), ok("0123456789"));
        assert_eq!(sl(&dir, "f", 20, 5), ok(""));
        assert_eq!(sl(&dir, "f", 20, 0), ok(""));
        assert_eq!(sl(&dir, "f", i64::MAX, 0), ok(""));
        assert_eq!(sl(&dir, "f", -3, 0), ok("789"));
        assert_eq!(sl(&dir, "f", -4, 2), ok("67"));
        assert_eq!(sl(&dir, "f", -11, 2), Err(libc::EINVAL));
        assert_eq!(sl(&dir, "f", i64::MIN, 2), Err(libc::EINVAL));
        assert_eq!(sl(&dir, "e", 0, 0), ok(""));
        assert_eq!(sl(&dir, "e", 0, 5), ok(""));
        assert_eq!(sl(&dir, "none", 0, 0), Err(libc::ENOENT));
        assert_eq!(sl(&dir, "", 0, 5), Err(libc::EISDIR));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn slurp_reads_files_that_tell_no_size() {
        let dir = scratch();
        let maps = sl(&dir, "/proc/self/smaps", 0, 0).unwrap();
        assert!(maps.len() > 4096 && maps.ends_with(b"\n"), "{}", maps.len());
        let status = sl(&dir, "/proc/self/status", 0, 0).unwrap();
        assert!(status.starts_with(b"Name:"));
        assert_eq!(sl(&dir, "/proc/self/status", 1, 3).unwrap(), b"ame");
        assert_eq!(sl(&dir, "/dev/null", 0, 0).unwrap(), b"");
        assert_eq!(sl(&dir, "/dev/zero", 0, 9).unwrap(), [0; 9]);
        assert_eq!(sl(&dir, "/proc/self/status", -1, 0), Err(libc::EINVAL));
    }

    #[test]
    fn slurp_of_a_fifo_reads_once_or_to_the_end() {
        let dir = scratch();
        make_fifo(&at(&dir, "fifo"));
        for (len, got) in [(100, &b"first"[..]), (0, b"first and second")] {
            // Open for both, so that neither side waits for the other.
            let mut both = OpenOptions::new()
                .read(true)
                .write(true)
                .open(dir.path().join("fifo"))
                .unwrap();
            both.write_all(b"first").unwrap();
            if len == 0 {
                // At the end only once nobody can write any more.
                both.write_all(b" and second").unwrap();
                let path = at(&dir, "fifo");
                let fd = open(&path).unwrap();
                drop(both);
                let heap = content(&fd, 0, 0, &ctx()).unwrap();
                assert_eq!(bytes(&Output::Bytes(Box::new(heap))), got);
            } else {
                assert_eq!(sl(&dir, "fifo", 0, len).unwrap(), got);
            }
        }
    }

    #[test]
    fn load_tells_opening_from_reading() {
        let dir = scratch();
        fs::write(dir.path().join("f"), "abc").unwrap();
        let done = load(&at(&dir, "f"), &ctx());
        assert_eq!((done.result, bytes(&done.output)), (3, b"abc".to_vec()));
        let done = load(&at(&dir, "none"), &ctx());
        assert_eq!((done.result, done.errno), (-1, libc::ENOENT));
        assert!(matches!(done.output, Output::None));
        let done = load(&at(&dir, ""), &ctx());
        assert_eq!((done.result, done.errno), (-1, libc::EISDIR));
        assert_eq!(bytes(&done.output), b"");
        assert_eq!(load(&at(&dir, "f"), &cancelled()).errno, libc::ECANCELED);
    }

    #[test]
    fn readahead_and_its_emulation_agree() {
        let dir = scratch();
        fs::write(dir.path().join("f"), vec![1; 100_000]).unwrap();
        let mut file = File::open(dir.path().join("f")).unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        let (pipe, _w) = sys::pipe().unwrap();
        for f in [readahead, read_through] {
            assert_eq!(f(file.as_raw_fd(), 0, 100_000), Ok(()));
            assert_eq!(f(file.as_raw_fd(), 1 << 40, 10), Ok(()));
            assert_eq!(f(-1, 0, 10), Err(libc::EBADF));
            assert!(f(pipe.as_raw_fd(), 0, 10).is_err());
        }
        assert_eq!(file.stream_position().unwrap(), 3);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn allocate_extends_or_keeps_the_size() {
        let dir = scratch();
        let file = File::create_new(dir.path().join("f")).unwrap();
        let fd = file.as_raw_fd();
        match allocate(fd, 0, 0, 20) {
            Err(libc::EOPNOTSUPP) => {
                println!("skipped: the file system of the scratch directory cannot allocate");
                return;
            }
            other => assert_eq!(other, Ok(())),
        }
        assert_eq!(allocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 8192), Ok(()));
        assert_eq!(file.metadata().unwrap().len(), 20);
        assert_eq!(allocate(fd, 0, 0, 0), Err(libc::EINVAL));
        assert_eq!(allocate(fd, 0, -1, 5), Err(libc::EINVAL));
        assert_eq!(allocate(fd, 0x4000, 0, 5), Err(libc::EOPNOTSUPP));
        assert_eq!(allocate(fd, 0, 1 << 62, 1 << 62), Err(libc::EFBIG));
        assert_eq!(allocate(-1, 0, 0, 5), Err(libc::EBADF));
    }
}
