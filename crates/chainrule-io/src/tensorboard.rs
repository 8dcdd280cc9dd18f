//! Event files that TensorBoard reads: scalars, histograms and images by step.
//!
//! A file is a row of records: the length (u64, little-endian), its checksum, the bytes, their checksum. A checksum is the
//! CRC-32C, rotated and shifted as TFRecord does. The bytes are a message `Event` of TensorBoard's `event.proto`, in the
//! wire format of protocol buffers, of which only this much is needed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chainrule::inspect::Histogram;
use crc::{CRC_32_ISCSI, Crc};

use crate::{Error, Result};

const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Bins per octave of a histogram: TensorBoard's own are about as wide.
const PARTS: u32 = 8;
/// What is in the name of every event file.
const MARK: &str = ".tfevents.";

/// One figure, histogram or picture, and its name, such as `loss/train`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number; kept as f32.
    Scalar(f64),
    /// The spread of many numbers.
    Histogram(&'a Histogram),
    /// A PNG file in colour, with its rows and columns.
    Image {
        /// Height in pixels.
        rows: usize,
        /// Width in pixels.
        columns: usize,
        /// The file.
        png: &'a [u8],
    },
}

/// An event file that grows. What was written stays readable, however the process ends.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new file in `folder`, which is made if it is not there.
    ///
    /// `from_step` is the first step that will be written: what earlier files of the folder hold from there on, written
    /// by a run that was then killed, is no longer shown.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn create(folder: &Path, from_step: u64) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        // A run that is resumed within a second has another name, that comes later in the alphabet.
        let mut second = seconds() as u64;
        let (path, file) = loop {
            let path = folder.join(format!("events.out{MARK}{second:010}.chainrule"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => second += 1,
                Err(error) => return Err(Error::io("create", &path, error)),
            }
        };
        let mut events = Self { path, file };
        let mut version = event(0);
        bytes(&mut version, 3, b"brain.Event:2");
        let mut start = event(from_step);
        let mut session = Vec::new();
        varint(&mut session, 1, 1); // SessionLog.START
        bytes(&mut start, 7, &session);
        events.append(&[version, start])?;
        Ok(events)
    }

    /// Writes `values` under their names, all at `step`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, step: u64, values: &[(String, Value)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            bytes(&mut summary, 1, &encode(tag, value));
        }
        let mut event = event(step);
        bytes(&mut event, 5, &summary);
        self.append(&[event])
    }

    /// Adds records in one write.
    fn append(&mut self, events: &[Vec<u8>]) -> Result<()> {
        let mut records = Vec::new();
        for event in events {
            let length = (event.len() as u64).to_le_bytes();
            records.extend(length);
            records.extend(checksum(&length).to_le_bytes());
            records.extend(event);
            records.extend(checksum(event).to_le_bytes());
        }
        self.file.write_all(&records).map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Whether `folder` holds event files.
pub fn has_events(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().contains(MARK))
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The checksum of TFRecord.
fn checksum(data: &[u8]) -> u32 {
    CRC_32C.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// An `Event` with its time and step.
fn event(step: u64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, seconds());
    varint(&mut event, 2, step);
    event
}

/// A `Summary.Value`.
fn encode(tag: &str, value: &Value) -> Vec<u8> {
    let mut message = Vec::new();
    bytes(&mut message, 1, tag.as_bytes());
    match value {
        Value::Scalar(value) => {
            key(&mut message, 2, 5);
            message.extend((*value as f32).to_le_bytes());
        }
        Value::Image { rows, columns, png } => {
            let mut image = Vec::new();
            varint(&mut image, 1, *rows as u64);
            varint(&mut image, 2, *columns as u64);
            varint(&mut image, 3, 3); // RGB
            bytes(&mut image, 4, png);
            bytes(&mut message, 4, &image);
        }
        Value::Histogram(values) => bytes(&mut message, 5, &histogram(values)),
    }
    message
}

/// A `HistogramProto`: a bucket ends at its limit and begins at the one before.
fn histogram(values: &Histogram) -> Vec<u8> {
    let (mut limits, mut counts) = (Vec::new(), Vec::new());
    let mut put = |limit: f64, count: u64| {
        limits.extend(limit.to_le_bytes());
        counts.extend((count as f64).to_le_bytes());
    };
    let bins = values.bins(PARTS);
    let mut before = bins.first().map_or(0.0, |first| first.low); // TensorBoard begins at the smallest number
    for bin in bins {
        if before < bin.low {
            put(bin.low, 0); // the gap
        }
        put(bin.high, bin.count);
        before = bin.high;
    }
    let mut message = Vec::new();
    double(&mut message, 1, values.min);
    double(&mut message, 2, values.max);
    double(&mut message, 3, values.count as f64);
    double(&mut message, 4, values.sum);
    double(&mut message, 5, values.sum_squares);
    bytes(&mut message, 6, &limits); // repeated doubles, packed
    bytes(&mut message, 7, &counts);
    message
}

// The wire format of protocol buffers: a key, which is the number of the field and the kind of its value, then the value.

fn key(message: &mut Vec<u8>, field: u64, kind: u64) {
    raw_varint(message, field << 3 | kind);
}

fn raw_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn varint(message: &mut Vec<u8>, field: u64, value: u64) {
    key(message, field, 0);
    raw_varint(message, value);
}

fn double(message: &mut Vec<u8>, field: u64, value: f64) {
    key(message, field, 1);
    message.extend(value.to_le_bytes());
}

fn bytes(message: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(message, field, 2);
    raw_varint(message, value.len() as u64);
    message.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of a file, their checksums right.
    fn records(file: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = file;
        let mut found = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(sum(8), checksum(&rest[..8]));
            assert_eq!(sum(12 + length), checksum(&rest[12..12 + length]));
            found.push(rest[12..12 + length].to_vec());
            rest = &rest[16 + length..];
        }
        found
    }

    #[test]
    fn checksums_are_castagnoli_s() {
        assert_eq!(CRC_32C.checksum(b"123456789"), 0xe306_9283); // the check value of CRC-32C, RFC 3720
    }

    #[test]
    fn records_hold_their_messages() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let mut file = EventFile::create(&inner, 300).unwrap();
        file.write(300, &[("x".into(), Value::Scalar(0.5))]).unwrap();
        let records = records(&std::fs::read(&file.path).unwrap());
        assert_eq!(records.len(), 3);
        let from_step = |record: &Vec<u8>| record[9..].to_vec(); // after the time, a key and eight bytes
        assert_eq!(from_step(&records[0]), b"\x10\x00\x1a\x0dbrain.Event:2");
        assert_eq!(from_step(&records[1]), b"\x10\xac\x02\x3a\x02\x08\x01");
        assert_eq!(from_step(&records[2]), b"\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01x\x15\x00\x00\x00\x3f");
        // Within the same second another file, and later in the alphabet.
        let again = EventFile::create(&inner, 0).unwrap();
        assert!(again.path > file.path && has_events(&inner) && !has_events(folder.path()));
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let message = EventFile::create(&folder.path().join("file/b"), 0).unwrap_err().to_string();
        assert!(message.contains("cannot create") && message.contains("file/b"), "{message}");
    }
}
