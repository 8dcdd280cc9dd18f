//! Building the lists: each sample's nonzeros are written behind those of the sample before.
//!
//! ```text
//!  values     0 0 7 | 0 0 0 | 1 0 9
//!  columns    2 | | 0 2
//!  stored     7 | | 1 9
//!  starts     0 1 1 3                      where each list begins, and where the last one ends
//! ```

use crate::memory;
use crate::pool;
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;
use crate::simd::vectorized;

/// Values from which another thread pays off.
const PARALLEL_FROM: usize = 1 << 18;
/// Parts per thread: a core that is busy with something else then delays no more than one of them.
const PARTS: usize = 4;
/// Bytes of the longest vector: a list is written with room for one more.
const ROOM: usize = 64;
/// Zeros that are skipped at once.
const SKIP: usize = 16;
/// Nonzeros, and samples, that room is made for before they are there, at most: the word of a file's header takes no more memory
/// than 48 and 4 MB. MNIST has 9 million and 60,000.
const RESERVED: (usize, usize) = (1 << 24, 1 << 20);

/// Lists that grow, sample by sample.
#[derive(Debug)]
pub(super) struct Growing<S> {
    pub inputs: usize,
    /// More nonzeros are refused.
    most: usize,
    /// As in [`super::SparseRows`].
    starts: Vec<u32>,
    columns: Vec<u16>,
    kept: Vec<S>,
    /// The list of one sample.
    row_columns: Vec<u16>,
    row_kept: Vec<S>,
}

impl<S: Copy + Default> Growing<S> {
    /// No lists yet, of an expected number of samples; None if there are more than 65,536 inputs.
    pub fn new(samples: usize, inputs: usize, most: f64) -> Option<Self> {
        if inputs == 0 || inputs > 1 << 16 {
            return None;
        }
        let most = (most * samples as f64 * inputs as f64).min(f64::from(u32::MAX)) as usize;
        let room = most.min(RESERVED.0);
        let (columns, kept) = (Vec::with_capacity(room), Vec::with_capacity(room));
        memory::prefer_huge_pages(&columns);
        memory::prefer_huge_pages(&kept);
        let mut starts = Vec::with_capacity(samples.min(RESERVED.1) + 1);
        starts.push(0);
        let row = inputs + ROOM;
        Some(Self {
            inputs,
            most,
            starts,
            columns,
            kept,
            row_columns: vec![0; row],
            row_kept: vec![S::default(); row],
        })
    }

    /// Appends the lists of `rows (samples, inputs)`; `list` writes that of one sample and counts it, as [`list_row`] does. False,
    /// and of no further use, once there are too many nonzeros.
    pub fn push<V>(&mut self, rows: &[V], list: impl Fn(&[V], &mut [u16], &mut [S]) -> usize) -> bool {
        for row in rows.chunks_exact(self.inputs) {
            let count = list(row, &mut self.row_columns, &mut self.row_kept);
            if self.columns.len() + count > self.most {
                return false;
            }
            self.columns.extend_from_slice(&self.row_columns[..count]);
            self.kept.extend_from_slice(&self.row_kept[..count]);
            self.starts.push(self.columns.len() as u32);
        }
        true
    }

    /// Where each sample's list begins, and one more; the inputs in them; what is stored of each.
    pub fn finish(mut self) -> (Vec<u32>, Vec<u16>, Vec<S>) {
        self.columns.shrink_to_fit();
        self.kept.shrink_to_fit();
        (self.starts, self.columns, self.kept)
    }
}

/// How many of `values` are stored as something else than zero.
pub fn count_nonzeros<V: Copy + Sync, S: Default + PartialEq>(
    values: &[V],
    stored: impl Fn(V) -> S + Copy + Sync,
) -> usize {
    let length = values.len().div_ceil(parts(values.len())).max(1);
    let mut counts = vec![0; values.len().div_ceil(length)];
    let jobs = counts.iter_mut().zip(values.chunks(length)).collect();
    pool::run_each(jobs, |(count, values): (&mut usize, &[V])| *count = nonzeros(values, stored));
    counts.iter().sum()
}

fn parts(values: usize) -> usize {
    let parts = if values < PARALLEL_FROM { 1 } else { pool::available_threads() * PARTS };
    parts.min(pool::MAX_PARTS)
}

/// [`count_nonzeros`] on this thread: counted in bytes, so that many are counted by one instruction.
fn nonzeros<V: Copy, S: Default + PartialEq>(values: &[V], stored: impl Fn(V) -> S + Copy) -> usize {
    const LANES: usize = 64;
    vectorized(
        #[inline(always)]
        || {
            let nonzero = |value: V| stored(value) != S::default();
            let mut count = 0;
            for piece in values.chunks(LANES * 255) {
                let mut lanes = [0u8; LANES];
                let (whole, rest) = piece.as_chunks::<LANES>();
                for values in whole {
                    for (lane, &value) in lanes.iter_mut().zip(values) {
                        *lane += u8::from(nonzero(value));
                    }
                }
                count += lanes.iter().map(|&lane| usize::from(lane)).sum::<usize>();
                count += rest.iter().filter(|value| nonzero(**value)).count();
            }
            count
        },
    )
}

/// Writes the list of one sample to the beginning of `columns` and `kept`, which have [`ROOM`] for more than all inputs, and counts it.
/// Every value is written, and the next one over it if it was zero: no branch has to be guessed but at runs of zeros.
pub(super) fn list_row<V: Copy, S: Copy + Default + PartialEq>(
    row: &[V],
    stored: impl Fn(V) -> S + Copy,
    columns: &mut [u16],
    kept: &mut [S],
) -> usize {
    vectorized(
        #[inline(always)]
        || {
            let mut at = 0;
            for (piece, values) in row.chunks(SKIP).enumerate() {
                let some = values.iter().fold(false, |some, &value| some | (stored(value) != S::default()));
                if !some {
                    continue;
                }
                for (i, &value) in values.iter().enumerate() {
                    let value = stored(value);
                    columns[at] = (piece * SKIP + i) as u16;
                    kept[at] = value;
                    at += usize::from(value != S::default());
                }
            }
            at
        },
    )
}

/// [`list_row`] of bytes, which some CPUs push together by a mask.
pub(super) fn list_bytes(row: &[u8], columns: &mut [u16], kept: &mut [u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if Level::current() == Level::Avx512 && is_x86_feature_detected!("avx512vbmi2") {
        assert!(columns.len() >= row.len() + ROOM && kept.len() >= row.len() + ROOM, "lists: no room");
        // SAFETY: the CPU has the instructions (all of the level but VBMI2 are part of it), and the buffers the room.
        return unsafe { compress_row(row, columns, kept) };
    }
    list_row(row, |byte| byte, columns, kept)
}

/// 64 bytes at a time: those that are not zero, and their numbers in the row, are packed to the front of a vector, which is
/// written whole.
///
/// # Safety
/// `columns` and `kept` have [`ROOM`] for more than the row.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt,bmi2")]
unsafe fn compress_row(row: &[u8], columns: &mut [u16], kept: &mut [u8]) -> usize {
    use std::arch::x86_64::*;
    let numbers: [u16; 32] = std::array::from_fn(|i| i as u16);
    // SAFETY: 32 numbers of 2 bytes are a vector.
    let mut low = unsafe { _mm512_loadu_epi16(numbers.as_ptr().cast()) };
    let half = _mm512_set1_epi16(32);
    let mut at = 0;
    for start in (0..row.len()).step_by(64) {
        let left = row.len() - start;
        let mask = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        // SAFETY: the mask leaves out what lies behind the row.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(start).cast()) };
        let some = _mm512_test_epi8_mask(bytes, bytes);
        let (some_low, some_high) = (some as u32, (some >> 32) as u32);
        let high = _mm512_add_epi16(low, half);
        let middle = at + some_low.count_ones() as usize;
        // SAFETY: at <= start and middle <= start + 32, and from start <= the row's length on there is room for 64 more.
        unsafe {
            _mm512_storeu_epi8(kept.as_mut_ptr().add(at).cast(), _mm512_maskz_compress_epi8(some, bytes));
            let columns = columns.as_mut_ptr().cast::<i16>();
            _mm512_storeu_epi16(columns.add(at), _mm512_maskz_compress_epi16(some_low, low));
            _mm512_storeu_epi16(columns.add(middle), _mm512_maskz_compress_epi16(some_high, high));
        }
        at = middle + some_high.count_ones() as usize;
        low = _mm512_add_epi16(high, half);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Starts, columns and what is kept.
    type Lists<S> = (Vec<u32>, Vec<u16>, Vec<S>);

    /// The lists of all samples, pushed some at a time.
    fn lists<V: Copy, S: Copy + Default>(
        values: &[V],
        (inputs, most, at_once): (usize, f64, usize),
        list: impl Fn(&[V], &mut [u16], &mut [S]) -> usize + Copy,
    ) -> Option<Lists<S>> {
        let mut lists = Growing::new(values.len() / inputs, inputs, most)?;
        values.chunks(at_once * inputs).all(|rows| lists.push(rows, list)).then(|| lists.finish())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against the definition.
        #[test]
        fn lists_hold_the_nonzeros_in_order(samples in 0usize..9, inputs in 1usize..400, zeros in 0u64..=100, at_once in 1usize..9, seed: u64) {
            let samples = if seed.is_multiple_of(8) { PARALLEL_FROM / inputs + samples } else { samples };
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            };
            let values: Vec<u8> =
                (0..samples * inputs).map(|_| if next() % 100 < zeros { 0 } else { next() as u8 }).collect();
            let (starts, columns, kept) = lists(&values, (inputs, 1.0, at_once), list_bytes).unwrap();
            let plain = |row: &[u8], columns: &mut [u16], kept: &mut [u8]| list_row(row, |byte| byte, columns, kept);
            let twin = lists(&values, (inputs, 1.0, samples.max(1)), plain).unwrap();
            prop_assert!((&starts, &columns, &kept) == (&twin.0, &twin.1, &twin.2));
            prop_assert_eq!(starts.len(), samples + 1);
            for (s, row) in values.chunks_exact(inputs).enumerate() {
                let list = starts[s] as usize..starts[s + 1] as usize;
                let found = columns[list.clone()].iter().copied().zip(kept[list].iter().copied());
                let wanted = (0u16..).zip(row.iter().copied()).filter(|&(_, byte)| byte != 0);
                prop_assert!(found.eq(wanted), "sample {}", s);
            }
            prop_assert_eq!(columns.len(), values.iter().filter(|&&byte| byte != 0).count());
            prop_assert_eq!(count_nonzeros(&values, |byte| byte), columns.len());
        }
    }

    #[test]
    fn too_many_are_refused() {
        let half: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let stored = |x: f64| x as f32;
        let list = |row: &[f64], columns: &mut [u16], kept: &mut [f32]| list_row(row, stored, columns, kept);
        assert!(lists(&half, (10, 0.49, 3), list).is_none());
        assert_eq!(lists(&half, (10, 0.5, 3), list).unwrap().2, [1.0; 50]);
        let of_one = |inputs: usize| lists(&vec![1u8; inputs], (inputs, 1.0, 1), list_bytes);
        assert!(of_one((1 << 16) + 1).is_none());
        assert!(of_one(1 << 16).unwrap().1.into_iter().eq(0..=u16::MAX));
        assert_eq!(
            count_nonzeros(&[0.0, -0.0, 1e-300, 1e-30], stored),
            1,
            "what f32 has no number for is zero"
        );
    }
}
