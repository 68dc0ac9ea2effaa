//! Shares of classes, values of columns, and words.

use super::read::Both;
use super::{Difference, Effect, Question};
use foretaste_core::MISSING;
use foretaste_num::ngrams::{NgramOptions, Vocabulary, Weighting};
use foretaste_num::stats::{ks_two_sample, median};
use foretaste_num::two_sample::{Part, beyond, shares as compare};
use foretaste_victims::table::Column;
use rayon::prelude::*;

/// Values and words in fewer rows than this share of all are pooled or left out: what is rarer cannot make the least
/// difference that is told.
const RARE: f64 = 0.001;
/// A number of at most so many values is compared value by value.
const FEW: usize = 20;

/// How often each class is.
pub fn shares(both: &Both) -> Vec<Difference> {
    let mut counts = vec![(0u64, 0u64); both.classes.len()];
    for (i, &label) in both.labels.iter().enumerate() {
        if let Some(c) = counts.get_mut(label as usize) {
            if i < both.new { c.0 += 1 } else { c.1 += 1 }
        }
    }
    let (n, m) = counts.iter().fold((0, 0), |all, c| (all.0 + c.0, all.1 + c.1));
    if counts.len() < 2 || n == 0 || m == 0 {
        return vec![];
    }
    let one = |(c, count): (usize, &(u64, u64))| {
        difference(Question::Shares, &both.classes[c], "", (count.0, n), (count.1, m), vec![])
    };
    counts.iter().enumerate().map(one).collect()
}

/// Values of columns: numbers by their distribution, few values one by one, and what is missing.
pub fn columns(both: &Both) -> Vec<Difference> {
    let each = both.columns.par_iter().map(|(column, levels)| match column {
        Column::Category { name, codes, .. } => category(both, name, codes, levels),
        Column::Number { name, values } => number(both, name, values),
    });
    each.collect::<Vec<_>>().concat()
}

fn number(both: &Both, name: &str, values: &[f64]) -> Vec<Difference> {
    let mut distinct: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    distinct.par_sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() <= FEW {
        let code = |v: &f64| distinct.iter().position(|d| d == v).map_or(MISSING, |i| i as u32);
        let codes: Vec<u32> = values.iter().map(code).collect();
        let levels: Vec<String> = distinct.iter().map(|v| format!("{v}")).collect();
        return category(both, name, &codes, &levels);
    }
    let (new, old) = values.split_at(both.new.min(values.len()));
    let mut out = missing(both, name, |i| !values[i].is_finite());
    let ks = ks_two_sample(new, old);
    out.push(Difference {
        question: Question::Columns,
        subject: name.to_owned(),
        what: "distribution".into(),
        effect: Effect::Distance(ks.statistic, median(new), median(old)),
        p: ks.p,
        rows: vec![],
    });
    if let Some(b) = beyond(new, old) {
        let known = |v: &&f64| v.is_finite();
        let least = old.iter().filter(known).copied().fold(f64::INFINITY, f64::min);
        let most = old.iter().filter(known).copied().fold(f64::NEG_INFINITY, f64::max);
        let outside = |v: f64| v.is_finite() && (v < least || v > most);
        out.push(Difference {
            question: Question::Columns,
            subject: name.to_owned(),
            what: format!("outside {least} to {most}"),
            effect: Effect::Outside((b.below + b.above, new.iter().filter(known).count() as u64)),
            p: b.p,
            rows: (0..new.len() as u64).filter(|&i| outside(new[i as usize])).collect(),
        });
    }
    out
}

fn category(both: &Both, name: &str, codes: &[u32], levels: &[String]) -> Vec<Difference> {
    let mut counts = vec![(0u64, 0u64); levels.len()];
    for (i, &code) in codes.iter().enumerate() {
        if let Some(c) = counts.get_mut(code as usize) {
            if i < both.new { c.0 += 1 } else { c.1 += 1 }
        }
    }
    let (n, m) = counts.iter().fold((0, 0), |all, c| (all.0 + c.0, all.1 + c.1));
    let rare = |c: &(u64, u64)| c.0 + c.1 < fewest(both);
    let mut out = missing(both, name, |i| codes[i] as usize >= levels.len());
    let values = counts.iter().filter(|c| c.0 + c.1 > 0).count();
    for (level, count) in counts.iter().enumerate().filter(|(_, c)| !rare(c)) {
        let unseen = if count.1 == 0 {
            (0..both.new as u64).filter(|&i| codes[i as usize] as usize == level).collect()
        } else {
            vec![]
        };
        let what = format!("= `{}`", levels[level]);
        out.push(difference(Question::Columns, name, &what, (count.0, n), (count.1, m), unseen));
        if values == 2 {
            // the other value says the same
            break;
        }
    }
    // values so rare that none can be tested are compared together: how often such values are is fixed before the cut
    let pooled = counts.iter().filter(|c| rare(c)).fold((0, 0), |all, c| (all.0 + c.0, all.1 + c.1));
    if pooled.0 + pooled.1 >= fewest(both) {
        out.push(difference(Question::Columns, name, "rare values", (pooled.0, n), (pooled.1, m), vec![]));
    }
    out
}

fn missing(both: &Both, name: &str, is: impl Fn(usize) -> bool) -> Vec<Difference> {
    let count =
        |rows: std::ops::Range<usize>| (rows.clone().filter(|&i| is(i)).count() as u64, rows.len() as u64);
    let (new, old) = (count(0..both.new), count(both.new..both.rows()));
    if new.0 + old.0 == 0 {
        return vec![];
    }
    vec![difference(Question::Columns, name, "missing", new, old, vec![])]
}

/// How many texts hold each word.
pub fn words(both: &Both) -> Vec<Difference> {
    if both.texts.is_empty() {
        return vec![];
    }
    let options = NgramOptions {
        max_n: 1,
        min_df: fewest(both).min(u64::from(u32::MAX)) as u32,
        weighting: Weighting::Binary,
        ..NgramOptions::default()
    };
    let (vocabulary, rows) = Vocabulary::build_with_rows(&both.texts, &options);
    let mut counts = vec![(0u64, 0u64); vocabulary.len()];
    for i in 0..rows.rows() {
        for &word in rows.row(i).0 {
            if let Some(c) = counts.get_mut(word as usize) {
                if i < both.new { c.0 += 1 } else { c.1 += 1 }
            }
        }
    }
    let (n, m) = (both.new as u64, both.old() as u64);
    let mut out: Vec<Difference> = vec![];
    for (word, count) in counts.iter().enumerate() {
        let name = vocabulary.ngram(&both.texts, word as u32).unwrap_or_default().to_lowercase();
        let unseen = if count.1 == 0 {
            (0..both.new).filter(|&i| rows.row(i).0.contains(&(word as u32))).map(|i| i as u64).collect()
        } else {
            vec![]
        };
        out.push(difference(Question::Words, &name, "", (count.0, n), (count.1, m), unseen));
    }
    out
}

/// Fewest rows of both sides in which a value or word is looked at.
fn fewest(both: &Both) -> u64 {
    ((both.rows() as f64 * RARE).ceil() as u64).max(10)
}

fn difference(
    question: Question,
    subject: &str,
    what: &str,
    new: Part,
    old: Part,
    rows: Vec<u64>,
) -> Difference {
    Difference {
        question,
        subject: subject.to_owned(),
        what: what.to_owned(),
        effect: Effect::Share(new, old),
        p: compare(new, old),
        rows,
    }
}
