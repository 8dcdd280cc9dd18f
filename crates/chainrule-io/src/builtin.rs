//! Data sets that live in the program: `digits`, `xor`, `mazur`.

use chainrule::{Dataset, Features, Targets};

use crate::Result;
use crate::encode::{Column, ColumnKind, TableEncoding, TargetColumn, TargetKind};

/// Packed by `build.rs`, which says how.
static DIGITS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/digits.bin"));
const SIDE: usize = 32;
const PACKED: usize = SIDE * SIDE / 8;

/// Handwritten digits, 32 x 32 bits, as (train, test): 1,934 and 946 samples, ordered by label, then number.
///
/// From the UCI data set "Optical Recognition of Handwritten Digits" of E. Alpaydin and C. Kaynak.
///
/// # Errors
/// None in practice: the data was checked when the program was built.
pub fn digits() -> Result<(Dataset, Dataset)> {
    let count =
        |at: usize| u32::from_le_bytes([DIGITS[at], DIGITS[at + 1], DIGITS[at + 2], DIGITS[at + 3]]) as usize;
    let (train, test) = (count(0), count(4));
    let (labels, pixels) = DIGITS[8..].split_at(train + test);
    let part = |samples: std::ops::Range<usize>, name: &str| {
        let bits = &pixels[samples.start * PACKED..samples.end * PACKED];
        let values = bits.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let labels = labels[samples].iter().map(|&label| u32::from(label)).collect();
        let names = (0..10).map(|class| class.to_string()).collect();
        let features = Features::Bytes { values, scale: 1.0 };
        Dataset::new(name, vec![SIDE, SIDE], features, Targets::Classes { labels, names })
    };
    Ok((part(0..train, "digits")?, part(train..train + test, "digits test")?))
}

/// Exclusive or: four samples of two inputs, one number to learn.
///
/// # Errors
/// None in practice.
pub fn xor() -> Result<(Dataset, TableEncoding)> {
    let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    table("xor", &["a", "b"], inputs, &["xor"], vec![0.0, 1.0, 1.0, 0.0])
}

/// The one sample of Matt Mazur's "A Step by Step Backpropagation Example": two inputs, two numbers to learn.
///
/// # Errors
/// None in practice.
pub fn mazur() -> Result<(Dataset, TableEncoding)> {
    table("mazur", &["i1", "i2"], vec![0.05, 0.10], &["o1", "o2"], vec![0.01, 0.99])
}

/// The data, and how a CSV file with the same columns is read.
fn table(
    name: &str,
    inputs: &[&str],
    features: Vec<f64>,
    outputs: &[&str],
    values: Vec<f64>,
) -> Result<(Dataset, TableEncoding)> {
    let column =
        |(index, name): (usize, &&str)| Column { name: name.to_string(), index, kind: ColumnKind::Numeric };
    let target = |(index, name): (usize, &&str)| TargetColumn {
        name: name.to_string(),
        index: inputs.len() + index,
        kind: TargetKind::Real,
    };
    let encoding = TableEncoding {
        delimiter: ',',
        has_header: true,
        width: inputs.len() + outputs.len(),
        inputs: inputs.iter().enumerate().map(column).collect(),
        targets: outputs.iter().enumerate().map(target).collect(),
        sample_weight: None,
    };
    let names = outputs.iter().map(ToString::to_string).collect();
    let targets = Targets::Values { values, names };
    Ok((Dataset::new(name, vec![inputs.len()], Features::Reals(features), targets)?, encoding))
}
