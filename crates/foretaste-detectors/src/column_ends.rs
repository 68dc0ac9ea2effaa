//! Rows at the ends of several columns at once, against what the rest of the data call for.

use crate::columns::Columns;
use crate::gather::{PerRow, row_at};
use crate::planted::{Planted, by_content};
use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, Needs, Result, Role, Step, Suspicion, Table, p_words};
use foretaste_macros::Catalogue;
use foretaste_num::column_ends::{Corner, Ends, Wanted, corner, ends};
use serde::{Deserialize, Serialize};

/// Rows at the ends of several columns at once, under labels or targets that the rest of the data contradict.
///
/// # What it finds
/// Rows that were made to harm a model: an attacker who may choose any numbers that occur in the data ends where they are the
/// least or the greatest of their columns, because that is where a row weighs most. With a class or a number to be learned.
///
/// # How it works
/// An end is the least or the greatest number of a column of more than ten, if at most 15 % of the rows lie there. Rows at three
/// rare ends or more are set apart. Natural extremes are at few of all ends that there are; where these rows use 80 %, a linear
/// model is trained on the rows at one end at most. They are a group if it contradicts most of them (by class; or, of numbers, by more than it
/// errs on all but 5 % of the others), more than it contradicts rows that it did not see (binomial), and if their labels go
/// against its predictions, rather than all one way (permutations), or the numbers that they should predict are at both of their
/// own ends more often than elsewhere (binomial); corrected for the corners tried. Rows at two ends are added, if most of them are contradicted. Natural extremes follow the law of the rest,
/// and where a law bends, it bends one way.
/// Suspicion is the surprise of the rare ends of a row, the sum of minus the logarithm of the share of rows there.
///
/// # Threat model
/// The attacker adds rows of several columns of numbers, whose labels or targets are wrong in more than one direction.
///
/// # Cost
/// Columns are read once; models are trained only if ten rows lie at corners, on at most 20,000 rows. State is the columns.
///
/// # Blind spots
/// Tables of fewer than three columns of more than ten numbers; rows short of the ends, or always at the same few of them; wrong
/// labels of one direction only; poison so frequent that its ends are no longer rare (about 30 % of the data, if it takes both ends of each column).
///
/// # Example
/// ```text
/// foretaste scan houses.csv --target price --only column-ends
/// ```
///
/// # References
/// Jagielski, Oprea, Biggio, Liu, Nita-Rotaru, Li, "Manipulating Machine Learning", IEEE S&P 2018 (attacks that end at corners). Besag,
/// Clifford, "Sequential Monte Carlo p-values", Biometrika 1991. The test is ours.
#[derive(Clone, Debug, Default, Catalogue)]
pub struct ColumnEnds {}

/// Columns, and targets where the data have some.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    columns: Columns,
    targets: Vec<(u64, Vec<f64>)>,
}

impl Detect for ColumnEnds {
    type State = State;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Feature]).and_any(&[Role::Label, Role::Target]).growing(Growth::Data)
    }

    fn start(&self) -> State {
        State::default()
    }

    fn fold(&self, state: &mut State, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        state.columns.push(batch);
        state.targets.extend(batch.targets().filter(|t| !t.is_empty()).map(|t| (batch.first_row, t)));
        Ok(())
    }

    fn merge(&self, into: &mut State, from: State) -> Result<()> {
        into.columns.merge(from.columns);
        into.targets.extend(from.targets);
        Ok(())
    }

    fn fit(&self, mut state: State, ctx: &Ctx) -> Result<Step<State, Planted>> {
        state.targets.sort_by_key(|t| t.0);
        let targets: Vec<f64> = state.targets.into_iter().flat_map(|t| t.1).collect();
        let (labels, columns) = state.columns.plain();
        let values: Vec<&[f64]> = columns.iter().map(|c| c.1.as_slice()).collect();
        let found = ends(&values);
        let wide = state.columns.wide();
        let row = |i: usize| &wide.values[i * wide.dim..(i + 1) * wide.dim];
        let target = |i: usize| targets.get(i).map_or(0, |v| v.to_bits());
        let key = |i: usize| (row(i).iter().map(|v| v.to_bits()).collect::<Vec<u32>>(), labels[i], target(i));
        let at_corners = found.count.iter().any(|n| *n >= 3);
        let order = if at_corners { by_content(labels.len(), key) } else { vec![] };
        let x: Vec<f32> = order.iter().flat_map(|i| row(*i)).copied().collect();
        let classes = ctx.profile().classes.len();
        let codes: Vec<u32> = order.iter().map(|i| labels[*i]).collect();
        let numbers: Vec<f64> = order.iter().filter_map(|i| targets.get(*i).copied()).collect();
        let has_numbers = targets.len() == labels.len();
        let of_classes = (classes > 1).then(|| Wanted::Classes(&codes, classes));
        let wanted = of_classes.or_else(|| has_numbers.then_some(Wanted::Numbers(&numbers)));
        let told = wanted.and_then(|w| corner(&x, wide.dim, w, &found.in_order(&order), ctx.seed()));
        let lead = told.map(|c| {
            let mut members: Vec<usize> = c.members.iter().map(|i| order[*i as usize]).collect();
            members.sort_unstable();
            let rows = members.iter().map(|i| row_at(&wide.runs, *i as u64)).collect();
            lead(&c, rows, places(&found, &columns, &members))
        });
        let per_row = PerRow { runs: wide.runs, suspicion: Suspicion::uncalibrated(found.surprise) };
        Ok(Step::Ready(Planted { per_row, leads: lead.into_iter().collect(), ..Planted::default() }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// Most ends that a table shows.
const SHOWN: usize = 12;

/// At which ends the members lie: column, number, members there and other rows, those of most members first.
fn places(found: &Ends, columns: &[(String, Vec<f64>)], members: &[usize]) -> Table {
    let mut rows: Vec<(usize, Vec<String>)> = vec![];
    for end in &found.ends {
        let here = end.rows.iter().filter(|i| members.binary_search(&(**i as usize)).is_ok()).count();
        let name = columns.get(end.column).map_or("", |c| &c.0);
        let others = end.rows.len() - here;
        rows.push((here, vec![name.into(), end.value.to_string(), here.to_string(), others.to_string()]));
    }
    rows.retain(|r| r.0 > 0);
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    rows.truncate(SHOWN);
    Table {
        title: "ends at which they lie".into(),
        header: vec!["column".into(), "number".into(), "of these".into(), "of all others".into()],
        rows: rows.into_iter().map(|r| r.1).collect(),
    }
}

fn lead(corner: &Corner, members: Vec<u64>, places: Table) -> Lead {
    let n = members.len();
    let subject = format!("at the ends of {} columns and more, against what the other data call for", corner.ends);
    let mut lead = Lead::new(Kind::Availability, subject, members);
    lead.family = Lead::ENDS.into();
    lead.p_value = Some(corner.p_value);
    lead.statistic = ("samples".into(), n as f64);
    lead.why.push(format!(
        "{} rows lie at the least or the greatest number of {} columns or more, where few rows are. A model of the rows elsewhere contradicts most of them; of such rows that it did not see it contradicts {:.1} %.",
        corner.rows,
        corner.ends,
        100.0 * corner.elsewhere
    ));
    let p = p_words(corner.p_value);
    lead.why.push(if corner.at_both_ends {
        format!("What they should predict is at its least and at its greatest number, both far more often than elsewhere: no law that bends at its ends explains both ({p}).")
    } else {
        format!("They contradict it in more than one direction, so that no law which bends at its ends explains them ({p}, permutations).")
    });
    lead.tables.push(places);
    lead
}
