//! Gradient boosted trees over columns.

use arrow_array::{Array, ArrayRef};
use foretaste_core::{Ctx, Error, Matrix, Needs, Picked, Result, Role, Strings, Victim, numbers};
use foretaste_macros::Catalogue;
use foretaste_num::boost::{Boosted, Column, Options, fit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Gradient boosted trees on columns and vectors.
///
/// # What it is
/// The model that most tables are given to: a sum of small decision trees, each grown to mend what those before it got wrong.
/// It reads numbers (missing ones, too), categories and vectors; texts and pictures it does not read.
///
/// # How it learns
/// Numbers become at most 255 quantile bins; categories are ordered in each node by their mean gradient and divided at the
/// best place. Each round grows a tree of `leaves` leaves, the leaf of the largest gain first, for the logistic loss of two
/// classes, or a tree a class for the softmax loss of more. Steps are bounded by `max_step`, because uncut ones run away
/// where the model is surely wrong, as poisoned labels make it. The defaults are those of scikit-learn's
/// `HistGradientBoostingClassifier`, but for that bound, and nothing is held out unless `patience` asks.
/// Random is only the held-out tenth and, above 200,000 rows, the sample that quantiles are taken from.
///
/// # Cost
/// A pass over the bins of all columns for each level of each tree: about a second for 40,000 rows and 14 columns of two
/// classes, and as much again for each further class. One byte a value in memory.
///
/// # Example
/// ```text
/// foretaste trial --data train.parquet --victim boosted-trees --attack feature-trigger
/// ```
///
/// # References
/// Friedman, "Greedy function approximation: a gradient boosting machine", 2001; Ke et al., "LightGBM: A Highly Efficient
/// Gradient Boosting Decision Tree", 2017.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct BoostedTrees {
    /// Rounds at most.
    #[param(min = 1, max = 100000)]
    pub rounds: usize,
    /// Share of each step that is taken.
    #[param(min = 0.0001, max = 1)]
    pub learning_rate: f64,
    /// Leaves of a tree at most.
    #[param(min = 2, max = 4096)]
    pub leaves: usize,
    /// Questions between root and leaf at most; 0: no limit.
    #[param(min = 0, max = 1000)]
    pub depth: usize,
    /// Samples in a leaf at least.
    #[param(min = 1, max = 1000000000)]
    pub min_leaf: usize,
    /// Penalty on the squared values of leaves.
    #[param(min = 0, max = 1000000000)]
    pub l2: f64,
    /// Longest step of a score in one round, before `learning_rate`; 0: no bound.
    #[param(min = 0, max = 1000000000)]
    pub max_step: f64,
    /// Bins of a column at most.
    #[param(min = 2, max = 255)]
    pub bins: usize,
    /// Rounds without a better loss on a held-out tenth after which to stop; 0: nothing is held out.
    #[param(min = 0, max = 100000)]
    pub patience: usize,
}

impl Default for BoostedTrees {
    fn default() -> Self {
        let Options { rounds, learning_rate, leaves, depth, min_leaf, l2, max_step, bins, patience, .. } =
            Options::default();
        Self { rounds, learning_rate, leaves, depth, min_leaf, l2, max_step, bins, patience }
    }
}

/// Trees, and how columns are read for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    features: Vec<Feature>,
    /// Numbers of a vector; they come after the columns.
    dim: usize,
    classes: usize,
    trees: Boosted,
}

/// A feature column.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Feature {
    name: String,
    /// Known words in ascending order; `None` for a column of numbers.
    words: Option<Vec<String>>,
}

/// A column as read.
enum Values {
    Numbers(Vec<f64>),
    Codes(Vec<u32>),
}

impl Feature {
    fn learn(name: &str, column: &ArrayRef) -> Self {
        let words = numbers(column).is_none().then(|| {
            let strings = Strings::new(column);
            let known: BTreeSet<&str> = (0..column.len()).filter_map(|i| strings.get(i)).collect();
            known.into_iter().map(str::to_owned).collect()
        });
        Self { name: name.to_owned(), words }
    }

    fn read(&self, column: &ArrayRef) -> Values {
        let Some(words) = &self.words else {
            return Values::Numbers(numbers(column).unwrap_or_else(|| {
                let strings = Strings::new(column);
                let number = |i| strings.get(i).and_then(|s| s.trim().parse().ok());
                (0..column.len()).map(|i| number(i).unwrap_or(f64::NAN)).collect()
            }));
        };
        let strings = Strings::new(column);
        let code = |word: &str| words.binary_search_by(|w| w.as_str().cmp(word)).ok();
        Values::Codes(
            (0..column.len()).map(|i| strings.get(i).and_then(code).map_or(u32::MAX, |c| c as u32)).collect(),
        )
    }
}

fn unfit(reason: String) -> Error {
    Error::Unfit { entry: "boosted-trees".into(), reason }
}

/// The columns in the order of the features, then the vectors column by column.
fn read(features: &[Feature], dim: usize, samples: &Picked) -> Result<Vec<Values>> {
    let mut out = Vec::with_capacity(features.len() + dim);
    for feature in features {
        let found = samples.batch.columns(|r| r == Role::Feature).find(|(name, _)| *name == feature.name);
        let (_, column) = found.ok_or_else(|| {
            unfit(format!("the inputs have no column `{}`, which it was trained on", feature.name))
        })?;
        out.push(feature.read(column));
    }
    if dim > 0 {
        let vectors = samples.batch.vectors.as_ref().filter(|v| v.cols() == dim || v.rows() == 0);
        let Some(vectors) = vectors else {
            return Err(unfit(format!("the inputs have no vectors of {dim} numbers, which it was trained on")));
        };
        for k in 0..dim {
            let column = (0..vectors.rows()).map(|i| vectors.row(i).get(k).copied().map_or(f64::NAN, f64::from));
            out.push(Values::Numbers(column.collect()));
        }
    }
    Ok(out)
}

fn borrowed(values: &[Values]) -> Vec<Column<'_>> {
    values
        .iter()
        .map(|v| match v {
            Values::Numbers(n) => Column::Number(n),
            Values::Codes(c) => Column::Category(c),
        })
        .collect()
}

impl Victim for BoostedTrees {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label]).and_any(&[Role::Feature, Role::Embedding])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let columns = samples.batch.columns(|r| r == Role::Feature);
        let features: Vec<Feature> = columns.map(|(name, column)| Feature::learn(name, column)).collect();
        // vectors that a driver made from the columns would only say the same again
        let own = samples.batch.roles.contains(&Role::Embedding);
        let dim = samples.batch.vectors.as_ref().filter(|_| own).map_or(0, Matrix::cols);
        if features.is_empty() && dim == 0 {
            return Err(unfit("the samples have no feature column and no vector; name one with `--feature`".into()));
        }
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        let options = Options {
            rounds: self.rounds,
            learning_rate: self.learning_rate,
            leaves: self.leaves,
            depth: self.depth,
            min_leaf: self.min_leaf,
            l2: self.l2,
            max_step: self.max_step,
            bins: self.bins,
            patience: self.patience,
            seed: ctx.rng("boosted-trees").next_u64(),
        };
        let classes = ctx.profile().classes.len();
        let values = read(&features, dim, samples)?;
        let trees = fit(&borrowed(&values), &labels, classes, &options);
        Ok(Model { features, dim, classes, trees })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let values = read(&model.features, model.dim, inputs)?;
        Ok(Matrix::new(model.trees.predict(&borrowed(&values)), model.classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray};
    use foretaste_core::{Batch, MISSING, Profile};
    use std::sync::Arc;

    /// Class 1 where the word is `b` or the number is missing; every fiftieth label is missing.
    fn samples(words: &[Option<&str>], values: &[Option<f64>]) -> Picked {
        let n = words.len();
        let columns: [(&str, ArrayRef); 3] = [
            ("word", Arc::new(StringArray::from(words.to_vec()))),
            ("value", Arc::new(Float64Array::from(values.to_vec()))),
            ("id", Arc::new(Int64Array::from_iter_values(0..n as i64))),
        ];
        let records = RecordBatch::try_from_iter(columns).unwrap();
        let mut batch = Batch::new(records, Arc::from([Role::Feature, Role::Feature, Role::Id]), 0);
        let label = |i: usize| {
            if i % 50 == 49 { MISSING } else { u32::from(words[i] == Some("b") || values[i].is_none()) }
        };
        batch.labels = Some((0..n).map(label).collect());
        Picked { batch, rows: (0..n as u64).collect(), cover: vec![false; n], images: vec![] }
    }

    fn made(n: usize) -> Picked {
        let words: Vec<Option<&str>> = (0..n).map(|i| ["a", "b", "c"].get(i % 4).copied()).collect();
        let values: Vec<Option<f64>> = (0..n).map(|i| (i % 7 != 0).then_some((i % 5) as f64)).collect();
        samples(&words, &values)
    }

    fn ctx() -> Ctx {
        Ctx::new(3, Profile { classes: vec!["no".into(), "yes".into()], ..Profile::default() })
    }

    #[test]
    fn it_learns_words_and_holes_and_survives_bytes() {
        let (victim, ctx) = (BoostedTrees::default(), ctx());
        let model = victim.train(&made(1000), &ctx).unwrap();
        let shown = samples(&[Some("a"), Some("b"), Some("zebra"), None], &[Some(1.0), Some(1.0), None, Some(2.0)]);
        let p = victim.predict(&model, &shown, &ctx).unwrap();
        assert_eq!((p.rows(), p.cols()), (4, 2));
        let yes: Vec<bool> = (0..4).map(|i| p.row(i)[1] > 0.5).collect();
        assert_eq!(yes, [false, true, true, false]);
        let bytes = serde_json::to_vec(&model).unwrap();
        let again: Model = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(victim.predict(&again, &shown, &ctx).unwrap().values(), p.values());
    }

    #[test]
    fn what_is_lacking_is_named() {
        let (victim, ctx) = (BoostedTrees::default(), ctx());
        let model = victim.train(&made(100), &ctx).unwrap();
        let mut without = made(10);
        without.batch.roles = Arc::from([Role::Feature, Role::Id, Role::Id]);
        let told = victim.predict(&model, &without, &ctx).unwrap_err().to_string();
        assert!(told.contains("no column `value`"), "{told}");
        without.batch.roles = Arc::from([Role::Id; 3]);
        assert!(victim.train(&without, &ctx).is_err());
    }
}
