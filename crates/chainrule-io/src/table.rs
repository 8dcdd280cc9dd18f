//! Tables of named columns, CSV or TSV, to data sets: what each column is, is read off the file.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use chainrule::Dataset;

use crate::cells::{Cell, Cells, column_name, delimiter_name};
use crate::encode::TableEncoding;
use crate::samples::{encode, refuse_header_only};
use crate::words::{count, quoted};
use crate::{Error, Result};

/// As target: the inputs themselves, for an auto-encoder.
pub const INPUT_AS_TARGET: &str = "input";

/// Which columns are what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Names of the target columns, or their numbers from 1 where no column has such a name; one text may hold several,
    /// separated by commas, if it is no name itself. Empty: the last column.
    /// `input`, if no column has that name: no column, the inputs are the targets.
    pub target: Vec<String>,
    /// The column of sample weights: a name, or a number from 1.
    pub sample_weight: Option<String>,
}

/// Reads a table, deciding from its contents what each column is.
///
/// Returns the data set, how its columns were encoded, and the choices made, one sentence each.
///
/// - *Delimiter*: tab for `.tsv` and `.tab`; otherwise the comma, semicolon or tab that splits the lines evenly.
/// - *Header*: the first row is one if more than half of the numeric columns begin with a word; in a table without
///   numeric columns, if its cells differ and none occurs again in its column.
/// - *Columns*: numeric if at least half of the cells that are not empty are numbers (a word among them is then
///   refused, never guessed at), otherwise words, which are one-hot encoded.
/// - *Target*: words, or at most 20 different whole numbers that occur twice on average, are classes; other numbers
///   are learned as numbers, as are several targets.
///
/// # Errors
/// If the file is empty, ragged, not UTF-8; a cell is missing, infinite or a stray word; a name is missing, double or
/// unknown; a text column has more than 1000 words; or the target has one value only. Each names line and column.
pub fn read_table(path: &Path, options: &TableOptions) -> Result<(Dataset, TableEncoding, Vec<String>)> {
    let file = std::fs::File::open(path).map_err(|error| Error::io("read", path, error))?;
    let shown = path.display().to_string();
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let preferred = matches!(extension.as_str(), "tsv" | "tab").then_some('\t');
    let cells = Cells::read(file, &shown, preferred)?;

    let mut tally: Vec<Tally> = (0..cells.width()).map(|column| Tally::of(&cells, column)).collect();
    let numeric: Vec<bool> = tally.iter().map(Tally::is_numeric).collect();
    let has_header = has_header(&cells, &numeric);
    let first_row = usize::from(has_header);
    if !has_header {
        tally.iter_mut().enumerate().for_each(|(column, tally)| tally.add(cells.cell(0, column)));
    }
    let numeric = tally.iter().map(Tally::is_numeric).collect();
    if cells.len() == first_row {
        return Err(refuse_header_only(&cells));
    }
    let header: Option<Vec<String>> =
        has_header.then(|| (0..cells.width()).map(|column| cells.text(0, column).to_string()).collect());
    let table = Table { cells: &cells, header: header.as_deref(), first_row, numeric };
    let mut notes = vec![format!(
        "{shown}: {} of {} separated by {}, {}.",
        count(cells.len() - first_row, "row"),
        count(cells.width(), "cell"),
        delimiter_name(cells.delimiter),
        if has_header { "the first line is a header" } else { "no header" },
    )];
    let left_out = table.check_header(&mut notes)?;
    let encoding = table.infer(options, left_out, &mut notes)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let data = encode(&cells, &encoding, &encoding.own_places(), &name)?;
    Ok((data, encoding, notes))
}

/// Whether the first row holds names; see [`read_table`].
fn has_header(cells: &Cells, numeric: &[bool]) -> bool {
    let is_word = |column| cells.cell(0, column) == Cell::Word;
    if cells.len() == 1 {
        return (0..cells.width()).all(is_word);
    }
    let numeric: Vec<usize> = (0..cells.width()).filter(|&column| numeric[column]).collect();
    if !numeric.is_empty() {
        let filled = numeric.iter().filter(|&&column| cells.cell(0, column) != Cell::Missing).count();
        return numeric.iter().filter(|&&column| is_word(column)).count() * 2 > filled;
    }
    let names: BTreeSet<&str> = (0..cells.width()).map(|column| cells.text(0, column)).collect();
    let recurs = |column| (1..cells.len()).any(|row| cells.text(row, column) == cells.text(0, column));
    names.len() == cells.width() && (0..cells.width()).all(|column| is_word(column) && !recurs(column))
}

/// How many cells of a column hold something, and how many of those a number.
#[derive(Default)]
struct Tally {
    filled: usize,
    numbers: usize,
}

impl Tally {
    /// Of all rows but the first, which may be a header.
    fn of(cells: &Cells, column: usize) -> Self {
        let mut tally = Self::default();
        (1..cells.len()).for_each(|row| tally.add(cells.cell(row, column)));
        tally
    }

    fn add(&mut self, cell: Cell) {
        self.filled += usize::from(cell != Cell::Missing);
        self.numbers += usize::from(matches!(cell, Cell::Number(_) | Cell::NotFinite));
    }

    /// A column with nothing in it counts as numeric, so that its first empty cell is refused.
    fn is_numeric(&self) -> bool {
        self.numbers * 2 >= self.filled
    }
}

/// A table whose header has been found.
pub(crate) struct Table<'a> {
    pub cells: &'a Cells,
    pub header: Option<&'a [String]>,
    /// The first row of data.
    pub first_row: usize,
    /// Whether each column holds numbers.
    pub numeric: Vec<bool>,
}

impl Table<'_> {
    /// The name of a column, from the header or its place.
    pub fn name(&self, column: usize) -> String {
        self.header.map_or_else(|| column_name(column), |names| names[column].clone())
    }

    /// An error at a cell.
    pub fn refuse(&self, row: usize, column: usize, expected: &str, found: String) -> Error {
        let at = self.cells.position(row, column, &self.name(column));
        Error::malformed(&self.cells.file, at, expected, found)
    }

    /// Refuses double and missing names; returns the column to leave out, a count of rows without a name.
    fn check_header(&self, notes: &mut Vec<String>) -> Result<Option<usize>> {
        let Some(names) = self.header else { return Ok(None) };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut left_out = None;
        for (column, name) in names.iter().enumerate() {
            if name.is_empty() {
                if column > 0 || !self.counts_rows() {
                    return Err(self
                        .refuse(0, column, "a column name", "none".into())
                        .hint("name the column or remove it"));
                }
                notes.push("Column 1 has no name and counts the rows: left out.".into());
                left_out = Some(0);
            } else if let Some(first) = seen.insert(name, column) {
                let found = format!("{} again, the name of column {}", quoted(name), first + 1);
                return Err(self
                    .refuse(0, column, "a name of its own for each column", found)
                    .hint("rename one"));
            }
        }
        Ok(left_out)
    }

    /// Whether the first column is 0, 1, 2... or 1, 2, 3...: the row numbers that spreadsheets and pandas write.
    fn counts_rows(&self) -> bool {
        let value = |row| match self.cells.cell(row, 0) {
            Cell::Number(number) => number,
            _ => f64::NAN,
        };
        let start = value(self.first_row);
        (start == 0.0 || start == 1.0)
            && (self.first_row..self.cells.len())
                .all(|row| value(row) == start + (row - self.first_row) as f64)
    }
}
