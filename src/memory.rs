//! The allocator of the Rust side: the system's, with perl's manners.
//!
//! Where memory is short, perl says so and exits. Rust would abort, with a core dump. Sizes that
//! come from outside are reserved fallibly and are no reason to end: such a failure is handed on
//! to the code that asked.

use std::alloc::{GlobalAlloc, Layout, System};

use aio_engine::room::may_fail;

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

fn checked(ptr: *mut u8) -> *mut u8 {
    if ptr.is_null() && !may_fail() {
        out_of_memory();
    }
    ptr
}

// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for PerlManners {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's word.
        checked(unsafe { System.realloc(ptr, layout, size) })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }
}
