//! Numbers to be learned that bend a model, and single ones that a slip of the pen explains.

use super::availability::{harmful, members};
use super::leads::strongest;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Role, Scored, Severity};
use foretaste_detectors::trimmed_residuals::SLIPS;
use std::collections::BTreeSet;

/// Level of the sign test, as for classes: that hard samples do harm is no error of the test.
const LEVEL: f64 = 1e-4;
/// The most that may be left of the differences between predictions. What is far out in honest data goes both ways: without it
/// 0.87 and more was left (50 subsets of ten tables), but for targets that hardly follow from the columns.
const BENT: f64 = 0.8;
/// Least deviation of the predictions in deviations of the residuals; below, there is nothing to bend.
const SIGNALS: f64 = 0.25;
/// How many times more slips than chance explains.
const BEYOND_CHANCE: f64 = 4.0;

/// True for leads that are decided here.
pub fn is_own(lead: &Lead) -> bool {
    lead.family == SLIPS
}

/// A finding of poison if a group bends a model, unless it is mostly `explained` by other findings or holds most of what is, and
/// one of slips for review.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>, explained: &BTreeSet<u64>) -> Vec<Claim> {
    // what a group does to a model may be the doing of those in it that are explained
    let is_new = |l: &Lead| {
        let known = l.members.iter().filter(|r| explained.contains(r)).count();
        2 * known <= l.members.len().min(explained.len())
    };
    let bends = |l: &Lead| {
        l.kind == Kind::Availability
            && l.p_value.is_some_and(|p| p <= LEVEL)
            && l.number(Lead::SLOPE).is_some_and(|slope| slope <= BENT)
            && l.number(Lead::SIGNAL).is_some_and(|signal| signal >= SIGNALS)
    };
    let mut out: Vec<Claim> = strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| bends(l) && is_new(l))
        .map(|(by, lead)| bent(by, lead, facts))
        .collect();
    let slips = evidence.scored.iter().flat_map(|s| s.leads.iter().map(move |l| (s, l)));
    let slips = slips.filter(|(_, l)| {
        is_own(l) && l.number(Lead::CHANCE).is_some_and(|n| n * BEYOND_CHANCE <= l.statistic.1)
    });
    out.extend(slips.map(|(by, lead)| slip(by, lead, facts)));
    out
}

fn target(facts: &Facts<'_>) -> String {
    let at = facts.dataset.positions(|r| r == Role::Target).first().copied();
    at.map(|i| facts.dataset.schema.field(i).name().clone()).unwrap_or_default()
}

fn bent(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let slope = lead.number(Lead::SLOPE).unwrap_or(1.0);
    let left = if slope <= 0.0 { "nothing".into() } else { format!("{:.0} %", 100.0 * slope) };
    let title = format!(
        "{} bend a model of `{}` ({} of the data): with them, {left} is left of the differences that it predicts",
        samples(lead.members.len()),
        target(facts),
        percent(lead.members.len(), facts.dataset.rows)
    );
    harmful(by, lead, title, facts)
}

fn slip(by: &Scored, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let members = members(by, lead, facts, false);
    let title = format!(
        "{} with a value of `{}` that looks like a slip of the pen",
        samples(members.len()),
        target(facts)
    );
    let mut f = facts.finding(Kind::LabelError, Severity::Low, title, Action::Review, members);
    f.detectors = vec![by.detector.clone()];
    f.decision.rule = "uncalibrated".into();
    f.why.clone_from(&lead.why);
    f.advice = "Look at them: a decimal point in the wrong place, another unit, a lost sign.".into();
    Claim { marks: lead.marks.clone(), finding: f }
}
