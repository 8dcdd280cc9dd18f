//! Delimited text as cells: delimiter, encoding, rows of equal length, and what one cell holds.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use crate::words::quoted;
use crate::{Error, Position, Result};

/// A table of text, every row as wide as the first.
pub(crate) struct Cells {
    /// The file's name in messages.
    pub file: String,
    /// What separates the cells.
    pub delimiter: char,
    text: String,
    rows: Vec<StringRecord>,
}

/// What one cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    Number(f64),
    /// Infinite, or too large for an f64.
    NotFinite,
    /// Empty, or one of the usual words for nothing.
    Missing,
    Word,
}

impl Cells {
    /// Reads all of `reader`. The delimiter is `preferred` if it occurs in the first line, or what splits the first
    /// lines most evenly.
    pub fn read(mut reader: impl Read, file: &str, preferred: Option<char>) -> Result<Self> {
        let mut bytes = Vec::new();
        let fail = |error| Error::io("read", std::path::Path::new(file), error);
        reader.read_to_end(&mut bytes).map_err(fail)?;
        let text = decode(bytes, file)?;
        let delimiter = match preferred {
            Some(delimiter)
                if delimiter == '\t' || count_outside_quotes(first_line(&text), delimiter) > 0 =>
            {
                delimiter
            }
            _ => sniff(&text),
        };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter as u8)
            .from_reader(text.as_bytes());
        let mut rows = Vec::new();
        for row in reader.records() {
            rows.push(row.map_err(|error| {
                Error::malformed(file, Position::Whole, "delimited text", error.to_string())
            })?);
        }
        let cells = Self { file: file.to_string(), delimiter, text, rows };
        if cells.rows.is_empty() {
            return Err(Error::malformed(file, Position::Line(1), "rows of cells", "an empty file"));
        }
        cells.check_quotes()?;
        cells.check_widths()?;
        Ok(cells)
    }

    /// A quote that is never closed swallows the rest of the file, which would go unseen in the last column.
    fn check_quotes(&self) -> Result<()> {
        if self.text.bytes().filter(|&byte| byte == b'"').count() % 2 == 0 {
            return Ok(());
        }
        let Some(last) = self.rows.last() else { return Ok(()) };
        let Some(column) = last.iter().position(|cell| cell.contains(['\n', '\r'])) else { return Ok(()) };
        let position = Position::Cell { line: self.line(self.len() - 1), column: column + 1, name: None };
        let hint = "close the quote, or write a quote inside a quoted cell twice";
        Err(Error::malformed(&self.file, position, "a closing quote", "the end of the file").hint(hint))
    }

    fn check_widths(&self) -> Result<()> {
        let width = self.width();
        let Some(row) = self.rows.iter().position(|row| row.len() != width) else { return Ok(()) };
        let found = self.rows[row].len();
        let position = Position::Cell { line: self.line(row), column: found.min(width) + 1, name: None };
        let expected = format!("{width} cells, as on line {}", self.line(0));
        let hint = format!("cells are separated by {}", delimiter_name(self.delimiter));
        Err(Error::malformed(&self.file, position, expected, found.to_string()).hint(hint))
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, StringRecord::len)
    }

    /// The number of rows, with the header.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text of a cell, without the spaces around it.
    pub fn text(&self, row: usize, column: usize) -> &str {
        self.rows[row].get(column).unwrap_or("").trim()
    }

    /// What a cell holds.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        // Where semicolons separate, a comma may be the decimal sign, as spreadsheets write it in half of the world.
        classify(self.text(row, column), self.delimiter == ';')
    }

    /// A cell's place, for messages.
    pub fn position(&self, row: usize, column: usize, name: &str) -> Position {
        let name = (!name.is_empty() && name != column_name(column)).then(|| name.to_string());
        Position::Cell { line: self.line(row), column: column + 1, name }
    }

    /// The line on which a row begins, from 1.
    pub fn line(&self, row: usize) -> u64 {
        let start = self.rows[row].position().map_or(0, |position| position.byte() as usize);
        // A row's position may lie before the line breaks that end the row before it.
        let rest = self.text.get(start..).unwrap_or("");
        let start = start + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        let bytes = self.text.as_bytes();
        let ends_line =
            |&at: &usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let breaks = (0..start.min(bytes.len())).filter(ends_line);
        breaks.count() as u64 + 1
    }
}

/// What a column without a name is called.
pub(crate) fn column_name(column: usize) -> String {
    format!("column {}", column + 1)
}

/// The delimiter in words.
pub(crate) fn delimiter_name(delimiter: char) -> &'static str {
    match delimiter {
        '\t' => "tabs",
        ';' => "semicolons",
        _ => "commas",
    }
}

/// What the text of a cell is.
pub(crate) fn classify(text: &str, decimal_comma: bool) -> Cell {
    const NOTHING: [&str; 7] = ["", "?", "na", "n/a", "#n/a", "nan", "null"];
    let parsed = match text.parse::<f64>() {
        Err(_) if decimal_comma && text.matches(',').count() == 1 && !text.contains('.') => {
            text.replace(',', ".").parse()
        }
        parsed => parsed,
    };
    match parsed {
        Ok(number) if number.is_finite() => Cell::Number(number),
        _ if NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word)) => Cell::Missing,
        Ok(_) => Cell::NotFinite,
        Err(_) => Cell::Word,
    }
}

fn decode(mut bytes: Vec<u8>, file: &str) -> Result<String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::malformed(file, Position::Byte(0), "text in UTF-8", "text in UTF-16")
            .hint("save the file as UTF-8"));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let position = Position::Character { line, column: (at - start) as u64 + 1 };
        let found = format!("the byte {:02x}", bytes[at]);
        Error::malformed(file, position, "text in UTF-8", found).hint("save the file as UTF-8")
    })
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("")
}

fn count_outside_quotes(line: &str, delimiter: char) -> usize {
    let mut inside = false;
    let mut count = 0;
    for character in line.chars() {
        inside ^= character == '"';
        count += usize::from(!inside && character == delimiter);
    }
    count
}

/// The delimiter that occurs most often, and equally often in the first lines if one does.
fn sniff(text: &str) -> char {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(10).collect();
    // On a tie the later one wins: 1,5;2,5 has as many decimal commas as separators.
    let candidates = [',', ';', '\t'];
    let score = |&delimiter: &char| {
        let counts: Vec<usize> = lines.iter().map(|line| count_outside_quotes(line, delimiter)).collect();
        let first = counts.first().copied().unwrap_or(0);
        (first > 0 && counts.iter().all(|&count| count == first), first)
    };
    let best = candidates.into_iter().max_by_key(score).unwrap_or(',');
    if score(&best).1 == 0 { ',' } else { best }
}

/// The refusal of a cell that should hold a number.
pub(crate) fn refuse_number(cells: &Cells, row: usize, column: usize, name: &str) -> Error {
    let text = cells.text(row, column);
    let (found, hint) = match cells.cell(row, column) {
        Cell::Missing => return refuse_missing(cells, row, column, name),
        Cell::NotFinite => (format!("{} (not finite)", quoted(text)), "remove the row or correct the number"),
        _ => (quoted(text), "the column is numeric: correct the cell or remove the row"),
    };
    Error::malformed(&cells.file, cells.position(row, column, name), "a number", found).hint(hint)
}

/// The refusal of an empty cell.
pub(crate) fn refuse_missing(cells: &Cells, row: usize, column: usize, name: &str) -> Error {
    let text = cells.text(row, column);
    let found = if text.is_empty() { "an empty cell".into() } else { format!("{} (missing)", quoted(text)) };
    Error::malformed(&cells.file, cells.position(row, column, name), "a value", found)
        .hint("fill it in, or remove the row or the column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Cells {
        Cells::read(text.as_bytes(), "t.csv", None).unwrap()
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for text in ["a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4", "\u{feff}a,b\n1,2\n3,4"] {
            let cells = cells(text);
            assert_eq!((cells.len(), cells.width()), (3, 2), "{text:?}");
            assert_eq!([cells.line(0), cells.line(1), cells.line(2)], [1, 2, 3], "{text:?}");
            assert_eq!(cells.text(0, 0), "a");
        }
        let cells = cells("a,b\n\n\"1\n2\",2\n3,4\n");
        assert_eq!([cells.line(0), cells.line(1), cells.line(2)], [1, 3, 5]);
    }

    #[test]
    fn the_delimiter_is_found() {
        assert_eq!(sniff("a,b\n1,2\n"), ',');
        assert_eq!(sniff("a;b\n1;2\n"), ';');
        assert_eq!(sniff("1,5;2,5;a\n1,5;2,5;b\n"), ';');
        assert_eq!(sniff("a\tb,c\n1\t2\n"), '\t');
        assert_eq!(sniff("\"a;b\",c\n\"a;b;d\",1\n"), ',');
    }

    #[test]
    fn cells_are_told_apart() {
        assert_eq!(classify("-1.5e3", false), Cell::Number(-1500.0));
        assert_eq!(classify("1,5", true), Cell::Number(1.5));
        assert_eq!(classify("1,5", false), Cell::Word);
        assert_eq!(classify("1e999", false), Cell::NotFinite);
        assert_eq!(classify("-inf", false), Cell::NotFinite);
        for text in ["", "NA", "NaN", "null", "?"] {
            assert_eq!(classify(text, false), Cell::Missing);
        }
    }
}
