//! A tiny model for tests, byte by byte: one convolution, mean over the picture, four numbers a sample.

#![allow(dead_code)] // tests of two crates take what they need

/// Numbers a sample.
pub const DIM: usize = 4;

/// What the model is like.
#[derive(Clone)]
pub struct Small {
    /// Sizes of the input, `None` where free.
    pub shape: &'static [Option<usize>],
    /// Channels come last.
    pub last: bool,
    /// Channels.
    pub channels: usize,
    /// Element type by its number: 1 f32, 2 u8, 7 i64, 10 f16.
    pub kind: u64,
    /// Name of the input.
    pub input: &'static str,
    /// Means are taken over the picture; without it the output is a map.
    pub pooled: bool,
    /// Divides its input by this first, if not zero.
    pub divide: f32,
    /// The kind of the only operation that is not a usual one.
    pub relu: &'static str,
    /// Notes of the author.
    pub metadata: &'static [(&'static str, &'static str)],
    /// The program that wrote it.
    pub producer: &'static str,
}

impl Default for Small {
    fn default() -> Self {
        Self {
            shape: &[None, Some(3), Some(8), Some(8)],
            last: false,
            channels: 3,
            kind: 1,
            input: "picture",
            pooled: true,
            divide: 0.0,
            relu: "Relu",
            metadata: &[],
            producer: "small",
        }
    }
}

impl Small {
    /// The model's file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut nodes = vec![];
        let mut at = self.input.to_owned();
        let mut then = |op: &str, more: &[&str], to: &str, attributes: &[Vec<u8>]| {
            let mut names = vec![at.as_str()];
            names.extend(more);
            nodes.push(node(op, &names, to, attributes));
            to.clone_into(&mut at);
        };
        if self.kind == 2 {
            then("Cast", &[], "floats", &[int("to", 1)]);
        }
        if self.last {
            then("Transpose", &[], "turned", &[ints("perm", &[0, 3, 1, 2])]);
        }
        if self.divide > 0.0 {
            then("Div", &["divisor"], "divided", &[]);
        }
        then("Conv", &["weights", "bias"], "map", &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])]);
        then(self.relu, &[], if self.pooled { "positive" } else { "vector" }, &[]);
        if self.pooled {
            then("GlobalAveragePool", &[], "means", &[]);
            then("Flatten", &[], "vector", &[]);
        }
        let mut graph: Vec<u8> = nodes.iter().flat_map(|n| field(1, n)).collect();
        graph.extend(field(2, b"small"));
        graph.extend(field(5, &floats("weights", &[DIM, self.channels, 3, 3], &self.weights())));
        graph.extend(field(5, &floats("bias", &[DIM], &bias())));
        graph.extend(field(5, &floats("divisor", &[], &[self.divide])));
        graph.extend(field(11, &value(self.input, self.kind, self.shape)));
        let out: &[Option<usize>] =
            if self.pooled { &[None, Some(DIM)] } else { &[None, Some(DIM), None, None] };
        graph.extend(field(12, &value("vector", 1, out)));
        let mut model = number(1, 8);
        model.extend(field(2, self.producer.as_bytes()));
        model.extend(field(7, &graph));
        model.extend(field(8, &number(2, 13)));
        for (key, value) in self.metadata {
            model.extend(field(14, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat()));
        }
        model
    }

    fn weights(&self) -> Vec<f32> {
        (0..DIM * self.channels * 9).map(|i| ((i * 7 + i / 9 * 5) % 13) as f32 / 10.0 - 0.6).collect()
    }

    /// What it gives for one sample: `side * side` pixels, channels of a pixel beside each other.
    pub fn run(&self, pixels: &[f32], side: usize) -> Vec<f32> {
        let (weights, c) = (self.weights(), self.channels);
        let steps = (side - 3) / 2 + 1;
        let at = |o: usize, y: usize, x: usize| {
            let mut sum = bias()[o];
            for k in 0..c {
                for (dy, dx) in (0..9).map(|i| (i / 3, i % 3)) {
                    let w = weights[((o * c + k) * 3 + dy) * 3 + dx];
                    sum += w * pixels[((2 * y + dy) * side + 2 * x + dx) * c + k];
                }
            }
            sum.max(0.0)
        };
        let places = || (0..steps * steps).map(|i| (i / steps, i % steps));
        let mean = |o| places().map(|(y, x)| at(o, y, x)).sum::<f32>() / (steps * steps) as f32;
        (0..DIM).map(mean).collect()
    }
}

/// A model that reads token ids.
pub fn of_tokens() -> Vec<u8> {
    Small { kind: 7, input: "input_ids", shape: &[None, None], ..Small::default() }.bytes()
}

/// Bytes with an end missing, or with one byte changed.
pub fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = (0..bytes.len()).map(|n| bytes[..n].to_vec()).collect();
    for i in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[i] ^= 1 << (i % 8);
        out.push(changed);
    }
    out
}

fn bias() -> [f32; DIM] {
    [0.1, 0.2, 0.3, 0.4]
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = vec![];
    while n > 127 {
        out.push((n & 127) as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn number(id: u64, value: u64) -> Vec<u8> {
    [varint(id << 3), varint(value)].concat()
}

fn field(id: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(id << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
    out.extend(field(2, output.as_bytes()));
    out.extend(field(3, format!("make {output}").as_bytes()));
    out.extend(field(4, op.as_bytes()));
    out.extend(attributes.iter().flat_map(|a| field(5, a)));
    out
}

fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let mut out = field(1, name.as_bytes());
    out.extend(values.iter().flat_map(|v| number(8, *v)));
    out.extend(number(20, 7));
    out
}

fn int(name: &str, value: u64) -> Vec<u8> {
    [field(1, name.as_bytes()), number(3, value), number(20, 2)].concat()
}

fn floats(name: &str, dims: &[usize], values: &[f32]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|d| number(1, *d as u64)).collect();
    out.extend(number(2, 1));
    out.extend(field(8, name.as_bytes()));
    out.extend(field(9, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()));
    out
}

fn value(name: &str, kind: u64, shape: &[Option<usize>]) -> Vec<u8> {
    let dim = |(i, d): (usize, &Option<usize>)| match d {
        Some(n) => field(1, &number(1, *n as u64)),
        None => field(1, &field(2, format!("free_{i}").as_bytes())),
    };
    let dims: Vec<u8> = shape.iter().enumerate().flat_map(dim).collect();
    let tensor = [number(1, kind), field(2, &dims)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}
