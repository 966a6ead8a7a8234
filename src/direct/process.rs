//! What concerns the process or the system as a whole: fexecve, mount, umount, the limit of
//! descriptors.

use std::ffi::CString;

use perl_xs::{Args, Fail, Perl, Result, Returns, Sv};

use super::{fd, given, int_or, long_or, status, sys, text, Res};
use crate::args::Side;
use crate::{sub, Sub};

pub const SUBS: &[Sub] = &[
    sub(
        "IO::AIO::fexecve",
        Some("$$;$"),
        "fh, args, envs = undef",
        fexecve,
    ),
    sub(
        "IO::AIO::mount",
        Some("$$$;$$"),
        "special, path, fstype, flags = 0, data = undef",
        mount,
    ),
    sub("IO::AIO::umount", Some("$;$"), "path, flags = 0", umount),
    sub("IO::AIO::get_fdlimit", Some(""), "", get_fdlimit),
    sub(
        "IO::AIO::min_fdlimit",
        Some(";$"),
        "limit = 0x7fffffff",
        min_fdlimit,
    ),
];

/// The strings of an array reference; `Err` inside is the errno for one with a NUL.
fn strings(perl: Perl, sv: Sv, what: &str) -> Result<Res<Vec<CString>>> {
    let Some(array) = sv.referent().filter(|body| body.view().is_array()) else {
        return Fail::croak(format!("{what} must be an array of strings"));
    };
    let mut list = Ok(Vec::new());
    for i in 0..perl.array_len(array)? {
        let string = match perl.array_get(array, i)? {
            Some(sv) => text(perl, perl.fetch(sv)?, libc::EINVAL)?,
            None => Ok(CString::default()),
        };
        match (&mut list, string) {
            (Ok(list), Ok(string)) => list.push(string),
            (Ok(_), Err(errno)) => list = Err(errno),
            (Err(_), _) => {}
        }
    }
    Ok(list)
}

fn fexecve(perl: Perl, args: &Args) -> Result<Returns> {
    let fh = fd(perl, args, 0, Side::Input)?;
    let arguments = strings(perl, args.get(1)?, "fexecve: arguments")?;
    let environment = match given(args, 2)? {
        Some(sv) => strings(perl, sv, "fexecve: environment")?.map(Some),
        None => Ok(None),
    };
    let result = arguments.and_then(|arguments| {
        environment.and_then(|list| sys::fexecve(fh, &arguments, list.as_deref()))
    });
    status(perl, result)
}

fn mount(perl: Perl, args: &Args) -> Result<Returns> {
    let source = text(perl, args.get(0)?, libc::ENOENT)?;
    let path = text(perl, args.get(1)?, libc::ENOENT)?;
    let kind = text(perl, args.get(2)?, libc::ENODEV)?;
    let flags = long_or(perl, args, 3, 0)? as u64;
    // Some file systems take binary data.
    let data = match given(args, 4)? {
        None => None,
        Some(sv) => match perl.bytes(sv)? {
            Some(bytes) => Some([bytes, &[0]].concat()),
            None => return Fail::croak("Wide character in subroutine entry"),
        },
    };
    let result = source.and_then(|source| {
        let (path, kind) = (path?, kind?);
        sys::mount(&source, &path, &kind, flags, data.as_deref())
    });
    status(perl, result)
}

fn umount(perl: Perl, args: &Args) -> Result<Returns> {
    let path = text(perl, args.get(0)?, libc::ENOENT)?;
    let flags = int_or(perl, args, 1, 0)?;
    status(perl, path.and_then(|path| sys::umount(&path, flags)))
}

fn get_fdlimit(perl: Perl, _: &Args) -> Result<Returns> {
    match sys::fdlimit() {
        // Signed on one BSD, and 32 bits wide on some 32-bit systems.
        #[allow(clippy::unnecessary_cast)]
        Ok(limit) => Ok(Returns::One(perl.new_uint(limit.rlim_cur as u64))),
        Err(errno) => {
            perl.set_errno(errno);
            Ok(Returns::Constant(perl.undef()))
        }
    }
}

fn min_fdlimit(perl: Perl, args: &Args) -> Result<Returns> {
    let wanted = long_or(perl, args, 0, 0x7fff_ffff)?.max(0) as libc::rlim_t;
    match raise(wanted) {
        Ok(()) => Ok(Returns::Constant(perl.boolean(true))),
        Err(errno) => {
            perl.set_errno(errno);
            Ok(Returns::Constant(perl.undef()))
        }
    }
}

/// Raises the limit to what is wanted, else as far as it goes. Never lowers it.
fn raise(wanted: libc::rlim_t) -> Res<()> {
    let now = sys::fdlimit()?;
    if wanted <= now.rlim_cur {
        return Ok(());
    }
    let set = |soft: libc::rlim_t| sys::set_fdlimit(soft, now.rlim_max.max(soft));
    let refused = match set(wanted) {
        Ok(()) => return Ok(()),
        Err(errno) => errno,
    };
    // Up to the hard limit everybody may. Beyond, up to a limit of the system's, who may raise
    // the hard one: that is found by halving.
    let mut good = now.rlim_max.min(wanted);
    if good > now.rlim_cur {
        let _ = set(good);
    }
    let mut bad = wanted;
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match set(middle) {
            Ok(()) => good = middle,
            Err(_) => bad = middle,
        }
    }
    Err(refused)
}
