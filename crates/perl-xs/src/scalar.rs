//! Scalars: borrowed and owned, looked at and made.

use std::ffi::{c_char, c_int, CStr};
use std::fmt;
use std::mem::ManuallyDrop;

use perl_sys::{self as sys, Number, IV, SV, UV};

use crate::{jump, Called, Fail, Perl, Result};

/// A scalar that somebody else keeps alive: an argument for the time of the call, a mortal until
/// perl's next statement, or what a table owns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct Sv(*mut SV);

/// One reference to a scalar. Dropping it hands the reference to perl's temporaries (X3).
pub struct Owned(*mut SV);

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Owned({:p})", self.0)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is ours to give away; sv_2mortal runs no Perl code.
        unsafe { sys::xs_mortal(self.0) }
    }
}

impl Owned {
    /// # Safety
    ///
    /// `raw` must be a scalar with one reference that nobody else counts on.
    pub unsafe fn from_raw(raw: *mut SV) -> Owned {
        Owned(raw)
    }

    pub fn into_raw(self) -> *mut SV {
        ManuallyDrop::new(self).0
    }

    pub fn sv(&self) -> Sv {
        Sv(self.0)
    }
}

/// What came of making room in a scalar.
pub enum Room {
    Yes(*mut u8),
    /// Its memory is not perl's to enlarge, or in use.
    CannotGrow,
    NoMemory,
}

/// Memory that is mapped to a scalar.
pub struct Mapping {
    pub addr: *mut u8,
    pub len: usize,
    /// A pinned buffer: it must stay where it is.
    pub in_use: bool,
    /// An interpreter that was cloned has a scalar with the same memory.
    pub shared: bool,
}

/// What kind of scalar it is, without running Perl code: its flags at one moment.
#[derive(Clone, Copy)]
pub struct View {
    flags: u32,
    sv: Sv,
}

fn layout() -> &'static sys::Layout {
    // SAFETY: a constant of the shim.
    unsafe { &*std::ptr::addr_of!(sys::xs_layout) }
}

macro_rules! views {
    ($($name:ident $mask:ident $doc:literal;)*) => {
        impl View {
            $(#[doc = $doc] #[inline] pub fn $name(self) -> bool { self.flags & layout().$mask != 0 })*
        }
    };
}

views! {
    is_defined defined "Anything but `undef`.";
    is_ref reference "A reference.";
    has_string string "Has a string value.";
    has_number number "Has a numeric value.";
    has_integer integer "Has an integer as its numeric value.";
    is_magical magic "Tied or otherwise magical to read.";
    is_readonly readonly "May not be modified.";
    is_cow cow "Shares its buffer with others.";
    is_object object "A blessed body.";
    is_utf8 utf8 "Its string is kept in UTF-8.";
}

macro_rules! kinds {
    ($($name:ident $kind:ident $doc:literal;)*) => {
        impl View {
            $(#[doc = $doc] #[inline] pub fn $name(self) -> bool { self.kind() == layout().$kind })*
        }
    };
}

kinds! {
    is_io io "An IO body.";
    is_code code "A code body.";
    is_array array "An array body.";
    is_hash hash "A hash body.";
}

impl View {
    fn kind(self) -> u32 {
        self.flags & layout().kind
    }

    /// A glob.
    #[inline]
    pub fn is_glob(self) -> bool {
        let layout = layout();
        self.flags & layout.glob_bits == layout.glob_body
            && (self.kind() == layout.glob || self.kind() == layout.lvalue)
    }

    /// A reference to code or to a glob. What others lead to may be overloaded or tied.
    #[inline]
    pub fn is_simple_ref(self) -> bool {
        self.sv.referent().is_some_and(|body| {
            let body = body.view();
            !body.is_object() && (body.is_code() || body.is_glob())
        })
    }
}

impl Sv {
    /// # Safety
    ///
    /// `raw` must stay a live scalar as long as the result is used.
    pub unsafe fn from_raw(raw: *mut SV) -> Sv {
        Sv(raw)
    }

    pub fn raw(self) -> *mut SV {
        self.0
    }

    #[inline]
    pub fn view(self) -> View {
        // SAFETY: an Sv is a live scalar, with its flags where the shim says.
        let flags = unsafe { self.0.byte_add(layout().flags).cast::<u32>().read() };
        View { flags, sv: self }
    }

    /// Another reference to the same scalar.
    pub fn own(self) -> Owned {
        // SAFETY: an Sv is a live scalar.
        unsafe { sys::xs_inc(self.0) };
        Owned(self.0)
    }

    /// What a reference refers to.
    pub fn referent(self) -> Option<Sv> {
        // SAFETY: it is a reference.
        self.view()
            .is_ref()
            .then(|| Sv(unsafe { sys::xs_referent(self.0) }))
    }

    /// The integer that it has, if that is its plain value; one above the signed range is wrapped.
    #[inline]
    pub fn integer(self) -> Option<IV> {
        let view = self.view();
        // SAFETY: it has one.
        (view.has_integer() && !view.is_magical()).then(|| unsafe { sys::xs_ivx(self.0) })
    }

    pub fn looks_like_number(self) -> bool {
        // SAFETY: an Sv is a live scalar.
        unsafe { sys::xs_looks_like_number(self.0) != 0 }
    }

    /// A string whose memory is not perl's to free: pinned, mapped, or shared.
    pub fn lacks_capacity(self) -> bool {
        // SAFETY: an Sv is a live scalar.
        unsafe { sys::xs_lacks_capacity(self.0) != 0 }
    }

    pub fn refcount(self) -> u32 {
        // SAFETY: an Sv is a live scalar.
        unsafe { sys::xs_refcnt(self.0) }
    }

    pub fn set_readonly(self, on: bool) {
        // SAFETY: an Sv is a live scalar; the flag has no other precondition.
        unsafe { sys::xs_set_readonly(self.0, on as c_int) }
    }
}

/// Changes what a pinned buffer looks like to whoever copies the scalar: with its capacity it is
/// copied, with 0 it is pinned again. Nothing if the scalar has another buffer by now.
///
/// # Safety
///
/// `ptr` and `cap` are what [`Perl::pin`] was about. The scalar is read-only while the buffer
/// looks ordinary.
pub unsafe fn lend_buffer(sv: Sv, ptr: *mut u8, cap: usize) {
    // SAFETY: the caller's word.
    unsafe { sys::xs_lend(sv.0, ptr.cast(), cap) }
}

impl Perl {
    /// While this interpreter is being cloned from another: its copy of a scalar of that one.
    pub fn copy_in_clone(self, sv: Sv) -> Option<Sv> {
        // SAFETY: X1; the address is only looked up.
        let copy = unsafe { sys::xs_copy_in_clone(self.raw(), sv.0) };
        (!copy.is_null()).then_some(Sv(copy))
    }

    /// Drops a reference here and now.
    ///
    /// Perl: the last one may run a destructor, which may exit.
    pub fn release(self, sv: Owned) -> Result<()> {
        // SAFETY: the reference is ours.
        jump(unsafe { sys::xs_dec(self.raw(), sv.into_raw()) })
    }

    /// Reads a magical scalar, once; a plain one is its own value.
    ///
    /// Perl: runs Perl code if the scalar is magical.
    pub fn fetch(self, sv: Sv) -> Result<Sv> {
        let mut out = sv.0;
        // SAFETY: X1; the shim leaves `out` a live scalar.
        jump(unsafe { sys::xs_fetch(self.raw(), sv.0, &mut out) })?;
        Ok(Sv(out))
    }

    /// Perl: may warn, and overloading may run Perl code.
    pub fn number(self, sv: Sv) -> Result<Number> {
        let mut n = Number::default();
        // SAFETY: X1.
        jump(unsafe { sys::xs_number(self.raw(), sv.0, &mut n) })?;
        Ok(n)
    }

    /// Perl: as [`Perl::number`].
    pub fn float(self, sv: Sv) -> Result<f64> {
        let mut n = 0.0;
        // SAFETY: X1.
        jump(unsafe { sys::xs_nv(self.raw(), sv.0, &mut n) })?;
        Ok(n)
    }

    /// Perl: overloading may run Perl code.
    pub fn truth(self, sv: Sv) -> Result<bool> {
        let mut yes = 0;
        // SAFETY: X1.
        jump(unsafe { sys::xs_true(self.raw(), sv.0, &mut yes) })?;
        Ok(yes != 0)
    }

    /// The octets of a scalar, `undef` being none; `None` if it has a character above 255. The
    /// slice is good until Perl code runs again.
    ///
    /// Perl: overloading may run Perl code.
    pub fn bytes<'a>(self, sv: Sv) -> Result<Option<&'a [u8]>> {
        let mut ptr: *const c_char = std::ptr::null();
        let mut len = 0;
        // SAFETY: X1.
        match unsafe { sys::xs_bytes(self.raw(), sv.0, &mut ptr, &mut len) } {
            0 if ptr.is_null() => Ok(Some(&[])),
            // SAFETY: the shim gives a buffer of that many octets, kept by the scalar or by
            // perl's temporaries.
            0 => Ok(Some(unsafe { std::slice::from_raw_parts(ptr.cast(), len) })),
            -1 => Ok(None),
            code => Err(Fail::Jump(code)),
        }
    }

    /// An error that says `VALUE: text`.
    ///
    /// Perl: overloading may run Perl code.
    pub fn complaint(self, value: Sv, text: &str) -> Fail {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        let code = unsafe {
            sys::xs_message(
                self.raw(),
                value.0,
                text.as_ptr().cast(),
                text.len(),
                &mut out,
            )
        };
        match code {
            0 => Fail::Message(Sv(out).own()),
            code => Fail::Jump(code),
        }
    }

    pub fn undef(self) -> Sv {
        // SAFETY: X1.
        Sv(unsafe { sys::xs_undef() })
    }

    /// perl's own true and false.
    pub fn boolean(self, yes: bool) -> Sv {
        // SAFETY: X1.
        Sv(unsafe { sys::xs_yes_no(yes as c_int) })
    }

    pub fn new_undef(self) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_undef(self.raw())) }
    }

    pub fn new_int(self, n: IV) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_iv(self.raw(), n)) }
    }

    pub fn new_uint(self, n: UV) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_uv(self.raw(), n)) }
    }

    pub fn new_float(self, n: f64) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_nv(self.raw(), n)) }
    }

    pub fn new_bytes(self, bytes: &[u8]) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe {
            Owned(sys::xs_new_bytes(
                self.raw(),
                bytes.as_ptr().cast(),
                bytes.len(),
            ))
        }
    }

    /// A copy of a scalar that has been fetched.
    pub fn new_copy(self, sv: Sv) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_copy(self.raw(), sv.0)) }
    }

    /// A reference to `body`, which keeps its own references.
    pub fn new_ref(self, body: Sv) -> Owned {
        // SAFETY: X1; a new scalar has one reference.
        unsafe { Owned(sys::xs_new_ref(self.raw(), body.0)) }
    }

    /// A reference that takes `body` over.
    pub fn into_ref(self, body: Owned) -> Owned {
        // SAFETY: X1; the body's reference goes to the new scalar.
        unsafe { Owned(sys::xs_new_ref_noinc(self.raw(), body.into_raw())) }
    }

    pub fn new_array(self, room: usize) -> Owned {
        // SAFETY: X1; a new array has one reference.
        unsafe { Owned(sys::xs_new_av(self.raw(), room)) }
    }

    pub fn push(self, array: &Owned, sv: Owned) {
        // SAFETY: X1; `array` was made by new_array.
        unsafe { sys::xs_av_push(self.raw(), array.0, sv.into_raw()) }
    }

    /// Pushes parts of one string: each span is offset and length.
    pub fn push_spans(self, array: &Owned, base: &[u8], spans: &[[usize; 2]]) {
        debug_assert!(spans.iter().all(|s| s[0] + s[1] <= base.len()));
        // SAFETY: X1; `array` was made by new_array, and the spans lie in `base`.
        unsafe {
            sys::xs_av_push_spans(
                self.raw(),
                array.0,
                base.as_ptr().cast(),
                spans.as_ptr(),
                spans.len(),
            )
        }
    }

    /// Number of elements of an array body.
    ///
    /// Perl: a tied array runs Perl code.
    pub fn array_len(self, array: Sv) -> Result<usize> {
        let mut n = 0;
        // SAFETY: X1.
        jump(unsafe { sys::xs_av_count(self.raw(), array.0, &mut n) })?;
        Ok(n)
    }

    /// Element of an array body, `None` where there is none.
    ///
    /// Perl: a tied array runs Perl code.
    pub fn array_get(self, array: Sv, i: usize) -> Result<Option<Sv>> {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        jump(unsafe { sys::xs_av_get(self.raw(), array.0, i, &mut out) })?;
        Ok((!out.is_null()).then_some(Sv(out)))
    }

    pub fn new_hash(self) -> Owned {
        // SAFETY: X1; a new hash has one reference.
        unsafe { Owned(sys::xs_new_hv(self.raw())) }
    }

    /// Stores into a plain hash made here.
    pub fn hash_store(self, hash: &Owned, key: &str, sv: Owned) {
        // SAFETY: X1; the value's reference goes to the hash.
        unsafe {
            sys::xs_hv_store(
                self.raw(),
                hash.0,
                key.as_ptr().cast(),
                key.len(),
                sv.into_raw(),
            )
        }
    }

    /// Perl: a tied hash runs Perl code.
    pub fn hash_get(self, hash: Sv, key: &str) -> Result<Option<Sv>> {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        jump(unsafe {
            sys::xs_hv_get(self.raw(), hash.0, key.as_ptr().cast(), key.len(), &mut out)
        })?;
        Ok((!out.is_null()).then_some(Sv(out)))
    }

    /// A number in the scalar of `slot` if nobody else refers to that, in a new one otherwise.
    pub fn reuse_int(self, slot: &mut Option<Owned>, n: IV) -> Sv {
        let mut raw = slot.take().map_or(std::ptr::null_mut(), Owned::into_raw);
        // SAFETY: X1; the shim takes the slot's reference and puts one back.
        let sv = unsafe { sys::xs_reuse_iv(self.raw(), &mut raw, n) };
        *slot = Some(Owned(raw));
        Sv(sv)
    }

    /// A reference to `body`, which becomes an object of a class and has a key tied to it that its
    /// copies do not share. Names of classes are constants: they are told apart by their address.
    ///
    /// Perl: may die (a restricted hash is no class).
    pub fn new_object(self, body: Owned, class: &'static CStr, key: UV) -> Result<Owned> {
        let object = self.into_ref(body);
        // SAFETY: X1.
        jump(unsafe { sys::xs_bless_key(self.raw(), object.0, class.as_ptr(), key) })?;
        Ok(object)
    }

    /// The key tied to a body: `None` if it never had one, 0 once it has been cut.
    pub fn key(self, body: Sv) -> Option<UV> {
        let mut key = 0;
        // SAFETY: X1.
        (unsafe { sys::xs_key(self.raw(), body.0, &mut key) } != 0).then_some(key)
    }

    pub fn cut_key(self, body: Sv) {
        // SAFETY: X1.
        unsafe { sys::xs_cut_key(self.raw(), body.0) }
    }

    /// Perl: may run an overridden `isa`.
    pub fn derived_from(self, sv: Sv, class: &CStr) -> Result<bool> {
        let mut yes = 0;
        // SAFETY: X1.
        jump(unsafe { sys::xs_derived_from(self.raw(), sv.0, class.as_ptr(), &mut yes) })?;
        Ok(yes != 0)
    }

    /// Is this body blessed into exactly that class?
    pub fn is_class(self, body: Sv, class: &'static CStr) -> bool {
        // SAFETY: X1.
        unsafe { sys::xs_is_class(self.raw(), body.0, class.as_ptr()) != 0 }
    }

    /// Descriptor and IO body of a handle: `None` if it is not one; a descriptor of −1 if it is
    /// closed, in memory, or a directory's. `before`: called before Perl code runs.
    ///
    /// Perl: layers written in Perl run; a glob without handle dies.
    pub fn handle(
        self,
        sv: Sv,
        output: bool,
        refuse_io: bool,
        before: impl FnOnce(),
    ) -> Result<Option<(c_int, Sv)>> {
        let mut fd = -1;
        let mut io = std::ptr::null_mut();
        let (output, refuse_io) = (output as c_int, refuse_io as c_int);
        // SAFETY: X1.
        let mut ask = |plain| unsafe {
            sys::xs_handle_fd(self.raw(), sv.0, output, refuse_io, plain, &mut fd, &mut io)
        };
        let mut code = ask(1);
        if code == -2 {
            before();
            code = ask(0);
        }
        match code {
            0 => Ok(Some((fd, Sv(io)))),
            -1 => Ok(None),
            code => Err(Fail::Jump(code)),
        }
    }

    /// A glob whose handle is `fd`: for reading (0), writing (1) or both (2). `None`: it could
    /// not be made, and the descriptor is still the caller's.
    ///
    /// Perl: layers written in Perl run.
    pub fn new_handle(self, fd: c_int, mode: c_int) -> Result<Option<Owned>> {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        jump(unsafe { sys::xs_new_handle(self.raw(), fd, mode, &mut out) })?;
        Ok((!out.is_null()).then(|| Owned(out)))
    }

    /// Makes a scalar a plain octet string with room for `need` octets, and gives its buffer.
    ///
    /// Perl: dies if it is read-only; may run Perl code.
    pub fn own_buffer(self, sv: Sv, need: usize) -> Result<Room> {
        let mut ptr: *mut c_char = std::ptr::null_mut();
        // SAFETY: X1.
        match unsafe { sys::xs_own_buffer(self.raw(), sv.0, need, &mut ptr) } {
            0 => Ok(Room::Yes(ptr.cast())),
            -1 => Ok(Room::CannotGrow),
            -2 => Ok(Room::NoMemory),
            code => Err(Fail::Jump(code)),
        }
    }

    /// The buffer of a plain string, moved so that nothing is chopped off its beginning.
    ///
    /// # Safety
    ///
    /// The scalar has a string, shared with no other and pinned by nobody.
    pub unsafe fn plain_buffer(self, sv: Sv) -> *mut u8 {
        // SAFETY: the caller's word.
        unsafe { sys::xs_plain_buffer(self.raw(), sv.0).cast() }
    }

    /// Takes a scalar's buffer out of perl's hands; the result goes to [`Perl::unpin`].
    ///
    /// # Safety
    ///
    /// The scalar has a buffer (it has a string), shared with no other.
    pub unsafe fn pin(self, sv: Sv) -> usize {
        // SAFETY: the caller's word.
        unsafe { sys::xs_pin(sv.0) }
    }

    /// Gives the buffer back. `false`: the scalar has got another meanwhile, and this one is
    /// still ours to free.
    ///
    /// # Safety
    ///
    /// `ptr` and `cap` are what [`Perl::pin`] was about.
    pub unsafe fn unpin(self, sv: Sv, ptr: *mut u8, cap: usize) -> bool {
        // SAFETY: the caller's word.
        unsafe { sys::xs_unpin(sv.0, ptr.cast(), cap) != 0 }
    }

    /// Makes a plain string's buffer ready and pins it, if it has room for `need` octets and the
    /// string is at least `from` long: buffer and capacity. `None`, and nothing has happened: it
    /// is shared, magical, read-only, too small, or anything else that takes more.
    #[inline]
    pub fn pin_plain(self, sv: Sv, from: usize, need: usize) -> Option<(*mut u8, usize)> {
        let mut ptr: *mut c_char = std::ptr::null_mut();
        // SAFETY: an Sv is a live scalar.
        let cap = unsafe { sys::xs_pin_plain(sv.0, from, need, &mut ptr) };
        (cap > 0).then_some((ptr.cast(), cap))
    }

    /// Gives such a buffer back, with `len` octets as the value, in a scalar that is not
    /// read-only any more. `false`, and nothing has happened: the scalar has got another buffer
    /// or magic meanwhile.
    ///
    /// # Safety
    ///
    /// `ptr` and `cap` are what [`Perl::pin_plain`] was about, and the first `len` octets, no more
    /// than were needed, have been written.
    #[inline]
    pub unsafe fn unpin_filled(self, sv: Sv, ptr: *mut u8, cap: usize, len: usize) -> bool {
        // SAFETY: the caller's word.
        unsafe { sys::xs_unpin_filled(sv.0, ptr.cast(), cap, len) != 0 }
    }

    /// # Safety
    ///
    /// `ptr` is a buffer from perl's allocator that nothing refers to any more.
    pub unsafe fn free_buffer(self, ptr: *mut u8) {
        // SAFETY: the caller's word.
        unsafe { sys::xs_free_buffer(ptr.cast()) }
    }

    /// Ends a read in place: the first `len` octets of the buffer are the value. Memory that is
    /// not perl's `own` keeps its length.
    ///
    /// Perl: set magic runs Perl code.
    ///
    /// # Safety
    ///
    /// The scalar was made ready by [`Perl::own_buffer`] with room for `len` octets, all written.
    pub unsafe fn finish_buffer(self, sv: Sv, len: usize, own: bool) -> Result<Called> {
        // SAFETY: the caller's word.
        self.called(|thrown| unsafe {
            sys::xs_finish_buffer(self.raw(), sv.0, len, own as c_int, thrown)
        })
    }

    /// Assigns octets.
    ///
    /// Perl: set magic runs Perl code; dies if the scalar is read-only.
    pub fn set_bytes(self, sv: Sv, bytes: &[u8]) -> Result<Called> {
        // SAFETY: X1.
        self.called(|thrown| unsafe {
            let (ptr, len) = (bytes.as_ptr().cast(), bytes.len());
            sys::xs_set_bytes(self.raw(), sv.0, ptr, len, thrown)
        })
    }

    /// Assigns memory from `malloc` without a copy where perl allows it.
    ///
    /// Perl: set magic runs Perl code; dies if the scalar is read-only.
    ///
    /// # Safety
    ///
    /// `ptr` came from `malloc`, holds `len` octets, and `cap` is above `len`. It is perl's
    /// afterwards, whatever the outcome.
    pub unsafe fn set_heap(self, sv: Sv, ptr: *mut u8, len: usize, cap: usize) -> Result<Called> {
        // SAFETY: the caller's word.
        self.called(|thrown| unsafe {
            sys::xs_set_heap(self.raw(), sv.0, ptr.cast(), len, cap, thrown)
        })
    }

    /// The scalar that an argument stands for, where perl passes an element that may not exist
    /// yet. `create`: to map memory to it; the element has to exist then.
    ///
    /// Perl: tied arrays and hashes run Perl code; with `create`, what is read-only dies.
    pub fn map_scalar(self, sv: Sv, create: bool) -> Result<Sv> {
        let mut out = std::ptr::null_mut();
        // SAFETY: X1.
        jump(unsafe { sys::xs_map_scalar(self.raw(), sv.0, create as c_int, &mut out) })?;
        Ok(Sv(out))
    }

    /// What is mapped to a scalar, unless the user has assigned something else meanwhile.
    pub fn mapping(self, sv: Sv) -> Option<Mapping> {
        let mut addr = std::ptr::null_mut();
        let mut len = 0;
        // SAFETY: X1.
        let found = unsafe { sys::xs_map_find(self.raw(), sv.0, &mut addr, &mut len) };
        (found != 0).then_some(Mapping {
            addr: addr.cast(),
            len,
            in_use: found & sys::MAP_IN_USE != 0,
            shared: found & sys::MAP_SHARED_WITH_CLONE != 0,
        })
    }

    /// Unmaps; the scalar is undefined then.
    ///
    /// # Safety
    ///
    /// Nothing else uses the memory: the mapping is not `in_use`.
    pub unsafe fn drop_mapping(self, sv: Sv) {
        // SAFETY: X1, and the caller's word.
        unsafe { sys::xs_map_drop(self.raw(), sv.0) }
    }

    /// Makes mapped memory the value of a scalar. `false`, as an error does, leaves the memory
    /// with the caller.
    ///
    /// Perl: a reference that goes may run a destructor.
    ///
    /// # Safety
    ///
    /// `addr` is a mapping of `len` octets that nothing else unmaps, and [`Perl::map_scalar`] gave
    /// the scalar.
    pub unsafe fn set_mapping(
        self,
        sv: Sv,
        addr: *mut u8,
        len: usize,
        readonly: bool,
    ) -> Result<bool> {
        // SAFETY: X1, and the caller's word.
        match unsafe { sys::xs_map_set(self.raw(), sv.0, addr.cast(), len, readonly as c_int) } {
            0 => Ok(true),
            -1 => Ok(false),
            code => Err(Fail::Jump(code)),
        }
    }

    /// Tells a mapped scalar that its memory was moved or resized.
    ///
    /// # Safety
    ///
    /// The memory [`Perl::mapping`] told of has become `len` octets at `addr`.
    pub unsafe fn move_mapping(self, sv: Sv, addr: *mut u8, len: usize) {
        // SAFETY: X1, and the caller's word.
        unsafe { sys::xs_map_move(self.raw(), sv.0, addr.cast(), len) }
    }
}
