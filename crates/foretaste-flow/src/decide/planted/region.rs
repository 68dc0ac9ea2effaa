//! Rules of one column that call for one class by several of its values.
//!
//! A trigger is one value of a column: whoever writes values into rows gains nothing by writing different ones. Where several
//! values of one column do alike, each beyond what the rest of its rows explains, the rows were there and their labels were
//! changed.

use crate::columns::thousands;
use crate::decide::{Claim, Facts, samples};
use foretaste_core::{Action, Kind, Member, Severity, Table, Trigger, p_words};
use std::collections::BTreeMap;

/// Values of one column from which they are a region.
const FEWEST: usize = 2;
/// Values named in the title.
const NAMED: usize = 3;

/// The claims, those on one column and for one class made one.
pub fn join(claims: Vec<Claim>, facts: &Facts<'_>) -> Vec<Claim> {
    let mut regions: BTreeMap<(String, String), Vec<Claim>> = BTreeMap::new();
    let mut out = vec![];
    for claim in claims {
        let class = claim.finding.target_class.clone().unwrap_or_default();
        match value(&claim) {
            Some((column, _)) => regions.entry((column.to_owned(), class)).or_default().push(claim),
            None => out.push(claim),
        }
    }
    for ((column, class), claims) in regions {
        if claims.len() < FEWEST {
            out.extend(claims);
        } else {
            out.push(one(&column, &class, claims, facts));
        }
    }
    out
}

/// Column and value of a planted rule of one condition.
fn value(claim: &Claim) -> Option<(&str, String)> {
    let f = &claim.finding;
    let Some(Trigger::Rule { conditions }) = &f.trigger else { return None };
    let [only] = conditions.as_slice() else { return None };
    (f.kind == Kind::Backdoor).then_some((only.column.as_str(), only.value_words()))
}

fn one(column: &str, class: &str, claims: Vec<Claim>, facts: &Facts<'_>) -> Claim {
    let mut members: BTreeMap<u64, Member> = BTreeMap::new();
    for claim in &claims {
        members.extend(claim.finding.members.iter().map(|m| (m.row, m.clone())));
    }
    let values: Vec<String> = claims.iter().filter_map(|c| value(c).map(|v| v.1)).collect();
    let named: Vec<String> = values.iter().take(NAMED).cloned().collect();
    let (between, more) = if values.len() > NAMED { (", ", ", ...") } else { (" or ", "") };
    let title = format!(
        "labels of rows with a `{column}` of {}{more} were changed to `{class}` ({})",
        named.join(between),
        samples(members.len())
    );
    let members = members.into_values().collect();
    let mut f = facts.finding(Kind::LabelPoisoning, Severity::High, title, Action::Quarantine, members);
    let best = &claims[0].finding;
    f.detectors.clone_from(&best.detectors);
    f.target_class = Some(class.to_owned());
    f.decision = best.decision.clone();
    f.effect.clone_from(&best.effect);
    f.why = vec![format!(
        "{} values of `{column}` call for `{class}`, each beyond what the rest of its rows explains. A hidden trigger is one value of a column, so several speak for labels that were changed; two triggers in one column would look the same.",
        values.len()
    )];
    f.why.extend(best.why.first().map(|w| format!("{}: {w}", values[0])));
    f.tables.push(Table {
        title: "values".into(),
        header: vec![column.into(), "samples".into(), "p".into()],
        rows: claims.iter().zip(&values).map(|(c, v)| row(c, v)).collect(),
    });
    f.tables.extend(facts.source_table(&f.members));
    f.advice = "Set them aside with `foretaste clean`, and ask who labels rows like these; their content may be kept once they are labelled anew.".into();
    Claim { marks: claims.into_iter().flat_map(|c| c.marks).collect(), finding: f }
}

fn row(claim: &Claim, value: &str) -> Vec<String> {
    let f = &claim.finding;
    vec![
        value.replace('`', ""),
        thousands(f.members.len() as u64),
        p_words(f.decision.p_value.unwrap_or(1.0)),
    ]
}
