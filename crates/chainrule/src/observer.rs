//! What watches a run: progress bars, checkpoints, Ctrl-C. The trainer knows none of them.

use crate::Real;
use crate::train::{EpochRecord, Trainer};

/// What an observer asks of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    Continue,
    /// Stop after this step; the state is complete and can be resumed.
    Stop,
}

/// Is told of every step and epoch; may read the trainer and stop it.
pub trait Observer<T: Real> {
    /// How many steps may be made before [`Observer::on_step`] is called again, from 1; `step` have been made. Few let it
    /// react soon; many let the kernels work undisturbed.
    fn patience(&mut self, _step: u64) -> u64 {
        1
    }

    /// After each step, or after several: at most [`Observer::patience`], never beyond the end of an epoch.
    fn on_step(&mut self, _trainer: &Trainer<T>) -> Signal {
        Signal::Continue
    }

    /// After each epoch, its evaluation included.
    fn on_epoch(&mut self, _trainer: &Trainer<T>, _record: &EpochRecord) -> Signal {
        Signal::Continue
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl<T: Real> Observer<T> for Silent {
    fn patience(&mut self, _step: u64) -> u64 {
        u64::MAX
    }
}
