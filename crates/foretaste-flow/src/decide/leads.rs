//! What groups of samples share: facts pass, tested leads pass at the stated level, the others are for review.

use super::{Claim, Facts, percent, rejected, samples};
use crate::columns::{count, thousands};
use foretaste_core::{Action, Evidence, Finding, Kind, Lead, Member, Scored, Severity, Table, p_words};
use std::collections::{BTreeMap, BTreeSet};

/// One finding per detector, kind and family of leads.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    let mut families: BTreeMap<(&str, Kind, &str), Vec<&Lead>> = BTreeMap::new();
    for (detector, lead) in surviving(evidence, facts.fdr) {
        let elsewhere = lead.kind.is_poison() || lead.kind == Kind::Shortcut;
        if elsewhere || super::coordinated::names_origin(lead) || super::numeric::is_own(lead) {
            continue;
        }
        families.entry((detector, lead.kind, &lead.family)).or_default().push(lead);
    }
    families
        .into_iter()
        .map(|((detector, kind, family), leads)| claim(detector, kind, family, &leads, evidence, facts))
        .collect()
}

/// Positions (detector, lead) of the leads that are rejected among all tested leads of all detectors together.
#[must_use]
pub fn passing(evidence: &Evidence, fdr: f64) -> Vec<(usize, usize)> {
    let all = evidence.scored.iter().enumerate().flat_map(|(s, d)| (0..d.leads.len()).map(move |l| (s, l)));
    let tested: Vec<(usize, usize, f64)> = all
        .filter_map(|(s, l)| {
            let lead = &evidence.scored[s].leads[l];
            lead.p_value.filter(|_| !lead.fact).map(|p| (s, l, p))
        })
        .collect();
    let p: Vec<f64> = tested.iter().map(|t| t.2).collect();
    rejected(&p, fdr).into_iter().map(|i| (tested[i].0, tested[i].1)).collect()
}

/// Part of the false-discovery level that is the most for the p-value of a lead that speaks of poison. A claim that somebody
/// meant harm wants more than one that something is odd; and natural shortcuts, of which data can be full, must not make
/// room for it, as they do in Benjamini-Hochberg.
const POISON: f64 = 0.2;

/// The most that the p-value of a lead may be that speaks of poison.
pub fn poison_level(fdr: f64) -> f64 {
    POISON * fdr
}

/// Whether a lead, if it speaks of poison, does so at the level that this takes.
pub fn credible(lead: &Lead, fdr: f64) -> bool {
    !lead.kind.is_poison() || lead.p_value.is_some_and(|p| p <= poison_level(fdr))
}

/// Leads that pass and the detectors that made them, the most significant first.
pub fn strongest(evidence: &Evidence, fdr: f64) -> Vec<(&Scored, &Lead)> {
    let mut leads: Vec<(&Scored, &Lead)> = passing(evidence, fdr)
        .into_iter()
        .map(|(s, l)| (&evidence.scored[s], &evidence.scored[s].leads[l]))
        .filter(|(_, l)| credible(l, fdr))
        .collect();
    let p = |l: &Lead| l.p_value.unwrap_or(1.0);
    leads.sort_by(|a, b| {
        p(a.1)
            .total_cmp(&p(b.1))
            .then(b.1.statistic.1.total_cmp(&a.1.statistic.1))
            .then_with(|| a.1.subject.cmp(&b.1.subject))
    });
    leads
}

/// Leads that are facts, have no null, or are rejected among all tested leads of all detectors together.
fn surviving(evidence: &Evidence, fdr: f64) -> Vec<(&str, &Lead)> {
    let all: Vec<(usize, usize)> = evidence
        .scored
        .iter()
        .enumerate()
        .flat_map(|(s, d)| (0..d.leads.len()).map(move |l| (s, l)))
        .collect();
    let pass: BTreeSet<(usize, usize)> = passing(evidence, fdr).into_iter().collect();
    all.into_iter()
        .filter(|(s, l)| {
            let lead = &evidence.scored[*s].leads[*l];
            lead.fact || lead.p_value.is_none() || pass.contains(&(*s, *l))
        })
        .map(|(s, l)| (evidence.scored[s].detector.as_str(), &evidence.scored[s].leads[l]))
        .collect()
}

fn claim(
    detector: &str,
    kind: Kind,
    family: &str,
    leads: &[&Lead],
    evidence: &Evidence,
    facts: &Facts<'_>,
) -> Claim {
    let score = evidence.scored.iter().find(|s| s.detector == detector).map(|s| &s.suspicion.score);
    let mut rows: BTreeSet<u64> = BTreeSet::new();
    let mut stay: BTreeSet<u64> = BTreeSet::new();
    for lead in leads {
        rows.extend(&lead.members);
        stay.extend(&lead.keep);
    }
    let (severity, action) = weight(kind, family, leads, rows.len(), facts);
    let members: Vec<Member> = rows
        .iter()
        .map(|&row| {
            let s = score.and_then(|s| s.get(row as usize)).copied().unwrap_or(0.0);
            facts.member(row, s, action == Action::Quarantine && !stay.contains(&row))
        })
        .collect();
    let mut f = facts.finding(kind, severity, String::new(), action, members);
    f.detectors = vec![detector.to_owned()];
    describe(&mut f, family, leads, facts);
    decision(&mut f, leads, facts);
    if matches!(kind, Kind::NearDuplicate | Kind::ConflictingDuplicate) {
        f.groups = groups(&f, leads);
    }
    if kind != Kind::SourceSkew {
        if let Some((words, _)) = facts.class_concentration(&f.members) {
            f.why.push(words + ".");
            if kind == Kind::HiddenContent && family == "hidden" {
                f.severity = Severity::High;
            }
        }
        f.tables.extend(facts.source_table(&f.members));
    }
    Claim { marks: leads.iter().flat_map(|l| l.marks.iter().cloned()).collect(), finding: f }
}

/// How much a family matters, and what `clean` does with it.
fn weight(kind: Kind, family: &str, leads: &[&Lead], rows: usize, facts: &Facts<'_>) -> (Severity, Action) {
    let share = rows as f64 / facts.dataset.rows.max(1) as f64;
    match (kind, family) {
        (Kind::HiddenContent, "hidden") => (Severity::Medium, Action::Quarantine),
        // mails and pages are full of it for reasons of their own
        (Kind::HiddenContent, "markup" | "too-long") => (Severity::Low, Action::Review),
        (Kind::HiddenContent, _) => (Severity::Note, Action::Review),
        (Kind::SourceSkew, "errors") => {
            let strong = leads.iter().any(|l| l.p_value.is_some_and(|p| p < 1e-6) && l.members.len() >= 20);
            (if strong { Severity::High } else { Severity::Medium }, Action::Quarantine)
        }
        (Kind::SourceSkew, _) => (Severity::Note, Action::Review),
        // Rows of a table can be equal for honest reasons: its columns need not determine the class.
        (Kind::ConflictingDuplicate, "table") => (Severity::Note, Action::Review),
        (Kind::ConflictingDuplicate, _) => {
            (if share > 0.01 { Severity::Medium } else { Severity::Low }, Action::Quarantine)
        }
        (Kind::NearDuplicate, _) => (Severity::Note, Action::Review),
        (
            Kind::LabelError
            | Kind::LabelPoisoning
            | Kind::Outlier
            | Kind::Backdoor
            | Kind::Shortcut
            | Kind::CleanLabel
            | Kind::Drift
            | Kind::Availability,
            _,
        ) => (Severity::Low, Action::Review),
    }
}

fn describe(f: &mut Finding, family: &str, leads: &[&Lead], facts: &Facts<'_>) {
    let n = f.members.len();
    let share = percent(n, facts.dataset.rows);
    match f.kind {
        Kind::NearDuplicate => {
            f.title = format!("{} in {} of copies ({share})", samples(n), count(leads.len() as u64, "group"));
            f.why
                .push(format!("Keeping one of each group would remove {}.", samples(n - leads.len().min(n))));
            f.advice = "Keep one of each group, and keep groups together when you split train and test; `foretaste clean --duplicates` does the first.".into();
        }
        Kind::ConflictingDuplicate => {
            f.title = format!(
                "{} of equal content with different labels ({})",
                count(leads.len() as u64, "group"),
                samples(n)
            );
            if family == "table" {
                f.why.push("Equal rows with different labels: either a label is wrong, or the columns do not determine the class.".into());
                f.advice = "Look at a few. If the class is determined by the columns, relabel; if not, no model can be right on all of these.".into();
            } else {
                f.why.push("At least one label of each group is wrong, whatever the model.".into());
                f.advice = "Relabel each group; `foretaste clean` sets the minority aside, or all of them where votes are equal.".into();
            }
        }
        Kind::HiddenContent => {
            let words: Vec<&str> = leads.iter().map(|l| l.subject.as_str()).collect();
            f.title = if words.len() == 1 {
                format!("{} ({})", words[0], samples(n))
            } else {
                format!("{}: {}", what(family), samples(n))
            };
            for lead in leads {
                f.why.push(format!(
                    "{}: {} in {}.",
                    upper(&lead.subject),
                    count(lead.statistic.1 as u64, "place"),
                    samples(lead.members.len())
                ));
            }
            f.advice = match family {
                "control" => "Often a broken encoding (Windows-1252 read as Latin-1): repair it upstream.",
                "markup" => "Read what a reader would not see: comments, hidden elements. Where it is no part of the data, strip the markup from all samples alike.",
                "too-long" => "Look at them: pasted files, encoded payloads, or several records in one.",
                _ => {
                    "Read them with the characters shown; strip them only after you know why they are there."
                }
            }
            .into();
        }
        Kind::SourceSkew => {
            f.title = match family {
                "errors" => format!(
                    "{} with more wrong labels than their samples explain",
                    count(leads.len() as u64, "origin")
                ),
                "labels" => format!("{} with a class beyond its share", count(leads.len() as u64, "origin")),
                _ => format!("{} with more copies than their share", count(leads.len() as u64, "origin")),
            };
            for lead in leads.iter().take(3) {
                f.why.push(format!(
                    "{} ({}, corrected for the number of tests).",
                    upper(&lead.subject),
                    p_words(lead.p_value.unwrap_or(1.0))
                ));
            }
            f.tables.push(origins(leads));
            f.advice = match family {
                "errors" => "Ask the supplier, and hold back what comes from there until it is explained.",
                "labels" => "Sources often differ for honest reasons; make sure that a model cannot learn the source instead of the class.",
                _ => "Remove the copies, and ask why this origin repeats itself.",
            }
            .into();
        }
        Kind::LabelError
        | Kind::LabelPoisoning
        | Kind::Outlier
        | Kind::Backdoor
        | Kind::Shortcut
        | Kind::CleanLabel
        | Kind::Drift
        | Kind::Availability => {
            f.title = leads.first().map_or(String::new(), |l| l.subject.clone());
            f.advice = "Look at them.".into();
        }
    }
}

fn what(family: &str) -> &'static str {
    match family {
        "hidden" => "hidden content",
        "markup" => "invisible markup",
        "control" => "control characters",
        "too-long" => "values longer than any honest one",
        _ => "odd content",
    }
}

pub fn upper(s: &str) -> String {
    let mut chars = s.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

fn origins(leads: &[&Lead]) -> Table {
    let rows = leads.iter().take(20).map(|l| {
        vec![l.subject.clone(), thousands(l.members.len() as u64), p_words(l.p_value.unwrap_or(1.0))]
    });
    Table {
        title: "origins".into(),
        header: vec!["origin".into(), "samples".into(), "p".into()],
        rows: rows.collect(),
    }
}

fn decision(f: &mut Finding, leads: &[&Lead], facts: &Facts<'_>) {
    if leads.iter().all(|l| l.fact) {
        f.decision.rule = "fact".into();
    } else if leads.iter().any(|l| l.p_value.is_some()) {
        f.decision.rule = "benjamini-hochberg".into();
        f.decision.fdr = Some(facts.fdr);
        f.decision.p_value = leads.iter().filter_map(|l| l.p_value).min_by(f64::total_cmp);
    } else {
        f.decision.rule = "uncalibrated".into();
    }
}

fn groups(f: &Finding, leads: &[&Lead]) -> Vec<Vec<u32>> {
    let at: BTreeMap<u64, u32> = f.members.iter().enumerate().map(|(i, m)| (m.row, i as u32)).collect();
    let mut groups: Vec<Vec<u32>> =
        leads.iter().map(|l| l.members.iter().filter_map(|r| at.get(r).copied()).collect()).collect();
    groups.sort_by(|a: &Vec<u32>, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    groups
}
