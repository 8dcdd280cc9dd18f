//! `chainrule bench`: how fast this machine computes, on works of a fixed size.
//!
//! Times are taken inside the program around the work alone, data loaded before; the first repetition is dropped. E is the
//! exception: whole processes, from their start.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::setup;
use crate::table::table;
use crate::terminal::thousands;
use crate::watch::say;

pub mod args;
mod growth;
mod inference;
mod machine;
mod ordinary;
mod start;
mod training;

#[cfg(test)]
mod tests;

use args::{BenchArgs, BenchWork};
use machine::{Machine, Peak};

/// One figure of one work.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub work: &'static str,
    pub variant: &'static str,
    pub threads: usize,
    pub unit: &'static str,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub reps: Vec<f64>,
    /// Arithmetic made in a second: zeros of inputs are left out where lists leave them out, those behind a ReLU count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// Of the peak on as many threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_peak: Option<f64>,
    /// On the test set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// What 99 % of the calls stay below; the largest of all repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// How many times as long as the bare loop that was measured before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_bare: Option<f64>,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document {
    machine: Machine,
    peak_gflops: Peak,
    results: Vec<Figure>,
}

/// What the works are given.
pub struct Setting<'a> {
    pub data_dir: Option<&'a Path>,
    /// Repetitions that count, if the user gave a number.
    pub repeats: Option<usize>,
    /// Each work is measured with each of these numbers of threads.
    pub threads: Vec<usize>,
    pub peak: Peak,
}

impl Figure {
    /// From repetitions, of which at least one was made.
    pub fn new(
        work: &'static str,
        variant: &'static str,
        threads: usize,
        unit: &'static str,
        reps: Vec<f64>,
    ) -> Self {
        let mut sorted = reps.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let median = median(&sorted);
        Self {
            work,
            variant,
            threads,
            unit,
            median,
            min,
            max,
            reps,
            gflops: None,
            share_of_peak: None,
            accuracy: None,
            p99: None,
            times_bare: None,
        }
    }

    /// With the floating-point operations of `seconds`.
    pub fn with_operations(mut self, operations: f64, seconds: f64, peak: &Peak) -> Self {
        let gflops = operations / seconds / 1e9;
        self.gflops = Some(gflops);
        self.share_of_peak = peak.f32.get(self.threads - 1).map(|peak| gflops / peak);
        self
    }
}

/// The middle of numbers in rising order.
pub fn median(sorted: &[f64]) -> f64 {
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// Measures the works asked for.
pub fn run(args: &BenchArgs) -> Result<()> {
    let growth = args.works.contains(&BenchWork::Growth);
    let found = || args.works.iter().map(|work| work.name()).collect::<Vec<_>>().join(" ");
    if args.charts.is_some() && !growth {
        let error = anyhow::anyhow!("--charts: expected the work growth, found {}", found());
        return Err(crate::Usage(error).into());
    }
    if growth && args.works.iter().any(|&work| work != BenchWork::Growth) {
        let error = anyhow::anyhow!("growth: expected no other work beside it, found {}", found());
        return Err(crate::Usage(error).into());
    }
    let cores = setup::threads(None);
    let mut threads = match args.threads {
        Some(threads) => vec![threads.min(cores)],
        None => vec![1, cores],
    };
    threads.dedup();
    let machine = Machine::new(cores);
    let peak = Peak::measure(cores);
    let setting = Setting { data_dir: args.data_dir.as_deref(), repeats: args.repeats, threads, peak };
    if growth {
        return growth::run(&setting, machine, args.charts.as_deref(), args.json);
    }
    let mut results = Vec::new();
    let all = args.works.contains(&BenchWork::All);
    for work in BenchWork::EACH.into_iter().filter(|work| all || args.works.contains(work)) {
        if !args.json && std::io::stderr().is_terminal() {
            say(&format!("measuring {}", work.name()));
        }
        match work {
            BenchWork::W7 => results.extend(inference::measure(&setting)?),
            BenchWork::E => results.extend(start::measure(&setting)?),
            _ => results.extend(training::measure(work.name(), &setting)?),
        }
    }
    let mut out = anstream::stdout().lock();
    if args.json {
        let document = Document { machine, peak_gflops: setting.peak, results };
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        writeln!(out, "{}\n", machine.sentence(&setting.peak))?;
        writeln!(out, "{}", text(&results))?;
    }
    Ok(out.flush()?)
}

/// The figures as a table of at most 80 columns.
fn text(figures: &[Figure]) -> String {
    let row = |figure: &Figure| {
        let spread = 100.0 * (figure.max - figure.min) / figure.median;
        let share = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
        vec![
            figure.work.to_string(),
            figure.variant.to_string(),
            figure.threads.to_string(),
            amount(figure.median, figure.unit),
            format!("{spread:.0} %"),
            figure.gflops.map_or("-".into(), |gflops| digits(gflops, 3)),
            share(figure.share_of_peak),
            figure.accuracy.map_or("-".into(), |accuracy| format!("{:.2} %", 100.0 * accuracy)),
        ]
    };
    let header = ["work", "variant", "thr.", "median", "spread", "GF/s", "peak", "accuracy"];
    let mut text = table(&header, figures.iter().map(row).collect(), &[2, 3, 4, 5, 6, 7]);
    for figure in figures {
        if let Some(p99) = figure.p99 {
            text += &format!("\n{} {}: 99 % of calls within {p99:.2} us", figure.work, figure.variant);
        }
        if let Some(times) = figure.times_bare {
            let threads = crate::terminal::count(figure.threads, "thread");
            text +=
                &format!("\n{} {}: {times:.2} times the bare loop on {threads}", figure.work, figure.variant);
        }
    }
    text
}

/// A figure without what it is for, which the work says; thousandths of a second as ms.
fn amount(value: f64, unit: &str) -> String {
    match unit.split('/').next().unwrap_or(unit) {
        "samples" => format!("{} /s", thousands(value)),
        "s" if value < 0.1 => format!("{} ms", digits(1e3 * value, 4)),
        unit => format!("{} {unit}", digits(value, 4)),
    }
}

/// A number above 0 with so many digits that count, but never less than all before the point.
fn digits(value: f64, count: i32) -> String {
    let before = (value.log10().floor() as i32).saturating_add(1);
    format!("{value:.*}", count.saturating_sub(before).clamp(0, 9) as usize)
}
