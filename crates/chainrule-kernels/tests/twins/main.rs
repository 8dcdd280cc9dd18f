//! Every kernel against its naive twin: over random shapes, at every level of this CPU, on one, two and three threads.

#[path = "../levels/mod.rs"]
mod levels;

mod activation;
mod common;
mod dense;
mod descent;
mod non_finite;
mod product;
mod sparse;
