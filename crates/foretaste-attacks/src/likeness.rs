//! How near samples are to one sample: by their vectors, or in what they hold where there are no vectors to compare.

use foretaste_core::{Batch, Error, Image, Picked, Pool, Result, Role, Strings, numbers};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Side of the grid to which pictures are averaged.
const GRID: usize = 8;

/// The vector of the first picked sample.
pub fn centre(picked: &Picked, entry: &str) -> Result<Vec<f32>> {
    let centre = picked.batch.vectors.as_ref().map(|v| v.row(0).to_vec()).unwrap_or_default();
    if centre.is_empty() {
        let reason = "the data have no vectors, and none could be made from them".to_owned();
        return Err(Error::Unfit { entry: entry.into(), reason });
    }
    Ok(centre)
}

/// Squared Euclidean distance; what cannot be compared is far away.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    if squares.is_finite() { squares } else { f64::MAX }
}

/// How near the vectors of a batch are to `centre`, higher is nearer; `None` without vectors.
pub fn nearness(batch: &Batch, centre: &[f32]) -> Option<Vec<f64>> {
    let vectors = batch.vectors.as_ref()?;
    Some((0..batch.rows()).map(|i| -distance(vectors.row(i), centre)).collect())
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use std::sync::Arc;

    struct Table(Batch);

    impl Pool for Table {
        fn rows(&self) -> u64 {
            self.0.rows() as u64
        }
        fn schema(&self) -> arrow_schema::SchemaRef {
            self.0.records.schema()
        }
        fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Batch>> + Send + '_>> {
            Ok(Box::new(std::iter::once(Ok(self.0.clone()))))
        }
        fn pick(&self, rows: &[u64]) -> Result<Picked> {
            let batch = self.0.slice(rows[0] as usize, rows.len());
            Ok(Picked { batch, rows: rows.to_vec(), cover: vec![false; rows.len()], images: vec![] })
        }
    }

    #[test]
    fn distances_are_those_counted_by_hand() {
        let number: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), Some(5.0), Some(10.0), None]));
        let kind: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("b"), None]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["one Two", "two three", "four", "one two"]));
        let records = RecordBatch::try_from_iter([("n", number), ("k", kind), ("t", text)]).unwrap();
        let roles = Arc::from([Role::Feature, Role::Feature, Role::Text]);
        let table = Table(Batch::new(records, roles, 0));
        let like = Likeness::of(&table.pick(&[0]).unwrap(), &table).unwrap();
        let all = table.pick(&[0, 1, 2, 3]).unwrap();
        // half the range and two words of three; all different; number and kind missing
        let wanted = [0.0, 0.5 + 2.0 / 3.0, 3.0, 2.0];
        let found = like.distances(&all);
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn what_cannot_be_compared_is_far_away() {
        assert_eq!(distance(&[0.0, 3.0], &[4.0, 0.0]), 25.0);
        assert_eq!(distance(&[f32::NAN], &[0.0]), f64::MAX);
    }

    #[test]
    fn pictures_are_compared_whatever_their_size() {
        let grey = |side: u32, v: u8| Image {
            width: side,
            height: side,
            channels: 1,
            pixels: vec![v; (side * side) as usize],
        };
        assert_eq!(coarse(&grey(16, 255)), coarse(&grey(8, 255)));
        assert_eq!(coarse(&grey(3, 0)), coarse(&grey(1, 0)));
    }
}
