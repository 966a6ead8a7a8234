//! Result pipe: the descriptor that tells the program that results wait.
//!
//! E1  The descriptor is close-on-exec, non-blocking and above 2, and keeps its number for the
//!     life of the process.
//! E2  A forked child has a descriptor of its own under that number before `fork` returns
//!     there, so it can neither see nor eat its parent's events.
//! E3  Where it is a pipe, the read end has the lower number of the two.
//!
//! Not here: when the descriptor is readable (`results.rs` makes both edges).

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// How results make themselves known. The queue needs no more than this, so that the model
/// checker can put a flag in place of a descriptor.
pub trait Edge {
    /// Makes the descriptor readable.
    fn signal(&self);
    /// Makes it unreadable.
    fn drain(&self);
}

/// An eventfd, or a pipe where there is none. A copy names the same descriptor; it stays open
/// until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct ResultPipe {
    read: RawFd,
    /// Same as `read` for an eventfd.
    write: RawFd,
}

/// The descriptors of the process-wide pipe, for the fork handler. −1: not installed.
static READ: AtomicI32 = AtomicI32::new(-1);
static WRITE: AtomicI32 = AtomicI32::new(-1);
static GENERATION: AtomicU32 = AtomicU32::new(0);
static INSTALL: Mutex<()> = Mutex::new(());

impl ResultPipe {
    /// The pipe of this process: made by the first call, the same ever after, renewed in forked
    /// children (E2).
    pub fn install() -> io::Result<ResultPipe> {
        let _guard = INSTALL.lock().unwrap_or_else(PoisonError::into_inner);
        let read = READ.load(Ordering::Relaxed);
        if read >= 0 {
            let write = WRITE.load(Ordering::Relaxed);
            return Ok(ResultPipe { read, write });
        }
        let pipe = ResultPipe::open()?;
        // SAFETY: `renew` is a plain function that lives as long as this object is mapped, and
        // does only what may be done in a forked child.
        let error = unsafe { libc::pthread_atfork(None, None, Some(renew)) };
        if error != 0 {
            pipe.close();
            return Err(io::Error::from_raw_os_error(error));
        }
        WRITE.store(pipe.write, Ordering::Relaxed);
        READ.store(pipe.read, Ordering::Relaxed);
        Ok(pipe)
    }

    /// A pipe that a fork does not renew, for programs with several engines.
    pub fn open() -> io::Result<ResultPipe> {
        ResultPipe::place(make())
    }

    /// Puts fresh descriptors where E1 and E3 want them.
    fn place(fresh: Result<(RawFd, RawFd), i32>) -> io::Result<ResultPipe> {
        let (read, write) = fresh.map_err(io::Error::from_raw_os_error)?;
        let is_pipe = read != write;
        let read = at_least(read, 3)?;
        let write = if is_pipe {
            at_least(write, read + 1)?
        } else {
            read
        };
        Ok(ResultPipe { read, write })
    }

    /// The descriptor to watch for reading.
    pub fn fd(&self) -> RawFd {
        self.read
    }

    /// How many forks lie between the process that installed the pipe and this one. Whoever
    /// finds another number than last time runs in a new process.
    pub fn generation() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }

    fn close(self) {
        // SAFETY: both descriptors are ours.
        unsafe {
            libc::close(self.read);
            if self.write != self.read {
                libc::close(self.write);
            }
        }
    }
}

impl Edge for ResultPipe {
    fn signal(&self) {
        let one = 1u64.to_ne_bytes();
        let len = if self.read == self.write { 8 } else { 1 };
        loop {
            // SAFETY: `one` has eight bytes.
            let n = unsafe { libc::write(self.write, one.as_ptr().cast(), len) };
            // A full pipe or counter is readable already, so only EINTR counts.
            if n >= 0 || errno() != libc::EINTR {
                return;
            }
        }
    }

    fn drain(&self) {
        let mut bytes = [0u8; 8];
        loop {
            // SAFETY: `bytes` has eight bytes. One read empties an eventfd, and also a pipe,
            // into which each edge puts one byte.
            let n = unsafe { libc::read(self.read, bytes.as_mut_ptr().cast(), bytes.len()) };
            if n >= 0 || errno() != libc::EINTR {
                return;
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn errno() -> i32 {
    // SAFETY: the pointer is to this thread's errno.
    unsafe { *libc::__errno_location() }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Two descriptors as E1 wants them, except for the number. `Err` is an errno. Safe to call in
/// a forked child.
fn make() -> Result<(RawFd, RawFd), i32> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd >= 0 {
            return Ok((fd, fd));
        }
        if errno() != libc::ENOSYS {
            return Err(errno());
        }
    }
    make_pipe()
}

fn make_pipe() -> Result<(RawFd, RawFd), i32> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } < 0 {
        return Err(errno());
    }
    for fd in fds {
        // SAFETY: no pointers; the descriptors are ours. Neither call can fail for them.
        unsafe {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
        }
    }
    Ok((fds[0], fds[1]))
}

/// Moves `fd` to the number `min` or above: programs close and reopen the standard streams.
fn at_least(fd: RawFd, min: RawFd) -> io::Result<RawFd> {
    if fd >= min {
        return Ok(fd);
    }
    // SAFETY: no pointers; `fd` is ours and is replaced by its copy.
    unsafe {
        let high = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, min);
        let error = io::Error::last_os_error();
        libc::close(fd);
        if high < 0 {
            return Err(error);
        }
        Ok(high)
    }
}

/// Fork handler, in the child: E2. Only async-signal-safe calls, because other threads of the
/// parent may have held any lock at the moment of the fork.
extern "C" fn renew() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let read = READ.load(Ordering::Relaxed);
    let write = WRITE.load(Ordering::Relaxed);
    if read < 0 {
        return;
    }
    let make = if read == write { make } else { make_pipe };
    // With the descriptor table full there is room only once the inherited ones are closed.
    let fresh = make().or_else(|_| {
        ResultPipe { read, write }.close();
        make()
    });
    // If that fails too (no memory in the kernel), the number is left closed: what is written
    // to it then fails with EBADF, and the program's own wait says the same.
    let Ok((new_read, new_write)) = fresh else {
        return;
    };
    // The write end first: the new one may sit on the old read end's number, freed above, but
    // because read ends have the lower number (E3) the new read end is never where it goes.
    if write != read {
        settle(new_write, write);
    }
    settle(new_read, read);
}

/// Gives the descriptor `from` the number `to`. Async-signal-safe.
fn settle(from: RawFd, to: RawFd) {
    if from == to {
        return;
    }
    // SAFETY: no pointers; both numbers are ours.
    unsafe {
        libc::dup2(from, to);
        libc::fcntl(to, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::close(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(fd: RawFd) -> bool {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, alive for the call.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    #[test]
    fn both_kinds_have_two_edges() {
        for fresh in [make(), make_pipe()] {
            let pipe = ResultPipe::place(fresh).unwrap();
            assert!(!readable(pipe.fd()));
            for _ in 0..3 {
                pipe.drain();
                assert!(!readable(pipe.fd()));
                pipe.signal();
                assert!(readable(pipe.fd()));
                pipe.drain();
                assert!(!readable(pipe.fd()));
            }
            pipe.close();
        }
    }

    /// The fork handler, with a pipe in place of the eventfd, in a child: the write end may not
    /// be lost on the way, whichever numbers are free.
    #[test]
    fn a_child_renews_a_pipe_under_the_same_numbers() {
        for full in [false, true] {
            // SAFETY: the child runs this thread alone and leaves by `_exit`; it makes plain
            // system calls on descriptors of its own.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let pipe = ResultPipe::place(make_pipe()).unwrap();
                pipe.signal();
                READ.store(pipe.read, Ordering::Relaxed);
                WRITE.store(pipe.write, Ordering::Relaxed);
                if full {
                    // SAFETY: as above.
                    unsafe {
                        let limit = libc::rlimit {
                            rlim_cur: 64,
                            rlim_max: 64,
                        };
                        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
                        while libc::dup(pipe.read) >= 0 {}
                        // A lower number becomes free just before.
                        if pipe.read > 3 {
                            libc::close(3);
                        }
                    }
                }
                renew();
                let quiet = !readable(pipe.fd());
                pipe.signal();
                let well = quiet && readable(pipe.fd());
                // SAFETY: ends the process.
                unsafe { libc::_exit(i32::from(!well)) }
            }
            let mut status = -1;
            // SAFETY: `status` is filled in.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert_eq!(status, 0, "table full: {full}");
        }
    }
}
