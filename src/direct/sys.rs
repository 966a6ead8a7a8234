//! The system calls behind the direct calls, each made once: `Err` is the errno.

use std::ffi::{c_int, c_void, CStr, CString};
use std::os::fd::RawFd;

use aio_engine::sys::wide;
pub use aio_engine::sys::Res;

pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn check(n: impl Into<i64>) -> Res<i64> {
    match n.into() {
        -1 => Err(errno()),
        n => Ok(n),
    }
}

fn done(n: c_int) -> Res<()> {
    check(n).map(drop)
}

#[cfg(target_os = "linux")]
fn opened(n: c_int) -> Res<RawFd> {
    check(n).map(|fd| fd as RawFd)
}

/// Functions that exist everywhere but work on Linux only: elsewhere they fail with ENOSYS.
macro_rules! linux {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $body:block)*) => {$(
        $(#[$doc])*
        #[cfg(target_os = "linux")]
        pub fn $name($($arg: $type),*) -> Res<$out> $body

        $(#[$doc])*
        #[cfg(not(target_os = "linux"))]
        pub fn $name($($arg: $type),*) -> Res<$out> {
            $(let _ = $arg;)*
            Err(libc::ENOSYS)
        }
    )*};
}

linux! {
    /// Copies from `offset` of a file, whose position stays.
    fn sendfile(out: RawFd, input: RawFd, offset: i64, len: usize) -> usize {
        let mut offset = offset as wide::off_t;
        // SAFETY: the offset outlives the call.
        check(unsafe { wide::sendfile(out, input, &mut offset, len) } as i64).map(|n| n as usize)
    }

    /// Copies between a pipe and something else. An offset that is not given is the position.
    fn splice(
        input: RawFd, from: Option<i64>, out: RawFd, to: Option<i64>, len: usize, flags: u32
    ) -> i64 {
        let (mut from, mut to) = (from, to);
        let pointer =
            |offset: &mut Option<i64>| offset.as_mut().map_or(std::ptr::null_mut(), |o| o);
        let (from, to) = (pointer(&mut from), pointer(&mut to));
        // SAFETY: null, or an offset that outlives the call.
        check(unsafe { libc::splice(input, from, out, to, len, flags) } as i64)
    }

    fn tee(input: RawFd, out: RawFd, len: usize, flags: u32) -> i64 {
        // SAFETY: plain numbers.
        check(unsafe { libc::tee(input, out, len, flags) } as i64)
    }

    fn pipe_size(fd: RawFd, new: Option<i32>) -> i64 {
        // SAFETY: plain numbers.
        check(unsafe {
            match new {
                Some(size) => libc::fcntl(fd, libc::F_SETPIPE_SZ, size),
                None => libc::fcntl(fd, libc::F_GETPIPE_SZ),
            }
        })
    }

    fn pipe2(flags: c_int) -> [RawFd; 2] {
        let mut fds = [-1; 2];
        // SAFETY: two descriptors are written.
        done(unsafe { libc::pipe2(fds.as_mut_ptr(), flags | libc::O_CLOEXEC) })?;
        Ok(fds)
    }

    /// A connection; as much of the peer's address as fits into `address`, and how long it is.
    fn accept4(fd: RawFd, address: &mut [u64], flags: c_int) -> (RawFd, usize) {
        let mut len = std::mem::size_of_val(address) as libc::socklen_t;
        let flags = flags | libc::SOCK_CLOEXEC;
        // SAFETY: at most `len` octets are written to the address, which is aligned for any.
        let fd = opened(unsafe {
            if address.is_empty() {
                libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), flags)
            } else {
                libc::accept4(fd, address.as_mut_ptr().cast(), &mut len, flags)
            }
        })?;
        Ok((fd, len as usize))
    }

    fn eventfd(initial: u32, flags: c_int) -> RawFd {
        // SAFETY: plain numbers.
        opened(unsafe { libc::eventfd(initial, flags | libc::EFD_CLOEXEC) })
    }

    fn timerfd_create(clock: c_int, flags: c_int) -> RawFd {
        // SAFETY: plain numbers.
        opened(unsafe { libc::timerfd_create(clock, flags | libc::TFD_CLOEXEC) })
    }

    /// Interval and value, as seconds.
    fn timerfd_settime(fd: RawFd, flags: c_int, interval: f64, value: f64) -> [f64; 2] {
        let new = libc::itimerspec {
            it_interval: timespec(interval),
            it_value: timespec(value),
        };
        let mut old = new;
        // SAFETY: both outlive the call.
        done(unsafe { libc::timerfd_settime(fd, flags, &new, &mut old) })?;
        Ok([seconds(&old.it_interval), seconds(&old.it_value)])
    }

    fn timerfd_gettime(fd: RawFd) -> [f64; 2] {
        let mut now = libc::itimerspec {
            it_interval: timespec(0.0),
            it_value: timespec(0.0),
        };
        // SAFETY: it outlives the call.
        done(unsafe { libc::timerfd_gettime(fd, &mut now) })?;
        Ok([seconds(&now.it_interval), seconds(&now.it_value)])
    }

    fn memfd_create(name: &CStr, flags: u32) -> RawFd {
        // SAFETY: a string with its NUL.
        opened(unsafe { libc::memfd_create(name.as_ptr(), flags | libc::MFD_CLOEXEC) })
    }

    fn pidfd_open(pid: i32, flags: u32) -> RawFd {
        // SAFETY: plain numbers.
        opened(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) } as c_int)
    }

    fn pidfd_getfd(pidfd: RawFd, fd: i32, flags: u32) -> RawFd {
        // SAFETY: plain numbers.
        opened(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, flags) } as c_int)
    }

    fn pidfd_send_signal(fd: RawFd, signal: i32, info: Option<&SigInfo>, flags: u32) -> () {
        let mut raw = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let mut pointer = std::ptr::null();
        if let Some(info) = info {
            let at = raw.as_mut_ptr();
            // SAFETY: a siginfo_t begins with three numbers in an order of the machine; what
            // follows, aligned for a pointer, is pid, uid and value for a queued signal.
            unsafe {
                (*at).si_signo = signal;
                (*at).si_code = info.code;
                let queued = (3 * std::mem::size_of::<c_int>()).next_multiple_of(std::mem::align_of::<*mut c_void>());
                at.cast::<u8>().add(queued).cast::<Queued>().write(Queued {
                    pid: info.pid,
                    uid: info.uid,
                    value: info.value,
                });
            }
            pointer = at.cast_const();
        }
        // SAFETY: null, or a siginfo_t that outlives the call.
        done(unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, pointer, flags)
        } as c_int)
    }

    /// Only returns if it fails.
    fn fexecve(fd: RawFd, arguments: &[CString], environment: Option<&[CString]>) -> () {
        extern "C" {
            static environ: *const *const std::ffi::c_char;
        }
        let list = |strings: &[CString]| {
            let mut list: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
            list.push(std::ptr::null());
            list
        };
        let arguments = list(arguments);
        let environment = environment.map(list);
        // SAFETY: lists of strings that end with null; `environ` is one, and nobody changes it
        // meanwhile but this thread.
        done(unsafe {
            let environment = environment.as_ref().map_or(environ, |list| list.as_ptr());
            libc::fexecve(fd, arguments.as_ptr(), environment)
        })
    }

    /// `data` ends with a NUL of its own.
    fn mount(source: &CStr, path: &CStr, kind: &CStr, flags: u64, data: Option<&[u8]>) -> () {
        let data = data.map_or(std::ptr::null(), |data| data.as_ptr());
        let flags = flags as libc::c_ulong;
        // SAFETY: strings with their NUL; the kernel takes no more of `data` than is there.
        done(unsafe {
            libc::mount(source.as_ptr(), path.as_ptr(), kind.as_ptr(), flags, data.cast())
        })
    }

    fn statx(dir: RawFd, path: &CStr, flags: c_int, mask: u32) -> Statx {
        let mut raw = std::mem::MaybeUninit::<libc::statx>::zeroed();
        let mask = mask & libc::STATX_ALL;
        // SAFETY: a string with its NUL, and room for the result.
        done(unsafe { libc::statx(dir, path.as_ptr(), flags, mask, raw.as_mut_ptr()) })?;
        // SAFETY: zeros are a valid value, and so is what the kernel wrote.
        let raw = unsafe { raw.assume_init() };
        let time = |time: libc::statx_timestamp| Time {
            sec: time.tv_sec,
            nsec: time.tv_nsec,
        };
        Ok(Statx {
            mask: raw.stx_mask,
            blksize: raw.stx_blksize,
            attributes: raw.stx_attributes,
            attributes_mask: raw.stx_attributes_mask,
            nlink: raw.stx_nlink,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            mode: raw.stx_mode,
            ino: raw.stx_ino,
            size: raw.stx_size,
            blocks: raw.stx_blocks,
            rdev: [raw.stx_rdev_major, raw.stx_rdev_minor],
            dev: [raw.stx_dev_major, raw.stx_dev_minor],
            atime: time(raw.stx_atime),
            mtime: time(raw.stx_mtime),
            ctime: time(raw.stx_ctime),
            btime: time(raw.stx_btime),
        })
    }

    fn umount(path: &CStr, flags: c_int) -> () {
        // SAFETY: a string with its NUL.
        done(unsafe { libc::umount2(path.as_ptr(), flags) })
    }
}

/// A time as the system has it.
#[derive(Clone, Copy, Default)]
pub struct Time {
    pub sec: i64,
    pub nsec: u32,
}

impl Time {
    pub fn float(self) -> f64 {
        self.sec as f64 + f64::from(self.nsec) / 1e9
    }
}

/// What statx tells.
#[derive(Clone, Copy, Default)]
pub struct Statx {
    pub mask: u32,
    pub blksize: u32,
    pub attributes: u64,
    pub attributes_mask: u64,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    pub ino: u64,
    pub size: u64,
    pub blocks: u64,
    /// Major and minor.
    pub rdev: [u32; 2],
    pub dev: [u32; 2],
    pub atime: Time,
    pub mtime: Time,
    pub ctime: Time,
    pub btime: Time,
}

/// What a signal tells its receiver.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // read by pidfd_send_signal alone
pub struct SigInfo {
    pub code: i32,
    pub pid: libc::pid_t,
    pub uid: libc::uid_t,
    pub value: Value,
}

/// The value of a queued signal.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Value {
    pub int: c_int,
    pub pointer: *mut c_void,
}

#[cfg(target_os = "linux")]
#[repr(C)]
struct Queued {
    pid: libc::pid_t,
    uid: libc::uid_t,
    value: Value,
}

/// A time that is more than nothing stays so: zero switches a timer off.
#[cfg(target_os = "linux")]
fn timespec(seconds: f64) -> libc::timespec {
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e9).round().min(999_999_999.0) as libc::c_long;
    libc::timespec {
        tv_sec: whole as _,
        tv_nsec: if seconds > 0.0 && whole == 0.0 {
            nanos.max(1)
        } else {
            nanos
        },
    }
}

#[cfg(target_os = "linux")]
fn seconds(time: &libc::timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The error number itself, 0 for success.
pub fn fadvise(fd: RawFd, offset: i64, len: i64, advice: c_int) -> i32 {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    // SAFETY: plain numbers.
    return unsafe { wide::posix_fadvise(fd, offset as wide::off_t, len as wide::off_t, advice) };
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    {
        let _ = (fd, offset, len, advice);
        libc::ENOSYS
    }
}

/// Reads at an offset.
pub fn pread(fd: RawFd, offset: i64, buffer: &mut [u8]) -> Res<usize> {
    let offset = offset as wide::off_t;
    // SAFETY: the buffer is as long as said.
    check(unsafe { wide::pread(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset) } as i64)
        .map(|n| n as usize)
}

pub fn write(fd: RawFd, data: &[u8]) -> Res<usize> {
    // SAFETY: the data is as long as said.
    check(unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) } as i64).map(|n| n as usize)
}

/// How a descriptor was opened: 0 for reading, 1 for writing, 2 for both.
pub fn access(fd: RawFd) -> i32 {
    // SAFETY: plain numbers.
    match unsafe { libc::fcntl(fd, libc::F_GETFL) } {
        -1 => 2,
        flags => match flags & libc::O_ACCMODE {
            libc::O_RDONLY => 0,
            libc::O_WRONLY => 1,
            _ => 2,
        },
    }
}

pub fn close(fd: RawFd) {
    // SAFETY: a descriptor of the caller's.
    unsafe { libc::close(fd) };
}

/// Soft and hard limit of descriptors.
pub fn fdlimit() -> Res<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it outlives the call.
    done(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit)
}

pub fn set_fdlimit(soft: libc::rlim_t, hard: libc::rlim_t) -> Res<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: it outlives the call.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })
}

pub fn mlockall(flags: c_int) -> Res<()> {
    // SAFETY: a plain number.
    done(unsafe { libc::mlockall(flags) })
}

pub fn munlockall() -> Res<()> {
    // SAFETY: no arguments.
    done(unsafe { libc::munlockall() })
}

/// The error number itself, 0 for success.
pub fn madvise(start: usize, len: usize, advice: c_int) -> i32 {
    // SAFETY: advice does not change what memory holds.
    unsafe { libc::posix_madvise(start as *mut c_void, len, advice) }
}

/// # Safety
///
/// Memory in use must keep the access its users need.
pub unsafe fn mprotect(start: usize, len: usize, protection: c_int) -> Res<()> {
    // SAFETY: the caller's word.
    done(unsafe { libc::mprotect(start as *mut c_void, len, protection) })
}

pub fn munlock(start: usize, len: usize) -> Res<()> {
    // SAFETY: does not change what memory holds.
    done(unsafe { libc::munlock(start as *const c_void, len) })
}

/// New memory, of the kernel's choice where.
///
/// # Safety
///
/// With `MAP_FIXED`, nothing else uses the memory there.
pub unsafe fn mmap(
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: RawFd,
    offset: i64,
) -> Res<*mut u8> {
    let offset = offset as wide::off_t;
    // SAFETY: the caller's word.
    let addr = unsafe { wide::mmap(std::ptr::null_mut(), len, protection, flags, fd, offset) };
    if addr.is_null() {
        // MAP_FIXED with privileges: no scalar can have its string there.
        // SAFETY: nothing has seen it.
        unsafe { libc::munmap(addr, len) };
        return Err(libc::EINVAL);
    }
    mapped(addr)
}

/// # Safety
///
/// Nothing uses the memory any more.
pub unsafe fn munmap(addr: *mut u8, len: usize) {
    // SAFETY: the caller's word.
    unsafe { libc::munmap(addr.cast(), len) };
}

/// # Safety
///
/// Nothing refers to the memory but the caller, nor, with `MREMAP_FIXED`, to the new place.
#[cfg(target_os = "linux")]
pub unsafe fn mremap(
    addr: *mut u8,
    len: usize,
    new: usize,
    flags: c_int,
    place: usize,
) -> Res<*mut u8> {
    if flags & libc::MREMAP_FIXED != 0 && place == 0 {
        return Err(libc::EINVAL);
    }
    // SAFETY: the caller's word.
    mapped(unsafe { libc::mremap(addr.cast(), len, new, flags, place) })
}

/// # Safety
///
/// Does nothing.
#[cfg(not(target_os = "linux"))]
pub unsafe fn mremap(_: *mut u8, _: usize, _: usize, _: c_int, _: usize) -> Res<*mut u8> {
    Err(libc::ENOSYS)
}

fn mapped(addr: *mut c_void) -> Res<*mut u8> {
    if addr == libc::MAP_FAILED {
        Err(errno())
    } else {
        Ok(addr.cast())
    }
}
