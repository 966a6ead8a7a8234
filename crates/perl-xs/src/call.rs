//! Calls in both directions: entries that perl calls, and callbacks that we call.

use std::cell::Cell;
use std::ffi::{c_int, c_void, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

use perl_sys::{self as sys, Entry, Interpreter, Outcome, SV};

use crate::{Fail, Owned, Perl, Result, Sv};

/// What an entry gives back.
pub enum Returns {
    Nothing,
    One(Owned),
    /// A scalar that needs no reference: `undef`, true, false.
    Constant(Sv),
    List(Vec<Owned>),
}

/// The Rust side of an XSUB.
pub type Body = fn(Perl, &Args) -> Result<Returns>;

struct Definition {
    body: Body,
    data: *const c_void,
}

const INLINE: usize = 8;

/// The arguments of a call.
///
/// They are copied off perl's stack, which moves when Perl code runs. perl's stack does not
/// count references, so before Perl code runs the arguments are kept alive by temporaries.
pub struct Args<'a> {
    perl: Perl,
    given: &'a [*mut SV],
    kept: Cell<bool>,
    data: *const c_void,
    name: &'static str,
}

impl Args<'_> {
    pub fn len(&self) -> usize {
        self.given.len()
    }

    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The name that was defined, with its package.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the definition said.
    pub fn data(&self) -> *const c_void {
        self.data
    }

    /// Argument `i` as it is.
    #[inline]
    pub fn raw(&self, i: usize) -> Option<Sv> {
        // SAFETY: an argument lives as long as the call, by the caller or by `keep`.
        self.given.get(i).map(|&sv| unsafe { Sv::from_raw(sv) })
    }

    /// The value of argument `i`; `undef` where there is none.
    ///
    /// Perl: runs Perl code if it is magical.
    #[inline]
    pub fn get(&self, i: usize) -> Result<Sv> {
        let Some(sv) = self.raw(i) else {
            return Ok(self.perl.undef());
        };
        let view = sv.view();
        if view.is_magical() {
            self.keep();
            return self.perl.fetch(sv);
        }
        if view.is_ref() && !view.is_simple_ref() {
            // Using it may run Perl code.
            self.keep();
        }
        Ok(sv)
    }

    /// As [`get`](Args::get), for a conversion to a number. That may warn, and a warn handler may
    /// drop the arguments.
    #[inline]
    pub fn get_number(&self, i: usize) -> Result<Sv> {
        let sv = self.get(i)?;
        if !sv.view().has_number() {
            self.keep();
        }
        Ok(sv)
    }

    /// Keeps all arguments alive while Perl code runs.
    pub fn keep(&self) {
        if !self.kept.replace(true) {
            for &sv in self.given {
                // SAFETY: they are alive now; the new reference goes to perl's temporaries.
                unsafe {
                    sys::xs_inc(sv);
                    sys::xs_mortal(sv);
                }
            }
        }
    }

    /// Called in void context (0), scalar (1) or list (2)?
    pub fn context(&self) -> i32 {
        // SAFETY: X1.
        unsafe { sys::xs_gimme(self.perl.raw()) }
    }

    pub fn is_void(&self) -> bool {
        self.context() == 0
    }
}

static PANIC_PREFIX: OnceLock<&str> = OnceLock::new();

/// What the croak that a panic becomes begins with.
pub fn set_panic_prefix(prefix: &'static str) {
    let _ = PANIC_PREFIX.set(prefix);
}

/// The frame between the C stub and an entry's body.
///
/// # Safety
///
/// Called by the stub only: `args` are `items` live scalars, `entry` was made by `define`.
unsafe extern "C" fn run(
    perl: Interpreter,
    args: *const *mut SV,
    ax: c_int,
    items: c_int,
    entry: *const Entry,
    out: *mut Outcome,
) {
    // SAFETY: the stub passes its own interpreter.
    let perl = unsafe { Perl::from_raw(perl) };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `define` put a Definition there and keeps it for ever.
        let (definition, name) = unsafe {
            let entry = &*entry;
            let definition = &*(entry.data.cast::<(Definition, &'static str)>());
            (&definition.0, definition.1)
        };
        let mut inline = [std::ptr::null_mut(); INLINE];
        let more;
        // SAFETY: `items` scalars stand at `args`.
        let given = unsafe { std::slice::from_raw_parts(args, items as usize) };
        let given = match inline.get_mut(..given.len()) {
            Some(inline) => {
                inline.copy_from_slice(given);
                &*inline
            }
            None => {
                more = given.to_vec();
                &more[..]
            }
        };
        (definition.body)(
            perl,
            &Args {
                perl,
                given,
                kept: Cell::new(false),
                data: definition.data,
                name,
            },
        )
    }));

    let outcome = match outcome {
        Ok(outcome) => tell(perl, ax, outcome),
        Err(panic) => tell_panic(perl, panic),
    };
    // SAFETY: the stub's own local variable.
    unsafe { *out = outcome };
}

/// An entry's result as the stub wants it.
#[inline(never)] // keeps the frame of a nested call small
fn tell(perl: Perl, ax: c_int, outcome: Result<Returns>) -> Outcome {
    let (kind, n, sv) = match outcome {
        Ok(Returns::Nothing) => (sys::XS_RETURN, 0, std::ptr::null_mut()),
        Ok(Returns::One(sv)) => (sys::XS_RETURN, 1, mortal(sv)),
        Ok(Returns::Constant(sv)) => (sys::XS_RETURN, 1, sv.raw()),
        Ok(Returns::List(list)) => {
            let raw: Vec<*mut SV> = list.into_iter().map(mortal).collect();
            // SAFETY: X1; the values are mortal.
            unsafe { sys::xs_put(perl.raw(), ax, raw.len() as c_int, raw.as_ptr()) };
            (sys::XS_RETURN, raw.len() as c_int, std::ptr::null_mut())
        }
        Err(Fail::Croak(text)) => (sys::XS_CROAK, 0, mortal(perl.new_bytes(text.as_bytes()))),
        Err(Fail::Message(sv)) => (sys::XS_CROAK, 0, mortal(sv)),
        Err(Fail::Die(sv)) => (sys::XS_RETHROW, 0, mortal(sv)),
        Err(Fail::Jump(code)) => (sys::XS_JUMP, code, std::ptr::null_mut()),
    };
    Outcome { kind, n, sv }
}

#[cold]
#[inline(never)]
fn tell_panic(perl: Perl, panic: Box<dyn std::any::Any + Send>) -> Outcome {
    let what = panic
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".into());
    let prefix = PANIC_PREFIX.get().copied().unwrap_or("internal error:");
    let text = format!("{prefix} {what}; please report this");
    Outcome {
        kind: sys::XS_CROAK,
        n: 0,
        sv: mortal(perl.new_bytes(text.as_bytes())),
    }
}

fn mortal(sv: Owned) -> *mut SV {
    let raw = sv.sv().raw();
    drop(sv);
    raw
}

/// How a callback ended.
#[must_use]
pub enum Called {
    Returned,
    /// It died; here is what it threw.
    Died(Owned),
}

impl Perl {
    /// An XSUB. What it needs is kept for ever: subs are not undefined.
    fn entry(
        name: &'static str,
        proto: Option<&str>,
        body: Body,
        data: *const c_void,
    ) -> &'static Entry {
        let text = |s: &str| CString::new(s).unwrap_or_default().into_raw().cast_const();
        Box::leak(Box::new(Entry {
            run,
            name: text(name),
            proto: proto.map_or(std::ptr::null(), text),
            data: Box::leak(Box::new((Definition { body, data }, name))) as *const _
                as *const c_void,
        }))
    }

    /// Defines a sub.
    pub fn define(self, name: &'static str, proto: Option<&str>, body: Body) {
        self.define_with(name, proto, body, std::ptr::null())
    }

    /// Defines a sub whose body finds `data` in its [`Args`].
    pub fn define_with(
        self,
        name: &'static str,
        proto: Option<&str>,
        body: Body,
        data: *const c_void,
    ) {
        let entry = Perl::entry(name, proto, body, data);
        // SAFETY: X1; the entry lives for ever.
        unsafe { sys::xs_define(self.raw(), entry) }
    }

    /// Defines a constant, which perl inlines.
    pub fn define_constant(self, package: &CStr, name: &CStr, value: i64) {
        // SAFETY: X1; perl copies the names.
        unsafe { sys::xs_const(self.raw(), package.as_ptr(), name.as_ptr(), value) }
    }

    /// What the exported boot function does: defines one sub, which the loader calls next.
    ///
    /// # Safety
    ///
    /// `a` and `b` are what perl passed to the boot function.
    pub unsafe fn boot(a: *mut c_void, b: *mut c_void, name: &'static str, body: Body) {
        let entry = Perl::entry(name, None, body, std::ptr::null());
        // SAFETY: the caller's word; the entry lives for ever.
        unsafe { sys::xs_boot(a, b, entry) }
    }

    /// A code reference's body out of whatever stands for one (reference, glob, name, overloaded
    /// object); `None` if nothing does.
    ///
    /// Perl: overloading runs Perl code; a reference to something else dies.
    pub fn code(self, sv: Sv) -> Result<Option<Owned>> {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        match unsafe { sys::xs_code(self.raw(), sv.raw(), &mut out) } {
            // SAFETY: the shim gives one reference.
            0 => Ok(Some(unsafe { Owned::from_raw(out) })),
            -1 => Ok(None),
            code => Err(Fail::Jump(code)),
        }
    }

    /// Calls `code` in void context with `$!` set to `errno`.
    ///
    /// Perl: runs Perl code; may exit, re-enter any of our functions, move the argument stack.
    pub fn call(self, code: Sv, args: &[Sv], errno: i32) -> Result<Called> {
        // SAFETY: X1; an Sv is a transparent pointer to a live scalar, kept by the caller.
        self.called(|thrown| unsafe {
            let n = args.len() as c_int;
            sys::xs_call(
                self.raw(),
                code.raw(),
                args.as_ptr().cast(),
                n,
                errno,
                thrown,
            )
        })
    }

    /// What the shim says of a call under `G_EVAL`.
    pub(crate) fn called(self, call: impl FnOnce(*mut *mut SV) -> c_int) -> Result<Called> {
        let mut thrown = std::ptr::null_mut();
        match call(&mut thrown) {
            0 => Ok(Called::Returned),
            // SAFETY: the shim gives one reference.
            -1 => Ok(Called::Died(unsafe { Owned::from_raw(thrown) })),
            code => Err(Fail::Jump(code)),
        }
    }

    /// Runs `body`, which frees temporaries by [`Perl::free_temporaries`]: those made since, and
    /// no others. A jump out of it undoes this by itself.
    pub fn with_temporaries<T>(self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        // SAFETY: X1; in pairs unless a jump comes between.
        unsafe { sys::xs_enter_tmps(self.raw()) };
        let result = body();
        if !matches!(result, Err(Fail::Jump(_))) {
            // SAFETY: as above.
            unsafe { sys::xs_leave_tmps(self.raw()) };
        }
        result
    }

    /// Perl: temporaries that go may run destructors, which may exit.
    pub fn free_temporaries(self) -> Result<()> {
        // SAFETY: X1.
        crate::jump(unsafe { sys::xs_free_tmps(self.raw()) })
    }

    /// Makes an exception a warning, as perl does for one from a destructor.
    ///
    /// Perl: a warn handler runs Perl code.
    pub fn warn_in_cleanup(self, error: Sv) -> Result<()> {
        // SAFETY: X1.
        crate::jump(unsafe { sys::xs_warn_cleanup(self.raw(), error.raw()) })
    }
}
