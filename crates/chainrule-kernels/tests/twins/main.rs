//! Every kernel against its naive twin: over random shapes, at every level of this CPU, on one, two and three threads.

#[path = "../levels/mod.rs"]
mod levels;

mod common;
mod dense;
mod descent;
mod product;
mod sparse;
