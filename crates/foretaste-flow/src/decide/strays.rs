//! Samples far from all others. No null without trusted data, so they are only listed, and only where there is a gap.

use super::{Claim, Facts, samples};
use foretaste_core::{Action, Evidence, Kind, Member, Scored, Severity};

/// Detectors whose scores are only listed.
const DETECTORS: &[&str] = &["outlier-distance", "outlier-tail"];
/// Robust standard deviations above the median at which a sample is listed. On ordinary tails (normal to exponential)
/// this is reached by fewer than one in a million; heavy tails reach it more often, hence no stated level.
const GAP: f64 = 10.0;
/// Most samples listed.
const LISTED: usize = 50;

/// One finding per detector, at most a note.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    evidence
        .scored
        .iter()
        .filter(|s| DETECTORS.contains(&s.detector.as_str()))
        .filter_map(|s| claim(s, facts))
        .collect()
}

fn claim(scored: &Scored, facts: &Facts<'_>) -> Option<Claim> {
    let score = &scored.suspicion.score;
    let (median, spread) = robust(score)?;
    let mut rows: Vec<usize> =
        (0..score.len()).filter(|&i| (f64::from(score[i]) - median) / spread > GAP).collect();
    let all = rows.len();
    rows.sort_by(|a, b| score[*b].total_cmp(&score[*a]).then(a.cmp(b)));
    rows.truncate(LISTED);
    if rows.is_empty() {
        return None;
    }
    let members: Vec<Member> = rows.iter().map(|&i| facts.member(i as u64, score[i], false)).collect();
    let what = if scored.detector == "outlier-tail" {
        "with extreme values in many columns"
    } else {
        "far from all others"
    };
    let mut f = facts.finding(
        Kind::Outlier,
        Severity::Note,
        format!("{} {what}", samples(all)),
        Action::Review,
        members,
    );
    f.detectors = vec![scored.detector.clone()];
    f.decision.rule = "uncalibrated".into();
    f.why.push(format!(
        "Their score lies more than {GAP:.0} robust standard deviations above the median; listed for review{}, without a stated false-alarm level.",
        if all > LISTED { format!(" (the first {LISTED})") } else { String::new() }
    ));
    f.advice = "Look at the first few: strays of another data set go, rare but honest samples stay.".into();
    if let Some((words, _)) = facts.class_concentration(&f.members) {
        f.why.push(words + ".");
    }
    f.tables.extend(facts.source_table(&f.members));
    Some(Claim { finding: f, marks: vec![] })
}

/// Median, and the larger of the robust deviations from the quartiles: half the interquartile range over 0.6745.
fn robust(score: &[f32]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f32> = score.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |q: f64| sorted.get(((sorted.len() as f64 - 1.0) * q) as usize).map(|v| f64::from(*v));
    let (low, median, high) = (at(0.25)?, at(0.5)?, at(0.75)?);
    let spread = (high - median).max((high - low) / 2.0) / 0.6745;
    (spread > 0.0 && sorted.len() >= 20).then_some((median, spread))
}
