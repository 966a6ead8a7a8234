//! The account of workers, without threads: the test plays owner and workers in turn.

use std::time::{Duration, Instant};

use aio_engine::linger::Look;
use aio_engine::pool::{Limits, Need, Pool};
use aio_engine::Priority;

/// For a worker that never lingers.
struct No;

impl Look for No {
    fn worth_it(&mut self) -> bool {
        false
    }
    fn look(&mut self, _: impl Fn() -> bool) {}
    fn settle(&mut self) {}
}

/// From a job that nobody takes to the first look of the worker that watches (R4).
const FIRST_LOOK: Duration = Duration::from_micros(50);

fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = f();
    (value, start.elapsed())
}

#[test]
fn a_guest_comes_at_once_and_leaves_when_the_owner_is_back() {
    let mut soonest = Duration::MAX;
    for _ in 0..20 {
        let limits = Limits {
            max_parallel: 2,
            ..Limits::default()
        };
        let pool = Pool::new(limits, 1, |_| None);
        for n in 0..10 {
            let need = pool.put(Priority::default(), Box::new(n));
            assert_eq!(need == Need::Worker, n < 2, "two workers are started");
        }
        assert_eq!(pool.first().as_deref(), Some(&0), "one is put to work");

        pool.away();
        let (job, took) = timed(|| pool.first());
        assert_eq!((job.as_deref(), pool.active()), (Some(&1), 2));
        soonest = soonest.min(took);

        // It comes back to work, since the other is slow, but looks on for a while first.
        pool.back();
        pool.returning();
        let (job, took) = timed(|| pool.next(&mut No));
        assert_eq!((job.as_deref(), pool.active()), (Some(&2), 2));
        assert!(took >= FIRST_LOOK, "it went on after {took:?}");
    }
    assert!(soonest < FIRST_LOOK, "the guest came after {soonest:?}");
}
