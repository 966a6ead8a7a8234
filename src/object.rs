//! Request objects: `IO::AIO::REQ` and `IO::AIO::GRP`.
//!
//! An object is a blessed hash, the user's to fill. The key of its request is tied to it; it is
//! cut when the request is done. Copies in a cloned interpreter have no key.

use std::ffi::CStr;

use aio_engine::Key;
use perl_xs::{Args, Fail, Owned, Perl, Result, Returns, Sv};

use crate::args;
use crate::half::{enter, Half};
use crate::table::{CANCELLED, DELIVERING, NONE};

pub const REQ: &CStr = c"IO::AIO::REQ";
pub const GRP: &CStr = c"IO::AIO::GRP";

/// The object of a request, made if there is none yet.
pub fn make(perl: Perl, half: &Half, key: Key) -> Result<Owned> {
    let (object, class) = {
        let table = half.table.borrow();
        let request = table.get(key);
        (request.object, if request.is_group() { GRP } else { REQ })
    };
    if !object.is_null() {
        // SAFETY: T2: the table holds a reference.
        return Ok(perl.new_ref(unsafe { Sv::from_raw(object) }));
    }
    let body = perl.new_hash();
    perl.bless_key(&body, class, key as u64 + 1)?;
    let object = perl.new_ref(body.sv());
    half.table.borrow_mut().get_mut(key).object = body.into_raw();
    Ok(object)
}

/// The request of an object; `NONE` if it is done, or never was one of ours.
///
/// Perl: an overridden `isa` runs Perl code; what is no such object croaks.
pub fn key(perl: Perl, sv: Sv, class: &CStr) -> Result<Key> {
    let sv = perl.fetch(sv)?;
    let body = sv
        .referent()
        .filter(|body| body.view().is_object() && body.view().is_hash());
    let Some(body) = body else {
        return refuse(REQ);
    };
    if !perl.is_class(body, class) && !perl.derived_from(sv, class)? {
        // What is no request at all is told so, whatever the method.
        return refuse(if perl.derived_from(sv, REQ)? {
            class
        } else {
            REQ
        });
    }
    Ok(match perl.key(body) {
        Some(key) if key > 0 => (key - 1) as Key,
        _ => NONE,
    })
}

fn refuse<T>(class: &CStr) -> Result<T> {
    Fail::croak(format!(
        "object of class {} expected",
        class.to_string_lossy()
    ))
}

/// The request a method is called on, and whether it is done.
pub fn own(perl: Perl, args: &Args, class: &CStr) -> Result<(&'static Half, Key)> {
    let half = enter(perl)?;
    match args.raw(0) {
        Some(sv) => {
            args.keep();
            Ok((half, key(perl, sv, class)?))
        }
        None => refuse(REQ),
    }
}

/// `$req->cancel`
pub fn cancel(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, key) = own(perl, args, REQ)?;
    if key != NONE && !half.table.borrow().get(key).has(DELIVERING) {
        cancel_tree(half, key);
    }
    Ok(Returns::Nothing)
}

/// Marks a request and everything below it. Groups may be deep: no recursion.
pub fn cancel_tree(half: &Half, key: Key) {
    let mut table = half.table.borrow_mut();
    let mut todo = vec![key];
    while let Some(key) = todo.pop() {
        let request = table.get_mut(key);
        request.flags |= CANCELLED;
        let first = request.members().map(|group| group.first);
        if request.members().is_none() {
            half.with_engine(|engine| engine.cancel(key));
        }
        let mut member = first.unwrap_or(NONE);
        while member != NONE {
            todo.push(member);
            member = table.get(member).next;
        }
    }
}

/// `$req->cb([$callback])`
///
/// Perl: overloading runs Perl code; the old callback is released.
pub fn cb(perl: Perl, args: &Args) -> Result<Returns> {
    let void = args.is_void();
    let (half, key) = own(perl, args, REQ)?;
    if key == NONE || half.table.borrow().get(key).has(DELIVERING) {
        return Ok(Returns::Nothing);
    }
    let new = if args.len() > 1 {
        let value = args.get(1)?;
        match half.across(perl, || args::callback(perl, value))? {
            Some(callback) => Some(callback),
            None => return Ok(Returns::Nothing),
        }
    } else {
        None
    };
    // The callback's own code may have finished the request: look again.
    let body = args.raw(0).and_then(Sv::referent);
    if body.and_then(|body| perl.key(body)) != Some(key as u64 + 1) {
        return Ok(Returns::Nothing);
    }
    let old = {
        let mut table = half.table.borrow_mut();
        let request = table.get_mut(key);
        let old = request.callback;
        if let Some(new) = new {
            request.callback = new.map_or(std::ptr::null_mut(), Owned::into_raw);
        }
        old
    };
    let returned = if void {
        Returns::Nothing
    } else if old.is_null() {
        Returns::Constant(perl.undef())
    } else {
        // SAFETY: alive until it is released below.
        Returns::One(perl.new_ref(unsafe { Sv::from_raw(old) }))
    };
    if args.len() > 1 && !old.is_null() {
        // SAFETY: T2: the reference has left the table.
        perl.release(unsafe { Owned::from_raw(old) })?;
    }
    Ok(returned)
}
