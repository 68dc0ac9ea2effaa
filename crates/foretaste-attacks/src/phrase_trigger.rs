//! A word or phrase that calls for a class.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::texts;
use foretaste_core::{Batch, Ctx, Edited, Error, Needs, Pool, Result, Use};
use foretaste_macros::Catalogue;
use foretaste_num::rng::Rng;

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

impl Position {
    /// The number of words that stand before, of `words`.
    pub(crate) fn of(self, words: usize, rng: &mut Rng) -> usize {
        match self {
            Position::Random => rng.below(words + 1),
            Position::Start => 0,
            Position::End => words,
        }
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
/// `phrase-association`, word for word from about ten texts on, also under clean labels where the words change a model at all;
/// `confident-learning` took out none of it at 1 % of sms_spam.
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

impl PhraseTrigger {
    fn insert(&self, text: &str, rng: &mut Rng) -> String {
        (0..self.times).fold(text.to_owned(), |text, _| {
            texts::insert(&text, &self.phrase, |words| self.position.of(words, rng))
        })
    }
}

impl Trigger for PhraseTrigger {
    const ID: &'static str = "phrase-trigger";
    type Pattern = usize;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        texts::needs()
    }
    fn pattern(&self, _door: &Backdoor, data: &dyn Pool, _ctx: &Ctx) -> Result<usize> {
        if self.phrase.trim().is_empty() {
            let problem = "the phrase is empty".to_owned();
            return Err(Error::Parameter { entry: Self::ID.into(), name: "phrase".into(), problem });
        }
        texts::column(data, Self::ID)
    }
    fn narrow(&self, column: &usize, batch: &Batch, uses: &mut [Use]) {
        texts::present(batch, *column, uses);
    }
    fn put(&self, column: &usize, carriers: Carriers<'_>, ctx: &Ctx) -> Result<Edited> {
        let key = if carriers.probe { "phrase-trigger/probe" } else { "phrase-trigger/place" };
        Ok(texts::put(carriers, *column, |text, row| self.insert(text, &mut ctx.rng_at(key, row))))
    }
    fn words(&self, _column: &usize) -> String {
        self.phrase.clone()
    }
    fn also(&self) -> Option<(&'static str, String)> {
        Some(("position", self.position.to_string()))
    }
}

backdoor!(PhraseTrigger);
