//! Bitmaps side by side.

use super::canvas::{BLACK, Canvas, Colour, GREY, LIGHT, text_width};
use crate::image::{Bitmap, Palette};
use crate::text::significant;

/// A bitmap with words above and below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// Below its title, in grey; may be empty.
    pub note: String,
    /// The picture. A diverging one gets a scale below it.
    pub bitmap: Bitmap,
    /// Its colours.
    pub palette: Palette,
    /// Shares of 1 by name, as bars below the picture; may be empty.
    pub shares: Vec<(String, f64)>,
}

/// Pixels for each of a letter's.
const LETTER: usize = 2;
/// From one line of words to the next.
const LINE: usize = 11 * LETTER;
const MARGIN: usize = 20;
/// Height of a scale and of a bar.
const BAR: usize = 14;
const BAR_COLOUR: Colour = [86, 125, 170];
/// Sides of a bitmap on the page: of a few, and of each of many.
const SIDES: [usize; 2] = [256, 128];
/// So many panels are few.
const FEW: usize = 6;

/// The panels in rows, as a PNG. Each value of a bitmap is a square of whole pixels.
///
/// No panels at all give an empty page.
pub fn panels(rows: &[Vec<Panel>]) -> Vec<u8> {
    let side = SIDES[usize::from(rows.iter().map(Vec::len).sum::<usize>() > FEW)];
    let widths: Vec<usize> = {
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        let of_column =
            |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|panel| panel.width(side)).max();
        (0..most).map(|at| of_column(at).unwrap_or(0)).collect()
    };
    let heights: Vec<usize> =
        rows.iter().map(|row| row.iter().map(|panel| panel.height(side)).max().unwrap_or(0)).collect();
    let whole = |sizes: &[usize]| MARGIN + sizes.iter().map(|size| size + MARGIN).sum::<usize>();
    let mut canvas = Canvas::new(whole(&widths), whole(&heights));
    let mut y = MARGIN;
    for (row, height) in rows.iter().zip(&heights) {
        let mut x = MARGIN;
        for (panel, width) in row.iter().zip(&widths) {
            panel.draw(&mut canvas, x, y, side);
            x += width + MARGIN;
        }
        y += height + MARGIN;
    }
    canvas.png()
}

impl Panel {
    fn zoom(&self, side: usize) -> usize {
        let (rows, columns) = self.bitmap.size();
        (side / rows.max(columns).max(1)).max(1)
    }

    /// Height and width of the bitmap on the page.
    fn picture(&self, side: usize) -> (usize, usize) {
        let (rows, columns) = self.bitmap.size();
        (rows * self.zoom(side), columns * self.zoom(side))
    }

    fn width(&self, side: usize) -> usize {
        let words = [&self.title, &self.note].map(|words| text_width(words, LETTER));
        words[0].max(words[1]).max(self.picture(side).1)
    }

    fn height(&self, side: usize) -> usize {
        let below = match self.palette {
            Palette::Diverging => 8 + BAR + 6 + LINE,
            Palette::Grey if self.shares.is_empty() => 0,
            Palette::Grey => 8 + self.shares.len() * LINE,
        };
        self.words() * LINE + self.picture(side).0 + below
    }

    /// Lines of words above the bitmap.
    fn words(&self) -> usize {
        1 + usize::from(!self.note.is_empty())
    }

    fn draw(&self, canvas: &mut Canvas, x: usize, y: usize, side: usize) {
        canvas.text(x, y, &self.title, BLACK, LETTER);
        if !self.note.is_empty() {
            canvas.text(x, y + LINE, &self.note, GREY, LETTER);
        }
        let y = y + self.words() * LINE;
        canvas.bitmap(x, y, &self.bitmap, self.palette, self.zoom(side));
        let (height, width) = self.picture(side);
        let y = y + height + 8;
        match self.palette {
            Palette::Diverging => self.draw_scale(canvas, x, y, width),
            Palette::Grey => self.draw_shares(canvas, x, y, width),
        }
    }

    /// The colours from the smallest to the largest value, with their numbers; with one for both where two do not fit.
    fn draw_scale(&self, canvas: &mut Canvas, x: usize, y: usize, width: usize) {
        let ramp = (0..width).map(|i| 2.0 * i as f64 - width.saturating_sub(1) as f64).collect();
        let ramp = Bitmap::new(1, width, ramp);
        for (i, colour) in ramp.colours(Palette::Diverging).into_iter().enumerate() {
            canvas.fill(x + i, y, 1, BAR, colour);
        }
        let most = significant(self.bitmap.largest(), 3);
        let [low, both, high] = ["-", "±", "+"].map(|sign| format!("{sign}{most}"));
        let wide = |words: &str| text_width(words, LETTER);
        let mut write = |words: &str, left: usize| canvas.text(x + left, y + BAR + 6, words, GREY, LETTER);
        if wide(&low) + wide("0") + wide(&high) + 20 * LETTER > width {
            write(&both, width.saturating_sub(wide(&both)) / 2);
            return;
        }
        write(&low, 0);
        write("0", (width - wide("0")) / 2);
        write(&high, width - wide(&high));
    }

    fn draw_shares(&self, canvas: &mut Canvas, x: usize, y: usize, width: usize) {
        let names = self.shares.iter().map(|(name, _)| text_width(name, LETTER)).max().unwrap_or(0) + 12;
        let figures = text_width("100.00 %", LETTER) + 12;
        let most = width.saturating_sub(names + figures).max(40);
        for (line, (name, share)) in self.shares.iter().enumerate() {
            let y = y + line * LINE;
            canvas.text(x, y, name, BLACK, LETTER);
            canvas.fill(x + names, y, most, BAR, LIGHT);
            canvas.fill(
                x + names,
                y,
                (share.clamp(0.0, 1.0) * most as f64).round() as usize,
                BAR,
                BAR_COLOUR,
            );
            canvas.text(x + names + most + 12, y, &format!("{:.2} %", 100.0 * share), GREY, LETTER);
        }
    }
}
