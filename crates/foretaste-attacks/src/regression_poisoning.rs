//! Rows whose numbers bend a regression.

use crate::amounts::{Column, columns, standardised, written};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Entering, Error, Goal, Knowledge, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use foretaste_num::linalg::solve_positive;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most rows that the attacker's model learns from and is judged on, and most columns that it reads.
const ROWS: usize = 3000;
const COLUMNS: usize = 300;
/// Rows that a drawn corner mixes: as many as give it the covariance of the data.
const MIXED: usize = 200;
/// Most samples that are optimised; of more, the others move as one of these did.
const PATTERNS: usize = 1000;
/// The first step and the last, in deviations of a column.
const STEPS: (f64, f64) = (1.0, 0.01);

/// Added rows whose target contradicts their numbers, so that a regression predicts worse everywhere.
///
/// # What it does
/// Copies rows, draws their numeric columns from a normal distribution with the covariance of the data and rounds each to the end
/// of its column on that side (corners), and sets the target to its least or greatest value, whichever is farther from what a linear
/// model predicts there. With `steps` above 0 the numbers then move uphill on the squared error that a ridge regression, trained on
/// the data and these rows, has on other samples, and the target goes to the end that the gradient wants. The model has a
/// closed form, and so has the gradient through its training. Numbers stay within what occurs in their column and
/// have as many decimals, other columns are those of the copied row.
///
/// # Threat model
/// The attacker can submit rows and knows data like those of the victim. They want predictions to be wrong in general.
///
/// # Ground truth
/// Every added row, with the row that it was copied from.
///
/// # Example
/// ```text
/// foretaste simulate houses.csv --target price --attack regression-poisoning --poison-rate 0.08 --out poisoned.csv
/// ```
///
/// # Caught by
/// `column-ends`, where the table has three columns or more of more than ten numbers each: nearly all of the rows at 4 to 20 %, with at
/// most 1.3 % of the honest ones (5 % on nsl_kdd). `trimmed-residuals`, where a linear model follows the target well: all of the rows on a
/// table of house prices and on vehicle_claim_fraud (`Age`). Where few columns give few corners (credit_default) they find some or
/// none (figures in docs/figures.md). `near-duplicate` lists corners that come several times.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Jagielski, Oprea, Biggio, Liu, Nita-Rotaru, Li, "Manipulating Machine Learning: Poisoning Attacks and Countermeasures for Regression
/// Learning", IEEE S&P 2018 (StatP; the optimised attack). Xiao et al., "Is Feature Selection Secure against Training Data
/// Poisoning?", 2015.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct RegressionPoisoning {
    /// Strength of the squared penalty of the attacker's model, beside the mean squared error.
    #[param(min = 0.000001, max = 100)]
    pub l2: f64,
    /// Most steps uphill; 0 leaves the rows at the corners that were drawn (no gradient is needed).
    #[param(min = 0, max = 1000)]
    pub steps: u32,
}

impl Default for RegressionPoisoning {
    fn default() -> Self {
        Self { l2: 0.01, steps: 0 }
    }
}

/// Columns, and the attacker's sample of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    columns: Vec<Column>,
    target: Column,
    /// Sampled rows, each number standardised.
    rows: Vec<f64>,
    /// Their targets, standardised.
    targets: Vec<f64>,
    /// Rows of the data for each of the sample.
    weight: f64,
}

impl Attack for RegressionPoisoning {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Availability, false, Knowledge::Surrogate)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Target, Role::Feature])
    }
    fn enters(&self) -> Entering {
        Entering::Insert
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        let mut columns = columns(data, Role::Feature, "regression-poisoning")?;
        let target = crate::amounts::columns(data, Role::Target, "regression-poisoning")?;
        let target = target.into_iter().next().ok_or_else(|| unfit("the target does not vary"))?;
        columns.truncate(COLUMNS);
        let mut keyed: Vec<(u64, u64)> = vec![];
        for batch in data.batches()? {
            let batch = batch?;
            let known = batch.targets().unwrap_or_default();
            let rows = known.iter().enumerate().filter(|(_, t)| t.is_finite()).map(|(i, _)| batch.first_row + i as u64);
            keyed.extend(rows.map(|row| (ctx.rng_at("regression-poisoning/known", row).next_u64(), row)));
        }
        keyed.sort_unstable();
        let all = keyed.len();
        keyed.truncate(ROWS);
        if keyed.len() < 20 {
            return Err(unfit("it needs 20 rows with a target at least to train a model on"));
        }
        let seen = data.pick(&keyed.iter().map(|k| k.1).collect::<Vec<_>>())?;
        let rows = standardised(&columns, &seen);
        let targets = standardised(std::slice::from_ref(&target), &seen);
        let weight = all as f64 / seen.len() as f64;
        Ok(Plan { columns, target, rows, targets, weight })
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let known = batch.targets().unwrap_or_default();
        Ok(known.into_iter().map(|t| if t.is_finite() { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let mut poison = plan.corners(picked, self.l2, ctx);
        if self.steps > 0 {
            self.optimise(plan, &mut poison);
        }
        let mut columns = written(&plan.columns, &poison.x);
        columns.extend(written(std::slice::from_ref(&plan.target), &poison.t));
        Ok(Edited { columns, ..Edited::default() })
    }
    fn describe(&self, plan: &Plan, _ctx: &Ctx) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("surrogate".into(), "ridge regression on numeric columns".into());
        out.insert("columns".into(), plan.columns.len().into());
        out
    }
}

fn unfit(reason: &str) -> Error {
    Error::Unfit { entry: "regression-poisoning".into(), reason: reason.into() }
}

/// Rows and targets, standardised.
#[derive(Clone, Debug, Default)]
struct Rows {
    x: Vec<f64>,
    t: Vec<f64>,
}

impl Plan {
    /// Rows at corners, each keyed by the row that it is copied from, with the target away from the prediction.
    fn corners(&self, picked: &Picked, l2: f64, ctx: &Ctx) -> Rows {
        let (dim, all) = (self.columns.len(), self.targets.len());
        let known = Rows { x: self.rows.clone(), t: self.targets.clone() };
        let line = Ridge::fit(&[(&known, 1.0)], dim, l2);
        let mut out = Rows::default();
        for row in &picked.rows {
            let mut rng = ctx.rng_at("regression-poisoning/corner", *row);
            let mut z = vec![0.0; dim];
            for _ in 0..MIXED {
                let (by, i) = (rng.normal(), rng.below(all));
                z.iter_mut().zip(&self.rows[i * dim..(i + 1) * dim]).for_each(|(z, v)| *z += by * v);
            }
            let corner = |(z, c): (&f64, &Column)| c.boxed(if *z > 0.0 { f64::MAX } else { f64::MIN });
            let x: Vec<f64> = z.iter().zip(&self.columns).map(corner).collect();
            let high = line.at(&x) <= 0.0;
            out.t.push(self.end(high));
            out.x.extend(x);
        }
        out
    }

    /// The greatest or the least target.
    fn end(&self, high: bool) -> f64 {
        self.target.standard(if high { self.target.high } else { self.target.low })
    }
}

impl RegressionPoisoning {
    /// Projected ascent of the squared error on one third of the sample, the model being trained on the rest and the poison.
    fn optimise(&self, plan: &Plan, poison: &mut Rows) {
        let (dim, n) = (plan.columns.len(), poison.t.len());
        let (mut train, mut judge) = (Rows::default(), Rows::default());
        for (i, (x, t)) in plan.rows.chunks_exact(dim).zip(&plan.targets).enumerate() {
            let set = if i % 3 == 2 { &mut judge } else { &mut train };
            set.x.extend(x);
            set.t.push(*t);
        }
        let chosen: Vec<usize> = if n <= PATTERNS { (0..n).collect() } else { (0..PATTERNS).map(|k| k * n / PATTERNS).collect() };
        let mut rows = Rows::default();
        for i in &chosen {
            rows.x.extend(&poison.x[i * dim..(i + 1) * dim]);
            rows.t.push(poison.t[*i]);
        }
        let from = rows.clone();
        // the poison has the share of the smaller training set that it has of the data
        let each = n as f64 / chosen.len().max(1) as f64 / plan.weight * train.t.len() as f64 / plan.targets.len() as f64;
        let fit = |rows: &Rows| Ridge::fit(&[(&train, 1.0), (rows, each)], dim, self.l2);
        let mut model = fit(&rows);
        let mut harm = model.error(&judge);
        let mut step = STEPS.0;
        for _ in 0..self.steps {
            let u = model.solve(&model.error_gradient(&judge));
            let mut next = rows.clone();
            for (x, t) in next.x.chunks_exact_mut(dim).zip(&mut next.t) {
                let along = dot(x, &u);
                let residual = model.at(x) - *t;
                // dL/dx = -w (r u + (u . x) theta), dL/dt = w (u . x)
                let uphill: Vec<f64> = (0..dim).map(|k| -(residual * u[k] + along * model.theta[k])).collect();
                let length = uphill.iter().map(|g| g * g).sum::<f64>().sqrt();
                if length > 0.0 && length.is_finite() {
                    let by = step / length;
                    x.iter_mut().zip(&uphill).zip(&plan.columns).for_each(|((z, g), c)| *z = c.boxed(*z + by * g));
                }
                *t = plan.end(along > 0.0);
            }
            let tried = fit(&next);
            let error = tried.error(&judge);
            if error > harm {
                (rows, model, harm) = (next, tried, error);
                step *= 1.5;
            } else {
                step *= 0.5;
            }
            if step < STEPS.1 {
                break;
            }
        }
        for i in 0..n {
            let p = chosen.binary_search(&i).unwrap_or(i % chosen.len().max(1));
            for k in 0..dim {
                let at = &mut poison.x[i * dim + k];
                *at = plan.columns[k].boxed(*at + rows.x[p * dim + k] - from.x[p * dim + k]);
            }
            poison.t[i] = rows.t[p];
        }
    }
}

/// A ridge regression, and the matrix that it solved: parameters are `dim` weights and the intercept.
struct Ridge {
    theta: Vec<f64>,
    matrix: Vec<f64>,
}

impl Ridge {
    /// Minimises the weighted mean squared error and `l2` times the squares of all parameters.
    fn fit(sets: &[(&Rows, f64)], dim: usize, l2: f64) -> Self {
        let n = dim + 1;
        let (mut matrix, mut right, mut total) = (vec![0.0; n * n], vec![0.0; n], 0.0);
        for (set, weight) in sets {
            for (x, t) in set.x.chunks_exact(dim).zip(&set.t) {
                let row = |i: usize| x.get(i).copied().unwrap_or(1.0);
                for i in 0..n {
                    let by = weight * row(i);
                    right[i] += by * t;
                    (0..=i).for_each(|j| matrix[i * n + j] += by * row(j));
                }
                total += weight;
            }
        }
        matrix.iter_mut().chain(&mut right).for_each(|v| *v /= total.max(f64::MIN_POSITIVE));
        (0..n).for_each(|i| matrix[i * n + i] += l2);
        let theta = solve_positive(&matrix, &right).unwrap_or_else(|| vec![0.0; n]);
        Self { theta, matrix }
    }

    fn at(&self, x: &[f64]) -> f64 {
        dot(x, &self.theta)
    }

    fn error(&self, set: &Rows) -> f64 {
        let rows = set.x.chunks_exact(self.theta.len() - 1).zip(&set.t);
        rows.map(|(x, t)| (self.at(x) - t).powi(2)).sum::<f64>() / set.t.len().max(1) as f64
    }

    /// Gradient of that error in the parameters.
    fn error_gradient(&self, set: &Rows) -> Vec<f64> {
        let mut out = vec![0.0; self.theta.len()];
        for (x, t) in set.x.chunks_exact(self.theta.len() - 1).zip(&set.t) {
            let by = 2.0 * (self.at(x) - t) / set.t.len().max(1) as f64;
            out.iter_mut().zip(x.iter().chain(&[1.0])).for_each(|(g, v)| *g += by * v);
        }
        out
    }

    fn solve(&self, right: &[f64]) -> Vec<f64> {
        solve_positive(&self.matrix, right).unwrap_or_else(|| vec![0.0; right.len()])
    }
}

/// Product with the intercept's 1 behind the row.
fn dot(x: &[f64], theta: &[f64]) -> f64 {
    x.iter().zip(theta).map(|(a, b)| a * b).sum::<f64>() + theta.get(x.len()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    fn plan(rows: usize) -> Plan {
        let mut rng = Rng::new(3, "regression-poisoning");
        let column = |at: usize| Column { at, low: -3.0, high: 3.0, mean: 0.0, deviation: 1.0, decimals: None };
        let x: Vec<f64> = (0..3 * rows).map(|_| rng.normal().clamp(-3.0, 3.0)).collect();
        let t = x.chunks(3).map(|x| (0.8 * x[0] - 0.4 * x[1] + 0.4 * rng.normal()).clamp(-3.0, 3.0)).collect();
        Plan { columns: (0..3).map(column).collect(), target: column(3), rows: x, targets: t, weight: 1.0 }
    }

    fn error(plan: &Plan, poison: &Rows) -> f64 {
        let known = Rows { x: plan.rows.clone(), t: plan.targets.clone() };
        Ridge::fit(&[(&known, 1.0), (poison, 1.0)], 3, 0.01).error(&known)
    }

    #[test]
    fn corners_harm_and_optimised_rows_harm_more() {
        let plan = plan(600);
        let mut rng = Rng::new(4, "poison");
        let mut rows = Rows::default();
        for _ in 0..50 {
            let x: Vec<f64> = (0..3).map(|_| 3.0 * rng.normal().signum()).collect();
            rows.t.push(if x[0] - 0.5 * x[1] > 0.0 { -3.0 } else { 3.0 });
            rows.x.extend(x);
        }
        let (clean, corners) = (error(&plan, &Rows::default()), error(&plan, &rows));
        assert!(corners > 1.5 * clean, "{corners} and {clean}");
        RegressionPoisoning { steps: 30, ..RegressionPoisoning::default() }.optimise(&plan, &mut rows);
        assert!(rows.x.iter().chain(&rows.t).all(|v| v.abs() <= 3.0));
        let moved = error(&plan, &rows);
        assert!(moved > corners, "{moved} and {corners}");
    }

    #[test]
    fn the_gradient_through_training_is_that_of_small_steps() {
        let plan = plan(200);
        let known = Rows { x: plan.rows.clone(), t: plan.targets.clone() };
        let mut rows = Rows { x: vec![2.0, -1.0, 0.5], t: vec![-3.0] };
        let fit = |rows: &Rows| Ridge::fit(&[(&known, 1.0), (rows, 5.0)], 3, 0.01);
        let model = fit(&rows);
        let u = model.solve(&model.error_gradient(&known));
        let (along, residual) = (dot(&rows.x, &u), model.at(&rows.x) - rows.t[0]);
        // the matrix is a mean over 205 rows
        let want = |k: usize| -5.0 / 205.0 * (residual * u[k] + along * model.theta[k]);
        let target = 5.0 / 205.0 * along;
        let base = model.error(&known);
        for k in 0..3 {
            rows.x[k] += 1e-6;
            assert!(((fit(&rows).error(&known) - base) / 1e-6 - want(k)).abs() < 1e-4);
            rows.x[k] -= 1e-6;
        }
        rows.t[0] += 1e-6;
        assert!(((fit(&rows).error(&known) - base) / 1e-6 - target).abs() < 1e-4);
    }
}
