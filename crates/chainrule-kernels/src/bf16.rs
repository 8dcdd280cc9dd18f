//! The products of a dense layer with operands rounded to bf16 and f32 sums, for training and inference with `--dtype bf16`.
//!
//! Weights, activations and deltas stay f32 in memory. What a product reads is rounded to bf16 (the upper half of an f32, to
//! nearest even; NaN stays NaN) while it is packed; sums, bias, nonlinearity and update are f32, as in [`crate::dense`].
//!
//! A *pair* is two bf16 numbers with neighbouring summed indices p, the even one in the lower half of a u32: what the
//! instructions multiply at once. Both operands are packed into panels of 16 pairs, 64 bytes, which serve all of them:
//!
//! ```text
//!           a: panels (rows, 16 pairs)               b: panels (pairs, 16 columns)
//!           pairs 0-15       pairs 16-31               columns 0-15     columns 16-31
//!   row 0  [a(0, 0..32)]    [a(0, 32..64)]    pair 0  [b(0..2, 0-15)]  [b(0..2, 16-31)]
//!   row 1  [a(1, 0..32)]    …                 pair 1  [b(2..4, 0-15)]  …
//!
//!   c(i, j) = b(odd, j) a(i, odd) + c(i, j), then the even ones, for each pair      14 rows x 2 vectors (dot.rs)
//!   c tile (16, 16) += a tile (16 rows, 16 pairs) b tile (16 pairs, 16 columns)      2 x 2 tiles (amx.rs)
//! ```
//!
//! For a block of rows and of the summed index, a is packed once; then b, 32 columns at a time. Inference packs its weights once for
//! all calls, and activations as soon as they are computed (`stack.rs`).
//!
//! **Bits.** They do not depend on the number of threads. A product of two bf16 numbers is exact in f32, so that fusing it with
//! the addition changes nothing: AVX512-BF16 and its emulation give the same bits on every CPU, except that the
//! instruction takes subnormal numbers and sums for 0. AMX sums even and odd indices apart and differs within rounding.

mod dot;
mod level;
mod pack;
mod stack;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;

pub use level::{Bf16Level, ENVIRONMENT, level, set};
pub use pack::round;
pub use stack::{Buffers, Stack};

use crate::activation::Nonlinearity;
use crate::dense::{Dims, Into, PANEL};
use crate::memory;
use crate::product::{self, Finish, Job, Lies, MOST_DESCENDED, Matrix, Place, Split, Start};
use crate::simd::kernel;
use pulp::Simd;

/// Summed indices of a block: 32 packed columns of b take 32 KiB, and sums that change c are complete within one.
const INNER: usize = MOST_DESCENDED;

/// Rows of a block: packed, 448 KiB of a, which stays in the second cache level. Whole tiles of 14 and of 32 rows.
const ROWS: usize = 14 * 32;

/// Columns that are packed at once.
const STRIP: usize = 2 * PANEL;

/// Numbers of a row of a panel of a: 16 pairs.
const PAIRED: usize = 2 * PANEL;

/// The largest tile: 32 rows of 32 columns; and a row that they start from.
const TILE: usize = 33 * STRIP;

/// z = x w + b and a = f(z), as [`crate::dense::forward`]; x and w are rounded to bf16.
///
/// # Panics
/// If a slice is shorter than its shape, or the bias has another length.
#[allow(clippy::too_many_arguments)] // as in f32
pub fn forward(
    d: Dims,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    f: Option<Nonlinearity>,
    z: &mut [f32],
    a: &mut [f32],
    threads: usize,
) {
    let start = if bias.is_empty() { Start::Zero } else { Start::Bias(bias) };
    let finish = Finish::Activate(f.unwrap_or(Nonlinearity::Identity), &mut a[..d.n * d.m]);
    let (x, w) = (Matrix::Rows(x, d.k), Matrix::Panels(w, d.k));
    let (sizes, z, lies) = ((d.n, d.k, d.m), &mut z[..d.n * d.m], Lies::Rows(d.m));
    multiply(level(), sizes, x, w, z, lies, start, finish, split(d.n, d.m, threads), threads);
}

/// dx = delta w^T, with `below` = (f, a) times f'(z), as [`crate::dense::input_gradient`]; delta and w are rounded to bf16.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn input_gradient(
    d: Dims,
    delta: &[f32],
    w: &[f32],
    below: Option<(Nonlinearity, &[f32])>,
    dx: &mut [f32],
    threads: usize,
) {
    let finish = below.map_or(Finish::Store, |(f, a)| Finish::TimesDerivative(f, &a[..d.n * d.k]));
    let (delta, w) = (Matrix::Rows(delta, d.m), Matrix::TransposedPanels(w, d.k));
    let (sizes, dx, lies) = ((d.n, d.m, d.k), &mut dx[..d.n * d.k], Lies::Rows(d.k));
    multiply(level(), sizes, delta, w, dx, lies, Start::Zero, finish, split(d.n, d.k, threads), threads);
}

/// dw = x^T delta, or with [`Into::Descent`] w = w - rate dw, as [`crate::dense::weight_gradient`]; x and delta are rounded to
/// bf16, the weights are not.
///
/// # Panics
/// If a slice is shorter than its shape, or a batch of more than [`crate::dense::LARGEST_DESCENT`] samples is to update weights.
pub fn weight_gradient(d: Dims, x: &[f32], delta: &[f32], into: Into, dw: &mut [f32], threads: usize) {
    let finish = match into {
        Into::Gradient => Finish::Store,
        Into::Descent(rate) => Finish::Descend(rate as f32),
    };
    let (x, delta) = (Matrix::Columns(x, d.k), Matrix::Rows(delta, d.m));
    let (sizes, lies) = ((d.k, d.n, d.m), Lies::Panels(d.k));
    multiply(level(), sizes, x, delta, dw, lies, Start::Zero, finish, split(d.k, d.m, threads), threads);
}

/// Columns where each thread gets a whole strip of them, so that it owns the same weights in every product.
fn split(rows: usize, columns: usize, threads: usize) -> Split {
    if columns >= STRIP * threads || columns >= rows { Split::Columns } else { Split::Rows }
}

/// [`product::multiply`] with operands rounded to bf16, by the instructions of `level`, which this CPU has.
#[allow(clippy::too_many_arguments)] // as there
fn multiply(
    level: Option<Bf16Level>,
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
        sizes.0 * sizes.2 == 0 || product::hold(sizes, a, b),
        "bf16: operand too short, or not as it should lie"
    );
    product::each_part(sizes, c, lies, start, finish, split, threads, |job| {
        memory::with_scratch((ROWS + STRIP) * INNER / 2 + TILE, |scratch| match level {
            None => emulated(job, a, b, scratch),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is used only where `is_available`: the CPU has its instructions, always AVX512-BF16 among them.
            Some(Bf16Level::Avx512Bf16) => unsafe { dot::avx512(job, a, b, scratch) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Some(Bf16Level::Amx) => {
                // SAFETY: as above, and AMX; the tiles are configured until the end of this part.
                unsafe {
                    let _configured = amx::Tiles::configure();
                    dot::amx(job, a, b, scratch);
                }
            }
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            Some(_) => emulated(job, a, b, scratch),
        });
    });
}

kernel! {
    fn emulated<'a>(simd, job: Job<'a>, a: Matrix<'a>, b: Matrix<'a>, scratch: &'a mut [f32]) {
        // The tile that this level's registers hold beside the operands, each of which is unpacked into two.
        if S::REGISTER_COUNT >= 32 {
            blocks::<S, EMULATED, 12>(simd, &job, a, b, scratch);
        } else {
            blocks::<S, EMULATED, 4>(simd, &job, a, b, scratch);
        }
    }
}

/// The instructions that a block is compiled for, as a constant.
const EMULATED: u8 = 0;
#[cfg(target_arch = "x86_64")]
const AVX512: u8 = 1;
const AMX: u8 = 2;

/// One thread's block of c, by tiles of `TALL` rows.
#[inline(always)]
fn blocks<S: Simd, const LEVEL: u8, const TALL: usize>(
    simd: S,
    job: &Job,
    a: Matrix,
    b: Matrix,
    scratch: &mut [f32],
) {
    let (packed, tile) = scratch.split_at_mut((ROWS + STRIP) * INNER / 2);
    // SAFETY: u32 and f32 have the same size and alignment, and every bit pattern is a number of both.
    let packed = unsafe { std::slice::from_raw_parts_mut(packed.as_mut_ptr().cast::<u32>(), packed.len()) };
    let (packed_a, packed_b) = packed.split_at_mut(ROWS * INNER / 2);
    let wide = if LEVEL == AMX { STRIP } else { 2 * S::F32_LANES };
    for top in job.rows.clone().step_by(ROWS) {
        let rows = top..(top + ROWS).min(job.rows.end);
        // Rows of a panel of a: whole tiles.
        let height = rows.len().next_multiple_of(32);
        let mut from = 0;
        loop {
            let to = (from + INNER).min(job.inner);
            // What is packed is filled up with pairs of zeros to whole panels.
            let (pairs, filled) = ((to - from).div_ceil(2), (to - from).next_multiple_of(PAIRED) / 2);
            pack::a::<LEVEL>(&a, rows.clone(), from..to, packed_a, height);
            for left in job.columns.clone().step_by(STRIP) {
                let right = (left + STRIP).min(job.columns.end);
                pack::b::<LEVEL>(&b, from..to, left..right, packed_b);
                let (next, tiles) = (right..(right + STRIP).min(job.columns.end), rows.len().div_ceil(TALL));
                for (number, i) in rows.clone().step_by(TALL).enumerate() {
                    product::prefetch_b(&b, from..to, next.clone(), number, tiles);
                    let tall = TALL.min(rows.end - i);
                    let a = &packed_a[(i - top) * PANEL..];
                    let mut j = left;
                    while j < right {
                        // A last single panel: there is none beside it for the second vector.
                        let single = LEVEL != AMX && wide > PANEL && right - j <= PANEL;
                        let width = if single { PANEL } else { wide };
                        let columns = width.min(right - j);
                        let at = Place { i, j, rows: tall, columns, first: from == 0, last: to == job.inner };
                        // AMX reads and writes whole tiles.
                        let direct = LEVEL != AMX;
                        let sums = product::begin(job, &at, width, tile, direct);
                        let below = i + tall..rows.end.min(i + tall + TALL);
                        // Of a first block that is not the last, c is only written.
                        if !below.is_empty() && (!at.first || at.last) {
                            product::prefetch_place(job, &Place { i: below.start, rows: below.len(), ..at });
                        }
                        let b = &packed_b[(j - left) / PANEL * PANEL * filled + (j - left) % PANEL..];
                        let operands = dot::Operands { a, height, b, panel: filled * PANEL, pairs };
                        // SAFETY: a's panels have `height` rows, of which `tall` from row i on are packed; both operands
                        // are packed for as many pairs, in whole panels; `begin` has found room for the sums.
                        unsafe {
                            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                            if LEVEL == AMX {
                                amx::tile(&operands, tile);
                            }
                            if LEVEL != AMX && single {
                                dot::tiles::<S, LEVEL, TALL, 1>(simd, tall, &operands, sums);
                            } else if LEVEL != AMX {
                                dot::tiles::<S, LEVEL, TALL, 2>(simd, tall, &operands, sums);
                            }
                        }
                        product::end(simd, job, &at, width, tile, direct);
                        j += width;
                    }
                }
            }
            from = to;
            if from >= job.inner {
                break;
            }
        }
    }
}
