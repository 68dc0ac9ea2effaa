//! Rows at which a linear model that is wrong on purpose stands still.

mod game;

use crate::amounts::{Known, standardised, written};
use crate::classes;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Entering, Goal, Knowledge, MISSING, Needs, Picked, Pool, Result, Role,
    Threat, Use,
};
use foretaste_macros::Catalogue;
use game::{Game, Points};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Copies of one point a class, placed so that training on them ends at a model that was chosen beforehand for its errors.
///
/// # What it does
/// Makes decoys: linear models trained on the data and on held-out rows under turned labels. For each it looks for one point a
/// class, and how many copies of it, whose pull is opposite to that of the honest rows, so that the decoy is where training ends (the
/// Karush-Kuhn-Tucker condition). Points stay within what occurs in each column, within the ball and the slab that keep the share
/// `within` of their class, and on the right side for the decoy. Of all decoys that one is taken whose points cost a model
/// trained on them most on held-out rows. The added rows scatter about their point a little as the rows that they were copied
/// from do (`jitter`); numbers keep their decimals, and columns that are no numbers are those of the copied row.
///
/// # Threat model
/// The attacker can submit rows, knows data like those of the victim, and trains a model of their own. They want the victim to
/// be wrong in general, and expect that rows far from their class are taken out.
///
/// # Ground truth
/// Every added row, with the row that it was copied from.
///
/// # Example
/// ```text
/// foretaste simulate spambase.parquet --attack kkt --poison-rate 0.05 --out poisoned.parquet
/// ```
///
/// # Caught by
/// At 5 % of spambase (two seeds) a scan names an availability finding with 74 and 85 % of the rows and 3 % of the honest ones.
/// `outlier-tail` ranks nearly all of the rows first: they are inside the ball, but few of their columns are at the common value;
/// then come `robust-margin` and `trimmed-loss`. `confident-learning`, `knn-label` and `outlier-distance` see nothing. A model
/// that reads numbers in bins is not harmed: rehearse it on a linear victim that reads them plainly (`--set linear-svm.numbers=plain`).
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Koh, Steinhardt, Liang, "Stronger Data Poisoning Attacks Break Data Sanitization Defenses", 2018 (section 5, with the logistic loss,
/// any number of classes, and decoys whose turned rows are chosen more than once). Steinhardt, Koh, Liang, "Certified Defenses for Data
/// Poisoning Attacks", 2017 (ball and slab).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct Kkt {
    /// Strength of the squared penalty of the attacker's model, beside the mean loss of a row.
    #[param(min = 0.000001, max = 100)]
    pub l2: f64,
    /// Share of a class that is nearer to its mean than a point may be; 1 lets points go as far as the farthest row does.
    #[param(min = 0.1, max = 1)]
    pub within: f64,
    /// How much of the copied row's own distance from the mean of all copied rows is added to the point; 0 adds equal rows,
    /// which any search for copies finds.
    #[param(min = 0, max = 1)]
    pub jitter: f64,
    /// Most steps of the search for the points of a decoy; 0 leaves them at the means of their classes.
    #[param(min = 0, max = 1000)]
    pub steps: u32,
}

impl Default for Kkt {
    fn default() -> Self {
        Self { l2: 0.01, within: 0.9, jitter: 0.2, steps: 100 }
    }
}

/// The attacker's sample of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    known: Known,
}

impl Attack for Kkt {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Availability, false, Knowledge::Surrogate)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Feature])
    }
    fn enters(&self) -> Entering {
        Entering::Insert
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("kkt", ctx)?;
        Ok(Plan { known: Known::draw("kkt", data, ctx)? })
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        Ok(classes::labels(batch)
            .into_iter()
            .map(|l| if l == MISSING { Use::No } else { Use::Poison })
            .collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let known = &plan.known;
        let share = picked.len() as f64 / (known.labels.len() as f64 * known.weight);
        let game = Game::new(self, known, ctx.profile().classes.len(), share);
        let points = game.play();
        let own: Vec<u32> = (0..picked.len()).map(|i| picked.label(i)).collect();
        let labels = dealt(&own, &points.shares);
        let rows = self.scattered(&game, &points, &labels, &standardised(&known.columns, picked));
        Ok(Edited { labels: Some(labels), columns: written(&known.columns, &rows), ..Edited::default() })
    }
    fn describe(&self, plan: &Plan, _ctx: &Ctx) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("surrogate".into(), "softmax regression on numeric columns".into());
        out.insert("columns".into(), plan.known.columns.len().into());
        out
    }
}

impl Kkt {
    /// Each row at the point of its label, moved by some of the copied row's distance from the mean of the copied.
    fn scattered(&self, game: &Game, points: &Points, labels: &[u32], copied: &[f64]) -> Vec<f64> {
        let dim = game.model.dim;
        let mut mean = vec![0.0; dim];
        for row in copied.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / labels.len() as f64);
        }
        let mut out = copied.to_vec();
        for (row, label) in out.chunks_exact_mut(dim).zip(labels) {
            let Some(point) = points.of(*label, dim) else { continue };
            row.iter_mut().zip(&mean).zip(point).for_each(|((v, m), p)| *v = p + self.jitter * (*v - m));
            if let Some(region) = game.region(*label) {
                region.nearest(row, None);
            }
        }
        out
    }
}

/// Labels of the added rows, as many of each class as its share says, and other than their own as far as that goes: what
/// is not moved should not vouch for the label.
fn dealt(own: &[u32], shares: &[f64]) -> Vec<u32> {
    let (n, total) = (own.len(), shares.iter().sum::<f64>().max(f64::MIN_POSITIVE));
    // cumulated shares are rounded, so that the counts add up
    let mut sum = 0.0;
    let mut upto = 0;
    let mut left: Vec<usize> = shares
        .iter()
        .map(|s| {
            sum += s / total;
            let next = (sum * n as f64).round() as usize;
            let count = next.saturating_sub(upto);
            upto = next;
            count
        })
        .collect();
    let mut give = |own: u32| {
        let most = |c: &usize| (*c as u32 != own && left[*c] > 0, left[*c], std::cmp::Reverse(*c));
        let Some(to) = (0..left.len()).max_by_key(most) else { return own };
        left[to] = left[to].saturating_sub(1);
        to as u32
    };
    own.iter().map(|l| give(*l)).collect()
}

#[cfg(test)]
mod tests {
    use super::game::tests::clouds;
    use super::*;

    #[test]
    fn rows_scatter_about_their_point_by_the_jitter() {
        let known = clouds(300, 2);
        let copied = &known.rows[..80];
        let labels = dealt(&known.labels[..40], &[0.03, 0.01]);
        assert_eq!(labels.iter().filter(|l| **l == 0).count(), 30);
        for (jitter, wanted) in [(0.0, 0.0), (0.2, 0.2)] {
            let attack = Kkt { jitter, ..Kkt::default() };
            let game = Game::new(&attack, &known, 2, 0.1);
            let points = Points {
                x: game.regions.iter().flatten().flat_map(|r| r.mean.clone()).collect(),
                shares: vec![0.05; 2],
            };
            let rows = attack.scattered(&game, &points, &labels, copied);
            let spread = |rows: &[f64], of: &dyn Fn(usize) -> f64| {
                (0..40).map(|i| (rows[2 * i] - of(i)).powi(2)).sum::<f64>().sqrt()
            };
            let mean = copied.iter().step_by(2).sum::<f64>() / 40.0;
            let ours = spread(&rows, &|i| points.of(labels[i], 2).unwrap()[0]);
            assert!((ours - wanted * spread(copied, &|_| mean)).abs() < 1e-9);
        }
    }

    #[test]
    fn labels_are_other_than_their_own_where_that_can_be() {
        assert_eq!(dealt(&[0, 0, 1, 1], &[0.05, 0.05]), [1, 1, 0, 0]);
        assert_eq!(dealt(&[0, 0, 0, 0], &[0.03, 0.01]), [1, 0, 0, 0]);
        assert_eq!(dealt(&[2, 1, 0], &[0.0, 0.1, 0.0]), [1, 1, 1]);
    }
}
