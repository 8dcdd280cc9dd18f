//! How the time of a training step grows with width, depth, batch and density: per multiply-add it should stay level.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use chainrule::activation::Activation;
use chainrule::config::{BatchSize, Order};
use chainrule::network::Network;
use chainrule::recipe::{OneOrMany, Settings};
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Targets};
use chainrule_io::write_atomically;
use chainrule_report::chart::{Curve, choose_scale, line_chart};
use serde::Serialize;

use super::inference::uniform;
use super::machine::{Machine, Peak};
use super::training::{Stopwatch, operations};
use super::{Setting, median};
use crate::table::table;
use crate::terminal::{figure, thousands};

/// What grows, in a network that else stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Axis {
    Width,
    Depth,
    Batch,
    Density,
}

/// One size, measured.
#[derive(Serialize)]
struct Point {
    axis: Axis,
    value: usize,
    threads: usize,
    /// Of a sample, without the inputs that lists leave out; zeros behind a ReLU count.
    multiply_adds: f64,
    /// Of training on one sample: the median of the repetitions.
    seconds_per_sample: f64,
    picoseconds_per_multiply_add: f64,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    peak_gflops: &'a Peak,
    growth: &'a [Point],
}

/// A network and its batches.
struct Shape {
    width: usize,
    depth: usize,
    batch: usize,
    /// Percent of inputs that are not zero.
    density: usize,
}

/// Multiply-adds of one repetition, roughly.
const WORK: f64 = 4e8;
/// Repetitions that count unless the user gave a number.
const REPEATS: usize = 3;

impl Axis {
    const EACH: [Self; 4] = [Self::Width, Self::Depth, Self::Batch, Self::Density];

    fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Depth => "depth",
            Self::Batch => "batch",
            Self::Density => "density",
        }
    }

    /// For the x axis of the chart.
    fn label(self) -> &'static str {
        match self {
            Self::Width => "width: log2 of inputs and units",
            Self::Depth => "depth: hidden layers of 256 units",
            Self::Batch => "batch: log2 of samples",
            Self::Density => "density: % of inputs that are not zero",
        }
    }

    /// Where a value lies on the x axis.
    fn place(self, value: usize) -> f64 {
        if matches!(self, Self::Width | Self::Batch) { (value as f64).log2() } else { value as f64 }
    }

    fn values(self) -> Vec<usize> {
        match self {
            Self::Width => (4..=13).map(|power| 1 << power).collect(),
            Self::Depth => vec![1, 2, 4, 8, 16, 32],
            Self::Batch => (0..=12).map(|power| 1 << power).collect(),
            Self::Density => vec![1, 2, 5, 10, 20, 30, 40, 50, 75, 100],
        }
    }

    fn shape(self, value: usize) -> Shape {
        let usual = Shape { width: 256, depth: 2, batch: 128, density: 100 };
        match self {
            Self::Width => Shape { width: value, depth: 1, ..usual },
            Self::Depth => Shape { depth: value, ..usual },
            Self::Batch => Shape { batch: value, ..usual },
            Self::Density => Shape { density: value, ..usual },
        }
    }
}

/// Measures every size, prints the figures, and writes a chart for each axis to `charts`.
pub fn run(setting: &Setting, machine: Machine, charts: Option<&Path>, json: bool) -> Result<()> {
    let mut points = Vec::new();
    for axis in Axis::EACH {
        for value in axis.values() {
            let shape = axis.shape(value);
            let data = data(&shape)?;
            for &threads in &setting.threads {
                points.push(measure(axis, value, &shape, &data, threads, setting)?);
            }
        }
    }
    if let Some(folder) = charts {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for axis in Axis::EACH {
            let file = folder.join(format!("growth-{}.svg", axis.name()));
            write_atomically(&file, chart(axis, &points, &setting.threads).as_bytes())?;
        }
    }
    let mut out = anstream::stdout().lock();
    if json {
        let document = Document { machine, peak_gflops: &setting.peak, growth: &points };
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        let row = |point: &Point| {
            vec![
                point.axis.name().to_string(),
                thousands(point.value as f64),
                point.threads.to_string(),
                thousands(point.multiply_adds),
                figure(1e6 * point.seconds_per_sample),
                format!("{:.2}", point.picoseconds_per_multiply_add),
            ]
        };
        let header = ["growth", "value", "threads", "multiply-adds", "us/sample", "ps/multiply-add"];
        writeln!(out, "{}\n", machine.sentence(&setting.peak))?;
        writeln!(out, "{}", table(&header, points.iter().map(row).collect(), &[1, 2, 3, 4, 5]))?;
    }
    Ok(out.flush()?)
}

fn measure(
    axis: Axis,
    value: usize,
    shape: &Shape,
    data: &Dataset,
    threads: usize,
    setting: &Setting,
) -> Result<Point> {
    let repeats = setting.repeats.unwrap_or(REPEATS);
    let settings = Settings {
        hidden: Some(vec![shape.width; shape.depth]),
        activation: Some(OneOrMany::One(Activation::Relu)),
        optimizer: Some("sgd".parse()?),
        learning_rate: Some(1e-4),
        batch_size: Some(BatchSize::Count(shape.batch)),
        order: Some(Order::File),
        epochs: Some(1 + repeats as u64),
        threads: Some(threads),
        ..Settings::default()
    };
    let resolved = settings.resolve(data)?;
    let sets = Sets { train: data, validation: None, test: None };
    let mut trainer = Trainer::<f32>::new(Network::new(resolved.spec)?, resolved.config, sets, None)?;
    let multiply_adds = operations(trainer.plan(), 1) / 2.0;
    let mut watch = Stopwatch::new(1 + repeats);
    trainer.run(&mut watch)?;
    let mut seconds = watch.into_reps();
    seconds.sort_by(f64::total_cmp);
    let seconds_per_sample = median(&seconds) / data.len() as f64;
    let picoseconds_per_multiply_add = 1e12 * seconds_per_sample / multiply_adds;
    Ok(Point { axis, value, threads, multiply_adds, seconds_per_sample, picoseconds_per_multiply_add })
}

/// Whole batches of samples, as many as make the work of a repetition; at least one batch.
fn data(shape: &Shape) -> Result<Dataset> {
    let Shape { width, depth, batch, density } = *shape;
    let of_sample = 3.0 * (depth * width * width) as f64;
    let batches =
        (WORK / of_sample / batch as f64).ceil().min((1e7 / (batch * width) as f64).ceil()).max(1.0);
    let samples = batch * batches as usize;
    let mut at = uniform(2 * samples * width);
    let mut byte = || {
        let (place, value) = (at.next().unwrap_or(0.0), at.next().unwrap_or(0.0));
        if 100.0 * place < density as f64 { 1 + (255.0 * value) as u8 } else { 0 }
    };
    let values = (0..samples * width).map(|_| byte()).collect();
    let labels = (0..samples as u32).map(|sample| sample % 10).collect();
    let names = (0..10).map(|class| class.to_string()).collect();
    let features = Features::Bytes { values, scale: 1.0 / 255.0 };
    Ok(Dataset::new("uniform", vec![width], features, Targets::Classes { labels, names })?)
}

fn chart(axis: Axis, points: &[Point], threads: &[usize]) -> String {
    let curve = |&threads: &usize| {
        let of_curve = points.iter().filter(|point| point.axis == axis && point.threads == threads);
        let place = |point: &Point| (axis.place(point.value), point.picoseconds_per_multiply_add);
        Curve::new(crate::terminal::count(threads, "thread"), of_curve.map(place).collect())
    };
    let curves: Vec<Curve> = threads.iter().map(curve).collect();
    let title = format!("Training time per multiply-add, by {}", axis.name());
    line_chart(&title, axis.label(), "picoseconds", choose_scale(&curves), &curves)
}
