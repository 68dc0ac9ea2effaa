//! Labels of one region, changed.

use crate::classes;
use crate::likeness;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Error, Goal, Growth, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Labels of the samples nearest to one sample, changed to one other class.
///
/// # What it does
/// Draws a sample of the source class and changes the labels of it and of its nearest neighbours of the same class. Within
/// the region nearly all labels are wrong, so they vouch for each other; elsewhere nothing changes.
///
/// # Threat model
/// The attacker labels data and wants a kind of input misread (messages of one campaign, customers of one kind) while the
/// accuracy at large stays as it is. They need the data, or data like them, to know what is near.
///
/// # Ground truth
/// Every changed label, before and after; the row at the centre is in the details.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack subpopulation-flip --source-class spam --n-poison 50 --out poisoned.csv
/// ```
///
/// # Caught by
/// `label-region`, where the region is a ball in vectors like those that are scanned, of some 40 samples or more and one in
/// 200: hardly any label outside contradicts it, but it ends at a sphere. Hard for detectors that judge samples one by one,
/// `knn-label` above all. `robust-margin`, a score without a finding, ranks a small region far from the border high. A
/// comparison with trusted data finds regions chosen by other measures.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Jagielski et al., "Subpopulation Data Poisoning Attacks", 2021 (with label flips in place of insertions).
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct SubpopulationFlip {
    /// The class that labels are changed to; empty: chosen and told.
    pub target_class: String,
    /// The class of the region; empty: any other than the target, by the draw of the centre.
    pub source_class: String,
}

/// Centre and classes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: u32,
    source: u32,
    row: u64,
    centre: Vec<f32>,
}

impl Attack for SubpopulationFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::labels(Goal::Targeted, Knowledge::Data)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Embedding]).growing(Growth::Data)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        let target = classes::target(&self.target_class, "subpopulation-flip", ctx)?;
        let source = classes::optional(&self.source_class, ctx)?;
        let fits = |l: u32| l != MISSING && l != target && source.is_none_or(|s| s == l);
        let rows: Vec<u64> = (0u64..).zip(data.labels()?).filter(|(_, l)| fits(*l)).map(|(row, _)| row).collect();
        let unfit = |reason: &str| Error::Unfit { entry: "subpopulation-flip".into(), reason: reason.into() };
        let Some(&row) = rows.get(ctx.rng("subpopulation-flip/centre").below(rows.len())) else {
            return Err(unfit("no sample has a label that could be changed; choose other classes"));
        };
        let picked = data.pick(&[row])?;
        let centre = likeness::centre(&picked, "subpopulation-flip")?;
        Ok(Plan { target, source: picked.label(0), row, centre })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let usage = |l: u32| if l == plan.source { Use::Poison } else { Use::No };
        Ok(classes::labels(batch).into_iter().map(usage).collect())
    }
    fn preference(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        Ok(likeness::nearness(batch, &plan.centre))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        Ok(Edited::relabelled(vec![plan.target; picked.len()]))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(Some(plan.source), Some(plan.target), ctx);
        out.insert("centre-row".into(), plan.row.into());
        out
    }
}
