//! A barrier for parts of a call that run at the same time.
//!
//! [`crate::pool::run`] hands work over and back: two transfers between cores, during which one of them waits. At a barrier parts
//! only tell each other how far they are: one transfer, in both directions at once, and between arriving and waiting each can do
//! what needs no other.
//!
//! ```text
//! part 0:  … compute -- arrive(n) -- something of its own -- wait(n) -- read what the others wrote before they arrived …
//! part 1:  … compute -- arrive(n) -- something of its own -- wait(n) -- …
//! ```

use crate::pool::{self, MAX_PARTS};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long part 0 waits for the others to begin: a virtual core that sleeps takes up to some milliseconds.
const PATIENCE: Duration = Duration::from_millis(5);

/// How often a part looks for the others before it lets somebody else use its core.
const SPINS: u32 = 1 << 13;

/// Whether the parts have gathered: not yet, yes, or somebody did not come.
const OPEN: u32 = 0;
const MET: u32 = 1;
const CALLED_OFF: u32 = 2;

/// How far each part is.
pub(crate) struct Barrier {
    parts: usize,
    state: AtomicU32,
    here: AtomicUsize,
    arrived: [Arrived; MAX_PARTS],
}

/// How many times a part has arrived; in cache lines of its own, which processors fetch in pairs.
#[repr(align(128))]
struct Arrived(AtomicUsize);

impl Barrier {
    fn of(parts: usize) -> Self {
        Self {
            parts,
            state: AtomicU32::new(OPEN),
            here: AtomicUsize::new(1),
            arrived: [const { Arrived(AtomicUsize::new(0)) }; MAX_PARTS],
        }
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Whether all parts run now.
    fn gather(&self, part: usize) -> bool {
        if part > 0 {
            self.here.fetch_add(1, Ordering::Relaxed);
            spin_while(|| self.state.load(Ordering::Acquire) == OPEN);
        } else {
            let start = Instant::now();
            while self.here.load(Ordering::Relaxed) < self.parts && start.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
            let all = self.here.load(Ordering::Relaxed) == self.parts;
            self.state.store(if all { MET } else { CALLED_OFF }, Ordering::Release);
        }
        self.state.load(Ordering::Relaxed) == MET
    }

    /// Tells the others that `part` has arrived for the `time`th time: what it wrote before may be read by who waits for it.
    #[inline(always)]
    pub fn arrive(&self, part: usize, time: usize) {
        self.arrived[part].0.store(time, Ordering::Release);
    }

    /// Waits until all have arrived for the `time`th time, or left.
    #[inline(always)]
    pub fn wait(&self, part: usize, time: usize) {
        for other in (0..self.parts).filter(|&other| other != part) {
            spin_while(|| self.arrived[other].0.load(Ordering::Acquire) < time);
        }
    }
}

/// Spins; after a while others, perhaps the one that is waited for, may have this core.
#[inline(always)]
fn spin_while(waits: impl Fn() -> bool) {
    let mut spins = 0;
    while waits() {
        spins += 1;
        if spins < SPINS {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// A part that has left, because it is done or has panicked, is never waited for.
struct Leaves<'a>(&'a Barrier, usize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.arrive(self.1, usize::MAX);
    }
}

/// Calls `work` once for each part `0..parts`, all at the same time, with what they meet by. Returns false, having called
/// nothing, if there are not as many threads to be had at the moment.
///
/// # Panics
/// If `work` does, or if there are more than [`MAX_PARTS`] parts.
pub(crate) fn run(parts: usize, work: impl Fn(usize, &Barrier) + Sync) -> bool {
    let barrier = Barrier::of(parts);
    let called = pool::run_with_helpers(parts, |part| {
        if barrier.gather(part) {
            let _leaves = Leaves(&barrier, part);
            work(part, &barrier);
        }
    });
    called && barrier.state.into_inner() == MET
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn what_was_written_before_arriving_is_seen_after_waiting() {
        let numbers = [const { AtomicU64::new(0) }; 2];
        let (start, mut met) = (Instant::now(), pool::available_threads() == 1);
        // Other tests may hold the helpers for a while.
        while !met && start.elapsed() < Duration::from_secs(60) {
            met |= run(2, |part, barrier| {
                for time in 1..200 {
                    // Two numbers in turn: one is written while the other may still be read.
                    numbers[part].store(time as u64, Ordering::Relaxed);
                    barrier.arrive(part, 2 * time - 1);
                    barrier.wait(part, 2 * time - 1);
                    assert!(numbers.iter().all(|n| n.load(Ordering::Relaxed) == time as u64));
                    barrier.arrive(part, 2 * time);
                    barrier.wait(part, 2 * time);
                }
            });
        }
        assert!(met, "never gathered");
    }

    #[test]
    fn a_part_that_panics_is_not_waited_for() {
        let start = Instant::now();
        let mut panicked = pool::available_threads() == 1;
        while !panicked && start.elapsed() < Duration::from_secs(60) {
            let result = std::panic::catch_unwind(|| {
                run(2, |part, barrier| {
                    assert!(part == 0, "on purpose");
                    barrier.arrive(part, 1);
                    barrier.wait(part, 1);
                })
            });
            panicked = result.is_err();
            assert!(panicked || result.is_ok_and(|gathered| !gathered));
        }
        assert!(panicked, "never gathered");
    }

    #[test]
    fn nothing_is_called_where_not_all_can_run() {
        // Parts of a call have no helpers of their own.
        pool::run(2, |_| {
            assert!(!run(2, |_, _| panic!("called")));
        });
    }
}
