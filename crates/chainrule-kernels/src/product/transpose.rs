//! Blocks of 16 x 16 numbers turned round: rows become columns.

use crate::dense::PANEL;
use pulp::Simd;

/// to(c, r) = from(r, c), for up to 16 rows `from`, and 0 for those missing; as many rows `to` as there are. Both are slices of rows
/// that begin so many numbers apart, of which the first 16 are meant.
#[inline(always)]
pub(super) fn transpose<S: Simd>(_simd: S, from: (&[f32], usize), to: (&mut [f32], usize)) {
    #[cfg(target_arch = "x86_64")]
    if S::F32_LANES == 16 {
        // SAFETY: only AVX-512 has vectors of 16.
        unsafe { transpose_vectors(from, to) };
        return;
    }
    // Rows of known length: no bounds to be checked.
    let mut rows = [[0.0; PANEL]; PANEL];
    for (row, from) in rows.iter_mut().zip(from.0.chunks(from.1)) {
        row.copy_from_slice(&from[..PANEL]);
    }
    for (c, to) in to.0.chunks_mut(to.1).enumerate().take(PANEL) {
        let to: &mut [f32] = &mut to[..PANEL];
        for (to, row) in to.iter_mut().zip(&rows) {
            *to = row[c];
        }
    }
}

/// [`transpose`]: pairs of rows are interleaved, then pairs of pairs, then quarters of vectors change places.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn transpose_vectors(from: (&[f32], usize), to: (&mut [f32], usize)) {
    use std::arch::x86_64::{
        __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let mut rows = [_mm512_setzero_ps(); PANEL];
    for (row, from) in rows.iter_mut().zip(from.0.chunks(from.1)) {
        // SAFETY: 16 numbers.
        *row = unsafe { _mm512_loadu_ps(from[..PANEL].as_ptr()) };
    }
    let mut pairs = rows;
    for i in (0..PANEL).step_by(2) {
        pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    let low = |a, b| _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    let high = |a, b| _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    // fours[4 q + c] has in quarter l rows 4 q .. 4 q + 4 of column 4 l + c.
    let mut fours = pairs;
    for i in (0..PANEL).step_by(4) {
        fours[i] = low(pairs[i], pairs[i + 2]);
        fours[i + 1] = high(pairs[i], pairs[i + 2]);
        fours[i + 2] = low(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = high(pairs[i + 1], pairs[i + 3]);
    }
    let mut columns: [__m512; PANEL] = rows;
    for c in 0..4 {
        let even = _mm512_shuffle_f32x4::<EVEN>(fours[c], fours[4 + c]);
        let even_below = _mm512_shuffle_f32x4::<EVEN>(fours[8 + c], fours[12 + c]);
        let odd = _mm512_shuffle_f32x4::<ODD>(fours[c], fours[4 + c]);
        let odd_below = _mm512_shuffle_f32x4::<ODD>(fours[8 + c], fours[12 + c]);
        columns[c] = _mm512_shuffle_f32x4::<EVEN>(even, even_below);
        columns[4 + c] = _mm512_shuffle_f32x4::<EVEN>(odd, odd_below);
        columns[8 + c] = _mm512_shuffle_f32x4::<ODD>(even, even_below);
        columns[12 + c] = _mm512_shuffle_f32x4::<ODD>(odd, odd_below);
    }
    for (to, column) in to.0.chunks_mut(to.1).zip(columns) {
        // SAFETY: room for 16 numbers.
        unsafe { _mm512_storeu_ps(to[..PANEL].as_mut_ptr(), column) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, kernel};

    kernel! {
        fn transposed<'a>(simd, from: (&'a [f32], usize), to: (&'a mut [f32], usize)) {
            transpose(simd, from, to);
        }
    }

    #[test]
    fn rows_become_columns_at_every_level() {
        const APART: usize = PANEL + 3;
        let from: Vec<f32> = (0..PANEL * APART).map(|at| (1 + at) as f32).collect();
        let best = Level::current();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            Level::set(level);
            for rows in 0..=PANEL {
                for columns in 0..=PANEL {
                    let mut to = [-1.0; PANEL * (PANEL + 1)];
                    transposed((&from[..rows * APART], APART), (&mut to[..columns * (PANEL + 1)], PANEL + 1));
                    for (c, to) in to.chunks_exact(PANEL + 1).enumerate() {
                        for (r, &value) in to.iter().enumerate() {
                            let expected = match (c < columns && r < PANEL, r < rows) {
                                (false, _) => -1.0,
                                (true, false) => 0.0,
                                (true, true) => from[r * APART + c],
                            };
                            assert!(
                                value == expected,
                                "({c}, {r}) of {rows} rows, {columns} columns: {value}"
                            );
                        }
                    }
                }
            }
        }
        Level::set(best);
    }
}
