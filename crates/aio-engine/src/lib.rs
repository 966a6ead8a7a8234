//! The worker engine of IO::AIO.
//!
//! An [`Engine`] owns jobs: an operation with its inputs and outputs, plain data that may cross
//! threads. It queues them by priority, runs them on worker threads started on demand, and hands
//! the results back to the one thread that owns the engine. It knows nothing of Perl.
//!
//! The README beside this file names the states, the locks and who wakes whom.

// `--cfg loom` is set by hand, for tests/loom.rs.
#![allow(unexpected_cfgs)]

pub mod engine;
pub mod job;
pub mod lanes;
pub mod linger;
pub mod marks;
pub mod ops;
pub mod path;
pub mod pipe;
pub mod pool;
#[cfg(helgrind)]
pub mod pthread;
pub mod results;
pub mod room;
pub mod slab;
pub mod slot;
pub mod sync;
pub mod sys;
pub mod worker;

pub use engine::{Counts, Engine, Limits, Wait};
pub use job::{Arg, Buffer, Ctx, Done, Heap, Job, Key, Output, Priority, Times};
pub use lanes::Lanes;
pub use ops::Op;
pub use path::{Path, Target, Wd};
pub use pipe::ResultPipe;
