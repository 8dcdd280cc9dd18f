//! The result: verdicts, the table, the document.

use anyhow::{Context, Result};
use chainrule::recipe::{Figure, Source};
use serde::Serialize;

use super::metric::Wanted;
use super::plan::Plan;
use super::text::{Known, number};
use super::verdict::{Verdict, over_seeds, verdict};
use super::work::Measured;
use crate::terminal;

/// A recipe with its figures measured.
#[derive(Serialize)]
pub struct Reproduced {
    recipe: String,
    source: Option<Source>,
    description: Option<String>,
    seeds: Vec<u64>,
    /// Of training, all seeds together.
    seconds: f64,
    seconds_per_seed: Vec<f64>,
    figures: Vec<Compared>,
}

/// A figure with its verdict.
#[derive(Serialize)]
struct Compared {
    name: String,
    metric: String,
    epoch: Option<u64>,
    step: Option<u64>,
    published: Option<f64>,
    tolerance: Option<f64>,
    ours: f64,
    min: f64,
    max: f64,
    values: Vec<f64>,
    verdict: Verdict,
    /// Why it is different, from what was measured.
    reason: Option<String>,
    note: Option<String>,
}

/// Compares the figures of the plans that were asked for.
pub fn compare(plans: &[Plan], measured: &[Vec<Measured>]) -> Result<Vec<Reproduced>> {
    let mut reproduced = Vec::new();
    for (plan, runs) in plans.iter().zip(measured).filter(|(plan, _)| plan.shown) {
        let values = |recipe: Option<&str>, wanted: &Wanted| {
            let recipe = recipe.unwrap_or(&plan.name);
            let found = plans.iter().zip(measured).find(|(other, _)| other.name == recipe);
            found.map_or(Vec::new(), |(other, runs)| {
                let at = other.position(wanted);
                at.map_or(Vec::new(), |at| runs.iter().map(|run| run.values[at]).collect())
            })
        };
        let mut figures = Vec::new();
        for (index, planned) in plan.figures.iter().enumerate() {
            let figure = &planned.figure;
            let of_seeds: Vec<f64> = runs.iter().map(|run| run.values[index]).collect();
            let ours = over_seeds(&of_seeds, figure.over_seeds.unwrap_or_default());
            let verdict = verdict(ours, figure.published, figure.tolerance.unwrap_or(0.0), figure.better);
            let known = Known { values: &of_seeds, ours, published: figure.published, measured: &values };
            let reason = planned.reason.as_ref().filter(|_| verdict == Verdict::Different);
            figures.push(Compared {
                reason: reason.map(|text| text.fill(&known)),
                note: planned.note.as_ref().map(|text| text.fill(&known)),
                ..Compared::new(figure, ours, of_seeds, verdict)
            });
        }
        let seconds_per_seed: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
        reproduced.push(Reproduced {
            recipe: plan.name.clone(),
            source: plan.settings.source.clone(),
            description: plan.settings.description.clone(),
            seeds: plan.seeds.clone(),
            seconds: seconds_per_seed.iter().sum(),
            seconds_per_seed,
            figures,
        });
    }
    Ok(reproduced)
}

impl Compared {
    fn new(figure: &Figure, ours: f64, values: Vec<f64>, verdict: Verdict) -> Self {
        let extreme = |choose: fn(f64, f64) -> f64| values.iter().copied().reduce(choose).unwrap_or(f64::NAN);
        Self {
            name: figure.name.clone(),
            metric: figure.metric.clone(),
            epoch: figure.epoch,
            step: figure.step,
            published: figure.published,
            tolerance: figure.tolerance,
            ours,
            min: extreme(f64::min),
            max: extreme(f64::max),
            values,
            verdict,
            reason: None,
            note: None,
        }
    }

    fn unexplained(&self) -> bool {
        self.verdict == Verdict::Different && self.reason.is_none()
    }
}

/// Figures that are different for no stated reason, as `recipe: figure`.
pub fn unexplained(reproduced: &[Reproduced]) -> Vec<String> {
    let of = |one: &Reproduced| {
        let figures = one.figures.iter().filter(|figure| figure.unexplained());
        figures.map(|figure| format!("{}: {}", one.recipe, figure.name)).collect::<Vec<_>>()
    };
    reproduced.iter().flat_map(of).collect()
}

/// The document of `--json`.
pub fn document(reproduced: &[Reproduced], seconds: f64, threads: usize) -> Result<String> {
    #[derive(Serialize)]
    struct Document<'a> {
        chainrule: &'static str,
        passed: bool,
        seconds: f64,
        threads: usize,
        simd: &'static str,
        recipes: &'a [Reproduced],
    }
    let document = Document {
        chainrule: env!("CARGO_PKG_VERSION"),
        passed: unexplained(reproduced).is_empty(),
        seconds,
        threads,
        simd: chainrule::simd::Level::current().name(),
        recipes: reproduced,
    };
    serde_json::to_string_pretty(&document).context("the result as JSON")
}

/// The table, then what was measured about differences.
pub fn print(reproduced: &[Reproduced]) {
    use owo_colors::OwoColorize;
    let mut rows = Vec::new();
    for one in reproduced {
        for (index, figure) in one.figures.iter().enumerate() {
            let first = |text: String| if index == 0 { text } else { String::new() };
            rows.push(vec![
                first(one.source.as_ref().map_or(String::new(), |source| source.id.clone())),
                first(one.recipe.clone()),
                figure.name.clone(),
                figure.published.map_or("-".into(), number),
                ours(figure),
                figure.verdict.name().to_string(),
                first(format!("{:.1} s", one.seconds)),
            ]);
        }
    }
    let header = ["source", "recipe", "figure", "published", "ours", "verdict", "time"];
    let verdicts: Vec<Verdict> = reproduced.iter().flat_map(|one| &one.figures).map(|f| f.verdict).collect();
    let paint = |row: usize, column: usize, text: &str| match (header[column], verdicts[row]) {
        ("verdict", Verdict::Reproduced | Verdict::Better) => text.green().to_string(),
        ("verdict", Verdict::Different) => text.yellow().to_string(),
        _ => text.to_string(),
    };
    anstream::println!("{}", crate::table::painted(&header, rows, &[6], &paint));
    for one in reproduced {
        for figure in &one.figures {
            for text in figure.reason.iter().chain(&figure.note) {
                let words = terminal::wrapped(text.split(' '), terminal::width() - 2).join("\n  ");
                anstream::println!("\n{} {}\n  {words}", one.recipe.bold(), figure.name);
            }
        }
    }
}

/// `0.954 (0.851 to 0.956)` over several seeds.
fn ours(figure: &Compared) -> String {
    let value = number(figure.ours);
    if figure.values.len() == 1 {
        return value;
    }
    format!("{value} ({} to {})", number(figure.min), number(figure.max))
}
