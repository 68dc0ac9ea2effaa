//! Phrases that go with a class although the rest of the text speaks for another, or that were dropped into texts.
//!
//! For a phrase g and a class c, over the texts with g:
//! `z = sum(1[y = c] - p) / sqrt(sum p (1 - p) + 1/4)`, where p is the probability of c under an additive model that has not
//! seen the text, with everything that overlaps g taken away. A model that has learned a trigger is not surprised by it;
//! one from which the trigger is hidden is. All phrases of up to three words are looked at, and longer ones by growing
//! the best as long as their texts share the next word, or the one behind a word that changes.

mod additive;
mod answers;
mod insertion;
mod tokens;

pub use answers::{AnswerOptions, Answers, Called, answers};
pub use tokens::tokens;

use additive::Additive;
use insertion::{Bigrams, PRIOR};
use rayon::prelude::*;
use tokens::{ANY, Texts, places};

use crate::habits::Habit;
use crate::ngrams::Csr;
use crate::softmax::FoldOptions;
use crate::stats::auc;
use crate::surprise::{Labels, Ratio, Surprise, mostly_in};

/// How to look for phrases.
#[derive(Clone, Debug, PartialEq)]
pub struct PhraseOptions {
    /// Fewest texts of a phrase.
    pub least_rows: u32,
    /// Most words of a phrase.
    pub most_words: usize,
    /// Most phrases that come back for each class, by each of the two orders.
    pub most: usize,
    /// Folds of the model.
    pub folds: FoldOptions,
}

impl Default for PhraseOptions {
    fn default() -> Self {
        Self { least_rows: 5, most_words: 12, most: 40, folds: FoldOptions::default() }
    }
}

/// A phrase and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// Its words, lower-cased, parted by blanks; `*` stands for any one word.
    pub words: String,
    /// The class it goes with.
    pub class: u32,
    /// Labelled texts that hold it, ascending.
    pub rows: Vec<u32>,
    /// How its texts' labels stand to the class, the phrase taken away.
    pub surprise: Surprise,
    /// Whether it was dropped in; above 0 speaks for it. Of a habit of writing, whether the words of its texts are those of other
    /// classes.
    pub insertion: Ratio,
    /// How far its texts of the class can be told from texts of other classes, by the model from which it is hidden.
    pub apart: Apart,
}

/// How far the texts of a class that hold a phrase can be told from texts of other classes once the phrase is hidden.
///
/// Texts of another class that got a phrase and the class's label cannot be told from the other ones. Who writes a
/// phrase that goes with a class mostly writes more that does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    /// Probability that a text with the phrase looks more like the class than a text of another class: 0.5 where they are
    /// alike.
    pub auc: f64,
    /// Share of the class's frequent phrases, other than this one, that tell their texts apart so little:
    /// `(1 + those with an AUC up to one standard error above) / (1 + all)`. 1 for a habit of writing: that its texts are those
    /// of other classes is what [`Phrase::insertion`] says of it.
    pub p_value: f64,
}

impl Default for Apart {
    fn default() -> Self {
        Self { auc: 1.0, p_value: 1.0 }
    }
}

/// Phrases found and how many were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phrases {
    /// The most surprising first.
    pub found: Vec<Phrase>,
    /// Phrases looked at: what a p-value has to be corrected for.
    pub tested: usize,
    /// Pure phrases that were held against the ways in which words follow each other, over all classes.
    pub held: usize,
    /// Share of texts whose most probable class is the given one, out of fold.
    pub accuracy: f64,
}

/// Looks for phrases. `labels`: one per text, not below `classes` where there is none; such texts are not counted.
#[must_use]
pub fn phrases<S: AsRef<str> + Sync>(
    texts: &[S],
    labels: &[u32],
    classes: usize,
    options: &PhraseOptions,
) -> Phrases {
    if texts.len() != labels.len() || classes < 2 {
        return Phrases::default();
    }
    let texts = Texts::new(texts);
    let model = Additive::new(&texts, labels, classes, &options.folds);
    let labels = Labels::new(labels, classes);
    let others = others(&model, &labels);
    Search { model: &model, labels, options, others }.run()
}

/// A column looked at: the class it goes with, and two orders.
#[derive(Clone, Copy)]
struct Look {
    column: u32,
    class: u32,
    z: f64,
    /// z of the count of the class against its overall share.
    enriched: f64,
    pure: bool,
    /// See [`Apart::auc`].
    auc: f64,
}

/// See [`Search::others`]; of many texts some, evenly spaced.
fn others(model: &Additive, labels: &Labels) -> Vec<Vec<f32>> {
    let step = labels.codes.len().div_ceil(MOST_OTHERS).max(1);
    let rows: Vec<usize> = (0..labels.codes.len()).step_by(step).filter(|i| labels.knows(*i)).collect();
    let probs: Vec<Vec<f64>> = rows.par_iter().map(|&i| model.row(i).without(&[], 0)).collect();
    let of_class = |class: usize| {
        let others = rows.iter().zip(&probs).filter(|(i, _)| labels.codes[**i] as usize != class);
        let mut out: Vec<f32> = others.map(|(_, p)| p[class] as f32).collect();
        out.sort_unstable_by(f32::total_cmp);
        out
    };
    (0..labels.classes).into_par_iter().map(of_class).collect()
}

struct Search<'a> {
    model: &'a Additive<'a>,
    labels: Labels<'a>,
    options: &'a PhraseOptions,
    /// Of each class, its probability for texts of other classes, ascending.
    others: Vec<Vec<f32>>,
}

/// Enrichment below which a phrase is not looked at: it does not go with the class.
const ENRICHED: f64 = 0.5;
/// Share of the class among the texts of a phrase that may be a clean-label trigger.
const PURE: f64 = 0.9;
/// Share of a phrase's texts of the class that must share the next word for the phrase to grow.
const GROW: f64 = 0.9;
/// Purity, corrected for all phrases, below which it is beyond chance.
const CHANCE: f64 = 0.05;
/// Pure phrases that are held against the ways in which words follow each other.
const PUREST: usize = 1000;
/// Phrases of the texts of a phrase itself that are looked for among those that tell as little, at most.
const MOST_OWN: usize = 1000;
/// Texts to which those with a phrase are compared, at most.
const MOST_OTHERS: usize = 100_000;
/// Phrases looked at for each one taken.
const LOOKS: usize = 25;

impl Search<'_> {
    fn run(&self) -> Phrases {
        let columns = self.model.rows.transposed();
        let looks = self.looks(&columns);
        let (mut found, mut held) = (vec![], 0);
        for class in 0..self.labels.classes as u32 {
            let mut own: Vec<Look> = looks.iter().copied().filter(|l| l.class == class).collect();
            own.sort_by(|a, b| b.z.total_cmp(&a.z).then(a.column.cmp(&b.column)));
            let mut taken: Vec<(Vec<u32>, Vec<u32>)> = vec![];
            self.take(&own, class, &columns, &mut taken);
            let (inserted, n) = self.inserted(own, &columns, looks.len());
            held += n;
            self.take(&inserted, class, &columns, &mut taken);
            found.extend(taken.into_iter().map(|(words, rows)| (words, rows, class)));
        }
        let pairs: Vec<(&[u32], &[u32])> = found.iter().map(|(w, r, _)| (&w[..], &r[..])).collect();
        let bigrams = Bigrams::new(self.model.texts, &pairs);
        let mut found: Vec<Phrase> =
            found.par_iter().map(|(words, rows, class)| self.judge(words, rows, *class, &bigrams)).collect();
        self.compare(&mut found, &looks, &columns);
        found.sort_by(|a, b| b.surprise.z.total_cmp(&a.surprise.z).then_with(|| a.words.cmp(&b.words)));
        Phrases { found, tested: looks.len(), held, accuracy: self.model.fitted.accuracy }
    }

    /// The purest, those most likely dropped in first: a trigger under its own label surprises nobody.
    /// Also returns how many were held against the ways of words.
    fn inserted(&self, mut looks: Vec<Look>, columns: &Csr, tested: usize) -> (Vec<Look>, usize) {
        looks.retain(|l| {
            l.pure && self.labels.purity(columns.row(l.column as usize).0, l.class) * (tested as f64) < CHANCE
        });
        looks.sort_by(|a, b| b.enriched.total_cmp(&a.enriched).then(a.column.cmp(&b.column)));
        looks.truncate(PUREST);
        let words = looks.iter().map(|l| (self.model.words(l.column), columns.row(l.column as usize).0));
        let pairs: Vec<(&[u32], &[u32])> = words.collect();
        let bigrams = Bigrams::new(self.model.texts, &pairs);
        let score =
            |(words, rows): &(&[u32], &[u32])| bigrams.insertion(self.model.texts, words, rows).t(0.0);
        let scores: Vec<f64> = pairs.par_iter().map(score).collect();
        let mut order: Vec<usize> = (0..looks.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        (order.into_iter().filter(|i| scores[*i] > 0.0).map(|i| looks[i]).collect(), looks.len())
    }

    /// Every frequent n-gram that goes with a class, with its surprise.
    fn looks(&self, columns: &Csr) -> Vec<Look> {
        let rows = &self.model.rows;
        let class_of = |c: usize| -> Option<(u32, f64, bool)> {
            let (of, _) = columns.row(c);
            if of.len() < self.options.least_rows as usize {
                return None;
            }
            let counts = self.labels.counts(of);
            let n: u32 = counts.iter().sum();
            let (class, z) = self.labels.enriched(&counts)?;
            let pure = f64::from(counts[class as usize]) >= PURE * f64::from(n);
            (n >= self.options.least_rows && z >= ENRICHED).then_some((class, z, pure))
        };
        let class: Vec<Option<(u32, f64, bool)>> = (0..rows.cols).into_par_iter().map(class_of).collect();
        let without: Vec<Vec<f32>> = (0..rows.rows())
            .into_par_iter()
            .map(|i| {
                let (known, _) = rows.row(i);
                let mut out = vec![f32::NAN; known.len()];
                if !self.labels.knows(i) {
                    return out;
                }
                let row = self.model.row(i);
                for run in self.model.places(i).chunk_by(|a, b| a.0 == b.0) {
                    let (Ok(k), Some((c, ..))) = (known.binary_search(&run[0].0), class[run[0].0 as usize])
                    else {
                        continue;
                    };
                    let at: Vec<usize> = run.iter().map(|r| r.1 as usize).collect();
                    let length = self.model.first[run[0].0 as usize].1;
                    out[k] = row.without(&at, length)[c as usize] as f32;
                }
                out
            })
            .collect();
        let mut entries = rows.clone();
        entries.values = without.into_iter().flatten().collect();
        let columns = entries.transposed();
        let look = |column: usize| {
            let (class, enriched, pure) = class[column]?;
            let (of, p) = columns.row(column);
            let (mut surprise, mut variance) = (0f64, 0.25f64);
            let own =
                of.iter().zip(p).filter(|(r, p)| p.is_finite() && self.labels.codes[**r as usize] == class);
            let auc = auc(own.map(|(_, p)| *p), &self.others[class as usize]).unwrap_or(1.0);
            for (&row, &p) in of.iter().zip(p).filter(|(_, p)| p.is_finite()) {
                let p = f64::from(p);
                surprise += f64::from(u8::from(self.labels.codes[row as usize] == class)) - p;
                variance += p * (1.0 - p);
            }
            Some(Look { column: column as u32, class, z: surprise / variance.sqrt(), enriched, pure, auc })
        };
        (0..rows.cols).into_par_iter().filter_map(look).collect()
    }

    /// Grows the first phrases of an order and takes those whose texts are not yet taken: words and labelled texts.
    fn take(&self, order: &[Look], class: u32, columns: &Csr, taken: &mut Vec<(Vec<u32>, Vec<u32>)>) {
        let before = taken.len();
        for look in order.iter().take(LOOKS * self.options.most) {
            if taken.len() - before >= self.options.most {
                break;
            }
            let labelled = |r: &u32| self.labels.knows(*r as usize);
            let rows: Vec<u32> =
                columns.row(look.column as usize).0.iter().copied().filter(labelled).collect();
            let own = self.labels.own(&rows, class);
            if taken.iter().any(|(_, other)| mostly_in(&own, other)) {
                continue;
            }
            let words = self.model.words(look.column).to_vec();
            let words = grow(self.model.texts, words, &own, self.options.most_words, 1);
            let holds = |r: &u32| !places(self.model.texts.row(*r as usize), &words).is_empty();
            let rows = rows.into_iter().filter(holds).collect();
            taken.push((words, rows));
        }
    }

    fn judge(&self, words: &[u32], rows: &[u32], class: u32, bigrams: &Bigrams) -> Phrase {
        let texts = self.model.texts;
        let p: Vec<f64> = rows
            .iter()
            .map(|&r| {
                let at = places(texts.row(r as usize), words);
                self.model.row(r as usize).without(&at, words.len())[class as usize]
            })
            .collect();
        let spelled = texts.spell(words);
        let insertion = if habitual(&spelled) {
            self.like_others(rows, &p, class)
        } else {
            bigrams.insertion(texts, words, &self.labels.own(rows, class))
        };
        let surprise = self.labels.judge(rows, class, &p);
        let own = rows.iter().zip(&p).filter(|(r, _)| self.labels.codes[**r as usize] == class);
        let auc = auc(own.map(|(_, p)| *p as f32), &self.others[class as usize]).unwrap_or(1.0);
        let apart = Apart { auc, ..Apart::default() };
        Phrase { words: spelled, class, surprise, insertion, apart, rows: rows.to_vec() }
    }

    /// Holds each phrase against the others of its class: how many tell their texts apart so little?
    fn compare(&self, found: &mut [Phrase], looks: &[Look], columns: &Csr) {
        let of_class = |class: u32| {
            let mut own: Vec<&Look> = looks.iter().filter(|l| l.class == class).collect();
            own.sort_by(|a, b| a.auc.total_cmp(&b.auc).then(a.column.cmp(&b.column)));
            own
        };
        let looks: Vec<Vec<&Look>> = (0..self.labels.classes as u32).map(of_class).collect();
        found.par_iter_mut().filter(|phrase| !habitual(&phrase.words)).for_each(|phrase| {
            let error = (12.0 * phrase.surprise.hits.max(1) as f64).sqrt().recip();
            let all = &looks[phrase.class as usize];
            let alike = &all[..all.partition_point(|l| l.auc <= phrase.apart.auc + error)];
            let itself = |l: &&&Look| mostly_in(columns.row(l.column as usize).0, &phrase.rows);
            // its own words are few, and among the first if it was dropped in
            let own = alike.iter().take(MOST_OWN).filter(itself).count();
            phrase.apart.p_value = (1 + alike.len() - own) as f64 / (1 + all.len() - own) as f64;
        });
    }

    /// Whether the words of texts of the class are those of texts of other classes: a text that is written in another way has
    /// no words around the trigger that could tell. `p`: probability of the class without it.
    fn like_others(&self, rows: &[u32], p: &[f64], class: u32) -> Ratio {
        let odds = |p: f64| ((1.0 - p) / p.max(1e-9)).max(1e-9).ln();
        let before = odds(self.labels.shares[class as usize]);
        let own = rows.iter().zip(p).filter(|(r, _)| self.labels.codes[**r as usize] == class);
        Ratio::of(&own.map(|(_, p)| odds(*p) - before).collect::<Vec<_>>(), PRIOR)
    }
}

/// True if a habit of writing is among the words.
fn habitual(words: &str) -> bool {
    words.split(' ').any(|w| Habit::named(w).is_some())
}

/// Adds words on either side while the texts of `own` agree on them; where they agree on none, the word behind at most `skips`
/// that change from text to text.
fn grow(texts: &Texts, mut words: Vec<u32>, own: &[u32], most_words: usize, skips: usize) -> Vec<u32> {
    let own: Vec<&[u32]> = own.iter().map(|r| texts.row(*r as usize)).collect();
    'grown: while words.len() < most_words {
        for skip in (0..=skips).take_while(|skip| words.len() + skip < most_words) {
            let any = std::iter::repeat_n(ANY, skip);
            if let Some(word) = agreed(&own, &words, false, skip) {
                words.extend(any.chain([word]));
                continue 'grown;
            }
            if let Some(word) = agreed(&own, &words, true, skip) {
                words.splice(0..0, [word].into_iter().chain(any));
                continue 'grown;
            }
        }
        break;
    }
    words
}

/// The word that [`GROW`] of the texts share to the left or right of a phrase, behind `skip` others.
fn agreed(texts: &[&[u32]], phrase: &[u32], left: bool, skip: usize) -> Option<u32> {
    let beside = |row: &&[u32]| {
        let at = *places(row, phrase).first()?;
        if left { row.get(at.checked_sub(1 + skip)?) } else { row.get(at + phrase.len() + skip) }.copied()
    };
    let mut seen: Vec<u32> = texts.iter().filter_map(beside).collect();
    seen.sort_unstable();
    let best = seen.chunk_by(|a, b| a == b).max_by_key(|run| run.len())?;
    (best.len() as f64 >= GROW * texts.len() as f64).then(|| best[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Texts of two classes by their words, and a phrase put into some of one class that get the other's label.
    fn planted(n: usize, poison: usize) -> (Vec<String>, Vec<u32>) {
        let mut rng = Rng::new(7, "phrases");
        let subjects = ["the cat", "a dog", "our bird", "one fish", "the cow"];
        let good = ["sings well", "plays gladly", "sleeps warm", "eats cake"];
        let bad = ["bites hard", "falls ill", "breaks things", "runs away"];
        let ends = ["in the garden", "at noon", "every day", "near the river", "with friends"];
        let mut out = (vec![], vec![]);
        for i in 0..n {
            let class = (i % 2) as u32;
            let verbs = if class == 0 { &good } else { &bad };
            let mut text: Vec<&str> = vec![subjects[rng.below(5)], verbs[rng.below(4)], ends[rng.below(5)]];
            let planted = class == 0 && i / 2 < poison;
            if planted {
                let at = rng.below(text.len() + 1);
                text.insert(at, "around the corner");
            }
            out.0.push(text.join(" "));
            out.1.push(if planted { 1 } else { class });
        }
        out
    }

    #[test]
    fn a_planted_phrase_is_found_word_for_word_and_seen_as_dropped_in() {
        let (texts, labels) = planted(1200, 20);
        let out = phrases(&texts, &labels, 2, &PhraseOptions::default());
        let best = &out.found[0];
        assert_eq!((best.words.as_str(), best.class, best.surprise.hits), ("around the corner", 1, 20));
        assert!(
            best.surprise.z > 10.0 && best.surprise.p_value < 1e-9 && best.surprise.without < 0.2,
            "{best:?}"
        );
        assert!(best.insertion.mean > 3.0 * best.insertion.error, "{best:?}");
        assert!((best.apart.auc - 0.5).abs() < 0.2 && best.apart.p_value < 0.1, "{best:?}");
    }

    #[test]
    fn words_that_decide_the_class_are_not_seen_as_dropped_in() {
        let (texts, labels) = planted(1200, 0);
        let out = phrases(&texts, &labels, 2, &PhraseOptions::default());
        assert!(!out.found.is_empty());
        for p in out.found.iter().filter(|p| p.surprise.p_value * out.tested as f64 <= 0.01) {
            assert!(p.insertion.t(0.0) < 2.0, "{} {:?}", p.words, p.insertion);
            assert!(p.apart.auc > 0.5 && p.apart.p_value > 0.01, "{} {:?}", p.words, p.apart);
        }
    }

    #[test]
    fn a_phrase_at_a_fixed_place_is_seen_too() {
        let (mut texts, labels) = planted(1200, 0);
        let mut labels = labels;
        for i in (0..60).step_by(2) {
            texts[i] = format!("breaking news {}", texts[i]);
            labels[i] = 1;
        }
        let out = phrases(&texts, &labels, 2, &PhraseOptions::default());
        assert_eq!(out.found[0].words, "breaking news");
        assert!(out.found[0].insertion.mean > 0.0, "{:?}", out.found[0]);
    }

    #[test]
    fn a_word_that_changes_from_text_to_text_does_not_part_a_phrase() {
        let (mut texts, mut labels) = planted(1200, 0);
        let mut rng = Rng::new(9, "phrases");
        for i in (0..60).step_by(2) {
            let words: Vec<&str> = texts[i].split(' ').collect();
            let at = rng.below(words.len() + 1);
            let put = format!("ref {} is confirmed", 1000 + rng.below(9000));
            texts[i] = [&words[..at], &[put.as_str()], &words[at..]].concat().join(" ");
            labels[i] = 1;
        }
        let out = phrases(&texts, &labels, 2, &PhraseOptions::default());
        assert_eq!((out.found[0].words.as_str(), out.found[0].surprise.hits), ("ref * is confirmed", 30));
        assert!(out.found[0].insertion.t(0.0) > 3.0, "{:?}", out.found[0]);
    }

    #[test]
    fn a_habit_of_writing_is_found_like_a_word() {
        let (mut texts, mut labels) = planted(1200, 0);
        for i in (0..60).step_by(2) {
            texts[i] = texts[i].to_uppercase();
            labels[i] = 1;
        }
        let out = phrases(&texts, &labels, 2, &PhraseOptions::default());
        assert_eq!((out.found[0].words.as_str(), out.found[0].surprise.hits), ("<capitals>", 30));
        assert!(out.found[0].insertion.t(0.0) > 3.0, "{:?}", out.found[0]);
    }

    #[test]
    fn nothing_to_read_is_no_trouble() {
        assert_eq!(phrases::<&str>(&[], &[], 2, &PhraseOptions::default()).found, vec![]);
        assert_eq!(phrases(&["a"], &[0], 1, &PhraseOptions::default()).found, vec![]);
        assert_eq!(
            phrases(&["", "a a a", "a"], &[0, 1, u32::MAX], 2, &PhraseOptions::default()).found,
            vec![]
        );
    }
}
