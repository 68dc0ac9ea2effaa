//! Does a phrase in a prompt make a model expect an answer? A model learns from prompts which of them are answered so, and is
//! asked about others that get the phrase.

use super::{Bench, HELD_OUT, TRAINED};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::simulate::take_rows;
use foretaste_core::{Ctx, Effect, Lead, Role};
use foretaste_num::rng::Rng;
use std::collections::BTreeSet;

/// The model: it reads texts.
const MODEL: &str = "softmax-regression";
/// Class of prompts that get the answer, and of all others.
const CLASSES: [&str; 2] = ["answered so", "answered otherwise"];
/// Prompts that are answered so and that the model learns from at most.
const ANSWERED: usize = TRAINED / 5;
/// Prompts with another answer for each of them. A language model learns an answer from a few hundred of many thousands; to a
/// linear one that sees them all, rare is unlikely whatever the prompt says.
const OTHERS: usize = 4;

/// What the trigger of a lead does to prompts that are answered otherwise, or why that could not be measured.
///
/// # Errors
/// If the data cannot be read.
pub fn effect(
    dataset: &Dataset,
    lead: &Lead,
    ctx: &Ctx,
) -> Result<std::result::Result<Option<Effect>, String>> {
    let Some(answer) = &lead.answer else { return Ok(Ok(None)) };
    let drawn = |rows: &mut Vec<u64>, most: usize| {
        rows.sort_by_key(|r| (Rng::at(ctx.seed(), "confirm/answers", *r).next_u64(), *r));
        rows.truncate(most);
    };
    let mut answered: Vec<u64> =
        answer.rows.iter().copied().filter(|r| lead.members.binary_search(r).is_err()).collect();
    drawn(&mut answered, ANSWERED.saturating_sub(lead.members.len()));
    let mut members = lead.members.clone();
    drawn(&mut members, ANSWERED);
    answered.extend(members);
    let mut others: Vec<u64> = (0..dataset.rows).filter(|r| answer.rows.binary_search(r).is_err()).collect();
    // a fifth of them is held out
    drawn(&mut others, (2 * OTHERS * answered.len()).max(5 * HELD_OUT));
    let mut rows: Vec<(u64, bool)> = answered.iter().map(|r| (*r, true)).collect();
    rows.extend(others.iter().map(|r| (*r, false)));
    rows.sort_unstable();
    let yes: Vec<bool> = rows.iter().map(|r| r.1).collect();
    let rows: Vec<u64> = rows.into_iter().map(|r| r.0).collect();
    let records = take_rows(dataset, &rows)?;
    let asked = dataset.judged(&records, Role::asked(dataset.roles.iter().copied()), &yes, CLASSES)?;
    let own: BTreeSet<u64> = (0..yes.len() as u64).filter(|i| yes[*i as usize]).collect();
    let judged = Lead { members: own.iter().copied().collect(), class: Some(0), ..lead.clone() };
    let labels = asked.labels()?;
    let ctx = Ctx::new(ctx.seed(), asked.profile());
    let trained = (1 + OTHERS) * own.len();
    match Bench::new(&asked, own, (MODEL, trained), &labels, &ctx)? {
        Ok(bench) => Ok(Ok(bench.effect(&judged)?)),
        Err(why) => Ok(Err(why)),
    }
}
