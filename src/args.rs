//! Argument kinds: how the arguments of a request become the inputs of an op.
//!
//! A1  Everything is checked before the first side effect: a parse that fails leaves scalars,
//!     counters and the pending priority as they were.
//! A2  What was kept along the way is given back when a parse is dropped.
//! A3  Octets of one argument are copied before the next is looked at: fetching that may run
//!     Perl code.

use std::ffi::CString;

use aio_engine::{Arg, Buffer, Heap, Op, Path, Target};
use perl_xs::{Args, Fail, Number, Owned, Perl, Result, Room, Sv};

use crate::half::Half;
use crate::holds::Use;
use crate::table::{Argument, Data, Extra, Other, WorksOn};
use crate::wd;

const NOT_A_HANDLE: &str = "illegal fh argument, either not an OS file or read/write mode mismatch";
const NOT_A_CALLBACK: &str = "callback must be a CODE reference or another callable object";

/// The arguments of a call on their way into a request.
pub struct Parse<'a> {
    pub perl: Perl,
    pub half: &'a Half,
    pub args: &'a Args<'a>,
    extra: Option<Box<Extra>>,
}

impl Drop for Parse<'_> {
    fn drop(&mut self) {
        // A2. Dropping an Owned runs no Perl code.
        let Some(extra) = self.extra.take() else {
            return;
        };
        extra.kept.into_scalars().for_each(drop);
        if let Some(Other::Argument(argument)) = extra.other.map(|other| *other) {
            // SAFETY: `argument` stored one reference.
            drop(unsafe { Owned::from_raw(argument.sv) });
        }
        if let Some(data) = extra.data {
            drop(self.half.drop_data(self.perl, data));
        }
    }
}

/// The callback given as this scalar, `None` for `undef`.
///
/// Perl: overloading runs Perl code; what is no callback croaks.
pub fn callback(perl: Perl, sv: Sv) -> Result<Option<Owned>> {
    if !sv.view().is_defined() {
        return Ok(None);
    }
    match perl.code(sv)? {
        Some(code) => Ok(Some(code)),
        None => Err(perl.complaint(sv, NOT_A_CALLBACK)),
    }
}

/// What kind of descriptor a call wants.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Input,
    Output,
}

/// The descriptor of a handle that is one of the arguments, and the IO body that keeps it open.
///
/// Perl: magic, and layers written in Perl, run Perl code; what is no open handle croaks.
pub fn descriptor(perl: Perl, args: &Args, sv: Sv, side: Side) -> Result<(i32, Option<Sv>)> {
    let refuse = || Err(perl.complaint(sv, NOT_A_HANDLE));
    let handle = perl.handle(sv, side == Side::Output, true, || args.keep())?;
    if let Some((fd, io)) = handle {
        return if fd < 0 { refuse() } else { Ok((fd, Some(io))) };
    }
    // A number, or a reference to one.
    let mut number = sv;
    if let Some(body) = sv.referent() {
        let view = body.view();
        if view.is_array() || view.is_hash() || view.is_code() || view.is_io() || view.is_object() {
            return refuse();
        }
        number = perl.fetch(body)?;
        if number.view().is_ref() {
            return refuse();
        }
    }
    if !number.view().is_defined() || !number.looks_like_number() {
        return refuse();
    }
    match perl.number(number)? {
        Number {
            kind: 0, iv, nv, ..
        } if nv >= 0.0 && iv < i32::MAX as i64 => Ok((iv as i32, None)),
        _ => refuse(),
    }
}

/// An argument as a C `int`.
pub fn int(perl: Perl, sv: Sv) -> Result<i32> {
    Ok(long(perl, sv)? as i32)
}

/// An argument as a 64-bit integer; what is beyond wraps or saturates as perl's own IV does.
pub fn long(perl: Perl, sv: Sv) -> Result<i64> {
    let n = perl.number(sv)?;
    Ok(match n.kind {
        2 => n.nv as i64,
        _ => n.iv,
    })
}

impl<'a> Parse<'a> {
    pub fn new(perl: Perl, half: &'a Half, args: &'a Args<'a>) -> Parse<'a> {
        Parse {
            perl,
            half,
            args,
            extra: None,
        }
    }

    /// What the request has to keep, once everything has been checked.
    pub fn finish(mut self) -> Option<Box<Extra>> {
        self.extra.take()
    }

    fn extra(&mut self) -> &mut Extra {
        let half = self.half;
        self.extra.get_or_insert_with(|| half.extra())
    }

    /// Keeps a scalar alive until the request is done.
    pub fn keep(&mut self, sv: Owned) {
        self.extra().kept.keep(sv);
    }

    /// The value of an argument, `None` if it is missing or undefined.
    pub fn given(&self, i: usize) -> Result<Option<Sv>> {
        let sv = self.args.get(i)?;
        Ok(sv.view().is_defined().then_some(sv))
    }

    /// An argument that is a plain integer, which most numbers are.
    #[inline]
    fn plain(&self, i: usize) -> Option<i64> {
        self.args.raw(i)?.integer()
    }

    /// As [`given`](Parse::given), for a number.
    pub fn given_number(&self, i: usize) -> Result<Option<Sv>> {
        let sv = self.given(i)?;
        if sv.is_some_and(|sv| !sv.view().has_number()) {
            self.args.keep();
        }
        Ok(sv)
    }

    pub fn int(&self, i: usize) -> Result<i32> {
        if let Some(n) = self.plain(i) {
            return Ok(n as i32);
        }
        int(self.perl, self.args.get_number(i)?)
    }

    pub fn long(&self, i: usize) -> Result<i64> {
        if let Some(n) = self.plain(i) {
            return Ok(n);
        }
        long(self.perl, self.args.get_number(i)?)
    }

    /// An integer, or `default` for `undef`.
    pub fn long_or(&self, i: usize, default: i64) -> Result<i64> {
        if let Some(n) = self.plain(i) {
            return Ok(n);
        }
        match self.given_number(i)? {
            Some(sv) => long(self.perl, sv),
            None => Ok(default),
        }
    }

    pub fn int_or(&self, i: usize, default: i32) -> Result<i32> {
        Ok(self.long_or(i, default as i64)? as i32)
    }

    pub fn float(&self, i: usize) -> Result<f64> {
        let sv = self.args.get_number(i)?;
        self.perl.float(sv)
    }

    /// A length: `Err` inside is an errno. Negative and absurd numbers are invalid; `undef` is
    /// `default`.
    pub fn length(&self, i: usize, default: u64) -> Result<std::result::Result<u64, i32>> {
        if let Some(n) = self.plain(i) {
            return Ok(u64::try_from(n).map_err(|_| libc::EINVAL));
        }
        let Some(sv) = self.given_number(i)? else {
            return Ok(Ok(default));
        };
        let n = self.perl.number(sv)?;
        Ok(match n.kind {
            0 if n.iv >= 0 => Ok(n.iv as u64),
            _ => Err(libc::EINVAL),
        })
    }

    fn wide(name: &str) -> String {
        format!("\"{name}\" argument must be byte/octet-encoded")
    }

    pub fn path(&mut self, i: usize, name: &str) -> Result<Path> {
        self.path_or_wide(i, || Parse::wide(name))
    }

    /// A path with a message of its own for characters above 255.
    pub fn path_or_wide(&mut self, i: usize, wide: impl Fn() -> String) -> Result<Path> {
        let sv = self.args.get(i)?;
        self.path_of(sv, wide)
    }

    fn path_of(&mut self, sv: Sv, wide: impl Fn() -> String) -> Result<Path> {
        let parts = wd::parts(self.perl, self.half, sv, wide)?;
        Ok(parts.path(self))
    }

    pub fn paths(&mut self, first: &str, second: &str) -> Result<Box<[Path; 2]>> {
        Ok(Box::new([self.path(0, first)?, self.path(1, second)?]))
    }

    /// The text and the path of a symbolic link. The new link's own directory decides; if only
    /// the text came with one, that one is used: programs depend on it.
    pub fn symlink(&mut self) -> Result<Op> {
        let (perl, half) = (self.perl, self.half);
        let target = self.args.get(0)?;
        let target = wd::parts(perl, half, target, || Parse::wide("oldpath"))?;
        let text = target.text.to_vec();
        let link = self.args.get(1)?;
        let link = wd::parts(perl, half, link, || Parse::wide("newpath"))?;
        let path = if target.has_wd() && !link.has_wd() {
            target.path_to(link.text, self)
        } else {
            link.path(self)
        };
        Ok(match CString::new(text) {
            Ok(text) => Op::Symlink {
                text: text.into_boxed_c_str(),
                path,
            },
            Err(_) => Op::Fail {
                errno: libc::ENOENT,
            },
        })
    }

    /// A handle, or else a path.
    pub fn target(&mut self, i: usize) -> Result<Target> {
        let sv = self.args.get(i)?;
        let view = sv.view();
        if view.is_glob() || view.is_ref() {
            let handle = self.perl.handle(sv, false, false, || self.args.keep())?;
            if let Some((fd, io)) = handle {
                self.keep(io.own());
                return Ok(Target::Fd(fd));
            }
        }
        self.path_of(sv, || Parse::wide("fh_or_path"))
            .map(Target::Path)
    }

    pub fn fd(&mut self, i: usize, side: Side) -> Result<i32> {
        let sv = self.args.get(i)?;
        let (fd, io) = descriptor(self.perl, self.args, sv, side)?;
        if let Some(io) = io {
            self.keep(io.own());
        }
        Ok(fd)
    }

    pub fn input(&mut self, i: usize) -> Result<i32> {
        self.fd(i, Side::Input)
    }

    /// An offset that may be left out: then, and if it is negative, the file position.
    pub fn position(&self, i: usize) -> Result<Option<i64>> {
        if let Some(n) = self.plain(i) {
            return Ok((n >= 0).then_some(n));
        }
        match self.given_number(i)? {
            Some(sv) => Ok(Some(long(self.perl, sv)?).filter(|&offset| offset >= 0)),
            None => Ok(None),
        }
    }

    /// Where in a string of `len` octets an offset points; from the end if it is negative.
    fn offset_in(offset: i64, len: usize, complaint: &'static str) -> Result<usize> {
        let from = if offset < 0 {
            (len as i64).checked_add(offset)
        } else {
            Some(offset)
        };
        match from {
            Some(from) if (0..=len as i64).contains(&from) => Ok(from as usize),
            _ => Fail::croak(complaint),
        }
    }

    /// The octets of a data argument, checked for wide characters.
    fn data_bytes(&self, sv: Sv, name: &str) -> Result<&'a [u8]> {
        match self.perl.bytes(sv)? {
            Some(bytes) => Ok(bytes),
            None => Fail::croak(Parse::wide(name)),
        }
    }

    /// `aio_read`: handle, offset, length, data, data offset.
    pub fn read(&mut self) -> Result<Op> {
        let perl = self.perl;
        let fd = self.input(0)?;
        let offset = self.position(1)?;
        let len = self.length(2, 0)?;
        let from = self.long_or(4, 0)?;
        // The data comes last: with it in hand no Perl code runs any more.
        if let Some(op) = self.read_simply(fd, offset, len, from) {
            return Ok(op);
        }
        let value = self.args.get(3)?;
        let bytes = self.data_bytes(value, "data")?;
        let from = Parse::offset_in(from, bytes.len(), "dataoffset outside of data scalar")?;

        // From here on the scalar changes; nothing below croaks but what `own_buffer` refuses.
        let Some(sv) = self.args.raw(3) else {
            return Fail::croak("no data scalar");
        };
        if sv.view().is_readonly() && !self.half.holds.makes_readonly(sv) {
            return Fail::croak("Modification of a read-only value attempted");
        }
        let len = match len {
            Ok(len) => usize::try_from(len).unwrap_or(usize::MAX),
            Err(errno) => return Ok(Op::Fail { errno }),
        };
        let Some(need) = from.checked_add(len) else {
            return Ok(Op::Fail {
                errno: libc::EINVAL,
            });
        };
        // Magic may replace the buffer of a scalar at any look at it, making a string of what
        // refers to an object or closes a handle runs Perl code, and one that another request
        // holds cannot be made to fit: these get a buffer of the request's own, and the value at
        // the end.
        let view = sv.view();
        let apart = view.is_magical() || view.is_ref() || view.is_glob();
        if apart || self.half.holds.is_held(sv) {
            let Ok(mut heap) = Heap::with_capacity(need) else {
                return Ok(Op::Fail {
                    errno: libc::ENOMEM,
                });
            };
            heap.put(&bytes[..from]);
            let ptr = heap.as_ptr();
            self.half.holds.hold(perl, sv, Use::Apart);
            self.extra().data = Some(Data {
                offset: from,
                ..Data::new(sv, WorksOn::Heap(Box::new(heap)))
            });
            // SAFETY: the buffer has `need` octets, and is kept until the job is back.
            let buf = unsafe { Buffer::new(ptr.add(from), len) };
            return Ok(Op::Read { fd, offset, buf });
        }
        match perl.own_buffer(sv, need)? {
            Room::Yes(ptr) => {
                self.half.holds.hold(perl, sv, Use::Fill(ptr));
                self.extra().data = Some(Data {
                    offset: from,
                    ..Data::new(sv, WorksOn::Scalar)
                });
                // SAFETY: the buffer has `need` octets, and the hold keeps it in place until
                // the job is back.
                let buf = unsafe { Buffer::new(ptr.add(from), len) };
                Ok(Op::Read { fd, offset, buf })
            }
            Room::CannotGrow => {
                Fail::croak("length + dataoffset outside of scalar, and cannot grow")
            }
            Room::NoMemory => Ok(Op::Fail {
                errno: libc::ENOMEM,
            }),
        }
    }

    /// A read into a plain string that nobody else uses and that has room for it.
    #[inline]
    fn read_simply(
        &mut self,
        fd: i32,
        offset: Option<i64>,
        len: std::result::Result<u64, i32>,
        from: i64,
    ) -> Option<Op> {
        let sv = self.args.raw(3)?;
        let (from, len) = (
            usize::try_from(from).ok()?,
            usize::try_from(len.ok()?).ok()?,
        );
        let need = from.checked_add(len)?;
        let (place, ptr) = self.half.holds.fill(self.perl, sv, from, need)?;
        self.extra().data = Some(Data {
            offset: from,
            place,
            ..Data::new(sv, WorksOn::Scalar)
        });
        // SAFETY: as in `read`.
        let buf = unsafe { Buffer::new(ptr.add(from), len) };
        Some(Op::Read { fd, offset, buf })
    }

    /// `aio_write`: handle, offset, length, data, data offset.
    pub fn write(&mut self) -> Result<Op> {
        let perl = self.perl;
        let fd = self.fd(0, Side::Output)?;
        let offset = self.position(1)?;
        let len = self.length(2, u64::MAX)?;
        let from = self.long_or(4, 0)?;
        // The data comes last: with it in hand no Perl code runs any more.
        let value = self.args.get(3)?;
        let Some(sv) = self.args.raw(3) else {
            return Fail::croak("no data scalar");
        };
        // Before what makes a string of an object: that may make the object a string.
        let view = sv.view();
        let bytes = self.data_bytes(value, "data")?;
        let have = bytes.len();
        let from = Parse::offset_in(from, have, "dataoffset outside of data scalar")?;
        let len = match len {
            Ok(len) => usize::try_from(len).unwrap_or(usize::MAX).min(have - from),
            Err(errno) => return Ok(Op::Fail { errno }),
        };
        // A plain string is used where it is, by any number of writes; everything else (numbers,
        // objects, magic, UTF-8, shared buffers, one that a read fills) as a copy, which shares
        // the buffer where perl can.
        let plain = view.has_string()
            && !view.is_ref()
            && !view.is_magical()
            && !view.is_utf8()
            && !view.is_glob();
        let cow = plain && view.is_cow();
        let joined = match cow {
            true => self.half.holds.join_copy(perl, sv, bytes)?,
            false => None,
        };
        let (source, ptr) = if plain && !cow && self.half.holds.join(sv, bytes) {
            (None, bytes.as_ptr().cast_mut())
        } else if plain && !cow && !self.half.holds.is_held(sv) {
            // SAFETY: a plain string of its own, which no request holds.
            let ptr = unsafe { perl.plain_buffer(sv) };
            self.half.holds.hold(perl, sv, Use::Read(ptr));
            (None, ptr)
        } else if joined.is_some() {
            (joined, bytes.as_ptr().cast_mut())
        } else {
            let copy = match cow {
                true => perl.new_copy(sv),
                false => perl.new_bytes(bytes),
            };
            let ptr = self.data_bytes(copy.sv(), "data")?.as_ptr();
            let shares = cow && ptr == bytes.as_ptr();
            let how = match shares {
                true => Use::Copy(copy.sv().raw()),
                false => Use::Apart,
            };
            self.half.holds.hold(perl, sv, how);
            (Some(copy), ptr.cast_mut())
        };
        let works_on = match source {
            Some(source) => WorksOn::Copy(source.into_raw()),
            None => WorksOn::Scalar,
        };
        self.extra().data = Some(Data::new(sv, works_on));
        // SAFETY: `from + len` is within the string, which stays in place until the job is back:
        // pinned, or in a scalar of the request's own.
        let buf = unsafe { Buffer::new(ptr.add(from), len) };
        Ok(Op::Write { fd, offset, buf })
    }

    /// The scalar that a whole file goes to.
    pub fn destination(&mut self, i: usize) -> Result<()> {
        let Some(sv) = self.args.raw(i) else {
            return Fail::croak("no data scalar");
        };
        if sv.view().is_readonly() && !self.half.holds.makes_readonly(sv) {
            return Fail::croak("Modification of a read-only value attempted");
        }
        self.args.get(i)?;
        crate::direct::unmap(self.perl, sv)?;
        self.half.holds.hold(self.perl, sv, Use::Apart);
        self.extra().data = Some(Data::new(sv, WorksOn::Result));
        Ok(())
    }

    /// The third argument of fcntl and ioctl: a number by value, anything else as the kernel's
    /// own copy of its octets, with room for at least 256, and for `need`.
    pub fn argument(&mut self, i: usize, need: usize) -> Result<Arg> {
        let value = self.args.get(i)?;
        let view = value.view();
        if view.has_number() && !view.has_string() && !view.is_ref() {
            return Ok(Arg::Value(long(self.perl, value)? as libc::c_long));
        }
        let bytes = self.data_bytes(value, "arg")?;
        let mut room = vec![0; bytes.len().max(need).max(256) + 1];
        room[..bytes.len()].copy_from_slice(bytes);
        let len = bytes.len();
        // SAFETY: the vector is kept, untouched, until the job is back.
        let buf = unsafe { Buffer::new(room.as_mut_ptr(), room.len() - 1) };
        let sv = self.args.raw(i).unwrap_or(value);
        let sv = sv.own().into_raw();
        let argument = Argument { room, len, sv };
        self.extra().other = Some(Box::new(Other::Argument(argument)));
        Ok(Arg::Pointer(buf))
    }

    /// A range of a scalar's memory: data, offset, length.
    pub fn range(&mut self) -> Result<Buffer> {
        let Some(sv) = self.args.raw(0) else {
            return Fail::croak("no data scalar");
        };
        let from = self.long_or(1, 0)?;
        let len = self.length(2, u64::MAX)?.unwrap_or(u64::MAX);
        // The data comes last: with it in hand no Perl code runs any more.
        let value = self.args.get(0)?;
        let bytes = self.data_bytes(value, "data")?;
        let (ptr, have) = (bytes.as_ptr(), bytes.len());
        let from = Parse::offset_in(from, have, "offset outside of scalar")?;
        let len = len.min((have - from) as u64);
        self.keep(sv.own());
        if value != sv {
            self.keep(value.own());
        }
        // SAFETY: the range lies in the scalar's string. The scalar is kept; a program that
        // gives it another buffer meanwhile makes the system call look at memory that is not
        // there any more, which it reports.
        Ok(unsafe { Buffer::new(ptr.cast_mut().add(from), len as usize) })
    }
}
