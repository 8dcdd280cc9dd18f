//! The nonzero numbers of a row, and where they lie: without a branch that depends on the numbers, because where the ink of a
//! digit begins cannot be foreseen.

#[cfg(target_arch = "x86_64")]
use crate::simd::Level;

/// The numbers of a row that are not zero, and where they lie: buffers for one row at a time.
#[derive(Clone, Debug)]
pub struct Nonzeros {
    columns: Vec<u16>,
    values: Vec<f32>,
}

impl Nonzeros {
    /// For rows of up to `numbers`.
    ///
    /// # Panics
    /// If there are more than 65,536 of them.
    pub fn with_capacity(numbers: usize) -> Self {
        assert!(numbers <= 1 << 16, "nonzeros: places of {numbers} numbers do not fit 16 bits");
        Self { columns: vec![0; numbers + SLACK], values: vec![0.0; numbers + SLACK] }
    }

    /// Those of `row`: where they lie, and what they are.
    pub(crate) fn of(&mut self, row: &[f32]) -> (&[u16], &[f32]) {
        let count = nonzeros(row, &mut self.columns, &mut self.values);
        (&self.columns[..count], &self.values[..count])
    }
}

/// Numbers beyond the last nonzero one that may be overwritten: a vector is always stored whole.
pub(super) const SLACK: usize = 32;

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
        // SAFETY: this CPU has the instructions (all of the level but VBMI2 are part of it), and there is room (above).
        return unsafe {
            if is_x86_feature_detected!("avx512vbmi2") {
                with_vbmi2(row, columns, values)
            } else {
                with_vectors(row, columns, values)
            }
        };
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

/// [`with_vectors`] with the places of 32 numbers in one vector: three stores instead of four.
///
/// # Safety
/// As there, and the CPU has AVX-512BW and VBMI2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
unsafe fn with_vbmi2(row: &[f32], columns: &mut [u16], values: &mut [f32]) -> usize {
    use std::arch::x86_64::{
        _CMP_NEQ_UQ, _mm512_add_epi16, _mm512_cmp_ps_mask, _mm512_loadu_epi16, _mm512_maskz_compress_epi16,
        _mm512_maskz_compress_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi16, _mm512_setzero_ps,
        _mm512_storeu_epi16, _mm512_storeu_ps,
    };
    let numbers: [u16; 32] = std::array::from_fn(|i| i as u16);
    // SAFETY: 32 numbers of 2 bytes are a vector.
    let mut places = unsafe { _mm512_loadu_epi16(numbers.as_ptr().cast()) };
    let mut at = 0;
    for numbers in row.chunks(32) {
        let all = u32::MAX >> (32 - numbers.len());
        // SAFETY: the masks leave out what lies beyond the row. At most as many numbers are kept as were read, so that the 32 that
        // are stored from `at` on lie within the row's room and its slack.
        unsafe {
            let low = _mm512_maskz_loadu_ps(all as u16, numbers.as_ptr());
            let high = _mm512_maskz_loadu_ps((all >> 16) as u16, numbers.as_ptr().wrapping_add(16));
            let keep_low = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(low, _mm512_setzero_ps()); // NaN is kept
            let keep_high = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(high, _mm512_setzero_ps());
            let middle = at + keep_low.count_ones() as usize;
            _mm512_storeu_ps(values.as_mut_ptr().add(at), _mm512_maskz_compress_ps(keep_low, low));
            _mm512_storeu_ps(values.as_mut_ptr().add(middle), _mm512_maskz_compress_ps(keep_high, high));
            let keep = u32::from(keep_low) | u32::from(keep_high) << 16;
            let kept = _mm512_maskz_compress_epi16(keep, places);
            _mm512_storeu_epi16(columns.as_mut_ptr().add(at).cast(), kept);
            at = middle + keep_high.count_ones() as usize;
        }
        places = _mm512_add_epi16(places, _mm512_set1_epi16(32));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn keeps_what_is_not_zero_at_every_level() {
        for len in [0, 1, 7, 15, 16, 17, 31, 32, 33, 48, 64, 784, 1000, 1 << 16] {
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
                #[cfg(target_arch = "x86_64")]
                if Level::Avx512.is_available() {
                    // A CPU with VBMI2 takes the other function above.
                    let (mut columns, mut values) = (vec![9; len + SLACK], vec![9.0; len + SLACK]);
                    // SAFETY: this CPU has the instructions, and there is room.
                    let count = unsafe { with_vectors(&row, &mut columns, &mut values) };
                    assert_eq!(columns[..count], expected.iter().map(|&(i, _)| i).collect::<Vec<_>>());
                    assert!(expected.iter().zip(&values).all(|(&(_, bits), value)| bits == value.to_bits()));
                }
            }
        }
    }
}
