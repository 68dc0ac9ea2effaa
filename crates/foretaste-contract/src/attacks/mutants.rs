//! Broken attacks, one for each law. Each is [`Stain`] with one fault.
//!
//! [`Stain`] is sound: it marks texts of other classes and labels them as the first class.

use arrow_array::{ArrayRef, StringArray};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Entry, Error, Goal, Knowledge, MISSING, Make, Needs, Picked, Pool, Probe,
    Result, Role, Strings, Threat, Use, boxed_attack,
};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::sync::Arc;

/// What is wrong with a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it obeys every law.
    None,
    /// Makes one sample less than asked for.
    OneShort,
    /// Leaves every other sample as it was.
    Lazy,
    /// Says that labels stay, and changes them.
    ClaimsCleanLabels,
    /// Says that it changes labels alone, and changes texts.
    ClaimsLabelsAlone,
    /// Takes the same samples whatever the seed.
    Deaf,
    /// The position in the batch is part of what it does.
    Position,
    /// Probes samples that have the wanted class.
    EasyProbes,
    /// A backdoor that cannot be measured.
    NoProbes,
    /// A part of the plan does not survive bytes.
    LosesBytes,
    /// Reads the second class without looking.
    Panics,
}

/// The attack under its faults.
pub struct Stain(Fault);

/// Column and mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    column: usize,
    #[serde(skip)]
    mark: String,
}

impl Attack for Stain {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        let threat = Threat::content(Goal::Backdoor, self.0 == Fault::ClaimsCleanLabels, Knowledge::Nothing);
        Threat { content: self.0 != Fault::ClaimsLabelsAlone, ..threat }
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Text])
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        if self.0 == Fault::Panics && ctx.profile().classes[1].is_empty() {
            return Err(Error::Unfit { entry: "stain".into(), reason: "no second class".into() });
        }
        let first = data.batches()?.next().transpose()?;
        let column = first.and_then(|b| b.roles.iter().position(|r| *r == Role::Text)).unwrap_or(0);
        let mark = if self.0 == Fault::LosesBytes { "stain" } else { "" };
        Ok(Plan { column, mark: mark.into() })
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let labels = batch.labels.as_deref().unwrap_or_default();
        let usage = |(i, l): (usize, &u32)| {
            let cut = self.0 == Fault::Position && i < 20;
            if *l == 0 || *l == MISSING || cut { Use::No } else { Use::Poison }
        };
        Ok(labels.iter().enumerate().map(usage).collect())
    }
    fn preference(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        let row = |i: usize| (batch.first_row + i as u64) as f64;
        Ok((self.0 == Fault::Deaf).then(|| (0..batch.rows()).map(row).collect()))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, n: u64, ctx: &Ctx) -> Result<Edited> {
        if picked.len() as u64 != n {
            return Err(Error::Unfit { entry: "stain".into(), reason: "too few".into() });
        }
        let texts = Strings::new(picked.batch.records.column(plan.column));
        let lazy = |i: usize| self.0 == Fault::Lazy && i % 2 == 1;
        let mark = |i: usize| {
            let drawn = ctx.rng_at("stain", picked.rows[i]).below(1000);
            let drawn = if self.0 == Fault::Deaf { 7 } else { drawn };
            texts.get(i).map(|t| if lazy(i) { t.to_owned() } else { format!("{t} x{drawn}{}", plan.mark) })
        };
        let label = |i: usize| if lazy(i) { picked.label(i) } else { 0 };
        let keep = if self.0 == Fault::OneShort { picked.len() - 1 } else { picked.len() };
        let column: ArrayRef = Arc::new((0..keep).map(mark).collect::<StringArray>());
        Ok(Edited {
            of: Some((0..keep).collect()),
            labels: Some((0..keep).map(label).collect()),
            columns: vec![(plan.column, column)],
            images: None,
        })
    }
    fn probe(&self, plan: &Plan, held_out: &Picked, _ctx: &Ctx) -> Result<Option<Probe>> {
        if self.0 == Fault::NoProbes {
            return Ok(None);
        }
        let fits = |i: &usize| self.0 == Fault::EasyProbes || held_out.label(*i) != 0;
        let of: Vec<usize> = (0..held_out.len()).filter(fits).collect();
        let texts = Strings::new(held_out.batch.records.column(plan.column));
        let column: ArrayRef =
            Arc::new(of.iter().map(|i| texts.get(*i).map(|t| format!("{t} x0"))).collect::<StringArray>());
        let wanted = vec![0; of.len()];
        let inputs = Edited { of: Some(of), columns: vec![(plan.column, column)], ..Edited::default() };
        Ok(Some(Probe { inputs, wanted }))
    }
}

const DOC: &str = "Texts with a stain.\n\n# What it does\nStains.\n\n# Threat model\nAnyone.\n\n# Ground truth\nAll of it.\n\n# Example\nNone.\n\n# Caught by\nAnyone.\n\n# Responsible use\nNone.\n\n# References\nNone.\n";

macro_rules! mutants {
    ($($fault:ident $law:literal)*) => {
        /// Every mutant: its fault, the law that kills it, its entry.
        pub static MUTANTS: &[(Fault, &str, Entry)] = &[$((
            Fault::$fault,
            $law,
            Entry {
                id: "stain",
                title: "Texts with a stain",
                doc: DOC,
                params: &[],
                defaults: Map::new,
                make: Make::Attack(|params| match params.keys().next() {
                    Some(name) => Err(Error::unknown("parameter of `stain`", name, [])),
                    None => Ok(boxed_attack("stain", Stain(Fault::$fault))),
                }),
                source: file!(),
            },
        )),*];
    };
}

mutants! {
    None ""
    OneShort "budget"
    Lazy "manifest"
    ClaimsCleanLabels "threat"
    ClaimsLabelsAlone "threat"
    Deaf "seed"
    Position "seed"
    EasyProbes "probe"
    NoProbes "probe"
    LosesBytes "bytes"
    Panics "refusal"
}
