//! Copies of operands that do not lie as the innermost loop reads them.

use super::Matrix;
use crate::dense::PANEL;
use std::ops::Range;

/// Copies columns `columns` of b, indices `range`, into panels (range, 16), the last one filled up with zeros.
#[inline(always)]
pub(super) fn pack_b(b: &Matrix, range: Range<usize>, columns: Range<usize>, packed: &mut [f32]) {
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
        Matrix::Columns(data, height) => {
            for (panel, j) in columns.clone().step_by(PANEL).enumerate() {
                let panel = &mut packed[panel * k * PANEL..(panel + 1) * k * PANEL];
                let n = PANEL.min(columns.end - j);
                if n < PANEL {
                    panel.fill(0.0);
                }
                for lane in 0..n {
                    let column = &data[(j + lane) * height..][range.clone()];
                    for (row, &value) in panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(column) {
                        row[lane] = value;
                    }
                }
            }
        }
        Matrix::Panels(..) => {} // used in place
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
