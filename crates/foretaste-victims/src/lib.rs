//! Built-in models: what foretaste trains when the user brings no model.
//!
//! Each modality has one file that turns its samples into [`Features`]; [`surrogate`] trains on them out of
//! fold, and [`committee`] adds the neighbours' vote and the calibration that makes the result a null.
//! Those take plain slices. Victims, models that a trial trains, are catalogue entries over [`encode`].

foretaste_core::catalogue! {
    pub mod boosted_trees;
    pub mod linear_svm;
    pub mod mlp;
    pub mod naive_bayes;
    pub mod nearest_neighbours;
    pub mod ridge_regression;
    pub mod small_cnn;
    pub mod softmax_regression;
}

pub mod committee;
pub mod embedding;
pub mod encode;
pub mod image;
pub mod letters;
pub mod linear;
pub mod table;
pub mod text;

use foretaste_num::ngrams::Csr;
use foretaste_num::softmax::{FoldOptions, OutOfFold, Rows, out_of_fold};

/// Numbers that stand for samples, one row each.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Sparse rows.
    Sparse(Csr),
    /// Dense rows.
    Dense {
        /// `rows * dim` numbers.
        data: Vec<f32>,
        /// Numbers per row.
        dim: usize,
    },
}

impl Features {
    /// The rows, borrowed.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        match self {
            Self::Sparse(csr) => Rows::Sparse(csr),
            Self::Dense { data, dim } => Rows::Dense { data, dim: *dim },
        }
    }

    /// The rows if they are sparse.
    #[must_use]
    pub fn sparse(&self) -> Option<&Csr> {
        if let Self::Sparse(csr) = self { Some(csr) } else { None }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the surrogate model says of every sample, without having seen it.
pub type Surrogate = OutOfFold;

/// Trains the surrogate out of fold: probabilities `rows x classes` and how they came about.
///
/// `labels`: one per row, not below `classes` where there is none. `groups`: rows of one source, kept in one
/// fold, so that a source cannot train its own alibi.
#[must_use]
pub fn surrogate(
    features: &Features,
    labels: &[u32],
    classes: usize,
    groups: Option<&[u32]>,
    options: &FoldOptions,
) -> Surrogate {
    out_of_fold(features.rows(), labels, classes, groups, options)
}
