//! Moving data between descriptors: sendfile, splice, tee, pipesize, fadvise.

use perl_xs::{Args, Perl, Result, Returns};

use super::{fd, given, int, long, number, sys, Res};
use crate::args::{self, Side};
use crate::{sub, Sub};

pub const SUBS: &[Sub] = &[
    sub(
        "IO::AIO::sendfile",
        Some("$$$$"),
        "ofh, ifh, offset, count",
        sendfile,
    ),
    sub(
        "IO::AIO::fadvise",
        Some("$$$$"),
        "fh, offset, length, advice",
        fadvise,
    ),
    sub(
        "IO::AIO::splice",
        Some("$$$$$$"),
        "rfh, r_off, wfh, w_off, length, flags",
        splice,
    ),
    sub("IO::AIO::tee", Some("$$$$"), "rfh, wfh, length, flags", tee),
    sub(
        "IO::AIO::pipesize",
        Some("$;$"),
        "fh, new_size = -1",
        pipesize,
    ),
];

fn sendfile(perl: Perl, args: &Args) -> Result<Returns> {
    let out = fd(perl, args, 0, Side::Output)?;
    let input = fd(perl, args, 1, Side::Input)?;
    let offset = long(perl, args, 2)?;
    let count = long(perl, args, 3)?;
    let Ok(len) = usize::try_from(count) else {
        return number(perl, Err(libc::EINVAL));
    };
    let sent = match sys::sendfile(out, input, offset, len) {
        // The kernel does not do it between these two, for example to a file open for appending.
        Err(libc::EINVAL | libc::ENOSYS | libc::ENOTSOCK | libc::EOPNOTSUPP) => {
            copy(out, input, offset, len)
        }
        sent => sent,
    };
    number(perl, sent.map(|n| n as i64))
}

/// Copies by reading and writing. An error after some data is a short count.
fn copy(out: i32, input: i32, offset: i64, len: usize) -> Res<usize> {
    let mut buffer = vec![0; len.min(65536)];
    let mut sent = 0;
    while sent < len {
        let want = (len - sent).min(buffer.len());
        let at = offset.checked_add(sent as i64).ok_or(libc::EINVAL);
        let step = at.and_then(|at| {
            let n = sys::pread(input, at, &mut buffer[..want])?;
            if n == 0 {
                Ok(0)
            } else {
                sys::write(out, &buffer[..n])
            }
        });
        match step {
            Ok(0) => break,
            Ok(n) => sent += n,
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(sent)
}

fn fadvise(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let offset = long(perl, args, 1)?;
    let len = long(perl, args, 2)?;
    let advice = int(perl, args, 3)?;
    let errno = perl.errno();
    let result = perl.new_int(sys::fadvise(fh, offset, len, advice).into());
    perl.set_errno(errno);
    Ok(Returns::One(result))
}

fn splice(perl: Perl, args: &Args) -> Result<Returns> {
    let offset = |i| given(args, i)?.map(|sv| args::long(perl, sv)).transpose();
    let input = fd(perl, args, 0, Side::Input)?;
    let from = offset(1)?;
    let out = fd(perl, args, 2, Side::Output)?;
    let to = offset(3)?;
    let len = long(perl, args, 4)? as usize;
    let flags = int(perl, args, 5)? as u32;
    number(perl, sys::splice(input, from, out, to, len, flags))
}

fn tee(perl: Perl, args: &Args) -> Result<Returns> {
    let input = fd(perl, args, 0, Side::Input)?;
    let out = fd(perl, args, 1, Side::Output)?;
    let len = long(perl, args, 2)? as usize;
    let flags = int(perl, args, 3)? as u32;
    number(perl, sys::tee(input, out, len, flags))
}

fn pipesize(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let new = match given(args, 1)? {
        Some(sv) => Some(args::int(perl, sv)?).filter(|&n| n >= 0),
        None => None,
    };
    number(perl, sys::pipe_size(fh, new))
}
