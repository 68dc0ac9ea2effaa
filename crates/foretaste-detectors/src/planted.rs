//! What detectors of planted triggers share: from candidates to leads and a number for each row.

use crate::gather::{PerRow, row_at};
use foretaste_core::{Ctx, Kind, Lead, Suspicion, Trigger, p_words};
use foretaste_num::surprise::Surprise;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Corrected p-value above which a candidate says nothing and is not handed on.
pub const PLAIN: f64 = 0.05;

/// A number for each row, and what rows share.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Planted {
    pub per_row: PerRow,
    pub leads: Vec<Lead>,
    /// Candidates that were looked at.
    pub tested: usize,
}

impl Planted {
    /// How many samples a trigger must have had to be seen, for the classes where that is the fewest and the most.
    /// `what`: the trigger and its samples, as in ("a phrase", "texts").
    ///
    /// Labels of `k` samples that all call for a class of share `s` are a surprise of at most `s^k` where the rest of the
    /// sample says nothing of the class; that, times the candidates and the two questions, has to be below [`PLAIN`].
    pub fn unseen(&self, what: (&str, &str), least: u32, ctx: &Ctx) -> Option<String> {
        let profile = ctx.profile();
        let labelled = profile.class_counts.iter().sum::<u64>().max(1) as f64;
        let needed = |n: &u64| {
            let nats = (2.0 * self.tested.max(1) as f64 / PLAIN).ln();
            let each = -(*n as f64 / labelled).min(1.0 - 1e-9).ln();
            ((nats / each).ceil() as u64).max(u64::from(least))
        };
        let classes = profile.class_counts.iter().enumerate().filter(|(_, n)| **n > 0);
        let mut needed: Vec<(u64, &str)> =
            classes.filter_map(|(i, n)| Some((needed(n), profile.classes.get(i)?.as_str()))).collect();
        needed.sort_unstable();
        let (few, many) = (needed.first()?, needed.last()?);
        let fewest = if few.0 == many.0 {
            few.0.to_string()
        } else {
            format!("{} (class `{}`) to {} (class `{}`)", few.0, few.1, many.0, many.1)
        };
        Some(format!(
            "{} in fewer than {fewest} {} may pass for chance; fewer suffice where the rest of a sample speaks against its label",
            what.0, what.1
        ))
    }
}

/// Positions in an order that does not depend on where rows stand: by `key`, rows of equal keys as they come.
/// Folds are drawn by position, so that a detector which trains a model puts its rows into such an order first.
pub fn by_content<K: Ord + Send>(rows: usize, key: impl Fn(usize) -> K + Sync) -> Vec<usize> {
    let mut order: Vec<(K, usize)> = (0..rows).into_par_iter().map(|i| (key(i), i)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, i)| i).collect()
}

/// Scores by place of rows that stood in `order`, all of them, in which copies (`same`) are side by side. They fall into folds by
/// their place, so they share their mean.
pub fn shared(order: &[usize], same: impl Fn(usize, usize) -> bool, score: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; order.len()];
    let mut from = 0;
    for copies in order.chunk_by(|a, b| same(*a, *b)) {
        let own = &score[from..from + copies.len()];
        let mean = own.iter().sum::<f32>() / own.len() as f32;
        copies.iter().for_each(|i| out[*i] = mean);
        from += copies.len();
    }
    out
}

/// Collects leads over rows that a kernel saw in another order.
pub struct Planting<'a> {
    runs: Vec<(u64, u64)>,
    order: &'a [usize],
    labels: &'a [u32],
    score: Vec<f32>,
    leads: Vec<Lead>,
    tested: usize,
}

impl<'a> Planting<'a> {
    /// `order`: position of each row that the kernel saw; `tested`: candidates that it looked at.
    pub fn new(runs: Vec<(u64, u64)>, order: &'a [usize], labels: &'a [u32], tested: usize) -> Self {
        Self { runs, order, labels, score: vec![0.0; labels.len()], leads: vec![], tested }
    }

    /// Takes a lead whose members are those of `rows`, as the kernel numbers them, that have its class. `planted`: the
    /// p-value that gives its members their suspicion. The lead may be completed, now that its members are known.
    pub fn take(&mut self, lead: Lead, rows: &[u32], planted: f64) -> &mut Lead {
        let of_class = |r: &u32| Some(self.labels[self.order[*r as usize]]) == lead.class;
        let own: Vec<u32> = rows.iter().copied().filter(of_class).collect();
        self.take_all(lead, &own, planted)
    }

    /// Takes a lead whose members are all of `rows`, likewise.
    pub fn take_all(&mut self, mut lead: Lead, rows: &[u32], planted: f64) -> &mut Lead {
        let mut own: Vec<usize> = rows.iter().map(|r| self.order[*r as usize]).collect();
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

    /// Rows of the data, ascending, of rows as the kernel numbers them.
    pub fn rows(&self, rows: &[u32]) -> Vec<u64> {
        let mut out: Vec<u64> =
            rows.iter().map(|r| row_at(&self.runs, self.order[*r as usize] as u64)).collect();
        out.sort_unstable();
        out
    }

    pub fn done(self) -> Planted {
        let per_row = PerRow { runs: self.runs, suspicion: Suspicion::uncalibrated(self.score) };
        Planted { per_row, leads: self.leads, tested: self.tested }
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

    /// Planted if its labels are a surprise or it is pure beyond chance: of what does not repeat by nature.
    pub fn either(self) -> Self {
        Self { planted: self.surprise.min(self.purity), ..self }
    }

    /// Planted if its labels are a surprise.
    pub fn surprising(self) -> Self {
        Self { planted: self.surprise, ..self }
    }

    /// How surprising, in words. `what`: what was looked at, many.
    pub fn words(&self, z: f64, tested: usize, what: &str) -> String {
        if self.surprise <= PLAIN {
            format!(" (z = {z:.1}, {}, corrected for {tested} {what})", p_words(self.surprise))
        } else {
            format!(
                "; so many of one class are beyond chance ({}, corrected for {tested} {what})",
                p_words(self.purity)
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
        let mut planting = Planting::new(vec![(10, 3)], &order, &labels, 7);
        let lead = Lead { class: Some(1), ..Lead::new(Kind::Backdoor, "x", vec![]) };
        planting.take(lead, &[0, 1, 2], 1e-3);
        let planted = planting.done();
        assert_eq!(planted.leads[0].members, [10, 11]);
        assert_eq!(planted.per_row.suspicion.score, [3.0, 3.0, 0.0]);
    }

    #[test]
    fn what_was_too_small_is_said() {
        let profile = foretaste_core::Profile {
            rows: 100,
            classes: vec!["ham".into(), "spam".into()],
            class_counts: vec![90, 10],
        };
        let ctx = Ctx::new(1, profile);
        let planted = Planted { tested: 1000, ..Planted::default() };
        // ln(2 * 1000 / 0.05) = 10.6 nats; a sample of spam is worth 2.3, one of ham 0.105
        let said = planted.unseen(("a phrase", "texts"), 3, &ctx).unwrap();
        assert!(
            said.starts_with("a phrase in fewer than 5 (class `spam`) to 101 (class `ham`) texts "),
            "{said}"
        );
        assert!(planted.unseen(("a phrase", "texts"), 3, &Ctx::default()).is_none());
    }
}
