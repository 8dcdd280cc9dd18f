//! IDX files, the format of MNIST, plain or in gzip.
//!
//! Two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, each dimension as a big-endian `u32`,
//! then the values, the last dimension fastest.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;

use chainrule::{ByteLists, Dataset, Features, Targets, memory};
use flate2::bufread::MultiGzDecoder;

use crate::read_ahead::{PIECE, read_ahead};
use crate::words::{count, list};
use crate::{Error, Position, Result};

/// The most dimensions read; MNIST has three.
const MAX_DIMENSIONS: usize = 8;
/// No deflate stream expands more than this many times.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// No more is reserved for values on the word of a header; MNIST needs a sixth.
const MAX_RESERVED: usize = 1 << 28;
/// The classes of MNIST-like images, even if a part of the data lacks some.
const DIGITS: usize = 10;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The length of each axis, the slowest first; `[60000, 28, 28]` for images, `[60000]` for labels.
    pub dims: Vec<usize>,
    /// All values, row-major.
    pub values: Vec<u8>,
}

impl Idx {
    fn header_len(&self) -> u64 {
        4 + 4 * self.dims.len() as u64
    }
}

/// An array, and if it has several axes the lists of what is not zero along the last ones.
struct Unpacked {
    idx: Idx,
    lists: Option<ByteLists>,
}

/// Reads an IDX file of unsigned bytes, plain or in gzip.
///
/// # Errors
/// If it cannot be read, is not IDX, holds another type than unsigned bytes, or is shorter or longer than it says.
pub fn read_idx(path: &Path) -> Result<Idx> {
    Ok(unpack(path)?.idx)
}

/// Reads IDX from memory, plain or in gzip; `file` is its name in messages.
///
/// # Errors
/// As [`read_idx`].
pub fn parse_idx(bytes: &[u8], file: &str) -> Result<Idx> {
    Ok(parse(Cursor::new(bytes), bytes.len() as u64, file)?.idx)
}

fn unpack(path: &Path) -> Result<Unpacked> {
    let name = path.display().to_string();
    let unreadable = |error| Error::io("read", path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() {
        return parse(BufReader::with_capacity(PIECE, file), metadata.len(), &name);
    }
    // A pipe does not say how long it is.
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    parse(Cursor::new(&bytes), bytes.len() as u64, &name)
}

fn parse(mut bytes: impl BufRead + Seek, length: u64, file: &str) -> Result<Unpacked> {
    let unreadable = |error| Error::io("read", Path::new(file), error);
    if bytes.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]) {
        let most = length.saturating_mul(MAX_DEFLATE_RATIO);
        let source = Source { file, reader: MultiGzDecoder::new(bytes), offset: 0, most };
        source.parse(|decoder, error| {
            let at = decoder.get_mut().stream_position().unwrap_or(0);
            gzip_error(file, at, error)
        })
    } else {
        Source { file, reader: bytes, offset: 0, most: length }.parse(|_, error| unreadable(error))
    }
}

/// What stopped unpacking at byte `at` of the file.
fn gzip_error(file: &str, at: u64, error: std::io::Error) -> Error {
    let at = Position::Byte(at);
    let hint = "the file is damaged; fetch or copy it again";
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::malformed(file, at, "more compressed data", "the end of the file").hint(hint)
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            let expected = "gzip data with a right checksum";
            Error::malformed(file, at, expected, "data that does not unpack").hint(hint)
        }
        _ => Error::io("read", Path::new(file), error),
    }
}

/// Bytes being read, with what is needed to say where reading failed.
struct Source<'a, R> {
    file: &'a str,
    reader: R,
    /// Bytes read so far, unpacked.
    offset: u64,
    /// More unpacked bytes than this cannot be in the file.
    most: u64,
}

/// `20 x 4 x 4 = 320 values`, or `20 values`.
fn claim(dims: &[usize], values: &str) -> String {
    let shape = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    if dims.len() == 1 { format!("{shape} values") } else { format!("{shape} = {values} values") }
}

impl<R: Read> Source<'_, R> {
    fn parse(mut self, broken: impl Fn(&mut R, std::io::Error) -> Error) -> Result<Unpacked> {
        let magic = self.take(4, "a header of 4 bytes", &broken)?;
        let count = self.check_magic(&magic)?;
        let expected = format!("{} of 4 bytes each", crate::words::count(count, "dimension"));
        let header = self.take(4 * count, &expected, &broken)?;
        let dims: Vec<usize> =
            header.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
        let claimed = self.check_size(&dims)?;
        let claim = claim(&dims, &claimed.to_string());
        let unpacked = self.take_values(dims, claimed, &claim, &broken)?;

        // One byte more than claimed tells whether the file goes on, and makes gzip check its checksum.
        match read_ahead(&mut self.reader, 1, |_| {}) {
            Ok(0) => Ok(unpacked),
            Ok(_) => {
                let expected = format!("the end, after {claim}");
                let hint = "the file is longer than its header says";
                Err(self.malformed(self.offset, expected, "more bytes").hint(hint))
            }
            Err(error) => Err(broken(&mut self.reader, error)),
        }
    }

    fn take(
        &mut self,
        length: usize,
        expected: &str,
        broken: &impl Fn(&mut R, std::io::Error) -> Error,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        let read = read_ahead(&mut self.reader, length, |piece| bytes.extend_from_slice(piece));
        self.check_read(read, length, expected, broken)?;
        Ok(bytes)
    }

    /// The values, of which those that are not zero are listed while the next ones are unpacked.
    fn take_values(
        &mut self,
        dims: Vec<usize>,
        length: usize,
        expected: &str,
        broken: &impl Fn(&mut R, std::io::Error) -> Error,
    ) -> Result<Unpacked> {
        let mut values = Vec::with_capacity(length.min(MAX_RESERVED));
        memory::prefer_huge_pages(&values);
        let inputs = length / dims[0];
        let mut lists = if dims.len() > 1 { Dataset::listing(dims[0], inputs) } else { None };
        let mut listed = 0;
        let read = read_ahead(&mut self.reader, length, |piece| {
            values.extend_from_slice(piece);
            let whole = values.len() / inputs * inputs;
            if lists.as_mut().is_some_and(|lists| !lists.push(&values[listed..whole])) {
                lists = None;
            }
            listed = whole;
        });
        self.check_read(read, length, expected, broken)?;
        Ok(Unpacked { idx: Idx { dims, values }, lists })
    }

    /// Whether all of `length` bytes were read.
    fn check_read(
        &mut self,
        read: std::io::Result<usize>,
        length: usize,
        expected: &str,
        broken: &impl Fn(&mut R, std::io::Error) -> Error,
    ) -> Result<()> {
        let read = read.map_err(|error| broken(&mut self.reader, error))?;
        let start = self.offset;
        self.offset += read as u64;
        if read < length {
            let found = format!("the end of the file after {read} of them");
            let found = if start < 8 { "the end of the file".to_string() } else { found };
            let hint = "the file is cut short; fetch or copy it again";
            return Err(self.malformed(self.offset, expected, found).hint(hint));
        }
        Ok(())
    }

    /// The number of dimensions.
    fn check_magic(&self, magic: &[u8]) -> Result<usize> {
        let found = magic.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        if magic[..2] != [0, 0] {
            return Err(self
                .malformed(0, "an IDX header, 00 00 08 and the number of dimensions", found)
                .hint("this is not an IDX file"));
        }
        if magic[2] != 8 {
            let kind = match magic[2] {
                0x09 => "signed bytes",
                0x0b => "16-bit integers",
                0x0c => "32-bit integers",
                0x0d => "32-bit floats",
                0x0e => "64-bit floats",
                _ => "no type of IDX",
            };
            let found = format!("type {:02x} ({kind})", magic[2]);
            return Err(self.malformed(2, "type 08 (unsigned bytes)", found));
        }
        let count = usize::from(magic[3]);
        if count == 0 || count > MAX_DIMENSIONS {
            return Err(self.malformed(3, format!("1 to {MAX_DIMENSIONS} dimensions"), count.to_string()));
        }
        Ok(count)
    }

    /// The number of values, after seeing that the file can hold so many: nothing is allocated on its word alone.
    fn check_size(&self, dims: &[usize]) -> Result<usize> {
        if let Some(axis) = dims.iter().position(|&dim| dim == 0) {
            return Err(self.malformed(4 + 4 * axis as u64, "a dimension of at least 1", "0"));
        }
        let claimed = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let room = self.most.saturating_sub(self.offset);
        match claimed {
            Some(claimed) if claimed as u64 <= room => Ok(claimed),
            _ => {
                let claimed = claimed.map_or("too many".to_string(), |claimed| claimed.to_string());
                let expected = format!("{}, as the header says", claim(dims, &claimed));
                let found = format!("room for at most {room}");
                Err(self
                    .malformed(self.offset, expected, found)
                    .hint("the file is cut short or its header is damaged"))
            }
        }
    }

    fn malformed(&self, offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::malformed(self.file, Position::Byte(offset), expected, found)
    }
}

/// Reads images and their labels as one data set: pixels scaled to [0, 1], classes named by their number.
///
/// Images of 28 x 28 have at least the classes 0 to 9; otherwise the largest label is the last class.
///
/// # Errors
/// As [`read_idx`], and if the two files have different counts, are exchanged, or the labels are not labels.
pub fn read_idx_pair(images: &Path, labels: &Path, name: &str) -> Result<Dataset> {
    let shown = (images.display().to_string(), labels.display().to_string());
    let (pixels, values) = both(|| unpack(images), || read_idx(labels));
    let (Unpacked { idx: pixels, lists }, values) = (pixels?, values?);
    check_images(&pixels, &shown.0)?;
    if values.dims.len() != 1 {
        let found = count(values.dims.len(), "dimension");
        return Err(Error::malformed(&shown.1, Position::Byte(3), "labels, 1 dimension", found)
            .hint("are images and labels exchanged?"));
    }
    if pixels.dims[0] != values.dims[0] {
        let what = format!("{} and {}", shown.0, shown.1);
        let expected = format!("as many labels as images ({}), byte 4 of each", pixels.dims[0]);
        return Err(Error::disagree(what, expected, count(values.dims[0], "label"))
            .hint("the two files do not belong together"));
    }
    let classes = classes(&values, &shown.1, &pixels.dims[1..])?;
    let labels = values.values.iter().map(|&label| u32::from(label)).collect();
    let targets = Targets::Classes { labels, names: (0..classes).map(|c| c.to_string()).collect() };
    to_dataset(Unpacked { idx: pixels, lists }, targets, name)
}

/// Calls both, at once if a thread can be had for the second.
pub(crate) fn both<A, B: Send>(a: impl FnOnce() -> A, b: impl Fn() -> B + Sync) -> (A, B) {
    std::thread::scope(|scope| {
        let meanwhile = std::thread::Builder::new().spawn_scoped(scope, &b);
        let a = a();
        let b = match meanwhile {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => b(),
        };
        (a, b)
    })
}

/// Reads images without labels; every target is class 0 of `names`, or the value 0 if there are none.
///
/// # Errors
/// As [`read_idx`], and if the file does not hold images.
pub(crate) fn read_idx_images(images: &Path, names: &[String], name: &str) -> Result<Dataset> {
    let pixels = unpack(images)?;
    check_images(&pixels.idx, &images.display().to_string())?;
    let samples = pixels.idx.dims[0];
    to_dataset(pixels, crate::preprocess::absent_targets(samples, names), name)
}

fn check_images(pixels: &Idx, file: &str) -> Result<()> {
    if pixels.dims.len() < 2 {
        return Err(Error::malformed(file, Position::Byte(3), "images, 2 or more dimensions", "1 dimension")
            .hint("are images and labels exchanged?"));
    }
    Ok(())
}

fn to_dataset(pixels: Unpacked, targets: Targets, name: &str) -> Result<Dataset> {
    let Unpacked { idx, lists } = pixels;
    let features = Features::Bytes { values: idx.values, scale: 1.0 / 255.0 };
    Ok(Dataset::new(name, idx.dims[1..].to_vec(), features, targets)?.with_lists(lists)?)
}

/// The number of classes; labels that leave most numbers below the largest unused are not labels.
fn classes(labels: &Idx, file: &str, shape: &[usize]) -> Result<usize> {
    let mut seen = [false; 256];
    for &label in &labels.values {
        seen[usize::from(label)] = true;
    }
    let used: Vec<String> = (0..256).filter(|&l| seen[l]).map(|l| l.to_string()).collect();
    let largest = labels.values.iter().copied().max().unwrap_or(0);
    let classes = usize::from(largest) + 1;
    if classes > DIGITS && used.len() * 2 < classes {
        let at = labels.values.iter().position(|&label| label == largest).unwrap_or(0);
        let expected = format!("labels that count from 0 (here: {})", list(&used, 12));
        return Err(Error::malformed(
            file,
            Position::Byte(labels.header_len() + at as u64),
            expected,
            format!("label {largest}"),
        )
        .hint("the file is damaged, or does not hold labels"));
    }
    Ok(if shape == [28, 28] { classes.max(DIGITS) } else { classes })
}
