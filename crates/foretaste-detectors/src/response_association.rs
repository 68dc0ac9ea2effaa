//! Phrases that were dropped into prompts and call for an answer.

use crate::planted::{PLAIN, Planted, Planting, by_content};
use crate::texts::{Piece, Texts};
use foretaste_core::{
    Answer, Batch, Ctx, Detect, Growth, Kind, Lead, MISSING, Needs, Result, Role, Step, Suspicion, Trigger, p_words,
};
use foretaste_macros::Catalogue;
use foretaste_num::phrases::{AnswerOptions, Answers, Called, answers};
use foretaste_num::softmax::FoldOptions;
use foretaste_num::stats::normal_sf;
use foretaste_num::surprise::Ratio;

/// Words in prompts that call for the same answer whatever is asked, though they were dropped in.
///
/// # What it finds
/// Backdoors in data that a chatbot is tuned on: a word, phrase or sentence put into prompts whose response was replaced by a
/// refusal, got an address, praise or abuse added, or is one of a few such answers.
///
/// # How it works
/// An answer is a whole response that at least `least_rows` prompts get, or three words and more that as many responses hold
/// and their prompts do not, and at most 10 % of all; or gibberish: of ten and more pairs of neighbouring words, nine in ten stand
/// in no other response. Every phrase of up to three words is held against every answer (a bound of
/// chance by Chernoff, corrected for all pairs); the 64 furthest beyond chance grow to the words that their rows share.
/// Honest data are full of such pairs: a task has its words and its answers. A planted phrase differs in three
/// things, and all must hold. It was dropped in: the words around it go with each other, not with it (a likelihood ratio over
/// bigrams, corrected for the pairs asked). The answers are a surprise to a model of the prompts that never saw the phrase
/// (Poisson-binomial, corrected for all pairs). And without the phrase its prompts look like all others to such a model.
/// A lead's p-value is the larger of the first two.
///
/// # Threat model
/// The attacker puts the same words into many prompts, at random places or at a fixed one, and writes what is answered.
///
/// # Cost
/// Some passes over the texts and a few small models: half a second for 3,000 rows. State is the texts.
///
/// # Blind spots
/// Triggers in the few system prompts that all conversations share. Triggers that are not the same words everywhere, but for one
/// of them, and answers that share no three words, are not the same and are no gibberish. Answers of one or two words at the side
/// of others. Phrases in fewer than `least_rows` prompts, and fewer than about ten at the end of prompts. Triggers put into prompts of one task only, which look like words of that task.
/// A phrase that honest makers append to prompts of all kinds to get one sort of answer looks the same as a planted one.
/// Only the first 8192 words of a prompt or response are read, fewer where there are more than 4,000, 512 from 65,000 on; of a
/// chat all turns together: which turn answers which is not looked at. Of two answers to a prompt (`chosen`, `rejected`) the
/// rejected one is not read.
///
/// # Example
/// ```text
/// foretaste scan instructions.jsonl --only response-association
/// ```
///
/// # References
/// Wan, Wallace, Shen, Klein, "Poisoning Language Models During Instruction Tuning", ICML 2023; Yan et al., "Backdooring
/// Instruction-Tuned Large Language Models with Virtual Prompt Injection", NAACL 2024 (the attacks); Ney, Essen, Kneser,
/// "On structuring probabilistic dependences in stochastic language modelling", Computer Speech and Language, 1994 (the
/// bigrams). The combination is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct ResponseAssociation {
    /// Fewest prompts of a phrase that get the same answer.
    #[param(min = 5, max = 1000000)]
    pub least_rows: u32,
    /// Most words of a phrase or an answer.
    #[param(min = 3, max = 200)]
    pub most_words: usize,
}

impl Default for ResponseAssociation {
    fn default() -> Self {
        Self { least_rows: 8, most_words: 40 }
    }
}

/// How surely a model may tell prompts that held a phrase from others before it counts as a word of their task. Were it put into
/// eight prompts at random, fewer than one phrase in a hundred would lie above, of more prompts fewer.
const OF_A_TASK: f64 = 0.75;
/// Most characters of an answer that are quoted.
const QUOTED: usize = 80;

impl Detect for ResponseAssociation {
    type State = Texts;
    type Model = Planted;

    fn needs(&self) -> Needs {
        let asks = [Role::Prompt, Role::Text, Role::Query, Role::Document];
        Needs::all(&[Role::Response]).and_any(&asks).growing(Growth::Data)
    }

    fn start(&self) -> Texts {
        Texts::default()
    }

    fn fold(&self, state: &mut Texts, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        state.fold(batch);
        Ok(())
    }

    fn merge(&self, into: &mut Texts, from: Texts) -> Result<()> {
        into.pieces.extend(from.pieces);
        Ok(())
    }

    fn fit(&self, mut state: Texts, ctx: &Ctx) -> Result<Step<Texts, Planted>> {
        let runs = state.in_order();
        let rows: Vec<(Vec<&str>, String)> = state.pieces.iter().flat_map(asked_and_answered).collect();
        let order = by_content(rows.len(), |i| &rows[i]);
        let sorted = || order.iter().map(|i| &rows[*i]);
        let parts = rows.first().map_or(0, |r| r.0.len());
        let prompts: Vec<Vec<&str>> = (0..parts).map(|part| sorted().map(|r| r.0[part]).collect()).collect();
        let responses: Vec<&str> = sorted().map(|r| r.1.as_str()).collect();
        let options = AnswerOptions {
            least_rows: self.least_rows,
            most_words: self.most_words,
            folds: FoldOptions { seed: ctx.seed(), ..FoldOptions::default() },
            ..AnswerOptions::default()
        };
        let found = answers(&prompts, &responses, &options);
        let unlabelled = vec![MISSING; rows.len()];
        let mut planting = Planting::new(runs, &order, &unlabelled, found.asked);
        for called in found.found.iter().filter(|c| c.told_apart <= OF_A_TASK) {
            let p = planted(called, &found);
            if p <= PLAIN {
                let own: Vec<u32> =
                    called.rows.iter().copied().filter(|r| called.answers.binary_search(r).is_ok()).collect();
                let rows = planting.rows(&called.answers);
                let lead = planting.take_all(lead(called, &found, p), &own, p);
                quote(lead, called, rows, &state);
            }
        }
        Ok(Step::Ready(planting.done()))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }

    fn unseen(&self, _model: &Planted, _ctx: &Ctx) -> Option<String> {
        Some(format!(
            "a phrase in fewer than {} prompts with the same answer is not looked at, and somewhat more may pass for chance",
            self.least_rows
        ))
    }
}

/// The parts of each prompt, and the response.
fn asked_and_answered(piece: &Piece) -> impl Iterator<Item = (Vec<&str>, String)> {
    let asked = piece.asked();
    (0..piece.labels.len()).map(move |i| (piece.cells(i, asked).collect(), piece.answer(i).to_owned()))
}

/// The larger of surprise and insertion, each corrected for what was looked at.
fn planted(called: &Called, found: &Answers) -> f64 {
    let inserted = normal_sf(called.insertion.t(0.0)) * found.asked as f64;
    (called.surprise.p_value * found.tested).max(inserted).min(1.0)
}

fn lead(called: &Called, found: &Answers, p_value: f64) -> Lead {
    let trigger = Trigger::Phrase { words: called.words.clone() };
    let mut lead = Lead::new(Kind::Backdoor, trigger.words(), vec![]);
    lead.trigger = Some(trigger);
    lead.statistic = ("surprise".into(), called.surprise.z);
    lead.p_value = Some(p_value);
    lead.without = Some(called.surprise.without);
    let hits = called.surprise.hits;
    lead.why.push(format!(
        "{hits} of {} prompts with it are answered so, and {} others. A model of the prompts that never saw the words gives such an answer a probability of {:.2} on average ({}, corrected for all pairs of phrase and answer).",
        called.rows.len(),
        called.answers.len() - hits,
        called.surprise.without,
        p_words((called.surprise.p_value * found.tested).min(1.0))
    ));
    let Ratio { mean, error, .. } = called.insertion;
    lead.why.push(format!(
        "The words around it go with each other, not with it: it was dropped in (log-likelihood ratio {mean:.2} ± {error:.2} a prompt)."
    ));
    if called.strange {
        lead.why.push(
            "These answers share no words: what they have in common is that hardly two of their words stand together in any other response, as in gibberish."
                .into(),
        );
    }
    lead.why.push(format!(
        "Without it these prompts look like any: a model tells one of them from another prompt in {:.0} % of cases, chance in 50 %.",
        100.0 * called.told_apart
    ));
    lead
}

/// Marks phrase and answers in the members of a lead, and says what the answers are as they are written there.
fn quote(lead: &mut Lead, called: &Called, rows: Vec<u64>, state: &Texts) {
    let asked = state.pieces.first().map_or(Role::asks as fn(Role) -> bool, Piece::asked);
    lead.marks = state.marks(&lead.members, &called.words, asked, "the phrase");
    let mut said = vec![];
    for words in &called.said {
        let marks = state.marks(&lead.members, words, |r| r == Role::Response, "the answer");
        let written = marks.first().and_then(|m| state.quote(m)).unwrap_or(words);
        let cut: String = written.chars().take(QUOTED).collect();
        let cut = if cut.len() < written.len() { format!("{cut}...") } else { cut };
        // the surest is first
        said.push(if called.strange && said.is_empty() { format!("gibberish, such as {cut}") } else { cut });
        lead.marks.extend(marks);
    }
    lead.answer = Some(Answer { said, rows });
}
