//! One thread or several: what is faster depends on how far apart the cores are and on who else uses them, which no rule
//! foresees. So it is tried now and then. The bits are the same either way.

use super::threads::{Own, alone, together};
use super::{Batches, Step};
use std::time::Instant;

/// Multiply-adds of a try in the first layer: enough that weights moving from one core's cache to another's count little.
const WORK: usize = 12 << 20;

/// Multiply-adds of a batch in the first layer from which several threads are tried first (measured).
const PARALLEL_FROM: usize = 1 << 17;

/// Every so many tries the slower way gets another.
const AGAIN: usize = 16;

/// How much slower a way may have become since the last try: anything beyond is taken for an accident.
const SLOWER: f64 = 1.1;

/// The time of a try.
#[derive(Debug, Default)]
pub(super) struct Pace {
    alone: f64,
    together: f64,
    tries: usize,
}

impl Pace {
    /// Whether the next batches are for one thread: first by their work, then the other way once, then by what was measured.
    fn alone_next(&self, work: usize) -> bool {
        match self.tries {
            0 => work < PARALLEL_FROM,
            1 => work >= PARALLEL_FROM,
            tries => tries.is_multiple_of(AGAIN) != (self.alone < self.together),
        }
    }

    /// All steps, on this thread or also one for each of `others`, whatever was faster; returns how many were made. A batch has `work` multiply-adds
    /// in the first layer.
    pub fn run(
        &mut self,
        step: Step,
        batches: Batches,
        loss_sums: &mut [f64],
        others: &mut [Own],
        work: usize,
    ) -> usize {
        let mut made = 0;
        let most = (WORK / work).max(1);
        for loss_sums in loss_sums.chunks_mut(most) {
            let (samples, count) = (made * batches.batch_size, loss_sums.len());
            let end = (samples + count * batches.batch_size).min(batches.samples.len());
            let these = Batches {
                samples: &batches.samples[samples..end],
                rates: &batches.rates[made..made + count],
                ..batches
            };
            let alone_now = self.alone_next(work);
            let start = Instant::now();
            let steps = if alone_now {
                alone(step.from(samples), these, loss_sums)
            } else {
                together(step.from(samples), these, loss_sums, others)
            };
            made += steps;
            if steps < count {
                break;
            }
            if count == most {
                let time = start.elapsed().as_secs_f64();
                let last = if alone_now { &mut self.alone } else { &mut self.together };
                *last = if *last == 0.0 { time } else { time.min(*last * SLOWER) };
                self.tries += 1;
            }
        }
        made
    }
}
