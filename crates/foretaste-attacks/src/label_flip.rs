//! Labels changed at random.

use crate::classes;
use foretaste_core::{Attack, Batch, Ctx, Edited, Goal, Kind, Knowledge, Needs, Picked, Pool, Result, Role, Threat, Use, MISSING};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Labels of randomly chosen samples, changed to another class.
///
/// # What it does
/// Draws samples and gives each another class: any other with equal chance, or the target class. It blurs what a model
/// learns, and is what careless labelling looks like as well.
///
/// # Threat model
/// The attacker labels data, or can edit labels in a store. They need to know nothing else.
///
/// # Ground truth
/// Every changed label, before and after.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack label-flip --poison-rate 0.05 --out poisoned.csv
/// ```
///
/// # Caught by
/// `confident-learning` and `knn-label`: the rest of the data contradict these labels one by one. `scan` lists them as
/// `label-error`, without a name for an attack: flips at random and careless labelling look the same.
/// With one class named (`source_class` and `target_class`) it is what `pair-flip` does.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Biggio, Nelson, Laskov, "Support Vector Machines Under Adversarial Label Noise", 2011.
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct LabelFlip {
    /// The class that labels are changed to; empty: any other, drawn anew for each sample.
    pub target_class: String,
    /// Change labels of this class only; empty: of all.
    pub source_class: String,
}

/// Classes resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: Option<u32>,
    source: Option<u32>,
}

impl Attack for LabelFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        let goal = if self.target_class.is_empty() { Goal::Availability } else { Goal::Targeted };
        Threat::labels(goal, Knowledge::Nothing)
    }
    fn shows_as(&self) -> &'static [Kind] {
        // at random it cannot be told from carelessness; to one class there is a system in it
        if self.target_class.is_empty() { &[Kind::LabelError] } else { &[Kind::LabelPoisoning, Kind::LabelError] }
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn plan(&self, _data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("label-flip", ctx)?;
        Ok(Plan {
            target: classes::optional(&self.target_class, ctx)?,
            source: classes::optional(&self.source_class, ctx)?,
        })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let fits = |l: u32| l != MISSING && plan.target != Some(l) && plan.source.is_none_or(|s| s == l);
        Ok(classes::labels(batch).into_iter().map(|l| if fits(l) { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let n = ctx.profile().classes.len();
        let label = |i: usize| {
            let drawn = || ctx.rng_at("label-flip/class", picked.rows[i]).unit();
            plan.target.unwrap_or_else(|| classes::other(picked.label(i), n, drawn()))
        };
        Ok(Edited::relabelled((0..picked.len()).map(label).collect()))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        classes::describe(plan.source, plan.target, ctx)
    }
}
