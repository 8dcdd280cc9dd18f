//! L-BFGS: quasi-Newton steps from the last few differences of parameters and gradients.
//!
//! Nocedal and Wright, Numerical Optimization, 2nd ed.: algorithm 7.4 (two-loop recursion), 3.5 and 3.6 (line
//! search for the strong Wolfe conditions, c1 = 1e-4, c2 = 0.9). Its own driver over a loss-and-gradient closure.

pub mod trace;

use crate::Real;
use std::collections::VecDeque;
use trace::{Down, Learned, Next, Point, Scaling, Search, Trace, Up};

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

/// Of the slope, how much a step must at least lower the loss.
pub const C1: f64 = 1e-4;
/// Of the slope, how much may at most be left of it.
pub const C2: f64 = 0.9;
/// How near a step between two points comes to either, as shares of the way.
pub const SHARE: (f64, f64) = (0.1, 0.9);
const MAX_EVALUATIONS: usize = 25;

/// One iteration from `params`, whose loss and gradient the closure gives; moves `params` to the new point.
///
/// `evaluate(params, gradient)` writes the mean gradient and returns the mean loss. `first_step` scales the very
/// first, steepest-descent direction. `trace`, if given, is overwritten with every number of the iteration.
///
/// # Errors
/// Those of `evaluate`.
pub fn step<T: Real, E>(
    params: &mut [T],
    memory: &mut Memory<T>,
    history: usize,
    first_step: f64,
    mut trace: Option<&mut Trace<Vec<T>>>,
    mut evaluate: impl FnMut(&[T], &mut [T]) -> Result<f64, E>,
) -> Result<Progress, E> {
    let mut g = vec![T::default(); params.len()];
    let loss = evaluate(params, &mut g)?;
    if let Some(trace) = &mut trace {
        **trace = Trace { loss, g: g.clone(), searches: Vec::new(), learned: None };
    }
    if dot(&g, &g) == 0.0 {
        return Ok(Progress::Converged);
    }
    let attempts = if memory.pairs.is_empty() { 1 } else { 2 };
    for attempt in 0..attempts {
        if attempt == 1 {
            memory.pairs.clear(); // a bad model of the curvature: start again from steepest descent
        }
        let mut seen = trace.is_some().then(Search::default);
        let direction = direction(&g, memory, seen.as_mut());
        let slope = dot(&direction, &g);
        // Without a model of the curvature, no parameter moves by more than `first_step`.
        let trial = if memory.pairs.is_empty() {
            let largest = g.iter().map(|v| v.abs().to_f64()).fold(0.0, f64::max);
            first_step * (1.0 / largest).min(1.0)
        } else {
            1.0
        };
        let start = params.to_vec();
        let mut at = Place { t: 0.0, loss, slope, g: g.clone() };
        let mut points = Vec::new();
        let accepted = if slope < 0.0 {
            search(&start, &direction, trial, &mut at, params, &mut points, &mut evaluate)?
        } else {
            None
        };
        if let (Some(trace), Some(seen)) = (&mut trace, seen) {
            trace.searches.push(Search { direction, slope, points, accepted, ..seen });
        }
        if accepted.is_none() {
            params.copy_from_slice(&start);
            continue;
        }
        let s: Vec<T> = params.iter().zip(&start).map(|(&new, &old)| new - old).collect();
        let y: Vec<T> = at.g.iter().zip(&g).map(|(&new, &old)| new - old).collect();
        // Only positive curvature keeps the model positive definite.
        let (sy, yy) = (dot(&s, &y), dot(&y, &y));
        let kept = sy > f64::EPSILON * yy;
        if let Some(trace) = &mut trace {
            trace.learned = Some(Learned { g: at.g, s: s.clone(), y: y.clone(), sy, yy, kept });
        }
        if kept {
            memory.pairs.push_back((s, y));
            if memory.pairs.len() > history {
                memory.pairs.pop_front();
            }
        }
        return Ok(Progress::Moved(at.loss));
    }
    Ok(Progress::Converged)
}

/// -H g by the two-loop recursion: q from the newest pair to the oldest, r = gamma q, r back to the newest.
fn direction<T: Real>(g: &[T], memory: &Memory<T>, mut seen: Option<&mut Search<Vec<T>>>) -> Vec<T> {
    let mut q: Vec<T> = g.iter().map(|&v| -v).collect();
    let mut factors = Vec::with_capacity(memory.pairs.len());
    for (s, y) in memory.pairs.iter().rev() {
        let (sy, sq) = (dot(s, y), dot(s, &q));
        let rho = 1.0 / sy;
        let alpha = rho * sq;
        add(&mut q, -alpha, y);
        factors.push((rho, alpha));
        if let Some(seen) = &mut seen {
            seen.down.push(Down { s: s.clone(), y: y.clone(), sy, rho, sq, alpha, q: q.clone() });
        }
    }
    let mut r = q;
    if let Some((s, y)) = memory.pairs.back() {
        let yy = dot(y, y);
        let gamma = dot(s, y) / yy;
        let factor = T::from_f64(gamma);
        r.iter_mut().for_each(|v| *v *= factor);
        if let Some(seen) = &mut seen {
            seen.scaling = Some(Scaling { yy, gamma, r: r.clone() });
        }
    }
    for ((s, y), (rho, alpha)) in memory.pairs.iter().zip(factors.into_iter().rev()) {
        let yr = dot(y, &r);
        let beta = rho * yr;
        add(&mut r, alpha - beta, s);
        if let Some(seen) = &mut seen {
            seen.up.push(Up { yr, beta, r: r.clone() });
        }
    }
    r
}

/// A place along the search direction: w + t d.
struct Place<T> {
    t: f64,
    loss: f64,
    slope: f64,
    g: Vec<T>,
}

/// Finds a step that meets the strong Wolfe conditions, or else the lowest point seen below the start; leaves `params`
/// there and `at` describing it, and says which of the `points` tried it is. None if no point lies below the start.
fn search<T: Real, E>(
    start: &[T],
    direction: &[T],
    trial: f64,
    at: &mut Place<T>,
    params: &mut [T],
    points: &mut Vec<Point>,
    evaluate: &mut impl FnMut(&[T], &mut [T]) -> Result<f64, E>,
) -> Result<Option<usize>, E> {
    let (loss0, slope0) = (at.loss, at.slope);
    let mut probe = |t: f64, params: &mut [T]| -> Result<Place<T>, E> {
        let step = T::from_f64(t);
        for ((w, &from), &d) in params.iter_mut().zip(start).zip(direction) {
            *w = from + step * d;
        }
        let mut g = vec![T::default(); start.len()];
        let loss = evaluate(params, &mut g)?;
        let slope = dot(&g, direction);
        Ok(Place { t, loss, slope, g })
    };
    let sufficient = |p: &Place<T>| p.loss <= loss0 + C1 * p.t * slope0;
    let flat = |p: &Place<T>| p.slope.abs() <= -C2 * slope0;

    // `low` meets the first condition with the smallest loss so far; the wanted step lies between it and `high`. With
    // each, its number among the points.
    let mut low = (0, Place { t: 0.0, loss: loss0, slope: slope0, g: at.g.clone() });
    let mut high: Option<(usize, f64, f64)> = None; // (number, t, loss)
    let mut t = trial;
    for number in 1..=MAX_EVALUATIONS {
        let p = probe(t, params)?;
        let (slope, loss) = (p.slope, p.loss);
        let mut seen = |next| points.push(Point { t, loss, slope, next });
        if !sufficient(&p) || !p.slope.is_finite() || !(p.loss < low.1.loss || low.0 == 0) {
            high = Some((number, p.t, p.loss)); // also when loss or slope is NaN
        } else if flat(&p) {
            seen(Next::Accepted);
            *at = p;
            return Ok(Some(number - 1));
        } else {
            let passed_minimum = match high {
                None => p.slope >= 0.0,
                Some((_, end, _)) => p.slope * (end - p.t) >= 0.0,
            };
            if passed_minimum {
                high = Some((low.0, low.1.t, low.1.loss));
            }
            low = (number, p);
        }
        t = match high {
            None => {
                seen(Next::Further { low: low.0 });
                2.0 * low.1.t
            }
            Some((high, end, end_loss)) => {
                let width = end - low.1.t;
                let parabola = lowest_share(&low.1, width, end_loss);
                let share = if parabola.is_finite() { parabola.clamp(SHARE.0, SHARE.1) } else { 0.5 };
                seen(Next::Between { low: low.0, high, parabola, share });
                low.1.t + share * width
            }
        };
        if t == low.1.t || !t.is_finite() {
            break;
        }
    }
    let (number, low) = low;
    if number == 0 || !(low.loss < loss0) {
        return Ok(None);
    }
    *at = probe(low.t, params)?;
    Ok(Some(number - 1))
}

/// Where the parabola through `low` (value and slope) and the loss `width` away is lowest, as a share of `width`.
fn lowest_share<T>(low: &Place<T>, width: f64, end_loss: f64) -> f64 {
    let curvature = 2.0 * (end_loss - low.loss - low.slope * width) / (width * width);
    -low.slope / (curvature * width)
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
            match step(&mut w, &mut memory, 10, 1.0, None, rosenbrock).unwrap() {
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
        assert_eq!(step(&mut w, &mut Memory::default(), 10, 1.0, None, rosenbrock), Ok(Progress::Converged));
    }
}
