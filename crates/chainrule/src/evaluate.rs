//! A network's answers for a whole data set, and their score.

use crate::Real;
use crate::batch::{Batch, TargetCoding};
use crate::dataset::Dataset;
use crate::metrics::{Accuracy, Score};
use crate::network::{Network, Workspace};
use crate::plan;
use chainrule_kernels::dense::How;

/// Samples per forward pass: buffers stay in cache, and results do not depend on the size of the data set.
const CHUNK: usize = 256;

/// Passes `data` through the network in chunks, in buffers sized once.
#[derive(Clone, Debug)]
pub struct Evaluator<T> {
    ws: Workspace<T>,
    batch: Batch<T>,
}

impl<T: Real> Evaluator<T> {
    /// Buffers for `data`.
    pub fn new(net: &Network, data: &Dataset, how: impl Into<How>) -> Self {
        let capacity = CHUNK.min(data.len());
        Self { ws: Workspace::new(net, capacity, how), batch: plan::batch(net, data, capacity) }
    }

    /// Calls `each` with every chunk after its forward pass.
    fn pass(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
        mut each: impl FnMut(&Batch<T>, &mut Workspace<T>),
    ) {
        for start in (0..data.len()).step_by(CHUNK) {
            self.batch.gather(data, coding, &[], start..data.len().min(start + CHUNK));
            net.forward(params, self.batch.input(), &mut self.ws);
            each(&self.batch, &mut self.ws);
        }
    }

    /// Mean loss and accuracy over `data`.
    pub fn score(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
        accuracy: Accuracy,
    ) -> Score {
        let (mut loss, mut weight, mut correct) = (0.0, 0.0, 0.0);
        self.pass(net, params, data, coding, |batch, ws| {
            loss += net.loss(batch, ws);
            weight += batch.total_weight();
            correct += count_correct(accuracy, batch, ws);
        });
        // Samples that all weigh nothing have no loss.
        let loss = if weight > 0.0 { loss / weight } else { 0.0 };
        Score { loss, accuracy: accuracy.rate(correct, data.len() as f64) }
    }

    /// The outputs for every sample, `(samples, outputs)`, and the loss of each.
    pub fn outputs(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
    ) -> (Vec<T>, Vec<f64>) {
        let outputs = net.spec().outputs();
        let (mut answers, mut losses) =
            (Vec::with_capacity(data.len() * outputs), Vec::with_capacity(data.len()));
        self.pass(net, params, data, coding, |batch, ws| {
            answers.extend_from_slice(ws.output());
            let z = ws.z(net.spec().layers.len() - 1);
            for s in 0..batch.len() {
                let row = s * outputs..(s + 1) * outputs;
                let loss = net.spec().loss.value(&z[row.clone()], &ws.output()[row.clone()], &batch.y()[row]);
                losses.push(loss.to_f64());
            }
        });
        (answers, losses)
    }
}

/// Correct answers of the last forward pass.
pub(crate) fn count_correct<T: Real>(accuracy: Accuracy, batch: &Batch<T>, ws: &Workspace<T>) -> f64 {
    if accuracy == Accuracy::None {
        return 0.0;
    }
    let outputs = ws.output().len() / batch.len().max(1);
    let rows = ws.output().chunks_exact(outputs).zip(batch.y().chunks_exact(outputs));
    rows.map(|(a, y)| accuracy.correct(a, y)).sum()
}
