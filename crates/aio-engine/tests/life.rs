//! Workers, limits, counters, cancelling, the descriptor, and the end of an engine.

mod common;

use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aio_engine::sys;
use aio_engine::{Buffer, Done, Engine, Job, Key, Limits, Op, Output, ResultPipe, Wait, Wd};
use common::*;
use proptest::prelude::*;

fn new(max_parallel: usize) -> (Engine, ResultPipe) {
    let pipe = ResultPipe::open().unwrap();
    (Engine::new(pipe, limits(max_parallel)), pipe)
}

/// Has so many workers wait at the gate. The keys of their jobs are from 100 on.
fn hold_workers(engine: &Engine, gate: &Gate, n: usize) {
    for key in 100..100 + n {
        engine.submit(gate.job(key as Key, 0));
    }
    until("all execute", || engine.nready() == 0);
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

#[test]
fn the_descriptor_is_close_on_exec_non_blocking_and_high() {
    let pipe = ResultPipe::open().unwrap();
    // SAFETY: no pointers.
    unsafe {
        assert_ne!(libc::fcntl(pipe.fd(), libc::F_GETFD) & libc::FD_CLOEXEC, 0);
        assert_ne!(libc::fcntl(pipe.fd(), libc::F_GETFL) & libc::O_NONBLOCK, 0);
    }
    assert!(pipe.fd() > 2);
}

#[test]
fn no_worker_before_the_first_request() {
    let (engine, pipe) = new(8);
    assert_eq!(engine.nthreads(), 0);
    engine.submit(nop(1, 0));
    assert_eq!(next(&engine, pipe).done.result, 0);
    assert_eq!(engine.nthreads(), 1);
}

#[test]
fn long_requests_run_side_by_side_up_to_the_limit() {
    let (engine, pipe) = new(8);
    let gate = Gate::new();
    for key in 0..10 {
        engine.submit(gate.job(key, 0));
    }
    until("eight execute", || engine.nready() == 2);
    assert_eq!(engine.nthreads(), 8);
    gate.open(10);
    for _ in 0..10 {
        assert_eq!(watch(&engine, pipe).done.result, 1);
    }
    assert!(!readable(pipe.fd()));
}

/// With workers asleep, each of several requests that come at once gets one, though the owner
/// does nothing after the last submit.
#[test]
fn sleeping_workers_wake_for_a_burst() {
    let (engine, pipe) = new(4);
    let gate = Gate::new();
    for round in 0..50 {
        for key in 0..4 {
            engine.submit(gate.job(key, 0));
        }
        until("all four execute", || engine.nready() == 0);
        gate.open(4);
        for _ in 0..4 {
            watch(&engine, pipe);
        }
        assert!(engine.nthreads() <= 4, "round {round}");
    }
}

/// Reads of a file of 64 blocks, each of which begins with its number, into a place of their own.
struct Blocks {
    file: std::fs::File,
    place: Vec<u8>,
}

impl Blocks {
    const SIZE: usize = 512;

    fn new() -> Blocks {
        let mut file = tempfile::tempfile().unwrap();
        for n in 0..64 {
            let mut block = [0; Self::SIZE];
            block[0] = n;
            file.write_all(&block).unwrap();
        }
        Blocks {
            file,
            place: vec![0xff; 64 * Self::SIZE],
        }
    }

    /// Can cached blocks be told from others here?
    fn can_be_shared(&mut self) -> bool {
        let buf = self.buffer(0, Self::SIZE);
        let read = sys::read_cached(self.file.as_raw_fd(), 0, &buf);
        self.place[0] = 0xff;
        read == Ok(Self::SIZE)
    }

    fn buffer(&mut self, n: usize, len: usize) -> Buffer {
        let place = &mut self.place[n * Self::SIZE..][..len];
        // SAFETY: the vector outlives the engines of these tests.
        unsafe { Buffer::new(place.as_mut_ptr(), len) }
    }

    /// Block `n`, from an offset within it.
    fn job(&mut self, n: usize, from: usize) -> Box<Job> {
        let op = Op::Read {
            fd: self.file.as_raw_fd(),
            offset: Some((n * Self::SIZE + from) as i64),
            buf: self.buffer(n, Self::SIZE),
        };
        Box::new(Job::new(n as Key, Default::default(), op))
    }
}

/// With all workers busy for long, an owner that waits reads what is cached itself.
#[test]
fn an_owner_that_waits_reads_what_is_cached() {
    let mut blocks = Blocks::new();
    if !blocks.can_be_shared() {
        return println!("skipped: no RWF_NOWAIT in the directory for temporary files");
    }
    let (engine, pipe) = new(2);
    // It goes first, and lets the workers go if this test fails.
    let gate = Gate::new();
    hold_workers(&engine, &gate, 2);
    for n in 0..64 {
        engine.submit(blocks.job(n, 0));
    }
    engine.cancel(3);
    let mut results = Vec::new();
    // A few that are left are no batch to be waited for.
    while engine.nready() >= 16 {
        assert_eq!(engine.linger(), Wait::Over);
        results.extend(std::iter::from_fn(|| engine.take()));
    }
    assert!(results.len() > 48, "{} results", results.len());
    for (n, job) in results.iter().enumerate() {
        assert_eq!(job.key, n as Key, "in order");
        let (result, byte) = match n {
            3 => (0, 0xff),
            _ => (Blocks::SIZE as i64, n as u8),
        };
        assert_eq!((job.done.result, job.done.errno), (result, 0), "block {n}");
        assert_eq!(blocks.place[n * Blocks::SIZE], byte, "block {n}");
    }
    gate.open(2);
    for _ in results.len()..66 {
        next(&engine, pipe);
    }
}

/// What the owner cannot do at once is left to the workers, whole: the end of a file, errors, what
/// is no read, and anything at all if requests are to be executed one by one.
#[test]
fn an_owner_that_waits_leaves_the_rest_to_workers() {
    let mut blocks = Blocks::new();
    let can_be_shared = blocks.can_be_shared();
    for limit in [1, 2] {
        let (engine, pipe) = new(limit);
        let gate = Gate::new();
        hold_workers(&engine, &gate, limit);
        // The last block, from its middle: what is read ends early.
        for n in 0..32 {
            let job = match limit {
                1 => blocks.job(n, 0),
                _ => {
                    let mut job = blocks.job(63, Blocks::SIZE / 2);
                    job.key = n as Key;
                    job
                }
            };
            engine.submit(job);
        }
        for _ in 0..3 {
            assert_ne!(engine.linger(), Wait::Over, "limit {limit}");
            assert_eq!(engine.nready(), 32);
        }
        gate.open(limit);
        for _ in 0..32 + limit {
            let job = next(&engine, pipe);
            let read = match (job.key < 100, limit) {
                (false, _) => 1,
                (true, 1) => Blocks::SIZE,
                (true, _) => Blocks::SIZE / 2,
            };
            assert_eq!(job.done.result, read as i64, "limit {limit}");
        }
    }
    if !can_be_shared {
        println!("skipped in part: no RWF_NOWAIT in the directory for temporary files");
    }
}

/// What can be read once only, or has to come from the disk, is nothing for the owner.
#[test]
fn an_owner_that_waits_reads_regular_files_through_the_cache() {
    let blocks = Blocks::new();
    // What is not on the disk yet would be written first, and that nobody waits for.
    blocks.file.sync_all().unwrap();
    let path = format!("/proc/self/fd/{}", blocks.file.as_raw_fd());
    let direct = std::fs::File::options()
        .read(true)
        .custom_flags(sys::O_DIRECT)
        .open(path);
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let mut memory = vec![0u8; Blocks::SIZE * 2];
    let aligned = memory.as_mut_ptr().align_offset(Blocks::SIZE);
    for file in [Some(&zero), direct.as_ref().ok()].into_iter().flatten() {
        let (engine, pipe) = new(2);
        let gate = Gate::new();
        hold_workers(&engine, &gate, 2);
        for n in 0..32 {
            let op = Op::Read {
                fd: file.as_raw_fd(),
                offset: Some(0),
                // SAFETY: within the vector, which outlives the engine; nobody looks at it.
                buf: unsafe { Buffer::new(memory.as_mut_ptr().add(aligned), Blocks::SIZE) },
            };
            engine.submit(Box::new(Job::new(n, Default::default(), op)));
        }
        assert_ne!(engine.linger(), Wait::Over);
        gate.open(2);
        for _ in 0..34 {
            let job = next(&engine, pipe);
            assert!(job.done.result > 0, "{:?}", job.done);
        }
    }
    if let Err(error) = direct {
        println!("skipped in part: no O_DIRECT in the directory for temporary files: {error}");
    }
}

/// With much ready behind long requests an owner is told to sleep ever longer, at last until
/// there is something.
#[test]
fn an_owner_waits_for_a_batch_for_a_bounded_time() {
    for (ready, times) in [
        (40, [100, 200, 400, 800, 1000]),
        (300, [300, 300, 400, 800, 1000]),
    ] {
        let (engine, pipe) = new(2);
        let gate = Gate::new();
        hold_workers(&engine, &gate, 2);
        for key in 0..ready {
            engine.submit(nop(key, 0));
        }
        for time in times {
            assert_eq!(engine.linger(), Wait::BlockFor(Duration::from_micros(time)));
        }
        assert_eq!(engine.linger(), Wait::Block, "{ready} ready");
        gate.open(1);
        assert!(readable_within(pipe.fd(), Duration::from_secs(20)));
        gate.open(1);
        for _ in 0..ready + 2 {
            next(&engine, pipe);
        }
    }
}

/// An owner that slept for a batch and goes back to its event loop is told of a single result.
#[test]
fn an_owner_that_gave_up_on_a_batch_is_told_of_the_next_result() {
    let (engine, pipe) = new(1);
    let gate = Gate::new();
    for key in 0..40 {
        engine.submit(gate.job(key, 0));
    }
    until("one executes", || engine.nready() == 39);
    assert!(matches!(engine.linger(), Wait::BlockFor(_)));
    assert!(engine.take().is_none());
    gate.open(1);
    let told = readable_within(pipe.fd(), Duration::from_secs(20));
    gate.open(39);
    for _ in 0..40 {
        next(&engine, pipe);
    }
    assert!(told);
}

/// Writes to one file are left to one worker while they are quick. These wait for what a request
/// behind them does.
#[test]
fn writes_that_block_do_not_keep_what_would_free_them() {
    const FULL: usize = 64 << 10;
    let mut room = vec![0u8; FULL];
    let at = room.as_mut_ptr();
    // SAFETY: the vector outlives the engine; jobs may overwrite each other's bytes.
    let buffer = |len| unsafe { Buffer::new(at, len) };
    let (engine, descriptor) = new(8);
    // These go first, and with them whatever blocks.
    let (read, write) = pipe();
    for _ in 0..10 {
        let put = |key: Key, len| {
            let (fd, offset, buf) = (write.as_raw_fd(), None, buffer(len));
            let op = Op::Write { fd, offset, buf };
            engine.submit(Box::new(Job::new(key, Default::default(), op)));
        };
        put(0, FULL);
        assert_eq!(next(&engine, descriptor).done.result, FULL as i64);
        for key in 1..5 {
            put(key, 4096);
        }
        let (fd, offset, buf) = (read.as_raw_fd(), None, buffer(FULL));
        let op = Op::Read { fd, offset, buf };
        engine.submit(Box::new(Job::new(5, Default::default(), op)));
        let mut written = 0;
        for _ in 1..6 {
            let job = watch(&engine, descriptor);
            written += i64::from(job.key < 5) * job.done.result;
        }
        assert_eq!(written, 4 * 4096);
        let op = Op::Read { fd, offset, buf };
        engine.submit(Box::new(Job::new(5, Default::default(), op)));
        assert_eq!(next(&engine, descriptor).done.result, written);
    }
}

#[test]
fn limit_zero_holds_requests_and_raising_it_resumes() {
    let (engine, pipe) = new(0);
    let trail = Trail::new();
    for key in 0..3 {
        engine.submit(trail.job(key, 0));
    }
    assert_eq!(engine.linger(), Wait::Block);
    assert!(!engine.rescue());
    assert_eq!((engine.nready(), engine.nthreads()), (3, 0));
    assert!(trail.so_far().is_empty());
    engine.set_min_parallel(1);
    for _ in 0..3 {
        next(&engine, pipe);
    }
    assert_eq!(trail.so_far(), [0, 1, 2]);
    assert_eq!((engine.nready(), engine.npending()), (0, 0));
}

#[test]
fn lowering_the_limit_ends_workers_and_loses_nothing() {
    let (engine, pipe) = new(4);
    let gate = Gate::new();
    for key in 0..4 {
        engine.submit(gate.job(key, 0));
    }
    until("all four execute", || engine.nready() == 0);
    engine.submit(gate.job(4, 0));
    engine.set_max_parallel(1);
    assert_eq!(engine.limits().max_parallel, 1);
    assert_eq!((engine.nthreads(), engine.nready()), (1, 1));
    engine.set_max_parallel(0);
    assert_eq!((engine.nthreads(), engine.nready()), (0, 1));
    gate.open(4);
    for _ in 0..4 {
        watch(&engine, pipe);
    }
    // All four have been told to end, so the fifth request stays where it is.
    assert_eq!((engine.nthreads(), engine.nready()), (0, 1));
    engine.set_min_parallel(2);
    gate.open(1);
    assert_eq!(next(&engine, pipe).key, 4);
}

#[test]
fn a_worker_told_to_end_may_stay_when_the_limit_rises_again() {
    let (engine, pipe) = new(2);
    let gate = Gate::new();
    engine.submit(gate.job(0, 0));
    engine.submit(gate.job(1, 0));
    until("both execute", || engine.nready() == 0);
    for _ in 0..10 {
        engine.set_max_parallel(0);
        assert_eq!(engine.nthreads(), 0);
        engine.set_min_parallel(2);
    }
    engine.submit(gate.job(2, 0));
    assert!(engine.nthreads() <= 2);
    gate.open(3);
    for _ in 0..3 {
        next(&engine, pipe);
    }
}

#[test]
fn surplus_idle_workers_leave_after_the_timeout() {
    let pipe = ResultPipe::open().unwrap();
    let engine = Engine::new(
        pipe,
        Limits {
            max_parallel: 4,
            max_idle: 1,
            idle_timeout: Duration::from_secs(1),
        },
    );
    let gate = Gate::new();
    for key in 0..4 {
        engine.submit(gate.job(key, 0));
    }
    until("all four execute", || engine.nready() == 0);
    let idle_from = Instant::now();
    gate.open(4);
    for _ in 0..4 {
        watch(&engine, pipe);
    }
    until("three have left", || engine.nthreads() == 1);
    let stayed = idle_from.elapsed();
    assert!(stayed >= Duration::from_secs(1), "left after {stayed:?}");
    // The one that stays still works.
    engine.submit(nop(9, 0));
    watch(&engine, pipe);
    assert_eq!(engine.nthreads(), 1);
    // New rules reach sleepers.
    engine.set_max_idle(0);
    engine.set_idle_timeout(Duration::ZERO);
    until("the last has left", || engine.nthreads() == 0);
    engine.submit(nop(10, 0));
    watch(&engine, pipe);
}

#[test]
fn a_cancelled_request_passes_through_without_executing() {
    let (engine, pipe) = new(1);
    let (gate, trail) = (Gate::new(), Trail::new());
    engine.submit(gate.job(0, 0));
    until("the gate holds the worker", || engine.nready() == 0);
    for key in 1..4 {
        engine.submit(trail.job(key, 0));
    }
    engine.cancel(2);
    assert!(engine.cancelled(2) && !engine.cancelled(1));
    assert_eq!(engine.nready(), 3);
    gate.open(1);
    let keys: Vec<_> = (0..4).map(|_| next(&engine, pipe).key).collect();
    assert_eq!(keys, [0, 1, 2, 3]);
    assert_eq!(trail.so_far(), [1, 3]);
    assert!(
        engine.cancelled(2),
        "the mark stays until the owner clears it"
    );
    engine.unmark(2);
    engine.submit(trail.job(2, 0));
    next(&engine, pipe);
    assert_eq!(trail.so_far(), [2]);
}

#[test]
fn the_descriptor_tells_the_truth_after_each_step() {
    let (engine, pipe) = new(1);
    for round in 0..200u32 {
        for key in 0..3 {
            engine.submit(nop(key, 0));
        }
        for left in (0..3).rev() {
            // Alternately an owner that lingers and takes, one that lets go, one that watches.
            match round % 3 {
                0 => drop(next(&engine, pipe)),
                1 => {
                    if engine.linger() == Wait::Over {
                        engine.announce();
                        assert!(readable(pipe.fd()));
                    }
                    drop(watch(&engine, pipe));
                }
                _ => drop(watch(&engine, pipe)),
            }
            if engine.npending() > 0 {
                assert!(readable(pipe.fd()));
            } else if left == 0 {
                assert!(!readable(pipe.fd()));
            }
        }
    }
}

#[test]
fn a_lingering_owner_finds_results_that_workers_did_not_announce() {
    let (engine, pipe) = new(2);
    let gate = Gate::new();
    for round in 0..200 {
        engine.submit(nop(0, 0));
        engine.submit(nop(1, 0));
        drop(next(&engine, pipe));
        until("the other is pending", || engine.npending() == 1);
        assert!(readable(pipe.fd()), "round {round}");
        drop(engine.take().unwrap());
        assert!(!readable(pipe.fd()), "round {round}");
    }
    engine.submit(gate.job(0, 0));
    assert_eq!(
        engine.linger(),
        Wait::Block,
        "nothing comes, so the look ends"
    );
    gate.open(1);
    drop(watch(&engine, pipe));
}

#[test]
fn shutdown_waits_for_what_executes_and_drops_the_rest() {
    let (engine, pipe) = new(1);
    let (gate, trail) = (Gate::new(), Trail::new());
    let (keep, held) = pipe_pair_as_wd();
    engine.submit(gate.job(0, 0));
    until("the gate holds the worker", || engine.nready() == 0);
    engine.submit(trail.job(1, 0));
    engine.submit(Box::new(Job::new(
        2,
        priority(0),
        Op::CloseWd { wd: Some(held) },
    )));
    let (kept, given) = common::pipe();
    let given_number = given.as_raw_fd();
    let mut pending = nop(3, 0);
    pending.done = Done::with(0, Output::Fd(given));
    engine.complete(pending);
    assert!(readable(pipe.fd()));
    let writer = gate.writer();
    let dropped = keep.as_raw_fd();
    let opener = std::thread::spawn(move || {
        // Not before the shutdown has begun: the worker would go on to what is ready.
        until("what was ready is dropped", || hung_up(dropped));
        open(writer, 1)
    });
    assert_eq!(engine.shutdown(), limits(1));
    assert!(!readable(pipe.fd()), "nothing is pending any more");
    opener.join().unwrap();
    assert!(
        hung_up(keep.as_raw_fd()),
        "a queued request gave up what it held"
    );
    assert!(
        hung_up(kept.as_raw_fd()),
        "a pending result gave up what it held"
    );
    let _ = given_number;
    assert!(trail.so_far().is_empty(), "what was ready never executed");
    // The gate's byte has been read: the worker got to the end.
    gate_is_empty(&gate);
}

/// A directory object whose descriptor is the write end of a pipe, and the read end, which
/// tells when that has been closed. (Its number may be anybody's by then.)
fn pipe_pair_as_wd() -> (std::os::fd::OwnedFd, Arc<Wd>) {
    let (read, write) = common::pipe();
    (read, Arc::new(Wd::new(write, c"/".into())))
}

fn hung_up(read: RawFd) -> bool {
    assert!(is_open(read));
    let mut byte = 0u8;
    // SAFETY: no pointers, then room for one byte.
    unsafe {
        libc::fcntl(read, libc::F_SETFL, libc::O_NONBLOCK);
        libc::read(read, std::ptr::addr_of_mut!(byte).cast(), 1) == 0
    }
}

fn gate_is_empty(gate: &Gate) {
    let mut queued = -1;
    // SAFETY: FIONREAD fills in an int.
    unsafe { libc::ioctl(gate.writer(), libc::FIONREAD, &mut queued) };
    assert_eq!(queued, 0);
}

#[test]
fn workers_block_all_signals_and_carry_the_name() {
    // The test's thread stands for the program's.
    // SAFETY: a string that ends in 0.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"prog".as_ptr()) };
    let (engine, pipe) = new(1);
    engine.submit(nop(0, 0));
    drop(next(&engine, pipe));
    let mut found = false;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        // Threads of other tests end while we look.
        let Ok(status) = std::fs::read_to_string(path.join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.unwrap().split_whitespace().nth(1).unwrap().to_string()
        };
        if field("Name:") == "prog/eio" {
            found = true;
            let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
            for signal in 1..=31 {
                let cannot = [libc::SIGKILL, libc::SIGSTOP].contains(&signal);
                assert!(
                    cannot || blocked >> (signal - 1) & 1 == 1,
                    "signal {signal}"
                );
            }
        }
    }
    assert!(found);
    // SAFETY: the kernel fills in the mask; a null set changes nothing.
    let mine = unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
        libc::sigismember(&mask, libc::SIGUSR1)
    };
    assert_eq!(mine, 0, "the owner's own mask is as it was");
}

#[derive(Clone, Debug)]
enum Step {
    Submit(i64),
    Complete(i64),
    Cancel(prop::sample::Index),
    Take,
    Wait,
    Linger,
    Limit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (-4i64..=4).prop_map(Step::Submit),
        2 => (-4i64..=4).prop_map(Step::Complete),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        4 => Just(Step::Take),
        2 => Just(Step::Wait),
        1 => Just(Step::Linger),
        1 => (0usize..4).prop_map(Step::Limit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 200,
        ..ProptestConfig::default()
    })]

    /// Whatever is put in comes out, once, and is executed unless it was cancelled in time.
    #[test]
    fn each_job_comes_back_exactly_once(steps in prop::collection::vec(step(), 1..80)) {
        let pipe = ResultPipe::open().unwrap();
        let engine = Engine::new(pipe, limits(2));
        let trail = Trail::new();
        // For each key: is it outstanding?
        let mut out: Vec<bool> = Vec::new();
        let mut executes: Vec<u8> = Vec::new();
        let mut cancelled: Vec<u8> = Vec::new();
        let outstanding = |out: &[bool]| out.iter().filter(|&&is| is).count();
        for step in steps {
            let key = out.len() as u8;
            match step {
                Step::Submit(pri) => {
                    engine.submit(trail.job(key, pri));
                    executes.push(key);
                    out.push(true);
                }
                Step::Complete(pri) => {
                    engine.complete(nop(key.into(), pri));
                    out.push(true);
                }
                Step::Cancel(index) => if !out.is_empty() {
                    let key = index.index(out.len());
                    if out[key] {
                        engine.cancel(key as u32);
                        cancelled.push(key as u8);
                    }
                },
                Step::Take => if let Some(job) = engine.take() {
                    prop_assert!(std::mem::replace(&mut out[job.key as usize], false));
                },
                Step::Wait => if outstanding(&out) > 0 && engine.limits().max_parallel > 0 {
                    let job = next(&engine, pipe);
                    prop_assert!(std::mem::replace(&mut out[job.key as usize], false));
                },
                Step::Linger => match engine.linger() {
                    Wait::Over => {
                        engine.announce();
                        prop_assert!(readable(pipe.fd()));
                    }
                    Wait::Block => {}
                    Wait::BlockFor(_) => engine.announce(),
                },
                Step::Limit(n) => {
                    engine.set_max_parallel(n);
                    engine.set_min_parallel(n);
                    prop_assert!(engine.nthreads() <= n);
                }
            }
            let pending = engine.npending();
            prop_assert!(pending == 0 || readable(pipe.fd()));
            prop_assert!(pending + engine.nready() <= outstanding(&out));
            if outstanding(&out) == 0 {
                prop_assert!(!readable(pipe.fd()));
                prop_assert!(engine.take().is_none());
            }
        }
        engine.set_min_parallel(1);
        while outstanding(&out) > 0 {
            let job = next(&engine, pipe);
            prop_assert!(std::mem::replace(&mut out[job.key as usize], false));
        }
        prop_assert!(!readable(pipe.fd()));
        prop_assert_eq!((engine.nready(), engine.npending()), (0, 0));
        let mut ran = trail.so_far();
        ran.sort_unstable();
        prop_assert!(ran.windows(2).all(|pair| pair[0] < pair[1]), "executed twice");
        executes.retain(|key| ran.contains(key) || !cancelled.contains(key));
        prop_assert_eq!(ran, executes);
        drop(engine);
        // SAFETY: the descriptor is this test's own and not used afterwards.
        unsafe { libc::close(pipe.fd()) };
    }
}
