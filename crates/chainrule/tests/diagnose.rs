//! Each rule fires on a run with its fault, at the right place, and none on healthy runs. What is measured is compared
//! with plain sums.

mod common;

use chainrule::diagnose::{Diagnostics, Finding, Place, Record, Rule, diverged};
use chainrule::network::{Network, Workspace};
use chainrule::observer::{Observer, Silent};
use chainrule::resolve::Resolved;
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Targets};
use common::{bits, blobs, settings, trainer};

/// Trains with a recipe and diagnoses the run.
fn found_in(recipe: &str, train: &Dataset, validation: Option<&Dataset>) -> (Vec<Finding>, Record) {
    let Resolved { spec, config, .. } = settings(recipe).resolve(train).unwrap();
    let sets = Sets { train, validation, test: None };
    let mut run = Trainer::<f32>::new(Network::new(spec).unwrap(), config, sets, None).unwrap();
    let mut diagnostics = Diagnostics::new(&run, None);
    let ended = run.run(&mut diagnostics);
    let mut findings = diagnostics.findings(&run);
    if let Err(error) = ended {
        findings.push(diverged(diagnostics.record(), run.config(), run.progress(), &error));
    }
    (findings, diagnostics.record().clone())
}

/// The finding of this rule in a run on four classes.
fn finding(recipe: &str, rule: Rule) -> Finding {
    let (findings, _) = found_in(recipe, &blobs(300, 8, 4, 1), None);
    let found = findings.iter().find(|finding| finding.rule == rule);
    found.unwrap_or_else(|| panic!("{recipe}: no {rule:?} in {findings:#?}")).clone()
}

#[test]
fn every_fault_is_found_where_it_lies() {
    let layer = |finding: Finding, l: usize| {
        assert_eq!(finding.place, Place::Layer(l), "{finding:?}");
        finding
    };
    let twins =
        finding("hidden = [6, 5]\nactivation = \"tanh\"\ninit = \"constant(0.3)\"", Rule::IdenticalUnits);
    assert_eq!(layer(twins, 0).value, 1.0 / 6.0);

    let saturated = finding("activation = \"sigmoid\"\ninit = \"normal(50)\"", Rule::Saturation);
    assert!(layer(saturated, 0).value > 0.8);

    let stuck = "hidden = [6]\nactivation = \"sigmoid\"\ninit = \"constant(30)\"\nloss = \"quadratic\"";
    assert_eq!(layer(finding(stuck, Rule::StuckOutputs), 1).value, 1.0);

    let dead = finding("hidden = [9, 6]\nbias_init = \"constant(-100)\"", Rule::DeadUnits);
    assert_eq!(layer(dead, 0).value, 1.0);

    let deep =
        "hidden = [8, 8, 8, 8, 8]\nactivation = \"sigmoid\"\ninit = \"normal(0.05)\"\noptimizer = \"sgd\"";
    assert!(layer(finding(deep, Rule::VanishingGradient), 0).value < 1e-4);

    let never = finding("class_weight = [1, 1, 0, 1]", Rule::ClassNeverPredicted);
    assert_eq!((never.place, never.value), (Place::Class(2), 1.0));

    let large = finding("optimizer = \"sgd\"\nlearning_rate = 50", Rule::LearningRateTooLarge);
    assert!(large.value > 2.0 && large.evidence.contains("learning rate 50"), "{large:?}");
    let infinite = finding("optimizer = \"sgd\"\nlearning_rate = 1e30", Rule::LearningRateTooLarge);
    assert!(infinite.value.is_infinite() && infinite.evidence.contains("layer"), "{infinite:?}");

    let small = finding("optimizer = \"sgd\"\nlearning_rate = 1e-7\nepochs = 3", Rule::LearningRateTooSmall);
    assert!(small.value < 1e-4);
}

/// Equal weights with different biases: rows grow to different sizes, but all point one way.
#[test]
fn units_of_equal_weights_are_found_whatever_their_biases() {
    for init in ["zeros", "ones", "constant(0.1)"] {
        let recipe = format!(
            "hidden = [6, 5]\nactivation = \"sigmoid\"\ninit = \"{init}\"\nbias_init = \"normal(1)\"\noptimizer = \"sgd\"\n\
             learning_rate = 0.05\nepochs = 3"
        );
        let twins = finding(&recipe, Rule::IdenticalUnits);
        assert!(twins.value <= twins.threshold, "{twins:?}");
        let (findings, _) = found_in(&recipe, &blobs(300, 8, 4, 1), None);
        let layers: Vec<Place> =
            findings.iter().filter(|f| f.rule == Rule::IdenticalUnits).map(|f| f.place).collect();
        assert_eq!(layers, [Place::Layer(0), Place::Layer(1)], "{init}: {findings:#?}");
    }
    // Random rows of one sign are no twins.
    let (findings, _) =
        found_in("hidden = [6]\ninit = \"uniform(0, 1)\"\nepochs = 3", &blobs(300, 8, 4, 1), None);
    assert!(!findings.iter().any(|f| f.rule == Rule::IdenticalUnits), "{findings:#?}");
}

/// A network that has made two steps may not know all classes yet.
#[test]
fn a_class_may_be_missing_at_first() {
    let never = |recipe: &str| {
        let (findings, record) = found_in(recipe, &blobs(300, 8, 4, 1), None);
        assert_eq!(record.last().unwrap().answers[2], 0, "{recipe}");
        findings.iter().any(|finding| finding.rule == Rule::ClassNeverPredicted)
    };
    assert!(!never("class_weight = [1, 1, 0, 1]\nlearning_rate = 0.05\nbatch_size = \"full\"\nepochs = 60"));
    assert!(never("class_weight = [1, 1, 0, 1]\nlearning_rate = 0.05\nbatch_size = \"full\"\nepochs = 300"));
}

#[test]
fn unscaled_inputs_explode() {
    let data = blobs(300, 8, 4, 1);
    let raw = (0..300).flat_map(|s| data.row(s)).enumerate();
    let scaled = raw.map(|(at, v)| if at % 8 == 5 { v * 1e4 } else { v }).collect();
    let data = Dataset::new("raw", vec![8], Features::Reals(scaled), data.targets().clone()).unwrap();
    let (findings, _) = found_in("epochs = 2", &data, None);
    let unscaled = findings.iter().find(|finding| finding.rule == Rule::UnscaledInputs).unwrap();
    assert_eq!(unscaled.place, Place::Input(5));
    assert!(
        findings.iter().any(|f| f.rule == Rule::ExplodingGradient && f.place == Place::Layer(0)),
        "{findings:?}"
    );
    let tiny = Features::Reals(vec![1e-5; 300]);
    let tiny = Dataset::new("tiny", vec![1], tiny, data.targets().clone()).unwrap();
    assert!(found_in("epochs = 1", &tiny, None).0.iter().any(|f| f.rule == Rule::UnscaledInputs));
}

/// In the order of the labels, one sample a step, the running accuracy is far above what was learned.
#[test]
fn the_label_of_the_moment_is_no_knowledge() {
    let data = blobs(400, 8, 4, 1);
    let labels = data.labels().unwrap();
    let mut order: Vec<usize> = (0..400).collect();
    order.sort_by_key(|&s| labels[s]);
    let sorted = data.subset(&order).unwrap();
    let recipe = |order: &str| {
        format!(
            "loss = \"quadratic\"\noptimizer = \"sgd\"\nlearning_rate = 0.5\nbatch_size = 1\nepochs = 5\norder = \"{order}\"\n\
             [[layers]]\nunits = 4\nactivation = \"sigmoid\"\ninit = \"uniform(5, 6)\"\n\
             [[layers]]\ninit = \"zeros\"\n"
        )
    };
    let (findings, _) = found_in(&recipe("file"), &sorted, None);
    let found = findings.iter().find(|finding| finding.rule == Rule::LabelOrder).unwrap();
    assert!(found.value > 0.3, "{found:?}");
    let (findings, _) = found_in(&recipe("shuffle"), &sorted, None);
    assert!(!findings.iter().any(|finding| finding.rule == Rule::LabelOrder), "{findings:?}");
}

/// Labels drawn at random can only be learned by heart.
#[test]
fn learning_by_heart_is_overfitting() {
    let noise = |seed| {
        let (inputs, labels) = (blobs(80, 6, 3, seed), blobs(80, 6, 3, seed + 100));
        inputs.with_targets(labels.targets().clone()).unwrap()
    };
    let (findings, _) = found_in("epochs = 300\nlearning_rate = 0.01", &noise(1), Some(&noise(2)));
    assert!(findings.iter().any(|finding| finding.rule == Rule::Overfitting), "{findings:?}");
    let stopped = "epochs = 300\nlearning_rate = 0.01\nearly_stopping = 5";
    let (findings, _) = found_in(stopped, &noise(1), Some(&noise(2)));
    assert!(!findings.iter().any(|finding| finding.rule == Rule::Overfitting), "{findings:?}");
}

#[test]
fn healthy_runs_are_left_in_peace() {
    for seed in 0..5 {
        let (data, held) = (blobs(300, 8, 4, seed), blobs(100, 8, 4, seed + 50));
        for recipe in [
            "epochs = 30",
            "activation = \"sigmoid\"\nepochs = 30",
            "activation = \"tanh\"\nhidden = [16, 16]\nepochs = 30",
            "optimizer = \"sgd\"\nlearning_rate = 0.1\nepochs = 30",
            "hidden = []\ninit = \"zeros\"\nepochs = 30",
            "optimizer = \"lbfgs\"",
        ] {
            let (findings, record) = found_in(&format!("{recipe}\nseed = {seed}"), &data, Some(&held));
            assert!(findings.is_empty(), "{recipe}, seed {seed}: {findings:#?}");
            assert!(record.measurements.len() < 20, "{} measurements", record.measurements.len());
        }
    }
}

#[test]
fn measuring_changes_no_bit_and_goes_on_after_an_interruption() {
    let data = blobs(100, 8, 4, 1);
    let recipe = settings("hidden = [7]\ndropout = 0.2\nepochs = 4\nbatch_size = 10");
    let mut silent = trainer::<f32>(&recipe, &data);
    silent.run(&mut Silent).unwrap();
    let mut watched = trainer::<f32>(&recipe, &data);
    let mut diagnostics = Diagnostics::new(&watched, None);
    watched.run(&mut diagnostics).unwrap();
    assert_eq!(bits(silent.params()), bits(watched.params()));
    let whole = diagnostics.record().clone();

    // Through text, as a checkpoint keeps it; from a moment when no step was being looked at.
    struct Until<'d>(&'d mut Diagnostics<f32>, u64);
    impl Observer<f32> for Until<'_> {
        fn on_step(&mut self, trainer: &Trainer<f32>) -> chainrule::observer::Signal {
            self.0.on_step(trainer);
            match trainer.progress().step {
                step if step == self.1 => chainrule::observer::Signal::Stop,
                _ => chainrule::observer::Signal::Continue,
            }
        }
        fn on_epoch(
            &mut self,
            t: &Trainer<f32>,
            record: &chainrule::train::EpochRecord,
        ) -> chainrule::observer::Signal {
            self.0.on_epoch(t, record)
        }
    }
    let mut first = trainer::<f32>(&recipe, &data);
    let mut before = Diagnostics::new(&first, None);
    first.run(&mut Until(&mut before, 13)).unwrap();
    let text = serde_json::to_string(before.record()).unwrap();
    let mut second = trainer::<f32>(&recipe, &data);
    second.restore(first.snapshot()).unwrap();
    let mut after = Diagnostics::new(&second, Some(serde_json::from_str(&text).unwrap()));
    second.run(&mut after).unwrap();
    assert_eq!(after.record(), &whole);
}

/// One layer's figures from their definitions.
#[test]
fn figures_are_what_they_say() {
    let data = blobs(40, 3, 2, 3);
    let recipe =
        settings("hidden = [4]\nactivation = \"sigmoid\"\ninit = \"normal(6)\"\nepochs = 1\ndtype = \"f64\"");
    let run = trainer::<f64>(&recipe, &data);
    let measured = Diagnostics::new(&run, None).record().measurements[0].clone();
    let net = run.network();
    let x: Vec<f64> = (0..40).flat_map(|s| data.row(s)).collect();
    let mut ws = Workspace::new(net, 40, 1);
    net.forward(run.params(), &x, &mut ws);
    let slopes: Vec<f64> = ws.a(0).iter().map(|a| a * (1.0 - a)).collect();
    let layer = &measured.layers[0];
    let near = |got: f64, want: f64| assert!((got - want).abs() <= 1e-12, "{got} is not {want}");
    near(layer.mean_slope, slopes.iter().sum::<f64>() / 160.0);
    near(layer.flat, slopes.iter().filter(|slope| **slope < 1e-3).count() as f64 / 160.0);
    assert_eq!((layer.units, layer.distinct_units, layer.dead), (4, 4, 0.0));

    // The gradient of the mean loss by central differences.
    let Targets::Classes { labels, .. } = data.targets() else { panic!("classes") };
    let loss = |params: &[f64]| {
        let answers = net.predict(params, &x);
        labels.iter().enumerate().map(|(s, &label)| -answers[2 * s + label as usize].ln()).sum::<f64>() / 40.0
    };
    near(measured.loss, loss(run.params()));
    let derivative = |at: usize| {
        let moved = |h: f64| {
            let mut params = run.params().to_vec();
            params[at] += h;
            loss(&params)
        };
        (moved(1e-5) - moved(-1e-5)) / 2e-5
    };
    let norm = net.layout().layer(0).map(|at| derivative(at).powi(2)).sum::<f64>().sqrt();
    assert!((layer.gradient_norm / norm - 1.0).abs() <= 1e-6, "{} is not {norm}", layer.gradient_norm);
}
