//! The products of a dense layer: forward, and backward for inputs, weights and bias, in f32 and f64.
//!
//! Weights are kept *by input, in panels of 16 units*: `w (k, m)` lies as panel 0, row 0 (units 0 to 15 of input 0), row 1, …,
//! then panel 1; units beyond m are 0. A row of a panel is one cache line of f32. A sample's forward pass and its weight
//! gradient touch only the rows of its nonzero inputs, and the packed product needs no other copy.
//!
//! ```text
//!             panel 0 (units 0-15)   panel 1 (units 16-31)
//!  input 0   [ 0 … 15 ]             [ 16k … 16k + 15 ]
//!  input 1   [ 16 … 31 ]            …
//! ```
//!
//! f32 goes row by row for a few samples (`rows.rs`), else to the packed product ([`crate::product`]); f64, which explains
//! and checks, goes to plain loops and the `gemm` crate (`double.rs`). Work is split over outputs only: the bits do not depend on
//! the number of threads.
//!
//! Letters: `n` samples, `k` inputs, `m` units. All matrices are row-major.

use crate::activation::{self, Nonlinearity};
use crate::pool::{self, Shared};
use crate::product::{self, Finish, Lies, MOST_DESCENDED, Matrix, Split, Start};
use crate::sparse::{self, Entries, Samples, SparseRows};
use crate::{Real, bf16, rows, simd};
use std::ops::Range;

/// Units of a panel.
pub const PANEL: usize = 16;

/// The largest batch that is computed sample by sample, and for which the input gradient sums lane by lane.
pub const ROWWISE_BATCH: usize = 4;

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
    /// Numbers of w, padding included.
    pub fn weights(self) -> usize {
        // Saturating, here and below: sizes that overflow need more than anybody has.
        self.k.saturating_mul(self.m.next_multiple_of(PANEL))
    }

    /// # Panics
    /// If these are fewer numbers of x, w and z than a layer has.
    pub(crate) fn check(self, what: &str, x: usize, w: usize, z: usize) {
        let Self { n, k, m } = self;
        let fit = x >= n.saturating_mul(k) && w >= self.weights() && z >= n.saturating_mul(m);
        assert!(fit, "{what}: short buffer for {self:?}");
    }
}

/// Units below which the input gradient is split over samples.
const NARROW: usize = 64;

/// The largest batch whose products update weights directly ([`Into::Descent`]).
pub const LARGEST_DESCENT: usize = MOST_DESCENDED;

/// How products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// The most threads that a product is split over; the bits do not depend on it.
    pub threads: usize,
    /// Whether operands of dense f32 products of more than a few samples are rounded to bf16 ([`crate::bf16`]).
    pub bf16: bool,
}

impl From<usize> for How {
    /// In full precision on up to this many threads.
    fn from(threads: usize) -> Self {
        Self { threads: threads.clamp(1, crate::pool::MAX_PARTS), bf16: false }
    }
}

/// The inputs of a layer for n samples.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, T> {
    /// `(n, k)`, row after row.
    Dense(&'a [T]),
    /// These samples of lists of nonzero inputs: the first layer of f32. (f64 widens them first.)
    Sparse(&'a SparseRows, &'a [usize]),
}

impl<'a, T> From<&'a [T]> for Input<'a, T> {
    fn from(x: &'a [T]) -> Self {
        Self::Dense(x)
    }
}

impl<'a, T> From<&'a Vec<T>> for Input<'a, T> {
    fn from(x: &'a Vec<T>) -> Self {
        Self::Dense(x)
    }
}

impl<T> Input<'_, T> {
    /// Numbers it stands for: of lists, which check themselves, as many as `d` needs.
    fn numbers(&self, d: Dims) -> usize {
        match self {
            Self::Dense(x) => x.len(),
            Self::Sparse(..) => d.n * d.k,
        }
    }

    /// Number of samples, of `k` inputs each.
    pub fn samples(&self, k: usize) -> usize {
        match self {
            Self::Dense(x) => x.len() / k,
            Self::Sparse(_, samples) => samples.len(),
        }
    }
}

/// What is done with a weight gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Into {
    /// dw is stored: the matrix holds gradients.
    Gradient,
    /// w = w - rate dw: the matrix holds the weights themselves.
    Descent(f64),
}

/// z = x w + b and, where `f` is given, a = f(z); for `x (n, k)`, `z` and `a (n, m)` and a bias of `m`, 1 (shared) or 0
/// (none) numbers.
///
/// # Panics
/// If a slice is shorter than its shape, or the bias has another length.
#[allow(clippy::too_many_arguments)]
pub fn forward<'x, T: Real>(
    d: Dims,
    x: impl std::convert::Into<Input<'x, T>>,
    w: &[T],
    bias: &[T],
    f: Option<Nonlinearity>,
    z: &mut [T],
    a: &mut [T],
    how: impl std::convert::Into<How>,
) {
    let x = x.into();
    d.check("forward", x.numbers(d), w.len(), z.len().min(a.len()));
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "forward: bias of another length");
    T::forward(d, x, w, bias, f, &mut z[..d.n * d.m], &mut a[..d.n * d.m], how.into());
}

/// [`forward`] of one sample in f32, its units split over threads: for weights that stay as they are, so that each core keeps
/// its own in cache. Where steps change them, they would go from core to core.
///
/// With `nonzeros`, which has room for k numbers, inputs of 0 are left out if they are at least a quarter: the same bits, but for the
/// sign of a sum of 0, if the weights are finite.
///
/// # Panics
/// As [`forward`], or if `d` is not of one sample, or `nonzeros` has too little room, or k exceeds [`Entries::LONGEST`] with it.
#[allow(clippy::too_many_arguments)] // as there
pub fn forward_one(
    d: Dims,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    f: Option<Nonlinearity>,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
    nonzeros: Option<&mut Entries>,
) {
    assert_eq!(d.n, 1, "forward_one: one sample");
    d.check("forward_one", x.len(), w.len(), z.len().min(a.len()));
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "forward_one: bias of another length");
    let f = f.unwrap_or(Nonlinearity::Identity);
    rows::forward_shared(d, &x[..d.k], w, bias, f, &mut z[..d.m], &mut a[..d.m], threads, nonzeros);
}

/// dx = delta w^T, with `below` = (f, a) times f'(z) where a = f(z) `(n, k)`, or z where f needs it ([`Nonlinearity::needs_z`]); for
/// `delta (n, m)`, `dx (n, k)`.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn input_gradient<T: Real>(
    d: Dims,
    delta: &[T],
    w: &[T],
    below: Option<(Nonlinearity, &[T])>,
    dx: &mut [T],
    how: impl std::convert::Into<How>,
) {
    d.check("input_gradient", dx.len(), w.len(), delta.len());
    let below = below.map(|(f, a)| (f, &a[..d.n * d.k]));
    T::input_gradient(d, &delta[..d.n * d.m], w, below, &mut dx[..d.n * d.k], how.into());
}

/// dw = x^T delta, for `x (n, k)`, `delta (n, m)`, `dw (k, m)` in panels; overwrites `dw`, or with [`Into::Descent`] updates the
/// weights that it then holds. Padding stays 0.
///
/// # Panics
/// If a slice is shorter than its shape, or a batch of more than [`LARGEST_DESCENT`] samples is to update weights.
pub fn weight_gradient<'x, T: Real>(
    d: Dims,
    x: impl std::convert::Into<Input<'x, T>>,
    delta: &[T],
    into: Into,
    dw: &mut [T],
    how: impl std::convert::Into<How>,
) {
    let x = x.into();
    d.check("weight_gradient", x.numbers(d), dw.len(), delta.len());
    T::weight_gradient(d, x, &delta[..d.n * d.m], into, dw, how.into());
}

/// db(j) = sum over the batch of delta(., j), for `delta (n, m)` and a bias of `m`, 1 (shared: the sum over its
/// units too) or 0 (none) numbers; overwrites `db`. Each thread sums the units that it owns in the products.
///
/// # Panics
/// If `delta` is shorter than its shape, or the bias has another length.
pub fn bias_gradient<T: Real>(d: Dims, delta: &[T], db: &mut [T], threads: usize) {
    /// Numbers of delta from which another thread helps: some microseconds of one.
    const PARALLEL_FROM: usize = 1 << 15;
    let delta = &delta[..d.n * d.m];
    assert!(matches!(db.len(), 0 | 1) || db.len() == d.m, "bias_gradient: bias of another length");
    match db.len() {
        0 => {}
        1 => db[0] = delta.iter().copied().sum(),
        _ => {
            let most = if delta.len() < PARALLEL_FROM { 1 } else { d.m.div_ceil(PANEL).min(pool::MAX_PARTS) };
            let parts = threads.clamp(1, most);
            let db = Shared::new(db);
            pool::run(parts, |part| {
                let units = pool::share(d.m, PANEL, part, parts);
                // SAFETY: parts have units of their own, of the m that there are.
                let db = unsafe { std::slice::from_raw_parts_mut(db.get().add(units.start), units.len()) };
                sum_rows(delta, d.m, units, db);
            });
        }
    }
}

/// sums(j) = sum of the rows at `columns`.
fn sum_rows<T: Real>(rows: &[T], width: usize, columns: Range<usize>, sums: &mut [T]) {
    sums.fill(T::default());
    simd::vectorized(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(width) {
                for (sum, &value) in sums.iter_mut().zip(&row[columns.clone()]) {
                    *sum += value;
                }
            }
        },
    );
}

/// The products, and softmax, as each number type computes them.
pub trait Products: Sized {
    /// See [`forward`].
    #[allow(clippy::too_many_arguments)]
    fn forward(
        d: Dims,
        x: Input<Self>,
        w: &[Self],
        bias: &[Self],
        f: Option<Nonlinearity>,
        z: &mut [Self],
        a: &mut [Self],
        how: How,
    );
    /// See [`input_gradient`].
    fn input_gradient(
        d: Dims,
        delta: &[Self],
        w: &[Self],
        below: Option<(Nonlinearity, &[Self])>,
        dx: &mut [Self],
        how: How,
    );
    /// See [`weight_gradient`].
    fn weight_gradient(d: Dims, x: Input<Self>, delta: &[Self], into: Into, dw: &mut [Self], how: How);
    /// a(j) = e^(z(j) - max z) / sum for each row of `units` numbers, without overflow.
    fn softmax(z: &[Self], a: &mut [Self], units: usize);
}

impl Products for f32 {
    fn forward(
        d: Dims,
        x: Input<f32>,
        w: &[f32],
        bias: &[f32],
        f: Option<Nonlinearity>,
        z: &mut [f32],
        a: &mut [f32],
        how: How,
    ) {
        let f = f.unwrap_or(Nonlinearity::Identity);
        let x = match x {
            Input::Sparse(rows, samples) => {
                return sparse::forward(Samples::Rows(rows, samples), d, w, bias, f, z, a, how.threads);
            }
            Input::Dense(x) => x,
        };
        if d.n <= ROWWISE_BATCH {
            return rows::forward(d, x, w, bias, f, z, a);
        }
        if how.bf16 {
            return bf16::forward(d, x, w, bias, Some(f), z, a, how.threads);
        }
        let start = if bias.is_empty() { Start::Zero } else { Start::Bias(bias) };
        let split = if d.m >= 32 * how.threads || d.m >= d.n { Split::Columns } else { Split::Rows };
        let (x, w) = (Matrix::Rows(x, d.k), Matrix::Panels(w, d.k));
        let finish = Finish::Activate(f, a);
        product::multiply((d.n, d.k, d.m), x, w, z, Lies::Rows(d.m), start, finish, split, how.threads);
    }

    fn input_gradient(
        d: Dims,
        delta: &[f32],
        w: &[f32],
        below: Option<(Nonlinearity, &[f32])>,
        dx: &mut [f32],
        how: How,
    ) {
        if d.n <= ROWWISE_BATCH {
            return rows::input_gradient(d, delta, w, below, dx);
        }
        if how.bf16 {
            return bf16::input_gradient(d, delta, w, below, dx, how.threads);
        }
        let finish = below.map_or(Finish::Store, |(f, a)| Finish::TimesDerivative(f, a));
        // Behind a narrow layer w is small: each thread reads it all, and writes whole rows of dx (W5: 1 % faster).
        let wide = d.k >= 32 * how.threads || d.k >= d.n;
        let split = if wide && d.m >= NARROW { Split::Columns } else { Split::Rows };
        let (delta, w) = (Matrix::Rows(delta, d.m), Matrix::TransposedPanels(w, d.k));
        let (sizes, lies) = ((d.n, d.m, d.k), Lies::Rows(d.k));
        product::multiply(sizes, delta, w, dx, lies, Start::Zero, finish, split, how.threads);
    }

    fn weight_gradient(d: Dims, x: Input<f32>, delta: &[f32], into: Into, dw: &mut [f32], how: How) {
        let x = match x {
            Input::Sparse(rows, samples) => {
                return match into {
                    Into::Descent(rate) => {
                        sparse::descend(rows, samples, d, delta, rate as f32, dw, how.threads);
                    }
                    Into::Gradient => sparse::weight_gradient(rows, samples, d, delta, dw, how.threads),
                };
            }
            Input::Dense(x) => x,
        };
        if d.n <= ROWWISE_BATCH {
            let rate = match into {
                Into::Gradient => None,
                Into::Descent(rate) => Some(rate as f32),
            };
            return rows::weight_gradient(d, x, delta, rate, dw);
        }
        if how.bf16 {
            return bf16::weight_gradient(d, x, delta, into, dw, how.threads);
        }
        let finish = match into {
            Into::Gradient => Finish::Store,
            Into::Descent(rate) => Finish::Descend(rate as f32),
        };
        let split = if d.m >= 32 * how.threads { Split::Columns } else { Split::Rows };
        let (x, delta) = (Matrix::Columns(x, d.k), Matrix::Rows(delta, d.m));
        product::multiply(
            (d.k, d.n, d.m),
            x,
            delta,
            dw,
            Lies::Panels(d.k),
            Start::Zero,
            finish,
            split,
            how.threads,
        );
    }

    fn softmax(z: &[f32], a: &mut [f32], units: usize) {
        activation::softmax(z, a, units);
    }
}
