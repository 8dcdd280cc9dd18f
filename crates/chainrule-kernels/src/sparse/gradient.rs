//! BP4 over lists: the weight gradient of a batch.

use super::{Samples, SparseRows, check, parts};
use crate::dense::{Dims, PANEL};
use crate::memory;
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::simd::{kernel, mul_add};
use pulp::Simd;
use std::cell::RefCell;
use std::ops::Range;

/// A batch's lists turned round: for each input the samples in which it is not zero.
#[derive(Debug, Default)]
struct ByInput {
    /// Where each input's list begins; two more than there are inputs.
    starts: Vec<u32>,
    /// The place in the batch, and the bits of the value in the lower half: one read instead of two.
    entries: Vec<u64>,
}

/// Nonzeros of a batch up to which each part turns the lists round for itself (8 MB): in that core's cache, while what one core
/// wrote another would fetch line by line. A larger batch is turned round once.
const OWN_UP_TO: usize = 1 << 20;

thread_local! {
    /// One for each part, kept between batches, so that a step does not allocate.
    static BY_INPUT: RefCell<Vec<ByInput>> = RefCell::default();
}

impl ByInput {
    /// Makes room for any batch of as many samples.
    fn reserve(&mut self, rows: &SparseRows, samples: usize, nonzeros: usize) {
        self.starts.resize(rows.inputs() + 2, 0);
        if self.entries.len() < nonzeros {
            let most = (samples * rows.longest()).min(rows.nonzeros()).max(nonzeros);
            self.entries.resize(most, 0);
        }
    }

    /// Turns round the lists of `samples`, for which there is room.
    fn gather(&mut self, rows: &SparseRows, samples: &[usize]) {
        self.starts.fill(0);
        for &sample in samples {
            rows.each(sample, |i, _| self.starts[i + 2] += 1);
        }
        for i in 2..self.starts.len() {
            self.starts[i] += self.starts[i - 1];
        }
        // starts[i + 1] is where the next entry of input i goes, and in the end where the list of i + 1 begins.
        for (s, &sample) in samples.iter().enumerate() {
            rows.each(
                sample,
                #[inline(always)]
                |i, value| {
                    let at = &mut self.starts[i + 1];
                    self.entries[*at as usize] = (s as u64) << 32 | u64::from(value.to_bits());
                    *at += 1;
                },
            );
        }
    }

    fn list(&self, i: usize) -> &[u64] {
        &self.entries[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}

/// dw = x^T delta for `samples` of `rows`; `delta (n, m)`, `dw (k, m)` in panels, all of which is written.
///
/// Each row of dw is summed in registers over the samples that use it, in their order.
///
/// # Panics
/// As [`super::forward`].
pub fn weight_gradient(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    delta: &[f32],
    dw: &mut [f32],
    threads: usize,
) {
    check(Samples::Rows(rows, samples), d, dw.len(), &[delta.len()]);
    let nonzeros = rows.count(samples);
    let parts = parts(d.m, nonzeros, threads);
    let dw = Shared::new(dw);
    BY_INPUT.with_borrow_mut(|lists| {
        let own = nonzeros <= OWN_UP_TO;
        let copies = if own { parts } else { 1 };
        lists.resize_with(lists.len().max(copies), ByInput::default);
        lists[..copies].iter_mut().for_each(|lists| lists.reserve(rows, samples.len(), nonzeros));
        if !own {
            lists[0].gather(rows, samples);
        }
        let lists = Shared::new(lists);
        pool::run(parts, |part| {
            // SAFETY: there are as many copies as parts, and each is one part's, or there is one that none of them changes.
            let lists: &ByInput = unsafe {
                if own {
                    (*lists.get().add(part)).gather(rows, samples);
                }
                &*lists.get().add(if own { part } else { 0 })
            };
            panels_of_four(pool::share(d.m, PANEL, part, parts), |left, panels| {
                // SAFETY: dw has all panels of k rows, and parts have panels of their own.
                let dw =
                    unsafe { std::slice::from_raw_parts_mut(dw.get().add(left * d.k), panels * PANEL * d.k) };
                memory::with_scratch(d.n * panels * PANEL, |packed| {
                    gradient_panels(lists, d, left, panels, delta, packed, dw);
                });
            });
        });
    });
}

/// Calls `each` with the first unit of every four panels, and of those that are left, two or one at a time, and with their number.
fn panels_of_four(units: Range<usize>, mut each: impl FnMut(usize, usize)) {
    let mut left = units.start;
    while left < units.end {
        let panels = match (units.end - left).div_ceil(PANEL) {
            4.. => 4,
            2 | 3 => 2,
            _ => 1,
        };
        each(left, panels);
        left += panels * PANEL;
    }
}

kernel! {
    /// dw of 1, 2 or 4 panels, from unit `left` on; `packed` has room for their delta.
    fn gradient_panels<'a>(simd, lists: &'a ByInput, d: Dims, left: usize, panels: usize, delta: &'a [f32], packed: &'a mut [f32], dw: &'a mut [f32]) {
        with_vectors!(S, V, {
            let packed = packed.as_chunks_mut().0;
            match panels {
                // Their sums, a row of each, and a value.
                4 if 5 * V < S::REGISTER_COUNT => sum_panels::<S, V, 4>(simd, lists, d, left, delta, packed.as_chunks_mut().0, dw),
                4 => {
                    let packed = packed.as_chunks_mut().0;
                    let (first, second) = dw.split_at_mut(2 * PANEL * d.k);
                    sum_panels::<S, V, 2>(simd, lists, d, left, delta, packed, first);
                    sum_panels::<S, V, 2>(simd, lists, d, left + 2 * PANEL, delta, packed, second);
                }
                2 => sum_panels::<S, V, 2>(simd, lists, d, left, delta, packed.as_chunks_mut().0, dw),
                _ => sum_panels::<S, V, 1>(simd, lists, d, left, delta, packed.as_chunks_mut().0, dw),
            }
        });
    }
}

/// P panels side by side, as many chains of sums. Their delta is packed first: in rows of m its panels may all lie in a few
/// sets of the first cache level.
#[inline(always)]
fn sum_panels<S: Simd, const V: usize, const P: usize>(
    simd: S,
    lists: &ByInput,
    d: Dims,
    left: usize,
    delta: &[f32],
    packed: &mut [[[f32; PANEL]; P]],
    dw: &mut [f32],
) {
    for (packed, delta) in packed.iter_mut().zip(delta.chunks_exact(d.m)) {
        for (packed, delta) in packed.iter_mut().zip(delta[left..].chunks(PANEL)) {
            panel::store::<S, V>(packed, panel::load_part(simd, delta));
        }
    }
    for i in 0..d.k {
        let mut sums: [Panel<S, V>; P] = [[simd.splat_f32s(0.0); V]; P];
        for &entry in lists.list(i) {
            let x = simd.splat_f32s(f32::from_bits(entry as u32));
            for (sums, delta) in sums.iter_mut().zip(&packed[(entry >> 32) as usize]) {
                let delta: Panel<S, V> = panel::load(simd, delta);
                for (sum, delta) in sums.iter_mut().zip(delta) {
                    *sum = mul_add(simd, x, delta, *sum);
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            panel::store::<S, V>(&mut dw[(p * d.k + i) * PANEL..], sums);
        }
    }
}
