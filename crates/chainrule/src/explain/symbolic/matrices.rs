//! The whole derivation as matrices, once with samples as columns and once as rows.

use super::{Symbols, name};
use crate::explain::derivation::{Block, Matrix, Part, Section};
use crate::explain::expr::Expr;
use crate::explain::formulas;
use crate::loss::Loss;
use crate::spec::BiasMode;

impl Symbols<'_> {
    /// All of it as columns: z = W x + b, W is (units, inputs).
    pub fn columns(&self) -> Section {
        let mut section = Section::new("In matrix form, with columns", None);
        section.say("A sample is a column, W is (units, inputs): z = W a + b.");
        self.matrices(&mut section, false);
        section
    }

    /// All of it as rows: z = x W + b, W is (inputs, units).
    pub fn rows(&self) -> Section {
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
