use axis::Axis;
use kuva::backend::svg::SvgBackend;
use kuva::plot::{BandPlot, LinePlot, LineStyle, ScatterPlot};
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
pub(crate) use look::Look;

mod axis;
mod document;
mod look;
mod thin;

/// One line of a chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// The name in the legend.
    pub name: String,
    /// Its points `(x, y)`, by rising x. Points that are not finite are left out and the line joins their
    /// neighbours, so a figure that is only taken every few epochs still makes a line.
    pub points: Vec<(f64, f64)>,
    /// How far it spreads up and down at each point, drawn as a faint band; empty for none.
    pub spread: Vec<f64>,
}

impl Curve {
    /// A curve from its name and points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, spread: Vec::new() }
    }

    /// The edges of its band as curves of their own, low and high; empty without one.
    fn edges(&self) -> [Vec<(f64, f64)>; 2] {
        let edge = |sign: f64| {
            let moved = self.points.iter().zip(&self.spread).map(|(&(x, y), s)| (x, y + sign * s));
            Self::new("", moved.collect()).finite().collect()
        };
        [edge(-1.0), edge(1.0)]
    }

    fn finite(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let sane = |v: f64| v.abs() < LARGEST;
        let plain = |v: f64| if v.abs() < SMALLEST { 0.0 } else { v };
        self.points.iter().filter(move |&&(x, y)| sane(x) && sane(y)).map(move |&(x, y)| (plain(x), plain(y)))
    }
}

/// How values are laid out along the y axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equal heights.
    #[default]
    Linear,
    /// Equal ratios are equal heights. Values of zero or below are left out.
    Log,
}

/// Values beyond this are not drawn: their differences would overflow.
const LARGEST: f64 = 1e300;
/// Values closer to zero than this are zero.
const SMALLEST: f64 = 1e-290;
/// A curve of at most this many points shows each of them.
const FEW_POINTS: usize = 30;
/// A curve is drawn with at most this many points.
const MOST_POINTS: usize = 1000;

/// [`Scale::Log`] where all values are above zero and the largest is more than 100 times the smallest.
pub fn choose_scale(curves: &[Curve]) -> Scale {
    let values = || curves.iter().flat_map(|c| c.finite().map(|(_, y)| y));
    let (low, high) = bounds(values());
    if low > 0.0 && high / low > 100.0 { Scale::Log } else { Scale::Linear }
}

/// A chart of curves as an SVG document on a white ground, with axis labels, ticks and a legend.
///
/// Long curves are thinned to at most 1000 points which keep the first, the last and the extremes. An empty
/// chart says "no values".
pub fn line_chart(title: &str, x_label: &str, y_label: &str, y_scale: Scale, curves: &[Curve]) -> String {
    render(&Chart { title, x_label, y_label, y_scale, curves, look: Look::Document })
}

/// All that makes a chart.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    pub(crate) y_scale: Scale,
    pub(crate) curves: &'a [Curve],
    pub(crate) look: Look,
}

/// Draws a chart as SVG.
pub(crate) fn render(chart: &Chart<'_>) -> String {
    let drawable = |&(_, y): &(f64, f64)| chart.y_scale == Scale::Linear || y > 0.0;
    let data: Vec<Vec<(f64, f64)>> =
        chart.curves.iter().map(|c| c.finite().filter(drawable).collect()).collect();
    let all = || data.iter().flatten().copied();
    let (x_low, x_high) = bounds(all().map(|(x, _)| x));
    let (y_low, y_high) = bounds(all().map(|(_, y)| y));
    let empty = !(x_low <= x_high && y_low <= y_high);
    let (x, y) = if empty {
        (Axis::tight(0.0, 1.0, false), Axis::tight(0.0, 1.0, false))
    } else {
        let whole = all().all(|(x, _)| x.fract() == 0.0);
        let y = match chart.y_scale {
            Scale::Linear => Axis::airy(y_low, y_high),
            Scale::Log => Axis::log(y_low, y_high),
        };
        (Axis::tight(x_low, x_high, whole), y)
    };

    let mut plots = Vec::new();
    let mut legend = Vec::new();
    for (i, curve) in chart.curves.iter().enumerate() {
        plots.extend(band(chart, i, curve, &x, &y));
    }
    for (i, (curve, points)) in chart.curves.iter().zip(&data).enumerate() {
        let inside = points.iter().map(|&(px, py)| (px / x.unit, py / y.unit)).filter(|&(_, py)| py >= y.low);
        let points = thin::thin(&inside.collect::<Vec<_>>(), MOST_POINTS);
        let colour = chart.look.colour(i);
        if points.is_empty() {
            continue;
        }
        if points.len() <= FEW_POINTS {
            let dots = ScatterPlot::new().with_data(points.clone()).with_color(colour.clone()).with_size(3.0);
            plots.push(Plot::Scatter(dots));
        }
        legend.push(look::entry(&curve.name, &colour, look::dash(i)));
        let line = LinePlot::new().with_data(points).with_color(colour).with_stroke_width(2.0);
        plots.push(Plot::Line(match look::dash(i) {
            Some(dash) => line.with_line_style(LineStyle::Custom(dash)),
            None => line,
        }));
    }
    if plots.is_empty() {
        plots.push(Plot::Line(LinePlot::new().with_color("none")));
    }
    let layout = look::layout(chart, &plots, legend, &x, &y);
    let svg = SvgBackend::new().render_scene(&render_multiple(plots, layout));
    document::finish(chart, &svg, empty)
}

/// The band around a curve, kept inside the axes.
fn band(chart: &Chart<'_>, i: usize, curve: &Curve, x: &Axis, y: &Axis) -> Option<Plot> {
    let [low, high] = curve.edges().map(|edge| thin::stretched(&edge, MOST_POINTS));
    if low.len() < 2 || low.len() != high.len() {
        return None;
    }
    let inside = |&(_, v): &(f64, f64)| (v / y.unit).max(y.low).min(y.high);
    let places: Vec<f64> = low.iter().map(|&(px, _)| px / x.unit).collect();
    let plot = BandPlot::new(places, low.iter().map(inside), high.iter().map(inside));
    Some(Plot::Band(plot.with_color(chart.look.colour(i)).with_opacity(0.14)))
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}
