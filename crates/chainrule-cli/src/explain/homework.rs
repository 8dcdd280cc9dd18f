//! `--expect`: homework checked line by line.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use chainrule::explain::homework::{Answer, Checked, Verdict};
use chainrule_report::derivation::number;
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::terminal::one_line;

/// Reads answers: CSV with the columns symbol,value, or JSON, `{"net_h1": 0.3775}` or `[{"symbol": …, "value": …}]`.
/// Lines without a value are not answered yet.
pub fn read(path: &Path) -> Result<Vec<Answer>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let answers = if text.trim_start().starts_with(['{', '[']) {
        of_json(&text).with_context(|| format!("{shown}"))?
    } else {
        of_csv(&text).with_context(|| format!("{shown}"))?
    };
    if answers.is_empty() {
        bail!("{shown}: expected answers, found none (each line: symbol,value)");
    }
    Ok(answers)
}

fn answer(line: usize, symbol: &str, number: &str) -> Result<Answer> {
    let found =
        || anyhow!("line {line}, {}: expected a number, found '{}'", one_line(symbol), one_line(number));
    Answer::new(line, symbol, number).ok_or_else(found)
}

fn of_csv(text: &str) -> Result<Vec<Answer>> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        header.iter().position(|cell| cell.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
    };
    let (Some(symbol), Some(value)) = (column("symbol"), column("value")) else {
        let found: Vec<&str> = header.iter().collect();
        bail!("expected the columns symbol and value, found {}", one_line(&found.join(", ")));
    };
    let mut answers = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        match (record.get(symbol), record.get(value)) {
            (Some(symbol), Some(number)) if !number.is_empty() => answers.push(answer(line, symbol, number)?),
            _ => {}
        }
    }
    Ok(answers)
}

fn of_json(text: &str) -> Result<Vec<Answer>> {
    let document: Value = serde_json::from_str(text).context("expected JSON")?;
    let pairs: Vec<(String, Value)> = match document {
        Value::Object(map) => map.into_iter().collect(),
        Value::Array(rows) => rows
            .into_iter()
            .map(|row| match (row.get("symbol").and_then(Value::as_str), row.get("value")) {
                (Some(symbol), Some(value)) => Ok((symbol.to_string(), value.clone())),
                _ => Err(anyhow!("expected objects with symbol and value, found {row}")),
            })
            .collect::<Result<_>>()?,
        other => bail!("expected an object or a list, found {other}"),
    };
    let mut answers = Vec::new();
    for (at, (symbol, value)) in pairs.into_iter().enumerate() {
        match value {
            Value::Null => {}
            Value::String(number) if number.trim().is_empty() => {}
            Value::String(number) => answers.push(answer(at + 1, &symbol, &number)?),
            number => answers.push(answer(at + 1, &symbol, &number.to_string())?),
        }
    }
    Ok(answers)
}

/// Says what was found; fails if something differs.
pub fn report(checked: &[Checked], title: &str, digits: usize) -> Result<()> {
    let right = checked.iter().filter(|c| c.verdict == Verdict::Right).count();
    anstream::println!("{title}: {right} of {} answers are right", checked.len());
    let mut first = true;
    for Checked { answer, verdict } in checked {
        let symbol = one_line(&answer.symbol);
        let start = format!("line {}: {symbol} = {}", answer.line, answer.value);
        match verdict {
            Verdict::Right => {}
            Verdict::Follows { expected } => {
                let expected = number(*expected, digits);
                anstream::println!("{start} follows from the lines before it; right is {expected}");
            }
            Verdict::Unknown { closest } => {
                let closest =
                    closest.as_ref().map_or(String::new(), |name| format!(" (did you mean {name}?)"));
                anstream::println!("{start}: {}{closest}", "no such line".red());
            }
            Verdict::Wrong { expected, slip, how, term } if first => {
                first = false;
                anstream::println!("{start}: {}", "wrong".red());
                let filled = chainrule_report::derivation::line(term, digits);
                for line in filled.lines() {
                    anstream::println!("    {line}");
                }
                if !filled.contains(&number(*expected, digits)) {
                    anstream::println!("    = {}", number(*expected, digits));
                }
                match (slip, how) {
                    (Some(slip), Some(how)) => {
                        anstream::println!("    likely slip: {} ({how})", slip.to_string().bold());
                    }
                    (None, Some(how)) => anstream::println!("    {how}"),
                    _ => anstream::println!("    none of the usual slips gives this number"),
                }
            }
            Verdict::Wrong { expected, slip, .. } => {
                let slip = slip.map_or(String::new(), |slip| format!(" (likely slip: {slip})"));
                anstream::println!(
                    "{start}: {}, right is {}{slip}",
                    "wrong".red(),
                    number(*expected, digits)
                );
            }
        }
    }
    if right < checked.len() {
        bail!("{} of {} answers differ", checked.len() - right, checked.len());
    }
    Ok(())
}
