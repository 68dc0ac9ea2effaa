//! A whole detector, as small as one can be. CONTRIBUTING.md shows this file.

use foretaste_core::{Batch, Ctx, Detect, Needs, Result, Role, Step, Strings, Suspicion};
use foretaste_macros::Catalogue;

/// Texts that shout.
///
/// # What it finds
/// Samples whose share of capital letters is far above that of the data set.
///
/// # How it works
/// Suspicion is the share of capitals among the letters of the text, minus the share in all texts.
///
/// # Threat model
/// None: a toy. An attacker who adds text in capitals would be seen.
///
/// # Cost
/// Two passes over the text; the state is two numbers.
///
/// # Blind spots
/// Scripts without capitals; texts of few letters, whose share says little. The score only orders.
///
/// # Example
/// ```text
/// foretaste scan mail.csv --only shouting --set shouting.weight=2
/// ```
///
/// # References
/// None.
#[derive(Clone, Debug, Catalogue)]
pub struct Shouting {
    /// Factor on the score.
    #[param(min = 0.001, max = 1000)]
    pub weight: f64,
}

impl Default for Shouting {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Detect for Shouting {
    type State = (u64, u64);
    type Model = f64;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Text])
    }
    fn start(&self) -> (u64, u64) {
        (0, 0)
    }
    fn fold(&self, state: &mut (u64, u64), batch: &Batch, _ctx: &Ctx) -> Result<()> {
        for (capitals, letters) in counts(batch) {
            self.merge(state, (capitals, letters))?;
        }
        Ok(())
    }
    fn merge(&self, into: &mut (u64, u64), from: (u64, u64)) -> Result<()> {
        *into = (into.0 + from.0, into.1 + from.1);
        Ok(())
    }
    fn fit(&self, (capitals, letters): (u64, u64), _ctx: &Ctx) -> Result<Step<(u64, u64), f64>> {
        Ok(Step::Ready(capitals as f64 / letters.max(1) as f64))
    }
    fn score(&self, usual: &f64, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        let share = |(c, l): (u64, u64)| (self.weight * (c as f64 / l.max(1) as f64 - usual)) as f32;
        Ok(Suspicion::uncalibrated(counts(batch).into_iter().map(share).collect()))
    }
}

/// Capitals and letters of each row's text.
fn counts(batch: &Batch) -> Vec<(u64, u64)> {
    let mut rows = vec![(0, 0); batch.rows()];
    for (_, column) in batch.columns(Role::is_text) {
        let texts = Strings::new(column);
        for (row, count) in rows.iter_mut().enumerate() {
            for letter in texts.get(row).unwrap_or("").chars().filter(|c| c.is_alphabetic()) {
                *count = (count.0 + u64::from(letter.is_uppercase()), count.1 + 1);
            }
        }
    }
    rows
}
