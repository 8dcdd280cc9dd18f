//! Copies of operands that do not lie as the innermost loop reads them.

use super::Matrix;
use super::transpose::transpose;
use crate::dense::PANEL;
use crate::memory::prefetch_lines_l2;
use pulp::Simd;
use std::ops::Range;

/// Copies columns `columns` of b, indices `range`, into panels (range, 16), the last one filled up with zeros.
#[inline(always)]
pub(crate) fn pack_b<S: Simd>(
    simd: S,
    b: &Matrix,
    range: Range<usize>,
    columns: Range<usize>,
    packed: &mut [f32],
) {
    let k = range.len();
    match *b {
        // Row by row: b is read in the order in which it lies.
        Matrix::Rows(data, width) => {
            for (at, p) in range.enumerate() {
                let row = &data[p * width + columns.start..p * width + columns.end];
                let (pieces, last) = row.as_chunks::<PANEL>();
                for (panel, piece) in pieces.iter().enumerate() {
                    packed[(panel * k + at) * PANEL..][..PANEL].copy_from_slice(piece);
                }
                if !last.is_empty() {
                    let to = &mut packed[(pieces.len() * k + at) * PANEL..][..PANEL];
                    to[..last.len()].copy_from_slice(last);
                    to[last.len()..].fill(0.0);
                }
            }
        }
        // A panel of b's rows after the other: each is read in the order in which it lies.
        Matrix::TransposedPanels(data, width) => {
            for (at, p) in range.step_by(PANEL).enumerate() {
                let lines = &data[p / PANEL * PANEL * width..];
                for (panel, j) in columns.clone().step_by(PANEL).enumerate() {
                    let from = &lines[j * PANEL..columns.end.min(j + PANEL) * PANEL];
                    let to = panel * k + at * PANEL..panel * k + k.min((at + 1) * PANEL);
                    transpose(simd, (from, PANEL), (&mut packed[to.start * PANEL..to.end * PANEL], PANEL));
                }
            }
        }
        Matrix::Panels(..) => {} // used in place
        Matrix::Columns(..) => unreachable!("multiply has asked"),
    }
}

/// Asks for part number `part` of `parts` of what will be packed next, indices `range` of `columns`: it comes from far away, and
/// turned panels lie where no processor looks ahead.
#[inline(always)]
pub(crate) fn prefetch_b(b: &Matrix, range: Range<usize>, columns: Range<usize>, part: usize, parts: usize) {
    let share = |len: usize| len * part / parts..len * (part + 1) / parts;
    match *b {
        Matrix::Panels(data, height) => {
            let share = share(range.len());
            for left in columns.step_by(PANEL) {
                let at = left * height + (range.start + share.start) * PANEL;
                prefetch_lines_l2(data.as_ptr().wrapping_add(at), share.len());
            }
        }
        Matrix::TransposedPanels(data, width) => {
            let share = share(columns.len());
            for p in range.step_by(PANEL) {
                let at = (p / PANEL * width + columns.start + share.start) * PANEL;
                prefetch_lines_l2(data.as_ptr().wrapping_add(at), share.len());
            }
        }
        Matrix::Rows(data, width) => {
            for p in share(range.len()) {
                let at = (range.start + p) * width + columns.start;
                prefetch_lines_l2(data.as_ptr().wrapping_add(at), columns.len().div_ceil(PANEL));
            }
        }
        Matrix::Columns(..) => {} // never on the right
    }
}

/// Copies `rows` rows from row `i` on of a matrix by columns, indices `range`, into (range, rows).
#[inline(always)]
pub(super) fn pack_a(
    data: &[f32],
    height: usize,
    range: Range<usize>,
    i: usize,
    rows: usize,
    packed: &mut [f32],
) {
    if rows == 14 {
        for (to, p) in packed.as_chunks_mut::<14>().0.iter_mut().zip(range) {
            to.copy_from_slice(&data[p * height + i..][..14]);
        }
        return;
    }
    for (to, p) in packed.chunks_exact_mut(rows).zip(range) {
        to.copy_from_slice(&data[p * height + i..][..rows]);
    }
}
