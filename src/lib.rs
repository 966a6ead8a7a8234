//! The Perl-facing half of IO::AIO.
//!
//! `declare` has the requests, read like a table; `submit` makes them, `deliver` ends them,
//! `table` holds them in between. `half` is the state and the way in. What runs on other threads
//! is the `aio-engine` crate.

mod args;
mod consts;
mod declare;
mod deliver;
mod direct;
mod group;
mod half;
mod object;
mod poll;
mod submit;
mod table;
mod wd;

use std::ffi::c_void;

use perl_xs::{Args, Body, Fail, Perl, Result, Returns};

/// Subs that are not requests: name, prototype, body.
const SUBS: &[(&str, Option<&str>, Body)] = &[
    ("IO::AIO::aio_group", Some(";$"), submit::group),
    ("IO::AIO::aioreq_pri", Some(";$"), poll::aioreq_pri),
    ("IO::AIO::aioreq_nice", Some(";$"), poll::aioreq_nice),
    ("IO::AIO::_on_next_submit", Some("$"), poll::on_next_submit),
    ("IO::AIO::poll_fileno", Some(""), poll::poll_fileno),
    ("IO::AIO::poll_cb", Some(""), poll::poll_cb),
    ("IO::AIO::poll_wait", Some(""), poll::poll_wait),
    ("IO::AIO::poll", Some(""), poll::poll_both),
    ("IO::AIO::flush", Some(""), poll::flush),
    ("IO::AIO::reinit", Some(""), poll::reinit),
    ("IO::AIO::nreqs", Some(""), poll::nreqs),
    ("IO::AIO::nready", Some(""), poll::nready),
    ("IO::AIO::npending", Some(""), poll::npending),
    ("IO::AIO::nthreads", Some(""), poll::nthreads),
    ("IO::AIO::max_poll_reqs", Some("$"), poll::max_poll_reqs),
    ("IO::AIO::max_poll_time", Some("$"), poll::max_poll_time),
    ("IO::AIO::max_outstanding", Some("$"), poll::max_outstanding),
    ("IO::AIO::min_parallel", Some("$"), poll::min_parallel),
    ("IO::AIO::max_parallel", Some("$"), poll::max_parallel),
    ("IO::AIO::max_idle", Some("$"), poll::max_idle),
    ("IO::AIO::idle_timeout", Some("$"), poll::idle_timeout),
    ("IO::AIO::CWD", Some(""), cwd),
    ("IO::AIO::INVALID_WD", Some(""), invalid_wd),
    ("IO::AIO::REQ::cancel", None, object::cancel),
    ("IO::AIO::REQ::cb", None, object::cb),
    ("IO::AIO::GRP::add", None, group::add),
    ("IO::AIO::GRP::cancel_subs", None, group::cancel_subs),
    ("IO::AIO::GRP::result", None, group::result),
    ("IO::AIO::GRP::errno", None, group::errno),
    ("IO::AIO::GRP::limit", None, group::limit),
    ("IO::AIO::GRP::feed_limit", None, group::limit),
    ("IO::AIO::GRP::feed", None, group::feed_with),
    ("IO::AIO::WD::DESTROY", None, wd::destroy),
];

fn cwd(perl: Perl, _: &Args) -> Result<Returns> {
    let half = half::enter(perl)?;
    Ok(Returns::One(half.wds.constant(perl, 0)))
}

fn invalid_wd(perl: Perl, _: &Args) -> Result<Returns> {
    let half = half::enter(perl)?;
    Ok(Returns::One(half.wds.constant(perl, 1)))
}

/// `IO::AIO::_boot`, which the loader calls once: everything that can fail.
fn boot(perl: Perl, _: &Args) -> Result<Returns> {
    perl_xs::set_panic_prefix("IO::AIO internal error:");
    if Perl::stat_size() != std::mem::size_of::<libc::stat>() {
        return Fail::croak(format!(
            "IO::AIO: this perl's struct stat has {} bytes, the module was built for {}",
            Perl::stat_size(),
            std::mem::size_of::<libc::stat>()
        ));
    }
    let half = half::found(perl)?;
    half.wds.make_constants(perl)?;
    for decl in declare::REQUESTS {
        let data = std::ptr::from_ref(decl).cast::<c_void>();
        perl.define_with(decl.name, Some(decl.proto), submit::request, data);
    }
    for &(name, proto, body) in SUBS {
        perl.define(name, proto, body);
    }
    consts::define(perl);
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
