//! Pixels to draw on.

use crate::image::{Bitmap, Palette, png_file};
use crate::text::clean_line;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Words.
pub const BLACK: Colour = [28, 28, 30];
/// Words that matter less.
pub const GREY: Colour = [110, 110, 115];
/// Frames and axes.
pub const LIGHT: Colour = [214, 214, 218];

/// Rows of a letter.
const LETTER_ROWS: usize = 9;
/// Of these, the upper ones that capitals and digits take.
pub const CAPITAL_ROWS: usize = 7;
/// Columns of a cell of the font, one of them the gap.
const CELL: usize = 6;
/// Letters side by side in the font.
const ACROSS: usize = 16;
const FONT: &str = include_str!("font.txt");

/// A picture, white at first.
pub struct Canvas {
    width: usize,
    height: usize,
    /// `(height, width, 3)`
    pixels: Vec<u8>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![255; width * height * 3] }
    }

    /// Fills a rectangle; what lies outside is left out.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                let at = 3 * (row * self.width + column);
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Draws a bitmap, `zoom` pixels a side for each value, in a thin frame around it.
    pub fn bitmap(&mut self, x: usize, y: usize, bitmap: &Bitmap, palette: Palette, zoom: usize) {
        let (rows, columns) = bitmap.size();
        self.fill(x.saturating_sub(1), y.saturating_sub(1), columns * zoom + 2, rows * zoom + 2, LIGHT);
        for (i, colour) in bitmap.colours(palette).into_iter().enumerate() {
            self.fill(x + i % columns * zoom, y + i / columns * zoom, zoom, zoom, colour);
        }
    }

    /// Writes words from the top left, `zoom` pixels for each of a letter's.
    pub fn text(&mut self, x: usize, y: usize, text: &str, colour: Colour, zoom: usize) {
        let mut x = x;
        for letter in drawable(text).chars() {
            let mut width = 0;
            for row in 0..LETTER_ROWS {
                let pixels = letter_row(letter, row);
                width = pixels.len();
                for (column, &ink) in pixels.iter().enumerate() {
                    if ink == b'#' {
                        self.fill(x + column * zoom, y + row * zoom, zoom, zoom, colour);
                    }
                }
            }
            x += (width + 1) * zoom;
        }
    }

    /// Its pixels, row by row.
    pub fn into_pixels(self) -> Vec<Colour> {
        self.pixels.as_chunks().0.to_vec()
    }

    /// The file.
    pub fn png(&self) -> Vec<u8> {
        let size = (self.height, self.width);
        let file = png_file(size, png::ColorType::Rgb, None, png::Filter::NoFilter, &self.pixels);
        file.unwrap_or_default() // every caller draws a size above zero
    }
}

/// The words with what the font has for what it has not.
fn drawable(text: &str) -> String {
    clean_line(text).replace('…', "...").replace(['–', '−'], "-")
}

/// How wide words are.
pub fn text_width(text: &str, zoom: usize) -> usize {
    let columns: usize = drawable(text).chars().map(|letter| letter_row(letter, 0).len() + 1).sum();
    columns.saturating_sub(1) * zoom
}

/// A row of a letter: `#` is ink, `.` none. Letters that the font lacks are boxes.
fn letter_row(letter: char, row: usize) -> &'static [u8] {
    const BOX: [&[u8]; LETTER_ROWS] =
        [b"#####", b"#...#", b"#...#", b"#...#", b"#...#", b"#...#", b"#####", b".....", b"....."];
    let place = match letter {
        ' '..='~' => letter as usize - ' ' as usize,
        '±' => '~' as usize - ' ' as usize + 1,
        _ => return BOX[row],
    };
    let line = FONT.lines().nth(place / ACROSS * (LETTER_ROWS + 1) + row).unwrap_or("").as_bytes();
    let cell = line.get(place % ACROSS * CELL..).unwrap_or(&[]);
    let width = cell.iter().take(CELL - 1).position(|&c| c == b' ').unwrap_or(cell.len().min(CELL - 1));
    &cell[..width]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_its_rows() {
        for letter in (' '..='~').chain(['±', 'é']) {
            let width = letter_row(letter, 0).len();
            assert!((1..=5).contains(&width), "{letter}");
            let ink = (0..LETTER_ROWS).flat_map(|row| {
                assert_eq!(letter_row(letter, row).len(), width, "{letter} row {row}");
                letter_row(letter, row)
            });
            assert_eq!(ink.filter(|&&c| c == b'#').count() == 0, letter == ' ', "{letter}");
        }
        assert_eq!(letter_row('±', 3), b"#####");
        assert_eq!(letter_row('l', 6), b".#");
        assert_eq!(text_width("il", 2), 2 * (1 + 1 + 2));
    }
}
