//! The nonzero numbers of a row, and where they lie: without a branch that depends on the numbers, because where the ink of a
//! digit begins cannot be foreseen.

#[cfg(target_arch = "x86_64")]
use crate::simd::Level;

/// Numbers beyond the last nonzero one that may be overwritten: a vector is always stored whole.
pub(super) const SLACK: usize = 16;

/// Writes the places of the nonzero numbers of `row` to `columns` and the numbers to `values`, in their order; what lies
/// behind them is overwritten, too. Their count.
///
/// # Panics
/// If one of the two has less room than the row and [`SLACK`], or the row more than 65,536 numbers.
pub(super) fn nonzeros(row: &[f32], columns: &mut [u16], values: &mut [f32]) -> usize {
    let room = columns.len().min(values.len());
    assert!(
        room >= row.len() + SLACK && row.len() <= 1 << 16,
        "nonzeros: {} numbers, room for {room}",
        row.len()
    );
    #[cfg(target_arch = "x86_64")]
    if Level::current() == Level::Avx512 {
        // SAFETY: this CPU has the instructions, and there is room (above).
        return unsafe { with_vectors(row, columns, values) };
    }
    // As whole numbers from load to store: a comparison of floats asks for NaN as well (a tenth more instructions).
    let (bits, kept) = (row.as_ptr().cast::<u32>(), values.as_mut_ptr().cast::<u32>());
    let mut at = 0;
    for i in 0..row.len() {
        // SAFETY: f32 and u32 have one size and alignment, and any bits are both. At most i numbers have been kept, and there
        // is room for all.
        unsafe {
            let number = bits.add(i).read();
            *columns.get_unchecked_mut(at) = i as u16;
            kept.add(at).write(number);
            at += usize::from(number << 1 != 0); // all but 0 and -0
        }
    }
    at
}

/// 16 numbers at once: the kept ones are moved to the front of their vector, which is stored whole.
///
/// # Safety
/// The CPU has AVX-512F and POPCNT; `columns` and `values` have room for the row and [`SLACK`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
unsafe fn with_vectors(row: &[f32], columns: &mut [u16], values: &mut [f32]) -> usize {
    use std::arch::x86_64::{
        _CMP_NEQ_UQ, _mm256_storeu_si256, _mm512_add_epi32, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16,
        _mm512_maskz_compress_epi32, _mm512_maskz_compress_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi32,
        _mm512_setr_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    let mut places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut at = 0;
    for numbers in row.chunks(16) {
        let all = u16::MAX >> (16 - numbers.len());
        // SAFETY: the mask leaves out what lies beyond the row. At most as many numbers are kept as were read, so that the
        // 16 that are stored from `at` on lie within the row's room and its slack.
        unsafe {
            let x = _mm512_maskz_loadu_ps(all, numbers.as_ptr());
            let keep = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_ps()); // NaN is kept
            _mm512_storeu_ps(values.as_mut_ptr().add(at), _mm512_maskz_compress_ps(keep, x));
            let kept = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(keep, places));
            _mm256_storeu_si256(columns.as_mut_ptr().add(at).cast(), kept);
            at += keep.count_ones() as usize;
        }
        places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{SLACK, nonzeros};
    use crate::simd::Level;

    #[test]
    fn keeps_what_is_not_zero_at_every_level() {
        for len in [1, 7, 15, 16, 17, 31, 33, 784, 1000] {
            for step in [1, 2, 3, 16, 17, 5000] {
                let number = |i: usize| match i % 29 {
                    3 => f32::NAN,
                    5 => -0.0,
                    7 => f32::INFINITY,
                    9 => 1e-45,
                    _ => i as f32 - 20.0,
                };
                let row: Vec<f32> = (0..len).map(|i| if i % step == 0 { number(i) } else { 0.0 }).collect();
                let expected: Vec<(u16, u32)> =
                    (0..len).filter(|&i| row[i] != 0.0).map(|i| (i as u16, row[i].to_bits())).collect();
                let best = Level::current();
                for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                    Level::set(level);
                    let (mut columns, mut values) = (vec![9; len + SLACK], vec![9.0; len + SLACK]);
                    let count = nonzeros(&row, &mut columns, &mut values);
                    let found: Vec<(u16, u32)> =
                        (0..count).map(|at| (columns[at], values[at].to_bits())).collect();
                    assert_eq!(found, expected, "{len} numbers, every {step}th, {}", level.name());
                }
                Level::set(best);
            }
        }
    }
}
