//! Formulas with a part left out or a sign turned.

use crate::explain::expr::{Expr, call};

/// A sum or product without the parts whose name `leave` knows, and the first such name.
pub fn without(formula: &Expr, leave: &dyn Fn(&str) -> bool) -> Option<(String, Expr)> {
    let named = |e: &Expr| match e {
        Expr::Of(q) if leave(&q.symbol) => Some(q.symbol.clone()),
        _ => None,
    };
    let (Expr::Sum(parts) | Expr::Product(parts)) = formula else { return None };
    let name = parts.iter().find_map(named)?;
    let rest: Vec<Expr> = parts.iter().filter(|e| named(e).is_none()).cloned().collect();
    Some((name, if matches!(formula, Expr::Sum(_)) { Expr::Sum(rest) } else { Expr::Product(rest) }))
}

/// Every way to turn one sign within a formula.
pub fn flip(e: &Expr, rebuild: &dyn Fn(Expr) -> Expr, out: &mut Vec<Expr>) {
    match e {
        Expr::Number(_) | Expr::Of(_) => {}
        Expr::Negative(inner) => {
            out.push(rebuild((**inner).clone()));
            flip(inner, &|e| rebuild(-e), out);
        }
        Expr::Sum(parts) => {
            for at in 1..parts.len() {
                let mut turned = parts.clone();
                turned[at] = match parts[at].clone() {
                    Expr::Negative(inner) => *inner,
                    other => -other,
                };
                out.push(rebuild(Expr::Sum(turned)));
            }
            inside(parts, Expr::Sum, rebuild, out);
        }
        Expr::Product(parts) => inside(parts, Expr::Product, rebuild, out),
        Expr::Ratio(a, b) => {
            flip(a, &|e| rebuild(e / (**b).clone()), out);
            flip(b, &|e| rebuild((**a).clone() / e), out);
        }
        Expr::Power(a, b) => flip(a, &|e| rebuild(Expr::Power(Box::new(e), b.clone())), out),
        Expr::Call(function, inner) => flip(inner, &|e| rebuild(call(*function, e)), out),
    }
}

fn inside(parts: &[Expr], make: fn(Vec<Expr>) -> Expr, rebuild: &dyn Fn(Expr) -> Expr, out: &mut Vec<Expr>) {
    for at in 0..parts.len() {
        let with = |e: Expr| {
            let mut parts = parts.to_vec();
            parts[at] = e;
            rebuild(make(parts))
        };
        flip(&parts[at], &with, out);
    }
}
