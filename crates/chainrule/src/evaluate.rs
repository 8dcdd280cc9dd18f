//! A network's answers for a whole data set, and their score.

use crate::Real;
use crate::batch::{Batch, TargetCoding};
use crate::compiled::Compiled;
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

    /// The score over `data`; calls `each` with every chunk on the way.
    fn pass(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
        accuracy: Accuracy,
        mut each: impl FnMut(&Batch<T>, &Workspace<T>),
    ) -> Score {
        let (mut loss, mut weight, mut correct) = (0.0, 0.0, 0.0);
        for start in (0..data.len()).step_by(CHUNK) {
            self.batch.gather(data, coding, &[], start..data.len().min(start + CHUNK));
            net.forward(params, self.batch.input(), &mut self.ws);
            loss += net.loss(&self.batch, &mut self.ws);
            weight += self.batch.total_weight();
            correct += count_correct(accuracy, &self.batch, &self.ws);
            each(&self.batch, &self.ws);
        }
        // Samples that all weigh nothing have no loss.
        let loss = if weight > 0.0 { loss / weight } else { 0.0 };
        Score { loss, accuracy: accuracy.rate(correct, data.len() as f64) }
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
        self.pass(net, params, data, coding, accuracy, |_, _| {})
    }

    /// The outputs for every sample, `(samples, outputs)`.
    pub fn outputs(&mut self, net: &Network, params: &[T], data: &Dataset, coding: TargetCoding) -> Vec<T> {
        self.answers(net, params, data, coding, Accuracy::None).outputs
    }

    /// Score, outputs and losses, in one pass.
    pub fn answers(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
        accuracy: Accuracy,
    ) -> Answers<T> {
        (Compiled::get().answers)(self, net, params, data, coding, accuracy)
    }

    pub(crate) fn answers_here(
        &mut self,
        net: &Network,
        params: &[T],
        data: &Dataset,
        coding: TargetCoding,
        accuracy: Accuracy,
    ) -> Answers<T> {
        let width = net.spec().outputs();
        let (mut outputs, mut losses) =
            (Vec::with_capacity(data.len() * width), Vec::with_capacity(data.len()));
        let score = self.pass(net, params, data, coding, accuracy, |batch, ws| {
            outputs.extend_from_slice(ws.output());
            let z = ws.z(net.spec().layers.len() - 1);
            for s in 0..batch.len() {
                let row = s * width..(s + 1) * width;
                let loss = net.spec().loss.value(&z[row.clone()], &ws.output()[row.clone()], &batch.y()[row]);
                losses.push(loss.to_f64());
            }
        });
        Answers { score, outputs, losses }
    }
}

/// What a network answers for a data set.
#[derive(Clone, Debug)]
pub struct Answers<T> {
    /// Mean loss and accuracy.
    pub score: Score,
    /// `(samples, outputs)`
    pub outputs: Vec<T>,
    /// The loss of each sample.
    pub losses: Vec<f64>,
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
