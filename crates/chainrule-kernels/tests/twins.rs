//! Every kernel against its naive twin over random shapes, and its bits over the number of threads.

use chainrule_kernels::dense::{self, Dims};
use chainrule_kernels::{Real, naive};
use proptest::prelude::*;

/// Numbers that are exact in both types, about a third of them zero.
fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(3) {
                0.0
            } else {
                ((state >> 40) as f64 / (1u64 << 24) as f64) * 2.0 - 1.0
            }
        })
        .collect()
}

fn to<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

fn close<T: Real>(got: &[T], want: &[T], terms: usize) {
    let tolerance = 4.0 * T::EPSILON * (terms as f64 + 1.0);
    for (index, (g, w)) in got.iter().zip(want).enumerate() {
        let difference = (g.to_f64() - w.to_f64()).abs();
        assert!(difference <= tolerance, "at {index}: {g} and {w} differ by {difference:e} > {tolerance:e}");
    }
}

fn twins<T: Real>(d: Dims, bias_len: usize, seed: u64) {
    let Dims { n, k, m } = d;
    let x: Vec<T> = to(&values(n * k, seed));
    let w: Vec<T> = to(&values(k * m, seed + 1));
    let delta: Vec<T> = to(&values(n * m, seed + 2));
    let bias: Vec<T> = to(&values(bias_len, seed + 3));
    // Results start as NaN: a kernel that leaves an entry unwritten is seen.
    let nan = T::from_f64(f64::NAN);
    let (mut z, mut z_naive) = (vec![nan; n * m], vec![nan; n * m]);
    let (mut dx, mut dx_naive) = (vec![nan; n * k], vec![nan; n * k]);
    let (mut dw, mut dw_naive) = (vec![nan; k * m], vec![nan; k * m]);
    let (mut db, mut db_naive) = (vec![nan; bias_len], vec![nan; bias_len]);
    naive::forward(d, &x, &w, &bias, &mut z_naive);
    naive::input_gradient(d, &delta, &w, &mut dx_naive);
    naive::weight_gradient(d, &x, &delta, &mut dw_naive);
    naive::bias_gradient(d, &delta, &mut db_naive);
    let mut of_one_thread = None;
    for threads in [1, 2, 3] {
        dense::forward(d, &x, &w, &bias, &mut z, threads);
        dense::input_gradient(d, &delta, &w, &mut dx, threads);
        dense::weight_gradient(d, &x, &delta, &mut dw, threads);
        dense::bias_gradient(d, &delta, &mut db);
        close(&z, &z_naive, k);
        close(&dx, &dx_naive, m);
        close(&dw, &dw_naive, n);
        close(&db, &db_naive, n * m);
        let bits: Vec<u64> = z.iter().chain(&dx).chain(&dw).chain(&db).map(|v| v.bits()).collect();
        match &of_one_thread {
            None => of_one_thread = Some(bits),
            Some(first) => assert!(*first == bits, "{threads} threads give other bits for {d:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn kernels_agree_with_their_twins(n in 0usize..40, k in 0usize..70, m in 1usize..70, bias in 0usize..3, seed in 0u64..1_000_000) {
        let bias_len = [0, 1, m][bias];
        twins::<f32>(Dims { n, k, m }, bias_len, seed);
        twins::<f64>(Dims { n, k, m }, bias_len, seed);
    }
}

#[test]
fn large_products_give_the_same_bits_for_any_number_of_threads() {
    for d in [
        Dims { n: 128, k: 784, m: 64 },
        Dims { n: 100, k: 784, m: 50 },
        Dims { n: 256, k: 300, m: 200 },
        Dims { n: 33, k: 1025, m: 65 },
        Dims { n: 1000, k: 784, m: 10 },
    ] {
        twins::<f32>(d, d.m, 7);
        twins::<f64>(d, d.m, 7);
    }
}
