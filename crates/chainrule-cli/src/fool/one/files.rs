//! A sample before and after, as a picture and as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use chainrule::metrics;
use chainrule_io::write_atomically;
use chainrule_report::{Bitmap, Palette, Panel, panels, signed_bars};
use serde_json::{Value, json};

use super::super::sample::shares;
use super::super::unit::Unit;
use super::Outcome;
use super::show::{largest, method};
use crate::bars;
use crate::report::picture_shape;
use crate::terminal::{figure, shortened};
use crate::watch::say;

/// Classes under a picture.
const CLASSES: usize = 3;

/// How large a change is.
pub struct Sizes {
    /// The largest change of an input.
    pub largest: f64,
    /// The root of the sum of squares.
    pub length: f64,
    /// The mean magnitude.
    pub mean: f64,
    /// Inputs that changed.
    pub changed: usize,
    /// The sum of |dE/dx|.
    pub slope: f64,
    /// The sum of dE/dx times the change: how a straight line would change the loss.
    pub first_order: f64,
}

impl Sizes {
    pub fn of(outcome: &Outcome) -> Self {
        let changes = || outcome.moved.iter().zip(&outcome.x).map(|(moved, x)| (moved - x).abs());
        Self {
            largest: changes().fold(0.0, f64::max),
            length: changes().map(|c| c * c).sum::<f64>().sqrt(),
            mean: changes().sum::<f64>() / outcome.x.len() as f64,
            changed: changes().filter(|&c| c > 0.0).count(),
            slope: outcome.dx.iter().map(|g| g.abs()).sum(),
            first_order: (0..outcome.x.len())
                .map(|i| outcome.dx[i] * (outcome.moved[i] - outcome.x[i]))
                .sum(),
        }
    }
}

/// Writes `fooled.png` and `fooled.json`.
pub fn write(folder: &Path, outcome: &Outcome, unit: &Unit) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut document = serde_json::to_string_pretty(&document(outcome, unit))?;
    document.push('\n');
    write_atomically(&folder.join("fooled.json"), document.as_bytes())?;
    let mut written = vec!["fooled.json"];
    if let Some(picture) = picture(outcome, unit) {
        write_atomically(&folder.join("fooled.png"), &picture)?;
        written.insert(0, "fooled.png");
    }
    say(&format!("{}: {}", folder.display(), written.join(", ")));
    Ok(())
}

/// Before, change and after side by side; bars of the changes for a table.
fn picture(outcome: &Outcome, unit: &Unit) -> Option<Vec<u8>> {
    let change: Vec<f64> = outcome.moved.iter().zip(&outcome.x).map(|(moved, x)| moved - x).collect();
    let Some((rows, columns)) = picture_shape(&outcome.shape) else {
        let names = unit.names.as_ref()?;
        let (bars, _) = bars::of_inputs(&change, |i| names[i].clone());
        let [before, after] = [0, 1].map(|at| answer(outcome, at));
        return Some(signed_bars(
            &format!("{before} becomes {after}"),
            &format!("change, {}", unit.words),
            &bars,
        ));
    };
    let bitmap = |values: Vec<f64>| Bitmap::new(rows, columns, values);
    let own = |x: &[f64]| bitmap(unit.restored(x));
    let panel =
        |title: String, note: String, bitmap, palette, shares| Panel { title, note, bitmap, palette, shares };
    let largest_change = Sizes::of(outcome).largest;
    let times = if largest_change > 0.0 {
        format!("drawn {} times as strong", figure_short(1.0 / largest_change))
    } else {
        "none".into()
    };
    let truth = outcome.truth.zip(outcome.classes.as_ref());
    let truth = truth.map_or(format!("sample {}", outcome.sample), |(truth, classes)| {
        format!("sample {}, a {}", outcome.sample, shortened(&classes[truth], 12))
    });
    let epsilon = format!("epsilon {}", figure_short(outcome.epsilon));
    Some(panels(&[vec![
        panel(
            format!("before: {}", answer(outcome, 0)),
            truth,
            own(&outcome.x),
            Palette::Grey,
            leading(outcome, 0),
        ),
        panel("the change".into(), times, bitmap(change), Palette::Diverging, Vec::new()),
        panel(
            format!("after: {}", answer(outcome, 1)),
            epsilon,
            own(&outcome.moved),
            Palette::Grey,
            leading(outcome, 1),
        ),
    ]]))
}

/// The answer before (0) or after (1).
fn answer(outcome: &Outcome, at: usize) -> String {
    match &outcome.classes {
        Some(classes) => shortened(&classes[metrics::answer(&outcome.outputs[at])], 16),
        None => outcome.outputs[at].iter().take(4).map(|v| figure(*v)).collect::<Vec<_>>().join(", "),
    }
}

/// The classes with the largest figures.
fn leading(outcome: &Outcome, at: usize) -> Vec<(String, f64)> {
    let Some(classes) = &outcome.classes else { return Vec::new() };
    let shares = shares(&outcome.outputs[at]);
    let places = largest(&shares, CLASSES);
    places.into_iter().map(|class| (shortened(&classes[class], 8), shares[class])).collect()
}

/// Three significant digits.
fn figure_short(value: f64) -> String {
    figure(format!("{value:.2e}").parse().unwrap_or(value))
}

/// The document of `--json`, and of `fooled.json`.
pub fn document(outcome: &Outcome, unit: &Unit) -> Value {
    let sizes = Sizes::of(outcome);
    let classes = outcome.classes.as_ref();
    let name = |class: Option<usize>| classes.zip(class).map(|(classes, class)| classes[class].clone());
    let side = |at: usize, x: &[f64]| {
        let outputs = &outcome.outputs[at];
        let own = unit.restored(x);
        match classes {
            Some(classes) => {
                let shares: serde_json::Map<String, Value> =
                    classes.iter().cloned().zip(shares(outputs).into_iter().map(Value::from)).collect();
                json!({ "class": classes[metrics::answer(outputs)], "probabilities": shares,
                        "loss": outcome.loss[at], "inputs": own })
            }
            None => json!({ "outputs": outputs, "loss": outcome.loss[at], "inputs": own }),
        }
    };
    json!({
        "data": outcome.data,
        "sample": outcome.sample,
        "truth": name(outcome.truth),
        "target": name(outcome.target),
        "fooled": outcome.fooled,
        "method": method(outcome),
        "epsilon": outcome.epsilon,
        "epsilon_unit": unit.words,
        "epsilon_searched": outcome.searched,
        "perturbation": { "l_infinity": sizes.largest, "l2": sizes.length, "mean": sizes.mean,
                          "changed": sizes.changed, "inputs": outcome.x.len() },
        "slope": sizes.slope,
        "first_order": sizes.first_order,
        "random_signs": outcome.random.map(|(kept, draws)| json!({ "draws": draws, "answer_kept": kept })),
        "before": side(0, &outcome.x),
        "after": side(1, &outcome.moved),
        "input_gradient": outcome.dx,
    })
}
