//! Which training samples a defence takes out, and how well it found and named the poison.

use super::external;
use super::scenario::Scenario;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::memory;
use crate::recipe::Recipe;
use crate::scan::{Scanned, scan_dataset};
use foretaste_core::{Action, BestDetector, Detection, DetectorStatus, Finding, Kind};
use foretaste_num::rng::Rng;
use foretaste_truth::average_precision;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// Poisoned training data, as a defence gets them, with the truth to judge it by.
pub struct Attacked<'a> {
    /// The training data.
    pub train: &'a Dataset,
    /// Rows that are poison: of the defences only `perfect` and `random` look at them.
    pub poison: &'a BTreeSet<u64>,
    /// Kinds of findings that name the attack right.
    pub shows_as: &'static [Kind],
    /// Seed of the unit.
    pub seed: u64,
    /// Where a command's files are kept.
    pub folder: Option<&'a Path>,
}

/// What a defence did.
#[derive(Default)]
pub struct Defended {
    /// Rows that it takes out.
    pub removed: BTreeSet<u64>,
    /// How well it found the poison; none if it makes no findings.
    pub detection: Option<Detection>,
    /// Seconds that it took.
    pub seconds: f64,
    /// Most bytes that the process held.
    pub peak: Option<u64>,
}

/// True for defences that say something about clean data, too.
pub fn judges(defence: &str) -> bool {
    !["none", "perfect", "random"].contains(&defence)
}

/// Runs a defence on poisoned training data.
///
/// # Errors
/// If the detector cannot run on these data, or the command fails.
pub fn defend(defence: &str, scenario: &Scenario, on: &Attacked<'_>) -> Result<Defended> {
    let started = Instant::now();
    memory::reset_peak();
    let done = match defence {
        "none" => Defended::default(),
        "perfect" => Defended { removed: on.poison.clone(), ..Defended::default() },
        "random" => Defended { removed: at_random(on), ..Defended::default() },
        "scan" => scanned(on, vec![])?,
        name => match scenario.defence_commands.iter().find(|c| c.name == name) {
            Some(command) => {
                let rate = on.poison.len() as f64 / (on.train.rows as f64).max(1.0);
                let removed = external::flagged(command, on.train, rate, on.folder)?;
                Defended { removed, ..Defended::default() }
            }
            None => scanned(on, vec![name.to_owned()])?,
        },
    };
    Ok(Defended { seconds: started.elapsed().as_secs_f64(), peak: memory::peak(), ..done })
}

fn at_random(on: &Attacked<'_>) -> BTreeSet<u64> {
    let mut keyed: Vec<(u64, u64)> = (0..on.train.rows)
        .map(|row| (Rng::at(on.seed, "trial/random-filter", row).next_u64(), row))
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().take(on.poison.len()).map(|k| k.1).collect()
}

/// What `clean` would take out after a scan; of a single detector also what it would only show for review.
fn scanned(on: &Attacked<'_>, only: Vec<String>) -> Result<Defended> {
    let single = !only.is_empty();
    let recipe = Recipe { only, seed: on.seed, ..Recipe::default() };
    let mut data = on.train.again();
    let done = scan_dataset(&mut data, &recipe, &|_, _| {})?;
    let mut removed = BTreeSet::new();
    for f in &done.report.findings {
        let first = first_of_groups(f);
        let taken =
            f.members.iter().enumerate().filter(|(i, m)| m.quarantine || (single && !first.contains(i)));
        removed.extend(taken.map(|(_, m)| m.row));
    }
    let detection = Some(judge(&done, on));
    Ok(Defended { removed, detection, ..Defended::default() })
}

/// Of each group of copies the first, which may stay.
fn first_of_groups(f: &Finding) -> BTreeSet<usize> {
    let earliest = |g: &Vec<u32>| g.iter().map(|m| *m as usize).min_by_key(|m| f.members[*m].row);
    f.groups.iter().filter_map(earliest).collect()
}

/// Least share of the poison that a kind of finding must hold to have found it.
const FOUND: f64 = 0.1;

fn judge(done: &Scanned, on: &Attacked<'_>) -> Detection {
    let findings = &done.report.findings;
    let mut by_kind: BTreeMap<Kind, BTreeSet<u64>> = BTreeMap::new();
    // what is only up for review does not water down what is set aside under the same name
    let aside: BTreeSet<Kind> =
        findings.iter().filter(|f| f.action == Action::Quarantine).map(|f| f.kind).collect();
    // whoever is told that it is natural has not been told of poison
    let told = findings.iter().filter(|f| f.kind != Kind::Shortcut);
    for f in told.filter(|f| f.action == Action::Quarantine || !aside.contains(&f.kind)) {
        by_kind.entry(f.kind).or_default().extend(f.members.iter().map(|m| m.row));
    }
    let share = |a: usize, b: usize| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    let named = by_kind
        .iter()
        .filter_map(|(kind, rows)| {
            let hits = rows.intersection(on.poison).count();
            let found = share(hits, on.poison.len()) >= FOUND && 2 * hits > rows.len();
            found.then(|| (kind.is_poison(), share(2 * hits, rows.len() + on.poison.len()), *kind))
        })
        // what is called poison names it before what is also true of it (copies, say); of equally good kinds the gravest does
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)))
        .map(|(_, _, kind)| kind);
    Detection {
        poison_findings: findings.iter().filter(|f| f.kind.is_poison()).count() as u64,
        named,
        named_right: named.is_some_and(|kind| on.shows_as.contains(&kind)),
        average_precision: ordered(done, on.poison),
        best: best(done, on.poison),
    }
}

/// For each row its best place in the order of any detector, as a share of the rows; ties share the last of their places.
fn best_places(done: &Scanned) -> Vec<f64> {
    let rows = done.samples.len();
    let mut best = vec![1.0f64; rows];
    for d in 0..done.samples.first().map_or(0, |s| s.suspicion.len()) {
        let value = |row: usize| done.samples[row].suspicion.get(d).copied().unwrap_or(f32::NEG_INFINITY);
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by(|a, b| value(*b).total_cmp(&value(*a)));
        let mut last = 0;
        for tied in order.chunk_by(|a, b| value(*a) == value(*b)) {
            last += tied.len();
            tied.iter().for_each(|row| best[*row] = best[*row].min(last as f64 / rows as f64));
        }
    }
    best
}

fn ordered(done: &Scanned, poison: &BTreeSet<u64>) -> f64 {
    let verdict = |word: &str| match word {
        "quarantine" => 4.0,
        "review" => 2.0,
        _ => 0.0,
    };
    let places = best_places(done);
    let ranked = done
        .samples
        .iter()
        .zip(places)
        .map(|(s, place)| (verdict(s.verdict) - place, poison.contains(&s.row)))
        .collect();
    average_precision(ranked)
}

fn best(done: &Scanned, poison: &BTreeSet<u64>) -> Option<BestDetector> {
    if poison.is_empty() {
        return None;
    }
    let ran = done.report.detectors.iter().filter(|d| d.status == DetectorStatus::Ran).enumerate();
    ran.map(|(at, d)| {
        let value =
            |i: usize| f64::from(done.samples[i].suspicion.get(at).copied().unwrap_or(f32::NEG_INFINITY));
        let ranked: Vec<(f64, bool)> =
            done.samples.iter().enumerate().map(|(i, s)| (value(i), poison.contains(&s.row))).collect();
        BestDetector {
            id: d.id.clone(),
            top_percent: top_percent(&ranked, poison.len()),
            average_precision: average_precision(ranked),
        }
    })
    .max_by(|a, b| a.average_precision.total_cmp(&b.average_precision).then(b.id.cmp(&a.id)))
}

/// Share of the poison among the first hundredth; of those that tie for its last places, as large a share as fits.
fn top_percent(ranked: &[(f64, bool)], poison: usize) -> f64 {
    let mut sorted = ranked.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut room = (sorted.len() as f64 / 100.0).ceil();
    let mut hits = 0.0;
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let here = tied.iter().filter(|r| r.1).count() as f64;
        let fits = (room / tied.len() as f64).min(1.0);
        hits += here * fits;
        room -= tied.len() as f64;
        if room <= 0.0 {
            break;
        }
    }
    if poison == 0 { 0.0 } else { hits / poison as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundredth_is_shared_by_what_ties() {
        let mut ranked: Vec<(f64, bool)> = (0..200).map(|i| (-f64::from(i), i < 3)).collect();
        assert!((top_percent(&ranked, 3) - 2.0 / 3.0).abs() < 1e-12);
        ranked.iter_mut().for_each(|r| r.0 = 0.0);
        assert!((top_percent(&ranked, 3) - 0.01).abs() < 1e-12);
        assert_eq!(top_percent(&[], 0), 0.0);
    }
}
