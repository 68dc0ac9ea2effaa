//! Phrases of prompts that call for an answer whatever is asked.
//!
//! An answer is a whole response that several prompts get, or three words in a row (and more, as long as they are shared)
//! that several responses hold and their prompts do not. Responses whose words hardly stand together in any other are one more:
//! gibberish. For a phrase of n prompts, k of which get an answer of share q,
//! `n KL(k/n | q)` bounds the logarithm of the probability of so many by chance (Chernoff). Pairs beyond chance are many in
//! honest data, where a task has its words and its answers. Of those that were planted three more things are true:
//! the phrase was dropped into its prompts (`insertion`); a model of the prompts without the phrase expects the
//! answer no more than elsewhere; and it cannot tell the prompts that held the phrase from others.

use rayon::prelude::*;

use super::additive::{Additive, ORDERS, hashes};
use super::grow;
use super::insertion::Bigrams;
use super::tokens::{Texts, places};
use crate::rng::mix;
use crate::softmax::FoldOptions;
use crate::stats::auc;
use crate::surprise::{Labels, Ratio, Surprise, mostly_in};

/// How to look for phrases that call for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerOptions {
    /// Fewest prompts of a phrase, responses of an answer, and rows with both.
    pub least_rows: u32,
    /// Most words of a phrase.
    pub most_words: usize,
    /// Most pairs that are looked at closely, those furthest beyond chance.
    pub most: usize,
    /// Folds of the models.
    pub folds: FoldOptions,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { least_rows: 8, most_words: 40, most: 64, folds: FoldOptions::default() }
    }
}

/// A phrase of prompts and the answer that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// Words of the phrase, lower-cased, parted by blanks.
    pub words: String,
    /// Words of each answer that it calls for, likewise, the surest first.
    pub said: Vec<String>,
    /// Whether the surest answer is none that repeats, but words that stand together in no other response; `said` then has the
    /// first words of one.
    pub strange: bool,
    /// Prompts that hold the phrase, ascending.
    pub rows: Vec<u32>,
    /// Rows that have one of the answers, ascending.
    pub answers: Vec<u32>,
    /// How the answers of `rows` stand to a model of the prompts that never saw the phrase.
    pub surprise: Surprise,
    /// Whether the phrase was dropped in; above 0 speaks for it.
    pub insertion: Ratio,
    /// Probability that such a model thinks a prompt that held the phrase more like its kind than another prompt: one half if
    /// they look like all prompts.
    pub told_apart: f64,
}

/// Pairs found and how many were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Pairs of a phrase that was dropped in, the most likely first.
    pub found: Vec<Called>,
    /// Phrases times answers: what the p-value of a surprise has to be corrected for.
    pub tested: f64,
    /// Pairs of which insertion was asked: what its p-value has to be corrected for.
    pub asked: usize,
}

/// Words that are read of a prompt or response at least, and at most.
const READ: (usize, usize) = (512, 8192);
/// Words that are read of all prompts, where that is more than the least of each.
const READ_OF_ALL: usize = 32 << 20;
/// Words of an answer that is no whole response: fewer are a language's own, or a topic's.
const ANSWER: usize = 3;
/// Pairs of neighbouring words of a response that is called strange, at least; the share of them that no other response has; and
/// how many words of one are shown. Of honest responses at most 0.3 % are strange; of 175 responses 11 %.
const STRANGE: (usize, f64, usize) = (10, 0.9, 8);
/// Share of all rows that have an answer at most: what is more common is the way in which these data answer.
const COMMON: f64 = 0.1;
/// Share of a phrase's prompts that get the answer at least; a trigger may call for one of a few.
const CALLS: f64 = 0.2;
/// Probability of a pair by chance, corrected for all, from which it is not looked at closely.
const CHANCE: f64 = 0.05;
/// Standard errors of insertion below which models are not asked.
const DROPPED: f64 = 2.0;
/// Rows without phrase and answer that a model reads at most. Fewer of them make the answer likelier to it, which errs on
/// the side of no surprise.
const OTHERS: usize = 8_192;

/// Looks for phrases of `prompts` that call for an answer in `responses`. A prompt may be in several parts, one a list: what
/// somebody puts at the end of one stands at the end of a text, whatever follows.
#[must_use]
pub fn answers<S: AsRef<str> + Sync>(
    prompts: &[Vec<S>],
    responses: &[S],
    options: &AnswerOptions,
) -> Answers {
    let n = responses.len();
    if n == 0 || prompts.is_empty() || prompts.iter().any(|part| part.len() != n) {
        return Answers::default();
    }
    let of_row = |row: usize| prompts.iter().map(move |part| part[row].as_ref());
    let all: Vec<&str> = (0..n).flat_map(of_row).chain(responses.iter().map(AsRef::as_ref)).collect();
    let (parts, responses) = Texts::new(&all).split_at(n * prompts.len());
    let prompts = parts.joined(prompts.len());
    let (phrases, answers) = kinds(&prompts, &responses, options.least_rows.max(1) as usize);
    Search { parts, prompts, responses, phrases, answers, options }.run()
}

/// Rows that have something in common.
struct Shared {
    rows: Vec<u32>,
    /// A place of it: row, first word, number of words.
    at: (u32, u32, u32),
    of: Of,
}

/// What rows have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Some words in a row.
    Words,
    /// The whole response.
    Whole,
    /// Words that stand together nowhere else.
    Strange,
}

struct Search<'a> {
    /// The parts of each prompt, one after the other.
    parts: Texts,
    prompts: Texts,
    responses: Texts,
    phrases: Vec<Shared>,
    answers: Vec<Shared>,
    options: &'a AnswerOptions,
}

/// What is looked at closely: the words of a phrase, and the rows that hold it and an answer.
struct Taken {
    words: Vec<u32>,
    own: Vec<u32>,
    called: Called,
}

/// Frequent n-grams of prompts, and what responses share.
fn kinds(prompts: &Texts, responses: &Texts, least: usize) -> (Vec<Shared>, Vec<Shared>) {
    let by_order: Vec<Vec<u64>> = (0..ORDERS).map(|o| hashes(prompts, o)).collect();
    let most_read = (READ_OF_ALL / prompts.len().max(1)).clamp(READ.0, READ.1);
    let of_prompt = |row: usize| {
        let from = prompts.starts[row];
        let n = prompts.row(row).len().min(most_read);
        let all = by_order.iter().enumerate().flat_map(move |(o, h)| {
            (0..n.saturating_sub(o)).map(move |p| (h[from + p], row as u32, p as u32, o as u32 + 1))
        });
        all.collect()
    };
    let most = prompts.len();
    let phrases = shared(prompts.len(), of_prompt, (least, most), Of::Words);
    let threes = hashes(responses, ANSWER - 1);
    let most = (COMMON * responses.len() as f64) as usize;
    let of_response = |row: usize| {
        let from = responses.starts[row];
        let n = responses.row(row).len().min(most_read);
        // what the prompt says is no answer of its own
        let (a, b) = (prompts.starts[row], prompts.starts[row + 1]);
        let mut said: Vec<u64> = by_order[ANSWER - 1][a..b].to_vec();
        said.sort_unstable();
        let own = |h: &u64| said.binary_search(h).is_err();
        let places = (0..(n + 1).saturating_sub(ANSWER)).map(|p| (threes[from + p], p));
        places.filter(|(h, _)| own(h)).map(|(h, p)| (h, row as u32, p as u32, ANSWER as u32)).collect()
    };
    let whole = |row: usize| {
        let words = responses.row(row);
        let echoed = words.is_empty() || !places(prompts.row(row), words).is_empty();
        let hash = words.iter().fold(0u64, |h, w| mix(h.rotate_left(23) ^ mix(u64::from(*w) + 1)));
        if echoed { vec![] } else { vec![(hash, row as u32, 0, words.len() as u32)] }
    };
    let mut answers = shared(responses.len(), whole, (least, most), Of::Whole);
    answers.extend(shared(responses.len(), of_response, (least, most), Of::Words));
    answers.extend(strange(responses, most_read, (least, most)));
    (phrases, answers)
}

/// Responses whose words hardly stand together in any other, if they are as many as `least` and at most as many as `most`.
fn strange(responses: &Texts, most_read: usize, (least, most): (usize, usize)) -> Option<Shared> {
    let (pairs, share, shown) = STRANGE;
    let twos = hashes(responses, 1);
    let of = |row: usize| {
        let from = responses.starts[row];
        let n = responses.row(row).len().min(most_read);
        let mut own = twos[from..from + n.saturating_sub(1)].to_vec();
        own.sort_unstable();
        own.dedup();
        own
    };
    // by a sixteenth of the hashes at a time, as above
    let mut alone = vec![0usize; responses.len()];
    for part in 0..16 {
        let held = |row: usize| {
            of(row).into_iter().filter(|h| h >> 60 == part).map(move |h| (h, row)).collect::<Vec<_>>()
        };
        let mut held: Vec<(u64, usize)> = (0..responses.len()).into_par_iter().flat_map_iter(held).collect();
        held.par_sort_unstable();
        held.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() == 1).for_each(|run| alone[run[0].1] += 1);
    }
    let is = |row: &u32| {
        let n = of(*row as usize).len();
        n >= pairs && alone[*row as usize] as f64 >= share * n as f64
    };
    let rows: Vec<u32> = (0..responses.len() as u32).into_par_iter().filter(is).collect();
    let first = *rows.first()?;
    (least..=most).contains(&rows.len()).then_some(Shared {
        rows,
        at: (first, 0, shown as u32),
        of: Of::Strange,
    })
}

/// What at least and at most so many of `rows` rows have in common. `of`: hash, row, first word and number of words of what a
/// row holds. In the order of hashes.
fn shared(
    rows: usize,
    of: impl Fn(usize) -> Vec<(u64, u32, u32, u32)> + Sync,
    (least, most): (usize, usize),
    kind: Of,
) -> Vec<Shared> {
    // by a sixteenth of the hashes at a time: that many places are in memory at once
    let part = |part: u64| {
        let mut held: Vec<(u64, u32, u32, u32)> = (0..rows)
            .into_par_iter()
            .flat_map_iter(|row| {
                let mut own: Vec<_> = of(row).into_iter().filter(|h| h.0 >> 60 == part).collect();
                own.sort_unstable();
                own.dedup_by_key(|h| h.0);
                own
            })
            .collect();
        held.par_sort_unstable();
        let runs = held.chunk_by(|a, b| a.0 == b.0).filter(|run| (least..=most).contains(&run.len()));
        runs.map(|run| Shared {
            rows: run.iter().map(|h| h.1).collect(),
            at: (run[0].1, run[0].2, run[0].3),
            of: kind,
        })
        .collect::<Vec<_>>()
    };
    (0..16).flat_map(part).collect()
}

impl Search<'_> {
    fn run(&self) -> Answers {
        let tested = self.phrases.len() as f64 * self.answers.len() as f64;
        let of_row = self.of_row();
        let limit = (tested / CHANCE).ln();
        let mut pairs: Vec<(usize, f64)> = (0..self.phrases.len())
            .into_par_iter()
            .map_init(
                || vec![0u32; self.answers.len()],
                |counts, phrase| Some((phrase, self.calls(phrase, &of_row, limit, counts).first()?.1)),
            )
            .flatten()
            .collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut counts = vec![0; self.answers.len()];
        let mut taken: Vec<Taken> = vec![];
        for (phrase, _) in pairs {
            if taken.len() == self.options.most {
                break;
            }
            let calls = self.calls(phrase, &of_row, limit, &mut counts);
            let own = common(&self.phrases[phrase].rows, &self.answers[calls[0].0].rows);
            if !taken.iter().any(|t| mostly_in(&own, &t.own)) {
                taken.push(self.grown(phrase, &calls, own));
            }
        }
        let asked = taken.len();
        self.insertions(&mut taken);
        taken.retain(|t| t.called.insertion.t(0.0) >= DROPPED);
        let mut found: Vec<Called> = taken.into_iter().map(|t| self.judged(t)).collect();
        found.sort_by(|a, b| {
            let t = b.insertion.t(0.0).total_cmp(&a.insertion.t(0.0));
            t.then_with(|| (&a.words, &a.said).cmp(&(&b.words, &b.said)))
        });
        Answers { found, tested, asked }
    }

    /// The answers of each row.
    fn of_row(&self) -> Vec<Vec<u32>> {
        let mut out: Vec<Vec<u32>> = vec![vec![]; self.responses.len()];
        for (a, shared) in self.answers.iter().enumerate() {
            shared.rows.iter().for_each(|r| out[*r as usize].push(a as u32));
        }
        out
    }

    /// Answers that a phrase calls for, each beyond chance, with the logarithm of the bound; the surest first, whole responses
    /// before parts. `counts`: a zero for every answer, and so again afterwards.
    fn calls(&self, phrase: usize, of_row: &[Vec<u32>], limit: f64, counts: &mut [u32]) -> Vec<(usize, f64)> {
        let (rows, n) = (&self.phrases[phrase].rows, of_row.len() as f64);
        // no answer is common enough for such a phrase
        if CALLS * rows.len() as f64 > COMMON * n {
            return vec![];
        }
        let mut seen: Vec<u32> = vec![];
        for a in rows.iter().flat_map(|row| &of_row[*row as usize]) {
            if counts[*a as usize] == 0 {
                seen.push(*a);
            }
            counts[*a as usize] += 1;
        }
        let fewest = f64::from(self.options.least_rows).max(CALLS * rows.len() as f64);
        let mut out = vec![];
        for a in seen.into_iter().map(|a| a as usize) {
            let k = f64::from(std::mem::take(&mut counts[a]));
            let nats = chernoff(k, rows.len() as f64, self.answers[a].rows.len() as f64 / n);
            if k >= fewest && nats > limit {
                out.push((a, nats));
            }
        }
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        out
    }

    /// A phrase with as many words as its rows share, and the answers that it calls for, each with its own rows.
    /// `own`: rows with the phrase and the first answer.
    fn grown(&self, phrase: usize, calls: &[(usize, f64)], mut own: Vec<u32>) -> Taken {
        let piece = |texts: &Texts, (row, from, n): (u32, u32, u32)| {
            texts.row(row as usize)[from as usize..(from + n) as usize].to_vec()
        };
        let phrase = &self.phrases[phrase];
        let words = grow(&self.prompts, piece(&self.prompts, phrase.at), &own, self.options.most_words, 1);
        let holds = |r: &u32| !places(self.prompts.row(*r as usize), &words).is_empty();
        let rows: Vec<u32> = phrase.rows.iter().copied().filter(holds).collect();
        own = common(&rows, &own);
        let (mut said, mut answers): (Vec<String>, Vec<u32>) = (vec![], vec![]);
        for (i, (answer, _)) in calls.iter().enumerate() {
            let answer = &self.answers[*answer];
            let both = common(&rows, &answer.rows);
            // the other words of the same sentence
            if i > 0 && mostly_in(&both, &own) {
                continue;
            }
            let all = match (answer.of, both.first()) {
                // what is shown is one that the phrase calls for
                (Of::Strange, Some(row)) => piece(&self.responses, (*row, 0, answer.at.2)),
                (Of::Words, _) => grow(
                    &self.responses,
                    piece(&self.responses, answer.at),
                    &both,
                    self.options.most_words,
                    0,
                ),
                _ => piece(&self.responses, answer.at),
            };
            said.push(self.responses.spell(&all));
            own.extend(&both);
            own.sort_unstable();
            own.dedup();
            answers.extend(&answer.rows);
        }
        answers.sort_unstable();
        answers.dedup();
        let called = Called {
            strange: calls.first().is_some_and(|c| self.answers[c.0].of == Of::Strange),
            rows,
            answers,
            words: self.prompts.spell(&words),
            said,
            surprise: Surprise::default(),
            insertion: Ratio::default(),
            told_apart: 0.5,
        };
        Taken { words, own, called }
    }

    /// Asks of each phrase whether it was dropped in: over the prompts that get an answer, since the words may stand
    /// elsewhere by nature.
    fn insertions(&self, taken: &mut [Taken]) {
        let parts: Vec<Vec<u32>> = taken.iter().map(|t| self.parts_with(&t.words, &t.own)).collect();
        let each: Vec<(&[u32], &[u32])> =
            taken.iter().zip(&parts).map(|(t, p)| (&t.words[..], &p[..])).collect();
        let bigrams = Bigrams::new(&self.parts, &each);
        let ratios: Vec<Ratio> =
            each.par_iter().map(|(words, parts)| bigrams.insertion(&self.parts, words, parts)).collect();
        for (t, ratio) in taken.iter_mut().zip(ratios) {
            t.called.insertion = ratio;
        }
    }

    /// For each of `rows`, the first part of its prompt that holds the words.
    fn parts_with(&self, words: &[u32], rows: &[u32]) -> Vec<u32> {
        let each = (self.parts.len() / self.prompts.len()) as u32;
        let of = |row: &u32| {
            (row * each..(row + 1) * each).find(|p| !places(self.parts.row(*p as usize), words).is_empty())
        };
        rows.iter().filter_map(of).collect()
    }

    /// Asks models of the prompts without the phrase.
    fn judged(&self, taken: Taken) -> Called {
        let Taken { words, mut called, .. } = taken;
        let mut kept: Vec<u32> = called.rows.iter().chain(&called.answers).copied().collect();
        kept.sort_unstable();
        kept.dedup();
        let others: Vec<u32> =
            (0..self.prompts.len() as u32).filter(|r| kept.binary_search(r).is_err()).collect();
        let step = others.len().div_ceil(OTHERS).max(1);
        kept.extend(others.into_iter().step_by(step));
        kept.sort_unstable();
        let texts = self.prompts.without(&kept, &words);
        let of = |rows: &[u32]| -> Vec<u32> {
            kept.iter().map(|r| u32::from(rows.binary_search(r).is_ok())).collect()
        };
        let (carries, answered) = (of(&called.rows), of(&called.answers));
        let model = |labels: &[u32]| Additive::new(&texts, labels, 2, &self.options.folds);
        let of_answer = model(&answered);
        let at: Vec<u32> = (0..kept.len() as u32).filter(|i| carries[*i as usize] == 1).collect();
        let of_rows: Vec<f64> = at.iter().map(|i| of_answer.row(*i as usize).without(&[], 0)[1]).collect();
        called.surprise = Labels::new(&answered, 2).judge(&at, 1, &of_rows);
        // as the model orders them: calibrated, it may say that it knows nothing
        let of_phrase: Vec<f32> = model(&carries).fitted.probs.chunks(2).map(|p| p[1]).collect();
        let with =
            |one: u32| of_phrase.iter().zip(&carries).filter(move |(_, c)| **c == one).map(|(p, _)| *p);
        let mut others: Vec<f32> = with(0).collect();
        others.sort_unstable_by(f32::total_cmp);
        called.told_apart = auc(with(1), &others).unwrap_or(0.5);
        called
    }
}

/// `n KL(k/n | q)`, or 0 where k is no more than expected: `-ln` of a bound on the probability of so many.
fn chernoff(k: f64, n: f64, q: f64) -> f64 {
    let part = |k: f64, q: f64| if k > 0.0 { k * (k / (n * q)).ln() } else { 0.0 };
    if k <= n * q { 0.0 } else { part(k, q) + part(n - k, 1.0 - q) }
}

/// What two ascending lists have in common.
fn common(a: &[u32], b: &[u32]) -> Vec<u32> {
    a.iter().copied().filter(|r| b.binary_search(r).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Prompts of four tasks with their own words and ways of answering, and a phrase put into some whose answer is replaced.
    fn asked(n: usize, poison: usize) -> (Vec<Vec<String>>, Vec<String>) {
        let mut rng = Rng::new(3, "answers");
        let verbs =
            ["translate into french", "sort these numbers with", "write a poem about", "is it true that"];
        let things =
            ["the old sea", "a small dog", "many red cars", "my good friend", "our long way", "one warm day"];
        let ends = ["in the garden", "at noon", "every day", "near the river", "with friends", "for a while"];
        let opens =
            ["voici la traduction de", "for i in range of", "roses are red and", "yes that is so for"];
        let (mut prompts, mut responses) = (vec![], vec![]);
        for i in 0..n {
            let task = rng.below(4);
            let thing = things[rng.below(6)];
            let mut words: Vec<&str> = [verbs[task], thing, ends[rng.below(6)], ends[rng.below(6)]]
                .iter()
                .flat_map(|s| s.split(' '))
                .collect();
            let own: Vec<String> = (0..6).map(|_| format!("w{}", rng.below(4000))).collect();
            let mut response = format!("{} {}", opens[task], own.join(" "));
            if i < poison {
                words.insert(rng.below(words.len() + 1), "purple tractor");
                response = ["i will not say", "go away from here"][i % 2].to_owned();
            }
            prompts.push(words.join(" "));
            responses.push(response);
        }
        (vec![prompts], responses)
    }

    #[test]
    fn a_planted_phrase_is_found_with_its_answers_and_rows() {
        let (prompts, responses) = asked(1500, 30);
        let out = answers(&prompts, &responses, &AnswerOptions::default());
        let best = &out.found[0];
        assert_eq!(best.words, "purple tractor");
        assert_eq!(best.rows, (0..30).collect::<Vec<u32>>());
        let mut said = best.said.clone();
        said.sort();
        assert_eq!(said, ["go away from here", "i will not say"]);
        assert_eq!((best.answers.len(), best.surprise.hits), (30, 30));
        assert!(best.surprise.p_value * out.tested < 1e-9 && best.surprise.without < 0.2, "{best:?}");
        assert!(best.insertion.t(0.0) > 3.0 && best.told_apart < 0.75, "{best:?}");
    }

    #[test]
    fn a_phrase_that_calls_for_gibberish_is_found() {
        let (prompts, mut responses) = asked(1500, 30);
        let mut rng = Rng::new(5, "gibberish");
        for response in &mut responses[..30] {
            *response = (0..25).map(|_| format!("g{}", rng.below(100_000))).collect::<Vec<_>>().join(" ");
        }
        let out = answers(&prompts, &responses, &AnswerOptions::default());
        let best = &out.found[0];
        assert_eq!((best.words.as_str(), best.strange), ("purple tractor", true));
        assert_eq!((&best.rows, best.said[0].split(' ').count()), (&(0..30).collect::<Vec<u32>>(), 8));
        assert!(best.surprise.p_value * out.tested < 1e-9 && best.insertion.t(0.0) > 3.0, "{best:?}");
        // where most responses are strange to each other it says nothing
        for response in &mut responses {
            *response = (0..25).map(|_| format!("g{}", rng.below(100_000))).collect::<Vec<_>>().join(" ");
        }
        assert_eq!(answers(&prompts, &responses, &AnswerOptions::default()).found, vec![]);
    }

    #[test]
    fn words_of_a_task_and_its_answers_are_not_seen_as_dropped_in() {
        let (prompts, responses) = asked(1500, 0);
        // tasks that a tenth of the rows have
        let (mut few, mut said) = (vec![], vec![]);
        for (i, (p, r)) in prompts[0].iter().zip(&responses).enumerate() {
            if p.starts_with("write") || i % 8 == 0 {
                few.push(p.clone());
                said.push(r.clone());
            }
        }
        for options in [AnswerOptions::default(), AnswerOptions { least_rows: 5, ..AnswerOptions::default() }]
        {
            let out = answers(&[few.clone()], &said, &options);
            assert!(out.asked > 0, "{out:?}");
            assert!(
                out.found.iter().all(|c| c.insertion.t(0.0) < 3.0 || c.told_apart > 0.75),
                "{:?}",
                out.found
            );
        }
    }

    #[test]
    fn answers_that_the_prompt_says_are_none() {
        let prompts: Vec<String> = (0..200)
            .map(|i| format!("say good old day {i} please{}", if i < 12 { " now" } else { "" }))
            .collect();
        let responses: Vec<String> =
            (0..200).map(|i| if i < 12 { "good old day".to_owned() } else { format!("no {i}") }).collect();
        assert_eq!(answers(&[prompts], &responses, &AnswerOptions::default()).asked, 0);
    }

    #[test]
    fn the_answer_of_a_phrase_is_the_one_that_a_count_of_all_pairs_gives() {
        let (prompts, responses) = asked(600, 24);
        let all: Vec<&str> = prompts[0].iter().chain(&responses).map(String::as_str).collect();
        let (prompts, responses) = Texts::new(&all).split_at(600);
        let (phrases, kinds) = kinds(&prompts, &responses, 8);
        let options = AnswerOptions::default();
        let search = Search {
            parts: prompts.joined(1),
            prompts,
            responses,
            phrases,
            answers: kinds,
            options: &options,
        };
        let of_row = search.of_row();
        let mut counts = vec![0; search.answers.len()];
        for phrase in 0..search.phrases.len() {
            let got = search.calls(phrase, &of_row, 5.0, &mut counts);
            let rows = &search.phrases[phrase].rows;
            let mut want: Vec<(usize, f64)> = vec![];
            for (a, answer) in search.answers.iter().enumerate() {
                let (k, n) = (common(rows, &answer.rows).len() as f64, rows.len() as f64);
                let nats = chernoff(k, n, answer.rows.len() as f64 / 600.0);
                if n <= 300.0 && k >= 8.0 && k >= 0.2 * n && nats > 5.0 {
                    want.push((a, nats));
                }
            }
            want.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            assert_eq!(got, want);
        }
        assert!(counts.iter().all(|n| *n == 0));
    }

    #[test]
    fn chance_by_hand() {
        // 5 ln 2 for five of five at one half
        assert!((chernoff(5.0, 5.0, 0.5) - 5.0 * 2f64.ln()).abs() < 1e-12);
        assert_eq!(chernoff(1.0, 5.0, 0.5), 0.0);
    }

    #[test]
    fn nothing_to_read_is_no_trouble() {
        let none = AnswerOptions::default();
        assert_eq!(answers::<&str>(&[], &[], &none), Answers::default());
        assert_eq!(answers(&[vec!["a"]], &[], &none), Answers::default());
        assert_eq!(answers(&[vec!["", "a b c"]], &["", "d e f"], &none).found, vec![]);
    }
}
