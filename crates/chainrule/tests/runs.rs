//! Whole runs: same seed same bits, resume at every step, threads, stopping, faults, weights of samples.

mod common;

use chainrule::config::Order;
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal, Silent};
use chainrule::recipe::Settings;
use chainrule::train::{Ending, Sets, Snapshot, Trainer};
use chainrule::{Dataset, Error, Real};
use common::{bits, blobs, settings, trainer};

const BASE: &str = "hidden = [7, 5]\nbatch_size = 6\nepochs = 3\nseed = 4\nlearning_rate = 0.05\n";

fn final_bits<T: Real>(settings: &Settings, data: &Dataset) -> Vec<u64> {
    let mut run = trainer::<T>(settings, data);
    run.run(&mut Silent).unwrap();
    bits(run.params())
}

/// Stops after a given number of steps.
struct StopAt(u64);

impl<T: Real> Observer<T> for StopAt {
    fn on_step(&mut self, trainer: &Trainer<T>) -> Signal {
        if trainer.progress().step >= self.0 { Signal::Stop } else { Signal::Continue }
    }
}

#[test]
fn resume_at_every_step_gives_the_same_bits() {
    let data = blobs(23, 4, 3, 1);
    for more in [
        "optimizer = \"sgd(momentum=0.9, nesterov=true)\"",
        "optimizer = \"adam\"\ndropout = 0.3",
        "optimizer = \"rmsprop(momentum=0.5)\"\norder = \"random\"",
        "optimizer = \"adagrad\"\nschedule = \"warmup(3)+cosine\"",
        "optimizer = \"adamw\"\nearly_stopping = 1\nearly_stopping_metric = \"train_loss\"\nschedule = \"plateau(0.5, 0)\"",
        "optimizer = \"lbfgs\"\nbatch_size = \"full\"\nepochs = 12",
        "optimizer = \"sgd\"\nupdate_order = \"output-first\"\nl2 = 0.01\nmax_norm = 1.5",
    ] {
        let base: String =
            BASE.lines().filter(|line| !more.contains(&line[..6])).map(|l| format!("{l}\n")).collect();
        let recipe = settings(&format!("{base}{more}"));
        let mut whole = trainer::<f32>(&recipe, &data);
        let ending = whole.run(&mut Silent).unwrap();
        for stop in 1..=whole.progress().step {
            let mut first = trainer::<f32>(&recipe, &data);
            first.run(&mut StopAt(stop)).unwrap();
            // Through text, as a checkpoint file goes.
            let Snapshot { progress, params, optimizer, optimizer_steps, best } = first.snapshot();
            let text = serde_json::to_string(&progress).unwrap();
            let progress = serde_json::from_str(&text).unwrap();
            let mut second = trainer::<f32>(&recipe, &data);
            second.restore(Snapshot { progress, params, optimizer, optimizer_steps, best }).unwrap();
            assert_eq!(second.run(&mut Silent).unwrap(), ending, "{more}: resumed at {stop}");
            assert_eq!(bits(second.params()), bits(whole.params()), "{more}: resumed at {stop}");
            assert_eq!(bits(second.result()), bits(whole.result()), "{more}: resumed at {stop}");
            assert_eq!(second.progress(), whole.progress(), "{more}: resumed at {stop}");
        }
    }
}

/// Lets so many steps be made at once.
struct Patient(u64);

impl<T: Real> Observer<T> for Patient {
    fn patience(&mut self, _: u64) -> u64 {
        self.0
    }
}

#[test]
fn patience_does_not_show_in_the_bits() {
    let data = blobs(60, 4, 3, 1);
    for more in [
        "optimizer = \"sgd\"",
        "optimizer = \"sgd\"\nloss = \"quadratic\"\nl2 = 0.01",
        "optimizer = \"adam\"",
    ] {
        let recipe = settings(&format!("{BASE}{more}"));
        let mut one = trainer::<f32>(&recipe, &data);
        one.run(&mut Patient(1)).unwrap();
        for patience in [2, 7, u64::MAX] {
            let mut many = trainer::<f32>(&recipe, &data);
            many.run(&mut Patient(patience)).unwrap();
            assert_eq!(bits(many.params()), bits(one.params()), "{more}: {patience} at once");
            assert_eq!(many.progress(), one.progress(), "{more}: {patience} at once");
        }
    }
}

#[test]
fn a_foreign_snapshot_is_refused() {
    let data = blobs(23, 4, 3, 1);
    let mut adam = settings(BASE);
    adam.optimizer = Some("adam".parse().unwrap());
    let mut sgd = settings(BASE);
    sgd.optimizer = Some("sgd".parse().unwrap());
    let snapshot = trainer::<f32>(&adam, &data).snapshot();
    let error = trainer::<f32>(&sgd, &data).restore(snapshot).unwrap_err().to_string();
    assert!(error.contains("exp_avg"), "{error}");
}

#[test]
fn the_seed_decides_and_threads_do_not() {
    let data = blobs(300, 200, 3, 1);
    let mut recipe = settings("hidden = [128, 64]\nbatch_size = 128\nepochs = 2\nseed = 4");
    let one = final_bits::<f32>(&recipe, &data);
    for threads in [1, 2, 3] {
        recipe.threads = Some(threads);
        assert_eq!(final_bits::<f32>(&recipe, &data), one, "{threads} threads");
    }
    recipe.seed = Some(5);
    assert_ne!(final_bits::<f32>(&recipe, &data), one);
}

#[test]
fn order_matters_only_where_it_should() {
    let data = blobs(23, 4, 3, 1);
    let mut recipe = settings(BASE);
    let bits_of = |recipe: &Settings, order, seed| {
        let recipe = Settings {
            order: Some(order),
            seed: Some(seed),
            init: Some("constant(0.1)".parse().unwrap()),
            ..recipe.clone()
        };
        final_bits::<f64>(&recipe, &data)
    };
    assert_eq!(bits_of(&recipe, Order::File, 1), bits_of(&recipe, Order::File, 2));
    assert_ne!(bits_of(&recipe, Order::Shuffle, 1), bits_of(&recipe, Order::Shuffle, 2));
    assert_ne!(bits_of(&recipe, Order::Random, 1), bits_of(&recipe, Order::Shuffle, 1));
    recipe.steps = Some(5);
    recipe.epochs = None;
    let mut run = trainer::<f64>(&recipe, &data);
    run.run(&mut Silent).unwrap();
    let last = run.progress().history.last().unwrap().clone();
    assert_eq!((last.epoch, last.step), (1, 5), "4 steps an epoch: the ragged batch is used");
}

/// One batch of all samples, in plain gradient descent: a weight of 2 is the sample twice.
#[test]
fn sample_weights_are_repetitions() {
    let data = blobs(6, 4, 3, 1);
    let mut recipe = settings(
        "hidden = [5]\nactivation = \"tanh\"\noptimizer = \"sgd\"\nbatch_size = \"full\"\norder = \"file\"\nepochs = 3",
    );
    let doubled = data.subset(&[0, 1, 2, 3, 4, 5, 5, 5]).unwrap();
    let weighted = data.clone().with_sample_weights(vec![1.0, 1.0, 1.0, 1.0, 1.0, 3.0]).unwrap();
    let run = |data: &Dataset, recipe: &Settings| {
        let mut run = trainer::<f64>(recipe, data);
        run.run(&mut Silent).unwrap();
        (run.params().to_vec(), run.progress().history.last().unwrap().train.loss)
    };
    let ((a, loss_a), (b, loss_b)) = (run(&doubled, &recipe), run(&weighted, &recipe));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-12) && (loss_a - loss_b).abs() <= 1e-12);
    // Class weights are sample weights by class.
    let labels = data.labels().unwrap().to_vec();
    let factors = [0.5, 1.0, 2.0];
    let by_sample =
        data.clone().with_sample_weights(labels.iter().map(|&l| factors[l as usize]).collect()).unwrap();
    let c = run(&by_sample, &recipe).0;
    recipe.class_weight = Some(chainrule::config::ClassWeight::Values(factors.to_vec()));
    assert_eq!(bits(&run(&data, &recipe).0), bits(&c));
}

#[test]
fn early_stopping_keeps_the_best_weights_and_never_sees_the_test_set() {
    let data = blobs(60, 4, 3, 1);
    let (train, validation) = data.split(0.5, 1).unwrap();
    let recipe =
        settings("hidden = [16]\nlearning_rate = 0.5\nepochs = 100\nearly_stopping = 3\nbatch_size = 5");
    let resolved = recipe.resolve(&train).unwrap();
    let run = |test: Option<&Dataset>| {
        let sets = Sets { train: &train, validation: Some(&validation), test };
        let net = Network::new(resolved.spec.clone()).unwrap();
        let mut run = Trainer::<f32>::new(net, resolved.config.clone(), sets, None).unwrap();
        assert_eq!(run.run(&mut Silent).unwrap(), Ending::Stopped);
        let losses: Vec<f64> = run.progress().history.iter().map(|e| e.validation.unwrap().loss).collect();
        let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
        assert_eq!(run.best_epoch(), Some(best as u64));
        assert_eq!(losses.len(), best + 1 + 3, "three epochs without improvement");
        assert_ne!(bits(run.result()), bits(run.params()));
        bits(run.result())
    };
    assert_eq!(run(None), run(Some(&validation)));
}

#[test]
fn a_fault_names_step_epoch_and_layer() {
    let data = blobs(20, 4, 3, 1);
    let recipe = settings(
        "hidden = [5, 5]\nactivation = \"identity\"\nloss = \"mse\"\noutput_activation = \"identity\"\noptimizer = \"sgd\"\nlearning_rate = 1e6\nbatch_size = 10\nepochs = 50",
    );
    let mut run = trainer::<f32>(&recipe, &data);
    let error = run.run(&mut Silent).unwrap_err();
    let Error::NonFinite { step, epoch, layer, .. } = &error else { panic!("{error}") };
    assert!(*step == run.progress().step + 1 && *epoch == run.progress().epoch, "{error}");
    assert!(layer.contains("of 3"), "{error}");
    assert!(run.params().iter().all(|w| w.is_finite()), "the faulty update was not made");
}

#[test]
fn frozen_parts_stay_and_the_others_move() {
    let data = blobs(20, 4, 3, 1);
    for (weights, bias) in [(true, false), (false, true)] {
        for optimizer in ["sgd(momentum=0.9)", "adamw", "lbfgs"] {
            let mut recipe = settings("hidden = [5]\nepochs = 2\nbatch_size = \"full\"");
            recipe.optimizer = Some(optimizer.parse().unwrap());
            (recipe.train_weights, recipe.train_bias) = (Some(weights), Some(bias));
            let mut run = trainer::<f64>(&recipe, &data);
            let before = run.params().to_vec();
            run.run(&mut Silent).unwrap();
            let layout = run.network().layout();
            for l in 0..2 {
                let moved = |range: std::ops::Range<usize>| before[range.clone()] != run.params()[range];
                assert_eq!(moved(layout.weight(l)), weights, "{optimizer} layer {l}");
                assert_eq!(moved(layout.bias(l)), bias, "{optimizer} layer {l}");
            }
        }
    }
}

#[test]
fn lbfgs_beats_gradient_descent_on_a_full_batch() {
    let data = blobs(80, 4, 3, 1);
    let loss = |more: &str| {
        let mut run = trainer::<f64>(
            &settings(&format!(
                "hidden = [8]\nactivation = \"tanh\"\nbatch_size = \"full\"\nepochs = 60\n{more}"
            )),
            &data,
        );
        run.run(&mut Silent).unwrap();
        run.progress().history.last().unwrap().train.loss
    };
    let (newton, descent) = (loss("optimizer = \"lbfgs\""), loss("optimizer = \"sgd\""));
    assert!(newton < 1e-3 && newton < descent / 10.0, "lbfgs {newton}, sgd {descent}");
}

#[test]
fn settings_that_exclude_each_other_are_refused_by_name() {
    let data = blobs(20, 4, 3, 1);
    let refused = |text: &str, words: &[&str]| {
        let result = settings(text).resolve(&data);
        let error = result.err().unwrap_or_else(|| panic!("{text} was accepted")).to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
    };
    refused("optimizer = \"lbfgs\"\nbatch_size = 5", &["lbfgs", "full"]);
    refused("update_order = \"output-first\"\nclip_norm = 1.0", &["output-first", "clip_norm"]);
    refused("loss = \"cross_entropy\"\noutput_activation = \"sigmoid\"", &["cross_entropy", "softmax"]);
    refused("hidden = [5, 5]\nactivation = [\"relu\", \"relu\", \"relu\"]", &["activation", "2", "3"]);
    refused("optimizer = \"adam\"\nmomentum = 0.9", &["momentum", "adam"]);
    refused("learning_rate = 0.0", &["learning_rate"]);
    refused("epochs = 0", &["epochs"]);
    refused("hidden = [0]", &["units of layer 1"]);
    refused("class_weight = [1.0]", &["class_weight", "3"]);
    refused("optimizer = \"sgd(nesterov=true)\"", &["nesterov", "momentum"]);
    refused("optimizer = \"lbfgs\"\nschedule = \"cosine\"", &["lbfgs", "schedule"]);
    refused("tolerance = 0.1", &["tolerance", "classes"]);
    refused("steps = 0", &["steps", "at least 1"]);
    refused("target = \"input\"\nloss = \"cross_entropy\"", &["cross_entropy", "inputs"]);
    refused("[[layers]]\nunits = 4", &["output units", "3", "4"]);
}

#[test]
fn an_autoencoder_learns_its_inputs() {
    let data = blobs(40, 4, 2, 1);
    let recipe = settings(
        "target = \"input\"\nhidden = [3]\nactivation = \"tanh\"\nepochs = 200\nlearning_rate = 0.01\nbatch_size = 10",
    );
    let mut run = trainer::<f32>(&recipe, &data);
    run.run(&mut Silent).unwrap();
    let history = &run.progress().history;
    assert!(history.last().unwrap().train.loss < history[0].train.loss / 3.0);
    assert_eq!(run.network().spec().outputs(), 4);
}

/// A test loss that overflows is no fault of the training; the state must still survive as JSON, exactly.
#[test]
fn infinite_figures_survive_a_checkpoint() {
    let score = chainrule::metrics::Score { loss: f64::INFINITY, accuracy: Some(0.5) };
    let text = serde_json::to_string(&score).unwrap();
    assert_eq!(text, r#"{"loss":"inf","accuracy":0.5}"#);
    assert_eq!(serde_json::from_str::<chainrule::metrics::Score>(&text).unwrap(), score);
    let score = chainrule::metrics::Score { loss: 0.1 + 0.2, accuracy: None };
    assert_eq!(
        serde_json::from_str::<chainrule::metrics::Score>(&serde_json::to_string(&score).unwrap()).unwrap(),
        score
    );
}

/// A single step that overflows the weights is a fault, though its loss and gradients were finite.
#[test]
fn weights_that_overflow_are_a_fault() {
    let data = blobs(20, 4, 3, 1);
    let mut run = trainer::<f32>(
        &settings("hidden = [5]\noptimizer = \"sgd\"\nlearning_rate = 1e42\nsteps = 1"),
        &data,
    );
    let error = run.run(&mut Silent).unwrap_err();
    assert!(error.to_string().contains("after the update"), "{error}");
}
