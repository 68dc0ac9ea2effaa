//! Labels changed where it hurts a linear model most.

use crate::classes;
use foretaste_core::{Attack, Batch, Ctx, Edited, Error, Goal, Growth, Kind, Knowledge, Needs, Picked, Pool, Result, Role, Threat, Use, MISSING};
use foretaste_macros::Catalogue;
use foretaste_num::softmax::{FitOptions, Rows, fit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Rows and their new classes.
type Flips = Vec<(usize, u32)>;

/// Shares of the data at which the alternation is run. Each set holds the one before, so that one order serves every
/// budget: the budget is not known when the order is made.
const LEVELS: [f64; 6] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4];
/// Most samples that the surrogate learns from.
const MOST_KNOWN: usize = 20_000;
/// Log-probabilities are cut here, so that one sample cannot weigh more than all others.
const FLOOR: f32 = 1e-9;

/// The label changes that do most damage to a linear model.
///
/// # What it does
/// Trains a linear surrogate on the vectors of the samples, then takes turns: choose the labels whose change is hardest for
/// the clean model and easiest for the tainted one, train on them, choose anew. The changed samples lie deep within
/// their class and on one side of it, so that together they turn the boundary; each gets the class that costs most.
///
/// # Threat model
/// The attacker labels data, or can edit labels in a store, and knows a share of the data (`known`) from which they train a
/// model of their own. They want the victim to be wrong in general.
///
/// # Ground truth
/// Every changed label, before and after.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack adversarial-flip --poison-rate 0.05 --out poisoned.csv
/// ```
///
/// # Caught by
/// `confident-learning` and `knn-label` see little: the changed labels vouch for each other and pull the surrogates of detectors
/// along. They are a group of their own within the class that they got: at 5 %, `activation-clustering` ranks nearly all of them
/// first on spambase and sms_spam, `robust-covariance` on spambase and fashion_mnist; on adult_income `value-association` names
/// rules that 38 % of them follow, on credit_default nothing ranks them. `trimmed-loss` sets aside
/// 99 % of them on spambase at 5 % (and 1.5 % of the honest samples), after which the accuracy is that of clean data; at
/// 10 % none, since more than a fifth of a class is poison then. On adult_income and credit_default it finds none.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Xiao, Xiao, Eckert, "Adversarial Label Flips Attack on Support Vector Machines", 2012 (ALFA, with the logistic loss and
/// more than two classes).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct AdversarialFlip {
    /// The class that labels are changed to; empty: the one that costs most, anew for each sample.
    pub target_class: String,
    /// Change labels of this class only; empty: of all.
    pub source_class: String,
    /// Share of the data, drawn from the seed, that the surrogate learns from.
    #[param(min = 0.01, max = 1)]
    pub known: f64,
    /// Most turns at each size.
    #[param(min = 1, max = 100)]
    pub rounds: u32,
}

impl Default for AdversarialFlip {
    fn default() -> Self {
        Self { target_class: String::new(), source_class: String::new(), known: 0.8, rounds: 5 }
    }
}

/// For each row its place in the order of damage and its new class, [`MISSING`] where it is left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: Option<u32>,
    source: Option<u32>,
    place: Vec<u32>,
    class: Vec<u32>,
}

fn unfit(reason: &str) -> Error {
    Error::Unfit { entry: "adversarial-flip".into(), reason: reason.into() }
}

impl Attack for AdversarialFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        let goal = if self.target_class.is_empty() { Goal::Availability } else { Goal::Targeted };
        Threat::labels(goal, Knowledge::Surrogate)
    }
    fn shows_as(&self) -> &'static [Kind] {
        &[Kind::Availability, Kind::LabelPoisoning]
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Embedding]).growing(Growth::Data)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("adversarial-flip", ctx)?;
        let target = classes::optional(&self.target_class, ctx)?;
        let source = classes::optional(&self.source_class, ctx)?;
        let (mut vectors, mut dim, mut labels) = (vec![], 0, vec![]);
        for batch in data.batches()? {
            let batch = batch?;
            let Some(m) = &batch.vectors else {
                return Err(unfit("the data have no vectors, and none could be made from them"));
            };
            dim = m.cols();
            vectors.extend(m.values().iter().map(|v| if v.is_finite() { *v } else { 0.0 }));
            labels.extend(classes::labels(&batch));
        }
        if dim == 0 || vectors.len() != labels.len() * dim {
            return Err(unfit("the data have no vectors, and none could be made from them"));
        }
        let known = self.known_rows(&labels, ctx);
        let classes = ctx.profile().classes.len();
        let game = Game { vectors: &vectors, dim, labels: &labels, classes, known: &known, target, source };
        let (mut place, mut class) = (vec![MISSING; labels.len()], vec![MISSING; labels.len()]);
        for (at, (row, to)) in (0u32..).zip(game.order(self.rounds)) {
            (place[row], class[row]) = (at, to);
        }
        Ok(Plan { target, source, place, class })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let usage = |i: usize| if plan.place(batch, i).is_some() { Use::Poison } else { Use::No };
        Ok((0..batch.rows()).map(usage).collect())
    }
    fn preference(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        let want = |i: usize| plan.place(batch, i).map_or(f64::MIN, |at| -f64::from(at));
        Ok(Some((0..batch.rows()).map(want).collect()))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        let class = |i: usize| plan.class.get(picked.rows[i] as usize).copied().filter(|c| *c != MISSING);
        Ok(Edited::relabelled((0..picked.len()).map(|i| class(i).unwrap_or(picked.label(i))).collect()))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(plan.source, plan.target, ctx);
        out.insert("surrogate".into(), "softmax regression on vectors".into());
        out
    }
}

impl AdversarialFlip {
    /// The labelled rows that the attacker has seen, ascending.
    fn known_rows(&self, labels: &[u32], ctx: &Ctx) -> Vec<usize> {
        let labelled = (0..labels.len()).filter(|&i| labels[i] != MISSING);
        let key = |i: usize| ctx.rng_at("adversarial-flip/known", i as u64).next_u64();
        let mut keyed: Vec<(u64, usize)> = labelled.map(|i| (key(i), i)).collect();
        keyed.sort_unstable();
        let n = (self.known * keyed.len() as f64).ceil() as usize;
        let mut out: Vec<usize> = keyed.into_iter().take(n.min(MOST_KNOWN)).map(|k| k.1).collect();
        out.sort_unstable();
        out
    }
}

impl Plan {
    fn place(&self, batch: &Batch, i: usize) -> Option<u32> {
        self.place.get(batch.first_row as usize + i).copied().filter(|at| *at != MISSING)
    }
}

/// What the alternation works on.
struct Game<'a> {
    vectors: &'a [f32],
    dim: usize,
    labels: &'a [u32],
    classes: usize,
    /// Rows that the surrogate learns from.
    known: &'a [usize],
    target: Option<u32>,
    source: Option<u32>,
}

impl Game<'_> {
    /// Log-probabilities of all rows, rows x classes, by a model of the known rows under `labels`.
    fn log_probs(&self, labels: &[u32]) -> Vec<f32> {
        let rows = |i: &usize| &self.vectors[i * self.dim..(i + 1) * self.dim];
        let seen: Vec<f32> = self.known.iter().flat_map(rows).copied().collect();
        let names: Vec<u32> = self.known.iter().map(|i| labels[*i]).collect();
        let dense = |data| Rows::Dense { data, dim: self.dim };
        let model = fit(dense(&seen), &names, None, self.classes, &FitOptions::default());
        model.predict_proba(dense(self.vectors)).into_iter().map(|p| p.max(FLOOR).ln()).collect()
    }

    /// The dearest change of a row: how much harder than its own label the new one was for the clean model, less what it
    /// is for the tainted one (Xiao et al., equation 9, for labels changed in place). `None` if it may not change.
    fn gain(&self, clean: &[f32], tainted: Option<&[f32]>, i: usize) -> Option<(f64, u32)> {
        let own = self.labels[i];
        if own as usize >= self.classes || self.source.is_some_and(|s| s != own) {
            return None;
        }
        let margin = |m: &[f32], c: u32| {
            let row = &m[i * self.classes..(i + 1) * self.classes];
            f64::from(row[own as usize] - row[c as usize])
        };
        let gain = |c: u32| margin(clean, c) - tainted.map_or(0.0, |m| margin(m, c));
        let mut best: Option<(f64, u32)> = None;
        for c in (0..self.classes as u32).filter(|c| *c != own && self.target.is_none_or(|t| t == *c)) {
            let g = gain(c);
            if best.is_none_or(|b| g > b.0) {
                best = Some((g, c));
            }
        }
        best
    }

    /// `held`, and the dearest other changes up to `n` in all, dearest first.
    fn choose(
        &self,
        held: &[(usize, u32)],
        clean: &[f32],
        tainted: Option<&[f32]>,
        n: usize,
    ) -> Flips {
        let mut taken = vec![false; self.labels.len()];
        held.iter().for_each(|(i, _)| taken[*i] = true);
        let free = (0..self.labels.len()).filter(|i| !taken[*i]);
        let mut ranked: Vec<(f64, usize, u32)> =
            free.filter_map(|i| self.gain(clean, tainted, i).map(|(g, c)| (g, i, c))).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let more = ranked.into_iter().take(n.saturating_sub(held.len())).map(|(_, i, c)| (i, c));
        held.iter().copied().chain(more).collect()
    }

    /// The model that the changes make, and how many known samples it gets wrong under their own labels.
    fn tainted(&self, flips: &[(usize, u32)]) -> (Vec<f32>, usize) {
        let mut labels = self.labels.to_vec();
        flips.iter().for_each(|(i, c)| labels[*i] = *c);
        let probs = self.log_probs(&labels);
        let wrong = self.known.iter().filter(|&&i| {
            let row = &probs[i * self.classes..(i + 1) * self.classes];
            row.get(self.labels[i] as usize).is_some_and(|own| row.iter().any(|p| p > own))
        });
        let wrong = wrong.count();
        (probs, wrong)
    }

    /// Every row that may change with its new class, in the order in which they are to be taken.
    fn order(&self, rounds: u32) -> Flips {
        let clean = self.log_probs(self.labels);
        let (mut held, mut model): (Flips, Option<Vec<f32>>) = (vec![], None);
        for level in LEVELS {
            let n = (level * self.labels.len() as f64).round() as usize;
            // changes spread evenly shrink all margins alike, so without a tainted model the clean margin stands for it
            let mut flips = self.choose(&held, &clean, model.as_deref(), n);
            let mut best: Option<(usize, Flips, Vec<f32>)> = None;
            for _ in 0..rounds {
                let (probs, wrong) = self.tainted(&flips);
                let next = self.choose(&held, &clean, Some(&probs), n);
                let settled = next == flips;
                // the alternation need not climb; what counts is the damage
                if best.as_ref().is_none_or(|b| wrong > b.0) {
                    best = Some((wrong, flips, probs));
                }
                if settled {
                    break;
                }
                flips = next;
            }
            if let Some((_, flips, probs)) = best {
                (held, model) = (flips, Some(probs));
            }
        }
        self.choose(&held, &clean, model.as_deref(), self.labels.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    fn clouds(n: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(seed, "clouds");
        let labels: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
        let at = |l: u32, k: usize| if l as usize % 2 == k { 1.5 } else { -f64::from(l / 2) };
        let vectors = labels.iter().flat_map(|l| [at(*l, 0), at(*l, 1)]).collect::<Vec<f64>>();
        (vectors.into_iter().map(|v| (v + rng.normal()) as f32).collect(), labels)
    }

    /// Plain gradient descent on the same objective.
    fn naive_margins(vectors: &[f32], labels: &[u32]) -> Vec<f64> {
        let mut w = [0f64; 3];
        let z = |w: &[f64; 3], i: usize| {
            w[0] * f64::from(vectors[2 * i]) + w[1] * f64::from(vectors[2 * i + 1]) + w[2]
        };
        for _ in 0..20_000 {
            let mut g = [w[0], w[1], 0.0];
            for (i, l) in labels.iter().enumerate() {
                let r = 1.0 / (1.0 + (-z(&w, i)).exp()) - f64::from(*l);
                g[0] += r * f64::from(vectors[2 * i]);
                g[1] += r * f64::from(vectors[2 * i + 1]);
                g[2] += r;
            }
            (0..3).for_each(|k| w[k] -= 0.01 * g[k]);
        }
        (0..labels.len()).map(|i| z(&w, i)).collect()
    }

    /// ALFA for one size and two classes, from the formula: retrain, take the greatest gains, keep the most harmful set.
    fn naive(vectors: &[f32], labels: &[u32], n: usize, rounds: u32) -> Vec<usize> {
        let signed = |z: &[f64]| -> Vec<f64> {
            z.iter().zip(labels).map(|(z, l)| if *l == 1 { *z } else { -z }).collect()
        };
        let clean = signed(&naive_margins(vectors, labels));
        let top = |gain: &[f64]| {
            let mut order: Vec<usize> = (0..gain.len()).collect();
            order.sort_by(|a, b| gain[*b].total_cmp(&gain[*a]));
            order.truncate(n);
            order
        };
        let (mut set, mut best) = (top(&clean), (0, vec![]));
        for round in 0..rounds {
            let flipped: Vec<u32> = (0..labels.len()).map(|i| labels[i] ^ u32::from(set.contains(&i))).collect();
            let tainted = signed(&naive_margins(vectors, &flipped));
            let wrong = tainted.iter().filter(|m| **m < 0.0).count();
            if round == 0 || wrong > best.0 {
                best = (wrong, set.clone());
            }
            let gain: Vec<f64> = clean.iter().zip(&tainted).map(|(a, b)| a - b).collect();
            set = top(&gain);
        }
        best.1
    }

    #[test]
    fn the_first_size_is_that_of_the_naive_twin() {
        let (vectors, labels) = clouds(200, 2, 3);
        let known: Vec<usize> = (0..200).collect();
        let game = Game {
            vectors: &vectors,
            dim: 2,
            labels: &labels,
            classes: 2,
            known: &known,
            target: None,
            source: None,
        };
        let mut ours: Vec<usize> = game.order(4).into_iter().take(2).map(|f| f.0).collect();
        let mut twin = naive(&vectors, &labels, 2, 4);
        ours.sort_unstable();
        twin.sort_unstable();
        assert_eq!(ours, twin);
    }

    #[test]
    fn it_hurts_more_than_chance_and_gives_each_row_once() {
        for classes in [2, 3] {
            let (vectors, labels) = clouds(600, classes, 5);
            let known: Vec<usize> = (0..600).collect();
            let game = Game {
                vectors: &vectors,
                dim: 2,
                labels: &labels,
                classes,
                known: &known,
                target: None,
                source: None,
            };
            let order = game.order(5);
            let mut rows: Vec<usize> = order.iter().map(|f| f.0).collect();
            assert!(order.iter().all(|(i, c)| labels[*i] != *c && (*c as usize) < classes));
            rows.sort_unstable();
            assert_eq!(rows, known);
            let mut rng = Rng::new(1, "chance");
            let chance: Vec<(usize, u32)> =
                (0..600).step_by(5).map(|i| (i, classes::other(labels[i], classes, rng.unit()))).collect();
            let (ours, theirs) = (game.tainted(&order[..120]).1, game.tainted(&chance).1);
            assert!(ours > theirs + 30, "{classes} classes: {ours} wrong, by chance {theirs}");
        }
    }

    #[test]
    fn named_classes_are_kept_to() {
        let (vectors, labels) = clouds(90, 3, 7);
        let known: Vec<usize> = (0..90).collect();
        let (target, source) = (Some(2), Some(0));
        let game =
            Game { vectors: &vectors, dim: 2, labels: &labels, classes: 3, known: &known, target, source };
        let order = game.order(2);
        assert_eq!(order.len(), 30);
        assert!(order.iter().all(|(i, c)| labels[*i] == 0 && *c == 2));
    }
}
