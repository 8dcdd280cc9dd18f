//! A step of L-BFGS in a run.

use super::Trainer;
use crate::profile::Part;
use crate::step::{self, StepLoss};
use crate::{Real, Result, lbfgs};

impl<T: Real> Trainer<'_, T> {
    /// One iteration of L-BFGS on the gathered (full) batch. The loss reported is the one before it.
    pub(super) fn lbfgs_step(&mut self, history: usize, first_step: f64) -> Result<(StepLoss, bool)> {
        let (net, batch, ws) = (&self.net, &self.batch, &mut self.ws);
        let (regularize, samples) = (&self.config.regularize, self.sets.train.len());
        let n = batch.total_weight();
        let layout = net.layout();
        let mut first = None;
        let trace = self.trace.as_deref_mut();
        let progress =
            lbfgs::step(&mut self.params, &mut self.memory, history, first_step, trace, |params, grads| {
                net.forward(params, batch.input(), ws);
                let sum = net.loss(batch, ws);
                if first.is_none() && !sum.is_finite() {
                    return Err(step::forward_fault(net, ws, sum)); // later ones are trial points: not yet steps
                }
                net.backward(params, batch.input(), ws, grads);
                if first.is_none() {
                    let check = |l| step::check_finite(net, l, "gradient", grads, 1);
                    (0..layout.layers()).rev().try_for_each(check)?;
                }
                first.get_or_insert(sum);
                for l in 0..layout.layers() {
                    regularize.add_penalties(layout, l, params, grads, n, samples);
                }
                let mut trained = vec![T::default(); grads.len()]; // frozen parameters have no direction
                for range in (0..layout.layers()).filter_map(|l| layout.trainable(l)) {
                    for (mean, &sum) in trained[range.clone()].iter_mut().zip(&grads[range]) {
                        *mean = sum / T::from_f64(n);
                    }
                }
                grads.copy_from_slice(&trained);
                Ok(sum / n + regularize.value(layout, params, samples))
            })?;
        self.ws.lap(Part::Update);
        // The buffers hold a trial point: the running accuracy is that of the point reported.
        self.net.forward(&self.params, self.batch.input(), &mut self.ws);
        self.optimizer.t += 1;
        let loss = StepLoss { sum: first.unwrap_or(f64::NAN), weight: n };
        Ok((loss, progress == lbfgs::Progress::Converged))
    }
}
