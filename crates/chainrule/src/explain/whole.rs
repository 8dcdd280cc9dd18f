//! The whole derivation of one update of a small network, in the order of the mathematics.

use super::derivation::{Block, Law, Picture, Rule, Section, Term};
use super::expr::{Expr, Quantity};
use super::lines::{Lines, When};
use super::newton::Newton;
use crate::config::UpdateOrder;
use crate::loss::Loss;

/// What is written out in full: at most this many parameters, and this many units over all samples.
const MAX_PARAMETERS: usize = 120;
const MAX_UNITS: usize = 200;
/// What is drawn: at most this many units in a column, and this many weights.
const MAX_COLUMN: usize = 8;
const MAX_EDGES: usize = 48;

impl Lines<'_> {
    /// Whether the network and its batch are small enough to be written out line by line.
    pub fn fits(&self) -> bool {
        let spec = &self.record.spec;
        let units: usize = spec.layers.iter().map(|layer| layer.units).sum();
        spec.parameters() <= MAX_PARAMETERS && self.record.n() * units <= MAX_UNITS
    }

    /// Every line.
    pub fn whole(&self) -> Vec<Section> {
        let mut sections =
            vec![self.forward_section("Forward pass", When::Before), self.loss_section(When::Before)];
        let last = self.names.layers() - 1;
        let mut bp1 = Section::new("The error at the outputs", self.output_law());
        bp1.blocks.extend(self.cancelling());
        self.for_samples(&mut bp1, |section, s| {
            let all =
                (0..self.names.units(last)).flat_map(|j| self.bp1(j, s).into_iter().map(move |t| (j, t)));
            // dE/dout of a softmax' outputs enters the sum of each unit, and is written once.
            let again = |j: usize, term: &Term| j > 0 && self.is_softmax() && term.rule == Rule::LossSlope;
            section.extend(all.filter(|(j, term)| !again(*j, term)).map(|(_, term)| term));
        });
        sections.push(bp1);
        if self.record.config.update_order == UpdateOrder::OutputFirst {
            // Layer by layer: gradient, update, and only then the error is carried back.
            for l in (0..=last).rev() {
                sections.push(self.gradient_section(l));
                sections.push(self.update_section(&[l]));
                if l > 0 {
                    sections.push(self.bp2_section(l - 1));
                }
            }
        } else {
            sections.extend((0..last).rev().map(|l| self.bp2_section(l)));
            sections.extend((0..=last).rev().map(|l| self.gradient_section(l)));
            let newton = self.newton();
            sections.extend(newton.iter().flat_map(Newton::sections));
            sections.push(self.update_section(&(0..=last).collect::<Vec<_>>()));
            sections.extend(newton.as_ref().and_then(Newton::learned));
        }
        let mut after = self.forward_section("The loss after the update", When::After);
        after.blocks.extend(self.loss_section(When::After).blocks);
        sections.push(after);
        sections
    }

    /// Why BP1 comes to so little where the loss is a cross-entropy.
    pub(super) fn cancelling(&self) -> Option<Block> {
        let text = match self.record.spec.loss {
            Loss::BinaryCrossEntropy { .. } => {
                "With these outputs and this loss the two factors cancel: dE/dout * dout/dnet is out - target."
                    .to_string()
            }
            Loss::CrossEntropy { .. } => {
                let zeros = if self.leaves_rows_out() {
                    " Outputs whose target is 0 add nothing, and are left out."
                } else {
                    ""
                };
                format!(
                    "Every out of a softmax depends on every net, so that the error at a net is a sum over all \
                     outputs.{zeros} In it out cancels 1 / out: what is left is out - target."
                )
            }
            _ => return None,
        };
        Some(Block::Text { text })
    }

    /// Calls `write` for each sample, under a line that says which one it is.
    fn for_samples(&self, section: &mut Section, write: impl Fn(&mut Section, usize)) {
        for (s, sample) in self.record.samples.iter().enumerate() {
            if !self.single() {
                section.say(format!(
                    "Sample {} of the batch (number {sample} of the training set, from 0):",
                    s + 1
                ));
            }
            write(section, s);
        }
    }

    fn forward_section(&self, title: &str, when: When) -> Section {
        let mut section = Section::new(title, Law::Forward);
        if when == When::After {
            let again = if self.record.n() == 1 { "The same sample" } else { "The same samples" };
            section.say(format!("{again} once more, with the new weights and biases."));
        }
        self.for_samples(&mut section, |section, s| {
            for l in 0..self.names.layers() {
                for j in 0..self.names.units(l) {
                    section.extend(self.forward(l, j, s, when));
                }
            }
        });
        section
    }

    fn loss_section(&self, when: When) -> Section {
        let mut section = Section::new("The loss", None);
        if when == When::Before {
            section.say(format!("{}: the {}.", self.record.spec.loss, self.record.spec.loss.reduction()));
        }
        let mut totals = Vec::new();
        for s in 0..self.record.n() {
            if when == When::Before {
                section.extend(self.targets(s));
            }
            let terms = self.sample_loss(s, when);
            totals.extend(terms.last().map(Term::quantity));
            section.extend(terms);
        }
        section.extend(self.batch_loss(when, &totals));
        section.extend(self.penalty(when));
        section
    }

    fn bp2_section(&self, l: usize) -> Section {
        let mut section = Section::new(format!("The error at layer {}", l + 1), Law::Bp2);
        let feeds = match self.names.units(l + 1) {
            1 => "the one unit it feeds".to_string(),
            units => format!("the {units} units it feeds: what they carry back is summed"),
        };
        section.say(format!("A unit of layer {} answers for {feeds}.", l + 1));
        if self.record.config.update_order == UpdateOrder::OutputFirst {
            section
                .say("In this update order it passes through the new weights: this is not gradient descent.");
        }
        self.for_samples(&mut section, |section, s| {
            section.extend((0..self.names.units(l)).flat_map(|j| self.bp2(l, j, s)));
        });
        section
    }

    fn gradient_section(&self, l: usize) -> Section {
        let mut section = Section::new(format!("The gradient of layer {}", l + 1), Law::Gradient);
        let spec = &self.record.spec.layers[l];
        if !self.single() {
            section.say("Each sample's part, then their sum, divided once by n.");
        }
        if spec.train_weights {
            for j in 0..self.names.units(l) {
                for i in 0..self.names.inputs(l) {
                    section.extend(self.weight_gradient(l, j, i));
                }
            }
        } else {
            section.say(format!("The weights of layer {} are not trained.", l + 1));
        }
        if spec.train_bias {
            for j in 0..self.names.biases(l) {
                section.extend(self.bias_gradient(l, j));
            }
        } else if self.names.biases(l) > 0 {
            section.say(format!("The biases of layer {} are not trained.", l + 1));
        }
        section
    }

    fn update_section(&self, layers: &[usize]) -> Section {
        let mut section = Section::new("The update", self.descent());
        if let [l] = layers {
            section.title = format!("The update of layer {}", l + 1);
        }
        if self.newton().is_some_and(|newton| newton.rests()) {
            section.say("Nothing lower was found: a minimum, to the precision of the numbers. All stays.");
        }
        let norm = self.gradient_norm();
        let clipped = norm.as_ref().filter(|(exceeds, _)| *exceeds).map(|(_, term)| term.quantity());
        section.extend(norm.map(|(_, term)| term));
        for &l in layers {
            for j in 0..self.names.units(l) {
                let terms = self.update_weights(l, j, None, clipped.as_ref());
                section.extend(terms);
            }
            for j in 0..self.names.biases(l) {
                let terms = self.update_bias(l, j, clipped.as_ref());
                section.extend(terms);
            }
        }
        section
    }

    /// The network with the numbers of the first sample, if it is small enough to be drawn.
    pub fn picture(&self) -> Option<Picture> {
        let layers = 0..self.names.layers();
        let column = layers.clone().map(|l| self.names.units(l)).max()?.max(self.names.inputs(0));
        let edges: usize = layers.clone().map(|l| self.names.units(l) * self.names.inputs(l)).sum();
        if column > MAX_COLUMN || edges > MAX_EDGES {
            return None;
        }
        let quantity = |e: Expr| match e {
            Expr::Of(quantity) => quantity,
            other => Quantity { symbol: other.to_string(), value: other.eval() },
        };
        let inputs = (0..self.names.inputs(0)).map(|i| quantity(self.input(0, i, 0, When::Before))).collect();
        let outs = |l: usize| {
            let out = |j| self.out_before(l, j, 0);
            (0..self.names.units(l)).map(|j| quantity(out(j))).collect()
        };
        let weights = |l: usize| {
            let inputs = self.names.inputs(l);
            let at = |at| quantity(self.weight(l, at / inputs, at % inputs, When::Before));
            (0..self.names.units(l) * inputs).map(at).collect()
        };
        let biases = |l: usize| {
            (0..self.names.biases(l)).filter_map(|j| self.bias(l, j, When::Before)).map(quantity).collect()
        };
        Some(Picture {
            columns: std::iter::once(inputs).chain(layers.clone().map(outs)).collect(),
            weights: layers.clone().map(weights).collect(),
            biases: layers.map(biases).collect(),
        })
    }
}
