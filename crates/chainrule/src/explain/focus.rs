//! One weight's path, one unit, and the figures of networks too large to be written out.

use super::derivation::{Block, Law, Rule, Section, Summary, Term};
use super::expr::{Expr, Quantity, of, sum};
use super::lines::{Lines, When, value};
use super::newton::Newton;
use crate::config::UpdateOrder;

/// Paths are written out for so many samples of a batch; the others enter the sum by name.
const PATHS: usize = 8;
/// How many of the largest numbers are named.
const TOP: usize = 3;

impl Lines<'_> {
    /// The chain-rule path of one weight: its factors, their product, the update.
    pub fn path(&self, l: usize, j: usize, i: usize) -> Vec<Section> {
        let (name, unit) = (self.names.weight(l, j, i), self.names.unit(l, j));
        let from = if l == 0 { format!("i{}", i + 1) } else { self.names.unit(l - 1, i) };
        let mut section = Section::new(format!("The path of {name}"), Law::Path);
        section.say(format!(
            "{name} leads from {from} to {unit}: E depends on it through net_{unit}, and on that through out_{unit}."
        ));
        let mut parts = Vec::new();
        for s in 0..self.record.n().min(PATHS) {
            let tag = self.tag(s);
            let terms = self.error(l, j, s);
            // The factors of delta, then the last one of the path.
            let factors = terms.last().map(|delta| match &delta.formula {
                Expr::Product(_) => delta.formula.clone(),
                _ => delta.quantity(),
            });
            section.extend(terms);
            let input = self.operand(l, self.input(l, i, s, When::Before));
            let slope = format!("dnet_{unit}/d{name}{tag}");
            let slope = section.push(Term::new(slope, Rule::InputSlope, l + 1, input.clone(), value(&input)));
            // What is rounded is delta as a whole.
            let factors = factors.filter(|_| !self.record.layers[l].bf16);
            let product = factors.unwrap_or_else(|| self.operand(l, self.delta(l, j, s))) * slope;
            let symbol = format!("dE/d{name}{tag}");
            parts.push(if self.single() {
                let mean = self.record.layers[l].gradient.w[j * self.names.inputs(l) + i];
                section.push(Term::new(symbol, Rule::WeightGradient, l + 1, product, mean))
            } else {
                section.push(Term::computed(symbol, Rule::SampleWeightGradient, l + 1, product))
            });
        }
        if !self.single() {
            let others = self.weight_gradient(l, j, i);
            parts.extend(others[..others.len() - 1].iter().skip(parts.len()).map(Term::quantity));
            let mean = self.record.layers[l].gradient.w[j * self.names.inputs(l) + i];
            let formula = sum(parts) / self.n();
            section.push(Term::new(format!("dE/d{name}"), Rule::WeightGradient, l + 1, formula, mean));
        }
        let mut update = Section::new(format!("The update of {name}"), self.descent());
        if self.record.spec.layers[l].train_weights {
            let clipped =
                self.gradient_norm().filter(|(exceeds, _)| *exceeds).map(|(_, term)| term.quantity());
            if let Some(newton) = self.newton() {
                update.extend(newton.direction_of(&self.weight_parameter(l, j, i)));
            }
            update.extend(self.update_weights(l, j, Some(i), clipped.as_ref()));
        } else {
            update.say(format!("The weights of layer {} are not trained: {name} stays.", l + 1));
        }
        vec![section, update]
    }

    /// BP1 or BP2 of a unit.
    fn error(&self, l: usize, j: usize, s: usize) -> Vec<Term> {
        if l + 1 == self.names.layers() { self.bp1(j, s) } else { self.bp2(l, j, s) }
    }

    /// Forward pass, error and gradient of one unit.
    pub fn unit(&self, l: usize, j: usize) -> Vec<Section> {
        let unit = self.names.unit(l, j);
        let mut forward = Section::new(format!("Unit {unit}, forward"), Law::Forward);
        let law = if l + 1 == self.names.layers() { self.output_law() } else { Law::Bp2 };
        let mut backward = Section::new(format!("The error at {unit}"), law);
        backward.blocks.extend(self.cancelling().filter(|_| l + 1 == self.names.layers()));
        for s in 0..self.record.n().min(PATHS) {
            forward.extend(self.forward(l, j, s, When::Before));
            backward.extend(self.error(l, j, s));
        }
        if self.record.n() > PATHS {
            forward.say(format!("The first {PATHS} of {} samples.", self.record.n()));
        }
        let mut gradient = Section::new(format!("The gradient at {unit}"), Law::Gradient);
        let inputs = self.names.inputs(l);
        let layer = &self.record.layers[l];
        let row = j * inputs..(j + 1) * inputs;
        let names = |i: usize| format!("dE/d{}", self.names.weight(l, j, i));
        let (weights, slopes) = (&layer.params.before.w[row.clone()], &layer.gradient.w[row]);
        let into = format!("weights into {unit}");
        let of_gradient = format!("gradient of the {into}");
        gradient.blocks.push(Block::Summaries {
            rows: vec![
                summary(&format!("w_{unit}"), &into, (1, inputs), weights, |i| self.names.weight(l, j, i)),
                summary(&format!("dE/dw_{unit}"), &of_gradient, (1, inputs), slopes, names),
            ],
        });
        gradient.extend(self.bias_gradient(l, j));
        vec![forward, backward, gradient]
    }

    /// The figures of every vector and matrix, for networks too large to be written out.
    pub fn figures(&self) -> Vec<Section> {
        let (record, names) = (self.record, &self.names);
        let n = record.n();
        let per_unit = |stem: &'static str, l: usize| {
            move |at: usize| {
                let units = self.names.units(l);
                format!("{stem}_{}{}", self.names.unit(l, at % units), self.tag(at / units))
            }
        };
        let weight_name = |l: usize, at: usize| names.weight(l, at / names.inputs(l), at % names.inputs(l));
        let bias_name = |l: usize, at: usize| names.bias(l, at).unwrap_or_default();
        let mut forward = Section::new("Forward pass", Law::Forward);
        let inputs = names.inputs(0);
        let input = |at: usize| format!("i{}{}", at % inputs + 1, self.tag(at / inputs));
        let mut rows = vec![summary("a(0)", "inputs", (inputs, n), &record.x, input)];
        for (l, layer) in record.layers.iter().enumerate() {
            let (units, inputs, at) = (names.units(l), names.inputs(l), l + 1);
            let params = &layer.params.before;
            let of_weight = |i| weight_name(l, i);
            rows.push(summary(&format!("W({at})"), "weights", (units, inputs), &params.w, of_weight));
            if !params.b.is_empty() {
                let shape = (params.b.len(), 1);
                rows.push(summary(&format!("b({at})"), "biases", shape, &params.b, |j| bias_name(l, j)));
            }
            let z = &layer.z.before;
            rows.push(summary(&format!("z({at})"), "pre-activations", (units, n), z, per_unit("net", l)));
            let a = &layer.a.before;
            rows.push(summary(&format!("a({at})"), "activations", (units, n), a, per_unit("out", l)));
        }
        forward.blocks.push(Block::Summaries { rows });
        let mut loss = Section::new("The loss", None);
        loss.say(format!("{}: the {}.", record.spec.loss, record.spec.loss.reduction()));
        let pair =
            |name: &str, v: &super::record::BeforeAfter<f64>| (name.to_string(), vec![v.before, v.after]);
        let mut rows = vec![pair("E_total", &record.loss)];
        if record.penalty.before != 0.0 {
            rows.push(pair("penalty", &record.penalty));
        }
        let header = ["", "before the update", "after it"].map(String::from).to_vec();
        loss.blocks.push(Block::Table { header, rows });
        let mut outputs = Section::new("The error at the outputs", Law::Bp1);
        let mut back = Section::new("The error, from the outputs down", Law::Bp2);
        if record.config.update_order == UpdateOrder::OutputFirst {
            back.say("It passes through the new weights of the layer above: this is not gradient descent.");
        }
        let mut gradients = Section::new("The gradient", Law::Gradient);
        let mut update = Section::new("The update", self.descent());
        let (mut deltas, mut slopes, mut moves) = (Vec::new(), Vec::new(), Vec::new());
        for (l, layer) in record.layers.iter().enumerate().rev() {
            let (units, inputs, at) = (names.units(l), names.inputs(l), l + 1);
            let delta = format!("delta({at})");
            deltas.push(summary(&delta, "errors", (units, n), &layer.delta, per_unit("delta", l)));
            let of_weight = |i| format!("dE/d{}", weight_name(l, i));
            let (w, b) = (&layer.gradient.w, &layer.gradient.b);
            slopes.push(summary(&format!("dE/dW({at})"), "gradient", (units, inputs), w, of_weight));
            let of_bias = |i| format!("dE/d{}", bias_name(l, i));
            if !b.is_empty() {
                slopes.push(summary(&format!("dE/db({at})"), "gradient", (b.len(), 1), b, of_bias));
            }
            let (before, after) = (&layer.params.before, &layer.params.after);
            let moved = |before: &[f64], after: &[f64]| -> Vec<f64> {
                after.iter().zip(before).map(|(after, before)| after - before).collect()
            };
            let step = moved(&before.w, &after.w);
            let of_weight = |i| format!("{0}+ - {0}", weight_name(l, i));
            let symbol = format!("W({at})+ - W({at})");
            moves.push(summary(&symbol, "steps", (units, inputs), &step, of_weight));
            let step = moved(&before.b, &after.b);
            if !step.is_empty() {
                let of_bias = |i| format!("{0}+ - {0}", bias_name(l, i));
                let symbol = format!("b({at})+ - b({at})");
                moves.push(summary(&symbol, "steps", (step.len(), 1), &step, of_bias));
            }
        }
        let below = deltas.split_off(1); // the first is that of the output layer
        outputs.blocks.push(Block::Summaries { rows: deltas });
        let has_hidden = !below.is_empty();
        back.blocks.push(Block::Summaries { rows: below });
        gradients.blocks.push(Block::Summaries { rows: slopes });
        update.blocks.push(Block::Summaries { rows: moves });
        let newton = self.newton();
        let mut sections = vec![forward, loss, outputs];
        sections.extend(has_hidden.then_some(back));
        sections.push(gradients);
        sections.extend(newton.iter().flat_map(Newton::sections));
        sections.push(update);
        sections.extend(newton.as_ref().and_then(Newton::learned));
        let (weight, unit) = names.forms();
        if let Some(last) = sections.last_mut() {
            last.say(format!(
                "Any part is written out when asked for by name: --layer 1 to {}; --unit {unit}; --weight {weight}.",
                names.layers()
            ));
        }
        sections
    }
}

/// The figures of `values`; `name` names the one at a place.
pub fn summary(
    symbol: &str,
    name: &str,
    shape: (usize, usize),
    values: &[f64],
    name_of: impl Fn(usize) -> String,
) -> Summary {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let top = order.iter().take(TOP.min(values.len()));
    let quantity = |&at: &usize| match of(name_of(at), values[at]) {
        Expr::Of(quantity) => quantity,
        _ => Quantity { symbol: String::new(), value: None },
    };
    Summary {
        symbol: symbol.into(),
        name: name.into(),
        shape,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        norm: values.iter().map(|v| v * v).sum::<f64>().sqrt(),
        top: top.map(quantity).collect(),
    }
}
