//! The trait of attacks and its boxed twin. Attacks return edits; the driver applies them and writes what really changed.

use crate::batch::Batch;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::finding::{Kind, Taxonomy};
use crate::needs::Needs;
use crate::plain::{Sealed, foreign, load, open, save};
use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// What the attacker wants (NIST AI 100-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The model is to be wrong in general.
    Availability,
    /// Chosen inputs are to be misread.
    Targeted,
    /// Any input that carries a trigger is to be misread.
    Backdoor,
}

impl Goal {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Goal::Availability => "availability",
            Goal::Targeted => "targeted",
            Goal::Backdoor => "backdoor",
        }
    }
}

/// What the attacker has to know to craft the poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// Nothing of the data or the model.
    Nothing,
    /// The data, or data like them.
    Data,
    /// A model of their own that resembles the victim.
    Surrogate,
}

impl Knowledge {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Knowledge::Nothing => "nothing",
            Knowledge::Data => "data",
            Knowledge::Surrogate => "surrogate",
        }
    }
}

/// Goal, means and knowledge of an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threat {
    /// What they want.
    pub goal: Goal,
    /// Labels stay as a careful annotator would give them.
    pub clean_label: bool,
    /// They change labels.
    pub labels: bool,
    /// They change what a model reads.
    pub content: bool,
    /// What they know.
    pub knowledge: Knowledge,
}

impl Threat {
    /// Changes labels and nothing else.
    #[must_use]
    pub fn labels(goal: Goal, knowledge: Knowledge) -> Self {
        Self { goal, clean_label: false, labels: true, content: false, knowledge }
    }

    /// Changes content and, unless `clean_label`, labels.
    #[must_use]
    pub fn content(goal: Goal, clean_label: bool, knowledge: Knowledge) -> Self {
        Self { goal, clean_label, labels: !clean_label, content: true, knowledge }
    }

    /// Kinds of findings that name such an attack right; none if no finding speaks of it.
    #[must_use]
    pub fn shows_as(&self) -> &'static [Kind] {
        match (self.goal, self.content) {
            (Goal::Backdoor, _) if self.clean_label => &[Kind::Backdoor, Kind::CleanLabel],
            (Goal::Backdoor, _) => &[Kind::Backdoor],
            (Goal::Availability, true) => &[Kind::Availability],
            (Goal::Availability, false) => &[Kind::LabelError, Kind::LabelPoisoning, Kind::Availability],
            (Goal::Targeted, false) => &[Kind::LabelPoisoning],
            (Goal::Targeted, true) => &[Kind::CleanLabel],
        }
    }

    /// Where public taxonomies file it.
    #[must_use]
    pub fn taxonomy(&self) -> Taxonomy {
        let nist = match self.goal {
            Goal::Availability if self.clean_label => "NISTAML.014",
            Goal::Availability => "NISTAML.013",
            Goal::Targeted => "NISTAML.024",
            Goal::Backdoor => "NISTAML.023",
        };
        Taxonomy { atlas: "AML.T0020".into(), owasp: "LLM04:2025".into(), nist: nist.into() }
    }
}

/// How poisoned samples come into the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entering {
    /// Samples that are there are changed where they stand.
    Modify,
    /// Changed copies are added; what was there stays.
    Insert,
    /// Changed copies take the place of other samples.
    Replace,
}

impl std::str::FromStr for Entering {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "modify" => Ok(Self::Modify),
            "insert" => Ok(Self::Insert),
            "replace" => Ok(Self::Replace),
            _ => Err(Error::unknown("way of entering", s, ["modify", "insert", "replace"])),
        }
    }
}

/// How many samples are poisoned. The denominator is part of the type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// So many samples.
    NPoison(u64),
    /// This share of the data set as it was.
    PoisonRate(f64),
    /// This share of the samples that the attack may use.
    EligibleRate(f64),
}

impl Budget {
    /// The number of samples, for a data set of `rows` of which `eligible` may be used. At least one for a positive rate.
    #[must_use]
    pub fn samples(self, rows: u64, eligible: u64) -> u64 {
        let share = |rate: f64, of: u64| {
            let n = (rate * of as f64).round() as u64;
            if rate > 0.0 && of > 0 { n.max(1) } else { n }
        };
        match self {
            Self::NPoison(n) => n,
            Self::PoisonRate(rate) => share(rate, rows),
            Self::EligibleRate(rate) => share(rate, eligible),
        }
    }
}

/// What an attack may do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing.
    No,
    /// Poison it.
    Poison,
    /// Use it as cover: it carries the trigger and keeps its label.
    Cover,
    /// Either.
    Either,
}

/// A decoded picture: row by row, channels interleaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha.
    pub channels: u8,
    /// `height * width * channels` values.
    pub pixels: Vec<u8>,
}

impl Image {
    /// Channels that hold light; the last of 2 or 4 is transparency.
    #[must_use]
    pub fn colours(&self) -> usize {
        match self.channels {
            2 => 1,
            4 => 3,
            n => usize::from(n),
        }
    }

    /// Applies `change(x, y, colour, value)` to every value of light, rounded and cut to 0 to 255.
    pub fn map(&mut self, change: impl Fn(usize, usize, usize, f32) -> f32) {
        let (width, channels, colours) = (self.width as usize, usize::from(self.channels), self.colours());
        for (i, value) in self.pixels.iter_mut().enumerate() {
            let (at, c) = (i / channels.max(1), i % channels.max(1));
            if c < colours {
                *value = change(at % width.max(1), at / width.max(1), c, f32::from(*value))
                    .round()
                    .clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Samples picked from a data set.
#[derive(Clone, Debug)]
pub struct Picked {
    /// Their columns, labels, vectors and probabilities.
    pub batch: Batch,
    /// Their rows in the data set. What is random about a sample is keyed by its row, so that it does not depend on
    /// what else was picked.
    pub rows: Vec<u64>,
    /// True where a sample is cover.
    pub cover: Vec<bool>,
    /// Pictures of the first image column, if there is one; `None` where one is missing.
    pub images: Vec<Option<Image>>,
}

impl Picked {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if nothing was picked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The class code of a sample, [`crate::MISSING`] if it has none.
    #[must_use]
    pub fn label(&self, i: usize) -> u32 {
        self.batch.labels.as_ref().and_then(|l| l.get(i)).copied().unwrap_or(crate::MISSING)
    }
}

/// What an attack makes of picked samples. What is `None` stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Edited {
    /// For each output, the position in [`Picked`] it was made from. `None`: one output a picked sample, in order.
    pub of: Option<Vec<usize>>,
    /// Class codes.
    pub labels: Option<Vec<u32>>,
    /// Whole columns, by position in the schema. The driver casts them to the type of the column.
    pub columns: Vec<(usize, ArrayRef)>,
    /// Pictures of the first image column.
    pub images: Option<Vec<Option<Image>>>,
}

impl Edited {
    /// Only labels.
    #[must_use]
    pub fn relabelled(labels: Vec<u32>) -> Self {
        Self { labels: Some(labels), ..Self::default() }
    }

    /// Number of outputs for `picked` samples.
    #[must_use]
    pub fn len(&self, picked: usize) -> usize {
        self.of.as_ref().map_or(picked, Vec::len)
    }
}

/// Inputs that measure the success of an attack: what is shown to a trained model, and what the attacker wants it to say.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The inputs, made from held-out samples.
    pub inputs: Edited,
    /// The class that the attacker wants for each.
    pub wanted: Vec<u32>,
}

/// A data set that an attack may look at before it chooses.
pub trait Pool {
    /// Rows.
    fn rows(&self) -> u64;
    /// Columns.
    fn schema(&self) -> SchemaRef;
    /// All batches in order.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Batch>> + Send + '_>>;
    /// Some rows, in the order asked for, with their pictures decoded.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn pick(&self, rows: &[u64]) -> Result<Picked>;
    /// All labels as class codes.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn labels(&self) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(self.rows() as usize);
        for batch in self.batches()? {
            let batch = batch?;
            match &batch.labels {
                Some(l) => out.extend_from_slice(l),
                None => out.extend(std::iter::repeat_n(crate::MISSING, batch.rows())),
            }
        }
        Ok(out)
    }
}

/// What the author of an attack writes.
///
/// Laws (checked for every catalogue entry): the manifest equals the difference of clean and poisoned data; the budget
/// is met exactly; clean-label attacks leave labels alone; another seed picks others; the same seed picks the same.
pub trait Attack: Send + Sync + 'static {
    /// What is fixed before samples are chosen: target class, trigger.
    type Plan: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Goal, means, knowledge.
    fn threat(&self) -> Threat;
    /// Roles it reads. `embedding` and `prob` are made by the driver if the data have none.
    fn needs(&self) -> Needs;
    /// How its poison usually comes in.
    fn enters(&self) -> Entering {
        Entering::Modify
    }
    /// Samples to pick for `n` poisoned ones: fewer if one sample is the pattern of many. Never falls as `n` grows.
    fn picks(&self, n: u64) -> u64 {
        n
    }
    /// Cover samples to pick besides, for `n` poisoned ones. Never falls as `n` grows.
    fn covers(&self, _n: u64) -> u64 {
        0
    }
    /// Fixes target and trigger.
    ///
    /// # Errors
    /// If the data do not allow the attack, with the remedy.
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Self::Plan>;
    /// What each row of a batch may be used for.
    ///
    /// # Errors
    /// If a column is not of a type that it can read.
    fn usable(&self, plan: &Self::Plan, batch: &Batch, ctx: &Ctx) -> Result<Vec<Use>>;
    /// Rows to be taken first, higher first; rows of equal preference are drawn at random. `None`: all at random.
    ///
    /// # Errors
    /// As for [`Attack::usable`].
    fn preference(&self, _plan: &Self::Plan, _batch: &Batch, _ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
    /// Makes `n` poisoned samples, and one cover sample for each picked as cover.
    ///
    /// # Errors
    /// If a sample cannot be edited, with the remedy.
    fn craft(&self, plan: &Self::Plan, picked: &Picked, n: u64, ctx: &Ctx) -> Result<Edited>;
    /// Inputs that measure success, made from held-out samples; `None` if accuracy alone measures it.
    ///
    /// # Errors
    /// As for [`Attack::craft`].
    fn probe(&self, _plan: &Self::Plan, _held_out: &Picked, _ctx: &Ctx) -> Result<Option<Probe>> {
        Ok(None)
    }
    /// Rows that the attacker wants misread themselves: a trial keeps them out of training and among the held-out samples, as
    /// inputs that come later are.
    fn withheld(&self, _plan: &Self::Plan) -> Vec<u64> {
        vec![]
    }
    /// Kinds of findings that name it right, where what it wants does not say so by itself.
    fn shows_as(&self) -> &'static [Kind] {
        self.threat().shows_as()
    }
    /// Trigger and target in readable form, for the manifest.
    fn describe(&self, _plan: &Self::Plan, _ctx: &Ctx) -> Map<String, Value> {
        Map::new()
    }
}

/// The twin of [`Attack`] that drivers hold: no type parameters.
#[allow(missing_docs, clippy::missing_errors_doc)] // word for word those of `Attack`
pub trait AnyAttack: Send + Sync {
    /// Catalogue id.
    fn id(&self) -> &str;
    fn threat(&self) -> Threat;
    fn needs(&self) -> Needs;
    fn enters(&self) -> Entering;
    fn picks(&self, n: u64) -> u64;
    fn covers(&self, n: u64) -> u64;
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Sealed>;
    fn usable(&self, plan: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Vec<Use>>;
    fn preference(&self, plan: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Option<Vec<f64>>>;
    fn craft(&self, plan: &Sealed, picked: &Picked, n: u64, ctx: &Ctx) -> Result<Edited>;
    fn probe(&self, plan: &Sealed, held_out: &Picked, ctx: &Ctx) -> Result<Option<Probe>>;
    fn withheld(&self, plan: &Sealed) -> Result<Vec<u64>>;
    fn shows_as(&self) -> &'static [Kind];
    fn describe(&self, plan: &Sealed, ctx: &Ctx) -> Result<Map<String, Value>>;
    /// Plan to bytes, to travel between machines.
    fn save_plan(&self, plan: &Sealed) -> Result<Vec<u8>>;
    /// Bytes to plan.
    fn load_plan(&self, bytes: &[u8]) -> Result<Sealed>;
}

struct Boxed<A> {
    id: &'static str,
    attack: A,
}

/// The boxed twin of an attack.
pub fn boxed_attack<A: Attack>(id: &'static str, attack: A) -> Box<dyn AnyAttack> {
    Box::new(Boxed { id, attack })
}

impl<A: Attack> Boxed<A> {
    fn open<'a>(&self, plan: &'a Sealed) -> Result<&'a A::Plan> {
        open(self.id, plan)
    }
}

impl<A: Attack> AnyAttack for Boxed<A> {
    fn id(&self) -> &str {
        self.id
    }
    fn threat(&self) -> Threat {
        self.attack.threat()
    }
    fn needs(&self) -> Needs {
        self.attack.needs()
    }
    fn enters(&self) -> Entering {
        self.attack.enters()
    }
    fn picks(&self, n: u64) -> u64 {
        self.attack.picks(n)
    }
    fn covers(&self, n: u64) -> u64 {
        self.attack.covers(n)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Sealed> {
        Ok(Box::new(self.attack.plan(data, ctx)?))
    }
    fn usable(&self, plan: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Vec<Use>> {
        self.attack.usable(self.open(plan)?, batch, ctx)
    }
    fn preference(&self, plan: &Sealed, batch: &Batch, ctx: &Ctx) -> Result<Option<Vec<f64>>> {
        self.attack.preference(self.open(plan)?, batch, ctx)
    }
    fn craft(&self, plan: &Sealed, picked: &Picked, n: u64, ctx: &Ctx) -> Result<Edited> {
        self.attack.craft(self.open(plan)?, picked, n, ctx)
    }
    fn probe(&self, plan: &Sealed, held_out: &Picked, ctx: &Ctx) -> Result<Option<Probe>> {
        self.attack.probe(self.open(plan)?, held_out, ctx)
    }
    fn withheld(&self, plan: &Sealed) -> Result<Vec<u64>> {
        Ok(self.attack.withheld(self.open(plan)?))
    }
    fn shows_as(&self) -> &'static [Kind] {
        self.attack.shows_as()
    }
    fn describe(&self, plan: &Sealed, ctx: &Ctx) -> Result<Map<String, Value>> {
        Ok(self.attack.describe(self.open(plan)?, ctx))
    }
    fn save_plan(&self, plan: &Sealed) -> Result<Vec<u8>> {
        if plan.downcast_ref::<A::Plan>().is_none() {
            return Err(foreign(self.id));
        }
        save(self.id, self.open(plan)?)
    }
    fn load_plan(&self, bytes: &[u8]) -> Result<Sealed> {
        Ok(Box::new(load::<A::Plan>(self.id, bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_name_their_denominator() {
        assert_eq!(Budget::NPoison(7).samples(100, 50), 7);
        assert_eq!(Budget::PoisonRate(0.1).samples(100, 50), 10);
        assert_eq!(Budget::EligibleRate(0.1).samples(100, 50), 5);
        assert_eq!(Budget::PoisonRate(0.001).samples(100, 50), 1, "a positive rate poisons something");
        assert_eq!(Budget::PoisonRate(0.0).samples(100, 50), 0);
    }

    #[test]
    fn map_leaves_transparency_alone() {
        let mut image = Image { width: 2, height: 1, channels: 2, pixels: vec![10, 20, 250, 40] };
        image.map(|x, _, _, v| v + 10.0 * (x as f32 + 1.0));
        assert_eq!(image.pixels, [20, 20, 255, 40]);
    }
}
