//! What a trial measured: rows, and their mean and interval over seeds.

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
    /// Every measurement.
    pub results: Vec<Row>,
    /// Means and intervals over seeds.
    pub summary: Vec<Summary>,
    /// What was chosen or is worth knowing.
    pub notes: Vec<String>,
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
    /// Accuracy on held-out samples as they are.
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
    /// Seconds of training and asking. The only figures that are not the same in every run.
    pub seconds: f64,
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
    /// Seconds, mean.
    pub seconds: f64,
}

/// Means and intervals over seeds, in the order in which cases first appear.
#[must_use]
pub fn summarise(rows: &[Row]) -> Vec<Summary> {
    let mut order: Vec<(String, String, u64, String)> = vec![];
    let mut groups: BTreeMap<(String, String, u64, String), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let Some(attack) = &row.attack else { continue };
        let key = (row.victim.clone(), attack.clone(), row.poison_rate.to_bits(), row.defence.clone());
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
                seconds: mean(&|r| r.seconds),
            }
        })
        .collect()
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
    Interval { mean, low: (mean - half).max(0.0), high: (mean + half).min(1.0) }
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
