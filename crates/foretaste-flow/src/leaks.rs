//! Columns that give the label away: a model that reads the answer cannot doubt it.
//!
//! Two kinds are looked for. One column whose every value belongs to one class (the label in other words, or a finer
//! label). Several number columns of which the largest names the class (votes of annotators, scores of a model), and
//! with them their total. Both must be right in nearly all rows, and far more often than the most frequent class is. Votes whose
//! total is there, too, are votes even if labels were changed behind them: they have to be right in half of the rows in
//! which the most frequent class is not.
//! A cut through a column of many different numbers is not looked for: an honest feature may part the classes so.

use crate::dataset::Dataset;
use crate::error::Result;
use arrow_array::{Array, ArrayRef};
use foretaste_core::{MISSING, Role, Strings, numbers};
use rayon::prelude::*;
use std::collections::HashMap;

/// Largest share of rows that a column which gives the label away may get wrong.
const WRONG: f64 = 0.005;
/// Largest share of what the most frequent class alone would get wrong: with rare classes, nearly every column is right
/// in nearly all rows.
const WRONG_OF_BASE: f64 = 0.05;
/// The same two for columns that are only noted.
const NOTED: [f64; 2] = [0.1, 0.2];
/// Largest share of what the most frequent class alone would get wrong, for votes whose total stands beside them.
const WRONG_OF_BASE_WITH_TOTAL: f64 = 0.5;
/// Fewest rows a value must stand in on average, so that values cannot name rows.
const ROWS_A_VALUE: u64 = 20;
/// Most different values of a column.
const VALUES: usize = 1_000;
/// Most classes for which a column each is looked for.
const CLASSES: usize = 50;
/// Fewest rows with a label: in fewer, agreement says little.
const ROWS: u64 = 100;

/// Columns that together give the label away.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// Positions of the columns.
    pub columns: Vec<usize>,
    /// Columns that are the sum of these.
    pub totals: Vec<usize>,
    /// Share of labelled rows in which they name the given class.
    pub right: f64,
    /// True if they are right so often that they are left out.
    pub sure: bool,
}

/// Looks for leaks among the features, in two passes over the data at most.
///
/// # Errors
/// If a file cannot be read.
pub fn find(dataset: &Dataset) -> Result<Vec<Leak>> {
    let labelled: u64 = dataset.class_counts.iter().sum();
    if dataset.classes.len() < 2 || labelled < ROWS {
        return Ok(vec![]);
    }
    let base = labelled - dataset.class_counts.first().copied().unwrap_or(0);
    let bound = |[of_all, of_base]: [f64; 2]| (labelled as f64 * of_all).min(base as f64 * of_base) as u64;
    let bounds = Bounds {
        labelled,
        sure: bound([WRONG, WRONG_OF_BASE]),
        noted: bound(NOTED),
        with_total: bound([1.0, WRONG_OF_BASE_WITH_TOTAL]),
    };
    let few = |i: usize| {
        let s = &dataset.stats[i];
        let n = s.values.len();
        !s.many && (2..=VALUES).contains(&n) && n as u64 * ROWS_A_VALUE <= s.rows
    };
    let mut columns: Vec<Tally> = dataset
        .positions(|r| r == Role::Feature)
        .into_iter()
        .filter(|&i| few(i))
        .map(|i| Tally::new(i, dataset))
        .collect();
    if columns.is_empty() {
        return Ok(vec![]);
    }
    for batch in dataset.batches()? {
        let batch = batch?;
        let Some(labels) = &batch.labels else { continue };
        columns.par_iter_mut().for_each(|c| c.fold(batch.records.column(c.at), labels, bounds.noted));
    }
    let mut leaks: Vec<Leak> =
        columns.iter().filter_map(|c| bounds.leak(vec![c.at], vec![], c.wrong)).collect();
    columns.retain(|c| c.wrong > bounds.sure && c.votes);
    let together = votes(dataset, &columns, &bounds)?;
    if let Some(votes) = together {
        leaks.retain(|l| l.sure || !votes.columns.contains(&l.columns[0]));
        leaks.push(votes);
    }
    Ok(leaks)
}

/// How many rows may be wrong.
struct Bounds {
    labelled: u64,
    sure: u64,
    noted: u64,
    with_total: u64,
}

impl Bounds {
    fn leak(&self, columns: Vec<usize>, totals: Vec<usize>, wrong: u64) -> Option<Leak> {
        let right = 1.0 - wrong as f64 / self.labelled.max(1) as f64;
        (wrong <= self.noted).then_some(Leak { columns, totals, right, sure: wrong <= self.sure })
    }
}

/// Takes the leaks out of what models read, unless the user named the column. Says what was done.
#[must_use]
pub fn set_aside(dataset: &mut Dataset, leaks: &[Leak]) -> Vec<String> {
    let mut notes = vec![];
    for leak in leaks {
        let all: Vec<usize> = leak.columns.iter().chain(&leak.totals).copied().collect();
        let given = |i: &usize| dataset.assigned[*i].reason == crate::roles::GIVEN;
        let (kept, left): (Vec<usize>, Vec<usize>) = all.iter().partition(|i| given(i));
        let names = |at: &[usize]| {
            at.iter().map(|i| format!("`{}`", dataset.schema.field(*i).name())).collect::<Vec<_>>().join(", ")
        };
        let what = match leak.columns.as_slice() {
            [one] => format!(
                "column {} alone tells the label in {} of the rows",
                names(&[*one]),
                percent(leak.right)
            ),
            many => format!(
                "columns {} tell the label together: the largest of them names the class in {} of the rows{}",
                names(many),
                percent(leak.right),
                if leak.totals.is_empty() {
                    String::new()
                } else {
                    format!(", and {} is their sum", names(&leak.totals))
                }
            ),
        };
        let first = left.first().map_or("NAME", |i| dataset.schema.field(*i).name());
        let (it, more) = if all.len() == 1 { ("it", "") } else { ("them", ", and so on") };
        let done = match (left.is_empty(), leak.sure) {
            (true, true) => format!("a model that reads {it} cannot doubt the label; read because you asked"),
            (true, false) => continue,
            (false, true) => {
                let stays =
                    if kept.is_empty() { String::new() } else { format!(" ({} stays)", names(&kept)) };
                format!(
                    "left out{stays}, because a model that reads the answer cannot doubt it; read {it} with --feature {first}{more}"
                )
            }
            (false, false) => format!(
                "read as features; if they are votes or another form of the label, leave {it} out with --ignore {first}{more}"
            ),
        };
        notes.push(format!("{what}: {done}"));
        if leak.sure {
            let reason = if all.len() == 1 { "it tells the label" } else { "with others it tells the label" };
            left.iter().for_each(|i| dataset.leave_out(*i, reason));
        }
    }
    notes
}

fn percent(share: f64) -> String {
    if share >= 1.0 { "all".into() } else { format!("{:.1} %", (share * 1000.0).floor() / 10.0) }
}

/// How often each value of a column meets each class.
struct Tally {
    at: usize,
    /// True for numbers that are never negative: these can be votes.
    votes: bool,
    cells: HashMap<(u64, u32), u64>,
    best: HashMap<u64, (u64, u64)>,
    /// Sum of the values and of their squares per class.
    sums: Vec<[f64; 2]>,
    given_up: bool,
    /// Rows whose class is not the most frequent one of their value, up to the batch in which it was given up.
    wrong: u64,
}

impl Tally {
    fn new(at: usize, dataset: &Dataset) -> Self {
        let s = &dataset.stats[at];
        Self {
            at,
            votes: s.range.is_some_and(|(low, _)| low >= 0.0),
            cells: HashMap::new(),
            best: HashMap::new(),
            sums: vec![[0.0; 2]; dataset.classes.len()],
            given_up: false,
            wrong: 0,
        }
    }

    fn fold(&mut self, column: &ArrayRef, labels: &[u32], most: u64) {
        let numeric = numbers(column);
        let strings = if numeric.is_none() { Some(Strings::new(column)) } else { None };
        for (row, &label) in labels.iter().enumerate() {
            if label == MISSING {
                continue;
            }
            let value = match (&numeric, &strings) {
                (Some(v), _) if v[row].is_finite() && column.is_valid(row) => {
                    if let Some([sum, squares]) = self.sums.get_mut(label as usize) {
                        *sum += v[row];
                        *squares += v[row] * v[row];
                    }
                    (v[row] + 0.0).to_bits()
                }
                (_, Some(s)) => s.get(row).map_or(u64::MAX, |s| xxhash_rust::xxh3::xxh3_64(s.as_bytes())),
                _ => u64::MAX,
            };
            if self.given_up {
                continue;
            }
            let n = self.cells.entry((value, label)).or_default();
            *n += 1;
            let (rows, best) = self.best.entry(value).or_default();
            self.wrong -= *rows - *best;
            *rows += 1;
            *best = (*best).max(*n);
            self.wrong += *rows - *best;
        }
        // more rows cannot make it better
        if self.wrong > most && !self.given_up {
            self.given_up = true;
            self.cells = HashMap::new();
            self.best = HashMap::new();
        }
    }
}

/// Number columns, one a class, of which the largest names the class.
fn votes(dataset: &Dataset, columns: &[Tally], bounds: &Bounds) -> Result<Option<Leak>> {
    let classes = dataset.classes.len();
    if classes > CLASSES || columns.len() < classes {
        return Ok(None);
    }
    let Some(chosen) = one_a_class(columns, &dataset.class_counts) else { return Ok(None) };
    let others: Vec<usize> = columns.iter().map(|c| c.at).filter(|at| !chosen.contains(at)).collect();
    let mut wrong = 0.0;
    let mut not_sum = vec![0u64; others.len()];
    for batch in dataset.batches()? {
        let batch = batch?;
        let Some(labels) = &batch.labels else { continue };
        let read = |at: &usize| numbers(batch.records.column(*at)).unwrap_or_default();
        let values: Vec<Vec<f64>> = chosen.iter().map(read).collect();
        let totals: Vec<Vec<f64>> = others.iter().map(read).collect();
        for (row, &label) in labels.iter().enumerate().filter(|(_, l)| **l != MISSING) {
            let cell = |v: &Vec<f64>| v.get(row).copied().filter(|v| v.is_finite()).unwrap_or(0.0);
            let top = values.iter().map(cell).fold(f64::NEG_INFINITY, f64::max);
            let tied = values.iter().filter(|v| cell(v) >= top).count();
            let hit = values.get(label as usize).is_some_and(|v| cell(v) >= top);
            // a tie names the class by chance
            wrong += if hit { 1.0 - 1.0 / tied.max(1) as f64 } else { 1.0 };
            let sum: f64 = values.iter().map(cell).sum();
            for (n, t) in not_sum.iter_mut().zip(&totals) {
                *n += u64::from((cell(t) - sum).abs() > 1e-9 * sum.abs().max(1.0));
            }
        }
        if wrong > bounds.with_total as f64 {
            return Ok(None);
        }
    }
    let totals: Vec<usize> =
        others.iter().zip(&not_sum).filter(|(_, n)| **n <= bounds.sure).map(|(at, _)| *at).collect();
    let has_total = !totals.is_empty();
    let wrong = wrong.ceil() as u64;
    let noted = if has_total { bounds.with_total } else { bounds.noted };
    let bounds = Bounds { noted, sure: if has_total { noted } else { bounds.sure }, ..*bounds };
    Ok(bounds.leak(chosen, totals, wrong))
}

/// For each class the column that is larger in it than elsewhere, the clearest pair first.
fn one_a_class(columns: &[Tally], class_counts: &[u64]) -> Option<Vec<usize>> {
    let n: f64 = class_counts.iter().map(|c| *c as f64).sum();
    let mut pairs = vec![];
    for (c, column) in columns.iter().enumerate() {
        let total: f64 = column.sums.iter().map(|s| s[0]).sum();
        let squares: f64 = column.sums.iter().map(|s| s[1]).sum();
        let deviation = (squares / n - (total / n).powi(2)).max(1e-12).sqrt();
        for (class, &rows) in class_counts.iter().enumerate() {
            let (inside, outside) = (rows as f64, n - rows as f64);
            let gap =
                column.sums[class][0] / inside.max(1.0) - (total - column.sums[class][0]) / outside.max(1.0);
            if gap > 0.0 {
                pairs.push((gap / deviation, c, class));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut chosen = vec![None; class_counts.len()];
    let mut taken = vec![false; columns.len()];
    for (_, c, class) in pairs {
        if chosen[class].is_none() && !taken[c] {
            chosen[class] = Some(columns[c].at);
            taken[c] = true;
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_formats::OpenOptions;

    /// Opens a table and gives the names of each sure leak's columns and totals.
    fn leaks(header: &str, rows: impl Iterator<Item = String>) -> Vec<(Vec<String>, Vec<String>)> {
        all(header, rows).into_iter().filter(|l| l.2).map(|l| (l.0, l.1)).collect()
    }

    fn all(header: &str, rows: impl Iterator<Item = String>) -> Vec<(Vec<String>, Vec<String>, bool)> {
        let folder = std::env::temp_dir().join(format!("foretaste-leaks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{:x}.csv", xxhash_rust::xxh3::xxh3_64(header.as_bytes())));
        std::fs::write(&path, format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n"))).unwrap();
        let given = [("label".to_owned(), Role::Label)].into();
        let input = path.to_string_lossy().into_owned();
        let dataset = Dataset::open(&[input], &OpenOptions::default(), &given, 1 << 30, &|_| {}).unwrap();
        let names = |at: &Vec<usize>| at.iter().map(|i| dataset.schema.field(*i).name().clone()).collect();
        find(&dataset).unwrap().iter().map(|l| (names(&l.columns), names(&l.totals), l.sure)).collect()
    }

    fn words(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_finer_label_is_a_leak_and_a_strong_feature_is_none() {
        let strong = |i: usize| i.is_multiple_of(3) != (i % 50 == 1); // right in 98 % of rows
        let row =
            |i: usize| format!("v{},{},{}", i % 6, strong(i), if i.is_multiple_of(3) { "yes" } else { "no" });
        assert_eq!(leaks("fine,strong,label", (0..600).map(row)), [(words(&["fine"]), vec![])]);
    }

    #[test]
    fn votes_are_found_with_their_sum() {
        let row = |i: usize| {
            let mut v = [i % 2, (i / 2) % 2, (i / 4) % 2];
            let class = (i * 7 / 3) % 3;
            v[class] += 2;
            format!("{},{},{},{},{},{class}", v.iter().sum::<usize>(), v[2], v[0], v[1], i % 5)
        };
        let found = leaks("n,two,zero,one,other,label", (0..900).map(row));
        assert_eq!(found.len(), 1);
        let mut columns = found[0].0.clone();
        columns.sort();
        assert_eq!((columns, &found[0].1), (words(&["one", "two", "zero"]), &words(&["n"])));
    }

    #[test]
    fn votes_with_their_sum_are_found_behind_changed_labels() {
        let row = |i: usize| {
            let class = (i * 7 / 3) % 3;
            let mut v = [i % 2, (i / 2) % 2, (i / 4) % 2];
            v[class] += 2;
            let given = if i.is_multiple_of(20) { (class + 1) % 3 } else { class };
            format!("{},{},{},{},{given}", v.iter().sum::<usize>(), v[2], v[0], v[1])
        };
        let found = leaks("n,second,zero,one,label", (0..900).map(row));
        assert_eq!((found.len(), found[0].1.clone()), (1, words(&["n"])));
    }

    #[test]
    fn votes_that_some_labels_contradict_are_noted_only() {
        let row = |i: usize| {
            let (yes, no) = if i.is_multiple_of(3) { (2, 1) } else { (0, 3) };
            format!("{yes},{no},{}", if i.is_multiple_of(3) != i.is_multiple_of(20) { "yes" } else { "no" })
        };
        let found = all("for,against,label", (0..900).map(row));
        assert!(!found.is_empty() && found.iter().all(|l| !l.2), "{found:?}");
    }

    #[test]
    fn a_rare_class_does_not_make_every_column_a_leak() {
        let row =
            |i: usize| format!("{},{},{}", i % 2, i % 7, if i.is_multiple_of(300) { "yes" } else { "no" });
        assert!(leaks("a,b,label", (0..3000).map(row)).is_empty());
    }

    #[test]
    fn values_that_name_rows_are_no_leak() {
        let row = |i: usize| format!("k{},{}", i / 3, i / 3 % 2);
        assert!(leaks("key,label", (0..900).map(row)).is_empty());
    }
}
