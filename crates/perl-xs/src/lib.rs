//! A safe layer over `perl-sys` for writing Perl extensions.
//!
//! X1  A [`Perl`] is proof of being on the interpreter's thread; it cannot be sent.
//! X2  Whatever can run Perl code returns a [`Result`]; [`Fail::Jump`] is a die, exit or last on
//!     its way out and must be passed on with `?`.
//! X3  Dropping an [`Owned`] scalar never runs Perl code: its reference goes to perl's
//!     temporaries. [`Perl::release`] drops it here and now, and is fallible.
//! X4  A panic in an entry becomes a croak.
//!
//! Knows nothing of files. `scalar.rs` has the scalars, `call.rs` entries and callbacks.

mod call;
mod scalar;

pub use call::{set_panic_prefix, Args, Body, Called, Returns};
pub use perl_sys::Number;
pub use scalar::{lend_buffer, Mapping, Owned, Room, Sv, View};

use std::borrow::Cow;
use std::ffi::{c_int, c_long};
use std::marker::PhantomData;
use std::time::Duration;

/// The interpreter, on its thread (X1).
#[derive(Clone, Copy)]
pub struct Perl {
    raw: perl_sys::Interpreter,
    _thread: PhantomData<*mut ()>,
}

/// Why an entry does not return.
#[derive(Debug)]
pub enum Fail {
    /// A message; perl adds where it was called.
    Croak(Cow<'static, str>),
    /// The same, in a scalar that may hold any octets.
    Message(Owned),
    /// An exception that has been thrown before and goes on unchanged.
    Die(Owned),
    /// A jump in flight (X2).
    Jump(c_int),
}

pub type Result<T> = std::result::Result<T, Fail>;

impl Fail {
    pub fn croak<T>(message: impl Into<Cow<'static, str>>) -> Result<T> {
        Err(Fail::Croak(message.into()))
    }
}

/// What a jump code of the shim means (C1).
pub(crate) fn jump(code: c_int) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Fail::Jump(code)),
    }
}

impl Perl {
    /// # Safety
    ///
    /// `raw` must be the interpreter that runs on this thread.
    pub unsafe fn from_raw(raw: perl_sys::Interpreter) -> Perl {
        Perl {
            raw,
            _thread: PhantomData,
        }
    }

    pub fn raw(self) -> perl_sys::Interpreter {
        self.raw
    }

    /// Have signals arrived whose handlers are still to be run?
    pub fn has_signals(self) -> bool {
        // SAFETY: X1.
        unsafe { perl_sys::xs_has_signals(self.raw) != 0 }
    }

    /// Runs the handlers of signals that have arrived.
    ///
    /// Perl: runs Perl code; may die.
    pub fn run_signal_handlers(self) -> Result<()> {
        // SAFETY: X1.
        jump(unsafe { perl_sys::xs_signals(self.raw) })
    }

    /// Waits until `fd` is readable; `false` if something else ended the wait: the time (none: for
    /// ever), or a signal whose handler is to be run.
    ///
    /// Perl: a handler that perl runs at once may die.
    pub fn wait_readable(self, fd: c_int, time: Option<Duration>) -> Result<bool> {
        let us = time.map_or(-1, |time| {
            time.as_micros().clamp(1, 1_000_000_000) as c_long
        });
        let mut readable = 0;
        // SAFETY: X1.
        jump(unsafe { perl_sys::xs_wait_fd(self.raw, fd, us, &mut readable) })?;
        Ok(readable != 0)
    }

    pub fn errno(self) -> i32 {
        // SAFETY: no preconditions.
        unsafe { perl_sys::xs_errno() }
    }

    pub fn set_errno(self, errno: i32) {
        // SAFETY: no preconditions.
        unsafe { perl_sys::xs_set_errno(errno) }
    }

    /// Registers what runs when the interpreter is taken down, before its scalars are.
    ///
    /// Only one interpreter at a time may do so: it is the one that uses this layer.
    pub fn at_exit(self, run: unsafe extern "C" fn(perl_sys::Interpreter)) {
        // SAFETY: X1.
        unsafe {
            perl_sys::xs_claim(self.raw);
            perl_sys::xs_at_exit(self.raw, run)
        }
    }

    /// Descriptors above this one are not inherited by `exec` (`$^F`).
    pub fn max_system_fd(self) -> c_int {
        // SAFETY: X1.
        unsafe { perl_sys::xs_maxsysfd(self.raw) }
    }

    /// The size of perl's stat cache, to be compared with that of `libc::stat`.
    pub fn stat_size() -> usize {
        // SAFETY: no preconditions.
        unsafe { perl_sys::xs_stat_size() }
    }

    /// Sets perl's stat cache. `None` is a stat that failed.
    ///
    /// # Safety
    ///
    /// `st` points at a `struct stat` of the size that [`Perl::stat_size`] tells.
    pub unsafe fn set_stat(self, st: Option<*const std::ffi::c_void>, lstat: bool) {
        // SAFETY: X1, and the caller's word.
        unsafe { perl_sys::xs_set_stat(self.raw, st.unwrap_or(std::ptr::null()), lstat as c_int) }
    }

    /// perl's stat cache.
    pub fn stat_cache(self) -> *const std::ffi::c_void {
        // SAFETY: X1.
        unsafe { perl_sys::xs_get_stat(self.raw) }
    }
}
