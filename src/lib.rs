//! The Perl-facing half of IO::AIO.
//!
//! `declare` has the requests, read like a table; `submit` makes them, `deliver` ends them,
//! `table` has them in between, `holds` the scalars they use. `half` is the state and the way
//! in. What runs on other threads is the `aio-engine` crate.

mod args;
mod consts;
mod declare;
mod deliver;
mod direct;
mod group;
mod half;
mod holds;
mod memory;
mod object;
mod poll;
mod stats;
mod submit;
mod table;
mod wd;

use std::ffi::c_void;

use perl_xs::{Args, Body, Fail, Perl, Result, Returns};

/// A sub that is not a request.
pub struct Sub {
    pub name: &'static str,
    pub proto: Option<&'static str>,
    /// Argument names as the usage message shows them. One with `=` may be left out, `...` is
    /// any number.
    pub usage: &'static str,
    pub body: Body,
    /// How many arguments it takes: from, to.
    arity: (usize, usize),
}

const fn sub(
    name: &'static str,
    proto: Option<&'static str>,
    usage: &'static str,
    body: Body,
) -> Sub {
    Sub {
        name,
        proto,
        usage,
        body,
        arity: arity_of(usage.as_bytes()),
    }
}

/// How many arguments must and may be given, by their names.
const fn arity_of(usage: &[u8]) -> (usize, usize) {
    let (mut min, mut max) = (0, 0);
    let mut i = 0;
    while i < usage.len() {
        // One name, up to the comma.
        let (from, mut optional) = (i, false);
        while i < usage.len() && usage[i] != b',' {
            optional |= usage[i] == b'=';
            i += 1;
        }
        if usage[from] == b'.' {
            max = usize::MAX;
        } else {
            max += 1;
            min += !optional as usize;
        }
        // The comma and the blank.
        i += 2;
    }
    (min, max)
}

const _: () = {
    let [none, one, some, any] = [
        arity_of(b""),
        arity_of(b"a"),
        arity_of(b"a, b = 1"),
        arity_of(b"a, ..."),
    ];
    assert!(none.0 == 0 && none.1 == 0 && one.0 == 1 && one.1 == 1);
    assert!(some.0 == 1 && some.1 == 2 && any.0 == 1 && any.1 == usize::MAX);
};

/// What every [`Sub`] goes through: the number of arguments is checked once, here.
fn call_sub(perl: Perl, args: &Args) -> Result<Returns> {
    // SAFETY: `boot` passes a Sub.
    let sub = unsafe { &*args.data().cast::<Sub>() };
    if args.len() < sub.arity.0 || args.len() > sub.arity.1 {
        return submit::usage(sub.name, sub.usage);
    }
    if args.len() > 1 {
        // Converting an argument may warn, and a warn handler may drop the others.
        args.keep();
    }
    (sub.body)(perl, args)
}

static SUBS: &[Sub] = &[
    sub(
        "IO::AIO::aio_group",
        Some(";$"),
        "callback = undef",
        submit::group,
    ),
    sub(
        "IO::AIO::aioreq_pri",
        Some(";$"),
        "pri = undef",
        poll::aioreq_pri,
    ),
    sub(
        "IO::AIO::aioreq_nice",
        Some(";$"),
        "nice = 0",
        poll::aioreq_nice,
    ),
    sub(
        "IO::AIO::_on_next_submit",
        Some("$"),
        "callback",
        poll::on_next_submit,
    ),
    sub("IO::AIO::poll_fileno", Some(""), "", poll::poll_fileno),
    sub("IO::AIO::poll_cb", Some(""), "...", poll::poll_cb),
    sub("IO::AIO::poll_wait", Some(""), "", poll::poll_wait),
    sub("IO::AIO::poll", Some(""), "", poll::poll_both),
    sub("IO::AIO::flush", Some(""), "", poll::flush),
    sub("IO::AIO::reinit", Some(""), "", poll::reinit),
    sub("IO::AIO::nreqs", Some(""), "", poll::nreqs),
    sub("IO::AIO::nready", Some(""), "", poll::nready),
    sub("IO::AIO::npending", Some(""), "", poll::npending),
    sub("IO::AIO::stats", Some(""), "", stats::stats),
    sub("IO::AIO::nthreads", Some(""), "", poll::nthreads),
    sub(
        "IO::AIO::max_poll_reqs",
        Some("$"),
        "nreqs",
        poll::max_poll_reqs,
    ),
    sub(
        "IO::AIO::max_poll_time",
        Some("$"),
        "seconds",
        poll::max_poll_time,
    ),
    sub(
        "IO::AIO::max_outstanding",
        Some("$"),
        "nreqs",
        poll::max_outstanding,
    ),
    sub(
        "IO::AIO::min_parallel",
        Some("$"),
        "nthreads",
        poll::min_parallel,
    ),
    sub(
        "IO::AIO::max_parallel",
        Some("$"),
        "nthreads",
        poll::max_parallel,
    ),
    sub("IO::AIO::max_idle", Some("$"), "nthreads", poll::max_idle),
    sub(
        "IO::AIO::idle_timeout",
        Some("$"),
        "seconds",
        poll::idle_timeout,
    ),
    sub("IO::AIO::CWD", Some(""), "...", cwd),
    sub("IO::AIO::INVALID_WD", Some(""), "...", invalid_wd),
    sub("IO::AIO::REQ::cancel", None, "req", object::cancel),
    sub(
        "IO::AIO::REQ::cb",
        None,
        "req, callback = undef",
        object::cb,
    ),
    sub("IO::AIO::GRP::add", None, "grp, ...", group::add),
    sub("IO::AIO::GRP::cancel_subs", None, "grp", group::cancel_subs),
    sub("IO::AIO::GRP::result", None, "grp, ...", group::result),
    sub("IO::AIO::GRP::errno", None, "grp, errno = $!", group::errno),
    sub("IO::AIO::GRP::limit", None, "grp, limit", group::limit),
    sub("IO::AIO::GRP::feed_limit", None, "grp, limit", group::limit),
    sub(
        "IO::AIO::GRP::feed",
        None,
        "grp, callback = undef",
        group::feed_with,
    ),
    sub("IO::AIO::CLONE_SKIP", None, "...", half::before_clone),
    sub("IO::AIO::CLONE", None, "...", half::after_clone),
    sub("IO::AIO::WD::DESTROY", None, "...", wd::destroy),
];

fn cwd(perl: Perl, args: &Args) -> Result<Returns> {
    let half = half::enter(perl, args)?;
    Ok(Returns::One(half.wds.constant(perl, 0)))
}

fn invalid_wd(perl: Perl, args: &Args) -> Result<Returns> {
    let half = half::enter(perl, args)?;
    Ok(Returns::One(half.wds.constant(perl, 1)))
}

/// `IO::AIO::_boot`, which the loader calls once: everything that can fail.
fn boot(perl: Perl, args: &Args) -> Result<Returns> {
    perl_xs::set_panic_prefix("IO::AIO internal error:");
    if Perl::stat_size() != std::mem::size_of::<aio_engine::sys::Stat>() {
        return Fail::croak(format!(
            "IO::AIO: this perl's struct stat has {} bytes, the module was built for {}",
            Perl::stat_size(),
            std::mem::size_of::<aio_engine::sys::Stat>()
        ));
    }
    let half = half::found(perl, args)?;
    half.wds.make_constants(perl)?;
    for decl in declare::REQUESTS {
        let data = std::ptr::from_ref(decl).cast::<c_void>();
        perl.define_with(decl.name, Some(decl.proto), submit::request, data);
    }
    let direct = direct::SUBS.iter().copied().flatten();
    for sub in SUBS.iter().chain(direct) {
        let data = std::ptr::from_ref(sub).cast::<c_void>();
        perl.define_with(sub.name, sub.proto, call_sub, data);
    }
    consts::define(perl);
    object::prepare(perl)?;
    Ok(Returns::Nothing)
}

/// What XSLoader looks for. It defines one sub, and cannot fail: a C frame of perl's is right
/// below it.
///
/// # Safety
///
/// Called by perl's loader only.
#[no_mangle]
pub unsafe extern "C" fn boot_IO__AIO(a: *mut c_void, b: *mut c_void) {
    // SAFETY: the caller's word.
    unsafe { Perl::boot(a, b, "IO::AIO::_boot", boot) }
}
