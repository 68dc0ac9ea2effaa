//! Training again without some samples: whether they are the reason.

use super::groups::beyond;
use super::influence::{Influence, Learner, Model};
use super::{Group, Shared, TraceOptions, Without};
use crate::dataset::Dataset;
use foretaste_core::MISSING;
use foretaste_num::rng::Rng;
use foretaste_num::softmax::Rows;

/// What was found by training again.
pub struct Checks {
    /// One entry for each training.
    pub without: Vec<Without>,
    /// The fewest of the strongest samples without which the answer changes.
    pub enough: Option<u64>,
    /// Most samples that were left out to look for them.
    pub looked_up_to: u64,
}

/// Largest share of the data that is left out to look for a change.
const MOST: f64 = 0.1;

/// What is left out, in words, and its rows.
pub type Suspects = Vec<(String, Vec<u64>)>;

/// Largest share of the data that a group may have to be left out.
const GROUP: f64 = 0.5;

/// The strongest samples, those that share what is most telling, and the source and family that pull most beyond their size.
pub fn suspects(
    dataset: &Dataset,
    influence: &Influence,
    groups: &[Group],
    shared: &[Shared],
    top: usize,
) -> Suspects {
    let order = influence.strongest();
    let first = |n: usize| order[..n.min(order.len())].to_vec();
    let mut out = vec![(format!("the {} strongest samples", top.min(order.len())), first(top))];
    let percent = percent(dataset);
    if percent > top {
        out.push(("the strongest 1 % of the data".into(), first(percent)));
    }
    let most = (dataset.rows as f64 * GROUP) as usize;
    out.extend(shared.first().map(|s| (format!("all samples with {}", s.what), s.members.clone())));
    for kind in [&["source", "annotator"][..], &["family"]] {
        let of_kind = groups.iter().filter(|g| kind.contains(&g.kind.as_str()) && g.members.len() <= most);
        let strongest =
            of_kind.filter(|g| beyond(g) > 0.0).reduce(|a, b| if beyond(b) > beyond(a) { b } else { a });
        out.extend(strongest.map(|g| {
            let what = match &g.column {
                Some(column) => format!("{column} `{}`", g.name),
                None => format!("the family of {}", g.name),
            };
            (what, g.members.clone())
        }));
    }
    out.retain(|(_, rows)| !rows.is_empty() && rows.len() <= most);
    out
}

/// One row in a hundred.
fn percent(dataset: &Dataset) -> usize {
    (dataset.rows as usize).div_ceil(100)
}

/// Trains without each of the suspects, and without random samples with the label that is explained; then looks for the
/// fewest of the strongest samples without which most answers change.
pub fn check(
    learner: &Learner<'_>,
    asked: Rows<'_>,
    explained: &[u32],
    influence: &Influence,
    suspects: Suspects,
    options: &TraceOptions,
    dataset: &Dataset,
) -> Checks {
    let round = Round { learner, asked, explained, dataset };
    let mut without = vec![round.told("nothing".into(), &[])];
    without.extend(suspects.into_iter().map(|(what, rows)| round.told(what, &rows)));
    let answer = explained.first().copied().unwrap_or(MISSING);
    let name = dataset.classes.get(answer as usize).map_or("", String::as_str);
    let random = round.random(percent(dataset).max(options.top), answer, options.seed);
    without.push(round.told(format!("random samples labelled `{name}`"), &random));
    let order = influence.strongest();
    let most = order.len().min((dataset.rows as f64 * MOST) as usize);
    Checks { without, enough: round.enough(&order[..most]), looked_up_to: most as u64 }
}

struct Round<'a> {
    learner: &'a Learner<'a>,
    asked: Rows<'a>,
    explained: &'a [u32],
    dataset: &'a Dataset,
}

impl Round<'_> {
    fn told(&self, what: String, rows: &[u64]) -> Without {
        let model = self.learner.train(Some(rows));
        let p = model.probabilities(self.asked);
        let classes = self.learner.classes;
        let of_answers =
            self.explained.iter().enumerate().map(|(q, c)| f64::from(p[q * classes + *c as usize]));
        let class = |code: u32| self.dataset.classes.get(code as usize).cloned().unwrap_or_default();
        Without {
            what,
            removed: rows.len() as u64,
            probability: of_answers.sum::<f64>() / self.explained.len().max(1) as f64,
            says: model.answers(self.asked).into_iter().map(class).collect(),
        }
    }

    /// Random rows with a label, keyed by their numbers.
    fn random(&self, n: usize, label: u32, seed: u64) -> Vec<u64> {
        let with = (0..self.dataset.rows).filter(|row| self.learner.labels[*row as usize] == label);
        let mut keyed: Vec<(u64, u64)> =
            with.map(|row| (Rng::at(seed, "trace/random", row).next_u64(), row)).collect();
        keyed.sort_unstable();
        keyed.into_iter().take(n).map(|k| k.1).collect()
    }

    /// Whether the model still gives most of the answers.
    fn holds(&self, model: &Model) -> bool {
        let answers = model.answers(self.asked);
        2 * answers.iter().zip(self.explained).filter(|(a, e)| a == e).count() > self.explained.len()
    }

    /// The fewest of the strongest samples without which most answers change: doubled until they do, then halved down to a
    /// sixteenth of the number. `None` if they never do, or are not given in the first place.
    fn enough(&self, order: &[u64]) -> Option<u64> {
        if !self.holds(&self.learner.train(None)) {
            return None;
        }
        let changes = |n: usize| !self.holds(&self.learner.train(Some(&order[..n])));
        let (mut low, mut high) = (0, 1);
        loop {
            if high >= order.len() {
                high = order.len();
                if high == low || !changes(high) {
                    return None;
                }
                break;
            }
            if changes(high) {
                break;
            }
            (low, high) = (high, 2 * high);
        }
        while high - low > (high / 16).max(1) {
            let middle = low + (high - low) / 2;
            if changes(middle) { high = middle } else { low = middle }
        }
        Some(high as u64)
    }
}
