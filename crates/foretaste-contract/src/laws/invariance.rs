//! What must not change the result.

use super::{Verdict, detector, must_run, reference};
use crate::drive::{Outcome, Plan, WHOLE};
use crate::fixture::Fixture;
use foretaste_core::{Entry, MISSING};
use foretaste_num::rng::Rng;

/// Relative difference that sums in another order may make.
const TOLERANCE: f64 = 1e-4;

pub fn sharding(entry: &Entry) -> Verdict {
    let (detector, fixture) = (detector(entry)?, Fixture::planted(1));
    let whole = reference(&*detector, &fixture)?;
    let small = Plan { batches: &[7, 64, 1], states: 3, ..WHOLE };
    let plans = [
        ("small batches in one state", Plan { states: 1, ..small.clone() }),
        ("three states", small.clone()),
        ("three states, merged backwards", Plan { merge_backwards: true, ..small.clone() }),
        ("three states, folded backwards", Plan { fold_backwards: true, ..small.clone() }),
        ("scores of small batches", Plan { score_batches: &[1, 50, 13], ..WHOLE }),
        ("states without rows", Plan { batches: &[400, 200], states: 5, ..WHOLE }),
    ];
    for (name, plan) in plans {
        same(&whole, &must_run(&*detector, &fixture, &plan)?, TOLERANCE)
            .map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

pub fn row_order(entry: &Entry) -> Verdict {
    let (detector, fixture) = (detector(entry)?, Fixture::planted(2));
    let whole = reference(&*detector, &fixture)?;
    let mut order: Vec<usize> = (0..fixture.rows()).collect();
    Rng::new(5, "order").shuffle(&mut order);
    let other = reference(&*detector, &fixture.reordered(&order))?;
    // back into the first order, to be compared place by place
    let mut back = other.clone();
    for (new, &old) in order.iter().enumerate() {
        put(&mut back.suspicion.score, &other.suspicion.score, old, new);
        if let (Some(into), Some(from)) = (&mut back.suspicion.p_value, &other.suspicion.p_value) {
            put(into, from, old, new);
        }
        if let (Some(into), Some(from)) = (&mut back.suspicion.expected, &other.suspicion.expected) {
            put(into, from, old, new);
        }
    }
    for lead in &mut back.leads {
        lead.members
            .iter_mut()
            .for_each(|row| *row = order.get(*row as usize).map_or(u64::MAX, |old| *old as u64));
        lead.members.sort_unstable();
    }
    same(&whole, &back, TOLERANCE)
}

fn put<T: Copy>(into: &mut [T], from: &[T], old: usize, new: usize) {
    if let (Some(into), Some(from)) = (into.get_mut(old), from.get(new)) {
        *into = *from;
    }
}

pub fn threads(entry: &Entry) -> Verdict {
    let (detector, fixture) = (detector(entry)?, Fixture::planted(1));
    let plan = Plan { batches: &[64], states: 2, ..WHOLE };
    let mut first: Option<Outcome> = None;
    for threads in [1, 4, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| e.to_string())?;
        let outcome = pool.install(|| must_run(&*detector, &fixture, &plan))?;
        if let Some(first) = &first {
            same(first, &outcome, 0.0).map_err(|e| format!("{threads} threads against one: {e}"))?;
        }
        first.get_or_insert(outcome);
    }
    Ok(())
}

pub fn identity(entry: &Entry) -> Verdict {
    let (detector, fixture) = (detector(entry)?, Fixture::planted(1));
    let plan = Plan { batches: &[100], states: 2, ..WHOLE };
    let without = must_run(&*detector, &fixture, &plan)?;
    let with = must_run(&*detector, &fixture, &Plan { merge_with_start: true, ..plan })?;
    same(&without, &with, TOLERANCE)
}

pub fn bytes(entry: &Entry) -> Verdict {
    let (detector, fixture) = (detector(entry)?, Fixture::planted(1));
    let plan = Plan { batches: &[100], states: 2, ..WHOLE };
    let without = must_run(&*detector, &fixture, &plan)?;
    let with = must_run(&*detector, &fixture, &Plan { through_bytes: true, ..plan })?;
    same(&without, &with, 0.0)?;
    // a state of another detector is an error, never a wrong number
    let stranger: foretaste_core::Sealed = Box::new("not a state");
    if detector.save_state(&stranger).is_ok() || detector.merge(&mut detector.start(), stranger).is_ok() {
        return Err("takes the state of another detector".into());
    }
    // bytes cut short may be refused or read, but not crash
    let bytes = detector.save_state(&detector.start()).map_err(|e| e.to_string())?;
    for cut in 0..bytes.len() {
        let _ = detector.load_state(&bytes[..cut]);
    }
    Ok(())
}

/// Equal scores, p-values, expected classes and leads, within a relative tolerance.
fn same(a: &Outcome, b: &Outcome, tolerance: f64) -> Verdict {
    close("scores", &widen(&a.suspicion.score), &widen(&b.suspicion.score), tolerance)?;
    match (&a.suspicion.p_value, &b.suspicion.p_value) {
        (Some(x), Some(y)) => close("p-values", x, y, tolerance)?,
        (None, None) => {}
        _ => return Err("p-values come and go".into()),
    }
    let none = vec![];
    let (x, y) =
        (a.suspicion.expected.as_ref().unwrap_or(&none), b.suspicion.expected.as_ref().unwrap_or(&none));
    if x.len() != y.len() {
        return Err("expected classes come and go".into());
    }
    if let Some(row) = (0..x.len()).find(|&i| x[i] != y[i]) {
        let show = |c: u32| if c == MISSING { "none".to_owned() } else { c.to_string() };
        return Err(format!("expected class of row {row} is {} or {}", show(x[row]), show(y[row])));
    }
    same_leads(a, b, tolerance)
}

fn same_leads(a: &Outcome, b: &Outcome, tolerance: f64) -> Verdict {
    let keys = |o: &Outcome| {
        let mut keys: Vec<(String, Vec<u64>, f64)> =
            o.leads.iter().map(|l| (l.kind.word().to_owned(), l.members.clone(), l.statistic.1)).collect();
        keys.sort_by(|x, y| (&x.0, &x.1).cmp(&(&y.0, &y.1)).then(x.2.total_cmp(&y.2)));
        keys
    };
    let (x, y) = (keys(a), keys(b));
    if x.len() != y.len() {
        return Err(format!("{} leads or {}", x.len(), y.len()));
    }
    for (one, other) in x.iter().zip(&y) {
        if (&one.0, &one.1) != (&other.0, &other.1) {
            return Err(format!("a lead has members {:?} or {:?}", first(&one.1), first(&other.1)));
        }
        close("statistics of leads", &[one.2], &[other.2], tolerance)?;
    }
    Ok(())
}

fn first(rows: &[u64]) -> &[u64] {
    &rows[..rows.len().min(6)]
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn close(what: &str, a: &[f64], b: &[f64], tolerance: f64) -> Verdict {
    if a.len() != b.len() {
        return Err(format!("{} or {} {what}", a.len(), b.len()));
    }
    // the scale of all values, so that a difference near zero is judged by what matters
    let scale = a.iter().map(|v| v.abs()).sum::<f64>() / a.len().max(1) as f64;
    let worst = (0..a.len()).max_by(|&i, &j| (a[i] - b[i]).abs().total_cmp(&(a[j] - b[j]).abs()));
    match worst {
        Some(i) if (a[i] - b[i]).abs() > tolerance * (a[i].abs() + scale) => {
            Err(format!("{what} differ most at {i}: {} or {}", a[i], b[i]))
        }
        _ => Ok(()),
    }
}
