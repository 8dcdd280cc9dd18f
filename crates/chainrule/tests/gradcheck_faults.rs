//! The five classic faults, planted in a backpropagation of this file's own, are found and located.

use chainrule::batch::Batch;
use chainrule::gradcheck::{self, Classic, Fault, GradientCheck, Options, Problem};
use chainrule::network::Network;
use chainrule::regularize::Regularize;
use chainrule::spec::{LayerSpec, NetworkSpec};

/// What is planted.
#[derive(Clone, Copy, PartialEq)]
enum Planted {
    Nothing,
    /// No f'(z) in BP2.
    NoSlope,
    /// No f'(z) in BP1.
    NoSlopeAtOutputs,
    /// W in BP2 for its transpose.
    Transposed,
    /// The weights' gradient stored transposed.
    GradientTransposed,
    /// A sum, not a mean.
    Sum,
    NoBias,
    /// Only the first layer's.
    NoFirstBias,
    /// The softmax of S1's listing: one sum for the whole batch.
    SoftmaxOverBatch,
    /// y - a for a - y.
    Sign,
    /// The second sample counts twice: no classic.
    Odd,
}
use Planted::*;

/// W (units, inputs) and b of every layer.
type Layers = Vec<(Vec<Vec<f64>>, Vec<f64>)>;

/// Backpropagation for tanh (hidden), sigmoid with 1/2 (a - y)^2, and softmax with cross-entropy, as a beginner writes it:
/// nested vectors, sample by sample. The forward pass gives a(l) of all samples.
fn backpropagation(
    layers: &Layers,
    x: &[Vec<f64>],
    y: &[Vec<f64>],
    softmax: bool,
    planted: Planted,
) -> Layers {
    let last = layers.len() - 1;
    let forward = |x: &Vec<f64>| {
        let mut a = vec![x.clone()];
        for (l, (w, b)) in layers.iter().enumerate() {
            let dot = |row: &Vec<f64>| row.iter().zip(&a[l]).map(|(w, a)| w * a).sum::<f64>();
            let f = |z: f64| {
                if l < last {
                    z.tanh()
                } else if softmax {
                    z.exp()
                } else {
                    1.0 / (1.0 + (-z).exp())
                }
            };
            a.push(w.iter().zip(b).map(|(row, b)| f(dot(row) + b)).collect());
        }
        a
    };
    let mut activations: Vec<Vec<Vec<f64>>> = x.iter().map(forward).collect();
    if softmax {
        let sums: Vec<f64> = activations.iter().map(|a| a[last + 1].iter().sum()).collect();
        let whole: f64 = sums.iter().sum();
        for (a, sum) in activations.iter_mut().zip(&sums) {
            let sum = if planted == SoftmaxOverBatch { whole } else { *sum };
            a[last + 1].iter_mut().for_each(|a| *a /= sum);
        }
    }
    let mut grads: Layers =
        layers.iter().map(|(w, b)| (vec![vec![0.0; w[0].len()]; w.len()], vec![0.0; b.len()])).collect();
    for (s, (a, y)) in activations.iter().zip(y).enumerate() {
        let out = &a[last + 1];
        let mut delta: Vec<f64> = out.iter().zip(y).map(|(a, y)| a - y).collect();
        if !softmax && planted != NoSlopeAtOutputs {
            delta.iter_mut().zip(out).for_each(|(d, a)| *d *= a * (1.0 - a));
        }
        if planted == Sign {
            delta.iter_mut().for_each(|d| *d = -*d);
        }
        if planted == Odd && s == 1 {
            delta.iter_mut().for_each(|d| *d *= 2.0);
        }
        for l in (0..=last).rev() {
            let (w, _) = &layers[l];
            for (j, d) in delta.iter().enumerate() {
                for (i, a) in a[l].iter().enumerate() {
                    let (to_j, to_i) =
                        if planted == GradientTransposed && w.len() == w[0].len() { (i, j) } else { (j, i) };
                    grads[l].0[to_j][to_i] += d * a;
                }
                if planted != NoBias && !(planted == NoFirstBias && l == 0) {
                    grads[l].1[j] += d;
                }
            }
            if l > 0 {
                let weight = |j: usize, i: usize| if planted == Transposed { w[i][j] } else { w[j][i] };
                let back = |i: usize| delta.iter().enumerate().map(|(j, d)| weight(j, i) * d).sum::<f64>();
                let slope = |a: f64| if planted == NoSlope { 1.0 } else { 1.0 - a * a };
                delta = a[l].iter().enumerate().map(|(i, &a)| back(i) * slope(a)).collect();
            }
        }
    }
    let n = if planted == Sum { 1.0 } else { x.len() as f64 };
    for (w, b) in &mut grads {
        w.iter_mut().flatten().for_each(|g| *g /= n);
        b.iter_mut().for_each(|g| *g /= n);
    }
    grads
}

/// Checks the gradient of that backpropagation on a network of these sizes.
fn check(sizes: &[usize], softmax: bool, planted: Planted, options: &Options) -> GradientCheck {
    let last = sizes.len() - 2;
    let layer = |l: usize| {
        let f = if l < last {
            "tanh"
        } else if softmax {
            "softmax"
        } else {
            "sigmoid"
        };
        let mut layer = LayerSpec::new(sizes[l + 1], f.parse().unwrap(), "normal(0.7)".parse().unwrap());
        layer.bias_init = "normal(0.3)".parse().unwrap();
        layer
    };
    let loss = if softmax { "cross_entropy" } else { "quadratic" }.parse().unwrap();
    let spec = NetworkSpec { input_shape: vec![sizes[0]], layers: (0..=last).map(layer).collect(), loss };
    let outputs = spec.outputs();
    let net = Network::new(spec).unwrap();
    let params: Vec<f64> = net.init(5).unwrap();
    let layout = net.layout();
    let layers = (0..=last).map(|l| {
        let (units, inputs) = layout.weight_shape(l);
        let row = |j: usize| (0..inputs).map(|i| params[layout.weight_at(l, j, i)]).collect();
        ((0..units).map(row).collect(), params[layout.bias(l)].to_vec())
    });
    let layers: Layers = layers.collect();
    let x: Vec<Vec<f64>> =
        (0..3).map(|s| (0..sizes[0]).map(|i| ((3 * s + 7 * i) as f64).sin()).collect()).collect();
    let y: Vec<Vec<f64>> =
        (0..3).map(|s| (0..outputs).map(|j| f64::from(u8::from(j == s % outputs))).collect()).collect();
    let mut grads = vec![0.0; params.len()];
    for (l, (w, b)) in backpropagation(&layers, &x, &y, softmax, planted).iter().enumerate() {
        for (j, row) in w.iter().enumerate() {
            row.iter().enumerate().for_each(|(i, &g)| grads[layout.weight_at(l, j, i)] = g);
        }
        grads[layout.bias(l)].copy_from_slice(b);
    }
    let batch = Batch::from_parts(x.concat(), y.concat(), sizes[0], outputs);
    let none = Regularize::default();
    let problem = Problem { net: &net, params: &params, batch: &batch, regularize: &none, samples: 3 };
    gradcheck::check_gradient(&problem, &grads, options).unwrap()
}

/// The fault found, and that exactly the groups named are wrong.
fn found(sizes: &[usize], softmax: bool, planted: Planted, wrong: &[&str]) -> Fault {
    let found = check(sizes, softmax, planted, &Options::default());
    assert!(!found.passed);
    let failed: Vec<&str> = found.groups.iter().filter(|g| !g.passed).map(|g| g.name.as_str()).collect();
    assert_eq!(failed, wrong, "{}", found.verdict);
    assert!(found.verdict.contains("gradient is wrong"), "{}", found.verdict);
    // No step makes them agree: the picture over h shows it too.
    assert!(found.sweep.points.iter().all(|p| p.extrapolated > 1e-4), "{:?}", found.sweep);
    for group in found.groups.iter().filter(|group| !group.passed) {
        assert!(group.verdict.starts_with("WRONG"), "{}: {}", group.name, group.verdict);
    }
    found.fault.unwrap()
}

fn says(fault: &Fault, parts: &[&str]) {
    for part in parts {
        assert!(fault.words.contains(part), "'{part}' is not in: {}", fault.words);
    }
}

const DEEP: [usize; 5] = [4, 3, 3, 3, 3];

#[test]
fn without_a_fault_there_is_none() {
    for softmax in [false, true] {
        let found = check(&DEEP, softmax, Nothing, &Options::default());
        assert!(found.passed && found.fault.is_none(), "{found:?}");
        assert!(found.groups.iter().all(|group| group.verdict == "same"));
        assert_eq!(found.verdict, "Backpropagation agrees with central differences.");
    }
}

#[test]
fn a_missing_slope() {
    let hidden = [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "layers.2.weight",
        "layers.2.bias",
    ];
    let fault = found(&DEEP, true, NoSlope, &hidden);
    assert_eq!(
        (fault.classic, fault.layer, fault.weights, fault.biases),
        (Some(Classic::MissingSlope), 3, true, true)
    );
    says(
        &fault,
        &[
            "starts in layer 3 of 4 (3 tanh units)",
            "layer 4 agrees",
            "f'(z) is left out of BP2, in layers 1 to 3",
        ],
    );
    let fault = found(&[4, 5, 2], false, NoSlope, &hidden[..2]);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::MissingSlope), 1));
    let fault = found(&[4, 5, 2], false, NoSlopeAtOutputs, &hidden[..4]);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::MissingSlope), 2));
    says(&fault, &["the output layer", "left out of BP1, in layer 2"]);
}

#[test]
fn transposed_weights() {
    let hidden = [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "layers.2.weight",
        "layers.2.bias",
    ];
    let fault = found(&DEEP, true, Transposed, &hidden);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::TransposedWeights), 3));
    says(&fault, &["layer 4 agrees", "BP2 reads W where it needs W transposed, into layers 1 to 3"]);
    let weights = ["layers.1.weight", "layers.2.weight", "layers.3.weight"];
    let fault = found(&DEEP, true, GradientTransposed, &weights);
    assert_eq!((fault.weights, fault.biases, fault.layer), (true, false, 4));
    let fault = found(&[3, 3, 2], false, GradientTransposed, &["layers.0.weight"]);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::TransposedGradient), 1));
    says(&fault, &["BP4 stores the gradient of W transposed, in layer 1", "layer 2 agrees"]);
}

#[test]
fn a_missing_division_by_n() {
    let all = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"];
    let fault = found(&[4, 5, 3], true, Sum, &all);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::NotDivided), 2));
    says(&fault, &["3.000000 times", "3 samples", "not divided by n"]);
    let fault = found(&[4, 5, 3], true, Sign, &all);
    assert_eq!(fault.classic, Some(Classic::ConstantFactor));
    says(&fault, &["-1.000000 times", "sign"]);
}

#[test]
fn forgotten_biases() {
    let fault = found(&[4, 5, 3], true, NoBias, &["layers.0.bias", "layers.1.bias"]);
    assert_eq!(
        (fault.classic, fault.layer, fault.weights, fault.biases),
        (Some(Classic::BiasForgotten), 2, false, true)
    );
    says(&fault, &["its biases are wrong", "BP3 is forgotten", "layers 1 to 2 have gradient 0"]);
    let fault = found(&[4, 5, 3], true, NoFirstBias, &["layers.0.bias"]);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::BiasForgotten), 1));
    says(&fault, &["biases of layer 1 have gradient 0", "layer 2 agrees"]);
}

#[test]
fn a_softmax_over_the_whole_batch() {
    let all = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"];
    let fault = found(&[4, 5, 3], true, SoftmaxOverBatch, &all);
    assert_eq!((fault.classic, fault.layer), (Some(Classic::SoftmaxOverBatch), 2));
    says(&fault, &["output layer", "softmax is divided by the sum over all 3 samples"]);
}

#[test]
fn what_is_no_classic_is_located_and_not_guessed() {
    let all = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"];
    let fault = found(&[4, 5, 3], true, Odd, &all);
    assert_eq!((fault.classic, fault.layer), (None, 2));
    says(&fault, &["No classic slip"]);
}

#[test]
fn faults_are_found_among_some_of_the_parameters_and_at_any_step() {
    let faults = [
        (NoSlope, Classic::MissingSlope),
        (Transposed, Classic::TransposedWeights),
        (Sum, Classic::NotDivided),
        (NoBias, Classic::BiasForgotten),
        (SoftmaxOverBatch, Classic::SoftmaxOverBatch),
    ];
    for (planted, classic) in faults {
        for options in [
            Options { parameters: Some(24), ..Options::default() },
            Options { h: 1e-2, ..Options::default() },
            Options { h: 1e-6, ..Options::default() },
        ] {
            let found = check(&DEEP, true, planted, &options);
            assert!(!found.passed);
            let fault = found.fault.unwrap_or_else(|| panic!("{classic:?} {options:?}: {}", found.verdict));
            assert_eq!(fault.classic, Some(classic), "{options:?}: {}", fault.words);
        }
    }
}

#[test]
fn a_gradient_of_another_length_is_refused() {
    let net = Network::new(NetworkSpec {
        input_shape: vec![1],
        layers: vec![LayerSpec::new(1, "identity".parse().unwrap(), "ones".parse().unwrap())],
        loss: "mse".parse().unwrap(),
    });
    let net = net.unwrap();
    let params: Vec<f64> = net.init(0).unwrap();
    let batch = Batch::from_parts(vec![1.0], vec![0.0], 1, 1);
    let none = Regularize::default();
    let problem = Problem { net: &net, params: &params, batch: &batch, regularize: &none, samples: 1 };
    let error = gradcheck::check_gradient(&problem, &[0.0], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("gradient"), "{error}");
}
