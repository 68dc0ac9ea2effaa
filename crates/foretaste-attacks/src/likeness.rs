//! How alike samples are in what they hold, where there are no vectors to compare.

use foretaste_core::{Image, Picked, Pool, Result, Role, Strings, numbers};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Side of the grid to which pictures are averaged.
const GRID: usize = 8;

/// What one sample holds, as far as others can be compared with it: Gower's distance over columns, the share of words that
/// two texts do not have in common, and the difference of coarse pictures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Likeness {
    /// Position, value and range of columns of numbers.
    numbers: Vec<(usize, f64, f64)>,
    /// Position and value of other feature columns.
    words: Vec<(usize, Option<String>)>,
    /// Position and words of texts.
    texts: Vec<(usize, BTreeSet<String>)>,
    /// The picture, averaged to a grid.
    picture: Option<Vec<f64>>,
}

impl Likeness {
    /// What the first of the picked samples holds.
    pub fn of(picked: &Picked, data: &dyn Pool) -> Result<Self> {
        let mut out = Self::default();
        for (at, role) in picked.batch.roles.iter().enumerate() {
            let column = picked.batch.records.column(at);
            match (role, numbers(column)) {
                (Role::Feature, Some(values)) => {
                    out.numbers.push((at, values.first().copied().unwrap_or(f64::NAN), 0.0));
                }
                (Role::Feature, None) => {
                    out.words.push((at, Strings::new(column).get(0).map(str::to_owned)));
                }
                (role, _) if role.is_text() => out.texts.push((at, tokens(&Strings::new(column), 0))),
                _ => {}
            }
        }
        out.picture = picked.images.first().and_then(Option::as_ref).map(coarse);
        let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); out.numbers.len()];
        for batch in data.batches()? {
            let batch = batch?;
            for ((at, ..), end) in out.numbers.iter().zip(&mut ends) {
                let values = numbers(batch.records.column(*at)).unwrap_or_default();
                for v in values.into_iter().filter(|v| v.is_finite()) {
                    *end = (end.0.min(v), end.1.max(v));
                }
            }
        }
        out.numbers.iter_mut().zip(ends).for_each(|((.., range), (low, high))| *range = high - low);
        Ok(out)
    }

    /// The distance of each sample: the sum over all that can be compared, each between 0 and 1.
    pub fn distances(&self, samples: &Picked) -> Vec<f64> {
        let mut sum = vec![0.0; samples.len()];
        let columns = samples.batch.records.columns();
        for (at, own, range) in &self.numbers {
            let values = columns.get(*at).and_then(numbers).unwrap_or_default();
            for (s, v) in sum.iter_mut().zip(values) {
                let d = (v - own).abs() / range;
                let both_missing = v.is_nan() && own.is_nan();
                *s +=
                    if d.is_finite() { d.min(1.0) } else { f64::from(u8::from(!both_missing && v != *own)) };
            }
        }
        for (at, own) in &self.words {
            let Some(values) = columns.get(*at).map(Strings::new) else { continue };
            let differs = |i: usize| values.get(i) != own.as_deref();
            sum.iter_mut().enumerate().for_each(|(i, s)| *s += f64::from(u8::from(differs(i))));
        }
        for (at, own) in &self.texts {
            let Some(values) = columns.get(*at).map(Strings::new) else { continue };
            for (i, s) in sum.iter_mut().enumerate() {
                let theirs = tokens(&values, i);
                let (both, all) = (own.intersection(&theirs).count(), own.union(&theirs).count());
                *s += if all == 0 { 0.0 } else { 1.0 - both as f64 / all as f64 };
            }
        }
        if let Some(own) = &self.picture {
            for (s, image) in sum.iter_mut().zip(&samples.images) {
                let difference = |theirs: Vec<f64>| {
                    own.iter().zip(theirs).map(|(a, b)| (a - b).abs()).sum::<f64>() / own.len() as f64
                };
                *s += image.as_ref().map_or(1.0, |i| difference(coarse(i)));
            }
        }
        sum
    }
}

fn tokens(strings: &Strings, row: usize) -> BTreeSet<String> {
    strings.get(row).unwrap_or_default().split_whitespace().map(str::to_lowercase).collect()
}

/// A picture averaged to a grid of grey values between 0 and 1.
fn coarse(image: &Image) -> Vec<f64> {
    let (width, height) = (image.width as usize, image.height as usize);
    let (channels, colours) = (usize::from(image.channels), image.colours());
    let mut cells = vec![(0.0, 0.0); GRID * GRID];
    for (i, pixel) in image.pixels.chunks_exact(channels.max(1)).enumerate() {
        let (x, y) = (i % width.max(1), i / width.max(1));
        if y < height {
            let cell = &mut cells[(y * GRID / height) * GRID + x * GRID / width];
            cell.0 += pixel.iter().take(colours).map(|p| f64::from(*p) / 255.0).sum::<f64>();
            cell.1 += colours as f64;
        }
    }
    cells.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { 0.0 }).collect()
}
