//! What p-values must hold on data without faults.

use super::{Verdict, detector, reference};
use crate::fixture::Fixture;
use foretaste_core::{Entry, Kind};

/// Data sets drawn, and rows of each.
const DRAWS: u64 = 20;
const ROWS: usize = 400;

const LEVELS: [f64; 3] = [0.01, 0.05, 0.2];

pub fn false_alarms(entry: &Entry) -> Verdict {
    let detector = detector(entry)?;
    let (mut samples, mut rows) = ([0usize; LEVELS.len()], 0usize);
    let mut alarms = [0usize; LEVELS.len()];
    for seed in 0..DRAWS {
        let outcome = reference(&*detector, &Fixture::clean(100 + seed, ROWS))?;
        if let Some(fact) = outcome.leads.iter().find(|l| l.fact) {
            return Err(format!("calls it a fact on clean data: {}", fact.subject));
        }
        if let Some(p) = &outcome.suspicion.p_value {
            rows += p.len();
            for (count, level) in samples.iter_mut().zip(LEVELS) {
                *count += p.iter().filter(|p| **p <= level).count();
            }
        }
        // words that decide the class are in these data by design, and a shortcut says just that
        let alarming = outcome.leads.iter().filter(|l| l.kind != Kind::Shortcut);
        let smallest = alarming.filter_map(|l| l.p_value).fold(1.0, f64::min);
        for (count, level) in alarms.iter_mut().zip(LEVELS) {
            *count += usize::from(smallest <= level);
        }
    }
    for (i, level) in LEVELS.iter().enumerate() {
        within(samples[i], rows, *level)
            .map_err(|e| format!("samples of clean data with p <= {level}: {e}"))?;
        // p-values of leads are adjusted for the number of tests, so the smallest is one draw a data set
        within(alarms[i], DRAWS as usize, *level)
            .map_err(|e| format!("clean data sets with a lead of p <= {level}: {e}"))?;
    }
    Ok(())
}

/// At most the level and three standard errors.
fn within(count: usize, of: usize, level: f64) -> Verdict {
    let allowed = of as f64 * level + 3.0 * (of as f64 * level * (1.0 - level)).sqrt();
    if count as f64 <= allowed.max(1.0) {
        return Ok(());
    }
    Err(format!("{count} of {of}, at most {allowed:.1} allowed"))
}
