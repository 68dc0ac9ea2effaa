//! The one place where numbers become claims. Every rule has a stated false-alarm level, or says that it has none.

mod availability;
mod coordinated;
mod drift;
mod ends;
mod labels;
mod leads;
mod moved;
mod numeric;
mod planted;
mod region;
mod separable;
mod strays;

pub use drift::summary as drift_summary;
pub use leads::passing;
pub use planted::may_be_planted;
pub use separable::worth_trying;

use crate::columns::{count, thousands};
use crate::dataset::Dataset;
use foretaste_core::{
    Action, Decision, Evidence, Finding, Kind, MISSING, Mark, Member, Role, SampleId, Severity, Strings,
    Table,
};
use foretaste_num::stats::{hypergeometric_sf, reject_bh};
use std::collections::{BTreeMap, BTreeSet};

/// What a decision needs besides the evidence.
pub struct Facts<'a> {
    /// The data set.
    pub dataset: &'a Dataset,
    /// Label codes of all rows.
    pub labels: &'a [u32],
    /// Ids of all rows.
    pub ids: &'a [SampleId],
    /// Values of the source column, if there is one.
    pub source: Option<(String, Vec<Option<String>>)>,
    /// False-discovery level.
    pub fdr: f64,
    /// What differs from trusted data, if there are some.
    pub drift: Option<crate::trusted::Drift>,
}

/// A finding and the places worth looking at, for the examples.
pub struct Claim {
    /// The finding, without examples.
    pub finding: Finding,
    /// Where to look.
    pub marks: Vec<Mark>,
}

/// Turns evidence into findings, the most important first.
#[must_use]
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Vec<Claim> {
    let mut claims = planted::decide(evidence, facts);
    let mut explained = planted::explained(&claims);
    let regions = region::decide(evidence, facts, &explained);
    explained.extend(regions.iter().flat_map(|c| c.finding.members.iter().map(|m| m.row)));
    claims.extend(regions);
    let ends = ends::decide(evidence, facts);
    explained.extend(ends.iter().flat_map(|c| c.finding.members.iter().map(|m| m.row)));
    claims.extend(ends);
    let (coordinated, explained) = coordinated::decide(evidence, facts, &explained);
    claims.extend(coordinated);
    let labels = labels::decide(evidence, facts, &explained);
    // noise does harm, too: what is called noise needs no other name
    let noise = labels.iter().flat_map(|c| c.finding.members.iter().map(|m| m.row));
    let separable = separable::decide(evidence, facts);
    let patterned = separable.iter().flat_map(|c| c.finding.members.iter().map(|m| m.row));
    let explained: BTreeSet<u64> = explained.into_iter().chain(patterned).collect();
    let surface = leads::decide(evidence, facts);
    let set_aside =
        surface.iter().flat_map(|c| c.finding.members.iter().filter(|m| m.quarantine).map(|m| m.row));
    let named: BTreeSet<u64> = explained.iter().copied().chain(noise).chain(set_aside).collect();
    let doubted = doubted(evidence, facts, &claims, &labels);
    claims.extend(moved::decide(evidence, facts, &explained));
    claims.extend(availability::decide(evidence, facts, &named));
    claims.extend(separable);
    claims.extend(numeric::decide(evidence, facts, &explained));
    claims.extend(labels);
    claims.extend(doubted);
    claims.extend(surface);
    claims.extend(strays::decide(evidence, facts));
    claims.extend(facts.drift.iter().flat_map(|d| drift::decide(d, facts)));
    claims.sort_by(|a, b| {
        let key = |c: &Claim| {
            (
                std::cmp::Reverse(c.finding.severity),
                c.finding.kind,
                std::cmp::Reverse(c.finding.members.len()),
            )
        };
        key(a).cmp(&key(b)).then_with(|| a.finding.title.cmp(&b.finding.title))
    });
    for (i, claim) in claims.iter_mut().enumerate() {
        claim.finding.id = format!("F{}", i + 1);
    }
    claims
}

/// Further labels that are likely wrong, if there are findings of wrong labels.
fn doubted(evidence: &Evidence, facts: &Facts<'_>, coordinated: &[Claim], labels: &[Claim]) -> Option<Claim> {
    let of_labels = |c: &&Claim| matches!(c.finding.kind, Kind::LabelError | Kind::LabelPoisoning);
    let told = coordinated.iter().chain(labels);
    told.clone().find(of_labels)?;
    let rows = told.flat_map(|c| c.finding.members.iter().map(|m| m.row)).collect();
    labels::doubted(evidence, facts, &rows)
}

impl Facts<'_> {
    /// A member with its place, id and given label.
    fn member(&self, row: u64, suspicion: f32, quarantine: bool) -> Member {
        let place = self.dataset.place(row);
        Member {
            id: self.ids.get(row as usize).cloned().unwrap_or(SampleId(format!("row-{row}"))),
            row,
            file: place.file,
            file_row: place.file_row,
            line: place.line,
            suspicion,
            p_value: None,
            given: self.class(self.labels.get(row as usize).copied().unwrap_or(MISSING)),
            expected: None,
            quarantine,
        }
    }

    /// The name of a class code.
    pub fn class(&self, code: u32) -> Option<String> {
        self.dataset.classes.get(code as usize).cloned()
    }

    /// A finding with everything that follows from its kind and members.
    fn finding(
        &self,
        kind: Kind,
        severity: Severity,
        title: String,
        action: Action,
        mut members: Vec<Member>,
    ) -> Finding {
        members.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion).then(a.row.cmp(&b.row)));
        Finding {
            id: String::new(),
            kind,
            severity,
            title,
            why: vec![],
            advice: String::new(),
            detectors: vec![],
            decision: Decision { rule: String::new(), fdr: None, p_value: None, at_least: None },
            action,
            taxonomy: kind.taxonomy(),
            members,
            trigger: None,
            target_class: None,
            clean_label: None,
            effect: None,
            groups: vec![],
            examples: vec![],
            tables: vec![],
        }
    }

    /// A class that holds more of the members than chance allows: sentence and p-value.
    fn class_concentration(&self, members: &[Member]) -> Option<(String, f64)> {
        let codes: Vec<u32> = members
            .iter()
            .filter_map(|m| self.labels.get(m.row as usize).copied())
            .filter(|l| *l != MISSING)
            .collect();
        let labelled: u64 = self.dataset.class_counts.iter().sum();
        let mut best: Option<(String, f64)> = None;
        let tests = self.dataset.classes.len() as f64;
        for (class, total) in self.dataset.class_counts.iter().enumerate() {
            let k = codes.iter().filter(|c| **c as usize == class).count() as u64;
            if k < 3 {
                continue;
            }
            let p = (hypergeometric_sf(k, labelled, *total, codes.len() as u64) * tests).min(1.0);
            if p < 0.001 && best.as_ref().is_none_or(|(_, b)| p < *b) {
                let share = 100.0 * *total as f64 / labelled.max(1) as f64;
                let words = format!(
                    "{} of {} are labelled `{}` ({share:.1} % of the data are): beyond chance, p = {p:.1e}",
                    thousands(k),
                    thousands(codes.len() as u64),
                    self.dataset.classes[class]
                );
                best = Some((words, p));
            }
        }
        best
    }

    /// How the members spread over the sources, the most concentrated first.
    fn source_table(&self, members: &[Member]) -> Option<Table> {
        let (name, values) = self.source.as_ref()?;
        let mut by: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for v in values.iter().flatten() {
            by.entry(v).or_default().1 += 1;
        }
        for m in members {
            if let Some(Some(v)) = values.get(m.row as usize) {
                by.entry(v).or_default().0 += 1;
            }
        }
        let mut rows: Vec<(&str, u64, u64)> =
            by.into_iter().filter(|(_, (k, _))| *k > 0).map(|(v, (k, n))| (v, k, n)).collect();
        rows.sort_by(|a, b| {
            (b.1 as f64 / b.2 as f64)
                .total_cmp(&(a.1 as f64 / a.2 as f64))
                .then(b.1.cmp(&a.1))
                .then(a.0.cmp(b.0))
        });
        let rows = rows.iter().take(10);
        let cells = rows.map(|(v, k, n)| {
            vec![
                (*v).to_owned(),
                k.to_string(),
                n.to_string(),
                format!("{:.1} %", 100.0 * *k as f64 / *n as f64),
            ]
        });
        Some(Table {
            title: format!("by {name}"),
            header: vec![name.clone(), "in this finding".into(), "rows".into(), "share".into()],
            rows: cells.collect(),
        })
    }
}

/// Reads the source (or annotator) column of all rows.
///
/// # Errors
/// If a file cannot be read.
pub fn source_values(dataset: &Dataset) -> crate::error::Result<Option<(String, Vec<Option<String>>)>> {
    let Some(role) = [Role::Source, Role::Annotator].into_iter().find(|r| dataset.has(*r)) else {
        return Ok(None);
    };
    let mut name = String::new();
    let mut values = Vec::with_capacity(dataset.rows as usize);
    for batch in dataset.batches()? {
        let batch = batch?;
        if let Some((column, array)) = batch.column(role) {
            name = column.to_owned();
            let strings = Strings::new(array);
            values.extend((0..batch.rows()).map(|i| strings.get(i).map(str::to_owned)));
        }
    }
    Ok(Some((name, values)))
}

/// Rows rejected by Benjamini-Hochberg at `level`.
fn rejected(p: &[f64], level: f64) -> Vec<usize> {
    let flags = reject_bh(p, level);
    (0..p.len()).filter(|&i| flags[i]).collect()
}

/// `1 sample`, `2 samples`.
fn samples(n: usize) -> String {
    count(n as u64, "sample")
}

/// Share in percent with a sensible number of digits.
fn percent(part: usize, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if share >= 10.0 {
        format!("{share:.0} %")
    } else if share >= 0.1 {
        format!("{share:.1} %")
    } else {
        format!("{share:.2} %")
    }
}
