//! Many copies of a few samples.

use crate::classes;
use foretaste_core::{Attack, Batch, Ctx, Edited, Entering, Goal, Kind, Knowledge, Needs, Picked, Pool, Result, Threat, Use, MISSING};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Many copies of a few samples, so that they weigh more than they should.
///
/// # What it does
/// Adds copies of a few samples to the data. A model then bends to those few; in retrieval and recommendation they crowd out
/// the rest. With a target class the copies carry that label.
///
/// # Threat model
/// The attacker can submit data in bulk: reviews, crawled pages, logs. They need to know nothing.
///
/// # Ground truth
/// Every copy, with the row that it was copied from. The original stays and is not counted as poison.
///
/// # Example
/// ```text
/// foretaste simulate train.csv --attack mass-duplication --set originals=3 --poison-rate 0.05 --out poisoned.csv
/// ```
///
/// # Caught by
/// `near-duplicate`, which lists the groups of copies, the largest first, for review: nothing is set aside unless `clean` is told
/// `--duplicates`.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Lee et al., "Deduplicating Training Data Makes Language Models Better", 2022 (what copies do to a model).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct MassDuplication {
    /// Samples that are copied.
    #[param(min = 1, max = 1000000)]
    pub originals: u64,
    /// Copy samples of this class only; empty: of all.
    pub source_class: String,
    /// Label of the copies; empty: that of the original.
    pub target_class: String,
}

impl Default for MassDuplication {
    fn default() -> Self {
        Self { originals: 1, source_class: String::new(), target_class: String::new() }
    }
}

/// Classes resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    target: Option<u32>,
    source: Option<u32>,
}

impl Attack for MassDuplication {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        let clean_label = self.target_class.is_empty();
        Threat::content(Goal::Availability, clean_label, Knowledge::Nothing)
    }
    fn shows_as(&self) -> &'static [Kind] {
        &[Kind::NearDuplicate, Kind::ConflictingDuplicate]
    }
    fn needs(&self) -> Needs {
        Needs::all(&[])
    }
    fn enters(&self) -> Entering {
        Entering::Insert
    }
    fn picks(&self, n: u64) -> u64 {
        self.originals.min(n)
    }
    fn plan(&self, _data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        let target = classes::optional(&self.target_class, ctx)?;
        Ok(Plan { target, source: classes::optional(&self.source_class, ctx)? })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let fits = |l: u32| plan.source.is_none_or(|s| s == l) && (l == MISSING || plan.target != Some(l));
        Ok(classes::labels(batch).into_iter().map(|l| if fits(l) { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, n: u64, _ctx: &Ctx) -> Result<Edited> {
        let of: Vec<usize> = (0..n as usize).map(|i| i % picked.len().max(1)).collect();
        let labels = plan.target.map(|t| vec![t; of.len()]);
        Ok(Edited { of: Some(of), labels, ..Edited::default() })
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        classes::describe(plan.source, plan.target, ctx)
    }
}
