//! What the numbers must be.

use super::{Verdict, detector, is_clean_refusal, reference};
use crate::drive::{Plan, WHOLE, run};
use crate::fixture::{Fixture, PLANTS, Plant};
use foretaste_core::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Area under the curve that the best separated kind of fault must reach.
const SEPARATED: f64 = 0.75;

pub fn finite(entry: &Entry) -> Verdict {
    let detector = detector(entry)?;
    let mut fixtures = Fixture::degenerate();
    fixtures.push(("faults", Fixture::planted(1)));
    for (name, fixture) in fixtures {
        for plan in [WHOLE, Plan { batches: &[9], states: 2, score_batches: &[5], ..WHOLE }] {
            let answer = catch_unwind(AssertUnwindSafe(|| run(&*detector, &fixture, &plan)));
            let outcome = match answer {
                Err(_) => return Err(format!("{name}: panics")),
                Ok(Err(error)) if is_clean_refusal(&error) => continue,
                Ok(Err(error)) => {
                    return Err(format!("{name}: fails with `{error}`, which is no `Error::Unfit`"));
                }
                Ok(Ok(outcome)) => outcome,
            };
            let (score, rows) = (&outcome.suspicion.score, fixture.rows());
            if score.len() != rows {
                return Err(format!("{name}: {} scores for {rows} rows", score.len()));
            }
            if let Some(row) = score.iter().position(|s| !s.is_finite()) {
                return Err(format!("{name}: the score of row {row} is {}", score[row]));
            }
            let bad = |p: &Vec<f64>| p.len() != rows || p.iter().any(|p| !(0.0..=1.0).contains(p));
            if outcome.suspicion.p_value.as_ref().is_some_and(bad) {
                return Err(format!("{name}: p-values are not one a row within 0 to 1"));
            }
            for lead in &outcome.leads {
                leads(name, lead, rows)?;
            }
        }
    }
    Ok(())
}

fn leads(name: &str, lead: &foretaste_core::Lead, rows: usize) -> Verdict {
    let wrong = |what: &str| Err(format!("{name}: the lead `{}` {what}", lead.subject));
    if lead.members.is_empty() || lead.members.iter().any(|m| *m >= rows as u64) {
        return wrong("has no members, or members that are no rows");
    }
    if lead.members.windows(2).any(|w| w[0] >= w[1]) {
        return wrong("has members out of order");
    }
    if lead.keep.iter().any(|k| !lead.members.contains(k)) {
        return wrong("keeps rows that are not its members");
    }
    if lead.p_value.is_some_and(|p| !(0.0..=1.0).contains(&p)) || !lead.statistic.1.is_finite() {
        return wrong("has a p-value outside 0 to 1, or a statistic that is not finite");
    }
    if lead.marks.iter().any(|m| m.row >= rows as u64) {
        return wrong("marks rows that are not there");
    }
    Ok(())
}

pub fn informative(entry: &Entry) -> Verdict {
    let score = reference(&*detector(entry)?, &Fixture::planted(1))?.suspicion.score;
    match score.first() {
        Some(first) if score.iter().any(|s| s != first) => Ok(()),
        _ => Err("the suspicion is the same for all rows".into()),
    }
}

pub fn sign(entry: &Entry) -> Verdict {
    let detector = detector(entry)?;
    // two fixtures, so that no kind of fault stands above the rest by luck
    let mut best = [f64::INFINITY; PLANTS.len()];
    for seed in [1, 2] {
        let fixture = Fixture::planted(seed);
        let score = reference(&*detector, &fixture)?.suspicion.score;
        for (best, plant) in best.iter_mut().zip(PLANTS) {
            let of = |wanted: Plant| -> Vec<f32> {
                fixture
                    .samples
                    .iter()
                    .zip(&score)
                    .filter(|(s, _)| s.plant == wanted)
                    .map(|(_, score)| *score)
                    .collect()
            };
            *best = best.min(area(&of(plant), &of(Plant::None)));
        }
    }
    if best.iter().any(|a| *a >= SEPARATED) {
        return Ok(());
    }
    let all: Vec<String> = PLANTS.iter().zip(best).map(|(p, a)| format!("{p:?} {a:.2}")).collect();
    Err(format!("no planted fault stands above the honest rows (area under the curve: {})", all.join(", ")))
}

/// Probability that one of `high` is above one of `low`, ties counting half.
fn area(high: &[f32], low: &[f32]) -> f64 {
    let wins: f64 = high
        .iter()
        .flat_map(|h| {
            low.iter().map(move |l| {
                if h > l {
                    1.0
                } else if h == l {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    wins / (high.len() * low.len()).max(1) as f64
}
