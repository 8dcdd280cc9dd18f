//! The products of a dense layer in f64, which explains and checks: plain loops for a few samples, else the `gemm` crate, panel
//! by panel.
//!
//! The loops neither fuse a multiplication with an addition nor reorder a sum: the same bits at every [`crate::simd::Level`].

use crate::activation::Nonlinearity;
use crate::dense::{Dims, How, Input, Into, PANEL, Products, ROWWISE_BATCH};
use crate::pool::{self, Shared};
use crate::product::PARALLEL_FROM;
use crate::simd::kernel;
use std::borrow::Cow;

impl Products for f64 {
    fn forward(
        d: Dims,
        x: Input<f64>,
        w: &[f64],
        bias: &[f64],
        f: Option<Nonlinearity>,
        z: &mut [f64],
        a: &mut [f64],
        how: How,
    ) {
        let x = &*widened(x);
        match bias.len() {
            0 => z.fill(0.0),
            1 => z.fill(bias[0]),
            _ => z.chunks_exact_mut(d.m).for_each(|row| row.copy_from_slice(bias)),
        }
        if d.n <= ROWWISE_BATCH {
            forward_rows(d, x, w, z);
        } else {
            for (p, w) in panels(d, w) {
                let units = (d.m - p * PANEL).min(PANEL);
                let (x, w) = ((x, (d.k, 1)), (w, (PANEL, 1)));
                product((d.n, d.k, units), x, w, (1.0, 1.0), &mut z[p * PANEL..], d.m, how.threads);
            }
        }
        if let Some(f) = f {
            a.iter_mut().zip(&*z).for_each(|(a, &z)| *a = f.value_f64(z));
        }
    }

    fn input_gradient(
        d: Dims,
        delta: &[f64],
        w: &[f64],
        below: Option<(Nonlinearity, &[f64])>,
        dx: &mut [f64],
        how: How,
    ) {
        if d.n <= ROWWISE_BATCH {
            input_gradient_rows(d, delta, w, dx);
        } else {
            if d.m == 0 {
                dx.fill(0.0);
            }
            for (p, w) in panels(d, w) {
                let units = (d.m - p * PANEL).min(PANEL);
                let (delta, w) = ((&delta[p * PANEL..], (d.m, 1)), (w, (1, PANEL)));
                let keep = if p == 0 { 0.0 } else { 1.0 };
                product((d.n, units, d.k), delta, w, (keep, 1.0), dx, d.k, how.threads);
            }
        }
        if let Some((f, a)) = below {
            dx.iter_mut().zip(a).for_each(|(dx, &a)| *dx *= f.derivative_f64(a));
        }
    }

    fn weight_gradient(d: Dims, x: Input<f64>, delta: &[f64], into: Into, dw: &mut [f64], how: How) {
        let x = &*widened(x);
        let factors = match into {
            Into::Gradient => (0.0, 1.0),
            Into::Descent(rate) => (1.0, -rate),
        };
        if d.n <= ROWWISE_BATCH {
            weight_gradient_rows(d, x, delta, factors, dw);
        } else {
            for (p, dw) in dw[..d.weights()].chunks_exact_mut((d.k * PANEL).max(1)).enumerate() {
                let units = (d.m - p * PANEL).min(PANEL);
                let delta = (&delta[p * PANEL..], (d.m, 1));
                product((d.k, d.n, units), (x, (1, d.k)), delta, factors, dw, PANEL, how.threads);
            }
        }
    }

    fn softmax(z: &[f64], a: &mut [f64], units: usize) {
        for (z, a) in z.chunks_exact(units).zip(a.chunks_exact_mut(units)) {
            softmax_row(z, a);
        }
    }
}

/// The inputs as rows of numbers. Lists hold f32 and serve f32; they are widened only if somebody asks for it.
fn widened(x: Input<f64>) -> Cow<[f64]> {
    match x {
        Input::Dense(x) => Cow::Borrowed(x),
        Input::Sparse(rows, samples) => {
            let mut row = vec![0.0; rows.inputs()];
            let wide = samples.iter().flat_map(|&sample| {
                rows.write_row(sample, &mut row);
                row.iter().copied().map(f64::from).collect::<Vec<_>>()
            });
            Cow::Owned(wide.collect())
        }
    }
}

/// The panels of w with their numbers.
fn panels(d: Dims, w: &[f64]) -> impl Iterator<Item = (usize, &[f64])> {
    w[..d.weights()].chunks_exact((d.k * PANEL).max(1)).enumerate()
}

/// One row of softmax.
fn softmax_row(z: &[f64], a: &mut [f64]) {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    a.iter_mut().zip(z).for_each(|(a, &z)| *a = (z - max).exp());
    let sum: f64 = a.iter().sum();
    a.iter_mut().for_each(|a| *a /= sum);
}

kernel! {
    /// z += x w, sample by sample over nonzero inputs, in the order of the inputs.
    fn forward_rows<'a>(_simd, d: Dims, x: &'a [f64], w: &'a [f64], z: &'a mut [f64]) {
        for s in 0..d.n {
            let z = &mut z[s * d.m..(s + 1) * d.m];
            for (z, (_, w)) in z.chunks_mut(PANEL).zip(panels(d, w)) {
                let (rows, _) = w.as_chunks::<PANEL>();
                for (&x, w) in x[s * d.k..(s + 1) * d.k].iter().zip(rows) {
                    if x != 0.0 {
                        z.iter_mut().zip(w).for_each(|(z, &w)| *z += x * w);
                    }
                }
            }
        }
    }
}

kernel! {
    /// dx = delta w^T, one dot product over the units for each input.
    fn input_gradient_rows<'a>(_simd, d: Dims, delta: &'a [f64], w: &'a [f64], dx: &'a mut [f64]) {
        for s in 0..d.n {
            let delta = &delta[s * d.m..(s + 1) * d.m];
            let dx = &mut dx[s * d.k..(s + 1) * d.k];
            dx.fill(0.0);
            for (delta, (_, w)) in delta.chunks(PANEL).zip(panels(d, w)) {
                let (rows, _) = w.as_chunks::<PANEL>();
                for (dx, w) in dx.iter_mut().zip(rows) {
                    *dx += delta.iter().zip(w).map(|(&delta, &w)| delta * w).sum::<f64>();
                }
            }
        }
    }
}

kernel! {
    /// dw = keep dw + factor x^T delta; each entry is summed in the order of the samples.
    fn weight_gradient_rows<'a>(_simd, d: Dims, x: &'a [f64], delta: &'a [f64], factors: (f64, f64), dw: &'a mut [f64]) {
        let (keep, factor) = factors;
        for (p, dw) in dw[..d.weights()].chunks_exact_mut((d.k * PANEL).max(1)).enumerate() {
            for (i, dw) in dw.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
                if keep == 0.0 {
                    dw.fill(0.0);
                }
                for s in 0..d.n {
                    let x = factor * x[s * d.k + i];
                    if x != 0.0 {
                        let delta = &delta[s * d.m..(s + 1) * d.m][p * PANEL..];
                        dw.iter_mut().zip(delta).for_each(|(dw, &delta)| *dw += x * delta);
                    }
                }
            }
        }
    }
}

/// c = keep c + factor a b, split over rows of c: `a (rows, inner)`, `b (inner, columns)` with their (row, column) strides.
fn product(
    (rows, inner, columns): (usize, usize, usize),
    (a, strides_a): (&[f64], (usize, usize)),
    (b, strides_b): (&[f64], (usize, usize)),
    (keep, factor): (f64, f64),
    c: &mut [f64],
    stride_c: usize,
    threads: usize,
) {
    let holds = |len: usize, rows: usize, columns: usize, (by_row, by_column): (usize, usize)| {
        rows * columns == 0 || (rows - 1) * by_row + (columns - 1) * by_column < len
    };
    assert!(holds(a.len(), rows, inner, strides_a) && holds(b.len(), inner, columns, strides_b));
    assert!(holds(c.len(), rows, columns, (stride_c, 1)));
    if rows * columns == 0 {
        return;
    }
    if inner == 0 {
        for row in c.chunks_mut(stride_c).take(rows) {
            row[..columns].iter_mut().for_each(|c| *c *= keep);
        }
        return;
    }
    let parts =
        if rows * inner * columns < 2 * PARALLEL_FROM { 1 } else { threads.clamp(1, pool::MAX_PARTS) };
    let c = Shared::new(c);
    pool::run(parts, |part| {
        let rows = pool::share(rows, 8, part, parts);
        if rows.is_empty() {
            return;
        }
        // SAFETY: the strides describe matrices of the stated sizes, which the assertions above have found to lie within
        // the slices; this part writes only its own rows of c, which is borrowed exclusively and overlaps neither a nor b.
        unsafe {
            gemm::gemm(
                rows.len(),
                columns,
                inner,
                c.get().add(rows.start * stride_c),
                1,
                stride_c as isize,
                keep != 0.0,
                a.as_ptr().add(rows.start * strides_a.0),
                strides_a.1 as isize,
                strides_a.0 as isize,
                b.as_ptr(),
                strides_b.1 as isize,
                strides_b.0 as isize,
                keep,
                factor,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
}
