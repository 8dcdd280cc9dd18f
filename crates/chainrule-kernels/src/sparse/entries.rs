//! Lists made a moment before they are used: the number of a nonzero input and the place of its row in one word, so that each takes one
//! read.
//!
//! ```text
//!  row:  0  0.5  0  0  2.0        entries:  [ 1 * 64 | 0.5 ]  [ 4 * 64 | 2.0 ]        bytes to the row of a panel | bits of the number
//! ```

use super::compact::{self, SLACK, nonzeros};
use super::{CHAINED, CHAINS, add_chains, chains_fit};
use crate::dense::PANEL;
use crate::panel::Panel;
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
    /// Numbers of the longest row.
    pub const LONGEST: usize = compact::LONGEST;

    /// Room for so many lists, of rows with so many `numbers` in all. Memory is touched as far as lists reach.
    ///
    /// # Panics
    /// If there are 2^32 numbers or more.
    pub fn with_capacity(lists: usize, numbers: usize) -> Self {
        assert!(u32::try_from(numbers).is_ok(), "entries: room for {numbers} numbers");
        let mut starts = Vec::with_capacity(lists + 1);
        starts.push(0);
        Self { entries: vec![0; numbers + SLACK], starts, longest: 0 }
    }

    /// Forgets all lists.
    pub(crate) fn clear(&mut self) {
        self.starts.truncate(1);
        self.longest = 0;
    }

    /// Replaces all lists by those of the rows of `x`, of `inputs` numbers each. Allocates nothing for as many lists
    /// as there was to be room for.
    ///
    /// # Panics
    /// If there is no room for their numbers, the last row is not whole, or rows have none or more than [`Entries::LONGEST`].
    pub fn refill(&mut self, x: &[f32], inputs: usize) {
        assert!(inputs > 0 && x.len().is_multiple_of(inputs), "entries: {} numbers by {inputs}", x.len());
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
    /// If there is no room for it, or it has more numbers than [`Entries::LONGEST`].
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

    /// Numbers of the longest row that was listed.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Entries of all lists.
    pub(super) fn nonzeros(&self) -> usize {
        self.starts[self.len()] as usize
    }

    /// List number `at`.
    #[inline(always)]
    pub(crate) fn list(&self, at: usize) -> &[u64] {
        &self.entries[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The place of an entry in its row, and its number.
#[inline(always)]
pub(crate) fn place_and_number(entry: u64) -> (usize, f32) {
    ((entry >> 32) as usize / ROW as usize, f32::from_bits(entry as u32))
}

/// start + x w for the numbers of a list and P panels; in four chains if there are many.
///
/// # Safety
/// The panels are readable for a row of 16 numbers at every place in the list.
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
/// The panels are readable for a row of 16 numbers at its place.
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
    use crate::activation::Nonlinearity;
    use crate::dense::Dims;
    use crate::sparse::{Samples, forward as of_samples};

    #[test]
    fn hold_what_is_not_zero_of_each_row() {
        let x: Vec<f32> = (0..120).map(|at| if at % 7 == 0 { at as f32 / 8.0 - 3.0 } else { 0.0 }).collect();
        let mut lists = Entries::with_capacity(3, 120);
        for n in [3, 1, 0, 2, 3] {
            lists.refill(&x[..n * 40], 40);
            assert_eq!((lists.len(), lists.is_empty()), (n, n == 0));
            for (s, row) in x.chunks(40).take(n).enumerate() {
                let of_row = row.iter().copied().enumerate().filter(|&(_, x)| x != 0.0);
                assert!(
                    lists.list(s).iter().map(|&entry| place_and_number(entry)).eq(of_row),
                    "list {s} of {n}"
                );
            }
        }
    }

    /// Pointers go by these sizes.
    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
        let numbers = [1.0; 120];
        let refill = |room, count, inputs| {
            let mut lists = Entries::with_capacity(3, room);
            lists.refill(&numbers[..count], inputs);
            lists
        };
        assert!(!refused(&|| drop(refill(120, 120, 40))));
        for (room, count, inputs) in [(119, 120, 40), (120, 119, 40), (120, 0, 0)] {
            assert!(refused(&|| drop(refill(room, count, inputs))), "{count} by {inputs}, room for {room}");
        }
        let lists = refill(120, 120, 40);
        let forward = |lists: &Entries, d: Dims, w, bias, z, a| {
            let ([mut z, mut a], [w, bias]) =
                ([z, a].map(|len| vec![0.0; len]), [w, bias].map(|len| vec![0.0; len]));
            of_samples(Samples::Entries(lists), d, &w, &bias, Nonlinearity::Identity, &mut z, &mut a, 1);
        };
        let d = Dims { n: 3, k: 40, m: 5 };
        assert!(!refused(&|| forward(&lists, d, 640, 5, 15, 15)));
        for (n, k, m, w, bias, z, a) in [
            (2, 40, 5, 640, 5, 15, 15),
            (3, 39, 5, 640, 5, 15, 15),
            (3, 40, 5, 639, 5, 15, 15),
            (3, 40, 5, 640, 4, 15, 15),
            (3, 40, 5, 640, 5, 14, 15),
            (3, 40, 5, 640, 5, 15, 14),
            (3, usize::MAX / 8, 16, 640, 5, 48, 48),
            (3, 40, usize::MAX / 8, 640, 0, 15, 15),
        ] {
            let d = Dims { n, k, m };
            assert!(refused(&|| forward(&lists, d, w, bias, z, a)), "{d:?}, {w}, {bias}, {z}, {a}");
        }
        // Of shorter rows than before.
        let mut lists = lists;
        lists.refill(&numbers[..24], 8);
        forward(&lists, Dims { n: 3, k: 8, m: 5 }, 128, 5, 15, 15);
    }
}
