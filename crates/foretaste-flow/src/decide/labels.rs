//! Labels that the rest of the data contradict.

use super::{Claim, Facts, percent, rejected};
use crate::columns::{count, thousands};
use foretaste_core::{Action, Evidence, Kind, MISSING, Member, Scored, Severity, Suspicion, Table};
use foretaste_num::stats::true_discoveries;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest samples for which an uncalibrated list is worth showing, and the most it shows.
const LISTED: usize = 100;
/// Suspicion at which an uncalibrated label detector lists a sample.
const PLAIN: f32 = 0.9;

/// Probability of a wrong label above which it is listed for review.
const PROBABLE: f32 = 0.5;

/// One finding per detector that says which label it would expect.
///
/// `explained`: rows that a planted trigger explains; they are no labelling errors.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Vec<Claim> {
    let label: Vec<&Scored> = evidence.scored.iter().filter(|s| s.suspicion.expected.is_some()).collect();
    let calibrated: Vec<&&Scored> = label.iter().filter(|s| s.suspicion.p_value.is_some()).collect();
    if calibrated.is_empty() {
        return label.iter().filter_map(|s| uncalibrated(s, facts)).collect();
    }
    calibrated.iter().filter_map(|s| tested(s, facts, explained)).collect()
}

fn tested(scored: &Scored, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Option<Claim> {
    let s = &scored.suspicion;
    let p = s.p_value.as_ref()?;
    let rows = match &s.picked {
        Some(picked) => (0..picked.len()).filter(|&i| picked[i]).collect(),
        None => rejected(p, facts.fdr),
    };
    let rows = open(rows, s, facts, explained);
    if rows.is_empty() {
        return None;
    }
    let members = members(s, &rows, facts, true);
    let n = members.len();
    let severity =
        if n as f64 >= 0.01 * facts.dataset.rows as f64 { Severity::Medium } else { Severity::Low };
    let title = format!(
        "{} contradicted by the rest of the data ({} of {})",
        count(n as u64, "label"),
        percent(n, facts.dataset.rows),
        count(facts.dataset.rows, "row")
    );
    let mut f = facts.finding(Kind::LabelError, severity, title, Action::Quarantine, members);
    f.detectors = vec![scored.detector.clone()];
    if s.picked.is_some() {
        f.decision.rule = "the published rule that was asked for (no stated false-alarm level)".into();
        f.why.push("Picked by the rule that was asked for; it states no false-alarm level.".into());
    } else {
        f.decision.rule = "benjamini-hochberg".into();
        f.decision.fdr = Some(facts.fdr);
        f.decision.p_value = rows.iter().map(|&i| p[i]).min_by(f64::total_cmp);
        let flagged: Vec<f64> = rows.iter().map(|&i| p[i]).collect();
        let least = true_discoveries(&flagged, p.len(), facts.fdr) as u64;
        f.decision.at_least = Some(least);
        f.why.push(format!(
            "A model that did not see them gives their labels a probability that honest labels have too rarely: at most {:.0} % of these are expected to be false alarms{}.",
            100.0 * facts.fdr,
            if least > 0 && n > 1 { format!("; at least {} of {} are wrong at the same level", thousands(least), thousands(n as u64)) } else { String::new() }
        ));
    }
    let pairs = pair_table(&f.members);
    if let Some(top) = pairs.rows.first() {
        f.why.push(format!(
            "Most often given `{}` where `{}` is expected: {} of {}.",
            top[0],
            top[1],
            top[2],
            thousands(n as u64)
        ));
    }
    if explained.is_empty() && s.picked.is_none() {
        f.why.push("No pair of classes and no origin stands out among all labels beyond chance: this is what carelessness, or flips at random, look like.".into());
    }
    f.tables.push(pairs);
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Set them aside with `foretaste clean`, or have them labelled again; look at the pair of classes and the source before blaming chance.".into();
    Some(Claim { finding: f, marks: vec![] })
}

/// Labels that are more probably wrong than right, but not by so much that the false-discovery level would hold for them.
///
/// They are told only where other labels pass the test: where none does, nothing shows that there is noise at all, and
/// a few odd samples of honest data are not worth anybody's time. `settled`: rows that other findings hold already.
pub fn doubted(evidence: &Evidence, facts: &Facts<'_>, settled: &BTreeSet<u64>) -> Option<Claim> {
    let scored = evidence.scored.iter().find(|s| s.suspicion.probable && s.suspicion.expected.is_some())?;
    let s = &scored.suspicion;
    let open = |i: &usize| s.score[*i] > PROBABLE && differs(s, facts, *i) && !settled.contains(&(*i as u64));
    let rows: Vec<usize> = (0..s.score.len()).filter(open).collect();
    if rows.is_empty() {
        return None;
    }
    let wrong: f64 = rows.iter().map(|&i| f64::from(s.score[i])).sum();
    let title = format!("{} more probably wrong than right", count(rows.len() as u64, "further label"));
    let found = members(s, &rows, facts, false);
    let mut f = facts.finding(Kind::LabelError, Severity::Note, title, Action::Review, found);
    f.detectors = vec![scored.detector.clone()];
    f.decision.rule = "probable".into();
    f.why.push(format!(
        "The same model finds each of them wrong with a probability of more than {:.0} %; about {} of the {} should be. Listed for review, the most probable first: the false-discovery level does not hold for them.",
        100.0 * PROBABLE,
        thousands(wrong.round() as u64),
        thousands(rows.len() as u64)
    ));
    f.tables.push(pair_table(&f.members));
    f.advice = "Look at them from the top, or have them labelled again; `foretaste clean --review` sets them aside, too, and some honest samples with them.".into();
    Some(Claim { finding: f, marks: vec![] })
}

/// A label that is also the expected one cannot be called wrong, however rare it is.
fn open(rows: Vec<usize>, s: &Suspicion, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Vec<usize> {
    rows.into_iter().filter(|i| differs(s, facts, *i) && !explained.contains(&(*i as u64))).collect()
}

fn differs(s: &Suspicion, facts: &Facts<'_>, i: usize) -> bool {
    let given = facts.labels.get(i).copied().unwrap_or(MISSING);
    let expected = s.expected.as_ref().map_or(MISSING, |e| e[i]);
    given != MISSING && expected != MISSING && given != expected
}

fn members(s: &Suspicion, rows: &[usize], facts: &Facts<'_>, quarantine: bool) -> Vec<Member> {
    rows.iter()
        .map(|&i| {
            let mut m = facts.member(i as u64, s.score[i], quarantine);
            m.p_value = s.p_value.as_ref().map(|p| p[i]);
            m.expected = s.expected.as_ref().and_then(|e| facts.class(e[i]));
            m
        })
        .collect()
}

fn uncalibrated(scored: &Scored, facts: &Facts<'_>) -> Option<Claim> {
    let s = &scored.suspicion;
    let mut rows: Vec<usize> =
        (0..s.score.len()).filter(|&i| s.score[i] >= PLAIN && differs(s, facts, i)).collect();
    rows.sort_by(|a, b| s.score[*b].total_cmp(&s.score[*a]).then(a.cmp(b)));
    let all = rows.len();
    rows.truncate(LISTED);
    if rows.is_empty() {
        return None;
    }
    let title = format!("{} disagree with their neighbours", count(all as u64, "label"));
    let mut f = facts.finding(
        Kind::LabelError,
        Severity::Note,
        title,
        Action::Review,
        members(s, &rows, facts, false),
    );
    f.detectors = vec![scored.detector.clone()];
    f.decision.rule = "uncalibrated".into();
    f.why.push(format!("Listed for review: the {} with the highest suspicion. The score only orders, no false-alarm level is stated.", thousands(rows.len() as u64)));
    f.tables.push(pair_table(&f.members));
    f.advice =
        "Look at them from the top; run confident-learning too for a decision with a stated level.".into();
    Some(Claim { finding: f, marks: vec![] })
}

pub fn pair_table(members: &[Member]) -> Table {
    let mut pairs: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for m in members {
        if let (Some(given), Some(expected)) = (&m.given, &m.expected) {
            *pairs.entry((given, expected)).or_default() += 1;
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let rows = pairs.iter().take(12).map(|((given, expected), n)| {
        vec![
            (*given).to_owned(),
            (*expected).to_owned(),
            n.to_string(),
            percent(*n as usize, members.len() as u64),
        ]
    });
    Table {
        title: "between which classes".into(),
        header: vec!["given".into(), "expected".into(), "samples".into(), "share".into()],
        rows: rows.collect(),
    }
}
