//! Buffers that begin at a cache line, so that no vector of a row lies across two; large ones in huge pages; scratch memory.

use crate::Real;
use std::cell::RefCell;
use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the longest vector.
pub(crate) const LINE: usize = 64;

/// Asks for a slice to be brought into the first cache level. Only a hint.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    prefetch_lines(values.as_ptr(), size_of_val(values).div_ceil(LINE));
}

/// Asks for what lies at `start`, and in the next `lines - 1` cache lines, to be brought into the first cache level. Only a hint:
/// it may point anywhere.
#[inline(always)]
pub(crate) fn prefetch_lines<T>(start: *const T, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast::<i8>().wrapping_add(line * LINE)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, lines);
}

/// As [`prefetch_lines`], into the second cache level: for more than the first has room for.
#[inline(always)]
pub(crate) fn prefetch_lines_l2<T>(start: *const T, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.cast::<i8>().wrapping_add(line * LINE)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, lines);
}

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;

/// Asks the system to back a large buffer, not yet written to, by pages of 2 MB. The first touch of a page interrupts the
/// program, which for pages of 4 KB takes longer than filling them; later, fewer pages mean fewer misses in the tables of
/// addresses. Only a hint: without effect on small buffers, and where the system does not know it.
pub fn prefer_huge_pages<T>(buffer: &Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        let start = buffer.as_ptr() as usize;
        let (first, end) =
            (start.next_multiple_of(HUGE), (start + buffer.capacity() * size_of::<T>()) / HUGE * HUGE);
        if first < end {
            let address = buffer.as_ptr().cast::<u8>().wrapping_add(first - start);
            // SAFETY: the pages lie within the buffer, and the advice changes nothing that the program could see.
            unsafe { libc::madvise(address.cast_mut().cast(), end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (buffer, HUGE);
}

/// Numbers whose first one lies at the start of a cache line.
pub struct Aligned<T> {
    storage: Vec<T>,
    /// Where in `storage` the first whole cache line begins.
    first: usize,
    len: usize,
}

impl<T: Real> Aligned<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let storage = vec![T::default(); len + LINE / size_of::<T>()];
        prefer_huge_pages(&storage);
        Self { first: before_line(&storage), storage, len }
    }
}

impl<T: Real> From<&[T]> for Aligned<T> {
    fn from(values: &[T]) -> Self {
        let mut aligned = Self::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

// Not derived, as the copy's first line begins elsewhere; for any T, so that structs of such buffers can derive it. What lies
// beside the numbers is copied to fill the lines.
impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut storage = Vec::with_capacity(self.storage.len());
        let first = before_line(storage.spare_capacity_mut());
        prefer_huge_pages(&storage);
        storage.extend_from_slice(&self.storage[..first]);
        storage.extend_from_slice(self);
        storage.extend_from_slice(&self.storage[storage.len()..]);
        Self { storage, first, len: self.len }
    }
}

/// How many numbers of a buffer lie before its first whole cache line.
fn before_line<T>(buffer: &[T]) -> usize {
    let address = buffer.as_ptr() as usize;
    (address.next_multiple_of(LINE) - address) / size_of::<T>()
}

impl<T: Debug> Debug for Aligned<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Aligned<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.storage[self.first..self.first + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.first..self.first + self.len]
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// A cache line of numbers: scratch memory is aligned to it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Lends `len` numbers of this thread's own memory, aligned to a cache line, with arbitrary content.
///
/// # Panics
/// If `body` asks for scratch memory itself.
pub(crate) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|lines| {
        let needed = len.div_ceil(16);
        if lines.len() < needed {
            lines.resize(needed, Line([0.0; 16]));
        }
        // SAFETY: a `Line` is 16 f32 without padding, so the vector is 16 times as many initialised f32.
        let numbers =
            unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<f32>(), lines.len() * 16) };
        body(&mut numbers[..len])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin_at_lines<T: Real>() {
        for len in [0, 1, 15, 16, 17, 31, HUGE / 4 + 5] {
            let values: Vec<T> = (0..len).map(|i| T::from_f64(i as f64)).collect();
            let from = Aligned::from(&values[..]);
            let mut copy = from.clone();
            for buffer in [&from, &copy, &Aligned::zeros(len)] {
                assert_eq!((buffer.as_ptr() as usize % LINE, buffer.len()), (0, len));
            }
            assert!(*from == *values && copy == from);
            copy.fill(T::from_f64(-1.0));
            assert!(*from == *values, "a copy is one");
        }
    }

    #[test]
    fn aligned_numbers_begin_at_lines() {
        begin_at_lines::<f32>();
        begin_at_lines::<f64>();
    }

    #[test]
    fn huge_pages_hold_what_small_ones_do() {
        for len in [0, 1, HUGE / 4, HUGE, 3 * HUGE + 5] {
            let mut buffer = vec![0u32; len];
            prefer_huge_pages(&buffer);
            assert!(buffer.iter().all(|&value| value == 0));
            buffer.iter_mut().enumerate().for_each(|(i, value)| *value = i as u32);
            assert!(buffer.iter().enumerate().all(|(i, &value)| value == i as u32));
        }
    }
}
