//! Choosing samples, crafting poison, and the poisoned data as a stream.

use super::edit;
use super::pool::{Seen, pick};
use super::wanted::{Candidate, Wanted};
use crate::columns::{count, thousands};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use arrow_array::RecordBatch;
use foretaste_core::{AnyAttack, Budget, Ctx, Entering, Picked, Role, Sealed, Strings, Use};
use foretaste_truth::AttackRun;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

/// An attack of a recipe, ready to run.
pub struct Chosen {
    /// The attack.
    pub attack: Box<dyn AnyAttack>,
    /// Parameters that differ from the defaults.
    pub parameters: Map<String, Value>,
    /// How many samples.
    pub budget: Budget,
    /// How poison comes in.
    pub enter: Entering,
}

/// When and where from poison comes.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Take only samples of this source or annotator.
    pub from_source: Option<String>,
    /// Write this into the source column of every poisoned sample.
    pub as_source: Option<String>,
    /// When inserted samples come.
    pub timing: Timing,
}

/// When inserted samples come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// At random places, with the time of their pattern.
    #[default]
    Random,
    /// All at one place and time.
    Burst,
    /// Evenly over all places and times.
    Drip,
}

/// Where a crafted row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// Before this row of the clean data; the number of rows is the end.
    Before(u64),
    /// In the place of this row.
    At(u64),
}

impl Placement {
    fn row(self) -> u64 {
        match self {
            Self::Before(row) | Self::At(row) => row,
        }
    }
}

/// One crafted row.
#[derive(Clone, Debug)]
pub struct Craft {
    /// Position of its attack.
    pub attack: usize,
    /// Position among the rows of its attack.
    pub at: usize,
    /// Row of the clean data that it was made from.
    pub made_from: u64,
    /// True for cover.
    pub cover: bool,
    /// Where it goes.
    pub place: Placement,
}

/// What attacks made of a data set: rows and their places. Small beside the data; the data stay where they are.
pub struct Poison {
    /// The rows of each attack.
    pub rows: Vec<RecordBatch>,
    /// Their places, in the order of the poisoned data.
    pub crafts: Vec<Craft>,
    /// What each attack did.
    pub runs: Vec<AttackRun>,
    /// The plan of each attack, for probes.
    pub plans: Vec<Sealed>,
}

/// Runs attacks one after the other; none touches a row that one before it used.
///
/// # Errors
/// If an attack does not fit the data, or a budget is larger than what the attack may use.
pub fn poison(dataset: &Dataset, chosen: &[Chosen], delivery: &Delivery, ctx: &Ctx) -> Result<Poison> {
    let mut out = Poison { rows: vec![], crafts: vec![], runs: vec![], plans: vec![] };
    let mut used: HashSet<u64> = HashSet::new();
    for (k, one) in chosen.iter().enumerate() {
        if let Some(reason) = one.attack.needs().unmet(|r| fits(dataset, r)) {
            return Err(foretaste_core::Error::Unfit { entry: one.attack.id().into(), reason }.into());
        }
        let plan = one.attack.plan(&Seen(dataset), ctx)?;
        let round = Round { dataset, one, plan: &plan, delivery, ctx };
        let (run, rows, crafts) = round.run(k, &mut used)?;
        out.runs.push(run);
        out.rows.push(rows);
        out.crafts.extend(crafts);
        out.plans.push(plan);
    }
    out.crafts.sort_by_key(|c| (c.place.row(), c.place, c.attack, c.at));
    Ok(out)
}

/// Vectors and probabilities are made where they are wanted.
fn fits(dataset: &Dataset, role: Role) -> bool {
    match role {
        Role::Embedding => dataset.vectors.is_some(),
        Role::Prob => dataset.probs.is_some(),
        _ => dataset.has(role),
    }
}

struct Round<'a> {
    dataset: &'a Dataset,
    one: &'a Chosen,
    plan: &'a Sealed,
    delivery: &'a Delivery,
    ctx: &'a Ctx,
}

impl Round<'_> {
    fn run(&self, k: usize, used: &mut HashSet<u64>) -> Result<(AttackRun, RecordBatch, Vec<Craft>)> {
        let attack = &self.one.attack;
        let wanted = self.wanted(used)?;
        let eligible = wanted.eligible;
        let n = self.one.budget.samples(self.dataset.rows, eligible);
        let picked = self.choose(wanted, n)?;
        used.extend(&picked.rows);
        let edited = attack.craft(self.plan, &picked, n, self.ctx)?;
        let (rows, of) = edit::rows(self.dataset, &picked, &edited)?;
        let n_cover = of.iter().filter(|i| picked.cover[**i]).count() as u64;
        let n_poison = of.len() as u64 - n_cover;
        if n_poison != n {
            let reason = format!("it made {} for a budget of {n}", count(n_poison, "sample"));
            return Err(foretaste_core::Error::Unfit { entry: attack.id().into(), reason }.into());
        }
        let places = self.places(&picked, &of, used)?;
        let rows = self.deliver(rows, &places)?;
        let crafts = of.iter().zip(&places).enumerate().map(|(at, (&i, &place))| Craft {
            attack: k,
            at,
            made_from: picked.rows[i],
            cover: picked.cover[i],
            place,
        });
        let run = AttackRun {
            attack: attack.id().into(),
            parameters: self.one.parameters.clone(),
            budget: self.one.budget,
            enter: self.one.enter,
            threat: attack.threat(),
            taxonomy: attack.threat().taxonomy(),
            details: attack.describe(self.plan, self.ctx)?,
            eligible,
            n_poison,
            n_cover,
        };
        Ok((run, rows, crafts.collect()))
    }

    fn wanted(&self, used: &HashSet<u64>) -> Result<Wanted> {
        let rows = self.dataset.rows;
        let random = self.ctx.rng(&format!("{}/choose", self.one.attack.id()));
        let most = self.one.budget.samples(rows, rows).min(rows);
        let mut out = Wanted::new(self.one.attack.picks(most), self.one.attack.covers(most));
        for batch in self.dataset.batches()? {
            let batch = batch?;
            let uses = self.one.attack.usable(self.plan, &batch, self.ctx)?;
            let wanted = self.one.attack.preference(self.plan, &batch, self.ctx)?;
            let own = self.of_source(&batch);
            for (i, usage) in uses.into_iter().enumerate() {
                let row = batch.first_row + i as u64;
                if usage == Use::No || used.contains(&row) || !own(i) {
                    continue;
                }
                let want = wanted.as_ref().and_then(|w| w.get(i)).copied().unwrap_or(0.0);
                out.push(Candidate { want, random: random.branch(row).next_u64(), row }, usage);
            }
        }
        Ok(out)
    }

    /// Whether a row belongs to the source that poison may come from.
    fn of_source(&self, batch: &foretaste_core::Batch) -> impl Fn(usize) -> bool + use<> {
        let wanted = self.delivery.from_source.clone();
        let origin = |r: Role| matches!(r, Role::Source | Role::Annotator);
        let names: Vec<Strings> = batch.columns(origin).map(|(_, c)| Strings::new(c)).collect();
        move |i| wanted.as_deref().is_none_or(|w| names.iter().any(|n| n.get(i) == Some(w)))
    }

    fn choose(&self, wanted: Wanted, n: u64) -> Result<Picked> {
        let id = self.one.attack.id();
        let short = |what: &str, wanted: u64, there: u64| {
            Error::data(
                format!("`{id}` wants {wanted} samples {what}, and {} can be used", thousands(there)),
                "ask for fewer, or widen the choice of classes",
            )
        };
        let (picks, covers) = (self.one.attack.picks(n), self.one.attack.covers(n));
        if wanted.eligible < picks {
            return Err(short("to poison", picks, wanted.eligible));
        }
        let (poison, cover) = wanted.choose(picks, covers);
        if (cover.len() as u64) < covers {
            return Err(short("as cover", covers, cover.len() as u64));
        }
        // in the order of the data, so that reading them is one pass
        let rows: Vec<u64> = poison.iter().chain(&cover).copied().collect();
        let mut picked = pick(self.dataset, &rows)?;
        picked.cover = (0..rows.len()).map(|i| i >= poison.len()).collect();
        Ok(picked)
    }

    fn places(&self, picked: &Picked, of: &[usize], used: &mut HashSet<u64>) -> Result<Vec<Placement>> {
        let (n, rows) = (of.len(), self.dataset.rows);
        Ok(match self.one.enter {
            Entering::Modify => {
                let mut seen = HashSet::new();
                if let Some(&i) = of.iter().find(|i| !seen.insert(**i)) {
                    return Err(Error::data(
                        format!(
                            "`{}` makes several samples of row {}",
                            self.one.attack.id(),
                            picked.rows[i] + 1
                        ),
                        "use --enter insert or --enter replace",
                    ));
                }
                of.iter().map(|&i| Placement::At(picked.rows[i])).collect()
            }
            Entering::Insert => {
                let mut rng = self.ctx.rng(&format!("{}/insert", self.one.attack.id()));
                let burst = rng.below(rows as usize + 1) as u64;
                let place = |k: usize| match self.delivery.timing {
                    Timing::Burst => burst,
                    Timing::Drip => (2 * k as u64 + 1) * rows / (2 * n as u64).max(1),
                    Timing::Random => rng.below(rows as usize + 1) as u64,
                };
                (0..n).map(place).map(Placement::Before).collect()
            }
            Entering::Replace => {
                let random = self.ctx.rng(&format!("{}/replace", self.one.attack.id()));
                let mut free: Vec<(u64, u64)> = (0..rows)
                    .filter(|row| !used.contains(row))
                    .map(|row| (random.branch(row).next_u64(), row))
                    .collect();
                if free.len() < n {
                    return Err(Error::data(
                        format!(
                            "`{}` would replace {n} samples, and {} are free",
                            self.one.attack.id(),
                            free.len()
                        ),
                        "ask for fewer",
                    ));
                }
                if n < free.len() {
                    free.select_nth_unstable(n);
                    free.truncate(n);
                }
                free.sort_unstable();
                used.extend(free.iter().map(|f| f.1));
                free.into_iter().map(|f| Placement::At(f.1)).collect()
            }
        })
    }

    /// Ids, sources and times of the crafted rows.
    fn deliver(&self, rows: RecordBatch, places: &[Placement]) -> Result<RecordBatch> {
        super::deliver::deliver(self.dataset, rows, places, self.one.enter, self.delivery, self.ctx)
    }
}

impl Poison {
    /// The batches of the poisoned data, with the position in [`Poison::crafts`] of each row that was crafted.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn batches<'a>(
        &'a self,
        dataset: &'a Dataset,
    ) -> Result<impl Iterator<Item = Result<(RecordBatch, BTreeMap<usize, usize>)>> + Send + 'a> {
        let total = dataset.rows;
        let mut next = 0;
        Ok(dataset.batches()?.map(move |batch| {
            let batch = batch?;
            let (first, end) = (batch.first_row, batch.first_row + batch.rows() as u64);
            let is_last = end == total;
            let from = next;
            // what goes before the row after this batch belongs to the next one, unless there is none
            while self.crafts.get(next).is_some_and(|c| c.place.row() < end || is_last) {
                next += 1;
            }
            self.splice(&batch.records, first, from, next)
        }))
    }

    fn splice(
        &self,
        records: &RecordBatch,
        first: u64,
        from: usize,
        to: usize,
    ) -> Result<(RecordBatch, BTreeMap<usize, usize>)> {
        let mut crafted = BTreeMap::new();
        if from == to {
            return Ok((records.clone(), crafted));
        }
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(records.num_rows() + to - from);
        let mut next = from;
        for i in 0..=records.num_rows() {
            let row = first + i as u64;
            let mut stays = i < records.num_rows();
            while next < to && self.crafts[next].place.row() == row {
                let craft = &self.crafts[next];
                crafted.insert(order.len(), next);
                order.push((craft.attack + 1, craft.at));
                stays &= craft.place != Placement::At(row);
                next += 1;
            }
            if stays {
                order.push((0, i));
            }
        }
        let sources: Vec<&RecordBatch> = std::iter::once(records).chain(&self.rows).collect();
        Ok((arrow_select::interleave::interleave_record_batch(&sources, &order)?, crafted))
    }
}
