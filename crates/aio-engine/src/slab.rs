//! Values that one thread makes and another drops, many of them in one piece of memory.
//!
//! An allocator keeps what a thread frees for that thread. Values that workers make and the owner
//! drops would cost both of them the allocator's locks, and every page of a worker's memory a
//! system call. Here a worker fills a block front to back, and the block goes as a whole.
//!
//! B1  A place of a block is given out once.
//! B2  `left` counts the values of a block that live and the places not given out yet. Whoever
//!     brings it to 0 frees the block.

use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{fence, AtomicUsize, Ordering};

/// Places of a block.
const COUNT: usize = 256;

struct Block<T> {
    left: AtomicUsize,
    places: [MaybeUninit<T>; COUNT],
}

/// Gives `n` places or values of a block back.
///
/// # Safety
///
/// They must be among those that `left` counts, and nobody may use them any more.
unsafe fn give_back<T>(block: NonNull<Block<T>>, n: usize) {
    // SAFETY: B2: the block lives as long as something of it is counted. Not a reference to the
    // block: others write to its places.
    let left = unsafe { &*ptr::addr_of!((*block.as_ptr()).left) };
    if left.fetch_sub(n, Ordering::Release) == n {
        // What others did with their values comes before the end of the block.
        fence(Ordering::Acquire);
        // SAFETY: B2: this was the last, and `Slab::block` allocated it as a box.
        drop(unsafe { Box::from_raw(block.as_ptr()) });
    }
}

/// A maker of values, for one thread.
pub struct Slab<T> {
    block: Option<NonNull<Block<T>>>,
    /// Places given out.
    used: usize,
}

impl<T> Slab<T> {
    pub const fn new() -> Slab<T> {
        Slab {
            block: None,
            used: 0,
        }
    }

    pub fn put(&mut self, value: T) -> Placed<T> {
        if self.used == COUNT {
            // All its places belong to values now.
            self.block = None;
        }
        let block = *self.block.get_or_insert_with(|| {
            self.used = 0;
            Self::new_block()
        });
        // SAFETY: the block lives, because at least the place for this value is counted. Not a
        // reference to the block, as above.
        let place = unsafe {
            let place: *mut T = ptr::addr_of_mut!((*block.as_ptr()).places[self.used]).cast();
            place.write(value);
            NonNull::new_unchecked(place)
        };
        self.used += 1;
        Placed { place, block }
    }

    fn new_block() -> NonNull<Block<T>> {
        let mut block = Box::new(MaybeUninit::<Block<T>>::uninit());
        // SAFETY: `left` is all that has to be initialised, since places are MaybeUninit.
        unsafe {
            ptr::addr_of_mut!((*block.as_mut_ptr()).left).write(AtomicUsize::new(COUNT));
            NonNull::new_unchecked(Box::into_raw(block).cast())
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab::new()
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        if let Some(block) = self.block.filter(|_| self.used < COUNT) {
            // SAFETY: these places were never given out, and never will be.
            unsafe { give_back(block, COUNT - self.used) }
        }
    }
}

/// A value in a block; owns it as a box would.
pub struct Placed<T> {
    place: NonNull<T>,
    block: NonNull<Block<T>>,
}

// SAFETY: it is the only owner of its value (B1), and what it shares with others is an atomic.
unsafe impl<T: Send> Send for Placed<T> {}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `put` wrote the value, and nobody else refers to it (B1).
        unsafe { self.place.as_ref() }
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        // SAFETY: the value is ours, and this is its end.
        unsafe {
            ptr::drop_in_place(self.place.as_ptr());
            give_back(self.block, 1);
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Placed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// However makers and users share the work, each value is dropped once.
    #[test]
    fn values_live_as_long_as_their_places() {
        let counted = Arc::new(());
        let (send, receive) = std::sync::mpsc::channel::<Placed<(usize, Arc<()>)>>();
        let user = std::thread::spawn(move || receive.iter().map(|p| p.0).sum::<usize>());
        let mut kept = Vec::new();
        let mut slab = Slab::new();
        for n in 0..10 * COUNT + 7 {
            let value = slab.put((n, counted.clone()));
            match n % 3 {
                0 => drop(value),
                1 => send.send(value).unwrap(),
                _ => kept.push(value),
            }
        }
        drop((slab, send));
        let sent: usize = (0..10 * COUNT + 7).filter(|n| n % 3 == 1).sum();
        assert_eq!(user.join().unwrap(), sent);
        assert!(kept.iter().enumerate().all(|(i, p)| p.0 == 3 * i + 2));
        assert_eq!(Arc::strong_count(&counted), kept.len() + 1);
        drop(kept);
        assert_eq!(Arc::strong_count(&counted), 1);
        drop(Slab::<u8>::new());
    }
}
