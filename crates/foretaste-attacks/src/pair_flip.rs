//! Labels of one class changed to one other.

use crate::classes;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Goal, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Labels changed along fixed pairs of classes.
///
/// # What it does
/// Changes labels of the source class to the target class; without names, each class to the next one in the order of their
/// names, the last to the first. Consistent errors move a model's border further than scattered ones.
///
/// # Threat model
/// The attacker labels data, or can edit labels in a store, and wants two classes confused: a stop sign and a speed limit,
/// fraud and no fraud.
///
/// # Ground truth
/// Every changed label, before and after.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack pair-flip --source-class spam --target-class ham --poison-rate 0.05 --out poisoned.csv
/// ```
///
/// # Caught by
/// `scan` names the pair and its direction (`label-poisoning`), by a test in `confident-learning`: among the samples that are
/// surely of one class natural confusion dies out, moved labels do not. It needs some five labels moved among the surer half of
/// the class, and most of the class unmoved; along all pairs of two classes it is the same as flips at random.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Han et al., "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels", 2018 (pair flipping).
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct PairFlip {
    /// The class that labels are changed to; empty: the next in the order of names.
    pub target_class: String,
    /// Change labels of this class; empty: of all.
    pub source_class: String,
}

/// The class that each becomes; itself if it stays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    becomes: Vec<u32>,
    source: Option<u32>,
    target: Option<u32>,
}

impl Attack for PairFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::labels(Goal::Targeted, Knowledge::Nothing)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn plan(&self, _data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("pair-flip", ctx)?;
        let target = classes::optional(&self.target_class, ctx)?;
        let source = classes::optional(&self.source_class, ctx)?;
        let names = &ctx.profile().classes;
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        order.sort_by(|a, b| natural(&names[*a as usize], &names[*b as usize]));
        let mut becomes: Vec<u32> = (0..names.len() as u32).collect();
        for (i, &class) in order.iter().enumerate() {
            if source.is_none_or(|s| s == class) {
                becomes[class as usize] = target.unwrap_or(order[(i + 1) % order.len()]);
            }
        }
        Ok(Plan { becomes, source, target })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let moves = |l: u32| l != MISSING && plan.becomes.get(l as usize).is_some_and(|to| *to != l);
        Ok(classes::labels(batch).into_iter().map(|l| if moves(l) { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        let to = |i: usize| plan.becomes.get(picked.label(i) as usize).copied().unwrap_or(MISSING);
        Ok(Edited::relabelled((0..picked.len()).map(to).collect()))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        classes::describe(plan.source, plan.target, ctx)
    }
}

/// Numbers by value, before words in their order.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y),
        (Ok(_), Err(_)) => std::cmp::Ordering::Less,
        (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}
