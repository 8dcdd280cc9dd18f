//! The products of a dense layer: forward, and backward for inputs, weights and bias.
//!
//! Weights are kept *by input*, `w (k, m)`: a sample's forward pass and its weight gradient touch only the
//! rows of its nonzero inputs, one short contiguous row each.
//!
//! Batches of up to [`ROWWISE_BATCH`] samples go row by row over those nonzero inputs; larger ones go to the
//! `gemm` crate. Both split work over outputs only, so the bits do not depend on the number of threads.
//!
//! Letters: `n` samples, `k` inputs, `m` units. All matrices are row-major.

use crate::Real;
use crate::simd::per_level;
use gemm::Parallelism;
use std::any::TypeId;

/// The largest batch that is computed sample by sample.
pub const ROWWISE_BATCH: usize = 4;

/// Multiply-adds from which a second thread pays off (measured: below, waking it costs more than it does).
const PARALLEL_FROM: usize = 1 << 20;

/// Sizes of one layer's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Samples in the batch.
    pub n: usize,
    /// Inputs of the layer.
    pub k: usize,
    /// Units of the layer.
    pub m: usize,
}

impl Dims {
    fn parallelism(self, threads: usize) -> Parallelism {
        if threads > 1 && self.n * self.k * self.m >= PARALLEL_FROM {
            Parallelism::Rayon(threads)
        } else {
            Parallelism::None
        }
    }
}

/// z = x w + b, for `x (n, k)`, `w (k, m)`, `z (n, m)` and a bias of `m`, 1 (shared) or 0 (none) numbers.
///
/// # Panics
/// If a slice is shorter than its shape, or the bias has another length.
pub fn forward<T: Real>(d: Dims, x: &[T], w: &[T], bias: &[T], z: &mut [T], threads: usize) {
    let Dims { n, k, m } = d;
    assert!(x.len() >= n * k && w.len() >= k * m && z.len() >= n * m, "forward: short buffer");
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == m, "forward: bias of another length");
    let z = &mut z[..n * m];
    match bias.len() {
        0 => z.fill(T::default()),
        1 => z.fill(bias[0]),
        _ => z.chunks_exact_mut(m).for_each(|row| row.copy_from_slice(bias)),
    }
    if n <= ROWWISE_BATCH {
        forward_rows(d, x, w, z);
    } else {
        let (ld_x, ld_w) = ((k, 1), (m, 1));
        product((n, k, m), z, true, x, ld_x, w, ld_w, d.parallelism(threads));
    }
}

/// dx = delta w^T, for `delta (n, m)`, `w (k, m)`, `dx (n, k)`.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn input_gradient<T: Real>(d: Dims, delta: &[T], w: &[T], dx: &mut [T], threads: usize) {
    let Dims { n, k, m } = d;
    assert!(delta.len() >= n * m && w.len() >= k * m && dx.len() >= n * k, "input_gradient: short buffer");
    if n <= ROWWISE_BATCH {
        input_gradient_rows(d, delta, w, dx);
    } else {
        product((n, m, k), dx, false, delta, (m, 1), w, (1, m), d.parallelism(threads));
    }
}

/// dw = x^T delta, for `x (n, k)`, `delta (n, m)`, `dw (k, m)`; overwrites `dw`.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn weight_gradient<T: Real>(d: Dims, x: &[T], delta: &[T], dw: &mut [T], threads: usize) {
    let Dims { n, k, m } = d;
    assert!(x.len() >= n * k && delta.len() >= n * m && dw.len() >= k * m, "weight_gradient: short buffer");
    if n <= ROWWISE_BATCH {
        weight_gradient_rows(d, x, delta, dw);
    } else {
        product((k, n, m), dw, false, x, (1, k), delta, (m, 1), d.parallelism(threads));
    }
}

/// db(j) = sum over the batch of delta(., j), for `delta (n, m)` and a bias of `m`, 1 (shared: the sum over its
/// units too) or 0 (none) numbers; overwrites `db`.
///
/// # Panics
/// If `delta` is shorter than its shape, or the bias has another length.
pub fn bias_gradient<T: Real>(d: Dims, delta: &[T], db: &mut [T]) {
    let delta = &delta[..d.n * d.m];
    assert!(matches!(db.len(), 0 | 1) || db.len() == d.m, "bias_gradient: bias of another length");
    match db.len() {
        0 => {}
        1 => db[0] = delta.iter().copied().sum(),
        _ => {
            db.fill(T::default());
            for row in delta.chunks_exact(d.m) {
                for (sum, &value) in db.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
    }
}

per_level! {
    /// z += x w, sample by sample over nonzero inputs; each z is summed in the order of the inputs.
    pub(crate) fn forward_rows<T: Real>(d: Dims, x: &[T], w: &[T], z: &mut [T]) {
        let zero = T::default();
        for s in 0..d.n {
            let z = &mut z[s * d.m..(s + 1) * d.m]; // (m)
            for (i, &value) in x[s * d.k..(s + 1) * d.k].iter().enumerate() {
                if value != zero {
                    for (sum, &weight) in z.iter_mut().zip(&w[i * d.m..(i + 1) * d.m]) {
                        *sum += value * weight;
                    }
                }
            }
        }
    }
}

per_level! {
    /// dx = delta w^T, sample by sample: one dot product over the units per input.
    pub(crate) fn input_gradient_rows<T: Real>(d: Dims, delta: &[T], w: &[T], dx: &mut [T]) {
        for s in 0..d.n {
            let delta = &delta[s * d.m..(s + 1) * d.m]; // (m)
            for (i, out) in dx[s * d.k..(s + 1) * d.k].iter_mut().enumerate() {
                *out = dot(delta, &w[i * d.m..(i + 1) * d.m]);
            }
        }
    }
}

per_level! {
    /// dw = x^T delta: rows of zero inputs stay zero; each entry is summed in the order of the samples.
    pub(crate) fn weight_gradient_rows<T: Real>(d: Dims, x: &[T], delta: &[T], dw: &mut [T]) {
        let zero = T::default();
        dw[..d.k * d.m].fill(zero);
        for s in 0..d.n {
            let delta = &delta[s * d.m..(s + 1) * d.m]; // (m)
            for (i, &value) in x[s * d.k..(s + 1) * d.k].iter().enumerate() {
                if value != zero {
                    for (sum, &error) in dw[i * d.m..(i + 1) * d.m].iter_mut().zip(delta) {
                        *sum += value * error;
                    }
                }
            }
        }
    }
}

/// Sum of products in eight interleaved partial sums: the same order, so the same bits, at every vector width.
#[inline(always)]
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: T = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(&a, &b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let [p, q, r, s, t, u, v, w] = lanes;
    ((p + t) + (r + v)) + ((q + u) + (s + w)) + tail
}

/// c (+)= a b through the `gemm` crate: `a (rows, inner)`, `b (inner, columns)` with their (row, column) strides.
#[allow(clippy::too_many_arguments)]
fn product<T: Real>(
    (rows, inner, columns): (usize, usize, usize),
    c: &mut [T],
    add: bool,
    a: &[T],
    stride_a: (usize, usize),
    b: &[T],
    stride_b: (usize, usize),
    parallelism: Parallelism,
) {
    assert!(c.len() >= rows * columns && a.len() >= rows * inner && b.len() >= inner * columns);
    if TypeId::of::<T>() != TypeId::of::<f32>() && TypeId::of::<T>() != TypeId::of::<f64>() {
        unreachable!("Real is sealed: f32 and f64 only");
    }
    if rows * columns == 0 {
        return;
    }
    if inner == 0 {
        if !add {
            c[..rows * columns].fill(T::default());
        }
        return;
    }
    let one = T::from_f64(1.0);
    // SAFETY: T is f32 or f64, which `gemm` knows. The strides describe dense row- or column-major matrices of
    // the stated sizes, which the assertion above has checked to lie within the slices. `c` is borrowed
    // exclusively, so it overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            c.as_mut_ptr(),
            1,
            columns as isize,
            add,
            a.as_ptr(),
            stride_a.1 as isize,
            stride_a.0 as isize,
            b.as_ptr(),
            stride_b.1 as isize,
            stride_b.0 as isize,
            one,
            one,
            false,
            false,
            false,
            parallelism,
        );
    }
}
