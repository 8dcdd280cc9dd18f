//! How large the weights of a layer are, and how different its units.

use crate::Real;
use crate::layout::Layout;

/// Rows closer than this, relative to their norms, are of identical units: rounding alone pulls twins apart, slowly.
const SAME: f64 = 1e-4;

/// The rows of W of a layer, one per unit, or of their gradient. Biases are left out: units of equal W see the same of
/// their inputs, whatever their biases.
pub(super) struct Rows {
    /// Norm of W.
    pub weight_norm: f64,
    /// Norm of W and all biases.
    pub norm: f64,
    /// How many rows are different.
    pub distinct: usize,
    /// Mean distance of the rows from their mean row, over the root mean square of their norms; 0 if all rows are 0.
    pub distance: f64,
    /// The same of the rows scaled to length 1: 0 if all point one way, near 1 if each points elsewhere. Rows that are
    /// 0 point nowhere and are left out.
    pub spread: f64,
}

/// Measures the part of layer `l` in `values`, parameters or their gradient.
pub(super) fn rows<T: Real>(layout: &Layout, l: usize, values: &[T]) -> Rows {
    let (units, inputs) = layout.weight_shape(l);
    let value = |j: usize, i: usize| values[layout.weight_at(l, j, i)].to_f64();
    let (mut squares, mut projections) = (vec![0.0; units], vec![0.0; units]);
    for i in 0..inputs {
        // A fixed line that no structure of weights is likely to be orthogonal to.
        let factor = 1.0 + (i as f64 * 0.618_033_988_749_895).fract();
        for (j, (square, projection)) in squares.iter_mut().zip(&mut projections).enumerate() {
            let v = value(j, i);
            *square += v * v;
            *projection += v * factor;
        }
    }
    let all = squares.iter().sum::<f64>();
    let biases = values[layout.bias(l)].iter().map(|b| b.to_f64().powi(2)).sum::<f64>();
    let scales: Vec<f64> = squares.iter().map(|&s| if s > 0.0 { 1.0 / s.sqrt() } else { 0.0 }).collect();
    let directed = scales.iter().filter(|&&scale| scale > 0.0).count().max(1) as f64;
    let (mut apart, mut mean_direction) = (vec![0.0; units], 0.0);
    for i in 0..inputs {
        let mean = (0..units).map(|j| value(j, i)).sum::<f64>() / units as f64;
        apart.iter_mut().enumerate().for_each(|(j, apart)| *apart += (value(j, i) - mean).powi(2));
        mean_direction += ((0..units).map(|j| value(j, i) * scales[j]).sum::<f64>() / directed).powi(2);
    }
    let apart = apart.iter().map(|a| a.sqrt()).sum::<f64>() / units as f64;
    Rows {
        weight_norm: all.sqrt(),
        norm: (all + biases).sqrt(),
        distinct: distinct(&projections, &squares, inputs, value),
        distance: if all > 0.0 { apart / (all / units as f64).sqrt() } else { 0.0 },
        // Of vectors of length 1, the mean square of distances from their mean is 1 - |mean|^2.
        spread: if all > 0.0 { (1.0 - mean_direction).max(0.0).sqrt() } else { 0.0 },
    }
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
    use crate::spec::{LayerSpec, NetworkSpec};

    /// One layer of these rows and biases.
    fn measured(weights: &[f64], biases: &[f64]) -> Rows {
        let (units, inputs) = (biases.len(), weights.len() / biases.len());
        let layer = LayerSpec::new(units, "sigmoid".parse().unwrap(), "zeros".parse().unwrap());
        let spec =
            NetworkSpec { input_shape: vec![inputs], layers: vec![layer], loss: "mse".parse().unwrap() };
        let layout = Layout::new(&spec);
        let mut values = vec![0.0; layout.len()];
        layout.import_weight(0, weights, &mut values).unwrap();
        values[layout.bias(0)].copy_from_slice(biases);
        rows(&layout, 0, &values)
    }

    #[test]
    fn twins_are_found_wherever_they_stand_and_whatever_their_biases() {
        let weights = [1.0, 2.0, -3.0, 0.5, 1.0, 2.000_001, 0.0, 0.0, -3.0, 0.5];
        assert_eq!(measured(&weights, &[0.0, 1.0, 2.0, 3.0, 4.0]).distinct, 3);
        let nothing = measured(&[0.0; 6], &[1.0, 2.0, 3.0]);
        assert_eq!((nothing.distinct, nothing.distance, nothing.spread), (1, 0.0, 0.0));
        assert_eq!(nothing.norm, 14f64.sqrt());
        let same = measured(&[1.0, 2.0, 1.0, 2.0], &[0.0, 9.0]);
        assert!(same.distance == 0.0 && same.spread <= 1e-7);
        let opposite = measured(&[3.0, 0.0, -3.0, 0.0], &[0.0; 2]);
        assert_eq!((opposite.distinct, opposite.distance, opposite.spread), (2, 1.0, 1.0));
        assert!((opposite.weight_norm - 18f64.sqrt()).abs() <= 1e-12);
        let one_way = measured(&[1.0, 2.0, 3.0, 6.0], &[0.0; 2]);
        assert!(one_way.spread <= 1e-7 && one_way.distance > 0.4, "{} {}", one_way.spread, one_way.distance);
    }
}
