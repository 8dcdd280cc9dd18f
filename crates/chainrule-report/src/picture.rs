//! Pictures as PNG files: bitmaps in whole pixels, side by side, with words; signed bars.
//!
//! Words are drawn in letters of 5 by 7 pixels (`picture/font.txt`), so that a PNG needs no font of the machine and is the
//! same everywhere.

mod bars;
pub(crate) mod canvas;
mod panels;

pub use bars::signed_bars;
pub use panels::{Panel, panels};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Bitmap, Palette};

    fn decoded(file: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, info.height as usize, pixels)
    }

    fn panel(values: Vec<f64>, palette: Palette) -> Panel {
        let bitmap = Bitmap::new(2, 2, values);
        Panel { title: "a".into(), note: String::new(), bitmap, palette, shares: Vec::new() }
    }

    #[test]
    fn values_are_whole_squares_of_their_colour() {
        let row = [
            panel(vec![0.0, 1.0, 1.0, 0.0], Palette::Grey),
            panel(vec![2.0, -2.0, 0.0, 0.0], Palette::Diverging),
        ];
        let (width, height, pixels) = decoded(&panels(&[row.to_vec()]));
        assert_eq!(pixels.len(), 3 * width * height);
        let count = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| *pixel == colour).count();
        assert_eq!(count([0, 0, 0]), 2 * 128 * 128);
        // Red and blue, and as much again in the scale.
        assert!((128 * 128..128 * 128 + 512).contains(&count([178, 24, 43])));
        assert!((128 * 128..128 * 128 + 512).contains(&count([0, 82, 155])));
    }

    #[test]
    fn anything_gives_a_picture() {
        let odd =
            [Bitmap::default(), Bitmap::new(1, 1, vec![f64::NAN]), Bitmap::new(1, 900, vec![1e300; 900])];
        for bitmap in odd {
            for palette in [Palette::Grey, Palette::Diverging] {
                let shares = vec![("é\u{1b}\n".into(), f64::NAN), (String::new(), 7.0)];
                let panel =
                    Panel {
                        title: "…".into(), note: "日本".into(), bitmap: bitmap.clone(), palette, shares
                    };
                let (width, height, _) = decoded(&panels(&[vec![panel.clone(); 4], vec![], vec![panel]]));
                assert!(width > 40 && height > 40);
            }
        }
        decoded(&panels(&[]));
        for bars in [vec![], vec![("a".into(), f64::NAN), ("b".into(), -1.0), ("c".into(), 0.0)]] {
            decoded(&signed_bars("", "", &bars));
        }
    }
}
