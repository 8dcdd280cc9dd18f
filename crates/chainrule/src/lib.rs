#![doc = "placeholder"]
pub mod dataset;
pub mod error;
pub mod rng;
pub use chainrule_kernels::Real;
pub use dataset::{Dataset, Features, Targets};
pub use error::{Error, Result};
