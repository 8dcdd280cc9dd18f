use crate::image::{Bitmap, png_file};
use crate::picture::canvas::{CAPITAL_ROWS, Canvas, text_width};

/// The largest negative number of a diverging picture, and the largest positive one.
const BLUE: [f64; 3] = [0.0, 82.0, 155.0];
const RED: [f64; 3] = [178.0, 24.0, 43.0];
/// The ground of a picture.
pub const WHITE: [u8; 3] = [255; 3];
/// Numbers beside tiles.
const GREY: [u8; 3] = [92, 102, 112];

/// A picture in colour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// `rows * columns` pixels of red, green and blue, row by row from the top left.
    pub pixels: Vec<[u8; 3]>,
}

/// The colour of a signed number: from blue at `-max` through white at 0 to red at `max`. What is not finite is white.
pub fn diverging(value: f64, max: f64) -> [u8; 3] {
    let share = value / max;
    if !share.is_finite() {
        return WHITE;
    }
    let end = if share < 0.0 { BLUE } else { RED };
    let share = share.abs().min(1.0);
    end.map(|c| (255.0 + share * (c - 255.0)).round() as u8)
}

impl Picture {
    /// A picture of one colour.
    pub fn plain(rows: usize, columns: usize, colour: [u8; 3]) -> Self {
        Self { rows, columns, pixels: vec![colour; rows * columns] }
    }

    /// Signed values in diverging colours, on the scale of the largest magnitude among them.
    pub fn of_weights(bitmap: &Bitmap) -> Self {
        let max = bitmap.values.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
        Self::of(bitmap, |row, column| diverging(bitmap.at(row, column), max))
    }

    /// A sample as ink on paper: 0 is white, 1 black.
    pub fn of_ink(bitmap: &Bitmap) -> Self {
        let (_, columns) = bitmap.size();
        let ink = bitmap.ink();
        Self::of(bitmap, |row, column| [(255.0 * (1.0 - ink[row * columns + column])).round() as u8; 3])
    }

    fn of(bitmap: &Bitmap, colour: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let (rows, columns) = bitmap.size();
        let pixels = (0..rows * columns).map(|i| colour(i / columns, i % columns)).collect();
        Self { rows, columns, pixels }
    }

    /// Words in grey letters, every pixel of a letter `size` wide; of one line, without room for what hangs below it.
    pub fn of_words(words: &str, size: usize) -> Self {
        let (rows, columns) = (CAPITAL_ROWS * size, text_width(words, size));
        let mut canvas = Canvas::new(columns, rows);
        canvas.text(0, 0, words, GREY, size);
        Self { rows, columns, pixels: canvas.into_pixels() }
    }

    /// Every pixel as a square of `factor` pixels on a side.
    pub fn enlarged(&self, factor: usize) -> Self {
        let (rows, columns) = (self.rows * factor, self.columns * factor);
        let from = |i: usize| self.pixels[i / columns / factor * self.columns + i % columns / factor];
        Self { rows, columns, pixels: (0..rows * columns).map(from).collect() }
    }

    /// With a line of one pixel around it.
    pub fn framed(&self, colour: [u8; 3]) -> Self {
        let mut framed = Self::plain(self.rows + 2, self.columns + 2, colour);
        framed.draw(self, 1, 1);
        framed
    }

    /// Draws `other` with its top left corner at a place; what lies beyond the edges is cut off.
    pub fn draw(&mut self, other: &Self, row: usize, column: usize) {
        for r in 0..other.rows.min(self.rows.saturating_sub(row)) {
            for c in 0..other.columns.min(self.columns.saturating_sub(column)) {
                self.pixels[(row + r) * self.columns + column + c] = other.pixels[r * other.columns + c];
            }
        }
    }

    /// The picture as a PNG file. One without pixels is a single white one.
    pub fn png(&self) -> Vec<u8> {
        let white = Self::plain(1, 1, WHITE);
        let picture = if self.pixels.is_empty() { &white } else { self };
        let size = (picture.rows, picture.columns);
        let filter = png::Filter::Up; // enlarged pixels: most rows are the one above
        let file = png_file(size, png::ColorType::Rgb, None, filter, picture.pixels.as_flattened());
        file.unwrap_or_default()
    }
}

/// Pictures in rows of `across`, on white, with `gap` pixels between and around them. Places are of one size, that of the
/// largest.
pub fn grid(tiles: &[Picture], across: usize, gap: usize) -> Picture {
    let across = across.clamp(1, tiles.len().max(1));
    let side = |of: fn(&Picture) -> usize| tiles.iter().map(of).max().unwrap_or(0) + gap;
    let (height, width) = (side(|tile| tile.rows), side(|tile| tile.columns));
    let mut grid = Picture::plain(tiles.len().div_ceil(across) * height + gap, across * width + gap, WHITE);
    for (at, tile) in tiles.iter().enumerate() {
        grid.draw(tile, gap + at / across * height, gap + at % across * width);
    }
    grid
}

/// The same in one row, each as wide as it is.
pub fn row(tiles: &[Picture], gap: usize) -> Picture {
    let height = tiles.iter().map(|tile| tile.rows).max().unwrap_or(0);
    let width: usize = tiles.iter().map(|tile| tile.columns + gap).sum();
    let mut row = Picture::plain(height, width.saturating_sub(gap), WHITE);
    let mut left = 0;
    for tile in tiles {
        row.draw(tile, (height - tile.rows) / 2, left);
        left += tile.columns + gap;
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_white_and_signs_have_colours() {
        assert_eq!([-2.0, -5.0].map(|v| diverging(v, 2.0)), [[0, 82, 155]; 2]);
        assert_eq!([2.0, 9.0].map(|v| diverging(v, 2.0)), [[178, 24, 43]; 2]);
        assert_eq!([0.0, f64::NAN, f64::INFINITY].map(|v| diverging(v, 2.0)), [WHITE; 3]);
        assert_eq!(diverging(0.0, 0.0), WHITE);
        let [up, down] = [1.0, -1.0].map(|v| diverging(v, 2.0).iter().map(|&c| u32::from(c)).sum::<u32>());
        assert!(up < 765 && down < 765);
    }

    #[test]
    fn tiles_stand_where_they_belong() {
        let red = Picture::plain(1, 2, [255, 0, 0]);
        let blue = Picture::plain(2, 1, [0, 0, 255]);
        let grid = grid(&[red.clone(), blue.clone(), red.clone()], 2, 1);
        assert_eq!((grid.rows, grid.columns), (7, 7));
        let at = |row: usize, column: usize| grid.pixels[row * 7 + column];
        assert_eq!(
            [at(1, 1), at(1, 2), at(1, 4), at(2, 4), at(4, 2)],
            [[255, 0, 0], [255, 0, 0], [0, 0, 255], [0, 0, 255], [255, 0, 0]]
        );
        assert_eq!([at(0, 0), at(2, 1), at(1, 5)], [WHITE; 3]);
        let row = row(&[red.enlarged(3), blue.framed([0; 3])], 2);
        assert_eq!((row.rows, row.columns), (4, 11));
    }

    /// In the letters of every other picture.
    #[test]
    fn numbers_are_drawn() {
        let one = Picture::of_words("1", 1);
        let ink = |picture: &Picture, row: usize| -> String {
            let row = &picture.pixels[row * picture.columns..][..picture.columns];
            row.iter().map(|&pixel| if pixel == GREY { '#' } else { '.' }).collect()
        };
        assert_eq!(
            (one.rows, [0, 1, 6].map(|row| ink(&one, row))),
            (7, [".#.", "##.", "###"].map(String::from))
        );
        let long = Picture::of_words("1280", 2);
        assert_eq!((long.rows, long.columns), (14, 2 * (3 + 5 + 5 + 5 + 3)));
        assert_eq!(ink(&long, 12), "######..##########....######......######..");
    }

    #[test]
    fn a_file_gives_the_picture_back() {
        let picture = Picture::of_weights(&Bitmap::new(2, 2, vec![-1.0, 0.0, 0.5, 1.0]));
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture.png())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (2, 2, png::ColorType::Rgb));
        assert_eq!(pixels, picture.pixels.as_flattened());
        assert!(!Picture::default().png().is_empty());
        assert_eq!(Picture::of_ink(&Bitmap::new(1, 2, vec![0.0, 1.0])).pixels, [WHITE, [0; 3]]);
    }
}
