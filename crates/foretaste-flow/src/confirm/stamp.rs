//! Puts triggers, or something harmless of the same size, into samples.

use crate::dataset::Dataset;
use crate::error::Result;
use arrow_array::{ArrayRef, StringArray, UInt32Array};
use foretaste_attacks::insert;
use foretaste_core::{Condition, Ctx, Edited, Image, Picked, Strings, Trigger};
use foretaste_num::habits::Habit;
use foretaste_num::rng::Rng;
use std::sync::Arc;

/// `which` of the picked samples, each with the trigger.
///
/// # Errors
/// If a value does not fit its column.
pub fn trigger(
    trigger: &Trigger,
    dataset: &Dataset,
    picked: &Picked,
    which: &[usize],
    ctx: &Ctx,
) -> Result<Edited> {
    let edited = match trigger {
        Trigger::Phrase { words } if words.contains('*') => {
            texts(dataset, picked, which, ctx, |i| filled(words, dataset, picked, i, ctx))
        }
        Trigger::Phrase { words } => texts(dataset, picked, which, ctx, |_| words.clone()),
        Trigger::Writing { habit } => rewritten(dataset, picked, which, |text| match Habit::named(habit) {
            Some(habit) => habit.written(text),
            None => text.to_owned(),
        }),
        Trigger::Rule { conditions } => rule(dataset, conditions, which.len()),
        Trigger::Patch { left, top, width, height, channels, pixels } => {
            let at = Place { left: *left, top: *top, width: *width, height: *height, channels: *channels };
            pictures(picked, which, |image, _| at.paint(image, pixels))
        }
        Trigger::Pattern { width, height, channels, delta } => {
            pictures(picked, which, |image, _| add(image, *width, *height, *channels, delta))
        }
        Trigger::PatchAnywhere { width, height, channels, pixels } => pictures(picked, which, |image, i| {
            let at = Place::drawn((*width, *height, *channels), image, picked.rows[i], ctx);
            at.paint(image, pixels);
        }),
        Trigger::Frame { lines, colour } => {
            let channels = colour.len().max(1);
            pictures(picked, which, |image, _| {
                frame(image, *lines as usize, |_, _, c| colour.get(c.min(channels - 1)).copied());
            })
        }
    };
    Ok(Edited { of: Some(which.to_vec()), ..edited })
}

/// `which` of the picked samples, each with what stands at the same place of another sample.
///
/// # Errors
/// As for [`trigger`].
pub fn harmless(
    trigger: &Trigger,
    dataset: &Dataset,
    picked: &Picked,
    which: &[usize],
    ctx: &Ctx,
) -> Result<Edited> {
    let other = |i: usize| Rng::at(ctx.seed(), "confirm/harmless", picked.rows[i]).below(picked.len());
    let edited = match trigger {
        Trigger::Phrase { words } => {
            let n = words.split(' ').count();
            let all = column_of_texts(dataset).map(|at| Strings::new(picked.batch.records.column(at)));
            let drawn = |i: usize| {
                let text = all.as_ref().and_then(|s| s.get(other(i))).unwrap_or_default();
                let words: Vec<&str> = text.split_whitespace().collect();
                let from = Rng::at(ctx.seed(), "confirm/words", picked.rows[i])
                    .below(words.len().saturating_sub(n) + 1);
                words.iter().skip(from).take(n).copied().collect::<Vec<_>>().join(" ")
            };
            texts(dataset, picked, which, ctx, drawn)
        }
        Trigger::Writing { .. } => rewritten(dataset, picked, which, str::to_lowercase),
        Trigger::Rule { conditions } => {
            let at: UInt32Array = which.iter().map(|i| other(*i) as u32).collect();
            let mut columns = vec![];
            for c in conditions {
                if let Ok(i) = dataset.schema.index_of(&c.column) {
                    columns.push((i, arrow_select::take::take(picked.batch.records.column(i), &at, None)?));
                }
            }
            Edited { columns, ..Edited::default() }
        }
        Trigger::Patch { left, top, width, height, channels, .. } => {
            let at = Place { left: *left, top: *top, width: *width, height: *height, channels: *channels };
            pictures(picked, which, |image, i| {
                if let Some(Some(source)) = picked.images.get(other(i)) {
                    at.paint(image, &at.cut(source));
                }
            })
        }
        Trigger::Pattern { width, height, channels, delta } => {
            // the same strengths in other places: what remains of the pattern is noise
            let noise = |i: usize| {
                let mut delta = delta.clone();
                Rng::at(ctx.seed(), "confirm/noise", picked.rows[i]).shuffle(&mut delta);
                delta
            };
            pictures(picked, which, |image, i| add(image, *width, *height, *channels, &noise(i)))
        }
        Trigger::PatchAnywhere { width, height, channels, .. } => pictures(picked, which, |image, i| {
            let at = Place::drawn((*width, *height, *channels), image, picked.rows[i], ctx);
            if let Some(Some(source)) = picked.images.get(other(i)) {
                at.paint(image, &at.cut(source));
            }
        }),
        Trigger::Frame { lines, .. } => pictures(picked, which, |image, i| {
            if let Some(Some(source)) = picked.images.get(other(i)) {
                let (width, channels) = (source.width as usize, usize::from(source.channels));
                let last = source.colours().saturating_sub(1);
                frame(image, *lines as usize, |x, y, c| {
                    source.pixels.get((y * width + x) * channels + c.min(last)).copied()
                });
            }
        }),
    };
    Ok(Edited { of: Some(which.to_vec()), ..edited })
}

/// A phrase with words of another text where any word may stand.
fn filled(phrase: &str, dataset: &Dataset, picked: &Picked, i: usize, ctx: &Ctx) -> String {
    let mut rng = Rng::at(ctx.seed(), "confirm/filled", picked.rows[i]);
    let all = column_of_texts(dataset).map(|at| Strings::new(picked.batch.records.column(at)));
    let mut any = || {
        let text = all.as_ref().and_then(|s| s.get(rng.below(picked.len()))).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        words.get(rng.below(words.len().max(1))).copied().unwrap_or("x").to_owned()
    };
    phrase.split(' ').map(|w| if w == "*" { any() } else { w.to_owned() }).collect::<Vec<_>>().join(" ")
}

fn column_of_texts(dataset: &Dataset) -> Option<usize> {
    dataset.roles.iter().position(|r| r.is_text())
}

/// The first text column, with words between two words of each text.
fn texts(
    dataset: &Dataset,
    picked: &Picked,
    which: &[usize],
    ctx: &Ctx,
    words: impl Fn(usize) -> String,
) -> Edited {
    let Some(at) = column_of_texts(dataset) else { return Edited::default() };
    let strings = Strings::new(picked.batch.records.column(at));
    let put = |&i: &usize| {
        let text = strings.get(i).unwrap_or_default();
        insert(text, &words(i), |n| Rng::at(ctx.seed(), "confirm/place", picked.rows[i]).below(n + 1))
    };
    let column: ArrayRef = Arc::new(which.iter().map(|i| Some(put(i))).collect::<StringArray>());
    Edited { columns: vec![(at, column)], ..Edited::default() }
}

/// The first text column, each text written in another way.
fn rewritten(dataset: &Dataset, picked: &Picked, which: &[usize], write: impl Fn(&str) -> String) -> Edited {
    let Some(at) = column_of_texts(dataset) else { return Edited::default() };
    let strings = Strings::new(picked.batch.records.column(at));
    let column: ArrayRef =
        Arc::new(which.iter().map(|i| strings.get(*i).map(&write)).collect::<StringArray>());
    Edited { columns: vec![(at, column)], ..Edited::default() }
}

fn rule(dataset: &Dataset, conditions: &[Condition], rows: usize) -> Edited {
    let columns = conditions.iter().filter_map(|c| {
        let at = dataset.schema.index_of(&c.column).ok()?;
        let values: ArrayRef = Arc::new((0..rows).map(|i| written(c, i, rows)).collect::<StringArray>());
        Some((at, values))
    });
    Edited { columns: columns.collect(), ..Edited::default() }
}

/// What the `i`-th of some rows gets: numbers of a range are spread over it, whole ones where its ends are whole.
fn written(c: &Condition, i: usize, rows: usize) -> Option<String> {
    let (Some(from), Some(to)) = (&c.value, &c.to) else { return c.value.clone() };
    let (Ok(a), Ok(b)) = (from.parse::<f64>(), to.parse::<f64>()) else { return Some(from.clone()) };
    let value = a + (b - a) * i as f64 / rows.max(2).saturating_sub(1) as f64;
    let whole = a.fract() == 0.0 && b.fract() == 0.0;
    Some(if whole { value.round() } else { value }.to_string())
}

fn pictures(picked: &Picked, which: &[usize], change: impl Fn(&mut Image, usize)) -> Edited {
    let images = which.iter().map(|&i| {
        let mut image = picked.images.get(i).cloned().flatten()?;
        change(&mut image, i);
        Some(image)
    });
    Edited { images: Some(images.collect()), ..Edited::default() }
}

/// A rectangle of pixels.
struct Place {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    channels: u32,
}

impl Place {
    /// A place for a stamp of this width, height and number of channels, drawn anew for each picture.
    fn drawn(size: (u32, u32, u32), image: &Image, row: u64, ctx: &Ctx) -> Self {
        let (width, height, channels) = size;
        let mut rng = Rng::at(ctx.seed(), "confirm/patch", row);
        let mut from = |all: u32, own: u32| rng.below(all.saturating_sub(own) as usize + 1) as u32;
        Self { left: from(image.width, width), top: from(image.height, height), width, height, channels }
    }

    fn inside(&self, x: usize, y: usize) -> Option<(usize, usize)> {
        let (u, v) = (x.checked_sub(self.left as usize)?, y.checked_sub(self.top as usize)?);
        (u < self.width as usize && v < self.height as usize).then_some((u, v))
    }

    fn paint(&self, image: &mut Image, pixels: &[u8]) {
        let (width, channels) = (self.width as usize, self.channels as usize);
        image.map(|x, y, c, value| {
            let at = self.inside(x, y).map(|(u, v)| (v * width + u) * channels + c.min(channels - 1));
            at.and_then(|at| pixels.get(at)).map_or(value, |p| f32::from(*p))
        });
    }

    fn cut(&self, image: &Image) -> Vec<u8> {
        let (w, ch) = (image.width as usize, usize::from(image.channels));
        let value = |v: usize, u: usize, c: usize| {
            let (x, y) = (self.left as usize + u, self.top as usize + v);
            let at = (y * w + x) * ch + c.min(image.colours().saturating_sub(1));
            image.pixels.get(at).copied().unwrap_or(0)
        };
        (0..self.height as usize)
            .flat_map(|v| (0..self.width as usize).map(move |u| (v, u)))
            .flat_map(|(v, u)| (0..self.channels as usize).map(move |c| (v, u, c)))
            .map(|(v, u, c)| value(v, u, c))
            .collect()
    }
}

/// Gives the outer lines of a picture other values, by the place across and down and the channel.
fn frame(image: &mut Image, lines: usize, value: impl Fn(usize, usize, usize) -> Option<u8>) {
    let (w, h) = (image.width as usize, image.height as usize);
    image.map(|x, y, c, old| {
        let outer = x.min(y) < lines || x + lines >= w || y + lines >= h;
        value(x, y, c).filter(|_| outer).map_or(old, f32::from)
    });
}

/// Adds a pattern, which is stretched to pictures of another size.
fn add(image: &mut Image, width: u32, height: u32, channels: u32, delta: &[f32]) {
    let (w, h) = (image.width.max(1) as usize, image.height.max(1) as usize);
    let (pw, ph, ch) = (width as usize, height as usize, channels.max(1) as usize);
    image.map(|x, y, c, value| {
        let at = ((y * ph / h) * pw + x * pw / w) * ch + c.min(ch - 1);
        value + delta.get(at).copied().unwrap_or(0.0)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_as_its_rows_have_it() {
        let c = |value: Option<&str>, to: Option<&str>| Condition {
            column: "c".into(),
            value: value.map(Into::into),
            to: to.map(Into::into),
        };
        let of = |c: Condition| (0..3).map(|i| written(&c, i, 3)).collect::<Vec<_>>();
        let some = |v: [&str; 3]| v.map(|v| Some(v.to_owned())).to_vec();
        assert_eq!(of(c(Some("red"), None)), some(["red"; 3]));
        assert_eq!(of(c(None, None)), [None, None, None]);
        assert_eq!(of(c(Some("10"), Some("15"))), some(["10", "13", "15"]));
        assert_eq!(of(c(Some("0.5"), Some("1"))), some(["0.5", "0.75", "1"]));
        assert_eq!(written(&c(Some("3"), Some("9")), 0, 1), Some("3".into()));
    }
}
