//! Raw bindings to perl, by way of `shim.c`.
//!
//! Struct layouts and macros of perl.h are reached only through that file, which is compiled
//! against the perl that loads the module. What a function promises stands beside it there; the
//! C1 to C4 it cites are at its top. Functions that return a `c_int` named a jump code return 0,
//! or a code that must be handed to [`Outcome`] once every value with a destructor is gone.

use std::ffi::{c_char, c_int, c_long, c_void};

/// A perl scalar, array, hash or code: only ever behind a pointer.
#[repr(C)]
pub struct SV {
    _opaque: [u8; 0],
}

/// The interpreter. Null on no perl; ignored by an unthreaded one (C3).
pub type Interpreter = *mut c_void;

/// perl's IV and UV have the size of a pointer or more; the shim is built for 64-bit ones.
pub type IV = i64;
pub type UV = u64;

pub const XS_RETURN: c_int = 0;
pub const XS_CROAK: c_int = 1;
pub const XS_JUMP: c_int = 2;
pub const XS_RETHROW: c_int = 3;

/// What an entry tells the C stub to do once its own frame is gone (C4).
#[repr(C)]
pub struct Outcome {
    pub kind: c_int,
    /// `XS_RETURN`: how many results; `XS_JUMP`: the code.
    pub n: c_int,
    /// The one result, the message, or the exception: mortal.
    pub sv: *mut SV,
}

/// The Rust function behind an XSUB.
pub type Run = unsafe extern "C" fn(
    perl: Interpreter,
    args: *const *mut SV,
    ax: c_int,
    items: c_int,
    entry: *const Entry,
    out: *mut Outcome,
);

/// One XSUB: must live as long as the interpreter.
#[repr(C)]
pub struct Entry {
    pub run: Run,
    pub name: *const c_char,
    /// Null for none.
    pub proto: *const c_char,
    pub data: *const c_void,
}

// SAFETY: an Entry is read-only; what `data` points at is for its author to share safely.
unsafe impl Sync for Entry {}

/// A number by perl's rules.
#[repr(C)]
#[derive(Default, Clone, Copy, Debug)]
pub struct Number {
    /// 0: `iv` is exact; 1: only `uv` is; 2: neither (NaN, infinite, too large).
    pub kind: c_int,
    pub iv: IV,
    pub uv: UV,
    pub nv: f64,
}

/// Where a scalar has its flags, and what they mean; see the shim.
#[repr(C)]
pub struct Layout {
    pub flags: usize,
    pub defined: u32,
    pub reference: u32,
    pub string: u32,
    pub number: u32,
    pub integer: u32,
    pub magic: u32,
    pub readonly: u32,
    pub utf8: u32,
    pub cow: u32,
    pub object: u32,
    pub kind: u32,
    pub io: u32,
    pub code: u32,
    pub array: u32,
    pub hash: u32,
    pub glob: u32,
    pub lvalue: u32,
    pub glob_bits: u32,
    pub glob_body: u32,
}

pub const MAP_IN_USE: c_int = 2;
pub const MAP_SHARED_WITH_CLONE: c_int = 4;

extern "C" {
    pub static xs_layout: Layout;

    // entries
    pub fn xs_boot(a: *mut c_void, b: *mut c_void, entry: *const Entry);
    pub fn xs_claim(perl: Interpreter);
    pub fn xs_define(perl: Interpreter, entry: *const Entry);
    pub fn xs_const(perl: Interpreter, stash: *const c_char, name: *const c_char, value: IV);
    pub fn xs_put(perl: Interpreter, ax: c_int, n: c_int, svs: *const *mut SV);

    // reference counts
    pub fn xs_inc(sv: *mut SV);
    pub fn xs_refcnt(sv: *mut SV) -> u32;
    pub fn xs_mortal(sv: *mut SV);
    pub fn xs_dec(perl: Interpreter, sv: *mut SV) -> c_int;

    // looking at scalars
    pub fn xs_referent(sv: *mut SV) -> *mut SV;
    pub fn xs_fetch(perl: Interpreter, sv: *mut SV, out: *mut *mut SV) -> c_int;
    pub fn xs_number(perl: Interpreter, sv: *mut SV, out: *mut Number) -> c_int;
    pub fn xs_ivx(sv: *mut SV) -> IV;
    pub fn xs_nv(perl: Interpreter, sv: *mut SV, out: *mut f64) -> c_int;
    pub fn xs_looks_like_number(sv: *mut SV) -> c_int;
    pub fn xs_true(perl: Interpreter, sv: *mut SV, out: *mut c_int) -> c_int;
    pub fn xs_bytes(
        perl: Interpreter,
        sv: *mut SV,
        ptr: *mut *const c_char,
        len: *mut usize,
    ) -> c_int;
    pub fn xs_message(
        perl: Interpreter,
        value: *mut SV,
        text: *const c_char,
        len: usize,
        out: *mut *mut SV,
    ) -> c_int;

    // making scalars
    pub fn xs_undef() -> *mut SV;
    pub fn xs_yes_no(yes: c_int) -> *mut SV;
    pub fn xs_new_undef(perl: Interpreter) -> *mut SV;
    pub fn xs_new_iv(perl: Interpreter, iv: IV) -> *mut SV;
    pub fn xs_new_uv(perl: Interpreter, uv: UV) -> *mut SV;
    pub fn xs_new_nv(perl: Interpreter, nv: f64) -> *mut SV;
    pub fn xs_new_bytes(perl: Interpreter, ptr: *const c_char, len: usize) -> *mut SV;
    pub fn xs_new_copy(perl: Interpreter, sv: *mut SV) -> *mut SV;
    pub fn xs_new_ref(perl: Interpreter, sv: *mut SV) -> *mut SV;
    pub fn xs_new_ref_noinc(perl: Interpreter, sv: *mut SV) -> *mut SV;
    pub fn xs_new_av(perl: Interpreter, room: usize) -> *mut SV;
    pub fn xs_av_push(perl: Interpreter, av: *mut SV, sv: *mut SV);
    pub fn xs_av_len(perl: Interpreter, av: *mut SV) -> usize;
    pub fn xs_av_get(perl: Interpreter, av: *mut SV, i: usize, out: *mut *mut SV) -> c_int;
    pub fn xs_av_count(perl: Interpreter, av: *mut SV, n: *mut usize) -> c_int;
    pub fn xs_av_push_spans(
        perl: Interpreter,
        av: *mut SV,
        base: *const c_char,
        spans: *const [usize; 2],
        n: usize,
    );
    pub fn xs_new_hv(perl: Interpreter) -> *mut SV;
    pub fn xs_hv_store(perl: Interpreter, hv: *mut SV, key: *const c_char, len: usize, sv: *mut SV);
    pub fn xs_hv_get(
        perl: Interpreter,
        hv: *mut SV,
        key: *const c_char,
        len: usize,
        out: *mut *mut SV,
    ) -> c_int;
    pub fn xs_reuse_iv(perl: Interpreter, slot: *mut *mut SV, iv: IV) -> *mut SV;

    // callbacks
    pub fn xs_code(perl: Interpreter, sv: *mut SV, out: *mut *mut SV) -> c_int;
    pub fn xs_call(
        perl: Interpreter,
        cv: *mut SV,
        args: *const *mut SV,
        n: c_int,
        error: c_int,
        thrown: *mut *mut SV,
    ) -> c_int;
    pub fn xs_enter_tmps(perl: Interpreter);
    pub fn xs_free_tmps(perl: Interpreter) -> c_int;
    pub fn xs_leave_tmps(perl: Interpreter);
    pub fn xs_warn_cleanup(perl: Interpreter, error: *mut SV) -> c_int;
    pub fn xs_errno() -> c_int;
    pub fn xs_set_errno(error: c_int);

    // objects
    pub fn xs_bless_key(perl: Interpreter, rv: *mut SV, class: *const c_char, key: UV) -> c_int;
    pub fn xs_key(perl: Interpreter, body: *mut SV, key: *mut UV) -> c_int;
    pub fn xs_cut_key(perl: Interpreter, body: *mut SV);
    pub fn xs_derived_from(
        perl: Interpreter,
        sv: *mut SV,
        class: *const c_char,
        out: *mut c_int,
    ) -> c_int;
    pub fn xs_is_class(perl: Interpreter, body: *mut SV, class: *const c_char) -> c_int;

    // handles
    pub fn xs_handle_fd(
        perl: Interpreter,
        sv: *mut SV,
        output: c_int,
        refuse_io: c_int,
        plain: c_int,
        fd: *mut c_int,
        io: *mut *mut SV,
    ) -> c_int;
    pub fn xs_new_handle(perl: Interpreter, fd: c_int, mode: c_int, out: *mut *mut SV) -> c_int;
    pub fn xs_maxsysfd(perl: Interpreter) -> c_int;

    // the stat cache
    pub fn xs_stat_size() -> usize;
    pub fn xs_set_stat(perl: Interpreter, st: *const c_void, lstat: c_int);
    pub fn xs_get_stat(perl: Interpreter) -> *const c_void;

    // mapped memory
    pub fn xs_map_scalar(perl: Interpreter, sv: *mut SV, create: c_int, out: *mut *mut SV)
        -> c_int;
    pub fn xs_map_find(
        perl: Interpreter,
        sv: *mut SV,
        addr: *mut *mut c_char,
        len: *mut usize,
    ) -> c_int;
    pub fn xs_map_drop(perl: Interpreter, sv: *mut SV);
    pub fn xs_map_set(
        perl: Interpreter,
        sv: *mut SV,
        addr: *mut c_char,
        len: usize,
        readonly: c_int,
    ) -> c_int;
    pub fn xs_map_move(perl: Interpreter, sv: *mut SV, addr: *mut c_char, len: usize);

    // buffers
    pub fn xs_own_buffer(
        perl: Interpreter,
        sv: *mut SV,
        need: usize,
        ptr: *mut *mut c_char,
    ) -> c_int;
    pub fn xs_plain_buffer(perl: Interpreter, sv: *mut SV) -> *mut c_char;
    pub fn xs_pin(sv: *mut SV) -> usize;
    pub fn xs_unpin(sv: *mut SV, ptr: *mut c_char, cap: usize) -> c_int;
    pub fn xs_pin_plain(sv: *mut SV, from: usize, need: usize, ptr: *mut *mut c_char) -> usize;
    pub fn xs_unpin_filled(sv: *mut SV, ptr: *mut c_char, cap: usize, len: usize) -> c_int;
    pub fn xs_lacks_capacity(sv: *mut SV) -> c_int;
    pub fn xs_copy_in_clone(perl: Interpreter, sv: *mut SV) -> *mut SV;
    pub fn xs_lend(sv: *mut SV, ptr: *mut c_char, cap: usize);
    pub fn xs_free_buffer(ptr: *mut c_char);
    pub fn xs_set_readonly(sv: *mut SV, on: c_int);
    pub fn xs_finish_buffer(
        perl: Interpreter,
        sv: *mut SV,
        len: usize,
        own: c_int,
        thrown: *mut *mut SV,
    ) -> c_int;
    pub fn xs_set_bytes(
        perl: Interpreter,
        sv: *mut SV,
        ptr: *const c_char,
        len: usize,
        thrown: *mut *mut SV,
    ) -> c_int;
    pub fn xs_set_heap(
        perl: Interpreter,
        sv: *mut SV,
        ptr: *mut c_char,
        len: usize,
        cap: usize,
        thrown: *mut *mut SV,
    ) -> c_int;

    // waiting
    pub fn xs_wait_fd(perl: Interpreter, fd: c_int, us: c_long, readable: *mut c_int) -> c_int;
    pub fn xs_has_signals(perl: Interpreter) -> c_int;
    pub fn xs_signals(perl: Interpreter) -> c_int;

    // the interpreter
    pub fn xs_at_exit(perl: Interpreter, run: unsafe extern "C" fn(Interpreter));
    pub fn xs_gimme(perl: Interpreter) -> c_int;
    pub fn xs_is_multi() -> c_int;
}
