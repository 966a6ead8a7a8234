//! The Perl half's state, and the way in.
//!
//! H1  One interpreter owns the module; every entry checks that it is the caller.
//! H2  Every entry checks the fork generation first: in a forked child it drops what was the
//!     parent's before it does anything else.
//! H3  Nothing here stays borrowed while Perl code runs: callbacks may submit, poll, cancel,
//!     fork, die or exit.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use aio_engine::room::KEPT;
use aio_engine::{Engine, Job, Key, Limits, Op, Priority, ResultPipe};
use perl_xs::{Args, Called, Fail, Owned, Perl, Result, Returns};

use crate::holds::{Buffered, Holds};
use crate::stats::Stats;
use crate::table::{Data, Extra, Id, Remains, Table};
use crate::wd::Wds;

pub struct Half {
    generation: Cell<u32>,
    engine: RefCell<Option<Engine>>,
    pub pipe: ResultPipe,
    pub table: RefCell<Table>,
    /// Requests in ready, execute or pending.
    pub nreqs: Cell<usize>,
    pub next_pri: Cell<Priority>,
    pub max_poll_reqs: Cell<usize>,
    /// Seconds, 0 for no limit.
    pub max_poll_time: Cell<f64>,
    pub max_outstanding: Cell<usize>,
    /// Called after the next submission.
    pub hook: RefCell<Option<Owned>>,
    /// Scalars that requests use.
    pub holds: Holds,
    pub wds: Wds,
    /// The scalar that status callbacks get, between two of them.
    pub status: RefCell<Option<Owned>>,
    /// Jobs that have been delivered, to be used again: it is their memory that is kept.
    #[allow(clippy::vec_box)]
    spare: RefCell<Vec<Box<Job>>>,
    /// As much for what requests kept.
    #[allow(clippy::vec_box)]
    extras: RefCell<Vec<Box<Extra>>>,
    /// The interpreter is being taken down.
    pub closing: Cell<bool>,
    /// Grows whenever all requests are forgotten. Whoever holds a key while Perl code runs
    /// compares: a callback may fork or call `reinit`.
    epoch: Cell<u64>,
    stack: Stack,
    pub stats: Stats,
}

/// The C stack of the interpreter's thread. Polls may be nested to any depth that it allows; a
/// program that goes on gets an exception before the stack ends.
struct Stack {
    low: usize,
    high: usize,
}

/// What is kept free for perl and the system below the last poll.
const STACK_RESERVE: usize = 256 << 10;

impl Stack {
    #[cfg(target_os = "linux")]
    fn of_this_thread() -> Stack {
        let mut stack = Stack { low: 0, high: 0 };
        // SAFETY: the attributes are initialised by the first call and released at the end.
        unsafe {
            let mut attr: libc::pthread_attr_t = std::mem::zeroed();
            if libc::pthread_getattr_np(libc::pthread_self(), &mut attr) == 0 {
                let mut addr = std::ptr::null_mut();
                let mut size = 0;
                if libc::pthread_attr_getstack(&attr, &mut addr, &mut size) == 0 {
                    stack = Stack {
                        low: addr as usize,
                        high: addr as usize + size,
                    };
                }
                libc::pthread_attr_destroy(&mut attr);
            }
        }
        stack
    }

    /// Where the stack cannot be asked for, nothing is refused.
    #[cfg(not(target_os = "linux"))]
    fn of_this_thread() -> Stack {
        Stack { low: 0, high: 0 }
    }

    /// Is the end near? A coroutine's stack is another one, of which nothing is known.
    fn is_short(&self) -> bool {
        let here = 0u8;
        let here = std::ptr::from_ref(&here) as usize;
        (self.low..self.high).contains(&here) && here - self.low < STACK_RESERVE
    }
}

/// The interpreter that owns the module (H1).
static OWNER: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());
static HALF: AtomicPtr<Half> = AtomicPtr::new(std::ptr::null_mut());

/// Buffers are lent to a clone in the making, by the owner's thread.
static LENT: AtomicBool = AtomicBool::new(false);

/// `CLONE_SKIP`, which perl calls in an interpreter that is about to be cloned: its pinned buffers
/// are to be copied, not shared.
pub fn before_clone(perl: Perl, args: &Args) -> Result<Returns> {
    if OWNER.load(Ordering::Relaxed) == perl.raw() {
        enter(perl, args)?.holds.lend_buffers();
        LENT.store(true, Ordering::Relaxed);
    }
    Ok(Returns::One(perl.new_int(0)))
}

/// `CLONE`, which perl calls in the clone, on the thread of the interpreter it was made from.
pub fn after_clone(clone: Perl, _: &Args) -> Result<Returns> {
    if LENT.swap(false, Ordering::Relaxed) {
        // SAFETY: the owner's thread, which is inside the call that makes the clone: nobody else
        // asks for clones meanwhile, since the flag was set by that very call.
        unsafe { &*HALF.load(Ordering::Relaxed) }
            .holds
            .take_back_buffers(clone);
    }
    Ok(Returns::Nothing)
}

/// Makes the calling interpreter the owner. An error if another one is.
pub fn found(perl: Perl, args: &Args) -> Result<&'static Half> {
    let owner = OWNER.load(Ordering::Acquire);
    if !owner.is_null() {
        if owner == perl.raw() {
            return enter(perl, args);
        }
        return Fail::croak(
            "IO::AIO belongs to the perl interpreter (thread) that loaded it first",
        );
    }
    let pipe = match ResultPipe::install() {
        Ok(pipe) => pipe,
        Err(e) => return Fail::croak(format!("IO::AIO: unable to create the result pipe: {e}")),
    };
    let half = Box::new(Half {
        generation: Cell::new(ResultPipe::generation()),
        engine: RefCell::new(Some(Engine::new(pipe, Limits::default()))),
        pipe,
        table: RefCell::default(),
        nreqs: Cell::new(0),
        next_pri: Cell::new(Priority::default()),
        max_poll_reqs: Cell::new(0),
        max_poll_time: Cell::new(0.0),
        max_outstanding: Cell::new(0),
        hook: RefCell::new(None),
        holds: Holds::default(),
        wds: Wds::default(),
        status: RefCell::new(None),
        spare: RefCell::default(),
        extras: RefCell::default(),
        closing: Cell::new(false),
        epoch: Cell::new(0),
        stack: Stack::of_this_thread(),
        stats: Stats::from_environment(),
    });
    HALF.store(Box::into_raw(half), Ordering::Release);
    OWNER.store(perl.raw(), Ordering::Release);
    perl.at_exit(leave);
    // SAFETY: just stored, and never freed: entries further up the stack may still use it.
    Ok(unsafe { &*HALF.load(Ordering::Acquire) })
}

/// The way in for every entry (H1, H2).
///
/// Perl: in a forked child, the first time, releases the parent's callbacks.
#[inline]
pub fn enter(perl: Perl, args: &Args) -> Result<&'static Half> {
    if OWNER.load(Ordering::Relaxed) != perl.raw() {
        return Fail::croak("IO::AIO cannot be used here: it belongs to the thread that loaded it, or perl is ending");
    }
    // SAFETY: set before OWNER, never freed, and only the owner's thread gets here.
    let half = unsafe { &*HALF.load(Ordering::Relaxed) };
    if half.is_forked() {
        // What is released now may hold the last references to them.
        args.keep();
        half.start_over_after_fork(perl)?;
    }
    Ok(half)
}

/// As [`enter`], for destructors: `None` where the module cannot be used.
pub fn enter_quietly(perl: Perl, args: &Args) -> Result<Option<&'static Half>> {
    if OWNER.load(Ordering::Relaxed) != perl.raw() {
        return Ok(None);
    }
    enter(perl, args).map(Some)
}

/// The interpreter is being taken down: what is queued is dropped, what runs is waited for, and
/// only then may its scalars go (invariant 7).
unsafe extern "C" fn leave(raw: perl_sys::Interpreter) {
    if OWNER.load(Ordering::Acquire) != raw {
        return;
    }
    // SAFETY: H1: the owner's thread.
    let half = unsafe { &*HALF.load(Ordering::Acquire) };
    half.closing.set(true);
    if let Some(engine) = half.engine.borrow_mut().take() {
        if !half.is_forked() {
            engine.shutdown();
        } else {
            engine.abandon();
        }
    }
    OWNER.store(std::ptr::null_mut(), Ordering::Release);
}

impl Half {
    /// A single look at the engine. `None` while the interpreter is being taken down.
    pub fn with_engine<R>(&self, look: impl FnOnce(&Engine) -> R) -> Option<R> {
        self.engine.borrow().as_ref().map(look)
    }

    /// Before Perl code is called that may come back here.
    pub fn check_depth(&self) -> Result<()> {
        if self.stack.is_short() {
            return Fail::croak("IO::AIO: polls and feeders are nested too deeply");
        }
        Ok(())
    }

    fn start_over_after_fork(&self, perl: Perl) -> Result<()> {
        self.generation.set(ResultPipe::generation());
        let old = self.engine.borrow_mut().take();
        if let Some(old) = old {
            // The locks of the old engine may be held by threads that do not exist here.
            let limits = old.abandon();
            *self.engine.borrow_mut() = Some(Engine::new(self.pipe, limits));
        }
        self.forget_requests(perl)
    }

    /// `IO::AIO::reinit`: drops all requests without reporting them.
    pub fn reinit(&self, perl: Perl) -> Result<()> {
        let old = self.engine.borrow_mut().take();
        if let Some(old) = old {
            let limits = old.shutdown();
            *self.engine.borrow_mut() = Some(Engine::new(self.pipe, limits));
        }
        self.forget_requests(perl)
    }

    /// Empties the table. Request objects become inert, buffers and flags go back.
    ///
    /// Perl: callbacks that go may run destructors.
    fn forget_requests(&self, perl: Perl) -> Result<()> {
        let requests = self.table.borrow_mut().drain();
        self.nreqs.set(0);
        self.epoch.set(self.epoch.get() + 1);
        let mut scalars = Vec::new();
        for mut request in requests {
            if let Some(data) = request.extra.as_mut().and_then(|e| e.data.take()) {
                let (sv, copy) = self.drop_data(perl, data);
                scalars.push(sv);
                scalars.extend(copy);
            }
            while let Some(sv) = request.take(perl) {
                scalars.push(sv);
            }
        }
        self.release_all(perl, scalars)
    }

    /// Gives a data scalar back without a result: the references that are left.
    pub fn drop_data(&self, perl: Perl, data: Data) -> (Owned, Option<Owned>) {
        if let (Buffered::Lost { ptr, own: true }, _) = self.holds.let_go(perl, &data) {
            // SAFETY: the scalar has another buffer; nothing refers to this one.
            unsafe { perl.free_buffer(ptr) }
        }
        let (sv, copy, _) = data.into_parts();
        (sv, copy)
    }

    /// Drops references. A jump out of a destructor leaves the rest to perl's temporaries.
    ///
    /// Perl: runs destructors, which may exit.
    pub fn release_all(&self, perl: Perl, scalars: Vec<Owned>) -> Result<()> {
        scalars.into_iter().try_for_each(|sv| perl.release(sv))
    }

    /// As much for what is left of a request.
    #[inline]
    pub fn release(&self, perl: Perl, mut remains: Remains) -> Result<()> {
        let mut result = Ok(());
        while let Some(sv) = remains.take(perl) {
            if result.is_ok() {
                result = perl.release(sv);
            }
        }
        if let Some(extra) = remains.extra {
            self.recycle_extra(extra);
        }
        result
    }

    /// Runs Perl code by `run`; `None` if it made the module forget all requests (by `reinit`,
    /// or because this is a forked child now), so that no key is good any more.
    pub fn across<R>(&self, perl: Perl, run: impl FnOnce() -> Result<R>) -> Result<Option<R>> {
        let epoch = self.epoch.get();
        let result = run()?;
        if self.is_forked() {
            self.start_over_after_fork(perl)?;
        }
        Ok((self.epoch.get() == epoch).then_some(result))
    }

    /// Is this a child in which nothing has been started over yet? The engine is the parent's then.
    pub fn is_forked(&self) -> bool {
        self.generation.get() != ResultPipe::generation()
    }

    /// Is it still the same request? Not in a forked child: what it has is the parent's.
    pub fn alive(&self, id: Id) -> bool {
        !self.is_forked() && self.table.borrow().alive(id)
    }

    // ---- submission ------------------------------------------------------

    /// A job for `op` of a request that is in the table, counted as outstanding. In memory that
    /// was used before if there is some.
    fn job(&self, key: Key, priority: Priority, op: Op) -> Box<Job> {
        let mut job = match self.spare.borrow_mut().pop() {
            Some(mut job) => {
                job.key = key;
                job.priority = priority;
                job.op = op;
                job
            }
            None => Box::new(Job::new(key, priority, op)),
        };
        let decl = || self.table.borrow().get(key).decl;
        self.stats.submit(decl, &mut job);
        self.nreqs.set(self.nreqs.get() + 1);
        job
    }

    /// Takes a job back once it has been delivered.
    pub fn recycle(&self, mut job: Box<Job>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < KEPT {
            job.op = Op::Nop;
            job.times = None;
            job.done = Default::default();
            spare.push(job);
        }
    }

    /// An empty [`Extra`], in memory that was used before if there is some.
    pub fn extra(&self) -> Box<Extra> {
        self.extras.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes back what a request kept, now empty.
    pub fn recycle_extra(&self, extra: Box<Extra>) {
        let mut extras = self.extras.borrow_mut();
        if extras.len() < KEPT {
            extras.push(extra);
        }
    }

    /// Queues an op for a request that is in the table.
    pub fn queue(&self, key: Key, priority: Priority, op: Op) {
        let job = self.job(key, priority, op);
        self.with_engine(|engine| {
            engine.unmark(key);
            engine.submit(job);
        });
    }

    /// Makes a group pending: it needs no worker.
    pub fn queue_group(&self, key: Key, priority: Priority) {
        let job = self.job(key, priority, Op::Nop);
        self.with_engine(|engine| {
            engine.unmark(key);
            engine.complete(job);
        });
    }

    /// Calls the next-submit hook, if one is set. What it throws is ignored.
    ///
    /// Perl: runs Perl code.
    #[inline]
    pub fn submitted(&self, perl: Perl) -> Result<()> {
        let hook = self.hook.borrow_mut().take();
        if let Some(hook) = hook {
            if let Called::Died(error) = perl.call(hook.sv(), &[], perl.errno())? {
                drop(error);
            }
            perl.release(hook)?;
        }
        Ok(())
    }
}
