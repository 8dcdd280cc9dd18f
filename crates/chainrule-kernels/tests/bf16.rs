//! bf16 products against their naive twin, which rounds the operands and sums in f64, and their bits over threads and levels.

use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::bf16::{self, Bf16Level, Stack};
use chainrule_kernels::dense::{Dims, Into, PANEL};
use chainrule_kernels::simd::Level;
use proptest::prelude::*;
use std::sync::Mutex;

/// Levels are of the process: one test at a time sets them.
static LEVELS: Mutex<()> = Mutex::new(());

/// Numbers in -1..1 with all 24 bits, a third of them zero.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.is_multiple_of(3) { 0.0 } else { (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0 }
    };
    (0..count).map(next).collect()
}

/// Where w(i, j) lies in panels.
fn at(d: Dims, i: usize, j: usize) -> usize {
    j / PANEL * PANEL * d.k + i * PANEL + j % PANEL
}

fn to_panels(d: Dims, w: &[f32]) -> Vec<f32> {
    let mut panels = vec![0.0; d.weights()];
    for i in 0..d.k {
        for j in 0..d.m {
            panels[at(d, i, j)] = w[i * d.m + j];
        }
    }
    panels
}

/// The neighbour among the bf16 numbers that is nearest in f64, of two as near the one whose last bit is 0.
fn naive_round(x: f32) -> f64 {
    let below = f32::from_bits(x.to_bits() & 0xffff_0000);
    // One unit away from 0; beyond the largest number as if the exponents went on.
    let above = match f32::from_bits((x.to_bits() & 0xffff_0000).wrapping_add(0x1_0000)) {
        infinite if infinite.is_infinite() && x.is_finite() => f64::from(x.signum()) * 2f64.powi(128),
        above => f64::from(above),
    };
    if x.is_nan() || x.is_infinite() {
        return f64::from(x);
    }
    let (down, up) = ((f64::from(x) - f64::from(below)).abs(), (above - f64::from(x)).abs());
    let odd = below.to_bits() >> 16 & 1 == 1;
    let nearest = if up < down || (up == down && odd) { above } else { f64::from(below) };
    if nearest.abs() < 2f64.powi(128) { nearest } else { nearest.signum() * f64::INFINITY }
}

/// sum_p a(i, p) b(p, j) of rounded numbers, and the sum of magnitudes, to which rounding errors are relative.
fn naive_sum(inner: usize, a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32) -> (f64, f64) {
    let products = || (0..inner).map(|p| naive_round(a(p)) * naive_round(b(p)));
    (products().sum(), products().map(f64::abs).sum())
}

/// `got` is the sum `want` to f32 rounding of `inner` additions, or the same infinity, or NaN like it.
fn assert_close(what: &str, got: f32, (want, magnitude): (f64, f64), inner: usize) {
    if want.is_finite() {
        let tolerance = f64::from(f32::EPSILON) * (inner as f64 + 4.0) * (magnitude + 1e-30);
        let difference = (f64::from(got) - want).abs();
        assert!(difference <= tolerance, "{what}: {got} and {want} differ by {difference:e} > {tolerance:e}");
    } else {
        assert!(f64::from(got) == want || (got.is_nan() && want.is_nan()), "{what}: {got} instead of {want}");
    }
}

/// The three products at the current level: z, a, dx, dw, w after a step.
struct Products([Vec<f32>; 5]);

struct Case {
    d: Dims,
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Vec<f32>,
    delta: Vec<f32>,
    below: Vec<f32>,
}

const RATE: f64 = 0.25;

impl Case {
    fn new(d: Dims, bias: usize, seed: u64) -> Self {
        Self {
            d,
            x: values(d.n * d.k, seed),
            w: values(d.k * d.m, seed + 1),
            bias: values(bias, seed + 2),
            delta: values(d.n * d.m, seed + 3),
            below: values(d.n * d.k, seed + 4),
        }
    }

    fn compute(&self, threads: usize) -> Products {
        let d = self.d;
        let w = to_panels(d, &self.w);
        // Results start as NaN: an entry that is left unwritten is seen.
        let nan = |count: usize| vec![f32::NAN; count];
        let (mut z, mut a, mut dx, mut dw) =
            (nan(d.n * d.m), nan(d.n * d.m), nan(d.n * d.k), to_panels(d, &nan(d.k * d.m)));
        bf16::forward(d, &self.x, &w, &self.bias, Some(Nonlinearity::Relu), &mut z, &mut a, threads);
        bf16::input_gradient(d, &self.delta, &w, Some((Nonlinearity::Relu, &self.below)), &mut dx, threads);
        bf16::weight_gradient(d, &self.x, &self.delta, Into::Gradient, &mut dw, threads);
        let mut descended = w.clone();
        if d.n <= 512 {
            bf16::weight_gradient(d, &self.x, &self.delta, Into::Descent(RATE), &mut descended, threads);
        }
        Products([z, a, dx, dw, descended])
    }

    fn check(&self, Products([z, a, dx, dw, descended]): &Products) {
        let d @ Dims { n, k, m } = self.d;
        for s in 0..n {
            for j in 0..m {
                let (sum, magnitude) = naive_sum(k, |i| self.x[s * k + i], |i| self.w[i * m + j]);
                let b = match &self.bias[..] {
                    [] => 0.0,
                    [one] => *one,
                    all => all[j],
                };
                let want = (sum + f64::from(b), magnitude + f64::from(b.abs()));
                assert_close(&format!("z({s}, {j}) of {d:?}"), z[s * m + j], want, k);
                let relu = if z[s * m + j] < 0.0 { 0.0 } else { z[s * m + j] };
                assert!(a[s * m + j].to_bits() == relu.to_bits() || relu.is_nan(), "a({s}, {j}) of {d:?}");
            }
            for i in 0..k {
                let sum = naive_sum(m, |j| self.delta[s * m + j], |j| self.w[i * m + j]);
                let want = if self.below[s * k + i] > 0.0 { sum } else { (0.0, 0.0) };
                assert_close(&format!("dx({s}, {i}) of {d:?}"), dx[s * k + i], want, m);
            }
        }
        for i in 0..k {
            for j in 0..m {
                let (sum, magnitude) = naive_sum(n, |s| self.x[s * k + i], |s| self.delta[s * m + j]);
                assert_close(&format!("dw({i}, {j}) of {d:?}"), dw[at(d, i, j)], (sum, magnitude), n);
                if n <= 512 {
                    let w = f64::from(self.w[i * m + j]);
                    let want = (w - RATE * sum, magnitude + w.abs());
                    assert_close(&format!("w({i}, {j}) of {d:?}"), descended[at(d, i, j)], want, n);
                }
            }
            // Padding is summed like 0 deltas: it stays 0 unless an input of its row is infinite or NaN.
            let finite = (0..n).all(|s| naive_round(self.x[s * k + i]).is_finite());
            for j in if finite { m..m.next_multiple_of(PANEL) } else { 0..0 } {
                assert!(
                    dw[at(d, i, j)] == 0.0 && descended[at(d, i, j)] == 0.0,
                    "padding ({i}, {j}) of {d:?}"
                );
            }
        }
    }
}

/// The bits of all results but padding, which narrow tiles leave alone; every NaN counts as the same.
fn bits(d: Dims, Products([z, a, dx, dw, descended]): &Products) -> Vec<u32> {
    let units = |panels| (0..d.k * d.m).map(move |i| Vec::as_slice(panels)[at(d, i / d.m, i % d.m)]);
    let all = z.iter().chain(a).chain(dx).copied().chain(units(dw)).chain(units(descended));
    all.map(|v| if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() }).collect()
}

/// Calls `check` at every level of this CPU.
fn each_level(mut check: impl FnMut(Level, Option<Bf16Level>)) {
    let _alone = LEVELS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (simd, level) in Level::ALL
        .into_iter()
        .map(|simd| (simd, None))
        .chain([(Level::Avx512, Some(Bf16Level::Avx512Bf16)), (Level::Avx512, Some(Bf16Level::Amx))])
    {
        if Level::set(simd) && bf16::set(level) {
            assert_eq!(bf16::level(), level);
            check(simd, level);
        }
    }
    Level::set(Level::best());
    let best = Bf16Level::ALL.into_iter().rev().find(|level| level.is_available());
    bf16::set(best);
}

/// Checks a case at every level of this CPU and for 1 to 3 threads; all but AMX must have the same bits.
fn at_every_level(case: &Case) {
    let mut first = None;
    each_level(|simd, level| {
        let one = case.compute(1);
        case.check(&one);
        let one = bits(case.d, &one);
        for threads in [2, 3] {
            let same = bits(case.d, &case.compute(threads)) == one;
            assert!(same, "{threads} threads give other bits for {:?} at {simd:?}, {level:?}", case.d);
        }
        if level != Some(Bf16Level::Amx) {
            let first = first.get_or_insert_with(|| one.clone());
            assert!(*first == one, "other bits for {:?} at {simd:?}, {level:?}", case.d);
        }
    });
}

/// Layers of `sizes` stacked have the bits of one product after the other, at every level, in buffers that hold what other
/// calls left. `bad` is one of the inputs.
fn stacked(n: usize, sizes: &[usize], bias: usize, bad: Option<f32>, seed: u64) {
    let functions = [Some(Nonlinearity::Sigmoid), None, Some(Nonlinearity::Relu), Some(Nonlinearity::Tanh)];
    let mut x = values(n * sizes[0], seed);
    if let (Some(bad), Some(last)) = (bad, x.last_mut()) {
        *last = bad;
    }
    each_level(|simd, level| {
        let mut stack = Stack::default();
        let mut below = x.clone();
        for (l, pair) in sizes.windows(2).enumerate() {
            let d = Dims { n, k: pair[0], m: pair[1] };
            let w = to_panels(d, &values(d.k * d.m, seed + 1 + l as u64));
            let bias = values([0, 1, d.m][bias], seed + 9);
            let f = functions[l % functions.len()];
            stack.push(d.k, d.m, &w, &bias, f);
            let (mut z, mut a) = (vec![f32::NAN; n * d.m], vec![f32::NAN; n * d.m]);
            bf16::forward(d, &below, &w, &bias, f, &mut z, &mut a, 1);
            below = a;
        }
        assert!(n <= stack.together());
        let mut buffers = stack.buffers();
        let outputs = *sizes.last().unwrap();
        for n in [n, n.div_ceil(2), n] {
            let mut a = vec![f32::NAN; n * outputs];
            stack.forward(n, &x[..n * sizes[0]], &mut buffers, &mut a);
            for (at, (a, want)) in a.iter().zip(&below).enumerate() {
                let same = a.to_bits() == want.to_bits() || (a.is_nan() && want.is_nan());
                assert!(same, "{n} x {sizes:?} at {at}: {a}, not {want}, {simd:?}, {level:?}");
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_agree_with_their_twin(n in 0usize..70, k in 0usize..90, m in 1usize..70, bias in 0usize..3, seed in 0u64..1_000_000) {
        let d = Dims { n, k, m };
        at_every_level(&Case::new(d, [0, 1, m][bias], seed));
    }

    #[test]
    fn stacked_layers_have_the_bits_of_single_products(
        n in 0usize..50, sizes in prop::collection::vec(1usize..100, 2..6), bias in 0usize..3, seed in 0u64..1_000_000
    ) {
        stacked(n, &sizes, bias, None, seed);
    }

    #[test]
    fn rounding_is_to_nearest_even(bits in any::<u32>()) {
        let x = f32::from_bits(bits);
        let (got, want) = (f64::from(bf16::round(x)), naive_round(x));
        prop_assert!(got == want || (got.is_nan() && x.is_nan()), "{x:e}: {got:e}, not {want:e}");
        prop_assert!(bf16::round(x).to_bits() & 0xffff == 0);
    }
}

#[test]
fn blocks_and_threads_meet_without_seams() {
    for d in [
        Dims { n: 1, k: 1, m: 1 },
        Dims { n: 3, k: 1025, m: 40 }, // two whole blocks of the summed index and a single number
        Dims { n: 460, k: 33, m: 65 }, // two blocks of rows
        Dims { n: 33, k: 470, m: 1040 }, // of the input gradient, too
        Dims { n: 530, k: 40, m: 40 }, // a weight gradient in two blocks, which is stored with its padding
    ] {
        at_every_level(&Case::new(d, d.m, 7));
    }
}

#[test]
fn what_is_not_finite_stays_in_its_row_and_column() {
    let d = Dims { n: 35, k: 67, m: 37 };
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::from_bits(0x7f80_0001)]
    {
        let mut case = Case::new(d, 0, 11);
        case.x[17 * d.k + 66] = bad; // the last index, whose pair is filled up with 0
        case.delta[33 * d.m + 5] = bad;
        case.w[3 * d.m + 36] = bad;
        case.below.fill(1.0);
        at_every_level(&case);
    }
}

#[test]
fn stacks_of_whole_blocks_and_wide_layers() {
    stacked(154, &[784, 128, 64, 10], 2, None, 1);
    stacked(56, &[1025, 33, 2500, 3], 1, None, 2);
    for bad in [f32::NAN, f32::INFINITY, f32::MAX, f32::from_bits(1)] {
        stacked(29, &[33, 17, 40, 5], 2, Some(bad), 3);
    }
}

#[test]
fn a_name_leads_back_to_its_level() {
    for level in Bf16Level::ALL {
        assert_eq!(Bf16Level::from_name(level.name()), Some(level));
    }
    assert_eq!(Bf16Level::from_name("avx512"), None);
}
