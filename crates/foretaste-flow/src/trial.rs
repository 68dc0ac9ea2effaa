//! The verb `trial`: attack x defence x victim x seed, measured on the user's own data.

mod defend;
mod external;
mod scenario;
mod unit;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use arrow_array::RecordBatch;
use arrow_cast::display::FormatOptions;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, Field, Schema};
use arrow_select::concat::concat_batches;
use foretaste_core::{Failed, MISSING, Role, Row, TRIAL_SCHEMA, Trial, summarise};
use foretaste_formats::OpenOptions;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use scenario::{AttackSpec, DataSpec, DefenceCommand, Scenario, TrainCommand, VictimSpec};
pub use unit::Unit;

/// How to run a scenario.
#[derive(Clone, Debug, Default)]
pub struct TrialOptions {
    /// Where results of units, logs and reports go; `None`: nothing is kept.
    pub out: Option<PathBuf>,
    /// Units that run at the same time; each uses all cores where it can. 0: one.
    pub jobs: usize,
}

/// The work of a scenario: units that can be run in any order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is run.
    pub units: Vec<Unit>,
    /// Models that are trained in all.
    pub trainings: usize,
}

/// Called with what is done and what is to do.
pub type Progress<'a> = &'a (dyn Fn(usize, usize, &str) + Sync);

/// Lists the units of a scenario.
///
/// # Errors
/// If the scenario names what there is not.
pub fn plan(scenario: &Scenario) -> Result<Plan> {
    scenario.check()?;
    let mut units = vec![];
    for &seed in &scenario.seeds {
        units.push(Unit { seed, attack: None, rate: 0.0 });
        for (k, attack) in scenario.attacks.iter().enumerate() {
            units.extend(attack.poison_rates.iter().map(|&rate| Unit { seed, attack: Some(k), rate }));
        }
    }
    let victims = scenario.victims.len() + usize::from(scenario.train_command.is_some());
    let attacked = units.iter().filter(|u| u.attack.is_some()).count();
    let trainings = victims * (scenario.seeds.len() + attacked * scenario.defences.len());
    Ok(Plan { units, trainings })
}

/// Runs a scenario. Units whose results are in the output folder already are not run again. An attack that cannot be rehearsed
/// is listed in the trial, and the others go on.
///
/// # Errors
/// If the data cannot be read, clean training fails, or nothing else can be done: what was done before is kept.
pub fn trial(scenario: &Scenario, options: &TrialOptions, progress: Progress<'_>) -> Result<Trial> {
    let plan = plan(scenario)?;
    let mut notes = vec![];
    let data = open(scenario, &mut notes)?;
    let test = open_test(scenario, &data, &mut notes)?;
    let bench = unit::Bench::new(scenario, &data, test, options.out.clone());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<BTreeMap<usize, Result<Vec<Row>>>> = Mutex::new(BTreeMap::new());
    let keep = |at: usize, rows: Result<Vec<Row>>| {
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(at, rows);
    };
    // without clean training there is nothing to compare with
    let broken = || {
        let results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.iter().any(|(at, rows)| rows.is_err() && plan.units[*at].attack.is_none())
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, plan.units.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(unit) = plan.units.get(at).filter(|_| !broken()) else { break };
                    progress(done.load(Ordering::Relaxed), plan.units.len(), &unit.words(scenario));
                    keep(at, bench.run(unit));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut rows, mut failed) = (vec![], vec![]);
    let mut left = results.values().filter(|r| r.is_ok()).count();
    for (at, unit) in results {
        let clean = plan.units[at].attack.is_none();
        left -= usize::from(clean && unit.is_ok());
        match unit {
            Ok(measured) => rows.extend(measured),
            Err(e) if clean => return Err(e),
            Err(e) => failed.push((plan.units[at].words(scenario), e)),
        }
    }
    if left == 0 && !failed.is_empty() {
        return Err(failed.swap_remove(0).1);
    }
    let failed = failed.into_iter().map(|(what, e)| Failed { what, why: e.to_string() }).collect();
    let scenario_text = serde_json::to_value(scenario)
        .map_err(|e| Error::data(format!("the scenario cannot be written down: {e}"), ""))?;
    Ok(Trial {
        schema: TRIAL_SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        scenario: scenario_text,
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        rows: data.rows,
        classes: data.classes.clone(),
        target: data.positions(|r| r == Role::Target).first().map(|i| data.schema.field(*i).name().clone()),
        summary: summarise(&rows),
        results: rows,
        notes: notes.into_iter().chain(bench.notes()).collect(),
        failed,
    })
}

/// What cannot be read in another kind is an error, no gap.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// Opens the files that a scenario measures on, if it names some, with the columns, roles and classes of the data.
fn open_test(scenario: &Scenario, data: &Dataset, notes: &mut Vec<String>) -> Result<Option<Dataset>> {
    let files = &scenario.data.test;
    if files.is_empty() {
        return Ok(None);
    }
    let roles = scenario.data.roles();
    let test = Dataset::open(files, &OpenOptions::default(), &roles, u64::MAX, &|_| {})?;
    let unlike = |field: &Field, why: String| {
        Error::data(
            format!("column `{}` of the data {why} in the test files {}", field.name(), files.join(", ")),
            "name test files with the columns of the data, or leave them out: a share of the data is held out then",
        )
    };
    let fields = data.schema.fields();
    let at: Vec<usize> = fields
        .iter()
        .map(|f| test.schema.index_of(f.name()).map_err(|_| unlike(f, "is missing".into())))
        .collect::<Result<_>>()?;
    let mut batches = vec![];
    for batch in test.batches()? {
        let records = batch?.records;
        let column = |(&i, field): (&usize, &Arc<Field>)| {
            let (held, kind) = (records.column(i), field.data_type());
            let in_kind = |e: ArrowError| unlike(field, format!("is of another kind ({e})"));
            let told = cast_with_options(held, kind, &STRICT).map_err(in_kind)?;
            // fractions would be cut off without a word
            let cut = kind.is_integer() && held.data_type().is_floating();
            if cut && &cast_with_options(&told, held.data_type(), &STRICT).map_err(in_kind)? != held {
                return Err(unlike(field, "holds whole numbers only, and fractions".into()));
            }
            Ok(told)
        };
        let columns = at.iter().zip(fields).map(column).collect::<Result<_>>()?;
        // a column without gaps in the data may have some here
        let schema =
            Schema::new(fields.iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
        batches.push(RecordBatch::try_new(Arc::new(schema), columns)?);
    }
    let Some(first) = batches.first() else {
        return Err(Error::data("the test files have no rows", "name files that have some"));
    };
    let test = data.of_rows(&concat_batches(&first.schema(), &batches)?)?;
    notes.push(format!("measured on the {} rows of {}; nothing is held out", test.rows, files.join(", ")));
    let strange = test.labels()?.iter().filter(|l| **l == MISSING).count();
    if strange > 0 && !data.has(Role::Target) {
        notes.push(format!(
            "{strange} of {} test rows have no label, or one that the data do not have: they are not measured",
            test.rows
        ));
    }
    Ok(Some(test))
}

/// Opens the data of a scenario, cut down to the most rows that it wants.
fn open(scenario: &Scenario, notes: &mut Vec<String>) -> Result<Dataset> {
    let data = &scenario.data;
    let everything = u64::MAX; // a trial goes over its data again and again
    let mut dataset =
        Dataset::open(&data.inputs, &OpenOptions::default(), &data.roles(), everything, &|_| {})?;
    dataset.refuse_conversations("trial")?;
    let leaks = crate::leaks::find(&dataset)?;
    notes.extend(crate::leaks::set_aside(&mut dataset, &leaks));
    if dataset.has(Role::Target) {
        for v in &scenario.victims {
            if !foretaste_victims::entry(&v.id)?.victim(&v.set)?.numeric() {
                return Err(Error::data(
                    format!("`{}` learns classes, and the data have a numeric target", v.id),
                    "use --victim ridge-regression",
                ));
            }
        }
    } else if dataset.classes.len() < 2 {
        return Err(Error::data(
            "a trial needs a label with two classes at least",
            "name the column with --label, or `label` in the scenario; a number with --target",
        ));
    }
    match data.max_rows.filter(|most| *most < dataset.rows) {
        None => Ok(dataset),
        Some(most) => {
            let rows = unit::drawn(dataset.rows, most, "trial/rows", 0);
            dataset.of_rows(&crate::simulate::take_rows(&dataset, &rows)?)
        }
    }
}
