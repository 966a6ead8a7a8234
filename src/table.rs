//! The request table: the Perl half of every request that is not done.
//!
//! T1  An entry exists from submission until its request is done; a job carries its key.
//! T2  The table owns the scalars in its entries, most as raw references. They leave it by
//!     [`Table::remove`], whose receiver releases them: dropping an entry runs no Perl code.
//! T3  The table is borrowed for single looks and changes, never across a call into Perl.
//! T4  A key is used again when its request is done. Whoever holds one while Perl code runs holds
//!     an [`Id`] and asks whether it is [`alive`](Table::alive).

use aio_engine::room::{reserve, KEPT};
use aio_engine::{Heap, Key, Priority};
use perl_sys::SV;
use perl_xs::{Owned, Perl, Sv};

use crate::declare::Decl;
use crate::holds::Place;

/// No request: the end of a list, no group.
pub const NONE: Key = Key::MAX;

/// `cancel` was called.
pub const CANCELLED: u8 = 1;
/// Its callback has begun.
pub const DELIVERING: u8 = 2;
/// The one job inside a composite: its result becomes the group's.
pub const INNER: u8 = 4;
/// A free place of the table.
const FREE: u8 = 8;

/// A request, told from all that had or will have its key (T4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id {
    pub key: Key,
    serial: u32,
}

/// One request that is not done.
pub struct Request {
    pub decl: &'static Decl,
    /// Code body, or null.
    pub callback: *mut SV,
    /// The hash body of the object that the user may have, or null.
    pub object: *mut SV,
    pub extra: Option<Box<Extra>>,
    /// The group it is a member of, and its neighbours there.
    pub group: Key,
    pub prev: Key,
    pub next: Key,
    serial: u32,
    pub priority: Priority,
    pub flags: u8,
}

/// What few requests have. Thousands of reads may be queued at a time, each with one of these: it
/// is as large as a line of the processor's cache.
#[derive(Default)]
pub struct Extra {
    pub kept: Kept,
    pub data: Option<Data>,
    pub other: Option<Box<Other>>,
}

const _: () = assert!(std::mem::size_of::<Extra>() <= 64);

/// Scalars that only have to stay alive: IO bodies, directory objects. One reference to each; null
/// is none. No request has more than two.
pub struct Kept([*mut SV; 2]);

impl Default for Kept {
    fn default() -> Kept {
        Kept([std::ptr::null_mut(); 2])
    }
}

impl Kept {
    pub fn keep(&mut self, sv: Owned) {
        let place = self.0.iter_mut().find(|place| place.is_null());
        *place.expect("a request keeps two scalars at most") = sv.into_raw();
    }

    pub fn into_scalars(self) -> impl Iterator<Item = Owned> {
        let all = self.0.into_iter().filter(|sv| !sv.is_null());
        // SAFETY: `keep` stored one reference of each.
        all.map(|sv| unsafe { Owned::from_raw(sv) })
    }
}

/// What very few requests have.
pub enum Other {
    Argument(Argument),
    Group(Group),
}

/// The third argument of fcntl and ioctl.
pub struct Argument {
    /// What the kernel reads and writes.
    pub room: Vec<u8>,
    /// How much of it is the argument.
    pub len: usize,
    /// The scalar that gets it in the end: one reference.
    pub sv: *mut SV,
}

/// A data scalar in use by a request.
pub struct Data {
    /// The user's scalar: one reference, and one hold.
    pub sv: *mut SV,
    pub works_on: WorksOn,
    /// Where in the buffer a read begins.
    pub offset: usize,
    /// Where its hold is, if it is the only one.
    pub place: Place,
}

/// Where the octets are that a request reads or writes.
pub enum WorksOn {
    /// In the scalar's own buffer, which is pinned.
    Scalar,
    /// In a scalar that is a copy of it: one reference.
    Copy(*mut SV),
    /// In memory that becomes its value, or a part of it, in the end.
    Heap(Box<Heap>),
    /// Somewhere else: they come with the result.
    Result,
}

impl Data {
    /// For a scalar that is held, with a reference of its own.
    pub fn new(sv: Sv, works_on: WorksOn) -> Data {
        Data {
            sv: sv.own().into_raw(),
            works_on,
            offset: 0,
            place: Place::SHARED,
        }
    }

    /// Its scalar, and the copy or the memory if it works on one. The hold must have ended.
    pub fn into_parts(self) -> (Owned, Option<Owned>, Option<Box<Heap>>) {
        // SAFETY: one reference to each scalar is ours.
        let sv = unsafe { Owned::from_raw(self.sv) };
        match self.works_on {
            // SAFETY: as above.
            WorksOn::Copy(copy) => (sv, Some(unsafe { Owned::from_raw(copy) }), None),
            WorksOn::Heap(heap) => (sv, None, Some(heap)),
            WorksOn::Scalar | WorksOn::Result => (sv, None, None),
        }
    }
}

/// What makes a request a group.
pub struct Group {
    pub first: Key,
    pub last: Key,
    pub count: usize,
    /// How many of the members are groups.
    pub groups: usize,
    pub limit: i64,
    /// Any scalar, or null.
    pub feeder: *mut SV,
    pub result: Vec<Owned>,
    pub errno: i32,
    /// A poll has looked at it once: from now on it ends when it has no members.
    pub looked: bool,
    /// The feeder is being called: the group cannot end.
    pub feeding: bool,
    /// How many members have been added since the feeder was called last.
    pub fresh: usize,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            first: NONE,
            last: NONE,
            count: 0,
            groups: 0,
            limit: 0,
            feeder: std::ptr::null_mut(),
            result: Vec::new(),
            errno: 0,
            looked: false,
            feeding: false,
            fresh: 0,
        }
    }
}

impl Request {
    fn remains(&mut self) -> Remains {
        Remains {
            callback: std::mem::replace(&mut self.callback, std::ptr::null_mut()),
            object: std::mem::replace(&mut self.object, std::ptr::null_mut()),
            extra: self.extra.take(),
        }
    }

    pub fn is_group(&self) -> bool {
        self.members().is_some()
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn members(&self) -> Option<&Group> {
        match self.extra.as_ref()?.other.as_deref()? {
            Other::Group(group) => Some(group),
            Other::Argument(_) => None,
        }
    }

    pub fn take_argument(&mut self) -> Option<Argument> {
        let other = &mut self.extra.as_mut()?.other;
        if !matches!(other.as_deref(), Some(Other::Argument(_))) {
            return None;
        }
        match *other.take()? {
            Other::Argument(argument) => Some(argument),
            Other::Group(_) => None,
        }
    }

    pub fn members_mut(&mut self) -> Option<&mut Group> {
        match self.extra.as_mut()?.other.as_deref_mut()? {
            Other::Group(group) => Some(group),
            Other::Argument(_) => None,
        }
    }
}

/// All requests that are not done, by key.
pub struct Table {
    list: Vec<Request>,
    /// First free place, linked by `next`.
    free: Key,
    live: usize,
    /// Of the last request.
    serial: u32,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            list: Vec::new(),
            free: NONE,
            live: 0,
            serial: 0,
        }
    }
}

impl Table {
    /// Enters a request. `None`: there are as many as keys, or as memory has room for.
    pub fn insert(&mut self, decl: &'static Decl, priority: Priority) -> Option<Key> {
        self.serial = self.serial.wrapping_add(1);
        let request = Request {
            decl,
            callback: std::ptr::null_mut(),
            object: std::ptr::null_mut(),
            extra: None,
            group: NONE,
            prev: NONE,
            next: NONE,
            serial: self.serial,
            priority,
            flags: 0,
        };
        let key = if self.free != NONE {
            let key = self.free;
            let place = &mut self.list[key as usize];
            self.free = place.next;
            *place = request;
            key
        } else {
            let key = Key::try_from(self.list.len()).ok().filter(|&k| k < NONE)?;
            reserve(&mut self.list, 1).ok()?;
            self.list.push(request);
            key
        };
        self.live += 1;
        Some(key)
    }

    /// Takes a request out; its scalars are the caller's to release (T2).
    pub fn remove(&mut self, key: Key) -> Remains {
        let request = &mut self.list[key as usize];
        let remains = request.remains();
        request.flags = FREE;
        request.next = self.free;
        self.free = key;
        self.live -= 1;
        if self.live == 0 && self.list.capacity() > KEPT {
            self.list = Vec::new();
            self.free = NONE;
        }
        remains
    }

    pub fn get(&self, key: Key) -> &Request {
        let request = &self.list[key as usize];
        debug_assert!(!request.has(FREE), "request {key} is done");
        request
    }

    pub fn get_mut(&mut self, key: Key) -> &mut Request {
        let request = &mut self.list[key as usize];
        debug_assert!(!request.has(FREE), "request {key} is done");
        request
    }

    pub fn id(&self, key: Key) -> Id {
        Id {
            key,
            serial: self.get(key).serial,
        }
    }

    /// Is it still the same request?
    pub fn alive(&self, id: Id) -> bool {
        self.list
            .get(id.key as usize)
            .is_some_and(|r| r.serial == id.serial && !r.has(FREE))
    }

    /// The group data of a request that is known to be a group.
    pub fn group(&self, key: Key) -> Option<&Group> {
        self.get(key).members()
    }

    pub fn group_mut(&mut self, key: Key) -> Option<&mut Group> {
        self.get_mut(key).members_mut()
    }

    /// Empties the table: everything in it is the caller's.
    pub fn drain(&mut self) -> Vec<Remains> {
        self.free = NONE;
        self.live = 0;
        let mut list = std::mem::take(&mut self.list);
        let live = list.iter_mut().filter(|r| !r.has(FREE));
        live.map(Request::remains).collect()
    }

    /// Puts a request at the end of a group's list.
    pub fn link(&mut self, group: Key, member: Key) {
        let nested = self.get(member).is_group();
        let Some(g) = self.group_mut(group) else {
            return;
        };
        let last = g.last;
        g.last = member;
        if last == NONE {
            g.first = member;
        }
        g.count += 1;
        g.groups += nested as usize;
        g.fresh += 1;
        if last != NONE {
            self.get_mut(last).next = member;
        }
        let m = self.get_mut(member);
        m.group = group;
        m.prev = last;
        m.next = NONE;
    }

    /// Takes a request out of its group; gives the group.
    pub fn unlink(&mut self, member: Key) -> Option<Key> {
        let m = self.get_mut(member);
        let (group, prev, next, nested) = (m.group, m.prev, m.next, m.is_group());
        if group == NONE {
            return None;
        }
        m.group = NONE;
        if prev != NONE {
            self.get_mut(prev).next = next;
        }
        if next != NONE {
            self.get_mut(next).prev = prev;
        }
        let g = self.group_mut(group)?;
        if prev == NONE {
            g.first = next;
        }
        if next == NONE {
            g.last = prev;
        }
        g.count -= 1;
        g.groups -= nested as usize;
        Some(group)
    }

    /// Would `member` inside `group` close a circle? Only a group that has groups can be above
    /// another, and one that is in a group is refused anyway, so the walk up is rarely made.
    pub fn contains(&self, member: Key, group: Key) -> bool {
        if member == group {
            return true;
        }
        if self.group(member).map_or(0, |g| g.groups) == 0 {
            return false;
        }
        let mut up = self.get(group).group;
        while up != NONE {
            if up == member {
                return true;
            }
            up = self.get(up).group;
        }
        false
    }
}

/// What a request that left the table still holds.
#[must_use]
pub struct Remains {
    callback: *mut SV,
    object: *mut SV,
    pub extra: Option<Box<Extra>>,
}

impl Remains {
    /// Takes out one of the scalars, as long as there are some. What is left of its [`Extra`] is
    /// empty then, to be used again.
    #[inline]
    pub fn take(&mut self, perl: Perl) -> Option<Owned> {
        let take = |place: &mut *mut SV| std::mem::replace(place, std::ptr::null_mut());
        // SAFETY: T2: the entry held a reference to each.
        let owned = |sv| unsafe { Owned::from_raw(sv) };
        if !self.object.is_null() {
            let object = owned(take(&mut self.object));
            perl.cut_key(object.sv());
            return Some(object);
        }
        if !self.callback.is_null() {
            return Some(owned(take(&mut self.callback)));
        }
        let extra = self.extra.as_mut()?;
        debug_assert!(extra.data.is_none(), "a buffer is still in use");
        if let Some(place) = extra.kept.0.iter_mut().find(|sv| !sv.is_null()) {
            return Some(owned(take(place)));
        }
        let place = match extra.other.as_deref_mut()? {
            Other::Argument(argument) => &mut argument.sv,
            Other::Group(group) => match group.result.pop() {
                Some(value) => return Some(value),
                None => &mut group.feeder,
            },
        };
        if place.is_null() {
            extra.other = None;
            return None;
        }
        Some(owned(take(place)))
    }
}
