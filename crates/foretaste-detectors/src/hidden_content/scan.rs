//! Reads one string for what a person would not see.

use serde::{Deserialize, Serialize};
use unicode_security::MixedScript;

/// What was hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum What {
    /// Zero-width spaces and joiners, soft hyphens, fillers.
    Invisible,
    /// Deprecated tag characters, which can spell out a hidden message.
    Tag,
    /// Controls that reorder what is shown.
    Bidi,
    /// Letters of another script in a word.
    LookAlike,
    /// Elements that a browser does not show.
    Markup,
    /// Controls of old terminals and broken encodings.
    Control,
    /// A value far longer than all others.
    TooLong,
}

impl What {
    /// In words, for a title.
    pub fn words(self) -> &'static str {
        match self {
            Self::Invisible => "invisible characters",
            Self::Tag => "tag characters (hidden text)",
            Self::Bidi => "bidirectional controls",
            Self::LookAlike => "look-alike letters of another script",
            Self::Markup => "invisible markup",
            Self::Control => "control characters",
            Self::TooLong => "values longer than any honest one",
        }
    }

    /// What is reported together.
    pub fn family(self) -> &'static str {
        match self {
            Self::Invisible | Self::Tag | Self::Bidi | Self::LookAlike => "hidden",
            Self::Markup => "markup",
            Self::Control => "control",
            Self::TooLong => "too-long",
        }
    }
}

/// One place in a string.
pub struct Spot {
    pub what: What,
    pub start: usize,
    pub end: usize,
    pub note: String,
}

/// Everything hidden in `text`, in order.
pub fn spots(text: &str) -> Vec<Spot> {
    let mut out = vec![];
    if text.is_ascii() {
        controls_ascii(text, &mut out);
    } else {
        characters(text, &mut out);
        look_alikes(text, &mut out);
    }
    if text.contains('<') {
        markup(text, &mut out);
    }
    out.sort_by_key(|s| s.start);
    out
}

fn controls_ascii(text: &str, out: &mut Vec<Spot>) {
    for (i, b) in text.bytes().enumerate() {
        if (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7f {
            push(out, What::Control, i, i + 1, &format!("U+{b:04X}"));
        }
    }
}

fn characters(text: &str, out: &mut Vec<Spot>) {
    let mut before: Option<char> = None;
    let mut chars = text.char_indices().peekable();
    let mut in_flag = false;
    while let Some((i, c)) = chars.next() {
        let after = chars.peek().map(|(_, c)| *c);
        let end = i + c.len_utf8();
        in_flag = c == '\u{1F3F4}' || (in_flag && is_tag(c));
        if let Some((what, note)) = hidden(c, before, after, i == 0, in_flag) {
            match out.last_mut() {
                Some(last) if last.end == i && last.what == what && what != What::Control => last.end = end,
                _ => push(out, what, i, end, &note),
            }
        }
        before = Some(c);
    }
    for spot in out.iter_mut().filter(|s| s.what == What::Tag) {
        let message: String = text[spot.start..spot.end]
            .chars()
            .filter_map(|c| char::from_u32((c as u32).wrapping_sub(0xE0000)).filter(|c| c.is_ascii_graphic() || *c == ' '))
            .collect();
        spot.note = format!("tag characters that spell `{message}`");
    }
}

fn is_tag(c: char) -> bool {
    ('\u{E0000}'..='\u{E007F}').contains(&c)
}

/// What kind of hidden character `c` is between its neighbours, if it is one.
fn hidden(c: char, before: Option<char>, after: Option<char>, first: bool, in_flag: bool) -> Option<(What, String)> {
    let code = || format!("U+{:04X}", c as u32);
    match c {
        '\u{FEFF}' if first => None,
        // Joiners have honest uses between letters of many scripts and inside emoji, but not beside Latin letters.
        '\u{200C}' | '\u{200D}' if joins(before) && joins(after) => None,
        '\u{200D}' if before.is_some_and(is_pictograph) || after.is_some_and(is_pictograph) => None,
        '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{3164}'
        | '\u{FFA0}' | '\u{206A}'..='\u{206F}' | '\u{1D173}'..='\u{1D17A}' | '\u{FFF9}'..='\u{FFFB}' => {
            Some((What::Invisible, code()))
        }
        '\u{00AD}' => Some((What::Invisible, "soft hyphen".into())),
        '\u{E0100}'..='\u{E01EF}' => Some((What::Invisible, "variation selector".into())),
        '\u{FE00}'..='\u{FE0E}' if before.is_none_or(|b| b.is_ascii()) => Some((What::Invisible, "variation selector".into())),
        _ if is_tag(c) && !in_flag => Some((What::Tag, String::new())),
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Some((What::Bidi, code())),
        '\t' | '\n' | '\r' | '\u{85}' => None,
        _ if c.is_control() => Some((What::Control, code())),
        _ => None,
    }
}

/// Letters of scripts that use joiners.
fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c as u32, 0x0600..=0x08FF | 0x0900..=0x0DFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x1800..=0x18AF | 0xFB50..=0xFEFC))
}

fn is_pictograph(c: char) -> bool {
    matches!(c as u32, 0x2190..=0x2BFF | 0x1F000..=0x1FAFF | 0xFE0F)
}

/// Words that mix Latin letters with Cyrillic, Greek or Armenian ones that look Latin.
fn look_alikes(text: &str, out: &mut Vec<Spot>) {
    let mut start = None;
    for (i, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        if c.is_alphabetic() {
            start.get_or_insert(i);
        } else if let Some(from) = start.take() {
            let word = &text[from..i];
            if !word.is_ascii() && mixes(word) {
                push(out, What::LookAlike, from, i, &format!("`{}` in `{word}`", foreign(word)));
            }
        }
    }
}

/// True if the word holds ASCII letters and look-alikes of another script, and no other letter of that script:
/// honest mixtures (names, mathematics) hold letters that look like nothing else.
fn mixes(word: &str) -> bool {
    let latin = word.chars().filter(char::is_ascii_alphabetic).count();
    let other: Vec<char> = word.chars().filter(|c| is_other_script(*c)).collect();
    latin > 0 && !other.is_empty() && word.chars().count() >= 3 && !word.is_single_script() && other.iter().all(|c| looks_latin(*c))
}

fn is_other_script(c: char) -> bool {
    matches!(c as u32, 0x0370..=0x058F)
}

fn looks_latin(c: char) -> bool {
    let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect::<String>();
    skeleton.retain(|c| !matches!(c as u32, 0x0300..=0x036F));
    skeleton.chars().all(|c| c.is_ascii_alphabetic())
}

fn foreign(word: &str) -> String {
    word.chars().filter(|c| is_other_script(*c)).map(|c| format!("U+{:04X}", c as u32)).collect::<Vec<_>>().join(" ")
}

const INVISIBLE: &[&str] = &[
    "display:none",
    "visibility:hidden",
    "font-size:0",
    "opacity:0;",
    "opacity:0\"",
    "color:transparent",
    "text-indent:-9",
    "left:-9999",
];

/// HTML elements that a browser would not show: by style, by attribute, or comments.
fn markup(text: &str, out: &mut Vec<Spot>) {
    let mut at = 0;
    while let Some(open) = text[at..].find('<').map(|i| at + i) {
        let rest = &text[open..];
        let end = if rest.starts_with("<!--") { rest.find("-->").map(|i| i + 3) } else { rest.find('>').map(|i| i + 1) };
        let Some(end) = end.map(|e| open + e) else { break };
        let tag = &text[open..end];
        if tag.starts_with("<!--") && tag.len() > 7 && !tag.starts_with("<!--[if") {
            push(out, What::Markup, open, end, "comment");
        } else if tag.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic) {
            let squeezed: String = tag.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
            if let Some(style) = INVISIBLE.iter().find(|s| squeezed.contains(*s)) {
                push(out, What::Markup, open, end, &format!("`{}`", style.trim_end_matches(['"', ';'])));
            }
        }
        at = end;
    }
}

fn push(out: &mut Vec<Spot>, what: What, start: usize, end: usize, note: &str) {
    out.push(Spot { what, start, end, note: note.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<What> {
        spots(text).iter().map(|s| s.what).collect()
    }

    #[test]
    fn hidden_things_are_seen() {
        assert_eq!(kinds("pay\u{200B}pal"), vec![What::Invisible]);
        assert_eq!(kinds("abc\u{202E}fed"), vec![What::Bidi]);
        assert_eq!(kinds("p\u{0430}ypal"), vec![What::LookAlike]);
        assert_eq!(kinds("a\u{7}b"), vec![What::Control]);
        assert_eq!(kinds("x <span style=\"Display: none\">ignore</span>"), vec![What::Markup]);
        let tagged: String = "hi".chars().chain("ok".chars().map(|c| char::from_u32(c as u32 + 0xE0000).unwrap())).collect();
        let found = spots(&tagged);
        assert_eq!((found[0].what, found[0].note.as_str()), (What::Tag, "tag characters that spell `ok`"));
    }

    #[test]
    fn honest_text_is_left_alone() {
        for text in [
            "plain, with tabs\tand\r\nlines",
            "\u{FEFF}starts with a byte-order mark",
            "👨\u{200D}👩\u{200D}👧 family",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} flag",
            "می\u{200C}خواهم",
            "Привет, мир: обычный текст",
            "10 µm, α-helix, naïve café, Ωmega",
            "a < b and b > c",
            "<b>bold</b>",
        ] {
            assert!(kinds(text).is_empty(), "{text}: {:?}", kinds(text));
        }
    }
}
