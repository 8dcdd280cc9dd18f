//! A derivation of symbols alone: every weight's derivative by the chain rule, then all of them as matrices.
//!
//! Units are numbered through from the inputs on, and a weight is named by the two that it joins: w13 leads from unit 1
//! to unit 3.

mod matrices;
mod slopes;

use super::derivation::{Block, Derivation, Law, Section};
use super::expr::{Expr, Function, call, of, sum};
use super::formulas::{self, Output};
use crate::activation::Activation;
use crate::spec::{BiasMode, NetworkSpec};
use crate::{Error, Result};

/// Larger networks have too many derivatives to read.
const MAX_PARAMETERS: usize = 60;

/// The derivation for a network of this spec and one sample.
///
/// # Errors
/// If the network has too many parameters.
pub fn symbolic(title: &str, spec: &NetworkSpec) -> Result<Derivation> {
    if spec.parameters() > MAX_PARAMETERS {
        let expected = format!("a network of at most {MAX_PARAMETERS} parameters");
        return Err(Error::setting("symbolic", expected, spec.parameters()));
    }
    let s = Symbols { spec };
    let mut sections = vec![s.network(), s.slopes(), s.output_layer()];
    sections.extend((0..spec.layers.len() - 1).rev().map(|l| s.hidden_layer(l)));
    sections.push(s.columns());
    sections.push(s.rows());
    let given = vec![
        ("units".into(), format!("numbered through, inputs first: {} are the inputs", s.list(0, 'x'))),
        (
            "weights".into(),
            format!("{} leads from unit 1 to unit {}", s.weight_name(0, 0, 0), s.number(1, 0)),
        ),
        ("loss".into(), format!("{}, of one sample", spec.loss)),
    ];
    let title = format!("{title}: a {} network in symbols", spec.sizes());
    Ok(Derivation { title, dtype: "f64".into(), given, picture: None, sections })
}

struct Symbols<'a> {
    spec: &'a NetworkSpec,
}

fn name(symbol: impl Into<String>) -> Expr {
    of(symbol, None)
}

fn chain(section: &mut Section, symbol: impl Into<String>, steps: Vec<Expr>) {
    section.blocks.push(Block::Chain { symbol: symbol.into(), steps });
}

/// f and f' that are not one formula everywhere, as names.
fn named(f: Activation) -> Option<String> {
    let text = f.to_string();
    let stem = text.split('(').next().unwrap_or_default().to_string();
    matches!(
        f,
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu { .. } | Activation::Softmax
    )
    .then_some(stem)
}

impl Symbols<'_> {
    fn last(&self) -> usize {
        self.spec.layers.len() - 1
    }

    /// Size of column `c`: the inputs, then the layers.
    fn size(&self, c: usize) -> usize {
        if c == 0 { self.spec.inputs() } else { self.spec.layers[c - 1].units }
    }

    /// The number of unit `j` of column `c`, from 1.
    fn number(&self, c: usize, j: usize) -> usize {
        (0..c).map(|c| self.size(c)).sum::<usize>() + j + 1
    }

    fn list(&self, c: usize, letter: char) -> String {
        (0..self.size(c)).map(|j| format!("{letter}{}", self.number(c, j))).collect::<Vec<_>>().join(", ")
    }

    fn weight_name(&self, l: usize, j: usize, i: usize) -> String {
        let (from, to) = (self.number(l, i), self.number(l + 1, j));
        let units: usize = (0..=self.last() + 1).map(|c| self.size(c)).sum();
        if units < 10 { format!("w{from}{to}") } else { format!("w[{from},{to}]") }
    }

    fn w(&self, l: usize, j: usize, i: usize) -> Expr {
        name(self.weight_name(l, j, i))
    }

    fn bias_name(&self, l: usize, j: usize) -> Option<String> {
        let count: usize = self.spec.layers[..l].iter().map(crate::spec::LayerSpec::biases).sum();
        match self.spec.layers[l].bias {
            BiasMode::PerUnit => Some(format!("b{}", count + j + 1)),
            BiasMode::Shared => Some(format!("b{}", count + 1)),
            BiasMode::None => None,
        }
    }

    /// What column `c` gives to the next: x or a.
    fn a(&self, c: usize, j: usize) -> Expr {
        name(format!("{}{}", if c == 0 { "x" } else { "a" }, self.number(c, j)))
    }

    fn z(&self, l: usize, j: usize) -> Expr {
        name(format!("z{}", self.number(l + 1, j)))
    }

    fn delta(&self, l: usize, j: usize) -> Expr {
        name(format!("delta_{}", self.number(l + 1, j)))
    }

    fn y(&self, j: usize) -> Expr {
        name(if self.size(self.last() + 1) == 1 {
            "y".into()
        } else {
            format!("y{}", self.number(self.last() + 1, j))
        })
    }

    fn value(&self, l: usize, j: usize) -> Expr {
        let f = self.spec.layers[l].activation;
        match named(f) {
            Some(f) => name(format!("{f}({})", self.z(l, j))),
            None if f == Activation::Sigmoid => call(Function::Sigmoid, self.z(l, j)),
            None => formulas::value(f, &self.z(l, j)).0,
        }
    }

    fn slope(&self, l: usize, j: usize) -> Expr {
        let f = self.spec.layers[l].activation;
        match named(f) {
            Some(f) => name(format!("{f}'({})", self.z(l, j))),
            None => formulas::slope(f, &self.z(l, j), &self.a(l + 1, j)).0,
        }
    }

    fn outputs(&self) -> Vec<Output> {
        let l = self.last();
        let output = |j| Output { z: self.z(l, j), a: self.a(l + 1, j), y: self.y(j) };
        (0..self.size(l + 1)).map(output).collect()
    }

    fn network(&self) -> Section {
        let mut section = Section::new("The network", Law::Forward);
        for l in 0..=self.last() {
            for j in 0..self.size(l + 1) {
                let products = (0..self.size(l)).map(|i| self.w(l, j, i) * self.a(l, i));
                let z = sum(products.chain(self.bias_name(l, j).map(name)));
                chain(&mut section, self.z(l, j).to_string(), vec![z]);
                chain(&mut section, self.a(l + 1, j).to_string(), vec![self.value(l, j)]);
            }
        }
        let outputs = self.outputs();
        let of_output = |j| formulas::output_loss(self.spec.loss, &outputs, j).0;
        chain(&mut section, "E", vec![sum((0..outputs.len()).map(of_output))]);
        section
    }

    /// The derivative of each activation, from its definition.
    fn slopes(&self) -> Section {
        let mut section = Section::new("The derivative of the activation", None);
        let mut seen = Vec::new();
        for layer in &self.spec.layers {
            if seen.contains(&layer.activation) {
                continue;
            }
            seen.push(layer.activation);
            slopes::derive(&mut section, layer.activation);
        }
        section
    }

    /// dE/dw of the output layer: three factors, then delta.
    fn output_layer(&self) -> Section {
        let (l, outputs) = (self.last(), self.outputs());
        let mut section = Section::new(format!("Layer {}, the outputs", l + 1), Law::Bp1);
        section.say("E depends on a weight through z of its unit, and on that through a: three factors.");
        for (j, output) in outputs.iter().enumerate() {
            let n = self.number(l + 1, j);
            let delta = match formulas::loss_slope(self.spec.loss, output, outputs.len()) {
                Some((slope, _)) => {
                    chain(&mut section, format!("dE/da{n}"), vec![slope.clone()]);
                    chain(&mut section, format!("da{n}/dz{n}"), vec![self.slope(l, j)]);
                    let factors = name(format!("dE/da{n}")) * name(format!("da{n}/dz{n}"));
                    vec![name(format!("dE/dz{n}")), factors, slope * self.slope(l, j)]
                }
                None => {
                    section.say("The derivatives of loss and activation cancel: what remains is a - y.");
                    vec![name(format!("dE/dz{n}")), formulas::cancelled_delta(self.spec.loss, &outputs, j)]
                }
            };
            let inner = delta[delta.len() - 1].clone();
            chain(&mut section, self.delta(l, j).to_string(), delta);
            self.gradients(&mut section, l, j, &inner);
        }
        self.shared_bias(&mut section, l);
        section
    }

    /// dE/dw of a hidden layer: the deltas above, carried back.
    fn hidden_layer(&self, l: usize) -> Section {
        let mut section = Section::new(format!("Layer {}", l + 1), Law::Bp2);
        section.say("A hidden unit answers for every unit it feeds, by the weight that joins them.");
        for j in 0..self.size(l + 1) {
            let n = self.number(l + 1, j);
            let above = 0..self.size(l + 2);
            let through = |k: usize| {
                let m = self.number(l + 2, k);
                name(format!("dE/dz{m}")) * name(format!("dz{m}/da{n}"))
            };
            let carried = sum(above.clone().map(through));
            let with_deltas = sum(above.map(|k| self.delta(l + 1, k) * self.w(l + 1, k, j)));
            let factors = carried * name(format!("da{n}/dz{n}"));
            let last = with_deltas * self.slope(l, j);
            let delta = vec![name(format!("dE/dz{n}")), factors, last];
            chain(&mut section, self.delta(l, j).to_string(), delta);
            let inner = self.whole_delta(l, j);
            self.gradients(&mut section, l, j, &inner);
        }
        self.shared_bias(&mut section, l);
        section
    }

    /// delta of a unit with everything put in, where that stays readable: up to one layer below the outputs.
    fn whole_delta(&self, l: usize, j: usize) -> Expr {
        if l + 1 < self.last() {
            return self.delta(l, j);
        }
        let outputs = self.outputs();
        let of_output = |k: usize| match formulas::loss_slope(self.spec.loss, &outputs[k], outputs.len()) {
            Some((slope, _)) => slope * self.slope(l + 1, k),
            None => formulas::cancelled_delta(self.spec.loss, &outputs, k),
        };
        sum((0..outputs.len()).map(|k| of_output(k) * self.w(l + 1, k, j))) * self.slope(l, j)
    }

    fn gradients(&self, section: &mut Section, l: usize, j: usize, delta: &Expr) {
        let n = self.number(l + 1, j);
        for i in 0..self.size(l) {
            let w = self.weight_name(l, j, i);
            let path = name(format!("dE/dz{n}")) * name(format!("dz{n}/d{w}"));
            let mut steps = vec![path, self.delta(l, j) * self.a(l, i)];
            let whole = delta.clone() * self.a(l, i);
            if steps[1] != whole {
                steps.push(whole);
            }
            chain(section, format!("dE/d{w}"), steps);
        }
        if self.spec.layers[l].bias == BiasMode::PerUnit
            && let Some(b) = self.bias_name(l, j)
        {
            let path = name(format!("dE/dz{n}")) * name(format!("dz{n}/d{b}"));
            let mut steps = vec![path, self.delta(l, j)];
            if *delta != steps[1] {
                steps.push(delta.clone());
            }
            chain(section, format!("dE/d{b}"), steps);
        }
    }

    fn shared_bias(&self, section: &mut Section, l: usize) {
        if self.spec.layers[l].bias == BiasMode::Shared
            && let Some(b) = self.bias_name(l, 0)
        {
            section.say(format!("{b} is shared by all units of the layer: it collects their deltas."));
            chain(section, format!("dE/d{b}"), vec![sum((0..self.size(l + 1)).map(|j| self.delta(l, j)))]);
        }
    }
}
