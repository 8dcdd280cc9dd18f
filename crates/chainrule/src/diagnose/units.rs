//! How different the units of a layer are.

use crate::Real;
use crate::layout::Layout;

/// Rows closer than this, relative to their norms, are of identical units: rounding alone pulls twins apart, slowly.
const SAME: f64 = 1e-4;

/// How many units of layer `l` differ in `values` (parameters or their gradient), and the mean distance of their rows
/// from the mean row over the root mean square of the rows' norms (0 if all rows are 0).
pub(super) fn spread<T: Real>(layout: &Layout, l: usize, values: &[T]) -> (usize, f64) {
    let (units, inputs) = layout.weight_shape(l);
    let bias = layout.bias(l);
    let shared = bias.len() < units;
    let width = inputs + usize::from(!shared);
    let mut rows = vec![0.0; units * width]; // (units, inputs and own bias)
    for (j, row) in rows.chunks_exact_mut(width).enumerate() {
        for (i, v) in row[..inputs].iter_mut().enumerate() {
            *v = values[layout.weight_at(l, j, i)].to_f64();
        }
        if !shared {
            row[inputs] = values[bias.start + j].to_f64();
        }
    }
    (distinct(&rows, width), distance(&rows, width))
}

fn distance(rows: &[f64], width: usize) -> f64 {
    let units = (rows.len() / width) as f64;
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / units);
    }
    let apart: f64 =
        rows.chunks_exact(width).map(|row| norm(row.iter().zip(&mean).map(|(v, m)| v - m))).sum();
    let size = (rows.iter().map(|v| v * v).sum::<f64>() / units).sqrt();
    if size > 0.0 { apart / units / size } else { 0.0 }
}

/// Twins have equal projections on any line: after sorting by one they are neighbours.
fn distinct(rows: &[f64], width: usize) -> usize {
    let row = |j: usize| &rows[j * width..(j + 1) * width];
    // Any fixed line that no structure of weights is likely to be orthogonal to.
    let projection = |j: usize| -> f64 {
        let factor = |i: usize| 1.0 + (i as f64 * 0.618_033_988_749_895).fract();
        row(j).iter().enumerate().map(|(i, v)| v * factor(i)).sum()
    };
    let mut order: Vec<(f64, usize)> = (0..rows.len() / width).map(|j| (projection(j), j)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same = |a: usize, b: usize| {
        let apart = norm(row(a).iter().zip(row(b)).map(|(a, b)| a - b));
        apart <= SAME * norm(row(a).iter().copied()).max(norm(row(b).iter().copied()))
    };
    1 + order.windows(2).filter(|pair| !same(pair[0].1, pair[1].1)).count()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_wherever_they_stand() {
        let rows = [1.0, 2.0, -3.0, 0.5, 1.0, 2.000_001, 0.0, 0.0, -3.0, 0.5];
        assert_eq!(distinct(&rows, 2), 3);
        assert_eq!(distinct(&[0.0; 6], 2), 1);
        assert_eq!(distance(&[0.0; 6], 2), 0.0);
        assert_eq!(distance(&[1.0, 2.0, 1.0, 2.0], 2), 0.0);
        assert_eq!(distance(&[1.0, 0.0, -1.0, 0.0], 2), 1.0);
    }
}
