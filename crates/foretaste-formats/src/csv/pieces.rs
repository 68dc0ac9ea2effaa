//! A text file as pieces of whole rows: cut once, remembered, read again in any order.

use std::io::Read;

use super::scan::{Marks, Stop, Wrong, last_row_end};
use crate::input::read_up_to;

/// Bytes of a piece before it is cut back to its last row end.
pub(crate) const PIECE: usize = 2 << 20;

/// Bytes of whole rows.
pub(crate) struct Cut {
    pub(crate) bytes: Vec<u8>,
    /// Position in the unpacked file.
    pub(crate) offset: u64,
}

/// Why cutting stopped.
pub(crate) enum CutError {
    Io(std::io::Error),
    /// A row is longer than allowed.
    TooLong {
        bytes: usize,
    },
}

/// How rows end: in delimited text line feeds inside quotes do not count, in lines every one does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    Quoted(Marks),
    Lines,
}

impl Ends {
    fn last(self, text: &[u8]) -> Option<usize> {
        let feed = || memchr::memrchr(b'\n', text).map(|i| i + 1);
        match self {
            Ends::Lines => feed(),
            Ends::Quoted(marks) => match last_row_end(text, marks) {
                Ok(end) => end,
                // Cut anywhere: scanning reports it with its line.
                Err(Stop { why: Wrong::AfterQuote | Wrong::Ragged { .. }, .. }) => feed(),
                Err(Stop { why: Wrong::Unterminated, .. }) => None,
            },
        }
    }
}

/// Cuts a stream.
pub(crate) struct Cutter<R> {
    reader: R,
    rest: Vec<u8>,
    offset: u64,
    ends: Ends,
    row_bytes: usize,
    ended: bool,
}

impl<R: Read> Cutter<R> {
    /// `reader` stands at `offset`, the start of a row.
    pub(crate) fn new(reader: R, offset: u64, ends: Ends, row_bytes: usize) -> Cutter<R> {
        Cutter { reader, rest: Vec::new(), offset, ends, row_bytes, ended: false }
    }

    /// The next piece, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Cut>, CutError> {
        let mut want = PIECE;
        while !self.ended {
            let mut bytes = std::mem::take(&mut self.rest);
            let have = bytes.len();
            bytes.resize(have.max(want), 0);
            let n = read_up_to(&mut self.reader, &mut bytes[have..]).map_err(CutError::Io)?;
            if have + n < bytes.len() {
                bytes.truncate(have + n);
                self.ended = true;
                return Ok((!bytes.is_empty()).then(|| self.cut(bytes)));
            }
            match self.ends.last(&bytes) {
                Some(end) => {
                    self.rest = bytes.split_off(end);
                    return Ok(Some(self.cut(bytes)));
                }
                None if bytes.len() >= self.row_bytes => {
                    return Err(CutError::TooLong { bytes: self.row_bytes });
                }
                None => {
                    want = (bytes.len() * 2).min(self.row_bytes.max(bytes.len() + 1));
                    self.rest = bytes;
                }
            }
        }
        Ok(None)
    }

    fn cut(&mut self, bytes: Vec<u8>) -> Cut {
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        Cut { bytes, offset }
    }
}

/// Where a piece lies, in bytes, rows and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    pub(crate) first_row: u64,
    pub(crate) rows: usize,
    /// From 1.
    pub(crate) first_line: u64,
    /// Line feeds.
    pub(crate) lines: u64,
}

/// Line feeds in a piece of text.
pub(crate) fn feeds(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}
