//! Labels against a model that learned from trusted data only.

use super::read::Both;
use super::{Difference, Effect, Question};
use foretaste_core::MISSING;
use foretaste_num::softmax::FoldOptions;
use foretaste_num::stats::{Tail, fisher_exact};
use foretaste_num::two_sample::{Part, stratified_excess};
use foretaste_victims::surrogate;

/// What the model says of each new row.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradicted {
    /// Its most probable class.
    pub expected: Vec<String>,
    /// Probability that it gives to that class, less that of the given label.
    pub margin: Vec<f32>,
}

/// How much more probable another class must be than the given one, for a label to be contradicted. Where classes are hard to tell
/// apart, wrong labels stand out among those that are contradicted strongly.
const MARGINS: [f32; 3] = [0.0, 0.5, 0.9];

/// Per class, and over all: labels that are contradicted, weakly or strongly, more often than among held-out trusted rows.
///
/// The folds are those of the trusted rows; new rows are dealt out among them, and each row of either kind is judged
/// by the model of its fold, which learned from the trusted rows of the others. So both are judged by models of equal
/// strength, and within a fold they are exchangeable. Over folds, errors of trusted rows depend on each other, because each
/// helps to train the judge of the others; that can double the variance of their number and no more, so they count half.
pub fn contradicted(both: &Both, folds: &FoldOptions) -> Option<(Vec<Difference>, Contradicted)> {
    let classes = both.classes.len();
    if both.labels.is_empty() || both.known.iter().filter(|k| **k).count() < 2 || both.features.is_empty() {
        return None;
    }
    let probs = probabilities(both, folds);
    let top = |p: &[f32]| {
        let larger = |best: (usize, f32), (c, v): (usize, &f32)| if *v > best.1 { (c, *v) } else { best };
        p.iter().enumerate().fold((0, f32::NEG_INFINITY), larger)
    };
    let tops: Vec<(usize, f32)> = probs.chunks_exact(classes).map(top).collect();
    let own = |i: usize| probs[i * classes..].get(both.labels[i] as usize).copied().unwrap_or(0.0);
    let margin: Vec<f32> = tops.iter().enumerate().map(|(i, (_, most))| most - own(i)).collect();
    let mut members: Vec<Vec<u64>> = vec![vec![]; classes];
    for (i, &label) in both.labels[..both.new].iter().enumerate() {
        if let Some(of) = members.get_mut(label as usize) {
            of.push(i as u64);
        }
    }
    let firmest = |a: &u64, b: &u64| margin[*b as usize].total_cmp(&margin[*a as usize]).then(a.cmp(b));
    members.iter_mut().for_each(|m| m.sort_by(firmest));
    let mut out = vec![];
    for least in MARGINS {
        let wrong = |i: usize| tops[i].0 != both.labels[i] as usize && margin[i] >= least;
        let counts = counts(both, wrong);
        let halved: Vec<(Part, Part)> =
            counts.iter().map(|&(new, (k, m))| (new, (k.div_ceil(2), m.div_ceil(2)))).collect();
        let one = |subject: &str, (new, old): (Part, Part), p: f64, rows: Vec<u64>| Difference {
            question: Question::Labels,
            subject: subject.to_owned(),
            what: if least > 0.0 {
                format!("another class more probable by {least} at least")
            } else {
                String::new()
            },
            effect: Effect::Share(new, old),
            p: if p.is_nan() { 1.0 } else { p },
            rows,
        };
        let mut all: Vec<u64> = vec![];
        for (c, &(new, old)) in halved.iter().enumerate().filter(|(_, (new, old))| new.1 > 0 && old.1 > 0) {
            let rows: Vec<u64> = members[c].iter().copied().filter(|&i| wrong(i as usize)).collect();
            let p = fisher_exact([[new.0, new.1 - new.0], [old.0, old.1 - old.0]], Tail::Greater);
            all.extend(&rows);
            out.push(one(&both.classes[c], counts[c], p, rows));
        }
        all.sort_by(firmest);
        out.push(one("", as_mixed(&counts), stratified_excess(&halved), all));
    }
    let expected = tops[..both.new].iter().map(|(c, _)| both.classes[*c].clone()).collect();
    Some((out, Contradicted { expected, margin: margin[..both.new].to_vec() }))
}

/// Class probabilities of all rows by models that learned from trusted rows of other folds.
fn probabilities(both: &Both, folds: &FoldOptions) -> Vec<f32> {
    let classes = both.classes.len();
    let trained: Vec<u32> =
        both.labels.iter().enumerate().map(|(i, l)| if i < both.new { MISSING } else { *l }).collect();
    let mut probs = vec![0f32; both.rows() * classes];
    for (_, features) in &both.features {
        let out = surrogate(features, &trained, classes, None, folds);
        probs.iter_mut().zip(&out.probs).for_each(|(sum, p)| *sum += p / both.features.len() as f32);
    }
    probs
}

/// Of each class that the trusted data know: wrong labels among the new and among the trusted.
fn counts(both: &Both, wrong: impl Fn(usize) -> bool) -> Vec<(Part, Part)> {
    let mut counts: Vec<(Part, Part)> = vec![((0, 0), (0, 0)); both.classes.len()];
    for (i, &label) in both.labels.iter().enumerate() {
        let known = both.known.get(label as usize).copied().unwrap_or(false);
        if let Some((new, old)) = counts.get_mut(label as usize).filter(|_| known) {
            let part = if i < both.new { new } else { old };
            part.0 += u64::from(wrong(i));
            part.1 += 1;
        }
    }
    counts
}

/// All classes together; the trusted share is that of the trusted classes in the mixture of the new data.
fn as_mixed(counts: &[(Part, Part)]) -> (Part, Part) {
    let both_sides = || counts.iter().filter(|(new, old)| new.1 > 0 && old.1 > 0);
    let new = both_sides().fold((0, 0), |s, (new, _)| (s.0 + new.0, s.1 + new.1));
    let expected: f64 = both_sides().map(|(new, old)| new.1 as f64 * old.0 as f64 / old.1 as f64).sum();
    (new, ((expected.round() as u64).min(new.1), new.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_classes_together_are_weighed_by_the_new_mixture() {
        // 100 of a hard class and 10 of an easy one; the trusted have 10 and 1000
        let counts = [((40, 100), (3, 10)), ((1, 10), (100, 1000)), ((5, 5), (0, 0))];
        assert_eq!(as_mixed(&counts), ((41, 110), (31, 110)));
    }
}
