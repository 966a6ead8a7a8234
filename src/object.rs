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

/// Set in the tags of directory objects, which share the kind of magic with requests.
pub const WD_TAG: u64 = 1;

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
    let object = perl.new_object(perl.new_hash(), class, tag(key))?;
    if let Some(body) = object.sv().referent() {
        half.table.borrow_mut().get_mut(key).object = body.own().into_raw();
    }
    Ok(object)
}

/// Makes and drops an object of each class. Perl looks for a class's destructor when the first
/// object goes, and makes symbols for what it does not find; if that is at the end of a program
/// that has run out of memory, it crashes.
pub fn prepare(perl: Perl) -> Result<()> {
    for class in [REQ, GRP] {
        let object = perl.new_object(perl.new_hash(), class, 0)?;
        perl.release(object)?;
    }
    Ok(())
}

/// The body of an object of exactly that class, if it is as plain as objects are made here.
pub fn plain(perl: Perl, sv: Sv, class: &'static CStr) -> Option<Sv> {
    let body = sv.referent().filter(|_| !sv.view().is_magical())?;
    (body.view().is_hash() && perl.is_class(body, class)).then_some(body)
}

/// The body of an object of a class.
///
/// Perl: magic and an overridden `isa` run Perl code; what is no such object croaks.
pub fn body(perl: Perl, sv: Sv, class: &'static CStr) -> Result<Sv> {
    let sv = perl.fetch(sv)?;
    let body = sv
        .referent()
        .filter(|body| body.view().is_object() && body.view().is_hash());
    let Some(body) = body else {
        return refuse(REQ);
    };
    // Kept by perl's temporaries: what runs below may drop the last other reference.
    drop(body.own());
    if !perl.is_class(body, class) && !perl.derived_from(sv, class)? {
        // What is no request at all is told so, whatever the method.
        return refuse(if perl.derived_from(sv, REQ)? {
            class
        } else {
            REQ
        });
    }
    Ok(body)
}

/// The request of an object; `NONE` if it is done, or never was one of ours. Runs no Perl code.
pub fn key(perl: Perl, body: Sv) -> Key {
    match perl.key(body) {
        Some(tag) if tag & WD_TAG == 0 && tag > 1 => ((tag >> 1) - 1) as Key,
        _ => NONE,
    }
}

/// What is tied to an object for a request.
fn tag(key: Key) -> u64 {
    (key as u64 + 1) << 1
}

fn refuse<T>(class: &CStr) -> Result<T> {
    Fail::croak(format!(
        "object of class {} expected",
        class.to_string_lossy()
    ))
}

/// The body of the object that a method is called on.
///
/// Perl: as [`body`].
pub fn own(perl: Perl, args: &Args, class: &'static CStr) -> Result<(&'static Half, Sv)> {
    enter(perl, args)?;
    let Some(sv) = args.raw(0) else {
        return refuse(REQ);
    };
    args.keep();
    let body = body(perl, sv, class)?;
    // What ran may have forked.
    Ok((enter(perl, args)?, body))
}

/// `$req->cancel`
pub fn cancel(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, body) = own(perl, args, REQ)?;
    let key = key(perl, body);
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
    let (half, body) = own(perl, args, REQ)?;
    let new = if args.len() > 1 && key(perl, body) != NONE {
        let value = args.get(1)?;
        Some(args::callback(perl, value)?)
    } else {
        None
    };
    // The callback's own code may have finished the request, or forked: only now is it looked up.
    enter(perl, args)?;
    let key = key(perl, body);
    if key == NONE || half.table.borrow().get(key).has(DELIVERING) {
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
