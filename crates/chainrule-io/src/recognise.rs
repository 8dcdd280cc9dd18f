//! What a name or path is: by name, by what lies there, by its first bytes, by its ending.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::mnist::{MnistFiles, locate_mnist};
use crate::png::SIGNATURE;
use crate::words::closest;
use crate::{Error, Position, Result};

/// The data sets known by name, with a line on each.
pub const NAMES: [(&str, &str); 4] = [
    ("digits", "1,934 + 946 handwritten digits of 32 x 32 bits, in the program"),
    ("mnist", "60,000 + 10,000 handwritten digits of 28 x 28 grey pixels"),
    ("xor", "exclusive or, 4 samples, in the program"),
    ("mazur", "the worked example of Matt Mazur, 1 sample, in the program"),
];

const FORMATS: &str = "a name (digits, mnist, xor, mazur), a table (.csv, .tsv), a folder or zip of digit bitmaps, \
                       a folder laid out like MNIST, or two IDX files IMAGES,LABELS";

/// What a source turned out to be.
pub(crate) enum Kind {
    Name(&'static str),
    Mnist(MnistFiles),
    BitmapFolder,
    BitmapZip,
    /// Images, and labels if there are some.
    Idx(PathBuf, Option<PathBuf>),
    Table,
    /// One sample: a PNG or a text bitmap.
    Sample,
}

/// Finds out what a source is: by name, by what lies there, by its first bytes, by its ending.
pub(crate) fn recognise(source: &str, data_dir: Option<&Path>) -> Result<Kind> {
    if source == "mnist" {
        return Ok(Kind::Mnist(locate_mnist(data_dir)?));
    }
    if let Some((name, _)) = NAMES.iter().find(|(name, _)| *name == source) {
        return Ok(Kind::Name(name));
    }
    let path = Path::new(source);
    if path.is_dir() {
        return recognise_folder(path);
    }
    if !path.exists() {
        if let Some((images, labels)) = source.split_once(',') {
            return Ok(Kind::Idx(images.trim().into(), Some(labels.trim().into())));
        }
        return Err(unknown(source));
    }
    let mut start = Vec::new();
    let fail = |error| Error::io("read", path, error);
    std::fs::File::open(path).map_err(fail)?.take(512).read_to_end(&mut start).map_err(fail)?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_table = matches!(ending.as_str(), "csv" | "tsv" | "tab" | "txt" | "data");
    Ok(if start.starts_with(SIGNATURE) {
        Kind::Sample
    } else if start.starts_with(b"PK") || ending == "zip" {
        Kind::BitmapZip
    } else if ending == "txt" && looks_like_bitmap(&start) {
        Kind::Sample
    } else if is_table {
        Kind::Table
    } else if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(&[0, 0]) || source.contains("idx") {
        Kind::Idx(path.to_path_buf(), labels_beside(path))
    } else {
        let found =
            if ending.is_empty() { "a file without ending".into() } else { format!("a .{ending} file") };
        return Err(Error::disagree(source, FORMATS, found));
    })
}

fn recognise_folder(path: &Path) -> Result<Kind> {
    let files = MnistFiles::find(path);
    if files.train.is_some() || files.test.is_some() {
        return Ok(Kind::Mnist(files));
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::io("read", path, error))?;
    let is_bitmaps = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let is_part = name.starts_with("train") || name.starts_with("test");
        name.ends_with(".txt") || (is_part && entry.path().is_dir())
    };
    if entries.flatten().any(is_bitmaps) {
        return Ok(Kind::BitmapFolder);
    }
    let expected = "files like MNIST's (train-images-idx3-ubyte.gz and its labels), bitmaps named like '3_12.txt', \
                    or trainingDigits/ and testDigits/";
    Err(Error::malformed(path.display().to_string(), Position::Whole, expected, "none of them"))
}

/// Whether a text begins with a row of 0 and 1 that is no table cell.
fn looks_like_bitmap(start: &[u8]) -> bool {
    let first: Vec<u8> = start.iter().copied().take_while(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    first.len() > 1 && first.iter().all(|byte| matches!(byte, b'0' | b'1'))
}

/// The labels that belong to a file of images, by its name.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_string_lossy();
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let bare = labels.trim_end_matches(".gz");
    let candidates = [labels.clone(), bare.to_string(), format!("{bare}.gz")];
    candidates
        .iter()
        .filter(|other| **other != name)
        .map(|other| images.with_file_name(other))
        .find(|path| path.is_file())
}

fn unknown(source: &str) -> Error {
    let guess = closest(source, NAMES.map(|(name, _)| name));
    let hint = guess.map_or(String::new(), |name| format!("meant '{name}'? "));
    Error::NotFound {
        what: source.into(),
        places: Vec::new(),
        hint: format!("{hint}A data set is {FORMATS}"),
    }
}
