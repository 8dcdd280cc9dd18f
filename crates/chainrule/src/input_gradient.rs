//! The gradient of the loss with respect to the inputs, dE/dx: which inputs matter for this answer, and which way.
//!
//! The backward pass carries delta down to the first layer (BP2). One more product with the transposed weights, without a
//! slope since inputs have no activation, arrives at the inputs: dE/dx = W(1)^T delta(1). As a picture it is the saliency map
//! of Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks" (2013), which takes the score of a class; here it
//! is the loss.

use crate::Real;
use crate::batch::Batch;
use crate::network::{Network, Workspace};

/// dE/dx of every sample of `batch`, into `dx (n, inputs)`; returns the loss, summed over samples.
///
/// A forward pass, BP1 and BP2; no gradient of a parameter is computed. Each sample's row is the gradient of its own loss.
///
/// # Panics
/// If the batch has more samples than `ws`, or `dx` or `params` is too short.
pub fn input_gradient<T: Real>(
    net: &Network,
    params: &[T],
    batch: &Batch<T>,
    ws: &mut Workspace<T>,
    dx: &mut [T],
) -> f64 {
    net.forward(params, batch.input(), ws);
    let loss = net.loss(batch, ws);
    for l in (1..net.spec().layers.len()).rev() {
        net.carry_back(l, params, ws);
    }
    net.input_gradient(params, ws, dx);
    loss
}
