//! Runs detectors over a data set: passes, merging, scoring. Detectors know nothing of this file.

use crate::columns::thousands;
use crate::dataset::{Dataset, Tick};
use crate::error::Result;
use foretaste_core::catalogue::Json;
use foretaste_core::{AnyDetect, Batch, Ctx, Entry, Evidence, Growth, Role, Scored, Sealed, Step, Suspicion};
use rayon::prelude::*;
use serde_json::Map;

/// Batches that are folded together. Fixed, so that the result does not depend on the number of threads.
const GROUP: usize = 8;

/// What became of a detector.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It scored all rows.
    Ran,
    /// It did not fit the data, was not asked for, or would not fit into memory.
    Skipped(String),
    /// It stopped with an error.
    Failed(String),
}

/// A detector that was chosen, with its parameters.
pub struct Chosen {
    /// Its catalogue entry.
    pub entry: &'static Entry,
    /// The detector.
    pub detector: Box<dyn AnyDetect>,
    /// Parameters given by the user.
    pub params: Map<String, Json>,
}

/// What detectors may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of state that one detector may hold.
    pub memory: u64,
}

/// Runs every chosen detector that fits; returns their evidence, and what became of each in the order given.
///
/// # Errors
/// If a file cannot be read. A detector that fails does not stop the others.
pub fn run(
    dataset: &Dataset,
    chosen: &[Chosen],
    limits: Limits,
    ctx: &Ctx,
    tick: Tick<'_>,
) -> Result<(Evidence, Vec<Outcome>)> {
    let mut outcomes: Vec<Outcome> = chosen.iter().map(|c| fits(dataset, c, limits)).collect();
    let mut states: Vec<Option<Sealed>> = chosen
        .iter()
        .zip(&outcomes)
        .map(|(c, o)| matches!(o, Outcome::Ran).then(|| c.detector.start()))
        .collect();
    let mut models: Vec<Option<Sealed>> = chosen.iter().map(|_| None).collect();
    while states.iter().any(Option::is_some) {
        pass(dataset, chosen, &mut states, &mut outcomes, ctx, tick)?;
        for (i, c) in chosen.iter().enumerate() {
            let Some(state) = states[i].take() else { continue };
            match c.detector.fit(state, ctx) {
                Ok(Step::Again(state)) => states[i] = Some(state),
                Ok(Step::Ready(model)) => models[i] = Some(model),
                Err(e) => outcomes[i] = Outcome::Failed(e.to_string()),
            }
        }
    }
    let evidence = score(dataset, chosen, &models, &mut outcomes, ctx)?;
    Ok((evidence, outcomes))
}

fn fits(dataset: &Dataset, chosen: &Chosen, limits: Limits) -> Outcome {
    let needs = chosen.detector.needs();
    let has = |role: Role| match role {
        Role::Embedding => dataset.vectors.is_some(),
        Role::Prob => dataset.probs.is_some(),
        role => dataset.has(role),
    };
    // Vectors and probabilities are made, so that no column of theirs is there says nothing: say why none was made.
    let made = match needs.all.iter().find(|r| !has(**r)) {
        Some(Role::Embedding) if !dataset.has(Role::Embedding) || !dataset.no_vectors.is_empty() => {
            Some(("vectors", &dataset.no_vectors))
        }
        Some(Role::Prob) if !dataset.no_probs.is_empty() => Some(("class probabilities", &dataset.no_probs)),
        _ => None,
    };
    if let Some((what, why)) = made.filter(|(_, why)| !why.is_empty()) {
        return Outcome::Skipped(format!("no {what}: {why}"));
    }
    if let Some(reason) = needs.unmet(has) {
        return Outcome::Skipped(reason);
    }
    let bytes = match needs.growth {
        Growth::Constant => 0,
        Growth::Sketch(per_row) => dataset.rows * per_row as u64,
        Growth::Data => {
            let cols = dataset
                .vectors
                .as_ref()
                .map_or(0, |m| m.cols())
                .max(dataset.probs.as_ref().map_or(0, |m| m.cols()));
            dataset.rows * (cols.max(dataset.roles.len()) * 4 + 16) as u64 * 2
        }
    };
    if bytes > limits.memory {
        return Outcome::Skipped(format!(
            "its state would take {} MB of the {} MB allowed; give more with --memory, or scan a part of the files",
            thousands(bytes >> 20),
            thousands(limits.memory >> 20)
        ));
    }
    Outcome::Ran
}

fn pass(
    dataset: &Dataset,
    chosen: &[Chosen],
    states: &mut [Option<Sealed>],
    outcomes: &mut [Outcome],
    ctx: &Ctx,
    tick: Tick<'_>,
) -> Result<()> {
    let mut batches = dataset.batches()?;
    let mut done = 0;
    loop {
        let group: Vec<Batch> = batches.by_ref().take(GROUP).collect::<Result<_>>()?;
        if group.is_empty() {
            return Ok(());
        }
        (chosen, &mut *states, &mut *outcomes).into_par_iter().for_each(|(c, slot, outcome)| {
            let Some(state) = slot else { return };
            for batch in &group {
                if let Err(e) = c.detector.fold(state, batch, ctx) {
                    *outcome = Outcome::Failed(e.to_string());
                    *slot = None;
                    return;
                }
            }
        });
        done += group.iter().map(|b| b.rows() as u64).sum::<u64>();
        tick(done);
    }
}

fn score(
    dataset: &Dataset,
    chosen: &[Chosen],
    models: &[Option<Sealed>],
    outcomes: &mut [Outcome],
    ctx: &Ctx,
) -> Result<Evidence> {
    let mut all: Vec<Option<Suspicion>> =
        models.iter().map(|m| m.as_ref().map(|_| Suspicion::default())).collect();
    for batch in dataset.batches()? {
        let batch = batch?;
        (chosen, models, &mut all, &mut *outcomes).into_par_iter().for_each(|(c, model, sum, outcome)| {
            let (Some(model), Some(suspicion)) = (model, sum.as_mut()) else { return };
            match c.detector.score(model, &batch, ctx) {
                Ok(next) if next.score.len() == batch.rows() && next.score.iter().all(|s| s.is_finite()) => {
                    suspicion.append(next)
                }
                Ok(_) => {
                    *outcome = Outcome::Failed("it did not give one finite number a row".into());
                    *sum = None;
                }
                Err(e) => {
                    *outcome = Outcome::Failed(e.to_string());
                    *sum = None;
                }
            }
        });
    }
    let mut evidence = Evidence::default();
    for (i, suspicion) in all.into_iter().enumerate() {
        let (Some(suspicion), Some(model)) = (suspicion, &models[i]) else { continue };
        match chosen[i].detector.leads(model, ctx) {
            Ok(leads) => {
                let unseen = chosen[i].detector.unseen(model, ctx).unwrap_or(None);
                evidence.scored.push(Scored {
                    detector: chosen[i].entry.id.into(),
                    suspicion,
                    leads,
                    unseen,
                });
            }
            Err(e) => outcomes[i] = Outcome::Failed(e.to_string()),
        }
    }
    Ok(evidence)
}
