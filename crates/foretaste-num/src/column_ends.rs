//! Rows at the ends of several columns at once, and whether what they are labelled contradicts what their numbers call for.
//!
//! Whoever looks for the rows that harm a model most, within what occurs in the data, comes to a corner: the loss is nearly linear in
//! a row, and a linear function is largest where every column is at an end (so the attacks of Jagielski and others 2018,
//! "Manipulating Machine Learning"). Nature has rows at such ends, too, and columns that reach theirs together. But these are
//! few of the ends that there are, where corners are at all of them; and natural extremes follow the law of the rest, where
//! planted ones contradict it, in more than one direction.
//!
//! The law is a linear model of all rows that lie at one rare end at most. Two questions are asked of those at three. Does it
//! contradict more of them than of rows that it did not see (binomial)? And do their labels go against its predictions, rather than
//! all one way as where a law bends (a permutation test); or, of numbers, is what they should predict itself at both of its ends more
//! often than elsewhere (binomial)?

mod law;

use crate::stats::binomial_sf;
pub use law::Wanted;

/// Distinct numbers from which a column has ends.
const VARIED: usize = 11;
/// An end at which more of the rows lie is where the column usually is.
const RARE: f64 = 0.15;
/// Rare ends that make a corner, in the order in which they are tried.
const CORNERS: [u32; 6] = [3, 4, 5, 6, 8, 12];
/// Rare ends of rows that are no corner, and from which nothing is learned either: what is planted may stop short of the third end.
const NEAR: u32 = 2;
/// Fewest rows of a corner.
const FEWEST: usize = 10;
/// Largest share of the rows that can be at two rare ends or more: there are laws only where most rows are elsewhere.
const MOST: f64 = 0.4;
/// Share of a corner that must be contradicted: most.
const CONTRADICTED: f64 = 0.5;
/// Share of the rare ends that a corner has to use, and of its rows that make an end used. Honest rows at three ends and more use up to
/// 58 % (connections of nsl_kdd), planted ones all.
const USED: f64 = 0.8;
const IN_USE: f64 = 0.05;
/// P-value above which a corner says nothing.
const PLAIN: f64 = 0.05;

/// One rare end of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Which column, by its place.
    pub column: usize,
    /// The smallest or the largest number.
    pub value: f64,
    /// Rows there.
    pub rows: Vec<u32>,
}

/// Where rows lie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// Rare ends, by column, the smallest number first.
    pub ends: Vec<End>,
    /// For each row, at how many of them it lies.
    pub count: Vec<u32>,
    /// For each row, the sum of the surprise of these (nats; minus the logarithm of the share of rows there).
    pub surprise: Vec<f32>,
}

/// The rare ends of columns of numbers, one number a row each; columns of fewer than 11 distinct numbers have none.
#[must_use]
pub fn ends(columns: &[&[f64]]) -> Ends {
    let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let mut out = Ends { ends: vec![], count: vec![0; rows], surprise: vec![0.0; rows] };
    for (column, values) in columns.iter().enumerate() {
        let Some((low, high)) = range(values) else { continue };
        for value in [low, high] {
            let at: Vec<u32> = (0..rows as u32).filter(|i| values[*i as usize] == value).collect();
            let share = at.len() as f64 / rows as f64;
            if at.is_empty() || share > RARE {
                continue;
            }
            for i in &at {
                out.count[*i as usize] += 1;
                out.surprise[*i as usize] -= share.ln() as f32;
            }
            out.ends.push(End { column, value, rows: at });
        }
    }
    out
}

impl Ends {
    /// The same of rows in another order; `order` holds the old place of each.
    #[must_use]
    pub fn in_order(&self, order: &[usize]) -> Self {
        let mut place = vec![u32::MAX; self.count.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new as u32);
        let moved = |end: &End| {
            let mut rows: Vec<u32> = end.rows.iter().map(|i| place[*i as usize]).collect();
            rows.sort_unstable();
            End { rows, ..*end }
        };
        Self {
            ends: self.ends.iter().map(moved).collect(),
            count: order.iter().map(|i| self.count[*i]).collect(),
            surprise: order.iter().map(|i| self.surprise[*i]).collect(),
        }
    }

    /// Share of the ends at which more than a few of the rows lie that are at `least` of them.
    fn used(&self, least: u32) -> f64 {
        let rows = self.count.iter().filter(|n| **n >= least).count() as f64;
        let here = |end: &&End| {
            let n = end.rows.iter().filter(|i| self.count[**i as usize] >= least).count();
            n as f64 >= IN_USE * rows
        };
        self.ends.iter().filter(here).count() as f64 / self.ends.len().max(1) as f64
    }
}

/// Least and greatest finite number, if there are enough distinct ones.
fn range(values: &[f64]) -> Option<(f64, f64)> {
    let mut distinct: Vec<f64> = vec![];
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in values.iter().filter(|v| v.is_finite()) {
        (low, high) = (low.min(*v), high.max(*v));
        if distinct.len() < VARIED && !distinct.contains(v) {
            distinct.push(*v);
        }
    }
    (distinct.len() >= VARIED).then_some((low, high))
}

/// Rows at corners that contradict the law of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Corner {
    /// At so many rare ends at least.
    pub ends: u32,
    /// Rows there, whose label or target is known.
    pub rows: u64,
    /// Those that the model of the other rows contradicts; where numbers lie at both of their ends, also those at an end; and rows at
    /// two ends, if most of these are contradicted. Ascending.
    pub members: Vec<u32>,
    /// Share of other rows that a model which did not see them contradicts.
    pub elsewhere: f64,
    /// Whether it is the numbers at both of their ends that say so, rather than labels that go against the predictions.
    pub at_both_ends: bool,
    /// Probability of so many contradictions, or of labels that go as much against the predictions or numbers that are as often at both
    /// ends, times two: the larger, times the corners tried.
    pub p_value: f64,
}

/// The widest corner of which most rows are contradicted beyond chance; `None` where there is none.
///
/// `x`: rows of `dim` numbers, in any order that does not depend on where rows stood: folds are drawn by place. `ends`: where these
/// rows lie.
#[must_use]
pub fn corner(x: &[f32], dim: usize, wanted: Wanted<'_>, ends: &Ends, seed: u64) -> Option<Corner> {
    let count = &ends.count;
    let rows = x.len().checked_div(dim)?.min(count.len()).min(wanted.len());
    let inside: Vec<usize> = (0..rows).filter(|&i| count[i] >= NEAR && wanted.known(i)).collect();
    let outside: Vec<usize> = (0..rows).filter(|&i| count[i] < NEAR && wanted.known(i)).collect();
    if inside.len() < FEWEST || inside.len() as f64 > MOST * (inside.len() + outside.len()) as f64 {
        return None;
    }
    let wide: Vec<u32> = CORNERS.into_iter().filter(|least| ends.used(*least) >= USED).collect();
    if wide.is_empty() {
        return None;
    }
    let judged = wanted.judge(&x[..rows * dim], dim, &inside, &outside, seed)?;
    let tried = CORNERS.iter().filter(|least| inside.iter().any(|i| count[*i] >= **least)).count();
    wide.iter().find_map(|least| {
        let here: Vec<usize> = (0..inside.len()).filter(|at| count[inside[*at]] >= *least).collect();
        let against: Vec<usize> = here.iter().copied().filter(|at| judged.contradicted[*at]).collect();
        let most = against.len() as f64 >= CONTRADICTED * here.len() as f64;
        if here.len() < FEWEST || !most {
            return None;
        }
        let many = binomial_sf(against.len() as u64, here.len() as u64, judged.elsewhere);
        let (opposed, both) = (judged.opposed(&here, seed), judged.both_ends(&here));
        let at_both_ends = both < opposed;
        let doubled = if judged.ends.is_some() { 2.0 } else { 1.0 };
        let p_value = (tried as f64 * many.max(doubled * opposed.min(both))).min(1.0);
        if p_value > PLAIN {
            return None;
        }
        let is_member = |at: &usize| judged.contradicted[*at] || at_both_ends && judged.is_at_end(*at);
        let mut members: Vec<u32> =
            here.iter().filter(|at| is_member(at)).map(|at| inside[*at] as u32).collect();
        if *least == CORNERS[0] {
            // rows short of the third end belong to it, if most of them are contradicted, too
            let near: Vec<usize> = (0..inside.len()).filter(|at| count[inside[*at]] == NEAR).collect();
            let more: Vec<usize> = near.iter().copied().filter(|at| judged.contradicted[*at]).collect();
            if more.len() as f64 >= CONTRADICTED * near.len() as f64 {
                members.extend(more.into_iter().map(|at| inside[at] as u32));
                members.sort_unstable();
            }
        }
        let (ends, rows, elsewhere) = (*least, here.len() as u64, judged.elsewhere);
        Some(Corner { ends, rows, members, elsewhere, at_both_ends, p_value })
    })
}

#[cfg(test)]
mod tests;
