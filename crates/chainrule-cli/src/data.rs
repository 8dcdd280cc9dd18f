//! `chainrule data`

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use chainrule_io::mnist::locate_mnist;
use chainrule_io::{FetchProgress, NAMES, SourceOptions, fetch_mnist, load};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::{DataArgs, DataCommand};
use crate::table::table;
use crate::terminal::{shape, thousands};
use crate::watch::say;

mod rows;
mod show;

/// A data set in the list of `--json`.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    description: &'static str,
    /// Samples to train on, and to test on.
    train: usize,
    test: usize,
    /// Shape of one sample.
    shape: Vec<usize>,
    /// Where it lies; nothing if it is not there yet.
    found: Option<String>,
}

/// Lists, shows or fetches data sets.
pub fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::List { data_dir, json } => list(data_dir.as_deref(), *json),
        DataCommand::Show(args) => show::run(args),
        DataCommand::Fetch { data_dir, .. } => fetch(data_dir.as_deref()),
    }
}

/// The data sets known by name, and where they lie.
fn list(data_dir: Option<&Path>, json: bool) -> Result<()> {
    let entries = NAMES.iter().map(|(name, description)| entry(name, description, data_dir));
    let entries: Vec<Entry> = entries.collect::<Result<_>>()?;
    let mut out = anstream::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&entries)?)?;
        return Ok(out.flush()?);
    }
    let row = |entry: &Entry| {
        let test = if entry.test == 0 { "-".into() } else { thousands(entry.test as f64) };
        vec![
            entry.name.to_string(),
            thousands(entry.train as f64),
            test,
            shape(&entry.shape),
            entry.found.clone().unwrap_or_else(|| "not here: chainrule data fetch mnist".into()),
        ]
    };
    let header = ["data", "train samples", "test samples", "inputs", "where"];
    let rows = entries.iter().map(row).collect();
    writeln!(out, "{}", table(&header, rows, &[1, 2]))?;
    out.flush()?;
    say(
        "\nor a path: a CSV or TSV table, IDX files, a folder like MNIST's, a folder or zip of digit bitmaps",
    );
    Ok(())
}

fn entry(name: &'static str, description: &'static str, data_dir: Option<&Path>) -> Result<Entry> {
    if name == "mnist" {
        let folder = locate_mnist(data_dir).ok().and_then(|files| {
            let (images, _) = files.train?;
            Some(images.parent()?.display().to_string())
        });
        let (train, test) = (60_000, 10_000);
        return Ok(Entry { name, description, train, test, shape: vec![28, 28], found: folder });
    }
    let loaded = load(name, &SourceOptions::default())?;
    Ok(Entry {
        name,
        description,
        train: loaded.train.len(),
        test: loaded.test.map_or(0, |test| test.len()),
        shape: loaded.train.shape().to_vec(),
        found: Some("in the program".into()),
    })
}

/// Fetches MNIST with a bar on a terminal, a line per file elsewhere, and says where it is.
fn fetch(data_dir: Option<&Path>) -> Result<()> {
    let to = data_dir.map(|folder| folder.join("mnist"));
    let is_terminal = std::io::stderr().is_terminal();
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    )?;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    let mut show = |progress: FetchProgress| {
        let place = format!("{} of {}", progress.index + 1, progress.files);
        if progress.done {
            let (file, bytes) = (progress.file, thousands(progress.received as f64));
            let line = format!("{place}: {file}, {bytes} bytes, SHA-256 of its content is right");
            bar.suspend(|| say(&line));
            bar.reset();
        } else if is_terminal {
            bar.set_prefix(format!("{place}: {}", progress.file));
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.received);
        }
    };
    let fetched = fetch_mnist(to.as_deref(), &mut show);
    bar.finish_and_clear();
    let folder = fetched?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", folder.display())?;
    out.flush()?;
    let flag = match data_dir {
        Some(folder) => format!(" --data-dir {}", folder.display()),
        None => String::new(),
    };
    say(&format!("MNIST is there; try: chainrule train mnist{flag}"));
    Ok(())
}
