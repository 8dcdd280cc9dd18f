//! Numbers, shapes and comparisons that the tests of all kernels share.

use chainrule_kernels::Real;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::PANEL;
use proptest::prelude::*;

/// Numbers of [-1, 1) that are exact in both types, about a third of them zero.
pub fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
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

/// [`values`] in T.
pub fn numbers<T: Real>(count: usize, seed: u64) -> Vec<T> {
    values(count, seed).into_iter().map(T::from_f64).collect()
}

/// A buffer for results: an entry that stays NaN was not written.
pub fn unwritten<T: Real>(count: usize) -> Vec<T> {
    vec![T::from_f64(f64::NAN); count]
}

/// Sums of `terms` products of numbers within [-1, 1], in whatever order.
pub fn assert_close<T: Real>(what: &str, got: &[T], want: &[T], terms: usize) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    let tolerance = 8.0 * T::EPSILON * (terms as f64 + 1.0);
    for (at, (g, w)) in got.iter().zip(want).enumerate() {
        let difference = (g.to_f64() - w.to_f64()).abs();
        assert!(difference <= tolerance, "{what} at {at}: {g} for {w}, {difference:e} > {tolerance:e}");
    }
}

/// The padding of `w (k, m)` in panels is 0.
pub fn assert_padding_is_0<T: Real>(what: &str, k: usize, m: usize, w: &[T]) {
    for (at, &value) in w[..k * m.next_multiple_of(PANEL)].iter().enumerate() {
        let unit = at / (k * PANEL) * PANEL + at % PANEL;
        assert!(unit < m || value == T::default(), "{what}: padding {unit} of {m} units is {value}");
    }
}

/// The bits of all numbers of some buffers.
pub fn bits<T: Real>(buffers: &[&[T]]) -> Vec<u64> {
    buffers.iter().flat_map(|buffer| buffer.iter().map(|v| v.bits())).collect()
}

/// `cases` of a property test, or as many as PROPTEST_CASES says; a failure prints its shape, which is all it takes.
pub fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Lengths of an axis: none, one, few, around every lane and tile width, any up to 80.
pub fn axis() -> impl Strategy<Value = usize> {
    let around = |n: usize| (n - 1..=n + 1).boxed();
    let widths = [4usize, 6, 8, 14, 16, 28, 32, 48, 64].map(around);
    prop_oneof![1 => 0usize..=1, 2 => 2usize..=6, 4 => proptest::strategy::Union::new(widths), 3 => 0usize..=80]
}

/// Any nonlinearity.
pub fn nonlinearity() -> impl Strategy<Value = Nonlinearity> {
    prop_oneof![6 => sloped_by_a(), 1 => Just(Nonlinearity::Silu), 1 => Just(Nonlinearity::Gelu)]
}

/// Any nonlinearity whose slope follows from a.
pub fn sloped_by_a() -> impl Strategy<Value = Nonlinearity> {
    prop_oneof![
        Just(Nonlinearity::Identity),
        Just(Nonlinearity::Sigmoid),
        Just(Nonlinearity::Tanh),
        Just(Nonlinearity::Relu),
        Just(Nonlinearity::LeakyRelu(0.125)),
        Just(Nonlinearity::Elu(1.0)),
        Just(Nonlinearity::Softplus),
    ]
}
