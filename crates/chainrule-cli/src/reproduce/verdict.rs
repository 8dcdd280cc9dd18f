//! Verdicts: pure functions of a published figure and ours.

use chainrule::recipe::{Better, OverSeeds};
use serde::Serialize;

/// What a re-run says about a published figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Within the tolerance.
    #[serde(rename = "reproduced")]
    Reproduced,
    /// Outside of it, on the better side.
    #[serde(rename = "better")]
    Better,
    /// Outside of it.
    #[serde(rename = "different")]
    Different,
    /// There is nothing to compare with.
    #[serde(rename = "nothing published")]
    NothingPublished,
}

impl Verdict {
    /// The word in tables and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Better => "better",
            Self::Different => "different",
            Self::NothingPublished => "nothing published",
        }
    }
}

/// Compares `ours` with what was published.
///
/// The tolerance is given in decimals, so a distance that exceeds it by round-off alone is within it.
pub fn verdict(ours: f64, published: Option<f64>, tolerance: f64, better: Option<Better>) -> Verdict {
    let Some(published) = published else { return Verdict::NothingPublished };
    let round_off = 4.0 * f64::EPSILON * published.abs();
    if (ours - published).abs() <= tolerance + round_off {
        return Verdict::Reproduced;
    }
    match better {
        Some(Better::Higher) if ours > published => Verdict::Better,
        Some(Better::Lower) if ours < published => Verdict::Better,
        _ => Verdict::Different,
    }
}

/// The value that stands for those of all seeds; NaN if one of them is, or there is none.
pub fn over_seeds(values: &[f64], over: OverSeeds) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return f64::NAN };
    if sorted.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    match over {
        OverSeeds::Min => *first,
        OverSeeds::Max => *last,
        OverSeeds::Median => {
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_the_tolerance_is_reproduced() {
        assert_eq!(verdict(0.109, Some(0.107), 0.002, None), Verdict::Reproduced);
        assert_eq!(verdict(0.105, Some(0.107), 0.002, Some(Better::Higher)), Verdict::Reproduced);
        assert_eq!(verdict(0.5, Some(0.5), 0.0, None), Verdict::Reproduced);
    }

    #[test]
    fn outside_it_is_better_on_the_better_side_only() {
        assert_eq!(verdict(0.99, Some(0.98), 0.001, Some(Better::Higher)), Verdict::Better);
        assert_eq!(verdict(0.97, Some(0.98), 0.001, Some(Better::Higher)), Verdict::Different);
        assert_eq!(verdict(0.1, Some(0.2), 0.01, Some(Better::Lower)), Verdict::Better);
        assert_eq!(verdict(0.3, Some(0.2), 0.01, Some(Better::Lower)), Verdict::Different);
        assert_eq!(verdict(0.99, Some(0.98), 0.001, None), Verdict::Different);
    }

    #[test]
    fn nothing_published_and_nan() {
        assert_eq!(verdict(0.99, None, 0.0, Some(Better::Higher)), Verdict::NothingPublished);
        assert_eq!(verdict(f64::NAN, Some(0.98), 1.0, Some(Better::Higher)), Verdict::Different);
        assert_eq!(verdict(f64::INFINITY, Some(0.98), 1.0, None), Verdict::Different);
    }

    #[test]
    fn one_value_for_all_seeds() {
        let values = [3.0, 1.0, 2.0, 10.0];
        assert_eq!(over_seeds(&values, OverSeeds::Median), 2.5);
        assert_eq!(over_seeds(&values[..3], OverSeeds::Median), 2.0);
        assert_eq!(over_seeds(&values, OverSeeds::Min), 1.0);
        assert_eq!(over_seeds(&values, OverSeeds::Max), 10.0);
        assert!(over_seeds(&[1.0, f64::NAN], OverSeeds::Min).is_nan());
        assert!(over_seeds(&[], OverSeeds::Median).is_nan());
    }
}
