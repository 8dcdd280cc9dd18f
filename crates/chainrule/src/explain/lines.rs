//! The lines of one record: forward pass, loss, and the four equations, unit by unit.

use super::derivation::{Rule, Term};
use super::expr::{Expr, of, sum};
use super::formulas::{self, Output};
use super::names::Names;
use super::record::Record;
use crate::activation::Activation;
use crate::config::UpdateOrder;
use crate::loss::Loss;

/// Writes the lines of one record.
pub struct Lines<'a> {
    /// The numbers.
    pub record: &'a Record,
    /// What they are called.
    pub names: Names,
}

/// Which parameters a forward pass uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Those before the update.
    Before,
    /// Those after it: symbols carry a `+`.
    After,
}

impl When {
    /// What symbols carry.
    pub fn mark(self) -> &'static str {
        if self == Self::After { "+" } else { "" }
    }
}

impl<'a> Lines<'a> {
    /// The lines of `record`.
    pub fn new(record: &'a Record) -> Self {
        Self { record, names: Names::new(&record.spec) }
    }

    /// Whether the batch is one sample that counts as one: nothing is summed or divided.
    pub fn single(&self) -> bool {
        self.record.n() == 1 && self.record.weights.is_none()
    }

    /// The mark of sample `s`, counted from 1, on symbols of a batch.
    pub fn tag(&self, s: usize) -> String {
        if self.single() { String::new() } else { format!("@{}", s + 1) }
    }

    fn activation_of(&self, l: usize) -> Activation {
        self.record.spec.layers[l].activation
    }

    fn last(&self) -> usize {
        self.names.layers() - 1
    }

    /// Weight from input `i` to unit `j` of layer `l`. One that is not trained is the same after the update.
    pub fn weight(&self, l: usize, j: usize, i: usize, when: When) -> Expr {
        let params = &self.record.layers[l].params;
        let (at, name) = (j * self.names.inputs(l) + i, self.names.weight(l, j, i));
        if when == When::After && self.record.spec.layers[l].train_weights {
            of(format!("{name}+"), params.after.w[at])
        } else {
            of(name, params.before.w[at])
        }
    }

    /// Bias of unit `j` of layer `l`, if there is one.
    pub fn bias(&self, l: usize, j: usize, when: When) -> Option<Expr> {
        let params = &self.record.layers[l].params;
        let (at, name) = (j.min(self.names.biases(l).saturating_sub(1)), self.names.bias(l, j)?);
        Some(if when == When::After && self.record.spec.layers[l].train_bias {
            of(format!("{name}+"), params.after.b[at])
        } else {
            of(name, params.before.b[at])
        })
    }

    /// What layer `l` reads from input `i`: an input, or what unit i below gives.
    pub fn input(&self, l: usize, i: usize, s: usize, when: When) -> Expr {
        if l == 0 {
            return of(format!("i{}{}", i + 1, self.tag(s)), self.record.input(0, s, i));
        }
        let a = self.out(l - 1, i, s, when);
        if !self.record.drops(l - 1) {
            return a;
        }
        let keep = self.record.layers[l - 1].keep[s * self.names.units(l - 1) + i];
        let value = a.eval().map(|a| a * keep);
        of(self.symbol("drop", l - 1, i, s, when), value)
    }

    /// `net_h1`, `out_h1+@2`, …
    fn symbol(&self, stem: &str, l: usize, j: usize, s: usize, when: When) -> String {
        format!("{stem}_{}{}{}", self.names.unit(l, j), when.mark(), self.tag(s))
    }

    fn net(&self, l: usize, j: usize, s: usize, when: When) -> Expr {
        let z = &self.record.layers[l].z;
        let values = if when == When::After { &z.after } else { &z.before };
        of(self.symbol("net", l, j, s, when), values[s * self.names.units(l) + j])
    }

    /// a of unit `j` of layer `l` before the update.
    pub fn out_before(&self, l: usize, j: usize, s: usize) -> Expr {
        self.out(l, j, s, When::Before)
    }

    fn out(&self, l: usize, j: usize, s: usize, when: When) -> Expr {
        let a = &self.record.layers[l].a;
        let values = if when == When::After { &a.after } else { &a.before };
        of(self.symbol("out", l, j, s, when), values[s * self.names.units(l) + j])
    }

    /// z and a of unit `j` of layer `l` for sample `s`, and what dropout makes of a.
    pub fn forward(&self, l: usize, j: usize, s: usize, when: When) -> Vec<Term> {
        let products =
            (0..self.names.inputs(l)).map(|i| self.weight(l, j, i, when) * self.input(l, i, s, when));
        let z = sum(products.chain(self.bias(l, j, when)));
        let net = self.net(l, j, s, when);
        let symbol = |stem| self.symbol(stem, l, j, s, when);
        let mut terms = vec![Term::new(symbol("net"), Rule::PreActivation, l + 1, z, value(&net))];
        let out = self.out(l, j, s, when);
        let (formula, note) = if self.activation_of(l) == Activation::Softmax {
            let row: Vec<Expr> = (0..self.names.units(l)).map(|j| self.net(l, j, s, when)).collect();
            formulas::softmax(&row, j)
        } else {
            formulas::value(self.activation_of(l), &net)
        };
        terms.push(Term::new(symbol("out"), Rule::Activation, l + 1, formula, value(&out)).noted(note));
        if self.record.drops(l) {
            terms.push(Term::computed(symbol("drop"), Rule::Dropped, l + 1, out * self.keep(l, j, s)));
        }
        terms
    }

    fn keep(&self, l: usize, j: usize, s: usize) -> Expr {
        let keep = self.record.layers[l].keep[s * self.names.units(l) + j];
        of(format!("keep_{}{}", self.names.unit(l, j), self.tag(s)), keep)
    }

    /// Target of output `j`.
    fn target(&self, j: usize, s: usize) -> Expr {
        let outputs = self.names.units(self.last());
        let symbol = format!("target_o{}{}", j + 1, self.tag(s));
        of(symbol, self.record.y[s * outputs + j])
    }

    /// The smoothed targets of sample `s`; none without label smoothing.
    pub fn targets(&self, s: usize) -> Vec<Term> {
        let outputs = self.names.units(self.last());
        let term = |j| {
            let formula = formulas::smoothed(self.record.spec.loss, &self.target(j, s), outputs)?;
            let symbol = format!("y_o{}{}", j + 1, self.tag(s));
            Some(Term::computed(symbol, Rule::Target, 0, formula))
        };
        (0..outputs).filter_map(term).collect()
    }

    fn outputs(&self, s: usize, when: When) -> Vec<Output> {
        let (l, smoothed) = (self.last(), self.targets(s));
        let output = |j| Output {
            z: self.net(l, j, s, when),
            a: self.out(l, j, s, when),
            y: smoothed.get(j).map_or_else(|| self.target(j, s), Term::quantity),
        };
        (0..self.names.units(l)).map(output).collect()
    }

    /// The loss of each output of sample `s`, and of the sample.
    pub fn sample_loss(&self, s: usize, when: When) -> Vec<Term> {
        let outputs = self.outputs(s, when);
        let tag = format!("{}{}", when.mark(), self.tag(s));
        let term = |j| {
            let (formula, note) = formulas::output_loss(self.record.spec.loss, &outputs, j);
            Term::computed(format!("E_o{}{tag}", j + 1), Rule::OutputLoss, 0, formula).noted(note)
        };
        let mut terms: Vec<Term> = (0..outputs.len()).map(term).collect();
        let total = sum(terms.iter().map(Term::quantity));
        let loss = &self.record.loss;
        terms.push(if self.single() {
            let loss = if when == When::After { loss.after } else { loss.before };
            Term::new(format!("E_total{tag}"), Rule::TotalLoss, 0, total, loss)
        } else {
            Term::computed(format!("E_total{tag}"), Rule::TotalLoss, 0, total)
        });
        terms
    }

    /// The factor of sample `s` in sums over the batch, if samples have weights.
    fn sample_weight(&self, s: usize) -> Option<Expr> {
        let weights = self.record.weights.as_ref()?;
        Some(of(format!("weight{}", self.tag(s)), weights[s]))
    }

    /// What sums over the batch are divided by.
    pub fn n(&self) -> Expr {
        of("n", self.record.total_weight)
    }

    /// The loss of a batch, from those of its samples.
    pub fn batch_loss(&self, when: When, of_samples: &[Expr]) -> Option<Term> {
        if self.single() {
            return None;
        }
        let weighted = |(s, e): (usize, &Expr)| match self.sample_weight(s) {
            Some(weight) => weight * e.clone(),
            None => e.clone(),
        };
        let formula = sum(of_samples.iter().enumerate().map(weighted)) / self.n();
        let loss = &self.record.loss;
        let value = if when == When::After { loss.after } else { loss.before };
        Some(Term::new(format!("E_total{}", when.mark()), Rule::TotalLoss, 0, formula, value))
    }

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

    /// BP1: dE/da, f'(z) and delta of output `j` for sample `s`.
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
            None => formulas::cancelled_delta(loss, &outputs, j),
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
        let carried = |k| self.delta(above, k, s) * self.weight(above, k, j, when);
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
        let part = |s| self.delta(l, j, s) * self.input(l, i, s, When::Before);
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

/// The value of a named number, NaN for none.
pub fn value(e: &Expr) -> f64 {
    e.eval().unwrap_or(f64::NAN)
}
