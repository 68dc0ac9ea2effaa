//! Lengths that an Arrow IPC file claims, checked before the decoder allocates for them.
//!
//! The decoder trusts the length of every message body and the unpacked size of every packed buffer; a damaged one
//! would end the program for want of memory, which cannot be caught as a panic can. Only headers are read here.

use std::fs::File;

use arrow_ipc::{Message, RecordBatch, root_as_footer, root_as_message};

use crate::input::{check_ratio, read_at};
use crate::options::Limits;

/// Checks all messages of the file format; says what is wrong. What is broken otherwise is left to the decoder.
pub(crate) fn of_file(file: &File, bytes: u64, limits: &Limits) -> Result<(), String> {
    let Some(tail) = part(file, bytes.saturating_sub(10), 10) else { return Ok(()) };
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let Some(start) = bytes.checked_sub(10 + length) else {
        return Err(format!("a footer of `{length}` bytes is promised in a file of `{bytes}`"));
    };
    let Some(footer) = part(file, start, length) else { return Ok(()) };
    let Ok(footer) = root_as_footer(&footer) else { return Ok(()) };
    for block in footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten() {
        let (at, header, body) = (block.offset(), block.metaDataLength(), block.bodyLength());
        let parts = (u64::try_from(at), u64::try_from(header), u64::try_from(body));
        let (Ok(at), Ok(header), Ok(body)) = parts else {
            return Err("a block has a negative length".into());
        };
        let inside = at.checked_add(header).and_then(|a| a.checked_add(body)).is_some_and(|end| end <= bytes);
        if !inside {
            return Err(format!("a block at byte `{at}` lies beyond the end of the file"));
        }
        let Some(metadata) = part(file, at, header) else { continue };
        // Before version 0.15 no marker stood before the length.
        let skip = if metadata.starts_with(&[0xff; 4]) { 8 } else { 4 };
        let Some(Ok(message)) = metadata.get(skip..).map(root_as_message) else { continue };
        buffers(file, &message, at + header, body, limits)?;
    }
    Ok(())
}

/// Checks all messages of the stream format.
pub(crate) fn of_stream(file: &File, bytes: u64, limits: &Limits) -> Result<(), String> {
    let mut at = 0u64;
    while let Some(start) = part(file, at, 4) {
        at += 4;
        let mut length = [start[0], start[1], start[2], start[3]];
        if length == [0xff; 4] {
            let Some(next) = part(file, at, 4) else { return Ok(()) };
            length = [next[0], next[1], next[2], next[3]];
            at += 4;
        }
        let length = u64::from(u32::from_le_bytes(length));
        if length == 0 {
            return Ok(());
        }
        if at + length > bytes {
            return Err(format!("the message before byte `{at}` is cut off"));
        }
        let Some(metadata) = part(file, at, length) else { return Ok(()) };
        let Ok(message) = root_as_message(&metadata) else { return Ok(()) };
        at += length;
        let body = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
        if at.checked_add(body).is_none_or(|end| end > bytes) {
            return Err(format!("the message at byte `{at}` is cut off"));
        }
        buffers(file, &message, at, body, limits)?;
        at += body;
    }
    Ok(())
}

/// Packed buffers start with their unpacked size.
fn buffers(file: &File, message: &Message<'_>, at: u64, body: u64, limits: &Limits) -> Result<(), String> {
    let dictionary = message.header_as_dictionary_batch().and_then(|d| d.data());
    let batch: Option<RecordBatch<'_>> = message.header_as_record_batch().or(dictionary);
    let Some(batch) = batch.filter(|b| b.compression().is_some()) else { return Ok(()) };
    let mut total = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(offset), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()))
        else {
            return Err("a buffer has a negative length".into());
        };
        if offset.checked_add(length).is_none_or(|end| end > body) {
            return Err(format!("a buffer of the message at byte `{at}` lies beyond its end"));
        }
        if length < 8 {
            continue;
        }
        let Some(size) = part(file, at + offset, 8) else { return Ok(()) };
        let size = size.try_into().map_or(0, i64::from_le_bytes);
        // -1 says that the buffer is not packed after all
        total = total.saturating_add(u64::try_from(size).unwrap_or(0));
        check_ratio(total, body, limits).map_err(|what| format!("the message at byte `{at}` {what}"))?;
    }
    Ok(())
}

/// Bytes of a file, if all of them are there.
fn part(file: &File, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut out = vec![0; usize::try_from(length).ok()?];
    (read_at(file, at, &mut out).ok()? == out.len()).then_some(out)
}
