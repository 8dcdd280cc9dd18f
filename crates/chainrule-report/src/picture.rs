//! Pictures as PNG files: bitmaps in whole pixels, side by side, with words; signed bars.
//!
//! Words are drawn in letters of 5 by 7 pixels (`picture/font.txt`), so that a PNG needs no font of the machine and is the
//! same everywhere.

mod bars;
mod canvas;
mod panels;

pub use bars::signed_bars;
pub use panels::{Panel, panels};
