//! What a trial measured: rows, and their mean and interval over seeds.

use crate::finding::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format and version of trial.json.
pub const TRIAL_SCHEMA: &str = "foretaste.trial/1";

/// A finished trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trial {
    /// [`TRIAL_SCHEMA`].
    pub schema: String,
    /// Version of the program.
    pub version: String,
    /// What was run, as its file says it.
    pub scenario: serde_json::Value,
    /// A few words for it.
    pub name: String,
    /// Who is attacked, and what is at stake.
    pub about: String,
    /// Rows of the data.
    pub rows: u64,
    /// Class names.
    pub classes: Vec<String>,
    /// The number that models learn, if it is no class: `accuracy` is then R2, one minus the squared error on held-out samples in
    /// variances of their target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Every measurement.
    pub results: Vec<Row>,
    /// Means and intervals over seeds.
    pub summary: Vec<Summary>,
    /// What was chosen or is worth knowing.
    pub notes: Vec<String>,
    /// What could not be measured, and why: an attack that these data do not allow, a training that broke off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
}

/// A part of a trial that could not be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// Which.
    pub what: String,
    /// Why.
    pub why: String,
}

/// How well the poison was found and named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Detection {
    /// Findings that speak of poison, whether it is there or not.
    pub poison_findings: u64,
    /// The kind of finding whose members agree best with the poison (F1), if they hold a tenth of it and are poison for
    /// the most part; none otherwise: it was not found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub named: Option<Kind>,
    /// True if that kind is one by which the attack is named right.
    #[serde(default)]
    pub named_right: bool,
    /// Average precision when samples are ordered by what becomes of them (quarantine, review, keep), then by their best
    /// place in the order of any detector; ties count as one step.
    pub average_precision: f64,
    /// The detector whose suspicion alone orders the samples best, by average precision. It is chosen with the truth at hand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub best: Option<BestDetector>,
}

/// The detector whose suspicion agrees best with the poison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BestDetector {
    /// Catalogue id.
    pub id: String,
    /// Average precision of its order.
    pub average_precision: f64,
    /// Share of the poison in the first hundredth of its order.
    pub top_percent: f64,
}

/// One victim under one attack and defence, with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Seed.
    pub seed: u64,
    /// Victim's id; `command` for the user's own training.
    pub victim: String,
    /// Attack as shown; none for clean training.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attack: Option<String>,
    /// Share of the training data that was asked for.
    pub poison_rate: f64,
    /// Poisoned training samples.
    pub n_poison: u64,
    /// Training samples after the attack, before the defence.
    pub n_train: u64,
    /// Defence.
    pub defence: String,
    /// Samples that the defence took out.
    pub removed: u64,
    /// Poisoned ones among them.
    pub removed_poison: u64,
    /// Share of poison that was taken out.
    pub true_positive_rate: f64,
    /// Share of clean samples that were taken out.
    pub false_positive_rate: f64,
    /// Accuracy on held-out samples as they are; R2 of numbers.
    pub accuracy: f64,
    /// Accuracy of the same victim trained on clean data.
    pub clean_accuracy: f64,
    /// Share of probes that went where the attacker wants them; none without probes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attack_success_rate: Option<f64>,
    /// The same of the victim trained on clean data: what goes there anyway.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline_success_rate: Option<f64>,
    /// Probes.
    pub n_probes: u64,
    /// How well the poison was found; none for defences that make no findings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detection: Option<Detection>,
    /// Seconds of training and asking. Seconds and megabytes are the only figures that are not the same in every run.
    pub seconds: f64,
    /// Seconds of the defence.
    #[serde(default)]
    pub defence_seconds: f64,
    /// Most megabytes that the process held while it defended and trained, the data of the trial with it; where the system
    /// says so. With several jobs at a time it is that of all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub megabytes: Option<f64>,
}

/// Mean and 95 % interval over seeds (Student's t); of a single seed the interval is the value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean.
    pub mean: f64,
    /// Lower end, not below 0.
    pub low: f64,
    /// Upper end, not above 1.
    pub high: f64,
}

/// One victim under one attack and defence, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Victim.
    pub victim: String,
    /// Attack.
    pub attack: String,
    /// Share of the training data.
    pub poison_rate: f64,
    /// Poisoned samples, mean.
    pub n_poison: f64,
    /// Defence.
    pub defence: String,
    /// Seeds.
    pub seeds: usize,
    /// Accuracy of clean training.
    pub clean_accuracy: Interval,
    /// Accuracy.
    pub accuracy: Interval,
    /// Attack success.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attack_success_rate: Option<Interval>,
    /// Attack success of clean training.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline_success_rate: Option<Interval>,
    /// Poison taken out.
    pub true_positive_rate: Interval,
    /// Clean samples taken out.
    pub false_positive_rate: Interval,
    /// Kinds of findings by which the poison was named, with the number of seeds; empty if it was not found.
    #[serde(default)]
    pub named: Vec<(Kind, usize)>,
    /// Seeds in which the kind was right.
    #[serde(default)]
    pub named_right: usize,
    /// Findings that speak of poison, mean.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub poison_findings: Option<f64>,
    /// Average precision of the order that the defence gives.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub average_precision: Option<Interval>,
    /// Seconds of training and asking, mean.
    pub seconds: f64,
    /// Seconds of the defence, mean.
    #[serde(default)]
    pub defence_seconds: f64,
    /// Megabytes, the most of all seeds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub megabytes: Option<f64>,
}

/// What clean training is called among attacks.
pub const CLEAN: &str = "no attack";

/// Means and intervals over seeds, in the order in which cases first appear.
#[must_use]
pub fn summarise(rows: &[Row]) -> Vec<Summary> {
    let mut order: Vec<(String, String, u64, String)> = vec![];
    let mut groups: BTreeMap<(String, String, u64, String), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let attack = match &row.attack {
            Some(attack) => attack.as_str(),
            // clean training without a defence stands beside every attack as its clean accuracy
            None if row.defence == "none" => continue,
            None => CLEAN,
        };
        let key = (row.victim.clone(), attack.to_owned(), row.poison_rate.to_bits(), row.defence.clone());
        if !groups.contains_key(&key) {
            order.push(key.clone());
        }
        groups.entry(key).or_default().push(row);
    }
    let of = |rows: &[&Row], value: &dyn Fn(&Row) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|r| value(r)).collect();
        (!values.is_empty()).then(|| interval(&values))
    };
    let zero = Interval { mean: 0.0, low: 0.0, high: 0.0 };
    order
        .into_iter()
        .map(|key| {
            let rows = &groups[&key];
            let mean =
                |value: &dyn Fn(&Row) -> f64| rows.iter().map(|r| value(r)).sum::<f64>() / rows.len() as f64;
            Summary {
                victim: key.0.clone(),
                attack: key.1.clone(),
                poison_rate: f64::from_bits(key.2),
                n_poison: mean(&|r| r.n_poison as f64),
                defence: key.3.clone(),
                seeds: rows.len(),
                clean_accuracy: of(rows, &|r| Some(r.clean_accuracy)).unwrap_or(zero),
                accuracy: of(rows, &|r| Some(r.accuracy)).unwrap_or(zero),
                attack_success_rate: of(rows, &|r| r.attack_success_rate),
                baseline_success_rate: of(rows, &|r| r.baseline_success_rate),
                true_positive_rate: of(rows, &|r| Some(r.true_positive_rate)).unwrap_or(zero),
                false_positive_rate: of(rows, &|r| Some(r.false_positive_rate)).unwrap_or(zero),
                named: named(rows),
                named_right: rows
                    .iter()
                    .filter(|r| r.detection.as_ref().is_some_and(|d| d.named_right))
                    .count(),
                poison_findings: of(rows, &|r| r.detection.as_ref().map(|d| d.poison_findings as f64))
                    .map(|i| i.mean),
                average_precision: of(rows, &|r| {
                    r.detection.as_ref().filter(|_| r.n_poison > 0).map(|d| d.average_precision)
                }),
                seconds: mean(&|r| r.seconds),
                defence_seconds: mean(&|r| r.defence_seconds),
                megabytes: rows.iter().filter_map(|r| r.megabytes).reduce(f64::max),
            }
        })
        .collect()
}

/// Kinds by which the poison was named, the most frequent first.
fn named(rows: &[&Row]) -> Vec<(Kind, usize)> {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for kind in rows.iter().filter_map(|r| r.detection.as_ref()?.named) {
        *counts.entry(kind).or_default() += 1;
    }
    let mut out: Vec<(Kind, usize)> = counts.into_iter().collect();
    out.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    out
}

/// Quantiles of Student's t at 97.5 %, for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

fn interval(values: &[f64]) -> Interval {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return Interval { mean, low: mean, high: mean };
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = T.get(values.len() - 2).copied().unwrap_or(1.96);
    let half = t * (variance / n).sqrt();
    // shares stay shares; R2 can be anything below 1
    let floor = if values.iter().all(|v| *v >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    Interval { mean, low: (mean - half).max(floor), high: (mean + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_student() {
        let i = interval(&[0.5, 0.6, 0.7]);
        // 0.6 +- 4.303 * 0.1 / sqrt(3)
        assert!((i.low - (0.6 - 0.24843)).abs() < 1e-4 && (i.high - (0.6 + 0.24843)).abs() < 1e-4);
        assert_eq!(interval(&[0.5]), Interval { mean: 0.5, low: 0.5, high: 0.5 });
        assert!(interval(&[0.99, 1.0]).high <= 1.0);
    }
}
