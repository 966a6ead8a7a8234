//! Results: from the workers to the owner, and the descriptor that announces them.
//!
//! W1  The descriptor is readable exactly while a result waits that the owner has not taken.
//! W2  Both edges are made with the result lock held, so none can be lost or doubled.
//! W3  A worker spares the edge while the owner looks ([`Batch::look`]). The owner then takes
//!     all there is, or makes the edge itself before it lets go.
//! W4  [`Batch::take`] returns a result of the highest priority present, of those the one that
//!     arrived first.
//! W5  A result that a worker leaves in the slot while the owner does not look is in debt: the
//!     worker makes the edge ([`Results::settle`]) within microseconds, before it sleeps or
//!     takes up another job. Whatever the owner asks of the results settles it, too.
//! W6  An owner that blocks with much still ready may ask for a batch ([`Batch::settle_for`]):
//!     the edge is made when so many results wait, or nothing is ready any more. It blocks for a
//!     bounded time only, and then looks for itself. Whatever it does next ends the wish.
//!
//! Workers put results into the shared lanes. The owner moves them into lanes of its own, all
//! at once, so that it takes the lock once for a batch. A lone result takes the way past the
//! lanes, through the slot.
//!
//! Not here: what makes the descriptor readable (`pipe.rs`), how results come about
//! (`worker.rs`).

use std::cell::{Cell, RefCell};

use crate::job::Priority;
use crate::lanes::Lanes;
use crate::pipe::Edge;
use crate::slot::Slot;
use crate::sync::{fence, lock, AtomicBool, AtomicU32, Mutex, MutexGuard, Ordering, Padded};

/// What waits in the queue: something that knows its priority.
pub trait Ranked {
    fn priority(&self) -> Priority;
}

fn sum<T>(lanes: &Lanes<T>) -> u32 {
    u32::from(lanes.mask()) | (lanes.len().min(usize::from(u16::MAX)) as u32) << 16
}

/// The half that workers see.
#[derive(Debug)]
pub struct Results<T, E> {
    shared: Padded<Shared<T>>,
    /// What is in the shared lanes, for a look without the lock: their mask, and above it how
    /// many results, at most `u16::MAX`. Written under the lock.
    sum: Padded<AtomicU32>,
    /// Opened by the owner, only while nothing waits. A worker gives only while the shared
    /// lanes are empty, so that nothing is overtaken.
    slot: Padded<Slot<T>>,
    edge: E,
}

/// `looking` is read right after the lock is taken, so it sits on the same cache line.
#[derive(Debug)]
#[repr(C)]
struct Shared<T> {
    /// The owner watches and needs no edge (W3). Set by the owner at any time. When it clears
    /// the flag it looks at the lanes afterwards: a worker puts its result there first and
    /// reads the flag then, so one of the two sees the other.
    looking: AtomicBool,
    arrived: Mutex<Arrived<T>>,
}

#[derive(Debug)]
struct Arrived<T> {
    lanes: Lanes<Box<T>>,
    /// The descriptor is readable.
    announced: bool,
    /// How many results the owner waits for (W6).
    wanted: usize,
}

impl<T: Ranked, E: Edge> Results<T, E> {
    pub fn new(edge: E) -> Results<T, E> {
        Results {
            shared: Padded(Shared {
                looking: AtomicBool::new(false),
                arrived: Mutex::new(Arrived {
                    lanes: Lanes::new(),
                    announced: false,
                    wanted: 0,
                }),
            }),
            sum: Padded(AtomicU32::new(0)),
            slot: Padded(Slot::default()),
            edge,
        }
    }

    /// Adds a worker's result; `more`: something is ready still. True: it is in debt (W5), and
    /// [`settle`](Results::settle) is due.
    #[must_use]
    pub fn push(&self, item: Box<T>, more: bool) -> bool {
        let mut item = item;
        if self.sum.load(Ordering::Acquire) == 0 {
            item = match self.slot.give(item) {
                Ok(()) => return !self.shared.looking.load(Ordering::Relaxed),
                Err(item) => item,
            };
        }
        self.push_behind(item, more);
        false
    }

    /// Adds a result behind all that wait, and makes the edge if it is due.
    pub fn push_behind(&self, item: Box<T>, more: bool) {
        let mut arrived = lock(&self.shared.arrived);
        if !self.shared.looking.load(Ordering::Relaxed) {
            // What waits in the slot came first. With the owner looking it may stay there.
            self.empty_slot(&mut arrived);
        }
        arrived.lanes.put(item.priority(), item);
        self.publish(arrived, more);
    }

    /// Is there a result in the slot?
    pub fn in_debt(&self) -> bool {
        self.slot.is_full()
    }

    /// Makes the edge for what waits in the slot, unless the owner has it or looks for it.
    pub fn settle(&self) {
        if self.slot.is_full() {
            let mut arrived = lock(&self.shared.arrived);
            if !self.shared.looking.load(Ordering::Relaxed) && self.empty_slot(&mut arrived) {
                self.publish(arrived, false);
            }
        }
    }

    /// Moves what waits in the slot to the lanes. Under the lock, with the owner not looking:
    /// then the lanes hold nothing that came later, because a result goes there past a full
    /// slot only while the owner looks, and the owner empties the slot before it stops.
    fn empty_slot(&self, arrived: &mut Arrived<T>) -> bool {
        if !self.slot.is_full() {
            return false;
        }
        match self.slot.withdraw() {
            Some(item) => {
                arrived.lanes.put(item.priority(), item);
                true
            }
            None => false,
        }
    }

    /// Lets others see what has been put into the lanes.
    fn publish(&self, mut arrived: MutexGuard<'_, Arrived<T>>, more: bool) {
        self.sum.store(sum(&arrived.lanes), Ordering::Release);
        // Pairs with the one in `Batch::take`: either the owner sees this result there, or we
        // see here that it has stopped looking.
        fence(Ordering::SeqCst);
        let spared = more && arrived.lanes.len() < arrived.wanted;
        if !arrived.announced && !spared && !self.shared.looking.load(Ordering::Relaxed) {
            arrived.announced = true;
            self.edge.signal();
        }
    }
}

/// The owner's half: what it has moved over already.
#[derive(Debug)]
pub struct Batch<T> {
    lanes: RefCell<Lanes<Box<T>>>,
    /// From the slot. It came before everything in the shared lanes, and was not announced.
    lone: RefCell<Option<Box<T>>>,
    /// The slot has been opened and not been emptied by us since.
    offered: Cell<bool>,
    /// `looking` as we set it.
    looks: Cell<bool>,
    /// `wanted` as we set it is not 0 (W6): the ways past the lock are shut until it is.
    gathers: Cell<bool>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch {
            lanes: RefCell::new(Lanes::new()),
            lone: RefCell::new(None),
            offered: Cell::new(false),
            looks: Cell::new(false),
            gathers: Cell::new(false),
        }
    }
}

impl<T: Ranked> Batch<T> {
    pub fn new() -> Batch<T> {
        Batch::default()
    }

    /// Opens the slot if nothing waits: the owner is going to look for the next result soon.
    pub fn expect<E: Edge>(&self, results: &Results<T, E>) {
        if !self.offered.get()
            && self.lanes.borrow().is_empty()
            && results.sum.load(Ordering::Relaxed) == 0
            && !self.lone.borrow().is_some()
        {
            self.offered.set(results.slot.offer());
        }
    }

    /// Does a result wait? If so it cannot get out of our sight any more.
    pub fn waits<E: Edge>(&self, results: &Results<T, E>) -> bool {
        !self.lanes.borrow().is_empty()
            || (results.slot.is_full() && self.collect(results))
            || self.lone.borrow().is_some()
            || results.sum.load(Ordering::Acquire) != 0
    }

    /// Do so many results wait, or some, and `more` says that no more are to come?
    pub fn waits_for<E: Edge>(
        &self,
        results: &Results<T, E>,
        wanted: usize,
        more: impl Fn() -> bool,
    ) -> bool {
        let arrived = results.sum.load(Ordering::Acquire) >> 16;
        arrived as usize >= wanted || (!more() && self.waits(results))
    }

    /// Shuts the slot and takes over what is there. True: something was.
    fn collect<E: Edge>(&self, results: &Results<T, E>) -> bool {
        if !self.offered.replace(false) {
            return false;
        }
        match results.slot.withdraw() {
            // The slot is opened only while nothing waits, so there is no other lone one.
            Some(item) => {
                self.lone.replace(Some(item));
                true
            }
            None => false,
        }
    }

    /// Takes over the slot's result into our lanes.
    fn collect_into<E: Edge>(&self, results: &Results<T, E>, mine: &mut Lanes<Box<T>>) {
        self.collect(results);
        if let Some(item) = self.lone.take() {
            mine.put(item.priority(), item);
        }
    }

    /// From now on the owner watches [`waits`](Batch::waits). It ends this by `take`, `announce`
    /// or, if nothing waits, `settle`.
    pub fn look<E: Edge>(&self, results: &Results<T, E>) {
        self.expect(results);
        self.looks.set(true);
        results.shared.looking.store(true, Ordering::Relaxed);
    }

    /// Stops looking if nothing waits. True: results wait, and it is still the owner's turn
    /// (`take` or `announce`). False: none wait, and the next one makes the descriptor readable.
    pub fn settle<E: Edge>(&self, results: &Results<T, E>) -> bool {
        self.settle_for(results, 0)
    }

    /// As [`settle`](Batch::settle), but it takes `wanted` results to make the descriptor
    /// readable while more are to come (W6). The owner blocks for a short time only, and then
    /// calls `take` or `announce`, or looks again.
    pub fn settle_for<E: Edge>(&self, results: &Results<T, E>, wanted: usize) -> bool {
        let mut arrived = lock(&results.shared.arrived);
        let mut mine = self.lanes.borrow_mut();
        self.collect_into(results, &mut mine);
        if !mine.is_empty() || !arrived.lanes.is_empty() {
            return true;
        }
        self.stop_looking(results);
        self.want(&mut arrived, wanted);
        false
    }

    /// So many results make the edge while more are to come (W6); 0 and 1: the next one does.
    fn want(&self, arrived: &mut Arrived<T>, wanted: usize) {
        arrived.wanted = wanted;
        self.gathers.set(wanted > 0);
    }

    /// Only after the slot has been emptied.
    fn stop_looking<E: Edge>(&self, results: &Results<T, E>) {
        self.looks.set(false);
        results.shared.looking.store(false, Ordering::Relaxed);
    }

    /// Makes W1 true whatever was spared, and counts the results that wait.
    pub fn announce<E: Edge>(&self, results: &Results<T, E>) -> usize {
        let mut arrived = lock(&results.shared.arrived);
        let mut mine = self.lanes.borrow_mut();
        self.collect_into(results, &mut mine);
        self.stop_looking(results);
        self.want(&mut arrived, 0);
        let waiting = arrived.lanes.len() + mine.len();
        if waiting > 0 && !arrived.announced {
            arrived.announced = true;
            results.edge.signal();
        }
        waiting
    }

    /// Takes the next result by W4, and leaves W1 true.
    pub fn take<E: Edge>(&self, results: &Results<T, E>) -> Option<Box<T>> {
        let mut mine = self.lanes.borrow_mut();
        if mine.is_empty() {
            self.collect(results);
            if let Some(item) = self.lone.take() {
                if self.looks.get() {
                    self.stop_looking(results);
                    // Pairs with the one in `Results::publish`.
                    fence(Ordering::SeqCst);
                }
                if results.sum.load(Ordering::Acquire) == 0 && !self.gathers.get() {
                    // Nothing else waits, and this one was never announced.
                    return Some(item);
                }
                mine.put(item.priority(), item);
            } else if results.sum.load(Ordering::Acquire) == 0
                && !self.gathers.get()
                && !self.looks.get()
            {
                return None;
            }
        } else if mine.len() > 1 {
            let shared = results.sum.load(Ordering::Acquire) as u16;
            if shared.leading_zeros() >= mine.mask().leading_zeros() {
                // What is left keeps the descriptor readable, as it was (W1).
                return mine.take();
            }
        }
        let mut arrived = lock(&results.shared.arrived);
        self.collect_into(results, &mut mine);
        self.stop_looking(results);
        self.want(&mut arrived, 0);
        if !arrived.lanes.is_empty() {
            mine.append(&mut arrived.lanes);
            results.sum.store(0, Ordering::Relaxed);
        }
        let item = mine.take();
        if mine.is_empty() == arrived.announced {
            arrived.announced = !arrived.announced;
            if arrived.announced {
                results.edge.signal();
            } else {
                results.edge.drain();
            }
        }
        item
    }

    /// Takes everything there is, and leaves the descriptor unreadable.
    pub fn clear<E: Edge>(&self, results: &Results<T, E>) -> Lanes<Box<T>> {
        let mut arrived = lock(&results.shared.arrived);
        let mut all = self.lanes.replace(Lanes::new());
        self.collect_into(results, &mut all);
        self.stop_looking(results);
        self.want(&mut arrived, 0);
        results.sum.store(0, Ordering::Relaxed);
        all.append(&mut arrived.lanes);
        if arrived.announced {
            arrived.announced = false;
            results.edge.drain();
        }
        all
    }
}
