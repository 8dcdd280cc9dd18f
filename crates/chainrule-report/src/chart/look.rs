use super::Chart;
use super::axis::Axis;
use crate::text::{clean_line, shorten};
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::theme::Theme;

pub(super) const WIDTH: f64 = 620.0;
pub(super) const HEIGHT: f64 = 400.0;
/// The legend names at most this many curves.
const MOST_ENTRIES: usize = 12;
/// Colours that stay apart for colour-blind readers (Okabe and Ito), darkened to stand on white.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#00805c", "#b0508a", "#9a6a00"];
/// Once the colours are used up, lines are broken.
const DASHES: [Option<&str>; 3] = [None, Some("8 4"), Some("2 3")];

/// Where a chart is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// In a file of its own: fixed colours on white.
    Document,
    /// Inside the page: no title, no ground, the page's own colours (light or dark).
    Page,
}

impl Look {
    /// The colour of a curve.
    pub(super) fn colour(self, index: usize) -> String {
        let index = index % COLOURS.len();
        match self {
            Self::Document => COLOURS[index].to_owned(),
            Self::Page => format!("var(--curve-{index})"),
        }
    }

    fn theme(self) -> Theme {
        let (ground, ink, faint) = match self {
            Self::Document => ("white", "#222222", "#e3e3e3"),
            Self::Page => ("none", "currentColor", "var(--line)"),
        };
        Theme {
            background: ground.into(),
            axis_color: ink.into(),
            tick_color: ink.into(),
            text_color: ink.into(),
            grid_color: faint.into(),
            legend_bg: "none".into(),
            legend_border: "none".into(),
            font_family: Some("system-ui, 'DejaVu Sans', Arial, sans-serif".into()),
            ..Theme::light()
        }
    }
}

/// How the line of a curve is broken.
pub(super) fn dash(index: usize) -> Option<String> {
    DASHES[index / COLOURS.len() % DASHES.len()].map(String::from)
}

/// A curve in the legend.
pub(super) fn entry(name: &str, colour: &str, dasharray: Option<String>) -> LegendEntry {
    LegendEntry { label: label(name, 32), color: colour.to_owned(), shape: LegendShape::Line, dasharray }
}

/// All of a chart around its lines.
pub(super) fn layout(
    chart: &Chart<'_>,
    plots: &[Plot],
    mut legend: Vec<LegendEntry>,
    x: &Axis,
    y: &Axis,
) -> Layout {
    if legend.len() > MOST_ENTRIES {
        let more = legend.len() - MOST_ENTRIES;
        legend.truncate(MOST_ENTRIES);
        legend.push(entry(&format!("and {more} more"), "none", None));
    }
    // kuva measures the ticks it would write itself; these are written differently.
    let left = 46.0 + 9.0 * y.longest_tick() as f64;
    let right = 14.0 + 4.5 * x.longest_tick() as f64;
    let mut layout = Layout::auto_from_plots(plots)
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_x_label(label(chart.x_label, 60))
        .with_y_label(label(chart.y_label, 40))
        .with_tick_size(14)
        .with_label_size(15)
        .with_body_size(14)
        .with_title_size(18)
        .with_theme(chart.look.theme())
        .with_x_tick_format(x.format())
        .with_y_tick_format(y.format())
        .with_force_margins(left, right)
        .with_x_axis_min(x.low)
        .with_x_axis_max(x.high)
        .with_x_tick_step(x.step)
        .with_y_axis_min(y.low)
        .with_y_axis_max(y.high);
    if chart.look == Look::Document && !chart.title.is_empty() {
        layout = layout.with_title(label(chart.title, 60));
    }
    if !legend.is_empty() {
        layout = layout
            .with_legend_entries(legend)
            .with_legend_position(LegendPosition::OutsideBottomColumns)
            .with_legend_box(false);
    }
    if y.step > 0.0 { layout.with_y_tick_step(y.step) } else { layout.with_log_y() }
}

/// One line of text for kuva, which reads `$...$` as mathematics: a dollar in somebody's class name is a dollar.
fn label(text: &str, limit: usize) -> String {
    shorten(&clean_line(text), limit).replace('$', r"\$")
}
