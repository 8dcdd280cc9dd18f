//! Fully-connected networks trained by backpropagation: the mathematics, without files, clock or terminal.
//!
//! A training step is five calls, and reads as the mathematics does ([`step`]):
//! forward, loss (BP1), backward (BP2 to BP4), reduce, update.
//!
//! The modules, in the order in which data flows through them:
//!
//! | module | holds |
//! |---|---|
//! | [`dataset`] | samples with their targets |
//! | [`batch`] | some of them, as the network's numbers |
//! | [`spec`] | the description of a network |
//! | [`activation`] | a = f(z) and f'(z) |
//! | [`init`] | initial weights and biases |
//! | [`layout`] | where each of them lies in the one flat vector |
//! | [`network`] | the forward pass |
//! | [`loss`] | the loss and BP1 |
//! | [`backprop`] | BP2, BP3, BP4 |
//! | [`gradcheck`] | central differences against them, and why they disagree |
//! | [`input_gradient`], [`attack`] | dE/dx, and inputs that fool a network |
//! | [`optimizer`], [`lbfgs`] | the update |
//! | [`schedule`] | the learning rate over time |
//! | [`regularize`] | penalties, clipping, max-norm |
//! | [`config`] | how a network is trained, every choice made |
//! | [`recipe`], [`resolve`] | settings as a user writes them, and how open ones are decided |
//! | [`plan`] | which kernels a run's steps use |
//! | [`step`], [`train`] | one step; all of them |
//! | [`evaluate`], [`metrics`] | answers and what they are worth |
//! | [`predictor`] | answers as fast as they can be had |
//! | [`observer`] | who watches a run |
//! | [`profile`] | where its time goes |
//! | [`explain`] | an update, written out with every number |
//! | [`diagnose`] | what goes wrong in it, and on what number that rests |
//! | [`inspect`] | the numbers inside a network, as histograms, and what excites its units |
//! | [`reduce`] | sums over machines |
//! | [`rng`] | seeded streams of random numbers |
//! | [`error`] | what can go wrong |

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod dataset;
pub mod batch;
pub mod spec;
pub mod activation;
pub mod init;
pub mod layout;
pub mod network;
pub mod loss;
pub mod backprop;
pub mod gradcheck;
pub mod input_gradient;
pub mod attack;
pub mod optimizer;
pub mod lbfgs;
pub mod schedule;
pub mod regularize;
pub mod config;
pub mod recipe;
pub mod resolve;
pub mod plan;
pub mod step;
pub mod train;
pub mod evaluate;
pub mod metrics;
pub mod predictor;
pub mod observer;
pub mod profile;
pub mod explain;
pub mod diagnose;
pub mod inspect;
pub mod reduce;
pub mod rng;
pub mod error;

// Helpers: the notation of settings, loops compiled here, numbers in JSON, the state of a run and its whole steps (seen through `train`).
mod call;
mod compiled;
mod number;
mod state;
mod whole;

pub use chainrule_kernels::sparse::ByteLists;
pub use chainrule_kernels::{Real, memory, simd};
pub use dataset::{Dataset, Features, Targets};
pub use error::{Error, Result};
pub use number::short;

/// The library example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
