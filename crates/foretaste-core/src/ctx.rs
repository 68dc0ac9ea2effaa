//! The only door out of an algorithm.

use foretaste_num::knn::{Metric, Neighbours, self_neighbours};
use foretaste_num::pictures::{Model, Pictures};
use foretaste_num::rng::{Rng, mix};
use foretaste_num::softmax::FoldOptions;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    neighbours: Mutex<HashMap<(u64, usize), Arc<Neighbours>>>,
    picture_model: Mutex<Option<(u64, Arc<Model>)>>,
}

/// Neighbours are searched for at least so many, so that detectors that ask for fewer share one search.
const LEAST_NEIGHBOURS: usize = 16;

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ctx {
    /// A context for one run.
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self { seed, profile, ..Self::default() }
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

    /// The random stream of row `row` under `key`: the same whatever other rows are looked at.
    #[must_use]
    pub fn rng_at(&self, key: &str, row: u64) -> Rng {
        Rng::at(self.seed, key, row)
    }

    /// The nearest other rows of each row by Euclidean distance, at least `k` of them (see [`Neighbours::k`]).
    /// The search is the dearest step of many detectors, so equal questions are answered once.
    #[must_use]
    pub fn neighbours(&self, values: &[f32], dim: usize, k: usize) -> Arc<Neighbours> {
        let mut hash = mix(values.len() as u64);
        for v in values {
            hash = (hash ^ u64::from(v.to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        let key = (hash, dim);
        if let Some(known) = open(&self.neighbours).get(&key).filter(|n| n.k >= k) {
            return Arc::clone(known);
        }
        let found = Arc::new(self_neighbours(values, dim.max(1), k.max(LEAST_NEIGHBOURS), Metric::Euclidean));
        open(&self.neighbours).insert(key, Arc::clone(&found));
        found
    }

    /// A model of pictures of the classes of the profile; `labels`: one per picture. Detectors that look at the same pictures
    /// share it.
    #[must_use]
    pub fn picture_model(&self, pictures: &Pictures<'_>, labels: &[u32]) -> Arc<Model> {
        let words = pictures.pixels.chunks(8).map(|c| c.iter().fold(0, |w, v| (w << 8) | u64::from(*v)));
        let words = words.chain(labels.iter().map(|l| u64::from(*l)));
        let shape = [pictures.width, pictures.height, pictures.channels].map(|v| v as u64);
        let key = words.chain(shape).fold(0, |h, w| mix(h ^ w));
        if let Some((_, known)) = open(&self.picture_model).as_ref().filter(|(k, _)| *k == key) {
            return Arc::clone(known);
        }
        let options = FoldOptions { seed: self.seed, ..FoldOptions::default() };
        let model = Arc::new(Model::new(pictures, labels, self.profile.classes.len(), &options));
        *open(&self.picture_model) = Some((key, Arc::clone(&model)));
        model
    }

    /// Tells the user something about this run. The same text is kept once.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = open(&self.notes);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// The notes so far, sorted, so that threads do not change their order.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = open(&self.notes).clone();
        notes.sort();
        notes
    }
}
