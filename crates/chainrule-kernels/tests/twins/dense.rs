//! The products of a dense layer in both number types.

use crate::common::{
    assert_close, assert_padding_is_0, axis, bits, config, nonlinearity, numbers, unwritten,
};
use crate::levels::at_every_level;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::{self, Dims, Into, LARGEST_DESCENT};
use chainrule_kernels::sparse::Entries;
use chainrule_kernels::{Real, naive};
use proptest::prelude::*;

fn twins<T: Real>(d: Dims, bias_len: usize, f: Option<Nonlinearity>, seed: u64) {
    let Dims { n, k, m } = d;
    let x: Vec<T> = numbers(n * k, seed);
    let w = naive::to_panels(k, m, &numbers::<T>(k * m, seed + 1));
    let delta: Vec<T> = numbers(n * m, seed + 2);
    let bias: Vec<T> = numbers(bias_len, seed + 3);
    let below: Vec<T> = numbers(n * k, seed + 4);
    let below = f.map(|f| (f, &below[..]));
    let descends = n <= LARGEST_DESCENT;
    let (mut z_naive, mut a_naive) = (unwritten::<T>(n * m), unwritten::<T>(n * m));
    let (mut dx_naive, mut dw_naive) = (unwritten::<T>(n * k), vec![T::default(); w.len()]);
    let (mut db_naive, mut stepped_naive) = (unwritten::<T>(bias_len), w.clone());
    naive::forward(d, &x, &w, &bias, f, &mut z_naive, &mut a_naive);
    naive::input_gradient(d, &delta, &w, below, &mut dx_naive);
    naive::weight_gradient(d, &x, &delta, Into::Gradient, &mut dw_naive);
    naive::weight_gradient(d, &x, &delta, Into::Descent(0.25), &mut stepped_naive);
    naive::bias_gradient(d, &delta, &mut db_naive);
    at_every_level(|level| {
        let mut of_one_thread = None;
        for threads in [1, 2, 3] {
            let (mut z, mut a) = (unwritten::<T>(n * m), unwritten::<T>(n * m));
            // Padding of a gradient that is 0 stays 0; everything else must be written.
            let mut dw = naive::to_panels(k, m, &unwritten::<T>(k * m));
            let (mut dx, mut db, mut stepped) = (unwritten::<T>(n * k), unwritten::<T>(bias_len), w.clone());
            dense::forward(d, &x, &w, &bias, f, &mut z, &mut a, threads);
            dense::input_gradient(d, &delta, &w, below, &mut dx, threads);
            dense::weight_gradient(d, &x, &delta, Into::Gradient, &mut dw, threads);
            if descends {
                dense::weight_gradient(d, &x, &delta, Into::Descent(0.25), &mut stepped, threads);
                assert_close("w - rate dw", &stepped, &stepped_naive, n);
                assert_padding_is_0("w - rate dw", k, m, &stepped);
            }
            dense::bias_gradient(d, &delta, &mut db, threads);
            assert_close("z", &z, &z_naive, k);
            if f.is_some() {
                assert_close("a", &a, &a_naive, k);
            }
            assert_close("dx", &dx, &dx_naive, m);
            assert_close("dw", &dw, &dw_naive, n);
            assert_padding_is_0("dw", k, m, &dw);
            assert_close("db", &db, &db_naive, n * m);
            let a_written = if f.is_some() { &a[..] } else { &[] };
            let bits = bits(&[&z, a_written, &dx, &dw, &db, &stepped]);
            let first = of_one_thread.get_or_insert_with(|| bits.clone());
            assert!(*first == bits, "{threads} threads give other bits for {d:?} at {level:?}");
        }
    });
}

fn both(d: Dims, bias: usize, f: Option<Nonlinearity>, seed: u64) {
    let bias_len = [0, 1, d.m][bias];
    twins::<f32>(d, bias_len, f, seed);
    twins::<f64>(d, bias_len, f, seed);
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn agree_over_random_shapes(n in axis(), k in axis(), m in axis(), bias in 0usize..3, f in proptest::option::of(nonlinearity()), seed in 0u64..1_000_000) {
        both(Dims { n, k, m }, bias, f, seed);
    }
}

proptest! {
    #![proptest_config(config(12))]

    /// More samples, inputs or units than a block of the product, or of its columns, holds.
    #[test]
    fn agree_where_sums_run_over_several_blocks(long in prop_oneof![510usize..=515, 1023usize..=1026], axis in 0usize..3, other in (1usize..50, 1usize..50), bias in 0usize..3, seed in 0u64..1_000_000) {
        let (one, two) = other;
        let d = [Dims { n: long, k: one, m: two }, Dims { n: one, k: long, m: two }, Dims { n: one, k: two, m: long }][axis];
        both(d, bias, Some(Nonlinearity::Tanh), seed);
    }
}

#[test]
fn agree_at_the_sizes_of_networks() {
    for d in [
        Dims { n: 128, k: 784, m: 64 },
        Dims { n: 100, k: 300, m: 50 },
        Dims { n: 33, k: 1025, m: 65 },
        Dims { n: 600, k: 90, m: 40 },
        Dims { n: 1, k: 784, m: 300 },
        Dims { n: 3, k: 30, m: 400 },
    ] {
        both(d, 2, Some(Nonlinearity::Sigmoid), 7);
    }
}

#[test]
fn panels_hold_what_they_were_made_of() {
    for (k, m) in [(0, 5), (3, 0), (3, 1), (2, 16), (5, 17), (4, 40)] {
        let w: Vec<f32> = numbers(k * m, 3);
        let panels = naive::to_panels(k, m, &w);
        assert_padding_is_0("panels", k, m, &panels);
        assert!(naive::from_panels(k, m, &panels) == w);
    }
}

/// Threads share the units of one sample, and inputs of 0 are left out: the same bits, and every unit written.
#[test]
fn one_sample_on_several_threads_has_the_same_bits() {
    for (k, m) in [(784, 128), (300, 250), (1500, 400), (65_536, 1), (70_000, 1), (5, 3)] {
        let d = Dims { n: 1, k, m };
        let w = naive::to_panels(k, m, &numbers::<f32>(k * m, 2));
        let mut nonzeros = Entries::with_capacity(1, k);
        for (bias_len, f) in [(m, Some(Nonlinearity::Tanh)), (1, None), (0, Some(Nonlinearity::Relu))] {
            let bias = numbers::<f32>(bias_len, 3);
            // Shares of nonzero inputs: around the one from which zeros are not left out, and at both ends.
            for percent in [0, 10, 74, 76, 100] {
                let x: Vec<f32> =
                    (0..k).map(|i| if i * 37 % 100 < percent { 0.5 - (i % 7) as f32 } else { 0.0 }).collect();
                at_every_level(|level| {
                    let (mut z, mut a) = (unwritten::<f32>(m), unwritten::<f32>(m));
                    dense::forward(d, &x, &w, &bias, f, &mut z, &mut a, 1);
                    for (threads, leave_out) in [1, 2, 3, 100]
                        .repeat(4)
                        .into_iter()
                        .zip([false, false, false, false, true, true, true, true].repeat(2))
                    {
                        let nonzeros = leave_out.then_some(&mut nonzeros);
                        let (mut z_one, mut a_one) = (unwritten::<f32>(m), unwritten::<f32>(m));
                        dense::forward_one(d, &x, &w, &bias, f, &mut z_one, &mut a_one, threads, nonzeros);
                        let same = bits(&[&z, &a]) == bits(&[&z_one, &a_one]);
                        assert!(same, "{k} x {m}, {percent} %, {threads} threads at {level:?}");
                    }
                });
            }
        }
    }
}
