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
use crate::half::Half;
use crate::object::{self, GRP, REQ};
use crate::table::{CANCELLED, DELIVERING, NONE};

const BUSY: &str = "busy IO::AIO::REQ object expected";

/// The open group a method is called on.
fn open(perl: Perl, args: &Args) -> Result<(&'static Half, Key)> {
    let (half, key) = object::own(perl, args, GRP)?;
    if key == NONE || half.table.borrow().group(key).is_none() {
        return Fail::croak(BUSY);
    }
    Ok((half, key))
}

/// `$grp->add(@requests)`
pub fn add(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, group) = open(perl, args)?;
    args.keep();
    if half.table.borrow().get(group).has(DELIVERING) {
        return Fail::croak("cannot add requests to IO::AIO::GRP after the group finished");
    }
    let mut given = Vec::with_capacity(args.len() - 1);
    for i in 1..args.len() {
        let Some(sv) = args.raw(i) else { break };
        let member = object::key(perl, sv, REQ)?;
        given.push(sv.own());
        if member == NONE {
            continue;
        }
        let mut table = half.table.borrow_mut();
        if table.get(member).has(DELIVERING) {
            continue;
        }
        if table.get(member).group != NONE {
            return Fail::croak("IO::AIO::GRP::add: the request is already in a group");
        }
        if table.contains(member, group) {
            return Fail::croak("IO::AIO::GRP::add: a group cannot contain itself");
        }
        table.link(group, member);
    }
    Ok(Returns::List(given))
}

/// `$grp->cancel_subs`
pub fn cancel_subs(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, key) = object::own(perl, args, GRP)?;
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
    let (half, key) = open(perl, args)?;
    let mut values = Vec::with_capacity(args.len() - 1);
    for i in 1..args.len() {
        let value = args.get(i)?;
        values.push(perl.new_copy(value));
    }
    let old = {
        let mut table = half.table.borrow_mut();
        let Some(group) = table.group_mut(key) else {
            return Fail::croak(BUSY);
        };
        group.errno = errno;
        let values = values.into_iter().map(Owned::into_raw).collect();
        std::mem::replace(&mut group.result, values)
    };
    half.release_all(perl, old)?;
    Ok(Returns::Nothing)
}

/// `$grp->errno([$errno])`
pub fn errno(perl: Perl, args: &Args) -> Result<Returns> {
    let now = perl.errno();
    let (half, key) = open(perl, args)?;
    let errno = match args.raw(1) {
        Some(_) => args::int(perl, args.get(1)?)?,
        None => now,
    };
    if let Some(group) = half.table.borrow_mut().group_mut(key) {
        group.errno = errno;
    }
    Ok(Returns::Nothing)
}

/// `$grp->limit($n)`
pub fn limit(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, key) = open(perl, args)?;
    let limit = args::int(perl, args.get(1)?)?;
    if let Some(group) = half.table.borrow_mut().group_mut(key) {
        group.limit = limit as i64;
    }
    feed_outside(perl, half, key)?;
    Ok(Returns::Nothing)
}

/// `$grp->feed($callback)`
pub fn feed_with(perl: Perl, args: &Args) -> Result<Returns> {
    let (half, key) = open(perl, args)?;
    let feeder = args.get(1)?;
    let feeder = feeder.view().is_defined().then(|| perl.new_copy(feeder));
    let old = {
        let mut table = half.table.borrow_mut();
        let Some(group) = table.group_mut(key) else {
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
    feed_outside(perl, half, key)?;
    Ok(Returns::Nothing)
}

/// Feeds where no delivery is going on, so that nobody else looks whether the group is over (G2).
fn feed_outside(perl: Perl, half: &Half, group: Key) -> Result<()> {
    half.check_depth()?;
    if half.across(perl, || feed(perl, half, group))?.is_some() {
        requeue_if_over(half, group);
    }
    Ok(())
}

/// Calls the feeder while the group has fewer members than its limit.
///
/// Perl: runs the feeder, which may do anything. The group is still there afterwards, unless all
/// requests have been forgotten.
pub fn feed(perl: Perl, half: &Half, key: Key) -> Result<()> {
    loop {
        let feeder = {
            let mut table = half.table.borrow_mut();
            let request = table.get_mut(key);
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
            let object = object::make(perl, half, key)?;
            let called = perl.call(feeder.sv(), &[object.sv()], perl.errno());
            drop(object);
            called
        });
        let called = match called {
            Ok(Some(called)) => called,
            Ok(None) => return Ok(()),
            Err(jump) => {
                if let Some(group) = half.table.borrow_mut().group_mut(key) {
                    group.feeding = false;
                }
                return Err(jump);
            }
        };
        let forgotten = {
            let mut table = half.table.borrow_mut();
            let Some(group) = table.group_mut(key) else {
                return Ok(());
            };
            group.feeding = false;
            // It may have been replaced by itself.
            if group.fresh == 0 && group.feeder == feeder.sv().raw() {
                std::mem::replace(&mut group.feeder, std::ptr::null_mut())
            } else {
                std::ptr::null_mut()
            }
        };
        let after = half.across(perl, || {
            if let Called::Died(error) = called {
                perl.warn_in_cleanup(error.sv())?;
            }
            if !forgotten.is_null() {
                // SAFETY: T2: the reference has left the table.
                perl.release(unsafe { Owned::from_raw(forgotten) })?;
            }
            perl.release(feeder)
        })?;
        if after.is_none() {
            return Ok(());
        }
    }
}
