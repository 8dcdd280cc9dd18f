//! The first layer over samples that are mostly zeros: lists of nonzero inputs instead of rows of numbers. (Other layers, behind a ReLU,
//! make lists for themselves: `product/lists.rs`, `rows.rs`.)
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
//! Lists of a data set are kept short (`lists.rs`); those that are made a moment before they are used take one word for each input, which
//! is faster (`entries.rs`).
//!
//! Letters: `n` samples, `k` inputs, `m` units.

use crate::activation::Nonlinearity;
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel, with_vectors};
use crate::pool::{self, Shared};
use crate::product::PARALLEL_FROM;
use crate::simd::{kernel, mul_add};
use pulp::Simd;
use std::ops::Range;

mod build;
mod compact;
mod descend;
mod entries;
mod gradient;
mod lists;

pub use build::count_nonzeros;
pub use descend::descend;
pub(crate) use descend::{add_to_rows, scaled};
pub use entries::Entries;
use entries::sum_list;
pub(crate) use entries::{add_entry, place_and_number};
pub use gradient::weight_gradient;
pub(crate) use lists::FAR_AHEAD;
pub use lists::{ByteLists, SparseRows};

/// The samples of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// These of a data set.
    Rows(&'a SparseRows, &'a [usize]),
    /// All of these lists.
    Entries(&'a Entries),
}

/// What makes the pointers of these files sound: the samples exist, and w has a row for each of their inputs in each of its panels.
fn check(of: Samples, d: Dims, w: usize, others: &[usize]) {
    match of {
        Samples::Rows(rows, samples) => {
            assert!(d.n == samples.len() && d.k == rows.inputs(), "sparse: sizes of another data set");
            assert!(samples.iter().all(|&s| s < rows.len()), "sparse: no such sample");
        }
        Samples::Entries(lists) => {
            assert!(
                d.n == lists.len() && d.k >= lists.longest(),
                "sparse: lists of other samples than {d:?}"
            );
        }
    }
    assert!(w >= d.weights(), "sparse: short weights");
    assert!(others.iter().all(|&len| len >= d.n.saturating_mul(d.m)), "sparse: short buffer");
}

/// Splits panels over threads, if every thread gets at least one and there is work for it.
fn parts(m: usize, nonzeros: usize, threads: usize) -> usize {
    if nonzeros * m >= PARALLEL_FROM / 2 {
        threads.clamp(1, m.div_ceil(PANEL).min(pool::MAX_PARTS))
    } else {
        1
    }
}

/// z = x w + b and a = f(z); `z` and `a (n, m)`, a bias of `m`, 1 or 0 numbers. The bits of both kinds of samples are the same, but for
/// the sign of a sum of 0.
///
/// # Panics
/// If a slice is shorter than its shape, or `d` does not fit the samples.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    of: Samples,
    d: Dims,
    w: &[f32],
    bias: &[f32],
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
) {
    check(of, d, w.len(), &[z.len(), a.len()]);
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "sparse: bias of another length");
    let parts = parts(d.m, of.nonzeros(), threads);
    let (z, a) = (Shared::new(z), Shared::new(a));
    pool::run(parts, |part| {
        let units = pool::share(d.m, PANEL, part, parts);
        forward_panels(of, d, w, bias, f, z, a, units);
    });
}

impl Samples<'_> {
    fn nonzeros(self) -> usize {
        match self {
            Self::Rows(rows, samples) => rows.count(samples),
            Self::Entries(lists) => lists.nonzeros(),
        }
    }

    /// start + x w for sample number `s` and P panels side by side, of `k` rows each.
    ///
    /// # Safety
    /// There is such a sample; `panels` is readable for P panels with a row of 16 numbers for every input of the samples.
    #[inline(always)]
    unsafe fn sum<S: Simd, const V: usize, const P: usize>(
        self,
        simd: S,
        s: usize,
        k: usize,
        panels: *const f32,
        start: [Panel<S, V>; P],
    ) -> [Panel<S, V>; P] {
        // SAFETY (both): the caller's promise.
        match self {
            Self::Rows(rows, samples) => unsafe { sum_rows(simd, rows, samples[s], panels, start) },
            Self::Entries(lists) => {
                let panels = std::array::from_fn(|p| panels.wrapping_add(p * k * PANEL));
                unsafe { sum_list(simd, lists.list(s), panels, start) }
            }
        }
    }
}

kernel! {
    fn forward_panels<'a>(simd, of: Samples<'a>, d: Dims, w: &'a [f32], bias: &'a [f32], f: Nonlinearity, z: Shared<f32>, a: Shared<f32>, units: Range<usize>) {
        with_vectors!(S, V, {
            let first = units.start;
            panels(units, #[inline(always)] |left, two| {
                let right = d.m.min(left + PANEL);
                let start: [Panel<S, V>; 2] = [panel::bias(simd, bias, left), panel::bias(simd, bias, right)];
                for s in 0..d.n {
                    if let Samples::Rows(rows, samples) = of && left == first {
                        // The first panels bring the lists near.
                        rows.look_ahead(samples, s);
                    }
                    // SAFETY: `check` has found k rows in every panel, one for each input of a list, and row s in z and
                    // a, of which this part owns these units; there are two panels if two are asked for.
                    unsafe {
                        let w = w.as_ptr().add(left * d.k);
                        if two {
                            let [sum, right_sum] = of.sum(simd, s, d.k, w, start);
                            finish_units::<S, V>(simd, f, sum, [z, a], s * d.m + left..s * d.m + right);
                            let end = d.m.min(right + PANEL);
                            finish_units::<S, V>(simd, f, right_sum, [z, a], s * d.m + right..s * d.m + end);
                        } else {
                            let [sum] = of.sum(simd, s, d.k, w, [start[0]]);
                            finish_units::<S, V>(simd, f, sum, [z, a], s * d.m + left..s * d.m + right);
                        }
                    }
                }
            });
        });
    }
}

/// Stores z and a = f(z) of up to 16 units, which lie at `units`.
///
/// # Safety
/// They are within z and a, and this thread's.
#[inline(always)]
unsafe fn finish_units<S: Simd, const V: usize>(
    simd: S,
    f: Nonlinearity,
    sum: Panel<S, V>,
    rows: [Shared<f32>; 2],
    units: Range<usize>,
) {
    // SAFETY: the caller's promise.
    let [z, a] =
        rows.map(|row| unsafe { std::slice::from_raw_parts_mut(row.get().add(units.start), units.len()) });
    panel::finish_forward(simd, f, sum, z, a);
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

/// Chains of such a sum.
const CHAINS: usize = 4;

/// Whether this CPU has registers for the chains of so many vectors beside all else. If not, panels are summed one after the other,
/// which walks each list more often (W2 with AVX2: a tenth faster).
#[inline(always)]
fn chains_fit<S: Simd>(vectors: usize) -> bool {
    CHAINS * vectors <= S::REGISTER_COUNT / 2
}

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
    let distance = rows.inputs() * PANEL;
    if P > 1 && !chains_fit::<S>(P * V) {
        let mut sums = start;
        for (p, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            [*sum] = unsafe { sum_rows(simd, rows, sample, panels.add(p * distance), [*sum]) };
        }
        return sums;
    }
    let zero = [[simd.splat_f32s(0.0); V]; P];
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
    let mut chains = [zero; CHAINS];
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
    add_chains(simd, chains, rows.same().unwrap_or(1.0), start)
}

/// start + scale (sum of chains)
#[inline(always)]
fn add_chains<S: Simd, const V: usize, const P: usize>(
    simd: S,
    [mut sum, one, two, three]: [[Panel<S, V>; P]; CHAINS],
    scale: f32,
    start: [Panel<S, V>; P],
) -> [Panel<S, V>; P] {
    let scale = simd.splat_f32s(scale);
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
