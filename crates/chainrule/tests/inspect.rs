//! What is seen inside a network, against numbers computed apart.

mod common;

use chainrule::batch::{Batch, TargetCoding};
use chainrule::inspect::{Inspector, exciting};
use chainrule::metrics::Accuracy;
use chainrule::network::{Network, Workspace};
use chainrule::spec::{LayerSpec, NetworkSpec};
use chainrule::{Dataset, Features, Targets};

/// Samples of three inputs in two classes, and a network for them.
fn subject(samples: usize) -> (Network, Dataset) {
    let values: Vec<f64> =
        (0..samples * 3).map(|i| ((i * i * 7919 + i) % 1000) as f64 / 500.0 - 1.0).collect();
    let labels = (0..samples).map(|s| u32::from(s % 3 == 0)).collect();
    let targets = Targets::Classes { labels, names: vec!["a".into(), "b".into()] };
    let data = Dataset::new("made", vec![3], Features::Reals(values), targets).unwrap();
    let layer = |units, f: &str| LayerSpec::new(units, f.parse().unwrap(), "normal".parse().unwrap());
    let spec = NetworkSpec {
        input_shape: vec![3],
        layers: vec![layer(5, "tanh"), layer(4, "relu"), layer(2, "softmax")],
        loss: "cross_entropy".parse().unwrap(),
    };
    (Network::new(spec).unwrap(), data)
}

#[test]
fn histograms_hold_what_a_step_computes() {
    let (net, data) = subject(200);
    let params: Vec<f64> = net.init(3).unwrap();
    let mut inspector = Inspector::new(&net, &data, TargetCoding::OneHot, Accuracy::Argmax);
    assert_eq!(inspector.samples(), 200);
    let moment = inspector.look(&net, &params, 7, 2).unwrap();
    assert_eq!((moment.figures.step, moment.figures.epochs), (7, 2));

    let mut batch = Batch::new(&data, 2, 200);
    batch.gather(&data, TargetCoding::OneHot, &[], 0..200);
    let (mut ws, mut grads) = (Workspace::new(&net, 200, 1), vec![0.0; net.layout().len()]);
    net.forward(&params, batch.x(), &mut ws);
    net.loss(&batch, &mut ws);
    net.backward(&params, batch.x(), &mut ws, &mut grads);
    for (l, layer) in moment.layers.iter().enumerate() {
        let mean = |values: Vec<f64>| values.into_iter().map(|g| g / 200.0).collect::<Vec<f64>>();
        let expected = [
            (&layer.activations, ws.a(l).to_vec()),
            (&layer.deltas, ws.delta(l).to_vec()),
            (&layer.gradients, mean(net.layout().export_weight(l, &grads))),
            (&layer.bias_gradients, mean(grads[net.layout().bias(l)].to_vec())),
            (&layer.weights, net.layout().export_weight(l, &params)),
            (&layer.biases, params[net.layout().bias(l)].to_vec()),
        ];
        for (histogram, values) in expected {
            let extremes = values
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
            let close =
                |found: f64, wanted: f64| assert!((found - wanted).abs() <= 1e-12 * (1.0 + wanted.abs()));
            assert_eq!(histogram.count, values.len() as u64);
            close(histogram.min, extremes.0);
            close(histogram.max, extremes.1);
            close(histogram.sum, values.iter().sum());
            close(histogram.sum_squares, values.iter().map(|v| v * v).sum());
        }
    }
    assert!(inspector.look(&net, &params[1..], 0, 0).is_err());
}

#[test]
fn exciting_samples_are_those_of_a_whole_sort() {
    let (net, data) = subject(700); // more than a chunk, and a ragged last one
    let params: Vec<f64> = net.init(5).unwrap();
    let found = exciting(&net, &params, &data, TargetCoding::OneHot, &[0, 1], 6);
    let mut ws = Workspace::new(&net, 1, 1);
    let rows: Vec<[Vec<f64>; 2]> = (0..data.len())
        .map(|s| {
            net.forward(&params, &data.row(s)[..], &mut ws);
            [ws.a(0).to_vec(), ws.a(1).to_vec()]
        })
        .collect();
    for (l, units) in found.iter().enumerate() {
        assert_eq!(units.len(), [5, 4][l]);
        for (unit, best) in units.iter().enumerate() {
            let mut all: Vec<f64> = rows.iter().map(|row| row[l][unit]).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(best.len(), 6);
            for (excited, wanted) in best.iter().zip(&all) {
                assert!((excited.a - wanted).abs() <= 1e-12, "layer {l}, unit {unit}");
                assert!((rows[excited.sample][l][unit] - excited.a).abs() <= 1e-12);
            }
        }
    }
    let few = exciting(&net, &params, &subject(2).1, TargetCoding::OneHot, &[1], 6);
    assert!(few[0].iter().all(|unit| unit.len() == 2));
}
