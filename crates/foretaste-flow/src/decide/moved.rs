//! Pictures that were moved while their label stayed right.

use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Member, Scored, Severity};
use std::collections::BTreeSet;

/// Least distance of the two kinds of pictures in a class, in standard deviations. Honest classes have two kinds, too (checked and
/// plain shirts); in photographs of signs they stood 3.2 apart at most, in those of clothes 4.9.
const APART: f64 = 5.5;
/// Largest share of pictures of other classes that may be as noisy: what is everywhere is the camera.
const ELSEWHERE: f64 = 0.01;

/// One finding per class. What is in findings of planted triggers already is not said twice.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Vec<Claim> {
    strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| l.kind == Kind::CleanLabel && l.statistic.1 >= APART)
        .filter(|(_, l)| l.number(Lead::ELSEWHERE).is_some_and(|share| share <= ELSEWHERE))
        .filter(|(_, l)| 2 * l.members.iter().filter(|r| explained.contains(r)).count() < l.members.len())
        .map(|(by, lead)| claim(by, lead, facts))
        .collect()
}

fn claim(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let suspicion = |r: u64| by.suspicion.score.get(r as usize).copied().unwrap_or(0.0);
    let members: Vec<Member> = lead.members.iter().map(|r| facts.member(*r, suspicion(*r), true)).collect();
    let n = members.len();
    let title = format!("{} ({}, {} of the data)", lead.subject, samples(n), percent(n, facts.dataset.rows));
    let mut f = facts.finding(Kind::CleanLabel, Severity::Medium, title, Action::Quarantine, members);
    f.detectors = vec![by.detector.clone()];
    f.target_class = lead.class.and_then(|c| facts.class(c));
    f.clean_label = Some(true);
    f.decision.rule = "apart".into();
    f.decision.p_value = lead.p_value;
    f.why.clone_from(&lead.why);
    f.why.push("Attacks that leave labels alone move pictures by the steps of a gradient, which leaves such noise. So does another camera, a stronger compression or an augmentation of one class.".into());
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Ask where these pictures come from. If nobody knows of another camera or processing, set them aside with `foretaste clean`: a model learns the class from the others.".into();
    Claim { marks: vec![], finding: f }
}
