//! One layer in matrix form, with shapes: columns are samples, W is (units, inputs).

use super::derivation::{Block, Law, Matrix, Part, Section, Summary, Term};
use super::expr::{Expr, Function};
use super::focus::summary;
use super::lines::Lines;
use crate::config::UpdateOrder;
use crate::loss::Loss;
use crate::optimizer::Optimizer;

/// Matrices of at most this many numbers are written out.
const CELLS: usize = 64;

/// A matrix of numbers, row by row.
struct Numbers {
    symbol: String,
    shape: (usize, usize),
    values: Vec<f64>,
}

impl Numbers {
    /// `values (rows, columns)`
    fn new(symbol: impl Into<String>, shape: (usize, usize), values: Vec<f64>) -> Self {
        Self { symbol: symbol.into(), shape, values }
    }

    /// `values (columns, rows)` turned round, as a batch becomes columns of samples.
    fn turned(symbol: impl Into<String>, (rows, columns): (usize, usize), values: &[f64]) -> Self {
        let at = |at: usize| values[(at % columns) * rows + at / columns];
        Self::new(symbol, (rows, columns), (0..rows * columns).map(at).collect())
    }

    /// As products of bf16 read it, if they do.
    fn read(mut self, bf16: bool) -> Self {
        if bf16 {
            self.symbol = format!("bf16({})", self.symbol);
            self.values.iter_mut().for_each(|value| *value = Function::Bf16.apply(*value));
        }
        self
    }

    fn part(&self, written: bool) -> Part {
        let cells = if written { self.values.iter().map(|&v| Expr::Number(v)).collect() } else { Vec::new() };
        Part::Matrix(Matrix { symbol: self.symbol.clone(), shape: self.shape, cells })
    }

    fn figures(&self) -> Summary {
        let columns = self.shape.1;
        let place = |at: usize| format!("row {}, column {}", at / columns + 1, at % columns + 1);
        summary(&self.symbol, "numbers", self.shape, &self.values, place)
    }
}

/// Matrices and the signs between them: written out if all are small, else names and shapes above their figures.
fn equation(section: &mut Section, parts: &[Result<&Numbers, &str>]) {
    let matrices = || parts.iter().filter_map(|part| part.ok());
    let small = matrices().all(|matrix| matrix.values.len() <= CELLS);
    let part = |part: &Result<&Numbers, &str>| match part {
        Ok(matrix) => matrix.part(small),
        Err(sign) => Part::Sign((*sign).to_string()),
    };
    section.blocks.push(Block::Equation { parts: parts.iter().map(part).collect() });
    if !small {
        section.blocks.push(Block::Summaries { rows: matrices().map(Numbers::figures).collect() });
    }
}

impl Lines<'_> {
    /// The error at the pre-activations of a softmax: the transposed Jacobian times dE/da, for the first sample.
    fn softmax_equation(&self, section: &mut Section) {
        let (l, tag) = (self.last(), self.tag(0));
        let units = self.names.units(l);
        let number = |term: Term| term.value.unwrap_or(f64::NAN);
        let jacobian: Vec<f64> =
            (0..units * units).map(|at| number(self.jacobian(at % units, at / units, 0))).collect();
        let slopes: Vec<f64> = (0..units).map(|j| number(self.cross_entropy_slope(j, 0))).collect();
        if slopes.iter().any(|slope| !slope.is_finite()) {
            return; // an output is 0 to the precision of the numbers
        }
        let row =
            |i: usize| jacobian[i * units..][..units].iter().zip(&slopes).map(|(da, slope)| da * slope).sum();
        let at = l + 1;
        let error = Numbers::new(format!("dE/dz({at}){tag}"), (units, 1), (0..units).map(row).collect());
        let jacobian = Numbers::new(format!("da({at})/dz({at}){tag}^T"), (units, units), jacobian);
        let slopes = Numbers::new(format!("dE/da({at}){tag}"), (units, 1), slopes);
        let which = if self.single() { "" } else { ", here of the first sample" };
        section.say(format!(
            "Every a of a softmax depends on every z: a_j ([i = j] - a_i) is da_j/dz_i{which}."
        ));
        equation(section, &[Ok(&error), Err("="), Ok(&jacobian), Err("*"), Ok(&slopes)]);
    }

    /// Layer `l`: forward, error, gradient and update as matrices.
    pub fn layer(&self, l: usize) -> Vec<Section> {
        let (record, layer, spec) = (self.record, &self.record.layers[l], &self.record.spec.layers[l]);
        let (units, inputs, n, at) = (spec.units, self.names.inputs(l), record.n(), l + 1);
        let last = self.names.layers() - 1;
        let (params, after) = (&layer.params.before, &layer.params.after);
        let w = Numbers::new(format!("W({at})"), (units, inputs), params.w.clone());
        let read: Vec<f64> = (0..n * inputs).map(|at| record.input(l, at / inputs, at % inputs)).collect();
        let w_read = Numbers::new(w.symbol.clone(), w.shape, w.values.clone()).read(layer.bf16);
        let below = Numbers::turned(format!("a({l})"), (inputs, n), &read).read(layer.bf16);
        let z = Numbers::turned(format!("z({at})"), (units, n), &layer.z.before);
        let a = Numbers::turned(format!("a({at})"), (units, n), &layer.a.before);
        let delta = Numbers::turned(format!("delta({at})"), (units, n), &layer.delta);

        let mut forward = Section::new(format!("Layer {at}, forward"), Law::Forward);
        let columns =
            if n == 1 { "one column, the sample".into() } else { format!("{n} columns, a sample each") };
        forward.say(format!("{inputs} inputs, {units} {} units; {columns}.", spec.activation));
        if l > 0 && record.drops(l - 1) {
            forward.say(format!("a({l}) is what the layer reads: after dropout."));
        }
        let mut parts = vec![Ok(&z), Err("="), Ok(&w_read), Err("*"), Ok(&below)];
        // One bias for all units, or one each: a number per row.
        let b = params.b.iter().copied().cycle().take(units).collect::<Vec<f64>>();
        let b = (!b.is_empty()).then(|| Numbers::new(format!("b({at})"), (units, 1), b));
        if let Some(b) = &b {
            parts.extend([Err("+"), Ok(b)]);
            if n > 1 {
                forward.say(format!("b({at}) is added to every column."));
            }
        }
        equation(&mut forward, &parts);
        equation(&mut forward, &[Ok(&a), Err("="), Err(&format!("{}(z({at}))", spec.activation))]);

        let mut error =
            Section::new(format!("Layer {at}, error"), if l == last { self.output_law() } else { Law::Bp2 });
        let slopes: Vec<f64> = (0..n * units)
            .map(|at| {
                spec.activation.derivative(layer.z.before[at], layer.a.before[at])
                    * layer.keep.get(at).unwrap_or(&1.0)
            })
            .collect();
        let kept = if record.drops(l) { " keep" } else { "" };
        let slope = Numbers::turned(format!("f'(z({at})){kept}"), (units, n), &slopes);
        if l < last {
            let above = &record.layers[l + 1];
            let rows = record.spec.layers[l + 1].units;
            let order = record.config.update_order;
            let (mark, weights) = match order {
                UpdateOrder::OutputFirst => ("+", &above.params.after.w),
                UpdateOrder::Simultaneous => ("", &above.params.before.w),
            };
            let transposed =
                Numbers::turned(format!("W({}){mark}^T", at + 1), (units, rows), weights).read(above.bf16);
            let carried = Numbers::turned(format!("delta({})", at + 1), (rows, n), &above.delta);
            let carried = carried.read(above.bf16);
            equation(
                &mut error,
                &[Ok(&delta), Err("="), Ok(&transposed), Err("*"), Ok(&carried), Err("⊙"), Ok(&slope)],
            );
        } else {
            let each = || (0..n).flat_map(|s| (0..units).map(move |j| (s, j)));
            // What sample weights make of it: a factor for each column.
            let weights = record.weights.as_ref().map(|weights| {
                let of_each: Vec<f64> = each().map(|(s, _)| weights[s]).collect();
                Numbers::turned("weight", (units, n), &of_each)
            });
            let weighted = |parts: Vec<Result<&Numbers, &str>>, section: &mut Section| {
                let factor = weights.iter().flat_map(|weights| [Err("⊙"), Ok(weights)]);
                equation(section, &parts.into_iter().chain(factor).collect::<Vec<_>>());
            };
            if matches!(record.spec.loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. }) {
                if self.is_softmax() {
                    self.softmax_equation(&mut error);
                }
                error.say(
                    "The derivative of the loss and that of the activation cancel: what remains is a - y.",
                );
                let smoothed: Vec<f64> =
                    (0..n).flat_map(|s| self.targets(s)).filter_map(|y| y.value).collect();
                let y = if smoothed.is_empty() { &record.y } else { &smoothed };
                let off: Vec<f64> = layer.a.before.iter().zip(y).map(|(a, y)| a - y).collect();
                let y = Numbers::turned("y", (units, n), y);
                let off = Numbers::turned(format!("a({at}) - y"), (units, n), &off);
                match &weights {
                    None => equation(&mut error, &[Ok(&delta), Err("="), Ok(&a), Err("-"), Ok(&y)]),
                    Some(_) => weighted(vec![Ok(&delta), Err("="), Ok(&off)], &mut error),
                }
            } else {
                let slopes: Vec<f64> =
                    each().filter_map(|(s, j)| self.bp1(j, s).first().and_then(|term| term.value)).collect();
                let loss_slope = Numbers::turned(format!("dE/da({at})"), (units, n), &slopes);
                weighted(vec![Ok(&delta), Err("="), Ok(&loss_slope), Err("⊙"), Ok(&slope)], &mut error);
            }
        }

        let mut gradient = Section::new(format!("Layer {at}, gradient"), Law::Gradient);
        let dw = Numbers::new(format!("dE/dW({at})"), (units, inputs), layer.gradient.w.clone());
        let across = Numbers::new(format!("a({l})^T"), (n, inputs), read).read(layer.bf16);
        let delta_read = Numbers::turned(delta.symbol.clone(), (units, n), &layer.delta).read(layer.bf16);
        let mut parts = vec![Ok(&dw), Err("=")];
        if !self.single() {
            gradient.say(format!("n = {}: the sum over the columns is divided once.", record.total_weight));
            parts.push(Err("1/n"));
        }
        parts.extend([Ok(&delta_read), Err("*"), Ok(&across)]);
        equation(&mut gradient, &parts);
        let db = Numbers::new(format!("dE/db({at})"), (layer.gradient.b.len(), 1), layer.gradient.b.clone());
        if !db.values.is_empty() {
            let shared = db.values.len() < units;
            let over = match (shared, self.single()) {
                (false, true) => format!("delta({at})"),
                (false, false) => format!("1/n the sum over columns of delta({at})"),
                (true, true) => format!("the sum over units of delta({at})"),
                (true, false) => format!("1/n the sum over units and columns of delta({at})"),
            };
            equation(&mut gradient, &[Ok(&db), Err("="), Err(&over)]);
        }

        let mut update = Section::new(format!("Layer {at}, update"), self.descent());
        let new = Numbers::new(format!("W({at})+"), (units, inputs), after.w.clone());
        let plain = matches!(record.config.optimizer, Optimizer::Sgd { momentum: 0.0, .. })
            && record.config.regularize.max_norm.is_none()
            && layer.given.w == layer.gradient.w;
        if !spec.train_weights {
            update.say("The weights of this layer are not trained.");
        } else if plain {
            equation(&mut update, &[Ok(&new), Err("="), Ok(&w), Err("-"), Err("eta"), Err("*"), Ok(&dw)]);
        } else {
            let step = after.w.iter().zip(&params.w).map(|(after, before)| after - before).collect();
            let step = Numbers::new(format!("step({at})"), (units, inputs), step);
            update.say(format!(
                "{} made the step; --weight writes it out for a weight.",
                record.config.optimizer
            ));
            equation(&mut update, &[Ok(&new), Err("="), Ok(&w), Err("+"), Ok(&step)]);
        }
        if spec.train_bias && !after.b.is_empty() {
            let new = Numbers::new(format!("b({at})+"), (after.b.len(), 1), after.b.clone());
            equation(&mut update, &[Ok(&new)]);
        }
        vec![forward, error, gradient, update]
    }
}
