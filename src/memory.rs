//! The allocator of the Rust side: the system's, with perl's manners.
//!
//! Where memory is short, perl says so and exits. Rust would abort, with a core dump. Sizes that
//! the user gives are reserved fallibly and are no reason to end: a failure above `SMALL` is
//! handed on to the code that asked.

use std::alloc::{GlobalAlloc, Layout, System};

/// Nothing of this size or more is allocated without a look at the result.
const SMALL: usize = 64 << 10;

pub struct PerlManners;

#[global_allocator]
static ALLOCATOR: PerlManners = PerlManners;

#[cold]
fn out_of_memory() -> ! {
    let text = b"Out of memory!\n";
    // SAFETY: two system calls on constant data; nothing is to be trusted to work any more.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(1)
    }
}

fn checked(ptr: *mut u8, size: usize) -> *mut u8 {
    if ptr.is_null() && size < SMALL {
        out_of_memory();
    }
    ptr
}

// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for PerlManners {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.realloc(ptr, layout, size) }, size)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }
}
