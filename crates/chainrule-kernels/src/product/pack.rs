//! Copies of operands that do not lie as the innermost loop reads them.

use super::Matrix;
use super::turn::turn;
use crate::dense::PANEL;
use crate::memory::prefetch_lines_nearer;
use pulp::Simd;
use std::ops::Range;

/// Copies columns `columns` of b, indices `range`, into panels (range, 16), the last one filled up with zeros.
#[inline(always)]
pub(super) fn pack_b<S: Simd>(
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
        // A panel of b's rows after the other: each is read in the order in which it lies.
        Matrix::TurnedPanels(data, width) => {
            let (lines, packed) = (data.as_chunks().0, packed.as_chunks_mut().0);
            for (at, p) in range.step_by(PANEL).enumerate() {
                let lines = &lines[p / PANEL * width..];
                for (panel, j) in columns.clone().step_by(PANEL).enumerate() {
                    let to = panel * k + at * PANEL..panel * k + k.min((at + 1) * PANEL);
                    turn(simd, &lines[j..columns.end.min(j + PANEL)], &mut packed[to]);
                }
            }
        }
        Matrix::Panels(..) => {} // used in place
    }
}

/// Asks for part number `part` of `parts` of what [`pack_b`] will read next: turned panels lie where no processor looks ahead.
#[inline(always)]
pub(super) fn ask_for(b: &Matrix, range: Range<usize>, columns: Range<usize>, part: usize, parts: usize) {
    if let Matrix::TurnedPanels(data, width) = *b {
        let (start, end) = (columns.len() * part / parts, columns.len() * (part + 1) / parts);
        for p in range.step_by(PANEL) {
            let at = (p / PANEL * width + columns.start + start) * PANEL;
            prefetch_lines_nearer(data.as_ptr().wrapping_add(at), end - start);
        }
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
