//! The nonzero numbers of a row as entries ([`super::entries`]): without a branch that depends on the numbers, because where the ink of a
//! digit begins cannot be foreseen.

use super::entries::ROW;
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;

/// Entries beyond the last one that may be overwritten: a vector is always stored whole.
pub(super) const SLACK: usize = 8;

/// Numbers of the longest row: 32 bits hold their places.
pub(super) const LONGEST: usize = 1 << 26;
const _: () = assert!(LONGEST as u64 * ROW <= 1 << 32);

/// Writes the entries of the nonzero numbers of `row` to `to`, in their order; what lies behind them is overwritten, too. Their count.
///
/// # Panics
/// If there is less room than for the row and [`SLACK`], or the row exceeds [`LONGEST`].
#[inline(always)] // to be compiled for the caller's instruction set
pub(super) fn nonzeros(row: &[f32], to: &mut [u64]) -> usize {
    assert!(to.len() >= row.len() + SLACK, "nonzeros: {} numbers, room for {}", row.len(), to.len());
    assert!(row.len() <= LONGEST, "nonzeros: {} numbers in a row", row.len());
    #[cfg(target_arch = "x86_64")]
    if Level::current() == Level::Avx512 {
        // SAFETY: this CPU has the instructions, which are part of the level, and there is room (above).
        return unsafe { with_vectors(row, to) };
    }
    let mut at = 0;
    for (i, number) in row.iter().enumerate() {
        // As whole numbers: a comparison of floats asks for NaN as well (a tenth more instructions).
        let bits = number.to_bits();
        // SAFETY: at most i numbers have been kept, and there is room for all.
        unsafe { *to.get_unchecked_mut(at) = (i as u64 * ROW) << 32 | u64::from(bits) };
        at += usize::from(bits << 1 != 0); // all but 0 and -0
    }
    at
}

/// 8 numbers at once: the kept entries are moved to the front of their vector, which is stored whole.
///
/// # Safety
/// The CPU has AVX-512F and VL, and POPCNT; `to` has room for the row and [`SLACK`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,popcnt")]
#[inline]
unsafe fn with_vectors(row: &[f32], to: &mut [u64]) -> usize {
    use std::arch::x86_64::{
        _CMP_NEQ_UQ, _mm256_castps_si256, _mm256_cmp_ps_mask, _mm256_loadu_ps, _mm256_maskz_loadu_ps,
        _mm256_setzero_ps, _mm512_add_epi64, _mm512_cvtepu32_epi64, _mm512_maskz_compress_epi64,
        _mm512_or_si512, _mm512_set1_epi64, _mm512_setr_epi64, _mm512_storeu_epi64,
    };
    let place = |i: u64| ((i * ROW) << 32) as i64;
    let mut places =
        _mm512_setr_epi64(0, place(1), place(2), place(3), place(4), place(5), place(6), place(7));
    let mut at = 0;
    let mut keep_some = |x| {
        let keep = _mm256_cmp_ps_mask::<_CMP_NEQ_UQ>(x, _mm256_setzero_ps()); // NaN is kept
        let entries = _mm512_or_si512(_mm512_cvtepu32_epi64(_mm256_castps_si256(x)), places);
        // SAFETY: no more numbers have been kept than were read, so that the 8 from `at` on lie within the row's room and its slack.
        unsafe {
            _mm512_storeu_epi64(to.as_mut_ptr().add(at).cast(), _mm512_maskz_compress_epi64(keep, entries));
        }
        at += keep.count_ones() as usize;
        places = _mm512_add_epi64(places, _mm512_set1_epi64(place(8)));
    };
    let (eights, rest) = row.as_chunks::<8>();
    for eight in eights {
        // SAFETY: there are 8.
        keep_some(unsafe { _mm256_loadu_ps(eight.as_ptr()) });
    }
    // SAFETY: the mask leaves out what lies beyond the row.
    keep_some(unsafe { _mm256_maskz_loadu_ps((1 << rest.len()) - 1, rest.as_ptr()) });
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn keeps_what_is_not_zero_at_every_level() {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 784, 1000, 70_000] {
            for step in [1, 2, 3, 16, 17, 5000] {
                let number = |i: usize| match i % 29 {
                    3 => f32::NAN,
                    5 => -0.0,
                    7 => f32::INFINITY,
                    9 => 1e-45,
                    _ => i as f32 - 20.0,
                };
                let row: Vec<f32> = (0..len).map(|i| if i % step == 0 { number(i) } else { 0.0 }).collect();
                let expected: Vec<u64> = (0..len)
                    .filter(|&i| row[i] != 0.0)
                    .map(|i| (i as u64 * ROW) << 32 | u64::from(row[i].to_bits()))
                    .collect();
                let best = Level::current();
                for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                    Level::set(level);
                    let mut to = vec![9; len + SLACK + 8];
                    let count = nonzeros(&row, &mut to[..len + SLACK]);
                    assert_eq!(to[..count], expected, "{len} numbers, every {step}th, {}", level.name());
                    assert_eq!(to[len + SLACK..], [9; 8], "{len} numbers, every {step}th, {}", level.name());
                }
                Level::set(best);
            }
        }
    }
}
