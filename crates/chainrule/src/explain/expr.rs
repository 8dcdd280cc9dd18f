//! Formulas as data: what a line of a derivation computes, and from which numbers.
//!
//! Written out ([`Expr`]'s `Display`), a formula is plain arithmetic: operators stand between spaces, symbols hold neither
//! spaces nor parentheses, and a name right before a parenthesis is a function. `tests/derivation/recompute.py` reads it so.

use crate::Real;
use serde::{Serialize, Serializer};
use std::fmt;

/// A number with its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantity {
    /// `net_h1`, `w5`, `dE/dout_o1`, …
    pub symbol: String,
    /// Its value; none in a derivation of symbols alone.
    pub value: Option<f64>,
}

/// A formula over named numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant of the formula itself, as the 2 of a square.
    Number(f64),
    /// A named number.
    Of(Quantity),
    /// -e
    Negative(Box<Expr>),
    /// e1 + e2 + …; a negative addend is written as a difference.
    Sum(Vec<Expr>),
    /// e1 * e2 * …
    Product(Vec<Expr>),
    /// e1 / e2
    Ratio(Box<Expr>, Box<Expr>),
    /// e1 ^ e2
    Power(Box<Expr>, Box<Expr>),
    /// f(e)
    Call(Function, Box<Expr>),
}

/// The functions that formulas use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// e^x
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// Hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// |x|
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// Rounded to bf16, as products of a bf16 run read their operands.
    Bf16,
}

impl Function {
    /// Its name in plain text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Sqrt => "sqrt",
            Self::Tanh => "tanh",
            Self::Erf => "erf",
            Self::Sigmoid => "sigmoid",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Bf16 => "bf16",
        }
    }

    /// Its value at `x`.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Tanh => x.tanh(),
            Self::Erf => Real::erf(x),
            Self::Sigmoid => crate::activation::sigmoid(x),
            Self::Abs => x.abs(),
            Self::Sign => crate::loss::sign(x),
            Self::Bf16 => chainrule_kernels::bf16::round(x as f32).into(),
        }
    }
}

/// A named number as a formula.
pub fn of(symbol: impl Into<String>, value: impl Into<Option<f64>>) -> Expr {
    Expr::Of(Quantity { symbol: symbol.into(), value: value.into() })
}

/// f(e)
pub fn call(function: Function, argument: Expr) -> Expr {
    Expr::Call(function, Box::new(argument))
}

/// base ^ exponent
pub fn power(base: Expr, exponent: Expr) -> Expr {
    Expr::Power(Box::new(base), Box::new(exponent))
}

impl From<f64> for Expr {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl std::ops::Neg for Expr {
    type Output = Self;
    fn neg(self) -> Self {
        Self::Negative(Box::new(self))
    }
}

impl<E: Into<Expr>> std::ops::Add<E> for Expr {
    type Output = Self;
    fn add(self, other: E) -> Self {
        match self {
            Self::Sum(mut addends) => {
                addends.push(other.into());
                Self::Sum(addends)
            }
            one => Self::Sum(vec![one, other.into()]),
        }
    }
}

impl<E: Into<Expr>> std::ops::Sub<E> for Expr {
    type Output = Self;
    fn sub(self, other: E) -> Self {
        self + -other.into()
    }
}

impl<E: Into<Expr>> std::ops::Mul<E> for Expr {
    type Output = Self;
    fn mul(self, other: E) -> Self {
        match self {
            Self::Product(mut factors) => {
                factors.push(other.into());
                Self::Product(factors)
            }
            one => Self::Product(vec![one, other.into()]),
        }
    }
}

impl<E: Into<Expr>> std::ops::Div<E> for Expr {
    type Output = Self;
    fn div(self, other: E) -> Self {
        Self::Ratio(Box::new(self), Box::new(other.into()))
    }
}

/// The sum of these addends, which is the addend itself if there is one.
pub fn sum(addends: impl IntoIterator<Item = Expr>) -> Expr {
    let mut addends: Vec<Expr> = addends.into_iter().collect();
    if addends.len() == 1 { addends.remove(0) } else { Expr::Sum(addends) }
}

impl Expr {
    /// Its value, where `value` may give a quantity another value than its own.
    pub fn eval_with(&self, value: &dyn Fn(&Quantity) -> Option<f64>) -> Option<f64> {
        Some(match self {
            Self::Number(number) => *number,
            Self::Of(quantity) => value(quantity)?,
            Self::Negative(e) => -e.eval_with(value)?,
            Self::Sum(addends) => addends.iter().try_fold(0.0, |sum, e| Some(sum + e.eval_with(value)?))?,
            Self::Product(factors) => {
                factors.iter().try_fold(1.0, |product, e| Some(product * e.eval_with(value)?))?
            }
            Self::Ratio(above, below) => above.eval_with(value)? / below.eval_with(value)?,
            Self::Power(base, exponent) => base.eval_with(value)?.powf(exponent.eval_with(value)?),
            Self::Call(function, e) => function.apply(e.eval_with(value)?),
        })
    }

    /// Its value.
    pub fn eval(&self) -> Option<f64> {
        self.eval_with(&|quantity| quantity.value)
    }

    /// Its named numbers, each once, in the order in which they appear.
    pub fn operands(&self) -> Vec<Quantity> {
        let mut found: Vec<Quantity> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.visit(&mut |quantity| {
            if seen.insert(quantity.symbol.clone()) {
                found.push(quantity.clone());
            }
        });
        found
    }

    fn visit(&self, see: &mut dyn FnMut(&Quantity)) {
        match self {
            Self::Number(_) => {}
            Self::Of(quantity) => see(quantity),
            Self::Negative(e) | Self::Call(_, e) => e.visit(see),
            Self::Sum(all) | Self::Product(all) => all.iter().for_each(|e| e.visit(see)),
            Self::Ratio(a, b) | Self::Power(a, b) => {
                a.visit(see);
                b.visit(see);
            }
        }
    }

    /// The same formula with every quantity replaced by what `change` makes of it.
    pub fn replaced(&self, change: &dyn Fn(&Quantity) -> Expr) -> Self {
        let one = |e: &Self| Box::new(e.replaced(change));
        let all = |list: &[Self]| list.iter().map(|e| e.replaced(change)).collect();
        match self {
            Self::Number(number) => Self::Number(*number),
            Self::Of(quantity) => change(quantity),
            Self::Negative(e) => Self::Negative(one(e)),
            Self::Sum(list) => Self::Sum(all(list)),
            Self::Product(list) => Self::Product(all(list)),
            Self::Ratio(a, b) => Self::Ratio(one(a), one(b)),
            Self::Power(a, b) => Self::Power(one(a), one(b)),
            Self::Call(function, e) => Self::Call(*function, one(e)),
        }
    }

    /// How tightly it binds: sums 1, products and ratios 2, powers 3, the rest 4.
    pub fn binding(&self) -> u8 {
        match self {
            Self::Number(number) if *number < 0.0 => 1,
            Self::Negative(_) | Self::Sum(_) => 1,
            Self::Product(_) | Self::Ratio(..) => 2,
            Self::Power(..) => 3,
            Self::Number(_) | Self::Of(_) | Self::Call(..) => 4,
        }
    }

    /// Plain text, with `leaf` writing numbers and quantities. Addends of the outermost sum come one by one, each with
    /// its sign, so that a line can be broken between them.
    pub fn addends(&self, leaf: &dyn Fn(&Expr) -> String) -> Vec<String> {
        let Self::Sum(addends) = self else { return vec![self.text(1, leaf)] };
        let written = addends.iter().enumerate().map(|(at, e)| match (at, e) {
            (0, e) => e.text(1, leaf),
            (_, Self::Negative(e)) => format!("- {}", e.text(2, leaf)),
            (_, e) => format!("+ {}", e.text(2, leaf)),
        });
        written.collect()
    }

    /// Plain text; in parentheses if it binds less tightly than `binding`.
    fn text(&self, binding: u8, leaf: &dyn Fn(&Expr) -> String) -> String {
        let text = match self {
            Self::Number(_) | Self::Of(_) => leaf(self),
            Self::Negative(e) => format!("-{}", e.text(2, leaf)),
            Self::Sum(_) => self.addends(leaf).join(" "),
            Self::Product(factors) => {
                let factor = |(at, e): (usize, &Self)| e.text(if at == 0 { 2 } else { 3 }, leaf);
                factors.iter().enumerate().map(factor).collect::<Vec<_>>().join(" * ")
            }
            Self::Ratio(a, b) => format!("{} / {}", a.text(2, leaf), b.text(3, leaf)),
            Self::Power(a, b) => format!("{} ^ {}", a.text(4, leaf), b.text(4, leaf)),
            Self::Call(function, e) => return format!("{}({})", function.name(), e.text(1, leaf)),
        };
        // What is written as a negative number binds no more tightly than a sum.
        let own = if text.starts_with('-') { 1 } else { self.binding() };
        if own < binding { format!("({text})") } else { text }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let leaf = |e: &Self| match e {
            Self::Of(quantity) => quantity.symbol.clone(),
            Self::Number(number) => number.to_string(),
            _ => String::new(),
        };
        f.write_str(&self.text(1, &leaf))
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_written_with_the_parentheses_they_need_and_evaluate() {
        let (a, b) = (of("a", 3.0), of("b", -2.0));
        let e = (a.clone() - b.clone()) * b.clone() / (Expr::from(1.0) + call(Function::Abs, b.clone()));
        assert_eq!(e.to_string(), "(a - b) * b / (1 + abs(b))");
        assert_eq!(e.eval(), Some(-10.0 / 3.0));
        let numbers = |e: &Expr| match e {
            Expr::Of(q) => q.value.unwrap().to_string(),
            Expr::Number(n) => n.to_string(),
            _ => String::new(),
        };
        assert_eq!(e.addends(&numbers).join(" "), "(3 - (-2)) * (-2) / (1 + abs(-2))");
        assert_eq!((a.clone() * (a.clone() / b.clone())).to_string(), "a * (a / b)");
        assert_eq!((a.clone() / (a.clone() * b.clone())).to_string(), "a / (a * b)");
        assert_eq!(power(-b.clone(), 2.0.into()).to_string(), "(-b) ^ 2");
        assert_eq!((-(a.clone() + b.clone())).to_string(), "-(a + b)");
        assert_eq!(e.operands().len(), 2);
        assert_eq!(of("c", None).eval(), None);
    }
}
