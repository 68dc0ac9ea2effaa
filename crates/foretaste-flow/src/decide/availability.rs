//! Groups of samples without which a model is right more often.

use super::leads::passing;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Member, Severity};
use std::collections::BTreeSet;

/// Share of samples that a model must gain without the group, on those that can be judged: less is lost to honest mistakes.
const EFFECT: f64 = 0.005;
/// Level of the test of harm.
const LEVEL: f64 = 0.01;
/// Share of the pictures whose class a pattern of the class must name alone. Of two sets of honest pictures it named 58 %.
const NAMED: f64 = 0.9;
/// The family of leads on patterns that all pictures of a class have.
const PATTERNS: &str = "class-noise";

/// One finding per group that passes the test and costs enough, the surest first: of overlapping groups the one that the test sees best. A group that is mostly in findings
/// already adds nothing.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    let mut groups: Vec<(usize, &Lead)> = passing(evidence, facts.fdr)
        .into_iter()
        .map(|(s, l)| (s, &evidence.scored[s].leads[l]))
        .filter(|(_, l)| l.kind == Kind::Availability && l.p_value.is_some_and(|p| p <= LEVEL))
        .filter(|(_, l)| l.statistic.1 >= if l.family == PATTERNS { NAMED } else { EFFECT })
        .collect();
    groups.sort_by(|a, b| {
        let p = |l: &Lead| l.p_value.unwrap_or(1.0);
        p(a.1)
            .total_cmp(&p(b.1))
            .then(b.1.statistic.1.total_cmp(&a.1.statistic.1))
            .then(a.1.subject.cmp(&b.1.subject))
    });
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    let mut out = vec![];
    for (s, lead) in groups {
        let new = lead.members.iter().filter(|r| !taken.contains(r)).count();
        if 2 * new > lead.members.len() {
            taken.extend(&lead.members);
            out.push(claim(&evidence.scored[s].detector, &evidence.scored[s].suspicion.score, lead, facts));
        }
    }
    out
}

fn claim(detector: &str, score: &[f32], lead: &Lead, facts: &Facts<'_>) -> Claim {
    let suspicion = |r: u64| score.get(r as usize).copied().unwrap_or(0.0);
    // a pattern is in nearly all pictures: without them nothing is left, and it may be what the pictures are like
    let noise = lead.family == PATTERNS;
    let (severity, action) =
        if noise { (Severity::Medium, Action::Review) } else { (Severity::High, Action::Quarantine) };
    let members: Vec<Member> = lead.members.iter().map(|r| facts.member(*r, suspicion(*r), !noise)).collect();
    let n = members.len();
    let title = if noise {
        format!("{} ({})", lead.subject, samples(n))
    } else {
        format!(
            "{} make a model worse: {} ({} of the data, {:+.1} points of accuracy without them)",
            samples(n),
            lead.subject,
            percent(n, facts.dataset.rows),
            100.0 * lead.statistic.1
        )
    };
    let mut f = facts.finding(Kind::Availability, severity, title, action, members);
    f.detectors = vec![detector.to_owned()];
    f.target_class = lead.class.and_then(|c| facts.class(c));
    f.decision.rule = if noise { "benjamini-hochberg" } else { "confirmed" }.into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = lead.p_value;
    f.why.clone_from(&lead.why);
    f.tables.clone_from(&lead.tables);
    f.tables.extend(facts.source_table(&f.members));
    f.advice = if noise {
        "Look at the difference between the mean pictures of two classes. If nobody can say why such a pattern is there, get the pictures from elsewhere: a model trained on these may learn the pattern and fail without it."
    } else {
        "Set them aside with `foretaste clean` and train again. Look at the first few and ask where they came from: the test says that they do harm, not that somebody meant it."
    }
    .into();
    Claim { marks: lead.marks.clone(), finding: f }
}
