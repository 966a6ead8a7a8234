//! Nine queues, one for each priority.
//!
//! L1  `take` returns an item of the highest priority present, the one put there first.
//! L2  `mask` has bit *n* set exactly if lane *n* holds something.

use std::collections::VecDeque;

use crate::job::Priority;
use crate::room::KEPT;

/// First in, first out within a priority, higher priorities before lower ones.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: [VecDeque<T>; Priority::COUNT],
    mask: u16,
    len: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Lanes::new()
    }
}

impl<T> Lanes<T> {
    pub fn new() -> Lanes<T> {
        Lanes {
            lanes: Default::default(),
            mask: 0,
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One bit for each lane that is not empty; a higher bit is a higher priority (L2).
    pub fn mask(&self) -> u16 {
        self.mask
    }

    pub fn put(&mut self, priority: Priority, item: T) {
        let lane = priority.lane();
        self.lanes[lane].push_back(item);
        self.mask |= 1 << lane;
        self.len += 1;
    }

    /// Puts an item back that was taken: before all of its priority.
    pub fn put_back(&mut self, priority: Priority, item: T) {
        let lane = priority.lane();
        self.lanes[lane].push_front(item);
        self.mask |= 1 << lane;
        self.len += 1;
    }

    /// The item that is next by L1.
    pub fn first(&self) -> Option<&T> {
        self.lanes[self.highest()?].front()
    }

    /// The highest lane that holds something (L2).
    fn highest(&self) -> Option<usize> {
        let above = self.mask.leading_zeros() + 1;
        u16::BITS.checked_sub(above).map(|lane| lane as usize)
    }

    /// Takes the item that is next by L1.
    pub fn take(&mut self) -> Option<T> {
        let lane = self.highest()?;
        let queue = &mut self.lanes[lane];
        let item = queue.pop_front();
        if queue.is_empty() {
            self.mask &= !(1 << lane);
            if queue.capacity() > KEPT {
                *queue = VecDeque::new();
            }
        }
        self.len -= 1;
        item
    }

    /// Moves everything from `other` behind what is here, lane by lane.
    pub fn append(&mut self, other: &mut Lanes<T>) {
        if other.mask == 0 {
            return;
        }
        for (mine, theirs) in self.lanes.iter_mut().zip(&mut other.lanes) {
            if !theirs.is_empty() {
                if mine.is_empty() {
                    std::mem::swap(mine, theirs);
                } else {
                    mine.append(theirs);
                }
            }
        }
        self.mask |= other.mask;
        self.len += other.len;
        other.mask = 0;
        other.len = 0;
    }
}
