//! One PNG image as luminance.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, GenericImageView, ImageError, ImageFormat, ImageReader, Limits};

use crate::{Error, Position, Result};

/// The first bytes of every PNG file.
pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Larger images are refused before they are unpacked: no network here has so many inputs.
const MAX_SIDE: u32 = 8192;

/// Reads a grey or colour PNG as (luminance, rows, columns); 0 is black, 255 is white.
///
/// # Errors
/// If it cannot be read, is damaged, is larger than 8192 pixels on a side, or has transparent pixels.
pub fn read_png(path: &Path) -> Result<(Vec<u8>, usize, usize)> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    parse_png(&bytes, &path.display().to_string())
}

/// As [`read_png`], from memory; `file` is its name in messages.
///
/// # Errors
/// As [`read_png`].
pub fn parse_png(bytes: &[u8], file: &str) -> Result<(Vec<u8>, usize, usize)> {
    if !bytes.starts_with(SIGNATURE) {
        return Err(Error::malformed(file, Position::Byte(0), "a PNG image", "another kind of file"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| refuse(&error, file))?;
    check_opaque(&image, file)?;
    let (columns, rows) = image.dimensions();
    Ok((image.into_luma8().into_raw(), rows as usize, columns as usize))
}

fn refuse(error: &ImageError, file: &str) -> Error {
    match error {
        ImageError::Limits(_) => {
            let expected = format!("at most {MAX_SIDE} x {MAX_SIDE} pixels");
            Error::malformed(file, Position::Whole, expected, "a larger image").hint("scale it down")
        }
        other => Error::malformed(file, Position::Whole, "a whole PNG image", other.to_string())
            .hint("the file is damaged; save or copy it again"),
    }
}

/// What a transparent pixel looks like depends on what lies behind it, so nobody could say what the network saw.
fn check_opaque(image: &DynamicImage, file: &str) -> Result<()> {
    if !image.color().has_alpha() {
        return Ok(());
    }
    match image.pixels().find(|(_, _, pixel)| pixel.0[3] < 255) {
        None => Ok(()),
        Some((x, y, _)) => {
            let at = Position::Character { line: u64::from(y) + 1, column: u64::from(x) + 1 };
            Err(Error::malformed(file, at, "an opaque pixel", "a transparent one")
                .hint("save the image on a plain background"))
        }
    }
}
