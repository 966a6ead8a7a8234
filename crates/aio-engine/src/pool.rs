//! The pool: ready lanes, and the account of the workers that empty them.
//!
//! R1  While something is ready, a worker is on its way to take it, or enough workers are at
//!     work and another watches them, or no worker sleeps. Whoever takes a job and leaves
//!     others behind sees to that first.
//! R2  Workers are started by the owner alone: one for each ready job that neither the workers
//!     on their way nor those asleep can take, while the limit allows. So n long requests run
//!     side by side as long as n is within the limit.
//! R3  At most one worker lingers: the one whose slot is open.
//! R4  Short jobs are done soonest by few workers: more of them only wait for each other's locks
//!     and processors. So beyond `steady` workers nobody is woken at once. One sleeper watches
//!     instead, with a short timeout, and joins in when jobs take long: then workers block, and
//!     processors are idle. While the owner blocks with much ready, one more is woken for its
//!     processor, as a guest: it leaves at its first look after the owner's return.
//!     While the job that is next would wait for the one that was taken last (`alone_with`),
//!     nobody is woken for it either, nobody joins in unless jobs take very long, and who did leaves.
//! R5  A worker at a job with work for several may call a sleeper to help. Whatever is ready
//!     comes first; workers are started for that as long as there are few.
//! R6  Every count but `returning` changes under the ready lock, in the place that makes the
//!     change true.
//!
//! The README of this crate walks through the races.
//!
//! Not here: what a worker does with a job (`worker.rs`), how threads are made (`engine.rs`).

use std::time::{Duration, Instant};

use crate::job::Priority;
use crate::lanes::Lanes;
use crate::linger::Look;
use crate::slot::Slot;
use crate::sync::{
    lock, wait, AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, Padded,
};

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
    /// How many jobs are in the lanes, for a look without the lock. Written under the lock. A
    /// lingering worker watches it.
    ready: Padded<AtomicUsize>,
    /// Where the lingering worker waits (R3). Only the owner gives, and only while the lanes
    /// are empty, so that nothing is overtaken.
    slot: Padded<Slot<T>>,
    /// The owner may use the slot: no worker has been told to end that has not noticed, and the
    /// limit is not 0. Only the owner reads and writes it.
    direct: AtomicBool,
    /// The owner blocks: its processor is free (R4). A hint, so relaxed access is enough.
    away: AtomicBool,
    /// Sleeping workers wait here.
    wake: Condvar,
    /// So many workers are woken without asking whether it pays (R4).
    steady: usize,
    /// Jobs of which it says the same wait for each other while they are executed: a second
    /// worker would only be in the way (R4).
    alone_with: fn(&T) -> Option<i32>,
}

/// `returning` is touched right before the lock is taken or right after, so it sits on the same
/// cache line.
#[derive(Debug)]
#[repr(C)]
struct Shared<T> {
    /// Workers that have executed a job and come for the next one without fail, the lingering
    /// one included. Raised before the result can be seen. Lowered under the lock, when the
    /// worker looks into the lanes, or before it takes its job out of the slot.
    returning: AtomicUsize,
    state: Mutex<State<T>>,
}

/// Guarded by the ready lock. What every look for work reads comes first.
#[derive(Debug)]
#[repr(C)]
struct State<T> {
    /// Workers started and not told to end.
    threads: usize,
    /// Workers told to end that have not noticed yet. The first to look into the lanes ends.
    leaving: usize,
    /// Workers started that have not looked for work yet.
    starting: usize,
    /// Workers inside `wake.wait`.
    asleep: usize,
    /// Signals sent that no sleeper has answered yet; never more than `asleep`. Any sleeper may
    /// answer: one that wakes up for another reason takes the signal of the one it was sent to,
    /// which then finds none and sleeps on.
    called: usize,
    /// Workers that have a job, or come from one.
    active: usize,
    /// So many of those are guests (R4).
    guests: usize,
    /// One of the sleepers watches (R4).
    watching: bool,
    /// Jobs that workers have taken out of the lanes.
    taken: u64,
    /// What the last of them is alone with.
    last_alone_with: Option<i32>,
    /// One of the workers at work is to leave: they are in each other's way.
    crowded: bool,
    /// Signals sent to sleepers, ever.
    calls: u64,
    /// Drop the queue, everybody ends.
    closing: bool,
    limits: Limits,
    lanes: Lanes<Box<T>>,
    /// Parts of jobs that others are at, for whoever would sleep otherwise (R5).
    help: Vec<Box<T>>,
}

/// What the watching worker remembers from one look to the next (R4).
struct Watch {
    since: Instant,
    taken: u64,
    period: Duration,
}

impl Watch {
    /// From a job that nobody takes to the first look: how late a long job's successor may be.
    const FIRST: Duration = Duration::from_micros(50);
    /// Looks become as rare as this while jobs are short.
    const LONGEST: Duration = Duration::from_millis(1);
    /// While there are processors for all, jobs that take less than this on average are short:
    /// another worker would only wait for the locks.
    const SHORT: Duration = Duration::from_micros(4);
    /// Beyond that, it would wait for a processor, unless jobs spend their time waiting.
    const LONG: Duration = Duration::from_micros(20);
    /// As much for jobs that wait for each other. Not for ever: what they wait for may be
    /// something that a job behind them does.
    const ALONE: Duration = Duration::from_micros(100);

    fn new(taken: u64) -> Watch {
        Watch {
            since: Instant::now(),
            taken,
            period: Watch::FIRST,
        }
    }

    fn left(&self) -> Duration {
        if cfg!(loom) {
            return Duration::ZERO;
        }
        self.period.saturating_sub(self.since.elapsed())
    }

    /// Did `active` workers need longer than `limit` for the jobs taken since the last look?
    fn slow(&self, taken: u64, active: usize, limit: Duration) -> bool {
        if cfg!(loom) {
            return limit < Watch::ALONE || self.period > Watch::FIRST;
        }
        let jobs = u32::try_from(taken - self.taken).unwrap_or(u32::MAX);
        let active = u32::try_from(active).unwrap_or(u32::MAX);
        limit.saturating_mul(jobs) < self.since.elapsed().saturating_mul(active)
    }

    /// The next look.
    fn again(&mut self, taken: u64) {
        self.since = Instant::now();
        self.taken = taken;
        self.period = (self.period * 2).min(Watch::LONGEST);
    }
}

/// What the owner does after it changed something.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// Start a worker: it is on the account already. Then [`Pool::started`] or
    /// [`Pool::not_started`].
    Worker,
}

impl<T> Pool<T> {
    /// `steady`: so many workers are put to work at once, at least 1 (R4). `alone_with`: jobs of
    /// which it says the same wait for each other.
    pub fn new(limits: Limits, steady: usize, alone_with: fn(&T) -> Option<i32>) -> Pool<T> {
        Pool {
            steady: steady.max(1),
            alone_with,
            shared: Padded(Shared {
                returning: AtomicUsize::new(0),
                state: Mutex::new(State {
                    threads: 0,
                    leaving: 0,
                    starting: 0,
                    asleep: 0,
                    called: 0,
                    active: 0,
                    guests: 0,
                    watching: false,
                    taken: 0,
                    last_alone_with: None,
                    crowded: false,
                    calls: 0,
                    closing: false,
                    limits,
                    lanes: Lanes::new(),
                    help: Vec::new(),
                }),
            }),
            ready: Padded(AtomicUsize::new(0)),
            slot: Padded(Slot::default()),
            direct: AtomicBool::new(false),
            away: AtomicBool::new(false),
            wake: Condvar::new(),
        }
    }

    /// Workers that will look into the lanes without being called. One that has a job in its
    /// slot will not: it lowers `returning` first and empties the slot then, so whoever finds
    /// the slot empty here sees `returning` lowered as well.
    fn on_the_way(&self, state: &State<T>) -> usize {
        let given = usize::from(self.slot.is_full());
        let returning = self.shared.returning.load(Ordering::Acquire);
        state.starting + state.called + returning.saturating_sub(given)
    }

    /// So many workers may be at work without asking whether it pays (R4).
    fn room(&self) -> usize {
        self.steady + usize::from(self.away.load(Ordering::Relaxed))
    }

    /// Would the next job wait for the one that was taken last (R4)?
    fn in_turns(&self, state: &State<T>) -> bool {
        state.active > 0
            && state.last_alone_with.is_some()
            && state.last_alone_with == state.lanes.first().and_then(|job| (self.alone_with)(job))
    }

    /// R1. True if a signal is to be sent.
    fn call_sleeper(&self, state: &mut State<T>) -> bool {
        if state.lanes.is_empty() || state.asleep == state.called || self.on_the_way(state) > 0 {
            return false;
        }
        if state.watching && (state.active >= self.room() || self.in_turns(state)) {
            return false;
        }
        state.called += 1;
        state.calls += 1;
        true
    }

    /// R2. Takes the worker to be started on the account.
    fn need(&self, state: &mut State<T>) -> Need {
        if state.lanes.is_empty() {
            return Need::Nothing;
        }
        // Those told to end that have not noticed stay instead. Until they are none, the
        // sleepers cannot be counted on: they may be the ones to end.
        while state.leaving > 0 && state.threads < state.limits.max_parallel {
            state.leaving -= 1;
            state.threads += 1;
        }
        let asleep = state.asleep - state.called;
        if state.threads < state.limits.max_parallel
            && state.lanes.len() > self.on_the_way(state) + asleep
        {
            state.threads += 1;
            state.starting += 1;
            return Need::Worker;
        }
        Need::Nothing
    }

    /// Lets go of the lock, and sends a signal if one is due.
    fn unlock(&self, state: MutexGuard<'_, State<T>>, call: bool) {
        drop(state);
        if call {
            self.wake.notify_one();
        }
    }

    // The owner's side.

    /// Queues a job, or hands it to the worker that lingers.
    pub fn put(&self, priority: Priority, item: Box<T>) -> Need {
        let mut item = item;
        if self.direct.load(Ordering::Relaxed) && self.ready.load(Ordering::Relaxed) == 0 {
            item = match self.slot.give(item) {
                Ok(()) => return Need::Nothing,
                Err(item) => item,
            };
        }
        let mut state = lock(&self.shared.state);
        state.lanes.put(priority, item);
        self.queued(state)
    }

    /// Lets others see what has been put into the lanes, and sees to it that somebody comes.
    fn queued(&self, mut state: MutexGuard<'_, State<T>>) -> Need {
        let (need, call) = self.staff(&mut state);
        self.ready.store(state.lanes.len(), Ordering::Release);
        self.unlock(state, call);
        need
    }

    /// Makes R1 and R2 true again after limits have changed or a thread could not be started.
    pub fn help(&self) -> Need {
        let mut state = lock(&self.shared.state);
        let (need, call) = self.staff(&mut state);
        self.unlock(state, call);
        need
    }

    fn staff(&self, state: &mut State<T>) -> (Need, bool) {
        let need = self.need(state);
        let call = self.call_sleeper(state);
        let direct = state.leaving == 0 && state.limits.max_parallel > 0;
        self.direct.store(direct, Ordering::Relaxed);
        (need, call)
    }

    /// Asks for a worker if there are fewer than `n`, for a job with work for so many (R5).
    pub fn at_least(&self, n: usize) -> Need {
        let mut state = lock(&self.shared.state);
        if state.threads >= n.min(state.limits.max_parallel) {
            return Need::Nothing;
        }
        state.threads += 1;
        state.starting += 1;
        Need::Worker
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
        let call = self.call_sleeper(&mut state);
        self.unlock(state, call);
    }

    /// Takes a job for the owner to execute, if there is no worker that could.
    pub fn rescue(&self) -> Option<Box<T>> {
        let mut state = lock(&self.shared.state);
        if state.threads > 0 || state.limits.max_parallel == 0 {
            return None;
        }
        let item = state.lanes.take();
        self.ready.store(state.lanes.len(), Ordering::Relaxed);
        item
    }

    /// Takes the job that is next, for the owner to execute while it waits: if it is one that
    /// `suits`, and if several may be executed at a time.
    pub fn share(&self, suits: impl FnOnce(&T) -> bool) -> Option<Box<T>> {
        let mut state = lock(&self.shared.state);
        let first = state
            .lanes
            .first()
            .filter(|_| state.limits.max_parallel > 1)?;
        if !suits(first) {
            return None;
        }
        let item = state.lanes.take();
        self.ready.store(state.lanes.len(), Ordering::Release);
        item
    }

    /// Puts it back, for a worker.
    pub fn put_back(&self, priority: Priority, item: Box<T>) -> Need {
        let mut state = lock(&self.shared.state);
        state.lanes.put_back(priority, item);
        self.queued(state)
    }

    /// Jobs that no worker has. One in the slot has found its worker.
    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    pub fn threads(&self) -> usize {
        lock(&self.shared.state).threads
    }

    /// The owner is about to block for some time with much ready: a worker may have its processor
    /// until it is [`back`](Pool::back).
    pub fn away(&self) {
        self.away.store(true, Ordering::Relaxed);
        let mut state = lock(&self.shared.state);
        let call = self.call_sleeper(&mut state);
        self.unlock(state, call);
    }

    pub fn back(&self) {
        self.away.store(false, Ordering::Relaxed);
    }

    /// Workers that have a job, or come from one.
    pub fn active(&self) -> usize {
        lock(&self.shared.state).active
    }

    /// Are there no more workers at work than leave a processor for the owner?
    pub fn spares_owner(&self) -> bool {
        self.active() <= self.steady
    }

    /// How many signals have been sent to sleeping workers.
    pub fn calls(&self) -> u64 {
        lock(&self.shared.state).calls
    }

    /// Puts new limits in force. Surplus workers are told to end; sleepers wake up to see
    /// whether they may stay.
    pub fn set_limits(&self, limits: Limits) {
        self.direct.store(false, Ordering::Relaxed);
        let mut state = lock(&self.shared.state);
        state.limits = limits;
        let surplus = state.threads.saturating_sub(limits.max_parallel);
        state.threads -= surplus;
        state.leaving += surplus;
        drop(state);
        self.wake.notify_all();
    }

    /// Tells every worker to end, and hands back what was ready.
    pub fn close(&self) -> Lanes<Box<T>> {
        self.direct.store(false, Ordering::Relaxed);
        let mut state = lock(&self.shared.state);
        state.closing = true;
        let mut dropped = std::mem::take(&mut state.lanes);
        let help = std::mem::take(&mut state.help);
        self.ready.store(0, Ordering::Relaxed);
        drop(state);
        drop(help);
        // A worker that finds its slot shut by somebody else knows that this is the end.
        if let Some(item) = self.slot.withdraw() {
            dropped.put(Priority::default(), item);
        }
        self.wake.notify_all();
        dropped
    }

    // The workers' side.

    /// A new worker's first look for work.
    pub fn first(&self) -> Option<Box<T>> {
        let mut state = lock(&self.shared.state);
        state.starting -= 1;
        self.next_in(state, false)
    }

    /// A worker has executed its job and is about to put the result where the owner can see it.
    /// It calls [`next`](Pool::next) as soon as that is done.
    pub fn returning(&self) {
        self.shared.returning.fetch_add(1, Ordering::Relaxed);
    }

    /// Wakes a sleeper that nobody has called yet to execute what `make` makes, unless something
    /// becomes ready first (R5). False: there is none.
    pub fn call(&self, make: impl FnOnce() -> Box<T>) -> bool {
        let mut state = lock(&self.shared.state);
        if state.closing || state.asleep == state.called {
            return false;
        }
        state.help.push(make());
        state.called += 1;
        state.calls += 1;
        self.unlock(state, true);
        true
    }

    /// The next job for a worker that is [`returning`](Pool::returning): lingers if that may
    /// pay, then sleeps until there is one. `None`: the worker ends, and is off the account.
    pub fn next(&self, look: &mut impl Look) -> Option<Box<T>> {
        if self.ready.load(Ordering::Acquire) == 0 && look.worth_it() && self.slot.offer() {
            look.look(|| self.slot.is_full() || self.ready.load(Ordering::Relaxed) > 0);
            // From its opening to here the slot is this worker's.
            if !self.slot.shut() {
                look.settle();
                self.shared.returning.fetch_sub(1, Ordering::Release);
                // Only now: see `on_the_way`.
                let item = self.slot.withdraw();
                if item.is_none() {
                    // The pool was closed.
                    lock(&self.shared.state).active -= 1;
                }
                return item;
            }
        }
        look.settle();
        let state = lock(&self.shared.state);
        self.shared.returning.fetch_sub(1, Ordering::Relaxed);
        self.next_in(state, true)
    }

    /// `active`: the worker comes from a job, and takes the next one if there is one. Others take
    /// one if there are fewer than `steady` at work, or if those are slow (R4).
    fn next_in<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T>>,
        mut active: bool,
    ) -> Option<Box<T>> {
        let mut idle_since = None;
        let mut watch: Option<Watch> = None;
        loop {
            let ends = state.closing || state.leaving > 0;
            let room = self.room();
            if active && state.guests > 0 && state.active > room {
                state.guests -= 1;
                state.active -= 1;
                active = false;
            } else if active && state.crowded {
                state.crowded = false;
                if state.active > 1 && self.in_turns(&state) {
                    state.active -= 1;
                    state.guests = state.guests.min(state.active);
                    active = false;
                }
            }
            let mut joins = active || (state.active < room && !self.in_turns(&state));
            if let Some(w) = watch.as_mut().filter(|w| w.left() == Duration::ZERO) {
                let quiet = state.taken == w.taken;
                let in_turns = self.in_turns(&state);
                let limit = if in_turns {
                    Watch::ALONE
                } else if state.active <= self.steady {
                    Watch::SHORT
                } else {
                    Watch::LONG
                };
                if state.lanes.is_empty() && quiet {
                    watch = None;
                    state.watching = false;
                } else if !state.lanes.is_empty() && w.slow(state.taken, state.active, limit) {
                    joins = true;
                } else {
                    state.crowded = in_turns;
                    w.again(state.taken);
                }
            }
            let over = ends || (joins && !state.lanes.is_empty());
            if over && watch.take().is_some() {
                state.watching = false;
            }
            if ends {
                state.active -= usize::from(active);
                if state.closing {
                    return None;
                }
                state.leaving -= 1;
                // The signal that woke this worker may have been meant for a job.
                let call = self.call_sleeper(&mut state);
                self.unlock(state, call);
                return None;
            }
            if joins {
                if let Some(item) = state.lanes.take() {
                    if !active {
                        state.active += 1;
                        state.guests +=
                            usize::from(state.active > self.steady && room > self.steady);
                    }
                    state.taken += 1;
                    state.last_alone_with = (self.alone_with)(&item);
                    self.ready.store(state.lanes.len(), Ordering::Relaxed);
                    let call = self.call_sleeper(&mut state);
                    self.unlock(state, call);
                    return Some(item);
                }
            }
            if state.lanes.is_empty() {
                if let Some(item) = state.help.pop() {
                    if watch.is_some() {
                        state.watching = false;
                    }
                    state.active += usize::from(!active);
                    return Some(item);
                }
            }
            if active {
                state.active -= 1;
                state.guests = state.guests.min(state.active);
                active = false;
            }

            if watch.is_none() && !state.watching && !state.lanes.is_empty() {
                watch = Some(Watch::new(state.taken));
                state.watching = true;
            }
            let timeout = match &watch {
                Some(watch) => Some(watch.left().max(Duration::from_nanos(1))),
                None => {
                    let surplus = state.asleep >= state.limits.max_idle;
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    let left = || state.limits.idle_timeout.saturating_sub(since.elapsed());
                    surplus.then(left)
                }
            };
            let timeout = match timeout {
                Some(Duration::ZERO) if state.lanes.is_empty() => {
                    state.threads -= 1;
                    return None;
                }
                // It is due to leave, but may yet be needed for what is ready.
                Some(Duration::ZERO) => Some(Watch::LONGEST),
                timeout => timeout,
            };
            state.asleep += 1;
            state = wait(&self.wake, &self.shared.state, state, timeout);
            state.asleep -= 1;
            if state.called > 0 {
                state.called -= 1;
            }
        }
    }
}
