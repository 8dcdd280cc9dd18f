//! Activations, losses and their derivatives as formulas: the same as [`Activation`] and [`Loss`] compute.

use super::expr::{Expr, Function, call, of, power, sum};
use crate::activation::Activation;
use crate::loss::Loss;
use Function::{Abs, Erf, Exp, Ln, Sigmoid, Sign, Sqrt};

/// A formula, and why it has its form where that depends on the numbers.
pub type Noted = (Expr, Option<String>);

fn num(value: f64) -> Expr {
    value.into()
}

fn plain(e: Expr) -> Noted {
    (e, None)
}

/// Whether a quantity is above 0, and a note that says so.
fn side(z: &Expr) -> (bool, Option<String>) {
    match z {
        Expr::Of(q) => {
            let positive = q.value.is_some_and(|v| v > 0.0);
            (positive, Some(format!("{} {} 0", q.symbol, if positive { ">" } else { "<=" })))
        }
        _ => (false, None),
    }
}

/// a = f(z) of one unit; softmax has its own: [`softmax`].
pub fn value(f: Activation, z: &Expr) -> Noted {
    let z_ = z.clone();
    match f {
        Activation::Identity | Activation::Softmax => plain(z_),
        Activation::Sigmoid => plain(num(1.0) / (num(1.0) + call(Exp, -z_))),
        Activation::Tanh => plain(call(Function::Tanh, z_)),
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu { .. } => {
            let (positive, note) = side(z);
            let left = match f {
                Activation::LeakyRelu { slope } => num(slope) * z_.clone(),
                Activation::Elu { alpha } => num(alpha) * (call(Exp, z_.clone()) - 1.0),
                _ => num(0.0),
            };
            (if positive { z_ } else { left }, note)
        }
        Activation::Gelu => plain(z_ / 2.0 * (num(1.0) + call(Erf, z.clone() / call(Sqrt, num(2.0))))),
        Activation::Silu => plain(z_ / (num(1.0) + call(Exp, -z.clone()))),
        // Where e^z would be large, the same with e^-z.
        Activation::Softplus => match z {
            Expr::Of(q) if q.value.is_some_and(|v| v > 30.0) => {
                plain(z_ + call(Ln, num(1.0) + call(Exp, -z.clone())))
            }
            _ => plain(call(Ln, num(1.0) + call(Exp, z_))),
        },
    }
}

/// f'(z) of one unit from z and a.
pub fn slope(f: Activation, z: &Expr, a: &Expr) -> Noted {
    let (z_, a_) = (z.clone(), a.clone());
    match f {
        Activation::Identity | Activation::Softmax => plain(num(1.0)),
        Activation::Sigmoid => plain(a_.clone() * (num(1.0) - a_)),
        Activation::Tanh => plain(num(1.0) - power(a_, num(2.0))),
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu { .. } => {
            let (positive, note) = side(z);
            let left = match f {
                Activation::LeakyRelu { slope } => num(slope),
                Activation::Elu { alpha } => a_ + alpha,
                _ => num(0.0),
            };
            (if positive { num(1.0) } else { left }, note)
        }
        Activation::Gelu => {
            let phi = (num(1.0) + call(Erf, z_.clone() / call(Sqrt, num(2.0)))) / 2.0;
            let density = call(Exp, -(power(z_.clone(), num(2.0)) / 2.0))
                / call(Sqrt, num(2.0) * num(std::f64::consts::PI));
            plain(phi + z_ * density)
        }
        Activation::Silu => {
            let s = || call(Sigmoid, z_.clone());
            plain(s() * (num(1.0) + z_.clone() * (num(1.0) - s())))
        }
        Activation::Softplus => plain(call(Sigmoid, z_)),
    }
}

/// Softmax of output `j`; large z are shifted by the largest, which changes nothing but the size of the powers.
pub fn softmax(z: &[Expr], j: usize) -> Noted {
    let values = z.iter().filter_map(Expr::eval);
    let top = values.fold(f64::NEG_INFINITY, f64::max);
    let largest = z.iter().find(|z| z.eval() == Some(top)).filter(|_| top.abs() > 50.0);
    let e = |z: &Expr| match largest {
        Some(largest) => call(Exp, z.clone() - largest.clone()),
        None => call(Exp, z.clone()),
    };
    let note = largest.map(|largest| format!("every power divided by exp({largest}): the share is the same"));
    (e(&z[j]) / sum(z.iter().map(e)), note)
}

/// The share of a target that label smoothing spreads over the other outputs, and its formula.
pub fn smoothed(loss: Loss, target: &Expr, outputs: usize) -> Option<Expr> {
    let (s, spread) = match loss {
        Loss::CrossEntropy { label_smoothing } => (label_smoothing, outputs as f64),
        Loss::BinaryCrossEntropy { label_smoothing } => (label_smoothing, 2.0),
        _ => return None,
    };
    let s_ = || of("s", s);
    (s != 0.0).then(|| (num(1.0) - s_()) * target.clone() + s_() / spread)
}

/// What belongs to one output: z, a = f(z), and the (smoothed) target y.
pub struct Output {
    /// z
    pub z: Expr,
    /// a
    pub a: Expr,
    /// y
    pub y: Expr,
}

/// Below this, and as near to 1, a logarithm of an activation loses digits that one of z keeps.
const NEAR: f64 = 0.01;

/// The loss of output `j`; their sum is the sample's loss.
pub fn output_loss(loss: Loss, outputs: &[Output], j: usize) -> Noted {
    let Output { z, a, y } = &outputs[j];
    let e = || y.clone() - a.clone();
    let m = outputs.len() as f64;
    let mean = |e: Expr| if outputs.len() == 1 { e } else { e / m };
    match loss {
        Loss::Quadratic => plain(num(1.0) / 2.0 * power(e(), num(2.0))),
        Loss::MeanSquaredError => plain(mean(power(e(), num(2.0)))),
        Loss::MeanAbsoluteError => plain(mean(call(Abs, e()))),
        Loss::Huber { delta } => {
            let size = e().eval().map_or(0.0, f64::abs);
            let inside = size <= delta;
            let formula = if inside {
                num(1.0) / 2.0 * power(e(), num(2.0))
            } else {
                num(delta) * (call(Abs, e()) - num(delta) / 2.0)
            };
            (mean(formula), Some(huber_note(y, a, delta, inside)))
        }
        Loss::CrossEntropy { .. } => {
            if a.eval().is_none_or(|a| a > 1e-30) && far_from(1.0, a) {
                return plain(-(y.clone() * call(Ln, a.clone())));
            }
            // ln a = z - ln sum e^z, with the largest z taken out
            let top = outputs
                .iter()
                .max_by(|p, q| p.z.eval().partial_cmp(&q.z.eval()).unwrap_or(std::cmp::Ordering::Equal));
            let top = top.map_or_else(|| z.clone(), |top| top.z.clone());
            let powers = sum(outputs.iter().map(|o| call(Exp, o.z.clone() - top.clone())));
            let formula = y.clone() * (top - z.clone() + call(Ln, powers));
            (formula, Some("from net, as near 0 and 1 the logarithm of out loses digits".into()))
        }
        Loss::BinaryCrossEntropy { .. } => {
            if far_from(0.0, a) && far_from(1.0, a) {
                let one = || num(1.0);
                let first = y.clone() * call(Ln, a.clone());
                return plain(-(first + (one() - y.clone()) * call(Ln, one() - a.clone())));
            }
            let linear = if z.eval().is_some_and(|z| z > 0.0) {
                (num(1.0) - y.clone()) * z.clone()
            } else {
                -(y.clone() * z.clone())
            };
            let formula = linear + call(Ln, num(1.0) + call(Exp, -call(Abs, z.clone())));
            (formula, Some("from net, as near 0 and 1 the logarithm of out loses digits".into()))
        }
    }
}

fn far_from(end: f64, a: &Expr) -> bool {
    a.eval().is_none_or(|a| (a - end).abs() >= NEAR)
}

fn huber_note(y: &Expr, a: &Expr, delta: f64, inside: bool) -> String {
    format!("abs({y} - {a}) {} {delta}", if inside { "<=" } else { ">" })
}

/// dE/da of an output, for losses whose BP1 has two factors.
pub fn loss_slope(loss: Loss, output: &Output, outputs: usize) -> Option<Noted> {
    let (a, y) = (&output.a, &output.y);
    let e = || a.clone() - y.clone();
    let mean = |e: Expr| if outputs == 1 { e } else { e / outputs as f64 };
    Some(match loss {
        Loss::Quadratic => plain(e()),
        Loss::MeanSquaredError => plain(mean(num(2.0) * e())),
        Loss::MeanAbsoluteError => plain(mean(call(Sign, e()))),
        Loss::Huber { delta } => {
            let inside = e().eval().map_or(0.0, f64::abs) <= delta;
            let formula = if inside { e() } else { num(delta) * call(Sign, e()) };
            (mean(formula), Some(huber_note(y, a, delta, inside)))
        }
        Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. } => return None,
    })
}

/// delta(L) of cross-entropies, where f' cancels.
pub fn cancelled_delta(loss: Loss, outputs: &[Output], j: usize) -> Expr {
    let Output { a, y, .. } = &outputs[j];
    let total: Option<f64> = outputs.iter().map(|o| o.y.eval()).sum();
    if matches!(loss, Loss::CrossEntropy { .. }) && total.is_some_and(|total| total != 1.0) {
        return a.clone() * sum(outputs.iter().map(|o| o.y.clone())) - y.clone();
    }
    a.clone() - y.clone()
}
