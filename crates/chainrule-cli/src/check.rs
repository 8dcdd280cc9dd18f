//! `chainrule check`: backpropagation against central differences, in 64 bits.

pub mod subject;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use chainrule::gradcheck::{self, GradientCheck, GroupCheck};
use indicatif::ProgressBar;
use owo_colors::OwoColorize;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::watch::thousands;
use crate::{Usage, setup, terminal};
use subject::{Checked, Subject, is_model};

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    passed: bool,
    h: f64,
    tolerance: f64,
    samples: &'a [usize],
    loss: f64,
    groups: &'a [GroupCheck],
}

/// Checks the gradients of a recipe, of data's default recipe, or of a model.
pub fn run(args: &CheckArgs) -> Result<()> {
    if !(args.h.is_finite() && args.h > 0.0) {
        return Err(Usage(anyhow!("--h {}: expected a number above 0", args.h)).into());
    }
    let subject = match args.words.first() {
        Some(word) if is_model(word) => Subject::of_model(args)?,
        _ => Subject::of_settings(&setup::settings(&args.words, &args.flags)?)?,
    };
    let spinner = (std::io::stderr().is_terminal()).then(|| {
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner.set_message(format!(
            "checking {} derivatives by differences",
            thousands(subject.params.len() as f64)
        ));
        spinner
    });
    let checked = subject.check(usize::try_from(args.samples)?, args.h);
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let Checked { samples, found } = checked?;
    if args.json {
        let GradientCheck { groups, loss, h, tolerance, passed, .. } = &found;
        let document = Document {
            passed: *passed,
            h: *h,
            tolerance: *tolerance,
            samples: &samples,
            loss: *loss,
            groups,
        };
        anstream::println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print(&subject, &samples, &found);
    }
    if !found.passed {
        let failed: Vec<&str> =
            found.groups.iter().filter(|group| !group.passed).map(|group| group.name.as_str()).collect();
        bail!(
            "the gradients of {} differ from central differences with h = {}{}",
            failed.join(", "),
            found.h,
            if found.h > gradcheck::H { " (a smaller h may be what is needed)" } else { "" }
        );
    }
    Ok(())
}

fn print(subject: &Subject<'_>, samples: &[usize], found: &GradientCheck) {
    let row = |group: &GroupCheck| {
        let number = |value: f64| format!("{value:.3e}");
        vec![
            group.name.clone(),
            thousands(group.parameters as f64),
            number(group.relative_error),
            number(group.max_relative_error),
            number(group.mean_absolute_difference),
            number(group.max_absolute_difference),
            if group.passed { "same" } else { "different" }.to_string(),
        ]
    };
    let rows = found.groups.iter().map(row).collect();
    let names = ["group", "parameters", "relative error", "max", "mean |difference|", "max", "verdict"];
    let table = terminal::table(&names, rows, &[1, 2, 3, 4, 5]);
    let indices = match samples {
        [first, .., last] if last - first + 1 == samples.len() => format!("{first} to {last}"),
        _ => samples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    anstream::println!(
        "{} on samples {indices} of '{}' (from 0)",
        subject.network.spec().sizes(),
        subject.data.name()
    );
    for line in table.lines() {
        let line = line.trim_end();
        match line.strip_suffix("different") {
            Some(start) => anstream::println!("{start}{}", "different".red()),
            None => anstream::println!("{line}"),
        }
    }
    let verdict = if found.passed { "backpropagation agrees with" } else { "backpropagation DIFFERS from" };
    anstream::println!(
        "loss {:.6}; {verdict} central differences: h = {:e}, relative error of a group at most {:e}",
        found.loss,
        found.h,
        found.tolerance
    );
}
