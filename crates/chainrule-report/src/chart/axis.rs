use crate::text::tick;
use kuva::render::layout::TickFormat;
use kuva::render::render_utils::{compute_tick_step, generate_ticks_log};
use std::sync::Arc;

/// A logarithmic axis shows at most this many decades, the uppermost.
const MOST_DECADES: i32 = 60;

/// A share of the range, kept free at its ends for half a line or dot.
const ROOM: f64 = 0.015;

/// The range of an axis and its ticks, in multiples of `unit`: kuva's drawing loses values below 1e-10 and
/// writes large ones in full, so it is given numbers of ordinary size.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) unit: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Distance of the ticks; 0 where the axis is logarithmic.
    pub(super) step: f64,
}

impl Axis {
    /// An axis from the smallest to the largest value, for epochs. Ticks fall on whole numbers if `whole`.
    pub(super) fn tight(low: f64, high: f64, whole: bool) -> Self {
        let unit = unit(low, high);
        let (low, high) = apart(low / unit, high / unit);
        let step = compute_tick_step(low, high, 7);
        let step = if whole && unit == 1.0 { whole_step(step) } else { step };
        let room = ROOM * (high - low);
        Self { unit, low: low - room, high: high + room, step }
    }

    /// An axis that ends on ticks, with air above and below the values, but never passes below 0 or above 1
    /// where they do not: losses have a floor and shares a ceiling.
    pub(super) fn airy(low: f64, high: f64) -> Self {
        let unit = unit(low, high);
        let (bottom, top) = apart(low / unit, high / unit);
        let air = 0.03 * (top - bottom);
        let step = compute_tick_step(bottom - air, top + air, 5);
        let mut axis = Self {
            unit,
            low: ((bottom - air) / step).floor() * step,
            high: ((top + air) / step).ceil() * step,
            step,
        };
        let room = ROOM * (axis.high - axis.low);
        if low >= 0.0 {
            axis.low = axis.low.max(-room);
        }
        if unit == 1.0 && low >= 0.0 && high <= 1.0 {
            axis.high = axis.high.min(1.0 + room);
        }
        axis
    }

    /// A logarithmic axis around values above zero.
    pub(super) fn log(low: f64, high: f64) -> Self {
        let top = high.log10().ceil() as i32;
        let bottom = (low.log10().floor() as i32).max(top - MOST_DECADES);
        let top = top.max(bottom + 1);
        // From 1 upwards, lest kuva's floor of 1e-10 be met.
        let unit = if bottom < -9 { 10f64.powi(bottom.max(-300)) } else { 1.0 };
        let floor = 10f64.powi(bottom) / unit;
        let (low, high) = ((low / unit).max(floor), high / unit);
        // End on a 1, 2 or 5 of some decade, with a little air.
        let ends = || (bottom..=top).flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(d) / unit));
        let below = ends().filter(|&end| end <= low * 0.98).fold(floor, f64::max);
        let above = ends().filter(|&end| end >= high * 1.02).fold(f64::INFINITY, f64::min);
        let (below, above) = if below < above { (below, above) } else { (floor, 10f64.powi(top) / unit) };
        Self { unit, low: below, high: above, step: 0.0 }
    }

    /// How its ticks are written.
    pub(super) fn format(&self) -> TickFormat {
        let unit = self.unit;
        // Of many decades, every second or fifth or tenth is named.
        let decades = if self.step > 0.0 { 0 } else { (self.high / self.low).log10() as i32 };
        let every = [1, 2, 5].into_iter().find(|every| decades / every <= 8).unwrap_or(10);
        TickFormat::Custom(Arc::new(move |v| {
            let named = every == 1 || (v * unit).log10().round() as i32 % every == 0;
            if named { tick(v * unit) } else { String::new() }
        }))
    }

    /// The number of characters of its longest tick.
    pub(super) fn longest_tick(&self) -> usize {
        let ticks = if self.step > 0.0 {
            let count = ((self.high - self.low) / self.step).round().clamp(0.0, 20.0) as i32;
            let first = (self.low / self.step).ceil() * self.step;
            (0..=count).map(|i| first + f64::from(i) * self.step).collect()
        } else {
            generate_ticks_log(self.low, self.high)
        };
        ticks.iter().map(|t| tick(t * self.unit).chars().count()).max().unwrap_or(1)
    }
}

/// The power of ten to divide by: 1 for ordinary numbers.
fn unit(low: f64, high: f64) -> f64 {
    let largest = low.abs().max(high.abs());
    if largest == 0.0 || (1e-3..1e6).contains(&largest) {
        1.0
    } else {
        10f64.powi((largest.log10().floor() as i32).clamp(-300, 300))
    }
}

/// The range, widened where it is too narrow to be drawn.
fn apart(low: f64, high: f64) -> (f64, f64) {
    let least = 1e-6 * low.abs().max(high.abs());
    if high - low > least {
        (low, high)
    } else if low == 0.0 && high == 0.0 {
        (0.0, 1.0)
    } else {
        (low - 0.1 * low.abs(), high + 0.1 * high.abs())
    }
}

/// The next of 1, 2, 5, 10, 20, 50, … at or above a step.
fn whole_step(step: f64) -> f64 {
    let mut power = 1.0;
    while power < 1e12 {
        if let Some(nice) = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|&s| s >= step) {
            return nice;
        }
        power *= 10.0;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_have_whole_ticks() {
        assert_eq!(Axis::tight(0.0, 3.0, true).step, 1.0);
        assert_eq!(Axis::tight(0.0, 20.0, true).step, 5.0);
        assert_eq!(Axis::tight(0.0, 2000.0, true).step, 500.0);
        let one = Axis::tight(1.0, 1.0, true);
        assert!(one.low < 1.0 && one.high > 1.0);
    }

    #[test]
    fn shares_stay_between_zero_and_one() {
        let axis = Axis::airy(0.85, 0.998);
        assert!((1.0..1.01).contains(&axis.high) && axis.low <= 0.85, "{axis:?}");
        assert!((-0.03..=0.0).contains(&Axis::airy(0.0, 0.0).low));
        assert!((1.0..1.03).contains(&Axis::airy(1.0, 1.0).high));
    }

    #[test]
    fn any_range_is_drawable() {
        for (low, high) in [
            (-1e300, 1e300),
            (1e-290, 2e-290),
            (1e9, 1e9 + 1e-6),
            (-5.0, -5.0),
            (0.0, 1e-20),
            (1e-290, 1e300),
        ] {
            let mut axes = vec![Axis::airy(low, high), Axis::tight(low, high, false)];
            if low > 0.0 {
                axes.push(Axis::log(low, high));
            }
            for axis in axes {
                assert!(
                    axis.low < axis.high && axis.high.is_finite() && axis.low.is_finite(),
                    "{low} {high} {axis:?}"
                );
                assert!(axis.unit > 0.0 && axis.longest_tick() < 12, "{axis:?}");
            }
        }
    }

    #[test]
    fn logarithms_end_close_to_the_values() {
        let axis = Axis::log(0.012, 2.3);
        assert!((axis.low - 0.01).abs() < 1e-9 && (axis.high - 5.0).abs() < 1e-9, "{axis:?}");
        let deep = Axis::log(3e-21, 0.4);
        assert!((deep.low * deep.unit / 2e-21 - 1.0).abs() < 1e-6, "{deep:?}");
    }
}
