//! The Perl half's state, and the way in.
//!
//! H1  One interpreter owns the module; every entry checks that it is the caller.
//! H2  Every entry checks the fork generation first: in a forked child it drops what was the
//!     parent's before it does anything else.
//! H3  Nothing here stays borrowed while Perl code runs: callbacks may submit, poll, cancel,
//!     fork, die or exit.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use aio_engine::room::KEPT;
use aio_engine::{Engine, Job, Key, Limits, Op, Priority, ResultPipe};
use perl_sys::SV;
use perl_xs::{Args, Called, Fail, Owned, Perl, Result, Returns, Sv};

use crate::stats::Stats;
use crate::table::{self, Data, Extra, Id, Table};
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
    /// Read-only flags that requests hold.
    holds: RefCell<HashMap<*mut SV, Hold, BuildHasherDefault<ByAddress>>>,
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

/// Hashes addresses of scalars, which nobody chooses to do us harm.
#[derive(Default)]
struct ByAddress(u64);

impl Hasher for ByAddress {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_usize(b.into()));
    }

    fn write_usize(&mut self, n: usize) {
        // Scalars that were made one after the other are neighbours, 24 octets apart, and their
        // requests come and go in that order. So those of one KiB get places one after the other,
        // and what is needed next is in the cache; only the KiBs are scattered, by
        // multiplication (Knuth, The Art of Computer Programming 3, 6.4). The table takes the
        // place from the low bits, and compares the high ones before it looks at a key.
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        let n = n as u64;
        let scattered = (n >> 10).wrapping_mul(K) >> 32 << 6;
        let tag = n.wrapping_mul(K) >> 57 << 57;
        self.0 = tag | (scattered + (n >> 4 & 63));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Hold {
    lent: Lent,
    requests: u32,
    was_readonly: bool,
}

/// What requests use of a scalar that they hold.
#[derive(Clone, Copy)]
enum Lent {
    Nothing,
    /// Its buffer, pinned: so many read from it, or one writes to it and `shared` is false.
    Buffer {
        ptr: *mut u8,
        /// 0 if it is not perl's.
        cap: usize,
        users: u32,
        shared: bool,
    },
    /// A copy that has the same buffer, by copy-on-write: so many have it for their `source`.
    Copy {
        copy: *mut SV,
        users: u32,
    },
}

/// How a request uses a scalar.
pub enum Use {
    /// Not at all while it is executed.
    Apart,
    /// It writes to the buffer, which is where `own_buffer` said.
    Fill(*mut u8),
    /// It reads from the buffer, which is where `plain_buffer` said.
    Read(*mut u8),
    /// It reads from a copy that shares the buffer.
    Copy(*mut SV),
}

/// The interpreter that owns the module (H1).
static OWNER: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());
static HALF: AtomicPtr<Half> = AtomicPtr::new(std::ptr::null_mut());

/// Buffers are lent to a clone in the making, by the owner's thread.
static LENT: AtomicBool = AtomicBool::new(false);

/// `CLONE_SKIP`, which perl calls in an interpreter that is about to be cloned: its pinned buffers
/// are to be copied, not shared.
pub fn before_clone(perl: Perl, _: &Args) -> Result<Returns> {
    if OWNER.load(Ordering::Relaxed) == perl.raw() {
        enter(perl)?.lend_buffers(true);
        LENT.store(true, Ordering::Relaxed);
    }
    Ok(Returns::One(perl.new_int(0)))
}

/// `CLONE`, which perl calls in the clone, on the thread of the interpreter it was made from.
pub fn after_clone(_: Perl, _: &Args) -> Result<Returns> {
    if LENT.swap(false, Ordering::Relaxed) {
        // SAFETY: the owner's thread, which is inside the call that makes the clone: nobody else
        // asks for clones meanwhile, since the flag was set by that very call.
        unsafe { &*HALF.load(Ordering::Relaxed) }.lend_buffers(false);
    }
    Ok(Returns::Nothing)
}

/// Makes the calling interpreter the owner. An error if another one is.
pub fn found(perl: Perl) -> Result<&'static Half> {
    let owner = OWNER.load(Ordering::Acquire);
    if !owner.is_null() {
        if owner == perl.raw() {
            return enter(perl);
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
        holds: RefCell::default(),
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
pub fn enter(perl: Perl) -> Result<&'static Half> {
    if OWNER.load(Ordering::Relaxed) != perl.raw() {
        return Fail::croak("IO::AIO cannot be used here: it belongs to the thread that loaded it, or perl is ending");
    }
    // SAFETY: set before OWNER, never freed, and only the owner's thread gets here.
    let half = unsafe { &*HALF.load(Ordering::Relaxed) };
    if half.generation.get() != ResultPipe::generation() {
        half.start_over_after_fork(perl)?;
    }
    Ok(half)
}

/// As [`enter`], for destructors: `None` where the module cannot be used.
pub fn enter_quietly(perl: Perl) -> Result<Option<&'static Half>> {
    if OWNER.load(Ordering::Relaxed) != perl.raw() {
        return Ok(None);
    }
    enter(perl).map(Some)
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
        if half.generation.get() == ResultPipe::generation() {
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
                self.drop_data(perl, &data);
                scalars.push(data.sv);
                if data.source != data.sv {
                    scalars.push(data.source);
                }
            }
            scalars.extend(table::scalars(&mut request, perl));
        }
        self.release_all(perl, scalars)
    }

    /// Gives a data scalar back without a result.
    pub fn drop_data(&self, perl: Perl, data: &Data) {
        if let (Buffered::Lost { ptr, own: true }, _) = self.let_go(perl, data) {
            // SAFETY: the scalar has another buffer; nothing refers to this one.
            unsafe { perl.free_buffer(ptr) }
        }
    }

    /// Drops references. A jump out of a destructor leaves the rest to perl's temporaries.
    ///
    /// Perl: runs destructors, which may exit.
    pub fn release_all(
        &self,
        perl: Perl,
        scalars: impl IntoIterator<Item = *mut SV>,
    ) -> Result<()> {
        // SAFETY: T2: each entry of the list is one reference that left the table.
        let mut owned = scalars.into_iter().map(|sv| unsafe { Owned::from_raw(sv) });
        let result = owned.by_ref().try_for_each(|sv| perl.release(sv));
        owned.for_each(drop);
        result
    }

    /// Runs Perl code by `run`; `None` if it made the module forget all requests (by `reinit`,
    /// or because this is a forked child now), so that no key is good any more.
    pub fn across<R>(&self, perl: Perl, run: impl FnOnce() -> Result<R>) -> Result<Option<R>> {
        let epoch = self.epoch.get();
        let result = run()?;
        if self.generation.get() != ResultPipe::generation() {
            self.start_over_after_fork(perl)?;
        }
        Ok((self.epoch.get() == epoch).then_some(result))
    }

    /// Is it still the same request? Not in a forked child: what it has is the parent's.
    pub fn alive(&self, id: Id) -> bool {
        self.generation.get() == ResultPipe::generation() && self.table.borrow().alive(id)
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

    // ---- scalars in use --------------------------------------------------

    /// A thread is about to be cloned from this interpreter (`on`), or has been. The clone gets
    /// copies of pinned buffers instead of the buffers, and may write to them: the scalars look
    /// ordinary meanwhile.
    pub fn lend_buffers(&self, on: bool) {
        for (&sv, hold) in self.holds.borrow().iter() {
            // SAFETY: T2: requests hold the scalar.
            let sv = unsafe { Sv::from_raw(sv) };
            sv.set_readonly(!on || hold.was_readonly);
            if let Lent::Buffer { ptr, cap, .. } = hold.lent {
                // SAFETY: ptr and cap are what was pinned.
                unsafe { perl_xs::lend_buffer(sv, ptr, if on { cap } else { 0 }) }
            }
        }
    }

    /// Is this scalar read-only only because requests hold it?
    pub fn holds(&self, sv: Sv) -> bool {
        self.holds
            .borrow()
            .get(&sv.raw())
            .is_some_and(|hold| !hold.was_readonly)
    }

    /// Does a request hold this scalar?
    pub fn is_held(&self, sv: Sv) -> bool {
        self.holds.borrow().contains_key(&sv.raw())
    }

    /// Holds a scalar read-only for a request, and in place what it uses. A buffer is lent to
    /// the first only: those that come later ask [`join`](Half::join), or work on one of their own.
    pub fn hold(&self, perl: Perl, sv: Sv, how: Use) {
        let mut holds = self.holds.borrow_mut();
        let hold = holds.entry(sv.raw()).or_insert_with(|| Hold {
            lent: Lent::Nothing,
            requests: 0,
            was_readonly: sv.view().is_readonly(),
        });
        hold.requests += 1;
        sv.set_readonly(true);
        if !matches!(hold.lent, Lent::Nothing) {
            return;
        }
        let pin = |ptr, shared| Lent::Buffer {
            ptr,
            // SAFETY: the caller made it own that buffer, and nobody else has it.
            cap: unsafe { perl.pin(sv) },
            users: 1,
            shared,
        };
        hold.lent = match how {
            Use::Apart => Lent::Nothing,
            Use::Fill(ptr) => pin(ptr, false),
            Use::Read(ptr) => pin(ptr, true),
            Use::Copy(copy) => Lent::Copy { copy, users: 1 },
        };
    }

    /// Joins the requests that read from a scalar's buffer where it is, if that still is its
    /// `string`.
    pub fn join(&self, sv: Sv, string: &[u8]) -> bool {
        let mut holds = self.holds.borrow_mut();
        let Some(hold) = holds.get_mut(&sv.raw()) else {
            return false;
        };
        match &mut hold.lent {
            Lent::Buffer {
                ptr,
                users,
                shared: true,
                ..
            } if ptr.cast_const() == string.as_ptr() => *users += 1,
            _ => return false,
        }
        hold.requests += 1;
        sv.set_readonly(true);
        true
    }

    /// Joins the requests that read from a copy of a scalar, if that has the same buffer as its
    /// `string`, which is shared by copy-on-write. One more reference to the copy.
    pub fn join_copy(&self, perl: Perl, sv: Sv, string: &[u8]) -> Result<Option<Owned>> {
        let mut holds = self.holds.borrow_mut();
        let Some(hold) = holds.get_mut(&sv.raw()) else {
            return Ok(None);
        };
        let Lent::Copy { copy, users } = &mut hold.lent else {
            return Ok(None);
        };
        // SAFETY: a request that has it is not done: it would not be here otherwise.
        let copy = unsafe { Sv::from_raw(*copy) };
        let theirs = perl.bytes(copy)?.unwrap_or(&[]);
        if !std::ptr::eq(theirs, string) {
            return Ok(None);
        }
        *users += 1;
        hold.requests += 1;
        sv.set_readonly(true);
        Ok(Some(copy.own()))
    }

    /// Ends one request's hold, and tells where the buffer is now and whether another request
    /// holds the scalar.
    pub fn let_go(&self, perl: Perl, data: &Data) -> (Buffered, bool) {
        let mut holds = self.holds.borrow_mut();
        let Entry::Occupied(mut place) = holds.entry(data.sv) else {
            return (Buffered::InPlace { own: false }, false);
        };
        let hold = place.get_mut();
        // SAFETY: T2: the request holds a reference.
        let sv = unsafe { Sv::from_raw(data.sv) };
        hold.requests -= 1;
        let mut back = Buffered::InPlace { own: false };
        match &mut hold.lent {
            Lent::Buffer {
                ptr, cap, users, ..
            } if data.pinned => {
                *users -= 1;
                if *users == 0 {
                    let (ptr, own) = (*ptr, *cap > 0);
                    // SAFETY: ptr and cap are what `hold` pinned.
                    back = match unsafe { perl.unpin(sv, ptr, *cap) } {
                        true => Buffered::InPlace { own },
                        false => Buffered::Lost { ptr, own },
                    };
                    hold.lent = Lent::Nothing;
                }
            }
            Lent::Copy { copy, users } if *copy == data.source => {
                *users -= 1;
                if *users == 0 {
                    hold.lent = Lent::Nothing;
                }
            }
            _ => {}
        }
        let held = hold.requests > 0;
        if !held {
            sv.set_readonly(hold.was_readonly);
            place.remove();
        }
        (back, held)
    }
}

/// Where the buffer of a scalar is once a request is done with it.
pub enum Buffered {
    /// In the scalar; `own`: perl allocated it.
    InPlace { own: bool },
    /// The scalar has got another meanwhile; this one is the caller's to free if it is perl's
    /// `own`.
    Lost { ptr: *mut u8, own: bool },
}
