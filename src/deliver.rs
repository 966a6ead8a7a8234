//! From a result to a callback.
//!
//! ```text
//! take a result ─► counters ─► group with members? look at it, leave it
//!                                   │ no
//!                                   ▼
//!     ┌──► give buffers back, make arguments, set $!, call ──► died: remember the first
//!     │                             │
//!     │                             ▼
//!     │    leave the group, call its feeder, release everything held
//!     │                             │
//!     └── the group is empty and has been looked at: it is next
//! ```
//!
//! D1  A request is delivered once: its entry leaves the table on this path and on no other.
//! D2  After every call into Perl a request is looked up again, by its `Id`.
//! D3  An exception waits until the step is complete; a jump (exit) leaves at once, with
//!     everything handed to perl's temporaries and the group ready to end in a later poll.

use std::ops::Range;
use std::os::fd::IntoRawFd;

use aio_engine::ops::dir::{Entries, READDIR_DENTS};
use aio_engine::{Job, Key, Op, Output, Target};
use perl_xs::{Called, Fail, Owned, Perl, Result, Sv};

use crate::declare::{Decl, Reply};
use crate::group;
use crate::half::Half;
use crate::holds::Buffered;
use crate::table::{self, Argument, Data, Id, CANCELLED, DELIVERING, INNER};

/// Serves one result. `false`: it was a group that waits for members, which counts for no limit.
///
/// Perl: runs callbacks; see the top of this file.
pub fn deliver(perl: Perl, half: &Half, job: Box<Job>) -> Result<bool> {
    let key = job.key;
    half.nreqs.set(half.nreqs.get().saturating_sub(1));
    {
        let mut table = half.table.borrow_mut();
        let request = table.get(key);
        let cancelled = request.has(CANCELLED);
        half.stats
            .take(request.decl, request.is_group(), cancelled, &job);
        if let Some(group) = table.group_mut(key) {
            group.looked = true;
            if group.count > 0 || group.feeding {
                drop(table);
                half.recycle(job);
                return Ok(false);
            }
        }
    }
    finish(perl, half, key, Some(job))?;
    Ok(true)
}

/// Exceptions of one step: the first is thrown when the step is complete, others become warnings.
#[derive(Default)]
struct Thrown {
    first: Option<Owned>,
    more: Vec<Owned>,
}

impl Thrown {
    fn add(&mut self, called: Called) {
        if let Called::Died(error) = called {
            match &self.first {
                None => self.first = Some(error),
                Some(_) => self.more.push(error),
            }
        }
    }

    fn finish(self, perl: Perl) -> Result<()> {
        for error in &self.more {
            perl.warn_in_cleanup(error.sv())?;
        }
        match self.first {
            Some(error) => Err(Fail::Die(error)),
            None => Ok(()),
        }
    }
}

/// Delivers a request that has its result, and the groups that end with it.
pub fn finish(perl: Perl, half: &Half, key: Key, job: Option<Box<Job>>) -> Result<()> {
    let mut thrown = Thrown::default();
    let mut next = Some((half.table.borrow().id(key), job));
    while let Some((id, mut job)) = next.take() {
        let called = call(perl, half, id.key, job.as_deref_mut(), &mut thrown);
        if let Some(job) = job {
            half.recycle(job);
        }
        match called {
            Ok(Some(())) => {}
            Ok(None) => break,
            Err(jump) => {
                give_up(perl, half, id);
                return Err(jump);
            }
        }

        let group = {
            let mut table = half.table.borrow_mut();
            table.unlink(id.key).map(|group| table.id(group))
        };
        if let Some(group) = group {
            match half.across(perl, || group::feed(perl, half, group)) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(jump) => {
                    give_up(perl, half, id);
                    requeue_if_over(half, group);
                    return Err(jump);
                }
            }
        }

        let remains = half.table.borrow_mut().remove(id.key);
        match half.across(perl, || half.release(perl, remains)) {
            Ok(Some(())) => {}
            Ok(None) => break,
            Err(jump) => {
                if let Some(group) = group {
                    requeue_if_over(half, group);
                }
                return Err(jump);
            }
        }
        if let Some(group) = group.filter(|&group| is_over(half, group)) {
            next = Some((group, None));
        }
    }
    thrown.finish(perl)
}

/// Has a group been looked at, and has it nothing left to wait for?
fn is_over(half: &Half, group: Id) -> bool {
    if !half.alive(group) {
        return false;
    }
    let table = half.table.borrow();
    let request = table.get(group.key);
    request
        .members()
        .is_some_and(|g| g.looked && g.count == 0 && !g.feeding)
        && !request.has(DELIVERING)
}

/// Sends a group through the result lanes again if it ended where it could not be delivered.
pub fn requeue_if_over(half: &Half, group: Id) {
    if is_over(half, group) {
        let priority = {
            let mut table = half.table.borrow_mut();
            if let Some(g) = table.group_mut(group.key) {
                g.looked = false;
            }
            table.get(group.key).priority
        };
        half.queue_group(group.key, priority);
    }
}

/// A request whose callback jumped: everything goes to perl's temporaries, nothing runs (D3).
#[inline(never)] // keeps the frame of a nested poll small
fn give_up(perl: Perl, half: &Half, id: Id) {
    if !half.alive(id) {
        return;
    }
    let (group, mut remains) = {
        let mut table = half.table.borrow_mut();
        let group = table.unlink(id.key).map(|group| table.id(group));
        (group, table.remove(id.key))
    };
    while let Some(sv) = remains.take(perl) {
        // Runs no Perl code.
        drop(sv);
    }
    if let Some(group) = group {
        requeue_if_over(half, group);
    }
}

/// Gives buffers back and calls the callback. `None`: all requests have been forgotten.
fn call(
    perl: Perl,
    half: &Half,
    key: Key,
    job: Option<&mut Job>,
    thrown: &mut Thrown,
) -> Result<Option<()>> {
    let (decl, callback, cancelled, inner, data, argument) = {
        let mut table = half.table.borrow_mut();
        let request = table.get_mut(key);
        request.flags |= DELIVERING;
        let callback = std::mem::replace(&mut request.callback, std::ptr::null_mut());
        let (data, argument) = match &mut request.extra {
            Some(extra) => (extra.data.take(), request.take_argument()),
            None => (None, None),
        };
        (
            request.decl,
            callback,
            request.has(CANCELLED),
            request.has(INNER),
            data,
            argument,
        )
    };
    // SAFETY: T2: the reference has left the table.
    let callback = (!callback.is_null()).then(|| unsafe { Owned::from_raw(callback) });

    let Some(job) = job else {
        // A group that ends with its last member.
        return call_group(perl, half, key, callback, cancelled, thrown);
    };
    if decl.reply == Reply::Group {
        return call_group(perl, half, key, callback, cancelled, thrown);
    }

    if let Some(data) = data {
        let stored = half.across(perl, || store(perl, half, decl, data, job, cancelled))?;
        match stored {
            Some(called) => thrown.add(called),
            None => return Ok(None),
        }
    }
    if let Some(argument) = argument {
        let Argument { room, len, sv } = argument;
        // SAFETY: T2: the reference has left the table.
        let sv = unsafe { Owned::from_raw(sv) };
        if !cancelled
            && !sv.sv().view().is_readonly()
            && room[..len] != *argument_now(perl, sv.sv())
        {
            match half.across(perl, || perl.set_bytes(sv.sv(), &room[..len]))? {
                Some(called) => thrown.add(called),
                None => return Ok(None),
            }
        }
        let released = half.across(perl, || perl.release(sv))?;
        if released.is_none() {
            return Ok(None);
        }
    }

    if cancelled {
        if let Some(callback) = callback {
            return half.across(perl, || perl.release(callback));
        }
        return Ok(Some(()));
    }
    if inner {
        return pass_to_group(perl, half, key, decl, job);
    }
    let Some(callback) = callback else {
        return Ok(Some(()));
    };

    let errno = job.done.errno;
    let called = if decl.reply == Reply::Empty {
        half.across(perl, || perl.call(callback.sv(), &[], errno))?
    } else if decl.reply.is_status() {
        if matches!(decl.reply, Reply::Stat | Reply::Lstat) {
            set_stat_cache(perl, job);
        }
        // The scalar of the status is used again if nobody kept it. It leaves its place for
        // the time of the call: a poll inside must not find it.
        let mut slot = half.status.borrow_mut().take();
        let status = perl.reuse_int(&mut slot, job.done.result);
        let called = half.across(perl, || perl.call(callback.sv(), &[status], errno));
        *half.status.borrow_mut() = slot;
        called?
    } else {
        let values = arguments(perl, half, decl.reply, job)?;
        let mut svs = [perl.undef(); 2];
        for (sv, value) in svs.iter_mut().zip(&values) {
            *sv = value.sv();
        }
        let called = half.across(perl, || {
            perl.call(callback.sv(), &svs[..values.len()], errno)
        })?;
        let gone = half.across(perl, || half.release_all(perl, values))?;
        if gone.is_none() {
            return Ok(None);
        }
        called
    };
    match called {
        Some(called) => thrown.add(called),
        None => return Ok(None),
    }
    // The callback goes as soon as it has run, and with it what it closes over.
    half.across(perl, || perl.release(callback))
}

/// The octets a scalar has now, nothing if they cannot be told without running Perl code.
fn argument_now<'a>(perl: Perl, sv: Sv) -> &'a [u8] {
    let view = sv.view();
    if view.has_string() && !view.is_ref() && !view.is_magical() && !view.is_utf8() {
        if let Ok(Some(bytes)) = perl.bytes(sv) {
            return bytes;
        }
    }
    &[]
}

/// A group: its callback gets what `result` stored.
#[inline(never)] // keeps the frame of a nested poll small
fn call_group(
    perl: Perl,
    half: &Half,
    key: Key,
    callback: Option<Owned>,
    cancelled: bool,
    thrown: &mut Thrown,
) -> Result<Option<()>> {
    let Some(callback) = callback else {
        return Ok(Some(()));
    };
    if !cancelled {
        let (result, errno) = {
            let mut table = half.table.borrow_mut();
            match table.group_mut(key) {
                Some(group) => (std::mem::take(&mut group.result), group.errno),
                None => (Vec::new(), 0),
            }
        };
        let svs: Vec<Sv> = result.iter().map(Owned::sv).collect();
        let called = half.across(perl, || perl.call(callback.sv(), &svs, errno))?;
        let gone = half.across(perl, || half.release_all(perl, result))?;
        if gone.is_none() {
            return Ok(None);
        }
        match called {
            Some(called) => thrown.add(called),
            None => return Ok(None),
        }
    }
    half.across(perl, || perl.release(callback))
}

/// The job inside a composite: its result is the group's.
#[inline(never)] // keeps the frame of a nested poll small
fn pass_to_group(
    perl: Perl,
    half: &Half,
    key: Key,
    decl: &Decl,
    job: &mut Job,
) -> Result<Option<()>> {
    let values = arguments(perl, half, decl.reply, job)?;
    let old = {
        let mut table = half.table.borrow_mut();
        let group = table.get(key).group;
        let group = (group != table::NONE)
            .then(|| table.group_mut(group))
            .flatten();
        match group {
            Some(group) => {
                group.errno = job.done.errno;
                std::mem::replace(&mut group.result, values)
            }
            None => values,
        }
    };
    half.across(perl, || half.release_all(perl, old))
}

fn set_stat_cache(perl: Perl, job: &Job) {
    let lstat = matches!(
        job.op,
        Op::Lstat {
            target: Target::Path(_)
        }
    );
    let st = match &job.done.output {
        Output::Stat(st) => Some(std::ptr::from_ref(&**st).cast()),
        _ => None,
    };
    // SAFETY: a struct stat, whose size was compared with perl's when the module was loaded.
    unsafe { perl.set_stat(st, lstat) }
}

/// Ends the use of a data scalar: what was read becomes its value.
///
/// Perl: set magic runs Perl code.
#[inline(never)] // keeps the frame of a nested poll small
fn store(
    perl: Perl,
    half: &Half,
    decl: &Decl,
    data: Data,
    job: &mut Job,
    cancelled: bool,
) -> Result<Called> {
    let offset = data.offset;
    let len = offset + job.done.result.max(0) as usize;
    if decl.reply == Reply::Read && !cancelled && half.holds.filled(perl, &data, len) {
        perl.release(data.into_parts().0)?;
        return Ok(Called::Returned);
    }
    let (back, held) = half.holds.let_go(perl, &data);
    let (sv, copy, heap) = data.into_parts();
    // Another request may still hold the scalar; the value is stored all the same.
    if held {
        sv.sv().set_readonly(false);
    }
    let called = match (decl.reply, heap) {
        (Reply::Read, Some(_)) if cancelled => Called::Returned,
        (Reply::Read, Some(heap)) => {
            // SAFETY: the prefix was put there, and the read wrote the rest.
            let bytes = unsafe { std::slice::from_raw_parts(heap.as_ptr(), len) };
            // What has become of the beginning meanwhile stays, unless a look at it would run
            // Perl code: then it is what it was.
            let view = sv.sv().view();
            if view.has_string() && !view.is_magical() && !view.is_ref() && !view.is_utf8() {
                let now = perl.bytes(sv.sv())?.unwrap_or(&[]);
                let mut value = now[..offset.min(now.len())].to_vec();
                value.resize(offset, 0);
                value.extend_from_slice(bytes.get(offset..).unwrap_or(&[]));
                perl.set_bytes(sv.sv(), &value)?
            } else {
                perl.set_bytes(sv.sv(), bytes)?
            }
        }
        (Reply::Read, None) => {
            match back {
                Buffered::InPlace { .. } if cancelled => Called::Returned,
                // SAFETY: `read` made room for what was read, and the read wrote it.
                Buffered::InPlace { own } => unsafe { perl.finish_buffer(sv.sv(), len, own)? },
                Buffered::Lost { ptr, own } => {
                    let called = if cancelled {
                        Ok(Called::Returned)
                    } else {
                        // SAFETY: the buffer is still the request's, `len` octets are written.
                        let bytes = unsafe { std::slice::from_raw_parts(ptr, len) };
                        perl.set_bytes(sv.sv(), bytes)
                    };
                    if own {
                        // SAFETY: the scalar has another buffer; nothing refers to this one.
                        unsafe { perl.free_buffer(ptr) }
                    }
                    called?
                }
            }
        }
        (Reply::Slurp, _) if !cancelled => match std::mem::take(&mut job.done.output) {
            Output::Bytes(heap) => {
                let (ptr, len, cap) = heap.into_raw();
                // SAFETY: malloc's memory, with room for a NUL behind the octets.
                unsafe { perl.set_heap(sv.sv(), ptr, len, cap)? }
            }
            _ => Called::Returned,
        },
        _ => {
            if let Buffered::Lost { ptr, own: true } = back {
                // SAFETY: the scalar has another buffer; nothing refers to this one.
                unsafe { perl.free_buffer(ptr) }
            }
            Called::Returned
        }
    };
    if held && half.holds.is_held(sv.sv()) {
        sv.sv().set_readonly(true);
    }
    if let Some(copy) = copy {
        perl.release(copy)?;
    }
    perl.release(sv)?;
    Ok(called)
}

/// The arguments a result becomes, where they are not just a status.
#[inline(never)] // keeps the frame of a nested poll small
fn arguments(perl: Perl, half: &Half, reply: Reply, job: &mut Job) -> Result<Vec<Owned>> {
    let failed = job.done.result < 0;
    let output = std::mem::take(&mut job.done.output);
    Ok(match reply {
        Reply::Empty | Reply::Group => Vec::new(),

        Reply::Status
        | Reply::Read
        | Reply::Write
        | Reply::Slurp
        | Reply::Control
        | Reply::Stat
        | Reply::Lstat => vec![perl.new_int(job.done.result)],

        Reply::Handle => vec![match output {
            Output::Fd(fd) => {
                let flags = match job.op {
                    Op::Open { flags, .. } => flags,
                    _ => libc::O_RDWR,
                };
                let mode = match flags & libc::O_ACCMODE {
                    libc::O_RDONLY => 0,
                    libc::O_WRONLY => 1,
                    _ => 2,
                };
                let fd = fd.into_raw_fd();
                handle(perl, fd, mode)?.unwrap_or_else(|| perl.new_undef())
            }
            _ => perl.new_undef(),
        }],

        Reply::Statvfs => vec![match output {
            Output::Statvfs(st) => statvfs(perl, &st),
            _ => perl.new_undef(),
        }],

        Reply::Text => match output {
            Output::Text(text) if !failed => vec![perl.new_bytes(&text)],
            _ => Vec::new(),
        },

        Reply::Names => vec![match output {
            Output::Entries(entries) if !failed => {
                perl.into_ref(names(perl, &entries, 0..entries.len()))
            }
            _ => perl.new_undef(),
        }],

        Reply::Entries => {
            let asked = match job.op {
                Op::Readdir { flags, .. } => flags,
                _ => 0,
            };
            match output {
                Output::Entries(entries) if !failed => {
                    let list = match asked & READDIR_DENTS {
                        0 => names(perl, &entries, 0..entries.len()),
                        _ => {
                            let list = perl.new_array(entries.len());
                            for (name, kind, ino) in entries.iter() {
                                let entry = perl.new_array(3);
                                perl.push(&entry, perl.new_bytes(name));
                                perl.push(&entry, perl.new_int(kind as i64));
                                perl.push(&entry, perl.new_uint(ino));
                                perl.push(&list, perl.into_ref(entry));
                            }
                            list
                        }
                    };
                    let flags = (asked | entries.flags() | READDIR_DENTS) as i64;
                    vec![perl.into_ref(list), perl.new_int(flags)]
                }
                _ => vec![
                    perl.new_undef(),
                    perl.new_int((asked | READDIR_DENTS) as i64),
                ],
            }
        }

        Reply::Dirs => match output {
            Output::Entries(entries) if !failed => {
                let split = entries.dirs();
                let dirs = names(perl, &entries, 0..split);
                let others = names(perl, &entries, split..entries.len());
                vec![perl.into_ref(dirs), perl.into_ref(others)]
            }
            _ => Vec::new(),
        },

        Reply::Extents => match output {
            Output::Extents(extents) if !failed => {
                let list = perl.new_array(extents.len());
                for extent in extents.iter() {
                    let entry = perl.new_array(4);
                    for &n in extent {
                        perl.push(&entry, perl.new_uint(n));
                    }
                    perl.push(&list, perl.into_ref(entry));
                }
                vec![perl.into_ref(list)]
            }
            _ if !failed => vec![perl.new_int(job.done.result)],
            _ => Vec::new(),
        },

        Reply::Wd => vec![match output {
            Output::Wd(wd) => half.wds.object(perl, wd)?,
            _ => perl.new_undef(),
        }],
    })
}

/// An array of the names of these entries, made in one call into perl.
fn names(perl: Perl, entries: &Entries, range: Range<usize>) -> Owned {
    let (text, spans) = entries.spans();
    let spans: Vec<_> = spans.skip(range.start).take(range.len()).collect();
    let list = perl.new_array(spans.len());
    perl.push_spans(&list, text, &spans);
    list
}

/// A handle for a descriptor, which it owns from now on. Inherited by `exec` as perl would have
/// it: only up to `$^F`.
///
/// Perl: layers written in Perl run.
pub fn handle(perl: Perl, fd: i32, mode: i32) -> Result<Option<Owned>> {
    let inherit = fd <= perl.max_system_fd();
    // SAFETY: plain system calls on a descriptor that is ours.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFD);
        let wanted = if inherit {
            flags & !libc::FD_CLOEXEC
        } else {
            flags | libc::FD_CLOEXEC
        };
        if flags >= 0 && wanted != flags {
            libc::fcntl(fd, libc::F_SETFD, wanted);
        }
    }
    let made = perl.new_handle(fd, mode);
    if !matches!(made, Ok(Some(_))) {
        let errno = perl.errno();
        // SAFETY: no handle took it over.
        unsafe { libc::close(fd) };
        perl.set_errno(errno);
    }
    made
}

// The fields have other types on other systems.
#[allow(clippy::unnecessary_cast)]
fn statvfs(perl: Perl, st: &aio_engine::sys::Statvfs) -> Owned {
    let hash = perl.new_hash();
    let put = |key, value: u64| perl.hash_store(&hash, key, perl.new_uint(value));
    put("bsize", st.f_bsize as u64);
    put("frsize", st.f_frsize as u64);
    put("blocks", st.f_blocks as u64);
    put("bfree", st.f_bfree as u64);
    put("bavail", st.f_bavail as u64);
    put("files", st.f_files as u64);
    put("ffree", st.f_ffree as u64);
    put("favail", st.f_favail as u64);
    put("fsid", st.f_fsid as u64);
    put("flag", st.f_flag as u64);
    put("namemax", st.f_namemax as u64);
    perl.into_ref(hash)
}
