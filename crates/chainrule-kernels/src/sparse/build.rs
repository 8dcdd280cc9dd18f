//! Building the lists: the nonzeros of each sample are counted, then written to their place. Both passes are split over threads.
//!
//! ```text
//!  values     0 0 7 | 0 0 0 | 1 0 9        count:  1 0 2
//!  starts     0 1 1 3                      the sums of the counts
//!  columns    2 | | 0 2                    each sample's list goes where its start says
//!  stored     7 | | 1 9
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

/// Lists of what is not zero: where each sample's begins, and one more; the inputs in them; what is stored of each.
pub(super) type Lists<S> = (Vec<u32>, Vec<u16>, Vec<S>);

/// The lists of `values (samples, inputs)`, of each of which `stored` is kept; `list` writes that of one sample, as [`list_row`]
/// does. None if there are more than 65,536 inputs or
/// 2^32 nonzeros, or if the nonzeros are more than a share `most`.
pub(super) fn lists<V: Copy + Sync, S: Copy + Default + PartialEq + Send>(
    values: &[V],
    inputs: usize,
    most: f64,
    stored: impl Fn(V) -> S + Copy + Sync,
    list: impl Fn(&[V], &mut [u16], &mut [S]) + Sync,
) -> Option<Lists<S>> {
    if inputs == 0 || inputs > 1 << 16 {
        return None;
    }
    let samples = values.len() / inputs;
    let values = &values[..samples * inputs];
    let rows = samples.div_ceil(parts(values.len())).max(1);

    let mut starts = vec![0u32; samples + 1];
    let jobs = starts[1..].chunks_mut(rows).zip(values.chunks(rows * inputs)).collect();
    pool::run_each(jobs, |(counts, values): (&mut [u32], &[V])| {
        for (count, row) in counts.iter_mut().zip(values.chunks_exact(inputs)) {
            *count = nonzeros(row, stored) as u32;
        }
    });
    let total = starts.iter().map(|&count| u64::from(count)).sum::<u64>();
    if u32::try_from(total).is_err() || total as f64 > most * values.len() as f64 {
        return None;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }

    let (mut columns, mut kept) = (vec![0u16; total as usize], vec![S::default(); total as usize]);
    memory::prefer_huge_pages(&columns);
    memory::prefer_huge_pages(&kept);
    let (mut columns_left, mut kept_left) = (&mut columns[..], &mut kept[..]);
    let mut jobs = Vec::new();
    for (part, values) in values.chunks(rows * inputs).enumerate() {
        let starts = &starts[part * rows..=part * rows + values.len() / inputs];
        let length = (starts[starts.len() - 1] - starts[0]) as usize;
        let (columns, others) = columns_left.split_at_mut(length);
        columns_left = others;
        let (kept, others) = kept_left.split_at_mut(length);
        kept_left = others;
        jobs.push((starts, values, columns, kept));
    }
    pool::run_each(jobs, |(starts, values, columns, kept): (&[u32], &[V], &mut [u16], &mut [S])| {
        let (mut row_columns, mut row_kept) = (vec![0u16; inputs + ROOM], vec![S::default(); inputs + ROOM]);
        for (start, row) in starts.windows(2).zip(values.chunks_exact(inputs)) {
            list(row, &mut row_columns, &mut row_kept);
            let list = (start[0] - starts[0]) as usize..(start[1] - starts[0]) as usize;
            columns[list.clone()].copy_from_slice(&row_columns[..list.len()]);
            kept[list.clone()].copy_from_slice(&row_kept[..list.len()]);
        }
    });
    Some((starts, columns, kept))
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

/// Writes the list of one sample to the beginning of `columns` and `kept`, which have [`ROOM`] for more than all inputs. Every value is
/// written, and the next one over it if it was zero: no branch has to be guessed but at runs of zeros.
pub(super) fn list_row<V: Copy, S: Copy + Default + PartialEq>(
    row: &[V],
    stored: impl Fn(V) -> S + Copy,
    columns: &mut [u16],
    kept: &mut [S],
) {
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
        },
    );
}

/// [`list_row`] of bytes, which some CPUs push together by a mask.
pub(super) fn list_bytes(row: &[u8], columns: &mut [u16], kept: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if Level::current() == Level::Avx512 && is_x86_feature_detected!("avx512vbmi2") {
        assert!(columns.len() >= row.len() + ROOM && kept.len() >= row.len() + ROOM, "lists: no room");
        // SAFETY: the CPU has the instructions (all of the level but VBMI2 are part of it), and the buffers the room.
        return unsafe { compress_row(row, columns, kept) };
    }
    list_row(row, |byte| byte, columns, kept);
}

/// 64 bytes at a time: those that are not zero, and their numbers in the row, are packed to the front of a vector, which is
/// written whole.
///
/// # Safety
/// `columns` and `kept` have [`ROOM`] for more than the row.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt,bmi2")]
unsafe fn compress_row(row: &[u8], columns: &mut [u16], kept: &mut [u8]) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against the definition, on one thread and on several.
        #[test]
        fn lists_hold_the_nonzeros_in_order(samples in 0usize..9, inputs in 1usize..400, zeros in 0u64..=100, seed: u64) {
            let samples = if seed.is_multiple_of(8) { PARALLEL_FROM / inputs + samples } else { samples };
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            };
            let values: Vec<u8> =
                (0..samples * inputs).map(|_| if next() % 100 < zeros { 0 } else { next() as u8 }).collect();
            let (starts, columns, kept) = lists(&values, inputs, 1.0, |byte| byte, list_bytes).unwrap();
            let plain = |row: &[u8], columns: &mut [u16], kept: &mut [u8]| list_row(row, |byte| byte, columns, kept);
            let twin = lists(&values, inputs, 1.0, |byte| byte, plain).unwrap();
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
        assert!(lists(&half, 10, 0.49, stored, list).is_none());
        assert_eq!(lists(&half, 10, 0.5, stored, list).unwrap().2, [1.0; 50]);
        let of_one = |inputs: usize| lists(&vec![1u8; inputs], inputs, 1.0, |byte| byte, list_bytes);
        assert!(of_one((1 << 16) + 1).is_none());
        assert!(of_one(1 << 16).unwrap().1.into_iter().eq(0..=u16::MAX));
        assert_eq!(
            count_nonzeros(&[0.0, -0.0, 1e-300, 1e-30], stored),
            1,
            "what f32 has no number for is zero"
        );
    }
}
