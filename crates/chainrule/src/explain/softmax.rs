//! The lines from a softmax output back to its pre-activations: every a depends on every z, and the error of one unit is
//! a sum over all outputs.

use super::derivation::{Law, Rule, Term};
use super::expr::{Expr, sum};
use super::lines::{Lines, When};
use crate::activation::Activation;

/// Up to so many numbers in the Jacobians of a batch, they are written out in full; else without the rows that a target
/// of 0 leaves without effect.
const CELLS: usize = 64;
/// What is smaller than this is not divided by.
const TINY: f64 = 1e-30;

impl Lines<'_> {
    /// Whether the outputs are a softmax, which goes with cross-entropy alone.
    pub(super) fn is_softmax(&self) -> bool {
        self.activation_of(self.last()) == Activation::Softmax
    }

    /// The law of the error at the outputs.
    pub(super) fn output_law(&self) -> Law {
        if self.is_softmax() { Law::SoftmaxBp1 } else { Law::Bp1 }
    }

    /// Whether rows of the Jacobian are left out where the target is 0.
    pub(super) fn leaves_rows_out(&self) -> bool {
        let outputs = self.names.units(self.last());
        outputs * outputs * self.record.n() > CELLS
    }

    /// da(j)/dz(i) of two outputs: a(j) (1 - a(j)) for the same, -a(j) a(i) for others.
    pub(super) fn jacobian(&self, j: usize, i: usize, s: usize) -> Term {
        let l = self.last();
        let (a, other) = (self.out(l, j, s, When::Before), self.out(l, i, s, When::Before));
        let formula = if i == j { a.clone() * (Expr::from(1.0) - a) } else { -(a * other) };
        let symbol = format!("dout_{}/dnet_{}{}", self.names.unit(l, j), self.names.unit(l, i), self.tag(s));
        Term::computed(symbol, Rule::Jacobian, l + 1, formula)
    }

    /// dE/da of output `j`: -y / a.
    pub(super) fn cross_entropy_slope(&self, j: usize, s: usize) -> Term {
        let l = self.last();
        let output = self.outputs(s, When::Before).swap_remove(j);
        let symbol = format!("dE/dout_{}{}", self.names.unit(l, j), self.tag(s));
        Term::computed(symbol, Rule::LossSlope, l + 1, -(output.y / output.a))
    }

    /// What output `i` answers for, through each output j: dE/da(j), da(j)/dz(i), their product, and the sum over j.
    pub(super) fn through_softmax(&self, i: usize, s: usize) -> Vec<Term> {
        let (l, tag) = (self.last(), self.tag(s));
        let outputs = self.outputs(s, When::Before);
        let unit = self.names.unit(l, i);
        let (mut terms, mut parts) = (Vec::new(), Vec::new());
        for (j, output) in outputs.iter().enumerate() {
            if self.leaves_rows_out() && output.y.eval() == Some(0.0) {
                continue;
            }
            let through = self.names.unit(l, j);
            let (formula, note) = if output.a.eval().is_some_and(|a| a > TINY) {
                let (slope, jacobian) = (self.cross_entropy_slope(j, s), self.jacobian(j, i, s));
                let product = slope.quantity() * jacobian.quantity();
                terms.extend([slope, jacobian]);
                (product, None)
            } else {
                let other = outputs[i].a.clone();
                let share = if i == j { other - 1.0 } else { other };
                let note = format!("out_{through}{tag} is too near 0 to divide by: it cancels");
                (output.y.clone() * share, Some(note))
            };
            let symbol = format!("dE/dnet_{unit}|{through}{tag}");
            let part = Term::computed(symbol, Rule::Contribution, l + 1, formula).noted(note);
            parts.push(part.quantity());
            terms.push(part);
        }
        let total = sum(parts);
        let formula = match self.sample_weight(s) {
            Some(weight) => weight * total,
            None => total,
        };
        terms.push(Term::computed(format!("dE/dnet_{unit}{tag}"), Rule::CarriedBack, l + 1, formula));
        terms
    }
}
