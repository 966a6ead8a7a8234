//! System calls, each wrapped once.
//!
//! S1  `Err` is the errno, taken right after the call that failed.
//! S2  `EINTR` is retried in [`retry`]. `close` is the exception: its descriptor is gone
//!     whatever it returns.
//! S3  Strings are `&CStr` and structures are references, so what the kernel reads or fills is
//!     terminated, sized and alive for the whole call.
//! S4  Offsets and sizes of files have 64 bits ([`wide`]).
//!
//! Not here: what an operation does with the results, and fallbacks between calls (`ops/`).

use std::cell::RefCell;
use std::ffi::{c_int, c_uint, CStr};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::job::{Arg, Buffer, Heap};
use crate::room::reserve;

/// The calls and structures of S4. 32-bit glibc has them under names of their own, which C
/// programs get by `_FILE_OFFSET_BITS`, and so does perl.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "32"))]
pub mod wide {
    pub use libc::{
        fallocate64 as fallocate, fstat64 as fstat, fstatat64 as fstatat, fstatvfs64 as fstatvfs,
        ftruncate64 as ftruncate, lseek64 as lseek, mmap64 as mmap, off64_t as off_t,
        openat64 as openat, posix_fadvise64 as posix_fadvise, pread64 as pread, pwrite64 as pwrite,
        sendfile64 as sendfile, stat64 as stat, statvfs64 as statvfs, truncate64 as truncate,
    };
}
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "32")))]
pub mod wide {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    pub use libc::posix_fadvise;
    #[cfg(target_os = "linux")]
    pub use libc::{fallocate, sendfile};
    pub use libc::{
        fstat, fstatat, fstatvfs, ftruncate, lseek, mmap, off_t, openat, pread, pwrite, stat,
        statvfs, truncate,
    };
}

/// What stat tells, in the layout that perl has it in.
pub type Stat = wide::stat;

/// What statvfs tells.
pub type Statvfs = wide::statvfs;

/// What a call returned, or its errno.
pub type Res<T> = Result<T, i32>;

/// A directory to start from and a name, as the `*at` calls take them.
pub type At<'a> = (RawFd, &'a CStr);

/// Enough to name a directory and to look up names in it, without permission to list it where
/// the system knows such descriptors.
#[cfg(target_os = "linux")]
pub const O_PATH: c_int = libc::O_PATH;
#[cfg(not(target_os = "linux"))]
pub const O_PATH: c_int = libc::O_RDONLY;

/// Elsewhere no flag of open(2) says this.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub const O_DIRECT: c_int = libc::O_DIRECT;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub const O_DIRECT: c_int = 0;

/// The most bytes a single call is asked to move; Linux itself stops a page earlier.
pub const CALL_MAX: usize = 0x7fff_f000;

/// Room for directory entries and for copying through user space.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    // On the heap, because workers have small stacks; one for each thread, because a fresh one
    // costs page faults.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends `f` this thread's 64 KiB buffer. `f` must not ask for it again.
pub fn with_scratch<T>(f: impl FnOnce(&mut [u8]) -> Res<T>) -> Res<T> {
    BUFFER.with(|buffer| {
        let mut buffer = buffer.try_borrow_mut().map_err(|_| libc::EBUSY)?;
        if buffer.is_empty() {
            reserve(&mut buffer, SCRATCH)?;
            buffer.resize(SCRATCH, 0);
        }
        f(&mut buffer)
    })
}

/// Integers in which −1 means "see errno".
trait Returned: Copy + PartialEq {
    const FAILED: Self;
}

impl Returned for i32 {
    const FAILED: i32 = -1;
}

impl Returned for i64 {
    const FAILED: i64 = -1;
}

impl Returned for isize {
    const FAILED: isize = -1;
}

fn errno() -> i32 {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn once<T: Returned>(result: T) -> Res<T> {
    if result == T::FAILED {
        Err(errno())
    } else {
        Ok(result)
    }
}

fn retry<T: Returned>(mut call: impl FnMut() -> T) -> Res<T> {
    loop {
        match once(call()) {
            Err(libc::EINTR) => continue,
            other => return other,
        }
    }
}

/// A file offset for the kernel. Offsets are 64 bit wide here and may be narrower there.
#[allow(clippy::useless_conversion)]
fn off(n: i64) -> Res<wide::off_t> {
    wide::off_t::try_from(n).map_err(|_| libc::EOVERFLOW)
}

/// # Safety
///
/// `fd` must be a new descriptor that nothing else owns.
unsafe fn own(fd: c_int) -> OwnedFd {
    // SAFETY: the caller's promise is the one asked for.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

// Names

pub fn openat(at: At, flags: c_int, mode: u32) -> Res<OwnedFd> {
    // SAFETY: S3.
    let fd = retry(|| unsafe { wide::openat(at.0, at.1.as_ptr(), flags, mode as c_uint) })?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { own(fd) })
}

/// Opens with close-on-exec; for descriptors that never leave the engine.
pub fn open_inner(at: At, flags: c_int) -> Res<OwnedFd> {
    openat(at, flags | libc::O_CLOEXEC, 0)
}

/// Closes, and reports what only closing can tell (network file systems, quotas).
pub fn close(fd: OwnedFd) -> Res<()> {
    // SAFETY: into_raw_fd hands the only ownership over to this call.
    match once(unsafe { libc::close(fd.into_raw_fd()) }) {
        // S2: interrupted, but closed.
        Ok(_) | Err(libc::EINTR) => Ok(()),
        Err(e) => Err(e),
    }
}

pub fn unlinkat(at: At, flags: c_int) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::unlinkat(at.0, at.1.as_ptr(), flags) })?;
    Ok(())
}

pub fn mkdirat(at: At, mode: u32) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::mkdirat(at.0, at.1.as_ptr(), mode as libc::mode_t) })?;
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
pub fn mknodat(at: At, mode: u32, dev: u64) -> Res<()> {
    let (mode, dev) = (mode as libc::mode_t, dev as libc::dev_t);
    // SAFETY: S3.
    retry(|| unsafe { libc::mknodat(at.0, at.1.as_ptr(), mode, dev) })?;
    Ok(())
}

/// Older systems of this vendor have no `mknodat`.
#[cfg(target_vendor = "apple")]
pub fn mknodat(at: At, mode: u32, dev: u64) -> Res<()> {
    if at.0 != libc::AT_FDCWD && !at.1.to_bytes().starts_with(b"/") {
        return Err(libc::ENOSYS);
    }
    let (mode, dev) = (mode as libc::mode_t, dev as libc::dev_t);
    // SAFETY: S3.
    retry(|| unsafe { libc::mknod(at.1.as_ptr(), mode, dev) })?;
    Ok(())
}

pub fn linkat(old: At, new: At) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::linkat(old.0, old.1.as_ptr(), new.0, new.1.as_ptr(), 0) })?;
    Ok(())
}

pub fn symlinkat(text: &CStr, at: At) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::symlinkat(text.as_ptr(), at.0, at.1.as_ptr()) })?;
    Ok(())
}

pub fn renameat(old: At, new: At) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::renameat(old.0, old.1.as_ptr(), new.0, new.1.as_ptr()) })?;
    Ok(())
}

/// By number, because not every C library that runs on a kernel with this call has it.
#[cfg(target_os = "linux")]
pub fn renameat2(old: At, new: At, flags: u32) -> Res<()> {
    // SAFETY: S3; the arguments are those of renameat2(2).
    retry(|| unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            old.0,
            old.1.as_ptr(),
            new.0,
            new.1.as_ptr(),
            flags as c_uint,
        )
    })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn renameat2(_old: At, _new: At, _flags: u32) -> Res<()> {
    Err(libc::ENOSYS)
}

/// The text of a link, however long it is.
pub fn readlinkat(at: At) -> Res<Vec<u8>> {
    let mut text: Vec<u8> = Vec::new();
    let mut room = 256;
    loop {
        reserve(&mut text, room)?;
        let room_now = text.capacity();
        let to = text.as_mut_ptr();
        // SAFETY: S3; `to` has room for as many bytes as are named.
        let n = retry(|| unsafe { libc::readlinkat(at.0, at.1.as_ptr(), to.cast(), room_now) })?;
        let n = n as usize;
        if n < room_now {
            // SAFETY: the kernel has written the first `n` bytes, fewer than the capacity.
            unsafe { text.set_len(n) };
            return Ok(text);
        }
        // Possibly cut short.
        room = room_now * 2;
    }
}

/// The process's directory.
pub fn getcwd() -> Res<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    match std::env::current_dir() {
        Ok(dir) => Ok(dir.into_os_string().into_vec()),
        Err(e) => Err(e.raw_os_error().unwrap_or(libc::ENOENT)),
    }
}

// Attributes

fn blank_stat() -> Stat {
    // SAFETY: the structure consists of integers; all zeros is a value of it.
    unsafe { std::mem::zeroed() }
}

pub fn fstatat(at: At, flags: c_int) -> Res<Stat> {
    let mut st = blank_stat();
    // SAFETY: S3.
    retry(|| unsafe { wide::fstatat(at.0, at.1.as_ptr(), &mut st, flags) })?;
    Ok(st)
}

pub fn fstat(fd: RawFd) -> Res<Stat> {
    let mut st = blank_stat();
    // SAFETY: S3.
    retry(|| unsafe { wide::fstat(fd, &mut st) })?;
    Ok(st)
}

/// What tells one file from all others. The fields differ in width between systems.
#[allow(clippy::unnecessary_cast)]
pub fn identity(st: &Stat) -> (u64, u64) {
    (st.st_dev as u64, st.st_ino as u64)
}

pub fn kind(st: &Stat) -> libc::mode_t {
    st.st_mode & libc::S_IFMT
}

pub fn mode(st: &Stat) -> u32 {
    #[allow(clippy::useless_conversion)]
    u32::from(st.st_mode)
}

fn blank_statvfs() -> Statvfs {
    // SAFETY: the structure consists of integers; all zeros is a value of it.
    unsafe { std::mem::zeroed() }
}

pub fn statvfs(path: &CStr) -> Res<Statvfs> {
    let mut st = blank_statvfs();
    // SAFETY: S3.
    retry(|| unsafe { wide::statvfs(path.as_ptr(), &mut st) })?;
    Ok(st)
}

pub fn fstatvfs(fd: RawFd) -> Res<Statvfs> {
    let mut st = blank_statvfs();
    // SAFETY: S3.
    retry(|| unsafe { wide::fstatvfs(fd, &mut st) })?;
    Ok(st)
}

/// `None`: the current time.
pub fn utimensat(at: At, times: Option<&[libc::timespec; 2]>) -> Res<()> {
    let times = times.map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: S3; `times` is null or two structures.
    retry(|| unsafe { libc::utimensat(at.0, at.1.as_ptr(), times, 0) })?;
    Ok(())
}

/// `None`: the current time.
pub fn futimens(fd: RawFd, times: Option<&[libc::timespec; 2]>) -> Res<()> {
    let times = times.map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: S3; `times` is null or two structures.
    retry(|| unsafe { libc::futimens(fd, times) })?;
    Ok(())
}

pub fn fchownat(at: At, uid: u32, gid: u32) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::fchownat(at.0, at.1.as_ptr(), uid, gid, 0) })?;
    Ok(())
}

pub fn fchown(fd: RawFd, uid: u32, gid: u32) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::fchown(fd, uid, gid) })?;
    Ok(())
}

pub fn fchmodat(at: At, mode: u32) -> Res<()> {
    // SAFETY: S3.
    retry(|| unsafe { libc::fchmodat(at.0, at.1.as_ptr(), mode as libc::mode_t, 0) })?;
    Ok(())
}

pub fn fchmod(fd: RawFd, mode: u32) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::fchmod(fd, mode as libc::mode_t) })?;
    Ok(())
}

pub fn truncate(path: &CStr, len: i64) -> Res<()> {
    let len = off(len)?;
    // SAFETY: S3.
    retry(|| unsafe { wide::truncate(path.as_ptr(), len) })?;
    Ok(())
}

pub fn ftruncate(fd: RawFd, len: i64) -> Res<()> {
    let len = off(len)?;
    // SAFETY: no memory is involved.
    retry(|| unsafe { wide::ftruncate(fd, len) })?;
    Ok(())
}

// Descriptors

pub fn get_fd_flags(fd: RawFd) -> Res<c_int> {
    // SAFETY: this command takes no pointer.
    retry(|| unsafe { libc::fcntl(fd, libc::F_GETFD) })
}

/// Both ends of a new pipe, close-on-exec.
#[cfg(not(target_vendor = "apple"))]
pub fn pipe() -> Res<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: S3; the array has the two elements that are filled.
    retry(|| unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: the kernel has just made them.
    Ok(unsafe { (own(fds[0]), own(fds[1])) })
}

#[cfg(target_vendor = "apple")]
pub fn pipe() -> Res<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: S3; the array has the two elements that are filled.
    retry(|| unsafe { libc::pipe(fds.as_mut_ptr()) })?;
    for fd in fds {
        // SAFETY: this command takes no pointer.
        retry(|| unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    // SAFETY: the kernel has just made them.
    Ok(unsafe { (own(fds[0]), own(fds[1])) })
}

/// Makes `to` another name of `from`, in one step where the system can.
pub fn replace(from: RawFd, to: RawFd, cloexec: bool) -> Res<()> {
    if from == to {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    {
        let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
        // SAFETY: no memory is involved.
        retry(|| unsafe { libc::dup3(from, to, flags) })?;
    }
    #[cfg(not(target_os = "linux"))]
    {
        // SAFETY: no memory is involved.
        retry(|| unsafe { libc::dup2(from, to) })?;
        if cloexec {
            // SAFETY: this command takes no pointer.
            retry(|| unsafe { libc::fcntl(to, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        }
    }
    Ok(())
}

pub fn lseek(fd: RawFd, offset: i64, whence: c_int) -> Res<i64> {
    let offset = off(offset)?;
    // SAFETY: no memory is involved.
    #[allow(clippy::useless_conversion)]
    retry(|| unsafe { wide::lseek(fd, offset, whence) }).map(i64::from)
}

pub fn fcntl(fd: RawFd, cmd: c_int, arg: &Arg) -> Res<i64> {
    let n = match *arg {
        // SAFETY: a command that wants a pointer gets a number the kernel checks (EFAULT).
        Arg::Value(n) => retry(|| unsafe { libc::fcntl(fd, cmd, n) })?,
        // SAFETY: J1: the buffer stays in place; its owner chose the command and the room.
        Arg::Pointer(b) => retry(|| unsafe { libc::fcntl(fd, cmd, b.as_ptr()) })?,
    };
    Ok(n.into())
}

pub fn ioctl(fd: RawFd, request: u64, arg: &Arg) -> Res<i64> {
    // `c_ulong` here, `c_int` there: either way the low 32 bits are what counts.
    let request = request as _;
    let n = match *arg {
        // SAFETY: a request that wants a pointer gets a number the kernel checks (EFAULT).
        Arg::Value(n) => retry(|| unsafe { libc::ioctl(fd, request, n) })?,
        // SAFETY: J1: the buffer stays in place; its owner chose the request and the room.
        Arg::Pointer(b) => retry(|| unsafe { libc::ioctl(fd, request, b.as_ptr()) })?,
    };
    Ok(n.into())
}

// Data

/// # Safety
///
/// `len` bytes at `to` must be writable.
unsafe fn read_raw(fd: RawFd, offset: Option<i64>, to: *mut u8, len: usize) -> Res<usize> {
    let n = match offset {
        // SAFETY: the caller's promise.
        None => retry(|| unsafe { libc::read(fd, to.cast(), len) })?,
        Some(offset) => {
            let offset = off(offset)?;
            // SAFETY: the caller's promise.
            retry(|| unsafe { wide::pread(fd, to.cast(), len, offset) })?
        }
    };
    Ok(n as usize)
}

/// # Safety
///
/// `len` bytes at `from` must be readable.
unsafe fn write_raw(fd: RawFd, offset: Option<i64>, from: *const u8, len: usize) -> Res<usize> {
    let n = match offset {
        // SAFETY: the caller's promise.
        None => retry(|| unsafe { libc::write(fd, from.cast(), len) })?,
        Some(offset) => {
            let offset = off(offset)?;
            // SAFETY: the caller's promise.
            retry(|| unsafe { wide::pwrite(fd, from.cast(), len, offset) })?
        }
    };
    Ok(n as usize)
}

/// read(2), or pread(2) if there is an offset.
pub fn read_buffer(fd: RawFd, offset: Option<i64>, buf: &Buffer) -> Res<usize> {
    // SAFETY: J1.
    unsafe { read_raw(fd, offset, buf.as_ptr(), buf.len()) }
}

/// preadv2(2) with RWF_NOWAIT: reads what is cached, and EAGAIN if nothing is. Other errors and
/// short counts say no more than that a common read is needed.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub fn read_cached(fd: RawFd, offset: i64, buf: &Buffer) -> Res<usize> {
    let iov = libc::iovec {
        iov_base: buf.as_ptr().cast(),
        iov_len: buf.len(),
    };
    // By number, because not every C library has it. The offset is one argument and a half: its
    // low 64 bits, and what is above them.
    let (one, above, nowait) = (1 as libc::c_long, 0 as libc::c_long, libc::RWF_NOWAIT);
    // SAFETY: J1; the arguments are those of preadv2(2).
    let n =
        once(unsafe { libc::syscall(libc::SYS_preadv2, fd, &iov, one, offset, above, nowait) })?;
    Ok(n as usize)
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub fn read_cached(_fd: RawFd, _offset: i64, _buf: &Buffer) -> Res<usize> {
    Err(libc::ENOSYS)
}

/// write(2), or pwrite(2) if there is an offset.
pub fn write_buffer(fd: RawFd, offset: Option<i64>, buf: &Buffer) -> Res<usize> {
    // SAFETY: J1.
    unsafe { write_raw(fd, offset, buf.as_ptr(), buf.len()) }
}

/// Reads at most `max` bytes behind what `heap` holds, as far as its capacity goes.
pub fn read_heap(fd: RawFd, offset: Option<i64>, heap: &mut Heap, max: usize) -> Res<usize> {
    let (len, room) = (heap.len(), heap.capacity() - heap.len());
    // SAFETY: `len` is within the allocation, and `room` bytes follow it there.
    let n = unsafe { read_raw(fd, offset, heap.as_ptr().add(len), room.min(max)) }?;
    // SAFETY: `n` more bytes have been written, no more than there was room for.
    unsafe { heap.set_len(len + n) };
    Ok(n)
}

pub fn read(fd: RawFd, offset: Option<i64>, buf: &mut [u8]) -> Res<usize> {
    // SAFETY: S3.
    unsafe { read_raw(fd, offset, buf.as_mut_ptr(), buf.len()) }
}

pub fn write(fd: RawFd, buf: &[u8]) -> Res<usize> {
    // SAFETY: S3.
    unsafe { write_raw(fd, None, buf.as_ptr(), buf.len()) }
}

#[cfg(target_os = "linux")]
pub fn sendfile(out: RawFd, input: RawFd, offset: Option<i64>, len: usize) -> Res<usize> {
    let n = match offset {
        None => {
            // SAFETY: without an offset no memory is involved.
            retry(|| unsafe { wide::sendfile(out, input, std::ptr::null_mut(), len) })?
        }
        Some(offset) => {
            let mut at = off(offset)?;
            // SAFETY: S3.
            retry(|| unsafe { wide::sendfile(out, input, &mut at, len) })?
        }
    };
    Ok(n as usize)
}

/// The calls of this name on other systems send to sockets only and differ from each other.
#[cfg(not(target_os = "linux"))]
pub fn sendfile(_out: RawFd, _input: RawFd, _offset: Option<i64>, _len: usize) -> Res<usize> {
    Err(libc::ENOSYS)
}

/// From file position to file position, inside the kernel or the file system.
#[cfg(target_os = "linux")]
pub fn copy_file_range(input: RawFd, out: RawFd, len: usize) -> Res<usize> {
    let none = std::ptr::null_mut();
    // SAFETY: without offsets no memory is involved.
    let n = retry(|| unsafe { libc::copy_file_range(input, none, out, none, len, 0) })?;
    Ok(n as usize)
}

#[cfg(not(target_os = "linux"))]
pub fn copy_file_range(_input: RawFd, _out: RawFd, _len: usize) -> Res<usize> {
    Err(libc::ENOSYS)
}

/// Lets `out` share the content of `input`, all of it.
#[cfg(target_os = "linux")]
pub fn clone_file(input: RawFd, out: RawFd) -> Res<()> {
    // SAFETY: this request takes a descriptor, no pointer.
    retry(|| unsafe { libc::ioctl(out, libc::FICLONE as _, input) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn clone_file(_input: RawFd, _out: RawFd) -> Res<()> {
    Err(libc::ENOSYS)
}

/// Tells the kernel that all of `fd` will be read from front to back. Only advice, so errors
/// do not matter.
pub fn will_read_all(fd: RawFd) {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    // SAFETY: no memory is involved.
    unsafe {
        wide::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_SEQUENTIAL);
    }
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    let _ = fd;
}

#[cfg(target_os = "linux")]
pub fn readahead(fd: RawFd, offset: i64, len: usize) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::readahead(fd, offset, len) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn readahead(_fd: RawFd, _offset: i64, _len: usize) -> Res<()> {
    Err(libc::ENOSYS)
}

#[cfg(target_os = "linux")]
pub fn fallocate(fd: RawFd, mode: c_int, offset: i64, len: i64) -> Res<()> {
    let (offset, len) = (off(offset)?, off(len)?);
    // SAFETY: no memory is involved.
    retry(|| unsafe { wide::fallocate(fd, mode, offset, len) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn fallocate(_fd: RawFd, _mode: c_int, _offset: i64, _len: i64) -> Res<()> {
    Err(libc::ENOSYS)
}

// Directories

/// Fills `buf` with directory entries as the kernel writes them; 0 at the end.
#[cfg(target_os = "linux")]
pub fn getdents(fd: RawFd, buf: &mut [u8]) -> Res<usize> {
    // SAFETY: S3; the length is that of the buffer.
    let n = retry(|| unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            fd as std::ffi::c_long,
            buf.as_mut_ptr(),
            buf.len(),
        )
    })?;
    Ok(n as usize)
}

/// Calls `f` with name, type and inode number of every entry of the directory.
#[cfg(not(target_os = "linux"))]
pub fn each_entry(fd: OwnedFd, mut f: impl FnMut(&CStr, u8, u64) -> Res<()>) -> Res<()> {
    use std::os::fd::AsRawFd;

    struct Stream(*mut libc::DIR);

    impl Drop for Stream {
        fn drop(&mut self) {
            // SAFETY: the stream came from fdopendir and is closed only here.
            unsafe { libc::closedir(self.0) };
        }
    }

    // SAFETY: the descriptor is open.
    let dir = unsafe { libc::fdopendir(fd.as_raw_fd()) };
    if dir.is_null() {
        return Err(errno());
    }
    // From here on the stream owns the descriptor.
    let _ = fd.into_raw_fd();
    let stream = Stream(dir);
    loop {
        clear_errno();
        // SAFETY: the stream is open, and only this thread uses it.
        let entry = unsafe { libc::readdir(stream.0) };
        if entry.is_null() {
            return match errno() {
                0 => Ok(()),
                e => Err(e),
            };
        }
        // SAFETY: readdir gave a valid entry with a terminated name; both stay as they are
        // until the next call. No reference is made to the whole of it, since it may be
        // shorter than its type.
        let (name, kind) = unsafe {
            let name = std::ptr::addr_of!((*entry).d_name);
            (CStr::from_ptr(name.cast()), (*entry).d_type)
        };
        #[cfg(any(
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd"
        ))]
        // SAFETY: as above.
        let ino = unsafe { (*entry).d_fileno };
        #[cfg(not(any(
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd"
        )))]
        // SAFETY: as above.
        let ino = unsafe { (*entry).d_ino };
        #[allow(clippy::useless_conversion)] // 32 bit wide on some systems
        f(name, kind, u64::from(ino))?;
    }
}

/// readdir tells its end from a failure by errno alone.
#[cfg(not(target_os = "linux"))]
fn clear_errno() {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(not(any(
        target_vendor = "apple",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd"
    )))]
    use libc::__errno_location as location;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as location;

    // SAFETY: the address of this thread's errno.
    unsafe { *location() = 0 }
}

// Synchronisation

pub fn sync() {
    // SAFETY: no arguments.
    unsafe { libc::sync() }
}

pub fn fsync(fd: RawFd) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::fsync(fd) })?;
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
pub fn fdatasync(fd: RawFd) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::fdatasync(fd) })?;
    Ok(())
}

/// Not declared on these systems; `fsync` does the same and more.
#[cfg(target_vendor = "apple")]
pub fn fdatasync(fd: RawFd) -> Res<()> {
    fsync(fd)
}

#[cfg(target_os = "linux")]
pub fn syncfs(fd: RawFd) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::syncfs(fd) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn syncfs(_fd: RawFd) -> Res<()> {
    Err(libc::ENOSYS)
}

#[cfg(target_os = "linux")]
pub fn sync_file_range(fd: RawFd, offset: i64, len: i64, flags: u32) -> Res<()> {
    // SAFETY: no memory is involved.
    retry(|| unsafe { libc::sync_file_range(fd, offset, len, flags) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn sync_file_range(_fd: RawFd, _offset: i64, _len: i64, _flags: u32) -> Res<()> {
    Err(libc::ENOSYS)
}

// Memory. The addresses are numbers to these calls: pages that are not there are an errno.

pub fn page_size() -> usize {
    // SAFETY: no memory is involved.
    match unsafe { libc::sysconf(libc::_SC_PAGESIZE) } {
        n if n > 0 => n as usize,
        _ => 4096,
    }
}

pub fn msync(start: usize, len: usize, flags: c_int) -> Res<()> {
    // SAFETY: writes pages out and changes none of them. MS_INVALIDATE may drop what other
    // mappings of the file have not seen, which its user asks for.
    retry(|| unsafe { libc::msync(start as *mut _, len, flags) })?;
    Ok(())
}

pub fn mlock(start: usize, len: usize) -> Res<()> {
    // SAFETY: moves pages into memory and changes none of them.
    retry(|| unsafe { libc::mlock(start as *const _, len) })?;
    Ok(())
}

pub fn mlockall(flags: c_int) -> Res<()> {
    // SAFETY: moves pages into memory and changes none of them.
    retry(|| unsafe { libc::mlockall(flags) })?;
    Ok(())
}

/// Brings pages in, for writing if `modify`, as if they had been touched. ENOSYS if this system
/// cannot.
#[cfg(target_os = "linux")]
pub fn populate(start: usize, len: usize, modify: bool) -> Res<()> {
    // Linux 5.14. The numbers are the same on every architecture that has the calls.
    const POPULATE_READ: c_int = 22;
    const POPULATE_WRITE: c_int = 23;

    let advice = if modify {
        POPULATE_WRITE
    } else {
        POPULATE_READ
    };
    // SAFETY: content does not change; pages that cannot be had are an errno.
    match retry(|| unsafe { libc::madvise(start as *mut _, len, advice) }) {
        Ok(_) => Ok(()),
        // A protected mapping, or a kernel that does not know the advice. An empty range
        // tells: it is fine with every advice that is known.
        Err(libc::EINVAL) => {
            // SAFETY: nothing is touched.
            match once(unsafe { libc::madvise(start as *mut _, 0, advice) }) {
                Ok(_) => Err(libc::EINVAL),
                Err(_) => Err(libc::ENOSYS),
            }
        }
        Err(e) => Err(e),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn populate(_start: usize, _len: usize, _modify: bool) -> Res<()> {
    Err(libc::ENOSYS)
}

/// Would a read or write (by `events`) return at once?
pub fn is_ready(fd: RawFd, events: libc::c_short) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one pollfd, alive for the call.
    unsafe { libc::poll(&mut poll, 1, 0) != 0 }
}

/// Is so much address space to be had? A new thread that finds too little ends the process.
pub fn has_room(len: usize) -> bool {
    // These two have no such flag and reserve nothing for a mapping that nobody may touch.
    #[cfg(any(target_os = "dragonfly", target_os = "freebsd"))]
    const NORESERVE: c_int = 0;
    #[cfg(not(any(target_os = "dragonfly", target_os = "freebsd")))]
    const NORESERVE: c_int = libc::MAP_NORESERVE;

    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | NORESERVE;
    // SAFETY: a mapping of its own, given back at once.
    unsafe {
        let at = libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
        at != libc::MAP_FAILED && libc::munmap(at, len) == 0
    }
}
