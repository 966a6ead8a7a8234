//! Memory: mappings as scalars, and advice, protection and locks for what scalars refer to.
//!
//! A mapped scalar unmaps when it is undefined or goes away, or when something else is assigned
//! to it; that, and what a mapped scalar is to perl, is in perl-sys (`shim.c`, M1 to M3).

use perl_xs::{Args, Fail, Owned, Perl, Result, Returns, Sv};

use super::{given, int, int_or, long, long_or, status, sys};
use crate::args::{self, Side};
use crate::{sub, Sub};

pub const SUBS: &[Sub] = &[
    sub(
        "IO::AIO::mmap",
        Some("$$$$;$$"),
        "scalar, length, prot, flags, fh = undef, offset = 0",
        mmap,
    ),
    sub("IO::AIO::munmap", Some("$"), "scalar", munmap),
    sub(
        "IO::AIO::mremap",
        Some("$$;$$"),
        "scalar, new_length, flags = MREMAP_MAYMOVE, new_address = 0",
        mremap,
    ),
    sub(
        "IO::AIO::madvise",
        Some("$$;$$"),
        "scalar, offset, length, advice_or_prot",
        madvise,
    ),
    sub(
        "IO::AIO::mprotect",
        Some("$$;$$"),
        "scalar, offset, length, advice_or_prot",
        mprotect,
    ),
    sub(
        "IO::AIO::munlock",
        Some("$;$$"),
        "scalar, offset = 0, length = undef",
        munlock,
    ),
    sub("IO::AIO::mlockall", Some("$;"), "flags", mlockall),
    sub("IO::AIO::munlockall", Some(""), "", munlockall),
];

const IN_USE: &str = "mapped scalar is in use by a request";

#[cfg(target_os = "linux")]
const MAY_MOVE: i32 = libc::MREMAP_MAYMOVE;
#[cfg(not(target_os = "linux"))]
const MAY_MOVE: i32 = 0;

/// Unmaps a scalar that `mmap` mapped; leaves any other alone. Not while a request uses it.
pub fn unmap(perl: Perl, sv: Sv) -> Result<()> {
    match perl.mapping(sv) {
        None => Ok(()),
        Some(mapping) if mapping.in_use => Fail::croak(IN_USE),
        Some(_) => {
            // SAFETY: it is not in use.
            unsafe { perl.drop_mapping(sv) };
            Ok(())
        }
    }
}

/// The scalar that is mapped, or is to be.
fn scalar(perl: Perl, args: &Args, create: bool) -> Result<Owned> {
    match args.raw(0) {
        Some(sv) => Ok(perl.map_scalar(sv, create)?.own()),
        None => Fail::croak("no scalar"),
    }
}

fn mmap(perl: Perl, args: &Args) -> Result<Returns> {
    let len = long(perl, args, 1)? as usize;
    let protection = int(perl, args, 2)?;
    let flags = int(perl, args, 3)?;
    let fd = match given(args, 4)? {
        Some(sv) => args::descriptor(perl, args, sv, Side::Input)?.0,
        None => -1,
    };
    let offset = long_or(perl, args, 5, 0)?;
    let sv = scalar(perl, args, true)?;
    unmap(perl, sv.sv())?;

    // SAFETY: MAP_FIXED replaces memory that the caller has to know.
    let result = match unsafe { sys::mmap(len, protection, flags, fd, offset) } {
        Err(errno) => Err(errno),
        Ok(addr) => {
            let readonly = protection & libc::PROT_WRITE == 0;
            // SAFETY: the mapping is new, and the scalar is the one that was made ready.
            let set = unsafe { perl.set_mapping(sv.sv(), addr, len, readonly) };
            if !matches!(set, Ok(true)) {
                // SAFETY: nothing has seen it.
                unsafe { sys::munmap(addr, len) };
            }
            set?.then_some(()).ok_or(libc::ENOMEM)
        }
    };
    perl.release(sv)?;
    if let Err(errno) = result {
        perl.set_errno(errno);
    }
    Ok(Returns::Constant(perl.boolean(result.is_ok())))
}

fn munmap(perl: Perl, args: &Args) -> Result<Returns> {
    let sv = scalar(perl, args, false)?;
    unmap(perl, sv.sv())?;
    perl.release(sv)?;
    Ok(Returns::Nothing)
}

fn mremap(perl: Perl, args: &Args) -> Result<Returns> {
    let len = long(perl, args, 1)? as usize;
    let flags = int_or(perl, args, 2, MAY_MOVE)?;
    let place = long_or(perl, args, 3, 0)? as usize;
    let sv = scalar(perl, args, false)?;
    let Some(mapping) = perl.mapping(sv.sv()) else {
        return Fail::croak("scalar is not mapped by IO::AIO::mmap");
    };
    if mapping.in_use {
        return Fail::croak(IN_USE);
    }
    let result = if mapping.shared {
        // The other interpreter would be left with the old place.
        Err(libc::EBUSY)
    } else {
        // SAFETY: the scalar alone has the mapping; MREMAP_FIXED replaces memory that the caller
        // has to know.
        unsafe { sys::mremap(mapping.addr, mapping.len, len, flags, place) }
    };
    if let Ok(addr) = result {
        // SAFETY: what mremap has just said.
        unsafe { perl.move_mapping(sv.sv(), addr, len) };
    }
    perl.release(sv)?;
    match result {
        Ok(addr) if addr == mapping.addr => Ok(Returns::One(perl.new_bytes(b"0 but true"))),
        Ok(_) => Ok(Returns::Constant(perl.boolean(true))),
        Err(errno) => {
            perl.set_errno(errno);
            Ok(Returns::Constant(perl.boolean(false)))
        }
    }
}

/// The whole pages that hold a range of a scalar's string: start and length. The range is given
/// by the arguments 1 and 2, offset and length.
fn pages(perl: Perl, args: &Args) -> Result<(usize, usize)> {
    let offset = long_or(perl, args, 1, 0)?;
    let length = given(args, 2)?.map(|sv| args::long(perl, sv)).transpose()?;
    let Some(bytes) = perl.bytes(args.get(0)?)? else {
        return Fail::croak("\"scalar\" argument must be byte/octet-encoded");
    };
    let size = bytes.len() as i64;
    let from = if offset < 0 {
        size.checked_add(offset)
    } else {
        Some(offset)
    };
    let Some(from) = from.filter(|from| (0..=size).contains(from)) else {
        return Fail::croak("offset outside of scalar");
    };
    let rest = size - from;
    let len = length
        .filter(|len| (0..=rest).contains(len))
        .unwrap_or(rest);
    let start = bytes.as_ptr() as usize + from as usize;
    let page = start & !(aio_engine::sys::page_size() - 1);
    // The kernel widens the end of what is not empty.
    let len = if len == 0 {
        0
    } else {
        start - page + len as usize
    };
    Ok((page, len))
}

/// Gives the error number, and leaves `$!` alone.
fn madvise(perl: Perl, args: &Args) -> Result<Returns> {
    let advice = int(perl, args, 3)?;
    let (start, len) = pages(perl, args)?;
    let errno = perl.errno();
    let result = perl.new_int(sys::madvise(start, len, advice).into());
    perl.set_errno(errno);
    Ok(Returns::One(result))
}

fn mprotect(perl: Perl, args: &Args) -> Result<Returns> {
    let protection = int(perl, args, 3)?;
    let (start, len) = pages(perl, args)?;
    // SAFETY: whoever takes away access to memory that others use, perl among them, has asked
    // for it.
    status(perl, unsafe { sys::mprotect(start, len, protection) })
}

fn munlock(perl: Perl, args: &Args) -> Result<Returns> {
    let (start, len) = pages(perl, args)?;
    status(perl, sys::munlock(start, len))
}

fn mlockall(perl: Perl, args: &Args) -> Result<Returns> {
    let flags = int(perl, args, 0)?;
    status(perl, sys::mlockall(flags))
}

fn munlockall(perl: Perl, _: &Args) -> Result<Returns> {
    status(perl, sys::munlockall())
}
