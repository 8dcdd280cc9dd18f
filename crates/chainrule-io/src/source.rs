//! A name or a path to a data set: the one entry of all readers.

use std::io::Read;
use std::path::{Path, PathBuf};

use chainrule::{Dataset, Targets};

use crate::bitmaps::{Bitmaps, parse_bitmap, parse_name, read_bitmap_folder, read_bitmap_zip};
use crate::encode::TableEncoding;
use crate::idx::{read_idx_images, read_idx_pair};
use crate::png::{SIGNATURE, parse_png};
use crate::preprocess::{Preprocessing, absent_targets, inputs_as_targets};
use crate::recognise::{Kind, recognise};
use crate::samples::read_table_with;
use crate::table::{INPUT_AS_TARGET, TableOptions, read_table};
use crate::{Error, Position, Result, builtin};

/// How a source is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// A folder holding `mnist/`.
    pub data_dir: Option<PathBuf>,
    /// Target columns of a table; `input` makes the inputs of any source its targets.
    pub target: Vec<String>,
    /// The column of sample weights of a table.
    pub sample_weight: Option<String>,
}

/// A source, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The samples to learn from.
    pub train: Dataset,
    /// The samples to measure on, if the source has some set apart.
    pub test: Option<Dataset>,
    /// How columns became numbers, for tables and for the built-in `xor` and `mazur`.
    pub encoding: Option<TableEncoding>,
    /// The choices made, one sentence each, to be shown.
    pub notes: Vec<String>,
    /// Whether inputs are measured in units of their own, so that standardizing them is the sensible default.
    pub standardize_by_default: bool,
}

/// A part of a source that has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The training set.
    Train,
    /// The test set, or the only set of a source that has one.
    Test,
}

impl Loaded {
    fn plain(train: Dataset, test: Option<Dataset>) -> Self {
        Self { train, test, encoding: None, notes: Vec::new(), standardize_by_default: false }
    }
}

/// Reads a data set to train on: a name or a path.
///
/// # Errors
/// If there is no such name or file, its kind is unknown, or its contents are refused.
pub fn load(source: &str, options: &SourceOptions) -> Result<Loaded> {
    let path = Path::new(source);
    let mut loaded = match recognise(source, options.data_dir.as_deref())? {
        Kind::Name("digits") => {
            let (train, test) = builtin::digits()?;
            Loaded::plain(train, Some(test))
        }
        Kind::Name(name) => {
            let (train, encoding) = if name == "xor" { builtin::xor()? } else { builtin::mazur()? };
            Loaded { encoding: Some(encoding), ..Loaded::plain(train, None) }
        }
        Kind::Mnist(files) => {
            let (train, test) = files.read(&short_name(source))?;
            let train = train.ok_or_else(|| {
                Error::disagree(source, "training images and labels", "only the test files (t10k)")
            })?;
            Loaded::plain(train, test)
        }
        kind @ (Kind::BitmapFolder | Kind::BitmapZip) => {
            let bitmaps = read_bitmaps(&kind, path)?;
            Loaded::plain(bitmaps.train, bitmaps.test)
        }
        Kind::Idx(images, labels) => {
            let labels = labels.ok_or_else(|| no_labels(source))?;
            let train = read_idx_pair(&images, &labels, &short_name(source))?;
            let notes = vec![format!("Labels: {}.", labels.display())];
            Loaded { notes, ..Loaded::plain(train, None) }
        }
        Kind::Table => {
            let columns =
                TableOptions { target: options.target.clone(), sample_weight: options.sample_weight.clone() };
            let (train, encoding, notes) = read_table(path, &columns)?;
            let encoding = Some(encoding);
            return Ok(Loaded { train, test: None, encoding, notes, standardize_by_default: true });
        }
        Kind::Sample => {
            let hint = "one picture can be predicted, but not learned from";
            return Err(Error::disagree(source, "a data set", "a single picture").hint(hint));
        }
    };
    check_column_options(source, options)?;
    if input_is_target(options) {
        let names = loaded.encoding.as_ref().map(TableEncoding::input_names);
        loaded.train = inputs_as_targets(loaded.train, names.clone())?;
        loaded.test = loaded.test.map(|test| inputs_as_targets(test, names)).transpose()?;
        if let Some(encoding) = &mut loaded.encoding {
            encoding.targets.clear();
        }
    }
    Ok(loaded)
}

/// Reads a data set for a model: encoded and standardized as its training data, labels numbered as in training.
///
/// `-` reads standard input: a table, a PNG or a text bitmap. Returns the data set and whether it has targets; without
/// targets, and if none are needed, they are all 0.
///
/// # Errors
/// As [`load`], and if the data does not fit the model: another size, missing columns, unknown words or classes, or
/// no targets where they are needed.
pub fn load_with(
    source: &str,
    preprocessing: &Preprocessing,
    options: &SourceOptions,
    part: Part,
    need_target: bool,
) -> Result<(Dataset, bool)> {
    let path = Path::new(source);
    let (mut data, mut has_target) = if source == "-" {
        let mut bytes = Vec::new();
        let fail = |error| Error::io("read", Path::new("standard input"), error);
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(fail)?;
        match &preprocessing.encoding {
            Some(encoding) => read_table_with(encoding, bytes.as_slice(), "standard input", need_target)?,
            None => read_sample(&bytes, "standard input", None, preprocessing)?,
        }
    } else {
        match recognise(source, options.data_dir.as_deref())? {
            Kind::Table => {
                let encoding = preprocessing.encoding.as_ref().ok_or_else(|| {
                    let shape = crate::preprocess::shape_text(&preprocessing.shape);
                    Error::disagree(
                        source,
                        format!("images of {shape}, as the model was trained on"),
                        "a table",
                    )
                })?;
                let file = std::fs::File::open(path).map_err(|error| Error::io("read", path, error))?;
                read_table_with(encoding, file, source, need_target)?
            }
            Kind::Name(name @ ("xor" | "mazur")) => {
                let (data, _) = if name == "xor" { builtin::xor()? } else { builtin::mazur()? };
                (data, true)
            }
            kind => {
                refuse_images_for_table(source, preprocessing)?;
                load_images(source, kind, preprocessing, part)?
            }
        }
    };
    // A table says by itself whether its inputs are its targets: it may have a column of that name.
    if input_is_target(options) && preprocessing.encoding.as_ref().is_none_or(|own| own.targets.is_empty()) {
        let names = preprocessing.encoding.as_ref().map(TableEncoding::input_names);
        (data, has_target) = (inputs_as_targets(data, names)?, true);
    }
    if need_target && !has_target {
        return Err(no_labels(source));
    }
    Ok((preprocessing.apply(data)?, has_target))
}

fn load_images(source: &str, kind: Kind, model: &Preprocessing, part: Part) -> Result<(Dataset, bool)> {
    let path = Path::new(source);
    let (train, test) = match kind {
        Kind::Name(_) => {
            let (train, test) = builtin::digits()?;
            (Some(train), Some(test))
        }
        Kind::Mnist(mut files) => {
            // Reading the part that is not wanted would take most of the time.
            match part {
                Part::Train if files.train.is_some() => files.test = None,
                Part::Test if files.test.is_some() => files.train = None,
                _ => {}
            }
            files.read(&short_name(source))?
        }
        Kind::Idx(images, Some(labels)) => {
            (Some(read_idx_pair(&images, &labels, &short_name(source))?), None)
        }
        Kind::Idx(images, None) => {
            return Ok((read_idx_images(&images, &model.class_names, &short_name(source))?, false));
        }
        Kind::Sample | Kind::Table => {
            let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
            let label = parse_name(&short_name(source)).map(|(label, _)| label);
            return read_sample(&bytes, source, label, model);
        }
        kind => {
            let bitmaps = read_bitmaps(&kind, path)?;
            (Some(bitmaps.train), bitmaps.test)
        }
    };
    let (wanted, other) = if part == Part::Train { (train, test) } else { (test, train) };
    let data = wanted.or(other).ok_or_else(|| Error::disagree(source, "images and labels", "none"))?;
    Ok((data, true))
}

/// One sample from a PNG or a text bitmap; its name may tell its class.
fn read_sample(
    bytes: &[u8],
    file: &str,
    label: Option<String>,
    model: &Preprocessing,
) -> Result<(Dataset, bool)> {
    let (values, rows, columns, scale) = if bytes.starts_with(SIGNATURE) {
        let (values, rows, columns) = parse_png(bytes, file)?;
        (values, rows, columns, 1.0 / 255.0)
    } else {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = Position::Byte(error.valid_up_to() as u64);
            Error::malformed(file, at, "a PNG image or rows of 0 and 1", "bytes that are not text")
        })?;
        let (values, rows, columns) = parse_bitmap(text, file)?;
        (values, rows, columns, 1.0)
    };
    let class = label.and_then(|label| model.class_names.iter().position(|name| *name == label));
    let targets = match class {
        Some(class) => Targets::Classes { labels: vec![class as u32], names: model.class_names.clone() },
        None => absent_targets(1, &model.class_names),
    };
    let features = chainrule::Features::Bytes { values, scale };
    Ok((Dataset::new(short_name(file), vec![rows, columns], features, targets)?, class.is_some()))
}

fn read_bitmaps(kind: &Kind, path: &Path) -> Result<Bitmaps> {
    if matches!(kind, Kind::BitmapZip) { read_bitmap_zip(path) } else { read_bitmap_folder(path) }
}

fn short_name(source: &str) -> String {
    Path::new(source).file_name().map_or(source.into(), |name| name.to_string_lossy().into_owned())
}

fn input_is_target(options: &SourceOptions) -> bool {
    options.target == [INPUT_AS_TARGET]
}

/// Only tables have columns to choose from.
fn check_column_options(source: &str, options: &SourceOptions) -> Result<()> {
    let column =
        options.target.first().filter(|_| !input_is_target(options)).or(options.sample_weight.as_ref());
    match column {
        None => Ok(()),
        Some(column) => {
            let what = format!("column '{column}' of {source}");
            Err(Error::disagree(what, "a table with columns", "a data set with fixed targets")
                .hint("leave out the column; 'input' as target makes an auto-encoder"))
        }
    }
}

fn refuse_images_for_table(source: &str, model: &Preprocessing) -> Result<()> {
    match &model.encoding {
        None => Ok(()),
        Some(encoding) => {
            let names = encoding.inputs.iter().map(|column| column.name.as_str()).collect::<Vec<_>>();
            let expected = format!("a table with the columns {}", crate::words::list(&names, 12));
            Err(Error::disagree(source, expected, "images"))
        }
    }
}

fn no_labels(source: &str) -> Error {
    let hint = "name both files, IMAGES,LABELS, or put the labels beside the images";
    Error::disagree(source, "labels for its images", "none").hint(hint)
}
