//! Labels around one input, changed so that this input is misread.

use crate::classes;
use crate::likeness::Likeness;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Error, Goal, Growth, Knowledge, MISSING, Needs, Picked, Pool, Probe, Result, Role,
    Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Labels of the nearest neighbours of one input, changed to the class that the attacker wants for it.
///
/// # What it does
/// Takes one sample as the input that is to be misread and changes the labels of its nearest neighbours, of whatever other
/// class, to the wanted one. The sample itself keeps its label: it stands for an input that comes later.
///
/// # Threat model
/// The attacker labels data and knows the input that they will send (one message, one claim, one file). They need the data,
/// or data like them, to know what is near. Nothing else is to change.
///
/// # Ground truth
/// Every changed label, before and after; the row of the input is in the details. Success is asked of the held-out samples
/// most like the input (`probes`).
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack target-flip --set target_row=17 --target-class ham --n-poison 20 --out poisoned.csv
/// ```
///
/// # Caught by
/// Little: the neighbours vouch for each other. On spambase at 5 %, neither `knn-label` nor `confident-learning` found any.
/// What helps is a comparison with trusted data, or to ask which samples speak for an answer that somebody complains about.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Jagielski et al., "Subpopulation Data Poisoning Attacks", 2021 (a region of one input, by label changes alone). Shafahi
/// et al., "Poison Frogs! Targeted Clean-Label Poisoning Attacks on Neural Networks", 2018 (the goal).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct TargetFlip {
    /// The class that the input is to get; empty: chosen and told.
    pub target_class: String,
    /// Row of the input, from 1; 0: drawn from the seed among rows of other classes.
    pub target_row: u64,
    /// Held-out samples most like the input on which success is measured.
    #[param(min = 1, max = 10000)]
    pub probes: u32,
}

impl Default for TargetFlip {
    fn default() -> Self {
        Self { target_class: String::new(), target_row: 0, probes: 1 }
    }
}

/// The input and the wanted class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: u32,
    row: u64,
    label: u32,
    centre: Vec<f32>,
    like: Likeness,
}

fn unfit(reason: String) -> Error {
    Error::Unfit { entry: "target-flip".into(), reason }
}

impl TargetFlip {
    fn row(&self, labels: &[u32], target: u32, ctx: &Ctx) -> Result<u64> {
        if self.target_row > 0 {
            let row = self.target_row - 1;
            return match labels.get(row as usize) {
                None => Err(unfit(format!("there is no row {}; the data have {}", row + 1, labels.len()))),
                Some(l) if *l == target => {
                    Err(unfit(format!("row {} has the wanted class already; choose another", row + 1)))
                }
                Some(_) => Ok(row),
            };
        }
        let fit: Vec<u64> = (0u64..).zip(labels).filter(|(_, l)| **l != MISSING && **l != target).map(|r| r.0).collect();
        let drawn = fit.get(ctx.rng("target-flip/row").below(fit.len())).copied();
        drawn.ok_or_else(|| unfit("no sample has another class than the wanted one; choose another class".into()))
    }
}

impl Attack for TargetFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::labels(Goal::Targeted, Knowledge::Data)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Embedding]).growing(Growth::Data)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        let target = classes::target(&self.target_class, "target-flip", ctx)?;
        let row = self.row(&data.labels()?, target, ctx)?;
        let picked = data.pick(&[row])?;
        let centre = picked.batch.vectors.as_ref().map(|v| v.row(0).to_vec()).unwrap_or_default();
        if centre.is_empty() {
            return Err(unfit("the data have no vectors, and none could be made from them".into()));
        }
        Ok(Plan { target, row, label: picked.label(0), centre, like: Likeness::of(&picked, data)? })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let own = |i: usize| batch.first_row + i as u64 == plan.row;
        let usage = |(i, l): (usize, u32)| {
            if l == MISSING || l == plan.target || own(i) { Use::No } else { Use::Poison }
        };
        Ok(classes::labels(batch).into_iter().enumerate().map(usage).collect())
    }
    fn preference(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        let Some(vectors) = &batch.vectors else { return Ok(None) };
        Ok(Some((0..batch.rows()).map(|i| -distance(vectors.row(i), &plan.centre)).collect()))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        Ok(Edited::relabelled(vec![plan.target; picked.len()]))
    }
    fn probe(&self, plan: &Plan, held_out: &Picked, _ctx: &Ctx) -> Result<Option<Probe>> {
        // vectors made of other samples lie in another space; the user's own are comparable
        let own = held_out.batch.roles.contains(&Role::Embedding);
        let distances = match held_out.batch.vectors.as_ref().filter(|v| own && v.cols() == plan.centre.len()) {
            Some(v) => (0..held_out.len()).map(|i| distance(v.row(i), &plan.centre)).collect(),
            None => plan.like.distances(held_out),
        };
        let fits = |i: &usize| held_out.label(*i) != MISSING && held_out.label(*i) != plan.target;
        // a sample of the input's own class is what would be misread; of others only if there is none
        let mut near: Vec<usize> = (0..held_out.len()).filter(fits).collect();
        near.sort_by(|&a, &b| {
            let other = |i: usize| held_out.label(i) != plan.label;
            other(a).cmp(&other(b)).then(distances[a].total_cmp(&distances[b])).then(a.cmp(&b))
        });
        near.truncate(self.probes as usize);
        let wanted = vec![plan.target; near.len()];
        Ok(Some(Probe { inputs: Edited { of: Some(near), ..Edited::default() }, wanted }))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(Some(plan.label).filter(|l| *l != MISSING), Some(plan.target), ctx);
        out.insert("target-row".into(), (plan.row + 1).into());
        out
    }
}

/// Squared Euclidean distance; what cannot be compared is far away.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    if squares.is_finite() { squares } else { f64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_core::Profile;

    #[test]
    fn the_row_is_the_one_named_or_one_of_another_class() {
        let ctx = Ctx::new(1, Profile { rows: 4, ..Profile::default() });
        let labels = [0, 1, MISSING, 1];
        let named = |target_row| TargetFlip { target_row, ..TargetFlip::default() };
        assert_eq!(named(2).row(&labels, 0, &ctx).unwrap(), 1);
        assert!(named(1).row(&labels, 0, &ctx).unwrap_err().to_string().contains("wanted class already"));
        assert!(named(5).row(&labels, 0, &ctx).unwrap_err().to_string().contains("no row 5"));
        assert!([1, 3].contains(&named(0).row(&labels, 0, &ctx).unwrap()));
        assert!(named(0).row(&[0, 0], 0, &ctx).is_err());
    }

    #[test]
    fn what_cannot_be_compared_is_far_away() {
        assert_eq!(distance(&[0.0, 3.0], &[4.0, 0.0]), 25.0);
        assert_eq!(distance(&[f32::NAN], &[0.0]), f64::MAX);
    }
}
