//! A slot for one item: the way past a queue for somebody who waits at the other end.
//!
//! ```text
//!          offer (taker)            give (any giver)
//!   SHUT ───────────────► OPEN ─────────────────────► FULL
//!     ▲                    │                           │
//!     └────────────────────┴───── withdraw (anybody) ◄─┘
//! ```
//!
//! S1  An item that was given is withdrawn once, by whoever is first.

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// Null is shut, `OPEN` is open, everything else is an item.
#[derive(Debug)]
pub struct Slot<T>(AtomicPtr<T>);

/// An address that no box has. Never dereferenced.
fn open<T>() -> *mut T {
    static OPEN: u8 = 0;
    ptr::addr_of!(OPEN).cast_mut().cast()
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T> Slot<T> {
    /// Opens the slot. False: it was not shut, so somebody else waits at it or is about to find
    /// an item there.
    ///
    /// Never under helgrind, which knows no hand-over by atomics.
    pub fn offer(&self) -> bool {
        !cfg!(helgrind)
            && self
                .0
                .compare_exchange(ptr::null_mut(), open(), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed) == open()
    }

    pub fn is_full(&self) -> bool {
        let at = self.0.load(Ordering::Acquire);
        !at.is_null() && at != open()
    }

    /// Puts `item` into the slot if it is open.
    pub fn give(&self, item: Box<T>) -> Result<(), Box<T>> {
        if !self.is_open() {
            return Err(item);
        }
        let item = Box::into_raw(item);
        match self
            .0
            .compare_exchange(open(), item, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => Ok(()),
            // SAFETY: the pointer is from the box above; nobody else has seen it.
            Err(_) => Err(unsafe { Box::from_raw(item) }),
        }
    }

    /// Shuts the slot and returns the item that was there.
    pub fn withdraw(&self) -> Option<Box<T>> {
        let at = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        if at.is_null() || at == open() {
            return None;
        }
        // SAFETY: what is neither null nor `open()` came from `give`, and the swap took it out
        // of everybody's reach (S1).
        Some(unsafe { Box::from_raw(at) })
    }

    /// Shuts the slot if it is open. False: it was not.
    pub fn shut(&self) -> bool {
        self.0
            .compare_exchange(open(), ptr::null_mut(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        self.withdraw();
    }
}
