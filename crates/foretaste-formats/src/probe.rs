//! What fuzzing and mutation tests call: every byte string must give rows or an error, never a panic.

use crate::error::{FormatError, Result};
use crate::format::format_named;
use crate::input::Input;
use crate::options::{Limits, OpenOptions};

/// Reads `bytes` as a file of a format, decodes what images it holds, and returns the number of rows.
///
/// # Errors
/// Whatever is wrong with the bytes.
pub fn read_bytes(format: &str, bytes: &[u8]) -> Result<u64> {
    let input = Input::standard_input(&mut &*bytes)?;
    let limits = Limits { decompressed_bytes: 64 << 20, image_pixels: 1 << 20, ..Limits::default() };
    let options = OpenOptions { limits, ..OpenOptions::default() };
    let opened = format_named(format)?.open(&input, &options)?;
    let schema = opened.schema();
    let mut rows = 0;
    for piece in opened.batches()? {
        let batch = piece?.batch;
        rows += batch.num_rows() as u64;
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if field.metadata().contains_key(crate::images::IMAGE) && batch.num_rows() > 0 {
                drop(crate::images::decode_image_within(field, column.as_ref(), 0, &limits));
            }
        }
    }
    match opened.rows() {
        Some(promised) if promised != rows => Err(FormatError::malformed(
            format!("`{promised}` rows were promised, `{rows}` came"),
            crate::error::Place::file(input.shown()),
        )),
        _ => Ok(rows),
    }
}

/// Decodes `bytes` as an image file.
///
/// # Errors
/// Whatever is wrong with the bytes.
pub fn read_image(bytes: &[u8]) -> Result<crate::DecodedImage> {
    let limits = Limits { image_pixels: 1 << 20, ..Limits::default() };
    let refused = |e: crate::images::Refused| e.into_error(crate::error::Place::row("image".as_ref(), 0));
    crate::images::decode_bytes(bytes, &limits).map_err(refused)
}

/// Reads `text` as a column of conversations in every way that there is.
pub fn read_chat(text: &str) {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    let told = r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#;
    let first: ArrayRef = std::sync::Arc::new(StringArray::from(vec![told]));
    let any: ArrayRef = std::sync::Arc::new(StringArray::from(vec![text]));
    for (first, any) in [(&first, &any), (&any, &any)] {
        let batch = |column: &ArrayRef| RecordBatch::try_from_iter([("chat", column.clone())]);
        let (Ok(first), Ok(any)) = (batch(first), batch(any)) else { continue };
        if let Some(chats) = crate::Chats::find(&first.schema(), &first) {
            assert_eq!(chats.read(&any).map(|read| read.num_rows()).ok(), Some(1), "no row is lost");
        }
    }
}
