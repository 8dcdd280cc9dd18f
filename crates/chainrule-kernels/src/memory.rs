//! Buffers that begin at a cache line, so that no vector of a row lies across two.

use crate::Real;
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the longest vector.
const LINE: usize = 64;

/// Asks for a slice to be brought into the first cache level. Only a hint.
#[inline(always)]
pub(crate) fn prefetch<V>(values: &[V]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(values)).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Numbers whose first one lies at the start of a cache line.
#[derive(Debug)]
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
        let address = storage.as_ptr() as usize;
        let first = (address.next_multiple_of(LINE) - address) / size_of::<T>();
        Self { storage, first, len }
    }
}

impl<T: Real> From<&[T]> for Aligned<T> {
    fn from(values: &[T]) -> Self {
        let mut aligned = Self::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl<T: Real> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Self::from(&**self)
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
