//! What the strongest samples have in common with the inputs: a phrase, or a value of a column.

use super::Shared;
use super::influence::Influence;
use crate::dataset::Dataset;
use foretaste_core::{Picked, Role, Strings};
use foretaste_num::ngrams::words;
use foretaste_num::rng::mix;
use foretaste_victims::encode::texts;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Strongest samples that are compared.
const STRONGEST: usize = 30;
/// Words of a phrase.
const WORDS: usize = 5;
/// Most that are told.
const TOLD: usize = 3;
/// Least log-likelihood ratio: hundreds of phrases are compared, and the best of chance would be told else.
const EVIDENCE: f64 = 10.0;
/// Least share of the strongest samples that have it.
const LEAST: f64 = 0.3;

/// How a phrase is told, up to the phrase.
pub const PHRASE: &str = "the words `";

/// What many of the strongest samples and all inputs have, and few others.
pub fn find(dataset: &Dataset, train: &Picked, asked: &Picked, influence: &Influence) -> Vec<Shared> {
    let strongest: Vec<u64> = influence.strongest().into_iter().take(STRONGEST).collect();
    if strongest.len() < 2 || asked.is_empty() {
        return vec![];
    }
    let mut found = vec![];
    if dataset.has_text() {
        found.extend(phrases(train, asked, &strongest));
    }
    for (name, column) in train.batch.columns(|r| r == Role::Feature) {
        let (own, given) =
            (Strings::new(column), asked.batch.columns(|r| r == Role::Feature).find(|(n, _)| *n == name));
        let Some(given) = given.map(|(_, column)| Strings::new(column)) else { continue };
        let Some(value) = given.get(0).filter(|v| (1..asked.len()).all(|i| given.get(i) == Some(v))) else {
            continue;
        };
        let has: Vec<bool> = (0..train.len()).map(|i| own.get(i) == Some(value)).collect();
        found.push(counted(format!("{name} = {value}"), &has, &strongest));
    }
    found.retain(|s| {
        s.strongest_with as f64 >= LEAST * s.strongest as f64 && evidence(s, train.len()) > EVIDENCE
    });
    found.sort_by(|a, b| {
        evidence(b, train.len()).total_cmp(&evidence(a, train.len())).then_with(|| a.what.cmp(&b.what))
    });
    let mut told: Vec<Shared> = vec![];
    for next in found {
        // a part of a phrase that was told says nothing new
        let part =
            next.phrase().is_some_and(|p| told.iter().filter_map(Shared::phrase).any(|t| t.contains(p)));
        if !part && told.len() < TOLD {
            told.push(next);
        }
    }
    told
}

fn counted(what: String, has: &[bool], strongest: &[u64]) -> Shared {
    let with = strongest.iter().filter(|row| has[**row as usize]).count() as u64;
    let members: Vec<u64> = (0..).zip(has).filter(|(_, h)| **h).map(|(row, _)| row).collect();
    let others_with = members.len() as u64 - with;
    Shared { what, strongest_with: with, strongest: strongest.len() as u64, others_with, members }
}

/// Log-likelihood ratio of the shares among the strongest and the others (Dunning 1993), negative if it is rarer among the strongest.
fn evidence(s: &Shared, rows: usize) -> f64 {
    let others = (rows as f64 - s.strongest as f64).max(1.0);
    let (a, b) = (s.strongest_with as f64, s.others_with as f64);
    let likely = |hits: f64, of: f64, p: f64| {
        let term = |n: f64, p: f64| if n > 0.0 { n * p.max(1e-300).ln() } else { 0.0 };
        term(hits, p) + term(of - hits, 1.0 - p)
    };
    let n = s.strongest as f64;
    let p = (a + b) / (n + others);
    let ratio = likely(a, n, a / n) + likely(b, others, b / others) - likely(a, n, p) - likely(b, others, p);
    if a / n > b / others { ratio } else { -ratio }
}

/// Phrases that all inputs hold, with how many samples hold them. Of phrases in the same samples the longest is told.
fn phrases(train: &Picked, asked: &Picked, strongest: &[u64]) -> Vec<Shared> {
    let mut common: Option<BTreeMap<u64, String>> = None;
    for text in texts(asked) {
        let own = named(&text);
        common = Some(match common {
            None => own,
            Some(so_far) => so_far.into_iter().filter(|(h, _)| own.contains_key(h)).collect(),
        });
    }
    let common = common.unwrap_or_default();
    let wanted: HashSet<u64> = common.keys().copied().collect();
    let held: Vec<Vec<u64>> = texts(train).par_iter().map(|t| among(t, &wanted)).collect();
    let mut rows: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (row, hashes) in (0u32..).zip(&held) {
        hashes.iter().for_each(|h| rows.entry(*h).or_default().push(row));
    }
    // of phrases with the same samples the longest says most
    let mut longest: BTreeMap<Vec<u32>, &str> = BTreeMap::new();
    for (hash, rows) in rows {
        let phrase = common.get(&hash).map_or("", String::as_str);
        let best = longest.entry(rows).or_default();
        if (phrase.len(), *best) > (best.len(), phrase) {
            *best = phrase;
        }
    }
    longest
        .into_iter()
        .map(|(rows, phrase)| {
            let of: BTreeSet<u32> = rows.into_iter().collect();
            let has: Vec<bool> = (0..train.len() as u32).map(|row| of.contains(&row)).collect();
            counted(format!("{PHRASE}{phrase}`"), &has, strongest)
        })
        .collect()
}

/// Hashes of the phrases of a text, and the phrases.
fn named(text: &str) -> BTreeMap<u64, String> {
    let mut tokens = vec![];
    words(text, |word, _| tokens.push(word.to_owned()));
    let mut out = BTreeMap::new();
    for start in 0..tokens.len() {
        let mut hash = 0;
        for length in 1..=WORDS.min(tokens.len() - start) {
            hash = mix(hash ^ hashed(&tokens[start + length - 1]));
            out.insert(hash, tokens[start..start + length].join(" "));
        }
    }
    out
}

/// Which of the wanted phrases a text holds, each once.
fn among(text: &str, wanted: &HashSet<u64>) -> Vec<u64> {
    let mut tokens = vec![];
    words(text, |word, _| tokens.push(hashed(word)));
    let mut out = vec![];
    for start in 0..tokens.len() {
        let mut hash = 0;
        for token in tokens.iter().skip(start).take(WORDS) {
            hash = mix(hash ^ token);
            if wanted.contains(&hash) {
                out.push(hash);
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

fn hashed(word: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_by_their_words() {
        let wanted: HashSet<u64> = named("Meet me around the corner").keys().copied().collect();
        assert_eq!(wanted.len(), 5 + 4 + 3 + 2 + 1);
        assert_eq!(among("it is AROUND the  corner, around the corner", &wanted).len(), 6);
        assert!(among("nothing", &wanted).is_empty());
    }

    #[test]
    fn evidence_grows_with_the_difference() {
        let s = |with, others| Shared {
            what: String::new(),
            strongest_with: with,
            strongest: 30,
            others_with: others,
            members: vec![],
        };
        assert!(evidence(&s(30, 5), 5000) > evidence(&s(20, 5), 5000));
        assert!(evidence(&s(30, 5), 5000) > evidence(&s(30, 500), 5000));
        assert!(evidence(&s(1, 4000), 5000) < 0.0);
    }
}
