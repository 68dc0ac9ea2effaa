//! One JSON value, borrowing from its line where it can.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Keys keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond 63 bits: kept as digits.
    Big(u64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Marks the numbers that JSON lacks and Python writes; only looked at in lines that are no JSON otherwise.
const NOT_JSON: [(&[u8], &str, f64); 3] = [
    (b"NaN", "\u{0}NaN", f64::NAN),
    (b"-Infinity", "\u{0}-Infinity", f64::NEG_INFINITY),
    (b"Infinity", "\u{0}Infinity", f64::INFINITY),
];

/// Parses one line.
///
/// # Errors
/// What is wrong, with the column from 1.
pub(crate) fn parse(line: &[u8]) -> Result<Node<'_>, String> {
    match serde_json::from_slice(line) {
        Ok(node) => Ok(node),
        Err(error) => {
            if let Some(mended) = mend(line)
                && let Ok(node) = serde_json::from_slice::<Node<'_>>(&mended)
            {
                return Ok(unmark(node));
            }
            Err(reason(&error))
        }
    }
}

fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("broken JSON: {what} at column `{}`", error.column())
}

/// The line with strings in place of `NaN` and infinities outside strings, and with the replacement character in place of halves of
/// surrogate pairs within, as Python writes texts that were cut in the middle of a character; if there are any.
fn mend(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len() + 64);
    let (mut at, mut found, mut inside) = (0, false, false);
    'bytes: while at < line.len() {
        let byte = line[at];
        if !inside {
            for (word, _, _) in NOT_JSON {
                if line[at..].starts_with(word) {
                    out.extend_from_slice(b"\"\\u0000");
                    out.extend_from_slice(word);
                    out.push(b'"');
                    at += word.len();
                    found = true;
                    continue 'bytes;
                }
            }
        }
        if inside && byte == b'\\' {
            match surrogate(&line[at..]) {
                Some(length) if length == ESCAPE => {
                    out.extend_from_slice(b"\\ufffd");
                    at += length;
                    found = true;
                    continue;
                }
                Some(length) => {
                    out.extend_from_slice(&line[at..at + length]);
                    at += length;
                    continue;
                }
                None => {}
            }
            out.push(byte);
            at += 1;
        } else if byte == b'"' {
            inside = !inside;
        }
        if let Some(&byte) = line.get(at) {
            out.push(byte);
        }
        at += 1;
    }
    found.then_some(out)
}

/// Bytes of one escape.
const ESCAPE: usize = 6;

/// Bytes of the escaped surrogate, or of the pair, that the line begins with, if it does: a single one is half a character.
fn surrogate(line: &[u8]) -> Option<usize> {
    let unit = |at: usize| {
        let digits = line.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match unit(0)? {
        0xd800..=0xdbff if unit(ESCAPE).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => {
            Some(2 * ESCAPE)
        }
        0xd800..=0xdfff => Some(ESCAPE),
        _ => None,
    }
}

fn unmark<'a>(node: Node<'_>) -> Node<'a> {
    match node {
        Node::Text(text) => match NOT_JSON.iter().find(|(_, mark, _)| *mark == text) {
            Some((_, _, value)) => Node::Float(*value),
            None => Node::Text(Cow::Owned(text.into_owned())),
        },
        Node::List(items) => Node::List(items.into_iter().map(unmark).collect()),
        Node::Map(items) => {
            Node::Map(items.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), unmark(v))).collect())
        }
        Node::Null => Node::Null,
        Node::Bool(v) => Node::Bool(v),
        Node::Int(v) => Node::Int(v),
        Node::Big(v) => Node::Big(v),
        Node::Float(v) => Node::Float(v),
    }
}

/// Appends a value as compact JSON.
pub(crate) fn put(node: &Node<'_>, out: &mut Vec<u8>) {
    use std::io::Write;
    match node {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
        Node::Int(v) => drop(write!(out, "{v}")),
        Node::Big(v) => drop(write!(out, "{v}")),
        Node::Float(v) => put_float(*v, out),
        Node::Text(v) => put_text(v, out),
        Node::List(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put(item, out);
            }
            out.push(b']');
        }
        Node::Map(items) => {
            out.push(b'{');
            for (i, (key, item)) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put_text(key, out);
                out.push(b':');
                put(item, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends a number; `NaN` and infinities in Python's spelling.
pub(crate) fn put_float(value: f64, out: &mut Vec<u8>) {
    use std::io::Write;
    let _ = match value {
        v if v.is_nan() => out.write_all(b"NaN"),
        v if v.is_infinite() => out.write_all(if v > 0.0 { b"Infinity" } else { b"-Infinity" }),
        v => write!(out, "{v:?}"),
    };
}

/// Appends a JSON string.
pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Node<'de>, E> {
        Ok(Node::Int(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(v).map_or(Node::Big(v), Node::Int))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(v))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(v.to_string())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut items: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            // Parsers disagree on which of two equal keys counts, so none is chosen.
            let again = if items.len() < 16 {
                items.iter().any(|(k, _)| *k == key)
            } else {
                if seen.is_empty() {
                    seen.extend(items.iter().map(|(k, _)| k.clone()));
                }
                !seen.insert(key.clone())
            };
            if again {
                return Err(de::Error::custom(format!("key `{key}` stands twice")));
            }
            items.push((key, map.next_value()?));
        }
        Ok(Node::Map(items))
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks() {
        let node = parse(br#"{"a": NaN, "b": [-Infinity, 1], "c": "NaN"}"#).unwrap();
        let mut out = Vec::new();
        put(&node, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":NaN,"b":[-Infinity,1],"c":"NaN"}"#);
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        let text = |line: &[u8]| match parse(line) {
            Ok(Node::Text(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(br#""a\ud83d b""#), "a\u{fffd} b");
        assert_eq!(text(br#""\udc00\ud83d\ude00\ud83d""#), "\u{fffd}\u{1f600}\u{fffd}");
        assert_eq!(text(br#""\\ud83d \ud83d\u0041""#), "\\ud83d \u{fffd}A");
        assert!(parse(br#""\ud83"#).is_err());
    }

    #[test]
    fn keys_that_stand_twice_are_refused() {
        assert!(parse(br#"{"a": 1, "a": 2}"#).unwrap_err().contains("`a` stands twice"));
        assert!(parse(b"{\"a\": 1").unwrap_err().contains("at column"));
    }
}
