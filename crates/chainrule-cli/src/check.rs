//! `chainrule check`: backpropagation against central differences, and why they disagree.

pub mod args;
mod plot;
mod show;
pub mod subject;
mod time;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use chainrule::gradcheck::{GradientCheck, Options};
use chainrule_io::write_atomically;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::flags::split_words;
use crate::terminal::thousands;
use crate::{Usage, setup};
use args::{CheckArgs, Limit};
use subject::{Checked, Chosen, How, Subject, is_model};

/// Up to so many multiply-adds, four forward passes for each parameter, all are checked: some seconds.
const ALL: f64 = 6e10;
/// Else as many parameters as take so many.
const SOME: f64 = 2e10;
/// At least so many parameters of each group.
const FEWEST: usize = 32;

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    network: String,
    data: &'a str,
    samples: &'a [usize],
    left_out: &'a [usize],
    #[serde(flatten)]
    found: &'a GradientCheck,
}

/// Checks the gradients of a recipe, of data's default recipe, or of a model.
pub fn run(args: &CheckArgs) -> Result<()> {
    if !(args.h.is_finite() && args.h > 0.0) {
        return Err(Usage(anyhow!("--h {}: expected a number above 0", args.h)).into());
    }
    let single = in_32_bits(args)?;
    let (subject, seed) = match args.words.first() {
        Some(word) if is_model(word) => {
            let flags = args.flags.table().map_err(Usage)?;
            let seed = flags.get("seed").and_then(toml::Value::as_integer).unwrap_or(0);
            (Subject::of_model(args)?, u64::try_from(seed)?)
        }
        _ => {
            let settings = setup::settings(&args.words, &args.flags)?;
            (Subject::of_settings(&settings)?, settings.seed.unwrap_or(0))
        }
    };
    let count = usize::try_from(args.samples)?;
    if args.time && single {
        return Err(Usage(anyhow!("--time measures in f64: leave out --dtype f32")).into());
    }
    if args.time {
        return time::run(&subject, count, args.json);
    }
    let chosen = if args.sample.is_empty() { Chosen::First(count) } else { Chosen::These(&args.sample) };
    let samples = if args.sample.is_empty() { count } else { args.sample.len() };
    let parameters = match args.parameters {
        Some(Limit::All) => None,
        Some(Limit::Count(count)) => Some(count),
        None => usual(&subject, samples),
    };
    let spinner = (std::io::stderr().is_terminal()).then(|| {
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(100));
        let all = subject.network.spec().parameters();
        let checked = thousands(parameters.map_or(all, |limit| limit.min(all)) as f64);
        spinner.set_message(format!("checking {checked} derivatives by differences"));
        spinner
    });
    let checked = subject.check(&chosen, How { options: Options { h: args.h, parameters, seed }, single });
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let Checked { samples, left_out, found } = checked?;
    if let Some(Some(file)) = &args.plot {
        write_atomically(file, plot::svg(&found).as_bytes())?;
    }
    if args.json {
        let (network, data) = (subject.network.spec().sizes(), subject.data.name());
        let document = Document { network, data, samples: &samples, left_out: &left_out, found: &found };
        anstream::println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        let title = show::title(&subject, &samples, &left_out, &found);
        anstream::println!("{title}\n{}", show::text(&found, args.plot.is_some()));
    }
    if found.passed {
        return Ok(());
    }
    let failed: Vec<&str> =
        found.groups.iter().filter(|group| !group.passed).map(|group| group.name.as_str()).collect();
    let h = if (1e-4..1e4).contains(&found.h) { found.h.to_string() } else { format!("{:e}", found.h) };
    if failed.is_empty() {
        bail!("samples lie at kinks within 2h, h = {h}, where differences mean nothing");
    }
    if !found.wrong() {
        // The last line says who is to blame, as the paragraph above it does.
        bail!("{} (h = {h}; the default is {})", lower_first(&found.verdict), chainrule::gradcheck::H);
    }
    bail!("the gradients of {} differ from central differences with h = {h}", failed.join(", "))
}

/// A sentence to stand after a colon.
fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Whether the user asks for 32 bits: what a recipe trains in does not count.
fn in_32_bits(args: &CheckArgs) -> Result<bool> {
    let usage = |error: anyhow::Error| anyhow::Error::new(Usage(error));
    let words = if args.words.first().is_some_and(|word| is_model(word)) { &[] } else { &args.words[..] };
    let (_, mut given) = split_words(words).map_err(usage)?;
    given.extend(args.flags.table().map_err(usage)?);
    match given.get("dtype").and_then(|value| value.as_str()) {
        None | Some("f64") => Ok(false),
        Some("f32") => Ok(true),
        Some(other) => Err(usage(anyhow!("dtype: check computes in f64 or f32, found {other}"))),
    }
}

/// All parameters, or as many as are checked in seconds.
fn usual(subject: &Subject, samples: usize) -> Option<usize> {
    let parameters = subject.network.spec().parameters();
    let of_one = 4.0 * samples as f64 * parameters as f64;
    let fewest = FEWEST * 2 * subject.network.spec().layers.len();
    (of_one * parameters as f64 > ALL).then(|| fewest.max((SOME / of_one) as usize))
}
