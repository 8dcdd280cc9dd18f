//! Measures a network at one moment of a run: whatever metrics are asked for, each pass made once.

use std::borrow::Cow;
use std::cell::OnceCell;

use anyhow::{Context, Result, anyhow};
use chainrule::batch::{Batch, TargetCoding};
use chainrule::evaluate::Evaluator;
use chainrule::gradcheck::{self, GradientCheck};
use chainrule::metrics::{Accuracy, Score, argmax};
use chainrule::network::{Network, Workspace};
use chainrule::{Dataset, Real};
use chainrule_io::Prepared;

use super::metric::Metric;
use super::sample::{self, layer, weight_at};
use crate::check::subject::{Chosen, How, Subject};

/// Training samples over which slopes and gradient norms are averaged: every k-th, so that all classes occur.
const AVERAGED: usize = 500;

/// A network at one moment.
pub struct Probe<'p, T> {
    prepared: &'p Prepared,
    net: &'p Network,
    params: &'p [T],
    check: OnceCell<GradientCheck>,
    train: OnceCell<Score>,
    test: OnceCell<Answers>,
}

/// The answers on the test set.
struct Answers {
    score: Score,
    outputs: Vec<f64>,
    /// How right each answer is, from 0 to 1.
    right: Vec<f64>,
}

impl<'p, T: Real> Probe<'p, T> {
    /// Looks at `params`.
    pub fn new(prepared: &'p Prepared, net: &'p Network, params: &'p [T]) -> Self {
        let (check, train, test) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { prepared, net, params, check, train, test }
    }

    /// The value of a metric that is no running figure.
    ///
    /// # Errors
    /// If the run has no such thing: no test set, no such unit, no accuracy.
    pub fn measure(&self, metric: &Metric) -> Result<f64> {
        let accuracy = |score: Score| score.accuracy.context("the targets have no accuracy");
        let samples = self.prepared.train.len() as f64;
        Ok(match metric {
            Metric::EvaluatedTrainLoss => self.train().loss,
            Metric::EvaluatedTrainAccuracy => accuracy(self.train())?,
            Metric::TotalLoss => self.train().loss * samples,
            Metric::TestLoss => self.test()?.score.loss,
            Metric::TestAccuracy => accuracy(self.test()?.score)?,
            Metric::Correct => self.test()?.right.iter().sum(),
            Metric::ValidationLoss => self.validation()?.loss,
            Metric::ValidationAccuracy => accuracy(self.validation()?)?,
            Metric::Right(class) => {
                self.of_class(*class)?.zip(&self.test()?.right).map(|(is, r)| is * r).sum()
            }
            Metric::Of(class) => self.of_class(*class)?.sum(),
            Metric::Unanswered => self.unanswered()? as f64,
            Metric::Above(bound) => self.share(|a| a > *bound)?,
            Metric::Below(bound) => self.share(|a| a < *bound)?,
            Metric::Sample(what) => sample::figure(self.prepared, self.net, self.params, *what)?,
            Metric::SampleLoss(index) => sample::loss(self.prepared, self.net, self.params, *index)?,
            Metric::Weight(l, j, i) => self.params[weight_at(self.net, *l, *j, *i)?].to_f64(),
            Metric::Bias(l, j) => {
                let biases = self.net.layout().bias(layer(self.net, *l)?);
                self.params[biases].get(*j).with_context(|| format!("layer {l} has no bias {j}"))?.to_f64()
            }
            Metric::DistinctUnits(l) => self.distinct_units(layer(self.net, *l)?) as f64,
            Metric::MeanSlope(l) => self.averaged(layer(self.net, *l)?).0,
            Metric::GradientNorm(l) => self.averaged(layer(self.net, *l)?).1,
            Metric::MaxRelativeError(group) => self.group(group)?.max_relative_error,
            Metric::MeanAbsoluteDifference(group) => self.group(group)?.mean_absolute_difference,
            Metric::Running(_)
            | Metric::BestValidationAccuracy
            | Metric::BestTestAccuracy
            | Metric::Seconds => {
                return Err(anyhow!("a figure of the whole run, not of one moment"));
            }
        })
    }

    fn score(&self, data: &Dataset, coding: TargetCoding) -> Score {
        let config = &self.prepared.resolved.config;
        let mut evaluator = Evaluator::new(self.net, data, config.threads);
        evaluator.score(self.net, self.params, data, coding, config.accuracy)
    }

    fn train(&self) -> Score {
        let coding = self.prepared.resolved.config.coding;
        *self.train.get_or_init(|| self.score(&self.prepared.train, coding))
    }

    fn validation(&self) -> Result<Score> {
        let data = self.prepared.validation.as_ref().context("the run has no validation set")?;
        Ok(self.score(data, self.prepared.resolved.config.evaluation_coding))
    }

    fn test_set(&self) -> Result<&'p Dataset> {
        self.prepared.test.as_ref().context("the run has no test set")
    }

    fn test(&self) -> Result<&Answers> {
        let data = self.test_set()?;
        Ok(self.test.get_or_init(|| {
            let config = &self.prepared.resolved.config;
            let coding = config.evaluation_coding;
            let outputs =
                Evaluator::new(self.net, data, config.threads).outputs(self.net, self.params, data, coding);
            let width = self.net.spec().outputs();
            let mut targets = Batch::<T>::new(data, width, 1);
            let right = outputs.chunks_exact(width).enumerate().map(|(s, a)| {
                targets.gather(data, coding, &[], std::iter::once(s));
                config.accuracy.correct(a, targets.y())
            });
            let right = right.collect();
            let outputs = outputs.into_iter().map(Real::to_f64).collect();
            Answers { score: self.score(data, coding), outputs, right }
        }))
    }

    /// 1 for the test samples of this class, 0 for others.
    fn of_class(&self, class: usize) -> Result<impl Iterator<Item = f64>> {
        let labels = self.test_set()?.labels().context("the test set has no classes")?;
        Ok(labels.iter().map(move |&label| f64::from(u8::from(label as usize == class))))
    }

    fn unanswered(&self) -> Result<usize> {
        if self.prepared.resolved.config.accuracy != Accuracy::Argmax {
            return Err(anyhow!("the network does not answer with classes"));
        }
        let width = self.net.spec().outputs();
        let mut answered = vec![false; width];
        self.test()?.outputs.chunks_exact(width).for_each(|a| answered[argmax(a)] = true);
        Ok(answered.iter().filter(|&&answered| !answered).count())
    }

    fn share(&self, is: impl Fn(f64) -> bool) -> Result<f64> {
        let outputs = &self.test()?.outputs;
        Ok(outputs.iter().filter(|&&a| is(a)).count() as f64 / outputs.len().max(1) as f64)
    }

    fn distinct_units(&self, l: usize) -> usize {
        let (units, inputs) = self.net.layout().weight_shape(l);
        let row = |j| {
            let bits = |i| self.params[self.net.layout().weight_at(l, j, i)].to_f64().to_bits();
            (0..inputs).map(bits).collect::<Vec<_>>()
        };
        (0..units).map(row).collect::<std::collections::HashSet<_>>().len()
    }

    /// Mean |f'(z)| of a layer, and the norm of its part of the gradient of the mean loss.
    fn averaged(&self, l: usize) -> (f64, f64) {
        let data = &self.prepared.train;
        let spec = self.net.spec();
        let step = data.len().div_ceil(AVERAGED);
        let samples: Vec<usize> = (0..data.len()).step_by(step).collect();
        let mut batch = Batch::<T>::new(data, spec.outputs(), samples.len());
        batch.gather(data, self.prepared.resolved.config.coding, &[], samples.iter().copied());
        let mut ws = Workspace::new(self.net, samples.len(), 1);
        let mut grads = vec![T::default(); self.net.layout().len()];
        self.net.forward(self.params, batch.x(), &mut ws);
        self.net.loss(&batch, &mut ws);
        self.net.backward(self.params, batch.x(), &mut ws, &mut grads);
        let f = spec.layers[l].activation;
        let slopes = ws.z(l).iter().zip(ws.a(l)).map(|(&z, &a)| f.derivative(z, a).to_f64().abs());
        let norm = grads[self.net.layout().layer(l)].iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt();
        (slopes.sum::<f64>() / ws.z(l).len() as f64, norm / samples.len() as f64)
    }

    fn group(&self, name: &str) -> Result<&gradcheck::GroupCheck> {
        if self.check.get().is_none() {
            let subject = Subject {
                network: self.net.clone(),
                params: self.params.iter().map(|v| v.to_f64()).collect(),
                data: Cow::Borrowed(&self.prepared.train),
                coding: self.prepared.resolved.config.coding,
                class_weights: Vec::new(),
                regularize: self.prepared.resolved.config.regularize,
            };
            let _ = self.check.set(subject.check(&Chosen::First(3), How::default())?.found);
        }
        let found = self.check.get().and_then(|found| found.groups.iter().find(|group| group.name == name));
        found.with_context(|| format!("the network has no {name}"))
    }
}
