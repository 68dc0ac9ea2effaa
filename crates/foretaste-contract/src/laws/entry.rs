//! What the catalogue needs of an entry.

use super::Verdict;
use foretaste_core::{Entry, Make, Param};
use serde_json::{Map, Value};

/// Headings of a detector's comment.
pub const HEADINGS: [&str; 7] =
    ["What it finds", "How it works", "Threat model", "Cost", "Blind spots", "Example", "References"];

pub fn documented(entry: &Entry) -> Verdict {
    documented_with(entry, &HEADINGS)
}

/// The comment has a title and these headings, each with a text; the id is in kebab case; every parameter has a comment.
///
/// # Errors
/// What is missing.
pub fn documented_with(entry: &Entry, headings: &[&str]) -> Verdict {
    if entry.title.is_empty() || entry.title.len() > 120 || entry.title.starts_with('#') {
        return Err(format!(
            "the first line of its comment is no title of at most 120 letters: `{}`",
            entry.title
        ));
    }
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !entry.id.chars().all(kebab) || entry.id.starts_with('-') {
        return Err(format!("the id `{}` is not in kebab case", entry.id));
    }
    for heading in headings {
        if entry.section(heading).is_none_or(str::is_empty) {
            return Err(format!("its comment has no text under `# {heading}`"));
        }
    }
    match entry.params.iter().find(|p| p.doc.trim().is_empty()) {
        Some(p) => Err(format!("parameter `{}` has no comment", p.name)),
        None => Ok(()),
    }
}

/// Makes the entry, whatever it is; the thing itself is not wanted.
fn make(entry: &Entry, params: &Map<String, Value>) -> Result<(), foretaste_core::Error> {
    match entry.make {
        Make::Detector(_) => entry.detector(params).map(drop),
        Make::Attack(_) => entry.attack(params).map(drop),
        Make::Victim(_) => entry.victim(params).map(drop),
    }
}

/// Defaults are within bounds and in the schema; wrong values and unknown names are refused.
///
/// # Errors
/// The parameter that breaks it.
pub fn parameters(entry: &Entry) -> Verdict {
    let defaults = (entry.defaults)();
    let schema = entry.schema();
    make(entry, &defaults).map_err(|e| format!("refuses its own defaults: {e}"))?;
    for p in entry.params {
        let default = defaults.get(p.name).ok_or_else(|| format!("parameter `{}` has no default", p.name))?;
        if schema["properties"][p.name]["default"] != *default {
            return Err(format!("the default of `{}` is not in the schema", p.name));
        }
        if !p.choices.is_empty() && !default.as_str().is_some_and(|d| p.choices.contains(&d)) {
            return Err(format!("the default of `{}` is none of its choices", p.name));
        }
        for value in wrong_values(p) {
            if make(entry, &one(p.name, value.clone())).is_ok() {
                return Err(format!("takes `{value}` for `{}`", p.name));
            }
        }
        for choice in p.choices {
            make(entry, &one(p.name, (*choice).into()))
                .map_err(|e| format!("refuses its choice `{choice}`: {e}"))?;
        }
    }
    if make(entry, &one("no-such-parameter", Value::from(1))).is_ok() {
        return Err("takes a parameter that it does not have".into());
    }
    Ok(())
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// Values that are out of the bounds or of another type.
fn wrong_values(p: &Param) -> Vec<Value> {
    let number =
        |v: f64| if p.kind == "integer" && v >= 0.0 { Value::from(v as u64) } else { Value::from(v) };
    let below = p.min.map(|m| number(m - 1.0));
    let above = p.max.map(|m| number(m + 1.0));
    [Some(Value::Array(vec![])), below, above].into_iter().flatten().collect()
}
