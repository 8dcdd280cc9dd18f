//! How large the weights of a layer are, and how different its units.

use crate::Real;
use crate::layout::Layout;

/// Rows closer than this, relative to their norms, are of identical units: rounding alone pulls twins apart, slowly.
const SAME: f64 = 1e-4;

/// The rows of (W, b) of a layer, one per unit, or of their gradient. A bias that is shared belongs to no row.
pub(super) struct Rows {
    /// Norm of W.
    pub weight_norm: f64,
    /// Norm of W and all biases.
    pub norm: f64,
    /// How many rows are different.
    pub distinct: usize,
}

/// Measures the part of layer `l` in `values`, parameters or their gradient.
pub(super) fn rows<T: Real>(layout: &Layout, l: usize, values: &[T]) -> Rows {
    let (units, inputs) = layout.weight_shape(l);
    let (mut squares, mut projections) = (vec![0.0; units], vec![0.0; units]);
    for i in 0..width(layout, l) {
        // A fixed line that no structure of weights is likely to be orthogonal to.
        let factor = 1.0 + (i as f64 * 0.618_033_988_749_895).fract();
        for (j, (square, projection)) in squares.iter_mut().zip(&mut projections).enumerate() {
            let v = value(layout, l, values, j, i);
            *square += v * v;
            *projection += v * factor;
        }
    }
    let of = |biases: &[T]| biases.iter().map(|b| b.to_f64().powi(2)).sum::<f64>();
    let (all, biases) = (squares.iter().sum::<f64>(), of(&values[layout.bias(l)]));
    let own = if width(layout, l) > inputs { biases } else { 0.0 };
    Rows {
        weight_norm: (all - own).max(0.0).sqrt(),
        norm: (all - own + biases).max(0.0).sqrt(),
        distinct: distinct(&projections, &squares, width(layout, l), |j, i| value(layout, l, values, j, i)),
    }
}

/// Mean distance of the rows of layer `l` from their mean row, over the root mean square of their norms; 0 if all rows
/// are 0.
pub(super) fn distance<T: Real>(layout: &Layout, l: usize, values: &[T]) -> f64 {
    let units = layout.weight_shape(l).0;
    let (mut apart, mut size) = (vec![0.0; units], 0.0);
    for i in 0..width(layout, l) {
        let column = || (0..units).map(|j| value(layout, l, values, j, i));
        let mean = column().sum::<f64>() / units as f64;
        apart.iter_mut().zip(column()).for_each(|(apart, v)| *apart += (v - mean).powi(2));
        size += column().map(|v| v * v).sum::<f64>() / units as f64;
    }
    let mean = apart.iter().map(|a| a.sqrt()).sum::<f64>() / units as f64;
    if size > 0.0 { mean / size.sqrt() } else { 0.0 }
}

/// Length of a unit's row: its weights and, if it has one of its own, its bias.
fn width(layout: &Layout, l: usize) -> usize {
    let (units, inputs) = layout.weight_shape(l);
    inputs + usize::from(layout.bias(l).len() == units)
}

/// Number `i` of the row of unit `j`.
fn value<T: Real>(layout: &Layout, l: usize, values: &[T], j: usize, i: usize) -> f64 {
    let inputs = layout.weight_shape(l).1;
    values[if i < inputs { layout.weight_at(l, j, i) } else { layout.bias(l).start + j }].to_f64()
}

/// Twins have equal projections on any line: after sorting by one they are neighbours.
fn distinct(
    projections: &[f64],
    squares: &[f64],
    width: usize,
    value: impl Fn(usize, usize) -> f64,
) -> usize {
    let mut order: Vec<usize> = (0..projections.len()).collect();
    order.sort_by(|&a, &b| projections[a].total_cmp(&projections[b]));
    let same = |a: usize, b: usize| {
        let limit = SAME * squares[a].max(squares[b]).sqrt();
        // Factors are at most 2: far projections are of far rows, which need not be looked at.
        (projections[a] - projections[b]).abs() <= limit * 2.0 * (width as f64).sqrt()
            && (0..width).map(|i| (value(a, i) - value(b, i)).powi(2)).sum::<f64>().sqrt() <= limit
    };
    1 + order.windows(2).filter(|pair| !same(pair[0], pair[1])).count()
}

/// Norm of the change of W(l) from `before` to `after`.
pub(super) fn change<T: Real>(layout: &Layout, l: usize, before: &[T], after: &[T]) -> f64 {
    let (units, inputs) = layout.weight_shape(l);
    let at = |i: usize| (0..units).map(move |j| layout.weight_at(l, j, i));
    let squares = (0..inputs).flat_map(at).map(|at| (after[at].to_f64() - before[at].to_f64()).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{BiasMode, LayerSpec, NetworkSpec};

    /// One layer of these rows, without biases: what is measured of it, and the distance of its rows.
    fn measured(weights: &[f64], inputs: usize) -> (Rows, f64) {
        let units = weights.len() / inputs;
        let mut layer = LayerSpec::new(units, "sigmoid".parse().unwrap(), "zeros".parse().unwrap());
        layer.bias = BiasMode::None;
        let spec =
            NetworkSpec { input_shape: vec![inputs], layers: vec![layer], loss: "mse".parse().unwrap() };
        let layout = Layout::new(&spec);
        let mut values = vec![0.0; layout.len()];
        layout.import_weight(0, weights, &mut values).unwrap();
        (rows(&layout, 0, &values), distance(&layout, 0, &values))
    }

    #[test]
    fn twins_are_found_wherever_they_stand() {
        let twins = measured(&[1.0, 2.0, -3.0, 0.5, 1.0, 2.000_001, 0.0, 0.0, -3.0, 0.5], 2);
        assert_eq!(twins.0.distinct, 3);
        let (nothing, apart) = measured(&[0.0; 6], 2);
        assert_eq!((nothing.distinct, apart), (1, 0.0));
        assert_eq!(measured(&[1.0, 2.0, 1.0, 2.0], 2).1, 0.0);
        let (opposite, apart) = measured(&[3.0, 0.0, -3.0, 0.0], 2);
        assert_eq!((opposite.distinct, apart), (2, 1.0));
        assert!((opposite.weight_norm - 18f64.sqrt()).abs() <= 1e-12);
    }
}
