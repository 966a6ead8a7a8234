//! Groups: membership, results, feeders.
//!
//! G1  A group ends when a poll has looked at it once, it has no members, and its feeder is not
//!     being called. It ends in `deliver.rs`, nowhere else.
//! G2  While its feeder runs a group cannot end, whatever the feeder polls. If it was emptied
//!     meanwhile outside a delivery, it goes through the result lanes again.

use aio_engine::Key;
use perl_xs::{Args, Called, Fail, Owned, Perl, Result, Returns, Sv};

use crate::args;
use crate::deliver::requeue_if_over;
use crate::half::{enter, Half};
use crate::object::{self, GRP, REQ};
use crate::table::{Id, CANCELLED, DELIVERING, NONE};

const BUSY: &str = "busy IO::AIO::REQ object expected";
const FINISHED: &str = "cannot add requests to IO::AIO::GRP after the group finished";

/// The open group that is the object of a method. Runs no Perl code, and is asked after all that
/// does: reading an argument may end the group.
fn open(perl: Perl, half: &Half, body: Sv) -> Result<Id> {
    let key = object::key(perl, body);
    let table = half.table.borrow();
    if key == NONE || table.group(key).is_none() {
        return Fail::croak(BUSY);
    }
    Ok(table.id(key))
}

/// As [`open`], but it can have further members.
fn open_for_more(perl: Perl, half: &Half, body: Sv) -> Result<Key> {
    let group = open(perl, half, body)?.key;
    if half.table.borrow().get(group).has(DELIVERING) {
        return Fail::croak(FINISHED);
    }
    Ok(group)
}

/// Makes a request a member. One that is done counts for nothing.
fn join(perl: Perl, half: &Half, group: Key, member: Sv) -> Result<()> {
    let member = object::key(perl, member);
    let mut table = half.table.borrow_mut();
    if member == NONE || table.get(member).has(DELIVERING) {
        return Ok(());
    }
    if table.get(member).group != NONE {
        return Fail::croak("IO::AIO::GRP::add: the request is already in a group");
    }
    if table.contains(member, group) {
        return Fail::croak("IO::AIO::GRP::add: a group cannot contain itself");
    }
    table.link(group, member);
    Ok(())
}

/// What feeders do: a plain group gets one plain request. No Perl code can run then.
fn one_plain(perl: Perl, args: &Args) -> Option<(Sv, Sv)> {
    let (group, member) = match args.len() {
        2 => (args.raw(0)?, args.raw(1)?),
        _ => return None,
    };
    let member = object::plain(perl, member, REQ).or_else(|| object::plain(perl, member, GRP));
    object::plain(perl, group, GRP).zip(member)
}

/// `$grp->add(@requests)`
pub fn add(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    if let Some((body, member)) = one_plain(perl, args) {
        let group = open_for_more(perl, half, body)?;
        join(perl, half, group, member)?;
        return Ok(match (args.is_void(), args.raw(1)) {
            (false, Some(sv)) => Returns::One(sv.own()),
            _ => Returns::Nothing,
        });
    }
    let (half, body) = object::own(perl, args, GRP)?;
    open_for_more(perl, half, body)?;
    let mut given = Vec::with_capacity(args.len() - 1);
    for i in 1..args.len() {
        let Some(sv) = args.raw(i) else { break };
        let member = object::body(perl, sv, REQ)?;
        given.push(sv.own());
        let group = open_for_more(perl, half, body)?;
        join(perl, half, group, member)?;
    }
    Ok(Returns::List(given))
}

/// `$grp->cancel_subs`
pub fn cancel_subs(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, body) = object::own(perl, args, GRP)?;
    let key = object::key(perl, body);
    if key == NONE {
        return Ok(Returns::Nothing);
    }
    let mut members = Vec::new();
    let feeder = {
        let mut table = half.table.borrow_mut();
        let Some(group) = table.group_mut(key) else {
            return Ok(Returns::Nothing);
        };
        let feeder = std::mem::replace(&mut group.feeder, std::ptr::null_mut());
        let mut member = group.first;
        while member != NONE {
            members.push(member);
            member = table.get(member).next;
        }
        feeder
    };
    for member in members {
        object::cancel_tree(half, member);
    }
    if !feeder.is_null() {
        // SAFETY: T2: the reference has left the table.
        perl.release(unsafe { Owned::from_raw(feeder) })?;
    }
    Ok(Returns::Nothing)
}

/// `$grp->result(@values)`
pub fn result(perl: Perl, args: &Args) -> Result<Returns> {
    let errno = perl.errno();
    let (half, body) = object::own(perl, args, GRP)?;
    let mut values = Vec::with_capacity(args.len() - 1);
    for i in 1..args.len() {
        let value = args.get(i)?;
        values.push(perl.new_copy(value));
    }
    let key = open(perl, half, body)?.key;
    let old = {
        let mut table = half.table.borrow_mut();
        let Some(group) = table.group_mut(key) else {
            return Fail::croak(BUSY);
        };
        group.errno = errno;
        std::mem::replace(&mut group.result, values)
    };
    half.release_all(perl, old)?;
    Ok(Returns::Nothing)
}

/// `$grp->errno([$errno])`
pub fn errno(perl: Perl, args: &Args) -> Result<Returns> {
    let now = perl.errno();
    let (half, body) = object::own(perl, args, GRP)?;
    let errno = match args.raw(1) {
        Some(_) => args::int(perl, args.get_number(1)?)?,
        None => now,
    };
    let key = open(perl, half, body)?.key;
    if let Some(group) = half.table.borrow_mut().group_mut(key) {
        group.errno = errno;
    }
    Ok(Returns::Nothing)
}

/// `$grp->limit($n)`
pub fn limit(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, body) = object::own(perl, args, GRP)?;
    let limit = args::int(perl, args.get_number(1)?)?;
    let id = open(perl, half, body)?;
    if let Some(group) = half.table.borrow_mut().group_mut(id.key) {
        group.limit = limit as i64;
    }
    feed_outside(perl, half, id)?;
    Ok(Returns::Nothing)
}

/// `$grp->feed($callback)`
pub fn feed_with(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, body) = object::own(perl, args, GRP)?;
    let feeder = args.get(1)?;
    let feeder = feeder.view().is_defined().then(|| perl.new_copy(feeder));
    let id = open(perl, half, body)?;
    let old = {
        let mut table = half.table.borrow_mut();
        let Some(group) = table.group_mut(id.key) else {
            return Fail::croak(BUSY);
        };
        if group.limit <= 0 {
            group.limit = 2;
        }
        let new = feeder.map_or(std::ptr::null_mut(), Owned::into_raw);
        std::mem::replace(&mut group.feeder, new)
    };
    if !old.is_null() {
        // SAFETY: T2: the reference has left the table.
        let old = unsafe { Owned::from_raw(old) };
        if half.across(perl, || perl.release(old))?.is_none() {
            return Ok(Returns::Nothing);
        }
    }
    feed_outside(perl, half, id)?;
    Ok(Returns::Nothing)
}

/// Feeds where no delivery is going on, so that nobody else looks whether the group is over (G2).
fn feed_outside(perl: Perl, half: &Half, group: Id) -> Result<()> {
    half.check_depth()?;
    let fed = half.across(perl, || feed(perl, half, group));
    requeue_if_over(half, group);
    fed.map(|_| ())
}

/// Calls the feeder while the group has fewer members than its limit.
///
/// Perl: runs the feeder, which may do anything. While it runs the group cannot end (G2); after
/// that, releasing it may end the group, too.
pub fn feed(perl: Perl, half: &Half, id: Id) -> Result<()> {
    while half.alive(id) {
        let feeder = {
            let mut table = half.table.borrow_mut();
            let request = table.get_mut(id.key);
            let stop = request.has(CANCELLED) || request.has(DELIVERING);
            let Some(group) = request.members_mut() else {
                return Ok(());
            };
            let room = group.limit > 0 && group.count < group.limit as usize;
            if stop || !room || group.feeder.is_null() || group.feeding {
                return Ok(());
            }
            group.feeding = true;
            group.fresh = 0;
            // SAFETY: T2: the table holds a reference.
            unsafe { Sv::from_raw(group.feeder) }.own()
        };
        let called = half.across(perl, || {
            let object = object::make(perl, half, id.key)?;
            let called = perl.call(feeder.sv(), &[object.sv()], perl.errno())?;
            perl.release(object)?;
            Ok(called)
        });
        if !half.alive(id) {
            return called.map(|_| ());
        }
        let forgotten = {
            let mut table = half.table.borrow_mut();
            let Some(group) = table.group_mut(id.key) else {
                return called.map(|_| ());
            };
            group.feeding = false;
            // It may have been replaced meanwhile.
            let same = group.feeder == feeder.sv().raw();
            (matches!(called, Ok(Some(_))) && group.fresh == 0 && same).then(|| {
                let feeder = std::mem::replace(&mut group.feeder, std::ptr::null_mut());
                // SAFETY: T2: the reference has left the table.
                unsafe { Owned::from_raw(feeder) }
            })
        };
        let called = called?;
        half.across(perl, || {
            if let Some(Called::Died(error)) = called {
                perl.warn_in_cleanup(error.sv())?;
            }
            if let Some(forgotten) = forgotten {
                perl.release(forgotten)?;
            }
            perl.release(feeder)
        })?;
    }
    Ok(())
}
