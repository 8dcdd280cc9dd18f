//! Formulas in LaTeX.

use super::number::number;
use super::symbol::{Name, Symbol, greek, parse};
use chainrule::explain::{Expr, Function, Law, Matrix, Part};

/// A number; powers of ten as such.
pub fn value(value: f64, digits: usize) -> String {
    let text = number(value, digits);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} \\cdot 10^{{{exponent}}}"),
        None => text,
    }
}

/// A symbol.
pub fn symbol(text: &str) -> String {
    match parse(text) {
        Symbol::Words(words) => format!("\\text{{{}}}", words.replace('\u{a0}', "~")),
        Symbol::Name(one) => name(&one),
        Symbol::Dot(a, b) => format!("{}^{{\\top}} {}", name(&a), name(&b)),
        Symbol::Derivative(above, below, through) => {
            let above = match name(&above).split_once('^') {
                Some((stem, _)) if !above.sample.is_empty() => format!("{stem}^{{({})}}", above.sample),
                _ => name(&above),
            };
            let fraction = format!("\\frac{{\\partial {above}}}{{\\partial {}}}", name(&below));
            match through {
                Some(unit) => format!("\\left.{fraction}\\right|_{{{}{}}}", unit.stem, unit.index),
                None => fraction,
            }
        }
    }
}

fn name(name: &Name) -> String {
    let stem = match greek(&name.stem) {
        Some((greek, _)) => greek.to_string(),
        None if name.stem.len() > 1 => format!("\\mathit{{{}}}", name.stem.replace('_', "\\_")),
        None => name.stem.clone(),
    };
    let index = if name.index.len() > 3 && name.index.chars().all(char::is_alphabetic) {
        format!("_{{\\mathrm{{{}}}}}", name.index)
    } else if name.index.is_empty() {
        String::new()
    } else {
        format!("_{{{}}}", name.index)
    };
    let sample = if name.sample.is_empty() { String::new() } else { format!("({})", name.sample) };
    let marks = format!("{}{sample}", if name.new { "+" } else { "" });
    if marks.is_empty() { format!("{stem}{index}") } else { format!("{stem}{index}^{{{marks}}}") }
}

/// The addends of a formula one by one, so that a line can be broken between them.
pub fn addends(e: &Expr, digits: usize) -> Vec<String> {
    let Expr::Sum(all) = e else { return vec![formula(e, 1, digits)] };
    let addend = |(at, e): (usize, &Expr)| match (at, e) {
        (0, e) => formula(e, 1, digits),
        (_, Expr::Negative(e)) => format!("- {}", formula(e, 2, digits)),
        (_, e) => format!("+ {}", formula(e, 2, digits)),
    };
    all.iter().enumerate().map(addend).collect()
}

/// A formula, in parentheses if it binds less tightly than `binding`.
fn formula(e: &Expr, binding: u8, digits: usize) -> String {
    let inner = |e: &Expr, binding| formula(e, binding, digits);
    let (own, text) = match e {
        Expr::Number(v) => {
            let text = value(*v, digits);
            (
                if *v < 0.0 {
                    1
                } else if text.contains('^') {
                    2
                } else {
                    4
                },
                text,
            )
        }
        // A derivative is a fraction, and one superscript takes no other.
        Expr::Of(q) => (if q.symbol.contains(['/', '+', '@', '.']) { 3 } else { 4 }, symbol(&q.symbol)),
        Expr::Negative(e) => (1, format!("-{}", inner(e, 2))),
        Expr::Sum(_) => (1, addends(e, digits).join(" ")),
        Expr::Product(all) => {
            let factor = |(at, e): (usize, &Expr)| inner(e, if at == 0 { 2 } else { 3 });
            (2, all.iter().enumerate().map(factor).collect::<Vec<_>>().join(" \\cdot "))
        }
        // A fraction holds together by itself, but not below an exponent.
        Expr::Ratio(a, b) => (3, format!("\\frac{{{}}}{{{}}}", inner(a, 1), inner(b, 1))),
        Expr::Power(a, b) => (3, format!("{}^{{{}}}", inner(a, 4), inner(b, 1))),
        Expr::Call(function, e) => match function {
            Function::Exp => (3, format!("e^{{{}}}", inner(e, 1))),
            Function::Sqrt => (4, format!("\\sqrt{{{}}}", inner(e, 1))),
            Function::Abs => (4, format!("\\left|{}\\right|", inner(e, 1))),
            Function::Ln | Function::Tanh => {
                (4, format!("\\{}\\left({}\\right)", function.name(), inner(e, 1)))
            }
            Function::Sigmoid => (4, format!("\\sigma\\left({}\\right)", inner(e, 1))),
            Function::Erf | Function::Sign | Function::Bf16 => {
                (4, format!("\\operatorname{{{}}}\\left({}\\right)", function.name(), inner(e, 1)))
            }
        },
    };
    if own < binding { format!("\\left({text}\\right)") } else { text }
}

/// A matrix equation, names and shapes below the matrices.
pub fn equation(parts: &[Part], digits: usize) -> String {
    let part = |part: &Part| match part {
        Part::Sign(sign) => match sign.as_str() {
            "*" => "\\cdot".into(),
            "⊙" => "\\odot".into(),
            "=" | "+" | "-" => sign.clone(),
            "eta" => symbol(sign),
            other => format!("\\text{{{other}}}"),
        },
        Part::Matrix(Matrix { symbol, shape: (rows, columns), cells }) => {
            let name = symbol
                .replace("delta", "\\delta ")
                .replace("^T", "^{T}")
                .replace(" keep", "\\,\\mathit{keep}");
            let shape = format!("{rows} \\times {columns}");
            if cells.is_empty() {
                return format!("\\underset{{{shape}}}{{{name}}}");
            }
            let row =
                |row: &[Expr]| row.iter().map(|e| formula(e, 1, digits)).collect::<Vec<_>>().join(" & ");
            let rows: Vec<String> = cells.chunks(*columns).map(row).collect();
            let body = rows.join(" \\\\ ");
            format!("\\underset{{{name}\\;({shape})}}{{\\begin{{bmatrix}} {body} \\end{{bmatrix}}}}")
        }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// A law.
pub fn law(law: Law) -> &'static str {
    match law {
        Law::Forward => "z^{(l)} = W^{(l)} a^{(l-1)} + b^{(l)}, \\qquad a^{(l)} = f(z^{(l)})",
        Law::Bp1 => {
            "\\text{BP1} \\qquad \\delta^{(L)} = \\frac{\\partial E}{\\partial a^{(L)}} \\odot f'(z^{(L)})"
        }
        Law::Bp2 => {
            "\\text{BP2} \\qquad \\delta^{(l)} = \\left( (W^{(l+1)})^T \\delta^{(l+1)} \\right) \\odot f'(z^{(l)})"
        }
        Law::Gradient => {
            "\\text{BP3} \\qquad \\frac{\\partial E}{\\partial b^{(l)}} = \\delta^{(l)} \\qquad\\qquad \
             \\text{BP4} \\qquad \\frac{\\partial E}{\\partial W^{(l)}} = \\delta^{(l)} (a^{(l-1)})^T"
        }
        Law::Path => {
            "\\frac{\\partial E}{\\partial w} = \\frac{\\partial E}{\\partial \\mathit{out}} \\cdot \
             \\frac{\\partial \\mathit{out}}{\\partial \\mathit{net}} \\cdot \\frac{\\partial \\mathit{net}}{\\partial w}"
        }
        Law::Descent => "w^{+} = w - \\eta \\frac{\\partial E}{\\partial w}",
        Law::Direction => "d = -H \\frac{\\partial E}{\\partial w}",
        Law::Step => "w^{+} = w + t \\cdot d",
        Law::SoftmaxBp1 => {
            "\\text{BP1} \\qquad \\frac{\\partial a_j}{\\partial z_i} = a_j ([i = j] - a_i), \\qquad \\delta_i = \\sum_j \\frac{\\partial E}{\\partial a_j} \\frac{\\partial a_j}{\\partial z_i}"
        }
    }
}
