//! Queue, wake and operations by themselves, without Perl.
//!
//! `cargo bench -p aio-engine [NAME]`

use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use aio_engine::ops::{self, dir};
use aio_engine::slab::Slab;
use aio_engine::{Ctx, Engine, Job, Lanes, Limits, Op, Path, Priority, ResultPipe, Target, Wait};
use divan::{black_box, counter::ItemsCount, Bencher};

fn main() {
    divan::main();
}

// ---- queues ----------------------------------------------------------------

/// Through lanes of all priorities in turn.
#[divan::bench(args = [1, 64, 10_000])]
fn lanes(bencher: Bencher, depth: usize) {
    let mut lanes = Lanes::new();
    bencher.counter(ItemsCount::new(depth)).bench_local(|| {
        for n in 0..depth {
            lanes.put(Priority::clamped(n as i64 % 9 - 4), black_box(n));
        }
        while let Some(n) = lanes.take() {
            black_box(n);
        }
    });
}

/// A value made and dropped by one thread: what the slab costs where malloc is at its best.
#[divan::bench]
fn slab_put_and_drop(bencher: Bencher) {
    let mut slab = Slab::new();
    bencher.bench_local(|| slab.put(black_box([0u8; 144])));
}

// ---- waking ----------------------------------------------------------------

struct Loop {
    pipe: ResultPipe,
    engine: Engine,
}

impl Loop {
    fn new() -> Loop {
        let pipe = ResultPipe::install().expect("a descriptor");
        Loop {
            pipe,
            engine: Engine::new(pipe, Limits::default()),
        }
    }

    fn submit(&self, key: usize, op: Op) {
        let job = Job::new(key as u32, Priority::default(), op);
        self.engine.submit(Box::new(job));
    }

    fn block(&self, time: Option<Duration>) {
        let ms = time.map_or(-1, |time| time.as_millis().max(1) as i32);
        let mut poll = libc::pollfd {
            fd: self.pipe.fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, alive for the call.
        unsafe { libc::poll(&mut poll, 1, ms) };
    }

    /// Takes `n` results, waiting as the poll functions do.
    fn take(&self, mut n: usize) {
        while n > 0 {
            match self.engine.linger() {
                Wait::Over => {}
                Wait::Block => self.block(None),
                Wait::BlockFor(time) => self.block(Some(time)),
            }
            while let Some(job) = self.engine.take() {
                assert_eq!(job.done.errno, 0);
                n -= 1;
            }
        }
    }
}

/// So many jobs that do nothing are submitted, then taken.
#[divan::bench(args = [1, 8, 64, 10_000])]
fn round_trip(bencher: Bencher, in_flight: usize) {
    let it = Loop::new();
    bencher.counter(ItemsCount::new(in_flight)).bench_local(|| {
        for key in 0..in_flight {
            it.submit(key, Op::Nop);
        }
        it.take(in_flight);
    });
}

/// The same with an owner that looks at nothing but the descriptor.
#[divan::bench]
fn round_trip_by_descriptor(bencher: Bencher) {
    let it = Loop::new();
    bencher.bench_local(|| {
        it.submit(0, Op::Nop);
        let mut taken = false;
        while !taken {
            it.block(None);
            while let Some(job) = it.engine.take() {
                black_box(job);
                taken = true;
            }
        }
    });
}

// ---- operations ------------------------------------------------------------

static CALM: AtomicU8 = AtomicU8::new(0);

fn path(text: &std::path::Path) -> Path {
    Path::new(None, text.as_os_str().as_encoded_bytes())
}

#[divan::bench]
fn op_stat(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut op = Op::Stat {
        target: Target::Path(path(dir.path())),
    };
    bencher.bench_local(|| ops::run(&mut op, &Ctx::new(&CALM)));
}

#[divan::bench(args = [4096, 1 << 20])]
fn op_read(bencher: Bencher, len: usize) {
    let file = tempfile::tempfile().expect("a file");
    file.set_len(len as u64).expect("a length");
    let mut octets = vec![0u8; len];
    // SAFETY: the vector stays as it is until the last run is over.
    let buf = unsafe { aio_engine::Buffer::new(octets.as_mut_ptr(), len) };
    let mut op = Op::Read {
        fd: file.as_raw_fd(),
        offset: Some(0),
        buf,
    };
    bencher
        .counter(divan::counter::BytesCount::new(len))
        .bench_local(|| ops::run(&mut op, &Ctx::new(&CALM)));
}

#[divan::bench(args = [10, 1000])]
fn op_readdir(bencher: Bencher, entries: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    for n in 0..entries {
        std::fs::write(dir.path().join(format!("entry-{n:05}")), "").expect("a file");
    }
    let mut op = Op::Readdir {
        path: path(dir.path()),
        flags: 0,
    };
    bencher
        .counter(ItemsCount::new(entries))
        .bench_local(|| ops::run(&mut op, &Ctx::new(&CALM)));
}

/// The reader of directory records, on a buffer as the kernel fills it.
#[divan::bench]
fn dirents(bencher: Bencher) {
    let mut records = Vec::new();
    for n in 0..1000u64 {
        let name = format!("entry-{n:05}\0");
        let len = (19 + name.len()).next_multiple_of(8);
        records.extend(n.to_ne_bytes());
        records.extend(0i64.to_ne_bytes());
        records.extend((len as u16).to_ne_bytes());
        records.push(libc::DT_REG);
        records.extend(name.bytes());
        records.resize(records.len().next_multiple_of(8), 0);
    }
    bencher.counter(ItemsCount::new(1000usize)).bench_local(|| {
        let mut rest = black_box(&records[..]);
        while let Ok(Some((entry, more))) = dir::next_dirent(rest) {
            black_box(entry);
            rest = more;
        }
    });
}
