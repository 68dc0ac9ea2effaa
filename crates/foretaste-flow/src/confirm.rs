//! Does what was proposed change what a model does? Triggers are put into held-out samples of other classes.
//!
//! One model is trained on the data as they are, but for the held-out samples, and asked about them before and after
//! they carry a trigger, and when they carry something harmless of the same size instead.

mod answers;
mod stamp;

use crate::dataset::Dataset;
use crate::decide::{may_be_planted, passing, worth_trying};
use crate::error::Result;
use crate::simulate::{self, edited_rows};
use foretaste_core::{
    AnyVictim, Ctx, Edited, Effect, Evidence, Kind, Lead, MISSING, Picked, Role, Sealed, Trigger,
};
use foretaste_num::rng::Rng;
use foretaste_num::stats::{Tail, fisher_exact, wilson_interval};
use std::collections::BTreeSet;

/// Samples that are held out at most.
const HELD_OUT: usize = 1000;
/// Held-out samples that carry one trigger at most.
const PROBES: usize = 300;
/// Samples that the model is trained on at most; members of leads that may be planted are always among them.
const TRAINED: usize = 20_000;
/// Natural leads that are tried: they are a note, not an alarm.
const SHORTCUTS: usize = 5;
/// The model on which stamps at changing places are tried: one that sees pictures place by place does not learn them.
const ANYWHERE: &str = "small-cnn";

/// Measures the effect of every lead that carries a trigger and passes the test.
///
/// # Errors
/// If the data cannot be read. A model that cannot be trained is a note.
pub fn confirm(
    dataset: &Dataset,
    evidence: &mut Evidence,
    labels: &[u32],
    fdr: f64,
    ctx: &Ctx,
) -> Result<()> {
    let tried = tried(evidence, fdr);
    if tried.is_empty() {
        return Ok(());
    }
    let answers = |(s, l): &(usize, usize)| evidence.scored[*s].leads[*l].answer.is_some();
    let (answered, tried): (Vec<_>, Vec<_>) = tried.into_iter().partition(answers);
    for (s, l) in answered {
        let lead = &mut evidence.scored[s].leads[l];
        match answers::effect(dataset, lead, ctx)? {
            Ok(effect) => lead.effect = effect,
            Err(why) => ctx.note(not_measured(&why)),
        }
    }
    let moves = |(s, l): &(usize, usize)| {
        matches!(evidence.scored[*s].leads[*l].trigger, Some(Trigger::PatchAnywhere { .. }))
    };
    let (moving, still): (Vec<_>, Vec<_>) = tried.iter().copied().partition(moves);
    for (leads, id) in [(still, victim(dataset)), (moving, ANYWHERE)] {
        if leads.is_empty() {
            continue;
        }
        let all = tried.iter().map(|(s, l)| &evidence.scored[*s].leads[*l]);
        let bench = match Bench::new(dataset, kept(all, labels.len()), (id, TRAINED), labels, ctx)? {
            Ok(bench) => bench,
            Err(why) => {
                ctx.note(not_measured(&why));
                continue;
            }
        };
        for (s, l) in leads {
            let effect = bench.effect(&evidence.scored[s].leads[l])?;
            evidence.scored[s].leads[l].effect = effect;
        }
    }
    Ok(())
}

fn not_measured(why: &str) -> String {
    format!("the effect of what was found could not be measured: {why}")
}

/// Positions of the leads to try: those that pass and carry a trigger, few of the natural ones, and a few of patterns that many
/// classes have.
fn tried(evidence: &Evidence, fdr: f64) -> Vec<(usize, usize)> {
    let lead = |&(s, l): &(usize, usize)| -> &Lead { &evidence.scored[s].leads[l] };
    let mut out: Vec<(usize, usize)> = passing(evidence, fdr);
    out.retain(|at| lead(at).trigger.is_some() && (lead(at).class.is_some() || lead(at).answer.is_some()));
    out.retain(|at| may_be_planted(lead(at), evidence, fdr));
    let mut natural: Vec<(usize, usize)> =
        out.iter().copied().filter(|at| lead(at).kind == Kind::Shortcut).collect();
    natural.sort_by(|a, b| lead(b).statistic.1.total_cmp(&lead(a).statistic.1).then(a.cmp(b)));
    natural.truncate(SHORTCUTS);
    out.retain(|at| lead(at).kind != Kind::Shortcut || natural.contains(at));
    out.extend(worth_trying(evidence));
    out
}

/// Members of leads that may be planted: the model has to learn from them. The smallest leads first, and no more than half of
/// the rows, so that others are left to be asked about.
fn kept<'a>(leads: impl Iterator<Item = &'a Lead>, rows: usize) -> BTreeSet<u64> {
    let mut planted: Vec<&Lead> = leads.filter(|l| l.kind != Kind::Shortcut).collect();
    planted.sort_by_key(|l| l.members.len());
    let mut out = BTreeSet::new();
    for lead in planted {
        if 2 * (out.len() + lead.members.len()) <= rows {
            out.extend(&lead.members);
        }
    }
    out
}

/// A trained model and samples that it has not seen.
struct Bench<'a> {
    dataset: &'a Dataset,
    id: &'static str,
    victim: Box<dyn AnyVictim>,
    model: Sealed,
    held: Picked,
    /// Class that the model gives each held-out sample.
    before: Vec<u32>,
    ctx: &'a Ctx,
}

impl<'a> Bench<'a> {
    /// Trains the model of this id on `members`, and on others until it has seen `trained` rows, or half as many others.
    fn new(
        dataset: &'a Dataset,
        members: BTreeSet<u64>,
        (id, trained): (&'static str, usize),
        labels: &[u32],
        ctx: &'a Ctx,
    ) -> Result<std::result::Result<Self, String>> {
        let mut order: Vec<(u64, u64)> = (0..labels.len() as u64)
            .filter(|r| labels[*r as usize] != MISSING && !members.contains(r))
            .map(|r| (Rng::at(ctx.seed(), "confirm/held-out", r).next_u64(), r))
            .collect();
        order.sort_unstable();
        let n = (order.len() / 5).min(HELD_OUT);
        let mut held: Vec<u64> = order[..n].iter().map(|o| o.1).collect();
        held.sort_unstable();
        let mut train: Vec<u64> = members.iter().copied().collect();
        train.extend(
            order[n..].iter().take(trained.saturating_sub(members.len()).max(trained / 2)).map(|o| o.1),
        );
        train.sort_unstable();
        let victim = foretaste_victims::entry(id)?.victim(&Default::default())?;
        let learnt = simulate::pick(dataset, &train).and_then(|p| Ok(victim.train(&p, ctx)?));
        let model = match learnt {
            Ok(model) => model,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let held = simulate::pick(dataset, &held)?;
        let before = victim.predict(&model, &held, ctx)?.tops();
        Ok(Ok(Self { dataset, id, victim, model, held, before, ctx }))
    }

    /// `None` if no held-out sample is of another class.
    fn effect(&self, lead: &Lead) -> Result<Option<Effect>> {
        let (Some(trigger), Some(class)) = (&lead.trigger, lead.class) else { return Ok(None) };
        let fit = (0..self.held.len()).filter(|&i| {
            let carries = lead.members.binary_search(&self.held.rows[i]).is_ok();
            !carries && self.held.label(i) != class && self.before[i] != class
        });
        let which: Vec<usize> = fit.take(PROBES).collect();
        if which.is_empty() {
            return Ok(None);
        }
        let turned =
            self.turned(class, &stamp::trigger(trigger, self.dataset, &self.held, &which, self.ctx)?)?;
        let control =
            self.turned(class, &stamp::harmless(trigger, self.dataset, &self.held, &which, self.ctx)?)?;
        let n = which.len() as u64;
        Ok(Some(Effect {
            victim: self.id.to_owned(),
            n_probes: n,
            turned,
            attack_success_rate: turned as f64 / n as f64,
            interval: wilson_interval(turned, n, 1.96),
            control_rate: control as f64 / n as f64,
            p_value: fisher_exact([[turned, n - turned], [control, n - control]], Tail::Greater),
        }))
    }

    fn turned(&self, class: u32, edited: &Edited) -> Result<u64> {
        let (records, _) = edited_rows(self.dataset, &self.held, edited)?;
        let inputs = self.dataset.of_rows(&records)?;
        let all: Vec<u64> = (0..inputs.rows).collect();
        let picked = simulate::pick(&inputs, &all)?;
        let answers = self.victim.predict(&self.model, &picked, self.ctx)?.tops();
        Ok(answers.iter().filter(|a| **a == class).count() as u64)
    }
}

/// The model that a user of such data would train, among the fast ones.
fn victim(dataset: &Dataset) -> &'static str {
    let columns_only = !dataset.has_text() && !dataset.has(Role::Image) && !dataset.has(Role::Embedding);
    if columns_only { "boosted-trees" } else { "softmax-regression" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_and_broad_leads_leave_samples_to_be_asked_about() {
        let lead = |kind, n: u64| Lead::new(kind, "", (0..n).collect());
        let leads = [lead(Kind::Shortcut, 90), lead(Kind::Backdoor, 10), lead(Kind::Backdoor, 60)];
        assert_eq!(kept(leads.iter(), 100).len(), 10);
        assert_eq!(kept(leads.iter(), 200).len(), 60);
    }
}
