//! What the module did: `IO::AIO::stats`, and a line for each request with `IO_AIO_TRACE`.
//!
//! Numbers of requests are always counted, by the interpreter's thread alone. Times cost three
//! looks at the clock and some memory for each request, so they are taken from the first call of
//! `stats` on, or with `IO_AIO_TRACE` set.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use aio_engine::{Job, Times};
use perl_xs::{Args, Owned, Perl, Result, Returns};

use crate::declare::Decl;
use crate::half::{enter, Half};

#[derive(Default)]
pub struct Stats {
    pub submitted: Cell<u64>,
    pub delivered: Cell<u64>,
    pub cancelled: Cell<u64>,
    /// Taken out of the result lanes after a worker had them, cancelled ones not counted.
    executed: Cell<u64>,
    timed: Cell<bool>,
    trace: Cell<bool>,
    queue: Span,
    execution: Span,
    ops: RefCell<BTreeMap<&'static str, u64>>,
}

/// The sum and the longest of many times.
#[derive(Default)]
struct Span {
    total: Cell<Duration>,
    max: Cell<Duration>,
}

impl Span {
    fn add(&self, time: Duration) {
        self.total.set(self.total.get() + time);
        self.max.set(self.max.get().max(time));
    }
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

impl Stats {
    pub fn from_environment() -> Stats {
        let stats = Stats::default();
        let trace = std::env::var_os("IO_AIO_TRACE").is_some_and(|v| !v.is_empty() && v != "0");
        stats.trace.set(trace);
        stats.timed.set(trace);
        stats
    }

    /// A request is queued.
    pub fn submit(&self, decl: impl FnOnce() -> &'static Decl, job: &mut Job) {
        count(&self.submitted);
        if self.timed.get() {
            job.times = Some(Box::new(Times::now()));
            *self.ops.borrow_mut().entry(short(decl())).or_default() += 1;
        }
    }

    /// A result is taken.
    pub fn take(&self, decl: &'static Decl, group: bool, cancelled: bool, job: &Job) {
        count(&self.delivered);
        if cancelled {
            count(&self.cancelled);
        } else if !group {
            count(&self.executed);
        }
        let Some(times) = job.times.as_deref() else {
            return;
        };
        if !group && !cancelled {
            self.queue.add(times.started - times.queued);
            self.execution.add(times.ended - times.started);
        }
        if self.trace.get() {
            let us = |time: Duration| time.as_secs_f64() * 1e6;
            let line = format!(
                "IO::AIO: {} #{} pri {} ready {:.1} us, executed {:.1} us, pending {:.1} us, {}\n",
                short(decl),
                job.key,
                job.priority.get(),
                us(times.started - times.queued),
                us(times.ended - times.started),
                us(Instant::now() - times.ended),
                match (cancelled, job.done.errno) {
                    (true, _) => "cancelled".to_owned(),
                    (_, 0) => format!("result {}", job.done.result),
                    (_, errno) => format!("errno {errno}"),
                }
            );
            // In one call, so that no other process gets in between. Where standard error takes
            // nothing, nothing is said.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

/// A request's name without the package.
fn short(decl: &'static Decl) -> &'static str {
    decl.name.strip_prefix("IO::AIO::").unwrap_or(decl.name)
}

/// `IO::AIO::stats`: a new hash each time. Asking turns the times on.
pub fn stats(perl: Perl, args: &Args) -> Result<Returns> {
    let half: &Half = enter(perl, args)?;
    let stats = &half.stats;
    stats.timed.set(true);
    let hash = perl.new_hash();
    let put = |key: &str, value: Owned| perl.hash_store(&hash, key, value);
    let put_count = |key: &str, n: u64| put(key, perl.new_uint(n));
    put_count("submitted", stats.submitted.get());
    put_count("executed", stats.executed.get());
    put_count("delivered", stats.delivered.get());
    put_count("cancelled", stats.cancelled.get());
    for (name, span) in [("queue", &stats.queue), ("execution", &stats.execution)] {
        let total = span.total.get().as_secs_f64();
        let max = span.max.get().as_secs_f64();
        put(&format!("{name}_time"), perl.new_float(total));
        put(&format!("{name}_time_max"), perl.new_float(max));
    }
    if let Some(counts) = half.with_engine(|engine| engine.counts()) {
        put_count("worker_starts", counts.starts);
        put_count("wakeups", counts.wakeups);
        put_count("lingers", counts.lingers);
    }
    let ops = perl.new_hash();
    for (name, n) in stats.ops.borrow().iter() {
        perl.hash_store(&ops, name, perl.new_uint(*n));
    }
    put("ops", perl.into_ref(ops));
    Ok(Returns::One(perl.into_ref(hash)))
}
