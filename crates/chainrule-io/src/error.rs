//! What can go wrong with files: where, what was expected, what was found, what to do.

use std::fmt;
use std::path::Path;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The mathematics refused what a file held.
    #[error(transparent)]
    Data(#[from] chainrule::Error),
    /// The operating system refused an operation on a file.
    #[error("{path}: cannot {action}: {source}{}", parenthesised(hint))]
    Io {
        /// What was tried, such as `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: std::io::Error,
        /// What to do; may be empty.
        hint: String,
    },
    /// A file holds something that its format does not allow.
    #[error("{file}: {position}expected {expected}, found {found}{}", parenthesised(hint))]
    Malformed {
        /// The file.
        file: String,
        /// Where in the file; boxed to keep results small.
        position: Box<Position>,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Two things that must agree, such as images and labels, or a model and its data, do not.
    #[error("{what}: expected {expected}, found {found}{}", parenthesised(hint))]
    Disagree {
        /// The things, by name.
        what: String,
        /// What the first asks for.
        expected: String,
        /// What the second gives.
        found: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// A name or path that leads to nothing.
    #[error("{what}: not found{}{}", looked_in(places), parenthesised(hint))]
    NotFound {
        /// What was asked for.
        what: String,
        /// Every place that was looked at, with what was there.
        places: Vec<String>,
        /// What to do; may be empty.
        hint: String,
    },
    /// A file could not be fetched, or what came is not what it should be.
    #[error("{file}: could not be fetched{}{}", attempts(problems), parenthesised(hint))]
    Fetch {
        /// The file.
        file: String,
        /// Each address tried, with what went wrong.
        problems: Vec<String>,
        /// What to do; may be empty.
        hint: String,
    },
}

/// A place in a file. Lines, columns and cells count from 1, bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// The file as a whole.
    Whole,
    /// Offset in bytes.
    Byte(u64),
    /// A line.
    Line(u64),
    /// A character in a line.
    Character {
        /// The line.
        line: u64,
        /// The character in it.
        column: u64,
    },
    /// A cell of a table.
    Cell {
        /// The line on which its row begins.
        line: u64,
        /// The column's number.
        column: usize,
        /// The column's name, if the table has a header.
        name: Option<String>,
    },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Byte(offset) => write!(f, "byte {offset}: "),
            Self::Line(line) => write!(f, "line {line}: "),
            Self::Character { line, column } => write!(f, "line {line}, column {column}: "),
            Self::Cell { line, column, name: None } => write!(f, "line {line}, column {column}: "),
            Self::Cell { line, column, name: Some(name) } => {
                write!(f, "line {line}, column {column} ('{name}'): ")
            }
        }
    }
}

fn parenthesised(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(" ({hint})") }
}

fn looked_in(places: &[String]) -> String {
    if places.is_empty() { String::new() } else { format!("; looked in {}", places.join("; ")) }
}

fn attempts(problems: &[String]) -> String {
    if problems.is_empty() { String::new() } else { format!(": {}", problems.join("; ")) }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A [`Error::Io`] with a hint that fits the system's reason.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let hint = match source.kind() {
            ErrorKind::NotFound => "check the path",
            ErrorKind::PermissionDenied => "change its permissions, or choose another place",
            ErrorKind::ReadOnlyFilesystem => "this file system is read-only; choose another place",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "the disk is full; make room or choose another place. What was there before is unchanged"
            }
            ErrorKind::IsADirectory => "this is a folder; give a file",
            _ => "",
        };
        Self::Io { action, path: path.display().to_string(), source, hint: hint.to_string() }
    }

    /// A [`Error::Malformed`] without a hint.
    pub fn malformed(
        file: impl Into<String>,
        position: Position,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            file: file.into(),
            position: Box::new(position),
            expected: expected.into(),
            found: found.into(),
            hint: String::new(),
        }
    }

    /// A [`Error::Disagree`] without a hint.
    pub fn disagree(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Disagree {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
            hint: String::new(),
        }
    }

    /// The same error with a sentence on what to do.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::Data(_) => {}
            Self::Io { hint, .. }
            | Self::Malformed { hint, .. }
            | Self::Disagree { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Fetch { hint, .. } => *hint = text.into(),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_as_sentences() {
        let cell = Position::Cell { line: 3, column: 2, name: Some("age".into()) };
        let error = Error::malformed("a.csv", cell, "a number", "'x'").hint("fix it");
        assert_eq!(
            error.to_string(),
            "a.csv: line 3, column 2 ('age'): expected a number, found 'x' (fix it)"
        );
        let error = Error::malformed("a.idx", Position::Byte(4), "a", "b");
        assert_eq!(error.to_string(), "a.idx: byte 4: expected a, found b");
        let error = Error::malformed("a.txt", Position::Whole, "a", "b");
        assert_eq!(error.to_string(), "a.txt: expected a, found b");
    }

    #[test]
    fn the_systems_reasons_get_a_hint() {
        use std::io::ErrorKind;
        for (kind, hint) in [
            (ErrorKind::StorageFull, "make room"),
            (ErrorKind::ReadOnlyFilesystem, "read-only"),
            (ErrorKind::PermissionDenied, "permissions"),
        ] {
            let message = Error::io("write", Path::new("run/a.bin"), kind.into()).to_string();
            assert!(message.starts_with("run/a.bin: cannot write") && message.contains(hint), "{message}");
        }
    }
}
