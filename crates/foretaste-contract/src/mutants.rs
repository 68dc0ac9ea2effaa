//! Broken detectors, one for each law. Each is [`Scatter`] with one fault.
//!
//! [`Scatter`] is sound: the distance of a row's vector from the mean of all vectors, with a p-value that promises little.

use foretaste_core::{
    Batch, Ctx, Detect, Entry, Error, Kind, Lead, Make, Needs, Result, Role, Step, Suspicion, boxed,
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// What is wrong with a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it obeys every law.
    None,
    /// Adds the means of batches instead of sums.
    BatchMeans,
    /// Merging forgets what was in the first state.
    ForgetfulMerge,
    /// A fresh state counts as a row.
    CountingStart,
    /// The row number is part of the score.
    RowNumber,
    /// The number of threads is part of the score.
    Threads,
    /// A part of the state does not survive bytes.
    LosesBytes,
    /// Divides by the number of rows without looking.
    NotANumber,
    /// Reads the first row without looking.
    Panics,
    /// Scores one row less than there are.
    OneShort,
    /// Fails on odd data with an error that does not say that the data do not fit.
    WrongError,
    /// Says the same of every row.
    Constant,
    /// Higher is less suspicious.
    WrongSign,
    /// p-values half as large as they should be.
    BoldPValues,
    /// Leads with small p-values on any data.
    BoldLeads,
    /// Leads that it calls facts, on any data.
    FalseFacts,
}

/// The detector under its faults.
pub struct Scatter(Fault);

/// Sums over rows with a finite vector.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sums {
    rows: f64,
    sum: Vec<f64>,
    #[serde(skip)]
    lost_in_bytes: f64,
}

/// The mean.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Centre {
    mean: Vec<f64>,
    shift: f64,
}

impl Detect for Scatter {
    type State = Sums;
    type Model = Centre;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Embedding])
    }

    fn start(&self) -> Sums {
        let rows = if self.0 == Fault::CountingStart { 50.0 } else { 0.0 };
        Sums { rows, ..Sums::default() }
    }

    fn fold(&self, state: &mut Sums, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        let mut own = Sums::default();
        for row in vectors(batch).into_iter().filter(|v| v.iter().all(|x| x.is_finite())) {
            own.sum.resize(row.len(), 0.0);
            own.sum.iter_mut().zip(&row).for_each(|(s, x)| *s += x);
            own.rows += 1.0;
        }
        if self.0 == Fault::BatchMeans && own.rows > 0.0 {
            own.sum.iter_mut().for_each(|s| *s /= own.rows);
            own.rows = 1.0;
        }
        own.lost_in_bytes = own.rows;
        self.merge(state, own)
    }

    fn merge(&self, into: &mut Sums, from: Sums) -> Result<()> {
        if self.0 == Fault::ForgetfulMerge && from.rows > 0.0 {
            *into = Sums::default();
        }
        if into.sum.len() < from.sum.len() {
            into.sum.resize(from.sum.len(), 0.0);
        }
        into.sum.iter_mut().zip(&from.sum).for_each(|(a, b)| *a += b);
        into.rows += from.rows;
        into.lost_in_bytes += from.lost_in_bytes;
        Ok(())
    }

    fn fit(&self, state: Sums, _ctx: &Ctx) -> Result<Step<Sums, Centre>> {
        let rows = if self.0 == Fault::NotANumber { state.rows } else { state.rows.max(1.0) };
        if self.0 == Fault::WrongError && state.rows < 1.0 {
            return Err(Error::State { entry: "scatter".into(), reason: "no rows".into() });
        }
        let shift = match self.0 {
            Fault::Threads => rayon::current_num_threads() as f64,
            Fault::LosesBytes => state.lost_in_bytes,
            Fault::NotANumber => 0.0 / rows,
            _ => 0.0,
        };
        Ok(Step::Ready(Centre { mean: state.sum.iter().map(|s| s / rows).collect(), shift }))
    }

    fn score(&self, model: &Centre, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        let mut score: Vec<f32> = vec![];
        for (row, vector) in vectors(batch).into_iter().enumerate() {
            let square: f64 = vector.iter().zip(&model.mean).map(|(x, m)| (x - m).powi(2)).sum();
            let distance = if square.is_finite() { square.sqrt().min(1e30) } else { 0.0 };
            let own = distance + model.shift;
            score.push(match self.0 {
                Fault::Constant => 1.0,
                Fault::WrongSign => -own,
                Fault::RowNumber => own + (batch.first_row + row as u64) as f64,
                _ => own,
            } as f32);
        }
        match self.0 {
            Fault::Panics => score[0] += 0.0,
            Fault::OneShort => score.truncate(batch.rows().saturating_sub(1)),
            _ => {}
        }
        // Chebyshev-like and safe for any data; halved, it is far too small
        let p = score.iter().map(|s| {
            if self.0 == Fault::BoldPValues { 0.04 } else { 1.0 / (1.0 + f64::from(s.abs()) / 100.0) }
        });
        Ok(Suspicion { p_value: Some(p.collect()), score, ..Suspicion::default() })
    }

    fn leads(&self, model: &Centre, _ctx: &Ctx) -> Result<Vec<Lead>> {
        if model.mean.is_empty() || !matches!(self.0, Fault::BoldLeads | Fault::FalseFacts) {
            return Ok(vec![]);
        }
        let mut lead = Lead::new(Kind::Outlier, "the first row", vec![0]);
        lead.p_value = Some(0.01);
        lead.fact = self.0 == Fault::FalseFacts;
        Ok(vec![lead])
    }
}

/// The vectors of a batch, an empty one for rows that have none.
fn vectors(batch: &Batch) -> Vec<Vec<f64>> {
    let row = |i: usize| {
        batch.vectors.as_ref().map_or(vec![], |v| v.row(i).iter().map(|x| f64::from(*x)).collect())
    };
    (0..batch.rows()).map(row).collect()
}

const DOC: &str = "Distance from the mean.\n\n# What it finds\nx\n# How it works\nx\n# Threat model\nx\n# Cost\nx\n\
                   # Blind spots\nx\n# Example\nx\n# References\nx\n";

macro_rules! mutants {
    ($($fault:ident, $law:literal;)*) => {
        /// A mutant, its fault, and the law that kills it.
        pub static MUTANTS: &[(Fault, &str, Entry)] = &[$((Fault::$fault, $law, Entry {
            id: "scatter",
            title: "Distance from the mean",
            doc: DOC,
            params: &[],
            defaults: Map::new,
            make: Make::Detector(|params| match params.keys().next() {
                None => Ok(boxed("scatter", Scatter(Fault::$fault))),
                Some(name) => Err(Error::unknown("parameter of `scatter`", name, [])),
            }),
            source: file!(),
        }),)*];
    };
}

mutants! {
    None, "";
    BatchMeans, "sharding";
    ForgetfulMerge, "sharding";
    CountingStart, "identity";
    RowNumber, "row-order";
    Threads, "threads";
    LosesBytes, "bytes";
    NotANumber, "finite";
    Panics, "finite";
    OneShort, "finite";
    WrongError, "finite";
    Constant, "informative";
    WrongSign, "sign";
    BoldPValues, "false-alarms";
    BoldLeads, "false-alarms";
    FalseFacts, "false-alarms";
}
