//! A derivation as people read it: `text` for a terminal, `markdown` with LaTeX, `html` with MathML.
//!
//! (JSON is the `Derivation` itself.) Numbers are shown to so many decimals; sums of very many addends show the largest
//! ones and what the others come to.

mod html;
mod latex;
mod markdown;
mod mathml;
mod network;
mod number;
mod symbol;
mod text;

pub use html::html;
pub use markdown::markdown;
pub use number::number;
pub use text::{line, text};

use chainrule::explain::{Expr, Law, Quantity, Term};

/// Sums of more addends than this are shown by their largest ones.
const MOST_ADDENDS: usize = 16;
/// So many of them.
const SHOWN_ADDENDS: usize = 8;

/// How a derivation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Decimals of numbers near 1; trailing zeros are left out.
    pub digits: usize,
    /// Whether the text may use a terminal's colours.
    pub colour: bool,
}

/// The formula with long sums cut to their largest addends.
fn cut(e: &Expr) -> Expr {
    let one = |e: &Expr| Box::new(cut(e));
    match e {
        Expr::Sum(addends) if addends.len() > MOST_ADDENDS => {
            let size = |e: &Expr| e.eval().map_or(0.0, f64::abs);
            let mut order: Vec<usize> = (0..addends.len()).collect();
            order.sort_by(|&a, &b| size(&addends[b]).total_cmp(&size(&addends[a])));
            let (shown, rest) = order.split_at(SHOWN_ADDENDS);
            let mut shown = shown.to_vec();
            shown.sort_unstable();
            let value = rest.iter().map(|&at| addends[at].eval()).sum();
            let others = Quantity { symbol: format!("{}\u{a0}others", rest.len()), value };
            let mut addends: Vec<Expr> = shown.iter().map(|&at| cut(&addends[at])).collect();
            addends.push(Expr::Of(others));
            Expr::Sum(addends)
        }
        Expr::Number(_) | Expr::Of(_) => e.clone(),
        Expr::Negative(e) => Expr::Negative(one(e)),
        Expr::Sum(all) => Expr::Sum(all.iter().map(cut).collect()),
        Expr::Product(all) => Expr::Product(all.iter().map(cut).collect()),
        Expr::Ratio(a, b) => Expr::Ratio(one(a), one(b)),
        Expr::Power(a, b) => Expr::Power(one(a), one(b)),
        Expr::Call(function, e) => Expr::Call(*function, one(e)),
    }
}

/// The formula with numbers in place of names; none while a number is left out, as on a worksheet.
fn numbers(e: &Expr) -> Option<Expr> {
    let complete = std::cell::Cell::new(true);
    let filled = e.replaced(&|quantity| match quantity.value {
        Some(value) => Expr::Number(value),
        None => {
            complete.set(false);
            Expr::Number(0.0)
        }
    });
    complete.get().then_some(filled)
}

/// Whether a formula says no more than its value does: a number, or one named number.
fn is_bare(term: &Term) -> bool {
    matches!(term.formula, Expr::Number(_) | Expr::Of(_))
}

/// A law in plain text.
fn law(law: Law) -> &'static str {
    match law {
        Law::Forward => "z(l) = W(l) a(l-1) + b(l),   a(l) = f(z(l))",
        Law::Bp1 => "BP1   delta(L) = dE/da(L) ⊙ f'(z(L))",
        Law::Bp2 => "BP2   delta(l) = (W(l+1)^T delta(l+1)) ⊙ f'(z(l))",
        Law::Gradient => "BP3   dE/db(l) = delta(l)        BP4   dE/dW(l) = delta(l) a(l-1)^T",
        Law::Path => "dE/dw = dE/dout * dout/dnet * dnet/dw",
        Law::Descent => "w+ = w - eta * dE/dw",
        Law::Direction => "d = -H dE/dw",
        Law::Step => "w+ = w + t * d",
        Law::SoftmaxBp1 => "BP1   delta(i) = sum over j of dE/da(j) * a(j) ([i = j] - a(i))",
    }
}
