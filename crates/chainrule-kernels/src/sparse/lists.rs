//! The lists themselves.

use super::build::{Growing, list_bytes, list_row};
use crate::memory::{LINE, prefetch_lines};
use std::ops::Range;

/// How many samples ahead lists are asked for: enough for memory to answer, few enough to stay in the first cache level.
const AHEAD: usize = 3;

/// And where they lie, and their targets: one line each.
pub(crate) const FAR_AHEAD: usize = 4 * AHEAD;

/// Samples as lists of their nonzero inputs, in the order of the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseRows {
    inputs: usize,
    /// Nonzero inputs of an average sample, rounded down.
    average: usize,
    /// Where each sample's list begins; one more than there are samples.
    starts: Vec<u32>,
    columns: Vec<u16>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// Bytes, and what each of the 256 stands for.
    Bytes(Vec<u8>, Box<[f32; 256]>),
    Reals(Vec<f32>),
    /// All are this, a power of two: bitmaps, one-hot columns.
    Same(f32),
}

impl SparseRows {
    /// The nonzero inputs of `bytes (samples, inputs)`; an input is `byte * scale`, rounded once. None if there are more
    /// than 65,536 inputs, which the lists have no room for.
    pub fn from_bytes(bytes: &[u8], inputs: usize, scale: f64) -> Option<Self> {
        Self::from_bytes_up_to(1.0, bytes, inputs, scale)
    }

    /// As [`SparseRows::from_bytes`], but none, soon, if more than a share `most` of the inputs is nonzero.
    pub fn from_bytes_up_to(most: f64, bytes: &[u8], inputs: usize, scale: f64) -> Option<Self> {
        let samples = bytes.len() / inputs.max(1);
        let mut lists = ByteLists::new(samples, inputs, most)?;
        lists.push(&bytes[..samples * inputs]).then(|| lists.finish(scale))
    }

    /// The nonzero inputs of `numbers (samples, inputs)`. None if there are more than 65,536 inputs.
    pub fn from_reals(numbers: &[f64], inputs: usize) -> Option<Self> {
        Self::from_reals_up_to(1.0, numbers, inputs)
    }

    /// As [`SparseRows::from_reals`], but none, soon, if more than a share `most` of the inputs is nonzero.
    pub fn from_reals_up_to(most: f64, numbers: &[f64], inputs: usize) -> Option<Self> {
        let mut lists = Growing::new(numbers.len() / inputs.max(1), inputs, most)?;
        let list =
            |row: &[f64], columns: &mut [u16], kept: &mut [f32]| list_row(row, |x| x as f32, columns, kept);
        lists.push(numbers, list).then(|| {
            let (starts, columns, kept) = lists.finish();
            let values = all_the_same(&kept, |value| value).map_or(Values::Reals(kept), Values::Same);
            Self::new(inputs, starts, columns, values)
        })
    }

    fn new(inputs: usize, starts: Vec<u32>, columns: Vec<u16>, values: Values) -> Self {
        Self { inputs, average: columns.len() / (starts.len() - 1).max(1), starts, columns, values }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inputs of a sample, zeros included.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Nonzero inputs of all samples.
    pub fn nonzeros(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Nonzero inputs of the sample that has most.
    pub(super) fn longest(&self) -> usize {
        self.starts.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0)
    }

    /// Memory of the lists.
    pub fn bytes(&self) -> usize {
        let value = match self.values {
            Values::Bytes(..) => 1,
            Values::Reals(_) => 4,
            Values::Same(_) => 0,
        };
        self.columns.len() * (2 + value) + self.starts.len() * 4
    }

    #[inline(always)]
    pub(super) fn list(&self, sample: usize) -> Range<usize> {
        self.starts[sample] as usize..self.starts[sample + 1] as usize
    }

    /// Nonzero inputs of `samples`.
    pub(super) fn count(&self, samples: &[usize]) -> usize {
        samples.iter().map(|&s| self.list(s).len()).sum()
    }

    /// Calls `each` with the number and value of every nonzero input of `sample`, in their order.
    #[inline(always)]
    pub(crate) fn each(&self, sample: usize, mut each: impl FnMut(usize, f32)) {
        let list = self.list(sample);
        let columns = &self.columns[list.clone()];
        match &self.values {
            Values::Bytes(values, table) => {
                for (&i, &byte) in columns.iter().zip(&values[list]) {
                    each(usize::from(i), table[usize::from(byte)]);
                }
            }
            Values::Reals(values) => {
                for (&i, &value) in columns.iter().zip(&values[list]) {
                    each(usize::from(i), value);
                }
            }
            Values::Same(value) => columns.iter().for_each(|&i| each(usize::from(i), *value)),
        }
    }

    /// [`SparseRows::each`], four at a time: `each` also gets the place among the four.
    #[inline(always)]
    pub(crate) fn each_in_four(&self, sample: usize, each: impl FnMut(usize, usize, f32)) {
        let list = self.list(sample);
        let columns = &self.columns[list.clone()];
        // SAFETY (all): there are as many values as columns.
        match &self.values {
            Values::Bytes(values, table) => {
                let values = &values[list];
                let four = |at| unsafe { values.as_ptr().add(at).cast::<u32>().read_unaligned() };
                let byte = |at| unsafe { *values.get_unchecked(at) };
                let of_four = |four: u32, place| table[usize::from((four >> in_memory(place, 8, 24)) as u8)];
                in_four(columns, four, of_four, |at| table[usize::from(byte(at))], each);
            }
            Values::Reals(values) => {
                let values = &values[list];
                let value = |at| unsafe { *values.get_unchecked(at) };
                in_four(columns, |at| at, |at, place| value(at + place), value, each);
            }
            Values::Same(value) => in_four(columns, |_| (), |(), _| *value, |_| *value, each),
        }
    }

    /// The value that all nonzero inputs have, if they have one in common.
    #[inline(always)]
    pub(super) fn same(&self) -> Option<f32> {
        if let Values::Same(value) = self.values { Some(value) } else { None }
    }

    /// Asks for the lists of samples after number `s` of `samples` to be brought near: they come in random order, which no cache
    /// foresees. As many lines as an average list has: the length of this one would be one more thing to wait for.
    #[inline(always)]
    pub(crate) fn look_ahead(&self, samples: &[usize], s: usize) {
        if let Some(&later) = samples.get(s + FAR_AHEAD) {
            prefetch_lines(&raw const self.starts[later], 1);
        }
        let Some(&later) = samples.get(s + AHEAD) else { return };
        let start = self.starts[later] as usize;
        let lines = |bytes: usize| (self.average * bytes).div_ceil(LINE) + 1;
        prefetch_lines(self.columns.as_ptr().wrapping_add(start), lines(2));
        match &self.values {
            Values::Bytes(values, _) => prefetch_lines(values.as_ptr().wrapping_add(start), lines(1)),
            Values::Reals(values) => prefetch_lines(values.as_ptr().wrapping_add(start), lines(4)),
            Values::Same(_) => {}
        }
    }

    /// Writes the inputs of `sample`, zeros included, to `row (inputs)`.
    pub fn write_row(&self, sample: usize, row: &mut [f32]) {
        row.fill(0.0);
        self.each(sample, |i, value| row[i] = value);
    }
}

/// Lists of bytes that become known little by little, as a file is unpacked.
#[derive(Debug)]
pub struct ByteLists(Growing<u8>);

impl ByteLists {
    /// No lists yet, of an expected number of samples, which may have up to a share `most` of nonzero inputs. None if there are
    /// more than 65,536 inputs.
    pub fn new(samples: usize, inputs: usize, most: f64) -> Option<Self> {
        Growing::new(samples, inputs, most).map(Self)
    }

    /// Appends samples, `bytes (samples, inputs)`. False, and of no further use, once too many inputs are not zero.
    ///
    /// # Panics
    /// If the bytes are no whole samples.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        assert!(bytes.len().is_multiple_of(self.0.inputs), "lists: part of a sample");
        self.0.push(bytes, list_bytes)
    }

    /// The samples; an input is `byte * scale`, rounded once.
    pub fn finish(self, scale: f64) -> SparseRows {
        let inputs = self.0.inputs;
        let (starts, columns, kept) = self.0.finish();
        let table = std::array::from_fn(|byte| (byte as f64 * scale) as f32);
        let values = match all_the_same(&kept, |byte| table[usize::from(byte)]) {
            Some(value) => Values::Same(value),
            None => Values::Bytes(kept, Box::new(table)),
        };
        SparseRows::new(inputs, starts, columns, values)
    }
}

/// The number that all of `values` stand for, if it is one and a power of two: a sum may then be multiplied by it once, to the same
/// bits.
fn all_the_same<V: Copy + PartialEq>(values: &[V], number: impl Fn(V) -> f32) -> Option<f32> {
    let (&first, rest) = values.split_first()?;
    let number = number(first);
    let power_of_two = number.is_normal() && number.to_bits().trailing_zeros() >= f32::MANTISSA_DIGITS - 1;
    (power_of_two && rest.iter().all(|&value| value == first)).then_some(number)
}

/// By how much a word of several numbers, of `bits` each, the last one `most` bits from the first, is shifted to get the number
/// that lies at `place` in memory.
#[inline(always)]
fn in_memory(place: usize, bits: usize, most: usize) -> usize {
    if cfg!(target_endian = "little") { place * bits } else { most - place * bits }
}

/// Calls `each` with the place among four, the number and the value of every one of a list. `values` reads the values of four,
/// of which `of_four` takes one, `value` a single one.
///
/// Four columns, and the bytes of four values, are one load each, taken apart by shifts: loads are what these loops wait for.
#[inline(always)]
fn in_four<F: Copy>(
    columns: &[u16],
    values: impl Fn(usize) -> F,
    of_four: impl Fn(F, usize) -> f32,
    value: impl Fn(usize) -> f32,
    mut each: impl FnMut(usize, usize, f32),
) {
    let mut at = 0;
    while at + 4 <= columns.len() {
        // SAFETY: `at` and the three numbers after it lie within the list.
        let four = unsafe { columns.as_ptr().add(at).cast::<u64>().read_unaligned() };
        let values = values(at);
        for place in 0..4 {
            let column = (four >> in_memory(place, 16, 48)) as u16;
            each(place, usize::from(column), of_four(values, place));
        }
        at += 4;
    }
    for (place, at) in (at..columns.len()).enumerate() {
        each(place, usize::from(columns[at]), value(at));
    }
}
