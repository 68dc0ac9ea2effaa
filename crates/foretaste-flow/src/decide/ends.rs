//! Rows at the ends of several columns at once, against what the other data call for.

use super::availability::members;
use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Scored, Severity};

/// Largest p-value; permutations, corrected for what was tried, cannot say less than 0.0012.
const LEVEL: f64 = 2e-3;

/// One finding per group whose lead passes among all tested leads.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| l.kind == Kind::Availability && l.family == Lead::ENDS)
        .filter(|(_, l)| l.p_value.is_some_and(|p| p <= LEVEL))
        .map(|(by, lead)| claim(by, lead, facts))
        .collect()
}

fn claim(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let n = lead.members.len();
    let title = format!("{} {} ({} of the data)", samples(n), lead.subject, percent(n, facts.dataset.rows));
    let members = members(by, lead, facts, true);
    let mut f = facts.finding(Kind::Availability, Severity::High, title, Action::Quarantine, members);
    f.detectors = vec![by.detector.clone()];
    f.decision.rule = "ends".into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = lead.p_value;
    f.why.clone_from(&lead.why);
    f.tables.clone_from(&lead.tables);
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Set them aside with `foretaste clean` and train again. Ask where they came from: honest extremes follow the law of the other data, these were put where they do most harm.".into();
    Claim { marks: vec![], finding: f }
}
