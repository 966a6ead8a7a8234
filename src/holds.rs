//! Scalars that requests use: read-only until they are given back, their buffers pinned.
//!
//! U1  A scalar that a request holds is read-only. If the request works on the scalar's own
//!     buffer, perl does not know its capacity: whatever happens to the scalar meanwhile, that
//!     memory is neither freed nor moved.
//! U2  Most buffers are used by one request, which finds its hold by a [`Place`]. As soon as
//!     somebody wants to know whether a scalar is held, and it looks as if it were, all holds
//!     move to where they are found by the scalar. So each moves at most once.
//! U3  A program may make a scalar writable that requests hold. What it does with it then is
//!     found out when they give it back.

use std::cell::RefCell;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use aio_engine::room::{reserve, KEPT};
use perl_sys::SV;
use perl_xs::{Owned, Perl, Result, Sv};

use crate::table::{Data, WorksOn};

#[derive(Default)]
pub struct Holds(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    soles: Soles,
    shared: HashMap<*mut SV, Hold, BuildHasherDefault<ByAddress>>,
}

/// Hashes addresses of scalars, which nobody chooses to do us harm.
#[derive(Default)]
struct ByAddress(u64);

impl Hasher for ByAddress {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_usize(b.into()));
    }

    fn write_usize(&mut self, n: usize) {
        // By multiplication (Knuth, The Art of Computer Programming 3, 6.4), whose high bits are
        // the good ones; the table takes the place from the low bits.
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (n as u64 >> 3).wrapping_mul(K).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What requests hold of one scalar.
struct Hold {
    lent: Lent,
    requests: u32,
    was_readonly: bool,
}

/// What requests use of a scalar that they hold.
#[derive(Clone, Copy)]
enum Lent {
    Nothing,
    /// Its buffer, pinned: so many read from it, or one writes to it and `shared` is false.
    Buffer {
        ptr: *mut u8,
        /// 0 if it is not perl's.
        cap: usize,
        users: u32,
        shared: bool,
    },
    /// A copy that has the same buffer, by copy-on-write: so many work on it.
    Copy {
        copy: *mut SV,
        users: u32,
    },
}

/// How a request uses a scalar.
pub enum Use {
    /// Not at all while it is executed.
    Apart,
    /// It writes to the buffer, which is where `own_buffer` said.
    Fill(*mut u8),
    /// It reads from the buffer, which is where `plain_buffer` said.
    Read(*mut u8),
    /// It reads from a copy that shares the buffer.
    Copy(*mut SV),
}

/// Where the buffer of a scalar is once a request is done with it.
pub enum Buffered {
    /// In the scalar; `own`: perl allocated it.
    InPlace { own: bool },
    /// The scalar has got another meanwhile; this one is the caller's to free if it is perl's
    /// `own`.
    Lost { ptr: *mut u8, own: bool },
}

// ---- holds of one request each -------------------------------------------

/// Where the sole hold of a request is.
#[derive(Clone, Copy)]
pub struct Place {
    at: u32,
    serial: u32,
}

impl Place {
    /// It is found by the scalar.
    pub const SHARED: Place = Place {
        at: u32::MAX,
        serial: 0,
    };
}

/// A buffer that perl allocated, pinned for one request that fills it. The scalar was not
/// read-only before.
#[derive(Clone, Copy)]
struct Sole {
    /// Null in a free place.
    sv: *mut SV,
    ptr: *mut u8,
    /// In a free place, the next one.
    cap: usize,
    serial: u32,
}

/// Sole holds. The order of places is that of submission, mostly, and that of giving back.
struct Soles {
    list: Vec<Sole>,
    /// First free place, linked by `cap`.
    free: usize,
    live: usize,
    serial: u32,
}

const END: usize = usize::MAX;

impl Default for Soles {
    fn default() -> Soles {
        Soles {
            list: Vec::new(),
            free: END,
            live: 0,
            serial: 0,
        }
    }
}

impl Soles {
    #[inline]
    fn put(&mut self, sv: *mut SV, ptr: *mut u8, cap: usize) -> Option<Place> {
        self.serial = self.serial.wrapping_add(1);
        let sole = Sole {
            sv,
            ptr,
            cap,
            serial: self.serial,
        };
        let at = match self.list.get_mut(self.free) {
            Some(place) => {
                let at = self.free;
                self.free = place.cap;
                *place = sole;
                at
            }
            None => {
                let at = self.list.len();
                if at >= Place::SHARED.at as usize {
                    return None;
                }
                reserve(&mut self.list, 1).ok()?;
                self.list.push(sole);
                at
            }
        };
        self.live += 1;
        Some(Place {
            at: at as u32,
            serial: sole.serial,
        })
    }

    /// The hold at a place, unless it has moved.
    #[inline]
    fn get(&self, place: Place) -> Option<Sole> {
        let sole = self.list.get(place.at as usize)?;
        (sole.serial == place.serial && !sole.sv.is_null()).then_some(*sole)
    }

    #[inline]
    fn free(&mut self, at: usize) {
        self.list[at].sv = std::ptr::null_mut();
        self.list[at].cap = self.free;
        self.free = at;
        self.live -= 1;
        if self.live == 0 && self.list.len() > KEPT {
            *self = Soles {
                serial: self.serial,
                ..Soles::default()
            };
        }
    }
}

impl Inner {
    /// The hold on a scalar that may have one. If it looks as if it had, sole holds move first.
    fn find(&mut self, sv: Sv) -> Option<&mut Hold> {
        if self.soles.live > 0 && (sv.view().is_readonly() || sv.lacks_capacity()) {
            self.share();
        }
        if self.shared.is_empty() {
            return None;
        }
        self.shared.get_mut(&sv.raw())
    }

    /// Moves sole holds to where they are found by the scalar (U2).
    #[cold]
    fn share(&mut self) {
        for at in 0..self.soles.list.len() {
            let sole = self.soles.list[at];
            if sole.sv.is_null() {
                continue;
            }
            let hold = self.shared.entry(sole.sv).or_insert(Hold {
                lent: Lent::Nothing,
                requests: 0,
                was_readonly: false,
            });
            // Two buffers of one scalar, by U3: both stay where they are.
            if matches!(hold.lent, Lent::Nothing) {
                hold.requests += 1;
                hold.lent = Lent::Buffer {
                    ptr: sole.ptr,
                    cap: sole.cap,
                    users: 1,
                    shared: false,
                };
                self.soles.free(at);
            }
            if self.soles.live == 0 {
                self.soles.list.clear();
                self.soles.free = END;
                break;
            }
        }
    }
}

impl Holds {
    /// Holds a plain scalar whose buffer has room for `need` octets, for a request that fills it
    /// from `from` on, and gives that buffer. `None`, and nothing has happened: it is not as
    /// simple, or another request holds the scalar.
    #[inline]
    pub fn fill(&self, perl: Perl, sv: Sv, from: usize, need: usize) -> Option<(Place, *mut u8)> {
        let mut inner = self.0.borrow_mut();
        let (ptr, cap) = perl.pin_plain(sv, from, need)?;
        sv.set_readonly(true);
        match inner.soles.put(sv.raw(), ptr, cap) {
            Some(place) => Some((place, ptr)),
            None => {
                sv.set_readonly(false);
                // SAFETY: pinned just now.
                unsafe { perl.unpin(sv, ptr, cap) };
                None
            }
        }
    }

    /// Ends a [`fill`](Holds::fill) in place, with `len` octets as the scalar's value. False: it
    /// is not as simple, and [`let_go`](Holds::let_go) is to be asked.
    #[inline]
    pub fn filled(&self, perl: Perl, data: &Data, len: usize) -> bool {
        let mut inner = self.0.borrow_mut();
        let Some(sole) = inner.soles.get(data.place) else {
            return false;
        };
        // SAFETY: T2: the request holds a reference.
        let sv = unsafe { Sv::from_raw(data.sv) };
        // SAFETY: what `fill` pinned, with room for `len` octets and a NUL.
        let done = unsafe { perl.unpin_filled(sv, sole.ptr, sole.cap, len) };
        if done {
            inner.soles.free(data.place.at as usize);
        }
        done
    }

    /// A thread is about to be cloned from this interpreter. It gets copies of pinned buffers
    /// instead of the buffers: those look like perl's own until they are taken back. The scalars
    /// stay read-only, since the code of other packages may run before the clone is made.
    pub fn lend_buffers(&self) {
        self.each(|sv, _, ptr, cap| {
            // SAFETY: what was pinned; the scalar is read-only.
            unsafe { perl_xs::lend_buffer(sv, ptr, cap) }
        });
    }

    /// The thread has been made; in it the scalars are ordinary ones.
    pub fn take_back_buffers(&self, clone: Perl) {
        self.each(|sv, was_readonly, ptr, _| {
            // SAFETY: as above.
            unsafe { perl_xs::lend_buffer(sv, ptr, 0) };
            if let Some(copy) = clone.copy_in_clone(sv).filter(|_| !was_readonly) {
                copy.set_readonly(false);
            }
        });
    }

    /// Scalars that requests hold: was it read-only before, and what is pinned. No buffer of a
    /// scalar is at null.
    fn each(&self, f: impl Fn(Sv, bool, *mut u8, usize)) {
        // SAFETY: T2: requests hold them.
        let held = |sv| unsafe { Sv::from_raw(sv) };
        let inner = self.0.borrow();
        for sole in inner.soles.list.iter().filter(|sole| !sole.sv.is_null()) {
            f(held(sole.sv), false, sole.ptr, sole.cap);
        }
        for (&sv, hold) in &inner.shared {
            let (ptr, cap) = match hold.lent {
                Lent::Buffer { ptr, cap, .. } => (ptr, cap),
                _ => (std::ptr::null_mut(), 0),
            };
            f(held(sv), hold.was_readonly, ptr, cap);
        }
    }

    /// Is this scalar read-only only because requests hold it?
    pub fn makes_readonly(&self, sv: Sv) -> bool {
        let mut inner = self.0.borrow_mut();
        inner.find(sv).is_some_and(|hold| !hold.was_readonly)
    }

    /// Does a request hold this scalar?
    pub fn is_held(&self, sv: Sv) -> bool {
        self.0.borrow_mut().find(sv).is_some()
    }

    /// Holds a scalar read-only for a request, and in place what it uses. A buffer is lent to the
    /// first only: those that come later ask [`join`](Holds::join), or work on one of their own.
    pub fn hold(&self, perl: Perl, sv: Sv, how: Use) {
        let mut inner = self.0.borrow_mut();
        inner.find(sv);
        let hold = inner.shared.entry(sv.raw()).or_insert_with(|| Hold {
            lent: Lent::Nothing,
            requests: 0,
            was_readonly: sv.view().is_readonly(),
        });
        hold.requests += 1;
        sv.set_readonly(true);
        if !matches!(hold.lent, Lent::Nothing) {
            // The caller has asked, and no Perl code has run since.
            debug_assert!(matches!(how, Use::Apart | Use::Copy(_)));
            return;
        }
        let pin = |ptr, shared| Lent::Buffer {
            ptr,
            // SAFETY: the caller made it own that buffer, and nobody else has it.
            cap: unsafe { perl.pin(sv) },
            users: 1,
            shared,
        };
        hold.lent = match how {
            Use::Apart => Lent::Nothing,
            Use::Fill(ptr) => pin(ptr, false),
            Use::Read(ptr) => pin(ptr, true),
            Use::Copy(copy) => Lent::Copy { copy, users: 1 },
        };
    }

    /// Joins the requests that read from a scalar's buffer where it is, if that still is its
    /// `string`.
    pub fn join(&self, sv: Sv, string: &[u8]) -> bool {
        let mut inner = self.0.borrow_mut();
        let Some(hold) = inner.find(sv) else {
            return false;
        };
        match &mut hold.lent {
            Lent::Buffer {
                ptr,
                users,
                shared: true,
                ..
            } if ptr.cast_const() == string.as_ptr() => *users += 1,
            _ => return false,
        }
        hold.requests += 1;
        sv.set_readonly(true);
        true
    }

    /// Joins the requests that read from a copy of a scalar, if that has the same buffer as its
    /// `string`, which is shared by copy-on-write. One more reference to the copy.
    pub fn join_copy(&self, perl: Perl, sv: Sv, string: &[u8]) -> Result<Option<Owned>> {
        let mut inner = self.0.borrow_mut();
        let Some(hold) = inner.find(sv) else {
            return Ok(None);
        };
        let Lent::Copy { copy, users } = &mut hold.lent else {
            return Ok(None);
        };
        // SAFETY: a request that has it is not done: it would not be here otherwise.
        let copy = unsafe { Sv::from_raw(*copy) };
        let theirs = perl.bytes(copy)?.unwrap_or(&[]);
        if !std::ptr::eq(theirs, string) {
            return Ok(None);
        }
        *users += 1;
        hold.requests += 1;
        sv.set_readonly(true);
        Ok(Some(copy.own()))
    }

    /// Ends one request's hold, and tells where the buffer is now and whether another request
    /// holds the scalar.
    pub fn let_go(&self, perl: Perl, data: &Data) -> (Buffered, bool) {
        let mut inner = self.0.borrow_mut();
        // SAFETY: T2: the request holds a reference.
        let sv = unsafe { Sv::from_raw(data.sv) };
        // SAFETY: only asked about what was pinned.
        let unpin = |ptr, cap| match unsafe { perl.unpin(sv, ptr, cap) } {
            true => Buffered::InPlace { own: cap > 0 },
            false => Buffered::Lost { ptr, own: cap > 0 },
        };
        if let Some(sole) = inner.soles.get(data.place) {
            inner.soles.free(data.place.at as usize);
            let back = unpin(sole.ptr, sole.cap);
            sv.set_readonly(false);
            return (back, false);
        }
        let Entry::Occupied(mut entry) = inner.shared.entry(data.sv) else {
            return (Buffered::InPlace { own: false }, false);
        };
        let hold = entry.get_mut();
        hold.requests -= 1;
        let mut back = Buffered::InPlace { own: false };
        match &mut hold.lent {
            Lent::Buffer {
                ptr, cap, users, ..
            } if matches!(data.works_on, WorksOn::Scalar) => {
                *users -= 1;
                if *users == 0 {
                    back = unpin(*ptr, *cap);
                    hold.lent = Lent::Nothing;
                }
            }
            Lent::Copy { copy, users } if matches!(data.works_on, WorksOn::Copy(mine) if mine == *copy) =>
            {
                *users -= 1;
                if *users == 0 {
                    hold.lent = Lent::Nothing;
                }
            }
            _ => {}
        }
        let held = hold.requests > 0;
        if !held {
            sv.set_readonly(hold.was_readonly);
            entry.remove();
        }
        (back, held)
    }
}
