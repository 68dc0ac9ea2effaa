//! Lists of turns, as JSON text or as nested columns.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_schema::DataType;

use super::{Said, Speaker};
use crate::jsonl::node::{Node, parse};

/// Keys that say who speaks, and keys of what is said.
const WHO: [&str; 4] = ["role", "from", "speaker", "author"];
const WHAT: [&str; 5] = ["content", "value", "text", "message", "parts"];
/// Keys of what the model does in place of saying something.
const DONE: [&str; 2] = ["tool_calls", "function_call"];

/// A cell of a column of long strings.
pub(super) fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let column = column.as_any().downcast_ref::<LargeStringArray>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Turns in a JSON list of objects; `None` if it is something else.
pub(super) fn read_json(text: &str) -> Option<Said> {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return None;
    }
    let Ok(Node::List(items)) = parse(text.as_bytes()) else { return None };
    said(&items)
}

fn said(items: &[Node<'_>]) -> Option<Said> {
    let mut out = vec![];
    for item in items {
        turn(item, &mut out)?;
    }
    (!out.is_empty()).then_some(out)
}

/// Whether a list is one of turns.
pub(crate) fn are_turns(items: &[Node<'_>]) -> bool {
    said(items).is_some()
}

/// One turn of `{"role": who, "content": what}`, or several of `{"user": what, "assistant": what}`.
fn turn(item: &Node<'_>, out: &mut Said) -> Option<()> {
    let Node::Map(entries) = item else { return None };
    let of = |keys: &[&str]| {
        keys.iter().find_map(|key| entries.iter().find(|(k, _)| k == key).map(|(_, value)| value))
    };
    if let Some(Node::Text(who)) = of(&WHO) {
        let said = of(&WHAT).map(plain).unwrap_or_default();
        let done = of(&DONE).filter(|node| **node != Node::Null).map(json);
        let texts: Vec<String> = std::iter::once(said).chain(done).filter(|t| !t.is_empty()).collect();
        out.push((speaker(who), texts.join("\n")));
        return Some(());
    }
    let named: Vec<(Speaker, String)> =
        entries.iter().filter_map(|(key, value)| Some((Speaker::named(key)?, plain(value)))).collect();
    let spoken = !named.is_empty();
    out.extend(named);
    spoken.then_some(())
}

fn speaker(word: &str) -> Speaker {
    Speaker::named(word).unwrap_or(Speaker::User)
}

/// What is said, as text: parts of a message by lines, other values as they stand.
fn plain(node: &Node<'_>) -> String {
    match node {
        Node::Null => String::new(),
        Node::Text(text) => text.clone().into_owned(),
        Node::List(parts) => parts.iter().map(plain).filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n"),
        Node::Map(entries) => match entries.iter().find(|(key, _)| WHAT.contains(&key.as_ref())) {
            Some((_, value)) => plain(value),
            None => json(node),
        },
        _ => json(node),
    }
}

fn json(node: &Node<'_>) -> String {
    let mut out = vec![];
    crate::jsonl::node::put(node, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A column of lists of structures.
pub(super) struct Turns {
    lists: ArrayRef,
    /// First turn of each row, and the first behind it.
    ends: Vec<(usize, usize)>,
    who: LargeStringArray,
    what: LargeStringArray,
}

impl Turns {
    /// `None` if the lists hold no turns.
    pub(super) fn of(column: &ArrayRef) -> Option<Turns> {
        let (values, offsets): (ArrayRef, Vec<usize>) = match column.data_type() {
            DataType::List(_) => {
                let lists = column.as_list::<i32>();
                (lists.values().clone(), lists.value_offsets().iter().map(|o| *o as usize).collect())
            }
            DataType::LargeList(_) => {
                let lists = column.as_list::<i64>();
                (lists.values().clone(), lists.value_offsets().iter().map(|o| *o as usize).collect())
            }
            _ => return None,
        };
        let turns = values.as_struct_opt()?;
        let of = |keys: &[&str]| {
            let column = keys.iter().find_map(|key| turns.column_by_name(key))?;
            let text = arrow_cast::cast(column, &DataType::LargeUtf8).ok()?;
            text.as_any().downcast_ref::<LargeStringArray>().cloned()
        };
        let (who, what) = (of(&WHO)?, of(&WHAT)?);
        let ends = offsets.windows(2).map(|w| (w[0], w[1])).collect();
        Some(Turns { lists: column.clone(), ends, who, what })
    }

    pub(super) fn said(&self, row: usize) -> Option<Said> {
        let (from, to) = *self.ends.get(row)?;
        if self.lists.is_null(row) || from == to {
            return None;
        }
        let of = |column: &LargeStringArray, i: usize| column.is_valid(i).then(|| column.value(i).to_owned());
        let who = |i: usize| of(&self.who, i).map_or(Speaker::User, |word| speaker(&word));
        Some((from..to).map(|i| (who(i), of(&self.what, i).unwrap_or_default())).collect())
    }
}
