//! One thread or several: what is faster depends on how far apart the cores are and on who else uses them, which no rule
//! foresees. So it is tried now and then. The bits are the same either way.

use super::threads::{Own, alone, together};
use super::{Batches, Step};
use std::time::Instant;

/// Multiply-adds of a try in the first layer: enough that weights moving from one core's cache to another's count little.
const WORK: usize = 12 << 20;

/// Multiply-adds of a batch in the first layer from which several threads are tried first (measured).
const TOGETHER_FROM: usize = 1 << 17;

/// Every so many tries the slower way gets another.
const AGAIN: usize = 16;

/// How much slower a way may have become since the last try: anything beyond is taken for an accident.
const SLOWER: f64 = 1.1;

/// What was found out about the two ways, and the try at work, which may take several calls.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds of a multiply-add, if it was tried.
    alone: Option<f64>,
    together: Option<f64>,
    tries: usize,
    /// Multiply-adds and seconds of the try at work.
    work: usize,
    seconds: f64,
}

impl Pace {
    /// Whether this try is for one thread: first by a batch's work, then the other way once, then by what was measured.
    fn is_alone(&self, work: usize) -> bool {
        let infinite = f64::INFINITY;
        match self.tries {
            0 => work < TOGETHER_FROM,
            1 => work >= TOGETHER_FROM,
            tries => {
                let alone_is_faster = self.alone.unwrap_or(infinite) < self.together.unwrap_or(infinite);
                tries.is_multiple_of(AGAIN) != alone_is_faster
            }
        }
    }

    /// All steps, on this thread or also one for each of `others`, whatever was faster; returns how many were made. A batch has
    /// `work` multiply-adds in the first layer.
    pub fn run(
        &mut self,
        step: Step,
        batches: Batches,
        loss_sums: &mut [f64],
        others: &mut [Own],
        work: usize,
    ) -> usize {
        let mut made = 0;
        while made < loss_sums.len() {
            let left = WORK.saturating_sub(self.work).div_ceil(work).max(1);
            let count = left.min(loss_sums.len() - made);
            let sums = &mut loss_sums[made..made + count];
            let first = made * batches.batch_size;
            let end = (first + count * batches.batch_size).min(batches.samples.len());
            let these = Batches {
                samples: &batches.samples[first..end],
                rates: &batches.rates[made..made + count],
                ..batches
            };
            let is_alone = self.is_alone(work);
            let found = if is_alone {
                let start = Instant::now();
                let steps = alone(step.from(first), these, sums);
                Some((steps, start.elapsed()))
            } else {
                together(step.from(first), these, sums, others)
            };
            let Some((steps, time)) = found else {
                self.together = None; // so that the next tries are alone
                self.end(false, None);
                continue;
            };
            made += steps;
            if steps < count {
                break;
            }
            self.seconds += time.as_secs_f64();
            self.work += count * work;
            if self.work >= WORK {
                self.end(is_alone, Some(self.seconds / self.work as f64));
            }
        }
        made
    }

    /// Ends a try, of which `found` tells the seconds of a multiply-add; none where there were no threads.
    fn end(&mut self, is_alone: bool, found: Option<f64>) {
        let last = if is_alone { &mut self.alone } else { &mut self.together };
        if let Some(found) = found {
            *last = Some(last.map_or(found, |last| found.min(last * SLOWER)));
        }
        self.tries += 1;
        (self.work, self.seconds) = (0, 0.0);
    }
}
