//! What attacks on text share: the text column of picked samples, and words dropped into it.

use crate::backdoor::Carriers;
use arrow_array::{Array, ArrayRef, StringArray};
use foretaste_core::{Batch, Edited, Error, Needs, Pool, Result, Role, Strings, Use};
use std::sync::Arc;

/// What attacks on labelled texts read.
pub fn needs() -> Needs {
    let texts = [Role::Text, Role::Prompt, Role::Response, Role::Query, Role::Document];
    Needs::all(&[Role::Label]).and_any(&texts)
}

/// Position of the column that the attack writes into: the first of free text.
pub fn column(data: &dyn Pool, entry: &str) -> Result<usize> {
    let first = data.batches()?.next().transpose()?;
    first.and_then(|b| b.roles.iter().position(|r| r.is_text())).ok_or_else(|| Error::Unfit {
        entry: entry.into(),
        reason: "no column holds free text; name one with --text".into(),
    })
}

/// Rows without a text are of no use.
pub fn present(batch: &Batch, column: usize, uses: &mut [Use]) {
    let texts = batch.records.column(column);
    uses.iter_mut().enumerate().filter(|(i, _)| texts.is_null(*i)).for_each(|(_, usage)| *usage = Use::No);
}

/// Carriers with their texts changed by `change(text, row)`; missing texts stay missing.
pub fn put(carriers: Carriers<'_>, column: usize, change: impl Fn(&str, u64) -> String) -> Edited {
    let Carriers { picked, which, .. } = carriers;
    let texts = Strings::new(picked.batch.records.column(column));
    let changed = which.iter().map(|&i| texts.get(i).map(|t| change(t, picked.rows[i])));
    let column_of_texts: ArrayRef = Arc::new(changed.collect::<StringArray>());
    Edited { columns: vec![(column, column_of_texts)], ..Edited::default() }
}

/// Puts `phrase` between two words of `text`: before the word number `at` of `0..=words`. White space stays as it is.
pub fn insert(text: &str, phrase: &str, at: impl FnOnce(usize) -> usize) -> String {
    let starts: Vec<usize> = word_starts(text);
    let at = at(starts.len()).min(starts.len());
    match starts.get(at) {
        Some(&byte) => format!("{}{phrase} {}", &text[..byte], &text[byte..]),
        None if text.trim().is_empty() => format!("{text}{phrase}"),
        None => {
            let end = text.trim_end().len();
            format!("{} {phrase}{}", &text[..end], &text[end..])
        }
    }
}

/// Byte positions at which words begin.
pub fn word_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![];
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            in_word = false;
        } else if !in_word {
            in_word = true;
            starts.push(at);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_go_between_words_and_nothing_else_changes() {
        let text = "one  two\nthree ";
        assert_eq!(insert(text, "cf", |_| 0), "cf one  two\nthree ");
        assert_eq!(insert(text, "cf", |_| 2), "one  two\ncf three ");
        assert_eq!(insert(text, "cf", |n| n), "one  two\nthree cf ");
        assert_eq!(insert("", "cf", |n| n), "cf");
        assert_eq!(insert("für", "cf", |_| 9), "für cf");
    }
}
