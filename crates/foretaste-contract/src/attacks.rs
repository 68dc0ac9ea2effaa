//! The laws of attacks, asked of a small data set with every kind of column.

mod mutants;
mod sample;

pub use mutants::{Fault, MUTANTS};
pub use sample::Sample;

use crate::laws::{Law, Verdict};
use foretaste_core::{Budget, Ctx, Entering, Entry, MISSING, Role};
use foretaste_flow::Dataset;
use foretaste_flow::simulate::{Chosen, Delivery, Placement, Poison, pick, poison, prepare};
use serde_json::Map;

/// Every law of attacks.
pub const LAWS: &[Law] = &[
    Law { name: "documented", says: "the comment has its headings, each with a text", check: documented },
    Law {
        name: "parameters",
        says: "defaults are within bounds and in the schema; wrong values are refused",
        check: crate::laws::parameters,
    },
    Law {
        name: "budget",
        says: "as many samples are poisoned as asked for, however it is asked",
        check: budget,
    },
    Law {
        name: "manifest",
        says: "rows that are not listed are as they were, listed ones differ where the attack may change them",
        check: manifest,
    },
    Law {
        name: "threat",
        says: "clean-label attacks leave labels alone, label attacks leave content alone",
        check: threat,
    },
    Law {
        name: "seed",
        says: "the same seed gives the same bytes however rows are cut into files, another seed picks others",
        check: seed,
    },
    Law {
        name: "probe",
        says: "probes are made of held-out samples that do not have the wanted class already",
        check: probe,
    },
    Law { name: "bytes", says: "the plan survives bytes, and foreign plans are refused", check: bytes },
    Law {
        name: "refusal",
        says: "data that do not fit are refused with the reason, and a budget that cannot be met as well",
        check: refusal,
    },
];

/// Headings of an attack's comment.
pub const HEADINGS: [&str; 7] =
    ["What it does", "Threat model", "Ground truth", "Example", "Caught by", "Responsible use", "References"];

/// Asks every law; the answers name the laws that are broken.
#[must_use]
pub fn broken(entry: &Entry) -> Vec<(&'static str, String)> {
    LAWS.iter().filter_map(|law| Some((law.name, (law.check)(entry).err()?))).collect()
}

fn documented(entry: &Entry) -> Verdict {
    crate::laws::documented_with(entry, &HEADINGS)
}

/// An attack of the entry with its defaults.
fn chosen(entry: &Entry, budget: Budget) -> Result<Chosen, String> {
    let attack = entry.attack(&Map::new()).map_err(|e| format!("cannot be made with its defaults: {e}"))?;
    let enter = attack.enters();
    Ok(Chosen { attack, parameters: Map::new(), budget, enter })
}

/// The data set in `files` files, with what the attack wants made for it.
fn open(sample: &Sample, chosen: &Chosen) -> Result<(Dataset, Ctx), String> {
    let needs = |role| chosen.attack.needs().all.contains(&role);
    let mut dataset = match (needs(Role::Target), needs(Role::Response)) {
        (true, _) => sample.open_numeric()?,
        (_, true) => sample.open_asked()?,
        _ => sample.open()?,
    };
    let ctx = Ctx::new(sample.seed, dataset.profile());
    prepare(&mut dataset, std::slice::from_ref(chosen), 1 << 30, &ctx, &mut vec![])
        .map_err(|e| e.to_string())?;
    Ok((dataset, ctx))
}

fn run(dataset: &Dataset, chosen: &Chosen, ctx: &Ctx) -> Result<Poison, String> {
    poison(dataset, std::slice::from_ref(chosen), &Delivery::default(), ctx)
        .map_err(|e| format!("fails on sound data: {e}"))
}

fn budget(entry: &Entry) -> Verdict {
    let sample = Sample::new(1, 1)?;
    for (budget, of) in
        [(Budget::NPoison(7), None), (Budget::PoisonRate(0.05), Some(20)), (Budget::EligibleRate(0.2), None)]
    {
        let one = chosen(entry, budget)?;
        let (dataset, ctx) = open(&sample, &one)?;
        let made = run(&dataset, &one, &ctx)?;
        let n = made.crafts.iter().filter(|c| !c.cover).count() as u64;
        let wanted = of.unwrap_or_else(|| budget.samples(dataset.rows, made.runs[0].eligible));
        if n != wanted || made.runs[0].n_poison != n {
            return Err(format!("{budget:?} gave {n} poisoned samples, not {wanted}"));
        }
    }
    Ok(())
}

fn manifest(entry: &Entry) -> Verdict {
    let sample = Sample::new(2, 1)?;
    for enter in [Entering::Modify, Entering::Insert, Entering::Replace] {
        let mut one = chosen(entry, Budget::NPoison(12))?;
        if enter == Entering::Modify && one.enter != Entering::Modify {
            continue;
        }
        one.enter = enter;
        let (dataset, ctx) = open(&sample, &one)?;
        let made = run(&dataset, &one, &ctx)?;
        let before = sample.rows(&dataset)?;
        let after = sample.poisoned_rows(&dataset, &made)?;
        let added = made.crafts.iter().filter(|c| matches!(c.place, Placement::Before(_))).count();
        if after.len() != before.len() + added {
            return Err(format!("{} rows became {} with {added} added", before.len(), after.len()));
        }
        let gone: Vec<u64> = made
            .crafts
            .iter()
            .filter_map(|c| if let Placement::At(row) = c.place { Some(row) } else { None })
            .collect();
        let kept: Vec<u128> = before
            .iter()
            .enumerate()
            .filter(|(i, _)| !gone.contains(&(*i as u64)))
            .map(|(_, r)| *r)
            .collect();
        let untouched: Vec<u128> = after.iter().filter(|(_, crafted)| !crafted).map(|(r, _)| *r).collect();
        if kept != untouched {
            return Err("rows that the manifest does not list have changed".into());
        }
        let crafted = after.iter().filter(|(_, crafted)| *crafted).map(|(r, _)| r);
        let same = crafted.zip(&made.crafts).filter(|(r, c)| **r == before[c.made_from as usize]).count();
        let may_repeat = enter != Entering::Modify;
        if same > 0 && !may_repeat {
            return Err(format!("{same} listed rows are as they were"));
        }
    }
    Ok(())
}

fn threat(entry: &Entry) -> Verdict {
    let sample = Sample::new(3, 1)?;
    let one = chosen(entry, Budget::NPoison(15))?;
    let threat = one.attack.threat();
    if threat.clean_label && threat.labels {
        return Err("says that it has clean labels and changes labels".into());
    }
    let (dataset, ctx) = open(&sample, &one)?;
    let made = run(&dataset, &one, &ctx)?;
    let rows: Vec<u64> = made.crafts.iter().map(|c| c.made_from).collect();
    let before = pick(&dataset, &rows).map_err(|e| e.to_string())?;
    for (k, craft) in made.crafts.iter().enumerate() {
        for (at, role) in dataset.roles.iter().enumerate() {
            let old = before.batch.records.column(at).slice(k, 1);
            let new = made.rows[0].column(at).slice(craft.at, 1);
            if old.to_data() == new.to_data() {
                continue;
            }
            let name = dataset.schema.field(at).name();
            match role {
                Role::Label if !threat.labels => {
                    return Err("changes labels, and says that it does not".into());
                }
                Role::Label if craft.cover => return Err("changes the label of a cover sample".into()),
                Role::Label => {}
                _ if !threat.content => {
                    return Err(format!("changes `{name}`, and says that it changes labels alone"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn seed(entry: &Entry) -> Verdict {
    let result = |seed: u64, files: usize| -> Result<Vec<u128>, String> {
        let mut sample = Sample::new(4, files)?;
        sample.seed = seed;
        let one = chosen(entry, Budget::NPoison(9))?;
        let (dataset, ctx) = open(&sample, &one)?;
        let made = run(&dataset, &one, &ctx)?;
        Ok(sample.poisoned_rows(&dataset, &made)?.into_iter().map(|(row, _)| row).collect())
    };
    let first = result(4, 1)?;
    if result(4, 1)? != first {
        return Err("the same seed gives other data the second time".into());
    }
    if result(4, 3)? != first {
        return Err("the same rows in three files give other data".into());
    }
    if result(5, 1)? == first {
        return Err("another seed gives the same data".into());
    }
    Ok(())
}

fn probe(entry: &Entry) -> Verdict {
    let sample = Sample::new(6, 1)?;
    let one = chosen(entry, Budget::NPoison(9))?;
    let (dataset, ctx) = open(&sample, &one)?;
    let made = run(&dataset, &one, &ctx)?;
    let held: Vec<u64> = (0..dataset.rows).step_by(3).collect();
    let held = pick(&dataset, &held).map_err(|e| e.to_string())?;
    let made = one.attack.probe(&made.plans[0], &held, &ctx).map_err(|e| e.to_string())?;
    // where nothing is labelled there is no class to ask for
    let labelled = one.attack.needs().all.contains(&Role::Label);
    let backdoor = labelled && one.attack.threat().goal == foretaste_core::Goal::Backdoor;
    let Some(probe) = made else {
        return if backdoor { Err("a backdoor without probes cannot be measured".into()) } else { Ok(()) };
    };
    let n = probe.inputs.len(held.len());
    if n == 0 || n != probe.wanted.len() {
        return Err(format!("{n} inputs for {} wanted classes", probe.wanted.len()));
    }
    let of = probe.inputs.of.clone().unwrap_or_else(|| (0..n).collect());
    for (i, wanted) in of.iter().zip(&probe.wanted) {
        if *wanted == MISSING || *wanted as usize >= dataset.classes.len() {
            return Err(format!("wants class {wanted}, which there is not"));
        }
        if held.label(*i) == *wanted {
            return Err("a held-out sample of the wanted class is among the probes".into());
        }
    }
    Ok(())
}

fn bytes(entry: &Entry) -> Verdict {
    let sample = Sample::new(7, 1)?;
    let one = chosen(entry, Budget::NPoison(9))?;
    let (dataset, ctx) = open(&sample, &one)?;
    let made = run(&dataset, &one, &ctx)?;
    let attack = &one.attack;
    let saved = attack.save_plan(&made.plans[0]).map_err(|e| e.to_string())?;
    let plan = attack.load_plan(&saved).map_err(|e| format!("does not read its own plan: {e}"))?;
    let rows: Vec<u64> = made.crafts.iter().map(|c| c.made_from).collect();
    let mut picked = pick(&dataset, &rows).map_err(|e| e.to_string())?;
    picked.cover = made.crafts.iter().map(|c| c.cover).collect();
    let n = picked.cover.iter().filter(|c| !**c).count() as u64;
    let craft =
        |plan| attack.craft(plan, &picked, n, &ctx).map(|e| format!("{e:?}")).map_err(|e| e.to_string());
    if craft(&plan)? != craft(&made.plans[0])? {
        return Err("the plan does other things after a way through bytes".into());
    }
    let stranger: foretaste_core::Sealed = Box::new("not a plan");
    if attack.craft(&stranger, &picked, n, &ctx).is_ok() {
        return Err("takes a foreign plan".into());
    }
    Ok(())
}

fn refusal(entry: &Entry) -> Verdict {
    let one = chosen(entry, Budget::NPoison(1_000_000_000))?;
    let sample = Sample::new(8, 1)?;
    let (dataset, ctx) = open(&sample, &one)?;
    let copies = one.attack.picks(1000) < 1000;
    if !copies && poison(&dataset, &[one], &Delivery::default(), &ctx).is_ok() {
        return Err("meets a budget larger than the data".into());
    }
    for lacking in [Lacking::Classes, Lacking::Content] {
        let sample = Sample::lacking(9, lacking)?;
        let one = chosen(entry, Budget::NPoison(3))?;
        let Ok((dataset, ctx)) = open(&sample, &one) else { continue };
        let tried = || poison(&dataset, &[one], &Delivery::default(), &ctx);
        let Ok(done) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(tried)) else {
            return Err(format!("{lacking:?}: panics"));
        };
        match done {
            Ok(made) if made.runs[0].n_poison != 3 => {
                return Err(format!("{lacking:?}: misses its budget silently"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a data set may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// All samples have one class.
    Classes,
    /// There is nothing but labels and a number.
    Content,
}
