//! Memory that may be lacking.
//!
//! Sizes that come from outside, such as the length of a directory, are asked for with
//! [`reserve`], and the lack of memory is then an error of that request. All other memory is
//! simply used: an allocator that ends the process with a word of its own when there is none can
//! tell the two apart by [`may_fail`].

use std::cell::Cell;

use crate::sys::Res;

/// A queue, a table or a list of spare pieces that has become empty keeps room for so many, some
/// megabytes in all, and no more: a burst must not keep its memory for ever. What is freed at the
/// end of each burst goes back to the system, and comes again page by page.
pub const KEPT: usize = 32768;

thread_local! {
    static FALLIBLE: Cell<bool> = const { Cell::new(false) };
}

/// Room for `n` more, or ENOMEM with everything as it was.
pub fn reserve<T>(list: &mut Vec<T>, n: usize) -> Res<()> {
    if list.capacity() - list.len() >= n {
        return Ok(());
    }
    FALLIBLE.set(true);
    let reserved = list.try_reserve(n);
    FALLIBLE.set(false);
    reserved.map_err(|_| libc::ENOMEM)
}

/// Does whoever allocates on this thread look at the result?
pub fn may_fail() -> bool {
    FALLIBLE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error_and_changes_nothing() {
        let mut list = vec![1u64, 2];
        assert_eq!(reserve(&mut list, usize::MAX / 16), Err(libc::ENOMEM));
        assert_eq!(list, [1, 2]);
        assert!(!may_fail());
        assert_eq!(reserve(&mut list, 1000), Ok(()));
        assert!(list.capacity() >= 1002);
    }
}
