//! How well a list of suspects agrees with the truth.

use crate::manifest::PoisonManifest;
use foretaste_core::SampleId;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Agreement of named samples with a manifest. Cover samples are neither poison nor clean: naming them counts for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Score {
    /// Rows of the data.
    pub rows: u64,
    /// Poisoned samples.
    pub n_poison: u64,
    /// Cover samples.
    pub n_cover: u64,
    /// Samples that were named.
    pub named: u64,
    /// Poisoned ones among them.
    pub true_positives: u64,
    /// Clean ones among them.
    pub false_positives: u64,
    /// Cover samples among them.
    pub cover_named: u64,
    /// Ids that are not in the data, if all ids are known.
    pub unknown: u64,
    /// Share of the poison that was named.
    pub true_positive_rate: f64,
    /// Share of clean samples that were named.
    pub false_positive_rate: f64,
    /// Share of poison among the named, cover left out; 0 if nothing was named.
    pub precision: f64,
    /// Average precision of the ranking, if suspicions were given: ties count as one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
    /// The same for each attack of the manifest.
    pub attacks: Vec<KindScore>,
}

/// What was found of one attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KindScore {
    /// Catalogue id.
    pub attack: String,
    /// Its poisoned samples.
    pub n_poison: u64,
    /// How many of them were named.
    pub true_positives: u64,
}

/// Scores named samples, and optionally a suspicion for every sample (higher is more suspicious), against the manifest.
#[must_use]
pub fn score(
    manifest: &PoisonManifest,
    named: &HashSet<SampleId>,
    suspicions: Option<&HashMap<SampleId, f64>>,
) -> Score {
    let poison: HashSet<&SampleId> = manifest.poison().map(|c| &c.id).collect();
    let cover: HashSet<&SampleId> = manifest
        .changes
        .iter()
        .filter(|c| c.cover)
        .map(|c| &c.id)
        .filter(|id| !poison.contains(id))
        .collect();
    let true_positives = named.iter().filter(|id| poison.contains(id)).count() as u64;
    let cover_named = named.iter().filter(|id| cover.contains(id)).count() as u64;
    let unknown = suspicions.map_or(0, |s| named.iter().filter(|id| !s.contains_key(*id)).count()) as u64;
    let false_positives = (named.len() as u64).saturating_sub(true_positives + cover_named + unknown);
    let (n_poison, n_cover, rows) = (poison.len() as u64, cover.len() as u64, manifest.result.rows);
    let share = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    let attacks = manifest
        .attacks
        .iter()
        .enumerate()
        .map(|(k, run)| {
            let own: HashSet<&SampleId> =
                manifest.poison().filter(|c| c.attack == k).map(|c| &c.id).collect();
            KindScore {
                attack: run.attack.clone(),
                n_poison: own.len() as u64,
                true_positives: own.iter().filter(|id| named.contains(**id)).count() as u64,
            }
        })
        .collect();
    Score {
        rows,
        n_poison,
        n_cover,
        named: named.len() as u64,
        true_positives,
        false_positives,
        cover_named,
        unknown,
        true_positive_rate: share(true_positives, n_poison),
        false_positive_rate: share(false_positives, rows.saturating_sub(n_poison + n_cover)),
        precision: share(true_positives, true_positives + false_positives),
        average_precision: suspicions.map(|s| {
            let ranked = s.iter().filter(|(id, _)| !cover.contains(id));
            average_precision(ranked.map(|(id, v)| (*v, poison.contains(id))).collect())
        }),
        attacks,
    }
}

/// Average precision of pairs of suspicion and truth: the mean over true samples of the precision at their place, all of equal
/// suspicion at once; 0 if there is none.
#[must_use]
pub fn average_precision(mut ranked: Vec<(f64, bool)>) -> f64 {
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let total = ranked.iter().filter(|r| r.1).count();
    let (mut seen, mut hits, mut sum, mut i) = (0usize, 0usize, 0.0, 0);
    while i < ranked.len() {
        let mut j = i;
        let mut here = 0;
        while j < ranked.len() && ranked[j].0 == ranked[i].0 {
            here += usize::from(ranked[j].1);
            j += 1;
        }
        seen += j - i;
        hits += here;
        sum += here as f64 * hits as f64 / seen as f64;
        i = j;
    }
    if total == 0 { 0.0 } else { sum / total as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Change, DataState, MANIFEST_SCHEMA, NOTICE, Way};

    fn manifest(poison: &[u64], cover: &[u64], rows: u64) -> PoisonManifest {
        let state = DataState { files: vec![], rows, blake3: String::new() };
        let change = |row: u64, cover: bool| Change {
            id: SampleId(format!("{row}")),
            row,
            way: Way::Modified,
            clean_row: Some(row),
            made_from: row,
            attack: 0,
            cover,
            label_before: None,
            label_after: None,
            columns: vec![],
        };
        PoisonManifest {
            schema: MANIFEST_SCHEMA.into(),
            poisoned: true,
            notice: NOTICE.into(),
            version: String::new(),
            seed: 0,
            clean: state.clone(),
            result: state,
            classes: vec![],
            roles: Default::default(),
            attacks: vec![],
            changes: poison
                .iter()
                .map(|r| change(*r, false))
                .chain(cover.iter().map(|r| change(*r, true)))
                .collect(),
        }
    }

    #[test]
    fn rates_leave_cover_out() {
        let m = manifest(&[1, 2, 3, 4], &[5], 105);
        let named = ["1", "2", "5", "60"].iter().map(|s| SampleId((*s).into())).collect();
        let s = score(&m, &named, None);
        assert_eq!((s.true_positives, s.false_positives, s.cover_named), (2, 1, 1));
        assert_eq!((s.true_positive_rate, s.false_positive_rate), (0.5, 0.01));
        assert!((s.precision - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn average_precision_by_hand() {
        // hits at ranks 1 and 3: (1/1 + 2/3) / 2
        let ranked = vec![(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        assert!((average_precision(ranked) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // all tied: the base rate
        assert!(
            (average_precision(vec![(0.5, true), (0.5, false), (0.5, false), (0.5, false)]) - 0.25).abs()
                < 1e-12
        );
        assert_eq!(average_precision(vec![]), 0.0);
    }

    #[test]
    fn manifests_survive_text_and_refuse_other_versions() {
        let m = manifest(&[1], &[2], 9);
        let text = m.render().unwrap();
        assert_eq!(PoisonManifest::parse(&text).unwrap(), m);
        let old = text.replace("manifest/1", "manifest/9");
        assert!(PoisonManifest::parse(&old).unwrap_err().contains("manifest/9"));
    }
}
