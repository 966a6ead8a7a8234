//! The synchronous calls: they run in the calling thread and return what happened.
//!
//! Their arguments are all looked at before the system call, because that may run Perl code; the
//! call is made once. A signal interrupts a call that waits, so that its handler gets to run.
//!
//! `sys` has the system calls, the other files one family of functions each.

mod fds;
mod files;
mod memory;
mod process;
mod stat;
mod sys;

pub use memory::unmap;

use std::ffi::CString;

use perl_xs::{Args, Fail, Perl, Result, Returns, Sv};

use crate::args::{self, Side};
use crate::Sub;
use sys::Res;

pub static SUBS: &[&[Sub]] = &[
    files::SUBS,
    fds::SUBS,
    memory::SUBS,
    process::SUBS,
    stat::SUBS,
];

/// −1 and `$!` for a failure, else the number.
fn number(perl: Perl, result: Res<i64>) -> Result<Returns> {
    Ok(Returns::One(match result {
        Ok(n) => perl.new_int(n),
        Err(errno) => {
            let failed = perl.new_int(-1);
            perl.set_errno(errno);
            failed
        }
    }))
}

/// −1 and `$!` for a failure, else 0.
fn status(perl: Perl, result: Res<()>) -> Result<Returns> {
    number(perl, result.map(|()| 0))
}

/// The descriptor of a handle argument.
fn fd(perl: Perl, args: &Args, i: usize, side: Side) -> Result<i32> {
    Ok(args::descriptor(perl, args, args.get(i)?, side)?.0)
}

fn int(perl: Perl, args: &Args, i: usize) -> Result<i32> {
    args::int(perl, args.get_number(i)?)
}

fn long(perl: Perl, args: &Args, i: usize) -> Result<i64> {
    args::long(perl, args.get_number(i)?)
}

/// An argument that may be missing or `undef`.
fn given(args: &Args, i: usize) -> Result<Option<Sv>> {
    let sv = args.get(i)?;
    Ok(sv.view().is_defined().then_some(sv))
}

fn int_or(perl: Perl, args: &Args, i: usize, default: i32) -> Result<i32> {
    Ok(long_or(perl, args, i, default.into())? as i32)
}

fn long_or(perl: Perl, args: &Args, i: usize, default: i64) -> Result<i64> {
    let sv = args.get_number(i)?;
    match sv.view().is_defined() {
        true => args::long(perl, sv),
        false => Ok(default),
    }
}

/// The octets of a scalar, for the kernel. `Err` inside is the errno for one with a NUL.
fn text(perl: Perl, sv: Sv, errno: i32) -> Result<Res<CString>> {
    match perl.bytes(sv)? {
        Some(bytes) => Ok(CString::new(bytes).map_err(|_| errno)),
        None => Fail::croak("Wide character in subroutine entry"),
    }
}
