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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    struct Mapping {
        at: *mut u8,
        len: usize,
    }

    impl Mapping {
        fn new(file: &File, len: usize, prot: i32) -> Mapping {
            // SAFETY: a new mapping, wherever the kernel likes.
            let at = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    len,
                    prot,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                )
            };
            assert_ne!(at, libc::MAP_FAILED);
            Mapping { at: at.cast(), len }
        }

        fn part(&self, from: usize, len: usize) -> Buffer {
            assert!(from + len <= self.len);
            // SAFETY: within the mapping, which its user keeps.
            unsafe { Buffer::new(self.at.add(from), len) }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: made by mmap, with this length.
            unsafe { libc::munmap(self.at.cast(), self.len) };
        }
    }

    fn file(len: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len as u64).unwrap();
        file
    }

    const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

    #[test]
    fn ranges_are_widened_to_pages() {
        let page = sys::page_size();
        let map = Mapping::new(&file(3 * page), 3 * page, RW);
        let start = map.at as usize;
        assert_eq!(pages(&map.part(0, 1)), Ok((start, page)));
        assert_eq!(pages(&map.part(page - 1, 2)), Ok((start, 2 * page)));
        assert_eq!(pages(&map.part(page, page)), Ok((start + page, page)));
        assert_eq!(pages(&map.part(page + 9, 0)), Ok((start + page, 0)));
    }

    #[test]
    fn mappings_and_ordinary_memory_can_be_synced_touched_and_locked() {
        let page = sys::page_size();
        let map = Mapping::new(&file(3 * page), 3 * page - 100, RW);
        let mut plain = vec![7u8; 3 * page];
        // SAFETY: `plain` stays until the end.
        let plain_buf = unsafe { Buffer::new(plain.as_mut_ptr(), plain.len()) };
        for buf in [map.part(5, 2 * page), plain_buf, map.part(page, 0)] {
            assert_eq!(msync(&buf, libc::MS_SYNC), Ok(()));
            assert_eq!(msync(&buf, libc::MS_ASYNC), Ok(()));
            assert_eq!(mtouch(&buf, 0), Ok(()));
            assert_eq!(mtouch(&buf, MT_MODIFY), Ok(()));
            touch(&buf, false);
            touch(&buf, true);
        }
        assert!(plain.iter().all(|&c| c == 7));
        assert_eq!(
            msync(&map.part(0, page), libc::MS_SYNC | libc::MS_ASYNC),
            Err(libc::EINVAL)
        );
        match mlock(&map.part(page, 10)) {
            Err(libc::ENOMEM | libc::EPERM) => println!("skipped: locking memory is not allowed"),
            other => assert_eq!(other, Ok(())),
        }
        assert_eq!(mlockall(0), Err(libc::EINVAL));
        assert_eq!(mlockall(64), Err(libc::EINVAL));
    }

    #[test]
    fn touching_what_is_not_there_is_an_error_and_no_signal() {
        let page = sys::page_size();
        let short = Mapping::new(&file(page), 3 * page, RW);
        if sys::populate(short.at as usize, 0, true) == Err(libc::ENOSYS) {
            println!("skipped: this kernel cannot populate mappings");
            return;
        }
        assert_eq!(mtouch(&short.part(0, page), MT_MODIFY), Ok(()));
        assert_eq!(mtouch(&short.part(0, 3 * page), 0), Err(libc::EFAULT));
        assert_eq!(
            mtouch(&short.part(0, 3 * page), MT_MODIFY),
            Err(libc::EFAULT)
        );
        let readonly = Mapping::new(&file(page), page, libc::PROT_READ);
        assert_eq!(mtouch(&readonly.part(0, page), 0), Ok(()));
        assert!(mtouch(&readonly.part(0, page), MT_MODIFY).is_err());
    }
}
