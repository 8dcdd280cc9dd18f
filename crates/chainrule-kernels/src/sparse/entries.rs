//! Lists made a moment before they are used: the number of a nonzero input and the place of its row in one word, so that each takes one
//! read.
//!
//! ```text
//!  row:  0  0.5  0  0  2.0        entries:  [ 1 * 64 | 0.5 ]  [ 4 * 64 | 2.0 ]        bytes to the row of a panel | bits of the number
//! ```

use super::compact::{SLACK, nonzeros};
use super::{CHAINED, CHAINS, Samples, add_chains, chains_fit, forward_panels};
use crate::activation::Nonlinearity;
use crate::dense::{Dims, PANEL};
use crate::panel::Panel;
use crate::pool::Shared;
use crate::simd::{self, mul_add};
use pulp::Simd;

/// Bytes of a panel's row.
pub(super) const ROW: u64 = (PANEL * size_of::<f32>()) as u64;

/// Lists of the nonzero numbers of rows, one after the other.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Half the bits of each are the number, the others how many bytes a panel's row lies behind the first one.
    entries: Vec<u64>,
    /// Where each list begins, and where the last one ends.
    starts: Vec<u32>,
    /// Numbers of the longest row: no place lies beyond.
    longest: usize,
}

impl Entries {
    /// Room for so many lists, of rows with so many `numbers` in all. Memory is touched as far as lists reach.
    pub fn with_capacity(lists: usize, numbers: usize) -> Self {
        let mut starts = Vec::with_capacity(lists + 1);
        starts.push(0);
        Self { entries: vec![0; numbers + SLACK], starts, longest: 0 }
    }

    /// Forgets all lists.
    pub fn clear(&mut self) {
        self.starts.truncate(1);
        self.longest = 0;
    }

    /// Replaces all lists by those of the rows of `x`, of `inputs` numbers each. Allocates nothing for as many lists
    /// as there was to be room for.
    ///
    /// # Panics
    /// If there is no room for their numbers, or there are more than 2^26 in a row.
    pub fn refill(&mut self, x: &[f32], inputs: usize) {
        self.clear();
        simd::vectorized(
            #[inline(always)]
            || {
                for row in x.chunks_exact(inputs) {
                    self.add(row);
                }
            },
        );
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the list of a row.
    ///
    /// # Panics
    /// If there is no room for it, or it has more than 2^26 numbers.
    #[inline(always)] // to be compiled for the caller's instruction set
    pub(crate) fn add(&mut self, row: &[f32]) {
        let at = self.starts[self.len()] as usize;
        let count = nonzeros(row, &mut self.entries[at..]);
        self.starts.push((at + count) as u32);
        self.longest = self.longest.max(row.len());
    }

    /// The list of this row, instead of all others.
    pub(crate) fn only(&mut self, row: &[f32]) -> &[u64] {
        self.clear();
        self.add(row);
        self.list(0)
    }

    /// List number `at`.
    #[inline(always)]
    pub(crate) fn list(&self, at: usize) -> &[u64] {
        &self.entries[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The place of an entry in its row, and its number.
#[inline(always)]
pub(crate) fn number_of(entry: u64) -> (usize, f32) {
    ((entry >> 32) as usize / ROW as usize, f32::from_bits(entry as u32))
}

/// z = x w + b and a = f(z) for all `lists`, on this thread; `z` and `a (n, m)`, a bias of `m`, 1 or 0 numbers. The bits of
/// [`super::forward`].
///
/// # Panics
/// If a slice is shorter than its shape, or `d` has another number of samples, or fewer inputs than a row had.
pub fn forward_entries(
    lists: &Entries,
    d: Dims,
    w: &[f32],
    bias: &[f32],
    f: Nonlinearity,
    z: &mut [f32],
    a: &mut [f32],
) {
    assert!(d.n == lists.len() && lists.longest <= d.k, "forward_entries: lists of other samples than {d:?}");
    assert!(
        w.len() >= d.weights() && z.len().min(a.len()) >= d.n * d.m,
        "forward_entries: short buffer for {d:?}"
    );
    assert!(matches!(bias.len(), 0 | 1) || bias.len() == d.m, "forward_entries: bias of another length");
    forward_panels(Samples::Entries(lists), d, w, bias, f, Shared::new(z), Shared::new(a), 0..d.m);
}

/// start + x w for the numbers of a list and P panels; in four chains if there are many.
///
/// # Safety
/// The panels have a row for every place in the list.
#[inline(always)]
pub(super) unsafe fn sum_list<S: Simd, const V: usize, const P: usize>(
    simd: S,
    list: &[u64],
    panels: [*const f32; P],
    start: [Panel<S, V>; P],
) -> [Panel<S, V>; P] {
    if P > 1 && !chains_fit::<S>(P * V) {
        let mut sums = start;
        for (sum, panel) in sums.iter_mut().zip(panels) {
            // SAFETY: the caller's promise.
            [*sum] = unsafe { sum_list(simd, list, [panel], [*sum]) };
        }
        return sums;
    }
    if list.len() < CHAINED {
        let mut sum = start;
        for &entry in list {
            // SAFETY: the caller's promise.
            unsafe { add_entry(simd, entry, panels, &mut sum) };
        }
        return sum;
    }
    let mut chains = [[[simd.splat_f32s(0.0); V]; P]; CHAINS];
    let (fours, rest) = list.as_chunks::<CHAINS>();
    // SAFETY (both): the caller's promise.
    for four in fours {
        for (&entry, sum) in four.iter().zip(&mut chains) {
            unsafe { add_entry(simd, entry, panels, sum) };
        }
    }
    for (&entry, sum) in rest.iter().zip(&mut chains) {
        unsafe { add_entry(simd, entry, panels, sum) };
    }
    add_chains(simd, chains, 1.0, start)
}

/// sums += x w for one entry and P panels. (A pointer to each of them: the compiler ran out of registers for one and a distance.)
///
/// # Safety
/// The panels have a row at its place.
#[inline(always)]
pub(crate) unsafe fn add_entry<S: Simd, const V: usize, const P: usize>(
    simd: S,
    entry: u64,
    panels: [*const f32; P],
    sums: &mut [Panel<S, V>; P],
) {
    let (x, at) = (simd.splat_f32s(f32::from_bits(entry as u32)), (entry >> 32) as usize);
    for (panel, sum) in panels.into_iter().zip(sums) {
        for (v, sum) in sum.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let w = unsafe { panel.byte_add(at).add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned() };
            *sum = mul_add(simd, x, w, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_what_is_not_zero_of_each_row() {
        let x: Vec<f32> = (0..120).map(|at| if at % 7 == 0 { at as f32 / 8.0 - 3.0 } else { 0.0 }).collect();
        let mut lists = Entries::with_capacity(3, 120);
        for n in [3, 1, 0, 2, 3] {
            lists.refill(&x[..n * 40], 40);
            assert_eq!((lists.len(), lists.is_empty()), (n, n == 0));
            for (s, row) in x.chunks(40).take(n).enumerate() {
                let of_row = row.iter().copied().enumerate().filter(|&(_, x)| x != 0.0);
                assert!(lists.list(s).iter().map(|&entry| number_of(entry)).eq(of_row), "list {s} of {n}");
            }
        }
    }
}
