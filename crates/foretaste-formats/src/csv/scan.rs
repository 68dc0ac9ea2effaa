//! Where fields and rows end: 64 bytes at a time with bit masks, after Langdale and Lemire, "Parsing Gigabytes of JSON
//! per Second" (VLDB Journal 2019), and byte by byte where quotes stand in unusual places.

/// Ends of fields and starts of rows of a piece of text that begins at the start of a row.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Position of the separator or line feed after each field.
    pub(crate) ends: Vec<u32>,
    /// For each row the index in `ends` of its first field. Blank lines are no rows.
    pub(crate) rows: Vec<u32>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Another number of fields than the first row.
    Ragged { found: usize },
    /// A quote is opened and never closed.
    Unterminated,
    /// Text between a closing quote and the next separator.
    AfterQuote,
}

/// Why scanning stopped, and at which byte the row (or quote) begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) at: usize,
    pub(crate) why: Wrong,
}

/// Characters with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
}

impl Fields {
    /// Start of field `index` (an index into `ends`).
    #[inline]
    pub(crate) fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize + 1 }
    }

    /// Start of row `row` in the text.
    pub(crate) fn row_start(&self, row: usize) -> usize {
        self.start(self.rows[row] as usize)
    }
}

struct Masks {
    delimiter: u64,
    feed: u64,
    quote: u64,
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn masks(block: &[u8; 64], marks: Marks) -> Masks {
    use std::arch::x86_64::*;
    let mut out = Masks { delimiter: 0, feed: 0, quote: 0 };
    let (quarters, _) = block.as_chunks::<16>();
    // SSE2 is part of every x86-64 processor.
    let one = |byte: u8| unsafe { _mm_set1_epi8(byte as i8) };
    let (delimiter, feed, quote) = (one(marks.delimiter), one(b'\n'), one(marks.quote));
    for (i, quarter) in quarters.iter().enumerate() {
        let bits = u128::from_le_bytes(*quarter);
        // SAFETY: these instructions work on registers only, and SSE2 is always there.
        let equal = unsafe {
            let data = _mm_set_epi64x((bits >> 64) as i64, bits as i64);
            let find = |what| _mm_movemask_epi8(_mm_cmpeq_epi8(data, what)) as u32 as u64;
            (find(delimiter), find(feed), find(quote))
        };
        out.delimiter |= equal.0 << (16 * i);
        out.feed |= equal.1 << (16 * i);
        out.quote |= equal.2 << (16 * i);
    }
    out
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn masks(block: &[u8; 64], marks: Marks) -> Masks {
    let mut out = Masks { delimiter: 0, feed: 0, quote: 0 };
    for (i, &byte) in block.iter().enumerate() {
        out.delimiter |= u64::from(byte == marks.delimiter) << i;
        out.feed |= u64::from(byte == b'\n') << i;
        out.quote |= u64::from(byte == marks.quote) << i;
    }
    out
}

/// Bit `i` is the parity of bits `0..=i`.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// Walks over blocks and knows which bytes are inside quotes, as long as every quote stands where it should.
struct Walk {
    marks: Marks,
    /// All ones while the next byte is inside quotes.
    inside: u64,
    /// The byte before the block may come before an opening quote.
    may_open: u64,
    /// The byte before the block closed a quote.
    closed: u64,
    /// The block must start with a line feed.
    need_feed: bool,
}

struct Found {
    delimiter: u64,
    feed: u64,
}

impl Walk {
    fn new(marks: Marks) -> Walk {
        Walk { marks, inside: 0, may_open: 1, closed: 0, need_feed: false }
    }

    /// Separators outside quotes, or `None` if a quote stands inside an unquoted field or text follows a closing one.
    #[inline]
    fn block(&mut self, block: &[u8; 64]) -> Option<Found> {
        let found = masks(block, self.marks);
        let ends = found.delimiter | found.feed;
        if std::mem::take(&mut self.need_feed) && found.feed & 1 == 0 {
            return None;
        }
        if found.quote == 0 && self.inside == 0 && self.closed == 0 {
            self.may_open = ends >> 63;
            return Some(Found { delimiter: found.delimiter, feed: found.feed });
        }
        let inside = prefix_xor(found.quote) ^ self.inside;
        let opening = found.quote & inside;
        let closing = found.quote & !inside;
        let may_open = ((ends | found.quote) << 1) | self.may_open;
        let after = ((closing << 1) | self.closed) & !(ends | found.quote);
        if opening & !may_open != 0 || (after != 0 && !self.are_line_ends(block, after)) {
            return None;
        }
        self.may_open = (ends | found.quote) >> 63;
        self.closed = closing >> 63;
        self.inside = 0u64.wrapping_sub(inside >> 63);
        Some(Found { delimiter: found.delimiter & !inside, feed: found.feed & !inside })
    }

    /// Whether all of the bytes are carriage returns before line feeds.
    fn are_line_ends(&mut self, block: &[u8; 64], mut bits: u64) -> bool {
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            match block.get(i + 1) {
                _ if block[i] != b'\r' => return false,
                Some(b'\n') => {}
                Some(_) => return false,
                None => self.need_feed = true,
            }
            bits &= bits - 1;
        }
        true
    }
}

/// Pads the last block with a byte that has no meaning.
fn padded(rest: &[u8], marks: Marks) -> [u8; 64] {
    let filler = [b'\r', b'\0'].into_iter().find(|b| *b != marks.delimiter).unwrap_or(b'\r');
    let mut block = [filler; 64];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Finds all fields. `text` starts at the start of a row; without a line feed at its end the last row ends there.
///
/// # Errors
/// The first row that has not `columns` fields, or a quote that is wrong.
pub(crate) fn scan(text: &[u8], marks: Marks, columns: usize, out: &mut Fields) -> Result<(), Stop> {
    out.ends.clear();
    out.rows.clear();
    out.ends.reserve(text.len() / 8);
    match scan_masks(text, marks, columns, out) {
        Some(done) => done,
        None => {
            out.ends.clear();
            out.rows.clear();
            scan_bytes(text, marks, columns, out)
        }
    }
}

/// Notes the end of a row whose first field has index `first`.
#[inline]
fn end_row(text: &[u8], columns: usize, first: usize, out: &mut Fields) -> Result<(), Stop> {
    let found = out.ends.len() - first;
    if found == columns {
        // In a file of one column a blank line is a row that holds nothing.
        out.rows.push(first as u32);
        return Ok(());
    }
    let start = out.start(first);
    if found == 1 && matches!(&text[start..out.ends[first] as usize], b"" | b"\r") {
        Ok(())
    } else {
        Err(Stop { at: start, why: Wrong::Ragged { found } })
    }
}

/// `None`: quotes stand in unusual places.
fn scan_masks(text: &[u8], marks: Marks, columns: usize, out: &mut Fields) -> Option<Result<(), Stop>> {
    let mut walk = Walk::new(marks);
    let mut first = 0usize;
    let (blocks, rest) = text.as_chunks::<64>();
    let last = padded(rest, marks);
    let tail = if rest.is_empty() { None } else { Some(&last) };
    for (i, block) in blocks.iter().chain(tail).enumerate() {
        let found = walk.block(block)?;
        let base = (i * 64) as u32;
        let mut ends = found.delimiter | found.feed;
        let before = out.ends.len();
        while ends != 0 {
            out.ends.push(base + ends.trailing_zeros());
            ends &= ends - 1;
        }
        let mut feeds = found.feed;
        if feeds != 0 {
            let all = found.delimiter | found.feed;
            let total = out.ends.len();
            while feeds != 0 {
                let below = all & (feeds ^ (feeds - 1));
                let next = before + below.count_ones() as usize;
                // The row is judged with the ends up to its own.
                let done = end_row_at(text, columns, first, next, out);
                if let Err(stop) = done {
                    return Some(Err(stop));
                }
                first = next;
                feeds &= feeds - 1;
            }
            debug_assert!(first <= total);
        }
    }
    if walk.inside != 0 {
        return Some(Err(Stop { at: open_quote(text, marks, out), why: Wrong::Unterminated }));
    }
    Some(finish(text, columns, first, out))
}

#[inline]
fn end_row_at(text: &[u8], columns: usize, first: usize, next: usize, out: &mut Fields) -> Result<(), Stop> {
    if next - first == columns {
        out.rows.push(first as u32);
        return Ok(());
    }
    let later = out.ends.split_off(next);
    let done = end_row(text, columns, first, out);
    out.ends.extend(later);
    done
}

/// The end of the text ends the last row.
fn finish(text: &[u8], columns: usize, first: usize, out: &mut Fields) -> Result<(), Stop> {
    let start = out.ends.last().map_or(0, |&e| e as usize + 1);
    if out.ends.len() == first && start == text.len() {
        return Ok(());
    }
    out.ends.push(text.len() as u32);
    end_row(text, columns, first, out)
}

/// The quote that opened the field in which the text ends: the first byte after the last separator outside quotes.
fn open_quote(text: &[u8], marks: Marks, out: &Fields) -> usize {
    let start = out.ends.last().map_or(0, |&e| e as usize + 1);
    start + text[start..].iter().position(|&b| b == marks.quote).unwrap_or(0)
}

/// The same by hand: a quote opens only at the start of a field, anywhere else it is a character like others.
fn scan_bytes(text: &[u8], marks: Marks, columns: usize, out: &mut Fields) -> Result<(), Stop> {
    let mut first = 0;
    let mut at = 0;
    while at < text.len() {
        let (end, feed) = field_end(text, at, marks)?;
        out.ends.push(end as u32);
        if feed {
            end_row(text, columns, first, out)?;
            first = out.ends.len();
        } else if end == text.len() {
            return end_row(text, columns, first, out);
        }
        at = end + 1;
    }
    if out.ends.len() > first {
        // A separator was the last byte: an empty field follows.
        out.ends.push(text.len() as u32);
        return end_row(text, columns, first, out);
    }
    Ok(())
}

/// The end of the field that starts at `at`, and whether a line feed ends it.
pub(crate) fn field_end(text: &[u8], at: usize, marks: Marks) -> Result<(usize, bool), Stop> {
    let mut from = at;
    if text.get(at) == Some(&marks.quote) {
        from = at + 1;
        loop {
            let Some(quote) = memchr::memchr(marks.quote, &text[from..]) else {
                return Err(Stop { at, why: Wrong::Unterminated });
            };
            from += quote + 1;
            match text.get(from) {
                Some(&next) if next == marks.quote => from += 1,
                Some(b'\r') if matches!(text.get(from + 1), None | Some(b'\n')) => break,
                Some(&next) if next != marks.delimiter && next != b'\n' => {
                    return Err(Stop { at, why: Wrong::AfterQuote });
                }
                _ => break,
            }
        }
    }
    match memchr::memchr2(marks.delimiter, b'\n', &text[from..]) {
        Some(found) => Ok((from + found, text[from + found] == b'\n')),
        None => Ok((text.len(), false)),
    }
}

/// One past the last line feed that ends a row; `None` if there is none. `text` starts at the start of a row.
pub(crate) fn last_row_end(text: &[u8], marks: Marks) -> Result<Option<usize>, Stop> {
    if memchr::memchr(marks.quote, text).is_none() {
        return Ok(memchr::memrchr(b'\n', text).map(|i| i + 1));
    }
    let mut walk = Walk::new(marks);
    let mut last = None;
    let (blocks, rest) = text.as_chunks::<64>();
    let padding = padded(rest, marks);
    let tail = if rest.is_empty() { None } else { Some(&padding) };
    for (i, block) in blocks.iter().chain(tail).enumerate() {
        match walk.block(block) {
            Some(found) if found.feed != 0 => last = Some(i * 64 + 64 - found.feed.leading_zeros() as usize),
            Some(_) => {}
            None => return last_row_end_bytes(text, marks),
        }
    }
    Ok(last)
}

fn last_row_end_bytes(text: &[u8], marks: Marks) -> Result<Option<usize>, Stop> {
    let (mut at, mut last) = (0, None);
    while at < text.len() {
        match field_end(text, at, marks) {
            Ok((end, feed)) => {
                at = end + 1;
                if feed {
                    last = Some(at);
                }
            }
            // The rest of the field is still to come.
            Err(Stop { why: Wrong::Unterminated, .. }) => break,
            // Judged with its line number when the piece is scanned.
            Err(stop) => return if last.is_some() { Ok(last) } else { Err(stop) },
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARKS: Marks = Marks { delimiter: b',', quote: b'"' };

    fn by_bytes(text: &[u8], columns: usize) -> (Result<(), Stop>, Fields) {
        let mut out = Fields::default();
        (scan_bytes(text, MARKS, columns, &mut out), out)
    }

    proptest! {
        /// The masks and the byte machine see the same fields.
        #[test]
        fn masks_agree_with_bytes(text in "[ab,\"\n\r]{0,200}", columns in 1usize..4) {
            let mut fast = Fields::default();
            let got = scan(text.as_bytes(), MARKS, columns, &mut fast);
            let (expected, slow) = by_bytes(text.as_bytes(), columns);
            prop_assert_eq!(got.is_ok(), expected.is_ok());
            if expected.is_ok() {
                prop_assert_eq!(fast.ends, slow.ends);
                prop_assert_eq!(fast.rows, slow.rows);
            }
        }

        /// Cutting at the last row end gives the same rows as not cutting.
        #[test]
        fn cuts_are_between_rows(rows in prop::collection::vec("([ab]{0,5}|\"[ab,\n]{0,30}\"),[ab]{0,40}\n", 1..12)) {
            let text: String = rows.concat();
            for cut in 0..text.len() {
                let end = last_row_end(&text.as_bytes()[..cut], MARKS).unwrap().unwrap_or(0);
                let starts: Vec<usize> =
                    rows.iter().scan(0, |at, r| { *at += r.len(); Some(*at) }).filter(|e| *e <= cut).collect();
                prop_assert_eq!(end, starts.last().copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn unusual_quotes() {
        let mut out = Fields::default();
        assert_eq!(scan(b"5\" pipe,b\n", MARKS, 2, &mut out), Ok(()));
        assert_eq!(out.ends, [7, 9]);
        let stop = scan(b"a,b\n\"x\"y,b\n", MARKS, 2, &mut out).unwrap_err();
        assert_eq!(stop, Stop { at: 4, why: Wrong::AfterQuote });
        let stop = scan(b"a,b\nc,\"x\n", MARKS, 2, &mut out).unwrap_err();
        assert_eq!(stop, Stop { at: 6, why: Wrong::Unterminated });
        let stop = scan(b"a,b\nc\n", MARKS, 2, &mut out).unwrap_err();
        assert_eq!(stop, Stop { at: 4, why: Wrong::Ragged { found: 1 } });
    }
}
