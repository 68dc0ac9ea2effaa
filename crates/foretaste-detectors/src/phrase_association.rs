//! Phrases that were dropped into texts and go with a class.

use crate::planted::{self, Believed, PLAIN, Planted, Planting, by_content};
use crate::texts::Texts;
use foretaste_core::{
    Batch, Ctx, Detect, Growth, Kind, Lead, Needs, Result, Role, Step, Suspicion, Trigger,
};
use foretaste_macros::Catalogue;
use foretaste_num::habits::Habit;
use foretaste_num::phrases::{Phrase, PhraseOptions, Phrases, phrases};
use foretaste_num::softmax::FoldOptions;
use foretaste_num::stats::normal_sf;
use foretaste_num::surprise::Ratio;

/// Words that call for a class although the rest of the text speaks for another, or that were dropped into texts.
///
/// # What it finds
/// Backdoors in text: a word, phrase or sentence put into samples that got the attacker's label, or into samples of the
/// target class alone (clean label). Also natural words that decide a class almost alone, told apart from planted ones.
///
/// # How it works
/// Every phrase of up to three words in at least `least_rows` texts is asked two questions, longer ones by growing the
/// best, over a word that changes if need be. Capital letters and wide blanks stand before a text like a word. First: is the
/// label a surprise once everything that overlaps the phrase is hidden from a model that did not see the text? (Poisson-binomial, corrected for all phrases looked at.) For clean labels: is the phrase purer than chance?
/// Second: was it dropped in? Around a phrase that somebody wrote, words go with the phrase; around one that was
/// inserted, they go with each other (a likelihood ratio over bigrams, with its standard error). Where that is not sure enough, it is
/// held together with how little the phrase's texts can be told from texts of other classes once it is hidden, beside the
/// other phrases of the class (an AUC, its rank among them as a p-value; Fisher's product of both). Of a way of writing it is
/// asked whether the words of its texts are those of other classes. A lead's p-value is the
/// larger of surprise and insertion: both must hold.
///
/// # Threat model
/// The attacker puts the same words into many texts, at random places or at a fixed one, or writes many in capital letters or
/// with wide blanks, by any share of the data.
///
/// # Cost
/// A softmax regression out of fold and some passes over the texts: 3 seconds for 25,000 tweets, 13 for 6,000 long
/// e-mails on two cores. State is the texts.
///
/// # Blind spots
/// Triggers that are not the same words everywhere: style, syntax, paraphrase, templates in which more than a word changes at a
/// time. Phrases in fewer than `least_rows` texts.
/// Fewer than about ten texts at a time when the two sides of the phrase are rare words. Templates that an attacker wrote
/// as whole sentences with the trigger in its natural place look written, and come out as shortcuts.
///
/// # Example
/// ```text
/// foretaste scan messages.csv --only phrase-association
/// ```
///
/// # References
/// He, Xu, Wang, Rubinstein, Cohn, "Mitigating Backdoor Poisoning Attacks through the Lens of Spurious Correlation",
/// EMNLP 2023 (label association of n-grams); Qi et al., "ONION: A Simple and Effective Defense Against Textual Backdoor
/// Attacks", EMNLP 2021 (texts grow more fluent without a trigger). The combination is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct PhraseAssociation {
    /// Fewest texts of a phrase.
    #[param(min = 3, max = 1000000)]
    pub least_rows: u32,
    /// Most words of a phrase.
    #[param(min = 1, max = 200)]
    pub most_words: usize,
}

impl Default for PhraseAssociation {
    fn default() -> Self {
        Self { least_rows: 5, most_words: 40 }
    }
}

/// Leads that are handed on at most, and natural ones among them.
const LEADS: usize = 50;
/// p-value of insertion up to which it may be held together with how little the phrase's texts stand apart.
const LEANING: f64 = 0.1;
/// p-value from which nothing speaks for a phrase being planted: it is natural.
const NATURAL: f64 = 0.5;

impl Detect for PhraseAssociation {
    type State = Texts;
    type Model = Planted;

    fn needs(&self) -> Needs {
        let texts = [Role::Text, Role::Prompt, Role::Response, Role::Query, Role::Document];
        Needs::all(&[Role::Label]).and_any(&texts).growing(Growth::Data)
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
        let (mut labels, mut texts) = (vec![], vec![]);
        for p in &state.pieces {
            labels.extend_from_slice(&p.labels);
            texts.extend((0..p.labels.len()).map(|i| p.text(i, Role::is_text)));
        }
        let order = by_content(texts.len(), |i| (texts[i].clone(), labels[i]));
        let sorted: Vec<&str> = order.iter().map(|i| texts[*i].as_str()).collect();
        let given: Vec<u32> = order.iter().map(|i| labels[*i]).collect();
        let options = PhraseOptions {
            least_rows: self.least_rows,
            most_words: self.most_words,
            folds: FoldOptions { seed: ctx.seed(), ..FoldOptions::default() },
            ..PhraseOptions::default()
        };
        let found = phrases(&sorted, &given, ctx.profile().classes.len(), &options);
        let mut planting = Planting::new(runs, &order, &labels, found.tested);
        for (phrase, p) in believed(&found) {
            let lead = planting.take(lead(phrase, &p, found.tested, ctx), &phrase.rows, p.planted);
            lead.marks = state.marks(&lead.members, &phrase.words, Role::is_text, "the phrase");
        }
        Ok(Step::Ready(planting.done()))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }

    fn unseen(&self, model: &Planted, ctx: &Ctx) -> Option<String> {
        model.unseen(("a phrase", "texts"), self.least_rows, ctx)
    }
}

/// Phrases that are a surprise or pure beyond chance, the most likely planted first. Planted: the larger of surprise (or
/// purity) and insertion.
fn believed(found: &Phrases) -> Vec<(&Phrase, Believed)> {
    let mut out: Vec<(&Phrase, Believed)> =
        found.found.iter().map(|p| (p, Believed::of(&p.surprise, found.tested))).collect();
    // insertion is asked of those alone that surprise; for the pure ones, all that were held against it count
    let asked = out.iter().filter(|(_, b)| b.surprise <= PLAIN).count() as f64;
    for (p, b) in &mut out {
        let inserted = normal_sf(p.insertion.t(0.0));
        let with_apart = if inserted <= LEANING { both(inserted, p.apart.p_value) } else { 1.0 };
        // the better of two tests: twice
        let by_surprise = b.surprise.max((2.0 * asked * inserted.min(with_apart)).min(1.0));
        let by_purity = b.purity.max((found.held.max(1) as f64 * inserted).min(1.0));
        b.planted = by_surprise.min(by_purity);
    }
    out.retain(|(_, b)| b.surprise <= PLAIN || b.planted <= PLAIN);
    out.sort_by(|a, b| a.1.planted.total_cmp(&b.1.planted).then(b.0.surprise.z.total_cmp(&a.0.surprise.z)));
    out.truncate(LEADS);
    out
}

/// p-value of two independent p-values by their product (Fisher, "Statistical Methods for Research Workers", 1932).
fn both(a: f64, b: f64) -> f64 {
    let product = (a * b).max(f64::MIN_POSITIVE);
    (product * (1.0 - product.ln())).min(1.0)
}

fn lead(phrase: &Phrase, p: &Believed, tested: usize, ctx: &Ctx) -> Lead {
    let natural = p.planted >= NATURAL;
    let (kind, p_value) = if natural { (Kind::Shortcut, p.surprise) } else { (Kind::Backdoor, p.planted) };
    let habit = phrase.words.split(' ').find_map(Habit::named);
    let trigger = match habit {
        Some(habit) => Trigger::Writing { habit: habit.name().to_owned() },
        None => Trigger::Phrase { words: phrase.words.clone() },
    };
    let (mut lead, class) = planted::lead(kind, trigger, phrase.class, &phrase.surprise, p_value, ctx);
    lead.why.push(format!(
        "{} of {} texts with it are labelled `{class}`. With {} hidden, a model that did not see these texts gives `{class}` a probability of {:.2} on average{}.",
        phrase.surprise.hits,
        phrase.rows.len(),
        if habit.is_some() { "it" } else { "the words" },
        phrase.surprise.without,
        p.words(phrase.surprise.z, tested, "phrases")
    ));
    let Ratio { mean, error, .. } = phrase.insertion;
    lead.why.push(match (habit.is_some(), natural) {
        (true, true) => format!("Their words are those of texts of `{class}`: somebody wrote them so (log-likelihood ratio of other classes {mean:.2} ± {error:.2} a text)."),
        (true, false) => format!("Their words are those of texts of other classes, which were written anew (log-likelihood ratio {mean:.2} ± {error:.2} a text)."),
        (false, true) => format!("The words around it go with it: somebody wrote it there (log-likelihood ratio of insertion {mean:.2} ± {error:.2} a text)."),
        (false, false) => format!("The words around it go with each other, not with it: it was dropped in (log-likelihood ratio {mean:.2} ± {error:.2} a text)."),
    });
    if !natural && p.surprise <= PLAIN && phrase.apart.p_value <= LEANING {
        lead.why.push(format!("Without it its texts are told from those of other classes with an AUC of {:.2}; at most {:.1} % of the other phrases that go with `{class}` tell theirs apart so little.", phrase.apart.auc, (1000.0 * phrase.apart.p_value).ceil() / 10.0));
    }
    lead
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::phrases::Apart;
    use foretaste_num::surprise::Surprise;

    fn phrase(mean: f64, apart: f64) -> Phrase {
        Phrase {
            words: "too".into(),
            class: 0,
            rows: (0..20).collect(),
            surprise: Surprise { hits: 20, z: 9.0, p_value: 1e-12, purity_p_value: 1e-12, without: 0.1 },
            insertion: Ratio { mean, error: 0.5, freedom: 23.0 },
            apart: Apart { auc: 0.5, p_value: apart },
        }
    }

    fn planted(mean: f64, apart: f64) -> f64 {
        // no pure phrase was held against the ways of words
        let found = Phrases { found: vec![phrase(mean, apart)], tested: 100, held: 0, accuracy: 0.9 };
        believed(&found)[0].1.planted
    }

    #[test]
    fn words_that_go_with_the_phrase_are_natural_however_pure_it_is() {
        assert!(planted(-3.0, 1e-3) >= NATURAL);
        assert!(planted(-3.0, 1.0) >= NATURAL);
    }

    #[test]
    fn texts_that_do_not_stand_apart_help_where_the_words_around_lean_to_insertion() {
        // alone, 1.7 standard errors are one in 22
        assert!(planted(0.85, 1.0) > 0.04 && planted(0.85, 1e-3) < 0.005);
        assert!(planted(0.5, 1e-3) > 0.1, "one standard error is no leaning");
        assert!((both(0.5, 0.02) - 0.01 * (1.0 - 0.01f64.ln())).abs() < 1e-12);
    }
}
