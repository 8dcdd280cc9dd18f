//! Gradient check: central differences against backpropagation, and why the two disagree.
//!
//! dL/dw is approximated by D(h) = (L(w + h) - L(w - h)) / 2h, and two of them extrapolated to
//! (4 D(h) - D(2h)) / 3, which cancels the error of order h^2 (Richardson 1911): what is left is of order h^4, so
//! that h can be large enough for the round-off of order epsilon L / h to be small too.
//!
//! A disagreement is not yet a fault. What can explain it is measured: kinks that the differences cross, the error
//! over h from 1e-1 to 1e-12, saturated units, 32 bits. Only what nothing else explains is called wrong; then the
//! classic slips are computed, and compared with the gradient that was given.

use crate::batch::Batch;
use crate::explain::Names;
use crate::network::{Network, Workspace};
use crate::regularize::Regularize;
use crate::{Error, Real, Result};
use serde::Serialize;

mod cause;
mod differences;
mod fault;
mod group;
mod sweep;
mod verdict;

pub use cause::Cause;
pub use fault::{Classic, Fault};
pub use group::{GroupCheck, ParameterCheck};
pub use sweep::{Sweep, SweepPoint};

use differences::Differences;
use group::{Compared, Places};

/// The default step h, as in Saito, Deep Learning from Scratch, ch. 4.
pub const H: f64 = 1e-4;

/// The relative error up to which the two gradients of a group are taken for the same.
pub const TOLERANCE: f64 = 1e-7;

/// What the gradient is taken of: the mean loss of a batch, penalties included.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a, T> {
    /// The network.
    pub net: &'a Network,
    /// Its weights and biases.
    pub params: &'a [T],
    /// The samples.
    pub batch: &'a Batch<T>,
    /// Penalties, part of the gradient.
    pub regularize: &'a Regularize,
    /// Size of the training set, by which penalties may be divided.
    pub samples: usize,
}

/// How it is checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The step of the differences.
    pub h: f64,
    /// At most so many parameters, as many from each group as there are; none: all.
    pub parameters: Option<usize>,
    /// Draws them.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { h: H, parameters: None, seed: 0 }
    }
}

/// Both gradients of every parameter group compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientCheck {
    /// One for each of `layers.{l}.weight` and `layers.{l}.bias`.
    pub groups: Vec<GroupCheck>,
    /// The loss at the parameters checked, penalties included.
    pub loss: f64,
    /// The step of the differences.
    pub h: f64,
    /// The largest relative error of a group that passes.
    pub tolerance: f64,
    /// The number type of both gradients.
    pub dtype: &'static str,
    /// Parameters of the network, and how many were checked.
    pub parameters: usize,
    /// How many of them were checked.
    pub checked: usize,
    /// Samples whose ±2h interval crosses a kink, where differences mean nothing: their numbers in the data set.
    pub at_kink: Vec<usize>,
    /// Whether every group passes and no sample is at a kink.
    pub passed: bool,
    /// What that means, in words.
    pub verdict: String,
    /// Where a wrong gradient starts, and the likely slip.
    pub fault: Option<Fault>,
    /// The error over h of the worst parameter of the worst group.
    pub sweep: Sweep,
}

impl GradientCheck {
    /// Whether a gradient is wrong, and not only the differences it is compared with.
    pub fn wrong(&self) -> bool {
        self.groups.iter().any(|group| matches!(group.cause, Cause::Wrong { .. }))
    }
}

impl<T: Real> Problem<'_, T> {
    /// The backpropagated gradient of the mean loss, penalties included, and that loss.
    pub fn gradient(&self) -> (Vec<T>, f64) {
        let (net, batch) = (self.net, self.batch);
        let n = batch.total_weight();
        let mut ws = Workspace::new(net, batch.len(), 1);
        let mut grads = vec![T::default(); self.params.len()];
        net.forward(self.params, batch.input(), &mut ws);
        let loss =
            net.loss(batch, &mut ws) / n + self.regularize.value(net.layout(), self.params, self.samples);
        net.backward(self.params, batch.input(), &mut ws, &mut grads);
        for l in 0..net.layout().layers() {
            self.regularize.add_penalties(net.layout(), l, self.params, &mut grads, n, self.samples);
        }
        grads.iter_mut().for_each(|g| *g = T::from_f64(g.to_f64() / n));
        (grads, loss)
    }

    /// What a difference of two losses cannot resolve: 8 units in the last place of the loss, over h, or over the
    /// default h if that is larger (a small h is no excuse).
    fn resolution(loss: f64, h: f64) -> f64 {
        8.0 * f64::EPSILON * loss.abs().max(1e-3) / h.max(H)
    }
}

/// Checks the library's own backpropagation.
pub fn check(problem: &Problem<f64>, options: &Options) -> GradientCheck {
    let (grads, _) = problem.gradient();
    judged(problem, &grads, options)
}

/// Checks any gradient of the problem, wherever it comes from: one number for each parameter, in the order of the layout.
///
/// # Errors
/// If the count differs.
pub fn check_gradient(problem: &Problem<f64>, grads: &[f64], options: &Options) -> Result<GradientCheck> {
    if grads.len() != problem.params.len() {
        return Err(Error::shape("gradient", problem.params.len(), grads.len()));
    }
    if problem.batch.x().is_empty() && !problem.batch.is_empty() {
        return Err(Error::shape(
            "inputs of the batch",
            "numbers, as Batch::new gathers",
            "lists of nonzero ones",
        ));
    }
    Ok(judged(problem, grads, options))
}

/// Checks both ways in 32 bits, and by the same problem in 64 bits whether that is what makes them differ.
pub fn check_single(problem: &Problem<f32>, exact: &Problem<f64>, options: &Options) -> GradientCheck {
    let (grads, _) = problem.gradient();
    let (exact_grads, _) = exact.gradient();
    let in_64_bits = check(exact, options);
    let mut work = Work::new(problem, &grads, options);
    for (group, compared) in work.groups.iter_mut().zip(&work.compared) {
        let of_64 = in_64_bits.groups.iter().find(|other| other.name == group.name);
        group.cause = match of_64 {
            _ if group.relative_error <= TOLERANCE => Cause::Same,
            Some(of_64) => cause::single(of_64, compared, &exact_grads),
            None => Cause::Wrong { best_error: group.relative_error },
        };
    }
    work.finish(None)
}

fn judged(problem: &Problem<f64>, grads: &[f64], options: &Options) -> GradientCheck {
    let mut work = Work::new(problem, grads, options);
    let resolution = Problem::<f64>::resolution(work.loss, options.h);
    for (group, compared) in work.groups.iter_mut().zip(&work.compared) {
        group.cause = cause::of_group(&mut work.differences, group, compared, options.h, resolution);
    }
    let wrong = work.groups.iter().any(|group| matches!(group.cause, Cause::Wrong { .. }));
    let fault = wrong.then(|| fault::locate(problem, &work.groups, &work.compared, resolution));
    work.finish(fault)
}

/// A check on its way: both gradients, compared but not yet explained.
struct Work<'p, T: Real> {
    differences: Differences<'p, T>,
    groups: Vec<GroupCheck>,
    compared: Vec<Compared>,
    loss: f64,
    at_kink: Vec<bool>,
    h: f64,
}

impl<'p, T: Real> Work<'p, T> {
    fn new(problem: &Problem<'p, T>, grads: &[T], options: &Options) -> Self {
        let (_, loss) = problem.gradient();
        let names = Names::new(problem.net.spec());
        let resolution = Problem::<T>::resolution(loss, options.h);
        let mut differences = Differences::new(problem);
        let mut at_kink = vec![false; problem.batch.len()];
        let (mut groups, mut compared) = (Vec::new(), Vec::new());
        for places in Places::choose(problem.net.layout(), options) {
            let mut numeric = Vec::with_capacity(places.places.len());
            for place in &places.places {
                numeric.push(differences.derivative(place, options.h).extrapolated);
                differences.crossed().for_each(|kink| at_kink[kink.sample] = true);
            }
            let analytic = places.places.iter().map(|place| grads[place.index].to_f64()).collect();
            let both = Compared { places, analytic, numeric };
            groups.push(both.figures(&names, problem.params, resolution));
            compared.push(both);
        }
        Self { differences, groups, compared, loss, at_kink, h: options.h }
    }

    fn finish(mut self, fault: Option<Fault>) -> GradientCheck {
        let batch = self.differences.problem().batch;
        let samples = (0..self.at_kink.len()).filter(|&s| self.at_kink[s]);
        let at_kink: Vec<usize> = samples.map(|s| batch.sample(s)).collect();
        let passed = at_kink.is_empty() && self.groups.iter().all(|group| group.passed);
        let sweep = sweep::of_worst(&mut self.differences, &self.groups, &self.compared);
        for group in &mut self.groups {
            group.verdict = group.cause.words(self.h);
        }
        let verdict = verdict::of_check(&self.groups, fault.as_ref(), &at_kink, T::NAME);
        GradientCheck {
            loss: self.loss,
            h: self.h,
            tolerance: TOLERANCE,
            dtype: T::NAME,
            parameters: self.groups.iter().map(|group| group.parameters).sum(),
            checked: self.groups.iter().map(|group| group.checked).sum(),
            groups: self.groups,
            at_kink,
            passed,
            verdict,
            fault,
            sweep,
        }
    }
}
