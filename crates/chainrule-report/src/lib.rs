//! What people look at: charts, the report of a run, and pictures in the terminal.
//!
//! Plain data in, text or the bytes of a picture out. Nothing here reads or writes a file, knows a network, or asks
//! the time: the same input gives the same output. Strings may hold anything (class names come from people's files):
//! they are escaped, and control characters are dropped.
//!
//! ```
//! use chainrule_report::{Curve, Scale, line_chart};
//!
//! let train = Curve::new("train", vec![(0.0, 2.3), (1.0, 0.6), (2.0, 0.4)]);
//! let svg = line_chart("digits", "epoch", "loss", Scale::Linear, &[train]);
//! assert!(svg.starts_with("<svg"));
//! ```

#![deny(missing_docs)]
#![forbid(unsafe_code)]

/// Line charts of a run's history, as SVG.
pub mod chart;
/// An update written out: as text, Markdown and HTML.
pub mod derivation;
/// The plain data of a comparison's report.
pub mod comparison;
/// Bitmaps, and bitmaps as inline PNG.
pub mod image;
/// The plain data of what was seen inside a network.
pub mod inside;
/// The HTML pages made from a [`run::RunReport`] or a [`comparison::ComparisonReport`].
mod page;
/// Bitmaps with words, and bars, as PNG files.
pub mod picture;
/// Histograms over time, as SVG.
pub mod ridges;
/// The plain data of a run report.
pub mod run;
/// Bitmaps drawn with characters.
pub mod terminal;
/// Small helpers for text: cleaning and numbers.
mod text;
/// Pictures in colour: weights, samples, and grids of them, as PNG.
pub mod weights_image;

pub use chart::{Curve, Scale, choose_scale, line_chart};
pub use comparison::{ComparisonReport, ComparisonRow, Group, NamedChart, TextTable};
pub use image::{Bitmap, Palette, png_data_uri};
pub use inside::{ExcitedLayer, ExcitedSample, ExcitedUnit, Heat, InsideReport};
pub use page::{comparison_html, html, inside_html};
pub use picture::{Panel, panels, signed_bars};
pub use ridges::{RidgePanel, Ridges, ridge_chart};
pub use run::{ClassRow, Confusion, FindingRow, LayerRow, Mistake, RunReport};
pub use terminal::draw;
pub use weights_image::Picture;
