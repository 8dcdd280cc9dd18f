//! Signed numbers as bars to the left and to the right.

use super::canvas::{BLACK, Canvas, GREY, LIGHT, text_width};
use crate::image::{Bitmap, Palette};
use crate::text::significant;

const LETTER: usize = 2;
const LINE: usize = 13 * LETTER;
const MARGIN: usize = 20;
/// Length of the largest bar.
const LONGEST: usize = 180;
const THICK: usize = 14;

/// A bar for each name, to the left and blue below zero, to the right and red above, the largest the longest: a PNG.
pub fn signed_bars(title: &str, note: &str, bars: &[(String, f64)]) -> Vec<u8> {
    let values: Vec<f64> = bars.iter().map(|(_, value)| *value).collect();
    let all = Bitmap::new(values.len(), 1, values);
    let most = all.largest();
    let colours = all.colours(Palette::Diverging);
    let widest = |words: &mut dyn Iterator<Item = String>| words.map(|w| text_width(&w, LETTER)).max();
    let names = widest(&mut bars.iter().map(|(name, _)| name.clone())).unwrap_or(0);
    let figures = widest(&mut bars.iter().map(|(_, value)| figure(*value))).unwrap_or(0);
    let axis = MARGIN + names + 16 + LONGEST;
    let width = (axis + LONGEST + 16 + figures)
        .max(MARGIN + text_width(title, LETTER))
        .max(MARGIN + text_width(note, LETTER))
        + MARGIN;
    let top = MARGIN + 2 * LINE + 8;
    let mut canvas = Canvas::new(width, top + bars.len() * LINE + MARGIN);
    canvas.text(MARGIN, MARGIN, title, BLACK, LETTER);
    canvas.text(MARGIN, MARGIN + LINE, note, GREY, LETTER);
    for (line, ((name, value), colour)) in bars.iter().zip(colours).enumerate() {
        let y = top + line * LINE;
        canvas.text(MARGIN + names - text_width(name, LETTER), y, name, BLACK, LETTER);
        let share = if most > 0.0 && value.is_finite() { value.abs() / most } else { 0.0 };
        let length = (share * LONGEST as f64).round() as usize;
        let start = if *value < 0.0 { axis - length } else { axis };
        canvas.fill(start, y, length, THICK, colour);
        canvas.text(axis + LONGEST + 16, y, &figure(*value), GREY, LETTER);
    }
    canvas.fill(axis, top.saturating_sub(6), 1, bars.len() * LINE + 4, LIGHT);
    canvas.png()
}

fn figure(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    if value == 0.0 { "0".into() } else { format!("{sign}{}", significant(value.abs(), 3)) }
}
