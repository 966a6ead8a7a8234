//! A process that sits idle uses no processor time. In a file of its own, because it measures
//! the whole process.

mod common;

use std::time::{Duration, Instant};

use aio_engine::{Engine, ResultPipe};
use common::*;

fn processor_time() -> Duration {
    // SAFETY: a timespec is plain data, filled in by the call.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn an_idle_process_uses_no_processor_time() {
    let pipe = ResultPipe::open().unwrap();
    let engine = Engine::new(pipe, limits(4));
    for round in 0..2000 {
        engine.submit(nop(round, 0));
        engine.submit(nop(round + 2000, 0));
        next(&engine, pipe);
        next(&engine, pipe);
    }
    // The last looks end by themselves. From then on nobody has a reason to run.
    let mut used = Duration::MAX;
    let start = Instant::now();
    while used > Duration::from_millis(1) {
        assert!(start.elapsed() < DEADLINE, "never idle: {used:?} a second");
        let before = processor_time();
        assert!(!readable_within(pipe.fd(), Duration::from_secs(1)));
        used = processor_time() - before;
    }
}
