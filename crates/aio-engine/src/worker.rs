//! What a worker does with a job, from its first look for work to its end.
//!
//! A panic in an operation fails that one request with EIO; a panic anywhere else ends the
//! process, because the queues could not be trusted afterwards.

use std::os::fd::RawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::{Ctx, Done, Job, Key, Priority, Workers};
use crate::linger::{several_processors, spin, Look, Pay};
use crate::marks::Marks;
use crate::ops::{self, Op};
use crate::pipe::ResultPipe;
use crate::pool::Pool;
use crate::results::{Ranked, Results};
use crate::sync::AbortOnPanic;
use crate::sys;

/// What the owner and its workers share.
#[derive(Debug)]
pub struct Shared {
    pub pool: Pool<Job>,
    pub results: Results<Job, ResultPipe>,
    pub marks: Marks,
    /// There is more than one processor to run on.
    pub several: AtomicBool,
    /// How often a worker looked for more work before it slept.
    pub lingers: AtomicUsize,
}

impl Shared {
    /// Executes `job`, or skips it if it is cancelled.
    pub fn execute(&self, job: &mut Job) {
        let colleagues = Colleagues {
            shared: self,
            key: job.key,
            priority: job.priority,
            helps: matches!(job.op, Op::Help { .. }),
        };
        let ctx = Ctx::with_workers(self.marks.of(job.key), &colleagues);
        if let Some(times) = &mut job.times {
            times.started = Instant::now();
            times.ended = times.started;
        }
        if !ctx.cancelled() {
            job.done = guarded(|| ops::run(&mut job.op, &ctx));
            if let Some(times) = &mut job.times {
                times.ended = Instant::now();
            }
        }
    }
}

impl Shared {
    /// Executes `job` if that takes microseconds and waits for nothing, or skips it if it is
    /// cancelled. False: that is for a worker to do.
    pub fn execute_at_once(&self, job: &mut Job, known: &mut Option<RawFd>) -> bool {
        let started = job.times.as_ref().map(|_| Instant::now());
        if self.marks.is_set(job.key) {
            return true;
        }
        let Some(done) = ops::run_at_once(&job.op, known) else {
            return false;
        };
        job.done = done;
        if let (Some(times), Some(started)) = (&mut job.times, started) {
            times.started = started;
            times.ended = Instant::now();
        }
        true
    }
}

/// The workers as the operation of one of them sees them.
struct Colleagues<'a> {
    shared: &'a Shared,
    key: Key,
    priority: Priority,
    /// It is a part of an operation that another one leads.
    helps: bool,
}

impl Workers for Colleagues<'_> {
    fn call(&self, op: &mut dyn FnMut() -> Op) -> bool {
        // The leader's key: a helper obeys its cancel mark.
        let job = || Box::new(Job::new(self.key, self.priority, op()));
        self.shared.pool.call(job)
    }

    fn wanted(&self) -> bool {
        self.helps && self.shared.pool.ready() > 0
    }
}

/// Runs an operation; if it panics, that is an EIO of this one request. What it leaves behind
/// then is only looked at by `drop`.
fn guarded(run: impl FnOnce() -> Done) -> Done {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Done::fail(libc::EIO))
}

impl Ranked for Job {
    fn priority(&self) -> Priority {
        self.priority
    }
}

/// The kernel lets in one write to a file at a time.
pub fn alone_with(job: &Job) -> Option<i32> {
    match job.op {
        Op::Write { fd, .. } => Some(fd),
        _ => None,
    }
}

/// How a worker looks for more work before it sleeps.
struct Linger<'a> {
    shared: &'a Shared,
    pay: Pay,
    /// The last result was left in the slot (W5 in `results.rs`).
    owes: bool,
}

impl Linger<'_> {
    const BUDGET: Duration = Duration::from_micros(30);
    /// How long a result may stay unannounced while its worker lingers.
    const CREDIT: Duration = Duration::from_micros(5);
}

impl Look for Linger<'_> {
    fn worth_it(&mut self) -> bool {
        self.shared.several.load(Ordering::Relaxed) && self.pay.worth_it()
    }

    fn look(&mut self, there: impl Fn() -> bool) {
        if self.owes {
            let results = &self.shared.results;
            spin(Self::CREDIT, || there() || !results.in_debt());
            self.settle();
        }
        let found = spin(Self::BUDGET, there);
        self.pay.report(found);
        self.shared.lingers.fetch_add(1, Ordering::Relaxed);
    }

    fn settle(&mut self) {
        if self.owes {
            self.owes = false;
            self.shared.results.settle();
        }
    }
}

/// A worker's life.
pub fn run(shared: Arc<Shared>) {
    let _guard = AbortOnPanic;
    shared
        .several
        .store(several_processors(), Ordering::Relaxed);
    let mut linger = Linger {
        shared: &shared,
        pay: Pay::default(),
        owes: false,
    };
    let mut next = shared.pool.first();
    while let Some(mut job) = next {
        shared.execute(&mut job);
        shared.pool.returning();
        if !matches!(job.op, Op::Help { .. }) {
            let more = shared.pool.ready() > 0;
            linger.owes = shared.results.push(job, more);
        }
        next = shared.pool.next(&mut linger);
    }
}

/// Starts a worker thread: all signals blocked, so that handlers run in the program's own
/// threads, and with the program's name. `None` if the system has no thread to give.
pub fn start(shared: Arc<Shared>) -> Option<std::thread::JoinHandle<()>> {
    /// Operations keep large buffers on the heap.
    const STACK: usize = 256 << 10;
    /// What a thread needs besides its stack before it runs: thread-local data, and what the C
    /// library does not survive the lack of.
    const RESERVE: usize = 4 << 20;
    if !sys::has_room(STACK + RESERVE) {
        return None;
    }
    let name = Name::of_worker();
    with_signals_blocked(|| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || {
                name.apply();
                run(shared);
            })
            .ok()
    })
}

/// A thread starts with the mask of its creator; so there is no moment in which a signal could
/// reach it.
fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: a sigset_t is plain data, filled in by the calls below before it is used; neither
    // call can fail with these arguments.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// The name of a worker in the kernel's list of threads: the program's, and `/eio`, cut to the
/// 15 bytes there are.
#[cfg(any(target_os = "linux", target_os = "android"))]
struct Name([u8; 16]);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Name {
    fn of_worker() -> Name {
        let mut name = [0u8; 16];
        // SAFETY: the kernel writes at most 16 bytes, the last of them 0.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        let len = name.iter().position(|&b| b == 0).unwrap_or(15);
        for (to, from) in name[len..15].iter_mut().zip(b"/eio") {
            *to = *from;
        }
        Name(name)
    }

    fn apply(&self) {
        // SAFETY: the name ends in 0.
        unsafe { libc::prctl(libc::PR_SET_NAME, self.0.as_ptr()) };
    }
}

/// Elsewhere threads carry no name of ours.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
struct Name;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Name {
    fn of_worker() -> Name {
        Name
    }

    fn apply(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_an_operation_is_an_error_of_that_request() {
        let done = guarded(|| panic!("as this test wants it"));
        assert_eq!((done.result, done.errno), (-1, libc::EIO));
        assert_eq!(guarded(|| Done::ok(3)).result, 3);
    }
}
