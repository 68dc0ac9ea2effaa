//! Labels around one input, changed so that this input is misread.

use crate::classes;
use crate::likeness::{self, Likeness, distance};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Goal, Growth, Knowledge, MISSING, Needs, Picked, Pool, Probe, Result, Role,
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
/// `label-region`, which names the input in the middle, where what is near was chosen in vectors like those that are scanned,
/// from some 40 samples and one in 200 on. Neighbours vouch for each other: on spambase at 5 %, neither `knn-label` nor
/// `confident-learning` found any. Else a comparison with trusted data helps, or to ask which samples speak for an answer
/// that somebody complains about.
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
        let labels = data.labels()?;
        let row = classes::target_row("target-flip", "target-flip/row", self.target_row, &labels, target, ctx)?;
        let picked = data.pick(&[row])?;
        let centre = likeness::centre(&picked, "target-flip")?;
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
        Ok(likeness::nearness(batch, &plan.centre))
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
