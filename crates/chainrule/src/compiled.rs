//! The long loops, compiled with this crate for both number types.
//!
//! Generic code is compiled where it is used, by the settings there. A program that is compiled for size still trains as fast as
//! this crate allows, and holds the loops once.

use crate::batch::TargetCoding;
use crate::evaluate::{Answers, Evaluator};
use crate::metrics::Accuracy;
use crate::network::Network;
use crate::observer::Observer;
use crate::train::{Ending, Trainer};
use crate::{Dataset, Real, Result};
use std::any::Any;

/// Of one number type.
pub(crate) struct Compiled<T: Real> {
    /// [`Trainer::run`]
    pub run: fn(&mut Trainer<'_, T>, &mut dyn Observer<T>) -> Result<Ending>,
    /// [`Evaluator::answers`]
    #[allow(clippy::type_complexity)] // the arguments of that
    pub answers: fn(&mut Evaluator<T>, &Network, &[T], &Dataset, TargetCoding, Accuracy) -> Answers<T>,
}

impl<T: Real> Compiled<T> {
    const NEW: Self =
        Self { run: |trainer, observer| trainer.run_here(observer), answers: Evaluator::answers_here };

    /// The one compiled here.
    pub fn get() -> &'static Self {
        static F32: Compiled<f32> = Compiled::NEW;
        static F64: Compiled<f64> = Compiled::NEW;
        let both: [&dyn Any; 2] = [&F32, &F64];
        both.into_iter().find_map(<dyn Any>::downcast_ref).expect("Real is sealed: f32 and f64")
    }
}
