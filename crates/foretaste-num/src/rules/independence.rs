//! Were values written into rows, or do they belong there?
//!
//! Values that belong to a row go with its other columns. Values that were written into rows leave the other columns as
//! those of the rows they were taken from. For a member i, over the columns d outside the rule:
//! `sum_d ln P(x_d | origin) - ln P(x_d | other members)`, where the origin are the rows of the other classes (a dirty label) or of
//! the class (a clean one), members left out. Members that are special in any way make it negative.

use super::{CodedColumn, Ratio};

/// Weight of the overall shares when those of the members are estimated.
const SMOOTH: f64 = 4.0;
/// Weight and standard deviation of a ratio before any is seen.
const PRIOR: (f64, f64) = (4.0, 3.0);

/// The ratios for origins in other classes and in the class. `members`: rows of the class that meet the rule.
pub(super) fn independence(
    columns: &[CodedColumn],
    labels: &[u32],
    classes: usize,
    rule: &[usize],
    members: &[u32],
    class: u32,
) -> (Ratio, Ratio) {
    let mut is_member = vec![false; labels.len()];
    members.iter().for_each(|m| is_member[*m as usize] = true);
    let mut ratios = vec![(0f64, 0f64); members.len()];
    for (_, column) in columns.iter().enumerate().filter(|(c, _)| !rule.contains(c)) {
        let (mut others, mut own, mut held) =
            (vec![0f64; column.bins], vec![0f64; column.bins], vec![0f64; column.bins]);
        for (i, &y) in labels.iter().enumerate().filter(|(_, y)| (**y as usize) < classes) {
            let bin = column.bin[i] as usize;
            if is_member[i] {
                held[bin] += 1.0;
            } else if y == class {
                own[bin] += 1.0;
            } else {
                others[bin] += 1.0;
            }
        }
        let (n_others, n_own) = (others.iter().sum::<f64>(), own.iter().sum::<f64>());
        let bins = column.bins as f64;
        let share = |counts: &[f64], n: f64, bin: usize| (counts[bin] + 0.5) / (n + 0.5 * bins);
        for (m, ratio) in members.iter().zip(&mut ratios) {
            let bin = column.bin[*m as usize] as usize;
            let all = (others[bin] + own[bin] + 0.5) / (n_others + n_own + 0.5 * bins);
            let among = (held[bin] - 1.0 + SMOOTH * all) / (members.len() as f64 - 1.0 + SMOOTH);
            ratio.0 += share(&others, n_others, bin).ln() - among.ln();
            ratio.1 += share(&own, n_own, bin).ln() - among.ln();
        }
    }
    let (from_others, from_class): (Vec<f64>, Vec<f64>) = ratios.into_iter().unzip();
    (mean(&from_others), mean(&from_class))
}

fn mean(values: &[f64]) -> Ratio {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let variance = (squares + PRIOR.0 * PRIOR.1.powi(2)) / (n + PRIOR.0 - 1.0);
    Ratio { mean, error: (variance / n).sqrt() }
}
