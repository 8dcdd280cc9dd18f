//! One row of a panel: 16 numbers as one, two or four vectors of this CPU.

use crate::activation::Nonlinearity;
use crate::dense::PANEL;
use crate::simd::mul_add;
use pulp::Simd;

/// 16 numbers in V vectors.
pub(crate) type Panel<S, const V: usize> = [<S as Simd>::f32s; V];

/// Binds `$v` to the number of vectors in a row of a panel, as a constant, for the body.
macro_rules! with_vectors {
    ($s:ident, $v:ident, $body:block) => {
        match $s::F32_LANES {
            16 => {
                const $v: usize = 1;
                $body
            }
            8 => {
                const $v: usize = 2;
                $body
            }
            _ => {
                const $v: usize = 4;
                $body
            }
        }
    };
}
pub(crate) use with_vectors;

/// A row of 16 numbers.
#[inline(always)]
pub(crate) fn load<S: Simd, const V: usize>(simd: S, row: &[f32]) -> Panel<S, V> {
    let mut panel = [simd.splat_f32s(0.0); V];
    for (to, &from) in panel.iter_mut().zip(S::as_simd_f32s(&row[..PANEL]).0) {
        *to = from;
    }
    panel
}

/// Up to 16 numbers, filled up with zeros.
#[inline(always)]
pub(crate) fn load_part<S: Simd, const V: usize>(simd: S, numbers: &[f32]) -> Panel<S, V> {
    if numbers.len() >= PANEL {
        return load(simd, numbers);
    }
    let mut panel = [simd.splat_f32s(0.0); V];
    for (to, piece) in panel.iter_mut().zip(numbers.chunks(S::F32_LANES)) {
        *to = simd.partial_load_f32s(piece);
    }
    panel
}

/// Stores a row of 16 numbers.
#[inline(always)]
pub(crate) fn store<S: Simd, const V: usize>(row: &mut [f32], panel: Panel<S, V>) {
    for (to, from) in S::as_mut_simd_f32s(&mut row[..PANEL]).0.iter_mut().zip(panel) {
        *to = from;
    }
}

/// Stores as many numbers as there is room for.
#[inline(always)]
pub(crate) fn store_part<S: Simd, const V: usize>(simd: S, numbers: &mut [f32], panel: Panel<S, V>) {
    if numbers.len() >= PANEL {
        return store::<S, V>(numbers, panel);
    }
    for (piece, from) in numbers.chunks_mut(S::F32_LANES).zip(panel) {
        simd.partial_store_f32s(piece, from);
    }
}

/// The biases of the panel that begins with unit `left`: one for each unit, one for all, or none.
#[inline(always)]
pub(crate) fn bias<S: Simd, const V: usize>(simd: S, bias: &[f32], left: usize) -> Panel<S, V> {
    match bias {
        [] => [simd.splat_f32s(0.0); V],
        [one] => [simd.splat_f32s(*one); V],
        _ => load_part(simd, &bias[left.min(bias.len())..bias.len().min(left + PANEL)]),
    }
}

/// Stores as many of the z of a panel as there is room for, and a = f(z).
#[inline(always)]
pub(crate) fn finish_forward<S: Simd, const V: usize>(
    simd: S,
    f: Nonlinearity,
    mut values: Panel<S, V>,
    z: &mut [f32],
    a: &mut [f32],
) {
    store_part(simd, z, values);
    for value in &mut values {
        *value = f.value(simd, *value);
    }
    store_part(simd, a, values);
}

/// A row of the weight gradient is stored, or with `descend` a row of weights updated: w = w - rate sum.
#[inline(always)]
pub(crate) fn finish_gradient<S: Simd, const V: usize>(
    simd: S,
    sums: Panel<S, V>,
    descend: Option<f32>,
    row: &mut [f32],
) {
    let Some(rate) = descend else { return store::<S, V>(row, sums) };
    let mut new: Panel<S, V> = load(simd, row);
    for (w, sum) in new.iter_mut().zip(sums) {
        *w = mul_add(simd, simd.splat_f32s(-rate), sum, *w);
    }
    store::<S, V>(row, new);
}
