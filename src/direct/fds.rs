//! Calls that open something: pipe2, accept4, eventfd, timerfd, memfd, pidfd.
//!
//! Everything is opened with close-on-exec; the handle made for it decides whether it stays so.

use perl_xs::{Args, Called, Fail, Perl, Result, Returns, Sv};

use super::{fd, given, int, int_or, long, status, sys, text, Res};
use crate::args::{self, Side};
use crate::deliver;
use crate::{sub, Sub};

pub const SUBS: &[Sub] = &[
    sub("IO::AIO::pipe2", Some(";$"), "flags = 0", pipe2),
    sub(
        "IO::AIO::accept4",
        Some("$$$$"),
        "fh, sockaddr, salen, flags",
        accept4,
    ),
    sub(
        "IO::AIO::eventfd",
        Some(";$$"),
        "initval = 0, flags = 0",
        eventfd,
    ),
    sub(
        "IO::AIO::timerfd_create",
        Some("$;$"),
        "clockid, flags = 0",
        timerfd_create,
    ),
    sub(
        "IO::AIO::timerfd_settime",
        Some("$$$$"),
        "fh, flags, interval, value",
        timerfd_settime,
    ),
    sub("IO::AIO::timerfd_gettime", Some("$"), "fh", timerfd_gettime),
    sub(
        "IO::AIO::memfd_create",
        Some("$;$"),
        "pathname, flags = 0",
        memfd_create,
    ),
    sub(
        "IO::AIO::pidfd_open",
        Some("$;$"),
        "pid, flags = 0",
        pidfd_open,
    ),
    sub(
        "IO::AIO::pidfd_getfd",
        Some("$$;$"),
        "fh, target_fd, flags = 0",
        pidfd_getfd,
    ),
    sub(
        "IO::AIO::pidfd_send_signal",
        Some("$$;$$"),
        "fh, sig, siginfo = undef, flags = 0",
        pidfd_send_signal,
    ),
];

/// The longest address that is asked for; no family of addresses comes near it.
const ADDRESS_MAX: usize = 4096;

const BOTH: i32 = 2;

/// A handle for what was opened, or `undef` and `$!`.
fn handle(perl: Perl, opened: Res<i32>, mode: i32) -> Result<Returns> {
    match opened {
        Ok(fd) => {
            if let Some(handle) = deliver::handle(perl, fd, mode)? {
                return Ok(Returns::One(handle));
            }
        }
        Err(errno) => perl.set_errno(errno),
    }
    Ok(Returns::Constant(perl.undef()))
}

fn pipe2(perl: Perl, args: &Args) -> Result<Returns> {
    let flags = int_or(perl, args, 0, 0)?;
    let [r, w] = match sys::pipe2(flags) {
        Ok(fds) => fds,
        Err(errno) => {
            perl.set_errno(errno);
            return Ok(Returns::Nothing);
        }
    };
    let reader = match deliver::handle(perl, r, 0) {
        Ok(Some(reader)) => reader,
        failed => {
            let errno = perl.errno();
            sys::close(w);
            perl.set_errno(errno);
            return failed.map(|_| Returns::Nothing);
        }
    };
    Ok(match deliver::handle(perl, w, 1)? {
        Some(writer) => Returns::List(vec![reader, writer]),
        None => Returns::Nothing,
    })
}

fn accept4(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let max = long(perl, args, 2)?.clamp(0, ADDRESS_MAX as i64) as usize;
    let flags = int(perl, args, 3)?;
    let address = args.raw(1).filter(|_| max > 0);
    if address.is_some_and(|sv| sv.view().is_readonly()) {
        return Fail::croak("Modification of a read-only value attempted");
    }

    let mut room = vec![0u64; max.div_ceil(8)];
    let (fd, len) = match sys::accept4(fh, &mut room, flags) {
        Ok(accepted) => accepted,
        Err(errno) => return handle(perl, Err(errno), BOTH),
    };
    let accepted = handle(perl, Ok(fd), BOTH)?;
    if let Some(sv) = address {
        let octets = room.iter().flat_map(|word| word.to_ne_bytes());
        let mut bytes: Vec<u8> = octets.take(len.min(max)).collect();
        bytes.resize(len, 0);
        if let Called::Died(error) = perl.set_bytes(sv, &bytes)? {
            return Err(Fail::Die(error));
        }
    }
    Ok(accepted)
}

fn eventfd(perl: Perl, args: &Args) -> Result<Returns> {
    let initial = int_or(perl, args, 0, 0)? as u32;
    let flags = int_or(perl, args, 1, 0)?;
    handle(perl, sys::eventfd(initial, flags), BOTH)
}

fn timerfd_create(perl: Perl, args: &Args) -> Result<Returns> {
    let clock = int(perl, args, 0)?;
    let flags = int_or(perl, args, 1, 0)?;
    handle(perl, sys::timerfd_create(clock, flags), BOTH)
}

/// Interval and value as a list, or nothing and `$!`.
fn times(perl: Perl, times: Res<[f64; 2]>) -> Result<Returns> {
    match times {
        Ok(times) => Ok(Returns::List(
            times.into_iter().map(|t| perl.new_float(t)).collect(),
        )),
        Err(errno) => {
            perl.set_errno(errno);
            Ok(Returns::Nothing)
        }
    }
}

fn timerfd_settime(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let flags = int(perl, args, 1)?;
    let interval = perl.float(args.get_number(2)?)?;
    let value = perl.float(args.get_number(3)?)?;
    times(perl, sys::timerfd_settime(fh, flags, interval, value))
}

fn timerfd_gettime(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    times(perl, sys::timerfd_gettime(fh))
}

fn memfd_create(perl: Perl, args: &Args) -> Result<Returns> {
    let name = text(perl, args.get(0)?, libc::EINVAL)?;
    let flags = int_or(perl, args, 1, 0)? as u32;
    handle(
        perl,
        name.and_then(|name| sys::memfd_create(&name, flags)),
        BOTH,
    )
}

fn pidfd_open(perl: Perl, args: &Args) -> Result<Returns> {
    let pid = int(perl, args, 0)?;
    let flags = int_or(perl, args, 1, 0)? as u32;
    handle(perl, sys::pidfd_open(pid, flags), BOTH)
}

fn pidfd_getfd(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let number = int(perl, args, 1)?;
    let flags = int_or(perl, args, 2, 0)? as u32;
    let copy = sys::pidfd_getfd(fh, number, flags);
    let mode = copy.map_or(BOTH, sys::access);
    handle(perl, copy, mode)
}

fn pidfd_send_signal(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let signal = int(perl, args, 1)?;
    let info = match given(args, 2)? {
        None => None,
        Some(sv) => match sv.referent().filter(|body| body.view().is_hash()) {
            Some(hash) => Some(siginfo(perl, hash)?),
            None => return Fail::croak("siginfo argument must be a hashref"),
        },
    };
    let flags = int_or(perl, args, 3, 0)? as u32;
    status(
        perl,
        sys::pidfd_send_signal(fh, signal, info.as_ref(), flags),
    )
}

/// The keys that are there.
fn siginfo(perl: Perl, hash: Sv) -> Result<sys::SigInfo> {
    let get = |key| -> Result<Option<i64>> {
        let value = perl.hash_get(hash, key)?;
        match value.filter(|sv| sv.view().is_defined()) {
            Some(sv) => Ok(Some(args::long(perl, sv)?)),
            None => Ok(None),
        }
    };
    // All of the value is set, also where only its first part is a number.
    let mut value = sys::Value {
        pointer: std::ptr::null_mut(),
    };
    if let Some(n) = get("value_ptr")? {
        value.pointer = n as usize as *mut _;
    }
    if let Some(n) = get("value_int")? {
        value.int = n as i32;
    }
    Ok(sys::SigInfo {
        code: get("code")?.unwrap_or(0) as i32,
        pid: get("pid")?.unwrap_or(0) as libc::pid_t,
        uid: get("uid")?.unwrap_or(0) as libc::uid_t,
        value,
    })
}
