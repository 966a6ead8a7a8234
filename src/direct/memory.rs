//! Memory: mappings as scalars, and advice, protection and locks for what scalars refer to.

use perl_xs::{Args, Fail, Perl, Result, Returns, Sv};

use super::{given, int, long_or, status, sys};
use crate::args;
use crate::{sub, Sub};

pub const SUBS: &[Sub] = &[
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

/// Unmaps a scalar that `mmap` mapped; leaves any other alone.
pub fn unmap(_perl: Perl, _sv: Sv) -> Result<()> {
    Ok(())
}
