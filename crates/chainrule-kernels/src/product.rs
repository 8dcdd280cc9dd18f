//! The product c = a b of f32 matrices, packed, tiled and split over threads, with what follows it done in passing.
//!
//! Letters: `a (rows, inner)`, `b (inner, columns)`, `c (rows, columns)`. Weights lie in *panels* of 16 units, which is how the
//! innermost loop reads b: they are used in place. What lies otherwise is copied into panels, block by block. One tile of c
//! lives in registers while the summed index p runs:
//!
//! ```text
//!                  b: panels (inner, 16)                     AVX-512: 14 rows x 2 vectors of 16
//!                 +----+----+                                NEON:    14 rows x 2 vectors of 4
//!               p | b0 | b1 |   2 loads                      AVX2:     6 rows x 2 vectors of 8
//!                 +----+----+                                portable: 4 rows x 2 vectors of 4
//!   a      p
//!   +-----+  .   +----+----+
//! i | a_i |      | acc(i)  |   acc(i, v) = a_i * b_v + acc(i, v)
//!   +-----+      +----+----+
//! ```
//!
//! Every c(i, j) is one chain of fused multiply-adds in the order of p, from its start value on, whatever the blocks, the
//! threads and the place in a tile. Where much of a is 0, the zeros are left out (`product/lists.rs`).

mod finish;
mod lists;
mod pack;
mod tile;
mod transpose;

use crate::activation::Nonlinearity;
use crate::dense::PANEL;
use crate::memory;
use crate::pool::{self, Shared};
use crate::simd::kernel;
use pack::pack_a;
use pulp::Simd;
use std::ops::Range;
use tile::{Steps, tiles};

pub use lists::LISTS_FROM;

pub(crate) use finish::{begin, end, prefetch_place};
pub(crate) use pack::{pack_b, prefetch_b};
pub(crate) use tile::{Lie, Sums};
#[cfg(target_arch = "x86_64")]
pub(crate) use transpose::transpose_vectors;

/// Summed indices per block: a panel of b of this length and one tile's rows of a stay in the first cache levels.
const INNER: usize = 512;

/// Columns of b that are used at once, or more if they are shorter than a block: with [`INNER`] rows, half a megabyte, which stays in
/// the second cache level.
const COLUMNS: usize = 256;

/// The most terms of a sum that changes c itself ([`Finish::Descend`]): it is complete within one block.
pub const MOST_DESCENDED: usize = INNER;

/// The largest tile: 14 rows of 2 vectors of 16; and a row that they start from.
const TILE: usize = 15 * 32;

/// Numbers of scratch memory, for tiles or lists.
const SCRATCH: usize = INNER * (COLUMNS + 16) + TILE;
const _: () = assert!(SCRATCH >= lists::SCRATCH);

/// Multiply-adds, those of [`STORED`] included, from which another thread pays off (measured where cores are far apart: handing
/// over a part, and the numbers it needs, costs some microseconds).
pub(crate) const PARALLEL_FROM: usize = 1 << 19;

/// Multiply-adds that take about as long as what is done once for each number of c (measured).
const STORED: usize = 16;

/// A matrix within a slice.
#[derive(Clone, Copy, Debug)]
pub enum Matrix<'a> {
    /// Row after row, each of this many numbers.
    Rows(&'a [f32], usize),
    /// Column after column, each of this many numbers: a matrix by rows, transposed.
    Columns(&'a [f32], usize),
    /// In panels of 16 columns, each of this many rows.
    Panels(&'a [f32], usize),
    /// In panels of 16 rows, each of this many columns: panels, transposed.
    TransposedPanels(&'a [f32], usize),
}

impl Matrix<'_> {
    fn holds(&self, rows: usize, columns: usize) -> bool {
        match *self {
            Self::Rows(data, width) => {
                columns <= width && (rows * width).saturating_sub(width - columns) <= data.len()
            }
            Self::Columns(data, height) => {
                rows <= height && (columns * height).saturating_sub(height - rows) <= data.len()
            }
            Self::Panels(data, height) => {
                rows <= height && height * columns.next_multiple_of(PANEL) <= data.len()
            }
            Self::TransposedPanels(data, width) => Matrix::Panels(data, width).holds(columns, rows),
        }
    }
}

/// How the result lies, as in [`Matrix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// Row after row, each of this many numbers.
    Rows(usize),
    /// In panels of 16 columns, each of this many rows; padding may be written, as for sums of 0.
    Panels(usize),
}

/// Where each sum starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At 0.
    Zero,
    /// At one number per column, or one for all.
    Bias(&'a [f32]),
}

/// What is done with the finished sums s(i, j) of a tile, while it is in the first cache level.
#[derive(Debug)]
pub enum Finish<'a> {
    /// c = s
    Store,
    /// c = s, and `a` = f(s), which lies as c does.
    Activate(Nonlinearity, &'a mut [f32]),
    /// c = s ⊙ f'(z), where a = f(z), or z where f needs it, lies as c does; tiny results become 0.
    TimesDerivative(Nonlinearity, &'a [f32]),
    /// c = c - rate s: a step of gradient descent on c.
    Descend(f32),
}

/// Which axis of c is split over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Blocks of rows.
    Rows,
    /// Blocks of columns: each thread then owns the same columns of b in every product with these sizes.
    Columns,
}

/// c = start + a b, then `finish`; `sizes` are (rows, inner, columns). With [`Finish::Descend`] c is also read, and what it
/// sums must be at most [`MOST_DESCENDED`] terms.
///
/// Where two fifths of a or more are 0, they are left out: the same bits, but for the sign of a sum of 0.
///
/// # Panics
/// If a matrix does not lie within its slice, a lies in panels, or b by columns.
#[allow(clippy::too_many_arguments)] // three matrices, their sizes, and what to do
pub fn multiply(
    sizes: (usize, usize, usize),
    a: Matrix,
    b: Matrix,
    c: &mut [f32],
    lies: Lies,
    start: Start,
    finish: Finish,
    split: Split,
    threads: usize,
) {
    assert!(
        sizes.0 * sizes.2 == 0 || hold(sizes, a, b),
        "multiply: operand too short, or not as it should lie"
    );
    let lists_pay = lists::pay(sizes, a);
    each_part(sizes, c, lies, start, finish, split, threads, |job| {
        memory::with_scratch(SCRATCH, |scratch| {
            if lists_pay && lists::finite(&job, b) {
                lists::block(job, a, b, scratch);
            } else {
                block(job, a, b, scratch);
            }
        });
    });
}

/// Whether a and b hold the operands of a product of these sizes: a by rows or columns, b by rows or in panels.
pub(crate) fn hold((rows, inner, columns): (usize, usize, usize), a: Matrix, b: Matrix) -> bool {
    matches!(a, Matrix::Rows(..) | Matrix::Columns(..))
        && !matches!(b, Matrix::Columns(..))
        && a.holds(rows, inner)
        && b.holds(inner, columns)
}

/// Checks the result of a product and calls `compute` for each thread's block of it. The arguments are [`multiply`]'s.
#[allow(clippy::too_many_arguments)] // as above
pub(crate) fn each_part(
    sizes: (usize, usize, usize),
    c: &mut [f32],
    lies: Lies,
    start: Start,
    mut finish: Finish,
    split: Split,
    threads: usize,
    compute: impl Fn(Job) + Sync,
) {
    let (rows, inner, columns) = sizes;
    if rows * columns == 0 {
        return;
    }
    let c_matrix = match lies {
        Lies::Rows(width) => Matrix::Rows(c, width),
        Lies::Panels(height) => Matrix::Panels(c, height),
    };
    assert!(c_matrix.holds(rows, columns), "multiply: result too short");
    let other = match &finish {
        Finish::Activate(_, other) => other.len(),
        Finish::TimesDerivative(_, other) => other.len(),
        Finish::Store | Finish::Descend(_) => c.len(),
    };
    assert_eq!(other, c.len(), "multiply: activations of another length");
    if let Start::Bias(bias) = start {
        assert!(bias.len() == 1 || bias.len() == columns, "multiply: bias of another length");
    }
    let finish = match &mut finish {
        Finish::Store => End::Store,
        Finish::Activate(f, a) => End::Activate(*f, Shared::new(a)),
        Finish::TimesDerivative(f, a) => End::TimesDerivative(*f, a),
        Finish::Descend(rate) => {
            assert!(inner <= MOST_DESCENDED, "multiply: a sum must be complete before it changes c");
            End::Descend(*rate)
        }
    };
    // A part without work would be the caller's: it would wait for the others.
    let most = match split {
        Split::Rows => rows.div_ceil(2),
        Split::Columns => columns.div_ceil(PANEL),
    };
    let parts = if (rows * columns).saturating_mul(inner + STORED) < PARALLEL_FROM {
        1
    } else {
        threads.clamp(1, most.min(pool::MAX_PARTS))
    };
    let c = Shared::new(c);
    pool::run(parts, |part| {
        let (part_rows, part_columns) = match split {
            Split::Rows => (pool::share(rows, 2, part, parts), 0..columns),
            Split::Columns => (0..rows, pool::share(columns, PANEL, part, parts)),
        };
        if part_rows.is_empty() || part_columns.is_empty() {
            return;
        }
        compute(Job { rows: part_rows, columns: part_columns, inner, c, lies, start, finish });
    });
}

/// [`Finish`] as the threads share it.
#[derive(Clone, Copy)]
enum End<'a> {
    Store,
    Activate(Nonlinearity, Shared<f32>),
    TimesDerivative(Nonlinearity, &'a [f32]),
    Descend(f32),
}

/// One thread's block of c.
pub(crate) struct Job<'a> {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) inner: usize,
    c: Shared<f32>,
    lies: Lies,
    start: Start<'a>,
    finish: End<'a>,
}

kernel! {
    fn block<'a>(simd, job: Job<'a>, a: Matrix<'a>, b: Matrix<'a>, scratch: &'a mut [f32]) {
        // The tile that this level's registers hold beside the operands.
        if S::REGISTER_COUNT >= 32 {
            blocks::<S, 14, 2>(simd, &job, a, b, scratch);
        } else if S::F32_LANES == 8 {
            blocks::<S, 6, 2>(simd, &job, a, b, scratch);
        } else {
            blocks::<S, 4, 2>(simd, &job, a, b, scratch);
        }
    }
}

#[inline(always)]
fn blocks<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    job: &Job,
    a_whole: Matrix,
    b: Matrix,
    scratch: &mut [f32],
) {
    let width = VECTORS * S::F32_LANES;
    let (packed, rest) = scratch.split_at_mut(INNER * COLUMNS);
    let (packed_a, tile) = rest.split_at_mut(INNER * 16);
    // Where the next block is asked for while this one is used, both share the room. Panels in place need no asking.
    let ahead = matches!(b, Matrix::TransposedPanels(..));
    let block = COLUMNS * (INNER / job.inner.clamp(1, INNER)) / if ahead { 2 } else { 1 };
    for left in job.columns.clone().step_by(block) {
        let right = (left + block).min(job.columns.end);
        let mut from = 0;
        loop {
            let to = (from + INNER).min(job.inner);
            let k = to - from;
            // b as panels: the whole matrix where it lies, or a packed copy of this block.
            let (panels, height) = match b {
                Matrix::Panels(data, height) => (&data[height * left + from * PANEL..], height),
                _ => {
                    pack_b(simd, &b, from..to, left..right, packed);
                    (&*packed, k)
                }
            };
            let next = next_block(job, to, left..right, INNER, block);
            let (mut tile_number, tiles_of_block) =
                (0, job.rows.len().div_ceil(ROWS) * (right - left).div_ceil(width));
            let mut i = job.rows.start;
            while i < job.rows.end {
                let rows = ROWS.min(job.rows.end - i);
                let (a, steps) = match a_whole {
                    Matrix::Rows(data, width) => (&data[i * width + from..], Steps { row: width, index: 1 }),
                    Matrix::Columns(data, height) => {
                        pack_a(data, height, from..to, i, rows, packed_a);
                        (&*packed_a, Steps { row: 1, index: rows })
                    }
                    Matrix::Panels(..) | Matrix::TransposedPanels(..) => unreachable!("multiply has asked"),
                };
                let mut j = left;
                while j < right {
                    // A last single panel: there is none beside it for the second vector.
                    let single = width > PANEL && right - j <= PANEL;
                    let width = if single { PANEL } else { width };
                    let offset = (j - left) / PANEL * PANEL * height + (j - left) % PANEL;
                    let at = Place {
                        i,
                        j,
                        rows,
                        columns: width.min(right - j),
                        first: from == 0,
                        last: to == job.inner,
                    };
                    let sums = begin(job, &at, width, tile, true);
                    if at.last {
                        prefetch_place(job, &at);
                    }
                    if ahead {
                        prefetch_b(&b, next.0.clone(), next.1.clone(), tile_number, tiles_of_block);
                        tile_number += 1;
                    }
                    let b = (&panels[offset.min(panels.len())..], height * PANEL); // none where nothing is summed
                    // SAFETY: a holds `rows` rows with indices from..to at `steps` (checked by `multiply`), or their packed
                    // copy; panels hold k rows for every vector of this tile, and `begin` has found room for its sums.
                    unsafe {
                        if single {
                            tiles::<S, ROWS, 1>(simd, k, rows, (a, steps), b, sums);
                        } else {
                            tiles::<S, ROWS, VECTORS>(simd, k, rows, (a, steps), b, sums);
                        }
                    }
                    end(simd, job, &at, width, tile, true);
                    j += width;
                }
                i += rows;
            }
            from = to;
            if from >= job.inner {
                break;
            }
        }
    }
}

/// The indices and columns of the block of b after the one that ends with index `to`: of the same columns, or else of the next `width`.
#[inline(always)]
fn next_block(
    job: &Job,
    to: usize,
    columns: Range<usize>,
    depth: usize,
    width: usize,
) -> (Range<usize>, Range<usize>) {
    let (from, left) = if to == job.inner { (0, columns.end) } else { (to, columns.start) };
    (from..(from + depth).min(job.inner), left..(left + width).min(job.columns.end))
}

/// A tile's place in c, and whether its sums begin or end with this block.
pub(crate) struct Place {
    pub(crate) i: usize,
    pub(crate) j: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) first: bool,
    pub(crate) last: bool,
}
