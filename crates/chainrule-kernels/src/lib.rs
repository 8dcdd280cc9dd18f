//! The arithmetic of Chainrule: dense products over flat row-major buffers.
//!
//! Letters: `n` samples in the batch, `k` inputs of the layer, `m` units of the layer.
//! Every kernel has a twin in [`naive`], written as the equation reads; tests compare the two.
//! This is the only crate of the project that may contain `unsafe`.

#![deny(missing_docs)]

pub mod dense;
pub mod naive;
pub mod real;
pub mod simd;

pub use real::Real;
