//! The rows of a table as samples, by an encoding that says what its columns are.

use std::io::Read;

use chainrule::{Dataset, Features, Targets};

use crate::cells::{Cell, Cells, refuse_missing, refuse_number};
use crate::encode::{ColumnKind, Places, TableEncoding, TargetKind};
use crate::words::{closest, list, quoted};
use crate::{Error, Position, Result};

/// Reads a table as the model's training table was read; `file` is its name in messages. Further columns are ignored.
///
/// Returns the data set and whether it has targets. Without targets they are all 0.
///
/// # Errors
/// If a column is missing, a cell is missing, not a number or an unknown word, or targets are needed and not there.
pub fn read_table_with(
    encoding: &TableEncoding,
    reader: impl Read,
    file: &str,
    need_target: bool,
) -> Result<(Dataset, bool)> {
    let cells = Cells::read(reader, file, Some(encoding.delimiter))?;
    let mut places = encoding.find(&cells)?;
    if cells.len() == places.first_row {
        return Err(refuse_header_only(&cells));
    }
    if let Some(targets) = &places.targets
        && !need_target
        && !targets.is_empty()
        && (places.first_row..cells.len())
            .all(|row| targets.iter().all(|&column| cells.cell(row, column) == Cell::Missing))
    {
        places.targets = None;
    }
    if need_target && places.targets.is_none() {
        let names: Vec<&str> = encoding.targets.iter().map(|column| column.name.as_str()).collect();
        let position = Position::Line(cells.line(0));
        let found = "none";
        return Err(Error::malformed(file, position, format!("the target, {}", list(&names, 6)), found)
            .hint("without targets a model can predict, but not be measured"));
    }
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    Ok((encode(&cells, encoding, &places, name)?, places.targets.is_some()))
}

pub(crate) fn refuse_header_only(cells: &Cells) -> Error {
    Error::malformed(&cells.file, Position::Line(cells.line(0) + 1), "rows of data", "only a header")
}

/// The rows as a data set.
pub(crate) fn encode(
    cells: &Cells,
    encoding: &TableEncoding,
    places: &Places,
    name: &str,
) -> Result<Dataset> {
    let samples = cells.len() - places.first_row;
    let width: usize = encoding.numeric_inputs().len();
    let mut features = Vec::with_capacity(samples * width);
    let mut labels = Vec::new();
    let mut values = Vec::new();
    let mut weights = Vec::new();
    for row in places.first_row..cells.len() {
        for (column, &place) in encoding.inputs.iter().zip(&places.inputs) {
            match &column.kind {
                ColumnKind::Numeric => features.push(number(cells, row, place, &column.name)?),
                ColumnKind::Categories(words) => {
                    let word = category(cells, row, place, &column.name, words)?;
                    features.extend((0..words.len()).map(|at| f64::from(u8::from(at == word))));
                }
            }
        }
        for (column, &place) in encoding.targets.iter().zip(places.targets.iter().flatten()) {
            match &column.kind {
                TargetKind::Real => values.push(number(cells, row, place, &column.name)?),
                TargetKind::Classes(names) => {
                    labels.push(category(cells, row, place, &column.name, names)? as u32);
                }
            }
        }
        if let (Some(place), Some((name, _))) = (places.weight, &encoding.sample_weight) {
            weights.push(weight(cells, row, place, name)?);
        }
    }
    let targets = if places.targets.is_none() {
        let names: Vec<String> = encoding.targets.iter().map(|column| column.name.clone()).collect();
        match encoding.class_names() {
            [] => Targets::Values { values: vec![0.0; samples * names.len()], names },
            classes => crate::preprocess::absent_targets(samples, classes),
        }
    } else if encoding.targets.is_empty() {
        Targets::Values { values: features.clone(), names: encoding.input_names() }
    } else if let classes @ [_, ..] = encoding.class_names() {
        Targets::Classes { labels, names: classes.to_vec() }
    } else {
        let names = encoding.targets.iter().map(|column| column.name.clone()).collect();
        Targets::Values { values, names }
    };
    let data = Dataset::new(name, vec![width], Features::Reals(features), targets)?;
    Ok(if places.weight.is_some() { data.with_sample_weights(weights)? } else { data })
}

fn number(cells: &Cells, row: usize, column: usize, name: &str) -> Result<f64> {
    match cells.cell(row, column) {
        Cell::Number(number) => Ok(number),
        _ => Err(refuse_number(cells, row, column, name)),
    }
}

fn weight(cells: &Cells, row: usize, column: usize, name: &str) -> Result<f64> {
    let weight = number(cells, row, column, name)?;
    if weight < 0.0 {
        let at = cells.position(row, column, name);
        return Err(Error::malformed(&cells.file, at, "a weight of 0 or more", weight.to_string()));
    }
    Ok(weight)
}

/// The index of the cell's word among those known from training.
fn category(cells: &Cells, row: usize, column: usize, name: &str, known: &[String]) -> Result<usize> {
    let (text, cell) = (cells.text(row, column), cells.cell(row, column));
    if let Some(at) = known.iter().position(|word| word == text) {
        return Ok(at);
    }
    match cell {
        Cell::Missing => return Err(refuse_missing(cells, row, column, name)),
        // A class 1 may be written 1.0 elsewhere.
        Cell::Number(number) => {
            if let Some(at) = known.iter().position(|word| *word == class_name(number)) {
                return Ok(at);
            }
        }
        _ => {}
    }
    let at = cells.position(row, column, name);
    let hint = closest(text, known.iter().map(String::as_str)).map_or(
        "the training data did not have this word: correct the cell, remove the row, or train with rows that have it"
            .to_string(),
        |word| format!("meant '{word}'?"),
    );
    Err(Error::malformed(&cells.file, at, format!("one of {}", list(known, 12)), quoted(text)).hint(hint))
}

/// The name of a class that is a number.
pub(crate) fn class_name(number: f64) -> String {
    // -0 and 0 are one class.
    (number + 0.0).to_string()
}
