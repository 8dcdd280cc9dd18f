//! The innermost loop over pairs of bf16: AVX512-BF16, and what stands for it on other CPUs.
//!
//! ```text
//!                  b: panels (pairs, 16)                AVX512-BF16: 14 rows x 2 vectors of 16
//!                 +----+----+                           emulated:    12 or 4 rows x 2 vectors
//!               q | b0 | b1 |
//!                 +----+----+
//!   a      q
//!   +-----+  .   +----+----+
//! i | a_i |      | acc(i)  |   acc = a.odd * b.odd + acc, then acc = a.even * b.even + acc
//!   +-----+      +----+----+
//! ```

use crate::dense::PANEL;
use crate::product::Sums;
use crate::simd::mul_add;
use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use {
    super::{EMULATED, blocks},
    crate::product::{Job, Matrix},
    pulp::x86::V4,
};

/// A tile's operands, packed as in [`super`].
pub(super) struct Operands<'a> {
    /// The first row of the first panel.
    pub a: &'a [u32],
    /// Rows of a panel of a.
    pub height: usize,
    /// The first pair of the first column.
    pub b: &'a [u32],
    /// Distance from one panel of b to the next.
    pub panel: usize,
    /// How many pairs are summed; both are packed for a whole number of panels of 16.
    pub pairs: usize,
}

/// A thread's block by `vdpbf16ps`.
///
/// # Safety
/// The CPU has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,fma,lzcnt,bmi1,bmi2,popcnt"
)]
pub(super) unsafe fn avx512(job: Job, a: Matrix, b: Matrix, scratch: &mut [f32]) {
    // SAFETY: the CPU has what V4 stands for, which is part of the features above.
    let simd = unsafe { V4::new_unchecked() };
    blocks::<V4, { super::AVX512 }, 14>(simd, &job, a, b, scratch);
}

/// A thread's block by AMX tiles.
///
/// # Safety
/// As [`avx512`], and the CPU's tiles are configured.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,fma,lzcnt,bmi1,bmi2,popcnt"
)]
pub(super) unsafe fn amx(job: Job, a: Matrix, b: Matrix, scratch: &mut [f32]) {
    // SAFETY: as in `avx512`.
    let simd = unsafe { V4::new_unchecked() };
    blocks::<V4, { super::AMX }, 32>(simd, &job, a, b, scratch);
}

/// The products of a tile of `rows` rows: whole tiles at once, the last rows in smaller ones.
///
/// # Safety
/// As [`tile`], for `rows` rows.
#[inline(always)]
pub(super) unsafe fn tiles<S: Simd, const LEVEL: u8, const TALL: usize, const VECTORS: usize>(
    simd: S,
    rows: usize,
    operands: &Operands,
    sums: Sums,
) {
    let mut i = 0;
    macro_rules! rows {
        ($n:literal) => {
            while rows - i >= $n {
                // SAFETY: rows i.. of a and of the tile, of which at least as many are left as the callee takes.
                unsafe {
                    tile::<S, LEVEL, $n, VECTORS>(simd, operands, i, sums.below(i));
                }
                i += $n;
            }
        };
    }
    if TALL >= 14 {
        rows!(14);
    }
    if TALL == 12 {
        rows!(12);
    }
    if TALL >= 12 {
        rows!(8);
    }
    rows!(4);
    rows!(2);
    rows!(1);
}

/// ROWS x VECTORS sums in registers, for rows `first..` of a.
///
/// # Safety
/// The panels of a have `first + ROWS` rows or more, those of b every vector of this tile; both hold `pairs` pairs; `sums`
/// have ROWS rows of VECTORS vectors to read and to write.
#[inline(always)]
unsafe fn tile<S: Simd, const LEVEL: u8, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    operands: &Operands,
    first: usize,
    sums: Sums,
) {
    let lanes = S::F32_LANES;
    let mut acc = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY (all of this function): offsets within the bounds that the caller promises; vectors are read unaligned, and
    // pointers that step beyond the last pair are not read.
    unsafe {
        for (i, row) in acc.iter_mut().enumerate() {
            for (v, acc) in row.iter_mut().enumerate() {
                *acc = sums.read::<S>(i, v);
            }
        }
        let (mut a, mut b) = (operands.a.as_ptr().add(first * PANEL), operands.b.as_ptr());
        let mut left = operands.pairs;
        while left > 0 {
            let chunk = left.min(PANEL);
            for q in 0..chunk {
                let mut bs = [simd.splat_u32s(0); VECTORS];
                for (v, to) in bs.iter_mut().enumerate() {
                    let offset = v * lanes / PANEL * operands.panel + v * lanes % PANEL;
                    *to = b.add(offset).cast::<S::u32s>().read_unaligned();
                }
                for (i, row) in acc.iter_mut().enumerate() {
                    let x = simd.splat_u32s(*a.add(i * PANEL + q));
                    for (acc, &b) in row.iter_mut().zip(&bs) {
                        *acc = dot::<S, LEVEL>(simd, x, b, *acc);
                    }
                }
                b = b.wrapping_add(PANEL);
            }
            a = a.wrapping_add(operands.height * PANEL);
            left -= chunk;
        }
        for (i, row) in acc.iter().enumerate() {
            for (v, acc) in row.iter().enumerate() {
                sums.write::<S>(i, v, *acc);
            }
        }
    }
}

/// acc + x.odd b.odd, then + x.even b.even.
///
/// # Safety
/// Unless LEVEL is EMULATED, the CPU has AVX512-BF16 and S is V4.
#[inline(always)]
unsafe fn dot<S: Simd, const LEVEL: u8>(simd: S, x: S::u32s, b: S::u32s, acc: S::f32s) -> S::f32s {
    #[cfg(target_arch = "x86_64")]
    if LEVEL != EMULATED {
        use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};
        use std::mem::transmute_copy;
        // SAFETY: with V4 all of these are 512 bits without padding; the CPU has the instruction.
        return unsafe {
            let (acc, x, b): (__m512, __m512bh, __m512bh) =
                (transmute_copy(&acc), transmute_copy(&x), transmute_copy(&b));
            transmute_copy(&_mm512_dpbf16_ps(acc, x, b))
        };
    }
    let upper = simd.splat_u32s(0xffff_0000);
    let odd = |pair| simd.transmute_f32s_u32s(simd.and_u32s(pair, upper));
    let even = |pair| simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(pair, simd.splat_u32s(16)));
    let acc = mul_add(simd, odd(x), odd(b), acc);
    mul_add(simd, even(x), even(b), acc)
}
