//! Vectors and class probabilities for the rows: the user's own if the data have them, else made here.

mod read;

use crate::columns::count;
use crate::dataset::Dataset;
use crate::error::Result;
use foretaste_core::{Ctx, Matrix, Role, SurrogateRun};
use foretaste_num::linalg::truncated_svd_csr;
use foretaste_num::ngrams::Csr;
use foretaste_num::phash::{self, ImageHash};
use foretaste_num::softmax::FoldOptions;
use foretaste_victims::committee::{Neighbourhood, committee, neighbour_shares};
use foretaste_victims::{Features, embedding, image, surrogate, table, text};
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
    let (data, dim) = read::embeddings(dataset)?;
    Ok((dim > 0).then(|| Matrix::new(data, dim)))
}

/// What may be made, and how.
#[derive(Clone, Copy, Debug)]
pub struct ViewOptions {
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
}

/// Attaches vectors and probabilities to the data set. Returns what the surrogate was, if one was trained, and notes.
///
/// # Errors
/// If a file cannot be read.
pub fn attach(
    dataset: &mut Dataset,
    labels: &[u32],
    options: ViewOptions,
    ctx: &Ctx,
    notes: &mut Vec<String>,
) -> Result<Option<SurrogateRun>> {
    let given = read::given_probs(dataset, notes)?;
    let own_probs = given.is_some();
    dataset.probs = given;
    let labelled = dataset.classes.len() > 1;
    let train = options.probs && !own_probs && labelled;
    if options.probs && !own_probs && dataset.classes.len() == 1 {
        notes.push(format!(
            "the label has one class only (`{}`): nothing can contradict it",
            dataset.classes[0]
        ));
    }
    if !options.vectors && !train {
        return Ok(None);
    }
    let Some(view) = View::make(dataset, options, ctx, notes)? else { return Ok(None) };
    let near_ok = dataset.rows <= options.neighbour_rows;
    if !near_ok {
        notes.push(format!(
            "{} are too many for an exact search of neighbours (limit {}, change it with --neighbour-rows): detectors that need it did not run",
            count(dataset.rows, "row"),
            crate::columns::thousands(options.neighbour_rows)
        ));
    }
    let run = train.then(|| view.train(dataset, labels, options, near_ok, ctx));
    if near_ok && options.vectors {
        dataset.vectors = Some(view.vectors);
    }
    Ok(run.map(|(probs, run)| {
        dataset.probs = Some(probs);
        run
    }))
}

/// One modality turned into numbers.
struct View {
    name: &'static str,
    features: Features,
    vectors: Matrix,
}

impl View {
    /// The richest modality that the data have: vectors of the user's, then images, text, columns.
    fn make(
        dataset: &mut Dataset,
        options: ViewOptions,
        ctx: &Ctx,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let roles = std::sync::Arc::clone(&dataset.roles);
        let has = |role| roles.contains(&role);
        let text_roles = dataset.positions(Role::is_text);
        let view = if has(Role::Embedding) {
            let (data, dim) = read::embeddings(dataset)?;
            Self {
                name: "softmax on the embedding",
                vectors: unit(data.clone(), dim),
                features: embedding::features(&data, dim),
            }
        } else if has(Role::Image) {
            let pictures = read::images(dataset, notes)?;
            dataset.images = Some(hashes(&pictures));
            let features = image::features(&pictures);
            let vectors = dense(&features, ctx);
            Self { name: "softmax on gradients and colours", features, vectors }
        } else if !text_roles.is_empty() {
            let texts = read::texts(dataset)?;
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (_, features) = text::features(&texts, &text::default_options());
            let vectors = dense(&features, ctx);
            Self { name: "softmax on 1-to-3-grams", features, vectors }
        } else if has(Role::Feature) {
            let columns = read::columns(dataset)?;
            let (near, dim) = table::neighbour_features(&columns);
            Self {
                name: "softmax on columns",
                features: table::features(&columns, &table::TableOptions::default()),
                vectors: Matrix::new(near, dim),
            }
        } else {
            return Ok(None);
        };
        let bytes = (view.vectors.values().len() * 8) as u64;
        if bytes > options.memory {
            notes.push(format!("vectors would take {} MB: more than --memory allows", bytes >> 20));
            return Ok(None);
        }
        if !text_roles.is_empty() && (has(Role::Feature) || has(Role::Image) || has(Role::Embedding)) {
            notes.push(format!("{}: other columns of the sample are not read by the surrogate", view.name));
        }
        Ok(Some(view))
    }

    fn train(
        &self,
        dataset: &Dataset,
        labels: &[u32],
        options: ViewOptions,
        near_ok: bool,
        ctx: &Ctx,
    ) -> (Matrix, SurrogateRun) {
        let classes = dataset.classes.len();
        let folds = FoldOptions { folds: options.folds as usize, seed: ctx.seed(), ..FoldOptions::default() };
        let oof = surrogate(&self.features, labels, classes, None, &folds);
        let near = near_ok.then(|| ctx.neighbours(self.vectors.values(), self.vectors.cols(), VOTERS));
        let shares = near.as_deref().map(|n| {
            let near = Neighbourhood { index: &n.index, distance: &n.distance, k: n.k };
            neighbour_shares(near, labels, classes)
        });
        let channels: Vec<&[f32]> = std::iter::once(oof.probs.as_slice()).chain(shares.as_deref()).collect();
        let joined = committee(&channels, labels, classes);
        let model = if near_ok { format!("{} + neighbours", self.name) } else { self.name.to_owned() };
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

/// Perceptual hashes; a picture that cannot be hashed counts as one black pixel.
fn hashes(pictures: &[image::Picture]) -> Vec<ImageHash> {
    let blank = || phash::hash(phash::Image { pixels: &[0], width: 1, height: 1, channels: 1 }).ok();
    let one = |p: &image::Picture| {
        let image = phash::Image { pixels: &p.bytes, width: p.width, height: p.height, channels: p.channels };
        phash::hash(image).ok().or_else(blank)
    };
    let found: Vec<Option<ImageHash>> = pictures.par_iter().map(one).collect();
    found.into_iter().flatten().collect()
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

/// Vectors of unit length from features: dense ones as they are, sparse ones by latent semantic analysis.
fn dense(features: &Features, ctx: &Ctx) -> Matrix {
    match features {
        Features::Sparse(csr) => lsa(csr, ctx),
        Features::Dense { data, dim } => unit(data.clone(), *dim),
    }
}

fn lsa(csr: &Csr, ctx: &Ctx) -> Matrix {
    let rank = TEXT_DIM.min(csr.cols).min(csr.rows()).max(1);
    unit(truncated_svd_csr(&csr.indptr, &csr.indices, &csr.values, csr.cols, rank, 2, ctx.seed()), rank)
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
