//! Cancel marks: one byte for each key, read by workers without a lock.
//!
//! M1  A mark never moves once it exists, so a running operation may hold a reference to it.
//! M2  A mark carries no data: whoever reads it acts on that byte alone, so relaxed access is
//!     enough. A mark set before a job is submitted is seen by its worker, because the ready
//!     lock orders the two.
//!
//! The memory is a list of chunks, each twice the size of the one before. It grows with the
//! highest key in use, which is why keys should be dense.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

use crate::job::Key;

/// Size of the first chunk, as a power of two.
const FIRST: u32 = 8;
/// Enough for every key: the chunks hold 2^8 + 2^9 + ... + 2^32 marks.
const CHUNKS: usize = (32 - FIRST + 1) as usize;

#[derive(Debug, Default)]
pub struct Marks {
    chunks: [OnceLock<Box<[AtomicU8]>>; CHUNKS],
}

/// Chunk of `key`, and its place there.
fn locate(key: Key) -> (usize, usize) {
    let n = u64::from(key) + (1 << FIRST);
    let top = 63 - n.leading_zeros();
    ((top - FIRST) as usize, (n - (1 << top)) as usize)
}

impl Marks {
    pub fn new() -> Marks {
        Marks::default()
    }

    /// The mark of `key`, made if it does not exist yet.
    pub fn of(&self, key: Key) -> &AtomicU8 {
        let (chunk, at) = locate(key);
        let chunk = self.chunks[chunk].get_or_init(|| {
            (0..1u64 << (chunk as u32 + FIRST))
                .map(|_| AtomicU8::new(0))
                .collect()
        });
        &chunk[at]
    }

    pub fn set(&self, key: Key) {
        self.of(key).store(1, Ordering::Relaxed);
    }

    pub fn clear(&self, key: Key) {
        // Workers read the neighbours of this byte all the time: it is rarely set, so look first.
        let mark = self.of(key);
        if mark.load(Ordering::Relaxed) != 0 {
            mark.store(0, Ordering::Relaxed);
        }
    }

    pub fn is_set(&self, key: Key) -> bool {
        self.of(key).load(Ordering::Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for key in 0..100_000 {
            assert_eq!(locate(key), expected, "key {key}");
            expected.1 += 1;
            if expected.1 == 1usize << (expected.0 as u32 + FIRST) {
                expected = (expected.0 + 1, 0);
            }
        }
        let (chunk, at) = locate(Key::MAX);
        assert!(chunk < CHUNKS && (at as u64) < 1 << (chunk as u32 + FIRST));
    }

    #[test]
    fn marks_are_independent() {
        let marks = Marks::new();
        for key in [0, 1, 255, 256, 257, 70_000] {
            assert!(!marks.is_set(key));
            marks.set(key);
            assert!(marks.is_set(key) && !marks.is_set(key + 2));
            marks.clear(key);
            assert!(!marks.is_set(key));
        }
    }
}
