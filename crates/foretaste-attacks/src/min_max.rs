//! Rows at the edge of what a filter lets through.

use crate::amounts::Known;
use crate::classes;
use crate::linear::{Linear, Set};
use arrow_array::{ArrayRef, Float64Array};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Entering, Goal, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A few points, each many times: what a linear model errs most on, within the reach of honest rows.
///
/// # What it does
/// Plays against a linear model: trains it on the data and the points so far, and adds the point, of all numbers and labels that are
/// allowed, that the model gets most wrong. Allowed is what occurs in each column, within a sphere around the mean of the class.
/// The points share out the poison evenly. Whole numbers stay whole; other columns are those of the row that was copied.
///
/// # Threat model
/// The attacker can submit rows, knows data like those of the victim, and trains a model of their own. They want the victim to be
/// wrong in general, and expect rows far from their class to be thrown out.
///
/// # Ground truth
/// Every added row, with the row that it was copied from.
///
/// # Example
/// ```text
/// foretaste simulate spambase.parquet --attack min-max --poison-rate 0.05 --out poisoned.parquet
/// ```
///
/// # Caught by
/// The points are few and repeated: `near-duplicate`, where it looks at numbers.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Steinhardt, Koh, Liang, "Certified Defenses for Data Poisoning Attacks", 2017 (algorithm 1, here as fictitious play and with
/// the logistic loss). Koh, Steinhardt, Liang, "Stronger Data Poisoning Attacks Break Data Sanitization Defenses", 2022.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct MinMax {
    /// The class of the added rows; empty: whichever the model errs most on.
    pub target_class: String,
    /// Different points at most.
    #[param(min = 1, max = 1000)]
    pub points: usize,
    /// Share of a class's own rows that lie within its sphere.
    #[param(min = 0.01, max = 1)]
    pub within: f64,
    /// Strength of the squared penalty of the attacker's model, beside the mean loss of a row.
    #[param(min = 0.000001, max = 100)]
    pub l2: f64,
}

impl Default for MinMax {
    fn default() -> Self {
        Self { target_class: String::new(), points: 30, within: 0.9, l2: 0.01 }
    }
}

/// The wanted class, and the attacker's sample of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: Option<u32>,
    known: Known,
}

/// Steps towards the worst point: with two classes the first is exact.
const STEPS: usize = 5;

impl Attack for MinMax {
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
        classes::at_least_two("min-max", ctx)?;
        let target = classes::optional(&self.target_class, ctx)?;
        Ok(Plan { target, known: Known::draw("min-max", data, ctx)? })
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let usage = |l: u32| if l == MISSING { Use::No } else { Use::Poison };
        Ok(classes::labels(batch).into_iter().map(usage).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let n = picked.len();
        let share = n as f64 / plan.known.weight;
        let points = self.play(plan, n.min(self.points), share, ctx.profile().classes.len());
        let point = |i: usize| points.get(i % points.len().max(1));
        let columns = plan.known.columns.iter().enumerate().map(|(k, column)| -> (usize, ArrayRef) {
            let value = |i: usize| point(i).map(|(z, _)| column.written(z[k]));
            (column.at, Arc::new((0..n).map(value).collect::<Float64Array>()))
        });
        let columns = columns.collect();
        let labels = (0..n).map(|i| point(i).map_or(picked.label(i), |p| p.1)).collect();
        Ok(Edited { labels: Some(labels), columns, ..Edited::default() })
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(None, plan.target, ctx);
        out.insert("surrogate".into(), "softmax regression on numeric columns".into());
        out.insert("columns".into(), plan.known.columns.len().into());
        out
    }
}

/// Where a class lies.
struct Sphere {
    label: u32,
    centre: Vec<f64>,
    radius: f64,
}

impl MinMax {
    /// The points, with their labels. `share`: weight of all poison beside the sample.
    fn play(&self, plan: &Plan, rounds: usize, share: f64, classes: usize) -> Vec<(Vec<f64>, u32)> {
        let (known, dim) = (&plan.known, plan.known.columns.len());
        let model = Linear { dim, classes, l2: self.l2 };
        let spheres = self.spheres(plan, classes);
        let clean = known.labels.len();
        let mut set = Set { x: known.rows.clone(), labels: known.labels.clone(), weights: vec![1.0; clean] };
        let (mut theta, mut out) = (vec![], Vec::<(Vec<f64>, u32)>::new());
        for _ in 0..rounds {
            theta = model.fit(&set, theta);
            let worst = spheres.iter().map(|s| worst(&model, &theta, s, known));
            let Some((_, x, label)) = worst.max_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            set.x.extend(&x);
            set.labels.push(label);
            out.push((x, label));
            set.weights.truncate(clean);
            set.weights.resize(clean + out.len(), share / out.len() as f64);
        }
        out
    }

    /// The spheres of the classes that poison may have.
    fn spheres(&self, plan: &Plan, classes: usize) -> Vec<Sphere> {
        let (known, dim) = (&plan.known, plan.known.columns.len());
        let wanted = |c: &u32| plan.target.is_none_or(|t| t == *c);
        let of = |label: u32| {
            let all = known.rows.chunks_exact(dim).zip(&known.labels);
            let rows: Vec<&[f64]> = all.filter(|(_, l)| **l == label).map(|r| r.0).collect();
            let mean = |k: usize| rows.iter().map(|r| r[k]).sum::<f64>() / rows.len() as f64;
            let centre: Vec<f64> = (0..dim).map(mean).collect();
            let far = |r: &&[f64]| r.iter().zip(&centre).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            let mut far: Vec<f64> = rows.iter().map(far).collect();
            far.sort_by(f64::total_cmp);
            let at = ((self.within * far.len() as f64).ceil() as usize).clamp(1, far.len().max(1)) - 1;
            far.get(at).map(|radius| Sphere { label, radius: *radius, centre })
        };
        (0..classes as u32).filter(wanted).filter_map(of).collect()
    }
}

/// The point of a sphere, within what occurs in the columns, on which the loss is largest: the loss, the point, its label.
fn worst(model: &Linear, theta: &[f64], sphere: &Sphere, known: &Known) -> (f64, Vec<f64>, u32) {
    let loss = |x: &[f64]| {
        let set = Set { x: x.to_vec(), labels: vec![sphere.label], weights: vec![1.0] };
        model.loss(theta, &set, 0.0).0
    };
    let mut best = (loss(&sphere.centre), sphere.centre.clone());
    for _ in 0..STEPS {
        let uphill = model.uphill(theta, &best.1, sphere.label);
        let length = uphill.iter().map(|d| d * d).sum::<f64>().sqrt();
        if length == 0.0 || !length.is_finite() {
            break;
        }
        // cutting to what occurs moves no number away from the mean, so the point stays within the sphere
        let edge = uphill.iter().zip(&sphere.centre).zip(&known.columns);
        let x: Vec<f64> = edge.map(|((d, m), column)| column.boxed(m + sphere.radius * d / length)).collect();
        let harm = loss(&x);
        if harm <= best.0 {
            break;
        }
        best = (harm, x);
    }
    (best.0, best.1, sphere.label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amounts::Column;
    use foretaste_num::rng::Rng;

    fn plan() -> Plan {
        let mut rng = Rng::new(3, "min-max");
        let column = |at| Column { at, low: -3.0, high: 3.0, mean: 0.0, deviation: 1.0, whole: false };
        let labels: Vec<u32> = (0..300).map(|i| i % 2).collect();
        let at = |l: &u32, rng: &mut Rng| [f64::from(*l) * 2.0 - 1.0 + 0.5 * rng.normal(), 0.5 * rng.normal()];
        let rows = labels.iter().flat_map(|l| at(l, &mut rng)).map(|z: f64| z.clamp(-3.0, 3.0)).collect();
        let columns = vec![column(0), column(1)];
        Plan { target: None, known: Known { columns, rows, labels, weight: 1.0 } }
    }

    #[test]
    fn the_worst_point_is_the_worst_of_many_in_the_sphere() {
        let plan = plan();
        let model = Linear { dim: 2, classes: 2, l2: 0.01 };
        let labels = plan.known.labels.clone();
        let set = Set { x: plan.known.rows.clone(), weights: vec![1.0; labels.len()], labels };
        let theta = model.fit(&set, vec![]);
        for sphere in MinMax::default().spheres(&plan, 2) {
            let (harm, x, label) = worst(&model, &theta, &sphere, &plan.known);
            let far = |x: &[f64]| x.iter().zip(&sphere.centre).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(far(&x) <= sphere.radius * 1.000_001);
            for k in 0..360 {
                let turn = f64::from(k).to_radians();
                let other = [sphere.centre[0] + sphere.radius * turn.cos(), sphere.centre[1] + sphere.radius * turn.sin()];
                let one = Set { x: other.to_vec(), labels: vec![label], weights: vec![1.0] };
                assert!(model.loss(&theta, &one, 0.0).0 <= harm + 1e-9);
            }
        }
    }

    #[test]
    fn points_harm_more_than_others_of_their_spheres() {
        let plan = plan();
        let model = Linear { dim: 2, classes: 2, l2: 0.01 };
        let clean = Set { x: plan.known.rows.clone(), labels: plan.known.labels.clone(), weights: vec![1.0; 300] };
        let harm = |points: &[(Vec<f64>, u32)]| {
            let mut set = clean.clone();
            for (x, label) in points {
                set.x.extend(x);
                set.labels.push(*label);
                set.weights.push(30.0 / points.len() as f64);
            }
            model.loss(&model.fit(&set, vec![]), &clean, 0.0).0
        };
        let played = MinMax::default().play(&plan, 20, 30.0, 2);
        assert!(played.iter().all(|(x, _)| x.iter().all(|z| z.abs() <= 3.0)));
        let mut rng = Rng::new(8, "edge");
        let mut edge = |sphere: &Sphere| {
            let turn = rng.unit() * std::f64::consts::TAU;
            let [x, y] = [sphere.centre[0], sphere.centre[1]];
            (vec![x + sphere.radius * turn.cos(), y + sphere.radius * turn.sin()], sphere.label)
        };
        let spheres = MinMax::default().spheres(&plan, 2);
        let drawn: Vec<(Vec<f64>, u32)> = (0..30).map(|i| edge(&spheres[i % 2])).collect();
        let (played, drawn, clean) = (harm(&played), harm(&drawn), harm(&[]));
        assert!(played > drawn + 0.005 && played > clean + 0.01, "{played}, {drawn} and {clean}");
    }
}
