//! Packs the digits of `data/digits/digits.zip` into `digits.bin`, one bit per pixel.
//!
//! Layout: training and test samples as two little-endian `u32`, one label byte per sample, then 128 bytes of pixels
//! per sample, the most significant bit first. Samples are ordered by label, then number; training samples first.

use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};

const SIDE: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let archive = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../data/digits/digits.zip");
    println!("cargo::rerun-if-changed={}", archive.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive)?)?;

    let mut samples = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name()?.into_owned();
        let (folder, file) = name.split_once('/').ok_or("an entry outside the two folders")?;
        let (label, number) = file.trim_end_matches(".txt").split_once('_').ok_or("a name without '_'")?;
        let key = (folder == "testDigits", label.parse::<u8>()?, number.parse::<u32>()?);
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        samples.push((key, pack(&text).ok_or_else(|| format!("{name} is not 32 x 32"))?));
    }
    samples.sort_by_key(|(key, _)| *key);

    let tests = samples.iter().filter(|((test, ..), _)| *test).count();
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(samples.len() - tests)?.to_le_bytes());
    bytes.extend(u32::try_from(tests)?.to_le_bytes());
    bytes.extend(samples.iter().map(|((_, label, _), _)| *label));
    bytes.extend(samples.iter().flat_map(|(_, pixels)| pixels));
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("digits.bin"), bytes)?;
    Ok(())
}

/// The bits of one bitmap, or nothing if it is not 32 rows of 32 characters 0 and 1.
fn pack(text: &str) -> Option<Vec<u8>> {
    let rows: Vec<&[u8]> = text.lines().map(|row| row.trim_end().as_bytes()).collect();
    let right = rows.len() == SIDE
        && rows.iter().all(|row| row.len() == SIDE && row.iter().all(|c| matches!(c, b'0' | b'1')));
    let bits: Vec<u8> = rows.concat();
    right.then(|| bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, c| sum << 1 | (c - b'0'))).collect())
}
