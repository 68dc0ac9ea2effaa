//! What a reader gets to see of the data.
//!
//! Data are the attacker's: a cell may hold escape sequences that drive a terminal, controls that turn the direction
//! of writing, or characters that nobody sees. Here they become visible escapes such as `\x1b` and `\u{202e}`, and
//! long cells are cut between graphemes, around the part worth looking at.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// More combining characters than this on one base would climb into the lines above.
const MAX_COMBINING: usize = 4;

/// A run of text of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What to show; free of control characters and of characters that nobody sees.
    pub text: String,
    /// Why it is worth looking at, if it is.
    pub mark: Option<String>,
    /// True if `text` stands for a character that nobody would have seen.
    pub escaped: bool,
}

/// Byte ranges of a text with the reason to look there; see [`foretaste_core::Cell::marks`].
pub type Marks = [(usize, usize, String)];

/// Whether a character is invisible, or changes how its neighbours are shown.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// The escape that stands for a hidden character.
#[must_use]
pub fn escape(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if u32::from(c) < 0x80 => format!("\\x{:02x}", u32::from(c)),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    }
}

/// The text with every hidden character shown as an escape. Of any length; nothing is cut.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        show(grapheme, |part, _| out.push_str(part));
    }
    out
}

/// [`visible`], cut to `width` terminal columns with an ellipsis at the end.
#[must_use]
pub fn short(text: &str, width: usize) -> String {
    around(text, &[], width).into_iter().map(|p| p.text).collect()
}

/// Terminal columns that a text without hidden characters takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The whole text in pieces. Marks out of range or empty are ignored; where two overlap, the first one holds.
#[must_use]
pub fn pieces(text: &str, marks: &Marks) -> Vec<Piece> {
    join(&units(text, 0..text.len(), marks))
}

/// At most `width` terminal columns of the text, around its first mark, or from its start if there is none.
/// What is cut off is shown as `…`. Cuts fall between graphemes.
#[must_use]
pub fn around(text: &str, marks: &Marks, width: usize) -> Vec<Piece> {
    let focus = marks.iter().map(|m| clamp(text, m)).find(|r| !r.is_empty()).map_or(0, |r| r.start);
    // a grapheme takes few bytes per column, so a window of bytes keeps long cells cheap
    let low = text.floor_char_boundary(focus.saturating_sub(width.saturating_mul(8)));
    let high = text.ceil_char_boundary(focus.saturating_add(width.saturating_mul(16)).min(text.len()));
    let units = units(text, low..high, marks);
    let all: usize = units.iter().map(|u| u.width).sum();
    if low == 0 && high == text.len() && all <= width {
        return join(&units);
    }
    if width < 3 {
        return (width > 0).then(ellipsis).into_iter().collect(); // no room for anything but the sign of a cut
    }
    let at = units.partition_point(|u| u.start < focus);
    let shown = window(&units, at, width.saturating_sub(2));
    let mut out = join(&units[shown.clone()]);
    if low > 0 || shown.start > 0 {
        out.insert(0, ellipsis());
    }
    if high < text.len() || shown.end < units.len() {
        out.push(ellipsis());
    }
    out
}

fn ellipsis() -> Piece {
    Piece { text: "…".to_owned(), mark: None, escaped: false }
}

/// A grapheme as it is shown.
struct Unit {
    start: usize,
    width: usize,
    parts: Vec<(String, bool)>,
    mark: Option<String>,
}

fn units(text: &str, range: Range<usize>, marks: &Marks) -> Vec<Unit> {
    let marks: Vec<(Range<usize>, &str)> = marks.iter().map(|m| (clamp(text, m), m.2.as_str())).collect();
    let base = range.start;
    text.get(range)
        .unwrap_or_default()
        .grapheme_indices(true)
        .map(|(offset, grapheme)| {
            let (start, end) = (base + offset, base + offset + grapheme.len());
            let mark =
                marks.iter().find(|(r, _)| r.start < end && start < r.end).map(|(_, note)| visible(note));
            let mut parts = Vec::new();
            show(grapheme, |part, escaped| parts.push((part.to_owned(), escaped)));
            Unit { start, width: parts.iter().map(|(p, _)| p.width()).sum(), parts, mark }
        })
        .collect()
}

/// A third of the room before the focus, the rest after it; what one side does not need goes to the other.
fn window(units: &[Unit], focus: usize, room: usize) -> Range<usize> {
    let grow_back = |mut from: usize, mut left: usize| {
        while from > 0 && units[from - 1].width <= left {
            left -= units[from - 1].width;
            from -= 1;
        }
        (from, left)
    };
    let (start, unused) = grow_back(focus, room / 3);
    let (mut end, mut left) = (focus, room - room / 3 + unused);
    while end < units.len() && units[end].width <= left {
        left -= units[end].width;
        end += 1;
    }
    let start = if end == units.len() { grow_back(start, left).0 } else { start };
    start..end
}

fn join(units: &[Unit]) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for unit in units {
        for (text, escaped) in &unit.parts {
            match out.last_mut() {
                Some(last) if last.escaped == *escaped && last.mark == unit.mark => last.text.push_str(text),
                _ => out.push(Piece { text: text.clone(), mark: unit.mark.clone(), escaped: *escaped }),
            }
        }
    }
    out
}

fn clamp(text: &str, mark: &(usize, usize, String)) -> Range<usize> {
    text.floor_char_boundary(mark.0.min(text.len()))..text.ceil_char_boundary(mark.1.min(text.len()))
}

/// Hands over a grapheme in parts: as it is, or as an escape.
fn show(grapheme: &str, mut part: impl FnMut(&str, bool)) {
    let mut combining = 0;
    for (at, c) in grapheme.char_indices() {
        combining += usize::from(at > 0 && c.width() == Some(0));
        if is_hidden(c) || combining > MAX_COMBINING {
            part(&escape(c), true);
        } else {
            part(&grapheme[at..at + c.len_utf8()], false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pieces: &[Piece]) -> String {
        pieces.iter().map(|p| p.text.as_str()).collect()
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        assert_eq!(
            visible("a\u{200b}b\u{1b}[31mc\u{202e}d\r\n\u{7f}\u{9b}"),
            "a\\u{200b}b\\x1b[31mc\\u{202e}d\\r\\n\\x7f\\u{9b}"
        );
        assert_eq!(visible("\u{e0041}\u{feff}\u{ad}"), "\\u{e0041}\\u{feff}\\u{ad}");
        assert_eq!(visible("naïve 漢字 e\u{301} 🙂"), "naïve 漢字 e\u{301} 🙂");
        let tower = format!("e{}", "\u{301}".repeat(40));
        assert!(visible(&tower).contains("\\u{301}"));
    }

    #[test]
    fn no_hidden_character_survives() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        assert!(!visible(&all).chars().any(is_hidden));
    }

    #[test]
    fn cuts_around_the_mark() {
        let text = format!("{} the trigger {}", "before ".repeat(500), "after ".repeat(500));
        let at = text.find("trigger").unwrap();
        let out = around(&text, &[(at, at + 7, "shared phrase".into())], 40);
        assert!(width(&plain(&out)) <= 40);
        assert!(plain(&out).starts_with('…') && plain(&out).ends_with('…'));
        let marked: Vec<&Piece> = out.iter().filter(|p| p.mark.is_some()).collect();
        assert_eq!(marked.len(), 1);
        assert_eq!(marked[0].text, "trigger");
    }

    #[test]
    fn bad_marks_do_no_harm() {
        let text = "é漢🙂";
        for start in 0..12 {
            for end in 0..12 {
                let all = pieces(text, &[(start, end, String::new())]);
                assert_eq!(plain(&all), text);
                let cut =
                    around(text, &[(start, end, String::new()), (usize::MAX, usize::MAX, String::new())], 4);
                assert!(width(&plain(&cut)) <= 4);
            }
        }
        assert!(around("", &[(0, 0, String::new())], 0).is_empty());
    }

    #[test]
    fn wide_text_keeps_to_its_columns() {
        for room in 0..30 {
            assert!(width(&short(&"漢字🙂e\u{301}\u{200b}".repeat(50), room)) <= room);
        }
        assert_eq!(short("short", 10), "short");
        assert_eq!(short("much too long", 10), "much too…");
    }
}
