/// At most `limit` of the points (4 at least), in their order: the first, the last, and the lowest and highest of
/// every stretch between.
pub(super) fn thin(points: &[(f64, f64)], limit: usize) -> Vec<(f64, f64)> {
    let [first, inner @ .., last] = points else { return points.to_vec() };
    if points.len() <= limit {
        return points.to_vec();
    }
    let stretches = (limit.max(4) - 2) / 2;
    let mut kept = vec![*first];
    for stretch in inner.chunks(inner.len().div_ceil(stretches)) {
        let by_height = |&a: &usize, &b: &usize| stretch[a].1.total_cmp(&stretch[b].1);
        let lowest = (0..stretch.len()).min_by(by_height);
        let highest = (0..stretch.len()).max_by(by_height);
        if let (Some(low), Some(high)) = (lowest, highest) {
            kept.push(stretch[low.min(high)]);
            if low != high {
                kept.push(stretch[low.max(high)]);
            }
        }
    }
    kept.push(*last);
    kept
}

/// At most `limit` of the points at equal distances: the same places for any heights.
pub(super) fn stretched(points: &[(f64, f64)], limit: usize) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(limit).max(1);
    let last = points.last().filter(|_| !(points.len() - 1).is_multiple_of(step));
    points.iter().step_by(step).chain(last).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::thin;

    #[test]
    fn keeps_ends_and_extremes() {
        let mut points: Vec<(f64, f64)> = (0..20_001).map(|i| (f64::from(i), f64::from(i).sin())).collect();
        points[7777].1 = 50.0;
        points[12_345].1 = -50.0;
        let thinned = thin(&points, 1000);
        assert!(thinned.len() <= 1000 && thinned.len() > 900, "{}", thinned.len());
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[20_000]));
        assert!(thinned.contains(&(7777.0, 50.0)) && thinned.contains(&(12_345.0, -50.0)));
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn leaves_short_curves_alone() {
        assert_eq!(thin(&[], 1000), []);
        assert_eq!(thin(&[(0.0, 1.0)], 1000), [(0.0, 1.0)]);
        assert_eq!(thin(&[(0.0, 1.0), (1.0, 1.0)], 2).len(), 2);
    }
}
