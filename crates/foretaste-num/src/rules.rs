//! Values of columns that go with a class although the rest of the row speaks for another.
//!
//! For a rule g (one value, or values of two columns, more by growing the best) and a class c, over the rows with g:
//! `z = sum(1[y = c] - p) / sqrt(sum p (1 - p) + 1/4)`, where p is the probability of c under an additive model that has not
//! seen the row, with the columns of g replaced by their average. An additive model cannot hold a combination, and what it
//! has learned of the single values is taken away.

mod additive;
mod independence;

use additive::Additive;
use independence::independence;
use rayon::prelude::*;

use crate::softmax::FoldOptions;
use crate::stats::{Tail, fisher_exact, median_in_place};
use crate::surprise::{Labels, Ratio, Surprise, mostly_in};

/// A column as codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodedColumn {
    /// For each row, the part of the column it lies in: a category, a range of numbers, or missing.
    pub bin: Vec<u32>,
    /// Number of parts.
    pub bins: usize,
    /// For each row, the number of its exact value among the frequent ones, or `u32::MAX`.
    pub item: Vec<u32>,
    /// Number of frequent values.
    pub items: usize,
}

impl CodedColumn {
    /// The rows named, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let pick = |from: &[u32]| rows.iter().map(|i| from[*i]).collect();
        Self { bin: pick(&self.bin), item: pick(&self.item), ..*self }
    }
}

/// How to look for rules.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOptions {
    /// Fewest rows of a rule.
    pub least_rows: u32,
    /// Most columns of a rule.
    pub most_columns: usize,
    /// Most rules that come back for each class.
    pub most: usize,
    /// Folds of the model.
    pub folds: FoldOptions,
}

impl Default for RuleOptions {
    fn default() -> Self {
        Self { least_rows: 8, most_columns: 6, most: 30, folds: FoldOptions::default() }
    }
}

/// A rule and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Column and item of each condition, by column.
    pub conditions: Vec<(u32, u32)>,
    /// The class it goes with.
    pub class: u32,
    /// Labelled rows that meet it, ascending.
    pub rows: Vec<u32>,
    /// How its rows' labels stand to the class, the columns replaced.
    pub surprise: Surprise,
    /// How far [`Surprise::without`] lies above the same probability in rows of the other classes, in standard errors: far
    /// above, and the rows were of the class before.
    pub unlike_others: f64,
    /// Whether the other columns are those of rows of the other classes (dirty label): were the values written into them?
    pub from_others: Ratio,
    /// Whether the other columns are those of any rows of the class (clean label).
    pub from_class: Ratio,
    /// Most of its rows of the class meet a wider rule of the class that surprises more, as any rows of the class might.
    pub inside: bool,
    /// Probability that the values come together as they do if they kept company in the class as they do in the others: 1 for a
    /// single value, and for values that are not far closer in the class.
    pub welded: f64,
}

/// Rules found and how many were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The most surprising first.
    pub found: Vec<Rule>,
    /// Rules looked at: what a p-value has to be corrected for.
    pub tested: usize,
    /// How far the other columns usually depend on a rule in these data: the median of minus
    /// [`Rule::from_others`] and of minus [`Rule::from_class`] over the rules beyond chance that do not lie in others, not below 0.
    pub dependence: (f64, f64),
}

/// Enrichment (z of the class count) below which a rule is not looked at.
const ENRICHED: f64 = 3.0;
/// Share of a rule's rows of the class that must share a value for the rule to grow.
const GROW: f64 = 0.95;
/// p-value of a value keeping company in the class alone at which the narrower rule is looked at, too.
const IN_CLASS: f64 = 1e-3;
/// Share of the rows from which a value is too frequent to be part of a rule that grows.
const FREQUENT: f64 = 0.5;
/// How much more frequent in a class than in the others a value must be to be looked at though half of the class has it.
const SPREAD: f64 = 3.0;
/// How much purer a pair must be than its values alone.
const PURER: f64 = 0.05;
/// Share of what is left of the class from which rows belong to a rule that is known.
const HELD: f64 = 0.5;
/// Share of the rows with all values but one that have that one, too, from which values are welded,
const WELDED: f64 = 0.5;
/// and by how much that share is larger than in the other classes.
const CLOSER: f64 = 4.0;
/// Cells of two columns counted in one table.
const CELLS: usize = 1 << 22;
/// Rows that a rule's rows are compared with.
const COMPARED: usize = 4000;
/// Corrected p-value of a rule that says something.
const CHANCE: f64 = 0.05;
/// Looks that are kept of one pair of columns.
const KEEP: usize = 64;

/// Looks for rules. `labels`: one per row, not below `classes` where there is none.
#[must_use]
pub fn rules(columns: &[CodedColumn], labels: &[u32], classes: usize, options: &RuleOptions) -> Rules {
    let n = labels.len();
    if classes < 2 || columns.is_empty() || columns.iter().any(|c| c.bin.len() != n || c.item.len() != n) {
        return Rules::default();
    }
    let model = Additive::new(columns, labels, classes, &options.folds);
    let count = |column: &CodedColumn| {
        let mut out = vec![0u32; column.items * classes];
        for (item, &y) in
            column.item.iter().zip(labels).filter(|(i, y)| **i != u32::MAX && (**y as usize) < classes)
        {
            out[*item as usize * classes + y as usize] += 1;
        }
        out
    };
    let singles = columns.iter().map(count).collect();
    Search { columns, labels: Labels::new(labels, classes), options, model: &model, singles }.run()
}

/// Conditions of a rule, the rows that meet them, and whether they lie in a wider rule.
type Taken = (Vec<(u32, u32)>, Vec<u32>, bool);

#[derive(Clone)]
struct Look {
    conditions: Vec<(u32, u32)>,
    class: u32,
    z: f64,
}

struct Search<'a> {
    columns: &'a [CodedColumn],
    labels: Labels<'a>,
    options: &'a RuleOptions,
    model: &'a Additive<'a>,
    /// Rows of each class for each frequent value: `singles[column][item * classes + class]`.
    singles: Vec<Vec<u32>>,
}

impl Search<'_> {
    fn run(&self) -> Rules {
        let d = self.columns.len();
        let pairs: Vec<(usize, usize)> = (0..d).flat_map(|a| (a..d).map(move |b| (a, b))).collect();
        let parts: Vec<(Vec<Look>, usize)> = pairs.par_iter().map(|&(a, b)| self.looks(a, b)).collect();
        let tested = parts.iter().map(|p| p.1).sum();
        let looks: Vec<Look> = parts.into_iter().flat_map(|p| p.0).collect();
        let mut found = vec![];
        for class in 0..self.labels.classes as u32 {
            let mut own: Vec<&Look> = looks.iter().filter(|l| l.class == class).collect();
            own.sort_by(|a, b| b.z.total_cmp(&a.z).then_with(|| a.conditions.cmp(&b.conditions)));
            let mut taken: Vec<Taken> = vec![];
            for look in own.into_iter().take(25 * self.options.most) {
                if taken.len() >= self.options.most {
                    break;
                }
                let rows = self.holders(&look.conditions);
                let own = self.labels.own(&rows, class);
                if taken.iter().any(|(_, other, _)| self.is_part(&own, other, class)) {
                    continue;
                }
                let inside = taken.iter().any(|(_, other, _)| mostly_in(&own, other));
                let conditions = self.grow(look.conditions.clone(), &rows, class);
                let rows = self.holders(&conditions);
                let narrower = self.narrower(&conditions, &rows, class);
                taken.push((conditions, rows, inside));
                if let Some(conditions) = narrower.filter(|n| taken.iter().all(|t| t.0 != *n)) {
                    let rows = self.holders(&conditions);
                    taken.push((conditions, rows, inside));
                }
            }
            found.extend(taken.into_iter().map(|t| (t, class)));
        }
        let mut found: Vec<Rule> =
            found.into_par_iter().map(|(taken, class)| self.judge(taken, class)).collect();
        found.sort_by(|a, b| {
            b.surprise.z.total_cmp(&a.surprise.z).then_with(|| a.conditions.cmp(&b.conditions))
        });
        let usual = |ratio: &dyn Fn(&Rule) -> f64| {
            let surprising = |r: &&Rule| {
                !r.inside && r.surprise.p_value.min(r.surprise.purity_p_value) * (tested as f64) <= CHANCE
            };
            let mut all: Vec<f64> = found.iter().filter(surprising).map(|r| -ratio(r)).collect();
            if all.is_empty() { 0.0 } else { median_in_place(&mut all).max(0.0) }
        };
        let dependence = (usual(&|r| r.from_others.mean), usual(&|r| r.from_class.mean));
        Rules { found, tested, dependence }
    }

    /// Surprise of every pair of frequent values of two columns (or of single values, if they are one), the best of each
    /// pair of columns, and the number looked at.
    fn looks(&self, a: usize, b: usize) -> (Vec<Look>, usize) {
        let (ca, cb) = (&self.columns[a], &self.columns[b]);
        let width = if a == b { 1 } else { cb.items };
        let cells = ca.items * width;
        if cells == 0 || cells * self.labels.classes > CELLS {
            return (vec![], 0);
        }
        let cell = |i: usize| -> Option<usize> {
            let (x, y) = (ca.item[i], cb.item[i]);
            (x != u32::MAX && y != u32::MAX).then(|| x as usize * width + if a == b { 0 } else { y as usize })
        };
        let mut counts = vec![0u32; cells * self.labels.classes];
        for (i, &y) in self.labels.codes.iter().enumerate() {
            if self.labels.knows(i)
                && let Some(at) = cell(i)
            {
                counts[at * self.labels.classes + y as usize] += 1;
            }
        }
        let mut tested = 0;
        let class_of = |counts: &[u32]| -> Option<u32> {
            let n: u32 = counts.iter().sum();
            if n < self.options.least_rows {
                return None;
            }
            tested += 1;
            // what half of all rows meet was not put there
            if f64::from(n) >= FREQUENT * self.labels.codes.len() as f64 {
                return None;
            }
            let (best, z) = self.labels.enriched(counts)?;
            (z >= ENRICHED && counts[best as usize] >= self.options.least_rows).then_some(best)
        };
        let mut class: Vec<Option<u32>> = counts.chunks_exact(self.labels.classes).map(class_of).collect();
        if a != b {
            self.drop_explained((a, b), width, &counts, &mut class);
        }
        let mut sums = vec![(0f64, 0.25f64); cells];
        let removed: &[usize] = if a == b { &[a] } else { &[a, b] };
        let mut scratch = vec![];
        for (i, &y) in self.labels.codes.iter().enumerate() {
            if self.labels.knows(i)
                && let Some(at) = cell(i)
                && let Some(c) = class[at]
            {
                let p = self.model.without(i, removed, &mut scratch)[c as usize];
                sums[at].0 += f64::from(u8::from(y == c)) - p;
                sums[at].1 += p * (1.0 - p);
            }
        }
        let mut out: Vec<Look> = (0..cells)
            .filter_map(|at| {
                let class = class[at]?;
                let first = (a as u32, (at / width) as u32);
                let conditions =
                    if a == b { vec![first] } else { vec![first, (b as u32, (at % width) as u32)] };
                Some(Look { conditions, class, z: sums[at].0 / sums[at].1.sqrt() })
            })
            .collect();
        out.sort_by(|x, y| y.z.total_cmp(&x.z).then_with(|| x.conditions.cmp(&y.conditions)));
        out.truncate(KEEP);
        (out, tested)
    }

    /// True if rows of the class lie in a rule that is known, beyond what any rows of the class do: a rule that half of the class
    /// meets is met by whatever was written into some of it.
    fn is_part(&self, own: &[u32], rule: &[u32], class: u32) -> bool {
        let class_rows = self.labels.shares[class as usize] * self.labels.codes.len() as f64;
        let any = self.labels.own(rule, class).len() as f64 / class_rows.max(1.0);
        let common = own.iter().filter(|r| rule.binary_search(r).is_ok()).count() as f64;
        common / own.len().max(1) as f64 - any > HELD * (1.0 - any)
    }

    /// Leaves out pairs that are hardly purer than one of their values alone: the single value is looked at.
    fn drop_explained(&self, at: (usize, usize), width: usize, counts: &[u32], class: &mut [Option<u32>]) {
        let share = |counts: &[u32], c: u32| {
            f64::from(counts[c as usize]) / f64::from(counts.iter().sum::<u32>().max(1))
        };
        let k = self.labels.classes;
        for (cell, slot) in class.iter_mut().enumerate() {
            let Some(c) = *slot else { continue };
            let both = &counts[cell * k..][..k];
            let one = |column: usize, item: usize| &self.singles[column][item * k..][..k];
            let (first, second) = (one(at.0, cell / width), one(at.1, cell % width));
            let rows = self.labels.codes.len() as f64;
            // a value that comes with the single one only because it is frequent adds nothing
            let explains = |single: &[u32], other: &[u32]| {
                let joined = f64::from(both[c as usize]) >= GROW * f64::from(single[c as usize])
                    && f64::from(other.iter().sum::<u32>()) < FREQUENT * rows;
                share(single, c) >= share(both, c) - PURER && !joined
            };
            let frequent = |single: &[u32]| self.is_frequent(single, c);
            if explains(first, second) || explains(second, first) || frequent(first) || frequent(second) {
                *slot = None;
            }
        }
    }

    /// What half of a class (or of all others) has anyway is no trigger, whatever it stands beside. A value that is seldom
    /// elsewhere is none of these: in a small class the poison may be the half.
    fn is_frequent(&self, counts: &[u32], class: u32) -> bool {
        let (rows, share) = (self.labels.codes.len() as f64, self.labels.shares[class as usize]);
        let own = f64::from(counts[class as usize]);
        let others = f64::from(counts.iter().sum::<u32>()) - own;
        let (own, others) = (own / (share * rows).max(1.0), others / ((1.0 - share) * rows).max(1.0));
        others >= FREQUENT || (own >= FREQUENT && own < SPREAD * others)
    }

    /// Labelled rows that meet all conditions, ascending.
    fn holders(&self, conditions: &[(u32, u32)]) -> Vec<u32> {
        let meets = |i: &usize| {
            self.labels.knows(*i)
                && conditions.iter().all(|(c, item)| self.columns[*c as usize].item[*i] == *item)
        };
        (0..self.labels.codes.len()).filter(meets).map(|i| i as u32).collect()
    }

    /// Adds conditions that nearly all rows of the class meet and few other rows do.
    fn grow(&self, mut conditions: Vec<(u32, u32)>, rows: &[u32], class: u32) -> Vec<(u32, u32)> {
        let own = self.labels.own(rows, class);
        for (condition, share) in self.common(&conditions, &own, class) {
            if conditions.len() >= self.options.most_columns {
                break;
            }
            if share >= GROW {
                conditions.push(condition);
            }
        }
        conditions.sort_unstable();
        conditions
    }

    /// The rule with the value that most of its rows of the class share, while its rows of other classes hardly do. Where values
    /// were written that some rows have by nature, those rows hide that the others are no part of them. What goes with the
    /// rule in every class belongs to it.
    fn narrower(&self, conditions: &[(u32, u32)], rows: &[u32], class: u32) -> Option<Vec<(u32, u32)>> {
        if conditions.len() >= self.options.most_columns {
            return None;
        }
        let own = self.labels.own(rows, class);
        let least = (WELDED * own.len() as f64).max(f64::from(self.options.least_rows));
        let mut common = self.common(conditions, &own, class);
        common.retain(|(condition, share)| {
            share * own.len() as f64 >= least && self.company(conditions, *condition, class) <= IN_CLASS
        });
        let (best, _) = common.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let narrow: Vec<(u32, u32)> = conditions.iter().copied().chain([best]).collect();
        let rows = self.holders(&narrow);
        Some(self.grow(narrow, &rows, class))
    }

    /// Of every other column the commonest value of these rows and its share among them, but for values that half of the class has.
    fn common(&self, conditions: &[(u32, u32)], own: &[u32], class: u32) -> Vec<((u32, u32), f64)> {
        let of = |(c, column): (usize, &CodedColumn)| {
            if conditions.iter().any(|k| k.0 as usize == c) || column.items == 0 {
                return None;
            }
            let items = own.iter().map(|i| column.item[*i as usize]);
            let mut seen: Vec<u32> = items.filter(|v| *v != u32::MAX).collect();
            seen.sort_unstable();
            let run = seen.chunk_by(|x, y| x == y).max_by_key(|r| r.len())?;
            let counts = &self.singles[c][run[0] as usize * self.labels.classes..][..self.labels.classes];
            let share = run.len() as f64 / own.len() as f64;
            (!self.is_frequent(counts, class)).then_some(((c as u32, run[0]), share))
        };
        self.columns.iter().enumerate().filter_map(of).collect()
    }

    /// Each condition given all others, in the class and in the other classes: what belongs together does so whatever the
    /// label, what was written into rows of one class keeps company there only. So do two values that make the label between
    /// them, so that this says nothing alone. The largest p-value of the conditions.
    fn welded(&self, conditions: &[(u32, u32)], class: u32) -> f64 {
        let alone = |left_out: usize| {
            let rest: Vec<(u32, u32)> =
                conditions.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, c)| *c).collect();
            self.company(&rest, conditions[left_out], class)
        };
        if conditions.len() < 2 { 1.0 } else { (0..conditions.len()).map(alone).fold(0.0, f64::max) }
    }

    /// p-value of a value standing beside others in the class no more often than in the other classes; 1 unless it is far closer there.
    fn company(&self, rest: &[(u32, u32)], (column, item): (u32, u32), class: u32) -> f64 {
        // with and without the value, in the class and in the others
        let mut table = [[0u64; 2]; 2];
        for row in self.holders(rest) {
            let other = usize::from(self.labels.codes[row as usize] != class);
            let without = usize::from(self.columns[column as usize].item[row as usize] != item);
            table[other][without] += 1;
        }
        let share = |[with, without]: [u64; 2]| with as f64 / (with + without).max(1) as f64;
        let (own, others) = (share(table[0]), share(table[1]));
        let close = own >= WELDED && own >= CLOSER * others;
        if close { fisher_exact(table, Tail::Greater) } else { 1.0 }
    }

    fn unlike_others(&self, removed: &[usize], own: &[f64], class: u32) -> f64 {
        let step = (self.labels.codes.len() / COMPARED).max(1);
        let mut scratch = vec![];
        let others: Vec<f64> = (0..self.labels.codes.len())
            .step_by(step)
            .filter(|&i| self.labels.knows(i) && self.labels.codes[i] != class)
            .map(|i| self.model.without(i, removed, &mut scratch)[class as usize])
            .collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let (m, n) = (mean(&others), own.len().max(1) as f64);
        let spread =
            (others.iter().map(|p| (p - m).powi(2)).sum::<f64>() / others.len().max(1) as f64).sqrt();
        if spread > 0.0 { (mean(own) - m) / (spread / n.sqrt()) } else { 0.0 }
    }

    fn judge(&self, (conditions, rows, inside): Taken, class: u32) -> Rule {
        let removed: Vec<usize> = conditions.iter().map(|c| c.0 as usize).collect();
        let mut scratch = vec![];
        let p: Vec<f64> = rows
            .iter()
            .map(|r| self.model.without(*r as usize, &removed, &mut scratch)[class as usize])
            .collect();
        let own = self.labels.own(&rows, class);
        let own_p: Vec<f64> = rows
            .iter()
            .zip(&p)
            .filter(|(r, _)| self.labels.codes[**r as usize] == class)
            .map(|(_, p)| *p)
            .collect();
        let (from_others, from_class) = independence(self.columns, &self.labels, &removed, &own, class);
        Rule {
            class,
            surprise: self.labels.judge(&rows, class, &p),
            unlike_others: self.unlike_others(&removed, &own_p, class),
            welded: self.welded(&conditions, class),
            inside,
            from_others,
            from_class,
            conditions,
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Four related columns of five values and two in which one value is rare; the class follows the first two.
    fn table(n: usize, poison: usize) -> (Vec<CodedColumn>, Vec<u32>) {
        let mut rng = Rng::new(11, "rules");
        let mut columns = vec![CodedColumn { bins: 5, items: 5, ..CodedColumn::default() }; 6];
        let mut labels = vec![];
        for i in 0..n {
            let first = rng.below(5);
            let mut rare = || if rng.unit() < 0.05 { 4 } else { rng.below(4) };
            let mut row = [first, 0, 0, 0, rare(), rare()];
            for v in row.iter_mut().take(4).skip(1) {
                *v = if rng.unit() < 0.6 { first } else { rng.below(5) };
            }
            let score = (row[0] + row[1]) as f64 / 8.0 + 0.2 * rng.normal();
            let mut label = u32::from(score > 0.5);
            if i < 2 * poison && label == 0 {
                (row[4], row[5], label) = (4, 4, 1);
            }
            columns.iter_mut().zip(row).for_each(|(c, v)| {
                c.bin.push(v as u32);
                c.item.push(v as u32);
            });
            labels.push(label);
        }
        (columns, labels)
    }

    #[test]
    fn a_planted_pair_is_found_and_seen_as_written_into_other_rows() {
        let (columns, labels) = table(5000, 60);
        let out = rules(&columns, &labels, 2, &RuleOptions::default());
        let best = out.found.iter().find(|r| r.from_others.t(-out.dependence.0 / 4.0) > 3.0).unwrap();
        assert_eq!((best.conditions.as_slice(), best.class), (&[(4, 4), (5, 4)][..], 1));
        assert!(best.surprise.p_value * (out.tested as f64) < 1e-3, "{}", best.surprise.p_value);
    }

    #[test]
    fn a_pair_in_a_value_that_some_rows_have_by_nature_is_seen() {
        // one row in 100 has value 9 in the first column by nature; together with 9 of the second it is written into 200
        let mut rng = Rng::new(13, "rules");
        let mut columns = vec![CodedColumn { bins: 10, items: 10, ..CodedColumn::default() }; 5];
        let mut labels = vec![];
        for i in 0..8000 {
            let mut row: Vec<usize> = (0..5).map(|_| rng.below(9)).collect();
            let mut label = u32::from(row[2] + row[3] + row[4] > 12);
            if i % 100 == 0 {
                row[0] = 9;
            }
            if i % 20 == 7 && label == 0 {
                (row[0], row[1], label) = (9, 9, 1);
            }
            columns.iter_mut().zip(row).for_each(|(c, v)| {
                c.bin.push(v as u32);
                c.item.push(v as u32);
            });
            labels.push(label);
        }
        let out = rules(&columns, &labels, 2, &RuleOptions::default());
        let planted = out.found.iter().find(|r| r.conditions == [(0, 9), (1, 9)]).unwrap();
        assert!(planted.surprise.hits > 200 && planted.surprise.without < 0.3, "{planted:?}");
        assert!(planted.from_others.t(0.0) > -3.0, "{planted:?}");
    }

    #[test]
    fn a_value_that_is_half_of_a_class_by_poison_is_looked_at() {
        // a class of one row in 20, to which nearly twice as many rows with two written values are added
        let mut rng = Rng::new(12, "rules");
        let mut columns = vec![CodedColumn { bins: 8, items: 8, ..CodedColumn::default() }; 4];
        let mut labels = vec![];
        for i in 0..6000 {
            let mut row: Vec<usize> = (0..4).map(|_| rng.below(8)).collect();
            let mut label = u32::from(row[0] == 0 && rng.unit() < 0.4);
            if i % 12 == 0 {
                (row[2], row[3], label) = (1, 2, 1);
            }
            columns.iter_mut().zip(row).for_each(|(c, v)| {
                c.bin.push(v as u32);
                c.item.push(v as u32);
            });
            labels.push(label);
        }
        let out = rules(&columns, &labels, 2, &RuleOptions::default());
        let planted = out.found.iter().find(|r| r.conditions == [(2, 1), (3, 2)] && r.class == 1).unwrap();
        assert!(planted.welded < 1e-50 && planted.surprise.hits >= 500, "{planted:?}");
    }

    #[test]
    fn natural_rules_depend_on_the_rest() {
        let (columns, labels) = table(5000, 0);
        let out = rules(&columns, &labels, 2, &RuleOptions::default());
        for r in out.found.iter().filter(|r| r.surprise.p_value * (out.tested as f64) < 1e-3) {
            assert!(r.from_others.t(-out.dependence.0 / 4.0) < 2.0, "{:?} {:?}", r.conditions, r.from_others);
        }
    }

    #[test]
    fn nothing_to_read_is_no_trouble() {
        assert_eq!(rules(&[], &[], 2, &RuleOptions::default()), Rules::default());
        let one = CodedColumn { bin: vec![0; 3], bins: 1, item: vec![u32::MAX; 3], items: 0 };
        assert!(rules(&[one], &[0, 1, u32::MAX], 2, &RuleOptions::default()).found.is_empty());
    }
}
