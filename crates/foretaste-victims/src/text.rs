//! Texts as rows of weighted word n-grams.

use foretaste_num::ngrams::{NgramOptions, Vocabulary, Weighting};

use crate::Features;

/// Default n-grams of a text surrogate: words, pairs and triples in at least two texts, as tf-idf.
///
/// Tf-idf was the better weighting on all sets tried (held-out log-loss 0.466 instead of 0.489 on
/// sentence_polarity, 0.050 instead of 0.053 on sms_spam).
#[must_use]
pub fn default_options() -> NgramOptions {
    NgramOptions { weighting: Weighting::TfIdf, ..NgramOptions::default() }
}

/// Turns texts into rows; also returns the vocabulary that names the columns.
#[must_use]
pub fn features(texts: &[&str], options: &NgramOptions) -> (Vocabulary, Features) {
    let (vocabulary, rows) = Vocabulary::build_with_rows(texts, options);
    (vocabulary, Features::Sparse(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surrogate;
    use foretaste_num::softmax::FoldOptions;

    #[test]
    fn words_that_tell_the_class_are_learnt() {
        let texts: Vec<String> = (0..400)
            .map(|i| {
                format!("note {} of {} {}", i % 37, i % 11, if i % 2 == 0 { "fine day" } else { "bad night" })
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let labels: Vec<u32> = (0..400).map(|i| i % 2).collect();
        let (vocabulary, features) = features(&texts, &default_options());
        assert!(vocabulary.column("fine day").is_some());
        let out = surrogate(&features, &labels, 2, None, &FoldOptions::default());
        assert!(out.accuracy > 0.99, "{}", out.accuracy);
    }

    #[test]
    fn no_text_is_no_trouble() {
        let (_, none) = features(&[], &default_options());
        assert!(none.is_empty());
        let (_, blank) = features(&["", ""], &default_options());
        assert!(
            surrogate(&blank, &[0, 1], 2, None, &FoldOptions::default()).probs.iter().all(|p| p.is_finite())
        );
    }
}
