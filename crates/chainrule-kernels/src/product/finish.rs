//! A tile before and after its sums: what they start from, and what becomes of them.

use super::{End, Job, Lie, Lies, Place, Start, Sums};
use crate::dense::PANEL;
use crate::memory;
use crate::simd::mul_add;
use pulp::Simd;

impl Job<'_> {
    /// Where c(i, j) lies.
    #[inline(always)]
    fn at(&self, i: usize, j: usize) -> usize {
        match self.lies {
            Lies::Rows(width) => i * width + j,
            Lies::Panels(height) => j / PANEL * PANEL * height + i * PANEL + j % PANEL,
        }
    }
}

/// Where a tile's sums go on from and where they go. Unless they are `direct`, both are the rows of `tile`, as far apart as it is
/// wide; else they lie in c itself wherever they may ([`stays_in_c`]). `tile` has room for one row more than its own.
#[inline(always)]
pub(crate) fn begin(job: &Job, at: &Place, width: usize, tile: &mut [f32], direct: bool) -> Sums {
    let rows = at.rows * width;
    if direct && stays_in_c(job, at, width) {
        // SAFETY: (i, j) lies in this thread's block of c, which `each_part` has checked.
        let to = unsafe { job.c.get().add(job.at(at.i, at.j)) };
        let to_steps = match job.lies {
            Lies::Rows(row) => Lie::rows(row),
            Lies::Panels(height) => Lie { row: PANEL, panel: PANEL * height },
        };
        if !at.first {
            return Sums { from: to, from_steps: to_steps, to, to_steps };
        }
        start(job, at, &mut tile[rows..rows + width]);
        return Sums { from: tile[rows..].as_ptr(), from_steps: Lie::rows(0), to, to_steps };
    }
    let to_steps = Lie::rows(width);
    if direct && at.first {
        start(job, at, &mut tile[rows..rows + width]);
        let to = tile.as_mut_ptr();
        return Sums { from: to.wrapping_add(rows), from_steps: Lie::rows(0), to, to_steps };
    }
    for (i, row) in tile[..rows].chunks_exact_mut(width).enumerate() {
        if at.first {
            start(job, at, row);
            continue;
        }
        row[at.columns..].fill(0.0); // what lies in panels is stored with its padding
        for (piece, sums) in row[..at.columns].chunks_mut(PANEL).enumerate() {
            let j = at.j + piece * PANEL;
            // SAFETY: (i, j..) lies in this thread's block of c, which `each_part` has checked.
            unsafe { resume(job, at.i + i, j, sums) };
        }
    }
    let to = tile.as_mut_ptr();
    Sums { from: to, from_steps: to_steps, to, to_steps }
}

/// Whether a tile's sums may lie in c itself: they are stored as they are, and there is room for them, padding of panels included.
#[inline(always)]
fn stays_in_c(job: &Job, at: &Place, width: usize) -> bool {
    let room = match job.lies {
        Lies::Rows(_) => at.columns,
        Lies::Panels(_) => at.columns.next_multiple_of(PANEL),
    };
    (!at.last || matches!(job.finish, End::Store)) && room >= width
}

/// The values that the sums of a row of a tile start from; 0 beyond its columns: what lies in panels is stored with its padding.
#[inline(always)]
fn start(job: &Job, at: &Place, row: &mut [f32]) {
    row[at.columns..].fill(0.0);
    match job.start {
        Start::Zero => row.fill(0.0),
        Start::Bias([one]) => row[..at.columns].fill(*one),
        Start::Bias(bias) => row[..at.columns].copy_from_slice(&bias[at.j..at.j + at.columns]),
    }
}

/// Asks for what [`begin`] or [`end`] will read and change of c, while a tile is computed.
#[inline(always)]
pub(crate) fn prefetch_place(job: &Job, at: &Place) {
    let (lines, numbers) = match job.lies {
        Lies::Rows(_) => (at.rows, at.columns),
        Lies::Panels(_) => (at.columns.div_ceil(PANEL), at.rows * PANEL - at.j % PANEL),
    };
    for line in 0..lines {
        let offset = match job.lies {
            Lies::Rows(_) => job.at(at.i + line, at.j),
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
    // SAFETY: the caller's promise; a panel's numbers lie side by side.
    unsafe {
        let c = job.c.get().add(job.at(i, j));
        if let Ok(sums) = <&mut [f32; PANEL]>::try_from(&mut *sums) {
            *sums = *c.cast::<[f32; PANEL]>(); // of known length: no call
            return;
        }
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum = *c.add(at);
        }
    }
}

/// Moves a tile's sums to c, by `finish` if they are complete; if they are `direct`, [`begin`] may have left them there.
#[inline(always)]
pub(crate) fn end<S: Simd>(simd: S, job: &Job, at: &Place, width: usize, tile: &[f32], direct: bool) {
    if direct && stays_in_c(job, at, width) {
        return;
    }
    let finish = if at.last { job.finish } else { End::Store };
    match job.lies {
        Lies::Rows(_) => {
            for i in 0..at.rows {
                let row = &tile[i * width..i * width + at.columns];
                for (piece, row) in row.chunks(2 * PANEL).enumerate() {
                    let offset = job.at(at.i + i, at.j) + piece * 2 * PANEL;
                    // SAFETY: this row's numbers from column j on lie side by side in this thread's block of c.
                    unsafe {
                        match <&[f32; 2 * PANEL]>::try_from(row) {
                            Ok(row) => end_row(simd, job, finish, offset, row), // of known length: copied without a call
                            Err(_) => end_row(simd, job, finish, offset, row),
                        }
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
