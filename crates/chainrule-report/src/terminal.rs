use crate::image::Bitmap;
use crate::text::clean_line;
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns between two pictures.
const GAP: usize = 2;
/// A picture takes at most this many columns.
const WIDEST: usize = 48;
/// A picture has at most this many rows of pixels: two make a line of text.
const HIGHEST: usize = 64;
/// From no ink to full ink; each takes visibly more of the cell than the one before.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
/// The first and last of the 24 greys of a terminal with 256 colours.
const GREYS: (f64, f64) = (232.0, 255.0);

/// Draws bitmaps side by side, each under its label, in lines of at most `width` columns.
///
/// With `colour` a character is two pixels, one above the other, in the greys of a terminal with 256 colours, light
/// on dark. Without, it is one of ten ASCII characters for the mean of the two, and there are no escape sequences.
/// Larger bitmaps are reduced to 48 columns.
pub fn draw(bitmaps: &[Bitmap], labels: &[String], width: usize, colour: bool) -> String {
    let most_columns = width.clamp(1, WIDEST);
    let pictures: Vec<Picture> = bitmaps
        .iter()
        .enumerate()
        .map(|(i, bitmap)| {
            let bitmap = bitmap.shrunk(HIGHEST, most_columns);
            let label = labels.get(i).map(|l| clean_line(l)).unwrap_or_default();
            Picture::new(&bitmap, &label, most_columns, colour)
        })
        .collect();

    let mut out = String::new();
    let mut rest = pictures.as_slice();
    while !rest.is_empty() {
        let (row, after) = rest.split_at(fitting(rest, width));
        if !out.is_empty() {
            out.push('\n');
        }
        write_row(&mut out, row);
        rest = after;
    }
    out
}

/// How many of the pictures go side by side: at least one.
fn fitting(pictures: &[Picture], width: usize) -> usize {
    let mut used = 0;
    for (i, picture) in pictures.iter().enumerate() {
        used += picture.width + if i > 0 { GAP } else { 0 };
        if used > width {
            return i.max(1);
        }
    }
    pictures.len()
}

fn write_row(out: &mut String, row: &[Picture]) {
    let height = row.iter().map(|p| p.lines.len()).max().unwrap_or(0);
    for line in 0..height {
        let mut owed = 0; // spaces, written only when something follows
        for picture in row {
            let (text, used) = picture.lines.get(line).map_or(("", 0), |(text, used)| (text.as_str(), *used));
            if !text.is_empty() {
                let _ = write!(out, "{:owed$}{text}", "");
                owed = 0;
            }
            owed += picture.width - used + GAP;
        }
        out.push('\n');
    }
}

/// One bitmap as lines of text, each with the columns it takes.
struct Picture {
    width: usize,
    lines: Vec<(String, usize)>,
}

impl Picture {
    fn new(bitmap: &Bitmap, label: &str, most_columns: usize, colour: bool) -> Self {
        let (rows, columns) = bitmap.size();
        let width = columns.max(label.width().min(most_columns)).max(1);
        let label = fit(label, width);
        let mut lines = Vec::new();
        if !label.is_empty() {
            lines.push((label.clone(), label.width()));
        }
        let ink = bitmap.ink();
        let at =
            |row: usize, column: usize| if row < rows { Some(ink[row * columns + column]) } else { None };
        for row in (0..rows).step_by(2) {
            let pairs = (0..columns).map(|column| (at(row, column).unwrap_or(0.0), at(row + 1, column)));
            lines.push(if colour { (half_blocks(pairs), columns) } else { shades(pairs) });
        }
        Self { width, lines }
    }
}

/// Two pixels a character: the upper is the ink of the half block, the lower its ground.
fn half_blocks(pairs: impl Iterator<Item = (f64, Option<f64>)>) -> String {
    let grey = |ink: f64| (GREYS.0 + ink * (GREYS.1 - GREYS.0)).round() as u8;
    let mut line = String::new();
    let mut current = None;
    for (upper, lower) in pairs {
        let colours = (grey(upper), lower.map(grey));
        if current != Some(colours) {
            let _ = match colours.1 {
                Some(lower) => write!(line, "\x1b[38;5;{};48;5;{lower}m", colours.0),
                None => write!(line, "\x1b[38;5;{};49m", colours.0),
            };
            current = Some(colours);
        }
        line.push('▀');
    }
    line.push_str("\x1b[0m");
    line
}

/// One of ten characters for the mean of two pixels.
fn shades(pairs: impl Iterator<Item = (f64, Option<f64>)>) -> (String, usize) {
    let most = (SHADES.len() - 1) as f64;
    let line: String = pairs
        .map(|(upper, lower)| {
            let ink = lower.map_or(upper, |lower| f64::midpoint(upper, lower));
            SHADES[(ink * most).round() as usize % SHADES.len()]
        })
        .collect();
    let line = line.trim_end_matches(' ').to_owned();
    let used = line.len();
    (line, used)
}

/// The start of a text that fits into a number of columns, with an ellipsis where it was cut.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross() -> Bitmap {
        Bitmap::new(4, 3, vec![0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    }

    #[test]
    fn plain_is_ascii_and_wraps() {
        let labels = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let text = draw(&[cross(), cross(), cross()], &labels, 8, false);
        assert_eq!(text, "a    b\n+@+  +@+\n @    @\n\nc\n+@+\n @\n");
    }

    #[test]
    fn colour_uses_half_blocks_and_resets() {
        let text = draw(&[cross()], &[], 80, true);
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.matches('▀').count(), 6);
        assert!(text.lines().all(|l| l.ends_with("\x1b[0m")));
    }

    #[test]
    fn fits_and_never_fails() {
        let wide = Bitmap::new(100, 100, vec![0.5; 10_000]);
        let hostile = "\x1b[2J\u{7}very long name of a class, 数字".to_owned();
        for width in [0, 1, 2, 10, 47, 200] {
            let bitmaps = [wide.clone(), cross(), Bitmap::default()];
            let text = draw(&bitmaps, &[hostile.clone(), hostile.clone(), hostile.clone()], width, false);
            assert!(!text.contains('\x1b'));
            for line in text.lines() {
                assert!(line.width() <= width.max(1), "{width}: {line:?}");
            }
        }
        assert_eq!(draw(&[], &[], 80, true), "");
        assert_eq!(draw(&[Bitmap::new(1, 1, vec![f64::NAN])], &[], 80, false), "\n");
    }
}
