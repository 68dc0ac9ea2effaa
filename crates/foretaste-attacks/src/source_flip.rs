//! Labels of one annotator or source, changed.

use crate::classes;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Error, Goal, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Strings, Threat,
    Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Labels changed by one annotator, or in one source.
///
/// # What it does
/// Takes over one annotator (or source) and changes labels of their samples alone: to the target class, or to any other.
///
/// # Threat model
/// One account of a labelling team, or one supplier of data, is bought, stolen or hostile. All others are honest.
///
/// # Ground truth
/// Every changed label, before and after; the taken-over name is in the details.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack source-flip --annotator worker --set name=w17 --n-poison 200 --out poisoned.csv
/// ```
///
/// # Caught by
/// `scan` names the annotator or source: `source-skew` finds that labels from there are contradicted more
/// often than its samples explain. From three times as often it is called `label-poisoning`, and what
/// `confident-learning` suspects most is set aside; where a model errs often itself, it stays a note on the origin.
///
/// # Responsible use
/// For rehearsals on your own data. Names of people in the data stay in your files; the manifest names the account.
///
/// # References
/// Raykar, Yu, "Eliminating Spammers and Ranking Annotators for Crowdsourced Labeling Tasks", 2012.
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct SourceFlip {
    /// Who is taken over; empty: one who has enough samples, drawn from the seed.
    pub name: String,
    /// The class that labels are changed to; empty: any other, drawn anew for each sample.
    pub target_class: String,
    /// Change labels of this class only; empty: of all.
    pub source_class: String,
}

/// Who, where, and to which class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    column: usize,
    name: String,
    target: Option<u32>,
    source: Option<u32>,
}

impl SourceFlip {
    /// Draws a name among those with at least half as many usable samples as the one that has most.
    fn draw(&self, column: usize, plan: &Plan, data: &dyn Pool, ctx: &Ctx) -> Result<String> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for batch in data.batches()? {
            let batch = batch?;
            let names = Strings::new(batch.records.column(column));
            for (i, label) in classes::labels(&batch).into_iter().enumerate() {
                if let Some(name) = names.get(i).filter(|_| plan.takes(label)) {
                    *counts.entry(name.to_owned()).or_default() += 1;
                }
            }
        }
        let most = counts.values().max().copied().unwrap_or(0);
        let fair: Vec<&String> = counts.iter().filter(|(_, n)| **n * 2 >= most).map(|(name, _)| name).collect();
        let Some(name) = fair.get(ctx.rng("source-flip/name").below(fair.len())) else {
            let reason = "no annotator or source has a sample with a label that could be changed".to_owned();
            return Err(Error::Unfit { entry: "source-flip".into(), reason });
        };
        Ok((*name).clone())
    }
}

impl Plan {
    fn takes(&self, label: u32) -> bool {
        label != MISSING && self.target != Some(label) && self.source.is_none_or(|s| s == label)
    }
}

impl Attack for SourceFlip {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::labels(Goal::Targeted, Knowledge::Nothing)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label]).and_any(&[Role::Annotator, Role::Source])
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("source-flip", ctx)?;
        let target = classes::optional(&self.target_class, ctx)?;
        let source = classes::optional(&self.source_class, ctx)?;
        let first = data.batches()?.next().transpose()?;
        let roles = first.map(|b| b.roles.to_vec()).unwrap_or_default();
        let wanted = |role| roles.iter().position(|r| *r == role);
        let Some(column) = wanted(Role::Annotator).or_else(|| wanted(Role::Source)) else {
            let reason = "no column has the role `annotator` or `source`; name one with --annotator".to_owned();
            return Err(Error::Unfit { entry: "source-flip".into(), reason });
        };
        let mut plan = Plan { column, name: self.name.clone(), target, source };
        if plan.name.is_empty() {
            plan.name = self.draw(column, &plan, data, ctx)?;
        }
        Ok(plan)
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let names = Strings::new(batch.records.column(plan.column));
        let own = |i: usize| names.get(i) == Some(plan.name.as_str());
        let fits = |(i, l): (usize, u32)| if own(i) && plan.takes(l) { Use::Poison } else { Use::No };
        Ok(classes::labels(batch).into_iter().enumerate().map(fits).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let n = ctx.profile().classes.len();
        let label = |i: usize| {
            let drawn = || ctx.rng_at("source-flip/class", picked.rows[i]).unit();
            plan.target.unwrap_or_else(|| classes::other(picked.label(i), n, drawn()))
        };
        Ok(Edited::relabelled((0..picked.len()).map(label).collect()))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(plan.source, plan.target, ctx);
        out.insert("name".into(), plan.name.clone().into());
        out
    }
}
