//! Wrong labels with a system: from one origin, along one pair of classes. What has none stays labelling noise.

use super::leads::{poison_level, strongest, upper};
use super::{Claim, Facts, percent, samples};
use crate::columns::{count, thousands};
use foretaste_core::{Action, Evidence, Finding, Kind, Lead, Member, Scored, Severity, Suspicion, p_words};
use std::collections::{BTreeMap, BTreeSet};

/// Fewest wrong labels beyond what is expected from which an origin or a pair of classes is named; fewer are an accident.
const FEWEST: usize = 5;
/// Most findings for pairs of classes; more pairs than this are one finding with a table.
const PAIRS: usize = 3;

/// One finding for each origin, and for each pair of classes; and the rows that these settle, which are not to be judged
/// again: the samples in them, and of a pair also those that were taken for honest. Samples in one are not listed again in
/// the next.
///
/// An origin and a pair have to pass Benjamini-Hochberg among all tested leads at `--fdr`. `explained`: rows that a planted
/// trigger explains.
pub fn decide(
    evidence: &Evidence,
    facts: &Facts<'_>,
    explained: &BTreeSet<u64>,
) -> (Vec<Claim>, BTreeSet<u64>) {
    let mut taken = explained.clone();
    let mut out = vec![];
    let passed = strongest(evidence, facts.fdr);
    for (by, lead) in &passed {
        if names_origin(lead) {
            let finding = origin(&by.detector, lead, evidence, facts, &taken);
            out.extend(keep(finding, &mut taken));
        }
    }
    let mut pairs = vec![];
    for &(by, lead) in &passed {
        if lead.kind == Kind::LabelPoisoning && lead.family == PAIR {
            let members = moved(by, lead, facts, &taken);
            // A pair of which an origin explains most is that origin's doing. And where labels were moved, most of those that
            // the test counted can be told from honest ones; two classes that nobody can keep apart have too many, too.
            let told = 2.0 * members.len() as f64 >= lead.statistic.1;
            if is_open(lead, &taken) && told && members.len() >= FEWEST {
                pairs.push((by.detector.as_str(), lead, members));
            }
        }
    }
    let settled: Vec<u64> = pairs.iter().flat_map(|(_, lead, _)| lead.members.iter().copied()).collect();
    let is_plan = |l: &Lead| l.kind == Kind::LabelPoisoning && l.family == PLAN && is_open(l, &taken);
    if let Some(&(by, lead)) = passed.iter().find(|(_, lead)| is_plan(lead)) {
        let (parts, others) = pairs.into_iter().partition(|pair| is_part(pair, lead));
        pairs = others;
        out.extend(keep(planned(by, lead, parts, facts, &taken), &mut taken));
    }
    if pairs.len() > PAIRS {
        out.extend(keep(many(pairs, facts), &mut taken));
    } else {
        out.extend(pairs.into_iter().filter_map(|(d, l, m)| keep(one(d, l, m, facts), &mut taken)));
    }
    taken.extend(settled);
    (out, taken)
}

/// A pair of classes that passed: the detector that says so, what it says, and the samples that were moved.
type Pair<'a> = (&'a str, &'a Lead, Vec<Member>);

/// True unless other findings explain most of what the lead is about.
fn is_open(lead: &Lead, taken: &BTreeSet<u64>) -> bool {
    2 * lead.members.iter().filter(|r| !taken.contains(r)).count() > lead.members.len()
}

/// True if the pair is one of the directions of the plan, which its first table holds.
fn is_part((_, _, members): &Pair<'_>, plan: &Lead) -> bool {
    let of = members.first().and_then(|m| Some((m.expected.as_ref()?, m.given.as_ref()?)));
    let rows = plan.tables.first().map_or(&[][..], |t| &t.rows);
    of.is_some_and(|(from, to)| rows.iter().any(|row| row.first() == Some(from) && row.get(1) == Some(to)))
}

/// Wrong labels that go from class to class by a plan, whether or not some pair of classes stands out by itself: each class may
/// have lost too few. `parts`: the pairs that do, whose samples are members, too.
fn planned(
    by: &Scored,
    lead: &Lead,
    parts: Vec<Pair<'_>>,
    facts: &Facts<'_>,
    taken: &BTreeSet<u64>,
) -> Option<Finding> {
    let mut members = moved(by, lead, facts, taken);
    let mut known: BTreeSet<u64> = members.iter().map(|m| m.row).collect();
    members.extend(parts.into_iter().flat_map(|pair| pair.2).filter(|m| known.insert(m.row)));
    if members.is_empty() {
        return None;
    }
    let directions = lead.tables.first().map_or(&[][..], |t| &t.rows);
    let first: Vec<String> = directions
        .iter()
        .take(2)
        .filter_map(|row| Some(format!("`{}` to `{}`", row.first()?, row.get(1)?)))
        .collect();
    let title = format!(
        "{} ({}, {}): {}, ...",
        lead.subject,
        samples(members.len()),
        count(directions.len() as u64, "direction"),
        first.join(", ")
    );
    let mut f = pair_finding(&by.detector, title, members, facts);
    f.decision.rule = "plan".into();
    f.decision.p_value = lead.p_value;
    f.why.extend(lead.why.iter().cloned());
    f.why.push(format!(
        "Listed are those that go along with the plan; {:.0} % of them are expected to be honest by their own probabilities.",
        100.0 * facts.fdr
    ));
    f.tables.extend(lead.tables.iter().cloned());
    f.tables.push(super::labels::pair_table(&f.members));
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Ask who could write labels: one direction for each class is no carelessness. Set the samples aside with `foretaste clean`, or give them back the expected label after a look.".into();
    Some(f)
}

/// Family of the lead on a plan.
const PLAN: &str = "class-plan";
/// Family of the leads on pairs of classes.
const PAIR: &str = "class-pair";

/// True for an origin in which labels are contradicted at least three times as often as its samples explain: these labels
/// are named wrong, not only skewed. The test says that there are too many, this that hard samples do not explain them: a
/// collection of hard cases has twice as many.
pub fn names_origin(lead: &Lead) -> bool {
    let surplus = lead.statistic.1;
    lead.kind == Kind::SourceSkew
        && lead.family == "errors"
        && surplus >= FEWEST as f64
        && 3.0 * surplus >= 2.0 * lead.members.len() as f64
}

fn keep(finding: Option<Finding>, taken: &mut BTreeSet<u64>) -> Option<Claim> {
    let finding = finding?;
    taken.extend(finding.members.iter().map(|m| m.row));
    Some(Claim { finding, marks: vec![] })
}

/// The detector that says which label it would expect, with a null if there is one.
fn judge(evidence: &Evidence) -> Option<&Scored> {
    let calibrated =
        evidence.scored.iter().find(|s| s.suspicion.p_value.is_some() && s.suspicion.expected.is_some());
    calibrated.or_else(|| evidence.scored.iter().find(|s| s.suspicion.expected.is_some()))
}

fn member(row: u64, s: Option<&Suspicion>, facts: &Facts<'_>) -> Member {
    let i = row as usize;
    let mut m = facts.member(row, s.and_then(|s| s.score.get(i)).copied().unwrap_or(0.0), true);
    m.p_value = s.and_then(|s| s.p_value.as_ref()).and_then(|p| p.get(i)).copied();
    m.expected = s.and_then(|s| s.expected.as_ref()).and_then(|e| e.get(i)).and_then(|e| facts.class(*e));
    // another model than the one that contradicts the label may expect it
    m.expected = m.expected.filter(|e| m.given.as_ref() != Some(e));
    m
}

fn severity(n: usize, facts: &Facts<'_>) -> Severity {
    if n as f64 >= 0.005 * facts.dataset.rows as f64 || n >= 50 { Severity::High } else { Severity::Medium }
}

fn finding(title: String, members: Vec<Member>, facts: &Facts<'_>) -> Finding {
    let severity = severity(members.len(), facts);
    let mut f = facts.finding(Kind::LabelPoisoning, severity, title, Action::Quarantine, members);
    f.decision.rule = "benjamini-hochberg".into();
    f.decision.fdr = Some(facts.fdr);
    f
}

/// An origin whose labels are wrong beyond what its samples explain. Set aside are as many of its contradicted labels as
/// there are too many, the most suspicious first: the rest is what any origin has.
fn origin(
    detector: &str,
    lead: &Lead,
    evidence: &Evidence,
    facts: &Facts<'_>,
    taken: &BTreeSet<u64>,
) -> Option<Finding> {
    let by = judge(evidence);
    let mut members: Vec<Member> = lead
        .members
        .iter()
        .filter(|r| !taken.contains(r))
        .map(|r| member(*r, by.map(|s| &s.suspicion), facts))
        .collect();
    members.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion).then(a.row.cmp(&b.row)));
    members.truncate(lead.statistic.1.ceil() as usize);
    if members.len() < FEWEST {
        return None;
    }
    let (name, counts) = lead.subject.rsplit_once(": ").unwrap_or((&lead.subject, ""));
    let n = members.len();
    let title = format!("wrong labels from {name} ({})", samples(n));
    let mut f = finding(title, members, facts);
    f.detectors = std::iter::once(detector.to_owned()).chain(by.map(|s| s.detector.clone())).collect();
    f.decision.p_value = lead.p_value;
    f.why.push(format!(
        "{}: {counts} from all other origins ({}, corrected for the number of tests).",
        upper(name),
        p_words(lead.p_value.unwrap_or(1.0))
    ));
    f.why.push(directions(&f.members));
    f.tables.push(super::labels::pair_table(&f.members));
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Hold back what comes from there and ask who could write these labels; `foretaste clean` sets aside the ones listed here, the other samples of the origin stay.".into();
    Some(f)
}

/// Whether the labels go one way or everywhere.
fn directions(members: &[Member]) -> String {
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for m in members {
        if let (Some(given), Some(expected)) = (&m.given, &m.expected) {
            *pairs.entry((expected, given)).or_default() += 1;
        }
    }
    match pairs.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))) {
        Some(((from, to), n)) => {
            format!(
                "{} of {} are `{from}` by their content and labelled `{to}`.",
                thousands(*n as u64),
                thousands(members.len() as u64)
            )
        }
        None => "Nothing says which labels they should have.".into(),
    }
}

/// Members of a pair, of its candidates.
fn moved(by: &Scored, lead: &Lead, facts: &Facts<'_>, taken: &BTreeSet<u64>) -> Vec<Member> {
    let by = Some(&by.suspicion);
    let open = lead.members.iter().filter(|r| !taken.contains(r));
    surest(open.map(|r| member(*r, by, facts)).collect(), facts.fdr)
}

/// The most probably wrong, as many as keep the mean probability of an honest label at most at `fdr`.
fn surest(mut members: Vec<Member>, fdr: f64) -> Vec<Member> {
    members.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion).then(a.row.cmp(&b.row)));
    let (mut honest, mut keep) = (0.0, 0);
    for (i, m) in members.iter().enumerate() {
        honest += 1.0 - f64::from(m.suspicion);
        if honest > fdr * (i + 1) as f64 {
            break;
        }
        keep = i + 1;
    }
    members.truncate(keep);
    members
}

fn one(detector: &str, lead: &Lead, members: Vec<Member>, facts: &Facts<'_>) -> Option<Finding> {
    let n = members.len();
    let from = members.first().and_then(|m| m.expected.clone()).unwrap_or_default();
    let title = format!("{} ({}, {})", lead.subject, samples(n), share_of(n, &from, &members, facts));
    let mut f = pair_finding(detector, title, members, facts);
    f.target_class = lead.class.and_then(|c| facts.class(c));
    f.decision.p_value = lead.p_value;
    f.why.extend(lead.why.iter().cloned());
    f.why.push(told(facts));
    f.tables.extend(lead.tables.iter().cloned());
    f.tables.extend(facts.source_table(&f.members));
    Some(f)
}

fn many(pairs: Vec<Pair<'_>>, facts: &Facts<'_>) -> Option<Finding> {
    let detector = pairs.first()?.0;
    let kinds = pairs.len() as u64;
    let first: Vec<String> = pairs.iter().take(2).map(|p| p.1.subject.clone()).collect();
    let why: Vec<String> = pairs.iter().take(3).flat_map(|p| p.1.why.first().cloned()).collect();
    let p = pairs.iter().filter_map(|p| p.1.p_value).min_by(f64::total_cmp);
    let mut seen = BTreeSet::new();
    let members: Vec<Member> = pairs.into_iter().flat_map(|p| p.2).filter(|m| seen.insert(m.row)).collect();
    let title = format!(
        "labels moved along {} of classes ({}): {}, ...",
        count(kinds, "pair"),
        samples(members.len()),
        first.join(", ")
    );
    let mut f = pair_finding(detector, title, members, facts);
    f.decision.p_value = p;
    f.why.extend(why);
    f.why.push(told(facts));
    f.tables.push(super::labels::pair_table(&f.members));
    f.tables.extend(facts.source_table(&f.members));
    Some(f)
}

fn pair_finding(detector: &str, title: String, members: Vec<Member>, facts: &Facts<'_>) -> Finding {
    let mut f = finding(title, members, facts);
    f.detectors = vec![detector.to_owned()];
    f.advice = "Ask who could write labels of this class: one direction is no carelessness. Set the samples aside with `foretaste clean`, or give them back the expected label after a look.".into();
    f
}

fn told(facts: &Facts<'_>) -> String {
    format!(
        "The pair itself passed a test at level {:.0} %; of the samples listed, {:.0} % are expected to be honest by their own probabilities.",
        100.0 * poison_level(facts.fdr),
        100.0 * facts.fdr
    )
}

/// `4.3 % of what is `a` by its content`: of the class that the samples were taken from, wrong ones counted back.
fn share_of(n: usize, from: &str, members: &[Member], facts: &Facts<'_>) -> String {
    let given = facts.dataset.classes.iter().position(|c| c == from);
    let rows = given.and_then(|c| facts.dataset.class_counts.get(c)).copied().unwrap_or(0);
    format!("{} of `{from}`", percent(n, rows + members.len() as u64))
}
