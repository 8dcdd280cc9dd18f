//! The arithmetic of Chainrule: dense products over flat row-major buffers.
//!
//! Letters: `n` samples in the batch, `k` inputs of the layer, `m` units of the layer.
//! Every kernel has a twin in [`naive`], written as the equation reads; tests compare the two.
//! This is the only crate of the project that may contain `unsafe`.

#![deny(missing_docs)]

pub mod activation;
pub mod bf16;
pub mod dense;
pub mod descent;
pub mod memory;
pub mod naive;
pub mod peak;
pub mod pool;
pub mod product;
pub mod real;
pub mod simd;
pub mod sparse;

mod barrier;
mod double;
mod panel;
mod rows;

pub use real::Real;
