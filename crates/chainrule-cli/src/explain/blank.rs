//! `--blank`: a worksheet, and the file of its answers.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use chainrule::explain::Derivation;
use chainrule_io::write_atomically;
use chainrule_report::derivation::{Look, number};

use super::args::Format;
use super::render;
use crate::Usage;
use crate::watch::say;

/// Writes the worksheet to `path` and the answers beside it.
pub fn write(path: &Path, format: Option<Format>, mut derivation: Derivation, digits: usize) -> Result<()> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let format = format.unwrap_or(match extension.as_deref() {
        Some("html" | "htm") => Format::Html,
        Some("md" | "markdown") => Format::Markdown,
        Some("json") => Format::Json,
        _ => Format::Text,
    });
    let mut answers = csv::Writer::from_writer(Vec::new());
    answers.write_record(["symbol", "value"])?;
    let mut count = 0;
    for term in derivation.terms() {
        answers.write_record([&term.symbol, &number(term.value.unwrap_or(f64::NAN), digits)])?;
        count += 1;
    }
    if count == 0 {
        let found = "a summary: the network is too large";
        let error = anyhow!(
            "--blank: expected lines to leave results out of, found {found} (name parts with --weight or --unit)"
        );
        return Err(Usage(error).into());
    }
    let beside = answers_file(path);
    let check = "write your answers as CSV with the columns symbol,value; the same command with --expect FILE checks them";
    derivation.given.push(("worksheet".into(), check.into()));
    let sheet = render(&derivation.blank(), format, Look { digits, colour: false })?;
    write_atomically(path, sheet.as_bytes())?;
    write_atomically(&beside, &answers.into_inner()?)?;
    say(&format!("{}: {count} results to find; {}: the answers", path.display(), beside.display()));
    Ok(())
}

/// `sheet.answers.csv` of `sheet.html`.
fn answers_file(path: &Path) -> PathBuf {
    path.with_extension("answers.csv")
}
