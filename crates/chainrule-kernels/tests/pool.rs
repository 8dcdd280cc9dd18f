//! The pool of threads: every part once, whoever calls, however many, and after a panic as before.

use chainrule_kernels::pool::{MAX_PARTS, available_threads, chunks_mut, run, share};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls of `run` from several tests would take the helpers from each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs `parts` parts and asserts that each was called once.
fn assert_each_part_once(parts: usize) {
    let calls: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
    run(parts, |part| {
        calls[part].fetch_add(1, Ordering::Relaxed);
    });
    assert!(calls.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{parts} parts: {calls:?}");
}

/// Whether a helper takes part in a call, now or soon: for a while after helpers have lost their cores, callers work alone.
fn helpers_take_part() -> bool {
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        if two_parts_meet() {
            return true;
        }
    }
    false
}

/// Whether two threads compute a call's two parts: each waits until the other has begun, which one thread alone never sees.
fn two_parts_meet() -> bool {
    let (begun, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
    run(2, |_| {
        begun.fetch_add(1, Ordering::SeqCst);
        let patience = Instant::now() + Duration::from_millis(500);
        while begun.load(Ordering::SeqCst) < 2 && Instant::now() < patience {
            std::thread::yield_now();
        }
        met.fetch_add(usize::from(begun.load(Ordering::SeqCst) == 2), Ordering::SeqCst);
    });
    met.load(Ordering::SeqCst) == 2
}

#[test]
fn every_chunk_is_handed_out_once() {
    let _alone = alone();
    for (threads, len, chunk) in
        [(1, 10, 3), (2, 0, 1), (2, 7, 7), (3, 64, 8), (5, 1000, 3), (MAX_PARTS, 9, 2)]
    {
        let (mut counts, mut items) = (vec![0; threads], vec![0; len]);
        chunks_mut(&mut counts, &mut items, chunk, |count, at, items| {
            *count += 1;
            assert!(items.len() == chunk || (at + 1) * chunk > len, "{len} by {chunk}: chunk {at}");
            items.iter_mut().for_each(|item| *item += at + 1);
        });
        assert_eq!(counts.iter().sum::<usize>(), len.div_ceil(chunk));
        assert!(items.iter().enumerate().all(|(i, &item)| item == i / chunk + 1), "{len} by {chunk}");
    }
}

#[test]
fn every_part_is_called_once() {
    let _alone = alone();
    for _ in 0..300 {
        for parts in [0, 1, 2, 3, 7, available_threads() + 1, MAX_PARTS] {
            assert_each_part_once(parts);
        }
    }
}

#[test]
fn helpers_wake_after_they_slept() {
    let _alone = alone();
    if available_threads() == 1 {
        return;
    }
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(3)); // longer than they spin
        assert!(helpers_take_part());
    }
}

#[test]
fn what_parts_wrote_is_seen_by_the_caller() {
    let _alone = alone();
    for round in 0..2000u64 {
        let squares: Vec<Mutex<u64>> = (0..8).map(|_| Mutex::new(0)).collect();
        run(8, |part| *squares[part].lock().unwrap() = round * part as u64);
        for (part, square) in squares.into_iter().enumerate() {
            assert_eq!(square.into_inner().unwrap(), round * part as u64);
        }
    }
}

#[test]
fn many_callers_at_once() {
    let _alone = alone();
    std::thread::scope(|scope| {
        for caller in 0..6 {
            scope.spawn(move || {
                for call in 0..500 {
                    assert_each_part_once(1 + (call * 7 + caller) % 9);
                }
            });
        }
    });
}

#[test]
fn a_part_may_call_itself() {
    let _alone = alone();
    let inner = AtomicUsize::new(0);
    for _ in 0..200 {
        run(5, |_| {
            run(4, |_| run(3, |_| _ = inner.fetch_add(1, Ordering::Relaxed)));
        });
    }
    assert_eq!(inner.load(Ordering::Relaxed), 200 * 5 * 4 * 3);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_still_works() {
    let _alone = alone();
    for (parts, bad) in [(1, 0), (2, 0), (2, 1), (9, 4), (9, 8)] {
        let finished = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(parts, |part| {
                assert!(part != bad, "part {part} fails on purpose");
                finished.fetch_add(1, Ordering::Relaxed);
            });
        }));
        assert!(result.is_err(), "{bad} of {parts} panicked and nobody heard");
        assert!(finished.load(Ordering::Relaxed) < parts);
        assert_each_part_once(parts);
        assert!(available_threads() == 1 || helpers_take_part(), "after a panic the helpers idle");
    }
}

#[test]
fn too_many_parts_are_refused() {
    assert!(catch_unwind(|| run(MAX_PARTS + 1, |_| ())).is_err());
}

#[test]
fn shares_are_whole_units_and_cover_everything() {
    for (count, unit) in [(0, 1), (1, 16), (16, 16), (17, 16), (100, 8), (101, 2), (1000, 16)] {
        for parts in 1..9 {
            let mut next = 0;
            for part in 0..parts {
                let share = share(count, unit, part, parts);
                assert!(
                    share.start == next && (share.end.is_multiple_of(unit) || share.end == count),
                    "{share:?}"
                );
                next = share.end;
            }
            assert_eq!(next, count);
        }
    }
}
