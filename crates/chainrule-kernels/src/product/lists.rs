//! The same sums where much of a is 0, as what a ReLU leaves of activations and of their deltas: each row of a becomes a list of
//! its nonzero numbers, and a multiply-add is made for those alone.
//!
//! ```text
//!                              b: 128 rows of 4 panels, 32 KB: most of them stay in the first cache level
//!   row i of a: (p, value)        +----+----+----+----+
//!                3   0.5  -->   3 | b0 | b1 | b2 | b3 |      acc(v) = value * b_v + acc(v)
//!                7   1.0  -->   7 | b0 | b1 | b2 | b3 |
//!                                 +----+----+----+----+
//! ```
//!
//! A multiply-add reads its row of b, where a tile's keeps it in registers, and takes 1.3 times as long (measured); but at two nonzero
//! numbers in five there are two fifths of them. Sums run in the order of p: their bits are those of the tiles, but for the sign of a
//! sum of 0. Where b is not finite, 0 times b is NaN, and tiles compute that.

use super::pack::{pack_b, prefetch_b};
use super::transpose::transpose;
use super::{End, Job, MOST_DESCENDED, Matrix, Place, Sums, begin, end, next_block};
use crate::dense::PANEL;
use crate::memory::prefetch_lines;
use crate::panel::{Panel, with_vectors};
use crate::simd::{self, Level, all_finite, kernel};
use crate::sparse::{Entries, add_entry};
use pulp::Simd;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of b that are used at once: four panels of them are 32 KB.
const DEPTH: usize = 128;

/// Panels side by side: as many chains of multiply-adds overlap.
const WIDE: usize = 4;

/// Columns of c from which rows of a are looked at for zeros.
pub const LISTS_FROM: usize = WIDE * PANEL;

/// Rows of c that are begun and ended together.
const TILE_ROWS: usize = 16;

/// Numbers of a that are listed at once; memory is touched as far as lists reach.
const LISTED: usize = 1 << 19;

/// Lists that are made at once.
const LISTS: usize = 1 << 13;

/// Summed indices up to which lists are used: more rows of b than these would be read, or packed, for too few rows of a at once.
const MOST_INNER: usize = 1 << 12;
const _: () = assert!(LISTED / MOST_INNER >= 128 && LISTS / MOST_INNER.div_ceil(DEPTH) >= 128);

/// Rows of a from which lists pay off (measured): b is looked through for them all.
const ROWS_FROM: usize = 24;

/// The share of nonzero numbers up to which lists are faster than tiles (measured), in hundredths.
fn most_nonzero() -> usize {
    if Level::current() == Level::Avx2 { 50 } else { 60 }
}

/// How many rows ahead a piece of a is asked for.
const ROWS_AHEAD: usize = 4;

/// Of a, every so many rows are looked at before that is decided.
const LOOK: usize = 8;

/// Numbers of scratch memory for [`block`].
pub(super) const SCRATCH: usize = MOST_DESCENDED * (WIDE + 1) * PANEL + (TILE_ROWS + 1) * WIDE * PANEL;

thread_local! {
    /// Kept between products, so that a step does not allocate.
    static LISTS_OF_THREAD: RefCell<Entries> =
        RefCell::new(Entries::with_capacity(LISTS, LISTED));
}

/// Whether lists are faster for a product of these sizes: enough of a is 0, and there is something to gain. Asked once for all
/// threads, so that the signs of sums of 0 do not depend on them.
pub(super) fn pay((rows, inner, columns): (usize, usize, usize), a: Matrix) -> bool {
    if rows < ROWS_FROM || columns < LISTS_FROM || !(1..=MOST_INNER).contains(&inner) {
        return false;
    }
    let (data, width, lines, numbers) = match a {
        Matrix::Rows(data, width) => (data, width, rows, inner),
        Matrix::Columns(data, height) => (data, height, inner, rows),
        Matrix::Panels(..) | Matrix::TransposedPanels(..) => unreachable!("multiply has asked"),
    };
    simd::vectorized(
        #[inline(always)]
        || {
            let (mut looked, mut nonzero) = (0, 0);
            for line in (0..lines).step_by(LOOK) {
                let line = &data[line * width..line * width + numbers];
                nonzero += line.iter().map(|&number| u32::from(number != 0.0)).sum::<u32>() as usize;
                looked += numbers;
            }
            nonzero * 100 <= looked * most_nonzero()
        },
    )
}

/// Whether all numbers of b that this block of c needs are finite: 0 times another is NaN.
pub(super) fn finite(job: &Job, b: Matrix) -> bool {
    let Range { start, end } = job.columns;
    match b {
        Matrix::Rows(data, width) => {
            (0..job.inner).all(|p| all_finite(&data[p * width + start..p * width + end]))
        }
        Matrix::Panels(data, height) => {
            (start..end).step_by(PANEL).all(|j| all_finite(&data[j * height..][..job.inner * PANEL]))
        }
        Matrix::TransposedPanels(data, width) => (0..job.inner)
            .step_by(PANEL)
            .all(|p| all_finite(&data[p * width + start * PANEL..p * width + end * PANEL])),
        Matrix::Columns(..) => unreachable!("multiply has asked"),
    }
}

/// This block of c.
pub(super) fn block(job: Job, a: Matrix, b: Matrix, scratch: &mut [f32]) {
    LISTS_OF_THREAD.with_borrow_mut(|lists| from_lists(job, a, b, lists, scratch));
}

kernel! {
    fn from_lists<'a>(simd, job: Job<'a>, a: Matrix<'a>, b: Matrix<'a>, lists: &'a mut Entries, scratch: &'a mut [f32]) {
        with_vectors!(S, V, { blocks::<S, V>(simd, &job, a, b, lists, scratch) });
    }
}

#[inline(always)]
fn blocks<S: Simd, const V: usize>(
    simd: S,
    job: &Job,
    a: Matrix,
    b: Matrix,
    lists: &mut Entries,
    scratch: &mut [f32],
) {
    // What changes c itself is complete within one piece.
    let depth = if matches!(job.finish, End::Descend(_)) { job.inner } else { DEPTH };
    let rows_at_once = (LISTED / job.inner).min(LISTS / job.inner.div_ceil(depth)) / TILE_ROWS * TILE_ROWS;
    let (packed, rest) = scratch.split_at_mut(MOST_DESCENDED * WIDE * PANEL);
    let (tile, strip) = rest.split_at_mut((TILE_ROWS + 1) * WIDE * PANEL);
    let mut top = job.rows.start;
    while top < job.rows.end {
        let rows = top..(top + rows_at_once).min(job.rows.end);
        fill(simd, a, rows.clone(), job.inner, depth, lists, strip);
        for left in job.columns.clone().step_by(WIDE * PANEL) {
            let right = (left + WIDE * PANEL).min(job.columns.end);
            for from in (0..job.inner).step_by(depth) {
                let to = (from + depth).min(job.inner);
                let next = next_block(job, to, left..right, depth, WIDE * PANEL);
                let (panels, height) = match b {
                    Matrix::Panels(data, height) => (&data[height * left + from * PANEL..], height),
                    _ => {
                        pack_b(simd, &b, from..to, left..right, packed);
                        (&*packed, to - from)
                    }
                };
                let width = (right - left).next_multiple_of(PANEL);
                let tiles = rows.len().div_ceil(TILE_ROWS);
                for (number, i) in rows.clone().step_by(TILE_ROWS).enumerate() {
                    prefetch_b(&b, next.0.clone(), next.1.clone(), number, tiles);
                    let at = Place {
                        i,
                        j: left,
                        rows: TILE_ROWS.min(rows.end - i),
                        columns: right - left,
                        first: from == 0,
                        last: to == job.inner,
                    };
                    let first = from / depth * rows.len() + i - rows.start;
                    let sums = begin(job, &at, width, tile, true);
                    let b = (panels.as_ptr(), height * PANEL);
                    // SAFETY: `fill` has listed these rows, at places below `to - from`; the panels have as many rows: b's own,
                    // which `multiply` has checked, or those that were packed. `begin` has found room for the sums.
                    unsafe {
                        match width / PANEL {
                            4 => add_lists::<S, V, 4>(simd, lists, first, at.rows, b, sums),
                            3 => add_lists::<S, V, 3>(simd, lists, first, at.rows, b, sums),
                            2 => add_lists::<S, V, 2>(simd, lists, first, at.rows, b, sums),
                            _ => add_lists::<S, V, 1>(simd, lists, first, at.rows, b, sums),
                        }
                    }
                    end(simd, job, &at, width, tile, true);
                }
            }
        }
        top = rows.end;
    }
}

/// Lists the nonzero numbers of `rows`, in pieces of `depth` indices.
#[inline(always)]
fn fill<S: Simd>(
    simd: S,
    a: Matrix,
    rows: Range<usize>,
    inner: usize,
    depth: usize,
    lists: &mut Entries,
    strip: &mut [f32],
) {
    lists.clear();
    let pieces = (0..inner).step_by(depth).map(|from| from..(from + depth).min(inner));
    match a {
        Matrix::Rows(data, width) => {
            for piece in pieces {
                for i in rows.clone() {
                    let at = i * width + piece.start;
                    // Pieces of rows that follow each other lie apart: no processor looks ahead.
                    prefetch_lines(
                        data.as_ptr().wrapping_add(at + ROWS_AHEAD * width),
                        piece.len().div_ceil(PANEL),
                    );
                    lists.add(&data[at..at + piece.len()]);
                }
            }
        }
        Matrix::Columns(data, height) => {
            for piece in pieces {
                let apart = piece.len().next_multiple_of(PANEL);
                let part = &data[piece.start * height..data.len().min(piece.end * height)];
                for left in rows.clone().step_by(PANEL) {
                    let right = rows.end.min(left + PANEL);
                    for p in piece.clone() {
                        prefetch_lines(data.as_ptr().wrapping_add(p * height + right), 1);
                    }
                    turn(simd, (part, height), left..right, strip, apart);
                    for row in strip.chunks_exact(apart).take(right - left) {
                        lists.add(&row[..piece.len()]);
                    }
                }
            }
        }
        Matrix::Panels(..) | Matrix::TransposedPanels(..) => unreachable!("multiply has asked"),
    }
}

/// Copies up to 16 columns of some rows into rows that begin `apart` numbers apart.
#[inline(always)]
fn turn<S: Simd>(
    simd: S,
    (rows, width): (&[f32], usize),
    columns: Range<usize>,
    strip: &mut [f32],
    apart: usize,
) {
    if columns.len() < PANEL {
        for (p, row) in rows.chunks(width).enumerate() {
            for (i, &number) in row[columns.clone()].iter().enumerate() {
                strip[i * apart + p] = number;
            }
        }
        return;
    }
    for (at, sixteen) in rows.chunks(PANEL * width).enumerate() {
        transpose(simd, (&sixteen[columns.start..], width), (&mut strip[at * PANEL..PANEL * apart], apart));
    }
}

/// sums += a b for `rows` lists from number `first` on, and P panels that lie `panel` numbers apart.
///
/// # Safety
/// Each panel has a row for every place in these lists, and the sums have so many rows of P times 16 numbers.
#[inline(always)]
unsafe fn add_lists<S: Simd, const V: usize, const P: usize>(
    simd: S,
    lists: &Entries,
    first: usize,
    rows: usize,
    (b, panel): (*const f32, usize),
    sums: Sums,
) {
    let panels: [_; P] = std::array::from_fn(|p| b.wrapping_add(p * panel));
    for i in 0..rows {
        let mut acc: [Panel<S, V>; P] = [[simd.splat_f32s(0.0); V]; P];
        // SAFETY (all): the caller's promise.
        unsafe {
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    *acc = sums.read::<S>(i, p * V + v);
                }
            }
            for &entry in lists.list(first + i) {
                add_entry(simd, entry, panels, &mut acc);
            }
            for (p, acc) in acc.iter().enumerate() {
                for (v, acc) in acc.iter().enumerate() {
                    sums.write::<S>(i, p * V + v, *acc);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 24 rows, 64 columns and 10 numbers summed, half of them 0, and beside that.
    #[test]
    fn pay_where_enough_is_0() {
        let numbers: Vec<f32> = (0..6400).map(|at| f32::from(at % 2 == 0)).collect();
        let pays = |rows, inner, columns, (by_row, by_column): (usize, usize)| {
            let sizes = (rows, inner, columns);
            let of = |matrix| pay(sizes, matrix);
            assert_eq!(of(Matrix::Rows(&numbers, by_row)), of(Matrix::Columns(&numbers, by_column)));
            of(Matrix::Rows(&numbers, by_row))
        };
        assert!(pays(24, 10, 64, (11, 25)) && pays(25, 7, 100, (9, 27)));
        assert!(!pays(23, 10, 64, (11, 25)) && !pays(24, 10, 63, (11, 25)) && !pays(24, 0, 64, (11, 25)));
        let full = vec![1.0; 6400];
        assert!(!pay((24, 10, 64), Matrix::Rows(&full, 10)) && !pay((0, 10, 64), Matrix::Rows(&[], 10)));
    }
}
