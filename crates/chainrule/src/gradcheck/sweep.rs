//! The error of the differences over their step: truncation on the one side, round-off on the other.

use super::differences::Differences;
use super::group::{Compared, GroupCheck, Place, relative};
use super::{Cause, TOLERANCE};
use crate::Real;
use serde::Serialize;

/// One parameter's error over the step h.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// The parameter.
    pub parameter: String,
    /// From h = 1e-1 down to 1e-12, one in a decade.
    pub points: Vec<SweepPoint>,
    /// The step with the smallest error; none if all cross kinks, or if no step makes the two agree.
    pub best_h: Option<f64>,
}

/// The error at one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// The step.
    pub h: f64,
    /// |g - D(h)| / (|g| + |D(h)|): the plain central difference.
    pub central: f64,
    /// The same of (4 D(h) - D(2h)) / 3, which the check uses.
    pub extrapolated: f64,
    /// (4 D(h) - D(2h)) / 3
    pub derivative: f64,
    /// |g - (4 D(h) - D(2h)) / 3|
    pub difference: f64,
    /// Whether a kink lies within 2h.
    pub at_kink: bool,
}

/// The error of one parameter's differences from `g`, for h from 1e-1 to 1e-12.
pub(super) fn over_h<T: Real>(differences: &mut Differences<T>, place: &Place, g: f64) -> Vec<SweepPoint> {
    let mut at = |exponent: i32| {
        let h = 10f64.powi(-exponent);
        let found = differences.derivative(place, h);
        let error = |value: f64| relative((g - value).abs(), g.abs() + value.abs());
        SweepPoint {
            h,
            central: error(found.central),
            extrapolated: error(found.extrapolated),
            derivative: found.extrapolated,
            difference: (g - found.extrapolated).abs(),
            at_kink: differences.crossed().next().is_some(),
        }
    };
    (1..=12).map(&mut at).collect()
}

/// The step with the smallest difference among those that cross no kink.
pub(super) fn best(points: &[SweepPoint]) -> Option<SweepPoint> {
    let free = points.iter().filter(|point| !point.at_kink && point.difference.is_finite());
    free.min_by(|a, b| a.difference.total_cmp(&b.difference)).copied()
}

/// The step at which the differences are steadiest, and by how much they still change from there to its neighbours in
/// the list, at least by the last place of the loss: what they know of the derivative, whatever the gradient given.
pub(super) fn steadiest(points: &[SweepPoint], loss: f64) -> Option<(SweepPoint, f64)> {
    let free: Vec<&SweepPoint> = points.iter().filter(|point| !point.at_kink).collect();
    let change = |of: &[&SweepPoint]| {
        let [before, here, after] = [of[0], of[1], of[2]].map(|point| point.derivative);
        let last_place = f64::EPSILON * loss.abs().max(1.0) / of[1].h;
        (*of[1], (here - before).abs().max((here - after).abs()).max(last_place))
    };
    free.windows(3).map(change).filter(|(_, change)| change.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The worst parameter of the group with the largest relative error; wrong groups come first, passing ones last.
pub(super) fn of_worst<T: Real>(
    differences: &mut Differences<T>,
    groups: &[GroupCheck],
    compared: &[Compared],
) -> Sweep {
    let rank = |group: &GroupCheck| {
        let wrong = matches!(group.cause, Cause::Wrong { .. });
        let shown = group.relative_error > TOLERANCE || group.norm > 0.0;
        (wrong, !group.passed, shown)
    };
    let by_rank = |&a: &usize, &b: &usize| {
        let (a, b) = (&groups[a], &groups[b]);
        rank(a).cmp(&rank(b)).then(a.relative_error.total_cmp(&b.relative_error))
    };
    let worst = (0..groups.len()).max_by(by_rank).unwrap_or(0);
    let at = compared[worst].worst()[0];
    let points = over_h(differences, &compared[worst].places.places[at], compared[worst].analytic[at]);
    let right = !matches!(groups[worst].cause, Cause::Wrong { .. });
    let best_h = best(&points).filter(|_| right).map(|point| point.h);
    Sweep { parameter: groups[worst].worst[0].name.clone(), points, best_h }
}
