//! Digits as text: rows of 0 and 1, one file per sample, named `label_number.txt`.
//!
//! The format of the bitmaps made from the UCI data set "Optical Recognition of Handwritten Digits".

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use chainrule::{Dataset, Features, Targets};
use zip::result::ZipError;

use crate::words::{count, list, quoted, sorted_names};
use crate::{Error, Position, Result};

/// No bitmap is longer, in bytes; a longer entry is refused before it fills the memory.
const MAX_BITMAP: u64 = 1 << 20;

/// Bitmaps read from a folder or a zip.
#[derive(Clone, Debug, PartialEq)]
pub struct Bitmaps {
    /// The samples to learn from: of `trainingDigits/`, or all.
    pub train: Dataset,
    /// The samples of `testDigits/`, if there is such a folder.
    pub test: Option<Dataset>,
}

/// One file before it becomes a sample.
struct Entry {
    /// The folder inside the source; empty at its top.
    folder: String,
    label: String,
    number: u64,
    /// Where it came from, for messages.
    file: String,
    text: Vec<u8>,
}

/// Reads one bitmap as (pixels, rows, columns), every pixel 0 or 1; `file` is its name in messages.
///
/// Lines end in LF or CRLF; empty lines at the end are ignored.
///
/// # Errors
/// If a line is shorter or longer than the first, or holds another character than 0 and 1.
pub fn parse_bitmap(text: &str, file: &str) -> Result<(Vec<u8>, usize, usize)> {
    let mut lines: Vec<&str> = text.lines().collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let Some(first) = lines.first() else {
        return Err(Error::malformed(file, Position::Line(1), "a row of 0 and 1", "an empty file"));
    };
    let columns = first.chars().count();
    let mut pixels = Vec::with_capacity(lines.len() * columns);
    for (row, line) in lines.iter().enumerate() {
        let at = |column| Position::Character { line: row as u64 + 1, column: column as u64 + 1 };
        for (column, character) in line.chars().enumerate() {
            match character {
                '0' => pixels.push(0),
                '1' => pixels.push(1),
                other => {
                    let found = quoted(&other.to_string());
                    return Err(Error::malformed(file, at(column), "0 or 1", found));
                }
            }
        }
        let length = line.chars().count();
        if length != columns {
            let expected = format!("{columns} characters, as on line 1");
            return Err(Error::malformed(file, at(length.min(columns)), expected, length.to_string()));
        }
    }
    if columns == 0 {
        return Err(Error::malformed(file, Position::Line(1), "a row of 0 and 1", "an empty line"));
    }
    Ok((pixels, lines.len(), columns))
}

/// The label and number in a name such as `3_12.txt`.
pub(crate) fn parse_name(name: &str) -> Option<(String, u64)> {
    let (label, number) = name.strip_suffix(".txt")?.rsplit_once('_')?;
    (!label.is_empty()).then_some(())?;
    Some((label.to_string(), number.parse().ok()?))
}

/// Reads a folder of bitmaps, or one with the sub-folders `trainingDigits` and `testDigits`.
///
/// # Errors
/// If a file cannot be read, has another name, or is no bitmap, or sizes differ.
pub fn read_bitmap_folder(path: &Path) -> Result<Bitmaps> {
    let mut entries = Vec::new();
    for item in sorted(path)? {
        if item.is_dir() {
            let folder = item.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for file in sorted(&item)?.iter().filter(|file| file.is_file()) {
                push_file(&mut entries, &folder, file)?;
            }
        } else {
            push_file(&mut entries, "", &item)?;
        }
    }
    assemble(entries, path)
}

fn sorted(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let fail = |error| Error::io("read", folder, error);
    let paths = fs::read_dir(folder).map_err(fail)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>().map_err(fail)?;
    paths.sort();
    Ok(paths)
}

fn push_file(entries: &mut Vec<Entry>, folder: &str, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = path.display().to_string();
    let Some((label, number)) = wanted(&name, &file)? else { return Ok(()) };
    let handle = fs::File::open(path).map_err(|error| Error::io("read", path, error))?;
    let text = read_bounded(handle, &file)?.map_err(|error| Error::io("read", path, error))?;
    entries.push(Entry { folder: folder.to_string(), label, number, file, text });
    Ok(())
}

/// Label and number of a bitmap's file; nothing for files that are not text or are hidden.
fn wanted(name: &str, file: &str) -> Result<Option<(String, u64)>> {
    if name.starts_with('.') || !name.ends_with(".txt") {
        return Ok(None);
    }
    let refuse = || {
        Error::malformed(file, Position::Whole, "a name such as '3_12.txt', label and number", quoted(name))
            .hint("rename it, or move it elsewhere")
    };
    parse_name(name).map(Some).ok_or_else(refuse)
}

fn read_bounded(reader: impl Read, file: &str) -> Result<std::io::Result<Vec<u8>>> {
    let mut text = Vec::new();
    if let Err(error) = reader.take(MAX_BITMAP + 1).read_to_end(&mut text) {
        return Ok(Err(error));
    }
    if text.len() as u64 > MAX_BITMAP {
        let expected = format!("a bitmap of at most {MAX_BITMAP} bytes");
        return Err(Error::malformed(file, Position::Byte(MAX_BITMAP), expected, "a longer file"));
    }
    Ok(Ok(text))
}

/// Reads a zip of bitmaps, with or without the folders `trainingDigits` and `testDigits`.
///
/// # Errors
/// As [`read_bitmap_folder`], and if the archive is damaged, encrypted or packed in another way than deflate.
pub fn read_bitmap_zip(path: &Path) -> Result<Bitmaps> {
    let shown = path.display().to_string();
    let file = fs::File::open(path).map_err(|error| Error::io("read", path, error))?;
    let mut archive =
        zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|error| zip_error(&shown, error))?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| zip_error(&shown, error))?;
        let inside = entry.name().map_err(|error| zip_error(&shown, error))?.replace('\\', "/");
        if entry.is_dir() || inside.starts_with("__MACOSX/") {
            continue;
        }
        let file = format!("{shown}: {inside}");
        let (parent, name) = inside.rsplit_once('/').unwrap_or(("", &inside));
        let Some((label, number)) = wanted(name, &file)? else { continue };
        let folder = parent.rsplit('/').next().unwrap_or("").to_string();
        let text = read_bounded(entry, &file)?.map_err(|error| zip_error(&file, ZipError::Io(error)))?;
        entries.push(Entry { folder, label, number, file, text });
    }
    assemble(entries, path)
}

fn zip_error(file: &str, error: ZipError) -> Error {
    let found = match error {
        ZipError::UnsupportedArchive(reason) => reason.to_string(),
        other => other.to_string(),
    };
    Error::malformed(file, Position::Whole, "a zip archive, stored or deflated, not encrypted", found)
        .hint("the file is damaged or of another kind; copy it again")
}

/// Makes data sets of the entries, by folder; both know the classes of both.
fn assemble(entries: Vec<Entry>, path: &Path) -> Result<Bitmaps> {
    let shown = path.display().to_string();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let classes = sorted_names(entries.iter().map(|entry| entry.label.clone()).collect());
    let mut folders: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        folders.entry(entry.folder.clone()).or_default().push(entry);
    }
    let names: Vec<String> = folders.keys().map(|folder| format!("{folder}/")).collect();
    let expected = "bitmaps named like '3_12.txt' in one folder, or in trainingDigits/ and testDigits/";
    let refuse = |found: String| Error::malformed(&shown, Position::Whole, expected, found);
    if folders.len() <= 1 {
        let entries = folders.into_values().next().ok_or_else(|| refuse("none".to_string()))?;
        let train = build(entries, &classes, &name)?;
        return Ok(Bitmaps { train, test: None });
    }
    let mut part = |prefix: &str| {
        let key = folders.keys().find(|folder| folder.to_lowercase().starts_with(prefix)).cloned();
        key.and_then(|key| folders.remove(&key))
    };
    match (part("train"), part("test")) {
        (Some(train), Some(test)) if folders.is_empty() => {
            let train = build(train, &classes, &name)?;
            let test = build(test, &classes, &format!("{name} test"))?;
            if train.shape() != test.shape() {
                let (expected, found) = (format!("{:?}, as in training", train.shape()), test.shape());
                return Err(Error::disagree(format!("{shown}: test"), expected, format!("{found:?}")));
            }
            Ok(Bitmaps { train, test: Some(test) })
        }
        _ => Err(refuse(format!("{}: {}", count(names.len(), "folder"), list(&names, 6)))),
    }
}

fn build(mut entries: Vec<Entry>, classes: &[String], name: &str) -> Result<Dataset> {
    let class = |label: &str| classes.iter().position(|class| class == label).unwrap_or(0) as u32;
    entries.sort_by_cached_key(|entry| (class(&entry.label), entry.number, entry.file.clone()));
    let mut values = Vec::new();
    let mut size: Option<(usize, usize, &str)> = None;
    for entry in &entries {
        let text = std::str::from_utf8(&entry.text).map_err(|error| {
            let at = Position::Byte(error.valid_up_to() as u64);
            Error::malformed(&entry.file, at, "0 or 1", "bytes that are not text")
        })?;
        let (pixels, rows, columns) = parse_bitmap(text, &entry.file)?;
        let (first_rows, first_columns, first) = *size.get_or_insert((rows, columns, &entry.file));
        if (rows, columns) != (first_rows, first_columns) {
            let expected = format!("{first_rows} rows of {first_columns}, as in {first}");
            let found = format!("{rows} rows of {columns}");
            return Err(Error::malformed(&entry.file, Position::Line(rows as u64), expected, found));
        }
        values.extend(pixels);
    }
    let (rows, columns, _) = size.unwrap_or_default();
    let labels = entries.iter().map(|entry| class(&entry.label)).collect();
    let targets = Targets::Classes { labels, names: classes.to_vec() };
    Ok(Dataset::new(name, vec![rows, columns], Features::Bytes { values, scale: 1.0 }, targets)?)
}
