//! Rows at the ends of several columns at once, against what the other data call for.

use super::availability::harmful;
use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Evidence, Kind, Lead, Scored};

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
    let mut claim = harmful(by, lead, title, facts);
    claim.finding.decision.rule = "ends".into();
    claim.finding.advice = "Set them aside with `foretaste clean` and train again. Ask where they came from: honest extremes follow the law of the other data, these were put where they do most harm.".into();
    claim
}
