//! One attack at one rate with one seed: poison, defend, train, ask.

use super::defend::{Attacked, Defended, defend, judges};
use super::external;
use super::scenario::{AttackSpec, Scenario};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::memory;
use crate::simulate::{self, Chosen, Delivery, Placement, Poison, poison, prepare, take_rows};
use arrow_array::BooleanArray;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use foretaste_core::{AnyVictim, Budget, Ctx, Kind, MISSING, Matrix, Role, Row, Sealed};
use foretaste_num::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One attack at one rate with one seed; without an attack, clean training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Seed.
    pub seed: u64,
    /// Position of the attack in the scenario.
    pub attack: Option<usize>,
    /// Share of the training data.
    pub rate: f64,
}

/// Version of what a unit keeps: results of another are measured again.
const RESULTS: u32 = 2;

impl Unit {
    /// What is being done, for a progress display.
    #[must_use]
    pub fn words(&self, scenario: &Scenario) -> String {
        match self.attack.and_then(|k| scenario.attacks.get(k)) {
            Some(a) => format!("seed {}: {} at {} %", self.seed, a.shown(), 100.0 * self.rate),
            None => format!("seed {}: clean training", self.seed),
        }
    }

    /// Name of its file.
    fn key(&self, scenario: &Scenario) -> String {
        let attack = self.attack.and_then(|k| scenario.attacks.get(k));
        let what = serde_json::json!({
            "data": scenario.data, "victims": scenario.victims, "defences": scenario.defences,
            "command": scenario.train_command, "attack": attack, "rate": self.rate, "seed": self.seed,
            "filters": scenario.defence_commands, "version": RESULTS,
        });
        let hash = blake3::hash(what.to_string().as_bytes()).to_hex();
        format!(
            "{}-{}-{}",
            attack.map_or("clean", AttackSpec::shown).replace(|c: char| !c.is_alphanumeric(), "-"),
            self.seed,
            &hash[..12]
        )
    }
}

/// `n` rows of `rows`, drawn by a keyed number of the row, in their order.
pub fn drawn(rows: u64, n: u64, key: &str, seed: u64) -> Vec<u64> {
    let mut keyed: Vec<(u64, u64)> = (0..rows).map(|row| (Rng::at(seed, key, row).next_u64(), row)).collect();
    keyed.sort_unstable();
    let mut out: Vec<u64> = keyed.into_iter().take(n as usize).map(|k| k.1).collect();
    out.sort_unstable();
    out
}

/// Training and held-out part of one seed.
struct Split {
    train: Dataset,
    test: Dataset,
    ctx: Ctx,
}

/// A model of the clean data: seed, victim, rows withheld.
type Trained = (u64, usize, Vec<u64>);

/// Everything that units share.
pub struct Bench<'a> {
    scenario: &'a Scenario,
    data: &'a Dataset,
    /// What is measured on, if it is not held out of the data.
    test: Option<Dataset>,
    out: Option<PathBuf>,
    splits: Mutex<BTreeMap<u64, Arc<Split>>>,
    clean: Mutex<BTreeMap<Trained, Arc<Sealed>>>,
    notes: Mutex<BTreeSet<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was measured of one trained model.
struct Asked {
    accuracy: f64,
    success: Option<f64>,
    seconds: f64,
    /// Most bytes that the process held.
    peak: Option<u64>,
}

impl<'a> Bench<'a> {
    /// For the units of one scenario.
    pub fn new(
        scenario: &'a Scenario,
        data: &'a Dataset,
        test: Option<Dataset>,
        out: Option<PathBuf>,
    ) -> Self {
        Self {
            scenario,
            data,
            test,
            out,
            splits: Mutex::default(),
            clean: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// What was chosen or is worth knowing.
    pub fn notes(&self) -> Vec<String> {
        locked(&self.notes).iter().cloned().collect()
    }

    /// Runs a unit, or reads what it measured when it ran before.
    pub fn run(&self, unit: &Unit) -> Result<Vec<Row>> {
        let path =
            self.out.as_ref().map(|o| o.join("units").join(format!("{}.json", unit.key(self.scenario))));
        if let Some(path) = &path
            && let Ok(text) = std::fs::read_to_string(path)
            && let Ok(rows) = serde_json::from_str(&text)
        {
            return Ok(rows);
        }
        let rows = self.measure(unit)?;
        if let Some(path) = &path {
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::file(folder, e, "choose a folder that can be written"))?;
            let text = serde_json::to_string_pretty(&rows).map_err(|e| Error::file(path, e, ""))?;
            simulate::write_text(path, &text)?;
        }
        Ok(rows)
    }

    fn split(&self, seed: u64) -> Result<Arc<Split>> {
        if let Some(known) = locked(&self.splits).get(&seed) {
            return Ok(Arc::clone(known));
        }
        let rows = self.data.rows;
        let part = |rows: &[u64]| -> Result<Dataset> { self.data.of_rows(&take_rows(self.data, rows)?) };
        let (train, test) = if let Some(test) = &self.test {
            (part(&(0..rows).collect::<Vec<_>>())?, test.again())
        } else {
            let share = self.scenario.data.test_share;
            let held = drawn(rows, (rows as f64 * share).round() as u64, "trial/split", seed);
            let is_held: BTreeSet<u64> = held.iter().copied().collect();
            let kept: Vec<u64> = (0..rows).filter(|r| !is_held.contains(r)).collect();
            (part(&kept)?, part(&held)?)
        };
        let ctx = Ctx::new(seed, train.profile());
        let split = Arc::new(Split { train, test, ctx });
        locked(&self.splits).insert(seed, Arc::clone(&split));
        Ok(split)
    }

    fn measure(&self, unit: &Unit) -> Result<Vec<Row>> {
        let split = self.split(unit.seed)?;
        let Some(spec) = unit.attack.and_then(|k| self.scenario.attacks.get(k)) else {
            return self.clean_rows(unit, &split);
        };
        let attack = foretaste_attacks::entry(&spec.id)?.attack(&spec.set)?;
        let enter = spec.enter.unwrap_or_else(|| attack.enters());
        let budget = Budget::PoisonRate(unit.rate);
        let chosen = [Chosen { attack, parameters: spec.set.clone(), budget, enter }];
        let mut train = split.train.again();
        prepare(&mut train, &chosen, memory::available() / 2, &split.ctx, &mut vec![])?;
        let made = poison(&train, &chosen, &Delivery::default(), &split.ctx)?;
        locked(&self.notes).extend(split.ctx.notes());
        let withheld = chosen[0].attack.withheld(&made.plans[0])?;
        let (poisoned, bad) = poisoned(&train, &made, &withheld)?;
        let probe = probes(&split, &chosen[0], &made, &withheld)?;
        let rest: Vec<u64> = (0..split.train.rows).filter(|row| !withheld.contains(row)).collect();
        let clean = split.train.of_rows(&take_rows(&split.train, &rest)?)?;
        let shows_as = chosen[0].attack.shows_as();
        let (withheld, probe) = (&withheld[..], probe.as_ref());
        let case = Case { unit, spec, split: &split, poisoned: &poisoned, bad: &bad, withheld, probe };
        self.defended(&case, &clean, shows_as, &self.scenario.defences.iter().collect::<Vec<_>>())
    }

    /// Clean training, and what the defences that judge for themselves make of clean data.
    fn clean_rows(&self, unit: &Unit, split: &Split) -> Result<Vec<Row>> {
        let bad = BTreeSet::new();
        let spec = AttackSpec {
            id: String::new(),
            name: None,
            set: Default::default(),
            poison_rates: vec![],
            enter: None,
        };
        let case =
            Case { unit, spec: &spec, split, poisoned: &split.train, bad: &bad, withheld: &[], probe: None };
        let none = "none".to_owned();
        let judging = self.scenario.defences.iter().filter(|d| judges(d));
        let defences: Vec<&String> = std::iter::once(&none).chain(judging).collect();
        let mut rows = self.defended(&case, &split.train, &[], &defences)?;
        rows.iter_mut().for_each(|row| row.attack = None);
        Ok(rows)
    }

    /// Defends, trains every victim and asks it, for each defence.
    fn defended(
        &self,
        case: &Case<'_>,
        clean: &Dataset,
        shows_as: &'static [Kind],
        defences: &[&String],
    ) -> Result<Vec<Row>> {
        let mut rows = vec![];
        let mut baselines = vec![];
        for victim in 0..self.victims() {
            baselines.push(self.ask(victim, case, clean, "clean")?);
        }
        for defence in defences {
            let folder = self.folder(case.unit, &format!("defence-{defence}"));
            let (train, poison, seed) = (case.poisoned, case.bad, case.unit.seed);
            let on = Attacked { train, poison, shows_as, seed, folder: folder.as_deref() };
            let done = defend(defence, self.scenario, &on)?;
            let kept: Vec<u64> = (0..train.rows).filter(|r| !done.removed.contains(r)).collect();
            let filtered = train.of_rows(&take_rows(train, &kept)?)?;
            // of clean data from which nothing was taken the model is trained already
            let as_clean = done.removed.is_empty() && case.unit.attack.is_none();
            for (victim, base) in baselines.iter().enumerate() {
                let asked = if as_clean { None } else { Some(self.ask(victim, case, &filtered, defence)?) };
                let asked = asked.as_ref().unwrap_or(base);
                rows.push(case.row(self.name(victim), defence, &done, base, asked));
            }
        }
        Ok(rows)
    }

    /// Where the files of a command are kept.
    fn folder(&self, unit: &Unit, what: &str) -> Option<PathBuf> {
        self.out.as_ref().map(|o| o.join("runs").join(format!("{}-{what}", unit.key(self.scenario))))
    }

    fn victims(&self) -> usize {
        self.scenario.victims.len() + usize::from(self.scenario.train_command.is_some())
    }

    fn name(&self, victim: usize) -> &str {
        self.scenario.victims.get(victim).map_or("command", |v| v.id.as_str())
    }

    /// Trains a victim and asks it about held-out samples and probes.
    fn ask(&self, victim: usize, case: &Case<'_>, train: &Dataset, defence: &str) -> Result<Asked> {
        let started = Instant::now();
        memory::reset_peak();
        let probe = case.probe.map(|p| &p.inputs);
        let numeric = train.has(Role::Target);
        let mut numbers = vec![];
        let (test, probed) = match (self.scenario.victims.get(victim), &self.scenario.train_command) {
            (Some(spec), _) => {
                let model = foretaste_victims::entry(&spec.id)?.victim(&spec.set)?;
                if let Some(reason) = model.needs().unmet(|r| train.has(r)) {
                    return Err(foretaste_core::Error::Unfit { entry: spec.id.clone(), reason }.into());
                }
                let trained = self.trained(victim, model.as_ref(), case, train, defence)?;
                let test = answers(model.as_ref(), &trained, &case.split.test, &case.split.ctx)?;
                if numeric {
                    numbers = test.values().to_vec();
                }
                let probed =
                    probe.map(|p| answers(model.as_ref(), &trained, p, &case.split.ctx)).transpose()?;
                (test.tops(), probed.map(|p| p.tops()))
            }
            (None, Some(command)) => {
                let folder = self.folder(case.unit, defence);
                match external::run(command, train, &case.split.test, probe, folder.as_deref())? {
                    external::Answers::Classes(test, probed) => (test, probed),
                    external::Answers::Numbers(said) => {
                        numbers = said;
                        (vec![], None)
                    }
                }
            }
            (None, None) => return Err(Error::data("no victim is named", "name one with --victim")),
        };
        let truth = case.split.test.labels()?;
        let known: Vec<(u32, u32)> = truth.into_iter().zip(test).filter(|(t, _)| *t != MISSING).collect();
        let share = |hits: usize, of: usize| if of == 0 { 0.0 } else { hits as f64 / of as f64 };
        let success = case.probe.zip(probed).map(|(p, answers)| {
            share(p.wanted.iter().zip(&answers).filter(|(w, a)| w == a).count(), p.wanted.len())
        });
        let right = || share(known.iter().filter(|(t, a)| t == a).count(), known.len());
        Ok(Asked {
            accuracy: if numeric { r2(&case.split.test, &numbers)? } else { right() },
            success,
            seconds: started.elapsed().as_secs_f64(),
            peak: memory::peak(),
        })
    }

    /// The trained model; that of the clean data is kept, since every attack is compared with it.
    fn trained(
        &self,
        victim: usize,
        model: &dyn AnyVictim,
        case: &Case<'_>,
        train: &Dataset,
        defence: &str,
    ) -> Result<Arc<Sealed>> {
        let key = (case.unit.seed, victim, case.withheld.to_vec());
        let is_clean = defence == "clean";
        if is_clean && let Some(known) = locked(&self.clean).get(&key) {
            return Ok(Arc::clone(known));
        }
        let all: Vec<u64> = (0..train.rows).collect();
        let trained = Arc::new(model.train(&simulate::pick(train, &all)?, &case.split.ctx)?);
        if is_clean {
            locked(&self.clean).insert(key, Arc::clone(&trained));
        }
        Ok(trained)
    }
}

fn answers(victim: &dyn AnyVictim, model: &Sealed, inputs: &Dataset, ctx: &Ctx) -> Result<Matrix> {
    let all: Vec<u64> = (0..inputs.rows).collect();
    Ok(victim.predict(model, &simulate::pick(inputs, &all)?, ctx)?)
}

/// One minus the squared error in variances of the target; rows without a target do not count.
fn r2(test: &Dataset, said: &[f32]) -> Result<f64> {
    let mut truth = vec![];
    for batch in test.batches()? {
        truth.extend(batch?.targets().unwrap_or_default());
    }
    let known: Vec<(f64, f64)> =
        truth.into_iter().zip(said).filter(|(t, _)| t.is_finite()).map(|(t, s)| (t, f64::from(*s))).collect();
    let mean = known.iter().map(|k| k.0).sum::<f64>() / known.len().max(1) as f64;
    let variance: f64 = known.iter().map(|(t, _)| (t - mean).powi(2)).sum();
    let error: f64 = known.iter().map(|(t, s)| (t - s).powi(2)).sum();
    Ok(if variance > 0.0 { 1.0 - error / variance } else { 0.0 })
}

/// The poisoned training data without the rows withheld, and which of their rows are poison (without cover).
fn poisoned(train: &Dataset, made: &Poison, withheld: &[u64]) -> Result<(Dataset, BTreeSet<u64>)> {
    let (mut batches, mut bad, mut rows, mut own) = (vec![], BTreeSet::new(), 0u64, 0u64);
    for batch in made.batches(train)? {
        let (records, crafted) = batch?;
        let mut keep = Vec::with_capacity(records.num_rows());
        for at in 0..records.num_rows() {
            let craft = crafted.get(&at).map(|k| &made.crafts[*k]);
            let kept = craft.is_some() || !withheld.contains(&own);
            if craft.is_some_and(|c| !c.cover) {
                bad.insert(rows);
            }
            rows += u64::from(kept);
            // added rows are no rows of the clean data
            own += u64::from(!craft.is_some_and(|c| matches!(c.place, Placement::Before(_))));
            keep.push(kept);
        }
        batches.push(filter_record_batch(&records, &BooleanArray::from(keep))?);
    }
    let joined = concat_batches(&train.schema, &batches)?;
    Ok((train.of_rows(&joined)?, bad))
}

/// Probes as a data set, and what the attacker wants of each.
struct Probes {
    inputs: Dataset,
    wanted: Vec<u32>,
}

fn probes(split: &Split, chosen: &Chosen, made: &Poison, withheld: &[u64]) -> Result<Option<Probes>> {
    let all: Vec<u64> = (0..split.test.rows).collect();
    let (held, more) = (take_rows(&split.test, &all)?, take_rows(&split.train, withheld)?);
    let test = split.test.of_rows(&concat_batches(&split.test.schema, &[held, more])?)?;
    let held_out = simulate::pick(&test, &(0..test.rows).collect::<Vec<_>>())?;
    let Some(probe) = chosen.attack.probe(&made.plans[0], &held_out, &split.ctx)? else { return Ok(None) };
    let (records, _) = simulate::edited_rows(&test, &held_out, &probe.inputs)?;
    Ok(Some(Probes { inputs: test.of_rows(&records)?, wanted: probe.wanted }))
}

/// What one unit measures again and again.
struct Case<'a> {
    unit: &'a Unit,
    spec: &'a AttackSpec,
    split: &'a Split,
    poisoned: &'a Dataset,
    bad: &'a BTreeSet<u64>,
    /// Rows of the training part that nobody trains on.
    withheld: &'a [u64],
    probe: Option<&'a Probes>,
}

impl Case<'_> {
    fn row(&self, victim: &str, defence: &str, done: &Defended, base: &Asked, asked: &Asked) -> Row {
        let removed = &done.removed;
        let hits = removed.intersection(self.bad).count() as u64;
        let share = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let n_poison = self.bad.len() as u64;
        Row {
            seed: self.unit.seed,
            victim: victim.to_owned(),
            attack: Some(self.spec.shown().to_owned()),
            poison_rate: self.unit.rate,
            n_poison,
            n_train: self.poisoned.rows,
            defence: defence.to_owned(),
            removed: removed.len() as u64,
            removed_poison: hits,
            true_positive_rate: share(hits, n_poison),
            false_positive_rate: share(removed.len() as u64 - hits, self.poisoned.rows - n_poison),
            accuracy: asked.accuracy,
            clean_accuracy: base.accuracy,
            attack_success_rate: asked.success,
            baseline_success_rate: base.success,
            n_probes: self.probe.map_or(0, |p| p.wanted.len() as u64),
            detection: done.detection.clone(),
            seconds: asked.seconds,
            defence_seconds: done.seconds,
            megabytes: done.peak.max(asked.peak).map(|bytes| (bytes as f64 / 1e6).round()),
        }
    }
}
