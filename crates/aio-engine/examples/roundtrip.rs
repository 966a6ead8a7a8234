//! What a request costs when it does nothing: round trips a second and processor time for each,
//! for lone requests and for streams, with an owner that polls and with one that waits for the
//! descriptor as an event loop does.
//!
//! `cargo run --release --example roundtrip [SECONDS [polls|watches [IN_FLIGHT]]]`

use std::time::{Duration, Instant};

use aio_engine::{Engine, Job, Limits, Op, Priority, ResultPipe, Wait};

fn cpu() -> Duration {
    // SAFETY: a rusage is plain data, and filled in by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn block(pipe: ResultPipe, ms: i32) {
    let mut poll = libc::pollfd {
        fd: pipe.fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, alive for the call.
    unsafe { libc::poll(&mut poll, 1, ms) };
}

#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Polls,
    Watches,
}

fn run(owner: Owner, in_flight: usize, time: Duration) {
    let pipe = ResultPipe::install().expect("a descriptor");
    let engine = Engine::new(pipe, Limits::default());
    let (mut submitted, mut taken) = (0u32, 0u32);
    let (start, cpu_before) = (Instant::now(), cpu());
    let mut running = true;
    while running || taken < submitted {
        running = running && start.elapsed() < time;
        while running && submitted.wrapping_sub(taken) < in_flight as u32 {
            let key = submitted % 65536;
            engine.submit(Box::new(Job::new(key, Priority::default(), Op::Nop)));
            submitted += 1;
        }
        if submitted == taken {
            break;
        }
        match owner {
            Owner::Polls => match engine.linger() {
                Wait::Over => {}
                Wait::Block => block(pipe, -1),
                Wait::BlockFor(_) => block(pipe, 1),
            },
            Owner::Watches => block(pipe, -1),
        }
        // Each result makes room for another request, as callbacks do that submit.
        while engine.take().is_some() {
            taken += 1;
            if running && in_flight > 1 {
                let key = submitted % 65536;
                engine.submit(Box::new(Job::new(key, Priority::default(), Op::Nop)));
                submitted += 1;
            }
        }
    }
    let wall = start.elapsed();
    let cpu = cpu() - cpu_before;
    println!(
        "{:8} {in_flight:6} in flight {:10.0} /s {:8.2} us cpu each, {} threads",
        if owner == Owner::Polls {
            "polls"
        } else {
            "watches"
        },
        f64::from(taken) / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / f64::from(taken),
        engine.nthreads()
    );
}

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let seconds = args.first().map_or(1.0, |s| s.parse().expect("seconds"));
    let time = Duration::from_secs_f64(seconds);
    for (name, owner) in [("polls", Owner::Polls), ("watches", Owner::Watches)] {
        if args.get(1).is_some_and(|only| only != name) {
            continue;
        }
        match args.get(2) {
            Some(n) => run(owner, n.parse().expect("a number in flight"), time),
            None => {
                for in_flight in [1, 8, 64, 10_000] {
                    run(owner, in_flight, time);
                }
            }
        }
    }
}
