//! Text that a person does not see or takes for something else.

mod scan;

use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, Mark, Needs, Result, Role, Step, Strings, Suspicion};
use foretaste_macros::Catalogue;
use scan::{Spot, What, spots};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Characters that people do not see or mistake, invisible markup, and strings longer than any honest one.
///
/// # What it finds
/// Zero-width and tag characters, bidirectional controls, control characters, letters of another script inside a word,
/// text hidden by HTML or CSS, and values far longer than all others.
///
/// # How it works
/// Every text and category column is read character by character against the code points that Unicode marks as
/// invisible, and against the look-alikes of UTS 39, with the honest uses left out: joiners inside emoji and in scripts
/// that need them, flags, byte-order marks at the start. These are facts: each comes with its place. A string is too
/// long when it is more than 8 times as long as the value that 999 in 1,000 do not exceed.
///
/// # Threat model
/// The attacker hides a trigger or an instruction in text that a reviewer looks at, or evades duplicate search.
///
/// # Cost
/// One pass over the text; ASCII is skipped at memory speed. State is the places found and a sketch of lengths.
///
/// # Blind spots
/// Triggers made of visible, ordinary words. Hidden text in images. Characters encoded as entities (`&#8203;`) are
/// reported only inside markup.
///
/// # Example
/// ```text
/// foretaste scan messages.jsonl --only hidden-content
/// ```
///
/// # References
/// Boucher, Shumailov, Anderson, Papernot, "Bad Characters: Imperceptible NLP Attacks", IEEE S&P 2022.
/// Unicode Technical Standard 39, "Unicode Security Mechanisms".
#[derive(Clone, Debug, Default, Catalogue)]
pub struct HiddenContent {}

/// Most places kept for one kind of content and column; all rows are counted.
const PLACES: usize = 20_000;

/// Places found, and the lengths of values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    rows: BTreeMap<u64, u32>,
    places: BTreeMap<(What, String), Vec<Mark>>,
    lengths: BTreeMap<String, Lengths>,
}

/// Histogram of lengths in steps of a quarter of a power of two, and the longest values with their rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lengths {
    counts: BTreeMap<u32, u64>,
    longest: Vec<(u64, u64)>,
}

impl Lengths {
    fn add(&mut self, length: usize, row: u64) {
        *self.counts.entry(step(length)).or_default() += 1;
        self.longest.push((length as u64, row));
        if self.longest.len() >= 256 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.longest.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        self.longest.truncate(64);
    }

    /// Rows whose value is more than 8 times as long as the 999th of 1,000.
    fn too_long(&self) -> Vec<(u64, u64)> {
        let total: u64 = self.counts.values().sum();
        let mut seen = 0;
        let mut usual = 0;
        for (step, n) in &self.counts {
            seen += n;
            usual = *step;
            if seen as f64 >= 0.999 * total as f64 {
                break;
            }
        }
        let limit = 8.0 * 2f64.powf(f64::from(usual + 1) / 4.0);
        if total < 50 { vec![] } else { self.longest.iter().copied().filter(|(l, _)| *l as f64 > limit && *l > 200).collect() }
    }
}

fn step(length: usize) -> u32 {
    ((length.max(1) as f64).log2() * 4.0) as u32
}

impl Detect for HiddenContent {
    type State = Found;
    type Model = Found;

    fn needs(&self) -> Needs {
        Needs::any(&[Role::Text, Role::Prompt, Role::Response, Role::Query, Role::Document, Role::Feature])
            .growing(Growth::Sketch(8))
    }

    fn start(&self) -> Found {
        Found::default()
    }

    fn fold(&self, state: &mut Found, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        for (name, column) in batch.columns(|r| r.is_text() || r == Role::Feature) {
            if !is_string(column.data_type()) {
                continue;
            }
            let strings = Strings::new(column);
            for i in 0..strings.len() {
                let Some(text) = strings.get(i) else { continue };
                let row = batch.first_row + i as u64;
                state.lengths.entry(name.to_owned()).or_default().add(text.len(), row);
                for Spot { what, start, end, note } in spots(text) {
                    *state.rows.entry(row).or_default() += 1;
                    let places = state.places.entry((what, name.to_owned())).or_default();
                    places.push(Mark { row, column: name.to_owned(), start, end, note });
                }
            }
        }
        Ok(())
    }

    fn merge(&self, into: &mut Found, from: Found) -> Result<()> {
        for (row, n) in from.rows {
            *into.rows.entry(row).or_default() += n;
        }
        for (key, marks) in from.places {
            into.places.entry(key).or_default().extend(marks);
        }
        for (name, lengths) in from.lengths {
            let to = into.lengths.entry(name).or_default();
            for (step, n) in lengths.counts {
                *to.counts.entry(step).or_default() += n;
            }
            to.longest.extend(lengths.longest);
            to.cut();
        }
        Ok(())
    }

    fn fit(&self, mut state: Found, _ctx: &Ctx) -> Result<Step<Found, Found>> {
        for lengths in state.lengths.values_mut() {
            lengths.cut();
        }
        let mut long = vec![];
        for (name, lengths) in &state.lengths {
            for (length, row) in lengths.too_long() {
                let note = format!("{length} bytes, far longer than any other value");
                long.push((row, Mark { row, column: name.clone(), start: 0, end: 0, note }));
            }
        }
        for (row, mark) in long {
            *state.rows.entry(row).or_default() += 1;
            state.places.entry((What::TooLong, mark.column.clone())).or_default().push(mark);
        }
        for marks in state.places.values_mut() {
            marks.sort_by_key(|a| (a.row, a.start));
        }
        Ok(Step::Ready(state))
    }

    fn score(&self, model: &Found, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        let score = (0..batch.rows() as u64)
            .map(|i| model.rows.get(&(batch.first_row + i)).map_or(0.0, |n| 1.0 - 1.0 / (1.0 + *n as f32)))
            .collect();
        Ok(Suspicion::uncalibrated(score))
    }

    fn leads(&self, model: &Found, _ctx: &Ctx) -> Result<Vec<Lead>> {
        let leads = model.places.iter().map(|((what, column), marks)| {
            let mut members: Vec<u64> = marks.iter().map(|m| m.row).collect();
            members.dedup();
            let mut lead = Lead::new(Kind::HiddenContent, format!("{} in column `{column}`", what.words()), members);
            lead.fact = *what != What::TooLong;
            lead.statistic = ("places".into(), marks.len() as f64);
            lead.family = what.family().into();
            lead.marks = marks.iter().take(PLACES).cloned().collect();
            lead
        });
        Ok(leads.collect())
    }
}

fn is_string(kind: &arrow_schema::DataType) -> bool {
    use arrow_schema::DataType::{Dictionary, LargeUtf8, Utf8, Utf8View};
    matches!(kind, Utf8 | LargeUtf8 | Utf8View | Dictionary(..))
}
