//! The threads of the kernels: a few helpers that spin briefly between calls, then sleep.
//!
//! A call splits its *outputs* in parts. Part t is meant for thread t, so that the weights it owns stay in that core's
//! cache; whoever is free takes what nobody has begun. A helper that sleeps, or a core that somebody else uses, costs
//! nothing but its own share: the caller then does all parts itself, and where helpers keep losing their cores in the
//! middle of a part, for a while. Which thread computed a part never shows in the bits.
//!
//! ```text
//! caller:  call += 1 -- claim part 0, compute -- wait a little, claim what is left -- wait until all are finished
//! helper:  spin on call -- claim part t, compute, finished -- spin … sleep
//! ```
//!
//! What the caller writes and what each helper writes lie in cache lines of their own: a call costs two transfers between
//! cores, the call's number there and the word that a part is finished back.

use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The most parts that a call is split in.
pub const MAX_PARTS: usize = 64;

/// How often a helper looks for work before it sleeps: some 200 microseconds, longer than the gaps within a step.
const SPINS: u32 = 1 << 13;

/// How often the caller looks whether the others are done before it claims their parts, which takes a line from them: a
/// microsecond or two.
const PATIENCE: u32 = 1 << 6;

/// Short calls less than this apart are a stream.
const STREAM: Duration = Duration::from_micros(50);

/// A wait that is longer than the caller's own part by this much means that somebody else uses a helper's core.
const PREEMPTED: Duration = Duration::from_micros(200);

/// Such waits may cost a twentieth of the time, shared by the helpers: each is paid for by so many times as much time without, which
/// may lie before it, or else the caller works alone for as long.
const REST: u32 = 20;

/// No more than this is paid beforehand or owed: a scheduler gives the core to another for milliseconds.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// What a call's number is multiplied by, to leave room for its number of parts.
const CALL: u64 = 256;

/// A call's work on one part. The lifetime is erased: see the argument in [`call`].
type Work = *const (dyn Fn(usize) + Sync);

struct Pool {
    order: Order,
    parts: [Part; MAX_PARTS],
    panicked: AtomicBool,
    /// One caller at a time; another computes its parts alone.
    busy: Mutex<Caller>,
    /// Helpers that sleep, and what wakes them.
    sleeping: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    helpers: AtomicUsize,
}

/// What a call leaves to the next.
#[derive(Default)]
struct Caller {
    /// Until then the caller works alone; in the past, since then time without waits has added up.
    alone_until: Option<Instant>,
    /// When a short call found the helpers asleep.
    found_asleep: Option<Instant>,
}

/// What the caller writes.
#[repr(align(128))] // two lines: processors fetch them in pairs
struct Order {
    /// The current call: its number times 256, plus its number of parts. Helpers wait for it to grow.
    call: AtomicU64,
    /// The current call's work; written before `call` grows.
    work: UnsafeCell<Option<Work>>,
}

/// The last call for which a part was claimed, and finished.
#[repr(align(128))]
struct Part {
    claimed: AtomicU64,
    finished: AtomicU64,
}

// SAFETY: `work` is the only field that is not Sync. It is written by the holder of `busy`, before `call` grows with
// Release, and read by helpers that have claimed a part of that call after an Acquire load of it; the caller does not
// return, nor write it again, before every claimed part is finished.
unsafe impl Sync for Pool {}

static POOL: OnceLock<&'static Pool> = OnceLock::new();

thread_local! {
    static IN_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Threads that this machine offers.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_PARTS)
}

fn pool() -> &'static Pool {
    POOL.get_or_init(|| {
        let pool: &'static Pool = Box::leak(Box::new(Pool {
            order: Order { call: AtomicU64::new(0), work: UnsafeCell::new(None) },
            parts: [const { Part { claimed: AtomicU64::new(0), finished: AtomicU64::new(0) } }; MAX_PARTS],
            panicked: AtomicBool::new(false),
            busy: Mutex::default(),
            sleeping: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            helpers: AtomicUsize::new(0),
        }));
        for t in 1..available_threads() {
            // Where no thread can be had (WebAssembly, a limit), callers compute all parts themselves.
            let helper =
                std::thread::Builder::new().name(format!("kernel-{t}")).spawn(move || helper(pool, t));
            pool.helpers.fetch_add(usize::from(helper.is_ok()), Ordering::Relaxed);
        }
        pool
    })
}

fn helper(pool: &Pool, t: usize) {
    IN_POOL.set(true);
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while pool.order.call.load(Ordering::Acquire) == seen {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            let guard = pool.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            pool.sleeping.fetch_add(1, Ordering::SeqCst);
            let asleep = pool.wake.wait_while(guard, |()| pool.order.call.load(Ordering::SeqCst) == seen);
            pool.sleeping.fetch_sub(1, Ordering::SeqCst);
            drop(asleep);
        }
        seen = pool.order.call.load(Ordering::Acquire);
        take_parts(pool, seen, t);
    }
}

/// Claims and computes parts of call `call`, part `first` before the others.
fn take_parts(pool: &Pool, call: u64, first: usize) {
    // A helper that is late from an earlier call finds all of *its* parts claimed.
    let parts = (call % CALL) as usize;
    (first..parts).chain(0..first.min(parts)).for_each(|part| take_part(pool, call, part));
}

/// Computes a part of call `call`, if nobody has claimed it.
fn take_part(pool: &Pool, call: u64, part: usize) {
    let Part { claimed, finished } = &pool.parts[part];
    if claimed.fetch_max(call, Ordering::AcqRel) >= call {
        return;
    }
    // SAFETY: this part of `call` was unclaimed, so its caller is still in `call`: it waits for every part to be finished.
    // Until then it neither writes `work` nor lets the closure behind it die.
    let work = unsafe { (*pool.order.work.get()).map(|work| &*work) };
    let result = catch_unwind(AssertUnwindSafe(|| work.map(|work| work(part))));
    if result.is_err() {
        pool.panicked.store(true, Ordering::Relaxed);
    }
    finished.store(call, Ordering::Release);
}

/// Spins until `done`, `spins` times at most.
fn spin_until(spins: u32, done: impl Fn() -> bool) -> bool {
    for _ in 0..spins {
        if done() {
            return true;
        }
        std::hint::spin_loop();
    }
    done()
}

/// Calls `work` once for each part `0..parts`, on this thread and the helpers; returns when all are done.
///
/// # Panics
/// If `work` does, or if there are more than [`MAX_PARTS`] parts.
pub fn run(parts: usize, work: impl Fn(usize) + Sync) {
    if !call(parts, false, &work) {
        (0..parts).for_each(work);
    }
}

/// As [`run`], for parts of some microseconds: a single such call is not worth waking a helper, a stream of them is.
///
/// # Panics
/// As [`run`].
pub fn run_short(parts: usize, work: impl Fn(usize) + Sync) {
    if !call(parts, true, &work) {
        (0..parts).for_each(work);
    }
}

/// As [`run`], but returns false, having called nothing, if there is no helper for each part but one.
///
/// # Panics
/// As [`run`].
pub(crate) fn run_with_helpers(parts: usize, work: impl Fn(usize) + Sync) -> bool {
    pool().helpers.load(Ordering::Relaxed) + 1 >= parts && call(parts, false, &work)
}

/// Returns false, having called nothing, where one thread should do all.
fn call(parts: usize, short: bool, work: &(impl Fn(usize) + Sync)) -> bool {
    assert!(parts <= MAX_PARTS, "{parts} parts, at most {MAX_PARTS}");
    if parts <= 1 || IN_POOL.get() {
        return false;
    }
    let pool = pool();
    if pool.helpers.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let Ok(mut caller) = pool.busy.try_lock() else { return false };
    let start = Instant::now();
    let asleep = pool.sleeping.load(Ordering::Relaxed) > 0;
    let mut rests = caller.alone_until.is_some_and(|until| start < until);
    if short && asleep {
        let before = caller.found_asleep.replace(start);
        rests |= before.is_none_or(|before| start - before > STREAM);
    }
    if rests {
        return false;
    }
    let erased: *const (dyn Fn(usize) + Sync + '_) = work;
    // SAFETY: only the lifetime changes. The pointer is used between here and the end of the wait below, where `work`
    // is alive: every use lies in a part that is not yet finished.
    let erased: Work = unsafe { std::mem::transmute(erased) };
    // SAFETY: `busy` is held and every part of earlier calls is finished, so nobody reads `work` now.
    unsafe { *pool.order.work.get() = Some(erased) };
    let call = (pool.order.call.load(Ordering::Relaxed) / CALL + 1) * CALL + parts as u64;
    pool.order.call.store(call, Ordering::Release);
    // A helper that falls asleep at this moment misses this call, which the caller then computes alone, not the next.
    if asleep || pool.sleeping.load(Ordering::Relaxed) > 0 {
        drop(pool.lock.lock());
        pool.wake.notify_all();
    }
    IN_POOL.set(true);
    take_part(pool, call, 0);
    // Part 0, too: a helper may have been faster.
    let finished = || pool.parts[..parts].iter().all(|part| part.finished.load(Ordering::Acquire) == call);
    if !spin_until(PATIENCE, finished) {
        take_parts(pool, call, 0);
        let own = Instant::now();
        // A helper that lost its core in the middle of a part needs ours.
        while !spin_until(SPINS, finished) {
            std::thread::yield_now();
        }
        let wait = own.elapsed();
        if wait > own - start + PREEMPTED {
            caller.alone_until = Some(alone_until(caller.alone_until, own, wait / (parts as u32 - 1)));
        }
    }
    IN_POOL.set(false);
    if pool.panicked.swap(false, Ordering::Relaxed) {
        drop(caller); // a panic would poison it, and no later call get the helpers
        resume_unwind(Box::new("a part of a kernel panicked"));
    }
    true
}

/// Until when a caller works alone after a wait of `cost`, at `now`; `before` is what the waits before came to.
fn alone_until(before: Option<Instant>, now: Instant, cost: Duration) -> Instant {
    let earliest = now.checked_sub(LONGEST_REST).unwrap_or(now);
    let paid = before.map_or(earliest, |until| until.max(earliest));
    (paid + REST * cost).min(now + LONGEST_REST)
}

/// Calls `work` once for each of `jobs`, each on whatever thread is free.
///
/// # Panics
/// As [`run`].
pub fn run_each<J: Send>(jobs: Vec<J>, work: impl Fn(J) + Sync) {
    let jobs: Vec<_> = jobs.into_iter().map(|job| Mutex::new(Some(job))).collect();
    run(jobs.len(), |at| {
        // Nobody panics while holding it, and each part has a lock of its own.
        let job = jobs[at].lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        job.into_iter().for_each(&work);
    });
}

/// The share of part `t` of `parts` in `0..count`, in whole multiples of `unit`.
pub fn share(count: usize, unit: usize, t: usize, parts: usize) -> std::ops::Range<usize> {
    let units = count.div_ceil(unit);
    let cut = |t: usize| (units * t / parts * unit).min(count);
    cut(t)..cut(t + 1)
}

/// Splits slices of one length over threads: calls `work` with the same piece of each, which fits the first cache level, and where it
/// begins.
///
/// # Panics
/// If the lengths differ, or `work` panics.
pub fn shares_mut<T: Send, const N: usize>(
    mut slices: [&mut [T]; N],
    threads: usize,
    work: impl Fn([&mut [T]; N], usize) + Sync,
) {
    /// Numbers from which another thread pays off, and a multiple of every cache line.
    const UNIT: usize = 1 << 13;
    /// Numbers at once: what is done to them one thing after another finds them near.
    const PIECE: usize = 1 << 11;
    let len = slices.first().map_or(0, |slice| slice.len());
    assert!(slices.iter().all(|slice| slice.len() == len), "shares_mut: lengths differ");
    let parts = threads.clamp(1, (len / UNIT).clamp(1, MAX_PARTS));
    let shared = slices.each_mut().map(|slice| Shared::new(slice));
    run(parts, |part| {
        let share = share(len, 64, part, parts);
        for start in share.clone().step_by(PIECE) {
            let piece = start..share.end.min(start + PIECE);
            // SAFETY: shares of different parts do not overlap, and the slices are borrowed exclusively for the whole call.
            let of_slice = |slice: Shared<T>| unsafe {
                std::slice::from_raw_parts_mut(slice.get().add(piece.start), piece.len())
            };
            work(shared.map(of_slice), piece.start);
        }
    });
}

/// Calls `work` once for each chunk of `items`, with its number; the last one may be shorter. Whichever thread is free takes the next
/// one, with one of `states` as its own: there are at most as many threads.
///
/// # Panics
/// If `chunk` is 0, there is no state or more than [`MAX_PARTS`], or `work` panics.
pub fn chunks_mut<S: Send, T: Send>(
    states: &mut [S],
    items: &mut [T],
    chunk: usize,
    work: impl Fn(&mut S, usize, &mut [T]) + Sync,
) {
    assert!(!states.is_empty(), "chunks_mut: no state");
    let (parts, len, chunks) = (states.len(), items.len(), items.len().div_ceil(chunk));
    let (states, items) = (Shared::new(states), Shared::new(items));
    let next = AtomicUsize::new(0);
    run(parts, |part| {
        // SAFETY: part t is computed once, and is the only one that touches state t.
        let state = unsafe { &mut *states.get().add(part) };
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= chunks {
                return;
            }
            let start = at * chunk;
            // SAFETY: each number is given out once, and chunks lie side by side within the items, which are borrowed exclusively
            // for the whole call.
            let items =
                unsafe { std::slice::from_raw_parts_mut(items.get().add(start), chunk.min(len - start)) };
            work(state, at, items);
        }
    });
}

/// A pointer that parts of one call share; each writes places of its own.
pub(crate) struct Shared<T>(*mut T);

// Not derived: that would ask for T: Copy.
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<T> {}

// SAFETY: it is only a pointer; every use argues for itself that parts touch disjoint places.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Of a slice that outlives the call.
    pub fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// The same, `count` elements further.
    ///
    /// # Safety
    /// That is within the slice.
    #[inline(always)]
    pub unsafe fn offset(self, count: usize) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { self.0.add(count) })
    }

    /// The pointer.
    #[inline(always)]
    pub fn get(self) -> *mut T {
        self.0
    }
}

#[cfg(test)]
mod tests;
