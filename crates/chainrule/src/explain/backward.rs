//! The lines of the backward pass: the four equations, unit by unit.

use super::derivation::{Rule, Term};
use super::expr::{Expr, of, sum};
use super::formulas;
use super::lines::{Lines, When, value};
use crate::config::UpdateOrder;
use crate::loss::Loss;

impl Lines<'_> {
    /// dE/dz of an output as a name.
    pub fn delta(&self, l: usize, j: usize, s: usize) -> Expr {
        let value = self.record.layers[l].delta[s * self.names.units(l) + j];
        of(format!("delta_{}{}", self.names.unit(l, j), self.tag(s)), value)
    }

    /// `dout_h1/dnet_h1`
    fn slope(&self, l: usize, j: usize, s: usize) -> Term {
        let (z, a) = (self.net(l, j, s, When::Before), self.out(l, j, s, When::Before));
        let (formula, note) = formulas::slope(self.activation_of(l), &z, &a);
        let unit = self.names.unit(l, j);
        let symbol = format!("dout_{unit}/dnet_{unit}{}", self.tag(s));
        Term::computed(symbol, Rule::Slope, l + 1, formula).noted(note)
    }

    /// BP1: dE/da, f'(z) and delta of output `j` for sample `s`; of a softmax, the sum over all outputs before it.
    pub fn bp1(&self, j: usize, s: usize) -> Vec<Term> {
        let (l, loss, tag) = (self.last(), self.record.spec.loss, self.tag(s));
        let outputs = self.outputs(s, When::Before);
        let unit = self.names.unit(l, j);
        let mut terms = Vec::new();
        let product = match formulas::loss_slope(loss, &outputs[j], outputs.len()) {
            Some((formula, note)) => {
                let symbol = format!("dE/dout_{unit}{tag}");
                let term = Term::computed(symbol, Rule::LossSlope, l + 1, formula).noted(note);
                let alias = format!("dE_{unit}/dout_{unit}{tag}");
                terms.push(term.also(outputs.len().gt(&1).then_some(alias)));
                terms.push(self.slope(l, j, s));
                terms[0].quantity() * terms[1].quantity()
            }
            None => {
                if self.is_softmax() {
                    terms.extend(self.through_softmax(j, s));
                }
                formulas::cancelled_delta(loss, &outputs, j)
            }
        };
        let formula = match self.sample_weight(s) {
            Some(weight) => weight * product,
            None => product,
        };
        terms.push(self.delta_term(l, j, s, formula));
        terms
    }

    fn delta_term(&self, l: usize, j: usize, s: usize, formula: Expr) -> Term {
        let delta = self.delta(l, j, s);
        let (unit, tag) = (self.names.unit(l, j), self.tag(s));
        let own = (l == self.last() && self.separable()).then(|| format!("dE_{unit}/dnet_{unit}{tag}"));
        let aliases = [format!("dE/dnet_{unit}{tag}")].into_iter().chain(own);
        Term::new(format!("delta_{unit}{tag}"), Rule::Delta, l + 1, formula, value(&delta)).also(aliases)
    }

    /// Whether the loss is a sum of parts that depend on one output each, with a name of its own: E_o1.
    fn separable(&self) -> bool {
        !matches!(self.record.spec.loss, Loss::CrossEntropy { .. }) && self.names.units(self.last()) > 1
    }

    /// BP2: what each unit above carries back to unit `j` of layer `l`, their sum, f'(z) and delta.
    pub fn bp2(&self, l: usize, j: usize, s: usize) -> Vec<Term> {
        let (unit, tag, above) = (self.names.unit(l, j), self.tag(s), l + 1);
        // The error passes through what the layer above reads: with dropout, a ⊙ keep.
        let read = if self.record.drops(l) { "drop" } else { "out" };
        let when = match self.record.config.update_order {
            UpdateOrder::OutputFirst => When::After,
            UpdateOrder::Simultaneous => When::Before,
        };
        let operand = |e| self.operand(above, e);
        let carried = |k| operand(self.delta(above, k, s)) * operand(self.weight(above, k, j, when));
        let units = self.names.units(above);
        let mut terms: Vec<Term> = Vec::new();
        let total = if units == 1 {
            carried(0)
        } else {
            for k in 0..units {
                let feeds = self.names.unit(above, k);
                let symbol = if above == self.last() && self.separable() {
                    format!("dE_{feeds}/d{read}_{unit}{tag}")
                } else {
                    format!("dE/d{read}_{unit}|{feeds}{tag}")
                };
                terms.push(Term::computed(symbol, Rule::Contribution, l + 1, carried(k)));
            }
            sum(terms.iter().map(Term::quantity))
        };
        terms.push(Term::computed(format!("dE/d{read}_{unit}{tag}"), Rule::CarriedBack, l + 1, total));
        if self.record.drops(l) {
            let through = terms[terms.len() - 1].quantity() * self.keep(l, j, s);
            terms.push(Term::computed(format!("dE/dout_{unit}{tag}"), Rule::CarriedBack, l + 1, through));
        }
        let carried = terms[terms.len() - 1].quantity();
        let slope = self.slope(l, j, s);
        let formula = carried * slope.quantity();
        terms.push(slope);
        terms.push(self.delta_term(l, j, s, formula));
        terms
    }

    /// BP4: dE/dw of a weight; in a batch each sample's part, then their sum over n.
    pub fn weight_gradient(&self, l: usize, j: usize, i: usize) -> Vec<Term> {
        let mean = self.record.layers[l].gradient.w[j * self.names.inputs(l) + i];
        let operand = |e| self.operand(l, e);
        let part = |s| operand(self.delta(l, j, s)) * operand(self.input(l, i, s, When::Before));
        let name = self.names.weight(l, j, i);
        self.gradient(&name, l, part, mean, [Rule::SampleWeightGradient, Rule::WeightGradient])
    }

    /// BP3: dE/db of a bias; one that the layer shares collects the deltas of all its units.
    pub fn bias_gradient(&self, l: usize, j: usize) -> Vec<Term> {
        let Some(name) = self.names.bias(l, j) else { return Vec::new() };
        let shared = self.names.biases(l) < self.names.units(l);
        let part = |s| {
            if shared {
                sum((0..self.names.units(l)).map(|j| self.delta(l, j, s)))
            } else {
                self.delta(l, j, s)
            }
        };
        let mean = self.record.layers[l].gradient.b[if shared { 0 } else { j }];
        self.gradient(&name, l, part, mean, [Rule::SampleBiasGradient, Rule::BiasGradient])
    }

    fn gradient(
        &self,
        name: &str,
        l: usize,
        part: impl Fn(usize) -> Expr,
        mean: f64,
        [of_sample, of_batch]: [Rule; 2],
    ) -> Vec<Term> {
        if self.single() {
            return vec![Term::new(format!("dE/d{name}"), of_batch, l + 1, part(0), mean)];
        }
        let of_sample = |s| Term::computed(format!("dE/d{name}{}", self.tag(s)), of_sample, l + 1, part(s));
        let mut terms: Vec<Term> = (0..self.record.n()).map(of_sample).collect();
        let total = sum(terms.iter().map(Term::quantity)) / self.n();
        terms.push(Term::new(format!("dE/d{name}"), of_batch, l + 1, total, mean));
        terms
    }
}
