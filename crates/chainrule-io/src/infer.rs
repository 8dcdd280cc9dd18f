//! What the columns of a table are: inputs or targets, numbers, words or classes.

use std::collections::BTreeSet;

use crate::cells::{Cell, delimiter_name};
use crate::encode::{Column, ColumnKind, TableEncoding, TargetColumn, TargetKind};
use crate::samples::class_name;
use crate::table::{INPUT_AS_TARGET, Table, TableOptions};
use crate::words::{closest, count, list, quoted, sorted_names};
use crate::{Error, Position, Result};

/// A text column with more different words than this is not one-hot encoded: it names rows rather than kinds.
const MAX_CATEGORIES: usize = 1000;
/// A numeric target with more different values than this is a number to be learned, not a class.
const MAX_NUMERIC_CLASSES: usize = 20;

impl Table<'_> {
    /// Decides what each column is, and notes the choices.
    pub fn infer(
        &self,
        options: &TableOptions,
        left_out: Option<usize>,
        notes: &mut Vec<String>,
    ) -> Result<TableEncoding> {
        let width = self.cells.width();
        let weight = options.sample_weight.as_ref().map(|name| self.resolve(name, "sample weight"));
        let weight = weight.transpose()?;
        let targets = self.target_columns(options, weight, left_out)?;
        let is_input = |column: &usize| {
            !targets.contains(column) && weight != Some(*column) && left_out != Some(*column)
        };
        let inputs =
            (0..width).filter(is_input).map(|column| self.input(column)).collect::<Result<Vec<_>>>()?;
        if inputs.is_empty() {
            let found = format!("{}, no input", count(targets.len(), "target"));
            let line = Position::Line(self.cells.line(0));
            return Err(Error::malformed(&self.cells.file, line, "at least one input column", found)
                .hint(format!("cells are separated by {}", delimiter_name(self.cells.delimiter))));
        }
        let targets = self.targets(&targets, options, notes)?;
        self.describe_inputs(&inputs, notes);
        if let Some(column) = weight {
            notes.push(format!("Samples are weighted by '{}'.", self.name(column)));
        }
        Ok(TableEncoding {
            delimiter: self.cells.delimiter,
            has_header: self.header.is_some(),
            width,
            inputs,
            targets,
            sample_weight: weight.map(|column| (self.name(column), column)),
        })
    }

    fn target_columns(
        &self,
        options: &TableOptions,
        weight: Option<usize>,
        left_out: Option<usize>,
    ) -> Result<Vec<usize>> {
        if let [only] = options.target.as_slice()
            && only == INPUT_AS_TARGET
            && self.resolve(only, "target").is_err()
        {
            return Ok(Vec::new());
        }
        if options.target.is_empty() {
            let free = |column: &usize| weight != Some(*column) && left_out != Some(*column);
            return Ok((0..self.cells.width()).rev().find(free).into_iter().collect());
        }
        // A name may hold a comma: only what is no name is a list.
        let names: Vec<&str> = match options.target.as_slice() {
            [list] if self.named(list).is_none() => list.split(',').map(str::trim).collect(),
            names => names.iter().map(String::as_str).collect(),
        };
        let mut columns = Vec::new();
        for name in names {
            let column = self.resolve(name, "target")?;
            if left_out == Some(column) {
                let what = format!("{}: target '{name}'", self.cells.file);
                return Err(Error::disagree(what, "a column of data", "the one that counts the rows"));
            }
            if columns.contains(&column) || weight == Some(column) {
                let what = format!("{}: target '{name}'", self.cells.file);
                return Err(Error::disagree(what, "a column used for one purpose", "one named twice"));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// The column of this name.
    fn named(&self, wanted: &str) -> Option<usize> {
        (0..self.cells.width()).find(|&column| self.name(column) == wanted)
    }

    /// The column that `wanted` names, or whose number from 1 it is.
    fn resolve(&self, wanted: &str, purpose: &str) -> Result<usize> {
        if let Some(column) = self.named(wanted) {
            return Ok(column);
        }
        let last = self.cells.width();
        let number = wanted.parse::<i64>();
        if let Ok(number) = number
            && let Some(column) = usize::try_from(number).ok().and_then(|number| number.checked_sub(1))
            && column < last
        {
            return Ok(column);
        }
        let names: Vec<String> = (0..last).map(|column| self.name(column)).collect();
        let line = Position::Line(self.cells.line(0));
        let (expected, hint) = if self.header.is_some() && number.is_ok() {
            (format!("{}, or its number from 1 to {last}", list(&names, 30)), String::new())
        } else if self.header.is_some() {
            let hint = closest(wanted, names.iter().map(String::as_str));
            (list(&names, 30), hint.map_or(String::new(), |name| format!("meant '{name}'?")))
        } else {
            (format!("a number from 1 to {last}"), "the file has no header".to_string())
        };
        let expected = format!("as {purpose} one of the columns {expected}");
        Err(Error::malformed(&self.cells.file, line, expected, quoted(wanted)).hint(hint))
    }

    fn input(&self, column: usize) -> Result<Column> {
        let kind = if self.numeric[column] {
            ColumnKind::Numeric
        } else {
            let words = self.words(column);
            if words.len() > MAX_CATEGORIES {
                let expected = format!("at most {MAX_CATEGORIES} different words in a text column");
                let error = self.refuse(self.first_row, column, &expected, words.len().to_string());
                return Err(error.hint("probably an id or free text: remove the column"));
            }
            ColumnKind::Categories(words)
        };
        Ok(Column { name: self.name(column), index: column, kind })
    }

    /// The different words of a column, in order.
    fn words(&self, column: usize) -> Vec<String> {
        let rows = self.first_row..self.cells.len();
        let filled = rows.filter(|&row| self.cells.cell(row, column) != Cell::Missing);
        let words: BTreeSet<&str> = filled.map(|row| self.cells.text(row, column)).collect();
        sorted_names(words.into_iter().map(str::to_string).collect())
    }

    fn targets(
        &self,
        columns: &[usize],
        options: &TableOptions,
        notes: &mut Vec<String>,
    ) -> Result<Vec<TargetColumn>> {
        let by_default = if options.target.is_empty() { ", the last column" } else { "" };
        if columns.is_empty() {
            notes.push("Target: the inputs themselves.".into());
        }
        let mut targets = Vec::new();
        for &column in columns {
            let name = self.name(column);
            let kind = match self.classes(column, columns.len() == 1)? {
                Some(names) => {
                    let all = list(&names, 12);
                    notes.push(format!("Target: '{name}'{by_default}, {} classes: {all}.", names.len()));
                    TargetKind::Classes(names)
                }
                None => {
                    notes.push(format!("Target: '{name}'{by_default}, a number."));
                    TargetKind::Real
                }
            };
            targets.push(TargetColumn { name, index: column, kind });
        }
        Ok(targets)
    }

    /// The classes of a target, or nothing if it is a number.
    fn classes(&self, column: usize, alone: bool) -> Result<Option<Vec<String>>> {
        let rows = self.first_row..self.cells.len();
        let names = if self.numeric[column] {
            let mut values = BTreeSet::new();
            let mut whole = true;
            for row in rows.clone() {
                // What is not a number is refused when the cells are encoded.
                if let Cell::Number(number) = self.cells.cell(row, column) {
                    whole &= number.fract() == 0.0;
                    values.insert(class_name(number));
                }
            }
            let few = values.len() <= MAX_NUMERIC_CLASSES && values.len() * 2 <= rows.len();
            if values.len() > 1 && !(alone && whole && few) {
                return Ok(None);
            }
            sorted_names(values.into_iter().collect())
        } else if alone {
            self.words(column)
        } else {
            let row = rows.into_iter().find(|&row| self.cells.cell(row, column) == Cell::Word);
            let row = row.unwrap_or(self.first_row);
            let error = self.refuse(row, column, "a number", quoted(self.cells.text(row, column)));
            return Err(error.hint("several targets must all be numbers"));
        };
        match names.as_slice() {
            [] => Ok(None),
            [only] => {
                let found =
                    format!("{} in all {}", quoted(only), count(self.cells.len() - self.first_row, "row"));
                let error = self.refuse(self.first_row, column, "at least 2 different targets", found);
                Err(error.hint("there is nothing to learn; name another target column"))
            }
            _ => Ok(Some(names)),
        }
    }

    fn describe_inputs(&self, inputs: &[Column], notes: &mut Vec<String>) {
        let rows = self.cells.len() - self.first_row;
        let numeric = inputs.iter().filter(|column| column.kind == ColumnKind::Numeric).count();
        let mut text = format!("Inputs: {}", count(numeric, "numeric column"));
        let mut ids = Vec::new();
        let mut encoded = Vec::new();
        for column in inputs {
            if let ColumnKind::Categories(words) = &column.kind {
                encoded.push(format!("'{}' ({})", column.name, count(words.len(), "word")));
                if words.len() == rows && rows > 2 {
                    ids.push(column.name.as_str());
                }
            }
        }
        if !encoded.is_empty() {
            text += &format!("; one-hot encoded: {}", list(&encoded, 12));
        }
        notes.push(text + ".");
        for name in ids {
            notes.push(format!(
                "'{name}' has another word in every row: probably an id that should be removed."
            ));
        }
    }
}
