//! W1 to W6: training, in epochs or numbers of steps.

use std::time::Instant;

use anyhow::{Context, Result};
use chainrule::evaluate::Evaluator;
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::plan::Plan;
use chainrule::resolve::Resolved;
use chainrule::train::{EpochRecord, Sets, Trainer};
use chainrule::{Dataset, Features, Targets};
use chainrule_io::recipes::settings_of;
use chainrule_io::{SourceOptions, load};

use super::ordinary::{self, Scratch};
use super::{Figure, Setting};

/// A work: what is trained, and on what. One epoch is one repetition.
struct Work {
    name: &'static str,
    variant: &'static str,
    unit: &'static str,
    data: Data,
    /// Repetitions that count unless the user gave a number.
    repeats: usize,
    /// As a recipe has them: what works share, and what they do not.
    settings: [&'static str; 2],
}

impl Work {
    fn text(&self) -> String {
        self.settings.join("\n")
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Data {
    Mnist,
    Digits,
    /// The same sample, this often.
    OneSample(usize),
    /// The first images of MNIST.
    FirstOfMnist(usize),
    /// As many samples without zeros.
    Dense(usize),
}

const WORKS: [Work; 9] = [
    Work {
        name: "W1",
        variant: "f32",
        unit: "s/epoch",
        data: Data::Mnist,
        repeats: 5,
        settings: [SIGMOID, "hidden = [30]\nlearning_rate = 3.0\nbatch_size = 10"],
    },
    Work {
        name: "W2",
        variant: "f32",
        unit: "s/epoch",
        data: Data::Mnist,
        repeats: 8,
        settings: [RELU, "hidden = [50]\noptimizer = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 100"],
    },
    Work {
        name: "W3",
        variant: "f32",
        unit: "s/epoch",
        data: Data::Digits,
        repeats: 10,
        settings: [SIGMOID, "hidden = [16, 16]\nlearning_rate = 0.01\nbatch_size = 1"],
    },
    Work {
        name: "W4",
        variant: "f32",
        unit: "s/10k steps",
        data: Data::OneSample(10_000),
        repeats: 30,
        settings: [SIGMOID, "hidden = [2]\nlearning_rate = 0.5\nbatch_size = 1\norder = \"file\""],
    },
    Work {
        name: "W5",
        variant: "f32",
        unit: "s/epoch",
        data: Data::Mnist,
        repeats: 3,
        settings: [
            RELU,
            "hidden = [512, 512]\noptimizer = \"adam\"\nlearning_rate = 0.001\nbatch_size = 128",
        ],
    },
    w6("f32", Data::FirstOfMnist(20 * 256), ""),
    w6("dense", Data::Dense(20 * 256), ""),
    w6("bf16", Data::FirstOfMnist(20 * 256), BF16),
    w6("dense bf16", Data::Dense(20 * 256), BF16),
];

const fn w6(variant: &'static str, data: Data, more: &'static str) -> Work {
    Work { name: "W6", variant, unit: "s/20 steps", data, repeats: 4, settings: [DEEP, more] }
}

const SIGMOID: &str = r#"
    activation = "sigmoid"
    output_activation = "sigmoid"
    loss = "quadratic"
    init = "normal(1)"
    bias_init = "normal(1)"
    optimizer = "sgd"
"#;

const RELU: &str = r#"
    activation = "relu"
    loss = "cross_entropy"
    init = "he_normal"
"#;

const DEEP: &str = r#"
    hidden = [2500, 2000, 1500, 1000, 500]
    activation = "tanh"
    loss = "cross_entropy"
    init = "lecun_normal"
    optimizer = "sgd"
    learning_rate = 0.01
    batch_size = 256
    order = "file"
"#;

const BF16: &str = "dtype = \"bf16\"";

/// Works that are also trained by the ordinary command, beside the bare loop.
const ORDINARY: [&str; 2] = ["W1", "W2"];

/// Notes when each epoch ends; the steps run undisturbed.
pub struct Stopwatch {
    start: Instant,
    seconds: Vec<f64>,
}

impl Stopwatch {
    /// Started now, for so many epochs.
    pub fn new(epochs: usize) -> Self {
        Self { start: Instant::now(), seconds: Vec::with_capacity(epochs) }
    }

    /// Seconds of each epoch but the first.
    pub fn into_reps(mut self) -> Vec<f64> {
        self.seconds.split_off(1)
    }
}

impl Observer<f32> for Stopwatch {
    fn patience(&mut self, _step: u64) -> u64 {
        u64::MAX
    }

    fn on_epoch(&mut self, _: &Trainer<f32>, _: &EpochRecord) -> Signal {
        self.seconds.push(self.start.elapsed().as_secs_f64());
        self.start = Instant::now();
        Signal::Continue
    }
}

/// The figures of one work.
pub fn measure(name: &str, setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for work in WORKS.iter().filter(|work| work.name == name) {
        let (train, test) = read(work.data, setting)?;
        for &threads in &setting.threads {
            let bare = train_on(work, &train, test.as_ref(), threads, setting)?;
            let beside = ORDINARY.contains(&work.name).then(|| train_ordinarily(work, &bare, setting));
            figures.push(bare);
            figures.extend(beside.transpose()?);
        }
    }
    Ok(figures)
}

fn train_on(
    work: &Work,
    train: &Dataset,
    test: Option<&Dataset>,
    threads: usize,
    setting: &Setting,
) -> Result<Figure> {
    let settings = settings_of(work.text().parse().context("settings of a work")?, work.name)?;
    let repeats = setting.repeats.unwrap_or(work.repeats);
    let Resolved { spec, mut config, .. } = settings.resolve(train)?;
    config.epochs = 1 + repeats as u64;
    config.threads = threads;
    let sets = Sets { train, validation: None, test: None };
    let mut trainer = Trainer::<f32>::new(Network::new(spec)?, config, sets, None)?;
    let operations = operations(trainer.plan(), train.len());
    let mut watch = Stopwatch::new(1 + repeats);
    trainer.run(&mut watch)?;
    let mut figure = Figure::new(work.name, work.variant, threads, work.unit, watch.into_reps());
    let seconds = figure.median;
    figure = figure.with_operations(operations, seconds, &setting.peak);
    if trainer.config().bf16 {
        figure.share_of_peak = None; // the peak is one of f32
    }
    figure.accuracy = test.and_then(|test| {
        let (net, config) = (trainer.network(), trainer.config());
        let mut evaluator = Evaluator::new(net, test, threads);
        evaluator.score(net, trainer.params(), test, config.evaluation_coding, config.accuracy).accuracy
    });
    Ok(figure)
}

/// The same by the ordinary command, with all that it does for its user.
fn train_ordinarily(work: &Work, bare: &Figure, setting: &Setting) -> Result<Figure> {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path("")).context("cannot make a folder for runs")?;
    let config = scratch.path("work.toml");
    let epochs = 1 + bare.reps.len();
    let text = format!("data = \"mnist\"\nepochs = {epochs}\n{}", work.text());
    std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    let run = scratch.path("run");
    ordinary::train(&["--config", &config.to_string_lossy()], bare.threads, &run, setting)?;
    let mut figure = Figure::new(work.name, "train", bare.threads, work.unit, ordinary::epochs(&run)?);
    figure.times_bare = Some(figure.median / bare.median);
    Ok(figure)
}

/// Floating-point operations of an epoch's products, two for a multiply-add.
pub fn operations(plan: &Plan, samples: usize) -> f64 {
    let of_step: f64 = plan.layers.iter().map(|layer| layer.multiply_adds).sum();
    2.0 * of_step * samples as f64 / plan.batch_size as f64
}

/// The training set, and the test set where accuracy has a meaning.
fn read(data: Data, setting: &Setting) -> Result<(Dataset, Option<Dataset>)> {
    let options = SourceOptions { data_dir: setting.data_dir.map(Into::into), ..SourceOptions::default() };
    Ok(match data {
        Data::Mnist | Data::Digits => {
            let loaded = load(if data == Data::Mnist { "mnist" } else { "digits" }, &options)?;
            (loaded.train, loaded.test)
        }
        Data::FirstOfMnist(samples) => (load("mnist", &options)?.train.limit(samples)?, None),
        Data::OneSample(times) => {
            let names = vec!["o1".into(), "o2".into()];
            let targets = Targets::Values { values: [0.01, 0.99].repeat(times), names };
            (Dataset::new("one sample", vec![2], Features::Reals([0.05, 0.1].repeat(times)), targets)?, None)
        }
        Data::Dense(samples) => {
            let labels = (0..samples as u32).map(|sample| sample % 10).collect();
            let names = (0..10).map(|class| class.to_string()).collect();
            let values = super::inference::uniform(samples * 784).map(|x| 1 + (x * 255.0) as u8).collect();
            let features = Features::Bytes { values, scale: 1.0 / 255.0 };
            (Dataset::new("uniform", vec![28, 28], features, Targets::Classes { labels, names })?, None)
        }
    })
}
