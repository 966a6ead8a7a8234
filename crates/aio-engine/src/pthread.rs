//! Locks of the C library, for `--cfg helgrind` alone.
//!
//! helgrind and DRD see a lock by the C library's functions for it. The standard library's locks
//! call none, so each access that they guard would be reported as a race.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::Duration;

#[derive(Debug)]
pub struct Mutex<T> {
    /// In a box: it must not move.
    raw: Box<UnsafeCell<libc::pthread_mutex_t>>,
    value: UnsafeCell<T>,
}

// SAFETY: as for the standard library's: whoever locks it is the only one with the value.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex {
            raw: Box::new(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)),
            value: UnsafeCell::new(value),
        }
    }

    /// Never an error: nothing is poisoned here.
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, ()> {
        // SAFETY: initialised, and in its place as long as it lives.
        unsafe { libc::pthread_mutex_lock(self.raw.get()) };
        Ok(MutexGuard(self))
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        unsafe { libc::pthread_mutex_destroy(self.raw.get()) };
    }
}

#[derive(Debug)]
pub struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the lock is held.
        unsafe { libc::pthread_mutex_unlock(self.0.raw.get()) };
    }
}

#[derive(Debug)]
pub struct Condvar(Box<UnsafeCell<libc::pthread_cond_t>>);

// SAFETY: made to be used by any thread.
unsafe impl Send for Condvar {}
// SAFETY: as above.
unsafe impl Sync for Condvar {}

impl Condvar {
    pub fn new() -> Condvar {
        Condvar(Box::new(UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER)))
    }

    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> Result<MutexGuard<'a, T>, ()> {
        // SAFETY: both live, and the lock is held.
        unsafe { libc::pthread_cond_wait(self.0.get(), guard.0.raw.get()) };
        Ok(guard)
    }

    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> Result<(MutexGuard<'a, T>, ()), ()> {
        // SAFETY: a timespec is plain data; the rest as above.
        unsafe {
            let mut end: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut end);
            let ns = end.tv_nsec as u64 + u64::from(timeout.subsec_nanos());
            end.tv_sec += (timeout.as_secs() + ns / 1_000_000_000) as libc::time_t;
            end.tv_nsec = (ns % 1_000_000_000) as _;
            libc::pthread_cond_timedwait(self.0.get(), guard.0.raw.get(), ptr::from_ref(&end));
        }
        Ok((guard, ()))
    }

    pub fn notify_one(&self) {
        // SAFETY: it lives.
        unsafe { libc::pthread_cond_signal(self.0.get()) };
    }

    pub fn notify_all(&self) {
        // SAFETY: it lives.
        unsafe { libc::pthread_cond_broadcast(self.0.get()) };
    }
}

impl Drop for Condvar {
    fn drop(&mut self) {
        // SAFETY: nobody waits any more.
        unsafe { libc::pthread_cond_destroy(self.0.get()) };
    }
}
