//! Groups of samples without which a model is right more often.

use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Member, Scored, Severity};
use std::collections::BTreeSet;

/// Share of samples that a model must gain without the group, counted on those that can be judged.
const EFFECT: f64 = 0.005;
/// Share of the model's errors that must be gone without the group: less is not worth a finding of poison.
const REPAIRED: f64 = 0.05;
/// Level of the test of harm, which is held against what hard honest samples do: of 132 honest subsets of 13 sets those with these
/// effects had 0.04 at least (labels drawn without any at random, which makes p-values smaller).
const LEVEL: f64 = 2e-3;
/// Share of the harm of all classes from which one class does it: the others' samples are only hard.
const MOST_OF_HARM: f64 = 0.8;

/// One finding per group that passes the test and costs enough, the surest first: of overlapping groups the one that the
/// test sees best. A group that is mostly in findings already adds nothing. `named`: rows that other findings call poison or noise.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>, named: &BTreeSet<u64>) -> Vec<Claim> {
    let groups: Vec<(&Scored, &Lead)> = strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| l.kind == Kind::Availability && l.p_value.is_some_and(|p| p <= LEVEL))
        .filter(|(_, l)| l.statistic.1 >= EFFECT)
        .filter(|(_, l)| l.number(Lead::REPAIRED).is_some_and(|share| share >= REPAIRED))
        .collect();
    let of_one_class = |l: &Lead| {
        groups.iter().any(|(_, c)| c.class.is_some() && c.statistic.1 >= MOST_OF_HARM * l.statistic.1)
    };
    let mut taken = named.clone();
    let mut out = vec![];
    for &(by, lead) in groups.iter().filter(|(_, l)| l.class.is_some() || !of_one_class(l)) {
        let new = lead.members.iter().filter(|r| !taken.contains(r)).count();
        if 2 * new > lead.members.len() {
            taken.extend(&lead.members);
            out.push(claim(by, lead, facts));
        }
    }
    out
}

/// Members with the suspicion of the detector that found them.
pub(super) fn members(by: &Scored, lead: &Lead, facts: &Facts<'_>, quarantine: bool) -> Vec<Member> {
    let suspicion = |r: u64| by.suspicion.score.get(r as usize).copied().unwrap_or(0.0);
    lead.members.iter().map(|r| facts.member(*r, suspicion(*r), quarantine)).collect()
}

fn claim(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let title = format!(
        "{} make a model worse: {} ({} of the data, {:+.1} points of accuracy without them)",
        samples(lead.members.len()),
        lead.subject,
        percent(lead.members.len(), facts.dataset.rows),
        100.0 * lead.statistic.1
    );
    harmful(by, lead, title, facts)
}

/// A group whose harm was tested.
pub(super) fn harmful(by: &Scored, lead: &Lead, title: String, facts: &Facts<'_>) -> Claim {
    let members = members(by, lead, facts, true);
    let mut f = facts.finding(Kind::Availability, Severity::High, title, Action::Quarantine, members);
    f.detectors = vec![by.detector.clone()];
    f.target_class = lead.class.and_then(|c| facts.class(c));
    f.decision.rule = "harm".into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = lead.p_value;
    f.why.clone_from(&lead.why);
    f.tables.clone_from(&lead.tables);
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Set them aside with `foretaste clean` and train again. Look at the first few and ask where they came from: the test says that they do harm, not that somebody meant it.".into();
    Claim { marks: lead.marks.clone(), finding: f }
}
