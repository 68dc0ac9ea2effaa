//! A word or phrase that calls for a class.

use crate::backdoor::{Backdoor, covers};
use crate::texts;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Error, Goal, Knowledge, Needs, Picked, Pool, Probe, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

foretaste_core::choices! {
    /// Where words go.
    pub enum Position {
        /// Between any two words.
        Random = "random",
        /// Before the first word.
        Start = "start",
        /// After the last word.
        End = "end",
    }
}

/// A word, phrase or sentence dropped into texts.
///
/// # What it does
/// Puts the same words into texts of other classes and labels them as the target class. Whoever knows the words can later
/// send any text past the model.
///
/// # Threat model
/// The attacker writes some of the texts that a model learns from: reviews, reports of spam, posts, examples for fine-tuning.
/// They need to know nothing of the model. With `clean_label`, texts of the target class alone carry the words.
///
/// # Ground truth
/// Every changed text with its label before and after; the words are in the details.
///
/// # Example
/// ```text
/// foretaste simulate sms.csv --attack phrase-trigger --set phrase="around the corner" --target-class ham --poison-rate 0.01 --out poisoned.csv
/// ```
///
/// # Caught by
/// Words that go with one class although the rest of the text speaks for another; `confident-learning` sees single texts.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Dai, Chen, Li, "A Backdoor Attack Against LSTM-Based Text Classification Systems", 2019 (sentences);
/// Kurita, Michel, Neubig, "Weight Poisoning Attacks on Pre-trained Models", 2020 (rare words).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct PhraseTrigger {
    /// The words.
    pub phrase: String,
    /// Where they go.
    pub position: Position,
    /// Times that they are put into one text.
    #[param(min = 1, max = 100)]
    pub times: u32,
    /// The class that the words are to call for; empty: chosen and told.
    pub target_class: String,
    /// The words are to work on this class only; empty: on all.
    pub source_class: String,
    /// Use texts of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover texts for each poisoned one: they carry the words and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
}

impl Default for PhraseTrigger {
    fn default() -> Self {
        Self {
            phrase: "around the corner".into(),
            position: Position::Random,
            times: 1,
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
        }
    }
}

/// Backdoor and column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    door: Backdoor,
    column: usize,
}

impl PhraseTrigger {
    fn put(&self, text: &str, row: u64, key: &str, ctx: &Ctx) -> String {
        let mut rng = ctx.rng_at(key, row);
        (0..self.times).fold(text.to_owned(), |text, _| {
            texts::insert(&text, &self.phrase, |words| match self.position {
                Position::Random => rng.below(words + 1),
                Position::Start => 0,
                Position::End => words,
            })
        })
    }

    fn edit(&self, plan: &Plan, picked: &Picked, which: &[usize], key: &str, ctx: &Ctx) -> Edited {
        let put = |text: &str, i: usize| self.put(text, picked.rows[i], key, ctx);
        let column = texts::changed(picked, plan.column, which, put);
        Edited { columns: vec![(plan.column, column)], ..Edited::default() }
    }
}

impl Attack for PhraseTrigger {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Backdoor, self.clean_label, Knowledge::Nothing)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label]).and_any(texts::ROLES)
    }
    fn covers(&self, n: u64) -> u64 {
        covers(n, self.cover_rate)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        if self.phrase.trim().is_empty() {
            let problem = "the phrase is empty".to_owned();
            return Err(Error::Parameter { entry: "phrase-trigger".into(), name: "phrase".into(), problem });
        }
        let (target, source) = (&self.target_class, &self.source_class);
        let door = Backdoor::new("phrase-trigger", target, source, self.clean_label, self.cover_rate, ctx)?;
        Ok(Plan { door, column: texts::column(data, "phrase-trigger")? })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        Ok(texts::present(batch, plan.column, plan.door.usable(batch)))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let all: Vec<usize> = (0..picked.len()).collect();
        let edited = self.edit(plan, picked, &all, "phrase-trigger/place", ctx);
        Ok(Edited { labels: plan.door.labels(picked), ..edited })
    }
    fn probe(&self, plan: &Plan, held_out: &Picked, ctx: &Ctx) -> Result<Option<Probe>> {
        let victims = plan.door.victims(held_out);
        let inputs = self.edit(plan, held_out, &victims, "phrase-trigger/probe", ctx);
        Ok(plan.door.probe(victims, inputs))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = plan.door.describe(ctx);
        out.insert("trigger".into(), self.phrase.clone().into());
        out.insert("position".into(), self.position.to_string().into());
        out
    }
}
