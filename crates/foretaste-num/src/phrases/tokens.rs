//! Texts as sequences of numbered words.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use crate::habits::habits;

/// In a phrase: any one word. Spelled `*`, which is no token.
pub(super) const ANY: u32 = u32::MAX - 1;

/// Texts handled by one task. Fixed, so that the work is split alike on any number of threads.
const CHUNK: usize = 1024;

/// Calls `each` with every token of `text` (lower-cased) and its place in bytes.
///
/// A token is a run of letters, digits and underscores, or a run of symbols. A single mark of ASCII punctuation is no
/// token: it would part words that stand side by side.
pub fn tokens(text: &str, mut each: impl FnMut(&str, Range<usize>)) {
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 1 } else { u8::from(!c.is_whitespace()) * 2 };
    let mut lower = String::new();
    let mut run = (0u8, 0usize);
    let mut emit = |kind: u8, span: Range<usize>| {
        let piece = &text[span.clone()];
        if kind == 1 || (kind == 2 && !(piece.len() == 1 && piece.is_ascii())) {
            lower.clear();
            lower.extend(piece.chars().flat_map(char::to_lowercase));
            each(&lower, span);
        }
    };
    for (at, c) in text.char_indices() {
        let kind = class(c);
        if kind != run.0 {
            emit(run.0, run.1..at);
            run = (kind, at);
        }
    }
    emit(run.0, run.1..text.len());
}

/// Texts as word numbers.
pub(super) struct Texts {
    /// Words of all texts, one after the other.
    pub words: Vec<u32>,
    /// Where the words of each text begin, and the end of the last: texts + 1 numbers.
    pub starts: Vec<usize>,
    /// The word of each number.
    pub names: Vec<String>,
}

impl Texts {
    /// Numbers the words in the order of their first occurrence.
    pub fn new<S: AsRef<str> + Sync>(texts: &[S]) -> Self {
        let parts: Vec<(Vec<u32>, Vec<usize>, Vec<String>)> =
            texts.par_chunks(CHUNK).map(Self::part).collect();
        let mut out = Self { words: vec![], starts: vec![0], names: vec![] };
        let mut known: HashMap<String, u32> = HashMap::new();
        for (words, ends, names) in parts {
            let number: Vec<u32> = names
                .into_iter()
                .map(|name| {
                    let next = out.names.len() as u32;
                    *known.entry(name).or_insert_with_key(|name| {
                        out.names.push(name.clone());
                        next
                    })
                })
                .collect();
            let before = out.words.len();
            out.words.extend(words.into_iter().map(|w| number[w as usize]));
            out.starts.extend(ends.into_iter().map(|e| before + e));
        }
        out
    }

    fn part<S: AsRef<str>>(texts: &[S]) -> (Vec<u32>, Vec<usize>, Vec<String>) {
        let (mut words, mut ends, mut names) = (vec![], vec![], vec![]);
        let mut known: HashMap<String, u32> = HashMap::new();
        for text in texts {
            let mut push = |token: &str| {
                let number = match known.get(token) {
                    Some(n) => *n,
                    None => {
                        let next = names.len() as u32;
                        known.insert(token.to_owned(), next);
                        names.push(token.to_owned());
                        next
                    }
                };
                words.push(number);
            };
            // how a text is written stands before it like a word
            habits(text.as_ref()).for_each(|habit| push(habit.name()));
            tokens(text.as_ref(), |token, _| push(token));
            ends.push(words.len());
        }
        (words, ends, names)
    }

    /// The first `rows` texts, and the others; words keep their numbers.
    pub fn split_at(mut self, rows: usize) -> (Self, Self) {
        let at = self.starts[rows];
        let rest = Self {
            words: self.words.split_off(at),
            starts: self.starts[rows..].iter().map(|s| s - at).collect(),
            names: self.names.clone(),
        };
        self.starts.truncate(rows + 1);
        (self, rest)
    }

    /// Every `n` texts in a row as one.
    pub fn joined(&self, n: usize) -> Self {
        let starts = self.starts.iter().step_by(n.max(1)).copied().collect();
        Self { words: self.words.clone(), starts, names: self.names.clone() }
    }

    /// Some texts, without the words of a phrase (of one word at least) wherever it stands.
    pub fn without(&self, rows: &[u32], phrase: &[u32]) -> Self {
        let mut out = Self { words: vec![], starts: vec![0], names: self.names.clone() };
        for &row in rows {
            let row = self.row(row as usize);
            let mut at = 0;
            while at < row.len() {
                if begins(&row[at..], phrase) {
                    at += phrase.len();
                } else {
                    out.words.push(row[at]);
                    at += 1;
                }
            }
            out.starts.push(out.words.len());
        }
        out
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Words of a text.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.words[self.starts[i]..self.starts[i + 1]]
    }

    /// Words as text.
    pub fn spell(&self, words: &[u32]) -> String {
        let name = |w: &u32| self.names.get(*w as usize).map_or("*", String::as_str);
        let names: Vec<&str> = words.iter().map(name).collect();
        names.join(" ")
    }
}

/// Places at which `phrase` stands in `row`.
pub(super) fn places(row: &[u32], phrase: &[u32]) -> Vec<usize> {
    if phrase.is_empty() || row.len() < phrase.len() {
        return vec![];
    }
    (0..=row.len() - phrase.len()).filter(|&s| begins(&row[s..], phrase)).collect()
}

/// Whether a text begins with a phrase.
fn begins(text: &[u32], phrase: &[u32]) -> bool {
    text.len() >= phrase.len() && text.iter().zip(phrase).all(|(a, b)| a == b || *b == ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_letter_and_runs_of_symbols_are_tokens_and_single_marks_are_not() {
        let mut out = vec![];
        tokens("A cf, don't!! ≈ x=1 für", |t, span| out.push((t.to_owned(), span)));
        let words: Vec<&str> = out.iter().map(|(t, _)| t.as_str()).collect();
        assert_eq!(words, ["a", "cf", "don", "t", "!!", "≈", "x", "1", "für"]);
        assert_eq!(out[1].1, 2..4);
    }

    #[test]
    fn numbers_follow_first_occurrence() {
        let texts = Texts::new(&["b a b", "", "a c"]);
        assert_eq!(texts.names, ["b", "a", "c"]);
        assert_eq!((texts.row(0), texts.row(1), texts.row(2)), (&[0, 1, 0][..], &[][..], &[1, 2][..]));
        assert_eq!(places(&[0, 1, 0, 1, 0], &[0, 1]), [0, 2]);
        assert_eq!(places(&[0, 1, 0, 2, 0, 1], &[0, ANY, 0]), [0, 2]);
        assert_eq!(texts.spell(&[1, ANY, 2]), "a * c");
        let rest = Texts::new(&["x a b c y a", "a b"]).without(&[0, 1], &[1, ANY, 3]);
        assert_eq!((rest.row(0), rest.row(1)), (&[0, 4, 1][..], &[1, 2][..]));
    }
}
