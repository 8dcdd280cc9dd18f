//! The lines of the update: penalties, clipping, what the optimizer remembers, the new weights and biases, max-norm.

use super::derivation::{Law, Rule, Term};
use super::expr::{Expr, Function, call, of, power, sum};
use super::lines::{Lines, When};
use super::record::{LayerRecord, Parameters};
use crate::optimizer::Optimizer;
use crate::regularize::PenaltyScale;

/// A weight or bias of layer `l`: its place among those of the layer, and its name.
pub(super) struct Parameter<'a> {
    pub l: usize,
    at: usize,
    pub name: String,
    weight: bool,
    layer: &'a LayerRecord,
}

impl Parameter<'_> {
    pub fn of(&self, parameters: &Parameters) -> f64 {
        let values = if self.weight { &parameters.w } else { &parameters.b };
        values[self.at]
    }

    pub fn before(&self) -> Expr {
        of(self.name.clone(), self.of(&self.layer.params.before))
    }

    pub fn after(&self) -> f64 {
        self.of(&self.layer.params.after)
    }
}

impl Lines<'_> {
    pub(super) fn weight_parameter(&self, l: usize, j: usize, i: usize) -> Parameter<'_> {
        let at = j * self.names.inputs(l) + i;
        let name = self.names.weight(l, j, i);
        Parameter { l, at, name, weight: true, layer: &self.record.layers[l] }
    }

    fn bias_parameter(&self, l: usize, j: usize) -> Option<Parameter<'_>> {
        let at = j.min(self.names.biases(l).checked_sub(1)?);
        let name = self.names.bias(l, j)?;
        Some(Parameter { l, at, name, weight: false, layer: &self.record.layers[l] })
    }

    /// The law of the update, if it is plain gradient descent or a step along a direction: what other optimizers do,
    /// their lines say.
    pub fn descent(&self) -> Option<Law> {
        match self.record.config.optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => Some(Law::Descent),
            Optimizer::Lbfgs { .. } => Some(Law::Step),
            _ => None,
        }
    }

    /// The learning rate by name.
    pub(super) fn eta(&self) -> Expr {
        of("eta", self.record.learning_rate)
    }

    /// l1 and l2 as they act on the mean loss, by name; none for one that is 0.
    pub fn penalty_factors(&self) -> (Option<Expr>, Option<Expr>) {
        let regularize = &self.record.config.regularize;
        let factor = |name: &str, value: f64| {
            let factor = of(name, value);
            (value != 0.0).then(|| match regularize.l2_scale {
                PenaltyScale::PerSample => factor,
                PenaltyScale::PerDataset => factor / of("N", self.record.set_size as f64),
            })
        };
        (factor("l1", regularize.l1), factor("l2", regularize.l2))
    }

    /// What the gradient with penalties is called.
    pub(super) fn gradient_name(&self, p: &Parameter) -> String {
        let (l1, l2) = self.penalty_factors();
        let penalized = p.weight && (l1.is_some() || l2.is_some());
        if penalized { format!("g_{}", p.name) } else { format!("dE/d{}", p.name) }
    }

    /// The gradient with penalties; none where there are none.
    pub(super) fn penalized(&self, p: &Parameter) -> Option<Term> {
        let (l1, l2) = self.penalty_factors();
        if !p.weight || (l1.is_none() && l2.is_none()) {
            return None;
        }
        let w = p.before();
        let mut formula = of(format!("dE/d{}", p.name), p.of(&p.layer.gradient));
        if let Some(l2) = l2 {
            formula = formula + l2 * w.clone();
        }
        if let Some(l1) = l1 {
            formula = formula + l1 * call(Function::Sign, w);
        }
        Some(Term::computed(format!("g_{}", p.name), Rule::Penalized, p.l + 1, formula))
    }

    /// The gradient before it is clipped, by name.
    fn gradient_of(&self, p: &Parameter) -> Expr {
        let plain = || of(format!("dE/d{}", p.name), p.of(&p.layer.gradient));
        self.penalized(p).map_or_else(plain, |term| term.quantity())
    }

    /// All weights and biases that are trained.
    pub(super) fn trained(&self) -> Vec<Parameter<'_>> {
        let mut all = Vec::new();
        for (l, layer) in self.record.spec.layers.iter().enumerate() {
            if layer.train_weights {
                let inputs = self.names.inputs(l);
                all.extend(
                    (0..self.names.units(l) * inputs)
                        .map(|at| self.weight_parameter(l, at / inputs, at % inputs)),
                );
            }
            if layer.train_bias {
                all.extend((0..self.names.biases(l)).filter_map(|j| self.bias_parameter(l, j)));
            }
        }
        all
    }

    /// The norm of the whole gradient, if it is to be limited: whether it exceeds the limit, and its line.
    pub fn gradient_norm(&self) -> Option<(bool, Term)> {
        let limit = self.record.config.regularize.clip_norm?;
        let square = |p: &Parameter| power(self.gradient_of(p), 2.0.into());
        let formula = call(Function::Sqrt, sum(self.trained().iter().map(square)));
        let term = Term::computed("norm_g", Rule::Norm, 0, formula);
        let exceeds = term.value.is_some_and(|norm| limit / (norm + 1e-6) < 1.0);
        let note = if exceeds { "above clip_norm" } else { "within clip_norm: nothing is clipped" };
        Some((exceeds, term.noted(note.to_string())))
    }

    /// The lines from the gradient of a parameter to the formula of its new value.
    fn rule(&self, p: &Parameter, clipped: Option<&Expr>) -> (Vec<Term>, Expr) {
        let mut terms: Vec<Term> = self.penalized(p).into_iter().collect();
        let mut g = self.gradient_of(p);
        if let (Some(limit), Some(norm)) = (self.record.config.regularize.clip_norm, clipped) {
            let formula = g * of("clip_norm", limit) / (norm.clone() + 1e-6);
            let value = p.of(&p.layer.given);
            terms.push(Term::new(format!("clip_{}", p.name), Rule::Clipped, p.l + 1, formula, value));
            g = terms[terms.len() - 1].quantity();
        }
        let (w, eta) = (p.before(), self.eta());
        // Remembered vectors in the order of `Optimizer::slots`: the old one by name, the new one as a line.
        let old =
            |slot: usize, stem: &str| of(format!("{stem}_{}", p.name), p.of(&p.layer.state[slot].1.before));
        let new = |slot: usize, stem: &str, formula: Expr| {
            let value = p.of(&p.layer.state[slot].1.after);
            Term::new(format!("{stem}_{}+", p.name), Rule::State, p.l + 1, formula, value)
        };
        let one = || Expr::from(1.0);
        let square = |e: Expr| power(e, 2.0.into());
        let root = |e: Expr| call(Function::Sqrt, e);
        let formula = match self.record.config.optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => w - eta * g,
            Optimizer::Sgd { momentum, nesterov } => {
                let mu = || of("mu", momentum);
                let v = new(0, "v", mu() * old(0, "v") + g.clone());
                let step = if nesterov { g + mu() * v.quantity() } else { v.quantity() };
                terms.push(v);
                w - eta * step
            }
            Optimizer::RmsProp { alpha, eps, momentum } => {
                let alpha = || of("alpha", alpha);
                let s = new(0, "s", alpha() * old(0, "s") + (one() - alpha()) * square(g.clone()));
                let scaled = g / (root(s.quantity()) + of("eps", eps));
                terms.push(s);
                if momentum == 0.0 {
                    w - eta * scaled
                } else {
                    let v = new(1, "v", of("mu", momentum) * old(1, "v") + scaled);
                    terms.push(v);
                    w - eta * terms[terms.len() - 1].quantity()
                }
            }
            Optimizer::AdaGrad { eps } => {
                let s = new(0, "s", old(0, "s") + square(g.clone()));
                terms.push(s);
                w - eta * (g / (root(terms[terms.len() - 1].quantity()) + of("eps", eps)))
            }
            Optimizer::Adam { beta1, beta2, eps, weight_decay } => {
                let (b1, b2) = (|| of("beta1", beta1), || of("beta2", beta2));
                let t = || of("t", self.record.t as f64);
                let m = new(0, "m", b1() * old(0, "m") + (one() - b1()) * g.clone());
                let s = new(1, "s", b2() * old(1, "s") + (one() - b2()) * square(g));
                let hat = |stem: &str, from: &Term, beta: Expr| {
                    let formula = from.quantity() / (one() - power(beta, t()));
                    Term::computed(format!("{stem}_{}", p.name), Rule::State, p.l + 1, formula)
                };
                let (m_hat, s_hat) = (hat("mhat", &m, b1()), hat("shat", &s, b2()));
                let step = eta.clone() * (m_hat.quantity() / (root(s_hat.quantity()) + of("eps", eps)));
                terms.extend([m, s, m_hat, s_hat]);
                if weight_decay == 0.0 {
                    w - step
                } else {
                    (one() - eta * of("weight_decay", weight_decay)) * w - step
                }
            }
            // The lines of direction and step length stand before: they are of all parameters together.
            Optimizer::Lbfgs { .. } => {
                terms.clear();
                match self.newton() {
                    Some(newton) => newton.step(p, w),
                    None => w,
                }
            }
        };
        (terms, formula)
    }

    /// The lines that update the weights into unit `j` of layer `l`, or only that from input `only`. `clipped` is the norm
    /// of the gradient if that is scaled down.
    pub fn update_weights(
        &self,
        l: usize,
        j: usize,
        only: Option<usize>,
        clipped: Option<&Expr>,
    ) -> Vec<Term> {
        if !self.record.spec.layers[l].train_weights {
            return Vec::new();
        }
        let inputs = 0..self.names.inputs(l);
        let wanted = |i: usize| only.is_none_or(|only| only == i);
        let symbol = |i| format!("{}+", self.names.weight(l, j, i));
        let Some(limit) = self.record.config.regularize.max_norm else {
            let lines = inputs.filter(|&i| wanted(i)).flat_map(|i| {
                let p = self.weight_parameter(l, j, i);
                let (mut terms, formula) = self.rule(&p, clipped);
                terms.push(Term::new(symbol(i), Rule::Update, l + 1, formula, p.after()));
                terms
            });
            return lines.collect();
        };
        let mut terms = Vec::new();
        let mut unlimited = Vec::new();
        for i in inputs.clone() {
            let p = self.weight_parameter(l, j, i);
            let (before, formula) = self.rule(&p, clipped);
            let name = format!("u_{}", p.name);
            let term = Term::computed(name, Rule::Unlimited, l + 1, formula);
            unlimited.push(term.quantity());
            if wanted(i) {
                terms.extend(before);
                terms.push(term);
            }
        }
        let unit = self.names.unit(l, j);
        let squares = sum(unlimited.iter().map(|u| power(u.clone(), 2.0.into())));
        let norm = Term::computed(format!("norm_{unit}"), Rule::Norm, l + 1, call(Function::Sqrt, squares));
        let exceeds = norm.value.is_some_and(|norm| norm > limit);
        let note = if exceeds { "above max_norm" } else { "within max_norm" };
        let norm = norm.noted(note.to_string());
        for i in inputs.filter(|&i| wanted(i)) {
            let formula = if exceeds {
                unlimited[i].clone() * of("max_norm", limit) / norm.quantity()
            } else {
                unlimited[i].clone()
            };
            let after = self.weight_parameter(l, j, i).after();
            terms.push(Term::new(symbol(i), Rule::Update, l + 1, formula, after));
        }
        let at = terms.iter().position(|term| term.rule == Rule::Update).unwrap_or(terms.len());
        terms.insert(at, norm);
        terms
    }

    /// The lines that update the bias of unit `j` of layer `l`, if it is trained.
    pub fn update_bias(&self, l: usize, j: usize, clipped: Option<&Expr>) -> Vec<Term> {
        let Some(p) = self.bias_parameter(l, j).filter(|_| self.record.spec.layers[l].train_bias) else {
            return Vec::new();
        };
        let (mut terms, formula) = self.rule(&p, clipped);
        terms.push(Term::new(format!("{}+", p.name), Rule::Update, l + 1, formula, p.after()));
        terms
    }

    /// The penalty on all weights and the loss with it, if there is one.
    pub fn penalty(&self, when: When) -> Vec<Term> {
        let (l1, l2) = self.penalty_factors();
        let weights = || {
            let of_layer = |l: usize| {
                let inputs = self.names.inputs(l);
                (0..self.names.units(l) * inputs)
                    .map(move |at| self.weight(l, at / inputs, at % inputs, when))
            };
            (0..self.names.layers()).flat_map(of_layer)
        };
        let squares = l2.map(|l2| l2 / 2.0 * sum(weights().map(|w| power(w, 2.0.into()))));
        let sizes = l1.map(|l1| l1 * sum(weights().map(|w| call(Function::Abs, w))));
        let parts: Vec<Expr> = [squares, sizes].into_iter().flatten().collect();
        if parts.is_empty() {
            return Vec::new();
        }
        let (penalty, loss) = (&self.record.penalty, &self.record.loss);
        let (penalty, loss) = match when {
            When::Before => (penalty.before, loss.before),
            When::After => (penalty.after, loss.after),
        };
        let mark = when.mark();
        let penalty = Term::new(format!("penalty{mark}"), Rule::Penalty, 0, sum(parts), penalty);
        let whole = of(format!("E_total{mark}"), loss) + penalty.quantity();
        let whole = Term::computed(format!("J{mark}"), Rule::Penalty, 0, whole);
        vec![penalty, whole]
    }
}
