//! The verb `simulate`: clean data in, poisoned data and the record of what was done out.

mod deliver;
mod edit;
mod poison;
mod pool;
mod wanted;
mod write;

use crate::dataset::{Dataset, Tick};
use crate::error::{Error, Result};
use crate::outputs;
use crate::roles::GivenRoles;
use crate::views;
use foretaste_core::catalogue::Json;
use foretaste_core::{Budget, Ctx, Entering, Role};
use foretaste_formats::OpenOptions;
use foretaste_truth::{MANIFEST_SCHEMA, NOTICE, PoisonManifest, Way};
use std::path::{Path, PathBuf};

pub use edit::rows as edited_rows;
pub use poison::{Chosen, Craft, Delivery, Placement, Poison, Timing, poison};
pub use pool::{Seen, pick, take_rows};
pub use write::text as write_text;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct SimulateOptions {
    /// Files, folders, patterns.
    pub inputs: Vec<String>,
    /// How to read them.
    pub open: OpenOptions,
    /// Roles of columns by name; the others are inferred.
    pub roles: GivenRoles,
    /// Attacks by id, with parameters, in the order in which they are applied.
    pub attacks: Vec<(String, serde_json::Map<String, Json>)>,
    /// How many samples each poisons.
    pub budget: Budget,
    /// How poison comes in; `None`: as is usual for the attack.
    pub enter: Option<Entering>,
    /// When and where from it comes.
    pub delivery: Delivery,
    /// Seed of all randomness.
    pub seed: u64,
    /// Where the poisoned data go; the extension decides the format.
    pub out: PathBuf,
    /// Where the manifest goes; `None`: beside the data.
    pub manifest: Option<PathBuf>,
    /// Overwrite existing files.
    pub force: bool,
}

/// What was made.
#[derive(Debug)]
pub struct Simulated {
    /// The record.
    pub manifest: PoisonManifest,
    /// Where it is.
    pub manifest_path: PathBuf,
    /// Names of the columns, what each was taken for, and why.
    pub assigned: Vec<(String, crate::roles::Assigned)>,
    /// What was chosen or is worth knowing.
    pub notes: Vec<String>,
    /// True if untouched rows were copied byte for byte.
    pub exact: bool,
}

/// Makes a poisoned copy of the data, and the manifest.
///
/// # Errors
/// If the inputs cannot be read, the attack does not fit them, or the outputs cannot be written.
pub fn simulate(options: &SimulateOptions, tick: Tick<'_>) -> Result<Simulated> {
    let manifest_path = options.manifest.clone().unwrap_or_else(|| beside(&options.out));
    let outputs = [options.out.as_path(), manifest_path.as_path()];
    outputs::check_free(&outputs, options.force)?;
    let chosen = choose(options)?;
    let budget = crate::memory::available() / 2;
    let mut dataset = Dataset::open(&options.inputs, &options.open, &options.roles, budget / 4, tick)?;
    outputs::keep_inputs(&dataset, &outputs)?;
    dataset.refuse_conversations("simulate")?;
    let leaks = crate::leaks::find(&dataset)?;
    let mut notes = crate::leaks::set_aside(&mut dataset, &leaks);
    let ctx = Ctx::new(options.seed, dataset.profile());
    prepare(&mut dataset, &chosen, budget, &ctx, &mut notes)?;
    let made = poison(&dataset, &chosen, &options.delivery, &ctx)?;
    let names = || dataset.schema.fields().iter().map(|f| f.name().clone());
    let clean = write::state(&input_files(&dataset), dataset.rows)?;
    let mut manifest = PoisonManifest {
        schema: MANIFEST_SCHEMA.into(),
        poisoned: true,
        notice: NOTICE.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: options.seed,
        result: clean.clone(),
        clean,
        classes: dataset.classes.clone(),
        roles: names().zip(dataset.roles.iter().copied()).collect(),
        attacks: made.runs.clone(),
        changes: vec![],
    };
    // poisoned data without their manifest must not lie about
    let exact = outputs::place_both(
        &options.out,
        &manifest_path,
        || write::write(&dataset, &made, &options.out),
        |written| {
            manifest.result = write::state(std::slice::from_ref(&options.out), written.rows)?;
            manifest.changes = written.changes;
            let text = manifest.render().map_err(|e| Error::file(&manifest_path, e, ""))?;
            write::text(&manifest_path, &text)?;
            Ok(written.exact)
        },
    )?;
    let unchanged =
        manifest.changes.iter().filter(|c| c.way == Way::Modified && c.columns.is_empty()).count();
    if unchanged > 0 {
        notes.push(format!("{} came out as they were", crate::columns::count(unchanged as u64, "sample")));
    }
    notes.extend(ctx.notes());
    let assigned = names().zip(dataset.assigned.iter().cloned()).collect();
    Ok(Simulated { manifest, manifest_path, assigned, notes, exact })
}

/// `poisoned.parquet` has its manifest in `poisoned.manifest.json`.
#[must_use]
pub fn beside(out: &Path) -> PathBuf {
    out.with_extension("manifest.json")
}

fn choose(options: &SimulateOptions) -> Result<Vec<Chosen>> {
    let mut out = vec![];
    for (id, parameters) in &options.attacks {
        let attack = foretaste_attacks::entry(id)?.attack(parameters)?;
        let enter = options.enter.unwrap_or_else(|| attack.enters());
        out.push(Chosen { attack, parameters: parameters.clone(), budget: options.budget, enter });
    }
    if out.is_empty() {
        return Err(Error::data(
            "no attack is named",
            "name one with --attack; `foretaste list attacks` shows all",
        ));
    }
    Ok(out)
}

/// Makes vectors and probabilities if some attack wants them.
pub fn prepare(
    dataset: &mut Dataset,
    chosen: &[Chosen],
    memory: u64,
    ctx: &Ctx,
    notes: &mut Vec<String>,
) -> Result<()> {
    let asks = |role| chosen.iter().any(|c| c.attack.needs().all.contains(&role));
    let (vectors, probs) = (asks(Role::Embedding), asks(Role::Prob));
    if !vectors && !probs {
        return Ok(());
    }
    let labels = dataset.labels()?;
    let wanted = views::ViewOptions { vectors, probs, folds: 5, memory, neighbour_rows: 300_000, own: None };
    views::attach(dataset, &labels, wanted, ctx, notes)?;
    Ok(())
}

fn input_files(dataset: &Dataset) -> Vec<PathBuf> {
    dataset.source().files().iter().map(|f| f.path.clone()).collect()
}
