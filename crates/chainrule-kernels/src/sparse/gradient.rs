//! BP4 over lists: the weight gradient of a batch.

use super::{SparseRows, check, parts};
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::simd::{kernel, mul_add};
use std::cell::RefCell;

/// A batch's lists turned round: for each input the samples in which it is not zero.
#[derive(Debug, Default)]
struct ByInput {
    /// Where each input's list begins; two more than there are inputs.
    starts: Vec<u32>,
    /// (place in the batch, value)
    entries: Vec<(u32, f32)>,
}

thread_local! {
    /// Kept between batches, so that a step does not allocate.
    static BY_INPUT: RefCell<ByInput> = RefCell::default();
}

impl ByInput {
    /// Turns round the lists of `samples`.
    fn gather(&mut self, rows: &SparseRows, samples: &[usize]) {
        self.starts.clear();
        self.starts.resize(rows.inputs() + 2, 0);
        for &sample in samples {
            rows.each(sample, |i, _| self.starts[i + 2] += 1);
        }
        for i in 2..self.starts.len() {
            self.starts[i] += self.starts[i - 1];
        }
        let total = self.starts.last().map_or(0, |&end| end as usize);
        if self.entries.len() < total {
            // As many as any batch of this size can have: later ones do not grow it again.
            let most = (samples.len() * rows.longest()).min(rows.nonzeros()).max(total);
            self.entries.resize(most, (0, 0.0));
        }
        // starts[i + 1] is where the next entry of input i goes, and in the end where the list of i + 1 begins.
        for (s, &sample) in samples.iter().enumerate() {
            rows.each(
                sample,
                #[inline(always)]
                |i, value| {
                    let at = &mut self.starts[i + 1];
                    self.entries[*at as usize] = (s as u32, value);
                    *at += 1;
                },
            );
        }
    }

    fn list(&self, i: usize) -> &[(u32, f32)] {
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
    check(rows, samples, d, dw.len(), &[delta.len()]);
    BY_INPUT.with_borrow_mut(|lists| {
        lists.gather(rows, samples);
        let lists = &*lists;
        let parts = parts(d.m, lists.starts[d.k] as usize, threads);
        let dw = Shared::new(dw);
        pool::run(parts, |part| {
            for left in pool::share(d.m, PANEL, part, parts).step_by(PANEL) {
                // SAFETY: dw has all panels of k rows, and parts have panels of their own.
                let panel = unsafe { std::slice::from_raw_parts_mut(dw.get().add(left * d.k), PANEL * d.k) };
                gradient_panel(lists, d.m, left, delta, panel);
            }
        });
    });
}

kernel! {
    fn gradient_panel<'a>(simd, lists: &'a ByInput, m: usize, left: usize, delta: &'a [f32], panel: &'a mut [f32]) {
        with_vectors!(S, V, {
            let whole = left + PANEL <= m;
            for (i, row) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
                let mut sums: Panel<S, V> = [simd.splat_f32s(0.0); V];
                for &(s, value) in lists.list(i) {
                    let x = simd.splat_f32s(value);
                    let delta = &delta[s as usize * m + left..];
                    let delta: Panel<S, V> =
                        if whole { panel::load(simd, delta) } else { panel::load_part(simd, &delta[..m - left]) };
                    for (sum, delta) in sums.iter_mut().zip(delta) {
                        *sum = mul_add(simd, x, delta, *sum);
                    }
                }
                panel::store::<S, V>(row, sums);
            }
        });
    }
}
