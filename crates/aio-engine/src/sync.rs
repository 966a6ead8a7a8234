//! The threading primitives that the queues use: those of the standard library, or loom's when
//! the model checker runs (`--cfg loom`), or the C library's under helgrind (`--cfg helgrind`).
//! Everything whose interleaving matters goes through here.

#[cfg(helgrind)]
pub use crate::pthread::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub use std::sync::atomic::{fence, AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
#[cfg(not(any(loom, helgrind)))]
pub use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub use loom::sync::{
    atomic::{fence, AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering},
    Condvar, Mutex, MutexGuard,
};

use std::time::Duration;

/// Locks `mutex`. A poisoned lock means that queue code panicked half-way: the queue can no
/// longer be trusted, so the process ends rather than lose or repeat a request.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|_| broken())
}

/// Waits for a signal, or until `timeout` has passed. For the model checker any time may have
/// passed at once.
pub fn wait<'a, T>(
    condvar: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, T> {
    #[cfg(loom)]
    if timeout.is_some() {
        drop(guard);
        loom::thread::yield_now();
        return lock(mutex);
    }
    let _ = mutex;
    match timeout {
        None => condvar.wait(guard).unwrap_or_else(|_| broken()),
        Some(timeout) => match condvar.wait_timeout(guard, timeout) {
            Ok((guard, _)) => guard,
            Err(_) => broken(),
        },
    }
}

fn broken() -> ! {
    #[cfg(loom)]
    panic!("a thread panicked with a queue locked");
    #[cfg(not(loom))]
    {
        eprintln!("IO::AIO internal error: a thread panicked with a queue locked");
        std::process::abort()
    }
}

/// Ends the process if it is dropped by a panic.
pub struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            broken();
        }
    }
}

/// A value on cache lines of its own (two, because processors fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
