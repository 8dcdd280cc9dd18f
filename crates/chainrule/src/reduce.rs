//! Summing over machines: what makes one step of many ranks the step of one.

use crate::Result;

/// Adds up the gradients, the loss and the sample weight of all ranks, in place.
pub trait Reduce<T> {
    /// Replaces each argument by its sum over ranks; all ranks get the same bits. `grads` may be empty.
    ///
    /// # Errors
    /// If the ranks cannot be reached.
    fn sum(&mut self, grads: &mut [T], loss: &mut f64, n: &mut f64) -> Result<()>;
}

/// One machine: every sum is complete already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl<T> Reduce<T> for Alone {
    fn sum(&mut self, _: &mut [T], _: &mut f64, _: &mut f64) -> Result<()> {
        Ok(())
    }
}
