//! Every interleaving of the two protocols, tried by loom on the engine's own code:
//! how a job finds a worker (`pool.rs`), and how a result finds the owner (`results.rs`).
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p aio-engine --test loom`
//!
//! A lost wake-up shows as a deadlock, which loom reports. The number of preemptions is bounded
//! to keep this within a minute; `LOOM_MAX_PREEMPTIONS` raises it.
#![allow(unexpected_cfgs)]
#![cfg(loom)]

use std::time::Duration;

use aio_engine::linger::Look;
use aio_engine::pipe::Edge;
use aio_engine::pool::{Limits, Need, Pool};
use aio_engine::results::{Batch, Results};
use aio_engine::Priority;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(2);
    }
    builder.check(f);
}

/// In place of the clock: lingers for one look, or for none.
struct Looks(bool);

impl Look for Looks {
    fn possible(&self) -> bool {
        self.0
    }

    fn look(&self, there: impl Fn() -> bool) -> bool {
        if there() {
            return true;
        }
        thread::yield_now();
        there()
    }
}

/// Counts, and lets others wait for a count.
#[derive(Default)]
struct Counter {
    n: Mutex<u32>,
    changed: Condvar,
}

impl Counter {
    fn add(&self) {
        *self.n.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    fn wait_for(&self, n: u32) {
        let mut now = self.n.lock().unwrap();
        while *now < n {
            now = self.changed.wait(now).unwrap();
        }
        assert_eq!(*now, n, "a job was executed twice");
    }
}

/// Submits `jobs` jobs, waiting for all of them after each burst, to a pool of at most `limit`
/// workers, and ends the pool.
fn submit(bursts: &'static [u32], limit: usize, linger: bool) {
    model(move || {
        let pool = Arc::new(Pool::new(Limits {
            max_parallel: limit,
            max_idle: limit,
            idle_timeout: Duration::from_secs(10),
        }));
        let done = Arc::new(Counter::default());
        let mut workers = Vec::new();
        let mut total = 0;
        for burst in bursts {
            for _ in 0..*burst {
                let mut need = pool.put(Priority::default(), ());
                while need == Need::Worker {
                    let (pool2, done2) = (pool.clone(), done.clone());
                    workers.push(thread::spawn(move || {
                        let mut job = pool2.first(&Looks(linger));
                        while job.is_some() {
                            pool2.returning();
                            done2.add();
                            job = pool2.next(&Looks(linger));
                        }
                    }));
                    need = pool.help();
                }
            }
            total += burst;
            done.wait_for(total);
        }
        assert!(workers.len() <= limit);
        assert_eq!(pool.threads(), workers.len());
        assert!(pool.close().is_empty());
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_lone_worker_sleeps_and_wakes() {
    submit(&[1, 1, 1], 1, false);
}

#[test]
fn a_lone_worker_lingers() {
    submit(&[1, 1], 1, true);
    submit(&[2, 1], 1, true);
}

#[test]
fn two_workers_share_a_burst() {
    submit(&[2], 2, false);
    submit(&[2], 2, true);
}

#[test]
fn two_workers_lingering_and_asleep() {
    submit(&[2, 1], 2, true);
    submit(&[1, 2], 2, true);
}

/// The worker told to end may be the one that was called for a job.
#[test]
fn a_lowered_limit_loses_no_job() {
    model(|| {
        let limits = |max_parallel| Limits {
            max_parallel,
            max_idle: 4,
            idle_timeout: Duration::from_secs(10),
        };
        let pool = Arc::new(Pool::new(limits(2)));
        let done = Arc::new(Counter::default());
        let mut workers = Vec::new();
        for _ in 0..2 {
            if pool.put(Priority::default(), ()) == Need::Nothing {
                continue; // the first worker is back already
            }
            let (pool2, done2) = (pool.clone(), done.clone());
            workers.push(thread::spawn(move || {
                let mut job = pool2.first(&Looks(false));
                while job.is_some() {
                    pool2.returning();
                    done2.add();
                    job = pool2.next(&Looks(false));
                }
            }));
        }
        pool.set_limits(limits(1));
        assert_eq!(pool.threads(), 1);
        assert_eq!(pool.put(Priority::default(), ()), Need::Nothing);
        done.wait_for(3);
        pool.close();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// Sleepers told to end cannot be counted on for what is submitted next.
#[test]
fn a_limit_lowered_and_raised_again_loses_no_job() {
    model(|| {
        let limits = |max_parallel| Limits {
            max_parallel,
            max_idle: 4,
            idle_timeout: Duration::from_secs(10),
        };
        let pool = Arc::new(Pool::new(limits(1)));
        let done = Arc::new(Counter::default());
        let mut workers = Vec::new();
        let start = |mut need| {
            let mut started = Vec::new();
            while need == Need::Worker {
                let (pool2, done2) = (pool.clone(), done.clone());
                started.push(thread::spawn(move || {
                    let mut job = pool2.first(&Looks(false));
                    while job.is_some() {
                        pool2.returning();
                        done2.add();
                        job = pool2.next(&Looks(false));
                    }
                }));
                need = pool.help();
            }
            started
        };
        workers.extend(start(pool.put(Priority::default(), ())));
        done.wait_for(1);
        pool.set_limits(limits(0));
        assert_eq!(pool.threads(), 0);
        assert_eq!(pool.put(Priority::default(), ()), Need::Nothing);
        pool.set_limits(limits(1));
        workers.extend(start(pool.help()));
        done.wait_for(2);
        pool.close();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// A descriptor that can be asked, and on which one can block.
#[derive(Clone, Default)]
struct Flag(Arc<(Mutex<bool>, Condvar)>);

impl Flag {
    fn readable(&self) -> bool {
        *self.0 .0.lock().unwrap()
    }

    fn block(&self) {
        let mut set = self.0 .0.lock().unwrap();
        while !*set {
            set = self.0 .1.wait(set).unwrap();
        }
    }
}

impl Edge for Flag {
    fn signal(&self) {
        let before = std::mem::replace(&mut *self.0 .0.lock().unwrap(), true);
        assert!(!before, "made readable twice");
        self.0 .1.notify_all();
    }

    fn drain(&self) {
        let before = std::mem::replace(&mut *self.0 .0.lock().unwrap(), false);
        assert!(before, "drained while not readable");
    }
}

#[derive(Clone, Copy)]
enum Owner {
    /// Looks, and blocks if that does not help.
    Lingers,
    /// Blocks on the descriptor only, as an event loop does.
    Watches,
    /// Looks, then lets go of what it found and blocks.
    LetsGo,
}

/// `workers` workers push `each` results, the owner takes them one at a time.
fn deliver(workers: u32, each: u32, owner: Owner) {
    model(move || {
        let flag = Flag::default();
        let results = Arc::new(Results::new(flag.clone()));
        let batch = Batch::new();
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let results = results.clone();
                thread::spawn(move || {
                    for n in 0..each {
                        results.push(Priority::default(), (worker, n));
                    }
                })
            })
            .collect();
        let mut next = vec![0; workers as usize];
        for _ in 0..workers * each {
            match owner {
                Owner::Watches => flag.block(),
                Owner::Lingers | Owner::LetsGo => {
                    if !batch.waits(&results) {
                        batch.look(&results);
                        if !batch.waits(&results) {
                            thread::yield_now();
                        }
                    }
                    if !batch.settle(&results) {
                        flag.block();
                    }
                    if matches!(owner, Owner::LetsGo) {
                        assert!(batch.announce(&results) > 0);
                        assert!(flag.readable(), "results wait and nobody can see it");
                    }
                }
            }
            let readable = flag.readable();
            let result = batch.take(&results);
            assert!(!readable || result.is_some(), "readable with no result");
            let (worker, n) = result.expect("a result was there");
            assert_eq!(next[worker as usize], n, "out of order");
            next[worker as usize] += 1;
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(batch.take(&results).is_none());
        assert!(!flag.readable(), "readable with nothing left");
    });
}

#[test]
fn results_reach_an_owner_that_looks() {
    deliver(1, 3, Owner::Lingers);
    deliver(2, 1, Owner::Lingers);
}

#[test]
fn results_reach_an_owner_that_watches() {
    deliver(1, 3, Owner::Watches);
    deliver(2, 1, Owner::Watches);
}

#[test]
fn results_survive_an_owner_that_lets_go() {
    deliver(1, 2, Owner::LetsGo);
    deliver(2, 1, Owner::LetsGo);
}
