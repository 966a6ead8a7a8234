//! The loop interface: descriptor, polls, counters, limits, priority.

use std::time::{Duration, Instant};

use aio_engine::{Priority, Wait};
use perl_xs::{Args, Fail, Perl, Result, Returns};

use crate::args;
use crate::deliver::deliver;
use crate::half::{enter, Half};

/// How long to wait at most before trying again to start a worker, where none could be.
const RETRY: Duration = Duration::from_millis(50);

/// Delivers results until none is left or a limit ends it. `false`: a limit did. The caller has
/// checked the depth: nothing may fail between a `wait` and this, since what it found may not
/// have been announced.
///
/// Perl: runs callbacks; an exception of one passes through.
fn poll(perl: Perl, half: &Half, after: After) -> Result<bool> {
    perl.with_temporaries(|| serve(perl, half, after))
}

/// Where a poll returns to.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// `flush`, which waits for more itself.
    Flush,
    Program,
}

/// For so long a poll may go on with results that come while it is at it. A loop that has other
/// things to do than ours must get to them.
const STAY: Duration = Duration::from_micros(200);

/// How long a poll goes on. What waited when it began is served, and what comes while it is at it;
/// but callbacks that submit and workers that are quick could keep it for ever from a program that
/// has other things to do.
#[derive(Default)]
struct Turn {
    began: Option<Instant>,
    /// After its time it serves as many as waited then.
    left: Option<usize>,
}

impl Turn {
    const TIME: Duration = Duration::from_millis(5);
    /// The clock is looked at after so many results.
    const STEP: usize = 64;

    fn is_over(&mut self, half: &Half, served: usize) -> bool {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            return *left == 0;
        }
        if served % Turn::STEP == 0 {
            let began = *self.began.get_or_insert_with(Instant::now);
            if began.elapsed() >= Turn::TIME {
                self.left = half.with_engine(|engine| engine.npending());
                return self.left == Some(0);
            }
        }
        false
    }
}

fn serve(perl: Perl, half: &Half, after: After) -> Result<bool> {
    let max_reqs = half.max_poll_reqs.get();
    let max_time = half.max_poll_time.get();
    let end = (max_time > 0.0)
        .then(|| Duration::try_from_secs_f64(max_time).ok())
        .flatten()
        .and_then(|limit| Instant::now().checked_add(limit));
    let mut served = 0;
    let mut stay_until = None;
    let mut turn = Turn::default();
    loop {
        let mut at_limit = false;
        while let Some(Some(job)) = half.with_engine(|engine| engine.take()) {
            let counts = deliver(perl, half, job)?;
            perl.free_temporaries()?;
            if !counts {
                continue;
            }
            served += 1;
            at_limit = (max_reqs > 0 && served >= max_reqs)
                || end.is_some_and(|end| Instant::now() >= end);
            if half.max_outstanding.get() == 0 && turn.is_over(half, served) {
                return Ok(half.with_engine(|engine| engine.npending()) == Some(0));
            }
            if at_limit {
                if half.with_engine(|engine| engine.npending()).unwrap_or(0) > 0 {
                    return Ok(false);
                }
                break;
            }
        }
        let max = half.max_outstanding.get();
        if max == 0 || half.nreqs.get() < max {
            let stays = after == After::Program
                && !at_limit
                && served > 0
                && half.nreqs.get() > 0
                && *stay_until.get_or_insert_with(|| Instant::now() + STAY) > Instant::now()
                && half.with_engine(|engine| engine.stay()) == Some(true);
            if stays {
                continue;
            }
            return Ok(true);
        }
        wait(perl, half)?;
        served = 0;
    }
}

/// Blocks until something is pending or nothing is outstanding. What is pending then may not have
/// made the descriptor readable yet: the caller takes it, or announces it. After an error it has.
///
/// Perl: runs signal handlers, which may die, submit, poll or fork.
fn wait(perl: Perl, half: &Half) -> Result<()> {
    let waited = wait_for_results(perl, half);
    if waited.is_err() && !half.is_forked() {
        half.with_engine(|engine| engine.announce());
    }
    waited
}

fn wait_for_results(perl: Perl, half: &Half) -> Result<()> {
    loop {
        if half.nreqs.get() == 0 {
            return Ok(());
        }
        let (time, gathers) = match half.with_engine(|engine| engine.linger()) {
            None | Some(Wait::Over) => return Ok(()),
            Some(Wait::Block) => (None, false),
            Some(Wait::BlockFor(time)) => (Some(time), true),
        };
        if half.with_engine(|engine| engine.rescue()) == Some(true) {
            continue;
        }
        let time = match half.with_engine(|engine| engine.is_short_handed()) {
            Some(true) => Some(time.unwrap_or(RETRY)),
            _ => time,
        };
        half.across(perl, || {
            if !perl.wait_readable(half.pipe.fd(), time)? && perl.has_signals() {
                if gathers {
                    // A handler may look at the descriptor.
                    half.with_engine(|engine| engine.announce());
                }
                perl.run_signal_handlers()?;
            }
            Ok(())
        })?;
    }
}

fn status(perl: Perl, complete: bool) -> Returns {
    if complete {
        return Returns::One(perl.new_int(0));
    }
    perl.set_errno(libc::EAGAIN);
    Returns::One(perl.new_int(-1))
}

pub fn poll_cb(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    half.check_depth()?;
    poll(perl, half, After::Program).map(|complete| status(perl, complete))
}

pub fn poll_wait(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    wait(perl, half)?;
    half.with_engine(|engine| engine.announce());
    Ok(Returns::Nothing)
}

pub fn poll_both(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    half.check_depth()?;
    wait(perl, half)?;
    poll(perl, half, After::Program).map(|complete| status(perl, complete))
}

pub fn flush(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    while half.nreqs.get() > 0 {
        half.check_depth()?;
        wait(perl, half)?;
        poll(perl, half, After::Flush)?;
    }
    Ok(Returns::Nothing)
}

pub fn poll_fileno(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    Ok(Returns::One(perl.new_int(half.pipe.fd() as i64)))
}

pub fn reinit(perl: Perl, args: &Args) -> Result<Returns> {
    enter(perl, args)?.reinit(perl)?;
    Ok(Returns::Nothing)
}

// ---- counters ------------------------------------------------------------

fn count(perl: Perl, n: usize) -> Result<Returns> {
    Ok(Returns::One(perl.new_int(n as i64)))
}

pub fn nreqs(perl: Perl, args: &Args) -> Result<Returns> {
    count(perl, enter(perl, args)?.nreqs.get())
}

pub fn nready(perl: Perl, args: &Args) -> Result<Returns> {
    let n = enter(perl, args)?.with_engine(|engine| engine.nready());
    count(perl, n.unwrap_or(0))
}

pub fn npending(perl: Perl, args: &Args) -> Result<Returns> {
    let n = enter(perl, args)?.with_engine(|engine| engine.npending());
    count(perl, n.unwrap_or(0))
}

pub fn nthreads(perl: Perl, args: &Args) -> Result<Returns> {
    let n = enter(perl, args)?.with_engine(|engine| engine.nthreads());
    count(perl, n.unwrap_or(0))
}

// ---- limits --------------------------------------------------------------

/// The one argument of a setting, as a count: negative is 0.
fn setting(perl: Perl, args: &Args) -> Result<usize> {
    Ok(args::int(perl, args.get_number(0)?)?.max(0) as usize)
}

pub fn max_poll_reqs(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.max_poll_reqs.set(n);
    Ok(Returns::Nothing)
}

pub fn max_poll_time(perl: Perl, args: &Args) -> Result<Returns> {
    let seconds = perl.float(args.get_number(0)?)?;
    enter(perl, args)?.max_poll_time.set(seconds);
    Ok(Returns::Nothing)
}

pub fn max_outstanding(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.max_outstanding.set(n);
    Ok(Returns::Nothing)
}

pub fn min_parallel(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.with_engine(|engine| engine.set_min_parallel(n));
    Ok(Returns::Nothing)
}

pub fn max_parallel(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.with_engine(|engine| engine.set_max_parallel(n));
    Ok(Returns::Nothing)
}

pub fn max_idle(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.with_engine(|engine| engine.set_max_idle(n));
    Ok(Returns::Nothing)
}

pub fn idle_timeout(perl: Perl, args: &Args) -> Result<Returns> {
    let n = setting(perl, args)?;
    enter(perl, args)?.with_engine(|engine| engine.set_idle_timeout(Duration::from_secs(n as u64)));
    Ok(Returns::Nothing)
}

// ---- priority and hook ---------------------------------------------------

pub fn aioreq_pri(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    let old = half.next_pri.get();
    if !args.is_empty() {
        let new = args::int(perl, args.get_number(0)?)?;
        half.next_pri.set(Priority::clamped(new as i64));
    }
    Ok(Returns::One(perl.new_int(old.get() as i64)))
}

pub fn aioreq_nice(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    let nice = match args.is_empty() {
        true => 0,
        false => args::int(perl, args.get_number(0)?)? as i64,
    };
    let now = half.next_pri.get().get() as i64;
    half.next_pri.set(Priority::clamped(now - nice));
    Ok(Returns::Nothing)
}

pub fn on_next_submit(perl: Perl, args: &Args) -> Result<Returns> {
    let half = enter(perl, args)?;
    let sv = args.get(0)?;
    let hook = match sv.view().is_defined() {
        false => None,
        true => match args::callback(perl, sv)? {
            Some(hook) => Some(hook),
            None => return Fail::croak("callback expected"),
        },
    };
    let old = half.hook.replace(hook);
    if let Some(old) = old {
        perl.release(old)?;
    }
    Ok(Returns::Nothing)
}
