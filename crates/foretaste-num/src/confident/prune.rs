//! The seven filters.

use rayon::prelude::*;

use super::joint::{ByClass, ConfidentJoint, MISFIT, OFF_DIAGONAL, OUTBID};
use super::{Options, Prob, Rule, Score, Table, score};

/// One flag per row.
pub(super) fn flag<T: Prob>(
    table: Table<'_, T>,
    by_class: &ByClass<T>,
    joint: &ConfidentJoint,
    marks: &[u8],
    options: &Options,
) -> Vec<bool> {
    let with = |bits: u8| marks.iter().map(|m| m & bits == bits).collect();
    match options.rule {
        Rule::ConfidentLearning => with(MISFIT | OFF_DIAGONAL),
        Rule::PredictedNeqGiven => with(MISFIT),
        Rule::LowSelfConfidence => lowest(score::scores(table, Score::SelfConfidence, None), joint.n_issues),
        Rule::LowNormalizedMargin => {
            lowest(score::scores(table, Score::NormalizedMargin, None), joint.n_issues)
        }
        Rule::PruneByNoiseRate | Rule::PruneByClass | Rule::Both => {
            pruned(table, by_class, joint, marks, options)
        }
    }
}

/// The `n` smallest scores, the lower index first among equals.
fn lowest<T: Prob>(scores: Vec<T>, n: u64) -> Vec<bool> {
    let n = usize::try_from(n).unwrap_or(usize::MAX).min(scores.len());
    let mut flags = vec![false; scores.len()];
    let mut cut = Cut::smallest(&mut scores.clone(), n);
    for (flag, &s) in flags.iter_mut().zip(&scores) {
        *flag = cut.takes(s);
    }
    flags
}

/// The boundary of the n smallest (or largest) values, with a quota for values equal to it.
struct Cut<T> {
    at: Option<T>,
    ties: usize,
    largest: bool,
}

impl<T: Prob> Cut<T> {
    fn nothing() -> Self {
        Self { at: None, ties: 0, largest: false }
    }

    fn smallest(values: &mut [T], n: usize) -> Self {
        if n == 0 || values.is_empty() {
            return Self::nothing();
        }
        let n = n.min(values.len());
        let (below, &mut at, _) = values.select_nth_unstable_by(n - 1, T::order);
        let strict = below.iter().filter(|v| **v < at).count();
        Self { at: Some(at), ties: n - strict, largest: false }
    }

    fn largest(values: &mut [T], n: usize) -> Self {
        if n == 0 || values.is_empty() {
            return Self::nothing();
        }
        let n = n.min(values.len());
        let (above, &mut at, _) = values.select_nth_unstable_by(n - 1, |a, b| b.order(a));
        let strict = above.iter().filter(|v| **v > at).count();
        Self { at: Some(at), ties: n - strict, largest: true }
    }

    /// Must be asked in row order, because the quota of ties is used up.
    fn takes(&mut self, value: T) -> bool {
        let Some(at) = self.at else { return false };
        if (self.largest && value > at) || (!self.largest && value < at) {
            return true;
        }
        let tie = value == at && self.ties > 0;
        self.ties -= usize::from(tie);
        tie
    }
}

/// How many rows of each given class (row) move to each other class (column), and how many stay (diagonal):
/// the calibrated joint after `min_examples_per_class` and `frac_noise`, cut to whole numbers.
fn prune_counts(joint: &ConfidentJoint, options: &Options) -> Vec<u64> {
    let c = joint.classes;
    let keep = options.min_examples_per_class as f64;
    let mut out = Vec::with_capacity(c * c);
    for (k, row) in joint.calibrated.chunks_exact(c).enumerate() {
        let mut x: Vec<f64> = row.iter().map(|&v| v as f64).collect();
        let lift = (keep - x[k]).max(0.0);
        let others = x.iter().filter(|v| **v > 0.0).count().saturating_sub(1).max(1);
        let mut moved = 0.0;
        for (_, v) in x.iter_mut().enumerate().filter(|(j, _)| *j != k) {
            *v = (*v - lift / others as f64).max(0.0);
            let less = *v * options.frac_noise;
            moved += *v - less;
            *v = less;
        }
        x[k] += lift + moved;
        out.extend(x.iter().map(|v| *v as u64));
    }
    out
}

fn pruned<T: Prob>(
    table: Table<'_, T>,
    by_class: &ByClass<T>,
    joint: &ConfidentJoint,
    marks: &[u8],
    options: &Options,
) -> Vec<bool> {
    let counts = prune_counts(joint, options);
    let c = table.classes;
    let flagged: Vec<Vec<u32>> = (0..c)
        .into_par_iter()
        .map(|k| {
            let class = Class { table, by_class, marks, k };
            if by_class.count(k) as u64 <= options.min_examples_per_class {
                return Vec::new();
            }
            let to = &counts[k * c..(k + 1) * c];
            match options.rule {
                Rule::PruneByClass => class.by_own(to),
                Rule::Both => {
                    let (a, b) = (class.by_own(to), class.by_margin(to));
                    a.into_iter().filter(|i| b.binary_search(i).is_ok()).collect()
                }
                _ => class.by_margin(to),
            }
        })
        .collect();
    let mut flags = vec![false; marks.len()];
    for i in flagged.into_iter().flatten() {
        flags[i as usize] = true;
    }
    flags
}

/// The rows of one given label.
struct Class<'a, T> {
    table: Table<'a, T>,
    by_class: &'a ByClass<T>,
    marks: &'a [u8],
    k: usize,
}

impl<T: Prob> Class<'_, T> {
    fn has(&self, row: u32, bit: u8) -> bool {
        self.marks[row as usize] & bit != 0
    }

    /// Misfits among the rows with the smallest own probability; ascending.
    fn by_own(&self, to: &[u64]) -> Vec<u32> {
        let (rows, own) = (self.by_class.rows(self.k), self.by_class.own(self.k));
        let n = rows.len().saturating_sub(to[self.k] as usize);
        if n >= rows.len() {
            return Vec::new(); // a class is never emptied: that says more about the model than about the labels
        }
        let mut cut = Cut::smallest(&mut own.to_vec(), n);
        let mut out = Vec::new();
        for (&i, &p) in rows.iter().zip(own) {
            if cut.takes(p) && self.has(i, MISFIT) {
                out.push(i);
            }
        }
        out
    }

    /// Misfits among the rows with the largest `p_j - p_k` for some j; ascending.
    ///
    /// Only rows outbid by another class have a positive margin; when those are enough for a column, no other
    /// row can be among its largest, so the rest of the matrix is not read again.
    fn by_margin(&self, to: &[u64]) -> Vec<u32> {
        let zero = T::of(0.0);
        let outbid: Vec<u32> =
            self.by_class.rows(self.k).iter().copied().filter(|&i| self.has(i, OUTBID)).collect();
        let targets: Vec<usize> = (0..to.len()).filter(|&j| j != self.k && to[j] > 0).collect();
        let mut positive: Vec<Vec<T>> = vec![Vec::new(); targets.len()];
        for &i in &outbid {
            let row = self.table.row(i as usize);
            for (values, &j) in positive.iter_mut().zip(&targets) {
                let margin = row[j] - row[self.k];
                if margin > zero {
                    values.push(margin);
                }
            }
        }
        let mut taken = vec![false; outbid.len()];
        let mut cuts = Vec::new();
        for (values, &j) in positive.iter_mut().zip(&targets) {
            if values.len() as u64 >= to[j] {
                cuts.push((j, Cut::largest(values, to[j] as usize)));
            } else {
                self.by_every_margin(j, to[j] as usize, &outbid, &mut taken);
            }
        }
        for (&i, taken) in outbid.iter().zip(&mut taken) {
            let row = self.table.row(i as usize);
            for (j, cut) in &mut cuts {
                *taken |= cut.takes(row[*j] - row[self.k]);
            }
        }
        let kept = outbid.iter().zip(&taken).filter(|(i, t)| **t && self.has(**i, MISFIT));
        kept.map(|(i, _)| *i).collect()
    }

    /// The same for one column, over all rows of the class: the boundary is not positive.
    fn by_every_margin(&self, j: usize, n: usize, outbid: &[u32], taken: &mut [bool]) {
        let rows = self.by_class.rows(self.k);
        let margin = |i: u32| {
            let row = self.table.row(i as usize);
            row[j] - row[self.k]
        };
        let mut values: Vec<T> = rows.iter().map(|&i| margin(i)).collect();
        let mut cut = Cut::largest(&mut values, n);
        let mut at = 0;
        for &i in rows {
            let takes = cut.takes(margin(i));
            if outbid.get(at) == Some(&i) {
                taken[at] |= takes;
                at += 1;
            }
        }
    }
}
