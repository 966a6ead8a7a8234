//! A tree removed by several workers: the one whose job it is, and idle ones that it calls.
//!
//! ```text
//!   leader                                helper
//!   ──────                                ──────
//!   takes a directory off its stack
//!   removes the files in it
//!   puts the directories onto its stack
//!   has more than it is about to use?
//!     nobody hungry: calls ─────────────► comes, is hungry
//!     somebody is: gives the oldest ────► goes on as the leader does
//!   stack empty: hungry
//!   all done, nobody else here: returns   jobs wait, or hungry for a while: leaves
//! ```
//!
//! C1  A directory goes when the last one below it has had its turn, by whoever sees to that one.
//! C2  Each member goes down before it goes on, so few directories are open at a time. What it
//!     gives away is the oldest it has: the nearest to the top, with the most below it.
//! C3  The leader returns when it alone is left. So a helper may use what belongs to the leader's
//!     job, its cancel mark first of all.
//! C4  What a member does not get done is left for the others, unless the request is cancelled.
//!
//! Not here: how a directory is emptied and a deep tree walked with few descriptors (`tree.rs`),
//! how an idle worker is found (`pool.rs`).

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{select, unbounded, Receiver, Sender};

use super::{tree, Op};
use crate::job::Ctx;
use crate::linger::processors;
use crate::sys::{self, Res};

/// A directory with nothing in it but others.
#[derive(Debug)]
struct Dir {
    fd: OwnedFd,
    /// Those below that have not had their turn.
    below: AtomicUsize,
    /// The top's is not known here.
    place: Option<Place>,
    depth: usize,
}

/// Where a directory is: in another, by this name.
#[derive(Debug)]
struct Place {
    parent: Arc<Dir>,
    name: CString,
}

type Stack = VecDeque<Place>;

/// What the members share.
#[derive(Debug)]
pub struct Crew {
    /// Directories for whoever is hungry. `None`: all is done.
    give: Sender<Option<Place>>,
    take: Receiver<Option<Place>>,
    /// For the leader: a helper has left, or the last directory has had its turn.
    tell: Sender<()>,
    news: Receiver<()>,
    /// Members that wait for a directory.
    hungry: AtomicUsize,
    /// Helpers at work, or `CLOSED`: nobody may join any more.
    helpers: AtomicUsize,
    /// One has been called that has not come yet.
    called: AtomicBool,
    /// A directory was left alone because there were no descriptors left.
    skipped: AtomicBool,
    /// So many helpers at most.
    most: usize,
}

const CLOSED: usize = usize::MAX;

/// How many helpers are worth calling. As many as there are processors, because members often wait
/// for the file system; beyond a few they wait for each other there.
pub fn helpers() -> usize {
    processors().min(4)
}

/// Directories further down are left to one member alone, which then needs no open one for each
/// level.
const DEEPEST: usize = 24;

/// For so long a helper waits for more. To be called again takes some microseconds.
const PATIENCE: Duration = Duration::from_millis(1);

/// Empties `top` with the help of idle workers.
pub(super) fn clear(top: OwnedFd, ctx: &Ctx) -> Res<()> {
    let (give, take) = unbounded();
    let (tell, news) = unbounded();
    let crew = Arc::new(Crew {
        give,
        take,
        tell,
        news,
        hungry: AtomicUsize::new(0),
        helpers: AtomicUsize::new(0),
        called: AtomicBool::new(false),
        skipped: AtomicBool::new(false),
        most: helpers(),
    });
    let leader = Leader(&crew);
    let mut stack = Stack::new();
    let top = enter(top, None, &mut stack, ctx)?;
    loop {
        crew.work(&mut stack, ctx)?;
        if top.below.load(Ordering::Acquire) == 0 || crew.is_left() {
            break;
        }
        stack.extend(crew.wait());
    }
    drop(leader);
    if ctx.cancelled() {
        return Err(libc::ECANCELED);
    }
    if crew.skipped.load(Ordering::Relaxed) || top.below.load(Ordering::Acquire) > 0 {
        // Nobody holds any other open now, and one alone needs few.
        if let Ok(dir) = Arc::try_unwrap(top) {
            return tree::clear(dir.fd, ctx);
        }
    }
    Ok(())
}

/// A helper's part.
pub(super) fn help(crew: &Arc<Crew>, ctx: &Ctx) -> Res<()> {
    crew.called.store(false, Ordering::Relaxed);
    let Some(_helper) = Helper::join(crew) else {
        return Ok(());
    };
    let mut stack = Stack::new();
    while !ctx.wanted() {
        match crew.wait_a_while() {
            Some(place) => stack.push_back(place),
            None => break,
        }
        crew.work(&mut stack, ctx)?;
    }
    for place in stack {
        let _ = crew.give.send(Some(place));
    }
    Ok(())
}

/// The leader is the last to leave (C3), for whatever reason it leaves.
struct Leader<'a>(&'a Crew);

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        while let Err(n) =
            self.0
                .helpers
                .compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire)
        {
            for _ in 0..n {
                let _ = self.0.give.send(None);
            }
            let _ = self.0.news.recv();
        }
        // A helper that was called and never came may hold the crew for long: no directory is to
        // stay open with it.
        while self.0.take.try_recv().is_ok() {}
    }
}

struct Helper<'a>(&'a Crew);

impl<'a> Helper<'a> {
    /// `None`: it came too late.
    fn join(crew: &'a Crew) -> Option<Helper<'a>> {
        let one_more = |n| (n != CLOSED).then(|| n + 1);
        crew.helpers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()
            .map(|_| Helper(crew))
    }
}

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.0.helpers.fetch_sub(1, Ordering::AcqRel);
        let _ = self.0.tell.send(());
    }
}

impl Crew {
    /// Empties the stack, unless the member is a helper and wanted elsewhere.
    fn work(self: &Arc<Crew>, stack: &mut Stack, ctx: &Ctx) -> Res<()> {
        while let Some(place) = stack.pop_back() {
            self.share(stack, ctx);
            self.remove(place, stack, ctx)?;
            if ctx.wanted() {
                break;
            }
        }
        Ok(())
    }

    /// Gives a directory to a member that waits for one, or has an idle worker called.
    fn share(self: &Arc<Crew>, stack: &mut Stack, ctx: &Ctx) {
        if stack.is_empty() {
            return;
        }
        if self.hungry.load(Ordering::Relaxed) > self.take.len() {
            let _ = self.give.send(stack.pop_front());
        } else if self.helpers.load(Ordering::Relaxed) < self.most
            && !self.called.swap(true, Ordering::Relaxed)
            && !ctx.call(|| Op::Help { crew: self.clone() })
        {
            self.called.store(false, Ordering::Relaxed);
        }
    }

    /// Is the leader alone, with nothing left that somebody handed back? Then a helper took what is
    /// missing with it: the request was cancelled, or the helper failed.
    fn is_left(&self) -> bool {
        // In this order: a helper hands back what it has before it leaves.
        self.helpers.load(Ordering::Acquire) == 0 && self.take.is_empty()
    }

    /// The next directory for the leader. `None`: it is to look whether it was the last.
    fn wait(&self) -> Option<Place> {
        self.hungry.fetch_add(1, Ordering::Relaxed);
        let place = select! {
            recv(self.take) -> place => place.ok().flatten(),
            recv(self.news) -> _ => None,
        };
        self.hungry.fetch_sub(1, Ordering::Relaxed);
        place
    }

    /// The next directory for a helper. `None`: there is none, and it may leave.
    fn wait_a_while(&self) -> Option<Place> {
        self.hungry.fetch_add(1, Ordering::Relaxed);
        let place = self.take.recv_timeout(PATIENCE);
        self.hungry.fetch_sub(1, Ordering::Relaxed);
        place.ok().flatten()
    }

    /// Gives a directory its turn: what is in it goes, directories onto the stack.
    fn remove(&self, place: Place, stack: &mut Stack, ctx: &Ctx) -> Res<()> {
        if ctx.cancelled() {
            return Err(libc::ECANCELED);
        }
        match tree::open_below((place.parent.fd.as_raw_fd(), &place.name)) {
            Ok(fd) if place.parent.depth < DEEPEST => {
                let dir = enter(fd, Some(place), stack, ctx)?;
                if let (0, Some(place)) = (dir.below.load(Ordering::Acquire), &dir.place) {
                    self.had_its_turn(place);
                }
                return Ok(());
            }
            Ok(fd) => tree::clear(fd, ctx)?,
            Err(libc::EMFILE | libc::ENFILE) => self.skipped.store(true, Ordering::Relaxed),
            // Empty, perhaps.
            Err(_) => {}
        }
        self.had_its_turn(&place);
        Ok(())
    }

    /// Removes a directory that is as empty as it gets, and those above that waited for this one
    /// alone (C1).
    fn had_its_turn(&self, mut place: &Place) {
        loop {
            let parent = &place.parent;
            let at = (parent.fd.as_raw_fd(), &*place.name);
            let _ = sys::unlinkat(at, libc::AT_REMOVEDIR);
            if parent.below.fetch_sub(1, Ordering::AcqRel) > 1 {
                return;
            }
            match &parent.place {
                Some(above) => place = above,
                None => {
                    let _ = self.tell.send(());
                    return;
                }
            }
        }
    }
}

/// Removes all but directories from an open one, and puts these onto the stack.
fn enter(fd: OwnedFd, place: Option<Place>, stack: &mut Stack, ctx: &Ctx) -> Res<Arc<Dir>> {
    let list = tree::remove_files(&fd, ctx)?;
    let names = || (0..list.len()).filter_map(|n| list.name(n));
    let dir = Arc::new(Dir {
        fd,
        below: AtomicUsize::new(names().count()),
        depth: place.as_ref().map_or(0, |place| place.parent.depth + 1),
        place,
    });
    stack.extend(names().map(|name| Place {
        parent: dir.clone(),
        name: name.to_owned(),
    }));
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path as StdPath;
    use std::sync::atomic::AtomicU8;
    use std::thread::{self, Scope};

    use super::super::testing::{at, scratch};
    use super::*;
    use crate::job::Workers;

    /// A worker for each call.
    struct Called<'scope, 'env> {
        scope: &'scope Scope<'scope, 'env>,
        mark: &'scope AtomicU8,
        calls: &'scope AtomicUsize,
        /// Helpers are told that jobs wait.
        wanted: bool,
    }

    /// A helper.
    struct Wanted(bool);

    impl Workers for Wanted {
        fn call(&self, _: &mut dyn FnMut() -> Op) -> bool {
            false
        }

        fn wanted(&self) -> bool {
            self.0
        }
    }

    impl Workers for Called<'_, '_> {
        fn call(&self, op: &mut dyn FnMut() -> Op) -> bool {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let Op::Help { crew } = op() else {
                panic!("an operation of another kind");
            };
            let (mark, wanted) = (self.mark, self.wanted);
            self.scope.spawn(move || {
                let workers = Wanted(wanted);
                let _ = help(&crew, &Ctx::with_workers(mark, &workers));
            });
            true
        }

        fn wanted(&self) -> bool {
            false
        }
    }

    /// Clears the tree at `top` with three helpers. Also tells how many were called.
    fn run(
        top: &StdPath,
        wanted: bool,
        mark: &AtomicU8,
        meanwhile: impl FnOnce(),
    ) -> (Res<()>, usize) {
        let calls = AtomicUsize::new(0);
        let result = thread::scope(|scope| {
            let calls = &calls;
            let leader = scope.spawn(move || {
                let workers = Called {
                    scope,
                    mark,
                    calls,
                    wanted,
                };
                let fd = fs::File::open(top).unwrap().into();
                clear(fd, &Ctx::with_workers(mark, &workers))
            });
            meanwhile();
            leader.join().unwrap()
        });
        (result, calls.into_inner())
    }

    fn make_tree(top: &StdPath, wide: usize, deep: usize) {
        for n in 0..wide {
            let dir = top.join(format!("d{n}"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("f"), "x").unwrap();
            if deep > 0 {
                make_tree(&dir, wide, deep - 1);
            }
        }
    }

    fn is_empty(top: &StdPath) -> bool {
        fs::read_dir(top).unwrap().next().is_none()
    }

    #[test]
    fn helpers_take_part_and_nothing_is_left() {
        let dir = scratch();
        let mark = AtomicU8::new(0);
        for (wide, deep) in [(0, 0), (1, 0), (300, 0), (1, DEEPEST + 5), (6, 3)] {
            make_tree(dir.path(), wide, deep);
            let (result, calls) = run(dir.path(), false, &mark, || {});
            assert_eq!(result, Ok(()));
            assert!(is_empty(dir.path()), "{wide} wide, {deep} deep");
            assert_eq!(calls > 0, wide > 1, "{wide} wide, {deep} deep");
        }
    }

    #[test]
    fn helpers_wanted_elsewhere_lose_nothing() {
        let dir = scratch();
        make_tree(dir.path(), 6, 3);
        let (result, calls) = run(dir.path(), true, &AtomicU8::new(0), || {});
        assert_eq!(result, Ok(()));
        assert!(is_empty(dir.path()));
        assert!(calls > 0);
    }

    #[test]
    fn a_cancelled_removal_stops_everybody() {
        let dir = scratch();
        for _ in 0..20 {
            make_tree(dir.path(), 5, 3);
            let mark = AtomicU8::new(0);
            // It returns only when all helpers are gone: else the scope would not end.
            let (result, _) = run(dir.path(), false, &mark, || {
                thread::sleep(Duration::from_millis(2));
                mark.store(1, Ordering::Relaxed);
            });
            assert!(matches!(result, Err(libc::ECANCELED) | Ok(())));
        }
        let (result, _) = run(dir.path(), false, &AtomicU8::new(1), || {});
        assert_eq!(result, Err(libc::ECANCELED));
        assert!(!is_empty(dir.path()), "the mark was looked at in time");
    }

    /// The request is cancelled while the leader has nothing left to do but wait.
    #[test]
    fn a_leader_that_waits_hears_of_the_end() {
        struct Slow<'a> {
            mark: &'a AtomicU8,
            asked: AtomicUsize,
        }
        impl Workers for Slow<'_> {
            fn call(&self, _: &mut dyn FnMut() -> Op) -> bool {
                false
            }

            fn wanted(&self) -> bool {
                // Asked first when it comes, then after its first directory.
                if self.asked.fetch_add(1, Ordering::Relaxed) == 1 {
                    thread::sleep(Duration::from_millis(30));
                    self.mark.store(1, Ordering::Relaxed);
                }
                false
            }
        }
        struct Once<'scope, 'env> {
            scope: &'scope Scope<'scope, 'env>,
            mark: &'scope AtomicU8,
        }
        impl Workers for Once<'_, '_> {
            fn call(&self, op: &mut dyn FnMut() -> Op) -> bool {
                if let Op::Help { crew } = op() {
                    let mark = self.mark;
                    let helper = self.scope.spawn({
                        let crew = crew.clone();
                        move || {
                            let workers = Slow {
                                mark,
                                asked: AtomicUsize::new(0),
                            };
                            help(&crew, &Ctx::with_workers(mark, &workers))
                        }
                    });
                    while crew.hungry.load(Ordering::Relaxed) == 0 && !helper.is_finished() {
                        thread::yield_now();
                    }
                }
                true
            }

            fn wanted(&self) -> bool {
                false
            }
        }
        // On a busy machine a helper may lose patience before it is given anything.
        for _ in 0..1000 {
            let dir = scratch();
            // One in each: a helper with more would give some back to the leader.
            for n in 0..4 {
                fs::create_dir_all(dir.path().join(format!("d{n}/s"))).unwrap();
            }
            let mark = AtomicU8::new(0);
            let result = thread::scope(|scope| {
                let workers = Once { scope, mark: &mark };
                let fd = fs::File::open(dir.path()).unwrap().into();
                clear(fd, &Ctx::with_workers(&mark, &workers))
            });
            if mark.into_inner() != 0 {
                assert_eq!(result, Err(libc::ECANCELED));
                assert!(!is_empty(dir.path()), "the helper had some left");
                return;
            }
            assert_eq!(result, Ok(()));
        }
        panic!("no helper was ever given anything");
    }

    /// Somebody who was called and never comes holds the crew, but no directory.
    #[test]
    fn a_cancelled_removal_leaves_nothing_open() {
        struct Nobody<'a> {
            mark: &'a AtomicU8,
            asked: AtomicUsize,
            crew: std::sync::Mutex<Option<Arc<Crew>>>,
        }
        impl Workers for Nobody<'_> {
            fn call(&self, op: &mut dyn FnMut() -> Op) -> bool {
                if let Op::Help { crew } = op() {
                    // As if a helper had waited, and lost patience now.
                    crew.hungry.store(1, Ordering::Relaxed);
                    *self.crew.lock().unwrap() = Some(crew);
                }
                true
            }

            fn wanted(&self) -> bool {
                // After the second directory of four; another was given away.
                let second = self.asked.fetch_add(1, Ordering::Relaxed) == 1;
                self.mark.fetch_or(second.into(), Ordering::Relaxed);
                false
            }
        }
        let dir = scratch();
        make_tree(dir.path(), 4, 0);
        let mark = AtomicU8::new(0);
        let workers = Nobody {
            mark: &mark,
            asked: AtomicUsize::new(0),
            crew: std::sync::Mutex::new(None),
        };
        let top = tree::open_below(at(&dir, "").at().unwrap()).unwrap();
        let result = clear(top, &Ctx::with_workers(&mark, &workers));
        assert_eq!(result, Err(libc::ECANCELED));
        let crew = workers.crew.into_inner().unwrap().unwrap();
        assert!(crew.take.is_empty());
    }

    #[test]
    fn a_helper_that_comes_late_does_nothing() {
        let dir = scratch();
        make_tree(dir.path(), 2, 0);
        let late = std::sync::Mutex::new(None);
        struct Late<'a>(&'a std::sync::Mutex<Option<Arc<Crew>>>);
        impl Workers for Late<'_> {
            fn call(&self, op: &mut dyn FnMut() -> Op) -> bool {
                if let Op::Help { crew } = op() {
                    *self.0.lock().unwrap() = Some(crew);
                }
                true
            }

            fn wanted(&self) -> bool {
                false
            }
        }
        let mark = AtomicU8::new(0);
        let workers = Late(&late);
        let ctx = Ctx::with_workers(&mark, &workers);
        let top = tree::open_below(at(&dir, "").at().unwrap()).unwrap();
        assert_eq!(clear(top, &ctx), Ok(()));
        assert!(is_empty(dir.path()));
        let crew = late.lock().unwrap().take().unwrap();
        assert!(Helper::join(&crew).is_none());
        assert_eq!(help(&crew, &ctx), Ok(()));
    }
}
