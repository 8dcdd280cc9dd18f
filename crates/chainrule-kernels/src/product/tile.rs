//! The innermost loop: a tile of c in registers.

use crate::dense::PANEL;
use crate::simd::mul_add;
use pulp::Simd;

/// How far apart the numbers of a lie: rows, and indices.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub row: usize,
    pub index: usize,
}

/// Where the sums of a tile go on from, and where they go. Both may be the same place.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    pub from: *const f32,
    pub from_steps: Lie,
    pub to: *mut f32,
    pub to_steps: Lie,
}

/// How far apart the sums of a tile lie.
#[derive(Clone, Copy)]
pub(crate) struct Lie {
    /// From a row to the next: 0 where all rows start alike.
    pub row: usize,
    /// From 16 columns to the next 16.
    pub panel: usize,
}

impl Lie {
    /// Rows of `row` numbers.
    #[inline(always)]
    pub fn rows(row: usize) -> Self {
        Self { row, panel: PANEL }
    }

    /// Of vector `v` of row `i`.
    #[inline(always)]
    fn offset<S: Simd>(self, i: usize, v: usize) -> usize {
        i * self.row + v * S::F32_LANES / PANEL * self.panel + v * S::F32_LANES % PANEL
    }
}

impl Sums {
    /// Those of row `i` and the rows below it.
    ///
    /// # Safety
    /// There is such a row.
    #[inline(always)]
    pub unsafe fn below(self, i: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let (from, to) = (self.from.add(i * self.from_steps.row), self.to.add(i * self.to_steps.row));
            Self { from, to, ..self }
        }
    }

    /// What vector `v` of row `i` goes on from.
    ///
    /// # Safety
    /// There is such a vector.
    #[inline(always)]
    pub unsafe fn read<S: Simd>(self, i: usize, v: usize) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { self.from.add(self.from_steps.offset::<S>(i, v)).cast::<S::f32s>().read_unaligned() }
    }

    /// Stores vector `v` of row `i`.
    ///
    /// # Safety
    /// As [`Sums::read`].
    #[inline(always)]
    pub unsafe fn write<S: Simd>(self, i: usize, v: usize, sums: S::f32s) {
        // SAFETY: the caller's promise.
        unsafe { self.to.add(self.to_steps.offset::<S>(i, v)).cast::<S::f32s>().write_unaligned(sums) }
    }
}

/// The products of a tile of `rows` rows: whole tiles at once, the last rows in smaller ones.
///
/// # Safety
/// As [`tile`], for `rows` rows.
#[inline(always)]
pub(super) unsafe fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    k: usize,
    rows: usize,
    (a, steps): (&[f32], Steps),
    (b, panel): (&[f32], usize),
    sums: Sums,
) {
    let mut i = 0;
    macro_rules! rows {
        ($n:literal) => {
            while rows - i >= $n {
                // SAFETY: rows i.. of a and of the tile, of which at least as many are left as the callee takes.
                unsafe {
                    let a = a.as_ptr().add(i * steps.row);
                    tile::<S, $n, VECTORS>(simd, k, a, steps, b.as_ptr(), panel, sums.below(i));
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
/// `a` is readable at `i * steps.row + p * steps.index` for i < ROWS and p < k, `b` for k rows of 16
/// numbers in every panel, `panel` apart, that the vectors lie in, and `sums` have ROWS rows of VECTORS vectors to read and to write.
#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    k: usize,
    a: *const f32,
    steps: Steps,
    b: *const f32,
    panel: usize,
    sums: Sums,
) {
    let lanes = S::F32_LANES;
    let mut acc = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY (all of this function): offsets within the bounds that the caller promises; vectors are read unaligned, and
    // pointers that step beyond the last index are not read.
    unsafe {
        for (i, row) in acc.iter_mut().enumerate() {
            for (v, acc) in row.iter_mut().enumerate() {
                *acc = sums.read::<S>(i, v);
            }
        }
        let (mut a, mut b) = (a, b);
        for _ in 0..k {
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
        for (i, row) in acc.iter().enumerate() {
            for (v, acc) in row.iter().enumerate() {
                sums.write::<S>(i, v, *acc);
            }
        }
    }
}
