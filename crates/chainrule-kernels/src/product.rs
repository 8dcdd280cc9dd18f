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
//! threads and the place in a tile.

use crate::activation::Nonlinearity;
use crate::dense::PANEL;
use crate::memory;
use crate::pool::{self, Shared};
use crate::simd::{kernel, mul_add};
use pulp::Simd;

/// Summed indices per block: a panel of b of this length and one tile's rows of a stay in the first cache levels.
const INNER: usize = 512;

/// Columns of b that are used at once: with [`INNER`] rows, half a megabyte, which stays in the second cache level.
const COLUMNS: usize = 256;

/// The most terms of a sum that changes c itself ([`Finish::Descend`]): it is complete within one block.
pub const MOST_DESCENDED: usize = INNER;

/// The largest tile: 14 rows of 2 vectors of 16.
const TILE: usize = 14 * 32;

/// Multiply-adds from which another thread pays off (measured: handing over a part costs about half a microsecond).
pub(crate) const PARALLEL_FROM: usize = 1 << 16;

/// A matrix within a slice.
#[derive(Clone, Copy, Debug)]
pub enum Matrix<'a> {
    /// Row after row, each of this many numbers.
    Rows(&'a [f32], usize),
    /// Column after column, each of this many numbers: a matrix by rows, transposed.
    Columns(&'a [f32], usize),
    /// In panels of 16 columns, each of this many rows.
    Panels(&'a [f32], usize),
}

impl Matrix<'_> {
    pub(crate) fn holds(&self, rows: usize, columns: usize) -> bool {
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
        }
    }
}

/// How the result lies, as in [`Matrix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// Row after row, each of this many numbers.
    Rows(usize),
    /// Column after column, each of this many numbers.
    Columns(usize),
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
    /// c = s ⊙ f'(z), where a = f(z) lies as c does; tiny results become 0.
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
/// # Panics
/// If a matrix does not lie within its slice.
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
    let (rows, inner, columns) = sizes;
    assert!(
        rows * columns == 0 || a.holds(rows, inner) && b.holds(inner, columns),
        "multiply: operand too short"
    );
    each_part(sizes, c, lies, start, finish, split, threads, |job| {
        pool::with_scratch(INNER * (COLUMNS + 16) + TILE, |scratch| block(job, a, b, scratch));
    });
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
        Lies::Columns(height) => Matrix::Columns(c, height),
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
    let parts = if rows * inner * columns < PARALLEL_FROM { 1 } else { threads };
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
    pub(crate) rows: std::ops::Range<usize>,
    pub(crate) columns: std::ops::Range<usize>,
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

/// Numbers of one tile row of a: where row 0, index 0 lies, the distances to the next row and the next index, and what is
/// left out after 16 indices.
#[derive(Clone, Copy)]
struct Steps {
    row: usize,
    index: usize,
    jump: usize,
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
    // Sums that are stored by columns are turned round number by number: better once, at their end, than for every block.
    let column_block = match (job.lies, a_whole) {
        (Lies::Columns(_), Matrix::Panels(..)) => {
            (INNER * COLUMNS / job.inner.max(1) / 32 * 32).clamp(128, COLUMNS)
        }
        _ => COLUMNS,
    };
    let inner_block = INNER * COLUMNS / column_block;
    for left in job.columns.clone().step_by(column_block) {
        let right = (left + column_block).min(job.columns.end);
        let mut from = 0;
        loop {
            let to = (from + inner_block).min(job.inner);
            let k = to - from;
            // b as panels: the whole matrix where it lies, or a packed copy of this block.
            let (panels, height) = match b {
                Matrix::Panels(data, height) => (&data[height * left + from * PANEL..], height),
                _ => {
                    pack_b(&b, from..to, left..right, packed);
                    (&*packed, k)
                }
            };
            let mut i = job.rows.start;
            while i < job.rows.end {
                let rows = ROWS.min(job.rows.end - i);
                let (a, steps) = match a_whole {
                    Matrix::Rows(data, width) => {
                        (&data[i * width + from..], Steps { row: width, index: 1, jump: 0 })
                    }
                    Matrix::Panels(data, height) => {
                        let at = height * from + i * PANEL;
                        (
                            &data[at.min(data.len())..],
                            Steps { row: PANEL, index: 1, jump: (height - 1) * PANEL },
                        )
                    }
                    Matrix::Columns(data, height) => {
                        pack_a(data, height, from..to, i, rows, packed_a);
                        (&*packed_a, Steps { row: 1, index: rows, jump: 0 })
                    }
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
                    begin(job, &at, width, tile);
                    if at.last {
                        ask_for_place(job, &at);
                    }
                    if let Matrix::Panels(data, height) = a_whole {
                        // The next rows of a, a share with each tile: they lie where no processor looks ahead.
                        let (tile, tiles) = ((j - left) / width, (right - left).div_ceil(width));
                        let panels = k.div_ceil(PANEL);
                        for panel in panels * tile / tiles..panels * (tile + 1) / tiles {
                            let at = height * (from + panel * PANEL) + (i + rows) * PANEL;
                            memory::prefetch(&data[at.min(data.len())..(at + rows * PANEL).min(data.len())]);
                        }
                    }
                    let b = (&panels[offset.min(panels.len())..], height * PANEL); // none where nothing is summed
                    // SAFETY: a holds `rows` rows with indices from..to at `steps` (checked by `multiply`), or their packed
                    // copy; panels hold k rows for every vector of this tile, and the tile has room for ROWS x width.
                    unsafe {
                        if single {
                            tiles::<S, ROWS, 1>(simd, k, rows, (a, steps), b, tile);
                        } else {
                            tiles::<S, ROWS, VECTORS>(simd, k, rows, (a, steps), b, tile);
                        }
                    }
                    end(simd, job, &at, width, tile);
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

/// A tile's place in c, and whether its sums begin or end with this block.
pub(crate) struct Place {
    pub(crate) i: usize,
    pub(crate) j: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Copies columns `columns` of b, indices `range`, into panels (range, 16), the last one filled up with zeros.
#[inline(always)]
fn pack_b(b: &Matrix, range: std::ops::Range<usize>, columns: std::ops::Range<usize>, packed: &mut [f32]) {
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
fn pack_a(
    data: &[f32],
    height: usize,
    range: std::ops::Range<usize>,
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

impl Job<'_> {
    /// Where c(i, j) lies.
    #[inline(always)]
    fn at(&self, i: usize, j: usize) -> usize {
        match self.lies {
            Lies::Rows(width) => i * width + j,
            Lies::Columns(height) => j * height + i,
            Lies::Panels(height) => j / PANEL * PANEL * height + i * PANEL + j % PANEL,
        }
    }
}

/// Fills the tile with the values that its sums go on from.
#[inline(always)]
pub(crate) fn begin(job: &Job, at: &Place, width: usize, tile: &mut [f32]) {
    for i in 0..at.rows {
        let row = &mut tile[i * width..(i + 1) * width];
        row[at.columns..].fill(0.0); // what lies in panels is stored with its padding
        if !at.first {
            for (piece, sums) in row[..at.columns].chunks_mut(PANEL).enumerate() {
                let j = at.j + piece * PANEL;
                // SAFETY: (i, j..) lies in this thread's block of c, which `each_part` has checked.
                unsafe { resume(job, at.i + i, j, sums) };
            }
            continue;
        }
        match job.start {
            Start::Zero => row.fill(0.0),
            Start::Bias([one]) => row[..at.columns].fill(*one),
            Start::Bias(bias) => row[..at.columns].copy_from_slice(&bias[at.j..at.j + at.columns]),
        }
    }
}

/// Asks for what [`end`] will read and change of c, while the tile is computed.
#[inline(always)]
fn ask_for_place(job: &Job, at: &Place) {
    let (lines, numbers) = match job.lies {
        Lies::Rows(_) => (at.rows, at.columns),
        Lies::Columns(_) => (at.columns, at.rows),
        Lies::Panels(_) => (at.columns.div_ceil(PANEL), at.rows * PANEL),
    };
    for line in 0..lines {
        let offset = match job.lies {
            Lies::Rows(_) => job.at(at.i + line, at.j),
            Lies::Columns(_) => job.at(at.i, at.j + line),
            Lies::Panels(_) => job.at(at.i, at.j + line * PANEL),
        };
        // SAFETY: this line of the tile lies in this thread's block of c.
        memory::prefetch(unsafe { std::slice::from_raw_parts(job.c.get().add(offset), numbers) });
        if let End::TimesDerivative(_, a) = job.finish {
            memory::prefetch(&a[offset..offset + numbers]);
        }
    }
}

/// Reads c(i, j ..) within a panel.
///
/// # Safety
/// They lie in this thread's block of c.
#[inline(always)]
unsafe fn resume(job: &Job, i: usize, j: usize, sums: &mut [f32]) {
    let step = if let Lies::Columns(height) = job.lies { height } else { 1 };
    // SAFETY: the caller's promise; a panel's numbers lie side by side, or a column apart.
    unsafe {
        let c = job.c.get().add(job.at(i, j));
        if let (Ok(sums), 1) = (<&mut [f32; PANEL]>::try_from(&mut *sums), step) {
            *sums = *c.cast::<[f32; PANEL]>(); // of known length: no call
            return;
        }
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum = *c.add(at * step);
        }
    }
}

/// The products of a tile of `rows` rows: whole tiles at once, the last rows in smaller ones.
///
/// # Safety
/// As [`tile`], for `rows` rows.
#[inline(always)]
unsafe fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    k: usize,
    rows: usize,
    (a, steps): (&[f32], Steps),
    (b, panel): (&[f32], usize),
    sums: &mut [f32],
) {
    let width = VECTORS * S::F32_LANES;
    let mut i = 0;
    macro_rules! rows {
        ($n:literal) => {
            while rows - i >= $n {
                // SAFETY: rows i.. of a and of the tile, of which at least as many are left as the callee takes.
                unsafe {
                    let a = a.as_ptr().add(i * steps.row);
                    tile::<S, $n, VECTORS>(simd, k, a, steps, b.as_ptr(), panel, sums.as_mut_ptr().add(i * width));
                }
                i += $n;
            }
        };
    }
    if ROWS >= 14 {
        rows!(14);
        rows!(8);
    }
    if ROWS >= 6 {
        rows!(6);
    }
    rows!(4);
    rows!(2);
    rows!(1);
}

/// The innermost loop: ROWS x VECTORS sums in registers.
///
/// # Safety
/// `a` is readable at `i * steps.row + p * steps.index + p / 16 * steps.jump` for i < ROWS and p < k, `b` for k rows of 16
/// numbers in every panel, `panel` apart, that the vectors lie in, and `sums` for ROWS rows of VECTORS vectors.
#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    k: usize,
    a: *const f32,
    steps: Steps,
    b: *const f32,
    panel: usize,
    sums: *mut f32,
) {
    let lanes = S::F32_LANES;
    let mut acc = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY (all of this function): offsets within the bounds that the caller promises; vectors are read unaligned, and
    // pointers that step beyond the last index are not read.
    unsafe {
        for (i, row) in acc.iter_mut().enumerate() {
            for (v, acc) in row.iter_mut().enumerate() {
                *acc = sums.add((i * VECTORS + v) * lanes).cast::<S::f32s>().read_unaligned();
            }
        }
        let (mut a, mut b, mut left) = (a, b, k);
        while left > 0 {
            let chunk = left.min(if steps.jump == 0 { left } else { PANEL });
            for _ in 0..chunk {
                let mut bs = [simd.splat_f32s(0.0); VECTORS];
                for (v, to) in bs.iter_mut().enumerate() {
                    let offset = v * lanes / PANEL * panel + v * lanes % PANEL;
                    *to = b.add(offset).cast::<S::f32s>().read_unaligned();
                }
                for (i, row) in acc.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*a.add(i * steps.row));
                    for (acc, &b) in row.iter_mut().zip(&bs) {
                        *acc = mul_add(simd, x, b, *acc);
                    }
                }
                a = a.wrapping_add(steps.index);
                b = b.wrapping_add(PANEL);
            }
            a = a.wrapping_add(steps.jump);
            left -= chunk;
        }
        for (i, row) in acc.iter().enumerate() {
            for (v, acc) in row.iter().enumerate() {
                sums.add((i * VECTORS + v) * lanes).cast::<S::f32s>().write_unaligned(*acc);
            }
        }
    }
}

/// Moves a tile's sums to c, by `finish` if they are complete.
#[inline(always)]
pub(crate) fn end<S: Simd>(simd: S, job: &Job, at: &Place, width: usize, tile: &[f32]) {
    let finish = if at.last { job.finish } else { End::Store };
    match job.lies {
        Lies::Rows(_) => {
            for i in 0..at.rows {
                let row = &tile[i * width..i * width + at.columns];
                let offset = job.at(at.i + i, at.j);
                // SAFETY: this row's numbers from column j on lie side by side in this thread's block of c.
                unsafe {
                    match <&[f32; 32]>::try_from(row) {
                        Ok(row) => end_row(simd, job, finish, offset, row), // of known length: copied without a call
                        Err(_) => end_row(simd, job, finish, offset, row),
                    }
                }
            }
        }
        Lies::Panels(_) => {
            let piece = width.min(PANEL);
            for i in 0..at.rows {
                for j in (0..at.columns).step_by(piece) {
                    let row = &tile[i * width + j..i * width + j + piece];
                    // SAFETY: a piece ends within its panel, padding included, which is this thread's.
                    unsafe { end_row(simd, job, finish, job.at(at.i + i, at.j + j), row) };
                }
            }
        }
        Lies::Columns(_) => {
            // All columns first: a vector that is read soon after its numbers were written waits for them.
            let mut turned = [[0.0f32; 32]; 32];
            for (i, row) in tile.chunks_exact(width).take(at.rows).enumerate() {
                for (column, &value) in turned.iter_mut().zip(row) {
                    column[i] = value;
                }
            }
            for (j, column) in turned[..at.columns].iter().enumerate() {
                // SAFETY: this column's numbers from row i on lie side by side in this thread's block of c.
                unsafe { end_row(simd, job, finish, job.at(at.i, at.j + j), &column[..at.rows]) };
            }
        }
    }
}

/// Writes sums that lie side by side to c from `offset` on.
///
/// # Safety
/// `offset .. offset + sums.len()` lies in this thread's block of c.
#[inline(always)]
unsafe fn end_row<S: Simd>(simd: S, job: &Job, finish: End, offset: usize, sums: &[f32]) {
    let n = sums.len();
    // SAFETY: the caller's promise; no other thread touches this block while the call runs.
    let c = unsafe { std::slice::from_raw_parts_mut(job.c.get().add(offset), n) };
    let (sums, sums_tail) = S::as_simd_f32s(sums);
    let (c, c_tail) = S::as_mut_simd_f32s(c);
    match finish {
        End::Store => {
            c.copy_from_slice(sums);
            c_tail.copy_from_slice(sums_tail);
        }
        End::Activate(f, other) => {
            c.copy_from_slice(sums);
            c_tail.copy_from_slice(sums_tail);
            // SAFETY: `a` has the length of c and lies as it does (checked by `multiply`), so this block is this thread's too.
            let a = unsafe { std::slice::from_raw_parts_mut(other.get().add(offset), n) };
            let (a, a_tail) = S::as_mut_simd_f32s(a);
            for (a, &z) in a.iter_mut().zip(sums) {
                *a = f.value(simd, z);
            }
            if !a_tail.is_empty() {
                simd.partial_store_f32s(a_tail, f.value(simd, simd.partial_load_f32s(sums_tail)));
            }
        }
        End::TimesDerivative(f, a) => {
            let (a, a_tail) = S::as_simd_f32s(&a[offset..offset + n]);
            for ((c, &s), &a) in c.iter_mut().zip(sums).zip(a) {
                *c = f.times_derivative(simd, a, s);
            }
            if !a_tail.is_empty() {
                let (a, s) = (simd.partial_load_f32s(a_tail), simd.partial_load_f32s(sums_tail));
                simd.partial_store_f32s(c_tail, f.times_derivative(simd, a, s));
            }
        }
        End::Descend(rate) => {
            let rate = simd.splat_f32s(-rate);
            for (c, &s) in c.iter_mut().zip(sums) {
                *c = mul_add(simd, rate, s, *c);
            }
            if !c_tail.is_empty() {
                let s = simd.partial_load_f32s(sums_tail);
                let old = simd.partial_load_f32s(c_tail);
                simd.partial_store_f32s(c_tail, mul_add(simd, rate, s, old));
            }
        }
    }
}
