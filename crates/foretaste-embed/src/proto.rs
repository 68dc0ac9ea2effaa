//! What must be known of a model's file before it runs: its inputs, outputs, and what happens to the input first.
//!
//! ONNX files are protocol buffers. Only the few fields that are asked for are read, whatever runtime runs the model.

use std::collections::BTreeMap;

/// Constants with more numbers than this are weights, not a scaling.
const SMALL: usize = 4096;

/// Element types by their number in the format.
const TYPES: [&str; 17] = [
    "unknown", "f32", "u8", "i8", "u16", "i16", "i32", "i64", "string", "bool", "f16", "f64", "u32", "u64",
    "c64", "c128", "bf16",
];

/// An input or output of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// Type of its numbers: `f32`, `u8`, `i64`, ...
    pub kind: String,
    /// Its sizes, `None` where they are free; no list if the file does not say.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Value {
    /// `f32[N,3,224,224]`; free sizes are letters.
    #[must_use]
    pub fn shape(&self) -> String {
        let Some(dims) = &self.dims else { return format!("{}[?]", self.kind) };
        let one = |(i, d): (usize, &Option<usize>)| match d {
            Some(n) => n.to_string(),
            None => if i == 0 { "N" } else { "?" }.to_owned(),
        };
        format!("{}[{}]", self.kind, dims.iter().enumerate().map(one).collect::<Vec<_>>().join(","))
    }
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its kind: `Conv`.
    pub op: String,
    /// Names of the values it reads.
    pub inputs: Vec<String>,
    /// Names of the values it makes.
    pub outputs: Vec<String>,
}

/// What a model's file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The program that wrote it: `pytorch`.
    pub producer: String,
    /// Free notes of its author.
    pub metadata: BTreeMap<String, String>,
    /// Inputs without those that the file itself fills.
    pub inputs: Vec<Value>,
    /// Outputs.
    pub outputs: Vec<Value>,
    /// Operations in order.
    pub nodes: Vec<Node>,
    /// Mean of each small constant of floats, by name.
    pub constants: BTreeMap<String, f64>,
    /// Files beside the model that hold weights.
    pub beside: Vec<String>,
}

impl Facts {
    /// Reads the bytes of a model. Says what is wrong if they are none.
    ///
    /// # Errors
    /// If the bytes are damaged or hold no graph.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut facts = Self::default();
        let mut seen = false;
        for field in Fields(bytes) {
            match field? {
                (2, Field::Bytes(b)) => facts.producer = text(b),
                (7, Field::Bytes(b)) => {
                    seen = true;
                    facts.graph(b)?;
                }
                (14, Field::Bytes(b)) => {
                    let (key, value) = pair(b)?;
                    facts.metadata.insert(key, value);
                }
                _ => {}
            }
        }
        if !seen {
            return Err("it holds no graph".into());
        }
        facts.beside.sort();
        facts.beside.dedup();
        Ok(facts)
    }

    /// The only operation that reads a value, if there is just one.
    #[must_use]
    pub fn reader(&self, value: &str) -> Option<&Node> {
        let mut all = self.nodes.iter().filter(|n| n.inputs.iter().any(|i| i == value));
        all.next().filter(|_| all.next().is_none())
    }

    /// The operation that makes a value.
    #[must_use]
    pub fn maker(&self, value: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.outputs.iter().any(|o| o == value))
    }

    fn graph(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut filled = vec![];
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(b)) => self.node(b)?,
                (5, Field::Bytes(b)) => {
                    let tensor = Tensor::read(b)?;
                    filled.push(tensor.name.clone());
                    self.constant(tensor);
                }
                (11, Field::Bytes(b)) => self.inputs.push(value(b)?),
                (12, Field::Bytes(b)) => self.outputs.push(value(b)?),
                _ => {}
            }
        }
        // old files list their weights as inputs too
        self.inputs.retain(|i| !filled.contains(&i.name));
        Ok(())
    }

    fn node(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut node = Node::default();
        let mut constant = None;
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(b)) => node.inputs.push(text(b)),
                (2, Field::Bytes(b)) => node.outputs.push(text(b)),
                (4, Field::Bytes(b)) => node.op = text(b),
                (5, Field::Bytes(attribute)) => {
                    for field in Fields(attribute) {
                        if let (5, Field::Bytes(b)) = field? {
                            constant = Some(Tensor::read(b)?);
                        }
                    }
                }
                _ => {}
            }
        }
        if let (Some(tensor), "Constant", Some(name)) = (constant, node.op.as_str(), node.outputs.first()) {
            self.constant(Tensor { name: name.clone(), ..tensor });
        } else {
            self.nodes.push(node);
        }
        Ok(())
    }

    fn constant(&mut self, tensor: Tensor) {
        self.beside.extend(tensor.beside);
        if !tensor.floats.is_empty() {
            let mean = tensor.floats.iter().map(|v| f64::from(*v)).sum::<f64>() / tensor.floats.len() as f64;
            self.constants.insert(tensor.name, mean);
        }
    }
}

/// A constant: its name, its numbers if they are few floats, and the file that holds them if it is another.
#[derive(Default)]
struct Tensor {
    name: String,
    floats: Vec<f32>,
    beside: Option<String>,
}

impl Tensor {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let (mut out, mut kind, mut raw) = (Self::default(), 0, &[][..]);
        let mut whole = |b: &[u8]| {
            if b.len() <= 4 * SMALL && b.len().is_multiple_of(4) {
                out.floats.extend(b.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])));
            }
        };
        for field in Fields(bytes) {
            match field? {
                (2, Field::Number(n)) => kind = n,
                (4, Field::Bytes(b)) => whole(b),
                (4, Field::Four(b)) => whole(&b),
                (8, Field::Bytes(b)) => out.name = text(b),
                (9, Field::Bytes(b)) => raw = b,
                (13, Field::Bytes(b)) => {
                    let (key, value) = pair(b)?;
                    if key == "location" {
                        out.beside = Some(value);
                    }
                }
                _ => {}
            }
        }
        if kind == 1 && raw.len() <= 4 * SMALL {
            out.floats.extend(raw.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])));
        }
        Ok(out)
    }
}

fn value(bytes: &[u8]) -> Result<Value, String> {
    let mut out = Value::default();
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(b)) => out.name = text(b),
            // type, then tensor type: both are messages of one field that matters
            (2, Field::Bytes(b)) => {
                for field in Fields(b) {
                    if let (1, Field::Bytes(b)) = field? {
                        tensor_type(b, &mut out)?;
                    }
                }
            }
            _ => {}
        }
    }
    if out.kind.is_empty() {
        out.kind = TYPES[0].into();
    }
    Ok(out)
}

fn tensor_type(bytes: &[u8], out: &mut Value) -> Result<(), String> {
    for field in Fields(bytes) {
        match field? {
            (1, Field::Number(n)) => {
                out.kind = (*TYPES.get(n as usize).unwrap_or(&TYPES[0])).to_owned();
            }
            (2, Field::Bytes(b)) => {
                let mut dims = vec![];
                for field in Fields(b) {
                    if let (1, Field::Bytes(b)) = field? {
                        let mut size = None;
                        for field in Fields(b) {
                            if let (1, Field::Number(n)) = field? {
                                // some writers say free sizes as 0 or -1
                                size = usize::try_from(n as i64).ok().filter(|n| *n > 0);
                            }
                        }
                        dims.push(size);
                    }
                }
                out.dims = Some(dims);
            }
            _ => {}
        }
    }
    Ok(())
}

fn pair(bytes: &[u8]) -> Result<(String, String), String> {
    let mut out = (String::new(), String::new());
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(b)) => out.0 = text(b),
            (2, Field::Bytes(b)) => out.1 = text(b),
            _ => {}
        }
    }
    Ok(out)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

/// The fields of a message, one after the other. After an error it ends.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or_else(|| "its bytes are damaged".to_owned());
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Eight)?,
            2 => {
                let n = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.take(n)?)
            }
            5 => Field::Four(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn number(&mut self) -> Option<u64> {
        let mut out = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            out |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(out);
            }
        }
        None
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small::{Small, cut};

    #[test]
    fn a_small_model_is_read_back() {
        let bytes = Small { shape: &[None, Some(3), Some(8), Some(8)], ..Small::default() }.bytes();
        let facts = Facts::read(&bytes).unwrap();
        assert_eq!(facts.producer, "small");
        assert_eq!(facts.inputs.len(), 1);
        assert_eq!(facts.inputs[0].shape(), "f32[N,3,8,8]");
        assert_eq!(facts.outputs[0].name, "vector");
        assert_eq!(facts.reader("picture").unwrap().op, "Conv");
        assert_eq!(facts.maker("vector").unwrap().op, "Flatten");
        assert!(facts.constants.contains_key("bias"));
    }

    #[test]
    fn any_cut_or_noise_is_an_error_or_harmless() {
        let bytes = Small::default().bytes();
        for part in cut(&bytes) {
            let _ = Facts::read(&part);
        }
        assert_eq!(Facts::read(b"").unwrap_err(), "it holds no graph");
        assert_eq!(Facts::read(b"PK\x03\x04 a zip file").unwrap_err(), "its bytes are damaged");
    }
}
