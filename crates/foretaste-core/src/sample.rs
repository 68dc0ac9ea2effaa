//! Stable ids of samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stable id of a sample: the value of the id column if there is one, else content hash and occurrence number.
///
/// Content ids look like `b3:5f2a…#0` (128 bits of BLAKE3 over the canonical cells, then how many equal rows came before).
/// They survive reordering of rows and a change of file format, but not a change of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SampleId(pub String);

impl SampleId {
    /// From the value of an id column.
    #[must_use]
    pub fn from_column(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// From a content hash and the number of equal rows before this one.
    #[must_use]
    pub fn from_content(hash: u128, occurrence: u32) -> Self {
        Self(format!("b3:{hash:032x}#{occurrence}"))
    }
}

impl std::fmt::Display for SampleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes the cells of one row into the content part of an id.
///
/// Canonical form: for each column in the order of its name: name, a tag for the kind of value, the value.
/// Integers and floats that are whole hash alike, so that a CSV and a Parquet of the same table give the same ids.
#[derive(Clone, Debug, Default)]
pub struct RowHasher {
    buffer: Vec<u8>,
}

impl RowHasher {
    /// Begins the next row.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Names the column that the next value belongs to.
    pub fn column(&mut self, name: &str) {
        self.put(b'c', name.as_bytes());
    }

    /// A missing value.
    pub fn null(&mut self) {
        self.buffer.push(b'0');
    }

    /// A number. NaNs are one value; so are 1 and 1.0.
    pub fn number(&mut self, value: f64) {
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
        self.buffer.push(b'n');
        self.buffer.extend_from_slice(&bits.to_le_bytes());
    }

    /// A string, or the printed form of any other simple value.
    pub fn text(&mut self, value: &str) {
        self.put(b't', value.as_bytes());
    }

    /// Bytes, such as those of an image.
    pub fn bytes(&mut self, value: &[u8]) {
        self.put(b'b', value);
    }

    /// The 128-bit hash of the row.
    #[must_use]
    pub fn finish(&self) -> u128 {
        let hash = blake3::hash(&self.buffer);
        let mut first = [0u8; 16];
        first.copy_from_slice(&hash.as_bytes()[..16]);
        u128::from_be_bytes(first)
    }

    fn put(&mut self, tag: u8, value: &[u8]) {
        self.buffer.push(tag);
        self.buffer.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.buffer.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(f: impl Fn(&mut RowHasher)) -> u128 {
        let mut h = RowHasher::default();
        f(&mut h);
        h.finish()
    }

    #[test]
    fn canonical_and_unambiguous() {
        assert_eq!(hash(|h| h.number(0.0)), hash(|h| h.number(-0.0)));
        assert_eq!(hash(|h| h.number(f64::NAN)), hash(|h| h.number(-f64::NAN)));
        let ab_c = hash(|h| {
            h.text("ab");
            h.text("c");
        });
        let a_bc = hash(|h| {
            h.text("a");
            h.text("bc");
        });
        assert_ne!(ab_c, a_bc);
        assert_ne!(hash(|h| h.text("x")), hash(|h| h.bytes(b"x")));
    }

    #[test]
    fn ids_are_fixed_for_ever() {
        let id = SampleId::from_content(hash(|h| h.text("hello")), 2);
        assert_eq!(id.0.len(), "b3:".len() + 32 + "#2".len());
        assert_eq!(id, SampleId::from_content(hash(|h| h.text("hello")), 2));
    }
}
