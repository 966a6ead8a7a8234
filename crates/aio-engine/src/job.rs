//! The half of a request that crosses threads.
//!
//! J1  A job owns its inputs, or borrows memory that the submitter keeps in place until it has
//!     the job back ([`Buffer`]).
//! J2  A job that is dropped without being delivered releases what its op produced: descriptors
//!     are closed, memory is freed. Cancelled requests rely on it.
//!
//! Not here: what the operations do (`ops/`), how jobs travel (`lanes.rs`, `pool.rs`).

use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Instant;

use crate::ops::dir::Entries;
use crate::ops::Op;
use crate::path::Wd;
use crate::slab::Placed;
use crate::sys;

/// The submitter's name for a job. The engine hands it back and never looks at it, except as
/// the index of the job's cancel mark.
pub type Key = u32;

/// How urgent a job is: −4 to 4, higher first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Priority(i8);

impl Priority {
    pub const MIN: Priority = Priority(-4);
    pub const MAX: Priority = Priority(4);
    /// How many different priorities there are.
    pub const COUNT: usize = 9;

    /// The nearest priority to `n`.
    pub fn clamped(n: i64) -> Priority {
        Priority(n.clamp(Self::MIN.0 as i64, Self::MAX.0 as i64) as i8)
    }

    pub fn get(self) -> i32 {
        self.0 as i32
    }

    /// 0 for the lowest priority, 8 for the highest.
    pub fn lane(self) -> usize {
        (self.0 - Self::MIN.0) as usize
    }
}

/// One operation on its way through the engine.
#[derive(Debug)]
pub struct Job {
    pub key: Key,
    pub priority: Priority,
    pub done: Done,
    pub op: Op,
    /// When it was queued, started and done, if the submitter wants to know.
    pub times: Option<Box<Times>>,
}

/// The moments of a job's life. What did not happen is at the same moment as what was before.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub queued: Instant,
    pub started: Instant,
    pub ended: Instant,
}

impl Times {
    pub fn now() -> Times {
        let now = Instant::now();
        Times {
            queued: now,
            started: now,
            ended: now,
        }
    }
}

impl Job {
    pub fn new(key: Key, priority: Priority, op: Op) -> Job {
        Job {
            key,
            priority,
            done: Done::default(),
            op,
            times: None,
        }
    }
}

/// What an operation came to: the number it returned, its error number (0: none), and what it
/// produced. Result and errno are taken together, right after the system call.
#[derive(Debug, Default)]
pub struct Done {
    pub result: i64,
    pub errno: i32,
    pub output: Output,
}

impl Done {
    pub fn ok(result: i64) -> Done {
        Done {
            result,
            errno: 0,
            output: Output::None,
        }
    }

    pub fn with(result: i64, output: Output) -> Done {
        Done {
            result,
            errno: 0,
            output,
        }
    }

    pub fn fail(errno: i32) -> Done {
        Done {
            result: -1,
            errno,
            output: Output::None,
        }
    }
}

/// `Err` is an errno.
impl From<Result<i64, i32>> for Done {
    fn from(r: Result<i64, i32>) -> Done {
        match r {
            Ok(n) => Done::ok(n),
            Err(e) => Done::fail(e),
        }
    }
}

/// `Err` is an errno; success is the status 0.
impl From<Result<(), i32>> for Done {
    fn from(r: Result<(), i32>) -> Done {
        r.map(|()| 0).into()
    }
}

/// What an operation produced besides a number.
#[derive(Debug, Default)]
pub enum Output {
    #[default]
    None,
    /// `aio_open`: closes itself when it is dropped undelivered.
    Fd(OwnedFd),
    Stat(Placed<sys::Stat>),
    Statvfs(Box<sys::Statvfs>),
    /// A link's target, a path.
    Text(Box<[u8]>),
    /// File content, in memory from `malloc`.
    Bytes(Box<Heap>),
    Entries(Box<Entries>),
    /// `aio_fiemap`: logical, physical, length, flags.
    Extents(Box<Vec<[u64; 4]>>),
    Wd(Arc<Wd>),
}

/// Memory that a job reads or writes and that somebody else owns.
///
/// The submitter promises that `len` bytes at `ptr` stay allocated, and that no Rust reference
/// to them exists, from submission until the job is handed back (J1).
#[derive(Debug, Clone, Copy)]
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: J1: the memory stays in place whichever thread the job is on, and only the job uses it.
unsafe impl Send for Buffer {}

impl Buffer {
    /// # Safety
    ///
    /// `len` bytes at `ptr` must stay readable (and writable, for operations that write to them)
    /// until the job has been handed back.
    pub unsafe fn new(ptr: *mut u8, len: usize) -> Buffer {
        Buffer {
            ptr: NonNull::new(ptr).unwrap_or(NonNull::dangling()),
            len,
        }
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The third argument of `fcntl` and `ioctl`.
#[derive(Debug, Clone, Copy)]
pub enum Arg {
    Value(libc::c_long),
    Pointer(Buffer),
}

/// Memory from `malloc`, so that a C program can take it over without a copy.
#[derive(Debug)]
pub struct Heap {
    ptr: NonNull<u8>,
    len: usize,
    cap: usize,
}

// SAFETY: a Heap is the only owner of its memory.
unsafe impl Send for Heap {}

impl Heap {
    /// Room for `cap` bytes, none of them in use; `Err(ENOMEM)` if it cannot be had.
    pub fn with_capacity(cap: usize) -> Result<Heap, i32> {
        let cap = cap.max(1);
        if cap > isize::MAX as usize {
            return Err(libc::ENOMEM);
        }
        // SAFETY: malloc has no preconditions.
        let ptr = unsafe { libc::malloc(cap) };
        match NonNull::new(ptr.cast()) {
            Some(ptr) => Ok(Heap { ptr, len: 0, cap }),
            None => Err(libc::ENOMEM),
        }
    }

    /// Makes room for at least `cap` bytes; on failure everything is as before.
    pub fn grow(&mut self, cap: usize) -> Result<(), i32> {
        if cap <= self.cap {
            return Ok(());
        }
        if cap > isize::MAX as usize {
            return Err(libc::ENOMEM);
        }
        // SAFETY: `ptr` came from malloc or realloc and is ours.
        let ptr = unsafe { libc::realloc(self.ptr.as_ptr().cast(), cap) };
        match NonNull::new(ptr.cast()) {
            Some(ptr) => {
                self.ptr = ptr;
                self.cap = cap;
                Ok(())
            }
            None => Err(libc::ENOMEM),
        }
    }

    /// Makes these octets the content. There must be room.
    pub fn put(&mut self, octets: &[u8]) {
        assert!(octets.len() <= self.cap, "{} > {}", octets.len(), self.cap);
        // SAFETY: there is room, and nobody else has the memory.
        unsafe { std::ptr::copy_nonoverlapping(octets.as_ptr(), self.as_ptr(), octets.len()) }
        self.len = octets.len();
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn capacity(&self) -> usize {
        self.cap
    }

    /// # Safety
    ///
    /// The first `len` bytes must have been written, and `len` must not exceed the capacity.
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.cap, "{len} > {}", self.cap);
        self.len = len;
    }

    /// Gives the memory away: pointer, length, capacity. The receiver calls `free`.
    pub fn into_raw(self) -> (*mut u8, usize, usize) {
        let raw = (self.ptr.as_ptr(), self.len, self.cap);
        std::mem::forget(self);
        raw
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: `ptr` came from malloc or realloc and is ours.
        unsafe { libc::free(self.ptr.as_ptr().cast()) }
    }
}

/// What an operation may ask of the engine while it runs.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    mark: &'a AtomicU8,
    workers: Option<&'a dyn Workers>,
}

/// The other workers, as an operation sees them.
pub trait Workers {
    /// Has an idle worker execute `op`, which is a part of the operation that asks. False: there
    /// was none.
    fn call(&self, op: &mut dyn FnMut() -> Op) -> bool;
    /// Is this operation a part of another, and would its worker have something better to do?
    fn wanted(&self) -> bool;
}

impl<'a> Ctx<'a> {
    pub fn new(mark: &'a AtomicU8) -> Ctx<'a> {
        Ctx {
            mark,
            workers: None,
        }
    }

    pub fn with_workers(mark: &'a AtomicU8, workers: &'a dyn Workers) -> Ctx<'a> {
        Ctx {
            mark,
            workers: Some(workers),
        }
    }

    /// Has the request been cancelled? Composite operations ask between their steps. The mark
    /// carries no data, so no ordering is needed; it only has to become visible in the end.
    pub fn cancelled(&self) -> bool {
        self.mark.load(Ordering::Relaxed) != 0
    }

    /// See [`Workers::call`].
    pub fn call(&self, mut op: impl FnMut() -> Op) -> bool {
        self.workers.is_some_and(|workers| workers.call(&mut op))
    }

    /// See [`Workers::wanted`].
    pub fn wanted(&self) -> bool {
        self.workers.is_some_and(|workers| workers.wanted())
    }
}
