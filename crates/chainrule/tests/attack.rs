//! dE/dx against differences, and what an attack promises.

mod common;

use chainrule::attack::{Aim, Attacker, Limits, Method};
use chainrule::batch::{Batch, TargetCoding};
use chainrule::input_gradient::input_gradient;
use chainrule::network::{Network, Workspace};
use chainrule::observer::Silent;
use chainrule::{Dataset, Real, metrics};
use common::{blobs, mazur_data, settings, trainer};
use rand::RngExt;

const ITERATED: Method = Method::Iterated { steps: 10, step_size: None };

/// A smooth network with `n` random samples, their classes one-hot.
fn random_case<T: Real>(hidden: &str, output: &str, loss: &str, n: usize) -> (Network, Vec<T>, Batch<T>) {
    let recipe = format!(
        "hidden = [7, 5]\nactivation = \"{hidden}\"\noutput_activation = \"{output}\"\nloss = \"{loss}\"\n\
         bias_init = \"normal(0.3)\""
    );
    let data = blobs(n, 6, 3, 4);
    let resolved = settings(&recipe).resolve(&data).unwrap();
    let net = Network::new(resolved.spec).unwrap();
    let mut batch = Batch::new(&data, 3, n);
    batch.gather(&data, TargetCoding::OneHot, &[], 0..n);
    let params = net.init(9).unwrap();
    (net, params, batch)
}

/// dE/dx and its approximation by extrapolated central differences, each of single samples.
fn both<T: Real>(net: &Network, params: &[T], batch: &Batch<T>, h: f64) -> (Vec<f64>, Vec<f64>) {
    let mut ws = Workspace::new(net, batch.len(), 1);
    let mut dx = vec![T::default(); batch.x().len()];
    input_gradient(net, params, batch, &mut ws, &mut dx);
    let mut loss_at = |i: usize, by: f64| {
        let mut moved = batch.clone();
        let x = &mut moved.x_mut()[i];
        *x += T::from_f64(by);
        net.forward(params, moved.x(), &mut ws);
        net.loss(&moved, &mut ws)
    };
    let slope = |near: f64, far: f64| (4.0 * near - far) / 3.0;
    let numeric = (0..dx.len())
        .map(|i| {
            let near = (loss_at(i, h) - loss_at(i, -h)) / (2.0 * h);
            slope(near, (loss_at(i, 2.0 * h) - loss_at(i, -2.0 * h)) / (4.0 * h))
        })
        .collect();
    (dx.iter().map(|v| v.to_f64()).collect(), numeric)
}

#[test]
fn input_gradients_agree_with_differences() {
    for (hidden, output, loss) in [
        ("tanh", "softmax", "cross_entropy"),
        ("sigmoid", "sigmoid", "quadratic"),
        ("gelu", "sigmoid", "binary_cross_entropy"),
        ("softplus", "identity", "mse"),
    ] {
        let (net, params, batch) = random_case::<f64>(hidden, output, loss, 5);
        let (dx, numeric) = both(&net, &params, &batch, 1e-3);
        let size = dx.iter().map(|v| v * v).sum::<f64>().sqrt();
        let distance = dx.iter().zip(&numeric).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        assert!(size > 0.01, "{hidden}: {size}");
        assert!(distance <= 1e-8 * size, "{hidden} {output} {loss}: {distance} of {size}");

        // In 32 bits, against the same numbers in 64: differences of f32 would see little but rounding.
        let (net, params, batch) = random_case::<f32>(hidden, output, loss, 5);
        let mut ws = Workspace::new(&net, 5, 1);
        let mut short = vec![0.0f32; dx.len()];
        input_gradient(&net, &params, &batch, &mut ws, &mut short);
        for (a, b) in short.iter().zip(&dx) {
            assert!((f64::from(*a) - b).abs() <= 1e-5, "{hidden}: f32 {a}, f64 {b}");
        }
    }
}

/// Weights and deltas of Mazur's example, as its derivation prints them.
#[test]
fn the_worked_example_reaches_its_inputs() {
    let data = mazur_data();
    let run = trainer::<f64>(&settings(common::MAZUR), &data);
    let batch = Batch::from_parts(vec![0.05, 0.10], vec![0.01, 0.99], 2, 2);
    let mut ws = Workspace::new(run.network(), 1, 1);
    let mut dx = [0.0; 2];
    let loss = input_gradient(run.network(), run.params(), &batch, &mut ws, &mut dx);
    assert!((loss - 0.298371109).abs() <= 5e-10);
    let (h1, h2) = (0.008771355, 0.009954255);
    assert!((dx[0] - (0.15 * h1 + 0.25 * h2)).abs() <= 1e-9, "{dx:?}");
    assert!((dx[1] - (0.20 * h1 + 0.30 * h2)).abs() <= 1e-9, "{dx:?}");
}

/// A network that has learned `data`, and its weights.
fn learned<T: Real>(data: &Dataset) -> (Network, Vec<T>) {
    let mut run = trainer::<T>(&settings("hidden = [16]\nepochs = 30\nseed = 3"), data);
    run.run(&mut Silent).unwrap();
    (run.network().clone(), run.params().to_vec())
}

fn gathered<T: Real>(data: &Dataset) -> Batch<T> {
    let mut batch = Batch::new(data, 3, data.len());
    batch.gather(data, TargetCoding::OneHot, &[], 0..data.len());
    batch
}

fn promises_hold<T: Real>(slack: f64) {
    let data = blobs(200, 6, 3, 1);
    let (net, params) = learned::<T>(&data);
    let mut limits = Limits::range(6, -0.5, 1.5);
    limits.fixed[2] = true;
    let mut attacker = Attacker::new(&net, &params, &limits, 200);
    let mut rates = Vec::new();
    let far = Method::Iterated { steps: 3, step_size: Some(1.0) };
    for method in [Method::Fgsm, ITERATED, far, Method::Random { seed: 1 }] {
        for epsilon in [0.0, 0.1, 0.3, 10.0] {
            let (before, mut batch) = (gathered::<T>(&data), gathered::<T>(&data));
            attacker.attack(&mut batch, Aim::Away, method, epsilon);
            for (i, (x, moved)) in before.x().iter().zip(batch.x()).enumerate() {
                let (x, moved) = (x.to_f64(), moved.to_f64());
                assert!((moved - x).abs() <= epsilon + slack, "{method:?} {epsilon}: {x} to {moved}");
                assert!((-0.5 - slack..=1.5 + slack).contains(&moved), "{x} to {moved}");
                assert!(i % 6 != 2 || moved == x, "a fixed input moved");
            }
            let mut batch = Batch::new(&data, 3, 200);
            let correct = attacker.correct(&mut batch, &data, TargetCoding::OneHot, 0..200, method, epsilon);
            rates.push(correct as f64 / 200.0);
        }
    }
    assert!(rates[0] >= 0.95 && rates[0] == rates[4] && rates[0] == rates[8], "clean: {rates:?}");
    assert!(rates[2] <= rates[0] - 0.1 && rates[6] <= rates[2], "an attack must succeed: {rates:?}");
    assert!(rates[14] >= rates[2] + 0.1, "random signs must do less: {rates:?}");
}

#[test]
fn attacks_stay_in_their_ball_and_succeed() {
    promises_hold::<f32>(1e-6);
    promises_hold::<f64>(1e-15);
}

#[test]
fn a_target_is_reached_by_the_smallest_epsilon_and_not_below() {
    let data = blobs(200, 6, 3, 1);
    let (net, params) = learned::<f64>(&data);
    let limits = Limits::none(6);
    let mut attacker = Attacker::new(&net, &params, &limits, 1);
    let all = gathered::<f64>(&data);
    let mut rng = chainrule::rng::stream(8, chainrule::rng::Stream::Init);
    for _ in 0..10 {
        let sample = rng.random_range(0..200);
        let x = all.x()[6 * sample..6 * sample + 6].to_vec();
        let answer = metrics::answer(&net.predict(&params, &x));
        let wanted = (answer + 1) % 3;
        let y = (0..3).map(|class| f64::from(u8::from(class == wanted))).collect();
        let batch = Batch::from_parts(x, y, 6, 3);
        let reached = |outputs: &[f64]| metrics::answer(outputs) == wanted;
        let epsilon = attacker.smallest_epsilon(&batch, Aim::Towards, ITERATED, 4.0, reached).unwrap();
        let mut at = |epsilon: f64| {
            let mut moved = batch.clone();
            attacker.attack(&mut moved, Aim::Towards, ITERATED, epsilon);
            metrics::answer(attacker.outputs(&moved))
        };
        assert_eq!((at(epsilon), at(0.0)), (wanted, answer));
        assert_ne!(at(epsilon * 0.98), wanted, "{epsilon} is not the smallest");
        assert!(attacker.smallest_epsilon(&batch, Aim::Towards, ITERATED, epsilon / 2.0, reached).is_none());
    }
}
