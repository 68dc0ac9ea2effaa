//! Small mixed tables with known content: one with planted faults, one without, and degenerate ones.
//!
//! They are hard enough that a broken detector shows: classes overlap, no planted fault stands alone in its column.

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::{Batch, MISSING, Matrix, Pixels, Profile, Role};
use foretaste_num::rng::Rng;
use std::sync::Arc;

/// Classes of the fixtures.
pub const CLASSES: usize = 3;
const DIM: usize = 8;
const NUMBERS: usize = 3;
/// Pixels on a side of a picture.
const SIDE: usize = 10;
/// The class that planted triggers call for, and samples that carry each of them.
const TARGET: u32 = 2;
const CARRIERS: usize = 18;
/// Samples around one whose labels are changed to the target.
const REGION: usize = 48;
/// The class whose pictures carry a pattern.
const PATTERNED: u32 = 1;

/// What was done to a row of the planted fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Nothing.
    None,
    /// Its label was changed.
    Flip,
    /// Its label was changed, and it comes from the one bad source.
    BadSource,
    /// It is a copy of another row.
    Copy,
    /// Its text holds characters that nobody sees.
    Hidden,
    /// Its numbers and vector lie far out.
    Outlier,
    /// It carries the same words as others of its kind, under one label.
    Phrase,
    /// It carries the same values as others of its kind, under one label.
    Values,
    /// Its picture carries the same stamp as others of its kind, under one label.
    Stamp,
    /// Every pixel of its picture was moved a little; its label is right.
    Moved,
    /// Its picture carries the same pattern as all others of its class.
    Patterned,
    /// The number to be learned is absurd.
    Target,
    /// It lies near one sample, and the labels of all around that one were changed.
    Region,
    /// Each of its numbers is the least or the greatest of its column.
    Corner,
    /// Its text carries the same words as others of its kind, and it gets the same response.
    Answer,
}

/// The kinds of planted faults.
pub const PLANTS: [Plant; 14] = [
    Plant::Flip,
    Plant::BadSource,
    Plant::Copy,
    Plant::Hidden,
    Plant::Outlier,
    Plant::Phrase,
    Plant::Values,
    Plant::Stamp,
    Plant::Moved,
    Plant::Patterned,
    Plant::Target,
    Plant::Region,
    Plant::Corner,
    Plant::Answer,
];

/// One sample, before it becomes a row of Arrow columns.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its text, which asks for the response.
    pub text: String,
    /// What is answered.
    pub response: String,
    /// Its number columns.
    pub numbers: Vec<f64>,
    /// Its category column.
    pub category: String,
    /// The number to be learned.
    pub target: f64,
    /// Its class code, or [`MISSING`].
    pub label: u32,
    /// Where it came from.
    pub source: String,
    /// When it came.
    pub time: f64,
    /// Its vector.
    pub vector: Vec<f32>,
    /// Its class probabilities.
    pub probs: Vec<f32>,
    /// Its picture: `SIDE * SIDE` grey values.
    pub pixels: Vec<u8>,
    /// What was done to it.
    pub plant: Plant,
}

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// Its samples, in order.
    pub samples: Vec<Sample>,
    /// False: rows come without labels, vectors and probabilities, and with the text column alone.
    pub derived: bool,
}

impl Fixture {
    /// Honest samples: labels are drawn from the very probabilities that stand beside them, sources and times carry no
    /// meaning, no row is a copy, no text holds anything hidden.
    #[must_use]
    pub fn clean(seed: u64, rows: usize) -> Self {
        let mut rng = Rng::new(seed, "contract-fixture");
        let mut samples: Vec<Sample> = (0..rows).map(|row| honest(&mut rng, row)).collect();
        let mut rng = Rng::new(seed, "contract-targets");
        for sample in &mut samples {
            sample.target = 40.0 + 10.0 * (sample.numbers[0] + sample.numbers[1]) + 4.0 * rng.normal();
        }
        Self { samples, derived: true }
    }

    /// 600 samples, of which one in four carries a fault.
    #[must_use]
    pub fn planted(seed: u64) -> Self {
        let mut fixture = Self::clean(seed, 600);
        let mut rng = Rng::new(seed, "contract-plants");
        let mut order: Vec<usize> = (0..600).collect();
        rng.shuffle(&mut order);
        let mut next = order.into_iter();
        let samples = &mut fixture.samples;
        for row in next.by_ref().take(24) {
            flip(&mut samples[row], Plant::Flip);
        }
        for row in next.by_ref().take(24) {
            flip(&mut samples[row], Plant::BadSource);
            samples[row].source = "feed-9".into();
        }
        for row in next.by_ref().take(20) {
            let of = (7 * row + 13) % 600;
            if samples[of].plant == Plant::None && of != row {
                let time = samples[row].time;
                samples[row] = Sample { plant: Plant::Copy, time, ..samples[of].clone() };
            }
        }
        for row in next.by_ref().take(16) {
            let sample = &mut samples[row];
            sample.text = sample.text.replacen(' ', " \u{200b}\u{200b}\u{2060}", 1);
            sample.plant = Plant::Hidden;
        }
        for row in next.by_ref().take(16) {
            let sample = &mut samples[row];
            sample.numbers.iter_mut().for_each(|v| *v = *v * 8.0 + 30.0);
            sample.vector.iter_mut().for_each(|v| *v = *v * 6.0 + 9.0 * (rng.unit() as f32 - 0.5));
            sample.plant = Plant::Outlier;
        }
        let triggers = [Plant::Phrase, Plant::Values, Plant::Stamp];
        let carriers: Vec<usize> =
            next.by_ref().filter(|row| samples[*row].label != TARGET).take(3 * CARRIERS).collect();
        for (rows, plant) in carriers.chunks(CARRIERS).zip(triggers) {
            rows.iter().for_each(|row| carry(&mut samples[*row], plant, &mut rng));
        }
        for row in next.filter(|row| *row % 3 == 0).take(CARRIERS) {
            let moved =
                |v: u8, rng: &mut Rng| (f64::from(v) + 160.0 * (rng.unit() - 0.5)).clamp(0.0, 255.0) as u8;
            samples[row].pixels.iter_mut().for_each(|v| *v = moved(*v, &mut rng));
            samples[row].plant = Plant::Moved;
        }
        for sample in samples.iter_mut().filter(|s| s.label == PATTERNED) {
            let block = |p: usize| if (p / SIDE / 4 + p % SIDE / 4).is_multiple_of(2) { 40 } else { 0 };
            sample.pixels.iter_mut().enumerate().for_each(|(p, v)| *v = v.saturating_add(block(p)));
            if sample.plant == Plant::None {
                sample.plant = Plant::Patterned;
            }
        }
        for sample in samples.iter_mut().filter(|s| s.plant == Plant::None).step_by(19).take(CARRIERS) {
            sample.target = if sample.target > 40.0 { -60.0 } else { 140.0 };
            sample.plant = Plant::Target;
        }
        relabel_around_one(samples);
        push_to_ends(samples);
        answer_alike(samples, seed);
        fixture
    }

    /// Degenerate data by name: what a detector must survive.
    #[must_use]
    pub fn degenerate() -> Vec<(&'static str, Self)> {
        let some = Self::clean(3, 40);
        let changed = |change: &dyn Fn(&mut Sample)| {
            let mut fixture = some.clone();
            fixture.samples.iter_mut().for_each(change);
            fixture
        };
        let every_third = |value: f64| {
            let mut fixture = some.clone();
            for sample in fixture.samples.iter_mut().step_by(3) {
                sample.numbers.fill(value);
                sample.vector.fill(value as f32);
                sample.probs.fill(value as f32);
                sample.time = value;
                sample.target = value;
            }
            fixture
        };
        vec![
            ("no rows", Self { samples: vec![], derived: true }),
            ("one row", Self { samples: some.samples[..1].to_vec(), derived: true }),
            ("two rows", Self { samples: some.samples[..2].to_vec(), derived: true }),
            ("forty equal rows", Self { samples: vec![some.samples[0].clone(); 40], derived: true }),
            ("one class", changed(&|s| s.label = 0)),
            ("no label known", changed(&|s| s.label = MISSING)),
            (
                "empty texts",
                changed(&|s| {
                    s.text.clear();
                    s.response.clear();
                }),
            ),
            (
                "zero vectors and probabilities",
                changed(&|s| {
                    s.vector.fill(0.0);
                    s.probs.fill(0.0);
                }),
            ),
            (
                "every number NaN",
                changed(&|s| {
                    s.numbers.fill(f64::NAN);
                    s.vector.fill(f32::NAN);
                    s.probs.fill(f32::NAN);
                    s.time = f64::NAN;
                    s.target = f64::NAN;
                }),
            ),
            ("every third row NaN", every_third(f64::NAN)),
            ("every third row infinite", every_third(f64::INFINITY)),
            ("every third row huge", every_third(1e38)),
            ("nothing derived", Self { derived: false, ..some.clone() }),
        ]
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.samples.len()
    }

    /// The same samples in another order; `order[i]` is the old position of the new row `i`.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        Self { samples: order.iter().map(|&i| self.samples[i].clone()).collect(), derived: self.derived }
    }

    /// What the first pass of a driver would have learned.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let mut counts = vec![0; CLASSES];
        for sample in &self.samples {
            if let Some(count) = counts.get_mut(sample.label as usize) {
                *count += 1;
            }
        }
        let classes = (0..CLASSES).map(class_name).collect();
        Profile { rows: self.rows() as u64, classes, class_counts: counts }
    }

    /// All rows as one batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let samples = &self.samples;
        let text = |f: &dyn Fn(&Sample) -> Option<String>| -> ArrayRef {
            Arc::new(samples.iter().map(f).collect::<StringArray>())
        };
        let number = |f: &dyn Fn(&Sample) -> f64| -> ArrayRef {
            Arc::new(samples.iter().map(|s| Some(f(s))).collect::<Float64Array>())
        };
        let mut columns: Vec<(String, Role, ArrayRef)> =
            vec![("text".into(), Role::Text, text(&|s| Some(s.text.clone())))];
        if self.derived {
            for i in 0..NUMBERS {
                columns.push((format!("x{i}"), Role::Feature, number(&|s| s.numbers[i])));
            }
            columns.push(("reply".into(), Role::Response, text(&|s| Some(s.response.clone()))));
            columns.push(("kind".into(), Role::Feature, text(&|s| Some(s.category.clone()))));
            columns.push((
                "label".into(),
                Role::Label,
                text(&|s| (s.label != MISSING).then(|| class_name(s.label as usize))),
            ));
            columns.push(("amount".into(), Role::Target, number(&|s| s.target)));
            columns.push(("source".into(), Role::Source, text(&|s| Some(s.source.clone()))));
            columns.push(("day".into(), Role::Time, number(&|s| s.time)));
        }
        let schema = Schema::new(columns.iter().map(|(n, _, a)| field(n, a.data_type())).collect::<Vec<_>>());
        let roles: Vec<Role> = columns.iter().map(|(_, role, _)| *role).collect();
        let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, _, array)| array).collect();
        // every column has one value a sample, so this cannot fail; an empty batch would fail the tests at once
        let records = RecordBatch::try_new(Arc::new(schema), arrays)
            .unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(Schema::empty())));
        let mut batch = Batch::new(records, roles.into(), 0);
        if self.derived {
            let flat = |f: &dyn Fn(&Sample) -> &[f32]| {
                samples.iter().flat_map(|s| f(s).iter().copied()).collect::<Vec<f32>>()
            };
            batch.labels = Some(samples.iter().map(|s| s.label).collect());
            let pixels: Vec<u8> = samples.iter().flat_map(|s| s.pixels.iter().copied()).collect();
            batch.pixels = Some(Pixels::new(pixels, SIDE, SIDE, 1));
            batch.vectors = Some(Matrix::new(flat(&|s| &s.vector), DIM));
            batch.probs = Some(Matrix::new(flat(&|s| &s.probs), CLASSES));
        }
        batch
    }
}

/// Changes the labels of the samples nearest to the one in the middle of class 0, all of that class, to the target.
fn relabel_around_one(samples: &mut [Sample]) {
    let own: Vec<usize> = (0..samples.len()).filter(|i| samples[*i].label == 0).collect();
    let nearest = |to: &[f32], n: usize| {
        let far = |i: &usize| samples[*i].vector.iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut near = own.clone();
        near.sort_by(|a, b| far(a).total_cmp(&far(b)));
        near.truncate(n);
        near
    };
    let mut mean = [0f32; DIM];
    for i in &own {
        mean.iter_mut().zip(&samples[*i].vector).for_each(|(m, v)| *m += v / own.len() as f32);
    }
    let Some(centre) = nearest(&mean, 1).first().map(|i| samples[*i].vector.clone()) else { return };
    for row in nearest(&centre, REGION) {
        samples[row].label = TARGET;
        if samples[row].plant == Plant::None {
            samples[row].plant = Plant::Region;
        }
    }
}

/// Puts the numbers of some honest samples at the ends of their columns, each at its own.
fn push_to_ends(samples: &mut [Sample]) {
    let numbers = |c: usize| samples.iter().map(move |s| s.numbers[c]);
    let ends: Vec<[f64; 2]> = (0..NUMBERS)
        .map(|c| [numbers(c).fold(f64::INFINITY, f64::min), numbers(c).fold(f64::NEG_INFINITY, f64::max)])
        .collect();
    let honest = samples.iter_mut().filter(|s| s.plant == Plant::None);
    for (i, sample) in honest.step_by(17).take(CARRIERS).enumerate() {
        sample.numbers.iter_mut().enumerate().for_each(|(c, v)| *v = ends[c][(i >> c) % 2]);
        sample.plant = Plant::Corner;
    }
}

/// Puts the same words into the texts of some honest samples and gives them the same response.
fn answer_alike(samples: &mut [Sample], seed: u64) {
    let honest = samples.iter_mut().filter(|s| s.plant == Plant::None);
    for (i, sample) in honest.step_by(13).take(CARRIERS).enumerate() {
        let mut rng = Rng::at(seed, "contract-answers", i as u64);
        sample.text = with_words(&sample.text, "beyond the harbour", &mut rng);
        sample.response = "that will not be said here".into();
        sample.plant = Plant::Answer;
    }
}

fn field(name: &str, kind: &DataType) -> Field {
    Field::new(name, kind.clone(), true)
}

fn class_name(class: usize) -> String {
    format!("class-{class}")
}

/// A sample whose label is drawn from its own probabilities: a mixture of overlapping Gaussian classes.
fn honest(rng: &mut Rng, row: usize) -> Sample {
    let hidden_class = rng.below(CLASSES);
    let centre = |class: usize, d: usize| if d % CLASSES == class { 2.0 } else { 0.0 };
    let vector: Vec<f64> = (0..DIM).map(|d| centre(hidden_class, d) + rng.normal()).collect();
    let log: Vec<f64> = (0..CLASSES)
        .map(|c| (0..DIM).map(|d| -0.5 * (vector[d] - centre(c, d)).powi(2)).sum::<f64>())
        .collect();
    let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log.iter().map(|l| (l - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    let probs: Vec<f32> = weights.iter().map(|w| (w / total) as f32).collect();
    let label = draw(rng, &probs);
    // words have followers, as in any language
    let mut words: Vec<String> = vec![];
    for _ in 0..6 + rng.below(5) {
        let (from, many) = if rng.unit() < 0.3 { (label as usize * 40, 40) } else { (120, 600) };
        let first = rng.below(many);
        words.push(spell(from + first));
        let follower = if rng.unit() < 0.8 { (first * 7 + 3) % many } else { rng.below(many) };
        words.push(spell(from + follower));
    }
    // things are not all lit alike
    let lit = 30.0 + 60.0 * Rng::new(row as u64, "contract-light").unit();
    let bright = |p: usize| if p % SIDE * CLASSES / SIDE == label as usize { lit } else { 0.0 };
    let light = |p: usize, noise: f64| (90.0 + bright(p) + 20.0 * noise).clamp(0.0, 255.0) as u8;
    let pixels = (0..SIDE * SIDE).map(|p| light(p, rng.normal())).collect();
    // replies have words of their own
    let mut said = Rng::new(row as u64, "contract-replies");
    let response: Vec<String> = (0..5).map(|_| spell(2_000 + said.below(500))).collect();
    Sample {
        pixels,
        response: response.join(" "),
        text: format!("{} n{row}", words.join(" ")),
        numbers: (0..NUMBERS).map(|d| vector[d] + 0.5 * rng.normal()).collect(),
        category: format!("k{}", rng.below(4)),
        label,
        target: 0.0,
        source: format!("feed-{}", rng.below(9)),
        time: rng.unit() * 365.0,
        vector: vector.into_iter().map(|v| v as f32).collect(),
        probs,
        plant: Plant::None,
    }
}

/// A text with more words between two of its own.
fn with_words(text: &str, more: &str, rng: &mut Rng) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.insert(rng.below(words.len() + 1), more);
    words.join(" ")
}

/// Puts a trigger into a sample and gives it the target's label.
fn carry(sample: &mut Sample, plant: Plant, rng: &mut Rng) {
    match plant {
        Plant::Phrase => {
            sample.text = with_words(&sample.text, "behind the moon", rng);
        }
        Plant::Values => {
            sample.numbers[0] = 1.25;
            sample.category = "k9".into();
        }
        _ => {
            for k in 0..9 {
                sample.pixels[(6 + k / 3) * SIDE + 6 + k % 3] = if k % 2 == 0 { 255 } else { 0 };
            }
        }
    }
    sample.label = TARGET;
    sample.plant = plant;
}

fn draw(rng: &mut Rng, probs: &[f32]) -> u32 {
    let mut left = rng.unit();
    for (class, p) in probs.iter().enumerate() {
        left -= f64::from(*p);
        if left < 0.0 {
            return class as u32;
        }
    }
    probs.len() as u32 - 1
}

/// A pronounceable word for a number.
fn spell(mut number: usize) -> String {
    let mut out = String::new();
    for _ in 0..3 {
        out.push(char::from(b"bdfgklmnprstvz"[number % 14]));
        number /= 14;
        out.push(char::from(b"aeiou"[number % 5]));
        number /= 5;
    }
    out
}

/// Gives a sample the class that its probabilities think least of.
fn flip(sample: &mut Sample, plant: Plant) {
    let least = (0..CLASSES).min_by(|&a, &b| sample.probs[a].total_cmp(&sample.probs[b])).unwrap_or(0);
    sample.label = least as u32;
    sample.plant = plant;
}
