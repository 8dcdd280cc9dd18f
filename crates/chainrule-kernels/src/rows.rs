//! Dense f32 products of a few samples: each row of W is used where it lies.
//!
//! Letters: `n` samples, `k` inputs, `m` units; `w (k, m)` in panels of 16 units ([`crate::dense`]). Four panels are summed at
//! once, so that as many chains of multiply-adds overlap:
//!
//! ```text
//!              row i of panels:  [ p0 ] [ p1 ] [ p2 ] [ p3 ]     acc(p) = x_i * w(i, p) + acc(p), for i = 0, 1, …
//! ```
//!
//! Sums over inputs or samples run in their order, with the same bits as [`crate::product`], but for the sign of a sum of 0 where
//! inputs of 0 are left out.

use crate::activation::{self, Nonlinearity};
use crate::dense::{Dims, PANEL};
use crate::panel::{self, Panel};
use crate::pool::{self, Shared};
use crate::simd::{kernel, mul_add};
use crate::sparse::{Entries, place_and_number};
use pulp::Simd;

/// Weights from which a second thread pays off for a single sample (measured): they come from its core's own cache.
const PARALLEL_FROM: usize = 1 << 16;

/// The share of inputs that count up to which leaving out the others pays off: making their list takes time, too (estimated).
const LISTED_UP_TO: f64 = 0.75;

/// Weights that are worth waking a helper for: they take some 20 microseconds.
const WORTH_WAKING: usize = 1 << 19;

/// [`forward`] of a single sample, its units split over threads; with `nonzeros` over the nonzero inputs only, if they are few.
#[allow(clippy::too_many_arguments)]
pub(crate) fn forward_shared(
    d: Dims,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
    nonzeros: Option<&mut Entries>,
) {
    let few = |list: &[u64]| list.len() as f64 <= LISTED_UP_TO * d.k as f64;
    let list = nonzeros.map(|nonzeros| nonzeros.only(x)).filter(|list| few(list));
    let weights = list.map_or(d.k, <[u64]>::len) * d.m;
    let forward = |d: Dims, w, bias, z, a| match list {
        Some(list) => forward_listed(d.k, list, w, bias, f, z, a),
        None => forward(d, x, w, bias, f, z, a),
    };
    let unit = 4 * PANEL;
    if weights < PARALLEL_FROM {
        return forward(d, w, bias, z, a);
    }
    let parts = threads.clamp(1, d.m.div_ceil(unit).min(pool::MAX_PARTS));
    let (z, a) = (Shared::new(z), Shared::new(a));
    let compute = |part| {
        let units = pool::share(d.m, unit, part, parts);
        // SAFETY: z and a have m numbers, of which each part owns its units.
        let [z, a] = [z, a]
            .map(|to| unsafe { std::slice::from_raw_parts_mut(to.get().add(units.start), units.len()) });
        let bias = if bias.len() == d.m { &bias[units.clone()] } else { bias };
        forward(Dims { m: units.len(), ..d }, &w[units.start * d.k..], bias, z, a);
    };
    if weights < WORTH_WAKING { pool::run_short(parts, compute) } else { pool::run(parts, compute) }
}

kernel! {
    /// z = x w + b and a = f(z); bias of m, 1 or 0 numbers.
    pub(crate) fn forward<'a>(simd, d: Dims, x: &'a [f32], w: &'a [f32], bias: &'a [f32], f: Nonlinearity, z: &'a mut [f32], a: &'a mut [f32]) {
        panel::with_vectors!(S, V, {
            for s in 0..d.n {
                let x = x[s * d.k..(s + 1) * d.k].iter().copied().enumerate();
                let (z, a) = (&mut z[s * d.m..(s + 1) * d.m], &mut a[s * d.m..(s + 1) * d.m]);
                forward_row::<S, V>(simd, d.k, x, (w, bias), f, z, a);
            }
        });
    }
}

kernel! {
    /// [`forward`] of one sample, whose k inputs are 0 but for those of a list.
    fn forward_listed<'a>(simd, k: usize, list: &'a [u64], w: &'a [f32], bias: &'a [f32], f: Nonlinearity, z: &'a mut [f32], a: &'a mut [f32]) {
        panel::with_vectors!(S, V, {
            let x = list.iter().map(|&entry| place_and_number(entry));
            forward_row::<S, V>(simd, k, x, (w, bias), f, z, a);
        });
    }
}

/// One sample, of whose k inputs `x` are those that count, with their numbers.
#[inline(always)]
fn forward_row<S: Simd, const V: usize>(
    simd: S,
    k: usize,
    x: impl Iterator<Item = (usize, f32)> + Clone,
    (w, bias): (&[f32], &[f32]),
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
) {
    let (m, mut left) = (z.len(), 0);
    while left + 4 * PANEL <= m.next_multiple_of(PANEL) {
        forward_panels::<S, V, 4>(simd, k, x.clone(), (&w[left * k..], bias), f, left, [&mut *z, &mut *a]);
        left += 4 * PANEL;
    }
    while left < m {
        forward_panels::<S, V, 1>(simd, k, x.clone(), (&w[left * k..], bias), f, left, [&mut *z, &mut *a]);
        left += PANEL;
    }
}

/// P panels from unit `left` on, for the inputs `x` with their numbers, which are below k.
#[inline(always)]
fn forward_panels<S: Simd, const V: usize, const P: usize>(
    simd: S,
    k: usize,
    x: impl Iterator<Item = (usize, f32)>,
    (w, bias): (&[f32], &[f32]),
    f: Nonlinearity,
    left: usize,
    [z, a]: [&mut [f32]; 2],
) {
    let mut acc = [[simd.splat_f32s(0.0); V]; P];
    for (p, acc) in acc.iter_mut().enumerate() {
        *acc = panel::bias(simd, bias, left + p * PANEL);
    }
    let mut panels = [&w[..0]; P];
    for (p, panel) in panels.iter_mut().enumerate() {
        *panel = &w[p * k * PANEL..(p + 1) * k * PANEL];
    }
    for (i, x) in x {
        let x = simd.splat_f32s(x);
        for (acc, panel) in acc.iter_mut().zip(panels) {
            let row: Panel<S, V> = panel::load(simd, &panel[i * PANEL..(i + 1) * PANEL]);
            for (acc, w) in acc.iter_mut().zip(row) {
                *acc = mul_add(simd, x, w, *acc);
            }
        }
    }
    for (p, acc) in acc.into_iter().enumerate() {
        let right = z.len().min(left + (p + 1) * PANEL);
        let units = (left + p * PANEL).min(right)..right;
        panel::finish_forward(simd, f, acc, &mut z[units.clone()], &mut a[units]);
    }
}

kernel! {
    /// dx = (delta w^T) ⊙ f'(z), where a = f(z), or z where f needs it: one dot product over the units for each input; tiny results become 0.
    ///
    /// The dot products are summed lane by lane: another order than [`crate::product`].
    pub(crate) fn input_gradient<'a>(simd, d: Dims, delta: &'a [f32], w: &'a [f32], below: Option<(Nonlinearity, &'a [f32])>, dx: &'a mut [f32]) {
        panel::with_vectors!(S, V, {
            for s in 0..d.n {
                let delta = &delta[s * d.m..(s + 1) * d.m];
                let dx = &mut dx[s * d.k..(s + 1) * d.k];
                for (i, dx) in dx.iter_mut().enumerate() {
                    let mut sums: Panel<S, V> = [simd.splat_f32s(0.0); V];
                    for (p, delta) in delta.chunks(PANEL).enumerate() {
                        let delta: Panel<S, V> = panel::load_part(simd, delta);
                        let row: Panel<S, V> = panel::load(simd, &w[(p * d.k + i) * PANEL..][..PANEL]);
                        for ((sum, delta), w) in sums.iter_mut().zip(delta).zip(row) {
                            *sum = mul_add(simd, delta, w, *sum);
                        }
                    }
                    let [mut sum, ..] = sums;
                    for &other in &sums[1..] {
                        sum = simd.add_f32s(sum, other);
                    }
                    *dx = simd.reduce_sum_f32s(sum);
                }
                if let Some((f, a)) = below {
                    activation::times_derivative_in(simd, f, &a[s * d.k..(s + 1) * d.k], dx);
                }
            }
        });
    }
}

kernel! {
    /// dw = x^T delta, or with `descend` w = w - rate x^T delta, row by row of each panel.
    pub(crate) fn weight_gradient<'a>(simd, d: Dims, x: &'a [f32], delta: &'a [f32], descend: Option<f32>, w: &'a mut [f32]) {
        panel::with_vectors!(S, V, {
            for (p, panel) in w.chunks_exact_mut((d.k * PANEL).max(1)).take(d.m.div_ceil(PANEL)).enumerate() {
                let units = p * PANEL..d.m.min((p + 1) * PANEL);
                for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let mut sums: Panel<S, V> = [simd.splat_f32s(0.0); V];
                    for s in 0..d.n {
                        let x = simd.splat_f32s(x[s * d.k + i]);
                        let delta: Panel<S, V> = panel::load_part(simd, &delta[s * d.m..][units.clone()]);
                        for (sum, delta) in sums.iter_mut().zip(delta) {
                            *sum = mul_add(simd, x, delta, *sum);
                        }
                    }
                    panel::finish_gradient(simd, sums, descend, row);
                }
            }
        });
    }
}
