//! From a call to a queued request.

use aio_engine::{Key, Priority};
use perl_xs::{Args, Fail, Owned, Perl, Result, Returns};

use crate::args::{self, Parse};
use crate::declare::{self, Decl};
use crate::half::{enter, Half};
use crate::object;
use crate::table::{Group, Other, INNER};

/// A request function: arguments, op, request, queue, hook, object.
///
/// Perl: argument magic, overloading and the next-submit hook run Perl code.
pub fn request(perl: Perl, args: &Args) -> Result<Returns> {
    // SAFETY: `define_requests` passes a declaration.
    let decl = unsafe { &*args.data().cast::<Decl>() };
    let half = enter(perl, args)?;
    let (min, max) = decl.arity;
    if args.len() > max || (args.len() < min && !decl.composite) {
        return usage(args.name(), decl.usage);
    }
    // The context is asked for before Perl code runs that changes what perl is executing.
    let void = args.is_void();

    // A1: the callback first, then the arguments, whose last step may hold a scalar.
    let callback = args::callback(perl, args.get(max - 1)?)?;
    let mut parse = Parse::new(perl, half, args);
    let op = (decl.build)(&mut parse)?;
    // An argument's own code may have forked.
    enter(perl, args)?;

    let priority = half.next_pri.take();
    if decl.composite {
        let group = new_group(half, callback, priority)?;
        let inner = insert(half, decl, priority)?;
        let extra = parse.finish();
        {
            let mut table = half.table.borrow_mut();
            let request = table.get_mut(inner);
            request.extra = extra;
            request.flags |= INNER;
            table.link(group, inner);
        }
        let object = object::make(perl, half, group)?;
        half.queue_group(group, priority);
        half.queue(inner, priority, op);
        half.submitted(perl)?;
        return Ok(Returns::One(object));
    }

    let key = insert(half, decl, priority)?;
    let extra = parse.finish();
    {
        let mut table = half.table.borrow_mut();
        let request = table.get_mut(key);
        request.extra = extra;
        if let Some(callback) = callback {
            request.callback = callback.into_raw();
        }
    }
    let object = if void {
        None
    } else {
        Some(object::make(perl, half, key)?)
    };
    half.queue(key, priority, op);
    half.submitted(perl)?;
    Ok(object.map_or(Returns::Nothing, Returns::One))
}

/// `aio_group`.
///
/// Perl: as [`request`].
pub fn group(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    let callback = args::callback(perl, args.get(0)?)?;
    let priority = half.next_pri.take();
    let key = new_group(half, callback, priority)?;
    let object = object::make(perl, half, key)?;
    half.queue_group(key, priority);
    half.submitted(perl)?;
    Ok(Returns::One(object))
}

pub fn usage<T>(name: &str, arguments: &str) -> Result<T> {
    Fail::croak(format!("Usage: {name}({arguments})"))
}

fn insert(half: &Half, decl: &'static Decl, priority: Priority) -> Result<Key> {
    match half.table.borrow_mut().insert(decl, priority) {
        Some(key) => Ok(key),
        None => Fail::croak("IO::AIO: out of memory for more requests"),
    }
}

fn new_group(half: &Half, callback: Option<Owned>, priority: Priority) -> Result<Key> {
    let key = insert(half, &declare::GROUP, priority)?;
    let mut extra = half.extra();
    extra.other = Some(Box::new(Other::Group(Group::default())));
    let mut table = half.table.borrow_mut();
    let request = table.get_mut(key);
    request.extra = Some(extra);
    if let Some(callback) = callback {
        request.callback = callback.into_raw();
    }
    Ok(key)
}
