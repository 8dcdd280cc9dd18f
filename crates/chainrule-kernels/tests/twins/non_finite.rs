//! NaN and infinity come out wherever they reach, never a number in their place.

use crate::common::numbers;
use crate::levels::at_every_level;
use chainrule_kernels::activation::{self, Nonlinearity};
use chainrule_kernels::dense::{self, Dims, Into};
use chainrule_kernels::product::{Finish, Lies, Matrix, Split, Start, multiply};
use chainrule_kernels::sparse::{self, Entries, Samples, SparseRows};
use chainrule_kernels::{Real, naive};

const F: [Nonlinearity; 9] = [
    Nonlinearity::Identity,
    Nonlinearity::Sigmoid,
    Nonlinearity::Tanh,
    Nonlinearity::Relu,
    Nonlinearity::LeakyRelu(0.1),
    Nonlinearity::Elu(0.75),
    Nonlinearity::Softplus,
    Nonlinearity::Silu,
    Nonlinearity::Gelu,
];

/// Both kinds of batches (sample by sample, packed), and sums over several blocks.
const SHAPES: [Dims; 5] = [
    Dims { n: 1, k: 17, m: 5 },
    Dims { n: 4, k: 9, m: 70 },
    Dims { n: 5, k: 20, m: 16 },
    Dims { n: 19, k: 530, m: 33 },
    Dims { n: 530, k: 6, m: 41 },
];

/// Exactly the entries for which `expected` holds are NaN.
fn assert_nan<T: Real>(what: &str, columns: usize, got: &[T], expected: impl Fn(usize, usize) -> bool) {
    for (at, value) in got.iter().enumerate() {
        let (i, j) = (at / columns, at % columns);
        assert!(value.to_f64().is_nan() == expected(i, j), "{what} at ({i}, {j}) is {value}");
    }
}

fn dense_spreads_nan<T: Real>(d: Dims, f: Nonlinearity) {
    let Dims { n, k, m } = d;
    let nan = T::from_f64(f64::NAN);
    let ones =
        |count: usize| numbers::<T>(count, 1).iter().map(|v| v.abs() + T::from_f64(0.25)).collect::<Vec<T>>();
    let (clean_x, w, clean_delta) = (ones(n * k), naive::to_panels(k, m, &ones(k * m)), ones(n * m));
    let (bad_s, bad_i, bad_j) = (n - 1, k / 2, m - 1);
    let (mut x, mut delta, mut bad_w, mut bias) = (clean_x.clone(), clean_delta.clone(), w.clone(), ones(m));
    x[bad_s * k + bad_i] = nan;
    delta[bad_s * m + bad_j] = nan;
    bad_w[naive::panel_index(k, bad_i, bad_j)] = nan;
    let (mut z, mut a) = (vec![T::default(); n * m], vec![T::default(); n * m]);
    let (mut dx, mut dw, mut db) =
        (vec![T::default(); n * k], vec![T::default(); w.len()], vec![T::default(); m]);
    for threads in [1, 2] {
        dense::forward(d, &x, &w, &bias, Some(f), &mut z, &mut a, threads);
        assert_nan("z of x", m, &z, |s, _| s == bad_s);
        assert_nan("a of x", m, &a, |s, _| s == bad_s);
        dense::forward(d, &clean_x, &bad_w, &bias, Some(f), &mut z, &mut a, threads);
        assert_nan("z of w", m, &z, |_, j| j == bad_j);
        assert_nan("a of w", m, &a, |_, j| j == bad_j);
        // Slopes are not 0 here: activations are 0.25 and more, and below 1.
        let below = vec![T::from_f64(0.5); n * k];
        dense::input_gradient(d, &delta, &w, Some((f, &below)), &mut dx, threads);
        assert_nan("dx of delta", k, &dx, |s, _| s == bad_s);
        dense::input_gradient(d, &clean_delta, &bad_w, Some((f, &below)), &mut dx, threads);
        assert_nan("dx of w", k, &dx, |_, i| i == bad_i);
        dense::weight_gradient(d, &x, &clean_delta, Into::Gradient, &mut dw, threads);
        assert_nan("dw of x", m, &naive::from_panels(k, m, &dw), |i, _| i == bad_i);
        dense::weight_gradient(d, &clean_x, &delta, Into::Gradient, &mut dw, threads);
        assert_nan("dw of delta", m, &naive::from_panels(k, m, &dw), |_, j| j == bad_j);
        dense::bias_gradient(d, &delta, &mut db, threads);
        assert_nan("db", m, &db, |_, j| j == bad_j);
    }
    bias[0] = nan;
    dense::forward(d, &clean_x, &w, &bias, Some(f), &mut z, &mut a, 1);
    assert_nan("a of b", m, &a, |_, j| j == 0);
}

#[test]
fn dense_products_spread_nan() {
    at_every_level(|_| {
        for d in SHAPES {
            for f in F {
                dense_spreads_nan::<f32>(d, f);
                dense_spreads_nan::<f64>(d, f);
            }
        }
    });
}

#[test]
fn a_product_spreads_nan_and_infinity() {
    at_every_level(|_| {
        for (rows, inner, columns) in [(3, 5, 7), (29, 600, 50), (14, 32, 300)] {
            for (bad, expected) in
                [(f32::NAN, f32::NAN), (f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY)]
            {
                let (mut a, b) = (vec![0.5; rows * inner], vec![0.25; inner * columns]);
                a[(rows - 1) * inner + inner / 2] = bad;
                let mut c = vec![0.0; rows * columns];
                let (a, b) = (Matrix::Rows(&a, inner), Matrix::Rows(&b, columns));
                multiply(
                    (rows, inner, columns),
                    a,
                    b,
                    &mut c,
                    Lies::Rows(columns),
                    Start::Zero,
                    Finish::Store,
                    Split::Rows,
                    2,
                );
                for (at, c) in c.iter().enumerate() {
                    let want = if at / columns == rows - 1 { expected } else { inner as f32 / 8.0 };
                    assert!(*c == want || c.is_nan() && want.is_nan(), "{c} for {want}");
                }
            }
        }
    });
}

#[test]
fn sparse_products_spread_nan() {
    at_every_level(|_| {
        for d in SHAPES {
            let Dims { n, k, m } = d;
            let mut numbers = vec![0.0; n * k];
            numbers[(n - 1) * k + k / 2] = f64::NAN; // the only input that is not 0
            let rows = SparseRows::from_reals(&numbers, k).unwrap();
            let samples: Vec<usize> = (0..n).collect();
            let (w, delta, bias) =
                (naive::to_panels(k, m, &vec![1.0; k * m]), vec![1.0; n * m], vec![0.5; m]);
            for f in F {
                let (mut z, mut a) = (vec![0.0; n * m], vec![0.0; n * m]);
                sparse::forward(Samples::Rows(&rows, &samples), d, &w, &bias, f, &mut z, &mut a, 2);
                assert_nan("z", m, &z, |s, _| s == n - 1);
                assert_nan("a", m, &a, |s, _| s == n - 1);
                let x: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
                let mut lists = Entries::with_capacity(n, n * k);
                lists.refill(&x, k);
                sparse::forward(Samples::Entries(&lists), d, &w, &bias, f, &mut z, &mut a, 1);
                assert_nan("z of entries", m, &z, |s, _| s == n - 1);
                assert_nan("a of entries", m, &a, |s, _| s == n - 1);
            }
            let (mut stepped, mut dw) = (w.clone(), w.clone());
            sparse::descend(&rows, &samples, d, &delta, 0.5, &mut stepped, 2);
            assert_nan("w", m, &naive::from_panels(k, m, &stepped), |i, _| i == k / 2);
            sparse::weight_gradient(&rows, &samples, d, &delta, &mut dw, 2);
            assert_nan("dw", m, &naive::from_panels(k, m, &dw), |i, _| i == k / 2);
        }
    });
}

#[test]
fn activations_spread_nan() {
    at_every_level(|level| {
        for len in 1..70 {
            for bad in [0, len / 2, len - 1] {
                let mut z = vec![0.5; len];
                z[bad] = f32::NAN;
                let mut a = vec![0.0; len];
                for f in F {
                    activation::activate(f, &z, &mut a);
                    assert_nan(&format!("{f:?} at {level:?}"), len, &a, |_, j| j == bad);
                    let mut delta = z.clone();
                    activation::times_derivative(f, &vec![0.5; len], &mut delta);
                    assert_nan(&format!("delta {f:?}' at {level:?}"), len, &delta, |_, j| j == bad);
                    if !matches!(f, Nonlinearity::Identity | Nonlinearity::Relu | Nonlinearity::LeakyRelu(_))
                    {
                        let mut delta = vec![1.0; len];
                        activation::times_derivative(f, &z, &mut delta);
                        assert_nan(&format!("{f:?}' of NaN at {level:?}"), len, &delta, |_, j| j == bad);
                    }
                }
                a.fill(0.0);
                activation::softmax(&z, &mut a, len);
                assert_nan("softmax", len, &a, |_, _| true);
                z[bad] = f32::INFINITY;
                activation::softmax(&z, &mut a, len);
                assert!(a.iter().any(|a| a.is_nan()), "softmax of infinity: {a:?}");
                z[bad] = f32::NEG_INFINITY;
                activation::softmax(&z, &mut a, len);
                assert!(
                    len == 1 || (a[bad] == 0.0 && a.iter().all(|a| a.is_finite())),
                    "of -infinity: {a:?}"
                );
            }
        }
    });
}
