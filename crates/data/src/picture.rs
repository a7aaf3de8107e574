//! One PNG or JPEG file, decoded by what it holds, whatever its name says.

use std::fs::{self, File};
use std::io::{self, Cursor, Read as _};
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, GrayImage, ImageDecoder as _, ImageError, ImageFormat, Limits, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::DataError;

/// Most pixels of an image, 8192 by 8192: decoded it takes at most 512 MiB. Known from its header, before it is decoded.
const MOST_PIXELS: u64 = 1 << 26;
/// Longest file that is read: larger than such an image without any compression.
const MOST_BYTES: u64 = 1 << 30;

/// Whether the file begins as a PNG or JPEG does. A file that cannot be read does not.
pub(crate) fn is_picture(path: &Path) -> bool {
    let mut start = vec![];
    let read = regular(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.is_ok() && matches!(image::guess_format(&start), Ok(ImageFormat::Png | ImageFormat::Jpeg))
}

/// The image in a file.
///
/// # Errors
/// [`DataError::Format`] for a file that is cut or damaged; [`DataError::Image`] for what is no single PNG or JPEG image, or
/// is too large.
pub(crate) fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let failed = |source| DataError::Read { path: path.to_owned(), source };
    let mut bytes = vec![];
    regular(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.is_empty() {
        return Err(damaged(path, "it is empty"));
    }
    match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) => png(path, &bytes),
        Ok(ImageFormat::Jpeg) => jpeg(path, &bytes),
        Ok(other) => {
            let name = other.extensions_str().first().unwrap_or(&"other").to_uppercase();
            Err(unusable(path, "a PNG or JPEG", format!("a {name} image; convert it, or remove it")))
        }
        Err(_) => {
            let start = &bytes[..bytes.len().min(8)];
            Err(unusable(path, "a PNG or JPEG", format!("a file that begins with {start:02x?}; remove it")))
        }
    }
}

/// Opens a file; a pipe would wait for ever.
fn regular(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
}

fn png(path: &Path, bytes: &[u8]) -> Result<DynamicImage, DataError> {
    let failed = |error: ImageError| damaged(path, error);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), Limits::default()).map_err(failed)?;
    check_size(path, decoder.dimensions())?;
    if decoder.is_apng().map_err(failed)? {
        let found = "an animation; convert it to one image, or remove it".to_owned();
        return Err(unusable(path, "a single image", found));
    }
    if png_end(bytes).is_none() {
        return Err(cut(path, bytes.len()));
    }
    DynamicImage::from_decoder(decoder).map_err(failed)
}

/// Where the last chunk of a PNG ends. Each is a length of four bytes, a name of four, as many bytes as that, and a checksum.
fn png_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let (length, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
        at = at.checked_add(12)?.checked_add(u32::from_be_bytes(*length) as usize)?;
        if rest.starts_with(b"IEND") {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

fn jpeg(path: &Path, bytes: &[u8]) -> Result<DynamicImage, DataError> {
    // Not left to the decoder: it paints what is missing grey, and notices that only between rows of blocks.
    if jpeg_end(bytes).is_none() {
        return Err(cut(path, bytes.len()));
    }
    let largest = usize::from(u16::MAX);
    let strict =
        DecoderOptions::default().set_strict_mode(true).set_max_width(largest).set_max_height(largest);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), strict);
    decoder.decode_headers().map_err(|error| damaged(path, error))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = (width as u32, height as u32);
    check_size(path, (width, height))?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|error| damaged(path, error))?;
    let image = if is_grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    image.ok_or_else(|| damaged(path, "it holds fewer pixels than its header says"))
}

/// Where the end marker of a JPEG is. Segments are skipped by their length, since a thumbnail in one has an end of its own;
/// between them stand the coded pixels, in which a zero or the number of a restart follows each 255.
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    const END: u8 = 0xD9;
    let mut at = 2;
    loop {
        let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 1 | 0xD0..=0xD8 | 0xFF);
        at += bytes.get(at..)?.windows(2).position(is_marker)?;
        if bytes[at + 1] == END {
            return Some(at);
        }
        let length = bytes.get(at + 2..)?.first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_be_bytes(*length));
    }
}

fn check_size(path: &Path, (width, height): (u32, u32)) -> Result<(), DataError> {
    if u64::from(width) * u64::from(height) <= MOST_PIXELS {
        return Ok(());
    }
    let found = format!("{width} by {height}; scale it down, or remove it");
    Err(unusable(path, "at most 67108864 pixels (8192 by 8192)", found))
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> DataError {
    DataError::format(path, format!("{what}; copy it again, or remove it"))
}

fn cut(path: &Path, length: usize) -> DataError {
    damaged(path, format_args!("it is cut off after {length} bytes"))
}

fn unusable(path: &Path, expected: &'static str, found: String) -> DataError {
    DataError::Image { path: path.to_owned(), expected, found }
}
