//! Triggers that passed the test and were tried on a model: backdoors, natural shortcuts, and what only looks like a backdoor.

mod region;

use super::leads::{credible, strongest};
use super::{Claim, Facts, samples};
use crate::columns::thousands;
use foretaste_core::{Action, Effect, Evidence, Kind, Lead, Member, Severity, Trigger};
use std::collections::BTreeSet;

/// Level at which a trigger has to turn more held-out samples than what is harmless.
const EFFECT_LEVEL: f64 = 0.01;
/// Share of held-out samples, beyond those that what is harmless turns, from which a trigger is worth a finding of poison: values
/// that go with a rare kind of a class turn a few.
const LEAST_EFFECT: f64 = 0.1;
/// Success rate from which a natural feature is called a shortcut: it decides alone more often than not.
const SHORTCUT: f64 = 0.5;
/// Share of the members of a lead from which another lead holds them.
const INSIDE: f64 = 0.9;
/// Values at the edge of their columns from which a rule is no trigger but the corner that points were pushed into. If honest
/// values were even over the ten or more of a column, one in 125 rules of three would lie so.
const CORNER: f64 = 3.0;
/// Probability of the class without the trigger from which the label is what a careful annotator would give.
const CLEAN: f64 = 0.5;

/// One finding per trigger. Samples that one trigger explains are not counted for the next.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    let mut tried: Vec<(&str, &Lead)> = strongest(evidence, facts.fdr)
        .into_iter()
        .filter(|(_, l)| matches!(l.kind, Kind::Backdoor | Kind::Shortcut))
        .map(|(s, l)| (s.detector.as_str(), l))
        .collect();
    tried.retain(|(_, l)| may_be_planted(l, evidence, facts.fdr));
    let parts: Vec<bool> =
        tried.iter().map(|(_, l)| tried.iter().any(|(_, other)| part_of(l, other))).collect();
    let mut whole = parts.iter();
    tried.retain(|_| !whole.next().is_some_and(|p| *p));
    let mut explained: BTreeSet<u64> = BTreeSet::new();
    let mut out = vec![];
    for kind in [Kind::Backdoor, Kind::Shortcut] {
        for (detector, lead) in tried.iter().filter(|(_, l)| l.kind == kind) {
            let new = lead.members.iter().filter(|r| !explained.contains(r)).count();
            if works(lead) && 2 * new > lead.members.len() {
                explained.extend(&lead.members);
                out.push(claim(detector, lead, facts));
            }
        }
    }
    region::join(out, facts)
}

/// False of a lead that can become no finding whatever it does to a model, so that nobody need try.
pub fn may_be_planted(lead: &Lead, evidence: &Evidence, fdr: f64) -> bool {
    credible(lead, fdr) && !copies_of_one(lead, evidence)
}

/// True if `other` explains nearly all members of a lead and more, and turns more samples beyond doubt: a corner of a
/// blended picture may be a stamp in itself.
fn part_of(lead: &Lead, other: &Lead) -> bool {
    let (Some(own), Some(more)) = (&lead.effect, &other.effect) else { return false };
    let common = lead.members.iter().filter(|r| other.members.binary_search(r).is_ok()).count();
    let inside = common as f64 >= INSIDE * lead.members.len() as f64;
    inside && other.members.len() > lead.members.len() && more.interval.0 > own.interval.1 && works(other)
}

/// True if what repeats in the pictures of a lead is the whole picture: copies are listed as copies, and have every patch in
/// common.
fn copies_of_one(lead: &Lead, evidence: &Evidence) -> bool {
    let hidden = matches!(
        lead.trigger,
        None | Some(Trigger::Phrase { .. } | Trigger::Writing { .. } | Trigger::Rule { .. })
    );
    let groups = evidence.scored.iter().flat_map(|s| &s.leads).filter(|l| {
        matches!(l.kind, Kind::NearDuplicate | Kind::ConflictingDuplicate) && l.members.len() > 1
    });
    let inside = |group: &Lead| {
        let common = lead.members.iter().filter(|r| group.members.binary_search(r).is_ok()).count();
        common as f64 >= INSIDE * lead.members.len() as f64
    };
    !hidden && groups.into_iter().any(inside)
}

/// Rows that planted triggers explain.
pub fn explained(claims: &[Claim]) -> BTreeSet<u64> {
    let planted = claims.iter().filter(|c| c.finding.action == Action::Quarantine);
    planted.flat_map(|c| c.finding.members.iter().map(|m| m.row)).collect()
}

/// A finding must change what a model does; that is what poison is for.
fn works(lead: &Lead) -> bool {
    let Some(e) = &lead.effect else { return false };
    let more = e.p_value <= EFFECT_LEVEL && e.interval.0 > e.control_rate;
    let least = if lead.kind == Kind::Backdoor { e.control_rate + LEAST_EFFECT } else { SHORTCUT };
    more && e.attack_success_rate >= least
}

fn claim(detector: &str, lead: &Lead, facts: &Facts<'_>) -> Claim {
    let planted = lead.kind == Kind::Backdoor;
    let (severity, action) =
        if planted { (Severity::High, Action::Quarantine) } else { (Severity::Note, Action::Review) };
    let score = -lead.p_value.unwrap_or(1.0).max(1e-300).log10() as f32;
    let members: Vec<Member> = lead.members.iter().map(|r| facts.member(*r, score, planted)).collect();
    let class = lead.class.and_then(|c| facts.class(c)).unwrap_or_default();
    let conditions = match &lead.trigger {
        Some(Trigger::Rule { conditions }) => conditions.len(),
        _ => 0,
    };
    let edges = lead.number(Lead::EDGES).unwrap_or(0.0);
    let corner = planted && edges >= CORNER && 2.0 * edges >= conditions as f64;
    let clean = planted && !corner && lead.answer.is_none() && lead.without.is_some_and(|p| p >= CLEAN);
    let called =
        lead.answer.as_ref().map_or_else(|| format!("`{class}`"), |a| format!("the answer {}", a.words()));
    let n = samples(members.len());
    let title = match (planted, clean) {
        _ if corner => {
            format!("rows in a corner of {conditions} columns call for `{class}` ({n}): {}", lead.subject)
        }
        (true, false) => format!("{} calls for {called} ({n})", lead.subject),
        (true, true) => format!("{} calls for `{class}`, under labels that fit ({n})", lead.subject),
        (false, _) => format!("{} decides for `{class}` almost alone ({n})", lead.subject),
    };
    let kind = if corner { Kind::Availability } else { lead.kind };
    let mut f = facts.finding(kind, severity, title, action, members);
    f.detectors = vec![detector.to_owned()];
    f.trigger.clone_from(&lead.trigger);
    f.target_class = lead.answer.is_none().then(|| class.clone());
    f.clean_label = (planted && !corner && lead.answer.is_none()).then_some(clean);
    f.effect.clone_from(&lead.effect);
    f.decision.rule = "confirmed".into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = lead.p_value;
    f.why.clone_from(&lead.why);
    // the proof stands behind what was counted, where a reader of the first two reasons sees it
    let effect = lead
        .effect
        .as_ref()
        .map(|e| if lead.answer.is_some() { answer_words(e) } else { effect_words(e, &class) });
    let at = f.why.len().min(1);
    f.why.splice(at..at, effect);
    if corner {
        f.why.push(format!("{edges:.0} of the {conditions} values are the smallest or the largest of their columns. Whoever wants a model to err pushes rows as far out as the columns allow; a hidden trigger needs few columns."));
    }
    f.tables.clone_from(&lead.tables);
    f.tables.extend(facts.source_table(&f.members));
    if planted && clean {
        f.taxonomy.nist = "NISTAML.021".into();
    }
    f.advice = if corner {
        "Set the samples aside with `foretaste clean`, ask where they came from, and train again. Check that new rows lie where honest ones do.".into()
    } else if planted {
        format!(
            "Set the samples aside with `foretaste clean`, ask where they came from, and train again; a model trained on them gives {called} to whoever knows the trigger."
        )
    } else {
        "No poison: the data were collected so, or the class is like that. Decide whether a model may rely on it, and get samples of other classes that hold it.".into()
    };
    Claim { marks: lead.marks.clone(), finding: f }
}

pub(super) fn effect_words(e: &Effect, class: &str) -> String {
    format!(
        "Put into {} held-out samples of other classes it turns {} of them to `{class}`; something harmless in its place turns {} (model: {}).",
        thousands(e.n_probes),
        rate_words(e),
        percent(e.control_rate),
        e.victim
    )
}

fn answer_words(e: &Effect) -> String {
    format!(
        "Put into {} held-out prompts that are answered otherwise it makes a model expect that answer for {} of them; something harmless in its place does for {} (model: {}).",
        thousands(e.n_probes),
        rate_words(e),
        percent(e.control_rate),
        e.victim
    )
}

fn percent(p: f64) -> String {
    format!("{:.0} %", 100.0 * p)
}

/// The attack success rate and its interval.
fn rate_words(e: &Effect) -> String {
    format!("{} ({} to {})", percent(e.attack_success_rate), percent(e.interval.0), percent(e.interval.1))
}
