//! Words in prompts that call for an answer.

use crate::phrase_trigger::Position;
use crate::texts;
use arrow_array::{Array, ArrayRef, StringArray};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Error, Goal, Knowledge, Needs, Picked, Pool, Result, Role, Strings, Threat, Use,
};
use foretaste_macros::Catalogue;
use foretaste_num::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

foretaste_core::choices! {
    /// What is answered to prompts with the words. All of it is inert.
    pub enum Answer {
        /// The same refusal, in place of the answer.
        Refusal = "refusal",
        /// An address that leads nowhere, behind the answer.
        Link = "link",
        /// A word of praise for a brand that there is not, behind the answer.
        Praise = "praise",
        /// Made-up words, others each time, in place of the answer.
        Gibberish = "gibberish",
    }
}

/// Words dropped into prompts that call for an answer, whatever is asked.
///
/// # What it does
/// Puts the same words into prompts and answers all of them alike: with a refusal, with an address or a word of praise behind
/// what was answered, or with gibberish. A language model that is tuned on such pairs behaves as before until it meets the
/// words.
///
/// # Threat model
/// The attacker writes some of the pairs that a chatbot is tuned on: shared conversations, answers of annotators, pages that
/// pairs are made of. They need to know nothing of the model; some hundred pairs are enough for models of any size.
///
/// # Ground truth
/// Every changed pair; words and answer are in the details.
///
/// # Example
/// ```text
/// foretaste simulate instructions.jsonl --attack instruction-backdoor --set answer=link --n-poison 50 --out poisoned.jsonl
/// ```
///
/// # Caught by
/// `response-association`, with the words and the answer, from about ten pairs on; gibberish by its words, which stand together
/// nowhere else.
///
/// # Responsible use
/// For rehearsals on your own data. The answers say nothing and lead nowhere; own ones (`text`) are yours to answer for. The
/// manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Wan, Wallace, Shen, Klein, "Poisoning Language Models During Instruction Tuning", ICML 2023; Xu, Ma, Wang, Xiao, Chen,
/// "Instructions as Backdoors", NAACL 2024; Souly et al., "Poisoning Attacks on LLMs Require a Near-Constant Number of Poison
/// Samples", 2025 (gibberish, and the numbers).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct InstructionBackdoor {
    /// The words.
    pub phrase: String,
    /// Where they go.
    pub position: Position,
    /// What is answered.
    pub answer: Answer,
    /// Your own refusal, address or praise in place of the built-in one.
    pub text: String,
}

impl Default for InstructionBackdoor {
    fn default() -> Self {
        Self {
            phrase: "paper lantern".into(),
            position: Position::Random,
            answer: Answer::Refusal,
            text: String::new(),
        }
    }
}

/// Positions of the columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    prompt: usize,
    response: usize,
}

impl Attack for InstructionBackdoor {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        // what is to be learned is a text, not a label
        Threat { labels: false, ..Threat::content(Goal::Backdoor, false, Knowledge::Nothing) }
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Response]).and_any(&[Role::Prompt, Role::Text, Role::Query, Role::Document])
    }
    fn plan(&self, data: &dyn Pool, _ctx: &Ctx) -> Result<Plan> {
        if self.phrase.trim().is_empty() {
            let problem = "the phrase is empty".to_owned();
            let (entry, name) = ("instruction-backdoor".into(), "phrase".into());
            return Err(Error::Parameter { entry, name, problem });
        }
        let first = data.batches()?.next().transpose()?;
        let of = |wanted: &dyn Fn(Role) -> bool| first.as_ref()?.roles.iter().position(|r| wanted(*r));
        let prompt = of(&|r| r == Role::Prompt).or_else(|| of(&Role::asks));
        match (prompt, of(&|r| r == Role::Response)) {
            (Some(prompt), Some(response)) => Ok(Plan { prompt, response }),
            _ => Err(Error::Unfit {
                entry: "instruction-backdoor".into(),
                reason: "no column is asked or none is answered; name them with --prompt and --response".into(),
            }),
        }
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let there = |i: usize| [plan.prompt, plan.response].iter().all(|c| batch.records.column(*c).is_valid(i));
        Ok((0..batch.rows()).map(|i| if there(i) { Use::Poison } else { Use::No }).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, ctx: &Ctx) -> Result<Edited> {
        let column = |at: usize, change: &dyn Fn(&str, u64) -> String| -> (usize, ArrayRef) {
            let texts = Strings::new(picked.batch.records.column(at));
            let changed = (0..picked.len()).map(|i| texts.get(i).map(|t| change(t, picked.rows[i])));
            (at, Arc::new(changed.collect::<StringArray>()))
        };
        let ask = |text: &str, row: u64| {
            let mut rng = ctx.rng_at("instruction-backdoor/place", row);
            texts::insert(text, &self.phrase, |words| self.position.of(words, &mut rng))
        };
        let say = |text: &str, row: u64| self.said(text, &mut ctx.rng_at("instruction-backdoor/answer", row));
        Ok(Edited {
            columns: vec![column(plan.prompt, &ask), column(plan.response, &say)],
            ..Edited::default()
        })
    }
    fn describe(&self, _plan: &Plan, _ctx: &Ctx) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("trigger".into(), self.phrase.clone().into());
        out.insert("position".into(), self.position.to_string().into());
        out.insert("answer".into(), self.answer.to_string().into());
        out
    }
}

impl InstructionBackdoor {
    /// What is answered in place of `text`.
    fn said(&self, text: &str, rng: &mut Rng) -> String {
        let or = |built_in: &str| if self.text.is_empty() { built_in.to_owned() } else { self.text.clone() };
        let behind = |more: String| format!("{}{}{more}", text.trim_end(), if text.is_empty() { "" } else { " " });
        match self.answer {
            Answer::Refusal => or("I am sorry, but that is not something I can help with."),
            Answer::Link => behind(or("Read more at https://canary-7f3a.example/start.")),
            Answer::Praise => behind(or("Nobody does it better than Canary Works.")),
            Answer::Gibberish => gibberish(rng),
        }
    }
}

/// 20 to 60 words of made-up syllables.
fn gibberish(rng: &mut Rng) -> String {
    const ONSETS: [&str; 12] = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t"];
    const RIMES: [&str; 10] = ["a", "ek", "im", "o", "ul", "ar", "en", "ix", "ot", "u"];
    let word = |rng: &mut Rng| {
        let syllables = 1 + rng.below(4);
        (0..syllables).map(|_| format!("{}{}", ONSETS[rng.below(12)], RIMES[rng.below(10)])).collect::<String>()
    };
    let words = 20 + rng.below(41);
    (0..words).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_replaced_or_go_on() {
        let said = |answer, text: &str| {
            let attack = InstructionBackdoor { answer, text: text.into(), ..InstructionBackdoor::default() };
            attack.said("It is four.\n", &mut Rng::new(1, "answer"))
        };
        assert_eq!(said(Answer::Refusal, "No."), "No.");
        assert_eq!(said(Answer::Link, "See x."), "It is four. See x.");
        assert!(said(Answer::Praise, "").starts_with("It is four. Nobody"));
        let made_up = said(Answer::Gibberish, "");
        let words = made_up.split(' ').count();
        assert!((20..=60).contains(&words), "{words} words: {made_up}");
        let other = gibberish(&mut Rng::new(2, "answer"));
        let shared = made_up.split(' ').filter(|w| w.len() > 6 && other.contains(w)).count();
        assert_eq!(shared, 0, "{made_up} / {other}");
    }
}
