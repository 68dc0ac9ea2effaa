//! Were values written into rows, or do they belong there?
//!
//! Values that belong to a row go with its other columns. Values that were written into rows leave the other columns as
//! those of the rows they were taken from. For a member i, over the columns d outside the rule:
//! `sum_d ln P(x_d | origin) - ln P(x_d | other members)`, where the origin are the rows of the other classes (a dirty label) or of
//! the class (a clean one), members left out. Members that are special in any way make it negative.

use super::CodedColumn;
use crate::surprise::{Labels, Ratio};

/// Weight of the overall shares when those of the members are estimated.
const SMOOTH: f64 = 4.0;
/// Rows for each share below which what an estimate costs is not corrected any further.
const FEW: f64 = 10.0;
/// Weight and standard deviation of a ratio before any is seen.
const PRIOR: (f64, f64) = (4.0, 3.0);

/// The ratios for origins in other classes and in the class. `members`: rows of the class that meet the rule.
pub(super) fn independence(
    columns: &[CodedColumn],
    labels: &Labels<'_>,
    rule: &[usize],
    members: &[u32],
    class: u32,
) -> (Ratio, Ratio) {
    let mut is_member = vec![false; labels.codes.len()];
    members.iter().for_each(|m| is_member[*m as usize] = true);
    let mut ratios = vec![(0f64, 0f64); members.len()];
    for (_, column) in columns.iter().enumerate().filter(|(c, _)| !rule.contains(c)) {
        let (mut others, mut own, mut held) =
            (vec![0f64; column.bins], vec![0f64; column.bins], vec![0f64; column.bins]);
        for (i, &y) in labels.codes.iter().enumerate().filter(|(i, _)| labels.knows(*i)) {
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
        // what is estimated from few rows fits worse, by half a nat for each free share and row; where there are hardly rows,
        // nobody knows by how much
        let cost = |n: f64| (bins - 1.0) / (2.0 * n.max(FEW * bins));
        let share = |counts: &[f64], n: f64, bin: usize| (counts[bin] + 0.5) / (n + 0.5 * bins);
        for (m, ratio) in members.iter().zip(&mut ratios) {
            let bin = column.bin[*m as usize] as usize;
            let all = (others[bin] + own[bin] + 0.5) / (n_others + n_own + 0.5 * bins);
            let among = (held[bin] - 1.0 + SMOOTH * all) / (members.len() as f64 - 1.0 + SMOOTH);
            ratio.0 += share(&others, n_others, bin).ln() - among.ln();
            ratio.1 += share(&own, n_own, bin).ln() - among.ln() + cost(n_own);
        }
    }
    let (from_others, from_class): (Vec<f64>, Vec<f64>) = ratios.into_iter().unzip();
    (Ratio::of(&from_others, PRIOR), Ratio::of(&from_class, PRIOR))
}
