//! `chainrule predict --saliency`: dE/dx of samples, as pictures or as numbers.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use chainrule::batch::Batch;
use chainrule::input_gradient::input_gradient;
use chainrule::network::Workspace;
use chainrule::{Dataset, metrics};
use chainrule_io::{Model, write_atomically};
use chainrule_report::{Bitmap, Palette, Panel, panels, signed_bars};

use crate::Usage;
use crate::bars;
use crate::fool::sample::{check_loss, classes, one_class, own_target, shares};
use crate::fool::unit::Unit;
use crate::report::picture_shape;
use crate::terminal::{count, shortened};
use crate::watch::say;

/// Samples that fit into one picture.
const SHEET: usize = 60;
/// Samples side by side in a picture of many.
const ACROSS: usize = 3;
/// Samples of which each has a row of its own.
const FEW: usize = 3;

/// dE/dx of one sample.
struct Saliency {
    /// Its number in the data.
    sample: usize,
    /// Inputs in their own unit.
    x: Vec<f64>,
    dx: Vec<f64>,
    loss: f64,
    /// What the loss was taken with: a class, or `target`.
    with: String,
    /// The answer, with its figure if it is a class.
    answer: String,
}

/// Writes dE/dx of every sample of `data`, whose numbers are `samples`, to `path`: a PNG, a CSV, or a folder of PNG files.
pub fn write(path: &Path, model: &Model, data: &Dataset, has_target: bool, samples: &[usize]) -> Result<()> {
    check_loss(model, data, has_target)?;
    let unit = Unit::of(model, data);
    let picture = picture_shape(data.shape());
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let most = if picture.is_some() { SHEET } else { 1 };
    if ending.as_deref() == Some("png") && data.len() > most {
        let problem = anyhow!(
            "--saliency {}: expected at most {} for one picture, found {} (choose some with --sample, or name a \
             folder, which gets a picture for each, or a .csv file)",
            path.display(),
            count(most, "sample"),
            data.len()
        );
        return Err(Usage(problem).into());
    }
    if let Some(other) =
        ending.as_deref().filter(|ending| !matches!(*ending, "png" | "csv") && !path.is_dir())
    {
        let problem = anyhow!(
            "--saliency {}: expected a .png or .csv file, or a folder, found the ending '{other}'",
            path.display()
        );
        return Err(Usage(problem).into());
    }
    let found = compute(model, data, has_target, samples, &unit);
    let draw = |chosen: &[Saliency]| match picture {
        Some(size) => pictures(chosen, size),
        None => chart(&chosen[0], &unit),
    };
    match ending.as_deref() {
        Some("png") => write_atomically(path, &draw(&found))?,
        Some("csv") => write_atomically(path, &table(&found, &unit)?)?,
        _ => {
            std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            for one in found.chunks(1) {
                write_atomically(&path.join(format!("sample-{}.png", one[0].sample)), &draw(one))?;
            }
        }
    }
    let with = match (classes(model), has_target) {
        (None, _) => "the target",
        (Some(_), true) => "the true class",
        (Some(_), false) => "the class answered, since the data has no targets",
    };
    let loss = &model.network.spec().loss;
    say(&format!(
        "{}: dE/dx of {}, E the {loss} loss with {with}; more of an input raises it where red, lowers it where blue",
        path.display(),
        count(data.len(), "sample")
    ));
    Ok(())
}

fn compute(model: &Model, data: &Dataset, has_target: bool, samples: &[usize], unit: &Unit) -> Vec<Saliency> {
    let (net, params, classes) = (&model.network, model.params::<f64>(), classes(model));
    let mut ws = Workspace::new(net, 1, 1);
    let one = |(at, &sample): (usize, &usize)| {
        let x = data.row(at);
        net.forward(&params, &x[..], &mut ws);
        let outputs = ws.output().to_vec();
        let class = metrics::answer(&outputs);
        let truth = data.labels().filter(|_| has_target).map(|labels| labels[at] as usize);
        let (y, with, answer) = match &classes {
            Some(names) => {
                let with = truth.unwrap_or(class);
                let answer =
                    format!("{}, {:.2} %", shortened(&names[class], 12), 100.0 * shares(&outputs)[class]);
                (one_class(model, with), names[with].clone(), answer)
            }
            None => (own_target(model, data, at), "target".into(), String::new()),
        };
        let batch = Batch::from_parts(x.clone(), y, data.inputs(), outputs.len());
        let mut dx = vec![0.0; x.len()];
        let loss = input_gradient(net, &params, &batch, &mut ws, &mut dx);
        Saliency { sample, x: unit.restored(&x), dx, loss, with, answer }
    };
    samples.iter().enumerate().map(one).collect()
}

/// Each sample beside its dE/dx.
fn pictures(found: &[Saliency], (rows, columns): (usize, usize)) -> Vec<u8> {
    let pair = |one: &Saliency| {
        let panel = |title, note, values: &[f64], palette| {
            let bitmap = Bitmap::new(rows, columns, values.to_vec());
            Panel { title, note, bitmap, palette, shares: Vec::new() }
        };
        let answer = if one.answer.is_empty() { String::new() } else { format!("answer {}", one.answer) };
        let with = format!("E with {}", shortened(&one.with, 12));
        [
            panel(format!("sample {}", one.sample), answer, &one.x, Palette::Grey),
            panel("dE/dx".into(), with, &one.dx, Palette::Diverging),
        ]
    };
    let across = if found.len() <= FEW { 1 } else { ACROSS };
    panels(&found.chunks(across).map(|some| some.iter().flat_map(pair).collect()).collect::<Vec<_>>())
}

/// A bar for each input of a table.
fn chart(one: &Saliency, unit: &Unit) -> Vec<u8> {
    let (bars, some) = bars::of_inputs(&one.dx, |i| name(unit, i));
    let answer = if one.answer.is_empty() { String::new() } else { format!(", answer {}", one.answer) };
    let title = format!("sample {}: dE/dx, E with {}", one.sample, shortened(&one.with, 24));
    let more = if some { ", the largest" } else { "" };
    let note = format!("x {}{more}{answer}", unit.words);
    signed_bars(&title, &note, &bars)
}

fn name(unit: &Unit, input: usize) -> String {
    unit.names.as_ref().map_or(format!("input {input}"), |names| names[input].clone())
}

/// A line for each sample, a column for each input.
fn table(found: &[Saliency], unit: &Unit) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let inputs = found.first().map_or(0, |one| one.dx.len());
    let header = ["sample", "with", "loss"].map(String::from);
    out.write_record(header.into_iter().chain((0..inputs).map(|input| name(unit, input))))?;
    for one in found {
        let figures = [one.sample.to_string(), one.with.clone(), one.loss.to_string()];
        out.write_record(figures.into_iter().chain(one.dx.iter().map(ToString::to_string)))?;
    }
    out.into_inner().map_err(|error| anyhow!("cannot write the table: {error}"))
}
