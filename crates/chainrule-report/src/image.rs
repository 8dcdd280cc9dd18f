use crate::weights_image::diverging;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A picture of one number per pixel, row by row from the top left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bitmap {
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// `rows * columns` values. Missing ones and those that are not finite count as zero.
    pub values: Vec<f64>,
}

/// How the values of a bitmap become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Ink on paper: 0 is white, 1 is black. A bitmap with values outside of 0 to 1 is shown from its smallest
    /// to its largest.
    Grey,
    /// Signed values: negative is blue, zero white, positive red, on the same scale either way.
    Diverging,
}

/// Shades on either side of white in a diverging palette.
const SHADES: u8 = 48;
/// No picture is drawn larger than this on a side.
const LARGEST_SIDE: usize = 4096;

impl Bitmap {
    /// A bitmap from its size and values.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        Self { rows, columns, values }
    }

    /// Rows and columns for which there are values; a size without values is not believed.
    pub(crate) fn size(&self) -> (usize, usize) {
        let columns = self.columns.min(self.values.len());
        let rows = if columns == 0 { 0 } else { self.rows.min(self.values.len().div_ceil(columns)) };
        if rows == 0 { (0, 0) } else { (rows, columns) }
    }

    /// The value at a place, 0 where there is none.
    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        let (_, columns) = self.size();
        let value = if column < columns { self.values.get(row * columns + column) } else { None };
        value.copied().filter(|v| v.is_finite()).unwrap_or(0.0)
    }

    /// The bitmap reduced by the smallest whole factor that fits it into a size, each pixel the mean of those
    /// it stands for.
    pub fn shrunk(&self, most_rows: usize, most_columns: usize) -> Self {
        let (rows, columns) = self.size();
        let factor = rows.div_ceil(most_rows.max(1)).max(columns.div_ceil(most_columns.max(1))).max(1);
        let (small_rows, small_columns) = (rows.div_ceil(factor), columns.div_ceil(factor));
        let mut values = Vec::with_capacity(small_rows * small_columns);
        for row in 0..small_rows {
            for column in 0..small_columns {
                let (mut sum, mut count) = (0.0, 0.0);
                for r in row * factor..((row + 1) * factor).min(rows) {
                    for c in column * factor..((column + 1) * factor).min(columns) {
                        sum += self.at(r, c);
                        count += 1.0;
                    }
                }
                values.push(sum / count);
            }
        }
        Self { rows: small_rows, columns: small_columns, values }
    }

    /// Every value as a share of ink between 0 and 1, row by row.
    pub(crate) fn ink(&self) -> Vec<f64> {
        let (rows, columns) = self.size();
        let values = (0..rows * columns).map(|i| self.at(i / columns, i % columns));
        let (low, high) =
            values.clone().fold((0.0, 1.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
        if low >= 0.0 && high <= 1.0 {
            return values.collect();
        }
        let (low, high) = values
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let half_span = high / 2.0 - low / 2.0; // halves: the span of extreme values overflows
        values.map(|v| if half_span > 0.0 { (v / 2.0 - low / 2.0) / half_span } else { 0.0 }).collect()
    }

    /// The largest magnitude.
    pub(crate) fn largest(&self) -> f64 {
        let (rows, columns) = self.size();
        (0..rows * columns).fold(0.0, |most: f64, i| most.max(self.at(i / columns, i % columns).abs()))
    }

    /// Every value as a share of the largest magnitude, between -1 and 1.
    fn signed(&self) -> Vec<f64> {
        let (rows, columns) = self.size();
        let values = (0..rows * columns).map(|i| self.at(i / columns, i % columns));
        let largest = self.largest();
        values.map(|v| if largest > 0.0 { v / largest } else { 0.0 }).collect()
    }

    /// The colour of every value, row by row: red, green, blue.
    pub(crate) fn colours(&self, palette: Palette) -> Vec<[u8; 3]> {
        match palette {
            Palette::Grey => self.ink().iter().map(|&v| [grey(v); 3]).collect(),
            Palette::Diverging => self.signed().iter().map(|&v| diverging(v, 1.0)).collect(),
        }
    }
}

/// The bitmap as a PNG in a `data:` address, one pixel per value: show it with `image-rendering: pixelated`.
///
/// Bitmaps above 4096 pixels on a side are reduced; one without values gives a single white pixel.
pub fn png_data_uri(bitmap: &Bitmap, palette: Palette) -> String {
    let mut bitmap = bitmap.shrunk(LARGEST_SIDE, LARGEST_SIDE);
    if bitmap.values.is_empty() {
        bitmap = Bitmap::new(1, 1, vec![0.0]);
    }
    // Writing to memory cannot fail for a size above zero; an empty picture would still be a valid page.
    let file = encode(&bitmap, palette).unwrap_or_default();
    format!("data:image/png;base64,{}", STANDARD.encode(file))
}

fn encode(bitmap: &Bitmap, palette: Palette) -> Result<Vec<u8>, png::EncodingError> {
    let filter = png::Filter::NoFilter;
    match palette {
        Palette::Grey => {
            let pixels: Vec<u8> = bitmap.ink().iter().map(|&v| grey(v)).collect();
            png_file(bitmap.size(), png::ColorType::Grayscale, None, filter, &pixels)
        }
        Palette::Diverging => {
            let middle = f64::from(SHADES);
            let pixels: Vec<u8> =
                bitmap.signed().iter().map(|&v| (middle + v * middle).round() as u8).collect();
            png_file(bitmap.size(), png::ColorType::Indexed, Some(blue_to_red()), filter, &pixels)
        }
    }
}

/// A PNG file of `(rows, columns)` pixels, a byte for each channel. Writing to memory cannot fail for sizes above zero.
pub(crate) fn png_file(
    (rows, columns): (usize, usize),
    color: png::ColorType,
    palette: Option<Vec<u8>>,
    filter: png::Filter,
    pixels: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, columns as u32, rows as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(filter);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

/// A share of ink on paper.
fn grey(ink: f64) -> u8 {
    (255.0 * (1.0 - ink)).round() as u8
}

/// Blue through white to red, three bytes a colour.
fn blue_to_red() -> Vec<u8> {
    let shades = f64::from(SHADES);
    (0..=2 * SHADES).flat_map(|i| diverging(f64::from(i) - shades, shades)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(uri: &str) -> (png::OutputInfo, Vec<u8>) {
        let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info, pixels)
    }

    #[test]
    fn ink_is_black() {
        let (info, pixels) = decode(&png_data_uri(&Bitmap::new(1, 3, vec![0.0, 0.5, 1.0]), Palette::Grey));
        assert_eq!((info.width, info.height), (3, 1));
        assert_eq!(pixels, [255, 128, 0]);
    }

    #[test]
    fn signs_have_colours_and_zero_is_white() {
        let (_, pixels) = decode(&png_data_uri(&Bitmap::new(3, 1, vec![-2.0, 0.0, 2.0]), Palette::Diverging));
        assert_eq!(pixels, [0, 82, 155, 255, 255, 255, 178, 24, 43]);
    }

    #[test]
    fn odd_bitmaps_are_drawn() {
        for bitmap in [
            Bitmap::default(),
            Bitmap::new(usize::MAX, usize::MAX, vec![1.0]),
            Bitmap::new(0, 5, vec![1.0; 5]),
            Bitmap::new(2, 2, vec![f64::NAN, f64::INFINITY, -1.0]),
            Bitmap::new(2, 1, vec![-f64::MAX, f64::MAX]),
            Bitmap::new(1, 10_000, vec![0.5; 10_000]),
        ] {
            for palette in [Palette::Grey, Palette::Diverging] {
                let (info, _) = decode(&png_data_uri(&bitmap, palette));
                assert!(info.width > 0 && info.width <= 4096);
            }
        }
    }

    #[test]
    fn shrinking_takes_means() {
        let small = Bitmap::new(2, 3, vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0]).shrunk(1, 2);
        assert_eq!(small, Bitmap::new(1, 2, vec![0.5, 0.5]));
    }
}
