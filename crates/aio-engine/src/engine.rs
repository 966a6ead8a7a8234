//! The engine as its owner sees it: one thread submits jobs and takes results.
//!
//! Nothing here calls out while a borrow or a lock is held, so every method may be called from
//! wherever the owner happens to be, a result's callback included.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::job::{Done, Job, Key};
use crate::linger::{processors, several_processors, spin, spin_slowly, Pay};
use crate::marks::Marks;
use crate::ops;
use crate::pipe::ResultPipe;
pub use crate::pool::Limits;
use crate::pool::{Need, Pool};
use crate::results::{Batch, Results};
use crate::worker::{self, Shared};

/// Ready lanes, workers, result lanes. Belongs to the thread that made it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    /// Results that have left the shared lanes.
    batch: Batch<Job>,
    /// A copy of what is in force in the pool, to be read without its lock.
    limits: Cell<Limits>,
    threads: RefCell<Vec<JoinHandle<()>>>,
    /// There may be fewer workers than what is ready wants: a thread could not be started.
    short_handed: Cell<bool>,
    pay: Cell<Pay>,
    gather_pay: Cell<Pay>,
    stay_pay: Cell<Pay>,
    share_pay: Cell<Pay>,
    /// How long to sleep for a batch, and how large the last one was to be; 0: it did not sleep.
    patience: Cell<Duration>,
    hoped_for: Cell<usize>,
    /// The owner has lingered since it last took everything.
    lingered: Cell<bool>,
    /// The owner is one that lingers: it will look for the result of what it submits, so a
    /// worker need not be in a hurry to announce it.
    polls: Cell<bool>,
    /// The workers may have the owner's processor.
    away: Cell<bool>,
    /// Workers started, ever.
    starts: Cell<u64>,
    /// Not `Send`: the owner's thread.
    _owner: PhantomData<*const ()>,
}

/// How long the owner looks for a result before it blocks.
const LINGER: Duration = Duration::from_micros(30);

/// As much, before it returns to an event loop.
const STAY: Duration = Duration::from_micros(10);

/// With so much ready, the owner waits for a batch: one result at a time it would only be in the
/// workers' way.
const BACKLOG: usize = 16;

/// The largest batch to look for. To sleep and be woken costs more than a few results are worth,
/// tens of microseconds on a virtual machine.
const HANDFUL: usize = 16;

/// The largest batch to sleep for, and how long at most: longer if the last sleeps ended before
/// their batch was there, because jobs are long.
const GATHER: usize = 64;
const GATHER_TIME: Duration = Duration::from_micros(100);
const GATHER_LONGEST: Duration = Duration::from_millis(1);

/// With so much ready, the workers are busy for long whatever the owner does: it sleeps until as
/// many results wait, or a quarter of what is ready, or for this time and longer.
const FLOOD: usize = 256;
const FLOOD_TIME: Duration = Duration::from_micros(300);

/// See [`Engine::counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub starts: u64,
    pub wakeups: u64,
    pub lingers: u64,
}

/// What [`Engine::linger`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Results wait.
    Over,
    /// None yet, and the next one makes the descriptor readable.
    Block,
    /// None yet, and a batch of them makes the descriptor readable. After this time the owner
    /// looks again.
    BlockFor(Duration),
}

impl Engine {
    pub fn new(pipe: ResultPipe, limits: Limits) -> Engine {
        Engine {
            shared: Arc::new(Shared {
                pool: Pool::new(limits, processors() - 1, worker::alone_with),
                results: Results::new(pipe),
                marks: Marks::new(),
                several: AtomicBool::new(several_processors()),
                lingers: AtomicUsize::new(0),
            }),
            batch: Batch::new(),
            limits: Cell::new(limits),
            threads: RefCell::new(Vec::new()),
            short_handed: Cell::new(false),
            away: Cell::new(false),
            starts: Cell::new(0),
            pay: Cell::new(Pay::default()),
            gather_pay: Cell::new(Pay::default()),
            stay_pay: Cell::new(Pay::default()),
            share_pay: Cell::new(Pay::default()),
            patience: Cell::new(GATHER_TIME),
            hoped_for: Cell::new(0),
            lingered: Cell::new(false),
            polls: Cell::new(false),
            _owner: PhantomData,
        }
    }

    /// Queues a job for the workers, and sees to it that one comes for it.
    pub fn submit(&self, job: Box<Job>) {
        // The mark must exist before the job runs: an operation holds on to it (M1).
        self.shared.marks.of(job.key);
        if self.polls.get() {
            self.batch.expect(&self.shared.results);
        }
        let crew = ops::crew_of(&job.op);
        let need = self.shared.pool.put(job.priority, job);
        if need != Need::Nothing {
            self.start(need);
        }
        if crew > 1 && self.shared.several.load(Ordering::Relaxed) {
            while self.shared.pool.at_least(crew) == Need::Worker && self.start_one() {}
        }
    }

    /// Puts a job that never executes straight among the results.
    pub fn complete(&self, job: Box<Job>) {
        self.shared.results.push_behind(job, false);
    }

    /// The next result: of the highest priority, in order of arrival within it. Cancelled jobs
    /// come back like others; their mark stays until [`unmark`](Engine::unmark).
    pub fn take(&self) -> Option<Box<Job>> {
        let job = self.batch.take(&self.shared.results);
        self.back();
        if job.is_none() {
            let polls = self.lingered.replace(false) && self.polls.get();
            self.polls.set(polls);
        }
        job
    }

    /// Marks a job as cancelled: if it has not been executed yet it will not be, and composite
    /// operations stop between two steps.
    pub fn cancel(&self, key: Key) {
        self.shared.marks.set(key);
    }

    pub fn cancelled(&self, key: Key) -> bool {
        self.shared.marks.is_set(key)
    }

    /// Forgets that `key` was cancelled. To be called before the key names another job.
    pub fn unmark(&self, key: Key) {
        self.shared.marks.clear(key);
    }

    /// Jobs that no worker has taken yet.
    pub fn nready(&self) -> usize {
        self.shared.pool.ready()
    }

    /// Results that wait. If there are any, the descriptor is readable when this returns.
    pub fn npending(&self) -> usize {
        self.batch.announce(&self.shared.results)
    }

    /// How the engine fared so far: workers started, sleeping ones woken, looks before a sleep.
    pub fn counts(&self) -> Counts {
        Counts {
            starts: self.starts.get(),
            wakeups: self.shared.pool.calls(),
            lingers: self.shared.lingers.load(Ordering::Relaxed) as u64,
        }
    }

    /// Workers started and not told to end.
    pub fn nthreads(&self) -> usize {
        self.shared.pool.threads()
    }

    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Lowers the limit to `n` if it is higher. Surplus workers end when they have finished
    /// what they execute. With 0, what is submitted stays ready.
    pub fn set_max_parallel(&self, n: usize) {
        if n < self.limits.get().max_parallel {
            self.change(|limits| limits.max_parallel = n);
        }
    }

    /// Raises the limit to `n` if it is lower, and starts workers for what is ready already.
    pub fn set_min_parallel(&self, n: usize) {
        if n > self.limits.get().max_parallel {
            self.change(|limits| limits.max_parallel = n);
            self.start(self.shared.pool.help());
        }
    }

    pub fn set_max_idle(&self, n: usize) {
        self.change(|limits| limits.max_idle = n);
    }

    pub fn set_idle_timeout(&self, timeout: Duration) {
        self.change(|limits| limits.idle_timeout = timeout);
    }

    fn change(&self, f: impl FnOnce(&mut Limits)) {
        let mut limits = self.limits.get();
        f(&mut limits);
        self.limits.set(limits);
        self.shared.pool.set_limits(limits);
    }

    /// To be called when the owner is about to block until a result comes. Looks for one for a
    /// short time, if that has paid lately.
    ///
    /// After [`Wait::Over`] and [`Wait::BlockFor`], [`take`](Engine::take) or
    /// [`announce`](Engine::announce) must be called before the owner lets anybody else look at
    /// the descriptor.
    pub fn linger(&self) -> Wait {
        self.back();
        let results = &self.shared.results;
        self.lingered.set(true);
        self.polls.set(self.shared.several.load(Ordering::Relaxed));
        let slept_in_vain = self.adapt_patience();
        if self.batch.waits(results) {
            return Wait::Over;
        }
        if self.short_handed.replace(false) {
            self.start(self.shared.pool.help());
            if self.batch.waits(results) {
                return Wait::Over;
            }
        }
        let ready = self.shared.pool.ready();
        if ready >= BACKLOG && self.share((ready / 2).min(GATHER)) {
            return Wait::Over;
        }
        if ready < BACKLOG || slept_in_vain {
            return match self.look(&self.pay, LINGER) || self.batch.settle(results) {
                true => Wait::Over,
                false => Wait::Block,
            };
        }
        let flood = ready >= FLOOD;
        let (wanted, time) = match flood {
            true => ((ready / 4).min(FLOOD), FLOOD_TIME),
            false => ((ready / 2).min(GATHER), GATHER_TIME),
        };
        let found = !flood && self.gather((ready / 2).min(HANDFUL));
        if found || self.batch.settle_for(results, wanted) {
            return Wait::Over;
        }
        if flood {
            self.away.set(true);
            self.shared.pool.away();
        }
        self.hoped_for.set(wanted);
        Wait::BlockFor(self.patience.get().max(time))
    }

    /// Makes the next sleep for a batch shorter or longer, by whether the last one ended with its
    /// batch. True: that was as long as any, and nothing came at all. Jobs take longer, or for
    /// ever; the owner sleeps until there is something.
    fn adapt_patience(&self) -> bool {
        let hoped_for = self.hoped_for.take();
        if hoped_for == 0 {
            return false;
        }
        let results = &self.shared.results;
        let patience = self.patience.get();
        let (next, in_vain) = match self.batch.waits_for(results, hoped_for, || true) {
            true => (patience / 2, false),
            false => (
                patience * 2,
                patience >= GATHER_LONGEST && !self.batch.waits(results),
            ),
        };
        self.patience.set(next.clamp(GATHER_TIME, GATHER_LONGEST));
        in_vain
    }

    /// For an owner that has taken everything and is about to return to its event loop, where the
    /// next result costs several system calls: looks whether one comes soon, if that has paid
    /// lately. After true, [`take`](Engine::take) must be called as after [`linger`](Engine::linger).
    pub fn stay(&self) -> bool {
        let ready = self.shared.pool.ready();
        let found = match ready >= BACKLOG {
            true => self.share((ready / 2).min(HANDFUL)) || self.gather((ready / 2).min(HANDFUL)),
            false => self.look(&self.stay_pay, STAY),
        };
        let found = found || self.batch.settle(&self.shared.results);
        // An owner that goes back to its loop has what it submits there announced at once.
        self.lingered.set(found);
        self.polls
            .set(found && self.shared.several.load(Ordering::Relaxed));
        found
    }

    /// The owner does not block any more.
    fn back(&self) {
        if self.away.replace(false) {
            self.shared.pool.back();
        }
    }

    /// Looks for a result if that has paid lately.
    fn look(&self, pay: &Cell<Pay>, time: Duration) -> bool {
        let results = &self.shared.results;
        let mut account = pay.get();
        let mut found = false;
        if self.shared.several.load(Ordering::Relaxed) && account.worth_it() {
            self.batch.look(results);
            found = spin(time, || self.batch.waits(results));
            account.report(found);
        }
        pay.set(account);
        found
    }

    /// Looks for a batch of results, if no worker wants the processor that the owner runs on.
    fn gather(&self, wanted: usize) -> bool {
        let (pool, results) = (&self.shared.pool, &self.shared.results);
        let mut pay = self.gather_pay.get();
        let looks =
            self.shared.several.load(Ordering::Relaxed) && pay.worth_it() && pool.spares_owner();
        let mut found = false;
        if looks {
            self.batch.look(results);
            found = spin_slowly(GATHER_TIME, || {
                self.batch.waits_for(results, wanted, || pool.ready() > 0)
            });
            pay.report(found);
        }
        self.gather_pay.set(pay);
        found
    }

    /// Executes what is ready and certain to wait for nothing, side by side with the workers,
    /// until `wanted` results are there. True: some are.
    fn share(&self, wanted: usize) -> bool {
        let (pool, results) = (&self.shared.pool, &self.shared.results);
        let mut pay = self.share_pay.get();
        if !pay.worth_it() {
            self.share_pay.set(pay);
            return false;
        }
        let end = Instant::now() + GATHER_TIME;
        let (mut shared, mut known) = (0, None);
        while let Some(mut job) = pool.share(|job| ops::is_quick(&job.op)) {
            let done = self.shared.execute_at_once(&mut job, &mut known);
            pay.report(done);
            if !done {
                let need = pool.put_back(job.priority, job);
                self.start(need);
                break;
            }
            if shared == 0 {
                self.batch.look(results);
            }
            shared += 1;
            results.push_behind(job, true);
            if self.batch.waits_for(results, wanted, || true) || Instant::now() >= end {
                break;
            }
        }
        self.share_pay.set(pay);
        shared > 0
    }

    /// Makes the descriptor readable if results wait. After a `linger` that found some, for an
    /// owner that does not take them now.
    pub fn announce(&self) {
        self.back();
        self.batch.announce(&self.shared.results);
    }

    /// Does something wait for a worker that could not be started? Then it is worth trying again
    /// now and then.
    pub fn is_short_handed(&self) -> bool {
        self.short_handed.get() && self.shared.pool.ready() > 0
    }

    /// If there is no worker and none can be started: executes one ready job on this thread.
    /// True if it did.
    pub fn rescue(&self) -> bool {
        if self.shared.pool.ready() == 0 {
            return false;
        }
        let mut need = self.shared.pool.help();
        while need == Need::Worker && self.start_one() {
            need = self.shared.pool.help();
        }
        match self.shared.pool.rescue() {
            Some(job) => {
                self.execute(job);
                true
            }
            None => false,
        }
    }

    /// Starts the workers that the pool asks for. With none to be had, everything that is ready
    /// is executed here and now: a program that only watches the descriptor would otherwise
    /// wait for ever.
    fn start(&self, mut need: Need) {
        while need == Need::Worker {
            if !self.start_one() {
                while let Some(job) = self.shared.pool.rescue() {
                    self.execute(job);
                }
                return;
            }
            need = self.shared.pool.help();
        }
    }

    /// Executes a job on the owner's thread.
    fn execute(&self, mut job: Box<Job>) {
        if ops::would_wait(&job.op) {
            // Whoever it waits for may be this very thread.
            job.done = Done::fail(libc::EAGAIN);
        } else {
            self.shared.execute(&mut job);
        }
        self.complete(job);
    }

    fn start_one(&self) -> bool {
        let mut threads = self.threads.borrow_mut();
        threads.retain(|thread| !thread.is_finished());
        match worker::start(self.shared.clone()) {
            Some(thread) => {
                threads.push(thread);
                self.starts.set(self.starts.get() + 1);
                true
            }
            None => {
                self.shared.pool.not_started();
                self.short_handed.set(true);
                false
            }
        }
    }

    /// In a forked child, where no worker exists and any lock may be held for ever: leaves
    /// everything behind as it is, memory included.
    pub fn abandon(self) -> Limits {
        let limits = self.limits.get();
        mem::forget(self);
        limits
    }

    /// Drops what is ready and what is pending, waits for what executes, and ends the workers.
    /// The descriptor is quiet afterwards.
    pub fn shutdown(self) -> Limits {
        self.limits.get()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.shared.pool.close());
        for thread in self.threads.get_mut().drain(..) {
            // A worker that panicked has ended the process.
            let _ = thread.join();
        }
        drop(self.batch.clear(&self.shared.results));
    }
}
