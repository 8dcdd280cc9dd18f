//! The error over the step h: as characters, and as SVG.

use chainrule::gradcheck::{GradientCheck, Sweep, SweepPoint};
use chainrule_report::{Curve, Scale, line_chart};

/// Columns for a decade of h.
const STEP: usize = 6;
/// The smallest power of ten that is drawn; errors below it, and 0, lie there.
const LOWEST: i32 = -16;

/// At most 80 columns: a line for each power of ten of the relative error, h rising to the right.
pub fn text(sweep: &Sweep, h: f64) -> String {
    let rising: Vec<&SweepPoint> = sweep.points.iter().rev().collect();
    let row = |error: f64| match error {
        error if error > 0.0 => (error.log10().round() as i32).clamp(LOWEST, 0),
        0.0 => LOWEST,
        _ => 0, // not finite
    };
    let lowest = rising.iter().map(|point| row(point.central).min(row(point.extrapolated))).min();
    let mut text = format!("relative error of {} over h\n", sweep.parameter);
    for power in (lowest.unwrap_or(LOWEST)..=0).rev() {
        let mut line = format!("{:>6} │", format!("1e{power}"));
        for point in &rising {
            let mark = match (row(point.extrapolated) == power, row(point.central) == power) {
                (true, _) if point.at_kink => "k",
                (true, true) => "#",
                (true, false) => "*",
                (false, true) => "o",
                (false, false) => "",
            };
            line += &format!("{mark:>STEP$}");
        }
        text += &format!("{}\n", line.trim_end());
    }
    text += &format!("{:>6} └{}\n", "", "─".repeat(STEP * rising.len()));
    let ticks: String = rising.iter().map(|point| format!("{:>STEP$}", tick(point.h))).collect();
    text += &format!("{:>7} {ticks}\n", "");
    text += "o D(h) = (L(w+h) - L(w-h)) / 2h   * (4 D(h) - D(2h)) / 3, as above   # both";
    if rising.iter().any(|point| point.at_kink) {
        text += "\nk crosses a kink";
    }
    text + &match sweep.best_h {
        Some(best) => format!("\nasked for: h = {h:e}; best: h = {best:e}\n"),
        None => format!("\nasked for: h = {h:e}; no h makes the two agree\n"),
    }
}

/// `1e-4`, without digits that 10f64.powi may add.
fn tick(h: f64) -> String {
    format!("1e{:.0}", h.log10())
}

/// The same as a chart.
pub fn svg(found: &GradientCheck) -> String {
    let curve = |name: &str, error: fn(&SweepPoint) -> f64| {
        let point = |point: &SweepPoint| (point.h.log10().round(), error(point).max(10f64.powi(LOWEST)));
        Curve::new(name, found.sweep.points.iter().rev().map(point).collect())
    };
    let curves = [
        curve("central difference D(h)", |point| point.central),
        curve("(4 D(h) - D(2h)) / 3", |point| point.extrapolated),
    ];
    let title = format!("Gradient check: error of {} over h", found.sweep.parameter);
    line_chart(&title, "log10 h", "relative error", Scale::Log, &curves)
}
