//! Which training samples a defence takes out.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::recipe::Recipe;
use crate::scan::scan_dataset;
use foretaste_num::rng::Rng;
use std::collections::BTreeSet;

/// Rows that a defence takes out of the poisoned training data. `poison` are the rows that are poisoned: only `perfect` and
/// `random` look at them.
///
/// # Errors
/// If the detector cannot run on these data.
pub fn removed(defence: &str, train: &Dataset, poison: &BTreeSet<u64>, seed: u64) -> Result<BTreeSet<u64>> {
    Ok(match defence {
        "none" => BTreeSet::new(),
        "perfect" => poison.clone(),
        "random" => {
            let mut keyed: Vec<(u64, u64)> = (0..train.rows)
                .map(|row| (Rng::at(seed, "trial/random-filter", row).next_u64(), row))
                .collect();
            keyed.sort_unstable();
            keyed.into_iter().take(poison.len()).map(|k| k.1).collect()
        }
        "scan" => found(train, vec![], seed)?,
        detector => found(train, vec![detector.to_owned()], seed)?,
    })
}

/// What `clean` would take out after a scan; of a single detector also what it would only show for review.
fn found(train: &Dataset, only: Vec<String>, seed: u64) -> Result<BTreeSet<u64>> {
    let single = !only.is_empty();
    let recipe = Recipe { only, seed, ..Recipe::default() };
    let mut data = train.again();
    let done = scan_dataset(&mut data, &recipe, &|_, _| {})?;
    let mut rows = BTreeSet::new();
    for f in &done.report.findings {
        let first: BTreeSet<usize> = f
            .groups
            .iter()
            .filter_map(|g| g.iter().map(|m| *m as usize).min_by_key(|m| f.members[*m].row))
            .collect();
        let taken =
            f.members.iter().enumerate().filter(|(i, m)| m.quarantine || (single && !first.contains(i)));
        rows.extend(taken.map(|(_, m)| m.row));
    }
    Ok(rows)
}
