//! The first layer over lists of nonzero inputs, against the twins of the dense kernels and those kernels themselves.

use crate::common::{
    assert_close, assert_padding_is_0, axis, bits, config, nonlinearity, numbers, unwritten, values,
};
use crate::levels::at_every_level;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::{self, Dims, Into};
use chainrule_kernels::naive;
use chainrule_kernels::sparse::{self, Entries, Samples, SparseRows};
use proptest::prelude::*;

/// What nonzero inputs are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Reals,
    Bytes,
    /// All the same real, a power of two.
    Same,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Reals), Just(Kind::Bytes), Just(Kind::Same)]
}

/// A data set as lists and as `x (count, k)`.
fn data_set(count: usize, k: usize, kind: Kind, seed: u64) -> (SparseRows, Vec<f32>) {
    let mut numbers = values(count * k, seed);
    if kind == Kind::Same {
        numbers.iter_mut().filter(|v| **v != 0.0).for_each(|v| *v = -0.5);
    }
    if kind == Kind::Bytes {
        let raw: Vec<u8> = numbers.iter().map(|v| (v.abs() * 255.0) as u8).collect();
        let x = raw.iter().map(|&b| (f64::from(b) / 255.0) as f32).collect();
        (SparseRows::from_bytes(&raw, k, 1.0 / 255.0).unwrap(), x)
    } else {
        (SparseRows::from_reals(&numbers, k).unwrap(), numbers.iter().map(|&v| v as f32).collect())
    }
}

fn agree(d: Dims, bias_len: usize, f: Nonlinearity, kind: Kind, seed: u64) {
    let Dims { n, k, m } = d;
    let count = n + 3;
    let (rows, all) = data_set(count, k, kind, seed);
    // In no order, and one sample may come twice.
    let samples: Vec<usize> = (0..n).map(|s| (s * 7 + seed as usize) % count).collect();
    let x: Vec<f32> = samples.iter().flat_map(|&s| &all[s * k..(s + 1) * k]).copied().collect();
    let w = naive::to_panels(k, m, &numbers::<f32>(k * m, seed + 1));
    let (bias, delta) = (numbers::<f32>(bias_len, seed + 2), numbers::<f32>(n * m, seed + 3));
    let (mut z_naive, mut a_naive) = (unwritten::<f32>(n * m), unwritten::<f32>(n * m));
    let (mut dw_naive, mut stepped_naive) = (vec![0.0; w.len()], w.clone());
    naive::forward(d, &x, &w, &bias, Some(f), &mut z_naive, &mut a_naive);
    naive::weight_gradient(d, &x, &delta, Into::Gradient, &mut dw_naive);
    naive::weight_gradient(d, &x, &delta, Into::Descent(0.25), &mut stepped_naive);
    at_every_level(|level| {
        let mut dw_dense = vec![0.0; w.len()];
        dense::weight_gradient(d, &x, &delta, Into::Gradient, &mut dw_dense, 1);
        let mut of_one_thread = None;
        let mut lists = Entries::with_capacity(n, n * k);
        lists.refill(&x, k);
        let (mut z_entries, mut a_entries) = (unwritten::<f32>(n * m), unwritten::<f32>(n * m));
        sparse::forward(Samples::Entries(&lists), d, &w, &bias, f, &mut z_entries, &mut a_entries, 1);
        for threads in [1, 2, 3] {
            let (mut z, mut a) = (unwritten::<f32>(n * m), unwritten::<f32>(n * m));
            let (mut dw, mut descended) = (unwritten::<f32>(w.len()), w.clone());
            sparse::forward(Samples::Rows(&rows, &samples), d, &w, &bias, f, &mut z, &mut a, threads);
            sparse::descend(&rows, &samples, d, &delta, 0.25, &mut descended, threads);
            sparse::weight_gradient(&rows, &samples, d, &delta, &mut dw, threads);
            assert_close("z", &z, &z_naive, k);
            assert_close("a", &a, &a_naive, k);
            assert!(
                bits(&[&z, &a]) == bits(&[&z_entries, &a_entries]),
                "other bits of entries for {d:?} at {level:?}"
            );
            assert_close("dw", &dw, &dw_naive, n);
            assert_close("descended w", &descended, &stepped_naive, n);
            for (what, w) in [("dw", &dw), ("descended w", &descended)] {
                assert_padding_is_0(what, k, m, w);
            }
            // A zero input adds nothing: skipping it leaves the bits of the dense sum, in the order of the samples.
            assert!(bits(&[&dw]) == bits(&[&dw_dense]), "dw: other bits than dense for {d:?} at {level:?}");
            let bits = bits(&[&z, &a, &dw, &descended]);
            let first = of_one_thread.get_or_insert_with(|| bits.clone());
            assert!(*first == bits, "{threads} threads give other bits for {d:?} at {level:?}");
        }
    });
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn agree_over_random_shapes(n in axis(), k in axis(), m in axis(), bias in 0usize..3, f in nonlinearity(), kind in kinds(), seed in 0u64..1_000_000) {
        agree(Dims { n, k: k.max(1), m }, [0, 1, m][bias], f, kind, seed);
    }

    #[test]
    fn rows_are_written_back(count in 0usize..6, k in 1usize..80, kind in kinds(), seed in 0u64..1_000_000) {
        let (rows, x) = data_set(count, k, kind, seed);
        assert!(rows.len() == count && rows.inputs() == k && rows.is_empty() == (count == 0));
        assert!(rows.nonzeros() == x.iter().filter(|&&x| x != 0.0).count());
        for s in 0..count {
            let mut row = unwritten::<f32>(k);
            rows.write_row(s, &mut row);
            assert!(row == x[s * k..(s + 1) * k]);
        }
    }
}

#[test]
fn agree_at_the_sizes_of_networks() {
    for (d, kind) in [
        (Dims { n: 64, k: 784, m: 100 }, Kind::Bytes),
        (Dims { n: 10, k: 784, m: 30 }, Kind::Same),
        (Dims { n: 3, k: 1000, m: 200 }, Kind::Bytes),
        (Dims { n: 500, k: 60, m: 40 }, Kind::Same),
    ] {
        agree(d, d.m, Nonlinearity::Sigmoid, kind, 11);
    }
}

#[test]
fn data_sets_that_lists_have_no_room_for_are_refused() {
    assert!(SparseRows::from_bytes(&[], 0, 1.0).is_none());
    assert!(SparseRows::from_reals(&vec![1.0; (1 << 16) + 1], (1 << 16) + 1).is_none());
    assert!(
        SparseRows::from_reals(&vec![1.0; 1 << 16], 1 << 16).is_some_and(|rows| rows.nonzeros() == 1 << 16)
    );
}
