//! Backpropagation against central differences: every allowed combination, and random architectures.

mod common;

use chainrule::batch::Batch;
use chainrule::gradcheck::{self, GradientCheck, Options, Problem};
use chainrule::network::{Network, Workspace};
use chainrule::regularize::Regularize;
use chainrule::spec::{BiasMode, LayerSpec, NetworkSpec};
use chainrule::{Real, activation, init, loss, rng};
use proptest::prelude::*;
use rand::RngExt;

const BIAS_MODES: [BiasMode; 3] = [BiasMode::PerUnit, BiasMode::Shared, BiasMode::None];

/// Checks a network on `n` random samples. Drawn again: a sample at a kink, and a gradient that dead units make so
/// small (below 1e-4, not 0) that differences, exact to some 1e-12, cannot tell seven digits of it.
fn check(spec: &NetworkSpec, n: usize, regularize: &Regularize, seed: u64) -> GradientCheck {
    let net = Network::new(spec.clone()).unwrap();
    for attempt in 0..100 {
        let mut rng = chainrule::rng::stream(seed + 1000 * attempt, chainrule::rng::Stream::Split);
        let params: Vec<f64> = net.init(rng.random()).unwrap();
        let x = (0..n * spec.inputs()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let y = (0..n).flat_map(|_| {
            let hot = rng.random_range(0..spec.outputs());
            (0..spec.outputs()).map(move |j| f64::from(j == hot)).collect::<Vec<_>>()
        });
        let y = y.collect();
        let batch = Batch::from_parts(x, y, spec.inputs(), spec.outputs());
        let found = gradcheck::check(
            &Problem { net: &net, params: &params, batch: &batch, regularize, samples: 100 },
            &Options::default(),
        );
        if found.at_kink.is_empty() && found.groups.iter().all(|g| !(1e-14..1e-4).contains(&g.norm)) {
            return found;
        }
    }
    panic!("100 draws at a kink");
}

fn assert_same(found: &GradientCheck, what: &str) {
    for group in &found.groups {
        // Gradients that cancel exactly (a bias shared by all softmax outputs): differences see only round-off.
        if group.norm <= 1e-14 {
            assert!(group.max_absolute_difference <= 1e-11, "{what}: {group:?}");
            continue;
        }
        // `!(<=)`: NaN must fail.
        if !(group.relative_error <= 1e-7) {
            panic!("{what}: {group:?} with h = {}", found.h);
        }
    }
    assert!(found.passed, "{what}");
}

fn spec(hidden: &str, output: &str, loss: &str, bias: BiasMode, sizes: &[usize]) -> NetworkSpec {
    let layer = |units: usize, f: &str| {
        let mut layer = LayerSpec::new(units, f.parse().unwrap(), init::Init::XavierNormal);
        layer.bias = bias;
        layer.bias_init = "normal(0.3)".parse().unwrap();
        layer
    };
    let (inner, last) = (&sizes[1..sizes.len() - 1], sizes[sizes.len() - 1]);
    let mut layers: Vec<LayerSpec> = inner.iter().map(|&units| layer(units, hidden)).collect();
    layers.push(layer(last, output));
    NetworkSpec { input_shape: vec![sizes[0]], layers, loss: loss.parse().unwrap() }
}

/// Every pair of output activation and loss that is allowed.
fn output_pairs() -> Vec<(&'static str, &'static str)> {
    let mut pairs = Vec::new();
    for f in activation::NAMES {
        for loss in
            loss::NAMES.into_iter().chain(["huber(0.2)", "cross_entropy(0.1)", "binary_cross_entropy(0.1)"])
        {
            if loss.parse::<loss::Loss>().unwrap().accepts(f.parse().unwrap()).is_ok() {
                pairs.push((f, loss));
            }
        }
    }
    assert_eq!(pairs.len(), 9 * 5 + 2 + 2, "pairs of output activation and loss");
    pairs
}

#[test]
fn every_allowed_combination() {
    let mut checked = 0;
    for hidden in activation::NAMES.into_iter().filter(|&f| f != "softmax") {
        for (output, loss) in output_pairs() {
            for bias in BIAS_MODES {
                let spec = spec(hidden, output, loss, bias, &[3, 4, 3, 2]);
                let what = format!("{hidden} hidden, {output} outputs, {loss}, {bias:?} biases");
                assert_same(&check(&spec, 5, &Regularize::default(), checked), &what);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 9 * 49 * 3);
}

#[test]
fn penalties_are_part_of_the_gradient() {
    let spec = spec("tanh", "sigmoid", "quadratic", BiasMode::PerUnit, &[3, 4, 2]);
    let regularize = Regularize { l2: 0.3, l1: 0.0, ..Regularize::default() };
    assert_same(&check(&spec, 4, &regularize, 1), "l2");
    let without = check(&spec, 4, &Regularize::default(), 1);
    assert_ne!(check(&spec, 4, &regularize, 1).groups[0].norm, without.groups[0].norm);
    assert_same(&check(&spec, 4, &Regularize { l1: 0.1, ..Regularize::default() }, 1), "l1");
    // Weights at and near the kink of |w|.
    let mut spec = spec;
    let near_zero = vec![vec![0.0, 1e-5, 0.3], vec![-1e-5, 0.2, -0.4], vec![0.1; 3], vec![-0.2; 3]];
    spec.layers[0].init = init::Init::Values(near_zero);
    assert_same(&check(&spec, 4, &Regularize { l1: 0.1, ..Regularize::default() }, 1), "l1 at its kink");
}

#[test]
fn both_zero_passes() {
    let mut spec = spec("tanh", "identity", "mse", BiasMode::None, &[3, 4, 2]);
    spec.layers[1].init = init::Init::Constant { value: 0.0 };
    let found = check(&spec, 2, &Regularize::default(), 1);
    assert_eq!(found.groups[0].relative_error, 0.0);
    assert!(found.groups[0].passed && found.groups[0].norm == 0.0);
}

/// The gradient of a batch, its hidden units dropped at random, the same for every number type.
fn gradient<T: Real>(net: &Network, params: &[f32], x: &[f32], y: &[f32]) -> Vec<f64> {
    let widen = |from: &[f32]| from.iter().map(|&v| T::from_f64(v.into())).collect::<Vec<T>>();
    let params = widen(params);
    let batch = Batch::from_parts(widen(x), widen(y), net.spec().inputs(), net.spec().outputs());
    let mut ws = Workspace::new(net, batch.len(), 1);
    let mut grads = vec![T::default(); params.len()];
    net.forward_dropping(&params, batch.input(), &mut ws, &mut rng::stream(5, rng::Stream::Dropout));
    net.loss(&batch, &mut ws);
    net.backward(&params, batch.input(), &mut ws, &mut grads);
    grads.iter().map(|g| g.to_f64()).collect()
}

/// f32 has kernels of its own: for a few samples, and for many.
#[test]
fn f32_gradients_are_those_of_f64() {
    for hidden in activation::NAMES.into_iter().filter(|&f| f != "softmax").chain(["leaky_relu(-0.5)"]) {
        for n in [3, 40] {
            let mut spec = spec(hidden, "identity", "mse", BiasMode::PerUnit, &[7, 37, 19, 3]);
            spec.layers[1].dropout = 0.4;
            let net = Network::new(spec).unwrap();
            let params: Vec<f32> = net.init(3).unwrap();
            let mut random = rng::stream(9, rng::Stream::Split);
            let mut numbers =
                |count: usize| (0..count).map(|_| random.random_range(-2f32..2.0)).collect::<Vec<_>>();
            let (x, y) = (numbers(n * 7), numbers(n * 3));
            let (wide, narrow) =
                (gradient::<f64>(&net, &params, &x, &y), gradient::<f32>(&net, &params, &x, &y));
            let norm = wide.iter().map(|g| g * g).sum::<f64>().sqrt();
            let apart = wide.iter().zip(&narrow).map(|(w, g)| (w - g).powi(2)).sum::<f64>().sqrt();
            assert!(norm > 0.0 && apart <= 2e-6 * norm, "{hidden}, {n} samples: {apart} of {norm}");
        }
    }
}

#[test]
fn nan_fails() {
    let spec = spec("tanh", "identity", "mse", BiasMode::None, &[3, 4, 2]);
    let net = Network::new(spec).unwrap();
    let params: Vec<f64> = net.init(0).unwrap();
    let batch = Batch::from_parts(vec![f64::NAN, 0.0, 0.0], vec![0.0, 0.0], 3, 2);
    let found = gradcheck::check(
        &Problem {
            net: &net,
            params: &params,
            batch: &batch,
            regularize: &Regularize::default(),
            samples: 1,
        },
        &Options::default(),
    );
    assert!(!found.passed && found.groups.iter().all(|group| !group.passed), "{found:?}");
}

#[test]
fn a_sample_at_a_kink_is_reported() {
    let mut spec = spec("relu", "identity", "mse", BiasMode::None, &[3, 1, 2]);
    spec.layers[0].init = init::Init::Values(vec![vec![1.0, 1.0, 0.0]]);
    let net = Network::new(spec).unwrap();
    let params: Vec<f64> = net.init(0).unwrap();
    // The second sample's z is exactly 0.
    let batch = Batch::from_parts(vec![0.5, 0.5, 0.5, 0.5, -0.5, 0.0], vec![0.0; 4], 3, 2);
    let found = gradcheck::check(
        &Problem {
            net: &net,
            params: &params,
            batch: &batch,
            regularize: &Regularize::default(),
            samples: 1,
        },
        &Options::default(),
    );
    assert_eq!(found.at_kink, [1]);
    assert!(!found.passed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn random_architectures(
        sizes in prop::collection::vec(1usize..8, 2..6),
        hidden in 0usize..9,
        pair in 0usize..49,
        bias in 0usize..3,
        n in 1usize..8,
        seed in 0u64..1_000_000,
    ) {
        let (output, loss) = output_pairs()[pair];
        let spec = spec(activation::NAMES[hidden], output, loss, BIAS_MODES[bias], &sizes);
        let found = check(&spec, n, &Regularize::default(), seed);
        let what = format!("{sizes:?} {} {output} {loss}", activation::NAMES[hidden]);
        for group in &found.groups {
            let zero = group.norm <= 1e-14 && group.max_absolute_difference <= 1e-11;
            prop_assert!(zero || group.relative_error <= 1e-7, "{what}: {group:?}");
        }
    }
}
