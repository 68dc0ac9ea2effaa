//! Images inside Arrow columns: how they are marked, and how one row becomes pixels.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{Array, StructArray};
use arrow_schema::{DataType, Field};
use image::{ImageDecoder, ImageReader};

use crate::error::{FormatError, Place, Result};
use crate::options::Limits;

/// Key of field metadata that names the role of a column.
pub const ROLE: &str = "foretaste.role";
/// Key of field metadata that says how an image is stored: [`ENCODED`] or `raw:HxWxC`.
pub const IMAGE: &str = "foretaste.image";
/// Value of [`IMAGE`] for the bytes of an image file.
pub const ENCODED: &str = "encoded";

/// One image as bytes: row by row, channels interleaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha.
    pub channels: u8,
    /// `height * width * channels` values.
    pub pixels: Vec<u8>,
}

/// Adds a role to a field.
pub fn with_role(field: Field, role: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(ROLE.into(), role.into());
    field.with_metadata(metadata)
}

/// Marks a field as images stored in the given way.
pub(crate) fn mark(field: Field, how: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(ROLE.into(), "image".into());
    metadata.insert(IMAGE.into(), how.into());
    field.with_metadata(metadata)
}

/// The value of [`IMAGE`] for raw pixels of the given shape.
pub(crate) fn raw(height: usize, width: usize, channels: usize) -> String {
    format!("raw:{height}x{width}x{channels}")
}

/// Height, width and channels of a column of raw pixels.
pub fn raw_shape(field: &Field) -> Option<(u32, u32, u8)> {
    let mut parts = field.metadata().get(IMAGE)?.strip_prefix("raw:")?.split('x');
    let shape = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(shape)
}

/// Decodes one row of an image column with the default [`Limits`]. `None` for a null.
///
/// `array` is Binary (file bytes), a struct with a part `bytes`, or FixedSizeBinary or a list of u8 (raw pixels).
///
/// # Errors
/// `Malformed` or `Limit`, with the number of the row in `array` as place.
pub fn decode_image(field: &Field, array: &dyn Array, row: usize) -> Result<Option<DecodedImage>> {
    decode_image_within(field, array, row, &Limits::default())
}

/// [`decode_image`] with chosen limits.
pub fn decode_image_within(
    field: &Field,
    array: &dyn Array,
    row: usize,
    limits: &Limits,
) -> Result<Option<DecodedImage>> {
    let at = || Place::row(format!("column `{}`", field.name()).as_ref(), row as u64);
    if row >= array.len() {
        return Err(FormatError::malformed(format!("there is no row `{row}`"), at()));
    }
    if let DataType::Struct(_) = array.data_type() {
        let parts: &StructArray = array.as_struct();
        let Some(bytes) = parts.column_by_name("bytes").filter(|_| !parts.is_null(row)) else {
            return Ok(None);
        };
        return decode_image_within(field, bytes.as_ref(), row, limits);
    }
    if array.is_null(row) {
        return Ok(None);
    }
    let numbers;
    let bytes: &[u8] = match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row),
        DataType::FixedSizeList(item, _) if *item.data_type() == DataType::UInt8 => {
            numbers = array.as_fixed_size_list().value(row);
            numbers.as_primitive::<UInt8Type>().values()
        }
        DataType::List(item) if *item.data_type() == DataType::UInt8 => {
            numbers = array.as_list::<i32>().value(row);
            numbers.as_primitive::<UInt8Type>().values()
        }
        other => {
            return Err(FormatError::unsupported(format!("images are not stored as `{other}`"), at()));
        }
    };
    match raw_shape(field) {
        Some((height, width, channels)) => {
            check_size(width.into(), height.into(), limits).map_err(|e| e.into_error(at()))?;
            let expected = u64::from(height) * u64::from(width) * u64::from(channels);
            if bytes.len() as u64 != expected {
                let what = format!("an image has `{}` values, its shape needs `{expected}`", bytes.len());
                return Err(FormatError::malformed(what, at()));
            }
            Ok(Some(DecodedImage { width, height, channels, pixels: bytes.to_vec() }))
        }
        None => decode_bytes(bytes, limits).map(Some).map_err(|e| e.into_error(at())),
    }
}

/// True if the bytes begin as an image file of a kind that can be decoded.
#[must_use]
pub fn begins_as_image(bytes: &[u8]) -> bool {
    image::guess_format(bytes).is_ok_and(|format| format.reading_enabled())
}

/// Why an image was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    Broken(String),
    TooLarge(String),
}

impl Refused {
    pub(crate) fn into_error(self, at: Place) -> FormatError {
        match self {
            Refused::Broken(what) => FormatError::malformed(what, at),
            Refused::TooLarge(what) => {
                FormatError::limit(what, at).with_hint("raise the limit only if the file is trusted")
            }
        }
    }
}

fn check_size(width: u64, height: u64, limits: &Limits) -> Result<(), Refused> {
    if width == 0 || height == 0 {
        return Err(Refused::Broken(format!("the image has no pixels: `{width}x{height}`")));
    }
    let side = u64::from(limits.image_side);
    if width > side || height > side || width * height > limits.image_pixels {
        return Err(Refused::TooLarge(format!("the image is too large: `{width}x{height}` pixels")));
    }
    Ok(())
}

/// Decodes the bytes of an image file. The size in the header is checked before anything is allocated.
pub(crate) fn decode_bytes(bytes: &[u8], limits: &Limits) -> Result<DecodedImage, Refused> {
    if bytes.is_empty() {
        return Err(Refused::Broken("the image is empty".into()));
    }
    check_header(bytes, limits)?;
    let broken = |e: image::ImageError| Refused::Broken(format!("the image cannot be decoded: {e}"));
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Refused::Broken(format!("the image cannot be decoded: {e}")))?;
    if reader.format().is_none() {
        let start = crate::error::shown(&bytes[..bytes.len().min(8)]);
        return Err(Refused::Broken(format!("not an image of a known kind: starts with `{start}`")));
    }
    let decode = || {
        let decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        check_size(width.into(), height.into(), limits)?;
        Ok((image::DynamicImage::from_decoder(decoder).map_err(broken)?, width, height))
    };
    let (image, width, height) = crate::guard::sound(decode).map_err(Refused::Broken)??;
    use image::DynamicImage::*;
    let (channels, pixels) = match image {
        ImageLuma8(i) => (1, i.into_raw()),
        ImageLumaA8(i) => (2, i.into_raw()),
        ImageRgb8(i) => (3, i.into_raw()),
        ImageRgba8(i) => (4, i.into_raw()),
        other => match other.color().channel_count() {
            1 => (1, other.into_luma8().into_raw()),
            2 => (2, other.into_luma_alpha8().into_raw()),
            3 => (3, other.into_rgb8().into_raw()),
            _ => (4, other.into_rgba8().into_raw()),
        },
    };
    Ok(DecodedImage { width, height, channels, pixels })
}

/// Sizes that decoders refuse with vague words, or allocate for before we can ask, are read by hand: PNG and BMP.
pub(crate) fn check_header(bytes: &[u8], limits: &Limits) -> Result<(), Refused> {
    let be = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let le = |at: usize| bytes.get(at..at + 4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        && let (Some(width), Some(height)) = (be(16), be(20))
    {
        return check_size(width.into(), height.into(), limits);
    }
    if bytes.starts_with(b"BM")
        && le(14).is_some_and(|size| size >= 40)
        && let (Some(width), Some(height)) = (le(18), le(22))
    {
        return check_size(width.unsigned_abs().into(), height.unsigned_abs().into(), limits);
    }
    Ok(())
}
