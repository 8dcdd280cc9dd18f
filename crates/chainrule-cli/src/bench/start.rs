//! E: from the start of the process to an accuracy on MNIST, reading the files included.

use std::time::Instant;

use anyhow::{Context, Result};
use chainrule_io::recipes::find_recipe;

use super::ordinary::{self, Scratch};
use super::{Figure, Setting};
use crate::watch::say;

/// Repetitions that count unless the user gave a number.
const REPEATS: usize = 5;

/// Trains by the ordinary command, in processes of their own.
pub fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, recipe) in [("97", "mnist-97"), ("98", "mnist-98")] {
        if find_recipe(recipe).is_none() {
            say(&format!("E {variant}: left out, there is no recipe '{recipe}'"));
            continue;
        }
        for &threads in &setting.threads {
            figures.push(train(variant, recipe, threads, setting)?);
        }
    }
    Ok(figures)
}

fn train(variant: &'static str, recipe: &str, threads: usize, setting: &Setting) -> Result<Figure> {
    let scratch = Scratch::new();
    let (mut reps, mut accuracy) = (Vec::new(), None::<f64>);
    for repetition in 0..=setting.repeats.unwrap_or(REPEATS) {
        let run = scratch.path(&repetition.to_string());
        let start = Instant::now();
        ordinary::train(&[recipe, "--quiet"], threads, &run, setting)?;
        let seconds = start.elapsed().as_secs_f64();
        let summary = run.join("summary.json");
        let text = std::fs::read(&summary).with_context(|| format!("cannot read {}", summary.display()))?;
        let summary: serde_json::Value = serde_json::from_slice(&text)?;
        let reached = summary["test"]["accuracy"].as_f64();
        accuracy = accuracy.into_iter().chain(reached).reduce(f64::min);
        if repetition > 0 {
            reps.push(seconds);
        }
    }
    let mut figure = Figure::new("E", variant, threads, "s", reps);
    figure.accuracy = accuracy;
    Ok(figure)
}
