//! How the columns of a table become numbers. Kept in the model, so that a later file is read in the same way.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::cells::{Cell, Cells};
use crate::words::{closest, count, list};
use crate::{Error, Position, Result};

/// An input column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// From the header, or `column 3`.
    pub name: String,
    /// Its place in the file, from 0, for files without a header.
    pub index: usize,
    /// Numbers or words.
    pub kind: ColumnKind,
}

/// How an input column becomes inputs of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// One input: the number.
    Numeric,
    /// One input for each of these words: 1 for the word in the cell, 0 for the others.
    Categories(Vec<String>),
}

/// A column to be learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// From the header, or `column 3`.
    pub name: String,
    /// Its place in the file, from 0.
    pub index: usize,
    /// Classes or numbers.
    pub kind: TargetKind,
}

/// What a target column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// One of these names.
    Classes(Vec<String>),
    /// A number.
    Real,
}

/// The columns of a table in order, and how each becomes numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEncoding {
    /// What separates the cells.
    pub delimiter: char,
    /// Whether the first row holds names.
    pub has_header: bool,
    /// The number of columns in the file it was made from.
    pub width: usize,
    /// The input columns, in the network's order.
    pub inputs: Vec<Column>,
    /// One column of classes, or one or more of numbers. None: the inputs themselves are the targets.
    pub targets: Vec<TargetColumn>,
    /// The column of sample weights, if any: name and place from 0.
    pub sample_weight: Option<(String, usize)>,
}

/// Where in a given file the columns are.
#[derive(Debug)]
pub(crate) struct Places {
    /// The first row of data.
    pub first_row: usize,
    /// The column of each input, from 0.
    pub inputs: Vec<usize>,
    /// The column of each target, if the file has them.
    pub targets: Option<Vec<usize>>,
    /// The column of sample weights, if the file has one.
    pub weight: Option<usize>,
}

impl TableEncoding {
    /// The names of the network's inputs, such as `age` or `colour=red`.
    pub fn input_names(&self) -> Vec<String> {
        let names = |column: &Column| match &column.kind {
            ColumnKind::Numeric => vec![column.name.clone()],
            ColumnKind::Categories(words) => {
                words.iter().map(|word| format!("{}={word}", column.name)).collect()
            }
        };
        self.inputs.iter().flat_map(names).collect()
    }

    /// For each input of the network whether it is a number, as opposed to a 0 or 1 that stands for a word.
    pub fn numeric_inputs(&self) -> Vec<bool> {
        let flags = |column: &Column| match &column.kind {
            ColumnKind::Numeric => vec![true],
            ColumnKind::Categories(words) => vec![false; words.len()],
        };
        self.inputs.iter().flat_map(flags).collect()
    }

    /// The classes, empty if the targets are numbers.
    pub fn class_names(&self) -> &[String] {
        match self.targets.first() {
            Some(TargetColumn { kind: TargetKind::Classes(names), .. }) => names,
            _ => &[],
        }
    }

    /// Where the columns are in the file this encoding was made from.
    pub(crate) fn own_places(&self) -> Places {
        Places {
            first_row: usize::from(self.has_header),
            inputs: self.inputs.iter().map(|column| column.index).collect(),
            targets: Some(self.targets.iter().map(|column| column.index).collect()),
            weight: self.sample_weight.as_ref().map(|(_, index)| *index),
        }
    }

    /// Finds the columns in another file: by name if it has a header, by place otherwise.
    pub(crate) fn find(&self, cells: &Cells) -> Result<Places> {
        let header: HashMap<&str, usize> =
            (0..cells.width()).rev().map(|column| (cells.text(0, column), column)).collect();
        let names: Vec<&str> = (0..cells.width()).map(|column| cells.text(0, column)).collect();
        let missing: Vec<&Column> =
            self.inputs.iter().filter(|column| !header.contains_key(column.name.as_str())).collect();
        if self.has_header && missing.len() < self.inputs.len() {
            if let Some(column) = missing.first() {
                let hint = closest(&column.name, names.iter().copied())
                    .map_or(String::new(), |name| format!("is it the column '{name}'?"));
                let expected = format!("a column '{}', as in training", column.name);
                let found = format!("only {}", list(&names, 12));
                return Err(
                    Error::malformed(&cells.file, Position::Line(cells.line(0)), expected, found).hint(hint)
                );
            }
            let place = |name: &String| header.get(name.as_str()).copied();
            return Ok(Places {
                first_row: 1,
                inputs: self.inputs.iter().filter_map(|column| place(&column.name)).collect(),
                targets: self.targets.iter().map(|column| place(&column.name)).collect(),
                weight: self.sample_weight.as_ref().and_then(|(name, _)| place(name)),
            });
        }
        self.find_by_place(cells, &names)
    }

    fn find_by_place(&self, cells: &Cells, names: &[&str]) -> Result<Places> {
        let own = self.own_places();
        let (inputs, targets, weight) = if cells.width() == self.width {
            (own.inputs, own.targets, own.weight)
        } else if cells.width() == self.inputs.len() {
            ((0..self.inputs.len()).collect(), self.targets.is_empty().then(Vec::new), None)
        } else {
            let expected = format!("{} as in training, or the {} inputs", self.width, self.inputs.len());
            let found = count(cells.width(), "column");
            let wanted: Vec<&str> = self.inputs.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::malformed(&cells.file, Position::Line(cells.line(0)), expected, found)
                .hint(format!("the inputs are {}", list(&wanted, 12))));
        };
        // A word over a numeric column means that the first row holds names after all.
        let words = |place: &(&usize, &Column)| {
            place.1.kind == ColumnKind::Numeric && cells.cell(0, *place.0) == Cell::Word
        };
        let strange = inputs.iter().zip(&self.inputs).find(words);
        match strange {
            Some((_, column)) if self.has_header => {
                let expected = format!("a header with a column '{}', as in training", column.name);
                let found = list(names, 12);
                Err(Error::malformed(&cells.file, Position::Line(cells.line(0)), expected, found))
            }
            strange => Ok(Places { first_row: usize::from(strange.is_some()), inputs, targets, weight }),
        }
    }
}
