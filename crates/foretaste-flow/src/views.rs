//! Vectors and class probabilities for the rows: the user's own if the data have them, else made here.

pub(crate) mod join;
pub mod own;
pub(crate) mod read;

use crate::columns::{count, thousands};
use crate::dataset::Dataset;
use crate::error::Result;
use foretaste_core::{Ctx, Matrix, Pixels, Role, SurrogateRun};
use foretaste_num::linalg::truncated_svd_csr;
use foretaste_num::ngrams::Csr;
use foretaste_num::phash::{self, ImageHash};
use foretaste_num::softmax::{FoldOptions, OutOfFold};
use foretaste_victims::committee::{Neighbourhood, committee, neighbour_shares};
use foretaste_victims::{Features, embedding, image, letters, naive_bayes, surrogate, table, text};
use rayon::prelude::*;

/// Dimensions of vectors made from text.
const TEXT_DIM: usize = 64;
/// Neighbours that vote beside the surrogate.
const VOTERS: usize = 16;

/// The user's own vectors, as they are.
///
/// # Errors
/// If the data cannot be read.
pub fn embedding_vectors(dataset: &Dataset) -> Result<Option<Matrix>> {
    let (data, dim) = read::embeddings(dataset, &mut vec![])?;
    Ok((dim > 0).then(|| Matrix::new(data, dim)))
}

/// What may be made, and how.
#[derive(Clone, Copy)]
pub struct ViewOptions<'a> {
    /// Some detector reads vectors.
    pub vectors: bool,
    /// Some detector reads probabilities.
    pub probs: bool,
    /// Folds of the surrogate.
    pub folds: u32,
    /// Bytes that vectors and probabilities may take.
    pub memory: u64,
    /// Most rows for an exact neighbour search.
    pub neighbour_rows: u64,
    /// The user's own model for pictures.
    pub own: Option<own::Own<'a>>,
}

impl ViewOptions<'_> {
    fn too_many(&self, rows: u64) -> bool {
        rows > self.neighbour_rows
    }
}

/// Attaches vectors and probabilities to the data set. Returns what the surrogate was, if one was trained, and notes.
///
/// # Errors
/// If a file cannot be read.
pub fn attach(
    dataset: &mut Dataset,
    labels: &[u32],
    options: ViewOptions<'_>,
    ctx: &Ctx,
    notes: &mut Vec<String>,
) -> Result<Option<SurrogateRun>> {
    let given = read::given_probs(dataset, notes)?;
    let own_probs = given.is_some();
    dataset.probs = given;
    let labelled = dataset.classes.len() > 1;
    let train = options.probs && !own_probs && labelled;
    if options.probs && !own_probs && dataset.classes.len() == 1 {
        let what =
            format!("the label has one class only (`{}`): nothing can contradict it", dataset.classes[0]);
        dataset.no_probs.clone_from(&what);
        notes.push(what);
    }
    if !options.vectors && !train {
        let unused = options.own.map(|o| format!("{} were not made: no detector asks for them", o.title()));
        notes.extend(unused);
        return Ok(None);
    }
    let view = match View::make(dataset, options, notes)? {
        Ok(view) => view,
        Err(why) => {
            dataset.no_vectors.clone_from(&why);
            if train {
                dataset.no_probs = why;
            }
            return Ok(None);
        }
    };
    let many = options.too_many(dataset.rows);
    let near_ok = !many && view.vectors.is_some();
    if many {
        let rows = count(dataset.rows, "row");
        let limit = thousands(options.neighbour_rows);
        dataset.no_vectors = format!("{rows} are too many for an exact search of neighbours (limit {limit})");
        notes.push(format!(
            "{rows} are too many for an exact search of neighbours (limit {limit}, change it with --neighbour-rows): detectors that need it did not run"
        ));
    } else if view.vectors.is_none() {
        dataset.no_vectors = EMPTY.into();
        notes.push(format!("{EMPTY}: detectors that compare vectors did not run"));
    }
    let run = train.then(|| view.train(dataset, labels, options, near_ok, ctx));
    if near_ok && options.vectors {
        dataset.vectors = view.vectors;
    }
    Ok(run.map(|(probs, run)| {
        dataset.probs = Some(probs);
        run
    }))
}

/// Why no vector was made although there is something to read.
const EMPTY: &str = "no two rows share anything that a vector could hold";

/// What the data have, turned into numbers.
struct View {
    name: String,
    /// One surrogate each: rows of different kinds do not fit into one matrix.
    features: Vec<Features>,
    /// N-grams of the texts, if the surrogate reads them in one row with columns.
    words: Option<Csr>,
    /// Letter n-grams of the texts, if probabilities are wanted.
    letters: Option<Csr>,
    /// One row a sample; none if all of them would be alike.
    vectors: Option<Matrix>,
}

impl View {
    /// Reads all that a model would: vectors of the user's or images first, then texts and columns side by side.
    /// Vectors for neighbours come from the first kind where it stands for the whole sample, else from texts and
    /// columns together. Says why if there is nothing to read.
    fn make(
        dataset: &mut Dataset,
        options: ViewOptions<'_>,
        notes: &mut Vec<String>,
    ) -> Result<std::result::Result<Self, String>> {
        let own = options.own.map(|o| o.title());
        let (mut names, mut features, mut vectors) = (vec![], vec![], None);
        if dataset.has(Role::Embedding) && own.is_none() {
            let (data, dim) = read::embeddings(dataset, notes)?;
            features.push(embedding::features(&data, dim));
            vectors = Some(unit(data, dim));
            names.push("the embedding");
        } else if dataset.has(Role::Image) {
            let (pictures, broken) = read::images(dataset, notes)?;
            dataset.images = Some(hashes(&pictures, &broken));
            dataset.pixels = pixels(&pictures, &broken, options.memory, notes);
            if let (Some(model), Some(title)) = (options.own, &own) {
                // the vectors, what the surrogate makes of them, and copies of unit length
                let bytes = pictures.len() as u64 * model.model.dim() as u64 * 12;
                if bytes > options.memory {
                    return Ok(Err(too_large(bytes, notes)));
                }
                let (data, dim) = (model.vectors(&pictures, &broken, notes)?, model.model.dim());
                features.push(embedding::features(&data, dim));
                vectors = Some(unit(data, dim));
                names.push(title);
            } else {
                let made = image::features(&pictures);
                vectors = Some(dense(&made));
                features.push(made);
                names.push("gradients and colours");
            }
        }
        let mut blocks = vec![];
        let mut near = vec![];
        let (mut words, mut letters) = (None, None);
        // no vectors are made that nobody would compare
        let compared = vectors.is_none() && !options.too_many(dataset.rows);
        if dataset.has_text() {
            let texts = read::texts(dataset)?;
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (_, made) = text::features(&texts, &text::default_options());
            if compared {
                near.push(dense(&made));
            }
            if options.probs {
                letters = Some(letters::features(&texts));
                words = made.sparse().filter(|_| dataset.has(Role::Feature)).cloned();
            }
            blocks.push(made);
            names.push("1-to-3-grams");
        }
        if dataset.has(Role::Feature) {
            let columns = read::columns(dataset)?;
            if compared {
                let (data, dim) = table::neighbour_features(&columns);
                near.push(Matrix::new(data, dim));
            }
            blocks.push(table::features(&columns, &table::TableOptions::default()));
            names.push("columns");
        }
        features.extend(join::sparse(blocks));
        if features.is_empty() {
            return Ok(Err("there is no text, image, embedding or feature column to learn from".into()));
        }
        let vectors = vectors.or_else(|| join::side_by_side(near));
        let vectors =
            vectors.filter(|v| v.rows() as u64 == dataset.rows && v.values().iter().any(|x| *x != 0.0));
        let bytes = vectors.as_ref().map_or(0, |v| v.values().len() as u64 * 8);
        if bytes > options.memory {
            return Ok(Err(too_large(bytes, notes)));
        }
        let bayes = if letters.is_some() { " + naive Bayes on words and letters" } else { "" };
        let name = format!("softmax on {}{bayes}", names.join(" and "));
        Ok(Ok(Self { name, features, words, letters, vectors }))
    }

    fn train(
        &self,
        dataset: &Dataset,
        labels: &[u32],
        options: ViewOptions<'_>,
        near_ok: bool,
        ctx: &Ctx,
    ) -> (Matrix, SurrogateRun) {
        let classes = dataset.classes.len();
        let folds = FoldOptions { folds: options.folds as usize, seed: ctx.seed(), ..FoldOptions::default() };
        let out: Vec<OutOfFold> =
            self.features.iter().map(|f| surrogate(f, labels, classes, None, &folds)).collect();
        let near = self.vectors.as_ref().filter(|_| near_ok);
        let near = near.map(|v| ctx.neighbours(v.values(), v.cols(), VOTERS));
        let shares = near.as_deref().map(|n| {
            let near = Neighbourhood { index: &n.index, distance: &n.distance, k: n.k };
            neighbour_shares(near, labels, classes)
        });
        let counted =
            [self.words.as_ref().or(self.features.iter().find_map(Features::sparse)), self.letters.as_ref()];
        let counted = counted.into_iter().flatten().filter(|_| self.letters.is_some());
        // folds depend on labels and seed alone: they are the same for every surrogate
        let bayes =
            |rows| Some(naive_bayes::out_of_fold(rows, labels, None, &out.first()?.fold, classes, 1.0));
        let bayes: Vec<Vec<f32>> = counted.filter_map(bayes).collect();
        let channels: Vec<&[f32]> = out
            .iter()
            .map(|o| o.probs.as_slice())
            .chain(shares.as_deref())
            .chain(bayes.iter().map(Vec::as_slice))
            .collect();
        let joined = committee(&channels, labels, classes);
        let model = if near_ok { format!("{} + neighbours", self.name) } else { self.name.clone() };
        let n = labels.iter().filter(|l| (**l as usize) < classes).count() as f64;
        let rate = joined.noise_rate;
        let half = 1.96 * (rate * (1.0 - rate) / n.max(1.0)).sqrt();
        let run = SurrogateRun {
            model,
            folds: options.folds,
            accuracy: agreement(&joined.probs, labels, classes),
            noise_rate: Some(rate),
            noise_interval: Some(((rate - half).max(0.0), (rate + half).min(1.0))),
        };
        (Matrix::new(joined.probs, classes), run)
    }
}

fn too_large(bytes: u64, notes: &mut Vec<String>) -> String {
    let what = format!("vectors would take {} MB: more than --memory allows", bytes >> 20);
    notes.push(what.clone());
    what
}

/// Pictures as they are, if they have one size and fit into memory.
fn pixels(
    pictures: &[image::Picture],
    broken: &[usize],
    memory: u64,
    notes: &mut Vec<String>,
) -> Option<Pixels> {
    let shape = |p: &image::Picture| (p.width, p.height, p.channels);
    let first = (0..pictures.len()).find(|i| !broken.contains(i)).map(|i| shape(&pictures[i]))?;
    let is_broken: std::collections::BTreeSet<usize> = broken.iter().copied().collect();
    if pictures.iter().enumerate().any(|(i, p)| shape(p) != first && !is_broken.contains(&i)) {
        notes.push("the pictures have different sizes: stamps were not looked for".into());
        return None;
    }
    let size = first.0 * first.1 * first.2;
    if (size * pictures.len()) as u64 > memory / 2 {
        notes.push("the pictures take more than half of --memory: stamps were not looked for".into());
        return None;
    }
    let mut data = vec![0u8; size * pictures.len()];
    for (to, p) in data.chunks_exact_mut(size.max(1)).zip(pictures) {
        if shape(p) == first && p.bytes.len() == size {
            to.copy_from_slice(&p.bytes);
        }
    }
    Some(Pixels::new(data, first.0, first.1, first.2))
}

/// Perceptual hashes. A picture that cannot be read or hashed is like no other: blanks are no copies of each other.
fn hashes(pictures: &[image::Picture], broken: &[usize]) -> Vec<ImageHash> {
    let one = |p: &image::Picture| {
        let image = phash::Image { pixels: &p.bytes, width: p.width, height: p.height, channels: p.channels };
        phash::hash(image).ok()
    };
    let mut found: Vec<Option<ImageHash>> = pictures.par_iter().map(one).collect();
    broken.iter().for_each(|&i| found[i] = None);
    let alone = |i: usize| ImageHash {
        phash: 0,
        dhash: 0,
        exact: xxhash_rust::xxh3::xxh3_64_with_seed(b"no picture", i as u64),
        flat: true,
        thumb: [0; 256],
    };
    found.into_iter().enumerate().map(|(i, h)| h.unwrap_or_else(|| alone(i))).collect()
}

fn agreement(probs: &[f32], labels: &[u32], classes: usize) -> f64 {
    let mut hits = (0u64, 0u64);
    for (p, &y) in probs.chunks_exact(classes.max(1)).zip(labels) {
        if (y as usize) < classes {
            let top = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            hits.0 += u64::from(p[y as usize] >= top);
            hits.1 += 1;
        }
    }
    hits.0 as f64 / hits.1.max(1) as f64
}

/// Vectors of unit length from features: dense ones as they are, sparse ones by latent semantic analysis. They depend on nothing
/// but the features: what is near must not change with the seed of folds and draws.
fn dense(features: &Features) -> Matrix {
    match features {
        Features::Sparse(csr) => lsa(csr),
        Features::Dense { data, dim } => unit(data.clone(), *dim),
    }
}

fn lsa(csr: &Csr) -> Matrix {
    let rank = TEXT_DIM.min(csr.cols).min(csr.rows()).max(1);
    unit(truncated_svd_csr(&csr.indptr, &csr.indices, &csr.values, csr.cols, rank, 2, 0), rank)
}

/// Rows of unit length, so that Euclidean order is cosine order; rows of zeros stay.
fn unit(mut data: Vec<f32>, dim: usize) -> Matrix {
    for row in data.chunks_exact_mut(dim.max(1)) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        if norm > 0.0 && norm.is_finite() {
            row.iter_mut().for_each(|v| *v /= norm);
        }
    }
    Matrix::new(data, dim)
}
