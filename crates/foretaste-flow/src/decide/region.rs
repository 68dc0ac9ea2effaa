//! Labels changed around one sample.

use super::availability::members;
use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Member, Scored, Severity};
use std::collections::BTreeSet;

/// Largest p-value of a region. The likelihood is corrected for all samples and classes but it knows few honest explanations;
/// where one word decides on what texts are like (a slur) honest samples came to 0.01.
const LEVEL: f64 = 1e-4;

/// One finding per region whose lead passes among all tested leads. `explained`: rows that a planted trigger explains; a region
/// that is mostly such rows is not said twice.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Vec<Claim> {
    strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| l.kind == Kind::LabelPoisoning && l.family == Lead::REGION)
        .filter(|(_, l)| l.p_value.is_some_and(|p| p <= LEVEL))
        .filter(|(_, l)| 2 * l.members.iter().filter(|r| explained.contains(r)).count() < l.members.len())
        .map(|(by, lead)| claim(by, lead, facts))
        .collect()
}

fn claim(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let n = lead.members.len();
    let title = format!("{} ({}, {} of the data)", lead.subject, samples(n), percent(n, facts.dataset.rows));
    let mut members = members(by, lead, facts, true);
    let centre = lead.number(Lead::CENTRE).map(|row| facts.member(row as u64, 0.0, false));
    let middle = centre.as_ref().map(|c| {
        let given = c.given.as_deref().unwrap_or("nothing");
        let place = c.line.map_or_else(|| format!("row {}", c.file_row), |l| format!("line {l}"));
        format!("In the middle stands {place}, labelled `{given}` (`{}`).", c.id.0)
    });
    // what may be the target is shown with the others, before them, and stays
    let target = centre.filter(|c| !lead.members.contains(&c.row));
    let most = members.iter().map(|m| m.suspicion).fold(0.0, f32::max);
    members.extend(target.map(|c| Member { suspicion: most + 1.0, ..c }));
    let mut f = facts.finding(Kind::LabelPoisoning, Severity::High, title, Action::Quarantine, members);
    f.detectors = vec![by.detector.clone()];
    f.target_class = lead.class.and_then(|c| facts.class(c));
    f.decision.rule = "region".into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = lead.p_value;
    f.why.extend(middle);
    f.why.extend(lead.why.iter().cloned());
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Look at the sample in the middle and at what is labelled around it, and ask who labelled these. Set them aside with `foretaste clean`, or give them back the label of what lies around them after a look.".into();
    Claim { marks: vec![], finding: f }
}
