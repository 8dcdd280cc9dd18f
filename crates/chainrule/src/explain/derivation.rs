//! A derivation as plain data: sections of terms, matrices and tables. Its JSON is this data.

use super::expr::{Expr, Quantity};
use serde::Serialize;

/// What a term is, so that a reader, or a check of homework, knows what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// z of a unit.
    PreActivation,
    /// a = f(z) of a unit.
    Activation,
    /// a ⊙ keep of a unit, with dropout.
    Dropped,
    /// A target after label smoothing.
    Target,
    /// The loss of an output.
    OutputLoss,
    /// The loss of a sample or a batch.
    TotalLoss,
    /// A penalty on weights, or the loss with it.
    Penalty,
    /// dE/da of an output: the first factor of BP1.
    LossSlope,
    /// f'(z) of a unit.
    Slope,
    /// da/dz of two outputs of softmax.
    Jacobian,
    /// delta = dE/dz of a unit.
    Delta,
    /// What one unit above carries back: a summand of BP2.
    Contribution,
    /// dE/da of a hidden unit: the sum of BP2.
    CarriedBack,
    /// dz/dw: the third factor of a weight's path.
    InputSlope,
    /// dE/dw of one sample (BP4).
    SampleWeightGradient,
    /// dE/dw (BP4).
    WeightGradient,
    /// dE/db of one sample (BP3).
    SampleBiasGradient,
    /// dE/db (BP3).
    BiasGradient,
    /// A gradient with penalties.
    Penalized,
    /// A gradient, clipped.
    Clipped,
    /// A norm that is limited.
    Norm,
    /// What the optimizer remembers.
    State,
    /// A dot product over all parameters.
    DotProduct,
    /// rho, alpha, gamma or beta of L-BFGS' two loops.
    LoopFactor,
    /// q, r or d of a parameter on the way to L-BFGS' direction.
    Direction,
    /// A number of the line search.
    Search,
    /// s or y of a parameter: the pair that a step of L-BFGS leaves behind.
    Pair,
    /// A weight or bias before its norm is limited.
    Unlimited,
    /// A weight or bias after the update.
    Update,
}

/// One line: symbol = formula = numbers = value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// What is computed.
    pub symbol: String,
    /// Other names of the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What kind of thing it is.
    pub rule: Rule,
    /// The layer it belongs to, from 1 as equations count; 0 for losses and norms of the whole network.
    pub layer: usize,
    /// How, over the symbols of the operands.
    pub formula: Expr,
    /// What goes in.
    pub operands: Vec<Quantity>,
    /// What comes out: the number of the computation that trains. None on a worksheet.
    pub value: Option<f64>,
    /// Why the formula has this form, where that depends on the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Term {
    /// A term; its operands are those of the formula.
    pub fn new(symbol: impl Into<String>, rule: Rule, layer: usize, formula: Expr, value: f64) -> Self {
        let operands = formula.operands();
        let (symbol, aliases, value) = (symbol.into(), Vec::new(), Some(value));
        Self { symbol, aliases, rule, layer, formula, operands, value, note: None }
    }

    /// A term whose value is that of its formula: the computation that trains does not keep it.
    pub fn computed(symbol: impl Into<String>, rule: Rule, layer: usize, formula: Expr) -> Self {
        let value = formula.eval().unwrap_or(f64::NAN);
        Self::new(symbol, rule, layer, formula, value)
    }

    /// The same with other names.
    pub fn also(mut self, aliases: impl IntoIterator<Item = String>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// The same with a note.
    pub fn noted(mut self, note: impl Into<Option<String>>) -> Self {
        self.note = note.into();
        self
    }

    /// The named value that it defines.
    pub fn quantity(&self) -> Expr {
        super::expr::of(self.symbol.clone(), self.value)
    }
}

/// The law that a section writes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// z(l) = W(l) a(l-1) + b(l), a(l) = f(z(l))
    Forward,
    /// delta(L) = dE/da(L) ⊙ f'(z(L))
    Bp1,
    /// delta(l) = (W(l+1)^T delta(l+1)) ⊙ f'(z(l))
    Bp2,
    /// BP3, dE/db(l) = delta(l), and BP4, dE/dW(l) = delta(l) a(l-1)^T
    Gradient,
    /// dE/dw as the product of three factors.
    Path,
    /// w+ = w - eta dE/dw
    Descent,
    /// d = -H dE/dw
    Direction,
    /// w+ = w + t d
    Step,
    /// da(j)/dz(i) = a(j) ([i = j] - a(i)), and with it BP1 as the sum over j
    SoftmaxBp1,
}

/// A matrix of a matrix equation, `(rows, columns)`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// `W(1)`, `a(0)`, `delta(2)^T`, …
    pub symbol: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Row by row; empty if there are too many to show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Expr>,
}

/// A part of a matrix equation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Part {
    /// A matrix.
    Matrix(Matrix),
    /// `=`, `+`, `-`, `*`, `⊙`, or a factor.
    Sign(String),
}

/// The figures of many numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// `W(1)`, `z(1)`, …
    pub symbol: String,
    /// In words: `weights`, `pre-activations`, …
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Mean.
    pub mean: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Square root of the sum of squares.
    pub norm: f64,
    /// The largest in magnitude, by name.
    pub top: Vec<Quantity>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Block {
    /// A sentence or two.
    Text {
        /// The words.
        text: String,
    },
    /// A line of the derivation.
    Term(Term),
    /// A chain of equal formulas over symbols: left = first = second = …
    Chain {
        /// What is derived.
        symbol: String,
        /// Formulas, each following from the one before.
        steps: Vec<Expr>,
    },
    /// A matrix equation.
    Equation {
        /// Matrices and signs from left to right.
        parts: Vec<Part>,
    },
    /// Figures of what is too large to write out.
    Summaries {
        /// A line each.
        rows: Vec<Summary>,
    },
    /// A table.
    Table {
        /// Names of the columns.
        header: Vec<String>,
        /// A name, then numbers.
        rows: Vec<(String, Vec<f64>)>,
    },
}

/// A part of a derivation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// The law that it writes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub law: Option<Law>,
    /// What it holds, in order.
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section without blocks.
    pub fn new(title: impl Into<String>, law: impl Into<Option<Law>>) -> Self {
        Self { title: title.into(), law: law.into(), blocks: Vec::new() }
    }

    /// Adds a term and gives the named value that it defines.
    pub fn push(&mut self, term: Term) -> Expr {
        let quantity = term.quantity();
        self.blocks.push(Block::Term(term));
        quantity
    }

    /// Adds terms.
    pub fn extend(&mut self, terms: impl IntoIterator<Item = Term>) {
        self.blocks.extend(terms.into_iter().map(Block::Term));
    }

    /// Adds words.
    pub fn say(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text { text: text.into() });
    }
}

/// The picture of a small network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Picture {
    /// Columns of units from the inputs to the outputs.
    pub columns: Vec<Vec<Quantity>>,
    /// The weights of each layer, row by row (units, inputs).
    pub weights: Vec<Vec<Quantity>>,
    /// The biases of each layer: one per unit, one, or none.
    pub biases: Vec<Vec<Quantity>>,
}

/// A whole derivation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derivation {
    /// What is explained: `mazur: step 1 of a 2-2-2 network`.
    pub title: String,
    /// Number type of the values: `f32` or `f64`.
    pub dtype: String,
    /// What is given and what is agreed: name and statement.
    pub given: Vec<(String, String)>,
    /// The network, if it is small enough to be drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// In the order of the mathematics.
    pub sections: Vec<Section>,
}

impl Derivation {
    /// All terms, in order.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::Term(term) => Some(term),
            _ => None,
        })
    }

    /// The worksheet: formulas stay, results and what goes into them are left out.
    pub fn blank(mut self) -> Self {
        for section in &mut self.sections {
            for block in &mut section.blocks {
                if let Block::Term(term) = block {
                    // Numbers of passes that are not written out are given.
                    let given = matches!(term.formula, Expr::Number(_));
                    if given && matches!(term.rule, Rule::Search | Rule::DotProduct) {
                        continue;
                    }
                    term.value = None;
                    term.operands.iter_mut().for_each(|operand| operand.value = None);
                    let empty = |q: &Quantity| super::expr::of(q.symbol.clone(), None);
                    term.formula = term.formula.replaced(&empty);
                }
            }
        }
        if let Some(picture) = &mut self.picture {
            // The inputs and weights are given; what units answer is to be found.
            picture.columns.iter_mut().skip(1).flatten().for_each(|unit| unit.value = None);
        }
        self
    }
}
