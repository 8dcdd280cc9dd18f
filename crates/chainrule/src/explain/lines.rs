//! The lines of one record: forward pass, loss, and the four equations, unit by unit.

use super::derivation::{Rule, Term};
use super::expr::{Expr, Function, call, of, sum};
use super::formulas::{self, Output};
use super::names::Names;
use super::record::Record;
use crate::activation::Activation;

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

    pub(super) fn activation_of(&self, l: usize) -> Activation {
        self.record.spec.layers[l].activation
    }

    pub(super) fn last(&self) -> usize {
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

    pub(super) fn net(&self, l: usize, j: usize, s: usize, when: When) -> Expr {
        let z = &self.record.layers[l].z;
        let values = if when == When::After { &z.after } else { &z.before };
        of(self.symbol("net", l, j, s, when), values[s * self.names.units(l) + j])
    }

    /// a of unit `j` of layer `l` before the update.
    pub fn out_before(&self, l: usize, j: usize, s: usize) -> Expr {
        self.out(l, j, s, When::Before)
    }

    pub(super) fn out(&self, l: usize, j: usize, s: usize, when: When) -> Expr {
        let a = &self.record.layers[l].a;
        let values = if when == When::After { &a.after } else { &a.before };
        of(self.symbol("out", l, j, s, when), values[s * self.names.units(l) + j])
    }

    /// What a product of layer `l` makes of its operand: in bf16 it is rounded.
    pub(super) fn operand(&self, l: usize, e: Expr) -> Expr {
        if self.record.layers[l].bf16 { call(Function::Bf16, e) } else { e }
    }

    /// z and a of unit `j` of layer `l` for sample `s`, and what dropout makes of a.
    pub fn forward(&self, l: usize, j: usize, s: usize, when: When) -> Vec<Term> {
        let operand = |e| self.operand(l, e);
        let products = (0..self.names.inputs(l))
            .map(|i| operand(self.weight(l, j, i, when)) * operand(self.input(l, i, s, when)));
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

    pub(super) fn keep(&self, l: usize, j: usize, s: usize) -> Expr {
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

    pub(super) fn outputs(&self, s: usize, when: When) -> Vec<Output> {
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
    pub(super) fn sample_weight(&self, s: usize) -> Option<Expr> {
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
}

/// The value of a named number, NaN for none.
pub fn value(e: &Expr) -> f64 {
    e.eval().unwrap_or(f64::NAN)
}
