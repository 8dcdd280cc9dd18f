//! One PNG image as luminance.

use std::io::Cursor;
use std::path::Path;

use png::{ColorType, Decoder, DecodingError, Transformations};

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
    let damaged = |error: DecodingError| {
        Error::malformed(file, Position::Whole, "a whole PNG image", error.to_string())
            .hint("the file is damaged; save or copy it again")
    };
    let too_large = || {
        let expected = format!("at most {MAX_SIDE} x {MAX_SIDE} pixels");
        Error::malformed(file, Position::Whole, expected, "a larger image").hint("scale it down")
    };
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes, few-bit greys and transparency by one colour become 8-bit channels.
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (columns, rows) = reader.info().size();
    if columns > MAX_SIDE || rows > MAX_SIDE {
        return Err(too_large());
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    let (columns, rows) = (columns as usize, rows as usize);
    let luminance = match frame.color_type {
        ColorType::Grayscale | ColorType::Indexed => pixels,
        ColorType::GrayscaleAlpha => opaque(&pixels, 2, columns, file)?.map(|p| p[0]).collect(),
        ColorType::Rgb => pixels.chunks_exact(3).map(luma).collect(),
        ColorType::Rgba => opaque(&pixels, 4, columns, file)?.map(luma).collect(),
    };
    Ok((luminance, rows, columns))
}

/// Luminance of red, green and blue by the weights of ITU-R BT.709, rounded.
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((2126 * r + 7152 * g + 722 * b + 5000) / 10_000) as u8
}

/// The pixels, if all are opaque: what a transparent one looks like depends on what lies behind it, so nobody could say
/// what the network saw.
fn opaque<'a>(
    pixels: &'a [u8],
    channels: usize,
    columns: usize,
    file: &str,
) -> Result<std::slice::ChunksExact<'a, u8>> {
    match pixels.chunks_exact(channels).position(|pixel| pixel[channels - 1] < 255) {
        None => Ok(pixels.chunks_exact(channels)),
        Some(at) => {
            let (line, column) = ((at / columns) as u64 + 1, (at % columns) as u64 + 1);
            Err(Error::malformed(
                file,
                Position::Character { line, column },
                "an opaque pixel",
                "a transparent one",
            )
            .hint("save the image on a plain background"))
        }
    }
}
