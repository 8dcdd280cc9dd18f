//! The first layer over samples that are mostly zeros: lists of nonzero inputs instead of rows of numbers.
//!
//! A digit of MNIST has 150 nonzero pixels of 784. Each of them concerns one row of W: in each panel of 16 units
//! ([`crate::dense`]) one cache line.
//!
//! ```text
//!  sample: (input, value)        panel                   forward:   acc = value * w(input) + acc
//!           3   0.5  ------->  row 3  [ 0 … 15 ]         descent:   w(input) = value * (-rate delta) + w(input)
//!           7   1.0  ------->  row 7  [ 0 … 15 ]
//! ```
//!
//! One panel goes through all samples of a batch before the next: the rows that a batch uses then stay in the first cache level.
//! Forward sums of more than a few nonzero inputs run in four chains, in turn, because one chain would wait for itself: their
//! bits differ from those of the dense kernels. Gradients are summed in the order of the samples, as there; descent rounds
//! once per sample instead of once per batch.
//!
//! Letters: `n` samples, `k` inputs, `m` units.

mod compact;

use crate::activation::Nonlinearity;
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::product::PARALLEL_FROM;
use crate::simd::{kernel, mul_add};
use pulp::Simd;
use std::ops::Range;

mod build;
mod gradient;
mod lists;

pub use build::count_nonzeros;
pub use compact::Nonzeros;
pub use gradient::weight_gradient;
pub(crate) use lists::FAR_AHEAD;
pub use lists::{ByteLists, SparseRows};

/// What makes the pointers of this file sound: `samples` exist, and w has `k` rows in each of its panels.
fn check(rows: &SparseRows, samples: &[usize], d: Dims, w: usize, others: &[usize]) {
    assert!(d.n == samples.len() && d.k == rows.inputs(), "sparse: sizes of another data set");
    assert!(w >= d.weights(), "sparse: short weights");
    assert!(others.iter().all(|&len| len >= d.n * d.m), "sparse: short buffer");
    assert!(samples.iter().all(|&s| s < rows.len()), "sparse: no such sample");
}

/// Splits panels over threads, if every thread gets at least one and there is work for it.
fn parts(m: usize, nonzeros: usize, threads: usize) -> usize {
    if nonzeros * m >= PARALLEL_FROM / 2 {
        threads.clamp(1, m.div_ceil(PANEL).min(pool::MAX_PARTS))
    } else {
        1
    }
}

/// z = x w + b and a = f(z) for `samples` of `rows`; `z` and `a (n, m)`, a bias of `m`, 1 or 0 numbers.
///
/// # Panics
/// If a slice is shorter than its shape, or `d` does not fit `rows` and `samples`.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    w: &[f32],
    bias: &[f32],
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
) {
    check(rows, samples, d, w.len(), &[z.len(), a.len()]);
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "sparse: bias of another length");
    let parts = parts(d.m, rows.count(samples), threads);
    let (z, a) = (Shared::new(z), Shared::new(a));
    pool::run(parts, |part| {
        forward_panels(rows, samples, d, w, bias, f, z, a, pool::share(d.m, PANEL, part, parts));
    });
}

kernel! {
    fn forward_panels<'a>(simd, rows: &'a SparseRows, samples: &'a [usize], d: Dims, w: &'a [f32], bias: &'a [f32], f: Nonlinearity, z: Shared<f32>, a: Shared<f32>, units: Range<usize>) {
        with_vectors!(S, V, {
            let first = units.start;
            panels(units, #[inline(always)] |left, two| {
                // The first panels bring the lists near, unless they hold these samples alone and were made a moment ago.
                let ahead = if left == first && rows.len() > samples.len() { samples } else { &[] };
                for (s, &sample) in samples.iter().enumerate() {
                    rows.look_ahead(ahead, s);
                    // SAFETY: panels have `rows.inputs()` rows (`check`), two of them if two are asked for.
                    let sums: [Panel<S, V>; 2] = unsafe {
                        let w = w.as_ptr().add(left * d.k);
                        if two {
                            sum_rows::<S, V, 2>(simd, rows, sample, w, [panel::bias(simd, bias, left), panel::bias(simd, bias, left + PANEL)])
                        } else {
                            let [sum] = sum_rows::<S, V, 1>(simd, rows, sample, w, [panel::bias(simd, bias, left)]);
                            [sum; 2]
                        }
                    };
                    for (p, mut sum) in sums.into_iter().take(1 + usize::from(two)).enumerate() {
                        let left = left + p * PANEL;
                        // SAFETY: `check` has found row s within z and a, of which this part owns these units.
                        let (z, a) = unsafe {
                            let (at, count) = (s * d.m + left, PANEL.min(d.m - left));
                            (std::slice::from_raw_parts_mut(z.get().add(at), count),
                             std::slice::from_raw_parts_mut(a.get().add(at), count))
                        };
                        panel::store_part(simd, z, sum);
                        for z in &mut sum {
                            *z = f.value(simd, *z);
                        }
                        panel::store_part(simd, a, sum);
                    }
                }
            });
        });
    }
}

/// Calls `each` with the first unit of every two panels, and of a last single one.
#[inline(always)]
pub(crate) fn panels(units: Range<usize>, mut each: impl FnMut(usize, bool)) {
    let mut left = units.start;
    while left < units.end {
        let two = units.end - left > PANEL;
        each(left, two);
        left += PANEL * (1 + usize::from(two));
    }
}

/// Nonzero inputs from which a sum is worth being split in chains, which must be added in the end.
const CHAINED: usize = 8;

/// start + x w for one sample and P panels side by side, over its nonzero inputs; in four chains if there are many.
///
/// # Safety
/// `panels` is readable for P panels with a row of 16 numbers for every input of `rows`.
#[inline(always)]
pub(crate) unsafe fn sum_rows<S: Simd, const V: usize, const P: usize>(
    simd: S,
    rows: &SparseRows,
    sample: usize,
    panels: *const f32,
    start: [Panel<S, V>; P],
) -> [Panel<S, V>; P] {
    let zero = [[simd.splat_f32s(0.0); V]; P];
    let distance = rows.inputs() * PANEL;
    // SAFETY (all): the columns of a list are inputs of `rows`, which every panel has a row for.
    if rows.list(sample).len() < CHAINED {
        let mut sum = start;
        rows.each(
            sample,
            #[inline(always)]
            |i, value| unsafe {
                add_row(simd, panels.add(i * PANEL), distance, simd.splat_f32s(value), &mut sum);
            },
        );
        return sum;
    }
    let mut chains = [zero; 4];
    match rows.same() {
        // Rows are added, then multiplied once.
        Some(_) => rows.each_in_four(
            sample,
            #[inline(always)]
            |chain, i, _| {
                for (p, sum) in chains[chain].iter_mut().enumerate() {
                    for (v, sum) in sum.iter_mut().enumerate() {
                        let at = p * distance + i * PANEL + v * S::F32_LANES;
                        *sum =
                            simd.add_f32s(*sum, unsafe { panels.add(at).cast::<S::f32s>().read_unaligned() });
                    }
                }
            },
        ),
        None => rows.each_in_four(
            sample,
            #[inline(always)]
            |chain, i, value| unsafe {
                add_row(simd, panels.add(i * PANEL), distance, simd.splat_f32s(value), &mut chains[chain]);
            },
        ),
    }
    let [mut sum, one, two, three] = chains;
    let scale = simd.splat_f32s(rows.same().unwrap_or(1.0));
    for p in 0..P {
        for v in 0..V {
            let all =
                simd.add_f32s(simd.add_f32s(sum[p][v], one[p][v]), simd.add_f32s(two[p][v], three[p][v]));
            sum[p][v] = mul_add(simd, scale, all, start[p][v]);
        }
    }
    sum
}

/// sum += x w for a row of P panels that lie `distance` apart.
///
/// # Safety
/// `row` is readable for 16 numbers of each panel.
#[inline(always)]
unsafe fn add_row<S: Simd, const V: usize, const P: usize>(
    simd: S,
    row: *const f32,
    distance: usize,
    x: S::f32s,
    sums: &mut [Panel<S, V>; P],
) {
    for (p, sum) in sums.iter_mut().enumerate() {
        for (v, sum) in sum.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let w = unsafe { row.add(p * distance + v * S::F32_LANES).cast::<S::f32s>().read_unaligned() };
            *sum = mul_add(simd, x, w, *sum);
        }
    }
}

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
/// As [`forward`].
pub fn descend(
    rows: &SparseRows,
    samples: &[usize],
    d: Dims,
    delta: &[f32],
    rate: f32,
    w: &mut [f32],
    threads: usize,
) {
    check(rows, samples, d, w.len(), &[delta.len()]);
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
