//! What detectors of planted triggers share: from candidates to leads and a number for each row.

use crate::gather::{PerRow, row_at};
use foretaste_core::{Ctx, Kind, Lead, Suspicion, Trigger};
use foretaste_num::surprise::Surprise;
use serde::{Deserialize, Serialize};

/// Corrected p-value above which a candidate says nothing and is not handed on.
pub const PLAIN: f64 = 0.05;

/// A number for each row, and what rows share.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Planted {
    pub per_row: PerRow,
    pub leads: Vec<Lead>,
}

/// Positions in an order that does not depend on where rows stand: by `key`, rows of equal keys as they come.
/// Folds are drawn by position, so that a detector which trains a model puts its rows into such an order first.
pub fn by_content<K: Ord>(rows: usize, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_cached_key(|&i| key(i));
    order
}

/// Collects leads over rows that a kernel saw in another order.
pub struct Planting<'a> {
    runs: Vec<(u64, u64)>,
    order: &'a [usize],
    labels: &'a [u32],
    score: Vec<f32>,
    leads: Vec<Lead>,
}

impl<'a> Planting<'a> {
    /// `order`: position of each row that the kernel saw.
    pub fn new(runs: Vec<(u64, u64)>, order: &'a [usize], labels: &'a [u32]) -> Self {
        Self { runs, order, labels, score: vec![0.0; labels.len()], leads: vec![] }
    }

    /// Takes a lead whose members are those of `rows`, as the kernel numbers them, that have its class. `planted`: the
    /// p-value that gives its members their suspicion. The lead may be completed, now that its members are known.
    pub fn take(&mut self, mut lead: Lead, rows: &[u32], planted: f64) -> &mut Lead {
        let mut own: Vec<usize> = rows.iter().map(|r| self.order[*r as usize]).collect();
        own.retain(|r| Some(self.labels[*r]) == lead.class);
        own.sort_unstable();
        if planted < 1.0 {
            let weight = -planted.max(1e-300).log10() as f32;
            own.iter().for_each(|r| self.score[*r] = self.score[*r].max(weight));
        }
        lead.members = own.iter().map(|r| row_at(&self.runs, *r as u64)).collect();
        let at = self.leads.len();
        self.leads.push(lead);
        &mut self.leads[at]
    }

    pub fn done(self) -> Planted {
        let per_row = PerRow { runs: self.runs, suspicion: Suspicion::uncalibrated(self.score) };
        Planted { per_row, leads: self.leads }
    }
}

/// A candidate and its p-values, corrected for all that were looked at.
#[derive(Clone, Copy)]
pub struct Believed {
    /// That its labels are no surprise.
    pub surprise: f64,
    /// That it is pure by chance.
    pub purity: f64,
    /// That it was not planted.
    pub planted: f64,
}

impl Believed {
    /// Corrected for `tested` candidates and two questions, surprise and purity; not planted.
    pub fn of(surprise: &Surprise, tested: usize) -> Self {
        let corrected = |p: f64| (2.0 * p * tested as f64).min(1.0);
        Self {
            surprise: corrected(surprise.p_value),
            purity: corrected(surprise.purity_p_value),
            planted: 1.0,
        }
    }

    /// How surprising, in words. `what`: what was looked at, many.
    pub fn words(&self, z: f64, tested: usize, what: &str) -> String {
        if self.surprise <= PLAIN {
            format!(" (z = {z:.1}, p = {:.1e}, corrected for {tested} {what})", self.surprise)
        } else {
            format!(
                "; so many of one class are beyond chance (p = {:.1e}, corrected for {tested} {what})",
                self.purity
            )
        }
    }
}

/// A lead on a trigger that calls for a class, and the name of the class; members and reasons are to come.
pub fn lead(
    kind: Kind,
    trigger: Trigger,
    class: u32,
    surprise: &Surprise,
    p_value: f64,
    ctx: &Ctx,
) -> (Lead, String) {
    let mut lead = Lead::new(kind, trigger.words(), vec![]);
    lead.statistic = ("surprise".into(), surprise.z);
    lead.p_value = Some(p_value);
    lead.class = Some(class);
    lead.without = Some(surprise.without);
    lead.trigger = Some(trigger);
    (lead, ctx.profile().classes.get(class as usize).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_the_rows_of_the_class_in_the_order_of_the_data() {
        let (order, labels) = ([2, 0, 1], [1, 1, 0]);
        let mut planting = Planting::new(vec![(10, 3)], &order, &labels);
        let lead = Lead { class: Some(1), ..Lead::new(Kind::Backdoor, "x", vec![]) };
        planting.take(lead, &[0, 1, 2], 1e-3);
        let planted = planting.done();
        assert_eq!(planted.leads[0].members, [10, 11]);
        assert_eq!(planted.per_row.suspicion.score, [3.0, 3.0, 0.0]);
    }
}
