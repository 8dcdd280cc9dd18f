//! exp, softmax, the nonlinearities and their slopes against f64: the errors that `activation.rs` states, in ulp of the exact value's f32.
//!
//! `cargo test --release --test accuracy -- --include-ignored --nocapture` goes over every f32 and prints the largest errors.

mod levels;

use chainrule_kernels::activation::{Nonlinearity, activate, exp, softmax, times_derivative};
use levels::at_every_level;

/// Numbers that go through a kernel at once.
const BLOCK: usize = 4096;

/// The distance from one f32 to the next at `exact`, in f64; that of the smallest normal numbers below those.
fn ulp(exact: f64) -> f64 {
    let exponent = ((exact.abs().to_bits() >> 52) as i32 - 1023).max(-126);
    2f64.powi(exponent - 23)
}

/// The largest error of `kernel` over the bit patterns `from..=to`, every `stride`th of them, and where it is. `exact` returns
/// the value and the number in whose ulp errors are counted, unless the value is larger; values below `zeros` may be 0.
fn largest_error(
    (from, to): (u32, u32),
    stride: usize,
    zeros: f64,
    kernel: impl Fn(&[f32], &mut [f32]),
    exact: impl Fn(f64) -> (f64, f64),
) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    let (mut x, mut y) = (Vec::with_capacity(BLOCK), vec![f32::NAN; BLOCK]);
    let mut patterns = (from..=to).step_by(stride);
    loop {
        x.clear();
        x.extend(patterns.by_ref().take(BLOCK).map(f32::from_bits));
        if x.is_empty() {
            return worst;
        }
        kernel(&x, &mut y[..x.len()]);
        for (&x, &y) in x.iter().zip(&y) {
            let (exact, scale) = exact(f64::from(x));
            let flushed = y == 0.0 && exact.abs() < zeros;
            let same = f64::from(y) == exact; // or both infinite
            let error = if flushed || same {
                0.0
            } else {
                (f64::from(y) - exact).abs() / ulp(exact.abs().max(scale))
            };
            if !(error <= worst.0) {
                assert!(error.is_finite(), "{y} for {x}, exactly {exact}");
                worst = (error, x);
            }
        }
    }
}

const POSITIVE: (u32, u32) = (0, 0x7f80_0000); // 0 to infinity
const NEGATIVE: (u32, u32) = (0x8000_0000, 0xff80_0000);

fn sigmoid_of(z: f64) -> f64 {
    if z < 0.0 { z.exp() / (1.0 + z.exp()) } else { 1.0 / (1.0 + (-z).exp()) }
}

/// The normal distribution's Phi.
fn normal_of(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Every function beside its exact value, at every level, over every `stride`th f32.
fn within_the_stated_errors(stride: usize) {
    at_every_level(|level| {
        let worst_of = |name: &str, limit: f64, errors: &[(f64, f32)]| {
            let worst =
                errors.iter().fold((0.0, 0.0), |worst, &error| if error.0 > worst.0 { error } else { worst });
            println!("{:8} {name:9} {:.3} ulp at {:e}", level.name(), worst.0, worst.1);
            assert!(
                worst.0 <= limit,
                "{name} at {level:?}: {} ulp at {:e}, stated {limit}",
                worst.0,
                worst.1
            );
        };
        let normal = f64::from(f32::MIN_POSITIVE);
        #[allow(clippy::redundant_closure)] // `exp` itself has one lifetime for both slices
        let exp_error = largest_error(NEGATIVE, stride, normal, |x, y| exp(x, y), |x| (x.exp(), 0.0));
        worst_of("exp", 1.1, &[exp_error]);
        let value = |name: &str, limit: f64, f: Nonlinearity, zeros: f64, exact: fn(f64) -> f64| {
            let kernel = |z: &[f32], a: &mut [f32]| activate(f, z, a);
            let error = |range| largest_error(range, stride, zeros, kernel, |z| (exact(z), 0.0));
            worst_of(name, limit, &[POSITIVE, NEGATIVE].map(error));
        };
        value("sigmoid", 2.1, Nonlinearity::Sigmoid, normal, sigmoid_of);
        value("tanh", 1.6, Nonlinearity::Tanh, normal, f64::tanh);
        let elu_of = |z: f64| if z > 0.0 { z } else { z.exp_m1() };
        value("elu", 1.1, Nonlinearity::Elu(1.0), 0.0, elu_of);
        value("softplus", 1.8, Nonlinearity::Softplus, normal, |z| z.max(0.0) + (-z.abs()).exp().ln_1p());
        value("silu", 2.7, Nonlinearity::Silu, 1.03e-36, |z| z.max(-800.0) * sigmoid_of(z));
        value("gelu", 4.5, Nonlinearity::Gelu, normal, |z| z.max(-40.0) * normal_of(z));

        // Slopes, times 1; tiny ones are 0.
        let tiny = 2f64.powi(-60);
        let slope = |name, limit, f, ranges: &[(u32, u32)], exact: &dyn Fn(f64) -> (f64, f64)| {
            let kernel = |from: &[f32], slope: &mut [f32]| {
                slope.fill(1.0);
                times_derivative(f, from, slope);
            };
            let errors = ranges.iter().map(|&range| largest_error(range, stride, tiny, kernel, exact));
            worst_of(name, limit, &errors.collect::<Vec<_>>());
        };
        let least_a = (0x8000_0000, 0xbf80_0000); // -0 to -1
        let elu_slope = |a: f64| (if a > 0.0 { 1.0 } else { a + 1.0 }, 0.0);
        slope("elu'", 0.5, Nonlinearity::Elu(1.0), &[POSITIVE, least_a], &elu_slope);
        slope("softplus'", 1.1, Nonlinearity::Softplus, &[POSITIVE], &|a| (-(-a).exp_m1(), 0.0));
        let both = [POSITIVE, NEGATIVE];
        slope("silu'", 6.0, Nonlinearity::Silu, &both, &|z| {
            let z = z.clamp(-800.0, 800.0);
            (sigmoid_of(z) * (1.0 + z * sigmoid_of(-z)), sigmoid_of(z))
        });
        slope("gelu'", 6.0, Nonlinearity::Gelu, &both, &|z| {
            let z = z.clamp(-40.0, 40.0);
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (normal_of(z) + z * density, normal_of(z))
        });
    });
}

#[test]
fn ends_of_the_line() {
    at_every_level(|level| {
        let inf = f32::INFINITY;
        for (f, least, most) in [
            (Nonlinearity::Sigmoid, 0.0, Some(1.0)),
            (Nonlinearity::Tanh, -1.0, Some(1.0)),
            (Nonlinearity::Elu(0.75), -0.75, None), // z itself
            (Nonlinearity::Softplus, 0.0, None),
            (Nonlinearity::Silu, 0.0, None),
            (Nonlinearity::Gelu, 0.0, None),
        ] {
            for (z, want) in [
                (inf, most.unwrap_or(inf)),
                (-inf, least),
                (1e30, most.unwrap_or(1e30)),
                (-1e30, least),
                (-1e4, least),
            ] {
                let mut a = [f32::NAN; 19]; // whole vectors, and a part of one
                activate(f, &[z; 19], &mut a);
                assert!(a.iter().all(|&a| a == want), "{f:?} of {z} at {level:?}: {a:?}");
            }
            let mut a = [0.0; 19];
            activate(f, &[f32::NAN; 19], &mut a);
            assert!(a.iter().all(|a| a.is_nan()), "{f:?} of NaN at {level:?}: {a:?}");
        }
        for f in [Nonlinearity::Elu(0.75), Nonlinearity::Softplus, Nonlinearity::Silu, Nonlinearity::Gelu] {
            let least = if f == Nonlinearity::Softplus { 0.0 } else { -1e30 };
            for (z, want) in [(inf, 1.0), (-inf, 0.0), (1e30, 1.0), (least, 0.0)] {
                let from = match f {
                    Nonlinearity::Elu(alpha) if z < 0.0 => -alpha as f32,
                    Nonlinearity::Softplus if z < 0.0 => 0.0,
                    _ => z,
                };
                let mut slope = [1.0; 19];
                times_derivative(f, &[from; 19], &mut slope);
                assert!(slope.iter().all(|&slope| slope == want), "{f:?}' of {z} at {level:?}: {slope:?}");
            }
        }
    });
}

#[test]
fn functions_are_within_the_stated_errors() {
    within_the_stated_errors(if cfg!(debug_assertions) { 9973 } else { 997 });
}

#[test]
#[ignore = "minutes: every f32"]
fn functions_are_within_the_stated_errors_over_every_f32() {
    within_the_stated_errors(1);
}

/// The largest error of softmax in ulp over random rows of up to 100 numbers, rounded to multiples of `grid`; less the
/// distance from the largest number where `less` says so, and where it is.
fn largest_softmax_error(rows: usize, grid: f32, less: bool) -> f64 {
    let (mut worst, mut state) = (0.0, 1u64);
    for row in 0..rows {
        let units = 1 + row % 100;
        let spread = [1.0, 10.0, 80.0][row % 3];
        let z: Vec<f32> = (0..units)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let z = ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * spread;
                if grid == 0.0 { z } else { (z / grid).round() * grid }
            })
            .collect();
        let mut a = vec![f32::NAN; units];
        softmax(&z, &mut a, units);
        let max = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let terms: Vec<f64> = z.iter().map(|&z| (f64::from(z) - max).exp()).collect();
        let sum: f64 = terms.iter().sum();
        for ((&z, &a), term) in z.iter().zip(&a).zip(terms) {
            let exact = term / sum;
            if exact < f64::from(f32::MIN_POSITIVE) || term < f64::from(f32::MIN_POSITIVE) {
                continue; // such terms are 0
            }
            let error = (f64::from(a) - exact).abs() / ulp(exact);
            assert!(error.is_finite());
            worst = f64::max(worst, if less { error - (max - f64::from(z)) } else { error });
        }
    }
    worst
}

#[test]
fn softmax_is_within_the_stated_error() {
    let rows = if cfg!(debug_assertions) { 3_000 } else { 60_000 };
    at_every_level(|level| {
        // Differences of multiples of 2^-16 below 2^7 are exact.
        let exact = largest_softmax_error(rows, 2f32.powi(-16), false);
        let rounded = largest_softmax_error(rows, 0.0, true);
        let any = largest_softmax_error(rows, 0.0, false);
        println!(
            "{:8} softmax {exact:.3} ulp; {any:.3} where z - max is rounded ({rounded:.3} and max - z)",
            level.name()
        );
        assert!(exact <= 5.0 && rounded <= 5.0, "softmax at {level:?}: {exact} and {rounded} ulp");
    });
}

#[test]
fn limits_are_exact() {
    at_every_level(|_| {
        let z = [f32::NEG_INFINITY, -1e30, 0.0, 1e30, f32::INFINITY];
        let mut a = [f32::NAN; 5];
        activate(Nonlinearity::Sigmoid, &z, &mut a);
        assert!(a == [0.0, 0.0, 0.5, 1.0, 1.0], "{a:?}");
        activate(Nonlinearity::Tanh, &z, &mut a);
        assert!(a == [-1.0, -1.0, 0.0, 1.0, 1.0], "{a:?}");
        exp(&[f32::NEG_INFINITY, -1e30, -0.0, 0.0, -1000.0], &mut a);
        assert!(a == [0.0, 0.0, 1.0, 1.0, 0.0], "{a:?}");
    });
}
