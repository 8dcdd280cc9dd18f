//! The kernels as their equations read: plain loops, no tricks. The reference that tests compare with.
//!
//! Letters: `n` samples, `k` inputs, `m` units. Matrices are row-major, weights in panels of 16 units ([`crate::dense`]), of
//! which only the units are read and written, never the padding. The sparse kernels have the dense ones' twins.

mod descent;

pub use descent::descent;

use crate::Real;
use crate::activation::Nonlinearity;
use crate::dense::{Dims, Into, PANEL};
use crate::product::{Finish, Lies, Matrix, Start};

/// Where w(i, j) lies in panels of `k` rows.
pub fn panel_index(k: usize, i: usize, j: usize) -> usize {
    j / PANEL * PANEL * k + i * PANEL + j % PANEL
}

/// `w (k, m)` from row-major to panels; the padding is 0.
pub fn to_panels<T: Real>(k: usize, m: usize, w: &[T]) -> Vec<T> {
    let mut panels = vec![T::default(); k * m.next_multiple_of(PANEL)];
    for i in 0..k {
        for j in 0..m {
            panels[panel_index(k, i, j)] = w[i * m + j];
        }
    }
    panels
}

/// `w (k, m)` from panels to row-major.
pub fn from_panels<T: Real>(k: usize, m: usize, panels: &[T]) -> Vec<T> {
    (0..k * m).map(|at| panels[panel_index(k, at / m, at % m)]).collect()
}

/// The bias of unit `j`: one for each unit, one for all, or none.
fn bias_of<T: Real>(bias: &[T], j: usize) -> T {
    match bias {
        [] => T::default(),
        [one] => *one,
        _ => bias[j],
    }
}

/// z(s, j) = sum_i x(s, i) w(i, j) + b(j) and a = f(z), where `f` is given.
#[allow(clippy::too_many_arguments)] // as the kernel
pub fn forward<T: Real>(
    d: Dims,
    x: &[T],
    w: &[T],
    bias: &[T],
    f: Option<Nonlinearity>,
    z: &mut [T],
    a: &mut [T],
) {
    for s in 0..d.n {
        for j in 0..d.m {
            let mut sum = bias_of(bias, j);
            for i in 0..d.k {
                sum += x[s * d.k + i] * w[panel_index(d.k, i, j)];
            }
            z[s * d.m + j] = sum;
            if let Some(f) = f {
                a[s * d.m + j] = T::from_f64(f.value_f64(sum.to_f64()));
            }
        }
    }
}

/// dx(s, i) = f'(z(s, i)) sum_j delta(s, j) w(i, j): BP2, over the units that input i feeds; `below` is (f, a = f(z)), or (f, z) where f needs it.
pub fn input_gradient<T: Real>(
    d: Dims,
    delta: &[T],
    w: &[T],
    below: Option<(Nonlinearity, &[T])>,
    dx: &mut [T],
) {
    for s in 0..d.n {
        for i in 0..d.k {
            let sum: T = (0..d.m).map(|j| delta[s * d.m + j] * w[panel_index(d.k, i, j)]).sum();
            let slope = below.map_or(1.0, |(f, a)| f.derivative_f64(a[s * d.k + i].to_f64()));
            dx[s * d.k + i] = sum * T::from_f64(slope);
        }
    }
}

/// dw(i, j) = sum_s x(s, i) delta(s, j): BP4, summed over the batch; or w(i, j) = w(i, j) - rate dw(i, j).
pub fn weight_gradient<T: Real>(d: Dims, x: &[T], delta: &[T], into: Into, dw: &mut [T]) {
    for i in 0..d.k {
        for j in 0..d.m {
            let sum: T = (0..d.n).map(|s| x[s * d.k + i] * delta[s * d.m + j]).sum();
            let out = &mut dw[panel_index(d.k, i, j)];
            *out = match into {
                Into::Gradient => sum,
                Into::Descent(rate) => *out - T::from_f64(rate) * sum,
            };
        }
    }
}

/// db(j) = sum_s delta(s, j): BP3, summed over the batch; one shared bias takes the sum over units, too.
pub fn bias_gradient<T: Real>(d: Dims, delta: &[T], db: &mut [T]) {
    let m = d.m;
    match db.len() {
        0 => {}
        1 => db[0] = delta[..d.n * m].iter().copied().sum(),
        _ => {
            for (j, out) in db.iter_mut().enumerate() {
                *out = (0..d.n).map(|s| delta[s * m + j]).sum();
            }
        }
    }
}

/// Entry (i, j) of `matrix`.
fn entry(matrix: &Matrix, i: usize, j: usize) -> f32 {
    match *matrix {
        Matrix::Rows(data, width) => data[i * width + j],
        Matrix::Columns(data, height) => data[j * height + i],
        Matrix::Panels(data, height) => data[panel_index(height, i, j)],
        Matrix::TransposedPanels(data, width) => data[panel_index(width, j, i)],
    }
}

/// c(i, j) = start(j) + sum_p a(i, p) b(p, j), then what `finish` says; `sizes` are (rows, inner, columns).
pub fn multiply(
    sizes: (usize, usize, usize),
    a: Matrix,
    b: Matrix,
    c: &mut [f32],
    lies: Lies,
    start: Start,
    mut finish: Finish,
) {
    let (rows, inner, columns) = sizes;
    for i in 0..rows {
        for j in 0..columns {
            let mut sum = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias_of(bias, j),
            };
            for p in 0..inner {
                sum += entry(&a, i, p) * entry(&b, p, j);
            }
            let at = match lies {
                Lies::Rows(width) => i * width + j,
                Lies::Panels(height) => panel_index(height, i, j),
            };
            c[at] = match &mut finish {
                Finish::Store => sum,
                Finish::Activate(f, a) => {
                    a[at] = f.value_f64(f64::from(sum)) as f32;
                    sum
                }
                Finish::TimesDerivative(f, a) => sum * f.derivative_f64(f64::from(a[at])) as f32,
                Finish::Descend(rate) => c[at] - *rate * sum,
            };
        }
    }
}

/// a = f(z), in f64 until the end.
pub fn activate(f: Nonlinearity, z: &[f32], a: &mut [f32]) {
    for (a, &z) in a.iter_mut().zip(z) {
        *a = f.value_f64(f64::from(z)) as f32;
    }
}

/// delta = delta ⊙ f'(z), from a = f(z), or z where f needs it, in f64 until the end.
pub fn times_derivative(f: Nonlinearity, a: &[f32], delta: &mut [f32]) {
    for (delta, &a) in delta.iter_mut().zip(a) {
        *delta = (f64::from(*delta) * f.derivative_f64(f64::from(a))) as f32;
    }
}

/// a(j) = e^(z(j) - max z) / sum_i e^(z(i) - max z) for each row of `units` numbers, in f64 until the end.
pub fn softmax(z: &[f32], a: &mut [f32], units: usize) {
    for (z, a) in z.chunks_exact(units).zip(a.chunks_exact_mut(units)) {
        let max = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = z.iter().map(|&z| (f64::from(z) - max).exp()).sum();
        for (a, &z) in a.iter_mut().zip(z) {
            *a = ((f64::from(z) - max).exp() / sum) as f32;
        }
    }
}
