//! `chainrule data show`

use std::io::Write;

use anyhow::Result;
use chainrule::{Dataset, Targets};
use chainrule_io::encode::{ColumnKind, TableEncoding};
use chainrule_io::{Description, SourceOptions, describe, load};
use chainrule_report::{Bitmap, draw};
use serde::Serialize;

use super::rows;
use crate::args::ShowArgs;
use crate::report::picture_shape;
use crate::table::table;
use crate::terminal::{count, figure, has_colour, list, pairs, shape, shortened, thousands, width};
use crate::watch::say;

/// Classes shown in a table.
const CLASSES: usize = 40;
/// Columns of a table that are described.
const COLUMNS: usize = 40;

/// The document of `--json`.
#[derive(Serialize)]
struct Document {
    train: Description,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Description>,
    /// Columns of a table: name, and its words if it holds words.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<TableEncoding>,
    /// Choices made in reading, one sentence each.
    notes: Vec<String>,
}

/// Shape, classes, counts and ranges of a data set, and a few samples.
pub fn run(args: &ShowArgs) -> Result<()> {
    let options =
        SourceOptions { data_dir: args.data_dir.clone(), target: args.target.clone(), sample_weight: None };
    let loaded = load(&args.data, &options)?;
    let (train, test) = (describe(&loaded.train), loaded.test.as_ref().map(describe));
    let mut out = anstream::stdout().lock();
    if args.json {
        let document = Document { train, test, encoding: loaded.encoding, notes: loaded.notes };
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(out.flush()?);
    }
    for note in &loaded.notes {
        say(note);
    }
    write!(out, "{}", pairs(&facts(&train, test.as_ref(), loaded.encoding.is_some()), width()))?;
    if !train.classes.is_empty() {
        writeln!(out, "\n{}", class_table(&train, test.as_ref()))?;
    }
    if let Some(encoding) = &loaded.encoding {
        writeln!(out, "\n{}", columns(encoding, &loaded.train, &train))?;
    }
    let samples = chosen(&loaded.train, args.samples);
    if samples.is_empty() {
        return Ok(out.flush()?);
    }
    match (picture_shape(loaded.train.shape()), &loaded.encoding) {
        (Some(size), _) => {
            let few = |&sample: &usize| Bitmap::new(size.0, size.1, loaded.train.row(sample));
            let bitmaps: Vec<Bitmap> = samples.iter().map(few).collect();
            let labels: Vec<String> = samples.iter().map(|&s| label(&loaded.train, s)).collect();
            write!(out, "\n{}", draw(&bitmaps, &labels, width(), has_colour()))?;
        }
        (None, Some(encoding)) => writeln!(out, "\n{}", rows::few(encoding, &loaded.train, &samples))?,
        (None, None) => {}
    }
    Ok(out.flush()?)
}

/// What holds for the data set as a whole.
fn facts(train: &Description, test: Option<&Description>, is_table: bool) -> Vec<(String, String)> {
    let mut rows = vec![("data".to_string(), train.name.clone())];
    let mut put = |name: &str, value: String| rows.push((name.into(), value));
    match test {
        Some(test) => {
            let (train, test) = (thousands(train.samples as f64), thousands(test.samples as f64));
            put("samples", format!("{train} to train, {test} to test"));
        }
        None => put("samples", thousands(train.samples as f64)),
    }
    put("inputs", format!("{} numbers a sample", shape(&train.shape)));
    if !is_table {
        let range = &train.features;
        let (min, max) = (figure(range.min), figure(range.max));
        put("range", format!("{min} to {max}, mean {}", figure(range.mean)));
    }
    put("not zero", format!("{:.1} % of the inputs", 100.0 * train.nonzero));
    match (train.classes.len(), train.targets.len()) {
        (0, _) => {
            let names: Vec<&str> = train.targets.iter().map(|target| target.name.as_str()).collect();
            put("targets", format!("{}: {}", count(names.len(), "number"), list(&names, 12)));
        }
        (classes, _) => put("targets", count(classes, "class")),
    }
    rows
}

/// Samples of each class.
fn class_table(train: &Description, test: Option<&Description>) -> String {
    let of = |d: &Description, c: usize| d.classes.get(c).map_or(0, |class| class.samples);
    let row = |c: usize| {
        let mut row = vec![shortened(&train.classes[c].name, 40), thousands(of(train, c) as f64)];
        row.push(format!("{:.1} %", 100.0 * of(train, c) as f64 / train.samples as f64));
        row.extend(test.map(|test| thousands(of(test, c) as f64)));
        row
    };
    let classes = train.classes.len();
    let mut header = vec!["class", if test.is_some() { "train samples" } else { "samples" }, "share"];
    header.extend(test.map(|_| "test samples"));
    let rows = (0..classes.min(CLASSES)).map(row).collect();
    let more = classes.saturating_sub(CLASSES);
    let more = if more > 0 { format!("\n{} more", count(more, "class")) } else { String::new() };
    format!("{}{more}", table(&header, rows, &[1, 2, 3]))
}

/// What each column of a table holds.
fn columns(encoding: &TableEncoding, data: &Dataset, description: &Description) -> String {
    let range =
        |min: f64, max: f64, mean: f64| format!("{} to {}, mean {}", figure(min), figure(max), figure(mean));
    let ranges = ranges(data);
    let mut shown = Vec::new();
    let mut input = 0;
    for column in encoding.inputs.iter().take(COLUMNS) {
        let name = shortened(&column.name, 32);
        match &column.kind {
            ColumnKind::Numeric => {
                let (min, max, mean) = ranges[input];
                shown.push(vec![name, range(min, max, mean)]);
                input += 1;
            }
            ColumnKind::Categories(words) => {
                shown.push(vec![name, format!("{}: {}", count(words.len(), "word"), list(words, 8))]);
                input += words.len();
            }
        }
    }
    let more = encoding.inputs.len().saturating_sub(COLUMNS);
    if more > 0 {
        shown.push(vec!["…".into(), format!("{} more", count(more, "column"))]);
    }
    for target in description.targets.iter().filter(|_| !encoding.targets.is_empty()) {
        let words = range(target.range.min, target.range.max, target.range.mean);
        shown.push(vec![shortened(&target.name, 32), format!("the target: {words}")]);
    }
    if let (Some(target), false) = (encoding.targets.first(), description.classes.is_empty()) {
        let name = shortened(&target.name, 32);
        shown.push(vec![name, format!("the target: {}", count(description.classes.len(), "class"))]);
    }
    table(&["column", "values"], shown, &[])
}

/// Smallest, largest and mean value of each input.
fn ranges(data: &Dataset) -> Vec<(f64, f64, f64)> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY, 0.0); data.inputs()];
    let mut row = vec![0.0; data.inputs()];
    for sample in 0..data.len() {
        data.write_row(sample, &mut row);
        for ((min, max, mean), &x) in ranges.iter_mut().zip(&row) {
            (*min, *max, *mean) = (min.min(x), max.max(x), *mean + x / data.len() as f64);
        }
    }
    ranges
}

/// A few samples: of each class in turn, or the first.
fn chosen(data: &Dataset, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(data.len());
    let Some(labels) = data.labels() else { return (0..wanted).collect() };
    let mut of_class = vec![Vec::new(); data.class_names().len()];
    for (sample, &label) in labels.iter().enumerate() {
        of_class[label as usize].push(sample);
    }
    let rounds = of_class.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..rounds).flat_map(|round| of_class.iter().filter_map(move |class| class.get(round)));
    in_turn.copied().take(wanted).collect()
}

/// What a sample is.
pub fn label(data: &Dataset, sample: usize) -> String {
    match data.targets() {
        Targets::Classes { labels, names } => names[labels[sample] as usize].clone(),
        Targets::Values { values, names } => {
            let row = &values[sample * names.len()..(sample + 1) * names.len()];
            if row.len() == 1 { figure(row[0]) } else { format!("sample {sample}") }
        }
    }
}
