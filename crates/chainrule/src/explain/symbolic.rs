//! A derivation of symbols alone: every weight's derivative by the chain rule, then all of them as matrices.
//!
//! Units are numbered through from the inputs on, and a weight is named by the two that it joins: w13 leads from unit 1
//! to unit 3.

use super::derivation::{Block, Derivation, Law, Matrix, Part, Section};
use super::expr::{Expr, Function, call, of, power, sum};
use super::formulas::{self, Output};
use crate::activation::Activation;
use crate::loss::Loss;
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
            derive(&mut section, layer.activation);
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

    /// All of it as columns: z = W x + b, W is (units, inputs).
    fn columns(&self) -> Section {
        let mut section = Section::new("In matrix form, with columns", None);
        section.say("A sample is a column, W is (units, inputs): z = W a + b.");
        self.matrices(&mut section, false);
        section
    }

    /// All of it as rows: z = x W + b, W is (inputs, units).
    fn rows(&self) -> Section {
        let mut section = Section::new("In matrix form, with rows", None);
        section.say("A sample is a row, W is (inputs, units): z = a W + b. Every matrix is the other one turned round.");
        self.matrices(&mut section, true);
        section
    }

    fn matrices(&self, section: &mut Section, rows: bool) {
        // Built as columns; as rows every matrix is turned round, and products change their order.
        let matrix = |symbol: &str, (r, c): (usize, usize), cells: Vec<Expr>, turned: bool| {
            if rows == turned {
                Part::Matrix(Matrix { symbol: symbol.into(), shape: (r, c), cells })
            } else {
                let cells = (0..r * c).map(|at| cells[(at % r) * c + at / r].clone()).collect();
                Part::Matrix(Matrix { symbol: symbol.into(), shape: (c, r), cells })
            }
        };
        let sign = |text: &str| Part::Sign(text.into());
        let product = |a: Part, b: Part| if rows { vec![b, sign("*"), a] } else { vec![a, sign("*"), b] };
        let column = |symbol: String, count: usize, cell: &dyn Fn(usize) -> Expr| {
            matrix(&symbol, (count, 1), (0..count).map(cell).collect(), false)
        };
        let below = |l: usize| if l == 0 { "x".to_string() } else { format!("a({l})") };
        let weights = |l: usize| {
            let (units, inputs) = (self.size(l + 1), self.size(l));
            (
                units,
                inputs,
                (0..units * inputs).map(|at| self.w(l, at / inputs, at % inputs)).collect::<Vec<_>>(),
            )
        };
        let mut put = |parts: Vec<Part>| section.blocks.push(Block::Equation { parts });
        for l in 0..=self.last() {
            let (units, inputs, cells) = weights(l);
            let at = l + 1;
            let w = matrix(&format!("W({at})"), (units, inputs), cells, false);
            let x = column(below(l), inputs, &|i| self.a(l, i));
            let mut parts = vec![column(format!("z({at})"), units, &|j| self.z(l, j)), sign("=")];
            parts.extend(product(w, x));
            if self.spec.layers[l].bias != BiasMode::None {
                let b =
                    column(format!("b({at})"), units, &|j| name(self.bias_name(l, j).unwrap_or_default()));
                parts.extend([sign("+"), b]);
            }
            put(parts);
        }
        for l in (0..=self.last()).rev() {
            let (units, at) = (self.size(l + 1), l + 1);
            let slope = column(format!("f'(z({at}))"), units, &|j| self.slope(l, j));
            let mut parts = vec![column(format!("delta({at})"), units, &|j| self.delta(l, j)), sign("=")];
            if l < self.last() {
                let (rows_above, _, cells) = weights(l + 1);
                // W^T: the weights of the layer above, turned round.
                let turned: Vec<Expr> = (0..units * rows_above)
                    .map(|at| cells[(at % rows_above) * units + at / rows_above].clone())
                    .collect();
                let w = matrix(&format!("W({})^T", at + 1), (units, rows_above), turned, false);
                parts.extend(product(
                    w,
                    column(format!("delta({})", at + 1), rows_above, &|k| self.delta(l + 1, k)),
                ));
                parts.extend([sign("⊙"), slope]);
            } else {
                let outputs = self.outputs();
                let cancels =
                    matches!(self.spec.loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. });
                let of_output = |j: usize| match formulas::loss_slope(self.spec.loss, &outputs[j], units) {
                    Some((slope, _)) => slope,
                    None => formulas::cancelled_delta(self.spec.loss, &outputs, j),
                };
                let what = if cancels { format!("a({at}) - y") } else { format!("dE/da({at})") };
                parts.push(column(what, units, &of_output));
                if !cancels {
                    parts.extend([sign("⊙"), slope]);
                }
            }
            put(parts);
            let inputs = self.size(l);
            let cells = (0..units * inputs)
                .map(|at| name(format!("dE/d{}", self.weight_name(l, at / inputs, at % inputs))));
            let gradient = matrix(&format!("dE/dW({at})"), (units, inputs), cells.collect(), false);
            let delta = column(format!("delta({at})"), units, &|j| self.delta(l, j));
            let read = (0..inputs).map(|i| self.a(l, i)).collect();
            let x = matrix(&format!("{}^T", below(l)), (1, inputs), read, false);
            let mut parts = vec![gradient, sign("=")];
            parts.extend(product(delta, x));
            put(parts);
        }
    }
}

/// f' from the definition of f, step by step.
fn derive(section: &mut Section, f: Activation) {
    let z = || name("z");
    let one = || Expr::from(1.0);
    let e = || call(Function::Exp, -z());
    let s = || call(Function::Sigmoid, z());
    let (definition, steps) = match f {
        Activation::Sigmoid => {
            let below = || one() + e();
            let steps = vec![
                -(one() / power(below(), 2.0.into())) * -e(),
                e() / power(below(), 2.0.into()),
                one() / below() * (e() / below()),
                one() / below() * ((below() - 1.0) / below()),
                one() / below() * (one() - one() / below()),
                name("a") * (one() - name("a")),
            ];
            (vec![s(), one() / below()], steps)
        }
        Activation::Tanh => {
            let (p, m) = (|| call(Function::Exp, z()), e);
            let (above, below) = (|| p() - m(), || p() + m());
            let steps = vec![
                (below() * below() - above() * above()) / power(below(), 2.0.into()),
                one() - power(above() / below(), 2.0.into()),
                one() - power(name("a"), 2.0.into()),
            ];
            (vec![call(Function::Tanh, z()), above() / below()], steps)
        }
        Activation::Softplus => {
            let p = || call(Function::Exp, z());
            (vec![call(Function::Ln, one() + p())], vec![p() / (one() + p()), one() / (one() + e()), s()])
        }
        Activation::Silu => {
            let steps = vec![s() + z() * (s() * (one() - s())), s() * (one() + z() * (one() - s()))];
            (vec![z() * s()], steps)
        }
        Activation::Identity => (vec![z()], vec![one()]),
        Activation::Gelu => (vec![formulas::value(f, &z()).0], vec![formulas::slope(f, &z(), &name("a")).0]),
        Activation::Relu => {
            section.say("relu: a = z and da/dz = 1 for z > 0, else a = 0 and da/dz = 0.");
            return;
        }
        Activation::LeakyRelu { slope } => {
            section
                .say(format!("{f}: a = z and da/dz = 1 for z > 0, else a = {slope} z and da/dz = {slope}."));
            return;
        }
        Activation::Elu { alpha } => {
            section.say(format!(
                "{f}: a = z and da/dz = 1 for z > 0, else a = {alpha} (e^z - 1) and da/dz = {alpha} e^z = a + {alpha}."
            ));
            return;
        }
        Activation::Softmax => {
            section.say(
                "softmax: a(j) = e^z(j) / sum of e^z(k). da(j)/dz(j) = a(j) (1 - a(j)), and for another unit \
                 da(j)/dz(k) = -a(j) a(k): with -sum of y ln a their sum over j is a(k) - y(k).",
            );
            return;
        }
    };
    chain(section, "a", definition);
    chain(section, "da/dz", steps);
}
