//! BP3 and BP4 over lists, and the step at once: each row of weights that a sample uses is updated where it lies.

use super::{Samples, SparseRows, check, panels, parts};
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::simd::{kernel, mul_add};
use pulp::Simd;
use std::ops::Range;

/// w = w + x^T step for one sample and P panels side by side, over its nonzero inputs; `step` is -rate delta.
///
/// # Safety
/// `panels` is readable and writable for P panels with a row for every input of `rows`, by this thread alone.
#[inline(always)]
pub(crate) unsafe fn add_to_rows<S: Simd, const V: usize, const P: usize>(
    simd: S,
    rows: &SparseRows,
    sample: usize,
    panels: *mut f32,
    mut step: [Panel<S, V>; P],
) {
    let distance = rows.inputs() * PANEL;
    // SAFETY (both): i is an input of `rows`.
    match rows.same() {
        Some(value) => {
            for step in &mut step {
                *step = scaled::<S, V>(simd, value, *step);
            }
            rows.each_in_four(
                sample,
                #[inline(always)]
                |_, i, _| {
                    for (p, step) in step.into_iter().enumerate() {
                        for (v, step) in step.into_iter().enumerate() {
                            unsafe {
                                let at =
                                    panels.add(p * distance + i * PANEL + v * S::F32_LANES).cast::<S::f32s>();
                                at.write_unaligned(simd.add_f32s(step, at.read_unaligned()));
                            }
                        }
                    }
                },
            );
        }
        None => rows.each_in_four(
            sample,
            #[inline(always)]
            |_, i, value| {
                let x = simd.splat_f32s(value);
                for (p, step) in step.into_iter().enumerate() {
                    for (v, step) in step.into_iter().enumerate() {
                        unsafe {
                            let at =
                                panels.add(p * distance + i * PANEL + v * S::F32_LANES).cast::<S::f32s>();
                            at.write_unaligned(mul_add(simd, x, step, at.read_unaligned()));
                        }
                    }
                }
            },
        ),
    }
}

/// w = w - rate x^T delta, sample after sample, for `delta (n, m)`: a step of gradient descent on the rows that were used.
///
/// # Panics
/// As [`super::forward`].
pub fn descend(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    delta: &[f32],
    rate: f32,
    w: &mut [f32],
    threads: usize,
) {
    check(Samples::Rows(rows, samples), d, w.len(), &[delta.len()]);
    let parts = parts(d.m, rows.count(samples), threads);
    let w = Shared::new(w);
    pool::run(parts, |part| {
        descend_panels(rows, samples, d, delta, rate, w, pool::share(d.m, PANEL, part, parts));
    });
}

kernel! {
    fn descend_panels<'a>(simd, rows: &'a SparseRows, samples: &'a [usize], d: Dims, delta: &'a [f32], rate: f32, w: Shared<f32>, units: Range<usize>) {
        with_vectors!(S, V, {
            panels(units, #[inline(always)] |left, two| {
                for (s, &sample) in samples.iter().enumerate() {
                    let delta = &delta[s * d.m..(s + 1) * d.m];
                    let first = scaled::<S, V>(simd, -rate, panel::load_part(simd, &delta[left..d.m.min(left + PANEL)]));
                    // SAFETY: panels have `rows.inputs()` rows (`check`), and are this part's.
                    unsafe {
                        let w = w.get().add(left * d.k);
                        if two {
                            let second = panel::load_part(simd, &delta[left + PANEL..d.m.min(left + 2 * PANEL)]);
                            add_to_rows(simd, rows, sample, w, [first, scaled::<S, V>(simd, -rate, second)]);
                        } else {
                            add_to_rows(simd, rows, sample, w, [first]);
                        }
                    }
                }
            });
        });
    }
}

/// rate delta
#[inline(always)]
pub(crate) fn scaled<S: Simd, const V: usize>(simd: S, rate: f32, mut delta: Panel<S, V>) -> Panel<S, V> {
    for delta in &mut delta {
        *delta = simd.mul_f32s(simd.splat_f32s(rate), *delta);
    }
    delta
}
