//! Thresholds, the confident joint, and its calibration.

use rayon::prelude::*;

use super::{ConfidentError, Prob, Table};

/// Rows per task: fixed, so that work is split alike on any number of threads.
pub(super) const ROWS: usize = 8192;
/// Slack of every comparison with a threshold or of the own class with the others.
pub(super) const SLACK: f64 = 1e-6;
/// Thresholds are never below this.
const FLOOR: f64 = 2e-6;
/// Threshold of a class without rows: no probability reaches it.
const NEVER: f64 = 2.0;

/// The row is predicted to be of another class, even with slack for its own.
pub(super) const MISFIT: u8 = 1;
/// The row is counted off the diagonal of the confident joint.
pub(super) const OFF_DIAGONAL: u8 = 2;
/// Another class is more probable than the own one, without slack.
pub(super) const OUTBID: u8 = 4;

/// Counts of given labels against confidently guessed ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfidentJoint {
    /// Number of classes.
    pub classes: usize,
    /// Rows per given label.
    pub label_counts: Vec<u64>,
    /// Per class, the mean probability of it among the rows labelled so; 2 for a class without rows.
    pub thresholds: Vec<f64>,
    /// `counts[k * classes + j]`: rows given k and confidently j, at least 1 on the diagonal.
    pub counts: Vec<u64>,
    /// The counts scaled so that row k sums to the number of rows labelled k, in whole numbers.
    pub calibrated: Vec<u64>,
    /// Rows counted off the diagonal.
    pub off_diagonal: u64,
    /// Those of them whose most probable class is not the given one: the estimated number of label issues.
    pub n_issues: u64,
}

impl ConfidentJoint {
    /// Estimated joint distribution of (given, true) labels; sums to 1, or all zero without rows.
    #[must_use]
    pub fn joint(&self) -> Vec<f64> {
        let total: u64 = self.calibrated.iter().sum();
        self.calibrated.iter().map(|&c| c as f64 / total.max(1) as f64).collect()
    }

    /// Estimated share of wrong labels: one minus the trace of the joint. Zero without rows.
    #[must_use]
    pub fn noise_rate(&self) -> f64 {
        let total: u64 = self.calibrated.iter().sum();
        let kept: u64 = (0..self.classes).map(|k| self.calibrated[k * self.classes + k]).sum();
        if total == 0 { 0.0 } else { 1.0 - kept as f64 / total as f64 }
    }

    /// Estimated P(given = k | true = j), at `k * classes + j`; zero where j is never true.
    #[must_use]
    pub fn noise_matrix(&self) -> Vec<f64> {
        let c = self.classes;
        let truth: Vec<u64> = (0..c).map(|j| (0..c).map(|k| self.calibrated[k * c + j]).sum()).collect();
        (0..c * c).map(|at| self.calibrated[at] as f64 / truth[at % c].max(1) as f64).collect()
    }
}

/// Row numbers grouped by given label, ascending inside each label.
pub(super) struct ByClass<T> {
    pub rows: Vec<u32>,
    /// The own probability of each row of `rows`.
    pub own: Vec<T>,
    /// `rows[starts[k]..starts[k + 1]]` are labelled k.
    pub starts: Vec<usize>,
}

impl<T: Prob> ByClass<T> {
    pub fn new(table: Table<'_, T>) -> Self {
        let mut starts = vec![0usize; table.classes + 1];
        for &y in table.labels {
            starts[y as usize + 1] += 1;
        }
        for k in 0..table.classes {
            starts[k + 1] += starts[k];
        }
        let mut at = starts.clone();
        let mut rows = vec![0u32; table.labels.len()];
        let mut own = vec![T::of(0.0); table.labels.len()];
        for (i, &y) in table.labels.iter().enumerate() {
            let slot = &mut at[y as usize];
            rows[*slot] = i as u32;
            own[*slot] = table.own(i);
            *slot += 1;
        }
        Self { rows, own, starts }
    }

    pub fn count(&self, k: usize) -> usize {
        self.starts[k + 1] - self.starts[k]
    }

    pub fn rows(&self, k: usize) -> &[u32] {
        &self.rows[self.starts[k]..self.starts[k + 1]]
    }

    pub fn own(&self, k: usize) -> &[T] {
        &self.own[self.starts[k]..self.starts[k + 1]]
    }

    /// Mean own probability per class, in the precision of the input.
    fn means(&self) -> Vec<T> {
        let floor = T::of(FLOOR);
        (0..self.starts.len() - 1)
            .map(|k| match self.own(k) {
                [] => T::of(NEVER),
                own => {
                    let mean = pairwise_sum(own) / T::of(own.len() as f64);
                    if mean < floor { floor } else { mean }
                }
            })
            .collect()
    }

    /// The smallest confident probability per class. A class without rows makes the peer's threshold vector
    /// double precision; the same comparison is made here.
    fn cuts(&self, means: &[T]) -> Vec<T> {
        let wide = (0..means.len()).any(|k| self.count(k) == 0);
        means.iter().map(|&m| if wide { T::at_least(m.wide() - SLACK) } else { m - T::of(SLACK) }).collect()
    }
}

/// Sum by halves with eight running sums in blocks of 128: numpy's order, so that means agree to the last bit.
fn pairwise_sum<T: Prob>(x: &[T]) -> T {
    let n = x.len();
    if n < 8 {
        return x.iter().fold(T::of(0.0), |s, &v| s + v);
    }
    if n > 128 {
        let half = n / 2 - (n / 2) % 8;
        return pairwise_sum(&x[..half]) + pairwise_sum(&x[half..]);
    }
    let mut r = [T::of(0.0); 8];
    r.copy_from_slice(&x[..8]);
    let mut blocks = x[8..].chunks_exact(8);
    for block in &mut blocks {
        for (s, &v) in r.iter_mut().zip(block) {
            *s = *s + v;
        }
    }
    let sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    blocks.remainder().iter().fold(sum, |s, &v| s + v)
}

/// What one look at a row's probabilities tells.
struct Look<T> {
    valid: bool,
    max: T,
    confident: u32,
}

/// Eight lanes at a time, so that the compiler can use vector registers.
fn look<T: Prob>(row: &[T], cuts: &[T]) -> Look<T> {
    const L: usize = 8;
    let (zero, one) = (T::of(0.0), T::of(1.0));
    let mut all = Look { valid: true, max: zero, confident: 0 };
    let (mut p_blocks, mut c_blocks) = (row.chunks_exact(L), cuts.chunks_exact(L));
    if row.len() >= L {
        let (mut max, mut good, mut confident) = ([zero; L], [1u32; L], [0u32; L]);
        for (p, c) in (&mut p_blocks).zip(&mut c_blocks) {
            for l in 0..L {
                max[l] = if p[l] > max[l] { p[l] } else { max[l] };
                confident[l] += u32::from(p[l] >= c[l]);
                good[l] &= u32::from(p[l] >= zero) & u32::from(p[l] <= one);
            }
        }
        for l in 0..L {
            all.max = if max[l] > all.max { max[l] } else { all.max };
            all.confident += confident[l];
            all.valid &= good[l] == 1;
        }
    }
    for (&p, &c) in p_blocks.remainder().iter().zip(c_blocks.remainder()) {
        all.max = if p > all.max { p } else { all.max };
        all.confident += u32::from(p >= c);
        all.valid &= p >= zero && p <= one;
    }
    all
}

/// First class for which the test holds. The caller knows that one exists.
fn first<T: Copy>(row: &[T], test: impl Fn(usize, T) -> bool) -> usize {
    row.iter().enumerate().position(|(j, &p)| test(j, p)).unwrap_or(0)
}

/// Is the given class not the first most probable one, when it gets the slack as a bonus?
fn misfit<T: Prob>(row: &[T], y: usize, max: T) -> bool {
    let own = row[y] + T::of(SLACK);
    max > own || (max >= own && row[..y].iter().any(|&p| p >= own))
}

/// Counts of one run of rows.
struct Tally {
    counts: Vec<u64>,
    off_diagonal: u64,
    n_issues: u64,
    /// First bad row.
    bad: Option<usize>,
}

impl Tally {
    fn new(classes: usize) -> Self {
        Self { counts: vec![0; classes * classes], off_diagonal: 0, n_issues: 0, bad: None }
    }

    /// Marks of row i; counts it.
    fn row<T: Prob>(&mut self, table: Table<'_, T>, cuts: &[T], i: usize) -> u8 {
        let (row, y) = (table.row(i), table.labels[i] as usize);
        let seen = look(row, cuts);
        if !seen.valid {
            self.bad = Some(self.bad.map_or(i, |b| b.min(i)));
            return 0;
        }
        let mut mark = 0;
        if seen.max > row[y] {
            mark |= OUTBID;
        }
        if misfit(row, y, seen.max) {
            mark |= MISFIT;
        }
        if seen.confident > 0 {
            let guess = if seen.confident == 1 {
                first(row, |j, p| p >= cuts[j])
            } else {
                first(row, |_, p| p >= seen.max)
            };
            self.counts[y * table.classes + guess] += 1;
            if guess != y {
                mark |= OFF_DIAGONAL;
                self.off_diagonal += 1;
                self.n_issues += u64::from(mark & MISFIT != 0);
            }
        }
        mark
    }

    fn merge(mut self, other: Self) -> Self {
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        self.off_diagonal += other.off_diagonal;
        self.n_issues += other.n_issues;
        self.bad = match (self.bad, other.bad) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }
}

/// The joint and the marks of every row, in one pass over the matrix.
pub(super) fn survey<T: Prob>(
    table: Table<'_, T>,
    by_class: &ByClass<T>,
) -> Result<(ConfidentJoint, Vec<u8>), ConfidentError> {
    let classes = table.classes;
    let means = by_class.means();
    let cuts = by_class.cuts(&means);
    let mut marks = vec![0u8; table.labels.len()];
    // whole numbers only, so the order of merging cannot matter
    let tally = marks
        .par_chunks_mut(ROWS)
        .enumerate()
        .fold(
            || Tally::new(classes),
            |mut tally, (c, out)| {
                for (o, mark) in out.iter_mut().enumerate() {
                    *mark = tally.row(table, &cuts, c * ROWS + o);
                }
                tally
            },
        )
        .reduce(|| Tally::new(classes), Tally::merge);
    if let Some(row) = tally.bad {
        let p = table.row(row);
        let class = first(p, |_, p| !(p >= T::of(0.0) && p <= T::of(1.0)));
        return Err(ConfidentError::Probability { row, class, value: p[class].wide() });
    }
    let mut counts = tally.counts;
    for k in 0..classes {
        counts[k * classes + k] = counts[k * classes + k].max(1);
    }
    let label_counts: Vec<u64> = (0..classes).map(|k| by_class.count(k) as u64).collect();
    let calibrated = calibrate(&counts, &label_counts);
    let joint = ConfidentJoint {
        classes,
        label_counts,
        thresholds: means.iter().map(|m| m.wide()).collect(),
        counts,
        calibrated,
        off_diagonal: tally.off_diagonal,
        n_issues: tally.n_issues,
    };
    Ok((joint, marks))
}

/// Scales row k to `label_counts[k]` and all to the number of rows, then rounds.
fn calibrate(counts: &[u64], label_counts: &[u64]) -> Vec<u64> {
    let classes = label_counts.len();
    let n: u64 = label_counts.iter().sum();
    let mut scaled = Vec::with_capacity(counts.len());
    for (row, &size) in counts.chunks_exact(classes).zip(label_counts) {
        let total: u64 = row.iter().sum();
        scaled.extend(row.iter().map(|&c| c as f64 / (total as f64).max(1e-10) * size as f64));
    }
    // by columns, the peer's order: a last bit here decides between fractions that are equal on paper
    let by_column: Vec<f64> =
        (0..scaled.len()).map(|t| scaled[t % classes * classes + t / classes]).collect();
    let total = pairwise_sum(&by_column);
    if total <= 0.0 {
        return vec![0; counts.len()];
    }
    for s in &mut scaled {
        *s = *s / total * n as f64;
    }
    scaled.chunks_exact(classes).flat_map(round_keeping_sum).collect()
}

/// Whole numbers near `row` with its rounded sum. Corrections go to the most wrongly rounded entries; among
/// equals, additions start from the last and subtractions from the first.
fn round_keeping_sum(row: &[f64]) -> Vec<u64> {
    let mut whole: Vec<i64> = row.iter().map(|x| x.round_ties_even() as i64).collect();
    let target = pairwise_sum(row).round_ties_even() as i64;
    let error = |whole: &[i64], at: usize| row[at] - whole[at] as f64;
    loop {
        let missing = target - whole.iter().sum::<i64>();
        if missing == 0 || row.is_empty() {
            break;
        }
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| error(&whole, a).total_cmp(&error(&whole, b)));
        if missing > 0 {
            order.reverse();
        }
        let many = usize::try_from(missing.unsigned_abs()).unwrap_or(usize::MAX).min(row.len());
        for &at in &order[..many] {
            whole[at] += missing.signum();
        }
    }
    whole.into_iter().map(|w| u64::try_from(w).unwrap_or(0)).collect()
}

/// Per class, the mean probability of it among the rows labelled so; 2 for a class without rows.
///
/// # Errors
/// As [`super::find_label_issues`], except that probabilities are not checked.
pub fn thresholds<T: Prob>(labels: &[u32], probs: &[T], classes: usize) -> Result<Vec<f64>, ConfidentError> {
    let by_class = ByClass::new(Table::new(labels, probs, classes)?);
    Ok(by_class.means().iter().map(|m| m.wide()).collect())
}

/// The confident joint of n labels and an n x classes matrix.
///
/// # Errors
/// As [`super::find_label_issues`].
pub fn confident_joint<T: Prob>(
    labels: &[u32],
    probs: &[T],
    classes: usize,
) -> Result<ConfidentJoint, ConfidentError> {
    let table = Table::new(labels, probs, classes)?;
    Ok(survey(table, &ByClass::new(table))?.0)
}
