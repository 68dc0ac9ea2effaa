//! Rows of text files copied byte for byte, with rows of another file put between or in the place of them.

use std::io::Write;
use std::path::Path;

use crate::error::{FormatError, Place, Result};
use crate::source::{Lined, Source};

/// Copies the rows of `source` as bytes. Before each row, numbered from 0 over all files, and once more at the end, asks
/// `each` how many of the next rows of `other` go there, and whether the row itself stays. Returns the rows written.
///
/// # Errors
/// `Unsupported` if a file is not delimited text or JSON lines, or if headers differ (another delimiter, other quotes).
pub fn splice_rows(
    source: &Source,
    other: &Source,
    out: &mut dyn Write,
    each: &mut dyn FnMut(u64) -> (usize, bool),
) -> Result<u64> {
    let failed = |e| FormatError::write(Path::new("output"), e);
    let (mut header, mut added) = (None, Vec::<Vec<u8>>::new());
    for opened in other.raw_members() {
        let (path, raw) = opened;
        let Some(raw) = raw else { return Err(unsupported(path)) };
        header = Some(plain(&raw.preamble()?));
        raw.rows(&mut |row| {
            added.push(row.to_vec());
            Ok(())
        })?;
    }
    let mut added = added.into_iter();
    let mut out = Lined::new(out);
    let (mut row_number, mut written) = (0, 0);
    let mut is_first = true;
    for (path, raw) in source.raw_members() {
        let Some(raw) = raw else { return Err(unsupported(path)) };
        let own = raw.preamble()?;
        if header.as_ref() != Some(&plain(&own)) {
            return Err(FormatError::unsupported("the header is written in another way", Place::file(path)));
        }
        if is_first {
            out.start(&own, raw.framing()).map_err(failed)?;
            is_first = false;
        }
        raw.rows(&mut |row| {
            let (before, stays) = each(row_number);
            row_number += 1;
            for extra in added.by_ref().take(before) {
                out.put(&extra).map_err(failed)?;
                written += 1;
            }
            if stays {
                out.put(row).map_err(failed)?;
                written += 1;
            }
            Ok(())
        })?;
    }
    let (last, _) = each(row_number);
    for extra in added.by_ref().take(last) {
        out.put(&extra).map_err(failed)?;
        written += 1;
    }
    out.finish().map_err(failed)?;
    Ok(written)
}

fn unsupported(path: &Path) -> FormatError {
    FormatError::unsupported("rows of this format cannot be copied as bytes", Place::file(path))
}

/// A header without byte order mark, line end and quotes: what is left shows whether two files use the same delimiter.
fn plain(header: &[u8]) -> Vec<u8> {
    let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
    header.trim_ascii_end().iter().copied().filter(|b| *b != b'"').collect()
}
