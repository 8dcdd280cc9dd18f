//! `chainrule explain`: an update, written out with every number.

pub mod args;
mod subject;

use std::io::Write;

use anyhow::{Result, anyhow};
use chainrule::explain::{Derivation, Names, Record, Wanted, explain, symbolic};
use chainrule_report::derivation::{Look, html, markdown, text};

use crate::{Usage, terminal};
use args::{ExplainArgs, Format};

/// Explains an update, checks homework against it, or writes a worksheet of it.
pub fn run(args: &ExplainArgs) -> Result<()> {
    let subject = subject::subject(args, |_| ())?;
    let mut derivation = if args.symbolic {
        symbolic(&subject.name, &subject.record.spec).map_err(|error| Usage(error.into()))?
    } else {
        explain(&subject.title, &subject.record, &wanted(args, &subject.record)?)
    };
    derivation.given.extend(subject.notes);
    let digits = args.digits.map_or(if derivation.dtype == "f32" { 6 } else { 9 }, usize::from);
    let written = render(&derivation, args.format, Look { digits, colour: terminal::has_colour() })?;
    let mut out = std::io::stdout().lock();
    out.write_all(written.as_bytes())?;
    Ok(out.flush()?)
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
