//! JSON arrays: one array of objects a file, each of them a row.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Opened, by_extension};
use crate::input::Input;
use crate::options::OpenOptions;

/// A JSON array of objects.
///
/// It is copied once into a temporary file of one object a line, so that it can be read again and again in pieces, as JSON lines
/// are. White space between tokens is not kept.
pub struct JsonArray;

impl Format for JsonArray {
    fn id(&self) -> &'static str {
        "json"
    }
    fn title(&self) -> &'static str {
        "JSON array"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["json"]
    }
    fn sniff(&self, head: &[u8], path: &Path) -> bool {
        let json = by_extension(path).is_none_or(|named| matches!(named.id(), "json" | "jsonl"));
        let head = head.strip_prefix(BOM).unwrap_or(head);
        let mut signs = head.iter().filter(|b| !b.is_ascii_whitespace());
        json && matches!((signs.next(), signs.next()), (Some(b'['), Some(b'{' | b']')))
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let (lines, starts) = flattened(input, options)?;
        super::open(&lines, options, Some(Arc::new(starts)))
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        super::write::writer(path, schema, true)
    }
}

/// What stands before the first row of an array, between rows, and behind the last.
pub(super) const FRAME: (&[u8], &[u8], &[u8]) = (b"[\n", b",\n", b"\n]\n");

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The input as JSON lines in a temporary file, and the line at which each object starts.
fn flattened(input: &Input, options: &OpenOptions) -> Result<(Input, Vec<u64>)> {
    let shown = input.shown();
    let temporary = Path::new("temporary file");
    let mut temp = tempfile::NamedTempFile::new().map_err(|e| FormatError::write(temporary, e))?;
    let mut reader = input.reader(&options.limits)?;
    let mut flat = Flat::default();
    let (mut buffer, mut out) = (vec![0u8; 1 << 18], vec![]);
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(input.failed(e)),
        };
        out.clear();
        flat.feed(&buffer[..n], &mut out).map_err(|what| wrong(what, shown, flat.line))?;
        temp.write_all(&out).map_err(|e| FormatError::write(temporary, e))?;
    }
    if flat.state != State::After {
        let what = "the array has no end: the file may be cut off".to_owned();
        return Err(wrong(what, shown, flat.line));
    }
    temp.flush().map_err(|e| FormatError::write(temporary, e))?;
    Ok((Input::copied(temp.into_temp_path(), shown)?, flat.starts))
}

fn wrong(what: String, shown: &Path, line: u64) -> FormatError {
    FormatError::malformed(what, Place::line(shown, line))
        .with_hint("the file must be one array of objects, as `jq -s .` writes it, or one object a line")
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the array.
    #[default]
    Before,
    /// An object or the end may come.
    First,
    /// An object has to come.
    Next,
    /// A comma or the end has to come.
    Done,
    /// Within an object.
    Object,
    /// Within a string of it.
    Text,
    /// Behind a backslash.
    Escape,
    /// Behind the array.
    After,
}

/// Where in the array the reader is.
#[derive(Debug, Default)]
struct Flat {
    state: State,
    depth: usize,
    /// Lines before this one.
    feeds: u64,
    line: u64,
    seen: usize,
    starts: Vec<u64>,
}

impl Flat {
    /// Adds the objects in `bytes`, one a line.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        for &b in bytes {
            self.line = self.feeds + 1;
            self.feeds += u64::from(b == b'\n');
            self.take(b, out)?;
        }
        Ok(())
    }

    fn take(&mut self, b: u8, out: &mut Vec<u8>) -> Result<(), String> {
        match (self.state, b) {
            (State::Before, _) if self.seen < BOM.len() && b == BOM[self.seen] => self.seen += 1,
            (State::Before, b'[') => self.state = State::First,
            (State::First | State::Next, b'{') => {
                (self.state, self.depth) = (State::Object, 1);
                self.starts.push(self.line);
                out.push(b);
            }
            (State::First | State::Done, b']') => self.state = State::After,
            (State::Done, b',') => self.state = State::Next,
            (State::Object, b'"') => {
                self.state = State::Text;
                out.push(b);
            }
            (State::Object, b'\n' | b'\r') => out.push(b' '),
            (State::Object, _) => {
                out.push(b);
                match b {
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth -= 1,
                    _ => {}
                }
                if self.depth == 0 {
                    self.state = State::Done;
                    out.push(b'\n');
                }
            }
            (State::Text, b'\n' | b'\r') => return Err("a line ends within a string".into()),
            (State::Text, _) => {
                out.push(b);
                self.state = match b {
                    b'"' => State::Object,
                    b'\\' => State::Escape,
                    _ => State::Text,
                };
            }
            (State::Escape, b'\n' | b'\r') => return Err("a line ends within a string".into()),
            (State::Escape, _) => {
                out.push(b);
                self.state = State::Text;
            }
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (state, _) => {
                let found = crate::error::shown(&[b]);
                return Err(match state {
                    State::After => format!("`{found}` behind the end of the array"),
                    State::Done => format!("`{found}` where a comma or the end of the array should be"),
                    _ => format!("`{found}` where an object should begin"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &[u8], piece: usize) -> Result<(String, Vec<u64>), String> {
        let (mut flat, mut out) = (Flat::default(), vec![]);
        for bytes in text.chunks(piece) {
            flat.feed(bytes, &mut out).map_err(|what| format!("{what} in line {}", flat.line))?;
        }
        if flat.state == State::After {
            Ok((String::from_utf8(out).unwrap(), flat.starts))
        } else {
            Err("no end".into())
        }
    }

    #[test]
    fn objects_become_lines_whatever_the_pieces() {
        let text = b"\xef\xbb\xbf [\n {\"a\": [1, {\"b\": \"]}\\\"\\\\\"}],\r\n \"c\": {}}\n,\n{}]\n";
        for piece in [1, 2, 3, 7, 1000] {
            let (lines, starts) = flat(text, piece).unwrap();
            assert_eq!(lines, "{\"a\": [1, {\"b\": \"]}\\\"\\\\\"}],   \"c\": {}}\n{}\n");
            assert_eq!(starts, [2, 5]);
        }
        assert_eq!(flat(b"[]", 1).unwrap(), (String::new(), vec![]));
    }

    #[test]
    fn what_is_no_array_of_objects_is_told_with_its_line() {
        let error = |text: &str| flat(text.as_bytes(), 4).unwrap_err();
        assert_eq!(error("[\n{},\n3]"), "`3` where an object should begin in line 3");
        assert_eq!(error("[{} {}]"), "`{` where a comma or the end of the array should be in line 1");
        assert_eq!(error("[{},]"), "`]` where an object should begin in line 1");
        assert_eq!(error("[{}]\n x"), "`x` behind the end of the array in line 2");
        assert_eq!(error("[{\"a\": \"b\n"), "a line ends within a string in line 1");
        assert_eq!(error("[{\"a\": [1}"), "no end");
        assert_eq!(error("[{\"a\": 1}, "), "no end");
    }
}
