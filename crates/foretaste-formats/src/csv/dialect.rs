//! Which delimiter, and whether the first row holds names: inferred from the start of the file, and noted.

use std::borrow::Cow;
use std::collections::HashSet;

use super::cell::{Kind, kind_of};
use super::scan::{Marks, field_end};

/// Rows looked at.
const SAMPLE_ROWS: usize = 200;

/// The fields of the first rows, and where each row ends. A row that the sample cuts off is left out.
pub(crate) struct Sample<'a> {
    pub(crate) rows: Vec<Vec<Cow<'a, [u8]>>>,
    pub(crate) ends: Vec<usize>,
}

/// The text of a field as it stands between separators.
pub(crate) fn unquote(field: &[u8], quote: u8) -> Cow<'_, [u8]> {
    let field = field.strip_suffix(b"\r").unwrap_or(field);
    let Some(inner) = field.strip_prefix(&[quote]).and_then(|f| f.strip_suffix(&[quote])) else {
        return Cow::Borrowed(field);
    };
    if memchr::memchr(quote, inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        out.push(byte);
        if byte == quote {
            bytes.next();
        }
    }
    Cow::Owned(out)
}

/// Reads rows from the start of `text`; `whole` says that the file ends with it.
pub(crate) fn sample(text: &[u8], marks: Marks, whole: bool, most: usize) -> Sample<'_> {
    let mut out = Sample { rows: Vec::new(), ends: Vec::new() };
    let (mut at, mut row) = (0, Vec::new());
    while out.rows.len() < most {
        let Ok((end, feed)) = field_end(text, at, marks) else { break };
        if end == text.len() && !whole {
            break;
        }
        row.push(unquote(&text[at..end], marks.quote));
        at = (end + 1).min(text.len());
        if feed || end == text.len() {
            let row = std::mem::take(&mut row);
            // Blank lines are no rows here; in a file of one column they only cost the sample something.
            if !(row.len() == 1 && row[0].is_empty()) {
                out.rows.push(row);
                out.ends.push(at);
            }
            if end == text.len() {
                break;
            }
        }
    }
    out
}

/// The delimiter that cuts the most rows into the same number of fields, more than one.
pub(crate) fn infer_delimiter(text: &[u8], quote: u8, whole: bool) -> u8 {
    let mut best = (0usize, 0usize, b',');
    for delimiter in [b',', b'\t', b';', b'|'] {
        let sample = sample(text, Marks { delimiter, quote }, whole, SAMPLE_ROWS);
        let Some(first) = sample.rows.first().map(Vec::len).filter(|&n| n > 1) else { continue };
        let same = sample.rows.iter().filter(|r| r.len() == first).count();
        // Parts of a thousand, so that one ragged row does not lose against a comma in every text.
        let score = (same * 1000 / sample.rows.len(), first, delimiter);
        if (score.0, score.1) > (best.0, best.1) {
            best = score;
        }
    }
    best.2
}

/// Whether the first row looks like names: none is empty twice, none is a number below which numbers stand, and
/// either some column changes its kind after it or all is text.
pub(crate) fn infer_header(rows: &[Vec<Cow<'_, [u8]>>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    if is_count(first) && first.len() > 2 && !rest.is_empty() {
        return true;
    }
    let distinct: HashSet<&[u8]> = first.iter().filter(|c| !c.is_empty()).map(AsRef::as_ref).collect();
    let kinds: Vec<Kind> =
        first.iter().map(|c| if c.is_empty() { Kind::Empty } else { kind_of(c) }).collect();
    let numbers = kinds.iter().filter(|k| matches!(k, Kind::Int | Kind::Float | Kind::Bool)).count();
    if distinct.is_empty() || (numbers > 0 && rest.is_empty()) {
        return false;
    }
    let below = |column: usize| {
        rest.iter()
            .filter_map(|r| r.get(column).filter(|c| !c.is_empty()))
            .fold(Kind::Empty, |kind, cell| kind.join(kind_of(cell)))
    };
    let typed =
        (0..first.len()).filter(|&c| kinds[c] == Kind::Text && !matches!(below(c), Kind::Text | Kind::Empty));
    if typed.count() > 0 {
        return true;
    }
    if numbers > 0 {
        return false;
    }
    // All text: names are short, on one line and do not come again as values.
    let name_like = first.iter().all(|c| c.len() <= 64 && !c.contains(&b'\n'));
    let again = |c: usize| rest.iter().filter(|r| r.get(c).is_some_and(|v| *v == first[c])).count() > 0;
    name_like
        && distinct.len() == first.iter().filter(|c| !c.is_empty()).count()
        && !(0..first.len()).any(again)
}

/// `0,1,2,...`: what data frames without names are written with.
fn is_count(first: &[Cow<'_, [u8]>]) -> bool {
    first.iter().enumerate().all(|(i, c)| c.as_ref() == i.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> bool {
        let marks = Marks { delimiter: b',', quote: b'"' };
        infer_header(&sample(text.as_bytes(), marks, true, 100).rows)
    }

    #[test]
    fn delimiters() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb\nhello, you\t2\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("\"x;y;z\",b\n1,2\n", b','),
            ("word\nother\n", b','),
        ] {
            assert_eq!(infer_delimiter(text.as_bytes(), b'"', true), delimiter, "{text}");
        }
    }

    #[test]
    fn headers() {
        assert!(header("id,text\n1,a\n2,b\n"));
        assert!(!header("1,a\n2,b\n"));
        assert!(header("text,label\ngood,pos\nbad,neg\n"));
        assert!(!header("pos,good\nneg,bad\npos,fine\n"));
        assert!(header("0,1,2\n5.5,2,1\n"));
        assert!(header("a,b\n"));
        assert!(!header("1,2\n"));
        assert!(!header("1,2,3\n4,5,6\n"));
    }
}
