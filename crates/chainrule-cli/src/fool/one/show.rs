//! A sample before and after, in words and characters.

use std::io::Write;

use anyhow::Result;
use chainrule::attack::Method;
use chainrule::metrics;
use chainrule_report::{Bitmap, draw};

use super::super::sample::shares;
use super::super::unit::Unit;
use super::Outcome;
use super::files::Sizes;
use crate::report::picture_shape;
use crate::table::table;
use crate::terminal::{count, figure, has_colour, pairs, shortened, thousands, width};

/// Classes shown: those with the largest figures before and after.
const CLASSES: usize = 3;
/// Inputs of a table shown, the largest |dE/dx| first.
const INPUTS: usize = 20;

/// Prints what was done and what came of it.
pub fn print(outcome: &Outcome, unit: &Unit) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}\n", verdict(outcome))?;
    write!(out, "{}", pairs(&figures(outcome, unit), width()))?;
    if let Some(classes) = &outcome.classes {
        let [before, after] = outcome.outputs.each_ref().map(|outputs| shares(outputs));
        let row = |class: usize| {
            vec![shortened(&classes[class], 40), percent(before[class]), percent(after[class])]
        };
        let rows = leading(outcome).into_iter().map(row).collect();
        writeln!(out, "\n{}", table(&["class", "before", "after"], rows, &[1, 2]))?;
    } else {
        let row = |(output, (before, after)): (usize, (&f64, &f64))| {
            vec![shortened(&outcome.names[output], 32), nine(*before), nine(*after)]
        };
        let [before, after] = &outcome.outputs;
        let rows = before.iter().zip(after).enumerate().map(row).collect();
        writeln!(out, "\n{}", table(&["output", "before", "after"], rows, &[1, 2]))?;
    }
    match (picture_shape(&outcome.shape), &unit.names) {
        (Some((rows, columns)), _) => {
            let bitmaps = [&outcome.x, &outcome.moved].map(|x| Bitmap::new(rows, columns, unit.restored(x)));
            let labels = ["before", "after"].map(String::from);
            write!(out, "\n{}", draw(&bitmaps, &labels, width(), has_colour()))?;
        }
        (None, Some(names)) => writeln!(out, "\n{}", inputs(outcome, unit, names))?,
        (None, None) => {}
    }
    Ok(out.flush()?)
}

/// What happened, in a sentence.
pub fn verdict(outcome: &Outcome) -> String {
    let sample = format!("sample {} of '{}'", outcome.sample, outcome.data);
    let Some(classes) = &outcome.classes else {
        return format!(
            "{sample}: the loss raised from {} to {}",
            nine(outcome.loss[0]),
            nine(outcome.loss[1])
        );
    };
    let [before, after] =
        outcome.outputs.each_ref().map(|outputs| classes[metrics::answer(outputs)].as_str());
    let what = outcome.truth.map_or(String::new(), |truth| format!(", a {}", classes[truth]));
    let within = format!("within epsilon {}", figure(outcome.epsilon));
    let fooled = outcome.fooled == Some(true);
    match (fooled, outcome.target) {
        (true, _) => format!("{sample}{what}: answered {before} before and {after} after"),
        (false, Some(target)) => format!(
            "{sample}{what}: NO adversarial input found {within}; it is answered {before} before and {after} \
             after, not {}",
            classes[target]
        ),
        (false, None) => {
            format!("{sample}{what}: NO adversarial input found {within}; it is still answered {after}")
        }
    }
}

fn figures(outcome: &Outcome, unit: &Unit) -> Vec<(String, String)> {
    let sizes = Sizes::of(outcome);
    let mut rows = Vec::new();
    let mut put = |name: &str, value: String| rows.push((name.to_string(), value));
    let found = match (outcome.searched, outcome.fooled) {
        (true, Some(true)) => ": the smallest that succeeds, to one per cent",
        (true, _) => ": the largest tried",
        (false, _) => "",
    };
    put("epsilon", format!("{} {}{found}", figure(outcome.epsilon), unit.words));
    put("method", method(outcome));
    put("largest", format!("{}  the largest change of an input (L-infinity)", figure(sizes.largest)));
    put("length", format!("{}  the root of the sum of squared changes (L2)", figure(sizes.length)));
    put("mean", format!("{}  of all inputs", figure(sizes.mean)));
    let inputs = count(outcome.x.len(), "input");
    put("changed", format!("{} of {inputs}", thousands(sizes.changed as f64)));
    let of = match (&outcome.classes, outcome.target, outcome.truth) {
        (None, ..) => "with the target",
        (_, Some(_), _) => "with the class asked for",
        (_, None, Some(_)) => "with the class of the sample",
        (_, None, None) => "with the answer before: the data has no targets",
    };
    let [before, after] = outcome.loss.map(nine);
    put("loss", format!("{before} before, {after} after  {of}"));
    put("slope", format!("{}  the sum of |dE/dx| at the start", figure(sizes.slope)));
    let line = "the sum of dE/dx times the change: what a straight line would add";
    put("first order", format!("{}  {line}", figure(sizes.first_order)));
    if let Some((kept, draws)) = outcome.random {
        put("random signs", format!("of the same size leave the answer in {kept} of {draws} draws"));
    }
    rows
}

/// How it was done, in words.
pub fn method(outcome: &Outcome) -> String {
    let (steps, step) = outcome.method.steps(outcome.epsilon);
    match outcome.method {
        Method::Iterated { .. } => format!("iterated: {} of {}", count(steps, "step"), figure(step)),
        _ => "fgsm: one step".into(),
    }
}

/// The classes with the largest figures, before or after, in the model's order.
pub fn leading(outcome: &Outcome) -> Vec<usize> {
    let mut classes: Vec<usize> =
        outcome.outputs.iter().flat_map(|outputs| largest(&shares(outputs), CLASSES)).collect();
    classes.extend(outcome.target);
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// The places of the largest values, the largest first.
pub fn largest(values: &[f64], wanted: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    places.truncate(wanted);
    places
}

/// The inputs of a table, before and after, as the network sees them and in their own unit.
fn inputs(outcome: &Outcome, unit: &Unit, names: &[String]) -> String {
    let [own, own_moved] = [&outcome.x, &outcome.moved].map(|x| unit.restored(x));
    let mut header = vec!["input", "x", "dE/dx", "change", "x'"];
    if unit.is_standardized() {
        header.extend(["in its unit", "after"]);
    }
    let sizes: Vec<f64> = outcome.dx.iter().map(|g| g.abs()).collect();
    let mut places = largest(&sizes, INPUTS);
    places.sort_unstable();
    let row = |i: usize| {
        let (x, moved) = (outcome.x[i], outcome.moved[i]);
        let mut row =
            vec![shortened(&names[i], 32), nine(x), nine(outcome.dx[i]), nine(moved - x), nine(moved)];
        if unit.is_standardized() {
            row.extend([figure(own[i]), figure(own_moved[i])]);
        }
        row
    };
    let more = outcome.x.len().saturating_sub(INPUTS);
    let more =
        if more > 0 { format!("\n{} with smaller |dE/dx|", count(more, "input")) } else { String::new() };
    format!("{}{more}", table(&header, places.into_iter().map(row).collect(), &[1, 2, 3, 4, 5, 6]))
}

pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Nine decimals, as in a derivation.
fn nine(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-6 {
        return format!("{value:.8e}");
    }
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
