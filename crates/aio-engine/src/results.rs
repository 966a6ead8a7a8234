//! Results: from the workers to the owner, and the descriptor that announces them.
//!
//! W1  Between two calls of the owner, the descriptor is readable exactly while a result waits
//!     (from the moment a worker has it announced, see W3).
//! W2  Both edges are made with the result lock held, so none can be lost or doubled.
//! W3  A worker spares the edge while the owner is looking ([`Results::look`]). The owner then
//!     either takes all there is, or makes the edge itself before it lets go.
//! W4  [`Results::take`] returns a result of the highest priority present, of those the one
//!     that arrived first.
//!
//! Workers put results into the shared lanes. The owner moves them into lanes of its own, all
//! at once, so that it takes the lock once for a batch.
//!
//! Not here: what makes the descriptor readable (`pipe.rs`), how results come about
//! (`worker.rs`).

use std::cell::RefCell;

use crate::job::Priority;
use crate::lanes::Lanes;
use crate::pipe::Edge;
use crate::sync::{lock, AtomicBool, AtomicU16, Mutex, Ordering, Padded};

/// The half that workers see.
#[derive(Debug)]
pub struct Results<T, E> {
    shared: Padded<Shared<T>>,
    /// The mask of the shared lanes, for a look without the lock. Written under the lock.
    mask: Padded<AtomicU16>,
    edge: E,
}

/// `looking` is written shortly before and read right after the lock is taken, so it sits on
/// the same cache line.
#[derive(Debug)]
#[repr(C)]
struct Shared<T> {
    /// The owner watches `mask` and needs no edge (W3). Set by the owner at any time, cleared
    /// by it under the lock: a worker that pushes before the clearing leaves its result where
    /// the owner then finds it, one that pushes afterwards sees the flag cleared.
    looking: AtomicBool,
    arrived: Mutex<Arrived<T>>,
}

#[derive(Debug)]
struct Arrived<T> {
    lanes: Lanes<T>,
    /// The descriptor is readable.
    announced: bool,
}

impl<T, E: Edge> Results<T, E> {
    pub fn new(edge: E) -> Results<T, E> {
        Results {
            shared: Padded(Shared {
                looking: AtomicBool::new(false),
                arrived: Mutex::new(Arrived {
                    lanes: Lanes::new(),
                    announced: false,
                }),
            }),
            mask: Padded(AtomicU16::new(0)),
            edge,
        }
    }

    /// Adds a result. Called by workers, and by the owner for what never executes.
    pub fn push(&self, priority: Priority, item: T) {
        let mut arrived = lock(&self.shared.arrived);
        arrived.lanes.put(priority, item);
        self.mask.store(arrived.lanes.mask(), Ordering::Release);
        if !arrived.announced && !self.shared.looking.load(Ordering::Relaxed) {
            arrived.announced = true;
            self.edge.signal();
        }
    }
}

/// The owner's half: what it has moved over already.
#[derive(Debug)]
pub struct Batch<T> {
    lanes: RefCell<Lanes<T>>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch {
            lanes: RefCell::new(Lanes::new()),
        }
    }
}

impl<T> Batch<T> {
    pub fn new() -> Batch<T> {
        Batch::default()
    }

    /// Does a result wait? May be called as often as one likes.
    pub fn waits<E: Edge>(&self, results: &Results<T, E>) -> bool {
        !self.lanes.borrow().is_empty() || results.mask.load(Ordering::Acquire) != 0
    }

    /// From now on the owner watches [`waits`](Batch::waits). It ends this by `take`, `settle`
    /// or `announce`.
    pub fn look<E: Edge>(&self, results: &Results<T, E>) {
        results.shared.looking.store(true, Ordering::Relaxed);
    }

    /// Stops looking. True: results wait, and it is still the owner's turn (`take` or
    /// `announce`). False: none wait, and the next one makes the descriptor readable.
    pub fn settle<E: Edge>(&self, results: &Results<T, E>) -> bool {
        let arrived = lock(&results.shared.arrived);
        let waits = !arrived.lanes.is_empty() || !self.lanes.borrow().is_empty();
        if !waits {
            results.shared.looking.store(false, Ordering::Relaxed);
        }
        waits
    }

    /// Makes W1 true whatever was spared, and counts the results that wait.
    pub fn announce<E: Edge>(&self, results: &Results<T, E>) -> usize {
        let mut arrived = lock(&results.shared.arrived);
        results.shared.looking.store(false, Ordering::Relaxed);
        let waiting = arrived.lanes.len() + self.lanes.borrow().len();
        if waiting > 0 && !arrived.announced {
            arrived.announced = true;
            results.edge.signal();
        }
        waiting
    }

    /// Takes the next result by W4, and leaves W1 true.
    pub fn take<E: Edge>(&self, results: &Results<T, E>) -> Option<T> {
        let mut mine = self.lanes.borrow_mut();
        let shared = results.mask.load(Ordering::Acquire);
        if mine.is_empty() {
            if shared == 0 {
                return None;
            }
        } else if mine.len() > 1 && shared.leading_zeros() >= mine.mask().leading_zeros() {
            // What is left keeps the descriptor readable, as it was (W1).
            return mine.take();
        }
        let mut arrived = lock(&results.shared.arrived);
        results.shared.looking.store(false, Ordering::Relaxed);
        if !arrived.lanes.is_empty() {
            mine.append(&mut arrived.lanes);
            results.mask.store(0, Ordering::Relaxed);
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

    /// Takes everything there is, in no order, and leaves the descriptor unreadable.
    pub fn clear<E: Edge>(&self, results: &Results<T, E>) -> Lanes<T> {
        let mut arrived = lock(&results.shared.arrived);
        results.shared.looking.store(false, Ordering::Relaxed);
        results.mask.store(0, Ordering::Relaxed);
        let mut all = self.lanes.replace(Lanes::new());
        all.append(&mut arrived.lanes);
        if arrived.announced {
            arrived.announced = false;
            results.edge.drain();
        }
        all
    }
}
