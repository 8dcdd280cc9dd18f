use crate::text::{clean, clean_line, shorten, tick};
use maud::{Markup, html};

/// Histograms over time: a panel for each layer, and in it a ridge for each moment, the latest in front.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ridges {
    /// What is spread: `Activations`.
    pub title: String,
    /// What the ridges stand for: `epoch`.
    pub row_label: String,
    /// Whether places along the x axis are powers of ten: 0 stands for 1, -3 for 0.001.
    pub log: bool,
    /// A panel for each layer.
    pub panels: Vec<RidgePanel>,
}

/// The histograms of one layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RidgePanel {
    /// The layer.
    pub name: String,
    /// Where the x axis begins and ends.
    pub low: f64,
    /// Its end.
    pub high: f64,
    /// For each moment, by rising time, its name and how much lies in each of equal parts of the axis.
    pub rows: Vec<(String, Vec<f64>)>,
}

/// Where it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// In a file of its own: fixed colours on white.
    Document,
    /// Inside the page, in its colours.
    Page,
}

/// Panels beside each other.
const ACROSS: usize = 3;
/// Width of a panel's axis, and the room left and right of it.
const WIDTH: f64 = 246.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
/// Height of the tallest ridge, and distance of two.
const HEIGHT: f64 = 46.0;
const STEP: f64 = 21.0;
/// Room for the name of a panel above, and for its axis below.
const ABOVE: f64 = 30.0;
const BELOW: f64 = 34.0;
/// Room for the title.
const TITLE: f64 = 34.0;

impl Ridges {
    /// Whether nothing is to be drawn.
    pub fn is_empty(&self) -> bool {
        self.panels.iter().all(|panel| panel.rows.is_empty())
    }
}

/// The histograms as an SVG document on a white ground. Every ridge has the same height: heights compare within a ridge,
/// not between two.
pub fn ridge_chart(ridges: &Ridges) -> String {
    render(ridges, Ground::Document)
}

pub(crate) fn render(ridges: &Ridges, ground: Ground) -> String {
    let top = if ground == Ground::Document { TITLE } else { 0.0 };
    let across = ridges.panels.len().clamp(1, ACROSS);
    let rows = ridges.panels.iter().map(|panel| panel.rows.len()).max().unwrap_or(0);
    let tall = ABOVE + HEIGHT + STEP * rows.saturating_sub(1) as f64 + BELOW;
    let wide = LEFT + WIDTH + RIGHT;
    let width = wide * across as f64;
    let height = top + tall * ridges.panels.len().div_ceil(across) as f64;
    let title = format!("{} by layer and {}", clean_line(&ridges.title), clean_line(&ridges.row_label));
    let namespace = (ground == Ground::Document).then_some("http://www.w3.org/2000/svg");
    let ink = if ground == Ground::Document { "#222222" } else { "currentColor" };
    let size = (ground == Ground::Document).then_some((width, height));
    html! {
        svg xmlns=[namespace] role="img" aria-label=(title) viewBox=(format!("0 0 {width} {height}"))
            width=[size.map(|size| size.0)] height=[size.map(|size| size.1)]
            font-family="system-ui, 'DejaVu Sans', Arial, sans-serif" font-size="12" fill=(ink) {
            title { (title) }
            @if ground == Ground::Document {
                rect width="100%" height="100%" fill="white" {}
                text x=(width / 2.0) y="23" text-anchor="middle" font-size="17" {
                    (shorten(&clean_line(&ridges.title), 60))
                }
            }
            @for (at, panel) in ridges.panels.iter().enumerate() {
                @let (x, y) = ((at % across) as f64 * wide, top + (at / across) as f64 * tall);
                g transform=(format!("translate({x} {y})")) { (draw(panel, ridges, at % across == 0, ground)) }
            }
        }
    }
    .into_string()
}

fn draw(panel: &RidgePanel, ridges: &Ridges, labelled: bool, ground: Ground) -> Markup {
    let bottom = ABOVE + HEIGHT + STEP * panel.rows.len().saturating_sub(1) as f64;
    let place = |v: f64| LEFT + WIDTH * (v - panel.low) / (panel.high - panel.low);
    let (faint, paper) = match ground {
        Ground::Document => ("#dddddd", "white"),
        Ground::Page => ("var(--line)", "var(--ground)"),
    };
    let colour = if ground == Ground::Document { "#0072b2" } else { "var(--curve-0)" };
    html! {
        text x=(LEFT) y="16" font-size="13" font-weight="600" { (shorten(&clean(&panel.name), 34)) }
        @for (v, name) in ticks(panel, ridges.log) {
            @let x = place(v);
            line x1=(round(x)) x2=(round(x)) y1=(ABOVE) y2=(bottom + 4.0) stroke=(faint) {}
            text x=(round(x)) y=(bottom + 18.0) text-anchor="middle" { (name) }
        }
        @for (at, (name, counts)) in panel.rows.iter().enumerate() {
            @let base = ABOVE + HEIGHT + STEP * at as f64;
            // Later is darker.
            @let share = if panel.rows.len() > 1 { at as f64 / (panel.rows.len() - 1) as f64 } else { 1.0 };
            @let shape = outline(counts, base);
            path d=(shape) fill=(paper) fill-opacity="0.85" {}
            path d=(shape) fill=(colour) fill-opacity=(format!("{:.2}", 0.18 + 0.6 * share)) stroke=(paper)
                stroke-width="1" {}
            text x=(LEFT - 8.0) y=(base) text-anchor="end" { (shorten(&clean_line(name), 8)) }
        }
        @if labelled {
            text x=(LEFT - 8.0) y=(ABOVE + HEIGHT - STEP) text-anchor="end" opacity="0.65" {
                (shorten(&clean_line(&ridges.row_label), 8))
            }
        }
    }
}

/// The outline of a ridge, its highest part as high as all others'.
fn outline(counts: &[f64], base: f64) -> String {
    let most = counts.iter().copied().filter(|c| c.is_finite()).fold(0.0, f64::max);
    let width = WIDTH / counts.len().max(1) as f64;
    let mut path = format!("M{LEFT} {base}");
    for (at, &count) in counts.iter().enumerate() {
        let height = if most > 0.0 && count.is_finite() { HEIGHT * count / most } else { 0.0 };
        let (x, y) = (LEFT + at as f64 * width, round(base - height));
        path += &format!("L{} {y}L{} {y}", round(x), round(x + width));
    }
    path + &format!("L{} {base}Z", LEFT + WIDTH)
}

/// Up to five places that are named, and their names.
fn ticks(panel: &RidgePanel, log: bool) -> Vec<(f64, String)> {
    let span = panel.high - panel.low;
    if !(span > 0.0 && span.is_finite()) {
        return Vec::new();
    }
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= rough * 0.999);
    let mut step = nice.unwrap_or(10.0 * power);
    if log {
        step = step.max(1.0).round();
    }
    let name = |v: f64| match (log, v) {
        (true, v) if (-3.0..=3.0).contains(&v) => tick(10f64.powf(v)),
        (true, v) => format!("1e{v}"),
        (false, v) => tick(v),
    };
    let first = (panel.low / step - 1e-9).ceil();
    let places = (0..12).map(|i| (first + f64::from(i)) * step);
    places.take_while(|&v| v <= panel.high + 1e-9 * span).map(|v| (v, name(v))).collect()
}

fn round(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}
