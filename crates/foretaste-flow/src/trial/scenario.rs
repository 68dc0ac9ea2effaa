//! What a trial is to do, as text: a file of `scenarios/`, or the arguments of the command line.

use crate::error::{Error, Result};
use crate::roles::GivenRoles;
use foretaste_core::{Entering, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// A trial: data, victims, attacks with budgets, defences, seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// A few words.
    pub name: String,
    /// Who is attacked, and what is at stake.
    pub about: String,
    /// The data.
    pub data: DataSpec,
    /// Models that are trained.
    pub victims: Vec<VictimSpec>,
    /// Attacks that are rehearsed.
    pub attacks: Vec<AttackSpec>,
    /// `none`, `perfect` (takes out the poison and nothing else), `random` (takes out as many at random), `scan` (what
    /// `clean` would take out), a detector by id, or a command of yours by its name.
    pub defences: Vec<String>,
    /// One run each.
    pub seeds: Vec<u64>,
    /// The user's own training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_command: Option<TrainCommand>,
    /// The user's own filters; they run where `defences` names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defence_commands: Vec<DefenceCommand>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            data: DataSpec::default(),
            victims: vec![],
            attacks: vec![],
            defences: vec!["none".into(), "scan".into(), "perfect".into(), "random".into()],
            seeds: vec![1, 2, 3],
            train_command: None,
            defence_commands: vec![],
        }
    }
}

/// The data of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataSpec {
    /// Files; a name that is not there is looked for in the data folder (`FORETASTE_DATA`).
    pub inputs: Vec<String>,
    /// The label column; inferred if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Roles of other columns; the rest is inferred.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
    /// Most rows; more are drawn at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// Share that is held out.
    pub test_share: f64,
    /// Files to measure on; then nothing is held out of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            inputs: vec![],
            label: None,
            roles: BTreeMap::new(),
            max_rows: None,
            test_share: 0.3,
            test: vec![],
        }
    }
}

/// A built-in model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VictimSpec {
    /// Catalogue id.
    pub id: String,
    /// Parameters that differ from the defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
}

/// An attack and its budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttackSpec {
    /// Catalogue id.
    pub id: String,
    /// What it is called in tables; the id if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parameters that differ from the defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// Shares of the training data.
    #[serde(default = "one_percent")]
    pub poison_rates: Vec<f64>,
    /// How poison comes in; as is usual for the attack if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter: Option<Entering>,
}

fn one_percent() -> Vec<f64> {
    vec![0.01]
}

impl AttackSpec {
    /// What it is called in tables.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// The user's own training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainCommand {
    /// A shell command with `{train}`, `{test}` and `{predictions}`, and `{probe}` if it wants probes in a file of their own.
    pub command: String,
    /// Ending of the files that it gets: `csv`, `jsonl` or `parquet`.
    #[serde(default = "csv")]
    pub format: String,
    /// Seconds that one training may take.
    #[serde(default = "an_hour")]
    pub time_limit: u64,
}

/// A filter of the user's: another tool, a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DefenceCommand {
    /// What it is called in `defences` and in tables.
    pub name: String,
    /// A shell command with `{train}` and `{flagged}`: it writes the rows to be taken out, one a line, counted from 0.
    pub command: String,
    /// Ending of the file that it gets: `csv`, `jsonl` or `parquet`.
    #[serde(default = "csv")]
    pub format: String,
    /// Seconds that one run may take.
    #[serde(default = "an_hour")]
    pub time_limit: u64,
}

fn csv() -> String {
    "csv".into()
}

fn an_hour() -> u64 {
    3600
}

impl DataSpec {
    /// Given roles.
    #[must_use]
    pub fn roles(&self) -> GivenRoles {
        let mut roles = self.roles.clone();
        if let Some(label) = &self.label {
            roles.insert(label.clone(), Role::Label);
        }
        roles
    }
}

impl Scenario {
    /// Reads a scenario. Inputs that are not there are looked for beside it and in the data folder.
    ///
    /// # Errors
    /// If the file cannot be read, names an unknown field, or its data are nowhere.
    pub fn from_file(path: &Path, data_folder: Option<&Path>) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e, "check the path"))?;
        let mut scenario: Self = toml::from_str(&text)
            .map_err(|e| Error::file(path, e.to_string().trim().to_owned(), "see scenarios/ for examples"))?;
        if scenario.name.is_empty() {
            scenario.name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        }
        for input in scenario.data.inputs.iter_mut().chain(&mut scenario.data.test) {
            let beside = path.parent().map(|p| p.join(&*input));
            let in_folder = data_folder.map(|p| p.join(&*input));
            let known = [Some(Path::new(&*input).to_owned()), beside, in_folder]
                .into_iter()
                .flatten()
                .find(|p| p.exists());
            let Some(found) = known else {
                return Err(Error::file(
                    path,
                    format!("its data `{input}` are not there"),
                    "set FORETASTE_DATA to the folder of the data sets",
                ));
            };
            *input = found.display().to_string();
        }
        Ok(scenario)
    }

    /// Checks names and numbers.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self) -> Result<()> {
        if self.victims.is_empty() && self.train_command.is_none() {
            return Err(Error::data("no victim is named", "name one with --victim, or give --train-command"));
        }
        for v in &self.victims {
            foretaste_victims::entry(&v.id)?.victim(&v.set)?;
        }
        for a in &self.attacks {
            foretaste_attacks::entry(&a.id)?.attack(&a.set)?;
            if let Some(rate) = a.poison_rates.iter().find(|r| !(**r > 0.0 && **r <= 1.0)) {
                return Err(Error::data(
                    format!("poison rate `{rate}` of `{}` is no share", a.id),
                    "give numbers above 0 and up to 1",
                ));
            }
        }
        for d in &self.defences {
            let own = self.defence_commands.iter().any(|c| c.name == *d);
            if !own && !["none", "perfect", "random", "scan"].contains(&d.as_str()) {
                foretaste_detectors::entry(d)?;
            }
        }
        if self.seeds.is_empty() || self.defences.is_empty() {
            return Err(Error::data(
                "a trial needs a seed and a defence at least",
                "the defence `none` takes out nothing",
            ));
        }
        if !(self.data.test_share > 0.0 && self.data.test_share < 1.0) {
            return Err(Error::data(
                format!("test share `{}` is no share", self.data.test_share),
                "give a number between 0 and 1",
            ));
        }
        Ok(())
    }

    /// A smaller trial of the same kind: one seed, the first rate of each attack, the first victim, fewer rows.
    #[must_use]
    pub fn quick(mut self, rows: u64) -> Self {
        self.seeds.truncate(1);
        self.victims.truncate(1);
        self.attacks.iter_mut().for_each(|a| a.poison_rates.truncate(1));
        self.data.max_rows = Some(self.data.max_rows.unwrap_or(rows).min(rows));
        self
    }
}
