//! Targets that models contradict which left out what fits worst, and what these samples do to a plain model.

use crate::columns::Columns;
use crate::gather::{Gathered, PerRow, row_at};
use crate::planted::{PLAIN, Planted, by_content, shared};
use foretaste_core::{
    AtEffort, Batch, Ctx, Detect, Effort, Growth, Kind, Lead, Needs, Result, Role, Step, Suspicion, p_words};
use foretaste_macros::Catalogue;
use foretaste_num::trimmed_ridge::{Options, Trim, trim};
use serde::{Deserialize, Serialize};

/// Numbers that bend a regression: far from what a model expects that was trained without what fits worst.
///
/// # What it finds
/// In data with a numeric target (`--target price`): samples that make the predictions of a linear model worse for everybody, by
/// targets that contradict their content. Also single targets that are ten or a hundred times too large or small, or have the
/// wrong sign.
///
/// # How it works
/// The target is taken as it is, or as its logarithm if that is straighter. A ridge regression so stiff that it is nearly a
/// constant is fitted; the 30 % of the samples that it fits worst are left out, a softer one is fitted to the rest, and so on.
/// Samples far from all others weigh little in it. Suspicion is the residual, by models that did not see the sample, in units of
/// a local scale: a second regression says how far residuals are from zero where the sample is, so that dear houses may miss by
/// more. Then 1 to 30 % of the samples, the most suspicious first, are left out of a plain model until the loss on held-out
/// samples stops falling (residuals beyond three scales count as three). If its predictions without them differ clearly more
/// than with them, they are a group, and the search goes on in the rest. At the end plain models with and without the group
/// predict held-out samples, all of them, and an exact sign test says which is nearer; the slope of one's predictions on
/// the other's says how far the group bends the model. Honest heavy tails move that slope little: they go both ways.
///
/// # Threat model
/// The attacker adds or changes up to a fifth of the samples, targets and content, so that predictions go wrong in general.
///
/// # Cost
/// About 15 ridge regressions in each of 3 folds and up to 5 rounds, on at most 20,000 rows of at most 128 numbers; state is the
/// columns.
///
/// # Blind spots
/// Groups that shift all predictions by one amount, or stretch them, but do not flatten them. Targets that a linear model can hardly predict.
/// Poison that is the majority where it stands. Groups too small to move a model, except slips of the pen. The suspicion only orders.
///
/// # Example
/// ```text
/// foretaste scan houses.csv --target price --only trimmed-residuals
/// ```
///
/// # References
/// Jagielski, Oprea, Biggio, Liu, Nita-Rotaru, Li, "Manipulating Machine Learning", IEEE S&P 2018 (TRIM, which is told the number of
/// poisoned samples). Rousseeuw, Van Driessen, "Computing LTS Regression for Large Data Sets", 2006 (concentration steps). The
/// stiff start, the search for the share, the local scale and the test are ours.
#[derive(Clone, Debug, Catalogue)]
pub struct TrimmedResiduals {
    /// Share of the samples that robust models are fitted on.
    #[param(min = 0.5, max = 1)]
    pub keep: f64,
    /// Most numbers that stand for a sample; more become principal components.
    #[param(min = 2, max = 512)]
    pub dims: usize,
    /// Most rows that models learn from.
    #[param(min = 100, max = 1000000)]
    pub rows: usize,
}

impl Default for TrimmedResiduals {
    fn default() -> Self {
        let o = Options::default();
        Self { keep: o.keep, dims: o.dims, rows: o.max_rows }
    }
}

/// Family of leads whose members a slip of the pen explains.
pub const SLIPS: &str = "slips";

/// Columns, targets, and vectors of what is no column.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    columns: Columns,
    vectors: Gathered,
    targets: Vec<(u64, Vec<f64>)>,
}

impl Detect for TrimmedResiduals {
    type State = State;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Target]).and_any(&[Role::Feature, Role::Embedding]).growing(Growth::Data)
    }

    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            Effort::Quick | Effort::Normal => AtEffort::Same,
            Effort::Deep => AtEffort::With(&[("rows", 100_000)]),
        }
    }

    fn start(&self) -> State {
        State::default()
    }

    fn fold(&self, state: &mut State, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        let Some(targets) = batch.targets().filter(|t| !t.is_empty()) else { return Ok(()) };
        state.targets.push((batch.first_row, targets));
        state.columns.push(batch);
        let beside = |r: &Role| r.is_text() || matches!(r, Role::Image | Role::Embedding);
        if let Some(vectors) = batch.vectors.as_ref().filter(|_| batch.roles.iter().any(beside)) {
            state.vectors.push(batch, vectors);
        }
        Ok(())
    }

    fn merge(&self, into: &mut State, from: State) -> Result<()> {
        into.columns.merge(from.columns);
        into.vectors.merge(from.vectors);
        into.targets.extend(from.targets);
        Ok(())
    }

    fn fit(&self, mut state: State, ctx: &Ctx) -> Result<Step<State, Planted>> {
        state.targets.sort_by_key(|t| t.0);
        let targets: Vec<f64> = state.targets.into_iter().flat_map(|t| t.1).collect();
        let (wide, beside) = (state.columns.wide(), state.vectors.flatten("trimmed-residuals")?);
        let fits = beside.labels.len() == targets.len();
        let dim = wide.dim + if fits { beside.cols } else { 0 };
        let row = |i: usize| {
            let vector = if fits { &beside.values[i * beside.cols..(i + 1) * beside.cols] } else { &[] };
            wide.values[i * wide.dim..(i + 1) * wide.dim].iter().chain(vector)
        };
        let key = |i: usize| (targets[i].to_bits(), row(i).map(|v| v.to_bits()).collect::<Vec<u32>>());
        let order = by_content(targets.len(), key);
        let values: Vec<f32> = order.iter().flat_map(|i| row(*i)).copied().collect();
        let ordered: Vec<f64> = order.iter().map(|i| targets[*i]).collect();
        let options = Options {
            keep: self.keep,
            dims: self.dims,
            max_rows: self.rows,
            seed: ctx.seed(),
            ..Options::default()
        };
        let mut found = trim(&values, dim, &ordered, &options);
        found.score.resize(targets.len(), 0.0);
        let score = shared(&order, |a, b| key(a) == key(b), &found.score);
        let rows = |of: &[usize]| {
            let mut at: Vec<u64> = of.iter().map(|i| row_at(&wide.runs, order[*i] as u64)).collect();
            at.sort_unstable();
            at
        };
        let leads = [group(&found, rows(&found.members)), slips(&found, &rows)];
        let leads = leads.into_iter().flatten().collect();
        let per_row = PerRow { runs: wide.runs.clone(), suspicion: Suspicion::uncalibrated(score) };
        Ok(Step::Ready(Planted { per_row, leads, ..Planted::default() }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// Samples that bend a plain model, if the sign test speaks against them.
fn group(found: &Trim, members: Vec<u64>) -> Option<Lead> {
    let harm = &found.harm;
    if members.is_empty() || harm.p_value > PLAIN {
        return None;
    }
    let mut lead = Lead::new(Kind::Availability, "targets that contradict their samples", members);
    let judged = harm.judged.max(1) as f64;
    lead.statistic = ("share of samples predicted better without them".into(), harm.better as f64 / judged);
    lead.numbers = vec![(Lead::SLOPE.into(), harm.slope), (Lead::SIGNAL.into(), harm.signal)];
    lead.p_value = Some(harm.p_value);
    let p = p_words(harm.p_value);
    lead.why.push(
        "They are far from what models expect that were trained without what fits worst, for the spread that is usual where they stand."
            .into(),
    );
    lead.why.push(format!(
        "Of {} held-out samples, a plain model trained without them is nearer to {}, one trained with them to {} ({}). Where predictions of the first differ by 1, those of the second differ by {:.2}.",
        harm.judged, harm.better, harm.worse, p, harm.slope
    ));
    Some(lead)
}

/// Targets that a slip of the pen explains: a statement about each, without a level.
fn slips(found: &Trim, rows: &dyn Fn(&[usize]) -> Vec<u64>) -> Option<Lead> {
    let at: Vec<usize> = found.slips.iter().map(|s| s.0).collect();
    if at.is_empty() {
        return None;
    }
    let mut lead = Lead::new(Kind::LabelError, "targets that a slip of the pen explains", rows(&at));
    lead.family = SLIPS.into();
    lead.statistic = ("slips".into(), at.len() as f64);
    lead.numbers = vec![(Lead::CHANCE.into(), found.slips_by_chance as f64)];
    let of = |wanted: &dyn Fn(f64) -> bool| found.slips.iter().filter(|s| wanted(s.1)).count();
    lead.why.push(format!(
        "They would be as expected if they were ten or a hundred times smaller ({}) or larger ({}), or had the other sign ({}); factors that no slip has mend {} others.",
        of(&|by| by > 0.0 && by < 1.0),
        of(&|by| by > 1.0),
        of(&|by| by < 0.0),
        found.slips_by_chance
    ));
    Some(lead)
}
