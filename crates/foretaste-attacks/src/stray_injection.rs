//! Samples that are like nothing in the data.

use crate::classes;
use arrow_array::UInt32Array;
use arrow_schema::ArrowError;
use foretaste_core::{Attack, Batch, Ctx, Edited, Entering, Error, Goal, Kind, Knowledge, Needs, Picked, Pool, Result, Role, Threat, Use};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};

/// Samples whose columns were torn from different samples, under random labels.
///
/// # What it does
/// Adds samples in which every column, and the label, comes from another sample. Each value is an honest one; together they
/// make no sense, and a model that believes them unlearns what columns have to do with each other and with the label.
///
/// # Threat model
/// The attacker can submit data and knows what single values look like, no more.
///
/// # Ground truth
/// Every added sample.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack stray-injection --poison-rate 0.1 --out poisoned.csv
/// ```
///
/// # Caught by
/// `confident-learning` and `knn-label` for the labels, `outlier-distance` for combinations far from all others, each in part: at 5 %
/// of spambase and adult_income, 44 and 59 % of the first hundredth by `confident-learning` are strays.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Barreno, Nelson, Joseph, Tygar, "The Security of Machine Learning", 2010 (indiscriminate causative attacks).
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct StrayInjection {}

/// Nothing to fix beforehand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan;

impl Attack for StrayInjection {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Availability, false, Knowledge::Data)
    }
    fn shows_as(&self) -> &'static [Kind] {
        &[Kind::Outlier, Kind::LabelError, Kind::Availability]
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn enters(&self) -> Entering {
        Entering::Insert
    }
    fn plan(&self, _data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("stray-injection", ctx)?;
        Ok(Plan)
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        Ok(vec![Use::Poison; batch.rows()])
    }
    fn craft(&self, _plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let content = |r: Role| r.is_text() || matches!(r, Role::Feature | Role::Embedding | Role::Image);
        let mut columns = vec![];
        for (at, role) in picked.batch.roles.iter().enumerate().filter(|(_, r)| content(**r)) {
            // pictures are taken whole, as bytes: they need not be decoded
            let order = derangement(picked.len(), &format!("stray-injection/{at}-{role}"), ctx);
            let order = UInt32Array::from(order);
            let taken = arrow_select::take::take(picked.batch.records.column(at), &order, None).map_err(unfit)?;
            columns.push((at, taken));
        }
        let classes = ctx.profile().classes.len();
        let label = |i: usize| ctx.rng_at("stray-injection/label", picked.rows[i]).below(classes) as u32;
        let labels = Some((0..picked.len()).map(label).collect());
        Ok(Edited { labels, columns, ..Edited::default() })
    }
}

fn unfit(e: ArrowError) -> Error {
    Error::Unfit { entry: "stray-injection".into(), reason: e.to_string() }
}

/// A random order in which, from two on, none stays at its place (Sattolo's cycle).
fn derangement(n: usize, key: &str, ctx: &Ctx) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut rng = ctx.rng(key);
    for i in (1..n).rev() {
        order.swap(i, rng.below(i));
    }
    order
}
