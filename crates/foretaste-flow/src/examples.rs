//! Shows a few members of each finding in full: cells, the bytes worth looking at, thumbnails.

use crate::dataset::Dataset;
use crate::decide::Claim;
use crate::error::Result;
use arrow_array::ArrayRef;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::Field;
use base64::Engine;
use foretaste_core::{Batch, Cell, Example, Finding, Kind, Mark, Role, Strings, numbers};
use std::collections::{BTreeMap, BTreeSet};

/// Examples shown per finding.
const SHOWN: usize = 12;
/// Longest text of a cell, in bytes.
const CELL: usize = 600;
/// Side of a thumbnail.
const THUMBNAIL: u32 = 96;

/// Fills in the examples of all findings with one pass over the data.
///
/// # Errors
/// If a file cannot be read.
pub fn fill(claims: &mut [Claim], dataset: &Dataset) -> Result<()> {
    let picked: Vec<Vec<usize>> = claims.iter().map(|c| pick(&c.finding)).collect();
    let wanted: BTreeSet<u64> =
        claims.iter().zip(&picked).flat_map(|(c, p)| p.iter().map(|&m| c.finding.members[m].row)).collect();
    let rows = collect(dataset, &wanted)?;
    let bounds = Bounds::new(dataset, claims.iter().any(|c| c.finding.kind == Kind::Outlier))?;
    for (claim, picked) in claims.iter_mut().zip(picked) {
        let marks = by_row(&claim.marks);
        let examples = picked.iter().filter_map(|&m| {
            let row = claim.finding.members[m].row;
            let batch = rows.get(&row)?;
            Some(example(&claim.finding, m, batch, marks.get(&row).map_or(&[], Vec::as_slice), &bounds))
        });
        claim.finding.examples = examples.collect();
    }
    Ok(())
}

/// The most suspicious members; of duplicates the first members of the largest groups.
fn pick(f: &Finding) -> Vec<usize> {
    if f.groups.is_empty() {
        return (0..f.members.len().min(SHOWN)).collect();
    }
    f.groups.iter().take(SHOWN / 3).flat_map(|g| g.iter().take(3).map(|&m| m as usize)).collect()
}

fn by_row(marks: &[Mark]) -> BTreeMap<u64, Vec<Mark>> {
    let mut out: BTreeMap<u64, Vec<Mark>> = BTreeMap::new();
    for m in marks {
        out.entry(m.row).or_default().push(m.clone());
    }
    out
}

fn collect(dataset: &Dataset, wanted: &BTreeSet<u64>) -> Result<BTreeMap<u64, Batch>> {
    let mut out = BTreeMap::new();
    for batch in dataset.batches()? {
        if out.len() == wanted.len() {
            break;
        }
        let batch = batch?;
        let end = batch.first_row + batch.rows() as u64;
        for &row in wanted.range(batch.first_row..end) {
            out.insert(row, batch.slice((row - batch.first_row) as usize, 1));
        }
    }
    Ok(out)
}

/// The 0.1 % and 99.9 % points of the number columns, to mark odd cells.
struct Bounds(BTreeMap<String, (f64, f64)>);

impl Bounds {
    fn new(dataset: &Dataset, needed: bool) -> Result<Self> {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        if needed {
            for batch in dataset.batches()? {
                let batch = batch?;
                for (name, column) in batch.columns(|r| r == Role::Feature) {
                    if let Some(v) = numbers(column) {
                        values
                            .entry(name.to_owned())
                            .or_default()
                            .extend(v.into_iter().filter(|v| v.is_finite()));
                    }
                }
            }
        }
        let bounds = values.into_iter().filter_map(|(name, mut v)| {
            v.sort_by(f64::total_cmp);
            let at = |q: f64| v.get(((v.len() as f64 - 1.0) * q) as usize).copied();
            Some((name, (at(0.001)?, at(0.999)?)))
        });
        Ok(Self(bounds.collect()))
    }

    fn odd(&self, name: &str, column: &ArrayRef) -> bool {
        let Some((low, high)) = self.0.get(name) else { return false };
        numbers(column).and_then(|v| v.first().copied()).is_some_and(|v| v < *low || v > *high)
    }
}

fn example(f: &Finding, member: usize, batch: &Batch, marks: &[Mark], bounds: &Bounds) -> Example {
    let m = &f.members[member];
    let mut cells = vec![];
    let mut thumbnail = None;
    let schema = batch.records.schema();
    for ((field, column), role) in schema.fields().iter().zip(batch.records.columns()).zip(batch.roles.iter())
    {
        match role {
            Role::Image => thumbnail = thumbnail.or_else(|| picture(field, column)),
            Role::Embedding | Role::Prob => {}
            role => {
                let mut cell = cell(field, column, *role, marks);
                cell.odd |=
                    *role == Role::Label && matches!(f.kind, Kind::LabelError | Kind::ConflictingDuplicate);
                cell.odd |= f.kind == Kind::Outlier && bounds.odd(field.name(), column);
                cells.push(cell);
            }
        }
    }
    cells.sort_by_key(|c| (!c.odd && c.marks.is_empty(), !c.role.is_text(), c.role != Role::Label));
    let why = match (&m.given, &m.expected) {
        (Some(given), Some(expected)) if given != expected => {
            format!("given `{given}`, expected `{expected}`")
        }
        _ => marks.first().map_or(String::new(), |k| k.note.clone()),
    };
    Example { member, cells, thumbnail, why }
}

fn cell(field: &Field, column: &ArrayRef, role: Role, marks: &[Mark]) -> Cell {
    let own: Vec<&Mark> = marks.iter().filter(|m| m.column == *field.name()).collect();
    let full = text_of(column).unwrap_or_default();
    let first = own.iter().map(|m| m.start).filter(|s| *s > 0).min().unwrap_or(0);
    let (text, from) = window(&full, first);
    let places = own.iter().filter(|m| m.end > m.start && m.start >= from && m.end <= from + text.len());
    Cell {
        column: field.name().clone(),
        role,
        marks: places.map(|m| (m.start - from, m.end - from, m.note.clone())).collect(),
        odd: own.iter().any(|m| m.end == 0),
        text,
    }
}

/// The value of the first row as text.
fn text_of(column: &ArrayRef) -> Option<String> {
    let strings = Strings::new(column);
    if let Some(s) = strings.get(0) {
        return Some(s.to_owned());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).ok()?;
    (!column.is_empty() && !arrow_array::Array::is_null(column, 0)).then(|| formatter.value(0).to_string())
}

/// At most [`CELL`] bytes of `text` around byte `at`, and where they start.
fn window(text: &str, at: usize) -> (String, usize) {
    if text.len() <= CELL {
        return (text.to_owned(), 0);
    }
    let mut from = at.saturating_sub(CELL / 3).min(text.len());
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (from + CELL).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    (text[from..to].to_owned(), from)
}

fn picture(field: &Field, column: &ArrayRef) -> Option<String> {
    let decoded = foretaste_formats::decode_image(field, column.as_ref(), 0).ok()??;
    let (w, h) = (decoded.width, decoded.height);
    let image = match decoded.channels {
        1 => image::DynamicImage::ImageLuma8(image::GrayImage::from_raw(w, h, decoded.pixels)?),
        2 => image::DynamicImage::ImageLumaA8(image::GrayAlphaImage::from_raw(w, h, decoded.pixels)?),
        3 => image::DynamicImage::ImageRgb8(image::RgbImage::from_raw(w, h, decoded.pixels)?),
        _ => image::DynamicImage::ImageRgba8(image::RgbaImage::from_raw(w, h, decoded.pixels)?),
    };
    let small = if w.max(h) > THUMBNAIL { image.thumbnail(THUMBNAIL, THUMBNAIL) } else { image };
    let mut png = std::io::Cursor::new(vec![]);
    small.write_to(&mut png, image::ImageFormat::Png).ok()?;
    Some(format!(
        "data:image/png;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(png.into_inner())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_keep_character_boundaries() {
        let text = "ä".repeat(1000);
        let (part, from) = window(&text, 999);
        assert!(part.len() <= CELL && text[from..].starts_with(&part));
        assert_eq!(window("short", 3), ("short".to_owned(), 0));
    }
}
