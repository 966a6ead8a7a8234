//! What the engine's tests share.
#![allow(dead_code)] // each test binary uses some of it

use std::cell::{Cell, UnsafeCell};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use aio_engine::{Buffer, Engine, Job, Key, Limits, Op, Priority, ResultPipe, Wait};

/// Whatever takes longer than this never happens.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn limits(max_parallel: usize) -> Limits {
    Limits {
        max_parallel,
        ..Limits::default()
    }
}

/// How many cases to try of a property that one thread has. Under helgrind, which looks for races,
/// each takes fifty times as long.
#[allow(unexpected_cfgs)]
pub fn cases(n: u32) -> u32 {
    match cfg!(helgrind) {
        true => n / 8,
        false => n,
    }
}

pub fn priority(n: i64) -> Priority {
    Priority::clamped(n)
}

pub fn nop(key: Key, pri: i64) -> Box<Job> {
    Box::new(Job::new(key, priority(pri), Op::Nop))
}

/// Waits until `condition` holds.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within the deadline: {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Is the descriptor readable, now or within `timeout`?
pub fn readable_within(fd: RawFd, timeout: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, alive for the call.
    let n = unsafe { libc::poll(&mut poll, 1, timeout.as_millis() as libc::c_int) };
    assert!(n >= 0, "poll: {}", std::io::Error::last_os_error());
    n > 0
}

pub fn readable(fd: RawFd) -> bool {
    readable_within(fd, Duration::ZERO)
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [-1; 2];
    // SAFETY: room for two descriptors, which nobody else owns.
    unsafe {
        assert_eq!(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    }
}

/// Holds workers: each job from `job` executes until `open` lets one through.
pub struct Gate {
    read: OwnedFd,
    write: OwnedFd,
    /// One for each job: several may read at once.
    bytes: Box<[UnsafeCell<u8>]>,
    used: Cell<usize>,
}

impl Gate {
    pub fn new() -> Gate {
        let (read, write) = pipe();
        Gate {
            read,
            write,
            bytes: (0..1024).map(|_| UnsafeCell::new(0)).collect(),
            used: Cell::new(0),
        }
    }

    pub fn job(&self, key: Key, pri: i64) -> Box<Job> {
        let byte = &self.bytes[self.used.get()];
        self.used.set(self.used.get() + 1);
        // SAFETY: the byte is in a box that lives as long as the gate, which outlives its jobs.
        let buf = unsafe { Buffer::new(byte.get(), 1) };
        let fd = self.read.as_raw_fd();
        let op = Op::Read {
            fd,
            offset: None,
            buf,
        };
        Box::new(Job::new(key, priority(pri), op))
    }

    pub fn open(&self, n: usize) {
        open(self.write.as_raw_fd(), n);
    }

    pub fn writer(&self) -> RawFd {
        self.write.as_raw_fd()
    }
}

/// Lets `n` jobs through the gate with this write end.
pub fn open(writer: RawFd, n: usize) {
    let bytes = vec![b'x'; n];
    // SAFETY: `bytes` has `n` bytes.
    let written = unsafe { libc::write(writer, bytes.as_ptr().cast(), n) };
    assert_eq!(written, n as isize);
}

/// A place where jobs leave a byte when they execute.
pub struct Trail {
    read: OwnedFd,
    write: OwnedFd,
    alphabet: Box<[u8]>,
}

impl Trail {
    pub fn new() -> Trail {
        let (read, write) = pipe();
        Trail {
            read,
            write,
            alphabet: (0..=255).collect(),
        }
    }

    pub fn job(&self, key: u8, pri: i64) -> Box<Job> {
        let at = &self.alphabet[key as usize] as *const u8;
        // SAFETY: the alphabet lives as long as the trail, which outlives its jobs, and a write
        // only reads it.
        let buf = unsafe { Buffer::new(at.cast_mut(), 1) };
        let fd = self.write.as_raw_fd();
        let op = Op::Write {
            fd,
            offset: None,
            buf,
        };
        Box::new(Job::new(key.into(), priority(pri), op))
    }

    /// The keys of the jobs that executed since the last call, in that order.
    pub fn so_far(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        if !readable(self.read.as_raw_fd()) {
            return Vec::new();
        }
        // SAFETY: `bytes` has room for as many.
        let n = unsafe {
            libc::read(
                self.read.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
            )
        };
        bytes.truncate(n as usize);
        bytes
    }
}

/// The next result, with the owner lingering and blocking as a polling program does.
pub fn next(engine: &Engine, pipe: ResultPipe) -> Box<Job> {
    let end = Instant::now() + DEADLINE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match engine.linger() {
            Wait::Over => return engine.take().expect("a result"),
            Wait::Block => assert!(readable_within(pipe.fd(), left), "no result came"),
            Wait::BlockFor(time) => {
                readable_within(pipe.fd(), time);
                assert!(!left.is_zero(), "no result came");
            }
        }
    }
}

/// The next result, for an owner that only watches the descriptor.
pub fn watch(engine: &Engine, pipe: ResultPipe) -> Box<Job> {
    assert!(readable_within(pipe.fd(), DEADLINE), "no result came");
    engine.take().expect("readable, so there is a result")
}
