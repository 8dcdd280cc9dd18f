//! `chainrule explain`: an update, written out with every number.

pub mod args;
mod blank;
mod homework;
mod orders;
mod subject;

use std::io::Write;

use anyhow::{Result, anyhow};
use chainrule::explain::homework::{Answer, Verdict, lines};
use chainrule::explain::{Derivation, Names, Record, Wanted, explain, symbolic};
use chainrule_report::derivation::{Look, html, markdown, text};

use crate::{Usage, terminal};
use args::{ExplainArgs, Format};
use subject::Subject;

/// Explains an update, checks homework against it, or writes a worksheet of it.
pub fn run(args: &ExplainArgs) -> Result<()> {
    let answers = args.expect.as_deref().map(homework::read).transpose()?;
    let subject = subject::subject(args, |_| ())?;
    let record = &subject.record;
    let digits = args.digits.map_or(if record.dtype == "f64" { 9 } else { 6 }, usize::from);
    if let Some(answers) = answers {
        return check(args, &subject, &answers, digits);
    }
    let mut derivation = if args.symbolic {
        symbolic(&subject.name, &record.spec).map_err(|error| Usage(error.into()))?
    } else {
        explain(&subject.title, record, &wanted(args, record)?)
    };
    if args.both_orders {
        derivation.sections.push(orders::side_by_side(args)?);
    }
    derivation.given.extend(subject.notes);
    if let Some(path) = &args.blank {
        return blank::write(path, args.format, derivation, digits);
    }
    let look = Look { digits, colour: terminal::has_colour() };
    let written = render(&derivation, args.format.unwrap_or(Format::Text), look)?;
    let mut out = std::io::stdout().lock();
    out.write_all(written.as_bytes())?;
    Ok(out.flush()?)
}

/// Homework against the lines of the update.
fn check(args: &ExplainArgs, subject: &Subject, answers: &[Answer], digits: usize) -> Result<()> {
    let record = &subject.record;
    let lines = lines(record, &wanted(args, record)?);
    if lines.is_empty() {
        let found = format!("a {} network, which is only summarised", record.spec.sizes());
        let expected = "a network that is written out, or parts of it (--weight, --unit)";
        return Err(Usage(anyhow!("--expect: expected {expected}, found {found}")).into());
    }
    let checked =
        chainrule::explain::homework::check(&lines, &Names::new(&record.spec), record.dtype, answers);
    if args.format == Some(Format::Json) {
        anstream::println!("{}", serde_json::to_string_pretty(&checked)?);
        let wrong = checked.iter().filter(|c| c.verdict != Verdict::Right).count();
        anyhow::ensure!(wrong == 0, "{wrong} of {} answers differ", checked.len());
        return Ok(());
    }
    homework::report(&checked, &subject.title, digits)
}

fn render(derivation: &Derivation, format: Format, look: Look) -> Result<String> {
    Ok(match format {
        Format::Text => text(derivation, &look),
        Format::Json => serde_json::to_string_pretty(derivation)? + "\n",
        Format::Markdown => markdown(derivation, &look),
        Format::Html => html(derivation, &look),
    })
}

/// The parts asked for by name.
fn wanted(args: &ExplainArgs, record: &Record) -> Result<Vec<Wanted>> {
    let names = Names::new(&record.spec);
    let (weights, units) = names.forms();
    let refused = |flag: &str, found: &str, expected: &str| -> anyhow::Error {
        Usage(anyhow!("--{flag} {found}: expected {expected}")).into()
    };
    let mut wanted = Vec::new();
    for &l in &args.layer {
        if l == 0 || l > names.layers() {
            let expected = format!("a layer, 1 to {}", names.layers());
            return Err(refused("layer", &l.to_string(), &expected));
        }
        wanted.push(Wanted::Layer(l - 1));
    }
    for text in &args.unit {
        let (l, j) = names.find_unit(text).ok_or_else(|| refused("unit", text, &units))?;
        wanted.push(Wanted::Unit(l, j));
    }
    for text in &args.weight {
        let (l, j, i) = names.find_weight(text).ok_or_else(|| refused("weight", text, &weights))?;
        wanted.push(Wanted::Weight(l, j, i));
    }
    Ok(wanted)
}
