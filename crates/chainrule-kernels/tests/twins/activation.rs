//! Nonlinearities, their derivatives and softmax over buffers of every length.

use crate::common::{axis, config, nonlinearity, numbers, unwritten};
use crate::levels::at_every_level;
use chainrule_kernels::{activation, naive};
use proptest::prelude::*;

/// Within `ulps` of what f64 gives, or of the smallest normal number.
fn assert_near(what: &str, got: &[f32], want: &[f32], ulps: f32) {
    for (at, (g, w)) in got.iter().zip(want).enumerate() {
        let tolerance = ulps * f32::EPSILON * w.abs() + f32::MIN_POSITIVE;
        assert!((g - w).abs() <= tolerance, "{what} at {at}: {g} for {w}");
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn nonlinearities_agree(len in axis(), f in nonlinearity(), scale in prop_oneof![Just(1f32), Just(20.0), Just(1e30)], seed in 0u64..1_000_000) {
        let z: Vec<f32> = numbers::<f32>(len, seed).iter().map(|z| z * scale).collect();
        let mut want = unwritten::<f32>(len);
        naive::activate(f, &z, &mut want);
        at_every_level(|level| {
            let mut a = unwritten::<f32>(len);
            activation::activate(f, &z, &mut a);
            assert_near(&format!("{f:?} at {level:?}"), &a, &want, 6.0);
        });
    }

    #[test]
    fn derivatives_agree(len in axis(), f in nonlinearity(), scale in prop_oneof![Just(1f32), Just(20.0), Just(1e30)], seed in 0u64..1_000_000) {
        // Only those that take z take any number.
        let scale = if f.needs_z() { scale } else { 1.0 };
        let a: Vec<f32> = numbers::<f32>(len, seed).iter().map(|z| z * scale).collect();
        let delta = numbers::<f32>(len, seed + 1);
        let mut want = delta.clone();
        naive::times_derivative(f, &a, &mut want);
        at_every_level(|level| {
            let mut got = delta.clone();
            activation::times_derivative(f, &a, &mut got);
            // 1 - a is exact for numbers of 24 bits behind the point, 1 - a^2 is not.
            for (at, (g, w)) in got.iter().zip(&want).enumerate() {
                assert!((g - w).abs() <= 4.0 * f32::EPSILON, "{f:?}' at {level:?}, {at}: {g} for {w}");
            }
        });
    }

    #[test]
    fn softmax_agrees(n in 0usize..5, units in axis(), scale in prop_oneof![Just(1f32), Just(50.0), Just(1e30)], seed in 0u64..1_000_000) {
        let units = units.max(1);
        let z: Vec<f32> = numbers::<f32>(n * units, seed).iter().map(|z| z * scale).collect();
        let mut want = unwritten::<f32>(n * units);
        naive::softmax(&z, &mut want, units);
        at_every_level(|level| {
            let mut a = unwritten::<f32>(n * units);
            activation::softmax(&z, &mut a, units);
            // The difference from the largest number is rounded, too: below -104 a term is 0.
            assert_near(&format!("softmax at {level:?}"), &a, &want, 110.0);
        });
    }
}

#[test]
fn tiny_deltas_become_0() {
    for f in
        [activation::Nonlinearity::Sigmoid, activation::Nonlinearity::Relu, activation::Nonlinearity::Tanh]
    {
        at_every_level(|_| {
            let mut delta = [1e-19f32, -1e-19, 1e-3, f32::MIN_POSITIVE, -0.5];
            activation::times_derivative(f, &[0.5; 5], &mut delta);
            assert!(
                delta[0] == 0.0 && delta[1] == 0.0 && delta[2] > 0.0 && delta[3] == 0.0 && delta[4] < 0.0
            );
        });
    }
}
