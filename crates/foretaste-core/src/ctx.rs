//! The only door out of an algorithm.

use foretaste_num::rng::Rng;
use std::sync::Mutex;

/// What the first pass learned about the whole data set.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Number of rows.
    pub rows: u64,
    /// Names of the classes; a label code is a position in here.
    pub classes: Vec<String>,
    /// Rows of each class.
    pub class_counts: Vec<u64>,
}

/// Keyed randomness, what is known of the data, and a place for notes. No files, no clock, no threads.
#[derive(Debug, Default)]
pub struct Ctx {
    seed: u64,
    profile: Profile,
    notes: Mutex<Vec<String>>,
}

impl Ctx {
    /// A context for one run.
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self { seed, profile, notes: Mutex::default() }
    }

    /// The seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What the first pass learned.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The random stream named `key`: the same for the same seed, whatever was drawn elsewhere.
    #[must_use]
    pub fn rng(&self, key: &str) -> Rng {
        Rng::new(self.seed, key)
    }

    /// Tells the user something about this run. The same text is kept once.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// The notes so far, sorted, so that threads do not change their order.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        notes.sort();
        notes
    }
}
