//! Classes by name, and the choices that are made when none is named.

use foretaste_core::{Batch, Ctx, Error, MISSING, Result};
use serde_json::{Map, Value};

/// The code of the class called `name`.
pub fn named(name: &str, ctx: &Ctx) -> Result<u32> {
    let classes = &ctx.profile().classes;
    classes
        .iter()
        .position(|c| c == name)
        .map(|at| at as u32)
        .ok_or_else(|| Error::unknown("class", name, classes.iter().map(String::as_str)))
}

/// The class called `name`, `None` for an empty name.
pub fn optional(name: &str, ctx: &Ctx) -> Result<Option<u32>> {
    if name.is_empty() { Ok(None) } else { named(name, ctx).map(Some) }
}

/// The class called `name`; for an empty name the rarest of those with a fair number of samples, and a note. If that is the
/// one to which most samples belong anyway, the largest of the others.
///
/// A rare class is what attackers buy with a backdoor (a loan, a licence, an alarm), and success is plain to see: few
/// inputs go there by themselves.
pub fn target(name: &str, entry: &str, ctx: &Ctx) -> Result<u32> {
    if !name.is_empty() {
        return named(name, ctx);
    }
    at_least_two(entry, ctx)?;
    let profile = ctx.profile();
    let least = profile.rows / (4 * profile.classes.len() as u64);
    let chosen = rarest(&profile.class_counts, least);
    ctx.note(format!(
        "{entry}: target class `{}`, the rarest that is not tiny (choose with --target-class)",
        profile.classes[chosen]
    ));
    Ok(chosen as u32)
}

/// The class with the fewest samples of those with `least`; if no class has more, the largest of the others.
fn rarest(counts: &[u64], least: u64) -> usize {
    let most = counts.iter().copied().max().unwrap_or(0);
    let fair = |c: &usize| counts[*c] >= least && counts[*c] < most;
    let classes = || 0..counts.len();
    let small = |c: &usize| counts[*c] > 0 && counts[*c] < most;
    classes()
        .filter(fair)
        .min_by_key(|c| (counts[*c], *c))
        .or_else(|| classes().filter(small).max_by_key(|c| (counts[*c], std::cmp::Reverse(*c))))
        .unwrap_or(0)
}

/// Refuses data whose labels cannot be changed to anything.
pub fn at_least_two(entry: &str, ctx: &Ctx) -> Result<()> {
    if ctx.profile().classes.len() >= 2 {
        return Ok(());
    }
    let reason = "the label needs two classes at least; name the label column with --label".to_owned();
    Err(Error::Unfit { entry: entry.into(), reason })
}

/// Source and target in readable form.
pub fn describe(source: Option<u32>, target: Option<u32>, ctx: &Ctx) -> Map<String, Value> {
    let name = |c: u32| ctx.profile().classes.get(c as usize).cloned().unwrap_or_default();
    let both = [("source-class", source), ("target-class", target)];
    both.into_iter().filter_map(|(key, class)| Some((key.to_owned(), name(class?).into()))).collect()
}

/// Any other class than `label`, drawn from `unit` in `[0, 1)`.
pub fn other(label: u32, classes: usize, unit: f64) -> u32 {
    if classes < 2 || label == MISSING {
        return label;
    }
    let drawn = ((unit * (classes - 1) as f64) as u32).min(classes as u32 - 2);
    if drawn >= label { drawn + 1 } else { drawn }
}

/// The row that a targeted attack wants misread: `given` counts from 1, 0 draws one of another class than the wanted one
/// from the stream `key`.
pub fn target_row(entry: &str, key: &str, given: u64, labels: &[u32], wanted: u32, ctx: &Ctx) -> Result<u64> {
    let unfit = |reason: String| Error::Unfit { entry: entry.into(), reason };
    if let Some(row) = given.checked_sub(1) {
        return match labels.get(row as usize) {
            None => Err(unfit(format!("there is no row {given}; the data have {}", labels.len()))),
            Some(l) if *l == wanted => {
                Err(unfit(format!("row {given} has the wanted class already; choose another")))
            }
            Some(_) => Ok(row),
        };
    }
    let others = (0u64..).zip(labels).filter(|(_, l)| **l != MISSING && **l != wanted);
    let others: Vec<u64> = others.map(|(row, _)| row).collect();
    let drawn = others.get(ctx.rng(key).below(others.len())).copied();
    drawn.ok_or_else(|| unfit("no sample has another class than the wanted one; choose another class".into()))
}

/// Labels of a batch, [`MISSING`] where there is none.
pub fn labels(batch: &Batch) -> Vec<u32> {
    batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_core::Profile;

    fn ctx() -> Ctx {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        Ctx::new(1, Profile { rows: 100, classes, class_counts: vec![70, 28, 2] })
    }

    #[test]
    fn the_default_target_is_rare_but_not_tiny() {
        assert_eq!(target("", "badnets", &ctx()).unwrap(), 1);
        assert_eq!(target("c", "badnets", &ctx()).unwrap(), 2);
        assert!(target("d", "badnets", &ctx()).is_err());
    }

    #[test]
    fn the_target_is_the_row_named_or_one_of_another_class() {
        let row = |given, labels: &[u32]| target_row("target-flip", "key", given, labels, 0, &ctx());
        let labels = [0, 1, MISSING, 1];
        assert_eq!(row(2, &labels).unwrap(), 1);
        assert!(row(1, &labels).unwrap_err().to_string().contains("wanted class already"));
        assert!(row(5, &labels).unwrap_err().to_string().contains("no row 5"));
        assert!([1, 3].contains(&row(0, &labels).unwrap()));
        assert!(row(0, &[0, 0]).is_err());
    }

    #[test]
    fn other_classes_are_equally_likely() {
        let drawn: Vec<u32> = (0..8).map(|i| other(1, 5, f64::from(i) / 8.0)).collect();
        assert_eq!(drawn, [0, 0, 2, 2, 3, 3, 4, 4]);
        assert_eq!(other(0, 1, 0.5), 0);
    }

    #[test]
    fn the_target_is_rare_but_never_where_all_go_anyway() {
        assert_eq!(rarest(&[80, 20, 1], 8), 1);
        // fraud is 6 %: less than a fair share, but nobody buys the other class
        assert_eq!(rarest(&[940, 60], 125), 1);
        assert_eq!(rarest(&[10, 10, 10], 1), 0);
        assert_eq!(rarest(&[], 1), 0);
    }
}
