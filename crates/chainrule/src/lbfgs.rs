//! L-BFGS: quasi-Newton steps from the last few differences of parameters and gradients.
//!
//! Nocedal and Wright, Numerical Optimization, 2nd ed.: algorithm 7.4 (two-loop recursion), 3.5 and 3.6 (line
//! search for the strong Wolfe conditions, c1 = 1e-4, c2 = 0.9). Its own driver over a loss-and-gradient closure.

use crate::Real;
use std::collections::VecDeque;

/// What it remembers: pairs s = w' - w, y = g' - g, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory<T> {
    /// (s, y) pairs.
    pub pairs: VecDeque<(Vec<T>, Vec<T>)>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// The loss fell to this value.
    Moved(f64),
    /// No step along the steepest descent lowers the loss: a minimum, to the number type's precision.
    Converged,
}

const C1: f64 = 1e-4;
const C2: f64 = 0.9;
const MAX_EVALUATIONS: usize = 25;

/// One iteration from `params`, whose loss and gradient the closure gives; moves `params` to the new point.
///
/// `evaluate(params, gradient)` writes the mean gradient and returns the mean loss. `first_step` scales the very
/// first, steepest-descent direction.
///
/// # Errors
/// Those of `evaluate`.
pub fn step<T: Real, E>(
    params: &mut [T],
    memory: &mut Memory<T>,
    history: usize,
    first_step: f64,
    mut evaluate: impl FnMut(&[T], &mut [T]) -> Result<f64, E>,
) -> Result<Progress, E> {
    let mut g = vec![T::default(); params.len()];
    let loss = evaluate(params, &mut g)?;
    if dot(&g, &g) == 0.0 {
        return Ok(Progress::Converged);
    }
    for attempt in 0..2 {
        if attempt == 1 {
            memory.pairs.clear(); // a bad model of the curvature: start again from steepest descent
        }
        let direction = direction(&g, memory);
        let slope = dot(&direction, &g);
        if !(slope < 0.0) {
            continue;
        }
        // Without a model of the curvature, no parameter moves by more than `first_step`.
        let trial = if memory.pairs.is_empty() {
            let largest = g.iter().map(|v| v.abs().to_f64()).fold(0.0, f64::max);
            first_step * (1.0 / largest).min(1.0)
        } else {
            1.0
        };
        let start = params.to_vec();
        let mut at = Point { alpha: 0.0, loss, slope, g: g.clone() };
        if search(&start, &direction, trial, &mut at, params, &mut evaluate)? {
            let s: Vec<T> = params.iter().zip(&start).map(|(&new, &old)| new - old).collect();
            let y: Vec<T> = at.g.iter().zip(&g).map(|(&new, &old)| new - old).collect();
            // Only positive curvature keeps the model positive definite.
            if dot(&s, &y) > f64::EPSILON * dot(&y, &y) {
                memory.pairs.push_back((s, y));
                if memory.pairs.len() > history {
                    memory.pairs.pop_front();
                }
            }
            return Ok(Progress::Moved(at.loss));
        }
        params.copy_from_slice(&start);
    }
    Ok(Progress::Converged)
}

/// -H g by the two-loop recursion.
fn direction<T: Real>(g: &[T], memory: &Memory<T>) -> Vec<T> {
    let mut q: Vec<T> = g.iter().map(|&v| -v).collect();
    let mut alphas = Vec::with_capacity(memory.pairs.len());
    for (s, y) in memory.pairs.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = memory.pairs.back() {
        let gamma = T::from_f64(dot(s, y) / dot(y, y));
        q.iter_mut().for_each(|v| *v *= gamma);
    }
    for ((s, y), alpha) in memory.pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        add(&mut q, alpha - beta, s);
    }
    q
}

/// A point along the search direction.
struct Point<T> {
    alpha: f64,
    loss: f64,
    slope: f64,
    g: Vec<T>,
}

/// Finds a step that meets the strong Wolfe conditions, or else the lowest point seen below the start; leaves
/// `params` there and `at` describing it. False if no point lies below the start.
fn search<T: Real, E>(
    start: &[T],
    direction: &[T],
    trial: f64,
    at: &mut Point<T>,
    params: &mut [T],
    evaluate: &mut impl FnMut(&[T], &mut [T]) -> Result<f64, E>,
) -> Result<bool, E> {
    let (loss0, slope0) = (at.loss, at.slope);
    let mut probe = |alpha: f64, params: &mut [T]| -> Result<Point<T>, E> {
        let step = T::from_f64(alpha);
        for ((w, &from), &d) in params.iter_mut().zip(start).zip(direction) {
            *w = from + step * d;
        }
        let mut g = vec![T::default(); start.len()];
        let loss = evaluate(params, &mut g)?;
        let slope = dot(&g, direction);
        Ok(Point { alpha, loss, slope, g })
    };
    let sufficient = |p: &Point<T>| p.loss <= loss0 + C1 * p.alpha * slope0;
    let flat = |p: &Point<T>| p.slope.abs() <= -C2 * slope0;

    // `low` meets the first condition with the smallest loss so far; the wanted step lies between it and `high`.
    let mut low = Point { alpha: 0.0, loss: loss0, slope: slope0, g: at.g.clone() };
    let mut high: Option<(f64, f64)> = None; // (alpha, loss)
    let mut alpha = trial;
    for _ in 0..MAX_EVALUATIONS {
        let p = probe(alpha, params)?;
        if !sufficient(&p) || !p.slope.is_finite() || !(p.loss < low.loss || low.alpha == 0.0) {
            high = Some((p.alpha, p.loss)); // also when loss or slope is NaN
        } else if flat(&p) {
            *at = p;
            return Ok(true);
        } else {
            let passed_minimum = match high {
                None => p.slope >= 0.0,
                Some((end, _)) => p.slope * (end - p.alpha) >= 0.0,
            };
            if passed_minimum {
                high = Some((low.alpha, low.loss));
            }
            low = p;
        }
        alpha = match high {
            None => 2.0 * low.alpha,
            Some((end, end_loss)) => between(&low, end, end_loss),
        };
        if alpha == low.alpha || !alpha.is_finite() {
            break;
        }
    }
    if low.alpha == 0.0 || !(low.loss < loss0) {
        return Ok(false);
    }
    *at = probe(low.alpha, params)?;
    Ok(true)
}

/// The minimum of the parabola through `low` (value and slope) and the loss at `end`, kept off both ends.
fn between<T>(low: &Point<T>, end: f64, end_loss: f64) -> f64 {
    let width = end - low.alpha;
    let curvature = 2.0 * (end_loss - low.loss - low.slope * width) / (width * width);
    let share = -low.slope / (curvature * width);
    let share = if share.is_finite() { share.clamp(0.1, 0.9) } else { 0.5 };
    low.alpha + share * width
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

fn add<T: Real>(to: &mut [T], factor: f64, what: &[T]) {
    let factor = T::from_f64(factor);
    to.iter_mut().zip(what).for_each(|(to, &what)| *to += factor * what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Rosenbrock's function, minimum 0 at (1, 1): the textbook's hard case (Nocedal and Wright, exercise 2.1).
    fn rosenbrock(w: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let (x, y) = (w[0], w[1]);
        g[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
        g[1] = 200.0 * (y - x * x);
        Ok(100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2))
    }

    #[test]
    fn rosenbrock_from_the_usual_start() {
        let (mut w, mut memory) = ([-1.2, 1.0], Memory::default());
        let mut last = f64::INFINITY;
        for _ in 0..60 {
            match step(&mut w, &mut memory, 10, 1.0, rosenbrock).unwrap() {
                Progress::Moved(loss) => {
                    assert!(loss < last, "the loss rises: {last} to {loss}");
                    last = loss;
                }
                Progress::Converged => break,
            }
        }
        assert!((w[0] - 1.0).abs() <= 1e-6 && (w[1] - 1.0).abs() <= 1e-6, "{w:?}");
    }

    #[test]
    fn a_minimum_is_recognised() {
        let mut w = [1.0, 1.0];
        assert_eq!(step(&mut w, &mut Memory::default(), 10, 1.0, rosenbrock), Ok(Progress::Converged));
    }
}
