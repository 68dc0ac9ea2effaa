//! Runs a detector over a fixture in every way that a driver could: cut, ordered, merged and carried differently.

use crate::fixture::Fixture;
use foretaste_core::{AnyDetect, Batch, Ctx, Error, Lead, Result, Step, Suspicion};

/// How a run is cut and carried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rows of the batches, taken in turn.
    pub batches: &'static [usize],
    /// States that take batches in turn.
    pub states: usize,
    /// Merge the last state first.
    pub merge_backwards: bool,
    /// Fold the batches of each state from the last to the first.
    pub fold_backwards: bool,
    /// Merge every state with a fresh one, from both sides.
    pub merge_with_start: bool,
    /// Carry states and the model through bytes.
    pub through_bytes: bool,
    /// Rows of the batches that are scored.
    pub score_batches: &'static [usize],
}

/// One state, one batch.
pub const WHOLE: Plan = Plan {
    batches: &[usize::MAX],
    states: 1,
    merge_backwards: false,
    fold_backwards: false,
    merge_with_start: false,
    through_bytes: false,
    score_batches: &[usize::MAX],
};

/// What a detector said about a fixture.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One number a row.
    pub suspicion: Suspicion,
    /// What groups share.
    pub leads: Vec<Lead>,
}

/// More passes than any sensible detector asks for.
const PASSES: usize = 20;

/// Runs it.
///
/// # Errors
/// Those of the detector; or [`Error::State`] if it asks for passes without end.
pub fn run(detector: &dyn AnyDetect, fixture: &Fixture, plan: &Plan) -> Result<Outcome> {
    let ctx = Ctx::new(11, fixture.profile());
    let whole = fixture.batch();
    let batches = cut(&whole, plan.batches);
    let mut start = None;
    for _ in 0..PASSES {
        let state = pass(detector, &batches, &ctx, plan, start.take())?;
        match detector.fit(state, &ctx)? {
            Step::Again(next) => start = Some(detector.save_state(&next)?),
            Step::Ready(model) => {
                let model = if plan.through_bytes {
                    detector.load_model(&detector.save_model(&model)?)?
                } else {
                    model
                };
                let mut suspicion = Suspicion::default();
                for batch in cut(&whole, plan.score_batches) {
                    suspicion.append(detector.score(&model, &batch, &ctx)?);
                }
                return Ok(Outcome { suspicion, leads: detector.leads(&model, &ctx)? });
            }
        }
    }
    Err(Error::State { entry: detector.id().into(), reason: format!("it wants more than {PASSES} passes") })
}

type Sealed = foretaste_core::Sealed;

/// One pass: folds into several states and merges them. `start` is the state that the last pass asked to go on from.
fn pass(
    detector: &dyn AnyDetect,
    batches: &[Batch],
    ctx: &Ctx,
    plan: &Plan,
    start: Option<Vec<u8>>,
) -> Result<Sealed> {
    let mut states: Vec<Sealed> = vec![];
    for part in 0..plan.states.max(1) {
        let mut state = match &start {
            Some(bytes) => detector.load_state(bytes)?,
            None => detector.start(),
        };
        let mut own: Vec<&Batch> = batches.iter().skip(part).step_by(plan.states.max(1)).collect();
        if plan.fold_backwards {
            own.reverse();
        }
        for batch in own {
            detector.fold(&mut state, batch, ctx)?;
        }
        if plan.through_bytes {
            state = detector.load_state(&detector.save_state(&state)?)?;
        }
        if plan.merge_with_start && start.is_none() {
            detector.merge(&mut state, detector.start())?;
            let mut fresh = detector.start();
            detector.merge(&mut fresh, state)?;
            state = fresh;
        }
        states.push(state);
    }
    if plan.merge_backwards {
        states.reverse();
    }
    let mut states = states.into_iter();
    let mut into = states.next().unwrap_or_else(|| detector.start());
    for from in states {
        detector.merge(&mut into, from)?;
    }
    Ok(into)
}

/// Cuts a batch into batches of these sizes, taken in turn. No rows give one empty batch.
fn cut(whole: &Batch, sizes: &[usize]) -> Vec<Batch> {
    let mut out = vec![];
    let mut from = 0;
    for size in sizes.iter().cycle() {
        let rows = (*size).max(1).min(whole.rows() - from);
        out.push(whole.slice(from, rows));
        from += rows;
        if from >= whole.rows() {
            break;
        }
    }
    out
}
