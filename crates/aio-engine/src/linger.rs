//! Lingering: to look a little longer before going to sleep, where that pays.
//!
//! Two threads that hand each other one request at a time spend nearly all of it on waking up.
//! A short look finds the next request, or the result, without a system call. It is bounded,
//! gives up where it does not pay, and never happens with a single processor, where whoever is
//! waited for could not run meanwhile.

use std::time::{Duration, Instant};

/// How a worker that ran dry waits before it sleeps. The model checker puts its own here.
pub trait Look {
    /// May it wait this time?
    fn worth_it(&mut self) -> bool;
    /// Waits until `there` says so or the time is up.
    fn look(&mut self, there: impl Fn() -> bool);
    /// Called before it sleeps or takes up another job: what has been put off is due now.
    fn settle(&mut self);
}

/// Whether lingering pays. After a look that found nothing the next ones are skipped, four times
/// as many with each further failure. A success ends the skipping, but takes back half of it
/// only: looks that fail every third time do not pay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pay {
    skip: u32,
    backoff: u32,
}

impl Pay {
    const LONGEST: u32 = 64;

    pub fn worth_it(&mut self) -> bool {
        let now = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        now
    }

    pub fn report(&mut self, found: bool) {
        if found {
            self.backoff /= 2;
        } else {
            self.skip = self.backoff;
            self.backoff = (self.backoff * 4).clamp(2, Self::LONGEST);
        }
    }
}

/// Looks for `budget` at most, without giving up the processor.
pub fn spin(budget: Duration, there: impl Fn() -> bool) -> bool {
    let mut end = None;
    loop {
        for _ in 0..16 {
            if there() {
                return true;
            }
            std::hint::spin_loop();
        }
        let now = Instant::now();
        match end {
            None => end = Some(now + budget),
            Some(end) if now >= end => return there(),
            Some(_) => {}
        }
    }
}

/// As [`spin`], for what is sure to take longer: looks about once in a microsecond, so that those
/// who write what it looks at are seldom disturbed.
pub fn spin_slowly(budget: Duration, there: impl Fn() -> bool) -> bool {
    let end = Instant::now() + budget;
    loop {
        if there() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        for _ in 0..16 {
            std::hint::spin_loop();
        }
    }
}

/// How many processors may this thread run on?
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn processors() -> usize {
    // SAFETY: a cpu_set_t is a bit field, for which zeroes are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` has the size that is passed.
    let got = unsafe { libc::sched_getaffinity(0, std::mem::size_of_val(&set), &mut set) };
    if got != 0 {
        // A machine with more processors than the set has room for gives EINVAL.
        return 8 * std::mem::size_of_val(&set);
    }
    // SAFETY: `set` is initialised.
    unsafe { libc::CPU_COUNT(&set) }.max(1) as usize
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn processors() -> usize {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }.max(1) as usize
}

/// May this thread run on more than one processor?
pub fn several_processors() -> bool {
    processors() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_looks_rare_and_success_brings_them_back() {
        let mut pay = Pay::default();
        let mut looks = 0;
        for _ in 0..10_000 {
            if pay.worth_it() {
                looks += 1;
                pay.report(false);
            }
        }
        assert!((150..170).contains(&looks), "{looks} looks in 10,000");
        while !pay.worth_it() {}
        pay.report(true);
        for _ in 0..100 {
            assert!(pay.worth_it(), "as long as looks succeed they go on");
        }
        pay.report(false);
        let skipped = (0..100).take_while(|_| !pay.worth_it()).count();
        assert_eq!(skipped, 32, "one success does not outweigh many failures");
        for _ in 0..10 {
            pay.report(true);
        }
        pay.report(false);
        assert!(pay.worth_it(), "many do");
    }

    #[test]
    fn a_look_ends() {
        assert!(!spin(Duration::from_micros(50), || false));
        assert!(spin(Duration::from_secs(3600), || true));
    }
}
