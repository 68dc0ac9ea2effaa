//! The record of a simulated poisoning.

use foretaste_core::{Budget, Entering, SampleId, Taxonomy, Threat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Format and version of the manifest.
pub const MANIFEST_SCHEMA: &str = "foretaste.manifest/1";

/// What every manifest says about the data beside it.
pub const NOTICE: &str =
    "These data are poisoned on purpose, to test defences. Do not train a model that is used on them.";

/// Ground truth of a poisoned data set: the recipe, and every change by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PoisonManifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema: String,
    /// Always true: the data that this stands beside are poisoned.
    pub poisoned: bool,
    /// [`NOTICE`].
    pub notice: String,
    /// Version of the program.
    pub version: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// The data before.
    pub clean: DataState,
    /// The data after.
    pub result: DataState,
    /// Class names; codes in this file are positions in this list.
    pub classes: Vec<String>,
    /// What each column was taken for, by name, so that the recipe can be repeated to the letter.
    pub roles: BTreeMap<String, foretaste_core::Role>,
    /// The attacks, in the order in which they were applied.
    pub attacks: Vec<AttackRun>,
    /// Every change, in the order of the rows of the poisoned data.
    pub changes: Vec<Change>,
}

/// A data set at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataState {
    /// Files, by name without folder.
    pub files: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// BLAKE3 of the bytes of all files in order, hex.
    pub blake3: String,
}

/// One attack of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttackRun {
    /// Catalogue id.
    pub attack: String,
    /// Parameters that differ from the defaults.
    pub parameters: Map<String, Value>,
    /// What was asked for.
    pub budget: Budget,
    /// How poison came in.
    pub enter: Entering,
    /// Goal, means, knowledge.
    pub threat: Threat,
    /// Codes of public taxonomies.
    pub taxonomy: Taxonomy,
    /// Trigger and target in readable form.
    pub details: Map<String, Value>,
    /// Samples that the attack could have used.
    pub eligible: u64,
    /// Poisoned samples.
    pub n_poison: u64,
    /// Cover samples.
    pub n_cover: u64,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The sample was changed where it stood.
    Modified,
    /// The sample was added.
    Inserted,
    /// The sample took the place of another.
    Replaced,
}

/// One poisoned or cover sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Id in the poisoned data.
    pub id: SampleId,
    /// Row in the poisoned data, from 0.
    pub row: u64,
    /// What happened.
    pub way: Way,
    /// Row of the clean data that it stands in the place of, from 0; none if it was inserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_row: Option<u64>,
    /// Row of the clean data that it was made from.
    pub made_from: u64,
    /// Position of its attack in the list of attacks.
    pub attack: usize,
    /// True if it is cover: it carries the trigger and an honest label.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cover: bool,
    /// Label of the sample that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_before: Option<String>,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_after: Option<String>,
    /// Columns whose value differs from that of the sample that it was made from.
    pub columns: Vec<String>,
}

impl PoisonManifest {
    /// Ids of the poisoned samples, without cover.
    pub fn poison(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| !c.cover)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// In words, if the text is no manifest of this version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if manifest.schema != MANIFEST_SCHEMA {
            return Err(format!(
                "the manifest has the format `{}`, not `{MANIFEST_SCHEMA}`",
                manifest.schema
            ));
        }
        Ok(manifest)
    }

    /// The manifest as text, the same for the same content.
    ///
    /// # Errors
    /// In words; cannot happen for a manifest of finite numbers.
    pub fn render(&self) -> Result<String, String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        text.push('\n');
        Ok(text)
    }
}
