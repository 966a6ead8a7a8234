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
use aio_engine::results::{Batch, Ranked, Results};
use aio_engine::Priority;
use loom::sync::atomic::{AtomicBool, Ordering};
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
    fn worth_it(&mut self) -> bool {
        self.0
    }

    fn look(&mut self, there: impl Fn() -> bool) {
        if !there() {
            thread::yield_now();
        }
    }

    fn settle(&mut self) {}
}

/// Jobs from this number on wait for each other.
const ALONE: u32 = 1000;

/// A worker's life.
fn work(pool: Arc<Pool<u32>>, done: Arc<Counter>, linger: bool) {
    let mut job = pool.first();
    while job.is_some() {
        pool.returning();
        done.add();
        job = pool.next(&mut Looks(linger));
    }
}

/// Starts the workers that are needed.
fn staff(
    pool: &Arc<Pool<u32>>,
    done: &Arc<Counter>,
    workers: &mut Vec<thread::JoinHandle<()>>,
    linger: bool,
    mut need: Need,
) {
    while need == Need::Worker {
        let (pool2, done2) = (pool.clone(), done.clone());
        workers.push(thread::spawn(move || work(pool2, done2, linger)));
        need = pool.help();
    }
}

/// Submits so many jobs at once.
fn burst(
    pool: &Arc<Pool<u32>>,
    done: &Arc<Counter>,
    workers: &mut Vec<thread::JoinHandle<()>>,
    linger: bool,
    jobs: u32,
) {
    for n in 0..jobs {
        let need = pool.put(Priority::default(), Box::new(n));
        staff(pool, done, workers, linger, need);
    }
}

fn limits(max_parallel: usize) -> Limits {
    Limits {
        max_parallel,
        max_idle: 4,
        idle_timeout: Duration::from_secs(10),
    }
}

/// What each model starts from.
fn setup(limit: usize) -> (Arc<Pool<u32>>, Arc<Counter>, Vec<thread::JoinHandle<()>>) {
    (
        Arc::new(Pool::new(limits(limit), 1, |n| (*n >= ALONE).then_some(0))),
        Arc::default(),
        Vec::new(),
    )
}

fn end(pool: &Pool<u32>, workers: Vec<thread::JoinHandle<()>>) {
    assert!(pool.close().is_empty(), "a job was left");
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(
        pool.active(),
        0,
        "workers that have ended are on the account"
    );
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

/// Submits jobs to a pool of at most `limit` workers, waiting for all of them after each burst.
fn submit(bursts: &'static [u32], limit: usize, linger: bool) {
    model(move || {
        let (pool, done, mut workers) = setup(limit);
        let mut total = 0;
        for &jobs in bursts {
            burst(&pool, &done, &mut workers, linger, jobs);
            total += jobs;
            done.wait_for(total);
        }
        assert!(workers.len() <= limit);
        assert_eq!(pool.threads(), workers.len());
        end(&pool, workers);
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

/// An owner that blocks lends its processor to a second worker, which leaves when it is back: no
/// job stays behind with it.
#[test]
fn an_owner_that_was_away_finds_its_jobs_done() {
    for linger in [false, true] {
        model(move || {
            let (pool, done, mut workers) = setup(2);
            burst(&pool, &done, &mut workers, linger, 2);
            pool.away();
            thread::yield_now();
            pool.back();
            done.wait_for(2);
            let need = pool.put(Priority::default(), Box::new(2));
            staff(&pool, &done, &mut workers, linger, need);
            done.wait_for(3);
            end(&pool, workers);
        });
    }
}

/// Has jobs executed by workers for which those above `long` wait for each other, two by two.
/// Each comes with how many must be done before the next one is submitted, 0 for none.
fn long_ones(linger: bool, long: u32, away: bool, jobs: &[(u32, u32)]) {
    let (pool, done, mut workers) = setup(2);
    let together = Arc::new(Counter::default());
    let worker = move |pool: Arc<Pool<u32>>, done: Arc<Counter>, together: Arc<Counter>| {
        let mut job = pool.first();
        while let Some(n) = job {
            if *n > long {
                together.add();
                together.wait_for(2);
            }
            pool.returning();
            done.add();
            job = pool.next(&mut Looks(linger));
        }
    };
    for &(n, wait) in jobs {
        let mut need = pool.put(Priority::default(), Box::new(n));
        while need == Need::Worker {
            let (pool2, done2, together2) = (pool.clone(), done.clone(), together.clone());
            workers.push(thread::spawn(move || worker(pool2, done2, together2)));
            need = pool.help();
        }
        if away {
            pool.away();
            thread::yield_now();
            pool.back();
        }
        if wait > 0 {
            done.wait_for(wait);
        }
    }
    end(&pool, workers);
}

/// Two jobs that wait for each other: neither may be left to the worker that has the other,
/// whichever way the first one went.
#[test]
fn no_job_waits_behind_a_long_one() {
    for linger in [false, true] {
        model(move || long_ones(linger, 0, false, &[(0, 1), (1, 0), (2, 3)]));
    }
}

/// Jobs that a second worker is thought to be in the way of, but they are long and wait for each
/// other: whoever watches joins in at last. With one worker at first, and with two.
#[test]
fn no_job_waits_for_workers_that_keep_out_of_the_way() {
    let jobs: [&[(u32, u32)]; 2] = [
        &[(ALONE, 1), (ALONE + 1, 0), (ALONE + 2, 3)],
        &[(0, 0), (1, 2), (ALONE + 1, 0), (ALONE + 2, 4)],
    ];
    for (jobs, away) in [(jobs[0], false), (jobs[1], false), (jobs[1], true)] {
        model(move || long_ones(false, ALONE, away, jobs));
    }
}

/// As many of them that are short: a worker that leaves the other its place leaves no job.
#[test]
fn no_job_is_left_by_a_worker_that_goes_out_of_the_way() {
    model(|| {
        let (pool, done, mut workers) = setup(2);
        burst(&pool, &done, &mut workers, false, 2);
        done.wait_for(2);
        for n in 0..3 {
            let need = pool.put(Priority::default(), Box::new(ALONE + n));
            staff(&pool, &done, &mut workers, false, need);
        }
        done.wait_for(5);
        end(&pool, workers);
    });
}

/// The owner takes a job to execute it itself, finds that it cannot, and puts it back: a worker
/// that slept meanwhile gets it.
#[test]
fn a_job_that_the_owner_puts_back_is_not_lost() {
    for linger in [false, true] {
        model(move || {
            let (pool, done, mut workers) = setup(2);
            burst(&pool, &done, &mut workers, linger, 3);
            for executes in [true, false] {
                match pool.share(|_| true) {
                    Some(_) if executes => done.add(),
                    Some(job) => {
                        let need = pool.put_back(Priority::default(), job);
                        staff(&pool, &done, &mut workers, linger, need);
                    }
                    None => {}
                }
            }
            done.wait_for(3);
            end(&pool, workers);
        });
    }
}

/// A worker calls for help while the owner submits: the sleeper may be meant for either.
#[test]
fn a_call_for_help_loses_no_job() {
    const HELP: u32 = 100;
    model(|| {
        let (pool, done, mut workers) = setup(2);
        let helped = Arc::new(Counter::default());
        let start = |pool: &Arc<Pool<u32>>, done: &Arc<Counter>| {
            let (pool, done, helped) = (pool.clone(), done.clone(), helped.clone());
            thread::spawn(move || {
                let mut job = pool.first();
                while let Some(n) = job {
                    if *n == 1 {
                        pool.call(|| Box::new(HELP));
                    }
                    pool.returning();
                    match *n {
                        HELP => helped.add(),
                        _ => done.add(),
                    }
                    job = pool.next(&mut Looks(false));
                }
            })
        };
        let mut need = pool.put(Priority::default(), Box::new(0));
        for _ in 0..2 {
            assert_eq!(need, Need::Worker);
            workers.push(start(&pool, &done));
            need = pool.at_least(2);
        }
        assert_eq!(need, Need::Nothing);
        for n in [1, 2] {
            assert_eq!(pool.put(Priority::default(), Box::new(n)), Need::Nothing);
        }
        done.wait_for(3);
        end(&pool, workers);
        assert!(*helped.n.lock().unwrap() <= 1);
    });
}

/// The worker told to end may be the one that was called for a job.
#[test]
fn a_lowered_limit_loses_no_job() {
    for linger in [false, true] {
        model(move || {
            let (pool, done, mut workers) = setup(2);
            burst(&pool, &done, &mut workers, linger, 2);
            pool.set_limits(limits(1));
            assert_eq!(pool.threads(), 1);
            assert_eq!(pool.put(Priority::default(), Box::new(2)), Need::Nothing);
            done.wait_for(3);
            end(&pool, workers);
        });
    }
}

/// Sleepers told to end cannot be counted on for what is submitted next.
#[test]
fn a_limit_lowered_and_raised_again_loses_no_job() {
    for linger in [false, true] {
        model(move || {
            let (pool, done, mut workers) = setup(1);
            let need = pool.put(Priority::default(), Box::new(0));
            staff(&pool, &done, &mut workers, linger, need);
            done.wait_for(1);
            pool.set_limits(limits(0));
            assert_eq!(pool.threads(), 0);
            assert_eq!(pool.put(Priority::default(), Box::new(1)), Need::Nothing);
            assert_eq!(pool.ready(), 1);
            pool.set_limits(limits(1));
            let need = pool.help();
            staff(&pool, &done, &mut workers, linger, need);
            done.wait_for(2);
            end(&pool, workers);
        });
    }
}

/// With a limit of 0 nothing is given to a worker that has not noticed yet.
#[test]
fn limit_zero_holds_jobs() {
    model(|| {
        let (pool, done, mut workers) = setup(1);
        let need = pool.put(Priority::default(), Box::new(0));
        staff(&pool, &done, &mut workers, true, need);
        done.wait_for(1);
        pool.set_limits(limits(0));
        assert_eq!(pool.put(Priority::default(), Box::new(1)), Need::Nothing);
        for worker in workers.drain(..) {
            worker.join().unwrap();
        }
        assert_eq!((pool.ready(), pool.threads()), (1, 0));
        assert_eq!(pool.close().len(), 1);
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

#[derive(Clone, Copy, PartialEq)]
enum Owner {
    /// Looks, and blocks if that does not help.
    Lingers,
    /// Looks, then lets go of what it found and blocks.
    LetsGo,
    /// Looks for the first result, and blocks on the descriptor for the others.
    LooksOnce,
    /// Blocks on the descriptor only, as an event loop does.
    Watches,
    /// Said that it would look, and blocks on the descriptor all the same.
    ChangesItsMind,
}

/// Who pushed it, and which of that worker's results it is.
struct Item(u32, u32);

impl Ranked for Item {
    fn priority(&self) -> Priority {
        Priority::default()
    }
}

/// `workers` workers push `each` results, the owner takes them one at a time.
fn deliver(workers: u32, each: u32, owner: Owner) {
    model(move || {
        let flag = Flag::default();
        let results = Arc::new(Results::new(flag.clone()));
        let batch = Batch::new();
        if owner != Owner::Watches {
            batch.expect(&results);
        }
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let results = results.clone();
                thread::spawn(move || {
                    for n in 0..each {
                        if results.push(Box::new(Item(worker, n)), false) {
                            thread::yield_now();
                            results.settle();
                        }
                    }
                })
            })
            .collect();
        let mut next = vec![0; workers as usize];
        for turn in 0..workers * each {
            match owner {
                Owner::Watches | Owner::ChangesItsMind => flag.block(),
                Owner::LooksOnce if turn > 0 => flag.block(),
                Owner::Lingers | Owner::LetsGo | Owner::LooksOnce => {
                    if !batch.waits(&results) {
                        batch.look(&results);
                        if !batch.waits(&results) && !batch.settle(&results) {
                            flag.block();
                        }
                    }
                    if owner == Owner::LetsGo {
                        assert!(batch.announce(&results) > 0);
                        assert!(flag.readable(), "results wait and nobody can see it");
                    }
                }
            }
            let readable = flag.readable();
            let result = batch.take(&results);
            assert!(!readable || result.is_some(), "readable with no result");
            let Item(worker, n) = *result.expect("a result was there");
            assert_eq!(next[worker as usize], n, "out of order");
            next[worker as usize] += 1;
            if !matches!(owner, Owner::Watches | Owner::LooksOnce) {
                batch.expect(&results);
            }
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
    deliver(1, 2, Owner::Lingers);
    deliver(2, 1, Owner::Lingers);
}

#[test]
fn more_results_reach_an_owner_that_looks() {
    deliver(1, 3, Owner::Lingers);
}

#[test]
fn results_survive_an_owner_that_lets_go() {
    deliver(1, 2, Owner::LetsGo);
    deliver(2, 1, Owner::LetsGo);
}

#[test]
fn results_reach_an_owner_that_looks_once() {
    deliver(1, 2, Owner::LooksOnce);
    deliver(2, 1, Owner::LooksOnce);
}

#[test]
fn results_reach_an_owner_that_watches() {
    deliver(1, 3, Owner::Watches);
    deliver(2, 1, Owner::Watches);
}

#[test]
fn results_reach_an_owner_that_changes_its_mind() {
    deliver(1, 1, Owner::ChangesItsMind);
    deliver(1, 2, Owner::ChangesItsMind);
    deliver(2, 1, Owner::ChangesItsMind);
}

/// An owner that sleeps for a batch is woken by the last result, however many there are: here it
/// has no clock to end its sleep.
#[test]
fn an_owner_that_sleeps_for_a_batch_is_woken() {
    model(|| {
        let flag = Flag::default();
        let results = Arc::new(Results::new(flag.clone()));
        let batch = Batch::new();
        let ready = Arc::new(loom::sync::atomic::AtomicUsize::new(2));
        let threads: Vec<_> = (0..2)
            .map(|worker| {
                let (results, ready) = (results.clone(), ready.clone());
                thread::spawn(move || {
                    let more = ready.fetch_sub(1, Ordering::AcqRel) > 1;
                    if results.push(Box::new(Item(worker, 0)), more) {
                        results.settle();
                    }
                })
            })
            .collect();
        let mut taken = 0;
        while taken < 2 {
            // Only while something is ready: then a push is still to come that makes the edge.
            let wanted = 3 * usize::from(ready.load(Ordering::Acquire) > 0);
            if !batch.settle_for(&results, wanted) {
                flag.block();
            }
            while batch.take(&results).is_some() {
                taken += 1;
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!flag.readable(), "readable with nothing left");
    });
}

/// An owner that slept for a batch looks again and takes what it finds. After that the next result
/// wakes it, though it is not as many as it wished for and more are to come.
#[test]
fn a_wish_for_a_batch_ends_with_the_next_look() {
    model(|| {
        let flag = Flag::default();
        let results = Arc::new(Results::new(flag.clone()));
        let batch = Batch::new();
        assert!(!batch.settle_for(&results, 3));
        let worker = {
            let results = results.clone();
            thread::spawn(move || {
                for n in 0..2 {
                    if results.push(Box::new(Item(n, 0)), true) {
                        results.settle();
                    }
                }
            })
        };
        // It has slept for as long as it wanted.
        batch.look(&results);
        let mut waits = batch.waits(&results) || batch.settle(&results);
        let mut taken = 0;
        loop {
            while waits && batch.take(&results).is_some() {
                taken += 1;
            }
            if taken == 2 {
                break;
            }
            flag.block();
            waits = true;
        }
        worker.join().unwrap();
        assert!(!flag.readable(), "readable with nothing left");
    });
}

/// One worker's result is in the slot and in debt when another's arrives: the first stays the
/// first, whoever settles the debt.
#[test]
fn results_keep_their_order_across_workers() {
    model(|| {
        let flag = Flag::default();
        let results = Arc::new(Results::new(flag.clone()));
        let batch = Batch::new();
        batch.expect(&results);
        let arrived = Arc::new(AtomicBool::new(false));
        let first = {
            let (results, arrived) = (results.clone(), arrived.clone());
            thread::spawn(move || {
                let in_debt = results.push(Box::new(Item(0, 0)), false);
                arrived.store(true, Ordering::Release);
                if in_debt {
                    results.settle();
                }
            })
        };
        let second = {
            let results = results.clone();
            thread::spawn(move || {
                let later = arrived.load(Ordering::Acquire);
                if results.push(Box::new(Item(1, later.into())), false) {
                    results.settle();
                }
            })
        };
        let take = || {
            flag.block();
            *batch
                .take(&results)
                .expect("readable, so there is a result")
        };
        let order = [take(), take()];
        if let Item(1, later) = order[0] {
            assert_eq!(later, 0, "the second overtook the first");
        }
        first.join().unwrap();
        second.join().unwrap();
        assert!(batch.take(&results).is_none() && !flag.readable());
    });
}
