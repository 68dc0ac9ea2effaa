//! Who pulls: labels, sources, annotators, and families of samples nearly alike.

use super::influence::{Influence, Learner};
use super::{Group, place};
use crate::dataset::Dataset;
use crate::error::Result;
use foretaste_core::{Picked, Role, Strings};
use std::collections::{BTreeMap, BTreeSet};

/// Samples nearly alike have at least this cosine.
const ALIKE: f32 = 0.9;
/// Strongest samples whose families are looked for.
const SEEDS: usize = 40;
/// Families that are told.
const FAMILIES: usize = 3;
/// Least part of the pull of a family that is told.
const FAMILY_PULL: f64 = 0.01;
/// Values of a column that are told.
const VALUES: usize = 5;

/// All groups that are worth telling: labels by their pull, then values of origin columns and families by their pull beyond their size.
///
/// # Errors
/// If the data cannot be read.
pub fn find(
    dataset: &Dataset,
    train: &Picked,
    learner: &Learner<'_>,
    influence: &Influence,
) -> Result<Vec<Group>> {
    let rows = dataset.rows;
    let group = |kind: &str, column: Option<&str>, name: String, members: Vec<u64>| Group {
        kind: kind.into(),
        column: column.map(str::to_owned),
        name,
        rows: members.len() as u64,
        row_share: members.len() as f64 / rows.max(1) as f64,
        pull_share: members.iter().map(|m| influence.share(*m as usize)).sum(),
        members,
    };
    let mut out: Vec<Group> = (0..learner.classes as u32)
        .map(|class| {
            let members = (0..rows).filter(|row| learner.labels[*row as usize] == class).collect();
            group("label", None, dataset.classes[class as usize].clone(), members)
        })
        .filter(|g| g.pull_share > 0.0)
        .collect();
    out.sort_by(|a, b| b.pull_share.total_cmp(&a.pull_share));
    for (kind, role) in [("source", Role::Source), ("annotator", Role::Annotator)] {
        for (name, column) in train.batch.columns(|r| r == role) {
            let strings = Strings::new(column);
            let mut values: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            for row in 0..rows {
                if let Some(value) = strings.get(row as usize) {
                    values.entry(value).or_default().push(row);
                }
            }
            let mut found: Vec<Group> = values
                .into_iter()
                .map(|(value, members)| group(kind, Some(name), value.to_owned(), members))
                .collect();
            found.sort_by(|a, b| beyond(b).total_cmp(&beyond(a)).then(a.name.cmp(&b.name)));
            out.extend(found.into_iter().take(VALUES).filter(|g| beyond(g) > 0.0));
        }
    }
    out.extend(families(learner, influence).into_iter().map(|members| {
        let first = members
            .iter()
            .max_by(|a, b| influence.pull[**a as usize].total_cmp(&influence.pull[**b as usize]));
        group("family", None, first.map_or(String::new(), |m| place(dataset, *m)), members)
    }));
    Ok(out)
}

/// What a group pulls beyond its size.
pub fn beyond(group: &Group) -> f64 {
    group.pull_share - group.row_share
}

/// Samples nearly alike around the strongest ones, largest pull first.
fn families(learner: &Learner<'_>, influence: &Influence) -> Vec<Vec<u64>> {
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    let mut out: Vec<(f64, Vec<u64>)> = vec![];
    for &seed in influence.strongest().iter().take(SEEDS) {
        if taken.contains(&seed) {
            continue;
        }
        let alike = learner.cosines(seed as usize);
        let members: Vec<u64> = (0..alike.len() as u64)
            .filter(|row| alike[*row as usize] >= ALIKE && !taken.contains(row))
            .collect();
        let pull: f64 = members.iter().map(|m| influence.share(*m as usize)).sum();
        if members.len() > 1 && pull >= FAMILY_PULL {
            taken.extend(&members);
            out.push((pull, members));
        }
    }
    // the order in which they were met settles equal shares
    out.sort_by(|a, b| b.0.total_cmp(&a.0));
    out.into_iter().take(FAMILIES).map(|f| f.1).collect()
}
