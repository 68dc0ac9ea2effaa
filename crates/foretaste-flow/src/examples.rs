//! Shows a few members of each finding in full: cells, the bytes worth looking at, thumbnails.

mod odd;

use crate::dataset::Dataset;
use crate::decide::Claim;
use crate::error::Result;
use arrow_array::ArrayRef;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::Field;
use base64::Engine;
use foretaste_core::{Batch, Cell, Example, Finding, Kind, Mark, Member, Role, Strings};
use odd::{Odd, Shares};
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
    let picked: Vec<Vec<usize>> = claims.iter().map(pick).collect();
    let wanted: BTreeSet<u64> =
        claims.iter().zip(&picked).flat_map(|(c, p)| p.iter().map(|&m| c.finding.members[m].row)).collect();
    let rows = collect(dataset, &wanted)?;
    let explained: BTreeMap<u64, Batch> = claims
        .iter()
        .zip(&picked)
        .filter(|(c, _)| matches!(c.finding.kind, Kind::Outlier | Kind::LabelError | Kind::LabelPoisoning))
        .flat_map(|(c, p)| p.iter().map(|&m| c.finding.members[m].row))
        .filter_map(|row| Some((row, rows.get(&row)?.clone())))
        .collect();
    let shares = Shares::new(dataset, &explained)?;
    for (claim, picked) in claims.iter_mut().zip(picked) {
        let marks = by_row(&claim.marks);
        let examples = picked.iter().filter_map(|&m| {
            let row = claim.finding.members[m].row;
            let batch = rows.get(&row)?;
            Some(example(&claim.finding, m, batch, marks.get(&row).map_or(&[], Vec::as_slice), &shares))
        });
        claim.finding.examples = examples.collect();
    }
    Ok(())
}

/// The most suspicious members, but no more than a third of one sort while there are others; of duplicates the first
/// members of the largest groups.
fn pick(claim: &Claim) -> Vec<usize> {
    let f = &claim.finding;
    if f.groups.is_empty() {
        let note: BTreeMap<u64, &str> = claim.marks.iter().rev().map(|m| (m.row, m.note.as_str())).collect();
        let sort = |m: &Member| (m.given.clone(), m.expected.clone(), note.get(&m.row).copied());
        let mut seen = BTreeMap::new();
        let (mut first, mut later) = (vec![], vec![]);
        for (i, m) in f.members.iter().enumerate() {
            let n = seen.entry(sort(m)).or_insert(0usize);
            *n += 1;
            if *n <= SHOWN / 3 { first.push(i) } else { later.push(i) }
        }
        let mut out: Vec<usize> = first.into_iter().chain(later).take(SHOWN).collect();
        out.sort_unstable();
        return out;
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

/// The cells of a member that speak against it, by the kind of its finding.
fn odd_cells(f: &Finding, member: usize, row: &Batch, shares: &Shares) -> Vec<Odd> {
    let m = &f.members[member];
    match (f.kind, &m.given, &m.expected) {
        (Kind::LabelError | Kind::LabelPoisoning, Some(given), Some(expected)) => {
            shares.contradicting(row, given, expected)
        }
        (Kind::Outlier, ..) => shares.extreme(row),
        _ => vec![],
    }
}

fn example(f: &Finding, member: usize, batch: &Batch, marks: &[Mark], shares: &Shares) -> Example {
    let m = &f.members[member];
    let odd = odd_cells(f, member, batch, shares);
    let marks: Vec<Mark> = marks.iter().cloned().chain(odd.iter().map(|o| o.mark(m.row))).collect();
    let mut cells = vec![];
    let mut thumbnail = None;
    let schema = batch.records.schema();
    for ((field, column), role) in schema.fields().iter().zip(batch.records.columns()).zip(batch.roles.iter())
    {
        match role {
            Role::Image => thumbnail = thumbnail.or_else(|| picture(field, column)),
            Role::Embedding | Role::Prob => {}
            role => {
                let mut cell = cell(field, column, *role, &marks);
                cell.odd |= *role == Role::Label
                    && matches!(f.kind, Kind::LabelError | Kind::LabelPoisoning | Kind::ConflictingDuplicate)
                    || *role == Role::Target && matches!(f.kind, Kind::LabelError | Kind::Availability);
                cells.push(cell);
            }
        }
    }
    // the odd cells in the order of their weight, then texts, then the label
    let weight = |c: &Cell| odd.iter().position(|o| o.column == c.column).unwrap_or(odd.len());
    cells
        .sort_by_key(|c| (!c.odd && c.marks.is_empty(), weight(c), !c.role.is_text(), c.role != Role::Label));
    Example { member, cells, thumbnail, why: why(f, member, &marks, &odd) }
}

/// The reasons in one line. For a label error without a single odd cell it says so, so that nobody looks for one.
fn why(f: &Finding, member: usize, marks: &[Mark], odd: &[Odd]) -> String {
    let mut reasons: Vec<&str> = vec![];
    for o in odd {
        if !reasons.contains(&o.why.as_str()) {
            reasons.push(&o.why);
        }
    }
    if !reasons.is_empty() {
        return reasons.join("; ");
    }
    let m = &f.members[member];
    match (&m.given, &m.expected) {
        (Some(given), Some(expected)) if given != expected => {
            format!("given `{given}`, expected `{expected}`: no part alone stands out, the whole does")
        }
        _ => marks.first().map_or(String::new(), |k| k.note.clone()),
    }
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
