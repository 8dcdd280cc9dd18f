//! Networks and data that several tests share.
#![allow(dead_code)]

use chainrule::network::Network;
use chainrule::recipe::Settings;
use chainrule::resolve::Resolved;
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Real, Targets};

/// The one sample of Mazur's worked example.
pub fn mazur_data() -> Dataset {
    let targets = Targets::Values { values: vec![0.01, 0.99], names: vec!["o1".into(), "o2".into()] };
    Dataset::new("mazur", vec![2], Features::Reals(vec![0.05, 0.10]), targets).unwrap()
}

/// Mazur's worked example: 2-2-2, sigmoid, one fixed bias per layer.
pub const MAZUR: &str = r#"
    loss = "quadratic"
    bias = "shared"
    train_bias = false
    optimizer = "sgd"
    learning_rate = 0.5
    batch_size = 1
    order = "file"
    evaluate_train = true
    [[layers]]
    activation = "sigmoid"
    units = 2
    init = [[0.15, 0.20], [0.25, 0.30]]
    bias_init = [0.35]
    [[layers]]
    activation = "sigmoid"
    init = [[0.40, 0.45], [0.50, 0.55]]
    bias_init = [0.60]
"#;

pub fn settings(toml: &str) -> Settings {
    toml::from_str(toml).unwrap()
}

pub fn trainer<'d, T: Real>(settings: &Settings, data: &'d Dataset) -> Trainer<'d, T> {
    let Resolved { spec, config, .. } = settings.resolve(data).unwrap();
    let sets = Sets { train: data, validation: None, test: None };
    Trainer::new(Network::new(spec).unwrap(), config, sets, None).unwrap()
}

/// `samples` random points in `inputs` dimensions, in classes that a network can learn.
pub fn blobs(samples: usize, inputs: usize, classes: u32, seed: u64) -> Dataset {
    use rand::RngExt;
    let mut rng = chainrule::rng::stream(seed, chainrule::rng::Stream::Init);
    let mut features = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..samples {
        let label = rng.random_range(0..classes);
        labels.push(label);
        for i in 0..inputs {
            let centre = if i as u32 % classes == label { 1.0 } else { 0.0 };
            features.push(centre + rng.random_range(-0.5..0.5));
        }
    }
    let names = (0..classes).map(|c| c.to_string()).collect();
    Dataset::new("blobs", vec![inputs], Features::Reals(features), Targets::Classes { labels, names })
        .unwrap()
}

pub fn bits<T: Real>(values: &[T]) -> Vec<u64> {
    values.iter().map(|v| v.bits()).collect()
}
