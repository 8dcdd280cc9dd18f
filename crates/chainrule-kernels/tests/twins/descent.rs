//! Whole steps of gradient descent against the equations, over random networks.

use crate::common::{assert_padding_is_0, bits, config, numbers, sloped_by_a, unwritten};
use crate::levels::at_every_level;
use chainrule_kernels::activation::Nonlinearity;
use chainrule_kernels::dense::PANEL;
use chainrule_kernels::descent::{Batches, Descent, Layer, Loss, Phase, Rate, Targets};
use chainrule_kernels::naive;
use chainrule_kernels::sparse::SparseRows;
use proptest::prelude::*;

/// A network, a data set and how it is gone through.
#[derive(Clone, Debug)]
struct Case {
    inputs: usize,
    /// Units and nonlinearity of each layer, and how its biases are: 0 none, 1 shared, 2 one for each unit.
    layers: Vec<(usize, Nonlinearity, usize)>,
    /// 0 squares, 1 cross-entropy, 2 binary cross-entropy.
    loss: usize,
    labels: bool,
    /// Bit 2l: the weights of layer l are frozen; bit 2l + 1: its biases.
    frozen: u32,
    keep: f64,
    data: usize,
    /// Of which the last batch may be smaller.
    batch_size: usize,
    /// Whether all nonzero inputs are the same.
    same: bool,
    seed: u64,
}

impl Case {
    /// The layers one behind the other, biases padded, and the number of parameters.
    fn build(&self) -> (Vec<Layer>, usize) {
        let (mut inputs, mut end, mut layers) = (self.inputs, 0, Vec::new());
        for (l, &(units, f, biases)) in self.layers.iter().enumerate() {
            let f = match self.loss {
                1 if l + 1 == self.layers.len() => Nonlinearity::Identity,
                2 if l + 1 == self.layers.len() => Nonlinearity::Sigmoid,
                _ => f,
            };
            let (weight, width) = (end, units.next_multiple_of(PANEL));
            let bias = weight + inputs * width..weight + inputs * width + [0, 1, units][biases];
            end = bias.start + if biases == 0 { 0 } else { width };
            let frozen = self.frozen >> (2 * l);
            let (train_weights, train_bias) = (frozen & 1 == 0, frozen & 2 == 0);
            layers.push(Layer { inputs, units, f, weight, bias, train_weights, train_bias });
            inputs = units;
        }
        (layers, end)
    }

    fn parameters(&self, layers: &[Layer], count: usize) -> Vec<f32> {
        let mut params = vec![0.0; count];
        for (l, layer) in layers.iter().enumerate() {
            let (k, m) = (layer.inputs, layer.units);
            let scale = 1.5 / (k as f32).sqrt();
            let w: Vec<f32> =
                numbers::<f32>(k * m, self.seed + 10 + l as u64).iter().map(|w| w * scale).collect();
            let panels = naive::to_panels(k, m, &w);
            params[layer.weight..layer.weight + panels.len()].copy_from_slice(&panels);
            let bias = numbers::<f32>(layer.bias.len(), self.seed + 20 + l as u64);
            params[layer.bias.clone()].copy_from_slice(&bias);
        }
        params
    }
}

/// The parameters in use.
fn without_padding(layers: &[Layer], params: &[f32]) -> Vec<f32> {
    let of = |layer: &Layer| {
        let mut all = naive::from_panels(layer.inputs, layer.units, &params[layer.weight..]);
        all.extend(&params[layer.bias.clone()]);
        all
    };
    layers.iter().flat_map(of).collect()
}

fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    let difference = (got - want).abs();
    assert!(difference <= tolerance * (1.0 + want.abs()), "{what}: {got} for {want}, {difference:e}");
}

/// False where the result hangs on rounding: a rectifier met a z near 0, or the loss explodes.
fn agree(case: &Case) -> bool {
    let (layers, count) = case.build();
    let outputs = layers[layers.len() - 1].units;
    let before = case.parameters(&layers, count);
    let mut x: Vec<f64> = numbers(case.data * case.inputs, case.seed);
    if case.same {
        x.iter_mut().for_each(|x| *x = if *x > 0.1 { 0.5 } else { 0.0 });
    }
    let rows = SparseRows::from_reals(&x, case.inputs).unwrap();
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let labels: Vec<u32> = (0..case.data).map(|s| ((s * 7 + 3) % outputs) as u32).collect();
    let values: Vec<f32> =
        numbers::<f32>(case.data * outputs, case.seed + 1).iter().map(|v| v.abs()).collect();
    let targets = if case.labels { Targets::Labels(&labels) } else { Targets::Values(&values) };
    let loss = [Loss::Squares { value: 0.5 }, Loss::CrossEntropy, Loss::BinaryCrossEntropy][case.loss];
    // Not all samples, in no order.
    let samples: Vec<usize> = (0..case.data).map(|s| (s * 5 + 1) % case.data).collect();
    let steps = samples.len().div_ceil(case.batch_size);
    let rates: Vec<Rate> =
        (0..steps).map(|b| Rate { learning_rate: 0.1 / (b + 1) as f64, keep: case.keep }).collect();
    let batches = Batches { samples: &samples, batch_size: case.batch_size, rates: &rates };
    let mut want = before.clone();
    let (mut sums_naive, mut answers_naive) =
        (vec![f64::NAN; steps], unwritten::<f32>(samples.len() * outputs));
    let (made, nearest) =
        naive::descent(&layers, loss, &mut want, &x, targets, batches, &mut sums_naive, &mut answers_naive);
    assert_eq!(made, steps);
    if nearest < 1e-5 || sums_naive.iter().any(|&sum| sum > 1e3) {
        return false;
    }
    at_every_level(|level| {
        let mut of_one_thread = None;
        // The last two tell phases apart, to the same bits.
        for (threads, told) in [(1, false), (2, false), (3, false), (1, true), (3, true)] {
            let mut params = before.clone();
            let (mut sums, mut answers) = (vec![f64::NAN; steps], unwritten::<f32>(samples.len() * outputs));
            let mut network = Descent::new(layers.clone(), loss, case.batch_size + 1);
            let mut phases = Vec::new();
            let mut ended = |phase| phases.push(phase);
            let ended = told.then_some(&mut ended as &mut dyn FnMut(Phase));
            let (sums_to, answers_to) = (&mut sums[..], &mut answers[..]);
            let made = network.run_by_phases(
                &mut params,
                &rows,
                targets,
                batches,
                sums_to,
                answers_to,
                threads,
                ended,
            );
            assert_eq!(made, steps);
            assert_eq!(phases.len(), if told { 4 * steps } else { 0 });
            for (l, layer) in layers.iter().enumerate() {
                if layer.bias.len() == layer.units {
                    let padding =
                        &params[layer.bias.end..layer.bias.start + layer.units.next_multiple_of(PANEL)];
                    assert!(
                        padding.iter().all(|&b| b == 0.0),
                        "padding of the biases of layer {l}: {padding:?}"
                    );
                }
                let panels = &params[layer.weight..layer.bias.start];
                assert_padding_is_0("w", layer.inputs, layer.units, panels);
                assert!(
                    layer.train_weights || panels == &before[layer.weight..layer.bias.start],
                    "layer {l} is frozen"
                );
                assert!(
                    layer.train_bias || params[layer.bias.clone()] == before[layer.bias.clone()],
                    "layer {l}: b"
                );
            }
            for (at, (&got, &want)) in params.iter().zip(&want).enumerate() {
                close(&format!("parameter {at}"), got.into(), want.into(), 5e-5);
            }
            for (&got, &want) in answers.iter().zip(&answers_naive) {
                close("answer", got.into(), want.into(), 5e-5);
            }
            for (&got, &want) in sums.iter().zip(&sums_naive) {
                close("loss", got, want, 5e-5);
            }
            let bits = (bits(&[&without_padding(&layers, &params), &answers]), bits(&[&sums]));
            let first = of_one_thread.get_or_insert_with(|| bits.clone());
            assert!(*first == bits, "{threads} threads give other bits for {case:?} at {level:?}");
        }
    });
    true
}

fn units() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..=3, 4usize..=33, Just(16usize), Just(48usize)]
}

prop_compose! {
    fn cases()(
        inputs in 1usize..70,
        layers in proptest::collection::vec((units(), sloped_by_a(), 0usize..3), 1..4),
        loss in 0usize..3,
        labels: bool,
        frozen in prop_oneof![2 => Just(0u32), 1 => 0u32..64],
        keep in prop_oneof![Just(1.0), Just(0.96875)],
        (whole, batch_size, rest) in (0usize..4, 1usize..40, 1usize..40),
        same: bool,
        seed in 0u64..1_000_000,
    ) -> Case {
        let data = whole * batch_size + rest.min(batch_size);
        Case { inputs, layers, loss, labels, frozen, keep, data, batch_size, same, seed }
    }
}

prop_compose! {
    /// Steps of one sample on layers of a panel at most.
    fn narrow_cases()(
        mut case in cases(),
        layers in proptest::collection::vec((1usize..=PANEL, sloped_by_a()), 1..5),
        data in 1usize..30,
    ) -> Case {
        case.layers = layers.into_iter().map(|(units, f)| (units, f, 2)).collect();
        Case { frozen: 0, keep: 1.0, batch_size: 1, data, ..case }
    }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn agrees_over_random_networks(case in cases()) {
        prop_assume!(agree(&case));
    }

    #[test]
    fn agrees_over_random_narrow_networks(case in narrow_cases()) {
        prop_assume!(agree(&case));
    }
}

fn wide(biases: usize, f: Nonlinearity, layers: &[usize]) -> Case {
    let layers = layers.iter().map(|&units| (units, f, biases)).collect();
    Case {
        inputs: 300,
        layers,
        loss: 1,
        labels: true,
        frozen: 0,
        keep: 0.999,
        data: 150,
        batch_size: 40,
        same: false,
        seed: 3,
    }
}

/// Networks whose first layer is shared by threads, with batches that share the other layers, and a ragged last one.
#[test]
fn agrees_where_threads_share_the_work() {
    for biases in 0..3 {
        assert!(agree(&wide(biases, Nonlinearity::Sigmoid, &[100, 40, 10])));
        assert!(agree(&wide(biases, Nonlinearity::Tanh, &[70])));
        assert!(agree(&Case { batch_size: 10, keep: 1.0, ..wide(biases, Nonlinearity::Tanh, &[200, 9]) }));
    }
}

/// The same where each thread goes through the other layers for itself, with layers that stay as they are.
#[test]
fn agrees_where_threads_work_for_themselves() {
    for (biases, frozen) in [(0, 0), (1, 0), (2, 0), (2, 0b00_10_01), (1, 0b10_00_10), (2, 0b01_10_00)] {
        assert!(agree(&Case {
            batch_size: 20,
            frozen,
            ..wide(biases, Nonlinearity::Sigmoid, &[100, 40, 10])
        }));
    }
}

/// One network for many calls, long enough that it tries both ways of making steps more than once.
#[test]
fn changes_between_one_thread_and_several_to_the_same_bits() {
    let case = Case { data: 1500, ..wide(2, Nonlinearity::Sigmoid, &[64, 10]) };
    let (layers, count) = case.build();
    let x: Vec<f64> = numbers(case.data * case.inputs, 1);
    let rows = SparseRows::from_reals(&x, case.inputs).unwrap();
    let labels: Vec<u32> = (0..case.data).map(|s| (s * 7 % 10) as u32).collect();
    let samples: Vec<usize> = (0..case.data).collect();
    let rates = vec![Rate { learning_rate: 0.1, keep: 1.0 }; case.data / 20];
    let run = |threads| {
        let mut params = case.parameters(&layers, count);
        let mut network = Descent::new(layers.clone(), Loss::CrossEntropy, 20);
        let (mut sums, mut answers) = (vec![0.0; rates.len()], vec![0.0; samples.len() * 10]);
        for _ in 0..12 {
            let batches = Batches { samples: &samples, batch_size: 20, rates: &rates };
            let targets = Targets::Labels(&labels);
            let made = network.run(&mut params, &rows, targets, batches, &mut sums, &mut answers, threads);
            assert_eq!(made, rates.len());
        }
        bits(&[&without_padding(&layers, &params), &answers])
    };
    at_every_level(|level| assert!(run(1) == run(2), "other bits at {level:?}"));
}

/// The parts of a first layer that shares one bias must all see it after the same step.
#[test]
fn a_shared_bias_is_the_same_for_all_threads() {
    for seed in 0..30 {
        assert!(agree(&Case {
            seed,
            data: 300,
            batch_size: 20,
            ..wide(1, Nonlinearity::Sigmoid, &[64, 10])
        }));
    }
}

#[test]
fn does_nothing_without_samples() {
    let (layers, count) = wide(2, Nonlinearity::Tanh, &[20, 3]).build();
    let rows = SparseRows::from_reals(&[], 300).unwrap();
    let mut params = vec![0.5; count];
    let batches = Batches { samples: &[], batch_size: 4, rates: &[] };
    let mut network = Descent::new(layers, Loss::CrossEntropy, 4);
    assert_eq!(network.run(&mut params, &rows, Targets::Labels(&[]), batches, &mut [], &mut [], 2), 0);
    assert!(params.iter().all(|&p| p == 0.5));
}

/// A step that meets a number that is not finite changes nothing, and those before it stay.
#[test]
fn stops_before_a_step_that_is_not_finite() {
    stops(&[64, 30, 10], 40);
    stops(&[64, 30, 10], 15);
    stops(&[16, 9, 10], 1); // narrow
}

fn stops(units: &[usize], batch_size: usize) {
    for loss in 0..3 {
        for (bad, at) in
            [(f32::NAN, "target"), (f32::NAN, "input"), (f32::NAN, "weight"), (f32::INFINITY, "weight")]
        {
            let case = Case { loss, labels: false, ..wide(2, Nonlinearity::Relu, units) };
            let (layers, count) = case.build();
            let (samples, rates) = (
                (0..case.data).collect::<Vec<_>>(),
                [Rate { learning_rate: 0.1, keep: if batch_size == 1 { 1.0 } else { 0.5 } }; 4],
            );
            let mut x = numbers::<f64>(case.data * case.inputs, 1);
            let mut values: Vec<f32> = numbers::<f32>(case.data * 10, 2).iter().map(|v| v.abs()).collect();
            let mut params = case.parameters(&layers, count);
            let third = 2 * batch_size + batch_size / 3;
            // In the third batch, but for the weight: from the start.
            let stops = match at {
                "target" => {
                    values[third * 10 + 4] = bad;
                    2
                }
                "input" => {
                    x[third * case.inputs + 5] = bad.into();
                    2
                }
                _ => {
                    params[layers[1].weight + 7] = bad;
                    0
                }
            };
            let rows = SparseRows::from_reals(&x, case.inputs).unwrap();
            let loss = [Loss::Squares { value: 0.5 }, Loss::CrossEntropy, Loss::BinaryCrossEntropy][loss];
            at_every_level(|level| {
                let run = |steps: usize, threads| {
                    let mut params = params.clone();
                    let batches = Batches {
                        samples: &samples[..steps * batch_size],
                        batch_size,
                        rates: &rates[..steps],
                    };
                    let (mut sums, mut answers) = (vec![0.0; steps], vec![0.0; steps * batch_size * 10]);
                    let made = Descent::new(layers.clone(), loss, batch_size).run(
                        &mut params,
                        &rows,
                        Targets::Values(&values),
                        batches,
                        &mut sums,
                        &mut answers,
                        threads,
                    );
                    (made, bits(&[&params]))
                };
                for threads in [1, 2] {
                    let (made, after) = run(3, threads);
                    assert!(made == stops, "{bad} as {at}, {loss:?}, {level:?}: {made} steps for {stops}");
                    assert!(
                        after == run(stops, 1).1,
                        "{bad} as {at}, {loss:?}, {level:?}: changed by the step it refused"
                    );
                }
            });
        }
    }
}
