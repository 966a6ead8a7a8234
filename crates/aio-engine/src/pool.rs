//! The pool: ready lanes, and the account of the workers that empty them.
//!
//! R1  While something is ready, a worker is on its way to take it, or no worker sleeps.
//!     Whoever takes a job and leaves others behind wakes the next worker first.
//! R2  Workers are started by the owner alone: one for each ready job that neither the workers
//!     on their way nor those asleep can take, while the limit allows. So n long requests run
//!     side by side as long as n is within the limit.
//! R3  At most one worker lingers.
//! R4  Every count changes under the ready lock, in the place that makes the change true.
//!
//! The README of this crate walks through the races.
//!
//! Not here: what a worker does with a job (`worker.rs`), how threads are made (`engine.rs`).

use std::time::{Duration, Instant};

use crate::job::Priority;
use crate::lanes::Lanes;
use crate::linger::{Look, Pay};
use crate::sync::{lock, wait, AtomicUsize, Condvar, Mutex, Ordering, Padded};

/// How many workers there may be, and how long they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_parallel: usize,
    /// So many idle workers stay for ever.
    pub max_idle: usize,
    /// Further ones leave after this time.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_parallel: 8,
            max_idle: 4,
            idle_timeout: Duration::from_secs(10),
        }
    }
}

#[derive(Debug)]
pub struct Pool<T> {
    shared: Padded<Shared<T>>,
    /// How many jobs are ready: what `lanes.len()` is, for a look without the lock. Written
    /// under the lock. A lingering worker watches it.
    ready: Padded<AtomicUsize>,
    /// Sleeping workers wait here.
    wake: Condvar,
}

/// `returning` is touched right before the lock is taken or right after, so it sits on the same
/// cache line.
#[derive(Debug)]
#[repr(C)]
struct Shared<T> {
    /// Workers that have executed a job and come for the next one without fail: they count as
    /// on their way. Raised without the lock, before the result can be seen; lowered under it,
    /// when the worker looks. So whoever holds the lock and sees one here may rely on it.
    returning: AtomicUsize,
    state: Mutex<State<T>>,
}

/// Guarded by the ready lock. What every look for work reads comes first.
#[derive(Debug)]
#[repr(C)]
struct State<T> {
    /// Workers started and not told to end.
    threads: usize,
    /// Workers told to end that have not noticed yet. The first to look for work ends.
    leaving: usize,
    /// Workers started that have not looked for work yet.
    starting: usize,
    /// Workers inside `wake.wait`.
    asleep: usize,
    /// Signals sent that no sleeper has answered yet; never more than `asleep`. Any sleeper may
    /// answer: one that wakes up for another reason takes the signal of the one it was sent to,
    /// which then finds none and sleeps on.
    called: usize,
    /// A worker lingers.
    lingering: bool,
    /// Drop the queue, everybody ends.
    closing: bool,
    pay: Pay,
    limits: Limits,
    lanes: Lanes<T>,
}

/// What the owner does after it changed something.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// Start a worker: it is on the account already. Then [`Pool::started`] or
    /// [`Pool::not_started`].
    Worker,
}

impl<T> State<T> {
    fn on_the_way(&self, returning: &AtomicUsize) -> usize {
        self.starting
            + self.called
            + usize::from(self.lingering)
            + returning.load(Ordering::Relaxed)
    }

    /// R1. Under the lock; true if a signal is to be sent.
    fn call_sleeper(&mut self, returning: &AtomicUsize) -> bool {
        if self.lanes.is_empty() || self.asleep == self.called || self.on_the_way(returning) > 0 {
            return false;
        }
        self.called += 1;
        true
    }

    /// R2. Under the lock; takes the worker to be started on the account.
    fn need(&mut self, returning: &AtomicUsize) -> Need {
        if self.lanes.is_empty() {
            return Need::Nothing;
        }
        // Those told to end that have not noticed stay instead. Until they are none, the
        // sleepers cannot be counted on: they may be the ones to end.
        while self.leaving > 0 && self.threads < self.limits.max_parallel {
            self.leaving -= 1;
            self.threads += 1;
        }
        let asleep = self.asleep - self.called;
        if self.threads < self.limits.max_parallel
            && self.lanes.len() > self.on_the_way(returning) + asleep
        {
            self.threads += 1;
            self.starting += 1;
            return Need::Worker;
        }
        Need::Nothing
    }
}

impl<T> Pool<T> {
    pub fn new(limits: Limits) -> Pool<T> {
        Pool {
            shared: Padded(Shared {
                returning: AtomicUsize::new(0),
                state: Mutex::new(State {
                    threads: 0,
                    leaving: 0,
                    starting: 0,
                    asleep: 0,
                    called: 0,
                    lingering: false,
                    closing: false,
                    pay: Pay::default(),
                    limits,
                    lanes: Lanes::new(),
                }),
            }),
            ready: Padded(AtomicUsize::new(0)),
            wake: Condvar::new(),
        }
    }

    // The owner's side.

    /// Queues a job.
    pub fn put(&self, priority: Priority, item: T) -> Need {
        let mut state = lock(&self.shared.state);
        state.lanes.put(priority, item);
        self.ready.store(state.lanes.len(), Ordering::Release);
        let need = state.need(&self.shared.returning);
        let call = state.call_sleeper(&self.shared.returning);
        drop(state);
        if call {
            self.wake.notify_one();
        }
        need
    }

    /// Makes R1 and R2 true again after limits have changed or a thread could not be started.
    pub fn help(&self) -> Need {
        let mut state = lock(&self.shared.state);
        let need = state.need(&self.shared.returning);
        let call = state.call_sleeper(&self.shared.returning);
        drop(state);
        if call {
            self.wake.notify_one();
        }
        need
    }

    /// The worker that `need` asked for could not be started.
    pub fn not_started(&self) {
        let mut state = lock(&self.shared.state);
        state.starting -= 1;
        if state.threads > 0 {
            state.threads -= 1;
        } else {
            // The limit was lowered meanwhile, and this one was among those told to end.
            state.leaving -= 1;
        }
        let call = state.call_sleeper(&self.shared.returning);
        drop(state);
        if call {
            self.wake.notify_one();
        }
    }

    /// Takes a job for the owner to execute, if there is no worker that could.
    pub fn rescue(&self) -> Option<T> {
        let mut state = lock(&self.shared.state);
        if state.threads > 0 || state.limits.max_parallel == 0 {
            return None;
        }
        let item = state.lanes.take();
        self.ready.store(state.lanes.len(), Ordering::Relaxed);
        item
    }

    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    pub fn threads(&self) -> usize {
        lock(&self.shared.state).threads
    }

    /// Puts new limits in force. Surplus workers are told to end; sleepers wake up to see
    /// whether they may stay.
    pub fn set_limits(&self, limits: Limits) {
        let mut state = lock(&self.shared.state);
        state.limits = limits;
        let surplus = state.threads.saturating_sub(limits.max_parallel);
        state.threads -= surplus;
        state.leaving += surplus;
        drop(state);
        self.wake.notify_all();
    }

    /// Tells every worker to end, and hands back what was ready.
    pub fn close(&self) -> Lanes<T> {
        let mut state = lock(&self.shared.state);
        state.closing = true;
        let dropped = std::mem::take(&mut state.lanes);
        self.ready.store(0, Ordering::Relaxed);
        drop(state);
        self.wake.notify_all();
        dropped
    }

    // The workers' side.

    /// A new worker's first look for work.
    pub fn first(&self, look: &impl Look) -> Option<T> {
        let mut state = lock(&self.shared.state);
        state.starting -= 1;
        self.next_in(state, look, false)
    }

    /// A worker has executed its job and is about to put the result where the owner can see it.
    /// It calls [`next`](Pool::next) as soon as that is done.
    pub fn returning(&self) {
        self.shared.returning.fetch_add(1, Ordering::Relaxed);
    }

    /// The next job for a worker that is [`returning`](Pool::returning); sleeps until there is
    /// one. `None`: the worker ends, and is off the account.
    pub fn next(&self, look: &impl Look) -> Option<T> {
        let state = lock(&self.shared.state);
        self.shared.returning.fetch_sub(1, Ordering::Relaxed);
        self.next_in(state, look, look.possible())
    }

    fn next_in<'a>(
        &'a self,
        mut state: crate::sync::MutexGuard<'a, State<T>>,
        look: &impl Look,
        mut may_linger: bool,
    ) -> Option<T> {
        let mut idle_since = None;
        loop {
            if state.closing {
                return None;
            }
            if state.leaving > 0 {
                state.leaving -= 1;
                // The signal that woke this worker may have been meant for a job.
                let call = state.call_sleeper(&self.shared.returning);
                drop(state);
                if call {
                    self.wake.notify_one();
                }
                return None;
            }
            if let Some(item) = state.lanes.take() {
                self.ready.store(state.lanes.len(), Ordering::Relaxed);
                let call = state.call_sleeper(&self.shared.returning);
                drop(state);
                if call {
                    self.wake.notify_one();
                }
                return Some(item);
            }
            if may_linger && !state.lingering && state.pay.worth_it() {
                may_linger = false;
                state.lingering = true;
                drop(state);
                let found = look.look(|| self.ready.load(Ordering::Relaxed) > 0);
                state = lock(&self.shared.state);
                state.lingering = false;
                state.pay.report(found);
                continue;
            }
            let surplus = state.asleep >= state.limits.max_idle;
            let timeout = surplus.then(|| {
                let since = *idle_since.get_or_insert_with(Instant::now);
                state.limits.idle_timeout.saturating_sub(since.elapsed())
            });
            if timeout == Some(Duration::ZERO) {
                state.threads -= 1;
                return None;
            }
            if idle_since.is_none() {
                idle_since = Some(Instant::now());
            }
            may_linger = false;
            state.asleep += 1;
            state = wait(&self.wake, state, timeout);
            state.asleep -= 1;
            if state.called > 0 {
                state.called -= 1;
            }
        }
    }
}
