//! What comes first: execution and results by priority, and by arrival within a priority.

mod common;

use common::*;

use aio_engine::results::{Batch, Results};
use aio_engine::{Engine, ResultPipe};
use proptest::prelude::*;

/// Nine priorities, mixed up, two of each.
const MIXED: [i64; 18] = [0, 4, -4, 1, 3, -1, -3, 2, -2, 2, -2, 3, -3, 0, 4, -4, 1, -1];

fn sorted(mut keyed: Vec<(u8, i64)>) -> Vec<u8> {
    keyed.sort_by_key(|&(key, pri)| (-pri, key));
    keyed.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn one_worker_executes_by_priority_then_by_submission() {
    let pipe = ResultPipe::open().unwrap();
    let engine = Engine::new(pipe, limits(1));
    let (gate, trail) = (Gate::new(), Trail::new());
    engine.submit(gate.job(100, -4));
    until("the gate holds the worker", || engine.nready() == 0);
    let mut keyed = Vec::new();
    for (key, &pri) in MIXED.iter().enumerate() {
        engine.submit(trail.job(key as u8, pri));
        keyed.push((key as u8, pri));
    }
    assert_eq!(engine.nready(), MIXED.len());
    assert_eq!(engine.npending(), 0);
    assert!(!readable(pipe.fd()));
    gate.open(1);
    until("all have executed", || engine.npending() == MIXED.len() + 1);
    assert_eq!(trail.so_far(), sorted(keyed));
}

#[test]
fn results_come_by_priority_then_by_arrival() {
    let pipe = ResultPipe::open().unwrap();
    let engine = Engine::new(pipe, limits(1));
    let mut keyed = Vec::new();
    for (key, &pri) in MIXED.iter().enumerate() {
        engine.submit(nop(key as u32, pri));
        // One by one, so that they arrive in the order of submission.
        until("it is pending", || engine.npending() == key + 1);
        keyed.push((key as u8, pri));
    }
    for expected in sorted(keyed) {
        assert!(readable(pipe.fd()));
        assert_eq!(engine.take().unwrap().key, u32::from(expected));
    }
    assert!(!readable(pipe.fd()));
    assert!(engine.take().is_none());
}

#[test]
fn a_late_result_of_higher_priority_overtakes_those_already_moved_over() {
    let pipe = ResultPipe::open().unwrap();
    let engine = Engine::new(pipe, limits(1));
    for key in 0..3 {
        engine.complete(nop(key, 0));
    }
    assert_eq!(engine.take().unwrap().key, 0);
    engine.complete(nop(10, 0));
    engine.complete(nop(11, 1));
    engine.complete(nop(12, -1));
    for expected in [11, 1, 2, 10, 12] {
        assert!(readable(pipe.fd()));
        assert_eq!(engine.take().unwrap().key, expected);
    }
    assert!(!readable(pipe.fd()));
}

/// The slot is for a result that nothing else waits before.
#[test]
fn a_result_does_not_overtake_one_that_waits_already() {
    let pipe = ResultPipe::open().unwrap();
    let (results, batch) = (Results::new(pipe), Batch::new());
    batch.expect(&results);
    results.push_behind(nop(1, 0), false);
    assert!(!results.push(nop(2, 0), false), "announced with the first");
    for expected in [1, 2] {
        assert!(readable(pipe.fd()));
        assert_eq!(batch.take(&results).unwrap().key, expected);
    }
    assert!(!readable(pipe.fd()));
}

/// What may happen to a queue of results.
#[derive(Clone, Debug)]
enum Step {
    /// A worker brings one; `more`: something is ready still.
    Push {
        pri: i64,
        more: bool,
    },
    Expect,
    Look,
    Settle(usize),
    Take,
    Announce,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (-1i64..=1, any::<bool>()).prop_map(|(pri, more)| Step::Push { pri, more }),
        1 => Just(Step::Expect),
        2 => Just(Step::Look),
        2 => prop_oneof![Just(0), 2usize..5].prop_map(Step::Settle),
        4 => Just(Step::Take),
        1 => Just(Step::Announce),
    ]
}

/// What the owner does between two steps.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    /// Something else: the descriptor has to tell it.
    Plain,
    Looks,
    Gathers(usize),
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: cases(256),
        ..ProptestConfig::default()
    })]

    /// Against the obvious model: a sorted list.
    #[test]
    fn completed_jobs_come_back_in_order(steps in prop::collection::vec(prop::option::of(-4i64..=4), 1..200)) {
        let pipe = ResultPipe::open().unwrap();
        let engine = Engine::new(pipe, limits(0));
        let mut model: Vec<(u32, i64)> = Vec::new();
        for (key, step) in steps.into_iter().enumerate() {
            match step {
                Some(pri) => {
                    engine.complete(nop(key as u32, pri));
                    model.push((key as u32, pri));
                }
                None => {
                    model.sort_by_key(|&(key, pri)| (-pri, key));
                    let expected = (!model.is_empty()).then(|| model.remove(0).0);
                    prop_assert_eq!(engine.take().map(|job| job.key), expected);
                }
            }
            prop_assert_eq!(readable(pipe.fd()), !model.is_empty());
            prop_assert_eq!(engine.npending(), model.len());
        }
        drop(engine);
        prop_assert!(!readable(pipe.fd()));
        // SAFETY: the descriptor is this test's own and not used afterwards.
        unsafe { libc::close(pipe.fd()) };
    }

    /// Whatever an owner does in whatever order, the descriptor tells of a result that waits,
    /// but while the owner looks or has asked for a batch.
    #[test]
    fn the_descriptor_tells_what_waits(steps in prop::collection::vec(step(), 1..60)) {
        let pipe = ResultPipe::open().unwrap();
        let (results, batch) = (Results::new(pipe), Batch::new());
        let mut model: Vec<(u32, i64)> = Vec::new();
        let mut owner = Owner::Plain;
        for (key, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { pri, more } => {
                    if results.push(nop(key as u32, pri), more) {
                        results.settle();
                    }
                    model.push((key as u32, pri));
                    owner = match owner {
                        Owner::Gathers(wanted) if !more || model.len() >= wanted => Owner::Plain,
                        owner => owner,
                    };
                }
                Step::Expect => batch.expect(&results),
                Step::Look => {
                    batch.look(&results);
                    batch.waits(&results);
                    owner = Owner::Looks;
                }
                Step::Settle(wanted) => {
                    let waits = batch.settle_for(&results, wanted);
                    prop_assert_eq!(waits, !model.is_empty());
                    owner = match (waits, wanted) {
                        (true, _) => Owner::Looks,
                        (false, 0) => Owner::Plain,
                        (false, _) => Owner::Gathers(wanted),
                    };
                }
                Step::Take => {
                    model.sort_by_key(|&(key, pri)| (-pri, key));
                    let expected = (!model.is_empty()).then(|| model.remove(0).0);
                    prop_assert_eq!(batch.take(&results).map(|job| job.key), expected);
                    owner = Owner::Plain;
                }
                Step::Announce => {
                    prop_assert_eq!(batch.announce(&results), model.len());
                    owner = Owner::Plain;
                }
            }
            if owner == Owner::Plain {
                prop_assert_eq!(readable(pipe.fd()), !model.is_empty());
            }
        }
        drop(batch.clear(&results));
        prop_assert!(!readable(pipe.fd()));
        // SAFETY: the descriptor is this test's own and not used afterwards.
        unsafe { libc::close(pipe.fd()) };
    }
}
