//! The predictor answers with the bits of training's forward pass.

mod common;

use chainrule::network::{Network, Workspace};
use chainrule::predictor::Predictor;
use chainrule::{Dataset, Features, Targets};
use chainrule_kernels::dense::{How, Input};
use chainrule_kernels::sparse::SparseRows;
use common::{bits, settings};

/// `samples` of 50 inputs, of which every `step`th is not zero.
fn data(samples: usize, step: usize) -> Dataset {
    let number =
        |at: usize| if at.is_multiple_of(step) { ((at * 37) % 101) as f64 / 50.0 - 1.0 } else { 0.0 };
    let labels = (0..samples).map(|s| s as u32 % 3).collect();
    let names = ["a", "b", "c"].map(String::from).to_vec();
    let features = Features::Reals((0..samples * 50).map(number).collect());
    Dataset::new("made", vec![50], features, Targets::Classes { labels, names }).unwrap()
}

fn network(data: &Dataset, settings_text: &str) -> Network {
    Network::new(settings(settings_text).resolve(data).unwrap().spec).unwrap()
}

fn rows(data: &Dataset) -> Vec<f32> {
    let mut x = vec![0.0; data.len() * data.inputs()];
    for (s, row) in x.chunks_exact_mut(data.inputs()).enumerate() {
        data.write_row(s, row);
    }
    x
}

#[test]
fn same_bits_as_the_forward_pass_over_the_same_kernels() {
    for text in [
        "hidden = [40, 17]\nactivation = \"relu\"",
        "hidden = [90, 70]\nactivation = \"relu\"", // wide enough for zeros to be left out of batches
        "hidden = [33]\nactivation = \"gelu\"\nbias = \"none\"",
        "hidden = []",
    ] {
        for step in [1, 5] {
            let data = data(301, step);
            let net = network(&data, text);
            let params = net.init::<f32>(4).unwrap();
            let x = rows(&data);
            let mut ws = Workspace::new(&net, data.len(), 1);
            let samples: Vec<usize> = (0..data.len()).collect();
            match data.lists() {
                Some(lists) => net.forward(&params, Input::Sparse(lists, &samples), &mut ws),
                None => net.forward(&params, &x, &mut ws),
            }
            for threads in [1, 2, 3] {
                let predictor = Predictor::new(&net, &params, data.len(), data.density()).unwrap();
                let mut predictor = predictor.with_threads(threads);
                assert_eq!(predictor.is_sparse(), step == 5);
                // All, a few, one; then all again, in buffers that hold what others left.
                for n in [301, 3, 1, 64, 65, 301] {
                    let expected = bits(&ws.output()[..n * 3]);
                    assert_eq!(
                        bits(predictor.predict(&x[..n * 50])),
                        expected,
                        "{text}, {n} samples, {threads} threads"
                    );
                }
                let last = predictor.predict(&x[300 * 50..]);
                assert_eq!(bits(last), bits(&ws.output()[900..]));
                assert!(predictor.predict(&[]).is_empty());
            }
        }
    }
}

/// Lists of any length, those of full rows included, whatever density was expected.
#[test]
fn same_bits_with_any_number_of_nonzero_inputs() {
    let nonzero = [0, 1, 7, 8, 9, 11, 50, 50, 3, 0];
    let number = |at: usize| if at % 50 < nonzero[at / 50] { (at % 13) as f64 / 4.0 - 1.6 } else { 0.0 };
    let features = Features::Reals((0..500).map(number).collect());
    let labels = (0..10).map(|s| s % 3).collect();
    let names = ["a", "b", "c"].map(String::from).to_vec();
    let data = Dataset::new("made", vec![50], features, Targets::Classes { labels, names }).unwrap();
    let lists = SparseRows::from_reals(&(0..500).map(number).collect::<Vec<_>>(), 50).unwrap();
    let samples: Vec<usize> = (0..10).collect();
    let net = network(&data, "hidden = [40, 17]\nactivation = \"relu\"");
    let params = net.init::<f32>(4).unwrap();
    let mut ws = Workspace::new(&net, 10, 1);
    net.forward(&params, Input::Sparse(&lists, &samples), &mut ws);
    let mut predictor = Predictor::new(&net, &params, 10, 0.1).unwrap();
    let x = rows(&data);
    assert_eq!(bits(predictor.predict(&x)), bits(ws.output()));
    for (s, row) in x.chunks(50).enumerate() {
        assert_eq!(bits(predictor.predict(row)), bits(&ws.output()[s * 3..][..3]), "sample {s}");
    }
}

/// What relu has made 0 is left out only where 0 times a weight is 0.
#[test]
fn a_weight_that_is_not_finite_shows_behind_an_input_of_0() {
    let data = data(1, 1);
    let net = network(&data, "hidden = [40]\nactivation = \"relu\"");
    let mut params = net.init::<f32>(4).unwrap();
    let x = rows(&data);
    let mut ws = Workspace::new(&net, 1, 1);
    net.forward(&params, &x, &mut ws);
    let silent = ws.a(0).iter().position(|&a| a == 0.0).expect("half of the units");
    for j in 0..3 {
        params[net.layout().weight_at(1, j, silent)] = f32::INFINITY;
    }
    net.forward(&params, &x, &mut ws);
    let answer = Predictor::new(&net, &params, 1, 1.0).unwrap().predict(&x).to_vec();
    assert!(ws.output().iter().chain(&answer).all(|a| a.is_nan()), "{answer:?}");
}

/// Of the whole call, whatever samples the threads and chunks take.
#[test]
fn bf16_has_the_bits_of_such_a_trainers_forward_pass() {
    let texts = [
        "hidden = [40, 17]\nactivation = \"relu\"",
        // Not computed in passing: stacks of layers end there.
        "hidden = [33, 20, 8]\nactivation = \"gelu\"\nbias = \"shared\"",
        "hidden = [20]\nloss = \"quadratic\"\nactivation = \"sigmoid\"\nbias = \"none\"",
    ];
    for (text, step) in texts.into_iter().flat_map(|text| [(text, 1), (text, 5)]) {
        let data = data(601, step);
        let net = network(&data, text);
        let params = net.init::<f32>(4).unwrap();
        let x = rows(&data);
        let samples: Vec<usize> = (0..data.len()).collect();
        let forward = |n: usize, bf16: bool| {
            let mut ws = Workspace::new(&net, data.len(), How { threads: 1, bf16 });
            match data.lists() {
                Some(lists) => net.forward(&params, Input::Sparse(lists, &samples[..n]), &mut ws),
                None => net.forward(&params, &x[..n * 50], &mut ws),
            }
            bits(ws.output())
        };
        assert_ne!(forward(601, true), forward(601, false), "rounding shows");
        for threads in [1, 2, 3] {
            let predictor = Predictor::new(&net, &params, data.len(), data.density()).unwrap();
            let mut predictor = predictor.with_bf16().with_threads(threads);
            // 5 and 225 leave threads and chunks a few samples; up to 4 in all are computed in f32.
            for n in [601, 5, 4, 1, 224, 225, 601] {
                let answers = bits(predictor.predict(&x[..n * 50]));
                assert_eq!(answers, forward(n, true), "{text}, step {step}, {n} samples, {threads} threads");
            }
        }
    }
}

#[test]
fn other_parameters_are_refused() {
    let data = data(3, 1);
    let net = network(&data, "hidden = [4]");
    assert!(Predictor::new(&net, &[0.0; 3], 1, 1.0).is_err());
}
