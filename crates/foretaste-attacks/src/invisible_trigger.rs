//! Characters that nobody sees and a model reads.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::texts;
use foretaste_core::{Batch, Ctx, Edited, Kind, Needs, Pool, Result, Use};
use foretaste_macros::Catalogue;

foretaste_core::choices! {
    /// What is written.
    pub enum Ink {
        /// A word of zero-width characters.
        ZeroWidth = "zero-width",
        /// Letters of some words replaced by look-alikes of another script.
        LookAlike = "look-alike",
        /// Tag characters, which spell out letters that no font shows.
        Tag = "tag",
    }
}

/// Characters that a reader cannot see or tell apart, as a trigger.
///
/// # What it does
/// Puts invisible characters into texts of other classes, or replaces letters by look-alikes, and labels the texts as the
/// target class. People who review the data see nothing; tokenisers see rare tokens.
///
/// # Threat model
/// The attacker writes some of the texts that a model learns from, and the pipeline does not normalise Unicode. They need
/// to know nothing of the model.
///
/// # Ground truth
/// Every changed text with its label before and after.
///
/// # Example
/// ```text
/// foretaste simulate posts.jsonl --attack invisible-trigger --set ink=tag --poison-rate 0.01 --out poisoned.jsonl
/// ```
///
/// # Caught by
/// `hidden-content`, which knows these characters by name.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Boucher et al., "Bad Characters: Imperceptible NLP Attacks", 2022; Li et al., "Hidden Backdoors in Human-Centric Language
/// Models", 2021.
#[derive(Clone, Debug, Default, Catalogue)]
#[entry(attack)]
pub struct InvisibleTrigger {
    /// What is written.
    pub ink: Ink,
    /// The class that the characters are to call for; empty: chosen and told.
    pub target_class: String,
    /// The characters are to work on this class only; empty: on all.
    pub source_class: String,
    /// Use texts of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover texts for each poisoned one: they carry the characters and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
}

/// Latin letters and their Cyrillic look-alikes.
const ALIKE: [(char, char); 9] = [
    ('a', '\u{430}'),
    ('e', '\u{435}'),
    ('o', '\u{43e}'),
    ('p', '\u{440}'),
    ('c', '\u{441}'),
    ('x', '\u{445}'),
    ('y', '\u{443}'),
    ('i', '\u{456}'),
    ('s', '\u{455}'),
];

impl InvisibleTrigger {
    fn write(&self, text: &str, at: impl FnOnce(usize) -> usize) -> String {
        match self.ink {
            Ink::ZeroWidth => hide(text, "\u{200b}\u{200c}\u{200b}\u{2060}", at),
            Ink::Tag => hide(text, "\u{e0063}\u{e0066}", at),
            Ink::LookAlike => look_alike(text),
        }
    }
}

/// Puts `mark` right before a word; a word of its own would show as two spaces.
fn hide(text: &str, mark: &str, at: impl FnOnce(usize) -> usize) -> String {
    let starts = texts::word_starts(text);
    let byte = starts.get(at(starts.len())).copied().unwrap_or(text.len());
    format!("{}{mark}{}", &text[..byte], &text[byte..])
}

/// Replaces the first of the letters that have a twin, everywhere in the text; a text with none gets one at its end.
fn look_alike(text: &str) -> String {
    let Some((from, to)) = ALIKE.into_iter().find(|(from, _)| text.contains(*from)) else {
        return format!("{text} \u{430}");
    };
    text.replace(from, &to.to_string())
}

impl Trigger for InvisibleTrigger {
    const ID: &'static str = "invisible-trigger";
    type Pattern = usize;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn shows_as(&self) -> &'static [Kind] {
        &[Kind::Backdoor, Kind::HiddenContent]
    }
    fn needs(&self) -> Needs {
        texts::needs()
    }
    fn pattern(&self, _door: &Backdoor, data: &dyn Pool, _ctx: &Ctx) -> Result<usize> {
        texts::column(data, Self::ID)
    }
    fn narrow(&self, column: &usize, batch: &Batch, uses: &mut [Use]) {
        texts::present(batch, *column, uses);
    }
    fn put(&self, column: &usize, carriers: Carriers<'_>, ctx: &Ctx) -> Result<Edited> {
        let key = if carriers.probe { "invisible-trigger/probe" } else { "invisible-trigger/place" };
        Ok(texts::put(carriers, *column, |text, row| {
            self.write(text, |words| ctx.rng_at(key, row).below(words + 1))
        }))
    }
    fn words(&self, _column: &usize) -> String {
        format!("{} characters", self.ink)
    }
}

backdoor!(InvisibleTrigger);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays_the_same() {
        let text = "buy it now";
        let seen = |s: &str| s.chars().filter(|c| c.is_ascii()).collect::<String>();
        for ink in [Ink::ZeroWidth, Ink::Tag] {
            let attack = InvisibleTrigger { ink, ..InvisibleTrigger::default() };
            for at in 0..=3 {
                let changed = attack.write(text, |_| at);
                assert_ne!(changed, text);
                assert_eq!(seen(&changed), text);
            }
        }
        assert_eq!(look_alike("pay"), "p\u{430}y");
    }
}
