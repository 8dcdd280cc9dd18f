//! The backward pass: the four equations of backpropagation, for a whole batch at once.
//!
//! - BP1  delta(L) = dL/da(L) ⊙ f'(z(L))
//! - BP2  delta(l) = (W(l+1)^T delta(l+1)) ⊙ f'(z(l))
//! - BP3  dL/db(l) = sum over samples of delta(l)
//! - BP4  dL/dW(l) = sum over samples of delta(l) a(l-1)^T
//!
//! (Nielsen, Neural Networks and Deep Learning, ch. 2.) Gradients are sums over the batch, never means.

use crate::Real;
use crate::batch::Batch;
use crate::network::{Network, Workspace};
use crate::profile::Part;
use chainrule_kernels::dense::{self, Dims, Input, Into as Destination};

impl Network {
    /// The batch's loss, summed over samples (each times its weight), and BP1: delta(L).
    ///
    /// # Panics
    /// If the batch is not the one of the last forward pass.
    pub fn loss<T: Real>(&self, batch: &Batch<T>, ws: &mut Workspace<T>) -> f64 {
        let outputs = self.spec.outputs();
        let f = self.spec.layers[self.spec.layers.len() - 1].activation;
        assert_eq!(batch.len(), ws.n, "loss of another batch than the last forward pass");
        let n = ws.n;
        let Some(out) = ws.layers.last_mut() else { return 0.0 };
        let mut sum = 0.0;
        for s in 0..n {
            let row = s * outputs..(s + 1) * outputs;
            let (z, a, y) = (&out.z[row.clone()], &out.a[row.clone()], &batch.y()[row.clone()]);
            let delta = &mut out.delta[row];
            self.spec.loss.output_delta(f, z, a, y, delta);
            let loss = self.spec.loss.value(z, a, y).to_f64();
            match batch.weights() {
                None => sum += loss,
                Some(weights) => {
                    sum += weights[s].to_f64() * loss;
                    delta.iter_mut().for_each(|d| *d *= weights[s]);
                }
            }
        }
        ws.lap(Part::Loss);
        sum
    }

    /// BP2, BP3 and BP4: `grads` = the gradient of the summed loss, from delta(L) down to the first layer.
    ///
    /// # Panics
    /// If `grads` or `params` is shorter than the layout.
    pub fn backward<'a, T: Real>(
        &self,
        params: &[T],
        x: impl Into<Input<'a, T>>,
        ws: &mut Workspace<T>,
        grads: &mut [T],
    ) {
        let x = x.into();
        for l in (0..self.spec.layers.len()).rev() {
            self.layer_gradient(l, x, ws, grads);
            ws.lap(Part::Gradient(l));
            if l > 0 {
                self.carry_back(l, params, ws);
            }
        }
    }

    /// BP3 and BP4 of layer `l`, from delta(l) and a(l-1).
    pub(crate) fn layer_gradient<T: Real>(&self, l: usize, x: Input<T>, ws: &Workspace<T>, grads: &mut [T]) {
        let (weight, bias) = (self.layout.weight(l), self.layout.bias(l));
        self.weight_gradient(l, x, ws, Destination::Gradient, &mut grads[weight]);
        dense::bias_gradient(self.dims(l, ws.n), &ws.layers[l].delta, &mut grads[bias], ws.how.threads);
    }

    /// BP4 of layer `l` into gradients, or straight into its weights.
    pub(crate) fn weight_gradient<T: Real>(
        &self,
        l: usize,
        x: Input<T>,
        ws: &Workspace<T>,
        into: Destination,
        weights: &mut [T],
    ) {
        let d = self.dims(l, ws.n);
        let input = if l == 0 { x } else { Input::Dense(&ws.layers[l - 1].out(ws.dropping)[..d.n * d.k]) };
        dense::weight_gradient(d, input, &ws.layers[l].delta, into, weights, ws.how);
    }

    /// BP2: delta(l-1) from delta(l).
    pub(crate) fn carry_back<T: Real>(&self, l: usize, params: &[T], ws: &mut Workspace<T>) {
        let d = self.dims(l, ws.n);
        let size = d.n * d.k;
        let (below, here) = ws.layers.split_at_mut(l);
        let below = &mut below[l - 1];
        let delta = &mut below.delta[..size];
        let f = self.spec.layers[l - 1].activation;
        let fused = f.fused().map(|f| (f, if f.needs_z() { &below.z[..] } else { &below.a[..] }));
        let weight = &params[self.layout.weight(l)];
        dense::input_gradient(d, &here[0].delta, weight, fused, delta, ws.how);
        if fused.is_none() {
            f.backward(&below.z[..size], &below.a[..size], delta);
        }
        if ws.dropping && !below.keep.is_empty() {
            delta.iter_mut().zip(below.keep.iter()).for_each(|(d, &keep)| *d *= keep);
        }
        ws.lap(Part::CarryBack(l));
    }

    /// dL/dx of the last backward pass, `(n, inputs)`: the error carried on to the inputs, in the order of `x`.
    ///
    /// # Panics
    /// If `dx` is shorter than `n` samples.
    pub fn input_gradient<T: Real>(&self, params: &[T], ws: &Workspace<T>, dx: &mut [T]) {
        let weight = &params[self.layout.weight(0)];
        dense::input_gradient(self.dims(0, ws.n), &ws.layers[0].delta, weight, None, dx, ws.how);
    }

    pub(crate) fn dims(&self, l: usize, n: usize) -> Dims {
        Dims { n, k: self.spec.inputs_of(l), m: self.spec.layers[l].units }
    }
}
