//! What differs from data that the user vouches for: what passes the test and is large enough to matter.
//!
//! With many rows everything differs significantly, so a difference must also be large. The least that is told:
//! a share that moved by a percentage point, or that doubled or halved and is at least 0.1 % on one side; numbers
//! whose distribution functions are 0.05 apart somewhere; 0.1 % of the rows outside all trusted numbers; 1 % of the samples
//! recognisably new.

use super::{Claim, Facts, samples};
use crate::columns::{count, thousands};
use crate::trusted::{Difference, Drift, Effect, Question};
use foretaste_core::{Action, Finding, Kind, Member, Severity, Table, p_words};
use foretaste_num::two_sample::Part;
use std::collections::BTreeSet;

/// A share that moved by so much has changed.
const MOVED: f64 = 0.01;
/// A share that doubled or halved has changed, if it is at least this on one side.
const SEEN: f64 = 0.001;
/// Distribution functions that are so far apart differ.
const DISTANCE: f64 = 0.05;
/// Differences this many times the least are low, others a note.
const LARGE: f64 = 5.0;
/// Most rows of a table, and most samples listed of a difference that is about many.
const TOLD: usize = 20;
const LISTED: usize = 500;

/// One finding per question, and one each for columns, classes and labels that are facts.
pub fn decide(drift: &Drift, facts: &Facts<'_>) -> Vec<Claim> {
    let mut out = vec![];
    out.extend(columns(drift, facts));
    out.extend(unknown(drift, facts));
    out.extend(relabelled(drift, facts));
    for question in [Question::Shares, Question::Columns, Question::Words, Question::Kinds, Question::Labels]
    {
        let mut passed: Vec<&Difference> = drift
            .differences
            .iter()
            .filter(|d| d.question == question && d.p <= facts.fdr && size(d) >= 1.0)
            .collect();
        passed.sort_by(|a, b| {
            a.p.total_cmp(&b.p).then(size(b).total_cmp(&size(a))).then(a.subject.cmp(&b.subject))
        });
        if question == Question::Labels {
            // of several margins the one that the test sees best
            let mut seen = BTreeSet::new();
            passed.retain(|d| seen.insert(d.subject.as_str()));
        }
        if !passed.is_empty() {
            out.push(tested(question, &passed, drift, facts));
        }
    }
    out.into_iter().map(|finding| Claim { finding, marks: vec![] }).collect()
}

/// What was compared, in one sentence, whether or not something differs.
pub fn summary(drift: &Drift, found: usize, fdr: f64) -> String {
    let are =
        |n: usize| if n == 1 { "1 row is".to_owned() } else { format!("{} rows are", thousands(n as u64)) };
    let other = match drift.relabelled.len() {
        0 => String::new(),
        n => format!(", {} of them under another label", thousands(n as u64)),
    };
    let copies = match drift.copies as usize {
        0 => String::new(),
        n => format!("; {} also in the trusted data{other}", are(n)),
    };
    let result = if found > 0 { "" } else { ": no drift" };
    format!(
        "compared with {} of {} in {} at {:.0} %{result}{copies}",
        count(drift.rows, "trusted row"),
        in_files(drift),
        count(drift.tests as u64, "test"),
        100.0 * fdr
    )
}

fn in_files(drift: &Drift) -> String {
    match drift.files.as_slice() {
        [one] => format!("`{one}`"),
        more => count(more.len() as u64, "file"),
    }
}

fn share(part: Part) -> f64 {
    part.0 as f64 / part.1.max(1) as f64
}

/// How large a difference is, in units of the least that is told.
fn size(d: &Difference) -> f64 {
    match d.effect {
        Effect::Share(new, old) => {
            let (a, b) = (share(new), share(old));
            // more contradicted labels are a difference, fewer are none
            if d.question == Question::Labels && a <= b {
                return 0.0;
            }
            let doubled = a.max(b) >= SEEN && (a >= 2.0 * b || b >= 2.0 * a);
            ((a - b).abs() / MOVED).max(f64::from(u8::from(doubled)))
        }
        Effect::Distance(d, ..) => d / DISTANCE,
        Effect::Outside(part) => share(part) / SEEN,
        Effect::Recognised(s) => s / MOVED,
    }
}

fn tested(question: Question, passed: &[&Difference], drift: &Drift, facts: &Facts<'_>) -> Finding {
    let large = passed.iter().any(|d| size(d) >= LARGE);
    let severity = match question {
        Question::Labels => Severity::Medium,
        _ if large => Severity::Low,
        _ => Severity::Note,
    };
    let members = members(question, passed, drift, facts);
    let title = title(question, passed);
    let mut f = facts.finding(Kind::Drift, severity, title, Action::Review, members);
    f.decision.rule = "bonferroni".into();
    f.decision.fdr = Some(facts.fdr);
    f.decision.p_value = passed.iter().map(|d| d.p).min_by(f64::total_cmp);
    f.why = passed.iter().take(3).map(|d| format!("{}.", in_words(d))).collect();
    if passed.len() > 3 {
        f.why.push(format!("{} more differ.", thousands(passed.len() as u64 - 3)));
    }
    if question == Question::Kinds && f.members.len() == LISTED {
        f.why.push(format!("The {LISTED} most recognisable are listed."));
    }
    if !f.members.is_empty() {
        // contradicted labels are counted class by class already
        let shared = facts.class_concentration(&f.members).filter(|_| question != Question::Labels);
        f.why.extend(shared.map(|(words, _)| words + "."));
        f.tables.extend(facts.source_table(&f.members));
    }
    f.tables.insert(0, table(passed));
    f.advice = match question {
        Question::Shares => "Ask why classes are delivered in other shares than before; a model trained on both learns the new ones.",
        Question::Columns => "Look at the first columns: a changed unit or encoding, another population, or values that somebody wrote in.",
        Question::Words => "Read samples with these words: another topic or time, or a phrase that somebody put in.",
        Question::Kinds => "Look at the first samples and ask where they are from: another supplier, another device, or samples that somebody put in.",
        Question::Labels => "Look at the first samples. Either the labels are wrong, or the new samples are such that the trusted data do not teach to judge them.",
    }
    .into();
    f
}

fn title(question: Question, passed: &[&Difference]) -> String {
    let mut names: Vec<&str> = vec![];
    for d in passed {
        if !names.contains(&d.subject.as_str()) {
            names.push(&d.subject);
        }
    }
    let first = &names[..names.len().min(3)];
    let more = if names.len() > first.len() { ", ..." } else { "" };
    let quoted: Vec<String> = first.iter().map(|n| format!("`{n}`")).collect();
    let list = format!("{}{more}", quoted.join(", "));
    let n = |noun: &str| count(names.len() as u64, noun);
    match (question, passed.first().map(|d| d.effect)) {
        (Question::Shares, _) if names.len() == 1 => {
            format!("the share of class {list} differs from the trusted data")
        }
        (Question::Shares, _) => {
            format!("shares of {} classes differ from the trusted data: {list}", names.len())
        }
        (Question::Columns, _) if names.len() == 1 => format!("column {list} differs from the trusted data"),
        (Question::Columns, _) => format!("{} differ from the trusted data: {list}", n("column")),
        (Question::Words, _) => {
            format!("{} more or less frequent than in the trusted data: {list}", n("word"))
        }
        (Question::Kinds, Some(Effect::Recognised(s))) => {
            format!("at least {} of the samples are recognisably unlike the trusted data", percent(s))
        }
        (_, Some(Effect::Share(new, old))) => {
            let of = match names.first() {
                Some(class) if !class.is_empty() => format!(" `{class}`"),
                _ => String::new(),
            };
            let by = if passed.iter().take(1).all(|d| d.what.is_empty()) { "" } else { " strongly" };
            let labels = if new.0 == 1 { "label" } else { "labels" };
            format!(
                "{} {labels}{of} contradicted{by} by a model of the trusted data, {} expected",
                thousands(new.0),
                thousands((share(old) * new.1 as f64).round() as u64)
            )
        }
        _ => "something differs from the trusted data".into(),
    }
}

/// One difference as a sentence without its end.
fn in_words(d: &Difference) -> String {
    let p = format!("{}, corrected", p_words(d.p));
    let what = if d.what.is_empty() { String::new() } else { format!(" {}", d.what) };
    match (d.question, d.effect) {
        (Question::Shares, Effect::Share(new, old)) => {
            format!(
                "Class `{}`: {} of the new samples, {} of the trusted ({p})",
                d.subject,
                percent(share(new)),
                percent(share(old))
            )
        }
        (Question::Words, Effect::Share(new, old)) => {
            format!(
                "`{}` stands in {} of the new texts and in {} of the trusted ({p})",
                d.subject,
                percent(share(new)),
                percent(share(old))
            )
        }
        (Question::Labels, Effect::Share(new, old)) => {
            let how = if d.what.is_empty() { String::new() } else { format!(" ({})", d.what) };
            let whose = if d.subject.is_empty() {
                "Of all labels".to_owned()
            } else {
                format!("Of the labels `{}`", d.subject)
            };
            format!(
                "{whose} {} are contradicted{how}, of held-out trusted ones {} ({p})",
                percent(share(new)),
                percent(share(old))
            )
        }
        (_, Effect::Share(new, old)) => {
            format!(
                "Column `{}`{what}: {} of the new rows, {} of the trusted ({p})",
                d.subject,
                percent(share(new)),
                percent(share(old))
            )
        }
        (_, Effect::Distance(far, new, old)) => format!(
            "Column `{}`: distributions are {far:.2} apart, median {} instead of {} ({p})",
            d.subject,
            short(new),
            short(old)
        ),
        (_, Effect::Outside(part)) => {
            format!("Column `{}`{what}: {} of the new rows ({p})", d.subject, percent(share(part)))
        }
        (_, Effect::Recognised(s)) => {
            format!(
                "A model that saw half of both tells by the {} that at least {} of the other half is new ({p})",
                d.subject,
                percent(s)
            )
        }
    }
}

fn table(passed: &[&Difference]) -> Table {
    let rows = passed.iter().take(TOLD).map(|d| {
        let (new, old) = match d.effect {
            Effect::Share(new, old) => (percent(share(new)), percent(share(old))),
            Effect::Distance(_, new, old) => {
                (format!("median {}", short(new)), format!("median {}", short(old)))
            }
            Effect::Outside(part) => (percent(share(part)), "0 %".into()),
            Effect::Recognised(s) => (percent(s), String::new()),
        };
        let subject = if d.subject.is_empty() { "all" } else { &d.subject };
        vec![subject.to_owned(), d.what.clone(), new, old, p_words(d.p)]
    });
    Table {
        title: "differences".into(),
        header: ["", "what", "new", "trusted", "p"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// Samples that the differences are about. Of contradicted labels as many as there are too many.
fn members(question: Question, passed: &[&Difference], drift: &Drift, facts: &Facts<'_>) -> Vec<Member> {
    let mut rows: Vec<u64> = vec![];
    let mut seen = BTreeSet::new();
    // what is wrong over all classes holds what is wrong in each
    let whole = question == Question::Labels && passed.iter().any(|d| d.subject.is_empty());
    for d in passed.iter().filter(|d| !whole || d.subject.is_empty()) {
        let most = match (question, d.effect) {
            (Question::Labels, Effect::Share(new, old)) => {
                (new.0 as f64 - share(old) * new.1 as f64).ceil() as usize
            }
            _ => LISTED,
        };
        rows.extend(d.rows.iter().take(most).filter(|r| seen.insert(**r)));
    }
    rows.truncate(if question == Question::Labels { usize::MAX } else { LISTED });
    let n = rows.len().max(1) as f32;
    let one = |(i, row): (usize, u64)| {
        // what has no score of its own keeps the order in which it was found
        let order = 1.0 - i as f32 / n;
        let said = drift.contradicted.as_ref().filter(|_| question == Question::Labels);
        let margin = said.and_then(|c| c.margin.get(row as usize)).copied();
        let mut m = facts.member(row, margin.unwrap_or(order), false);
        m.expected = said.and_then(|c| c.expected.get(row as usize)).cloned();
        m
    };
    rows.into_iter().enumerate().map(one).collect()
}

fn fact(facts: &Facts<'_>, severity: Severity, title: String, rows: &[u64]) -> Finding {
    let members = rows.iter().map(|r| facts.member(*r, 1.0, false)).collect();
    let mut f = facts.finding(Kind::Drift, severity, title, Action::Review, members);
    f.decision.rule = "fact".into();
    f
}

/// Columns that one side lacks or holds in another kind.
fn columns(drift: &Drift, facts: &Facts<'_>) -> Option<Finding> {
    let n = drift.columns.len();
    let title = match drift.columns.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [one, ..] => {
            format!("{} cannot be compared with the trusted data: {one}, ...", count(n as u64, "column"))
        }
    };
    let mut f = fact(facts, Severity::Low, title, &[]);
    f.why = drift.columns.iter().take(TOLD).map(|c| format!("{}.", super::leads::upper(c))).collect();
    f.advice = "Give both the same columns in the same kind, or leave a column out with --ignore; what is named here was not compared.".into();
    Some(f)
}

/// Classes that the trusted data do not have.
fn unknown(drift: &Drift, facts: &Facts<'_>) -> Option<Finding> {
    let mut rows: Vec<u64> = drift.unknown.iter().flat_map(|(_, r)| r.iter().copied()).collect();
    rows.sort_unstable();
    let (first, _) = drift.unknown.first()?;
    let title = if drift.unknown.len() == 1 {
        format!("class `{first}` is unknown to the trusted data ({})", samples(rows.len()))
    } else {
        let n = format!("{} classes", drift.unknown.len());
        format!("{n} are unknown to the trusted data: `{first}`, ... ({})", samples(rows.len()))
    };
    let mut f = fact(facts, Severity::Low, title, &rows);
    f.why = drift
        .unknown
        .iter()
        .take(TOLD)
        .map(|(name, rows)| format!("No trusted sample is labelled `{name}`, {} here.", are(rows.len())))
        .collect();
    f.advice = "Check whether the class is meant, or a name is written in another way.".into();
    Some(f)
}

fn are(n: usize) -> String {
    if n == 1 { "1 is".into() } else { format!("{} are", thousands(n as u64)) }
}

/// Copies of trusted samples under a label that they do not have there. Rows of a table can be equal for honest reasons,
/// because its columns need not determine the class, so of these the summary only gives the number.
fn relabelled(drift: &Drift, facts: &Facts<'_>) -> Option<Finding> {
    let rows = &drift.relabelled;
    if rows.is_empty() || !drift.whole_content {
        return None;
    }
    let title = format!("{} copied from the trusted data under another label", samples(rows.len()));
    let many = rows.len() as f64 >= MOVED * facts.dataset.rows as f64;
    let mut f = fact(facts, if many { Severity::Medium } else { Severity::Low }, title, rows);
    f.why.push(format!("Of {} whose content stands in the trusted data.", samples(drift.copies as usize)));
    f.advice = "Take the label of the trusted data, unless these are known to be wrong.".into();
    Some(f)
}

fn percent(share: f64) -> String {
    let p = 100.0 * share;
    match p {
        0.0 => "0 %".into(),
        p if p < 0.1 => format!("{p:.2} %"),
        _ => format!("{p:.1} %"),
    }
}

/// A number with as many digits as help.
fn short(v: f64) -> String {
    if v == v.trunc() && v.abs() < 1e9 {
        format!("{v}")
    } else {
        format!("{v:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(question: Question, effect: Effect) -> Difference {
        Difference { question, subject: "x".into(), what: String::new(), effect, p: 1e-9, rows: vec![] }
    }

    #[test]
    fn small_differences_are_not_told_however_sure() {
        let share = |new, old| size(&of(Question::Words, Effect::Share(new, old)));
        assert!(share((5_090, 10_000), (5_000, 10_000)) < 1.0);
        assert!(share((5_200, 10_000), (5_000, 10_000)) >= 1.0);
        assert!(share((20, 10_000), (5, 10_000)) >= 1.0, "a rare value that became frequent");
        assert!(share((6, 10_000), (1, 10_000)) < 1.0, "too rare to matter");
        assert!(share((0, 10_000), (50, 10_000)) >= 1.0, "a value that is gone");
        assert_eq!(
            size(&of(Question::Labels, Effect::Share((1, 100), (9, 100)))),
            0.0,
            "better labels are no finding"
        );
        assert!(size(&of(Question::Columns, Effect::Distance(0.04, 0.0, 0.0))) < 1.0);
    }

    #[test]
    fn differences_are_sentences() {
        let d = of(Question::Shares, Effect::Share((30, 100), (10, 100)));
        assert_eq!(
            in_words(&d),
            "Class `x`: 30.0 % of the new samples, 10.0 % of the trusted (p = 1.0e-9, corrected)"
        );
        assert_eq!(title(Question::Shares, &[&d]), "the share of class `x` differs from the trusted data");
        let mut d = of(Question::Labels, Effect::Share((30, 100), (10, 100)));
        d.subject = String::new();
        assert_eq!(
            title(Question::Labels, &[&d]),
            "30 labels contradicted by a model of the trusted data, 10 expected"
        );
    }

    #[test]
    fn the_summary_counts() {
        let drift =
            Drift { files: vec!["good.csv".into()], rows: 1200, tests: 14, copies: 3, ..Drift::default() };
        let said = summary(&drift, 0, 0.05);
        assert_eq!(
            said,
            "compared with 1,200 trusted rows of `good.csv` in 14 tests at 5 %: no drift; 3 rows are also in the trusted data"
        );
    }
}
