//! Why two gradients of a group disagree, by measurement: kinks, the step, gradients too small to be seen, 32 bits.

use super::differences::{Differences, Kink};
use super::group::{Compared, GroupCheck, Place, distance};
use super::sweep::{self, SweepPoint};
use super::{H, TOLERANCE};
use crate::activation::Activation;
use crate::explain::Names;
use crate::spec::BiasMode;
use serde::Serialize;

/// A unit whose largest |f'(z)| is below this is called saturated: |z| above 6.9 for sigmoid, 4.1 for tanh.
const SATURATED: f64 = 1e-3;

/// A gradient farther from the differences than so many times what they still change over h is another number.
const SCATTER: f64 = 10.0;

/// Up to this relative error a gradient in 32 bits is taken for that in 64 bits.
pub(super) const SINGLE: f64 = 1e-4;

/// Why the two gradients of a group differ, or that they do not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// They do not.
    Same,
    /// The differences cross a kink.
    Kink {
        /// The unit, or the output whose error is at a corner of the loss.
        unit: String,
        /// Index of the sample in the batch.
        sample: usize,
        /// Its z, or its distance to the corner of the loss.
        z: f64,
        /// The parameter that carries it across.
        parameter: String,
        /// The largest h that crosses no kink; none if z is 0.
        free_h: Option<f64>,
        /// The relative error with such an h; none if z is too close to 0 for one that can be used.
        free_error: Option<f64>,
        /// Derivative from the left and from the right, summed over the batch.
        one_sided: (f64, f64),
    },
    /// h is too small: the losses differ in their last digits only.
    RoundOff {
        /// The best step.
        best_h: f64,
        /// The relative error there.
        best_error: f64,
    },
    /// h is too large: the loss is no parabola over 2h.
    Truncation {
        /// The best step.
        best_h: f64,
        /// The relative error there.
        best_error: f64,
    },
    /// Saturated units make the gradient smaller than differences resolve.
    Saturated {
        /// The unit with the smallest slope on the way.
        unit: String,
        /// Its largest |f'(z)| over the batch.
        slope: f64,
        /// Norm of the gradient.
        gradient: f64,
        /// What differences resolve.
        resolution: f64,
    },
    /// The gradient is smaller than differences resolve.
    TooSmall {
        /// Its norm.
        gradient: f64,
        /// What differences resolve.
        resolution: f64,
    },
    /// 32 bits: in 64 bits the two agree.
    SinglePrecision {
        /// Relative error of the same check in 64 bits.
        error_in_64_bits: f64,
        /// Relative distance of the backpropagated gradient from that in 64 bits.
        gradient_error: f64,
    },
    /// A gradient or a difference is infinite or NaN.
    NotFinite,
    /// Nothing explains it: the gradient is wrong.
    Wrong {
        /// The smallest relative error of any step, or in 32 bits that from the gradient in 64 bits.
        best_error: f64,
    },
}

/// Why a group differs: of the worst parameters, the gravest cause.
pub(super) fn of_group(
    differences: &mut Differences<f64>,
    group: &GroupCheck,
    compared: &Compared,
    h: f64,
    resolution: f64,
) -> Cause {
    if group.relative_error <= TOLERANCE {
        return Cause::Same;
    }
    let worst = compared.worst();
    if group.passed {
        let place = &compared.places.places[worst[0]];
        return small(differences, place, group.norm, resolution * (group.checked as f64).sqrt());
    }
    if !group.relative_error.is_finite() {
        return Cause::NotFinite;
    }
    let size = TOLERANCE * (group.norm + group.numerical_norm) / (group.checked as f64).sqrt();
    let allowed = size.max(resolution);
    let mut cause = None;
    for at in worst {
        let (g, numeric) = (compared.analytic[at], compared.numeric[at]);
        if (g - numeric).abs() <= allowed {
            continue;
        }
        let found = of_parameter(differences, &compared.places.places[at], g, h, allowed);
        if matches!(found, Cause::Wrong { .. }) {
            return found;
        }
        cause.get_or_insert(found);
    }
    cause.unwrap_or(Cause::Wrong { best_error: group.relative_error })
}

fn of_parameter(differences: &mut Differences<f64>, place: &Place, g: f64, h: f64, allowed: f64) -> Cause {
    let points = sweep::over_h(differences, place, g);
    differences.derivative(place, h);
    let crossed: Vec<Kink> = differences.crossed().collect();
    let nearest = crossed.into_iter().min_by(|a, b| a.distance.abs().total_cmp(&b.distance.abs()));
    if let Some(kink) = nearest
        && let Some(cause) = at_kink(differences, place, g, h, allowed, kink, &points)
    {
        return cause;
    }
    let Some(best) = sweep::best(&points) else { return Cause::NotFinite };
    let (best_h, best_error) = (best.h, best.extrapolated);
    if best.difference <= allowed {
        return if best_h > h {
            Cause::RoundOff { best_h, best_error }
        } else {
            Cause::Truncation { best_h, best_error }
        };
    }
    let loss = differences.losses(place, 0.0).iter().sum();
    match sweep::steadiest(&points, loss) {
        Some((point, change)) if point.difference > SCATTER * change => {
            Cause::Wrong { best_error: point.extrapolated }
        }
        Some((point, _)) => small(differences, place, g.abs(), point.difference),
        None => Cause::NotFinite,
    }
}

/// A kink, if a step that avoids it makes the two agree, or the jump of the derivative is as large as their difference.
fn at_kink(
    differences: &mut Differences<f64>,
    place: &Place,
    g: f64,
    h: f64,
    allowed: f64,
    kink: Kink,
    points: &[SweepPoint],
) -> Option<Cause> {
    let names = Names::new(differences.problem().net.spec());
    let loss = differences.losses(place, 0.0).iter().sum();
    let mut crosses = |h: f64| {
        differences.derivative(place, h);
        differences.crossed().next().is_some()
    };
    // The largest step that crosses nothing lies between a point that does not and one that does.
    let free_point = points.iter().find(|point| point.h < h && !point.at_kink);
    let free_h = free_point.map(|point| {
        let (mut free, mut not) = (point.h, (10.0 * point.h).min(h));
        for _ in 0..20 {
            let middle = (free * not).sqrt();
            if crosses(middle) { not = middle } else { free = middle }
        }
        free
    });
    let usable: Vec<SweepPoint> = points.iter().filter(|point| point.h < h).copied().collect();
    let agrees = sweep::best(&usable).filter(|point| point.difference <= allowed);
    if agrees.is_none()
        && sweep::steadiest(&usable, loss).is_some_and(|(p, change)| p.difference > SCATTER * change)
    {
        return None;
    }
    let near = h.min(H);
    let sides = differences.one_sided(place, near);
    let one_sided = sides.iter().fold((0.0, 0.0), |sum, side| (sum.0 + side.0, sum.1 + side.1));
    let jump: f64 = sides.iter().map(|(left, right)| (right - left).abs()).sum();
    let middle = 0.5 * (one_sided.0 + one_sided.1);
    let explains = agrees.is_some() || (g - middle).abs() <= 0.5 * jump * (1.0 + 1e-3) + allowed;
    let unit = names.unit(kink.layer, kink.unit);
    explains.then(|| Cause::Kink {
        unit: if kink.of_loss { format!("the error of {unit}") } else { unit },
        sample: differences.problem().batch.sample(kink.sample),
        z: kink.distance,
        parameter: place.name(&names),
        free_h,
        free_error: agrees.map(|point| point.extrapolated),
        one_sided,
    })
}

/// A gradient too small to be seen, and whether saturated units on the way to the loss make it so.
fn small(differences: &mut Differences<f64>, place: &Place, gradient: f64, resolution: f64) -> Cause {
    let spec = differences.problem().net.spec().clone();
    // Its own unit; of each layer above the steepest one, since the error comes through all of them.
    let mut on_the_way = Vec::new();
    for (l, layer) in spec.layers.iter().enumerate().skip(place.layer) {
        // Cross-entropies of softmax and sigmoid have no f' in BP1.
        if l + 1 == spec.layers.len() && spec.loss.accepts(Activation::Identity).is_err() {
            continue;
        }
        let shared = place.input.is_none() && layer.bias == BiasMode::Shared;
        let units = if l > place.layer || shared { 0..layer.units } else { place.unit..place.unit + 1 };
        let slopes = units.map(|j| (differences.slopes(l, j), l, j));
        on_the_way.extend(slopes.max_by(|a, b| a.0.total_cmp(&b.0)));
    }
    match on_the_way.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((slope, l, j)) if slope < SATURATED => {
            Cause::Saturated { unit: Names::new(&spec).unit(l, j), slope, gradient, resolution }
        }
        _ => Cause::TooSmall { gradient, resolution },
    }
}

/// A gradient that is that of 64 bits but for rounding is right: 32 bits are the cause, or what keeps the check in 64 bits from
/// agreeing, too.
pub(super) fn single(in_64_bits: &GroupCheck, compared: &Compared, exact: &[f64]) -> Cause {
    if !(compared.analytic.iter().chain(&compared.numeric).all(|v| v.is_finite())) {
        return Cause::NotFinite;
    }
    let exact: Vec<f64> = compared.places.places.iter().map(|place| exact[place.index]).collect();
    let gradient_error = distance(&compared.analytic, &exact);
    let rounding =
        compared.analytic.iter().zip(&exact).all(|(a, b)| (a - b).abs() <= f64::from(f32::EPSILON));
    if !(gradient_error <= SINGLE || rounding) {
        return Cause::Wrong { best_error: gradient_error };
    }
    if !in_64_bits.passed {
        return in_64_bits.cause.clone();
    }
    Cause::SinglePrecision { error_in_64_bits: in_64_bits.relative_error, gradient_error }
}

impl Cause {
    /// The cause in words, at step `h`.
    pub fn words(&self, h: f64) -> String {
        let e = |value: f64| if value == 0.0 { "0".to_string() } else { format!("{value:.1e}") };
        match self {
            Self::Same => "same".into(),
            Self::Kink { unit, sample, z, parameter, free_h, free_error, one_sided } => {
                let crossed = format!(
                    "kink: {unit} is {} from its kink (sample {sample}), and moving {parameter} by 2h carries it across",
                    e(z.abs())
                );
                match (free_h, free_error) {
                    (Some(free), Some(error)) => {
                        format!(
                            "{crossed}; up to h = {} it does not, and the two agree to {}",
                            e(*free),
                            e(*error)
                        )
                    }
                    _ => format!(
                        "{crossed} at any h; the derivative is {} from the left and {} from the right, and either is right",
                        e(one_sided.0),
                        e(one_sided.1)
                    ),
                }
            }
            Self::RoundOff { best_h, best_error } => format!(
                "round-off: h = {h:e} is too small, the losses differ in their last digits only; the best h is {best_h:e}, with a relative error of {}",
                e(*best_error)
            ),
            Self::Truncation { best_h, best_error } => format!(
                "truncation: h = {h:e} is too large, the loss bends within 2h; the best h is {best_h:e}, with a relative error of {}",
                e(*best_error)
            ),
            Self::Saturated { unit, slope, gradient, resolution } => format!(
                "too small to tell: {unit} is saturated, f'(z) = {} at most, so that the gradient of norm {} lies near what differences resolve ({})",
                e(*slope),
                e(*gradient),
                e(*resolution)
            ),
            Self::TooSmall { gradient, resolution } => format!(
                "too small to tell: the gradient has norm {}, differences resolve {}",
                e(*gradient),
                e(*resolution)
            ),
            Self::SinglePrecision { error_in_64_bits, gradient_error } => format!(
                "f32: differences of losses with 24 bits; in f64 the two agree to {}, and the gradient in f32 is that of f64 to {}",
                e(*error_in_64_bits),
                e(*gradient_error)
            ),
            Self::NotFinite => "not finite: a gradient or a loss is infinite or NaN".into(),
            Self::Wrong { best_error } => {
                format!(
                    "WRONG: no kink, no step h and no rounding explains a relative error of {}",
                    e(*best_error)
                )
            }
        }
    }

    /// Whether the two gradients are too small to be compared.
    pub fn is_small(&self) -> bool {
        matches!(self, Self::TooSmall { .. } | Self::Saturated { .. })
    }
}
