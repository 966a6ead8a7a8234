//! What stat results say: statx and its accessors, the parts of perl's stat cache that perl does
//! not show, device numbers.

use std::cell::Cell;

use perl_xs::{Args, Perl, Result, Returns};

use super::sys::{Statx, Time};
use super::{int, long, status, sys};
use crate::args::Parse;
use crate::half::enter;
use crate::{sub, Sub};

thread_local! {
    /// The last successful statx.
    static LAST: Cell<Statx> = const { Cell::new(Statx {
        mask: 0,
        blksize: 0,
        attributes: 0,
        attributes_mask: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        mode: 0,
        ino: 0,
        size: 0,
        blocks: 0,
        rdev: [0; 2],
        dev: [0; 2],
        atime: Time { sec: 0, nsec: 0 },
        mtime: Time { sec: 0, nsec: 0 },
        ctime: Time { sec: 0, nsec: 0 },
        btime: Time { sec: 0, nsec: 0 },
    }) };
}

/// A sub without arguments that gives one number.
macro_rules! reads {
    ($from:ident, $name:literal, $make:ident, |$value:ident| $number:expr) => {
        sub($name, Some(""), "", |perl, _| {
            let $value = $from(perl);
            Ok(Returns::One(perl.$make($number)))
        })
    };
}

pub const SUBS: &[Sub] = &[
    sub(
        "IO::AIO::statx",
        Some("$$$"),
        "pathname, flags, mask",
        statx,
    ),
    reads!(last, "IO::AIO::stx_mask", new_uint, |st| st.mask.into()),
    reads!(last, "IO::AIO::stx_blksize", new_uint, |st| st
        .blksize
        .into()),
    reads!(last, "IO::AIO::stx_attributes", new_uint, |st| st
        .attributes),
    reads!(last, "IO::AIO::stx_attributes_mask", new_uint, |st| st
        .attributes_mask),
    reads!(last, "IO::AIO::stx_nlink", new_uint, |st| st.nlink.into()),
    reads!(last, "IO::AIO::stx_uid", new_uint, |st| st.uid.into()),
    reads!(last, "IO::AIO::stx_gid", new_uint, |st| st.gid.into()),
    reads!(last, "IO::AIO::stx_mode", new_uint, |st| st.mode.into()),
    reads!(last, "IO::AIO::stx_ino", new_uint, |st| st.ino),
    reads!(last, "IO::AIO::stx_size", new_uint, |st| st.size),
    reads!(last, "IO::AIO::stx_blocks", new_uint, |st| st.blocks),
    reads!(last, "IO::AIO::stx_rdev_major", new_uint, |st| st.rdev[0]
        .into()),
    reads!(last, "IO::AIO::stx_rdev_minor", new_uint, |st| st.rdev[1]
        .into()),
    reads!(last, "IO::AIO::stx_dev_major", new_uint, |st| st.dev[0]
        .into()),
    reads!(last, "IO::AIO::stx_dev_minor", new_uint, |st| st.dev[1]
        .into()),
    reads!(last, "IO::AIO::stx_atime", new_float, |st| st.atime.float()),
    reads!(last, "IO::AIO::stx_mtime", new_float, |st| st.mtime.float()),
    reads!(last, "IO::AIO::stx_ctime", new_float, |st| st.ctime.float()),
    reads!(last, "IO::AIO::stx_btime", new_float, |st| st.btime.float()),
    reads!(last, "IO::AIO::stx_atimesec", new_int, |st| st.atime.sec),
    reads!(last, "IO::AIO::stx_mtimesec", new_int, |st| st.mtime.sec),
    reads!(last, "IO::AIO::stx_ctimesec", new_int, |st| st.ctime.sec),
    reads!(last, "IO::AIO::stx_btimesec", new_int, |st| st.btime.sec),
    reads!(last, "IO::AIO::stx_atimensec", new_uint, |st| st
        .atime
        .nsec
        .into()),
    reads!(last, "IO::AIO::stx_mtimensec", new_uint, |st| st
        .mtime
        .nsec
        .into()),
    reads!(last, "IO::AIO::stx_ctimensec", new_uint, |st| st
        .ctime
        .nsec
        .into()),
    reads!(last, "IO::AIO::stx_btimensec", new_uint, |st| st
        .btime
        .nsec
        .into()),
    reads!(cached, "IO::AIO::st_atime", new_float, |st| st.times[0]
        .float()),
    reads!(cached, "IO::AIO::st_mtime", new_float, |st| st.times[1]
        .float()),
    reads!(cached, "IO::AIO::st_ctime", new_float, |st| st.times[2]
        .float()),
    reads!(cached, "IO::AIO::st_btime", new_float, |st| st.times[3]
        .float()),
    reads!(cached, "IO::AIO::st_atimensec", new_uint, |st| st.times[0]
        .nsec
        .into()),
    reads!(cached, "IO::AIO::st_mtimensec", new_uint, |st| st.times[1]
        .nsec
        .into()),
    reads!(cached, "IO::AIO::st_ctimensec", new_uint, |st| st.times[2]
        .nsec
        .into()),
    reads!(cached, "IO::AIO::st_btimensec", new_uint, |st| st.times[3]
        .nsec
        .into()),
    reads!(cached, "IO::AIO::st_btimesec", new_int, |st| st.times[3]
        .sec),
    reads!(cached, "IO::AIO::st_gen", new_uint, |st| st.generation),
    sub("IO::AIO::st_xtime", Some(""), "", st_xtime),
    sub("IO::AIO::st_xtimensec", Some(""), "", st_xtimensec),
    sub("IO::AIO::major", Some("$"), "dev", major),
    sub("IO::AIO::minor", Some("$"), "dev", minor),
    sub("IO::AIO::makedev", Some("$$"), "maj, min", makedev),
];

fn last(_: Perl) -> Statx {
    LAST.get()
}

fn statx(perl: Perl, args: &Args) -> Result<Returns> {
    let mut parse = Parse::new(perl, enter(perl, args)?, args);
    let path = parse.path(0, "pathname")?;
    let flags = int(perl, args, 1)?;
    let mask = int(perl, args, 2)? as u32;
    let result = path
        .at()
        .and_then(|(dir, name)| sys::statx(dir, name, flags, mask));
    status(perl, result.map(|st| LAST.set(st)))
}

/// What perl's stat cache has beyond perl's own `stat`.
struct Cached {
    /// Access, modification, change, birth.
    times: [Time; 4],
    generation: u64,
}

fn cached(perl: Perl) -> Cached {
    let st = perl.stat_cache().cast::<aio_engine::sys::Stat>();
    // SAFETY: perl's cache always exists; its size was compared with that of the engine's
    // structure when the module was loaded.
    let st = unsafe { &*st };
    #[allow(clippy::unnecessary_cast)]
    let time = |sec, nsec| Time {
        sec: sec as i64,
        nsec: nsec as u32,
    };
    #[cfg(any(target_os = "macos", target_os = "freebsd"))]
    let (birth, generation) = (
        time(st.st_birthtime, st.st_birthtime_nsec),
        st.st_gen as u64,
    );
    #[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
    let (birth, generation) = (Time::default(), 0);
    #[cfg(not(target_os = "netbsd"))]
    let nsec = (st.st_atime_nsec, st.st_mtime_nsec, st.st_ctime_nsec);
    #[cfg(target_os = "netbsd")]
    let nsec = (st.st_atimensec, st.st_mtimensec, st.st_ctimensec);
    Cached {
        times: [
            time(st.st_atime, nsec.0),
            time(st.st_mtime, nsec.1),
            time(st.st_ctime, nsec.2),
            birth,
        ],
        generation,
    }
}

fn st_xtime(perl: Perl, _: &Args) -> Result<Returns> {
    let times = cached(perl).times;
    Ok(Returns::List(
        times.iter().map(|t| perl.new_float(t.float())).collect(),
    ))
}

fn st_xtimensec(perl: Perl, _: &Args) -> Result<Returns> {
    let times = cached(perl).times;
    Ok(Returns::List(
        times.iter().map(|t| perl.new_uint(t.nsec.into())).collect(),
    ))
}

fn major(perl: Perl, args: &Args) -> Result<Returns> {
    let dev = long(perl, args, 0)? as libc::dev_t;
    Ok(Returns::One(perl.new_uint(libc::major(dev) as u64)))
}

fn minor(perl: Perl, args: &Args) -> Result<Returns> {
    let dev = long(perl, args, 0)? as libc::dev_t;
    Ok(Returns::One(perl.new_uint(libc::minor(dev) as u64)))
}

fn makedev(perl: Perl, args: &Args) -> Result<Returns> {
    let major = long(perl, args, 0)? as _;
    let minor = long(perl, args, 1)? as _;
    Ok(Returns::One(
        perl.new_uint(libc::makedev(major, minor) as u64),
    ))
}
