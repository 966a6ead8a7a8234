//! Operations on memory. Ranges are widened to whole pages.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::job::Buffer;
use crate::sys::{self, Res};

/// `aio_mtouch`: write, too.
pub const MT_MODIFY: i32 = 1;

/// msync(2)
pub fn msync(buf: &Buffer, flags: i32) -> Res<()> {
    let (start, len) = pages(buf)?;
    sys::msync(start, len, flags)
}

/// Brings the pages in, with MT_MODIFY as if they had been written to. Content does not change.
///
/// Linux does it in one call (since 5.14) that reports pages which cannot be had: EFAULT beyond
/// the end of a mapped file, EINVAL for a protected mapping. Without that call every page is
/// touched, and the same mistakes are a signal.
pub fn mtouch(buf: &Buffer, flags: i32) -> Res<()> {
    let (start, len) = pages(buf)?;
    let modify = flags & MT_MODIFY != 0;
    match sys::populate(start, len, modify) {
        Err(libc::ENOSYS) => {
            touch(buf, modify);
            Ok(())
        }
        other => other,
    }
}

/// mlock(2)
pub fn mlock(buf: &Buffer) -> Res<()> {
    let (start, len) = pages(buf)?;
    sys::mlock(start, len)
}

/// mlockall(2)
pub fn mlockall(flags: i32) -> Res<()> {
    sys::mlockall(flags)
}

/// Start and length of the pages that hold the buffer. Nothing is no page, wherever it is.
fn pages(buf: &Buffer) -> Res<(usize, usize)> {
    let mask = sys::page_size() - 1;
    let at = buf.as_ptr() as usize;
    let start = at & !mask;
    if buf.is_empty() {
        return Ok((start, 0));
    }
    let end = at
        .checked_add(buf.len())
        .and_then(|end| end.checked_add(mask))
        .ok_or(libc::ENOMEM)?
        & !mask;
    Ok((start, end - start))
}

/// One byte of every page, beginning with the first of the buffer.
fn touch(buf: &Buffer, modify: bool) {
    let page = sys::page_size();
    let start = buf.as_ptr() as usize;
    let mut n = 0;
    while n < buf.len() {
        // SAFETY: J1: the buffer is readable, and writable for operations that write to it.
        // Atomic, because the program may use its memory meanwhile; adding no bits changes
        // nothing, and cannot undo what others write.
        let byte = unsafe { AtomicU8::from_ptr(buf.as_ptr().add(n)) };
        if modify {
            byte.fetch_or(0, Ordering::Relaxed);
        } else {
            std::hint::black_box(byte.load(Ordering::Relaxed));
        }
        // On to the first byte of the next page.
        n += page - (start + n) % page;
    }
}
