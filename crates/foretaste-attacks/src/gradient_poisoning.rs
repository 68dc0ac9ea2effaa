//! Rows whose numbers were optimised to spoil a linear model.

use crate::amounts::{Known, standardised, written};
use crate::classes;
use crate::linear::{Linear, Set};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Entering, Goal, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most samples that are optimised; of more, the others move as one of these did.
const PATTERNS: usize = 1000;
/// The first step and the last, in deviations of a column.
const STEPS: (f64, f64) = (1.0, 0.01);

/// Added rows under wrong labels, whose numbers are those that harm a linear model most.
///
/// # What it does
/// Copies rows, gives each another label, and moves their numeric columns uphill on the loss that a linear model, trained on
/// the data and these rows, has on the data. The gradient through training comes from the optimality condition of the
/// model. Numbers stay within what occurs in their column and have as many decimals, other columns are those of the copied row.
///
/// # Threat model
/// The attacker can submit rows, knows data like those of the victim, and trains a model of their own. They want the victim to
/// be wrong in general.
///
/// # Ground truth
/// Every added row, with the row that it was copied from.
///
/// # Example
/// ```text
/// foretaste simulate spambase.parquet --attack gradient-poisoning --poison-rate 0.05 --out poisoned.parquet
/// ```
///
/// # Caught by
/// Numbers stay within their columns, but many lie at the ends at once: `column-ends` sets aside 99 % of the rows at 0.1 to 1 % of
/// adult_income and 71 to 83 % at 5 %, with hardly an honest one. At 5 %, `outlier-tail` ranks nearly all of the rows first on
/// spambase; `trimmed-loss` sets aside all but a few there at 1 to 10 %, with 3 % of the honest samples. `confident-learning` and `knn-label` see nothing. A model that reads
/// numbers in bins is hurt no more than by random label changes: rehearse it on a linear victim that reads them plainly
/// (`--set softmax-regression.numbers=plain`).
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Biggio, Nelson, Laskov, "Poisoning Attacks against Support Vector Machines", 2012. Munoz-Gonzalez et al., "Towards Poisoning
/// of Deep Learning Algorithms with Back-gradient Optimization", 2017. Demontis et al., "Why Do Adversarial Attacks Transfer?",
/// 2019.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct GradientPoisoning {
    /// The class of the added rows; empty: any other than that of the copied row, drawn anew for each.
    pub target_class: String,
    /// Strength of the squared penalty of the attacker's model, beside the mean loss of a row.
    #[param(min = 0.000001, max = 100)]
    pub l2: f64,
    /// Most steps uphill; 0 leaves the copied numbers as they are.
    #[param(min = 0, max = 1000)]
    pub steps: u32,
}

impl Default for GradientPoisoning {
    fn default() -> Self {
        Self { target_class: String::new(), l2: 0.01, steps: 40 }
    }
}

/// The wanted class, and the attacker's sample of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: Option<u32>,
    known: Known,
}

impl Attack for GradientPoisoning {
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
        classes::at_least_two("gradient-poisoning", ctx)?;
        let target = classes::optional(&self.target_class, ctx)?;
        Ok(Plan { target, known: Known::draw("gradient-poisoning", data, ctx)? })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let fits = |l: u32| l != MISSING && plan.target != Some(l);
        Ok(classes::labels(batch).into_iter().map(|l| if fits(l) { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let classes = ctx.profile().classes.len();
        let label = |i: usize| {
            let drawn = || ctx.rng_at("gradient-poisoning/class", picked.rows[i]).unit();
            plan.target.unwrap_or_else(|| classes::other(picked.label(i), classes, drawn()))
        };
        let labels: Vec<u32> = (0..picked.len()).map(label).collect();
        let start = standardised(&plan.known.columns, picked);
        let moved = self.moved(plan, &start, &labels, classes);
        Ok(Edited { labels: Some(labels), columns: written(&plan.known.columns, &moved), ..Edited::default() })
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(None, plan.target, ctx);
        out.insert("surrogate".into(), "softmax regression on numeric columns".into());
        out.insert("columns".into(), plan.known.columns.len().into());
        out
    }
}

impl GradientPoisoning {
    /// All poison rows, moved uphill: the patterns by the gradient, the others as a pattern of their label.
    fn moved(&self, plan: &Plan, start: &[f64], labels: &[u32], classes: usize) -> Vec<f64> {
        let (dim, n) = (plan.known.columns.len(), labels.len());
        let chosen: Vec<usize> = if n <= PATTERNS { (0..n).collect() } else { (0..PATTERNS).map(|k| k * n / PATTERNS).collect() };
        let row = |i: usize| &start[i * dim..(i + 1) * dim];
        let from: Vec<f64> = chosen.iter().flat_map(|i| row(*i)).copied().collect();
        let named: Vec<u32> = chosen.iter().map(|i| labels[*i]).collect();
        let each = n as f64 / chosen.len().max(1) as f64 / plan.known.weight;
        let to = self.ascend(plan, from.clone(), &named, each, classes);
        if n <= PATTERNS {
            return to;
        }
        let mut out = start.to_vec();
        let mut of_class: Vec<Vec<usize>> = vec![vec![]; classes];
        named.iter().enumerate().for_each(|(p, l)| of_class[*l as usize].push(p));
        for (i, z) in out.chunks_exact_mut(dim).enumerate() {
            let own = &of_class[labels[i] as usize];
            let alike = || own.get(i % own.len().max(1)).copied();
            let Some(p) = chosen.binary_search(&i).ok().or_else(alike) else { continue };
            for (k, z) in z.iter_mut().enumerate() {
                *z = plan.known.columns[k].boxed(*z + to[p * dim + k] - from[p * dim + k]);
            }
        }
        out
    }

    /// Projected ascent of the loss on the sample, the model being trained on it and on the poison. All poison rows move at
    /// once, each by the same length: one system of equations a step serves all of them. A part kept for judging would be the
    /// honest choice for a large sample; of a small one the points learn that part by heart and harm nothing else.
    fn ascend(&self, plan: &Plan, from: Vec<f64>, labels: &[u32], each: f64, classes: usize) -> Vec<f64> {
        let dim = plan.known.columns.len();
        let model = Linear { dim, classes, l2: self.l2 };
        let mut judge = Set::default();
        for (row, label) in plan.known.rows.chunks_exact(dim).zip(&plan.known.labels) {
            judge.push(row, *label, 1.0);
        }
        let mut train = judge.clone();
        let clean = train.x.len();
        train.x.extend(&from);
        train.labels.extend(labels);
        train.weights.resize(train.labels.len(), each);
        let mut theta = model.fit(&train, vec![]);
        let (mut loss, mut right) = model.loss(&theta, &judge, 0.0);
        let (mut step, mut uphill) = (STEPS.0, None);
        for _ in 0..self.steps {
            let u = uphill.get_or_insert_with(|| model.solve(&theta, &train, &right, 1e-4));
            let mut next = train.clone();
            for (row, label) in next.x[clean..].chunks_exact_mut(dim).zip(labels) {
                let down = model.mixed(&theta, u, row, *label);
                let length = down.iter().map(|d| d * d).sum::<f64>().sqrt();
                if length > 0.0 && length.is_finite() {
                    let by = step / length;
                    row.iter_mut().zip(down).zip(&plan.known.columns).for_each(|((z, d), c)| *z = c.boxed(*z - by * d));
                }
            }
            let tried = model.fit(&next, theta.clone());
            let (harm, gradient) = model.loss(&tried, &judge, 0.0);
            if harm > loss {
                (train, theta, loss, right, uphill) = (next, tried, harm, gradient, None);
                step *= 1.5;
            } else {
                step *= 0.5;
            }
            if step < STEPS.1 {
                break;
            }
        }
        train.x.split_off(clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amounts::Column;
    use foretaste_num::rng::Rng;

    fn column(at: usize) -> Column {
        Column { at, low: -4.0, high: 4.0, mean: 0.0, deviation: 1.0, decimals: None }
    }

    fn plan(rows: usize) -> Plan {
        let mut rng = Rng::new(3, "gradient-poisoning");
        let labels: Vec<u32> = (0..rows).map(|i| (i % 2) as u32).collect();
        let at = |l: &u32, rng: &mut Rng| [f64::from(*l) * 2.0 - 1.0 + rng.normal(), rng.normal()];
        let rows = labels.iter().flat_map(|l| at(l, &mut rng)).collect();
        let columns = vec![column(0), column(1)];
        Plan { target: None, known: Known { columns, rows, labels, weight: 1.0 } }
    }

    fn harm(plan: &Plan, poison: &[f64], labels: &[u32]) -> f64 {
        let set = |x: Vec<f64>, labels: Vec<u32>| Set { x, weights: vec![1.0; labels.len()], labels };
        let model = Linear { dim: 2, classes: 2, l2: 0.01 };
        let x = plan.known.rows.iter().chain(poison).copied().collect();
        let mut train = set(x, plan.known.labels.iter().chain(labels).copied().collect());
        // the rows of the plan stand for `weight` times as many: poison weighs that much less beside them
        train.weights[plan.known.labels.len()..].fill(1.0 / plan.known.weight);
        let theta = model.fit(&train, vec![]);
        model.loss(&theta, &set(plan.known.rows.clone(), plan.known.labels.clone()), 0.0).0
    }

    #[test]
    fn moved_rows_harm_more_than_copies_and_stay_in_the_box() {
        let plan = plan(300);
        for n in [30, 2500] {
            let start: Vec<f64> = plan.known.rows.iter().cycle().take(2 * n).copied().collect();
            let labels: Vec<u32> = plan.known.labels.iter().cycle().take(n).map(|l| 1 - l).collect();
            let known = Known { weight: n as f64 / 30.0, ..plan.known.clone() };
            let plan = Plan { target: None, known };
            let moved = GradientPoisoning::default().moved(&plan, &start, &labels, 2);
            assert!(moved.iter().all(|z| z.abs() <= 4.0));
            let (copied, moved) = (harm(&plan, &start, &labels), harm(&plan, &moved, &labels));
            assert!(moved > copied + 0.05, "{n} rows: {moved} and {copied}");
        }
    }
}
