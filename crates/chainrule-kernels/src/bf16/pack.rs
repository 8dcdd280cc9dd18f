//! Rounding to bf16 and packing into panels of pairs: see [`super`] for the layout.
//!
//! ```text
//!  along a row:   x0 x1 x2 x3 …          -> (x0, x1) (x2, x3) …        a by rows or panels
//!  across rows:   x0 x1 … over y0 y1 …   -> (x0, y0) (x1, y1) …        b by rows or panels
//!  turned round:  16 vectors of pairs as 16 columns                    a by columns; b by columns or transposed panels
//! ```

#[cfg(target_arch = "x86_64")]
use super::EMULATED;
use super::PAIRED;
use crate::dense::PANEL;
use crate::product::Matrix;
#[cfg(target_arch = "x86_64")]
use crate::product::transpose_vectors;
use std::ops::Range;

/// `x` rounded to bf16: to nearest, ties to even; NaN stays NaN.
pub fn round(x: f32) -> f32 {
    f32::from_bits(half(x) << 16)
}

/// The bits of `x` as bf16.
#[inline(always)]
fn half(x: f32) -> u32 {
    let bits = x.to_bits();
    // Half a unit of the last place that stays; a tie rounds up only to an even number.
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }
}

/// 16 pairs of numbers side by side.
pub(super) type Pairs = [u32; PANEL];

/// (x0, x1), (x2, x3), … of 32 numbers, in two halves.
#[inline(always)]
pub(super) fn along<const LEVEL: u8>(low: &[f32; PANEL], high: &[f32; PANEL]) -> Pairs {
    #[cfg(target_arch = "x86_64")]
    if LEVEL != EMULATED {
        // SAFETY: the CPU has the instructions at this level.
        return unsafe { native::along(low, high) };
    }
    let mut pairs = [0; PANEL];
    let both = low.as_chunks::<2>().0.iter().chain(high.as_chunks::<2>().0);
    for (pair, &[even, odd]) in pairs.iter_mut().zip(both) {
        *pair = half(even) | half(odd) << 16;
    }
    pairs
}

/// 16 pairs of numbers that lie side by side from `at` on, of which `count` exist.
#[inline(always)]
fn along_row<const LEVEL: u8>(data: &[f32], at: usize, count: usize) -> Pairs {
    if count >= PAIRED {
        let [low, high] = *data[at..at + PAIRED].as_chunks().0 else { unreachable!("32 numbers") };
        return along::<LEVEL>(&low, &high);
    }
    along::<LEVEL>(&numbers(data, at, count), &numbers(data, at + PANEL, count.saturating_sub(PANEL)))
}

/// (x0, y0), (x1, y1), …
#[inline(always)]
fn across<const LEVEL: u8>(x: &[f32; PANEL], y: &[f32; PANEL]) -> Pairs {
    #[cfg(target_arch = "x86_64")]
    if LEVEL != EMULATED {
        // SAFETY: the CPU has the instructions at this level.
        return unsafe { native::across(x, y) };
    }
    let mut pairs = [0; PANEL];
    for ((pair, &even), &odd) in pairs.iter_mut().zip(x).zip(y) {
        *pair = half(even) | half(odd) << 16;
    }
    pairs
}

/// Rows as columns.
#[inline(always)]
fn transpose<const LEVEL: u8>(block: &[Pairs; PANEL]) -> [Pairs; PANEL] {
    let mut turned = [[0; PANEL]; PANEL];
    #[cfg(target_arch = "x86_64")]
    if LEVEL != EMULATED {
        let (from, to) = (&raw const *block, &raw mut turned);
        // SAFETY: the CPU has AVX-512 at this level. u32 and f32 have one size and alignment, and lanes only change places.
        unsafe {
            let from = (*from.cast::<[[f32; PANEL]; PANEL]>()).as_flattened();
            let to = (*to.cast::<[[f32; PANEL]; PANEL]>()).as_flattened_mut();
            transpose_vectors((from, PANEL), (to, PANEL));
        }
        return turned;
    }
    for (i, row) in block.iter().enumerate() {
        for (turned, &pair) in turned.iter_mut().zip(row) {
            turned[i] = pair;
        }
    }
    turned
}

/// The first `count` numbers from `at` on, filled up with zeros.
#[inline(always)]
fn numbers<const N: usize>(data: &[f32], at: usize, count: usize) -> [f32; N] {
    let mut numbers = [0.0; N];
    if count >= N {
        numbers.copy_from_slice(&data[at..at + N]);
    } else if count > 0 {
        numbers[..count].copy_from_slice(&data[at..at + count]);
    }
    numbers
}

/// Packs rows `rows` of a, indices `range`, into panels (height, 16 pairs), the last one filled up with zeros.
#[inline(always)]
pub(super) fn a<const LEVEL: u8>(
    a: &Matrix,
    rows: Range<usize>,
    range: Range<usize>,
    packed: &mut [u32],
    height: usize,
) {
    let (packed, _) = packed.as_chunks_mut::<PANEL>();
    let panels = |range: Range<usize>| range.step_by(PAIRED).enumerate();
    match *a {
        Matrix::Rows(data, width) => {
            for (at, i) in rows.enumerate() {
                for (panel, p) in panels(range.clone()) {
                    let count = range.end - p;
                    packed[panel * height + at] = along_row::<LEVEL>(data, i * width + p, count);
                }
            }
        }
        Matrix::Columns(data, tall) => {
            for (panel, p) in panels(range.clone()) {
                for i in rows.clone().step_by(PANEL) {
                    let mut block = [[0; PANEL]; PANEL];
                    for (q, pairs) in block.iter_mut().enumerate() {
                        *pairs = pair_of_lines::<LEVEL>(data, tall, p + 2 * q, range.end, i, rows.end);
                    }
                    let at = panel * height + i - rows.start;
                    packed[at..at + PANEL].copy_from_slice(&transpose::<LEVEL>(&block));
                }
            }
        }
        Matrix::Panels(..) | Matrix::TransposedPanels(..) => unreachable!("multiply has asked"),
    }
}

/// 16 pairs of row i of a matrix in panels of `tall` rows: numbers p .. p + 32 from one panel and the next, of which `count`
/// exist.
#[inline(always)]
fn along_panels<const LEVEL: u8>(data: &[f32], tall: usize, i: usize, p: usize, count: usize) -> Pairs {
    let at = p * tall + i * PANEL;
    let left: [f32; PANEL] = numbers(data, at, count);
    let right: [f32; PANEL] = numbers(data, at + tall * PANEL, count.saturating_sub(PANEL));
    along::<LEVEL>(&left, &right)
}

/// Packs columns `columns` of b, indices `range`, into panels (pairs, 16), both filled up with zeros.
#[inline(always)]
pub(super) fn b<const LEVEL: u8>(b: &Matrix, range: Range<usize>, columns: Range<usize>, packed: &mut [u32]) {
    let pairs = range.len().next_multiple_of(PAIRED) / 2;
    if pairs == 0 {
        return;
    }
    let (packed, _) = packed.as_chunks_mut::<PANEL>();
    for (panel, j) in packed.chunks_exact_mut(pairs).zip(columns.clone().step_by(PANEL)) {
        match *b {
            // A panel's padding is taken as it is: the sums of these columns are stored nowhere.
            Matrix::Panels(data, height) => {
                lines::<LEVEL>(&data[j * height..], PANEL, range.clone(), 0..PANEL, panel);
            }
            Matrix::Rows(data, width) => {
                lines::<LEVEL>(data, width, range.clone(), j..columns.end, panel);
            }
            Matrix::TransposedPanels(data, height) => {
                turned::<LEVEL>(range.clone(), j..columns.end, panel, |j, p| {
                    along_panels::<LEVEL>(data, height, j, p, range.end - p)
                });
            }
            Matrix::Columns(..) => unreachable!("multiply has asked"),
        }
    }
}

/// A panel of b from lines of summed index p.
#[inline(always)]
fn lines<const LEVEL: u8>(
    data: &[f32],
    length: usize,
    range: Range<usize>,
    columns: Range<usize>,
    panel: &mut [Pairs],
) {
    let indices = range.clone().step_by(2);
    let count = indices.len();
    for (to, p) in panel.iter_mut().zip(indices) {
        *to = pair_of_lines::<LEVEL>(data, length, p, range.end, columns.start, columns.end);
    }
    panel[count..].fill([0; PANEL]);
}

/// A panel of b from columns, of which `pairs(j, p)` gives 16 pairs from index p on.
#[inline(always)]
fn turned<const LEVEL: u8>(
    range: Range<usize>,
    columns: Range<usize>,
    panel: &mut [Pairs],
    pairs: impl Fn(usize, usize) -> Pairs,
) {
    for (to, p) in panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(range.step_by(PAIRED)) {
        let mut block = [[0; PANEL]; PANEL];
        for (to, j) in block.iter_mut().zip(columns.clone()) {
            *to = pairs(j, p);
        }
        *to = transpose::<LEVEL>(&block);
    }
}

/// Pairs of lines p and p + 1 of numbers that lie line by line, 16 of each from `first` on; 0 beyond `lines` and `end`.
#[inline(always)]
fn pair_of_lines<const LEVEL: u8>(
    data: &[f32],
    length: usize,
    p: usize,
    lines: usize,
    first: usize,
    end: usize,
) -> Pairs {
    let line = |p: usize| numbers(data, p * length + first, if p < lines { end - first } else { 0 });
    across::<LEVEL>(&line(p), &line(p + 1))
}

/// The same by AVX-512 and AVX512-BF16. The conversion takes subnormal numbers for 0.
#[cfg(target_arch = "x86_64")]
mod native {
    use super::{PANEL, Pairs};
    use std::arch::x86_64::{
        __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_permutexvar_epi16,
        _mm512_storeu_si512,
    };
    use std::mem::transmute;

    /// The place from which each 16-bit number comes when the upper half is interleaved with the lower one.
    static INTERLEAVED: [u16; 32] = {
        let mut from = [0; 32];
        let mut lane = 0;
        while lane < 32 {
            from[lane] = (lane / 2 + lane % 2 * 16) as u16;
            lane += 1;
        }
        from
    };

    /// 32 numbers rounded: `low`, then `high`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn rounded(low: &[f32; PANEL], high: &[f32; PANEL]) -> __m512i {
        // SAFETY: 16 numbers each; 512 bits as 512 bits.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(low.as_ptr()), _mm512_loadu_ps(high.as_ptr()));
            transmute(_mm512_cvtne2ps_pbh(high, low))
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn stored(vector: __m512i) -> Pairs {
        let mut pairs = [0; PANEL];
        // SAFETY: 16 times 32 bits.
        unsafe { _mm512_storeu_si512(pairs.as_mut_ptr().cast(), vector) };
        pairs
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn along(low: &[f32; PANEL], high: &[f32; PANEL]) -> Pairs {
        stored(rounded(low, high))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn across(x: &[f32; PANEL], y: &[f32; PANEL]) -> Pairs {
        // SAFETY: 32 times 16 bits.
        let places = unsafe { _mm512_loadu_si512(INTERLEAVED.as_ptr().cast()) };
        stored(_mm512_permutexvar_epi16(places, rounded(x, y)))
    }
}
