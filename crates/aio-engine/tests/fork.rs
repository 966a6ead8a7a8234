//! Forked children, scarce descriptors and threads: what concerns the whole process. Each test
//! forks, and the child's status is the assertion. One at a time, because they share the
//! process-wide pipe.

mod common;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aio_engine::{Engine, ResultPipe, Wait};
use common::*;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` in a child, which ends without running anything else.
fn in_child(body: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child goes on with this thread alone, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            // SAFETY: ends the process.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
            pid
        }
    }
}

fn assert_well(pid: libc::pid_t) {
    let mut status = -1;
    // SAFETY: `status` is filled in.
    let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!((waited, status), (pid, 0), "the child failed");
}

fn flags(fd: i32) -> (i32, i32) {
    // SAFETY: no pointers.
    unsafe {
        (
            libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC,
            libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK,
        )
    }
}

/// What a forked child does at its first entry, and then some work.
fn start_afresh(engine: Engine, fd: i32, generation: u32) -> (Engine, ResultPipe) {
    assert_eq!(ResultPipe::generation(), generation);
    assert!(!readable(fd), "the parent's results are not the child's");
    assert_eq!(flags(fd), (libc::FD_CLOEXEC, libc::O_NONBLOCK));
    let limits = engine.abandon();
    let pipe = ResultPipe::install().unwrap();
    assert_eq!(pipe.fd(), fd);
    let engine = Engine::new(pipe, limits);
    assert_eq!(
        (engine.nready(), engine.npending(), engine.nthreads()),
        (0, 0, 0)
    );
    for key in 0..20 {
        engine.submit(nop(key, 0));
    }
    for _ in 0..20 {
        watch(&engine, pipe);
    }
    assert!(!readable(fd));
    (engine, pipe)
}

#[test]
fn a_child_starts_clean_and_its_parent_loses_nothing() {
    let _alone = alone();
    let pipe = ResultPipe::install().unwrap();
    let generation = ResultPipe::generation();
    let engine = Engine::new(pipe, limits(2));
    let gate = Gate::new();
    // Two execute, two are ready, two are pending, of which one has been moved over.
    for key in 0..4 {
        engine.submit(gate.job(key, 0));
    }
    until("two execute", || engine.nready() == 2);
    for key in 10..13 {
        engine.complete(nop(key, 1));
    }
    assert_eq!(engine.take().unwrap().key, 10);
    let engine = {
        // The child takes the engine; the parent keeps it.
        let mut engine = Some(engine);
        let child = in_child(|| {
            let (engine, pipe) = start_afresh(engine.take().unwrap(), pipe.fd(), generation + 1);
            // A child of the child.
            engine.complete(nop(7, 0));
            let mut engine = Some(engine);
            assert_well(in_child(|| {
                start_afresh(engine.take().unwrap(), pipe.fd(), generation + 2);
            }));
            let engine = engine.unwrap();
            assert!(readable(pipe.fd()));
            assert_eq!(engine.take().unwrap().key, 7);
            engine.shutdown();
        });
        assert_well(child);
        engine.unwrap()
    };
    assert_eq!(ResultPipe::generation(), generation);
    assert!(
        readable(pipe.fd()),
        "the child did not eat the parent's event"
    );
    assert_eq!((engine.nready(), engine.npending()), (2, 2));
    gate.open(4);
    let mut keys: Vec<_> = (0..6).map(|_| watch(&engine, pipe).key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2, 3, 11, 12]);
    assert!(!readable(pipe.fd()));
}

/// Workers execute, finish and hold locks at the moment of each fork.
#[test]
fn forks_amid_traffic() {
    let _alone = alone();
    let pipe = ResultPipe::install().unwrap();
    let generation = ResultPipe::generation();
    let mut engine = Some(Engine::new(pipe, limits(4)));
    let (mut submitted, mut taken) = (0u32, 0u32);
    for _ in 0..40 {
        let parents = engine.as_ref().unwrap();
        for _ in 0..50 {
            parents.submit(nop(submitted % 1000, 0));
            submitted += 1;
        }
        let child = in_child(|| {
            start_afresh(engine.take().unwrap(), pipe.fd(), generation + 1);
        });
        let parents = engine.as_ref().unwrap();
        for _ in 0..30 {
            next(parents, pipe);
            taken += 1;
        }
        assert_well(child);
    }
    let engine = engine.unwrap();
    while taken < submitted {
        next(&engine, pipe);
        taken += 1;
    }
    assert!(!readable(pipe.fd()) && engine.take().is_none());
}

#[test]
fn a_full_descriptor_table_still_gives_the_child_its_own() {
    let _alone = alone();
    let pipe = ResultPipe::install().unwrap();
    let generation = ResultPipe::generation();
    let engine = Engine::new(pipe, limits(1));
    engine.complete(nop(1, 0));
    let mut engine = Some(engine);
    // In a child of its own, whose table can be filled without harm to other tests.
    let child = in_child(|| {
        let outer = engine.take().unwrap();
        let (engine, pipe) = start_afresh(outer, pipe.fd(), generation + 1);
        let limit = libc::rlimit {
            rlim_cur: 64,
            rlim_max: 64,
        };
        // SAFETY: plain calls with valid arguments.
        unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
            while libc::dup(2) >= 0 {}
        }
        engine.complete(nop(2, 0));
        let mut engine = Some(engine);
        assert_well(in_child(|| {
            start_afresh(engine.take().unwrap(), pipe.fd(), generation + 2);
        }));
        assert!(readable(pipe.fd()));
        assert_eq!(engine.unwrap().take().unwrap().key, 2);
    });
    assert_well(child);
    assert_eq!(engine.unwrap().take().unwrap().key, 1);
}

#[test]
fn the_standard_streams_numbers_are_left_alone() {
    let _alone = alone();
    assert_well(in_child(|| {
        // SAFETY: the child needs none of them.
        unsafe {
            libc::close(0);
            libc::close(1);
        }
        let pipe = ResultPipe::open().unwrap();
        assert!(pipe.fd() > 2);
        let engine = Engine::new(pipe, limits(1));
        engine.submit(nop(1, 0));
        assert_eq!(watch(&engine, pipe).key, 1);
    }));
}

/// Where no thread can be had, requests are executed by the owner, and a program that only
/// watches the descriptor still learns of them.
#[test]
fn without_threads_requests_are_executed_all_the_same() {
    let _alone = alone();
    assert_well(in_child(|| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: plain calls with valid arguments. The limit does not bind the superuser.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NPROC, &mut limit), 0);
            let none = libc::rlimit {
                rlim_cur: 0,
                ..limit
            };
            if libc::getuid() == 0 {
                assert_eq!(libc::setuid(65534), 0);
            }
            assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &none), 0);
        }
        let pipe = ResultPipe::open().unwrap();
        let engine = Engine::new(pipe, limits(0));
        let trail = Trail::new();
        // What waited for a limit is done by the next look,
        engine.submit(trail.job(1, 0));
        assert!(!engine.rescue(), "not with a limit of 0");
        engine.set_min_parallel(2);
        assert_eq!(engine.linger(), Wait::Over);
        assert_eq!(engine.take().unwrap().key, 1);
        assert!(!readable(pipe.fd()));
        // what is submitted then, at once,
        for key in 2..5 {
            engine.submit(trail.job(key, 0));
            assert_eq!(engine.nthreads(), 0);
            assert!(readable(pipe.fd()));
            assert_eq!(engine.take().unwrap().key, u32::from(key));
        }
        assert_eq!(trail.so_far(), [1, 2, 3, 4]);
        // and once threads can be had again, they are used.
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as above.
        unsafe { assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &limit), 0) };
        engine.submit(trail.job(5, 0));
        assert_eq!(engine.nthreads(), 1);
        assert_eq!(watch(&engine, pipe).key, 5);
    }));
}
