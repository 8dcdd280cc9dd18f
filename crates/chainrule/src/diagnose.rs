//! What goes wrong in a run, and on what number that rests.
//!
//! [`probe`] measures a network at a few moments of a run, on a fixed sample of its training set; [`record`] keeps what
//! was measured as plain data; [`rules`] say what it means: the number, its threshold, and what to try.
//! [`Diagnostics`] does it as an [`Observer`](crate::observer::Observer), at the ends of epochs and after a few early
//! steps, never inside a step.

pub mod data;
pub mod finding;
pub mod probe;
pub mod record;
pub mod rules;
mod units;
mod watch;

pub use data::DataFigures;
pub use finding::{Finding, Place, Rule};
pub use probe::Probe;
pub use record::{LayerFigures, Measurement, Record};
pub use rules::{diagnose, diverged};
pub use watch::Diagnostics;
